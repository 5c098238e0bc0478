"""Windows of layers; pixels outside an area are not read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from insarray.io.areas import window_of
from insarray.io.layers.epochs import WrappedSource
from insarray.io.source import AreaLike, Layer, LayerOver, StackSource, Window
from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid

Source = TypeVar("Source", StackSource, WrappedSource)


@dataclass(frozen=True)
class WindowLayer(LayerOver):
    """Window of rows and columns of a layer.

    Parameters
    ----------
    inner
        The layer.
    row, col
        First row and column in the layer; if `turned`, of its rows in reverse order.
    height, width
        Size of the window.
    turned
        Whether the rows of the window run in the opposite direction to those of the layer.
    """

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
    def fingerprint(self) -> str:
        """Hash of the layer and the window."""
        place = (self.row, self.col, self.height, self.width, self.turned)
        return hashlib.sha256(f"{self.inner.fingerprint}\0{place}".encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        across = slice(self.col + cols.start, self.col + cols.stop)
        first, last = self.row + rows.start, self.row + rows.stop
        if not self.turned:
            return self.inner.read(slice(first, last), across, pairs)
        height = self.inner.shape[1]
        return self.inner.read(slice(height - last, height - first), across, pairs)[:, ::-1]


def window_layer(layer: Layer, window: Window) -> WindowLayer:
    """Return a window of rows and columns of the layer."""
    rows, cols = window
    return WindowLayer(layer, rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)


def within(source: Source, area: AreaLike | None) -> Source:
    """Crop the source to an area; raises as `insarray.io.areas.window_of`."""
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
    """Return the coordinates y, x and CRS of a window of a grid, bitwise equal to those of the whole."""
    if window is None:
        return grid_coords(grid)
    rows, cols = window
    part = grid.window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
    coords = grid_coords(part)
    return coords | {"y": coords["y"].copy(data=grid.y[rows]), "x": coords["x"].copy(data=grid.x[cols])}


def edge_on_tiles(edge: int, size: int, first: int, tile: int) -> int:
    """Return the block length of a window, up to `edge`, that minimises the tiles read for two blocks.

    All blocks have the same length except the last, as a store requires, so that possibly only one edge, or none, lies
    on a tile edge.

    Parameters
    ----------
    edge, size
        Default length of the blocks, and length of the window.
    first
        Start of the window, in pixels of the files.
    tile
        Length of a tile of the files.
    """
    if edge >= size or tile < 2 or first % tile == 0:
        return edge
    lengths = range(edge, edge // 2, -1)
    cut = [sum((first + begin) % tile != 0 for begin in range(length, size, length)) for length in lengths]
    blocks = [-(-size // length) for length in lengths]
    # reading a tile twice costs more than one more block
    best = min(range(len(lengths)), key=lambda k: (2 * cut[k] + blocks[k], k))
    return lengths[best]
