"""Maps of any variable: colours that suit it, frame, scale bar, reference point."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from insarray.model.conventions import FLAGS, VARIABLES
from insarray.model.dataset import grid_of, reference_in
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.model.place import Area
from insarray.plot.figures import new_axes
from insarray.products.stacks.quality import masked_layer
from insarray.products.stacks.selection import Raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

_MASKED = "0.8"
_MAX_SIDE = 3000  # pixels; more than a printed page resolves
_MILLIMETRES = re.compile(
    r"((displacement|velocity)(_(east|north|up))?|plate_velocity|velocity_difference|intercept|fit_residual|\w+_amplitude|(step|velocity_change|exponential|logarithmic)_\w+?)(_std)?"
)
_CYCLIC = re.compile(r"wrapped_phase|(annual|semiannual|period_\w+)_phase")
_SHARES = (
    "coherence",
    "temporal_coherence",
    "link_coherence",
    "point_coherence",
    "link_model_coherence",
)  # 0 .. 1 whatever the data, so that pictures compare
_CLASSES: dict[str, tuple[str, ...]] = {
    **FLAGS,
    "water_mask": ("water", "land"),
}
_OBSERVED = {"nonzero_closure_count": "number_of_loops"}  # counts whose 0 is a value where the other is not 0
_UNITS = {"m/year": "m/yr", "1": "", "radian": "rad", "degree": "°"}
_TITLES = {
    "velocity": "LOS velocity",
    "displacement": "LOS displacement",
    "nonzero_closure_count": "loops with non-zero integer closure",
    "solver_flag": "",
    "water_mask": "",
}


def velocity(data: xr.Dataset, ax: "Axes | None" = None, *, mask: Raster | None = None) -> "Axes":
    """Map of the line-of-sight velocity in mm/yr; `map` says how.

    Raises
    ------
    ArgumentError
        If `data` has no `velocity` (y, x).

    See Also
    --------
    insarray.plot.map : a map of any layer.
    insarray.plot.save : write a picture.
    insarray.fit : time functions with standard errors.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> model = ia.fit(ia.invert(stack, reference=(9, 12)))
    >>> axes = ia.plot.velocity(model)
    >>> axes.get_aspect() != "auto"
    True
    """
    return map(data, "velocity", ax, mask=mask)


def map(  # noqa: A001  the field's word
    data: xr.Dataset, name: str, ax: "Axes | None" = None, *, mask: Raster | None = None
) -> "Axes":
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
    mask
        Pixels to draw: where this raster, a file or an array (y, x), is neither 0 nor without data, such as
        `insarray.quality_mask`. The others are grey, and do not count for the colours.

    Raises
    ------
    ArgumentError
        If there is no such variable, or it has other dimensions than (y, x).
    StackError
        If `data` has no grid.

    See Also
    --------
    insarray.plot.velocity : a map of the velocity.
    insarray.plot.multiples : maps of some dates or pairs.

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
    style = _style(name, layer, values, observed)
    wide, high = values.shape[1] * step * grid.dx, values.shape[0] * step * grid.dy
    aspect = ground_aspect(grid)
    ax = new_axes(ax, size_of_map(grid, aspect))
    edges = (grid.left, grid.left + wide, grid.top + high, grid.top)
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
    """How a layer is coloured."""

    values: np.ma.MaskedArray
    label: str
    cmap: "Colormap"
    norm: "Normalize"
    extend: str = "neither"
    classes: tuple[str, ...] = ()


def _style(name: str, layer: xr.DataArray, values: np.ndarray, observed: np.ndarray) -> Style:
    """Colours, limits and label that suit the variable `name` and its values; `observed` matters to integers."""
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

    units = VARIABLES[name].units if name in VARIABLES else str(layer.attrs.get("units", "1"))
    scale, shown = 1.0, _UNITS.get(units, units)
    if _MILLIMETRES.fullmatch(name) and units in ("m", "m/year"):
        scale, shown = 1000.0, "m" + _UNITS.get(units, units)
    label = _TITLES.get(name, name.replace("_", " ")) + (f" ({shown})" if shown else "")
    if name in ("velocity", "displacement"):
        label += "\npositive toward satellite"
    if name in _CLASSES:
        classes = _CLASSES[name]
        colours = ListedColormap(
            [_MASKED, "#4477aa", "#ccbb44", "#ee6677", "#aa3377", "#66ccee", "#228833"][: len(classes)]
        )
        norm = BoundaryNorm(np.arange(len(classes) + 1) - 0.5, len(classes))
        return Style(np.ma.masked_array(values.astype(np.uint8)), label, colours, norm, classes=classes)
    if values.dtype.kind != "f":
        masked = np.ma.masked_array(values, ~observed)
        limits = Normalize(*((masked.min(), masked.max()) if masked.count() else (0, 1)))
        if name in _OBSERVED:  # its 0 is a value, and has the same colour in every picture
            limits = Normalize(0, max(limits.vmax or 1, 1))
        return Style(masked, label, mpl.colormaps["viridis"].with_extremes(bad=_MASKED), limits)
    masked = np.ma.masked_invalid(values.astype(np.float64) * scale)
    found = masked.compressed()
    low, high = np.percentile(found, (1, 99)) if found.size else (0.0, 1.0)
    if _CYCLIC.fullmatch(name):  # both ends are the same
        scheme, low, high = "twilight", -np.pi, np.pi
    elif name in _SHARES:
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
    return Style(masked, label, mpl.colormaps[scheme].with_extremes(bad=_MASKED), Normalize(low, high), extend)


def colouring(name: str, layer: xr.DataArray) -> Style:
    """Colours, limits and label of a variable, whatever its dimensions."""
    values = np.asarray(layer.values)
    return _style(name, layer, values, values != 0)


def size_of_map(grid: Grid, aspect: float | None) -> tuple[float, float]:
    """Inches of a figure with the map of a grid and its colour bar."""
    if aspect is None:
        return 6.8, 5.0
    shape = aspect * abs(grid.height * grid.dy / (grid.width * grid.dx))
    tall = float(np.clip(5 * shape, 3, 7))
    return 1.8 + min(tall / shape, 9), 0.8 + tall


def ground_aspect(grid: Grid) -> float | None:
    """Length on the ground of one unit of y over that of one unit of x; None if unknown (radar coordinates)."""
    if grid.crs is None:
        return None
    from pyproj import CRS

    middle = grid.top + grid.height * grid.dy / 2
    return 1 / max(math.cos(math.radians(middle)), 0.05) if CRS.from_user_input(grid.crs).is_geographic else 1.0


def frame(ax: "Axes", grid: Grid, aspect: float | None) -> None:
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


def mark_reference(ax: "Axes", grid: Grid, place: tuple[int, int] | Area | None) -> None:
    """Square and word at the reference pixel, or in the middle of the reference area, if it is in the map."""
    from matplotlib.patheffects import withStroke

    if place is None:
        return
    if isinstance(place, Area):
        row, col = (place.row_start + place.row_stop) // 2, (place.col_start + place.col_stop) // 2
    else:
        row, col = place
    halo = [withStroke(linewidth=2.5, foreground="white")]
    ax.plot(grid.x[col], grid.y[row], "s", ms=6, color="black", mec="white", mew=1, label="reference")
    shift, side = ((6, 4), "left") if col < 0.75 * grid.width else ((-6, 4), "right")  # keep the word in the map
    here = grid.x[col], grid.y[row]
    ax.annotate("reference", here, shift, textcoords="offset points", ha=side, path_effects=halo)
