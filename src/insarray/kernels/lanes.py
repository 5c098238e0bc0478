"""The elimination itself on a group of pixels side by side: what `elimination` runs for every group.

Every array here is (date | edge | pair, lane), the lane being the pixel: the innermost, contiguous, SIMD axis. The
loops over lanes do the same operations in the same order for each of them, with IEEE arithmetic (no fastmath, no
reduction over lanes), so the bits of a pixel do not depend on its neighbours.
"""

import math

import numpy as np
from numba import njit

LANES = 64
"""Pixels side by side; the scratch of a usual network then stays in the L2 cache."""

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds a double to the nearest integer
_HALF_TURN = math.pi

jit = njit(nogil=True, cache=True, error_model="numpy")


@jit
def gather(phase, weight, weighted, reference, plan, start, conductance, current, valid, count):
    """Conductances and currents of a group from its samples; a missing sample adds exactly 0.

    `valid` (pair, lane) uint8 and `count` (lane,) uint16 say what was used. The three loops are one in meaning: the
    shape of each lets the compiler use vector instructions.
    """
    conductance[:] = 0.0
    current[:] = 0.0
    count[:] = 0
    for k in range(phase.shape[0]):
        a, b, e = plan.reference[k], plan.secondary[k], plan.pair_edge[k]
        level = reference[k]
        if weighted:
            for p in range(LANES):
                c = np.float64(weight[k, start + p])
                d = np.float64(phase[k, start + p]) - level
                ok = (c > 0.0) & (c < np.inf) & (abs(d) < np.inf)
                c = c if ok else 0.0
                f = c * d if ok else 0.0
                conductance[e, p] += c
                current[b, p] += f
                current[a, p] -= f
                valid[k, p] = ok
        else:
            for p in range(LANES):
                d = np.float64(phase[k, start + p]) - level
                ok = abs(d) < np.inf
                f = d if ok else 0.0
                conductance[e, p] += 1.0 if ok else 0.0
                current[b, p] += f
                current[a, p] -= f
                valid[k, p] = ok
        for p in range(LANES):
            count[p] += valid[k, p]


@jit
def factorise(plan, conductance, inverse, broken):
    """Eliminate date after date, in place: an edge's conductance becomes its factor c / D, `inverse` is 1 / D.

    D = 0 means that the date closes a piece of the network that does not reach the ground: `broken` is set.
    """
    broken[:] = False
    inverse[0, :] = 0.0
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        first, last = plan.neighbour_start[s], plan.neighbour_start[s + 1]
        for p in range(LANES):
            inverse[v, p] = 0.0
        for q in range(first, last):
            e = plan.neighbours[q, 1]
            for p in range(LANES):
                inverse[v, p] += conductance[e, p]
        for p in range(LANES):
            total = inverse[v, p]
            broken[p] |= not (total > 0.0)
            inverse[v, p] = 1.0 / total if total > 0.0 else 0.0
        t = plan.target_start[s]
        for i in range(first, last):
            e = plan.neighbours[i, 1]
            for p in range(LANES):
                conductance[e, p] *= inverse[v, p]
            for j in range(i + 1, last):
                target, other = plan.targets[t], plan.neighbours[j, 1]
                t += 1
                for p in range(LANES):
                    conductance[target, p] += conductance[other, p] * conductance[e, p]


@jit
def substitute(plan, factor, inverse, current, solution):
    """Carry the currents through the elimination and come back with the phase of each date; ground and roots are 0."""
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, e = plan.neighbours[q]
            for p in range(LANES):
                current[u, p] += current[v, p] * factor[e, p]
    solution[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        for p in range(LANES):
            solution[v, p] = current[v, p] * inverse[v, p]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, e = plan.neighbours[q]
            for p in range(LANES):
                solution[v, p] += factor[e, p] * solution[u, p]


@jit
def substitute_shared(plan, factor, inverse, current, solution):
    """`substitute` for lanes that share their conductances: `factor` (edge,) and `inverse` (date,) are scalars."""
    for s in range(plan.order.shape[0]):
        v = plan.order[s]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, f = plan.neighbours[q, 0], factor[plan.neighbours[q, 1]]
            for p in range(LANES):
                current[u, p] += current[v, p] * f
    solution[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        for p in range(LANES):
            solution[v, p] = current[v, p] * inverse[v]
        for q in range(plan.neighbour_start[s], plan.neighbour_start[s + 1]):
            u, f = plan.neighbours[q, 0], factor[plan.neighbours[q, 1]]
            for p in range(LANES):
                solution[v, p] += f * solution[u, p]


@jit
def residuals(phase, weight, weighted, reference, plan, start, valid, solution, cosine, sine, square, weighted_square):
    """Sums over the used pairs of cos r, sin r, r^2 and w r^2, r = phase minus what the solution says."""
    cosine[:] = 0.0
    sine[:] = 0.0
    square[:] = 0.0
    weighted_square[:] = 0.0
    for k in range(phase.shape[0]):
        a, b = plan.reference[k], plan.secondary[k]
        level = reference[k]
        for p in range(LANES):
            ok = valid[k, p] != 0
            r = np.float64(phase[k, start + p]) - level - (solution[b, p] - solution[a, p])
            r = r if ok else 0.0
            square[p] += r * r
            if weighted:
                c = np.float64(weight[k, start + p])
                weighted_square[p] += (c if ok else 0.0) * r * r
            # sin and cos of half the wrapped residual, |h| <= pi / 2, by their series; then the double angle
            turns = r * (1.0 / (2.0 * _HALF_TURN))
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
            c2 = 4.7794773323873853e-14
            c2 = -1.1470745597729725e-11 + z * c2
            c2 = 2.0876756987868099e-09 + z * c2
            c2 = -2.7557319223985888e-07 + z * c2
            c2 = 2.4801587301587302e-05 + z * c2
            c2 = -1.3888888888888889e-03 + z * c2
            c2 = 4.1666666666666664e-02 + z * c2
            c2 = 1.0 - 0.5 * z + z * z * c2
            cosine[p] += (1.0 - 2.0 * s * s) if ok else 0.0
            sine[p] += 2.0 * s * c2
    if not weighted:
        weighted_square[:] = square


@jit
def variances(plan, factor, inverse, edge_variance, variance):
    """Diagonal of the inverse Laplacian by selected inversion on the plan's own pattern (Takahashi's equations).

    `edge_variance` (edge, lane) is scratch for the covariances between joined dates. Every term is a product of
    positive numbers: nothing cancels.
    """
    edge_variance[:] = 0.0
    variance[0, :] = 0.0
    for s in range(plan.order.shape[0] - 1, -1, -1):
        v = plan.order[s]
        first, last = plan.neighbour_start[s], plan.neighbour_start[s + 1]
        t = plan.target_start[s]
        for i in range(first, last):
            u, e = plan.neighbours[i]
            for p in range(LANES):
                edge_variance[e, p] += factor[e, p] * variance[u, p]
            for j in range(i + 1, last):
                target, other = plan.targets[t], plan.neighbours[j, 1]
                t += 1
                for p in range(LANES):
                    edge_variance[e, p] += factor[other, p] * edge_variance[target, p]
                    edge_variance[other, p] += factor[e, p] * edge_variance[target, p]
        for p in range(LANES):
            variance[v, p] = inverse[v, p]
        for q in range(first, last):
            e = plan.neighbours[q, 1]
            for p in range(LANES):
                variance[v, p] += factor[e, p] * edge_variance[e, p]


@jit
def date_counts(plan, valid, counts):
    """Number of used pairs at each date, uint16 (date, lane)."""
    counts[:] = 0
    for k in range(valid.shape[0]):
        a, b = plan.reference[k], plan.secondary[k]
        for p in range(LANES):
            counts[a, p] += valid[k, p]
        for p in range(LANES):
            counts[b, p] += valid[k, p]


@jit
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
            label[v] = pieces
        else:
            label[v] = 1 if v == 0 else label[root[v]]


@jit
def _top(root, v):
    while root[v] != v:
        root[v] = root[root[v]]
        v = root[v]
    return v


@jit
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
