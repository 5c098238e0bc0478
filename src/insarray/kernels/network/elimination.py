"""Weighted least squares of a pair network for a block of pixels, by elimination.

Per pixel: minimise ``sum_k w_k (d_k - (phi_secondary - phi_reference))**2`` with the first date as ground. The normal
matrix is the Laplacian of the pair graph with conductances w, so dates are eliminated by star-mesh steps that only
ever add, multiply and divide positive numbers (Kron reduction; Dorfler & Bullo, IEEE TCAS-I 60, 2013, section II).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.network.elimination_plan import EliminationPlan
from insarray.kernels.network.gather import most_current
from insarray.kernels.network.lanes import solve_groups
from insarray.kernels.network.scratch import VECTOR, Array, Samples, Scratch, count_lanes, make_scratch
from insarray.kernels.network.starmesh import factorise, variances
from insarray.model.errors import ArgumentError

_STRIP = 8 * 512
"""Pixels that are copied at once where the rows of a block are apart in memory, so that the copy stays in the cache."""


class Solution(NamedTuple):
    """What `solve` returns; NaN where nothing was observed.

    Parameters
    ----------
    phase
        Phase of each date relative to the first date of its piece of the network, times the scale; (date, pixel).
    std
        Its standard deviation by the weights, which count as inverse variances; (date, pixel), or (0, 0) if not asked.
    date_count
        Number of used pairs at each date, uint16, (date, pixel).
    label
        Piece of the network: 0 unobserved, 1 tied to the first date, 2, 3, ... others by first date; uint8.
    temporal_coherence
        ``|mean exp(j r)|`` over the used pairs, (pixel,); NaN if a residual is so large that its phase is unknown.
    residual_rms
        Root mean square of the residuals r in radians, (pixel,).
    weighted_square
        Sum of w r^2 over the used pairs, float64, (pixel,).
    used
        Number of used pairs, uint32, (pixel,).
    """

    phase: Array
    std: Array
    date_count: Array
    label: Array
    temporal_coherence: Array
    residual_rms: Array
    weighted_square: Array
    used: Array

    @property
    def redundancy(self) -> Array:
        """Number of independent loops of each pixel: used pairs minus dates that are tied to another one; int64."""
        observed = (self.label > 0).sum(axis=0)
        pieces = self.label.max(axis=0).astype(np.int64) - (self.label[0] == 0)  # labels count from 1 in any case
        return np.asarray(self.used - np.where(observed > 0, observed - pieces, 0))


def solve(
    phase: Array,
    plan: EliminationPlan,
    weights: Array | None = None,
    *,
    table: Array | None = None,
    reference: Array | None = None,
    scale: float = 1.0,
    std: bool = False,
    relative: bool = False,
    dtype: type[np.floating[Any]] = np.float32,
) -> Solution:
    """Solve every pixel of a block with its own weights and missing pairs.

    Parameters
    ----------
    phase
        Radians, secondary minus reference, shape (pair, pixel) or (pair, row, col); NaN or infinite where missing.
    plan
        From `insarray.kernels.network.elimination_plan.plan_elimination`.
    weights
        Inverse variances (1 / rad^2), of the same shape; a pair counts as missing where they are not finite and
        positive. None: all 1.
    table
        From `insarray.kernels.variance.weight_table`: `weights` is the coherence, from which the weights follow.
    reference
        Phase of the reference point, subtracted from each pair, shape (pair,).
    scale
        Factor of `Solution.phase` and, by its absolute value, `Solution.std`: metres per radian, for example.
    std
        Compute `Solution.std`.
    relative
        Weights are known up to a factor: `Solution.std` is scaled by the residuals of the pixel, NaN without redundancy.
    dtype
        Of the floating-point results; the arithmetic is float64 in any case.

    Raises
    ------
    ArgumentError
        If the shapes do not fit the plan.

    Notes
    -----
    A pixel's result does not depend on the pixels around it, to the last bit.
    """
    pixels, shared = math.prod(phase.shape[1:]), shared_factors(plan)
    results = allocate(plan.n_dates, pixels, dtype, std=std)
    for samples, scratch, start, stop in parts(phase, plan, weights, table, reference, std=std):
        solve_groups(samples, plan, shared, scratch, scale, std, relative, start, stop, results)
    return results


def parts(
    phase: Array,
    plan: EliminationPlan,
    weights: Array | None,
    table: Array | None,
    reference: Array | None,
    *,
    std: bool,
) -> Iterator[tuple[Samples, Scratch, int, int]]:
    """Samples and scratch of the pixels from start to stop: those in whole groups, then the rest in a smaller one.

    Raises
    ------
    ArgumentError
        If the shapes do not fit the plan.
    """
    pairs = len(plan.pair_edge)
    if phase.ndim not in (2, 3) or phase.shape[0] != pairs:
        raise ArgumentError(f"phase: shape {phase.shape} does not fit a network of {pairs} pairs")
    if weights is not None and weights.shape != phase.shape:
        raise ArgumentError(f"weights: shape {weights.shape} differs from the phase's {phase.shape}")
    if table is not None and weights is not None:
        weights = np.asarray(weights, np.float32)
    pixels = math.prod(phase.shape[1:])
    level = np.zeros(pairs) if reference is None else np.ascontiguousarray(reference, np.float64)
    phase, weights = _as_rows(phase), None if weights is None else _as_rows(weights)
    scratch: dict[int, Scratch] = {}
    for start, stop in _ranges(pixels, apart=phase.ndim == 3 or (weights is not None and weights.ndim == 3)):
        lanes = count_lanes(stop - start)
        given = _part(phase, start, stop, lanes)
        weight = None if weights is None else _part(weights, start, stop, lanes)
        samples = Samples(
            given,
            np.empty((0, 0), np.float32) if weight is None else weight,
            np.empty(0, np.float32) if table is None else table,
            weight is not None,
            level,
        )
        if lanes not in scratch:
            scratch[lanes] = make_scratch(plan, lanes, given, weight, std=std)
        yield samples, scratch[lanes], start, stop


def _as_rows(values: Array) -> Array:
    """View (pair, pixel) of a block, or the block (pair, row, col) itself if that would need a copy."""
    return values.reshape(len(values), -1) if values.flags.c_contiguous or values.ndim == 2 else values


def _ranges(pixels: int, *, apart: bool) -> Iterator[tuple[int, int]]:
    """Ranges of whole groups, short ones if the rows of the block are `apart` in memory; last the rest."""
    whole = pixels - pixels % count_lanes(max(pixels, 1))
    step = _STRIP if apart else max(whole, 1)
    for start in range(0, whole, step):
        yield start, min(start + step, whole)
    if whole < pixels:
        yield whole, pixels


def allocate(dates: int, pixels: int, dtype: type[np.floating[Any]], *, std: bool) -> Solution:
    """Room for the results of some pixels."""
    return Solution(
        np.empty((dates, pixels), dtype),
        np.empty((dates, pixels) if std else (0, 0), dtype),
        np.empty((dates, pixels), np.uint16),
        np.empty((dates, pixels), np.uint8),
        np.empty(pixels, dtype),
        np.empty(pixels, dtype),
        np.empty(pixels, np.float64),
        np.empty(pixels, np.uint32),
    )


def _part(values: Array, start: int, stop: int, lanes: int) -> Array:
    """Contiguous values that begin with pixels `start` to `stop`: all whole groups, or one padded with missing pixels."""
    if values.ndim == 2 and start == 0 and stop % lanes == 0:
        return np.ascontiguousarray(values)  # what follows the last whole group is not read
    count = stop - start
    copied = np.empty((values.shape[0], -(-count // lanes) * lanes), values.dtype)
    copied[:, count:] = np.nan
    if values.ndim == 2:
        copied[:, :count] = values[:, start:stop]
        return copied
    columns, place = values.shape[2], start
    while place < stop:  # the rest of a row, whole rows, the beginning of a row
        row, column = divmod(place, columns)
        rows = (stop - place) // columns if column == 0 else 0
        length = rows * columns if rows else min(columns - column, stop - place)
        part = values[:, row : row + rows] if rows else values[:, row, column : column + length]
        copied[:, place - start : place - start + length].reshape(part.shape)[...] = part
        place += length
    return copied


class Shared(NamedTuple):
    """Factors of the complete, equally weighted network."""

    factor: Array
    inverse: Array
    variance: Array
    date_count: Array
    most_current: float


def shared_factors(plan: EliminationPlan) -> Shared:
    """Factors of one complete pixel of weight 1, by the same operations as any other pixel's."""
    conductance = np.zeros((plan.n_edges, VECTOR))
    np.add.at(conductance, plan.pair_edge, 1.0)  # a pair may come twice
    inverse, variance, scratch = np.empty((plan.n_dates, VECTOR)), np.empty((plan.n_dates, VECTOR)), conductance.copy()
    factorise(plan, conductance, inverse, np.empty(VECTOR, np.bool_))
    variances(plan, conductance, inverse, scratch, variance)
    one = np.ascontiguousarray
    date_count = np.bincount(np.concatenate([plan.reference, plan.secondary]), minlength=plan.n_dates)
    of_dates = one(variance[:, 0])
    return Shared(one(conductance[:, 0]), one(inverse[:, 0]), of_dates, date_count, most_current(of_dates))
