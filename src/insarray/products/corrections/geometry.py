"""What corrections need to know of the data: dates and hours, heights, where the satellite is."""

import os
import re
from typing import get_args

import numpy as np
import xarray as xr

from insarray.io.geometry.open import open_heights, require_metres
from insarray.io.geometry.sight import sight_of_angles
from insarray.io.layers.cubes import highest_of
from insarray.io.source import PathLike
from insarray.model.choices import Look
from insarray.model.dataset import crs_of, grid_of
from insarray.model.errors import ArgumentError, StackError
from insarray.products.timefit.geometry import direction_of_flight, geometry_map
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.ground import layer_of
from insarray.products.views.stacks import SeriesView, StackView

Angle = xr.DataArray | float
"""A map, or one number for the image, in degrees."""

_LOS = ("los_east", "los_north", "los_up")
_LONGEST = 1.02  # of a unit vector: more is no rounding nor interpolation


def times_of(view: SeriesView | StackView) -> np.ndarray:
    """Dates, ascending, ``datetime64[s]``; of a series with that to which it is relative, if it lies elsewhere."""
    if isinstance(view, StackView):
        return view.network.times
    return np.union1d(view.times, np.array([view.reference_time], view.times.dtype))


def acquisitions(times: np.ndarray, time_of_day: str | None) -> np.ndarray:
    """Times of the acquisitions (UTC): dates that have no time of day are given one.

    Raises
    ------
    ArgumentError
        If there are such dates and no time of day is given, or it is not a time of day.
    """
    dates_only = times == times.astype("datetime64[D]")
    if not dates_only.any() and time_of_day is None:
        return times
    if time_of_day is None:
        raise ArgumentError(
            f"time_of_day: {str(times[dates_only][0])[:10]} has none in the data; give that of the acquisitions in UTC, "
            "such as '14:07:44'"
        )
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", str(time_of_day))
    if found is None:
        raise ArgumentError(f"time_of_day: {time_of_day!r} is not a time such as '14:07:44' (UTC)")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    shift = np.timedelta64(3600 * hours + 60 * minutes + seconds, "s")
    return np.where(dates_only, times + shift, times)


def heights_of(
    view: SeriesView | StackView, dem: PathLike | xr.DataArray | None, needed_by: str, *, look: bool = False
) -> tuple[xr.DataArray, float]:
    """Heights (y, x) in m in the blocks of the data, and the greatest of them if `look`, NaN if it is not known.

    Raises
    ------
    StackError, ArgumentError, FileError
        If they are not known, in another unit, or not on the pixels of the data.
    """
    if isinstance(dem, str | os.PathLike):
        heights = open_heights(dem, view.data)
        placed = crs_of(view.data) is not None
        highest = highest_of(dem, grid_of(view.data)) if look and placed else np.nan
    else:
        given = view.data.get("height") if dem is None else dem
        if given is None:
            raise StackError(
                f"{needed_by}: the data have no height; give dem, a raster or a map (y, x) of heights in m (--dem)"
            )
        heights = aligned("dem", given, view, ("y", "x"))
        require_metres("dem", str(heights.attrs.get("units", "m")))
        highest = float(heights.max()) if look and not heights.chunks else np.nan
    return in_blocks_of(heights, layer_of(view)), highest


def incidence(view: SeriesView | StackView, given: Angle | None, needed_by: str) -> xr.DataArray:
    """Incidence angle (y, x) in degrees, in the blocks of the data: given, or as the data have it, or by `los_up`.

    Raises
    ------
    StackError, ArgumentError
        If it is not known, or cannot be.
    """
    if given is None and "incidence_angle" not in view.data and "los_up" in view.data:
        up = in_blocks_of(view.data["los_up"], layer_of(view)).astype(np.float64)
        angle: xr.DataArray = xr.apply_ufunc(_angle_of_up, up, dask="parallelized", output_dtypes=[np.float64])
        return angle
    return _as_map(view, geometry_map(view, "incidence_angle", given, needed_by))


def _angle_of_up(up: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        wrong = (up <= 0) | (up > _LONGEST)
    if wrong.any():
        raise StackError(
            f"data: los_up holds {up[wrong].flat[0]:g}, expected 0 to 1: the up component of the unit vector from the ground "
            "to the satellite; turn or correct it, or give incidence_angle"
        )
    return np.asarray(np.rad2deg(np.arccos(np.minimum(up, 1.0))))


def line_of_sight(
    view: SeriesView | StackView, incidence_angle: Angle | None, heading: float | None, look: Look, needed_by: str
) -> dict[str, xr.DataArray]:
    """Unit vector from ground to satellite, `los_east`, `los_north` and `los_up` (y, x), in the blocks of the data.

    By the angles that are given, else as the data have it.

    Raises
    ------
    StackError, ArgumentError
        If it is not known.
    """
    if look not in get_args(Look):
        raise ArgumentError(f"look: {look!r} is not one of {', '.join(get_args(Look))}")
    if heading is None and all(name in view.data for name in _LOS):
        return {name: in_blocks_of(view.data[name], layer_of(view)).astype(np.float64) for name in _LOS}
    if heading is None:
        raise StackError(
            f"{needed_by}: the data have no line of sight (los_east, los_north, los_up); give heading, the direction of "
            "flight in degrees clockwise from north, and incidence_angle"
        )
    heading = direction_of_flight(heading)
    angle = incidence(view, incidence_angle, needed_by)
    return dict(zip(_LOS, sight_of_angles(angle, heading, looks_right=look == "right"), strict=True))


def _as_map(view: SeriesView | StackView, found: xr.DataArray | float) -> xr.DataArray:
    layer = layer_of(view)
    if isinstance(found, xr.DataArray):
        return in_blocks_of(found, layer)
    plain: xr.DataArray = xr.full_like(layer.isel({layer.dims[0]: 0}, drop=True), found, dtype=np.float64)
    return plain.drop_vars(list(plain.coords))


def of_dates(view: SeriesView | StackView, times: np.ndarray, layers: dict[str, xr.Variable]) -> xr.Dataset:
    """Layers of dates (time, y, x) as a dataset on the grid of the data."""
    about = {"long_name": "acquisition time", "standard_name": "time"}
    time = xr.DataArray(times.astype("datetime64[ns]"), dims="time", attrs=about)
    return view.on_grid(xr.Dataset(layers, {"time": time}))
