"""`merge_tracks`: neighbouring frames or tracks of one geometry as one field."""

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarray.model.choices import MergeSurface, Quantity, Resampling, TrackWeights, Up
from insarray.model.dataset import grid_coords
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid, same_crs
from insarray.products.components.tracks import (
    LINE_OF_SIGHT,
    Datasets,
    Tracks,
    map_view,
    named_tracks,
    on_one_grid,
    require_line_of_sight,
    require_unit_vectors,
    vectors_in,
)
from insarray.products.gnss.differences import series_difference, velocity_difference
from insarray.products.gnss.given import require_stations
from insarray.products.gnss.stations import AXES, positions
from insarray.products.tracks.mosaic import mosaic
from insarray.products.tracks.overlaps import AtStations, adjust_tracks
from insarray.products.views.quantities import common_quantity
from insarray.products.views.stacks import View, as_series

logger = logging.getLogger(__name__)

_SHARED = ("reference_frame", "wavelength", "corrections", "ramp")
_MOST_TURNED = 0.94  # cosine of 20 degrees: lines of sight further apart are of another geometry


def merge_tracks(
    datasets: Datasets,
    *,
    surface: MergeSurface = "offset",
    gnss: xr.Dataset | None = None,
    up: Up = "gnss",
    like: xr.Dataset | xr.DataArray | None = None,
    quantity: Quantity | None = None,
    weights: TrackWeights = "variance",
    resampling: Resampling = "nearest",
    robust: bool = True,
    radius: float = 0.0,
    days: int = 0,
) -> xr.Dataset:
    """Merge neighbouring frames, or tracks of one geometry, into one field.

    Each track has a reference, orbits and atmosphere of its own. The differences in all overlaps, and to GNSS if given,
    determine a surface of each track by one joint least squares adjustment, for velocities or for each date. The adjusted
    tracks are averaged lazily where they overlap. The overlaps are read at once.

    Parameters
    ----------
    datasets
        One per track, in a list or by the names of the tracks: `velocity` and `velocity_std` (y, x) in m/year
        (`insarray.fit`), or `displacement` (time, y, x) in m (`insarray.invert`), on grids with a CRS. Series are merged at
        the days that all have, and must have one reference date. Lines of sight are not projected: motion seen at different
        incidence angles differs in the overlap, as an offset if it is uniform. For other geometries use
        `insarray.decompose`.
    surface
        Surface of each track in row and column: "offset", "plane" or "quadratic".
    gnss
        Stations (`insarray.open_gnss`), velocities or daily positions; the tracks need `los_east`, `los_north`, `los_up`.
        Without, the first track is not changed.
    up
        "gnss": the vertical motion of the stations, which they must have. "zero": none.
    like
        Dataset with the grid of the result. Default: pixels of the first track, extended to all tracks.
    quantity
        "velocity" or "displacement"; default: velocity if all tracks have it.
    weights
        Of the tracks where they overlap. "variance": 1 / standard deviation squared, from `velocity_std` or
        `displacement_std`. "none": equal.
    resampling
        For tracks on other pixels.
    robust
        Reduce the influence of pixels and stations that do not agree (Tukey's biweight).
    radius
        For stations: average the pixels within this many metres; 0: the pixel of the station.
    days
        For daily positions: average over this many days before and after a date.

    Returns
    -------
    xarray.Dataset
        `velocity` or `displacement`, its standard deviation if all tracks have one (not including the errors of the
        surfaces), `observed_tracks`, and the mean line of sight if all tracks have one. Coordinates:
        `track_coefficient` (track, [time,] term), the surface that was subtracted from each track, with attributes that give
        its terms in row and column; `track_covariance` ([time,] track, term, other_track, other_term), as if residuals were
        independent from pixel to pixel; `overlap_rms_before`, `overlap_rms_after`, `overlap_pixels` (overlap).

    Raises
    ------
    ArgumentError
        If an option is invalid.
    StackError
        If a layer is missing, tracks do not overlap, their dates or geometries differ, or the overlaps do not determine the
        surfaces.

    See Also
    --------
    insarray.decompose : east and up motion of tracks of different geometry.
    insarray.tie_to_gnss : tie one track, or the merged field, to GNSS.

    References
    ----------
    * Wang, H. and Wright, T. J. (2012), Satellite geodetic imaging reveals internal deformation of western Tibet,
      Geophys. Res. Lett. 39, L07303, doi:10.1029/2012GL051222.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 40), n_dates=6, missing=0, water=False)
    >>> west, east = truth[["velocity"]].isel(x=slice(0, 25)), truth[["velocity"]].isel(x=slice(15, 40)) + 0.02
    >>> merged = ia.merge_tracks({"west": west, "east": east}, weights="none")
    >>> merged.velocity.shape, round(float(merged.track_coefficient.sel(track="east").squeeze()), 4)
    ((20, 40), 0.02)
    """
    _require_options(surface, up, weights, resampling)
    named = named_tracks(datasets)
    if len(named) < 2:
        raise ArgumentError("datasets: is one track; give two or more")
    of = common_quantity(named, quantity)
    views = _same_days(named) if of == "displacement" else {name: map_view(d, name) for name, d in named.items()}
    wanted = _wanted(views, of, weights, needs_sight=gnss is not None)
    target = _target(views, like)
    tracks = on_one_grid(views, wanted, target, resampling)
    _require_one_geometry(tracks)
    layers = [_with_lead(one[of]) for one in tracks.layers]
    stations = () if gnss is None else _stations(views, gnss, of, target.grid, up, radius, days)
    fixed = 0 if gnss is None else None
    found = adjust_tracks(tracks.names, layers, _overlapping(views, target), surface, stations, fixed, robust=robust)
    for (one, other), before, after in zip(found.overlaps, found.before, found.after, strict=True):
        pair = f"{tracks.names[one]} and {tracks.names[other]}"
        logger.info("merge_tracks: %s differ by %.3g rms, %.3g after the adjustment", pair, before, after)
    attrs = {"merged_tracks": " ".join(tracks.names), "merge_surface": surface, "merge_weights": weights}
    attrs |= {"resampling": resampling, "merge_robust": str(robust)} | tracks.shared(*_SHARED)
    if gnss is not None:
        attrs |= {
            "merge_gnss_up": up,
            "reference_frame": str(gnss.attrs.get("reference_frame", "that of the GNSS stations")),
        }
    return mosaic(tracks, of, found, weighted=weights == "variance").assign_attrs(attrs)


def _require_options(surface: Any, up: Any, weights: Any, resampling: Any) -> None:
    for name, value, choices in (
        ("surface", surface, get_args(MergeSurface)),
        ("up", up, get_args(Up)),
        ("weights", weights, get_args(TrackWeights)),
        ("resampling", resampling, get_args(Resampling)),
    ):
        if value not in choices:
            raise ArgumentError(f"{name}: {value!r} is not one of {', '.join(choices)}")


def _same_days(named: Mapping[str, xr.Dataset]) -> dict[str, View]:
    """Views of series at the days that all have, with the times of the first."""
    views = {name: as_series(dataset, name) for name, dataset in named.items()}
    references = {name: date_label(view.reference_time)[:8] for name, view in views.items()}
    first = next(iter(references))
    other = next((name for name, day in references.items() if day != references[first]), None)
    if other is not None:
        raise StackError(
            f"{other}: its reference date is {references[other]}, that of {first} {references[first]}; change one with "
            "insarray.rereference(date=...)"
        )
    labels = {name: [label[:8] for label in view.labels] for name, view in views.items()}
    twice = next((name for name, days in labels.items() if len(set(days)) < len(days)), None)
    if twice is not None:
        raise StackError(f"{twice}: has several acquisitions on one day; keep one of each with .isel(time=...)")
    common = [day for day in labels[first] if all(day in days for days in labels.values())]
    if not common:
        raise StackError(
            "datasets: no day is common to all series; merge their velocities (insarray.fit), or frames of one track"
        )
    dropped = sum(len(days) - len(common) for days in labels.values())
    if dropped:
        logger.info("merge_tracks: %d days that all tracks have, %d other dates left out", len(common), dropped)
    at = {name: [days.index(day) for day in common] for name, days in labels.items()}
    times = views[first].data.time.isel(time=at[first]).variable  # acquisitions of one pass differ by seconds
    start = {"reference_date": date_label(views[first].reference_time)}
    return {
        name: View(view.data.isel(time=at[name]).assign_coords(time=times).assign_attrs(start))
        for name, view in views.items()
    }


def _wanted(
    views: Mapping[str, View], of: Quantity, weights: TrackWeights, *, needs_sight: bool
) -> dict[str, tuple[str, ...]]:
    """Layers to read of each track."""
    std = f"{of}_std"
    lacking = [name for name, view in views.items() if std not in view.data]
    if weights == "variance" and lacking:
        raise StackError(f"{lacking[0]}: has no {std}, by which tracks are weighted; give weights='none'")
    if needs_sight:
        for name, view in views.items():
            require_line_of_sight(view.data, name)
    sight = LINE_OF_SIGHT if all(set(LINE_OF_SIGHT) <= set(view.data) for view in views.values()) else ()
    return dict.fromkeys(views, (of, *(() if lacking else (std,)), *sight))


def _target(views: Mapping[str, View], like: xr.Dataset | xr.DataArray | None) -> View:
    """View with the grid of the result: that of `like`, or of the first track extended to all."""
    if like is not None:
        given = like.to_dataset(name="like") if isinstance(like, xr.DataArray) else like
        if not isinstance(given, xr.Dataset):
            raise ArgumentError(
                f"like: is a {type(like).__name__}, not a dataset; give one with the grid of the result"
            )
        return map_view(given, "like")
    (first, *others) = views.items()
    grid = first[1].grid
    for name, view in others:
        if grid.crs is None or view.grid.crs is None:
            raise StackError(f"{name}: tracks in radar coordinates cannot be merged; geocode them")
        if not same_crs(grid.crs, view.grid.crs):
            raise StackError(f"{name}: has another CRS than {first[0]}; give the grid of the result with like (--like)")
    return View(xr.Dataset(coords=grid_coords(_extended(grid, [view.grid for _, view in others]))))


def _extended(grid: Grid, others: Sequence[Grid]) -> Grid:
    """Grid of the same pixels that covers all."""
    rows, cols = [0, grid.height], [0, grid.width]
    for other in others:
        beside = other.beside(grid)
        left, bottom, right, top = beside.bounds
        rows += [round((y - grid.top) / grid.dy) for y in (bottom, top)]
        cols += [round((x - grid.left) / grid.dx) for x in (left, right)]
    return grid.window(min(rows), min(cols), max(rows) - min(rows), max(cols) - min(cols))


def _overlapping(views: Mapping[str, View], target: View) -> list[tuple[int, int]]:
    """Pairs of tracks whose images overlap by their bounds, where these can be compared."""
    grids = [view.grid.beside(target.grid) for view in views.values()]
    found = []
    for one, other in combinations(range(len(grids)), 2):
        a, b = grids[one].bounds, grids[other].bounds
        comparable = same_crs(grids[one].crs, grids[other].crs)
        if not comparable or (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]):
            found.append((one, other))
    return found


def _require_one_geometry(tracks: Tracks) -> None:
    """Raise StackError if lines of sight in the middle of two tracks are far apart."""
    if not all(name in layers for layers in tracks.layers for name in LINE_OF_SIGHT):
        return
    means: list[np.ndarray] = []
    for layers in tracks.layers:
        step = {dim: slice(None, None, max(1, layers["los_up"].sizes[dim] // 50)) for dim in ("y", "x")}
        parts = xr.Dataset({name: layers[name].isel(step).variable for name in LINE_OF_SIGHT}).compute()
        require_unit_vectors(tracks.names[len(means)], vectors_in({name: parts[name].values for name in LINE_OF_SIGHT}))
        vector = np.array([float(parts[name].mean()) for name in LINE_OF_SIGHT])
        means.append(vector / np.linalg.norm(vector))
    for k, vector in enumerate(means):
        if means[0] @ vector < _MOST_TURNED:
            turned = np.degrees(np.arccos(np.clip(means[0] @ vector, -1, 1)))
            raise StackError(
                f"{tracks.names[k]}: its line of sight is {turned:.0f} degrees from that of {tracks.names[0]}; use "
                "insarray.decompose for tracks of different geometry"
            )


def _with_lead(layer: xr.DataArray) -> xr.DataArray:
    return layer if layer.ndim == 3 else layer.expand_dims("layer")


def _stations(
    views: Mapping[str, View], gnss: xr.Dataset, of: Quantity, grid: Grid, up: Up, radius: float, days: int
) -> list[AtStations]:
    """Differences of each track to the stations within it; tracks without stations have none."""
    prefix = "velocity_" if of == "velocity" else ""
    needed = tuple(f"{prefix}{axis}" for axis in (AXES if up == "gnss" else AXES[:2]))
    used = require_stations(gnss, needed, "a merge")
    if (of == "displacement") != ("time" in used.dims):
        raise StackError(f"gnss: has {'positions' if 'time' in used.dims else 'velocities'}, the tracks have {of}")
    if up == "zero":
        used = used.drop_vars([name for name in (f"{prefix}up", f"{prefix}up_std") if name in used])
    found = []
    for k, view in enumerate(views.values()):
        if not _has_stations(view.grid, used):
            continue
        if of == "velocity":
            here, values, std = velocity_difference(view, used, radius)
        else:
            here, values, std = series_difference(as_series(view.data), used, radius, days)
        found.append(AtStations(k, positions(grid, here), values, std))
    if not found:
        raise StackError("gnss: no station is within the tracks; give stations of this area")
    return found


def _has_stations(grid: Grid, gnss: xr.Dataset) -> bool:
    rows, cols = positions(grid, gnss)
    return bool(((rows >= -0.5) & (rows < grid.height - 0.5) & (cols >= -0.5) & (cols < grid.width - 0.5)).any())
