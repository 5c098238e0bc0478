"""Peak of the periodogram of links side by side, in float32 but for the last steps; the Numba back end (DESIGN 4.4).

A group of `VECTOR` links is a row of lanes. Every lane has its own weights, height column, lattice and climbs, so that
nothing about a link depends on its neighbours. Parameters are taken relative to the middle of their ranges.
"""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.periodogram_lattice import find_candidates, make_lattice
from insarray.kernels.periodogram_newton import (
    ACTIVE,
    COHERENCE,
    DOUBLE,
    EPOCHS,
    HIGH_X,
    HIGH_Y,
    LOW_X,
    LOW_Y,
    MOMENT_X,
    MOMENT_XY,
    MOMENT_Y,
    NODE_X,
    NODE_Y,
    PRIOR_X,
    PRIOR_Y,
    SINGLE,
    SLOPE_ROWS,
    STATE_ROWS,
    X,
    Y,
    refine,
)
from insarray.kernels.periodogram_problem import (
    APART,
    CANDIDATES,
    DOUBLE_STEPS,
    INVISIBLE,
    MOST_LOST,
    SINGLE_STEPS,
    LinkFlag,
    Peaks,
    Problem,
    allocate,
    lattice_caps,
)
from insarray.kernels.scratch import VECTOR, Array, aligned

_HEIGHT_UNDETERMINED = int(LinkFlag.HEIGHT_UNDETERMINED)
_VELOCITY_UNDETERMINED = int(LinkFlag.VELOCITY_UNDETERMINED)
_AT_X, _AT_Y = int(LinkFlag.VELOCITY_AT_BOUND), int(LinkFlag.HEIGHT_AT_BOUND)
_TOO_FEW = int(LinkFlag.TOO_FEW_EPOCHS)


class _Climb(NamedTuple):
    """Working memory of `refine` in one precision, and what it is given."""

    phase: Array  # (block, EPOCHS * VECTOR), less the model at the node
    weight: Array  # sum 1
    height: Array
    time: Array  # (block, EPOCHS)
    state: Array  # (STATE_ROWS * VECTOR)
    angle: Array  # (EPOCHS * VECTOR)
    wave: Array  # (2 * EPOCHS * VECTOR)
    total: Array  # (12 * VECTOR), of the cosines and of the sines
    slope: Array  # (SLOPE_ROWS * VECTOR)
    move: Array  # (2 * VECTOR)


class _Group(NamedTuple):
    """What is known about the links of a group, float64."""

    phase: Array  # (block, EPOCHS * VECTOR), less the model at the middle of the ranges
    sums: Array  # (3, lane): of the weights and their squares, number of rows with a weight
    inverse: Array  # (lane), of the sum of the weights
    mean: Array  # (2, lane), of the columns
    moment: Array  # (3, lane)
    half: Array  # (2, lane), half widths; 0 where the height is left out
    flag: Array  # (lane), int64
    position: Array  # (CANDIDATES, 2, lane), of the climbed peaks
    coherence: Array  # (CANDIDATES, lane)
    value: Array  # (CANDIDATES, lane), with the prior


def _make_climb(blocks: int, real: type[np.floating]) -> _Climb:
    wide = EPOCHS * VECTOR
    return _Climb(
        *(aligned((blocks, wide), real) for _ in range(3)),
        aligned((blocks, EPOCHS), real),
        aligned(STATE_ROWS * VECTOR, real),
        aligned(wide, real),
        aligned(2 * wide, real),
        *(aligned(rows * VECTOR, real) for rows in (12, SLOPE_ROWS, 2)),
    )


def _make_group(blocks: int) -> _Group:
    return _Group(
        aligned((blocks, EPOCHS * VECTOR)),
        aligned((3, VECTOR)),
        aligned(VECTOR),
        aligned((2, VECTOR)),
        aligned((3, VECTOR)),
        aligned((2, VECTOR)),
        aligned(VECTOR, np.int64),
        aligned((CANDIDATES, 2, VECTOR)),
        aligned((CANDIDATES, VECTOR)),
        aligned((CANDIDATES, VECTOR)),
    )


def search(problem: Problem) -> Peaks:
    """Highest peak of every link."""
    epochs, links = problem.phase.shape
    peaks = allocate(links)
    blocks = max(-(-epochs // EPOCHS), 1)
    group, single, double = _make_group(blocks), _make_climb(blocks, np.float32), _make_climb(blocks, np.float64)
    double.time.ravel()[:epochs] = problem.time
    single.time[:] = double.time
    lattice = make_lattice(blocks, *lattice_caps(problem))
    _search(problem, problem.has_prior, group, single, double, lattice, SINGLE, DOUBLE, peaks)
    return peaks


@jit
def _search(problem, prior, group, single, double, lattice, unit, double_unit, peaks):
    for first in range(0, problem.phase.shape[1], VECTOR):
        _load(problem, first, group, double)
        _describe(problem, group, single, double)
        find_candidates(problem, prior, group, single, unit, lattice)
        for k in range(CANDIDATES):
            _climb(problem, prior, group, single, double, k, unit, double_unit)
        _choose(group)
        _finish(problem, prior, group, double, double_unit)
        _store(problem, first, group, double, peaks)


@jit
def _load(problem, first, group, double):
    """Copy the samples of a group; missing ones, and lanes beyond the last link, have weight 0."""
    epochs, links = problem.phase.shape
    phase, weight, height = _rows(group.phase), _rows(double.weight), _rows(double.height)
    phase[:] = 0.0
    weight[:] = 0.0
    height[:] = 0.0
    group.sums[:] = 0.0
    for n in range(epochs):
        shift, r, w, b = problem.time[n] * problem.middle[0], phase[n], weight[n], height[n]
        _fetch(problem.phase[n], first, r)
        _fetch(problem.weight[n], first, w)
        _fetch(problem.height[n], first, b)
        if links - first < VECTOR:
            w[links - first :] = 0.0
        _clean(shift, problem.middle[1], r, w, b)
        _count(w, group.sums)


@lane_jit
def _fetch(source, first, lanes):
    """Copy the samples of a group, or the one that all links share."""
    if len(source) == 1:
        lanes[:] = source[0]
    elif first + VECTOR <= len(source):
        given = source[first : first + VECTOR]
        for p in range(VECTOR):
            lanes[p] = given[p]
    else:
        for p in range(len(source) - first):
            lanes[p] = source[first + p]


@lane_jit
def _clean(shift, middle, r, w, b):
    """Phases less the model at the middle of the ranges; all 0 where one of the three is missing."""
    for p in range(VECTOR):
        good = (abs(r[p]) < np.inf) & (abs(b[p]) < np.inf) & (w[p] > 0.0)
        w[p] = w[p] if good else 0.0
        b[p] = b[p] if good else 0.0
        r[p] = r[p] - shift - b[p] * middle if good else 0.0


@lane_jit
def _count(w, sums):
    for p in range(VECTOR):
        sums[0, p] += w[p]
    for p in range(VECTOR):
        sums[1, p] += w[p] * w[p]
    for p in range(VECTOR):
        sums[2, p] += 1.0 if w[p] > 0.0 else 0.0


@jit
def _rows(blocks):
    """View with an epoch per row."""
    return blocks.reshape(-1, VECTOR)


@jit
def _describe(problem, group, single, double):
    """Normalise the weights; moments of the columns; what the rows determine."""
    time, weights, heights = double.time.ravel(), _rows(double.weight), _rows(double.height)
    mean, moment = group.mean, group.moment
    mean[:] = 0.0
    moment[:] = 0.0
    for p in range(VECTOR):
        group.inverse[p] = 1.0 / group.sums[0, p] if group.sums[0, p] > 0.0 else 0.0
    for n in range(len(time)):
        _add_mean(group.inverse, time[n], heights[n], problem.common, weights[n], mean)
    for n in range(len(time)):
        _add_square(weights[n], time[n], mean, heights[n], moment)
    for p in range(VECTOR):
        _judge(problem, group, p)
        if group.half[1, p] == 0.0:
            heights[:, p] = 0.0
    _copy(double.weight, single.weight)
    _copy(double.height, single.height)


@lane_jit
def _add_mean(inverse, a, height, common, weight, mean):
    """Divide the weights by their sum; means of the columns if there is a common phase to take them up."""
    for p in range(VECTOR):
        weight[p] *= inverse[p]
    if common:
        for p in range(VECTOR):
            mean[0, p] += weight[p] * a
        for p in range(VECTOR):
            mean[1, p] += weight[p] * height[p]


@lane_jit
def _add_square(weight, a, mean, height, moment):
    """Take the mean from the height column; second moments of the columns."""
    for p in range(VECTOR):
        height[p] -= mean[1, p]
    for p in range(VECTOR):
        moment[0, p] += weight[p] * ((a - mean[0, p]) * (a - mean[0, p]))
    for p in range(VECTOR):
        moment[1, p] += weight[p] * (height[p] * height[p])
    for p in range(VECTOR):
        moment[2, p] += weight[p] * ((a - mean[0, p]) * height[p])


@jit
def _copy(source, target):
    for n in range(len(source)):
        given, taken = source[n], target[n]
        for p in range(len(given)):
            taken[p] = given[p]


@jit
def _judge(problem, group, p):
    """Flags and half widths of lane `p`; see `periodogram_problem.INVISIBLE`."""
    xx, yy, xy = group.moment[0, p], group.moment[1, p], group.moment[2, p]
    x_range, y_range = 2.0 * problem.half[0], 2.0 * problem.half[1]
    group.half[0, p], group.half[1, p], group.flag[p] = problem.half[0], problem.half[1], 0
    parameters = 2
    if not y_range * math.sqrt(yy) >= INVISIBLE:
        parameters = 1
        group.moment[1, p], group.moment[2, p], group.half[1, p] = 0.0, 0.0, 0.0
        group.flag[p] = _HEIGHT_UNDETERMINED if y_range > 0.0 else 0
        seen = x_range * math.sqrt(xx) >= INVISIBLE
    else:  # what the columns have of their own, beside each other
        seen = x_range * math.sqrt(max(xx - xy * xy / yy, 0.0)) >= INVISIBLE
        seen = seen and y_range * math.sqrt(max(yy - xy * xy / xx, 0.0)) >= INVISIBLE
    if group.sums[2, p] <= parameters + problem.common:
        group.flag[p] = _TOO_FEW
    elif not seen:
        group.flag[p] = _VELOCITY_UNDETERMINED


@lane_jit
def _reduce(phase, height, a, x, y, unit, out):
    for p in range(VECTOR):
        t = phase[p] - a * x[p] - height[p] * y[p]
        turns = (t * unit.turns + unit.magic) - unit.magic
        out[p] = t - turns * (unit.pi_high * unit.two) - turns * (unit.pi_low * unit.two)


@lane_jit
def _place(problem, group, time, height, position, unit, climb):
    """Begin a climb at `position`: phases less the model there, within half a turn, and the state."""
    rows, target = _rows(group.phase), _rows(climb.phase)
    x, y = position[0], position[1]
    for n in range(len(time)):
        _reduce(rows[n], height[n], time[n], x, y, unit, target[n])
    state = climb.state
    for p in range(VECTOR):
        state[p + X], state[p + Y] = 0.0, 0.0
        state[p + LOW_X], state[p + HIGH_X] = -group.half[0, p] - x[p], group.half[0, p] - x[p]
        state[p + LOW_Y], state[p + HIGH_Y] = -group.half[1, p] - y[p], group.half[1, p] - y[p]
        state[p + NODE_X], state[p + NODE_Y] = problem.middle[0] + x[p], problem.middle[1] + y[p]
        state[p + MOMENT_X], state[p + MOMENT_Y], state[p + MOMENT_XY] = (
            group.moment[0, p],
            group.moment[1, p],
            group.moment[2, p],
        )
        number = max(group.sums[2, p], 1.0)
        state[p + PRIOR_X] = problem.precision[0] / number
        state[p + PRIOR_Y] = problem.precision[1] / number if group.half[1, p] > 0.0 else 0.0


@jit
def _climb(problem, prior, group, single, double, k, unit, double_unit):
    """Climb candidate `k` of every lane in float32, unless it cannot become the highest."""
    position, state = group.position[k], single.state
    _place(problem, group, double.time.ravel(), _rows(double.height), position, double_unit, single)
    for p in range(VECTOR):
        promising = group.coherence[k, p] > -np.inf and group.flag[p] <= _HEIGHT_UNDETERMINED
        if k > 1 and not prior:
            best = max(group.coherence[0, p], group.coherence[1, p])
            promising = promising and group.coherence[k, p] + MOST_LOST > best
        state[p + ACTIVE] = 1.0 if promising else 0.0
        group.value[k, p] = 0.0 if promising else -np.inf
    refine(single.phase, single.weight, single.height, single.time, state, problem.common, prior, SINGLE_STEPS, unit, single)
    for p in range(VECTOR):
        if group.value[k, p] == -np.inf:
            continue
        position[0, p] += state[p + X]
        position[1, p] += state[p + Y]
        g = np.float64(state[p + COHERENCE])
        group.coherence[k, p] = g
        group.value[k, p] = g
        if prior:
            x, y = problem.middle[0] + position[0, p], problem.middle[1] + position[1, p]
            near = min(max(g, 0.0), double_unit.most)
            penalty = x * x * state[p + PRIOR_X] + y * y * state[p + PRIOR_Y]
            group.value[k, p] = math.atanh(near * near) - 0.5 * penalty


@jit
def _choose(group):
    """Order the candidates of every lane so that the first is the highest and the second the next highest apart from it."""
    for p in range(VECTOR):
        best = 0
        for k in range(1, CANDIDATES):
            if group.value[k, p] > group.value[best, p]:
                best = k
        x, y, second = group.position[best, 0, p], group.position[best, 1, p], 0.0
        for k in range(CANDIDATES):
            if group.value[k, p] > -np.inf:
                dx, dy = group.position[k, 0, p] - x, group.position[k, 1, p] - y
                away = dx * dx * group.moment[0, p] + dy * dy * group.moment[1, p]
                if away > APART * APART:
                    second = max(second, group.coherence[k, p])
        group.position[0, 0, p], group.position[0, 1, p] = x, y
        group.coherence[0, p], group.coherence[1, p] = group.coherence[best, p], second


@jit
def _finish(problem, prior, group, double, unit):
    """Last steps of the highest peaks, in float64."""
    position = group.position[0]
    _place(problem, group, double.time.ravel(), _rows(double.height), position, unit, double)
    for p in range(VECTOR):
        double.state[p + ACTIVE] = 1.0 if group.flag[p] <= _HEIGHT_UNDETERMINED else 0.0
    refine(
        double.phase, double.weight, double.height, double.time, double.state, problem.common, prior, DOUBLE_STEPS, unit, double
    )


@jit
def _store(problem, first, group, double, peaks):
    state = double.state
    for p in range(min(VECTOR, problem.phase.shape[1] - first)):
        link = first + p
        at_x = state[p + X] <= state[p + LOW_X] or state[p + X] >= state[p + HIGH_X]
        at_y = state[p + Y] <= state[p + LOW_Y] or state[p + Y] >= state[p + HIGH_Y]
        bounds = (_AT_X if at_x else 0) | (_AT_Y if at_y and group.half[1, p] > 0.0 else 0)
        peaks.state[link] = group.flag[p] | (bounds if group.flag[p] <= _HEIGHT_UNDETERMINED else 0)
        peaks.position[0, link] = state[p + NODE_X] + state[p + X]
        peaks.position[1, link] = state[p + NODE_Y] + state[p + Y]
        peaks.coherence[link] = state[p + COHERENCE]
        peaks.second[link] = group.coherence[1, p]
        peaks.number[link] = group.sums[2, p]
        peaks.effective[link] = group.sums[0, p] * group.sums[0, p] / group.sums[1, p]
        for i in range(3):
            peaks.moment[i, link] = group.moment[i, p]
