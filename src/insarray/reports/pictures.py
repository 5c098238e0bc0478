"""Plots of a result as SVG text, in the text colour of the page for light and dark themes."""

import base64
import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from insarray import plot
from insarray.model.dataset import grid_of
from insarray.model.network import Network
from insarray.plot.figures import add_legend
from insarray.plot.maps import colouring, ground_aspect, size_of_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

_INK = "#010203"  # placeholder of the page's text colour
_DOTS = 110  # per inch, of raster content
_PANELS = 6
_MAPS_BYTES = 1_600_000  # of those of all maps together
_PANEL_BYTES = 240_000  # of those of all dates together
_LEAST_SIDE = 64  # pixels
_LEAST_BYTES = 3000  # of a colour bar


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Apply matplotlib settings: transparent, placeholder text colour; `salt` makes ids unique and reproducible."""
    import matplotlib as mpl

    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
    clear = ("axes.facecolor", "figure.facecolor", "savefig.facecolor", "legend.facecolor")
    settings: dict[Any, Any] = {**dict.fromkeys(ink, _INK), **dict.fromkeys(clear, "none")}
    settings |= {"svg.fonttype": "none", "svg.hashsalt": salt, "text.parse_math": False}  # names are no formulas
    with mpl.rc_context(settings):
        yield


def _svg(figure: "Figure", raster_bytes: int = _PANEL_BYTES) -> str:
    """Picture as text; the pixels in it take no more than so many bytes, however large or noisy what they show is."""
    text = io.StringIO()
    figure.savefig(text, format="svg", dpi=_DOTS, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    picture = text.getvalue()
    picture = picture[picture.index("<svg") :].replace(_INK, "var(--ink)")
    whole = sum(map(len, _RASTER.findall(picture)))
    picture = _RASTER.sub(
        lambda found: _lighter(found[1], max(raster_bytes * len(found[1]) // whole, _LEAST_BYTES)), picture
    )
    return re.sub(
        r' id="[a-zA-Z]+[a-zA-Z.]*_\d+"', "", picture
    )  # ids differ between pictures, and nothing refers to them


_RASTER = re.compile(r'xlink:href="data:image/png;base64,\s*([^"]+)"')


def _lighter(encoded: str, most: int) -> str:
    """An embedded PNG with a palette, of 64 colours or fewer pixels if it is still too large."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    few = picture.getcolors(16) is not None  # classes, whose colours must not be mixed
    how = Image.Resampling.NEAREST if few else Image.Resampling.BOX
    wide, high = picture.size
    colours, scale = 256, 1.0
    while True:
        size = max(1, round(scale * wide)), max(1, round(scale * high))
        content = io.BytesIO()
        part = picture if size == picture.size else picture.resize(size, how)
        _with_palette(part, colours).save(content, "PNG", optimize=True)
        text = base64.b64encode(content.getvalue()).decode()
        if len(text) <= most or max(size) <= _LEAST_SIDE:
            break
        if colours == 64:
            scale *= min(0.97 * math.sqrt(most / len(text)), 0.95)
        colours = 64
    return f'preserveAspectRatio="none" xlink:href="data:image/png;base64,{text}"'


def _with_palette(picture: "Image", number: int) -> "Image":
    """Picture with at most so many colours."""
    from PIL import Image

    if picture.getchannel("A").getextrema() != (255, 255):  # transparent somewhere
        return picture.quantize(number, method=Image.Quantize.FASTOCTREE)
    return picture.convert("RGB").quantize(number, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def map_picture(maps: xr.Dataset, name: str, count: int) -> tuple[str, tuple[float, float, float, float]]:
    """Map of a variable, one of `count`, and where its left, right, top and bottom pixel edges are, as parts of the picture."""
    with _style(name):
        ax = plot.map(maps, name)
        for text in ax.texts:  # text on the map, which is light in both themes
            text.set_color("black")
        return _svg(ax.figure, _MAPS_BYTES // max(count, 4)), _box(ax, maps)  # type: ignore[arg-type]


def _box(ax: "Axes", maps: xr.Dataset) -> tuple[float, float, float, float]:
    """Return the left, right, top and bottom edges of the image, as fractions from the left and top of the figure."""
    grid = grid_of(maps)
    right, bottom = grid.left + grid.width * grid.dx, grid.top + grid.height * grid.dy
    corners = ax.transData.transform([(grid.left, grid.top), (right, bottom)])
    (x0, y0), (x1, y1) = ax.figure.transFigure.inverted().transform(corners)
    return float(x0), float(x1), float(1 - y0), float(1 - y1)


def network_picture(network: xr.Dataset | Network) -> str:
    """Return a plot of dates and pairs."""
    with _style("network"):
        return _svg(plot.network(network).figure)  # type: ignore[arg-type]


def histogram_picture(maps: xr.Dataset) -> str:
    """Return a histogram of the velocity."""
    from matplotlib.figure import Figure

    values = 1e3 * maps.velocity.values.astype(np.float64)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (0.1, 99.9))
    with _style("histogram"):
        ax = Figure((7.5, 3.2), layout="compressed").subplots()
        ax.hist(np.clip(values, low, high), bins=80, color="#4477aa")
        ax.axvline(0, color="0.5", lw=0.8)
        middle = float(np.median(values))
        ax.axvline(middle, color="#ee6677", lw=1.2, label=f"median {middle:.1f} mm/yr".replace("-", "−"))
        ax.set(xlabel="LOS velocity (mm/yr), positive toward satellite", ylabel="pixels")
        add_legend(ax)
        return _svg(ax.figure)  # type: ignore[arg-type]


def chosen_dates(times: np.ndarray) -> np.ndarray:
    """Return the indices of the plotted dates: evenly spaced, including the last but not the first, which is 0."""
    evenly = np.linspace(0, len(times) - 1, _PANELS + 1)[1:]
    return np.unique(np.ceil(evenly - 1e-9).astype(int))


def displacement_picture(series: xr.Dataset) -> str:
    """Return maps of the displacement at the dates of `series`, with a common colour scale."""
    return panels_picture(series, series.displacement, [str(time)[:10] for time in series.time.values], "displacement")


def assessment_picture(assessed: xr.Dataset) -> str:
    """Return the verdicts on corrections as SVG."""
    with _style("assessment"):
        return _svg(plot.assessment(assessed))


def gnss_picture(found: xr.Dataset) -> str:
    """Return panels of the stations of a comparison as SVG."""
    with _style("gnss"):
        return _svg(plot.gnss(found))


def validation_picture(found: xr.Dataset) -> str:
    """Return the shares of a validation as SVG."""
    with _style("validation"):
        return _svg(plot.validation(found).figure)  # type: ignore[arg-type]


def panels_picture(maps: xr.Dataset, planes: xr.DataArray, titles: list[str], salt: str) -> str:
    """Return maps (panel, y, x) of displacements on the pixels of `maps`, with a common colour scale."""
    from matplotlib.figure import Figure

    grid = grid_of(maps)
    aspect = ground_aspect(grid)
    wide, high = size_of_map(grid, aspect)
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    with _style(salt):
        style = colouring("displacement", planes)
        figure = Figure((11, 11 / columns * min(high / wide, 2) * rows), layout="compressed")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        right, bottom = grid.left + grid.width * grid.dx, grid.top + grid.height * grid.dy
        for ax, values, title in zip(axes, style.values, titles, strict=False):
            edges = (grid.left, right, bottom, grid.top)
            image = ax.imshow(values, style.cmap, style.norm, extent=edges, origin="upper", interpolation="nearest")
            if aspect is not None and grid.dy > 0:
                ax.invert_yaxis()
            ax.set(xticks=[], yticks=[], aspect="auto" if aspect is None else aspect)
            ax.set_title(title, fontsize="medium")
        for ax in axes[len(titles) :]:
            ax.set_axis_off()
        figure.colorbar(image, ax=list(axes), label=style.label, extend=style.extend, pad=0.01)
        return _svg(figure)
