"""Surfaces through layers by least squares, robust if asked: the same to the bit however the data are chunked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, sum_blocks
from insarray.kernels import ramps as kernel

_MOST_PASSES = 15
_STEADY = 1e-2  # change of a surface, in standard deviations of its residuals, at which passes end

Terms = tuple[tuple[int, int], ...]
"""Exponents of (row, column) in each term."""


@dataclass(frozen=True)
class _Fit:
    """All that one pass needs."""

    layer: str
    terms: Terms
    origin: tuple[float, float]
    scale: tuple[float, float]
    coefficients: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Surfaces:
    """What was found.

    Parameters
    ----------
    origin
        Row and column from which the terms are counted: the middle of the image.
    coefficients
        float64 (layer, term), per pixel of row and column.
    spread
        float64 (layer,): robust standard deviation of what they leave, or the root mean square if not robust.
    sums
        Of the last pass (see `insarray.kernels.ramps.sum_samples`), of terms in units of `scale`.
    scale
        Rows and columns of a unit.
    passes
        Over the data.
    """

    origin: tuple[float, float]
    coefficients: np.ndarray
    spread: np.ndarray
    sums: np.ndarray
    scale: tuple[float, float]
    passes: int


def row_and_col(
    layer: xr.DataArray, rows: np.ndarray | None = None, cols: np.ndarray | None = None
) -> dict[str, xr.DataArray]:
    """Row and column of every pixel of a layer, or other positions, in its blocks: views that take no memory."""
    found = {}
    chunks = {dim: layer.chunksizes[dim] for dim in ("y", "x")} if layer.chunks else {}
    for name, dim, other, values in (("row", "y", "x", rows), ("col", "x", "y", cols)):
        positions = xr.DataArray(np.arange(layer.sizes[dim]) if values is None else values, dims=dim)
        if chunks:  # first, so that the view is of one block
            positions = positions.chunk({dim: chunks[dim]})
        positions = positions.expand_dims({other: layer.sizes[other]}).transpose("y", "x")
        found[name] = positions.chunk(chunks) if chunks else positions
    return found


def fit_surfaces(
    inputs: Mapping[str, xr.DataArray],
    layer: str,
    terms: Terms,
    solve: Callable[[np.ndarray], np.ndarray],
    *,
    robust: bool,
) -> Surfaces:
    """Surfaces about the middle of the image.

    Parameters
    ----------
    inputs
        The layer (layer, y, x), `row` and `col` of every pixel, and perhaps `network_subset` and `mask`.
    layer
        Name of the layer.
    terms
        Of the surfaces.
    solve
        Coefficients from the sums; it raises the error if there are none.
    robust
        Reweight by Tukey's biweight until the surfaces are steady.
    """
    shape = inputs[layer].shape
    middle, units = frame_of(shape[-2], shape[-1])
    task = _Fit(layer, terms, middle, units, np.zeros((shape[0], len(terms))), np.full(shape[0], np.inf))
    sums, _ = _pass(task, inputs)
    coefficients, passes = solve(sums), 1
    spread = kernel.least_squares_rms(sums, coefficients)
    if robust:
        coefficients, spread, sums, passes = _reweighted(task, inputs, coefficients, spread, solve)
    per_pixel = coefficients / np.array([units[0] ** a * units[1] ** b for a, b in terms])
    return Surfaces(middle, per_pixel, spread, sums, units, passes)


def frame_of(height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Origin of the terms (row, column), the middle of the image, and the rows and columns of a unit.

    Units are powers of two, so that positions in these units, and coefficients per pixel, are not rounded.
    """
    unit = 2.0 ** np.ceil(np.log2(np.maximum(np.array([height, width]), 2) / 2))
    return ((height - 1) / 2, (width - 1) / 2), (float(unit[0]), float(unit[1]))


def _reweighted(
    first: _Fit,
    inputs: Mapping[str, xr.DataArray],
    coefficients: np.ndarray,
    spread: np.ndarray,
    solve: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Iteratively reweighted least squares from a first solution; every pass also measures the scale for the next."""
    least = 1e-6 * spread  # data without noise: weights stay defined
    passes, steady, sums = 1, False, np.zeros(0)
    while passes < _MOST_PASSES and not steady:
        passes += 1
        task = replace(first, coefficients=coefficients, spread=spread)
        sums, histogram = _pass(task, inputs)
        previous, coefficients = coefficients, solve(sums)
        steady = bool((np.abs(coefficients - previous) <= _STEADY * spread[:, None]).all())
        spread = np.maximum(kernel.residual_scale(histogram, spread), least)
    return coefficients, spread, sums, passes


def _pass(task: _Fit, inputs: Mapping[str, xr.DataArray]) -> tuple[np.ndarray, np.ndarray]:
    layers, terms = task.coefficients.shape
    zero = {
        "sums": xr.Variable(("layer", "sum", "part"), np.zeros((layers, kernel.number_of_sums(terms), 2))),
        "histogram": xr.Variable(("layer", "bin"), np.zeros((layers, kernel.BINS), np.int64)),
    }
    found = xr.Dataset(sum_blocks(sum_block, task, inputs, zero)).compute()
    return found["sums"].values, found.histogram.values


def sum_block(task: _Fit, arrays: Arrays) -> Arrays:
    """Sums over one block; `arrays` holds the layer, row, col and perhaps `network_subset` and `mask`."""
    samples = arrays[task.layer]
    if "network_subset" in arrays:  # later pieces have a datum of their own
        samples = np.where(arrays["network_subset"] == 1, samples, np.float32(np.nan))
    rows, cols = arrays["row"][:, 0] - task.origin[0], arrays["col"][0] - task.origin[1]
    sums, histogram = kernel.sum_samples(
        samples,
        arrays.get("mask", np.ones(samples.shape[1:], bool)),
        rows / task.scale[0],
        cols / task.scale[1],
        task.terms,
        task.coefficients,
        task.spread,
    )
    return {"sums": sums, "histogram": histogram}
