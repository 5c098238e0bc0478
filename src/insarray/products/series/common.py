"""Helpers shared by operations on time series."""

import numpy as np
import xarray as xr

from insarray.model.conventions import VARIABLES
from insarray.model.corrections import UNCORRECTED, applied
from insarray.model.place import Area
from insarray.products.views.stacks import SeriesView

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
"""Variables of `insarray.fit` in the conventions table; its other terms are not in the table."""


def only_series(series: xr.Dataset) -> xr.Dataset:
    """Series without the terms of motion that were fitted to it, and without what it was before it was corrected.

    What changes the series makes the terms wrong, and the displacement no longer that before less the corrections.
    """
    gone = {*_FITTED, *UNCORRECTED.values(), *applied(series.attrs)}
    return series.drop_vars([name for name in series.data_vars if name not in VARIABLES or name in gone])


def complete_pixels(view: SeriesView, area: Area) -> np.ndarray:
    """Return a boolean mask (row, col) of the pixels of an area with data on all dates; reads only that area."""
    values = view.displacement.isel(y=area.rows, x=area.cols).values
    return np.asarray(np.isfinite(values).all(axis=0))
