"""Zenith delays of a column of air from temperature, humidity and geopotential on levels of pressure."""

from typing import NamedTuple

import numpy as np

K1, K2, K3 = 0.776, 0.716, 3.75e3
"""Refractivity: K/Pa, K/Pa, K^2/Pa. Smith and Weintraub (1953), as in Doin et al. (2009) and Jolivet et al. (2011)."""

GAS_CONSTANT, GAS_CONSTANT_VAPOUR = 287.05, 461.495
"""Of dry air and of water vapour, J/(kg K)."""

GRAVITY = 9.80665
"""m/s^2, by which a geopotential is turned into a height."""

_RATIO = GAS_CONSTANT / GAS_CONSTANT_VAPOUR
_LEAST_STEP = 1e-3  # of the logarithm, below which two refractivities count as equal


class ZenithDelays(NamedTuple):
    """Delays from each height to the top of the atmosphere, one way, in m, float64."""

    wet: np.ndarray
    hydrostatic: np.ndarray


def zenith_delays(
    pressure: np.ndarray,
    temperature: np.ndarray,
    humidity: np.ndarray,
    geopotential: np.ndarray,
    heights: np.ndarray,
) -> ZenithDelays:
    """Zenith delays at heights.

    Hydrostatic: 1e-6 k1 Rd / g P, that of all air above, so that nothing is integrated. Wet: the integral of
    1e-6 ((k2 - Rd / Rv k1) e / T + k3 e / T^2) over the height. Between levels pressure and refractivity are exponential
    in the height, below the lowest they go on as between the lowest two.

    Parameters
    ----------
    pressure
        Pa, shape (level,), from high to low.
    temperature, humidity, geopotential
        K, kg/kg and m^2/s^2, shape (level, column).
    heights
        Metres above the geoid, ascending, shape (height,).

    Returns
    -------
    ZenithDelays
        Each of shape (height, column).

    References
    ----------
    * Smith, E. K. and Weintraub, S. (1953), The constants in the equation for atmospheric refractive index at radio
      frequencies, Proc. IRE 41, 1035-1037.
    * Doin, M.-P., Lasserre, C., Peltzer, G., Cavalie, O. and Doubre, C. (2009), Corrections of stratified tropospheric
      delays in SAR interferometry: validation with global atmospheric models, J. Applied Geophysics 69, 35-50.
    * Jolivet, R., Grandin, R., Lasserre, C., Doin, M.-P. and Peltzer, G. (2011), Systematic InSAR tropospheric phase
      delay corrections from global meteorological reanalysis data, Geophys. Res. Lett. 38, L17311.
    """
    level = geopotential / GRAVITY
    vapour = humidity * pressure[:, None] / (_RATIO + (1 - _RATIO) * humidity)
    refractivity = (K2 - _RATIO * K1) * vapour / temperature + K3 * vapour / temperature**2
    refractivity = np.log(np.maximum(refractivity, 1e-12))
    logarithm = np.broadcast_to(np.log(pressure)[:, None], level.shape)
    above = _integrals(level, refractivity)
    wet, hydrostatic = (np.empty((len(heights), level.shape[1])) for _ in range(2))
    columns = np.arange(level.shape[1])
    for k, height in enumerate(heights):
        below = np.clip((level <= height).sum(axis=0) - 1, 0, len(level) - 2)
        place = (height - level[below, columns]) / (level[below + 1, columns] - level[below, columns])
        here, upper = (
            _between(refractivity, below, columns, place),
            refractivity[below + 1, columns],
        )
        wet[k] = above[below + 1, columns] + _layer(level[below + 1, columns] - height, here, upper)
        hydrostatic[k] = np.exp(_between(logarithm, below, columns, place))
    return ZenithDelays(1e-6 * wet, 1e-6 * K1 * GAS_CONSTANT / GRAVITY * hydrostatic)


def _between(values: np.ndarray, below: np.ndarray, columns: np.ndarray, place: np.ndarray) -> np.ndarray:
    low, high = values[below, columns], values[below + 1, columns]
    return np.asarray(low + (high - low) * place)


def _integrals(level: np.ndarray, logarithm: np.ndarray) -> np.ndarray:
    """Integral of the refractivity from each level to the highest."""
    found = np.zeros_like(level)
    for k in range(len(level) - 2, -1, -1):
        found[k] = found[k + 1] + _layer(level[k + 1] - level[k], logarithm[k], logarithm[k + 1])
    return found


def _layer(thickness: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Integral over a layer in which the logarithm of a quantity is linear, from it at the bottom and at the top."""
    step = high - low
    even = np.abs(step) < _LEAST_STEP
    safe = np.where(even, 1.0, step)
    factor = np.where(even, 1 + step / 2, np.expm1(step) / safe)
    return np.asarray(thickness * np.exp(low) * factor)
