"""What a run will do before it does it: blocks, bytes and peak memory of a lazy dataset."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import dask
import psutil
import xarray as xr

from insarray.model.errors import ArgumentError, StackError

BASE_BYTES = 500 * 2**20
"""Interpreter, libraries and compiled kernels of one process."""

BYTES_ATTRIBUTE = "block_bytes_per_pixel"
"""Attribute in which a product states the most memory that one pixel of a block takes while it is worked on."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Plan:
    """Blocks of a run and the memory they take.

    Parameters
    ----------
    rows, cols
        Heights and widths of the blocks.
    bytes_per_pixel
        Peak working memory of one pixel of a block.
    workers
        Blocks worked on at the same time in one process.
    output_bytes
        Size of the results before compression.
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    bytes_per_pixel: int
    workers: int
    output_bytes: int

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.rows) * len(self.cols)

    @property
    def block_bytes(self) -> int:
        """Peak working memory of the largest block."""
        return max(self.rows) * max(self.cols) * self.bytes_per_pixel

    @property
    def peak_bytes(self) -> int:
        """Bound of the memory of one process; it does not depend on the size of the image."""
        return BASE_BYTES + self.workers * self.block_bytes

    def window(self, i: int, j: int) -> Window:
        """Rows and columns of block (i, j)."""
        top, left = sum(self.rows[:i]), sum(self.cols[:j])
        return slice(top, top + self.rows[i]), slice(left, left + self.cols[j])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            **asdict(self),
            "n_blocks": self.n_blocks,
            "block_bytes": self.block_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def require_memory(self) -> None:
        """Raise ArgumentError if the machine has less memory than `peak_bytes`."""
        available = psutil.virtual_memory().available
        if self.peak_bytes > available:
            edge = int(math.sqrt(max(available - BASE_BYTES, 0) / self.workers / self.bytes_per_pixel)) // 32 * 32
            raise ArgumentError(
                f"block: {self.workers} blocks of {max(self.rows)} x {max(self.cols)} pixels need "
                f"{self.peak_bytes / 1e9:.1f} GB, {available / 1e9:.1f} GB are free; use --block {max(edge, 32)} or fewer workers"
            )


def plan_run(dataset: xr.Dataset, workers: int) -> Plan:
    """Plan of writing `dataset`, whose lazy variables all have the same spatial blocks.

    Raises
    ------
    StackError
        If the blocks differ, or a leading dimension is chunked.
    """
    spatial = None
    for name, variable in dataset.data_vars.items():
        if not dask.is_dask_collection(variable.data) or variable.dims[-2:] != ("y", "x"):
            continue
        *lead, rows, cols = variable.data.chunks
        if any(len(chunks) > 1 for chunks in lead):
            raise StackError(f"{name}: is chunked along {variable.dims[0]!r}; use .chunk({variable.dims[0]}=-1)")
        if spatial is None:
            spatial = (rows, cols)
        elif spatial != (rows, cols):
            raise StackError(f"{name}: its blocks {rows, cols} differ from {spatial}; chunk all variables alike")
    if spatial is None:
        raise StackError("dataset: has no lazy variable with dimensions y and x to compute")
    written = sum(v.dtype.itemsize * v.size for v in dataset.data_vars.values())
    per_pixel = math.ceil(written / (dataset.sizes["y"] * dataset.sizes["x"]))
    stated = dataset.attrs.get(BYTES_ATTRIBUTE)
    return Plan(*spatial, int(stated) if stated is not None else 4 * per_pixel, workers, written)
