"""East, north and up displacement of the line-of-sight series of several tracks, whose dates differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.components.series import Dates, Motion, solve_series
from insarray.kernels.components.velocities import (
    FLAG_DETERMINED,
    FLAG_NO_NORTH,
    FLAG_NO_REDUNDANCY,
    solve_components,
)
from insarray.model.choices import Resampling
from insarray.model.conventions import COMPONENT_FLAGS, COMPONENT_PAIRS, COMPONENTS
from insarray.model.dataset import epoch_coords
from insarray.products.components.knots import Knots, Timeline, timeline
from insarray.products.components.tracks import LINE_OF_SIGHT, Tracks, on_one_grid, require_line_of_sight
from insarray.products.components.velocities import GNSS_NORTH, north_of, outputs, vectors_of
from insarray.products.views.stacks import SeriesView, View, as_series

_FLAG_DATES = COMPONENT_FLAGS.index("dates_undetermined")


@dataclass(frozen=True)
class SeriesTask:
    """What every block needs besides its layers.

    Parameters
    ----------
    tracks
        Their names.
    dates, knot_years
        See `insarray.kernels.components.series`.
    counts
        Number of dates of each track.
    noise
        Standard deviation of a date of each track besides its own, m; None: all alike, by the residuals.
    free, max_dilution
        See `insarray.decompose`.
    """

    tracks: tuple[str, ...]
    dates: Dates
    knot_years: np.ndarray
    counts: tuple[int, ...]
    noise: tuple[float, ...] | None
    free: bool
    max_dilution: float


def decompose_series(
    datasets: Mapping[str, xr.Dataset],
    like: View | None,
    options: tuple[tuple[float, ...] | None, bool, float],
    knots: Knots | None,
    gnss: xr.Dataset | None,
    resampling: Resampling,
) -> tuple[Tracks, xr.Dataset, Timeline]:
    """Components of displacement at knots, lazily if something is lazy; the tracks that they are of; when the knots are.

    `options` are the noise of each track, whether north is estimated, and the largest dilution.
    """
    noise, free, max_dilution = options
    views: dict[str, SeriesView] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for name, dataset in datasets.items():
        require_line_of_sight(dataset, name)
        layers = [
            "displacement",
            *(["displacement_std"] if noise is not None and "displacement_std" in dataset else []),
        ]
        pieces = ["network_subset"] if "network_subset" in dataset else []
        views[name] = _one_piece(as_series(dataset[[*layers, *pieces, *LINE_OF_SIGHT]], name))
        wanted[name] = (*layers, *LINE_OF_SIGHT)
    when = timeline({name: view.times for name, view in views.items()}, knots)
    tracks = on_one_grid(views, wanted, like or next(iter(views.values())), resampling)
    task = SeriesTask(
        tuple(datasets),
        Dates(when.track, when.knot, when.part, when.years),
        when.knot_years,
        tuple(len(view.times) for view in views.values()),
        noise,
        free,
        max_dilution,
    )
    inputs = tracks.inputs()
    if gnss is not None:
        inputs |= north_of(gnss, tracks, resampling)
    names = [*outputs("displacement", north=free or gnss is not None), "observed_tracks_of_date"]
    if noise is None:
        names[names.index("reduced_chi_square")] = "fit_residual_std"
    sizes = {"time": len(when.times)}
    found = map_blocks(series_block, task, inputs, names, sizes, bytes_per_pixel=_workspace(task, len(names)))
    return tracks, xr.Dataset(found, epoch_coords(when.times, None)), when


def _one_piece(view: SeriesView) -> SeriesView:
    """Series without the dates that are relative to another than the reference date."""
    data = view.data
    if view.in_pieces:
        data = data.assign(displacement=data.displacement.where(data.network_subset == 1))
    return SeriesView(
        data.drop_vars("network_subset", errors="ignore"),
        view.order,
        times=view.times,
        network=None,
        reference_time=view.reference_time,
        in_pieces=False,
    )


def series_block(task: SeriesTask, arrays: Arrays) -> Arrays:
    """Components of one block.

    Parameters
    ----------
    task
        Options.
    arrays
        Of each track k `displacement_k` and perhaps `displacement_std_k` (time, y, x), `los_east_k`, `los_north_k`,
        `los_up_k`; perhaps `gnss_north` and `gnss_north_std`; each (y, x).
    """
    tracks, shape = range(len(task.tracks)), arrays["los_up_0"].shape
    values = [arrays[f"displacement_{k}"].reshape(task.counts[k], -1) for k in tracks]
    vectors = vectors_of(task.tracks, arrays)
    north = None
    if GNSS_NORTH in arrays:
        spread = arrays.get(f"{GNSS_NORTH}_std", np.zeros(shape, np.float32))
        north = np.stack([arrays[GNSS_NORTH].reshape(-1), spread.reshape(-1)])
    found = solve_series(
        values,
        [_sigma(task, arrays, k) for k in tracks],
        vectors,
        north,
        task.dates,
        task.knot_years,
        free=task.free,
        scaled=task.noise is None,
        max_dilution=task.max_dilution,
    )
    observed = np.bitwise_or.reduce(found.observed, axis=0)
    flag = _flags(task, vectors, north, found, observed)
    lost = ~np.isin(flag, (FLAG_DETERMINED, FLAG_NO_REDUNDANCY, _FLAG_DATES))
    for layer in (found.estimate, found.std, found.covariance):
        layer[:, :, lost] = np.nan
    freedom = np.where(lost, 0, found.freedom).clip(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(freedom > 0, found.misfit / freedom, np.nan)
    results: dict[str, np.ndarray] = {
        "component_flag": flag,
        "observed_tracks": observed,
        "observed_tracks_of_date": found.observed,
        "degrees_of_freedom": freedom.astype(np.uint16),
        "reduced_chi_square": spread.astype(np.float32),
        "fit_residual_std": np.sqrt(spread).astype(np.float32),
    }
    for row, name in enumerate(COMPONENTS):
        results[f"displacement_{name}"], results[f"displacement_{name}_std"] = found.estimate[row], found.std[row]
    for row, (one, other) in enumerate(COMPONENT_PAIRS):
        results[f"displacement_covariance_{one}_{other}"] = found.covariance[row]
    return {name: layer.reshape(*layer.shape[:-1], *shape) for name, layer in results.items()}


def _sigma(task: SeriesTask, arrays: Arrays, k: int) -> np.ndarray:
    """Standard deviations of the dates of a track, (date, pixel) or (date, 1)."""
    own = arrays.get(f"displacement_std_{k}")
    if task.noise is None:
        return np.ones((task.counts[k], 1), np.float32)
    if own is None:
        return np.full((task.counts[k], 1), task.noise[k], np.float32)
    return np.hypot(own.reshape(task.counts[k], -1), np.float32(task.noise[k]))


def _flags(
    task: SeriesTask, vectors: np.ndarray, north: np.ndarray | None, found: Motion, observed: np.ndarray
) -> np.ndarray:
    """Index into `COMPONENT_FLAGS` of each pixel: by the tracks that observe it, then by its dates."""
    seen = (observed[None, :] >> np.arange(len(task.tracks), dtype=np.uint32)[:, None]) & np.uint32(1)
    there = np.where(seen > 0, np.float32(0), np.float32(np.nan))
    one = np.ones_like(there)
    known = None if north is None else np.zeros_like(north)
    geometry = solve_components(
        there, one, vectors, known, free=task.free, weighted=True, max_dilution=task.max_dilution
    )
    enough = np.isin(geometry.flag, (FLAG_DETERMINED, FLAG_NO_REDUNDANCY))
    missing = np.isnan(found.estimate[2]).any(axis=0)
    by_dates = np.where(missing, _FLAG_DATES, np.where(found.freedom > 0, FLAG_DETERMINED, FLAG_NO_REDUNDANCY))
    flag = np.where(enough, by_dates, geometry.flag)
    if north is not None:
        flag[~np.isfinite(north).all(axis=0)] = FLAG_NO_NORTH
    return flag.astype(np.uint8)


def _workspace(task: SeriesTask, outputs: int) -> int:
    """Working memory of a pixel: samples and their deviations side by side, and what is found but not given."""
    dates, knots = sum(task.counts), len(task.knot_years)
    return 8 * dates + 4 * knots * max(0, 10 - outputs) + 64 * len(task.tracks) + 64
