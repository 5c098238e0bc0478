"""Layers of rasters, read with rasterio: windows of all pairs, each file at its place on the grid."""

import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject
from rasterio.windows import Window

from insarray.io.layers.decode import Decode
from insarray.io.layers.extents import Place
from insarray.io.layers.raster_files import RasterFile, raster_file
from insarray.io.layers.vrt_sources import require_unchanged
from insarray.io.locations import exists, gdal_options, is_url, location, path_text, protocols_of
from insarray.io.source import PathLike
from insarray.model.conventions import FILL
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid
from insarray.model.secrets import cause_of

# The netCDF driver of GDAL admits one thread at a time, and rasterio may wait for it while holding the GIL: a driver
# that issues a warning would then deadlock.
_NETCDF = threading.RLock()
# By default GDAL flips images unless it finds ascending latitudes, and shifts longitudes beyond 180 degrees. Keep rows
# and columns as in the file; its coordinates locate them (io/layers/netcdf.py).
_AS_STORED = {"GDAL_NETCDF_BOTTOMUP": "NO", "GDAL_NETCDF_CENTERLONG_180": "NO"}
_OPENS = {"r": DatasetReader, "r+": partial(DatasetWriter, mode="r+")}
_REMOTE_THREADS = 16  # server latency exceeds decoding time
_THIS_MODULE = re.escape(__name__) + "$"
_RADAR_COORDINATES = ("ignore", None, NotGeoreferencedWarning, re.compile(_THIS_MODULE), 0)
_PARTS = 4  # parts of a read per thread, to balance the load


@dataclass(frozen=True)
class RasterLayer:
    """One band of one file per pair.

    Parameters
    ----------
    files
        One per pair.
    grid
        Grid of the stack.
    places
        Place of each file on the grid; None for a file that is warped to it.
    tile
        (rows, columns) of a tile of the files.
    decode
        Decoder of stored values.
    fingerprint
        Hash of the files and of `decode`.
    """

    files: tuple[RasterFile, ...]
    grid: Grid
    places: tuple[Place | None, ...]
    tile: tuple[int, int]
    decode: Decode
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.files), *self.grid.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result of `read`."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        chosen = range(len(self.files)) if pairs is None else pairs
        out = np.empty((len(chosen), rows.stop - rows.start, cols.stop - cols.start), self.dtype)
        jobs = list(zip(out, chosen, strict=True))
        pool, threads = reading_threads(remote=is_url(self.files[0].path))
        size = max(1, -(-len(jobs) // (_PARTS * threads)))

        def read_some(part: list[tuple[np.ndarray, int]]) -> None:
            with environment([self.files[pair] for _, pair in part]):
                for plane, pair in part:
                    self._read_one(pair, rows, cols, plane)

        for _ in pool.map(read_some, [jobs[first : first + size] for first in range(0, len(jobs), size)]):
            pass  # raises the first error
        return out

    def _read_one(self, pair: int, rows: slice, cols: slice, out: np.ndarray) -> None:
        """Read a window of one file; no-data outside the file."""
        place = self.places[pair]
        overlap = ((rows, cols), (slice(None), slice(None))) if place is None else place.overlap(rows, cols)
        inside = out[:0] if overlap is None else out[overlap[1]]
        if inside.size < out.size:
            out[...] = FILL[self.dtype.name]
        if overlap is not None:
            raw, empty = self._raw(self.files[pair], place, *overlap[0])
            if place is not None:
                raw, empty = place.upright(raw), None if empty is None else place.upright(empty)
            self.decode(raw, inside, pair, self.files[pair].path)
            if empty is not None:
                inside[empty] = FILL[self.dtype.name]

    def _raw(
        self, file: RasterFile, place: Place | None, rows: slice, cols: slice
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return stored values, and where the mask of the file marks them as no-data, if it has one."""
        window = Window.from_slices(rows, cols)
        try:
            with open_band(file, located=place is None) as dataset:
                if place is None:
                    return self._warped(dataset, file, window)
                if dataset.shape == (place.height, place.width):
                    return _unmasked(dataset, file, window)
                found = dataset.shape
        except (RasterioError, OSError, ValueError) as error:
            raise FileError(
                f"{file.path}: could not read rows {rows.start} to {rows.stop}, columns {cols.start} to "
                f"{cols.stop} ({reason_of(error)}); the file may be truncated, replace it"
            ) from cause_of(error)
        raise FileError(
            f"{file.path}: is {found[0]} x {found[1]} pixels, but was {place.height} x {place.width} "
            "when the stack was opened; open it again"
        )

    def _warped(self, dataset: Any, file: RasterFile, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
        # interpolate only floats, not labels, masks or bytes; no-data and possible no-data zeros are excluded
        real = np.dtype(dataset.dtypes[file.band - 1]).kind == "f"
        missing = dataset.nodata if dataset.nodata is not None else 0
        place = source_place(file, file.grid or grid_of_dataset(file.path, dataset, as_stored=True), self.grid)
        resampling = Resampling.bilinear if real else Resampling.nearest
        if file.masked:
            return self._warped_without_masked(dataset, file, window, place, resampling, missing), None
        options = {
            **place,
            "crs": self.grid.crs,
            "transform": Affine(*self.grid.affine),
            "height": self.grid.height,
            "width": self.grid.width,
            "resampling": resampling,
            "src_nodata": missing,
            "nodata": np.nan if real else missing,
        }
        with WarpedVRT(dataset, **options) as warped:
            return np.asarray(warped.read(file.band, window=window)), None

    def _warped_without_masked(
        self,
        dataset: Any,
        file: RasterFile,
        window: Window,
        place: dict[str, Any],
        resampling: Resampling,
        missing: float,
    ) -> np.ndarray:
        """Warp a file with both mask and no-data value, for which GDAL ignores the mask; reads the whole file."""
        raw, empty = _unmasked(dataset, file, None)
        raw[empty] = missing
        real = raw.dtype.kind == "f"
        out = np.empty((window.height, window.width), raw.dtype)
        reproject(
            raw,
            out,
            src_crs=place.get("src_crs", dataset.crs),
            src_transform=place.get("src_transform", dataset.transform),
            dst_crs=self.grid.crs,
            dst_transform=Affine(*self.grid.affine) @ Affine.translation(window.col_off, window.row_off),
            src_nodata=missing,
            dst_nodata=np.nan if real else missing,
            resampling=resampling,
        )
        return out


def _unmasked(dataset: Any, file: RasterFile, window: Window | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a band with 0 where its mask is no-data, and a mask of these pixels."""
    raw = np.asarray(dataset.read(file.band, window=window))
    if not file.masked:
        return raw, None
    # GDAL treats an alpha band as a mask only if it holds bytes
    said = dataset.read(file.alpha, window=window) if file.alpha else dataset.read_masks(file.band, window=window)
    empty = said == 0
    return np.where(empty, raw.dtype.type(0), raw), empty


def source_place(file: RasterFile, own: Grid, grid: Grid) -> dict[str, Any]:
    """Return options of a warp to `grid` where GDAL's own georeferencing of a file must be overridden.

    This applies to NetCDF files, whose own coordinates are used, and to longitudes in another range than those of
    `grid`, as GDAL treats 181 and -179 degrees as different places.
    """
    turned = own.beside(grid)
    if file.grid is None and turned == own:
        return {}
    return {"src_crs": turned.crs, "src_transform": Affine(*turned.affine)}


def reading_threads(*, remote: bool) -> tuple[ThreadPoolExecutor, int]:
    """Return the thread pool shared by all reads of this process, and its size, which bounds concurrent reads.

    The threads persist, as the first coordinate reference system in a thread takes as long as ten files.
    """
    return _threads_of(os.getpid(), remote)  # a forked process has none of the threads


@cache
def _threads_of(process: int, remote: bool) -> tuple[ThreadPoolExecutor, int]:  # noqa: FBT001
    threads = _REMOTE_THREADS if remote else os.cpu_count() or 1
    return ThreadPoolExecutor(threads, thread_name_prefix="insarray-read"), threads


def environment(files: Sequence[RasterFile]) -> Any:
    """Return the GDAL environment for reading pixels: the same for all files, without folder listings per file."""
    # files are opened for one window: the default cache of 5 % of the memory would only fill up
    options: dict[str, Any] = {"GDAL_CACHEMAX": 64, **gdal_options(protocols_of([file.name for file in files]))}
    if all(file.driver == "GTiff" and not file.beside for file in files):
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "EMPTY_DIR"
    if any(file.driver == "VRT" for file in files):  # text of a checked VRT, without a folder
        options |= {"GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ALL", "GDAL_VRT_ENABLE_PYTHON": "NO"}
    if any(file.driver == "netCDF" for file in files):
        options |= _AS_STORED
    return rasterio.Env(**options)


@contextmanager
def open_band(file: RasterFile, *, located: bool = True, mode: str = "r") -> Iterator[Any]:
    """Open the dataset within the `environment`; `located` if its georeferencing is needed."""
    # as path objects are never interpreted as URLs such as zip://; NETCDF: and /vsis3/ names must be text
    name = Path(file.path) if file.name == file.path else file.name
    # parsing the coordinate reference system takes three quarters of the time to open a GeoTIFF
    options = {"GEOREF_SOURCES": "NONE"} if file.driver == "GTiff" and not located else {}
    one_at_a_time = _NETCDF if file.driver == "netCDF" else nullcontext()
    require_unchanged(file.sources)
    _expect_radar_coordinates()
    with one_at_a_time, _OPENS[mode](name, driver=file.driver, sharing=False, **options) as dataset:
        yield dataset


def _expect_radar_coordinates() -> None:
    """Suppress rasterio's warnings in this module about files without georeferencing; leave other filters unchanged.

    rasterio's classes warn in the name of their caller, its function `open` in its own. The filter stays: filters are
    global to the process, so restoring them could undo changes of another thread.
    """
    if warnings.filters[:1] != [_RADAR_COORDINATES]:
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning, module=_THIS_MODULE)


@contextmanager
def open_raster(path: PathLike) -> Iterator[tuple[Any, RasterFile]]:
    """Open a one-file raster with the driver of its extension; yield dataset and file.

    Raises
    ------
    FileError
        If there is no such file, or its extension is not that of a raster.
    """
    place = location(path_text(path, "raster", "give a file, or an xarray.DataArray (y, x) with its coordinates"))
    if not exists(place):
        raise FileError(f"{path}: does not exist")
    file = raster_file(place)
    with environment([file]), open_band(file) as dataset:
        yield dataset, file


def grid_of_dataset(path: PathLike, dataset: Any, *, as_stored: bool = False) -> Grid:
    """Return the grid of an open raster other than NetCDF; row and column numbers if it has no coordinates.

    Longitudes are between -180 and 180, or with `as_stored` as in the file.

    Raises
    ------
    FileError
        If its pixel size is zero.
    """
    transform = dataset.transform
    height, width = dataset.shape
    known = dataset.crs is not None and (dataset.crs.is_geographic or dataset.crs.is_projected)
    crs = dataset.crs.to_wkt(version="WKT2_2019") if known else None
    if transform.is_identity and crs is None:
        return Grid(height, width)
    try:
        grid = Grid(height, width, transform.c, transform.f, transform.a, transform.e, crs)
        return grid if as_stored else grid.turn_towards(0.0)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from cause_of(error)


def reason_of(error: Exception) -> str:
    """Return GDAL's error message as one line."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return " ".join(str(cause).split()) or type(error).__name__
