"""East, north and up velocity of the line-of-sight velocities of several tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.components.velocities import solve_components
from insarray.model.choices import Resampling
from insarray.model.conventions import COMPONENT_PAIRS, COMPONENTS
from insarray.model.errors import ArgumentError, StackError
from insarray.products.components.tracks import (
    LINE_OF_SIGHT,
    Tracks,
    map_view,
    on_one_grid,
    on_pixels,
    require_line_of_sight,
    require_unit_vectors,
    vectors_in,
)
from insarray.products.views.stacks import View

GNSS_NORTH = "gnss_north"
_ALONG = ("velocity_observed", "velocity_observed_std", "observed_east", "observed_north", "observed_up")
_OUTPUTS = ("component_flag", "observed_tracks", "degrees_of_freedom", "reduced_chi_square")


@dataclass(frozen=True)
class VelocityTask:
    """What every block needs besides its layers.

    Parameters
    ----------
    tracks
        Their names.
    noise
        Standard deviation that each has besides its own, m/year.
    free
        Whether north is estimated.
    weighted
        Whether by inverse variances.
    max_dilution
        See `insarray.decompose`.
    """

    tracks: tuple[str, ...]
    noise: tuple[float, ...]
    free: bool
    weighted: bool
    max_dilution: float


def decompose_velocities(
    datasets: Mapping[str, xr.Dataset],
    like: View | None,
    task: VelocityTask,
    gnss: xr.Dataset | None,
    resampling: Resampling,
) -> tuple[Tracks, xr.Dataset]:
    """Components of velocities, lazily if something is lazy, and the tracks that they are of."""
    views, wanted = {}, {}
    for name, dataset in datasets.items():
        require_line_of_sight(dataset, name)
        has_std = "velocity_std" in dataset
        if task.weighted and not has_std:
            raise StackError(
                f"{name}: has no velocity_std, by which tracks are weighted; fit with standard errors, or give weights='none'"
            )
        wanted[name] = ("velocity", *(("velocity_std",) if has_std else ()), *LINE_OF_SIGHT)
        views[name] = map_view(dataset[list(wanted[name])], name)
    tracks = on_one_grid(views, wanted, like or next(iter(views.values())), resampling)
    inputs = tracks.inputs()
    if gnss is not None:
        inputs |= north_of(gnss, tracks, resampling)
    north = task.free or gnss is not None
    names = (*outputs("velocity", north=north), *_ALONG)
    found = map_blocks(velocity_block, task, inputs, names, {}, bytes_per_pixel=_workspace(task))
    return tracks, xr.Dataset(found)


def outputs(quantity: str, *, north: bool) -> tuple[str, ...]:
    """Names of what comes out for components of a velocity or displacement."""
    names = [name for name in COMPONENTS if north or name != "north"]
    pairs = [pair for pair in COMPONENT_PAIRS if north or "north" not in pair]
    return (
        *(f"{quantity}_{name}{end}" for name in names for end in ("", "_std")),
        *(f"{quantity}_covariance_{one}_{other}" for one, other in pairs),
        *_OUTPUTS,
    )


def north_of(gnss: xr.Dataset, tracks: Tracks, resampling: Resampling) -> dict[str, xr.DataArray]:
    """North velocity of GNSS, and its standard error if it has one, on the pixels of the tracks."""
    names = [name for name in ("velocity_north", "velocity_north_std") if name in gnss]
    if "velocity_north" not in names:
        raise ArgumentError("gnss: has no velocity_north (y, x) in m/year; give maps of the velocity")
    view = map_view(gnss[names], "gnss")
    lazy = next((layer for layer in tracks.inputs().values() if layer.chunks), None)
    chunks = None if lazy is None else lazy.data.chunks[-2:]
    found = on_pixels(view, names, tracks.view, chunks, resampling, "gnss")
    return {name.replace("velocity_north", GNSS_NORTH): layer for name, layer in found.items()}


def velocity_block(task: VelocityTask, arrays: Arrays) -> Arrays:
    """Components of one block.

    Parameters
    ----------
    task
        Options.
    arrays
        Of each track k `velocity_k`, `velocity_std_k` (perhaps), `los_east_k`, `los_north_k`, `los_up_k`; perhaps
        `gnss_north` and `gnss_north_std`; each (y, x).
    """
    shape = arrays["velocity_0"].shape
    values = np.stack([arrays[f"velocity_{k}"].reshape(-1) for k in range(len(task.tracks))])
    sigma = np.stack([_sigma(arrays, k, noise) for k, noise in enumerate(task.noise)])
    north = None
    if GNSS_NORTH in arrays:
        spread = arrays.get(f"{GNSS_NORTH}_std", np.zeros(shape, np.float32))
        north = np.stack([arrays[GNSS_NORTH].reshape(-1), spread.reshape(-1)])
    found = solve_components(
        values,
        sigma,
        vectors_of(task.tracks, arrays),
        north,
        free=task.free,
        weighted=task.weighted,
        max_dilution=task.max_dilution,
    )
    results: dict[str, np.ndarray] = {
        "component_flag": found.flag,
        "observed_tracks": found.observed,
        "degrees_of_freedom": found.freedom,
        "reduced_chi_square": found.chi_square,
        **dict(zip(_ALONG, found.along, strict=True)),
    }
    for row, name in enumerate(COMPONENTS):
        results[f"velocity_{name}"], results[f"velocity_{name}_std"] = found.estimate[row], found.std[row]
    for row, (one, other) in enumerate(COMPONENT_PAIRS):
        results[f"velocity_covariance_{one}_{other}"] = found.covariance[row]
    return {name: layer.reshape(shape) for name, layer in results.items()}


def _sigma(arrays: Arrays, k: int, noise: float) -> np.ndarray:
    """Standard deviation (pixel,) of a track; NaN where it is not known."""
    found = arrays.get(f"velocity_std_{k}")
    if found is None:
        return np.full(arrays[f"velocity_{k}"].size, np.nan, np.float32)
    flat = found.reshape(-1)
    return np.asarray(flat if noise == 0 else np.hypot(flat, np.float32(noise)))


def vectors_of(tracks: Sequence[str], arrays: Arrays) -> np.ndarray:
    """Lines of sight of a block, (track, 3, pixel).

    Raises
    ------
    StackError
        If they do not point to the satellite, or are no unit vectors.
    """
    found = np.stack([vectors_in(arrays, f"_{k}") for k in range(len(tracks))])
    for name, vectors in zip(tracks, found, strict=True):
        require_unit_vectors(name, vectors)
    return found


def _workspace(task: VelocityTask) -> int:
    """Working memory of a pixel: copies of the layers, and results in both forms."""
    return 24 * len(task.tracks) + 16
