"""Differences of velocities and series to GNSS stations, along the line of sight."""

import numpy as np
import xarray as xr

from insarray.model.choices import AtStation
from insarray.model.dates import date_label
from insarray.model.errors import StackError
from insarray.products.gnss.compare import on_dates
from insarray.products.gnss.stations import along, inside, lines_of_sight, sample
from insarray.products.views.stacks import SeriesView, View


def velocity_difference(view: View, gnss: xr.Dataset, radius: float) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Velocity minus that of the stations within the image.

    Parameters
    ----------
    view
        Of a velocity with its line of sight.
    gnss
        Stations with velocities.
    radius
        Metres around a station within which pixels are averaged; 0: the nearest pixel.

    Returns
    -------
    tuple
        The stations within the image; the difference and the standard deviation of GNSS, (1, station), m/year.
    """
    gnss = inside(view, gnss)
    insar = sample(view, ("velocity",), gnss, radius, _pixels(radius)).values["velocity"]
    motion, std = along(lines_of_sight(view, gnss, radius), gnss, "velocity_")
    return gnss, (insar - motion)[None], std[None]


def series_difference(
    view: SeriesView, gnss: xr.Dataset, radius: float, days: int
) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Displacement minus that of the stations within the image, both relative to the reference date.

    Parameters
    ----------
    view
        Of a series with its line of sight.
    gnss
        Stations with daily positions.
    radius
        Metres around a station within which pixels are averaged; 0: the nearest pixel.
    days
        Average positions over this many days before and after a date.

    Returns
    -------
    tuple
        The stations within the image; the difference and the standard deviation of GNSS, (time, station), m. At the
        reference date the difference is 0.

    Raises
    ------
    StackError
        If no station has a position on the reference date.
    """
    gnss = inside(view, gnss)
    insar = sample(view, ("displacement",), gnss, radius, _pixels(radius)).values["displacement"]
    motion, std = along(lines_of_sight(view, gnss, radius), gnss)
    times = np.append(view.times, view.reference_time)
    ground, spread = on_dates(times, gnss.time.values, motion, std, days)
    start, start_std = ground[:, -1:], spread[:, -1:]
    if not np.isfinite(start).any():
        raise StackError(
            f"gnss: no station has a position on the reference date {date_label(view.reference_time)}; average over more days"
        )
    difference = insar - (ground[:, :-1] - start)
    both = np.hypot(spread[:, :-1], start_std)
    at_reference = view.times == view.reference_time
    difference[:, at_reference] = np.where(np.isfinite(difference[:, at_reference]), 0.0, np.nan)
    return gnss, difference.T, both.T


def _pixels(radius: float) -> AtStation:
    return "mean" if radius else "nearest"
