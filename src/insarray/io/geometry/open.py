"""`open_geometry`: open maps and baselines on the grid and for the pairs or dates of a stack or series."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.io.baselines import baseline_table
from insarray.io.files import expand_one
from insarray.io.geometry.files import BASELINE, METRES, QUANTITIES, Geometry, scan
from insarray.io.given import collects_folders
from insarray.io.layers.cubes import DemLayer
from insarray.io.layers.extents import place_on
from insarray.io.layers.headers import read_headers
from insarray.io.layers.lazy import lazy_variable
from insarray.io.layers.windows import WindowLayer
from insarray.io.source import Layer, PathLike
from insarray.model.baselines import BaselineTable
from insarray.model.conventions import attributes
from insarray.model.dataset import grid_of, network_of
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

_PLACES: dict[str, dict[str, object]] = {
    "latitude": {"units": "degrees_north", "long_name": "latitude of the ground, WGS 84"},
    "longitude": {"units": "degrees_east", "long_name": "longitude of the ground, WGS 84"},
}
"""Attributes of maps that are no part of results."""

_PROBE = 64  # rows and columns in the middle of a map that are tested


@collects_folders
def open_geometry(source: PathLike | Mapping[str, PathLike], like: xr.Dataset) -> xr.Dataset:
    """Open slant range, incidence angle, perpendicular baselines and height for a stack or series.

    Parameters
    ----------
    source
        File: NetCDF, Zarr, MintPy's ``geometryRadar.h5`` or ``geometryGeo.h5``, or a CSV table of baselines (see
        `insarray.io.baselines.read_baselines`). Or a mapping of quantities to files, which rasters need, for example
        ``{"slant_range": "range.tif", "incidence_angle": "inc.tif", "perpendicular_baseline": "baselines.csv"}``.
        Baselines need their dates in the same file: `reference` and `secondary` (or `reference_time`,
        `secondary_time`), or `time` or `date`.
    like
        Stack or series on the grid of the files or a part of it; only that part is read. If a NetCDF file does not
        state a CRS, it is assumed to be the same.

    Returns
    -------
    xarray.Dataset
        On the grid of `like`, chunked and lazy like it; those available of

        * `slant_range` (y, x) in m and `incidence_angle` (y, x) in degrees, from the vertical; 0 is no-data in both;
        * `height` (y, x) in m;
        * `latitude` and `longitude` (y, x) in degrees, which say where the pixels of radar coordinates are;
        * `perpendicular_baseline` in m, with (y, x) unless it is common to all pixels: (pair) for a stack, later minus
          earlier date; (time) for a series, zero at its first date. Matched by dates, never by order; pairs with the
          newer date first are negated. Baselines of pairs are converted to dates by least squares, with the attribute
          `misclosure_rms` (m) if pixels share them. Those of dates are subtracted for pairs.

        Angles in radians are converted, recorded in the attribute `source_units`.

    Raises
    ------
    ArgumentError
        If `source` does not state what a file holds.
    FileError
        If a file is missing, unreadable, has no geometry, or an unknown unit.
    StackError
        If it is on another grid or lacks dates or pairs of `like`. If values are invalid, such as incidence angles
        outside 2 to 90 degrees or slant ranges below 10 km: in the middle of the map immediately, elsewhere when read.

    See Also
    --------
    insarray.fit : fit time functions with standard errors.
    insarray.estimate_links : velocity and DEM error differences of arcs.
    insarray.open_stack : open unwrapped interferograms.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> path = ia.to_netcdf(stack[["incidence_angle", "slant_range"]], "geometry.nc")
    >>> geometry = ia.open_geometry("geometry.nc", stack)
    >>> sorted(geometry.data_vars)
    ['incidence_angle', 'slant_range']
    """
    grid = grid_of(like)
    variables: dict[str, xr.DataArray] = {}
    for name, geometry in _sources(source).items():
        geometry = _on_grid(geometry, grid)
        for found in geometry.names if name is None else {name}:
            variables[found] = _variable(found, geometry, like)
    kept = [name for name in ("y", "x", "spatial_ref") if name in like.coords]
    for name in variables:
        if "spatial_ref" in kept and "y" in variables[name].dims:
            variables[name].attrs["grid_mapping"] = "spatial_ref"
    rows = _lead(like) if BASELINE in variables else None
    kept += [str(name) for name, coord in like.coords.items() if coord.dims == (rows,) and name != BASELINE]
    ordered = {name: variables[name] for name in QUANTITIES if name in variables}
    return xr.Dataset(ordered).assign_coords({name: like.coords[name].variable for name in kept})


@collects_folders
def open_heights(dem: PathLike, like: xr.Dataset) -> xr.DataArray:
    """Heights (y, x) in m of a raster of any grid, on the pixels of a stack or series, bilinear.

    In its blocks and read when needed if it is lazy; NaN outside of the raster.

    Raises
    ------
    ArgumentError
        If `dem` is not one raster.
    FileError
        If it cannot be read, or is in another unit than metres.
    """
    path = expand_one(dem, "dem", "give one raster, for example a VRT of them")
    header = read_headers([path])[0]
    require_metres(str(path), header.units)
    return _array(DemLayer(str(path), grid_of(like)), like).isel(pair=0, drop=True).assign_attrs(units="m")


def require_metres(name: str, units: str) -> None:
    """Raise FileError unless a unit that heights say, if they do, is metres."""
    if units.strip().lower() not in METRES:
        raise FileError(f"{name}: its heights are in {units!r}, and are needed in metres; convert them")


def _sources(source: PathLike | Mapping[str, PathLike]) -> dict[str | None, Geometry]:
    """Return the scanned files by the quantity to use of each; None for all."""
    if not isinstance(source, Mapping):
        return {None: scan(_one(source), None)}
    if not source:
        raise ArgumentError("geometry: names no file; give a file, or {'slant_range': file, ...}")
    found: dict[str | None, Geometry] = {}
    for name, path in source.items():
        if name not in QUANTITIES:
            raise ArgumentError(f"geometry: {name!r} is not one of {', '.join(QUANTITIES)}")
        geometry = scan(_one(path), name)
        if name not in geometry.names:
            raise FileError(f"{path}: has no {name}, only {', '.join(sorted(geometry.names))}")
        found[name] = geometry
    return found


def _one(source: PathLike) -> Path:
    return expand_one(source, "geometry", "give one, or {'slant_range': file, ...}")


def _on_grid(geometry: Geometry, grid: Grid) -> Geometry:
    """Crop the layers to `grid`, which may be a part of the file's grid, if the file is georeferenced.

    Raises
    ------
    StackError
        If they do not cover it, or lie between its pixels.
    """
    own = geometry.grid
    if own is None:
        for name, layer in geometry.layers.items():
            if layer.shape[1:] != grid.shape:
                found, expected = (f"{height} x {width}" for height, width in (layer.shape[1:], grid.shape))
                raise StackError(
                    f"{geometry.path}: {name} has {found} pixels instead of {expected}; bring it to the grid"
                )
        return geometry
    if not geometry.layers:
        return geometry
    if own.crs is None and geometry.crs_optional:
        own = replace(own, crs=grid.crs)
    place = place_on(grid, own, one_image=own.crs is None and grid.crs is None)
    whole = (slice(0, grid.height), slice(0, grid.width))
    covered = None if place is None else place.overlap(*whole)
    if place is None or covered is None or covered[1] != whole:
        grid.require_same(own, str(geometry.path), "the stack or series")
        raise StackError(f"{geometry.path}: does not have all pixels of the stack or series; bring it to the grid")
    if (place.row, place.col, place.height, place.width, place.turned) == (0, 0, *grid.shape, False):
        return geometry
    layers: dict[str, Layer] = {
        name: WindowLayer(layer, -place.row, -place.col, *grid.shape, place.turned)
        for name, layer in geometry.layers.items()
    }
    return replace(geometry, layers=layers)


def _variable(name: str, geometry: Geometry, like: xr.Dataset) -> xr.DataArray:
    if name != BASELINE:
        return _array(geometry.layers[name], like).isel(pair=0).assign_attrs(_attributes(name, geometry))
    table = geometry.baselines
    if table is None:
        rows = _array(geometry.layers[name], like).rename(pair="row")
        table = baseline_table(geometry.path, geometry.dates, rows)
    return _baselines(table, like)


def _attributes(name: str, geometry: Geometry) -> dict[str, object]:
    converted = geometry.converted.get(name)
    about = _PLACES[name] if name in _PLACES else attributes(name)
    return about | ({} if converted is None else {"source_units": converted})


def _array(layer: Layer, like: xr.Dataset) -> xr.DataArray:
    """Return the layer (pair, y, x) chunked like `like`; in memory if `like` has no chunks."""
    _probe(layer)
    lazy = xr.Dataset({"layer": lazy_variable(layer)})
    chunks = like.chunksizes
    if "y" not in chunks or "x" not in chunks:
        return lazy["layer"].load()
    return lazy.chunk({"pair": -1, "y": chunks["y"], "x": chunks["x"]}, token=layer.fingerprint)["layer"]


def _probe(layer: Layer) -> None:
    """Read the middle of the first map, to detect wrong units before a long computation."""
    rows, cols = (
        slice(max(0, size // 2 - _PROBE // 2), min(size, size // 2 + _PROBE // 2 + 1)) for size in layer.shape[1:]
    )
    layer.read(rows, cols, [0])


def _lead(like: xr.Dataset) -> str:
    for name in ("time", "pair"):
        if name in like.dims:
            return name
    raise StackError("geometry: has baselines, but what it is for has neither pairs nor dates; give a stack or series")


def _baselines(table: BaselineTable, like: xr.Dataset) -> xr.DataArray:
    if _lead(like) == "pair":
        return table.of_pairs(network_of(like))
    baseline, misclosure = table.of_dates(like["time"].values)
    if misclosure is not None and misclosure.ndim == 1:
        baseline.attrs["misclosure_rms"] = float(np.sqrt(np.square(misclosure.values).mean()))
    return baseline
