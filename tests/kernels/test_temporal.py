"""Time functions against LAPACK, with gaps, missing dates, several subsets, and terms that cannot be determined."""

import numpy as np
import pytest

from insarray.kernels.timefit.least_squares import fit_terms


def lapack(series, label, design):
    """Factors and standard errors by LAPACK with one offset per subset."""
    used = np.isfinite(series) & (label > 0)
    subsets = np.unique(label[used])
    columns = np.column_stack([design[used], *((label[used] == q).astype(float) for q in subsets)])
    coefficients = np.linalg.lstsq(columns, series[used].astype(float), rcond=None)[0]
    residual = series[used] - columns @ coefficients
    freedom = used.sum() - columns.shape[1]
    covariance = np.linalg.inv(columns.T @ columns) * (residual @ residual / freedom)
    count = design.shape[1]
    return coefficients[:count], np.sqrt(np.diag(covariance)[:count])


def case(pixels=30, dates=40, seed=0):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 4, dates))
    design = np.column_stack([t, t**2 / 2, np.cos(2 * np.pi * t), np.sin(2 * np.pi * t), t > 2, np.maximum(t - 1, 0)])
    factors = rng.normal(0, 0.02, (design.shape[1], pixels))
    series = (design @ factors + 0.01 * rng.normal(size=(dates, pixels))).astype(np.float32)
    return series, np.ones(series.shape, np.uint8), design, factors


@pytest.mark.parametrize("terms", [1, 3, 6])
def test_equals_lapack_with_offsets_per_subset(terms):
    series, label, design, _ = case()
    rng = np.random.default_rng(1)
    label[18:, 10:] = 2
    series[18:, 10:] += 5.0
    label[31:, 20:] = 3
    series[rng.random(series.shape) < 0.1] = np.nan
    label[3, :] = 0
    fit = fit_terms(series, design[:, :terms], label=label)
    for p in range(30):
        factors, std = lapack(series[:, p], label[:, p], design[:, :terms])
        np.testing.assert_allclose(fit.terms[:, p], factors, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(fit.std[:, p], std, rtol=1e-6)


def test_bits_do_not_depend_on_the_block():
    series, label, design, _ = case(pixels=50)
    series[:, ::2][np.random.default_rng(2).random(series[:, ::2].shape) < 0.1] = np.nan  # the others are complete
    whole = fit_terms(series, design, label=label)
    for part in np.array_split(np.random.default_rng(3).permutation(50), 4):
        for ours, expected in zip(fit_terms(series[:, part], design, label=label[:, part]), whole, strict=True):
            np.testing.assert_array_equal(ours, expected[..., part])


def test_a_gap_does_not_bend_the_velocity():
    years = np.arange(10) * 0.1
    series = (0.05 * years)[:, None].astype(np.float32)
    label = np.ones((10, 1), np.uint8)
    series[5:] -= series[5]
    label[5:] = 2
    np.testing.assert_allclose(fit_terms(series, years[:, None], label=label).terms, 0.05, rtol=1e-5)


def test_too_few_dates_give_nan():
    years = np.arange(4.0)
    series = np.full((4, 3), np.nan, np.float32)
    series[0, 1] = 1.0
    series[:2, 2] = [0.0, 2.0]
    fit = fit_terms(series, years[:, None])
    np.testing.assert_allclose(fit.terms[0], [np.nan, np.nan, 2.0], rtol=1e-12)
    assert np.isnan(fit.std).all()
    assert fit.freedom.tolist() == [0, 0, 0]


def test_terms_that_the_dates_do_not_determine_are_nan_and_the_others_right():
    series, label, design, _ = case(pixels=3)
    columns = np.column_stack([design[:, 0], design[:, 2:4], design[:, 4], design[:, 4] * 2])
    series[:, 1] = np.where(design[:, 4] > 0, np.nan, series[:, 1])  # nothing after the step
    fit = fit_terms(series, columns, label=label)
    determined = np.isfinite(fit.terms)
    assert determined[:, 0].tolist() == [True, True, True, False, False]  # a step and its double
    assert determined[:, 1].tolist() == [True, True, True, False, False]
    for p in (0, 1):
        terms = [0, 1, 2, 3] if p == 0 else [0, 1, 2]
        factors, std = lapack(series[:, p], label[:, p], columns[:, terms])
        np.testing.assert_allclose(fit.terms[:3, p], factors[:3], rtol=1e-6)
        np.testing.assert_allclose(fit.std[:3, p], std[:3], rtol=1e-6)


def test_standard_errors_agree_with_the_scatter():
    _, _, design, factors = case(pixels=1)
    rng = np.random.default_rng(5)
    many = (design @ factors + 0.01 * rng.normal(size=(len(design), 20000))).astype(np.float32)
    fit = fit_terms(many, design)
    ratio = fit.terms.std(axis=1) / np.sqrt((fit.std**2).mean(axis=1))
    np.testing.assert_allclose(ratio, 1.0, atol=0.02)
    np.testing.assert_allclose(fit.terms.mean(axis=1), factors[:, 0], atol=4 * fit.std.mean() / np.sqrt(20000) * 3)
