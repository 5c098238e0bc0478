"""MintPy's functions for arrays on our kernels.

Same names, arguments, units and shapes as in MintPy 1.6.4; additional options are keyword-only and come last.
"""

from insarray.compat.mintpy.fits import estimate_dem_error, estimate_time_func, get_design_matrix4time_func
from insarray.compat.mintpy.series import estimate_timeseries, estimate_timeseries_cov
from insarray.compat.mintpy.weights import coherence2weight

__all__ = [
    "coherence2weight",
    "estimate_dem_error",
    "estimate_time_func",
    "estimate_timeseries",
    "estimate_timeseries_cov",
    "get_design_matrix4time_func",
]
