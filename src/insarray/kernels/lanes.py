"""The elimination itself on a group of pixels side by side: what `elimination` runs for every group.

Every array of the scratch is (date | edge | pair, lane), the lane being the pixel: the innermost, contiguous, SIMD axis.
The loops over lanes do the same operations in the same order for each of them, with the same instructions (no
reduction over lanes, no remainder of a vector), so the bits of a pixel do not depend on its neighbours. They are short, with one result each:
more would have the compiler give up on vector instructions.
"""

import math

import numpy as np

from insarray.kernels.compiled import jit, lane_jit

MOST_PIECES = 255
"""Labels are one byte; dates of any further piece count as unobserved."""

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds a double to the nearest integer
_HALF_TURN = math.pi


@lane_jit
def load(samples, start, scratch):
    """Copy the samples of the group that starts at pixel `start`: rows far apart in memory are read just once."""
    for k in range(samples.phase.shape[0]):
        for p in range(scratch.phase.shape[1]):
            scratch.phase[k, p] = samples.phase[k, start + p]
        if samples.weighted:
            for p in range(scratch.phase.shape[1]):
                scratch.weight[k, p] = samples.weight[k, start + p]


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
                ok = (c > 0.0) & (c < np.inf) & (abs(d) < np.inf)
                valid[p] = ok
                pair_weight[p] = c if ok else 0.0
                pair_current[p] = c * d if ok else 0.0
        else:
            for p in range(lanes):
                d = np.float64(phase[k, p]) - level
                ok = abs(d) < np.inf
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
def factorise(plan, conductance, inverse, broken):
    """Eliminate date after date, in place: an edge's conductance becomes its factor c / D, `inverse` is 1 / D.

    D = 0 means that the date closes a piece of the network that does not reach the ground: `broken` is set.
    """
    lanes = len(broken)
    broken[:] = False
    inverse[0, :] = 0.0
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        first, last = plan.neighbour_start[s], plan.neighbour_start[s + 1]
        for p in range(lanes):
            inverse[v, p] = 0.0
        for q in range(first, last):
            e = plan.neighbours[q, 1]
            for p in range(lanes):
                inverse[v, p] += conductance[e, p]
        for p in range(lanes):
            total = inverse[v, p]
            broken[p] |= not (total > 0.0)
            inverse[v, p] = 1.0 / total if total > 0.0 else 0.0
        t = plan.target_start[s]
        for i in range(first, last):
            e = plan.neighbours[i, 1]
            for p in range(lanes):
                conductance[e, p] *= inverse[v, p]
            for j in range(i + 1, last):
                target, other = plan.targets[t], plan.neighbours[j, 1]
                t += 1
                for p in range(lanes):
                    conductance[target, p] += conductance[other, p] * conductance[e, p]


@lane_jit
def substitute(plan, factor, inverse, current, solution):
    """Carry the currents through the elimination and come back with the phase of each date; ground and roots are 0."""
    lanes = current.shape[1]
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, e = plan.neighbours[q]
            for p in range(lanes):
                current[u, p] += current[v, p] * factor[e, p]
    solution[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        for p in range(lanes):
            solution[v, p] = current[v, p] * inverse[v, p]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, e = plan.neighbours[q]
            for p in range(lanes):
                solution[v, p] += factor[e, p] * solution[u, p]


@lane_jit
def substitute_shared(plan, factor, inverse, current, solution):
    """`substitute` for lanes that share their conductances: `factor` (edge,) and `inverse` (date,) are scalars."""
    lanes = current.shape[1]
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, f = plan.neighbours[q, 0], factor[plan.neighbours[q, 1]]
            for p in range(lanes):
                current[u, p] += current[v, p] * f
    solution[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        for p in range(lanes):
            solution[v, p] = current[v, p] * inverse[v]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, f = plan.neighbours[q, 0], factor[plan.neighbours[q, 1]]
            for p in range(lanes):
                solution[v, p] += f * solution[u, p]


@lane_jit
def residuals(weighted, reference, plan, scratch):
    """Sums over the used pairs of cos r, sin r, r^2 and w r^2, r = phase minus what the solution says."""
    lanes = len(scratch.used)
    phase, weight = scratch.phase, scratch.weight
    scratch.sums[:] = 0.0
    cosine, sine, square, weighted_square = scratch.sums[0], scratch.sums[1], scratch.sums[2], scratch.sums[3]
    residual, other = scratch.buffer[0], scratch.buffer[1]
    for k in range(phase.shape[0]):
        level, valid = reference[k], scratch.valid[k]
        earlier, later = scratch.solution[plan.reference[k]], scratch.solution[plan.secondary[k]]
        for p in range(lanes):
            r = np.float64(phase[k, p]) - level - (later[p] - earlier[p])
            residual[p] = r if valid[p] != 0 else 0.0
        for p in range(lanes):
            square[p] += residual[p] * residual[p]
        if weighted:
            for p in range(lanes):
                c = np.float64(weight[k, p])
                weighted_square[p] += (c if valid[p] != 0 else 0.0) * residual[p] * residual[p]
        _cosine_and_sine(residual, other)
        for p in range(lanes):
            cosine[p] += residual[p] if valid[p] != 0 else 0.0
        for p in range(lanes):
            sine[p] += other[p]
    if not weighted:
        weighted_square[:] = square


@lane_jit
def _cosine_and_sine(angle, sine):
    """Cosine (in place) and sine of angles, to 1e-11: series of half the wrapped angle, then the double angle."""
    for p in range(len(angle)):
        turns = angle[p] * (1.0 / (2.0 * _HALF_TURN))
        h = (turns - ((turns + _ROUND) - _ROUND)) * _HALF_TURN
        z = h * h
        s = -7.6471637318198164e-13
        s = 1.6059043836821613e-10 + z * s
        s = -2.5052108385441720e-08 + z * s
        s = 2.7557319223985893e-06 + z * s
        s = -1.9841269841269841e-04 + z * s
        s = 8.3333333333333332e-03 + z * s
        s = -1.6666666666666666e-01 + z * s
        s = h + h * z * s
        c = 4.7794773323873853e-14
        c = -1.1470745597729725e-11 + z * c
        c = 2.0876756987868099e-09 + z * c
        c = -2.7557319223985888e-07 + z * c
        c = 2.4801587301587302e-05 + z * c
        c = -1.3888888888888889e-03 + z * c
        c = 4.1666666666666664e-02 + z * c
        c = 1.0 - 0.5 * z + z * z * c
        angle[p] = 1.0 - 2.0 * s * s
        sine[p] = 2.0 * s * c


@lane_jit
def variances(plan, factor, inverse, edge_variance, variance):
    """Diagonal of the inverse Laplacian by selected inversion on the plan's own pattern (Takahashi's equations).

    `edge_variance` (edge, lane) is scratch for the covariances between joined dates. Every term is a product of
    positive numbers: nothing cancels.
    """
    lanes = variance.shape[1]
    edge_variance[:] = 0.0
    variance[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        first, last = plan.neighbour_start[s], plan.neighbour_start[s + 1]
        t = plan.target_start[s]
        for i in range(first, last):
            u, e = plan.neighbours[i]
            for p in range(lanes):
                edge_variance[e, p] += factor[e, p] * variance[u, p]
            for j in range(i + 1, last):
                target, other = plan.targets[t], plan.neighbours[j, 1]
                t += 1
                for p in range(lanes):
                    edge_variance[e, p] += factor[other, p] * edge_variance[target, p]
                    edge_variance[other, p] += factor[e, p] * edge_variance[target, p]
        for p in range(lanes):
            variance[v, p] = inverse[v, p]
        for q in range(first, last):
            e = plan.neighbours[q, 1]
            for p in range(lanes):
                variance[v, p] += factor[e, p] * edge_variance[e, p]


@lane_jit
def date_counts(plan, valid, counts):
    """Number of used pairs at each date, uint16 (date, lane)."""
    lanes = valid.shape[1]
    counts[:] = 0
    for k in range(valid.shape[0]):
        earlier, later = counts[plan.reference[k]], counts[plan.secondary[k]]
        for p in range(lanes):
            earlier[p] += valid[k, p]
        for p in range(lanes):
            later[p] += valid[k, p]


@lane_jit
def label_pieces(plan, valid, counts, p, root, label):
    """Pieces of one lane's network: `root` = first date of each date's piece, `label` as in `network_subset`."""
    n = root.shape[0]
    for v in range(n):
        root[v] = v
    for k in range(valid.shape[0]):
        if valid[k, p]:
            a, b = _top(root, plan.reference[k]), _top(root, plan.secondary[k])
            if a < b:
                root[b] = a
            else:
                root[a] = b
    pieces = 1
    for v in range(n):
        root[v] = _top(root, v)
        if counts[v, p] == 0:
            label[v] = 0
        elif root[v] == v and v > 0:
            pieces += 1
            label[v] = pieces if pieces <= MOST_PIECES else 0
        else:
            label[v] = 1 if v == 0 else label[root[v]]


@lane_jit
def _top(root, v):
    while root[v] != v:
        root[v] = root[root[v]]
        v = root[v]
    return v


@lane_jit
def relevel(plan, factor, inverse, p, root, solution, variance, column):
    """Values and variances of one lane relative to the first date of each piece instead of its last eliminated date.

    var(v - f) = Z_vv + Z_ff - 2 Z_vf; the column Z_.f comes from one more solve with the same factors.
    """
    n = root.shape[0]
    for f in range(n):
        if root[f] != f or f == 0:
            continue
        level, own = solution[f, p], variance[f, p]
        if own > 0.0:
            column[:] = 0.0
            column[f] = 1.0
            for s in range(plan.order.shape[0]):
                v = plan.order[s]
                for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
                    column[plan.neighbours[q, 0]] += column[v] * factor[plan.neighbours[q, 1], p]
            column[0] = 0.0
            for s in range(plan.order.shape[0] - 1, -1, -1):
                v = plan.order[s]
                column[v] *= inverse[v, p]
                for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
                    column[v] += factor[plan.neighbours[q, 1], p] * column[plan.neighbours[q, 0]]
        for v in range(n):
            if root[v] == f:
                solution[v, p] -= level
                if own > 0.0:
                    variance[v, p] = 0.0 if v == f else max(variance[v, p] + own - 2.0 * column[v], 0.0)


@lane_jit
def label_broken(plan, scratch, root, column):
    """Labels of the group; in lanes whose network is split, pieces relative to their first date, the rest NaN."""
    lanes = len(scratch.used)
    scratch.label[:] = 1
    n = scratch.label.shape[0]
    for p in range(lanes):
        if not scratch.broken[p]:
            continue
        label_pieces(plan, scratch.valid, scratch.date_count, p, root, scratch.label[:, p])
        relevel(plan, scratch.conductance, scratch.inverse, p, root, scratch.solution, scratch.variance, column)
        for v in range(n):
            if scratch.label[v, p] == 0:
                scratch.solution[v, p] = np.nan
                scratch.variance[v, p] = np.nan


@jit  # strictly IEEE: the last group may end within a vector
def store(scratch, scale, std, first, stop, results):
    """Copy the lanes of a group to pixels `first` to `stop` of the results."""
    lanes = stop - first
    for p in range(lanes):
        used = scratch.used[p]
        results.used[first + p] = used
        length = np.sqrt(scratch.sums[0, p] ** 2 + scratch.sums[1, p] ** 2)
        results.temporal_coherence[first + p] = length / used if used > 0 else np.nan
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
            for p in range(lanes):
                results.std[v, first + p] = abs(scale) * np.sqrt(scratch.variance[v, p])


@lane_jit
def solve_groups(samples, plan, shared, scratch, scale, std, start, stop, results):
    """Solve the first pixels of `samples` into pixels `start` to `stop` of the results.

    Groups are read whole: where ``stop - start`` is no multiple of the lanes, the samples must be padded to one.
    """
    pairs, lanes = scratch.phase.shape
    root, column = np.empty(plan.order.shape[0] + 1, np.int64), np.empty(plan.order.shape[0] + 1)
    split = not (shared.inverse[1:] > 0.0).all()  # the network itself is disconnected
    for first in range(0, stop - start, lanes):
        load(samples, first, scratch)
        gather(samples.weighted, samples.reference, plan, scratch)
        complete = not samples.weighted
        for p in range(lanes):
            complete &= scratch.used[p] == pairs
        if complete:
            substitute_shared(plan, shared.factor, shared.inverse, scratch.current, scratch.solution)
            scratch.broken[:] = split
            for v in range(len(shared.variance)):
                scratch.variance[v, :] = shared.variance[v]
            if split:
                for p in range(lanes):
                    scratch.conductance[:, p] = shared.factor
                    scratch.inverse[:, p] = shared.inverse
        else:
            factorise(plan, scratch.conductance, scratch.inverse, scratch.broken)
            substitute(plan, scratch.conductance, scratch.inverse, scratch.current, scratch.solution)
            if std:
                variances(plan, scratch.conductance, scratch.inverse, scratch.edge_variance, scratch.variance)
        residuals(samples.weighted, samples.reference, plan, scratch)
        date_counts(plan, scratch.valid, scratch.date_count)
        label_broken(plan, scratch, root, column)
        store(scratch, scale, std, start + first, min(start + first + lanes, stop), results)
