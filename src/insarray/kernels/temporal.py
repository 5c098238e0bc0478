"""Time functions of displacement series: linear velocity with its standard error (DESIGN 4.3)."""

from typing import Any

import numpy as np

from insarray.kernels.compiled import jit

Array = np.ndarray[Any, np.dtype[Any]]


def fit_linear(series: Array, label: Array, years: Array) -> tuple[Array, Array]:
    """Slope of every pixel's series by least squares, with an offset per network subset.

    Parameters
    ----------
    series
        Shape (date, pixel); NaN where missing.
    label
        `network_subset`, shape (date, pixel): dates of one subset share an offset, so that a gap does not bend the
        slope; 0 means that the date is not used.
    years
        Time of each date, shape (date,).

    Returns
    -------
    slope
        Units of the series per year, float64, shape (pixel,); NaN where no subset holds two dates.
    std
        Standard error from the residuals with ``dates - subsets - 1`` degrees of freedom; NaN where there are none.

    Notes
    -----
    The zero at the reference date is a date like the others: the offset takes up its noise.
    """
    slope, std = _fit(
        np.ascontiguousarray(series, np.float32),
        np.ascontiguousarray(label),
        np.ascontiguousarray(years, np.float64),
    )
    return slope, std


@jit
def _fit(series, label, years):
    n, pixels = series.shape
    slope, std = np.empty(pixels), np.empty(pixels)
    most = int(label.max()) + 1 if label.size else 1
    number, mean_t, mean_x = np.empty(most), np.empty(most), np.empty(most)
    for p in range(pixels):
        number[:] = 0.0
        mean_t[:] = 0.0
        mean_x[:] = 0.0
        for v in range(n):
            q = label[v, p]
            if q > 0 and np.isfinite(series[v, p]):
                number[q] += 1.0
                mean_t[q] += years[v]
                mean_x[q] += series[v, p]
        dates = subsets = 0.0
        for q in range(1, most):
            if number[q] > 0.0:
                dates += number[q]
                subsets += 1.0
                mean_t[q] /= number[q]
                mean_x[q] /= number[q]
        tt = tx = xx = 0.0
        for v in range(n):
            q = label[v, p]
            if q > 0 and np.isfinite(series[v, p]):
                t, x = years[v] - mean_t[q], series[v, p] - mean_x[q]
                tt += t * t
                tx += t * x
        slope[p] = tx / tt if tt > 0.0 else np.nan
        for v in range(n):
            q = label[v, p]
            if q > 0 and np.isfinite(series[v, p]):
                r = series[v, p] - mean_x[q] - slope[p] * (years[v] - mean_t[q])
                xx += r * r
        freedom = dates - subsets - 1.0
        std[p] = np.sqrt(xx / freedom / tt) if tt > 0.0 and freedom > 0.0 else np.nan
    return slope, std
