"""The protocol between products and the lazy stack: a reader scans metadata, a layer reads windows of all pairs."""

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
    """One variable of a stack in its files: cheap to pickle, opened for each read, safe to share between threads."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of what `read` returns."""

    @property
    def tile(self) -> tuple[int, int]:
        """(rows, cols) that the files store, and decode, together."""

    @property
    def fingerprint(self) -> str:
        """Changes when a file or the way it is decoded changes."""

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, shape (pair, row, col), of all pairs or of those listed.

        Raises
        ------
        FileError
            If a file cannot be read.
        StackError
            If it holds values that its variable cannot have.
        """


@dataclass(frozen=True)
class StackSource:
    """What a product holds, before any pixel is read.

    Parameters
    ----------
    network, grid
        Pairs and pixels, in the order of the layers.
    layers
        By canonical name, shape (pair, row, col).
    paths
        Input files.
    zero_is_nodata
        A phase of exactly 0 is no-data unless the components, and the coherence if there is any, say otherwise.
    wavelength
        Metres, None if unknown.
    attrs
        What else is known of the stack, for its attributes.
    maps
        Static layers by canonical name, shape (1, row, col).
    members
        Files that the input files consist of: headers, sources of a VRT.
    notes
        What the user should know of how the files were taken, each a clause: extents, versions left out.
    fingerprints
        Of the files of each pair and of how they are decoded, hexadecimal; none if pairs share files.
    window
        Rows and columns of the grid that the layers and maps have; None for all.
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
    """Options of `open_stack` that concern the product; None where not given."""

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
        """Names of the options that were given."""
        return {name for name in self.__dataclass_fields__ if getattr(self, name) is not None}


class Reader(Protocol):
    """One product."""

    @property
    def name(self) -> str:
        """Name of the product."""

    @property
    def looks_for(self) -> str:
        """What it is recognised by, in words."""

    @property
    def options(self) -> frozenset[str]:
        """Options that apply to it."""

    def recognises(self, path: Path) -> bool:
        """Whether an existing file or folder is this product; never raises."""

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read and check all metadata.

        Raises
        ------
        FileError
            If a file is missing, unreadable or not what it should be.
        StackError
            If the files don't belong together.
        """
