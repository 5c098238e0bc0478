"""Convert any dataset that xarray can produce into the form that a run takes.

In this form, variables with y and x are lazy, their dimensions end in (y, x), each block contains all other dimensions,
and the blocks of all variables are the same: regular except for the last row and column. Data types are those that are
stored.
"""

import os
from collections.abc import Mapping
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import Layer

from insarray.engine.graph.edges import Cut, common_edge, default_edge
from insarray.engine.graph.persisted import with_fetching
from insarray.engine.graph.stored_types import as_stored, as_text
from insarray.io.locations import refuse_chain
from insarray.model.dataset import placed
from insarray.model.errors import ArgumentError, StackError

_SPATIAL = ("y", "x")
_DIRECT = 10**9  # threshold large enough that dask rechunks without intermediate steps


def prepare(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset in the form that a run takes; if it already has this form, with the same arrays.

    Parameters
    ----------
    dataset
        Any dataset with variables of y and x, lazy or in memory, chunked in any way.

    Raises
    ------
    ArgumentError
        If it is not a Dataset, or a name cannot be that of an array in a store.
    StackError
        If no variable has y and x, or one holds data that cannot be stored.
    """
    _require_dataset(dataset)
    dataset = placed(dataset)
    maps, others = {}, {}
    layers: dict[int, Layer] = {}
    for name, variable in dataset.variables.items():
        pixels = name in dataset.data_vars and set(_SPATIAL) <= set(variable.dims)
        if pixels:
            ordered = variable if variable.dims[-2:] == _SPATIAL else variable.transpose(..., *_SPATIAL)
            maps[name] = as_stored(str(name), with_fetching(ordered, layers))
        elif (text := as_text(variable)) is not variable:
            others[name] = text
    if not maps:
        raise StackError(
            "dataset: no variable has the dimensions y and x; rename what they are called, or keep points with save_points"
        )
    changed = {name: made for name, made in _in_blocks(maps).items() if made is not dataset.variables[name]}
    if others:
        dataset = dataset.assign_coords({name: text for name, text in others.items() if name in dataset.coords})
        changed |= {name: text for name, text in others.items() if name in dataset.data_vars}
    return dataset.assign(changed) if changed else dataset


def _require_dataset(dataset: Any) -> None:
    """Raise if `dataset` is not a dataset of maps."""
    if not isinstance(dataset, xr.Dataset):
        remedy = "; give .to_dataset(name=...)" if isinstance(dataset, xr.DataArray) else ""
        raise ArgumentError(f"dataset: a {type(dataset).__name__} is not an xarray.Dataset{remedy}")
    for name in dataset.variables:
        if not isinstance(name, str) or not name or "/" in name or name.startswith((".", "_insarray", "zarr.json")):
            raise ArgumentError(f"dataset: {name!r} cannot be the name of an array in a store; rename it")
    for name, index in dataset.indexes.items():
        if hasattr(index, "levels"):
            raise ArgumentError(
                f"dataset: {name} is an index of several levels, which is not stored; use .reset_index({name!r})"
            )
    empty = [dim for dim in _SPATIAL if dataset.sizes.get(dim) == 0]
    if empty:
        raise StackError(f"dataset: has no pixel, {empty[0]} is empty; select less strictly")


def _in_blocks(maps: Mapping[Any, xr.Variable]) -> dict[Any, xr.Variable]:
    """Return the variables lazily, with the same blocks."""
    lazy = {name: variable for name, variable in maps.items() if dask.is_dask_collection(variable.data)}
    if lazy:
        edges = [common_edge([Cut(v.data.chunks[axis], v.nbytes) for v in lazy.values()]) for axis in (-2, -1)]
    else:
        per_pixel = sum(v.dtype.itemsize * int(np.prod(v.shape[:-2])) for v in maps.values())
        edges = [default_edge(size, per_pixel) for size in next(iter(maps.values())).shape[-2:]]
    return {name: in_block(variable, edges) for name, variable in maps.items()}


def in_block(variable: xr.Variable, edges: list[int]) -> xr.Variable:
    """Return a variable (..., y, x) lazily, with blocks of `edges` pixels and the other dimensions in one chunk."""
    spatial = tuple(_parts(size, edge) for size, edge in zip(variable.shape[-2:], edges, strict=True))
    chunks = (*((size,) for size in variable.shape[:-2]), *spatial)
    if not dask.is_dask_collection(variable.data):
        return variable.copy(data=da.from_array(np.asarray(variable.values), chunks=chunks))
    if variable.data.chunks == chunks:
        return variable
    return variable.copy(data=variable.data.rechunk(chunks, threshold=_DIRECT, method="tasks"))


def _parts(size: int, edge: int) -> tuple[int, ...]:
    return (edge,) * (size // edge) + ((size % edge,) if size % edge else ())


def store_url(url: object) -> str:
    """Return the path or URL of a store as text.

    Raises
    ------
    ArgumentError
        If it is neither a path nor a URL, or a chained URL.
    """
    if isinstance(url, os.PathLike):
        url = str(url)  # also a path object for a URL
    if not isinstance(url, str) or not url:
        raise ArgumentError(f"url: {url!r} is not the path or URL of a store")
    refuse_chain(url, written=True)
    return url


def in_memory(dataset: xr.Dataset) -> xr.Dataset:
    """Compute the coordinates and the variables without pixels of a prepared dataset, as they are written at once."""
    small = {
        name: variable.compute()
        for name, variable in dataset.variables.items()
        if dask.is_dask_collection(variable.data) and (name in dataset.coords or variable.dims[-2:] != _SPATIAL)
    }
    coords = {name: value for name, value in small.items() if name in dataset.coords}
    return dataset.assign_coords(coords).assign({name: small[name] for name in small if name not in coords})


def template(dataset: xr.Dataset) -> xr.Dataset:
    """Return a prepared dataset with variable-length text, as fixed-length text is not specified in Zarr."""
    text = {name: v.astype(object) for name, v in dataset.variables.items() if v.dtype.kind == "U"}
    coords = {name: value for name, value in text.items() if name in dataset.coords}
    return dataset.assign_coords(coords).assign({name: text[name] for name in text if name not in coords})
