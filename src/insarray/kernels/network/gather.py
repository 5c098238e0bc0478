"""Samples of a group of pixels side by side: copied, tested, summed to conductances and currents."""

import numpy as np

from insarray.kernels.compiled import lane_jit
from insarray.kernels.variance import WEIGHT_ROWS, weight_row

MOST_PHASE = 2.0**24
"""Radians from which on a sample is no phase but counts as missing: float32 no longer tells one radian from the next."""


@lane_jit
def load(samples, start, scratch):
    """Copy the samples of the group that starts at pixel `start`: rows far apart in memory are read just once.

    Weights are made of the coherence here, while it is in the cache.
    """
    for k in range(samples.phase.shape[0]):
        for p in range(scratch.phase.shape[1]):
            scratch.phase[k, p] = samples.phase[k, start + p]
        if samples.weighted and not len(samples.table):
            for p in range(scratch.phase.shape[1]):
                scratch.weight[k, p] = samples.weight[k, start + p]
    if len(samples.table):
        lanes = scratch.phase.shape[1]
        work = np.empty((WEIGHT_ROWS, lanes), np.float32)
        for k in range(samples.phase.shape[0]):
            weight_row(samples.weight[k, start : start + lanes], samples.table, work, scratch.weight[k])


@lane_jit
def gather(weighted, reference, plan, scratch):
    """Conductances and currents of the group; a missing sample adds exactly 0."""
    lanes = len(scratch.used)
    phase, weight = scratch.phase, scratch.weight
    scratch.conductance[:] = 0.0
    scratch.current[:] = 0.0
    scratch.used[:] = 0
    pair_weight, pair_current = scratch.buffer[0], scratch.buffer[1]
    for k in range(phase.shape[0]):
        level, valid = reference[k], scratch.valid[k]
        if weighted:
            for p in range(lanes):
                c = np.float64(weight[k, p])
                d = np.float64(phase[k, p]) - level
                ok = (c > 0.0) & (c < np.inf) & (abs(d) < MOST_PHASE)
                valid[p] = ok
                pair_weight[p] = c if ok else 0.0
                pair_current[p] = c * d if ok else 0.0
        else:
            for p in range(lanes):
                d = np.float64(phase[k, p]) - level
                ok = abs(d) < MOST_PHASE
                valid[p] = ok
                pair_weight[p] = 1.0 if ok else 0.0
                pair_current[p] = d if ok else 0.0
        total = scratch.conductance[plan.pair_edge[k]]
        into, out_of = scratch.current[plan.secondary[k]], scratch.current[plan.reference[k]]
        for p in range(lanes):
            total[p] += pair_weight[p]
        for p in range(lanes):
            into[p] += pair_current[p]
        for p in range(lanes):
            out_of[p] -= pair_current[p]
        for p in range(lanes):
            scratch.used[p] += valid[p]


@lane_jit
def gather_complete(reference, plan, most_current, scratch):
    """Currents of a group whose samples all have weight 1; whether all are below a bound (NaN if a sample is missing)."""
    lanes = len(scratch.used)
    phase = scratch.phase
    scratch.current[:] = 0.0
    for k in range(phase.shape[0]):
        level = reference[k]
        into, out_of = scratch.current[plan.secondary[k]], scratch.current[plan.reference[k]]
        for p in range(lanes):
            into[p] += np.float64(phase[k, p]) - level
        for p in range(lanes):
            out_of[p] -= np.float64(phase[k, p]) - level
    bounded = True  # a missing sample spoils the currents of its dates for good
    for v in range(scratch.current.shape[0]):
        for p in range(lanes):
            bounded &= abs(scratch.current[v, p]) < most_current
    return bounded


@lane_jit
def all_are_phases(scratch):
    """Whether no sample of a complete group reaches `MOST_PHASE`: model and residuals are far below it."""
    square, small = scratch.sums[2], True
    for p in range(len(square)):
        small &= square[p] < (0.25 * MOST_PHASE) ** 2
    return small


def most_current(variance):
    """Currents up to which every date's phase stays below a quarter of `MOST_PHASE`, in the complete network.

    Phases are the inverse of the grounded Laplacian times the currents. Its inverse is not negative, and no entry
    exceeds the one on the diagonal of its row, which is the variance of the date.
    """
    return 0.25 * MOST_PHASE / max(len(variance) * float(np.max(variance)), 1.0)
