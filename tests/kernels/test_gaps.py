"""Gap treatments against least squares with the same assumption written out."""

import numpy as np
import pytest

from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.network.gaps import close_gaps
from tests.networks import nearest, samples


def split_pixels():
    """Six pixels: complete; cut in the middle; a date lost; first date lost; two cuts; empty."""
    network = nearest(9, 2)
    phase, _ = samples(np.random.default_rng(6), network, 6, noise=0.05)
    i, j = network.reference, network.secondary
    phase[(i <= 3) & (j > 3), 1] = np.nan
    phase[(i == 5) | (j == 5), 2] = np.nan
    phase[(i == 0), 3] = np.nan
    phase[((i <= 2) & (j > 2)) | ((i <= 5) & (j > 5)), 4] = np.nan
    phase[:, 5] = np.nan
    solution = solve(phase, plan_elimination(network.pairs, network.n_dates), std=True, dtype=np.float64)
    return network, phase, solution


def closed(gap):
    network, phase, solution = split_pixels()
    close_gaps(solution.phase, solution.std, solution.label, network.years, gap)
    return network, phase, solution


def test_nan_leaves_out_what_is_not_tied():
    _, _, solution = closed("nan")
    np.testing.assert_array_equal(np.isnan(solution.phase), solution.label != 1)
    np.testing.assert_array_equal(np.isnan(solution.std), solution.label != 1)


def test_subset_keeps_pieces_relative_to_their_first_date():
    _, _, solution = closed("subset")
    np.testing.assert_array_equal(np.isnan(solution.phase), solution.label == 0)
    assert solution.phase[4, 1] == 0.0
    assert solution.label[:, 4].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert (solution.phase[[0, 3, 6], 4] == 0.0).all()


def test_min_norm_is_the_least_velocity_solution():
    network, phase, solution = closed("min_norm")
    steps = np.diff(network.years)
    velocity_design = np.zeros((network.n_pairs, network.n_dates - 1))
    for k, (i, j) in enumerate(network.pairs):
        velocity_design[k, i:j] = steps[i:j]
    for p in range(5):
        valid = np.isfinite(phase[:, p])
        velocity = np.linalg.pinv(velocity_design[valid], rcond=1e-10) @ phase[valid, p].astype(float)
        expected = np.concatenate([[0.0], np.cumsum(velocity * steps)])
        np.testing.assert_allclose(solution.phase[:, p], expected, atol=1e-9)
    assert np.isnan(solution.phase[:, 5]).all()


def test_nsbas_is_the_limit_of_a_weak_line():
    network, phase, solution = closed("nsbas")
    n = network.n_dates
    for p in range(5):
        valid = np.isfinite(phase[:, p])
        # unknowns: n - 1 phases, slope, constant; the line counts 1e-4 as much as the pairs
        pairs = np.hstack([network.incidence()[valid, 1:].astype(float), np.zeros((valid.sum(), 2))])
        line = np.hstack([np.eye(n)[:, 1:], -network.years[:, None], -np.ones((n, 1))])
        matrix = np.vstack([pairs, 1e-4 * line])
        right = np.concatenate([phase[valid, p].astype(float), np.zeros(n)])
        expected = np.linalg.lstsq(matrix, right, rcond=None)[0][: n - 1]
        np.testing.assert_allclose(solution.phase[1:, p], expected, atol=1e-4)


@pytest.mark.parametrize("gap", ["min_norm", "nsbas"])
def test_what_was_tied_by_an_assumption_stays_recognisable(gap):
    _, _, solution = closed(gap)
    assert np.isfinite(solution.phase[:, :5]).all()
    np.testing.assert_array_equal(np.isnan(solution.std), solution.label != 1)
    assert solution.label[4, 1] == 2


@pytest.mark.parametrize("gap", ["nan", "subset", "min_norm", "nsbas"])
def test_complete_pixels_are_left_alone(gap):
    _, _, before = split_pixels()
    _, _, after = closed(gap)
    np.testing.assert_array_equal(before.phase[:, 0], after.phase[:, 0])
    np.testing.assert_array_equal(before.std[:, 0], after.std[:, 0])
