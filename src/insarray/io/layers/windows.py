"""Windows of layers: what is outside of an area is not read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from insarray.io.areas import window_of
from insarray.io.layers.epochs import WrappedSource
from insarray.io.source import AreaLike, Layer, StackSource, Window
from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid

Source = TypeVar("Source", StackSource, WrappedSource)


@dataclass(frozen=True)
class WindowLayer:
    """Rows and columns of a layer.

    Parameters
    ----------
    inner
        The layer.
    row, col
        First row and column of it; if it is `turned`, of its rows in the other order.
    height, width
        Of the window.
    turned
        Rows of the window run the other way than those of the layer.
    """

    inner: Layer
    row: int
    col: int
    height: int
    width: int
    turned: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.inner.shape[0], self.height, self.width

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the layer."""
        return self.inner.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Of the layer; tiles begin before the window unless its first row and column are on one."""
        return self.inner.tile

    @property
    def fingerprint(self) -> str:
        """Of the layer and the window."""
        place = (self.row, self.col, self.height, self.width, self.turned)
        return hashlib.sha256(f"{self.inner.fingerprint}\0{place}".encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
        across = slice(self.col + cols.start, self.col + cols.stop)
        first, last = self.row + rows.start, self.row + rows.stop
        if not self.turned:
            return self.inner.read(slice(first, last), across, pairs)
        height = self.inner.shape[1]
        return self.inner.read(slice(height - last, height - first), across, pairs)[:, ::-1]


def window_layer(layer: Layer, window: Window) -> WindowLayer:
    """The layer in a window of rows and columns."""
    rows, cols = window
    return WindowLayer(layer, rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)


def within(source: Source, area: AreaLike | None) -> Source:
    """The source as far as an area goes; errors of `insarray.io.areas.window_of`."""
    if area is None:
        return source
    window = window_of(area, source.grid)
    changes: dict[str, Any] = {"window": window}
    changes["maps"] = {name: window_layer(layer, window) for name, layer in source.maps.items()}
    if isinstance(source, WrappedSource):
        changes["phase"] = window_layer(source.phase, window)
    else:
        changes["layers"] = {name: window_layer(layer, window) for name, layer in source.layers.items()}
    return replace(source, **changes)


def window_coords(grid: Grid, window: Window | None) -> dict[str, xr.DataArray]:
    """Coordinates y, x and CRS of a window of a grid, y and x to the bit those of the whole."""
    if window is None:
        return grid_coords(grid)
    rows, cols = window
    part = grid.window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
    coords = grid_coords(part)
    return coords | {"y": coords["y"].copy(data=grid.y[rows]), "x": coords["x"].copy(data=grid.x[cols])}


def edge_on_tiles(edge: int, size: int, first: int, tile: int) -> int:
    """Length of the blocks of a window, up to `edge`, such that as few tiles as possible are read for two of them.

    All blocks are as long as the first, but for the last: so a store takes them, and it may be that only one edge, or
    none, lies on a tile.

    Parameters
    ----------
    edge, size
        Length of the blocks without this, and of the window.
    first
        Where the window begins, in pixels of the files.
    tile
        Length of a tile of the files.
    """
    if edge >= size or tile < 2 or first % tile == 0:
        return edge
    lengths = range(edge, edge // 2, -1)
    cut = [sum((first + begin) % tile != 0 for begin in range(length, size, length)) for length in lengths]
    blocks = [-(-size // length) for length in lengths]
    # a tile that is read twice costs more than one more block
    best = min(range(len(lengths)), key=lambda k: (2 * cut[k] + blocks[k], k))
    return lengths[best]
