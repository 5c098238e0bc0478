"""Joint adjustment of the surfaces of several tracks by the differences in their overlaps and at stations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from insarray.kernels.biweight import TO_DEVIATION, biweight

_MOST_ROUNDS = 20
_DEPENDENT = 1e-9  # smallest eigenvalue, of columns of unit length, below which terms are not determined
_SPARE = 3  # redundant values, with fewer of which outliers cannot be recognised


class Overlap(NamedTuple):
    """Normal equations of the difference of two tracks, of one layer.

    Parameters
    ----------
    first, second
        Indices of the tracks; the difference is first minus second.
    normal
        (term, term), divided by the variance of the difference.
    right
        (term,), likewise.
    """

    first: int
    second: int
    normal: np.ndarray
    right: np.ndarray


class Stations(NamedTuple):
    """Differences of a track to stations, of one layer.

    Parameters
    ----------
    track
        Index of the track.
    values
        (station,): track minus station; finite.
    std
        (station,): standard deviation of the values; positive.
    design
        (station, term).
    """

    track: int
    values: np.ndarray
    std: np.ndarray
    design: np.ndarray


class Adjusted(NamedTuple):
    """Surfaces to subtract from the tracks.

    Parameters
    ----------
    coefficients
        (track, term); NaN for tracks that nothing determines.
    covariance
        (track * term, track * term), track by track; 0 for a fixed track, NaN for undetermined ones.
    """

    coefficients: np.ndarray
    covariance: np.ndarray


def least_norm(sums: np.ndarray, terms: int) -> np.ndarray:
    """Surfaces (layer, term) from the sums of `insarray.kernels.ramps.sum_samples`.

    Combinations of terms that the samples do not determine are 0, also all of a layer without samples.
    """
    found = np.zeros((len(sums), terms))
    for n in range(len(sums)):
        matrix, right = normal_equations(sums[n], terms)
        length = np.sqrt(np.diag(matrix))
        length[~(length > 0)] = 1.0
        found[n] = np.linalg.pinv(matrix / np.outer(length, length), rcond=_DEPENDENT, hermitian=True) @ (
            right / length
        )
        found[n] /= length
    return found


def normal_equations(sums: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal matrix (term, term) and right-hand side (term,) in the sums (sum, 2) of one layer."""
    total = sums.sum(axis=1)
    matrix = np.zeros((terms, terms))
    upper = np.triu_indices(terms)
    matrix[upper] = matrix.T[upper] = total[2 + terms :]
    return matrix, total[2 : 2 + terms]


def difference_rms(sums: np.ndarray, coefficients: np.ndarray) -> float:
    """Root mean square of samples minus a surface, from sums (sum, 2) with equal weights about no surface; NaN without samples."""
    matrix, right = normal_equations(sums, len(coefficients))
    number, squares = sums.sum(axis=1)[:2]
    if number == 0:
        return float("nan")
    left = squares - 2 * coefficients @ right + coefficients @ matrix @ coefficients
    return float(np.sqrt(max(left, 0.0) / number))


def adjust(
    overlaps: Sequence[Overlap],
    stations: Sequence[Stations],
    tracks: int,
    terms: int,
    fixed: int | None,
    *,
    robust: bool,
) -> Adjusted:
    """Surfaces of all tracks by least squares, stations reweighted by Tukey's biweight if asked.

    Parameters
    ----------
    overlaps, stations
        Observations.
    tracks, terms
        Numbers of tracks, and of the terms of a surface.
    fixed
        Track whose surface is 0; None if stations determine the level.
    robust
        Reduce the influence of outliers among the stations.
    """
    tied = _connected(overlaps, stations, tracks, fixed)
    free = [k for k in range(tracks) if k in tied and k != fixed]
    coefficients = np.full((tracks, terms), np.nan)
    covariance = np.full((tracks * terms, tracks * terms), np.nan)
    if fixed is not None:
        coefficients[fixed] = 0.0
        of_fixed = slice(fixed * terms, (fixed + 1) * terms)
        covariance[of_fixed] = covariance[:, of_fixed] = 0.0
    index = (np.array(free, np.intp)[:, None] * terms + np.arange(terms)).ravel()
    if not len(index):
        return Adjusted(coefficients, covariance)
    if not _is_determined(overlaps, stations, index, tracks, terms):
        return Adjusted(coefficients, covariance)
    weights = [1.0 / one.std**2 for one in stations]
    inverse, solution = _solved(*_summed(overlaps, stations, weights, tracks, terms), index)
    enough = sum(len(one.values) for one in stations) >= terms + _SPARE
    for _ in range(_MOST_ROUNDS if robust and enough else 0):
        if solution is None:
            break
        before = solution
        weights = _reweighted(stations, _placed(before, index, tracks, terms))
        inverse, solution = _solved(*_summed(overlaps, stations, weights, tracks, terms), index)
        if solution is not None and np.abs(solution - before).max() <= 1e-9 * np.abs(solution).max():
            break
    if solution is None or inverse is None:
        return Adjusted(coefficients, covariance)
    coefficients[free] = solution.reshape(len(free), terms)
    covariance[np.ix_(index, index)] = inverse
    return Adjusted(coefficients, covariance)


def _connected(overlaps: Sequence[Overlap], stations: Sequence[Stations], tracks: int, fixed: int | None) -> set[int]:
    """Tracks that overlaps connect, directly or over others, with the fixed track or with stations."""
    tied = {one.track for one in stations if len(one.values)} | ({fixed} if fixed is not None else set())
    pairs = [(one.first, one.second) for one in overlaps if one.normal[0, 0] > 0]
    for _ in range(tracks):
        tied |= {b for pair in pairs for a, b in (pair, pair[::-1]) if a in tied}
    return tied


def _summed(
    overlaps: Sequence[Overlap],
    stations: Sequence[Stations],
    weights: Sequence[np.ndarray],
    tracks: int,
    terms: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Normal matrix and right-hand side of all tracks."""
    matrix, right = np.zeros((tracks, terms, tracks, terms)), np.zeros((tracks, terms))
    for first, second, normal, of in overlaps:
        matrix[first, :, first] += normal
        matrix[second, :, second] += normal
        matrix[first, :, second] -= normal
        matrix[second, :, first] -= normal
        right[first] += of
        right[second] -= of
    for one, weight in zip(stations, weights, strict=True):
        matrix[one.track, :, one.track] += (one.design * weight[:, None]).T @ one.design
        right[one.track] += one.design.T @ (weight * one.values)
    return matrix.reshape(tracks * terms, -1), right.ravel()


def _is_determined(
    overlaps: Sequence[Overlap], stations: Sequence[Stations], index: np.ndarray, tracks: int, terms: int
) -> bool:
    """Whether the observations determine some of the unknowns, whatever their weights."""
    equal = [
        Overlap(one.first, one.second, one.normal / one.normal[0, 0], one.right)
        for one in overlaps
        if one.normal[0, 0] > 0
    ]
    matrix, _ = _summed(equal, stations, [np.ones(len(one.values)) for one in stations], tracks, terms)
    return _inverse(matrix[np.ix_(index, index)], _DEPENDENT) is not None


def _solved(matrix: np.ndarray, right: np.ndarray, index: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Inverse and solution for some of the unknowns, None if there are none."""
    inverse = _inverse(matrix[np.ix_(index, index)], 0.0)
    return inverse, None if inverse is None else inverse @ right[index]


def _inverse(matrix: np.ndarray, least: float) -> np.ndarray | None:
    """Inverse of a symmetric matrix, None if an eigenvalue for columns of unit length is not above `least`."""
    length = np.sqrt(np.diag(matrix))
    if not (length > 0).all():
        return None
    eigenvalues, vectors = np.linalg.eigh(matrix / np.outer(length, length))
    if eigenvalues[0] <= least:
        return None
    inverse: np.ndarray = (vectors / eigenvalues) @ vectors.T / np.outer(length, length)
    return inverse


def _placed(solution: np.ndarray, index: np.ndarray, tracks: int, terms: int) -> np.ndarray:
    placed = np.zeros(tracks * terms)
    placed[index] = solution
    return placed.reshape(tracks, terms)


def _reweighted(stations: Sequence[Stations], coefficients: np.ndarray) -> list[np.ndarray]:
    """Weights of the stations by their residuals, in units of their robust scale."""
    left = [(one.values - one.design @ coefficients[one.track]) / one.std for one in stations]
    scale = max(TO_DEVIATION * float(np.median(np.abs(np.concatenate(left)))), 1e-12)
    weights = []
    for one, residual in zip(stations, left, strict=True):
        weights.append(biweight(residual, scale) / (scale * one.std) ** 2)
    return weights
