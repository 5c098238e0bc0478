"""Rasters through rasterio: windows of all pairs, read file by file from where each lies on the grid."""

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

# GDAL's driver lets one thread in at a time, and rasterio lets a thread wait there with Python's own lock in hand: a
# driver that has something to warn of would wait for that lock forever
_NETCDF = threading.RLock()
# GDAL turns images round for which it finds no ascending latitudes, and longitudes beyond 180 degrees: rows and columns
# are to be those of the file, and its coordinates say where they are (io/layers/netcdf.py)
_AS_STORED = {"GDAL_NETCDF_BOTTOMUP": "NO", "GDAL_NETCDF_CENTERLONG_180": "NO"}
_OPENS = {"r": DatasetReader, "r+": partial(DatasetWriter, mode="r+")}
_REMOTE_THREADS = 16  # the answer of a server takes longer than decoding
_THIS_MODULE = re.escape(__name__) + "$"
_RADAR_COORDINATES = ("ignore", None, NotGeoreferencedWarning, re.compile(_THIS_MODULE), 0)
_PARTS = 4  # of a read for each thread, so that none waits long for the others


@dataclass(frozen=True)
class RasterLayer:
    """One band of one file per pair.

    Parameters
    ----------
    files
        One per pair.
    grid
        Of the stack.
    places
        Where each file lies on the grid; None for a file that is warped onto it.
    tile
        (rows, columns) that the files store together.
    decode
        From stored to canonical values.
    fingerprint
        Of the files and of `decode`.
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
        """Of what `read` returns."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
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
            pass  # the error of the first file that has one is raised here
        return out

    def _read_one(self, pair: int, rows: slice, cols: slice, out: np.ndarray) -> None:
        """Window of one file; no-data where the file has no pixels."""
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
        """Stored values, and where the mask of the file says that they are none, if it has one."""
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
        # labels, masks and bytes must not be mixed; no-data, and zeros that may be, are left out of the mean of four
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
        """Window of a file whose mask GDAL does not look at if there is a no-data value as well; all of it is read."""
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
    """Values of a band with 0 where its mask has no data, whatever lies under it, and where that is."""
    raw = np.asarray(dataset.read(file.band, window=window))
    if not file.masked:
        return raw, None
    # GDAL takes an alpha band for a mask only if it holds bytes
    said = dataset.read(file.alpha, window=window) if file.alpha else dataset.read_masks(file.band, window=window)
    empty = said == 0
    return np.where(empty, raw.dtype.type(0), raw), empty


def source_place(file: RasterFile, own: Grid, grid: Grid) -> dict[str, Any]:
    """Options of a warp onto `grid` where GDAL's word for the place of a file does not do.

    That is of NetCDF files, whose own coordinates count, and where longitudes are counted in another way than those of
    `grid`: GDAL takes 181 and -179 degrees for two places.
    """
    turned = own.beside(grid)
    if file.grid is None and turned == own:
        return {}
    return {"src_crs": turned.crs, "src_transform": Affine(*turned.affine)}


def reading_threads(*, remote: bool) -> tuple[ThreadPoolExecutor, int]:
    """Threads that all reads of this process share, so that blocks that are read at once do not multiply them.

    They stay, because the first coordinate reference system that a thread meets takes as long as ten files.
    """
    return _threads_of(os.getpid(), remote)  # a process that was forked has none of the threads


@cache
def _threads_of(process: int, remote: bool) -> tuple[ThreadPoolExecutor, int]:  # noqa: FBT001
    threads = _REMOTE_THREADS if remote else os.cpu_count() or 1
    return ThreadPoolExecutor(threads, thread_name_prefix="insarray-read"), threads


def environment(files: Sequence[RasterFile]) -> Any:
    """Settings for reading pixels: one environment for all files, and no listing of their folder for each."""
    # every file is opened for one window and closed: a cache of 5 % of the machine's memory would only fill up
    options: dict[str, Any] = {"GDAL_CACHEMAX": 64, **gdal_options(protocols_of([file.name for file in files]))}
    if all(file.driver == "GTiff" and not file.beside for file in files):
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "EMPTY_DIR"
    if any(file.driver == "VRT" for file in files):  # a text that was checked, which has no folder
        options |= {"GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ALL", "GDAL_VRT_ENABLE_PYTHON": "NO"}
    if any(file.driver == "netCDF" for file in files):
        options |= _AS_STORED
    return rasterio.Env(**options)


@contextmanager
def open_band(file: RasterFile, *, located: bool = True, mode: str = "r") -> Iterator[Any]:
    """The dataset, to be used within the `environment`; `located` if it must know where it lies."""
    # a path object is never taken for a URL such as zip://, a NETCDF: or /vsis3/ name must be text
    name = Path(file.path) if file.name == file.path else file.name
    # working out the coordinate reference system takes three quarters of the time to open a GeoTIFF
    options = {"GEOREF_SOURCES": "NONE"} if file.driver == "GTiff" and not located else {}
    one_at_a_time = _NETCDF if file.driver == "netCDF" else nullcontext()
    require_unchanged(file.sources)
    _expect_radar_coordinates()
    with one_at_a_time, _OPENS[mode](name, driver=file.driver, sharing=False, **options) as dataset:
        yield dataset


def _expect_radar_coordinates() -> None:
    """Let no file without georeferencing be warned of in the name of this module, and leave all other filters alone.

    rasterio's classes warn in the name of who calls them, its function `open` in its own. A filter once there stays:
    filters belong to the process, so that setting them back would undo what another thread has set.
    """
    if warnings.filters[:1] != [_RADAR_COORDINATES]:
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning, module=_THIS_MODULE)


@contextmanager
def open_raster(path: PathLike) -> Iterator[tuple[Any, RasterFile]]:
    """Dataset of a one-file raster, by the one driver that its extension allows, and what opened it.

    Raises
    ------
    FileError
        If there is no such file, or its extension is not a raster's.
    """
    place = location(path_text(path, "raster", "give a file, or an xarray.DataArray (y, x) with its coordinates"))
    if not exists(place):
        raise FileError(f"{path}: does not exist")
    file = raster_file(place)
    with environment([file]), open_band(file) as dataset:
        yield dataset, file


def grid_of_dataset(path: PathLike, dataset: Any, *, as_stored: bool = False) -> Grid:
    """Pixels of an open raster that is no NetCDF file; rows and columns are counted if it has no coordinates.

    Longitudes are between -180 and 180 unless they are asked for `as_stored`.

    Raises
    ------
    FileError
        If its pixels have no size.
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
    """One line of what GDAL said."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return " ".join(str(cause).split()) or type(error).__name__
