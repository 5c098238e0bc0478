"""Pair network of MintPy's two design matrices."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array
from insarray.model.errors import ArgumentError


class DateNetwork(NamedTuple):
    """Pairs and dates in the order of MintPy's matrices.

    Parameters
    ----------
    pairs
        Date indices (date1, date2), int32, shape (pair, 2), in the direction of the matrices.
    years
        Years of each date since the first, shape (date,).
    reference
        Index of the date without a column in A; None if each has one.
    """

    pairs: Array
    years: Array
    reference: int | None

    @property
    def n_dates(self) -> int:
        """Number of dates."""
        return len(self.years)


def network_of(A: ArrayLike, B: ArrayLike, tbase_diff: ArrayLike) -> DateNetwork:
    """Return the network of A (pairs by dates) and B (pairs by the intervals they span, in years).

    B alone gives the dates of each pair; A gives the reference date, which may be any or none.

    Raises
    ------
    ArgumentError
        If the matrices do not fit together.
    """
    interval = np.asarray(tbase_diff, np.float64).reshape(-1)
    if not (interval > 0).all():
        raise ArgumentError("tbase_diff: intervals between the dates must be positive")
    pairs = _pairs_of_intervals(np.asarray(B, np.float64), interval)
    years = np.concatenate([[0.0], np.cumsum(interval)])
    return DateNetwork(pairs, years, _reference(np.asarray(A), pairs, len(years)))


def _pairs_of_intervals(B: Array, interval: Array) -> Array:
    if B.ndim != 2 or B.shape[1] not in (len(interval), len(interval) + 1):
        raise ArgumentError(f"B: shape {B.shape} does not fit {len(interval)} intervals of tbase_diff")
    spans = B[:, : len(interval)]
    inside = spans != 0
    if not inside.any(axis=1).all() or B[:, len(interval) :].any():
        raise ArgumentError(f"B: row {int(inside.any(axis=1).argmin())} spans no interval, or one after the last date")
    first = inside.argmax(axis=1)
    behind = len(interval) - inside[:, ::-1].argmax(axis=1)
    sign = np.sign(spans[np.arange(len(B)), first])
    k = np.arange(len(interval))
    expected = np.where((k >= first[:, None]) & (k < behind[:, None]), sign[:, None] * interval, 0.0)
    wrong = ~np.isclose(spans, expected, rtol=1e-4, atol=1e-6).all(axis=1)
    if wrong.any():
        raise ArgumentError(f"B: row {int(wrong.argmax())} is not made of consecutive intervals of tbase_diff")
    forward = sign > 0
    return np.stack([np.where(forward, first, behind), np.where(forward, behind, first)], axis=1).astype(np.int32)


def _reference(A: Array, pairs: Array, n_dates: int) -> int | None:
    incidence = np.zeros((len(pairs), n_dates))
    rows = np.arange(len(pairs))
    incidence[rows, pairs[:, 0]], incidence[rows, pairs[:, 1]] = -1, 1
    if A.shape == incidence.shape and np.array_equal(A, incidence):
        return None
    if A.shape == (len(pairs), n_dates - 1):
        shifted = (incidence[:, :-1] != A).any(axis=0)
        reference = int(shifted.argmax()) if shifted.any() else n_dates - 1
        if np.array_equal(A, np.delete(incidence, reference, axis=1)):
            return reference
    raise ArgumentError(f"A: shape {A.shape}, does not have the {len(pairs)} pairs of {n_dates} dates that B has")
