"""Files of tropospheric delays: each recognised, and what it holds."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from insarray.io.corrections import delay_cubes, gacos, pressure_levels
from insarray.io.corrections.netcdf import opened_dataset
from insarray.io.corrections.source import DelayFile
from insarray.io.files import below, expand, names
from insarray.io.given import collects_folders
from insarray.io.locations import is_url
from insarray.io.source import Files
from insarray.model.dates import date_label
from insarray.model.errors import FileError, StackError

_GRIB = (".grb", ".grib", ".grb2", ".grib2")
_NETCDF = (".nc", ".nc4", ".h5")
_SUFFIXES = (*_GRIB, *_NETCDF, ".ztd", ".tif")
_KNOWN = "GACOS (.ztd with .rsc, .ztd.tif), ERA5 on pressure levels (GRIB, NetCDF), OPERA TROPO-ZENITH, RAiDER cubes"


@collects_folders
def delay_files(files: Files) -> list[DelayFile]:
    """What files of tropospheric delays hold, by time; only headers are read.

    Parameters
    ----------
    files
        Folder, pattern, or list of files of one product.

    Raises
    ------
    ArgumentError, FileError
        If there is none, one cannot be read, or is no such file.
    StackError
        If they are of several products, or two of the same time.
    """
    paths = [inside for path in expand(files, "troposphere") for inside in _inside(path)]
    if not paths:
        raise FileError(f"troposphere: no file of {_KNOWN} in {files!r}")
    found = sorted((entry for path in paths for entry in _scan(path)), key=lambda entry: entry.time)
    _require_one_product(found)
    return found


def _inside(path: Path) -> list[Path]:
    if not path.is_dir():
        return [] if path.name.endswith(".rsc") else [path]
    inside = [file for file in below(path) if file.name.lower().endswith(_SUFFIXES) and file.is_file()]
    return sorted(inside, key=str)


def _scan(path: Path) -> Sequence[DelayFile]:
    if is_url(path):
        raise FileError(f"{path}: files of weather models are read from this machine; copy them")
    name = path.name.lower()
    if name.endswith(".ztd"):
        return gacos.scan_flat(path)
    if name.endswith(".tif"):
        return gacos.scan_raster(path)
    if name.endswith(_GRIB):
        return pressure_levels.scan_grib(path)
    if not name.endswith(_NETCDF):
        raise FileError(f"{path}: is none of {_KNOWN}, by its name")
    with opened_dataset(path) as dataset:
        if delay_cubes.is_opera(dataset):
            return delay_cubes.scan_opera(path, dataset)
        if delay_cubes.is_raider(dataset):
            return delay_cubes.scan_raider(path, dataset)
        if pressure_levels.is_pressure_levels(dataset):
            return pressure_levels.scan_netcdf(path, dataset)
        held = ", ".join(map(str, dataset.variables))[:200]
    raise FileError(f"{path}: is none of {_KNOWN}; it holds {held}")


def _require_one_product(found: list[DelayFile]) -> None:
    products = sorted({entry.product for entry in found})
    if len(products) > 1:
        raise StackError(f"troposphere: the files are of {' and '.join(products)}; give those of one")
    for first, second in pairwise(found):
        if first.time == second.time and first.timed == second.timed:
            raise StackError(
                f"troposphere: {names([first.path, second.path])} are both of {date_label(first.time)}; keep one"
            )
