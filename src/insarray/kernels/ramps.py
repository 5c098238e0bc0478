"""Ramps: sums that determine a surface over the map, whatever the blocks; the surface from them; its values.

Every summand is rounded to two numbers on fixed binary grids, coarse enough for their sums to be exact in float64 (up to
2^27 samples of size below 2^14). So the sums do not depend on the order, and a result not on the blocks.
"""

import math

import numpy as np

from insarray.kernels.biweight import CUT, TO_DEVIATION
from insarray.kernels.compiled import jit

TERMS: dict[str, tuple[tuple[int, int], ...]] = {
    "constant": ((0, 0),),
    "linear": ((0, 0), (1, 0), (0, 1)),
    "quadratic": ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)),
    "linear_range": ((0, 0), (0, 1)),
    "linear_azimuth": ((0, 0), (1, 0)),
    "quadratic_range": ((0, 0), (0, 1), (0, 2)),
    "quadratic_azimuth": ((0, 0), (1, 0), (2, 0)),
}
"""Exponents of (row, column) in each term of a kind, the constant first."""

BINS, BINS_PER_SCALE = 512, 64
"""Histogram of the sizes of residuals, in multiples of the scale that was used; the last bin holds all larger ones."""

_COARSE, _FINE = 2.0**12, 2.0**38
_DEPENDENT = 1e-9  # smallest eigenvalue, of columns of unit length, below which terms cannot be told apart


def powers(positions: np.ndarray, terms: tuple[tuple[int, int], ...], axis: int) -> np.ndarray:
    """Powers of positions that the terms need along an axis, float64 (position, term)."""
    columns = {0: np.ones(len(positions)), 1: positions.astype(np.float64), 2: np.square(positions, dtype=np.float64)}
    return np.stack([columns[term[axis]] for term in terms], axis=1)


def sum_samples(
    samples: np.ndarray,
    use: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    terms: tuple[tuple[int, int], ...],
    coefficients: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums that determine the surface of each layer, and histogram of residuals.

    Parameters
    ----------
    samples
        float32 (layer, row, col), NaN = none.
    use
        bool (row, col).
    rows, cols
        Positions, in units in which they are of the order of 1.
    terms
        Of `TERMS`.
    coefficients
        (layer, term) of the surface from which residuals are counted.
    scale
        (layer,) of the residuals, of which Tukey's biweight makes weights; infinite: equal weights.

    Returns
    -------
    tuple of numpy.ndarray
        (layer, sum, 2), the two parts of: number, squares of the residuals, right-hand sides, upper triangle of the
        normal matrix. int64 (layer, bin): sizes of the residuals.
    """
    sums = np.zeros((len(samples), number_of_sums(len(terms)), 2))
    histogram = np.zeros((len(samples), BINS), np.int64)
    row_powers, col_powers = powers(rows, terms, 0), powers(cols, terms, 1)
    samples, use = np.ascontiguousarray(samples), np.ascontiguousarray(use)
    _add_samples(samples, use, row_powers, col_powers, coefficients, scale, sums, histogram)
    return sums, histogram


@jit
def _add_samples(samples, use, row_powers, col_powers, coefficients, scale, sums, histogram):
    layers, rows, cols = samples.shape
    terms = row_powers.shape[1]
    term = np.empty(terms)
    for n in range(layers):
        for i in range(rows):
            for j in range(cols):
                if not use[i, j] or not math.isfinite(samples[n, i, j]):
                    continue
                value = np.float64(samples[n, i, j])
                residual = value
                for k in range(terms):
                    term[k] = row_powers[i, k] * col_powers[j, k]
                    residual -= coefficients[n, k] * term[k]
                size = abs(residual) / scale[n] if scale[n] > 0.0 else 0.0
                histogram[n, min(int(min(size, 1e9) * BINS_PER_SCALE), BINS - 1)] += 1
                weight = (1.0 - (size / CUT) ** 2) ** 2 if size < CUT else 0.0
                _add(sums, n, 0, 1.0)
                _add(sums, n, 1, residual * residual)
                at = 2 + terms
                for k in range(terms):
                    weighted = weight * term[k]
                    _add(sums, n, 2 + k, weighted * value)
                    for m in range(k, terms):
                        _add(sums, n, at, weighted * term[m])
                        at += 1


@jit
def _add(sums, n, at, value):
    coarse = np.rint(value * _COARSE) / _COARSE
    sums[n, at, 0] += coarse
    sums[n, at, 1] += np.rint((value - coarse) * _FINE) / _FINE


def number_of_sums(terms: int) -> int:
    """Length of the second axis of `sums`."""
    return 2 + terms + terms * (terms + 1) // 2


def solve_surfaces(sums: np.ndarray, terms: int) -> np.ndarray:
    """Coefficients (layer, term) from the sums of `sum_samples`; NaN where samples do not determine them."""
    total = sums.sum(axis=2)
    found = np.full((len(total), terms), np.nan)
    upper = np.triu_indices(terms)
    for n, values in enumerate(total):
        matrix, right = np.empty((terms, terms)), values[2 : 2 + terms]
        matrix[upper] = values[2 + terms :]
        matrix.T[upper] = values[2 + terms :]
        length = np.sqrt(np.diag(matrix))
        if values[0] < terms or not (length > 0).all():
            continue
        eigenvalues, vectors = np.linalg.eigh(matrix / np.outer(length, length))
        if eigenvalues[0] > _DEPENDENT:
            found[n] = vectors @ (vectors.T @ (right / length) / eigenvalues) / length
    return found


def least_squares_rms(sums: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Root mean square (layer,) of what surfaces leave, from the sums by which they were solved with equal weights; 0 without samples."""
    total = sums.sum(axis=2)
    square = total[:, 1] - (total[:, 2 : 2 + coefficients.shape[1]] * coefficients).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0) / np.maximum(total[:, 0], 1.0)))


def residual_scale(histogram: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Robust standard deviation (layer,) of residuals by their median size, from a histogram that used `scale`."""
    below = np.cumsum(histogram, axis=1)
    half = below[:, -1:] / 2
    bins = np.minimum((below < half).sum(axis=1, keepdims=True), BINS - 1)
    count = np.take_along_axis(histogram, bins, axis=1)
    before = np.take_along_axis(below, bins, axis=1) - count
    median = (bins + (half - before) / np.maximum(count, 1)) / BINS_PER_SCALE
    return np.asarray(TO_DEVIATION * median[:, 0] * scale)


def moved(coefficients: np.ndarray, terms: tuple[tuple[int, int], ...], rows: float, cols: float) -> np.ndarray:
    """Coefficients (layer, term) of the same surfaces with the origin moved by `rows` and `cols`."""
    result = np.zeros_like(coefficients)
    for k, (a, b) in enumerate(terms):
        for m, (i, j) in enumerate(terms):
            if i <= a and j <= b:
                factor = math.comb(a, i) * rows ** (a - i) * math.comb(b, j) * cols ** (b - j)
                result[:, m] += factor * coefficients[:, k]
    return result


def surfaces(
    coefficients: np.ndarray, terms: tuple[tuple[int, int], ...], rows: np.ndarray, cols: np.ndarray
) -> np.ndarray:
    """Surfaces, float64 (layer, row, col), at rows and columns counted from their origin."""
    row_powers, col_powers = powers(rows, terms, 0), powers(cols, terms, 1)
    found = np.zeros((len(coefficients), len(rows), len(cols)))
    for k in range(len(terms)):
        found += coefficients[:, k, None, None] * (row_powers[:, None, k] * col_powers[None, :, k])
    return found
