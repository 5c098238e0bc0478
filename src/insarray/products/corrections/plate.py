"""Displacement by the motion of a plate, of every date and pixel in line of sight."""

import logging

import numpy as np
import xarray as xr

from insarray.model.choices import Look, PlateModel
from insarray.model.conventions import DAYS_PER_YEAR
from insarray.products.components.frame import plate_motion
from insarray.products.corrections.geometry import Angle, line_of_sight, times_of
from insarray.products.views.ground import MAPS
from insarray.products.views.stacks import as_data

logger = logging.getLogger(__name__)

_NAME = "plate_motion"


def plate_displacement(
    data: xr.Dataset,
    *,
    plate: str,
    model: PlateModel | None = None,
    incidence_angle: Angle | None = None,
    heading: float | None = None,
    look: Look = "right",
) -> xr.DataArray:
    """Displacement by the motion of a plate in line of sight, lazily if the data are lazy; for `correct`.

    Parameters
    ----------
    data
        Stack or series whose pixels have a CRS, or maps `latitude` and `longitude` (radar coordinates).
    plate, model
        As those of `insarray.plate_motion`.
    incidence_angle, heading, look
        As those of `solid_earth_tide`.

    Returns
    -------
    xarray.DataArray
        `plate_motion` (time, y, x) in m since the first date, positive toward the satellite.

    Raises
    ------
    ArgumentError, StackError
        If there is no such plate, or line of sight or places are not known.

    See Also
    --------
    insarray.plate_motion : the velocity of the plate.
    insarray.change_frame : velocities and series relative to a plate.
    insarray.correct : subtract corrections.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> moved = ia.plate_displacement(stack, plate="NorthAmerica", heading=-13)
    >>> ia.correct(stack, moved).attrs["corrections"]
    'plate_motion'
    """
    view = as_data(data)
    sight = line_of_sight(view, incidence_angle, heading, look, _NAME)
    places = {name: view.data[name] for name in MAPS if name in view.data.variables}
    seen = view.on_grid(xr.Dataset({**sight, **places}).drop_vars(["y", "x"], errors="ignore"))
    motion = plate_motion(seen, plate=plate, model=model)
    times = times_of(view)
    years = (times - times[0]) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    since = xr.DataArray(years.astype(np.float32), {"time": times.astype("datetime64[ns]")}, "time")
    found: xr.DataArray = (since * motion["plate_velocity"].drop_attrs()).transpose("time", "y", "x").rename(_NAME)
    found.attrs = {
        "units": "m",
        "long_name": "line-of-sight displacement by the motion of the plate, toward the satellite",
        "source": f"motion of {motion.attrs['plate_motion']}",
    }
    logger.info("plate_displacement: %s, %d dates", motion.attrs["plate_motion"], len(times))
    return found
