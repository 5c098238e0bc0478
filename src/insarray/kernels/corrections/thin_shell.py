"""Ionosphere as a thin shell: where the line of sight pierces it, how obliquely, and what electrons do to the phase."""

from typing import NamedTuple

import numpy as np

REFRACTION = 40.308
"""m^3/s^2: range by which the phase is ahead, times the square of the frequency, per electron and m^2."""

TECU = 1e16
"""Electrons per m^2 in a unit of total electron content."""


class Pierced(NamedTuple):
    """Where lines of sight go through the shell.

    Parameters
    ----------
    lat, lon
        Degrees.
    slant
        Length of the way through the shell over its thickness: 1 / cos of the zenith angle there.
    """

    lat: np.ndarray
    lon: np.ndarray
    slant: np.ndarray


def pierced(
    lat: np.ndarray,
    lon: np.ndarray,
    look: tuple[np.ndarray, np.ndarray, np.ndarray],
    radius: float,
    height: float,
) -> Pierced:
    """Points at which lines of sight pierce a spherical shell.

    Parameters
    ----------
    lat, lon
        Of the ground, degrees.
    look
        East, north and up component of the unit vector from ground to satellite.
    radius, height
        Of the Earth, and of the shell above it, in one unit.

    References
    ----------
    * Schaer, S. (1999), Mapping and predicting the Earth's ionosphere using the Global Positioning System, thesis,
      University of Bern, section 2.4.
    """
    east, north, up = look
    sine = np.sqrt(np.clip(1 - up**2, 0, 1)) * radius / (radius + height)
    angle = np.arccos(np.clip(up, -1, 1)) - np.arcsin(sine)  # between ground and pierce point, seen from the centre
    azimuth = np.arctan2(east, north)
    phi, lam = np.radians(lat), np.radians(lon)
    there = np.arcsin(np.sin(phi) * np.cos(angle) + np.cos(phi) * np.sin(angle) * np.cos(azimuth))
    turned = np.arctan2(
        np.sin(angle) * np.sin(azimuth), np.cos(angle) * np.cos(phi) - np.sin(angle) * np.sin(phi) * np.cos(azimuth)
    )
    return Pierced(np.degrees(there), np.degrees(lam + turned), 1 / np.sqrt(1 - sine**2))


def phase_advance(content: np.ndarray, slant: np.ndarray, frequency: float) -> np.ndarray:
    """Apparent motion toward the satellite in m: electrons make the phase arrive earlier, so the range look shorter.

    Parameters
    ----------
    content
        Vertical total electron content, TECU.
    slant
        Of `pierced`.
    frequency
        Hz.
    """
    return np.asarray(REFRACTION * TECU * content * slant / frequency**2)
