"""Ranges of values without NaN, and the range of a coherence."""

from typing import Any

import numpy as np

from insarray.model.errors import StackError

_OVERSHOOT = 0.5  # coherence beyond 0 and 1 that resampling may cause; bytes and percentages are farther off


def value_range(values: np.ndarray[Any, np.dtype[Any]]) -> tuple[float, float]:
    """Return the lowest and highest value without copies; NaN are left out, and both are NaN if nothing is left."""
    if not values.size:
        return float("nan"), float("nan")
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))


def require_coherence(name: str, low: float, high: float) -> None:
    """Raise StackError if the range of a coherence exceeds 0 to 1 by more than resampling may cause."""
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        raise StackError(
            f"{name}: holds coherence from {low:g} to {high:g}, outside 0 to 1; is it the coherence, unscaled? Divide "
            "it by its scale, and say which value is no-data"
        )
