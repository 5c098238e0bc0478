"""Robust inversion of a pair network for a block of pixels: L1 with a certificate, Huber."""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, get_args

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.network.elimination import Shared, Solution, allocate, parts, shared_factors
from insarray.kernels.network.elimination_plan import EliminationPlan
from insarray.kernels.network.gather import load
from insarray.kernels.network.lanes import describe, least_squares, store
from insarray.kernels.network.scratch import VECTOR, Array, RobustScratch, Samples, Scratch, make_robust_scratch
from insarray.kernels.robust.admm import admm
from insarray.kernels.robust.huber import huber, residual_scale
from insarray.kernels.robust.lad import lad
from insarray.model.choices import Norm
from insarray.model.errors import ArgumentError

_MEDIAN_SPREAD = math.sqrt(math.pi / 2)
"""Standard deviation of a median over that of a mean, for Gaussian noise."""


@dataclass(frozen=True)
class L1:
    """Least absolute deviations, certified.

    Parameters
    ----------
    tolerance
        Largest gap between the objective and its lower bound, relative to the objective.
    max_iterations
        Steps after which a pixel is given up (and flagged).
    """

    tolerance: float = 1e-3
    max_iterations: int = 100

    def __post_init__(self) -> None:
        _check_stop(self.tolerance, self.max_iterations)

    @property
    def spread(self) -> float:
        """Standard deviation of the estimate over that of least squares, for Gaussian noise."""
        return _MEDIAN_SPREAD


@dataclass(frozen=True)
class ADMM:
    """Least absolute deviations by a fixed number of ADMM steps, to reproduce published results.

    Parameters
    ----------
    rho
        Penalty, in units of the phase (rad) and the weights: 0.4 as published.
    alpha
        Relaxation, between 0 and 2: 1.0 as published, over-relaxed beyond.
    iterations
        Number of steps: 20 as published.
    """

    rho: float = 0.4
    alpha: float = 1.0
    iterations: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.rho < math.inf:
            raise ArgumentError(f"rho: {self.rho} is not a positive number; 0.4 is the published one")
        if not 0 < self.alpha < 2:
            raise ArgumentError(f"alpha: {self.alpha} is not between 0 and 2; 1.0 is the published one")
        if not 1 <= self.iterations <= 65535:
            raise ArgumentError(f"iterations: {self.iterations} is not between 1 and 65535; 20 is the published number")

    @property
    def spread(self) -> float:
        """As in `L1`."""
        return _MEDIAN_SPREAD


@dataclass(frozen=True)
class Huber:
    """Huber's estimate: least squares for small residuals, least absolute deviations for large ones.

    Parameters
    ----------
    threshold
        Where large begins, in multiples of the scale of the pixel's residuals (median-based standard deviation).
    tolerance, max_iterations
        As in `L1`. Few pixels need more than 50 steps.
    """

    threshold: float = 1.345
    tolerance: float = 1e-3
    max_iterations: int = 500

    def __post_init__(self) -> None:
        if not 0 < self.threshold < math.inf:
            raise ArgumentError(f"threshold: {self.threshold} is not a positive number; 1.345 is usual")
        _check_stop(self.tolerance, self.max_iterations)

    @property
    def spread(self) -> float:
        """Standard deviation of the estimate over that of least squares, for Gaussian noise (Huber 1964)."""
        k = self.threshold
        inside = math.erf(k / math.sqrt(2))
        density = math.exp(-0.5 * k * k) / math.sqrt(2 * math.pi)
        return math.sqrt(inside - 2 * k * density + k * k * (1 - inside)) / inside


Robust = L1 | ADMM | Huber


def _check_stop(tolerance: float, max_iterations: int) -> None:
    if not 1e-9 <= tolerance < 1:
        raise ArgumentError(f"tolerance: {tolerance} is not between 1e-9 and 1; 1e-3 is usual")
    if not 1 <= max_iterations <= 65535:
        raise ArgumentError(f"max_iterations: {max_iterations} is not between 1 and 65535")


_ROUNDING = 1e-11  # of the sum of the weighted samples
_HUBER_START = 1e-2  # tolerance of the L1 fit that Huber starts from


def robust_method(norm: Norm, **options: float | None) -> Robust | None:
    """Method of a norm with its options, None for "l2"; "l1" with an option of `ADMM` is that.

    Raises
    ------
    ArgumentError
        If the norm is unknown, or an option that is not None does not belong to it or cannot be.
    """
    if norm not in get_args(Norm):
        raise ArgumentError(f"norm: {norm!r} is not one of {', '.join(get_args(Norm))}")
    given = {name: value for name, value in options.items() if value is not None}
    makers: dict[Norm, list[type[Robust]]] = {"l2": [], "l1": [L1, ADMM], "huber": [Huber]}
    for make in makers[norm]:
        if given.keys() <= {field.name for field in fields(make)}:
            return make(**given)  # type: ignore[arg-type]
    if not given:
        return None
    known = " or ".join(", ".join(field.name for field in fields(make)) for make in makers[norm])
    raise ArgumentError(f"{', '.join(given)}: not an option of norm={norm}, which has {known or 'none'}")


class Certificate(NamedTuple):
    """How well the estimate of each pixel is determined; each (pixel,).

    Parameters
    ----------
    gap
        Certified bound of (objective - optimum) / objective, float32; 0 where all residuals are 0 but for rounding, NaN
        where nothing was observed.
    iterations
        Steps taken, uint16.
    reached
        Whether the gap is within the method's tolerance, bool; True for `ADMM`, which has none.
    scale
        Standard deviation of the weighted residuals of the L1 fit by their median, float64; NaN without redundancy, and
        without `std` but for `Huber`.
    """

    gap: Array
    iterations: Array
    reached: Array
    scale: Array


def solve_robust(
    phase: Array,
    plan: EliminationPlan,
    method: Robust,
    weights: Array | None = None,
    *,
    table: Array | None = None,
    reference: Array | None = None,
    scale: float = 1.0,
    std: bool = False,
    dtype: type[np.floating[Any]] = np.float32,
) -> tuple[Solution, Certificate]:
    """Solve every pixel of a block with its own weights and missing pairs.

    The arguments and the first result are those of `insarray.kernels.network.elimination.solve`, of which the method's start
    is made. With inverse variances g the objective of L1 is ``sum_k sqrt(g_k) |r_k|``: residuals count in units of
    their standard deviation in every norm. `Solution.std` is that of least squares times `method.spread`.

    Notes
    -----
    A pixel's result does not depend on the pixels around it, to the last bit.
    """
    pixels, shared = math.prod(phase.shape[1:]), shared_factors(plan)
    results = allocate(plan.n_dates, pixels, dtype, std=std)
    certificate = Certificate(
        np.empty(pixels, np.float32), np.empty(pixels, np.uint16), np.empty(pixels, np.bool_), np.empty(pixels)
    )
    work = make_robust_scratch(plan)
    work.scale[:] = np.nan
    for samples, scratch, start, stop in parts(phase, plan, weights, table, reference, std=std):
        lanes = scratch.phase.shape[1]
        for first in range(start, stop, lanes):
            last = min(first + lanes, stop)
            _begin(samples, plan, scratch, std, first - start)
            _improve(method, samples, plan, shared, scratch, work, first, last, certificate, std=std)
            _end(samples, plan, scratch, scale, std, first, last, results)
    if std:
        results.std[:] *= method.spread
    return results, certificate


@lane_jit
def _begin(samples, plan, scratch, std, first):
    load(samples, first, scratch)
    least_squares(samples, plan, scratch, std)


@lane_jit
def _end(samples, plan, scratch, scale, std, first, last, results):
    root, column = np.empty(plan.order.shape[0] + 1, np.int64), np.empty(plan.order.shape[0] + 1)
    describe(samples, plan, scratch, root, column)
    relative = False  # scaled by the residuals of the robust estimate, afterwards
    store(scratch, scale, std, relative, first, last, results)


def _improve(
    method: Robust,
    samples: Samples,
    plan: EliminationPlan,
    shared: Shared,
    scratch: Scratch,
    work: RobustScratch,
    first: int,
    last: int,
    certificate: Certificate,
    *,
    std: bool,
) -> None:
    """Improve the least-squares solution of a group, pixels `first` to `last`."""
    place, where = (samples, plan, scratch, work), (first, last, certificate)
    if isinstance(method, L1):
        _by_lad(*place, std, *where, method.tolerance, method.max_iterations)
    elif isinstance(method, Huber):
        _by_huber(*place, *where, method.threshold, method.tolerance, method.max_iterations)
    else:
        _by_admm(*place, std, *where, shared, method.rho, method.alpha, method.iterations)


@lane_jit
def _by_lad(samples, plan, scratch, work, std, first, last, certificate, tolerance, most):
    for lane in range(0, scratch.phase.shape[1], VECTOR):
        _take(samples, plan, scratch, lane, work)
        lad(plan, work, tolerance, most)
        if std:
            residual_scale(work)
        _give(work, lane, scratch, first + lane, last, tolerance, certificate)


@lane_jit
def _by_huber(samples, plan, scratch, work, first, last, certificate, threshold, tolerance, most):
    for lane in range(0, scratch.phase.shape[1], VECTOR):
        _take(samples, plan, scratch, lane, work)
        lad(plan, work, _HUBER_START, most)
        residual_scale(work)
        huber(plan, work, threshold, tolerance, most)
        _give(work, lane, scratch, first + lane, last, tolerance, certificate)


@lane_jit
def _by_admm(samples, plan, scratch, work, std, first, last, certificate, shared, rho, alpha, iterations):
    for lane in range(0, scratch.phase.shape[1], VECTOR):
        _take(samples, plan, scratch, lane, work)
        admm(plan, shared, work, rho, alpha, iterations)
        if std:
            residual_scale(work)
        _give(work, lane, scratch, first + lane, last, np.nan, certificate)


@lane_jit
def _take(samples, plan, scratch, first, work):
    """Copy `VECTOR` lanes of the group from lane `first` on."""
    lanes = slice(first, first + VECTOR)
    work.unknowns[:] = 0
    work.rounding[:] = 0.0
    for v in range(work.solution.shape[0]):
        solution, inverse = scratch.solution[v, lanes], scratch.inverse[v, lanes]
        for p in range(VECTOR):
            work.solution[v, p] = solution[p]
        for p in range(VECTOR):
            work.unknowns[p] += inverse[p] > 0.0  # 0 where the date is the origin of its piece
    for k in range(work.weight.shape[0]):
        level, phase, valid = samples.reference[k], scratch.phase[k, lanes], scratch.valid[k, lanes]
        earlier, later = work.solution[plan.reference[k]], work.solution[plan.secondary[k]]
        sample, weight, residual = work.sample[k], work.weight[k], work.residual[k]
        if samples.weighted:
            given = scratch.weight[k, lanes]
            for p in range(VECTOR):
                weight[p] = math.sqrt(np.float64(given[p])) if valid[p] != 0 else 0.0
        else:
            for p in range(VECTOR):
                weight[p] = np.float64(valid[p])
        for p in range(VECTOR):
            sample[p] = np.float64(phase[p]) - level if valid[p] != 0 else 0.0
        for p in range(VECTOR):
            work.rounding[p] += _ROUNDING * weight[p] * abs(sample[p])
        for p in range(VECTOR):
            residual[p] = weight[p] * (sample[p] - (later[p] - earlier[p]))


@jit
def _give(work, lane, scratch, first, last, tolerance, certificate):
    """Copy the solution to lanes `lane` and following of the group, and the certificate to pixels `first` to `last`."""
    for v in range(work.solution.shape[0]):
        solution = scratch.solution[v, lane : lane + VECTOR]
        for p in range(VECTOR):
            solution[p] = work.solution[v, p]
    for p in range(min(VECTOR, last - first)):
        certificate.iterations[first + p] = work.iterations[p]
        certificate.scale[first + p] = work.scale[p]
        gap = work.gap[p] / work.objective[p] if work.objective[p] > work.rounding[p] else 0.0
        certificate.gap[first + p] = gap if scratch.used[lane + p] > 0 else np.nan
        certificate.reached[first + p] = not (gap > tolerance)
