"""Areas of interest (bounds, rows and columns, or the bounding box of a vector file) and their windows on a grid."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from insarray.io.files import expand_one
from insarray.io.locations import is_url
from insarray.io.source import AreaLike, Window
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid, is_geographic
from insarray.model.numbers import plain_number
from insarray.model.place import Area

_FORMS = "W,S,E,N in degrees, LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE, rows:ROW:ROW,COL:COL or a vector file"
_ROWS = re.compile(r"rows:(\d+):(\d+),(\d+):(\d+)")
_GEOJSON = {".geojson", ".json"}
_STARTS = {
    ".gpkg": b"SQLite format 3\0",
    ".shp": b"\0\0\x27\x0a",
    ".fgb": b"fgb",
    ".parquet": b"PAR1",
}
_VECTORS = {*_GEOJSON, ".gpkg", ".shp", ".fgb", ".kml", ".gml", ".gdb", ".parquet"}
_DENSE = 21  # points along each edge of a box when it is transformed
_TOUCH = 1e-6  # tolerance in pixels
_WHOLE_EARTH = 359.0
_LONLAT = "EPSG:4326"


@dataclass(frozen=True)
class Box:
    """Bounds in a CRS; for longitudes that cross the date line, `right` is beyond 180."""

    left: float
    bottom: float
    right: float
    top: float
    crs: str = _LONLAT


def window_of(area: AreaLike, grid: Grid) -> Window:
    """Return the rows and columns of the pixels that an area touches.

    Parameters
    ----------
    area
        Bounds ``"W,S,E,N"`` in degrees, with W > E across the date line, or ``"left,bottom,right,top@EPSG:32614"``; the
        same as a tuple, with the CRS as its fifth member; ``"rows:ROW:ROW,COL:COL"`` (stops excluded) or
        `insarray.area`; or a vector file, of which the bounding box of all geometries is used.
    grid
        Grid of the image.

    Returns
    -------
    tuple of slice
        Rows and columns, clipped to the image.

    Raises
    ------
    ArgumentError
        If it is none of these, lies outside the image, or needs a CRS that the image does not have.
    FileError
        If a vector file cannot be read.
    """
    found = _parsed(area)
    if isinstance(found, Area):
        return _of_rows(found, grid)
    if grid.crs is None:
        raise ArgumentError(
            f"area: the image has no CRS (radar coordinates); give rows:ROW:ROW,COL:COL of its {grid.height} x {grid.width}"
        )
    box = _in_crs_of(found, grid)
    rows = _touched((box.top, box.bottom), grid.top, grid.dy, grid.height)
    cols = _touched((box.left, box.right), grid.left, grid.dx, grid.width)
    if rows is None or cols is None:
        raise ArgumentError(
            f"area: {_said(found)} lies outside the image, which covers {_said(_bounds_in(grid, found.crs))}"
        )
    return rows, cols


def _of_rows(area: Area, grid: Grid) -> Window:
    for name, part, size in (("rows", area.rows, grid.height), ("columns", area.cols, grid.width)):
        if not 0 <= part.start < part.stop <= size:
            raise ArgumentError(
                f"area: {name} {part.start}:{part.stop} are not within 0:{size}; the image has {grid.height} x {grid.width} pixels"
            )
    return area.rows, area.cols


def _touched(ends: tuple[float, float], edge: float, step: float, size: int) -> slice | None:
    """Return the pixels touched between two coordinates, or None."""
    low, high = sorted((end - edge) / step for end in ends)
    if high < 0 or low > size:
        return None
    first = math.floor(low + _TOUCH)
    last = max(math.ceil(high - _TOUCH), first + 1)
    start, stop = max(first, 0), min(last, size)
    return slice(start, stop) if start < stop else None


# -- parse the argument ---------------------------------------------------------------------------------------------


def _parsed(area: object) -> Box | Area:
    if isinstance(area, Area):
        return area
    if isinstance(area, str):
        rows = _ROWS.fullmatch(area.replace(" ", "")) if area.isascii() else None
        if rows is not None:
            return Area(*map(int, rows.groups()))
        numbers, _, crs = area.partition("@")
        if "," in numbers and Path(area).suffix.lower() not in _VECTORS:
            return _of_numbers(area, numbers.split(","), crs or None)
    elif isinstance(area, Sequence | np.ndarray) and len(area) in (4, 5):
        return _of_numbers(area, list(area[:4]), area[4] if len(area) == 5 else None)
    if not isinstance(area, str | os.PathLike) or (isinstance(area, str) and Path(area).suffix.lower() not in _VECTORS):
        raise ArgumentError(f"area: {' '.join(repr(area).split())[:80]} is not {_FORMS}")
    return _of_file(expand_one(area, "area", "give one file"))


def _of_numbers(area: object, parts: Sequence[Any], crs: object) -> Box:
    try:
        left, bottom, right, top = (plain_number(part) if isinstance(part, str) else float(part) for part in parts)
    except (TypeError, ValueError):
        raise ArgumentError(f"area: {area!r} is not {_FORMS}") from None
    box = Box(left, bottom, right, top, _LONLAT if crs is None else crs_name(crs))
    if not all(map(math.isfinite, (left, bottom, right, top))) or bottom >= top:
        raise ArgumentError(f"area: {area!r} has no extent; give {_FORMS}")
    if is_geographic(box.crs):
        if max(abs(bottom), abs(top)) > 90 or max(abs(left), abs(right)) > 360:
            raise ArgumentError(
                f"area: {area!r} are not degrees; say the CRS of metres: LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE"
            )
        return box if left < right else replace(box, right=right + 360)
    if left >= right:
        raise ArgumentError(f"area: {area!r} has its left beyond its right; give LEFT,BOTTOM,RIGHT,TOP@CRS")
    return box


def crs_name(crs: object) -> str:
    """A CRS as text; ArgumentError if there is no such."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        found = CRS.from_user_input(crs)
    except CRSError as error:
        raise ArgumentError(
            f"area: {crs!r} is not a coordinate reference system; give for example EPSG:32614"
        ) from error
    return str(crs) if isinstance(crs, str) else found.to_string()


def _said(box: Box) -> str:
    digits = 8 if is_geographic(box.crs) else 10
    right = box.right - 360 if box.right > 180 and box.crs == _LONLAT else box.right
    text = ",".join(f"{value:.{digits}g}" for value in (box.left, box.bottom, right, box.top))
    return text if box.crs == _LONLAT else f"{text}@{box.crs}"


# -- vector files ---------------------------------------------------------------------------------------------------


def _of_file(path: Path) -> Box:
    boxes, crs = _boxes_of_geojson(path) if path.suffix.lower() in _GEOJSON else _boxes_of_vectors(path)
    if not boxes:
        raise FileError(f"{path}: holds no geometry; give a file of polygons")
    left, bottom, right, top = (np.array(side) for side in zip(*boxes, strict=True))
    if is_geographic(crs):
        if max(right - left) > _WHOLE_EARTH:
            raise FileError(
                f"{path}: a geometry goes round the earth, or is cut at the date line within one; give its bounds as "
                "W,S,E,N with W > E"
            )
        if min(left) <= -180 + _TOUCH and max(right) >= 180 - _TOUCH:  # split at the date line
            left, right = (np.where(right < 0, side + 360, side) for side in (left, right))
    return Box(float(min(left)), float(min(bottom)), float(max(right)), float(max(top)), crs)


_Bounds = tuple[float, float, float, float]


def _boxes_of_geojson(path: Path) -> tuple[list[_Bounds], str]:
    """Return the bounds of every line, ring and point, and the CRS: WGS 84 unless the (older) file names one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        boxes = [(*np.min(points, axis=0), *np.max(points, axis=0)) for points in _lines(content)]
        named = content.get("crs") or {}
        crs = crs_name(named["properties"]["name"]) if named else _LONLAT
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FileError(f"{path}: is not GeoJSON ({' '.join(str(error).split())[:100]}); give {_FORMS}") from error
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in boxes], _LONLAT if "CRS84" in crs else crs


def _lines(found: Any) -> Iterator[np.ndarray]:
    """Yield the points (n, 2) of every line of the geometries of a GeoJSON object."""
    for name in ("features", "geometries"):
        for one in found.get(name) or ():
            yield from _lines(one)
    if found.get("geometry"):
        yield from _lines(found["geometry"])
    if "coordinates" in found:
        yield from _arrays(found["coordinates"])


def _arrays(nested: Any) -> Iterator[np.ndarray]:
    if not nested:
        return
    if isinstance(nested[0], int | float):
        yield np.array([nested[:2]], np.float64)
    elif isinstance(nested[0][0], int | float):
        yield np.array([point[:2] for point in nested], np.float64)
    else:
        for part in nested:
            yield from _arrays(part)


def _boxes_of_vectors(path: Path) -> tuple[list[_Bounds], str]:
    """Return the bounds of the features in the first layer of a file that GDAL reads, and the CRS."""
    if is_url(path):
        raise FileError(f"{path}: vector files but GeoJSON are read from this machine; copy it")
    try:
        import pyogrio
    except ImportError as error:
        raise ArgumentError(
            f"area: {path.suffix} files need pyogrio: pip install 'insarray[vector]'; or give GeoJSON, or bounds"
        ) from error
    require_vectors(path)
    try:
        crs = pyogrio.read_info(str(path))["crs"]
        bounds = pyogrio.read_bounds(str(path))[1]
    except Exception as error:  # pyogrio raises errors of GDAL and of its own
        raise FileError(f"{path}: cannot be read as a vector file ({' '.join(str(error).split())})") from error
    if crs is None:
        raise FileError(f"{path}: has no CRS; write it into the file, or give the bounds with @EPSG:CODE")
    known = bounds[:, np.isfinite(bounds).all(axis=0)].T
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in known], crs_name(crs)


def require_vectors(path: Path) -> None:
    """Raise FileError if the content is not of the extension: GDAL would open a text that names other files."""
    if path.is_dir():  # .gdb
        return
    try:
        with path.open("rb") as content:
            start = content.read(2000)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix.lower() in _GEOJSON:
        if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            raise FileError(f"{path}: is not GeoJSON; give {_FORMS}")
        return
    named = path.suffix.lower().removeprefix(".").encode()  # kml, gml
    xml = named in start.lower() and b"<" in start and b"DataSource" not in start and b"VRTDataset" not in start
    expected = _STARTS.get(path.suffix.lower())
    if not (xml if expected is None else start.startswith(expected)):
        raise FileError(f"{path}: cannot be read as a vector file (it is no {path.suffix}); give {_FORMS}")


# -- convert to the coordinates of the image ------------------------------------------------------------------------


def _in_crs_of(box: Box, grid: Grid) -> Box:
    """Return the box in the CRS of a grid, with longitudes in the range of the grid."""
    crs = str(grid.crs)
    found = box if _same(box.crs, crs) else _transformed(box, crs)
    return _turned(found, grid, _said(box)) if is_geographic(crs) else found


def _same(one: str, other: str) -> bool:
    from pyproj import CRS

    return bool(CRS.from_user_input(one).equals(CRS.from_user_input(other), ignore_axis_order=True))


def _transformed(box: Box, crs: str) -> Box:
    """Return the box that encloses a box of another CRS."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    parts = [box]
    if is_geographic(box.crs) and box.right > 180 > box.left:
        parts = [replace(box, right=180.0), replace(box, left=-180.0, right=box.right - 360)]
    try:
        transformer = Transformer.from_crs(box.crs, crs, always_xy=True)
        sides = [
            transformer.transform_bounds(part.left, part.bottom, part.right, part.top, densify_pts=_DENSE)
            for part in parts
        ]
    except ProjError as error:
        raise ArgumentError(f"area: {_said(box)} cannot be expressed in the CRS of the image ({error})") from error
    found = np.array(sides)
    if not np.isfinite(found).all():
        raise ArgumentError(f"area: {_said(box)} cannot be expressed in the CRS of the image; give a smaller one")
    left, bottom, right, top = (float(v) for v in (*found[:, :2].min(axis=0), *found[:, 2:].max(axis=0)))
    return Box(left, bottom, right + 360 if right < left else right, top, crs)


def _turned(box: Box, grid: Grid, said: str) -> Box:
    """Shift a box by multiples of 360 degrees so that it overlaps the image."""
    west, _, east, _ = grid.bounds
    shared = {turn: min(box.right + turn, east) - max(box.left + turn, west) for turn in (-720, -360, 0, 360, 720)}
    inside = [turn for turn, width in shared.items() if width > 0]
    if len(inside) > 1 and east - west < 360 + abs(grid.dx) and box.right - box.left < 360:
        raise ArgumentError(
            f"area: {said} crosses the meridian at which the image begins and ends, {west:g}; give the part on one side of it"
        )
    turn = max(shared, key=lambda turn: shared[turn])
    return replace(box, left=box.left + turn, right=box.right + turn)


def _bounds_in(grid: Grid, crs: str) -> Box:
    """Return the bounds of an image in the CRS of an area, or in its own if they cannot be transformed."""
    own = Box(*grid.bounds, crs=str(grid.crs))
    try:
        return replace(own, crs=crs) if _same(own.crs, crs) else _transformed(own, crs)
    except ArgumentError:
        return own
