"""Whole cycles that unwrapping has added to samples by mistake, from the residuals of an L1 fit."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from insarray.kernels.network.elimination_plan import EliminationPlan
from insarray.kernels.robust.inversion import L1, solve_robust

Array = np.ndarray[Any, np.dtype[Any]]

TURN = 2 * np.pi
UNDECIDED = np.iinfo(np.int16).min
"""Cycles of a sample that is missing or not decided."""

_PIXELS = 2048  # at a time, as residuals are float64


def cycles_by_closure(
    phase: Array, plan: EliminationPlan, loops: Array, *, reference: Array | None = None, tolerance: float = 0.25
) -> tuple[Array, Array]:
    """Whole cycles in the residuals of the L1 fit of every pixel: the fewest that let all its loops close.

    Parameters
    ----------
    phase
        Radians, shape (pair, pixel); NaN where missing.
    plan
        Elimination plan of the network.
    loops
        Fundamental loops (`Network.loops`), int8, shape (loop, pair).
    reference
        Phase of the reference point, subtracted from each pair, shape (pair,).
    tolerance
        Largest distance (cycles) of a residual from a whole number, for it to be decided. Where several choices of
        wrong pairs are equally good, the fit comes to lie between them, and their residuals between whole numbers.

    Returns
    -------
    cycles
        In each sample beyond what the other pairs say, int16, shape (pair, pixel): to be subtracted. `UNDECIDED` where
        the sample is missing or not decided.
    redundant
        Number of independent loops of each pixel, int64; where it is 0 nothing can be decided.
    """
    cycles = np.full(phase.shape, UNDECIDED, np.int16)
    redundant = np.zeros(phase.shape[1], np.int64)
    path = csr_array(loops, dtype=np.float64)
    for start in range(0, phase.shape[1], _PIXELS):
        part = slice(start, start + _PIXELS)
        samples = phase[:, part].astype(np.float64)
        if reference is not None:
            samples -= reference[:, None]
        fit, _ = solve_robust(samples, plan, L1(), dtype=np.float64)
        residual = (samples - (fit.phase[plan.secondary] - fit.phase[plan.reference])) / TURN
        valid = np.isfinite(residual)
        whole = np.rint(np.where(valid, residual, 0.0))
        rest = np.where(valid, residual - whole, 0.0)
        between = np.abs(rest) > tolerance
        # a loop without any residual between whole numbers that still does not close: none of its pairs is decided
        complete = _count(path, ~valid | between) == 0
        unclosed = complete & (np.abs(np.asarray(path @ rest)) >= 0.5)
        undecided = between | (_count(path.T.tocsr(), unclosed) > 0)
        redundant[part] = fit.redundancy
        decided = valid & ~undecided & (redundant[part] > 0) & (np.abs(whole) < -UNDECIDED)
        cycles[:, part] = np.where(decided, whole, UNDECIDED).astype(np.int16)
    return cycles, redundant


def _count(path: Any, flags: Array) -> Array:
    """How many of the flagged (column, pixel) each row of `path` goes through."""
    return np.asarray(abs(path) @ flags.astype(np.float64))


def count_votes(cycles: Array, labels: Array) -> tuple[Array, Array]:
    """How many samples of each connected component have how many wrong cycles.

    Parameters
    ----------
    cycles
        From `cycles_by_closure`, shape (pair, pixel).
    labels
        Connected components, shape (pair, pixel); 0 does not vote.

    Returns
    -------
    votes
        Rows (pair, label, cycles), int64, in their order.
    count
        Number of samples of each row, int64.
    """
    pair, pixel = np.nonzero((cycles != UNDECIDED) & (labels > 0))
    rows = np.stack([pair, labels[pair, pixel].astype(np.int64), cycles[pair, pixel].astype(np.int64)], axis=1)
    votes, count = np.unique(rows, axis=0, return_counts=True)
    return votes.reshape(-1, 3), count


def majority(votes: Array, count: Array) -> Array:
    """Rows (pair, label, cycles) that more than half of the votes of the component agree on, int64.

    The arguments are sums of what `count_votes` returns, in which rows may come several times.
    """
    unique, where = np.unique(votes, axis=0, return_inverse=True)
    total = np.bincount(where.ravel(), count, len(unique))
    _, component = np.unique(unique[:, :2], axis=0, return_inverse=True)
    component = component.ravel()
    all_votes = np.bincount(component, total)
    return unique[2 * total > all_votes[component]]
