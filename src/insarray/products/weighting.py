"""Weights of the pairs: which layer they come from, and the weights of a block."""

from typing import Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays
from insarray.kernels.variance import Weights, pair_weights
from insarray.model.errors import ArgumentError, StackError

INVERSE_VARIANCES = ("variance", "fisher", "given")
"""Weights that are inverse variances of the phase in 1/rad^2; the others are relative."""


def weighting(
    stack: xr.Dataset, weights: Weights | xr.DataArray, looks: float | None
) -> tuple[dict[str, xr.DataArray], Weights | Literal["given"], float | None]:
    """Inputs of a block function, by name; which weights; looks.

    Raises
    ------
    ArgumentError, StackError
        If the weights are unknown, or the stack lacks what they need.
    """
    inputs = {"unwrapped_phase": stack.unwrapped_phase}
    if isinstance(weights, xr.DataArray):
        if weights.dims != stack.unwrapped_phase.dims or weights.shape != stack.unwrapped_phase.shape:
            raise ArgumentError(
                f"weights: {weights.dims} {weights.shape}, expected {stack.unwrapped_phase.dims} "
                f"{stack.unwrapped_phase.shape}"
            )
        return inputs | {"weights": weights}, "given", None
    if weights not in get_args(Weights):
        raise ArgumentError(f"weights: {weights!r} is not one of {', '.join(get_args(Weights))} or a DataArray")
    if weights == "none":
        return inputs, weights, None
    if "coherence" not in stack:
        raise StackError(f"weights: {weights!r} needs coherence, which the stack does not have; open it with coherence")
    looks = looks if looks is not None else stack.attrs.get("looks")
    pair_weights(np.empty(0, np.float32), weights, looks)  # refuses missing or impossible looks before anything runs
    return inputs | {"coherence": stack.coherence}, weights, None if weights == "coherence" else looks


def block_weights(weights: Weights | Literal["given"], looks: float | None, arrays: Arrays) -> np.ndarray | None:
    """Weights (pair, pixel) of a block with the inputs of `weighting`; None if all are equal."""
    if weights == "none":
        return None
    if weights == "given":
        return arrays["weights"].reshape(len(arrays["weights"]), -1)
    coherence = arrays["coherence"]
    return pair_weights(coherence.reshape(len(coherence), -1), weights, looks)
