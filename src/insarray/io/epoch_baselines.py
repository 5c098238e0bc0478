"""Perpendicular baselines of the dates of a wrapped stack, from a CSV table."""

import csv
import math
from pathlib import Path

import numpy as np

from insarray.model.dates import as_time, date_label
from insarray.model.errors import ArgumentError, FileError, StackError


def epoch_baselines(path: Path, times: np.ndarray, reference: int) -> np.ndarray:
    """Perpendicular baseline of each date minus that of the reference date in metres, float64, shape (time,).

    Parameters
    ----------
    path
        CSV table with the columns ``date,bperp_m``, in any order; metres, relative to any one date.
    times
        Dates, ``datetime64[s]``; those of the table are matched by their day.
    reference
        Index of the reference date.

    Raises
    ------
    FileError
        If the table cannot be read, lacks a column, or a cell is not a date or a finite number.
    StackError
        If a date is listed twice, or one of `times` is not listed.
    """
    found: dict[str, float] = {}
    for number, date, baseline in _rows(path):
        if date in found:
            raise StackError(f"{path}, line {number}: {date} is listed more than once; keep one line")
        found[date] = baseline
    days = [date_label(time)[:8] for time in times]
    missing = [day for day in days if day not in found]
    if missing:
        listed = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise StackError(f"baselines: {len(missing)} of {len(days)} dates are not in {path}: {listed}; add them")
    metres = np.array([found[day] for day in days])
    return np.asarray(metres - metres[reference])


def _rows(path: Path) -> list[tuple[int, str, float]]:
    """Line number, day (YYYYMMDD) and baseline (m) of each line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read as a CSV table ({error})") from error
    if not {"date", "bperp_m"} <= set(header):
        raise FileError(f"{path}: needs the columns date and bperp_m; its first line holds {', '.join(header)}")
    return [(number, *_row(path, number, dict(zip(header, cells, strict=False)))) for number, cells in lines]


def _row(path: Path, number: int, cells: dict[str, str]) -> tuple[str, float]:
    try:
        date, baseline = as_time(cells.get("date", "")), float(cells.get("bperp_m", ""))
    except (ArgumentError, ValueError) as error:
        raise FileError(f"{path}, line {number}: {error}") from error
    if not math.isfinite(baseline):
        raise FileError(f"{path}, line {number}: bperp_m is {baseline}; it must be a number of metres")
    return date_label(date)[:8], baseline
