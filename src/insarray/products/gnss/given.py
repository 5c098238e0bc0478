"""Stations as they are given, in the terms of the data model: units, order of dimensions, dates, places."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.conventions import COMPONENTS
from insarray.model.dates import as_time, date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.model.units import factor_to

_PLACE = {"longitude": (-180.0, 360.0), "latitude": (-90.0, 90.0)}
_UNITS = {
    f"{kind}{axis}{end}": unit
    for kind, unit in (("", "m"), ("velocity_", "m/year"))
    for axis in COMPONENTS
    for end in ("", "_std")
}
_CORRELATIONS = tuple(
    f"correlation_{one}_{other}" for one, other in (("east", "north"), ("east", "up"), ("north", "up"))
)


def require_stations(gnss: Any, needed: tuple[str, ...], what: str) -> xr.Dataset:
    """Stations that have what is needed, as `open_gnss` makes them; nothing lazy is computed but coordinates.

    Parameters
    ----------
    gnss
        Stations, with dimensions in any order; layers in mm or cm are converted. Standard deviations and correlations may
        lack a dimension.
    needed
        Layers that must be there.
    what
        Needs them.

    Returns
    -------
    xarray.Dataset
        Layers (station,) or (station, time) in m or m/year; dates ascending.

    Raises
    ------
    StackError
        If they are no such stations, or a date or station is there twice.
    """
    if not isinstance(gnss, xr.Dataset):
        raise StackError(f"gnss: is a {type(gnss).__name__}, not an xarray.Dataset; open it with insarray.open_gnss")
    gnss = gnss.set_coords([name for name in _PLACE if name in gnss.data_vars])
    if "station" not in gnss.dims or not set(_PLACE) <= set(gnss.coords):
        raise StackError("gnss: has no stations with longitude and latitude; open it with insarray.open_gnss")
    missing = [name for name in needed if name not in gnss]
    if missing:
        raise StackError(f"gnss: has no {missing[0]}, which {what} needs; it has {', '.join(map(str, gnss.data_vars))}")
    if not gnss.sizes["station"]:
        raise StackError("gnss: has no station (its dimension station is empty); give stations of the area of the data")
    _require_places(gnss)
    return _layers(_dated(gnss), needed)


def _require_places(gnss: xr.Dataset) -> None:
    names = [str(name) for name in gnss["station"].values]
    _require_once("station", names)
    for name, (least, most) in _PLACE.items():
        place = gnss[name]
        if place.dims != ("station",) or place.dtype.kind not in "fiu":
            raise StackError(f"gnss: its {name} is {place.dtype} {place.dims}, expected numbers ('station',)")
        units = str(place.attrs.get("units", "degrees"))
        if not units.strip().lower().startswith(("deg", "°")):
            raise StackError(f"gnss: its {name} is in {units!r}; convert it to degrees, and set units to 'degrees'")
        good = (place.values >= least) & (place.values <= most)
        if not good.all():
            wrong = int(np.argmin(good))
            raise StackError(
                f"gnss: station {names[wrong]} has the {name} {place.values[wrong]:g}, expected {least:g} to {most:g} degrees; "
                "correct it, or leave the station out"
            )


def _require_once(what: str, labels: list[str]) -> None:
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise StackError(
            f"gnss: has the {what} {twice} more than once; keep one of them, for example with "
            f"gnss.drop_duplicates({'time' if what == 'date' else what!r})"
        )


def _dated(gnss: xr.Dataset) -> xr.Dataset:
    """The dataset with ascending dates."""
    if "time" not in gnss.dims:
        return gnss
    times = gnss["time"].values
    if "time" in gnss.coords and all(isinstance(time, str) for time in times.tolist()):
        try:
            times = np.array([as_time(time) for time in times.tolist()], "datetime64[ns]")
        except ArgumentError as error:
            raise StackError(f"gnss: its time is not known: {error}") from error
        gnss = gnss.assign_coords(time=("time", times, gnss["time"].attrs))
    if "time" not in gnss.coords or times.dtype.kind != "M" or np.isnat(times).any():
        raise StackError("gnss: its dimension time has no dates; give it a coordinate time of datetime64 without NaT")
    if not len(times):
        raise StackError("gnss: has no date (its dimension time is empty); give positions of the dates of the data")
    _require_once("date", [date_label(time) for time in times])
    return gnss.sortby("time")


def _layers(gnss: xr.Dataset, needed: Iterable[str]) -> xr.Dataset:
    """The dataset with its motion, standard deviations and correlations in units and dimensions of the data model."""
    known = [name for name in (*_UNITS, *_CORRELATIONS) if name in gnss]
    dims = [dim for dim in ("station", "time") if any(dim in gnss[name].dims for name in needed)]
    changed = {}
    for name in known:
        layer = gnss[name]
        if not set(layer.dims) <= set(dims):
            raise StackError(f"gnss: {name} has the dimensions {layer.dims}, expected {tuple(dims)}")
        if layer.dtype.kind not in "fiu":
            raise StackError(f"gnss: {name} holds {layer.dtype}, not numbers; convert it")
        if name in _UNITS:
            layer = _in_unit(name, layer, _UNITS[name])
        sizes = {dim: gnss.sizes[dim] for dim in dims if dim not in layer.dims}
        changed[name] = layer.expand_dims(sizes).transpose(*dims)
    return gnss.drop_dims([dim for dim in gnss.dims if dim not in dims]).assign(changed)


def _in_unit(name: str, layer: xr.DataArray, unit: str) -> xr.DataArray:
    """The layer in a unit; one that states none is in it."""
    stated = layer.attrs.get("units", unit)
    factor = factor_to(unit, stated)
    if factor is None:
        raise StackError(
            f"gnss: {name} is in {stated!r}, which is not known as {unit}; convert the values, and set units to {unit!r}"
        )
    return layer if factor == 1 else (layer * factor).assign_attrs(layer.attrs | {"units": unit})
