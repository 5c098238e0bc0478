"""dolphin's time-series functions on arrays over our kernels.

Same names, arguments and shapes as in dolphin 0.42.9; NumPy arrays instead of JAX's, and options of our own that are
keyword-only and come last. Results are float32 for float32 samples and float64 for others; the arithmetic is float64.
"""

from insarray.compat.dolphin.helpers import (
    argmax_index,
    argmin_index,
    correlation_to_variance,
    datetime_to_float,
    get_incidence_matrix,
)
from insarray.compat.dolphin.inversion import (
    censored_lstsq,
    invert_stack,
    invert_stack_l1,
    least_absolute_deviations,
    weighted_lstsq_single,
)
from insarray.compat.dolphin.velocity import estimate_velocity, estimate_velocity_pixel

__all__ = [
    "argmax_index",
    "argmin_index",
    "censored_lstsq",
    "correlation_to_variance",
    "datetime_to_float",
    "estimate_velocity",
    "estimate_velocity_pixel",
    "get_incidence_matrix",
    "invert_stack",
    "invert_stack_l1",
    "least_absolute_deviations",
    "weighted_lstsq_single",
]
