"""Profiles: a variable along a line on the ground."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.plot.figures import add_legend, new_axes
from insarray.plot.maps import labelled
from insarray.products.series.pixels import PixelReader
from insarray.products.stacks.quality import masked
from insarray.products.stacks.selection import Raster
from insarray.products.views.layers import evenly_chunked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_STEPS = 5000  # along the line; more than a printed page resolves
_MOST_PIXELS = 20_000_000


class _Line(NamedTuple):
    """Ends in rows and columns, length in m (pixels in radar coordinates), and metres of a row and a column."""

    start: np.ndarray
    stop: np.ndarray
    length: float
    metres: np.ndarray


def profile(
    data: xr.Dataset,
    name: str = "velocity",
    ax: "Axes | None" = None,
    *,
    lonlat: Sequence[Sequence[float]] | None = None,
    pixels: Sequence[Sequence[float]] | None = None,
    width: float = 0.0,
    mask: Raster | None = None,
) -> "Axes":
    """A variable along a straight line, pixel by pixel, with its standard error, or as the median of a swath.

    Only the blocks are read that the line crosses. Values are those of the pixels, not interpolated; where there are none
    the line has a gap.

    Parameters
    ----------
    data
        Dataset on a grid.
    name
        Variable (y, x); of a series choose a date with ``.isel(time=...)``.
    ax
        Where to draw; a new figure (``.figure`` of what is returned) if None.
    lonlat
        Both ends of the line, (longitude, latitude) each, WGS 84 degrees. One of this and `pixels` is given.
    pixels
        Both ends as (row, column).
    width
        Of the swath, m (pixels in radar coordinates): at each step the median of the pixels across, and between the 5th and
        95th percentile a band. 0 draws the pixels on the line alone, with a band of one standard error if `data` has
        `<name>_std`.
    mask
        Pixels to draw, as in `map`.

    Returns
    -------
    matplotlib.axes.Axes
        Distance from the first end in km against the variable, in the units of `map`.

    Raises
    ------
    ArgumentError
        If there is no such variable, the ends cannot be, or no pixel on the line has data.
    StackError
        If `data` has no grid.

    See Also
    --------
    insarray.plot.map : a map of any layer.
    insarray.plot.compare : two results.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> model = ia.fit(ia.invert(stack, reference=(9, 12)))
    >>> axes = ia.plot.profile(model, pixels=[(2, 1), (17, 22)])
    >>> axes.get_xlabel()
    'distance (km)'
    """
    if name not in data:
        raise ArgumentError(f"name: {name!r} is not in the dataset; it has {', '.join(map(str, data.data_vars))}")
    if set(data[name].dims) != {"y", "x"}:
        raise ArgumentError(f"{name}: dimensions are {data[name].dims}, not (y, x); choose one layer with .isel(...)")
    if not (np.isfinite(width) and width >= 0):
        raise ArgumentError(f"width: {width!r} is not a number of metres of at least 0")
    grid = grid_of(data)
    line = _line(grid, lonlat, pixels)
    error = f"{name}_std"
    with_error = width == 0 and error in data and set(data[error].dims) == {"y", "x"}
    layers = masked(data[[name, error] if with_error else [name]], mask).transpose("y", "x")
    label, scale = labelled(name, data[name])
    along, values = _sampled(layers, grid, line, width)
    if not np.isfinite(values[name]).any():
        raise ArgumentError(f"profile: no pixel on the line has {name}; look at the map, or make it wider")
    ax = new_axes(ax, (7.5, 3.8))
    _draw(ax, along, {of: scale * found for of, found in values.items()}, name, width, grid)
    known = grid.crs is not None
    ax.set(xlabel="distance (km)" if known else "distance (pixels)", ylabel=label)
    ax.margins(x=0.01)
    if len(ax.get_legend_handles_labels()[1]) > 1:
        add_legend(ax)
    return ax


def _line(grid: Grid, lonlat: Any, pixels: Any) -> _Line:
    """The line between two ends that were given in either way."""
    if (lonlat is None) == (pixels is None):
        raise ArgumentError("profile: give both ends either as lonlat or as pixels")
    what, given = ("lonlat", lonlat) if pixels is None else ("pixels", pixels)
    try:
        ends = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        ends = np.zeros(0)
    if ends.shape != (2, 2) or not np.isfinite(ends).all():
        raise ArgumentError(f"{what}: {given!r} are no two ends of a line")
    if pixels is None:
        places = [grid.position(*end) for end in ends.tolist()]
        ends = np.array([((y - grid.top) / grid.dy - 0.5, (x - grid.left) / grid.dx - 0.5) for x, y in places])
    for row, col in ends:
        if not (-0.5 <= row <= grid.height - 0.5 and -0.5 <= col <= grid.width - 0.5):
            raise ArgumentError(
                f"{what}: row {row:.0f}, column {col:.0f} is outside {grid.height} x {grid.width} pixels"
            )
    if (ends[0] == ends[1]).all():
        raise ArgumentError(f"{what}: both ends are the same")
    metres = _metres(grid, ends.mean(axis=0))
    return _Line(ends[0], ends[1], float(np.hypot(*((ends[1] - ends[0]) * metres))), metres)


def _metres(grid: Grid, middle: np.ndarray) -> np.ndarray:
    """Height and width of a pixel on the ground; 1 in radar coordinates."""
    row, col = middle
    ends = [
        grid.lonlat(row - 0.5, col),
        grid.lonlat(row + 0.5, col),
        grid.lonlat(row, col - 0.5),
        grid.lonlat(row, col + 0.5),
    ]
    if None in ends:
        return np.ones(2)
    from pyproj import Geod

    geod, places = Geod(ellps="WGS84"), [end for end in ends if end is not None]
    return np.array([geod.inv(*places[0], *places[1])[2], geod.inv(*places[2], *places[3])[2]])


def _sampled(layers: xr.Dataset, grid: Grid, line: _Line, width: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Distances along the line, and values (step, across) of the nearest pixels."""
    pixel = float(line.metres.min())
    crossed = np.abs(line.stop - line.start).max()  # rows or columns, so that each has its pixel
    steps = int(min(max(np.ceil(crossed - 1e-6), 1), _MOST_STEPS)) + 1
    share = np.linspace(0, 1, steps)
    across = np.arange(0, width / 2 + pixel / 2, pixel) if width else np.zeros(1)
    across = np.concatenate([-across[:0:-1], across])
    if steps * across.size > _MOST_PIXELS:
        raise ArgumentError(f"width: {width:g} m along this line are more than {_MOST_PIXELS} pixels; make it narrower")
    direction = (line.stop - line.start) * line.metres / line.length  # on the ground
    normal = np.array([-direction[1], direction[0]]) / line.metres
    middle = line.start + share[:, None] * (line.stop - line.start)
    places = middle[:, None, :] + across[None, :, None] * normal
    rows, cols = (np.floor(places[..., k] + 0.5).astype(int).ravel() for k in (0, 1))
    inside = (rows >= 0) & (rows < grid.height) & (cols >= 0) & (cols < grid.width)
    reader = PixelReader(evenly_chunked(layers))
    read = reader.read(rows[inside], cols[inside], [str(name) for name in layers])
    found = {}
    for name, values in read.items():
        full = np.full(rows.size, np.nan)
        full[inside] = values
        found[name] = full.reshape(steps, across.size)
    return share * line.length, found


def _draw(ax: "Axes", along: np.ndarray, values: dict[str, np.ndarray], name: str, width: float, grid: Grid) -> None:
    known = grid.crs is not None
    distance = along / 1000 if known else along
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    if not width:
        middle, error = values[name][:, 0], values.get(f"{name}_std")
        ax.plot(distance, middle, "-", color="C0", lw=1.2, label=name.replace("_", " "))
        if error is not None:
            low, high = middle - error[:, 0], middle + error[:, 0]
            ax.fill_between(distance, low, high, color="C0", alpha=0.25, lw=0, label="± one standard error")
        return
    some = np.isfinite(values[name]).any(axis=1)
    middle, low, high = (np.full(len(along), np.nan) for _ in range(3))
    low[some], middle[some], high[some] = np.nanpercentile(values[name][some], (5, 50, 95), axis=1)
    unit = "m" if known else "pixels"
    ax.fill_between(distance, low, high, color="C0", alpha=0.25, lw=0, label="5th to 95th percentile")
    ax.plot(distance, middle, "-", color="C0", lw=1.2, label=f"median across {width:g} {unit}")
