"""Zenith delays on levels of height: OPERA L4 TROPO-ZENITH, and the cubes of RAiDER."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr

from insarray.io.corrections.netcdf import opened_dataset
from insarray.io.corrections.source import HYDROSTATIC, WET, Bounds, DelayFile, Delays, beside, window
from insarray.io.files import fingerprint
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError

_METRES = {"m", "meter", "meters", "metre", "metres"}
_MOST = 1e30  # the fill value of NetCDF, 9.97e36, which some writers do not declare


@dataclass(frozen=True)
class DelayCube(DelayFile):
    """Wet and hydrostatic delays (height, latitude, longitude) at one time.

    Parameters
    ----------
    highest
        Height of the highest level, m.
    """

    highest: float

    variables: ClassVar[dict[str, str]] = {}
    axes: ClassVar[tuple[str, str, str]] = ("height", "latitude", "longitude")
    reference: ClassVar[str] = "ellipsoid"

    def read(self, bounds: Bounds, top: float) -> Delays:
        """Delays about the bounds on the levels of the file."""
        z, y, x = self.axes
        with opened_dataset(Path(self.path)) as dataset:
            lat, lon = (dataset[axis].values.astype(np.float64) for axis in (y, x))
            rows, cols = window(lat, lon, bounds, self.path)
            heights = dataset[z].values.astype(np.float64)
            order = np.argsort(heights, kind="stable")
            order = order[: max(2, int(np.searchsorted(heights[order], top)) + 1)]
            values = {}
            for name, stored in self.variables.items():
                found = dataset[stored].isel({z: np.sort(order), y: rows, x: cols})
                found = found.squeeze([dim for dim in found.dims if dim not in self.axes]).transpose(z, y, x)
                delay = found.values[np.argsort(np.argsort(order))].astype(np.float64)
                values[name] = np.where(np.abs(delay) < _MOST, delay, np.nan)
        return Delays(heights[order], lat[rows], beside(lon, bounds)[cols], values)

    @property
    def top(self) -> float:
        """Height of the highest level, m."""
        return self.highest


@dataclass(frozen=True)
class OperaTroposphere(DelayCube):
    """OPERA_L4_TROPO-ZENITH: `wet_delay` and `hydrostatic_delay` (time, height, latitude, longitude) in metres, every six hours.

    opera-adt/tropo, src/opera_tropo/product_info.py: heights above the ellipsoid, fill value 9.96921e36.
    """

    product: ClassVar[str] = "OPERA L4 TROPO-ZENITH"
    variables: ClassVar[dict[str, str]] = {WET: "wet_delay", HYDROSTATIC: "hydrostatic_delay"}


@dataclass(frozen=True)
class RaiderCube(DelayCube):
    """RAiDER geo cube: `wet` and `hydro` (z, y, x) in metres, of the attribute `reference_time`.

    dbekaert/RAiDER, tools/RAiDER/delay.py: heights above the ellipsoid, longitude and latitude by default.
    """

    product: ClassVar[str] = "RAiDER cube"
    variables: ClassVar[dict[str, str]] = {WET: "wet", HYDROSTATIC: "hydro"}
    axes: ClassVar[tuple[str, str, str]] = ("z", "y", "x")


def is_opera(dataset: xr.Dataset) -> bool:
    """Whether a dataset is of OPERA's troposphere, by its names."""
    return {"wet_delay", "hydrostatic_delay", "height"} <= set(map(str, dataset.variables))


def is_raider(dataset: xr.Dataset) -> bool:
    """Whether a dataset is a cube of RAiDER, by its names."""
    return {"wet", "hydro", "z", "y", "x"} <= set(map(str, dataset.variables))


def scan_opera(path: Path, dataset: xr.Dataset) -> list[DelayFile]:
    """The entry of a file; FileError if its units or its time are not known."""
    highest = _checked(path, dataset, OperaTroposphere)
    if "time" not in dataset.variables or dataset["time"].dtype.kind != "M":
        raise FileError(f"{path}: has no time; download it again")
    times = np.atleast_1d(dataset["time"].values).astype("datetime64[s]")
    if len(times) != 1:
        raise FileError(f"{path}: has {len(times)} times, OPERA's files have one; split it")
    return [OperaTroposphere(str(path), times[0], True, fingerprint([path], "opera"), highest)]  # noqa: FBT003


def scan_raider(path: Path, dataset: xr.Dataset) -> list[DelayFile]:
    """The entry of a file; FileError if it is of slant delays, in another CRS, or says no time."""
    highest = _checked(path, dataset, RaiderCube)
    described = str(dataset.attrs.get("description", "zenith"))
    if " - " in described and not described.endswith("zenith"):
        raise FileError(f"{path}: holds slant delays ({described}); make the cube for the zenith (los: none)")
    if "north" not in str(dataset["y"].attrs.get("units", "degrees_north")):
        raise FileError(f"{path}: its y are in {dataset['y'].attrs.get('units')!r}; make the cube in EPSG:4326")
    try:
        time = as_time(str(dataset.attrs.get("reference_time", "")).split(".")[0].replace(" ", "T"))
    except ArgumentError as error:
        raise FileError(f"{path}: its attribute reference_time is not a time ({error})") from error
    return [RaiderCube(str(path), time, True, fingerprint([path], "raider"), highest)]  # noqa: FBT003


def _checked(path: Path, dataset: xr.Dataset, kind: type[DelayCube]) -> float:
    """Height of the highest level; FileError for units that are not metres, and axes that are missing."""
    for name in (*kind.variables.values(), kind.axes[0]):
        said = str(dataset[name].attrs.get("units", "m")).strip().lower()
        if said not in _METRES:
            raise FileError(f"{path}: {name} is in {said!r}, not in metres; is it a {kind.product}?")
    if any(axis not in dataset.variables for axis in kind.axes):
        raise FileError(f"{path}: has no {', '.join(kind.axes)}; download it again")
    if dataset[kind.axes[0]].size < 2:
        raise FileError(f"{path}: has a single level of height; download it again")
    return float(dataset[kind.axes[0]].values.max())
