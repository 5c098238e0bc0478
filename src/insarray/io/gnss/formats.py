"""Formats of daily positions of GNSS stations: what recognises each, and reads it.

Sources of the formats: Nevada Geodetic Laboratory (NGL), README_tenv3.txt, midas.readme.txt and the headers of their files; Plate
Boundary Observatory (UNAVCO, MIT), the field description in the header of each ``.pos`` and ``.csv`` file; the gridded ``.tenv8``
of NGL as read by geepers, src/geepers/gps_sources/unr_grid.py.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from insarray.io.gnss.station import Station, geodetic, to_east_north_up, turned, wrapped
from insarray.model.errors import FileError
from insarray.model.numbers import plain_numbers

_MONTHS = {
    name: k
    for k, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)
}
_PBO = "PBO Station Position Time Series"
_TENV3, _TENV3_PLACED, _TXYZ, _TENV8 = 20, 23, 13, 8


class Format(NamedTuple):
    """A format of one station.

    Parameters
    ----------
    name
        For messages.
    recognises
        Of the suffix of a file and its first line.
    read
        Station of the name of a file and its lines.
    """

    name: str
    recognises: Callable[[str, str], bool]
    read: Callable[[str, Sequence[str]], Station]


def rows_of(path: str, lines: Sequence[str], widths: tuple[int, ...], first: int) -> tuple[np.ndarray, int]:
    """Cells (line, column) of lines of one width, as text.

    Raises
    ------
    FileError
        If a line has another number of columns; `first` is the number of the first one.
    """
    cells = [line.split() for line in lines]
    kept = [(n, row) for n, row in enumerate(cells) if row]
    if not kept:
        raise FileError(f"{path}: contains no days; leave it out")
    width = len(kept[0][1])
    for n, row in kept:
        if len(row) != width or width not in widths:
            raise FileError(
                f"{path}, line {n + first}: has {len(row)} columns instead of {' or '.join(map(str, widths))}; download it again"
            )
    return np.array([row for _, row in kept]), width


def numbers_of(path: str, cells: np.ndarray, what: str) -> np.ndarray:
    """Cells as numbers; FileError that names the first that is none."""
    try:
        return plain_numbers(cells.ravel().tolist()).reshape(cells.shape)
    except ValueError as error:
        wrong = next(text for text in cells.ravel().tolist() if not _is_number(text))
        raise FileError(f"{path}: {what} holds {wrong!r}, which is not a number") from error


def _is_number(text: str) -> bool:
    try:
        plain_numbers([text])
    except ValueError:
        return False
    return True


def _days(path: str, texts: np.ndarray) -> np.ndarray:
    """Days written as 10JUL28: years from 80 on are of the last century."""
    return np.array([day_of(path, str(text)) for text in texts], "datetime64[D]")


def day_of(path: str, text: str) -> date:
    """Day written as 10JUL28; FileError if it is none."""
    found = re.fullmatch(r"(\d\d)([A-Z]{3})(\d\d)", text.upper())
    if found is None or found[2] not in _MONTHS:
        raise FileError(f"{path}: {text!r} is not a date such as 10JUL28")
    year = int(found[1])
    try:
        return date(year + (1900 if year >= 80 else 2000), _MONTHS[found[2]], int(found[3]))
    except ValueError as error:
        raise FileError(f"{path}: {text!r} is not a date ({error})") from error


# -- Nevada Geodetic Laboratory -------------------------------------------------------------------------------------


def _read_tenv3(path: str, lines: Sequence[str]) -> Station:
    """One of its files.

    Columns: site, date, decimal year, MJD, week, day, reference longitude, then east, north and up in metres, whole and
    rest apart, antenna height, standard deviations (e, n, u), correlations (en, eu, nu), and perhaps latitude, longitude,
    height.
    """
    head = int(lines[0].lstrip().lower().startswith("site"))
    cells, width = rows_of(path, lines[head:], (_TENV3, _TENV3_PLACED), 1 + head)
    values = numbers_of(path, cells[:, 7:], "a position")
    motion = np.stack([values[:, k] + values[:, k + 1] for k in (0, 2, 4)], axis=1)
    place = np.nan, np.nan, np.nan
    if width == _TENV3_PLACED:
        latitude, longitude, height = (float(value) for value in np.median(values[:, 13:16], axis=0))
        place = wrapped(longitude), latitude, height
    return Station(str(cells[0, 0]), _days(path, cells[:, 1]), motion, values[:, 7:10], values[:, 10:13], place)


def _read_txyz2(path: str, lines: Sequence[str]) -> Station:
    """Columns: site, date, decimal year, x, y, z in metres, their standard deviations and correlations (xy, xz, yz), antenna."""
    head = int(not re.match(r"\s*\S+\s+\d\d[A-Za-z]{3}\d\d\s", lines[0]))
    cells, _ = rows_of(path, lines[head:], (_TXYZ,), 1 + head)
    values = numbers_of(path, cells[:, 3:], "a position")
    return _turned(str(cells[0, 0]), _days(path, cells[:, 1]), values[:, :3], values[:, 3:6], values[:, 6:9])


def _turned(
    name: str, days: np.ndarray, xyz: np.ndarray, std: np.ndarray, correlation: np.ndarray, frame: str = ""
) -> Station:
    place = geodetic(np.median(xyz, axis=0))
    turn = to_east_north_up(place[0], place[1])
    return Station(name, days, (xyz - xyz[0]) @ turn.T, *turned(turn, std, correlation), place, frame)


def _read_tenv8(path: str, lines: Sequence[str]) -> Station:
    """Columns: decimal year, east, north, up in metres, their standard deviations, and whether it is a rapid solution."""
    cells, _ = rows_of(path, lines, (_TENV8,), 1)
    values = numbers_of(path, cells[:, :7], "a position")
    days = np.datetime64("2000-01-01", "D") + np.rint((values[:, 0] - 2000.0) * 365.25).astype("timedelta64[D]")
    unknown = np.full((len(values), 3), np.nan)
    stem = re.split(r"[/\\]", path)[-1].split(".")[0].split("_")[0]
    return Station(stem, days, values[:, 1:4], values[:, 4:7], unknown)


# -- Plate Boundary Observatory -------------------------------------------------------------------------------------


def _header(lines: Sequence[str], begins: str) -> str:
    """What a line of the header says behind its name, which ends in a colon or comma."""
    for line in lines[:60]:
        if line.strip().lower().startswith(begins.lower()):
            return line.strip()[len(begins) :].lstrip(" :,").rstrip(" ,")
    return ""


def _frame(lines: Sequence[str]) -> str:
    found = re.search(r"Reference Frame\s*[:,]\s*(\S+)", "\n".join(lines[:12]))
    return found[1].rstrip(",") if found else ""


def _read_pos(path: str, lines: Sequence[str]) -> Station:
    """Fields as the header describes them; differences from the reference position are north, east, up."""
    start = next((n for n, line in enumerate(lines) if line.lstrip().startswith("*YYYY")), None)
    if start is None:
        raise FileError(f"{path}: has no line *YYYYMMDD before its days; it is damaged, download it again")
    cells, _ = rows_of(path, lines[start + 1 :], (24, 25), start + 2)
    values = numbers_of(path, cells[:, 12:24], "a position")
    days = np.array([f"{text[:4]}-{text[4:6]}-{text[6:8]}" for text in cells[:, 0]], "datetime64[D]")
    latitude, longitude, height = numbers_of(path, cells[0, 12:15], "the place")
    # after NLat Elong Height: dN dE dU Sn Se Su Rne Rnu Reu
    order = [1, 0, 2]
    motion, std = values[:, 3:6][:, order], values[:, 6:9][:, order]
    correlation = values[:, 9:12][:, [0, 2, 1]]  # north and east, east and up, north and up
    place = wrapped(float(longitude)), float(latitude), float(height)
    name = _header(lines, "4-character ID")
    return Station(name, days, motion, std, correlation, place, _frame(lines))


def _read_pbo_csv(path: str, lines: Sequence[str]) -> Station:
    """Date, north, east, vertical in mm, their standard deviations; the place is in the header."""
    start = next((n for n, line in enumerate(lines) if line.startswith("Date,")), None)
    where = re.search(
        r"Reference position\s*,\s*(\S+) North Latitude\s*,\s*(\S+) East Longitude\s*,\s*(\S+) meters", "\n".join(lines)
    )
    if start is None or where is None or "North (mm), East (mm), Vertical (mm)" not in lines[start]:
        raise FileError(f"{path}: its header has no reference position or no columns in mm; download it again")
    rows = [line.replace(",", " ") for line in lines[start + 1 :]]
    cells, _ = rows_of(path, rows, (7, 8), start + 2)
    values = numbers_of(path, cells[:, 1:7], "a position") / 1000.0
    place = wrapped(float(where[2])), float(where[1]), float(where[3])
    days = np.array(cells[:, 0], "datetime64[D]")
    unknown = np.full((len(days), 3), np.nan)
    order = [1, 0, 2]
    motion, std = values[:, :3][:, order], values[:, 3:][:, order]
    return Station(_header(lines, "4-character ID"), days, motion, std, unknown, place, _frame(lines))


FORMATS: tuple[Format, ...] = (
    Format("PBO csv", lambda suffix, line: line.startswith(_PBO) and suffix == ".csv", _read_pbo_csv),
    Format("PBO pos", lambda suffix, line: line.startswith(_PBO), _read_pos),
    Format("tenv3", lambda suffix, line: suffix == ".tenv3", _read_tenv3),
    Format("txyz2", lambda suffix, line: suffix == ".txyz2", _read_txyz2),
    Format("tenv8", lambda suffix, line: suffix == ".tenv8", _read_tenv8),
)
"""Of one station a file, by their suffix or first line."""
