"""NetCDF rasters: which variable is the image, where its coordinates say that its pixels are, and in which order."""

import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from insarray.io.hdf5 import opened, require_own_values
from insarray.model.errors import FileError
from insarray.model.grid import Grid

_NORTH = {"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"}
_EAST = {"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"}
_DEGREES = {"", "deg", "degree", "degrees"}
_LATITUDES, _LONGITUDES = {"lat", "latitude", "y"}, {"lon", "long", "longitude", "x"}
_EVEN = 0.01  # of a pixel: what coordinates may differ from even steps
_EXACT = 1e-6
_COARSE = 0.25
_REMEDY = "write it once more with even, complete coordinates"


def netcdf_image(path: Path, variable: str | None, prefer: Sequence[str] = ()) -> tuple[str, Grid]:
    """Name of the variable that is the image, and its pixels in the order of the file.

    Parameters
    ----------
    path
        File of this machine.
    variable
        Its name, with its group if it is in one; None: the only one with rows and columns.
    prefer
        Names to look for if there are several and none was given.

    Returns
    -------
    name
        As the file has it, perhaps ``"group/name"``.
    grid
        By the coordinates along its last two dimensions, which are those of the pixel centres; without coordinates rows
        and columns are counted. Longitudes are between -180 and 180. The CRS is that of the grid mapping, else WGS 84 if
        the coordinates are latitudes and longitudes by their names or units.

    Raises
    ------
    FileError
        If it cannot be read, keeps values in other files, has no or several such variables, or its coordinates are not
        those of a raster.
    """
    require_own_values(path)
    group, _, name = (variable or "").strip("/").rpartition("/")
    with _opened(path, group) as data:
        found = _images(data) or _images_in_groups(path)
        chosen = _chosen(path, [f"{group}/{one}".lstrip("/") for one in found], variable, prefer)
        if "/" in chosen and not group:
            return netcdf_image(path, chosen)
        return chosen, _grid(path, data, data[name or chosen])


def _opened(path: Path, group: str) -> xr.Dataset:
    """Variables of a group as they are stored, none of them read."""
    modern = h5py.is_hdf5(path)
    options: dict[str, Any] = {"engine": "h5netcdf", "phony_dims": "access"} if modern else {"engine": "scipy"}
    try:
        return xr.open_dataset(path, group=group or None, decode_cf=False, chunks=None, cache=False, **options)
    except Exception as error:  # on damaged files the libraries raise whatever they stumble over
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise FileError(
            f"{path}: is not a readable netCDF raster ({reason}); replace it, or bring it to NetCDF-4 (nccopy -k nc4)"
        ) from error


def _images(data: xr.Dataset) -> list[str]:
    """Variables with rows and columns of numbers that are not coordinates of others."""
    beside = {word for one in data.variables.values() for word in str(one.attrs.get("coordinates", "")).split()}
    beside |= {str(one.attrs["bounds"]) for one in data.variables.values() if "bounds" in one.attrs}
    images = [name for name, one in data.variables.items() if one.ndim >= 2 and one.dtype.kind in "iufcb"]
    return [str(name) for name in images if name not in beside]


def _images_in_groups(path: Path) -> list[str]:
    """The same of the groups of a file whose root has none."""
    if not h5py.is_hdf5(path):
        return []
    with opened(path) as file:
        names: list[str] = []

        def look(name: str, found: object) -> None:
            if isinstance(found, h5py.Dataset) and found.ndim >= 2 and found.dtype.kind in "iufcb":
                names.append(name)

        file.visititems(look)
    return names


def _chosen(path: Path, found: Sequence[str], variable: str | None, prefer: Sequence[str]) -> str:
    if variable is not None:
        if variable.strip("/") not in found:
            raise FileError(f"{path}: has no variable {variable!r}; it holds {', '.join(found) or 'no image'}")
        return variable.strip("/")
    preferred = [name for name in found if name in prefer]
    chosen = found if len(found) == 1 else preferred
    if len(chosen) != 1:
        what = f"{', '.join(found)}; choose one with variable=" if found else "no variable with rows and columns"
        raise FileError(f"{path}: holds {what}")
    return chosen[0]


# -- where the pixels are -------------------------------------------------------------------------------------------


def _grid(path: Path, data: xr.Dataset, image: xr.DataArray) -> Grid:
    rows, cols = (_coordinate(data, dim) for dim in image.dims[-2:])
    height, width = image.shape[-2:]
    if (cols is not None and _measures(cols, _NORTH, "latitude")) or (
        rows is not None and _measures(rows, _EAST, "longitude")
    ):
        raise FileError(f"{path}: {image.name} has dimensions {image.dims}; write it with rows along the latitude")
    if rows is None and cols is None:
        return Grid(height, width)
    mapping = _grid_mapping(data, image)
    declared = [float(value) for value in str(mapping.get("GeoTransform", "")).split()]
    steps = (declared[5], declared[1]) if len(declared) == 6 else (None, None)
    top, dy = edge_and_step(path, rows, steps[0]) if rows is not None else (-0.5, 1.0)
    left, dx = edge_and_step(path, cols, steps[1]) if cols is not None else (-0.5, 1.0)
    crs = _crs(path, mapping)
    if crs is None and rows is not None and cols is not None and _are_degrees(rows, cols):
        crs = wgs84()
    grid = Grid(height, width, left, top, dx, dy, crs)
    return grid if crs is None or not _is_geographic(crs) else about_greenwich(grid)


def about_greenwich(grid: Grid) -> Grid:
    """The same grid of longitudes and latitudes, its middle between -180 and 180 degrees."""
    middle = grid.left + grid.width * grid.dx / 2
    turns = 0 if -180.0 <= middle <= 180.0 else np.floor((middle + 180.0) / 360.0)
    return replace(grid, left=float(grid.left - 360.0 * turns)) if turns else grid


def edge_and_step(path: Path | str, axis: xr.DataArray, declared: float | None = None) -> tuple[float, float]:
    """Outer edge of the first pixel and step of the coordinates of pixel centres, shape (pixel,).

    Coordinates in few digits, such as float32, give the even steps that fit them best.

    Raises
    ------
    FileError
        If they are not evenly spaced, as far as their digits say.
    """
    stored = np.asarray(axis.values)
    values = stored.astype(np.float64)
    if len(values) == 1:  # one row or column does not say how wide it is
        step = declared or 1.0
        return float(values[0] - step / 2), float(step)
    step = (values[-1] - values[0]) / (len(values) - 1)
    even = values[0] + step * np.arange(len(values))
    off = float(np.abs(values - even).max() / abs(step)) if step else np.inf
    if not off <= _EXACT:
        digits = float(np.spacing(np.abs(stored).max())) / abs(step) if stored.dtype.kind == "f" and step else 0.0
        if not off <= max(_EVEN, 2 * digits) or digits > _COARSE:
            raise FileError(
                f"{path}: its coordinate {axis.name} is not evenly spaced (dtype {stored.dtype}); {_REMEDY}"
            )
        count = np.arange(len(values)) - (len(values) - 1) / 2
        step = float(count @ values / (count @ count))
        return float(values.mean() - step * len(values) / 2), step
    return float(values[0] - step / 2), float(step)


def _coordinate(data: xr.Dataset, dim: Hashable) -> xr.DataArray | None:
    """Numbers along a dimension: the variable of its name, None if there is none."""
    found = data.get(str(dim)) if dim not in data.coords else data.coords[dim]
    usable = found is not None and found.dims == (dim,) and found.dtype.kind in "iuf"
    return found if usable else None


def _measures(axis: xr.DataArray, units: set[str], standard_name: str) -> bool:
    said = str(axis.attrs.get("units", "")).strip().lower()
    return said in units or axis.attrs.get("standard_name") == standard_name


def _are_degrees(rows: xr.DataArray, cols: xr.DataArray) -> bool:
    """Whether coordinates are latitudes and longitudes by units, or by names and values that can be."""
    if _measures(rows, _NORTH, "latitude") and _measures(cols, _EAST, "longitude"):
        return True
    for axis, names, most in ((rows, _LATITUDES, 90.5), (cols, _LONGITUDES, 360.5)):
        said, name = str(axis.attrs.get("units", "")).strip().lower(), str(axis.name).lower()
        # y and x may be anything: their unit must say it
        sure = name in names and said in _DEGREES and (len(name) > 1 or said != "")
        if not sure or not np.abs(np.asarray(axis.values, np.float64)).max() <= most:
            return False
    return True


def _grid_mapping(data: xr.Dataset, image: xr.DataArray) -> Mapping[Any, Any]:
    """Attributes of the variable that says the CRS: the one that the image names, else any; none if there is none."""
    named = str(image.attrs.get("grid_mapping", "")).split(":")[0].strip()
    for name in (named, "spatial_ref", "crs", *data.variables):
        attrs = data.variables[name].attrs if name in data.variables else {}
        if any(key in attrs for key in ("crs_wkt", "spatial_ref", "grid_mapping_name")):
            return attrs
    return {}


def _crs(path: Path, mapping: Mapping[Any, Any]) -> str | None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    said = mapping.get("crs_wkt") or mapping.get("spatial_ref")
    if not said and "grid_mapping_name" not in mapping:
        return None
    known = {str(key): value for key, value in mapping.items()}
    if not said and known["grid_mapping_name"] == "latitude_longitude" and "semi_major_axis" not in known:
        return wgs84()
    try:
        crs = CRS.from_user_input(str(said)) if said else CRS.from_cf(known)
    except (CRSError, KeyError, ValueError) as error:
        raise FileError(f"{path}: its grid mapping is no coordinate reference system ({error}); {_REMEDY}") from error
    # one string for all files of a stack, since each file keeps it
    return sys.intern(crs.to_wkt("WKT2_2019")) if crs.is_geographic or crs.is_projected else None


@cache
def wgs84() -> str:
    """WKT of longitudes and latitudes."""
    from pyproj import CRS

    return sys.intern(CRS.from_epsg(4326).to_wkt())


@cache
def _is_geographic(crs: str) -> bool:
    from pyproj import CRS

    return bool(CRS.from_user_input(crs).is_geographic)
