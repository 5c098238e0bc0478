"""Least absolute deviations by a fixed number of ADMM steps, as published, for pixels side by side.

Boyd et al. (Foundations and Trends in Machine Learning 3, 2010, section 6.1), with the data's own unit in rho: it
neither knows nor cares how far it is from the optimum, so that `_certify` says it afterwards. Missing pairs and weights
enter through the threshold ``w_k / rho``, so that the matrix is the same for all pixels.
"""

from insarray.kernels.compiled import lane_jit
from insarray.kernels.network.starmesh import factorise, substitute, substitute_shared


@lane_jit
def admm(plan, shared, work, rho, relaxation, count):
    """`count` steps for the pixels of `work` from zero, of `sample` and `weight` alone; then residuals and the gap."""
    lanes = len(work.active)
    value, threshold, target = work.positive, work.negative, work.buffer[0]
    for k in range(value.shape[0]):
        for p in range(lanes):
            threshold[k, p] = work.weight[k, p] / rho
    value[:] = 0.0  # z + u: u is what of it lies within the threshold, z is the rest
    work.current[:] = 0.0
    for k in range(value.shape[0]):
        into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
        for p in range(lanes):
            into[p] += work.sample[k, p]
        for p in range(lanes):
            out_of[p] -= work.sample[k, p]
    for _ in range(count):
        substitute_shared(plan, shared.factor, shared.inverse, work.current, work.solution)
        work.current[:] = 0.0
        for k in range(value.shape[0]):
            earlier, later = work.solution[plan.reference[k]], work.solution[plan.secondary[k]]
            into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
            for p in range(lanes):
                misfit = later[p] - earlier[p] - work.sample[k, p]
                price = max(-threshold[k, p], min(threshold[k, p], value[k, p]))
                reached = relaxation * misfit + (1.0 - relaxation) * (value[k, p] - price) + price
                value[k, p] = reached
            for p in range(lanes):
                price = max(-threshold[k, p], min(threshold[k, p], value[k, p]))
                target[p] = work.sample[k, p] + value[k, p] - 2.0 * price
            for p in range(lanes):
                into[p] += target[p]
            for p in range(lanes):
                out_of[p] -= target[p]
    for k in range(value.shape[0]):
        earlier, later = work.solution[plan.reference[k]], work.solution[plan.secondary[k]]
        for p in range(lanes):
            weight = work.weight[k, p]
            work.residual[k, p] = weight * (work.sample[k, p] - (later[p] - earlier[p]))
            work.flow[k, p] = max(-1.0, min(1.0, -rho * value[k, p] / weight)) if weight > 0.0 else 0.0
    work.iterations[:] = count
    _certify(plan, work)


@lane_jit
def _certify(plan, work):
    """Make `flow` one that no date gains or loses, within [-1, 1], and say what it certifies (see `lad`)."""
    lanes = len(work.active)
    work.conductance[:] = 0.0
    work.current[:] = 0.0
    room = work.step  # how much of the surplus a pair shall carry
    for k in range(room.shape[0]):
        total = work.conductance[plan.pair_edge[k]]
        into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
        for p in range(lanes):
            room[k, p] = work.weight[k, p] * (1.0 - work.flow[k, p] ** 2 + 1e-3)
        for p in range(lanes):
            total[p] += room[k, p] * work.weight[k, p]
        for p in range(lanes):
            into[p] += work.weight[k, p] * work.flow[k, p]
        for p in range(lanes):
            out_of[p] -= work.weight[k, p] * work.flow[k, p]
    factorise(plan, work.conductance, work.inverse, work.broken)
    substitute(plan, work.conductance, work.inverse, work.current, work.change)
    peak = work.target
    peak[:] = 1.0
    for k in range(room.shape[0]):
        earlier, later = work.change[plan.reference[k]], work.change[plan.secondary[k]]
        for p in range(lanes):
            work.flow[k, p] -= room[k, p] * (later[p] - earlier[p])
        for p in range(lanes):
            peak[p] = max(peak[p], abs(work.flow[k, p]))
    work.objective[:] = 0.0
    work.gap[:] = 0.0
    for k in range(room.shape[0]):
        for p in range(lanes):
            work.objective[p] += abs(work.residual[k, p])
        for p in range(lanes):
            work.gap[p] += abs(work.residual[k, p]) - work.residual[k, p] * work.flow[k, p] / peak[p]
