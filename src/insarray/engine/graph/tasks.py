"""Callables of the graph: block functions with checked outputs and declared working memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarray.engine.program import program_identity
from insarray.model.errors import ArgumentError

Arrays = dict[str, np.ndarray]
BlockFunction = Callable[[Any, Arrays], Mapping[str, np.ndarray]]
"""``function(constants, arrays) -> results``: pure; arrays (..., y, x) of one block in, results of the block out."""

PartFunction = Callable[[Any, Arrays, slice], Mapping[str, np.ndarray]]
"""``function(constants, shared, part) -> results``: pure; returns the results of a part of one long dimension."""

Layer = dict[Any, Any]


@dataclass(frozen=True)
class Declared:
    """Declared form of one output: lengths of the dimensions before y and x, and data type."""

    lead: tuple[int, ...]
    dtype: str

    @property
    def bytes_per_pixel(self) -> int:
        """Size of one pixel in bytes."""
        return math.prod(self.lead) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class BlockTask:
    """Task that calls a block function for one block.

    Parameters
    ----------
    function
        The block function.
    inputs
        Names of the input arrays, in order.
    outputs
        Declared outputs, by name.
    bytes_per_pixel
        Working memory of the function besides its inputs and outputs; not part of the identity of the result.
    """

    function: BlockFunction
    inputs: tuple[str, ...]
    outputs: Mapping[str, Declared]
    bytes_per_pixel: int = 0

    def __call__(self, constants: object, *arrays: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the results of one block; raise ArgumentError if names, shapes or dtypes are not as declared."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)))
        pixels = arrays[0].shape[-2:]
        for name, declared in self.outputs.items():
            dtype, shape = np.dtype(declared.dtype), (*declared.lead, *pixels)
            found = results.get(name) if isinstance(results, Mapping) else None
            if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (dtype, shape):
                got = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
                raise ArgumentError(
                    f"{self.function.__name__}: returned {got} for {name!r}, declared as {dtype} {shape}; correct the function"
                )
        return results


@dataclass(frozen=True, eq=False)
class PartTask:
    """Task that calls a function for one part of a long dimension; as `BlockTask`, with dtypes as `outputs`."""

    function: PartFunction
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]

    def __call__(self, constants: object, part: slice, *arrays: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the results of one part; raise TypeError if names, shapes or dtypes are not as declared."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)), part)
        for name, dtype in self.outputs.items():
            found, expected = results[name], (np.dtype(dtype), (part.stop - part.start,))
            if (found.dtype, found.shape) != expected:
                raise TypeError(f"{name}: part of {found.dtype} {found.shape}, declared {expected[0]} {expected[1]}")
        return results


@dataclass(frozen=True, eq=False)
class SumTask:
    """Task that computes the sums of one block; `zero` gives the initial value, shape and dtype of each by name."""

    function: BlockFunction
    inputs: tuple[str, ...]
    zero: Mapping[str, np.ndarray]
    bytes_per_pixel: int = 0

    def __call__(self, constants: object, *arrays: np.ndarray) -> Arrays:
        """Return the sums of one block; raise TypeError if their shapes or dtypes are not those of `zero`."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)))
        for name, start in self.zero.items():
            if results[name].shape != start.shape or results[name].dtype != start.dtype:
                raise TypeError(f"{name}: sum of {results[name].dtype} {results[name].shape}, declared {start.dtype}")
        return {name: start + results[name] for name, start in self.zero.items()}


def added(parts: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    """Add sums by name, in order."""
    total = dict(parts[0])
    for part in parts[1:]:
        total = {name: value + part[name] for name, value in total.items()}
    return total


def block_tasks(
    function: Callable[..., Any],
    run: Callable[..., Any],
    constants: object,
    inputs: Mapping[str, Any],
    arrays: list[da.Array],
    sizes: object,
) -> tuple[str, Layer]:
    """Return name and tasks of the layer that calls `run` for every block; the constants have a key of their own."""
    token = token_of(function, constants, inputs, arrays, sizes)
    label, constant_key = f"{function.__name__.strip('_')}-{token}", f"constants-{token}"
    tasks: Layer = {constant_key: constants}
    rows, cols = (len(chunks) for chunks in arrays[0].chunks[-2:])
    for i in range(rows):
        for j in range(cols):
            tasks[label, i, j] = (run, constant_key, *((a.name, *(0,) * (a.ndim - 2), i, j) for a in arrays))
    return label, tasks


def token_of(
    function: Callable[..., Any], constants: object, inputs: Mapping[str, Any], arrays: list[da.Array], sizes: object
) -> str:
    """Return the hash of everything that determines the results."""
    return tokenize(
        f"{function.__module__}.{function.__qualname__}",
        program_identity(),
        constants,
        tuple(inputs),
        [a.name for a in arrays],
        sizes,
        ensure_deterministic=True,
    )


def graph_of(layers: dict[str, Layer], label: str, arrays: list[da.Array]) -> HighLevelGraph:
    """Return a graph of `layers`: the one named `label` depends on the arrays, the others depend on it."""
    dependencies = {name: {label} for name in layers} | {label: {a.name for a in arrays}}
    return HighLevelGraph(
        {**layers, **_merged([a.dask.layers for a in arrays])},
        {**dependencies, **_merged([a.dask.dependencies for a in arrays])},
    )


def _merged(mappings: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}
