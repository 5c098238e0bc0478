"""What enters a product: dates that are dates, labels and CRS that agree, attributes that were lost."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from tests.networks import nearest
from tests.stacks import stack_of

REFERENCE = (5, 5)


@pytest.fixture(scope="module")
def stack():
    return stack_of(nearest(8, 3))


@pytest.fixture(scope="module")
def series(stack):
    return ia.invert(stack, reference=REFERENCE).compute()


@pytest.fixture(scope="module")
def wrapped():
    return ia.simulate_wrapped(shape=(24, 24), n_dates=10, water=False)[0]


def few(data, **options):
    return ia.fit(data, min_dates=2, min_redundancy=0, **options).velocity


def delay(series, seed=0):
    values = np.random.default_rng(seed).normal(0, 0.02, series.displacement.shape)
    return xr.DataArray(values, {d: series[d] for d in ("time", "y", "x")}, ("time", "y", "x"), attrs={"units": "m"})


# -- dates ----------------------------------------------------------------------------------------------------------

DATES = {
    "text": lambda time: [str(value)[:10].replace("-", "") for value in time.values],
    "ISO text": lambda time: [str(value)[:19] for value in time.values],
    "objects": lambda time: time.values.astype("datetime64[us]").astype(object),
    "pandas": lambda time: np.array([pd.Timestamp(value) for value in time.values], object),
    "seconds": lambda time: time.values.astype("datetime64[s]"),
}


@pytest.mark.parametrize("form", DATES)
def test_dates_of_any_form_are_the_same_dates(series, form):
    other = series.assign_coords(time=DATES[form](series.time))
    np.testing.assert_array_equal(few(other), few(series))
    assert (other.insar.times == series.insar.times).all()


NOT_DATES = {
    "numbers": lambda time: np.arange(len(time)),
    "floats": lambda time: np.arange(len(time)) * 12.0,
    "YYYYMMDD": lambda time: np.array([int(str(value)[:10].replace("-", "")) for value in time.values]),
    "spans": lambda time: time.values - time.values[0],
    "NaT": lambda time: np.where(np.arange(len(time)) == 3, np.datetime64("NaT"), time.values),
    "words": lambda time: [f"date {k}" for k in range(len(time))],
}


@pytest.mark.parametrize("form", NOT_DATES)
@pytest.mark.parametrize(
    "function", [ia.fit, ia.deramp, lambda d: ia.rereference(d, reference=(2, 2)), lambda d: d.insar.times]
)
def test_what_is_no_date_is_refused(series, form, function):
    with pytest.raises(StackError, match=r"^time: ") as found:
        function(series.assign_coords(time=NOT_DATES[form](series.time)))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["reference_time", "secondary_time"])
def test_pairs_of_numbers_are_refused(stack, name):
    with pytest.raises(StackError, match=rf"^{name}: holds numbers"):
        ia.invert(stack.assign_coords({name: ("pair", np.arange(stack.sizes["pair"]))}), reference=REFERENCE)


def test_wrapped_stacks_and_points_with_numbers_for_dates_are_refused(wrapped):
    numbered = wrapped.assign_coords(time=np.arange(wrapped.sizes["time"]))
    points = ia.select_points(wrapped, min_temporal_coherence=0.6)
    with pytest.raises(StackError, match=r"^time: holds numbers"):
        ia.select_points(numbered, min_temporal_coherence=0.6)
    with pytest.raises(StackError, match=r"^time: holds numbers"):
        ia.estimate_links(points.assign_coords(time=np.arange(points.sizes["time"])))


@pytest.mark.parametrize("date", [20200201, 20200201.0, np.int64(3), None])
def test_numbers_are_no_dates(series, date):
    model = ia.fit(series, min_dates=2, min_redundancy=0)
    for function in (
        lambda: ia.predict(model, [date]),
        lambda: ia.fit(series, steps=[date]),
    ):
        with pytest.raises(ArgumentError, match=r"is a .*, not a date"):
            function()


# -- labels and CRS -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [np.arange(8)[::-1], np.arange(8.0), [f"{k}" for k in range(8)]])
def test_weights_with_labels_of_another_kind_are_refused(series, labels):
    weights = xr.DataArray(np.arange(1.0, 9.0), {"time": labels}, ("time",))
    with pytest.raises(InsarrayError, match=r"weights|time") as found:
        few(series, weights=weights)
    assert "\n" not in str(found.value)
    plain = xr.DataArray(np.arange(1.0, 9.0), dims="time")
    np.testing.assert_array_equal(
        few(series, weights=plain), few(series, weights=plain.assign_coords(time=series.time)[::-1])
    )


def test_weights_of_numbered_pairs_are_refused(stack):
    weights = xr.ones_like(stack.coherence).drop_vars(["pair", "reference_time", "secondary_time"], errors="ignore")
    with pytest.raises(ArgumentError, match="weights: its coordinate 'pair' holds int64"):
        ia.invert(stack, weights=weights.assign_coords(pair=np.arange(stack.sizes["pair"])[::-1]), reference=REFERENCE)


def test_points_are_numbered(wrapped):
    points = ia.select_points(wrapped, min_temporal_coherence=0.6)
    named = points.assign_coords(point=[f"p{k}" for k in range(points.sizes["point"])])
    with pytest.raises(StackError, match="point: the coordinate holds"):
        ia.estimate_links(named)


CRS_ARGUMENTS = {
    "mask": lambda stack, series, crs: few(series, mask=crs(xr.ones_like(series.temporal_coherence))),
    "correction": lambda stack, series, crs: ia.correct(series, {"mine": crs(delay(series))}),
    "series": lambda stack, series, crs: ia.residuals(stack, crs(series)),
    "weights": lambda stack, series, crs: ia.invert(stack, weights=crs(xr.ones_like(stack.coherence)), reference=REFERENCE),
}  # fmt: skip


@pytest.mark.parametrize("name", CRS_ARGUMENTS)
def test_another_crs_is_refused(stack, series, name):
    with pytest.raises(InsarrayError, match="CRS"):
        CRS_ARGUMENTS[name](stack, series, lambda data: data.rio.write_crs("EPSG:4326"))
    CRS_ARGUMENTS[name](stack, series, lambda data: data.rio.write_crs(stack.rio.crs))


# -- attributes -----------------------------------------------------------------------------------------------------

LOSSES = {
    "attrs": lambda data: data.drop_attrs(deep=False),
    "merge": lambda data: xr.merge([data], combine_attrs="drop"),
    "keep_attrs": lambda data: data.map(lambda layer: layer, keep_attrs=False),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_reference_is_found_without_its_attributes(series, loss):
    lost = LOSSES[loss](series)
    for function in (lambda d: ia.correct(d, {"mine": delay(series)}), ia.deramp):
        expected, found = function(series).displacement, function(lost).displacement
        np.testing.assert_array_equal(found, expected)
        assert not found[:, REFERENCE[0], REFERENCE[1]].any()


def test_a_reference_area_that_is_lost_is_refused(stack):
    lost = ia.invert(stack, reference=ia.area(2, 9, 3, 9)).compute().drop_attrs(deep=False)
    with pytest.raises(InsarrayError, match="has lost the attributes of its reference"):
        ia.deramp(lost)


def test_a_series_without_a_reference_needs_none(stack):
    free = ia.invert(stack, reference=None).compute()
    np.testing.assert_array_equal(ia.deramp(free.drop_attrs(deep=False)).displacement, ia.deramp(free).displacement)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_done_is_known_without_attributes(stack, series, loss):
    corrected = LOSSES[loss](ia.correct(series, {"troposphere": delay(series)}))
    with pytest.raises(ArgumentError, match="troposphere is applied already"):
        ia.correct(corrected, {"troposphere": delay(series)})
    with pytest.raises(StackError, match="was corrected"):
        ia.residuals(stack, corrected)
    if loss != "keep_attrs":  # there xarray drops the coordinate that shows it, too
        with pytest.raises(StackError, match="was deramped"):
            ia.residuals(stack, LOSSES[loss](ia.deramp(series)))


def test_residuals_of_a_stack_that_was_referenced_by_hand(stack, series):
    by_hand = stack.assign(
        unwrapped_phase=stack.unwrapped_phase - stack.unwrapped_phase.isel(y=REFERENCE[0], x=REFERENCE[1], drop=True)
    )
    found, expected = (ia.residuals(of, series).residual for of in (by_hand, stack))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_residuals_by_a_reference_area(stack):
    """With other samples in the area than the series was made of, and of a stack that was referenced by hand."""
    masked = ia.mask(stack, min_coherence=0.4)
    series = ia.invert(masked, reference=ia.area(2, 9, 3, 9))
    expected = ia.residuals(masked, series).residual
    found = ia.residuals(stack, series).residual.where(expected.notnull())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    whole = ia.invert(stack, reference=ia.area(2, 9, 3, 9))
    by_hand = stack.assign(unwrapped_phase=stack.unwrapped_phase - whole.reference_phase.astype("f4"))
    np.testing.assert_allclose(ia.residuals(by_hand, whole).residual, ia.residuals(stack, whole).residual, atol=1e-5)


def test_subsets_without_their_labels_are_refused(stack):
    cut = ia.invert(stack, reference=REFERENCE, gap="subset").drop_vars("network_subset")
    with pytest.raises(StackError, match="has no network_subset"):
        ia.fit(cut)


# -- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", ["time", "y", "x"])
@pytest.mark.parametrize("function", [ia.fit, ia.deramp, lambda d: ia.rereference(d, date="2020-01-01")])
def test_an_empty_selection_is_one_line(series, dim, function):
    full = series.assign(ia.fit(series, min_dates=2, min_redundancy=0))
    with pytest.raises(InsarrayError) as found:
        function(full.isel({dim: slice(0, 0)}))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("dim", ["pair", "y", "x"])
@pytest.mark.parametrize("function", [lambda d: ia.invert(d, reference=None), ia.closure, ia.select_pairs])
def test_an_empty_stack_is_one_line(stack, dim, function):
    with pytest.raises(InsarrayError) as found:
        function(stack.isel({dim: slice(0, 0)}))
    assert "\n" not in str(found.value)


def test_maps_that_concat_spread_over_time_are_refused(series):
    full = series.assign(ia.fit(series, min_dates=2, min_redundancy=0))
    parts = [full.isel(time=slice(0, 4)), full.isel(time=slice(4, 8))]
    spread, whole = (
        xr.concat(parts, "time", data_vars=how, coords="minimal", compat="override") for how in ("all", "minimal")
    )
    for function in (few, ia.deramp, lambda d: ia.rereference(d, reference=(2, 2))):
        with pytest.raises(StackError, match=r"data_vars='minimal'"):
            function(spread)
        function(whole)


def test_netcdf_by_plain_xarray_keeps_its_crs(series, tmp_path):
    ia.to_netcdf(series.assign(ia.fit(series, min_dates=2, min_redundancy=0)), tmp_path / "s.nc")
    with xr.open_dataset(tmp_path / "s.nc") as plain:
        assert ia.deramp(plain).rio.crs == series.rio.crs
        if "spatial_ref" not in plain.coords:
            with pytest.raises(ArgumentError, match="has lost its CRS"):
                ia.to_cog(plain.velocity, tmp_path / "v.tif")
        ia.to_cog(plain.set_coords("spatial_ref").velocity, tmp_path / "v.tif")
        assert (tmp_path / "v.tif").exists()


def test_a_correction_without_the_reference_date_says_so(series):
    lacking = delay(series).isel(time=slice(1, None))
    for missing in ("error", "nan"):
        with pytest.raises(ArgumentError, match="lacks the reference date"):
            ia.correct(series, {"mine": lacking}, missing=missing)


def test_an_infinite_correction_is_no_data(series):
    bad = delay(series)
    bad[3, 1, 1] = bad[0, 1, 1] = np.inf
    corrected = ia.correct(series, {"mine": bad}).displacement
    assert np.isnan(corrected[3, 1, 1])
    assert np.isfinite(corrected[:, 0, 0]).all()


def test_a_renamed_crs_is_still_the_crs(stack, series):
    renamed = series.rename(spatial_ref="crs")
    assert ia.deramp(renamed).rio.crs == series.rio.crs
    assert ia.invert(stack.rename(spatial_ref="crs"), reference=REFERENCE).rio.crs == stack.rio.crs
