"""Series of a pair network and its covariance, as in MintPy's ifgram_inversion."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, as_rows, as_rows_like, least_phase, pairs_of_incidence, refuse
from insarray.compat.mintpy.network import DateNetwork, network_of
from insarray.kernels.network.elimination import Solution, solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.network.gaps import close_gaps
from insarray.kernels.timefit.covariance import series_covariance
from insarray.model.errors import ArgumentError

_PEER = "MintPy"
_QUALITIES = ("temporalCoherence", "residual", "no")


def estimate_timeseries(
    A: ArrayLike,
    B: ArrayLike,
    y: ArrayLike,
    tbase_diff: ArrayLike,
    weight_sqrt: ArrayLike | None = None,
    min_norm_velocity: bool = True,  # noqa: FBT001, FBT002
    rcond: float = 1e-5,
    min_redundancy: float = 1.0,
    inv_quality_name: str = "temporalCoherence",
    print_msg: bool = True,  # noqa: FBT001, FBT002
    *,
    gap: Literal["nan", "min_norm"] = "nan",
    nodata: Literal["nan", "zero"] = "nan",
    strict: bool = False,
) -> tuple[Array, Any, Any]:
    """Invert one or many pixels, each with its own missing pairs and weights, in one call.

    Parameters
    ----------
    A
        Shape (pair, date - 1): -1 at date1, +1 at date2 of each pair, without the column of the reference date, which
        may be any date; or with all columns.
    B
        Years of each interval between dates that the pair spans, shape (pair, date - 1); negative if date1 is later.
    y
        Phase (rad) or offset of date2 minus date1, shape (pair,) or (pair, pixel); NaN where missing.
    tbase_diff
        Years from each date to the next, shape (date - 1,) or (date - 1, 1).
    weight_sqrt
        Square roots of the weights, shape of `y`.
    min_norm_velocity
        Minimum norm of ``gap="min_norm"``: of the velocities (True) or of the phases.
    rcond
        Not used: the pairs, not singular values, decide whether a date is connected to the first.
    min_redundancy
        Minimum number of pairs of a date, including the first. Dates with fewer are NaN; if it is the first, so is the
        pixel.
    inv_quality_name
        "temporalCoherence": `|sum exp(j r)|` / number of pairs. "residual": square root of the sum of r^2. "no": 0.0.
    print_msg
        Not used: nothing is printed.
    gap
        "nan": dates that no pairs connect to the first are NaN. "min_norm": as in MintPy, a minimum norm in place of
        what was not observed; pixels that lack a date (`min_redundancy`) are discarded.
    nodata
        No-data value: NaN, or 0 as MintPy's tools expect.
    strict
        Raise where the result of MintPy, called pixel by pixel, differs.

    Returns
    -------
    ts
        Relative to the first date, in the unit of `y`, float32, shape (date, pixel).
    inv_quality
        Float32, shape (pixel,); a scalar for one pixel. With ``nodata="zero"`` 0, except for residuals.
    num_inv_obs
        Number of pairs used, uint16, shape (pixel,); an int for one pixel.

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4:

    * many pixels with NaN or weights in one call: MintPy uses the mask of the first pixel, or fails;
    * a lost first date, or a disconnected network: NaN; MintPy does not notice and invents a constant;
    * a lost later date: NaN at that date; MintPy discards the pixel;
    * no data: NaN; MintPy gives 0, as for stable ground;
    * infinite samples and weights that are not positive numbers: missing; MintPy fails, or counts them as observed;
    * a reference date in the middle: dates in order; MintPy's minimum-norm phase writes them out of order;
    * `num_inv_obs` for each pixel; MintPy has one number per call;
    * residuals of a disconnected network; without weights MintPy gives NaN.
    """
    _check("inv_quality_name", inv_quality_name, _QUALITIES)
    _check("gap", gap, ("nan", "min_norm"))
    _check("nodata", nodata, ("nan", "zero"))
    network = network_of(A, B, tbase_diff)
    samples = as_rows(y, len(network.pairs), "y")
    weights = None if weight_sqrt is None else np.square(as_rows_like(weight_sqrt, samples, "weight_sqrt"))
    solution = solve(samples, plan_elimination(network.pairs, network.n_dates), weights)
    lacking = _lacking(solution, network, min_redundancy, gap)
    if strict:
        _refuse_samples(samples, weights)
        _refuse_gaps(solution, lacking, gap=gap, nodata=nodata)
        unordered = not min_norm_velocity and network.reference not in (0, None)
        refuse(unordered, _PEER, "its dates are out of order after a reference date in the middle", strict=True)
        if weights is None and inv_quality_name == "residual":
            split = (solution.label != 1).any(axis=0) & ~lacking.any(axis=0)
            refuse(split, _PEER, "it has no residual of a split network", strict=True)
    phase = _closed(solution, network, gap, min_norm_velocity=min_norm_velocity)
    phase[lacking] = np.nan
    lost = lacking.all(axis=0) & ((gap == "min_norm") | (solution.used == 0))
    quality: Any = _quality(solution, inv_quality_name, lost)
    used: Any = np.where(lost, 0, solution.used).astype(np.uint16)
    if nodata == "zero":
        phase = np.nan_to_num(phase, nan=0.0)
        quality = quality if inv_quality_name == "residual" else np.nan_to_num(quality, nan=0.0)
    if samples.shape[1] == 1:
        quality, used = quality[0], int(used[0])
    return phase, 0.0 if inv_quality_name == "no" else quality, used


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ArgumentError(f"{name}: {value!r} is not one of {', '.join(known)}")


def _refuse_samples(samples: Array, weights: Array | None) -> None:
    observed = ~np.isnan(samples)
    usable = np.isfinite(samples) if weights is None else np.isfinite(samples) & (weights > 0) & (weights < np.inf)
    refuse(observed & ~usable, _PEER, "infinite samples, or weights that are not positive numbers", strict=True)


def _refuse_gaps(solution: Solution, lacking: Array, *, gap: str, nodata: str) -> None:
    if gap == "nan":
        differs = (solution.label != 1).any(axis=0) | lacking.any(axis=0)
        refuse(differs, _PEER, 'dates are lost or untied; say gap="min_norm", nodata="zero"', strict=True)
    if nodata == "nan":
        refuse(lacking.any(axis=0), _PEER, 'its no-data value is 0; say nodata="zero"', strict=True)


def _lacking(solution: Solution, network: DateNetwork, fewest: float, gap: str) -> Array:
    """Return where too few pairs observe a date, (date, pixel): at all dates if the pixel counts as lost."""
    lacking: Array = solution.date_count < fewest
    if gap == "nan":
        return np.asarray(lacking | lacking[0])
    with_column = np.arange(network.n_dates) != network.reference  # MintPy does not check the reference date
    lost: Array = lacking[with_column].any(axis=0) | (solution.used == 0)
    return np.broadcast_to(lost, lacking.shape)


def _closed(solution: Solution, network: DateNetwork, gap: str, *, min_norm_velocity: bool) -> Array:
    if gap == "min_norm" and not min_norm_velocity:
        return least_phase(solution)
    close_gaps(solution.phase, solution.std, solution.label, network.years, "nan" if gap == "nan" else "min_norm")
    return solution.phase


def _quality(solution: Solution, name: str, lost: Array) -> Array:
    quality = solution.temporal_coherence if name != "residual" else solution.residual_rms * np.sqrt(solution.used)
    return np.where(lost, np.nan, quality).astype(np.float32)


def estimate_timeseries_cov(
    G: ArrayLike,
    y: ArrayLike,
    y_std: ArrayLike,
    rcond: float = 1e-5,
    min_redundancy: float = 1.0,
    *,
    weight_sqrt: ArrayLike | None = None,
    nodata: Literal["nan", "zero"] = "nan",
    strict: bool = False,
) -> Array:
    """Return the covariance of a series from the standard deviations of independent pairs.

    Parameters
    ----------
    G
        A of `estimate_timeseries`, shape (pair, date - 1).
    y
        Phase, NaN where missing, shape (pair,) or (pair, pixel).
    y_std
        Standard deviation of `y`, same shape; where it is not a positive number the pair is missing.
    rcond
        Not used, as in `estimate_timeseries`.
    min_redundancy
        Minimum number of pairs of a date, including the reference. Dates with fewer are NaN; if it is the reference,
        all are.
    weight_sqrt
        Square roots of the weights of the series estimate, shape of `y`; default: equal weights.
    nodata
        No-data value: NaN or 0.
    strict
        Raise where the result of MintPy, called pixel by pixel, differs.

    Returns
    -------
    numpy.ndarray
        In the unit of `y_std` squared, float64, shape (date - 1, date - 1), dates in the order of the columns of `G`,
        relative to the date without a column; (pixel, date - 1, date - 1) for several pixels.

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4:

    * many pixels in one call;
    * dates not tied to the reference: NaN; MintPy gives the covariance of a minimum norm, or 0 for all if one is lost;
    * with `weight_sqrt` the covariance is that of the weighted estimate; MintPy always gives the unweighted one.
    """
    _check("nodata", nodata, ("nan", "zero"))
    pairs, n_dates = pairs_of_incidence(G, "G")
    samples = as_rows(y, len(pairs), "y")
    std = as_rows_like(y_std, samples, "y_std")
    weights = None if weight_sqrt is None else np.square(as_rows_like(weight_sqrt, samples, "weight_sqrt"))
    usable = np.isfinite(samples) & (std > 0) & (std < np.inf)
    if weights is not None:
        usable &= (weights > 0) & (weights < np.inf)
    refuse(weights is not None, _PEER, "its covariance is that of the unweighted estimate", strict=strict)
    refuse(~np.isnan(samples) & ~usable, _PEER, "infinite samples, or deviations that are not positive", strict=strict)
    solution = solve(np.where(usable, 0.0, np.nan), plan_elimination(pairs, n_dates))
    lacking = (solution.label != 1) | (solution.date_count < min_redundancy)
    lacking |= lacking[0]
    refuse(lacking.any(axis=0), _PEER, "dates are lost or not tied to the reference", strict=strict)
    variance = np.where(usable, np.square(std, dtype=np.float64), np.nan)
    covariance = series_covariance(pairs, solution.label, variance, weights)
    covariance = np.moveaxis(covariance[1:, 1:], -1, 0)
    lacking = lacking[1:].T
    covariance[lacking[:, :, None] | lacking[:, None, :]] = 0.0 if nodata == "zero" else np.nan
    return covariance[0] if len(covariance) == 1 else covariance
