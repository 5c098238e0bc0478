"""NetCDF rasters: which variable is the image, where its coordinates say that its pixels are, and in which order."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from insarray.io.layers.hdf5 import opened, require_own_values
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
    group, _, _ = (variable or "").strip("/").rpartition("/")
    try:
        with (_modern if h5py.is_hdf5(path) else _classic)(path, group) as (variables, in_groups):
            prefix = f"{group}/" if group else ""
            found = [prefix + name for name in _images(variables)] or in_groups()
            chosen = _chosen(path, found, variable, prefer)
            if chosen.removeprefix(prefix) in variables:
                return chosen, _grid(path, variables, variables[chosen.removeprefix(prefix)])
    except (LookupError, TypeError, ValueError) as error:  # what is not as NetCDF has it
        raise FileError(f"{path}: is not a readable netCDF raster ({error}); {_REMEDY}") from error
    return netcdf_image(path, chosen)


@dataclass(frozen=True)
class _Variable:
    """What a variable is; its values are read when they are asked for, as long as the file is open."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    read: Callable[[], np.ndarray]

    def text(self, attribute: str) -> str:
        """An attribute as text, empty if there is none."""
        return text_of(self.attrs.get(attribute, ""))


_Variables = dict[str, _Variable]
_Found = tuple[_Variables, Callable[[], list[str]]]


def text_of(value: Any) -> str:
    """Text of an attribute, which HDF5 may have as bytes, or as one in an array."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextmanager
def _modern(path: Path, group: str) -> Iterator[_Found]:
    """Variables of a group of NetCDF-4, and what finds the images in all groups; h5netcdf takes ten times as long."""
    with opened(path) as file:
        parent = file.get(group) if group else file
        if not isinstance(parent, h5py.Group):
            raise FileError(f"{path}: has no group {group!r}; it holds {', '.join(file) or 'nothing'}")

        def in_groups() -> list[str]:
            names: list[str] = []
            file.visititems(lambda name, found: names.append(name) if _is_image(found) else None)
            return names

        own = (name for name in parent if isinstance(parent.get(name, getlink=True), h5py.HardLink))
        found = ((name, parent[name]) for name in own)
        yield {name: _of_hdf5(name, one) for name, one in found if isinstance(one, h5py.Dataset)}, in_groups


def _is_image(found: Any) -> bool:
    return isinstance(found, h5py.Dataset) and found.ndim >= 2 and found.dtype.kind in "iufcb"


def _of_hdf5(name: str, found: h5py.Dataset) -> _Variable:
    if found.is_scale and found.ndim == 1:
        # a dimension without coordinates is a dataset, too
        bare = text_of(found.attrs.get("NAME", "")).startswith("This is a netCDF dimension but not a netCDF variable")
        dims: tuple[str, ...] = ("",) if bare else (name,)
    else:
        scales = [next(iter(dim.values()), None) if len(dim) else None for dim in found.dims]
        dims = tuple(f"dim_{k}" if one is None else one.name.rpartition("/")[2] for k, one in enumerate(scales))
    return _Variable(name, dims, found.shape, found.dtype, found.attrs, lambda: np.asarray(found[...]))


@contextmanager
def _classic(path: Path, group: str) -> Iterator[_Found]:
    """Variables of NetCDF-3, which has no groups."""
    try:
        data = xr.open_dataset(path, decode_cf=False, chunks=None, cache=False, engine="scipy")
    except Exception as error:  # on damaged files the library raises whatever it stumbles over
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise FileError(
            f"{path}: is not a readable netCDF raster ({reason}); replace it, or bring it to NetCDF-4 (nccopy -k nc4)"
        ) from error
    with data:
        yield {str(name): _of_xarray(str(name), one) for name, one in data.variables.items()}, list


def _of_xarray(name: str, found: xr.Variable) -> _Variable:
    dims = tuple(map(str, found.dims))
    return _Variable(
        name, dims, found.shape, np.dtype(found.dtype), dict(found.attrs), lambda: np.asarray(found.values)
    )


def _images(variables: _Variables) -> list[str]:
    """Variables with rows and columns of numbers that are not coordinates of others."""
    images = [name for name, one in variables.items() if len(one.shape) >= 2 and one.dtype.kind in "iufcb"]
    if len(images) < 2:
        return images
    beside = {word for one in variables.values() for word in one.text("coordinates").split()}
    beside |= {one.text("bounds") for one in variables.values()}
    return [name for name in images if name not in beside]


def _chosen(path: Path, found: Sequence[str], variable: str | None, prefer: Sequence[str]) -> str:
    if variable is not None:
        if variable.strip("/") not in found:
            raise FileError(f"{path}: has no variable {variable!r}; it holds {', '.join(sorted(found)) or 'no image'}")
        return variable.strip("/")
    preferred = [name for name in found if name in prefer]
    chosen = found if len(found) == 1 else preferred
    if len(chosen) != 1:
        what = (
            f"{', '.join(sorted(found))}; choose one with variable=" if found else "no variable with rows and columns"
        )
        raise FileError(f"{path}: holds {what}")
    return chosen[0]


# -- where the pixels are -------------------------------------------------------------------------------------------


def _grid(path: Path, variables: _Variables, image: _Variable) -> Grid:
    rows, cols = (_coordinate(variables, dim) for dim in image.dims[-2:])
    height, width = image.shape[-2:]
    if (cols and _measures(cols, _NORTH, "latitude")) or (rows and _measures(rows, _EAST, "longitude")):
        raise FileError(f"{path}: {image.name} has dimensions {image.dims}; write it with rows along the latitude")
    if rows is None and cols is None:
        return Grid(height, width)
    mapping = _grid_mapping(variables, image)
    declared = [float(value) for value in text_of(mapping.get("GeoTransform", "")).split()]
    steps = (declared[5], declared[1]) if len(declared) == 6 else (None, None)
    top, dy = edge_and_step(path, rows.name, rows.read(), steps[0]) if rows else (-0.5, 1.0)
    left, dx = edge_and_step(path, cols.name, cols.read(), steps[1]) if cols else (-0.5, 1.0)
    crs = _crs(path, mapping)
    if crs is None and rows and cols and _are_degrees(rows, cols):
        crs = wgs84()
    return Grid(height, width, left, top, dx, dy, crs).turn_towards(0.0)


def edge_and_step(
    path: Path | str, name: str, stored: np.ndarray, declared: float | None = None
) -> tuple[float, float]:
    """Outer edge of the first pixel and step of the coordinates `name` of pixel centres, shape (pixel,).

    Coordinates in few digits, such as float32, give the even steps that fit them best.

    Raises
    ------
    FileError
        If they are not evenly spaced, as far as their digits say.
    """
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
            raise FileError(f"{path}: its coordinate {name} is not evenly spaced (dtype {stored.dtype}); {_REMEDY}")
        count = np.arange(len(values)) - (len(values) - 1) / 2
        step = float(count @ values / (count @ count))
        return float(values.mean() - step * len(values) / 2), step
    return float(values[0] - step / 2), float(step)


def _coordinate(variables: _Variables, dim: str) -> _Variable | None:
    """Numbers along a dimension: the variable of its name, None if there is none."""
    found = variables.get(dim)
    return found if found is not None and found.dims == (dim,) and found.dtype.kind in "iuf" else None


def _measures(axis: _Variable, units: set[str], standard_name: str) -> bool:
    return axis.text("units").strip().lower() in units or axis.text("standard_name") == standard_name


def _are_degrees(rows: _Variable, cols: _Variable) -> bool:
    """Whether coordinates are latitudes and longitudes by units, or by names and values that can be."""
    if _measures(rows, _NORTH, "latitude") and _measures(cols, _EAST, "longitude"):
        return True
    for axis, names, most in ((rows, _LATITUDES, 90.5), (cols, _LONGITUDES, 360.5)):
        said, name = axis.text("units").strip().lower(), axis.name.lower()
        # y and x may be anything: their unit must say it
        sure = name in names and said in _DEGREES and (len(name) > 1 or said != "")
        if not sure or not np.abs(axis.read().astype(np.float64)).max() <= most:
            return False
    return True


def _grid_mapping(variables: _Variables, image: _Variable) -> Mapping[str, Any]:
    """Attributes of the variable that says the CRS: the one that the image names, else any; none if there is none."""
    for name in (image.text("grid_mapping").split(":")[0].strip(), "spatial_ref", "crs", *variables):
        attrs = variables[name].attrs if name in variables else {}
        if any(key in attrs for key in ("crs_wkt", "spatial_ref", "grid_mapping_name")):
            return attrs
    return {}


def _crs(path: Path, mapping: Mapping[str, Any]) -> str | None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    said = text_of(mapping.get("crs_wkt", "")) or text_of(mapping.get("spatial_ref", ""))
    if said:
        return _wkt(path, said)
    if "grid_mapping_name" not in mapping:
        return None
    known = {key: _plain(value) for key, value in mapping.items()}
    if known["grid_mapping_name"] == "latitude_longitude" and "semi_major_axis" not in known:
        return wgs84()
    try:
        return _wkt(path, CRS.from_cf(known).to_wkt())
    except (CRSError, KeyError, ValueError, TypeError) as error:
        raise FileError(f"{path}: its grid mapping is no coordinate reference system ({error}); {_REMEDY}") from error


def _plain(value: Any) -> Any:
    """An attribute as text, number or list."""
    array = np.asarray(value)
    return text_of(value) if array.dtype.kind in "SUO" else array.item() if array.size == 1 else array.tolist()


@lru_cache(maxsize=64)
def _parsed(said: str) -> str | None:
    from pyproj import CRS

    crs = CRS.from_user_input(said)
    # one string for all files of a stack, since each of its files keeps it
    return sys.intern(crs.to_wkt("WKT2_2019")) if crs.is_geographic or crs.is_projected else None


def _wkt(path: Path, said: str) -> str | None:
    from pyproj.exceptions import CRSError

    try:
        return _parsed(said)
    except CRSError as error:
        raise FileError(f"{path}: its CRS is no coordinate reference system ({error}); {_REMEDY}") from error


@cache
def wgs84() -> str:
    """WKT of longitudes and latitudes."""
    from pyproj import CRS

    return sys.intern(CRS.from_epsg(4326).to_wkt())
