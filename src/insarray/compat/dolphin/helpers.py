"""Small functions of dolphin.timeseries: variance, incidence matrix, days, positions of extremes."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, refuse
from insarray.model.dates import Time, as_time
from insarray.model.errors import ArgumentError

_PEER = "dolphin"


def correlation_to_variance(correlation: ArrayLike, nlooks: float, *, strict: bool = False) -> Array:
    """Return the phase variance (rad^2), ``(1 - g^2) / (2 L g^2 + 1e-6)``: the Cramer-Rao bound.

    Parameters
    ----------
    correlation
        Between 0 and 1, any shape.
    nlooks
        Number of independent looks, positive.
    strict
        Raise where dolphin's result differs.

    Returns
    -------
    numpy.ndarray
        Float32 if `correlation` is float32, else float64, in its shape.

    Raises
    ------
    ArgumentError
        If `nlooks` is not positive, or the result differs and `strict` is set.

    Notes
    -----
    It is 1e6 at 0 although no phase variance exceeds pi^2 / 3. The weights of `invert_stack` are its inverse; dolphin's
    workflow uses the variance itself. A correlation outside 0 to 1 gives NaN here and a number in dolphin, above 1 a
    negative one.
    """
    if not nlooks > 0:
        raise ArgumentError(f"nlooks: {nlooks!r} is not a positive number")
    given = np.asarray(correlation)
    g = given.astype(np.float64)
    outside = (g < 0) | (g > 1)
    refuse(outside, _PEER, "correlation outside 0 to 1", strict=strict)
    square = np.where(outside, np.nan, g) ** 2
    variance: Array = (1 - square) / (2 * nlooks * square + 1e-6)
    return variance.astype(given.dtype if given.dtype == np.float32 else np.float64)


def get_incidence_matrix(
    ifg_pairs: Sequence[tuple[Hashable, Hashable]],
    sar_idxs: Sequence[Hashable] | None = None,
    delete_first_date_column: bool = True,  # noqa: FBT001, FBT002
) -> Array:
    """Return the incidence matrix of pairs: -1 at the first date of each pair, +1 at the second.

    Parameters
    ----------
    ifg_pairs
        (reference, secondary) dates or indices of dates.
    sar_idxs
        All dates, in the order of the columns; default: those of the pairs, sorted.
    delete_first_date_column
        Omit the first column.

    Returns
    -------
    numpy.ndarray
        Float64, shape (pair, date - 1), or (pair, date) with the first column.

    Raises
    ------
    ArgumentError
        If there are no pairs, or a pair has a date that is not in `sar_idxs` (dolphin omits it in the row), or the same
        date twice.
    """
    dates: Sequence[Hashable] = sorted({date for pair in ifg_pairs for date in pair}) if sar_idxs is None else sar_idxs  # type: ignore[type-var]
    column = {date: k for k, date in enumerate(dates)}
    if len(ifg_pairs) == 0:
        raise ArgumentError("ifg_pairs: found none")
    matrix = np.zeros((len(ifg_pairs), len(dates)))
    for row, (reference, secondary) in zip(matrix, ifg_pairs, strict=True):
        if reference not in column or secondary not in column or reference == secondary:
            raise ArgumentError(f"ifg_pairs: ({reference}, {secondary}) is not a pair of two of the dates")
        row[column[reference]], row[column[secondary]] = -1, 1
    return matrix[:, 1:] if delete_first_date_column else matrix


def datetime_to_float(dates: Sequence[Time]) -> Array:
    """Return the days since the first of the dates, float64, shape (date,).

    Raises
    ------
    ArgumentError
        If there are no dates, or one is invalid.
    """
    if len(dates) == 0:
        raise ArgumentError("dates: found none")
    times = np.array([as_time(date) for date in dates], "datetime64[s]")
    return np.asarray((times - times[0]).astype(np.float64) / 86400.0)


def argmax_index(arr: ArrayLike, *, strict: bool = False) -> tuple[int, ...]:
    """Return the index of the maximum, or of the first of several.

    Parameters
    ----------
    arr
        Any shape. NaN and masked values are ignored; dolphin returns the index of a NaN.
    strict
        Raise if there are NaN.

    Returns
    -------
    tuple of int

    Raises
    ------
    ArgumentError
        If there are not values, or the result differs and `strict` is set.
    """
    return _extreme(arr, 1, strict=strict)


def argmin_index(arr: ArrayLike, *, strict: bool = False) -> tuple[int, ...]:
    """Return the index of the minimum; otherwise as `argmax_index`.

    Parameters
    ----------
    arr, strict
        As in `argmax_index`.

    Returns
    -------
    tuple of int

    Raises
    ------
    ArgumentError
        If there are not values, or the result differs and `strict` is set.
    """
    return _extreme(arr, -1, strict=strict)


def _extreme(arr: ArrayLike, sign: int, *, strict: bool) -> tuple[int, ...]:
    values: np.ma.MaskedArray[Any, np.dtype[Any]] = np.ma.asarray(arr)
    refuse(np.isnan(values.compressed()), _PEER, "it gives the index of a NaN", strict=strict)
    known = ~(np.ma.getmaskarray(values) | np.isnan(values.data))
    if not known.any():
        raise ArgumentError("arr: has no value that is not NaN or masked")
    score = np.where(known, sign * values.data.astype(np.float64), -np.inf)
    score[known & (score == -np.inf)] = -np.finfo(np.float64).max  # rank infinite values before missing ones
    return tuple(int(k) for k in np.unravel_index(int(score.argmax()), score.shape))
