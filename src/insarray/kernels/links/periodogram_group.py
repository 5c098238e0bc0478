"""The samples of a group of links, cleaned, with what is known of each link before the search."""

import math
from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.links.periodogram_newton import EPOCHS
from insarray.kernels.links.periodogram_problem import CANDIDATES, INVISIBLE, LinkFlag
from insarray.kernels.network.scratch import VECTOR, Array, aligned

HEIGHT_UNDETERMINED = int(LinkFlag.HEIGHT_UNDETERMINED)
"""The bits from here on mean that there is no estimate."""

_VELOCITY_UNDETERMINED = int(LinkFlag.VELOCITY_UNDETERMINED)
_TOO_FEW = int(LinkFlag.TOO_FEW_EPOCHS)


class Group(NamedTuple):
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


def make_group(blocks: int) -> Group:
    """Memory for a group of `VECTOR` links."""
    return Group(
        phase=aligned((blocks, EPOCHS * VECTOR)),
        sums=aligned((3, VECTOR)),
        inverse=aligned(VECTOR),
        mean=aligned((2, VECTOR)),
        moment=aligned((3, VECTOR)),
        half=aligned((2, VECTOR)),
        flag=aligned(VECTOR, np.int64),
        position=aligned((CANDIDATES, 2, VECTOR)),
        coherence=aligned((CANDIDATES, VECTOR)),
        value=aligned((CANDIDATES, VECTOR)),
    )


@jit
def load(problem, first, group, double):
    """Copy the samples of a group; missing ones, and lanes beyond the last link, have weight 0."""
    epochs, links = problem.phase.shape
    phase, weight, height = epoch_rows(group.phase), epoch_rows(double.weight), epoch_rows(double.height)
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
        good = (abs(r[p]) < np.inf) & (abs(b[p]) < np.inf) & (w[p] > 0.0) & (w[p] < np.inf)
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
def epoch_rows(blocks):
    """View with an epoch per row."""
    return blocks.reshape(-1, VECTOR)


@jit
def describe(problem, group, single, double):
    """Normalise the weights; moments of the columns; what the rows determine."""
    time, weights, heights = double.time.ravel(), epoch_rows(double.weight), epoch_rows(double.height)
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
        group.flag[p] = HEIGHT_UNDETERMINED if y_range > 0.0 else 0
        seen = x_range * math.sqrt(xx) >= INVISIBLE
    else:  # what the columns have of their own, beside each other
        seen = x_range * math.sqrt(max(xx - xy * xy / yy, 0.0)) >= INVISIBLE
        seen = seen and y_range * math.sqrt(max(yy - xy * xy / xx, 0.0)) >= INVISIBLE
    if group.sums[2, p] <= parameters + problem.common:
        group.flag[p] = _TOO_FEW
    elif not seen:
        group.flag[p] = _VELOCITY_UNDETERMINED
