"""Scan NetCDF, Zarr, MintPy and raster files for geometry: maps and baselines with names, units and dates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from insarray.io.baselines import baseline_table, read_baselines
from insarray.io.files import fingerprint
from insarray.io.layers.decode import BoundedDecode
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, opened
from insarray.io.layers.headers import raster_layer, read_headers
from insarray.io.readers.mintpy import attributes_of, grid_of_attributes
from insarray.io.readers.stored import StoredLayer, is_zarr, open_stored, with_axes
from insarray.io.source import Layer
from insarray.model.baselines import BaselineTable
from insarray.model.dataset import grid_of
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError
from insarray.model.grid import Grid

BASELINE = "perpendicular_baseline"
Dates = list[tuple[np.datetime64, ...]]


@dataclass(frozen=True)
class Quantity:
    """Names, unit and valid range of a geometry variable."""

    names: tuple[str, ...]
    unit: str
    least: float
    most: float
    zero_is_missing: bool = False


QUANTITIES = {
    # no radar looks straight down: a minimum above pi / 2 rules out radians
    "incidence_angle": Quantity(("incidence_angle", "incidenceAngle"), "degree", 2.0, 90.0, zero_is_missing=True),
    "slant_range": Quantity(("slant_range", "slantRangeDistance"), "metre", 1e4, 1e8, zero_is_missing=True),
    "height": Quantity(("height",), "metre", -2e4, 2e4),
    "latitude": Quantity(("latitude", "lat"), "degree", -90.0, 90.0),
    "longitude": Quantity(("longitude", "lon"), "degree", -360.0, 360.0),
    BASELINE: Quantity((BASELINE, "bperp"), "metre", -1e5, 1e5),
}
"""By canonical name."""

_UNITS = {
    "metre": dict.fromkeys(("", "m", "meter", "meters", "metre", "metres"), 1.0),
    "degree": {
        **dict.fromkeys(("", "deg", "degree", "degrees", "degrees_north", "degrees_east"), 1.0),
        **dict.fromkeys(("rad", "radian", "radians"), 180.0 / np.pi),
    },
}
METRES = frozenset(_UNITS["metre"])
"""What a unit of metres may be called, or nothing."""

_PAIR_DATES = (("reference_time", "secondary_time"), ("reference", "secondary"), ("ref", "rep"))
_DATES = ("time", "date")
_AXES = {*QUANTITIES["latitude"].names, *QUANTITIES["longitude"].names}
"""Names of maps, which axes have, too."""

_HDF5 = {".h5", ".he5", ".hdf5"}
_NETCDF = {".nc", ".nc4"}


@dataclass(frozen=True)
class Geometry:
    """Content of a geometry file, before any pixel is read.

    Parameters
    ----------
    path
        Path of the file.
    grid
        Pixels; None if the file does not georeference them, or has none.
    layers
        Layers by canonical name, shape (1, row, col), or (date or pair, row, col) for baselines.
    baselines
        Baselines (row,) common to all pixels.
    dates
        Date or pair of each row of the baselines, in the order of the file.
    crs_optional
        The file has coordinates, but files of this kind often do not state their CRS.
    converted
        Unit in the file by canonical name, if it differs.
    """

    path: Path
    grid: Grid | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    baselines: BaselineTable | None = None
    dates: Dates = field(default_factory=list)
    converted: dict[str, str] = field(default_factory=dict)
    crs_optional: bool = False

    @property
    def names(self) -> set[str]:
        """Canonical names of everything the file holds."""
        return {*self.layers, *([] if self.baselines is None else [BASELINE])}


def scan(path: Path, name: str | None = None) -> Geometry:
    """Scan a file for geometry.

    Parameters
    ----------
    path
        CSV table of baselines, NetCDF, Zarr folder, MintPy HDF5, or raster.
    name
        Quantity in a raster, which does not state it.

    Raises
    ------
    FileError
        If the file cannot be read, holds no geometry, or has a unit other than metre, degree and radian.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return Geometry(path, baselines=read_baselines(path))
    if suffix in _HDF5 and is_mintpy_geometry(path):
        return _scan_mintpy(path)
    if suffix in _HDF5 | _NETCDF or is_zarr(path):
        return _scan_stored(path)
    if path.is_dir():
        raise FileError(f"{path}: is not a Zarr folder; give the file of the geometry")
    if name is None:
        raise ArgumentError(f"geometry: {path} does not state its contents; give {{'slant_range': file, ...}}")
    if name == BASELINE:
        raise ArgumentError(f"geometry: {path} does not say the dates of its baselines; give a CSV table or NetCDF")
    return _scan_raster(path, name)


def _decode(path: Path, name: str, units: object, *missing: float | None) -> tuple[BoundedDecode, dict[str, str]]:
    """Return the decoder of a variable with the given units, and the unit if it is converted."""
    quantity, said = QUANTITIES[name], str(units or "").strip()
    known = _UNITS[quantity.unit]
    if said.lower() not in known:
        raise FileError(
            f"{path}: {name} is in {said!r}; it needs {' or '.join(sorted({quantity.unit, *_long(known)}))}"
        )
    factor = known[said.lower()]
    nodata = [value for value in missing if value is not None] + [0.0] * quantity.zero_is_missing
    decode = BoundedDecode(name, quantity.unit, factor, quantity.least, quantity.most, tuple(nodata))
    return decode, ({} if factor == 1.0 else {name: said})


def _long(units: dict[str, float]) -> list[str]:
    return [unit for unit in ("metre", "degree", "radian") if unit in units]


def _found(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the names in the file by canonical name."""
    found: dict[str, str] = {}
    for name, quantity in QUANTITIES.items():
        has = [alias for alias in quantity.names if alias in names]
        if len(has) > 1:
            raise FileError(f"{path}: has both {' and '.join(has)}; leave one of them out")
        if has:
            found[name] = has[0]
    if not found:
        known = ", ".join(QUANTITIES)
        raise FileError(f"{path}: holds none of {known}; it has {', '.join(names)[:200] or 'nothing'}")
    return found


def _times(path: Path, rows: Sequence[Sequence[Any]]) -> Dates:
    """Return the dates of the rows, stored as times, text, bytes or numbers such as 20180106."""
    try:
        return [tuple(as_time(_date(value)) for value in row) for row in rows]
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


def _date(value: Any) -> str | np.datetime64:
    if isinstance(value, np.datetime64):
        return value
    return value.decode() if isinstance(value, bytes) else str(value)


def _shared_by_all_pixels(path: Path, dates: Dates, values: np.ndarray) -> BaselineTable:
    given = values.astype(np.float64)
    for row in np.flatnonzero(~np.isfinite(given)):
        label = "_".join(str(time)[:10] for time in dates[row])
        raise StackError(f"{path}: the baseline of {label} is {given[row]}; every one must be known")
    return baseline_table(path, dates, list(given))


# -- rasters --------------------------------------------------------------------------------------------------------


def _scan_raster(path: Path, name: str) -> Geometry:
    headers = read_headers([path])
    decode, converted = _decode(path, name, headers[0].units, *headers[0].nodata)
    if headers[0].scale != 1.0:
        raise FileError(f"{path}: has a scale of {headers[0].scale:g}; write the values themselves")
    return Geometry(path, headers[0].grid, {name: raster_layer(headers, decode)}, converted=converted)


# -- NetCDF and Zarr ------------------------------------------------------------------------------------------------


def _scan_stored(path: Path) -> Geometry:
    stored = with_axes(open_stored(path))
    found = _found(path, [str(name) for name, of in stored.variables.items() if name not in _AXES or of.ndim == 2])
    layers: dict[str, Layer] = {}
    converted: dict[str, str] = {}
    baselines, dates = None, Dates()
    for name, alias in found.items():
        data = stored[alias]
        decode, said = _decode(path, name, data.attrs.get("units"))
        converted |= said
        if name == BASELINE:
            dates = _dates_along(path, stored, data)
            if data.ndim == 1:
                baselines = _shared_by_all_pixels(path, dates, data.values)
                continue
        elif data.dims != ("y", "x"):
            raise FileError(f"{path}: {alias} has dimensions {data.dims}; it needs ('y', 'x')")
        layers[name] = _stored_layer(path, data, decode)
    return Geometry(path, _grid(path, stored), layers, baselines, dates, converted, crs_optional=True)


def _stored_layer(path: Path, data: xr.DataArray, decode: BoundedDecode) -> Layer:
    chunks = data.encoding.get("preferred_chunks") or {}
    tile = int(chunks.get("y", 1)), int(chunks.get("x", data.sizes["x"]))
    rows = data if data.ndim == 2 else data.rename({data.dims[0]: "pair"})
    return StoredLayer(str(path), rows.variable, tile, decode, fingerprint([path], data.name, decode))


def _dates_along(path: Path, stored: xr.Dataset, data: xr.DataArray) -> Dates:
    """Return the dates along the first dimension of the baselines."""
    lead = data.dims[0] if data.dims else None
    if data.dims not in ((lead,), (lead, "y", "x")) or lead in ("y", "x"):
        raise FileError(f"{path}: {data.name} has dimensions {data.dims}; it needs dates or pairs, perhaps with (y, x)")

    def along(name: str) -> bool:
        return name in stored.variables and stored[name].dims == (lead,)

    for reference, secondary in _PAIR_DATES:
        if along(reference) and along(secondary):
            return _times(path, list(zip(stored[reference].values, stored[secondary].values, strict=True)))
    for name in (*_DATES, str(lead)):
        if along(name):
            return _times(path, [(value,) for value in stored[name].values])
    raise FileError(
        f"{path}: {data.name} has no dates along {lead}; it needs variables reference and secondary, or time, along it"
    )


def _grid(path: Path, stored: xr.Dataset) -> Grid | None:
    if "x" not in stored.coords or "y" not in stored.coords:
        return None
    for name, variable in stored.variables.items():
        if "crs_wkt" in variable.attrs or "spatial_ref" in variable.attrs:
            stored = stored.rename({name: "spatial_ref"}).set_coords("spatial_ref")
            break
    try:
        return grid_of(stored)
    except InsarrayError as error:
        raise FileError(f"{path}: {error}") from error


# -- MintPy ---------------------------------------------------------------------------------------------------------


def is_mintpy_geometry(path: Path) -> bool:
    """Whether a file is one of MintPy's, of the geometry."""
    camel = {alias for quantity in QUANTITIES.values() for alias in quantity.names if alias != alias.lower()}
    with opened(path) as file:
        return "FILE_TYPE" in file.attrs or bool(camel & set(file))


def _scan_mintpy(path: Path) -> Geometry:
    layers: dict[str, Layer] = {}
    baselines, dates = None, Dates()
    with opened(path) as file:
        grid = None
        for name, alias in _found(path, list(file)).items():
            source = dataset(file, alias)
            if source is None:
                continue
            decode, _ = _decode(path, name, None)
            if name == BASELINE:
                dates = _mintpy_dates(path, file, source)
                if source.ndim == 1:
                    baselines = _shared_by_all_pixels(path, dates, source[:])
                    continue
            elif source.ndim != 2:
                raise FileError(f"{path}: {alias} has shape {source.shape}; it needs (y, x)")
            grid = grid_of_attributes(path, source.shape[-2:], attributes_of(file))
            layers[name] = _hdf5_layer(path, alias, source, decode)
    return Geometry(path, grid, layers, baselines, dates)


def _hdf5_layer(path: Path, alias: str, source: h5py.Dataset, decode: BoundedDecode) -> Layer:
    rows = tuple(range(source.shape[0])) if source.ndim == 3 else (0,)
    tile = source.chunks[-2:] if source.chunks else (1, source.shape[-1])
    print_of = fingerprint([path], alias, rows, decode)
    return Hdf5Layer(str(path), alias, rows, source.shape[-2:], tile, decode, print_of)


def _mintpy_dates(path: Path, file: h5py.File, source: h5py.Dataset) -> Dates:
    listed = dataset(file, "date")
    if listed is None or source.ndim not in (1, 3) or listed.shape not in ((len(source),), (len(source), 2)):
        found = None if listed is None else listed.shape
        raise FileError(
            f"{path}: bperp has shape {source.shape} and date {found}; they need one date or pair for each baseline"
        )
    return _times(path, [list(np.atleast_1d(row)) for row in listed[:]])
