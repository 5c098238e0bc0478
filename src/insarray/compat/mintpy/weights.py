"""Weights from coherence, as in MintPy's simulation.decorrelation."""

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, refuse
from insarray.kernels.variance import COHERENCE_LIMITS, pair_weights
from insarray.model.choices import Weights
from insarray.model.errors import ArgumentError

_NAMES: dict[str, Weights] = {
    "var": "variance",
    "fim": "fisher",
    "coh": "coherence",
    "no": "none",
    "sbas": "none",
    "uniform": "none",
}


def coherence2weight(
    coh_data: ArrayLike,
    weight_func: str = "var",
    L: int = 20,
    epsilon: float = 0.05,
    print_msg: bool = True,  # noqa: FBT001, FBT002
    *,
    strict: bool = False,
) -> Array | None:
    """Return the weight of each sample; `estimate_timeseries` takes its square root.

    Parameters
    ----------
    coh_data
        Coherence, any shape; clipped to the range from `epsilon` to 0.999.
    weight_func
        "var": inverse phase variance of a distributed scatterer, 1/rad^2. "fim": Fisher information, 1/rad^2. "coh":
        the coherence. "no", "sbas" or "uniform": none.
    L
        Independent looks, at least 1.
    epsilon
        Minimum coherence, 0.05 or more.
    print_msg
        Not used: nothing is printed.
    strict
        Raise where MintPy's result differs.

    Returns
    -------
    numpy.ndarray or None
        Float32, shape of `coh_data`; None without weights.

    Raises
    ------
    ArgumentError
        If an argument is invalid, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4:

    * "var" is the integral of the phase distribution; MintPy uses a table of 200 bins, whose variance is 1 % too large
      at coherence 0.7, 5 % at 0.95, 8 to 9 % at 0.97 and 80 % at 0.9925 with 80 looks, and whose looks end at 80;
    * coherence NaN has weight NaN (a missing pair for `estimate_timeseries`); MintPy uses the weight of `epsilon`;
    * "coh" ends at 0.999; in MintPy it exceeds 1 if the coherence does.
    """
    if weight_func not in _NAMES:
        raise ArgumentError(f"weight_func: {weight_func!r} is not one of {', '.join(_NAMES)}")
    low, high = COHERENCE_LIMITS
    if not low <= epsilon < high:
        raise ArgumentError(f"epsilon: {epsilon!r} is not between {low} and {high}, where weights are defined")
    weights, coherence = _NAMES[weight_func], np.asarray(coh_data, np.float32)
    if weights == "none":
        return None
    refuse(weights == "variance", "MintPy", "its variance weights are those of a table of 200 bins", strict=strict)
    refuse(np.isnan(coherence), "MintPy", "it takes coherence NaN as epsilon", strict=strict)
    refuse(
        (coherence > high) & (weights == "coherence"),
        "MintPy",
        f"its coherence weight goes beyond {high}",
        strict=strict,
    )
    return pair_weights(np.maximum(coherence, np.float32(epsilon)), weights, L)
