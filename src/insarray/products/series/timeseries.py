"""Displacement series at places: of the nearest pixel or point with data, or of all that polygons cover."""

import logging
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from insarray.io.places import Places, places_of
from insarray.io.polygons import read_polygons
from insarray.io.source import PathLike
from insarray.model.arguments import number
from insarray.model.conventions import FILL
from insarray.model.dataset import crs_of, epoch_coords, point_coords
from insarray.model.errors import ArgumentError, StackError, StackWarning
from insarray.model.grid import Grid
from insarray.products.series.pixels import PixelReader
from insarray.products.series.zones import statistics_of_pixels, statistics_of_points
from insarray.products.stacks.quality import good_points, masked
from insarray.products.stacks.selection import Raster
from insarray.products.views.points import as_row
from insarray.products.views.stacks import SeriesView, as_series, require_dataset

logger = logging.getLogger(__name__)

_MOST_PIXELS = 1_000_000  # within the radius
_EARTH = 6_371_000.0
_NAMED = 5  # places that a message lists


def timeseries(
    series: xr.Dataset,
    *,
    lonlat: Sequence[Any] | None = None,
    points: PathLike | None = None,
    polygons: PathLike | None = None,
    radius: float = 100.0,
    percentiles: Sequence[float] = (5.0, 95.0),
    mask: Raster | None = None,
) -> xr.Dataset:
    """Series at places, of the nearest pixel with data, or of polygons: mean, median and percentiles of what they cover.

    Only the blocks are read in which places are.

    Parameters
    ----------
    series
        Displacement series of an image, perhaps with a model merged in, or of points.
    lonlat
        Longitude and latitude, WGS 84 degrees, or a list of such pairs. One of this, `points` and `polygons` is given.
    points
        Table of places (CSV): columns ``lon``, ``lat`` and perhaps ``name``.
    polygons
        Vector file of polygons, with a column ``name`` perhaps; needs ``pip install 'insarray[vector]'``.
    radius
        How far a pixel with data may be from the place, m, where the pixel that holds the place has none. Of points: how far
        the nearest point with data may be.
    percentiles
        Of the pixels in a polygon, from 0 to 100.
    mask
        Pixels to take: where this raster, a file or an array (y, x), is neither 0 nor without data, such as
        `insarray.quality_mask`.

    Returns
    -------
    xarray.Dataset
        In memory, with the dimension `point` for the places: `displacement` (time, point) in m, its standard error
        `displacement_std` where the series has one, every map of the series (point), `pid`, `x`, `y` of the pixel that was
        taken, its `row` and `col`, and its `distance` from the place, m. A place without data within the radius is NaN. Of
        polygons `displacement` is the mean, beside `displacement_median`, `displacement_percentile` (percentile, time, point)
        and `number_of_pixels`. `fit`, `predict`, `to_table` take it as any points.

    Raises
    ------
    ArgumentError
        If not one of the three is given, an option cannot be, or no place has data.
    FileError
        If a file cannot be read.
    StackError
        If `series` is no displacement series.

    Warns
    -----
    StackWarning
        If some places have no data.

    See Also
    --------
    insarray.plot.point : the history of a pixel.
    insarray.to_table : all pixels as a table.
    insarray.fit : time functions with standard errors.

    Notes
    -----
    A pixel counts in a polygon by the share of its area that is inside, so that a polygon smaller than a pixel has a value,
    too. The standard error of the mean is the mean of the standard errors: what it is if the errors of neighbours are the
    same, as those of atmosphere and reference are, and an upper bound if they are not. Each date has the pixels that have
    data at it. Dates of pieces that are not tied to the reference date (`network_subset` above 1 with ``gap="subset"``) have
    a level of their own: at places they are kept with their number, in polygons they do not count.

    References
    ----------
    * Baston, D. (2023), exactextract: fast and accurate raster zonal statistics, https://github.com/isciences/exactextract

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> found = ia.timeseries(series, lonlat=(-99.14, 19.485))
    >>> dict(found.displacement.sizes), float(found.distance[0]) < 60
    ({'time': 6, 'point': 1}, True)
    """
    require_dataset(series, "series", "insarray.invert")
    _require_one(lonlat, points, polygons)
    _check(radius, percentiles)
    crs = crs_of(series)
    if crs is None:
        raise ArgumentError(
            "series: has no CRS (radar coordinates), so nothing says where places are; geocode it first"
        )
    of_points = "point" in series.dims
    if of_points and mask is not None:
        series, mask = series.isel(point=np.flatnonzero(good_points(series, mask))), None
    data = _of_points(series) if of_points else as_series(masked(series, mask))
    if polygons is not None:
        found = _in_polygons(data, crs, polygons, sorted(percentiles))
    else:
        places = places_of(lonlat, points)
        found = (
            _nearest_points(data, crs, places, radius)
            if isinstance(data, xr.Dataset)
            else _nearest(data, places, radius)
        )
        _require_some(found, radius)
    logger.info("timeseries: %d places with %d dates", found.sizes["point"], found.sizes["time"])
    return found


def _require_one(lonlat: object, points: object, polygons: object) -> None:
    given = [n for n, v in (("lonlat", lonlat), ("points", points), ("polygons", polygons)) if v is not None]
    if len(given) != 1:
        what = " and ".join(given) if given else "nothing"
        raise ArgumentError(f"timeseries: {what} given; give one of lonlat, points and polygons")


def _check(radius: float, percentiles: Sequence[float]) -> None:
    if not (np.isfinite(number("radius", radius)) and radius >= 0):
        raise ArgumentError(f"radius: {radius!r} is not a number of metres of at least 0")
    wrong = [value for value in percentiles if not 0 <= value <= 100]
    if wrong:
        raise ArgumentError(f"percentiles: {wrong[0]!r} is not between 0 and 100")
    if 0 < max(percentiles, default=0) < 1:
        hundredfold = ", ".join(f"{100 * value:g}" for value in percentiles)
        raise ArgumentError(
            f"percentiles: {percentiles!r} look like fractions; percentiles are 0 to 100: {hundredfold}"
        )


def _of_points(series: xr.Dataset) -> xr.Dataset:
    """Series of points, in order of its dates."""
    if "displacement" not in series or "time" not in series["displacement"].dims:
        raise StackError("series: has no variable 'displacement' (time, point); make it with insarray.invert")
    as_row(series)  # refuses what is no series
    return series.sortby("time")


def _require_some(found: xr.Dataset, radius: float) -> None:
    """Raise ArgumentError if no place has data, and warn if some have none."""
    missing = [str(found.pid.values[k]) for k in np.flatnonzero(~np.isfinite(found.distance.values))]
    if not missing:
        return
    listed = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
    text = f"timeseries: no data within {radius:g} m of {len(missing)} of {found.sizes['point']} places ({listed})"
    if len(missing) == found.sizes["point"]:
        raise ArgumentError(f"{text}; look at the map, or allow a larger radius")
    warnings.warn(f"{text}; they are NaN", StackWarning, stacklevel=3)


# -- images ---------------------------------------------------------------------------------------------------------


def _layers(view: SeriesView) -> xr.Dataset:
    """Series and maps, each a map of one date or of all."""
    data = view.data
    names = [n for n, v in data.data_vars.items() if {"y", "x"} <= set(v.dims) and set(v.dims) <= {"time", "y", "x"}]
    return data[names]


def _nearest(view: SeriesView, places: Places, radius: float) -> xr.Dataset:
    """Values of the pixels that hold places, or of the nearest with data."""
    grid, layers = view.grid, _layers(view)
    reader = PixelReader(layers)
    positions = [grid.position(*place) for place in zip(places.longitude, places.latitude, strict=True)]
    row = np.array([(y - grid.top) / grid.dy - 0.5 for _, y in positions])
    col = np.array([(x - grid.left) / grid.dx - 0.5 for x, _ in positions])
    high, wide = _metres(grid, row, col)
    if (4 * (radius / high) * (radius / wide)).max() > _MOST_PIXELS:
        raise ArgumentError(
            f"radius: {radius:g} m are more than {_MOST_PIXELS} pixels around a place; give a smaller one"
        )
    values: list[dict[str, np.ndarray]] = [{}] * len(row)
    at = np.full((len(row), 2), -1)
    for k in sorted(range(len(row)), key=lambda k: reader.block_of(float(row[k]), float(col[k]))):
        found = _pixel_near(reader, grid, (row[k], col[k]), (high[k], wide[k]), radius)
        if found is not None:
            at[k] = found
            values[k] = reader.read(at[k, :1], at[k, 1:], [str(name) for name in layers])
    known = at[:, 0] >= 0
    distance = np.where(known, np.hypot((at[:, 0] - row) * high, (at[:, 1] - col) * wide), np.nan)
    x = np.where(known, grid.x[at[:, 1]], [x for x, _ in positions])
    y = np.where(known, grid.y[at[:, 0]], [y for _, y in positions])
    variables = {
        str(name): _joined(layer, [of.get(str(name)) for of in values]) for name, layer in layers.data_vars.items()
    }
    numbers = {
        "row": ("point", at[:, 0].astype(np.int32), {"long_name": "row of the pixel; -1: none", "units": "1"}),
        "col": ("point", at[:, 1].astype(np.int32), {"long_name": "column of the pixel; -1: none", "units": "1"}),
    }
    attrs = {**view.inherited, **view.reference_attributes()}
    return _dataset(variables, view.data.time.values, places.names, x, y, str(grid.crs), attrs).assign_coords(
        {**numbers, "distance": ("point", distance, _DISTANCE)}
    )


_DISTANCE = {"units": "m", "long_name": "distance from the place to the middle of what was taken"}


def _pixel_near(
    reader: PixelReader, grid: Grid, place: tuple[float, float], metres: tuple[float, float], radius: float
) -> tuple[int, int] | None:
    """Row and column of the pixel that holds a place, or of the nearest within the radius, that has data."""
    row, col = (int(np.floor(part + 0.5)) for part in place)
    if 0 <= row < grid.height and 0 <= col < grid.width and _has_data(reader, np.array([row]), np.array([col]))[0]:
        return row, col
    reach = [int(np.ceil(radius / size)) for size in metres]
    rows = np.arange(max(row - reach[0], 0), min(row + reach[0] + 1, grid.height))
    cols = np.arange(max(col - reach[1], 0), min(col + reach[1] + 1, grid.width))
    down, across = (part.ravel() for part in np.meshgrid(rows, cols, indexing="ij"))
    far = np.hypot((down - place[0]) * metres[0], (across - place[1]) * metres[1])
    near = np.argsort(far, kind="stable")[: np.count_nonzero(far <= radius)]
    if not near.size:
        return None
    good = near[_has_data(reader, down[near], across[near])]
    return (int(down[good[0]]), int(across[good[0]])) if good.size else None


def _has_data(reader: PixelReader, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(reader.read(rows, cols, ["displacement"])["displacement"]).any(axis=0))


def _metres(grid: Grid, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height and width of a pixel on the ground, at some places."""
    from pyproj import Geod, Transformer

    transformer, geod = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True), Geod(ellps="WGS84")

    def lonlat(down: float, across: float) -> Any:
        x, y = grid.left + (col + across + 0.5) * grid.dx, grid.top + (row + down + 0.5) * grid.dy
        return transformer.transform(x, y)

    sizes = [geod.inv(*lonlat(-down, -across), *lonlat(down, across))[2] for down, across in ((0.5, 0), (0, 0.5))]
    return sizes[0], sizes[1]


def _joined(layer: xr.DataArray, values: Sequence[np.ndarray | None]) -> xr.Variable:
    """A layer (..., point) of the values of single pixels, without data where there are none."""
    lead = [dim for dim in layer.dims if dim not in ("y", "x")]
    shape = tuple(layer.sizes[dim] for dim in lead)
    fill = FILL[layer.dtype.name]
    parts = [np.full((*shape, 1), fill, layer.dtype) if value is None else value for value in values]
    attrs = {name: value for name, value in layer.attrs.items() if name != "grid_mapping"}
    return xr.Variable((*lead, "point"), np.concatenate(parts, axis=-1), attrs)


def _dataset(
    variables: dict[str, Any],
    times: np.ndarray,
    names: Sequence[str],
    x: np.ndarray,
    y: np.ndarray,
    crs: str,
    attrs: dict[str, Any],
) -> xr.Dataset:
    coords = epoch_coords(times, None) | point_coords(x, y, crs)
    pid = ("point", np.array(names, object), {"long_name": "name of the place"})
    return xr.Dataset(variables, coords, attrs).assign_coords(pid=pid)


# -- points ---------------------------------------------------------------------------------------------------------


def _nearest_points(data: xr.Dataset, crs: str, places: Places, radius: float) -> xr.Dataset:
    """Series of the points with data that are nearest to places."""
    from pyproj import Transformer

    x, y = (np.asarray(data[name].values, np.float64) for name in ("x", "y"))
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    has_data = np.flatnonzero(data["displacement"].notnull().any("time").values)
    if not has_data.size:
        raise ArgumentError("series: no point has a displacement at any date")
    tree = cKDTree(_on_sphere(lon[has_data], lat[has_data]))
    distance, near = tree.query(_on_sphere(places.longitude, places.latitude))
    found = data.isel(point=has_data[near]).compute()
    known = distance <= radius
    kept = {
        name: layer.where(xr.DataArray(known, dims="point")) if layer.dtype.kind == "f" else layer
        for name, layer in found.data_vars.items()
    }
    found = found.assign(kept)
    old = found["pid"].values.astype(str) if "pid" in found else found["point"].values.astype(str)
    return found.assign_coords(
        point=np.arange(len(places.names)),
        pid=("point", np.array(places.names, object), {"long_name": "name of the place"}),
        point_taken=("point", np.array(old, object), {"long_name": "name of the point that was taken"}),
        distance=("point", np.where(known, distance, np.nan), _DISTANCE),
    )


def _on_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Positions (n, 3) in m on a sphere: chords between near ones are their distances to 0.5 %."""
    east, north = np.deg2rad(lon), np.deg2rad(lat)
    return _EARTH * np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


# -- polygons -------------------------------------------------------------------------------------------------------


def _in_polygons(
    data: SeriesView | xr.Dataset, crs: str, path: str | os.PathLike[str], percentiles: Sequence[float]
) -> xr.Dataset:
    of_points = isinstance(data, xr.Dataset)
    held = data if isinstance(data, xr.Dataset) else data.data
    x = np.asarray(held["x"].values, np.float64)
    polygons = read_polygons(path, crs, float((x.min() + x.max()) / 2))
    if isinstance(data, xr.Dataset):
        variables = statistics_of_points(data, polygons, percentiles)
        attrs = dict(data.attrs)
    else:
        variables = statistics_of_pixels(data, polygons, percentiles)
        attrs = {**data.inherited, **data.reference_attributes()}
    counts = variables["number_of_pixels"].values
    empty = [polygons.names[k] for k in np.flatnonzero(~(counts > 0).any(axis=0))]
    if len(empty) == len(polygons.names):
        raise ArgumentError(f"{polygons.path}: no polygon covers a {'point' if of_points else 'pixel'} with data")
    if empty:
        listed = ", ".join(empty[:_NAMED]) + (f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else "")
        warnings.warn(
            f"timeseries: {len(empty)} of {len(polygons.names)} polygons cover nothing with data ({listed}); they are NaN",
            StackWarning,
            stacklevel=4,
        )
    middles = [shape.centroid for shape in polygons.shapes]
    x, y = (np.array([getattr(middle, axis) for middle in middles]) for axis in ("x", "y"))
    found = _dataset(variables, held["time"].values, polygons.names, x, y, crs, attrs)
    return found.assign_coords(percentile=("percentile", np.asarray(percentiles, np.float64), {"units": "percent"}))
