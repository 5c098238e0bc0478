"""Time functions of a displacement series: terms, their names, and their columns at given dates."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from insarray.model.conventions import DAYS_PER_YEAR
from insarray.model.dates import as_time, date_label, years_since
from insarray.model.errors import ArgumentError

_POLYNOMIAL = ("velocity", "acceleration", "jerk")
_LONGEST = 100.0  # years: a longer period cannot be told from a trend, and is probably one in days


@dataclass(frozen=True)
class TimeModel:
    """Sum of time functions with factors to be fitted; a constant is always included.

    With t in years of 365.25 days since the first date, and t_e since an event:

    Parameters
    ----------
    degree
        Degree of the polynomial, 0 to 3: velocity t, acceleration t^2 / 2, jerk t^3 / 6.
    periods
        Periods in years: cos(2 pi t / T) and sin(2 pi t / T) of each.
    steps
        Dates or times of events: 0 before, 1 from then on.
    velocity_changes
        Dates: t_e from then on.
    exponentials
        (date, relaxation time in days): 1 - exp(-t_e / tau) from then on.
    logarithms
        (date, relaxation time in days): log(1 + t_e / tau) from then on.

    Raises
    ------
    ArgumentError
        If a number is invalid, or a term is repeated.
    """

    degree: int = 1
    periods: tuple[float, ...] = ()
    steps: tuple[str, ...] = ()
    velocity_changes: tuple[str, ...] = ()
    exponentials: tuple[tuple[str, float], ...] = ()
    logarithms: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.degree not in range(len(_POLYNOMIAL) + 1):
            raise ArgumentError(f"degree: {self.degree!r} is not 0, 1, 2 or 3")
        for period in self.periods:
            if not 0 < period < math.inf:
                raise ArgumentError(f"periods: {period!r} is not a positive number of years")
            if period > _LONGEST:
                raise ArgumentError(
                    f"periods: {period!r} years look like days; give years, such as 1 for an annual period"
                )
        for name in ("exponentials", "logarithms"):
            for event, days in getattr(self, name):
                if not 0 < days < math.inf:
                    raise ArgumentError(f"{name}: {days!r} after {event} is not a positive number of days")
        names = self.names
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ArgumentError(f"model: {', '.join(twice)} comes twice")
        if not names:
            raise ArgumentError("model: has no term but the constant; give a degree, a period or an event")

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column: periods as ``cosine_<years>`` and ``sine_<years>``."""
        found = list(_POLYNOMIAL[: self.degree])
        for period in self.periods:
            found += [f"cosine_{period:g}", f"sine_{period:g}"]
        found += [f"step_{date_label(as_time(event))}" for event in self.steps]
        found += [f"velocity_change_{date_label(as_time(event))}" for event in self.velocity_changes]
        found += [f"exponential_{date_label(as_time(event))}_{days:g}d" for event, days in self.exponentials]
        found += [f"logarithmic_{date_label(as_time(event))}_{days:g}d" for event, days in self.logarithms]
        return tuple(found)

    def as_json(self) -> str:
        """Return the model as text for `from_json`, without default values."""
        return json.dumps({name: value for name, value in asdict(self).items() if value or name == "degree"})

    @classmethod
    def from_json(cls, text: str) -> "TimeModel":
        """Return the model of a text made by `as_json`."""
        fields: dict[str, Any] = {name: _tuples(value) for name, value in json.loads(text).items()}
        return cls(**fields)

    def design(self, times: np.ndarray, origin: np.datetime64) -> np.ndarray:
        """Return the columns of the terms in the order of `names`, float64, shape (date, term).

        Parameters
        ----------
        times
            datetime64, shape (date,).
        origin
            Time at which t is 0: the first date of the series.
        """
        t = years_since(times, origin)
        columns = [t**power / math.factorial(power) for power in range(1, self.degree + 1)]
        for period in self.periods:
            columns += [np.cos(2 * np.pi * t / period), np.sin(2 * np.pi * t / period)]
        columns += [(times >= as_time(event)).astype(np.float64) for event in self.steps]
        columns += [_after(times, event) for event in self.velocity_changes]
        for event, days in self.exponentials:
            columns.append(1 - np.exp(-_after(times, event) * DAYS_PER_YEAR / days))
        for event, days in self.logarithms:
            columns.append(np.log1p(_after(times, event) * DAYS_PER_YEAR / days))
        return np.stack(columns, axis=1)


def _after(times: np.ndarray, event: str) -> np.ndarray:
    """Return the years since an event, 0 before it."""
    return np.asarray(np.maximum(years_since(times, as_time(event)), 0.0))


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
