"""The normal equations of `series` on a group of pixels side by side: a band with the offsets of the tracks beside it.

Every array ends in the lane, which is the pixel. The loops over lanes do the same operations in the same order for each of
them, so the bits of a pixel do not depend on its neighbours.
"""

import numpy as np

from insarray.kernels.compiled import jit, lane_jit

LANES = 16
"""Pixels that are solved side by side."""

_SINGULAR = 1e-10  # of a pivot, by what it was before the elimination
_NULL = 1e-6  # of an unknown in a vector that the data do not see


@lane_jit
def accumulate(weight, value, looks, motion, axes, track, knot, part, years, given, band, border, corner):
    """Normal equations; the last two columns are the right-hand sides of the data and of the north.

    The vectors are the same for all dates of a track, so that between two knots sums over its dates are enough.
    """
    tracks, pending = len(looks), -1
    band[:] = 0.0
    border[:] = 0.0
    corner[:] = 0.0
    sums, part_of = np.zeros((9, LANES)), np.empty(LANES)
    ahead, behind = np.empty(LANES), np.empty(LANES)
    for n in range(len(weight)):
        if knot[n] < 0:
            continue
        if pending >= 0 and (knot[n] != knot[pending] or track[n] != track[pending]):
            _add_sums(sums, looks[track[pending]], axes, track[pending], knot[pending], band, border, corner)
        pending = n
        after, before = part[n], 1.0 - part[n]
        _scale(behind, weight[n], before)
        _scale(ahead, weight[n], after)
        _add_scaled(sums[0], behind, before)
        _add_scaled(sums[1], behind, after)
        _add_scaled(sums[2], ahead, after)
        _add_scaled(sums[3], behind, 1.0)
        _add_scaled(sums[4], ahead, 1.0)
        if given:
            _scale(part_of, looks[track[n], 1], years[n])
            _subtract_product(value[n], part_of, motion[0])
            _add_product(sums[7], behind, part_of)
            _add_product(sums[8], ahead, part_of)
        _add_product(sums[5], behind, value[n])
        _add_product(sums[6], ahead, value[n])
        _add_product_of_three(corner[tracks, tracks], weight[n], value[n], value[n])
    if pending >= 0:
        _add_sums(sums, looks[track[pending]], axes, track[pending], knot[pending], band, border, corner)


@lane_jit
def _add_sums(sums, looks, axes, k, j, band, border, corner):
    """Add what the dates of a track between two knots say to the equations, and begin anew."""
    m, tracks = len(axes), len(corner) - 1
    for side in range(2):
        _add_scaled(corner[k, k], sums[3 + side], 1.0)
        _add_scaled(corner[k, tracks], sums[5 + side], 1.0)
        _add_scaled(corner[k, tracks + 1], sums[7 + side], 1.0)
        if j + side == 0:
            continue
        u = (j + side - 1) * m
        for a in range(m):
            one = looks[axes[a]]
            _add_product(border[u + a, k], one, sums[3 + side])
            _add_product(border[u + a, tracks], one, sums[5 + side])
            _add_product(border[u + a, tracks + 1], one, sums[7 + side])
            for b in range(a, m):
                _add_product_of_three(band[u + a, b - a], one, looks[axes[b]], sums[2 * side])
            if side == 0:
                for b in range(m):
                    _add_product_of_three(band[u + a, m + b - a], one, looks[axes[b]], sums[1])
    sums[:] = 0.0


@lane_jit
def _scale(result, one, factor):
    for lane in range(LANES):
        result[lane] = one[lane] * factor


@lane_jit
def _add_scaled(total, one, factor):
    for lane in range(LANES):
        total[lane] += one[lane] * factor


@lane_jit
def _add_product(total, one, other):
    for lane in range(LANES):
        total[lane] += one[lane] * other[lane]


@lane_jit
def _add_product_of_three(total, one, other, third):
    for lane in range(LANES):
        total[lane] += one[lane] * other[lane] * third[lane]


@lane_jit
def _subtract_product(total, one, other):
    for lane in range(LANES):
        total[lane] -= one[lane] * other[lane]


@lane_jit
def _subtract_product_of_three(total, one, other, third):
    for lane in range(LANES):
        total[lane] -= one[lane] * other[lane] * third[lane]


@lane_jit
def _multiply(result, one, other):
    for lane in range(LANES):
        result[lane] = one[lane] * other[lane]


@lane_jit
def _invert_pivot(inverse, pivot):
    """Inverse of pivots that are more than what is in its place, else 0."""
    for lane in range(LANES):
        inverse[lane] = 1.0 / pivot[lane] if pivot[lane] > inverse[lane] else 0.0


@lane_jit
def eliminate(band, border, corner, inverse):
    """Eliminate the band, then the offsets; `inverse` is that of each pivot, 0 where nothing was left of it."""
    size, width = band.shape[0], band.shape[1]
    tracks, sides = corner.shape[0] - 1, corner.shape[1]
    factor = np.empty(LANES)
    for u in range(size):
        inverse[u] = _SINGULAR * band[u, 0]
    for k in range(tracks):
        inverse[size + k] = _SINGULAR * corner[k, k]
    for u in range(size):
        _invert_pivot(inverse[u], band[u, 0])
        for d in range(1, min(width, size - u)):
            _multiply(factor, band[u, d], inverse[u])
            for e in range(d, width):
                _subtract_product(band[u + d, e - d], factor, band[u, e])
            for s in range(sides):
                _subtract_product(border[u + d, s], factor, border[u, s])
        for k in range(tracks):
            _multiply(factor, border[u, k], inverse[u])
            for s in range(sides):
                _subtract_product(corner[k, s], factor, border[u, s])
    for k in range(tracks):
        _invert_pivot(inverse[size + k], corner[k, k])
        for other in range(k + 1, tracks):
            _multiply(factor, corner[other, k], inverse[size + k])
            for s in range(k, sides):
                _subtract_product(corner[other, s], factor, corner[k, s])


@jit
def mark_unseen(band, border, corner, inverse, unseen):
    """Mark the unknowns of one pixel that move in a vector of which the data see nothing."""
    size, width = band.shape
    tracks = len(corner) - 1
    vector, side = np.empty(size), np.empty(tracks)
    for start in range(size + tracks):
        if inverse[start] != 0.0:
            continue
        vector[:] = 0.0
        side[:] = 0.0
        if start < size:
            vector[start] = 1.0
            unseen[start] = True
        else:
            side[start - size] = 1.0
            for k in range(start - size - 1, -1, -1):
                for other in range(k + 1, tracks):
                    side[k] -= corner[k, other] * side[other] * inverse[size + k]
        for u in range(min(start, size) - 1, -1, -1):
            total = 0.0
            for d in range(1, min(width, size - u)):
                total += band[u, d] * vector[u + d]
            for k in range(tracks):
                total += border[u, k] * side[k]
            vector[u] = -total * inverse[u]
            if abs(vector[u]) > _NULL:
                unseen[u] = True


@lane_jit
def substitute(band, border, corner, inverse, column, solved):
    """Solution of one right-hand side: the components, then the offsets."""
    size, width, tracks = band.shape[0], band.shape[1], corner.shape[0] - 1
    for k in range(tracks - 1, -1, -1):
        at = size + k
        solved[at] = corner[k, column]
        for other in range(k + 1, tracks):
            _subtract_product(solved[at], corner[k, other], solved[size + other])
        _multiply(solved[at], solved[at], inverse[at])
    for u in range(size - 1, -1, -1):
        solved[u] = border[u, column]
        for k in range(tracks):
            _subtract_product(solved[u], border[u, k], solved[size + k])
        for d in range(1, min(width, size - u)):
            _subtract_product(solved[u], band[u, d], solved[u + d])
        _multiply(solved[u], solved[u], inverse[u])


@lane_jit
def selected_inverse(band, border, corner, inverse, m, spread):
    """Covariance of each unknown with itself and the next ones of its knot, (size, m), from the last to the first.

    Of the covariance only that of an unknown with the next of the band and the offsets is needed for the one before: it
    is kept in a window, unknown u at place u modulo the width.
    """
    size, width, tracks = band.shape[0], band.shape[1], corner.shape[0] - 1
    total = width + tracks
    window = np.zeros((total, total, LANES))
    ratio, row, place = np.zeros((total, LANES)), np.zeros((total, LANES)), np.zeros(total, np.intp)
    for u in range(size + tracks - 1, -1, -1):
        count = 0
        for d in range(1, width):
            if u + d < size:
                place[count] = (u + d) % width
                _multiply(ratio[count], band[u, d], inverse[u])
                count += 1
        for k in range(max(u - size + 1, 0), tracks):
            place[count] = width + k
            _multiply(ratio[count], border[u, k] if u < size else corner[u - size, k], inverse[u])
            count += 1
        own = u % width if u < size else width + u - size
        for i in range(count):
            row[i] = 0.0
            for j in range(count):
                _subtract_product(row[i], ratio[j], window[place[j], place[i]])
        window[own, own] = inverse[u]
        for i in range(count):
            _subtract_product(window[own, own], ratio[i], row[i])
        for i in range(count):
            window[own, place[i]] = row[i]
            window[place[i], own] = row[i]
        if u < size:
            spread[u, 0] = window[own, own]
            for d in range(1, m):
                if u + d < size:
                    spread[u, d] = window[own, (u + d) % width]


@lane_jit
def misfits(border, corner, inverse, found):
    """Sum of the weighted squared residuals: what the elimination leaves of that of the data."""
    size, tracks = len(border), len(corner) - 1
    found[:] = corner[tracks, tracks]
    for u in range(size):
        _subtract_product_of_three(found, border[u, tracks], border[u, tracks], inverse[u])
    for k in range(tracks):
        _subtract_product_of_three(found, corner[k, tracks], corner[k, tracks], inverse[size + k])
