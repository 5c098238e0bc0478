"""Open results that are not insarray's stores: NetCDF files, Zarr groups, and time series of other programs."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from insarray.engine.graph.coordinates import with_coordinates_in_memory
from insarray.engine.program import PROGRAM
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.ledger import META
from insarray.io.files import fingerprint
from insarray.io.layers.hdf5 import require_own_values, virtual_datasets
from insarray.io.locations import exists
from insarray.io.readers.mintpy_series import is_series, open_series
from insarray.io.readers.other_series import is_dolphin, is_licsbas, open_dolphin, open_licsbas
from insarray.io.readers.point_tables import is_point_table, open_points
from insarray.io.readers.stored import is_zarr, open_stored, with_axes
from insarray.model.conventions import variable
from insarray.model.errors import StackWarning

_EDGE = 512  # block edge in pixels for files without chunks
_NETCDF = {".nc", ".nc4", ".cdf"}
_PHASES = {"unwrapped_phase", "wrapped_phase"}
_INPUTS = {"coherence", "connected_component_labels", "amplitude_dispersion", "water_mask", "height", *_PHASES} | {
    *("incidence_angle", "slant_range", "los_east", "los_north", "los_up")
}
"""Names in the conventions table that stacks and geometry files have, too."""

Kind = Literal["dataset", "mintpy", "licsbas", "dolphin", "points"]

_OTHERS: dict[Kind, tuple[Callable[[Path], bool], Callable[[Path], xr.Dataset]]] = {
    "mintpy": (is_series, open_series),
    "licsbas": (is_licsbas, open_licsbas),
    "dolphin": (is_dolphin, open_dolphin),
    "points": (is_point_table, open_points),
}
"""Time series of other programs: functions that recognise and open them."""


def kind_of(where: Path) -> Kind | None:
    """Return what a result is that is not a store; None for anything else."""
    if not exists(where):
        return None
    for other, (recognises, _) in _OTHERS.items():
        if recognises(where):
            return other
    if where.suffix.lower() in _NETCDF or _is_group(where):
        left = _left_out(where)
        with open_stored(where, without=left) as found:
            if _holds_result(with_axes(found)):
                return "dataset"
        if left:
            require_own_values(where)
    return None


def open_other(where: Path, kind: Kind) -> xr.Dataset:
    """Open a result of the kind that `kind_of` has found."""
    return with_coordinates_in_memory(_open_dataset(where)) if kind == "dataset" else _OTHERS[kind][1](where)


def _is_group(where: Path) -> bool:
    """Return whether it is a Zarr group of another program: no array, and no insarray store without its job file."""
    if not is_zarr(where):
        return False
    files = StoreFiles(str(where))
    listed = files.listed()
    return not {META, ".zarray"} & set(listed) and (files.read("zarr.json") or {}).get("node_type") != "array"


def _holds_result(found: xr.Dataset) -> bool:
    """Return whether a variable belongs to the results of the data model and not to a stack."""
    phases = [name for name in _PHASES if name in found and not {"point", "link"} & set(found[name].dims)]
    if "displacement" not in found and phases:
        return False
    own = str(found.attrs.get("source", "")).startswith(PROGRAM)  # of `to_netcdf`, whatever its variables are called
    return any(own or _is_known(str(name), array) for name, array in found.data_vars.items())


def _is_known(name: str, array: xr.DataArray) -> bool:
    try:
        entry = variable(name)
    except KeyError:
        return False
    scattered = bool({"point", "link"} & set(array.dims))
    return scattered or (name not in _INPUTS and set(entry.dims) == set(array.dims))


def _open_dataset(where: Path) -> xr.Dataset:
    """Open a NetCDF file, or a Zarr store written by xarray, with all dates, pairs or loops in one chunk."""
    left = _left_out(where)
    found = with_axes(open_stored(where, without=left))
    if left:
        note = (
            f"left out, as their values are in other files: {', '.join(left)}; copy them into {where.name} to have them"
        )
        warnings.warn(note, StackWarning, stacklevel=4)
        found = found.assign_attrs(notes=[note])
    mappings = {
        array.encoding.get("grid_mapping", array.attrs.get("grid_mapping")) for array in found.data_vars.values()
    }
    found = found.set_coords([str(name) for name in mappings if name in found.data_vars])
    largest = max(found.data_vars.values(), key=lambda array: array.ndim)
    preferred = largest.encoding.get("preferred_chunks") or {}
    chunks = {dim: int(preferred.get(dim, _EDGE)) if dim in ("y", "x") else -1 for dim in found.dims}
    return _dated(found).chunk(chunks, token=fingerprint([where]))


def _left_out(where: Path) -> list[str]:
    """Return the variables of a NetCDF file that are regions of other files, which are never opened: masks of opera-utils."""
    return [] if is_zarr(where) else virtual_datasets(where)


def _dated(found: xr.Dataset) -> xr.Dataset:
    """Add the reference date to a series of opera-utils: its first reference time, which is not among its dates.

    Names: opera-adt/opera-utils, src/opera_utils/disp/_reformat.py, which accumulates displacement since that time.
    """
    times = found.variables.get("reference_time")
    if times is None or times.dims != ("time",) or "displacement" not in found or "reference_date" in found.attrs:
        return found
    if not np.issubdtype(times.dtype, np.datetime64) or not times.size:
        return found
    return found.assign_attrs(reference_date=str(times.values.min().astype("datetime64[s]")))
