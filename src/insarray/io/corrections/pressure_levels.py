"""ERA5 and the like on levels of pressure: GRIB as ECMWF serves it, and NetCDF as its store converts it, old and new."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import rasterio
import xarray as xr
from rasterio.errors import RasterioError

from insarray.io.corrections.netcdf import opened_dataset
from insarray.io.corrections.source import HYDROSTATIC, WET, Bounds, DelayFile, Delays, beside, window
from insarray.io.files import fingerprint
from insarray.io.layers.vrt_sources import require_known_companions
from insarray.kernels.corrections.refractivity import zenith_delays
from insarray.model.errors import FileError

_STEP, _LOWEST, _HIGHEST = 50.0, -500.0, 9000.0  # m: heights at which delays are worked out
_PARAMETERS = ("t", "q", "z")
_AXES = {
    "pressure": ("pressure_level", "level", "isobaricInhPa", "plev"),
    "time": ("valid_time", "time"),
    "lat": ("latitude", "lat"),
    "lon": ("longitude", "lon"),
}
"""What dimensions are called by the store since 2024, before, by cfgrib, and by others."""

_PASCAL = {"hpa": 100.0, "millibars": 100.0, "mbar": 100.0, "pa": 1.0, "": 100.0}
_UNITS = {"t": {"k"}, "q": {"kgkg**-1", "kgkg-1", "kg/kg", "1"}, "z": {"m**2s**-2", "m2s-2", "m^2/s^2"}}


@dataclass(frozen=True)
class PressureLevels(DelayFile):
    """Temperature, humidity and geopotential on levels of pressure, at one time.

    Parameters
    ----------
    grib
        Whether it is GRIB.
    """

    grib: bool

    product: ClassVar[str] = "ERA5 pressure levels"

    def read(self, bounds: Bounds, top: float) -> Delays:
        """Delays about the bounds, on heights of 50 m steps up to 9 km."""
        lat, lon, pressure, fields = (_read_grib if self.grib else _read_netcdf)(self.path, self.time, bounds)
        order = np.argsort(-pressure, kind="stable")
        shape = fields["t"].shape[1:]
        columns = {name: values[order].reshape(len(order), -1).astype(np.float64) for name, values in fields.items()}
        heights = np.arange(_LOWEST, min(_HIGHEST, max(top, 0.0) + _STEP) + _STEP, _STEP)
        wet, hydrostatic = zenith_delays(pressure[order], columns["t"], columns["q"], columns["z"], heights)
        values = {WET: wet, HYDROSTATIC: hydrostatic}
        return Delays(heights, lat, lon, {name: part.reshape(-1, *shape) for name, part in values.items()})

    @property
    def top(self) -> float:
        """Height of the highest level, m."""
        return _HIGHEST


_Fields = tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]


# -- NetCDF ---------------------------------------------------------------------------------------------------------


def is_pressure_levels(dataset: xr.Dataset) -> bool:
    """Whether a NetCDF dataset has what is needed, by its names."""
    return set(_PARAMETERS) <= set(map(str, dataset.data_vars)) and _axis(dataset, "pressure") is not None


def scan_netcdf(path: Path, dataset: xr.Dataset) -> list[PressureLevels]:
    """One entry for each time of a file.

    Raises
    ------
    FileError
        If an axis is missing, or a variable has another unit.
    """
    for name, units in _UNITS.items():
        said = str(dataset[name].attrs.get("units", "")).replace(" ", "").lower()
        if said and said not in units:
            raise FileError(f"{path}: {name} is in {said!r}, not {' or '.join(sorted(units))}; is it of ERA5?")
    for axis in ("time", "lat", "lon"):
        if _axis(dataset, axis) is None:
            raise FileError(f"{path}: has no coordinate {' or '.join(_AXES[axis])}; download it again")
    times = np.atleast_1d(dataset[_axis(dataset, "time")].values).astype("datetime64[s]")
    return [PressureLevels(str(path), time, True, fingerprint([path], str(time)), False) for time in times]  # noqa: FBT003


def _axis(dataset: xr.Dataset, axis: str) -> str | None:
    return next((name for name in _AXES[axis] if name in dataset.variables), None)


def _read_netcdf(path: str, time: np.datetime64, bounds: Bounds) -> _Fields:
    with opened_dataset(Path(path)) as dataset:
        names = {axis: str(_axis(dataset, axis)) for axis in _AXES}
        lat, lon = (dataset[names[axis]].values.astype(np.float64) for axis in ("lat", "lon"))
        rows, cols = window(lat, lon, bounds, path)
        times = np.atleast_1d(dataset[names["time"]].values).astype("datetime64[s]")
        at = np.flatnonzero(times == time)
        if not len(at):
            raise FileError(f"{path}: has lost the time {time} since it was opened; open it again")
        fields = {}
        for name in _PARAMETERS:
            found = dataset[name]
            if names["time"] in found.dims:
                found = found.isel({names["time"]: int(at[0])})
            found = found.isel({names["lat"]: rows, names["lon"]: cols})
            found = found.squeeze([dim for dim in found.dims if dim not in names.values()])
            fields[name] = found.transpose(names["pressure"], names["lat"], names["lon"]).values
        levels = dataset[names["pressure"]]
        said = str(levels.attrs.get("units", "")).strip().lower()
        if said not in _PASCAL:
            raise FileError(f"{path}: its levels of pressure are in {said!r}, not hPa or Pa; is it of ERA5?")
        pressure = levels.values.astype(np.float64) * _PASCAL[said]
    return lat[rows], beside(lon, bounds)[cols], pressure, fields


# -- GRIB -----------------------------------------------------------------------------------------------------------

_Bands = dict[tuple[str, float], int]


def scan_grib(path: Path) -> list[PressureLevels]:
    """One entry for each time of a file.

    GDAL reads GRIB, which comes with rasterio: no library of ECMWF is needed. Its tags say what a band is:
    ``GRIB_ELEMENT``, ``GRIB_SHORT_NAME`` such as ``50000-ISBL`` (Pa; hPa in edition 1), ``GRIB_VALID_TIME``.

    Raises
    ------
    FileError
        If it cannot be read, or lacks temperature, humidity or geopotential on its levels.
    """
    with _grib(str(path)) as source:
        times = sorted({int(tags["GRIB_VALID_TIME"].split()[0]) for tags in _tags(source)})
        if not times:
            raise FileError(
                f"{path}: has no levels of pressure (ISBL); fetch temperature, humidity and geopotential on them"
            )
        for time in times:
            _complete(path, _bands(source, time))
    moments = [np.datetime64(time, "s") for time in times]
    return [PressureLevels(str(path), time, True, fingerprint([path], str(time)), True) for time in moments]  # noqa: FBT003


@contextmanager
def _grib(path: str) -> Iterator[rasterio.DatasetReader]:
    """The raster of a GRIB file; FileError if this GDAL has no driver, or the file is damaged."""
    require_known_companions(path)
    with rasterio.Env(GRIB_NORMALIZE_UNITS="NO"):  # else temperatures are in degrees Celsius
        try:
            source = rasterio.open(path, driver="GRIB")
        except RasterioError as error:
            raise FileError(
                f"{path}: cannot be read as GRIB ({error}); download it again, or as NetCDF if this GDAL has no GRIB driver"
            ) from error
        with source:
            yield source


def _tags(source: rasterio.DatasetReader) -> list[Mapping[str, str]]:
    found = [source.tags(band) for band in source.indexes]
    return [tags for tags in found if tags.get("GRIB_SHORT_NAME", "").endswith("-ISBL")]


def _bands(source: rasterio.DatasetReader, time: int) -> _Bands:
    """Band by parameter and pressure in Pa."""
    found: _Bands = {}
    for band in source.indexes:
        tags = source.tags(band)
        name, level = tags.get("GRIB_ELEMENT", "").lower(), tags.get("GRIB_SHORT_NAME", "")
        name = {"gp": "z", "spfh": "q", "tmp": "t"}.get(name, name)  # of edition 2
        if name not in _PARAMETERS or not level.endswith("-ISBL") or int(tags["GRIB_VALID_TIME"].split()[0]) != time:
            continue
        in_hpa = "[hPa]" in (source.descriptions[band - 1] or "")
        found[name, float(level.removesuffix("-ISBL")) * (100.0 if in_hpa else 1.0)] = band
    return found


def _complete(path: Path | str, bands: _Bands) -> np.ndarray:
    """Levels of pressure that all parameters have, Pa; FileError if there are fewer than two."""
    levels = [{level for name, level in bands if name == wanted} for wanted in _PARAMETERS]
    common = sorted(set.intersection(*levels))
    if len(common) < 2:
        counts = ", ".join(f"{name} on {len(of)}" for name, of in zip(_PARAMETERS, levels, strict=True))
        raise FileError(
            f"{path}: has {counts} levels of pressure; fetch temperature, specific humidity and geopotential on all"
        )
    return np.array(common)


def _read_grib(path: str, time: np.datetime64, bounds: Bounds) -> _Fields:
    with _grib(path) as source:
        transform = source.transform
        lon = transform.c + transform.a * (np.arange(source.width) + 0.5)
        lat = transform.f + transform.e * (np.arange(source.height) + 0.5)
        rows, cols = window(lat, lon, bounds, path)
        bands = _bands(source, int(time.astype("datetime64[s]").astype(np.int64)))
        pressure = _complete(path, bands)
        fields = {
            name: np.stack([source.read(bands[name, level])[np.ix_(rows, cols)] for level in pressure])
            for name in _PARAMETERS
        }
    if np.nanmax(fields["t"]) < 100.0:
        fields["t"] = fields["t"] + 273.15  # a GDAL that turns kelvin into degrees Celsius all the same
    return lat[rows], beside(lon, bounds)[cols], pressure, fields
