"""Which files count at the time of an acquisition: of that time, or those before and after it."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from insarray.io.corrections.source import DelayFile
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError

LONGEST = 6.5
"""Hours between two files between which is interpolated."""

_SAME = 1 / 60  # hours: a time is met

F = TypeVar("F", bound=DelayFile)
Weighted = tuple[tuple[float, F], ...]
"""Files and their weights, whose sum is 1."""


def at_times(
    files: Sequence[F], moments: np.ndarray, max_hours: float, *, missing_is_nan: bool, timed: bool
) -> list[Weighted[F]]:
    """Files and their weights for each time.

    Where files lie before and after, at most 6.5 hours apart, it is interpolated linearly; else the nearest counts, if it
    is near enough. Files of which only the day is known count for their day.

    Parameters
    ----------
    files
        In any order.
    moments
        UTC.
    max_hours
        How far away the nearest may be.
    missing_is_nan
        Whether times without files are left out, with no files, instead of refused.
    timed
        Whether the times of day of the moments are known.

    Raises
    ------
    ArgumentError
        If there is none for a time, which is named with the nearest; or the files say the time of day and the data do not.
    """
    by_day = [file for file in files if not file.timed]
    by_time = sorted((file for file in files if file.timed), key=lambda file: file.time)
    if by_time and not timed:
        raise ArgumentError(
            f"time_of_day: the files are of a time ({date_label(by_time[0].time)}), the dates of the data have none; give "
            "that of the acquisitions in UTC, such as '14:07:44'"
        )
    found: list[Weighted[F]] = []
    lacking: list[np.datetime64] = []
    for moment in moments:
        chosen = _of_day(by_day, moment) or _about(by_time, moment, max_hours)
        found.append(chosen)
        if not chosen:
            lacking.append(moment)
    if lacking and (not missing_is_nan or len(lacking) == len(moments)):
        raise ArgumentError(_complaint(files, lacking, len(moments), max_hours))
    return found


def _of_day(files: Sequence[F], moment: np.datetime64) -> Weighted[F]:
    day = moment.astype("datetime64[D]")
    same = [file for file in files if file.time.astype("datetime64[D]") == day]
    if len(same) > 1:
        raise ArgumentError(f"files: {same[0].path} and {same[1].path} are of one day; keep one of them")
    return tuple((1.0, file) for file in same)


def _about(files: Sequence[F], moment: np.datetime64, max_hours: float) -> Weighted[F]:
    if not files:
        return ()
    hours = np.array([(file.time - moment) / np.timedelta64(1, "h") for file in files])
    nearest = int(np.argmin(np.abs(hours)))
    if abs(hours[nearest]) <= _SAME:
        return ((1.0, files[nearest]),)
    after = int(np.searchsorted(hours, 0.0))
    if 0 < after < len(files) and hours[after] - hours[after - 1] <= LONGEST:
        place = float(-hours[after - 1] / (hours[after] - hours[after - 1]))
        return (1 - place, files[after - 1]), (place, files[after])
    return ((1.0, files[nearest]),) if abs(hours[nearest]) <= max_hours else ()


def _complaint(files: Sequence[DelayFile], lacking: list[np.datetime64], number: int, max_hours: float) -> str:
    first = lacking[0]
    nearest = min(files, key=lambda file: abs(file.time - first))
    listed = ", ".join(date_label(moment) for moment in lacking[:3])
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return (
        f"files: there is none for {len(lacking)} of {number} times ({listed}{more}): neither within {max_hours:g} hours nor "
        f"before and after; the nearest to {date_label(first)} is of {date_label(nearest.time)}: add files of the right "
        "hours, or give missing='nan'"
    )
