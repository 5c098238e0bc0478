"""Parse acquisition times from common formats and file names to `datetime64[s]`, and format them."""

import datetime as dt
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from insarray.model.errors import ArgumentError, StackError

Time = str | dt.date | dt.datetime | np.datetime64

_FORMATS = ("%Y%m%d", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S", "%y%m%d")
_YEARS = range(1970, 2100)
# YYYYMMDD, optionally followed by a time of day; consistent separators within the date are permitted
_LONG = r"(?<!\d)(?:19[7-9]\d|20\d\d)(?P<s{n}>[-_.]?)[01]\d(?P=s{n})[0-3]\d(?:[Tt]?[0-2]\d[0-5]\d[0-5]\d)?(?!\d)"
_SHORT = r"(?<!\d)\d\d[01]\d[0-3]\d(?!\d)"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# 06Jan2018 as in SNAP, 06-Jan-2018, 2018Jan06; month names are English in any locale
_NAMED = rf"(?<![A-Za-z\d])(?:\d\d[-_ ]?(?:{'|'.join(_MONTHS)})[-_ ]?\d{{4}}|\d{{4}}[-_ ]?(?:{'|'.join(_MONTHS)})[-_ ]?\d\d)(?![A-Za-z\d])"
LIKE_DATES = rf"\d{{6}}|\d{{4}}[-_.]\d\d[-_.]\d\d|{_NAMED}"
"""Pattern of text that resembles a date, valid or not."""

_BETWEEN = r"(?:_to_|--|[-_])"


def as_time(value: Time) -> np.datetime64:
    """Return an acquisition time as ``datetime64[s]``.

    Parameters
    ----------
    value
        A datetime, date, ``datetime64`` or text: ISO 8601, ``YYYYMMDD``, ``YYYYMMDDTHHMMSS``, ``YYMMDD``, or with month
        names, ``06Jan2018`` or ``2018Jan06``. Times with an offset are converted to UTC.

    Raises
    ------
    ArgumentError
        If the text is not a date.
    """
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            raise ArgumentError("date: found NaT (not a time)")
        return _seconds(value)
    if isinstance(value, str):
        value = _parse(value.strip())
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    if not isinstance(value, dt.date | np.datetime64):
        raise ArgumentError(
            f"date: {value!r} is a {type(value).__name__}, not a date; write it as text, such as '20200131'"
        )
    return _seconds(value)


def times_of(values: Any, name: str) -> np.ndarray:
    """Return the dates of a coordinate, ``datetime64[s]``.

    Parameters
    ----------
    values
        Datetimes, texts or objects that `as_time` accepts; numbers have no unit, and are refused.
    name
        Name of the coordinate, for errors.

    Raises
    ------
    StackError
        If a date is missing (NaT), or the values are not dates.
    """
    array = np.asarray(values)
    if array.dtype.kind == "M":
        times = array.astype("datetime64[s]")
    elif array.dtype.kind in "OUT":
        try:
            found = [as_time(_decoded(value)) for value in array.ravel()]
        except ArgumentError as error:
            raise StackError(f"{name}: {error}") from error
        times = np.array(found, "datetime64[s]").reshape(array.shape)
    else:
        raise StackError(
            f"{name}: holds numbers ({array.dtype}), not dates; decode them with xarray.decode_cf(dataset), or assign "
            f"datetimes, such as pandas.to_datetime(dataset[{name!r}].astype(str))"
        )
    if np.isnat(times).any():
        raise StackError(
            f"{name}: {int(np.isnat(times).sum())} of {times.size} dates are missing (NaT); leave them out, for example "
            f"with .sel({name}=dataset[{name!r}].notnull())"
        )
    return times


def _decoded(value: Any) -> Any:
    """Return text for dates of other calendars (cftime), anything else as it is."""
    other = not isinstance(value, dt.date | np.datetime64) and hasattr(value, "isoformat")
    return value.isoformat() if other else value


def _seconds(value: dt.date | np.datetime64) -> np.datetime64:
    return np.array([value], "datetime64[s]")[0]  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)  # each date of a stack is in many names
def _parse(text: str) -> dt.datetime:
    if not text.isascii():  # such as digits of other scripts
        raise _no_date(text)
    if re.fullmatch(_NAMED, text, re.IGNORECASE):
        month = next(name for name in _MONTHS if name in text.lower())
        first, last = re.split(f"[-_ ]?{month}[-_ ]?", text.lower())
        year, day = (first, last) if len(first) == 4 else (last, first)
        text = f"{year}{_MONTHS.index(month) + 1:02d}{day}"
    for form in _FORMATS:
        # strptime also accepts "2020131" for %Y%m%d, so the format is chosen by length
        if len(text) == len(dt.datetime(2020, 1, 1).strftime(form)):
            try:
                time = dt.datetime.strptime(text, form)
            except ValueError:
                continue
            if time.year in _YEARS:
                return time
    # Python accepts any separator, and 20200101_20200113 as a date with time of day
    if not re.fullmatch(r"[\dW-]+([Tt ].*)?", text):
        raise _no_date(text)
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _no_date(text) from None
    if time.year not in _YEARS:
        raise _no_date(text)
    return time


def _no_date(text: str) -> ArgumentError:
    return ArgumentError(f"date: {text[:80]!r} is not a date; write it as YYYYMMDD or YYYY-MM-DD")


def date_label(time: np.datetime64) -> str:
    """Return ``YYYYMMDD``, followed by ``THHMMSS`` if the time of day is not midnight."""
    day, _, second = str(time.astype("datetime64[s]")).partition("T")
    label = day.replace("-", "")
    return label if second == "00:00:00" else f"{label}T{second.replace(':', '')}"


def date_index(times: np.ndarray, date: Time) -> int:
    """Return the index of a date in `times`: of exactly that time, or of the only acquisition on that day.

    Raises
    ------
    ArgumentError
        If there is none, or several on that day.
    """
    wanted, days = as_time(date), [date_label(time)[:8] for time in times]
    found = np.flatnonzero(times.astype("datetime64[s]") == wanted)
    if not len(found):
        found = np.flatnonzero(np.array(days) == date_label(wanted)[:8])
    if not len(found):
        raise ArgumentError(f"date: {date_label(wanted)} is not among the {len(days)} dates {days[0]}..{days[-1]}")
    if len(found) > 1:
        labels = ", ".join(date_label(times[k]) for k in found)
        raise ArgumentError(
            f"date: {len(found)} acquisitions on {date_label(wanted)[:8]} ({labels}); give the time, too"
        )
    return int(found[0])


# Start times of one acquisition may differ by seconds between pairs; the next pass is hours away
_SAME_PASS = np.timedelta64(15 * 60, "s")


def first_of_pass(times: Iterable[np.datetime64]) -> dict[np.datetime64, np.datetime64]:
    """Map each start time to the earliest of its acquisition, whose start times differ by less than 15 minutes."""
    ordered = sorted(set(times))
    first: dict[np.datetime64, np.datetime64] = {}
    start = ordered[0] if ordered else None
    for time in ordered:
        start = start if start is not None and time - start < _SAME_PASS else time
        first[time] = start
    return first


def same_acquisition(times: np.ndarray, time: np.datetime64) -> np.ndarray:
    """Return which of `times` (date,) may be the acquisition at `time`: of its pass, or its day if untimed."""
    days = times.astype("datetime64[D]")
    timed = (times != days) & (time != time.astype("datetime64[D]"))
    near = timed & (np.abs(times - time) < _SAME_PASS)
    return np.asarray(near if near.any() else days == time.astype("datetime64[D]"))


def years_since(times: np.ndarray, start: np.datetime64) -> np.ndarray:
    """Return the years of 365.25 days since `start`, float64."""
    from insarray.model.conventions import DAYS_PER_YEAR

    seconds = (times.astype("datetime64[s]") - start.astype("datetime64[s]")).astype(np.float64)
    return np.asarray(seconds / (86400.0 * DAYS_PER_YEAR))


def pair_from_name(name: str, pattern: str | None = None) -> tuple[np.datetime64, np.datetime64]:
    """Return the reference and secondary time in a file name, in its order.

    Without `pattern` the two dates must be the only ones in `name`, or the only two that are joined
    (``YYYYMMDD_YYYYMMDD``, ``YYYYMMDD-YYYYMMDD``, with times of day, ``YYYY-MM-DD_YYYY-MM-DD``); dates with month
    names, ``06Jan2018``, are used if there are none of these, and six-digit dates if there are no others.

    Parameters
    ----------
    name
        File name without its folder.
    pattern
        Regular expression with two groups, for other naming schemes; a group may match any date that `as_time` parses,
        or a day of the year, ``2018006``.

    Raises
    ------
    ArgumentError
        If no pair, or more than one, is found in the name.
    """
    if pattern is not None:
        match = re.search(pattern, name)
        if match is None or len(match.groups()) != 2:
            raise ArgumentError(f"date pattern {pattern!r}: does not find two groups in {name!r}")
        return _of_group(match[1]), _of_group(match[2])
    dates = _dates(_LONG.format(n=0), name)
    first, second = _LONG.format(n=1), _LONG.format(n=2)
    if not dates:
        dates, first, second = _dates(_NAMED, name), _NAMED, _NAMED
    if not dates:
        dates, first, second = _dates(_SHORT, name), _SHORT, _SHORT
    if len(dates) == 2:
        return dates[0], dates[1]
    joined = [
        pair
        for match in re.finditer(f"(?=(?P<a>{first}){_BETWEEN}(?P<b>{second}))", name, re.IGNORECASE)
        if len(pair := _as_dates([match["a"], match["b"]])) == 2
    ]
    if len(joined) == 1:
        return joined[0][0], joined[0][1]
    found = ", ".join(map(date_label, dates)) or "none"
    raise ArgumentError(
        f"{name}: expected two dates in the name, found {found}; "
        r"give a pattern with two groups, for example --dates '(\d{8})_(\d{8})'"
    )


def _of_group(text: str) -> np.datetime64:
    """Return the time of the text of a group, which may also be a day of the year, ``YYYYDDD`` from 001."""
    if re.fullmatch(r"\d{7}", text):
        year, day = int(text[:4]), int(text[4:])
        time = np.datetime64(f"{year:04d}-01-01", "D") + np.timedelta64(day - 1, "D")
        if year not in _YEARS or time.astype("datetime64[Y]") != np.datetime64(f"{year:04d}", "Y"):
            raise ArgumentError(f"date: {text!r} is not a day of a year, YYYYDDD from 001")
        return _seconds(time)
    return as_time(text)


def time_from_name(name: str) -> np.datetime64:
    """Return the time of the first eight-digit date in a file name, with the time of day if it follows.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    dates = _dates(_LONG.format(n=0), name)
    if not dates:
        raise ArgumentError(f"date: {name!r} has no date; write it as YYYYMMDD or YYYY-MM-DD")
    return dates[0]


def _dates(pattern: str, text: str) -> list[np.datetime64]:
    return _as_dates(match[0] for match in re.finditer(pattern, text, re.IGNORECASE))


def _as_dates(texts: Iterable[str]) -> list[np.datetime64]:
    dates = []
    for text in texts:
        try:
            dates.append(as_time(re.sub(r"[-_. ]", "", text).upper()))
        except ArgumentError:  # digits that resemble a date, such as month 19
            continue
    return dates


def date_from_name(name: str, pattern: str | None = None) -> np.datetime64:
    """Return the time of the only date in a file name, in any form that `pair_from_name` accepts.

    Parameters
    ----------
    name
        File name without its folder.
    pattern
        Regular expression with one group, for names with several dates.

    Raises
    ------
    ArgumentError
        If there is not a date, or more than one.
    """
    if pattern is not None:
        match = re.search(pattern, name)
        if match is None or len(match.groups()) != 1:
            raise ArgumentError(f"date pattern {pattern!r}: does not find one group in {name!r}")
        return _of_group(match[1])
    dates = _dates(_LONG.format(n=0), name) or _dates(_NAMED, name) or _dates(_SHORT, name)
    if len(dates) != 1:
        found = ", ".join(map(date_label, dates)) or "none"
        raise ArgumentError(
            f"{name}: expected one date in the name, found {found}; give a pattern with one group, for example "
            r"dates='^(\d{8})'"
        )
    return dates[0]
