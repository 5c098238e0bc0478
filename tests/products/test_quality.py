"""Fewest observations of a fit, and the one notion of a good pixel: each option changes what it says, and nothing else."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import FIT_FLAGS, FLAGS
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.products.stacks.minimum import minimum_of
from insarray.products.stacks.quality import masked
from tests.networks import nearest
from tests.stacks import stack_of

REFERENCE = (5, 5)
DIMS = ("time", "y", "x")


def counted_series(observed=(0, 2, 3, 5, 9, 10, 30), dates=30):
    """A series whose pixels, side by side, have so many dates: the first ones."""
    times = np.datetime64("2020-01-01", "ns") + np.arange(dates) * np.timedelta64(12, "D")
    values = np.random.default_rng(0).normal(0, 0.01, (dates, 1, len(observed))).astype(np.float32)
    for k, count in enumerate(observed):
        values[count:, 0, k] = np.nan
    return xr.Dataset({"displacement": (DIMS, values)}, {"time": times})


def flags_of(model):
    return [FIT_FLAGS[flag] for flag in np.ravel(model.fit_flag)]


# -- fewest observations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "least"), [(2, 1), (3, 2), (4, 2), (6, 3), (8, 4), (10, 5), (15, 5), (16, 6), (30, 10), (100, 34)]
)
def test_the_default_is_a_third_of_the_dates_and_five_or_half_where_there_are_few(dates, least):
    found = minimum_of(dates, dates - 2, None, None)
    assert found.dates == least
    assert found.redundancy == min(3, (dates - 2) // 3)
    assert found.redundancy <= max(least - 2, 0)  # of a velocity alone it asks no more


@pytest.mark.parametrize("dates", [2, 3, 4, 5, 6])
def test_a_short_series_still_has_a_velocity(dates):
    model = ia.fit(counted_series((dates,), dates))
    assert np.isfinite(model.velocity).all()


def test_two_dates_are_no_velocity():
    model = ia.fit(counted_series(), residuals=True)
    few = "too_few_observations"
    assert flags_of(model) == ["no_data", few, few, few, few, "determined", "determined"]
    for name in ("velocity", "velocity_std", "intercept", "intercept_std", "fit_residual_std", "fit_residual"):
        known = np.isfinite(model[name]).any("time") if "time" in model[name].dims else np.isfinite(model[name])
        assert known.values[0].tolist() == [False] * 5 + [True] * 2, name
    assert model.degrees_of_freedom.values[0].tolist() == [0, 0, 1, 3, 7, 8, 28]  # says why
    for attrs in (model.attrs, model.fit_flag.attrs):
        assert (attrs["fit_min_dates"], attrs["fit_min_redundancy"]) == (10, 3)


def test_min_dates_and_min_redundancy_count_each_by_itself():
    series = counted_series()
    everything = ia.fit(series, min_dates=0, min_redundancy=0)
    assert flags_of(everything)[:3] == ["no_data", "no_redundancy", "determined"]
    for how, first in (
        ({"min_dates": 3, "min_redundancy": 0}, 2),
        ({"min_dates": 5, "min_redundancy": 0}, 3),
        ({"min_dates": 0, "min_redundancy": 1}, 2),
        ({"min_dates": 0, "min_redundancy": 4}, 4),
    ):
        model = ia.fit(series, **how)
        assert np.flatnonzero(np.isfinite(model.velocity[0]))[0] == first, how
        assert model.fit_flag.attrs["fit_min_dates"] == how["min_dates"]
        # what is given is what it was
        np.testing.assert_array_equal(model.velocity[0, first:], everything.velocity[0, first:])


def test_redundancy_counts_the_terms_and_the_offsets():
    series = counted_series((10, 30))
    assert flags_of(ia.fit(series, degree=3, periods=(0.2, 0.1))) == ["too_few_observations", "determined"]
    label = np.ones((30, 1, 2), np.uint8)
    label[:, 0, 0] = np.arange(30) // 2 + 1  # pieces of two dates
    pieces = counted_series((30, 30)).assign(network_subset=(DIMS, label))
    assert ia.fit(pieces, min_dates=30, min_redundancy=14).degrees_of_freedom.values.tolist() == [[14, 28]]
    assert flags_of(ia.fit(pieces, min_redundancy=15)) == ["too_few_observations", "determined"]


def test_dates_of_pairs_are_those_that_pairs_with_data_and_weight_have():
    network = nearest(12, 3)
    stack = stack_of(network, missing=0.0)
    kept = (network.pairs < 4).all(axis=1)  # six pairs of four dates
    phase = stack.unwrapped_phase.compute()
    phase[~kept, 0, 0] = np.nan
    coherence = stack.coherence.compute()
    coherence[~kept, 0, 1] = np.nan  # no weight
    stack = stack.assign(unwrapped_phase=phase, coherence=coherence)
    how = {"reference": None, "min_redundancy": 0}
    for weights, few in (("none", [True, False, False]), ("coherence", [True, True, False])):
        model = ia.fit(stack, weights=weights, min_dates=5, **how)
        assert np.isnan(model.velocity.values[0, :3]).tolist() == few
        assert np.isfinite(ia.fit(stack, weights=weights, min_dates=4, **how).velocity.values[0, :3]).all()
    # redundancy is of pairs, too
    assert flags_of(ia.fit(stack, reference=None, min_dates=0, min_redundancy=6))[0] == "too_few_observations"
    assert flags_of(ia.fit(stack, reference=None, min_dates=0, min_redundancy=5))[0] == "determined"


@pytest.mark.parametrize("lazy", [False, True])
def test_missing_baselines_count_as_missing_dates(lazy):
    rng = np.random.default_rng(0)
    series = counted_series((30, 30))
    maps = rng.normal(0, 100, (30, 1, 2))
    maps[4:, 0, 1] = np.nan
    how = {"slant_range": 850e3, "incidence_angle": 39.0, "height_error": True}
    model = ia.fit(series.chunk() if lazy else series, baselines=xr.DataArray(maps, dims=DIMS), **how)
    assert flags_of(model) == ["determined", "too_few_observations"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"min_dates": 31}, "min_dates: 31 is more than the 30 dates"),
        ({"min_redundancy": 29}, "min_redundancy: 29 is more than the 28"),
        ({"min_dates": -1}, "min_dates: -1 is not"),
        ({"min_dates": 2.5}, "min_dates: 2.5 is not"),
        ({"min_redundancy": True}, "min_redundancy: True is not"),
    ],
)
def test_what_no_pixel_can_have_is_refused(how, message):
    with pytest.raises(ArgumentError, match=message):
        ia.fit(counted_series(), **how)


# -- good pixels ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    """Series and its fit, in pieces and with missing samples, lazy."""
    series = ia.invert(stack_of(nearest(12, 2), missing=0.5), reference=REFERENCE, gap="subset")
    return series.merge(ia.fit(series, min_dates=0, min_redundancy=0), combine_attrs="override")


def raster():
    rng = np.random.default_rng(1)
    good = stack_of().coherence[0].drop_vars("pair").compute()
    return good.copy(data=np.where(rng.random(good.shape) < 0.5, rng.choice([0.0, np.nan], good.shape), 2.0))


CRITERIA = {
    "min_dates": ({"min_dates": 11}, lambda r: np.isfinite(r.displacement).sum("time") >= 11),
    "min_temporal_coherence": ({"min_temporal_coherence": 0.9}, lambda r: r.temporal_coherence >= 0.9),
    "max_residual_rms": ({"max_residual_rms": 0.05}, lambda r: r.residual_rms <= 0.05),
    "max_velocity_std": ({"max_velocity_std": 0.01}, lambda r: r.velocity_std <= 0.01),
    "exclude_flags": (
        {"exclude_flags": ["dates_untied", "no_data"]},
        lambda r: ~r.solver_flag.isin([0, FLAGS["solver_flag"].index("dates_untied")]) & (r.fit_flag != 0),
    ),
    "one flag": (
        {"exclude_flags": "missing_pairs"},
        lambda r: r.solver_flag != FLAGS["solver_flag"].index("missing_pairs"),
    ),
    "raster": ({"mask": raster()}, lambda r: raster() == 2.0),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_is_what_it_says(result, name):
    how, expected = CRITERIA[name]
    good = ia.quality_mask(result, **how)
    assert good.chunks is not None
    assert (good.dtype, good.dims, good.name) == (np.dtype(bool), ("y", "x"), "quality_mask")
    wanted = expected(result.compute()).transpose("y", "x").values
    np.testing.assert_array_equal(good.values, wanted)
    assert 0 < wanted.sum() < wanted.size  # so that one that is ignored is noticed
    np.testing.assert_array_equal(good.y, result.y)
    assert "spatial_ref" in good.coords


def test_criteria_are_taken_together_and_named(result):
    both = ia.quality_mask(result, min_dates=11, max_residual_rms=0.5, mask=raster())
    parts = [ia.quality_mask(result, **how) for how in ({"min_dates": 11}, {"max_residual_rms": 0.5})]
    np.testing.assert_array_equal(both, parts[0].values & parts[1].values & (raster() == 2.0).values)
    assert both.attrs["criteria"] == "dates >= 11 and residual_rms <= 0.5 and raster array"


OPERATIONS = {
    "crop": lambda d: d.isel(y=slice(3, 17), x=slice(5, 21)),
    "backwards": lambda d: d.isel(y=slice(None, None, -1), x=slice(None, None, -1)),
    "thin": lambda d: d.isel(y=slice(1, None, 2), x=slice(0, None, 3)),
    "transpose": lambda d: d.transpose("x", ..., "y"),
    "rechunk": lambda d: d.chunk({"y": 7, "x": 13}),
    "compute": lambda d: d.compute(),
    "where": lambda d: d.where(d.x < 500_600),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mask_of_a_part_is_the_part_of_the_mask(result, operation):
    how = {"min_dates": 10, "min_temporal_coherence": 0.5, "exclude_flags": ["dates_untied", "no_data"]}
    change = OPERATIONS[operation]
    whole = ia.quality_mask(result, mask=raster(), **how).drop_attrs()
    part = ia.quality_mask(change(result), mask=raster(), **how)
    expected = change(whole.to_dataset()).quality_mask.fillna(0).astype(bool)
    np.testing.assert_array_equal(part, expected.transpose("y", "x"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fit_with_a_mask_of_the_whole_fits_a_part(operation):
    series = ia.invert(stack_of(nearest(8, 3)), reference=REFERENCE)
    good = ia.quality_mask(series, min_temporal_coherence=0.3, mask=raster())
    change = OPERATIONS[operation]
    found = ia.fit(change(series), mask=good)
    if operation == "where":
        assert (flags_of(found).count("masked")) == int((~good).sum())
        return
    expected = change(ia.fit(series, mask=good)).transpose("y", "x")
    xr.testing.assert_equal(found.compute(), expected.compute())


@pytest.mark.parametrize("kind", ["series", "pairs"])
def test_a_fit_leaves_masked_pixels_empty_and_says_so(kind):
    stack = stack_of(nearest(8, 3), missing=0.0)
    data = ia.invert(stack, reference=REFERENCE) if kind == "series" else stack
    mask = raster()
    model, plain = ia.fit(data, mask=mask, residuals=True), ia.fit(data, residuals=True)
    good = (mask == 2.0).values
    assert (np.array(flags_of(model)) == "masked").reshape(good.shape).tolist() == (~good).tolist()
    for name, layer in model.data_vars.items():
        if layer.dtype.kind == "f":
            assert np.isnan(layer.values[..., ~good]).all(), name
            np.testing.assert_array_equal(layer.values[..., good], plain[name].values[..., good])
    assert model.attrs["fit_mask"] == "array"
    assert "fit_mask" not in plain.attrs
    named = ia.fit(data, mask=ia.quality_mask(plain, exclude_flags="no_data"))
    assert named.fit_flag.attrs["fit_mask"] == "not no_data"


def test_masks_stay_lazy():
    series = ia.invert(stack_of(nearest(8, 3)), reference=REFERENCE)

    def refuse(block):
        raise AssertionError("computed")

    lazy = (series.temporal_coherence.data.map_blocks(refuse, dtype=np.float32, meta=np.empty((0, 0), np.float32)),)
    broken = series.assign(temporal_coherence=(("y", "x"), lazy[0]))
    good = ia.quality_mask(broken, min_temporal_coherence=0.5)
    assert ia.fit(series, mask=good).velocity.chunks is not None
    assert masked(series, good).displacement.chunks is not None


def test_masked_data_have_no_values_and_keep_what_they_are():
    series = ia.invert(stack_of(nearest(8, 3)), reference=REFERENCE).compute()
    mask = raster()
    good, found = (mask == 2.0).values, masked(series, mask)
    for name, layer in series.data_vars.items():
        assert (found[name].dtype, found[name].dims, found[name].attrs) == (layer.dtype, layer.dims, layer.attrs)
        np.testing.assert_array_equal(found[name].values[..., good], layer.values[..., good])
        outside = found[name].values[..., ~good]
        assert (np.isnan(outside) if layer.dtype.kind == "f" else outside == 0).all(), name
    assert found.attrs["masked_by"] == "array"
    assert masked(series, None) is series


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({}, ArgumentError, "at least one criterion"),
        ({"min_dates": 1.5}, ArgumentError, "min_dates: 1.5 is not"),
        ({"min_temporal_coherence": 70}, ArgumentError, "min_temporal_coherence: 70 is not between"),
        ({"max_residual_rms": -1.0}, ArgumentError, "max_residual_rms: -1.0 is not a positive"),
        ({"max_velocity_std": np.nan}, ArgumentError, "max_velocity_std: nan is not a number"),
        ({"exclude_flags": "bad"}, ArgumentError, "'bad' is no meaning of a flag of the result, which has complete, "),
        ({"exclude_flags": "no_loops"}, ArgumentError, "'no_loops' is no meaning"),
        ({"mask": np.ones((3, 3))}, ArgumentError, "mask raster"),
        ({"mask": "nothing.tif"}, InsarrayError, "nothing.tif"),
    ],
)
def test_a_criterion_that_cannot_be_is_refused(result, how, error, message):
    with pytest.raises(error, match=message):
        ia.quality_mask(result, **how)


def test_a_criterion_needs_its_layer():
    series = ia.invert(stack_of(nearest(8, 3)), reference=REFERENCE)
    with pytest.raises(StackError, match="max_velocity_std: the result has no velocity_std"):
        ia.quality_mask(series, max_velocity_std=0.01)
    with pytest.raises(StackError, match="min_dates: the result has no displacement"):
        ia.quality_mask(ia.fit(series), min_dates=3)
    with pytest.raises(StackError, match="result: is one variable"):
        ia.quality_mask(series.displacement, min_dates=3)
