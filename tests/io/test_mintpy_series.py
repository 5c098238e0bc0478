"""MintPy's timeseries.h5 as a series: values, dates, no-data, references, and what is no such file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import insarray as ia
from insarray.io.readers.mintpy_series import is_series, open_series
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError, FileError
from tests.compat.mintpy_project import edit, read

DATES = ["20200104", "20200116", "20200209", "20200221", "20200328"]
GEO = {"X_FIRST": "600000.0", "Y_FIRST": "2150000.0", "X_STEP": "30.0", "Y_STEP": "-30.0", "EPSG": "32614"}


@pytest.fixture
def values():
    """Displacement (m), zero at the first date and at pixel (3, 4); pixel (0, 0) has no data."""
    found = np.random.default_rng(2).normal(0, 0.05, (5, 12, 14)).astype(np.float32)
    found[0] = 0
    found[:, 3, 4] = found[:, 0, 0] = 0
    return found


@pytest.fixture
def path(tmp_path, values):
    return write(tmp_path / "timeseries.h5", values, REF_Y="3", REF_X="4")


def write(path: Path, values: np.ndarray, dates=tuple(DATES), **attrs: str) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"FILE_TYPE": "timeseries", "UNIT": "m", "WAVELENGTH": "0.0555", "REF_DATE": dates[0], **attrs}
        )
        file["date"] = np.array(dates, "S8")
        file["bperp"] = np.arange(len(dates), dtype=np.float32) * 10
        file.create_dataset("timeseries", data=values, chunks=(2, 5, 6))
    return path


def test_values_dates_and_coordinates(path, values):
    series = open_series(path, block=5)
    assert series.displacement.dims == ("time", "y", "x")
    assert series.displacement.chunksizes["time"] == (5,)
    assert series.displacement.chunksizes["y"] == (5, 5, 2)
    expected = values.copy()
    expected[:, 0, 0] = np.nan
    np.testing.assert_array_equal(series.displacement, expected)
    assert series.displacement.dtype == np.float32
    assert series.time.dt.strftime("%Y%m%d").values.tolist() == DATES
    np.testing.assert_array_equal(series.perpendicular_baseline, [0, 10, 20, 30, 40])
    assert series.perpendicular_baseline.dims == ("time",)
    assert series.attrs["wavelength"] == 0.0555
    assert (series.attrs["reference_row"], series.attrs["reference_col"]) == (3, 4)
    assert series.attrs["reference_date"] == "2020-01-04T00:00:00"
    assert (series.attrs["reference_y"], series.attrs["reference_x"]) == (3.0, 4.0)
    assert series.displacement.attrs["units"] == "m"
    assert grid_of(series).crs is None


def test_zero_at_all_dates_is_no_data_but_at_the_reference(tmp_path, values):
    values[1:3, 1, 1] = 0  # observed, at rest between two dates
    values[:, 1, 2] = 0, np.nan, 0, 0, np.nan
    values[1, 1, 3] = np.nan
    series = open_series(write(tmp_path / "t.h5", values, REF_Y="3", REF_X="4"))
    found = series.displacement.values
    assert np.isfinite(found[:, 1, 1]).all()
    assert np.isnan(found[:, 1, 2]).all()
    assert np.isnan(found[:, 1, 3]).tolist() == [False, True, False, False, False]
    assert (found[:, 3, 4] == 0).all()
    edit(tmp_path / "t.h5", REF_Y=None)
    series = open_series(tmp_path / "t.h5")
    assert np.isnan(series.displacement[:, 3, 4]).all()
    assert "reference_row" not in series.attrs


def test_a_geocoded_series_is_where_its_corner_says(tmp_path, values):
    series = open_series(write(tmp_path / "t.h5", values, REF_Y="3", REF_X="4", **GEO))
    grid = grid_of(series)
    assert (grid.left, grid.top, grid.dx, grid.dy) == (600_000.0, 2_150_000.0, 30.0, -30.0)
    assert float(series.x[0]) == 600_015.0
    assert series.displacement.attrs["grid_mapping"] == "spatial_ref"
    lon, lat = grid.lonlat(3, 4)
    assert (series.attrs["reference_lon"], series.attrs["reference_lat"]) == (lon, lat)
    assert (series.attrs["reference_y"], series.attrs["reference_x"]) == (2_149_895.0, 600_135.0)
    assert all(type(series.attrs[name]) is float for name in ("reference_y", "reference_x"))


def test_dates_in_any_order_and_another_reference_date(tmp_path, values):
    order = [2, 0, 4, 1, 3]
    written = write(
        tmp_path / "t.h5", values[order], [DATES[k] for k in order], REF_DATE=DATES[3], REF_Y="3", REF_X="4"
    )
    edit(written, bperp=np.float32([20, 0, 40, 10, 30]))
    series = open_series(written)
    np.testing.assert_array_equal(series.displacement[:, 5], values[:, 5])
    np.testing.assert_array_equal(series.perpendicular_baseline, [0, 10, 20, 30, 40])
    assert series.attrs["reference_date"].startswith("2020-02-21")


def test_without_a_reference_date_it_is_the_first(path):
    edit(path, REF_DATE=None)
    assert open_series(path).attrs["reference_date"] == "2020-01-04T00:00:00"


@pytest.mark.parametrize(
    ("datasets", "attrs", "words"),
    [
        (("velocity", "velocityStd"), {"FILE_TYPE": "velocity"}, "is MintPy's velocity, not a series: insarray.fit"),
        (("velocity",), {}, "is MintPy's velocity, not a series"),
        (("unwrapPhase", "date"), {"FILE_TYPE": "ifgramStack"}, "insarray.open_stack opens it"),
        (("height",), {"FILE_TYPE": "geometry"}, "insarray.open_geometry opens it"),
    ],
)
def test_other_files_of_mintpy_are_named(tmp_path, datasets, attrs, words):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs.update(attrs)
        for name in datasets:
            file[name] = np.zeros((3, 4), np.float32)
    with pytest.raises(FileError, match=words) as error:
        open_series(tmp_path / "other.h5")
    assert "other.h5: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_series_without_baselines(path):
    edit(path, bperp=None)
    assert "perpendicular_baseline" not in open_series(path).coords


def test_what_is_fitted_is_what_is_in_it(path, values):
    series = open_series(path, block=5)
    years = (series.time - series.time[0]).values / np.timedelta64(1, "D") / 365.25
    line = np.stack([np.ones(5), years], axis=1)
    slope = np.linalg.lstsq(line, values.reshape(5, -1).astype(float))[0][1].reshape(12, 14)
    slope[0, 0] = np.nan
    np.testing.assert_allclose(ia.fit(series).velocity, slope, atol=1e-6)


def test_another_file_has_another_fingerprint(path, values):
    name = open_series(path).displacement.data.name
    assert open_series(path).displacement.data.name == name
    with h5py.File(path, "a") as file:
        file["timeseries"][1, 2, 2] = 3
        file["more"] = 1
    assert open_series(path).displacement.data.name != name


def test_written_and_read_again(tmp_path, path):
    series = open_series(path)
    (copy,) = ia.to_mintpy(series, tmp_path / "out")
    found = open_series(copy)
    np.testing.assert_array_equal(found.displacement, series.displacement)
    np.testing.assert_array_equal(read(copy)["bperp"], read(path)["bperp"])
    assert {k: v for k, v in found.attrs.items() if k != "input_fingerprint"} == {
        k: v for k, v in series.attrs.items() if k != "input_fingerprint"
    }


def test_golden(golden):
    """MintPy's own file: what is empty is what its note says: water, the block without two dates."""
    path = golden / "mintpy_stack/out/var/timeseries.h5"
    found, raw = open_series(path).displacement.values, read(path)["timeseries"]
    empty = np.isnan(found).all(axis=0)
    assert empty.sum() == 2870 - 1
    assert not np.isnan(found[:, ~empty]).any()
    np.testing.assert_array_equal(np.nan_to_num(found), raw)
    assert (found[:, 40, 60] == 0).all()


# -- what is no series ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeseries": None}, "has no timeseries and date, only bperp, date"),
        ({"date": None}, "has no timeseries and date, only bperp, timeseries"),
        ({"date": np.array(DATES[:4], "S8")}, r"date is \(4,\) and timeseries \(5, 12, 14\)"),
        ({"date": np.array([*DATES[:4], "monday"], "S8")}, "'monday' is not a date"),
        ({"date": np.array([*DATES[:4], DATES[0]], "S8")}, "has a date twice"),
        ({"UNIT": "mm"}, "is in 'mm'"),
        ({"REF_Y": "north"}, "REF_Y, REF_X or REF_DATE cannot be read .*; repair it"),
        ({"REF_DATE": "soon"}, "REF_Y, REF_X or REF_DATE cannot be read .*; repair it"),
    ],
)
def test_what_is_wrong_is_said(path, change, message):
    edit(path, **change)
    with pytest.raises(FileError, match=message) as error:
        open_series(path)
    assert str(path) in str(error.value)


def test_files_that_are_none(tmp_path, path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FileError, match=r"cut\.h5: could not read it as HDF5"):
        open_series(cut)
    with pytest.raises(FileError, match=r"absent\.h5 does not exist"):
        open_series(tmp_path / "absent.h5")
    with pytest.raises(ArgumentError, match="is a folder"):
        open_series(tmp_path)
    edit(path, timeseries=None, other=np.zeros(3))
    assert not is_series(path)
    assert not is_series(tmp_path)


def test_hdf_eos5_is_the_same_series(tmp_path, path, values):
    """As save_hdfeos5.py lays it out: groups, and the attributes of the series."""
    with h5py.File(path) as series, h5py.File(tmp_path / "S1_IW12_128_0593_20200104_20200328.he5", "w") as file:
        file.attrs.update({**series.attrs, "FILE_TYPE": "HDFEOS"})
        group = file.create_group("HDFEOS/GRIDS/timeseries/observation")
        for name, stored in (("displacement", "timeseries"), ("date", "date"), ("bperp", "bperp")):
            group[name] = series[stored][:]
        file["HDFEOS/GRIDS/timeseries/quality/temporalCoherence"] = np.ones(values.shape[1:], np.float32)
    opened = ia.open(tmp_path / "S1_IW12_128_0593_20200104_20200328.he5")
    expected = open_series(path)
    np.testing.assert_array_equal(opened.displacement, expected.displacement)
    assert opened.drop_attrs().identical(expected.drop_attrs())
    same = ("reference_row", "reference_col", "reference_date", "wavelength")
    assert [opened.attrs[name] for name in same] == [expected.attrs[name] for name in same]
