"""The periodogram on a lattice of each link's own, in float32, and its highest peaks.

The steps follow from the spread of the link's columns, so that no peak falls between the nodes. A node (v, h) and its
mirror image (v, -h) share their products: with z the phasors less the model at v, p = sum re(z) cos(b h),
q = sum im(z) sin(b h), r = sum im(z) cos(b h), s = sum re(z) sin(b h), the sums are (p + q) + j (r - s) and
(p - q) + j (r + s).
"""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.links.periodogram_newton import EPOCHS, scale, waves
from insarray.kernels.links.periodogram_problem import CANDIDATES, STEP
from insarray.kernels.network.scratch import VECTOR, Array, aligned


class Lattice(NamedTuple):
    """Working memory of `find_candidates`; phasors are blocks of EPOCHS rows re and EPOCHS rows im, float32."""

    signal: Array  # (block, 2 * EPOCHS * VECTOR), weighted, less the model at the present velocity
    turn: Array  # the same shape: the model of one step of the velocity, conjugate
    heights: Array  # (node, block, 2 * EPOCHS * VECTOR), the model of the positive heights
    level: Array  # (velocity + 2, (2 * heights + 2) * VECTOR), -inf around and outside
    columns: Array  # (2 * heights, VECTOR), factors by the prior
    total: Array  # (8 * VECTOR), of two heights
    peak: Array  # (VECTOR)
    best: Array  # (CANDIDATES * VECTOR)
    node: Array  # (CANDIDATES * VECTOR) int32
    nodes: Array  # (2, VECTOR) int64: velocities, pairs of heights
    step: Array  # (2, VECTOR) float64
    least: Array  # (VECTOR) float64: least distance of a velocity from the prior


def make_lattice(blocks: int, velocities: int, heights: int) -> Lattice:
    """Memory for at most so many velocities and pairs of heights."""
    wide, single = 2 * EPOCHS * VECTOR, np.float32
    return Lattice(
        aligned((blocks, wide), single),
        aligned((blocks, wide), single),
        aligned((heights, blocks, wide), single),
        aligned((velocities + 2, (2 * heights + 2) * VECTOR), single),
        aligned((2 * heights, VECTOR), single),
        aligned(8 * VECTOR, single),
        aligned(VECTOR, single),
        aligned(CANDIDATES * VECTOR, single),
        aligned(CANDIDATES * VECTOR, np.int32),
        aligned((2, VECTOR), np.int64),
        aligned((2, VECTOR)),
        aligned(VECTOR),
    )


@jit
def find_candidates(problem, prior, group, single, unit, lattice):
    """Positions of the highest local maxima of the lattice, best first, and their coherence; -inf where there are fewer."""
    count, step = lattice.nodes, lattice.step
    most_velocities, most_heights = lattice.level.shape[0] - 2, lattice.heights.shape[0]
    for p in range(VECTOR):
        full, half = (
            2.0 * group.half[0, p] * math.sqrt(group.moment[0, p]),
            group.half[1, p] * math.sqrt(group.moment[1, p]),
        )
        count[0, p] = min(max(math.ceil(full / STEP), 1) + 1, most_velocities)
        count[1, p] = min(max(math.ceil(half / STEP + 0.5), 1), most_heights)
        step[0, p] = 2.0 * group.half[0, p] / (count[0, p] - 1)
        step[1, p] = group.half[1, p] / (count[1, p] - 0.5)
    velocities, heights = count[0].max(), count[1].max()
    _phasors(group, single, unit, heights, lattice)
    if prior:
        _prepare_prior(problem, group, velocities, heights, lattice)
    lattice.level[0, :] = -np.inf
    lattice.level[velocities + 1, :] = -np.inf
    for i in range(velocities):
        if i > 0:
            for n in range(lattice.signal.shape[0]):
                _turn(lattice.signal[n], lattice.turn[n])
        row = lattice.level[i + 1]
        row[:VECTOR] = -np.inf
        row[(2 * heights + 1) * VECTOR : (2 * heights + 2) * VECTOR] = -np.inf
        for k in range(0, heights, 2):
            other = min(k + 1, heights - 1)
            _sum(lattice.signal, lattice.heights[k], lattice.heights[other], lattice.total)
            _levels(lattice.total[: 4 * VECTOR], problem.common, k, heights, row)
            _levels(lattice.total[4 * VECTOR :], problem.common, other, heights, row)
        if prior:
            _weigh(problem, group, unit, i, heights, lattice)
        _outside(count, i, heights, row)
    lattice.best[:] = -np.inf
    lattice.node[:] = 0
    for i in range(velocities):
        for j in range(2 * heights):
            rows = slice(j * VECTOR, (j + 3) * VECTOR)
            _peak(lattice.level[i, rows], lattice.level[i + 1, rows], lattice.level[i + 2, rows], lattice.peak)
            _insert(lattice.peak, lattice.best, lattice.node, np.int32(i * 2 * heights + j))
    for k in range(CANDIDATES):
        for p in range(VECTOR):
            best, node = lattice.best[k * VECTOR + p], lattice.node[k * VECTOR + p]
            i, j = node // (2 * heights), node % (2 * heights)
            group.position[k, 0, p] = min(i * step[0, p] - group.half[0, p], group.half[0, p])
            height = (j - heights + 0.5) * step[1, p]
            group.position[k, 1, p] = min(max(height, -group.half[1, p]), group.half[1, p])
            found = np.float64(best)
            group.coherence[k, p] = math.sqrt(found) if problem.common and found > 0.0 else found


@lane_jit
def _phasors(group, single, unit, heights, lattice):
    """Signal at the first velocity, model of a step of the velocity, and of the heights, each from the one before."""
    angle, turn = single.angle, single.wave
    for n in range(lattice.signal.shape[0]):
        phase, height, time = group.phase[n], single.height[n], single.time[n]
        for e in range(EPOCHS):
            rows = slice(e * VECTOR, (e + 1) * VECTOR)
            _shift(phase[rows], time[e], group.half[0], angle[rows])
        waves(angle, unit, lattice.signal[n])
        scale(single.weight[n], lattice.signal[n])
        for e in range(EPOCHS):
            rows = slice(e * VECTOR, (e + 1) * VECTOR)
            _times(-time[e], lattice.step[0], angle[rows])
        waves(angle, unit, lattice.turn[n])
        for e in range(EPOCHS):
            rows = slice(e * VECTOR, (e + 1) * VECTOR)
            _product(height[rows], lattice.step[1], angle[rows])
        waves(angle, unit, turn)
        for p in range(EPOCHS * VECTOR):
            angle[p] = unit.half * angle[p]
        waves(angle, unit, lattice.heights[0, n])
        for k in range(1, heights):
            _rotate(lattice.heights[k - 1, n], turn, lattice.heights[k, n])


@lane_jit
def _shift(phase, a, half, angle):
    for p in range(VECTOR):
        angle[p] = phase[p] + a * half[p]


@lane_jit
def _times(a, step, angle):
    for p in range(VECTOR):
        angle[p] = a * step[p]


@lane_jit
def _product(height, step, angle):
    for p in range(VECTOR):
        angle[p] = height[p] * step[p]


@lane_jit
def _rotate(z, turn, out):
    """Product of blocks of phasors."""
    im = EPOCHS * VECTOR
    for p in range(im):
        re = z[p] * turn[p] - z[p + im] * turn[p + im]
        out[p + im] = z[p + im] * turn[p] + z[p] * turn[p + im]
        out[p] = re


@lane_jit
def _turn(z, turn):
    """`_rotate` in place, which the compiler needs to know."""
    im = EPOCHS * VECTOR
    for p in range(im):
        re = z[p] * turn[p] - z[p + im] * turn[p + im]
        z[p + im] = z[p + im] * turn[p] + z[p] * turn[p + im]
        z[p] = re


@lane_jit
def _sum(signal, model, other_model, total):
    """The four sums of products over all epochs, for two heights at once: reading the signal is what takes the time."""
    total[:] = np.float32(0.0)
    for n in range(signal.shape[0]):
        z, h, g = signal[n], model[n], other_model[n]
        for p in range(VECTOR):
            a0, a1, a2, a3 = z[p], z[p + VECTOR], z[p + 2 * VECTOR], z[p + 3 * VECTOR]
            b0, b1, b2, b3 = z[p + 4 * VECTOR], z[p + 5 * VECTOR], z[p + 6 * VECTOR], z[p + 7 * VECTOR]
            c0, c1, c2, c3 = h[p], h[p + VECTOR], h[p + 2 * VECTOR], h[p + 3 * VECTOR]
            d0, d1, d2, d3 = h[p + 4 * VECTOR], h[p + 5 * VECTOR], h[p + 6 * VECTOR], h[p + 7 * VECTOR]
            total[p] = total[p] + a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3
            total[p + VECTOR] = total[p + VECTOR] + b0 * d0 + b1 * d1 + b2 * d2 + b3 * d3
            total[p + 2 * VECTOR] = total[p + 2 * VECTOR] + b0 * c0 + b1 * c1 + b2 * c2 + b3 * c3
            total[p + 3 * VECTOR] = total[p + 3 * VECTOR] + a0 * d0 + a1 * d1 + a2 * d2 + a3 * d3
            c0, c1, c2, c3 = g[p], g[p + VECTOR], g[p + 2 * VECTOR], g[p + 3 * VECTOR]
            d0, d1, d2, d3 = g[p + 4 * VECTOR], g[p + 5 * VECTOR], g[p + 6 * VECTOR], g[p + 7 * VECTOR]
            total[p + 4 * VECTOR] = total[p + 4 * VECTOR] + a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3
            total[p + 5 * VECTOR] = total[p + 5 * VECTOR] + b0 * d0 + b1 * d1 + b2 * d2 + b3 * d3
            total[p + 6 * VECTOR] = total[p + 6 * VECTOR] + b0 * c0 + b1 * c1 + b2 * c2 + b3 * c3
            total[p + 7 * VECTOR] = total[p + 7 * VECTOR] + a0 * d0 + a1 * d1 + a2 * d2 + a3 * d3


@lane_jit
def _levels(total, common, k, heights, row):
    """Objective, squared if there is a common phase, at height `k` and its mirror image."""
    up = row[(heights + k + 1) * VECTOR : (heights + k + 2) * VECTOR]
    down = row[(heights - k) * VECTOR : (heights - k + 1) * VECTOR]
    if common:
        for p in range(VECTOR):
            re, im = total[p] + total[p + VECTOR], total[p + 2 * VECTOR] - total[p + 3 * VECTOR]
            up[p] = re * re + im * im
        for p in range(VECTOR):
            re, im = total[p] - total[p + VECTOR], total[p + 2 * VECTOR] + total[p + 3 * VECTOR]
            down[p] = re * re + im * im
    else:
        for p in range(VECTOR):
            up[p] = total[p] + total[p + VECTOR]
        for p in range(VECTOR):
            down[p] = total[p] - total[p + VECTOR]


@jit
def _outside(count, i, heights, row):
    """No level where the lattice of a lane ends before that of others of the group."""
    if count[0].min() == count[0].max() and count[1].min() == count[1].max():
        return
    for j in range(2 * heights):
        level, pair = row[(j + 1) * VECTOR : (j + 2) * VECTOR], max(j - heights, heights - 1 - j)
        for p in range(VECTOR):
            level[p] = level[p] if i < count[0, p] and pair < count[1, p] else np.float32(-np.inf)


@lane_jit
def _peak(before, own, after, peak):
    """Level where it is a maximum among its eight neighbours, else -inf; of equal ones the first."""
    for p in range(VECTOR):
        c = own[p + VECTOR]
        earlier = max(max(before[p], before[p + VECTOR]), max(before[p + 2 * VECTOR], own[p]))
        later = max(max(after[p], after[p + VECTOR]), max(after[p + 2 * VECTOR], own[p + 2 * VECTOR]))
        peak[p] = c if (c > earlier) & (c >= later) else np.float32(-np.inf)


@lane_jit
def _insert(peak, best, node, number):
    """Keep the CANDIDATES highest peaks, best first."""
    for p in range(VECTOR):
        level, place = peak[p], number
        for k in range(CANDIDATES):
            other, other_place = best[p + k * VECTOR], node[p + k * VECTOR]
            higher = level > other
            best[p + k * VECTOR] = level if higher else other
            node[p + k * VECTOR] = place if higher else other_place
            level, place = other if higher else level, other_place if higher else place


@jit
def _distance(problem, group, lattice, axis, number, p):
    """Square of the distance of a node's cell from the prior's mean, over its variance and the number of rows."""
    step = lattice.step[axis, p]
    offset = number * step - group.half[0, p] if axis == 0 else number * step
    away = max(abs(problem.middle[axis] + offset) - 0.5 * step, 0.0)
    return away * away * problem.precision[axis] / max(group.sums[2, p], 1.0)


@jit
def _prepare_prior(problem, group, velocities, heights, lattice):
    """Factors of the heights by the prior, and the least distance of any velocity, so that not all factors are 0."""
    for p in range(VECTOR):
        least = np.inf
        for i in range(velocities):
            least = min(least, _distance(problem, group, lattice, 0, i, p))
        lattice.least[p] = least
        least = np.inf
        for j in range(2 * heights):
            least = min(least, _distance(problem, group, lattice, 1, j - heights + 0.5, p))
        for j in range(2 * heights):
            lattice.columns[j, p] = math.exp(least - _distance(problem, group, lattice, 1, j - heights + 0.5, p))


@jit
def _weigh(problem, group, unit, i, heights, lattice):
    """Make the levels of velocity `i` the exponential of twice artanh(g**2) less half the prior's distance."""
    row = lattice.level[i + 1]
    for p in range(VECTOR):
        ahead = math.exp(lattice.least[p] - _distance(problem, group, lattice, 0, i, p))
        for j in range(2 * heights):
            level = max(row[(j + 1) * VECTOR + p], unit.zero)
            square = min(level if problem.common else level * level, unit.most)
            factor = np.float32(ahead) * lattice.columns[j, p]
            row[(j + 1) * VECTOR + p] = (unit.one + square) / (unit.one - square) * factor
