"""`decompose`: east, north and up motion of several tracks."""

import logging
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarray.model.choices import North, Quantity, Resampling, TrackWeights
from insarray.model.errors import ArgumentError
from insarray.products.components.knots import Knots, describe
from insarray.products.components.series import decompose_series
from insarray.products.components.tracks import Datasets, Tracks, map_view, named_tracks
from insarray.products.components.velocities import VelocityTask, decompose_velocities
from insarray.products.views.quantities import common_quantity

logger = logging.getLogger(__name__)

_SHARED = ("reference_frame", "gnss_tie", "wavelength", "first_time", "last_time")


def decompose(
    datasets: Datasets,
    *,
    north: North,
    gnss: xr.Dataset | xr.DataArray | None = None,
    like: xr.Dataset | xr.DataArray | None = None,
    weights: TrackWeights = "variance",
    noise: float | Sequence[float] | None = None,
    quantity: Quantity | None = None,
    knots: Knots | None = None,
    max_dilution: float = 5.0,
    resampling: Resampling = "nearest",
) -> xr.Dataset:
    """East, up and, where it can be, north motion of several tracks, lazily if something is lazy.

    Each track says how the ground moves along its line of sight: los_east east + los_north north + los_up up. Of every
    pixel that enough tracks observe the components follow by weighted least squares.

    Parameters
    ----------
    datasets
        One of each track, in a list or by the names of the tracks, with `los_east`, `los_north`, `los_up`, the unit vector
        from the ground to the satellite; and with `velocity` and `velocity_std` (y, x) in m/year (`insarray.fit`), or with
        `displacement` (time, y, x) in m (`insarray.invert`). The references of velocities should be of one motion: tie them
        to GNSS (`insarray.tie_to_gnss`), or choose one place. Each series has an offset of its own, which is estimated.
    north
        What is assumed of the motion to the north, to which orbits near the poles are nearly blind. "zero": there is none;
        what there is goes into the other components. "gnss": it is that of `gnss`. "free": it is estimated; asks for three
        tracks of which one looks in quite another direction, as to the left.
    gnss
        Maps `velocity_north` and perhaps `velocity_north_std` (y, x) in m/year on any grid, for ``north="gnss"``. Its
        error is part of the standard errors.
    like
        Dataset whose pixels the result has; default: the first track's.
    weights
        Of velocities. "variance": 1 / velocity_std^2. "none": all tracks alike; standard errors still follow from
        velocity_std.
    noise
        Standard deviation that each velocity (m/year) or date (m) has besides its `velocity_std` or `displacement_std`,
        such as of the atmosphere; one for all tracks or one for each. Default: none of velocities; of series all dates
        weigh the same, and standard errors follow from what the motion leaves of the pixel's dates.
    quantity
        "velocity" or "displacement"; default: the velocity if all have it.
    knots
        Of series: the motion is linear in time between knots, and zero at the first. Their dates, or the days from each to
        the next; default: as many as there can be with two dates of every track in between, in the time that all have in
        common. Dates before the first and after the last knot are left out.
    max_dilution
        Largest standard error of a component with which it counts as determined, were that of each track 1. That of an
        ascending and a descending track is about 1, that of two tracks of one direction 5 and more. Of series, the same
        for each date.
    resampling
        Tracks on other pixels are sampled at those of the result: "nearest" keeps each value with its standard error;
        "bilinear" interpolates, with the standard error of noise that neighbours have in common.

    Returns
    -------
    xarray.Dataset
        `velocity_east`, `velocity_up`, with "gnss" and "free" `velocity_north`; each with `_std`; the covariances of
        their errors, `velocity_covariance_east_up`, ... (y, x). Or `displacement_east`, ... with the dimension time, at the
        knots. Besides (y, x) `observed_tracks`, a bit for each track, `degrees_of_freedom`, `component_flag`, and
        `reduced_chi_square` or, without `noise`, `fit_residual_std`.

        What is not determined is NaN: with one orbit direction alone, that is all, and `component_flag` says why. There
        `velocity_observed` is the velocity along the mean line of sight, the unit vector `observed_east`, `observed_north`,
        `observed_up`, whatever the north does. NaN is also a date about which too few tracks have dates, which `observed_tracks_of_date` shows. Attributes `north`, `tracks`,
        `component_weights`, `component_noise`, `max_dilution` and `knots` record how.

    Raises
    ------
    ArgumentError
        If an option cannot be.
    StackError
        If a track lacks something, has no pixels or dates in common with the others, or lines of sight that are no unit
        vectors toward the satellite.

    See Also
    --------
    insarray.fit : velocity of a series.
    insarray.open_geometry : lines of sight of files.

    References
    ----------
    * Wright, T. J., Parsons, B. E. and Lu, Z. (2004), Toward mapping surface deformation in three dimensions using
      InSAR, Geophysical Research Letters 31, L01607.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import insarray as ia
    >>> def track(velocity, east, up):
    ...     maps = {"velocity": velocity, "velocity_std": 0.001, "los_east": east, "los_north": -0.11, "los_up": up}
    ...     return xr.Dataset({name: (("y", "x"), np.full((2, 3), value)) for name, value in maps.items()})
    >>> ascending, descending = track(-0.010, -0.612, 0.783), track(-0.022, 0.612, 0.783)
    >>> found = ia.decompose([ascending, descending], north="zero")
    >>> round(float(found.velocity_up[0, 0]), 4), round(float(found.velocity_east[0, 0]), 4)
    (-0.0204, -0.0098)
    """
    named = named_tracks(datasets)
    _require_options(north, gnss, weights, max_dilution, resampling)
    of = common_quantity(named, quantity)
    amount = None if noise is None else _noise(noise, len(named))
    field = gnss.to_dataset(name="velocity_north") if isinstance(gnss, xr.DataArray) else gnss
    target = None if like is None else map_view(_grid_alone(like), "like")
    attrs: dict[str, Any] = {
        "components_of": of,
        "north": north,
        "max_dilution": max_dilution,
        "resampling": resampling,
    }
    if of == "velocity":
        if knots is not None:
            raise ArgumentError("knots: belong to series, but velocities are decomposed; leave them out")
        amount = amount or (0.0,) * len(named)
        task = VelocityTask(tuple(named), amount, north == "free", weights == "variance", float(max_dilution))
        tracks, found = decompose_velocities(named, target, task, field, resampling)
        attrs["component_weights"] = weights
    else:
        _require_noise_of_dates(weights, amount)
        options = amount, north == "free", float(max_dilution)
        tracks, found, when = decompose_series(named, target, options, knots, field, resampling)
        attrs |= {"knots": describe(knots), "dates_left_out": when.outside, "reference_date": str(when.times[0])}
    attrs["component_noise"] = "residuals" if amount is None else " ".join(f"{value:g}" for value in amount)
    logger.info("decompose: %s of %d tracks, north %s", of, len(named), north)
    return _described(tracks, found, attrs | tracks.shared(*_SHARED))


def _require_noise_of_dates(weights: TrackWeights, noise: tuple[float, ...] | None) -> None:
    if weights != "variance":
        raise ArgumentError("weights: belong to velocities; of series all dates weigh the same unless noise is given")
    if noise is not None and min(noise) <= 0:
        raise ArgumentError("noise: 0 would make the reference date exact; give what a date has besides, in m")


def _described(tracks: Tracks, found: xr.Dataset, attrs: dict[str, Any]) -> xr.Dataset:
    attrs["tracks"] = " ".join(tracks.names)
    for name in ("observed_tracks", "observed_tracks_of_date"):
        if name in found:
            bits = [1 << bit for bit in range(len(tracks.names))]
            found[name].attrs |= {"flag_masks": bits, "flag_meanings": attrs["tracks"]}
    return tracks.view.on_grid(found).assign_attrs(attrs)


def _grid_alone(like: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """A map on the pixels of a dataset, in its blocks."""
    if isinstance(like, xr.DataArray):
        like = like.to_dataset(name="like")
    if not isinstance(like, xr.Dataset):
        raise ArgumentError(
            f"like: is a {type(like).__name__}, not a dataset; give one that has the pixels of the result"
        )
    return like


def _require_options(north: Any, gnss: Any, weights: Any, max_dilution: Any, resampling: Any) -> None:
    for name, value, choices in (
        ("north", north, get_args(North)),
        ("weights", weights, get_args(TrackWeights)),
        ("resampling", resampling, get_args(Resampling)),
    ):
        if value not in choices:
            raise ArgumentError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    if (gnss is not None) != (north == "gnss"):
        said = "needs gnss, maps of velocity_north" if gnss is None else f"is {north!r}, but gnss is given"
        raise ArgumentError(f"north: {said}; give both north='gnss' and gnss, or neither")
    if not (isinstance(max_dilution, float | int) and max_dilution > 0):
        raise ArgumentError(f"max_dilution: {max_dilution!r} is not a positive number")


def _noise(noise: float | Sequence[float], tracks: int) -> tuple[float, ...]:
    values = np.atleast_1d(np.asarray(noise, np.float64))
    if values.ndim != 1 or len(values) not in (1, tracks) or not (np.isfinite(values) & (values >= 0)).all():
        raise ArgumentError(
            f"noise: {noise!r} is not one number for all or one for each of {tracks} tracks, at least 0"
        )
    return tuple(float(value) for value in np.broadcast_to(values, tracks))
