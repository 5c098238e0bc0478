"""GACOS: total zenith delays at the ground, as flat files with a header, as GeoTIFF, and as LiCSAR has them in radians."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from insarray.io.corrections.source import TOTAL, Bounds, DelayFile, Delays, beside, window
from insarray.io.files import fingerprint
from insarray.io.given import given_folders, require_given
from insarray.io.layers.vrt_sources import require_known_companions
from insarray.io.sidecars import SENTINEL1_WAVELENGTH, read_keys
from insarray.model.dates import date_from_name
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number, plain_whole

_KEYS = ("WIDTH", "FILE_LENGTH", "X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")


@dataclass(frozen=True)
class _Ground(DelayFile):
    """Delays at the ground, which say nothing of other heights.

    Parameters
    ----------
    shape
        Rows and columns.
    first
        Latitude and longitude of the centre of the first pixel.
    step
        Of latitude and longitude.
    """

    shape: tuple[int, int]
    first: tuple[float, float]
    step: tuple[float, float]

    names: ClassVar[tuple[str, ...]] = (TOTAL,)
    product: ClassVar[str] = "GACOS"
    at_ground: ClassVar[bool] = True
    factor: ClassVar[float] = 1.0

    def read(self, bounds: Bounds, top: float) -> Delays:
        """Delays about the bounds; 0 is no-data."""
        lat, lon = (
            first + step * np.arange(size) for first, step, size in zip(self.first, self.step, self.shape, strict=True)
        )
        rows, cols = window(lat, lon, bounds, self.path)
        box = slice(int(rows.min()), int(rows.max()) + 1), slice(int(cols.min()), int(cols.max()) + 1)
        stored = self._window(*box)[np.ix_(rows - box[0].start, cols - box[1].start)].astype(np.float64)
        values = np.where(stored == 0, np.nan, stored * self.factor)
        return Delays(None, lat[rows], beside(lon, bounds)[cols], {TOTAL: values})

    def _window(self, rows: slice, cols: slice) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class GacosFlat(_Ground):
    """``YYYYMMDD.ztd``: float32, little-endian, metres, rows from the north; ``.ztd.rsc`` says of which nodes.

    X_FIRST and Y_FIRST are the centre of the first sample: LiCSAR_ztd2geotiff.py of LiCSAR.
    """

    def _window(self, rows: slice, cols: slice) -> np.ndarray:
        flat = np.memmap(self.path, np.dtype("<f4"), "r", shape=self.shape)
        return np.array(flat[rows, cols])


@dataclass(frozen=True)
class GacosRaster(_Ground):
    """``YYYYMMDD.ztd.tif``: the same as GeoTIFF, metres."""

    def _window(self, rows: slice, cols: slice) -> np.ndarray:
        try:
            with rasterio.open(self.path, driver="GTiff") as source:
                masked = source.read(1, window=Window.from_slices(rows, cols), masked=True)
        except RasterioError as error:
            raise FileError(f"{self.path}: cannot be read as a raster ({error}); download it again") from error
        return np.asarray(np.ma.filled(masked.astype(np.float64), 0.0))


@dataclass(frozen=True)
class LicsarZenith(GacosRaster):
    """``YYYYMMDD.ztd.geo.tif`` of LiCSAR: zenith delay x 4 pi / wavelength of Sentinel-1, radians."""

    product: ClassVar[str] = "GACOS of LiCSAR"
    factor: ClassVar[float] = SENTINEL1_WAVELENGTH / (4 * math.pi)


@dataclass(frozen=True)
class LicsarSlant(LicsarZenith):
    """``YYYYMMDD.sltd.geo.tif`` of LiCSAR: the same divided by the cosine of the incidence angle already."""

    product: ClassVar[str] = "slant GACOS of LiCSAR"
    slant: ClassVar[bool] = True


def scan_flat(path: Path) -> list[DelayFile]:
    """The entry of a flat file.

    Raises
    ------
    FileError
        If its header is missing or does not fit it.
    """
    require_given(path, (path.parent, *given_folders()), f"{path}: is a link to")  # any bytes are delays
    header = path.with_name(f"{path.name}.rsc")
    if not header.exists():
        raise FileError(f"{path}: has no {header.name} beside it, which has its georeferencing; put it there")
    keys = read_keys(header, r"\s+")
    missing = [key for key in _KEYS if key not in keys]
    if missing:
        raise FileError(f"{header}: has no {', '.join(missing)}; download it again")
    try:
        width, length = (plain_whole(keys[key]) for key in _KEYS[:2])
        west, north, right, down = (plain_number(keys[key]) for key in _KEYS[2:])
    except ValueError as error:
        raise FileError(f"{header}: {error}; download it again") from error
    size = path.stat().st_size
    if width < 2 or length < 2 or size != 4 * width * length:
        raise FileError(f"{path}: has {size} bytes, {length} x {width} pixels of float32 have {4 * width * length}")
    if not right > 0 > down:
        raise FileError(f"{header}: X_STEP {right:g} and Y_STEP {down:g} are not those of rows from the north")
    time, timed = _time(path, keys.get("TIME_OF_DAY", ""))
    mark = fingerprint([path, header], "gacos")
    return [GacosFlat(str(path), time, timed, mark, (length, width), (north, west), (down, right))]


def scan_raster(path: Path) -> list[DelayFile]:
    """The entry of a GeoTIFF; which unit it has, its name says.

    Raises
    ------
    FileError
        If it is not in longitude and latitude.
    """
    require_known_companions(path)
    name = path.name.lower()
    kind = LicsarSlant if ".sltd.geo." in name else LicsarZenith if ".ztd.geo." in name else GacosRaster
    try:
        with rasterio.open(path, driver="GTiff") as source:
            transform, shape, crs = source.transform, source.shape, source.crs
    except RasterioError as error:
        raise FileError(f"{path}: cannot be read as a raster ({error}); download it again") from error
    if (crs is not None and not crs.is_geographic) or transform.b or transform.d:
        raise FileError(f"{path}: is not in longitude and latitude; give the file as GACOS made it")
    first = transform.f + transform.e / 2, transform.c + transform.a / 2
    time, timed = _time(path, "")
    mark = fingerprint([path], kind.__name__)
    return [kind(str(path), time, timed, mark, shape, first, (transform.e, transform.a))]


def _time(path: Path, said: str) -> tuple[np.datetime64, bool]:
    """Date of the name, with the time of day of the header or the name if there is one."""
    try:
        time = date_from_name(path.name)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    if time != time.astype("datetime64[D]"):
        return time, True
    clock = re.match(r"(\d{1,2}):(\d{2})", said)
    decimal = re.match(r"\d{1,2}\.\d+", said)
    if clock is not None:
        return time + np.timedelta64(3600 * int(clock[1]) + 60 * int(clock[2]), "s"), True
    if decimal is not None:
        return time + np.timedelta64(round(3600 * float(decimal[0])), "s"), True
    return time, False
