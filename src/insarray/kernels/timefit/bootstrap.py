"""Bootstrap of time functions: the spread of their factors when the rows are drawn again with replacement."""

from typing import Any

import numpy as np

from insarray.kernels.timefit.least_squares import Fit, fit_terms

Array = np.ndarray[Any, np.dtype[Any]]


def draw(rows: int, samples: int, seed: int) -> Array:
    """How often each row is drawn in each sample, float64, shape (sample, row); the same for the same seed."""
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(samples)]).astype(float)


def bootstrap(
    fit: Fit,
    values: Array,
    design: Array,
    counts: Array,
    *,
    label: Array | None = None,
    offsets: bool = True,
    weight: Array | None = None,
    multiplicity: Array | None = None,
    columns: Array | None = None,
) -> Fit:
    """`fit` whose covariances, of terms and offset, are those of the samples (Efron and Tibshirani 1986).

    Parameters
    ----------
    fit
        Of `fit_terms` with the other arguments.
    counts
        Of `draw`. All pixels share the draws; a pixel's missing rows are missing in each.

    Notes
    -----
    A sample in which a pixel's rows do not determine all that they determine together (none after a step) is left out
    for that pixel; where fewer than half of the samples are left, the covariance is NaN.
    """
    known = np.isfinite(fit.terms)
    number = np.zeros(values.shape[1])
    mean, square = np.zeros_like(fit.terms), np.zeros_like(fit.covariance)
    offset_mean, offset_square = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    common = np.ones(len(values)) if multiplicity is None else multiplicity
    for count in counts:
        sample = fit_terms(
            values,
            design,
            label=label,
            offsets=offsets,
            weight=weight,
            multiplicity=common * count,
            columns=columns,
        )
        good = (np.isfinite(sample.terms) | ~known).all(axis=0)
        number += good
        rate = np.where(good, 1 / np.maximum(number, 1), 0.0)
        change = np.where(known & good, sample.terms - mean, 0.0)
        mean += change * rate
        square += change[:, None] * np.where(known & good, sample.terms - mean, 0.0)
        change = np.where(good, np.nan_to_num(sample.offset[0]) - offset_mean, 0.0)
        offset_mean += change * rate
        offset_square += change * np.where(good, np.nan_to_num(sample.offset[0]) - offset_mean, 0.0)
    enough = number > max(len(counts) / 2, 1)
    scale = np.where(enough, 1 / np.maximum(number - 1, 1), np.nan)
    covariance = np.where(np.isfinite(fit.covariance), square * scale, np.nan)
    offset = np.stack([fit.offset[0], np.where(np.isfinite(fit.offset[1]), offset_square * scale, np.nan)])
    return fit._replace(covariance=covariance, offset=offset)
