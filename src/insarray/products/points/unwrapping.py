"""Unwrap the phases of points, guided by their model or their links."""

import logging
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.kernels.links.arcs import Arcs, delaunay
from insarray.kernels.links.periodogram_noise import noise_variance
from insarray.kernels.unwrapping.residues import common_phase
from insarray.kernels.unwrapping.residues import unwrap_points as unwrap_epochs
from insarray.model.conventions import attributes
from insarray.model.errors import ArgumentError, StackError
from insarray.products.points.integration import PointReference, find_point, reference_attributes, reference_point
from insarray.products.points.link_geometry import PhaseColumns, phase_columns
from insarray.products.points.selection import positions
from insarray.products.views.points import PointsView, arcs_of, as_points, model_of

logger = logging.getLogger(__name__)

_ARCS = 65_536  # processed at a time
_STILL, _MODEL = 2, 4  # parameters: constant and variance; and velocity and height error
_SAMPLES = 1 << 24  # arcs times epochs unwrapped at a time


class _Guide(NamedTuple):
    """Model of each arc: finite differences, the constant of its epochs, and its quality."""

    velocity: np.ndarray
    height_error: np.ndarray
    constant: np.ndarray
    quality: np.ndarray


def unwrap_points(
    points: xr.Dataset,
    model: xr.Dataset | None = None,
    *,
    links: xr.Dataset | None = None,
    max_false_alarm: float = 1e-3,
    min_margin: float = 0.1,
    reference: PointReference | None = None,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
) -> xr.Dataset:
    """Unwrap the phases of points epoch by epoch, with the cheapest set of cycles that closes all triangles.

    The phase differences along the edges of the triangulation are taken nearest to the guiding model; cycles are added
    at minimum cost, where the model agrees least with the phases.

    Parameters
    ----------
    points
        As in `estimate_links`.
    model
        Velocity and height error of the points, from `refine_points` or `integrate_links`; None: no guide, so gradients
        are taken as less than half a cycle. Arcs where it is NaN have no guide either.
    links
        Result of `estimate_links`: an edge of the triangulation that is a link and passes the thresholds is guided by
        it instead of the model. Links of the published method have no thresholds: all pass.
    max_false_alarm, min_margin
        Thresholds of a link: its maximum `false_alarm`, and the minimum difference between its coherence and the
        second.
    reference
        Point whose phase is 0; default: that of the model, else the complete point with the highest `point_coherence`,
        else the first complete one.
    baselines, slant_range, incidence_angle
        As in `estimate_links`.

    Returns
    -------
    xarray.Dataset
        `unwrapped_phase` (time, point) in rad, relative to the reference point: the wrapped phase minus that of the
        reference point, plus whole cycles. NaN in all epochs for a point that lacks an epoch. The attribute
        `unwrapping_guide` names what was given: "links", "model", both, or "none".

    Raises
    ------
    StackError, ArgumentError, ReferencePointError
        If the inputs do not belong together, or an option is invalid.
    InsarrayError
        If OR-tools is not installed.

    See Also
    --------
    insarray.integrate_links : velocity and DEM error of points from arcs.
    insarray.invert : invert pairs to displacement series.

    Notes
    -----
    Each arc is guided by the model only if this explains its phases better than no motion does, by Akaike's criterion for
    small samples: linear motion does not explain steps, and a model of few, noisy epochs is often wrong (of five or fewer
    it is never used).
    On simulated points with a subsidence bowl, new buildings and atmosphere, 10 % of the epochs have a wrong cycle
    without a guide, 0.12 % with the integrated model, and 0.06 % with the refined one. Guiding by thresholded links does
    not improve on that.

    References
    ----------
    * Costantini, M. (1998), A novel phase unwrapping method based on network programming, IEEE TGRS 36,
      813-821.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> model = ia.integrate_links(links, points)
    >>> unwrapped = ia.unwrap_points(points, model)
    >>> unwrapped.unwrapped_phase.dims
    ('time', 'point')
    """
    view = as_points(points).computed()  # once, as phases are used several times
    points = view.data
    model = None if model is None else model_of(model, view)
    if links is not None and "velocity_difference" not in links:
        raise StackError("links: have no 'velocity_difference'; make them with insarray.estimate_links")
    ends = None if links is None else arcs_of(links, view)
    for name, value in (("max_false_alarm", max_false_alarm), ("min_margin", min_margin)):
        if not 0 <= value <= 1:
            raise ArgumentError(f"{name}: {value!r} is not between 0 and 1")
    phase = view.phase.values
    complete = np.flatnonzero(np.isfinite(phase).all(axis=0))
    if not complete.size:
        raise StackError("points: none has a phase in every epoch; leave out the epochs that are missing most")
    x, y = positions(points)
    triangulation = delaunay(x[complete], y[complete])
    arcs = Arcs(complete[triangulation.arcs.point_a], complete[triangulation.arcs.point_b])
    tall = any(_has_heights(data) for data in (model, links) if data is not None)
    columns = phase_columns(
        view, height_error=tall, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle
    )
    guide = _guide(phase, columns, arcs, model, links, ends, max_false_alarm, min_margin)
    held = _reference(view, model, reference, complete)
    unwrapped = np.full(phase.shape, np.nan, np.float32)
    epochs = max(1, _SAMPLES // max(arcs.point_a.size, 1))
    for first in range(0, len(phase), epochs):
        part = slice(first, first + epochs)
        found = unwrap_epochs(
            phase[part, complete],
            triangulation,
            columns.phase(guide.velocity, guide.height_error, *arcs, epochs=part) + guide.constant,
            cost=guide.quality,
            reference=int(np.searchsorted(complete, held)),
        )
        unwrapped[part, complete] = found.phase
    logger.info("unwrap_points: %d dates of %d points", *unwrapped.shape)
    attrs = {name: value for name, value in points.attrs.items() if not name.startswith("reference_")}
    attrs |= reference_attributes(view, held) | {"unwrapping_guide": _named(model, links)}
    if links is not None:
        attrs |= {"unwrapping_max_false_alarm": max_false_alarm, "unwrapping_min_margin": min_margin}
    return xr.Dataset(
        {"unwrapped_phase": (("time", "point"), unwrapped, attributes("unwrapped_phase"))}, points.coords, attrs
    )


def _has_heights(data: xr.Dataset) -> bool:
    """Return whether a model or links have a height error that is finite anywhere."""
    names = [name for name in ("height_error", "height_error_difference") if name in data]
    return any(bool(np.isfinite(data[name].values).any()) for name in names)


def _named(model: xr.Dataset | None, links: xr.Dataset | None) -> str:
    names = [name for name, given in (("links", links), ("model", model)) if given is not None]
    return " ".join(names) or "none"


def _guide(
    phase: np.ndarray,
    columns: PhaseColumns,
    arcs: Arcs,
    model: xr.Dataset | None,
    links: xr.Dataset | None,
    ends: Arcs | None,
    max_false_alarm: float,
    min_margin: float,
) -> _Guide:
    """Return the differences over arcs: of the links that pass the thresholds, else of the model, else 0.

    They are 0, too, where no motion explains the phases as well, as along arcs that have moved in steps.
    """
    velocity, height = np.zeros((2, arcs.point_a.size))
    known = np.zeros(arcs.point_a.size, bool)
    if model is not None:
        value = model.velocity.values.astype(np.float64)
        velocity = value[arcs.point_b] - value[arcs.point_a]
        known = np.isfinite(velocity)
        if "height_error" in model:
            value = model.height_error.values.astype(np.float64)
            height = value[arcs.point_b] - value[arcs.point_a]
    if links is not None and ends is not None:
        good = np.isfinite(links.velocity_difference.values)
        if "false_alarm" in links:
            good &= links.false_alarm.values <= max_false_alarm
            good &= links.link_coherence.values - links.second_coherence.values >= min_margin
        at, number = _same(arcs, ends, good)
        velocity[at] = links.velocity_difference.values[number]
        known[at] = True
        if "height_error_difference" in links:
            height[at] = links.height_error_difference.values[number]
    velocity, height = np.where(known, velocity, 0.0), np.where(known, np.nan_to_num(height), 0.0)
    constant, quality = np.zeros((2, arcs.point_a.size))
    for first in range(0, arcs.point_a.size, _ARCS):
        part = slice(first, first + _ARCS)
        a, b = arcs.point_a[part], arcs.point_b[part]
        difference = phase[:, b].astype(np.float64) - phase[:, a]
        modelled = common_phase(difference - columns.phase(velocity[part], height[part], a, b))
        still = common_phase(difference)
        worse = ~_explains(modelled[1], still[1], len(phase))
        velocity[part][worse] = height[part][worse] = 0.0
        constant[part], quality[part] = (np.where(worse, s, m) for s, m in zip(still, modelled, strict=True))
    # no constant without a model: the best fit to the epochs would be motion
    constant[~known] = 0.0
    return _Guide(velocity, height, constant, quality if known.any() else np.ones(quality.size))


def _explains(modelled: np.ndarray, still: np.ndarray, epochs: int) -> np.ndarray:
    """Return where a model explains the phases better than no motion does, by Akaike's criterion for small samples.

    Of few epochs a model follows the noise: its variance must be smaller by a factor that its two parameters explain.
    """
    free = epochs - np.array([_STILL, _MODEL]) - 1.0
    if free[1] <= 0:
        return np.zeros(modelled.shape, bool)
    penalty = 2 * np.array([_STILL, _MODEL]) * epochs / free
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = epochs * (np.log(noise_variance(still)) - np.log(noise_variance(modelled)))
    return np.asarray(gain >= penalty[1] - penalty[0])


def _same(arcs: Arcs, links: Arcs, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the arcs that are accepted links, and the indices of these links."""
    points = 1 + int(max(arcs.point_b.max(initial=0), links.point_b.max()))
    keys = arcs.point_a * points + arcs.point_b, links.point_a * points + links.point_b
    _, at, number = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    return at[good[number]], number[good[number]]


def _reference(
    view: PointsView, model: xr.Dataset | None, reference: PointReference | None, complete: np.ndarray
) -> int:
    """Return the index of the reference point, which must be complete."""
    if reference is None and model is not None and (held := reference_point(model, view)) is not None:
        reference = int(view.numbers[held])
    if reference is None:
        if model is None or "point_coherence" not in model:
            return int(complete[0])
        return int(complete[np.argmax(np.nan_to_num(model.point_coherence.values[complete]))])
    held = find_point(view, reference)
    if held not in complete:
        raise StackError(f"reference: point {view.numbers[held]} lacks an epoch; choose a complete one")
    return held
