"""Rasters through rasterio: headers checked up front, windows of all pairs read file by file."""

import threading
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from insarray.io.decode import Decode
from insarray.io.files import names
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

# By extension, and no other driver: GDAL opens a VRT by its content whatever it is called, and a VRT can read any file
_DRIVERS = {
    ".tif": "GTiff",
    ".tiff": "GTiff",
    ".vrt": "VRT",
    ".nc": "netCDF",
    ".nc4": "netCDF",
    ".grd": "netCDF",
    ".img": "ENVI",  # or HFA, see _raster_file
    **dict.fromkeys((".bil", ".bin", ".dat", ".unw", ".cor", ".cc", ".phs", ".conncomp"), "ENVI"),
}
_HEADER_THREADS = 8
_WARNINGS = threading.Lock()
T = TypeVar("T")


@dataclass(frozen=True)
class RasterFile:
    """What opens one band: the file, GDAL's name for it, and the one driver allowed to."""

    path: str
    name: str
    driver: str


@dataclass(frozen=True)
class Header:
    """What a raster says of itself."""

    file: RasterFile
    members: tuple[str, ...]
    grid: Grid
    dtype: str
    tile: tuple[int, int]
    nodata: float | None
    units: str | None
    scale: float
    tags: dict[str, str]


@dataclass(frozen=True)
class RasterLayer:
    """One band of one file per pair.

    Parameters
    ----------
    files
        One per pair.
    grid_shape
        (rows, columns) of each.
    tile
        (rows, columns) that the files store together.
    decode
        From stored to canonical values.
    fingerprint
        Of the files and of `decode`.
    georeferenced
        False for radar coordinates.
    """

    files: tuple[RasterFile, ...]
    grid_shape: tuple[int, int]
    tile: tuple[int, int]
    decode: Decode
    fingerprint: str
    georeferenced: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.files), *self.grid_shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of what `read` returns."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
        chosen = range(len(self.files)) if pairs is None else pairs
        out = np.empty((len(chosen), rows.stop - rows.start, cols.stop - cols.start), self.dtype)
        window = Window(cols.start, rows.start, out.shape[2], out.shape[1])
        with _environment(self.files):
            for k, pair in enumerate(chosen):
                raw = self._raw(self.files[pair], window)
                self.decode(raw, out[k], pair, self.files[pair].path)
        return out

    def _raw(self, file: RasterFile, window: Window) -> np.ndarray:
        try:
            with _open(file, quiet=not self.georeferenced) as dataset:
                if dataset.shape == self.grid_shape:
                    return np.asarray(dataset.read(1, window=window))
                found = dataset.shape
        except (RasterioError, OSError, ValueError) as error:
            row, col = window.row_off, window.col_off
            raise FileError(
                f"{file.path}: could not read rows {row} to {row + window.height}, columns {col} to "
                f"{col + window.width} ({_reason(error)}); the file may be truncated, replace it"
            ) from error
        raise FileError(
            f"{file.path}: is {found[0]} x {found[1]} pixels, but was {self.grid_shape[0]} x {self.grid_shape[1]} "
            "when the stack was opened; open it again"
        )


def _environment(files: Sequence[RasterFile]) -> Any:
    """Settings for reading pixels: one environment for all files, and no listing of their folder for each."""
    # every file is opened for one window and closed: a cache of 5 % of the machine's memory would only fill up
    options: dict[str, Any] = {"GDAL_CACHEMAX": 64}
    if all(file.driver == "GTiff" for file in files):
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "EMPTY_DIR"
    return rasterio.Env(**options)


def _open(file: RasterFile, *, quiet: bool) -> Any:
    """The dataset; `quiet` drops rasterio's warning that it is not georeferenced (radar coordinates)."""
    # a path object is never taken for a URL such as zip://, a NETCDF: name must be text
    name = Path(file.path) if file.name == file.path else file.name
    with _silence() if quiet else nullcontext():
        return rasterio.open(name, driver=file.driver, sharing=False)


def open_raster(path: str | Path) -> Any:
    """Dataset of a one-file raster, by the one driver that its extension allows.

    Raises
    ------
    FileError
        If there is no such file, or its extension is not a raster's.
    """
    if not Path(path).exists():
        raise FileError(f"{path}: does not exist")
    return _open(_raster_file(Path(path), None, ()), quiet=True)


class _silence:  # noqa: N801 (a context manager)
    """Drop NotGeoreferencedWarning; the list of filters belongs to the process, so one thread at a time."""

    def __enter__(self) -> None:
        _WARNINGS.acquire()
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()
        warnings.simplefilter("ignore", NotGeoreferencedWarning)

    def __exit__(self, *error: object) -> None:
        self._filters.__exit__(None, None, None)
        _WARNINGS.release()


# -- headers --------------------------------------------------------------------------------------------------------


def read_headers(
    paths: Sequence[Path], variable: str | None = None, prefer: Sequence[str] = (), *, allow_complex: bool = False
) -> list[Header]:
    """Headers of one-band rasters, read side by side.

    Parameters
    ----------
    paths
        Existing files.
    variable
        Variable of NetCDF files that hold more than one.
    prefer
        Names to look for if there are several variables and none was given.
    allow_complex
        Whether complex numbers are expected.

    Raises
    ------
    FileError
        If files are unreadable, not rasters, not of one band, or rotated; all of them are listed.
    """
    with ThreadPoolExecutor(_HEADER_THREADS) as pool, _silence():
        results = list(
            pool.map(lambda path: _header_or_error(path, variable, prefer, allow_complex=allow_complex), paths)
        )
    errors = [result for result in results if isinstance(result, FileError)]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "; ".join(str(error) for error in errors[:5])
        raise FileError(f"{len(errors)} of {len(paths)} files cannot be used: {listed}" + ("; ..." * (len(errors) > 5)))
    return [result for result in results if isinstance(result, Header)]


def _header_or_error(
    path: Path, variable: str | None, prefer: Sequence[str], *, allow_complex: bool
) -> Header | FileError:
    try:
        return _header(path, variable, prefer, allow_complex=allow_complex)
    except FileError as error:
        return error


def _header(path: Path, variable: str | None, prefer: Sequence[str], *, allow_complex: bool) -> Header:
    file = _raster_file(path, variable, prefer)
    try:
        with _open(file, quiet=False) as dataset:
            if dataset.count != 1:
                raise FileError(
                    f"{path}: has {dataset.count} bands; write the one to use to a file (or VRT) of its own"
                )
            if dataset.dtypes[0].startswith("complex") and not allow_complex:
                raise FileError(f"{path}: holds complex numbers; unwrapped phase or coherence is needed")
            if dataset.offsets[0] != 0:
                raise FileError(f"{path}: has a band offset of {dataset.offsets[0]}; write the values without it")
            _require_whole(path, dataset)
            return Header(
                file,
                tuple(dataset.files) or (str(path),),
                _grid(path, dataset),
                dataset.dtypes[0],
                dataset.block_shapes[0],
                dataset.nodata,
                dataset.units[0],
                float(dataset.scales[0]),
                {**dataset.tags(), **dataset.tags(1)},
            )
    except (RasterioError, OSError, ValueError) as error:
        raise FileError(f"{path}: is not a readable {file.driver} raster ({_reason(error)})") from error


def _require_whole(path: Path, dataset: Any) -> None:
    """Read the last pixel: a truncated file is found before anything is computed or written."""
    height, width = dataset.shape
    try:
        dataset.read(1, window=Window(width - 1, height - 1, 1, 1))
    except (RasterioError, OSError, ValueError) as error:
        raise FileError(
            f"{path}: its last pixel cannot be read, it is truncated ({_reason(error)}); replace it"
        ) from error


def _raster_file(path: Path, variable: str | None, prefer: Sequence[str]) -> RasterFile:
    driver = _DRIVERS.get(path.suffix.lower())
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give files, or a folder of a product that insarray knows")
    if driver is None:
        known = " ".join(sorted(_DRIVERS))
        raise FileError(f"{path}: the extension {path.suffix!r} is not a known raster's ({known})")
    if path.stat().st_size == 0:
        raise FileError(f"{path}: is empty (0 bytes); fetch or make it again")
    if driver != "netCDF":
        if variable is not None:
            raise FileError(f"variable: applies to NetCDF, but {path} is not; leave it out")
        with path.open("rb") as content:  # Erdas Imagine and ENVI share an extension
            erdas = path.suffix.lower() == ".img" and content.read(4) == b"EHFA"
        return RasterFile(str(path), str(path), "HFA" if erdas else driver)
    return _netcdf_file(path, variable, prefer)


def _netcdf_file(path: Path, variable: str | None, prefer: Sequence[str]) -> RasterFile:
    whole = RasterFile(str(path), str(path), "netCDF")
    try:
        with _open(whole, quiet=False) as dataset:
            found = [name.rsplit(":", 1)[-1] for name in dataset.subdatasets]
    except (RasterioError, OSError, ValueError) as error:
        raise FileError(f"{path}: is not a readable netCDF raster ({_reason(error)})") from error
    if variable is None and not found:  # GDAL takes the only variable by itself
        return whole
    if variable is None:
        preferred = [name for name in prefer if name in found]
        if len(preferred) != 1:
            raise FileError(f"{path}: holds {', '.join(found)}; choose one with variable=")
        variable = preferred[0]
    elif found and variable not in found:
        raise FileError(f"{path}: has no variable {variable!r}; it holds {', '.join(found)}")
    return RasterFile(str(path), f'NETCDF:"{path}":{variable}', "netCDF")


def _grid(path: Path, dataset: Any) -> Grid:
    transform = dataset.transform
    height, width = dataset.shape
    known = dataset.crs is not None and (dataset.crs.is_geographic or dataset.crs.is_projected)
    crs = dataset.crs.to_wkt(version="WKT2_2019") if known else None
    if transform.b or transform.d:
        raise FileError(f"{path}: is rotated against its coordinates; bring it to a north-up grid with gdalwarp")
    if transform.is_identity and crs is None:
        return Grid(height, width)
    try:
        return Grid(height, width, transform.c, transform.f, transform.a, transform.e, crs)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


def require_one_grid(headers: Sequence[Header]) -> Grid:
    """Grid of all files.

    Raises
    ------
    StackError
        If they are not on one grid, with every kind of misfit listed.
    """
    usual, _ = Counter(header.grid for header in headers).most_common(1)[0]
    like = next(header for header in headers if header.grid == usual)
    misfits = [(header, text) for header in headers if (text := usual.mismatch(header.grid)) is not None]
    if not misfits:
        return usual
    listed = "; ".join(f"{Path(header.file.path).name}: {text}" for header, text in misfits[:3])
    raise StackError(
        f"{len(misfits)} of {len(headers)} files are not on the grid of {Path(like.file.path).name}: {listed}"
        + ("; ..." if len(misfits) > 3 else "")
        + "; bring all to one grid, for example with gdalwarp"
    )


def common(headers: Sequence[Header], values: Sequence[T], what: str, remedy: str) -> T:
    """The value that all files share; StackError naming two of them otherwise."""
    for header, value in zip(headers, values, strict=True):
        if value != values[0] and not (value != value and values[0] != values[0]):  # NaN is NaN
            first, other = names([headers[0].file.path]), names([header.file.path])
            raise StackError(f"{what}: {values[0]} in {first} but {value} in {other}; {remedy}")
    return values[0]


def _reason(error: Exception) -> str:
    """One line of what GDAL said."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return " ".join(str(cause).split()) or type(error).__name__
