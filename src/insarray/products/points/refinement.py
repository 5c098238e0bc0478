"""Re-estimate velocity and height error of each point from its phases relative to the points around it."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_chunks
from insarray.kernels.links.arcs import Arcs, nearest
from insarray.kernels.links.periodogram import estimate_links as search
from insarray.kernels.unwrapping.residues import surroundings
from insarray.model.errors import ArgumentError
from insarray.products.points.integration import SURROUNDINGS, reference_point, with_errors
from insarray.products.points.link_geometry import PhaseColumns, phase_columns
from insarray.products.points.links import Range, epoch_weights
from insarray.products.points.selection import positions
from insarray.products.views.points import as_points, model_of

logger = logging.getLogger(__name__)

_CHUNK = 65_536


@dataclass(frozen=True)
class _Task:
    columns: PhaseColumns
    velocity: Range
    height_error: Range | None
    weight: np.ndarray | None


def refine_points(
    points: xr.Dataset,
    model: xr.Dataset,
    *,
    velocity: Range = (-0.005, 0.005),
    height_error: Range | None = None,
    neighbours: int = SURROUNDINGS,
    iterations: int = 2,
    weights: xr.DataArray | None = None,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
) -> xr.Dataset:
    """Re-estimate the model of points from their phases minus those of their surroundings.

    The phases of a point, minus the atmosphere that it shares with its neighbours, have half the variance of a link
    difference, and its neighbours narrow down its velocity: this corrects values from wrong links.

    Parameters
    ----------
    points
        As in `estimate_links`.
    model
        Result of `integrate_links` or of this function.
    velocity
        Minimum and maximum velocity in m/year, relative to the mean of the neighbours.
    height_error
        Minimum and maximum height error in m, on the level of the model; required if the model has a height error, and
        not permitted otherwise.
    neighbours
        Number of nearest points that form the surroundings of a point.
    iterations
        Number of iterations; each uses the surroundings of the previous model.
    weights, baselines, slant_range, incidence_angle
        As in `estimate_links`.

    Returns
    -------
    xarray.Dataset
        As from `integrate_links`, with the same reference point, if there is one. The standard errors are also relative
        to the surroundings. NaN for points without a neighbour that has a model.

    Raises
    ------
    StackError, ArgumentError
        If points and model do not belong together, or an option is invalid.

    See Also
    --------
    insarray.integrate_links : velocity and DEM error of points from arcs.
    insarray.unwrap_points : unwrap the phases of points.

    References
    ----------
    * Ferretti, A., Prati, C. and Rocca, F. (2001), Permanent scatterers in SAR interferometry, IEEE TGRS
      39, 8-20.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> model = ia.integrate_links(links, points)
    >>> refined = ia.refine_points(points, model, height_error=(-5, 5))
    >>> refined.attrs["refined_iterations"]
    2
    """
    view = as_points(points).computed()  # once, as phases are used several times
    model = model_of(model, view)
    tall = _check(model, height_error, neighbours, iterations)
    columns = phase_columns(
        view, height_error=tall, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle
    )
    around = nearest(*positions(view.data), neighbours)
    task = _Task(columns, velocity, height_error, epoch_weights(view, weights))
    names = ("velocity", *(["height_error"] if tall else []))
    values = {name: model[name].values.astype(np.float64) for name in names}
    held = reference_point(model, view)
    for _ in range(iterations):
        values = _once_more(task, view.phase, values, around)
        if held is not None:
            values = {name: value - value[held] for name, value in values.items()}
    refined = with_errors(view, columns, values, around, task.weight)
    for name in ("component", "link_model_coherence"):
        if name in model:
            refined[name] = model[name].variable
    logger.info("refine_points: %d iteration(s) with %d neighbours", iterations, neighbours)
    options = {"refined_velocity_range": list(velocity), "refined_neighbours": neighbours}
    return refined.assign_attrs({**model.attrs, **options, "refined_iterations": iterations})


def _check(model: xr.Dataset, height_error: Range | None, neighbours: int, iterations: int) -> bool:
    """Return whether the model has a height error."""
    tall = "height_error" in model
    if tall != (height_error is not None):
        raise ArgumentError(f"height_error: the model has {'one; give its range' if tall else 'none; leave it out'}")
    for name, value in (("neighbours", neighbours), ("iterations", iterations)):
        if value < 1:
            raise ArgumentError(f"{name}: {value!r} is not a whole number of at least 1")
    return tall


def _once_more(task: _Task, phase: xr.DataArray, values: dict[str, np.ndarray], around: Arcs) -> dict[str, np.ndarray]:
    """Estimate velocity and height error of the points from their phases relative to the surroundings."""
    own = np.arange(phase.sizes["point"])
    height = values.get("height_error", np.zeros(own.size))
    level = _mean_of_neighbours(values["velocity"], around)
    wrapped = phase.values.astype(np.float64)
    rest = wrapped - surroundings(wrapped, task.columns.phase(values["velocity"], height, own, own), around)
    rest -= task.columns.time[:, None] * level
    shared = {"rest": xr.DataArray(rest, dims=("time", "point"))}
    found = map_chunks(_points_of_part, task, shared, tuple(values), "point", own.size, _CHUNK)
    new = {name: found[name].values.astype(np.float64) for name in values}
    return new | {"velocity": new["velocity"] + level}


def _points_of_part(task: _Task, arrays: Arrays, part: slice) -> Arrays:
    own = np.arange(part.start, part.stop)
    found = search(
        arrays["rest"][:, part],
        task.columns.time,
        task.columns.height(own, own),
        velocity_range=task.velocity,
        height_range=task.height_error,
        weight=task.weight,
    )
    return {"velocity": found.velocity.astype(np.float32), "height_error": found.height_error.astype(np.float32)}


def _mean_of_neighbours(values: np.ndarray, around: Arcs) -> np.ndarray:
    """Return the mean of the finite values at the neighbours of each point; NaN if there are none."""
    here, there = np.concatenate(around), np.concatenate(around[::-1])
    known = np.isfinite(values[there])
    here, there = here[known], there[known]
    number = np.bincount(here, minlength=values.size)
    total = np.bincount(here, values[there], values.size)
    return np.asarray(total / np.where(number > 0, number, np.nan))
