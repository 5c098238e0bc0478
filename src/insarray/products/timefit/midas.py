"""`midas`: velocity by the median of the slopes of dates a year apart."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.timefit.midas import midas as solve
from insarray.model.arguments import as_list
from insarray.model.dates import Time, as_time, date_label, years_since
from insarray.model.errors import ArgumentError, StackError
from insarray.products.views.stacks import as_series

logger = logging.getLogger(__name__)

_LEAST_SPAN = 1.0  # years


@dataclass(frozen=True)
class _Task:
    years: np.ndarray
    segment: np.ndarray
    tolerance: float


def midas(series: xr.Dataset, *, steps: Sequence[Time] = (), tolerance: float = 0.001) -> xr.Dataset:
    """Estimate velocities as GNSS velocities are estimated by MIDAS, robust against steps, seasons and outliers.

    The velocity of a pixel is the median of the slopes of pairs of dates one year apart, after slopes beyond two standard
    deviations are removed. Each date is paired with one a year later (within the tolerance) if there is one, else with the
    next later date that has no partner yet, or the next one; then the same backward in time.

    Parameters
    ----------
    series
        `displacement` (time, y, x) in m, of `insarray.invert` or similar, of more than a year.
    steps
        Dates of known steps; no pair spans one.
    tolerance
        Largest difference from one year of the preferred pairs, years.

    Returns
    -------
    xarray.Dataset
        `velocity` (y, x) in m/year, positive toward the satellite, lazily if the series is lazy; `velocity_std`, three times
        the standard error of a median of independent slopes, as published, NaN for fewer than 8 slopes; `fit_flag`: no_data,
        determined, or too_few_observations where no two dates are a year apart. Of a series with ``gap="subset"`` only dates
        connected to the first date are used.

    Raises
    ------
    ArgumentError
        If an option is invalid.
    StackError
        If there is no displacement, or the series is shorter than a year.

    See Also
    --------
    insarray.fit : least squares fit of time functions.
    insarray.open_gnss : read MIDAS velocities of stations.

    References
    ----------
    * Blewitt, G., Kreemer, C., Hammond, W. C. and Gazeaux, J. (2016), MIDAS robust trend estimator for accurate GPS station
      velocities without step detection, J. Geophys. Res. Solid Earth 121, 2054-2068, doi:10.1002/2015JB012552.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=40, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(4, 4))
    >>> ia.midas(series).velocity.dims
    ('y', 'x')
    """
    if isinstance(tolerance, bool) or not isinstance(tolerance, float | int) or not 0 <= tolerance < 0.5:
        raise ArgumentError(f"tolerance: {tolerance!r} is not a number of years from 0 to 0.5; 0.001 is usual")
    view = as_series(series)
    events = np.array(sorted(as_time(step) for step in as_list("steps", steps)), "datetime64[s]")
    years = years_since(view.times, view.times[0])
    if years[-1] < _LEAST_SPAN - tolerance:
        raise StackError(
            f"series: spans {years[-1]:.2g} years ({view.labels[0]}..{view.labels[-1]}), and MIDAS needs one; use insarray.fit"
        )
    task = _Task(years, np.searchsorted(events, view.times, side="right"), float(tolerance))
    inputs = {"displacement": view.displacement}
    if view.in_pieces:
        inputs["network_subset"] = view.data["network_subset"]
    outputs = ("velocity", "velocity_std", "fit_flag")
    found = map_blocks(midas_block, task, inputs, outputs, {}, bytes_per_pixel=8 * len(years))
    attrs = {
        "estimator": "MIDAS",
        "midas_tolerance": float(tolerance),
        "midas_steps": " ".join(date_label(event) for event in events),
        "first_time": str(view.times[0]),
        "last_time": str(view.times[-1]),
    }
    logger.info("midas: %d dates of %.3g years, %d steps", len(years), years[-1], len(events))
    place = view.record(view.place)
    return view.on_grid(xr.Dataset(found)).assign_attrs(view.inherited | place | attrs)


def midas_block(task: _Task, arrays: Arrays) -> Arrays:
    """Velocity of one block; `arrays` holds `displacement` (time, y, x) and perhaps `network_subset`."""
    displacement = arrays["displacement"]
    if "network_subset" in arrays:  # other subsets are relative to other dates
        displacement = np.where(arrays["network_subset"] == 1, displacement, np.float32(np.nan))
    shape = displacement.shape[1:]
    velocity, std, flag = solve(displacement.reshape(len(displacement), -1), task.years, task.segment, task.tolerance)
    found = {"velocity": velocity, "velocity_std": std, "fit_flag": flag}
    return {name: layer.reshape(shape) for name, layer in found.items()}
