"""Least absolute deviations of a pair network by an interior point method, for pixels side by side.

Per pixel: minimise ``sum_k w_k |r_k|``, r_k = d_k - (phi_secondary - phi_reference). The dual has one variable s_k in
[-1, 1] a pair, with ``A' W s = 0`` (A the incidence matrix): a flow that no date gains or loses. For every such s

    sum_k w_k |r_k| - min  <=  sum_k (w_k |r_k| - s_k w_k r_k)

so the sum on the right, of terms that are never negative, certifies how far a solution is from the optimum.

The method follows the central path of Portnoy & Koenker (Statistical Science 12, 1997, section 4), in units of
weighted residuals: w r = P - Q with P, Q > 0, and P (1 - s) = Q (1 + s) = mu, with mu going to 0. Newton's step is
weighted least squares of the same network with conductances ``w^2 / H``, H = P / (1 - s) + Q / (1 + s): the
elimination. A missing pair has w = 0 and moves nothing. Everything scales with the data: there is no unit in it.
"""

from insarray.kernels.compiled import lane_jit
from insarray.kernels.network.starmesh import factorise, substitute

_CENTRING = 0.1  # mu aimed at, of the present mean of P (1 - s) and Q (1 + s)
_STEP = 0.995  # of the way to the nearest bound


@lane_jit
def lad(plan, work, tolerance, most):
    """Solve the pixels of `work` from a least-squares start with inverse variances ``w^2``, in place.

    A pixel stops when its gap is at most `tolerance` of the objective, when all its residuals are 0 but for rounding, or
    after `most` steps. Pixels go through much the same number of steps, so that those that are done simply wait for the
    others of their group.
    """
    _start(work)
    active = work.active
    while active.any():
        _system(plan, work)
        factorise(plan, work.conductance, work.inverse, work.broken)
        substitute(plan, work.conductance, work.inverse, work.current, work.change)
        _direction(plan, work)
        _advance(work)
        for p in range(len(active)):
            work.iterations[p] += active[p]
        for p in range(len(active)):
            active[p] &= (work.gap[p] > tolerance * work.objective[p]) & (work.iterations[p] < most)
        for p in range(len(active)):
            active[p] &= work.objective[p] > work.rounding[p]
    _confirm(plan, work)


@lane_jit
def _start(work):
    """Least squares makes ``A' W (w r) = 0``: its weighted residuals, scaled into the box, are the first flow."""
    lanes = len(work.active)
    total, peak = work.objective, work.target
    total[:] = 0.0
    peak[:] = 0.0
    for k in range(work.weight.shape[0]):
        for p in range(lanes):
            total[p] += abs(work.residual[k, p])
        for p in range(lanes):
            peak[p] = max(peak[p], abs(work.residual[k, p]))
    pairs = work.weight.shape[0]
    work.iterations[:] = 0
    work.gap[:] = 0.0
    for p in range(lanes):
        work.active[p] = total[p] > work.rounding[p]
    for k in range(pairs):
        positive, negative, flow = work.positive[k], work.negative[k], work.flow[k]
        for p in range(lanes):
            flow[p] = 0.9 * work.residual[k, p] / peak[p] if peak[p] > 0.0 else 0.0
        for p in range(lanes):
            slack = 0.5 * total[p] / pairs if total[p] > 0.0 else 1.0
            positive[p] = max(work.residual[k, p], 0.0) + slack
            negative[p] = max(-work.residual[k, p], 0.0) + slack
    _measure(work)


@lane_jit
def _measure(work):
    """Objective, its gap, and the mu to aim at next."""
    lanes = len(work.active)
    work.objective[:] = 0.0
    work.gap[:] = 0.0
    work.target[:] = 0.0
    pairs = work.weight.shape[0]
    share = _CENTRING / (2.0 * pairs)
    for k in range(pairs):
        positive, negative, flow = work.positive[k], work.negative[k], work.flow[k]
        for p in range(lanes):
            work.objective[p] += abs(positive[p] - negative[p])
        for p in range(lanes):
            r = positive[p] - negative[p]
            work.gap[p] += abs(r) - flow[p] * r
        for p in range(lanes):
            work.target[p] += share * (positive[p] * (1.0 - flow[p]) + negative[p] * (1.0 + flow[p]))


@lane_jit
def _confirm(plan, work):
    """Objective and gap once more, of the residuals of the solution itself instead of P - Q."""
    lanes = len(work.active)
    work.objective[:] = 0.0
    work.gap[:] = 0.0
    for k in range(work.weight.shape[0]):
        earlier, later, residual = work.solution[plan.reference[k]], work.solution[plan.secondary[k]], work.residual[k]
        for p in range(lanes):
            residual[p] = work.weight[k, p] * (work.sample[k, p] - (later[p] - earlier[p]))
        for p in range(lanes):
            work.objective[p] += abs(residual[p])
        for p in range(lanes):
            work.gap[p] += abs(residual[p]) - work.flow[k, p] * residual[p]


@lane_jit
def _system(plan, work):
    """Conductances and currents of Newton's step; ``1 / (H (1 - s) (1 + s))`` of every pair is left in `step`."""
    lanes = len(work.active)
    work.conductance[:] = 0.0
    work.current[:] = 0.0
    pair_conductance, pair_current, target = work.buffer[0], work.buffer[1], work.target
    for k in range(work.weight.shape[0]):
        positive, negative, flow, weight = work.positive[k], work.negative[k], work.flow[k], work.weight[k]
        share = work.step[k]
        for p in range(lanes):
            share[p] = 1.0 / (positive[p] * (1.0 + flow[p]) + negative[p] * (1.0 - flow[p]))
        for p in range(lanes):
            pair_conductance[p] = weight[p] * weight[p] * share[p] * ((1.0 + flow[p]) * (1.0 - flow[p]))
        for p in range(lanes):
            both = (1.0 + flow[p]) * (1.0 - flow[p])
            rest = (positive[p] - negative[p]) * both - 2.0 * target[p] * flow[p]
            pair_current[p] = weight[p] * share[p] * rest
        total = work.conductance[plan.pair_edge[k]]
        into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
        for p in range(lanes):
            total[p] += pair_conductance[p]
        for p in range(lanes):
            into[p] += pair_current[p]
        for p in range(lanes):
            out_of[p] -= pair_current[p]


@lane_jit
def _direction(plan, work):
    """Step of every flow, and how much of the steps of flows and of P and Q can be taken."""
    lanes = len(work.active)
    flow_limit, slack_limit = work.buffer[0], work.buffer[1]  # 1 / the part of the step that reaches a bound
    flow_limit[:] = 0.0
    slack_limit[:] = 0.0
    inverse, target = work.buffer[2], work.target
    for k in range(work.weight.shape[0]):
        positive, negative, flow, weight = work.positive[k], work.negative[k], work.flow[k], work.weight[k]
        earlier, later, step = work.change[plan.reference[k]], work.change[plan.secondary[k]], work.step[k]
        for p in range(lanes):
            both = (1.0 + flow[p]) * (1.0 - flow[p])
            rest = positive[p] - negative[p] - weight[p] * (later[p] - earlier[p])
            step[p] = (rest * both - 2.0 * target[p] * flow[p]) * step[p]
        for p in range(lanes):  # one division for all bounds: divisions are what takes the time
            inverse[p] = 1.0 / (positive[p] * negative[p] * ((1.0 + flow[p]) * (1.0 - flow[p])))
        for p in range(lanes):
            away = max(step[p] * (1.0 + flow[p]), -step[p] * (1.0 - flow[p]))
            flow_limit[p] = max(flow_limit[p], away * (positive[p] * negative[p] * inverse[p]))
        for p in range(lanes):
            of_positive = (target[p] + positive[p] * step[p]) * (negative[p] * (1.0 + flow[p]))
            of_negative = (target[p] - negative[p] * step[p]) * (positive[p] * (1.0 - flow[p]))
            slack_limit[p] = max(slack_limit[p], 1.0 - min(of_positive, of_negative) * inverse[p])
    for p in range(lanes):
        flow_limit[p] = min(1.0, _STEP / flow_limit[p]) if flow_limit[p] > 0.0 else 1.0
        slack_limit[p] = min(1.0, _STEP / slack_limit[p]) if slack_limit[p] > 0.0 else 1.0


@lane_jit
def _advance(work):
    """Take the steps where the pixel is not done, and measure."""
    lanes = len(work.active)
    flow_part, slack_part, inverse, target = work.buffer[0], work.buffer[1], work.buffer[2], work.target
    for p in range(lanes):
        flow_part[p] = flow_part[p] if work.active[p] else 0.0
        slack_part[p] = slack_part[p] if work.active[p] else 0.0
    for k in range(work.weight.shape[0]):
        positive, negative, flow, step = work.positive[k], work.negative[k], work.flow[k], work.step[k]
        for p in range(lanes):
            inverse[p] = 1.0 / ((1.0 + flow[p]) * (1.0 - flow[p]))
        for p in range(lanes):
            wanted = (target[p] + positive[p] * step[p]) * (1.0 + flow[p]) * inverse[p]
            positive[p] += slack_part[p] * (wanted - positive[p])
        for p in range(lanes):
            wanted = (target[p] - negative[p] * step[p]) * (1.0 - flow[p]) * inverse[p]
            negative[p] += slack_part[p] * (wanted - negative[p])
        for p in range(lanes):
            flow[p] += flow_part[p] * step[p]
    for v in range(work.solution.shape[0]):
        for p in range(lanes):
            work.solution[v, p] += slack_part[p] * work.change[v, p] if work.active[p] else 0.0
    _measure(work)
