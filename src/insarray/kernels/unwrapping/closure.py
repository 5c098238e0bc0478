"""Closure of loops of pairs: phase, whole cycles, counts, and the pairs that explain what does not close."""

import math
from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.compiled import jit

Array = np.ndarray[Any, np.dtype[Any]]

_TURN = 2 * math.pi
_LANES = 512  # pixels at a time: the samples of all pairs stay in the cache while every loop reads them


class Closure(NamedTuple):
    """Closure of loops at pixels.

    Parameters
    ----------
    phase
        Radians, float32, shape (loop, pixel); NaN where a pair of the loop is missing.
    cycles
        Whole cycles nearest to it, float32, shape (loop, pixel); NaN where `phase` is.
    loops
        Loops observed, uint16, shape (pixel,).
    nonzero
        Loops observed whose `cycles` is not 0, uint16, shape (pixel,).
    """

    phase: Array
    cycles: Array
    loops: Array
    nonzero: Array


class LoopSums(NamedTuple):
    """Sums over pixels, of which statistics of any number of blocks are made.

    Parameters
    ----------
    observed, nonzero
        Pixels where the loop is observed, and where its whole cycles are not 0, int64, shape (loop,).
    square
        Sum of the squared rest, closure minus whole cycles, rad^2, float64, shape (loop,).
    pair_observed
        Pixels where some loop of the pair is observed, int64, shape (pair,).
    pixels
        Pixels with an observed loop, and with a loop whose cycles are not 0, int64, shape (2,).
    """

    observed: Array
    nonzero: Array
    square: Array
    pair_observed: Array
    pixels: Array


def close_loops(phase: Array, pairs: Array, signs: Array, reference: Array | None = None) -> Closure:
    """Closure of every loop at every pixel, summed in float64.

    Parameters
    ----------
    phase
        Radians, secondary minus reference, shape (pair, pixel); NaN or infinite where missing.
    pairs, signs
        Sides of the loops, shape (loop, side): pair, and +1 or -1 for the direction in which it is walked; 0 behind
        the last side of a loop.
    reference
        Phase to subtract from each pair, radians, shape (pair,); None: nothing.

    Notes
    -----
    Closure phase c of a loop: sum of the signed phases (Biggs et al. 2007, for triplets). Its whole cycles are
    round(c / 2 pi), which is (c - wrapped(c)) / 2 pi with the wrapped phase in [-pi, pi]. An unwrapping error of one
    pair moves them by a whole number; noise and physical misclosure stay in the wrapped rest if they are smaller than
    half a cycle.
    """
    loops, pixels = len(pairs), phase.shape[1]
    closure = Closure(
        np.empty((loops, pixels), np.float32),
        np.empty((loops, pixels), np.float32),
        np.zeros(pixels, np.uint16),
        np.zeros(pixels, np.uint16),
    )
    level = np.zeros(len(phase)) if reference is None else np.ascontiguousarray(reference, np.float64)
    _close(np.ascontiguousarray(phase), np.ascontiguousarray(pairs), np.ascontiguousarray(signs), level, *closure)
    return closure


@jit
def _close(phase, pairs, signs, level, closure, cycles, loops, nonzero):
    pixels = phase.shape[1]
    total = np.empty(_LANES)
    for start in range(0, pixels, _LANES):
        lanes = min(_LANES, pixels - start)
        for n in range(pairs.shape[0]):
            total[:] = 0.0
            for side in range(pairs.shape[1]):
                sign = np.float64(signs[n, side])
                if sign == 0.0:
                    break
                k = pairs[n, side]
                for p in range(lanes):
                    total[p] += sign * (np.float64(phase[k, start + p]) - level[k])
            for p in range(lanes):
                c = total[p] if abs(total[p]) < np.inf else np.nan
                whole = np.rint(c / _TURN)
                closure[n, start + p] = c
                cycles[n, start + p] = whole
                loops[start + p] += 1 if c == c else 0
                nonzero[start + p] += 1 if abs(whole) > 0.0 else 0


def sum_loops(closure: Array, cycles: Array, pairs: Array, n_pairs: int) -> LoopSums:
    """Sums over the pixels of one block.

    Parameters
    ----------
    closure, cycles
        Of `close_loops`, shape (loop, pixel).
    pairs
        Sides of the loops, shape (loop, side); negative behind the last side of a loop.
    n_pairs
        Number of pairs.
    """
    loops = len(pairs)
    sums = LoopSums(
        np.zeros(loops, np.int64),
        np.zeros(loops, np.int64),
        np.zeros(loops),
        np.zeros(n_pairs, np.int64),
        np.zeros(2, np.int64),
    )
    _sum(np.ascontiguousarray(closure), np.ascontiguousarray(cycles), np.ascontiguousarray(pairs), *sums)
    return sums


@jit
def _sum(closure, cycles, pairs, observed, nonzero, square, pair_observed, pixels):
    seen = np.empty((len(pair_observed), _LANES), np.bool_)
    some, open_ = np.empty(_LANES, np.bool_), np.empty(_LANES, np.bool_)
    for start in range(0, closure.shape[1], _LANES):
        lanes = min(_LANES, closure.shape[1] - start)
        seen[:] = False
        some[:] = False
        open_[:] = False
        for n in range(closure.shape[0]):
            for p in range(lanes):
                whole = np.float64(cycles[n, start + p])
                if whole == whole:
                    rest = np.float64(closure[n, start + p]) - _TURN * whole
                    observed[n] += 1
                    square[n] += rest * rest
                    some[p] = True
                    if whole != 0.0:
                        nonzero[n] += 1
                        open_[p] = True
            for side in range(pairs.shape[1]):
                k = pairs[n, side]
                if k < 0:
                    break
                for p in range(lanes):
                    seen[k, p] |= cycles[n, start + p] == cycles[n, start + p]
        for k in range(len(pair_observed)):
            for p in range(lanes):
                pair_observed[k] += seen[k, p]
        for p in range(lanes):
            pixels[0] += some[p]
            pixels[1] += open_[p]


def sum_over_pairs(values: Array, pairs: Array, n_pairs: int) -> Array:
    """Sum of the `values` of the loops, shape (loop,), over the loops of each pair, shape (pair,)."""
    totals = np.zeros(n_pairs, values.dtype)
    inside = pairs >= 0
    np.add.at(totals, pairs[inside], np.broadcast_to(values[:, None], pairs.shape)[inside])
    return totals


def find_suspects(
    observed: Array, nonzero: Array, pairs: Array, length: Array, threshold: float
) -> tuple[Array, Array]:
    """Loops that do not close, and a small set of pairs that explains them.

    A loop does not close if its share of non-zero closures is more than `threshold`. Then, again and again, the pair
    whose removal takes most non-zero closures of such loops with it is named and its loops are set aside, until none
    is left. Of equals the pair with the larger share over all its loops is named, then the longer one, then the first.

    Parameters
    ----------
    observed, nonzero
        Pixels of each loop, and those with non-zero closure, int, shape (loop,).
    pairs
        Sides of the loops, shape (loop, side); negative behind the last side of a loop.
    length
        Temporal baseline of each pair, shape (pair,).
    threshold
        Share from 0 to less than 1.

    Returns
    -------
    unclosed
        bool, shape (loop,).
    order
        uint16, shape (pair,): 0 for pairs that are not named, else 1, 2, ... in the order of naming.

    Notes
    -----
    A pair is named for a loop of which no other pair has been named, so that the rest of that loop still ties its
    dates together: leaving out the named pairs never cuts a network.
    """
    n_pairs = len(length)
    unclosed = nonzero > threshold * observed
    share = sum_over_pairs(nonzero, pairs, n_pairs) / np.maximum(sum_over_pairs(observed, pairs, n_pairs), 1)
    order, left = np.zeros(n_pairs, np.uint16), unclosed.copy()
    while left.any():
        taken = sum_over_pairs(np.where(left, nonzero, 0), pairs, n_pairs)
        worst = np.lexsort((-np.arange(n_pairs), length, share, taken))[-1]
        order[worst] = order.max() + 1
        left &= ~(pairs == worst).any(axis=1)
    return unclosed, order
