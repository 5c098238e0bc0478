"""Layers on the pixels of another grid, lazily: one task per block of it, which reads what of the layers it needs."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from pyproj import Transformer

from insarray.engine.program import program_identity
from insarray.kernels.components.resampling import between_nodes, nodes_of, sample
from insarray.model.choices import Resampling
from insarray.model.grid import Grid, is_geographic, same_crs

_ALONG_EDGES = 33
_STEP = 16  # pixels between the places at which a projection is worked out
_MARGIN = (
    2  # pixels around what the edges of a block reach, for the curvature between their points and for interpolation
)


@dataclass(frozen=True)
class Warp:
    """From one grid to another.

    Parameters
    ----------
    source, target
        Of the layers, and of what is made of them.
    resampling
        How.
    """

    source: Grid
    target: Grid
    resampling: Resampling

    def positions(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the source, float64, at those of the target, (n,) each; its pixel centres are whole numbers."""
        source, target = self.source.beside(self.target), self.target
        x, y = target.left + (cols + 0.5) * target.dx, target.top + (rows + 0.5) * target.dy
        if not self.is_straight:
            x, y = Transformer.from_crs(target.crs, source.crs, always_xy=True).transform(x, y)
            if source.crs is not None and is_geographic(
                source.crs
            ):  # a longitude has many numbers: that nearest to the middle of the source
                x = x - 360.0 * np.floor((x - (source.left + source.width * source.dx / 2) + 180.0) / 360.0)
        return (y - source.top) / source.dy - 0.5, (x - source.left) / source.dx - 0.5

    @property
    def is_straight(self) -> bool:
        """Whether rows depend on rows alone, and columns on columns."""
        return same_crs(self.source.crs, self.target.crs)

    def positions_in(self, rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
        """The same for every pixel of a block of the target, whatever the block: (y, x), or (y,) and (x,) if straight.

        Between nodes 16 pixels apart they are interpolated: a map projection bends so little that this is less than a
        hundredth of a pixel off. They are rounded to a millionth, so that a pixel half-way between two takes the same
        one everywhere.
        """
        numbers = [np.arange(part.start, part.stop, dtype=np.float64) for part in (rows, cols)]
        if self.is_straight:
            at_rows = self.positions(numbers[0], np.zeros_like(numbers[0]))[0]
            at_cols = self.positions(np.zeros_like(numbers[1]), numbers[1])[1]
            return _rounded(at_rows), _rounded(at_cols)
        nodes = [nodes_of(places, _STEP) for places in numbers]
        grid = np.stack(np.meshgrid(*nodes, indexing="ij"))
        at_nodes = self.positions(*grid.reshape(2, -1).astype(np.float64))
        found = tuple(between_nodes(at.reshape(grid.shape[1:]), (numbers[0], numbers[1]), _STEP) for at in at_nodes)
        return _rounded(found[0]), _rounded(found[1])

    def reached(self, rows: slice, cols: slice) -> tuple[slice, slice]:
        """Rows and columns of the source that a block of the target needs; empty slices if there are none."""
        ends = (np.linspace(part.start, part.stop - 1, _ALONG_EDGES) for part in (rows, cols))
        grid = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(2, -1)
        found = self.positions(*grid)
        known = np.isfinite(found[0]) & np.isfinite(found[1])
        return tuple(  # type: ignore[return-value]
            _span(at[known], size) for at, size in zip(found, self.source.shape, strict=True)
        )


def _rounded(positions: np.ndarray) -> np.ndarray:
    return np.rint(positions * 2.0**20) / 2.0**20


def _span(positions: np.ndarray, size: int) -> slice:
    if not positions.size:
        return slice(0, 0)
    start = max(0, math.floor(positions.min()) - _MARGIN)
    stop = min(size, math.ceil(positions.max()) + 1 + _MARGIN)
    return slice(start, max(start, stop))


@dataclass(frozen=True)
class _Part:
    """A block of the target, what it needs of the source, and where the blocks of the source that it gets begin."""

    block: tuple[slice, slice]
    window: tuple[slice, slice]
    begin: tuple[int, int]
    lead: tuple[int, ...]


def warped(layer: xr.Variable, warp: Warp, chunks: tuple[tuple[int, ...], tuple[int, ...]]) -> xr.Variable:
    """Layer on the target of a warp, lazily if it is lazy.

    Parameters
    ----------
    layer
        float32 (..., y, x) on the source grid, with at most one dimension before y and x; NaN = none.
    warp
        From which grid to which.
    chunks
        Rows and columns of the blocks of the result.

    Returns
    -------
    xarray.Variable
        float32, NaN outside of the source and where it has no data.
    """
    attrs = {name: value for name, value in layer.attrs.items() if name != "grid_mapping"}
    if not dask.is_dask_collection(layer.data):
        whole = (slice(0, warp.target.height), slice(0, warp.target.width))
        values = np.asarray(layer.values, np.float32)
        return xr.Variable(layer.dims, _sampled(warp, whole, (slice(0, None), slice(0, None)), values), attrs)
    data = layer.data.astype(np.float32)
    data = data.rechunk(dict.fromkeys(range(data.ndim - 2), -1))
    lead = tuple(range(data.ndim - 2))
    name = f"warped-{tokenize(data.name, warp, chunks, program_identity(), ensure_deterministic=True)}"
    constants, tasks = f"constants-{name}", dict[Any, Any]()
    tasks[constants] = warp
    rows, cols = (_slices(sizes) for sizes in chunks)
    for (i, row), (j, col) in product(enumerate(rows), enumerate(cols)):
        key = (name, *(0,) * len(lead), i, j)
        tasks[key] = _task(data, constants, warp, (row, col))
    shape = (*data.shape[:-2], *warp.target.shape)
    graph = HighLevelGraph({name: tasks, **data.dask.layers}, {name: {data.name}, **data.dask.dependencies})
    all_chunks = (*((n,) for n in shape[:-2]), *chunks)
    meta = np.empty((0,) * len(shape), np.float32)
    return xr.Variable(layer.dims, da.Array(graph, name, chunks=all_chunks, meta=meta), attrs)


def _slices(sizes: tuple[int, ...]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


def _task(data: da.Array, constants: str, warp: Warp, block: tuple[slice, slice]) -> tuple[Any, ...]:
    """Task of one block: it gets the blocks of the source that it needs, row by row, and which part of them."""
    window, lead = warp.reached(*block), data.shape[:-2]
    if any(part.start == part.stop for part in window):
        return _nothing, _Part(block, window, (0, 0), lead)
    places = [_slices(sizes) for sizes in data.chunks[-2:]]
    rows, cols = (_blocks(part, of) for part, of in zip(window, places, strict=True))
    names = [[(data.name, *(0,) * len(lead), i, j) for j in cols] for i in rows]
    begin = places[0][rows[0]].start, places[1][cols[0]].start
    return _of_blocks, constants, _Part(block, window, begin, lead), names


def _blocks(window: slice, blocks: list[slice]) -> list[int]:
    """Blocks that have some of a window."""
    return [n for n, part in enumerate(blocks) if part.start < window.stop and part.stop > window.start]


def _nothing(part: _Part) -> np.ndarray:
    return np.full((*part.lead, *(of.stop - of.start for of in part.block)), np.nan, np.float32)


def _of_blocks(warp: Warp, part: _Part, blocks: list[list[np.ndarray]]) -> np.ndarray:
    rows, cols = part.window
    values = np.empty((*part.lead, rows.stop - rows.start, cols.stop - cols.start), np.float32)
    top = part.begin[0] - rows.start
    for row in blocks:
        left = part.begin[1] - cols.start
        for block in row:
            down, right = (
                _shared(top, block.shape[-2], values.shape[-2]),
                _shared(left, block.shape[-1], values.shape[-1]),
            )
            values[..., down[0], right[0]] = block[..., down[1], right[1]]
            left += block.shape[-1]
        top += row[0].shape[-2]
    return _sampled(warp, part.block, part.window, values)


def _shared(begin: int, size: int, window: int) -> tuple[slice, slice]:
    """Where in a window, and where in itself, a block lies that begins at a place of the window."""
    start, stop = max(begin, 0), min(begin + size, window)
    return slice(start, stop), slice(start - begin, stop - begin)


def _sampled(warp: Warp, block: tuple[slice, slice], window: tuple[slice, slice], values: np.ndarray) -> np.ndarray:
    """A block of the target, of values in a window of the source."""
    rows, cols = warp.positions_in(*block)
    layers = np.ascontiguousarray(values.reshape(-1, *values.shape[-2:]))
    smooth = warp.resampling == "bilinear"
    sampled = sample(layers, rows - window[0].start, cols - window[1].start, smooth=smooth)
    return sampled.reshape(*values.shape[:-2], *sampled.shape[1:])
