"""Times from what people write, pairs from what files are called."""

import datetime as dt

import numpy as np
import pytest

from insarray.model.dates import as_time, date_label, pair_from_name, years_since
from insarray.model.errors import ArgumentError

DAY = np.datetime64("2020-01-13", "s")


@pytest.mark.parametrize(
    "value",
    [
        "20200113",
        "2020-01-13",
        "200113",
        dt.date(2020, 1, 13),
        dt.datetime(2020, 1, 13),
        np.datetime64("2020-01-13"),
        "2020-01-13T00:00:00Z",
    ],
)
def test_spellings_of_a_date(value):
    assert as_time(value) == DAY


@pytest.mark.parametrize(
    "value", ["20200113T061530", "20200113061530", "2020-01-13 06:15:30", "2020-01-13T07:15:30+01:00"]
)
def test_times_of_day_are_kept_and_in_utc(value):
    assert as_time(value) == np.datetime64("2020-01-13T06:15:30")
    assert date_label(as_time(value)) == "20200113T061530"


@pytest.mark.parametrize("value", ["20201301", "yesterday", "2020", "", "18000101", "20200101_20200113"])
def test_what_is_no_date_is_refused(value):
    with pytest.raises(ArgumentError, match="is not a date"):
        as_time(value)


def test_nat_is_refused():
    with pytest.raises(ArgumentError, match="NaT"):
        as_time(np.datetime64("NaT", "s"))


def test_years_are_of_365_25_days():
    times = np.array(["2019-12-31", "2020-12-30T06:00:00"], "datetime64[s]")
    np.testing.assert_allclose(years_since(times, times[0]), [0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "20200101_20200113.unw.tif",
        "cropA_20200101-20200113_VV_8rlks_eqa_unw.tif",
        "2020-01-01_2020-01-13.tif",
        "20200101_to_20200113.tif",
        "filt_fine_200101-200113.unw",
        "v1234567890_20200101_20200113_136231.tif",
        "OPERA_L3_20200101_20200113_F11116.nc",
    ],
)
def test_pairs_in_names(name):
    assert pair_from_name(name) == (np.datetime64("2020-01-01"), DAY)


def test_times_of_day_in_names():
    name = "S1AA_20200101T135156_20200113T135157_VVP012_INT80_G_ueF_F8BF_unw_phase.tif"
    assert pair_from_name(name) == (np.datetime64("2020-01-01T13:51:56"), np.datetime64("2020-01-13T13:51:57"))


def test_newer_first_keeps_the_order_of_the_name():
    assert pair_from_name("20200113_20200101.tif")[0] == DAY


def test_the_joined_pair_wins_over_a_stray_date():
    assert pair_from_name("made20231231 20200101_20200113.tif") == (np.datetime64("2020-01-01"), DAY)


@pytest.mark.parametrize("name", ["20230101_20200101_20200113.tif", "20200113.tif", "interferogram.tif"])
def test_ambiguous_names_are_refused_with_the_remedy(name):
    with pytest.raises(ArgumentError, match="pattern with two groups"):
        pair_from_name(name)


def test_a_pattern_resolves_what_is_ambiguous():
    pattern = r"\d{8}_(\d{8})_(\d{8})"
    assert pair_from_name("20230101_20200101_20200113.tif", pattern) == (np.datetime64("2020-01-01"), DAY)
    with pytest.raises(ArgumentError, match="two groups"):
        pair_from_name("x.tif", pattern)
