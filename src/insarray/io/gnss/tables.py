"""Tables of many stations: plain CSV of positions or velocities, and the velocity files of MIDAS.

Source of the MIDAS format: midas.readme.txt of the Nevada Geodetic Laboratory, 27 columns.
"""

import csv
import re
from collections.abc import Sequence

import numpy as np

from insarray.io.gnss.station import Station, Velocity, three, wrapped
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number

_MIDAS_COLUMNS = 27
_ALIASES = {
    "station": ("station", "site", "id", "name"),
    "time": ("time", "date"),
    "longitude": ("longitude", "lon"),
    "latitude": ("latitude", "lat"),
    "height": ("height", "elevation"),
}
_AXES = ("east", "north", "up")
_PAIRS = ("east_north", "east_up", "north_up")
_FACTORS = {
    "": 1.0,
    "m": 1.0,
    "mm": 1e-3,
    "cm": 1e-2,
    "m/year": 1.0,
    "m/yr": 1.0,
    "mm/year": 1e-3,
    "mm/yr": 1e-3,
    "mm_yr": 1e-3,
    "m_yr": 1.0,
}


def is_midas(lines: Sequence[str]) -> bool:
    """Whether the first line is one of a velocity file of MIDAS."""
    cells = lines[0].split() if lines else []
    return len(cells) == _MIDAS_COLUMNS and cells[1].upper().startswith("MIDAS")


def read_midas(path: str, lines: Sequence[str]) -> list[Velocity]:
    """One of its files.

    Columns: station, version, first and last epoch, duration, three counts, velocity and its standard error (east, north,
    up, m/year); from the 25th on latitude, longitude, height.
    """
    found = []
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != _MIDAS_COLUMNS:
            raise FileError(
                f"{path}, line {number}: has {len(cells)} columns instead of {_MIDAS_COLUMNS}; download it again"
            )
        values = [_number(path, number, cell) for cell in cells[2:]]
        place = wrapped(values[23]), values[22], values[24]
        found.append(Velocity(cells[0], place, three(values[6:9]), three(values[9:12])))
    return found


def _number(path: str, line: int, text: str) -> float:
    if not text.strip():
        return np.nan
    try:
        return plain_number(text)
    except ValueError:
        raise FileError(f"{path}, line {line}: {text[:40]!r} is not a number") from None


def read_csv(path: str, lines: Sequence[str], name: str) -> list[Station] | list[Velocity]:
    """Rows with a column for each thing, named in the first line; `name` is the station where no column says.

    Positions have ``date`` and ``east``, ``north``, ``up``; velocities ``velocity_east``, ``velocity_north``, ``velocity_up``
    and no date; both perhaps ``..._std``, ``correlation_east_north``, ..., ``station``, ``longitude``, ``latitude``,
    ``height``. A unit may stand behind a name, ``east (mm)`` or ``east_mm``; without one it is m or m/year.
    """
    rows = [(number, row) for number, row in enumerate(csv.reader(lines), 1) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise FileError(f"{path}: has no row below its first line; give a table of stations")
    header = _columns(path, rows[0][1])
    numbers = [number for number, _ in rows[1:]]
    for number, row in rows[1:]:
        if len(row) != len(rows[0][1]):
            raise FileError(f"{path}, line {number}: has {len(row)} cells instead of {len(rows[0][1])}")
    table = {column: [row[at].strip() for _, row in rows[1:]] for column, (at, _) in header.items()}
    factors = {column: factor for column, (_, factor) in header.items()}

    def values(column: str) -> np.ndarray:
        if column not in table:
            return np.full(len(numbers), np.nan)
        found = [_number(path, line, text) for line, text in zip(numbers, table[column], strict=True)]
        return np.array(found) * factors[column]

    names = table.get("station", [name] * len(numbers))
    place = np.stack([values(of) for of in ("longitude", "latitude", "height")], axis=1)
    kind = "velocity_" if "velocity_east" in header else ""
    if not all(f"{kind}{axis}" in header for axis in _AXES[: 2 if kind else 3]):
        raise FileError(
            f"{path}: has neither the columns date, east, north, up nor velocity_east, velocity_north (and perhaps "
            f"velocity_up), but {', '.join(header) or 'others'}"
        )
    motion, std = (np.stack([values(f"{kind}{axis}{end}") for axis in _AXES], axis=1) for end in ("", "_std"))
    correlation = np.stack([values(f"correlation_{pair}") for pair in _PAIRS], axis=1)
    if kind:
        return [
            Velocity(names[n], _place(place[n]), three(motion[n]), three(std[n]), three(correlation[n]))
            for n in range(len(numbers))
        ]
    if "time" not in table:
        raise FileError(f"{path}: has positions, but no column date")
    days = np.array([_day(path, line, text) for line, text in zip(numbers, table["time"], strict=True)])
    found = []
    for station in dict.fromkeys(names):
        rows_of = np.array([other == station for other in names])
        where = _place(place[rows_of][0])
        found.append(Station(station, days[rows_of], motion[rows_of], std[rows_of], correlation[rows_of], where))
    return found


def _place(values: np.ndarray) -> tuple[float, float, float]:
    longitude, latitude, height = (float(value) for value in values)
    return wrapped(longitude), latitude, height


def _day(path: str, line: int, text: str) -> np.datetime64:
    try:
        day: np.datetime64 = as_time(text).astype("datetime64[D]")
    except ArgumentError as error:
        raise FileError(f"{path}, line {line}: {error}") from error
    return day


def _columns(path: str, header: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Place and factor to SI units of each column that is known, by its name here."""
    known = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
    axes = [f"{kind}{axis}{end}" for kind in ("", "velocity_") for axis in _AXES for end in ("", "_std")]
    known |= {name: name for name in (*axes, *(f"correlation_{pair}" for pair in _PAIRS))}
    found: dict[str, tuple[int, float]] = {}
    for at, text in enumerate(header):
        word = text.strip().lower().lstrip("\ufeff")
        bare = re.fullmatch(r"(.*?)[ _]+[(\[]?(mm[/_]yr|mm/year|m_yr|m/yr|m/year|mm|cm|m)[)\]]?", word)
        name, unit = (word, "") if word in known or bare is None else (bare[1].strip(" _"), bare[2])
        name = known.get(name, "")
        if not name:
            continue
        if name in found:
            raise FileError(f"{path}: has the column {name} twice; keep one of them")
        found[name] = at, _FACTORS[unit]
    return found
