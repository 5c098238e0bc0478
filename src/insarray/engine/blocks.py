"""The only place where a kernel meets dask: one task per spatial block, eager for arrays in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from operator import getitem
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.system import CPU_COUNT

from insarray.engine.program import program_identity
from insarray.model.conventions import attributes, variable
from insarray.model.errors import StackError

Arrays = dict[str, np.ndarray]
BlockFunction = Callable[[Any, Arrays], Mapping[str, np.ndarray]]
"""``function(constants, arrays) -> results``: pure, arrays (..., y, x) of one block in, results of the block out."""

Layer = dict[Any, Any]


def map_blocks(
    function: BlockFunction,
    constants: object,
    inputs: Mapping[str, xr.DataArray],
    outputs: Sequence[str],
    sizes: Mapping[str, int],
) -> dict[str, xr.Variable]:
    """Apply `function` to every spatial block of `inputs`.

    Parameters
    ----------
    function
        Called once per block; it must return every name of `outputs` with the dtype of the conventions table.
    constants
        What is the same for every block (network, options); it travels once, under its own graph key, and takes part
        in the name of the result, so it must be tokenizable by dask.
    inputs
        Arrays whose last dimensions are y and x and whose other dimension, if any, is a single chunk. If one of them
        is lazy, so is the result.
    outputs
        Names of the conventions table.
    sizes
        Lengths of the leading dimensions of `outputs`.

    Raises
    ------
    StackError
        If a pair or time dimension is chunked, or the inputs' blocks differ.
    """
    leads = {name: tuple(sizes[dim] for dim in variable(name).dims[:-2]) for name in outputs}
    run = partial(_run_block, function, tuple(inputs), leads)
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        results = run(constants, *(array.values for array in inputs.values()))
        return {name: _variable(name, results[name]) for name in outputs}
    arrays = _aligned(inputs)
    spatial = arrays[0].chunks[-2:]
    label, blocks = _tasks(function, run, constants, inputs, arrays, leads)
    layers = {label: blocks}
    for name in outputs:
        layer = f"{name}-{label}"
        layers[layer] = {
            (layer, *(0,) * len(leads[name]), i, j): (getitem, (label, i, j), name)
            for i in range(len(spatial[0]))
            for j in range(len(spatial[1]))
        }
    graph = _graph(layers, label, arrays)
    return {
        name: _variable(
            name,
            da.Array(
                graph,
                f"{name}-{label}",
                chunks=(*((n,) for n in leads[name]), *spatial),
                meta=np.empty((0,) * (len(leads[name]) + 2), variable(name).dtype),
            ),
        )
        for name in outputs
    }


class Made(NamedTuple):
    """How `map_blocks` makes a variable.

    Parameters
    ----------
    label
        Name of the layer of the graph whose task (label, i, j) gives all outputs of block (i, j) by name.
    constants
        What is the same for every block, and its key in the graph.
    inputs
        Names of the dask arrays that go in, by what the block function calls them.
    outputs
        Names of what comes out.
    """

    label: str
    constants: Any
    constants_key: str
    inputs: dict[str, str]
    outputs: tuple[str, ...]


def made_by(variable: xr.Variable, name: str) -> Made | None:
    """How `map_blocks` makes `variable` as its output `name`; None if it has not, or something was done to it since."""
    data = variable.data
    if not isinstance(data, da.Array) or not data.name.startswith(f"{name}-"):
        return None
    label = data.name.removeprefix(f"{name}-")
    layer = data.dask.layers.get(label, {})
    if (label, 0, 0) not in layer:
        return None
    run, constants_key, *keys = layer[label, 0, 0]
    if getattr(run, "func", None) is not _run_block:
        return None
    _, inputs, leads = run.args
    names = {of: key[0] for of, key in zip(inputs, keys, strict=True)}
    return Made(label, layer[constants_key], constants_key, names, tuple(leads))


def map_chunks(
    function: Callable[[Any, Arrays, slice], Mapping[str, np.ndarray]],
    constants: object,
    shared: Mapping[str, xr.DataArray],
    outputs: Sequence[str],
    dim: str,
    length: int,
    size: int,
) -> dict[str, xr.Variable]:
    """Apply `function` to consecutive parts of one long dimension, such as links; in threads, or lazily if asked lazily.

    Parameters
    ----------
    function
        ``function(constants, shared, part) -> results``: pure; arrays (part,) of every name of `outputs`, with the dtype
        of the conventions table.
    constants
        As in `map_blocks`.
    shared
        Arrays that every part needs all of, and are therefore held in memory once. If one is lazy, so is the result.
    outputs
        Names of the conventions table.
    dim, length, size
        Name and length of the dimension, and length of a part of it.
    """
    lazy = any(dask.is_dask_collection(array.data) for array in shared.values())
    arrays = [
        array.data.rechunk(-1) if dask.is_dask_collection(array.data) else da.from_array(array.values, chunks=-1)
        for array in shared.values()
    ]
    run = partial(_run_part, function, tuple(shared), tuple(outputs))
    edges = [*range(0, length, size), length]
    parts = [slice(*ends) for ends in pairwise(edges)] or [slice(0, 0)]
    label = f"{function.__name__.strip('_')}-{_token(function, constants, shared, arrays, (length, size))}"
    constant_key = f"constants-{label}"
    tasks: Layer = {constant_key: constants}
    for i, part in enumerate(parts):
        tasks[label, i] = (run, constant_key, part, *((a.name, *(0,) * a.ndim) for a in arrays))
    layers = {label: tasks}
    layers |= {
        f"{name}-{label}": {(f"{name}-{label}", i): (getitem, (label, i), name) for i in range(len(parts))}
        for name in outputs
    }
    graph = _graph(layers, label, arrays)
    chunks = (tuple(part.stop - part.start for part in parts),)
    found = {name: da.Array(graph, f"{name}-{label}", chunks, dtype=variable(name).dtype) for name in outputs}
    values = found if lazy else dict(zip(found, dask.compute(*found.values()), strict=True))
    return {name: xr.Variable((dim,), values[name], attributes(name)) for name in outputs}


def collect_blocks(
    function: Callable[[Any, Arrays], Any], constants: object, inputs: Mapping[str, xr.DataArray]
) -> list[Any]:
    """Results of `function` for every spatial block, computed now; for what is small, such as counts to be summed.

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
) -> dict[str, xr.Variable]:
    """Sum of what `function` finds in every spatial block of `inputs`, lazily if one of them is lazy.

    Blocks are added row of blocks by row of blocks, in order: nothing but the small sums outlives its block.

    Parameters
    ----------
    function
        Called once per block; returns every name of `zero`, with its shape and dtype.
    constants, inputs
        As those of `map_blocks`.
    zero
        What each sum starts from; it says dimensions, shape and dtype.

    Raises
    ------
    StackError
        As `map_blocks`.
    """
    run = partial(_run_sum, function, tuple(inputs), {name: start.values for name, start in zero.items()})
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        sums = run(constants, *(array.values for array in inputs.values()))
        return {name: xr.Variable(start.dims, sums[name]) for name, start in zero.items()}
    arrays = _aligned(inputs)
    rows, cols = (len(chunks) for chunks in arrays[0].chunks[-2:])
    sizes = {name: start.shape for name, start in zero.items()}
    label, blocks = _tasks(function, run, constants, inputs, arrays, sizes)
    for i in range(rows):
        blocks[f"row-{label}", i] = (_added, [(label, i, j) for j in range(cols)])
    blocks[f"all-{label}"] = (_added, [(f"row-{label}", i) for i in range(rows)])
    layers = {label: blocks}
    layers |= {
        f"{name}-{label}": {(f"{name}-{label}", *(0,) * start.ndim): (getitem, f"all-{label}", name)}
        for name, start in zero.items()
    }
    graph = _graph(layers, label, arrays)
    return {
        name: xr.Variable(
            start.dims, da.Array(graph, f"{name}-{label}", tuple((n,) for n in start.shape), dtype=start.dtype)
        )
        for name, start in zero.items()
    }


def _tasks(
    function: BlockFunction,
    run: Callable[..., Any],
    constants: object,
    inputs: Mapping[str, xr.DataArray],
    arrays: list[da.Array],
    sizes: object,
) -> tuple[str, Layer]:
    """Name of the layer in which `run` does every block, and the layer; the constants have a key of their own."""
    token = _token(function, constants, inputs, arrays, sizes)
    label, constant_key = f"{function.__name__.strip('_')}-{token}", f"constants-{token}"
    tasks: Layer = {constant_key: constants}
    rows, cols = (len(chunks) for chunks in arrays[0].chunks[-2:])
    for i in range(rows):
        for j in range(cols):
            tasks[label, i, j] = (run, constant_key, *((a.name, *(0,) * (a.ndim - 2), i, j) for a in arrays))
    return label, tasks


def _token(
    function: Callable[..., Any], constants: object, inputs: Mapping[str, Any], arrays: list[da.Array], sizes: object
) -> str:
    """Hash of all that goes into the results."""
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        return tokenize(
            f"{function.__module__}.{function.__qualname__}",
            program_identity(),
            constants,
            tuple(inputs),
            [a.name for a in arrays],
            sizes,
        )


def _graph(layers: dict[str, Layer], label: str, arrays: list[da.Array]) -> HighLevelGraph:
    """`layers`, of which the one named `label` needs the arrays and the others need it, on top of the arrays' own."""
    dependencies = {name: {label} for name in layers} | {label: {a.name for a in arrays}}
    return HighLevelGraph(
        {**layers, **_merged([a.dask.layers for a in arrays])},
        {**dependencies, **_merged([a.dask.dependencies for a in arrays])},
    )


def _merged(mappings: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}


def _variable(name: str, data: Any) -> xr.Variable:
    return xr.Variable(variable(name).dims, data, attributes(name))


def _aligned(inputs: Mapping[str, xr.DataArray]) -> list[da.Array]:
    """Inputs as dask arrays of the same spatial blocks; numpy inputs are cut to the blocks of the lazy ones."""
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


def _run_block(
    function: BlockFunction,
    names: tuple[str, ...],
    leads: Mapping[str, tuple[int, ...]],
    constants: object,
    *arrays: np.ndarray,
) -> Mapping[str, np.ndarray]:
    """Call `function` on one block and hold it to its word: names, shapes and dtypes."""
    results = function(constants, dict(zip(names, arrays, strict=True)))
    pixels = arrays[0].shape[-2:]
    for name, lead in leads.items():
        found, expected = results[name], np.dtype(variable(name).dtype)
        if found.shape != (*lead, *pixels) or found.dtype != expected:
            raise TypeError(f"{name}: block of {found.dtype} {found.shape}, declared {expected} {(*lead, *pixels)}")
    return results


def _run_part(
    function: Callable[[Any, Arrays, slice], Mapping[str, np.ndarray]],
    names: tuple[str, ...],
    outputs: tuple[str, ...],
    constants: object,
    part: slice,
    *arrays: np.ndarray,
) -> Mapping[str, np.ndarray]:
    """Call `function` on one part and hold it to its word: names, shapes and dtypes."""
    results = function(constants, dict(zip(names, arrays, strict=True)), part)
    for name in outputs:
        found, expected = results[name], (np.dtype(variable(name).dtype), (part.stop - part.start,))
        if (found.dtype, found.shape) != expected:
            raise TypeError(f"{name}: part of {found.dtype} {found.shape}, declared {expected[0]} {expected[1]}")
    return results


def _run_sum(
    function: BlockFunction,
    names: tuple[str, ...],
    zero: Mapping[str, np.ndarray],
    constants: object,
    *arrays: np.ndarray,
) -> dict[str, np.ndarray]:
    """Sums of one block, held to their shapes and dtypes."""
    results = function(constants, dict(zip(names, arrays, strict=True)))
    for name, start in zero.items():
        if results[name].shape != start.shape or results[name].dtype != start.dtype:
            raise TypeError(f"{name}: sum of {results[name].dtype} {results[name].shape}, declared {start.dtype}")
    return {name: start + results[name] for name, start in zero.items()}


def _added(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    total = dict(parts[0])
    for part in parts[1:]:
        total = {name: value + part[name] for name, value in total.items()}
    return total


@contextmanager
def own_threads() -> Iterator[None]:
    """Threads for what dask computes in this process, none of which runs any more when the context ends.

    When a task fails dask does not wait for the others: in its common threads they would go on to write into a file
    that is about to be removed.
    """
    number = dask.config.get("num_workers", None) or CPU_COUNT
    with ThreadPoolExecutor(number, thread_name_prefix="insarray") as pool, dask.config.set(pool=pool):
        yield
