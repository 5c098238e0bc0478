"""Layers of one HDF5 or NetCDF-4 file per pair, each placed on the common grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.files import fingerprint
from insarray.io.layers.decode import Decode
from insarray.io.layers.extents import Common, Place
from insarray.io.layers.hdf5 import dataset, opened
from insarray.model.conventions import FILL
from insarray.model.errors import FileError


@dataclass(frozen=True)
class Hdf5FilesLayer:
    """Dataset (row, col) of one file per pair.

    Parameters
    ----------
    paths
        One per pair.
    name
        Name of the dataset, with its groups.
    grid_shape
        (rows, columns) of the grid.
    places
        Place of each file on the grid.
    tile
        (rows, columns) of a chunk.
    decode
        Decoder of stored values.
    fingerprint
        Hash of the files and of `decode`.
    """

    paths: tuple[str, ...]
    name: str
    grid_shape: tuple[int, int]
    places: tuple[Place, ...]
    tile: tuple[int, int]
    decode: Decode
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.paths), *self.grid_shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result of `read`."""
        return self.decode.dtype

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`; no-data outside the files."""
        chosen = range(len(self.paths)) if pairs is None else pairs
        out = np.full((len(chosen), rows.stop - rows.start, cols.stop - cols.start), FILL[self.dtype.name], self.dtype)
        for plane, pair in zip(out, chosen, strict=True):
            overlap = self.places[pair].overlap(rows, cols)
            if overlap is not None:
                raw = self._raw(self.paths[pair], self.places[pair], *overlap[0])
                self.decode(self.places[pair].upright(raw), plane[overlap[1]], pair, f"{self.paths[pair]}/{self.name}")
        return out

    def _raw(self, path: str, place: Place, rows: slice, cols: slice) -> np.ndarray:
        with opened(path) as file:
            source = dataset(file, self.name)
            if source is None or source.shape != (place.height, place.width):
                raise FileError(f"{path}: {self.name} changed since the stack was opened; open it again")
            return np.asarray(source[rows, cols])


def hdf5_files_layer(
    paths: Sequence[str], name: str, common: Common, tile: tuple[int, int], decode: Decode
) -> Hdf5FilesLayer:
    """Return the layer of files, one per pair, that match the pixels of `common.grid`."""
    places = tuple(place for place in common.places if place is not None)
    digest = fingerprint(paths, name, decode, common.grid, places)
    return Hdf5FilesLayer(tuple(paths), name, common.grid.shape, places, tile, decode, digest)
