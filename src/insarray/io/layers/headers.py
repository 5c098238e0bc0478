"""Read and check the headers of rasters concurrently, and make layers of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from insarray.io.files import fingerprint, names
from insarray.io.given import given_folders
from insarray.io.layers.decode import Decode
from insarray.io.layers.extents import Common, reconcile
from insarray.io.layers.raster import (
    RasterLayer,
    environment,
    grid_of_dataset,
    open_band,
    reading_threads,
    reason_of,
)
from insarray.io.layers.raster_files import RasterFile, raster_file
from insarray.io.layers.said import no_data_of, unit_of
from insarray.io.layers.vrt import require_whole_sources
from insarray.io.locations import is_url, location
from insarray.io.source import Extent
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid
from insarray.model.secrets import cause_of, identity

T = TypeVar("T")
_ROUNDING = 0.01  # pixels


@dataclass(frozen=True)
class Header:
    """Header of a raster; `nodata` in addition to NaN, `units` in lower case and empty if not stated."""

    file: RasterFile
    members: tuple[str, ...]
    grid: Grid
    dtype: str
    tile: tuple[int, int]
    nodata: tuple[float, ...]
    units: str
    scale: float
    tags: dict[str, str]


def read_headers(
    paths: Sequence[Path],
    variable: str | None = None,
    prefer: Sequence[str] = (),
    *,
    band: int | None = None,
    allow_complex: bool = False,
) -> list[Header]:
    """Read the headers of rasters concurrently.

    Parameters
    ----------
    paths
        Existing files.
    variable
        Variable of NetCDF files with several variables.
    prefer
        Preferred names among several variables if none was given.
    band
        Band to use; None requires files with one band.
    allow_complex
        Whether complex data are permitted.

    Raises
    ------
    FileError
        If files are unreadable, not rasters, have several bands, or are rotated; all such files are listed.
    """
    folders = given_folders()  # a context variable, not visible in the threads

    def header_or_error(path: Path) -> Header | FileError:
        try:
            file = raster_file(path, variable, prefer, band or 1, folders)
            return _header(file, one_band=band is None, real=not allow_complex)
        except FileError as error:
            return error

    pool, _ = reading_threads(remote=any(map(is_url, paths)))
    results = list(pool.map(header_or_error, paths))
    errors = [result for result in results if isinstance(result, FileError)]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "; ".join(str(error) for error in errors[:5])
        raise FileError(f"{len(errors)} of {len(paths)} files cannot be used: {listed}" + ("; ..." * (len(errors) > 5)))
    return [result for result in results if isinstance(result, Header)]


def _header(file: RasterFile, *, one_band: bool, real: bool) -> Header:
    path, k = file.path, file.band - 1
    try:
        with environment([file]), open_band(file) as dataset:
            if one_band and dataset.count != 1 + (_alpha(dataset) is not None):
                raise FileError(
                    f"{path}: has {dataset.count} bands; write the one to use to a file (or VRT) of its own"
                )
            if dataset.count < file.band:
                raise FileError(f"{path}: has {dataset.count} bands, number {file.band} is needed; replace the file")
            if dataset.dtypes[k].startswith("complex") and real:
                raise FileError(f"{path}: holds complex numbers; unwrapped phase or coherence is needed")
            if dataset.offsets[k] != 0:
                raise FileError(f"{path}: has a band offset of {dataset.offsets[k]}; write the values without it")
            _require_whole(file, dataset)
            of_file, of_band = dataset.tags(), dataset.tags(file.band)
            alpha = _alpha(dataset)
            masked = alpha is not None or MaskFlags.per_dataset in dataset.mask_flag_enums[k]
            return Header(
                replace(file, masked=True, alpha=alpha) if masked else file,
                _members(file, dataset),
                _grid(file, dataset),
                dataset.dtypes[k],
                dataset.block_shapes[k],
                no_data_of(dataset.nodatavals[k], tags=(of_band, of_file)),
                unit_of(dataset.units[k], of_band, of_file, dataset.tags(ns="ENVI") if file.driver == "ENVI" else {}),
                float(dataset.scales[k]),
                {**of_file, **of_band},
            )
    except UnicodeEncodeError:  # bytes of another encoding, which GDAL cannot be given
        raise FileError(f"{path}: its name is not UTF-8; rename the file, for example with convmv") from None
    except (RasterioError, OSError, ValueError) as error:
        raise FileError(f"{path}: is not a readable {file.driver} raster ({reason_of(error)})") from cause_of(error)


def _members(file: RasterFile, dataset: Any) -> tuple[str, ...]:
    """Return the files that a raster consists of, the main one first."""
    if file.driver == "VRT":
        return (file.path, file.header) if file.header else (file.path, *file.sources)
    return tuple(dataset.files) or (file.path,)


def _alpha(dataset: Any) -> int | None:
    """Return the number of the last band if it is an alpha band, which is a mask of the others."""
    return dataset.count if dataset.count > 1 and dataset.colorinterp[-1] is ColorInterp.alpha else None


def _require_whole(file: RasterFile, dataset: Any) -> None:
    """Read the last pixel, to detect truncated files before anything is computed or written."""
    height, width = dataset.shape
    if file.driver == "ENVI":
        _require_raw(file, dataset)
    elif file.driver == "VRT" and not file.header:
        require_whole_sources(Path(file.path))
    try:
        dataset.read(file.band, window=Window(width - 1, height - 1, 1, 1))
    except (RasterioError, OSError, ValueError) as error:
        raise FileError(
            f"{file.path}: its last pixel cannot be read, it is truncated ({reason_of(error)}); replace it"
        ) from cause_of(error)


def _require_raw(file: RasterFile, dataset: Any) -> None:
    """Compare the size of a raw file with its header: GDAL reads zeros beyond the end of the file."""
    said = dataset.tags(ns="ENVI")
    if said.get("file_compression", "0") != "0":
        return
    offset = said.get("header_offset", "0").strip()
    pixels = dataset.shape[0] * dataset.shape[1] * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    expected = pixels + (int(offset) if offset.isdigit() else 0)
    found = location(file.path).stat().st_size
    if found < expected:
        raise FileError(f"{file.path}: has {found} of {expected} bytes, it is truncated; replace it")


def _is_rotated(transform: Any, shape: tuple[int, int]) -> bool:
    """Return whether the image is rotated by more than rounding, 1 % of a pixel across the image."""
    across = abs(transform.b) * shape[0] / abs(transform.a) if transform.a else np.inf
    down = abs(transform.d) * shape[1] / abs(transform.e) if transform.e else np.inf
    return bool((transform.b or transform.d) and max(across, down) > _ROUNDING)


def _grid(file: RasterFile, dataset: Any) -> Grid:
    if file.grid is None and _is_rotated(dataset.transform, dataset.shape):
        raise FileError(f"{file.path}: is rotated against its coordinates; bring it to a north-up grid with gdalwarp")
    return file.grid or grid_of_dataset(file.path, dataset)


# -- several files --------------------------------------------------------------------------------------------------


def common_grid(
    headers: Sequence[Header], extent: Extent | None = None, *, resample: bool = False, downward: bool = False
) -> Common:
    """Return the common grid of files and their places on it; see `insarray.io.layers.extents.reconcile`."""
    grids, paths = [header.grid for header in headers], [header.file.path for header in headers]
    return reconcile(grids, paths, extent, resample=resample, downward=downward)


def raster_layer(headers: Sequence[Header], decode: Decode, common: Common | None = None) -> RasterLayer:
    """Return the layer of files, one per pair, or of one file for a static map.

    Parameters
    ----------
    headers
        Headers of the files.
    decode
        Decoder of stored values.
    common
        Grid of the stack and the places of these files; None if all are on one grid.
    """
    common = common or common_grid(headers)
    members = [member for header in headers for member in members_of(header)]
    names_and_bands = [(identity(header.file.name), header.file.band) for header in headers]
    return RasterLayer(
        tuple(header.file for header in headers),
        common.grid,
        common.places,
        headers[0].tile,
        decode,
        fingerprint(members, names_and_bands, decode, common.grid, common.places),
    )


def members_of(header: Header) -> list[str]:
    """Return the file and the local files that belong to it."""
    return [header.file.path, *(member for member in header.members[1:] if Path(member).is_file())]


def agreed(headers: Sequence[Header], values: Sequence[T], what: str, remedy: str) -> T:
    """Return the value common to all files; raise StackError naming two that differ."""
    for header, value in zip(headers, values, strict=True):
        if value != values[0] and not (value != value and values[0] != values[0]):  # NaN equals NaN
            first, other = names([headers[0].file.path]), names([header.file.path])
            raise StackError(f"{what}: {values[0]} in {first} but {value} in {other}; {remedy}")
    return values[0]
