"""What the coherence of a link says about its errors, and about there being a signal at all."""

import math
from typing import Any

import numpy as np
from scipy.special import ndtr

Array = np.ndarray[Any, np.dtype[Any]]

_MOST = 1 - 1e-15  # so that links without noise have information that is finite
_LEAST = 1e-3  # coherences below it say that the noise is as large as noise of a phase can be


def noise_variance(coherence: Array) -> Array:
    """Phase variance ``(1 - g**4) / (2 g**2)`` that belongs to coherence g, rad^2.

    It is that of the maximum's position: the mean square of the noise's imaginary part over the square of its mean, for
    phases with a wrapped Gaussian distribution.
    """
    g = np.clip(coherence, _LEAST, _MOST)
    variance: Array = (1 - g**4) / (2 * g**2)
    return variance


def covariance(coherence: Array, number: Array, freedom: Array, moment: Array, precision: tuple[float, float]) -> Array:
    """Covariance of the position of the maximum.

    Parameters
    ----------
    coherence
        Objective there, (link,).
    number, freedom
        Rows, and rows less unknowns, (link,).
    moment
        Second moments of the columns (velocity, height, mixed), weights adding up to 1, (3, link); NaN where the height
        is not determined.
    precision
        Inverse variances of the prior, added to the information of the rows.

    Returns
    -------
    Array
        Velocity, height error, mixed, (3, link).
    """
    variance = noise_variance(coherence) * number / np.where(freedom > 0, freedom, np.nan)
    scale = number / variance
    xx, yy, xy = moment[0] * scale + precision[0], moment[1] * scale + precision[1], moment[2] * scale
    both = xx * yy - xy * xy
    alone = np.where(np.isnan(both), 1 / xx, yy / both)
    return np.stack([alone, xx / both, -xy / both])


def residual_errors(
    rest: Array, time_column: Array, height_column: Array | None, weight: Array | None = None
) -> tuple[Array, Array]:
    """Coherence of phases less their model, and the standard errors of the model that follow from it.

    Parameters
    ----------
    rest
        Radians, wrapped or not, up to a constant of each series, (epoch, series); NaN: missing.
    time_column, height_column
        As in `periodogram.estimate_links`; None: the model has no height error.
    weight
        (epoch,), at least 0; None: equal ones.

    Returns
    -------
    coherence
        ``|sum w exp(j rest)| / sum w``, (series,); NaN without an epoch.
    std
        Of velocity and height error, (2, series), as `covariance` has it; NaN where not determined.
    """
    known = np.isfinite(rest)
    share = known * (np.ones(len(rest)) if weight is None else weight)[:, None]
    share = share / np.where(share.any(axis=0), share.sum(axis=0), np.nan)
    coherence = np.abs((share * np.exp(1j * np.where(known, rest, 0.0))).sum(axis=0))
    time = time_column[:, None] - (share * time_column[:, None]).sum(axis=0)
    moment = np.full((3, rest.shape[1]), np.nan)
    moment[0] = (share * time**2).sum(axis=0)
    if height_column is not None:
        height = height_column if height_column.ndim == 2 else height_column[:, None]
        height = np.where(known, height, 0.0)
        height = height - (share * height).sum(axis=0)
        square = (share * height**2).sum(axis=0)
        moment[1:] = np.where(square > 0, [square, (share * time * height).sum(axis=0)], np.nan)
    number = np.count_nonzero(share > 0, axis=0)
    xx, yy, _ = covariance(coherence, number, number - 2 - ~np.isnan(moment[1]), moment, (0.0, 0.0))
    with np.errstate(invalid="ignore"):
        return coherence, np.sqrt([xx, yy])


def false_alarm(
    coherence: Array, effective: Array, moment: Array, widths: tuple[float, float], *, common: bool
) -> Array:
    """Probability that rows of pure noise reach this coherence somewhere in the ranges.

    Parameters
    ----------
    coherence
        Maximum of the objective, (link,).
    effective
        ``sum(w)**2 / sum(w**2)``, (link,).
    moment
        As in `covariance`, with 0 where the height is left out.
    widths
        Of the ranges of velocity and height error.
    common
        Whether the rows share an unknown phase.

    Notes
    -----
    Noise makes the sum of phasors a Gaussian random field over the ranges. The expected Euler characteristic of the
    part above a level (Adler 1981; Worsley 1994 for the square of its modulus) is the number of peaks there, from the
    area and the edges of the ranges in units of the peaks' width. The tail of a sum of few phasors is lighter than
    Gaussian: its exponent is ``N artanh(g**2)`` instead of ``N g**2``, close to the exact rate of large deviations
    (from von Mises' distribution) for any g. Rows are taken as independent, which redundant interferograms are not.
    """
    g = np.clip(coherence, 0.0, 1 - 1e-12)
    level = effective * np.arctanh(g**2)
    sides = [width * np.sqrt(moment[i]) for i, width in enumerate(widths)]
    area = widths[0] * widths[1] * np.sqrt(np.maximum(moment[0] * moment[1] - moment[2] ** 2, 0.0))
    edges = sides[0] + sides[1]
    high = np.maximum(level, 1.5)  # below, the number of peaks is no longer that of the crossings
    if common:
        point = np.exp(-level)
        peaks = np.exp(-high) * (edges * np.sqrt(high / math.pi) + area * (2 * high - 1) / (2 * math.pi))
    else:
        point = ndtr(-np.sqrt(2 * level))
        peaks = np.exp(-high) * (edges / (2 * math.pi) + area * np.sqrt(2 * high) / (2 * math.pi) ** 1.5)
    probability: Array = 1 - (1 - point) * np.exp(-peaks)
    return probability
