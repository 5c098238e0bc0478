"""Polygons of a vector file, in the coordinates of an image: which pixels or points are inside, and how much of each pixel."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from insarray.io.areas import crs_name, require_vectors
from insarray.io.files import expand_one
from insarray.io.locations import is_url
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid, is_geographic

_NAMES = ("name", "pid", "id", "label", "code")
"""Columns that name a polygon, in any case; the first that is there counts."""

_PIECES = 64  # of the extent of a polygon: straight lines of one CRS are curves of another
_AREAS = ("Polygon", "MultiPolygon")


class Covered(NamedTuple):
    """Pixels that a polygon covers, and the share of each, up to 1."""

    rows: np.ndarray
    cols: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class Polygons:
    """Polygons with their names.

    Parameters
    ----------
    path
        File that they are from, for messages.
    names
        One for each.
    shapes
        Their geometries of shapely, in the CRS that was asked for.
    """

    path: Path
    names: list[str]
    shapes: list[Any]

    def contain(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether any polygon contains each position."""
        import shapely

        found = np.zeros(np.shape(x), bool)
        for shape in self.shapes:
            shapely.prepare(shape)
            found |= shapely.contains_xy(shape, x, y)
        return found

    def on(self, grid: Grid) -> np.ndarray:
        """Whether the centre of each pixel is in a polygon, (y, x)."""
        from rasterio import Affine
        from rasterio.features import geometry_mask

        inside = geometry_mask(self.shapes, grid.shape, Affine(*grid.affine), invert=True)
        return np.asarray(inside, bool)

    def coverage(self, grid: Grid) -> Iterator[Covered]:
        """What each polygon covers of a grid."""
        for shape in self.shapes:
            yield _covered(shape, grid)


def read_polygons(path: str | os.PathLike[str], crs: str | None, middle: float) -> Polygons:
    """Polygons of the first layer of a vector file, in a CRS.

    Parameters
    ----------
    path
        GeoPackage, shapefile, GeoJSON, FlatGeobuf or whatever GDAL reads.
    crs
        To transform them to: that of the data.
    middle
        The x in the middle of the data: longitudes are turned about the earth to be near it.

    Raises
    ------
    ArgumentError
        If there is no CRS (radar coordinates), or a package is missing.
    FileError
        If it cannot be read, says no CRS, or holds something else than polygons.
    """
    if crs is None:
        raise ArgumentError(
            "polygons: the data have no CRS (radar coordinates), so no polygon is on them; geocode them"
        )
    file = expand_one(path, "polygons", "give one file")
    if is_url(file):
        raise FileError(f"{file}: polygons are read from this machine; copy it")
    require_vectors(file)
    try:
        import pyogrio
        import shapely
    except ImportError as error:
        raise ArgumentError("polygons: need pyogrio and shapely: pip install 'insarray[vector]'") from error
    try:
        meta, _, geometry, values = pyogrio.raw.read(str(file), force_2d=True)
        shapes = shapely.from_wkb(geometry)
    except Exception as error:  # pyogrio and shapely raise errors of GDAL and GEOS
        raise FileError(f"{file}: cannot be read as a vector file ({' '.join(str(error).split())})") from error
    if meta["crs"] is None:
        raise FileError(f"{file}: has no CRS; write it into the file")
    kinds = {shape.geom_type for shape in shapes if shape is not None}
    if not kinds or not kinds <= set(_AREAS):
        raise FileError(f"{file}: holds {', '.join(sorted(kinds)) or 'no geometry'}; give a file of polygons")
    names = _names([str(name) for name in meta["fields"]], values, len(shapes))
    kept = [k for k, shape in enumerate(shapes) if shape is not None and not shape.is_empty]
    moved = [_moved(shapes[k], crs_name(meta["crs"]), crs) for k in kept]
    if is_geographic(crs):
        moved = [_turned(shape, middle) for shape in moved]
    if not all(math.isfinite(bound) for shape in moved for bound in shape.bounds):
        raise FileError(f"{file}: has a polygon that cannot be expressed in the CRS of the data; leave it out")
    return Polygons(file, [names[k] for k in kept], moved)


def _names(fields: list[str], values: list[np.ndarray], count: int) -> list[str]:
    lower = [field.lower() for field in fields]
    for name in _NAMES:
        if name in lower:
            return [str(value) for value in values[lower.index(name)]]
    return [str(number) for number in range(1, count + 1)]


def _moved(shape: Any, source: str, target: str) -> Any:
    """A geometry in another CRS, valid, with so many points that its edges stay where they are."""
    import shapely
    from pyproj import CRS, Transformer

    shape = shape if shape.is_valid else shapely.make_valid(shape)
    if CRS.from_user_input(source).equals(CRS.from_user_input(target), ignore_axis_order=True):
        return shape
    left, bottom, right, top = shape.bounds
    dense = shapely.segmentize(shape, max(right - left, top - bottom) / _PIECES)
    transformer = Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(dense, transformer.transform, interleaved=False)


def _turned(shape: Any, middle: float) -> Any:
    """A polygon of degrees with so many turns about the earth that it is near the data, whose longitudes may go to 360."""
    import shapely

    left, _, right, _ = shape.bounds
    turn = -360.0 * math.floor(((left + right) / 2 - middle + 180.0) / 360.0)
    return shapely.transform(shape, lambda xy: xy + np.array([turn, 0.0])) if turn else shape


def _covered(shape: Any, grid: Grid) -> Covered:
    """Pixels of a grid that a polygon covers, with the exact share of each."""
    try:
        import exactextract
        from exactextract.raster import NumPyRasterSource
    except ImportError as error:
        raise ArgumentError("polygons: need exactextract: pip install 'insarray[vector]'") from error
    from shapely.geometry import mapping

    window = _window(shape.bounds, grid)
    if window is None:
        return Covered(*(np.zeros(0, np.intp),) * 2, np.zeros(0))
    row, col, height, width = window
    part = grid.window(row, col, height, width)
    west, south, east, north = part.bounds
    nothing = np.zeros((height, width), np.uint8)
    raster = NumPyRasterSource(nothing, xmin=west, ymin=south, xmax=east, ymax=north)
    feature = {"type": "Feature", "geometry": mapping(shape), "properties": {}}
    (found,) = exactextract.exact_extract(raster, [feature], ["cell_id", "coverage"], output="geojson")
    cells = np.asarray(found["properties"]["cell_id"], np.int64)
    share = np.asarray(found["properties"]["coverage"], np.float64)
    rows, cols = np.divmod(cells, width)
    rows = rows if grid.dy < 0 else height - 1 - rows  # it counts from north to south
    cols = cols if grid.dx > 0 else width - 1 - cols
    return Covered(rows + row, cols + col, share)


def _window(bounds: tuple[float, float, float, float], grid: Grid) -> tuple[int, int, int, int] | None:
    """Row, column, height and width of the pixels that bounds touch; None if there are none."""
    found = []
    for ends, edge, step, size in (
        ((bounds[1], bounds[3]), grid.top, grid.dy, grid.height),
        ((bounds[0], bounds[2]), grid.left, grid.dx, grid.width),
    ):
        low, high = sorted((end - edge) / step for end in ends)
        start, stop = max(math.floor(low), 0), min(math.ceil(high), size)
        if start >= stop:
            return None
        found += [start, stop - start]
    return found[0], found[2], found[1], found[3]
