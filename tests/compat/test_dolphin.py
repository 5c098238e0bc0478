"""dolphin's golden arrays through the functions that bear its names; what differs is listed and asserted.

Deviations from its answers, by the defects that its study numbers, each with its test:

* D1 flags without effect: test_flags_work_without_weights, test_flags_and_weights_together
* D2 weights upside down: test_weights_are_inverse_variances
* D3 one missing pair loses the pixel: test_a_missing_pair_does_not_lose_the_pixel
* D12 L1 short of the optimum, and dependent on the unit: test_l1_is_the_optimum, test_l1_in_any_unit; besides,
  test_relaxed_steps_end_at_the_optimum
* D13 unconnected networks: test_unconnected_network, test_golden_censored
* D14 NaN of weight 0; slopes of one date: test_nan_of_weight_zero, test_velocity_of_too_few_dates
* D15 residuals of censored pixels; one pixel: test_censored_residual, test_one_pixel_is_a_row_of_many
* D16 the index of a NaN: test_extremes
* D19 float32 normal equations: test_many_dates_in_float32
* D20 a compilation for each shape: test_one_compilation_for_all_shapes
* D21 memory: test_memory_is_that_of_the_samples

The others (D4 to D11, D17, D18) are of its files and workflow, see test_dolphin_files.py.
"""

import datetime as dt
import tracemalloc

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from insarray.compat import dolphin
from insarray.kernels.network.lanes import solve_groups
from insarray.model.errors import ArgumentError
from tests.compat.peers import arguments, own_options
from tests.networks import lapack, nearest, samples

ON_FILES = (
    "ReferencePoint",
    "create_nonzero_conncomp_counts",
    "create_temporal_average",
    "create_velocity",
    "invert_unw_network",
    "run",
    "select_reference_point",
)
NO_FUNCTIONS = ("InversionMethod", "ReferencePointError")
ON_ARRAYS = [name for name in dolphin.__all__ if name not in (*ON_FILES, *NO_FUNCTIONS)]

PRECISIONS = [("f32", np.float32, 1e-4), ("f64", np.float64, 1e-9)]


@pytest.fixture
def case():
    """Network, A and 4 x 5 complete pixels, float64."""
    network = nearest(10, 3)
    phase, _ = samples(np.random.default_rng(2), network, 20)
    A = dolphin.get_incidence_matrix([(int(i), int(j)) for i, j in network.pairs])
    return network, A, phase.reshape(-1, 4, 5).astype(np.float64)


def absolute(A, phase, b):
    return np.abs(np.tensordot(A, phase, 1) - b).sum(axis=0)


# -- golden: least squares -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype", "atol"), PRECISIONS)
def test_golden_unweighted(golden, name, dtype, atol):
    data = np.load(golden / "dolphin_l2_unweighted.npz")
    A, dphi = data["A"], data["dphi"].astype(dtype)
    phase, residual = dolphin.invert_stack(A, dphi, strict=True)
    assert phase.dtype == residual.dtype == dtype
    np.testing.assert_allclose(phase, data[f"phase_{name}"], atol=atol)
    np.testing.assert_allclose(residual, data[f"residual_ssr_{name}"], rtol=atol)
    per_date = np.tensordot(np.abs(A).T, np.abs(np.tensordot(A, phase, 1) - dphi), 1)
    np.testing.assert_allclose(per_date, data[f"residuals_per_date_{name}"], atol=10 * atol)


@pytest.mark.parametrize(("name", "dtype", "atol"), PRECISIONS)
def test_golden_weighted(golden, name, dtype, atol):
    data = np.load(golden / "dolphin_l2_weighted.npz")
    dphi, weights = data["dphi"].astype(dtype), data["weights"].astype(dtype)
    phase, residual = dolphin.invert_stack(data["A"], dphi, weights, strict=True)
    np.testing.assert_allclose(phase, data[f"phase_{name}"], atol=atol)
    np.testing.assert_allclose(residual, data[f"weighted_ssr_{name}"], rtol=atol)
    one, square = dolphin.weighted_lstsq_single(data["A"], dphi[:, 3, 4], weights[:, 3, 4], strict=True)
    np.testing.assert_allclose(one, data[f"phase_{name}"][:, 3, 4], atol=atol)
    assert square.shape == (1,)
    np.testing.assert_allclose(square[0], data[f"weighted_ssr_{name}"][3, 4], rtol=atol)


@pytest.mark.parametrize(("name", "dtype", "atol"), PRECISIONS)
def test_golden_censored(golden, name, dtype, atol):
    """317 pixels; in the others, where its numbers are garbage, what the first date does not tie is NaN."""
    data = np.load(golden / "dolphin_l2_censored.npz")
    A, dphi, valid = data["A"], data["dphi"].astype(dtype), data["valid_flags"]
    full = data["rank"] == 11
    for phase, _ in (
        dolphin.invert_stack(A, dphi, missing_data_flags=valid),
        (
            a.reshape(*a.shape[:-1], 16, 20)
            for a in dolphin.censored_lstsq(A, dphi.reshape(30, -1), valid.reshape(30, -1))
        ),
    ):
        np.testing.assert_allclose(phase[:, full], data[f"phase_{name}"][:, full], atol=atol)
        assert full.sum() == 317
        assert np.flatnonzero(np.isnan(phase[:, 0, 19])).tolist() == [4]  # date 5 has no pair
        assert 0 < np.isnan(phase[:, 1, 19]).sum() < 11  # a split network
        assert np.isnan(phase[:, 2, 19]).all()


@pytest.mark.parametrize(("name", "dtype", "atol"), PRECISIONS)
def test_censored_residual(golden, name, dtype, atol):
    """The root of the sum of squares of the valid samples; its own adds |A x| of the missing ones."""
    data = np.load(golden / "dolphin_l2_censored.npz")
    A, dphi, valid = data["A"], data["dphi"].astype(dtype).reshape(30, -1), data["valid_flags"].reshape(30, -1)
    theirs, full = data[f"residual_asis_{name}"].ravel(), data["rank"].ravel() == 11
    phase, residual = dolphin.censored_lstsq(A, dphi, valid)
    left = np.where(valid, A @ phase - dphi, 0)[:, full]
    np.testing.assert_allclose(residual[full], np.linalg.norm(left, axis=0), rtol=1e-5)
    rows = A @ phase - np.where(valid, dphi, 0)  # what it measures
    np.testing.assert_allclose(np.linalg.norm(rows, axis=0)[full], theirs[full], rtol=max(atol, 1e-6))
    assert (theirs[full] > residual[full]).sum() > 300
    # nothing missing: the root of invert_stack's
    whole = dolphin.censored_lstsq(A, dphi, np.ones_like(valid), strict=True)
    expected = dolphin.invert_stack(A, dphi)
    np.testing.assert_array_equal(whole[0], expected[0])
    np.testing.assert_allclose(whole[1], np.sqrt(expected[1]), rtol=1e-6)
    for message, b, m in (("missing rows", dphi, valid), ("not finite", dphi + np.inf, np.ones_like(valid))):
        with pytest.raises(ArgumentError, match=message):
            dolphin.censored_lstsq(A, b, m, strict=True)


def test_golden_rank_deficient(golden):
    """Two islands: NaN unless the minimum norm is asked for; L1 gave NaN or garbage at all dates."""
    data = np.load(golden / "dolphin_rank_deficient.npz")
    A, dphi = data["A"], data["dphi"].astype(np.float64)
    phase, residual = dolphin.invert_stack(A, dphi, gap="min_norm", strict=True)
    np.testing.assert_allclose(phase, data["l2_phase_f64"], atol=1e-9)
    np.testing.assert_allclose(residual, data["l2_ssr_f64"], atol=1e-9)
    assert np.isnan(data["l1_phase_f64"]).all()
    tied = np.isfinite(dolphin.invert_stack(A, dphi)[0]).all(axis=(1, 2))
    assert 0 < tied.sum() < 5
    robust, _ = dolphin.invert_stack_l1(A, dphi)
    np.testing.assert_array_equal(np.isfinite(robust).all(axis=(1, 2)), tied)
    for invert in (dolphin.invert_stack, dolphin.invert_stack_l1):
        with pytest.raises(ArgumentError, match="not tied"):
            invert(A, dphi, strict=True)


# -- golden: L1 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("file", ["dolphin_l1_noisy", "dolphin_l1_congruence"])
def test_golden_l1_steps(golden, file, name, dtype, atol):
    """Its own twenty steps, of all pixels and of one."""
    data = np.load(golden / f"{file}.npz")
    A, dphi = data["A"], data["dphi"].astype(dtype)
    phase, residual = dolphin.invert_stack_l1(A, dphi, strict=True)
    np.testing.assert_allclose(phase, data[f"phase_{name}"], atol=atol)
    np.testing.assert_allclose(residual, data[f"residual_l1_{name}"], atol=10 * atol)
    if file == "dolphin_l1_noisy":
        per_date = np.tensordot(np.abs(A).T, np.abs(np.tensordot(A, phase, 1) - dphi), 1)
        np.testing.assert_allclose(per_date, data[f"residuals_per_date_{name}"], atol=10 * atol)
    R = np.linalg.cholesky(A.T @ A)
    one, total = dolphin.least_absolute_deviations(A, dphi[:, 2, 3], R, strict=True)
    assert total.shape == ()
    np.testing.assert_allclose(one, data[f"phase_{name}"][:, 2, 3], atol=atol)


def test_l1_is_the_optimum(golden):
    """Within 1e-5 of the linear program; twenty steps are up to 22 % above. A wrong cycle leaves the truth."""
    data = np.load(golden / "dolphin_l1_noisy.npz")
    A, dphi = data["A"], data["dphi"].astype(np.float64)
    phase, residual = dolphin.invert_stack_l1(A, dphi)
    np.testing.assert_allclose(residual, absolute(A, phase, dphi), rtol=1e-9)
    assert (residual <= 1.00002 * data["exact_lp_objective"]).all()
    assert (data["residual_l1_f64"] / data["exact_lp_objective"]).max() > 1.2
    data = np.load(golden / "dolphin_l1_congruence.npz")
    phase, _ = dolphin.invert_stack_l1(data["A"], data["dphi"])
    ours, theirs = (np.abs(found - data["truth"]).max() for found in (phase, data["phase_f64"]))
    assert ours < 2e-5 < 8e-3 < theirs


def test_golden_block(golden):
    """Many pixels: least squares, its steps, a better L1, velocity."""
    data = np.load(golden / "dolphin_block30.npz")
    A, dphi, days = data["A"], data["dphi"].astype(np.float64), data["days"]
    phase, residual = dolphin.invert_stack(A, dphi, strict=True)
    np.testing.assert_allclose(phase, data["l2_phase_f64"], atol=1e-9)
    np.testing.assert_allclose(residual, data["l2_ssr_f64"], rtol=1e-9)
    steps, total = dolphin.invert_stack_l1(A, dphi, strict=True)
    np.testing.assert_allclose(steps, data["l1_phase_f64"], atol=1e-9)
    np.testing.assert_allclose(total, data["l1_residual_f64"], rtol=1e-9)
    _, better = dolphin.invert_stack_l1(A, dphi)
    assert (better <= 1.00002 * total).all()
    assert better.mean() < 0.99 * total.mean()
    velocity = dolphin.estimate_velocity(days[1:], phase, None, strict=True)
    np.testing.assert_allclose(velocity, data["l2_velocity_f64"], atol=1e-8)
    assert np.abs(velocity - data["l2_velocity_f32"]).max() < 1e-3


def test_l1_in_any_unit(case):
    """Metres or millimetres: the same optimum; the steps are 10 % and more above it."""
    _, A, phase = case
    phase[4] += 6 * (np.arange(20) % 3).reshape(4, 5)
    best = dolphin.invert_stack_l1(A, phase)[1]
    for unit in (1e-3, 1e3):
        np.testing.assert_allclose(dolphin.invert_stack_l1(A, phase * unit)[1] / unit, best, rtol=2e-5)
    steps = dolphin.invert_stack_l1(A, phase * 1e3, strict=True)[1] / 1e3
    assert (steps / best).max() > 1.1


def test_l1_options(case):
    _, A, phase = case
    b = phase.reshape(len(A), -1)
    few, _ = dolphin.invert_stack_l1(A, b, max_iter=1)
    many, _ = dolphin.invert_stack_l1(A, b)
    assert absolute(A, few, b).mean() > absolute(A, many, b).mean()
    steps = dolphin.invert_stack_l1(A, b, max_iter=3, strict=True)[0]
    np.testing.assert_allclose(steps, admm(A, b, 0.4, 1.0, 3), atol=1e-9)
    R = np.linalg.cholesky(A.T @ A)
    for options in ({}, {"rho": 2.0}, {"alpha": 1.5}, {"max_iter": 7}):
        given = {"rho": 0.4, "alpha": 1.0, "max_iter": 20} | options
        for factor in (R, R.astype(np.float32), None):
            found, total = dolphin.least_absolute_deviations(A, b, factor, **options)
            np.testing.assert_allclose(found, admm(A, b, **given), atol=1e-9)
            np.testing.assert_allclose(total, absolute(A, found, b), rtol=1e-9)
    for wrong in (R.T, R[1:, 1:], 2 * R):
        with pytest.raises(ArgumentError, match="R: is not the lower"):
            dolphin.least_absolute_deviations(A, b, wrong)
    spoiled = b.copy()
    spoiled[0, 0] = np.nan
    with pytest.raises(ArgumentError, match="1 of 480"):
        dolphin.least_absolute_deviations(A, spoiled, R, strict=True)


def test_relaxed_steps_end_at_the_optimum(case):
    """Its own with alpha 1.5 may stay above it for good, which is why strict refuses them."""
    _, A, phase = case
    best = dolphin.invert_stack_l1(A, phase)[1]
    for alpha in (0.7, 1.5):
        total = dolphin.least_absolute_deviations(A, phase, None, 1.0, alpha, 3000)[1]
        np.testing.assert_allclose(total, best, rtol=1e-4)
        with pytest.raises(ArgumentError, match="alpha different from 1"):
            dolphin.least_absolute_deviations(A, phase, None, alpha=alpha, strict=True)


def admm(A, b, rho, alpha, max_iter):
    """Boyd et al. (2010), section 6.1, with dense matrices."""
    z, u, solve = np.zeros_like(b), np.zeros_like(b), np.linalg.inv(A.T @ A) @ A.T
    for _ in range(max_iter):
        x = solve @ (b + z - u)
        relaxed = alpha * (A @ x) + (1 - alpha) * (z + b)
        v = relaxed - b + u
        z = np.sign(v) * np.maximum(np.abs(v) - 1 / rho, 0)
        u = u + relaxed - z - b
    return x


# -- missing samples and weights -----------------------------------------------------------------------------------


def test_flags_work_without_weights(case):
    """Three wrong cycles in a pair that is flagged: gone here; without effect there (D1)."""
    _, A, phase = case
    truth, _ = dolphin.invert_stack(A, phase)
    wrong, valid = phase.copy(), np.ones(phase.shape, bool)
    wrong[3, :2] += 6 * np.pi
    valid[3, :2] = False
    found, _ = dolphin.invert_stack(A, wrong, missing_data_flags=valid)
    assert np.abs(found - truth).max() < 1  # less one pair
    assert np.abs(dolphin.invert_stack(A, wrong)[0] - truth).max() > 3
    holes = np.where(valid, wrong, np.nan)
    np.testing.assert_array_equal(found, dolphin.invert_stack(A, holes)[0])
    with pytest.raises(ArgumentError, match="ignores the flags"):
        dolphin.invert_stack(A, wrong, missing_data_flags=valid, strict=True)
    dolphin.invert_stack(A, wrong, missing_data_flags=np.ones_like(valid), strict=True)


def test_flags_and_weights_together(case):
    _, A, phase = case
    rng = np.random.default_rng(4)
    weights, valid = rng.uniform(0.1, 2, phase.shape), rng.random(phase.shape) > 0.1
    both, _ = dolphin.invert_stack(A, phase, weights, valid)
    np.testing.assert_array_equal(both, dolphin.invert_stack(A, phase, weights * valid)[0])
    assert np.nanmax(np.abs(both - dolphin.invert_stack(A, phase, None, valid)[0])) > 0.01


def test_weights_are_inverse_variances(case):
    """A wrong pair of low correlation: 1 / variance leaves it aside, the variance that its workflow takes does not."""
    _, A, phase = case
    truth, _ = dolphin.invert_stack(A, phase)
    correlation = np.full(phase.shape, 0.9)
    correlation[3], phase[3] = 0.1, phase[3] + 6
    variance = dolphin.correlation_to_variance(correlation, 10)
    error = [
        np.sqrt(np.mean((dolphin.invert_stack(A, phase, weights)[0] - truth) ** 2))
        for weights in (1 / variance, None, variance)
    ]
    assert 10 * error[0] < error[1] < error[2]


def test_a_missing_pair_does_not_lose_the_pixel(case):
    network, A, phase = case
    phase[5, 1, 1], phase[6, 1, 2] = np.nan, np.inf
    for found in (dolphin.invert_stack(A, phase)[0], dolphin.invert_stack_l1(A, phase)[0]):
        assert np.isfinite(found).all()
    values, *_ = lapack(network, np.where(np.isfinite(phase[:, 1, 1]), phase[:, 1, 1], np.nan))
    np.testing.assert_allclose(dolphin.invert_stack(A, phase)[0][:, 1, 1], values[1:], atol=1e-9)
    _, total = dolphin.invert_stack_l1(A, phase)
    assert np.isfinite(total).all()
    for invert in (dolphin.invert_stack, dolphin.invert_stack_l1):
        with pytest.raises(ArgumentError, match="2 of 480"):
            invert(A, phase, strict=True)
    phase[:] = np.nan
    assert all(np.isnan(a).all() for a in dolphin.invert_stack_l1(A, phase))


def test_nan_of_weight_zero(case):
    """Neither the inversion nor the velocity is spoiled by what does not count (D14)."""
    _, A, phase = case
    weights = np.ones_like(phase)
    weights[2] = 0
    phase[2] = np.nan
    expected, _ = dolphin.invert_stack(np.delete(A, 2, 0), np.delete(phase, 2, 0))
    np.testing.assert_allclose(dolphin.invert_stack(A, phase, weights)[0], expected, atol=1e-9)
    days = np.arange(len(phase)) * 12.0
    slope = dolphin.estimate_velocity(days, phase, weights)
    np.testing.assert_allclose(
        slope, dolphin.estimate_velocity(np.delete(days, 2), np.delete(phase, 2, 0), None), rtol=1e-9
    )
    for bad in (-1.0, np.nan, np.inf):
        weights[2] = bad
        np.testing.assert_allclose(dolphin.invert_stack(A, phase, weights)[0], expected, atol=1e-9)
        with pytest.raises(ArgumentError, match="negative or infinite"):
            dolphin.invert_stack(A, np.nan_to_num(phase), weights, strict=True)


def test_unconnected_network(case):
    """A pixel whose network splits: NaN after the gap, and no other pixel touched; the minimum norm on request."""
    network, A, phase = case
    whole, _ = dolphin.invert_stack(A, phase)
    weights = np.ones_like(phase)
    crossing = (network.reference < 6) & (network.secondary >= 6)
    weights[crossing, 2, 2] = 0
    split, residual = dolphin.invert_stack(A, phase, weights)
    assert np.isnan(split[:, 2, 2]).tolist() == [False] * 5 + [True] * 4
    assert np.isfinite(residual).all()
    others = np.ones((4, 5), bool)
    others[2, 2] = False
    np.testing.assert_allclose(split[:, others], whole[:, others], atol=1e-12)
    least, _ = dolphin.invert_stack(A, phase, weights, gap="min_norm", strict=True)
    kept = ~crossing
    expected = np.linalg.lstsq(A[kept], phase[kept, 2, 2], rcond=None)[0]
    np.testing.assert_allclose(least[:, 2, 2], expected, atol=1e-9)
    with pytest.raises(ArgumentError, match="1 of 20"):
        dolphin.invert_stack(A, phase, weights, strict=True)
    with pytest.raises(ArgumentError, match="gap: 'zero'"):
        dolphin.invert_stack(A, phase, gap="zero")


def test_matrices_that_are_not_of_pairs(case):
    network, A, phase = case
    full = dolphin.get_incidence_matrix(
        [tuple(pair) for pair in network.pairs.tolist()], delete_first_date_column=False
    )
    with pytest.raises(ArgumentError, match="no pair has the first date"):
        dolphin.invert_stack(full, phase)
    minimum, _ = dolphin.invert_stack(full, phase, gap="min_norm", strict=True)
    expected = np.linalg.lstsq(full, phase.reshape(len(A), -1), rcond=None)[0]
    np.testing.assert_allclose(minimum.reshape(10, -1), expected, atol=1e-9)
    for wrong in (A * 2, A * 0, np.abs(A) * (np.arange(9) < 20), A[0]):
        with pytest.raises(ArgumentError, match="A: "):
            dolphin.invert_stack(wrong, phase)
    for message, call in (
        ("dphi: shape", (A, phase[1:])),
        ("weights: 4 pixels for 20", (A, phase, phase[..., 0])),
        ("missing_data_flags: 4 pixels", (A, phase, None, phase[..., 0])),
    ):
        with pytest.raises(ArgumentError, match=message):
            dolphin.invert_stack(*call)


def test_a_pair_given_twice_counts_twice(case):
    """Also where complete pixels share their factors, which takes whole groups of them."""
    _, A, phase = case
    phase = np.tile(phase, (1, 1, 50))
    twice, b = np.r_[A, A[:5]], np.r_[phase, phase[:5] + 0.3]
    found, _ = dolphin.invert_stack(twice, b)
    expected = np.linalg.lstsq(twice, b.reshape(len(b), -1), rcond=None)[0]
    np.testing.assert_allclose(found.reshape(9, -1), expected, atol=1e-9)
    best = dolphin.invert_stack_l1(twice, b)[1]
    steps = dolphin.least_absolute_deviations(twice, b, None, rho=2.0, max_iter=3000)[1]
    np.testing.assert_allclose(best, steps, rtol=1e-4)


def test_strict_single_pixels_are_refused_too(case):
    _, A, phase = case
    phase[0, 0, 0] = np.nan
    one, weights = phase[:, 0, 0], np.ones(len(phase))
    assert np.isfinite(dolphin.weighted_lstsq_single(A, one, weights)[0]).all()
    assert np.isfinite(dolphin.estimate_velocity_pixel(np.arange(len(one)), one, weights))
    with pytest.raises(ArgumentError, match="not finite"):
        dolphin.weighted_lstsq_single(A, one, weights, strict=True)
    with pytest.raises(ArgumentError, match="not finite"):
        dolphin.estimate_velocity_pixel(np.arange(len(one)), one, weights, strict=True)


# -- shapes, precision, cost ---------------------------------------------------------------------------------------


def test_one_pixel_is_a_row_of_many(case):
    _, A, phase = case
    many = np.tile(phase, (1, 1, 1500))  # 30,000 pixels
    weights = np.random.default_rng(0).uniform(0.1, 1, phase.shape)
    weighted = dolphin.invert_stack(A, many, np.tile(weights, (1, 1, 1500)))
    plain, robust = dolphin.invert_stack(A, many), dolphin.invert_stack_l1(A, many)
    valid = np.ones(phase.shape, bool)
    for index in ((0, 0), (3, 4)):
        b, w, m = phase[:, *index], weights[:, *index], valid[:, *index]
        for found, one in (
            (weighted, dolphin.invert_stack(A, b, w)),
            (plain, dolphin.invert_stack(A, b)),
            (robust, dolphin.invert_stack_l1(A, b)),
        ):
            assert one[0].shape == (9,)
            assert one[1].shape == ()
            for copy in (found[0][:, *index], found[0][:, index[0], -5 + index[1]]):
                np.testing.assert_array_equal(one[0], copy)
            assert one[1] == found[1][index]
        censored, norm = dolphin.censored_lstsq(A, b, m)
        np.testing.assert_array_equal(censored, plain[0][:, *index])
        assert norm == np.sqrt(plain[1][index])
        np.testing.assert_array_equal(dolphin.weighted_lstsq_single(A, b, w)[0], weighted[0][:, *index])
    series, residual = dolphin.weighted_lstsq_single(A, phase, weights)
    assert (series.shape, residual.shape) == ((9, 4, 5), (4, 5))


def test_many_dates_in_float32():
    """300 dates, phase beyond 100 rad: rounding of the result only; 5e-3 rad there with flags (D19)."""
    network = nearest(300, 3)
    rng = np.random.default_rng(1)
    truth = np.cumsum(rng.normal(size=(300, 40)) + 0.5, axis=0)
    truth -= truth[0]
    assert np.abs(truth).max() > 100
    A = dolphin.get_incidence_matrix([tuple(pair) for pair in network.pairs.tolist()])
    phase = (truth[network.secondary] - truth[network.reference]).astype(np.float32)
    found, _ = dolphin.censored_lstsq(A, phase, np.ones(phase.shape, bool))
    exact = np.linalg.lstsq(A, phase.astype(np.float64), rcond=None)[0]
    assert np.abs(found - exact).max() < 1.1 * np.spacing(np.float32(np.abs(exact).max()))


def test_one_compilation_for_all_shapes(case):
    """Shapes of blocks at the edge of an image cost nothing (D20)."""
    _, A, phase = case
    dolphin.invert_stack(A, phase)
    compiled = len(solve_groups.signatures)
    for rows, columns in ((1, 5), (4, 3), (2, 2)):
        dolphin.invert_stack(A, phase[:, :rows, :columns])
    assert len(solve_groups.signatures) == compiled


def test_memory_is_that_of_the_samples():
    """100 dates, 294 pairs, 4096 pixels: a few times the samples; over 100 times there (D21)."""
    network = nearest(100, 3)
    phase, _ = samples(np.random.default_rng(1), network, 4096)
    A = dolphin.get_incidence_matrix([tuple(pair) for pair in network.pairs.tolist()])
    valid = np.random.default_rng(2).random(phase.shape) > 0.05
    dolphin.censored_lstsq(A, phase[:, :64], valid[:, :64])
    tracemalloc.start()
    dolphin.censored_lstsq(A, phase, valid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * phase.nbytes


# -- velocity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype", "rtol"), [("f32", np.float32, 1e-5), ("f64", np.float64, 1e-9)])
def test_golden_velocity(golden, name, dtype, rtol):
    data = np.load(golden / "dolphin_velocity.npz")
    days, stack, weights = data["days"], data["stack"].astype(dtype), data["weights"].astype(dtype)
    plain = dolphin.estimate_velocity(days, stack, None, strict=True)
    assert plain.dtype == dtype
    np.testing.assert_allclose(plain, data[f"velocity_unweighted_{name}"], rtol=rtol, atol=rtol)
    weighted = dolphin.estimate_velocity(days, stack, weights, strict=True)
    np.testing.assert_allclose(weighted, data[f"velocity_weighted_{name}"], rtol=rtol, atol=rtol)
    one = dolphin.estimate_velocity_pixel(days, stack[:, 2, 3], weights[:, 2, 3], strict=True)
    assert one.shape == ()
    np.testing.assert_allclose(one * dtype(365.25), weighted[2, 3], rtol=1e-6)  # per day, not per year
    many = dolphin.estimate_velocity_pixel(days, stack, weights)
    np.testing.assert_array_equal(many[2, 3], one)


def test_velocity_of_weights_that_are_negative(case):
    """As in numpy.polyfit, weights multiply the residuals: their sign does not count."""
    _, _, phase = case
    days = np.arange(len(phase)) * 12.0
    weights = np.random.default_rng(1).uniform(-1, 1, phase.shape)
    found = dolphin.estimate_velocity(days, phase, weights, strict=True)
    expected = np.polyfit(days, phase[:, 1, 1], 1, w=weights[:, 1, 1])[0] * 365.25
    np.testing.assert_allclose(found[1, 1], expected, rtol=1e-9)


def test_velocity_of_too_few_dates(case):
    """One date that counts is no slope (D14)."""
    _, _, phase = case
    days = np.arange(len(phase)) * 12.0
    weights = np.zeros_like(phase)
    weights[:, 1:] = 1
    weights[3, 0, 0] = 1
    slope = dolphin.estimate_velocity(days, phase, weights)
    assert np.isnan(slope[0]).all()
    assert np.isfinite(slope[1:]).all()
    for message, values, w in (
        ("fewer than two", phase, weights),
        ("samples are not finite", phase + np.nan, np.ones_like(phase)),
        ("weights are not finite", phase, np.full_like(phase, np.inf)),
    ):
        with pytest.raises(ArgumentError, match=message):
            dolphin.estimate_velocity(days, values, w, strict=True)


# -- helpers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype", "rtol"), [("f32", np.float32, 1e-5), ("f64", np.float64, 1e-12)])
def test_golden_variance(golden, name, dtype, rtol):
    data = np.load(golden / "dolphin_corr_to_variance.npz")
    correlation = data["correlation"].astype(dtype)
    variance = dolphin.correlation_to_variance(correlation, int(data["nlooks"]), strict=True)
    assert variance.dtype == dtype
    np.testing.assert_allclose(variance, data[f"variance_{name}"], rtol=rtol, atol=1e-9)


def test_variance_outside_of_what_a_correlation_is():
    variance = dolphin.correlation_to_variance([-0.5, 0.5, 1.2, np.nan], 10)
    assert np.isnan(variance).tolist() == [True, False, True, True]
    with pytest.raises(ArgumentError, match="2 of 4"):
        dolphin.correlation_to_variance([-0.5, 0.5, 1.2, np.nan], 10, strict=True)
    assert dolphin.correlation_to_variance(0.5, 10).shape == ()
    with pytest.raises(ArgumentError, match="nlooks"):
        dolphin.correlation_to_variance(0.5, 0)


@pytest.mark.parametrize(
    "file", ["dolphin_l2_unweighted", "dolphin_l1_noisy", "dolphin_block30", "dolphin_rank_deficient"]
)
def test_golden_incidence(golden, file):
    data = np.load(golden / f"{file}.npz")
    pairs = [tuple(pair) for pair in data["pairs"].tolist()]
    np.testing.assert_array_equal(dolphin.get_incidence_matrix(pairs), data["A"])


def test_incidence_options():
    days = [dt.date(2020, 1, 1), dt.date(2020, 1, 13), dt.date(2020, 1, 25)]
    pairs = [(days[0], days[1]), (days[1], days[2])]
    assert dolphin.get_incidence_matrix(pairs).tolist() == [[1, 0], [-1, 1]]
    full = dolphin.get_incidence_matrix(pairs, delete_first_date_column=False)
    assert full.tolist() == [[-1, 1, 0], [0, -1, 1]]
    wide = dolphin.get_incidence_matrix(pairs, sar_idxs=[*days[::-1], dt.date(2021, 1, 1)])
    assert wide.tolist() == [[1, -1, 0], [-1, 0, 0]]
    for wrong, dates in (([], None), ([(1, 2)], [1, 3]), ([(1, 1)], None)):
        with pytest.raises(ArgumentError, match="ifg_pairs"):
            dolphin.get_incidence_matrix(wrong, dates)


def test_days():
    found = dolphin.datetime_to_float([dt.date(2020, 1, 13), dt.date(2020, 1, 1), dt.datetime(2020, 1, 13, 12)])
    assert found.tolist() == [0, -12, 0.5]
    with pytest.raises(ArgumentError, match="found none"):
        dolphin.datetime_to_float([])


def test_extremes():
    """NaN and masked values do not count (D16)."""
    values = np.array([[np.nan, 1.0, 7.0], [7.0, -3.0, np.nan]])
    assert dolphin.argmax_index(values) == (0, 2)
    assert dolphin.argmin_index(values) == (1, 1)
    masked = np.ma.array(values, mask=np.abs(values) > 2)
    assert dolphin.argmax_index(masked) == dolphin.argmin_index(masked) == (0, 1)
    assert dolphin.argmax_index([np.nan, -np.inf]) == (1,)
    assert dolphin.argmin_index([[3, 1], [1, 2]], strict=True) == (0, 1)
    for function in (dolphin.argmax_index, dolphin.argmin_index):
        with pytest.raises(ArgumentError, match="has no value"):
            function([np.nan])
        with pytest.raises(ArgumentError, match="index of a NaN"):
            function(values, strict=True)


# -- the package itself --------------------------------------------------------------------------------------------


def test_own_options_are_keywords():
    exact = {"datetime_to_float", "get_incidence_matrix", "invert_stack_l1_integer"}  # nothing that could differ
    for name in ON_ARRAYS:
        assert ("strict" in own_options(getattr(dolphin, name))) == (name not in exact), name


def test_arguments_are_those_of_dolphin():
    pytest.importorskip("dolphin", reason="dolphin is not installed; its arguments cannot be compared")
    from dolphin import timeseries

    for name in ON_ARRAYS:
        assert arguments(getattr(dolphin, name)) == arguments(getattr(timeseries, name)), name


# -- whole cycles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_whole_cycles_have_the_least_sum_of_absolute_residuals(seed):
    """Against an integer program for each pixel."""
    rng = np.random.default_rng(seed)
    pairs = nearest(9, 3).pairs
    A = dolphin.get_incidence_matrix([tuple(pair) for pair in pairs.tolist()])
    truth = np.concatenate([np.zeros((1, 12)), rng.integers(-6, 7, (8, 12))])
    cycles = truth[pairs[:, 1]] - truth[pairs[:, 0]]
    cycles += rng.integers(-3, 4, cycles.shape) * (rng.random(cycles.shape) < 0.35)
    offsets, residuals = dolphin.invert_stack_l1_integer(A, cycles.reshape(-1, 3, 4))
    assert (offsets == np.round(offsets)).all()
    assert offsets.shape == (8, 3, 4)
    np.testing.assert_array_equal(
        residuals, np.abs(cycles.reshape(-1, 3, 4) - np.tensordot(np.asarray(A), offsets, 1)).sum(axis=0)
    )
    for pixel in range(12):
        m, n = A.shape
        program = milp(
            np.r_[np.zeros(n), np.ones(m)],
            integrality=np.r_[np.ones(n), np.zeros(m)],
            bounds=Bounds(np.r_[np.full(n, -99), np.zeros(m)], np.full(n + m, 99)),
            constraints=[
                LinearConstraint(np.c_[np.asarray(A), np.eye(m)], cycles[:, pixel], np.inf),
                LinearConstraint(np.c_[-np.asarray(A), np.eye(m)], -cycles[:, pixel], np.inf),
            ],
        )
        assert residuals.ravel()[pixel] == pytest.approx(program.fun)


def test_whole_cycles_are_asked_for():
    A = dolphin.get_incidence_matrix([(0, 1), (1, 2), (0, 2)])
    for wrong in ([1, 2, 0.5], [1, 2, np.nan]):
        with pytest.raises(ArgumentError, match="no finite integers"):
            dolphin.invert_stack_l1_integer(A, np.array(wrong))
    cycles = np.ones((len(A), 1))
    with pytest.raises(ArgumentError, match="masked values"):
        dolphin.invert_stack_l1_integer(A, np.ma.array(cycles, mask=[[1], *[[0]] * (len(A) - 1)]))
    with pytest.raises(ArgumentError, match="exactly representable"):
        dolphin.invert_stack_l1_integer(A, cycles * 2**24)
    for steps in (0, 1.5):
        with pytest.raises(ArgumentError, match=f"max_iter: {steps} is not a positive integer"):
            dolphin.invert_stack_l1_integer(A, cycles, steps)
