"""Read CSV tables of perpendicular baselines, with one line per date or per pair."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.io.files import expand_one
from insarray.io.locations import location
from insarray.io.source import Options, PathLike
from insarray.io.tables import Line, found_in, read_lines, require_columns
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time, time_from_name
from insarray.model.errors import ArgumentError, FileError, StackError

_VALUE = "bperp_m"
_UTC = ("reference_time_utc", "secondary_time_utc")
_PAIR = ("reference", "secondary")
_DATE = ("date",)


def read_baselines(path: PathLike) -> BaselineTable:
    """Read perpendicular baselines per date or per pair from a CSV table.

    Columns may be in any order and case; others are ignored. Dates are ``YYYYMMDD``, ``YYYY-MM-DD``, ISO 8601 with a
    time of day, or file names, of which the first eight-digit date is used, or that of the nearest folder above with one.

    Parameters
    ----------
    path
        Path or URL of a table with ``date,bperp_m`` (m, relative to any one date), or ``reference,secondary,bperp_m``
        (m, secondary minus reference, in either order of time), where ``reference_time_utc`` and ``secondary_time_utc``
        are preferred if both are present. A table with both kinds of columns is per pair.

    Raises
    ------
    FileError
        If the table cannot be read, is empty, lacks a column, or a cell is missing or not a date or finite number.
    StackError
        If a date or a pair, in either direction, is listed twice, or both dates of a pair are the same.
    """
    path = location(path)
    header, lines = read_lines(path)
    require_columns(path, header, (_VALUE,))
    known = [columns for columns in (_UTC, _PAIR, _DATE) if set(columns) <= set(header)]
    if not known:
        raise FileError(
            f"{path}: has no column date, nor reference and secondary; its first line holds {found_in(header)}"
        )
    rows = [(_times(line, known[0]), _value(line)) for line in lines]
    dates = [times for times, _ in rows]
    return baseline_table(path, dates, [value for _, value in rows])


def baseline_table(
    source: Path, dates: Sequence[tuple[np.datetime64, ...]], values: Sequence[float] | xr.DataArray
) -> BaselineTable:
    """Return a table of dates ``(date,)`` or pairs ``(reference, secondary)``; values (row) or (row, y, x) in m.

    Raises
    ------
    StackError
        As for `read_baselines`, or if there are no rows.
    """
    data = values if isinstance(values, xr.DataArray) else xr.DataArray(np.asarray(values, np.float64), dims="row")
    if dates and len(dates[0]) == 1:
        return BaselineTable.per_date(str(source), [row[0] for row in dates], data)
    return BaselineTable.per_pair(str(source), [(row[0], row[1]) for row in dates], data)


def _times(line: Line, columns: Sequence[str]) -> tuple[np.datetime64, ...]:
    times = tuple(_time(line, column) for column in columns)
    if len(times) == 2 and times[0] == times[1]:
        raise StackError(f"{line.table}, line {line.number}: both dates are {times[0]}; a pair has two different dates")
    return times


def _time(line: Line, column: str) -> np.datetime64:
    text = line.cells.get(column, "")
    try:
        return as_time(text)
    except ArgumentError as error:
        # a file name has letters other than the T and Z of a time: a damaged time is not accepted as a name
        if re.search("[A-SU-Ya-su-y]", text):
            try:
                return _time_in_path(text)
            except ArgumentError as none:
                raise line.error(str(none)) from none
        raise line.error(str(error)) from error


def _time_in_path(path: str) -> np.datetime64:
    """Return the time in the last part of a path that has one, as an image may lie in a folder named as the scene."""
    parts = re.split(r"[/\\]", path)[::-1]
    for part in parts:
        with suppress(ArgumentError):
            return time_from_name(part)
    return time_from_name(parts[0])  # raises, and names the file


def _value(line: Line) -> float:
    value = line.metres(_VALUE)
    if value is None:
        raise line.error(f"has no {_VALUE}; give one in metres")
    return value


def given_baselines(options: Options) -> BaselineTable | None:
    """Return the baselines of the table given as an option, or None."""
    if options.baselines is None:
        return None
    return read_baselines(expand_one(options.baselines, "baselines", "give one CSV table"))
