"""Where Sun and Moon are, in the frame that turns with the Earth: to some arc seconds and tens of kilometres."""

from typing import NamedTuple

import numpy as np

ASTRONOMICAL_UNIT = 149_597_870_700.0
"""Metres."""

_TT_MINUS_UTC = 67.0  # s; it was 64 to 69 since 1999, and 5 s move the Moon by 3 arc seconds: 0.005 mm of tide
_J2000 = np.datetime64("2000-01-01T12:00:00", "s")
_CENTURY = 36525.0 * 86400.0

# Meeus, J. (1998), Astronomical Algorithms, tables 47.A and 47.B (after Chapront's ELP-2000/82): multiples of D, M, M', F;
# longitude (1e-6 degree, of the sine) and distance (m, of the cosine)
_MOON_LONGITUDE = np.array([
    (0, 0, 1, 0, 6288774, -20905355), (2, 0, -1, 0, 1274027, -3699111), (2, 0, 0, 0, 658314, -2955968),
    (0, 0, 2, 0, 213618, -569925), (0, 1, 0, 0, -185116, 48888), (0, 0, 0, 2, -114332, -3149),
    (2, 0, -2, 0, 58793, 246158), (2, -1, -1, 0, 57066, -152138), (2, 0, 1, 0, 53322, -170733),
    (2, -1, 0, 0, 45758, -204586), (0, 1, -1, 0, -40923, -129620), (1, 0, 0, 0, -34720, 108743),
    (0, 1, 1, 0, -30383, 104755), (2, 0, 0, -2, 15327, 10321), (0, 0, 1, 2, -12528, 0),
    (0, 0, 1, -2, 10980, 79661), (4, 0, -1, 0, 10675, -34782), (0, 0, 3, 0, 10034, -23210),
    (4, 0, -2, 0, 8548, -21636), (2, 1, -1, 0, -7888, 24208), (2, 1, 0, 0, -6766, 30824),
    (1, 0, -1, 0, -5163, -8379), (1, 1, 0, 0, 4987, -16675), (2, -1, 1, 0, 4036, -12831),
    (2, 0, 2, 0, 3994, -10445), (4, 0, 0, 0, 3861, -11650), (2, 0, -3, 0, 3665, 14403),
    (0, 1, -2, 0, -2689, -7003), (2, 0, -1, 2, -2602, 0), (2, -1, -2, 0, 2390, 10056),
    (1, 0, 1, 0, -2348, 6322), (2, -2, 0, 0, 2236, -9884),
], np.float64)  # fmt: skip
_MOON_LATITUDE = np.array([
    (0, 0, 0, 1, 5128122), (0, 0, 1, 1, 280602), (0, 0, 1, -1, 277693), (2, 0, 0, -1, 173237),
    (2, 0, -1, 1, 55413), (2, 0, -1, -1, 46271), (2, 0, 0, 1, 32573), (0, 0, 2, 1, 17198),
    (2, 0, 1, -1, 9266), (0, 0, 2, -1, 8822), (2, -1, 0, -1, 8216), (2, 0, -2, -1, 4324),
    (2, 0, 1, 1, 4200), (2, 1, 0, -1, -3359),
], np.float64)  # fmt: skip
_MOON_DISTANCE = 385_000_560.0


class Bodies(NamedTuple):
    """Positions in the frame that turns with the Earth, m, shape (3,)."""

    sun: np.ndarray
    moon: np.ndarray


def sun_and_moon(time: np.datetime64) -> Bodies:
    """Positions of Sun and Moon at a time (UTC).

    The Sun by Kepler's ellipse (0.01 degree), the Moon by the largest terms of ELP-2000/82 (some arc seconds), in the
    mean equinox and ecliptic of date. Nutation and UT1 - UTC are left out: together less than 0.05 mm of solid tide.

    References
    ----------
    * Meeus, J. (1998), Astronomical Algorithms, 2nd edition, Willmann-Bell, chapters 12, 25 and 47.
    """
    seconds = (time.astype("datetime64[us]") - _J2000).astype(np.float64) / 1e6
    century = (seconds + _TT_MINUS_UTC) / _CENTURY
    turned = sidereal_angle(time)
    obliquity = np.radians(23.4392911 - 0.0130042 * century)
    sun, moon = (_turned(_equatorial(body, obliquity), turned) for body in (_sun(century), _moon(century)))
    return Bodies(sun, moon)


def sidereal_angle(time: np.datetime64) -> float:
    """Greenwich mean sidereal time in radians; UT1 is taken for UTC."""
    days = (time.astype("datetime64[us]") - _J2000).astype(np.float64) / 86400e6
    century = days / 36525.0
    return float(np.radians((280.46061837 + 360.98564736629 * days + 0.000387933 * century**2) % 360.0))


def _sun(century: float) -> np.ndarray:
    """Ecliptic rectangular coordinates, m."""
    anomaly = np.radians(357.52911 + 35999.05029 * century)
    centre = (
        (1.914602 - 0.004817 * century) * np.sin(anomaly)
        + (0.019993 - 0.000101 * century) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )
    eccentricity = 0.016708634 - 0.000042037 * century
    longitude = np.radians(280.46646 + 36000.76983 * century + centre)
    along = np.cos(anomaly + np.radians(centre))
    distance = ASTRONOMICAL_UNIT * 1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * along)
    return np.asarray(distance * np.array([np.cos(longitude), np.sin(longitude), 0.0]))


def _moon(century: float) -> np.ndarray:
    """Ecliptic rectangular coordinates, m."""
    mean = np.radians(218.3164477 + 481267.88123421 * century - 0.0015786 * century**2)
    arguments = np.radians([
        297.8501921 + 445267.1114034 * century - 0.0018819 * century**2,
        357.5291092 + 35999.0502909 * century - 0.0001536 * century**2,
        134.9633964 + 477198.8675055 * century + 0.0087414 * century**2,
        93.2720950 + 483202.0175233 * century - 0.0036539 * century**2,
    ])  # fmt: skip
    sine, cosine = _sums(_MOON_LONGITUDE, arguments, century)
    venus, jupiter = np.radians(119.75 + 131.849 * century), np.radians(53.09 + 479264.290 * century)
    further = 3958 * np.sin(venus) + 1962 * np.sin(mean - arguments[3]) + 318 * np.sin(jupiter)
    longitude = mean + np.radians(1e-6 * (sine[0] + further))
    latitude = np.radians(1e-6 * (_sums(_MOON_LATITUDE, arguments, century)[0][0] - 2235 * np.sin(mean)))
    distance = _MOON_DISTANCE + cosine[1]
    flat = np.cos(latitude)
    return np.asarray(distance * np.array([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)]))


def _sums(table: np.ndarray, arguments: np.ndarray, century: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the sines and of the cosines of a table, for each of its columns of amplitudes."""
    eccentricity = 1 - 0.002516 * century  # of the Earth's orbit, relative to that of 2000
    amplitude = table[:, 4:] * eccentricity ** np.abs(table[:, 1:2])
    angle = table[:, :4] @ arguments
    return np.sin(angle) @ amplitude, np.cos(angle) @ amplitude


def _equatorial(position: np.ndarray, obliquity: float) -> np.ndarray:
    x, y, z = position
    return np.array([x, y * np.cos(obliquity) - z * np.sin(obliquity), y * np.sin(obliquity) + z * np.cos(obliquity)])


def _turned(position: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = position
    return np.array([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle), z])
