"""Climbing the peaks of the periodogram, for links side by side in float32 or float64.

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
from insarray.kernels.network.scratch import VECTOR

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

# Rows of the slopes: direction of the common phase, 1 / g, g, gradient, Hessian, slope of artanh(g**2).
TURN_C, TURN_S, INVERSE, G = 0 * VECTOR, 1 * VECTOR, 2 * VECTOR, 3 * VECTOR
G_X, G_Y, G_XX, G_XY, G_YY = 4 * VECTOR, 5 * VECTOR, 6 * VECTOR, 7 * VECTOR, 8 * VECTOR
FACTOR = 9 * VECTOR
SLOPE_ROWS = 10


class Arithmetic(NamedTuple):
    """Constants in the precision of the arrays: a constant of another would change that of the result."""

    zero: Any
    one: Any
    two: Any
    six: Any
    half: Any
    turns: Any  # 1 / (2 pi)
    magic: Any  # adding and subtracting it rounds to whole numbers
    pi_high: Any  # pi, with few enough bits that a product with a small whole number is exact
    pi_low: Any  # the rest of it
    tiny: Any  # added to g where it divides
    least: Any  # g is taken to lie between this and `most` where it is divided by or by 1 - g
    most: Any
    done: Any  # a step shorter than this (rad rms) is the last one
    sine: tuple[Any, ...]
    cosine: tuple[Any, ...]


def _arithmetic(real: Any, bits: int, terms: int, done: float) -> Arithmetic:
    high = math.ldexp(round(math.ldexp(math.pi, bits)), -bits)
    return Arithmetic(
        zero=real(0.0),
        one=real(1.0),
        two=real(2.0),
        six=real(6.0),
        half=real(0.5),
        turns=real(0.5 / math.pi),
        magic=real(1.5 * 2.0 ** np.finfo(real).nmant),
        pi_high=real(high),
        pi_low=real(math.pi - high),
        tiny=real(1e-15),
        least=real(1e-3),
        most=real(1.0 - 1e-6),
        done=real(done),
        sine=tuple(real((-1.0) ** k / math.factorial(2 * k + 1)) for k in range(terms - 1, -1, -1)),
        cosine=tuple(real((-1.0) ** k / math.factorial(2 * k)) for k in range(terms, -1, -1)),
    )


SINGLE = _arithmetic(np.float32, 11, 6, 1e-3)
DOUBLE = _arithmetic(np.float64, 30, 10, 1e-8)


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
def waves(angle, unit, wave):
    """Cosines, then sines, of the angles of a block of epochs."""
    for p in range(EPOCHS * VECTOR):
        sine, cosine = sincos(angle[p], unit)
        wave[p] = cosine
        wave[p + EPOCHS * VECTOR] = sine


@lane_jit
def scale(weight, wave):
    """Give a block of waves its weights."""
    for p in range(EPOCHS * VECTOR):
        wave[p] = wave[p] * weight[p]
        wave[p + EPOCHS * VECTOR] = wave[p + EPOCHS * VECTOR] * weight[p]


@lane_jit
def _residual(phase, height, time, state, angle):
    """Phases of a block of epochs less the model at the present offsets."""
    for e in range(EPOCHS):
        rows = slice(e * VECTOR, (e + 1) * VECTOR)
        r, b, a, out = phase[rows], height[rows], time[e], angle[rows]
        for p in range(VECTOR):
            out[p] = r[p] - a * state[p + X] - b[p] * state[p + Y]


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
def _objective(total, common, unit, slope):
    """Direction (2 rows) of the common phase, 1 / g, or 0 if there is no such phase, and g."""
    if common:
        for p in range(VECTOR):
            c, s = total[p], total[p + 6 * VECTOR]
            g = np.sqrt(c * c + s * s)
            inverse = unit.one / (g + unit.tiny)
            slope[p + TURN_C] = c * inverse
            slope[p + TURN_S] = s * inverse
            slope[p + INVERSE] = inverse
            slope[p + G] = g
    else:
        for p in range(VECTOR):
            slope[p + TURN_C] = unit.one
            slope[p + TURN_S] = unit.zero
            slope[p + INVERSE] = unit.zero
            slope[p + G] = total[p]


@lane_jit
def _slopes(total, unit, slope):
    """Gradient and Hessian of g."""
    for p in range(VECTOR):
        c, s, inverse = slope[p + TURN_C], slope[p + TURN_S], slope[p + INVERSE]
        qx, qy = (
            c * total[p + VECTOR] + s * total[p + 7 * VECTOR],
            c * total[p + 2 * VECTOR] + s * total[p + 8 * VECTOR],
        )
        slope[p + G_X] = c * total[p + 7 * VECTOR] - s * total[p + VECTOR]
        slope[p + G_Y] = c * total[p + 8 * VECTOR] - s * total[p + 2 * VECTOR]
        slope[p + G_XX] = qx * qx * inverse - (c * total[p + 3 * VECTOR] + s * total[p + 9 * VECTOR])
        slope[p + G_XY] = qx * qy * inverse - (c * total[p + 4 * VECTOR] + s * total[p + 10 * VECTOR])
        slope[p + G_YY] = qy * qy * inverse - (c * total[p + 5 * VECTOR] + s * total[p + 11 * VECTOR])
        slope[p + FACTOR] = unit.one


@lane_jit
def _add_prior(state, unit, slope):
    """The same of artanh(g**2) less the prior's part, and the slope of artanh(g**2)."""
    for p in range(VECTOR):
        g = min(max(slope[p + G], unit.least), unit.most)
        fourth = g * g * g * g
        inverse = unit.one / (unit.one - fourth)
        factor, bend = (g + g) * inverse, (unit.two + unit.six * fourth) * inverse * inverse
        gx, gy = slope[p + G_X], slope[p + G_Y]
        slope[p + G_XX] = factor * slope[p + G_XX] + bend * gx * gx - state[p + PRIOR_X]
        slope[p + G_XY] = factor * slope[p + G_XY] + bend * gx * gy
        slope[p + G_YY] = factor * slope[p + G_YY] + bend * gy * gy - state[p + PRIOR_Y]
        slope[p + G_X] = factor * gx - state[p + PRIOR_X] * (state[p + NODE_X] + state[p + X])
        slope[p + G_Y] = factor * gy - state[p + PRIOR_Y] * (state[p + NODE_Y] + state[p + Y])
        slope[p + FACTOR] = factor


@lane_jit
def _step(slope, state, unit, move):
    """Newton's step where it can be trusted, else that of the quadratic below the function; bounds that hold are kept."""
    zero = unit.zero
    for p in range(VECTOR):
        x, y, gx, gy, factor = state[p + X], state[p + Y], slope[p + G_X], slope[p + G_Y], slope[p + FACTOR]
        x_held = ((x <= state[p + LOW_X]) & (gx <= zero)) | ((x >= state[p + HIGH_X]) & (gx >= zero))
        y_held = ((y <= state[p + LOW_Y]) & (gy <= zero)) | ((y >= state[p + HIGH_Y]) & (gy >= zero))
        held = x_held | y_held
        gx = zero if x_held else gx
        gy = zero if y_held else gy
        xx = unit.one if x_held else -slope[p + G_XX]
        yy = unit.one if y_held else -slope[p + G_YY]
        xy = zero if held else -slope[p + G_XY]
        det = xx * yy - xy * xy
        inverse = unit.one / det
        dx, dy = (yy * gx - xy * gy) * inverse, (xx * gy - xy * gx) * inverse
        long = max(dx * dx * state[p + MOMENT_X], dy * dy * state[p + MOMENT_Y])
        trusted = (xx > zero) & (det > zero) & (long < unit.half * unit.half)
        xx = unit.one if x_held else factor * state[p + MOMENT_X] + state[p + PRIOR_X]
        yy = unit.one if y_held else factor * state[p + MOMENT_Y] + state[p + PRIOR_Y]
        xy = zero if held else factor * state[p + MOMENT_XY]
        inverse = unit.one / (xx * yy - xy * xy)
        move[p] = dx if trusted else (yy * gx - xy * gy) * inverse
        move[p + VECTOR] = dy if trusted else (xx * gy - xy * gx) * inverse


@lane_jit
def _move(move, slope, unit, state):
    """Take the steps inside the bounds, where the link is not done."""
    for p in range(VECTOR):
        active = state[p + ACTIVE] > unit.zero
        x, y = state[p + X], state[p + Y]
        new_x = min(max(x + move[p], state[p + LOW_X]), state[p + HIGH_X])
        new_y = min(max(y + move[p + VECTOR], state[p + LOW_Y]), state[p + HIGH_Y])
        dx, dy = new_x - x, new_y - y
        length = dx * dx * state[p + MOMENT_X] + dy * dy * state[p + MOMENT_Y]
        state[p + COHERENCE] = slope[p + G] if active else state[p + COHERENCE]
        state[p + X] = new_x if active else x
        state[p + Y] = new_y if active else y
        state[p + ACTIVE] = unit.one if active & (length > unit.done * unit.done) else unit.zero


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
    total, slope = work.total, work.slope
    for _ in range(most):
        total[:] = unit.zero
        for n in range(phase.shape[0]):
            _residual(phase[n], height[n], time[n], state, work.angle)
            waves(work.angle, unit, work.wave)
            scale(weight[n], work.wave)
            _add_moments(work.wave[: EPOCHS * VECTOR], height[n], time[n], total[: 6 * VECTOR])
            _add_moments(work.wave[EPOCHS * VECTOR :], height[n], time[n], total[6 * VECTOR :])
        _objective(total, common, unit, slope)
        _slopes(total, unit, slope)
        if prior:
            _add_prior(state, unit, slope)
        _step(slope, state, unit, work.move)
        _move(work.move, slope, unit, state)
        if not (state[ACTIVE : ACTIVE + VECTOR] > unit.zero).any():
            break
