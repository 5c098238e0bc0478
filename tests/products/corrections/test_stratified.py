"""Phase against height: known factors found with honest errors, per window, beside motion, and what is refused."""

from functools import cache

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.corrections.height_fit import basis, fit_line, hats, without_trend
from insarray.kernels.corrections.turbulence import layout, slope_std
from insarray.model.errors import InsarrayError
from insarray.simulate.screens import stratified_screens, turbulent_screens


@cache
def scene(seed=3, **kwargs):
    """Stack, series, and the stratified delay relative to the first date."""
    options = {"shape": (90, 110), "n_dates": 16, "stratified": 0.03, "missing": 0, "water": False} | kwargs
    stack, truth = ia.simulate_stack(**options, seed=seed)
    return stack, ia.invert(stack, reference=(45, 55)).compute(), truth


def error_of(found, truth, where=(45, 55)):
    """Rms of what is wrong with a correction relative to the first date and a pixel, m."""
    layers = [layer - layer[0] for layer in (found, truth)]
    difference = layers[0] - layers[1]
    return float((difference - difference[:, where[0], where[1]]).std())


def test_the_correction_takes_the_stratified_delay_out():
    stack, series, truth = scene()
    found = ia.stratified_troposphere(series, dem=stack.height, model="power", exponent=2.0)
    true = truth.stratified_atmosphere
    assert error_of(found.troposphere_stratified, true) < 0.25 * error_of(true * 0, true)
    corrected = ia.correct(series, found)
    assert corrected.attrs["correction_sources"].startswith(
        "troposphere_stratified: power in the height, 1 x 1 windows"
    )
    flat = corrected.displacement - (truth.displacement - true)
    assert float((flat - flat[:, 45, 55]).std()) < 0.004


def test_pairs_and_dates_give_the_same():
    stack, series, _ = scene()
    dates = ia.stratified_troposphere(series, dem=stack.height, robust=False).height_factor[:, 0, 0]
    pairs = ia.stratified_troposphere(stack, robust=False).height_factor[:, 0, 0]
    network = stack.insar.network
    np.testing.assert_allclose(pairs, dates.values[network.secondary] - dates.values[network.reference], atol=3e-6)
    assert ia.correct(stack, ia.stratified_troposphere(stack)).attrs["corrections"] == "troposphere_stratified"


@pytest.mark.parametrize(("white", "robust"), [(0.0, False), (0.005, True)])
def test_errors_over_standard_errors_have_rms_one_in_turbulence(white, robust):
    """Power-law turbulence as large as the image, with and without noise of pixels; in fact there is no slope."""
    y, x = (place.ravel().astype(float) for place in np.indices((60, 70)))
    place, ratios = layout(y, x), []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        _, height = stratified_screens(rng, (60, 70), 1, 0.0)
        screens = turbulent_screens(rng, (60, 70), 15, 0.01).reshape(15, -1) + white * rng.normal(size=(15, 4200))
        lines = [fit_line(screen, height.ravel(), place, robust=robust) for screen in screens]
        ratios.append(np.array([line.slope for line in lines]) / slope_std([line.noise for line in lines]))
    assert np.sqrt(np.mean(np.square(ratios))) == pytest.approx(1.0, abs=0.15)


def test_noise_of_single_pixels_has_the_error_of_least_squares():
    rng = np.random.default_rng(0)
    y, x = (place.ravel().astype(float) for place in np.indices((60, 70)))
    height = 1000 * rng.random(4200)
    line = fit_line(0.01 * rng.normal(size=4200), height, layout(y, x), robust=False)
    assert slope_std([line.noise])[0] == pytest.approx(0.01 / (height.std() * np.sqrt(4200)), rel=0.1)


def test_standard_errors_of_dates_hold_with_turbulence():
    """Over scenes, through the inversion: errors are as large as they say."""
    ratios = []
    for seed in range(12):
        stack, series, truth = scene(seed, n_dates=6, shape=(60, 70), stratified=0.01, atmosphere=0.01)
        height = stack.height.values.ravel()
        found = ia.stratified_troposphere(series, dem=stack.height, robust=False)
        slopes = [np.polyfit(height, plane.ravel(), 1)[0] for plane in truth.stratified_atmosphere.values[1:]]
        ratios += list((found.height_factor.values[1:, 0, 0] - slopes) / found.height_factor_std.values[1:, 0, 0])
    assert (
        0.6 < np.sqrt(np.mean(np.square(ratios))) < 1.4
    )  # dates share the first one's turbulence: few are independent


def test_robust_leaves_what_moves_aside():
    stack, series, _ = scene()
    moved = series.copy(deep=True)
    high = stack.height.values > np.percentile(stack.height.values, 80)
    moved.displacement.values[5, high] += 0.4  # a landslide on the mountains
    expected = ia.stratified_troposphere(series, dem=stack.height).height_factor[5]
    robust = ia.stratified_troposphere(moved, dem=stack.height).height_factor[5]
    plain = ia.stratified_troposphere(moved, dem=stack.height, robust=False).height_factor[5]
    assert abs(robust - expected).item() < 5e-6
    assert abs(plain - expected).item() > 1e-4


def test_a_mask_leaves_what_moves_out():
    stack, series, _ = scene()
    moved = series.copy(deep=True)
    high = stack.height > np.percentile(stack.height.values, 80)
    moved.displacement.values[5, high.values] += 0.4
    how = {"dem": stack.height, "robust": False}
    masked = ia.stratified_troposphere(moved, mask=~high, **how).height_factor[5]
    np.testing.assert_allclose(
        masked, ia.stratified_troposphere(series, mask=~high, **how).height_factor[5], atol=1e-12
    )


def test_mountains_that_rise_keep_their_velocity():
    stack, series, truth = scene(shape=(60, 70), n_dates=10)
    years = (series.time.values - series.time.values[0]) / np.timedelta64(365, "D")
    rising = series.assign(displacement=series.displacement + 2e-5 * stack.height * xr.DataArray(years, dims="time"))

    def rate(corrected):
        velocity = ia.fit(corrected).velocity
        return float(np.polyfit(stack.height.values.ravel(), velocity.values.ravel(), 1)[0])

    true = rate(rising) - rate(series)
    assert true == pytest.approx(2e-5, rel=0.02)
    gone = rate(ia.correct(rising, ia.stratified_troposphere(rising, dem=stack.height)))
    kept = rate(ia.correct(rising, ia.stratified_troposphere(rising, dem=stack.height, keep_velocity=True)))
    assert abs(gone) < 3e-6
    assert kept == pytest.approx(rate(rising), abs=1e-7)
    assert (
        error_of(
            ia.stratified_troposphere(series, dem=stack.height, keep_velocity=True).troposphere_stratified,
            truth.stratified_atmosphere,
        )
        < 0.008
    )


def test_windows_follow_a_factor_that_differs_over_the_image():
    stack, series, _ = scene()
    lying = np.linspace(-1, 1, 110)
    tilted = series.copy(deep=True)
    tilted.displacement[7] = 1e-5 * (stack.height - stack.height.mean()) * lying
    one = ia.stratified_troposphere(tilted, dem=stack.height).troposphere_stratified[7]
    many = ia.stratified_troposphere(tilted, dem=stack.height, windows=4)
    assert many.height_factor.sizes == {"time": 16, "window_y": 4, "window_x": 4}
    assert (np.diff(many.height_factor[7].mean("window_y")[:3]) > 2e-6).all()
    wrong = [float((tilted.displacement[7] - found).std()) for found in (one, many.troposphere_stratified[7])]
    assert wrong[1] < 0.5 * wrong[0]


def test_windows_without_relief_have_the_factor_of_the_image():
    stack, series, _ = scene()
    flat = stack.height.where(stack.x > float(stack.x[60]), 500.0)
    found = ia.stratified_troposphere(series, dem=flat, windows=4).height_factor
    whole = ia.stratified_troposphere(series, dem=flat).height_factor
    np.testing.assert_allclose(found[4, :, 0], float(whole[4, 0, 0]))


def test_windows_that_are_masked_have_the_factor_of_the_image():
    stack, series, _ = scene()
    how = {"dem": stack.height, "mask": stack.height * 0 + (stack.x > float(stack.x[60]))}
    found = ia.stratified_troposphere(series, windows=4, **how)
    whole = ia.stratified_troposphere(series, **how)
    np.testing.assert_allclose(found.height_factor[4, :, 0], float(whole.height_factor[4, 0, 0]))
    np.testing.assert_allclose(found.height_factor_std[4, :, 0], float(whole.height_factor_std[4, 0, 0]))


def test_it_is_lazy_and_the_same_in_blocks():
    stack, series, _ = scene()
    expected = ia.stratified_troposphere(series, dem=stack.height, windows=2)
    found = ia.stratified_troposphere(series.chunk(time=-1, y=40, x=50), dem=stack.height, windows=2)
    assert found.troposphere_stratified.chunks is not None
    np.testing.assert_array_equal(found.height_factor, expected.height_factor)
    np.testing.assert_array_equal(found.troposphere_stratified, expected.troposphere_stratified)


REFUSED = {
    "model": ({"model": "cubic"}, "model: 'cubic' is not one of linear, power"),
    "exponent": ({"exponent": 0.5}, "exponent: 0.5 is not between 1 and 5"),
    "top": ({"top": 8.0}, "top: 8.0 is no height in metres"),
    "windows": ({"windows": 0}, "windows: 0 is not a whole number"),
    "no height": ({"dem": None}, "the data have no height; give dem"),
    "no relief": ({"dem": 0.0}, "20190117 has 9900 pixels with too few data or too little relief"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    given, message = REFUSED[name]
    stack, series, _ = scene()
    if given.get("dem") == 0.0:
        given = {"dem": stack.height * 0}
    with pytest.raises(InsarrayError) as refusal:
        ia.stratified_troposphere(series, **{"dem": stack.height, **given})
    assert message in str(refusal.value)


# -- arithmetic -----------------------------------------------------------------------------------------------------


def test_the_power_law_has_slope_one_at_sea_level():
    height = np.array([0.0, 1.0, 4000.0, 8000.0, 9000.0])
    found = basis(height, 1.6, 8000.0)
    assert found[1] - found[0] == pytest.approx(1.0, rel=1e-3)
    assert found[3] == found[4] == pytest.approx(8000 / 1.6)
    np.testing.assert_allclose(basis(height, 1.0, 8000.0)[:4], height[:4], atol=1e-9)


def test_a_line_without_spread_or_samples_is_none():
    few = fit_line(np.arange(5.0), np.arange(5.0), layout(np.arange(5.0), np.arange(5.0)), robust=True)
    assert np.isnan(few.slope)
    y, x = (place.ravel().astype(float) for place in np.indices((40, 40)))
    exact = fit_line(2 * x, x, layout(y, x), robust=True)
    assert exact.slope == pytest.approx(2.0)
    assert not slope_std([exact.noise])[0] > 1e-9
    together = layout(0 * y, 0 * x)  # of which distances say nothing
    assert np.isnan(slope_std([fit_line(2 * x + y, x, together, robust=False).noise])[0])


def test_between_windows_it_is_linear_and_beyond_constant():
    weights = hats(np.array([-5.0, 10.0, 15.0, 40.0]), np.array([20.0, 10.0]))
    np.testing.assert_allclose(weights, [[0, 1], [0, 1], [0.5, 0.5], [1, 0]])


def test_a_trend_is_taken_from_dates_and_pairs():
    years = np.array([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(without_trend((3 + 2 * years)[:, None], years, pairs=False), 0, atol=1e-12)
    np.testing.assert_allclose(without_trend((2 * years)[:, None], years, pairs=True), 0, atol=1e-12)
    assert np.abs(without_trend((3 + 2 * years)[:, None], years, pairs=True)).max() > 0.1
