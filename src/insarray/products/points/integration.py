"""Velocity and height error of points from those of the links between them."""

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
"""Reference point: its number, the row and column of its pixel, or a position."""

SURROUNDINGS = 30
"""Points nearest to each whose phases are its surroundings; 30 is the best measured on simulated points."""

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
    """Velocity and height error of points whose differences fit those of the links best.

    Parameters
    ----------
    links
        Of `estimate_links`, between these points.
    points
        With their phases, from which the standard errors come.
    weighting
        Of the links: "variance", by their standard errors; as published "coherence", or "none".
    robust
        Huber's estimate, for "variance": a wrong link counts little. False: least squares.
    reference
        Point whose values are 0; by default the mean of the points, each weighted by its links, is 0. Points that links
        do not join to it have a level of their own, see `component`.
    weights, baselines, slant_range, incidence_angle
        As in `estimate_links`.
    neighbours
        Points nearest to each whose phases are its surroundings.

    Returns
    -------
    xarray.Dataset
        (point): `velocity` in m/year, positive toward the satellite, and `height_error` in m, if the links have one,
        with standard errors `..._std`; `component`; `point_coherence`; `link_model_coherence`. NaN for a point without
        links.

    Raises
    ------
    StackError, ArgumentError
        If links and points do not belong together, or an option cannot be.
    ReferencePointError
        If there is no such point.

    See Also
    --------
    insarray.estimate_links : velocity and DEM error of arcs.
    insarray.refine_points : points against their surroundings.
    insarray.unwrap_points : phases of points without wraps.

    Notes
    -----
    The standard errors are not those of the least squares: these suppose links with errors of their own, and are 2 to 7
    times too small, as the noise of a point is in all its links. They come from the phases of the point itself, less
    their model, less those of the points around it: with their coherence g the covariance is
    ``(1 - g^4) / (2 g^2) N / (N - 3) inv(A' A)``, A the columns without their means. So they are errors **relative to
    the surroundings**, with the small noise of these. What a region has in common is not in them: the atmosphere, which
    moves velocities the more the farther the reference is; the noise of the reference point; a wrong link that a whole
    region hangs on.

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
    view = as_points(points).computed()  # once, as phases are needed several times
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
    """Values of one quantity; links in which it is not determined are not used."""
    difference = links[f"{name}_difference"].values.astype(np.float64)
    if weighting == "variance":
        std = links[f"{name}_difference_std"].values.astype(np.float64)
    elif weighting == "coherence":
        coherence = links.link_coherence.values.astype(np.float64)
        std = np.where(coherence > 0, coherence, np.nan) ** -0.5
    else:
        std = np.ones(difference.size)
    return integrate(*arcs, difference[None], std[None], points, robust=robust, reference=reference)


def _mean_coherence(links: xr.Dataset, arcs: Arcs, points: int) -> np.ndarray:
    """Mean coherence of the links of each point, NaN without one."""
    ends = np.concatenate(arcs)
    total = np.bincount(ends, np.tile(links.link_coherence.values.astype(np.float64), 2), points)
    number = np.bincount(ends, minlength=points)
    return np.asarray(total / np.where(number > 0, number, np.nan), np.float32)


def find_point(view: PointsView, reference: PointReference) -> int:
    """Position among the points of the one asked for.

    Raises
    ------
    ReferencePointError
        If that pixel is not a point; the nearest one is offered.
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
    """Position among the points of the one at which a model is 0; None if it has none.

    Raises
    ------
    StackError
        If it is not among them.
    """
    number = model.attrs.get("reference_point")
    if number is None:
        return None
    at = np.flatnonzero(view.numbers == int(number))
    if not len(at):
        raise StackError(f"model: its reference, point {number}, is not among the points; keep it when selecting")
    return int(at[0])


def reference_attributes(view: PointsView, held: int) -> dict[str, int]:
    """Attributes that say which point has the value 0."""
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
    """Values of the points with coherence and standard errors relative to their surroundings."""
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
