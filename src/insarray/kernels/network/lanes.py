"""The elimination itself on a group of pixels side by side: what `elimination` runs for every group.

Every array of the scratch is (date | edge | pair, lane), the lane being the pixel: the innermost, contiguous, SIMD axis.
The loops over lanes do the same operations in the same order for each of them, with the same instructions (no
reduction over lanes, no remainder of a vector), so the bits of a pixel do not depend on its neighbours. They are short, with one result each:
more would have the compiler give up on vector instructions.
"""

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.network.gather import all_are_phases, gather, gather_complete, load
from insarray.kernels.network.misfit import residuals, residuals_complete
from insarray.kernels.network.pieces import date_counts, label_broken
from insarray.kernels.network.starmesh import factorise, substitute, substitute_shared, variances

_MOST_SQUARE = 2.0**80
"""Sum of the squared residuals from which on one may be too large for its whole turns to be taken off."""


@jit  # strictly IEEE: the last group may end within a vector
def store(scratch, scale, std, relative, first, stop, results):
    """Copy the lanes of a group to pixels `first` to `stop` of the results."""
    lanes = stop - first
    for p in range(lanes):
        used = scratch.used[p]
        results.used[first + p] = used
        length = np.sqrt(scratch.sums[0, p] ** 2 + scratch.sums[1, p] ** 2)
        known = scratch.sums[2, p] < _MOST_SQUARE  # else the cosines mean nothing
        results.temporal_coherence[first + p] = length / used if used > 0 and known else np.nan
        results.residual_rms[first + p] = np.sqrt(scratch.sums[2, p] / used) if used > 0 else np.nan
        results.weighted_square[first + p] = scratch.sums[3, p] if used > 0 else np.nan
    for v in range(scratch.solution.shape[0]):
        for p in range(lanes):
            results.phase[v, first + p] = scale * scratch.solution[v, p] + 0.0  # no -0.0
        for p in range(lanes):
            results.date_count[v, first + p] = scratch.date_count[v, p]
        for p in range(lanes):
            results.label[v, first + p] = scratch.label[v, p]
    if std:
        factor = scratch.buffer[0]
        for p in range(lanes):
            factor[p] = abs(scale)
        if relative:
            residual_spread(scratch, factor, lanes)
        for v in range(scratch.solution.shape[0]):
            for p in range(lanes):
                results.std[v, first + p] = factor[p] * np.sqrt(scratch.variance[v, p])


@jit
def residual_spread(scratch, factor, lanes):
    """Multiply by the standard deviation of the weighted residuals, by their degrees of freedom; NaN without any."""
    tied = scratch.buffer[1]  # dates that are tied to another one
    for p in range(lanes):
        tied[p] = 0.0
    for v in range(scratch.label.shape[0]):
        for p in range(lanes):
            tied[p] += 1.0 if scratch.label[v, p] > 0 else 0.0
    for p in range(lanes):
        if tied[p] > 0:
            pieces = 0
            for v in range(scratch.label.shape[0]):
                pieces = max(pieces, np.int64(scratch.label[v, p]))
            tied[p] -= pieces - (1 if scratch.label[0, p] == 0 else 0)
        freedom = scratch.used[p] - tied[p]
        factor[p] *= np.sqrt(scratch.sums[3, p] / freedom) if freedom > 0 else np.nan


@lane_jit
def least_squares(samples, plan, scratch, std):
    """Solution and variances of the group that is loaded."""
    gather(samples.weighted, samples.reference, plan, scratch)
    factorise(plan, scratch.conductance, scratch.inverse, scratch.broken)
    substitute(plan, scratch.conductance, scratch.inverse, scratch.current, scratch.solution)
    if std:
        variances(plan, scratch.conductance, scratch.inverse, scratch.edge_variance, scratch.variance)


@lane_jit
def describe(samples, plan, scratch, root, column):
    """What the solution leaves of the samples, counts per date, and pieces of the network."""
    residuals(samples.weighted, samples.reference, plan, scratch)
    date_counts(plan, scratch.valid, scratch.date_count)
    label_broken(plan, scratch, root, column)


@lane_jit
def solve_groups(samples, plan, shared, scratch, scale, std, relative, start, stop, results):
    """Solve the first pixels of `samples` into pixels `start` to `stop` of the results.

    Groups are read whole: where ``stop - start`` is no multiple of the lanes, the samples must be padded to one.
    """
    pairs, lanes = scratch.phase.shape
    root, column = np.empty(plan.order.shape[0] + 1, np.int64), np.empty(plan.order.shape[0] + 1)
    shareable = not samples.weighted and (shared.inverse[1:] > 0.0).all()  # not if the network itself is split
    for first in range(0, stop - start, lanes):
        load(samples, first, scratch)
        complete = shareable and gather_complete(samples.reference, plan, shared.most_current, scratch)
        if complete:
            substitute_shared(plan, shared.factor, shared.inverse, scratch.current, scratch.solution)
            residuals_complete(samples.reference, plan, scratch)
            complete = all_are_phases(scratch)
        if complete:
            scratch.used[:] = pairs
            scratch.label[:] = 1
            for v in range(len(shared.variance)):
                scratch.date_count[v, :] = shared.date_count[v]
                if std:
                    scratch.variance[v, :] = shared.variance[v]
        else:
            least_squares(samples, plan, scratch, std)
            describe(samples, plan, scratch, root, column)
        store(scratch, scale, std, relative, start + first, min(start + first + lanes, stop), results)
