"""Elimination of the dates of a network, one star-mesh step a date, for pixels side by side.

A step only ever adds, multiplies and divides positive conductances (Kron reduction; Dorfler & Bullo, IEEE TCAS-I 60,
2013, section II), so nothing cancels.
"""

from insarray.kernels.compiled import lane_jit


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
