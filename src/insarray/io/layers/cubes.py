"""Coarse geometry cubes (height, y, x) of products, interpolated at the heights of a DEM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.warp import Resampling

from insarray.io.files import expand_one, fingerprint
from insarray.io.layers.granules import fill_value, grid_of_centres
from insarray.io.layers.hdf5 import dataset, opened
from insarray.io.layers.headers import read_headers
from insarray.io.layers.warp import read_on_grid
from insarray.io.source import Layer, PathLike
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid

Quantity = Callable[[Sequence[np.ndarray], np.ndarray, np.ndarray], np.ndarray]
"""Function of stored cubes (height, y, x), heights and y of their nodes that returns the cube of a quantity."""

_TILE = (512, 512)
_PROBE = 64  # rows and columns of the DEM that are tested
_EDGE = 1e-6  # cells; tolerance for rounded coordinates


def trilinear(cube: np.ndarray, levels: np.ndarray, row: np.ndarray, col: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Interpolate a cube at the heights of the pixels of a grid.

    Parameters
    ----------
    cube
        Cube (level, y, x), at least two nodes along each axis.
    levels
        Heights of the levels, shape (level,), increasing.
    row, col
        Fractional node indices of the rows and columns of the grid; shapes (row,) and (col,).
    height
        Heights of the pixels in the unit of `levels`, shape (row, col).

    Returns
    -------
    numpy.ndarray
        float64, shape (row, col); NaN outside the cube, where the height is NaN, and next to NaN nodes.
    """
    i, along_y = _cell(row, cube.shape[1])
    j, along_x = _cell(col, cube.shape[2])
    position = np.interp(height, levels, np.arange(len(levels)), left=np.nan, right=np.nan)
    k, upward = _cell(np.where(np.isnan(height), np.nan, position), cube.shape[0])
    out = np.zeros(height.shape)
    for up in (0, 1):
        for down in (0, 1):
            for right in (0, 1):
                weight = _weight(upward, up) * _weight(along_y, down)[:, None] * _weight(along_x, right)
                out += weight * cube[k + up, (i + down)[:, None], j + right]
    return out


def _cell(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first node of the cell of each position, and the fraction within the cell, NaN outside the cube."""
    inside = (position >= -_EDGE) & (position <= size - 1 + _EDGE)
    first = np.clip(np.floor(np.where(inside, position, 0)), 0, size - 2).astype(np.intp)
    return first, np.where(inside, np.clip(position - first, 0, 1), np.nan)


def _weight(place: np.ndarray, far: int) -> np.ndarray:
    return place if far else 1 - place


@dataclass(frozen=True)
class Cube:
    """Quantity on the nodes of a cube in a file.

    Parameters
    ----------
    path, names
        File, and datasets (height, y, x) from which the quantity is computed.
    levels
        Heights in metres, increasing.
    grid
        Nodes along y and x, as pixel centres.
    nodata
        Stored no-data values, in addition to NaN.
    quantity
        Module-level function of the datasets, so that it can be sent to workers.
    """

    path: str
    names: tuple[str, ...]
    levels: tuple[float, ...]
    grid: Grid
    nodata: tuple[float, ...]
    quantity: Quantity

    def at_middle(self, grid: Grid) -> float | None:
        """Return the quantity at height 0 in the middle of a grid, or None if it is unknown there."""
        x, y = grid.left + grid.dx * grid.width / 2, grid.top + grid.dy * grid.height / 2
        value = float(self.at(np.array([x]), np.array([y]), np.zeros((1, 1)))[0, 0])
        return value if np.isfinite(value) else None

    def at(self, x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Return the quantity at x (col,) and y (row,) in the cube's CRS and heights (row, col), float64."""
        col, row = (x - self.grid.left) / self.grid.dx - 0.5, (y - self.grid.top) / self.grid.dy - 0.5
        rows, cols = (_span(where, size) for where, size in zip((row, col), self.grid.shape, strict=True))
        nodes = self._nodes(rows, cols)
        return trilinear(nodes, np.array(self.levels), row - rows.start, col - cols.start, height)

    def _nodes(self, rows: slice, cols: slice) -> np.ndarray:
        stored = []
        with opened(self.path) as file:
            for name in self.names:
                source = dataset(file, name)
                if source is None or source.shape != (len(self.levels), *self.grid.shape):
                    raise FileError(f"{self.path}: {name} is not the cube that it was, or should be; download it again")
                values = np.asarray(source[:, rows, cols], np.float64)
                values[np.isin(values, self.nodata)] = np.nan
                stored.append(values)
        return self.quantity(stored, np.array(self.levels), self.grid.y[rows])


def _span(position: np.ndarray, size: int) -> slice:
    """Return the slice of nodes, at least two, around all positions."""
    first = int(np.clip(np.floor(position.min()), 0, size - 2))
    last = int(np.clip(np.ceil(position.max()), first + 1, size - 1))
    return slice(first, last + 1)


def open_cube(
    path: str,
    group: str,
    datasets: Sequence[str],
    axes: tuple[str, str, str],
    crs: Callable[[Any], str],
    nodata: tuple[float, ...] = (),
    quantity: Quantity | None = None,
) -> Cube | None:
    """Open the cube of the datasets of a group.

    Parameters
    ----------
    path, group
        File, and group with a trailing slash.
    datasets
        Datasets of equal shape. If they have two levels and there are more heights, they belong to the lowest and
        highest.
    axes
        Names of the datasets of heights, y and x.
    crs
        Function that returns the WKT of x and y from the file.
    nodata
        Stored no-data values, in addition to NaN and the fill value.
    quantity
        Function of the datasets; None for the first dataset itself.

    Returns
    -------
    Cube or None
        None if there is no such cube with at least two nodes along each axis.

    Raises
    ------
    FileError
        If its axes are missing or not monotonic.
    """
    with opened(path) as file:
        heights, y, x = (dataset(file, group + name) for name in axes)
        found = [dataset(file, group + name) for name in datasets]
        cubes = [one for one in found if one is not None and one.ndim == 3 and min(one.shape) > 1]
        if heights is None or len(cubes) < len(found):
            return None
        grid = grid_of_centres(file, x, y, crs(file))
        levels = [float(level) for level in heights[:]]
        fills = {fill for one in cubes if (fill := fill_value(one)) is not None}
        if cubes[0].shape[0] == 2:
            levels = [levels[0], levels[-1]]
    if levels != sorted(set(levels)):
        raise FileError(f"{path}: {group}{axes[0]} is not in rising order; download it again")
    names = tuple(group + name for name in datasets)
    return Cube(path, names, tuple(levels), grid, (*nodata, *sorted(fills)), quantity or as_stored)


def as_stored(cubes: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the first cube."""
    return cubes[0]


@dataclass(frozen=True)
class DemLayer:
    """Heights (m) of a raster on any grid, interpolated bilinearly to the grid of a stack, window by window."""

    path: str
    grid: Grid
    dtype = np.dtype(np.float32)
    tile = _TILE

    @property
    def shape(self) -> tuple[int, int, int]:
        """(1, row, col)."""
        return 1, *self.grid.shape

    @property
    def fingerprint(self) -> str:
        """Hash of the file."""
        return fingerprint([self.path], self.grid)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`."""
        return _repeat(read_on_grid(self.path, self.grid, Resampling.bilinear, (rows, cols)), pairs)


def highest_of(dem: PathLike, grid: Grid) -> float:
    """Greatest height of a raster on the grid of a stack, from its overviews if it has some; NaN if it has no data there."""
    rows, cols = (min(size, _PROBE) for size in grid.shape)
    coarse = Grid(rows, cols, grid.left, grid.top, grid.dx * grid.width / cols, grid.dy * grid.height / rows, grid.crs)
    values = read_on_grid(dem, coarse, Resampling.max)
    return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class CubeLayer:
    """Cube interpolated at the heights of a DEM, as a static map."""

    cube: Cube
    dem: DemLayer
    dtype = np.dtype(np.float32)
    tile = _TILE

    @property
    def shape(self) -> tuple[int, int, int]:
        """(1, row, col)."""
        return self.dem.shape

    @property
    def fingerprint(self) -> str:
        """Hash of the files of cube and DEM."""
        cube = self.cube
        return fingerprint([cube.path, self.dem.path], cube.names, cube.quantity.__name__, self.dem.grid)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`."""
        grid = self.dem.grid
        height = self.dem.read(rows, cols)[0].astype(np.float64)
        return _repeat(self.cube.at(grid.x[cols], grid.y[rows], height).astype(np.float32), pairs)


def _repeat(plane: np.ndarray, pairs: Sequence[int] | None) -> np.ndarray:
    return plane[None] if pairs is None else plane[None][list(pairs)]


def dem_path(dem: PathLike | None) -> Path | None:
    """Return the path of the given raster, or None; raise ArgumentError for a pattern with several matches."""
    return None if dem is None else expand_one(dem, "dem", "give one raster, for example a VRT of them")


def geometry_maps(cubes: dict[str, Cube], grid: Grid, dem: Path | None) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return maps of cubes at the heights of a DEM, and the heights.

    Parameters
    ----------
    cubes
        Cubes by canonical name.
    grid
        Grid of the stack, in the CRS of the cubes.
    dem
        Raster of heights above the ellipsoid in metres; without one there are no maps.

    Returns
    -------
    maps
        Maps by canonical name.
    notes
        What is missing, and which option provides it.

    Raises
    ------
    FileError
        If the DEM cannot be read or has no CRS.
    StackError
        If it has no heights within the cubes on the grid.
    """
    if not cubes:
        return {}, () if dem is None else ("the products have no geometry cubes, so that the DEM is not used",)
    if dem is None:
        return {}, (f"{', '.join(cubes)} are left out: they need heights, a raster given with dem (--dem)",)
    if read_headers([dem])[0].grid.crs is None:
        raise FileError(f"{dem}: has no CRS, so that nothing tells where its heights are; write one into it")
    size = min(_PROBE, grid.height), min(_PROBE, grid.width)
    coarse = Grid(*size, grid.left, grid.top, grid.dx * grid.width / size[1], grid.dy * grid.height / size[0], grid.crs)
    heights = read_on_grid(dem, coarse, Resampling.bilinear)
    first = next(iter(cubes.values()))
    low, high = first.levels[0], first.levels[-1]
    if not ((heights >= low) & (heights <= high)).any():
        raise StackError(
            f"{dem}: has no height between {low:g} and {high:g} m within the stack; give a DEM that covers it"
        )
    share = np.isfinite(first.at(coarse.x, coarse.y, heights.astype(np.float64))).mean()
    layer = DemLayer(str(dem), grid)
    maps: dict[str, Layer] = {name: CubeLayer(cube, layer) for name, cube in cubes.items()}
    partly = f"geometry is known in {100 * share:.0f} % of the stack, where {dem.name} and the cubes have values"
    return maps | {"height": layer}, () if share == 1 else (partly,)
