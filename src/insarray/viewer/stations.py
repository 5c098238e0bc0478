"""GNSS stations beside a result: what `compare_gnss` has found, as the page shows it."""

from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.open import open as open_result
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import is_geographic
from insarray.model.text import printable

_NEEDED = ("displacement", "gnss_displacement", "gnss_displacement_std", "difference", "rms_of_station")
_NUMBERS = {"rms_of_station": "rms", "trend_of_station": "trend", "correlation_of_station": "correlation"}


def open_comparison(path: str) -> xr.Dataset:
    """A comparison with GNSS, in memory.

    Raises
    ------
    ArgumentError
        If the file holds something else.
    """
    data = open_result(path)
    missing = [name for name in _NEEDED if name not in data or "station" not in data[name].dims]
    if missing or not {"longitude", "latitude"} <= set(data.coords):
        raise ArgumentError(
            f"gnss: {path} is no comparison with stations (it lacks {', '.join(missing) or 'their places'}); write one with: "
            "insarray gnss STORE FILES --out comparison.nc"
        )
    return data.load()


def stations_of(comparison: xr.Dataset, crs: str | None, middle: float) -> dict[str, Any]:
    """Dates, and of each station its place in the CRS of a result and its series, as plain values.

    The series of GNSS is that along the line of sight, moved by the offsets of its station and of each date that
    `compare_gnss` has found, so that it can be drawn over that of InSAR.

    Parameters
    ----------
    comparison
        What `open_comparison` gives.
    crs
        CRS of the result; None if it has none.
    middle
        x in the middle of the result; longitudes are those within 180 degrees of it.

    Raises
    ------
    StackError
        If there is no CRS.
    """
    if crs is None:
        raise StackError("gnss: the result is in radar coordinates, in which stations have no place; geocode it first")
    from pyproj import Transformer

    lon, lat = (comparison[name].values.astype(float) for name in ("longitude", "latitude"))
    x, y = (np.asarray(part) for part in Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat))
    if is_geographic(crs):
        x = x - 360 * np.round((x - middle) / 360)
    insar, gnss, std, difference = (
        comparison[name].transpose("station", "time").values.astype(float) for name in _NEEDED[:4]
    )
    moved = np.where(np.isfinite(gnss), insar - difference, np.nan)
    found = []
    for k, name in enumerate(comparison["station"].values):
        numbers = {key: float(comparison[of][k]) for of, key in _NUMBERS.items() if of in comparison}
        place = {
            "name": printable(str(name)),
            "x": float(x[k]),
            "y": float(y[k]),
            "lonlat": [float(lon[k]), float(lat[k])],
        }
        found.append({**place, **numbers, "gnss": moved[k].tolist(), "std": std[k].tolist()})
    return {"dates": [str(time) for time in comparison["time"].values.astype("datetime64[s]")], "stations": found}
