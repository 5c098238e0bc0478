"""Assessment: known scales, verdicts, structure functions; dates that a wrong model makes worse are found."""

from functools import cache

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.corrections.assessment import (
    correlation,
    distance_bins,
    score,
    structure_function,
    without_motion,
)
from insarray.model.errors import InsarrayError


@cache
def scene(n_dates=30, seed=3):
    """Series with stratified and turbulent delay, a model that is right but for some dates, and which these are."""
    options = {"shape": (110, 120), "n_dates": n_dates, "missing": 0, "water": False}
    stack, truth = ia.simulate_stack(**options, stratified=0.03, atmosphere=0.004, seed=seed)
    series = ia.invert(stack, reference=(55, 60)).compute()
    model = truth.stratified_atmosphere.copy(deep=True)
    wrong = np.random.default_rng(0).random(n_dates) < 0.4
    wrong[0] = False
    dates = np.flatnonzero(wrong)
    model.values[dates] = truth.stratified_atmosphere.values[np.roll(dates, 1)]  # the delay of another day
    return stack, series, truth, model, wrong


def centred(values):
    return values - values.mean(axis=(1, 2), keepdims=True)


def made_worse(truth, model):
    """How many times the variance of the delay is with the model, of each date about the mean of all: the truth."""
    true, right = (layer.values.astype(float) for layer in (truth.atmosphere, truth.stratified_atmosphere))
    delay, modelled = true - true.mean(axis=0), model.values - right.mean(axis=0)
    return centred(delay - modelled).var(axis=(1, 2)) / centred(delay).var(axis=(1, 2))


def area_under_roc(score_of, positive):
    """Share of pairs of a positive and a negative that the score puts in the right order."""
    return (score_of[positive][:, None] > score_of[~positive]).mean()


def test_dates_that_are_made_worse_are_found():
    """Area under the ROC curve above 0.9; all dates that are clearly worse are dropped, none that is clearly better."""
    _, series, truth, model, wrong = scene()
    found = ia.assess_corrections(series, {"troposphere": model})
    ratio = (found.std_after / found.std_before).values[0] ** 2
    true = made_worse(truth, model)
    assert 5 < (true > 1).sum() < 15
    assert area_under_roc(ratio, true > 1) > 0.9
    assert area_under_roc(ratio, wrong) > 0.85
    verdict = found.verdict.values[0]
    assert (verdict[true > 1.2] != 0).all()
    assert (true > 1.2).sum() >= 4
    assert (verdict[true < 0.5] != 2).all()
    assert (true < 0.5).sum() >= 8


def test_a_right_model_has_scale_one_and_is_kept():
    _, series, truth, _, _ = scene()
    found = ia.assess_corrections(series, {"troposphere": truth.atmosphere})
    np.testing.assert_allclose(found.scale, 1.0, atol=0.2)
    assert float((found.verdict == 0).mean()) > 0.9
    assert float((found.std_after / found.std_before).median()) < 0.4


@pytest.mark.parametrize("factor", [0.5, 2.0, -1.0])
def test_a_model_of_another_size_is_scaled_and_one_of_the_wrong_sign_dropped(factor):
    _, series, truth, _, _ = scene()
    found = ia.assess_corrections(series, {"troposphere": scaled(truth, factor)})
    np.testing.assert_allclose(found.scale.median(), 1 / factor, rtol=0.1)
    expected = 2 if factor < 0 else 1
    assert (found.verdict == expected).mean() > 0.9
    assert float((found.std_scaled / found.std_before).median()) < (1.01 if factor > 0 else 1.2)
    errors = (found.scale - 1 / factor) / found.scale_std
    assert float(abs(errors).median()) < 3


def scaled(truth, factor):
    layer = truth.atmosphere * factor
    return layer.assign_attrs(units="m")


def test_motion_counts_for_nothing():
    _, series, truth, _, _ = scene()
    years = xr.DataArray((series.time.values - series.time.values[0]) / np.timedelta64(365, "D"), dims="time")
    moving = series.assign(displacement=series.displacement + 0.2 * years * truth.velocity / abs(truth.velocity).max())
    one, other = (ia.assess_corrections(data, {"troposphere": truth.atmosphere}) for data in (series, moving))
    np.testing.assert_allclose(one.std_after, other.std_after, atol=2e-6)
    left = ia.assess_corrections(moving, {"troposphere": truth.atmosphere}, degree=0)
    assert float(left.std_after[0, -1]) > 3 * float(one.std_after[0, -1])


def test_several_are_assessed_alone_and_together():
    _, series, truth, _, _ = scene()
    parts = {
        "troposphere_stratified": truth.stratified_atmosphere,
        "troposphere": truth.atmosphere - truth.stratified_atmosphere,
    }
    parts = {name: layer.assign_attrs(units="m") for name, layer in parts.items()}
    found = ia.assess_corrections(series, parts)
    assert found.correction.values.tolist() == [*parts, "all"]
    spread = found.std_after.mean("time")
    assert float(spread[2]) < float(spread[:2].min())


def test_structure_and_height():
    """Turbulence grows with the distance; what depends on the height is gone with the correction."""
    stack, series, truth, _, _ = scene()
    found = ia.assess_corrections(series, {"troposphere": truth.stratified_atmosphere}, dem=stack.height)
    before, after = found.structure_before, found.structure_after[0]
    assert (found.distance.values[1:] > found.distance.values[:-1]).all()
    assert float(after.mean("time")[-1]) > 3 * float(after.mean("time")[0])
    assert (after.mean("time") < before.mean("time")).all()
    strong = abs(found.height_correlation_before) > 0.8
    assert int(strong.sum()) > 5
    assert float(abs(found.height_correlation_after[0]).where(strong).mean()) < 0.5
    assert "height_correlation_before" not in ia.assess_corrections(series, {"troposphere": truth.atmosphere})


def test_pairs_are_assessed_by_dates_or_pairs():
    stack, series, truth, _, _ = scene()
    dates = ia.assess_corrections(stack, {"troposphere": truth.atmosphere})
    network = stack.insar.network
    layer = truth.atmosphere.values
    pairs = xr.DataArray(
        layer[network.secondary] - layer[network.reference], stack.unwrapped_phase.coords, attrs={"units": "m"}
    )
    found = ia.assess_corrections(stack, {"troposphere": pairs})
    np.testing.assert_allclose(found.scale, dates.scale, atol=1e-4)
    assert found.sizes["pair"] == network.n_pairs
    of_series = ia.assess_corrections(series, {"troposphere": pairs})
    np.testing.assert_allclose(
        of_series.scale, ia.assess_corrections(series, {"troposphere": truth.atmosphere}).scale, atol=1e-3
    )


def test_a_mask_and_lazy_data_count():
    _, series, truth, _, _ = scene()
    west = series.x < float(series.x[60])
    how = {"corrections": {"troposphere": truth.atmosphere}}
    whole = ia.assess_corrections(series, **how)
    lazy = ia.assess_corrections(series.chunk(time=-1, y=50, x=50), **how)
    np.testing.assert_allclose(lazy.std_after, whole.std_after, rtol=1e-12)
    part = ia.assess_corrections(series, mask=west & (series.y < 1e9), **how)
    assert abs(float(part.std_before[0, 4] - whole.std_before[0, 4])) > 1e-5
    assert np.isfinite(part.std_after).all()


REFUSED = {
    "degree": ({"degree": 7}, "degree: 7 is not a whole number"),
    "a date": ({"corrections": None}, "lacks 1 of 30 dates"),
    "few pixels": ({"mask": None}, "0 sampled pixels have all dates and corrections, 100 are needed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    given, message = REFUSED[name]
    _, series, truth, _, _ = scene()
    given = dict(given)
    if "corrections" in given:
        given["corrections"] = {"troposphere": truth.atmosphere[1:]}
    if "mask" in given:
        given["mask"] = (series.x < 0) & (series.y < 0)
    with pytest.raises(InsarrayError) as refusal:
        ia.assess_corrections(series, **{"corrections": {"troposphere": truth.atmosphere}, **given})
    assert message in str(refusal.value)


def test_few_dates_are_assessed_as_pairs():
    stack, truth = ia.simulate_stack(shape=(40, 48), n_dates=3, missing=0, water=False)
    series = ia.invert(stack, reference=(9, 12))
    with pytest.raises(InsarrayError, match="3 dates are too few"):
        ia.assess_corrections(series, {"troposphere": truth.atmosphere})
    assert ia.assess_corrections(stack, {"troposphere": truth.atmosphere}).sizes["pair"] == 3


# -- arithmetic -----------------------------------------------------------------------------------------------------


def test_a_score_is_what_leaving_tiles_out_gives():
    """By hand: level and scale of each tile from the other tiles."""
    rng = np.random.default_rng(1)
    tile = np.repeat(np.arange(6), 50)
    c = rng.normal(size=300) + 0.3 * tile
    d = 0.7 * c + rng.normal(size=300)
    found = score(d, c, tile)
    left = {0.0: [], 1.0: [], None: []}
    scales = []
    for k in range(6):
        here = tile == k
        slope = np.polyfit(c[~here], d[~here], 1)[0]
        scales.append(slope)
        for at, parts in left.items():
            s = slope if at is None else at
            parts.append(((d[here] - s * c[here] - (d[~here] - s * c[~here]).mean()) ** 2).sum())
    assert found.before == pytest.approx(sum(left[0.0]) / 300)
    assert found.after == pytest.approx(sum(left[1.0]) / 300)
    assert found.scaled == pytest.approx(sum(left[None]) / 300)
    assert found.scale == pytest.approx(np.polyfit(c, d, 1)[0])
    assert found.scale_std == pytest.approx(np.sqrt(5 / 6 * ((scales - np.mean(scales)) ** 2).sum()))
    nothing = score(np.full(300, np.nan), c, tile)
    assert np.isnan(nothing.before)
    assert nothing.verdict == 2
    assert score(d, 0 * c, tile).scale == 0.0


def test_structure_functions_of_what_is_known():
    """A plane of slope one along x: the mean square of the distance along x."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(100.0), np.arange(100.0)))
    pairs, number, distance = distance_bins(y, x, 6, 200_000, 0)
    found = structure_function(x, pairs, number, 6)
    np.testing.assert_allclose(found, distance**2 / 2, rtol=0.05)
    assert np.isnan(structure_function(np.full(x.shape, np.nan), pairs, number, 6)).all()
    assert correlation(x, 3 - 2 * x) == pytest.approx(-1)
    assert np.isnan(correlation(x, 0 * x))
    assert np.isnan(correlation(x[:2], x[:2]))


def test_a_polynomial_of_each_pixel_is_taken_out():
    years = np.array([0.0, 1.0, 3.0, 4.0])
    values = 2 + 3 * years[:, None] * np.arange(1, 4)
    np.testing.assert_allclose(without_motion(values, years, 1), 0, atol=1e-12)
    assert np.abs(without_motion(values, years, 0)).max() > 1


def test_distances_are_in_metres_also_for_degrees():
    """The same pixels at 60 degrees north: a degree of longitude is half as long as one of latitude."""
    stack, series, truth, _, _ = scene()
    metres = ia.assess_corrections(series, {"troposphere": truth.stratified_atmosphere}, dem=stack.height).distance
    assert metres.attrs["units"] in ("m", "metre")
    y, x = (series[name].values for name in ("y", "x"))
    length = np.deg2rad(6_371_000.0)
    degrees = {"y": 60 + (y - y.mean()) / length, "x": 10 + (x - x.mean()) / length / np.cos(np.deg2rad(60))}
    moved = {
        name: data.drop_vars(["y", "x", "spatial_ref"], errors="ignore").assign_coords(degrees).rio.write_crs(4326)
        for name, data in (("series", series), ("height", stack.height), ("delay", truth.stratified_atmosphere))
    }
    found = ia.assess_corrections(moved["series"], {"troposphere": moved["delay"]}, dem=moved["height"]).distance
    assert found.attrs["units"] == "m"
    np.testing.assert_allclose(found, metres, rtol=0.02)
