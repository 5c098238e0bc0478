"""Motion of tectonic plates: rotation vectors of published models."""

import math
from dataclasses import dataclass
from typing import get_args

from insarray.model.choices import PlateModel
from insarray.model.errors import ArgumentError

_MAS = math.radians(1.0 / 3_600_000)  # milliarcsecond

_TABLES: dict[str, dict[str, tuple[float, float, float]]] = {
    "ITRF2014": {
        "Antarctica": (-0.248, -0.324, 0.675),
        "Arabia": (1.154, -0.136, 1.444),
        "Australia": (1.510, 1.182, 1.215),
        "Eurasia": (-0.085, -0.531, 0.770),
        "India": (1.154, -0.005, 1.454),
        "Nazca": (-0.333, -1.544, 1.623),
        "NorthAmerica": (0.024, -0.694, -0.063),
        "Nubia": (0.099, -0.614, 0.733),
        "Pacific": (-0.409, 1.047, -2.169),
        "SouthAmerica": (-0.270, -0.301, -0.140),
        "Somalia": (-0.121, -0.794, 0.884),
    },
    "ITRF2020": {
        "Amur": (-0.131, -0.551, 0.837),
        "Antarctica": (-0.269, -0.312, 0.678),
        "Arabia": (1.129, -0.146, 1.438),
        "Australia": (1.487, 1.175, 1.223),
        "Caribbean": (0.207, -1.422, 0.726),
        "Eurasia": (-0.085, -0.519, 0.753),
        "India": (1.137, 0.013, 1.444),
        "Nazca": (-0.327, -1.561, 1.605),
        "NorthAmerica": (0.045, -0.666, -0.098),
        "Nubia": (0.090, -0.585, 0.717),
        "Pacific": (-0.404, 1.021, -2.154),
        "SouthAmerica": (-0.261, -0.282, -0.157),
        "Somalia": (-0.081, -0.719, 0.864),
    },
}
"""Milliarcseconds a year about the axes x, y, z."""


@dataclass(frozen=True)
class Rotation:
    """Rotation of a plate.

    Parameters
    ----------
    x, y, z
        Radians a year about the axes of the earth-fixed frame.
    name
        For attributes.
    """

    x: float
    y: float
    z: float
    name: str


def rotation(plate: str | None, pole: tuple[float, float, float] | None, model: PlateModel | None) -> Rotation:
    """Rotation of a plate of a model, or about a pole.

    Parameters
    ----------
    plate
        Its name; capitals, spaces and dashes do not matter.
    pole
        Latitude, longitude in degrees, and degrees per million years.
    model
        Of plates; default: ITRF2020.

    Raises
    ------
    ArgumentError
        If neither or both are given, there is no such plate, or the pole cannot be.
    """
    if (plate is None) == (pole is None):
        raise ArgumentError(
            "plate: give the name of a plate, or else a pole (latitude, longitude, degrees per million years)"
        )
    if pole is not None:
        return _of_pole(pole, model)
    name = model or "ITRF2020"
    if name not in get_args(PlateModel):
        raise ArgumentError(f"model: {model!r} is not one of {', '.join(get_args(PlateModel))}")
    table = _TABLES[name]
    word = "".join(letter for letter in str(plate).lower() if letter.isalpha())
    for known, parts in table.items():
        if known.lower() == word:
            x, y, z = (part * _MAS for part in parts)
            return Rotation(x, y, z, f"{known} ({name})")
    raise ArgumentError(f"plate: {plate!r} is not in {name}, which has {', '.join(table)}")


def _of_pole(pole: tuple[float, float, float], model: PlateModel | None) -> Rotation:
    if model is not None:
        raise ArgumentError("model: is of plates, but a pole is given; leave it out")
    try:
        latitude, longitude, rate = (float(value) for value in pole)
    except (TypeError, ValueError):
        raise ArgumentError(f"pole: {pole!r} is not latitude, longitude, degrees per million years") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 360 and math.isfinite(rate) and abs(rate) < 100):
        raise ArgumentError(f"pole: {pole!r} is not latitude, longitude, degrees per million years")
    lat, lon, size = math.radians(latitude), math.radians(longitude), math.radians(rate) / 1e6
    name = f"pole {latitude:g} {longitude:g} {rate:g} deg/Myr"
    return Rotation(
        size * math.cos(lat) * math.cos(lon), size * math.cos(lat) * math.sin(lon), size * math.sin(lat), name
    )
