"""Height error (DEM error) of series: the geometry of an image's centre, and the fit of velocities between dates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from insarray.compat.mintpy.fits import estimate_dem_error
from insarray.model.dates import as_time, years_since
from insarray.model.errors import FileError
from insarray.products.timefit.fit import fit
from insarray.products.timefit.geometry import LIMITS, height_geometry
from insarray.products.timefit.prediction import predict, remove_terms
from insarray.products.timefit.terms import model_of, require_events_between
from insarray.products.views.stacks import as_series

_RADIUS = 6371008.8  # m, where the file says none
_HINT = "give -g with slant range and incidence angle"


def centre_geometry(attrs: Mapping[str, str], path: str) -> dict[str, float]:
    """Return slant range (m) and incidence angle (degrees) at the centre of an image in radar coordinates.

    Parameters
    ----------
    attrs
        Attributes of a file of MintPy: STARTING_RANGE, RANGE_PIXEL_SIZE, WIDTH, and CENTER_INCIDENCE_ANGLE or HEIGHT,
        perhaps with EARTH_RADIUS, for a spherical earth.
    path
        The file, for errors.

    Raises
    ------
    FileError
        If an attribute is missing or is no number, or the image is geocoded: its columns are not those of the range.
    """
    if "X_FIRST" in attrs:
        raise FileError(f"{path}: is geocoded, so its attributes do not state the slant range of its pixels; {_HINT}")
    near, step, width = (_number(attrs, name, path) for name in ("STARTING_RANGE", "RANGE_PIXEL_SIZE", "WIDTH"))
    if "CENTER_INCIDENCE_ANGLE" in attrs:
        angle = _number(attrs, "CENTER_INCIDENCE_ANGLE", path)
    else:
        radius = _number(attrs, "EARTH_RADIUS", path) if "EARTH_RADIUS" in attrs else _RADIUS
        orbit = radius + _number(attrs, "HEIGHT", path)
        ends = np.array([near, near + step * width])
        with np.errstate(invalid="ignore", divide="ignore"):
            angle = float(np.rad2deg(np.arccos((orbit**2 - radius**2 - ends**2) / (2 * radius * ends))).mean())
    found = {"slant_range": near + step * (width - 1) / 2, "incidence_angle": angle}
    for name, value in found.items():
        least, most = LIMITS[name]
        if not least < value < most:
            raise FileError(f"{path}: its attributes state {name} = {value:g}, not {least:g} to {most:g}; {_HINT}")
    return found


def _number(attrs: Mapping[str, str], name: str, path: str) -> float:
    if name not in attrs:
        raise FileError(f"{path}: has no attribute {name}; {_HINT}")
    try:
        return float(attrs[name])
    except ValueError:
        raise FileError(f"{path}: its attribute {name} = {attrs[name]!r} is no number; {_HINT}") from None


def correct_by_displacement(
    series: xr.Dataset, chosen: Mapping[str, Any], keep: np.ndarray, baselines: xr.DataArray, how: Mapping[str, Any]
) -> xr.Dataset:
    """Estimate the height error from the displacement, and subtract it.

    Parameters
    ----------
    series
        Series of MintPy.
    chosen
        Settings of the height error: degree, periods, steps.
    keep
        Dates to fit, bool (time); the others are corrected, too.
    baselines
        Perpendicular baselines in m relative to the reference date, (time) or (time, y, x).
    how
        `slant_range` and `incidence_angle`, numbers or maps.

    Returns
    -------
    xarray.Dataset
        The series with corrected `displacement`, `height_error` (y, x), and `fit_residual` (time, y, x).
    """
    model = fit(
        series.isel(time=keep),
        **{name: chosen[name] for name in ("degree", "periods", "steps")},
        height_error=True,
        baselines=baselines.isel(time=keep),
        min_dates=0,  # as MintPy, which fits pixels with any number of dates
        min_redundancy=0,
        **how,
    )
    corrected = remove_terms(series, model, ["height_error"], baselines=baselines, **how)
    residual = corrected.displacement - predict(model, series.time.values)
    return corrected.assign(height_error=model.height_error, fit_residual=residual.astype(np.float32))


def correct_by_velocity(
    series: xr.Dataset, chosen: Mapping[str, Any], keep: np.ndarray, baselines: xr.DataArray, how: Mapping[str, Any]
) -> xr.Dataset:
    """Estimate the height error from the velocities between consecutive dates, and subtract it.

    Arguments and result are those of `correct_by_displacement`, but the residuals keep the constant of each pixel, as
    velocities do not determine it.
    """
    times = series.time.values
    model = model_of(chosen["degree"], chosen["periods"], chosen["steps"], (), (), ())
    require_events_between(model, *times[keep][[0, -1]].astype("datetime64[s]"))
    geometry = height_geometry(as_series(series), baselines=baselines, **how)
    along = xr.DataArray(geometry.baseline, dims="time") if geometry.maps is None else geometry.maps
    origin = as_time(times[0])
    constants = {
        "design": np.column_stack([np.zeros(len(times)), np.ones(len(times)), model.design(times, origin)]),
        "years": years_since(times.astype("datetime64[s]"), origin),
        "keep": keep,
    }
    height, corrected, residual = xr.apply_ufunc(
        _of_block, series.displacement, (along * geometry.factor).drop_vars("time", errors="ignore"), kwargs=constants,
        input_core_dims=[["time"], ["time"]], output_core_dims=[[], ["time"], ["time"]], dask="parallelized",
        output_dtypes=[np.float32] * 3,
    )  # fmt: skip
    lead = ("time", "y", "x")
    return series.assign(
        displacement=corrected.transpose(*lead).assign_attrs(series.displacement.attrs),
        height_error=height,
        fit_residual=residual.transpose(*lead),
    )


def _of_block(
    displacement: np.ndarray, geometry: np.ndarray, *, design: np.ndarray, years: np.ndarray, keep: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return height error, corrected series and residuals of a block, (y, x) and (y, x, time)."""
    rows, columns = (
        np.broadcast_to(array, displacement.shape).reshape(-1, len(years)).T for array in (displacement, geometry)
    )
    found = estimate_dem_error(rows, design, years, keep, phase_velocity=True, G_geom=columns)
    shapes = (displacement.shape[:-1], displacement.shape, displacement.shape)
    height, corrected, residual = (
        array.T.reshape(shape).astype(np.float32) for array, shape in zip(found, shapes, strict=True)
    )
    return height, corrected, residual
