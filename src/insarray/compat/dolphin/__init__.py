"""Time-series functions of dolphin on our kernels, for arrays and files.

Same names, arguments and shapes as in dolphin 0.42.9; NumPy arrays instead of JAX's; additional options are
keyword-only and come last. Results are float32 for float32 samples and float64 for others; the arithmetic is float64.
Files are float32.
"""

from insarray.compat.dolphin.averages import AverageFunc as AverageFunc
from insarray.compat.dolphin.averages import create_nonzero_conncomp_counts, create_temporal_average
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
    invert_stack_l1_integer,
    least_absolute_deviations,
    weighted_lstsq_single,
)
from insarray.compat.dolphin.network import invert_unw_network
from insarray.compat.dolphin.pairs import DateOrDatetime as DateOrDatetime
from insarray.compat.dolphin.pairs import InversionMethod, ReferencePoint
from insarray.compat.dolphin.rates import create_velocity
from insarray.compat.dolphin.reference import _read_reference_point as _read_reference_point
from insarray.compat.dolphin.reference import select_reference_point
from insarray.compat.dolphin.velocity import estimate_velocity, estimate_velocity_pixel
from insarray.compat.dolphin.workflow import run
from insarray.model.errors import ReferencePointError

__all__ = [
    "InversionMethod",
    "ReferencePoint",
    "ReferencePointError",
    "argmax_index",
    "argmin_index",
    "censored_lstsq",
    "correlation_to_variance",
    "create_nonzero_conncomp_counts",
    "create_temporal_average",
    "create_velocity",
    "datetime_to_float",
    "estimate_velocity",
    "estimate_velocity_pixel",
    "get_incidence_matrix",
    "invert_stack",
    "invert_stack_l1",
    "invert_stack_l1_integer",
    "invert_unw_network",
    "least_absolute_deviations",
    "run",
    "select_reference_point",
    "weighted_lstsq_single",
]
