"""Levels of maps, each of half the size of the one before, made when they are asked for, in bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.engine.store.windows import StoredArray
from insarray.model.errors import StoreError
from insarray.viewer.straight import Turns

_KEPT_BYTES = 64 * 2**20
_EDGE = 512  # rows and columns of what is read at once where the data do not say how they are chunked
_STORED = 2  # the coarsest level that is kept in files; coarser ones are made of it
_WORKERS = 2  # few, as each holds a block of all dates
_TOGETHER = 16 * 2**20  # bytes of a window of all dates that is kept


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
    known = np.isfinite(values)
    total = _four(np.where(known, values, np.float32(0)))
    count = _four(known.view(np.uint8)).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 of 4: NaN
        found: np.ndarray = total / count
    return found


def _four(values: np.ndarray) -> np.ndarray:
    """Sums of 2 x 2."""
    down = values[..., ::2, :] + values[..., 1::2, :]
    found: np.ndarray = down[..., ::2] + down[..., 1::2]
    return found


def numbers(values: np.ndarray) -> np.ndarray:
    """Values as the page reads them."""
    return values.astype(np.float32, copy=False)


class Blocks:
    """Layers of a result block by block, the last blocks kept in memory.

    Parameters
    ----------
    layers
        A layer (time, y, x); or several maps (1, y, x), which are read as the layers of one array.
    kept
        Memory that is shared with others.
    together
        Blocks of the result are read together up to so many bytes.
    """

    def __init__(self, layers: Sequence[xr.DataArray], kept: "Kept", together: int = 0) -> None:
        self._data, self._kept = xr.Dataset({str(k): layer.variable for k, layer in enumerate(layers)}), kept
        dates, *sides = layers[0].shape
        self.shape = (len(layers) if len(layers) > 1 else dates, *sides)
        sizes = [layers[0].chunksizes.get(dim) or _pieces(layers[0].sizes[dim]) for dim in ("y", "x")]
        self.single = [np.cumsum([0, *of]) for of in sizes]
        self.edges = self.joined(together)

    def joined(self, together: int) -> list[np.ndarray]:
        """Edges of parts of at most so many bytes, or of single blocks."""
        size = 4 * self.shape[0] * max(int(np.prod([np.diff(of).max(initial=1) for of in self.single])), 1)
        step = max(int((together / size) ** 0.5), 1)
        return [np.append(of[:-1:step], of[-1]) for of in self.single]

    def read(self, rows: slice, cols: slice) -> np.ndarray:
        """A window (layer, y, x), straight from the result."""
        found = self._data.isel(y=rows, x=cols).compute(scheduler="synchronous")
        arrays = [variable.values for variable in found.data_vars.values()]
        return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]

    def window(self, rows: slice, cols: slice, at: int | slice = slice(None)) -> np.ndarray:
        """A window, of all layers (time, y, x) or of one of them (y, x), by whole blocks."""
        rows, cols = (slice(s.start, min(s.stop, n)) for s, n in zip((rows, cols), self.shape[-2:], strict=True))
        lead = () if isinstance(at, int) else (len(range(*at.indices(self.shape[0]))),)
        found = np.empty((*lead, rows.stop - rows.start, cols.stop - cols.start), np.float32)
        for down, across in _crossed(self.edges, rows, cols):
            block = self._kept.get((id(self), down.start, across.start), partial(self.read, down, across))
            r, c = _common(rows, down), _common(cols, across)
            part = block[at][..., _within(r, down), _within(c, across)]
            found[..., _within(r, rows), _within(c, cols)] = part
        return found

    def readable(self, rows: slice, cols: slice) -> tuple[np.ndarray, list[str]]:
        """A window whose blocks that cannot be read have no data, float32; and which they are."""
        try:
            return self.read(rows, cols), []
        except Exception as error:  # codecs and readers raise errors of any kind
            if len(list(_crossed(self.single, rows, cols))) < 2:
                words = f"rows {rows.start} to {rows.stop - 1}, columns {cols.start} to {cols.stop - 1}: {error}"
                size = (self.shape[0], rows.stop - rows.start, cols.stop - cols.start)
                return np.full(size, np.nan, np.float32), [words]
        found = np.empty((self.shape[0], rows.stop - rows.start, cols.stop - cols.start), np.float32)
        notes = []
        for down, across in _crossed(self.single, rows, cols):
            r, c = _common(rows, down), _common(cols, across)
            found[:, _within(r, rows), _within(c, cols)], note = self.readable(r, c)
            notes += note
        return found, notes


class Kept:
    """The last blocks, of which no two threads read the same one at a time."""

    def __init__(self, limit: int = _KEPT_BYTES) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._readers = workers("read")
        self._blocks: OrderedDict[object, Future[np.ndarray]] = OrderedDict()
        self._bytes: dict[object, int] = {}

    def get(self, key: object, read: Callable[[], np.ndarray]) -> np.ndarray:
        """The block of a key, read by a function if it is not there."""
        with self._lock:
            future = self._blocks.get(key)
            if future is None or (future.done() and future.exception() is not None):
                future = self._blocks[key] = self._readers.submit(read)
            self._blocks.move_to_end(key)
        block = future.result()
        with self._lock:
            self._bytes[key] = block.nbytes
            while sum(self._bytes.values()) > self._limit and len(self._bytes) > 1:
                oldest = next(of for of in self._blocks if of in self._bytes)
                del self._blocks[oldest], self._bytes[oldest]
        return block

    def close(self) -> None:
        """End the threads that read."""
        self._readers.shutdown(wait=True, cancel_futures=True)


class Pyramid:
    """Levels of a layer (time, y, x), made window by window when they are first looked at.

    A window of levels 0, 1 and 2 is kept in a file with all its dates, as the blocks of the result have all of them, too;
    of a map all three are made at once. Coarser levels are made of level 2. Of a local store levels 0 and 1 are read each
    time.

    Parameters
    ----------
    blocks
        The layer.
    averaged
        See `halved`.
    folder
        Where windows are kept; must be empty.
    pool
        Threads that make them.
    stored
        The layer as a local store has it; None: it has none, or something else.
    turns
        Who comes first.
    beside
        Arrays of the store that clicks read, too: their checksums are compared with those of the layer, not at a click.
    """

    def __init__(
        self,
        blocks: Blocks,
        *,
        averaged: bool,
        folder: Path,
        pool: ThreadPoolExecutor,
        stored: StoredArray | None = None,
        turns: Turns | None = None,
        beside: Sequence[StoredArray] = (),
    ) -> None:
        self._blocks, self._averaged, self._folder, self._pool = blocks, averaged, folder, pool
        self._array, self._turns, self._beside = stored, turns or Turns(), beside
        self._lock = threading.Lock()
        self._made: dict[tuple[int, int, int], Future[None]] = {}
        self._at_once = blocks.shape[0] == 1 and stored is None
        self.damage: list[str] = []
        self._edges = [
            edges if (edges[1:-1] % 2**_STORED == 0).all() else np.cumsum([0, *_pieces(int(edges[-1]))])
            for edges in blocks.joined(_TOGETHER)
        ]

    def tile(self, level: int, time: int, rows: slice, cols: slice) -> np.ndarray:
        """A window of a level, of one date, float32; rows and columns are those of the level."""
        if level < _STORED and self._array is not None:
            with suppress(StoreError, OSError):  # then all windows with data are read, and what is damaged is noted
                return self._straight(self._array, level, time, rows, cols)
        stored = min(level, _STORED)
        steps = level - stored
        rows, cols = (slice(part.start << steps, part.stop << steps) for part in (rows, cols))
        values = self._stored(stored, time, rows, cols)
        for _ in range(steps):
            values = halved(values, averaged=self._averaged)
        return values

    def _straight(self, array: StoredArray, level: int, time: int, rows: slice, cols: slice) -> np.ndarray:
        """A window of a level, of one date, from the store."""
        rows, cols = (slice(part.start << level, part.stop << level) for part in (rows, cols))
        found = array.window(rows, cols, slice(time, time + 1))
        return self._coarse(found[0] if found.ndim == 3 else found, level)

    @property
    def progress(self) -> float:
        """Share of the windows that are made, of those that were asked for."""
        futures = list(self._made.values())
        return sum(future.done() for future in futures) / len(futures) if futures else 1.0

    def _stored(self, level: int, time: int, rows: slice, cols: slice) -> np.ndarray:
        """A window of a level that is kept, beyond whose edge there is nothing."""
        edges = [-(-of // 2**level) for of in self._edges]
        rows, cols = (slice(s.start, min(s.stop, int(of[-1]))) for s, of in zip((rows, cols), edges, strict=True))
        found = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        windows = [(i, j) for i in _numbers(edges[0], rows) for j in _numbers(edges[1], cols)]
        with self._lock:
            for i, j in windows:
                if (level, i, j) not in self._made:
                    levels = range(_STORED + 1) if self._at_once else range(level, level + 1)
                    future = self._pool.submit(self._make, levels, i, j)
                    self._made.update({(one, i, j): future for one in levels})
        for i, j in windows:
            down, across = (slice(int(of[k]), int(of[k + 1])) for of, k in zip(edges, (i, j), strict=True))
            r, c = _common(rows, down), _common(cols, across)
            self._made[level, i, j].result()
            kept = np.load(self._path(level, i, j), mmap_mode="r")
            found[_within(r, rows), _within(c, cols)] = kept[time, _within(r, down), _within(c, across)]
        return found

    def _path(self, level: int, i: int, j: int) -> Path:
        return self._folder / f"{level}.{i}.{j}.npy"

    def _make(self, levels: range, i: int, j: int) -> None:
        """Write a window of some levels with all its dates; what cannot be read has no data, and is noted."""
        rows, cols = (slice(int(edges[k]), int(edges[k + 1])) for edges, k in zip(self._edges, (i, j), strict=True))
        made: dict[int, list[np.ndarray]] = {level: [] for level in levels}
        for layer in self._layers(rows, cols):
            self._turns.wait()
            for level in levels:
                made[level].append(self._coarse(layer, level))
        for level in levels:
            np.save(self._path(level, i, j), np.stack(made.pop(level)))
        for array in self._beside:
            self._turns.wait()
            with suppress(StoreError, OSError):  # a click says it
                array.verify(rows, cols)

    def _layers(self, rows: slice, cols: slice) -> Iterator[np.ndarray]:
        """All dates of a window; of a local store without more of them in memory than a chunk has."""
        done = 0
        if self._array is not None:
            dates, step = self._blocks.shape[0], self._array.chunks[0]
            with suppress(StoreError, OSError):  # what is damaged is found block by block
                while done < dates:
                    found = self._array.window(rows, cols, slice(done, done + step))
                    layers = found if found.ndim == 3 else found[None]
                    yield from layers
                    done += len(layers)
                return
        values, notes = self._blocks.readable(rows, cols)
        self.damage += notes
        yield from values[done:]

    def _coarse(self, layer: np.ndarray, level: int) -> np.ndarray:
        part = numbers(layer)
        for _ in range(level):
            part = halved(part, averaged=self._averaged)
        return part


def workers(name: str, count: int = _WORKERS) -> ThreadPoolExecutor:
    """Threads for one kind of work."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"insarray-{name}")


def _pieces(size: int) -> tuple[int, ...]:
    return tuple(min(_EDGE, size - start) for start in range(0, size, _EDGE)) or (0,)


def _numbers(edges: np.ndarray, part: slice) -> range:
    """Numbers of the parts between edges that have some of a slice."""
    last = len(edges) - 1
    first = int(np.searchsorted(edges, part.start, "right")) - 1
    return range(first, min(int(np.searchsorted(edges, part.stop, "left")), last))


def _crossed(edges: list[np.ndarray], rows: slice, cols: slice) -> Iterator[tuple[slice, slice]]:
    """Parts between edges that have some of a window."""
    down, across = edges
    for i in _numbers(down, rows):
        for j in _numbers(across, cols):
            yield slice(int(down[i]), int(down[i + 1])), slice(int(across[j]), int(across[j + 1]))


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _common(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))
