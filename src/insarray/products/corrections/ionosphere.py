"""Delay of the ionosphere in line of sight, from global maps of the electron content and a thin shell."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.io.corrections.ionex import ElectronMaps, maps_at, read_ionex
from insarray.io.files import fingerprint
from insarray.io.sidecars import SPEED_OF_LIGHT
from insarray.io.source import Files
from insarray.kernels.corrections.columns import at_points, located
from insarray.kernels.corrections.thin_shell import phase_advance, pierced
from insarray.model.choices import Look
from insarray.model.conventions import Variable
from insarray.model.errors import ArgumentError
from insarray.products.components.tracks import require_unit_vectors, vectors_in
from insarray.products.corrections.geometry import (
    Angle,
    acquisitions,
    line_of_sight,
    of_dates,
    times_of,
)
from insarray.products.views.ground import Lattice, lattice_of, pixel_coordinates
from insarray.products.views.stacks import as_data

logger = logging.getLogger(__name__)

_NAME = "ionosphere"
_WORKING = 200  # bytes of a pixel: places and weights in float64, and sums


@dataclass(frozen=True)
class _Task:
    """Maps of electrons, which of them count at each date, where the pixels are, and how electrons count."""

    content: np.ndarray
    axes: tuple[np.ndarray, np.ndarray]
    chosen: tuple[tuple[tuple[float, float, int], ...], ...]
    shell: tuple[float, float]
    lattice: Lattice
    frequency: float
    share: float
    paths: tuple[str, ...]
    fingerprint: str


def ionosphere(
    data: xr.Dataset,
    files: Files,
    *,
    time_of_day: str | None = None,
    incidence_angle: Angle | None = None,
    heading: float | None = None,
    look: Look = "right",
    share: float = 0.9,
) -> xr.DataArray:
    """Ionospheric delay of every date and pixel in line of sight, lazily if the data are lazy; for `correct`.

    Parameters
    ----------
    data
        Stack or series with a `wavelength`, whose pixels have a CRS, or maps `latitude` and `longitude` (radar coordinates).
    files
        IONEX files of the days of the acquisitions (and of the next day, for acquisitions after the last map of a file),
        plain or ``.gz``.
    time_of_day, incidence_angle, heading, look
        As those of `solid_earth_tide`.
    share
        Of the electrons that are below the satellite, 0 to 1: maps count all up to those of GNSS.

    Returns
    -------
    xarray.DataArray
        `ionosphere` (time, y, x) in m with the sign of `displacement`: electrons advance the phase, which looks like motion
        toward the satellite.

    Raises
    ------
    ArgumentError
        If there are no maps before and after an acquisition, or an argument is outside what it may be.
    FileError, StackError
        If a file cannot be read, or wavelength, line of sight or places are not known.

    See Also
    --------
    insarray.correct : subtract corrections.
    insarray.troposphere : delays of weather models.

    Notes
    -----
    40.308 m^3/s^2 TEC / f^2 / cos(z), with z and the electron content (TEC) where the line of sight pierces the shell of
    the file. Between two maps each is turned with the Sun. Maps have cells of 2.5 by 5 degrees and errors of some TECU: in
    C-band 1 TECU is 1.4 cm at the zenith, in L-band 25 cm; they correct ramps of a scene, not what is smaller. Where the
    product has an ionosphere of its own, estimated from parts of the band, take that (`layers`).

    References
    ----------
    * Schaer, S., Gurtner, W. and Feltens, J. (1998), IONEX: The IONosphere Map EXchange format version 1, IGS.
    * Gisinger, C. et al. (2021), In-depth verification of Sentinel-1 and TerraSAR-X geolocation accuracy using the
      Australian corner reflector array, IEEE TGRS 59, 1154-1181.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> try:
    ...     ia.ionosphere(stack, "*.19i", time_of_day="00:51", heading=-13)
    ... except ia.InsarrayError as error:
    ...     print(str(error)[:37])
    ionosphere: nothing matches '*.19i' (
    """
    if not (isinstance(share, int | float) and 0 < share <= 1):
        raise ArgumentError(f"share: {share!r} is not a share of the electrons, above 0 and at most 1")
    view = as_data(data)
    frequency = SPEED_OF_LIGHT / view.require_wavelength()
    maps = read_ionex(files)
    times = times_of(view)
    chosen = tuple(maps_at(maps, moment) for moment in acquisitions(times, time_of_day))
    inputs = pixel_coordinates(view) | line_of_sight(view, incidence_angle, heading, look, _NAME)
    task = _task(maps, chosen, lattice_of(view), frequency, share)
    source = f"IONEX ({len(maps.paths)} files), thin shell at {maps.height:g} km, {share:g} of the electrons"
    attrs: dict[str, object] = {"source": source}
    text = "apparent line-of-sight displacement by the ionosphere, toward the satellite"
    entry = Variable(("time", "y", "x"), "float32", "m", text, attrs)
    made = map_blocks(shell_block, task, inputs, {_NAME: entry}, {"time": len(times)}, bytes_per_pixel=_WORKING)
    logger.info("ionosphere: %d dates, %d maps", len(times), len(maps.times))
    return of_dates(view, times, made)[_NAME]


def _task(
    maps: ElectronMaps,
    chosen: tuple[tuple[tuple[float, float, int], ...], ...],
    lattice: Lattice,
    frequency: float,
    share: float,
) -> _Task:
    """What blocks need: only the maps that count."""
    used = sorted({number for of in chosen for _, _, number in of})
    renumbered = tuple(tuple((w, shift, used.index(number)) for w, shift, number in of) for of in chosen)
    return _Task(
        maps.content[used],
        (maps.lat, maps.lon),
        renumbered,
        (maps.radius, maps.height),
        lattice,
        frequency,
        share,
        maps.paths,
        fingerprint(maps.paths),
    )


def shell_block(task: _Task, arrays: Arrays) -> Arrays:
    """Delay of one block."""
    require_unit_vectors("data", vectors_in(arrays))
    lat, lon = task.lattice.places(arrays)
    look = (arrays["los_east"], arrays["los_north"], arrays["los_up"])
    through = pierced(lat, lon, look, *task.shell)
    first = task.axes[1][0]
    out = np.empty((len(task.chosen), *lat.shape), np.float32)
    for plane, chosen in zip(out, task.chosen, strict=True):
        content = np.zeros(lat.shape)
        for weight, shift, number in chosen:
            turned = first + (through.lon + shift - first) % 360.0
            points = located(None, task.axes, through.lat, turned, lat)
            content += weight * at_points(task.content[number], points)
        plane[...] = task.share * phase_advance(content, through.slant, task.frequency)
    return {_NAME: out}
