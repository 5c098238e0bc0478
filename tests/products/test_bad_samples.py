"""Coherence in other units, weights and covariances that are none, and no-data values of masks: refused or understood."""

import re

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError, StackError
from insarray.products.stacks.quality import good_points
from tests.stacks import stack_of


@pytest.fixture(scope="module")
def stack():
    return stack_of(missing=0.0, block=None)


@pytest.fixture(scope="module")
def series(stack):
    return ia.invert(stack, reference=None)


# -- coherence ------------------------------------------------------------------------------------------------------

SCALED = {
    "bytes as floats": lambda coherence: coherence * 255,
    "bytes": lambda coherence: (coherence * 255).astype(np.uint8),
    "percent": lambda coherence: coherence * 100,
    "negative": lambda coherence: -coherence,
    "infinite": lambda coherence: coherence.where(coherence < 0.9, np.inf),
}

USES = {
    "variance": lambda stack: ia.invert(stack, weights="variance", reference=None),
    "fisher": lambda stack: ia.invert(stack, weights="fisher", reference=None),
    "coherence": lambda stack: ia.invert(stack, weights="coherence", reference=None),
    "l1": lambda stack: ia.invert(stack, weights="coherence", norm="l1", max_iterations=2, reference=None),
    "fit": lambda stack: ia.fit(stack, weights="variance", reference=None),
    "covariance": ia.covariance,
    "mask": lambda stack: ia.mask(stack, min_coherence=0.4),
    "select_pairs": lambda stack: ia.select_pairs(stack, min_mean_coherence=0.1),
    "find_reference": ia.find_reference,
}


@pytest.mark.parametrize(
    ("use", "scale", "lazy"),
    [*((use, "bytes", lazy) for use in USES for lazy in (False, True)), *(("mask", scale, True) for scale in SCALED)]
    + [(use, scale, False) for use in ("variance", "select_pairs") for scale in SCALED],
)
def test_coherence_of_another_range_is_refused(stack, use, scale, lazy):
    scaled = stack.assign(coherence=SCALED[scale](stack.coherence))
    scaled = scaled.chunk(y=8, x=8) if lazy else scaled
    with pytest.raises(StackError, match=r"coherence: holds coherence from .* outside 0 to 1"):
        USES[use](scaled).compute()  # of lazy data it shows then


@pytest.mark.parametrize("lazy", [False, True])
def test_overshoot_of_resampling_is_clipped(stack, lazy):
    clipped = stack.assign(
        coherence=stack.coherence.where(stack.coherence < 0.9, 1.0).where(stack.coherence > 0.3, 0.0)
    )
    over = clipped.coherence.where(clipped.coherence < 1, 1.15).where(clipped.coherence > 0, -0.01)
    beyond = stack.assign(coherence=over)
    beyond = beyond.chunk(y=8, x=8) if lazy else beyond
    for use in ("variance", "mask"):
        xr.testing.assert_equal(
            USES[use](beyond).drop_vars("coherence", errors="ignore").compute(),
            USES[use](clipped).drop_vars("coherence", errors="ignore").compute(),
        )


@pytest.mark.parametrize("units", ["%", "percent"])
def test_stated_percentages_are_refused_even_where_the_values_pass(stack, units):
    with pytest.raises(StackError, match=f"coherence: its attribute units says '{units}'"):
        ia.invert(stack.assign(coherence=stack.coherence.assign_attrs(units=units)), reference=None)


@pytest.mark.parametrize("units", ["1", "", "none", "Unitless"])
def test_no_unit_has_many_names(stack, units):
    named = stack.assign(coherence=stack.coherence.assign_attrs(units=units))
    kept = ia.mask(named, min_coherence=0.4).unwrapped_phase
    xr.testing.assert_equal(kept, ia.mask(stack, min_coherence=0.4).unwrapped_phase)


# -- masks ----------------------------------------------------------------------------------------------------------

NO_DATA = {
    "rioxarray": ({"_FillValue": np.uint8(255)}, {}),
    "number of another type": ({"_FillValue": 255.0}, {}),
    "missing_value": ({"missing_value": [255]}, {}),
    "nodata": ({"nodata": 255}, {}),
    "encoding": ({}, {"_FillValue": 255}),
    "two": ({"_FillValue": 254, "missing_value": 255}, {}),
}


@pytest.mark.parametrize(("dtype", "lazy"), [("uint8", False), ("int16", True), ("float32", False)])
@pytest.mark.parametrize("form", NO_DATA)
def test_the_no_data_value_of_a_mask_is_not_good(stack, form, dtype, lazy):
    good = stack.coherence[0].drop_vars(["pair", "reference_time", "secondary_time"]) > 0.5
    attrs, encoding = NO_DATA[form]
    raster = xr.where(good, 1, 255).astype(dtype)
    raster.attrs, raster.encoding = attrs, encoding
    raster = raster.chunk(y=8) if lazy else raster
    expected = ia.mask(stack, mask=good).unwrapped_phase
    assert 0 < int(expected.count()) < expected.size
    xr.testing.assert_equal(ia.mask(stack, mask=raster).unwrapped_phase, expected)


def test_a_mask_read_by_rioxarray_is_that_of_the_file(stack, tmp_path):
    rioxarray = pytest.importorskip("rioxarray")
    path = tmp_path / "mask.tif"
    good = stack.coherence[0].drop_vars(["pair", "reference_time", "secondary_time"]) > 0.5
    raster = xr.where(good, 1, 255).astype(np.uint8).rio.write_crs("EPSG:32613").rio.write_nodata(255)
    raster.rio.to_raster(path)
    opened = rioxarray.open_rasterio(path).squeeze("band", drop=True)
    by_file, by_array = (ia.mask(stack, mask=mask).unwrapped_phase for mask in (path, opened))
    xr.testing.assert_equal(by_array, by_file)
    assert 0 < int(by_file.count()) < by_file.size


def test_a_packed_no_data_value_is_not_one_of_the_values(stack):
    ones = xr.ones_like(stack.coherence[0], dtype=np.float32).drop_vars("pair")
    ones.encoding = {"_FillValue": 1, "scale_factor": 0.01}
    assert bool(ia.mask(stack, mask=ones).unwrapped_phase.notnull().all())


def test_the_no_data_value_of_a_mask_of_points_is_not_good():
    mask = xr.DataArray(np.array([0, 1, 255], np.uint8), dims="point", attrs={"_FillValue": 255})
    assert good_points(xr.Dataset(coords={"point": range(3)}), mask).tolist() == [False, True, False]


def test_a_mask_of_objects_is_converted(stack):
    good = stack.coherence[0].drop_vars("pair") > 0.5
    expected = ia.mask(stack, mask=good).unwrapped_phase
    gaps = good.astype(object).where(good)  # as xarray makes of booleans that it reindexes
    assert gaps.dtype == object
    for mask in (good.astype(object), gaps, gaps.chunk(y=8)):
        xr.testing.assert_equal(ia.mask(stack, mask=mask).unwrapped_phase, expected)


@pytest.mark.parametrize("dtype", ["U1", "complex64", "datetime64[ns]"])
def test_a_mask_without_numbers_is_refused(stack, dtype):
    mask = xr.DataArray(np.ones((20, 30), int).astype(dtype), dims=("y", "x"))
    with pytest.raises(ArgumentError, match=r"^mask: holds .*, not numbers"):
        ia.mask(stack, mask=mask)


def test_a_no_data_value_that_is_no_number_is_refused(stack):
    mask = xr.DataArray(np.ones((20, 30)), dims=("y", "x"), attrs={"_FillValue": "none"})
    with pytest.raises(ArgumentError, match="mask: its no-data value 'none' is not a number"):
        ia.mask(stack, mask=mask)


# -- weights and covariances of a series ----------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", ["neither", "weights", "data", "both"])
@pytest.mark.parametrize("wrong", [-1.0, np.inf])
@pytest.mark.parametrize("what", ["fit of a series", "fit of pairs", "invert", "covariance"])
def test_maps_of_weights_are_finite_and_not_negative(stack, series, what, wrong, lazy):
    data = series if what == "fit of a series" else stack
    layer = data.displacement if what == "fit of a series" else data.unwrapped_phase
    weights = xr.ones_like(layer)
    weights[3, 4, 5] = wrong
    data = data.chunk(y=8, x=8) if lazy in ("data", "both") else data
    weights = weights.chunk(y=8, x=8) if lazy in ("weights", "both") else weights
    product = {"invert": ia.invert, "covariance": ia.covariance}.get(what, ia.fit)
    options = {} if product is ia.covariance else {"reference": None}
    with pytest.raises(ArgumentError, match=f"weights: holds {wrong:g}; weights are finite and not negative"):
        product(data, weights=weights, **options).compute()


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_weights_of_a_series_are_not_all_zero_or_negative(series, value):
    with pytest.raises(ArgumentError, match=r"weights: (are all 0|holds -1)"):
        ia.fit(series, weights=xr.full_like(series.displacement, value))


def test_zero_and_missing_weights_leave_dates_out(series):
    weights = xr.ones_like(series.displacement)
    weights[2], weights[5] = 0.0, np.nan
    found, expected = ia.fit(series, weights=weights), ia.fit(series.isel(time=[0, 1, 3, 4, 6, 7]))
    np.testing.assert_allclose(found.velocity, expected.velocity, rtol=1e-5)


def covariance_of(series, value=1e-6):
    dates = series.sizes["time"]
    matrix = value * np.eye(dates)[:, :, None, None] * np.ones((1, 1, *series.displacement.shape[1:]))
    return xr.DataArray(matrix, dims=("time", "other_time", "y", "x"))


def spoilt(covariance, at, value):
    changed = covariance.copy(deep=True)
    changed[at] = value
    return changed


COVARIANCES = {
    "negative": (lambda right: -right, "holds -1e-06"),
    "one negative variance": (lambda right: spoilt(right, (3, 3, 4, 5), -1.0), "holds -1"),
    "infinite variance": (lambda right: spoilt(right, (3, 3, 4, 5), np.inf), "holds inf"),
    "infinite covariance": (lambda right: spoilt(right, (3, 4, 4, 5), -np.inf), "holds -inf"),
    "not symmetric": (lambda right: spoilt(right, (3, 4, 4, 5), 5e-7), "is not symmetric"),
    "negative variances": (lambda right: -right[:, 0], "holds -1e-06"),
}


@pytest.mark.parametrize(("weights", "lazy"), [("none", True), ("covariance", False)])
@pytest.mark.parametrize("kind", COVARIANCES)
def test_maps_of_covariances_are_covariances(series, kind, weights, lazy):
    change, message = COVARIANCES[kind]
    wrong = change(covariance_of(series))
    wrong = wrong.chunk(y=8, x=8) if lazy else wrong
    with pytest.raises(ArgumentError, match=f"covariance: {message}"):
        ia.fit(series, covariance=wrong, weights=weights, uncertainty="covariance").compute()


def test_a_covariance_may_lack_dates_of_a_pixel(series):
    lacking = spoilt(covariance_of(series), (3, slice(None), 4, 5), np.nan)
    lacking[:, 3, 4, 5] = np.nan
    found = ia.fit(series, covariance=lacking, weights="covariance", uncertainty="covariance")
    expected = ia.fit(series, covariance=covariance_of(series), weights="covariance", uncertainty="covariance")
    assert int((found.velocity != expected.velocity).sum()) <= 1


@pytest.mark.parametrize("units", ["m", "mm^2", "mm"])
@pytest.mark.parametrize("lead", [("time",), ("time", "y", "x")])
def test_a_covariance_in_other_units_is_refused(series, lead, units):
    variances = xr.ones_like(series.displacement).isel({dim: 0 for dim in ("y", "x") if dim not in lead})
    with pytest.raises(ArgumentError, match=rf"covariance: its .* says '{re.escape(units)}', but it must be in m\^2"):
        ia.fit(series, covariance=variances.assign_attrs(units=units))
    for right in ("m^2", "m2"):
        assert ia.fit(series, covariance=variances.assign_attrs(units=right)).velocity.notnull().all()
