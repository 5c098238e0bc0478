"""Places that a user asks about: positions in degrees, or a table of them."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from insarray.io.files import expand_one
from insarray.io.tables import found_in, read_lines
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number

_LONGITUDES, _LATITUDES = ("longitude", "lon", "long", "lng", "x"), ("latitude", "lat", "y")
_NAMES = ("name", "pid", "id", "code", "station", "point_id")


class Places(NamedTuple):
    """Named positions, WGS 84 degrees."""

    names: list[str]
    longitude: np.ndarray
    latitude: np.ndarray


def places_of(lonlat: Sequence[Any] | None, points: str | os.PathLike[str] | None) -> Places:
    """Positions that were given, by numbers or as a table with columns of longitude and latitude.

    Raises
    ------
    ArgumentError, FileError
        If there is none, or one cannot be.
    """
    if points is not None:
        return _of_table(points)
    try:
        pairs = np.asarray(lonlat, np.float64)
    except (TypeError, ValueError):
        pairs = np.zeros(0)
    if not pairs.size or pairs.size % 2 or (pairs.ndim > 1 and pairs.shape[-1] != 2) or pairs.ndim > 2:
        raise ArgumentError(f"lonlat: {lonlat!r} is not (lon, lat), or several of them")
    pairs = pairs.reshape(-1, 2)
    for lon, lat in pairs.tolist():
        if not _is_place(lon, lat):
            raise ArgumentError(f"lonlat: ({lon:g}, {lat:g}) is no position in degrees, longitude first")
    return Places([f"{lon:.7g} {lat:.7g}" for lon, lat in pairs.tolist()], pairs[:, 0], pairs[:, 1])


def _is_place(lon: float, lat: float) -> bool:
    return -180 <= lon <= 360 and -90 <= lat <= 90


def _of_table(points: str | os.PathLike[str]) -> Places:
    path = expand_one(points, "points", "give one table")
    header, lines = read_lines(path)
    lon_column, lat_column, name_column = (
        next((name for name in names if name in header), None) for names in (_LONGITUDES, _LATITUDES, _NAMES)
    )
    if lon_column is None or lat_column is None:
        raise FileError(f"{path}: has no columns lon and lat; its first line holds {found_in(header)}")
    names, found = [], []
    for line in lines:
        place = []
        for column in (lon_column, lat_column):
            try:
                place.append(plain_number(line.cells.get(column, "")))
            except ValueError:
                raise line.error(f"{column} is {line.cells.get(column, '')[:80]!r}, not a number of degrees") from None
        if not _is_place(*place):
            raise line.error(f"({place[0]:g}, {place[1]:g}) is no position in degrees, longitude and latitude")
        found.append(place)
        names.append((line.cells.get(name_column) if name_column else None) or str(len(found)))
    if not found:
        raise FileError(f"{path}: has no line of places below its column names")
    pairs = np.array(found)
    return Places(names, pairs[:, 0], pairs[:, 1])
