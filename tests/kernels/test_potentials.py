"""Integration of arcs against dense LAPACK, a general optimiser, and the symmetries of the problem."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from insarray.kernels.links.arcs import delaunay
from insarray.kernels.links.potentials import HUBER, integrate
from insarray.model.errors import ArgumentError


def network(points=80, seed=0, wrong=0.0, noise=1.0):
    """Arcs, differences and standard errors of two quantities, (quantity, arc), and their true values."""
    rng = np.random.default_rng(seed)
    a, b = delaunay(*rng.uniform(0, 1e3, (2, points))).arcs
    truth = rng.normal(0, 5, (2, points))
    std = rng.uniform(0.1, 0.5, (2, a.size))
    difference = truth[:, b] - truth[:, a] + noise * std * rng.normal(size=std.shape)
    difference[:, rng.random(a.size) < wrong] += 20.0
    return a, b, difference, std, truth


def dense(a, b, points):
    matrix = np.zeros((a.size, points))
    matrix[np.arange(a.size), a], matrix[np.arange(a.size), b] = -1, 1
    return matrix


@pytest.mark.parametrize("reference", [None, 0, 17])
def test_least_squares_and_its_covariance(reference):
    a, b, difference, std, _ = network()
    found = integrate(a, b, difference, std, 80, robust=False, reference=reference)
    matrix = dense(a, b, 80)
    for q in range(2):
        weight = std[q] ** -2
        laplacian = matrix.T * weight @ matrix
        share = np.diag(laplacian) / np.trace(laplacian) if reference is None else np.eye(80)[reference]
        to_datum = np.eye(80) - share
        covariance = to_datum @ np.linalg.pinv(laplacian, rcond=1e-10, hermitian=True) @ to_datum.T
        exact = to_datum @ np.linalg.lstsq(matrix / std[q][:, None], difference[q] / std[q])[0]
        np.testing.assert_allclose(found.value[q], exact, atol=1e-10)
        np.testing.assert_allclose(found.std[q], np.sqrt(np.diag(covariance).clip(0)), atol=1e-7)
        np.testing.assert_allclose(found.residual[q], difference[q] - matrix @ exact, atol=1e-10)
    assert (found.component == 1).all()
    assert found.iterations.tolist() == [0, 0]
    assert found.converged.all()


def test_standard_errors_are_those_of_independent_errors():
    values, stds = [], []
    for seed in range(300):
        a, b, _, std, truth = network(30)
        noise = std * np.random.default_rng(seed).normal(size=std.shape)
        found = integrate(a, b, truth[:, b] - truth[:, a] + noise, std, 30, robust=False)
        values.append(found.value)
        stds.append(found.std)
    np.testing.assert_allclose(np.std(values, axis=0) / stds[0], 1, atol=0.15)


def huber_loss(values, matrix, data, std):
    u = (data - matrix @ values) / std
    inside = np.abs(u) <= HUBER
    return np.where(inside, u**2 / 2, HUBER * np.abs(u) - HUBER**2 / 2).sum(), -matrix.T @ (
        np.clip(u, -HUBER, HUBER) / std
    )


def test_robust_is_the_minimum_of_the_huber_function():
    a, b, difference, std, _ = network(40, wrong=0.15)
    found = integrate(a, b, difference, std, 40, reference=3, tolerance=1e-20, max_iterations=1000)
    assert found.converged.all()
    matrix = np.delete(dense(a, b, 40), 3, axis=1)
    for q in range(2):
        own = np.delete(found.value[q], 3)
        value, gradient = huber_loss(own, matrix, difference[q], std[q])
        assert np.abs(gradient).max() < 1e-6
        best = minimize(
            huber_loss, np.zeros(39), (matrix, difference[q], std[q]), jac=True, options={"gtol": 1e-8, "maxiter": 5000}
        )
        assert value <= best.fun * (1 + 1e-12)
        np.testing.assert_allclose(own, best.x, atol=1e-4)
        # and its standard errors are those of the weights it ends with
        u = (difference[q] - matrix @ own) / std[q]
        weight = np.minimum(1, HUBER / np.abs(u)) / std[q] ** 2
        variance = np.diag(np.linalg.inv(matrix.T * weight @ matrix))
        np.testing.assert_allclose(np.delete(found.std[q], 3), np.sqrt(variance), rtol=1e-9)


def test_default_tolerance_is_far_below_the_standard_errors():
    a, b, difference, std, _ = network(300, wrong=0.1)
    usual = integrate(a, b, difference, std, 300)
    exact = integrate(a, b, difference, std, 300, tolerance=1e-20, max_iterations=1000)
    assert (usual.iterations < exact.iterations).all()
    assert np.sqrt(np.mean(((usual.value - exact.value) / exact.std) ** 2)) < 0.02
    cut = integrate(a, b, difference, std, 300, max_iterations=2)
    assert cut.iterations.tolist() == [2, 2]
    assert not cut.converged.any()


def test_outliers_are_resisted():
    """Arcs of 4 % are over 40 standard errors off; as near to the truth as least absolute residuals (HiGHS)."""
    a, b, difference, std, truth = network(60, wrong=0.04)
    robust, squares = (integrate(a, b, difference, std, 60, robust=r, reference=0) for r in (True, False))
    matrix = dense(a, b, 60) / std[0][:, None]
    ones = np.eye(a.size)
    lp = linprog(
        np.concatenate([np.zeros(60), np.ones(2 * a.size)]),
        A_eq=np.hstack([matrix, ones, -ones]),
        b_eq=difference[0] / std[0],
        bounds=[(0, 0)] + [(None, None)] * 59 + [(0, None)] * (2 * a.size),
    )
    true = truth[0] - truth[0, 0]
    off = [np.sqrt(np.mean((v - true) ** 2)) for v in (robust.value[0], lp.x[:60], squares.value[0])]
    assert off[0] < 1.2 * off[1]
    assert off[0] < off[2] / 3


def test_exact_differences_give_exact_values():
    a, b, difference, std, truth = network(noise=0.0)
    found = integrate(a, b, difference, std, 80, reference=5)
    np.testing.assert_allclose(found.value, truth - truth[:, [5]], atol=1e-10)
    assert np.abs(found.residual).max() < 1e-10


@pytest.mark.parametrize("robust", [False, True])
def test_order_and_direction_do_not_matter(robust):
    a, b, difference, std, _ = network(wrong=0.1)
    straight = integrate(a, b, difference, std, 80, robust=robust, tolerance=1e-18, max_iterations=999)
    rng = np.random.default_rng(5)
    order, flip, name = rng.permutation(a.size), rng.random(a.size) < 0.5, rng.permutation(80)
    ends = np.where(flip, b, a)[order], np.where(flip, a, b)[order]
    turned = integrate(
        name[ends[0]],
        name[ends[1]],
        (difference * np.where(flip, -1, 1))[:, order],
        std[:, order],
        80,
        robust=robust,
        tolerance=1e-18,
        max_iterations=999,
    )
    np.testing.assert_allclose(turned.value[:, name], straight.value, atol=1e-6)
    np.testing.assert_allclose(turned.std[:, name], straight.std, rtol=1e-5)


def test_units_cancel():
    """To the last bits but one: libraries of linear algebra add in an order that depends on where arrays lie."""
    a, b, difference, std, _ = network(wrong=0.1)
    metres, millimetres = (integrate(a, b, c * difference, c * std, 80) for c in (1.0, 1024.0))
    np.testing.assert_allclose(millimetres.value, 1024 * metres.value, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(millimetres.std, 1024 * metres.std, rtol=1e-12)
    np.testing.assert_array_equal(millimetres.iterations, metres.iterations)


def test_components_and_arcs_left_out():
    """Triangles of points 0-2 and 6-9 (with a diagonal), 3 and 4 joined only by arcs left out, 5 without any."""
    a = np.array([0, 0, 1, 6, 6, 7, 8, 7, 3, 2, 4])
    b = np.array([1, 2, 2, 7, 8, 8, 9, 9, 4, 3, 9])
    difference = np.array([[1, 3, 2, 1, 2, 1, 4, 5, np.nan, 1, 1], [1, 3, 2, 1, 2, 1, 4, 5, 7, 1, 1]], float)
    std = np.ones((2, 11))
    std[1, 9], std[0, 10] = np.inf, np.nan
    found = integrate(a, b, difference, std, 10, robust=False, reference=1)
    assert found.component.tolist() == [2, 2, 2, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(found.value[0, :3], [-1, 0, 2], atol=1e-12)
    assert found.std[0, 1] == 0
    np.testing.assert_allclose(found.std[:, [0, 2]], np.sqrt(2 / 3))  # one arc beside two in a row
    assert np.isnan(found.value[:, 3:6]).all()
    assert np.isnan(found.std[:, 3:6]).all()
    assert np.isnan(found.residual[:, 8:]).all()
    # the other component: its mean, weighted by the arcs of each point, is 0
    share = np.array([2, 3, 3, 2]) / 10
    np.testing.assert_allclose(found.value[0, 6:] @ share, 0, atol=1e-12)
    np.testing.assert_allclose(found.value[0, 7:] - found.value[0, 6], [1, 2, 6], atol=1e-12)
    assert (found.std[:, 6:] > 0).all()


def test_without_any_arc():
    none = np.empty(0, int)
    found = integrate(none, none, np.empty((2, 0)), np.empty((2, 0)), 3)
    assert np.isnan(found.value).all()
    assert found.component.tolist() == [0, 0, 0]
    one = integrate(np.array([0]), np.array([2]), np.array([[np.nan]]), np.array([[1.0]]), 3)
    assert np.isnan(one.value).all()


def test_parallel_arcs_count_each():
    a, b = np.array([0, 0]), np.array([1, 1])
    found = integrate(a, b, np.array([[1.0, 4.0]]), np.array([[1.0, np.sqrt(0.5)]]), 2, robust=False, reference=0)
    np.testing.assert_allclose(found.value, [[0, 3]])
    np.testing.assert_allclose(found.std, [[0, np.sqrt(1 / 3)]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"std": np.zeros((1, 2))}, "std: 0.0 is not above 0"),
        ({"std": np.ones((1, 3))}, "std: shapes"),
        ({"point_b": np.array([1, 9])}, "0 to 9 for 3 points"),
        ({"point_b": np.array([1])}, "for 2 arcs"),
        ({"point_b": np.array([1, 1])}, "arc 1 has one point at both ends"),
        ({"reference": 3}, "reference: 3"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "point_a": np.array([0, 1]),
        "point_b": np.array([1, 2]),
        "difference": np.ones((1, 2)),
        "std": np.ones((1, 2)),
        "points": 3,
    }
    with pytest.raises(ArgumentError, match=message):
        integrate(**(arguments | change))
