"""Peak of the periodogram of links side by side, in float32 but for the last steps; the Numba back end.

A group of `VECTOR` links is a row of lanes. Every lane has its own weights, height column, lattice and climbs, so that
nothing about a link depends on its neighbours. Parameters are taken relative to the middle of their ranges.
"""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.links.periodogram_group import HEIGHT_UNDETERMINED, describe, epoch_rows, load, make_group
from insarray.kernels.links.periodogram_lattice import find_candidates, make_lattice
from insarray.kernels.links.periodogram_newton import (
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
from insarray.kernels.links.periodogram_problem import (
    APART,
    CANDIDATES,
    DOUBLE_STEPS,
    MOST_LOST,
    SINGLE_STEPS,
    LinkFlag,
    Peaks,
    Problem,
    allocate,
    lattice_caps,
)
from insarray.kernels.network.scratch import VECTOR, Array, aligned

_AT_X, _AT_Y = int(LinkFlag.VELOCITY_AT_BOUND), int(LinkFlag.HEIGHT_AT_BOUND)


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


def _make_climb(blocks: int, real: type[np.floating]) -> _Climb:
    wide = EPOCHS * VECTOR
    return _Climb(
        phase=aligned((blocks, wide), real),
        weight=aligned((blocks, wide), real),
        height=aligned((blocks, wide), real),
        time=aligned((blocks, EPOCHS), real),
        state=aligned(STATE_ROWS * VECTOR, real),
        angle=aligned(wide, real),
        wave=aligned(2 * wide, real),
        total=aligned(12 * VECTOR, real),
        slope=aligned(SLOPE_ROWS * VECTOR, real),
        move=aligned(2 * VECTOR, real),
    )


def search(problem: Problem) -> Peaks:
    """Highest peak of every link."""
    epochs, links = problem.phase.shape
    peaks = allocate(links)
    blocks = max(-(-epochs // EPOCHS), 1)
    group, single, double = make_group(blocks), _make_climb(blocks, np.float32), _make_climb(blocks, np.float64)
    double.time.ravel()[:epochs] = problem.time
    single.time[:] = double.time
    lattice = make_lattice(blocks, *lattice_caps(problem))
    _search(problem, problem.has_prior, group, single, double, lattice, SINGLE, DOUBLE, peaks)
    return peaks


@jit
def _search(problem, prior, group, single, double, lattice, unit, double_unit, peaks):
    for first in range(0, problem.phase.shape[1], VECTOR):
        load(problem, first, group, double)
        describe(problem, group, single, double)
        find_candidates(problem, prior, group, single, unit, lattice)
        for k in range(CANDIDATES):
            _climb(problem, prior, group, single, double, k, unit, double_unit)
        _choose(group)
        _finish(problem, prior, group, double, double_unit)
        _store(problem, first, group, double, peaks)


@lane_jit
def _reduce(phase, height, a, x, y, unit, out):
    for p in range(VECTOR):
        t = phase[p] - a * x[p] - height[p] * y[p]
        turns = (t * unit.turns + unit.magic) - unit.magic
        out[p] = t - turns * (unit.pi_high * unit.two) - turns * (unit.pi_low * unit.two)


@lane_jit
def _place(problem, group, time, height, position, unit, climb):
    """Begin a climb at `position`: phases less the model there, within half a turn, and the state."""
    rows, target = epoch_rows(group.phase), epoch_rows(climb.phase)
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
    _place(problem, group, double.time.ravel(), epoch_rows(double.height), position, double_unit, single)
    for p in range(VECTOR):
        promising = group.coherence[k, p] > -np.inf and group.flag[p] <= HEIGHT_UNDETERMINED
        if k > 1 and not prior:
            best = max(group.coherence[0, p], group.coherence[1, p])
            own = math.sqrt(group.moment[0, p] * group.moment[1, p])
            correlation = abs(group.moment[2, p]) / own if own > 0.0 else 0.0
            promising = promising and group.coherence[k, p] + MOST_LOST * (1.0 + correlation) > best
        state[p + ACTIVE] = 1.0 if promising else 0.0
        group.value[k, p] = 0.0 if promising else -np.inf
    refine(
        single.phase,
        single.weight,
        single.height,
        single.time,
        state,
        problem.common,
        prior,
        SINGLE_STEPS,
        unit,
        single,
    )
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
    _place(problem, group, double.time.ravel(), epoch_rows(double.height), position, unit, double)
    for p in range(VECTOR):
        double.state[p + ACTIVE] = 1.0 if group.flag[p] <= HEIGHT_UNDETERMINED else 0.0
    refine(
        double.phase,
        double.weight,
        double.height,
        double.time,
        double.state,
        problem.common,
        prior,
        DOUBLE_STEPS,
        unit,
        double,
    )


@jit
def _store(problem, first, group, double, peaks):
    state = double.state
    for p in range(min(VECTOR, problem.phase.shape[1] - first)):
        link = first + p
        at_x = state[p + X] <= state[p + LOW_X] or state[p + X] >= state[p + HIGH_X]
        at_y = state[p + Y] <= state[p + LOW_Y] or state[p + Y] >= state[p + HIGH_Y]
        bounds = (_AT_X if at_x else 0) | (_AT_Y if at_y and group.half[1, p] > 0.0 else 0)
        peaks.state[link] = group.flag[p] | (bounds if group.flag[p] <= HEIGHT_UNDETERMINED else 0)
        peaks.position[0, link] = state[p + NODE_X] + state[p + X]
        peaks.position[1, link] = state[p + NODE_Y] + state[p + Y]
        peaks.coherence[link] = state[p + COHERENCE]
        peaks.second[link] = group.coherence[1, p]
        peaks.number[link] = group.sums[2, p]
        peaks.effective[link] = group.sums[0, p] * group.sums[0, p] / group.sums[1, p]
        for i in range(3):
            peaks.moment[i, link] = group.moment[i, p]
