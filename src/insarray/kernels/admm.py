"""Least absolute deviations by a fixed number of ADMM steps, as published, for pixels side by side.

Boyd et al. (Foundations and Trends in Machine Learning 3, 2010, section 6.1), with the data's own unit in rho: it
neither knows nor cares how far it is from the optimum, so that `certify` says it afterwards. Missing pairs and weights
enter through the threshold ``w_k / rho``, so that the matrix is the same for all pixels.
"""

from insarray.kernels.compiled import lane_jit
from insarray.kernels.starmesh import factorise, substitute, substitute_shared


@lane_jit
def admm(plan, shared, work, rho, relaxation, count):
    """`count` steps for the pixels of `work` from zero: phases of the dates in `solution`, the gap by `certify`.

    `work.residual` is given as weighted samples w d, of the samples themselves in `work.sample`.
    """
    lanes = len(work.active)
    split, price = work.positive, work.negative  # z and the scaled dual u
    split[:] = 0.0
    price[:] = 0.0
    work.solution[:] = 0.0
    target = work.buffer[0]
    for _ in range(count):
        work.current[:] = 0.0
        for k in range(split.shape[0]):
            into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
            for p in range(lanes):
                target[p] = work.sample[k, p] + split[k, p] - price[k, p]
            for p in range(lanes):
                into[p] += target[p]
            for p in range(lanes):
                out_of[p] -= target[p]
        substitute_shared(plan, shared.factor, shared.inverse, work.current, work.solution)
        for k in range(split.shape[0]):
            earlier, later = work.solution[plan.reference[k]], work.solution[plan.secondary[k]]
            for p in range(lanes):
                misfit = later[p] - earlier[p] - work.sample[k, p]
                value = relaxation * misfit + (1.0 - relaxation) * split[k, p] + price[k, p]
                threshold = work.weight[k, p] / rho
                shrunk = max(value - threshold, 0.0) - max(-value - threshold, 0.0)
                split[k, p] = shrunk
                price[k, p] = value - shrunk
    for k in range(split.shape[0]):
        earlier, later = work.solution[plan.reference[k]], work.solution[plan.secondary[k]]
        for p in range(lanes):
            weight = work.weight[k, p]
            work.residual[k, p] = weight * (work.sample[k, p] - (later[p] - earlier[p]))
            work.flow[k, p] = max(-1.0, min(1.0, -rho * price[k, p] / weight)) if weight > 0.0 else 0.0
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
