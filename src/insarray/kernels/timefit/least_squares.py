"""Least squares of time functions for a block of pixels, from dates or from pairs: NaN-safe, weighted."""

from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.compiled import jit
from insarray.kernels.network.scratch import VECTOR
from insarray.kernels.timefit.normal_equations import load, make_group, solve_group

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
        solve_group(design, offsets, multiplicity, group)
        lanes = min(VECTOR, stop - first)
        _store(group, middle, offsets, first, lanes, fit)


@jit  # strictly IEEE: the last group may end within a vector
def _store(group, middle, offsets, first, lanes, fit):
    """Copy the lanes of a group to the pixels from `first` on; NaN where a term is not determined."""
    columns, at = group.right.shape[0], slice(first, first + lanes)
    unknown, mean, complete = np.zeros((columns, lanes)), np.zeros((columns, lanes)), np.zeros(lanes)
    number = group.sums[0, 0]
    for i in range(columns):
        for p in range(lanes):
            unknown[i, p] = np.nan if group.undetermined[i, p] else 0.0
            complete[p] += unknown[i, p]
            mean[i, p] = middle[i] + (group.sums[0, 1 + i, p] / number[p] if number[p] > 0.0 else 0.0)
    fit.used[at] = group.used[:lanes]
    fit.freedom[at] = group.used[:lanes] - group.kept[:lanes]
    if offsets:
        fit.freedom[at] -= group.subsets[:lanes]
    fit.square[at] = np.where(group.used[:lanes] > 0, group.square[:lanes], np.nan)
    without = complete + np.where(number[:lanes] > 0.0, 0.0, np.nan) if offsets else np.full(lanes, np.nan)
    fit.offset[0, at] = group.offset[0, :lanes] + without
    fit.offset[1, at] = 1.0 / number[:lanes] + without
    for i in range(columns):
        fit.terms[i, at] = group.terms[i, :lanes] + unknown[i]  # and no -0.0
        fit.offset[0, at] -= group.terms[i, :lanes] * middle[i]
        for j in range(columns):
            fit.covariance[i, j, at] = group.inverse[i, j, :lanes] + (unknown[i] + unknown[j])
            fit.offset[1, at] += mean[i] * group.inverse[i, j, :lanes] * mean[j]
    for v in range(fit.residual.shape[0]):
        target, residual, weight = fit.residual[v, at], group.residual[v], group.weight[v]
        for p in range(lanes):
            target[p] = residual[p] + complete[p] if weight[p] > 0.0 else np.nan
