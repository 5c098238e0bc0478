"""Callables of the graph: a block function held to its word, and what it needs in memory while it runs."""

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
"""``function(constants, arrays) -> results``: pure, arrays (..., y, x) of one block in, results of the block out."""

PartFunction = Callable[[Any, Arrays, slice], Mapping[str, np.ndarray]]
"""``function(constants, shared, part) -> results``: pure, results of a part of one long dimension out."""

Layer = dict[Any, Any]


@dataclass(frozen=True)
class Declared:
    """What a block function has promised of one output: lengths before y and x, and data type."""

    lead: tuple[int, ...]
    dtype: str

    @property
    def bytes_per_pixel(self) -> int:
        """Size of a pixel of it."""
        return math.prod(self.lead) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class BlockTask:
    """One block of a block function.

    Parameters
    ----------
    function
        What is called.
    inputs
        Names of the arrays that come in, in their order.
    outputs
        What it must return, by name.
    bytes_per_pixel
        Working memory of the function besides its inputs and outputs; no part of the identity of the result.
    """

    function: BlockFunction
    inputs: tuple[str, ...]
    outputs: Mapping[str, Declared]
    bytes_per_pixel: int = 0

    def __call__(self, constants: object, *arrays: np.ndarray) -> Mapping[str, np.ndarray]:
        """Results of one block; ArgumentError if names, shapes or dtypes are not those declared."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)))
        pixels = arrays[0].shape[-2:]
        for name, declared in self.outputs.items():
            dtype, shape = np.dtype(declared.dtype), (*declared.lead, *pixels)
            found = results.get(name) if isinstance(results, Mapping) else None
            if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (dtype, shape):
                got = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
                raise ArgumentError(
                    f"{self.function.__name__}: returned {got} for {name!r}, declared as {dtype} {shape}; mend the function"
                )
        return results


@dataclass(frozen=True, eq=False)
class PartTask:
    """One part of a function along a long dimension; parameters as those of `BlockTask`, outputs by dtype."""

    function: PartFunction
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]

    def __call__(self, constants: object, part: slice, *arrays: np.ndarray) -> Mapping[str, np.ndarray]:
        """Results of one part; TypeError if names, shapes or dtypes are not those declared."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)), part)
        for name, dtype in self.outputs.items():
            found, expected = results[name], (np.dtype(dtype), (part.stop - part.start,))
            if (found.dtype, found.shape) != expected:
                raise TypeError(f"{name}: part of {found.dtype} {found.shape}, declared {expected[0]} {expected[1]}")
        return results


@dataclass(frozen=True, eq=False)
class SumTask:
    """Sums of one block; `zero` says where each starts, what it looks like and what it is called."""

    function: BlockFunction
    inputs: tuple[str, ...]
    zero: Mapping[str, np.ndarray]
    bytes_per_pixel: int = 0

    def __call__(self, constants: object, *arrays: np.ndarray) -> Arrays:
        """Sums of one block; TypeError if they are not of the shape and dtype of their `zero`."""
        results = self.function(constants, dict(zip(self.inputs, arrays, strict=True)))
        for name, start in self.zero.items():
            if results[name].shape != start.shape or results[name].dtype != start.dtype:
                raise TypeError(f"{name}: sum of {results[name].dtype} {results[name].shape}, declared {start.dtype}")
        return {name: start + results[name] for name, start in self.zero.items()}


def added(parts: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    """Sum of sums, in their order."""
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
    """Name of the layer in which `run` does every block, and the layer; the constants have a key of their own."""
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
    """Hash of all that goes into the results."""
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
    """`layers`, of which the one named `label` needs the arrays and the others need it, on top of the arrays' own."""
    dependencies = {name: {label} for name in layers} | {label: {a.name for a in arrays}}
    return HighLevelGraph(
        {**layers, **_merged([a.dask.layers for a in arrays])},
        {**dependencies, **_merged([a.dask.dependencies for a in arrays])},
    )


def _merged(mappings: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}
