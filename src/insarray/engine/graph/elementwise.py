"""Registry of elementwise functions, which commute with selections."""

import operator
from functools import partial
from typing import Any

import numpy as np
from dask.array import chunk

from insarray.io.layers.lazy import keep_measured

_OPERATORS = (
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.neg, operator.pos, operator.abs, operator.invert, operator.and_, operator.or_, operator.xor),
    *(operator.lshift, operator.rshift, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
)
_NUMPY = (np.where, np.clip, np.round, np.nan_to_num, np.real, np.imag, np.angle, np.isclose)
_KNOWN = {id(function) for function in (*_OPERATORS, *_NUMPY, chunk.astype, keep_measured)}


def elementwise(function: Any) -> Any:
    """Mark a function of this package as elementwise: an output sample depends only on the inputs at its index."""
    _KNOWN.add(id(function))
    return function


def is_elementwise(function: Any) -> bool:
    """Return whether `function` is known to be elementwise."""
    if isinstance(function, partial):
        return is_elementwise(function.func)
    return (isinstance(function, np.ufunc) and function.signature is None) or id(function) in _KNOWN
