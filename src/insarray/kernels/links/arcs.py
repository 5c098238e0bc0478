"""Arcs between points: Delaunay triangulation, nearest neighbours, and the triangles' sides and their directions."""

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import Delaunay, KDTree, QhullError

from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]

_FLAT = 1e-9  # width over length up to which points lie on one line


class Arcs(NamedTuple):
    """Pairs of points, each once, in ascending order.

    Parameters
    ----------
    point_a, point_b
        Index of the two ends, int64, (arc,); point_a < point_b. The difference of an arc is b minus a.
    """

    point_a: Array
    point_b: Array


class Triangulation(NamedTuple):
    """Delaunay triangulation of points.

    Parameters
    ----------
    arcs
        Sides of the triangles; of points on one line the chain along it.
    side
        Arcs of each triangle, int64, (triangle, 3).
    direction
        1 where the arc is passed from a to b when the triangle is walked round counter-clockwise (x to the right, y
        upwards), else -1, int64, (triangle, 3). An arc has at most one triangle on each side of it.
    """

    arcs: Arcs
    side: Array
    direction: Array


def delaunay(x: Array, y: Array) -> Triangulation:
    """Delaunay triangulation by Qhull.

    Parameters
    ----------
    x, y
        Coordinates, (point,), in one unit of length: pixels that are not square make longer triangles than metres do.

    Notes
    -----
    One point has no arc, two have one; points on one line are joined in a chain without triangles. Where more than
    three points lie on one circle, as on a grid, the diagonals are Qhull's choice.

    Raises
    ------
    ArgumentError
        If coordinates are not finite or two points are the same, or so near one another that Qhull joins them.
    """
    points = _points(x, y)
    size, axes = np.linalg.svd(points, full_matrices=False)[1:]
    if len(points) < 3 or size[1] <= _FLAT * size[0]:
        order = np.argsort(points @ axes[0], kind="stable")
        return Triangulation(_unique(order[:-1], order[1:])[0], *np.empty((2, 0, 3), np.int64))
    try:
        found = Delaunay(points)
    except QhullError as error:
        raise ArgumentError(f"x, y: Qhull cannot triangulate these {len(points)} points: {error}") from None
    if found.coplanar.size:
        k, near = int(found.coplanar[0, 0]), int(found.coplanar[0, 2])
        raise ArgumentError(
            f"x, y: points {k} and {near} are too near one another to be triangulated; drop one of them"
        )
    corner = found.simplices.astype(np.int64)
    following = np.roll(corner, -1, axis=1)
    arcs, side = _unique(corner.ravel(), following.ravel())
    return Triangulation(arcs, side.reshape(-1, 3), np.where(corner < following, 1, -1))


def nearest(x: Array, y: Array, neighbours: int) -> Arcs:
    """Arcs from each point to the `neighbours` points nearest to it; a point may have more, being near to others.

    Parameters
    ----------
    x, y
        Coordinates, (point,), in one unit of length.
    neighbours
        At least 1; more than there are other points means all of them. Which of equally near points are taken depends
        on the order of the points.

    Raises
    ------
    ArgumentError
        If coordinates are not finite, two points are the same, or `neighbours` is below 1.
    """
    points = _points(x, y)
    if neighbours < 1:
        raise ArgumentError(f"neighbours: {neighbours!r} is not a whole number of at least 1")
    own = np.arange(len(points))
    if len(own) < 2:
        return _unique(own[:0], own[:0])[0]
    # the nearest one is the point itself, as no two are the same
    _, other = KDTree(points).query(points, np.arange(2, min(neighbours + 1, len(own)) + 1))
    return _unique(np.repeat(own, other.shape[1]), other.ravel())[0]


def unite(*networks: Arcs) -> Arcs:
    """All arcs of several networks on the same points, each once."""
    return _unique(*(np.concatenate(ends) for ends in zip(*networks, strict=True)))[0]


def shorter(arcs: Arcs, x: Array, y: Array, max_length: float) -> Arcs:
    """Arcs that are at most `max_length` long, in the unit of the coordinates x, y, (point,)."""
    a, b = arcs
    short = np.hypot(x[b] - x[a], y[b] - y[a]) <= max_length
    return Arcs(a[short], b[short])


def _points(x: Array, y: Array) -> Array:
    """Coordinates from their mean, float64, (point, 2), so that large ones do not cost precision."""
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ArgumentError(f"x, y: shapes {x.shape} and {y.shape} are not those of one or more points")
    points = np.stack([x, y], axis=1).astype(np.float64)
    if not np.isfinite(points).all():
        raise ArgumentError(f"x, y: point {int(np.argmin(np.isfinite(points).all(axis=1)))} has no finite coordinates")
    order = np.lexsort(points.T)
    same = (np.diff(points[order], axis=0) == 0).all(axis=1)
    if same.any():
        k, other = sorted(int(v) for v in order[np.argmax(same) :][:2])
        raise ArgumentError(f"x, y: points {k} and {other} are in the same place; drop one of them")
    return np.asarray(points - points.mean(axis=0))


def _unique(a: Array, b: Array) -> tuple[Arcs, Array]:
    """Arcs between the ends a and b, and the index of each given pair among them."""
    low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
    count = int(high.max(initial=0)) + 1
    key, index = np.unique(low * count + high, return_inverse=True)
    return Arcs(*np.divmod(key, count)), index
