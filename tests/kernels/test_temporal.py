"""Linear fit against numpy's, with gaps, missing dates and several subsets."""

import numpy as np

from insarray.kernels.temporal import fit_linear


def reference(series, label, years):
    """Slope and standard error by LAPACK with one offset per subset."""
    used = np.isfinite(series) & (label > 0)
    subsets = np.unique(label[used])
    design = np.column_stack([years[used], *((label[used] == q).astype(float) for q in subsets)])
    coefficients = np.linalg.lstsq(design, series[used].astype(float), rcond=None)[0]
    residual = series[used] - design @ coefficients
    freedom = used.sum() - design.shape[1]
    covariance = np.linalg.inv(design.T @ design) * (residual @ residual / freedom)
    return coefficients[0], np.sqrt(covariance[0, 0])


def test_equals_lapack_with_offsets_per_subset():
    rng = np.random.default_rng(0)
    years = np.sort(rng.uniform(0, 4, 20))
    series = (0.03 * years[:, None] + 0.01 * rng.normal(size=(20, 30))).astype(np.float32)
    label = np.ones((20, 30), np.uint8)
    label[8:, 10:] = 2
    series[8:, 10:] += 5.0
    label[15:, 20:] = 3
    series[rng.random(series.shape) < 0.1] = np.nan
    label[3, :] = 0
    slope, std = fit_linear(series, label, years)
    for p in range(30):
        expected = reference(series[:, p], label[:, p], years)
        np.testing.assert_allclose([slope[p], std[p]], expected, rtol=1e-6)


def test_a_gap_does_not_bend_the_velocity():
    years = np.arange(10) * 0.1
    series = (0.05 * years)[:, None].astype(np.float32)
    label = np.ones((10, 1), np.uint8)
    series[5:] -= series[5]
    label[5:] = 2
    np.testing.assert_allclose(fit_linear(series, label, years)[0], 0.05, rtol=1e-5)


def test_too_few_dates_give_nan():
    years = np.arange(4.0)
    series = np.full((4, 3), np.nan, np.float32)
    series[0, 1] = 1.0
    series[:2, 2] = [0.0, 2.0]
    slope, std = fit_linear(series, np.ones((4, 3), np.uint8), years)
    np.testing.assert_array_equal(slope, [np.nan, np.nan, 2.0])
    assert np.isnan(std).all()
