"""Series of components where there are as many tracks as components, each track by itself.

The lines of sight of a pixel turn components into motions along them, and back, so that each of these is estimated from
the dates of its own track. The equations depend on which dates a pixel has, not on its lines of sight: tiles whose pixels
have the same dates as those of the tile before take them over.
"""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit
from insarray.kernels.components.levels import TILE, factorise, solve

_EAST, _NORTH, _UP = 0, 1, 2


class Equations(NamedTuple):
    """Of the dates that the pixels of a tile have.

    Parameters
    ----------
    mask
        int64 (pixel,): a number of these dates, 0 for none.
    weight
        (date, pixel): 0 where there is none.
    inverse, ratio
        (track, knot, pixel): see `insarray.kernels.components.levels`.
    variance
        The same of the motion, infinite where the dates do not see it.
    spread
        float32, the same for the results.
    used, rank
        (pixel,): number of dates, and of unknowns that they see.
    level
        (pixel,): root mean square of their standard deviations.
    """

    mask: np.ndarray
    weight: np.ndarray
    inverse: np.ndarray
    ratio: np.ndarray
    variance: np.ndarray
    spread: np.ndarray
    used: np.ndarray
    rank: np.ndarray
    level: np.ndarray


class Tile(NamedTuple):
    """Of the pixels that are solved together.

    Parameters
    ----------
    mask
        int64 (pixel,): a number of the dates that each has, 0 for none.
    unknown
        float32 (track, pixel): NaN where the line of sight or the north is not known, else 0.
    north
        (2, pixel): north per year, and its standard deviation.
    back
        (3, track, pixel): components by motions along the tracks.
    product
        float32 (3, 3, track, pixel): of the rows of two components of it.
    carried
        (3, pixel): what east and up lose for 1 of north.
    motion
        (track, knot, pixel): along the tracks.
    left, factor, limit
        (pixel,): weighted squares that the motion leaves; float32 factor and limit of variances.
    total
        (pixel,): scratch.
    spread, lost
        float32 (4, pixel), (pixel,): scratch.
    """

    mask: np.ndarray
    unknown: np.ndarray
    north: np.ndarray
    back: np.ndarray
    product: np.ndarray
    carried: np.ndarray
    motion: np.ndarray
    left: np.ndarray
    factor: np.ndarray
    limit: np.ndarray
    total: np.ndarray
    spread: np.ndarray
    lost: np.ndarray


def _equations(dates: int, tracks: int, knots: int) -> Equations:
    shape = tracks, knots, TILE
    return Equations(
        np.zeros(TILE, np.int64),
        np.zeros((dates, TILE)),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, np.float32),
        np.zeros(TILE, np.int32),
        np.zeros(TILE, np.int32),
        np.zeros(TILE),
    )


def _tile(tracks: int, knots: int) -> Tile:
    return Tile(
        np.zeros(TILE, np.int64),
        np.zeros((tracks, TILE), np.float32),
        np.zeros((2, TILE)),
        np.zeros((3, tracks, TILE)),
        np.zeros((3, 3, tracks, TILE), np.float32),
        np.zeros((3, TILE)),
        np.zeros((tracks, knots, TILE)),
        np.zeros(TILE),
        np.zeros(TILE, np.float32),
        np.zeros(TILE, np.float32),
        np.zeros(TILE),
        np.zeros((4, TILE), np.float32),
        np.zeros(TILE, np.float32),
    )


def solve_separately(
    values: list[np.ndarray],
    sigma: np.ndarray,
    vectors: np.ndarray,
    north: np.ndarray,
    axes: np.ndarray,
    dates: tuple[np.ndarray, np.ndarray, np.ndarray],
    knot_years: np.ndarray,
    found: tuple[np.ndarray, ...],
    *,
    given: bool,
    scaled: bool,
    max_dilution: float,
) -> None:
    """Solve as `insarray.kernels.components.series.solve_series` does, into `found`, for as many tracks as `axes`.

    `sigma` is (date, pixel) or (date, 1) of all tracks, the dates of a track after each other; `given` says whether `north`
    is that of each pixel.
    """
    tracks, pixels = len(vectors), values[0].shape[1]
    samples = np.full((len(sigma), -(-pixels // TILE) * TILE), np.nan, np.float32)
    np.concatenate(values, out=samples[:, :pixels])
    ends = np.searchsorted(dates[0], np.arange(tracks + 1))
    keys = np.random.default_rng(0).integers(1, 2**63, len(samples), np.int64)
    equations, tile = _equations(len(samples), tracks, len(knot_years)), _tile(tracks, len(knot_years))
    _solve(
        samples, sigma, vectors, north, axes, dates, ends, keys, knot_years, given, scaled, max_dilution, equations, tile,
        found,
    )  # fmt: skip


@jit
def _solve(
    samples, sigma, vectors, north, axes, dates, ends, keys, knot_years, given, scaled, most, equations, tile, found
):  # fmt: skip
    _, knot, part = dates
    pixels, alike, ready = vectors.shape[2], sigma.shape[1] == 1, False
    for start in range(0, pixels, TILE):
        size = min(TILE, pixels - start)
        here = samples[:, start : start + TILE]
        _look(vectors[:, :, start : start + size], north, start, axes, tile)
        _hash(here, dates, keys, tile)
        if not (ready and alike and _same(tile.mask, equations.mask)):
            _equate(here, sigma, start, size, dates, ends, tile, equations)
            ready = True
        tile.left[:] = 0.0
        for k in range(len(vectors)):
            solve(
                here, equations.weight, knot, part, ends[k], ends[k + 1], equations.inverse[k], equations.ratio[k],
                tile.motion[k], tile.left,
            )  # fmt: skip
        _describe(start, size, dates, scaled, most, equations, tile, found)
        for j in range(len(knot_years)):
            _combine(j, start, size, axes, equations.spread[:, j], tile, found)
            if given:
                _add_north(j, start, size, knot_years[j], tile, found)


@jit
def _look(vectors, north, start, axes, tile):
    """What is known of the pixels of a tile."""
    tile.back[:] = np.nan
    tile.unknown[:] = np.nan
    for p in range(vectors.shape[2]):
        column = start + p if north.shape[1] > 1 else 0
        if not math.isfinite(north[0, column] + north[1, column]):
            continue
        tile.north[0, p], tile.north[1, p] = north[0, column], north[1, column]
        for k in range(len(vectors)):
            if math.isfinite(vectors[k, 0, p] + vectors[k, 1, p] + vectors[k, 2, p]):
                tile.unknown[k, p] = 0.0
        _invert(vectors[:, :, p].astype(np.float64), axes, tile.back[:, :, p])
        if len(axes) == 2:
            for a in axes:
                tile.carried[a, p] = 0.0
                for k in range(2):
                    tile.carried[a, p] += tile.back[a, k, p] * vectors[k, _NORTH, p]
    for a in axes:
        for other in axes:
            for k in range(len(vectors)):
                for p in range(TILE):
                    tile.product[a, other, k, p] = tile.back[a, k, p] * tile.back[other, k, p]


@jit
def _invert(looks, axes, back):
    """Components (axis, track) of one pixel by motions along its tracks; as they are where there are none."""
    if len(axes) == 2:
        one, other = looks[0], looks[1]
        determinant = one[_EAST] * other[_UP] - one[_UP] * other[_EAST]
        if determinant != 0.0:
            back[_EAST, 0], back[_EAST, 1] = other[_UP] / determinant, -one[_UP] / determinant
            back[_UP, 0], back[_UP, 1] = -other[_EAST] / determinant, one[_EAST] / determinant
        return
    determinant = 0.0
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        determinant += looks[0, a] * (looks[1, b] * looks[2, c] - looks[1, c] * looks[2, b])
    if determinant != 0.0:
        for a in range(3):
            b, c = (a + 1) % 3, (a + 2) % 3
            for k in range(3):
                one, other = looks[(k + 1) % 3], looks[(k + 2) % 3]
                back[a, k] = (one[b] * other[c] - one[c] * other[b]) / determinant


@jit
def _hash(samples, dates, keys, tile):
    """Masks of the pixels of a tile: the exclusive or of the keys of the dates that they have."""
    track, knot, _ = dates
    tile.mask[:] = 0
    for n in range(len(samples)):
        if knot[n] >= 0:
            _add_key(samples[n], tile.unknown[track[n]], keys[n], tile.mask)


@jit
def _add_key(samples, unknown, key, mask):
    for p in range(TILE):
        mask[p] ^= key if abs(samples[p] + unknown[p]) < np.inf else 0


@jit
def _same(mask, other):
    """Whether all pixels that have dates have the same as others."""
    return not ((mask != 0) & (mask != other)).any()


@jit
def _equate(samples, sigma, start, size, dates, ends, tile, equations):
    """Equations of the pixels of a tile; those without dates get those of another, which the next tile may need."""
    track, knot, part = dates
    equations.used[:] = 0
    equations.rank[:] = 0
    equations.level[:] = 0.0
    equations.mask[:] = tile.mask
    some = np.argmax(tile.mask != 0)
    for n in range(len(samples)):
        weight = equations.weight[n]
        weight[:] = 0.0
        if knot[n] < 0:
            continue
        for p in range(size if sigma.shape[1] > 1 else 1):
            deviation = np.float64(sigma[n, start + p if sigma.shape[1] > 1 else 0])
            weight[p] = 1.0 / (deviation * deviation) if 0.0 < deviation < np.inf else 0.0
        if sigma.shape[1] == 1:
            weight[:] = weight[0]
        _keep(samples[n], tile.unknown[track[n]], weight, equations.used, equations.level)
    for p in range(TILE):
        if tile.mask[p] == 0:
            equations.mask[p], equations.used[p] = equations.mask[some], equations.used[some]
            equations.weight[:, p], equations.level[p] = equations.weight[:, some], equations.level[some]
    for p in range(TILE):
        equations.level[p] = math.sqrt(equations.level[p] / equations.used[p]) if equations.used[p] else np.nan
    for k in range(len(equations.inverse)):
        inverse, variance = equations.inverse[k], equations.variance[k]
        factorise(equations.weight, knot, part, ends[k], ends[k + 1], inverse, equations.ratio[k], variance)
        for j in range(len(inverse)):
            for p in range(TILE):
                equations.rank[p] += inverse[j, p] != 0.0
        for p in range(TILE):
            if variance[1, p] == np.inf:  # that nothing has moved yet is worth nothing alone
                variance[0, p] = np.inf
    equations.spread[:] = equations.variance


@jit
def _keep(samples, unknown, weight, used, squares):
    """Leave weights where there are samples, and count them and their variances."""
    for p in range(TILE):
        weight[p] = weight[p] if abs(samples[p] + unknown[p]) < np.inf else 0.0
    for p in range(TILE):
        used[p] += weight[p] > 0.0
    for p in range(TILE):
        squares[p] += 1.0 / weight[p] if weight[p] > 0.0 else 0.0


@jit
def _describe(start, size, dates, scaled, most, equations, tile, found):
    """What is the same for all knots, and which tracks observe each."""
    track, knot, part = dates
    _, _, _, misfit, freedom, observed, level = found
    for p in range(size):
        there, at = tile.mask[p] != 0 and equations.used[p] > 0, start + p
        freedom[at] = equations.used[p] - equations.rank[p] if there else 0
        misfit[at] = max(tile.left[p], 0.0) if there else np.nan
        level[at] = equations.level[p] if there else np.nan
        tile.limit[p] = (most * level[at]) ** 2
        tile.factor[p] = 1.0
        if scaled:
            tile.factor[p] = misfit[at] / freedom[at] if freedom[at] > 0 else np.nan
    for n in range(len(track)):
        if knot[n] >= 0:
            bit = np.uint32(1) << np.uint32(track[n])
            if part[n] < 1.0:
                _set(observed[knot[n], start : start + size], bit, equations.weight[n], tile.mask)
            if part[n] > 0.0:
                _set(observed[knot[n] + 1, start : start + size], bit, equations.weight[n], tile.mask)


@jit
def _set(bits, bit, weight, mask):
    for p in range(len(bits)):
        bits[p] |= bit if weight[p] > 0.0 and mask[p] != 0 else np.uint32(0)


@jit
def _combine(j, start, size, axes, variance, tile, found):
    """Components of the pixels of a tile at a knot, of the motions along the tracks.

    NaN where the dates do not see them, or as badly that a standard error is beyond the limit.
    """
    estimate, std, covariance = found[:3]
    motion, lost = tile.motion[:, j], tile.lost
    for a in axes:
        _sum(tile.product[a, a], variance, tile.spread[a])
    lost[:] = 0.0
    for a in axes:
        for p in range(TILE):
            lost[p] = lost[p] if tile.spread[a, p] <= tile.limit[p] else np.float32(np.nan)
    for a in axes:
        _sum(tile.back[a], motion, tile.total)
        row = estimate[a, j, start : start + size]
        for p in range(size):
            row[p] = tile.total[p] + lost[p]
        row = std[a, j, start : start + size]
        if j > 0:
            for p in range(TILE):
                tile.spread[a, p] *= tile.factor[p]
        for p in range(size):
            row[p] = math.sqrt(tile.spread[a, p]) + lost[p]
        for other in axes:
            if other > a:
                # pairs are east and up, east and north, north and up
                row = covariance[0 if other - a == 2 else a + 1, j, start : start + size]
                total = tile.spread[3]
                _sum(tile.product[a, other], variance, total)
                if j > 0:
                    for p in range(TILE):
                        total[p] *= tile.factor[p]
                for p in range(size):
                    row[p] = total[p] + lost[p]


@jit
def _sum(one, other, total):
    """Sum over tracks of the products of two (track, pixel)."""
    for p in range(TILE):
        total[p] = one[0, p] * other[0, p] + one[1, p] * other[1, p]
    if len(one) == 3:
        for p in range(TILE):
            total[p] += one[2, p] * other[2, p]


@jit
def _add_north(j, start, size, years, tile, found):
    """Take out what is known of the north, and add its error to the others."""
    estimate, std, covariance = found[:3]
    for p in range(size):
        at, east, up = start + p, tile.carried[_EAST, p], tile.carried[_UP, p]
        value, deviation = tile.north[0, p] * years, tile.north[1, p] * years
        lost = 0.0 * estimate[_UP, j, at]
        estimate[_EAST, j, at] -= east * value
        estimate[_UP, j, at] -= up * value
        estimate[_NORTH, j, at] = value + lost
        std[_EAST, j, at] = math.hypot(std[_EAST, j, at], east * deviation)
        std[_UP, j, at] = math.hypot(std[_UP, j, at], up * deviation)
        std[_NORTH, j, at] = abs(deviation) + lost
        covariance[0, j, at] += east * up * deviation * deviation
        covariance[1, j, at] = -east * deviation * deviation + lost
        covariance[2, j, at] = -up * deviation * deviation + lost
