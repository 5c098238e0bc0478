"""Windows of local stores without whole blocks in memory, and clicks before what is read ahead."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.engine.open import job_of
from insarray.engine.store.windows import StoredArray
from insarray.io.locations import is_url
from insarray.model.errors import StoreError

if TYPE_CHECKING:
    from insarray.viewer.pyramid import Kept

_LONGEST = 2.0  # s that work in the background waits for clicks
_DIMS = (("time", "y", "x"), ("y", "x"))


def stored_arrays(path: str, data: xr.Dataset, source: xr.Dataset) -> dict[str, StoredArray]:
    """Arrays of a local store that are read as they are there, by their names.

    Parameters
    ----------
    path
        Where the result is.
    data
        What is shown of it.
    source
        What was opened.
    """
    if not path or is_url(path) or not os.path.exists(path) or job_of(path) is None:
        return {}
    found = {}
    for name in map(str, data.data_vars):
        if name in source and _is_same(data[name], source[name]):
            with suppress(StoreError, ValueError, OSError):  # stored in another way: read as any other result
                array = StoredArray(os.path.join(path, name))
                if (array.shape, array.dtype) == (data[name].shape, data[name].dtype):
                    found[name] = array
    return found


def _is_same(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether nothing was done to a lazy array: Dask names what is computed by how."""
    return one.dims == other.dims and one.dims in _DIMS and bool(one.chunks) and one.data.name == other.data.name


class Straight:
    """Series, or several maps, of which only what a window needs is decoded.

    Parameters
    ----------
    arrays
        A series, or maps.
    kept
        Memory for the last rows of chunks: neighbours are in them, too.
    """

    def __init__(self, arrays: Sequence[StoredArray], kept: "Kept") -> None:
        self._arrays, self._kept = arrays, kept

    def window(self, rows: slice, cols: slice) -> np.ndarray:
        """A window (layer, y, x), float32."""
        width = self._arrays[0].chunks[-1]
        parts = []
        for start in range(cols.start - cols.start % width, cols.stop, width):
            key = (id(self), rows.start, rows.stop, start)
            band = self._kept.get(key, partial(self._read, rows, slice(start, start + width)))
            parts.append(band[..., max(cols.start - start, 0) : cols.stop - start])
        return np.concatenate(parts, axis=-1)

    def _read(self, rows: slice, cols: slice) -> np.ndarray:
        parts = [array.window(rows, cols).astype(np.float32, copy=False) for array in self._arrays]
        return parts[0] if parts[0].ndim == 3 else np.stack(parts)


class Turns:
    """Lets work in the background wait while somebody waits for an answer."""

    def __init__(self) -> None:
        self._waiting, self._lock, self._free = 0, threading.Lock(), threading.Event()
        self._free.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Others wait meanwhile."""
        with self._lock:
            self._waiting += 1
            self._free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._free.set()

    def wait(self) -> None:
        """Wait until nobody else does, but not for ever."""
        self._free.wait(_LONGEST)
