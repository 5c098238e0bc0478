"""Weighted least squares of a pair network for a block of pixels, by elimination.

Per pixel: minimise ``sum_k w_k (d_k - (phi_secondary - phi_reference))**2`` with the first date as ground. The normal
matrix is the Laplacian of the pair graph with conductances w, so dates are eliminated by star-mesh steps that only
ever add, multiply and divide positive numbers (Kron reduction; Dorfler & Bullo, IEEE TCAS-I 60, 2013, section II).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.network.elimination_plan import EliminationPlan
from insarray.kernels.network.gather import most_current
from insarray.kernels.network.lanes import solve_groups
from insarray.kernels.network.scratch import VECTOR, Array, Samples, Scratch, count_lanes, make_scratch
from insarray.kernels.network.starmesh import factorise, variances
from insarray.model.errors import ArgumentError


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
    reference: Array | None = None,
    scale: float = 1.0,
    std: bool = False,
    dtype: type[np.floating[Any]] = np.float32,
) -> Solution:
    """Solve every pixel of a block with its own weights and missing pairs.

    Parameters
    ----------
    phase
        Radians, secondary minus reference, shape (pair, pixel); NaN or infinite where missing.
    plan
        From `insarray.kernels.network.elimination_plan.plan_elimination`.
    weights
        Inverse variances (1 / rad^2), shape (pair, pixel); a pair counts as missing where they are not finite and
        positive. None: all 1.
    reference
        Phase of the reference point, subtracted from each pair, shape (pair,).
    scale
        Factor of `Solution.phase` and, by its absolute value, `Solution.std`: metres per radian, for example.
    std
        Compute `Solution.std`.
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
    pixels, shared = phase.shape[-1], shared_factors(plan)
    results = allocate(plan.n_dates, pixels, dtype, std=std)
    for samples, scratch, start, stop in parts(phase, plan, weights, reference, std=std):
        solve_groups(samples, plan, shared, scratch, scale, std, start, stop, results)
    return results


def parts(
    phase: Array, plan: EliminationPlan, weights: Array | None, reference: Array | None, *, std: bool
) -> Iterator[tuple[Samples, Scratch, int, int]]:
    """Samples and scratch of the pixels from start to stop: those in whole groups, then the rest in a smaller one.

    Raises
    ------
    ArgumentError
        If the shapes do not fit the plan.
    """
    pairs = len(plan.pair_edge)
    if phase.ndim != 2 or phase.shape[0] != pairs:
        raise ArgumentError(f"phase: shape {phase.shape} does not fit a network of {pairs} pairs")
    if weights is not None and weights.shape != phase.shape:
        raise ArgumentError(f"weights: shape {weights.shape} differs from the phase's {phase.shape}")
    pixels = phase.shape[1]
    whole = pixels - pixels % count_lanes(max(pixels, 1))
    level = np.zeros(pairs) if reference is None else np.ascontiguousarray(reference, np.float64)
    for start, stop in ((0, whole), (whole, pixels)):
        if start == stop:
            continue
        lanes = count_lanes(stop - start)
        given = _part(phase, start, stop, lanes)
        weight = None if weights is None else _part(weights, start, stop, lanes)
        samples = Samples(given, np.empty((0, 0), np.float32) if weight is None else weight, weight is not None, level)
        yield samples, make_scratch(plan, lanes, given, weight, std=std), start, stop


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
    if start == 0 and stop % lanes == 0:
        return np.ascontiguousarray(values)  # what follows the last whole group is not read
    padded = np.full((values.shape[0], lanes), np.nan, values.dtype)
    padded[:, : stop - start] = values[:, start:stop]
    return padded


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
