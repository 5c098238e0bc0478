"""Time functions of a series: units, signs, gaps, every option, laziness."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import variable
from insarray.model.errors import ArgumentError, StackError
from tests.stacks import WAVELENGTH, stack_of


def test_equals_polyfit_in_metres_per_year():
    series = ia.invert(stack_of(missing=0.0), reference=(5, 5))
    model = ia.fit(series).compute()
    days = (series.time.values - series.time.values[0]) / np.timedelta64(1, "D")
    for y, x in ((0, 0), (7, 20)):
        fit, covariance = np.polyfit(days / 365.25, series.displacement.values[:, y, x].astype(float), 1, cov=True)
        np.testing.assert_allclose(model.velocity[y, x], fit[0], rtol=1e-4)
        np.testing.assert_allclose(model.velocity_std[y, x], np.sqrt(covariance[0, 0]), rtol=1e-4)
    assert model.velocity.attrs["units"] == "m/year"
    assert model.velocity.dtype == np.float32
    assert model.attrs["reference_row"] == 5


def test_motion_away_is_negative_velocity():
    stack = stack_of(missing=0.0)
    days = stack.insar.network.temporal_baseline
    phase = np.broadcast_to((days / 365.25)[:, None, None], stack.unwrapped_phase.shape).astype(np.float32)
    model = ia.fit(ia.invert(stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase))))
    np.testing.assert_allclose(model.velocity, -WAVELENGTH / (4 * np.pi), rtol=1e-5)


@pytest.mark.parametrize("block", [5, None])
def test_any_chunking_gives_the_same_bits(block):
    expected = ia.fit(ia.invert(stack_of(block=8)))
    xr.testing.assert_equal(ia.fit(ia.invert(stack_of(block=block))), expected)


def test_a_network_gap_does_not_bend_the_velocity():
    """50 mm/yr without noise, network cut in the middle: subsets keep their own offsets."""
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    days = network.temporal_baseline
    phase = -4 * np.pi / WAVELENGTH * 0.05 * days / 365.25
    across = (network.reference <= 3) & (network.secondary > 3)
    phase = np.where(across, np.nan, phase)[:, None, None] * np.ones(stack.unwrapped_phase.shape[1:])
    cut = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase.astype(np.float32)))
    for gap in ("nan", "subset", "nsbas"):
        np.testing.assert_allclose(ia.fit(ia.invert(cut, gap=gap)).velocity, 0.05, rtol=1e-4)


def test_what_is_no_series_is_refused():
    with pytest.raises(StackError, match="displacement"):
        ia.fit(stack_of()[["coherence"]])
    with pytest.raises(StackError, match="at least two"):
        ia.fit(ia.invert(stack_of()).isel(time=slice(0, 1)))


DIAGNOSTICS = {"intercept", "intercept_std", "degrees_of_freedom", "fit_flag", "fit_residual_std"}

OPTIONS = {
    "degree": 2,
    "periods": (1.0, 0.5, 0.7),
    "steps": ("2021-02-01",),
    "velocity_changes": ("2021-07-01",),
    "exponentials": (("2020-09-01", 60.0),),
    "logarithms": (("2021-09-01", 30.0),),
}


def long_series(*, noise=0.0, block=None):
    """Series of 60 dates with every kind of term, and the factors."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(12, "D")
    t = (times - times[0]) / np.timedelta64(86400, "s") / 365.25

    def after(date):
        return np.maximum((times - np.datetime64(date)) / np.timedelta64(86400, "s") / 365.25, 0)

    truth = {
        "velocity": 0.03,
        "acceleration": -0.02,
        "annual_amplitude": 0.01,
        "annual_phase": 2.0,
        "semiannual_amplitude": 0.004,
        "semiannual_phase": -1.0,
        "period_0.7y_amplitude": 0.003,
        "period_0.7y_phase": 0.5,
        "step_20210201": 0.05,
        "velocity_change_20210701": 0.04,
        "exponential_20200901_60d": -0.02,
        "logarithmic_20210901_30d": 0.01,
    }
    x = 0.03 * t - 0.02 * t**2 / 2
    for name, period in (("annual", 1.0), ("semiannual", 0.5), ("period_0.7y", 0.7)):
        x = x + truth[f"{name}_amplitude"] * np.cos(2 * np.pi * t / period - truth[f"{name}_phase"])
    x = x + 0.05 * (times >= np.datetime64("2021-02-01")) + 0.04 * after("2021-07-01")
    x = x - 0.02 * (1 - np.exp(-after("2020-09-01") * 365.25 / 60))
    x = x + 0.01 * np.log(1 + after("2021-09-01") * 365.25 / 30)
    values = x[:, None, None] + noise * rng.normal(size=(60, 12, 15))
    series = xr.Dataset({"displacement": (("time", "y", "x"), values.astype(np.float32))}, {"time": times})
    return (series if block is None else series.chunk({"time": -1, "y": block, "x": block})), truth


def test_every_term_is_found_in_a_series_made_of_them():
    series, truth = long_series()
    model = ia.fit(series, **OPTIONS)
    assert set(model.data_vars) == {name for term in truth for name in (term, f"{term}_std")} | DIAGNOSTICS
    for name, value in truth.items():
        np.testing.assert_allclose(model[name], value, rtol=2e-3, atol=2e-5, err_msg=name)
        assert model[name].attrs["units"] == variable(name).units
        assert model[name].dtype == np.float32
    assert model.attrs["model"].split()[:2] == ["velocity", "acceleration"]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_the_fit(option):
    series, truth = long_series()
    rest = {name: value for name, value in OPTIONS.items() if name != option}
    model = ia.fit(series, **rest)
    assert set(model.data_vars) < {name for term in truth for name in (term, f"{term}_std")} | DIAGNOSTICS
    assert float(model.velocity_std.min()) > 3 * float(ia.fit(series, **OPTIONS).velocity_std.max())


def test_standard_errors_cover_the_truth():
    """Of every kind of term, amplitude and phase included, with gaps: 68 and 95 % of the intervals."""
    series, _ = long_series()
    t = ((series.time - series.time[0]) / np.timedelta64(86400, "s") / 365.25).values
    truth = {"velocity": 0.03, "annual_amplitude": 0.01, "annual_phase": 2.0, "step_20210201": 0.05}
    clean = 0.03 * t + 0.01 * np.cos(2 * np.pi * t - 2.0) + 0.05 * (series.time.values >= np.datetime64("2021-02-01"))
    rng = np.random.default_rng(1)
    values = (clean[:, None, None] + 0.001 * rng.normal(size=(60, 80, 80))).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    many = xr.Dataset({"displacement": (("time", "y", "x"), values)}, {"time": series.time})
    model = ia.fit(many, periods=(1.0,), steps=("2021-02-01",))
    for name, value in truth.items():
        z = np.abs(model[name] - value) / model[f"{name}_std"]
        assert float((z < 1).mean()) == pytest.approx(0.68, abs=0.025), name
        assert float((z < 1.96).mean()) == pytest.approx(0.95, abs=0.015), name


def test_terms_are_lazy_and_independent_of_chunks():
    expected = ia.fit(long_series(noise=0.001)[0], **OPTIONS)
    lazy = ia.fit(long_series(noise=0.001, block=7)[0], **OPTIONS)
    assert all(layer.chunks is not None for layer in lazy.data_vars.values())
    xr.testing.assert_identical(lazy.compute(), expected)


@pytest.mark.parametrize("name", ["steps", "velocity_changes", "exponentials", "logarithms"])
@pytest.mark.parametrize("when", ["2030-01-01", np.datetime64("2030-01-01")])
def test_events_that_no_date_follows_are_refused(name, when):
    series, _ = long_series()
    given = [(when, 30.0)] if name in ("exponentials", "logarithms") else [when]
    with pytest.raises(ArgumentError, match=f"{name}: 2030-?01-?01 is not within the dates 20200101..20211209"):
        ia.fit(series, **{name: given})


def test_a_step_is_refused_before_the_dates_and_taken_at_the_last():
    series, _ = long_series()
    with pytest.raises(ArgumentError, match="steps: 2019-12-31 is not within"):
        ia.fit(series, steps=["2019-12-31"])
    last = series.time.values[-1]
    model = ia.fit(series, steps=last, periods=1)  # a datetime64, and a number, without brackets
    assert np.isfinite(model[f"step_{str(last)[:10].replace('-', '')}"]).any()
    xr.testing.assert_identical(model, ia.fit(series, steps=[str(last)[:10]], periods=(1.0,)))


def test_impossible_models_are_refused():
    series, _ = long_series()
    with pytest.raises(ArgumentError, match="degree: 7"):
        ia.fit(series, degree=7)
