"""Links against the dense grid, known truth and Monte Carlo; the two back ends against each other; what symmetry demands."""

import numpy as np
import pytest

from insarray.kernels.links.periodogram import LinkFlag
from insarray.kernels.links.periodogram_dense import estimate_links_dense
from insarray.kernels.links.periodogram_newton import DOUBLE, SINGLE, sincos
from insarray.kernels.links.periodogram_noise import residual_errors
from insarray.model.errors import ArgumentError
from tests.kernels.periodogram_numpy import estimate_links

WAVENUMBER = 4 * np.pi / 0.031
BOX = {"velocity_range": (-0.03, 0.03), "height_range": (-40.0, 40.0)}
BACKENDS = pytest.mark.parametrize("backend", ["numba", "numpy"])
OBJECTIVES = pytest.mark.parametrize("objective", ["epochs", "pairs"])


def columns(rng, rows=40, years=3.0):
    """Time column, rad per (m/year), and height column, rad per m."""
    time = WAVENUMBER * np.sort(rng.uniform(0, years, rows))
    return time, WAVENUMBER / (850e3 * np.sin(0.6)) * rng.normal(0, 150, rows)


def simulate(seed=0, rows=40, links=200, noise=0.6, box=BOX):
    """Wrapped phase (row, link), the columns, and the true (velocity, height error) (2, link)."""
    rng = np.random.default_rng(seed)
    time, height = columns(rng, rows)
    truth = np.stack([rng.uniform(*limits, links) for limits in box.values()])
    phase = time[:, None] * truth[0] + height[:, None] * truth[1] + noise * rng.normal(size=(rows, links))
    return np.angle(np.exp(1j * phase)), time, height, truth


def assert_same(one, other, tolerance=1e-9):
    """Estimates that differ by less than `tolerance` standard errors."""
    std = np.sqrt(np.stack([one.covariance[0, 0], one.covariance[1, 1]]))
    for i, name in enumerate(("velocity", "height_error")):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        assert np.nanmax(np.abs(a - b) / std[i], initial=0) < tolerance
    np.testing.assert_allclose(one.coherence, other.coherence, atol=tolerance)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6)
    np.testing.assert_array_equal(one.flag, other.flag)


# -- The maximum ---------------------------------------------------------------------------------------------------


@OBJECTIVES
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.slow
def test_a_dense_grid_is_higher_in_one_of_a_hundred_at_most(seed, objective):
    """Random designs and ranges, many maxima on a bound; rows few or noisy, where peaks of nearly equal height are missed."""
    rng = np.random.default_rng(seed)
    time, height = columns(rng, int(rng.integers(8, 41)), rng.uniform(0.3, 4))
    height += rng.choice([0.0, 0.5]) * (time - time.mean()) * height.std() / time.std()
    box = [np.sort(rng.uniform(-limit, limit, 2)) for limit in (0.05, 50.0)]
    truth = [rng.uniform(*(limits * 1.3), (1, 100)) for limits in box]
    phase = (
        time[:, None] * truth[0]
        + height[:, None] * truth[1]
        + rng.choice([0.3, 1.0]) * rng.normal(size=(len(time), 100))
    )
    phase = np.angle(np.exp(1j * phase))
    found = estimate_links(
        phase, time, height, velocity_range=tuple(box[0]), height_range=tuple(box[1]), objective=objective
    )
    spread = [np.std(c) if objective == "epochs" else np.sqrt(np.mean(c**2)) for c in (time, height)]
    grids = [np.linspace(*limits, int(np.ptp(limits) * s / 0.1) + 4) for limits, s in zip(box, spread, strict=True)]
    dense = estimate_links_dense(phase, np.stack([time, height], 1), *grids, objective=objective, max_bytes=2**27)
    assert ((found.velocity >= box[0][0]) & (found.velocity <= box[0][1])).all()
    assert ((found.height_error >= box[1][0]) & (found.height_error <= box[1][1])).all()
    worse = dense.coherence - found.coherence > 1e-9
    assert worse.mean() <= 0.01
    assert (dense.coherence - found.coherence).max() < 0.03


def test_sine_and_cosine_of_the_lanes():
    angles = np.linspace(-40, 40, 20001)
    for unit, real, bound in ((SINGLE, np.float32, 2e-6), (DOUBLE, np.float64, 1e-14)):
        sine, cosine = np.array([sincos(real(t), unit) for t in angles]).T
        exact = angles.astype(real).astype(float)
        assert np.abs(sine - np.sin(exact)).max() < bound
        assert np.abs(cosine - np.cos(exact)).max() < bound


@OBJECTIVES
@pytest.mark.parametrize("prior", [None, (0.01, 15.0)])
def test_back_ends_agree(objective, prior):
    phase, time, height, _ = simulate(links=150)
    rng = np.random.default_rng(1)
    phase[rng.random(phase.shape) < 0.1] = np.nan
    options = {"weight": rng.uniform(0.2, 2, phase.shape), "objective": objective, "prior": prior, **BOX}
    heights = height[:, None] * rng.uniform(0.7, 1.4, phase.shape[1])
    found = [estimate_links(phase, time, heights, backend=b, **options) for b in ("numba", "numpy")]
    assert_same(*found, tolerance=1e-7 if prior else 1e-9)
    assert np.abs(found[0].second_coherence - found[1].second_coherence).max() < (1e-2 if prior else 1e-5)


@pytest.mark.parametrize("dtype", [pytest.param(np.float32, marks=pytest.mark.slow), np.float64])
def test_bits_do_not_depend_on_the_other_links(dtype):
    phase, time, height, _ = simulate(links=300)
    rng = np.random.default_rng(2)
    phase[:, ::3][rng.random(phase[:, ::3].shape) < 0.3] = np.nan
    phase = phase.astype(dtype)
    heights = height[:, None] * rng.uniform(0.5, 2, phase.shape[1])
    whole = estimate_links(phase, time, heights, **BOX)
    for part in np.array_split(rng.permutation(300), [1, 7, 71, 200]):
        some = estimate_links(phase[:, part], time, heights[:, part], **BOX)
        for ours, expected in zip(some, whole, strict=True):
            np.testing.assert_array_equal(ours, expected[..., part])


# -- Symmetries ----------------------------------------------------------------------------------------------------


@BACKENDS
@OBJECTIVES
def test_symmetries(backend, objective):
    phase, time, height, _ = simulate(links=100, noise=0.5)
    options = {"backend": backend, "objective": objective, **BOX}
    found = estimate_links(phase, time, height, **options)
    mirrored = estimate_links(-phase, time, height, **options)
    assert_same(found, mirrored._replace(velocity=-mirrored.velocity, height_error=-mirrored.height_error))
    order = np.random.default_rng(3).permutation(len(time))
    assert_same(found, estimate_links(phase[order], time[order], height[order], **options))
    assert_same(found, estimate_links(phase, time, height, weight=np.full(len(time), 7.0), **options))
    shifted = estimate_links(phase + 1.0, time, height, **options)
    if objective == "epochs":
        assert_same(found, shifted)
        assert_same(found, estimate_links(phase, time + 5e3, height - 3.0, **options))
    else:
        assert (shifted.coherence < found.coherence - 0.05).mean() > 0.9


@BACKENDS
def test_missing_weightless_and_dropped_rows_are_the_same(backend):
    phase, time, height, _ = simulate(links=60)
    kept = np.arange(40) % 5 > 0
    dropped = estimate_links(phase[kept], time[kept], height[kept], backend=backend, **BOX)
    missing = np.where(kept[:, None], phase, np.nan)
    assert_same(dropped, estimate_links(missing, time, height, backend=backend, **BOX))
    assert_same(dropped, estimate_links(phase, time, height, weight=kept.astype(float), backend=backend, **BOX))
    assert_same(
        dropped, estimate_links(phase, time, height, weight=np.where(kept, 1.0, np.nan), backend=backend, **BOX)
    )
    heights = np.where(kept[:, None], height[:, None], np.nan) * np.ones(60)
    assert_same(dropped, estimate_links(phase, time, heights, backend=backend, **BOX))
    np.testing.assert_allclose(
        dropped.false_alarm,
        estimate_links(missing, time, height, backend=backend, **BOX).false_alarm,
        rtol=1e-6,
    )


# -- Options -------------------------------------------------------------------------------------------------------


@BACKENDS
def test_weights_are_inverse_variances(backend):
    rng = np.random.default_rng(4)
    quiet, time, height, truth = simulate(links=1000, noise=0.0)
    sigma = np.where(np.arange(40) % 2, 0.2, 1.2)[:, None]
    phase = quiet + sigma * rng.normal(size=quiet.shape)
    plain = estimate_links(phase, time, height, backend=backend, **BOX)
    shared = estimate_links(phase, time, height, weight=sigma[:, 0] ** -2, backend=backend, **BOX)
    each = estimate_links(phase, time, height, weight=sigma**-2 * np.ones_like(phase), backend=backend, **BOX)
    assert_same(shared, each)
    error = [np.median(np.abs(found.velocity - truth[0])) for found in (plain, shared)]
    assert error[1] < 0.5 * error[0]
    normalised = (shared.velocity - truth[0]) / np.sqrt(shared.covariance[0, 0])
    assert 0.9 < normalised.std() < 1.15


@BACKENDS
def test_prior_is_the_maximum_of_what_it_says(backend):
    """Against the stated function on a fine grid around, and its effect on noise."""
    phase, time, height, _ = simulate(links=20, rows=15, noise=1.2)
    sigma = (0.004, 6.0)
    found = estimate_links(phase, time, height, prior=sigma, backend=backend, **BOX)
    free = estimate_links(phase, time, height, backend=backend, **BOX)
    assert np.median(np.abs(found.velocity)) < 0.5 * np.median(np.abs(free.velocity))
    assert (found.covariance[0, 0] < sigma[0] ** 2).all()
    v, h = np.meshgrid(np.linspace(-0.03, 0.03, 241), np.linspace(-40, 40, 241), indexing="ij")

    def objective(v, h, p):
        g = np.abs(np.exp(1j * (phase[:, p] - v[..., None] * time - h[..., None] * height)).mean(axis=-1))
        return 15 * np.arctanh(g**2) - v**2 / (2 * sigma[0] ** 2) - h**2 / (2 * sigma[1] ** 2)

    for p in range(20):
        assert objective(found.velocity[p], found.height_error[p], p) >= objective(v, h, p).max() - 1e-6
    one_sided = estimate_links(phase, time, height, prior=(sigma[0], np.inf), backend=backend, **BOX)
    assert np.abs(one_sided.height_error).mean() > 1.5 * np.abs(found.height_error).mean()


@BACKENDS
@OBJECTIVES
def test_bounds_belong_to_the_ranges_and_hold(backend, objective):
    phase, time, height, _ = simulate(links=1, noise=0.0)
    phase = (0.02 * time + 25.0 * height)[:, None]
    options = {"objective": objective, "backend": backend}
    inside = {"velocity_range": (-0.03, 0.03), "height_range": (-40.0, 40.0)}
    cases = [
        ("velocity_range", (-0.03, 0.02), 0, 0.02),
        ("velocity_range", (-0.03, 0.0195), LinkFlag.VELOCITY_AT_BOUND, 0.0195),
        ("velocity_range", (0.0205, 0.03), LinkFlag.VELOCITY_AT_BOUND, 0.0205),
        ("height_range", (-40.0, 25.0), 0, 25.0),
        ("height_range", (-40.0, 24.0), LinkFlag.HEIGHT_AT_BOUND, 24.0),
        ("height_range", (26.0, 40.0), LinkFlag.HEIGHT_AT_BOUND, 26.0),
    ]
    for name, limits, flag, expected in cases:
        found = estimate_links(phase, time, height, **{**inside, name: limits}, **options)
        value = found.velocity if name == "velocity_range" else found.height_error
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        if flag:
            assert value[0] == expected
            assert found.flag[0] == flag
            assert found.coherence[0] < 0.9999
        else:
            np.testing.assert_allclose(found.coherence, 1.0, atol=1e-12)


@BACKENDS
def test_each_link_has_its_own_height_column(backend):
    rng = np.random.default_rng(5)
    _, time, height, truth = simulate(links=100)
    heights = height[:, None] * rng.uniform(0.4, 2.5, 100) + 0.1 * height.std() * rng.normal(size=(40, 100))
    phase = np.angle(np.exp(1j * (time[:, None] * truth[0] + heights * truth[1] + 0.3 * rng.normal(size=(40, 100)))))
    found = estimate_links(phase, time, heights, backend=backend, **BOX)
    normalised = (found.height_error - truth[1]) / np.sqrt(found.covariance[1, 1])
    assert np.abs(normalised).max() < 5
    shared = estimate_links(phase, time, height, backend=backend, **BOX)
    assert np.median(np.abs(shared.height_error - truth[1])) > 3


# -- What cannot be determined -------------------------------------------------------------------------------------


@BACKENDS
def test_without_baselines_the_velocity_is_that_of_its_own_model(backend):
    phase, time, height, _ = simulate(links=30)
    alone = estimate_links(phase, time, velocity_range=BOX["velocity_range"], backend=backend)
    assert (alone.flag == 0).all()
    assert np.isnan(alone.height_error).all()
    assert np.isnan(alone.covariance[1]).all()
    assert np.isfinite(alone.covariance[0, 0]).all()
    for zero in (0 * height, 1e-6 * height, 0 * height + 3.0):
        found = estimate_links(phase, time, zero, backend=backend, **BOX)
        assert (found.flag == LinkFlag.HEIGHT_UNDETERMINED).all()
        assert_same(alone._replace(flag=found.flag), found, tolerance=1e-6)


@BACKENDS
def test_what_cannot_be_told_apart_is_nan(backend):
    phase, time, height, _ = simulate(links=3)
    for t, b in ((time, 1e-3 * time), (0 * time, height)):
        found = estimate_links(phase, t, b, backend=backend, **BOX)
        assert (found.flag == LinkFlag.VELOCITY_UNDETERMINED).all()
        assert all(np.isnan(values).all() for values in found[:6])


@BACKENDS
def test_too_few_rows_are_nan(backend):
    phase, time, height, _ = simulate(links=3)
    phase[3:, 1] = np.nan
    phase[:, 2] = np.nan
    found = estimate_links(phase, time, height, backend=backend, **BOX)
    assert found.flag.tolist() == [0, LinkFlag.TOO_FEW_EPOCHS, LinkFlag.TOO_FEW_EPOCHS]
    assert all(np.isnan(values[..., 1:]).all() for values in found[:6])
    assert all(np.isfinite(values[..., 0]).all() for values in found[:6])
    assert estimate_links(phase[:, :0], time, height, backend=backend, **BOX).velocity.shape == (0,)


# -- Uncertainty ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "noise"), [(11, 0.3), (20, 0.6), (40, 0.8)])
def test_standard_errors_and_correlation_agree_with_the_scatter(rows, noise):
    phase, time, height, truth = simulate(seed=6, rows=rows, links=3000, noise=noise)
    found = estimate_links(phase, time, height, **BOX)
    error = np.stack([found.velocity, found.height_error]) - truth
    right = (np.abs(error) < 6 * np.sqrt(np.stack([found.covariance[0, 0], found.covariance[1, 1]]))).all(axis=0)
    assert right.mean() > 0.97
    root = np.linalg.inv(np.linalg.cholesky(np.moveaxis(found.covariance, 2, 0)))
    whitened = np.einsum("pij,jp->ip", root, error)[:, right]
    student = (rows - 3) / (rows - 5)  # variance of a Gaussian over its estimated standard deviation
    np.testing.assert_allclose(np.cov(whitened) / student, np.eye(2), atol=0.2)


@OBJECTIVES
@pytest.mark.parametrize("rows", [11, 20, 40])
def test_false_alarm_is_the_rate_of_noise(rows, objective):
    rng = np.random.default_rng(rows)
    time, height = columns(rng, rows, 3 * rows / 40)
    phase = rng.uniform(-np.pi, np.pi, (rows, 20000)).astype(np.float32)
    weight = rng.uniform(0.5, 1.5, rows)
    for heights, ranges in ((height, BOX), (None, {"velocity_range": (-0.01, 0.01)})):
        found = estimate_links(phase, time, heights, weight=weight, objective=objective, **ranges)
        for level in (0.1, 0.01):
            rate = (found.false_alarm < level).mean()
            assert 0.5 * level < rate < 2 * level
        order = np.argsort(found.coherence)
        assert (np.diff(found.false_alarm[order]) <= 1e-12).all()


def test_second_peak_of_two_signals():
    _, time, height, _ = simulate(links=1)
    signal = np.exp(1j * 0.02 * time) + 0.7 * np.exp(-1j * (0.02 * time + 20 * height))
    found = estimate_links(np.angle(signal)[:, None], time, height, **BOX)
    other = np.abs(np.mean(np.exp(1j * (np.angle(signal) + 0.02 * time + 20 * height))))
    assert found.second_coherence[0] >= other - 1e-6
    assert found.second_coherence[0] < found.coherence[0]


# -- The published estimator ---------------------------------------------------------------------------------------


@OBJECTIVES
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_published_estimator_near_the_optimum(objective, dtype):
    phase, time, height, _ = simulate(links=50, noise=0.3)
    design = np.stack([time, height], axis=1)
    grids = (np.linspace(-0.03, 0.03, 121), np.linspace(-40, 40, 161))
    found = estimate_links(phase, time, height, objective=objective, **BOX)
    dense = estimate_links_dense(phase, design, *grids, objective=objective, dtype=dtype)
    in_parts = estimate_links_dense(phase, design, *grids, objective=objective, dtype=dtype, max_bytes=2**22)
    np.testing.assert_allclose(in_parts.velocity, dense.velocity, atol=1e-6)
    assert np.abs(dense.velocity - found.velocity).max() < 1e-4
    assert np.abs(dense.height_error - found.height_error).max() < 0.1
    on_grid = np.abs(dense.velocity[:, None] - grids[0]).min(axis=1)
    assert np.median(on_grid) > 2e-5  # the quadratic moved them off it


def test_published_estimator_at_the_edge_stays_inside():
    _, time, height, _ = simulate(links=1)
    phase = (0.05 * time + 25 * height)[:, None]
    grids = (np.linspace(-0.03, 0.03, 61), np.linspace(-40, 40, 81))
    dense = estimate_links_dense(phase, np.stack([time, height], axis=1), *grids)
    assert -0.03 <= dense.velocity[0] <= 0.03
    exact = estimate_links_dense((0.03 * time + 40 * height)[:, None], np.stack([time, height], axis=1), *grids)
    assert abs(exact.velocity[0] - 0.03) < 1e-3
    assert exact.velocity[0] <= 0.03


# -- Arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "both"}, "objective"),
        ({"velocity_range": (0.1, 0.1)}, "velocity_range"),
        ({"height_range": (0.0, np.inf)}, "height_range"),
        ({"height_range": None}, "height_column, height_range"),
        ({"velocity_range": (-1e4, 1e4)}, "velocity_range, height_range"),
        ({"prior": (0.0, 1.0)}, "prior"),
        ({"weight": np.full(40, -1.0)}, "weight"),
        ({"weight": np.full(40, np.inf)}, "weight"),
        ({"weight": np.ones(3)}, "weight"),
        ({"time_column": np.zeros(3)}, "time_column"),
        ({"height_column": np.zeros(3)}, "height_column"),
        ({"phase": np.zeros(40)}, "phase"),
    ],
)
def test_arguments_that_cannot_be(change, message):
    phase, time, height, _ = simulate(links=2)
    arguments = {"phase": phase, "time_column": time, "height_column": height, **BOX, **change}
    with pytest.raises(ArgumentError, match=f"^{message}"):
        estimate_links(**arguments)


@pytest.mark.parametrize("own_heights", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_residuals_are_those_of_the_estimate(weighted, own_heights):
    """With missing epochs, weights, and a column of its own for each link."""
    phase, time, height, _ = simulate()
    rng = np.random.default_rng(1)
    phase[rng.random(phase.shape) < 0.1] = np.nan
    weight = rng.uniform(0.2, 2, len(phase)) if weighted else None
    if own_heights:
        height = height[:, None] * rng.uniform(0.9, 1.1, phase.shape[1])
    found = estimate_links(phase, time, height, weight=weight, **BOX)
    column = height if own_heights else height[:, None]
    rest = phase - time[:, None] * found.velocity - column * found.height_error + 0.7
    coherence, std = residual_errors(rest, time, height, weight)
    np.testing.assert_allclose(coherence, found.coherence, rtol=1e-6)
    expected = np.sqrt([found.covariance[0, 0], found.covariance[1, 1]])
    np.testing.assert_allclose(std, expected, rtol=1e-5)


def test_errors_of_residuals_that_do_not_determine_them():
    phase, time, height, _ = simulate(links=3)
    velocity = estimate_links(phase, time, velocity_range=BOX["velocity_range"])
    rest = phase - time[:, None] * velocity.velocity
    np.testing.assert_allclose(residual_errors(rest, time, None)[1][0], np.sqrt(velocity.covariance[0, 0]), rtol=1e-5)
    assert np.isnan(residual_errors(rest, time, None)[1][1]).all()
    flat = residual_errors(rest, time, 0 * height)[1]
    np.testing.assert_allclose(flat[0], np.sqrt(velocity.covariance[0, 0]), rtol=1e-5)
    assert np.isnan(flat[1]).all()
    nothing = residual_errors(rest * np.nan, time, height)
    assert np.isnan(nothing[0]).all()
    assert np.isnan(nothing[1]).all()
