"""Phase variance against closed forms and simulation; weights monotone in coherence."""

import numpy as np
import pytest
from scipy.special import spence

from insarray.kernels.variance import COHERENCE_LIMITS, pair_weights, phase_variance_cramer_rao, phase_variance_ds
from insarray.model.errors import ArgumentError

G = np.array([0.0, 0.1, 0.3, 0.5, 0.8, 0.95, 0.99, 0.999])


def test_one_look_has_a_closed_form():
    exact = np.pi**2 / 3 - np.pi * np.arcsin(G) + np.arcsin(G) ** 2 - spence(1 - G**2) / 2
    np.testing.assert_allclose(phase_variance_ds(G, 1), exact, rtol=1e-9)


@pytest.mark.parametrize(("looks", "coherence"), [(2, 0.3), (5, 0.6), (20, 0.15), (20, 0.9)])
def test_agrees_with_simulated_looks(looks, coherence):
    rng = np.random.default_rng(0)
    draws = 200_000
    interferogram = np.zeros(draws, complex)
    for _ in range(looks):
        a, b = ((rng.normal(size=draws) + 1j * rng.normal(size=draws)) for _ in range(2))
        interferogram += a * np.conj(coherence * a + np.sqrt(1 - coherence**2) * b)
    simulated = np.mean(np.angle(interferogram) ** 2)
    np.testing.assert_allclose(phase_variance_ds(coherence, looks), simulated, rtol=0.02)


def test_limits():
    np.testing.assert_allclose(phase_variance_ds(0.0, 20), np.pi**2 / 3)
    np.testing.assert_allclose(phase_variance_ds(0.9, 5000), phase_variance_cramer_rao(0.9, 5000), rtol=1e-3)
    assert (phase_variance_ds(G[1:], 10) > phase_variance_cramer_rao(G[1:], 10)).sum() >= 4


@pytest.mark.parametrize("looks", [1, 2.5, 20, 300])
def test_weights_are_the_inverse_variance(looks):
    g = np.random.default_rng(1).uniform(*COHERENCE_LIMITS, 3000).astype(np.float32)
    np.testing.assert_allclose(pair_weights(g, "variance", looks) * phase_variance_ds(g, looks), 1, rtol=1e-4)
    np.testing.assert_allclose(pair_weights(g, "fisher", looks) * phase_variance_cramer_rao(g, looks), 1, rtol=1e-6)


@pytest.mark.parametrize("weights", ["coherence", "variance", "fisher"])
def test_better_pairs_weigh_more(weights):
    values = pair_weights(np.linspace(*COHERENCE_LIMITS, 500, dtype=np.float32), weights, 20)
    assert (np.diff(values) > 0).all()


def test_edges():
    g = np.array([[np.nan, -0.1], [1.1, 0.5]], np.float32)
    weight = pair_weights(g, "coherence", None)
    assert np.isnan(weight[0, 0])
    np.testing.assert_allclose(weight[0, 1], COHERENCE_LIMITS[0])
    np.testing.assert_allclose(weight[1, 0], COHERENCE_LIMITS[1])
    np.testing.assert_allclose(weight[1, 1], 0.5)
    assert pair_weights(g, "none", None) is None


@pytest.mark.parametrize("looks", [None, 0.5, np.nan])
def test_impossible_looks_are_refused(looks):
    with pytest.raises(ArgumentError, match="looks"):
        pair_weights(np.ones(3, np.float32), "variance", looks)


def test_impossible_coherence_is_refused():
    with pytest.raises(ArgumentError, match="coherence"):
        phase_variance_ds(1.0, 10)
