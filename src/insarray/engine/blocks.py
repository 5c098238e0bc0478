"""The only place where a kernel meets dask: one task per spatial block, eager for arrays in memory."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import getitem
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarray import __version__
from insarray.model.conventions import VARIABLES, attributes
from insarray.model.errors import StackError

Arrays = dict[str, np.ndarray]
BlockFunction = Callable[[Any, Arrays], Mapping[str, np.ndarray]]
"""``function(constants, arrays) -> results``: pure, arrays (..., y, x) of one block in, results of the block out."""


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
    leads = {name: tuple(sizes[dim] for dim in VARIABLES[name].dims[:-2]) for name in outputs}
    run = partial(_run_block, function, tuple(inputs), leads)
    if not any(dask.is_dask_collection(array.data) for array in inputs.values()):
        results = run(constants, *(array.values for array in inputs.values()))
        return {name: _variable(name, results[name]) for name in outputs}
    arrays = _aligned(inputs)
    spatial = arrays[0].chunks[-2:]
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        token = tokenize(
            f"{function.__module__}.{function.__qualname__}",
            __version__,
            constants,
            tuple(inputs),
            [a.name for a in arrays],
            leads,
        )
    label = f"{function.__name__.strip('_')}-{token}"
    constant_key = f"constants-{token}"
    blocks: dict[Any, Any] = {constant_key: constants}
    layers = {label: blocks}
    layers |= {f"{name}-{label}": {} for name in outputs}
    for i in range(len(spatial[0])):
        for j in range(len(spatial[1])):
            keys = [(a.name, *(0,) * (a.ndim - 2), i, j) for a in arrays]
            blocks[label, i, j] = (run, constant_key, *keys)
            for name in outputs:
                layer = f"{name}-{label}"
                layers[layer][layer, *(0,) * len(leads[name]), i, j] = (getitem, (label, i, j), name)
    dependencies = {label: {a.name for a in arrays}} | {f"{name}-{label}": {label} for name in outputs}
    graph = HighLevelGraph(
        {**layers, **_merged([a.dask.layers for a in arrays])},
        {**dependencies, **_merged([a.dask.dependencies for a in arrays])},
    )
    return {
        name: _variable(
            name,
            da.Array(
                graph,
                f"{name}-{label}",
                chunks=(*((n,) for n in leads[name]), *spatial),
                meta=np.empty((0,) * (len(leads[name]) + 2), VARIABLES[name].dtype),
            ),
        )
        for name in outputs
    }


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


def _merged(mappings: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}


def _variable(name: str, data: Any) -> xr.Variable:
    return xr.Variable(VARIABLES[name].dims, data, attributes(name))


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
        found, expected = results[name], np.dtype(VARIABLES[name].dtype)
        if found.shape != (*lead, *pixels) or found.dtype != expected:
            raise TypeError(f"{name}: block of {found.dtype} {found.shape}, declared {expected} {(*lead, *pixels)}")
    return results
