"""Times between which the motion of several tracks is taken as linear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from insarray.model.arguments import as_list
from insarray.model.dates import Time, as_time, date_label, years_since
from insarray.model.errors import ArgumentError, StackError

Knots = float | Sequence[Time]

_DATES_BETWEEN = 2  # of every track from one knot to the next: with one alone its noise adds up from knot to knot


@dataclass(frozen=True, eq=False)
class Timeline:
    """Knots, and where the dates of all tracks lie among them, one track after the other.

    Parameters
    ----------
    times
        Of the knots, ``datetime64[s]``.
    track, knot, part, years
        See `insarray.kernels.components.series.Dates`.
    """

    times: np.ndarray
    track: np.ndarray
    knot: np.ndarray
    part: np.ndarray
    years: np.ndarray

    @property
    def outside(self) -> int:
        """Number of dates that are before the first or after the last knot."""
        return int((self.knot < 0).sum())

    @property
    def knot_years(self) -> np.ndarray:
        """Years of each knot since the first."""
        return years_since(self.times, self.times[0])


def timeline(dates: Mapping[str, np.ndarray], knots: Knots | None) -> Timeline:
    """Knots for the dates of tracks.

    Parameters
    ----------
    dates
        ``datetime64[s]`` of each track, ascending.
    knots
        Their dates, or the days from one to the next; None: at dates, as many as there can be with two dates of every track
        from each to the next.

    Raises
    ------
    StackError
        If a track has fewer than two dates in the time that all have in common.
    ArgumentError
        If knots cannot be.
    """
    start, stop = max(times[0] for times in dates.values()), min(times[-1] for times in dates.values())
    for name, times in dates.items():
        common = int(((times >= start) & (times <= stop)).sum())
        if common < 2:
            own = f"{date_label(times[0])} to {date_label(times[-1])}"
            raise StackError(
                f"{name}: has {common} date(s) in the time that the tracks have in common (its {len(times)}: {own}); a "
                "series of motion needs two of every track"
            )
    if knots is None:
        times = _by_dates(list(dates.values()), start, stop)
    elif isinstance(knots, int | float):
        times = _every(float(knots), start, stop)
    else:
        times = _given(knots, start, stop)
    return _placed(dates, times)


def _by_dates(dates: list[np.ndarray], start: np.datetime64, stop: np.datetime64) -> np.ndarray:
    found = [start]
    while True:
        behind = [times[(times > found[-1]) & (times <= stop)] for times in dates]
        if any(len(times) < _DATES_BETWEEN for times in behind):
            break
        found.append(max(times[_DATES_BETWEEN - 1] for times in behind))
    if len(found) == 1:
        return np.array([start, stop])
    found[-1] = stop  # what is left of the time is too short for a knot of its own
    return np.array(found)


def _every(days: float, start: np.datetime64, stop: np.datetime64) -> np.ndarray:
    span = float((stop - start) / np.timedelta64(1, "s"))
    if not 0 < days * 86400 <= span:
        raise ArgumentError(f"knots: {days!r} is not a number of days in the {span / 86400:.0f} that the tracks share")
    number = max(1, round(span / 86400 / days))
    return np.asarray(start + np.round(np.linspace(0, span, number + 1)).astype("timedelta64[s]"))


def _given(knots: Sequence[Time], start: np.datetime64, stop: np.datetime64) -> np.ndarray:
    times = np.array([as_time(time) for time in as_list("knots", knots)], "datetime64[s]")
    if len(times) < 2 or not (np.diff(times) > np.timedelta64(0, "s")).all():
        raise ArgumentError(f"knots: {len(times)} dates; give at least two, ascending")
    if times[0] >= stop or times[-1] <= start:
        shared = f"{date_label(start)} to {date_label(stop)}"
        raise ArgumentError(f"knots: none lies in the time that the tracks have in common, {shared}")
    return times


def _placed(dates: Mapping[str, np.ndarray], times: np.ndarray) -> Timeline:
    every = np.concatenate(list(dates.values()))
    track = np.repeat(np.arange(len(dates)), [len(of) for of in dates.values()])
    at, knots = years_since(every, times[0]), years_since(times, times[0])
    knot = (np.searchsorted(knots, at, side="right") - 1).clip(0, len(knots) - 2)
    part = (at - knots[knot]) / (knots[knot + 1] - knots[knot])
    inside = (at >= 0) & (at <= knots[-1])
    return Timeline(times, track, np.where(inside, knot, -1), np.where(inside, part, 0.0), at)


def describe(knots: Knots | None) -> str:
    """How knots were chosen, for an attribute."""
    if knots is None:
        return "two dates of every track from each to the next"
    if isinstance(knots, int | float):
        return f"every {knots:g} days, about"
    return "given"
