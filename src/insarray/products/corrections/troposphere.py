"""Delay of the troposphere in line of sight, from files of weather models and zenith delays."""

import logging
import warnings
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.io.corrections.open import delay_files
from insarray.io.corrections.source import Bounds, DelayFile, Delays, read_kept
from insarray.io.corrections.times import Weighted, at_times
from insarray.io.source import Files, PathLike
from insarray.kernels.corrections.columns import Points, at_points, located
from insarray.model.choices import HeightReference, MissingDates
from insarray.model.conventions import Variable
from insarray.model.errors import ArgumentError, StackError, StackWarning
from insarray.products.corrections.geoid import geoid_heights
from insarray.products.corrections.geometry import (
    Angle,
    acquisitions,
    heights_of,
    incidence,
    of_dates,
    times_of,
)
from insarray.products.views.ground import Lattice, lattice_of, pixel_coordinates
from insarray.products.views.stacks import SeriesView, StackView, as_data

logger = logging.getLogger(__name__)

_MAPPING = "1 / cos(incidence)"
_LEAST, _MOST = -1000.0, 9000.0  # m: heights of the Earth's ground
_STEP = 2000.0  # m: of the height up to which levels are read, so that blocks share what is in memory
_MARGIN = 0.02  # degrees about the corners of the image
_WORKING = 220  # bytes of a pixel: places and weights in float64, and sums


@dataclass(frozen=True)
class _Task:
    """Files and their weights for each date, where the pixels are, and what comes out."""

    files: tuple[Weighted[DelayFile], ...]
    names: tuple[str, ...]
    lattice: Lattice
    bounds: Bounds
    raised: np.ndarray | None = None
    """What is added to the heights of the DEM, at the nodes of the lattice, m."""


def troposphere(
    data: xr.Dataset,
    files: Files,
    *,
    dem: PathLike | xr.DataArray | None = None,
    time_of_day: str | None = None,
    incidence_angle: Angle | None = None,
    dem_heights: HeightReference | None = None,
    max_hours: float = 0.5,
    missing: MissingDates = "error",
) -> xr.Dataset:
    """Tropospheric delay of every date and pixel in line of sight, lazily if the data are lazy; for `correct`.

    Parameters
    ----------
    data
        Stack or series whose pixels have a CRS, or maps `latitude` and `longitude` (radar coordinates).
    files
        Folder, pattern or list of files of one product, each recognised by its content:

        * ERA5 on levels of pressure with temperature, specific humidity and geopotential: GRIB, or NetCDF;
        * OPERA L4 TROPO-ZENITH; zenith cubes of RAiDER;
        * GACOS: ``.ztd`` with its ``.rsc``, ``.ztd.tif``, and LiCSAR's ``.ztd.geo.tif`` and ``.sltd.geo.tif``.
    dem
        Heights of the pixels in m: a raster of any grid, or a map (y, x). Default: `height` of the data. GACOS needs none.
    dem_heights
        What they are above, "geoid" (SRTM, Copernicus DEM) or "ellipsoid". Files of ERA5 count from the geoid, those of OPERA
        and RAiDER from the ellipsoid: heights of the other kind are converted, with a geoid of PROJ's data folder. Default: as
        the files count, so nothing is converted.
    time_of_day
        Of the acquisitions in UTC, such as "14:07:44", for dates that have none. Files that are of a day alone need none.
    incidence_angle
        Degrees from the vertical, a number or a map (y, x). Default: as the data have it. LiCSAR's slant delays need none.
    max_hours
        How far from the acquisition a file may be, where there are none before and after it at most 6.5 hours apart, between
        which is interpolated.
    missing
        What becomes of dates without files: "error" refuses them, with "nan" they are NaN.

    Returns
    -------
    xarray.Dataset
        `troposphere_wet` and `troposphere_hydrostatic`, or `troposphere` (their sum, GACOS), (time, y, x) in m with the
        sign of `displacement`: a delay is apparent motion away from the satellite, so they are negative. NaN where the
        DEM has no data, outside of the files, and above their highest level.

    Raises
    ------
    ArgumentError
        If dates have no files of the right hours; if heights are to be converted and PROJ has no geoid.
    FileError, StackError
        If a file cannot be read, lies elsewhere, or has another unit; if height or incidence angle are not known.

    See Also
    --------
    insarray.correct : subtract corrections.
    insarray.solid_earth_tide : displacement by the tide.

    Notes
    -----
    Delays are interpolated linearly in time, latitude, longitude and height. From the zenith to the line of sight they
    are divided by the cosine of the incidence angle, which between 20 and 45 degrees is right to 0.5 %. ERA5 is
    integrated as Doin et al. (2009) and Jolivet et al. (2011) say, with k1 = 0.776 K/Pa, k2 = 0.716 K/Pa, k3 = 3750
    K^2/Pa; heights are geopotential ones. Other constants and the true gravity change the delay by some millimetres, the
    difference of two dates by tenths.

    References
    ----------
    * Doin, M.-P., Lasserre, C., Peltzer, G., Cavalie, O. and Doubre, C. (2009), Corrections of stratified tropospheric
      delays in SAR interferometry: validation with global atmospheric models, J. Applied Geophysics 69, 35-50.
    * Jolivet, R., Grandin, R., Lasserre, C., Doin, M.-P. and Peltzer, G. (2011), Systematic InSAR tropospheric phase
      delay corrections from global meteorological reanalysis data, Geophys. Res. Lett. 38, L17311.
    * Yu, C., Li, Z., Penna, N. T. and Crippa, P. (2018), Generic atmospheric correction model for interferometric
      synthetic aperture radar observations, J. Geophys. Res. Solid Earth 123, 9202-9222.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> try:
    ...     ia.troposphere(stack, "GACOS/*.ztd")
    ... except ia.InsarrayError as error:
    ...     print(str(error)[:46])
    troposphere: nothing matches 'GACOS/*.ztd' (wo
    """
    if not (isinstance(max_hours, int | float) and 0 <= max_hours <= 12):
        raise ArgumentError(f"max_hours: {max_hours!r} is not a number of hours from 0 to 12")
    if dem_heights is not None and dem_heights not in get_args(HeightReference):
        raise ArgumentError(f"dem_heights: {dem_heights!r} is not one of {', '.join(get_args(HeightReference))}")
    view = as_data(data)
    found = delay_files(files)
    times = times_of(view)
    timed = time_of_day is not None or not (times == times.astype("datetime64[D]")).any()
    moments = acquisitions(times, time_of_day) if timed else times
    chosen = at_times(found, moments, max_hours, missing_is_nan=missing == "nan", timed=timed)
    first = found[0]
    inputs = pixel_coordinates(view)
    if not first.slant:
        inputs["incidence_angle"] = incidence(view, incidence_angle, "troposphere")
    if not first.at_ground:
        inputs["height"] = _heights(view, dem, min(file.top for file in found))
    lattice = lattice_of(view)
    bounds = _bounds(view, lattice)
    next(filter(None, chosen))[0][1].read(bounds, 0.0)  # a file of another place is known now
    geoid, raised = _raised(first, dem_heights, lattice)
    task = _Task(tuple(chosen), first.names, lattice, bounds, raised)
    used = {file.path for weighted in chosen for _, file in weighted}
    source = f"{first.product} ({len(used)} files), " + ("slant" if first.slant else f"zenith x {_MAPPING}")
    reference = (
        "" if first.at_ground else first.reference + (f" (heights of the DEM converted by {geoid})" if geoid else "")
    )
    about = {name: _about(name, source, reference) for name in first.names}
    made = map_blocks(delay_block, task, inputs, about, {"time": len(times)}, bytes_per_pixel=_WORKING)
    logger.info("troposphere: %d dates from %d files of %s", len(times), len(used), first.product)
    logger.debug("troposphere: %s", "; ".join(f"{m}: {len(w)} file(s)" for m, w in zip(moments, chosen, strict=True)))
    return of_dates(view, times, made)


def _about(name: str, source: str, reference: str) -> Variable:
    words = {"troposphere_wet": "water vapour", "troposphere_hydrostatic": "the hydrostatic troposphere"}
    text = f"apparent line-of-sight displacement by {words.get(name, 'the troposphere')}, toward the satellite"
    attrs: dict[str, object] = {"source": source}
    if reference:
        attrs["heights_above"] = reference
    return Variable(("time", "y", "x"), "float32", "m", text, attrs)


def _heights(view: SeriesView | StackView, dem: PathLike | xr.DataArray | None, top: float) -> xr.DataArray:
    """Heights (y, x) in m in the blocks of the data, after a look at the highest."""
    heights, highest = heights_of(view, dem, "troposphere", look=np.isfinite(top))
    if highest > _MOST:
        raise _no_height(highest)
    if highest > top:
        warnings.warn(
            StackWarning(
                f"dem: reaches {highest:.0f} m, the levels of the files end at {top:.0f} m: there is no delay above"
            ),
            stacklevel=4,
        )
    return heights


def _raised(first: DelayFile, dem_heights: HeightReference | None, lattice: Lattice) -> tuple[str, np.ndarray | None]:
    """Name of the geoid by which heights are converted, and what is added to them at the nodes; nothing if they need not be."""
    if dem_heights is not None and first.at_ground:
        raise ArgumentError("dem_heights: the files are of the ground, so that heights do not count; leave it out")
    if dem_heights is None or dem_heights == first.reference:
        return "", None
    name, undulation = geoid_heights(lattice.lat, lattice.lon)
    return name, undulation if dem_heights == "geoid" else -undulation


def _bounds(view: SeriesView | StackView, lattice: Lattice) -> Bounds:
    """Latitudes and longitudes of the image."""
    lat, lon = lattice.lat, lattice.lon
    if not lattice.mapped:
        y, x = (np.linspace(centres.min(), centres.max(), 9) for centres in view.centres)
        lat, lon = lattice.places({"row": y[:, None], "col": x[None]})
    return Bounds(lat.min() - _MARGIN, lat.max() + _MARGIN, lon.min() - _MARGIN, lon.max() + _MARGIN)


# -- blocks ---------------------------------------------------------------------------------------------------------


def delay_block(task: _Task, arrays: Arrays) -> Arrays:
    """Delays of one block in line of sight, with the sign of displacement.

    Raises
    ------
    StackError
        If a height cannot be one in metres.
    """
    lat, lon = task.lattice.places(arrays)
    height = _checked(arrays["height"]) if "height" in arrays else None
    if height is not None and task.raised is not None:
        height += task.lattice.at_pixels(task.raised, arrays)
    factor: np.ndarray | float = -1.0
    if "incidence_angle" in arrays:
        factor = -1.0 / np.cos(np.radians(arrays["incidence_angle"]))
    out = {name: np.full((len(task.files), *lat.shape), np.nan, np.float32) for name in task.names}
    if not np.isfinite(lat).any():  # a block of radar coordinates beside the image
        return dict(out)
    ground = Bounds(*(float(of(values)) for values in (lat, lon) for of in (np.nanmin, np.nanmax)))
    last: tuple[Delays, Points] | None = None
    for k, weighted in enumerate(task.files):
        sums = dict.fromkeys(task.names, np.zeros(()))
        for weight, file in weighted:
            delays = _read(file, ground, task.bounds, height)
            points = _points(delays, last, lat, lon, height)
            last = delays, points
            sums = {name: sums[name] + weight * at_points(delays.values[name], points) for name in task.names}
        if weighted:
            for name, total in sums.items():
                out[name][k] = factor * total
    return dict(out)


def _read(file: DelayFile, ground: Bounds, image: Bounds, height: np.ndarray | None) -> Delays:
    if height is None:
        return file.read(ground, 0.0)
    highest = float(np.nanmax(height)) if np.isfinite(height).any() else 0.0
    return read_kept(file, image, float(np.ceil(highest / _STEP) * _STEP))


def _points(
    delays: Delays, last: tuple[Delays, Points] | None, lat: np.ndarray, lon: np.ndarray, height: np.ndarray | None
) -> Points:
    """Places among the nodes, those of the last file if it has the same nodes."""
    if last is not None and all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
        for a, b in zip(delays[:3], last[0][:3], strict=True)
    ):
        return last[1]
    return located(
        delays.heights, (delays.lat, delays.lon), lat, lon, np.zeros(lat.shape) if height is None else height
    )


def _checked(height: np.ndarray) -> np.ndarray:
    """Heights as float64."""
    found = height.astype(np.float64)
    with np.errstate(invalid="ignore"):
        wrong = (found < _LEAST) | (found > _MOST)
    if wrong.any():
        raise _no_height(found[wrong].flat[0])
    return found


def _no_height(value: float) -> StackError:
    return StackError(
        f"dem: holds {value:g}, which is no height of the ground in metres; is it in feet, or no-data that the file does "
        "not declare?"
    )
