"""What the solution leaves of the samples, for pixels side by side: sums of the residuals, their cosines and sines."""

import math

import numpy as np

from insarray.kernels.compiled import lane_jit

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds a double to the nearest integer
_HALF_TURN = math.pi


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
        cosine_and_sine(residual, other)
        for p in range(lanes):
            cosine[p] += residual[p] if valid[p] != 0 else 0.0
        for p in range(lanes):
            sine[p] += other[p]
    if not weighted:
        weighted_square[:] = square


@lane_jit
def residuals_complete(reference, plan, scratch):
    """`residuals` of a group whose samples are all there, with weight 1."""
    lanes = len(scratch.used)
    phase = scratch.phase
    scratch.sums[:] = 0.0
    cosine, sine, square = scratch.sums[0], scratch.sums[1], scratch.sums[2]
    residual, other = scratch.buffer[0], scratch.buffer[1]
    for k in range(phase.shape[0]):
        level = reference[k]
        earlier, later = scratch.solution[plan.reference[k]], scratch.solution[plan.secondary[k]]
        for p in range(lanes):
            residual[p] = np.float64(phase[k, p]) - level - (later[p] - earlier[p])
        for p in range(lanes):
            square[p] += residual[p] * residual[p]
        cosine_and_sine(residual, other)
        for p in range(lanes):
            cosine[p] += residual[p]
        for p in range(lanes):
            sine[p] += other[p]
    scratch.sums[3] = square


@lane_jit
def cosine_and_sine(angle, sine):
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
