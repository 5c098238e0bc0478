"""The elimination against LAPACK, pixel by pixel, and against what physics demands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.variance import pair_weights, weight_table
from insarray.model.errors import ArgumentError
from tests.networks import lapack, nearest, random_network, samples


def plan_of(network, order=None):
    return plan_elimination(network.pairs, network.n_dates, order)


def check_against_lapack(network, phase, weights, plan):
    solution = solve(phase, plan, weights, std=True, dtype=np.float64)
    for p in range(phase.shape[1]):
        values, std, residual, label = lapack(network, phase[:, p], None if weights is None else weights[:, p])
        np.testing.assert_array_equal(solution.label[:, p], label)
        np.testing.assert_allclose(solution.phase[:, p], values, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(solution.std[:, p], std, rtol=1e-7, atol=1e-8)
        used = np.isfinite(residual)
        assert solution.used[p] == used.sum()
        np.testing.assert_array_equal(
            solution.date_count[:, p], np.bincount(network.pairs[used].ravel(), minlength=network.n_dates)
        )
        if used.any():
            r = residual[used]
            w = np.ones(len(r)) if weights is None else weights[used, p].astype(float)
            np.testing.assert_allclose(solution.temporal_coherence[p], abs(np.exp(1j * r).mean()), atol=1e-9)
            np.testing.assert_allclose(solution.residual_rms[p], np.sqrt((r**2).mean()), atol=1e-9)
            np.testing.assert_allclose(solution.weighted_square[p], (w * r**2).sum(), rtol=1e-7, atol=1e-12)
        else:
            assert np.isnan([solution.temporal_coherence[p], solution.residual_rms[p]]).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dates=st.integers(2, 18),
    density=st.floats(1.0, 4.0),
    missing=st.sampled_from([0.0, 0.05, 0.3, 0.7]),
    weighted=st.booleans(),
    order=st.sampled_from([None, "time", "minimum_degree"]),
)
def test_equals_lapack_on_random_networks(seed, dates, density, missing, weighted, order):
    rng = np.random.default_rng(seed)
    network = random_network(rng, dates, int(density * dates))
    phase, _ = samples(rng, network, 5, missing=missing)
    weights = None
    if weighted:
        weights = (10.0 ** rng.uniform(-2, 2, phase.shape)).astype(np.float32)
        weights[rng.random(phase.shape) < 0.1] = rng.choice([0.0, -1.0, np.nan, np.inf])
    check_against_lapack(network, phase, weights, plan_of(network, order))


def test_large_network_keeps_its_digits():
    rng = np.random.default_rng(1)
    network = nearest(150, 3)
    phase, _ = samples(rng, network, 3, missing=0.1)
    phase += 40.0 * (network.secondary - network.reference)[:, None]  # 6000 rad at the end
    check_against_lapack(network, phase, None, plan_of(network))


def test_first_date_unobserved_leaves_pieces_with_their_own_origin():
    network = nearest(6, 2)
    phase, _ = samples(np.random.default_rng(0), network, 1)
    phase[network.reference == 0] = np.nan
    solution = solve(phase, plan_of(network), dtype=np.float64)
    assert solution.label[:, 0].tolist() == [0, 2, 2, 2, 2, 2]
    assert np.isnan(solution.phase[0, 0])
    assert solution.phase[1, 0] == 0.0


def test_infinite_samples_count_as_missing():
    network = nearest(5, 2)
    phase, _ = samples(np.random.default_rng(0), network, 4)
    holes = phase.copy()
    phase[2, 1], holes[2, 1] = np.inf, np.nan
    phase[3, 2], holes[3, 2] = -np.inf, np.nan
    plan = plan_of(network)
    for ours, expected in zip(solve(phase, plan), solve(holes, plan), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pixels", [1, 63, 64, 65, 200, 1100])
def test_bits_do_not_depend_on_the_block(weighted, pixels):
    """Complete groups take the shared factors, others their own; cutting and shuffling must not show."""
    rng = np.random.default_rng(3)
    network = random_network(rng, 14, 40)
    phase, _ = samples(rng, network, pixels)
    phase[:, rng.random(pixels) < 0.3] = np.nan
    phase[rng.integers(0, len(phase), 5), rng.integers(0, pixels, 5)] = np.nan
    weights = rng.uniform(0.1, 5, phase.shape).astype(np.float32) if weighted else None
    plan = plan_of(network)
    whole = solve(phase, plan, weights, std=True)
    shuffle = rng.permutation(pixels)
    parts = np.array_split(shuffle, min(pixels, 7))
    for part in parts:
        alone = solve(phase[:, part], plan, None if weights is None else weights[:, part], std=True)
        for ours, expected in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(ours, expected[..., part])


def test_complete_pixels_take_the_same_bits_on_either_path():
    network = nearest(20, 3)
    phase, _ = samples(np.random.default_rng(5), network, 64)
    plan = plan_of(network)
    shared = solve(phase, plan, std=True)
    mixed_in = phase.copy()
    mixed_in[0, 0] = np.nan  # one missing sample sends the whole group to the general path
    general = solve(mixed_in, plan, std=True)
    for a, b in zip(shared, general, strict=True):
        np.testing.assert_array_equal(a[..., 1:], b[..., 1:])
    assert not np.array_equal(shared.phase[:, 0], general.phase[:, 0])


def test_scaling_flipping_and_permuting_do_what_physics_says():
    rng = np.random.default_rng(9)
    network = random_network(rng, 12, 30)
    phase, _ = samples(rng, network, 70, missing=0.1)
    weights = rng.uniform(0.1, 5, phase.shape)
    plan = plan_of(network)
    base = solve(phase.astype(np.float64), plan, weights, std=True, dtype=np.float64)
    flipped = solve(-phase.astype(np.float64), plan, weights, dtype=np.float64)
    np.testing.assert_array_equal(flipped.phase, -base.phase)
    scaled = solve(phase.astype(np.float64), plan, weights, scale=-0.25, std=True, dtype=np.float64)
    np.testing.assert_array_equal(scaled.phase, -0.25 * base.phase)
    np.testing.assert_array_equal(scaled.std, 0.25 * base.std)
    heavier = solve(phase.astype(np.float64), plan, 4 * weights, std=True, dtype=np.float64)
    np.testing.assert_allclose(heavier.phase, base.phase, atol=1e-10)
    np.testing.assert_allclose(heavier.std, base.std / 2, rtol=1e-10)
    order = rng.permutation(network.n_pairs)
    permuted = solve(
        phase[order].astype(np.float64), plan_elimination(network.pairs[order], 12), weights[order], dtype=np.float64
    )
    np.testing.assert_allclose(permuted.phase, base.phase, atol=1e-10)


def test_reference_is_subtracted_from_every_pair():
    network = nearest(8, 2)
    phase, _ = samples(np.random.default_rng(2), network, 10)
    level = phase[:, 4].astype(np.float64)
    solution = solve(phase, plan_of(network), reference=level)
    assert np.abs(solution.phase[:, 4]).max() == 0.0
    expected = solve((phase - level[:, None]).astype(np.float64), plan_of(network))
    np.testing.assert_allclose(solution.phase, expected.phase, atol=1e-6)


def test_std_agrees_with_the_scatter_of_many_draws():
    rng = np.random.default_rng(4)
    network = nearest(8, 2)
    weights = np.repeat(rng.uniform(1, 9, (network.n_pairs, 1)), 20000, axis=1)
    phase = rng.normal(size=weights.shape) / np.sqrt(weights)
    solution = solve(phase, plan_of(network), weights, std=True)
    np.testing.assert_allclose(solution.phase[1:].std(axis=1), solution.std[1:, 0], rtol=0.03)


def test_shapes_that_do_not_fit_are_refused():
    network = nearest(5, 2)
    plan = plan_of(network)
    with pytest.raises(ArgumentError, match="7 pairs"):
        solve(np.zeros((3, 4), np.float32), plan)
    with pytest.raises(ArgumentError, match="weights"):
        solve(np.zeros((7, 4), np.float32), plan, np.ones((7, 3), np.float32))


def test_plan_takes_the_order_with_less_work():
    chain_with_annual_pairs = nearest(40, 1)
    pairs = np.vstack([chain_with_annual_pairs.pairs, [[0, 39], [1, 30], [5, 35]]]).astype(np.int32)
    by_time, by_degree = plan_elimination(pairs, 40, "time"), plan_elimination(pairs, 40, "minimum_degree")
    assert len(by_degree.targets) < len(by_time.targets)
    assert len(plan_elimination(pairs, 40).targets) == len(by_degree.targets)
    band = nearest(40, 3)
    assert plan_of(band).fill == 0
    np.testing.assert_array_equal(plan_of(band).order, plan_of(band, "time").order)


@pytest.mark.parametrize("std", [False, True])
def test_unobserved_pixels_and_dates_among_split_ones(std):
    """Lanes whose network is split, partly or wholly unobserved, must not disturb each other."""
    network = nearest(9, 2)
    phase, _ = samples(np.random.default_rng(8), network, 3)
    phase[:, 0] = np.nan
    phase[(network.reference < 4) & (network.secondary >= 4), 1] = np.nan  # two pieces
    phase[(network.reference == 6) | (network.secondary == 6), 1] = np.nan
    solution = solve(phase, plan_of(network), std=std, dtype=np.float64)
    assert solution.label.T.tolist() == [[0] * 9, [1, 1, 1, 1, 2, 2, 0, 2, 2], [1] * 9]
    np.testing.assert_array_equal(np.isnan(solution.phase), solution.label == 0)
    values, deviation, _, _ = lapack(network, phase[:, 1], None)
    np.testing.assert_allclose(solution.phase[:, 1], values, atol=1e-12)
    if std:
        np.testing.assert_allclose(solution.std[:, 1], deviation, atol=1e-12)


@pytest.mark.parametrize("columns", [1, 293, 5000])
def test_a_block_whose_rows_are_apart_in_memory_has_the_same_bits(columns):
    """Pixels are taken in strips, across the ends of rows, with the rest of a group last; the coherence likewise."""
    rng, network = np.random.default_rng(5), nearest(5, 2)
    rows = 9000 // columns
    image = np.full((network.n_pairs, rows + 2, columns + 3), 1e9, np.float32)
    block = image[:, 1:-1, 2:-1]
    block[:] = rng.normal(size=block.shape)
    block[rng.random(block.shape) < 0.1] = np.nan
    coherence = image.copy()[:, 1:-1, 2:-1]
    coherence[:] = rng.random(block.shape)
    plan, table = plan_of(network), weight_table("variance", 20)
    flat = [values.reshape(network.n_pairs, -1) for values in (block, coherence)]
    expected = solve(*flat[:1], plan, pair_weights(flat[1], "variance", 20), std=True)
    for one in (
        solve(block, plan, coherence, table=table, std=True),
        solve(flat[0], plan, flat[1], table=table, std=True),
    ):
        for name, values in expected._asdict().items():
            np.testing.assert_array_equal(getattr(one, name), values, name)


def test_relative_weights_are_scaled_by_the_residuals():
    """Also in pieces, and NaN without redundancy: by the number of independent loops that rank gives."""
    network = nearest(7, 2)
    phase, _ = samples(np.random.default_rng(0), network, 5)
    weights = np.random.default_rng(1).uniform(0.5, 2, phase.shape).astype(np.float32)
    phase[(network.reference < 3) & (network.secondary >= 3), 1] = np.nan  # two pieces
    phase[network.reference == 0, 2] = np.nan
    phase[:, 3] = np.nan
    phase[np.diff(network.pairs)[:, 0] > 1, 4] = np.nan  # a chain
    given, found = (
        solve(phase, plan_of(network), weights, scale=-3.0, std=True, relative=yes) for yes in (False, True)
    )
    freedom = given.redundancy
    assert freedom[4] == 0
    assert (freedom[:3] > 0).all()
    factor = np.full(5, np.nan)
    looped = freedom > 0
    factor[looped] = np.sqrt(given.weighted_square[looped] / freedom[looped])
    np.testing.assert_allclose(found.std, given.std * factor, rtol=1e-6)
    assert (abs(factor[looped] - 1) > 0.01).all()


def test_redundancy_counts_the_independent_loops():
    network = nearest(7, 2)
    phase, _ = samples(np.random.default_rng(0), network, 4)
    phase[(network.reference < 3) & (network.secondary >= 3), 1] = np.nan  # two pieces
    phase[network.reference == 0, 2] = np.nan
    phase[:, 3] = np.nan
    solution = solve(phase, plan_of(network))
    design = network.incidence().astype(float)
    valid = np.isfinite(phase)
    ranks = [np.linalg.matrix_rank(design[valid[:, p]]) if valid[:, p].any() else 0 for p in range(4)]
    assert solution.redundancy.tolist() == (valid.sum(axis=0) - ranks).tolist()


@pytest.mark.parametrize("size", [2.0**25, 1e30])
def test_consistent_samples_too_large_for_a_phase_are_missing(size):
    """All pairs of one date are off by the same, so that no residual shows it."""
    network = nearest(12, 3)
    phase, _ = samples(np.random.default_rng(3), network, 70)
    sign = ((network.pairs[:, 1] == 5).astype(np.float32) - (network.pairs[:, 0] == 5))[:, None]
    large = phase + sign * np.float32(size)
    missing = np.where(sign != 0, np.float32(np.nan), phase)
    for found, expected in zip(solve(large, plan_of(network)), solve(missing, plan_of(network)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_large_phases_take_another_path_with_the_same_result():
    """Phases of 2^21 rad are beyond the bound up to which a complete group shares its factors."""
    network = nearest(12, 3)
    phase, _ = samples(np.random.default_rng(3), network, 70)
    ramp = (2.0**21 * np.linspace(0, 1, 12)).astype(np.float32)
    phase += (ramp[network.pairs[:, 1]] - ramp[network.pairs[:, 0]])[:, None]
    check_against_lapack(network, phase.astype(np.float32), None, plan_of(network))
