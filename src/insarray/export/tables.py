"""Results as tables of points: CSV, GeoParquet, GeoPackage, GeoJSON, shapefile, KMZ; a column for each date."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.engine.graph.inputs import refuse_inputs
from insarray.export.columns import Column, Columns, columns_of
from insarray.export.files import complete_file, require_free
from insarray.export.kml import write_kmz
from insarray.export.rows import Rows, Source, source_of
from insarray.export.vectors import DRIVERS, SHAPEFILE, write_parquet, write_vectors
from insarray.io.areas import window_of
from insarray.io.polygons import read_polygons
from insarray.io.source import AreaLike
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.model.secrets import without_secrets
from insarray.model.text import quoted_cell
from insarray.products.stacks.quality import good_points, masked
from insarray.products.stacks.selection import Raster

logger = logging.getLogger(__name__)

_INDEXES = (".qix", ".sbn", ".sbx", ".qmd", ".idm", ".ind")
"""What GIS programs put beside a shapefile, and what is wrong beside another."""


def to_table(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    every: int = 1,
    area: AreaLike | None = None,
    polygons: str | os.PathLike[str] | None = None,
    mask: Raster | None = None,
    overwrite: bool = False,
) -> Path:
    """Write points, or the pixels of an image, as a table with a row for each and a column for each date.

    Block by block, so a lazy dataset may be larger than memory. The file appears under its name when it is complete.

    Parameters
    ----------
    dataset
        Series, model, both merged, or points.
    path
        File to write: ``.csv``, ``.parquet`` (GeoParquet), ``.gpkg``, ``.geojson``, ``.fgb``, ``.shp``, ``.kmz``. All but
        CSV and KMZ need ``pip install 'insarray[vector]'``.
    every
        Only each n-th row and column of an image, or each n-th point.
    area
        Only this part of an image: bounds, rows and columns, or the box of a vector file, as in `insarray.open_stack`.
    polygons
        Vector file: only the pixels whose centre, or the points that, are in one of its polygons.
    mask
        Pixels to write: where this raster, a file or an array (y, x), is neither 0 nor without data, such as
        `insarray.quality_mask`; or an array (point), such as that of points.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArgumentError
        If nothing says where the points are, an option cannot be, no point is left, or a package is missing.
    StoreError
        If `path` exists or cannot be written.

    See Also
    --------
    insarray.timeseries : series at some places.
    insarray.open : open it again.
    insarray.to_cog : write a GeoTIFF.
    insarray.quality_mask : pixels that pass criteria.

    Notes
    -----
    Names and units are those of EGMS: `pid`, `units`, `latitude`, `longitude`, `mean_velocity` and `mean_velocity_std` in
    mm/year, `height_error` in m, `temporal_coherence`, other maps by their own names, and the displacement of each date,
    ``YYYYMMDD``, in mm, empty where there is none. `units`, such as "mm toward the satellite", says so in every row, so that
    `insarray.open` reads the CSV as it was. Texts have micrometres; binary files have what the dataset has. Of a shapefile,
    whose names have at most 10 characters, they are ``velocity``, ``vel_std``, ``temp_coh``, ``DYYYYMMDD``. `pid` is the name
    of a point, or row and column of a pixel. Displacement that is not tied to the reference date (``gap="subset"``) is left
    out, as its level is arbitrary.

    References
    ----------
    * European Environment Agency (2023), European Ground Motion Service: Product Description and Format Specification 2.0.
    * GeoParquet specification, version 1.1.0, https://geoparquet.org/releases/v1.1.0/

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> path = ia.to_table(series.merge(ia.fit(series)), "series.csv", every=2)
    >>> ia.open("series.csv").displacement.sizes["point"]
    120
    """
    target = Path(path)
    write = _writer(target)
    if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
        raise ArgumentError(f"every: {every!r} is not a whole number of at least 1")
    require_free(target, overwrite=overwrite)
    refuse_inputs(target, dataset, mask, polygons, area)
    source = _source(without_secrets(dataset), int(every), area, polygons, mask)
    with complete_file(target, overwrite=overwrite) as final:
        count = write(source, final)
        if not count:
            raise ArgumentError(f"{target}: no point is left; loosen the mask, or choose other polygons")
        if target.suffix.lower() == SHAPEFILE:
            _move_beside(final, target, overwrite=overwrite)
    logger.info("to_table: %s, %d points with %d dates", target, count, len(source.columns.dates))
    return target


def _writer(target: Path) -> Callable[[Source, Path], int]:
    suffix = target.suffix.lower()
    known: Mapping[str, Callable[[Source, Path], int]] = {
        ".csv": write_csv,
        ".parquet": write_parquet,
        ".kmz": write_kmz,
        **dict.fromkeys(DRIVERS, write_vectors),
    }
    if suffix not in known:
        raise ArgumentError(f"{target}: ends in {suffix!r}; a table is one of {', '.join(known)}")
    return known[suffix]


def is_table(path: str | Path) -> bool:
    """Whether `to_table` writes files with this suffix."""
    return Path(path).suffix.lower() in (".csv", ".parquet", ".kmz", *DRIVERS)


def _source(
    dataset: xr.Dataset,
    every: int,
    area: AreaLike | None,
    polygons: str | os.PathLike[str] | None,
    mask: Raster | None,
) -> Source:
    if "point" in dataset.dims:
        if area is not None:
            raise ArgumentError("area: is for images, and these are points; use polygons")
        dataset = dataset if mask is None else dataset.isel(point=np.flatnonzero(good_points(dataset, mask)))
        mask = None
    window = None if area is None else window_of(area, grid_of(dataset))
    data, crs = source_of(masked(dataset, mask))
    inside = None
    if polygons is not None:
        x = np.asarray(data["x"].values, np.float64)
        inside = read_polygons(polygons, crs, float((x.min() + x.max()) / 2))
    return Source(data, columns_of(data), crs, every, window, inside)


def _move_beside(final: Path, target: Path, *, overwrite: bool) -> None:
    """Give the other files of a shapefile their places, before the one that is asked for."""
    others = sorted(final.parent.glob(f"{final.stem}.*"))
    for other in others:
        if other != final:
            require_free(target.with_suffix(other.suffix), overwrite=overwrite)
    for suffix in _INDEXES:
        target.with_suffix(suffix).unlink(missing_ok=True)
    for other in others:
        if other != final:
            os.replace(other, target.with_suffix(other.suffix))


# -- CSV ------------------------------------------------------------------------------------------------------------


def write_csv(source: Source, path: Path) -> int:
    """Write a CSV table, without any package but NumPy.

    Returns
    -------
    int
        Number of rows.
    """
    columns, count = source.columns, 0
    names = ["pid", "units", "latitude", "longitude", *(column.name for column in columns.maps), *columns.dates]
    numbers = ["%.8f", "%.8f", *map(_format, columns.maps), *["%.3f"] * len(columns.dates)]
    line = ",".join(["", columns.units, *numbers]) + "\n"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(quoted_cell, names)) + "\n")
        for rows in source.rows():
            file.write("".join(_lines(rows, columns, line)))
            count += len(rows)
    return count


def _format(column: Column) -> str:
    return "%.7g" if column.decimals is None else f"%.{column.decimals}f"


def _lines(rows: Rows, columns: Columns, line: str) -> Iterator[str]:
    values = [rows.maps[column.name][:, None] for column in columns.maps]
    table = np.concatenate([rows.latitude[:, None], rows.longitude[:, None], *values, rows.series], axis=1).tolist()
    for name, numbers in zip(rows.pid, table, strict=True):
        yield quoted_cell(name) + (line % tuple(numbers)).replace(",nan", ",")
