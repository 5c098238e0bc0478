"""Time functions from pairs, height error, weights, flags, residuals, prediction: every option and every refusal."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import FIT_FLAGS, metres_per_radian
from insarray.model.errors import ArgumentError, StackError
from tests.networks import nearest
from tests.stacks import WAVELENGTH, stack_of

SLANT_RANGE, INCIDENCE = 850e3, 39.0
GEOMETRY = {"slant_range": SLANT_RANGE, "incidence_angle": INCIDENCE}


def exact_stack(*, velocity=0.05, height=0.0, gap=False, baseline=None, block=8):
    """Pairs of a constant velocity and height error without noise, perhaps in two pieces."""
    stack = stack_of(nearest(12, 3), missing=0.1, block=block)
    network = stack.insar.network
    x = velocity * network.years
    if height:
        x = x + height * baseline / (SLANT_RANGE * np.sin(np.deg2rad(INCIDENCE)))
    d = (x[network.secondary] - x[network.reference]) / metres_per_radian(WAVELENGTH)
    phase = stack.unwrapped_phase * 0 + xr.DataArray(d.astype(np.float32), dims="pair")
    if gap:
        across = (network.reference <= 5) & (network.secondary > 5)
        phase = phase.where(xr.DataArray(~across, dims="pair"))
    stack = stack.assign(unwrapped_phase=phase)
    if baseline is not None:
        between = baseline[network.secondary] - baseline[network.reference]
        stack = stack.assign_coords(perpendicular_baseline=("pair", between))
    return stack


def assert_nearly_all(found, expected, **tolerance):
    """Equal where there are data at all; the first date is missing in a few pixels."""
    known = np.isfinite(found.values)
    assert known.mean() > 0.98
    np.testing.assert_allclose(found.values[known], np.broadcast_to(expected, found.shape)[known], **tolerance)


def test_a_gap_does_not_bend_the_velocity_of_pairs_or_of_series():
    """50 mm/yr, one gap, no noise (issue: the peers give -1.4 and 37.1)."""
    stack = exact_stack(gap=True)
    np.testing.assert_allclose(ia.fit(stack).velocity, 0.05, rtol=1e-5)
    for gap in ("subset", "nsbas"):
        np.testing.assert_allclose(ia.fit(ia.invert(stack, gap=gap)).velocity, 0.05, rtol=1e-5)


def test_pairs_equal_lapack_with_weights_and_a_reference():
    stack = stack_of(missing=0.1)
    level = stack.unwrapped_phase[:, 5, 5].values.astype(float)
    model = ia.fit(stack, reference=(5, 5), weights="coherence", periods=(0.5,))
    network = stack.insar.network
    t = network.years
    columns = np.column_stack([t, np.cos(4 * np.pi * t), np.sin(4 * np.pi * t)])
    design = columns[network.secondary] - columns[network.reference]
    for y, x in ((0, 0), (7, 20)):
        phase = (stack.unwrapped_phase[:, y, x].values - level) * metres_per_radian(WAVELENGTH)
        used = np.isfinite(phase)
        root = np.sqrt(stack.coherence[:, y, x].values.astype(float))[used]
        terms = np.linalg.lstsq(root[:, None] * design[used], root * phase[used], rcond=None)[0]
        np.testing.assert_allclose(model.velocity[y, x], terms[0], rtol=1e-4)
        np.testing.assert_allclose(model.semiannual_amplitude[y, x], np.hypot(terms[1], terms[2]), rtol=1e-4)
    assert model.attrs["reference_row"] == 5
    assert model.attrs["fit_weights"] == "coherence"
    assert "intercept" not in model
    assert {"fit_residual_std", "reduced_chi_square"}.isdisjoint(model)


def test_motion_away_is_negative_velocity_of_pairs():
    stack = stack_of(missing=0.0)
    days = stack.insar.network.temporal_baseline
    phase = np.broadcast_to((days / 365.25)[:, None, None], stack.unwrapped_phase.shape).astype(np.float32)
    model = ia.fit(stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase)))
    np.testing.assert_allclose(model.velocity, -WAVELENGTH / (4 * np.pi), rtol=1e-5)


def test_phase_looks_and_named_weights_of_pairs_count():
    stack = stack_of(missing=0.0)
    corrected = stack.assign(corrected_phase=stack.unwrapped_phase * 2)
    np.testing.assert_allclose(
        ia.fit(corrected, phase="corrected_phase").velocity, 2 * ia.fit(stack).velocity, rtol=1e-4, atol=1e-6
    )
    few, many = (ia.fit(stack, weights="variance", looks=n, uncertainty="covariance") for n in (5, 20))
    assert float((few.velocity_std / many.velocity_std).mean()) > 1.5
    assert many.attrs["looks"] == 20
    fisher = ia.fit(stack, weights="fisher", looks=20)
    assert not np.allclose(fisher.velocity, many.velocity, rtol=1e-4)


@pytest.mark.parametrize("kind", ["stack", "series", "maps", "maps of a series", "dates"])
def test_height_error_with_every_kind_of_baseline(kind):
    rng = np.random.default_rng(0)
    baseline = rng.normal(0, 100, 12)
    stack = exact_stack(height=12.0, baseline=baseline)
    maps = stack.perpendicular_baseline * xr.DataArray(np.ones((20, 30)), dims=("y", "x"))
    data, given = stack, None
    if kind in ("series", "maps of a series", "dates"):
        data = ia.invert(stack)
    if kind in ("maps", "maps of a series"):
        data, given = data.drop_vars("perpendicular_baseline"), maps
    if kind == "dates":
        given = xr.DataArray(baseline, dims="time")
    model = ia.fit(data, height_error=True, baselines=given, **GEOMETRY)
    assert_nearly_all(model.height_error, 12.0, rtol=1e-3)
    assert_nearly_all(model.velocity, 0.05, rtol=1e-3)
    assert model.height_error.attrs["units"] == "m"
    opposite = given * -1 if given is not None else data.perpendicular_baseline * -1
    assert_nearly_all(ia.fit(data, height_error=True, baselines=opposite, **GEOMETRY).height_error, -12.0, rtol=1e-3)


def test_height_error_is_positive_where_the_ground_is_higher_than_the_dem():
    """A scatterer in space: ranges from two satellites, less those of the point of the DEM at the same range.

    The baseline is counted in the direction, across the line of sight, in which a rising scatterer moves at constant
    range: up and away.
    """
    incidence, slant_range = np.deg2rad(35.0), 850e3
    to_satellite = np.array([-np.sin(incidence), np.cos(incidence)])  # ground range, up
    across = np.array([np.cos(incidence), np.sin(incidence)])
    satellite = slant_range * to_satellite
    rng = np.random.default_rng(1)
    baseline = np.concatenate([[0.0], rng.normal(0, 150, 11)])
    height = 20.0
    # the DEM has the scatterer at height 0 where the range is the same
    lower = np.array([0.0, 0.0])
    shift = height / np.tan(incidence)
    for _ in range(50):
        excess = np.hypot(*(satellite - ([lower[0] + shift, lower[1] + height]))) - slant_range
        shift -= excess / np.sin(incidence)
    higher = [lower[0] + shift, lower[1] + height]
    change = np.array(
        [np.hypot(*(satellite + b * across - higher)) - np.hypot(*(satellite + b * across - lower)) for b in baseline]
    )
    series = ia.invert(exact_stack()).isel(y=slice(2), x=slice(2))
    displacement = np.broadcast_to(-change[:, None, None], (12, 2, 2)).astype(np.float32)
    series = series.assign(displacement=(series.displacement.dims, displacement)).drop_vars("network_subset")
    model = ia.fit(
        series,
        height_error=True,
        baselines=xr.DataArray(baseline, dims="time"),
        slant_range=slant_range,
        incidence_angle=35.0,
    )
    np.testing.assert_allclose(model.height_error, height, rtol=2e-3)


def test_maps_of_the_geometry_count_per_pixel():
    baseline = np.random.default_rng(0).normal(0, 100, 12)
    stack = exact_stack(height=12.0, baseline=baseline)
    factor = xr.DataArray(np.linspace(0.9, 1.1, 600).reshape(20, 30), dims=("y", "x"))
    by_range = ia.fit(stack, height_error=True, slant_range=SLANT_RANGE * factor, incidence_angle=INCIDENCE)
    np.testing.assert_allclose(by_range.height_error, 12.0 * factor, rtol=1e-3)
    angle = xr.DataArray(np.linspace(30.0, 45.0, 600).reshape(20, 30), dims=("y", "x"))
    angle[3, 4] = np.nan
    own = stack.assign(slant_range=factor * 0 + SLANT_RANGE, incidence_angle=angle)
    expected = 12.0 * np.sin(np.deg2rad(angle)) / np.sin(np.deg2rad(INCIDENCE))
    model = ia.fit(own, height_error=True)
    np.testing.assert_allclose(model.height_error, expected, rtol=1e-3)
    assert np.isnan(model.height_error[3, 4])
    assert np.isfinite(model.velocity[3, 4])


def test_flags_say_how_each_pixel_was_determined():
    times = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(30, "D")
    values = np.random.default_rng(0).normal(0, 0.01, (6, 1, 4)).astype(np.float32)
    values[:, 0, 0] = np.nan
    values[2:, 0, 1] = np.nan
    values[4:, 0, 2] = np.nan
    series = xr.Dataset({"displacement": (("time", "y", "x"), values)}, {"time": times})
    few = ia.fit(series)
    assert [FIT_FLAGS[flag] for flag in few.fit_flag.values[0]][:2] == ["no_data", "too_few_observations"]
    model = ia.fit(series, min_dates=0, min_redundancy=0)
    names = [FIT_FLAGS[flag] for flag in model.fit_flag.values[0]]
    assert names == ["no_data", "no_redundancy", "determined", "determined"]
    assert model.degrees_of_freedom.values[0].tolist() == [0, 0, 2, 4]
    assert np.isnan(model.velocity_std[0, :2]).all()
    stepped = ia.fit(series, steps=("2020-05-15",))
    assert FIT_FLAGS[int(stepped.fit_flag[0, 2])] == "undetermined_terms"
    assert np.isnan(stepped.step_20200515[0, 2])
    assert np.isfinite(stepped.velocity[0, 2])


def test_residuals_are_what_the_functions_leave():
    stack = stack_of(nearest(12, 3))
    series = ia.invert(stack, reference=(5, 5))
    model = ia.fit(series, periods=(0.5,), residuals=True)
    left = series.displacement - ia.predict(model, series.time.values)
    complete = (series.network_subset == 1).all("time").values & np.isfinite(model.velocity.values)
    np.testing.assert_allclose(model.fit_residual.values[:, complete], left.values[:, complete], atol=1e-6)
    assert "fit_residual" not in ia.fit(series)
    pairs = ia.fit(stack, reference=(5, 5), residuals=True)
    rms = np.sqrt((pairs.pair_fit_residual**2).sum("pair") / pairs.degrees_of_freedom)
    np.testing.assert_allclose(pairs.fit_residual_std, rms, rtol=1e-4)
    assert pairs.pair_fit_residual.sizes["pair"] == stack.sizes["pair"]


def test_prediction_goes_through_a_clean_series_and_beyond():
    stack = exact_stack()
    series = ia.invert(stack)
    model = ia.fit(series)
    inside = ia.predict(series.merge(model), series.time.values)  # the model keeps what it needs in any company
    assert_nearly_all(series.displacement, inside.values, atol=1e-6)
    assert inside.chunks is not None
    assert inside.attrs["units"] == "m"
    later = ia.predict(model, ["2030-01-01"])
    years = float((np.datetime64("2030-01-01") - series.time.values[0]) / np.timedelta64(1, "D")) / 365.25
    assert_nearly_all(later, 0.05 * years, rtol=1e-4)
    np.testing.assert_allclose(ia.predict(ia.fit(stack), ["2030-01-01"]), 0.05 * years, rtol=1e-4)
    with pytest.raises(StackError, match="time_model"):
        ia.predict(series, ["2030-01-01"])
    with pytest.raises(ArgumentError, match="at least one"):
        ia.predict(model, [])


def test_terms_can_be_taken_out_one_by_one_or_together():
    baseline = np.random.default_rng(0).normal(0, 100, 12)
    stack = exact_stack(height=12.0, baseline=baseline)
    series = ia.invert(stack)
    model = ia.fit(series, periods=(0.3,), height_error=True, **GEOMETRY)
    straight = ia.remove_terms(series, model, ["height_error"], **GEOMETRY)
    expected = 0.05 * series.insar.network.years[:, None, None] * np.ones((20, 30))
    good = np.isfinite(series.displacement).all("time").values
    np.testing.assert_allclose(straight.displacement.values[:, good], expected[:, good], atol=2e-5)
    assert straight.attrs["removed_terms"] == "height_error"
    no_motion = ia.remove_terms(straight, model)
    assert float(np.abs(no_motion.displacement).max()) < 5e-5
    maps = (stack.perpendicular_baseline * xr.DataArray(np.ones((20, 30)), dims=("y", "x"))).transpose("pair", "y", "x")
    for given in (maps, xr.DataArray(baseline, dims="time")):
        same = ia.remove_terms(series, model, ["height_error"], baselines=given, **GEOMETRY)
        np.testing.assert_allclose(same.displacement, straight.displacement, atol=1e-6)
    assert (no_motion.displacement.isel(time=0).values[good] == 0).all()
    slow = ia.remove_terms(series, model, ["velocity"])
    back = slow.displacement + model.velocity * xr.DataArray(series.insar.network.years, dims="time")
    np.testing.assert_allclose(back, series.displacement, atol=1e-6)
    with pytest.raises(ArgumentError, match=r"'annual' is not in the model, which has velocity, period_0\.3y"):
        ia.remove_terms(series, model, ["annual"])
    with pytest.raises(StackError, match="grid"):
        ia.remove_terms(series, model.isel(y=slice(4)), ["velocity"])


def test_a_part_of_the_time_is_a_part_of_the_series():
    """Also with baselines of pairs, some of which reach out of that part."""
    baseline = np.random.default_rng(0).normal(0, 100, 12)
    series = ia.invert(exact_stack(height=12.0, baseline=baseline))
    part = series.isel(time=slice(3, 10))
    model = ia.fit(part, height_error=True, **GEOMETRY)
    assert_nearly_all(model.height_error, 12.0, rtol=1e-3)
    assert model.attrs["first_time"] == str(series.time.values[3])[:19]


def test_lazy_and_any_chunking_gives_the_same_bits():
    baseline = np.random.default_rng(0).normal(0, 100, 12)
    how = {"periods": (0.5,), "height_error": True, **GEOMETRY, "weights": "variance", "residuals": True}
    whole = ia.fit(exact_stack(height=3.0, baseline=baseline, block=None), **how)
    lazy = ia.fit(exact_stack(height=3.0, baseline=baseline, block=7), **how)
    assert all(layer.chunks is not None for layer in lazy.data_vars.values())
    xr.testing.assert_equal(lazy.compute(), whole)
    stack = stack_of(nearest(10, 3), block=7)
    merged = ia.invert(stack).merge(ia.covariance(stack))
    lazy = ia.fit(merged, weights="covariance", uncertainty="covariance")
    xr.testing.assert_equal(lazy.compute(), ia.fit(merged.compute(), weights="covariance", uncertainty="covariance"))


REFUSED = {
    "uncertainty": ({"uncertainty": "guess"}, "uncertainty: 'guess' is not one of"),
    "samples": ({"uncertainty": "bootstrap", "samples": 1}, "samples: 1 is not a whole number of at least 2"),
    "weights": ({"weights": "heavy"}, "weights: 'heavy' is not one of"),
    "no covariance": ({"uncertainty": "covariance"}, "needs weights that are inverse variances"),
    "no baselines": ({"height_error": True, **GEOMETRY}, "no perpendicular baselines"),
    "no geometry": ({"height_error": True}, "no slant_range"),
    "range": (
        {"height_error": True, "slant_range": 850.0, "incidence_angle": 39.0},
        "slant_range: 850 is not between",
    ),
    "angle": ({"height_error": True, "slant_range": 850e3, "incidence_angle": 0.0}, "incidence_angle: 0 is not"),
    "shape": ({"weights": xr.DataArray(np.ones(3), dims="time")}, "weights: 3 along 'time', but the data have 8"),
    "baselines": (
        {"height_error": True, **GEOMETRY, "baselines": xr.DataArray(np.ones(3), dims="time")},
        "baselines: 3 along 'time'",
    ),
    "zero": (
        {"height_error": True, **GEOMETRY, "baselines": xr.DataArray(np.zeros(8), dims="time")},
        "all perpendicular baselines are zero",
    ),
    "nan": (
        {"height_error": True, **GEOMETRY, "baselines": xr.DataArray(np.full(8, np.nan), dims="time")},
        "every one must be known",
    ),
    "dimensions": (
        {"height_error": True, **GEOMETRY, "baselines": xr.DataArray(np.zeros((8, 2)), dims=("time", "x"))},
        "baselines: has the dimensions \\(time, x\\), expected \\(time\\) or",
    ),
    "looks": ({"looks": 3.0}, "belong to a stack"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_name(name):
    options, message = REFUSED[name]
    with pytest.raises((ArgumentError, StackError), match=message):
        ia.fit(ia.invert(stack_of()), **options)


def test_what_cannot_be_of_pairs_is_refused_by_name():
    stack = stack_of()
    with pytest.raises(ArgumentError, match="belongs to a series"):
        ia.fit(stack, covariance=xr.DataArray(np.eye(8), dims=("time", "other")))
    with pytest.raises(ArgumentError, match="needs weights that are inverse variances"):
        ia.fit(stack, uncertainty="covariance", weights="coherence")
    dates = xr.DataArray(np.arange(8.0), dims="time")
    with pytest.raises(ArgumentError, match="are per date"):
        ia.fit(stack, height_error=True, baselines=dates, **GEOMETRY)
    with pytest.raises(ArgumentError, match="noise"):
        ia.covariance(stack, noise="loud")


def test_covariance_is_that_of_the_inversion():
    """Diagonal = displacement_std^2 with inverse-variance weights; equal weights have a larger one."""
    stack = stack_of(nearest(10, 3))
    series = ia.invert(stack, weights="variance")
    best, plain = ia.covariance(stack), ia.covariance(stack, weights="none")
    diagonal = {name: np.einsum("iiyx->iyx", c.displacement_covariance) for name, c in (("v", best), ("n", plain))}
    known = np.isfinite(series.displacement_std.values)
    np.testing.assert_allclose(diagonal["v"][known], series.displacement_std.values[known] ** 2, rtol=1e-4, atol=1e-12)
    assert (diagonal["n"][1:][known[1:]] >= diagonal["v"][1:][known[1:]] * (1 - 1e-5)).all()
    assert float(np.nanmean(diagonal["n"] / np.where(diagonal["v"] > 0, diagonal["v"], np.nan))) > 1.02
    bound = ia.covariance(stack, noise="fisher").displacement_covariance
    assert not np.allclose(bound, best.displacement_covariance, rtol=1e-3, equal_nan=True)
    fewer = ia.covariance(stack, looks=5).displacement_covariance
    assert float(fewer.mean() / best.displacement_covariance.mean()) > 2
    assert best.displacement_covariance.attrs["units"] == "m^2"
