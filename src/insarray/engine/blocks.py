"""Apply block functions to datasets with dask: one task per spatial block, or at once for arrays in memory."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from itertools import pairwise
from operator import getitem
from typing import Any, NamedTuple

import dask
import dask.array as da
import dask.threaded
import numpy as np
import xarray as xr
from dask.base import get_scheduler
from dask.system import CPU_COUNT

from insarray.engine.graph.tasks import (
    Arrays,
    BlockFunction,
    BlockTask,
    Declared,
    Layer,
    PartFunction,
    PartTask,
    SumTask,
    added,
    block_tasks,
    graph_of,
    token_of,
)
from insarray.model.conventions import Variable, attributes, variable
from insarray.model.errors import StackError

__all__ = [
    "Arrays",
    "BlockCall",
    "BlockFunction",
    "block_call_of",
    "collect_blocks",
    "compute_in_own_threads",
    "in_one_thread",
    "map_blocks",
    "map_chunks",
    "sum_blocks",
]

_PIXELS_AT_ONCE = 16384  # of arrays in memory: results are copied while they are in the cache
_in_one_thread: ContextVar[bool] = ContextVar("insarray_in_one_thread", default=False)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Make `map_chunks` compute in the calling thread: inside a task no other threads are available."""
    token = _in_one_thread.set(True)
    try:
        yield
    finally:
        _in_one_thread.reset(token)


def map_blocks(
    function: BlockFunction,
    constants: object,
    inputs: Mapping[str, xr.DataArray],
    outputs: Sequence[str] | Mapping[str, Variable],
    sizes: Mapping[str, int],
    *,
    bytes_per_pixel: int = 0,
    whole: bool = False,
) -> dict[str, xr.Variable]:
    """Apply `function` to every spatial block of `inputs`; arrays in memory are computed now, in threads.

    Parameters
    ----------
    function
        Called once per block; must return every name in `outputs` with the declared dtype.
    constants
        Values that are the same for every block (network, options). They are stored once, under a graph key of their
        own, and are part of the name of the result, so they must be tokenizable by dask.
    inputs
        Arrays whose last dimensions are y and x and whose other dimension, if any, is a single chunk. If one of them is
        lazy, so is the result.
    outputs
        Names in the conventions table, or a mapping of new names to their `Variable`; the last dimensions are y and x.
    sizes
        Lengths of the leading dimensions of `outputs`.
    bytes_per_pixel
        Working memory per pixel of `function` besides its inputs and outputs, used by `plan_run`.
    whole
        Call the function once for arrays in memory, instead of for some rows at a time.

    Raises
    ------
    StackError
        If a pair or time dimension is chunked, or the blocks of the inputs differ.
    """
    about = dict(outputs) if isinstance(outputs, Mapping) else {name: variable(name) for name in outputs}
    declared = {
        name: Declared(tuple(sizes[dim] for dim in entry.dims[:-2]), entry.dtype) for name, entry in about.items()
    }
    run = BlockTask(function, tuple(inputs), declared, bytes_per_pixel)
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        values = [array.values for array in inputs.values()]
        results = run(constants, *values) if whole else _in_threads(run, constants, values)
        return {name: _variable(entry, results[name]) for name, entry in about.items()}
    arrays = _aligned(inputs)
    spatial = arrays[0].chunks[-2:]
    identity = {name: (entry.lead, np.dtype(entry.dtype).str) for name, entry in declared.items()}
    label, blocks = block_tasks(function, run, constants, inputs, arrays, identity)
    layers = {label: blocks}
    for name, entry in declared.items():
        layer = f"{name}-{label}"
        layers[layer] = {
            (layer, *(0,) * len(entry.lead), i, j): (getitem, (label, i, j), name)
            for i in range(len(spatial[0]))
            for j in range(len(spatial[1]))
        }
    graph = graph_of(layers, label, arrays)
    found = {}
    for name, entry in declared.items():
        chunks = (*((n,) for n in entry.lead), *spatial)
        meta = np.empty((0,) * len(chunks), entry.dtype)
        found[name] = _variable(about[name], da.Array(graph, f"{name}-{label}", chunks=chunks, meta=meta))
    return found


def _in_threads(run: BlockTask, constants: object, values: Sequence[np.ndarray]) -> Mapping[str, np.ndarray]:
    """Compute arrays in memory, some rows at a time: in threads, unless the caller is one of several threads itself."""
    height, width = values[0].shape[-2:]
    rows = max(1, _PIXELS_AT_ONCE // max(width, 1))
    threads = dask.config.get("num_workers", None) or CPU_COUNT
    serial = dask.config.get("scheduler", None) in ("synchronous", "sync", "single-threaded")
    if height <= rows or threads == 1 or serial or threading.current_thread() is not threading.main_thread():
        return run(constants, *values)
    outputs = {
        name: np.empty((*entry.lead, height, width), np.dtype(entry.dtype)) for name, entry in run.outputs.items()
    }

    def compute(first: int) -> None:
        part = np.s_[..., first : first + rows, :]
        results = run(constants, *(array[part] for array in values))
        for name, output in outputs.items():
            output[part] = results[name]

    with ThreadPoolExecutor(threads, thread_name_prefix="insarray") as pool:
        try:
            for future in [pool.submit(copy_context().run, compute, first) for first in range(0, height, rows)]:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return outputs


class BlockCall(NamedTuple):
    """Describe the call of `map_blocks` that makes a variable.

    Parameters
    ----------
    label
        Name of the graph layer whose task (label, i, j) returns all outputs of block (i, j) by name.
    constants
        Values that are the same for every block, and their key in the graph.
    inputs
        Names of the input dask arrays, by the names that the block function uses.
    outputs
        Names of the outputs.
    """

    label: str
    constants: Any
    constants_key: str
    inputs: dict[str, str]
    outputs: tuple[str, ...]


def block_call_of(variable: xr.Variable, name: str) -> BlockCall | None:
    """Return the `map_blocks` call that makes `variable` as output `name`, or None if the variable is anything else."""
    data = variable.data
    if not isinstance(data, da.Array) or not data.name.startswith(f"{name}-"):
        return None
    label = data.name.removeprefix(f"{name}-")
    layer = data.dask.layers.get(label, {})
    if (label, 0, 0) not in layer:
        return None
    run, constants_key, *keys = layer[label, 0, 0]
    if not isinstance(run, BlockTask):
        return None
    names = {of: key[0] for of, key in zip(run.inputs, keys, strict=True)}
    return BlockCall(label, layer[constants_key], constants_key, names, tuple(run.outputs))


def map_chunks(
    function: PartFunction,
    constants: object,
    shared: Mapping[str, xr.DataArray],
    outputs: Sequence[str],
    dim: str,
    length: int,
    size: int,
) -> dict[str, xr.Variable]:
    """Apply `function` to consecutive parts of a long dimension such as links: in threads, or lazily for lazy inputs.

    Parameters
    ----------
    function
        ``function(constants, shared, part) -> results``: pure; returns arrays (part,) for every name in `outputs`, with
        the dtype of the conventions table.
    constants
        As in `map_blocks`.
    shared
        Arrays that every part needs completely; they are held in memory once. If one is lazy, so is the result.
    outputs
        Names in the conventions table.
    dim, length, size
        Name and length of the dimension, and length of one part.
    """
    lazy = any(dask.is_dask_collection(array.data) for array in shared.values())
    arrays = [
        array.data.rechunk(-1) if dask.is_dask_collection(array.data) else da.from_array(array.values, chunks=-1)
        for array in shared.values()
    ]
    run = PartTask(function, tuple(shared), {name: variable(name).dtype for name in outputs})
    edges = [*range(0, length, size), length]
    parts = [slice(*ends) for ends in pairwise(edges)] or [slice(0, 0)]
    label = f"{function.__name__.strip('_')}-{token_of(function, constants, shared, arrays, (length, size))}"
    constant_key = f"constants-{label}"
    tasks: Layer = {constant_key: constants}
    for i, part in enumerate(parts):
        tasks[label, i] = (run, constant_key, part, *((a.name, *(0,) * a.ndim) for a in arrays))
    layers = {label: tasks}
    layers |= {
        f"{name}-{label}": {(f"{name}-{label}", i): (getitem, (label, i), name) for i in range(len(parts))}
        for name in outputs
    }
    graph = graph_of(layers, label, arrays)
    chunks = (tuple(part.stop - part.start for part in parts),)
    found = {name: da.Array(graph, f"{name}-{label}", chunks, dtype=dtype) for name, dtype in run.outputs.items()}
    scheduler = "synchronous" if _in_one_thread.get() else None
    values = found if lazy else dict(zip(found, dask.compute(*found.values(), scheduler=scheduler), strict=True))
    return {name: xr.Variable((dim,), values[name], attributes(name)) for name in outputs}


def collect_blocks(
    function: Callable[[Any, Arrays], Any], constants: object, inputs: Mapping[str, xr.DataArray]
) -> list[Any]:
    """Compute `function` for every spatial block now and return the list of results; for small results such as counts.

    The arguments are those of `map_blocks`.
    """
    names = tuple(inputs)
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        return [function(constants, {name: array.values for name, array in inputs.items()})]
    parts = [array.to_delayed().ravel() for array in _aligned(inputs)]
    shared, one = dask.delayed(constants), dask.delayed(partial(_call, function, names))
    return list(dask.compute(*(one(shared, *block) for block in zip(*parts, strict=True))))


def _call(
    function: Callable[[Any, Arrays], Any], names: tuple[str, ...], constants: object, *arrays: np.ndarray
) -> Any:
    return function(constants, dict(zip(names, arrays, strict=True)))


def sum_blocks(
    function: BlockFunction,
    constants: object,
    inputs: Mapping[str, xr.DataArray],
    zero: Mapping[str, xr.Variable],
    *,
    bytes_per_pixel: int = 0,
) -> dict[str, xr.Variable]:
    """Sum the results of `function` over all spatial blocks of `inputs`, lazily if one of them is lazy.

    The blocks are added in order, one row of blocks after the other, so only the sums of a block are kept in memory.

    Parameters
    ----------
    function
        Called once per block; returns every name in `zero`, with the same shape and dtype.
    constants, inputs, bytes_per_pixel
        As in `map_blocks`.
    zero
        Initial value of each sum, which defines its dimensions, shape and dtype.

    Raises
    ------
    StackError
        As in `map_blocks`.
    """
    run = SumTask(function, tuple(inputs), {name: start.values for name, start in zero.items()}, bytes_per_pixel)
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        sums = run(constants, *(array.values for array in inputs.values()))
        return {name: xr.Variable(start.dims, sums[name]) for name, start in zero.items()}
    arrays = _aligned(inputs)
    rows, cols = (len(chunks) for chunks in arrays[0].chunks[-2:])
    sizes = {name: start.shape for name, start in zero.items()}
    label, blocks = block_tasks(function, run, constants, inputs, arrays, sizes)
    for i in range(rows):
        blocks[f"row-{label}", i] = (added, [(label, i, j) for j in range(cols)])
    blocks[f"all-{label}"] = (added, [(f"row-{label}", i) for i in range(rows)])
    layers = {label: blocks}
    layers |= {
        f"{name}-{label}": {(f"{name}-{label}", *(0,) * start.ndim): (getitem, f"all-{label}", name)}
        for name, start in zero.items()
    }
    graph = graph_of(layers, label, arrays)
    return {
        name: xr.Variable(
            start.dims, da.Array(graph, f"{name}-{label}", tuple((n,) for n in start.shape), dtype=start.dtype)
        )
        for name, start in zero.items()
    }


def _variable(about: Variable, data: Any) -> xr.Variable:
    return xr.Variable(about.dims, data, {"units": about.units, "long_name": about.long_name, **about.attrs})


def _aligned(inputs: Mapping[str, xr.DataArray]) -> list[da.Array]:
    """Return the inputs as dask arrays with the same spatial blocks; numpy inputs are chunked like the lazy ones."""
    lazy = {name: array.data for name, array in inputs.items() if dask.is_dask_collection(array.data)}
    first = next(iter(lazy))
    spatial = lazy[first].chunks[-2:]
    arrays = []
    for name, array in inputs.items():
        if name not in lazy:
            arrays.append(da.from_array(array.values, chunks=(*array.shape[:-2], *spatial)))
            continue
        data = lazy[name]
        if any(len(chunks) > 1 for chunks in data.chunks[:-2]):
            dim = array.dims[0]
            raise StackError(f"{name}: is chunked along {dim!r}; every block needs all of it: use .chunk({dim}=-1)")
        if data.chunks[-2:] != spatial:
            raise StackError(f"{name}: its blocks {data.chunks[-2:]} differ from those of {first}; chunk both alike")
        arrays.append(data)
    return arrays


def compute_in_own_threads(writes: Any) -> None:
    """Compute a delayed object in a thread pool of its own that has ended on return, unless another scheduler is set.

    If a task fails, dask does not wait for the others. In its shared pool they would go on writing to a file that is
    about to be removed.
    """
    if get_scheduler() not in (None, dask.threaded.get):
        writes.compute()
        return
    number = dask.config.get("num_workers", None) or CPU_COUNT
    with ThreadPoolExecutor(number, thread_name_prefix="insarray") as pool:
        writes.compute(scheduler="threads", pool=pool)
