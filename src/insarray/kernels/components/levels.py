"""Levels of one track at knots, its displacement there with the offset of the track, on the pixels of a tile.

Between knots the level is linear in time, so the normal equations couple neighbours only. They are solved from the last
knot to the first, and motion, which is the difference to the level at the first knot, follows on the way back. Arrays end
in the pixel; all is IEEE arithmetic in one order, so the bits of a pixel do not depend on its neighbours.
"""

import numpy as np

from insarray.kernels.compiled import jit

TILE = 128
"""Pixels that are solved together."""

_SINGULAR = 1e-10  # of a pivot, by what it was before the elimination
_NULL = 1e-6  # of a level in a vector that the data do not see


@jit
def factorise(weight, knot, part, first, stop, inverse, ratio, variance):
    """Factors of the normal equations of the dates `first` to `stop`, and the variance of the motion at each knot.

    `inverse` is that of each pivot, 0 where nothing was left of it. The variance is infinite where the dates do not see
    the motion.
    """
    knots = len(inverse)
    pivot, coupling = variance, ratio  # until they are what they are called
    pivot[:] = 0.0
    coupling[:] = 0.0
    for n in range(first, stop):
        if knot[n] >= 0:
            after, before = part[n], 1.0 - part[n]
            _add(pivot[knot[n]], weight[n], before * before)
            _add(coupling[knot[n] + 1], weight[n], before * after)
            _add(pivot[knot[n] + 1], weight[n], after * after)
    for j in range(knots):
        for p in range(TILE):
            inverse[j, p] = _SINGULAR * pivot[j, p]
    whole = True
    for j in range(knots - 1, -1, -1):
        for p in range(TILE):
            inverse[j, p] = 1.0 / pivot[j, p] if pivot[j, p] > inverse[j, p] else 0.0
        for p in range(TILE):
            whole &= inverse[j, p] != 0.0
        if j > 0:
            for p in range(TILE):
                taken = coupling[j, p] * inverse[j, p]
                pivot[j - 1, p] -= taken * coupling[j, p]
                ratio[j, p] = taken
    _spread(inverse, ratio, variance)
    if not whole:
        for p in range(TILE):
            _mark_unseen(inverse[:, p], ratio[:, p], variance[:, p])


@jit
def _add(total, weight, factor):
    for p in range(TILE):
        total[p] += weight[p] * factor


@jit
def _spread(inverse, ratio, variance):
    """Variances of the differences to the first level, of those of the levels and their covariances with the first."""
    own, with_first = inverse[0].copy(), inverse[0].copy()
    variance[0] = 0.0
    for j in range(1, len(inverse)):
        for p in range(TILE):
            own[p] = inverse[j, p] + ratio[j, p] * ratio[j, p] * own[p]
        for p in range(TILE):
            with_first[p] *= -ratio[j, p]
        for p in range(TILE):
            variance[j, p] = own[p] - 2.0 * with_first[p] + inverse[0, p]


@jit
def _mark_unseen(inverse, ratio, variance):
    """Of one pixel: along each vector of levels that its dates do not see."""
    for start in range(len(inverse)):
        if inverse[start] != 0.0:
            continue
        level, at_first = 1.0, 1.0 if start == 0 else 0.0
        if start > 0:
            variance[start] = np.inf
        for j in range(start + 1, len(inverse)):
            level *= -ratio[j]
            if abs(level - at_first) > _NULL:
                variance[j] = np.inf


@jit
def solve(samples, weight, knot, part, first, stop, inverse, ratio, motion, left):
    """Motion at each knot since the first; what it leaves of the weighted squares of the samples is added to `left`."""
    knots = len(motion)
    motion[:] = 0.0
    for n in range(first, stop):
        if knot[n] >= 0:
            _accumulate(samples[n], weight[n], 1.0 - part[n], part[n], motion[knot[n]], motion[knot[n] + 1], left)
    for j in range(knots - 1, 0, -1):
        for p in range(TILE):
            motion[j - 1, p] -= ratio[j, p] * motion[j, p]
    for p in range(TILE):
        left[p] -= motion[0, p] * motion[0, p] * inverse[0, p]
        motion[0, p] *= inverse[0, p]
    for j in range(1, knots):
        for p in range(TILE):
            right = motion[j, p]
            left[p] -= right * right * inverse[j, p]
            motion[j, p] = right * inverse[j, p] - ratio[j, p] * motion[j - 1, p]
    for j in range(knots - 1, -1, -1):
        for p in range(TILE):
            motion[j, p] -= motion[0, p]


@jit
def _accumulate(samples, weight, before, after, behind, ahead, left):
    """Add a date to the right-hand sides of the knots before and after it, and to the sum of the weighted squares."""
    for p in range(TILE):
        sample = np.float64(samples[p]) if weight[p] > 0.0 else 0.0
        weighted = weight[p] * sample
        behind[p] += before * weighted
        ahead[p] += after * weighted
        left[p] += weighted * sample
