"""Inversion of a pair network, as in dolphin.timeseries."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, as_rows, as_rows_like, least_phase, pairs_of_incidence, refuse
from insarray.kernels.network.elimination import Solution, solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.robust.inversion import ADMM, L1, Robust, solve_robust
from insarray.model.errors import ArgumentError

_PEER = "dolphin"
_TOLERANCE = 1e-5  # phase error of a wrong cycle, rad
_LARGEST = 1 << 24  # of float32 without gaps between whole numbers
_WHOLE = 1e-3  # tolerance of whole cycles after the iterations
_UNTIED = "dates are not tied to the first"


def invert_stack(
    A: ArrayLike,
    dphi: ArrayLike,
    weights: ArrayLike | None = None,
    missing_data_flags: ArrayLike | None = None,
    *,
    gap: Literal["nan", "min_norm"] = "nan",
    strict: bool = False,
) -> tuple[Array, Array]:
    """Invert pairs by least squares, with weights and missing pairs per pixel.

    Parameters
    ----------
    A
        Incidence matrix of the pairs, shape (pair, date - 1), as from `get_incidence_matrix`.
    dphi
        Unwrapped phase (rad), secondary minus reference, shape (pair, ...), for example rows and columns.
    weights
        Inverse variances (1/rad^2), shape of `dphi`; a pair is missing where they are not positive and finite.
    missing_data_flags
        True where a sample is **valid**, shape of `dphi`.
    gap
        "nan": dates that no pairs connect to the first are NaN. "min_norm": the phases of minimum norm.
    strict
        Raise where dolphin's result differs.

    Returns
    -------
    phase
        Relative to the first date (rad), shape (date - 1, ...).
    residuals
        Sum of squared residuals over the pairs used, times the weights if given, shape (...); NaN without pairs.

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9:

    * `missing_data_flags` are effective; dolphin ignores them without `weights`, and ignores the weights with them;
    * `weights` are inverse variances. The formula is dolphin's, but its workflow passes variances, so that bad pairs
      have the largest weights: pass ``1 / correlation_to_variance(...)``;
    * NaN, or a weight that is not a positive number: the pair is missing; dolphin loses the pixel;
    * dates that are not tied to the first: NaN; dolphin gives the minimum norm, or rounding errors with flags.
    """
    if gap not in ("nan", "min_norm"):
        raise ArgumentError(f"gap: {gap!r} is not one of nan, min_norm")
    pairs, n_dates = _network(A, required=gap == "nan")
    samples = as_rows(dphi, len(pairs), "dphi")
    given = None if weights is None else as_rows_like(weights, samples, "weights")
    valid = None if missing_data_flags is None else as_rows_like(missing_data_flags, samples, "missing_data_flags") != 0
    if strict:
        refuse(~np.isfinite(samples), _PEER, "samples are not finite", strict=strict)
        refuse(
            valid is not None and not valid.all(),
            _PEER,
            "it ignores the flags, or the weights with them",
            strict=strict,
        )
        refuse(
            given is not None and ~((given >= 0) & (given < np.inf)),
            _PEER,
            "negative or infinite weights",
            strict=strict,
        )
    if valid is not None:
        samples = np.where(valid, samples, np.nan)
    solution = _solve(samples, pairs, n_dates, given)
    refuse((solution.label != 1).any(axis=0) & (gap == "nan"), _PEER, _UNTIED, strict=strict)
    phase = least_phase(solution) if gap == "min_norm" else _tied(solution)
    return _shaped(phase[1:], solution.weighted_square, dphi)


def invert_stack_l1(A: ArrayLike, dphi: ArrayLike, max_iter: int = 20, *, strict: bool = False) -> tuple[Array, Array]:
    """Invert pairs by least absolute deviations, certified within 1e-5 of the minimum.

    Parameters
    ----------
    A, dphi
        As in `invert_stack`.
    max_iter
        Maximum number of steps of the interior point method; usually fewer than ten are needed.
    strict
        Take exactly `max_iter` of dolphin's ADMM steps with rho 0.4; raise where its result still differs.

    Returns
    -------
    phase
        Relative to the first date (rad), shape (date - 1, ...).
    residuals
        Sum of absolute residuals (rad), shape (...); NaN if there are no samples.

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9:

    * optimal in any unit; dolphin stops up to 20 % above, in other units 70 %. The optimum may not be unique;
    * NaN: the pair is missing; dolphin loses the pixel;
    * dates that are not tied to the first: NaN; dolphin gives arbitrary numbers or NaN at all dates.
    """
    method = ADMM(iterations=max_iter) if strict else L1(_TOLERANCE, max_iter)
    return _least_absolute(A, dphi, method, strict=strict)


def invert_stack_l1_integer(A: ArrayLike, ambiguities: ArrayLike, max_iter: int = 20) -> tuple[Array, Array]:
    """Return the whole cycles of dates that minimise the sum of absolute residuals of the cycles of pairs.

    Parameters
    ----------
    A
        As in `invert_stack`; every date must be connected to the first.
    ambiguities
        Whole cycles of the pairs, shape (pair, ...).
    max_iter
        Maximum number of steps toward the real-valued optimum; usually fewer than ten are needed.

    Returns
    -------
    offsets
        Whole cycles of each date relative to the first, shape (date - 1, ...).
    residuals
        Sum of absolute residuals, cycles, shape (...).

    Raises
    ------
    ArgumentError
        If a sample is masked, not a whole number, or 2^24 or more, or a date is not connected to the first.

    Notes
    -----
    The matrix is totally unimodular, so rounding the real-valued optimum at any common threshold between 0 and 1 gives
    an integer optimum. As the steps do not converge exactly, the fraction of each date is tried as the threshold, and
    the best is used.
    """
    if np.ma.is_masked(ambiguities):
        raise ArgumentError("ambiguities: has masked values; leave missing pairs out of both arrays")
    if max_iter < 1 or max_iter != int(max_iter):
        raise ArgumentError(f"max_iter: {max_iter!r} is not a positive integer")
    pairs, _ = _network(A)
    cycles = as_rows(ambiguities, len(pairs), "ambiguities").astype(np.float64)
    if not (np.isfinite(cycles).all() and (cycles == np.round(cycles)).all()):
        raise ArgumentError("ambiguities: some are no finite integers; leave missing pairs out of both arrays")
    if (np.abs(cycles) >= _LARGEST).any():
        raise ArgumentError(f"ambiguities: some of {_LARGEST} or more are not exactly representable in float32")
    real, _ = _least_absolute(A, cycles, L1(_TOLERANCE, max_iter), strict=False)
    if np.isnan(real).any():
        raise ArgumentError("A: some date is not tied to the first; leave its pairs out")
    phase = np.concatenate([np.zeros((1, cycles.shape[1])), real])
    best, least = np.zeros_like(phase), np.full(cycles.shape[1], np.inf)
    for threshold in phase % 1:
        offsets = np.ceil(phase - np.maximum(threshold, _WHOLE))
        offsets -= offsets[0]
        total = np.abs(cycles - (offsets[pairs[:, 1]] - offsets[pairs[:, 0]])).sum(axis=0)
        best, least = np.where(total < least, offsets, best), np.minimum(total, least)
    return _shaped(best[1:], least, ambiguities)


def least_absolute_deviations(
    A: ArrayLike,
    b: ArrayLike,
    R: ArrayLike | None,
    rho: float = 0.4,
    alpha: float = 1.0,
    max_iter: int = 20,
    *,
    strict: bool = False,
) -> tuple[Array, Array]:
    """Take ADMM steps toward least absolute deviations, as published, without checking convergence.

    Parameters
    ----------
    A
        As in `invert_stack`.
    b
        Unwrapped phase (rad), shape (pair,), or (pair, ...) for many pixels.
    R
        Lower Cholesky factor of ``A.T @ A``, or None. It is only checked: the steps are solved by elimination.
    rho
        Penalty, in the unit of `b`.
    alpha
        Relaxation, between 0 and 2; 1 is none.
    max_iter
        Number of steps.
    strict
        Raise where dolphin's result differs.

    Returns
    -------
    phase
        Relative to the first date (rad), shape (date - 1, ...).
    residual
        Sum of absolute residuals (rad), shape (...).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Use `invert_stack_l1` for the optimum. Differences from dolphin 0.42.9:

    * missing samples and unconnected dates as in `invert_stack_l1`;
    * with `alpha` other than 1 the steps are those of Boyd et al. (2010), section 6.1, which converge to the optimum;
      dolphin's may converge elsewhere;
    * an `R` of another matrix raises an error;
    * many pixels in one call.
    """
    if R is not None:
        matrix, factor = np.asarray(A, np.float64), np.asarray(R, np.float64)
        if factor.shape != (matrix.shape[-1],) * 2 or not np.allclose(factor @ factor.T, matrix.T @ matrix, atol=1e-4):
            raise ArgumentError("R: is not the lower Cholesky factor of A.T @ A; None will do")
    refuse(alpha != 1, _PEER, "its steps are others with alpha different from 1", strict=strict)
    return _least_absolute(A, b, ADMM(rho, alpha, max_iter), strict=strict)


def censored_lstsq(A: ArrayLike, B: ArrayLike, M: ArrayLike, *, strict: bool = False) -> tuple[Array, Array]:
    """Invert pixels with missing pairs by least squares.

    Parameters
    ----------
    A
        As in `invert_stack`.
    B
        Unwrapped phase (rad), shape (pair,) or (pair, pixel).
    M
        True where a sample is valid, shape of `B`.
    strict
        Raise where dolphin's result differs.

    Returns
    -------
    phase
        Relative to the first date (rad), shape (date - 1,) or (date - 1, pixel).
    residuals
        Root of the sum of squared residuals of the valid samples (rad), shape () or (pixel,).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9:

    * residuals without the missing rows; dolphin adds the modelled values of these;
    * dates that are not tied to the first: NaN; dolphin gives infinite or arbitrary numbers;
    * one pixel works, and memory is a few times that of the samples; dolphin needs 11 GB for 256 x 256 pixels of 300
      pairs.
    """
    pairs, n_dates = _network(A)
    samples = as_rows(B, len(pairs), "B")
    valid = as_rows_like(M, samples, "M") != 0
    refuse(~valid, _PEER, "its residuals contain missing rows", strict=strict)
    refuse(~np.isfinite(samples), _PEER, "samples are not finite", strict=strict)
    solution = _solve(np.where(valid, samples, np.nan), pairs, n_dates)
    refuse((solution.label != 1).any(axis=0), _PEER, _UNTIED, strict=strict)
    return _shaped(_tied(solution)[1:], np.sqrt(solution.weighted_square), B)


def weighted_lstsq_single(
    A: ArrayLike, b: ArrayLike, weights: ArrayLike, *, strict: bool = False
) -> tuple[Array, Array]:
    """Invert one pixel, or many, by weighted least squares.

    Parameters
    ----------
    A
        As in `invert_stack`.
    b
        Unwrapped phase (rad), shape (pair,), or (pair, ...) for many pixels.
    weights
        Inverse variances (1/rad^2), shape of `b`.
    strict
        As in `invert_stack`.

    Returns
    -------
    phase
        Relative to the first date (rad), shape (date - 1,) or (date - 1, ...).
    residual
        Weighted sum of squared residuals, shape (1,) or (...).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9: those of `invert_stack`; many pixels in one call.
    """
    phase, residual = invert_stack(A, b, weights, strict=strict)
    return phase, np.atleast_1d(residual)


def _network(A: ArrayLike, *, required: bool = True) -> tuple[Array, int]:
    """Return the pairs of A; if `required`, the first date must be in one of them."""
    pairs, n_dates = pairs_of_incidence(A)
    if required and (pairs != 0).all():
        raise ArgumentError(
            "A: no pair has the first date, whose column is left out, so no date is connected to it; delete the column of the "
            "first date of the pairs"
        )
    return pairs, n_dates


def _solve(samples: Array, pairs: Array, n_dates: int, weights: Array | None = None) -> Solution:
    return solve(samples, plan_elimination(pairs, n_dates), weights, dtype=samples.dtype.type)


def _least_absolute(A: ArrayLike, b: ArrayLike, method: Robust, *, strict: bool) -> tuple[Array, Array]:
    pairs, n_dates = _network(A)
    samples = as_rows(b, len(pairs), "dphi")
    refuse(~np.isfinite(samples), _PEER, "samples are not finite", strict=strict)
    solution, _ = solve_robust(samples, plan_elimination(pairs, n_dates), method, dtype=samples.dtype.type)
    refuse((solution.label != 1).any(axis=0), _PEER, _UNTIED, strict=strict)
    total = np.zeros(samples.shape[1])
    for sample, (reference, secondary) in zip(samples, pairs, strict=True):  # avoids a second array of all samples
        misfit = np.abs(sample - (solution.phase[secondary] - solution.phase[reference]))
        total += np.where(np.isfinite(sample), misfit, 0.0)
    return _shaped(_tied(solution)[1:], np.where(solution.used > 0, total, np.nan), b)


def _tied(solution: Solution) -> Array:
    """Return the phase with NaN at dates that are not tied to the first."""
    solution.phase[solution.label != 1] = np.nan
    return solution.phase


def _shaped(phase: Array, residual: Array, samples: ArrayLike) -> tuple[Array, Array]:
    shape = np.shape(samples)[1:]
    return phase.reshape(-1, *shape), residual.astype(phase.dtype, copy=False).reshape(shape)
