"""Arcs and triangles against brute force, their symmetries, and points that no triangulation exists for."""

import itertools

import numpy as np
import pytest

from insarray.kernels.links.arcs import Arcs, delaunay, nearest, shorter, unite
from insarray.model.errors import ArgumentError


def scattered(count=60, seed=0):
    return np.random.default_rng(seed).uniform(0, 1e3, (2, count))


def pairs(arcs):
    return set(zip(arcs.point_a.tolist(), arcs.point_b.tolist(), strict=True))


def check(arcs):
    """Each once, sorted, the lower point first."""
    assert arcs.point_a.dtype == arcs.point_b.dtype == np.int64
    assert (arcs.point_a < arcs.point_b).all()
    assert list(zip(*(end.tolist() for end in arcs), strict=True)) == sorted(pairs(arcs))


def empty_circles(x, y):
    """Triples of points whose circle holds no other point, by definition the Delaunay triangles."""
    found = set()
    for triple in itertools.combinations(range(x.size), 3):
        t = list(triple)
        system = np.stack([2 * x[t], 2 * y[t], np.ones(3)], axis=1)
        a, b, c = np.linalg.solve(system, x[t] ** 2 + y[t] ** 2)
        inside = (x - a) ** 2 + (y - b) ** 2 < c + a * a + b * b - 1e-6
        if not inside.any():
            found.add(triple)
    return found


def corners(triangulation):
    arcs = triangulation.arcs
    ends = np.concatenate([arcs.point_a[triangulation.side], arcs.point_b[triangulation.side]], axis=1)
    return [tuple(sorted(set(row))) for row in ends.tolist()]


def test_delaunay_is_the_triangulation_of_empty_circles():
    x, y = scattered(30)
    found = delaunay(x, y)
    check(found.arcs)
    assert sorted(corners(found)) == sorted(empty_circles(x, y))
    assert pairs(found.arcs) == {pair for t in empty_circles(x, y) for pair in itertools.combinations(t, 2)}


@pytest.mark.parametrize("points", ["scattered", "grid", "holes"])
def test_triangles_are_walked_round_counter_clockwise(points):
    x, y = scattered() if points == "scattered" else np.stack(np.divmod(np.arange(144.0), 12))
    if points == "holes":
        x, y = np.delete([x, y], [13, 14, 25, 26, 70, 71, 72], axis=1)
    found = delaunay(x, y)
    a, b = found.arcs
    # Green's theorem: the area from the sides, each in its direction
    step = (x[a] * y[b] - x[b] * y[a])[found.side] * found.direction
    assert (step.sum(axis=1) > 0).all()
    # every arc is passed at most once each way, and the graph is a planar one without holes
    times = np.zeros((2, a.size), int)
    np.add.at(times, ((found.direction > 0).astype(int), found.side), 1)
    assert times.max() == 1
    assert times.sum(axis=0).min() == 1
    assert x.size - a.size + len(found.side) == 1
    # closed walks: steps along the sides add up to nothing
    np.testing.assert_allclose(((x[b] - x[a])[found.side] * found.direction).sum(axis=1), 0, atol=1e-9)


def test_real_aspect_decides():
    """Two squares of pixels that are 3 times as long as wide: the same points in metres have other arcs."""
    row, column = scattered(40, seed=3)
    assert pairs(delaunay(column, row).arcs) != pairs(delaunay(column, 3 * row).arcs)


def test_far_from_the_origin():
    x, y = scattered(200)
    assert pairs(delaunay(x + 5e6, y - 5e6).arcs) == pairs(delaunay(x, y).arcs)


@pytest.mark.parametrize("slope", [0.0, 1 / 3, 1e6])
def test_points_on_a_line_make_a_chain(slope):
    order = np.array([3, 0, 4, 1, 2])
    x = 500_000.0 + order
    y = 4e6 + slope * order
    found = delaunay(x, y)
    check(found.arcs)
    assert pairs(found.arcs) == {(0, 2), (0, 4), (1, 3), (3, 4)}
    assert found.side.shape == found.direction.shape == (0, 3)


@pytest.mark.parametrize("points", [1, 2])
def test_too_few_points_for_a_triangle(points):
    x, y = scattered(points)
    found = delaunay(x, y)
    assert pairs(found.arcs) == ({(0, 1)} if points == 2 else set())
    assert len(found.side) == 0
    assert pairs(nearest(x, y, 4)) == pairs(found.arcs)


def test_nearest_by_brute_force():
    x, y = scattered(50)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    wanted = {tuple(sorted((i, int(j)))) for i in range(50) for j in np.argsort(distance[i])[1:6]}
    found = nearest(x, y, 5)
    check(found)
    assert pairs(found) == wanted
    assert len(pairs(nearest(x, y, 1000))) == 50 * 49 // 2


def test_union_and_length():
    x, y = scattered(50)
    first, second = delaunay(x, y).arcs, nearest(x, y, 8)
    both = unite(first, second)
    check(both)
    assert pairs(both) == pairs(first) | pairs(second)
    short = shorter(both, x, y, 150.0)
    length = np.hypot(x[both.point_a] - x[both.point_b], y[both.point_a] - y[both.point_b])
    assert 0 < short.point_a.size == (length <= 150).sum() < length.size
    assert pairs(short) < pairs(both)
    none = Arcs(*np.empty((2, 0), np.int64))
    assert pairs(unite(none, none)) == set()


@pytest.mark.parametrize("network", [delaunay, lambda x, y: nearest(x, y, 3)])
def test_the_order_of_the_points_does_not_matter(network):
    x, y = scattered()
    order = np.random.default_rng(1).permutation(x.size)
    turned, straight = network(x[order], y[order]), network(x, y)
    a, b = (order[end] for end in getattr(turned, "arcs", turned))
    assert {tuple(sorted(p)) for p in zip(a.tolist(), b.tolist(), strict=True)} == pairs(
        getattr(straight, "arcs", straight)
    )


def test_what_cannot_be_triangulated_is_refused():
    x, y = scattered()
    twice = np.append(x, x[7]), np.append(y, y[7])
    for network in (delaunay, lambda x, y: nearest(x, y, 3)):
        with pytest.raises(ArgumentError, match="points 7 and 60 are in the same place"):
            network(*twice)
        with pytest.raises(ArgumentError, match="point 5 has no finite coordinates"):
            network(np.where(np.arange(60) == 5, np.nan, x), y)
    with pytest.raises(ArgumentError, match="points 7 and 60 are too near"):
        delaunay(np.append(x, x[7] + 1e-12), np.append(y, y[7]))
    with pytest.raises(ArgumentError, match="shapes"):
        delaunay(x, y[1:])
    with pytest.raises(ArgumentError, match="neighbours: 0"):
        nearest(x, y, 0)
