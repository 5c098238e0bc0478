"""Numbers beyond what they are counted or computed in: right, no data, or refused; never wrong in silence."""

import itertools

import numpy as np
import pytest

import insarray as ia
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.model import network as network_module
from insarray.model.errors import ArgumentError, NetworkError
from insarray.model.network import Network
from insarray.products.timefit import block_fit
from insarray.simulate.stacks import simulate_stack


@pytest.mark.parametrize("gap", [False, True])
def test_more_pairs_than_16_bits_count(account, gap):
    some = np.array(list(itertools.combinations(range(20), 2)), np.int32)
    pairs = np.tile(some, (350, 1))  # the kernel minds no pair that is there twice
    assert len(pairs) > 2**16
    level = np.linspace(0, 3, 20)
    noise = np.random.default_rng(0).normal(0, 0.5, (len(pairs), 4))
    phase = ((level[pairs[:, 1]] - level[pairs[:, 0]])[:, None] + noise).astype(np.float32)
    if gap:
        phase[7] = np.nan
    solved = solve(phase, plan_elimination(pairs, 20), std=True)
    residual = phase.astype(np.float64) - (solved.phase[pairs[:, 1]] - solved.phase[pairs[:, 0]])
    assert (solved.used == len(pairs) - gap).all()
    np.testing.assert_allclose(solved.temporal_coherence, np.abs(np.nanmean(np.exp(1j * residual), axis=0)), rtol=1e-5)
    np.testing.assert_allclose(solved.residual_rms, np.sqrt(np.nanmean(residual**2, axis=0)), rtol=1e-4)
    assert (solved.redundancy == len(pairs) - gap - 19).all()
    if gap:
        account("more pairs than 16 bits count", "66,500, with a gap and without", 2, 0, "right to single precision")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_samples_that_are_no_phase_count_as_missing(account, norm, weighted):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=6, missing=0, water=False)
    where = np.random.default_rng(1).random(stack.unwrapped_phase.shape) < 0.1
    where[:, 2, 2] = False
    how = {"reference": (2, 2), "norm": norm, "weights": "coherence" if weighted else "none"}
    expected = ia.invert(stack.assign(unwrapped_phase=stack.unwrapped_phase.where(~where)), **how).compute()
    for huge in (2.0**25, -(2.0**25), 1e10, 1e20, -1e30, 3.4e38):
        phase = stack.unwrapped_phase.where(~where, np.float32(huge))
        found = ia.invert(stack.assign(unwrapped_phase=phase), **how).compute()
        for name in expected.data_vars:
            np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=f"{name}, {huge}")
    assert (found.number_of_observations < ia.invert(stack, **how).number_of_observations).any()
    if norm == "l1" and weighted:
        account(
            "samples that are no phase", "2^25 rad to 3.4e38, L2 and L1, weights", 24, 0, "as without these samples"
        )


def test_weights_of_any_size_give_no_coherence_beyond_one(account):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=6, missing=0, water=False)
    size = np.random.default_rng(2).choice([1e-38, 1.0, 1e20, 3e38], stack.unwrapped_phase.shape).astype(np.float32)
    weights = stack.unwrapped_phase.copy(data=size)
    series = ia.invert(stack, reference=(2, 2), weights=weights).compute()
    assert not (series.temporal_coherence > 1.0001).any()
    account("weights of any size", "1e-38 to 3e38", 1, 0, "coherence at most 1")


def test_more_dates_than_are_counted(monkeypatch, account):
    monkeypatch.setattr(network_module, "MOST_DATES", 3)
    pairs = [("20200101", "20200113"), ("20200113", "20200125")]
    assert Network.from_pairs(pairs).n_dates == 3
    with pytest.raises(NetworkError, match="of 4 dates; at most 3 can be counted"):
        Network.from_pairs([*pairs, ("20200125", "20200206")])
    account("more dates than are counted", "limit lowered", 1, 0, "exit 2")


def test_a_fit_of_more_pairs_than_are_counted(monkeypatch, account):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=6, missing=0, water=False)
    monkeypatch.setattr(block_fit, "MOST_ROWS", stack.sizes["pair"] - 1)
    with pytest.raises(ArgumentError, match=f"fit: of {stack.sizes['pair']} pairs; at most"):
        ia.fit(stack, reference=(2, 2))
    assert ia.fit(ia.invert(stack, reference=(2, 2))).velocity.notnull().any()
    account("fit of more pairs than are counted", "limit lowered", 1, 0, "exit 2")
