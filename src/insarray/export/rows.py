"""Rows of a table of points, some thousands at a time: of a dataset of points, or of the pixels of an image, block by block."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from insarray.export.columns import Columns
from insarray.io.polygons import Polygons
from insarray.io.source import Window
from insarray.model.dataset import crs_of, grid_of
from insarray.model.errors import ArgumentError
from insarray.model.grid import is_geographic
from insarray.products.views.layers import evenly_chunked
from insarray.products.views.points import as_row
from insarray.products.views.stacks import as_series

_ROWS = 8192  # handed on at once
_BLOCK_BYTES = 64 * 2**20  # read at once where the data do not say how they are chunked
_LONLAT = "EPSG:4326"

_Naming = Callable[[np.ndarray], list[str]]
"""Names of the points of a block at some positions."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Parameters
    ----------
    pid
        Names of the points.
    x, y
        Their places in the CRS of the table.
    longitude, latitude
        The same in degrees, WGS 84.
    maps
        Numbers by the names of their columns.
    series
        Displacement in mm, (row, date).
    """

    pid: list[str]
    x: np.ndarray
    y: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    maps: Mapping[str, np.ndarray]
    series: np.ndarray

    def __len__(self) -> int:
        return len(self.pid)


@dataclass(frozen=True)
class Source:
    """What rows are made of.

    Parameters
    ----------
    data
        Dataset with the dimension point, or on a grid, dates ascending.
    columns
        What is taken of it.
    crs
        Of its places.
    every
        Only each n-th row and column, or point.
    window
        Only these rows and columns of an image; None: all.
    polygons
        Only what is inside; None: all.
    """

    data: xr.Dataset
    columns: Columns
    crs: str
    every: int = 1
    window: Window | None = None
    polygons: Polygons | None = None

    def rows(self) -> Iterator[Rows]:
        """All rows, block by block; points without any number are left out."""
        blocks = self._points() if self.columns.dims == ("point",) else self._pixels()
        for block, names, x, y in blocks:
            yield from self._of_block(block, names, x, y)

    def _points(self) -> Iterator[tuple[xr.Dataset, _Naming, np.ndarray, np.ndarray]]:
        numbers = _every(self.data.sizes["point"], self.every, slice(0, self.data.sizes["point"]))
        thin = self.data.isel(point=slice(numbers.start, numbers.stop, numbers.step))
        names = _names_of_points(thin)
        count = max(_ROWS, _BLOCK_BYTES // (4 * (len(self.columns.dates) + len(self.columns.maps))))
        for start in range(0, thin.sizes["point"], count):
            part = slice(start, start + count)
            block = self._loaded(thin.isel(point=part))
            x, y = (np.asarray(block[name].values, np.float64) for name in ("x", "y"))
            yield block, partial(_picked, names[part]), x, y

    def _pixels(self) -> Iterator[tuple[xr.Dataset, _Naming, np.ndarray, np.ndarray]]:
        grid = grid_of(self.data)
        ends = self.window or (slice(0, grid.height), slice(0, grid.width))
        numbers = [_every(n, self.every, part) for n, part in zip(grid.shape, ends, strict=True)]
        thin = self.data.isel(
            {dim: slice(at.start, at.stop, at.step) for dim, at in zip(("y", "x"), numbers, strict=True)}
        )
        inside = None if self.polygons is None else self.polygons.on(grid)
        digits = [len(str(n - 1)) for n in grid.shape]
        for rows, cols in _windows(thin, len(self.columns.dates) + len(self.columns.maps)):
            row, col = (part.ravel() for part in np.meshgrid(numbers[0][rows], numbers[1][cols], indexing="ij"))
            chosen = np.ones(row.size, bool) if inside is None else inside[row, col]
            if not chosen.any():
                continue
            block = self._loaded(thin.isel(y=rows, x=cols)).stack(point=("y", "x"), create_index=False)
            block = block.isel(point=np.flatnonzero(chosen))
            row, col = row[chosen], col[chosen]
            yield block, partial(_named, row, col, digits), grid.x[col], grid.y[row]

    def _loaded(self, block: xr.Dataset) -> xr.Dataset:
        """What the columns are of, in memory."""
        names = [column.source for column in self.columns.maps]
        found = block[[*names, *(["displacement"] if self.columns.dates else [])]].compute()
        return found.transpose("time", *self.columns.dims, missing_dims="ignore")

    def _of_block(self, block: xr.Dataset, names: _Naming, x: np.ndarray, y: np.ndarray) -> Iterator[Rows]:
        """Rows of the points of a block that have numbers, in parts."""
        maps = {column.name: block[column.source].values for column in self.columns.maps}
        measured = [maps[column.name] for column in self.columns.maps if column.is_measured]
        series = block["displacement"].values if self.columns.dates else np.zeros((0, x.size), np.float32)
        known = np.isfinite(series).any(axis=0)
        if not self.columns.dates:
            known = np.isfinite(measured).any(axis=0) if measured else known
        if self.polygons is not None and self.columns.dims == ("point",):
            known &= self.polygons.contain(x, y)
        factors = {column.name: column.factor for column in self.columns.maps}
        where = np.flatnonzero(known)
        for start in range(0, where.size, _ROWS):
            at = where[start : start + _ROWS]
            longitude, latitude = self._degrees(x[at], y[at])
            yield Rows(
                names(at),
                longitude if self._turns else x[at],
                y[at],
                longitude,
                latitude,
                {name: _times(values[at], factors[name]) for name, values in maps.items()},
                _times(series[:, at].T, 1000.0),
            )

    @property
    def _turns(self) -> bool:
        """Whether x are longitudes, which may go to 360 in the data."""
        return is_geographic(self.crs)

    def _degrees(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from pyproj import Transformer

        longitude, latitude = Transformer.from_crs(self.crs, _LONLAT, always_xy=True).transform(x, y)
        longitude = np.where(np.abs(longitude) > 180, (longitude + 180) % 360 - 180, longitude)
        return longitude, np.asarray(latitude)


def source_of(dataset: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Dataset with ascending dates, and the CRS of its places.

    Displacement of dates that are not tied to the reference date, and have a level of their own, is not taken.

    Raises
    ------
    ArgumentError
        If nothing says where the points are.
    StackError
        If it is no such dataset.
    """
    crs = crs_of(dataset)
    if crs is None:
        raise ArgumentError(
            "dataset: has no CRS (radar coordinates), so nothing says where its points are; geocode the interferograms first"
        )
    moves = "displacement" in dataset and "time" in dataset["displacement"].dims
    if "point" in dataset.dims:
        as_row(dataset)  # refuses what is no series
        return dataset.sortby("time") if moves else dataset, crs
    if not moves:
        return evenly_chunked(dataset), crs
    series = as_series(dataset, "dataset")
    data = series.data
    if series.in_pieces:
        data = data.assign(displacement=series.displacement.where(data["network_subset"] == 1))
    return data, crs


def _picked(names: np.ndarray, at: np.ndarray) -> list[str]:
    """Names of points of a block."""
    found: list[str] = names[at].tolist()
    return found


def _named(row: np.ndarray, col: np.ndarray, digits: list[int], at: np.ndarray) -> list[str]:
    """Names of pixels of a block: row and column in the whole image."""
    places = zip(row[at].tolist(), col[at].tolist(), strict=True)
    return [f"r{r:0{digits[0]}d}c{c:0{digits[1]}d}" for r, c in places]


def _names_of_points(data: xr.Dataset) -> np.ndarray:
    """Names of points: those that they have, else row and column of their pixel, else their numbers."""
    if "pid" in data:
        return np.asarray(data["pid"].values.astype(str), object)
    if {"row", "col"} <= set(data.coords):
        row, col = (data[name].values.tolist() for name in ("row", "col"))
        return np.array([f"r{r}c{c}" for r, c in zip(row, col, strict=True)], object)
    numbers = data["point"].values if "point" in data.coords else np.arange(data.sizes["point"])
    return np.asarray(numbers.astype(str), object)


def _every(count: int, step: int, part: slice) -> range:
    """Each n-th of some rows that is in a part of them, from the middle of the first step on."""
    first = min(step // 2, max(count - 1, 0))
    return range(first + -(-max(part.start - first, 0) // step) * step, part.stop, step)


def _times(values: np.ndarray, factor: float) -> np.ndarray:
    """Floats in other units, in their own type."""
    return np.asarray(values * values.dtype.type(factor)) if factor != 1 else values


def _windows(data: xr.Dataset, layers: int) -> Iterator[tuple[slice, slice]]:
    """Windows that cover (y, x), along the blocks of the data so that each is read once."""
    chunks = data.chunksizes
    height, width = data.sizes["y"], data.sizes["x"]
    rows = max(1, _BLOCK_BYTES // max(4 * layers * width, 1))
    sizes = [
        chunks.get("y") or tuple(min(rows, height - k) for k in range(0, height, rows)),
        chunks.get("x") or (width,),
    ]
    edges = [np.cumsum([0, *lengths]).tolist() for lengths in sizes]
    for down, across in itertools.product(*(list(itertools.pairwise(ends)) for ends in edges)):
        yield slice(*down), slice(*across)
