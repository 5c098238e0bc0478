"""Huber's estimate of a pair network by reweighted elimination, for pixels side by side.

Per pixel: minimise ``sum_k rho(u_k)``, u_k = w_k r_k, rho(u) = u^2 / 2 up to the bound b and b |u| - b^2 / 2 beyond
(Huber, Annals of Mathematical Statistics 35, 1964). The bound is a multiple of the scale of the pixel's own residuals,
taken from its L1 fit and then kept, so that every step lowers one convex function.
"""

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.network.starmesh import factorise, substitute


@lane_jit
def huber(plan, work, threshold, tolerance, most):
    """Solve the pixels of `work` in place, from an L1 fit with its `residual_scale`.

    A pixel stops when its certified gap is at most `tolerance` of the objective, or after `most` steps; without a
    scale (no redundancy, or an L1 fit that most pairs agree with exactly) it stays as it is.
    """
    lanes = len(work.active)
    bound, active = work.target, work.active
    work.iterations[:] = 0
    for p in range(lanes):
        bound[p] = threshold * work.scale[p]
    for p in range(lanes):
        active[p] = bound[p] > 0.0
    while active.any():
        _system(plan, work)
        factorise(plan, work.conductance, work.inverse, work.broken)
        substitute(plan, work.conductance, work.inverse, work.current, work.change)
        _advance(plan, work)
        for p in range(lanes):
            work.iterations[p] += active[p]
        for p in range(lanes):
            active[p] &= (work.gap[p] > tolerance * work.objective[p]) & (work.iterations[p] < most)


@jit
def residual_scale(work):
    """Set `scale`: standard deviation of the weighted residuals of an L1 fit; NaN without redundancy.

    Such a fit makes as many residuals 0 as there are unknowns; the median of the others, over that of the sizes of
    Gaussian noise, is taken.
    """
    for p in range(len(work.scale)):
        count = 0
        for k in range(work.residual.shape[0]):
            if work.weight[k, p] > 0.0:
                work.sorted[count] = abs(work.residual[k, p])
                count += 1
        middle = (count + work.unknowns[p]) // 2
        some = count > work.unknowns[p]
        work.scale[p] = np.partition(work.sorted[:count], middle)[middle] / 0.6744897501960817 if some else np.nan


@lane_jit
def _system(plan, work):
    """Conductances and currents of one step, and the factor ``b / |u|`` of every pair's weight, at most 1."""
    lanes = len(work.active)
    work.conductance[:] = 0.0
    work.current[:] = 0.0
    for k in range(work.weight.shape[0]):
        weight, residual, factor = work.weight[k], work.residual[k], work.flow[k]
        total = work.conductance[plan.pair_edge[k]]
        into, out_of = work.current[plan.secondary[k]], work.current[plan.reference[k]]
        for p in range(lanes):
            size = abs(residual[p])
            factor[p] = work.target[p] / size if size > work.target[p] else 1.0
        for p in range(lanes):
            total[p] += weight[p] * weight[p] * factor[p]
        for p in range(lanes):
            into[p] += weight[p] * factor[p] * residual[p]
        for p in range(lanes):
            out_of[p] -= weight[p] * factor[p] * residual[p]


@lane_jit
def _advance(plan, work):
    """Take the step where the pixel is not done; objective, and its gap by the flow ``factor * u`` of the step.

    The step makes ``A' W (factor u) = 0`` with the factors it was made with. Scaled into [-b, b] that is a dual point,
    and rho(u) - y u + y^2 / 2 is never negative.
    """
    lanes = len(work.active)
    peak = work.buffer[0]
    peak[:] = 0.0
    for v in range(work.solution.shape[0]):
        for p in range(lanes):
            work.change[v, p] = work.change[v, p] if work.active[p] else 0.0
        for p in range(lanes):
            work.solution[v, p] += work.change[v, p]
    for k in range(work.weight.shape[0]):
        earlier, later = work.change[plan.reference[k]], work.change[plan.secondary[k]]
        for p in range(lanes):
            work.residual[k, p] -= work.weight[k, p] * (later[p] - earlier[p])
        for p in range(lanes):
            peak[p] = max(peak[p], abs(work.flow[k, p] * work.residual[k, p]))
    for p in range(lanes):
        peak[p] = work.target[p] / peak[p] if peak[p] > work.target[p] else 1.0
        work.gap[p] = 0.0 if work.active[p] else work.gap[p]
        work.objective[p] = 0.0 if work.active[p] else work.objective[p]
    for k in range(work.weight.shape[0]):
        residual, value = work.residual[k], work.step[k]
        for p in range(lanes):
            size, bound = abs(residual[p]), work.target[p]
            value[p] = 0.5 * size * size if size <= bound else bound * size - 0.5 * bound * bound
        for p in range(lanes):
            work.objective[p] += value[p] if work.active[p] else 0.0
        for p in range(lanes):
            y = work.flow[k, p] * residual[p] * peak[p]
            work.gap[p] += value[p] - y * residual[p] + 0.5 * y * y if work.active[p] else 0.0
