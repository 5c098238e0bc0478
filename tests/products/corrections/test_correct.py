"""Corrections: the same before and after the inversion, found by labels, relative to the reference, applied once."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from tests.networks import nearest
from tests.stacks import WAVELENGTH, stack_of

NETWORK = nearest(8, 3)
RADIAN = metres_per_radian(WAVELENGTH)


def delay(seed=0, *, name="troposphere", dates=NETWORK.times, shape=(20, 30), **attrs):
    """A correction of dates, smooth enough to be none of noise, in metres."""
    values = np.random.default_rng(seed).normal(0, 0.02, (len(dates), *shape))
    coords = {"time": dates.astype("datetime64[ns]"), "y": stack_of().y, "x": stack_of().x}
    return xr.DataArray(values, coords, ("time", "y", "x"), name, {"units": "m", "source": "drawn", **attrs})


def of_pairs(layer, stack, scale=1.0, **attrs):
    """A correction of dates as one of the pairs of a stack."""
    network = stack.insar.network
    values = (layer.values[network.secondary] - layer.values[network.reference]) * scale
    attrs = {**layer.attrs, **attrs}
    return xr.DataArray(values, stack.unwrapped_phase.coords, ("pair", "y", "x"), layer.name, attrs)


def require_close(found, expected, limit=1e-6):
    np.testing.assert_allclose(found.displacement.values, expected.displacement.values, atol=limit, rtol=0)
    assert np.isfinite(expected.displacement.values).any()


@pytest.mark.parametrize("reference", [(5, 5), ia.area(2, 6, 3, 8)])
@pytest.mark.parametrize("gap", ["nan", "subset"])
def test_before_the_inversion_is_after_it(reference, gap):
    missing = 0.0 if gap == "nan" or not isinstance(reference, tuple) else 0.3
    stack, layer = stack_of(NETWORK, missing=missing), delay()
    before = ia.invert(ia.correct(stack, layer), reference=reference, gap=gap)
    after = ia.correct(ia.invert(stack, reference=reference, gap=gap), layer)
    require_close(after, before)
    assert before.attrs["corrections"] == after.attrs["corrections"] == "troposphere"
    assert before.attrs["correction_sources"] == "troposphere: drawn"


@pytest.mark.parametrize(("scale", "units"), [(1.0, "m"), (1 / RADIAN, "radian")])
def test_layers_of_pairs_and_of_dates_are_the_same(scale, units):
    stack, layer = stack_of(NETWORK, missing=0.0), delay(name="ionosphere")
    pairs = of_pairs(layer, stack, scale, units=units)
    expected = ia.invert(ia.correct(stack, layer), reference=(5, 5))
    require_close(ia.invert(ia.correct(stack, pairs), reference=(5, 5)), expected)
    require_close(ia.correct(ia.invert(stack, reference=(5, 5)), pairs), expected)


def test_the_sign_is_that_of_displacement_and_of_phase():
    """A delay in the later image is a longer range: positive phase, negative displacement; subtracting takes it out."""
    stack, longer = stack_of(NETWORK, missing=0.0), delay()
    longer[:] = 0.0
    longer[3, 8, 9] = -0.01  # apparent motion away from the satellite
    noisy = stack.assign(unwrapped_phase=stack.unwrapped_phase + of_pairs(longer, stack, 1 / RADIAN).values)
    assert float(noisy.unwrapped_phase[0, 8, 9] - stack.unwrapped_phase[0, 8, 9]) == 0
    pair = stack.insar.pairs.index("20200101_20200206")
    assert float(noisy.unwrapped_phase[pair, 8, 9] - stack.unwrapped_phase[pair, 8, 9]) > 0
    plain = ia.invert(stack, reference=(5, 5))
    require_close(ia.correct(ia.invert(noisy, reference=(5, 5)), longer), plain)
    require_close(ia.invert(ia.correct(noisy, longer), reference=(5, 5)), plain)


def test_what_it_was_made_of_is_kept():
    series, layer = ia.invert(stack_of(NETWORK), reference=(5, 5)), delay()
    found = ia.correct(series, layer).compute()
    np.testing.assert_array_equal(found.uncorrected_displacement, series.displacement)
    np.testing.assert_allclose(
        found.uncorrected_displacement - found.troposphere, found.displacement, atol=1e-7, rtol=0
    )
    assert found.troposphere.attrs["units"] == "m"
    assert found.troposphere.attrs["source"] == "drawn"
    assert (found.troposphere[0] == 0).all()
    assert (found.troposphere[:, 5, 5] == 0).all()
    bare = ia.correct(series, layer, keep=False)
    assert "troposphere" not in bare
    assert "uncorrected_displacement" not in bare
    np.testing.assert_array_equal(bare.displacement, found.displacement)


def test_one_after_the_other_keeps_the_first_raw_data():
    series = ia.invert(stack_of(NETWORK), reference=(5, 5))
    first, tide = delay(), delay(1, name="solid_earth_tide")
    found = ia.correct(ia.correct(series, first), tide).compute()
    np.testing.assert_array_equal(found.uncorrected_displacement, series.displacement)
    assert found.attrs["corrections"] == "troposphere solid_earth_tide"
    require_close(found, ia.correct(series, {"troposphere": first, "solid_earth_tide": tide}), 1e-7)
    assert "troposphere" not in ia.deramp(found)  # it no longer leads from the raw data to the displacement
    assert ia.deramp(found).attrs["corrections"] == found.attrs["corrections"]


def test_a_stack_keeps_its_corrections_as_phase():
    stack, layer = stack_of(NETWORK), delay(name="ionosphere")
    found = ia.correct(stack, layer).compute()
    assert found.ionosphere.attrs["units"] == "radian"
    np.testing.assert_allclose(found.ionosphere, of_pairs(layer, stack) / RADIAN, atol=1e-5)
    np.testing.assert_array_equal(found.uncorrected_phase, stack.unwrapped_phase)
    assert ia.fit(found, reference=(5, 5)).attrs["corrections"] == "ionosphere"


def test_every_phase_of_a_stack_is_corrected():
    stack = ia.correct_unwrapping(stack_of(NETWORK), reference=(5, 5))
    found = ia.correct(stack, delay())
    for name in ("unwrapped_phase", "corrected_phase"):
        moved = (stack[name] - found[name]).values
        np.testing.assert_allclose(
            moved[np.isfinite(moved)], (of_pairs(delay(), stack) / RADIAN).values[np.isfinite(moved)], atol=1e-4
        )


def test_a_stack_that_is_zero_somewhere_stays_so():
    stack = stack_of(NETWORK, missing=0.0)
    stack = stack.assign_attrs(product_reference=[float(stack.y[5]), float(stack.x[5])])
    found = ia.correct(stack, delay())
    np.testing.assert_allclose(found.unwrapped_phase[:, 5, 5], stack.unwrapped_phase[:, 5, 5], atol=1e-5)


def test_order_and_pixels_are_found_by_labels():
    series, layer = ia.invert(stack_of(NETWORK), reference=(5, 5)), delay()
    wide = layer.pad(x=(0, 3), constant_values=9.0).assign_coords(x=np.arange(33) * 30.0 + float(layer.x[0]))
    mixed = wide.isel(time=[3, 1, 0, 2, 7, 6, 5, 4], y=slice(None, None, -1)).transpose("x", "time", "y")
    require_close(ia.correct(series, mixed), ia.correct(series, layer), 0)


def test_a_part_of_the_series_has_the_same_reference():
    """The reference place and date may lie outside of what is left."""
    series, layer = ia.invert(stack_of(NETWORK, missing=0.0), reference=(5, 5)), delay()
    part = {"time": slice(2, None), "y": slice(9, None)}
    require_close(ia.correct(series.isel(part), layer), ia.correct(series, layer).isel(part), 0)


def test_another_reference_date():
    series = ia.rereference(ia.invert(stack_of(NETWORK), reference=(5, 5)), date="20200125")
    found = ia.correct(series, delay())
    assert (found.troposphere[2] == 0).all()
    assert float(abs(found.displacement[2]).max()) == 0


def test_nothing_is_computed_and_blocks_count():
    stack = stack_of(NETWORK)
    found = ia.correct(stack, delay().chunk(time=1, y=5))
    assert found.unwrapped_phase.chunks is not None
    assert found.unwrapped_phase.chunksizes == stack.unwrapped_phase.chunksizes
    small = len(dict(ia.correct(stack, delay()).unwrapped_phase.data.dask))
    assert small < 30 * 12  # blocks


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("troposphere", "troposphere", "troposphere is applied already, as troposphere"),
        ("troposphere_wet", "troposphere", "troposphere is applied already, as troposphere_wet"),
        ("troposphere", "troposphere_hydrostatic", "troposphere_hydrostatic is applied already, as troposphere"),
    ],
)
def test_none_is_applied_twice(first, second, message):
    series = ia.invert(stack_of(NETWORK), reference=(5, 5))
    found = ia.correct(series, delay(name=first))
    with pytest.raises(ArgumentError, match=message):
        ia.correct(found, delay(name=second))
    if first != second:
        with pytest.raises(ArgumentError, match="given together with"):
            ia.correct(series, {first: delay(), second: delay()})
    parts = {"troposphere_wet": delay(), "troposphere_hydrostatic": delay(1)}
    assert ia.correct(series, parts).attrs["corrections"] == "troposphere_wet troposphere_hydrostatic"


def test_a_missing_date_is_refused_or_without_data():
    series, layer = ia.invert(stack_of(NETWORK), reference=(5, 5)), delay().isel(time=[0, 1, 2, 4, 5, 6, 7])
    with pytest.raises(ArgumentError, match="troposphere lacks 1 of 8 dates: 20200206; add them"):
        ia.correct(series, layer)
    found = ia.correct(series, layer, missing="nan").displacement
    assert np.isnan(found[3]).all()
    assert np.isfinite(found[[0, 1, 2, 4]]).any(("y", "x")).all()
    pairs = ia.correct(stack_of(NETWORK), layer, missing="nan").unwrapped_phase
    gone = [("20200206" in label) for label in pairs.pair.values]
    assert np.isnan(pairs.values[gone]).all()
    with pytest.raises(ArgumentError, match="lacks the reference date 20200101"):  # to which all others are relative
        ia.correct(series, layer.isel(time=slice(1, None)), missing="nan")


def test_pixels_without_a_correction_have_no_data():
    layer = delay()
    layer[4, 3, 7] = np.nan
    found = ia.correct(ia.invert(stack_of(NETWORK, missing=0.0), reference=(5, 5)), layer).displacement
    assert np.isnan(found[4, 3, 7])
    assert int(np.isnan(found).sum()) == 1


REFUSED = {
    "no unit": (lambda s: ia.correct(s, delay(units="")), "has the unit ''; set its attribute units to 'm'"),
    "centimetres": (lambda s: ia.correct(s, delay(units="cm")), "has the unit 'cm'"),
    "a name of the data": (lambda s: ia.correct(s, {"velocity": delay()}), "'velocity' is no name of a correction"),
    "no name": (lambda s: ia.correct(s, delay(name=None)), "the array has no name"),
    "no array": (lambda s: ia.correct(s, {"troposphere": 1.0}), "troposphere is a float"),
    "a map": (lambda s: ia.correct(s, delay()[0]), "has the dimensions"),
    "no dates": (lambda s: ia.correct(s, delay().drop_vars("time")), "no coordinate 'time' that dates it"),
    "nothing": (lambda s: ia.correct(s, {}), "at least one"),
    "a word": (lambda s: ia.correct(s, delay(), missing="skip"), "missing: 'skip' is not one of error, nan"),
    "dates twice": (
        lambda s: ia.correct(s, xr.concat([delay(), delay()[:1]], "time")),
        "has 20200101 more than once",
    ),
    "other pixels": (lambda s: ia.correct(s, delay().assign_coords(x=delay().x + 10)), "its grid differs"),
    "no data at the reference": (
        lambda s: ia.correct(s, delay().where(delay().y < float(delay().y[8]))),
        "has no data at the reference",
    ),
    "not the reference": (
        lambda s: ia.correct(s.isel(y=slice(9, None)), delay().isel(y=slice(8, None))),
        "does not have the reference",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, message = REFUSED[name]
    series = ia.invert(stack_of(NETWORK, missing=0.0), reference=(5, 5))
    with pytest.raises(InsarrayError) as refusal:
        call(series)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_corrected_series_belongs_to_a_corrected_stack():
    stack = stack_of(NETWORK)
    series = ia.invert(stack, reference=(5, 5))
    corrected = ia.correct(series, delay())
    with pytest.raises(StackError, match="was corrected, the stack was not"):
        ia.residuals(stack, corrected)
    both = ia.residuals(ia.correct(stack, delay()), ia.invert(ia.correct(stack, delay()), reference=(5, 5)))
    np.testing.assert_allclose(both.residual, ia.residuals(stack, series).residual, atol=1e-4)
    with pytest.raises(StackError, match="has the corrections none, the first troposphere; correct both alike"):
        ia.join(corrected, series)
    assert ia.join(corrected, corrected).attrs["corrections"] == "troposphere"


def test_it_goes_through_a_store(tmp_path):
    found = ia.correct(ia.invert(stack_of(NETWORK), reference=(5, 5)), delay(name="troposphere_wet"))
    ia.run(found, tmp_path / "out.zarr")
    back = ia.open(tmp_path / "out.zarr")
    assert back.attrs["corrections"] == "troposphere_wet"
    assert back.troposphere_wet.attrs["units"] == "m"
    np.testing.assert_array_equal(back.displacement, found.displacement)
    with pytest.raises(ArgumentError, match="applied already"):
        ia.correct(back, delay(name="troposphere_wet"))
