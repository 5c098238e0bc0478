"""Read tables with one column per date, optionally from a zip archive."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.files import require_plausible
from insarray.io.tables import numbered_cells
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_numbers

_DELIMITERS = ",;\t"
_MOST_HEADER = 1 << 20  # bytes of the first line that are examined
# D20190105, D_20190105, 20190105 (InSAR Explorer's "Data structure"), 2019-01-05; optionally followed by a unit
_DATE = re.compile(r"d?_?(\d{8}|\d{4}-\d\d-\d\d)(?:[ _]*[\[(]?(mm|m)[\])]?)?")
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
    except (OSError, UnicodeDecodeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
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
    """Values of a table: displacement (point, date) as written, other columns by index, and point names."""

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
        named, units = layout.names, layout.units
        rows, values, names = [], [], []
        with table_text(path) as text:
            lines = numbered_cells(path, text, layout.delimiter)
            next(lines)
            for number, cells in lines:
                if len(cells) != len(layout.header):
                    raise FileError(
                        f"{path}, line {number}: has {len(cells)} cells for {len(layout.header)} columns; download it again if "
                        "it was cut, and write decimals with a point"
                    )
                where = f"{path}, line {number}"
                if units is not None and cells[units].strip() != layout.stated:
                    raise FileError(
                        f"{where}: its units are {cells[units]!r}, those above {layout.stated!r}; convert them"
                    )
                rows.append(_numbers(where, layout, cells, layout.series).astype(np.float32))
                values.append(_numbers(where, layout, cells, columns))
                names.append("" if named is None else cells[named].strip())
        if not rows:
            raise FileError(f"{path}: has no line of numbers below its column names")
        table = np.stack(values)
        return cls(np.stack(rows), {c: table[:, k] for k, c in enumerate(columns)}, [] if named is None else names)


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
