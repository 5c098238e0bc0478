"""Lines of sight in files, lazily, on their own pixels: three components, two angles, MintPy's geometry, or a whole product."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from insarray.io.files import expand, expand_one, fingerprint
from insarray.io.geometry.files import is_mintpy_geometry
from insarray.io.layers.decode import Decode
from insarray.io.layers.derived import DerivedLayer
from insarray.io.layers.hdf5 import Hdf5Layer
from insarray.io.layers.headers import Header, read_headers
from insarray.io.layers.lazy import lazy_variable
from insarray.io.layers.maps import (
    AZIMUTH,
    INCIDENCE,
    east_of_azimuth,
    maps_of_components,
    maps_of_incidence,
    north_of_azimuth,
    up_of_incidence,
)
from insarray.io.open import open_stack
from insarray.io.readers.mintpy import attributes_of, grid_of_attributes
from insarray.io.source import Layer, PathLike
from insarray.model.conventions import attributes
from insarray.model.dataset import grid_coords, on_grid_of
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

COMPONENTS = ("los_east", "los_north", "los_up")
_HDF5 = {".h5", ".he5", ".hdf5"}
_RASTERS = {".tif", ".tiff", ".vrt", ".img", ".grd"}
_EDGE = 512

Sight = PathLike | Sequence[PathLike] | Mapping[str, PathLike]


def open_sight(source: Sight) -> xr.Dataset:
    """Components of the unit vector from the ground to the satellite that files hold, on their grid.

    Parameters
    ----------
    source
        See `insarray.line_of_sight`.

    Raises
    ------
    ArgumentError, FileError
        If it holds none.
    """
    if isinstance(source, Mapping):
        return _dataset(*_of_angles(source))
    if isinstance(source, list | tuple) and len(source) == 3:
        headers = [read_headers([expand_one(one, "source")])[0] for one in source]
        return _dataset(maps_of_components(headers, headers[0].grid), headers[0].grid)
    path = expand(source, "source")
    if len(path) == 1 and path[0].suffix.lower() in _HDF5 and is_mintpy_geometry(path[0]):
        return _dataset(*_of_mintpy(path[0]))
    if len(path) == 1 and path[0].suffix.lower() in _RASTERS:
        return _of_bands(path[0])
    stack = open_stack(source if isinstance(source, list) else str(source))
    missing = [name for name in COMPONENTS if name not in stack]
    if missing:
        raise FileError(
            f"{source}: is a stack without a line of sight; give its files: three rasters (east, north, up), or "
            "{'incidence_angle': file, 'azimuth_angle': file}"
        )
    return stack[list(COMPONENTS)]


def _of_bands(path: Path) -> xr.Dataset:
    """A raster whose bands are east, north and up."""
    headers = [_band(path, band) for band in (1, 2, 3)]
    return _dataset(maps_of_components(headers, headers[0].grid), headers[0].grid)


def _band(path: Path, band: int) -> Header:
    try:
        return read_headers([path], band=band)[0]
    except FileError as error:
        raise FileError(f"{path}: is not a raster with the bands east, north, up ({error})") from error


def _of_angles(source: Mapping[str, PathLike]) -> tuple[dict[str, Layer], Grid]:
    """Incidence angle from the vertical and azimuth of the vector to the satellite, counterclockwise from north, degrees."""
    if set(source) == set(COMPONENTS):
        headers = [read_headers([expand_one(source[name], name)])[0] for name in COMPONENTS]
        return maps_of_components(headers, headers[0].grid), headers[0].grid
    if set(source) != {"incidence_angle", "azimuth_angle"}:
        raise ArgumentError(
            f"source: has {', '.join(sorted(source)) or 'nothing'}; give files of incidence_angle and azimuth_angle, or of "
            "los_east, los_north and los_up"
        )
    incidence, azimuth = (
        read_headers([expand_one(source[name], name)])[0] for name in ("incidence_angle", "azimuth_angle")
    )
    return maps_of_incidence(incidence, azimuth, incidence.grid), incidence.grid


def _of_mintpy(path: Path) -> tuple[dict[str, Layer], Grid]:
    """MintPy's geometry file.

    azimuthAngle is that of the vector from the ground to the satellite, from north, counterclockwise, as in ISCE's los.rdr.
    """
    with h5py.File(path, "r") as file:
        missing = [name for name in ("incidenceAngle", "azimuthAngle") if name not in file]
        if missing:
            raise FileError(f"{path}: has no {missing[0]}, of which the line of sight is made; give another file")
        shape = file["incidenceAngle"].shape
        grid = grid_of_attributes(path, shape[-2:], attributes_of(file))
        angles = tuple(
            _hdf5(path, name, file[name], decode)
            for name, decode in (("incidenceAngle", INCIDENCE), ("azimuthAngle", AZIMUTH))
        )
    layers: dict[str, Layer] = {
        "los_east": DerivedLayer(angles, east_of_azimuth),
        "los_north": DerivedLayer(angles, north_of_azimuth),
        "los_up": DerivedLayer(angles[:1], up_of_incidence),
    }
    return layers, grid


def _hdf5(path: Path, name: str, source: Any, decode: Decode) -> Layer:
    tile = source.chunks[-2:] if source.chunks else (1, source.shape[-1])
    return Hdf5Layer(str(path), name, (0,), source.shape[-2:], tile, decode, fingerprint([path], name, decode))


def _dataset(layers: Mapping[str, Layer], grid: Grid) -> xr.Dataset:
    """The components as lazy maps."""
    maps = {}
    for name in COMPONENTS:
        layer = layers[name]
        whole = xr.Dataset({name: lazy_variable(layer)}).chunk(
            {"pair": -1, "y": _EDGE, "x": _EDGE}, token=layer.fingerprint
        )
        maps[name] = whole[name].isel(pair=0).variable
        maps[name].attrs = dict(attributes(name))
    found = xr.Dataset(maps, grid_coords(grid))
    return on_grid_of(found, found)


def sight_of_angles(incidence: Any, heading: float, *, looks_right: bool) -> tuple[Any, Any, Any]:
    """East, north, up of the unit vector from the ground to a satellite.

    Parameters
    ----------
    incidence
        From the vertical, degrees, a number or an array.
    heading
        Direction of flight, clockwise from north, degrees.
    looks_right
        To which side the radar looks.
    """
    # the ground is to the right of the flight, so the satellite is to the left of it as seen from there
    azimuth = np.radians(heading + (-90.0 if looks_right else 90.0))
    sine = np.sin(np.radians(incidence))
    return sine * np.sin(azimuth), sine * np.cos(azimuth), np.cos(np.radians(incidence))
