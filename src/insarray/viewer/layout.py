"""How the page finds a result: a Zarr group with a pyramid of maps (GeoZarr multiscales), and arrays for clicks.

    maps/<level>/<layer>      (time, y, x) or (y, x), a chunk is 256 x 256 pixels of one date
    series/<name>             (time, y, x), a chunk is all dates of 32 x 32 pixels
    series/maps               (layer, y, x), the maps in the same chunks
    places                    (axis, point), x and y of points; then maps and series have a single row

The server answers for chunks of this group as if they were stored; a folder for a web server has them.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.codecs import GzipCodec

from insarray.model.dataset import geozarr_attributes
from insarray.viewer.results import TILE, Result

CLICK = 32
"""Rows and columns of a chunk of a series."""

SHARD = 512
"""Rows and columns of a file of maps or series in a folder."""

_POINTS = 65_536  # of a chunk of a map of points
_CLICKED = 128  # of a chunk of a series of points
_CHUNK = re.compile(r"(maps/(?P<level>\d{1,2})|series)/(?P<key>\w+)/c/(?P<at>\d{1,7}(/\d{1,7}){1,2})", re.ASCII)
_CONVENTIONS = (
    ("multiscales", "d35379db-88df-4056-af3a-620245f8e347"),
    ("proj:", "f17cb550-5864-4468-aeb7-f3180cfb622f"),
    ("spatial:", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"),
)


@dataclass(frozen=True)
class Chunk:
    """Which chunk an address means: of a level of maps, or of a series (level None)."""

    level: int | None
    key: str
    at: tuple[int, ...]


def chunk_of(address: str) -> Chunk | None:
    """Return the chunk that an address in the group names; None if it does not name one."""
    found = _CHUNK.fullmatch(address)
    if found is None:
        return None
    level = None if found["level"] is None else int(found["level"])
    return Chunk(level, found["key"], tuple(int(part) for part in found["at"].split("/")))


def map_chunks(result: Result) -> tuple[int, int]:
    """Rows and columns of a chunk of a map."""
    return (1, min(_POINTS, result.shape[1])) if result.is_points else (TILE, TILE)


def click_chunks(result: Result) -> tuple[int, int]:
    """Rows and columns of a chunk of a series."""
    return (1, min(_CLICKED, result.shape[1])) if result.is_points else (CLICK, CLICK)


def shape_of_level(result: Result, level: int) -> tuple[int, int]:
    """Rows and columns of a level."""
    rows, cols = (math.ceil(size / 2**level) for size in result.shape)
    return rows, cols


def describe(result: Result, store: Store, *, packed: bool) -> zarr.Group:
    """Create the group with all arrays but without their values, except those of coordinates.

    Parameters
    ----------
    result
        What it describes.
    store
        Store to create it in.
    packed
        Compress chunks, and put many into a file, as in a folder for a web server.
    """
    root = zarr.create_group(store, attributes={"insarray": result.about()})
    maps = root.create_group("maps", attributes=_multiscales(result))
    dates = len(result.dates)
    for level in range(result.levels):
        group, shape = maps.create_group(str(level), attributes=_placed(result, level)), shape_of_level(result, level)
        for layer in result.layers:
            lead = ((dates, 1, "time"),) if layer.dated else ()
            attrs = {
                "long_name": str(layer.array.attrs.get("long_name", "")),
                "units": str(layer.array.attrs.get("units", "1")),
            }
            _array(group, layer.key, lead, shape, map_chunks(result), attrs, packed=packed)
        _coordinates(group, result, level)
    series = root.create_group("series")
    for name in result.series:
        _array(series, name, ((dates, dates, "time"),), result.shape, click_chunks(result), {}, packed=packed)
    if result.maps:
        count = len(result.maps)
        _array(series, "maps", ((count, count, "layer"),), result.shape, click_chunks(result), {}, packed=packed)
    if result.is_points:
        places = np.stack(result.places())
        root.create_array("places", data=places, chunks=places.shape, compressors=_compressors(packed=packed))
    return root


def _array(
    group: zarr.Group, name: str, lead: tuple[tuple[int, int, str], ...], shape: tuple[int, int],
    chunks: tuple[int, int], attrs: dict[str, Any], *, packed: bool,
) -> None:  # fmt: skip
    before = tuple(part[1] for part in lead)
    sharded = packed and chunks[0] > 1
    shards = (*before, *(_shard(size, chunk) for size, chunk in zip(shape, chunks, strict=True))) if sharded else None
    group.create_array(
        name,
        shape=(*(part[0] for part in lead), *shape),
        dtype="float32",
        chunks=(*before, *chunks),
        shards=shards,
        compressors=_compressors(packed=packed),
        fill_value=np.nan,
        dimension_names=[*(part[2] for part in lead), "y", "x"],
        attributes=attrs,
    )


def _shard(size: int, chunk: int) -> int:
    """Rows or columns of a file: not more than there are."""
    return min(SHARD, math.ceil(size / chunk) * chunk)


def _compressors(*, packed: bool) -> list[GzipCodec] | None:
    """Compression that every browser has."""
    return [GzipCodec(level=5)] if packed else None


def _multiscales(result: Result) -> dict[str, Any]:
    """Attributes by which other programs find the levels."""
    if result.is_points:
        return {}
    layout: list[dict[str, Any]] = [{"asset": "0", **_placed(result, 0)}]
    for level in range(1, result.levels):
        transform = {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}
        step = {"asset": str(level), "derived_from": str(level - 1), "transform": transform}
        layout.append({**step, **_placed(result, level)})
    conventions = [{"name": name, "uuid": uuid} for name, uuid in _CONVENTIONS]
    return {
        "zarr_conventions": conventions,
        "multiscales": {"layout": layout, "resampling_method": "average"},
        **_placed(result, 0),
    }


def _placed(result: Result, level: int) -> dict[str, Any]:
    if result.grid is None:
        return {}
    attrs = geozarr_attributes(result.grid)
    dx, _, left, _, dy, top = result.grid.affine
    rows, cols = shape_of_level(result, level)
    dx, dy = dx * 2**level, dy * 2**level
    ends = (left, left + cols * dx), (top, top + rows * dy)
    bbox = [min(ends[0]), min(ends[1]), max(ends[0]), max(ends[1])]
    return attrs | {
        "spatial:shape": [rows, cols],
        "spatial:transform": [dx, 0.0, left, 0.0, dy, top],
        "spatial:bbox": bbox,
    }


def _coordinates(group: zarr.Group, result: Result, level: int) -> None:
    """y, x and time, for programs that open a level as a dataset."""
    if len(result.dates):
        units: dict[str, Any] = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
        seconds = result.dates.astype("datetime64[s]").astype(np.int64)
        group.create_array("time", data=seconds, dimension_names=["time"], attributes=units, compressors=None)
    if result.grid is None:
        return
    attrs = _placed(result, level)
    dx, _, left, _, dy, top = attrs["spatial:transform"]
    rows, cols = attrs["spatial:shape"]
    for name, start, step, size in (("y", top, dy, rows), ("x", left, dx, cols)):
        values = start + (np.arange(size) + 0.5) * step
        group.create_array(name, data=values, dimension_names=[name], compressors=None)
