"""Layers of HDF5 datasets with up to four dimensions; links and external storage are not followed."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from insarray.io.layers.decode import Decode
from insarray.io.locations import is_url, open_url
from insarray.model.errors import FileError
from insarray.model.secrets import cause_of

# HDF5 serializes calls itself; one lock per read keeps open, read and close together
_LOCK = threading.Lock()


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open the file for reading, excluding HDF5 reads in other threads.

    Raises
    ------
    FileError
        If it does not exist, cannot be opened, or fails while it is read.
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
    """Return the dataset `name`, optionally in a group (``"group/name"``), or None.

    Raises
    ------
    FileError
        If it is a link, or stores its values in other files: an untrusted file must not read local ones.
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
        raise _elsewhere(file.filename, name)
    return found


def members(file: Any, name: str) -> list[str]:
    """Return the names in a group, or an empty list if there is no such group; links are not followed."""
    found = file
    for part in name.strip("/").split("/"):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(part, getlink=True), h5py.HardLink):
            return []
        found = found[part]
    return list(found) if isinstance(found, h5py.Group) else []


def require_own_values(path: str | Path) -> None:
    """Check that a NetCDF-4 file reads no other file, before it is opened by other libraries.

    Raises
    ------
    FileError
        If it links to another file, or a dataset stores its values in one.
    """
    found = virtual_datasets(path)
    if found:
        raise _elsewhere(path, found[0])


def virtual_datasets(path: str | Path) -> list[str]:
    """Return the datasets of a NetCDF-4 file that name regions of other files, of sizes known without opening these.

    Raises
    ------
    FileError
        If the file refers to other files in another way.
    """
    if not is_url(path) and not h5py.is_hdf5(path):
        return []
    virtual: list[str] = []
    with opened(path) as file:

        def look(name: str, link: object) -> str | None:
            if isinstance(link, h5py.ExternalLink):
                return name
            found = file[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(found, h5py.Dataset) and found.is_virtual:
                virtual.append(name)
                return None if _is_bounded(found) else name
            return name if isinstance(found, h5py.Dataset) and found.external else None

        refused = file.visititems_links(look)
    if refused is not None:
        raise _elsewhere(path, refused)
    return virtual


def _is_bounded(virtual: Any) -> bool:
    """Return whether no other file is opened to find the size of a virtual dataset."""
    spaces = [space for part in virtual.virtual_sources() for space in (part.vspace, part.src_space)]
    hyperslabs = [space for space in spaces if space.get_select_type() == h5py.h5s.SEL_HYPERSLABS]
    regular = [space for space in hyperslabs if space.is_regular_hyperslab()]
    return not any(h5py.h5s.UNLIMITED in n for space in regular for n in space.get_regular_hyperslab())


def _elsewhere(path: str | Path, name: str) -> FileError:
    return FileError(f"{path}: {name} is a link or keeps its values elsewhere; copy them into the file")


def dataset_names(file: Any, ndim: int) -> list[str]:
    """Return the names of the datasets in the root group with `ndim` dimensions; links are not followed."""
    hard = (name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink))
    return [name for name in hard if isinstance(file[name], h5py.Dataset) and file[name].ndim == ndim]


@dataclass(frozen=True)
class Hdf5Layer:
    """Dataset (pair, row, col) of one file, (row, col) for a static map, or (date, date, row, col) for a covariance.

    Parameters
    ----------
    path, name
        File, and dataset in its root group.
    index
        Index in the file of each pair; of each pair of dates, row by row, for a covariance.
    grid_shape, tile
        (rows, columns) of the grid and of a chunk.
    decode
        Decoder of stored values.
    fingerprint
        Hash of the file and of `decode`.
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
        """Data type of the result of `read`."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        chosen = np.arange(len(self.index)) if pairs is None else np.asarray(pairs)
        stored = np.asarray(self.index)[chosen]
        out = np.empty((len(chosen), rows.stop - rows.start, cols.stop - cols.start), self.dtype)
        with opened(self.path) as file:
            source = dataset(file, self.name)
            if source is None or source.shape[-2:] != self.grid_shape:
                raise FileError(f"{self.path}: {self.name} changed since the stack was opened; open it again")
            planes = list(_planes(source, stored, rows, cols))
        for k, plane in enumerate(planes):
            self.decode(plane, out[k], int(chosen[k]), f"{self.path}/{self.name}")
        return out


def _planes(source: Any, index: np.ndarray, rows: slice, cols: slice) -> Iterator[np.ndarray]:
    """Yield the stored window of each index."""
    if source.ndim == 2:
        yield source[rows, cols]
    elif source.ndim == 3:
        for first, last in _runs(index):
            yield from source[first : last + 1, rows, cols]
    else:
        for row, cells in groupby(index.tolist(), lambda cell: cell // source.shape[1]):
            yield from source[row, :, rows, cols][[cell % source.shape[1] for cell in cells]]


def _runs(index: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield first and last index of runs of consecutive indices, each of which is a single read."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return ((int(run[0]), int(run[-1])) for run in np.split(index, breaks))
