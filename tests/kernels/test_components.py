"""Components of motion against LAPACK, and maps sampled on other grids against interpolation written out."""

import numpy as np
import pytest

from insarray.kernels.components.resampling import sample
from insarray.kernels.components.velocities import (
    DOWNWARD,
    FLAG_DETERMINED,
    FLAG_NO_DATA,
    FLAG_NO_NORTH,
    FLAG_NO_REDUNDANCY,
    FLAG_TOO_FEW,
    FLAG_WEAK,
    GOOD,
    NOT_UNIT,
    solve_components,
    wrong_vectors,
)
from insarray.model.conventions import COMPONENT_FLAGS

PIXELS = 300


def vector(incidence: float, heading: float, *, looks: str = "right") -> np.ndarray:
    """East, north, up from the ground to a satellite that flies in a direction, clockwise from north, and looks aside."""
    incidence, side = np.radians(incidence), np.radians(heading + (-90 if looks == "right" else 90))
    return np.array([np.sin(incidence) * np.sin(side), np.sin(incidence) * np.cos(side), np.cos(incidence)])


ASCENDING, DESCENDING, LEFT = vector(39, -12), vector(34, -168), vector(45, -60, looks="left")


def scene(seed: int = 0, tracks: int = 3):
    rng = np.random.default_rng(seed)
    vectors = np.stack([ASCENDING, DESCENDING, LEFT, vector(44, -12)][:tracks])
    vectors = vectors[:, :, None] + rng.normal(0, 0.01, (tracks, 3, PIXELS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values, sigma = rng.normal(0, 0.02, (tracks, PIXELS)), rng.uniform(0.001, 0.01, (tracks, PIXELS))
    values[rng.random(values.shape) < 0.1] = np.nan
    return values.astype("f4"), sigma.astype("f4"), vectors.astype("f4")


def reference(values, sigma, vectors, columns, north=None, *, weighted=True):
    """By `numpy.linalg.lstsq` in float64, pixel by pixel: estimate and covariance."""
    estimates = np.full((3, PIXELS), np.nan)
    covariances = np.full((3, 3, PIXELS), np.nan)
    for p in range(PIXELS):
        use = np.isfinite(values[:, p])
        if use.sum() < len(columns):
            continue
        design = vectors[use, :, p].astype(float)
        data, noise = values[use, p].astype(float), np.diag(sigma[use, p].astype(float) ** 2)
        if north is not None:
            data = data - design[:, 1] * north[0, p]
            noise = noise + float(north[1, p]) ** 2 * np.outer(design[:, 1], design[:, 1])
        root = 1 / sigma[use, p].astype(float) if weighted else np.ones(use.sum())
        operator = np.linalg.lstsq(root[:, None] * design[:, columns], np.diag(root), rcond=None)[0]
        estimates[columns, p] = operator @ data
        covariances[np.ix_(columns, columns, [p])] = (operator @ noise @ operator.T)[:, :, None]
    return estimates, covariances


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_components_are_those_of_lapack(free, weighted):
    values, sigma, vectors = scene(tracks=4)
    columns = [0, 1, 2] if free else [0, 2]
    north = None if free else np.stack([np.linspace(-0.02, 0.02, PIXELS), np.full(PIXELS, 0.003)]).astype("f4")
    found = solve_components(values, sigma, vectors, north, free=free, weighted=weighted, max_dilution=1e6)
    estimate, covariance = reference(values, sigma, vectors, columns, north, weighted=weighted)
    determined = np.isfinite(estimate[0])
    assert 0 < (~determined).sum() < 50
    for axis in columns:
        np.testing.assert_allclose(found.estimate[axis], estimate[axis], rtol=2e-5, atol=1e-7)
        np.testing.assert_allclose(found.std[axis] ** 2, covariance[axis, axis], rtol=2e-5)
    np.testing.assert_allclose(found.covariance[0], covariance[0, 2], rtol=1e-3, atol=1e-9)
    if free:
        np.testing.assert_allclose(found.covariance[1], covariance[0, 1], rtol=1e-3, atol=1e-9)
        np.testing.assert_allclose(found.covariance[2], covariance[1, 2], rtol=1e-3, atol=1e-9)
    np.testing.assert_array_equal(found.freedom[determined], np.isfinite(values).sum(axis=0)[determined] - len(columns))


def test_the_covariance_with_a_north_that_is_given_is_that_of_drawn_errors():
    vectors = np.repeat(np.stack([ASCENDING, DESCENDING])[:, :, None], 40_000, axis=2).astype("f4")
    rng = np.random.default_rng(1)
    north = rng.normal(0.01, 0.004, 40_000)
    values = vectors[:, 1] * 0.01 + rng.normal(0, 0.002, (2, 40_000))
    given = np.stack([north, np.full(40_000, 0.004)]).astype("f4")
    sigma = np.full((2, 40_000), 0.002, "f4")
    found = solve_components(values.astype("f4"), sigma, vectors, given, free=False, weighted=True, max_dilution=5.0)
    drawn = np.cov(found.estimate.astype(float))
    for (one, other), row in (((0, 2), 0), ((0, 1), 1), ((1, 2), 2)):
        expected = found.covariance[row].mean(dtype=float)
        scale = np.sqrt(drawn[one, one] * drawn[other, other])
        assert abs(drawn[one, other] - expected) < 0.02 * scale
    assert abs(drawn[1, 2]) > 0.3 * np.sqrt(drawn[1, 1] * drawn[2, 2])  # a wrong north moves up
    np.testing.assert_allclose(np.sqrt(np.diag(drawn)), found.std.mean(axis=1), rtol=0.02)
    np.testing.assert_array_equal(found.estimate[1], given[0])


def test_chi_square_is_the_misfit_by_its_variance():
    values, sigma, vectors = scene(tracks=4)
    found = solve_components(values, sigma, vectors, None, free=False, weighted=True, max_dilution=1e6)
    estimate, _ = reference(values, sigma, vectors, [0, 2])
    estimate[1] = 0
    residual = (values - np.einsum("kap,ap->kp", vectors.astype(float), estimate)) / sigma
    expected = np.nansum(residual**2, axis=0) / np.maximum(found.freedom, 1)
    redundant = found.freedom > 0
    np.testing.assert_allclose(found.chi_square[redundant], expected[redundant], rtol=1e-4)
    assert np.isnan(found.chi_square[~redundant]).all()


def test_flags_say_why():
    names = {name: k for k, name in enumerate(COMPONENT_FLAGS)}
    assert tuple(names[name] for name in ("no_data", "determined", "no_redundancy")) == (
        FLAG_NO_DATA,
        FLAG_DETERMINED,
        FLAG_NO_REDUNDANCY,
    )
    assert tuple(names[name] for name in ("too_few_tracks", "weak_geometry", "north_unknown")) == (
        FLAG_TOO_FEW,
        FLAG_WEAK,
        FLAG_NO_NORTH,
    )
    vectors = np.repeat(np.stack([ASCENDING, vector(44, -12), DESCENDING])[:, :, None], 6, axis=2).astype("f4")
    values, sigma = np.zeros((3, 6), "f4"), np.full((3, 6), 1e-3, "f4")
    values[:, 0] = np.nan
    values[1, 2], values[1:, 3], values[2, 4] = np.nan, np.nan, np.nan
    sigma[1, 2] = 1e-3
    north = np.zeros((2, 6), "f4")
    north[0, 5] = np.nan
    found = solve_components(values, sigma, vectors, north, free=False, weighted=True, max_dilution=5.0)
    expected = [FLAG_NO_DATA, FLAG_DETERMINED, FLAG_NO_REDUNDANCY, FLAG_TOO_FEW, FLAG_WEAK, FLAG_NO_NORTH]
    assert found.flag.tolist() == expected
    assert found.observed.tolist() == [0, 7, 5, 1, 3, 7]
    lost = ~np.isin(found.flag, (FLAG_DETERMINED, FLAG_NO_REDUNDANCY))
    assert np.isnan(found.estimate[:, lost]).all()
    assert np.isnan(found.std[:, lost]).all()
    wide = solve_components(values, sigma, vectors, north, free=False, weighted=True, max_dilution=50.0)
    assert wide.flag[4] == FLAG_NO_REDUNDANCY
    none = solve_components(values, sigma, vectors, None, free=True, weighted=True, max_dilution=5.0)
    assert none.flag[1] == FLAG_WEAK  # three tracks, none of which sees the north


def test_a_standard_error_of_0_is_none():
    vectors = np.stack([ASCENDING, DESCENDING])[:, :, None].astype("f4")
    values, sigma = np.zeros((2, 1), "f4"), np.array([[0.0], [1e-3]], "f4")
    weighted = solve_components(values, sigma, vectors, None, free=False, weighted=True, max_dilution=5.0)
    assert (weighted.flag[0], weighted.observed[0]) == (FLAG_TOO_FEW, 2)
    plain = solve_components(values, sigma, vectors, None, free=False, weighted=False, max_dilution=5.0)
    assert plain.flag[0] == FLAG_NO_REDUNDANCY


def test_vectors_are_looked_at():
    good = ASCENDING[:, None].astype("f4")
    assert wrong_vectors(good) == GOOD
    assert wrong_vectors(-good) == DOWNWARD
    assert wrong_vectors(1.1 * good) == NOT_UNIT
    assert wrong_vectors(np.full((3, 2), np.nan, "f4")) == GOOD


# -- sampling -------------------------------------------------------------------------------------------------------


def between(values, row, col):
    """Bilinear interpolation of one position, over the neighbours that have data."""
    height, width = values.shape
    if not (-0.5 <= row < height - 0.5 and -0.5 <= col < width - 0.5):
        return np.nan
    if np.isnan(values[int(np.floor(row + 0.5)), int(np.floor(col + 0.5))]):
        return np.nan
    total = weights = 0.0
    for i in (int(np.floor(row)), int(np.floor(row)) + 1):
        for j in (int(np.floor(col)), int(np.floor(col)) + 1):
            weight = (1 - abs(row - i)) * (1 - abs(col - j))
            if 0 <= i < height and 0 <= j < width and weight > 0 and np.isfinite(values[i, j]):
                total, weights = total + weight * values[i, j], weights + weight
    return total / weights


@pytest.mark.parametrize("straight", [True, False])
def test_samples_are_those_of_interpolation_written_out(straight):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 9, 11)).astype("f4")
    values[0, 3, 4] = values[1, 0, 0] = np.nan
    rows, cols = np.sort(rng.uniform(-2, 11, 25)), np.sort(rng.uniform(-2, 13, 30))[::-1]
    grids = np.meshgrid(rows, cols, indexing="ij")
    places = (rows, cols) if straight else grids
    near, smooth = (sample(values, *places, smooth=smooth) for smooth in (False, True))
    for n, layer in enumerate(values):
        expected = [[between(layer, row, col) for col in cols] for row in rows]
        np.testing.assert_allclose(smooth[n], expected, rtol=1e-5, atol=1e-6)
        whole = [[between(layer, np.floor(row + 0.5), np.floor(col + 0.5)) for col in cols] for row in rows]
        np.testing.assert_array_equal(near[n], np.array(whole, "f4"))
    assert 0 < np.isnan(near).sum() < near.size
