"""Network: incidence, components, loops, baselines, selection."""

import pickle

import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from insarray.model.errors import ArgumentError, NetworkError
from insarray.model.network import Network
from insarray.model.selection import select
from tests.networks import nearest, random_network

PAIRS = ["20200101_20200113", "20200113_20200125", "20200101_20200125", "20200125_20200206"]


def test_from_strings():
    network = Network.from_pairs(PAIRS)
    assert (network.n_dates, network.n_pairs, network.n_components) == (4, 4, 1)
    assert network.labels == PAIRS
    np.testing.assert_array_equal(network.incidence()[2], [-1, 0, 1, 0])
    np.testing.assert_array_equal(network.redundancy(), [2, 2, 3, 1])
    np.testing.assert_array_equal(network.temporal_baseline, [12, 12, 24, 12])
    np.testing.assert_array_equal(network.triplets(), [[0, 1, 2]])
    np.testing.assert_allclose(network.years[-1], 36 / 365.25)


def test_times_of_day_make_different_dates():
    network = Network.from_pairs([("20200101T060000", "20200101T180000"), ("20200101T180000", "20200102T060000")])
    assert network.n_dates == 3
    np.testing.assert_array_equal(network.temporal_baseline, [0.5, 0.5])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "found none"),
        (["20200113_20200101"], "earlier"),
        (["20200101_20200101"], "earlier"),
        ([*PAIRS, PAIRS[1]], "20200113_20200125 given more than once"),
        (["20200101"], "two dates"),
        (["2020-13-01_20200101"], "not a date"),
    ],
)
def test_impossible_pairs_are_refused(pairs, message):
    with pytest.raises((NetworkError, ArgumentError), match=message):
        Network.from_pairs(pairs)


def test_baselines_must_match():
    with pytest.raises(ArgumentError, match="2 values for 4 pairs"):
        Network.from_pairs(PAIRS, [1.0, 2.0])


def test_is_a_value():
    a, b = Network.from_pairs(PAIRS, [1, 2, 3, 4]), Network.from_pairs(PAIRS, [1, 2, 3, 4])
    assert a == b
    assert hash(a) == hash(b)
    assert tokenize(a) == tokenize(b) == tokenize(pickle.loads(pickle.dumps(a)))
    assert a != Network.from_pairs(PAIRS)
    assert tokenize(a) != tokenize(Network.from_pairs(PAIRS, [1, 2, 3, 5]))
    assert tokenize(a) != tokenize(Network.from_pairs(PAIRS[:3]))
    with pytest.raises(ValueError, match="read-only"):
        a.pairs[0, 0] = 3
    assert "4 dates 20200101..20200206, 4 pairs" in repr(a)


def test_components_are_numbered_by_first_date():
    network = Network.from_pairs(["20200113_20200206", "20200101_20200125"])
    np.testing.assert_array_equal(network.components(), [0, 1, 0, 1])
    with pytest.raises(NetworkError, match=r"2 unconnected pieces .*20200101..20200125.*; do this"):
        network.require_connected("do this")
    Network.from_pairs(PAIRS).require_connected("nothing")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 15), st.integers(1, 40))
def test_loops_close_and_are_complete(seed, dates, pairs):
    network = random_network(np.random.default_rng(seed), dates, pairs)
    loops, incidence = network.loops().astype(int), network.incidence().astype(int)
    assert not (loops @ incidence).any()
    assert len(loops) == network.n_pairs - network.n_dates + network.n_components
    assert len(loops) == 0 or np.linalg.matrix_rank(loops) == len(loops)
    assert set(np.unique(loops)) <= {-1, 0, 1}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(1, 40))
def test_triplets_are_all_the_triangles(seed, dates, pairs):
    network = random_network(np.random.default_rng(seed), dates, pairs)
    have = {tuple(p) for p in network.pairs.tolist()}
    triangles = {
        (i, j, k)
        for i in range(dates)
        for j in range(i + 1, dates)
        for k in range(j + 1, dates)
        if {(i, j), (j, k), (i, k)} <= have
    }
    found = {(*network.pairs[ij].tolist(), int(network.secondary[jk])) for ij, jk, _ in network.triplets()}
    assert found == triangles
    for ij, jk, ik in network.triplets():
        assert not (network.incidence()[ij].astype(int) + network.incidence()[jk] - network.incidence()[ik]).any()


def test_baselines_are_closed_to_dates():
    network = nearest(6, 2)
    truth = np.array([0.0, 30.0, -80.0, 15.0, 60.0, 5.0])
    given_baselines = truth[network.secondary] - truth[network.reference]
    with_error = given_baselines.copy()
    with_error[3] += 6.0
    baseline, misclosure = Network.from_pairs(network.labels, given_baselines).date_baselines()
    np.testing.assert_allclose(baseline, truth, atol=1e-9)
    np.testing.assert_allclose(misclosure, 0, atol=1e-9)
    _, misclosure = Network.from_pairs(network.labels, with_error).date_baselines()
    assert np.argmax(np.abs(misclosure)) == 3
    np.testing.assert_allclose(network.incidence().T.astype(float) @ misclosure, 0, atol=1e-9)


def test_unknown_baselines_are_refused():
    with pytest.raises(NetworkError, match="has none"):
        nearest(4, 1).date_baselines()
    with pytest.raises(NetworkError, match="20200101_20200113 has no finite value"):
        Network.from_pairs(PAIRS, [np.nan, 1, 2, 3]).date_baselines()


def test_subset_drops_dates_without_pairs():
    network = Network.from_pairs(PAIRS, [1, 2, 3, 4]).subset(np.array([True, False, True, False]))
    assert network.labels == ["20200101_20200113", "20200101_20200125"]
    assert network.n_dates == 3
    np.testing.assert_array_equal(network.perpendicular_baseline, [1, 3])
    with pytest.raises(NetworkError, match="no pair is left"):
        network.subset(np.zeros(2, bool))


# -- selection: each limit alone, on a network where it matters ------------------------------------------------------

BAND = Network.from_pairs(nearest(8, 3).labels, np.linspace(-150, 150, 18))


def test_temporal_limit():
    np.testing.assert_array_equal(select(BAND, max_temporal_baseline=24), BAND.temporal_baseline <= 24)


def test_perpendicular_limit():
    keep = select(BAND, max_perpendicular_baseline=100)
    np.testing.assert_array_equal(keep, np.abs(BAND.perpendicular_baseline) <= 100)
    assert not keep.all()
    with pytest.raises(NetworkError, match="no perpendicular baselines"):
        select(nearest(4, 1), max_perpendicular_baseline=100)


def test_neighbour_limit():
    np.testing.assert_array_equal(select(BAND, max_neighbours=1), BAND.secondary - BAND.reference == 1)


def test_excluded_dates_and_pairs():
    keep = select(BAND, exclude_dates=["2020-01-13"])
    np.testing.assert_array_equal(keep, ~(BAND.pairs == 1).any(axis=1))
    keep = select(BAND, exclude_pairs=["20200101_20200113", ("2020-01-13", "2020-02-06")])
    assert [BAND.labels[k] for k in np.flatnonzero(~keep)] == ["20200101_20200113", "20200113_20200206"]
    with pytest.raises(ArgumentError, match="20210101 not among"):
        select(BAND, exclude_dates=["20210101"])
    with pytest.raises(ArgumentError, match="20200101_20200601 not among"):
        select(BAND, exclude_pairs=["20200101_20200601"])


def test_coherence_limit_keeps_a_spanning_tree():
    coherence = np.random.default_rng(0).uniform(0.1, 0.6, BAND.n_pairs)
    keep = select(BAND, min_coherence=0.99, coherence=coherence)
    kept = BAND.subset(keep)
    assert (kept.n_pairs, kept.n_dates, kept.n_components) == (7, 8, 1)
    # the tree of highest coherence: no dropped pair is better than the worst pair of the path it would close
    for dropped in np.flatnonzero(~keep):
        swapped = keep.copy()
        swapped[dropped] = True
        loop = np.flatnonzero(BAND.subset(swapped).loops()[0])
        assert coherence[np.flatnonzero(swapped)[loop]].min() == coherence[dropped]
    strict = select(BAND, min_coherence=0.3, coherence=coherence)
    np.testing.assert_array_equal(strict, (coherence >= 0.3) | keep)
    with pytest.raises(ArgumentError, match="mean coherence"):
        select(BAND, min_coherence=0.5)
