"""Re-estimate velocity and height error of each point from its phases relative to the points around it."""

import logging
from dataclasses import dataclass, replace

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
_ARCS = 16_384  # at a time, as phasors of all dates are 16 bytes
_FOUND = ("velocity", "height_error", "point_coherence")
_FELLOWS = 2  # neighbours of about the same height error, that confirm one
_LONE_SHARE = 0.01  # of points with a height error that no neighbour has
_COHERENT = 0.999  # coherence above which more of it does not count


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
    difference, and its neighbours narrow down its velocity: this corrects values from wrong links. A height error that
    no neighbour has is kept only if the phases clearly decide for it: the noise of a bad point has high peaks, too.

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
    found = _estimated(task, rest)
    if "height_error" in values:
        found = _like_neighbours(task, rest, found, around)
    return {name: found[name] + (level if name == "velocity" else 0.0) for name in values}


def _estimated(task: _Task, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Return velocity, height error and coherence of phases (time, point)."""
    shared = {"rest": xr.DataArray(rest, dims=("time", "point"))}
    found = map_chunks(_points_of_part, task, shared, _FOUND, "point", rest.shape[1], _CHUNK)
    return {name: found[name].values.astype(np.float64) for name in _FOUND}


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
    values = (found.velocity, found.height_error, found.coherence)
    return {name: value.astype(np.float32) for name, value in zip(_FOUND, values, strict=True)}


def _like_neighbours(
    task: _Task, rest: np.ndarray, found: dict[str, np.ndarray], around: Arcs
) -> dict[str, np.ndarray]:
    """Replace height errors that hardly a neighbour has by one near a neighbour's, unless the phases clearly decide.

    The noise of a bad point has as high a peak somewhere in a wide range as the point itself has at its height. A height
    error on its own is kept if its likelihood (``N artanh(g**2)``, see `periodogram.estimate_links`) exceeds that of the
    best height error near a neighbour's by the odds against it: the number of separate heights in the range, over the
    share of points that are higher than all of their surroundings.
    """
    assert task.height_error is not None  # noqa: S101  for the type checker
    own = np.arange(rest.shape[1])
    column = task.columns.height(own, own)
    assert column is not None  # noqa: S101
    width = 1 / float(np.median(np.std(column, axis=0)))  # within it the phases differ by less than 1 rad rms
    if not np.isfinite(width):
        return found
    height = found["height_error"]
    here, there = np.concatenate(around), np.concatenate(around[::-1])
    fellows = np.bincount(here, np.abs(height[there] - height[here]) < width, own.size)
    lone = fellows < _FELLOWS
    start = _best_of_neighbours(rest, column, height, here[lone[here]], there[lone[here]])
    shifted = rest - (column if column.ndim == 2 else column[:, None]) * start
    close = _estimated(replace(task, height_error=(-width, width)), shifted)
    low, high = task.height_error
    close["height_error"] = np.clip(close["height_error"] + start, low, high)
    dates = np.isfinite(rest).sum(axis=0)
    gain = dates * (_log_likelihood(found["point_coherence"]) - _log_likelihood(close["point_coherence"]))
    taken = lone & (gain < np.log(max((high - low) / width, 1.0) / _LONE_SHARE))
    return {name: np.where(taken, close[name], value) for name, value in found.items()}


def _log_likelihood(coherence: np.ndarray) -> np.ndarray:
    """Return the logarithm of the likelihood of a date, with the unknown noise level at its best."""
    return np.asarray(np.arctanh(np.minimum(coherence, _COHERENT) ** 2))


def _best_of_neighbours(
    rest: np.ndarray, column: np.ndarray, height: np.ndarray, here: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Return the height error among those of the neighbours that explains the phases of a point best, else its own."""
    coherence = np.empty(here.size)
    for first in range(0, here.size, _ARCS):
        part = slice(first, first + _ARCS)
        a, b = here[part], there[part]
        modelled = (column[:, a] if column.ndim == 2 else column[:, None]) * height[b]
        coherence[part] = np.abs(np.nan_to_num(np.exp(1j * (rest[:, a] - modelled))).mean(axis=0))
    best = height.copy()
    order = np.argsort(coherence, kind="stable")
    best[here[order]] = height[there[order]]  # the last of each point remains
    return best


def _mean_of_neighbours(values: np.ndarray, around: Arcs) -> np.ndarray:
    """Return the mean of the finite values at the neighbours of each point; NaN if there are none."""
    here, there = np.concatenate(around), np.concatenate(around[::-1])
    known = np.isfinite(values[there])
    here, there = here[known], there[known]
    number = np.bincount(here, minlength=values.size)
    total = np.bincount(here, values[there], values.size)
    return np.asarray(total / np.where(number > 0, number, np.nan))
