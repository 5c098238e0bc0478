"""Files of centres whose formats are not one station a file: PANGA, the European network EPN, steps of Nevada.

Sources of the formats: Pacific Northwest Geodetic Array (PANGA), readme.html on its data and the header ``# ===... DQRFIT RESULTS``
of its files, three for a station: ``.lon`` east, ``.lat`` north, ``.rad`` up, each with decimal year, position and standard
deviation in mm; EUREF Permanent Network (EPN), header and columns of ``EPN_A_*.SSC``; Nevada Geodetic Laboratory,
steps_readme.txt.
"""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from insarray.io.gnss.formats import day_of, numbers_of, rows_of
from insarray.io.gnss.station import Station, Velocity, geodetic, three, to_east_north_up, turned
from insarray.model.errors import FileError

PANGA = {".lon": 0, ".lat": 1, ".rad": 2}
"""Component (east, north, up) by the suffix of a file of PANGA."""

_EPN = "EPN STATION POSITIONS AND VELOCITIES"
_DOMES = re.compile(r"\d{5}[MS]\d{3}\s")
_CODES = {"1": "equipment", "2": "earthquake"}


class Part(NamedTuple):
    """One component of the positions of a station, in m, and where it is from."""

    path: str
    name: str
    axis: int
    times: np.ndarray
    values: np.ndarray
    std: np.ndarray


class Step(NamedTuple):
    """A day on which a station may have an offset: `kind` "equipment" or "earthquake", km, magnitude, what or which."""

    station: str
    time: np.datetime64
    kind: str
    event: str
    distance: float = np.nan
    magnitude: float = np.nan


def read_part(path: str, suffix: str, lines: Sequence[str]) -> Part:
    """A file of PANGA; of two solutions of a day the one with the smaller standard deviation."""
    data = [line for line in lines if not line.startswith("#")]
    cells, _ = rows_of(path, data, (3,), 1 + len(lines) - len(data))
    values = numbers_of(path, cells, "a position")
    times = np.array([_day_of_year(value) for value in values[:, 0]], "datetime64[D]")
    order = np.lexsort((values[:, 2], times))
    days, first = np.unique(times[order], return_index=True)
    kept = values[order[first]] / 1000.0
    name = PurePosixPath(path.replace("\\", "/")).name
    return Part(path, name.split(".")[0].split(": ")[-1].upper(), PANGA[suffix], days, kept[:, 1], kept[:, 2])


def _day_of_year(years: float) -> date:
    """Day of a decimal year of PANGA, whose fraction is the number of the day by that of the days of the year."""
    year = int(years)
    first, following = date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()
    return date.fromordinal(first + round((years - year) * (following - first)) - 1)


def stations_of(parts: Sequence[Part]) -> list[Station]:
    """Stations of their three components, on the days that all have.

    Raises
    ------
    FileError
        If one has not all of them.
    """
    found = []
    for name in dict.fromkeys(part.name for part in parts):
        own = {part.axis: part for part in parts if part.name == name}
        missing = [suffix for suffix, axis in PANGA.items() if axis not in own]
        if missing:
            raise FileError(
                f"{next(iter(own.values())).path}: station {name} has no file {missing[0]}; give all three: {', '.join(PANGA)}"
            )
        days = own[0].times
        for axis in (1, 2):
            days = np.intersect1d(days, own[axis].times)
        at = [np.searchsorted(own[axis].times, days) for axis in range(3)]
        motion, std = (
            np.stack([getattr(own[axis], what)[at[axis]] for axis in range(3)], axis=1) for what in ("values", "std")
        )
        found.append(Station(name, days, motion, std, np.full(motion.shape, np.nan)).ordered)
    return found


def is_epn(lines: Sequence[str]) -> bool:
    """Whether lines are of a table of positions and velocities of the European network."""
    return any(_EPN in line for line in lines[:5])


def read_epn(path: str, lines: Sequence[str]) -> list[Velocity]:
    """Velocity of each station: that of its last solution.

    A solution has two lines: DOMES number, name, GPS, station, x, y, z in m and their standard deviations, ...; and DOMES
    number, velocities in m/year and their standard deviations.
    """
    frame = re.search(r"REFERENCE FRAME\s*:\s*(\S+)", "\n".join(lines[:8]))
    found: dict[str, Velocity] = {}
    station, xyz = "", np.full(3, np.nan)
    for number, line in enumerate(lines, 1):
        if not _DOMES.match(line):
            continue
        cells = line.split()
        if "GPS" in cells:
            at = cells.index("GPS") + 1
            station, xyz = cells[at] if at < len(cells) else "", _numbers(path, number, cells[at + 1 : at + 4], 3)
            continue
        if not station:
            raise FileError(f"{path}, line {number}: has a velocity, but no position is above it; download it again")
        values = _numbers(path, number, cells[1:], 6)
        place = geodetic(xyz)
        turn = to_east_north_up(place[0], place[1])
        std, pairs = turned(turn, values[None, 3:], np.full((1, 3), np.nan))
        velocity, spread, correlation = (three(part.tolist()) for part in (turn @ values[:3], std[0], pairs[0]))
        found[station] = Velocity(station, place, velocity, spread, correlation, frame[1] if frame else "")
        station = ""
    if not found:
        raise FileError(f"{path}: has no velocities; give the table of class A, EPN_A_*.SSC")
    return list(found.values())


def _numbers(path: str, line: int, cells: Sequence[str], count: int) -> np.ndarray:
    if len(cells) != count:
        raise FileError(f"{path}, line {line}: has {len(cells)} numbers instead of {count}; download it again")
    return numbers_of(f"{path}, line {line}", np.array(cells), "it")


def is_steps(lines: Sequence[str]) -> bool:
    """Whether the first line is one of the table of possible steps of Nevada."""
    cells = lines[0].split() if lines else []
    return len(cells) > 3 and re.fullmatch(r"\d\d[A-Z]{3}\d\d", cells[1]) is not None and cells[2] in _CODES


def read_steps(path: str, lines: Sequence[str]) -> list[Step]:
    """Its lines.

    Columns: station, date, code; with code 1 the change of equipment; with 2 threshold and distance of the earthquake in
    km, its magnitude and name.
    """
    found = []
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) < 4 or cells[2] not in _CODES or (cells[2] == "2" and len(cells) != 7):
            raise FileError(
                f"{path}, line {number}: {line.strip()[:40]!r} is no step: station, date, code 1 and what, or 2, threshold, "
                "distance, magnitude, event"
            )
        day = np.datetime64(day_of(f"{path}, line {number}", cells[1]))
        kind = _CODES[cells[2]]
        if kind == "equipment":
            found.append(Step(cells[0], day, kind, " ".join(cells[3:])))
        else:
            _, distance, magnitude = _numbers(path, number, cells[3:6], 3)
            found.append(Step(cells[0], day, kind, cells[6], float(distance), float(magnitude)))
    return found
