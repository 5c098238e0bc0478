"""Read CSV tables, and tables that list the files of a stack."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.locations import is_url, local, location
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number

_LONGEST = 1 << 24  # characters of a line: a million dates
_FARTHEST = 1e6  # metres between two orbits of one stack


@dataclass(frozen=True)
class Line:
    """Cells of a line by the lower-case name of their column."""

    table: Path
    number: int
    cells: dict[str, str]

    def time(self, column: str) -> np.datetime64:
        """Return a date in any common form; raise FileError otherwise."""
        try:
            return as_time(self.cells.get(column, ""))
        except ArgumentError as error:
            raise self.error(str(error)) from error

    def metres(self, column: str) -> float | None:
        """Return a finite number, None for an empty cell; raise FileError otherwise."""
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            value = plain_number(text)
        except ValueError:
            raise self.error(f"{column} is {text[:80]!r}; it must be a number of metres") from None
        if abs(value) > _FARTHEST:
            raise self.error(f"{column} is {text}; more than {_FARTHEST:g} m is no baseline")
        return value

    def error(self, text: str) -> FileError:
        """Return an error with table and line number before `text`."""
        return FileError(f"{self.table}, line {self.number}: {text}")


def read_lines(path: Path) -> tuple[list[str], Iterator[Line]]:
    """Return the column names in lower case, and an iterator over the lines that are not blank.

    Raises
    ------
    FileError
        If the file cannot be read, is empty or not text, repeats a column, or a line is longer than the first.
    """
    lines = _lines(path)
    header = [name.strip().lower() for name in next(lines, (1, []))[1]]
    double = {name for name in header if name and header.count(name) > 1}
    if double:
        raise FileError(f"{path}: has the column {min(double)} more than once; keep one of them")
    return header, (_line(path, number, header, cells) for number, cells in lines)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from numbered_cells(path, file)
    except OSError as error:
        raise FileError(f"{path}: cannot be read as a CSV table ({error})") from error


def numbered_cells(path: Path, file: Iterable[str], delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line that is not blank.

    Raises
    ------
    FileError
        If there is none, or it is not a table.
    """
    lines = further_cells(path, bounded_lines(path, file), delimiter)
    first = next(lines, None)
    if first is None:
        raise FileError(f"{path}: is empty; a table begins with a line of column names")
    yield first
    yield from lines


def further_cells(path: Path, lines: Iterable[str], delimiter: str, before: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line that is not blank, the first of which is line `before` + 1 of the file.

    Raises
    ------
    FileError
        If it is not a table.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            if any("\0" in cell for cell in cells):
                raise FileError(f"{path}: is not a text; give a CSV table")
            if any(cell.strip() for cell in cells):
                yield before + reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read as a CSV table ({error})") from error


def bounded_lines(path: Path, file: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text; FileError for one without end, before it fills the memory."""
    if not isinstance(file, io.TextIOBase):
        yield from file
        return
    while line := bounded_line(path, file):
        yield line


def bounded_line(path: Path, file: io.TextIOBase) -> str:
    """Return the next line of a text, or the rest of one; FileError as `bounded_lines`."""
    line = file.readline(_LONGEST)
    if len(line) == _LONGEST:
        raise FileError(f"{path}: has a line of more than {_LONGEST} characters; give a CSV table")
    return line


def _line(path: Path, number: int, header: Sequence[str], cells: Sequence[str]) -> Line:
    line = Line(path, number, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
    if any(cell.strip() for cell in cells[len(header) :]):  # such as 12,5 for 12.5
        raise line.error(f"has {len(cells)} cells for {len(header)} columns; write decimals with a point")
    return line


def require_columns(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    """Raise FileError unless the table has all columns."""
    missing = [name for name in required if name not in header]
    if missing:
        raise FileError(f"{path}: has no column {', '.join(missing)}; its first line holds {found_in(header)}")


def found_in(header: Sequence[str]) -> str:
    """Return the columns of a table, for a message."""
    return ", ".join(header)[:200] or "nothing"


# -- stacks ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Pair of a table, in the table's order of dates."""

    reference: np.datetime64
    secondary: np.datetime64
    unwrapped: Path | None
    coherence: Path | None
    components: Path | None
    bperp: float | None


def read_table(path: Path) -> list[Row]:
    """Read the rows of a table ``reference,secondary,unwrapped[,coherence][,components][,bperp_m]``.

    Columns may be in any order and case, others are ignored; file names are URLs, or relative to the table.

    Raises
    ------
    FileError
        If the table cannot be read, lacks a column, or has an invalid date, file or number.
    """
    header, lines = read_lines(path)
    require_columns(path, header, ("reference", "secondary", "unwrapped"))
    return [_row(line) for line in lines]


def _row(line: Line) -> Row:
    unwrapped, coherence, components = (_file(line, name) for name in ("unwrapped", "coherence", "components"))
    times = line.time("reference"), line.time("secondary")
    return Row(*times, unwrapped, coherence, components, line.metres("bperp_m"))


def _file(line: Line, column: str) -> Path | None:
    name = line.cells.get(column)
    if not name:
        return None
    path = location(name) if is_url(name) or local(name) != name else line.table.parent / name
    if not path.is_file():
        raise line.error(f"{column} file {path} does not exist")
    return path
