"""Least squares of time functions for a block of pixels, from dates or from pairs: NaN-safe, weighted (DESIGN 4.3)."""

from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.compiled import jit
from insarray.kernels.normal import load, make_group, solve_group
from insarray.kernels.scratch import VECTOR

Array = np.ndarray[Any, np.dtype[Any]]


class Fit(NamedTuple):
    """Result of `fit_terms`, float64.

    Parameters
    ----------
    terms
        Factor of each column, (term, pixel); NaN where the pixel's rows do not determine it.
    covariance
        Of the factors for weights that are inverse variances, (term, term, pixel).
    offset
        Of the rows labelled 1, and its variance as in `covariance`, (2, pixel); NaN without such rows, without offsets,
        or if a term is not determined.
    square
        Weighted sum of squared residuals, (pixel,); NaN if no row is used.
    freedom
        Rows minus offsets minus determined terms, int64, (pixel,).
    used
        Rows used, int64, (pixel,).
    residual
        Value minus terms and offset, float32, (row, pixel), NaN where not used or a term is not determined;
        (0, pixel) unless asked for.
    """

    terms: Array
    covariance: Array
    offset: Array
    square: Array
    freedom: Array
    used: Array
    residual: Array

    @property
    def variance(self) -> Array:
        """Variance of a row of weight 1 by the residuals, (pixel,); NaN without degrees of freedom."""
        return np.where(self.freedom > 0, self.square / np.maximum(self.freedom, 1), np.nan)

    @property
    def std(self) -> Array:
        """Standard error of each factor by `variance`, (term, pixel)."""
        std: Array = np.sqrt(np.einsum("iip->ip", self.covariance) * self.variance)
        return std


def fit_terms(
    values: Array,
    design: Array,
    *,
    label: Array | None = None,
    offsets: bool = True,
    weight: Array | None = None,
    multiplicity: Array | None = None,
    columns: Array | None = None,
    residuals: bool = False,
) -> Fit:
    """Factors of the columns of `design` in every pixel, by weighted least squares.

    Parameters
    ----------
    values
        Shape (row, pixel), rows being dates or pairs; NaN where missing.
    design
        Shape (row, term), finite.
    label
        `network_subset`, uint8, shape (row, pixel): rows of one subset share an offset, so that a gap does not bend the
        terms; 0 means that the row is not used. Default: all rows belong together.
    offsets
        False for pairs, which are differences and have none.
    weight
        Inverse variance of each sample, shape (row, pixel); not positive or NaN: not used.
    multiplicity
        How often each row counts, shape (row,); for the bootstrap.
    columns
        More columns, of the pixels' own, shape (column, row, pixel), as the last terms; NaN: row not used.
    residuals
        Give them too.

    Notes
    -----
    The offsets are eliminated from the normal equations; the rest is a Cholesky factorisation of scaled columns. A column
    that the others make up to 1e-5 of its own size is left out, and it and they are NaN. The zero at the reference date
    is a date like the others: the offset takes up its noise.
    """
    rows, pixels = values.shape
    design = np.ascontiguousarray(design, np.float64)
    middle = design.mean(axis=0) if offsets and rows else np.zeros(design.shape[1])
    own = np.empty((0, rows, pixels)) if columns is None else columns
    count = design.shape[1] + len(own)
    fit = Fit(
        np.empty((count, pixels)),
        np.empty((count, count, pixels)),
        np.empty((2, pixels)),
        np.empty(pixels),
        np.empty(pixels, np.int64),
        np.empty(pixels, np.int64),
        np.empty((rows if residuals else 0, pixels), np.float32),
    )
    subsets = int(label.max(initial=1)) if label is not None else 1
    group = make_group(rows, count, len(own), subsets, labelled=label is not None)
    counts = np.ones(rows) if multiplicity is None else np.ascontiguousarray(multiplicity, np.float64)
    shift = np.append(middle, np.zeros(len(own)))
    none = np.empty((0, pixels), np.uint8)
    labels, weights = none if label is None else label, none if weight is None else weight
    given = [np.ascontiguousarray(array) for array in (values, labels, weights, own)]
    whole = pixels - pixels % VECTOR
    _fit(given[0], given[1], given[2], given[3], counts, design - middle, shift, offsets, group, 0, whole, fit)
    if whole < pixels:  # groups are read whole
        rest = [_padded(array[..., whole:]) for array in given]
        _fit(rest[0], rest[1], rest[2], rest[3], counts, design - middle, shift, offsets, group, whole, pixels, fit)
    return fit


def _padded(array: Array) -> Array:
    """Pixels of the last group, and zeros to fill it."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, VECTOR - array.shape[-1])])


@jit
def _fit(values, label, weight, columns, multiplicity, design, middle, offsets, group, start, stop, fit):
    for first in range(start, stop, VECTOR):
        load(values, label, weight, columns, multiplicity, first - start, group)
        solve_group(design, offsets, group)
        lanes = min(VECTOR, stop - first)
        for p in range(lanes):
            _store(group, p, middle, offsets, first + p, fit)
        _store_residuals(group, first, lanes, fit)


@jit
def _store(group, p, middle, offsets, at, fit):
    columns = group.right.shape[0]
    fit.used[at] = group.used[p]
    fit.freedom[at] = group.used[p] - group.kept[p] - (group.subsets[p] if offsets else 0)
    fit.square[at] = group.square[p] if group.used[p] > 0 else np.nan
    complete = True
    for i in range(columns):
        complete &= not group.undetermined[i, p]
        fit.terms[i, at] = np.nan if group.undetermined[i, p] else group.terms[i, p] + 0.0
        for j in range(columns):
            unknown = group.undetermined[i, p] or group.undetermined[j, p]
            fit.covariance[i, j, at] = np.nan if unknown else group.inverse[i, j, p]
    number = group.sums[0, 0, p]
    if not (offsets and complete and number > 0.0):
        fit.offset[0, at] = np.nan
        fit.offset[1, at] = np.nan
        return
    value, variance = group.offset[0, p], 1.0 / number
    for i in range(columns):
        value -= group.terms[i, p] * middle[i]
        for j in range(columns):
            variance += (
                (group.sums[0, 1 + i, p] / number + middle[i])
                * group.inverse[i, j, p]
                * (group.sums[0, 1 + j, p] / number + middle[j])
            )
    fit.offset[0, at] = value
    fit.offset[1, at] = variance


@jit
def _store_residuals(group, first, lanes, fit):
    for v in range(fit.residual.shape[0]):
        for p in range(lanes):
            known = group.weight[v, p] > 0.0
            for i in range(group.undetermined.shape[0]):
                known &= not group.undetermined[i, p]
            fit.residual[v, first + p] = group.residual[v, p] if known else np.nan
