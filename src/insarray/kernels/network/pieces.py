"""Pieces of the network of each pixel: how often dates are observed, which piece they belong to, levels within it."""

import numpy as np

from insarray.kernels.compiled import lane_jit

MOST_PIECES = 255
"""Labels are one byte; dates of any further piece count as unobserved."""


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
def relevel(plan, factor, inverse, p, root, label, solution, variance, column):
    """Values and variances of one lane relative to the first date of each piece instead of its last eliminated date.

    var(v - f) = Z_vv + Z_ff - 2 Z_vf; the column Z_.f comes from one more solve with the same factors.
    """
    n = root.shape[0]
    for f in range(n):
        if root[f] != f or f == 0 or label[f] == 0:
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
        label = scratch.label[:, p]
        if scratch.used[p] == 0:
            label[:] = 0
        else:
            label_pieces(plan, scratch.valid, scratch.date_count, p, root, label)
            relevel(
                plan, scratch.conductance, scratch.inverse, p, root, label, scratch.solution, scratch.variance, column
            )
        for v in range(n):
            if scratch.label[v, p] == 0:
                scratch.solution[v, p] = np.nan
                scratch.variance[v, p] = np.nan
