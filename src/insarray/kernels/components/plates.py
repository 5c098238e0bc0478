"""Velocity of points of a plate that rotates about an axis through the centre of the earth."""

import numpy as np

_RADIUS, _SQUARED_ECCENTRICITY = 6378137.0, 0.00669437999014  # WGS 84


def velocity_of_plate(rotation: tuple[float, float, float], longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """East, north and up, float64 (3, ...), in m/year.

    Parameters
    ----------
    rotation
        Radians a year about x, y, z.
    longitude, latitude
        Degrees, on the ellipsoid.
    """
    lon, lat = np.radians(longitude), np.radians(latitude)
    curvature = _RADIUS / np.sqrt(1 - _SQUARED_ECCENTRICITY * np.sin(lat) ** 2)
    x, y = curvature * np.cos(lat) * np.cos(lon), curvature * np.cos(lat) * np.sin(lon)
    z = curvature * (1 - _SQUARED_ECCENTRICITY) * np.sin(lat)
    a, b, c = rotation
    vx, vy, vz = b * z - c * y, c * x - a * z, a * y - b * x
    east = -np.sin(lon) * vx + np.cos(lon) * vy
    outward = np.cos(lon) * vx + np.sin(lon) * vy
    return np.stack([east, np.cos(lat) * vz - np.sin(lat) * outward, np.cos(lat) * outward + np.sin(lat) * vz])
