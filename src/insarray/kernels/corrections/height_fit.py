"""Displacement against a function of the height: robust lines, with standard errors that neighbours do not flatter."""

from typing import NamedTuple

import numpy as np

from insarray.kernels.corrections.turbulence import NOTHING, Layout, Noise, noise_of

FEWEST = 30
"""Samples without which nothing is fitted."""

_PASSES = 15
_CUT = 4.685  # of the standard deviation: beyond it Tukey's biweight is 0
_MAD = 1.4826


class Line(NamedTuple):
    """A slope, NaN where it is not determined, and the noise about the line."""

    slope: float
    noise: Noise


NO_LINE = Line(np.nan, NOTHING)
"""What is not determined."""


def basis(height: np.ndarray, exponent: float | None, top: float) -> np.ndarray:
    """Function of the height (m) to which the delay is proportional, with slope 1 at height 0.

    Parameters
    ----------
    height
        Metres.
    exponent
        Of the power law (top - height)^exponent (Bekaert et al. 2015); None: the height itself.
    top
        Height at which the delay ends, m.
    """
    if exponent is None:
        return height
    left = np.clip(top - height, 0.0, None)
    return np.asarray((top - left**exponent * top ** (1 - exponent)) / exponent)


def fit_line(values: np.ndarray, abscissa: np.ndarray, place: Layout, *, robust: bool) -> Line:
    """Line through samples, and the noise about it, for its standard error (`slope_std`).

    Parameters
    ----------
    values, abscissa
        Samples, (n,); NaN is missing.
    place
        Where they lie.
    robust
        Weights by Tukey's biweight, scale by the median of the residuals.
    """
    here = np.isfinite(values) & np.isfinite(abscissa)
    y, x = values[here].astype(np.float64), abscissa[here].astype(np.float64)
    if len(y) < FEWEST or np.ptp(x) == 0:
        return NO_LINE
    middle = float(x.mean())
    weight = _weights(y, x - middle) if robust else np.ones(len(y))
    sums = np.array([(weight * part).sum() for part in (1 + 0 * x, x - middle, y, (x - middle) ** 2, (x - middle) * y)])
    slope = float(_slope(sums))
    about = weight * (x - (weight * x).sum() / weight.sum())
    spread = float((about * x).sum())
    if not spread > 0:
        return NO_LINE
    residual, share, run = (np.zeros(len(values)) for _ in range(3))
    residual[here], run[here] = y - slope * x, x - middle
    share[here] = about / spread
    return Line(slope, noise_of(residual, run, share, place))


def _slope(sums: np.ndarray) -> np.ndarray:
    count, x, y, xx, xy = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((count * xy - x * y) / (count * xx - x * x))


def _weights(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Weights of iteratively reweighted least squares, from a first slope that a quarter of the samples cannot turn."""
    slope = _first_slope(y, x)
    weight = _biweight(y - slope * x)
    for _ in range(_PASSES):
        previous = slope
        slope = float(_slope(np.array([(weight * part).sum() for part in (1 + 0 * x, x, y, x * x, x * y)])))
        weight = _biweight(y - slope * x)
        if abs(slope - previous) <= 1e-6 * abs(slope):
            break
    return weight


def _first_slope(y: np.ndarray, x: np.ndarray) -> float:
    """Median of the slopes between samples that are half of all apart in the order of x."""
    order = np.argsort(x, kind="stable")
    y, x, half = y[order], x[order], len(x) // 2
    run, rise = x[half:] - x[: len(x) - half], y[half:] - y[: len(y) - half]
    apart = run > 0
    return float(np.median(rise[apart] / run[apart])) if apart.any() else 0.0


def _biweight(residual: np.ndarray) -> np.ndarray:
    residual = residual - np.median(residual)
    scale = max(_MAD * float(np.median(np.abs(residual))), 1e-12)
    return np.asarray(np.clip(1 - (residual / (_CUT * scale)) ** 2, 0, None) ** 2)


def hats(at: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Weights (point, centre) of linear interpolation between centres, constant beyond the outermost."""
    if len(centres) == 1:
        return np.ones((len(at), 1))
    ascending = np.sort(centres)
    found = np.stack([np.interp(at, ascending, row) for row in np.eye(len(centres))], axis=1)
    return np.asarray(found[:, np.argsort(np.argsort(centres))])


def without_trend(factors: np.ndarray, years: np.ndarray, *, pairs: bool) -> np.ndarray:
    """Factors (date or pair, ...) less the part that grows linearly in time; `years` of each date, or spanned by each pair."""
    flat = factors.reshape(len(factors), -1)
    columns = [years] if pairs else [np.ones(len(years)), years]
    design = np.stack(columns, axis=1)
    trend = design @ np.linalg.lstsq(design, flat, rcond=None)[0]
    return np.asarray((flat - trend).reshape(factors.shape))
