"""Reader of stacks in the data model of insarray, in a NetCDF file or a Zarr folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from insarray.io.files import fingerprint, names
from insarray.io.given import require_own_members
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, MapDecode, MaskDecode, PhaseDecode
from insarray.io.layers.hdf5 import require_own_values
from insarray.io.layers.netcdf import wgs84
from insarray.io.locations import is_url, open_url
from insarray.io.source import Layer, Options, StackSource
from insarray.model.conventions import VARIABLES
from insarray.model.corrections import ATTRIBUTES as CORRECTIONS
from insarray.model.dataset import crs_of, grid_of, network_of
from insarray.model.errors import FileError, InsarrayError, StackError
from insarray.model.secrets import cause_of

_MAPS = ("incidence_angle", "slant_range", "los_east", "los_north", "los_up", "height", "water_mask")
_NEEDED = {"unwrapped_phase", "reference_time", "secondary_time"}
_AXES = {"latitude": "y", "lat": "y", "longitude": "x", "lon": "x"}
_RADIAN = {"rad", "radian", "radians"}
_ATTRS = ("looks", "slant_range", "source_sign", "source_units", *CORRECTIONS)


class StoredReader:
    """Reader of canonical variables with dimensions (pair, y, x)."""

    name = "netcdf"
    looks_for = "a NetCDF file or Zarr folder with unwrapped_phase (pair, y, x), reference_time and secondary_time"
    options = frozenset({"wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a file or store with the variables of a stack."""
        if path.suffix.lower() not in {".nc", ".nc4"} and not is_zarr(path):
            return False
        try:
            with open_stored(path) as found:
                return set(found.variables) >= _NEEDED
        except InsarrayError:
            return False

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read coordinates and attributes."""
        if len(paths) != 1:
            raise FileError(f"files: the product netcdf is one file or Zarr folder, not {names(paths)}")
        path, stored = paths[0], with_axes(open_stored(paths[0]))
        missing = _NEEDED - set(stored.variables)
        if missing:
            raise FileError(
                f"{path}: has no {', '.join(sorted(missing))}; it holds {', '.join(map(str, stored.variables))}"
            )
        stored = stored.set_coords(["reference_time", "secondary_time"])
        try:
            network, grid = network_of(stored), grid_of(stored)
        except InsarrayError as error:
            raise StackError(f"{path}: {error}") from cause_of(error)
        layers = {
            name: stored_layer(path, stored[name], decode)
            for name, decode in _decoders(network.n_pairs).items()
            if name in stored
        }
        maps = {
            name: stored_layer(path, stored[name], MaskDecode() if name == "water_mask" else MapDecode())
            for name in _MAPS
            if name in stored
        }
        wavelength = stored.attrs.get("wavelength")
        return StackSource(
            network,
            grid,
            layers,
            (path,),
            wavelength=options.wavelength or (None if wavelength is None else float(wavelength)),
            attrs={name: stored.attrs[name] for name in _ATTRS if name in stored.attrs},
            maps=maps,
        )


@dataclass(frozen=True)
class StoredLayer:
    """Unread variable opened by xarray, whose backends keep the file open and lock it."""

    path: str
    variable: xr.Variable
    tile: tuple[int, int]
    decode: Decode
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair or date, row, col); 1 pair for a map."""
        planes = self.variable.shape[0] if self.variable.ndim == 3 else 1
        return planes, self.variable.sizes["y"], self.variable.sizes["x"]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result of `read`."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        window = self.variable.isel(y=rows, x=cols)
        if window.ndim == 3 and pairs is not None:
            window = window[list(pairs)]
        try:
            raw = np.asarray(window.values)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise FileError(f"{self.path}: could not read {rows}, {cols} ({error}); replace the file") from cause_of(
                error
            )
        raw = raw.reshape((-1, *raw.shape[-2:]))
        out = np.empty(raw.shape, self.dtype)
        for k, plane in enumerate(raw):
            self.decode(plane, out[k], k if pairs is None else pairs[k], self.path)
        return out


def _decoders(n_pairs: int) -> dict[str, Decode]:
    return {
        "unwrapped_phase": PhaseDecode((1.0,) * n_pairs),
        "coherence": CoherenceDecode(),
        "connected_component_labels": ComponentDecode(),
    }


def stored_layer(path: Path, data: xr.DataArray, decode: Decode) -> Layer:
    """Return the layer of a canonical variable.

    Raises
    ------
    StackError
        If it has other dimensions, or is a phase in units other than radian.
    """
    dims = VARIABLES[str(data.name)].dims
    if data.dims != dims:
        raise StackError(f"{path}: {data.name} has dimensions {data.dims}; it needs {dims}")
    if data.name in ("unwrapped_phase", "wrapped_phase") and data.attrs.get("units", "radian") not in _RADIAN:
        raise StackError(f"{path}: {data.name} is in {data.attrs['units']!r}; it needs radian")
    chunks = data.encoding.get("preferred_chunks") or {}
    tile = int(chunks.get("y", 1)), int(chunks.get("x", data.sizes["x"]))
    return StoredLayer(str(path), data.variable, tile, decode, fingerprint([path], data.name, decode))


def is_zarr(path: Path) -> bool:
    """Return whether the path is a Zarr folder."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def with_axes(stored: xr.Dataset) -> xr.Dataset:
    """Rename the axes to y and x; set WGS 84 if they are degrees and there is no CRS."""
    stored = stored.rename(
        {old: new for old, new in _AXES.items() if old in stored.dims and new not in stored.variables}
    )
    if crs_of(stored) is not None or not all(_are_degrees(stored, name) for name in ("y", "x")):
        return stored
    return stored.assign_coords(spatial_ref=xr.Variable((), 0, {"crs_wkt": wgs84()}))


def _are_degrees(stored: xr.Dataset, axis: str) -> bool:
    """Return whether coordinates are latitudes or longitudes by the CF conventions."""
    attrs = stored[axis].attrs if axis in stored.coords else {}
    names = {"y": ("degree_north", "degrees_north"), "x": ("degree_east", "degrees_east")}[axis]
    standard = {"y": "latitude", "x": "longitude"}[axis]
    return attrs.get("standard_name") == standard or str(attrs.get("units", "")).lower() in names


def open_stored(path: Path, *, without: Sequence[str] | None = None) -> xr.Dataset:
    """Open the variables of a NetCDF file or Zarr folder without reading them.

    Parameters
    ----------
    path
        File or folder.
    without
        Variables of a NetCDF file to leave out, which `virtual_datasets` has found; None: there may be none.

    Raises
    ------
    FileError
        If it is neither, or stores values of other variables in other files.
    """
    options: dict[str, Any] = {"engine": "zarr", "consolidated": False}
    if is_zarr(path):
        if not is_url(path):
            require_own_members(path)
    else:
        if without is None:
            require_own_values(path)
        # some versions of netCDF4 crash if a file with text is opened twice
        classic = not is_url(path) and not h5py.is_hdf5(path)
        options = {"engine": "scipy"} if classic else {"engine": "h5netcdf", "phony_dims": "access"}
    try:
        source = open_url(str(path)) if is_url(path) and options["engine"] == "h5netcdf" else str(path)
        return xr.open_dataset(source, chunks=None, cache=False, drop_variables=without, **options)
    except Exception as error:  # the libraries raise various exceptions for damaged files
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise FileError(f"{path}: cannot be opened as NetCDF or Zarr ({reason}); replace the file") from cause_of(error)
