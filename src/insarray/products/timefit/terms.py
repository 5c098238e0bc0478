"""Parse and check the time function arguments of `insarray.fit`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from insarray.model.arguments import as_list
from insarray.model.dates import Time, as_time, date_label
from insarray.model.errors import ArgumentError
from insarray.model.time_model import TimeModel


def model_of(
    degree: int,
    periods: Sequence[float],
    steps: Sequence[Time],
    velocity_changes: Sequence[Time],
    exponentials: Sequence[tuple[Time, float]],
    logarithms: Sequence[tuple[Time, float]],
) -> TimeModel:
    """Return the model of the arguments: dates in any form, and a single date or period without a list."""
    dates: list[Any] = [
        tuple(_date(event) for event in as_list(name, events))
        for name, events in (("steps", steps), ("velocity_changes", velocity_changes))
    ]
    relaxations: list[Any] = [
        tuple(_relaxation(name, item) for item in as_list(name, items))
        for name, items in (("exponentials", exponentials), ("logarithms", logarithms))
    ]
    try:
        years = tuple(float(period) for period in as_list("periods", periods))
    except (TypeError, ValueError):
        raise ArgumentError(f"periods: {periods!r} are not numbers of years") from None
    return TimeModel(degree, years, *dates, *relaxations)


def _date(event: Time) -> str:
    """Return a date as text, as models store it, without the time of day if it is midnight."""
    return str(as_time(event)).removesuffix("T00:00:00") if not isinstance(event, str) else event


def _relaxation(name: str, item: Any) -> tuple[str, float]:
    try:
        event, days = item
        return _date(event), float(days)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: {item!r} is not (date, days)") from None


def require_events_between(model: TimeModel, first: np.datetime64, last: np.datetime64) -> None:
    """Raise ArgumentError for events without a later or an earlier date, which have no effect on the observations."""
    events = {
        "steps": model.steps,
        "velocity_changes": model.velocity_changes,
        "exponentials": tuple(event for event, _ in model.exponentials),
        "logarithms": tuple(event for event, _ in model.logarithms),
    }
    for name, given in events.items():
        for event in given:
            # a step is visible on the last date, a change of velocity only after it
            too_late = as_time(event) > last if name == "steps" else as_time(event) >= last
            too_early = as_time(event) <= first if name == "steps" else False
            if too_late or too_early:
                raise ArgumentError(
                    f"{name}: {event} is not within the dates {date_label(first)}..{date_label(last)}, so that nothing "
                    "observed depends on it; leave it out"
                )
