"""Levels of maps, each of half the size of the one before, made when they are asked for, in bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import xarray as xr

_KEPT_BYTES = 96 * 2**20
_EDGE = 512  # rows and columns of what is read at once where the data do not say how they are chunked
_STORED = 2  # the finest level that is kept in a file; finer ones are read from the result
_WORKERS = 2


def halved(values: np.ndarray, *, averaged: bool = True) -> np.ndarray:
    """Half the rows and columns: means of the pixels with data of each 2 x 2, or the first of the four.

    Parameters
    ----------
    values
        (..., y, x); an odd row or column at the end is averaged with itself.
    averaged
        False for flags and counts.
    """
    if not averaged:
        return values[..., ::2, ::2]
    rows, cols = (size % 2 for size in values.shape[-2:])
    if rows or cols:
        values = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(0, rows), (0, cols)], mode="edge")
    parts = [values[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    found: np.ndarray = (parts[0] + parts[1] + parts[2] + parts[3]) * np.float32(0.25)
    gaps = np.isnan(found)
    if gaps.any():
        some = np.stack([part[gaps] for part in parts])
        count = np.isfinite(some).sum(axis=0)
        with np.errstate(invalid="ignore"):
            found[gaps] = np.nansum(some, axis=0) / np.where(count, count, np.nan)
    return found


def numbers(values: np.ndarray) -> np.ndarray:
    """Values as the page reads them."""
    return values.astype(np.float32, copy=False)


class Blocks:
    """Blocks of an array as they are stored, the last ones kept in memory.

    Parameters
    ----------
    array
        (..., y, x).
    kept
        Memory that is shared with other arrays.
    """

    def __init__(self, array: xr.DataArray, kept: "Kept") -> None:
        self.array, self._kept = array, kept
        sizes = [array.chunksizes.get(dim) or _pieces(array.sizes[dim]) for dim in ("y", "x")]
        self.edges = [np.cumsum([0, *of]) for of in sizes]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return tuple(self.array.shape)

    def read(self, rows: slice, cols: slice) -> np.ndarray:
        """A window, straight from the result."""
        return np.asarray(self.array.isel(y=rows, x=cols).values)

    def window(self, rows: slice, cols: slice, at: int | slice = slice(None)) -> np.ndarray:
        """A window, of all layers (time, y, x) or of one of them (y, x), by whole blocks."""
        rows, cols = (slice(s.start, min(s.stop, n)) for s, n in zip((rows, cols), self.shape[-2:], strict=True))
        lead = self.array[at, :0, :0].shape[:-2]
        found = np.empty((*lead, rows.stop - rows.start, cols.stop - cols.start), np.float32)
        for down, across in self.crossed(rows, cols):
            block = self._kept.get((id(self), down.start, across.start), lambda d=down, a=across: self.read(d, a))
            r, c = _common(rows, down), _common(cols, across)
            part = block[at][..., _within(r, down), _within(c, across)]
            found[..., _within(r, rows), _within(c, cols)] = part
        return found

    def crossed(self, rows: slice, cols: slice) -> Iterator[tuple[slice, slice]]:
        """Blocks that have a part of a window."""
        for i in _numbers(self.edges[0], rows):
            for j in _numbers(self.edges[1], cols):
                down, across = self.edges
                yield slice(int(down[i]), int(down[i + 1])), slice(int(across[j]), int(across[j + 1]))


class Kept:
    """The last blocks, of which no two threads read the same one at a time."""

    def __init__(self, limit: int = _KEPT_BYTES) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._blocks: OrderedDict[object, Future[np.ndarray]] = OrderedDict()
        self._bytes: dict[object, int] = {}

    def get(self, key: object, read: object) -> np.ndarray:
        """The block of a key, read by a function if it is not there."""
        with self._lock:
            future = self._blocks.get(key)
            mine = future is None
            if future is None:
                future = self._blocks[key] = Future()
            self._blocks.move_to_end(key)
        if not mine:
            return future.result()
        try:
            block: np.ndarray = read()  # type: ignore[operator]
        except BaseException as error:
            with self._lock:
                del self._blocks[key]
            future.set_exception(error)
            raise
        future.set_result(block)
        with self._lock:
            self._bytes[key] = block.nbytes
            while sum(self._bytes.values()) > self._limit and len(self._bytes) > 1:
                oldest = next(of for of in self._blocks if of in self._bytes)
                del self._blocks[oldest], self._bytes[oldest]
        return block


class Pyramid:
    """Levels of a layer (time, y, x).

    Levels 0 and 1 are read from the result. Level 2 is kept in a file, which is filled window by window when it is first
    looked at; coarser ones are made of it.

    Parameters
    ----------
    blocks
        The layer.
    averaged
        See `halved`.
    file
        Where level 2 is kept; must not exist.
    pool
        Threads that fill it.
    """

    def __init__(self, blocks: Blocks, *, averaged: bool, file: Path, pool: ThreadPoolExecutor) -> None:
        self._blocks, self._averaged, self._path, self._pool = blocks, averaged, file, pool
        self._lock = threading.Lock()
        self._file: np.memmap | None = None  # type: ignore[type-arg, unused-ignore]
        self._made: dict[tuple[int, int], Future[None]] = {}
        self.damage: list[str] = []
        step = 2**_STORED
        self._edges = [
            edges if (edges[1:-1] % step == 0).all() else np.cumsum([0, *_pieces(int(edges[-1]))])
            for edges in blocks.edges
        ]

    def tile(self, level: int, time: int, rows: slice, cols: slice) -> np.ndarray:
        """A window of a level, of one date, float32; rows and columns are those of the level."""
        r, c = (slice(part.start << level, part.stop << level) for part in (rows, cols))
        if level < _STORED:
            values, steps = self._blocks.window(r, c, time), level
        else:
            file, steps = self._filled(r, c), level - _STORED
            r, c = (slice(part.start << steps, part.stop << steps) for part in (rows, cols))
            values = np.asarray(file[time, r, c])
        for _ in range(steps):
            values = halved(values, averaged=self._averaged)
        return values

    @property
    def progress(self) -> float:
        """Share of the file that is filled; 1 if nothing was asked for."""
        total = (len(self._edges[0]) - 1) * (len(self._edges[1]) - 1)
        done = sum(future.done() for future in list(self._made.values()))
        return done / total if self._made and done < len(self._made) else 1.0

    def _filled(self, rows: slice, cols: slice) -> np.ndarray:
        """The file, in which the windows of these pixels of the result are made."""
        with self._lock:
            if self._file is None:
                time, *sides = self._blocks.shape
                shape = (time, *(-(-side // 2**_STORED) for side in sides))
                self._file = np.memmap(self._path, np.float32, "w+", shape=shape)
            wanted = [(i, j) for i in _numbers(self._edges[0], rows) for j in _numbers(self._edges[1], cols)]
            for window in wanted:
                if window not in self._made:
                    self._made[window] = self._pool.submit(self._make, *window)
        for window in wanted:
            self._made[window].result()
        return self._file

    def _make(self, i: int, j: int) -> None:
        rows, cols = (slice(int(edges[k]), int(edges[k + 1])) for edges, k in zip(self._edges, (i, j), strict=True))
        r, c = (slice(part.start >> _STORED, -(-part.stop >> _STORED)) for part in (rows, cols))
        assert self._file is not None  # noqa: S101  for the type checker
        try:
            values = self._blocks.read(rows, cols)
        except Exception as error:
            self.damage.append(
                f"rows {rows.start} to {rows.stop - 1}, columns {cols.start} to {cols.stop - 1}: {error}"
            )
            self._file[..., r, c] = np.nan
            return
        for time, layer in enumerate(values):
            part = numbers(layer)
            for _ in range(_STORED):
                part = halved(part, averaged=self._averaged)
            self._file[time, r, c] = part


def workers() -> ThreadPoolExecutor:
    """Threads that fill pyramids: few, as each holds a block of all dates."""
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="pyramid")


def _pieces(size: int) -> tuple[int, ...]:
    return tuple(min(_EDGE, size - start) for start in range(0, size, _EDGE)) or (0,)


def _numbers(edges: np.ndarray, part: slice) -> range:
    """Numbers of the parts between edges that have some of a slice."""
    last = len(edges) - 1
    first = int(np.searchsorted(edges, part.start, "right")) - 1
    return range(first, min(int(np.searchsorted(edges, part.stop, "left")), last))


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _common(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))
