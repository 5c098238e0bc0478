"""Push selections of pairs, dates or a window down to the tasks that read files.

A selection of a dask array is passed through elementwise functions to the tasks that read, so that data outside it are
neither read nor held in memory. Where another operation is in between, dask selects from the result as usual.
"""

import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import TaskRef
from dask.array.core import getter, getter_inline, getter_nofancy
from dask.base import tokenize
from dask.blockwise import Blockwise, blockwise_token
from dask.highlevelgraph import HighLevelGraph
from xarray.core import indexing

from insarray.engine.graph.elementwise import is_elementwise
from insarray.model.errors import ArgumentError

Wanted = tuple[slice | np.ndarray, ...]
"""Selection along each axis."""

_READS = (getter, getter_inline, getter_nofancy)
_ALL = slice(None)


def select_lead(array: da.Array, index: np.ndarray) -> da.Array:
    """Select pairs or dates of an array (pair or time, y, x); if possible, the others are not read from the files.

    Parameters
    ----------
    array
        If its first dimension has several chunks, dask selects from the result.
    index
        Positions along the first dimension, in any order, or a boolean mask.

    Raises
    ------
    ArgumentError
        If a position is out of range.
    """
    return select(array, {0: index})


def select_window(array: da.Array, rows: slice, cols: slice) -> da.Array:
    """Select a window of an array (..., y, x); if possible, only pixels inside it are read.

    The blocks of the result have the edge length of the array's, counted from the first row and column of the window.
    """
    return select(array, {array.ndim - 2: rows, array.ndim - 1: cols})


def select(array: da.Array, wanted: Mapping[int, slice | np.ndarray]) -> da.Array:
    """Select along some axes: slices of step 1 along axes that may be chunked, any index along the others."""
    full: list[slice | np.ndarray] = [_ALL] * array.ndim
    for axis, part in wanted.items():
        full[axis] = _normal(part, array.shape[axis])
    if all(isinstance(part, slice) and part == _ALL for part in full):
        return array
    found = None
    if not any(isinstance(part, np.ndarray) and n > 1 for part, n in zip(full, array.numblocks, strict=True)):
        found = _Sources(array.dask).from_files(array, tuple(full))
    return _plainly(array, tuple(full)) if found is None else found


def take(dataset: xr.Dataset, dim: str, index: np.ndarray) -> xr.Dataset:
    """Return ``dataset.isel({dim: index})``, with lazy variables selected as in `select_lead`.

    Parameters
    ----------
    dataset
        A stack or series.
    dim
        "pair", "time" or another dimension.
    index
        Positions, in any order, or a boolean mask.
    """
    places = np.arange(dataset.sizes[dim])[np.asarray(index)]
    return _selected(dataset, {dim: places})


def crop(dataset: xr.Dataset, rows: slice, cols: slice) -> xr.Dataset:
    """Return ``dataset.isel(y=rows, x=cols)`` for steps of 1, with lazy variables selected as in `select_window`."""
    return _selected(dataset, {"y": rows, "x": cols})


def _selected(dataset: xr.Dataset, parts: Mapping[str, Any]) -> xr.Dataset:
    lazy = {
        name: variable
        for name, variable in dataset.data_vars.items()
        if dask.is_dask_collection(variable.data) and not parts.keys().isdisjoint(variable.dims)
    }
    rest = dataset.drop_vars(lazy)
    rest = rest.isel({dim: part for dim, part in parts.items() if dim in rest.dims})
    variables: dict[Any, Any] = {}
    for name, variable in dataset.data_vars.items():  # keep the order of the variables
        variables[name] = rest.variables.get(name)
        if name in lazy:
            wanted = {axis: parts[str(dim)] for axis, dim in enumerate(variable.dims) if dim in parts}
            variables[name] = xr.Variable(
                variable.dims, select(variable.data, wanted), variable.attrs, variable.encoding
            )
    return xr.Dataset(variables, rest.coords, dataset.attrs)


def _normal(part: slice | np.ndarray, size: int) -> slice | np.ndarray:
    """Return a slice with explicit ends, `_ALL` for the full axis, or positions that form no contiguous slice."""
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        if step == 1:
            return _ALL if (start, stop) == (0, size) else slice(start, max(start, stop))
        part = np.arange(size)[part]
    part = np.asarray(part)
    if part.dtype == bool:
        if part.shape != (size,):
            raise ArgumentError(f"index: a mask {part.shape} does not fit {size} layers")
        part = np.flatnonzero(part)
    if part.size and not (part.min() >= -size and part.max() < size):
        raise ArgumentError(f"index: {part.min()} to {part.max()} is not within {size} layers")
    part = part.astype(np.intp) % size
    if part.size and (np.diff(part) == 1).all():
        return _normal(slice(int(part[0]), int(part[-1]) + 1), size)
    return part


def _plainly(array: da.Array, wanted: Wanted) -> da.Array:
    """Select with dask along one axis after the other."""
    for axis, part in enumerate(wanted):
        if not (isinstance(part, slice) and part == _ALL):
            array = array[(_ALL,) * axis + (part,)]
    return array


def _chunks(chunks: tuple[int, ...], part: slice | np.ndarray) -> tuple[int, ...]:
    """Return the chunk lengths of a selection along an axis."""
    if isinstance(part, slice) and part == _ALL:
        return chunks
    size = part.stop - part.start if isinstance(part, slice) else len(part)
    edge = max(chunks)
    if len(chunks) == 1 or size == 0:
        return (size,)
    return (edge,) * (size // edge) + ((size % edge,) if size % edge else ())


class _Sources:
    """Builder of new arrays for a selection of the arrays of a graph."""

    def __init__(self, graph: HighLevelGraph) -> None:
        self._graph = graph
        self._made: dict[str, da.Array] = {}

    def from_files(self, array: da.Array, wanted: Wanted) -> da.Array | None:
        """Return the selection of an array that is read from files or computed elementwise from these, or None."""
        name = f"{array.name.rsplit('-', 1)[0]}-{tokenize(array.name, wanted)}"
        if name not in self._made:
            found = self._read(array, wanted, name)
            if found is None:
                found = self._computed(array, wanted, name)
            if found is None:
                return None
            self._made[name] = found
        return self._made[name]

    def _part(self, name: str, wanted: Wanted) -> da.Array | None:
        """Return the selection of an argument; dask selects from other arrays, provided the blocks permit it."""
        array = self._array(name)
        if array is None or all(isinstance(part, slice) and part == _ALL for part in wanted):
            return array
        found = self.from_files(array, wanted)
        if found is None:
            cut = [n > 1 and part != _ALL for n, part in zip(array.numblocks, wanted, strict=True)]
            if any(cut) and not isinstance(next(iter(self._graph.layers[name].values())), np.ndarray):
                return None  # the regular blocks of the other arguments would compute its blocks several times
            found = _plainly(array, wanted).rechunk(tuple(map(_chunks, array.chunks, wanted)))
        return found

    def _array(self, name: str) -> da.Array | None:
        """Return an array of the graph by name; None if the graph does not tell its chunks."""
        about = getattr(self._graph.layers.get(name), "collection_annotations", None) or {}
        if about.get("chunks") is None or about.get("dtype") is None:
            return None
        meta = np.empty((0,) * len(about["chunks"]), about["dtype"])
        return da.Array(self._graph, name, about["chunks"], meta=meta)

    def _read(self, array: da.Array, wanted: Wanted, name: str) -> da.Array | None:
        """Return the selection of an array that xarray reads from files; None if it is not one."""
        layer = self._graph.layers[array.name]
        if not isinstance(layer, Blockwise) or layer.task.func not in _READS or len(layer.indices) != 2:
            return None
        (original, place), _ = layer.indices
        key: Any = getattr(original, "key", original)
        source: Any = None if place is not None or key not in self._graph.layers else self._graph.layers[key][key]
        if not isinstance(source, indexing.ImplicitToExplicitIndexingAdapter) or not _is_lazy(source.array):
            return None
        if source.shape != array.shape:
            return None
        dims = [f"axis{n}" for n in range(array.ndim)]
        part = xr.Variable(dims, source.array).isel(dict(zip(dims, wanted, strict=True)))
        chunks = dict(zip(dims, map(_chunks, array.chunks, wanted), strict=True))
        found: da.Array = part.chunk(chunks, name=name, lock=layer.task.kwargs.get("lock") or False).data
        return found

    def _computed(self, array: da.Array, wanted: Wanted, name: str) -> da.Array | None:
        """Return the selection of an array computed elementwise from others; None if it is not, or they are unknown."""
        layer = self._graph.layers[array.name]
        same = _same_as(layer, array)
        if same is not None and (source := self._array(same)) is not None and source.chunks == array.chunks:
            return self.from_files(source, wanted)
        if not isinstance(layer, Blockwise) or not _is_samplewise(layer):
            return None
        along = dict(zip(layer.output_indices, zip(wanted, array.shape, strict=True), strict=True))
        arguments: list[Any] = []
        for argument, axes in layer.indices:
            if axes is None:
                arguments += [argument, None]
                continue
            source = self._array(str(argument))
            if source is None:
                return None
            of = [along[axis] for axis in axes]
            parts = tuple(_ALL if n == 1 < size else part for n, (part, size) in zip(source.shape, of, strict=True))
            part_of = self._part(str(argument), parts)
            if part_of is None:
                return None
            arguments += [part_of, axes]
        kwargs = dict(layer.task.kwargs)
        made = da.blockwise(
            layer.task.func,
            layer.output_indices,
            *arguments,
            name=name,
            meta=array._meta,
            align_arrays=False,
            **kwargs,
        )
        # its nominal blocks may be those of an argument that is constant over the samples
        return da.Array(made.dask, name, tuple(map(_chunks, array.chunks, wanted)), meta=array._meta)


def _is_lazy(array: Any) -> bool:
    """Return whether an array of xarray's backends records selections and reads later."""
    while isinstance(array, indexing.CopyOnWriteArray | indexing.MemoryCachedArray):
        array = array.array
    return isinstance(array, indexing.LazilyIndexedArray)


def _same_as(layer: Any, array: da.Array) -> str | None:
    """Return the name of the array whose blocks a layer passes on unchanged, or None."""
    if isinstance(layer, Blockwise):
        return None
    keys = (array.name, *(0,) * array.ndim), (array.name, *(n - 1 for n in array.numblocks))
    names = set()
    for key in keys:
        target = layer.get(key)
        target = getattr(target, "target", target)
        if not (isinstance(target, tuple) and target[1:] == key[1:] and isinstance(target[0], str)):
            return None
        names.add(target[0])
    return names.pop() if len(names) == 1 and len(layer) == reduce(operator.mul, array.numblocks, 1) else None


def _is_samplewise(layer: Blockwise) -> bool:
    """Return whether a layer only calls an elementwise function with its arguments in order."""
    if layer.new_axes or layer.concatenate or layer.io_deps:
        return False
    if layer.task.func is not np.transpose and not is_elementwise(layer.task.func):
        return False
    if any(isinstance(argument, TaskRef) for argument, _ in layer.indices):
        return False
    if any(axes is not None and not set(axes) <= set(layer.output_indices) for _, axes in layer.indices):
        return False
    expected = [blockwise_token(k) for k in range(len(layer.indices))]
    return [getattr(argument, "key", None) for argument in layer.task.args] == expected
