"""Estimate velocity and height error differences of links (arcs) between points from wrapped phases."""

import logging
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_chunks
from insarray.kernels.links.arcs import Arcs, delaunay, nearest, shorter, unite
from insarray.kernels.links.periodogram import estimate_links as search
from insarray.kernels.links.periodogram_dense import estimate_links_dense
from insarray.model.choices import LinkMethod, LinkNetwork
from insarray.model.errors import ArgumentError, StackError
from insarray.products.points.link_geometry import PhaseColumns, phase_columns
from insarray.products.points.selection import positions
from insarray.products.stacks.weighting import require_weights
from insarray.products.views.aligning import aligned
from insarray.products.views.points import PointsView, as_points

logger = logging.getLogger(__name__)

Range = tuple[float, float]

PUBLISHED_STEP = (0.005, 2.5)
"""Steps of the published grid: m/year and m."""

_HOPS = 3  # the published method pairs each epoch with the next three
CHUNK = 65_536
"""Number of links processed at a time."""

_OUTPUTS = (
    *("velocity_difference", "velocity_difference_std", "height_error_difference", "height_error_difference_std"),
    *("link_coherence", "second_coherence", "false_alarm", "link_flag"),
)
_PUBLISHED = ("velocity_difference", "height_error_difference", "link_coherence")


@dataclass(frozen=True)
class LinkTask:
    """Constants of the search that all links share.

    Parameters
    ----------
    columns
        Model columns of the points.
    point_a, point_b
        Ends of the links, (link,).
    velocity, height_error
        Search ranges; None: the model has no height error.
    weight
        Weights of the epochs, (time,), or None.
    prior
        Prior standard deviations of both.
    step
        Steps of the published grid; None: the method of this package.
    """

    columns: PhaseColumns
    point_a: np.ndarray
    point_b: np.ndarray
    velocity: Range
    height_error: Range | None
    weight: np.ndarray | None
    prior: Range | None
    step: Range | None


def estimate_links(
    points: xr.Dataset,
    *,
    velocity: Range = (-0.06, 0.06),
    height_error: Range | None = None,
    network: LinkNetwork = "both",
    neighbours: int = 16,
    max_length: float | None = None,
    weights: xr.DataArray | None = None,
    prior: Range | None = None,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
    method: LinkMethod = "insarray",
    step: Range | None = None,
    chunk: int = CHUNK,
) -> xr.Dataset:
    """Estimate velocity and height error differences of links between points; lazily if the phases are lazy.

    Parameters
    ----------
    points
        Dataset with `wrapped_phase` (time, point) in rad, relative to one epoch, positive away from the satellite, as
        from `select_points`; attribute `wavelength`. Epochs missing at either end of a link are ignored in that link.
    velocity
        Minimum and maximum velocity difference in m/year.
    height_error
        Minimum and maximum height error difference in m; None: the model has the velocity only.
    network
        "delaunay": edges of the triangulation; "nearest": links to the `neighbours` nearest points; or "both".
    neighbours
        Number of neighbours for "nearest" and "both".
    max_length
        Maximum length of a link in m (pixels without a CRS).
    weights
        Inverse variances of the phase of the epochs in any unit, (time); default: equal.
    prior
        Expected standard deviations of velocity differences (m/year) and height error differences (m); infinite for no
        prior.
    baselines
        Perpendicular baselines in m, (time) or (time, point), relative to any epoch; default: those of the dataset.
    slant_range, incidence_angle
        m, and degrees from the vertical, a number or (point); default: those of the dataset. A link has the mean
        geometry of its ends.
    method
        "insarray": maximum of the periodogram of the epochs. "published": maximum on a grid of the modulus of the mean
        over interferograms of up to three epochs apart, refined by a quadratic; much slower, and about ten times less
        precise for the velocity; for comparison.
    step
        Steps of the published grid, m/year and m; default 0.005 and 2.5. The upper ends of the ranges are excluded.
    chunk
        Number of links processed at a time. With "insarray" the results do not depend on it, bit for bit.

    Returns
    -------
    xarray.Dataset
        (link), with the coordinates `point_a` < `point_b`. `velocity_difference` in m per year of 365.25 days, b minus
        a, positive toward the satellite; `height_error_difference` in m, positive where b is higher above the DEM than
        a. With "insarray" also: standard errors `..._std`; `link_coherence` and `second_coherence`, that of the
        second-best model; `false_alarm`, the probability that noise alone reaches the coherence within the ranges;
        `link_flag`. Undetermined values are NaN: if all baselines are equal, the height error is NaN, and `link_flag`
        says so.

    Raises
    ------
    StackError
        If the points lack phases, wavelength, baselines or geometry.
    ArgumentError
        If an option is invalid, or no link is left.

    See Also
    --------
    insarray.select_points : select points of a wrapped stack.
    insarray.integrate_links : velocity and DEM error of points from arcs.
    insarray.plot.links : plot values of arcs.

    Notes
    -----
    The phase of a link is modelled as -4 pi / wavelength (t v + B h / (R sin(incidence))), where t is years since the
    first epoch, B the perpendicular baseline, and R the slant range.

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
    >>> links.velocity_difference.dims
    ('link',)
    """
    _check(network, method, step, chunk, height_error)
    view = as_points(points)
    columns = phase_columns(
        view,
        height_error=height_error is not None,
        baselines=baselines,
        slant_range=slant_range,
        incidence_angle=incidence_angle,
    )
    arcs = link_arcs(view.data, network, neighbours, max_length)
    grid_step = None if method == "insarray" else PUBLISHED_STEP if step is None else step
    task = LinkTask(columns, *arcs, velocity, height_error, epoch_weights(view, weights), prior, grid_step)
    _search(task, np.zeros((columns.years.size, 0)), slice(0, 0))  # validate the ranges now, not when computed
    outputs = _OUTPUTS if method == "insarray" else _PUBLISHED
    shared = {"wrapped_phase": view.phase}
    found = map_chunks(_links_of_part, task, shared, outputs, "link", arcs.point_a.size, chunk)
    options = {
        "link_network": network,
        "link_neighbours": neighbours if network != "delaunay" else None,
        "link_max_length": max_length,
        "link_velocity_range": list(velocity),
        "link_height_error_range": None if height_error is None else list(height_error),
        "link_prior": None if prior is None else list(prior),
        "link_weights": "none" if weights is None else "given",
        "link_method": method,
        "link_step": None if grid_step is None else list(grid_step),
    }
    coords = {
        "point_a": ("link", view.numbers[arcs.point_a], {"long_name": "point at which the link begins"}),
        "point_b": ("link", view.numbers[arcs.point_b], {"long_name": "point at which the link ends"}),
    }
    used = {name: value for name, value in options.items() if value is not None}
    logger.info("estimate_links: %d arcs of %d points", len(arcs.point_a), view.numbers.size)
    attrs = view.data.attrs
    kept = {name: attrs[name] for name in ("wavelength", "input_fingerprint") if name in attrs}
    return xr.Dataset(found, coords, kept | used)


def _check(network: str, method: str, step: Range | None, chunk: int, height_error: Range | None) -> None:
    if network not in get_args(LinkNetwork):
        raise ArgumentError(f"network: {network!r} is not one of {', '.join(get_args(LinkNetwork))}")
    if method not in get_args(LinkMethod):
        raise ArgumentError(f"method: {method!r} is not one of {', '.join(get_args(LinkMethod))}")
    if chunk < 1:
        raise ArgumentError(f"chunk: {chunk!r} is not a number of links of at least 1")
    if step is not None and method != "published":
        raise ArgumentError("step: belongs to method='published'; the grid of this method follows from the epochs")
    if step is not None and not all(value > 0 for value in step):
        raise ArgumentError(f"step: {step} are not positive steps")
    if method == "published" and height_error is None:
        raise ArgumentError("method: 'published' has a height error; give its range")


def epoch_weights(points: PointsView, weights: xr.DataArray | None) -> np.ndarray | None:
    """Return the weights of the epochs as an array.

    Raises
    ------
    ArgumentError
        If they are not one finite, non-negative number per epoch.
    """
    if weights is None:
        return None
    values = np.asarray(aligned("weights", weights, points, ("time",)).values, np.float64)
    require_weights(values)
    return values


def link_arcs(points: xr.Dataset, network: LinkNetwork, neighbours: int, max_length: float | None) -> Arcs:
    """Return the links between points, which have the coordinates x and y.

    Raises
    ------
    ArgumentError
        If none is left, or two points are at the same position.
    """
    x, y = positions(points)
    networks = []
    if network != "nearest":
        networks.append(delaunay(x, y).arcs)
    if network != "delaunay":
        networks.append(nearest(x, y, neighbours))
    arcs = unite(*networks)
    if max_length is not None:
        arcs = shorter(arcs, x, y, max_length)
    if not arcs.point_a.size:
        limit = "" if max_length is None else f" of at most {max_length:g} m; give a greater max_length"
        raise ArgumentError(f"links: {x.size} point(s) have none{limit}")
    return arcs


def _links_of_part(task: LinkTask, arrays: Arrays, part: slice) -> Arrays:
    """Return the results of some of the links."""
    phase = arrays["wrapped_phase"]
    a, b = task.point_a[part], task.point_b[part]
    return _search(task, phase[:, b].astype(np.float64) - phase[:, a], part)


def _search(task: LinkTask, difference: np.ndarray, part: slice) -> Arrays:
    if task.step is not None:
        return _published(task, difference)
    found = search(
        difference,
        task.columns.time,
        task.columns.height(task.point_a[part], task.point_b[part]),
        velocity_range=task.velocity,
        height_range=task.height_error,
        weight=task.weight,
        prior=task.prior,
    )
    std = np.sqrt(np.einsum("iil->il", found.covariance))
    values = (found.velocity, std[0], found.height_error, std[1], found.coherence, found.second_coherence)
    results = dict(zip(_OUTPUTS, (*values, found.false_alarm), strict=False))
    return {name: value.astype(np.float32) for name, value in results.items()} | {"link_flag": found.flag}


def _published(task: LinkTask, difference: np.ndarray) -> Arrays:
    """Search as published: one geometry for all links, interferograms of up to three epochs apart."""
    assert task.height_error is not None  # noqa: S101  for the type checker: `_check` guarantees it
    assert task.step is not None  # noqa: S101
    if np.isnan(difference).any():
        raise StackError("method: 'published' needs the phases of all epochs; leave points or epochs out")
    columns = task.columns
    every = np.arange(1 + int(max(task.point_a.max(initial=0), task.point_b.max(initial=0))))
    height: Any = columns.height(every, every)
    shared = height if height.ndim == 1 else height.mean(axis=1)
    number = columns.years.size
    first, second = np.array([(i, j) for i in range(number) for j in range(i + 1, min(i + 1 + _HOPS, number))]).T
    design = np.stack([columns.time, shared], axis=1)
    axes = [
        np.arange(*limits, step) for limits, step in zip((task.velocity, task.height_error), task.step, strict=True)
    ]
    found = estimate_links_dense(difference[second] - difference[first], design[second] - design[first], *axes)
    values = (found.velocity, found.height_error, found.coherence)
    return {name: value.astype(np.float32) for name, value in zip(_PUBLISHED, values, strict=True)}
