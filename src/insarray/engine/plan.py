"""Plan a run of a lazy dataset: its blocks, output size and peak memory."""

import math
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import psutil
import xarray as xr
from dask.highlevelgraph import HighLevelGraph

from insarray.engine.graph.memory import Peak, block_peak, held_bytes
from insarray.engine.graph.needed import needed
from insarray.engine.graph.prepare import prepare
from insarray.model.errors import ArgumentError

BASE_BYTES = 500 * 2**20
"""Memory of one process for interpreter, libraries and compiled kernels."""

_WRITING = 2
"""Copies of a variable, besides the result itself, while it is compressed or its checksum is computed."""

_ALLOCATOR = 1.15
"""Allocator overhead in a multi-threaded process, which keeps freed memory for the next block."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Plan:
    """Blocks of a run and their memory.

    Parameters
    ----------
    rows, cols
        Heights and widths of the blocks, pixels.
    bytes_per_pixel
        Peak working memory per pixel of a block, bytes.
    workers
        Blocks computed at the same time in one process.
    output_bytes
        Size of the results before compression, bytes.
    held_bytes
        Size of the inputs that are already in memory, bytes.
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    bytes_per_pixel: int
    workers: int
    output_bytes: int
    held_bytes: int = 0

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.rows) * len(self.cols)

    @property
    def block_bytes(self) -> int:
        """Peak working memory of the largest block, bytes."""
        return max(self.rows) * max(self.cols) * self.bytes_per_pixel

    @property
    def peak_bytes(self) -> int:
        """Upper bound of the memory of one process, bytes; independent of the image size for inputs in files."""
        return BASE_BYTES + self.held_bytes + self.workers * self.block_bytes

    def window(self, i: int, j: int) -> Window:
        """Return the rows and columns of block (i, j)."""
        top, left = sum(self.rows[:i]), sum(self.cols[:j])
        return slice(top, top + self.rows[i]), slice(left, left + self.cols[j])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            **asdict(self),
            "n_blocks": self.n_blocks,
            "block_bytes": self.block_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def require_memory(self) -> None:
        """Raise ArgumentError if less memory than `peak_bytes` is available."""
        available = psutil.virtual_memory().available + self.held_bytes
        if self.peak_bytes > available:
            free = max(available - self.held_bytes - BASE_BYTES, 0)
            edge = int(math.sqrt(free / self.workers / self.bytes_per_pixel)) // 32 * 32
            raise ArgumentError(
                f"block: {self.workers} blocks of {max(self.rows)} x {max(self.cols)} pixels need "
                f"{self.peak_bytes / 1e9:.1f} GB, {available / 1e9:.1f} GB are free; use --block {max(edge, 32)} or fewer workers"
            )


def plan_run(dataset: xr.Dataset, workers: int) -> Plan:
    """Plan a run that writes `dataset`: its blocks, and the peak memory estimated from the graph of one block.

    Nothing is read or computed. The bound is the memory of the process plus, for each worker, the largest sum of
    intermediate results, results and working memory at any step of a block.

    Parameters
    ----------
    dataset
        As in `run`.
    workers
        Number of blocks computed at the same time in one process.

    Raises
    ------
    ArgumentError, StackError
        If `run` would refuse the dataset.

    See Also
    --------
    insarray.run : compute into a store.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack.chunk(y=10, x=12), reference=(9, 12))
    >>> plan = ia.plan_run(series, workers=2)
    >>> plan.n_blocks
    4
    """
    return plan_prepared(prepare(dataset), workers)


def plan_prepared(dataset: xr.Dataset, workers: int) -> Plan:
    """Plan a run of a dataset returned by `prepare`."""
    lazy = [variable.data for variable in dataset.data_vars.values() if variable.dims[-2:] == ("y", "x")]
    rows, cols = lazy[0].chunks[-2:]
    graph = HighLevelGraph.merge(*(array.dask for array in lazy))
    sizes = max(rows), max(cols)
    most = max(_bytes(peak) for peak in _peaks(graph, lazy, sizes))
    written = sum(v.dtype.itemsize * v.size for v in dataset.data_vars.values())
    return Plan(rows, cols, math.ceil(most / math.prod(sizes)), workers, written, held_bytes(graph))


def _peaks(graph: HighLevelGraph, lazy: list[Any], sizes: tuple[int, int]) -> list[Peak]:
    """Return the memory of several blocks, as their graphs differ where old blocks were rechunked into new ones."""
    places = [sorted({0, min(1, n - 1), n // 2}) for n in lazy[0].numblocks[-2:]]
    blocks = list(product(*places))
    keys = {block: [(array.name, *(0,) * (array.ndim - 2), *block) for array in lazy] for block in blocks}
    tasks = {block: needed(graph, of) for block, of in keys.items()}
    shared = set.intersection(*(set(of) for of in tasks.values())) if len(tasks) > 1 else set()
    return [block_peak(graph, tasks[block], keys[block], sizes, shared) for block in tasks]


def _bytes(peak: Peak) -> int:
    """Return the peak bytes of a block: while it is computed, or while its results are written and checksummed."""
    return math.ceil(_ALLOCATOR * max(peak.computing, sum(peak.results) + _WRITING * max(peak.results)))
