"""Protocols between products and the lazy stack: readers scan metadata, layers read windows of all pairs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from insarray.model.choices import Extent as Extent
from insarray.model.choices import ProductLayer as ProductLayer
from insarray.model.choices import Sign as Sign
from insarray.model.choices import Units as Units
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.place import Area

PathLike = str | os.PathLike[str]
"""Path or URL of a file or folder, or a pattern."""

Files = PathLike | Sequence[PathLike]

AreaLike = PathLike | Sequence[float | str] | Area
"""Area of interest, see `insarray.io.areas.window_of`."""

Window = tuple[slice, slice]
"""Rows and columns."""


class Layer(Protocol):
    """Variable of a stack in its files: cheap to pickle, opened for each read, safe to share between threads."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result of `read`."""

    @property
    def tile(self) -> tuple[int, int]:
        """(rows, cols) of a tile, which the files store and decode as a unit."""

    @property
    def fingerprint(self) -> str:
        """Hash that changes when a file or its decoding changes."""

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, shape (pair, row, col), of all or selected pairs.

        Raises
        ------
        FileError
            If a file cannot be read.
        StackError
            If it holds values that are invalid for its variable.
        """


@dataclass(frozen=True)
class LayerOver:
    """Base of the layers made from another one: shape, data type, tiles and files are those of `inner`.

    Parameters
    ----------
    inner
        The other layer.
    """

    inner: Layer

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.inner.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result of `read`."""
        return self.inner.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Tile shape of the files."""
        return self.inner.tile

    @property
    def fingerprint(self) -> str:
        """Hash of the files and their decoding."""
        return self.inner.fingerprint


@dataclass(frozen=True)
class StackSource:
    """Content of a product, before any pixel is read.

    Parameters
    ----------
    network, grid
        Network of the pairs and grid of the pixels, in the order of the layers.
    layers
        Layers by canonical name, shape (pair, row, col).
    paths
        Input files.
    zero_is_nodata
        A phase of exactly 0 is no-data unless components and coherence, if any, indicate data.
    wavelength
        Metres; None if unknown.
    attrs
        Further attributes of the stack.
    maps
        Static layers by canonical name, shape (1, row, col).
    members
        Files that the input files consist of: headers, sources of a VRT.
    notes
        Notes for the user on how the files were used, such as extents and excluded versions; each is a clause.
    fingerprints
        Hashes of the files of each pair and of their decoding, hexadecimal; empty if pairs share files.
    window
        Rows and columns of the grid covered by layers and maps; None for all.
    """

    network: Network
    grid: Grid
    layers: dict[str, Layer]
    paths: tuple[Path, ...]
    zero_is_nodata: bool = False
    wavelength: float | None = None
    attrs: dict[str, object] = field(default_factory=dict)
    maps: dict[str, Layer] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    window: Window | None = None


@dataclass(frozen=True)
class Options:
    """Options of `open_stack` for the reader; None if not given."""

    coherence: Files | None = None
    components: Files | None = None
    baselines: PathLike | None = None
    wavelength: float | None = None
    sign: Sign | None = None
    units: Units | None = None
    nodata: float | None = None
    dates: str | None = None
    variable: str | None = None
    extent: Extent | None = None
    resample: bool | None = None
    dem: PathLike | None = None
    layers: tuple[ProductLayer, ...] | None = None

    def given(self) -> set[str]:
        """Return the names of the given options."""
        return {name for name in self.__dataclass_fields__ if getattr(self, name) is not None}


class Reader(Protocol):
    """Protocol of readers, one per product."""

    @property
    def name(self) -> str:
        """Name of the product."""

    @property
    def looks_for(self) -> str:
        """Description of the files by which the product is recognised."""

    @property
    def options(self) -> frozenset[str]:
        """Names of the options that apply to the product."""

    def recognises(self, path: Path) -> bool:
        """Return whether an existing file or folder is this product; never raises."""

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read and check all metadata.

        Raises
        ------
        FileError
            If a file is missing, unreadable or not what it should be.
        StackError
            If the files do not belong together.
        """
