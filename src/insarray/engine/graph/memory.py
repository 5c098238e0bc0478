"""Estimate the peak memory of one block: walk its tasks in the order of dask, with the sizes of their results."""

import math
import operator
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask._task_spec import Alias, DataNode, GraphNode, Task, convert_legacy_graph
from dask.array.chunk import getitem as array_getitem
from dask.array.core import getter, getter_nofancy
from dask.blockwise import Blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.order import order

from insarray.engine.graph.elementwise import is_elementwise
from insarray.engine.graph.tasks import BlockTask, SumTask

Held = Mapping[Hashable, int]
"""Memory that a result keeps alive: bytes by allocation. A view keeps the array it is based on."""

_READS = (getter, getter_nofancy)
_COPIES = ("concatenate_shaped", "concatenate3", "_getitem")  # functions of dask that allocate only their result
_PICKLED = 3  # copies of data in the graph of a block: unpickled, and pickled in two jobs per worker


@dataclass(frozen=True)
class Peak:
    """Peak memory of one block.

    Parameters
    ----------
    computing
        Largest sum of the live results and the working memory of the running task, in bytes.
    results
        Sizes of the requested results in bytes, in their order.
    """

    computing: int
    results: tuple[int, ...]


def block_peak(
    graph: HighLevelGraph, tasks: Mapping[Any, Any], keys: list[Any], pixels: tuple[int, int], shared: Iterable[Any]
) -> Peak:
    """Return the memory that ``dask.get(tasks, keys)`` takes.

    Parameters
    ----------
    graph
        Graph of the tasks; its layers know the sizes of the arrays.
    tasks
        The tasks that `keys` need, and no others.
    keys
        Keys of the results of one block.
    pixels
        Rows and columns of the block, for arrays whose size no layer tells.
    shared
        Keys that all blocks share; their data is in memory once.
    """
    nodes: dict[Any, GraphNode] = convert_legacy_graph(dict(tasks))
    own = [node for key, node in nodes.items() if isinstance(node, DataNode) and key not in set(shared)]
    data = sum(node.value.nbytes for node in own if isinstance(node.value, np.ndarray))
    computing, results = _walk(nodes, keys, _Sizes(graph, nodes, pixels))
    return Peak(computing + _PICKLED * data, tuple(sum(held.values()) for held in results))


def _walk(nodes: Mapping[Any, GraphNode], keys: list[Any], sizes: "_Sizes") -> tuple[int, list[Held]]:
    """Return the peak memory of the tasks in the order of dask's single-threaded scheduler, and the results' memory.

    A result is dropped after its last consumer. Dask's own scheduler with a callback would do the same, but a callback
    is also called for computations of other threads.
    """
    priority = order(dict(nodes))
    consumers: dict[Any, set[Any]] = {key: set() for key in nodes}
    for key, node in nodes.items():
        for dep in node.dependencies:
            consumers[dep].add(key)
    left = {key: len(of) for key, of in consumers.items()}
    held: dict[Any, Held] = {key: {} for key, node in nodes.items() if isinstance(node, DataNode)}
    missing = {key: node.dependencies - held.keys() for key, node in nodes.items() if key not in held}
    ready = sorted((key for key, of in missing.items() if not of), key=priority.__getitem__, reverse=True)
    peak = 0
    while ready:
        key = ready.pop()
        inputs = {dep: held[dep] for dep in nodes[key].dependencies}
        held[key], working = sizes.run(key, inputs)
        live: dict[Hashable, int] = {}
        for of in held.values():
            live |= of
        peak = max(peak, sum(live.values()) + working)
        for consumer in sorted(consumers[key], key=priority.__getitem__, reverse=True):
            missing[consumer] = missing[consumer] - {key}
            if not missing[consumer]:
                ready.append(consumer)
        for dep in inputs:
            left[dep] -= 1
            if not left[dep] and dep not in keys:
                del held[dep]
    return peak, [held[key] for key in keys]


class _Sizes:
    """Sizes of task results."""

    def __init__(self, graph: HighLevelGraph, nodes: Mapping[Any, GraphNode], pixels: tuple[int, int]) -> None:
        self._nodes, self._pixels = nodes, pixels
        self._shapes = {key: shape_of(graph, key) for key in nodes}
        self._wanted: dict[Any, int] = {}  # the largest result of the consumers of each key
        for key, node in nodes.items():
            for dep in node.dependencies:
                self._wanted[dep] = max(self._wanted.get(dep, 0), self._known(key) or 0)

    def _known(self, key: Any) -> int | None:
        """Return the bytes of the result of a task, or None if its layer does not tell."""
        known = self._shapes[key]
        return None if known is None else int(np.prod(known[0], dtype=np.int64)) * known[1].itemsize

    def run(self, key: Any, inputs: Mapping[Any, Held]) -> tuple[Held, int]:
        """Return the memory that the result of a task keeps, and the working memory of the task besides it."""
        node = self._nodes[key]
        entering = sum({k: v for held in inputs.values() for k, v in held.items()}.values())
        if isinstance(node, Alias):
            return inputs[node.target], 0
        function = node.func if isinstance(node, Task) else None
        if isinstance(function, BlockTask | SumTask):
            rows, cols = self._block_of(inputs)
            made: dict[Hashable, int] = {}
            if isinstance(function, BlockTask):
                made = {(key, name): rows * cols * of.bytes_per_pixel for name, of in function.outputs.items()}
            return made, rows * cols * function.bytes_per_pixel
        view = self._view(node, inputs, self._known(key))
        if view is not None:
            return view, 0
        known = self._known(key)
        size = known if known is not None else max(2 * entering, self._wanted.get(key, 0), self._window(node))
        if function in _READS:  # size in the files, before decoding
            return {key: size}, size
        if known is not None and (is_elementwise(function) or getattr(function, "__name__", "") in _COPIES):
            return {key: size}, 0
        return {key: size}, entering + _nested(node) * size

    def _window(self, node: GraphNode) -> int:
        """Return the bytes of the window that a task reads, from its slices; for optimised graphs without layers."""
        values: list[Any] = [getattr(self._nodes[dep], "value", None) for dep in node.dependencies]
        itemsize = max((value.dtype.itemsize for value in values if hasattr(value, "dtype")), default=8)
        given = [getattr(arg, "value", arg) for arg in getattr(node, "args", ())]
        windows = [arg for arg in given if isinstance(arg, tuple) and arg and all(isinstance(p, slice) for p in arg)]
        samples = [math.prod((part.stop or 0) - (part.start or 0) for part in window) for window in windows]
        return itemsize * max(samples, default=0)

    def _block_of(self, inputs: Mapping[Any, Held]) -> tuple[int, int]:
        """Return rows and columns of a block, from its inputs."""
        for dep in inputs:
            known = self._shapes[dep]
            if known is not None and len(known[0]) >= 2:
                return known[0][-2], known[0][-1]
        return self._pixels

    def _view(self, node: GraphNode, inputs: Mapping[Any, Held], size: int | None) -> Held | None:
        """Return the memory of an input that the result keeps as a view; None if the result is an array of its own."""
        function = getattr(node, "func", None)
        if len(inputs) != 1 or function not in (operator.getitem, array_getitem, *_READS, np.transpose):
            return None
        ((dep, held),) = inputs.items()
        if function is np.transpose:
            return held
        args: tuple[Any, ...] = getattr(node, "args", ())
        index = args[1] if len(args) > 1 else None
        if isinstance(index, str):
            return {key: of for key, of in held.items() if key == (dep, index)}
        if function in _READS and not isinstance(getattr(self._nodes[dep], "value", None), np.ndarray):  # of files
            return None
        if isinstance(index, tuple) and not all(part is None or isinstance(part, slice | int) for part in index):
            return None
        if function is array_getitem and size is not None and 2 * size <= sum(held.values()):  # dask copies these
            return None
        return held


def shape_of(graph: HighLevelGraph, key: Any) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Return shape and dtype of the dask array chunk that task `key` makes; None if it makes none."""
    if not isinstance(key, tuple):
        return None
    layer = graph.layers.get(key[0])
    about = getattr(layer, "collection_annotations", None) or {}
    chunks = about.get("chunks")
    if chunks is None or about.get("dtype") is None or len(chunks) != len(key) - 1:
        return None
    return tuple(int(sizes[i]) for sizes, i in zip(chunks, key[1:], strict=True)), np.dtype(about["dtype"])


def _nested(node: GraphNode) -> int:
    """Return the number of tasks that were fused into one."""
    fused = [arg for arg in getattr(node, "args", ()) if isinstance(arg, dict)]
    return max((len(part) for part in fused), default=1)


def held_bytes(graph: HighLevelGraph) -> int:
    """Return the bytes of the arrays that a graph holds in memory, such as those of a chunked in-memory dataset."""
    total = 0
    for layer in graph.layers.values():
        about = layer.collection_annotations or {}
        first = next(iter(layer.values()), None) if not isinstance(layer, Blockwise) else None
        value = getattr(first, "value", first)
        if isinstance(value, np.ndarray) and "shape" in about:
            total += int(np.prod(about["shape"], dtype=np.int64)) * np.dtype(about["dtype"]).itemsize
        elif isinstance(value, np.ndarray):
            total += value.nbytes
    return total
