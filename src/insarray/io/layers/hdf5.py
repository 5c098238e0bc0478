"""Three-dimensional HDF5 datasets as layers; nothing outside the file is followed."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from insarray.io.layers.decode import Decode
from insarray.io.locations import is_url, open_url
from insarray.model.errors import FileError
from insarray.model.secrets import cause_of

# HDF5 is one thread at a time by itself; one lock around a whole read keeps open, read and close together
_LOCK = threading.Lock()


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """The file, open for reading, while no other thread reads HDF5.

    Raises
    ------
    FileError
        If it is not there, cannot be opened, or fails while it is read.
    """
    if not is_url(path) and not Path(path).exists():
        raise FileError(f"{path}: does not exist")
    try:
        with _LOCK, ExitStack() as stack:
            source = stack.enter_context(open_url(str(path))) if is_url(path) else path
            yield stack.enter_context(h5py.File(source, "r"))
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise FileError(f"{path}: could not read it as HDF5 ({reason}); replace the file") from cause_of(error)


def dataset(file: Any, name: str) -> Any | None:
    """The dataset `name`, perhaps in a group (``"group/name"``), None if there is none.

    Raises
    ------
    FileError
        If it is a link, or keeps its values in other files: a file from elsewhere must not read local ones.
    """
    found = file
    for part in name.split("/"):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            return None
        found = found[part] if isinstance(link, h5py.HardLink) else None
    if isinstance(found, h5py.Group):
        return None
    if found is None or found.is_virtual or found.external:
        raise FileError(f"{file.filename}: {name} is a link or keeps its values elsewhere; copy them into the file")
    return found


def members(file: Any, name: str) -> list[str]:
    """Names in a group, none if there is no such group; links are not followed."""
    found = file
    for part in name.strip("/").split("/"):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(part, getlink=True), h5py.HardLink):
            return []
        found = found[part]
    return list(found) if isinstance(found, h5py.Group) else []


def require_own_values(path: str | Path) -> None:
    """Check that a NetCDF file reads no other file, for those who open it without this module; older formats cannot.

    Raises
    ------
    FileError
        If it links to another file, or a dataset keeps its values in one.
    """
    if not is_url(path) and not h5py.is_hdf5(path):
        return
    with opened(path) as file:

        def look(name: str, link: object) -> str | None:
            elsewhere = isinstance(link, h5py.ExternalLink)
            if isinstance(link, h5py.HardLink) and isinstance(file[name], h5py.Dataset):
                elsewhere = bool(file[name].is_virtual or file[name].external)
            return name if elsewhere else None

        found = file.visititems_links(look)
    if found is not None:
        raise FileError(f"{path}: {found} is a link or keeps its values elsewhere; copy them into the file")


def dataset_names(file: Any, ndim: int) -> list[str]:
    """Names of the datasets of the root group with `ndim` dimensions; links are not followed."""
    hard = (name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink))
    return [name for name in hard if isinstance(file[name], h5py.Dataset) and file[name].ndim == ndim]


@dataclass(frozen=True)
class Hdf5Layer:
    """A dataset (pair, row, col) of one file, or (row, col) for a static map.

    Parameters
    ----------
    path, name
        The file and the dataset in its root.
    index
        Position in the file of each pair.
    grid_shape, tile
        (rows, columns) of the grid and of a chunk.
    decode
        From stored to canonical values.
    fingerprint
        Of the file and of `decode`.
    """

    path: str
    name: str
    index: tuple[int, ...]
    grid_shape: tuple[int, int]
    tile: tuple[int, int]
    decode: Decode
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.index), *self.grid_shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of what `read` returns."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
        chosen = np.arange(len(self.index)) if pairs is None else np.asarray(pairs)
        stored = np.asarray(self.index)[chosen]
        out = np.empty((len(chosen), rows.stop - rows.start, cols.stop - cols.start), self.dtype)
        with opened(self.path) as file:
            source = dataset(file, self.name)
            if source is None or source.shape[-2:] != self.grid_shape:
                raise FileError(f"{self.path}: {self.name} changed since the stack was opened; open it again")
            if source.ndim == 2:
                raw = [source[rows, cols][None]]
            else:
                raw = [source[first : last + 1, rows, cols] for first, last in _runs(stored)]
        for k, plane in enumerate(chain.from_iterable(raw)):
            self.decode(plane, out[k], int(chosen[k]), f"{self.path}/{self.name}")
        return out


def _runs(index: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last of the stretches that count up by one, so that each is a single read."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return ((int(run[0]), int(run[-1])) for run in np.split(index, breaks))
