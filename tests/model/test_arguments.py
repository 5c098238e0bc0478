"""Arguments in other forms than plain lists and numbers give the same result, or are refused in one line."""

import datetime as dt
import functools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError, InsarrayError


@functools.cache
def stack():
    return ia.simulate_stack(shape=(12, 10), n_dates=6, missing=0, water=False)[0]


@functools.cache
def series():
    return ia.invert(stack(), reference=(4, 4))


@functools.cache
def model():
    return ia.fit(series())


DAYS = np.array(["2019-03-01", "2019-06-01"], "datetime64[ns]")
FORMS = {
    "datetime64": lambda at: at,
    "DataArray": lambda at: xr.DataArray(at, dims="time", coords={"time": at}),
    "index": pd.DatetimeIndex,
    "list of 0-d DataArrays": lambda at: list(xr.DataArray(at, dims="time")),
    "timestamps": lambda at: [pd.Timestamp(one) for one in at],
    "tuple of datetimes": lambda at: tuple(pd.Timestamp(one).to_pydatetime() for one in at),
    "array of text": lambda at: np.datetime_as_string(at, "D"),
    "generator": lambda at: (one for one in at),
}
SINGLE = {
    "datetime64": lambda one: one,
    "0-d DataArray": xr.DataArray,
    "0-d array": np.array,
    "timestamp": pd.Timestamp,
    "date": lambda one: pd.Timestamp(one).date(),
    "text": lambda one: str(one)[:10],
}


@functools.cache
def long_series():
    return ia.invert(ia.simulate_stack(shape=(4, 4), n_dates=40, missing=0, water=False)[0], reference=(1, 1))


USERS = {
    "predict": lambda at: ia.predict(model(), at),
    "steps": lambda at: ia.fit(series(), steps=at),
    "velocity_changes": lambda at: ia.fit(series(), velocity_changes=at),
    "midas": lambda at: ia.midas(long_series(), steps=at),
    "exclude_dates": lambda at: ia.select_pairs(stack(), exclude_dates=at),
}


def dates_for(user):
    return series().time.values[[2, 4]].astype("datetime64[D]").astype("datetime64[ns]") if user != "predict" else DAYS


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("form", FORMS)
def test_dates_in_any_form(user, form):
    at = dates_for(user)
    if user == "velocity_changes":
        at = at[:1]
    xr.testing.assert_equal(USERS[user](FORMS[form](at)), USERS[user]([str(one)[:10] for one in at]))


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("form", SINGLE)
def test_a_single_date(user, form):
    one = dates_for(user)[0]
    xr.testing.assert_equal(USERS[user](SINGLE[form](one)), USERS[user]([str(one)[:10]]))


PAIRS = {
    "pair[:2]": lambda pair: pair[:2],
    "array": lambda pair: pair.values[:2],
    "list of 0-d DataArrays": lambda pair: list(pair[:2]),
    "two columns of times": lambda pair: np.stack([pair.reference_time.values, pair.secondary_time.values], axis=1)[:2],
}


@pytest.mark.parametrize("form", PAIRS)
def test_pairs_in_any_form(form):
    found = ia.select_pairs(stack(), exclude_pairs=PAIRS[form](stack().pair))
    assert list(found.pair.values) == list(stack().pair.values[2:])


def test_a_single_pair():
    found = ia.select_pairs(stack(), exclude_pairs=str(stack().pair.values[0]))
    assert list(found.pair.values) == list(stack().pair.values[1:])


@pytest.mark.parametrize(
    "of", [np.timedelta64(24, "D"), np.timedelta64(24 * 24, "h"), dt.timedelta(24), pd.Timedelta(days=24)]
)
def test_a_duration(of):
    right = ia.select_pairs(stack(), max_temporal_baseline=24)
    assert 0 < right.sizes["pair"] < stack().sizes["pair"]
    xr.testing.assert_identical(ia.select_pairs(stack(), max_temporal_baseline=of), right)


def of_attribute(**attrs):
    return stack().assign_attrs(attrs)


REFUSED = {
    "predict": (lambda: ia.predict(model(), 5j), "times: 5j is not a list"),
    "baseline of text": (lambda: ia.select_pairs(stack(), max_temporal_baseline="24"), "max_temporal_baseline: '24' is not"),
    "NaT": (lambda: ia.select_pairs(stack(), max_temporal_baseline=np.timedelta64("NaT")), "max_temporal_baseline: .* is not"),
    "baseline NaN": (lambda: ia.select_pairs(stack(), max_perpendicular_baseline=np.nan), "_baseline: nan is not a number|no perp"),
    "neighbours": (lambda: ia.select_pairs(stack(), max_neighbours="2"), "max_neighbours: '2' is not a whole number"),
    "half a neighbour": (lambda: ia.select_pairs(stack(), max_neighbours=1.5), r"max_neighbours: 1\.5 is not a whole number"),
    "pair of one": (lambda: ia.select_pairs(stack(), exclude_pairs=[5]), "pair: 5 is not two dates"),
    "share": (lambda: ia.mask(stack(), min_coherence="0.4"), "min_coherence: '0.4' is not a number"),
    "share of coherence": (
        lambda: ia.quality_mask(series(), min_temporal_coherence="0.7"),
        "min_temporal_coherence: '0.7' is not a number",
    ),
    "rms": (lambda: ia.quality_mask(series(), max_residual_rms=[1.0]), r"max_residual_rms: \[1.0\] is not a number"),
    "radius": (lambda: ia.timeseries(series(), lonlat=(0.0, 0.0), radius="100"), "radius: '100' is not a number"),
    "seed": (lambda: ia.fit(series(), uncertainty="bootstrap", seed=-1), "seed: -1 is not a whole number of at least 0"),
    "samples": (
        lambda: ia.fit(series(), uncertainty="bootstrap", samples=2.5),
        "samples: 2.5 is not a whole number of at least 2",
    ),
    "seed of pairs": (lambda: ia.validate(model(), seed=-1), "seed: -1 is not a whole number"),
    "threshold": (lambda: ia.validate(model(), threshold="3"), "threshold: '3' is not a number"),
    "seed of a simulation": (lambda: ia.simulate_stack(seed=-1), "seed: -1 is not a whole number"),
    "looks": (lambda: ia.invert(stack(), weights="variance", looks="20"), "looks: '20' is not a number"),
    "attribute looks": (lambda: ia.invert(of_attribute(looks="many"), weights="variance"), "looks: the attribute .* is 'many'"),
    "attribute wavelength": (lambda: ia.invert(of_attribute(wavelength="C")), "wavelength: the attribute .* is 'C', not a number"),
    "two wavelengths": (
        lambda: ia.invert(of_attribute(wavelength=[0.05, 0.05])), r"wavelength: the attribute .* is \[0.05, 0.05\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_number_is_refused_in_one_line(name):
    make, message = REFUSED[name]
    with pytest.raises(InsarrayError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [[0.05546576], np.array([0.05546576]), "0.05546576", np.float64(0.05546576)])
def test_attributes_of_one_number(value):
    data = of_attribute(wavelength=value)
    right = of_attribute(wavelength=0.05546576)
    xr.testing.assert_equal(ia.invert(data, reference=(4, 4)), ia.invert(right, reference=(4, 4)))


def test_workers_are_a_number(tmp_path):
    with pytest.raises(ArgumentError, match="workers: '2' is not a whole number"):
        ia.run(ia.fit(series().chunk(time=-1, y=6, x=5)), tmp_path / "a.zarr", workers="2")


@pytest.mark.parametrize("name", ["a/b", "", " ", 3, ".."])
def test_names_that_a_file_cannot_have(tmp_path, name):
    with pytest.raises(ArgumentError, match="cannot be in a NetCDF file; rename it"):
        ia.to_netcdf(series().assign({name: series().residual_rms}), tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lost", ["of", "kind", "origin_y", "col_spacing"])
def test_a_ramp_without_its_attributes(lost):
    flat = ia.deramp(series())
    del flat.ramp_coefficient.attrs[lost]
    with pytest.raises(InsarrayError, match=f"ramp_coefficient has lost the attribute '{lost}'"):
        ia.ramp_surface(flat)
