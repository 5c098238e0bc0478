"""MIDAS: median of the slopes of dates a year apart, without outliers (Blewitt and others 2016)."""

import math

import numpy as np

from insarray.kernels.biweight import TO_DEVIATION
from insarray.kernels.compiled import jit

FLAG_NO_DATA, FLAG_DETERMINED, FLAG_TOO_FEW = 0, 1, 4
"""Positions in `insarray.model.conventions.FIT_FLAGS`."""

_CUT = 2.0  # standard deviations beyond which a slope is an outlier
_REALISTIC = 3.0  # factor by which the published standard errors account for noise that is correlated in time
_DATES_PER_SLOPE = 4.0  # every date is used twice, and every pair of dates forward and backward


def midas(
    values: np.ndarray, years: np.ndarray, segment: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Velocity of every pixel.

    Parameters
    ----------
    values
        float32 (time, pixel), NaN = none.
    years
        float64 (time,), ascending.
    segment
        int64 (time,): dates of different segments make no pair; ascending.
    tolerance
        Years by which a pair may differ from one year to be preferred.

    Returns
    -------
    tuple of numpy.ndarray
        Velocity and its standard error, float32 (pixel,), per year; flag, uint8 (pixel,).
    """
    pixels = values.shape[1]
    velocity, std = np.full((2, pixels), np.nan, np.float32)
    flag = np.zeros(pixels, np.uint8)
    _midas(np.ascontiguousarray(values), years, segment.astype(np.int64), tolerance, velocity, std, flag)
    return velocity, std, flag


@jit
def _midas(values, years, segment, tolerance, velocity, std, flag):
    dates, pixels = values.shape
    time, level = np.empty(dates), np.empty(dates)
    back_time, back_level = np.empty(dates), np.empty(dates)
    part, back_part = np.empty(dates, np.int64), np.empty(dates, np.int64)
    slopes, sizes = np.empty(2 * dates), np.empty(2 * dates)
    for p in range(pixels):
        count = 0
        for i in range(dates):
            if math.isfinite(values[i, p]):
                time[count], level[count], part[count] = years[i], np.float64(values[i, p]), segment[i]
                count += 1
        if count == 0:
            flag[p] = FLAG_NO_DATA
            continue
        for i in range(count):
            j = count - 1 - i
            back_time[i], back_level[i], back_part[i] = -time[j], -level[j], part[j]
        found = _slopes(time, level, part, count, tolerance, slopes, 0)
        found = _slopes(back_time, back_level, back_part, count, tolerance, slopes, found)
        flag[p] = FLAG_TOO_FEW
        if found == 0:
            continue
        middle = np.median(slopes[:found])
        for k in range(found):
            sizes[k] = abs(slopes[k] - middle)
        cut = _CUT * TO_DEVIATION * np.median(sizes[:found])
        kept = 0
        for k in range(found):
            if sizes[k] <= cut:
                slopes[kept] = slopes[k]
                kept += 1
        middle = np.median(slopes[:kept])
        for k in range(kept):
            sizes[k] = abs(slopes[k] - middle)
        spread = TO_DEVIATION * np.median(sizes[:kept])
        velocity[p], flag[p] = middle, FLAG_DETERMINED
        if kept >= 2 * _DATES_PER_SLOPE:
            std[p] = _REALISTIC * math.sqrt(math.pi / 2.0) * spread / math.sqrt(kept / _DATES_PER_SLOPE)


@jit
def _slopes(time, level, part, count, tolerance, slopes, found):
    """Append the slopes of the pairs, forward in time; return their number."""
    unused = 0
    for i in range(count):
        last = i
        while last + 1 < count and part[last + 1] == part[i]:
            last += 1
        partner = i + 1
        while partner <= last and time[partner] - time[i] < 1.0 - tolerance:
            partner += 1
        if partner > last:
            continue
        none_a_year_apart = time[partner] - time[i] > 1.0 + tolerance
        if none_a_year_apart and partner < unused <= last:  # the next date that has no partner yet
            partner = unused
        unused = max(unused, partner + 1)
        slopes[found] = (level[partner] - level[i]) / (time[partner] - time[i])
        found += 1
    return found
