"""Pictures of what the package computes: networks, maps, and the history of a point, with matplotlib."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from insarray.model.conventions import SOLVER_FLAGS, VARIABLES
from insarray.model.dataset import grid_of, network_of
from insarray.model.dates import as_time, date_label, years_since
from insarray.model.errors import ArgumentError, NetworkError, StoreError
from insarray.model.grid import Grid
from insarray.model.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

_MASKED = "0.8"
_MAX_SIDE = 3000  # pixels; more than a printed page resolves
_MILLIMETRES = ("displacement", "displacement_std", "velocity", "velocity_std", "annual_amplitude")
_SHARES = ("coherence", "temporal_coherence")  # 0 .. 1 whatever the data, so that pictures compare
_CLASSES: dict[str, tuple[str, ...]] = {"solver_flag": SOLVER_FLAGS, "water_mask": ("water", "land")}
_UNITS = {"m/year": "m/yr", "1": "", "radian": "rad", "degree": "°"}
_TITLES = {"velocity": "LOS velocity", "displacement": "LOS displacement", "solver_flag": "", "water_mask": ""}


def network(data: xr.Dataset | Network, ax: "Axes | None" = None) -> "Axes":
    """Dates and pairs: perpendicular baseline over time, or arcs as high as the temporal baseline without baselines.

    Pairs are coloured by their mean coherence where `data` has the coordinate `mean_coherence` (pair). Dates that no
    chain of pairs ties to the first date have a colour and a legend entry for each piece.

    Parameters
    ----------
    data
        Anything with pair coordinates, or a network.
    ax
        Where to draw; a new figure (``.figure`` of what is returned) if None.

    Raises
    ------
    StackError
        If `data` has no pair coordinates.
    """
    from matplotlib.collections import LineCollection

    pairs = data if isinstance(data, Network) else network_of(data)
    ax = _axes(ax, (7.5, 4.2))
    days = _days(pairs.times, ax)
    height, lines, label = _pair_lines(pairs, days)
    edges = LineCollection(lines, linewidths=1.2, zorder=1)
    coherence = None if isinstance(data, Network) else data.coords.get("mean_coherence")
    if coherence is None:
        edges.set_color("0.55")
    else:
        shares = np.asarray(coherence.values, np.float64)
        limits = np.floor(10 * np.nanmin(shares)) / 10, np.ceil(10 * np.nanmax(shares)) / 10
        edges.set(array=shares, cmap="viridis_r", clim=limits)
        ax.figure.colorbar(edges, ax=ax, label="mean coherence", pad=0.02)
    ax.add_collection(edges)
    pieces = pairs.components()
    for piece in range(pieces.max() + 1):
        inside = pieces == piece
        name = f"{inside.sum()} dates, {date_label(pairs.times[inside][0])} first"
        ax.plot(days[inside], height[inside], "o", ms=6, mec="white", mew=0.7, color=f"C{piece}", label=name)
    if pieces.max() > 0:
        ax.legend(fontsize="small", title="pieces without a common pair", title_fontsize="small")
    ax.margins(0.03, 0.08)
    ax.autoscale_view()
    ax.set_ylabel(label)
    ax.set_title(f"{pairs.n_dates} dates, {pairs.n_pairs} pairs", fontsize="medium")
    return ax


def velocity(data: xr.Dataset, ax: "Axes | None" = None) -> "Axes":
    """Map of the line-of-sight velocity in mm/yr; `map` says how.

    Raises
    ------
    ArgumentError
        If `data` has no `velocity` (y, x).
    """
    return map(data, "velocity", ax)


def map(data: xr.Dataset, name: str, ax: "Axes | None" = None) -> "Axes":  # noqa: A001  the field's word
    """Map of any variable (y, x): with colour bar, scale bar and reference point; what is masked is grey.

    Displacements and velocities (and everything else of both signs) have a diverging map centred on zero, from minus
    to plus the 99th percentile of their size: red is away from the satellite, blue toward it. Coherences go from 0 to
    1, other numbers from the 1st to the 99th percentile. Displacements are shown in mm, velocities in mm/yr.

    Parameters
    ----------
    data
        Dataset on a grid; a map of a series is that of one date, ``map(series.isel(time=-1), "displacement")``.
        The reference point is marked if the attributes have it (`reference_row`, `reference_col`, or
        `reference_lon`, `reference_lat`, which are right also in a part of the image).
    name
        Variable. Larger than 3000 pixels, only every n-th row and column is read.
    ax
        Where to draw, in the units of the grid's CRS; a new figure (``.figure`` of what is returned) if None.

    Raises
    ------
    ArgumentError
        If there is no such variable, or it has other dimensions than (y, x).
    StackError
        If `data` has no grid.
    """
    if name not in data:
        raise ArgumentError(f"name: {name!r} is not in the dataset; it has {', '.join(str(k) for k in data.data_vars)}")
    layer = data[name]
    if set(layer.dims) != {"y", "x"}:
        raise ArgumentError(f"{name}: dimensions are {layer.dims}, not (y, x); choose one layer with .isel(...)")
    grid = grid_of(data)
    step = max(1, math.ceil(max(grid.shape) / _MAX_SIDE))
    values = np.asarray(layer.transpose("y", "x")[::step, ::step].values)
    style = _style(name, layer, values)
    wide, high = values.shape[1] * step * grid.dx, values.shape[0] * step * grid.dy
    aspect = _aspect(grid)
    tall = 4.2 if aspect is None else float(np.clip(5 * aspect * abs(high / wide), 3, 7))  # inches of the map itself
    ax = _axes(ax, (6.8 if aspect is None else 1.8 + min(tall / (aspect * abs(high / wide)), 9), 0.8 + tall))
    edges = (grid.left, grid.left + wide, grid.top + high, grid.top)
    image = ax.imshow(style.values, style.cmap, style.norm, extent=edges, origin="upper", interpolation="nearest")
    _frame(ax, grid, aspect)
    bar = ax.figure.colorbar(image, ax=ax, label=style.label, extend=style.extend, pad=0.02)
    if style.classes:
        bar.set_ticks(list(range(len(style.classes))), labels=[text.replace("_", " ") for text in style.classes])
        bar.ax.tick_params(which="both", length=0)
    _mark_reference(ax, grid, {**data.attrs, **layer.attrs})
    if "time" in layer.coords and layer.time.ndim == 0:
        ax.set_title(str(layer.time.values.astype("datetime64[D]")), fontsize="medium")
    return ax


def point(
    series: xr.Dataset,
    *,
    row: int | None = None,
    col: int | None = None,
    lon: float | None = None,
    lat: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """History of one pixel: displacement in mm, with error bars, and the line of its velocity.

    Dates that are not tied to the reference date (`network_subset` > 1) have another colour and marker for each piece:
    their level is arbitrary. Dates without displacement are ticked along the lower edge. The line has the slope
    `velocity` and passes through the mean of the tied dates.

    Parameters
    ----------
    series
        `displacement` (time, y, x); used if present: `displacement_std`, `network_subset`, `velocity`,
        `velocity_std`.
    row, col
        Pixel, counted from 0 at the upper left.
    lon, lat
        Or its position, WGS 84 degrees.
    ax
        Where to draw; a new figure (``.figure`` of what is returned) if None.

    Raises
    ------
    ArgumentError
        If the point is not given, given twice, outside, or has no displacement at any date.
    """
    if "displacement" not in series or series["displacement"].dims[:1] != ("time",):
        raise ArgumentError("series: has no displacement (time, y, x); give the result of an inversion")
    grid = grid_of(series)
    row, col = _pixel(grid, row, col, lon, lat)
    names = [n for n in ("displacement_std", "network_subset", "velocity", "velocity_std") if n in series]
    pixel = series[["displacement", *names]].isel(y=row, x=col).compute()
    displacement = 1000 * pixel.displacement.values.astype(np.float64)
    seen = np.isfinite(displacement)
    if not seen.any():
        raise ArgumentError(f"point: row {row}, column {col} has no displacement at any date; it is masked")
    subset = pixel["network_subset"].values if "network_subset" in pixel else np.ones(len(seen))
    error = 1000 * pixel["displacement_std"].values if "displacement_std" in pixel else None
    ax = _axes(ax, (7.5, 4.0))
    days = _days(pixel.time.values, ax)
    for number in np.unique(subset[seen]):
        inside, colour = seen & (subset == number), f"C{int(number) - 1}"
        marker, fill, text = "o", colour, "displacement"
        if number != 1:
            marker, fill, text = "s", "white", f"piece {number}, not tied to the reference date"
        bars = None if error is None else np.nan_to_num(error[inside])
        x, y = days[inside], displacement[inside]
        ax.errorbar(x, y, bars, fmt=marker, color=colour, mfc=fill, ms=4.5, elinewidth=0.9, capsize=2, label=text)
    if not seen.all():
        edge = ax.get_xaxis_transform()
        ax.plot(days[~seen], np.full((~seen).sum(), 0.02), "|", color="0.4", transform=edge, label="not observed")
    if "velocity" in pixel and np.isfinite(pixel["velocity"]):
        _velocity_line(ax, pixel, days, displacement, seen & (subset == subset[seen].min()))
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    ax.set_ylabel("LOS displacement (mm)\npositive toward satellite")
    ax.set_title(_place(grid, row, col), fontsize="medium")
    if len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend(fontsize="small")
    return ax


def save(picture: "Axes | Figure", path: str | Path, *, dpi: int = 200) -> Path:
    """Write a picture in the format of the suffix (png, pdf, svg, ...); an existing file is replaced.

    Raises
    ------
    ArgumentError
        If the suffix is not a format that matplotlib writes.
    StoreError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.axes import Axes

    figure = cast("Figure", picture.figure) if isinstance(picture, Axes) else picture
    target, formats = Path(path), figure.canvas.get_supported_filetypes()
    if target.suffix[1:].lower() not in formats:
        raise ArgumentError(f"{target}: a picture cannot have this suffix; use one of {', '.join(formats)}")
    try:
        with mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}):  # text stays text for the publisher
            figure.savefig(target, dpi=dpi)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror})") from error
    return target


@dataclass(frozen=True)
class _Style:
    """How a layer is coloured."""

    values: np.ma.MaskedArray
    label: str
    cmap: "Colormap"
    norm: "Normalize"
    extend: str = "neither"
    classes: tuple[str, ...] = ()


def _style(name: str, layer: xr.DataArray, values: np.ndarray) -> _Style:
    """Colours, limits and label that suit the variable `name` and its values."""
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

    units = VARIABLES[name].units if name in VARIABLES else str(layer.attrs.get("units", "1"))
    scale, shown = 1.0, _UNITS.get(units, units)
    if name in _MILLIMETRES and units in ("m", "m/year"):
        scale, shown = 1000.0, "m" + _UNITS.get(units, units)
    label = _TITLES.get(name, name.replace("_", " ")) + (f" ({shown})" if shown else "")
    if name in ("velocity", "displacement"):
        label += "\npositive toward satellite"
    if name in _CLASSES:
        classes = _CLASSES[name]
        colours = ListedColormap([_MASKED, "#4477aa", "#ccbb44", "#ee6677", "#aa3377"][: len(classes)])
        norm = BoundaryNorm(np.arange(len(classes) + 1) - 0.5, len(classes))
        return _Style(np.ma.masked_array(values.astype(np.uint8)), label, colours, norm, classes=classes)
    if values.dtype.kind != "f":
        masked = np.ma.masked_equal(values, 0)
        limits = Normalize(*((masked.min(), masked.max()) if masked.count() else (0, 1)))
        return _Style(masked, label, mpl.colormaps["viridis"].with_extremes(bad=_MASKED), limits)
    masked = np.ma.masked_invalid(values.astype(np.float64) * scale)
    found = masked.compressed()
    low, high = np.percentile(found, (1, 99)) if found.size else (0.0, 1.0)
    if name in _SHARES:
        scheme, low, high = "viridis", 0.0, 1.0
    elif name in ("velocity", "displacement") or low < 0 < high:
        high = float(np.percentile(np.abs(found), 99)) if found.size else 1.0
        scheme, low = "RdBu", -high
    else:
        scheme = "magma_r" if name.endswith(("_std", "_rms")) else "viridis"
    if not high > low:
        low, high = low - 0.5, high + 0.5
    below, above = bool((found < low).any()), bool((found > high).any())
    extend = "both" if below and above else "min" if below else "max" if above else "neither"
    return _Style(masked, label, mpl.colormaps[scheme].with_extremes(bad=_MASKED), Normalize(low, high), extend)


def _axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Given axes, or those of a new figure that belongs to no window and no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=120, layout="compressed").subplots() if ax is None else ax


def _days(times: np.ndarray, ax: "Axes") -> np.ndarray:
    """Matplotlib's day numbers of `times`; the x axis of `ax` is made one of dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return np.asarray(date2num(times))  # type: ignore[no-untyped-call]


def _pair_lines(pairs: Network, days: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], str]:
    """Height of each date, line of each pair, and what the height is."""
    ends = days[pairs.pairs]
    try:
        baseline, _ = pairs.date_baselines()
    except NetworkError:  # none, or not all known
        angle = np.linspace(0, np.pi, 40)
        middle, radius = ends.mean(1)[:, None], np.diff(ends, axis=1) / 2
        arcs = np.stack([middle - radius * np.cos(angle), 2 * radius * np.sin(angle)], axis=2)
        return np.zeros(len(days)), list(arcs), "temporal baseline (days)"
    return baseline, list(np.stack([ends, baseline[pairs.pairs]], axis=2)), "perpendicular baseline (m)"


def _aspect(grid: Grid) -> float | None:
    """Length on the ground of one unit of y over that of one unit of x; None if unknown (radar coordinates)."""
    if grid.crs is None:
        return None
    from pyproj import CRS

    middle = grid.top + grid.height * grid.dy / 2
    return 1 / max(math.cos(math.radians(middle)), 0.05) if CRS.from_user_input(grid.crs).is_geographic else 1.0


def _frame(ax: "Axes", grid: Grid, aspect: float | None) -> None:
    """Axis labels, orientation, aspect and scale bar of a map."""
    if aspect is None:
        ax.set(xlabel="range sample", ylabel="azimuth line", aspect="auto")
        return
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar  # type: ignore[import-untyped]
    from pyproj import CRS, Geod

    if grid.dy > 0:
        ax.invert_yaxis()  # north stays up when the rows run northwards
    ax.locator_params(nbins=6, steps=[1, 2, 5, 10])
    ax.set_aspect(aspect)
    if CRS.from_user_input(grid.crs).is_geographic:
        ax.set(xlabel="longitude (°)", ylabel="latitude (°)")
        ax.ticklabel_format(useOffset=False)
    else:
        ax.set(xlabel="easting (km)", ylabel="northing (km)")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    row, col = (grid.height - 1) / 2, (grid.width - 1) / 2
    west, east = (cast("tuple[float, float]", grid.lonlat(row, col + shift)) for shift in (-0.5, 0.5))
    metres = Geod(ellps="WGS84").inv(*west, *east)[2] / abs(grid.dx)  # of one unit of x, in the middle of the map
    third = grid.width * abs(grid.dx) * metres / 3
    power = 10 ** math.floor(math.log10(third))
    length = max(n * power for n in (1, 2, 5) if n * power <= third)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    bar = AnchoredSizeBar(ax.transData, length / metres, text, "lower left", pad=0.4, sep=3, borderpad=0.6)
    bar.patch.set(alpha=0.8, linewidth=0)
    ax.add_artist(bar)


def _mark_reference(ax: "Axes", grid: Grid, attrs: dict[str, Any]) -> None:
    from matplotlib.patheffects import withStroke

    keys = ("lon", "lat") if grid.crs is not None and "reference_lon" in attrs else ("row", "col")
    try:
        row, col = _pixel(grid, **{key: attrs.get(f"reference_{key}") for key in keys})
    except ArgumentError:  # none is known, or it is outside this part of the image
        return
    halo = [withStroke(linewidth=2.5, foreground="white")]
    ax.plot(grid.x[col], grid.y[row], "s", ms=6, color="black", mec="white", mew=1, label="reference")
    shift, side = ((6, 4), "left") if col < 0.75 * grid.width else ((-6, 4), "right")  # keep the word in the map
    here = grid.x[col], grid.y[row]
    ax.annotate("reference", here, shift, textcoords="offset points", ha=side, path_effects=halo)


def _pixel(
    grid: Grid, row: int | None = None, col: int | None = None, lon: float | None = None, lat: float | None = None
) -> tuple[int, int]:
    """(row, col) inside the grid, from either way to say it."""
    if row is not None and col is not None and lon is None and lat is None:
        if not (0 <= row < grid.height and 0 <= col < grid.width):
            raise ArgumentError(f"point: row {row}, column {col} is outside {grid.height} x {grid.width}")
        return row, col
    if lon is not None and lat is not None and row is None and col is None:
        return grid.index(lon, lat)
    raise ArgumentError("point: give either row and col, or lon and lat")


def _place(grid: Grid, row: int, col: int) -> str:
    position, pixel = grid.lonlat(row, col), f"row {row}, column {col}"
    if position is None:
        return pixel
    lon, lat = position
    return f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.4f}° {'E' if lon >= 0 else 'W'}  ({pixel})"


def _velocity_line(ax: "Axes", pixel: xr.Dataset, days: np.ndarray, displacement: np.ndarray, tied: np.ndarray) -> None:
    rate = 1000 * float(pixel["velocity"])
    years = years_since(pixel.time.values, as_time(pixel.time.values[0]))
    offset = (displacement - rate * years)[tied].mean()
    text = f"{rate:.1f}".replace("-", "−")
    if "velocity_std" in pixel and np.isfinite(pixel["velocity_std"]):
        text += f" ± {1000 * float(pixel['velocity_std']):.1f}"
    ax.plot(days, offset + rate * years, "-", color="0.25", lw=1.2, zorder=1, label=f"velocity {text} mm/yr")
