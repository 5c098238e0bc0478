"""Least squares of time functions for a block of pixels: NaN-safe, with an offset per piece of the network (DESIGN 4.3)."""

from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.compiled import jit

Array = np.ndarray[Any, np.dtype[Any]]

_INDEPENDENT = 1e-10  # of a column's own square: what must be left of it beside the others


class Fit(NamedTuple):
    """Result of `fit_terms`, float64.

    Parameters
    ----------
    terms
        Factor of each column, (term, pixel); NaN where the pixel's dates do not determine it.
    covariance
        Of the factors for a unit variance of the dates, (term, term, pixel).
    square
        Sum of squared residuals, (pixel,).
    freedom
        Dates minus offsets minus determined terms, int64, (pixel,).
    """

    terms: Array
    covariance: Array
    square: Array
    freedom: Array

    @property
    def variance(self) -> Array:
        """Variance of the dates by the residuals, (pixel,); NaN without degrees of freedom."""
        return np.where(self.freedom > 0, self.square / np.maximum(self.freedom, 1), np.nan)

    @property
    def std(self) -> Array:
        """Standard error of each factor by `variance`, (term, pixel)."""
        std: Array = np.sqrt(np.einsum("iip->ip", self.covariance) * self.variance)
        return std


def fit_terms(series: Array, label: Array, design: Array) -> Fit:
    """Factors of the columns of `design` in every pixel's series, with an offset per network subset.

    Parameters
    ----------
    series
        Shape (date, pixel); NaN where missing.
    label
        `network_subset`, shape (date, pixel): dates of one subset share an offset, so that a gap does not bend the
        terms; 0 means that the date is not used.
    design
        Shape (date, term), finite.

    Notes
    -----
    The offsets are eliminated first, by subtracting the mean of each subset from the series and the columns; the rest is
    a Cholesky factorisation of the normal equations of scaled columns. A column that the others make up to 1e-5 of its
    own size is left out, and it and they are NaN. The zero at the reference date is a date like the others: the offset
    takes up its noise.
    """
    pixels, count = series.shape[1], design.shape[1]
    fit = Fit(
        np.empty((count, pixels)),
        np.empty((count, count, pixels)),
        np.empty(pixels),
        np.empty(pixels, np.int64),
    )
    _fit(np.ascontiguousarray(series), np.ascontiguousarray(label), np.ascontiguousarray(design, np.float64), *fit)
    return fit


@jit
def _fit(series, label, design, terms, covariance, square, freedom):
    dates, pixels = series.shape
    count = design.shape[1]
    most = int(label.max()) + 1 if label.size else 1
    number, mean = np.empty(most), np.empty((most, count + 1))
    normal, factor = np.empty((count + 1, count + 1)), np.empty((count, count))
    scale, inside, undetermined = np.empty(count), np.empty(count, np.bool_), np.empty(count, np.bool_)
    rows, inverse = np.empty((dates, count + 1)), np.empty((count, count))
    kept, shared = 0, False  # whether these are still those of a pixel whose dates are all there, in one subset
    for p in range(pixels):
        complete = _is_complete(series, label, p)
        if complete and shared:
            used, subsets = dates, 1
            _centre_complete(series, p, rows)
            _normal(rows, normal, count)
        else:
            used = _centre(series, label, design, p, number, mean, rows)
            subsets = 0
            for q in range(1, most):
                subsets += number[q] > 0.0
            _normal(rows[:used], normal, 0)
            kept = _factorise(normal, factor, scale, inside, undetermined)
            _invert(factor, scale, inside, inverse)
            shared = complete
        freedom[p] = used - subsets - kept
        for i in range(count):
            total = 0.0
            for j in range(count):
                total += inverse[i, j] * normal[count, j]
            terms[i, p] = total
        square[p] = _square(rows[:used], terms[:, p])
        for i in range(count):
            for j in range(count):
                unknown = undetermined[i] or undetermined[j]
                covariance[i, j, p] = np.nan if unknown else inverse[i, j]
            if undetermined[i]:
                terms[i, p] = np.nan


@jit
def _is_complete(series, label, p):
    first = label[0, p]
    for v in range(series.shape[0]):
        if label[v, p] != first or not np.isfinite(series[v, p]):
            return False
    return first > 0


@jit
def _centre_complete(series, p, rows):
    """`_centre` for a complete pixel, where only the series differs from the complete pixel before."""
    dates, last = series.shape[0], rows.shape[1] - 1
    mean = 0.0
    for v in range(dates):
        mean += series[v, p]
    mean /= np.float64(dates)
    for v in range(dates):
        rows[v, last] = series[v, p] - mean


@jit
def _square(rows, terms):
    total = 0.0
    for v in range(rows.shape[0]):
        r = rows[v, len(terms)]
        for i in range(len(terms)):
            r -= rows[v, i] * terms[i]
        total += r * r
    return total


@jit
def _centre(series, label, design, p, number, mean, rows):
    """Rows of the used dates of pixel `p` less the means of their subsets; how many there are."""
    dates, count = design.shape
    number[:] = 0.0
    mean[:] = 0.0
    for v in range(dates):
        q = label[v, p]
        if q > 0 and np.isfinite(series[v, p]):
            number[q] += 1.0
            for i in range(count):
                mean[q, i] += design[v, i]
            mean[q, count] += series[v, p]
    for q in range(len(number)):
        if number[q] > 0.0:
            for i in range(count + 1):
                mean[q, i] /= number[q]
    used = 0
    for v in range(dates):
        q = label[v, p]
        if q > 0 and np.isfinite(series[v, p]):
            for i in range(count):
                rows[used, i] = design[v, i] - mean[q, i]
            rows[used, count] = series[v, p] - mean[q, count]
            used += 1
    return used


@jit
def _normal(rows, normal, first):
    """Products of the columns, lower half, from row `first` of the matrix on."""
    normal[first:] = 0.0
    for v in range(rows.shape[0]):
        for i in range(first, normal.shape[0]):
            for j in range(i + 1):
                normal[i, j] += rows[v, i] * rows[v, j]


@jit
def _factorise(normal, factor, scale, inside, undetermined):
    """Cholesky factor of the correlation of the columns that are independent of those before; their number."""
    count = len(scale)
    kept = 0
    factor[:] = 0.0
    for i in range(count):
        scale[i] = np.sqrt(normal[i, i])
        inside[i] = False
        undetermined[i] = False
    for i in range(count):
        rest = 1.0
        if scale[i] > 0.0:
            for j in range(i):
                if inside[j]:
                    value = normal[i, j] / (scale[i] * scale[j])
                    for k in range(j):
                        value -= factor[i, k] * factor[j, k]
                    factor[i, j] = value / factor[j, j]
                    rest -= factor[i, j] ** 2
        if scale[i] > 0.0 and rest > _INDEPENDENT:
            factor[i, i] = np.sqrt(rest)
            inside[i] = True
            kept += 1
            continue
        undetermined[i] = True
        for j in range(i - 1, -1, -1):  # which of the columns before make it up
            if inside[j]:
                value = factor[i, j]
                for k in range(j + 1, i):
                    value -= factor[k, j] * factor[i, k]
                factor[i, j] = value / factor[j, j]
                undetermined[j] |= abs(factor[i, j]) > 1e-4
        factor[i, :] = 0.0
    return kept


@jit
def _invert(factor, scale, inside, inverse):
    """Inverse of the normal matrix of the columns inside; 0 for the others."""
    count = len(scale)
    root = np.zeros((count, count))  # inverse of the Cholesky factor
    for j in range(count):
        if not inside[j]:
            continue
        root[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, count):
            if inside[i]:
                value = 0.0
                for k in range(j, i):
                    value -= factor[i, k] * root[k, j]
                root[i, j] = value / factor[i, i]
    for i in range(count):
        for j in range(i + 1):
            value = 0.0
            for k in range(i, count):
                value += root[k, i] * root[k, j]
            both = scale[i] * scale[j]
            inverse[i, j] = value / both if both > 0.0 else 0.0
            inverse[j, i] = inverse[i, j]
