"""Minimum number of observations of a pixel for fits of time functions."""

from typing import NamedTuple

import numpy as np

from insarray.model.errors import ArgumentError

_DATES, _SHARE = 5, 3  # default minimum of dates, and the fraction 1/n of all dates
_FREEDOM = 3  # the variance of Student's t is finite from 3 degrees of freedom


class Minimum(NamedTuple):
    """Minimum requirements for a pixel.

    Parameters
    ----------
    dates
        Number of observed dates.
    redundancy
        Degrees of freedom: number of dates or pairs minus number of fitted terms.
    """

    dates: int
    redundancy: int


def minimum_of(dates: int, freedom: int, min_dates: int | None, min_redundancy: int | None) -> Minimum:
    """Return the given minimum, or the defaults.

    Parameters
    ----------
    dates
        Number of dates of the data.
    freedom
        Degrees of freedom of a pixel with all observations.
    min_dates
        Default: a third of the dates, but at least five, or half of the dates if there are fewer than ten.
    min_redundancy
        Default: three, but at most a third of `freedom`. For a velocity alone this requires no more than the default of
        `min_dates`; it matters with more terms or offsets.

    Raises
    ------
    ArgumentError
        If an argument is not a whole number, or so large that no pixel could meet it.
    """
    if min_dates is None:
        min_dates = max(-(-dates // _SHARE), min(_DATES, -(-dates // 2)))
    else:
        min_dates = whole_number("min_dates", min_dates)
        if min_dates > dates:
            raise ArgumentError(f"min_dates: {min_dates} is more than the {dates} dates of the data; give less")
    if min_redundancy is None:
        min_redundancy = min(_FREEDOM, max(freedom, 0) // _SHARE)
    else:
        min_redundancy = whole_number("min_redundancy", min_redundancy)
        if min_redundancy > max(freedom, 0):
            raise ArgumentError(
                f"min_redundancy: {min_redundancy} is more than the {max(freedom, 0)} that a complete pixel has to spare; "
                "give less, or fit fewer terms"
            )
    return Minimum(min_dates, min_redundancy)


def whole_number(name: str, value: object) -> int:
    """Return `value` as a non-negative integer.

    Raises
    ------
    ArgumentError
        If it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ArgumentError(f"{name}: {value!r} is not a number of dates or observations; give 0, 1, 2, ...")
    return int(value)
