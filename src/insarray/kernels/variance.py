"""Interferometric phase: variance from coherence and looks, and the weights of the pairs that follow from it."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln, hyp2f1

from insarray.kernels.compiled import jit
from insarray.model.choices import Weights
from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]

COHERENCE_LIMITS = (0.05, 0.999)
"""Coherence is clipped to these before it becomes a weight: an estimate of 0 is not proof of no information, and one
of 1 not of infinite."""

_NODES = 2048


def phase_variance_cramer_rao(coherence: Array | float, looks: float) -> Array:
    """Lowest phase variance any estimator can have, ``(1 - g^2) / (2 L g^2)``, in rad^2.

    Good for high coherence or many looks; unbounded at low coherence, where the true variance cannot exceed
    ``pi^2 / 3`` (Rodriguez & Martin, IEE Proc. F 139, 1992).
    """
    square = np.square(np.asarray(coherence, np.float64))
    return np.asarray((1.0 - square) / (2.0 * looks * square))


def phase_variance_ds(coherence: Array | float, looks: float) -> Array:
    """Phase variance (rad^2) of a distributed scatterer: the second moment of the multilook phase distribution.

    Numerical integral of the distribution of Lee et al. (IEEE TGRS 32, 1994, eq. 16) and Tough et al. (1995) over
    (-pi, pi), to about 1e-8 of its value.

    Parameters
    ----------
    coherence
        0 <= g < 1, any shape.
    looks
        Number of independent looks, at least 1, not necessarily whole.

    Raises
    ------
    ArgumentError
        If `looks` is below 1 or `coherence` outside [0, 1).
    """
    _check_looks(looks)
    g = np.atleast_1d(np.asarray(coherence, np.float64))
    if not ((g >= 0) & (g < 1)).all():
        raise ArgumentError("coherence: outside [0, 1), where the phase variance is defined")
    # Gauss-Legendre on intervals that double from the width of the peak up to pi
    nodes, gauss = np.polynomial.legendre.leggauss(24)
    width = np.minimum(np.sqrt((1 - g**2) / (2 * looks * np.maximum(g, 1e-3) ** 2)), np.pi / 8)
    edges = np.minimum(width[:, None] * np.concatenate([[0.0], 2.0 ** np.arange(-1, 16)]), np.pi)
    edges[:, -1] = np.pi
    half = np.diff(edges)[..., None] / 2
    phi = edges[:, :-1, None] + half * (nodes + 1)
    variance = 2 * (phi**2 * _multilook_density(phi, g[:, None, None], looks) * half * gauss).sum(axis=(1, 2))
    return np.asarray(variance.reshape(np.shape(coherence)))


def _multilook_density(phi: Array, g: Array, looks: float) -> Array:
    """Density of the multilook phase; Euler's transformation of 2F1 keeps every factor in range for many looks."""
    beta = g * np.cos(phi)
    rest = 1 - beta**2
    ratio = ((1 - g**2) / rest) ** looks
    gamma_ratio = np.exp(gammaln(looks + 0.5) - gammaln(looks))
    peak = gamma_ratio * beta / (2 * np.sqrt(np.pi * rest))
    floor = hyp2f1(0.5 - looks, -0.5, 0.5, beta**2) / (2 * np.pi * np.sqrt(rest))
    return np.asarray(ratio * (peak + floor))


def pair_weights(coherence: Array, weights: Weights, looks: float | None) -> Array | None:
    """Weight of every sample, float32, NaN where the coherence is NaN; None for ``weights="none"``.

    Parameters
    ----------
    coherence
        Any shape; clipped to `COHERENCE_LIMITS`.
    weights
        "variance": 1 / `phase_variance_ds`. "fisher": 1 / `phase_variance_cramer_rao`, the Fisher information.
        "coherence": the coherence itself. "none": equal weights.
    looks
        Independent looks; needed for "variance" and "fisher".

    Raises
    ------
    ArgumentError
        If `looks` is missing or below 1.
    """
    if weights == "none":
        return None
    table = weight_table(weights, looks)
    flat = np.ascontiguousarray(coherence, np.float32).reshape(-1)
    return np.asarray(_weights_of(flat, table)).reshape(coherence.shape)


def weight_table(weights: Weights, looks: float | None) -> Array:
    """Return the table by which `weight_row` converts coherence to the weights "variance", "fisher" or "coherence".

    Raises
    ------
    ArgumentError
        If `looks` is missing or below 1.
    """
    return _weight_table(weights, 1.0 if weights == "coherence" else _check_looks(looks, weights))


def _check_looks(looks: float | None, weights: str = "variance") -> float:
    if looks is None:
        raise ArgumentError(f"looks: weights={weights!r} needs the number of independent looks of the coherence")
    if not (np.isfinite(looks) and looks >= 1):
        raise ArgumentError(f"looks: {looks!r} is not a number of at least 1")
    return float(looks)


@lru_cache(maxsize=8)
def _weight_table(weights: Weights, looks: float) -> Array:
    """Ratio of the weight to ``a g^2 / (1 - g^2) + b``, so smooth that linear steps do not show; then a and b; float32.

    The nodes are evenly spaced in ``sqrt(1 - g)``: denser where the variance goes to 0.
    """
    low, high = COHERENCE_LIMITS
    g = 1 - np.linspace(np.sqrt(1 - low), np.sqrt(1 - high), _NODES) ** 2
    if weights == "coherence":
        ratio, a, b = g, 0.0, 1.0
    elif weights == "fisher":
        ratio, a, b = np.ones_like(g), 2 * looks, 0.0
    else:
        a, b = 2 * looks, 3 / np.pi**2
        ratio = 1 / phase_variance_ds(g, looks) / (a * g**2 / (1 - g**2) + b)
    return np.concatenate([ratio, [a, b]]).astype(np.float32)


_LOW, _HIGH = np.float32(COHERENCE_LIMITS[0]), np.float32(COHERENCE_LIMITS[1])
_LEAST, _MOST = np.float32(1.0 - COHERENCE_LIMITS[1]), np.float32(1.0 - COHERENCE_LIMITS[0])  # of 1 - g
WEIGHT_ROWS = 5
"""Rows of working memory of `weight_row`."""


@jit
def weight_row(coherence, table, work, result):
    """Weights of some samples, in single precision: which adds at most 5e-6 of the weight to the error of the table; NaN stays NaN.

    Parameters
    ----------
    coherence
        float32, (sample,).
    table
        From `weight_table`.
    work
        float32, at least (`WEIGHT_ROWS`, sample).
    result
        float32, (sample,).
    """
    one, steps = np.float32(1.0), len(table) - 3
    a, b = table[steps + 1], table[steps + 2]
    start = np.sqrt(_MOST)
    rate, last = np.float32(steps) / (start - np.sqrt(_LEAST)), np.float32(steps - 1)
    cell, part, smooth, before, after = work[0], work[1], work[2], work[3], work[4]
    for k in range(len(coherence)):  # loops of arithmetic alone become vector instructions, look-ups do not
        g = coherence[k] if coherence[k] > _LOW else _LOW
        g = g if g < _HIGH else _HIGH
        rest = one - coherence[k]  # exact from 0.5 on; a difference of squares would cancel near 1
        rest = rest if rest > _LEAST else _LEAST
        rest = rest if rest < _MOST else _MOST
        smooth[k] = a * g * g / (rest * (one + g)) + b
        position = (start - np.sqrt(rest)) * rate
        position = position if position > np.float32(0.0) else np.float32(0.0)
        whole = np.float32(np.int32(position))
        cell[k] = whole if whole < last else last
        part[k] = position - cell[k]
    for k in range(len(coherence)):
        first = np.uint32(cell[k])
        before[k] = table[first]
        after[k] = table[first + np.uint32(1)]
    for k in range(len(coherence)):
        value = (before[k] + (after[k] - before[k]) * part[k]) * smooth[k]
        result[k] = value if coherence[k] == coherence[k] else np.float32(np.nan)


@jit
def _weights_of(coherence, table):
    result, most = np.empty(len(coherence), np.float32), 1024
    work = np.empty((WEIGHT_ROWS, most), np.float32)
    for first in range(0, len(coherence), most):
        last = min(first + most, len(coherence))
        weight_row(coherence[first:last], table, work, result[first:last])
    return result
