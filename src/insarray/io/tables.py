"""CSV tables: perpendicular baselines of pairs, and stacks listed file by file."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError


@dataclass(frozen=True)
class Row:
    """One pair as its table has it, in the table's order of dates."""

    reference: np.datetime64
    secondary: np.datetime64
    unwrapped: Path | None
    coherence: Path | None
    components: Path | None
    bperp: float | None


def read_table(path: Path) -> list[Row]:
    """Rows of a table ``reference,secondary,unwrapped[,coherence][,components][,bperp_m]``.

    Columns come in any order and case, others are ignored; file names are relative to the table.

    Raises
    ------
    FileError
        If the table cannot be read, lacks a column, or holds something that is not a date, a file or a number.
    """
    return list(_rows(path, ("reference", "secondary", "unwrapped")))


def read_baselines(path: Path) -> list[Row]:
    """Rows of a table ``reference,secondary,bperp_m``; columns in any order and case, others are ignored.

    Raises
    ------
    FileError
        As for `read_table`, or if a baseline is missing.
    """
    rows = list(_rows(path, ("reference", "secondary", "bperp_m")))
    for row in rows:
        if row.bperp is None:
            raise FileError(f"{path}: pair {row.reference}_{row.secondary} has no bperp_m; give one in metres")
    return rows


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in required if name not in header]
            if missing:
                found = ", ".join(header) or "nothing"
                raise FileError(f"{path}: has no column {', '.join(missing)}; its first line holds {found}")
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _row(path, reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read as a CSV table ({error})") from error


def _row(table: Path, line: int, cells: dict[str, str]) -> Row:
    try:
        reference, secondary = as_time(cells.get("reference", "")), as_time(cells.get("secondary", ""))
        bperp = float(cells["bperp_m"]) if cells.get("bperp_m") else None
    except (ArgumentError, ValueError) as error:
        raise FileError(f"{table}, line {line}: {error}") from error
    if bperp is not None and not math.isfinite(bperp):
        raise FileError(f"{table}, line {line}: bperp_m is {bperp}; it must be a number of metres")
    unwrapped, coherence, components = (
        _file(table, line, name, cells.get(name)) for name in ("unwrapped", "coherence", "components")
    )
    return Row(reference, secondary, unwrapped, coherence, components, bperp)


def _file(table: Path, line: int, column: str, name: str | None) -> Path | None:
    if not name:
        return None
    path = table.parent / name
    if not path.is_file():
        raise FileError(f"{table}, line {line}: {column} file {path} does not exist")
    return path


def earlier_first(rows: list[Row], table: Path) -> dict[tuple[str, str], float]:
    """Perpendicular baseline (m, later minus earlier) of each pair of days; the sign follows the row's own order.

    Raises
    ------
    StackError
        If a pair is listed twice.
    """
    baselines: dict[tuple[str, str], float] = {}
    for row in rows:
        key, sign = day_pair(row.reference, row.secondary), 1.0
        if row.reference > row.secondary:
            key, sign = (key[1], key[0]), -1.0
        if key in baselines:
            raise StackError(f"{table}: pair {key[0]}_{key[1]} is listed more than once; keep one row")
        baselines[key] = sign * (row.bperp or 0.0)
    return baselines


def day_pair(first: np.datetime64, second: np.datetime64) -> tuple[str, str]:
    """The two days as YYYYMMDD: tables rarely give the time of day that file names may hold."""
    days = (str(time.astype("datetime64[D]")).replace("-", "") for time in (first, second))
    return next(days), next(days)
