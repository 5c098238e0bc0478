"""East, north and up displacement of every pixel from series of lines of sight at dates of their own.

Motion is linear in time between knots and zero at the first one; each track has an offset. With as many tracks as
components each track is solved by itself (`separate`). With more, the normal equations are a band, of the components at
neighbouring knots, with the offsets beside it: they are solved by elimination from the first knot to the last, and the
covariance of each knot is found on the way back.
"""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit
from insarray.kernels.components.band import (
    LANES,
    accumulate,
    eliminate,
    mark_unseen,
    misfits,
    selected_inverse,
    substitute,
)
from insarray.kernels.components.separate import solve_separately


class Dates(NamedTuple):
    """When the dates of all tracks are, one track after the other.

    Parameters
    ----------
    track
        int (date,): number of the track.
    knot
        int (date,): last knot before; -1 where the date is outside of the knots and not used.
    part
        float64 (date,): how far the date is on the way to the next knot, 0 to 1.
    years
        float64 (date,): since the first knot.
    """

    track: np.ndarray
    knot: np.ndarray
    part: np.ndarray
    years: np.ndarray


class Motion(NamedTuple):
    """What is found at each pixel.

    Parameters
    ----------
    estimate, std
        float32 (3, knot, pixel): east, north, up since the first knot; NaN where not determined.
    covariance
        float32 (3, knot, pixel): of east and up, east and north, north and up.
    misfit
        float64 (pixel,): sum of the weighted squared residuals.
    freedom
        int32 (pixel,): dates less unknowns.
    observed
        uint32 (knot, pixel): bit k is set where track k has a date between the neighbouring knots.
    level
        float64 (pixel,): root mean square of the standard deviations of the dates.
    """

    estimate: np.ndarray
    std: np.ndarray
    covariance: np.ndarray
    misfit: np.ndarray
    freedom: np.ndarray
    observed: np.ndarray
    level: np.ndarray


def solve_series(
    values: list[np.ndarray],
    sigma: list[np.ndarray],
    vectors: np.ndarray,
    north: np.ndarray | None,
    dates: Dates,
    knot_years: np.ndarray,
    *,
    free: bool,
    scaled: bool,
    max_dilution: float,
) -> Motion:
    """Motion at knots from displacements along lines of sight.

    Parameters
    ----------
    values
        float32 (date, pixel) of each track, NaN = none.
    sigma
        Standard deviations: float32 (date, pixel) or (date, 1) of each track.
    vectors
        (track, 3, pixel): east, north, up of the unit vector from the ground to the satellite.
    north
        (2, pixel): velocity to the north per year, which is taken out, and its standard deviation; None: zero.
    dates
        Of all tracks.
    knot_years
        float64 (knot,): of each knot since the first.
    free
        Estimate north, too, instead.
    scaled
        Standard deviations are relative: scale the results' by the residuals, NaN without redundancy.
    max_dilution
        Largest standard error of a component at a knot, by the root mean square of those of the dates, with which the
        knot counts as determined.
    """
    pixels = values[0].shape[1]
    knots = len(knot_years)
    shape = (3, knots, pixels)
    found = Motion(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.full(pixels, np.nan),
        np.zeros(pixels, np.int32),
        np.zeros((knots, pixels), np.uint32),
        np.full(pixels, np.nan),
    )
    known = np.zeros((2, 1), np.float32) if north is None else np.ascontiguousarray(north)
    axes, given = np.array([0, 1, 2] if free else [0, 2]), north is not None and not free
    spread = np.ascontiguousarray(np.concatenate(_alike(sigma, pixels)))
    common = spread, np.ascontiguousarray(vectors), known, axes
    if len(vectors) == len(axes):
        where = dates.track, dates.knot, dates.part
        done = tuple(found)
        solve_separately(
            values, *common, where, knot_years, done, given=given, scaled=scaled, max_dilution=max_dilution
        )
    else:
        _solve(np.concatenate(values), *common, knot_years, given, scaled, max_dilution, *dates, *found)
    return found


def _alike(sigma: list[np.ndarray], pixels: int) -> list[np.ndarray]:
    """Standard deviations of one width: of every pixel, where those of some track are."""
    if all(of.shape[1] == 1 for of in sigma):
        return sigma
    return [np.broadcast_to(of, (len(of), pixels)) for of in sigma]


@jit
def _solve(
    values, sigma, vectors, north, axes, knot_years, given, scaled, most, track, knot, part, years,
    estimate, std, covariance, misfit, freedom, observed, level,
):  # fmt: skip
    pixels, tracks, m = values.shape[1], len(vectors), len(axes)
    knots = len(knot_years)
    size, width, sides = (knots - 1) * m, 2 * m, tracks + 2
    band, border = np.empty((size, width, LANES)), np.empty((size, sides, LANES))
    corner, inverse = np.empty((tracks + 1, sides, LANES)), np.empty((size + tracks, LANES))
    left = np.empty(LANES)
    weight, value = np.empty((len(values), LANES)), np.empty((len(values), LANES))
    looks, motion = np.empty((tracks, 3, LANES)), np.empty((2, LANES))
    solved, moved = np.empty((size + tracks, LANES)), np.zeros((size + tracks, LANES))
    spread, unseen = np.empty((size, m, LANES)), np.empty((size, LANES), np.bool_)
    factor, limit = np.empty(LANES), np.empty(LANES)
    for start in range(0, pixels, LANES):
        lanes = min(LANES, pixels - start)
        _load(values, sigma, vectors, north, knot, track, start, lanes, weight, value, looks, motion)
        accumulate(weight, value, looks, motion, axes, track, knot, part, years, given, band, border, corner)
        eliminate(band, border, corner, inverse)
        substitute(band, border, corner, inverse, tracks, solved)
        if given:
            substitute(band, border, corner, inverse, tracks + 1, moved)
        selected_inverse(band, border, corner, inverse, m, spread)
        misfits(border, corner, inverse, left)
        for lane in range(lanes):
            p = start + lane
            used = _describe(weight, track, knot, part, lane, p, observed, level)
            lost = 0
            for u in range(size + tracks):
                lost += inverse[u, lane] == 0.0
            unseen[:, lane] = used == 0
            if lost > 0 and used > 0:
                mark_unseen(band[:, :, lane], border[:, :, lane], corner[:, :, lane], inverse[:, lane], unseen[:, lane])
            freedom[p] = used - (size + tracks - lost) if used else 0
            misfit[p] = max(left[lane], 0.0) if used else np.nan
            factor[lane] = 1.0
            if scaled:
                factor[lane] = misfit[p] / freedom[p] if freedom[p] > 0 else np.nan
            limit[lane] = (most * level[p]) ** 2
        at = slice(start, start + lanes)
        _store(
            solved, moved, spread, unseen, motion, knot_years, factor, limit,
            estimate[:, :, at], std[:, :, at], covariance[:, :, at],
        )  # fmt: skip


@jit
def _store(
    solved, moved, spread, unseen, motion, knot_years, factor, limit, estimate, std, covariance
):  # fmt: skip
    """Copy the pixels that were solved to the results: NaN where they are not determined, or worse than the limit."""
    m, lanes = spread.shape[1], estimate.shape[2]
    for j in range(len(knot_years)):
        years = knot_years[j]
        for lane in range(lanes):
            good = not unseen[0, lane] if j == 0 else True
            if j == 0:
                _put(estimate, std, covariance, j, lane, 0.0 if good else np.nan)
                continue
            u = (j - 1) * m
            for a in range(m):
                good &= not unseen[u + a, lane] and spread[u + a, 0, lane] <= limit[lane]
            if not good:
                _put(estimate, std, covariance, j, lane, np.nan)
                continue
            scale, up = factor[lane], u + m - 1
            estimate[0, j, lane], estimate[2, j, lane] = solved[u, lane], solved[up, lane]
            if m == 3:
                estimate[1, j, lane] = solved[u + 1, lane]
                for a in range(3):
                    std[a, j, lane] = math.sqrt(scale * spread[u + a, 0, lane])
                covariance[0, j, lane] = scale * spread[u, 2, lane]
                covariance[1, j, lane] = scale * spread[u, 1, lane]
                covariance[2, j, lane] = scale * spread[u + 1, 1, lane]
                continue
            deviation = motion[1, lane]  # of the north that was taken out, a year
            east, upward = deviation * moved[u, lane], deviation * moved[up, lane]
            std[0, j, lane] = math.sqrt(scale * spread[u, 0, lane] + east * east)
            std[2, j, lane] = math.sqrt(scale * spread[up, 0, lane] + upward * upward)
            covariance[0, j, lane] = scale * spread[u, 1, lane] + east * upward
            estimate[1, j, lane], std[1, j, lane] = motion[0, lane] * years, abs(deviation) * years
            covariance[1, j, lane] = -east * deviation * years
            covariance[2, j, lane] = -upward * deviation * years


@jit
def _put(estimate, std, covariance, j, lane, value):
    for a in range(3):
        estimate[a, j, lane] = std[a, j, lane] = covariance[a, j, lane] = value


@jit
def _load(values, sigma, vectors, north, knot, track, start, lanes, weight, value, looks, motion):
    """Samples and their weights of some pixels, 0 where there are none, and what is known of the pixels."""
    weight[:] = 0.0
    value[:] = 0.0
    looks[:] = 0.0
    motion[:] = 0.0
    for lane in range(lanes):
        p = start + lane
        column = p if north.shape[1] > 1 else 0
        if not math.isfinite(north[0, column] + north[1, column]):
            continue
        motion[0, lane], motion[1, lane] = north[0, column], north[1, column]
        for k in range(len(vectors)):
            if math.isfinite(vectors[k, 0, p] + vectors[k, 1, p] + vectors[k, 2, p]):
                for a in range(3):
                    looks[k, a, lane] = vectors[k, a, p]
    for n in range(len(values)):
        if knot[n] < 0:
            continue
        for lane in range(lanes):
            p = start + lane
            deviation = np.float64(sigma[n, p if sigma.shape[1] > 1 else 0])
            known = math.isfinite(values[n, p]) and deviation > 0.0 and math.isfinite(deviation)
            if known and looks[track[n], 2, lane] != 0.0:
                weight[n, lane] = 1.0 / (deviation * deviation)
                value[n, lane] = values[n, p]


@jit
def _describe(weight, track, knot, part, lane, p, observed, level):
    """Number of dates that were used, which tracks they are of, and how noisy."""
    used, squares = 0, 0.0
    for n in range(len(weight)):
        if weight[n, lane] == 0.0:
            continue
        used += 1
        squares += 1.0 / weight[n, lane]
        bit = np.uint32(1) << np.uint32(track[n])
        if part[n] < 1.0:
            observed[knot[n], p] |= bit
        if part[n] > 0.0:
            observed[knot[n] + 1, p] |= bit
    level[p] = math.sqrt(squares / used) if used else np.nan
    return used
