"""How much of a pixel must be observed for time functions to be fitted to it."""

from typing import NamedTuple

import numpy as np

from insarray.model.errors import ArgumentError

_DATES, _SHARE = 5, 3  # so many dates, and one in so many of those of the data
_FREEDOM = 3  # degrees of freedom from which the variance of Student's t is finite


class Minimum(NamedTuple):
    """What a pixel needs.

    Parameters
    ----------
    dates
        Number of dates that are observed.
    redundancy
        Degrees of freedom: dates or pairs beyond what is fitted to them.
    """

    dates: int
    redundancy: int


def minimum_of(dates: int, freedom: int, min_dates: int | None, min_redundancy: int | None) -> Minimum:
    """What was asked for, or the defaults.

    Parameters
    ----------
    dates
        Of the data.
    freedom
        Degrees of freedom of a pixel that lacks nothing.
    min_dates
        Default: a third of the dates, and five where that is less; but of fewer than ten dates half.
    min_redundancy
        Default: three, but never more than a third of `freedom`. For a velocity alone it asks no more than the default of
        `min_dates`; it counts with more terms, and more offsets.

    Raises
    ------
    ArgumentError
        If one is no whole number, or so large that no pixel could have it.
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
    """Value as a number of things.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ArgumentError(f"{name}: {value!r} is not a number of dates or observations; give 0, 1, 2, ...")
    return int(value)
