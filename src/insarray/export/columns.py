"""Columns of a table of points: names, units and digits, as EGMS and the plugins that read its files have them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.model.conventions import shown_units
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError

# Names: European Environment Agency, "EGMS Product Description and Format Specification" 2.0, tables 5 and 6: pid, latitude,
# longitude, height, temporal_coherence, mean_velocity, mean_velocity_std, and bare yyyymmdd in mm. The QGIS plugin InSAR
# Explorer finds mean_velocity and YYYYMMDD or DYYYYMMDD ("Data structure" in its documentation).
_NAMES = {"velocity": "mean_velocity", "velocity_std": "mean_velocity_std"}
_FIRST = (
    "height",
    "velocity",
    "velocity_std",
    "height_error",
    "height_error_std",
    "temporal_coherence",
    "point_coherence",
)
"""Order of the columns before the others."""

_SHORT = {
    "mean_velocity": "velocity",
    "mean_velocity_std": "vel_std",
    "height_error": "hgt_err",
    "height_error_std": "hgt_err_sd",
    "temporal_coherence": "temp_coh",
    "point_coherence": "point_coh",
    "residual_rms": "resid_rms",
}
"""Names of at most 10 characters, for shapefiles."""

_PLACE = ("x", "y", "latitude", "longitude")
_GEOMETRY = {"height", "height_wgs84", "incidence_angle", "slant_range", "los_east", "los_north", "los_up"}
"""Are there where nothing was measured, too."""

_MOST_NAME = 10
_DECIMALS = {"mm": 3, "mm/year": 4, "m": 3, "1": 4, "degree": 4, "radian": 4}
_DIRECTIONS = {"vertical": "upward", "eastward": "eastward"}
"""Of a displacement by how its name begins; others are along the line of sight."""

_LOS = "toward the satellite"


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Parameters
    ----------
    name
        In the table.
    source
        Variable or coordinate of the dataset.
    factor
        What its values are multiplied with.
    units, about
        Of the numbers in the table, and their meaning.
    """

    name: str
    source: str
    factor: float
    units: str
    about: str

    @property
    def is_measured(self) -> bool:
        """Whether it says something of the point that the image alone does not."""
        return self.source not in _GEOMETRY

    @property
    def decimals(self) -> int | None:
        """Digits behind the point in texts: well below what is measured; None: as many as float32 has."""
        return _DECIMALS.get(self.units)


@dataclass(frozen=True)
class Columns:
    """What a table has besides names and places of its points.

    Parameters
    ----------
    dims
        Of a map: ("y", "x") or ("point",).
    maps
        One number of each point.
    dates
        Names of the columns of the series, `YYYYMMDD`; none without a displacement.
    direction
        What a positive displacement is.
    """

    dims: tuple[str, ...]
    maps: tuple[Column, ...]
    dates: tuple[str, ...] = ()
    direction: str = _LOS

    @property
    def units(self) -> str:
        """Text of the column `units`: of the displacement."""
        return f"mm {self.direction}"

    def short_names(self) -> dict[str, str]:
        """Names of at most 10 characters for all columns, none twice: ``DYYYYMMDD`` for dates."""
        found: dict[str, str] = {}
        for column in self.maps:
            short = _SHORT.get(column.name, column.name)[:_MOST_NAME]
            number = 0
            while short in found.values():
                number += 1
                short = f"{column.name[: _MOST_NAME - len(str(number))]}{number}"
            found[column.name] = short
        return found | {date: f"D{date}" for date in self.dates}


def columns_of(dataset: xr.Dataset) -> Columns:
    """Columns of a dataset of points or of an image: every variable of floats that is a map, and the displacement.

    Raises
    ------
    ArgumentError
        If it has none, or several acquisitions on one day.
    """
    dims = ("point",) if "point" in dataset.dims else ("y", "x")
    columns = tuple(_columns(dataset, dims))
    dates: tuple[str, ...] = ()
    if "displacement" in dataset and "time" in dataset["displacement"].dims:
        labels = [date_label(time) for time in dataset["time"].values]
        dates = tuple(label[:8] for label in labels)
        twice = sorted({day for day in dates if dates.count(day) > 1})
        if twice:
            raise ArgumentError(
                f"dataset: has several acquisitions on {twice[0]}, and columns are named by days; choose one with .isel(time=...)"
            )
    if not columns and not dates:
        raise ArgumentError(
            f"dataset: has neither a displacement (time, {', '.join(dims)}) nor a map ({', '.join(dims)}) of numbers; give the "
            "result of invert or fit, or points"
        )
    names = ["pid", "units", "longitude", *(column.name for column in columns), *dates]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ArgumentError(f"dataset: two of its variables are {double[0]!r} in a table; drop or rename one")
    return Columns(dims, columns, dates, _direction(dataset) if dates else _LOS)


def _columns(dataset: xr.Dataset, dims: tuple[str, ...]) -> Iterator[Column]:
    known = [*dataset.data_vars, *(name for name in dataset.coords if name not in _PLACE)]
    maps = [str(name) for name in known if set(dataset[name].dims) == set(dims) and dataset[name].dtype.kind == "f"]
    for name in [*(name for name in _FIRST if name in maps), *sorted(name for name in maps if name not in _FIRST)]:
        attrs = dataset[name].attrs
        units, factor = shown_units(name, str(attrs.get("units", "1")))
        about = " ".join(str(attrs.get("long_name", name.replace("_", " "))).split())
        yield Column(_NAMES.get(name, name), name, factor, units, about)


def _direction(dataset: xr.Dataset) -> str:
    """What a positive displacement is, by the name that its attributes give it."""
    words = str(dataset["displacement"].attrs.get("long_name", ""))
    return next((direction for begin, direction in _DIRECTIONS.items() if words.startswith(begin)), _LOS)


def rounded(values: np.ndarray, decimals: int | None) -> np.ndarray:
    """Numbers as a text has them, float64."""
    if decimals is None:  # the seven digits that float32 has, without those that float64 adds
        return np.array([float(f"{value:.7g}") for value in values.ravel()]).reshape(values.shape)
    return np.round(values.astype(np.float64), decimals)
