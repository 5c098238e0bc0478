"""Series of components against LAPACK: motion, covariance, what the data do not see, residuals."""

import numpy as np
import pytest

from insarray.kernels.components.series import Dates, solve_series
from tests.kernels.test_components import ASCENDING, DESCENDING, LEFT, vector

PIXELS = 40


def scene(tracks, knots, missing, *, north):
    """Samples at random times of a year, with as many of them missing."""
    rng = np.random.default_rng(tracks)
    times = [np.sort(rng.uniform(0, 1, 20)) for _ in range(tracks)]
    every, at = np.concatenate(times), np.linspace(0, 1, knots)
    knot = np.clip(np.searchsorted(at, every, side="right") - 1, 0, knots - 2)
    part = (every - at[knot]) / (at[knot + 1] - at[knot])
    vectors = np.stack([ASCENDING, DESCENDING, LEFT, vector(44, -12)][:tracks])[:, :, None]
    vectors = vectors + rng.normal(0, 0.01, (tracks, 3, PIXELS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values = [rng.normal(0, 0.02, (20, PIXELS)).astype("f4") for _ in range(tracks)]
    for samples in values:
        samples[rng.random(samples.shape) < missing] = np.nan
    sigma = [rng.uniform(0.002, 0.01, (20, PIXELS)).astype("f4") for _ in range(tracks)]
    given = np.stack([rng.normal(0, 0.02, PIXELS), np.full(PIXELS, 0.005)]).astype("f4") if north else None
    dates = Dates(np.repeat(np.arange(tracks), 20), knot, part, every)
    return values, sigma, vectors.astype("f4"), given, dates, at


def dense(values, sigma, vectors, north, dates, knots, axes, p):
    """By the pseudo-inverse of the whole design matrix of a pixel."""
    samples, spread = (np.concatenate(of)[:, p].astype(float) for of in (values, sigma))
    m, motion = len(axes), (len(knots) - 1) * len(axes)
    design = np.zeros((len(samples), motion + len(values)))
    for n, (track, knot, part) in enumerate(zip(dates.track, dates.knot, dates.part, strict=True)):
        for j, share in ((knot, 1 - part), (knot + 1, part)):
            if j > 0:
                design[n, (j - 1) * m : j * m] += share * vectors[track, axes, p]
        design[n, motion + track] = 1
    moved = vectors[dates.track, 1, p].astype(float) * dates.years
    use = np.isfinite(samples)
    data = samples if north is None else samples - moved * float(north[0, p])
    weighted = design[use] / spread[use, None]
    left, values_, right = np.linalg.svd(weighted)
    rank = int((values_ > 1e-9 * values_[0]).sum())
    inverse = (right[:rank].T / values_[:rank]) @ left[:, :rank].T
    solution = inverse @ (data[use] / spread[use])
    unseen = (np.abs(right[rank:]) > 1e-6).any(axis=0)
    misfit = np.square(weighted @ solution - data[use] / spread[use]).sum()
    return solution, inverse @ inverse.T, inverse @ (moved[use] / spread[use]), unseen, misfit, use.sum() - rank


@pytest.mark.parametrize(
    ("tracks", "free", "knots", "missing", "north"),
    [
        (2, False, 8, 0.2, True),
        (2, False, 8, 0.6, True),
        (3, True, 6, 0.3, False),
        (4, False, 12, 0.5, False),
        (4, True, 6, 0.3, False),
    ],
)
def test_motion_and_covariance_are_those_of_lapack(tracks, free, knots, missing, north):
    case = scene(tracks, knots, missing, north=north)
    found = solve_series(*case, free=free, scaled=False, max_dilution=1e9)
    values, sigma, vectors, given, dates, at = case
    axes, lost = [0, 1, 2] if free else [0, 2], 0
    for p in range(PIXELS):
        solution, covariance, moved, unseen, misfit, freedom = dense(values, sigma, vectors, given, dates, at, axes, p)
        assert found.freedom[p] == freedom
        assert found.misfit[p] == pytest.approx(misfit, rel=1e-5, abs=1e-6)
        deviation = 0.0 if given is None else float(given[1, p])
        for j in range(1, knots):
            part = slice((j - 1) * len(axes), j * len(axes))
            if unseen[part].any():
                lost += 1
                assert np.isnan(found.estimate[:, j, p]).all()
                continue
            error = found.estimate[axes, j, p] - solution[part]
            expected = covariance[part, part] + deviation**2 * np.outer(moved[part], moved[part])
            assert (np.abs(error) < 1e-4 * np.sqrt(np.diag(expected))).all()
            np.testing.assert_allclose(found.std[axes, j, p] ** 2, np.diag(expected), rtol=1e-4)
            scale = np.sqrt(expected[0, 0] * expected[-1, -1])
            assert found.covariance[0, j, p] == pytest.approx(expected[0, -1], abs=1e-4 * scale)
            if free:
                assert found.covariance[1, j, p] == pytest.approx(expected[0, 1], abs=1e-4 * np.abs(expected).max())
                assert found.covariance[2, j, p] == pytest.approx(expected[1, 2], abs=1e-4 * np.abs(expected).max())
            elif given is not None:
                assert found.estimate[1, j, p] == pytest.approx(float(given[0, p]) * at[j], rel=1e-5)
                assert found.covariance[1, j, p] == pytest.approx(-moved[part][0] * deviation**2 * at[j], rel=1e-4)
                assert found.covariance[2, j, p] == pytest.approx(-moved[part][1] * deviation**2 * at[j], rel=1e-4)
    assert lost > 0


def test_relative_deviations_are_scaled_by_the_residuals():
    values, _, vectors, _, dates, at = scene(2, 5, 0.1, north=False)
    ones = [np.ones((20, 1), "f4")] * 2
    plain, scaled = (
        solve_series(values, ones, vectors, None, dates, at, free=False, scaled=of, max_dilution=1e9)
        for of in (False, True)
    )
    ratio = np.sqrt(plain.misfit / plain.freedom)
    np.testing.assert_allclose(scaled.std[0, 1:], plain.std[0, 1:] * ratio, rtol=1e-5)
    np.testing.assert_allclose(scaled.covariance[0, 1:], plain.covariance[0, 1:] * ratio**2, rtol=1e-5)


def test_a_date_with_too_large_an_error_is_none():
    values, sigma, vectors, _, dates, at = scene(2, 8, 0.2, north=False)
    wide, narrow = (
        solve_series(values, sigma, vectors, None, dates, at, free=False, scaled=False, max_dilution=most)
        for most in (1e9, 2.0)
    )
    worst = np.maximum(wide.std[0], wide.std[2]) / wide.level
    beyond = worst > 2.0
    assert 0 < beyond[1:].sum() < beyond.size
    assert np.isnan(narrow.estimate[2][beyond]).all()
    assert np.isfinite(narrow.estimate[2][worst <= 2.0]).all()


@pytest.mark.parametrize("free", [False, True])
def test_tiles_whose_pixels_have_the_same_dates_share_the_equations(free):
    """300 pixels of few masks, empty ones and some without a line of sight: each is what it is alone."""
    values, _, _, _, dates, at = scene(3 if free else 2, 6, 0.0, north=False)
    rng = np.random.default_rng(4)
    tracks, pixels = len(values), 300
    values = [rng.normal(0, 0.02, (20, pixels)).astype("f4") for _ in values]
    for samples in values:
        samples[3:5, 40:200] = np.nan  # one mask in the second tile, another in the first and the third
        samples[:, 7::11] = np.nan
    values[0][:, 130] = np.nan
    vectors = np.repeat(np.stack([ASCENDING, DESCENDING, LEFT][:tracks])[:, :, None], pixels, 2).astype("f4")
    vectors[1, 0, 20:25] = np.nan
    north = None if free else np.stack([rng.normal(0, 0.02, pixels), np.full(pixels, 0.005)]).astype("f4")
    if north is not None:
        north[0, 280:] = np.nan
    sigma = [np.full((20, 1), 0.004, "f4")] * tracks
    options = {"free": free, "scaled": True, "max_dilution": 9.0}
    whole = solve_series(values, sigma, vectors, north, dates, at, **options)
    for p in (0, 7, 22, 39, 40, 127, 128, 130, 199, 200, 255, 256, 281, 299):
        own = slice(p, p + 1)
        part = None if north is None else north[:, own]
        alone = solve_series([v[:, own] for v in values], sigma, vectors[:, :, own], part, dates, at, **options)
        if part is not None and not np.isfinite(part).all():
            assert np.isnan(whole.estimate[2, :, p]).all()
            continue
        for name, of, other in zip(whole._fields, whole, alone, strict=True):
            np.testing.assert_array_equal(of[..., p], other[..., 0], err_msg=f"{name} of pixel {p}")
    assert np.isfinite(whole.estimate[2, -1]).mean() > 0.8
    each = [np.full((20, pixels), 0.004, "f4")] * tracks
    same = solve_series(values, each, vectors, north, dates, at, **options)
    np.testing.assert_array_equal(same.estimate, whole.estimate)
    np.testing.assert_array_equal(same.std, whole.std)
