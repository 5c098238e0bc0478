"""Loops: every one that there is, none twice, each closing on itself; by exhaustive search on small networks."""

import pickle
from itertools import permutations

import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from insarray.model.errors import ArgumentError, NetworkError
from insarray.model.loops import find_loops
from insarray.model.network import Network
from tests.networks import nearest, random_network

SQUARE = Network.from_pairs(["20200101_20200113", "20200113_20200125", "20200125_20200206", "20200101_20200206"])


def walks(loops):
    return [tuple(int(d) for d, s in zip(*row, strict=True) if s) for row in zip(loops.dates, loops.signs, strict=True)]


def without_shortcut(network, longest):
    """Cycles without a chord among all sequences of dates: slow and obvious."""
    have = {frozenset(pair) for pair in network.pairs.tolist()}
    found = set()
    for length in range(3, longest + 1):
        for cycle in permutations(range(network.n_dates), length):
            if cycle[0] != min(cycle) or cycle[1] > cycle[-1]:
                continue
            sides = {frozenset(side) for side in zip(cycle, (*cycle[1:], cycle[0]), strict=True)}
            inside = {pair for pair in have if pair <= set(cycle)}
            if sides == inside:
                found.add(cycle)
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 7), st.integers(5, 16), st.integers(3, 5))
def test_loops_without_shortcut_are_all_there_are(seed, dates, pairs, longest):
    network = random_network(np.random.default_rng(seed), dates, pairs)
    expected = without_shortcut(network, longest)
    if not expected:
        with pytest.raises(NetworkError, match="close no loop"):
            find_loops(network, longest)
        return
    found = walks(find_loops(network, longest))
    assert len(found) == len(set(found))
    assert set(found) == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["triplets", "fundamental", 4, 6]))
def test_sides_follow_each_other(seed, kind):
    network = random_network(np.random.default_rng(seed), 9, 22)
    loops = find_loops(network, kind)
    incidence = network.incidence().astype(int)
    for dates, pairs, signs in zip(loops.dates, loops.pairs, loops.signs, strict=True):
        n = np.count_nonzero(signs)
        assert (signs[n:] == 0).all()
        assert (pairs[n:] == -1).all()
        assert (dates[n:] == dates[0]).all()
        assert dates[0] == dates[:n].min()
        assert not (signs[:n] @ incidence[pairs[:n]]).any()
        walk = [*dates[:n], dates[0]]
        for side in range(n):
            a, b = network.pairs[pairs[side]][:: signs[side]]
            assert (a, b) == (walk[side], walk[side + 1])


def test_triplets_are_those_of_the_network():
    network = random_network(np.random.default_rng(1), 10, 30)
    for kind in ("triplets", 3):
        loops = find_loops(network, kind)
        np.testing.assert_array_equal(loops.pairs, network.triplets())
        np.testing.assert_array_equal(loops.signs, np.broadcast_to([1, 1, -1], loops.pairs.shape))
        assert loops.labels(network)[0].count("_") == 2


def test_fundamental_loops_are_those_of_the_network_up_to_direction():
    network = random_network(np.random.default_rng(2), 12, 25)
    loops = find_loops(network, "fundamental")
    for row, pairs, signs in zip(network.loops(), loops.pairs, loops.signs, strict=True):
        dense = np.zeros(network.n_pairs, int)
        dense[pairs[signs != 0]] = signs[signs != 0]
        assert (dense == row).all() or (dense == -row).all()


def test_a_square_is_found_only_if_asked_for():
    with pytest.raises(NetworkError, match=r"4 pairs close no loop of the kind 'triplets', but 1 longer"):
        find_loops(SQUARE)
    assert walks(find_loops(SQUARE, 4)) == [(0, 1, 2, 3)]
    assert find_loops(SQUARE, "fundamental").labels(SQUARE) == ["20200101_20200113_20200125_20200206"]
    assert len(find_loops(nearest(9, 3), 6)) == len(find_loops(nearest(9, 3)))  # nothing but triangles there


def test_a_tree_has_no_loops():
    for kind in ("triplets", "fundamental", 6):
        with pytest.raises(NetworkError, match="7 pairs close no loop, so nothing can be compared; add pairs"):
            find_loops(nearest(8, 1), kind)


@pytest.mark.parametrize("kind", ["all", 2, 7, 3.5, None, True])
def test_other_kinds_are_refused(kind):
    with pytest.raises(ArgumentError, match=r"loops: .* is not 'triplets', 'fundamental' or a length from 3 to 6"):
        find_loops(SQUARE, kind)


def test_too_many_to_count_are_refused(monkeypatch):
    monkeypatch.setattr("insarray.model.loops.MOST_LOOPS", 15)
    with pytest.raises(NetworkError, match="16 loops are more than 15"):
        find_loops(nearest(8, 3))


def test_are_a_value():
    a, b = find_loops(nearest(8, 3)), find_loops(nearest(8, 3))
    assert tokenize(a) == tokenize(b) == tokenize(pickle.loads(pickle.dumps(a)))
    assert tokenize(a) != tokenize(find_loops(nearest(8, 2)))
    with pytest.raises(ValueError, match="read-only"):
        a.pairs[0, 0] = 3
