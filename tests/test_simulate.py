"""The simulated stack is what its truth says, each option does what it says, and the files hold the stack."""

import csv
import math

import numpy as np
import pytest
import rasterio
import xarray as xr
from scipy.special import gammaln, hyp2f1

from insarray.model.conventions import VARIABLES, metres_per_radian
from insarray.model.dataset import grid_of, network_of
from insarray.model.errors import ArgumentError, StackError, StoreError
from insarray.simulate.screens import turbulent_screens
from insarray.simulate.stacks import WAVELENGTH, _decorrelation, simulate_stack, write_geotiffs

SMALL = {"shape": (40, 48), "n_dates": 12}
CLEAN = {**SMALL, "noise": False, "missing": 0, "water": False, "pair_offsets": False}


def closures(stack):
    return np.tensordot(network_of(stack).loops(), stack.unwrapped_phase.values.astype(float), 1)


def phase_of(truth, network):
    displacement = truth.displacement.values.astype(float)
    return (displacement[network.secondary] - displacement[network.reference]) / metres_per_radian(WAVELENGTH)


def test_variables_are_the_ones_of_the_data_model():
    stack, truth = simulate_stack(**SMALL)
    for data in (stack, truth):
        for name, array in data.data_vars.items():
            if name in VARIABLES:
                assert (array.dims, str(array.dtype)) == (VARIABLES[name].dims, VARIABLES[name].dtype)
            assert array.attrs["units"]
            assert array.attrs["long_name"]
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["looks"] == 20
    assert stack.attrs["product"] == "simulated"
    assert grid_of(stack).shape == (40, 48)
    assert (truth.time.values == network_of(stack).times).all()


def test_noise_free_loops_close_exactly():
    stack, _ = simulate_stack(**CLEAN)
    assert len(closures(stack)) > 10
    assert np.abs(closures(stack)).max() < 1e-5


def test_phase_is_positive_away_from_the_satellite():
    stack, truth = simulate_stack(**CLEAN)
    network = network_of(stack)
    phase = stack.unwrapped_phase.values
    np.testing.assert_allclose(phase, phase_of(truth, network), atol=1e-4)
    assert np.abs(phase + phase_of(truth, network)).max() > 1  # the flipped sign is noticed
    row, col = np.unravel_index(truth.velocity.values.argmin(), (40, 48))  # subsides: away, so positive
    longest = network.temporal_baseline.argmax()
    assert phase[longest, row, col] - np.median(phase[longest]) > 0.5


def test_truth_is_the_sum_of_its_parts():
    stack, truth = simulate_stack(**CLEAN)
    assert (truth.displacement[0] == 0).all()
    assert (truth.perpendicular_baseline[0] == 0).all()
    assert float(truth.velocity.min()) == pytest.approx(-0.080)
    years = xr.DataArray(network_of(stack).years, dims="time")
    deformation = years * truth.velocity + np.sin(2 * math.pi * years) * truth.annual_amplitude
    np.testing.assert_allclose(truth.deformation, deformation, atol=1e-7)
    height = truth.perpendicular_baseline / (stack.slant_range * np.sin(np.radians(stack.incidence_angle)))
    height = (height * truth.height_error).transpose("time", "y", "x")
    assert float(np.abs(height).max()) > 5e-4
    np.testing.assert_allclose(truth.displacement, truth.deformation + truth.atmosphere + height, atol=1e-7)


def test_baselines_of_pairs_are_differences_of_dates():
    stack, truth = simulate_stack(**SMALL)
    closed, misclosure = network_of(stack).date_baselines()
    np.testing.assert_allclose(closed, truth.perpendicular_baseline, atol=1e-4)
    assert np.abs(misclosure).max() < 1e-4
    assert 10 < float(truth.perpendicular_baseline.std()) < 150


def test_same_seed_same_numbers():
    first, second, other = (simulate_stack(**SMALL, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(first[0], second[0])
    xr.testing.assert_identical(first[1], second[1])
    assert not np.array_equal(first[1].atmosphere, other[1].atmosphere)


@pytest.mark.parametrize(
    "option",
    [{"noise": False}, {"missing": 0.2}, {"looks": 5}, {"pair_offsets": False}],
    ids=lambda option: next(iter(option)),
)
def test_an_option_leaves_the_rest_of_the_truth_alone(option):
    xr.testing.assert_identical(simulate_stack(**SMALL)[1], simulate_stack(**SMALL, **option)[1])


def test_network_and_annual_pairs():
    assert network_of(simulate_stack(**SMALL, neighbours=1)[0]).n_pairs == 11
    network = network_of(simulate_stack(shape=(4, 4), n_dates=36, neighbours=2, annual_pairs=True)[0])
    assert (network.n_dates, network.n_components) == (36, 1)
    yearly = network.temporal_baseline > 300
    assert network.n_pairs - yearly.sum() == 2 * 36 - 3
    assert 0 < yearly.sum() < 12
    assert np.abs(network.temporal_baseline[yearly] - 365.25).max() < 7
    steps = np.diff(network.times).astype("timedelta64[D]").astype(int)
    assert set(steps) >= {12, 24}  # a few dates were not acquired


def test_missing_is_the_share_of_land_where_coherence_is_low():
    stack, truth = simulate_stack(**SMALL, missing=0.1)
    gone = np.isnan(stack.unwrapped_phase.values)
    land = truth.water_mask.values
    assert gone[:, ~land].all()
    assert 0.01 < (~land).mean() < 0.3
    assert gone[:, land].mean() == pytest.approx(0.1, abs=1e-3)
    assert truth.coherence.values[:, land][gone[:, land]].mean() < truth.coherence.values[:, land].mean() - 0.1
    assert len({int(pair.sum()) for pair in gone}) > 5  # differs between the pairs
    assert np.isfinite(stack.coherence).all()
    np.testing.assert_array_equal(stack.connected_component_labels == 0, gone)
    for labels in stack.connected_component_labels.values:
        sizes = np.bincount(labels.ravel())[1:]
        assert (np.diff(sizes) <= 0).all()


def test_without_water_and_missing_all_samples_are_there():
    stack, truth = simulate_stack(**SMALL, water=False, missing=0)
    assert np.isfinite(stack.unwrapped_phase).all()
    assert truth.water_mask.all()
    assert (stack.connected_component_labels == 1).all()


def test_pair_offsets_are_constants():
    with_offsets = simulate_stack(**{**CLEAN, "pair_offsets": True})[0].unwrapped_phase
    offsets = with_offsets - simulate_stack(**CLEAN)[0].unwrapped_phase
    assert float(offsets.std(("y", "x")).max()) < 1e-5
    assert float(offsets.mean(("y", "x")).std()) > 3


def test_atmosphere():
    _, truth = simulate_stack(**SMALL, atmosphere=0.01)
    assert 0.005 < float(truth.atmosphere[1:].std(("y", "x")).mean()) < 0.025
    assert (simulate_stack(**SMALL, atmosphere=0)[1].atmosphere == 0).all()


def test_atmosphere_has_the_power_law():
    screens = turbulent_screens(np.random.default_rng(1), (256, 256), 6, 1.0)
    window = np.hanning(256)[:, None] * np.hanning(256)
    power = (np.abs(np.fft.fft2((screens - screens.mean((1, 2), keepdims=True)) * window)) ** 2).mean(0)
    k = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    inside = (k > 0.03) & (k < 0.3)
    slope = np.polyfit(np.log(k[inside]), np.log(power[inside]), 1)[0]
    assert slope == pytest.approx(-8 / 3, abs=0.1)


def test_coherence_decays_with_time_and_baseline():
    stack, truth = simulate_stack(shape=(40, 48), n_dates=30, neighbours=6, noise=False)
    np.testing.assert_array_equal(stack.coherence, truth.coherence)
    network = network_of(stack)
    mean = truth.coherence.mean(("y", "x")).values
    design = np.stack([np.ones(network.n_pairs), network.temporal_baseline, np.abs(network.perpendicular_baseline)], 1)
    assert (np.linalg.lstsq(design, mean, rcond=None)[0][1:] < 0).all()
    assert (truth.coherence.values[:, ~truth.water_mask.values] == 0).all()
    assert 0.1 < float(truth.coherence.where(truth.water_mask).min()) < 0.2
    assert float(truth.coherence.max()) > 0.8


def phase_std(coherence, looks):
    """Standard deviation by integration of the multilook phase density (Lee et al. 1994; Hanssen 2001, eq. 4.2.23)."""
    phase = np.linspace(-math.pi, math.pi, 20001)
    beta = coherence * np.cos(phase)
    factor = math.exp(gammaln(looks + 0.5) - gammaln(looks)) * (1 - coherence**2) ** looks / (2 * math.sqrt(math.pi))
    density = factor * beta / (1 - beta**2) ** (looks + 0.5)
    density += (1 - coherence**2) ** looks / (2 * math.pi) * hyp2f1(looks, 1, 0.5, beta**2)
    assert np.trapezoid(density, phase) == pytest.approx(1, abs=1e-4)
    return math.sqrt(np.trapezoid(phase**2 * density, phase))


@pytest.mark.parametrize("looks", [1, 4, 20])
@pytest.mark.parametrize("coherence", [0.0, 0.3, 0.6, 0.9])
def test_phase_noise_follows_the_theory(coherence, looks):
    phase, _ = _decorrelation(np.random.default_rng(5), np.full(40_000, coherence), looks)
    assert phase.std() == pytest.approx(phase_std(coherence, looks), rel=0.02)


def test_noise_follows_from_the_single_looks():
    rng = np.random.default_rng(6)
    first, other = (rng.normal(size=(2, 20_000, 8)) for _ in range(2))
    first, other = first[0] + 1j * first[1], other[0] + 1j * other[1]
    second = 0.5 * first + math.sqrt(0.75) * other
    cross = (second * first.conj()).mean(1)
    coherence = np.abs(cross) / np.sqrt((np.abs(first) ** 2).mean(1) * (np.abs(second) ** 2).mean(1))
    phase, estimated = _decorrelation(rng, np.full(20_000, 0.5), 8)
    quantiles = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(estimated, quantiles), np.quantile(coherence, quantiles), atol=0.012)
    np.testing.assert_allclose(np.quantile(phase, quantiles), np.quantile(np.angle(cross), quantiles), atol=0.05)


def test_noise_of_the_stack_is_that_of_its_coherence_and_looks():
    noisy, truth = simulate_stack(**{**CLEAN, "noise": True}, looks=10)
    clean, _ = simulate_stack(**CLEAN)
    error = (noisy.unwrapped_phase - clean.unwrapped_phase).values
    near = np.abs(truth.coherence.values - 0.8) < 0.02
    assert error[near].std() == pytest.approx(phase_std(0.8, 10), rel=0.1)
    few, _ = simulate_stack(**{**CLEAN, "noise": True}, looks=2)
    assert (few.unwrapped_phase - clean.unwrapped_phase).std() > 1.3 * error.std()


@pytest.mark.parametrize(
    "option",
    [
        {"shape": (3, 40)},
        {"n_dates": 1},
        {"neighbours": 0},
        {"looks": 0.5},
        {"looks": math.nan},
        {"missing": 1.0},
        {"missing": -0.1},
        {"atmosphere": -1},
        {"annual_pairs": True, "n_dates": 12},
    ],
)
def test_options_out_of_range_are_named(option):
    with pytest.raises(ArgumentError, match=next(iter(option))):
        simulate_stack(**option)


# -- files ----------------------------------------------------------------------------------------------------------


def test_files_hold_the_stack(tmp_path):
    stack, _ = simulate_stack(shape=(20, 24), n_dates=4, missing=0.2)
    stack["unwrapped_phase"][0, 5, 6] = 0.0
    written = write_geotiffs(stack, tmp_path / "new" / "ifgs")
    network, grid = network_of(stack), grid_of(stack)
    assert sorted(written) == sorted((tmp_path / "new" / "ifgs").iterdir())
    assert len(written) == 3 * network.n_pairs + 1
    for k, name in enumerate(network.labels):
        for variable, suffix in (("unwrapped_phase", "unw"), ("coherence", "cor")):
            with rasterio.open(tmp_path / "new" / "ifgs" / f"{name}.{suffix}.tif") as file:
                values = file.read(1, masked=True).filled(np.nan)
                np.testing.assert_allclose(values, stack[variable][k], atol=1e-29)
                assert (file.nodata, file.dtypes, file.profile["blockxsize"]) == (0, ("float32",), 256)
                assert file.crs.to_epsg() == 32614
                assert tuple(file.transform)[:6] == grid.affine
                assert file.compression.name == "deflate"
        with rasterio.open(tmp_path / "new" / "ifgs" / f"{name}.unw.conncomp.tif") as file:
            np.testing.assert_array_equal(file.read(1), stack.connected_component_labels[k])
            assert file.dtypes == ("uint16",)
    with (tmp_path / "new" / "ifgs" / "baselines.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [f"{row['reference']}_{row['secondary']}" for row in rows] == network.labels
    np.testing.assert_allclose([float(row["bperp_m"]) for row in rows], network.perpendicular_baseline, atol=1e-4)


def test_only_layers_of_the_stack_are_written(tmp_path):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=2)
    stack = stack[["unwrapped_phase"]].drop_vars("perpendicular_baseline")
    assert [path.name for path in write_geotiffs(stack, tmp_path)] == [f"{network_of(stack).labels[0]}.unw.tif"]


def test_folders_with_files_are_refused(tmp_path):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=2)
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(StoreError, match="not an empty folder"):
        write_geotiffs(stack, tmp_path)
    with pytest.raises(StoreError, match="not an empty folder"):
        write_geotiffs(stack, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stack_without_phase_is_refused(tmp_path):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=2)
    with pytest.raises(StackError, match="no unwrapped_phase"):
        write_geotiffs(stack[["coherence"]], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_stratified_air_depends_on_the_height_alone():
    kwargs = {**CLEAN, "n_dates": 40, "atmosphere": 0.0}
    stack, truth = simulate_stack(**kwargs, stratified=0.02)
    plain, without = simulate_stack(**kwargs)
    assert "height" not in plain
    height = stack.height.values.ravel()
    assert height.min() == 0
    assert height.max() == pytest.approx(2000)
    layered = truth.stratified_atmosphere.values.reshape(40, -1)
    np.testing.assert_allclose(truth.displacement - without.displacement, truth.stratified_atmosphere, atol=1e-6)
    order = np.argsort(height)
    exponential = np.exp(-height[order] / 2000)
    for date in (1, 5, 30):
        assert abs(np.corrcoef(layered[date, order], exponential)[0, 1]) > 0.999999
    lowest, highest = layered[:, order[0]], layered[:, order[-1]]
    assert np.diff(lowest - highest).std() / np.sqrt(2) == pytest.approx(0.02, rel=0.4)
    with pytest.raises(ArgumentError, match="stratified: 2"):
        simulate_stack(**SMALL, stratified=2)
