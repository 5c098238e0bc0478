"""Helpers of the adapters: pairs from design matrices, samples as (row, pixel), checks for ``strict=True``."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from insarray.kernels.network.elimination import Solution
from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]


def pairs_of_incidence(A: ArrayLike, name: str = "A") -> tuple[Array, int]:
    """Return the pairs of an incidence matrix without the column of one date.

    Parameters
    ----------
    A
        Shape (pair, date - 1): -1 at the reference, +1 at the secondary of each pair.
    name
        Name of the argument, for the message.

    Returns
    -------
    pairs
        (reference, secondary) of each pair, int32, shape (pair, 2): 0 is the date without a column, k that of column k
        - 1.
    n_dates
        Number of dates, including the one without a column.

    Raises
    ------
    ArgumentError
        If a row does not represent a pair.
    """
    matrix = np.asarray(A)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ArgumentError(f"{name}: shape {matrix.shape} is not (pair, date - 1), nonempty")
    minus, plus = matrix == -1, matrix == 1
    ends = np.stack([minus.sum(axis=1), plus.sum(axis=1)], axis=1)
    wrong = (ends > 1).any(axis=1) | (ends.sum(axis=1) == 0) | ((matrix != 0) & ~minus & ~plus).any(axis=1)
    if wrong.any():
        raise ArgumentError(
            f"{name}: row {int(wrong.argmax())} is not that of a pair, an oriented graph edge: only -1, 0, and 1, the ones "
            "not more than once"
        )
    pairs = np.stack([np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0) for found in (minus, plus)], axis=1)
    return pairs.astype(np.int32), matrix.shape[1] + 1


def as_rows(values: ArrayLike, rows: int, name: str) -> Array:
    """Return values of shape (row, ...) as (row, pixel); float32 stays, other types become float64.

    Raises
    ------
    ArgumentError
        If the number of rows is not `rows`.
    """
    array = np.asarray(values)
    if array.ndim == 0 or len(array) != rows:
        raise ArgumentError(f"{name}: shape {array.shape} has not {rows} rows")
    return array.reshape(rows, -1).astype(np.float32 if array.dtype == np.float32 else np.float64, copy=False)


def as_rows_like(values: ArrayLike, like: Array, name: str) -> Array:
    """Return values as `as_rows` does, with the shape of `like`.

    Raises
    ------
    ArgumentError
        If the shapes differ.
    """
    array = as_rows(values, len(like), name)
    if array.shape != like.shape:
        raise ArgumentError(f"{name}: {array.shape[1]} pixels for {like.shape[1]} of the samples")
    return array


def refuse(differs: ArrayLike, package: str, reason: str, *, strict: bool) -> None:
    """Raise if the result of the other package would differ anywhere and the call is strict.

    Parameters
    ----------
    differs
        Mask of where it would differ, any shape.
    package
        Name of the other package.
    reason
        Description of the difference, for the message.
    strict
        Whether the caller requires the other package's result.

    Raises
    ------
    ArgumentError
        If it is strict and differs.
    """
    if strict and np.any(differs):
        count = f" (at {np.count_nonzero(differs)} of {np.size(differs)})" if np.size(differs) > 1 else ""
        raise ArgumentError(f"strict: {package} gives another answer here{count}: {reason}")


def least_phase(solution: Solution) -> Array:
    """Return the phase (date, pixel) of minimum norm with the same fit, as from a pseudo-inverse."""
    return least_phase_of(solution.phase, solution.label)


def least_phase_of(phase: Array, label: Array) -> Array:
    """Return the phase of minimum norm among those that differ by the levels of the network subsets.

    Parameters
    ----------
    phase, label
        Phase or displacement, and network subset, shape (date, ...), as in `Solution`.

    Returns
    -------
    numpy.ndarray
        Subsets that are not tied to the first date have mean zero; unobserved dates are zero.
    """
    least = np.nan_to_num(phase, nan=0.0)
    for piece in np.unique(label[label > 1]):
        dates = label == piece
        mean = np.where(dates, least, 0.0).sum(axis=0) / np.maximum(dates.sum(axis=0), 1)
        least = np.where(dates, least - mean, least)
    return least.astype(phase.dtype, copy=False)
