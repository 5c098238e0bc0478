"""Whole cycles by closure: known errors found, undecidable ones left alone, votes counted."""

import numpy as np
import pytest

from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.unwrapping.cycles import UNDECIDED, count_votes, cycles_by_closure, majority
from tests.networks import nearest, samples

NETWORK = nearest(14, 4)
PLAN = plan_elimination(NETWORK.pairs, NETWORK.n_dates)


def found(phase, **options):
    return cycles_by_closure(phase, PLAN, NETWORK.loops(), **options)


def consistent(pixels, *, noise=0.1, missing=0.0, seed=0):
    return samples(np.random.default_rng(seed), NETWORK, pixels, noise=noise, missing=missing)[0]


def test_single_errors_are_found_wherever_loops_tell():
    """Every pair of a nearest-4 network but those of the last date is checked by more pairs than it wrongs."""
    phase = consistent(NETWORK.n_pairs)
    truth = np.zeros(phase.shape, int)
    which = np.arange(NETWORK.n_pairs)
    truth[which, which] = np.where(which % 2, 1, -2)
    cycles, redundant = found(phase + 2 * np.pi * truth)
    np.testing.assert_array_equal(cycles, truth)
    assert (redundant == NETWORK.n_pairs - 13).all()


def test_a_tie_is_not_decided_and_others_do_not_suffer():
    phase = consistent(3)
    ends = (NETWORK.reference == 0) & (NETWORK.secondary > 2)  # the first date keeps two pairs: either may be wrong
    phase[ends] = np.nan
    phase[0, 1] += 2 * np.pi
    phase[NETWORK.n_pairs // 2, 2] += 2 * np.pi
    cycles, _ = found(phase)
    tied = (NETWORK.reference == 0) & ~ends
    assert (cycles[tied, 1] == UNDECIDED).all()
    assert not cycles[~ends & ~tied, 1].any()
    assert cycles[NETWORK.n_pairs // 2, 2] == 1
    assert (cycles[~ends][:, [0, 2]] != UNDECIDED).all()
    assert np.count_nonzero(cycles[~ends][:, [0, 2]]) == 1
    assert (cycles[ends] == UNDECIDED).all()


def test_a_long_loop_that_does_not_close_is_not_decided():
    """Five pairs in a ring share one wrong cycle: 0.2 each, within the tolerance, but the loop is open."""
    ring = [*nearest(5, 1).pairs.tolist(), [0, 4]]
    plan = plan_elimination(np.array(ring, np.int32), 5)
    loops = np.array([[1, 1, 1, 1, -1]], np.int8)
    phase = np.zeros((5, 2))
    phase[2, 0] = 2 * np.pi
    cycles, redundant = cycles_by_closure(phase, plan, loops)
    assert (cycles[:, 0] == UNDECIDED).all()
    assert (cycles[:, 1] == 0).all()
    assert redundant.tolist() == [1, 1]


def test_without_loops_nothing_is_decided():
    phase = consistent(2)
    phase[NETWORK.secondary - NETWORK.reference > 1, 0] = np.nan
    phase[:, 1] = np.nan
    cycles, redundant = found(phase)
    assert (cycles == UNDECIDED).all()
    assert redundant.tolist() == [0, 0]


def test_tolerance_and_reference_count():
    phase = consistent(40, noise=0.5)
    strict, loose = (found(phase, tolerance=t)[0] for t in (0.05, 0.45))
    assert (strict == UNDECIDED).sum() > (loose == UNDECIDED).sum()
    level = np.random.default_rng(1).normal(0, 3, NETWORK.n_pairs)
    phase = consistent(20)
    np.testing.assert_array_equal(found(phase + level[:, None], reference=level)[0], found(phase)[0])
    assert not np.array_equal(found(phase + level[:, None])[0], found(phase)[0])


def test_sign_and_order():
    phase = consistent(200, missing=0.05)
    rng = np.random.default_rng(2)
    phase += (2 * np.pi * rng.choice([-1, 1], phase.shape) * (rng.random(phase.shape) < 0.05)).astype(np.float32)
    cycles, _ = found(phase)
    flipped, _ = found(-phase)
    np.testing.assert_array_equal(np.where(cycles == UNDECIDED, 0, cycles), -np.where(flipped == UNDECIDED, 0, flipped))
    assert np.count_nonzero((cycles != 0) & (cycles != UNDECIDED)) > 100


def test_votes_and_majority():
    cycles = np.array([[1, 1, 0, UNDECIDED, 2], [0, 0, 0, 0, 5]], np.int16)
    labels = np.array([[1, 1, 1, 1, 2], [1, 1, 0, 2, 2]], np.uint16)
    votes, count = count_votes(cycles, labels)
    expected = {(0, 1, 0): 1, (0, 1, 1): 2, (0, 2, 2): 1, (1, 1, 0): 2, (1, 2, 0): 1, (1, 2, 5): 1}
    assert {tuple(v): c for v, c in zip(votes.tolist(), count.tolist(), strict=True)} == expected
    agreed = majority(votes, count)
    assert agreed.tolist() == [[0, 1, 1], [0, 2, 2], [1, 1, 0]]  # 1:1 is no majority
    twice = majority(np.concatenate([votes, votes]), np.concatenate([count, count]))
    np.testing.assert_array_equal(twice, agreed)
    assert majority(votes[:0], count[:0]).shape == (0, 3)


@pytest.mark.parametrize("pixels", [1, 100, 5000])
def test_bits_do_not_depend_on_the_block(pixels):
    phase = consistent(pixels, missing=0.05)
    phase[7] += 2 * np.pi
    whole, _ = found(phase)
    parts = [found(part)[0] for part in np.array_split(phase, min(pixels, 3), axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
