"""Solid Earth tide of every date and pixel in line of sight."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.corrections.tides import solid_earth_tide as tide_of_nodes
from insarray.model.choices import Look
from insarray.model.conventions import Variable
from insarray.products.components.tracks import require_unit_vectors, vectors_in
from insarray.products.corrections.geometry import (
    Angle,
    acquisitions,
    line_of_sight,
    of_dates,
    times_of,
)
from insarray.products.views.ground import Lattice, lattice_of, layer_of, pixel_coordinates
from insarray.products.views.stacks import as_data

logger = logging.getLogger(__name__)

_NAME = "solid_earth_tide"
_SOURCE = "solid Earth tide by the IERS Conventions (2010)"


@dataclass(frozen=True)
class _Task:
    """Displacement (date, component, node of y, node of x) in m at the nodes, and where these are."""

    moved: np.ndarray
    lattice: Lattice


def solid_earth_tide(
    data: xr.Dataset,
    *,
    time_of_day: str | None = None,
    incidence_angle: Angle | None = None,
    heading: float | None = None,
    look: Look = "right",
) -> xr.DataArray:
    """Displacement by the solid Earth tide in line of sight, lazily if the data are lazy; for `correct`.

    Parameters
    ----------
    data
        Stack or series whose pixels have a CRS, or maps `latitude` and `longitude` (radar coordinates).
    time_of_day
        Of the acquisitions in UTC, such as "14:07:44", for dates that have none.
    incidence_angle, heading, look
        Angle from the vertical in degrees, a number or a map (y, x), direction of flight in degrees clockwise from north,
        and side to which the radar looks. They may be left out where the data have `los_east`, `los_north` and `los_up`.

    Returns
    -------
    xarray.DataArray
        `solid_earth_tide` (time, y, x) in m, positive toward the satellite, relative to an Earth without tide.

    Raises
    ------
    ArgumentError, StackError
        If the time of day or the line of sight is not known, or where the pixels are.

    See Also
    --------
    insarray.correct : subtract corrections.

    Notes
    -----
    Both steps of section 7.1.1 of the conventions, with Sun and Moon by series of some arc seconds: within 0.8 mm of
    Milbert's program `solid` (most within 0.3 mm), whose positions of the Moon are coarser. Computed at nodes of 0.25
    degrees (25 km) and interpolated between them, which changes it by less than 0.01 mm. All pixels of a date have the same
    time. Ocean loading and pole tide are not part of it.

    References
    ----------
    * Petit, G. and Luzum, B. (eds.) (2010), IERS Conventions (2010), IERS Technical Note 36, chapter 7.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> tide = ia.solid_earth_tide(stack, time_of_day="00:51:03", heading=-13)
    >>> tide.dims
    ('time', 'y', 'x')
    >>> ia.correct(stack, tide).attrs["corrections"]
    'solid_earth_tide'
    """
    view = as_data(data)
    times = times_of(view)
    moments = acquisitions(times, time_of_day)
    lattice = lattice_of(view)
    inputs = pixel_coordinates(view) | line_of_sight(view, incidence_angle, heading, look, _NAME)
    moved = np.stack([tide_of_nodes(moment, lattice.lat, lattice.lon) for moment in moments])
    about: dict[str, object] = {"source": _SOURCE}
    entry = Variable(
        ("time", "y", "x"),
        "float32",
        "m",
        "line-of-sight displacement by the solid Earth tide, toward the satellite",
        about,
    )
    made = map_blocks(
        tide_block,
        _Task(moved, lattice),
        inputs,
        {_NAME: entry},
        {"time": len(times)},
        bytes_per_pixel=_WORKING[lattice.mapped],
    )
    logger.info("solid_earth_tide: %d dates, %d nodes", len(times), lattice.lat.size)
    logger.debug("solid_earth_tide: at %s; in blocks of %s", moments[0], layer_of(view).chunks)
    return of_dates(view, times, made)[_NAME]


_WORKING = (112, 152)  # bytes of a pixel: components between rows and columns, products; in radar coordinates places


def tide_block(task: _Task, arrays: Arrays) -> Arrays:
    """Tide of one block."""
    require_unit_vectors("data", vectors_in(arrays))
    look = [arrays[name] for name in ("los_east", "los_north", "los_up")]
    out = np.empty((len(task.moved), *look[0].shape), np.float32)
    for plane, moved in zip(out, task.moved, strict=True):
        at = task.lattice.at_pixels(moved, arrays)
        plane[...] = sum(component * along for component, along in zip(at, look, strict=True))
    return {_NAME: out}
