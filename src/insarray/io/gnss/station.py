"""What a file says of one station: where it is, and how it moved on which days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ELLIPSOID = 6378137.0, 0.00669437999014
"""Equatorial radius in m and squared eccentricity of WGS 84."""


@dataclass(frozen=True)
class Station:
    """Daily positions of a station.

    Parameters
    ----------
    name
        Of the station.
    times
        Days, ``datetime64[D]``.
    motion
        (day, 3): east, north, up in m.
    std
        Their standard deviations in m.
    correlation
        (day, 3): of east and north, east and up, north and up; NaN where the file does not say.
    place
        Longitude, latitude in degrees, height above the ellipsoid in m; NaN where the file does not say.
    frame
        Reference frame, as the file calls it.
    """

    name: str
    times: np.ndarray
    motion: np.ndarray
    std: np.ndarray
    correlation: np.ndarray
    place: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    frame: str = ""

    @property
    def ordered(self) -> "Station":
        """The same in the order of time, the first solution of each day, relative to the first of all."""
        days, first = np.unique(self.times, return_index=True)
        motion = self.motion[first]
        known = np.isfinite(motion).all(axis=1)
        parts = (motion - motion[known][:1], self.std[first], self.correlation[first])
        return Station(self.name, days, *parts, self.place, self.frame)


@dataclass(frozen=True)
class Velocity:
    """Velocity of a station in m/year: east, north, up, with standard errors."""

    name: str
    place: tuple[float, float, float]
    velocity: tuple[float, float, float]
    std: tuple[float, float, float]
    correlation: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    frame: str = ""


def three(values: Sequence[float]) -> tuple[float, float, float]:
    """East, north and up of a sequence."""
    east, north, up = values
    return east, north, up


def wrapped(longitude: float) -> float:
    """The same longitude between -180 and 180 degrees."""
    return (longitude + 180.0) % 360.0 - 180.0


def geodetic(xyz: np.ndarray) -> tuple[float, float, float]:
    """Longitude, latitude and height of a geocentric position in m, by Bowring's formula with one correction."""
    radius, e2 = ELLIPSOID
    x, y, z = (float(value) for value in xyz)
    distance = np.hypot(x, y)
    latitude = np.arctan2(z, distance * (1 - e2))
    for _ in range(5):
        curvature = radius / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
        height = distance / np.cos(latitude) - curvature
        latitude = np.arctan2(z, distance * (1 - e2 * curvature / (curvature + height)))
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(latitude)), float(height)


def to_east_north_up(longitude: float, latitude: float) -> np.ndarray:
    """Matrix that turns a geocentric vector (x, y, z) into east, north, up of a place."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


def turned(turn: np.ndarray, std: np.ndarray, correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations and correlations (xy, xz, yz) of turned vectors, (day, 3) each."""
    known = np.nan_to_num(correlation)
    matrix = np.empty((len(std), 3, 3))
    for a in range(3):
        matrix[:, a, a] = std[:, a] ** 2
    for column, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
        matrix[:, a, b] = matrix[:, b, a] = known[:, column] * std[:, a] * std[:, b]
    matrix = turn @ matrix @ turn.T
    found = np.sqrt(np.einsum("naa->na", matrix))
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = [matrix[:, a, b] / (found[:, a] * found[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    return found, np.stack(pairs, axis=1)
