"""Read tables with one column per date, optionally from a zip archive."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from insarray.io.files import require_plausible
from insarray.io.tables import bounded_line, bounded_lines, further_cells, numbered_cells
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_numbers

_DELIMITERS = ",;\t"
_NO_DATA = (9999.0, 32767.0, 32768.0, 99999.0)
"""Sizes of numbers that stand for no data elsewhere; as displacement, 10 m to 100 km."""

_MOST_HEADER = 1 << 20  # bytes of the first line that are examined
_PART = 1 << 22  # characters that are read at once
# D20190105, D_20190105, 20190105 (InSAR Explorer's "Data structure"), 2019-01-05; optionally followed by a unit
_DATE = re.compile(r"d?_?(\d{8}|\d{4}-\d\d-\d\d)(?:[ _]*[\[(]?(mm|cm|m)[\])]?)?")
_LAT, _LON = ("latitude", "lat"), ("longitude", "lon", "long", "lng")
UNITS = "units"
"""Column of our own tables that says, in every row, unit and direction of the displacement."""

OWN_UNITS: dict[str, str | None] = {"mm toward the satellite": None, "mm upward": "U", "mm eastward": "E"}
"""What it says, and the component that this means: vertical, eastward, or along the line of sight."""

_NAMES = ("pid", "id", "code", "point_id")


@dataclass(frozen=True)
class Layout:
    """Columns of a table, from its first line.

    Parameters
    ----------
    header
        Column names in lower case.
    delimiter
        Delimiter of the cells.
    times
        Dates of the displacement columns, in order.
    series
        Indices of these columns.
    suffix
        Units behind their dates.
    stated
        What the column `units`, which our own tables have, says of the displacement in the first line of numbers.
    """

    header: list[str]
    delimiter: str
    times: list[np.datetime64]
    series: list[int]
    suffix: set[str | None]
    stated: str | None = None

    def position(self, names: Sequence[str]) -> int | None:
        """Return the index of the first of these columns that exists, or None."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    @property
    def place(self) -> tuple[int, int, bool] | None:
        """Columns of x and y, and whether they are degrees; EGMS' easting and northing take precedence."""
        for x, y, degrees in ((("easting",), ("northing",), False), (_LON, _LAT, True), (("x",), ("y",), False)):
            found = self.position(x), self.position(y)
            if found[0] is not None and found[1] is not None:
                return found[0], found[1], degrees
        return None

    @property
    def units(self) -> int | None:
        """Column that says the units, of our own tables alone."""
        return None if self.stated is None else self.position([UNITS])

    @property
    def names(self) -> int | None:
        """Column of the point names, or None."""
        return self.position(_NAMES)


@contextmanager
def table_text(path: Path) -> Iterator[io.TextIOBase]:
    """Open the table, also in a zip archive as distributed by EGMS."""
    try:
        with path.open("rb") as raw:
            if path.suffix.lower() != ".zip":
                yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
                return
            with zipfile.ZipFile(raw) as archive:
                inside = [one for one in archive.infolist() if one.filename.lower().endswith((".csv", ".txt"))]
                if len(inside) != 1:
                    raise FileError(f"{path}: holds {len(inside)} tables (.csv); unpack it, and give one of them")
                require_plausible(path, inside[0])
                with archive.open(inside[0]) as member:
                    yield io.TextIOWrapper(member, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is no text in UTF-8 ({error.reason}); save it as CSV in UTF-8") from error
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: cannot be read ({error}); download it again") from error


def layout_of(path: Path, text: io.TextIOBase) -> Layout | None:
    """Return the columns from the first line; None if the table is not a time series of points."""
    line = text.readline(_MOST_HEADER)
    delimiter = max(_DELIMITERS, key=line.count)
    if not line.strip():
        return None
    _, names = next(numbered_cells(path, [line], delimiter))
    header = [name.strip().lower() for name in names]
    times, series, suffix = [], [], set()
    for position, name in enumerate(header):
        found = _DATE.fullmatch(name)
        try:
            times.append(as_time(found[1]) if found else as_time(""))
        except ArgumentError:  # for example a number that is not a date
            continue
        series.append(position)
        suffix.add(found[2] if found else None)
    stated = None
    if UNITS in header:
        second = text.readline(_MOST_HEADER)
        cells = next(numbered_cells(path, [second], delimiter))[1] if second.strip() else []
        said = dict(zip(header, cells, strict=False)).get(UNITS, "").strip()
        stated = said if said in OWN_UNITS else None  # others may have a column of this name
    layout = Layout(header, delimiter, times, series, suffix, stated)
    return layout if len(times) > 1 and layout.place is not None else None


@dataclass(frozen=True)
class Cells:
    """Values of a table: displacement (date, point) as written, other columns by index, and point names."""

    series: np.ndarray
    columns: Mapping[int, np.ndarray]
    names: list[str]

    @classmethod
    def read(cls, path: Path, layout: Layout, columns: Sequence[int]) -> "Cells":
        """Read all lines except the first.

        Raises
        ------
        FileError
            If a line has too few or too many cells, or a cell that is not a number; the message names the line.
        """
        parts = list(_Lines(path, layout, columns).parts())
        if not any(map(len, (names for _, _, names in parts))):
            raise FileError(f"{path}: has no line of numbers below its column names")
        series = np.concatenate([part for part, _, _ in parts], axis=1)
        table = np.concatenate([part for _, part, _ in parts])
        _require_data(path, layout, series)
        names = [] if layout.names is None else [name for _, _, part in parts for name in part]
        return cls(series, {c: table[:, k] for k, c in enumerate(columns)}, names)


def _require_data(path: Path, layout: Layout, series: np.ndarray) -> None:
    """Raise FileError for values that other programs write where there is no data, or that are beyond single precision."""
    least, most = np.fmin.reduce(series, axis=None), np.fmax.reduce(series, axis=None)
    if -_NO_DATA[0] < least and most < _NO_DATA[0]:  # nearly always
        return
    odd = np.isinf(series) | np.isin(np.abs(series), _NO_DATA)
    if odd.any():
        date, point = np.argwhere(odd)[0]
        raise FileError(
            f"{path}: {layout.header[layout.series[date]]} of point {point + 1} is {series[date, point]:g}, one of {odd.sum()} "
            "such; leave cells empty where there is no data"
        )


_Part = tuple[np.ndarray, np.ndarray, list[str]]
"""Series (date, line) in float32, other columns (line, column), and names of some lines."""


@dataclass(frozen=True)
class _Lines:
    """Lines of a table below the first, and the columns to read beside the series."""

    path: Path
    layout: Layout
    columns: Sequence[int]

    def parts(self) -> Iterator[_Part]:
        """Yield the values of the lines, many at once."""
        with table_text(self.path) as text:
            bounded_line(self.path, text)
            before = 1
            while lines := text.read(_PART) + bounded_line(self.path, text):
                if '"' in lines or lines.count("\r") != lines.count("\r\n"):  # lines may go on in the next part
                    rest = chain(io.StringIO(lines, newline=""), bounded_lines(self.path, text))
                    yield self._by_line(further_cells(self.path, rest, self.layout.delimiter, before))
                    return
                yield self._at_once(lines, before)
                before += lines.count("\n")

    def _by_line(self, lines: Iterable[tuple[int, list[str]]]) -> _Part:
        """Read number and cells of some lines with all checks."""
        layout, named = self.layout, self.layout.names
        rows, values, names = [], [], []
        for number, cells in lines:
            where = f"{self.path}, line {number}"
            if len(cells) != len(layout.header):
                raise FileError(
                    f"{where}: has {len(cells)} cells for {len(layout.header)} columns; download it again if it was cut, and "
                    "write decimals with a point"
                )
            if layout.units is not None and cells[layout.units].strip() != layout.stated:
                said = cells[layout.units]
                raise FileError(f"{where}: its units are {said!r}, those above {layout.stated!r}; convert them")
            rows.append(_single(_numbers(where, layout, cells, layout.series)))
            values.append(_numbers(where, layout, cells, self.columns))
            names.append("" if named is None else cells[named].strip())
        if not rows:
            return np.empty((len(layout.series), 0), np.float32), np.empty((0, len(self.columns))), []
        return np.stack(rows, axis=1), np.stack(values), names

    def _at_once(self, lines: str, before: int) -> _Part:
        """Read lines by pandas; one by one, with messages, if there is anything unusual in them."""
        layout, texts = self.layout, [c for c in (self.layout.names, self.layout.units) if c is not None]
        if not _is_plain(lines, layout.delimiter, len(layout.header) - 1):
            return self._each(lines, before)
        numbers = [*self.columns, *layout.series]
        try:
            table = pd.read_csv(
                io.StringIO(lines), sep=layout.delimiter, header=None, names=range(len(layout.header)),
                usecols=sorted({*numbers, *texts}), dtype=dict.fromkeys(numbers, np.float64) | dict.fromkeys(texts, str),
                na_values={key: ["", "nan", "NaN"] for key in numbers}, keep_default_na=False, quoting=csv.QUOTE_NONE,
            )  # fmt: skip
        except ValueError:
            return self._each(lines, before)
        values = table[numbers].to_numpy(np.float64)
        stated = None if layout.units is None else table[layout.units].str.strip()
        if np.isinf(values).any() or (stated is not None and (stated != layout.stated).any()):
            return self._each(lines, before)
        names = [""] * len(table) if layout.names is None else table[layout.names].str.strip().tolist()
        count = len(self.columns)
        return _single(values[:, count:].T), values[:, :count], names

    def _each(self, lines: str, before: int) -> _Part:
        return self._by_line(further_cells(self.path, io.StringIO(lines, newline=""), self.layout.delimiter, before))


def _is_plain(lines: str, delimiter: str, delimiters: int) -> bool:
    """Return whether every line has this number of delimiters; pandas would fill short lines and cut long ones."""
    if "\0" in lines:
        return False
    text = np.frombuffer(lines.encode(), np.uint8)
    stops = np.flatnonzero(text == ord("\n"))
    if not stops.size or stops[-1] != text.size - 1:
        stops = np.append(stops, text.size)
    found = np.searchsorted(np.flatnonzero(text == ord(delimiter)), stops)
    return bool((np.diff(found, prepend=0) == delimiters).all())


def _single(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # infinite ones are refused later
        return np.ascontiguousarray(values, np.float32)


def _numbers(where: str, layout: Layout, cells: Sequence[str], columns: Sequence[int]) -> np.ndarray:
    """Return cells as numbers, NaN for empty ones."""
    try:
        return plain_numbers([cells[k] for k in columns])
    except ValueError:
        column, cell = next((layout.header[k], cells[k].strip()) for k in columns if not _is_number(cells[k]))
    infinite = cell.lower().lstrip("+-").startswith("inf")
    remedy = "leave the cell empty where there is no data" if infinite else "write decimals with a point"
    raise FileError(f"{where}: {column} is {cell!r}, not a number; {remedy}")


def _is_number(cell: str) -> bool:
    try:
        plain_numbers([cell])
    except ValueError:
        return False
    return True
