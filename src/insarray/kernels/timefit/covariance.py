"""Covariance between the dates of a series, and what it means for time functions fitted to the series."""

from typing import Any

import numpy as np

from insarray.kernels.compiled import jit
from insarray.kernels.timefit.least_squares import Fit, fit_terms

Array = np.ndarray[Any, np.dtype[Any]]

_CHUNK = 64  # pixels whose whitened columns are held at a time


def series_covariance(pairs: Array, label: Array, variance: Array, weight: Array | None = None) -> Array:
    """Covariance of the dates of a least-squares series, float64, shape (date, date, pixel).

    Parameters
    ----------
    pairs
        Date indices (reference, secondary), shape (pair, 2).
    label
        `network_subset`, uint8, shape (date, pixel).
    variance
        Of each sample, independent between pairs, shape (pair, pixel); NaN or not positive where the pair was not used.
    weight
        With which the series was estimated, shape (pair, pixel); default: all equal.

    Returns
    -------
    numpy.ndarray
        0 in the row of each subset's first date, to which the others are relative, and between subsets; NaN at dates
        that no pair observes.

    Notes
    -----
    With the Laplacian L of the weights and that of weight^2 variance, M, it is L^-1 M L^-1; L^-1 if the weights are
    inverse variances. The rest of a series' noise (atmosphere, the reference point) is not in it.
    """
    dates, pixels = label.shape
    covariance = np.empty((dates, dates, pixels))
    none = np.empty((0, pixels))
    _series_covariance(pairs, label, variance, none if weight is None else weight, covariance)
    return covariance


@jit
def _series_covariance(pairs, label, variance, weight, covariance):
    dates, pixels = label.shape
    laplacian, spread = np.empty((dates, dates)), np.empty((dates, dates))
    inverse = np.empty((dates, dates))
    for p in range(pixels):
        laplacian[:] = 0.0
        spread[:] = 0.0
        for k in range(len(pairs)):
            i, j = pairs[k]
            s = variance[k, p]
            w = weight[k, p] if weight.shape[0] > 0 else 1.0
            if s > 0.0 and w > 0.0 and s < np.inf:
                _add_pair(laplacian, i, j, w)
                _add_pair(spread, i, j, w * w * s)
        for v in range(dates):
            if label[v, p] == 0 or not (label[:v, p] == label[v, p]).any():  # held fixed
                laplacian[v, :] = 0.0
                laplacian[:, v] = 0.0
                spread[v, :] = 0.0
                spread[:, v] = 0.0
                laplacian[v, v] = 1.0
        inverse[:] = np.linalg.inv(laplacian)
        product = inverse @ spread @ inverse
        for u in range(dates):
            for v in range(dates):
                unknown = label[u, p] == 0 or label[v, p] == 0
                covariance[u, v, p] = np.nan if unknown else product[u, v]


@jit
def _add_pair(matrix, i, j, w):
    matrix[i, i] += w
    matrix[j, j] += w
    matrix[i, j] -= w
    matrix[j, i] -= w


def propagate(
    fit: Fit,
    design: Array,
    covariance: Array,
    values: Array,
    *,
    label: Array | None = None,
    weight: Array | None = None,
    columns: Array | None = None,
) -> Fit:
    """`fit` whose covariances, of terms and offset, are those that follow from the covariance of the rows.

    Parameters
    ----------
    fit
        Of `fit_terms` with the other arguments.
    covariance
        Of the rows, shape (row, row, pixel), or (row, row, 1) if all pixels share it. It may be relative to any date:
        what is common to all rows of a subset does not count.

    Notes
    -----
    The estimator is linear, terms = P values, so its covariance is P C P' whatever the weights of the fit were.
    """
    rows, pixels = values.shape
    own = np.empty((0, rows, pixels)) if columns is None else columns
    terms, offset = np.empty_like(fit.covariance), fit.offset.copy()
    _propagate(
        np.ascontiguousarray(design, np.float64),
        own,
        values,
        np.ones((rows, pixels), np.uint8) if label is None else label,
        np.empty((0, pixels)) if weight is None else weight,
        covariance,
        fit.covariance,
        terms,
        offset,
    )
    return fit._replace(covariance=terms, offset=offset)


@jit
def _propagate(design, own, values, label, weight, covariance, inverse, terms, offset):
    rows, pixels = values.shape
    shared, columns = design.shape[1], inverse.shape[0]
    most = np.int64(label.max()) + 1 if label.size > 0 else 1
    mean, total = np.empty((most, columns)), np.empty(most)
    w, g = np.empty(rows), np.empty((rows, columns))
    estimator = np.empty((columns + 1, rows))  # of the terms and, last, the offset
    for p in range(pixels):
        mean[:] = 0.0
        total[:] = 0.0
        for v in range(rows):
            w[v] = 1.0 if weight.shape[0] == 0 else np.float64(weight[v, p])
            for i in range(columns):
                g[v, i] = design[v, i] if i < shared else np.float64(own[i - shared, v, p])
            if not (w[v] > 0.0 and w[v] < np.inf and np.isfinite(values[v, p]) and np.isfinite(g[v]).all()):
                w[v] = 0.0
            q = label[v, p]
            if q == 0:
                w[v] = 0.0
            if w[v] > 0.0:
                total[q] += w[v]
                mean[q] += w[v] * g[v]
        for q in range(most):
            if total[q] > 0.0:
                mean[q] /= total[q]
        first = mean[min(1, most - 1)]
        for v in range(rows):
            q = label[v, p]
            estimator[columns, v] = w[v] / total[q] if q == 1 and w[v] > 0.0 else 0.0
            for i in range(columns):
                estimator[i, v] = 0.0
                for j in range(columns):
                    known = inverse[i, j, p] if np.isfinite(inverse[i, j, p]) else 0.0
                    if w[v] > 0.0:
                        estimator[i, v] += known * w[v] * (g[v, j] - mean[q, j])
                estimator[columns, v] -= estimator[i, v] * first[i]
        c = p if covariance.shape[2] > 1 else 0
        for i in range(columns):
            for j in range(i + 1):
                value = _quadratic(estimator[i], estimator[j], w, covariance[:, :, c])
                terms[i, j, p] = value if np.isfinite(inverse[i, j, p]) else np.nan
                terms[j, i, p] = terms[i, j, p]
        if np.isfinite(offset[1, p]):
            offset[1, p] = _quadratic(estimator[columns], estimator[columns], w, covariance[:, :, c])


@jit
def _quadratic(left, right, w, covariance):
    value = 0.0
    for u in range(len(left)):
        if w[u] > 0.0:
            for v in range(len(right)):
                if w[v] > 0.0:
                    value += left[u] * covariance[u, v] * right[v]
    return value


def fit_terms_generalised(
    values: Array,
    design: Array,
    covariance: Array,
    *,
    label: Array | None = None,
    columns: Array | None = None,
    residuals: bool = False,
) -> Fit:
    """Generalised least squares: as `fit_terms`, with the full covariance of the rows instead of weights.

    Parameters
    ----------
    covariance
        As that of `propagate`. Rows of a subset must be independent but for a common part; otherwise the pixel is NaN.

    Notes
    -----
    The rows are whitened by the Cholesky factor of their covariance plus a constant within each subset, which the
    offsets take up; so a reference date of variance 0 is a date like the others. With the covariance of the pairs this
    is the fit straight from the pairs.
    """
    rows, pixels = values.shape
    labels = np.ones((rows, pixels), np.uint8) if label is None else label
    own = np.empty((0, rows, pixels)) if columns is None else columns
    subsets = int(labels.max(initial=1))
    design = np.ascontiguousarray(design, np.float64)
    parts = []
    for first in range(0, max(pixels, 1), _CHUNK):
        at = slice(first, min(first + _CHUNK, pixels))
        count = at.stop - at.start
        white = np.zeros((subsets + design.shape[1] + len(own), rows, count))
        value, level = np.full((rows, count), np.nan), np.zeros(count)
        shared = covariance if covariance.shape[2] == 1 else covariance[..., at]
        _whiten(design, own[..., at], values[:, at], labels[:, at], shared, white, value, level)
        part = fit_terms(value, np.empty((rows, 0)), offsets=False, columns=white)
        if residuals:
            residual = _residuals(part.terms, design, own[..., at], values[:, at], labels[:, at], subsets)
            part = part._replace(residual=np.where(np.isfinite(value), residual, np.nan).astype(np.float32))
        parts.append(_without_offsets(part, subsets, level))
    return Fit(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))


def _residuals(terms: Array, design: Array, own: Array, values: Array, label: Array, subsets: int) -> Array:
    """Values less the terms, of which the first are the offsets of the subsets."""
    offset = np.take_along_axis(terms[:subsets], np.maximum(label.astype(np.int64), 1) - 1, axis=0)
    motion = design @ terms[subsets : subsets + design.shape[1]]
    return np.asarray(values - offset - motion - np.einsum("ivp,ip->vp", own, terms[subsets + design.shape[1] :]))


def _without_offsets(fit: Fit, subsets: int, level: Array) -> Fit:
    """Fit whose first terms are the offsets of the subsets, which have a common variance, with these taken out."""
    complete = np.isfinite(fit.terms[subsets:]).all(axis=0)
    offset = np.where(complete, np.stack([fit.terms[0], fit.covariance[0, 0] - level]), np.nan)
    return fit._replace(terms=fit.terms[subsets:], covariance=fit.covariance[subsets:, subsets:], offset=offset)


@jit
def _whiten(design, own, values, label, covariance, white, value, level):
    """Used rows of values and columns, first the offsets, in units and directions in which their noise is white."""
    rows, pixels = values.shape
    shared, columns = design.shape[1], white.shape[0]
    subsets = columns - shared - own.shape[0]
    factor, used = np.empty((rows, rows)), np.empty(rows, np.int64)
    for p in range(pixels):
        c = p if covariance.shape[2] > 1 else 0
        count = 0
        for v in range(rows):
            if label[v, p] > 0 and np.isfinite(values[v, p]) and np.isfinite(own[:, v, p]).all():
                used[count] = v
                count += 1
                level[p] += covariance[v, v, c]
        level[p] /= max(count, 1)
        for i in range(count):
            for j in range(i + 1):
                u, v = used[i], used[j]
                factor[i, j] = covariance[u, v, c] + (level[p] if label[u, p] == label[v, p] else 0.0)
        if not _cholesky(factor, count):
            continue
        for i in range(count):
            v = used[i]
            value[v, p] = values[v, p]
            for q in range(subsets):
                white[q, v, p] = 1.0 if label[v, p] == q + 1 else 0.0
            for k in range(subsets, columns):
                at = k - subsets
                white[k, v, p] = design[v, at] if at < shared else own[at - shared, v, p]
        _substitute(factor, used[:count], value[:, p])
        for k in range(columns):
            _substitute(factor, used[:count], white[k, :, p])


@jit
def _cholesky(matrix, count):
    """Factor in place, lower half; whether the matrix is positive definite."""
    for j in range(count):
        size = matrix[j, j]
        for k in range(j):
            matrix[j, j] -= matrix[j, k] ** 2
        if not matrix[j, j] > 1e-12 * size:
            return False
        matrix[j, j] = np.sqrt(matrix[j, j])
        for i in range(j + 1, count):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    return True


@jit
def _substitute(factor, used, column):
    """Solve with the factor, in place, for the used rows of a column."""
    for i in range(len(used)):
        for k in range(i):
            column[used[i]] -= factor[i, k] * column[used[k]]
        column[used[i]] /= factor[i, i]
