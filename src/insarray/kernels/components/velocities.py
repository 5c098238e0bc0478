"""East, north and up of every pixel by weighted least squares from the lines of sight of a few tracks."""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit

FLAG_NO_DATA, FLAG_DETERMINED, FLAG_NO_REDUNDANCY, FLAG_TOO_FEW, FLAG_WEAK, FLAG_NO_NORTH = range(6)
"""Positions in `insarray.model.conventions.COMPONENT_FLAGS`."""

GOOD, DOWNWARD, NOT_UNIT = range(3)
"""What `wrong_vectors` finds."""

_ZERO = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_UNIT = 0.02  # of the length of a vector: more is no rounding of files nor of interpolation between pixels


class Components(NamedTuple):
    """What is found at each pixel.

    Parameters
    ----------
    estimate, std
        float32 (3, pixel): east, north, up; NaN where not determined.
    covariance
        float32 (3, pixel): of east and up, east and north, north and up.
    chi_square
        float32 (pixel,): weighted squared residuals by degrees of freedom, NaN without any.
    freedom
        uint16 (pixel,).
    observed
        uint32 (pixel,): bit k is set where track k has data.
    flag
        uint8 (pixel,).
    along
        float32 (5, pixel): where there are data but no components, the motion that is observed: along the mean line of sight,
        which is weighed as the data are; its standard deviation; east, north, up of this direction.
    """

    estimate: np.ndarray
    std: np.ndarray
    covariance: np.ndarray
    chi_square: np.ndarray
    freedom: np.ndarray
    observed: np.ndarray
    flag: np.ndarray
    along: np.ndarray


def solve_components(
    values: np.ndarray,
    sigma: np.ndarray,
    vectors: np.ndarray,
    north: np.ndarray | None,
    *,
    free: bool,
    weighted: bool,
    max_dilution: float,
) -> Components:
    """Components of motion from values along lines of sight.

    Parameters
    ----------
    values
        float32 (track, pixel), NaN = none.
    sigma
        Their standard deviations; not positive = none. Without `weighted` they may be NaN: so are the results' then.
    vectors
        (track, 3, pixel): east, north, up of the unit vector from the ground to the satellite.
    north
        (2, pixel): motion to the north, which is taken out of the values, and its standard deviation; None: zero.
    free
        Estimate north, too, instead.
    weighted
        Weigh by 1 / sigma^2; else all alike.
    max_dilution
        Largest standard deviation of a component with which it counts as determined, were those of the tracks 1.
    """
    pixels = values.shape[1]
    known = np.zeros((2, 1), np.float32) if north is None else north
    found = Components(
        np.full((3, pixels), np.nan, np.float32),
        np.full((3, pixels), np.nan, np.float32),
        np.full((3, pixels), np.nan, np.float32),
        np.full(pixels, np.nan, np.float32),
        np.zeros(pixels, np.uint16),
        np.zeros(pixels, np.uint32),
        np.zeros(pixels, np.uint8),
        np.full((5, pixels), np.nan, np.float32),
    )
    arrays = (np.ascontiguousarray(values), np.ascontiguousarray(sigma), np.ascontiguousarray(vectors), known)
    _solve(*arrays, free, weighted, max_dilution**2, *found)
    return found


@jit
def _solve(
    values, sigma, vectors, north, free, weighted, most, estimate, std, covariance, chi_square, freedom, observed, flag,
    along,
):  # fmt: skip
    tracks, pixels = values.shape
    given, unknowns = north.shape[1] > 1, 3 if free else 2
    for p in range(pixels):
        north_value = np.float64(north[0, p if given else 0])
        north_variance = np.float64(north[1, p if given else 0]) ** 2
        count, bits = 0, np.uint32(0)
        plain = normal = spread = _ZERO
        right_e = right_n = right_u = 0.0
        for k in range(tracks):
            if not _has_data(values, sigma, vectors, k, p, weighted):
                continue
            count += 1
            bits |= np.uint32(1) << np.uint32(k)
            e, n, u = np.float64(vectors[k, 0, p]), np.float64(vectors[k, 1, p]), np.float64(vectors[k, 2, p])
            value = np.float64(values[k, p]) - (0.0 if free else n * north_value)
            variance = np.float64(sigma[k, p]) ** 2
            weight = 1.0 / variance if weighted else 1.0
            right_e += weight * e * value
            right_n += weight * n * value
            right_u += weight * u * value
            plain = _with(plain, e, n, u, 1.0)
            normal = _with(normal, e, n, u, weight)
            if not weighted:
                spread = _with(spread, e, n, u, variance)
        observed[p] = bits
        if count == 0:
            flag[p] = FLAG_NO_DATA
            continue
        if not (math.isfinite(north_value) and math.isfinite(north_variance)):
            flag[p] = FLAG_NO_NORTH
            _project(values, sigma, vectors, p, weighted, along)
            continue
        if count < unknowns:
            flag[p] = FLAG_TOO_FEW
            _project(values, sigma, vectors, p, weighted, along)
            continue
        dilution, inverse = _inverse(plain, free), _inverse(normal, free)
        if not (_determined(dilution, free, most) and _determined(inverse, free, np.inf)):
            flag[p] = FLAG_WEAK
            _project(values, sigma, vectors, p, weighted, along)
            continue
        cov = inverse if weighted else _sandwich(inverse, spread)
        if not free:  # what east and up lose for 1 of north
            moved_e = inverse[0] * normal[1] + inverse[2] * normal[4]
            moved_u = inverse[2] * normal[1] + inverse[5] * normal[4]
            cov = (
                cov[0] + north_variance * moved_e * moved_e,
                -north_variance * moved_e,
                cov[2] + north_variance * moved_e * moved_u,
                north_variance,
                -north_variance * moved_u,
                cov[5] + north_variance * moved_u * moved_u,
            )
        estimate[0, p] = inverse[0] * right_e + inverse[1] * right_n + inverse[2] * right_u
        estimate[1, p] = inverse[1] * right_e + inverse[3] * right_n + inverse[4] * right_u if free else north_value
        estimate[2, p] = inverse[2] * right_e + inverse[4] * right_n + inverse[5] * right_u
        std[0, p], std[1, p], std[2, p] = math.sqrt(cov[0]), math.sqrt(cov[3]), math.sqrt(cov[5])
        covariance[0, p], covariance[1, p], covariance[2, p] = cov[2], cov[1], cov[4]
        freedom[p] = count - unknowns
        flag[p] = FLAG_DETERMINED if count > unknowns else FLAG_NO_REDUNDANCY
        if weighted and count > unknowns:
            chi_square[p] = _misfit(values, sigma, vectors, p, estimate) / (count - unknowns)


@jit
def _project(values, sigma, vectors, p, weighted, along):
    """Motion along the sum of the lines of sight: that of the values is exactly the motion times its length."""
    value = variance = east = north = up = 0.0
    for k in range(len(values)):
        if not _has_data(values, sigma, vectors, k, p, weighted):
            continue
        spread = np.float64(sigma[k, p]) ** 2
        weight = 1.0 / spread if weighted else 1.0
        value += weight * np.float64(values[k, p])
        variance += weight * weight * spread
        east += weight * np.float64(vectors[k, 0, p])
        north += weight * np.float64(vectors[k, 1, p])
        up += weight * np.float64(vectors[k, 2, p])
    length = math.sqrt(east * east + north * north + up * up)
    along[0, p], along[1, p] = value / length, math.sqrt(variance) / length
    along[2, p], along[3, p], along[4, p] = east / length, north / length, up / length


@jit
def _has_data(values, sigma, vectors, k, p, weighted):
    if not math.isfinite(values[k, p]) or not math.isfinite(vectors[k, 0, p] + vectors[k, 1, p] + vectors[k, 2, p]):
        return False
    return not weighted or (sigma[k, p] > 0.0 and math.isfinite(sigma[k, p]))


# Symmetric matrices of the components are (ee, en, eu, nn, nu, uu).


@jit
def _with(matrix, e, n, u, weight):
    ee, en, eu, nn, nu, uu = matrix
    return (
        ee + weight * e * e,
        en + weight * e * n,
        eu + weight * e * u,
        nn + weight * n * n,
        nu + weight * n * u,
        uu + weight * u * u,
    )


@jit
def _inverse(matrix, free):
    """Inverse, of the rows and columns of east and up alone unless north is free; not finite or negative if there is none."""
    ee, en, eu, nn, nu, uu = matrix
    if not free:
        determinant = ee * uu - eu * eu
        return (uu / determinant, 0.0, -eu / determinant, 0.0, 0.0, ee / determinant)
    a, b, c = nn * uu - nu * nu, eu * nu - en * uu, en * nu - eu * nn
    determinant = ee * a + en * b + eu * c
    return (
        a / determinant,
        b / determinant,
        c / determinant,
        (ee * uu - eu * eu) / determinant,
        (en * eu - ee * nu) / determinant,
        (ee * nn - en * en) / determinant,
    )


@jit
def _determined(inverse, free, most):
    if not (0.0 < inverse[0] <= most and 0.0 < inverse[5] <= most and math.isfinite(inverse[0] + inverse[5])):
        return False
    return not free or (0.0 < inverse[3] <= most and math.isfinite(inverse[3]))


@jit
def _sandwich(inverse, middle):
    """The product inverse middle inverse."""
    (a, b, c, d, e, f), (ee, en, eu, nn, nu, uu) = inverse, middle
    t = (
        (a * ee + b * en + c * eu, a * en + b * nn + c * nu, a * eu + b * nu + c * uu),
        (b * ee + d * en + e * eu, b * en + d * nn + e * nu, b * eu + d * nu + e * uu),
        (c * ee + e * en + f * eu, c * en + e * nn + f * nu, c * eu + e * nu + f * uu),
    )
    return (
        t[0][0] * a + t[0][1] * b + t[0][2] * c,
        t[0][0] * b + t[0][1] * d + t[0][2] * e,
        t[0][0] * c + t[0][1] * e + t[0][2] * f,
        t[1][0] * b + t[1][1] * d + t[1][2] * e,
        t[1][0] * c + t[1][1] * e + t[1][2] * f,
        t[2][0] * c + t[2][1] * e + t[2][2] * f,
    )


@jit
def _misfit(values, sigma, vectors, p, estimate):
    total = 0.0
    for k in range(len(values)):
        if not _has_data(values, sigma, vectors, k, p, weighted=True):
            continue
        residual = np.float64(values[k, p])
        for a in range(3):
            residual -= np.float64(vectors[k, a, p]) * np.float64(estimate[a, p])
        total += residual * residual / np.float64(sigma[k, p]) ** 2
    return total


def wrong_vectors(vectors: np.ndarray) -> int:
    """What is wrong with vectors (3, pixel): `GOOD`, `DOWNWARD` if one points down, `NOT_UNIT` if one has another length."""
    return int(_wrong_vectors(vectors))


@jit
def _wrong_vectors(vectors):
    found = GOOD
    for p in range(vectors.shape[1]):
        east, north, up = vectors[0, p], vectors[1, p], vectors[2, p]
        square = east * east + north * north + up * up
        if not math.isfinite(square):
            continue
        if abs(square - 1.0) > 2.0 * _UNIT:
            return NOT_UNIT
        if up < 0.0:
            found = DOWNWARD
    return found
