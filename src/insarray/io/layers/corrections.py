"""Correction layers of products: contributions to the phase, on coarser grids or on height levels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.files import fingerprint
from insarray.io.layers.cubes import Cube, DemLayer, trilinear
from insarray.io.layers.hdf5 import dataset, opened
from insarray.io.source import ProductLayer
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

_TILE = (512, 512)
_HALF = 0.5 + 1e-6  # coarse pixels: how far a coarse layer extends beyond its outermost pixel centres


def wanted(layers: Sequence[ProductLayer] | None, known: Sequence[str], product: str) -> Sequence[ProductLayer]:
    """Return the requested layers; raise ArgumentError for one that the product never has."""
    for name in layers or ():
        if name not in known:
            raise ArgumentError(
                f"layers: products of {product} have no {name!r}, only {', '.join(known)}; leave it out"
            )
    return layers or ()


def dem_for(name: str, dem: Path | None, grid: Grid) -> DemLayer:
    """Return the heights at which a cube of height levels is interpolated; raise ArgumentError without a DEM."""
    if dem is None:
        raise ArgumentError(
            f"layers: {name} is on levels of height, give a raster of heights with dem (--dem) to read it at"
        )
    return DemLayer(str(dem), grid)


def lacks(path: str, name: str, dataset_name: str) -> FileError:
    """Return the error for a product without a requested layer."""
    return FileError(
        f"{path}: has no {dataset_name}, of which {name} is made; leave {name} out of layers, or the product"
    )


@dataclass(frozen=True)
class CubesLayer:
    """Sums of cubes interpolated at the heights of a DEM, (pair, row, col).

    Parameters
    ----------
    terms
        For each pair, the cubes and their factors.
    dem
        Heights of the pixels.
    """

    terms: tuple[tuple[tuple[float, Cube], ...], ...]
    dem: DemLayer
    dtype = np.dtype(np.float32)
    tile = _TILE

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.terms), *self.dem.grid.shape

    @property
    def fingerprint(self) -> str:
        """Hash of the files of cubes and DEM, and of the factors."""
        flat = [(factor, cube) for of_pair in self.terms for factor, cube in of_pair]
        paths = [self.dem.path, *(cube.path for _, cube in flat)]
        return fingerprint(paths, [(factor, cube.names) for factor, cube in flat], self.dem.grid)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`."""
        chosen = range(len(self.terms)) if pairs is None else pairs
        x, y = self.dem.grid.x[cols], self.dem.grid.y[rows]
        height = self.dem.read(rows, cols)[0].astype(np.float64)
        out = np.zeros((len(chosen), *height.shape), np.float32)
        for plane, pair in zip(out, chosen, strict=True):
            plane[...] = sum(factor * cube.at(x, y, height) for factor, cube in self.terms[pair])
        return out


@dataclass(frozen=True)
class CoarseLayer:
    """Dataset (row, col) of one file per pair on a coarser grid than that of the stack, interpolated bilinearly.

    Parameters
    ----------
    paths, name
        Files, and name of the dataset in each.
    grids
        Grid of the dataset in each file, in the CRS of `grid`.
    factors
        Factor of the values of each file.
    grid
        Grid of the stack.
    """

    paths: tuple[str, ...]
    name: str
    grids: tuple[Grid, ...]
    factors: tuple[float, ...]
    grid: Grid
    dtype = np.dtype(np.float32)
    tile = _TILE

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return len(self.paths), *self.grid.shape

    @property
    def fingerprint(self) -> str:
        """Hash of the files and of how they are read."""
        read = f"{fingerprint(self.paths, self.name, self.factors)}\0{self.grids}\0{self.grid}"
        return hashlib.sha256(read.encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`; NaN where the coarse layer has no data, and beyond it."""
        chosen = range(len(self.paths)) if pairs is None else pairs
        return np.stack([self._plane(pair, rows, cols) for pair in chosen]).astype(np.float32)

    def _plane(self, pair: int, rows: slice, cols: slice) -> np.ndarray:
        coarse = self.grids[pair]
        with opened(self.paths[pair]) as file:
            source = dataset(file, self.name)
            if source is None or source.shape != coarse.shape:
                raise FileError(f"{self.paths[pair]}: {self.name} changed since the stack was opened; open it again")
            values = np.asarray(source[:], np.float64)
        col = _within((self.grid.x[cols] - coarse.left) / coarse.dx - 0.5, coarse.width)
        row = _within((self.grid.y[rows] - coarse.top) / coarse.dy - 0.5, coarse.height)
        at = trilinear(np.stack([values, values]), np.array([0.0, 1.0]), row, col, np.zeros((len(row), len(col))))
        return self.factors[pair] * at


def _within(position: np.ndarray, size: int) -> np.ndarray:
    """Clip positions in the outer halves of the first and last pixel to their centres; NaN farther out."""
    inside = (position >= -_HALF) & (position <= size - 1 + _HALF)
    return np.where(inside, np.clip(position, 0, size - 1), np.nan)
