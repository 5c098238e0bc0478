"""Points for a globe: KMZ with coloured placemarks and the legend of their colours."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax import saxutils

import numpy as np

from insarray.export.columns import Column
from insarray.export.rows import Rows, Source
from insarray.model.errors import ArgumentError
from insarray.model.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 50_000  # placemarks: more than globes draw without a delay; and their text is below 2 GB, as old unzippers need
_SAMPLE = 40_000  # points that the limits of the colours are taken from
_SHADES = 32
_VELOCITY = "mean_velocity"


def write_kmz(source: Source, path: Path) -> int:
    """Write a KMZ file, and return the number of points.

    Colours are of the velocity, or the last displacement where there is none: as in maps, red away from the satellite and
    blue toward it, up to the 99th percentile of their size.

    Raises
    ------
    ArgumentError
        If there are more points than a globe can show.
    """
    limit = _limit(source)
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("legend.png", _legend(source, limit))
        archive.writestr("dot.png", _dot())
        with archive.open("doc.kml", "w") as file:
            for text in _begin(source, path.stem):
                file.write(text.encode())
            for rows in source.rows():
                count += len(rows)
                if count > _MOST:
                    raise ArgumentError(
                        f"{path.name}: has more than {_MOST} points, which viewers of KML cannot show; write each n-th with every "
                        "(--every), or choose polygons"
                    )
                file.write("".join(_placemarks(source, rows, limit)).encode())
            file.write(b"</Document></kml>\n")
    return count


def _shown(source: Source, rows: Rows) -> np.ndarray:
    """What the colours are of, in mm/year or mm."""
    if _VELOCITY in rows.maps:
        return rows.maps[_VELOCITY]
    if source.columns.dates:
        return rows.series[:, -1]
    return next(iter(rows.maps.values()))


def _label(source: Source) -> str:
    columns = source.columns
    of = {column.name: column for column in columns.maps}
    if _VELOCITY in of:
        return f"velocity (mm/year)\npositive {columns.direction}"
    if columns.dates:
        return f"displacement {columns.dates[-1]} (mm)\npositive {columns.direction}"
    first = columns.maps[0]
    return f"{first.name} ({first.units})"


def _limit(source: Source) -> float:
    """The size at which the colours end."""
    total = int(np.prod([source.data.sizes[dim] for dim in source.columns.dims]))
    step = max(1, int(np.sqrt(total / _SAMPLE)) if len(source.columns.dims) == 2 else total // _SAMPLE)
    values = [_shown(source, rows) for rows in replace(source, every=max(source.every, step)).rows()]
    sizes = np.abs(np.concatenate(values)) if values else np.zeros(0)
    sizes = sizes[np.isfinite(sizes)]
    found = float(np.percentile(sizes, 99)) if sizes.size else 1.0
    return found or 1.0


def _colours() -> np.ndarray:
    """Colours of the shades from away to toward, (shade, red green blue)."""
    import matplotlib as mpl

    return np.asarray(255 * mpl.colormaps["RdBu"](np.linspace(0, 1, _SHADES))[:, :3]).round().astype(int)


def _legend(source: Source, limit: float) -> bytes:
    """Picture of the colour bar."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.4, 3.2), dpi=100, facecolor=(1, 1, 1, 0.85))
    bar = ScalarMappable(Normalize(-limit, limit), "RdBu")
    figure.colorbar(bar, cax=figure.add_axes((0.1, 0.05, 0.17, 0.9)), label=_label(source), extend="both")
    return _picture(figure)


def _dot() -> bytes:
    """A white dot, which each style gives its colour."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(0.32, 0.32), dpi=100, facecolor="none")
    figure.add_artist(Circle((0.5, 0.5), 0.4, facecolor="white", edgecolor="0.25", lw=0.5))
    return _picture(figure)


def _picture(figure: "Figure") -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _begin(source: Source, name: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
    yield f"<name>{_xml(name)}</name>\n"
    yield (
        '<ScreenOverlay><name>legend</name><Icon><href>legend.png</href></Icon><overlayXY x="0" y="1" xunits="fraction" '
        'yunits="fraction"/><screenXY x="0.02" y="0.97" xunits="fraction" yunits="fraction"/></ScreenOverlay>\n'
    )
    for number, (red, green, blue) in enumerate(_colours()):
        yield (
            f'<Style id="s{number}"><IconStyle><color>ff{blue:02x}{green:02x}{red:02x}</color><scale>0.5</scale>'
            f"<Icon><href>dot.png</href></Icon></IconStyle><LabelStyle><scale>0</scale></LabelStyle></Style>\n"
        )
    fields = "".join(
        f'<SimpleField type="float" name="{_xml(column.name)}"><displayName>{_xml(_heading(column))}</displayName></SimpleField>'
        for column in source.columns.maps
    )
    dates = "".join(
        f'<SimpleField type="float" name="D{date}"><displayName>{date} (mm)</displayName></SimpleField>'
        for date in source.columns.dates
    )
    yield f'<Schema name="points" id="points">{fields}{dates}</Schema>\n'


def _heading(column: Column) -> str:
    return column.name if column.units == "1" else f"{column.name} ({column.units})"


def _placemarks(source: Source, rows: Rows, limit: float) -> Iterator[str]:
    columns = source.columns
    shown = np.nan_to_num(_shown(source, rows) / limit)
    shades = np.clip(np.floor((shown + 1) / 2 * _SHADES), 0, _SHADES - 1).astype(int)
    named = [(column.name, rows.maps[column.name], column.decimals) for column in columns.maps]
    named += [(f"D{date}", rows.series[:, k], 2) for k, date in enumerate(columns.dates)]
    for k, pid in enumerate(rows.pid):
        data = "".join(_datum(name, values[k], decimals) for name, values, decimals in named)
        yield (
            f"<Placemark><name>{_xml(pid)}</name><styleUrl>#s{shades[k]}</styleUrl><ExtendedData>"
            f'<SchemaData schemaUrl="#points">{data}</SchemaData></ExtendedData><Point><coordinates>'
            f"{rows.longitude[k]:.7f},{rows.latitude[k]:.7f}</coordinates></Point></Placemark>\n"
        )


def _datum(name: str, value: Any, decimals: int | None) -> str:
    if not np.isfinite(value):
        return ""
    text = f"{value:.6g}" if decimals is None else f"{value:.{decimals}f}"
    return f'<SimpleData name="{_xml(name)}">{text}</SimpleData>'


def _xml(text: str) -> str:
    """Text between tags or quotes, whatever is in it."""
    return saxutils.escape(printable(text), {'"': "&quot;"})
