"""Ties of tiles against brute force over all whole levels, and against LAPACK."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarray.kernels.unwrapping.ties import components, count_cycles, tie_cycles, tie_levels

SQUARE = np.array([(0, 1), (0, 2), (1, 3), (2, 3), (1, 2)])
"""Four tiles with a diagonal: two loops."""


def cost(level, cycles, votes):
    return (votes * abs(level[SQUARE[:, 0]] - level[SQUARE[:, 1]] - cycles)).sum()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 9)), min_size=5, max_size=5))
def test_the_cheapest_whole_levels_by_brute_force(edges):
    cycles, votes = np.array(edges).T
    level, unmet = tie_cycles(SQUARE, cycles[None], votes[None], 4)
    best = min(cost(np.array((0, *rest)), cycles, votes) for rest in product(range(-6, 7), repeat=3))
    assert level[0, 0] == 0
    assert cost(level[0], cycles, votes) == best
    assert unmet[0] == np.count_nonzero(level[0, SQUARE[:, 0]] - level[0, SQUARE[:, 1]] != cycles)


def test_levels_that_agree_are_found_as_they_are():
    """Also those of a group that nothing ties to the others, relative to its own first tile."""
    edges = np.vstack([SQUARE, [(4, 5)]])
    true = np.random.default_rng(0).integers(-30, 30, (7, 6))
    true[:, 0], true[:, 4] = 0, 0
    level, unmet = tie_cycles(edges, true[:, edges[:, 0]] - true[:, edges[:, 1]], np.ones((7, 6), int), 6)
    np.testing.assert_array_equal(level, true)
    np.testing.assert_array_equal(unmet, 0)


def test_a_vote_that_few_cast_gives_way():
    cycles, votes = np.array([[1, 0, 0, 0, 0]]), np.array([[3, 90, 90, 90, 90]])
    level, unmet = tie_cycles(SQUARE, cycles, votes, 4)
    np.testing.assert_array_equal(level, 0)
    assert unmet[0] == 1


def test_votes_are_counted_per_epoch():
    rng = np.random.default_rng(1)
    second = rng.normal(0, 9, (2, 50)).astype(np.float32)
    first = second + np.float32(2 * np.pi) * np.array([[3], [-1]], np.float32)
    first[:, :20] += np.float32(2 * np.pi)
    cycles, votes = count_cycles(first, second)
    np.testing.assert_array_equal(cycles, [3, -1])
    np.testing.assert_array_equal(votes, [30, 30])


def test_the_largest_group_is_the_first():
    edges = np.array([(0, 1), (2, 3), (3, 4)])
    np.testing.assert_array_equal(components(edges, 6), [1, 1, 0, 0, 0, 2])
    np.testing.assert_array_equal(components(np.zeros((0, 2), int), 2), [0, 1])


@pytest.mark.parametrize("weighted", [False, True])
def test_levels_of_maps_are_least_squares(weighted):
    rng = np.random.default_rng(2)
    difference = rng.normal(size=5)
    weight = rng.uniform(1, 9, 5) if weighted else np.ones(5)
    matrix = np.zeros((5, 4))
    matrix[np.arange(5), SQUARE[:, 0]], matrix[np.arange(5), SQUARE[:, 1]] = 1, -1
    normal = matrix.T @ (weight[:, None] * matrix)
    expected = np.linalg.pinv(normal) @ (matrix.T @ (weight * difference))
    np.testing.assert_allclose(tie_levels(SQUARE, difference, weight, 4), expected - expected[0], atol=1e-12)
