"""NetCDF rasters: find the image variable and its grid from the coordinates."""

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
_EVEN = 0.01  # pixels; permitted deviation of coordinates from even spacing
_EXACT = 1e-6
_COARSE = 0.25
_REMEDY = "write it once more with even, complete coordinates"


def netcdf_image(path: Path, variable: str | None, prefer: Sequence[str] = ()) -> tuple[str, Grid]:
    """Return the name of the image variable, and its grid in the row and column order of the file.

    Parameters
    ----------
    path
        Local file.
    variable
        Name of the variable, with its group if it is in one; None: the only one with rows and columns.
    prefer
        Preferred names among several variables if none was given.

    Returns
    -------
    name
        As in the file, possibly ``"group/name"``.
    grid
        From the coordinates of its last two dimensions, which are pixel centres; without coordinates, row and column
        numbers. Longitudes are between -180 and 180. The CRS is that of the grid mapping, else WGS 84 if the
        coordinates are latitudes and longitudes by name or unit.

    Raises
    ------
    FileError
        If the file cannot be read, stores values in other files, has no or several such variables, or its coordinates
        are not those of a raster.
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
    except (LookupError, TypeError, ValueError) as error:  # not valid NetCDF
        raise FileError(f"{path}: is not a readable netCDF raster ({error}); {_REMEDY}") from error
    return netcdf_image(path, chosen)


@dataclass(frozen=True)
class _Variable:
    """Metadata of a variable; `read` returns its values while the file is open."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    read: Callable[[], np.ndarray]

    def text(self, attribute: str) -> str:
        """Return an attribute as text, empty if missing."""
        return text_of(self.attrs.get(attribute, ""))


_Variables = dict[str, _Variable]
_Found = tuple[_Variables, Callable[[], list[str]]]


def text_of(value: Any) -> str:
    """Return the text of an attribute, which HDF5 may store as bytes or in an array."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextmanager
def _modern(path: Path, group: str) -> Iterator[_Found]:
    """Yield the variables of a NetCDF-4 group, and a finder of images in all groups; ten times as fast as h5netcdf."""
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
        # a dimension without coordinates is a dataset as well
        bare = text_of(found.attrs.get("NAME", "")).startswith("This is a netCDF dimension but not a netCDF variable")
        dims: tuple[str, ...] = ("",) if bare else (name,)
    else:
        scales = [next(iter(dim.values()), None) if len(dim) else None for dim in found.dims]
        dims = tuple(f"dim_{k}" if one is None else one.name.rpartition("/")[2] for k, one in enumerate(scales))
    return _Variable(name, dims, found.shape, found.dtype, found.attrs, lambda: np.asarray(found[...]))


@contextmanager
def _classic(path: Path, group: str) -> Iterator[_Found]:
    """Yield the variables of NetCDF-3, which has no groups."""
    try:
        data = xr.open_dataset(path, decode_cf=False, chunks=None, cache=False, engine="scipy")
    except Exception as error:  # the library raises various exceptions for damaged files
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
    """Return the names of numeric variables with rows and columns that are not coordinates of others."""
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


# -- location of the pixels -----------------------------------------------------------------------------------------


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
    """Return the outer edge of the first pixel and the step of coordinates `name` of pixel centres, shape (pixel,).

    Coordinates with few digits, such as float32, are fitted by even steps.

    Raises
    ------
    FileError
        If they are not evenly spaced within their precision.
    """
    values = stored.astype(np.float64)
    if len(values) == 1:  # the pixel size is unknown
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
    """Return the numeric coordinate variable of a dimension, or None."""
    found = variables.get(dim)
    return found if found is not None and found.dims == (dim,) and found.dtype.kind in "iuf" else None


def _measures(axis: _Variable, units: set[str], standard_name: str) -> bool:
    return axis.text("units").strip().lower() in units or axis.text("standard_name") == standard_name


def _are_degrees(rows: _Variable, cols: _Variable) -> bool:
    """Return whether coordinates are latitudes and longitudes, by units, or by names and plausible values."""
    if _measures(rows, _NORTH, "latitude") and _measures(cols, _EAST, "longitude"):
        return True
    for axis, names, most in ((rows, _LATITUDES, 90.5), (cols, _LONGITUDES, 360.5)):
        said, name = axis.text("units").strip().lower(), axis.name.lower()
        # y and x alone are ambiguous: the unit must state degrees
        sure = name in names and said in _DEGREES and (len(name) > 1 or said != "")
        if not sure or not np.abs(axis.read().astype(np.float64)).max() <= most:
            return False
    return True


def _grid_mapping(variables: _Variables, image: _Variable) -> Mapping[str, Any]:
    """Return the attributes of the grid mapping: the one that the image names, else any; empty if there is none."""
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
        raise FileError(
            f"{path}: its grid mapping is not a coordinate reference system ({error}); {_REMEDY}"
        ) from error


def _plain(value: Any) -> Any:
    """Return an attribute as text, number or list."""
    array = np.asarray(value)
    return text_of(value) if array.dtype.kind in "SUO" else array.item() if array.size == 1 else array.tolist()


@lru_cache(maxsize=64)
def _parsed(said: str) -> str | None:
    from pyproj import CRS

    crs = CRS.from_user_input(said)
    # intern: each file of a stack keeps this string
    return sys.intern(crs.to_wkt("WKT2_2019")) if crs.is_geographic or crs.is_projected else None


def _wkt(path: Path, said: str) -> str | None:
    from pyproj.exceptions import CRSError

    try:
        return _parsed(said)
    except CRSError as error:
        raise FileError(f"{path}: its CRS is not a coordinate reference system ({error}); {_REMEDY}") from error


@cache
def wgs84() -> str:
    """Return the WKT of WGS 84 longitude and latitude."""
    from pyproj import CRS

    return sys.intern(CRS.from_epsg(4326).to_wkt())
