"""Displacement of the ground by the solid Earth tide, after the IERS Conventions (2010), section 7.1.1."""

import numpy as np

from insarray.kernels.corrections.ephemerides import sun_and_moon

_EARTH_RADIUS = 6378136.6  # m, of the tidal potential
_MASS = (332946.0482, 0.0123000371)  # of Sun and Moon, that of the Earth is 1
_AXIS, _SQUARED_ECCENTRICITY = 6378137.0, 0.00669437999014  # WGS 84
_J2000 = np.datetime64("2000-01-01T12:00:00", "s")

# Table 7.2: Love and Shida numbers of the nominal model
_H2, _H2_LATITUDE, _L2, _L2_LATITUDE = 0.6078, -0.0006, 0.0847, 0.0002
_H3, _L3 = 0.292, 0.015
_L1_DIURNAL, _L1_SEMIDIURNAL = 0.0012, 0.0024
_H_OUT_DIURNAL, _H_OUT_SEMIDIURNAL, _L_OUT = -0.0025, -0.0022, -0.0007

# Table 7.3a: multiples of s, h, p, N', p_s beside tau; mm: radial in phase, out of phase, transverse in phase, out of phase
_DIURNAL = np.array([
    (-2, 0, 1, -1, 0, -0.02, 0, 0, 0), (-2, 0, 1, 0, 0, -0.08, 0, -0.01, 0.01),
    (-2, 2, -1, 0, 0, -0.02, 0, 0, 0), (-1, 0, 0, -1, 0, -0.10, 0, 0, 0),
    (-1, 0, 0, 0, 0, -0.51, 0, -0.02, 0.03), (0, 0, -1, 0, 0, 0.02, 0, 0, 0),
    (0, 0, 1, 0, 0, 0.06, 0, 0, 0), (1, -3, 0, 0, 1, -0.06, 0, 0, 0),
    (1, -2, 0, 0, 0, -1.23, -0.07, 0.06, 0.01), (1, -1, 0, 0, -1, 0.02, 0, 0, 0),
    (1, -1, 0, 0, 1, 0.04, 0, 0, 0), (1, 0, 0, -1, 0, -0.22, 0.01, 0.01, 0),
    (1, 0, 0, 0, 0, 12.00, -0.80, -0.67, -0.03), (1, 0, 0, 1, 0, 1.73, -0.12, -0.10, 0),
    (1, 0, 0, 2, 0, -0.04, 0, 0, 0), (1, 1, 0, 0, -1, -0.50, -0.01, 0.03, 0),
    (1, 2, 0, 0, 0, -0.11, 0.01, 0.01, 0), (2, 0, -1, 0, 0, -0.02, 0, 0, 0),
], np.float64)  # fmt: skip

# Table 7.3b, of long periods
_LONG = np.array([
    (0, 0, 0, 1, 0, 0.47, 0.23, 0.16, 0.07), (0, 2, 0, 0, 0, -0.20, -0.12, -0.11, -0.05),
    (1, 0, -1, 0, 0, -0.11, -0.08, -0.09, -0.04), (2, 0, 0, 0, 0, -0.13, -0.11, -0.15, -0.07),
    (2, 0, 0, 1, 0, -0.05, -0.05, -0.06, -0.03),
], np.float64)  # fmt: skip


def solid_earth_tide(time: np.datetime64, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Displacement of the ground relative to the tide-free Earth, at height 0.

    Both steps of the conventions: the potential of degree 2 and 3 with the nominal Love numbers and their parts out of
    phase, and what frequencies of the diurnal and long-period bands add to it. The permanent tide is part of it; it
    drops out of the difference of two dates. Pole tide and loading by the oceans are not.

    Parameters
    ----------
    time
        UTC.
    lat, lon
        WGS 84, degrees, of any shape, the same.

    Returns
    -------
    numpy.ndarray
        East, north and up in m, float64, shape (3, ...).

    References
    ----------
    * Petit, G. and Luzum, B. (eds.) (2010), IERS Conventions (2010), IERS Technical Note 36, section 7.1.1,
      equations 7.5 to 7.13, tables 7.2, 7.3a, 7.3b.
    """
    lat, lon = np.radians(np.asarray(lat, np.float64)), np.radians(np.asarray(lon, np.float64))
    radius = _AXIS / np.sqrt(1 - _SQUARED_ECCENTRICITY * np.sin(lat) ** 2)
    geocentric = np.arctan2(radius * (1 - _SQUARED_ECCENTRICITY) * np.sin(lat), radius * np.cos(lat))
    up, east, north = _frame(geocentric, lon)
    moved = np.zeros((3, *lat.shape))
    for mass, body in zip(_MASS, sun_and_moon(time), strict=True):
        moved += _in_phase(mass, body, geocentric, up)
        radial, to_east, to_north = _out_of_phase(mass, body, geocentric, lon)
        moved += radial * up + to_east * east + to_north * north
    radial, to_east, to_north = _by_frequency(time, geocentric, lon)
    moved += radial * up + to_east * east + to_north * north
    geodetic_up, geodetic_east, geodetic_north = _frame(lat, lon)
    return np.stack([(moved * axis).sum(axis=0) for axis in (geodetic_east, geodetic_north, geodetic_up)])


def _frame(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors up, east and north."""
    zero = np.zeros_like(lat)
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.stack([-np.sin(lon), np.cos(lon), zero])
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return up, east, north


def _in_phase(mass: float, body: np.ndarray, lat: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Equations 7.5 and 7.6: degrees 2 and 3."""
    distance = float(np.linalg.norm(body))
    toward = (body / distance).reshape(3, *(1,) * lat.ndim)
    cosine = (toward * up).sum(axis=0)
    across = toward - cosine * up
    zonal = (3 * np.sin(lat) ** 2 - 1) / 2
    h2, l2 = _H2 + _H2_LATITUDE * zonal, _L2 + _L2_LATITUDE * zonal
    second = mass * _EARTH_RADIUS * (_EARTH_RADIUS / distance) ** 3
    third = second * _EARTH_RADIUS / distance
    found = second * (h2 * (1.5 * cosine**2 - 0.5) * up + 3 * l2 * cosine * across)
    found += third * (_H3 * (2.5 * cosine**3 - 1.5 * cosine) * up + _L3 * (7.5 * cosine**2 - 1.5) * across)
    return np.asarray(found)


def _out_of_phase(
    mass: float, body: np.ndarray, lat: np.ndarray, lon: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equations 7.8 to 7.11, up, east and north: parts of the Love numbers by latitude, and those out of phase."""
    distance = float(np.linalg.norm(body))
    declination, away = np.arcsin(body[2] / distance), lon - np.arctan2(body[1], body[0])
    factor = mass * _EARTH_RADIUS * (_EARTH_RADIUS / distance) ** 3
    p21, p22 = 3 * np.sin(declination) * np.cos(declination), 3 * np.cos(declination) ** 2
    sin, cos = np.sin(lat), np.cos(lat)
    twice = 2 * away
    radial = -_H_OUT_DIURNAL / 2 * p21 * np.sin(2 * lat) * np.sin(away)
    radial = radial - _H_OUT_SEMIDIURNAL / 4 * p22 * cos**2 * np.sin(twice)
    north = -_L1_DIURNAL * sin * p21 * sin * np.cos(away)
    north = north - _L1_SEMIDIURNAL / 2 * sin * cos * p22 * np.cos(twice)
    north = north - _L_OUT * p21 * np.cos(2 * lat) * np.sin(away) - _L_OUT / 4 * p22 * np.sin(2 * lat) * np.sin(twice)
    east = _L1_DIURNAL * sin * p21 * np.cos(2 * lat) * np.sin(away)
    east = east - _L1_SEMIDIURNAL / 2 * sin * cos * p22 * sin * np.sin(twice)
    east = east - _L_OUT * p21 * sin * np.cos(away) - _L_OUT / 2 * p22 * cos * np.cos(twice)
    return factor * radial, factor * east, factor * north


def _by_frequency(time: np.datetime64, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equations 7.12 and 7.13, up, east and north, in m."""
    tau, arguments = _arguments(time)
    radial, east, north = (np.zeros_like(lat) for _ in range(3))
    for *multiples, r_in, r_out, t_in, t_out in _DIURNAL:
        angle = tau + float(np.dot(multiples, arguments)) + lon
        sine, cosine = np.sin(angle), np.cos(angle)
        radial += (r_in * sine + r_out * cosine) * np.sin(2 * lat)
        east += (t_in * cosine - t_out * sine) * np.sin(lat)
        north += (t_in * sine + t_out * cosine) * np.cos(2 * lat)
    for *multiples, r_in, r_out, t_in, t_out in _LONG:
        phase = float(np.dot(multiples, arguments))
        radial += (r_in * np.cos(phase) + r_out * np.sin(phase)) * (1.5 * np.sin(lat) ** 2 - 0.5)
        north += (t_in * np.cos(phase) + t_out * np.sin(phase)) * np.sin(2 * lat)
    return radial / 1e3, east / 1e3, north / 1e3


def _arguments(time: np.datetime64) -> tuple[float, np.ndarray]:
    """Mean lunar time tau, and Doodson's s, h, p, N', p_s; radians."""
    seconds = (time.astype("datetime64[us]") - _J2000).astype(np.float64) / 1e6
    century = seconds / (36525.0 * 86400.0)
    turn = 360.0 * ((time - time.astype("datetime64[D]")) / np.timedelta64(1, "D"))
    s = 218.31664563 + 481267.88194 * century
    h = 280.46645 + 36000.7697489 * century
    p = 83.35324312 + 4069.01363525 * century
    node = 234.95544499 + 1934.13626197 * century
    perihelion = 282.93734098 + 1.71945766667 * century
    tau = turn + h - s
    return float(np.radians(tau % 360.0)), np.radians(np.array([s, h, p, node, perihelion]) % 360.0)
