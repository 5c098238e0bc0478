"""Whether a correction helps: variances over tiles that were not used for the scale, structure functions, correlations."""

from typing import NamedTuple

import numpy as np

VERDICTS = ("keep", "scale", "drop")
"""Meanings of a verdict 0, 1, 2."""

_WORTH = 0.95  # of the variance otherwise: from which scaling is worth it
_SIGNIFICANT = 3.0  # standard errors, which are too small where turbulence is larger than a tile
_DIFFERENT = 0.1  # a scale nearer to 1 is not worth it, however well it is known
_LARGEST = 3.0  # scale: a correction that is so much too small is another one
_FEWEST_TILES = 5


class Score(NamedTuple):
    """What a correction does to one date.

    Parameters
    ----------
    before, after, scaled
        Variance without it, with it, and with it times a scale that was found in other tiles.
    scale, scale_std
        By which it fits best, and its standard error by leaving tiles out.
    verdict
        Number in `VERDICTS`.
    """

    before: float
    after: float
    scaled: float
    scale: float
    scale_std: float
    verdict: int


def without_motion(values: np.ndarray, years: np.ndarray, degree: int) -> np.ndarray:
    """Values (date, pixel) less a polynomial in time of each pixel, which hides the motion and the first date's share."""
    design = np.vander(years - years.mean(), degree + 1)
    return np.asarray(values - design @ np.linalg.lstsq(design, values, rcond=None)[0])


def score(values: np.ndarray, correction: np.ndarray, tile: np.ndarray) -> Score:
    """Cross-validated over tiles: level and scale of each tile are from the others.

    Parameters
    ----------
    values, correction
        Of one date, (pixel,); NaN is missing.
    tile
        Number of the tile of each pixel.
    """
    here = np.isfinite(values) & np.isfinite(correction)
    d, c, tile = values[here], correction[here], tile[here]
    if len(d) == 0:
        return Score(*(np.nan,) * 5, VERDICTS.index("drop"))
    d, c = d - d.mean(), c - c.mean()
    sums = np.stack([np.bincount(tile, part) for part in (1 + 0 * d, d, c, d * d, d * c, c * c)])
    sums = sums[:, sums[0] > 0]
    others = sums.sum(axis=1)[:, None] - sums
    scales = _scale(others)
    count = sums[0].sum()
    before, after, scaled = (_left(sums, others, at).sum() / count for at in (0.0, 1.0, scales))
    scale = float(_scale(sums.sum(axis=1)[:, None])[0])
    spread = np.nan
    if sums.shape[1] >= _FEWEST_TILES:
        spread = float(np.sqrt((sums.shape[1] - 1) / sums.shape[1] * ((scales - scales.mean()) ** 2).sum()))
    return Score(before, after, scaled, scale, spread, _verdict(before, after, scaled, scale, spread))


def _scale(sums: np.ndarray) -> np.ndarray:
    n, d, c, _, dc, cc = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (n * dc - d * c) / (n * cc - c * c)
    return np.asarray(np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0))


def _left(sums: np.ndarray, others: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Sum of squares of each tile with a scale, about the level of the other tiles."""
    n, d, c, dd, dc, cc = sums
    level = (others[1] - scale * others[2]) / np.maximum(others[0], 1)
    total = d - scale * c
    return np.asarray(dd - 2 * scale * dc + scale**2 * cc - 2 * level * total + n * level**2)


def _verdict(before: float, after: float, scaled: float, scale: float, spread: float) -> int:
    sure = scale > _SIGNIFICANT * spread and abs(scale - 1) > max(
        _DIFFERENT, _SIGNIFICANT * spread
    )  # not if the error is NaN
    sure &= scale < _LARGEST
    if sure and scaled < _WORTH * min(before, after):
        return VERDICTS.index("scale")
    return VERDICTS.index("keep" if after <= before else "drop")


def distance_bins(
    y: np.ndarray, x: np.ndarray, bins: int, pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of pixels for structure functions: both of each pair, (2, pair), the bin of each, and the mean distance in the bins.

    Bins are of equal ratio, from a fiftieth to half of the extent of the pixels.
    """
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, len(y), (2, pairs))
    apart = np.hypot(y[first] - y[second], x[first] - x[second])
    extent = np.hypot(np.ptp(y), np.ptp(x))
    number = np.digitize(apart, np.geomspace(extent / 50, extent / 2, bins + 1)) - 1
    inside = (number >= 0) & (number < bins)
    count = np.bincount(number[inside], minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.sqrt(np.bincount(number[inside], apart[inside] ** 2, minlength=bins) / count)
    return np.stack([first, second])[:, inside], number[inside], mean


def structure_function(values: np.ndarray, pairs: np.ndarray, number: np.ndarray, bins: int) -> np.ndarray:
    """Mean squared difference of pixels by their distance, (bin,); NaN where no pair of pixels has data."""
    squared = (values[pairs[0]] - values[pairs[1]]) ** 2
    here = np.isfinite(squared)
    count = np.bincount(number[here], minlength=bins)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(number[here], squared[here], minlength=bins) / count)


def correlation(values: np.ndarray, other: np.ndarray) -> float:
    """Correlation coefficient of the pixels that have both; NaN without spread."""
    here = np.isfinite(values) & np.isfinite(other)
    if here.sum() < 3:
        return float("nan")
    a, b = values[here] - values[here].mean(), other[here] - other[here].mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 0 else float("nan")
