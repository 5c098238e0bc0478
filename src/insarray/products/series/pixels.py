"""Values of some pixels of a lazy image, read block by block; the last blocks are kept for who asks next."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import xarray as xr

_KEPT = 4  # blocks: what lies at a corner is in four


class PixelReader:
    """Reads pixels of an image by row and column.

    Parameters
    ----------
    data
        Layers (..., y, x) with the same spatial blocks; one that is not lazy is a single block.
    """

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data
        self._blocks: OrderedDict[tuple[int, int], xr.Dataset] = OrderedDict()
        lengths = [data.chunksizes.get(dim) or (data.sizes[dim],) for dim in ("y", "x")]
        self._edges = [np.cumsum([0, *of]) for of in lengths]

    def block_of(self, row: float, col: float) -> tuple[int, int]:
        """Numbers of the block with a pixel, or of the nearest one: what lies close together has the same."""
        found = [
            int(np.clip(np.searchsorted(edges, at, "right") - 1, 0, len(edges) - 2))
            for edges, at in zip(self._edges, (row, col), strict=True)
        ]
        return found[0], found[1]

    def read(
        self, rows: np.ndarray, cols: np.ndarray, names: Sequence[str], times: slice = slice(None)
    ) -> dict[str, np.ndarray]:
        """Values (..., pixel) of layers; of those along time only some dates."""
        down = np.searchsorted(self._edges[0], rows, "right") - 1
        across = np.searchsorted(self._edges[1], cols, "right") - 1
        width = len(self._edges[1])
        numbers = down * width + across
        found: dict[str, np.ndarray] = {}
        for number in np.unique(numbers):
            i, j = divmod(int(number), width)
            here, block = np.flatnonzero(numbers == number), self._block(i, j)
            at = rows[here] - self._edges[0][i], cols[here] - self._edges[1][j]
            for name in names:
                layer = block[name]
                values = layer.values[times] if "time" in layer.dims else layer.values
                if name not in found:
                    found[name] = np.empty((*values.shape[:-2], len(rows)), values.dtype)
                found[name][..., here] = values[..., at[0], at[1]]
        return found

    def _block(self, i: int, j: int) -> xr.Dataset:
        if (i, j) in self._blocks:
            self._blocks.move_to_end((i, j))
            return self._blocks[i, j]
        part = {
            dim: slice(int(edges[k]), int(edges[k + 1]))
            for dim, edges, k in zip(("y", "x"), self._edges, (i, j), strict=True)
        }
        self._blocks[i, j] = self._data.isel(part).compute()
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[i, j]
