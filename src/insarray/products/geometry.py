"""Geometry of the height error: perpendicular baselines of dates or pairs, and metres of range per metre of height."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.model.dataset import network_of
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network

LIMITS = {"slant_range": (1e4, 1e8), "incidence_angle": (0.0, 90.0)}
"""Between what numbers the geometry must lie: m, degrees."""

_LEAST_BASELINE = 1e-3  # metres; all baselines below are no baselines


class HeightGeometry(NamedTuple):
    """What the height error needs, for rows that are dates or pairs.

    A height error h moves the displacement toward the satellite by perpendicular_baseline * factor * h.

    Parameters
    ----------
    factor
        1 / (slant_range sin(incidence_angle)) in 1/m, (y, x) or a number.
    baseline
        Metres, (row,), where all pixels share it, else None.
    maps
        Metres, (row, y, x) or (pair, y, x), where they do not.
    closing
        Matrix (date, pair) that turns baselines of pairs into those of dates, if `maps` has pairs and the rows are
        dates.
    """

    factor: xr.DataArray | float
    baseline: np.ndarray | None
    maps: xr.DataArray | None
    closing: np.ndarray | None


def height_geometry(
    data: xr.Dataset,
    row: str,
    *,
    baselines: xr.DataArray | None,
    slant_range: xr.DataArray | float | None,
    incidence_angle: xr.DataArray | float | None,
) -> HeightGeometry:
    """Geometry of a series (`row` is "time") or a stack ("pair"), given or as the dataset has it.

    Raises
    ------
    StackError
        If something is missing, or the baselines are all zero: then there is nothing to find.
    ArgumentError
        If something given has the wrong dimensions or cannot be.
    """
    distance = _map(data, "slant_range", slant_range)
    angle = _map(data, "incidence_angle", incidence_angle)
    across = xr.DataArray(distance * np.sin(np.deg2rad(angle)))
    factor = 1.0 / across if across.ndim else 1.0 / float(across)
    found = baselines if baselines is not None else data.get("perpendicular_baseline")
    if found is None:
        raise StackError(
            "height_error: there are no perpendicular baselines; open the stack with baselines=... (--baselines)"
        )
    found = xr.DataArray(found)
    lead = str(found.dims[0]) if found.dims else ""
    if found.dims not in ((lead,), (lead, "y", "x")) or lead not in ("time", "pair"):
        raise ArgumentError(f"baselines: dimensions {found.dims}; they must be (time) or (pair), perhaps with (y, x)")
    if lead == "time" and row == "pair":
        raise ArgumentError("baselines: are per date, but the fit is from pairs; give them per pair")
    if lead not in data.sizes or len(found) != data.sizes[lead]:
        raise ArgumentError(f"baselines: {len(found)} along {lead!r}, but the data has {data.sizes.get(lead, 'none')}")
    _require_same_dates(data, found)
    if found.ndim == 3 and found.shape[1:] != (data.sizes["y"], data.sizes["x"]):
        raise ArgumentError(f"baselines: {found.shape[1:]} pixels, expected {(data.sizes['y'], data.sizes['x'])}")
    if found.ndim == 3:
        closing = None if lead == row else _closing(data)
        return HeightGeometry(factor, None, found.astype(np.float32), closing)
    return HeightGeometry(factor, _per_row(data, found.values.astype(np.float64), lead, row), None, None)


def _require_same_dates(data: xr.Dataset, found: xr.DataArray) -> None:
    """Raise ArgumentError if the baselines say whose they are, and it is not the rows of `data`."""
    for name in ("time", "reference_time", "secondary_time"):
        if name not in found.coords or name not in data.coords or found[name].dims != found.dims[:1]:
            continue
        differ = np.flatnonzero(found[name].values != data[name].values)
        if len(differ):
            dates = " but ".join(str(times[name].values[differ[0]])[:10] for times in (found, data))
            raise ArgumentError(f"baselines: {name} {differ[0]} is {dates} in the data; open them for this data")


def _per_row(data: xr.Dataset, given: np.ndarray, lead: str, row: str) -> np.ndarray:
    """Baselines of the rows: as given, or closed from pairs to dates."""
    if not np.isfinite(given).all():
        at = int(np.flatnonzero(~np.isfinite(given))[0])
        raise StackError(f"baselines: {given[at]} at {lead} {at}; every one must be known")
    if np.abs(given - (given[0] if lead == "time" else 0.0)).max() < _LEAST_BASELINE:
        raise StackError("height_error: all perpendicular baselines are zero, so it cannot be determined; leave it out")
    if lead == row:
        return given
    network = network_of(data)
    closed: np.ndarray = Network.from_pairs(network.labels, given).date_baselines()[0][dates_in(network, data)]
    return closed


def _closing(data: xr.Dataset) -> np.ndarray:
    """Matrix (date, pair) of the baselines of the dates of `data`, relative to the first one of the network."""
    network = network_of(data)
    network.require_connected("baselines of pairs that are not connected say nothing about dates")
    return np.asarray(network.closing()[dates_in(network, data)])


def dates_in(network: Network, data: xr.Dataset) -> np.ndarray:
    """Where the dates of `data` are in the network."""
    times = data.time.values.astype("datetime64[s]")
    at = np.searchsorted(network.times, times).clip(max=network.n_dates - 1)
    missing = network.times[at] != times
    if missing.any():
        raise StackError(f"baselines: no pair has the date {str(times[missing][0])[:10]}; give one baseline per date")
    return np.asarray(at)


def _map(data: xr.Dataset, name: str, given: xr.DataArray | float | None) -> xr.DataArray | float:
    """A map of the geometry, or one number for the image; given, a variable of the data, or its attribute."""
    least, most = LIMITS[name]
    found = given if given is not None else data.get(name, data.attrs.get(name))
    if found is None:
        raise StackError(f"height_error: there is no {name}; give it as a number or a map (y, x)")
    if isinstance(found, xr.DataArray):
        if found.dims != ("y", "x") or found.shape != (data.sizes["y"], data.sizes["x"]):
            shape = (data.sizes["y"], data.sizes["x"])
            raise ArgumentError(f"{name}: {found.dims} {found.shape}, expected ('y', 'x') {shape}")
        return found.astype(np.float64)
    if not least < found < most:
        raise ArgumentError(f"{name}: {found!r} is not between {least:g} and {most:g}")
    return float(found)
