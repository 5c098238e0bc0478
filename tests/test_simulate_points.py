"""The simulated wrapped stack is what its truth says, each option does what it says, and the files hold the stack."""

import csv

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.conventions import VARIABLES, metres_per_radian
from insarray.model.errors import ArgumentError, StackError, StoreError
from insarray.simulate.points import WAVELENGTH, simulate_wrapped, write_wrapped

PI = np.float32(np.pi)
SMALL = {"shape": (36, 48), "n_dates": 9}


@pytest.fixture(scope="module")
def city() -> tuple[xr.Dataset, xr.Dataset]:
    return simulate_wrapped(n_dates=30)


def test_variables_are_those_of_the_data_model(city):
    stack, truth = city
    for name, array in stack.data_vars.items():
        assert (array.dims, str(array.dtype)) == (VARIABLES[name].dims, VARIABLES[name].dtype)
    for array in (*stack.data_vars.values(), *truth.data_vars.values()):
        assert array.attrs["long_name"]
        assert array.attrs["units"]
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["reference_date"] == str(stack.time.values[0])[:19]
    assert stack.perpendicular_baseline[0] == 0


def test_wrapped_phase_is_the_principal_value_of_the_unwrapped(city):
    stack, truth = city
    wrapped, unwrapped = stack.wrapped_phase.values, truth.unwrapped_phase.values
    assert (wrapped > -PI).all()
    assert (wrapped <= PI).all()
    assert (wrapped[0] == 0).all()
    assert (unwrapped[0] == 0).all()
    cycles = (unwrapped.astype(np.float64) - wrapped) / (2 * np.pi)
    assert np.abs(cycles - np.round(cycles)).max() < 1e-7
    assert np.abs(unwrapped).max() > 20


def test_displacement_is_the_sum_of_its_parts(city):
    """The geometry in words of its own: a height error looks like a motion toward the satellite of B h / (R sin)."""
    stack, truth = city
    years = (stack.time - stack.time[0]) / np.timedelta64(1, "D") / 365.25
    angle = np.radians(stack.incidence_angle)
    topography = stack.perpendicular_baseline * truth.height_error / (stack.slant_range * np.sin(angle))
    expected = truth.velocity * years + topography + truth.atmosphere
    np.testing.assert_allclose(truth.displacement, expected.transpose("time", "y", "x"), atol=1e-7)
    assert (truth.atmosphere[0] == 0).all()


def test_phase_is_the_displacement_and_the_noise_of_the_date_less_that_of_the_first(city):
    """Positive away: minus 4 pi / wavelength times the displacement toward the satellite."""
    _, truth = city
    phase = -4 * np.pi / WAVELENGTH * truth.displacement.astype(float)
    noise = (truth.unwrapped_phase - phase).where(truth.water_mask)
    std = noise.isel(time=slice(1, None)).std("time", ddof=1)
    first = float((noise.isel(time=slice(1, None)).mean("time") / truth.noise_std).std())
    assert first == pytest.approx(np.sqrt(1 + 1 / 29), rel=0.05)  # that of the first date is common to all others
    assert float((std / truth.noise_std).mean()) == pytest.approx(1, abs=0.02)
    assert float(truth.noise_std.where(truth.water_mask).mean()) == pytest.approx(0.4, rel=0.05)


def test_the_ground(city):
    stack, truth = city
    assert float(truth.velocity.min()) == pytest.approx(-0.07, abs=0.003)
    assert float(truth.velocity.max()) == pytest.approx(0.025, abs=0.003)
    height = truth.height_error.values
    tall = height > 10
    assert 0.3 < tall.mean() < 0.5
    assert 13 < height[tall].min() < 25
    assert 45 < height.max() < 57
    assert np.abs(height[~tall]).max() < 3
    assert (height[9:12] < 3).all()  # a street
    steps = np.abs(np.diff(height, axis=1))
    assert (steps > 13).any(axis=1).mean() > 0.6
    lake = ~truth.water_mask.values
    assert 0.03 < lake.mean() < 0.1
    assert np.isinf(truth.noise_std.values[lake]).all()
    phase = stack.wrapped_phase.values[1:, lake]
    assert np.abs(np.exp(1j * phase).mean()) < 0.02
    coherence = stack.temporal_coherence.values
    assert np.median(coherence[lake]) < 0.25
    assert np.median(coherence[~lake]) == pytest.approx(np.exp(-(0.4**2) / 2), abs=0.03)


def test_dates_and_baselines():
    stack, _ = simulate_wrapped(shape=(12, 12), n_dates=400)
    days = np.diff(stack.time.values) / np.timedelta64(1, "D")
    assert set(days) <= {11.0, 22.0, 33.0, 44.0}
    assert (days > 11).sum() > 40
    assert float(stack.perpendicular_baseline.std()) == pytest.approx(150, rel=0.1)


def test_options():
    stack, truth = simulate_wrapped(**SMALL, noise=0, atmosphere=0, water=False)
    assert stack.sizes == {"time": 9, "y": 36, "x": 48}
    assert (truth.atmosphere == 0).all()
    assert truth.water_mask.all()
    np.testing.assert_allclose(truth.unwrapped_phase * metres_per_radian(WAVELENGTH), truth.displacement, atol=1e-7)
    np.testing.assert_allclose(stack.temporal_coherence, 1, rtol=1e-6)
    _, wet = simulate_wrapped(**SMALL, noise=0)
    assert not wet.water_mask.all()
    _, hazy = simulate_wrapped(**SMALL, atmosphere=0.02)
    assert float(hazy.atmosphere[1:].std(("y", "x")).mean()) == pytest.approx(0.028, rel=0.3)
    _, noisy = simulate_wrapped(**SMALL, noise=1.2, water=False)
    assert float(noisy.noise_std.mean()) == pytest.approx(1.2, rel=0.1)


def test_seed():
    first, truth = simulate_wrapped(**SMALL, seed=5)
    xr.testing.assert_identical(simulate_wrapped(**SMALL, seed=5)[0], first)
    assert not np.array_equal(simulate_wrapped(**SMALL, seed=6)[0].wrapped_phase, first.wrapped_phase)
    _, calm = simulate_wrapped(**SMALL, seed=5, atmosphere=0, noise=0)
    np.testing.assert_array_equal(calm.height_error, truth.height_error)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"shape": (5, 50)}, r"shape: \(5, 50\); give \(rows, columns\) of at least 12"),
        ({"n_dates": 1}, "n_dates: 1; must be at least 2"),
        ({"noise": -1}, "noise: -1"),
        ({"atmosphere": 2}, "atmosphere: 2"),
    ],
)
def test_bad_options(option, message):
    with pytest.raises(ArgumentError, match=message):
        simulate_wrapped(**option)


# -- files ----------------------------------------------------------------------------------------------------------


def test_files_hold_the_stack(tmp_path):
    stack, _ = simulate_wrapped(**SMALL)
    stack.wrapped_phase[3, 4, 5] = np.nan
    written = write_wrapped(stack, tmp_path / "linked")
    assert sorted(tmp_path.joinpath("linked").iterdir()) == sorted(written)
    labels = [str(time)[:10].replace("-", "") for time in stack.time.values]
    assert [path.name for path in written[:8]] == [f"{labels[0]}_{label}.int.tif" for label in labels[1:]]
    with rasterio.open(written[2]) as file:
        values = file.read(1)
    assert values.dtype == np.complex64
    assert values[4, 5] == 0
    again = ia.open_wrapped(tmp_path / "linked", baselines=written[-1], wavelength=WAVELENGTH).compute()
    np.testing.assert_allclose(again.wrapped_phase, stack.wrapped_phase, atol=1e-6)
    assert np.isnan(again.wrapped_phase[3, 4, 5])
    np.testing.assert_array_equal(again.temporal_coherence, stack.temporal_coherence)
    np.testing.assert_allclose(again.perpendicular_baseline, stack.perpendicular_baseline, atol=1e-3)
    for name in ("time", "y", "x"):
        xr.testing.assert_identical(again[name].variable, stack[name].variable)
    assert again.insar.grid.mismatch(stack.insar.grid) is None
    with open(written[-1], newline="") as table:
        assert [row["date"] for row in csv.DictReader(table)] == labels


def test_files_of_a_stack_against_another_date(tmp_path):
    stack, truth = simulate_wrapped(**SMALL)
    unwrapped = truth.unwrapped_phase - truth.unwrapped_phase[4]
    stack["wrapped_phase"] = np.angle(np.exp(1j * unwrapped.astype(float))).astype(np.float32) + 0 * unwrapped
    stack.attrs["reference_date"] = str(stack.time.values[4])[:19]
    bare = stack[["wrapped_phase"]].drop_vars("perpendicular_baseline")
    assert len(write_wrapped(bare, tmp_path)) == 8
    again = ia.open_wrapped(tmp_path)
    assert again.attrs["reference_date"] == stack.attrs["reference_date"]
    np.testing.assert_allclose(again.wrapped_phase, stack.wrapped_phase, atol=1e-5)


def test_files_are_not_mixed_with_others(tmp_path):
    stack, truth = simulate_wrapped(shape=(12, 12), n_dates=2)
    (tmp_path / "mine").write_text("x")
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(StoreError, match="exists and is not an empty folder"):
            write_wrapped(stack, target)
    with pytest.raises(StackError, match="stack: has no wrapped_phase, only unwrapped_phase, "):
        write_wrapped(truth, tmp_path / "new")
