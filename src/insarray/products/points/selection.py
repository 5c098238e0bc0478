"""Select points of a wrapped stack by quality, read their phases block by block, and convert points back to maps."""

import logging
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, collect_blocks
from insarray.model.conventions import attributes
from insarray.model.dataset import crs_of, geozarr_attributes, grid_coords, on_grid_of
from insarray.model.deprecation import renamed
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from insarray.products.stacks.selection import Raster, good_pixels, raster_name, require_share
from insarray.products.views.points import WrappedView, as_wrapped

logger = logging.getLogger(__name__)

_MAPS = ("temporal_coherence", "amplitude_dispersion", "average_coherence", "slant_range", "incidence_angle", "height")
_KEPT = ("wavelength", "product", "input_fingerprint", "input_files")


@renamed(temporal_coherence="min_temporal_coherence", amplitude_dispersion="max_amplitude_dispersion")
def select_points(
    wrapped: xr.Dataset,
    *,
    min_temporal_coherence: float | None = None,
    max_amplitude_dispersion: float | None = None,
    mask: Raster | None = None,
) -> xr.Dataset:
    """Select the points of a wrapped stack that pass all criteria, and read their phases.

    The maps of the criteria are read first, then the phases block by block: memory holds a few blocks and the selected
    phases, 4 bytes per epoch and point.

    Parameters
    ----------
    wrapped
        `wrapped_phase` (time, y, x) in rad, of the epoch minus that of the reference epoch, positive away from the
        satellite, NaN where missing; optionally maps (y, x) of quality and geometry, and `perpendicular_baseline` in m,
        (time) or (time, y, x). Attribute `wavelength` in m.
    min_temporal_coherence
        Minimum `temporal_coherence` of a point.
    max_amplitude_dispersion
        Maximum `amplitude_dispersion` of a point.
    mask
        Raster, a file or an array (y, x): points are selected only where it is neither 0 nor no-data.

    Returns
    -------
    xarray.Dataset
        `wrapped_phase` (time, point), ordered by row and column regardless of the blocks; `x`, `y`, `row`, `col` and
        the maps of the stack as coordinates (point). Missing epochs of a point are NaN; points without any phase are
        dropped. The grid is in the attributes, for `points_to_grid`.

    Raises
    ------
    ArgumentError
        If no criterion is given, or no point is left.
    StackError
        If the stack lacks the layer of a criterion, or is not a wrapped stack.

    See Also
    --------
    insarray.open_wrapped : open wrapped phase.
    insarray.estimate_links : velocity and DEM error differences of arcs.

    References
    ----------
    * Ferretti, A., Prati, C. and Rocca, F. (2001), Permanent scatterers in SAR interferometry, IEEE TGRS
      39, 8-20.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> points.wrapped_phase.dims
    ('time', 'point')
    """
    view = as_wrapped(wrapped)
    wrapped, phase = view.data, view.data["wrapped_phase"]
    good = _selected(view, min_temporal_coherence, max_amplitude_dispersion, mask)
    grid = view.grid
    layers = {"wrapped_phase": phase}
    baselines = wrapped.get("perpendicular_baseline")
    if baselines is not None and baselines.ndim == 3:
        layers["perpendicular_baseline"] = baselines.astype(np.float32)
    place = xr.DataArray(np.where(good, np.arange(good.size).reshape(good.shape), -1), dims=("y", "x"))
    parts = collect_blocks(_points_of_block, None, layers | {"place": place})
    where = np.concatenate([part["place"] for part in parts])
    order = np.argsort(where)  # sort in image order, independent of the blocks
    found = {name: np.concatenate([part.pop(name) for part in parts], axis=1)[:, order] for name in layers}
    where = where[order]
    if not where.size:
        raise ArgumentError(f"points: none of the {np.count_nonzero(good)} pixels that pass has a phase in any epoch")
    used = {
        "point_temporal_coherence": min_temporal_coherence,
        "point_amplitude_dispersion": max_amplitude_dispersion,
        "point_mask": raster_name(mask),
    }
    attrs = {name: wrapped.attrs[name] for name in _KEPT if name in wrapped.attrs}
    attrs |= {name: value for name, value in used.items() if value is not None}
    logger.info("select_points: %d points of %d dates", len(where), wrapped.sizes["time"])
    points = xr.Dataset(
        {name: (("time", "point"), values, attributes_of(name)) for name, values in found.items()},
        {"time": wrapped.time, **_point_coords(wrapped, grid, where)},
        attrs | geozarr_attributes(grid),
    )
    if baselines is not None and baselines.ndim == 1:
        points = points.assign_coords(perpendicular_baseline=baselines.load())
    return points


def candidate_points(
    wrapped: xr.Dataset,
    *,
    min_temporal_coherence: float | None = None,
    max_amplitude_dispersion: float | None = None,
    mask: Raster | None = None,
) -> xr.Dataset:
    """Return the candidate points of `select_points`: coordinates (point) without phases, which are not read."""
    view = as_wrapped(wrapped)
    good = _selected(view, min_temporal_coherence, max_amplitude_dispersion, mask)
    return xr.Dataset(coords=_point_coords(view.data, view.grid, np.flatnonzero(good)))


def attributes_of(name: str) -> dict[str, object]:
    """Return the attributes of a variable of points."""
    if name == "perpendicular_baseline":
        return {"units": "m", "long_name": "perpendicular baseline relative to the reference epoch"}
    return attributes(name)


def _selected(view: WrappedView, coherence: float | None, dispersion: float | None, mask: Raster | None) -> np.ndarray:
    """Return the mask (y, x) of the pixels that pass; raise if there are none."""
    wrapped = view.data
    if coherence is None and dispersion is None and mask is None:
        raise ArgumentError(
            "points: give min_temporal_coherence, max_amplitude_dispersion or a mask; not every pixel is one"
        )
    good = np.ones(wrapped.wrapped_phase.shape[1:], bool)
    if coherence is not None:
        good &= _criterion(wrapped, "temporal_coherence", coherence) >= coherence
    if dispersion is not None:
        good &= _criterion(wrapped, "amplitude_dispersion", dispersion) <= dispersion
    if mask is not None:
        good &= good_pixels(view, wrapped["wrapped_phase"], mask).values
    if not good.any():
        raise ArgumentError(
            f"points: none of {good.size} pixels passes {_criteria(coherence, dispersion, mask)}; use weaker ones"
        )
    return good


def _criterion(wrapped: xr.Dataset, name: str, limit: float) -> np.ndarray:
    if name not in wrapped:
        raise StackError(f"{name}: the stack has no such layer; use another criterion")
    require_share(name, limit)
    return np.asarray(wrapped[name].values)


def _criteria(coherence: float | None, dispersion: float | None, mask: Raster | None) -> str:
    words = [] if coherence is None else [f"temporal_coherence >= {coherence}"]
    words += [] if dispersion is None else [f"amplitude_dispersion <= {dispersion}"]
    return " and ".join(words + ([] if mask is None else ["the mask"]))


def _points_of_block(_: None, arrays: Arrays) -> Arrays:
    """Return the selected pixels of a block that have any phase, (..., point), and their positions in the image."""
    place = arrays["place"]
    chosen = (place >= 0) & np.isfinite(arrays["wrapped_phase"]).any(axis=0)
    return {name: values[..., chosen] for name, values in arrays.items()}


def _point_coords(wrapped: xr.Dataset, grid: Grid, where: np.ndarray) -> dict[str, Any]:
    row, col = np.divmod(where, grid.width)
    coords: dict[str, Any] = {
        "point": ("point", np.arange(where.size), {"long_name": "number of the point", "cf_role": "timeseries_id"}),
        "row": ("point", row.astype(np.int32), {"long_name": "row of the pixel", "units": "1"}),
        "col": ("point", col.astype(np.int32), {"long_name": "column of the pixel", "units": "1"}),
    }
    axes = grid_coords(grid)
    for name, values in (("y", grid.y[row]), ("x", grid.x[col])):
        coords[name] = ("point", values, {k: v for k, v in axes[name].attrs.items() if k != "axis"})
    if "spatial_ref" in axes:
        coords["spatial_ref"] = axes["spatial_ref"]
    for name in _MAPS:
        if name in wrapped and wrapped[name].dims == ("y", "x"):
            coords[name] = ("point", wrapped[name].values[row, col].astype(np.float32), attributes(name))
    return coords


def positions(points: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates x and y of points in metres, (point,); rows and columns if there is no CRS.

    Degrees are converted to metres on a sphere at the mean latitude.

    Raises
    ------
    StackError
        If `points` has no x and y.
    """
    for name in ("x", "y"):
        if name not in points.coords or points[name].dims != ("point",):
            raise StackError(f"points: have no coordinate {name!r} (point); make them with insarray.select_points")
    x, y = (points[name].values.astype(np.float64) for name in ("x", "y"))
    if "degree" not in str(points.x.attrs.get("units", "")):
        return x, y
    degree = np.deg2rad(6_371_000.0)
    return x * degree * np.cos(np.deg2rad((y.min() + y.max()) / 2)), y * degree


def grid_of_points(points: xr.Dataset) -> Grid:
    """Return the grid from which points were selected.

    Raises
    ------
    StackError
        If the attributes do not define it.
    """
    try:
        height, width = (int(v) for v in points.attrs["spatial:shape"])
        dx, _, left, _, dy, top = (float(v) for v in points.attrs["spatial:transform"])
    except KeyError as missing:
        raise StackError(f"points: have no attribute {missing}; make them with insarray.select_points") from None
    return Grid(height, width, left, top, dx, dy, crs_of(points))


def points_to_grid(points: xr.Dataset) -> xr.Dataset:
    """Convert floating-point variables (point) or (time, point) to layers (y, x) or (time, y, x) of the original grid.

    Pixels without a point are NaN.

    Parameters
    ----------
    points
        Dataset with the coordinates `row` and `col` and the attributes of `select_points`.

    Raises
    ------
    StackError
        If the attributes do not define the grid.

    See Also
    --------
    insarray.select_points : select points of a wrapped stack.
    insarray.to_cog : write a GeoTIFF.
    insarray.plot.points : plot values of points.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> maps = ia.points_to_grid(ia.integrate_links(links, points))
    >>> maps.velocity.dims
    ('y', 'x')
    """
    grid = grid_of_points(points)
    maps = xr.Dataset(coords=grid_coords(grid))
    row, col = points.row.values, points.col.values
    for name, values in points.data_vars.items():
        if values.dims in (("point",), ("time", "point")) and values.dtype.kind == "f":
            layer = np.full((*values.shape[:-1], *grid.shape), np.nan, np.float32)
            layer[..., row, col] = values.values
            maps[name] = ((*values.dims[:-1], "y", "x"), layer, dict(values.attrs))
    if "time" in maps.dims:
        maps = maps.assign_coords(time=points["time"])
    return on_grid_of(maps, maps).assign_attrs(points.attrs)
