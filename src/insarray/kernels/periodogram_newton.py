"""Climbing the peaks of the periodogram, for links side by side in float32 or float64 (DESIGN 4.4).

With t_n the phase less the model, w_n the weights (sum 1), a_n the row of the design, C = sum w cos t, S = sum w sin t:
the objective g is C, or ``sqrt(C**2 + S**2)`` where the rows share an unknown phase psi = arctan2(S, C). Then

    gradient of g   sum w a sin(t - psi)
    Hessian of g    -sum w a a' cos(t - psi) + q q' / g,   q = sum w a cos(t - psi)   (no second term without psi)

With a prior the function to climb is ``artanh(g**2) - x' P x / 2``, P its inverse covariance over the number of rows:
see `periodogram.estimate_links`. Newton's step is taken where the Hessian is negative definite and the step shorter
than half a radian rms. Elsewhere a quadratic that lies below the function and touches it is maximised: since
``cos t >= cos t0 - sin(t0) (t - t0) - (t - t0)**2 / 2`` and artanh(g**2) is convex, ``-c G - P`` is a bound of the
curvature, G the second moments of the columns and c the slope of artanh(g**2). That step never leads down.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.compiled import lane_jit
from insarray.kernels.scratch import VECTOR

EPOCHS = 4
"""Epochs of a block: their products are added up in registers, which is what makes the sums fast."""

# Rows of the state of a group; parameters are offsets from the lattice node that the climb began at.
X, Y = 0 * VECTOR, 1 * VECTOR
LOW_X, HIGH_X, LOW_Y, HIGH_Y = 2 * VECTOR, 3 * VECTOR, 4 * VECTOR, 5 * VECTOR
NODE_X, NODE_Y = 6 * VECTOR, 7 * VECTOR  # absolute, for the prior
MOMENT_X, MOMENT_Y, MOMENT_XY = 8 * VECTOR, 9 * VECTOR, 10 * VECTOR
PRIOR_X, PRIOR_Y = 11 * VECTOR, 12 * VECTOR
ACTIVE = 13 * VECTOR
COHERENCE = 14 * VECTOR
STATE_ROWS = 15


class Arithmetic(NamedTuple):
    """Constants in the precision of the arrays: a constant of another would change that of the result."""

    one: Any
    two: Any
    six: Any
    half: Any
    turns: Any  # 1 / (2 pi)
    magic: Any  # adding and subtracting it rounds to whole numbers
    pi_high: Any  # pi, with few enough bits that a product with a small whole number is exact
    pi_low: Any  # the rest of it
    least: Any  # g is taken to lie between this and `most` where it is divided by or by 1 - g
    most: Any
    done: Any  # a step shorter than this (rad rms) is the last one
    sine: tuple[Any, ...]
    cosine: tuple[Any, ...]


def _arithmetic(real: Any, bits: int, terms: int, done: float) -> Arithmetic:
    high = math.ldexp(round(math.ldexp(math.pi, bits)), -bits)
    digits = np.finfo(real).nmant
    return Arithmetic(
        *(real(value) for value in (1.0, 2.0, 6.0, 0.5, 0.5 / math.pi, 1.5 * 2.0**digits, high, math.pi - high)),
        *(real(value) for value in (1e-3, 1.0 - 1e-6, done)),
        tuple(real((-1.0) ** k / math.factorial(2 * k + 1)) for k in range(terms - 1, -1, -1)),
        tuple(real((-1.0) ** k / math.factorial(2 * k)) for k in range(terms, -1, -1)),
    )


SINGLE = _arithmetic(np.float32, 11, 6, 1e-3)
DOUBLE = _arithmetic(np.float64, 30, 10, 1e-6)


@lane_jit
def sincos(t, unit):
    """Sine and cosine by their series for half the angle, which never has to change the sign; vectorises."""
    turns = (t * unit.turns + unit.magic) - unit.magic
    r = t * unit.half - turns * unit.pi_high - turns * unit.pi_low
    q = r * r
    sine, cosine = unit.sine[0], unit.cosine[0]
    for coefficient in unit.sine[1:]:
        sine = sine * q + coefficient
    for coefficient in unit.cosine[1:]:
        cosine = cosine * q + coefficient
    sine = sine * r
    twice = sine + sine
    return twice * cosine, unit.one - twice * sine


@lane_jit
def _waves(phase, weight, height, time, state, unit, cosines, sines):
    """Weighted cosines and sines of a block of epochs, less the model at the present offsets."""
    for e in range(EPOCHS):
        rows = slice(e * VECTOR, (e + 1) * VECTOR)
        r, w, b, a, c, s = phase[rows], weight[rows], height[rows], time[e], cosines[rows], sines[rows]
        for p in range(VECTOR):
            sine, cosine = sincos(r[p] - a * state[p + X] - b[p] * state[p + Y], unit)
            c[p] = w[p] * cosine
            s[p] = w[p] * sine


@lane_jit
def _add_moments(waves, height, time, total):
    """Sums of the waves times 1, a, b, aa, ab, bb, over a block of epochs."""
    a0, a1, a2, a3 = time[0], time[1], time[2], time[3]
    for p in range(VECTOR):
        w0, w1, w2, w3 = waves[p], waves[p + VECTOR], waves[p + 2 * VECTOR], waves[p + 3 * VECTOR]
        b0, b1, b2, b3 = height[p], height[p + VECTOR], height[p + 2 * VECTOR], height[p + 3 * VECTOR]
        x0, x1, x2, x3 = a0 * w0, a1 * w1, a2 * w2, a3 * w3
        y0, y1, y2, y3 = b0 * w0, b1 * w1, b2 * w2, b3 * w3
        total[p] = total[p] + w0 + w1 + w2 + w3
        total[p + VECTOR] = total[p + VECTOR] + x0 + x1 + x2 + x3
        total[p + 2 * VECTOR] = total[p + 2 * VECTOR] + y0 + y1 + y2 + y3
        total[p + 3 * VECTOR] = total[p + 3 * VECTOR] + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
        total[p + 4 * VECTOR] = total[p + 4 * VECTOR] + a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3
        total[p + 5 * VECTOR] = total[p + 5 * VECTOR] + b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3


@lane_jit
def _evaluate(total, common, prior, state, unit, slope):
    """Turn the sums by the common phase; objective, coherence, and the slopes the prior needs.

    Rows of `slope`: gradient (2), Hessian less the prior (3), MM curvature factor. `total` is left as it is.
    """
    zero = unit.one - unit.one
    for p in range(VECTOR):
        c, s = total[p], total[p + 6 * VECTOR]
        size = np.sqrt(c * c + s * s)
        inverse = unit.one / max(size, unit.least * unit.least)
        turn_c, turn_s = (c * inverse, s * inverse) if common else (unit.one, zero)
        inverse = inverse if common else zero
        g = size if common else c
        gx = turn_c * total[p + 7 * VECTOR] - turn_s * total[p + VECTOR]
        gy = turn_c * total[p + 8 * VECTOR] - turn_s * total[p + 2 * VECTOR]
        qx = turn_c * total[p + VECTOR] + turn_s * total[p + 7 * VECTOR]
        qy = turn_c * total[p + 2 * VECTOR] + turn_s * total[p + 8 * VECTOR]
        xx = qx * qx * inverse - (turn_c * total[p + 3 * VECTOR] + turn_s * total[p + 9 * VECTOR])
        xy = qx * qy * inverse - (turn_c * total[p + 4 * VECTOR] + turn_s * total[p + 10 * VECTOR])
        yy = qy * qy * inverse - (turn_c * total[p + 5 * VECTOR] + turn_s * total[p + 11 * VECTOR])
        factor = unit.one
        if prior:
            near = min(max(g, unit.least), unit.most)
            fourth = near * near * near * near
            factor = (near + near) / (unit.one - fourth)
            bend = (unit.two + unit.six * fourth) / ((unit.one - fourth) * (unit.one - fourth))
            xx = factor * xx + bend * gx * gx - state[p + PRIOR_X]
            xy = factor * xy + bend * gx * gy
            yy = factor * yy + bend * gy * gy - state[p + PRIOR_Y]
            gx = factor * gx - state[p + PRIOR_X] * (state[p + NODE_X] + state[p + X])
            gy = factor * gy - state[p + PRIOR_Y] * (state[p + NODE_Y] + state[p + Y])
        slope[p] = gx
        slope[p + VECTOR] = gy
        slope[p + 2 * VECTOR] = xx
        slope[p + 3 * VECTOR] = xy
        slope[p + 4 * VECTOR] = yy
        slope[p + 5 * VECTOR] = factor
        slope[p + 6 * VECTOR] = g


@lane_jit
def _step(slope, state, unit, move):
    """Newton's step where it can be trusted, else that of the quadratic below the function; bounds that hold are kept."""
    zero = unit.one - unit.one
    for p in range(VECTOR):
        x, y, gx, gy = state[p + X], state[p + Y], slope[p], slope[p + VECTOR]
        x_held = (x <= state[p + LOW_X] and gx <= zero) or (x >= state[p + HIGH_X] and gx >= zero)
        y_held = (y <= state[p + LOW_Y] and gy <= zero) or (y >= state[p + HIGH_Y] and gy >= zero)
        gx, gy = zero if x_held else gx, zero if y_held else gy
        factor, both = slope[p + 5 * VECTOR], x_held or y_held
        xx = unit.one if x_held else -slope[p + 2 * VECTOR]
        yy = unit.one if y_held else -slope[p + 4 * VECTOR]
        xy = zero if both else -slope[p + 3 * VECTOR]
        below_xx = unit.one if x_held else factor * state[p + MOMENT_X] + state[p + PRIOR_X]
        below_yy = unit.one if y_held else factor * state[p + MOMENT_Y] + state[p + PRIOR_Y]
        below_xy = zero if both else factor * state[p + MOMENT_XY]
        det = xx * yy - xy * xy
        inverse = unit.one / det
        dx, dy = (yy * gx - xy * gy) * inverse, (xx * gy - xy * gx) * inverse
        long = max(dx * dx * state[p + MOMENT_X], dy * dy * state[p + MOMENT_Y])
        trusted = xx > zero and det > zero and long < unit.half * unit.half
        inverse = unit.one / (below_xx * below_yy - below_xy * below_xy)
        dx = dx if trusted else (below_yy * gx - below_xy * gy) * inverse
        dy = dy if trusted else (below_xx * gy - below_xy * gx) * inverse
        move[p] = dx
        move[p + VECTOR] = dy


@lane_jit
def _move(move, slope, state, prior, unit):
    """Take the steps inside the bounds, where the link is not done."""
    for p in range(VECTOR):
        active = state[p + ACTIVE] > unit.one - unit.one
        x, y = state[p + X], state[p + Y]
        new_x = min(max(x + move[p], state[p + LOW_X]), state[p + HIGH_X])
        new_y = min(max(y + move[p + VECTOR], state[p + LOW_Y]), state[p + HIGH_Y])
        dx, dy = new_x - x, new_y - y
        length = dx * dx * state[p + MOMENT_X] + dy * dy * state[p + MOMENT_Y]
        state[p + COHERENCE] = slope[p + 6 * VECTOR] if active else state[p + COHERENCE]
        state[p + X] = new_x if active else x
        state[p + Y] = new_y if active else y
        state[p + ACTIVE] = unit.one if active and length > unit.done * unit.done else unit.one - unit.one


@lane_jit
def refine(phase, weight, height, time, state, common, prior, most, unit, work):
    """Climb from the present offsets of the active lanes; the coherence is that before the last step.

    Parameters
    ----------
    phase, weight, height
        (block, EPOCHS * VECTOR), rad less the model at the node; of sum 1; rad per m.
    time
        (block, EPOCHS).
    state
        (STATE_ROWS * VECTOR,), changed in place.
    common, prior
        As in `Problem`.
    most
        Number of steps after which to stop.
    unit
        `SINGLE` or `DOUBLE`, of the precision of the arrays.
    work
        `Climb` of that precision.
    """
    for _ in range(most):
        work.total[:] = unit.one - unit.one
        for n in range(phase.shape[0]):
            _waves(phase[n], weight[n], height[n], time[n], state, unit, work.cosines, work.sines)
            _add_moments(work.cosines, height[n], time[n], work.total[0])
            _add_moments(work.sines, height[n], time[n], work.total[1])
        _evaluate(work.total.ravel(), common, prior, state, unit, work.slope)
        _step(work.slope, state, unit, work.move)
        _move(work.move, work.slope, state, prior, unit)
        if not (state[ACTIVE : ACTIVE + VECTOR] > unit.one - unit.one).any():
            break
