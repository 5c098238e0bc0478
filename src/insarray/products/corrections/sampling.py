"""A thin sample of the image in memory: what needs all pixels together, and few of them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.products.stacks.selection import Raster, good_pixels
from insarray.products.views.ground import layer_of
from insarray.products.views.stacks import SeriesView, StackView

PIXELS = 40_000
"""Pixels that a sample has at most, of the whole image."""


class Sample(NamedTuple):
    """Pixels on a regular thin grid.

    Parameters
    ----------
    layers
        By name, (date or pair, pixel) or (pixel,).
    y, x
        Coordinates of each pixel.
    row, col
        Place of each in the image, from 0 to 1.
    """

    layers: dict[str, np.ndarray]
    y: np.ndarray
    x: np.ndarray
    row: np.ndarray
    col: np.ndarray

    def tiles(self, edge: int) -> np.ndarray:
        """Number of the tile of each pixel, of edge x edge in the image."""
        row, col = (np.minimum((place * edge).astype(np.intp), edge - 1) for place in (self.row, self.col))
        return row * edge + col


def sample(
    view: SeriesView | StackView, layers: Mapping[str, xr.DataArray], mask: Raster | None, pixels: int = PIXELS
) -> Sample:
    """Layers at every n-th row and column, computed now, block by block.

    Parameters
    ----------
    view
        The data.
    layers
        (date or pair, y, x) or (y, x) on the pixels of the data.
    mask
        Pixels where it is 0 or without data are left out.
    pixels
        How many at most.
    """
    height, width = view.data.sizes["y"], view.data.sizes["x"]
    step = max(1, int(np.ceil(np.sqrt(height * width / pixels))))
    rows, cols = (np.arange(min(step // 2, size - 1), size, step) for size in (height, width))
    picked = {"y": slice(int(rows[0]), None, step), "x": slice(int(cols[0]), None, step)}
    wanted = dict(layers)
    if mask is not None:
        wanted["mask"] = good_pixels(view, layer_of(view), mask)
    thin = {name: layer.drop_vars(list(layer.coords)).isel(picked) for name, layer in wanted.items()}
    found = xr.Dataset(thin).compute()
    col, row = (part.ravel() for part in np.meshgrid(cols, rows))
    keep = np.ones(row.shape, bool) if mask is None else found["mask"].values.ravel().astype(bool)
    flat = {name: found[name].values.reshape(*found[name].shape[:-2], -1)[..., keep] for name in layers}
    y, x = (centres[at][keep] for centres, at in zip(view.centres, (row, col), strict=True))
    return Sample(flat, y, x, (row[keep] + 0.5) / height, (col[keep] + 0.5) / width)
