"""Standard errors of time functions: on 20,000 pixels with known noise, intervals hold the truth as often as they say."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

import insarray as ia
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import pair_coords
from insarray.model.network import Network
from insarray.model.time_model import TimeModel
from tests.networks import nearest

SHAPE = (100, 200)
WAVELENGTH = 0.0555
SLANT_RANGE, INCIDENCE = 850e3, 39.0
MODEL = {
    "degree": 2,
    "periods": (1.0, 0.5),
    "steps": ("2021-02-01",),
    "velocity_changes": ("2021-07-01",),
    "exponentials": (("2020-09-01", 60.0),),
}
TRUTH = {
    "velocity": 0.03,
    "acceleration": -0.02,
    "annual_amplitude": 0.05,
    "annual_phase": 2.0,
    "semiannual_amplitude": 0.04,
    "semiannual_phase": -1.0,
    "step_20210201": 0.05,
    "velocity_change_20210701": 0.04,
    "exponential_20200901_60d": -0.02,
    "height_error": 7.0,
}
COLUMNS = [
    0.03,
    -0.02,
    *(a * f(p) for a, p in ((0.05, 2.0), (0.04, -1.0)) for f in (np.cos, np.sin)),
    0.05,
    0.04,
    -0.02,
]


def dates(count, step=12):
    return np.datetime64("2020-01-01", "ns") + np.arange(count) * np.timedelta64(step, "D")


def motion(times, baseline):
    """Noise-free displacement in m, and the columns that make it."""
    design = TimeModel(**MODEL).design(times, times[0])
    height = baseline / (SLANT_RANGE * np.sin(np.deg2rad(INCIDENCE)))
    return design @ COLUMNS + 7.0 * height


def assert_covers(model, freedom=None, names=TRUTH):
    """68 and 95 % of the intervals hold the truth, by Student's t if the noise was estimated."""
    quantile = scipy.stats.norm.ppf if freedom is None else lambda q: scipy.stats.t.ppf(q, freedom)
    for name in names:
        z = np.abs(model[name] - TRUTH[name]) / model[f"{name}_std"]
        assert float((z < quantile(0.5 + 0.34)).mean()) == pytest.approx(0.68, abs=0.015), name
        assert float((z < quantile(0.5 + 0.475)).mean()) == pytest.approx(0.95, abs=0.007), name


def noisy_series(std, missing, seed=0):
    """Dates of noise `std` in m, relative to the noisy first one as inversions are."""
    rng = np.random.default_rng(seed)
    times, baseline = dates(60), np.random.default_rng(9).normal(0, 100, 60)
    values = motion(times, baseline)[:, None, None] + std * rng.normal(size=(60, *SHAPE))
    values -= values[0]
    values[1:][rng.random((59, *SHAPE)) < missing] = np.nan
    coords = {"time": times, "perpendicular_baseline": ("time", baseline)}
    return xr.Dataset({"displacement": (("time", "y", "x"), values.astype(np.float32))}, coords)


HEIGHT = {"height_error": True, "slant_range": SLANT_RANGE, "incidence_angle": INCIDENCE}


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_series_by_residuals(missing):
    model = ia.fit(noisy_series(0.001, missing), **MODEL, **HEIGHT)
    assert_covers(model, model.degrees_of_freedom.values)
    np.testing.assert_allclose(model.fit_residual_std.mean(), 0.001, rtol=0.01)


def test_series_with_weights_of_dates_and_samples():
    """Noise differs from date to date (by propagation), and from sample to sample (by residuals)."""
    rng = np.random.default_rng(3)
    std = rng.uniform(0.0005, 0.002, 60)
    series = noisy_series(std[:, None, None], 0.1)
    weights = xr.DataArray(1 / std**2, dims="time")
    model = ia.fit(series, **MODEL, **HEIGHT, weights=weights, uncertainty="covariance")
    assert_covers(model)
    np.testing.assert_allclose(model.reduced_chi_square.mean(), 1.0, rtol=0.01)
    std = rng.uniform(0.0005, 0.002, (60, *SHAPE))
    std[0] = 0.001
    weights = xr.DataArray(1 / std**2, dims=("time", "y", "x"))
    model = ia.fit(noisy_series(std, 0.1), **MODEL, **HEIGHT, weights=weights * 4)  # only relative weights are known
    assert_covers(model, model.degrees_of_freedom.values)


@pytest.mark.parametrize("weights", ["none", "covariance"])
def test_series_with_correlated_dates(weights):
    """Random walk plus white noise: by propagation through the plain fit, and by generalised least squares."""
    rng = np.random.default_rng(4)
    series = noisy_series(0.001, 0.05)
    walk = np.cumsum(0.0005 * rng.normal(size=(60, *SHAPE)), axis=0)
    series = series.assign(displacement=series.displacement + (walk - walk[0]).astype(np.float32))
    steps = np.tril(np.ones((60, 60)))
    covariance = xr.DataArray(1e-6 * np.eye(60) + 2.5e-7 * steps @ steps.T, dims=("time", "other"))
    how = {"covariance": covariance, "uncertainty": "covariance", "weights": weights}
    assert_covers(ia.fit(series, **MODEL, **HEIGHT, **how))
    naive = ia.fit(series, **MODEL, **HEIGHT)
    assert float((np.abs(naive.velocity - 0.03) < naive.velocity_std).mean()) < 0.6


def noisy_stack(missing, seed=0, count=50):
    """Pairs with independent noise of known variance per sample, and the inverse variances."""
    rng = np.random.default_rng(seed)
    times, baseline = dates(count, 16), np.random.default_rng(9).normal(0, 100, count)
    index = np.array([(i, j) for i in range(count) for j in range(i + 1, min(i + 4, count))])
    network = Network.from_pairs(
        [(times[i], times[j]) for i, j in index], baseline[index[:, 1]] - baseline[index[:, 0]]
    )
    std = rng.uniform(0.1, 0.6, (len(index), *SHAPE)).astype(np.float32)
    x = motion(times, baseline) / metres_per_radian(WAVELENGTH)
    phase = (x[index[:, 1]] - x[index[:, 0]])[:, None, None] + std * rng.normal(size=std.shape)
    phase[rng.random(phase.shape) < missing] = np.nan
    coords = pair_coords(network) | {"y": np.arange(float(SHAPE[0])), "x": np.arange(float(SHAPE[1]))}
    data = {"unwrapped_phase": (("pair", "y", "x"), phase.astype(np.float32))}
    return xr.Dataset(data, coords, {"wavelength": WAVELENGTH}), xr.DataArray(1 / std**2, dims=("pair", "y", "x"))


def test_pairs_by_propagation_and_by_residuals():
    stack, weights = noisy_stack(0.1)
    model = ia.fit(stack, **MODEL, **HEIGHT, weights=weights, uncertainty="covariance")
    assert_covers(model)
    np.testing.assert_allclose(model.reduced_chi_square.mean(), 1.0, rtol=0.01)
    model = ia.fit(stack, **MODEL, **HEIGHT, weights=weights * 9)
    assert_covers(model, model.degrees_of_freedom.values)


def test_pairs_of_a_network_with_a_gap():
    stack, weights = noisy_stack(0.1, seed=5, count=24)
    network = stack.insar.network
    across = (network.reference <= 11) & (network.secondary > 11)
    stack = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(xr.DataArray(~across, dims="pair")))
    flat = stack.assign(unwrapped_phase=stack.unwrapped_phase - _seasons(stack))
    direct = ia.fit(flat, weights=weights, uncertainty="covariance", **HEIGHT)
    assert_covers(direct, names=["velocity", "height_error"])


def _seasons(stack):
    """Phase of everything but the velocity and the height error."""
    times = stack.insar.network.times.astype("datetime64[ns]")
    columns = [0.0, *COLUMNS[1:]]
    x = TimeModel(**MODEL).design(times, times[0]) @ columns / metres_per_radian(WAVELENGTH)
    network = stack.insar.network
    return xr.DataArray((x[network.secondary] - x[network.reference]).astype(np.float32), dims="pair")


def test_covariance_of_the_inversion_makes_the_series_fit_that_of_the_pairs():
    """Coherence -> pair variance -> covariance of the dates -> terms, to the answer of the fit from pairs."""
    stack, _ = ia.simulate_stack(shape=(12, 14), n_dates=14, water=False, atmosphere=0.0, pair_offsets=False, seed=2)
    how = {"weights": "variance", "looks": 20}
    series = ia.invert(stack, **how)
    merged = series.merge(ia.covariance(stack, **how), combine_attrs="override")
    by_series = ia.fit(merged, weights="covariance", uncertainty="covariance", periods=(1.0,))
    by_pairs = ia.fit(stack, **how, uncertainty="covariance", periods=(1.0,))
    tied = (series.network_subset == 1).all("time").values
    assert tied.mean() > 0.5
    for name in ("velocity", "velocity_std", "annual_amplitude", "annual_amplitude_std"):
        np.testing.assert_allclose(by_series[name].values[tied], by_pairs[name].values[tied], rtol=2e-3, atol=2e-6)


def test_atmosphere_is_a_matter_of_dates_not_of_pairs():
    """The first row of the table in docs/explanation/time_functions.md: 30 dates, three neighbours."""
    network = nearest(30, 3)
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(30, 50, 60)).astype(np.float32)
    times = network.times.astype("datetime64[ns]")
    coords = pair_coords(network) | {"y": np.arange(50.0), "x": np.arange(60.0)}

    def stack(phase):
        return xr.Dataset({"unwrapped_phase": (("pair", "y", "x"), phase)}, coords, {"wavelength": WAVELENGTH})

    dates = stack(noise[network.secondary] - noise[network.reference])
    series = xr.Dataset({"displacement": (("time", "y", "x"), noise * metres_per_radian(WAVELENGTH))}, {"time": times})
    by_pairs, by_series = ia.fit(dates), ia.fit(series)
    assert float(by_pairs.velocity.std() / by_series.velocity.std()) == pytest.approx(1.46, abs=0.1)
    assert float(by_pairs.velocity_std.mean() / by_pairs.velocity.std()) == pytest.approx(2.35, abs=0.2)
    pairs = stack(rng.normal(size=(network.n_pairs, 50, 60)).astype(np.float32))
    ratio = float(ia.fit(ia.invert(pairs)).velocity.std() / ia.fit(pairs).velocity.std())
    assert ratio == pytest.approx(1.05, abs=0.03)


def test_bootstrap():
    """Near the errors by residuals, the same for the same seed, and by number of samples less noisy."""
    series = noisy_series(0.001, 0.05).isel(y=slice(10), x=slice(20))
    how = {"periods": (1.0,), "uncertainty": "bootstrap", **HEIGHT}
    flat = series.assign(displacement=series.displacement - series.displacement.mean(("y", "x")))
    model, again, other = (ia.fit(flat, **how, samples=300, seed=seed) for seed in (1, 1, 2))
    xr.testing.assert_identical(model, again)
    assert not model.velocity_std.equals(other.velocity_std)
    residual = ia.fit(flat, periods=(1.0,), **HEIGHT)
    for name in ("velocity", "height_error", "intercept"):
        ratio = float(model[f"{name}_std"].mean() / residual[f"{name}_std"].mean())
        assert ratio == pytest.approx(1.0, abs=0.1), name
    few = ia.fit(flat, **how, samples=30, seed=1)
    spread = [float((m.velocity_std / residual.velocity_std).std()) for m in (few, model)]
    assert spread[0] > 1.3 * spread[1]
    stack, weights = noisy_stack(0.05, count=20)
    stack = stack.assign(unwrapped_phase=stack.unwrapped_phase - _seasons(stack))
    small = {"y": slice(6), "x": slice(8)}
    stack, weights = stack.isel(small), weights.isel(small)
    boot = ia.fit(stack, weights=weights, **HEIGHT, uncertainty="bootstrap", samples=200)
    known = ia.fit(stack, weights=weights, **HEIGHT)
    assert float(boot.velocity_std.mean() / known.velocity_std.mean()) == pytest.approx(1.0, abs=0.15)
