"""Dates that no pair ties to the reference date: leave them out, keep the pieces, or tie them by an assumption."""

from typing import Any

import numpy as np

from insarray.kernels.compiled import jit
from insarray.model.choices import Gap

Array = np.ndarray[Any, np.dtype[Any]]


def close_gaps(values: Array, std: Array, label: Array, years: Array, gap: Gap) -> None:
    """Treat the pieces of split networks, in place.

    Parameters
    ----------
    values
        Series with each piece relative to its own first date, shape (date, pixel); NaN where unobserved.
    std
        Its standard deviation, same shape or (0, 0).
    label
        `network_subset` of `insarray.kernels.network.elimination.Solution`, shape (date, pixel); it is left as it is, so
        that what was tied by an assumption stays recognisable.
    years
        Time of each date, shape (date,).
    gap
        "nan": dates not tied to the first become NaN. "subset": pieces stay relative to their own first date.
        "nsbas": pieces are shifted onto a straight line ``v t + c`` fitted to all of them, and unobserved dates lie on
        it: the limit of a vanishing constraint weight in Lopez-Quiroz et al. (J. Applied Geophysics 69, 2009, eq. 6).
        "min_norm": pieces and unobserved dates are placed where the velocities between consecutive dates have the
        smallest sum of squares, MintPy's answer (Berardino et al., IEEE TGRS 40, 2002, section III). For both, `std`
        is NaN where a date is not tied: the shift is an assumption, not an observation.

    Notes
    -----
    A pixel without any observation stays NaN.
    """
    if gap == "subset":
        return
    untied = label != 1
    if not untied.any():
        return
    if std.size:
        std[untied] = np.nan
    if gap == "nan":
        values[untied] = np.nan
        return
    pixels = np.flatnonzero(untied.any(axis=0) & (label > 0).any(axis=0))
    _tie(values, label, np.ascontiguousarray(years, np.float64), pixels, gap == "nsbas")


@jit
def _tie(values, label, years, pixels, straight):
    n = values.shape[0]
    series, piece = np.empty(n), np.empty(n, np.int64)
    for p in pixels:
        # piece 0 holds the first date, seen or not; every other unobserved date is a piece of its own
        pieces = label[:, p].max()
        for v in range(n):
            series[v] = values[v, p]
            if label[v, p] > 0:
                piece[v] = label[v, p] - 1
            else:
                series[v] = 0.0
                piece[v] = 0 if v == 0 else pieces
                pieces += v > 0
        if straight:
            _onto_line(series, piece, pieces, years)
        else:
            _least_velocity(series, piece, pieces, years)
        values[:, p] = series


@jit
def _onto_line(series, piece, pieces, years):
    """Shift pieces onto the line whose slope is the common slope within the pieces, through the first piece."""
    number, mean_t, mean_x = np.zeros(pieces), np.zeros(pieces), np.zeros(pieces)
    for v in range(len(series)):
        number[piece[v]] += 1
        mean_t[piece[v]] += years[v]
        mean_x[piece[v]] += series[v]
    mean_t /= np.maximum(number, 1)
    mean_x /= np.maximum(number, 1)
    tt = tx = 0.0
    for v in range(len(series)):
        t = years[v] - mean_t[piece[v]]
        tt += t * t
        tx += t * (series[v] - mean_x[piece[v]])
    slope = tx / tt
    for v in range(len(series)):
        q = piece[v]
        if q > 0:
            series[v] += mean_x[0] + slope * (mean_t[q] - mean_t[0]) - mean_x[q]


@jit
def _least_velocity(series, piece, pieces, years):
    """Shift pieces so that the sum over intervals of ((x_next - x) / dt)^2 is least."""
    normal, right = np.zeros((pieces, pieces)), np.zeros(pieces)
    for v in range(len(series) - 1):
        a, b = piece[v], piece[v + 1]
        if a != b:
            c = 1.0 / (years[v + 1] - years[v]) ** 2
            step = series[v + 1] - series[v]
            normal[a, a] += c
            normal[b, b] += c
            normal[a, b] -= c
            normal[b, a] -= c
            right[b] -= c * step
            right[a] += c * step
    shift = np.linalg.solve(normal[1:, 1:].copy(), right[1:].copy())
    for v in range(len(series)):
        if piece[v] > 0:
            series[v] += shift[piece[v] - 1]
