"""Tables of points as Arrow batches: by GDAL into GeoPackage, GeoJSON, FlatGeobuf and shapefiles, by Arrow into GeoParquet.

The batches stream: no more than one of them is in memory. GDAL's own Parquet driver is not in the wheels of pyogrio, so that
GeoParquet is written by pyarrow, with the metadata of the specification.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from insarray.export.columns import rounded
from insarray.export.rows import Rows, Source
from insarray.model.errors import ArgumentError, StoreError

SHAPEFILE = ".shp"
DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf", SHAPEFILE: "ESRI Shapefile"}

_OPTIONS: dict[str, dict[str, str]] = {
    ".geojson": {"RFC7946": "YES"},  # longitudes and latitudes
    SHAPEFILE: {"2GB_LIMIT": "YES"},  # most programs read no more
}
_MOST_COLUMNS = {SHAPEFILE: 255, ".gpkg": 2000}
_GROUP = 65536  # rows of a row group
_GEOMETRY = "geometry"
_LONLAT = "EPSG:4326"


def write_vectors(source: Source, path: Path) -> int:
    """Write a vector file by GDAL, and return the number of points.

    Raises
    ------
    ArgumentError
        If a package is missing, or the format cannot have that many columns.
    StoreError
        If GDAL does not write it.
    """
    pyogrio, suffix = _imported("pyogrio", path), path.suffix.lower()
    batches = _Batches(source, path)
    names = batches.schema.names
    if len(names) > _MOST_COLUMNS.get(suffix, len(names)):
        raise ArgumentError(
            f"{path.name}: {len(names)} columns are more than the {_MOST_COLUMNS[suffix]} of this format; use .parquet, or "
            "choose dates with .isel(time=...)"
        )
    try:
        pyogrio.write_arrow(
            batches.reader(),
            str(path),
            layer=path.stem,
            driver=DRIVERS[suffix],
            geometry_name=_GEOMETRY,
            geometry_type="Point",
            crs=_LONLAT if suffix == ".geojson" else source.crs,
            layer_options=_OPTIONS.get(suffix, {}),
        )
    except Exception as error:  # pyogrio raises errors of GDAL and of its own
        if batches.error is not None:
            raise batches.error from None
        raise StoreError(f"{path.name}: not written ({' '.join(str(error).split())})") from error
    if batches.error is not None:
        raise batches.error
    return batches.count


def write_parquet(source: Source, path: Path) -> int:
    """Write GeoParquet, and return the number of points."""
    pa, parquet = _imported("pyarrow", path), _imported("pyarrow.parquet", path)
    batches = _Batches(source, path)
    waiting: list[Any] = []
    with parquet.ParquetWriter(path, batches.schema, compression="zstd", use_dictionary=["units"]) as writer:
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _GROUP:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
        writer.add_key_value_metadata({"geo": json.dumps(batches.geo())})
    return batches.count


def _imported(name: str, path: Path) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ArgumentError(
            f"{path.name}: {path.suffix} needs {name.partition('.')[0]}: pip install 'insarray[vector]'; .csv needs nothing"
        ) from error


class _Batches:
    """Rows as Arrow record batches; what goes wrong on the way, which GDAL does not pass on, is kept in `error`.

    Parameters
    ----------
    source
        Of the rows.
    path
        File for which they are.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self._pa = _imported("pyarrow", path)
        self._source, self._suffix = source, path.suffix.lower()
        self._is_text = self._suffix == ".geojson"
        self.count = 0
        self.error: BaseException | None = None
        self._bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self.schema = self._pa.schema(list(self._fields()))

    def _fields(self) -> Iterator[Any]:
        columns = self._source.columns
        short = columns.short_names() if self._suffix == SHAPEFILE else {}
        number = self._pa.float64() if self._is_text else self._pa.float32()
        yield self._field("pid", self._pa.string(), "name of the point, or row and column of its pixel")
        yield self._field("units", self._pa.string(), "unit and direction of the displacement of the dates")
        yield self._field("latitude", self._pa.float64(), "degrees north, WGS 84", "degree")
        yield self._field("longitude", self._pa.float64(), "degrees east, WGS 84", "degree")
        for column in columns.maps:
            yield self._field(short.get(column.name, column.name), number, column.about, column.units)
        for date in columns.dates:
            about = f"displacement {columns.direction} since the reference date"
            yield self._field(short.get(date, date), number, about, "mm")
        kind = {} if self._suffix == ".parquet" else {"ARROW:extension:name": "geoarrow.wkb"}
        yield self._pa.field(_GEOMETRY, self._pa.binary(), metadata=kind)

    def _field(self, name: str, kind: Any, about: str, units: str = "") -> Any:
        """Field whose meaning and unit are in the file as far as its format has a place for them."""
        words = f"{about} ({units})" if units not in ("", "1") else about
        metadata = {"description": about, "unit": units} if self._suffix == ".parquet" else {"GDAL:OGR:comment": words}
        return self._pa.field(name, kind, metadata=metadata)

    def reader(self) -> Any:
        """Stream of the batches for GDAL."""
        return self._pa.RecordBatchReader.from_batches(self.schema, self._kept())

    def _kept(self) -> Iterator[Any]:
        try:
            yield from self
        except BaseException as error:  # an interrupt, too
            self.error = error
            raise

    def __iter__(self) -> Iterator[Any]:
        for rows in self._source.rows():
            self.count += len(rows)
            yield self._pa.record_batch(list(self._arrays(rows)), schema=self.schema)

    def _arrays(self, rows: Rows) -> Iterator[Any]:
        columns, pa = self._source.columns, self._pa
        yield pa.array(rows.pid, pa.string())
        yield pa.array([columns.units] * len(rows), pa.string())
        yield pa.array(rows.latitude)
        yield pa.array(rows.longitude)
        for column in columns.maps:
            yield self._numbers(rows.maps[column.name], column.decimals)
        for k in range(len(columns.dates)):
            yield self._numbers(rows.series[:, k], 3)
        x, y = (rows.longitude, rows.latitude) if self._is_text else (rows.x, rows.y)
        self._bounds[:2] = np.minimum(self._bounds[:2], (x.min(), y.min()))
        self._bounds[2:] = np.maximum(self._bounds[2:], (x.max(), y.max()))
        yield self._places(x, y)

    def _numbers(self, values: np.ndarray, decimals: int | None) -> Any:
        """Numbers, null where there are none."""
        kind = self._pa.float64() if self._is_text else self._pa.float32()
        given = rounded(values, decimals) if self._is_text else np.ascontiguousarray(values, np.float32)
        return self._pa.array(given, kind, mask=~np.isfinite(given))

    def _places(self, x: np.ndarray, y: np.ndarray) -> Any:
        """Points as well-known binary: byte order 1 (little-endian), type 1 (point), x, y."""
        points = np.zeros(len(x), [("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
        points["order"], points["type"], points["x"], points["y"] = 1, 1, x, y
        offsets = np.arange(len(x) + 1, dtype=np.int32) * points.itemsize
        buffers = [None, self._pa.py_buffer(offsets.tobytes()), self._pa.py_buffer(points.tobytes())]
        return self._pa.Array.from_buffers(self._pa.binary(), len(x), buffers)

    def geo(self) -> dict[str, Any]:
        """Metadata of GeoParquet 1.1, of the batches that have come."""
        from pyproj import CRS

        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"]}
        column["crs"] = CRS.from_user_input(self._source.crs).to_json_dict()
        if self.count:
            column["bbox"] = self._bounds.tolist()
        return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}
