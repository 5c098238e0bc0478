"""Velocity and height error of links from wrapped phases by the periodogram."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np

from insarray.kernels.links import periodogram_search
from insarray.kernels.links.periodogram_noise import covariance, false_alarm
from insarray.kernels.links.periodogram_problem import Array, LinkFlag, Peaks, Problem, lattice_caps
from insarray.model.errors import ArgumentError

Objective = Literal["epochs", "pairs"]

_MOST_NODES = 1 << 24

__all__ = ["LinkEstimate", "LinkFlag", "estimate_links", "make_problem"]


class LinkEstimate(NamedTuple):
    """Result of `estimate_links`, float64, (link,) unless said otherwise; NaN where not determined.

    Parameters
    ----------
    velocity
        Velocity difference of point b minus point a, m/year.
    height_error
        Height error of point b minus that of point a, m; NaN for the model without it.
    coherence
        The objective at the estimate, without the prior, in [0, 1] ([-1, 1] for pairs).
    covariance
        Of (velocity, height error): ``(1 - g**4) / (2 g**2) N / (N - u) inv(A' W A)``, g the coherence, N the rows with a
        weight, u the unknowns (2, or 1 without height error; 1 more for the common phase), W the weights with mean 1, A
        the columns (less their weighted means if there is a common phase); with a prior the inverse of the sum of the
        informations. Shape (2, 2, link). At a bound it is that of the same estimate without the bound.
    second_coherence
        Coherence of the highest other local maximum found, at least 0.5 rad rms away; 0 if none. To 1e-6; with a prior to 1e-3.
    false_alarm
        Probability that noise without a signal reaches the coherence anywhere in the ranges.
    flag
        Bits of `LinkFlag`, uint8.
    """

    velocity: Array
    height_error: Array
    coherence: Array
    covariance: Array
    second_coherence: Array
    false_alarm: Array
    flag: Array


def estimate_links(
    phase: Array,
    time_column: Array,
    height_column: Array | None = None,
    *,
    velocity_range: tuple[float, float],
    height_range: tuple[float, float] | None = None,
    weight: Array | None = None,
    objective: Objective = "epochs",
    prior: tuple[float, float] | None = None,
    search: Callable[[Problem], Peaks] = periodogram_search.search,
) -> LinkEstimate:
    """Velocity and height error of every link by the highest peak of its periodogram within given ranges.

    Parameters
    ----------
    phase
        Wrapped phase of point b minus point a, rad, (row, link). A row is an epoch of a series with a single reference
        ("epochs"), or an interferogram ("pairs"). NaN: missing. float32 or float64.
    time_column
        Phase per velocity, rad per (m/year), (row,).
    height_column
        Phase per height error, rad per m, (row,), or (row, link) where the links differ in baseline, incidence or range.
        None: the model has no height error.
    velocity_range, height_range
        Least and greatest velocity difference, m/year, and height error difference, m, both allowed themselves.
    weight
        (row,) or (row, link), at least 0, inverse variances of the phase noise in any unit; NaN: missing.
    objective
        "epochs": maximise ``|sum w exp(j (phase - A x))| / sum w``; the rows share an unknown phase. "pairs": maximise
        the real part; they do not. The series is by far the better input: redundant interferograms carry the same
        noise several times, and short ones little of the velocity.
    prior
        Standard deviations of velocity (m/year) and height error (m) of a Gaussian with mean 0 that links are expected
        to follow; infinite where nothing is known. None: no prior.
    search
        What finds the peaks; another one is for tests of the first.

    Notes
    -----
    Without a prior the maximum is that of Ferretti, Prati & Rocca (2001, IEEE TGRS 39, 8-20), the maximum-likelihood
    estimate for noise of equal circular variance. The search is a lattice with steps that follow from the spread of the
    columns, and a climb from its highest peaks; its cost depends on the ranges in units of the peaks' width.

    With a prior the maximum is that of ``N artanh(g**2) - v**2 / (2 sv**2) - h**2 / (2 sh**2)``, N the rows with a
    weight. The first term is the logarithm of the likelihood with the unknown noise level at its best: its curvature at
    a peak is the inverse of the covariance above but for the factor N / (N - u), and it is close to that of von Mises'
    distribution for any g.

    A link's result does not depend on the other links, to the last bit.

    Raises
    ------
    ArgumentError
        If shapes do not fit, a range is empty or needs too large a lattice, or an option is unknown.
    """
    problem = make_problem(phase, time_column, height_column, velocity_range, height_range, weight, objective, prior)
    return _describe(problem, search(problem), velocity_range, height_range or (0.0, 0.0))


def _describe(problem: Problem, peaks: Peaks, *ranges: tuple[float, float]) -> LinkEstimate:
    """Estimates with their errors from what was found."""
    state, moment = peaks.state, peaks.moment
    found = state < LinkFlag.VELOCITY_UNDETERMINED
    tall = moment[1] > 0
    x = [np.where(found, value, np.nan) for value in peaks.position]
    for value, bit, (low, high) in zip(x, (LinkFlag.VELOCITY_AT_BOUND, LinkFlag.HEIGHT_AT_BOUND), ranges, strict=True):
        at = (state & bit) > 0
        value[at] = np.where(value[at] < (low + high) / 2, low, high)  # exactly, which middle and half width are not
    coherence = np.where(found, peaks.coherence, np.nan)
    freedom = peaks.number - 1 - tall - problem.common
    known = np.where([found, found & tall, found & tall], moment, np.nan)
    xx, yy, xy = covariance(coherence, peaks.number, freedom, known, problem.precision)
    widths = (2 * problem.half[0], 2 * problem.half[1])
    chance = false_alarm(coherence, peaks.effective, moment, widths, common=problem.common)
    return LinkEstimate(
        velocity=x[0],
        height_error=np.where(tall, x[1], np.nan),
        coherence=coherence,
        covariance=np.stack([np.stack([xx, xy]), np.stack([xy, yy])]),
        second_coherence=np.where(found, peaks.second, np.nan),
        false_alarm=chance,
        flag=state,
    )


def make_problem(
    phase: Array,
    time_column: Array,
    height_column: Array | None,
    velocity_range: tuple[float, float],
    height_range: tuple[float, float] | None,
    weight: Array | None,
    objective: Objective,
    prior: tuple[float, float] | None,
) -> Problem:
    """The search, once the arguments are known to fit."""
    if objective not in get_args(Objective):
        raise ArgumentError(f"objective: {objective!r} is not one of {', '.join(get_args(Objective))}")
    if phase.ndim != 2:
        raise ArgumentError(f"phase: {phase.ndim} dimensions; (row, link) is needed")
    if (height_column is None) != (height_range is None):
        raise ArgumentError("height_column, height_range: one is given without the other; give both or neither")
    if prior is not None and not all(sigma > 0 for sigma in prior):
        raise ArgumentError(f"prior: {prior} are not positive standard deviations; inf where nothing is known")
    common = objective == "epochs"
    time = np.array(time_column, np.float64)
    if time.shape != phase.shape[:1] or not np.isfinite(time).all():
        raise ArgumentError(f"time_column: shape {time.shape}; ({len(phase)},) finite numbers are needed")
    if common and time.size:
        time -= time.mean()
    if weight is not None and ((np.asarray(weight) < 0) | np.isinf(weight)).any():
        raise ArgumentError(
            "weight: some are negative or infinite; they are inverse variances, 0 for what does not count"
        )
    ranges = [_middle_half("velocity_range", velocity_range)]
    ranges.append((0.0, 0.0) if height_range is None else _middle_half("height_range", height_range))
    problem = Problem(
        phase=np.ascontiguousarray(phase, None if phase.dtype in (np.float32, np.float64) else np.float64),
        weight=_columns("weight", np.ones(len(phase)) if weight is None else weight, phase.shape),
        time=time,
        height=_columns("height_column", np.zeros(len(phase)) if height_column is None else height_column, phase.shape),
        middle=(ranges[0][0], ranges[1][0]),
        half=(ranges[0][1], ranges[1][1]),
        precision=(0.0, 0.0) if prior is None else (prior[0] ** -2, prior[1] ** -2),
        common=common,
    )
    velocities, heights = lattice_caps(problem)
    if 2 * velocities * heights > _MOST_NODES:
        raise ArgumentError(
            f"velocity_range, height_range: they hold {velocities} x {2 * heights} peaks' widths of these columns; "
            "narrower ranges are needed, or columns in rad per (m/year) and rad per m"
        )
    return problem


def _columns(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    """Values as (row, link) or (row, 1), float64."""
    values = np.asarray(values)
    if values.shape not in (shape, shape[:1]):
        raise ArgumentError(f"{name}: shape {values.shape}; {shape} or {shape[:1]} is needed")
    return np.ascontiguousarray(values if values.ndim == 2 else values[:, None], np.float64)


def _middle_half(name: str, limits: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(limit) for limit in limits)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ArgumentError(f"{name}: ({low}, {high}) is not a range; (least, greatest), both finite, is needed")
    return (low + high) / 2, (high - low) / 2
