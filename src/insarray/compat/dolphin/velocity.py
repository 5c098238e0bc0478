"""Velocity of series, as in dolphin.timeseries."""

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, as_rows, as_rows_like, refuse
from insarray.kernels.timefit.least_squares import fit_terms
from insarray.model.conventions import DAYS_PER_YEAR

_PEER = "dolphin"


def estimate_velocity(
    x_arr: ArrayLike, unw_stack: ArrayLike, weight_stack: ArrayLike | None, *, strict: bool = False
) -> Array:
    """Return the slope of a straight line with an intercept through the series of every pixel.

    Parameters
    ----------
    x_arr
        Days, shape (date,).
    unw_stack
        Series in any unit, shape (date, ...), for example rows and columns.
    weight_stack
        Weights of the residuals, shape of `unw_stack`: they are squared in the sum of squares, as in `numpy.polyfit`,
        so they are 1 / standard deviation. None: equal weights.
    strict
        Raise where dolphin's result differs.

    Returns
    -------
    numpy.ndarray
        Unit of the series per 365.25 days, shape (...).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9:

    * NaN, and weights that are 0 or not finite: the date is missing; dolphin's pixel is NaN if one sample is;
    * fewer than two dates: NaN; dolphin gives a number if one weight is not 0.
    """
    slope = _slope(x_arr, unw_stack, weight_stack, strict=strict)
    return (slope * DAYS_PER_YEAR).astype(slope.dtype, copy=False)


def estimate_velocity_pixel(x: ArrayLike, y: ArrayLike, w: ArrayLike, *, strict: bool = False) -> Array:
    """Return the slope of one pixel, or of many, per unit of x, not per year.

    Parameters
    ----------
    x
        Shape (date,).
    y
        Series, shape (date,), or (date, ...) for many pixels.
    w
        Weights of the residuals, shape of `y`, as in `estimate_velocity`.
    strict
        As in `estimate_velocity`.

    Returns
    -------
    numpy.ndarray
        Shape () or (...).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from dolphin 0.42.9: those of `estimate_velocity`; many pixels in one call.
    """
    return _slope(x, y, w, strict=strict)


def _slope(x: ArrayLike, y: ArrayLike, w: ArrayLike | None, *, strict: bool) -> Array:
    days = np.asarray(x, np.float64).reshape(-1)
    series = as_rows(y, len(days), "series")
    weight = None if w is None else np.square(as_rows_like(w, series, "weights"), dtype=np.float64)
    fit = fit_terms(series, (days - days[:1])[:, None], weight=weight)
    refuse(~np.isfinite(series), _PEER, "samples are not finite", strict=strict)
    refuse(weight is not None and ~np.isfinite(weight), _PEER, "weights are not finite", strict=strict)
    refuse(np.isnan(fit.terms[0]), _PEER, "fewer than two dates", strict=strict)
    return np.asarray(fit.terms[0], series.dtype).reshape(np.shape(y)[1:])
