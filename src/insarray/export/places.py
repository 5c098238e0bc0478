"""Series of some places as a table with a line for each place and date, or as NetCDF."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.graph.inputs import refuse_inputs
from insarray.export.files import complete_file
from insarray.export.rasters import to_netcdf
from insarray.model.dataset import crs_of
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError
from insarray.model.text import quoted_cell

_LENGTHS = {
    "displacement": "displacement_mm",
    "displacement_std": "displacement_std_mm",
    "displacement_median": "median_mm",
}
_PIECES = "network_subset"
_NUMBER = "number_of_pixels"


def write_series(found: xr.Dataset, path: str | Path, *inputs: Any, overwrite: bool) -> Path:
    """Write the result of `insarray.timeseries`.

    Parameters
    ----------
    found
        The result.
    path
        File to write: ``.csv`` or ``.nc``.
    *inputs
        Dataset and files that it is made of, which must not be overwritten.
    overwrite
        Replace an existing file.

    Raises
    ------
    ArgumentError
        If `path` has another suffix.
    StoreError
        If it exists or cannot be written.
    """
    target, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in (".csv", ".nc"):
        raise ArgumentError(f"{target}: ends in {suffix!r}; use .csv for a table or .nc for NetCDF")
    refuse_inputs(target, *inputs)
    if suffix == ".nc":
        return to_netcdf(found, target, overwrite=overwrite)
    with complete_file(target, overwrite=overwrite) as final, final.open("w", encoding="utf-8", newline="") as file:
        file.writelines(series_lines(found))
    return target


def series_lines(found: xr.Dataset) -> Iterator[str]:
    """Lines of a CSV table: places one after the other, each with its dates; mm, empty where there is no data."""
    columns = dict(_columns(found))
    yield (
        ",".join(
            ["name", "longitude", "latitude", *(["distance_m"] if "distance" in found.coords else []), "date", *columns]
        )
        + "\n"
    )
    lon, lat = _degrees(found)
    dates = [date_label(time) for time in found["time"].values]
    for k, name in enumerate(found["pid"].values.tolist()):
        place = [quoted_cell(str(name)), f"{lon[k]:.7f}", f"{lat[k]:.7f}"]
        if "distance" in found.coords:
            place.append(_text(float(found["distance"].values[k]), 1))
        for t, date in enumerate(dates):
            numbers = [_text(values[t, k], digits) for values, digits in columns.values()]
            yield ",".join([*place, date, *numbers]) + "\n"


def _columns(found: xr.Dataset) -> Iterator[tuple[str, tuple[np.ndarray, int]]]:
    """Names of columns, with values (time, point) and digits."""
    for name, column in _LENGTHS.items():
        if name in found:
            yield column, (1000 * found[name].transpose("time", "point").values.astype(np.float64), 3)
    if "displacement_percentile" in found:
        for level, layer in zip(found["percentile"].values, found["displacement_percentile"], strict=True):
            values = layer.transpose("time", "point").values.astype(np.float64)
            yield f"percentile_{level:g}_mm", (1000 * values, 3)
    if _NUMBER in found:
        yield _NUMBER, (found[_NUMBER].transpose("time", "point").values, 2)
    if _PIECES in found:
        yield _PIECES, (found[_PIECES].transpose("time", "point").values.astype(np.float64), 0)


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def _degrees(found: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    from pyproj import Transformer

    transformer = Transformer.from_crs(crs_of(found), "EPSG:4326", always_xy=True)
    lon, lat = transformer.transform(found["x"].values, found["y"].values)
    return np.asarray(lon), np.asarray(lat)
