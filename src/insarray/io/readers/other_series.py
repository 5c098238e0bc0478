"""Open time series inverted by LiCSBAS (cum.h5) or dolphin (folder timeseries/)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.io.files import below, fingerprint, names
from insarray.io.layers.decode import PhaseDecode, per_file
from insarray.io.layers.epochs import EpochLayer
from insarray.io.layers.granules import number, text
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, opened
from insarray.io.layers.headers import common_grid, raster_layer, read_headers
from insarray.io.layers.netcdf import wgs84
from insarray.io.layers.reference import product_reference
from insarray.io.layers.series import lazy_displacement, series_of
from insarray.io.pairs import by_pair, one_time_per_pass, pair_file_from_name
from insarray.model.conventions import SIGN
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from insarray.model.place import Area, Place

_METRES = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0}
_EPOCH = re.compile(r"\d{8}(?:T\d{6})?_\d{8}(?:T\d{6})?\.tif")
_MILLIMETRE = 1e-3


def _attributes(product: str, paths: Sequence[Path], times: np.ndarray) -> dict[str, object]:
    return {
        "product": product,
        "sign": SIGN,
        "input_fingerprint": fingerprint(paths),
        "input_files": len(paths),
        "reference_date": str(times[0]),
    }


# -- LiCSBAS --------------------------------------------------------------------------------------------------------
# Names, units (mm, positive is -LOS) and order: yumorishita/LiCSBAS, bin/LiCSBAS13_sb_inv.py and LiCSBAS16_filt_ts.py


def is_licsbas(path: Path) -> bool:
    """Return whether a file is LiCSBAS' cum.h5 or cum_filt.h5."""
    if path.suffix.lower() != ".h5" or not path.is_file():
        return False
    with opened(path) as file:
        return dataset(file, "cum") is not None and dataset(file, "imdates") is not None


def open_licsbas(path: Path) -> xr.Dataset:
    """Open a series of LiCSBAS; `refarea` is its reference, NaN its no-data. The file has no wavelength.

    Raises
    ------
    FileError
        If its datasets do not belong together.
    """
    with opened(path) as file:
        cum, dates, bperp = (dataset(file, name) for name in ("cum", "imdates", "bperp"))
        if cum is None or cum.ndim != 3 or dates is None or dates.shape != cum.shape[:1]:
            raise FileError(f"{path}: cum and imdates are not (date, y, x) and (date,); run LiCSBAS13 again")
        shape = (int(cum.shape[1]), int(cum.shape[2]))
        tile = cum.chunks[1:] if cum.chunks else (1, shape[1])
        times = _times(path, [str(int(date)) for date in dates[:]])
        baseline = None if bperp is None or bperp.shape != dates.shape else bperp[:].astype(np.float64)
        grid = _grid_of_licsbas(path, file, shape)
        place = _refarea(path, file, grid)
    decode = PhaseDecode((_MILLIMETRE,))
    index = tuple(range(len(times)))
    layer = Hdf5Layer(str(path), "cum", index, shape, tile, decode, fingerprint([path], "cum", decode))
    known = _attributes("licsbas", [path], times)
    known |= {} if place is None else place.attributes(grid, grid.y, grid.x)
    return series_of(lazy_displacement(layer, None), times, baseline, grid, None, known)


def _times(path: Path, dates: Sequence[str]) -> np.ndarray:
    try:
        times = np.array([as_time(date) for date in dates], "datetime64[s]")
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    if not (np.diff(times) > np.timedelta64(0)).all():
        raise FileError(f"{path}: its dates do not rise; run LiCSBAS13 again")
    return times


def _grid_of_licsbas(path: Path, file: Any, shape: tuple[int, int]) -> Grid:
    """Return the grid from spacing and corner, the centre of the first pixel; radar coordinates without them."""
    lat, lon, dy, dx = (number(file, name) for name in ("corner_lat", "corner_lon", "post_lat", "post_lon"))
    if lat is None or lon is None or dy is None or dx is None:
        return Grid(*shape)
    try:
        return Grid(*shape, lon - dx / 2, lat - dy / 2, dx, dy, wgs84()).turn_towards(0.0)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


def _refarea(path: Path, file: Any, grid: Grid) -> Place | None:
    """Return the area ``x1:x2/y1:y2`` whose mean is 0; None if the file does not state it."""
    stored = dataset(file, "refarea")
    if stored is None:
        return None
    said = text(stored[()])
    found = re.fullmatch(r"(\d+):(\d+)/(\d+):(\d+)", said)
    left, right, top, bottom = map(int, found.groups()) if found else (0, 0, 0, 0)
    if not (top < bottom <= grid.height and left < right <= grid.width):
        raise FileError(f"{path}: its refarea {said!r} is not x1:x2/y1:y2 within the image; run LiCSBAS13 again")
    if (bottom - top, right - left) == (1, 1):
        return Place.of_pixel(grid.y, grid.x, top, left)
    return Place.of_area(grid.y, grid.x, Area(top, bottom, left, right), (bottom - top) * (right - left))


# -- dolphin --------------------------------------------------------------------------------------------------------
# Names, units and the tag: isce-framework/dolphin, src/dolphin/timeseries.py; values in shared data of OPERA-like
# products


def dolphin_dates(folder: Path) -> list[Path]:
    """Return the rasters of dolphin's timeseries/ in a folder: their names consist of two dates."""
    return sorted(path for path in below(folder, "*.tif", deep=False) if _EPOCH.fullmatch(path.name))


def is_dolphin(folder: Path) -> bool:
    """Return whether a folder has such rasters, all relative to one date."""
    found = dolphin_dates(folder) if folder.is_dir() else []
    return len(found) > 1 and len({path.name.partition("_")[0] for path in found}) == 1


def open_dolphin(folder: Path) -> xr.Dataset:
    """Open a series of dolphin: metres toward the satellite, relative to one date, which is 0 where any other has data.

    Raises
    ------
    FileError
        If the files are in radians, as dolphin writes without a wavelength.
    StackError
        If the files do not belong together.
    """
    (timed,) = one_time_per_pass([[pair_file_from_name(path) for path in dolphin_dates(folder)]])
    files = by_pair(timed)
    first = next(iter(files))[0]
    swapped = next((file for file in files.values() if file.swapped or file.earlier != first), None)
    if swapped is not None:
        raise StackError(f"{swapped.path}: is not relative to the first date, as the others; open it with open_stack")
    paths = [file.path for file in files.values()]
    headers = read_headers(paths)
    odd = next((header for header in headers if header.units not in _METRES), None)
    if odd is not None:
        raise FileError(
            f"{odd.file.path}: is in {odd.units or 'no unit that its tags say'}, a series is in metres; open the folder with "
            f"open_stack('{folder}/*.tif', sign='toward', units=..., wavelength=...), and invert that"
        )
    decode = per_file([PhaseDecode((header.scale,), header.nodata) for header in headers])
    common = common_grid(headers)
    layer = EpochLayer(raster_layer(headers, decode, common), 0)
    times = np.array([first, *(later for _, later in files)], "datetime64[s]")
    known = _attributes("dolphin", paths, times)
    stated, _ = product_reference(headers)
    if stated:
        y, x = (float(value) for value in stated["product_reference"])  # type: ignore[attr-defined]
        known |= Place(y, x).attributes(common.grid, common.grid.y, common.grid.x)
    return series_of(
        lazy_displacement(layer, None), times, None, common.grid, None, known | {"input_names": names(paths)}
    )
