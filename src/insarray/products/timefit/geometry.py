"""Geometry of the height error: perpendicular baselines of rows, and displacement per metre of height and baseline."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from insarray.model.conventions import UNITS
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.stacks import SeriesView, StackView, View

LIMITS = {"slant_range": (1e4, 1e8), "incidence_angle": (2.0, 90.0)}
"""Valid ranges in m and degrees; angles in radians and ranges in km are outside."""

_LEAST_BASELINE = 1e-3  # metres; smaller baselines count as zero


class HeightGeometry(NamedTuple):
    """Geometry needed for the height error, for rows that are dates or pairs.

    A height error h changes the displacement toward the satellite by perpendicular_baseline * factor * h.

    Parameters
    ----------
    factor
        1 / (slant_range sin(incidence_angle)) in 1/m, (y, x) or a number.
    baseline
        Baselines in m, (row,), if all pixels share them, else None.
    maps
        Baselines in m, (row, y, x) or (pair, y, x), if they vary over the image.
    closing
        Matrix (date, pair) that converts baselines of pairs to dates, if `maps` has pairs and the rows are dates.
    """

    factor: xr.DataArray | float
    baseline: np.ndarray | None
    maps: xr.DataArray | None
    closing: np.ndarray | None


def height_geometry(
    view: SeriesView | StackView,
    *,
    baselines: xr.DataArray | None,
    slant_range: xr.DataArray | float | None,
    incidence_angle: xr.DataArray | float | None,
) -> HeightGeometry:
    """Return the geometry of a series (rows are dates) or a stack (pairs), from arguments or the dataset.

    Arguments are aligned to the data by dates or pairs, y and x.

    Raises
    ------
    StackError
        If a quantity is missing, or all baselines are zero, so that the height error cannot be determined.
    ArgumentError
        If an argument has the wrong dimensions, lacks dates, pairs or pixels, or is invalid.
    """
    distance = geometry_map(view, "slant_range", slant_range, "height_error")
    angle = geometry_map(view, "incidence_angle", incidence_angle, "height_error")
    across = xr.DataArray(distance * np.sin(np.deg2rad(angle)))
    factor = in_blocks_of(1.0 / across, _layer(view)) if across.ndim else 1.0 / float(across)
    row = "time" if isinstance(view, SeriesView) else "pair"
    found = _baselines(view, row, baselines)
    lead = str(found.dims[0])
    if found.ndim == 3:
        closing = None if lead == row else _closing(view)
        return HeightGeometry(factor, None, in_blocks_of(found.astype(np.float32), _layer(view)), closing)
    return HeightGeometry(factor, _per_row(view, found.values.astype(np.float64), lead, row), None, None)


def _layer(view: SeriesView | StackView) -> xr.DataArray:
    return view.displacement if isinstance(view, SeriesView) else view.phase


def _baselines(view: SeriesView | StackView, row: str, given: xr.DataArray | None) -> xr.DataArray:
    """Return the perpendicular baselines of the rows of the data, or of their pairs."""
    found = given if given is not None else view.data.get("perpendicular_baseline")
    if found is None:
        raise StackError(
            "height_error: there are no perpendicular baselines; open the stack with baselines=... (--baselines)"
        )
    if row == "pair" and isinstance(found, xr.DataArray) and "time" in found.dims:
        raise ArgumentError("baselines: are per date, but the fit is from pairs; give them per pair")
    choices = [("time",), ("time", "y", "x")] if row == "time" else []
    if row == "pair" or (isinstance(view, SeriesView) and view.network is not None):
        choices += [("pair",), ("pair", "y", "x")]
    unit = found.attrs.get("units", "m") if isinstance(found, xr.DataArray) else "m"
    if str(unit).strip().lower() not in UNITS["m"]:
        raise ArgumentError(f"baselines: are in {unit!r}; convert them to m, and set their attribute units to 'm'")
    return aligned("baselines", found, view, *choices)


def _per_row(view: SeriesView | StackView, given: np.ndarray, lead: str, row: str) -> np.ndarray:
    """Return the baselines of the rows, converted from pairs to dates if needed."""
    if not np.isfinite(given).all():
        at = int(np.flatnonzero(~np.isfinite(given))[0])
        raise StackError(f"baselines: {given[at]} at {lead} {at}; every one must be known")
    if np.abs(given - (given[0] if lead == "time" else 0.0)).max() < _LEAST_BASELINE:
        raise StackError("height_error: all perpendicular baselines are zero, so it cannot be determined; leave it out")
    if lead == row:
        return given
    network = _network(view)
    closed: np.ndarray = Network(network.times, network.pairs, given).date_baselines()[0]
    return np.asarray(closed[dates_in(network, _times(view))])


def _network(view: SeriesView | StackView) -> Network:
    assert view.network is not None  # noqa: S101  for the type checker: baselines of pairs need pairs
    return view.network


def _times(view: SeriesView | StackView) -> np.ndarray:
    return view.times if isinstance(view, SeriesView) else _network(view).times


def _closing(view: SeriesView | StackView) -> np.ndarray:
    """Return the matrix (date, pair) that converts baselines to dates, relative to the network's first date."""
    network = _network(view)
    network.require_connected("baselines of pairs that are not connected say nothing about dates")
    return np.asarray(network.closing()[dates_in(network, _times(view))])


def dates_in(network: Network, times: np.ndarray) -> np.ndarray:
    """Return the indices of dates, ``datetime64[s]``, in the network."""
    at = np.searchsorted(network.times, times).clip(max=network.n_dates - 1)
    missing = network.times[at] != times
    if missing.any():
        raise StackError(f"baselines: no pair has the date {str(times[missing][0])[:10]}; give one baseline per date")
    return np.asarray(at)


def geometry_map(
    view: View, name: str, given: xr.DataArray | np.ndarray | float | None, needed_by: str
) -> xr.DataArray | float:
    """Return a map of the geometry, or one number: the argument, or a variable or attribute of the data."""
    least, most = LIMITS[name]
    found = given if given is not None else view.data.get(name, view.data.attrs.get(name))
    if found is None:
        raise StackError(f"{needed_by}: there is no {name}; give it as a number or a map (y, x)")
    if np.ndim(found):
        layer = aligned(name, found, view, ("y", "x")).astype(np.float64)
        check = partial(within_limits, name)
        checked: xr.DataArray = xr.apply_ufunc(check, layer, dask="parallelized", output_dtypes=[np.float64])
        return checked
    try:
        number = float(found)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: {found!r} is not a number or a map (y, x)") from None
    if not least < number < most:
        raise ArgumentError(f"{name}: {number:g} is not between {least:g} and {most:g}{_hint(name)}")
    return number


def direction_of_flight(heading: Any) -> float:
    """Heading in degrees.

    Raises
    ------
    ArgumentError
        If it is not one number.
    """
    if not np.isscalar(heading) and np.ndim(heading):
        raise ArgumentError("heading: has more than one value; give one number, the direction of flight")
    try:
        number = float(heading)
    except (TypeError, ValueError):
        number = np.nan
    if not -360 <= number <= 360:
        raise ArgumentError(f"heading: {heading!r} is no direction of flight in degrees, clockwise from north")
    return number


def within_limits(name: str, values: np.ndarray) -> np.ndarray:
    """Return values of the geometry with NaN for 0, which is no-data.

    Raises
    ------
    ArgumentError
        If other values are out of range, such as angles in radians.
    """
    least, most = LIMITS[name]
    known = np.where(values == 0, np.nan, values)
    with np.errstate(invalid="ignore"):
        wrong = (known <= least) | (known >= most)
    if wrong.any():
        raise ArgumentError(
            f"{name}: holds {known[wrong].flat[0]:g}, which is not between {least:g} and {most:g}{_hint(name)}"
        )
    return np.asarray(known)


def _hint(name: str) -> str:
    return "; give m, not km" if name == "slant_range" else "; give degrees from the vertical, not radians"
