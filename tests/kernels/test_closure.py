"""Closure of loops: against a sum pixel by pixel, by what 2 pi errors must do, and by pairs known to be bad."""

import math

import numpy as np
import pytest

from insarray.kernels.unwrapping.closure import close_loops, find_suspects, sum_loops, sum_over_pairs
from insarray.model.loops import find_loops
from tests.networks import nearest, random_network, samples

TURN = 2 * math.pi


def by_hand(phase, loops, reference):
    """Closure phase, whole cycles by the wrapped phase, and the counts: one pixel and one side at a time."""
    closure = np.full((len(loops), phase.shape[1]), np.nan)
    for p in range(phase.shape[1]):
        for n in range(len(loops)):
            total = 0.0
            for k, sign in zip(loops.pairs[n], loops.signs[n], strict=True):
                if sign:
                    total += int(sign) * (float(phase[k, p]) - float(reference[k]))
            if math.isfinite(total):
                closure[n, p] = total
    wrapped = np.angle(np.exp(1j * closure))
    cycles = np.round((closure - wrapped) / TURN)
    return closure, cycles, np.isfinite(closure).sum(axis=0), (np.abs(cycles) > 0).sum(axis=0)


def stack(seed=0, *, kind="triplets", missing=0.15, pixels=700, jumps=0.1):
    rng = np.random.default_rng(seed)
    network = random_network(rng, 9, 22)
    phase, _ = samples(rng, network, pixels, missing=missing)
    phase += (TURN * rng.integers(-3, 4, phase.shape) * (rng.random(phase.shape) < jumps)).astype(np.float32)
    return rng, network, find_loops(network, kind), phase


@pytest.mark.parametrize("kind", ["triplets", 4, "fundamental"])
def test_equals_the_sum_by_hand(kind):
    rng, network, loops, phase = stack(kind=kind)
    phase[3, 5] = np.inf
    reference = rng.normal(size=network.n_pairs)
    found = close_loops(phase, loops.pairs, loops.signs, reference)
    closure, cycles, observed, nonzero = by_hand(phase, loops, reference)
    np.testing.assert_array_equal(found.phase, closure.astype(np.float32))
    np.testing.assert_array_equal(found.cycles, cycles.astype(np.float32))
    np.testing.assert_array_equal(found.loops, observed)
    np.testing.assert_array_equal(found.nonzero, nonzero)
    assert 0 < nonzero.mean() < observed.mean() < len(loops)
    without = close_loops(phase, loops.pairs, loops.signs)
    np.testing.assert_array_equal(without.phase, by_hand(phase, loops, np.zeros(network.n_pairs))[0].astype(np.float32))


def test_a_consistent_stack_closes():
    rng = np.random.default_rng(3)
    network = random_network(rng, 9, 22)
    series = 50 * np.cumsum(rng.normal(size=(9, 40)), axis=0)
    for kind in ("triplets", 4, "fundamental"):
        loops = find_loops(network, kind)
        found = close_loops(series[network.secondary] - series[network.reference], loops.pairs, loops.signs)
        assert np.abs(found.phase).max() < 1e-12 * np.abs(series).max() * 100
        assert not found.cycles.any()


def test_whole_cycles_of_one_pair_go_to_exactly_its_loops():
    _, _, loops, phase = stack(missing=0.0, jumps=0.0)
    before = close_loops(phase, loops.pairs, loops.signs)
    for k, cycles in ((4, 1), (7, -2)):
        moved = phase.astype(np.float64)
        moved[k] += TURN * cycles
        after = close_loops(moved, loops.pairs, loops.signs)
        sign = np.where(loops.pairs == k, loops.signs, 0).sum(axis=1)
        assert set(sign) == {-1, 0, 1} or set(sign) == {0, 1}
        np.testing.assert_array_equal(
            after.cycles - before.cycles, np.broadcast_to(cycles * sign[:, None], (len(loops), 700))
        )
        np.testing.assert_array_equal(after.phase[sign == 0], before.phase[sign == 0])


def test_the_other_sign_negates():
    _, _, loops, phase = stack()
    one, other = (close_loops(s * phase, loops.pairs, loops.signs) for s in (np.float32(1), np.float32(-1)))
    np.testing.assert_array_equal(one.phase, -other.phase)
    np.testing.assert_array_equal(one.cycles, -other.cycles)
    np.testing.assert_array_equal(one.nonzero, other.nonzero)


def test_order_of_the_pairs_does_not_matter():
    rng, _, loops, phase = stack()
    order = rng.permutation(len(phase))
    place = np.argsort(order)
    moved = np.where(loops.pairs >= 0, place[loops.pairs], -1)
    one, other = close_loops(phase, loops.pairs, loops.signs), close_loops(phase[order], moved, loops.signs)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_pixels_are_on_their_own():
    """Any part of the pixels gives the same bits: groups of 512 end anywhere."""
    _, _, loops, phase = stack(pixels=1300)
    whole = close_loops(phase, loops.pairs, loops.signs)
    for part in (slice(0, 1), slice(3, 517), slice(511, 1300), slice(40, 40)):
        found = close_loops(phase[:, part], loops.pairs, loops.signs)
        np.testing.assert_array_equal(found.phase, whole.phase[:, part])
        np.testing.assert_array_equal(found.nonzero, whole.nonzero[part])


@pytest.mark.parametrize("kind", ["triplets", "fundamental"])
def test_sums(kind):
    _, network, loops, phase = stack(kind=kind, missing=0.4)
    found = close_loops(phase, loops.pairs, loops.signs)
    sums = sum_loops(found.phase, found.cycles, loops.pairs, network.n_pairs)
    seen = np.isfinite(found.phase)
    np.testing.assert_array_equal(sums.observed, seen.sum(axis=1))
    np.testing.assert_array_equal(sums.nonzero, (np.nan_to_num(found.cycles) != 0).sum(axis=1))
    rest = found.phase.astype(float) - TURN * found.cycles.astype(float)
    assert np.nanmax(np.abs(rest)) <= math.pi + 1e-5
    np.testing.assert_allclose(sums.square, np.nansum(rest**2, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(sums.pixels, [(found.loops > 0).sum(), (found.nonzero > 0).sum()])
    for k in range(network.n_pairs):
        mine = (loops.pairs == k).any(axis=1)
        assert sums.pair_observed[k] == seen[mine].any(axis=0).sum()
        assert sum_over_pairs(sums.observed, loops.pairs, network.n_pairs)[k] == seen[mine].sum()
    assert 0 < sums.pixels[0] < 700


# -- pairs to doubt ------------------------------------------------------------------------------------------------


def statistics(network, share, seed=0, pixels=2000):
    """Loops and their counts when `share[k]` of the pixels of pair k are one cycle off."""
    rng = np.random.default_rng(seed)
    loops = find_loops(network)
    phase = samples(rng, network, pixels, noise=0.05)[0].astype(float)
    for k, part in share.items():
        phase[k, rng.random(pixels) < part] += TURN
    found = close_loops(phase, loops.pairs, loops.signs)
    sums = sum_loops(found.phase, found.cycles, loops.pairs, network.n_pairs)
    return loops, sums


def named(network, share, threshold=0.05, **options):
    loops, sums = statistics(network, share, **options)
    unclosed, order = find_suspects(sums.observed, sums.nonzero, loops.pairs, network.temporal_baseline, threshold)
    return loops, unclosed, {int(k): int(order[k]) for k in np.flatnonzero(order)}


@pytest.mark.parametrize("seed", range(5))
def test_bad_pairs_are_named_worst_first(seed):
    network = nearest(20, 4)
    bad = {10: 0.6, 31: 0.4, 47: 0.2}
    loops, unclosed, order = named(network, bad, seed=seed)
    assert sorted(order) == sorted(bad)
    assert order[10] == 1
    assert sorted(order.values()) == [1, 2, 3]
    np.testing.assert_array_equal(unclosed, np.isin(loops.pairs, list(bad)).any(axis=1))


def test_the_threshold_decides_what_is_unclosed():
    network = nearest(12, 3)
    assert list(named(network, {8: 0.1})[2]) == [8]
    assert named(network, {8: 0.1}, threshold=0.2)[2] == {}
    assert list(named(network, {8: 0.004}, threshold=0.0)[2]) == [8]
    _, unclosed, order = named(network, {})
    assert not unclosed.any()
    assert order == {}


def test_of_equals_the_longer_pair_is_named():
    """The first pair of a nearest-2 network has one triplet, and so has the pair of two steps: not to be told apart."""
    network = nearest(6, 2)
    assert network.labels[1] == "20200101_20200125"
    assert list(named(network, {0: 0.5})[2]) == [1]
    assert list(named(network, {1: 0.5})[2]) == [1]


@pytest.mark.parametrize("seed", range(4))
def test_leaving_out_the_named_pairs_never_cuts_the_network(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng, 12, 30)
    pairs = network.n_pairs
    bad = {int(k): float(rng.uniform(0.1, 1)) for k in rng.permutation(pairs)[:15]}
    loops, unclosed, order = named(network, bad, seed=seed)
    assert unclosed.any()
    keep = np.ones(pairs, bool)
    keep[list(order)] = False
    kept = network.subset(keep)
    assert (kept.n_dates, kept.n_components) == (network.n_dates, network.n_components)
    assert np.isin(loops.pairs[unclosed], list(order)).any(axis=1).all()


def test_nothing_observed_is_nothing_to_doubt():
    loops = find_loops(nearest(5, 2))
    zero = np.zeros(len(loops), np.int64)
    unclosed, order = find_suspects(zero, zero, loops.pairs, nearest(5, 2).temporal_baseline, 0.0)
    assert not unclosed.any()
    assert not order.any()
