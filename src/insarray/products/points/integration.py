"""Integrate the velocity and height error differences of links to values at the points."""

import logging
from typing import Literal, get_args

import numpy as np
import xarray as xr

from insarray.kernels.links.arcs import Arcs, nearest
from insarray.kernels.links.periodogram_noise import residual_errors
from insarray.kernels.links.potentials import Potentials, integrate
from insarray.kernels.unwrapping.residues import surroundings
from insarray.model.conventions import attributes
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.products.points.link_geometry import PhaseColumns, phase_columns
from insarray.products.points.links import epoch_weights
from insarray.products.points.selection import grid_of_points, positions
from insarray.products.stacks.reference import LonLat
from insarray.products.views.points import PointsView, arcs_of, as_points

logger = logging.getLogger(__name__)

Weighting = Literal["variance", "coherence", "none"]
PointReference = int | tuple[int, int] | LonLat
"""Reference point: its number, the row and column of its pixel, or a geographic position."""

SURROUNDINGS = 30
"""Number of nearest points whose phases form the surroundings; 30 was the best on simulated points."""

_MODEL = ("velocity", "velocity_std", "height_error", "height_error_std", "point_coherence")


def integrate_links(
    links: xr.Dataset,
    points: xr.Dataset,
    *,
    weighting: Weighting = "variance",
    robust: bool = True,
    reference: PointReference | None = None,
    weights: xr.DataArray | None = None,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
    neighbours: int = SURROUNDINGS,
) -> xr.Dataset:
    """Estimate velocity and height error of points from their differences over links.

    Parameters
    ----------
    links
        Result of `estimate_links` for these points.
    points
        Points with their phases, from which the standard errors are estimated.
    weighting
        Weights of the links: "variance" by their standard errors; "coherence" (as published), or "none".
    robust
        Use Huber's estimator with "variance", so that wrong links have little influence. False: least squares.
    reference
        Point whose values are 0; by default the mean of the points, weighted by their links, is 0. Points that no links
        connect to it have a level of their own, see `component`.
    weights, baselines, slant_range, incidence_angle
        As in `estimate_links`.
    neighbours
        Number of nearest points whose phases form the surroundings of a point.

    Returns
    -------
    xarray.Dataset
        (point): `velocity` in m/year, positive toward the satellite, and, if the links have one, `height_error` in m,
        with standard errors `..._std`; `component`; `point_coherence`; `link_model_coherence`. NaN for points without
        links.

    Raises
    ------
    StackError, ArgumentError
        If links and points do not belong together, or an option is invalid.
    ReferencePointError
        If there is no such point.

    See Also
    --------
    insarray.estimate_links : velocity and DEM error differences of arcs.
    insarray.refine_points : re-estimate points from their surroundings.
    insarray.unwrap_points : unwrap the phases of points.

    Notes
    -----
    The standard errors are not those of the least squares, which assume independent link errors and are 2 to 7 times
    too small, as the noise of a point is in all its links. They are estimated from the phases of the point, minus its
    model, minus those of the points around it: with their coherence g the covariance is ``(1 - g^4) / (2 g^2) N / (N -
    3) inv(A' A)``, where A are the columns of the model without their means. They are therefore errors **relative to
    the surroundings**, including the small noise of these. They do not contain errors common to a region: the
    atmosphere, whose effect on velocities grows with the distance from the reference; the noise of the reference point;
    a wrong link that connects a whole region.

    References
    ----------
    * Ferretti, A., Prati, C. and Rocca, F. (2001), Permanent scatterers in SAR interferometry, IEEE TGRS
      39, 8-20.
    * Huber, P. J. (1981), Robust Statistics, Wiley, chapter 1.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> model = ia.integrate_links(links, points)
    >>> model.velocity.dims
    ('point',)
    """
    view = as_points(points).computed()  # once, as phases are used several times
    arcs = arcs_of(links, view)
    _check(links, weighting, robust=robust)
    if neighbours < 1:
        raise ArgumentError(f"neighbours: {neighbours!r} is not a whole number of at least 1")
    tall = "height_error_difference" in links and bool(np.isfinite(links.height_error_difference.values).any())
    columns = phase_columns(
        view, height_error=tall, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle
    )
    held = None if reference is None else find_point(view, reference)
    levels = {
        name: _integrated(links, arcs, name, view.numbers.size, weighting, held, robust=robust)
        for name in ("velocity", *(["height_error"] if tall else []))
    }
    values = {name: found.value[0] for name, found in levels.items()}
    around = nearest(*positions(view.data), neighbours)
    model = with_errors(view, columns, values, around, epoch_weights(view, weights))
    model["component"] = ("point", levels["velocity"].component.astype(np.int32), attributes("component"))
    model["link_model_coherence"] = ("point", _mean_coherence(links, arcs, view.numbers.size), {})
    model.link_model_coherence.attrs = attributes("link_model_coherence")
    attrs = {
        **view.data.attrs,
        **links.attrs,
        "link_weighting": weighting,
        "link_robust": int(robust and weighting == "variance"),
    }
    if held is not None:
        attrs |= reference_attributes(view, held)
    logger.info("integrate_links: %d points, %s", view.numbers.size, ", ".join(values))
    return model.assign_attrs(attrs)


def _check(links: xr.Dataset, weighting: str, *, robust: bool) -> None:
    if weighting not in get_args(Weighting):
        raise ArgumentError(f"weighting: {weighting!r} is not one of {', '.join(get_args(Weighting))}")
    if "velocity_difference" not in links:
        raise StackError("links: have no 'velocity_difference'; make them with insarray.estimate_links")
    if weighting == "variance" and "velocity_difference_std" not in links:
        raise StackError("links: have no standard errors (published method); use weighting='coherence' or 'none'")
    if robust and weighting != "variance":
        raise ArgumentError("robust: needs weighting='variance', as outliers are told by their standard errors")


def _integrated(
    links: xr.Dataset, arcs: Arcs, name: str, points: int, weighting: Weighting, reference: int | None, *, robust: bool
) -> Potentials:
    """Integrate one quantity; links in which it is undetermined are not used."""
    difference = links[f"{name}_difference"].values.astype(np.float64)
    if weighting == "variance":
        std = links[f"{name}_difference_std"].values.astype(np.float64)
    elif weighting == "coherence":
        coherence = links.link_coherence.values.astype(np.float64)
        std = np.where(coherence > 0, coherence, np.nan) ** -0.5
    else:
        std = np.ones(difference.size)
    # errors of points are estimated from their phases, not from those of the links
    return integrate(*arcs, difference[None], std[None], points, robust=robust, reference=reference, errors=False)


def _mean_coherence(links: xr.Dataset, arcs: Arcs, points: int) -> np.ndarray:
    """Return the mean coherence of the links of each point, NaN for points without links."""
    ends = np.concatenate(arcs)
    total = np.bincount(ends, np.tile(links.link_coherence.values.astype(np.float64), 2), points)
    number = np.bincount(ends, minlength=points)
    return np.asarray(total / np.where(number > 0, number, np.nan), np.float32)


def find_point(view: PointsView, reference: PointReference) -> int:
    """Return the index of the requested point.

    Raises
    ------
    ReferencePointError
        If that pixel is not a point; the message offers the nearest one.
    ArgumentError
        If there is no such number or position.
    """
    points = view.data
    if isinstance(reference, (int, np.integer)):
        at = np.flatnonzero(view.numbers == reference)
        if not len(at):
            raise ArgumentError(f"reference: {reference!r} is not the number of one of {view.numbers.size} points")
        return int(at[0])
    if "row" not in points.coords or "col" not in points.coords:
        raise StackError("points: have no coordinates 'row' and 'col'; give the number of the point")
    row, col = (
        grid_of_points(points).index(reference.lon, reference.lat) if isinstance(reference, LonLat) else reference
    )
    away = (points.row.values - row) ** 2.0 + (points.col.values - col) ** 2.0
    near = int(np.argmin(away))
    if away[near] > 0:
        raise ReferencePointError(
            f"reference: row {row}, column {col} is not a point; the nearest is row {int(points.row[near])}, column "
            f"{int(points.col[near])}"
        )
    return near


def reference_point(model: xr.Dataset, view: PointsView) -> int | None:
    """Return the index of the point at which a model is 0, or None if it has no reference point.

    Raises
    ------
    StackError
        If the reference point is not among the points.
    """
    number = model.attrs.get("reference_point")
    if number is None:
        return None
    at = np.flatnonzero(view.numbers == int(number))
    if not len(at):
        raise StackError(f"model: its reference, point {number}, is not among the points; keep it when selecting")
    return int(at[0])


def reference_attributes(view: PointsView, held: int) -> dict[str, int]:
    """Return the attributes that identify the reference point."""
    points = view.data
    pixel = {f"reference_{name}": int(points[name].values[held]) for name in ("row", "col") if name in points.coords}
    return {"reference_point": int(view.numbers[held]), **pixel}


def with_errors(
    points: PointsView,
    columns: PhaseColumns,
    values: dict[str, np.ndarray],
    around: Arcs,
    weight: np.ndarray | None,
) -> xr.Dataset:
    """Return the values of the points with their coherence, and standard errors relative to the surroundings."""
    velocity = values["velocity"]
    height = values.get("height_error", np.zeros_like(velocity))
    own = np.arange(velocity.size)
    phase = points.phase.values.astype(np.float64)
    model = columns.phase(velocity, height, own, own)
    rest = phase - model - surroundings(phase, model, around)
    coherence, std = residual_errors(rest, columns.time, columns.height(own, own), weight)
    found = dict(zip(_MODEL, (velocity, std[0], height, std[1], coherence), strict=True))
    kept = [name for name in _MODEL if "height_error" in values or not name.startswith("height_error")]
    variables = {name: ("point", found[name].astype(np.float32), attributes(name)) for name in kept}
    coords = {name: c for name, c in points.data.coords.items() if c.dims in (("point",), ())}
    return xr.Dataset(variables, coords)
