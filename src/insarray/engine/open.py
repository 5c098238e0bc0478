"""`open`: open any result of insarray, or a time series of another program."""

import glob
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import numpy as np
import xarray as xr

from insarray.engine.program import PROGRAM
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.foreign import what_is
from insarray.engine.store.ledger import META
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.files import fingerprint
from insarray.io.locations import exists, is_url, location
from insarray.io.readers.mintpy_series import is_series, open_series
from insarray.io.readers.other_series import is_dolphin, is_licsbas, open_dolphin, open_licsbas
from insarray.io.readers.point_tables import is_point_table, open_points
from insarray.io.readers.stored import is_zarr, open_stored, with_axes
from insarray.model.conventions import variable
from insarray.model.errors import ArgumentError, FileError
from insarray.model.secrets import shown

logger = logging.getLogger(__name__)

_EDGE = 512  # block edge in pixels for files without chunks
_NETCDF = {".nc", ".nc4", ".cdf"}
_PHASES = {"unwrapped_phase", "wrapped_phase"}
_INPUTS = {"coherence", "connected_component_labels", "amplitude_dispersion", "water_mask", "height", *_PHASES} | {
    *("incidence_angle", "slant_range", "los_east", "los_north", "los_up")
}
"""Names in the conventions table that stacks and geometry files have, too."""

Kind = Literal["store", "dataset", "mintpy", "licsbas", "dolphin", "points"]

_OTHERS: dict[Kind, tuple[Callable[[Path], bool], Callable[[Path], xr.Dataset]]] = {
    "mintpy": (is_series, open_series),
    "licsbas": (is_licsbas, open_licsbas),
    "dolphin": (is_dolphin, open_dolphin),
    "points": (is_point_table, open_points),
}
"""Time series of other programs: functions that recognise and open them."""


def open(path: str | os.PathLike[str]) -> xr.Dataset:  # noqa: A001 - used as insarray.open, like gzip.open
    """Open a result: a store of `run` or `save_points`, a file of `to_netcdf`, or a time series of another program.

    Parameters
    ----------
    path
        Zarr store of a series, model, loops, averages, points or links; NetCDF file of any of these, or of anything else
        that `to_netcdf` has written but stacks; MintPy's ``timeseries.h5``, LiCSBAS' ``cum.h5`` or ``cum_filt.h5``,
        dolphin's folder ``timeseries``; EGMS table, ``.csv`` or ``.zip``. A path, or a URL such as
        ``s3://bucket/series.zarr``.

    Returns
    -------
    xarray.Dataset
        Lazy, ready for every product: all dates, pairs and loops of a block in one chunk, spatial chunks as stored,
        coordinates in memory. Tables of points are read completely.

    Raises
    ------
    ArgumentError
        If `path` is not a path.
    FileError
        If nothing is there, or it is not a result; the message says what it is and what opens it.
    StoreError
        If the store is not finished.

    See Also
    --------
    insarray.open_stack : open unwrapped interferograms.
    insarray.open_points : open tables of points without units.
    insarray.run : compute into a store.
    insarray.save_points : store points or links.
    insarray.to_netcdf : write NetCDF.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> report = ia.run(series, "series.zarr")
    >>> result = ia.open("series.zarr")
    >>> dict(result.displacement.sizes)
    {'time': 6, 'y': 20, 'x': 24}
    """
    where = _location(path)
    kind = _kind(where)
    for other, (_, opens) in _OTHERS.items():
        if kind == other:
            return opens(where)
    if kind is None:
        raise FileError(_refusal(where))
    logger.info("open: %s, a %s", shown(where), kind)
    return _with_coordinates_in_memory(open_store(str(where)) if kind == "store" else _open_dataset(where))


def is_result(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is something that `open` opens, including unfinished stores; other files raise no error."""
    try:
        return _kind(_location(path)) is not None
    except FileError:
        return False


def job_of(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the job metadata of an insarray store; None for anything else.

    Raises
    ------
    StoreError
        If it is an insarray store whose metadata cannot be read.
    """
    where = _location(path)
    return Store(str(where)).job() if exists(where) and (is_url(where) or where.is_dir()) else None


def _location(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) and not is_url(path):
        raise ArgumentError(f"path: is a {type(path).__name__}, not a path; give a store or a file")
    text = str(path)
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    return location(text.rstrip("/") or text)


def _kind(where: Path) -> Kind | None:
    if job_of(where) is not None:
        return "store"
    if not exists(where):
        return None
    for other, (recognises, _) in _OTHERS.items():
        if recognises(where):
            return other
    if where.suffix.lower() in _NETCDF or _is_group(where):
        with open_stored(where) as found:
            return "dataset" if _holds_result(with_axes(found)) else None
    return None


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
    found = with_axes(open_stored(where))
    mappings = {
        array.encoding.get("grid_mapping", array.attrs.get("grid_mapping")) for array in found.data_vars.values()
    }
    found = found.set_coords([str(name) for name in mappings if name in found.data_vars])
    largest = max(found.data_vars.values(), key=lambda array: array.ndim)
    preferred = largest.encoding.get("preferred_chunks") or {}
    chunks = {dim: int(preferred.get(dim, _EDGE)) if dim in ("y", "x") else -1 for dim in found.dims}
    return _dated(found).chunk(chunks, token=fingerprint([where]))


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


def _with_coordinates_in_memory(dataset: xr.Dataset) -> xr.Dataset:
    lazy = {n: c for n, c in dataset.coords.items() if c.variable.chunks and not {"y", "x"} <= set(c.dims)}
    return dataset.assign_coords({name: coord.variable.compute() for name, coord in lazy.items()}) if lazy else dataset


def _refusal(where: Path) -> str:
    if not exists(where):
        if glob.has_magic(str(where)):
            return f"{where}: is a pattern; give one result, or open a stack of files with open_stack"
        return f"{where}: does not exist; give the output of 'insarray invert', 'fit' or 'closure'"
    found = what_is(StoreFiles(str(where)))
    return f"{where}: is not an insarray store but {found.kind}; {found.remedy}"
