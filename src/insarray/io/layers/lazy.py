"""Make the lazy dataset of a scanned source: one task per block and variable, which reads all pairs."""

import hashlib
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from insarray.io.files import fingerprint, names
from insarray.io.layers.epochs import WrappedSource
from insarray.io.layers.windows import WindowLayer, edge_on_tiles, window_coords
from insarray.io.source import Layer, StackSource
from insarray.model.conventions import FILL, SIGN, VARIABLES, attributes
from insarray.model.dataset import epoch_coords, fingerprint_coords, pair_coords, with_nodata
from insarray.model.errors import ArgumentError
from insarray.model.secrets import shown_values

_MOST_BLOCKS = 4_000_000
_EDGES = (512, 256)  # larger: files are opened less often; smaller: enough blocks for small images
_ENOUGH_BLOCKS = 16
_BLOCK_BYTES = 128_000_000
_BAND_PIXELS = 512 * 512


def to_dataset(source: StackSource, product: str, block: int | None = None) -> xr.Dataset:
    """Return the lazy canonical stack of a source.

    Parameters
    ----------
    source
        Source, as scanned by the reader.
    product
        Name of the reader.
    block
        Edge of the blocks in pixels; None: chosen by tiles, pairs and memory.
    """
    rows, cols = block_shape(source.layers["unwrapped_phase"], block)
    coords = (
        pair_coords(source.network)
        | fingerprint_coords(source.fingerprints)
        | window_coords(source.grid, source.window)
    )
    known = coords["pair_fingerprint"].values if source.fingerprints else None
    variables = {name: layer_variable(name, layer, known) for name, layer in source.layers.items()}
    variables |= {name: layer_variable(name, layer) for name, layer in source.maps.items()}
    token = hashlib.sha256("".join(layer.fingerprint for layer in (source.layers | source.maps).values()).encode())
    # added after chunking, so that they stay in memory
    lazy = xr.Dataset(variables).chunk({"pair": -1, "y": rows, "x": cols}, token=token.hexdigest())
    if source.zero_is_nodata:
        lazy["unwrapped_phase"] = _drop_zeros(lazy)
    return _described(lazy, coords, source, product)


def to_wrapped_dataset(source: WrappedSource, product: str, block: int | None = None) -> xr.Dataset:
    """Return the lazy canonical wrapped stack of a source; parameters as in `to_dataset`."""
    rows, cols = block_shape(source.phase, block)
    layers = {"wrapped_phase": source.phase, **source.maps}
    variables = {name: layer_variable(name, layer) for name, layer in layers.items()}
    token = hashlib.sha256("".join(layer.fingerprint for layer in layers.values()).encode())
    lazy = xr.Dataset(variables).chunk({"time": -1, "y": rows, "x": cols}, token=token.hexdigest())
    coords = epoch_coords(source.times, source.baseline) | window_coords(source.grid, source.window)
    described = _described(lazy, coords, source, product)
    return described.assign_attrs(reference_date=str(source.times[source.reference]))


def _described(
    lazy: xr.Dataset, coords: dict[str, xr.DataArray], source: StackSource | WrappedSource, product: str
) -> xr.Dataset:
    for variable in lazy.data_vars.values():
        grid = {"grid_mapping": "spatial_ref"} if "spatial_ref" in coords else {}
        variable.attrs = attributes(str(variable.name)) | grid
    return with_nodata(lazy.assign_coords(coords).assign_attrs(_attrs(source, product)))


def _attrs(source: StackSource | WrappedSource, product: str) -> dict[str, object]:
    known = {"wavelength": source.wavelength} if source.wavelength is not None else {}
    found: dict[str, object] = {
        "product": product,
        **known,
        "sign": SIGN,
        **source.attrs,
        "input_fingerprint": fingerprint(sorted({*map(str, source.paths), *source.members})),
        "input_files": len(source.paths),
        "input_names": names(source.paths),
        **({"notes": list(source.notes)} if isinstance(source, StackSource) and source.notes else {}),
    }
    return shown_values(found)


# -- blocks ---------------------------------------------------------------------------------------------------------


def block_shape(layer: Layer, block: int | None = None) -> tuple[int, int]:
    """Return rows and columns of the blocks: aligned with the tiles of the files, with bounded memory for all pairs.

    Raises
    ------
    ArgumentError
        If `block` is not a positive integer, or the image has more blocks than a graph can hold.
    """
    rows, cols = _block_shape(layer, block)
    height, width = layer.shape[1:]
    count = math.ceil(height / rows) * math.ceil(width / cols)
    if count > _MOST_BLOCKS:
        raise ArgumentError(
            f"block: {height} x {width} pixels are {count} blocks of {rows} x {cols}, more than {_MOST_BLOCKS}; choose a part "
            "with area, or larger blocks"
        )
    return rows, cols


def _block_shape(layer: Layer, block: int | None) -> tuple[int, int]:
    pairs, height, width = layer.shape
    if block is not None:
        if isinstance(block, bool) or not isinstance(block, int | np.integer) or block < 1:
            raise ArgumentError(f"block: {block!r} is not a number of pixels, at least 1; None chooses by itself")
        return min(int(block), height), min(int(block), width)
    pixels = max(1, _BLOCK_BYTES // (4 * pairs))
    tile_rows, tile_cols = (min(tile, size) for tile, size in zip(layer.tile, (height, width), strict=True))
    if tile_cols == width and tile_rows < height:  # strips: each row is decoded completely anyway
        rows = max(1, min(pixels, _BAND_PIXELS) // width)
        return min(height, _on_tiles(rows, tile_rows)), width
    limit = max(1, math.isqrt(pixels))
    shape = (height, width)
    for edge in _EDGES:
        shape = (
            min(height, _on_tiles(min(edge, limit), tile_rows, limit)),
            min(width, _on_tiles(min(edge, limit), tile_cols, limit)),
        )
        if math.ceil(height / shape[0]) * math.ceil(width / shape[1]) >= _ENOUGH_BLOCKS:
            break
    if not isinstance(layer, WindowLayer):
        return shape
    return (
        edge_on_tiles(shape[0], height, layer.row, tile_rows),
        edge_on_tiles(shape[1], width, layer.col, tile_cols),
    )


def _on_tiles(edge: int, tile: int, limit: int = 0) -> int:
    """Return the largest multiple of `tile` up to `edge`; of larger tiles one if within `limit`, else an equal part."""
    if tile <= edge:
        return edge // tile * tile
    if tile <= limit:
        return tile
    return math.ceil(tile / math.ceil(tile / edge))


# -- lazy arrays ----------------------------------------------------------------------------------------------------


_ONLY: ContextVar[Collection[int] | None] = ContextVar("only_pairs", default=None)


@contextmanager
def only_pairs(fingerprints: Collection[int]) -> Iterator[None]:
    """Context in which reads of stacks in this thread return no-data except for pairs with these `pair_fingerprint`.

    The files of the other pairs are not read, so that the same graph, masks included, can be evaluated for a few pairs.
    """
    token = _ONLY.set(frozenset(fingerprints))
    try:
        yield
    finally:
        _ONLY.reset(token)


class _LayerArray(BackendArray):
    """Backend array of xarray that reads a layer on demand."""

    def __init__(self, layer: Layer, fingerprints: np.ndarray | None = None) -> None:
        self.layer = layer
        self.fingerprints = fingerprints
        self.shape = layer.shape
        self.dtype = layer.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """Read the smallest window that contains `key`, of its pairs only, and select from it."""
        wanted = [np.arange(size)[part] for size, part in zip(self.shape, key, strict=True)]
        pairs, rows, cols = (np.atleast_1d(part) for part in wanted)
        scalars = tuple(0 if part.ndim == 0 else slice(None) for part in wanted)
        if not (pairs.size and rows.size and cols.size):
            return np.empty((pairs.size, rows.size, cols.size), self.dtype)[scalars]
        window = self._window(pairs, _span(rows), _span(cols))
        return np.asarray(_pick(_pick(window, rows, 1), cols, 2)[scalars])

    def _window(self, pairs: np.ndarray, rows: slice, cols: slice) -> np.ndarray:
        only = _ONLY.get()
        if only is None or self.fingerprints is None:
            every = len(pairs) == self.shape[0] and bool((pairs == np.arange(len(pairs))).all())
            return self.layer.read(rows, cols, None if every else pairs.tolist())
        wanted = np.isin(self.fingerprints[pairs], list(only))
        window = np.full(
            (len(pairs), rows.stop - rows.start, cols.stop - cols.start), FILL[self.dtype.name], self.dtype
        )
        if wanted.any():
            window[wanted] = self.layer.read(rows, cols, pairs[wanted].tolist())
        return window


def _span(index: np.ndarray) -> slice:
    return slice(int(index.min()), int(index.max()) + 1)


def _pick(window: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """Select `index` along an axis of a window that starts at its minimum; without a copy if it is the whole axis."""
    local = index - index.min()
    if len(local) == window.shape[axis] and bool((local == np.arange(len(local))).all()):
        return window
    return np.asarray(window.take(local, axis))


def lazy_variable(layer: Layer, first: str = "pair", fingerprints: np.ndarray | None = None) -> xr.Variable:
    """Return the layer as a lazy variable (`first`, y, x), read on demand."""
    return xr.Variable((first, "y", "x"), indexing.LazilyIndexedArray(_LayerArray(layer, fingerprints)))


def layer_variable(name: str, layer: Layer, fingerprints: np.ndarray | None = None) -> xr.Variable:
    """Return the layer as the variable `name`, without first dimension for a static map."""
    dims = VARIABLES[name].dims
    return lazy_variable(layer, dims[0], fingerprints) if len(dims) == 3 else lazy_variable(layer).isel(pair=0)


# -- validity -------------------------------------------------------------------------------------------------------


def _drop_zeros(stack: xr.Dataset) -> xr.DataArray:
    """Return the phase with NaN for 0, the no-data value, unless components and coherence indicate data."""
    evidence = [stack[name] for name in ("coherence", "connected_component_labels") if name in stack]
    phase: xr.DataArray = xr.apply_ufunc(
        keep_measured, stack["unwrapped_phase"], *evidence, dask="parallelized", output_dtypes=[np.float32]
    )
    return phase


def keep_measured(phase: np.ndarray, *evidence: np.ndarray) -> np.ndarray:
    """Return a copy of `phase` (pair, row, col) with NaN for zeros where any layer of evidence is not positive."""
    out = phase.copy()
    for k, plane in enumerate(out):
        measured = plane != 0
        if not measured.all():
            measured |= np.logical_and.reduce([layer[k] > 0 for layer in evidence])  # False for NaN
            plane[~measured] = np.nan
    return out
