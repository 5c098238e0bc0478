"""Plot maps of any variable, with suitable colours, frame, scale bar and reference point."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from insarray.model.conventions import FLAGS, VARIABLES, shown_units
from insarray.model.dataset import grid_of, reference_in
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.model.place import Area
from insarray.plot.cartographic import draw, is_cartographic, placed
from insarray.plot.figures import new_axes
from insarray.products.stacks.quality import masked_layer
from insarray.products.stacks.selection import Raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

_MASKED = "0.8"
_SHORT = 3  # times that one sign must be larger than the other for the bar to end where the other does
_MAX_SIDE = 3000  # pixels; more than a printed page resolves
_CYCLIC = re.compile(r"wrapped_phase|(annual|semiannual|period_\w+)_phase")
_SHARES = (
    "coherence",
    "temporal_coherence",
    "link_coherence",
    "point_coherence",
    "link_model_coherence",
)  # 0 .. 1 for any data, for comparable pictures
CLASSES: dict[str, tuple[str, ...]] = {
    **FLAGS,
    "water_mask": ("water", "land"),
}
"""Names of the values of variables that are classes."""

CLASS_COLOURS = ("#cccccc", "#4477aa", "#ccbb44", "#ee6677", "#aa3377", "#66ccee", "#228833")
_OBSERVED = {"nonzero_closure_count": "number_of_loops"}  # counts whose 0 is a value where the other is not 0
_UNITS = {"m/year": "m/yr", "mm/year": "mm/yr", "1": "", "radian": "rad", "degree": "°"}
_TITLES = {
    "velocity": "LOS velocity",
    "displacement": "LOS displacement",
    "nonzero_closure_count": "loops with non-zero integer closure",
    "solver_flag": "",
    "water_mask": "",
}


Limits = Sequence[float]
"""Ends of the colours, in the units of the bar."""


def velocity(
    data: xr.Dataset, ax: "Axes | None" = None, *, mask: Raster | None = None, limits: Limits | None = None
) -> "Axes":
    """Map of the line-of-sight velocity in mm/yr; `map` says how.

    Raises
    ------
    ArgumentError
        If `data` has no `velocity` (y, x).

    See Also
    --------
    insarray.plot.map : plot a map of any variable.
    insarray.plot.save : write a picture.
    insarray.fit : fit time functions with standard errors.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> model = ia.fit(ia.invert(stack, reference=(9, 12)))
    >>> axes = ia.plot.velocity(model)
    >>> axes.get_aspect() != "auto"
    True
    """
    return map(data, "velocity", ax, mask=mask, limits=limits)


def map(  # noqa: A001  the field's word
    data: xr.Dataset,
    name: str,
    ax: "Axes | None" = None,
    *,
    mask: Raster | None = None,
    limits: Limits | None = None,
) -> "Axes":
    """Plot a map of any variable (y, x), with colour bar, scale bar and reference point; masked pixels are grey.

    Displacements and velocities (and everything else of both signs) have a diverging map centred on zero, from minus
    to plus the 99th percentile of their size: red is away from the satellite, blue toward it. Where one sign is much smaller
    than the other, or not there, the bar ends where it does. Coherences go from 0 to 1, other numbers from the 1st to the
    99th percentile. Displacements are shown in mm, velocities in mm/yr. A notebook shows the picture that is returned.

    Parameters
    ----------
    data
        Dataset on a grid; select one date of a series, ``map(series.isel(time=-1), "displacement")``. The reference
        point is marked if it is in the attributes (`reference_row`, `reference_col`, or `reference_lon`,
        `reference_lat`, which are also valid for a part of the image).
    name
        Variable. If the image is larger than 3000 pixels, only every n-th row and column is read.
    ax
        Axes to plot in, in the units of the grid's CRS; None: a new figure (``.figure`` of the returned axes). Axes of
        cartopy have their own projection, into which the map is warped, and take coastlines and the like.
    mask
        Pixels to draw: where this raster, a file or an array (y, x), is neither 0 nor without data, such as
        `insarray.quality_mask`. The others are grey, and do not count for the colours.
    limits
        Ends of the colours, in the units of the bar (mm, mm/yr): the same for pictures that are to be compared.

    Raises
    ------
    ArgumentError
        If there is no such variable, it has other dimensions than (y, x), or `limits` are no two ascending numbers.
    StackError
        If `data` has no grid.

    See Also
    --------
    insarray.plot.velocity : plot a map of the velocity.
    insarray.plot.multiples : plot maps of several dates or pairs.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> axes = ia.plot.map(series, "temporal_coherence")
    >>> len(axes.images)
    1
    """
    if name not in data:
        raise ArgumentError(f"name: {name!r} is not in the dataset; it has {', '.join(str(k) for k in data.data_vars)}")
    layer = masked_layer(data[name], mask)
    if set(layer.dims) != {"y", "x"}:
        raise ArgumentError(f"{name}: dimensions are {layer.dims}, not (y, x); choose one layer with .isel(...)")
    from matplotlib.ticker import MaxNLocator

    grid = grid_of(data)
    step = max(1, math.ceil(max(grid.shape) / _MAX_SIDE))
    values = np.asarray(layer.transpose("y", "x")[::step, ::step].values)
    seen = data.get(_OBSERVED.get(name, ""))
    seen = None if seen is None else masked_layer(seen, mask)
    observed = values != 0 if seen is None else seen.transpose("y", "x")[::step, ::step].values != 0
    style = _style(name, layer, values, observed, limits)
    wide, high = values.shape[1] * step * grid.dx, values.shape[0] * step * grid.dy
    aspect = ground_aspect(grid)
    ax = new_axes(ax, size_of_map(grid, aspect))
    edges = (grid.left, grid.left + wide, grid.top + high, grid.top)
    if is_cartographic(ax):
        image = draw(ax, grid, style.values, step, cmap=style.cmap, norm=style.norm)
    else:
        image = ax.imshow(style.values, style.cmap, style.norm, extent=edges, origin="upper", interpolation="nearest")
        frame(ax, grid, aspect)
    bar = ax.figure.colorbar(image, ax=ax, label=style.label, extend=style.extend, pad=0.02)
    if style.classes:
        bar.set_ticks(list(range(len(style.classes))), labels=[text.replace("_", " ") for text in style.classes])
        bar.ax.tick_params(which="both", length=0)
    elif values.dtype.kind in "iu":
        bar.locator = MaxNLocator(integer=True)
    mark_reference(ax, grid, reference_in(data))
    if "time" in layer.coords and layer.time.ndim == 0:
        ax.set_title(str(layer.time.values.astype("datetime64[D]")), fontsize="medium")
    return ax


@dataclass(frozen=True)
class Style:
    """Colours, limits and label of a layer."""

    values: np.ma.MaskedArray
    label: str
    cmap: "Colormap"
    norm: "Normalize"
    extend: str = "neither"
    classes: tuple[str, ...] = ()


def _style(
    name: str, layer: xr.DataArray, values: np.ndarray, observed: np.ndarray, limits: Limits | None = None
) -> Style:
    """Colours, limits and label that suit the variable `name` and its values; `observed` matters to integers."""
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

    ends = None if limits is None else _ends(limits)

    label, scale = labelled(name, layer)
    if name in CLASSES:
        classes = CLASSES[name]
        shades = ListedColormap(CLASS_COLOURS[: len(classes)])
        norm = BoundaryNorm(np.arange(len(classes) + 1) - 0.5, len(classes))
        return Style(np.ma.masked_array(values.astype(np.uint8)), label, shades, norm, classes=classes)
    if values.dtype.kind != "f":
        masked = np.ma.masked_array(values, ~observed)
        low, high = (masked.min(), masked.max()) if masked.count() else (0, 1)
        if name in _OBSERVED:  # its 0 is a value, and has the same colour in every picture
            low, high = 0, max(high, 1)
        scale_of = Normalize(*(ends or (low, high)))
        return Style(masked, label, mpl.colormaps["viridis"].with_extremes(bad=_MASKED), scale_of)
    masked = np.ma.masked_invalid(values.astype(np.float64) * scale)
    found = masked.compressed()
    low, high = np.percentile(found, (1, 99)) if found.size else (0.0, 1.0)
    scheme, low, high = _scheme(name, found, low, high)
    if ends is not None:
        low, high = ends
    colours: Colormap = _half(scheme, low, high) if scheme == "RdBu" else mpl.colormaps[scheme]
    if not high > low:
        low, high = low - 0.5, high + 0.5
    below, above = bool((found < low).any()), bool((found > high).any())
    extend = "both" if below and above else "min" if below else "max" if above else "neither"
    return Style(masked, label, colours.with_extremes(bad=_MASKED), Normalize(low, high), extend)


def labelled(name: str, layer: xr.DataArray) -> tuple[str, float]:
    """Label of an axis or a bar of a variable, and what its values are multiplied with for it."""
    units = VARIABLES[name].units if name in VARIABLES else str(layer.attrs.get("units", "1"))
    read, scale = shown_units(name, units)
    shown = _UNITS.get(read, read)
    label = _TITLES.get(name, name.replace("_", " ")) + (f" ({shown})" if shown else "")
    return label + ("\npositive toward satellite" if name in ("velocity", "displacement") else ""), scale


def colours_of(name: str) -> tuple[str, tuple[float, float] | None]:
    """Name of the colours of a variable, and their ends if these do not depend on its values.

    Values of both signs have ``RdBu`` instead of ``viridis`` and ``magma_r``.
    """
    if _CYCLIC.fullmatch(name):  # both ends are the same
        return "twilight", (-np.pi, np.pi)
    if name in _SHARES:
        return "viridis", (0.0, 1.0)
    if name in ("velocity", "displacement"):
        return "RdBu", None
    return "magma_r" if name.endswith(("_std", "_rms")) else "viridis", None


def _scheme(name: str, found: np.ndarray, low: float, high: float) -> tuple[str, float, float]:
    """Name of the colours and their ends, of values between two percentiles."""
    scheme, ends = colours_of(name)
    if ends is not None:
        return scheme, *ends
    if scheme != "RdBu" and not low < 0 < high:
        return scheme, low, high
    size = float(np.percentile(np.abs(found), 99)) if found.size else 1.0
    least, most = (max(end, 0.0) if end < size / _SHORT else size for end in (-low, high))
    return "RdBu", -least, most


def _half(scheme: str, low: float, high: float) -> "Colormap":
    """A diverging colour map whose middle is zero, of which only the part between two ends is used."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    whole = mpl.colormaps[scheme]
    size = max(abs(low), abs(high))
    if low == -high or not size:
        return whole
    return ListedColormap(whole(np.linspace((low / size + 1) / 2, (high / size + 1) / 2, 256)))


def _ends(limits: Limits) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in limits)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not low < high or not math.isfinite(high - low):
        raise ArgumentError(f"limits: {limits!r} are no two ascending numbers, in the units of the colour bar")
    return low, high


def colouring(name: str, layer: xr.DataArray, limits: Limits | None = None) -> Style:
    """Colours, limits and label of a variable, whatever its dimensions."""
    values = np.asarray(layer.values)
    return _style(name, layer, values, values != 0, limits)


def size_of_map(grid: Grid, aspect: float | None) -> tuple[float, float]:
    """Return the size in inches of a figure for the map of a grid and its colour bar."""
    if aspect is None:
        return 6.8, 5.0
    shape = aspect * abs(grid.height * grid.dy / (grid.width * grid.dx))
    tall = float(np.clip(5 * shape, 3, 7))
    return 1.8 + min(tall / shape, 9), 0.8 + tall


def ground_aspect(grid: Grid) -> float | None:
    """Return the ratio of one unit of y to one unit of x on the ground; None if unknown (radar coordinates)."""
    if grid.crs is None:
        return None
    from pyproj import CRS

    middle = grid.top + grid.height * grid.dy / 2
    return 1 / max(math.cos(math.radians(middle)), 0.05) if CRS.from_user_input(grid.crs).is_geographic else 1.0


def frame(ax: "Axes", grid: Grid, aspect: float | None) -> None:
    """Set axis labels, orientation, aspect and scale bar of a map."""
    if aspect is None:
        ax.set(xlabel="range sample", ylabel="azimuth line", aspect="auto")
        return
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar  # type: ignore[import-untyped]
    from pyproj import CRS, Geod

    if grid.dy > 0:
        ax.invert_yaxis()  # keep north up if rows run northwards
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
    metres = Geod(ellps="WGS84").inv(*west, *east)[2] / abs(grid.dx)  # of one unit of x, at the centre of the map
    third = grid.width * abs(grid.dx) * metres / 3
    power = 10 ** math.floor(math.log10(third))
    length = max(n * power for n in (1, 2, 5) if n * power <= third)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    bar = AnchoredSizeBar(ax.transData, length / metres, text, "lower left", pad=0.4, sep=3, borderpad=0.6)
    bar.patch.set(alpha=0.8, linewidth=0)
    ax.add_artist(bar)


def mark_reference(ax: "Axes", grid: Grid, place: tuple[int, int] | Area | None) -> None:
    """Mark and label the reference pixel, or the centre of the reference area, if it is in the map."""
    from matplotlib.patheffects import withStroke

    if place is None:
        return
    if isinstance(place, Area):
        row, col = (place.row_start + place.row_stop) // 2, (place.col_start + place.col_stop) // 2
    else:
        row, col = place
    halo = [withStroke(linewidth=2.5, foreground="white")]
    here = float(grid.x[col]), float(grid.y[row])
    if is_cartographic(ax):
        here = placed(ax, grid, *here)
    ax.plot(*here, "s", ms=6, color="black", mec="white", mew=1, label="reference")
    shift, side = ((6, 4), "left") if col < 0.75 * grid.width else ((-6, 4), "right")  # keep the label in the map
    ax.annotate("reference", here, shift, textcoords="offset points", ha=side, path_effects=halo)
