"""Robust least squares of a few values: surfaces through what stations say."""

from typing import NamedTuple

import numpy as np

from insarray.kernels.biweight import TO_DEVIATION, biweight

_MOST_ROUNDS = 100
_STEADY = 1e-9
_SPARE = 3  # values more than unknowns, with fewer of which an outlier cannot be told


class Fit(NamedTuple):
    """What was found.

    Parameters
    ----------
    coefficients
        (term,); NaN where the values do not determine them.
    covariance
        (term, term), by what they leave; NaN without redundancy.
    residuals
        (value,).
    deviation
        Robust standard deviation of the residuals, as they are.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    deviation: float


def robust_fit(values: np.ndarray, design: np.ndarray, std: np.ndarray, *, robust: bool) -> Fit:
    """Least squares weighted by 1 / std^2, and reweighted by Tukey's biweight if asked.

    Parameters
    ----------
    values
        (value,), finite.
    design
        (value, term).
    std
        (value,), positive: of the values, up to a common factor.
    robust
        Reweight, if there are three values more than terms.
    """
    count, terms = design.shape
    nothing = np.full(terms, np.nan), np.full((terms, terms), np.nan), np.full(count, np.nan), np.nan
    scaled = design / std[:, None]
    length = np.sqrt((scaled**2).sum(axis=0))
    if count < terms or not (length > 0).all() or np.linalg.matrix_rank(scaled / length, tol=1e-7) < terms:
        return Fit(*nothing)
    weights = np.ones(count)
    solution = _solved(values / std, scaled, weights)
    for _ in range(_MOST_ROUNDS if robust and count >= terms + _SPARE else 0):
        left = (values - design @ solution) / std
        scale = _deviation(left, terms)
        if not scale > 0:
            break
        weights = biweight(left, scale)
        before, solution = solution, _solved(values / std, scaled, weights)
        if np.linalg.norm((solution - before) * length) <= _STEADY * scale:
            break
    left = values - design @ solution
    normal = (scaled * weights[:, None]).T @ scaled
    freedom = weights.sum() - terms
    variance = float((weights * (left / std) ** 2).sum() / freedom) if freedom > 0.5 else np.nan
    return Fit(solution, variance * np.linalg.inv(normal), left, _deviation(left, terms))


def _solved(values: np.ndarray, design: np.ndarray, weights: np.ndarray) -> np.ndarray:
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0])


def _deviation(left: np.ndarray, terms: int) -> float:
    """By the median size, of all but as many as there are terms, which fit always."""
    sizes = np.sort(np.abs(left))[min(terms, len(left) - 1) :]
    return float(TO_DEVIATION * np.median(sizes))


def left_out(values: np.ndarray, design: np.ndarray, std: np.ndarray) -> np.ndarray:
    """What each value differs by from the surface through all others, NaN where those do not determine it."""
    found = np.full(len(values), np.nan)
    for n in range(len(values)):
        others = np.arange(len(values)) != n
        fit = robust_fit(values[others], design[others], std[others], robust=True)
        found[n] = values[n] - design[n] @ fit.coefficients
    return found
