"""Weights of pairs: input layers, and weights of a block."""

from typing import Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays
from insarray.kernels.limits import require_coherence, value_range
from insarray.kernels.variance import pair_weights
from insarray.model.arguments import number, of_attribute
from insarray.model.choices import Weights
from insarray.model.errors import ArgumentError, StackError
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.stacks import StackView

INVERSE_VARIANCES = ("variance", "fisher", "given")
"""Weights that are inverse variances of the phase in 1/rad^2; the others are relative."""


def weighting(
    view: StackView, weights: Weights | xr.DataArray, looks: float | None
) -> tuple[dict[str, xr.DataArray], Weights | Literal["given"], float | None]:
    """Return the inputs of a block function by name, the kind of weights, and the looks.

    Weights given as an array are aligned to the stack by pairs, y and x; (pair) alone gives one weight per pair. Values of
    lazy maps are checked block by block, by `block_weights`.

    Raises
    ------
    ArgumentError, StackError
        If the weights are unknown, or the stack lacks the layers that they need.
    """
    inputs = {"unwrapped_phase": view.phase}
    if not isinstance(weights, str):
        given = aligned("weights", weights, view, ("pair", "y", "x"), ("pair",)).astype(np.float32)
        require_known(given)
        if given.dims == ("pair",):
            given = given.expand_dims({"y": view.data.sizes["y"], "x": view.data.sizes["x"]}).transpose(
                "pair", "y", "x"
            )
        return inputs | {"weights": in_blocks_of(given, view.phase)}, "given", None
    if weights not in get_args(Weights):
        raise ArgumentError(f"weights: {weights!r} is not one of {', '.join(get_args(Weights))} or a DataArray")
    if weights == "none":
        return inputs, weights, None
    if "coherence" not in view.data:
        raise StackError(f"weights: {weights!r} needs coherence, which the stack does not have; open it with coherence")
    if looks is not None:
        looks = number("looks", looks)
    elif "looks" in view.data.attrs:
        looks = of_attribute("looks", view.data.attrs["looks"])
    pair_weights(np.empty(0, np.float32), weights, looks)  # raises for missing or invalid looks before the run
    return inputs | {"coherence": view.data["coherence"]}, weights, None if weights == "coherence" else looks


def require_weights(weights: np.ndarray, *, missing: bool = False) -> None:
    """Raise ArgumentError unless weights are finite, non-negative and not all 0; NaN is valid if `missing`."""
    _, high = _require_finite(weights)
    if not missing and np.isnan(weights).any():
        raise ArgumentError("weights: holds nan; weights are finite and not negative, 0 leaves out")
    if high == 0:
        raise ArgumentError("weights: are all 0, so that nothing can be estimated")


def require_known(weights: xr.DataArray) -> None:
    """Raise ArgumentError as `require_weights` for maps in memory and for one weight per pair or date."""
    if weights.ndim == 1 or not weights.chunks:
        require_weights(weights.values, missing=weights.ndim > 1)


def _require_finite(weights: np.ndarray) -> tuple[float, float]:
    """Return the range of weights without NaN; raise ArgumentError if one is negative or infinite."""
    low, high = value_range(weights)
    if low < 0 or high == np.inf:
        wrong = low if low < 0 else high
        raise ArgumentError(f"weights: holds {wrong:g}; weights are finite and not negative, 0 leaves out")
    return low, high


def block_weights(weights: Weights | Literal["given"], looks: float | None, arrays: Arrays) -> np.ndarray | None:
    """Return the weights (pair, pixel) of a block with the inputs of `weighting`; None if all are equal.

    Raises
    ------
    ArgumentError, StackError
        If given weights are negative or infinite, or the coherence is not within 0 to 1.
    """
    if weights == "none":
        return None
    if weights == "given":
        given = given_weights(arrays)
        return given.reshape(len(given), -1)
    coherence = block_coherence(arrays)
    return pair_weights(coherence.reshape(len(coherence), -1), weights, looks)


def given_weights(arrays: Arrays) -> np.ndarray:
    """Return the given weights (pair, y, x) of a block; raise ArgumentError if one is negative or infinite."""
    _require_finite(arrays["weights"])  # lazy weights are checked here only
    return arrays["weights"]


def block_coherence(arrays: Arrays) -> np.ndarray:
    """Return the coherence (pair, y, x) of a block; raise StackError if it is not within 0 to 1."""
    coherence = arrays["coherence"]
    require_coherence("coherence", *value_range(coherence))
    return coherence
