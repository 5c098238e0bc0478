"""Covariance of the dates and of what is fitted to them, against dense linear algebra and against the fit from pairs."""

import numpy as np
import pytest

from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.timefit.covariance import fit_terms_generalised, propagate, series_covariance
from insarray.kernels.timefit.least_squares import fit_terms

DATES = 12
PAIRS = np.array([(i, j) for i in range(DATES) for j in range(i + 1, min(i + 4, DATES))])


def incidence(pairs, dates):
    matrix = np.zeros((len(pairs), dates))
    matrix[np.arange(len(pairs)), pairs[:, 0]] = -1
    matrix[np.arange(len(pairs)), pairs[:, 1]] = 1
    return matrix


def case(pixels=20, missing=0.15, cut=5, seed=0):
    """Pairs with their own variances; from pixel 10 on the network is cut in two."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 2, DATES))
    design = np.column_stack([t, np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)])
    variance = rng.uniform(0.1, 4, (len(PAIRS), pixels))
    factors = rng.normal(size=(3, pixels))
    phase = incidence(PAIRS, DATES) @ design @ factors + np.sqrt(variance) * rng.normal(size=variance.shape)
    gone = rng.random(phase.shape) < missing
    across = (PAIRS[:, 0] <= cut) & (PAIRS[:, 1] > cut)
    gone[np.ix_(across, np.arange(pixels) >= 10)] = True
    phase[gone], variance[gone] = np.nan, np.nan
    return phase, variance, design, factors


def solved(phase, weight):
    solution = solve(phase, plan_elimination(PAIRS, DATES), weight, scale=1.0, std=True)
    return solution.phase.astype(float), solution.label, solution.std


@pytest.mark.parametrize("weighted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_series_covariance_equals_pseudo_inverses(weighted):
    phase, variance, _, _ = case(cut=-1)
    weight = 1 / variance if weighted else None
    label = solved(phase, weight)[1]
    covariance = series_covariance(PAIRS, label, variance, weight)
    for p in range(phase.shape[1]):
        used = np.isfinite(phase[:, p])
        a = incidence(PAIRS, DATES)[used, 1:]
        w = weight[used, p] if weighted else np.ones(used.sum())
        estimator = np.linalg.pinv(np.sqrt(w)[:, None] * a) * np.sqrt(w)
        tied = label[1:, p] == 1
        expected = (estimator * variance[used, p] @ estimator.T)[np.ix_(tied, tied)]
        found = covariance[1:, 1:, p][np.ix_(tied, tied)]
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
        assert not covariance[0, label[:, p] == 1, p].any()


def test_its_diagonal_is_the_variance_of_the_elimination_also_across_a_gap():
    phase, variance, _, _ = case()
    _, label, std = solved(phase, 1 / variance)
    covariance = series_covariance(PAIRS, label, variance, 1 / variance)
    diagonal = np.einsum("iip->ip", covariance)
    np.testing.assert_allclose(diagonal[label > 0], std[label > 0].astype(float) ** 2, rtol=1e-5, atol=1e-12)
    assert np.isnan(diagonal[label == 0]).all()
    for p in range(10, 20):
        apart = (label[:, None, p] != label[None, :, p]) & (label[:, None, p] > 0) & (label[None, :, p] > 0)
        assert not covariance[apart, p].any()


@pytest.mark.slow
def test_generalised_fit_of_the_series_is_the_fit_of_the_pairs():
    """Theorem: the series with its covariance holds all that the pairs say of the terms, gaps included."""
    phase, variance, design, _ = case()
    series, label, _ = solved(phase, 1 / variance)
    covariance = series_covariance(PAIRS, label, variance, 1 / variance)
    ours = fit_terms_generalised(series, design, covariance, label=label)
    direct = fit_terms(phase, incidence(PAIRS, DATES) @ design, offsets=False, weight=1 / variance)
    np.testing.assert_allclose(ours.terms, direct.terms, rtol=2e-4, atol=1e-5)  # the series is float32
    np.testing.assert_allclose(ours.covariance, direct.covariance, rtol=1e-6, atol=1e-9)


def test_generalised_fit_with_a_diagonal_is_the_weighted_fit():
    rng = np.random.default_rng(1)
    design = case()[2]
    series, label = rng.normal(size=(DATES, 30)), np.ones((DATES, 30), np.uint8)
    label[7:, 15:] = 2
    series[rng.random(series.shape) < 0.1] = np.nan
    variance = rng.uniform(0.5, 2, series.shape)
    own = rng.normal(size=(1, *series.shape))
    full = variance[:, None] * np.eye(DATES)[:, :, None]
    ours = fit_terms_generalised(series, design, full, label=label, columns=own, residuals=True)
    weighted = fit_terms(series, design, label=label, weight=1 / variance, columns=own, residuals=True)
    for name in ("terms", "covariance", "offset", "square", "freedom", "used"):
        np.testing.assert_allclose(getattr(ours, name), getattr(weighted, name), rtol=1e-7, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(ours.residual, weighted.residual, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_propagation_equals_the_matrix_product(weighted):
    rng = np.random.default_rng(2)
    design = case()[2]
    series = rng.normal(size=(DATES, 5))
    series[3, 1] = np.nan
    weight = rng.uniform(0.5, 2, series.shape) if weighted else None
    own = rng.normal(size=(1, *series.shape))
    root = rng.normal(size=(DATES, DATES, 5))
    covariance = np.einsum("ikp,jkp->ijp", root, root)
    fit = propagate(
        fit_terms(series, design, weight=weight, columns=own), design, covariance, series, weight=weight, columns=own
    )
    for p in range(5):
        used = np.isfinite(series[:, p])
        g = np.column_stack([design, own[0, :, p], np.ones(DATES)])[used]
        w = np.ones(used.sum()) if weight is None else weight[used, p]
        estimator = np.linalg.solve(g.T * w @ g, g.T * w)
        expected = estimator @ covariance[np.ix_(used, used)][..., p] @ estimator.T
        np.testing.assert_allclose(fit.covariance[..., p], expected[:4, :4], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(fit.offset[1, p], expected[4, 4], rtol=1e-8)


def test_what_is_common_to_all_dates_does_not_count():
    """A covariance relative to any date gives the same: the noise of the reference is in the offset."""
    rng = np.random.default_rng(3)
    design = case()[2]
    series = rng.normal(size=(DATES, 3))
    root = rng.normal(size=(DATES, DATES))
    covariance = (root @ root.T)[:, :, None]
    to_first = np.eye(DATES) - np.outer(np.ones(DATES), np.eye(DATES)[0])
    relative = (to_first @ covariance[..., 0] @ to_first.T)[:, :, None]
    fit = fit_terms(series, design)
    np.testing.assert_allclose(
        propagate(fit, design, relative, series).covariance,
        propagate(fit, design, covariance, series).covariance,
        rtol=1e-9,
    )
    one, other = (fit_terms_generalised(series, design, c) for c in (relative, covariance))
    np.testing.assert_allclose(one.terms, other.terms, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-7)


def test_a_covariance_that_is_none_gives_nan():
    series = np.arange(5.0)[:, None]
    covariance = np.zeros((5, 5, 1))
    assert np.isnan(fit_terms_generalised(series, np.arange(5.0)[:, None], covariance).terms).all()
