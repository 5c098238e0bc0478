"""What operations on a series share: which variables stay true, and where a reference has all dates."""

import numpy as np
import xarray as xr

from insarray.model.conventions import VARIABLES
from insarray.model.errors import StackError
from insarray.products.reference import Area

_FITTED = (
    "velocity",
    "velocity_std",
    "intercept",
    "intercept_std",
    "height_error",
    "height_error_std",
    "degrees_of_freedom",
    "reduced_chi_square",
    "fit_residual_std",
    "fit_residual",
    "fit_flag",
)
"""Variables of `insarray.fit` that are in the conventions table; the other terms are not."""


def require_series(series: xr.Dataset) -> None:
    """Raise StackError if `series` has no displacement (time, y, x)."""
    if "displacement" not in series or series.displacement.dims != ("time", "y", "x"):
        raise StackError("series: has no variable 'displacement' (time, y, x); make it with insarray.invert")


def only_series(series: xr.Dataset) -> xr.Dataset:
    """Series without the terms of motion that were fitted to it: what changes the series makes them wrong."""
    return series.drop_vars([name for name in series.data_vars if name not in VARIABLES or name in _FITTED])


def complete_pixels(series: xr.Dataset, area: Area) -> np.ndarray:
    """Pixels (row, col) of an area that have data on all dates, boolean; reads the series only there."""
    rows, cols = slice(area.row_start, area.row_stop), slice(area.col_start, area.col_stop)
    return np.asarray(np.isfinite(series.displacement.isel(y=rows, x=cols).values).all(axis=0))
