"""L1 against linear programs, ADMM against its formulas, Huber against a general minimiser; and what physics demands."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_array, hstack, identity

from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.robust.inversion import ADMM, L1, Huber, solve_robust
from insarray.model.errors import ArgumentError
from tests.networks import nearest, random_network


def plan_of(network):
    return plan_elimination(network.pairs, network.n_dates)


def with_outliers(rng, network, pixels, *, noise=0.1, outliers=0.05, missing=0.0, scale=1.0):
    """Phase (pair, pixel) float64 and true series: noise, whole-cycle errors, gaps, in any unit."""
    truth = np.cumsum(rng.normal(size=(network.n_dates, pixels)), axis=0)
    truth -= truth[0]
    phase = truth[network.secondary] - truth[network.reference] + noise * rng.normal(size=(network.n_pairs, pixels))
    phase += 2 * np.pi * rng.choice([-2, -1, 1, 2], phase.shape) * (rng.random(phase.shape) < outliers)
    phase[rng.random(phase.shape) < missing] = np.nan
    return scale * phase, scale * truth


def objective(network, series, phase, weights=None):
    """Sum of sqrt(g) |r| over the pairs of one pixel that are there."""
    misfit = np.abs(phase - (series[network.secondary] - series[network.reference]))
    return float(np.nansum(misfit if weights is None else np.sqrt(weights) * misfit))


def linear_program(network, phase, weights=None):
    """The optimum of `objective`, by HiGHS."""
    valid = np.isfinite(phase)
    if not valid.any():
        return 0.0
    design = csr_array(network.incidence()[valid].astype(float))
    root = np.ones(valid.sum()) if weights is None else np.sqrt(weights[valid])
    unit = np.abs(phase[valid]).max() or 1.0
    eye = identity(valid.sum(), format="csr")
    cost = np.concatenate([np.zeros(network.n_dates), root, root])
    bounds = [(None, None)] * network.n_dates + [(0, None)] * (2 * valid.sum())
    result = linprog(
        cost, A_eq=hstack([design, eye, -eye], format="csr"), b_eq=phase[valid] / unit, bounds=bounds, method="highs"
    )
    assert result.status == 0
    return float(result.fun * unit)


@pytest.mark.parametrize("seed", range(40))
def test_l1_is_within_its_certificate_of_the_linear_program(seed):
    """2000 pixels in all: networks of 3 to 40 dates, long pairs, weights, gaps, outliers, units from 1e-3 to 1e3."""
    rng = np.random.default_rng(seed)
    dates = int(rng.integers(3, 41))
    network = random_network(rng, dates, int(rng.uniform(1.2, 4) * dates))
    scale = 10.0 ** rng.uniform(-3, 3)
    phase, _ = with_outliers(
        rng,
        network,
        50,
        noise=rng.choice([0.0, 0.1, 0.5]),
        outliers=rng.choice([0.0, 0.05, 0.2]),
        missing=0.2,
        scale=scale,
    )
    weights = 10.0 ** rng.uniform(-2, 2, phase.shape) if seed % 2 else None
    solution, certificate = solve_robust(phase, plan_of(network), L1(), weights, dtype=np.float64)
    for p in range(phase.shape[1]):
        given = None if weights is None else weights[:, p]
        reached = objective(network, solution.phase[:, p], phase[:, p], given)
        best = linear_program(network, phase[:, p], given)
        rounding = 1e-9 * scale * network.n_pairs * (1.0 if given is None else 10.0)
        if solution.used[p] == 0:
            assert np.isnan(certificate.gap[p])
            continue
        assert certificate.gap[p] <= 1e-3 * 1.0001 or reached <= rounding
        assert reached <= 1.001 * best + rounding
        assert best >= reached * (1 - certificate.gap[p].astype(float) * 1.0001) - rounding


@pytest.mark.parametrize("seed", range(4))
def test_a_tighter_tolerance_is_met(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng, 25, 70)
    phase, _ = with_outliers(rng, network, 20, missing=0.1)
    loose, _ = solve_robust(phase, plan_of(network), L1(0.1), dtype=np.float64)
    tight, certificate = solve_robust(phase, plan_of(network), L1(1e-8), dtype=np.float64)
    for p in range(20):
        best = linear_program(network, phase[:, p])
        assert objective(network, tight.phase[:, p], phase[:, p]) == pytest.approx(best, rel=3e-8)
        assert objective(network, loose.phase[:, p], phase[:, p]) <= 1.1 * best
    assert np.nanmax(certificate.gap) <= 1e-8
    assert not np.allclose(loose.phase, tight.phase, atol=1e-3, equal_nan=True)


def test_a_single_wrong_cycle_leaves_no_trace():
    rng = np.random.default_rng(4)
    network = nearest(20, 3)
    phase, truth = with_outliers(rng, network, network.n_pairs, noise=0.0, outliers=0.0)
    wrong = np.arange(network.n_pairs)
    phase[wrong, wrong] += 2 * np.pi * rng.choice([-3, -1, 1, 2], network.n_pairs)
    solution, _ = solve_robust(phase, plan_of(network), L1(1e-7), dtype=np.float64)
    inner = (network.reference > 0) & (network.secondary < 19)  # at the ends two pairs can be to blame alike
    np.testing.assert_allclose(solution.phase[:, inner], truth[:, inner], atol=1e-5)


METHODS = [L1(), L1(tolerance=1e-6), ADMM(), Huber()]


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_the_block(method, weighted):
    rng = np.random.default_rng(7)
    network = random_network(rng, 12, 30)
    phase, _ = with_outliers(rng, network, 600, missing=0.05)
    phase[:, 17] = np.nan
    weights = rng.uniform(0.1, 5, phase.shape) if weighted else None
    plan = plan_of(network)
    whole = solve_robust(phase, plan, method, weights, std=True)
    shuffle = rng.permutation(600)
    for part in np.array_split(shuffle, 5):
        alone = solve_robust(phase[:, part], plan, method, None if weights is None else weights[:, part], std=True)
        for ours, expected in zip((*alone[0], *alone[1]), (*whole[0], *whole[1]), strict=True):
            np.testing.assert_array_equal(ours, expected[..., part])


@pytest.mark.parametrize("method", [L1(), Huber()], ids=repr)
@pytest.mark.parametrize("factor", [1e-4, 1e4, -1.0])
def test_any_unit_and_sign_gives_the_same_answer(method, factor):
    rng = np.random.default_rng(1)
    network = random_network(rng, 15, 40)
    phase, _ = with_outliers(rng, network, 64, missing=0.1)
    base, certificate = solve_robust(phase, plan_of(network), method, dtype=np.float64)
    other, same = solve_robust(factor * phase, plan_of(network), method, dtype=np.float64)
    np.testing.assert_allclose(other.phase, factor * base.phase, rtol=1e-9, atol=1e-9 * abs(factor))
    np.testing.assert_array_equal(certificate.iterations, same.iterations)
    heavier, _ = solve_robust(phase, plan_of(network), method, np.full(phase.shape, 1e6), dtype=np.float64)
    np.testing.assert_allclose(heavier.phase, base.phase, atol=1e-9)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_order_of_the_pairs_does_not_matter(method):
    rng = np.random.default_rng(2)
    network = random_network(rng, 12, 30)
    phase, _ = with_outliers(rng, network, 64, missing=0.1)
    order = rng.permutation(network.n_pairs)
    base, _ = solve_robust(phase, plan_of(network), method, dtype=np.float64)
    permuted, _ = solve_robust(phase[order], plan_elimination(network.pairs[order], 12), method, dtype=np.float64)
    np.testing.assert_allclose(permuted.phase, base.phase, atol=1e-8)
    np.testing.assert_array_equal(permuted.label, base.label)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_reference_scale_and_labels_are_those_of_least_squares(method):
    rng = np.random.default_rng(3)
    network = nearest(10, 2)
    phase, _ = with_outliers(rng, network, 70, missing=0.2)
    phase[:, :3] = np.nan
    level = rng.normal(size=network.n_pairs)
    plan = plan_of(network)
    squares = solve(phase, plan, reference=level)
    ours, _ = solve_robust(phase, plan, method, reference=level, scale=-0.1, dtype=np.float64)
    shifted, _ = solve_robust(phase - level[:, None], plan, method, dtype=np.float64)
    np.testing.assert_allclose(ours.phase, -0.1 * shifted.phase, atol=1e-9)
    np.testing.assert_array_equal(ours.label, squares.label)
    np.testing.assert_array_equal(ours.date_count, squares.date_count)
    np.testing.assert_array_equal(np.isnan(ours.phase), ours.label == 0)
    first = np.array([np.flatnonzero(ours.label[:, p] == 1)[:1] for p in range(70) if (ours.label[:, p] == 1).any()])
    assert (first == 0).all()


@pytest.mark.parametrize("method", [L1(max_iterations=2), Huber(max_iterations=3, tolerance=1e-9)], ids=repr)
def test_a_pixel_that_is_given_up_says_so(method):
    rng = np.random.default_rng(5)
    network = nearest(20, 3)
    phase, _ = with_outliers(rng, network, 64)
    _, certificate = solve_robust(phase, plan_of(network), method)
    assert (certificate.iterations == method.max_iterations).all()
    assert (certificate.gap > method.tolerance).all()


# -- the published algorithm


@pytest.mark.parametrize("method", [ADMM(), ADMM(rho=1.5), ADMM(alpha=1.6), ADMM(iterations=35)], ids=repr)
def test_admm_takes_the_published_steps(method):
    rng = np.random.default_rng(6)
    network = nearest(12, 3)
    phase, _ = with_outliers(rng, network, 20)
    design = network.incidence()[:, 1:].astype(float)
    inverse = np.linalg.inv(design.T @ design) @ design.T
    z, u = np.zeros_like(phase), np.zeros_like(phase)
    for _ in range(method.iterations):
        x = inverse @ (phase + z - u)
        relaxed = method.alpha * (design @ x) + (1 - method.alpha) * (z + phase)
        v = relaxed - phase + u
        z = np.sign(v) * np.maximum(np.abs(v) - 1 / method.rho, 0)
        u = v - z
    ours, certificate = solve_robust(phase, plan_of(network), method, dtype=np.float64)
    np.testing.assert_allclose(ours.phase[1:], x, atol=1e-10)
    assert (certificate.iterations == method.iterations).all()


def test_admm_with_weights_and_gaps_comes_to_the_optimum_and_never_claims_more():
    rng = np.random.default_rng(8)
    network = random_network(rng, 14, 40)
    phase, _ = with_outliers(rng, network, 30, missing=0.1)
    weights = rng.uniform(0.2, 4, phase.shape)
    early, first = solve_robust(phase, plan_of(network), ADMM(iterations=20), weights, dtype=np.float64)
    late, last = solve_robust(phase, plan_of(network), ADMM(rho=3.0, iterations=20000), weights, dtype=np.float64)
    for p in range(30):
        best = linear_program(network, phase[:, p], weights[:, p])
        for solution, certificate in ((early, first), (late, last)):
            reached = objective(network, solution.phase[:, p], phase[:, p], weights[:, p])
            assert best >= reached * (1 - float(certificate.gap[p]) * 1.0001) - 1e-9
        assert reached <= 1.001 * best
    assert np.median(last.gap) < 0.01 < np.median(first.gap)


# -- Huber


def huber_value(network, series, phase, weights, bound):
    size = np.sqrt(weights) * np.abs(phase - (series[network.secondary] - series[network.reference]))
    return np.nansum(np.where(size <= bound, size**2 / 2, bound * size - bound**2 / 2))


@pytest.mark.parametrize("threshold", [0.8, 1.345, 3.0])
def test_huber_is_the_minimum_of_its_function_at_its_own_scale(threshold):
    rng = np.random.default_rng(9)
    network = random_network(rng, 12, 34)
    phase, _ = with_outliers(rng, network, 12, missing=0.1)
    weights = rng.uniform(0.3, 3, phase.shape)
    solution, certificate = solve_robust(phase, plan_of(network), Huber(threshold, 1e-7), weights, dtype=np.float64)
    for p in range(12):
        series, bound = np.nan_to_num(solution.phase[:, p]), threshold * certificate.scale[p]
        value = huber_value(network, series, phase[:, p], weights[:, p], bound)
        best = min(
            minimize(partial(huber_value, network, phase=phase[:, p], weights=weights[:, p], bound=bound), start).fun
            for start in (series, series + rng.normal(0, 0.1, len(series)))
        )
        assert value <= best * (1 + 1e-6)
        assert certificate.gap[p] <= 1e-7


def test_huber_lies_between_least_squares_and_l1():
    rng = np.random.default_rng(10)
    network = nearest(15, 3)
    phase, _ = with_outliers(rng, network, 40)
    plan = plan_of(network)
    squares = solve(phase, plan, dtype=np.float64)
    wide, _ = solve_robust(phase, plan, Huber(1e6), dtype=np.float64)
    np.testing.assert_allclose(wide.phase, squares.phase, atol=1e-9)
    narrow, _ = solve_robust(phase, plan, Huber(1e-3, 1e-5, 2000), dtype=np.float64)
    for p in range(40):
        assert objective(network, narrow.phase[:, p], phase[:, p]) <= 1.01 * linear_program(network, phase[:, p])


# -- uncertainty


@pytest.mark.parametrize("method", [L1(), Huber(), Huber(0.7)], ids=repr)
def test_scale_and_std_agree_with_gaussian_noise(method):
    rng = np.random.default_rng(11)
    network = nearest(30, 4)
    noise = rng.uniform(0.05, 0.4, (network.n_pairs, 1))
    phase = noise * rng.normal(size=(network.n_pairs, 6000))
    weights = np.broadcast_to(noise**-2.0, phase.shape)
    solution, certificate = solve_robust(phase, plan_of(network), method, weights, std=True, dtype=np.float64)
    assert np.nanmedian(certificate.scale) == pytest.approx(1.0, abs=0.06)
    ratio = solution.phase[1:].std(axis=1) / solution.std[1:, 0]
    assert ratio.mean() == pytest.approx(1.0, abs=0.06)
    squares = solve(phase, plan_of(network), weights, std=True, dtype=np.float64)
    np.testing.assert_allclose(solution.std, method.spread * squares.std, rtol=1e-12)


def test_no_scale_without_redundancy():
    network = nearest(6, 1)
    phase, _ = with_outliers(np.random.default_rng(0), network, 3)
    for method in (L1(), Huber()):
        solution, certificate = solve_robust(phase, plan_of(network), method, std=True, dtype=np.float64)
        assert np.isnan(certificate.scale).all()
        np.testing.assert_allclose(np.diff(solution.phase, axis=0), phase, atol=1e-6)
        assert (certificate.gap == 0).all()
        assert certificate.reached.all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(tolerance=0), "tolerance: 0"),
        (lambda: L1(tolerance=1.0), "tolerance: 1.0"),
        (lambda: L1(max_iterations=0), "max_iterations: 0"),
        (lambda: ADMM(rho=-1), "rho: -1"),
        (lambda: ADMM(alpha=2.5), "alpha: 2.5"),
        (lambda: ADMM(iterations=0), "iterations: 0"),
        (lambda: Huber(threshold=0), "threshold: 0"),
        (lambda: Huber(tolerance=2), "tolerance: 2"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
