"""MintPy's files of a dataset read back as what was written: names, units, attributes, corners; all or none."""

from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.export import mintpy as mintpy_files
from insarray.export.mintpy import to_mintpy
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, FileError, StackWarning, StoreError
from insarray.model.grid import Grid
from tests.compat.mintpy_project import attributes, read
from tests.networks import nearest
from tests.stacks import GRID, stack_of

RADAR = Grid(20, 30)


@pytest.fixture(scope="module")
def stack():
    return stack_of()


@pytest.fixture(scope="module")
def series(stack):
    """Series in blocks of 8 pixels, with missing dates."""
    return ia.invert(stack, weights="variance", reference=(5, 5))


def without_place(dataset):
    """The same in radar coordinates, with the reference at row 5 and column 5."""
    names = ["y", "x", "spatial_ref"]
    radar = dataset.drop_vars(names).assign_coords({k: v for k, v in grid_coords(RADAR).items() if k in names})
    radar.attrs = {k: v for k, v in radar.attrs.items() if k not in ("reference_lon", "reference_lat")}
    return radar.assign_attrs(reference_y=float(RADAR.y[5]), reference_x=float(RADAR.x[5]))


# -- series --------------------------------------------------------------------------------------------------------


def test_series(tmp_path, series):
    paths = to_mintpy(series, tmp_path / "out")
    assert [path.name for path in paths] == ["timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5"]
    found = read(paths[0])
    assert set(found) == {"date", "timeseries"}
    assert found["timeseries"].dtype == np.float32
    np.testing.assert_array_equal(found["timeseries"], series.displacement)
    assert found["date"].dtype == "S8"
    assert [date.decode() for date in found["date"]] == series.time.dt.strftime("%Y%m%d").values.tolist()
    np.testing.assert_array_equal(read(paths[1])["temporalCoherence"], series.temporal_coherence)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in paths}


def test_number_of_pairs_is_that_of_the_pairs_with_data(tmp_path, stack, series):
    (path,) = to_mintpy(series[["number_of_observations"]], tmp_path)
    found = read(path)["mask"]
    assert found.dtype == np.float32
    assert attributes(path)["FILE_TYPE"] == "mask"
    np.testing.assert_array_equal(found, np.isfinite(stack.unwrapped_phase).sum("pair"))


def test_baselines_of_pairs_are_closed_to_dates(tmp_path):
    network = nearest(8, 3)
    by_date = np.array([0, 40, -25, 60, 10, -70, 33, 5.0])
    given = (by_date[network.secondary] - by_date[network.reference]).astype(np.float32)
    stack = stack_of(network).assign_coords(perpendicular_baseline=("pair", given))
    series = ia.invert(stack, reference=(5, 5))
    np.testing.assert_allclose(read(to_mintpy(series, tmp_path)[0])["bperp"], by_date, atol=1e-4)
    with pytest.warns(StackWarning, match="is not among the dates"):
        part = to_mintpy(series.isel(time=[1, 4, 7]), tmp_path, overwrite=True)
    np.testing.assert_allclose(read(part[0])["bperp"], by_date[[1, 4, 7]], atol=1e-4)
    assert "bperp" not in read(to_mintpy(series.drop_vars("perpendicular_baseline"), tmp_path, overwrite=True)[0])


def test_attributes_of_a_geocoded_series(tmp_path, series):
    path = to_mintpy(series, tmp_path)[0]
    found = attributes(path)
    assert all(isinstance(value, str) for value in found.values())
    expected = {
        "FILE_TYPE": "timeseries", "UNIT": "m", "DATA_TYPE": "float32", "WIDTH": "30", "LENGTH": "20",
        "REF_Y": "5", "REF_X": "5", "REF_LAT": "4099835.0", "REF_LON": "500165.0",
        "X_FIRST": "500000.0", "Y_FIRST": "4100000.0", "X_STEP": "30.0", "Y_STEP": "-30.0",
        "X_UNIT": "meters", "Y_UNIT": "meters", "EPSG": "32613", "UTM_ZONE": "13N",
        "WAVELENGTH": "0.0555", "PROCESSOR": "insarray", "NO_DATA_VALUE": "nan", "insarray.gap": "nan",
        "START_DATE": str(series.time.dt.strftime("%Y%m%d").values[0]),
        "END_DATE": str(series.time.dt.strftime("%Y%m%d").values[-1]),
        "REF_DATE": str(series.time.dt.strftime("%Y%m%d").values[0]),
    }  # fmt: skip
    assert found == expected
    assert GRID.y[5] == 4099835.0


def test_attributes_in_radar_coordinates_name_no_place(tmp_path, series):
    given = {"X_FIRST": "1", "EPSG": "4326", "REF_LAT": "3", "HEADING": "-168", "WIDTH": "7"}
    found = attributes(to_mintpy(without_place(series), tmp_path, attrs=given)[0])
    assert not [name for name in found if name.startswith(("X_", "Y_", "EPSG", "UTM", "REF_L"))]
    assert (found["REF_Y"], found["REF_X"]) == ("5", "5")
    assert (found["HEADING"], found["WIDTH"]) == ("-168", "30")


def test_geographic_coordinates(tmp_path, series):
    names = ("y", "x", "spatial_ref")
    degrees = Grid(20, 30, -99.0, 19.0, 0.001, -0.001, "EPSG:4326")
    place = {name: value for name, value in grid_coords(degrees).items() if name in names}
    found = attributes(to_mintpy(series.drop_vars(names).assign_coords(place), tmp_path)[0])
    assert (found["X_UNIT"], found["EPSG"], float(found["X_FIRST"])) == ("degrees", "4326", pytest.approx(-99))
    assert "UTM_ZONE" not in found


def test_a_crs_without_code_is_refused(tmp_path, series):
    custom = "+proj=tmerc +lat_0=1 +lon_0=2 +k=0.99 +x_0=3 +y_0=4 +ellps=bessel +units=m"
    coords = grid_coords(Grid(20, 30, 0.0, 0.0, 30.0, -30.0, custom))
    moved = series.assign_coords({name: coords[name] for name in ("y", "x", "spatial_ref")})
    with pytest.raises(ArgumentError, match="no EPSG code"):
        to_mintpy(moved, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_attributes_are_carried_over_from_a_file_or_a_mapping(tmp_path, series):
    given = {"HEADING": "-168.0", "PROCESSOR": "isce", "WAVELENGTH": "1", "REF_DATE": "19990101", "looks": 3}
    with h5py.File(tmp_path / "ifgramStack.h5", "w") as file:
        file.attrs.update(given)
    for attrs in (given, tmp_path / "ifgramStack.h5"):
        found = attributes(to_mintpy(series, tmp_path / "out", attrs=attrs, overwrite=True)[0])
        assert (found["HEADING"], found["PROCESSOR"], found["looks"]) == ("-168.0", "isce", "3")
        assert found["WAVELENGTH"] == "0.0555"
        assert found["REF_DATE"] == found["START_DATE"]
    with pytest.raises(FileError, match=r"nothing\.h5"):
        to_mintpy(series, tmp_path / "out", attrs=tmp_path / "nothing.h5", overwrite=True)


def test_another_reference_date_and_an_area(tmp_path, series):
    moved = ia.rereference(series, date=series.time.values[3])
    found = attributes(to_mintpy(moved, tmp_path)[0])
    assert found["REF_DATE"] == str(series.time.dt.strftime("%Y%m%d").values[3])
    attrs = {k: v for k, v in series.attrs.items() if not k.startswith("reference_")}
    area = series.drop_attrs(deep=False).assign_attrs(attrs, reference_area=[4, 7, 4, 7])
    assert "REF_Y" not in attributes(to_mintpy(area, tmp_path, overwrite=True)[0])


def test_zero_drops_pixels_that_lack_a_date(tmp_path, stack):
    """A 0 between other values would be motion; those pixels are empty in all files."""
    gone = stack.unwrapped_phase.copy()
    touching = (stack.reference_time == stack.secondary_time.values[-1]) | (
        stack.secondary_time == stack.secondary_time.values[-1]
    )
    gone = gone.where(~(touching & (gone.x == gone.x[3])))
    series = ia.invert(stack.assign(unwrapped_phase=gone), reference=(5, 5))
    whole = np.isfinite(series.displacement).all("time").values
    assert not whole[:, 3].any()
    assert np.isfinite(series.displacement[1:-1, :, 3]).any()
    paths = to_mintpy(series, tmp_path, nodata="zero")
    (residual,) = to_mintpy(series[["displacement"]].rename(displacement="fit_residual"), tmp_path, nodata="zero")
    found = read(paths[0])["timeseries"]
    np.testing.assert_array_equal(read(residual)["timeseries"], found)
    np.testing.assert_array_equal(found[:, whole], series.displacement.values[:, whole])
    assert (found[:, ~whole] == 0).all()
    assert (read(paths[1])["temporalCoherence"][~whole] == 0).all()
    assert (read(paths[2])["mask"][~whole] == 0).all()
    assert attributes(paths[0])["NO_DATA_VALUE"] == "none"


# -- model ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(series):
    events = {"steps": ("20200301",), "logarithms": (("20200215T101500", 12.5),)}
    return ia.fit(series, degree=2, periods=(1.0,), **events, residuals=True)


def test_velocity_has_the_names_and_units_of_mintpy(tmp_path, model):
    residual, velocity = to_mintpy(model, tmp_path)
    with h5py.File(velocity) as file:
        units = {name: values.attrs["UNIT"] for name, values in file.items()}
    assert units == {
        "intercept": "m", "interceptStd": "m", "velocity": "m/year", "velocityStd": "m/year",
        "acceleration": "m/year^2", "accelerationStd": "m/year^2", "annualAmplitude": "m", "annualPhase": "radian",
        "step20200301": "m", "step20200301Std": "m", "log20200215T101500Tau12.5D": "m",
        "log20200215T101500Tau12.5DStd": "m", "residue": "m",
    }  # fmt: skip
    found = read(velocity)
    for theirs, ours in {
        "velocity": "velocity",
        "accelerationStd": "acceleration_std",
        "step20200301": "step_20200301",
    }.items():
        np.testing.assert_array_equal(found[theirs], model[ours])
    np.testing.assert_allclose(
        found["residue"], np.sqrt((model.fit_residual**2).sum("time")).where(model.degrees_of_freedom > 0, 0), atol=1e-5
    )
    attrs = attributes(velocity)
    first, last = model.attrs["first_time"][:10].replace("-", ""), model.attrs["last_time"][:10].replace("-", "")
    assert (attrs["FILE_TYPE"], attrs["UNIT"], attrs["DATE12"]) == ("velocity", "m/year", f"{first}_{last}")
    np.testing.assert_array_equal(read(residual)["timeseries"], model.fit_residual)
    assert residual.name == "timeseriesResidual.h5"


def test_the_phase_of_a_period_is_that_of_a_sine(tmp_path, model):
    found = read(to_mintpy(model[["annual_amplitude", "annual_phase", "fit_flag"]], tmp_path)[0])
    t = np.linspace(0, 1, 7)[:, None, None]
    ours = model.annual_amplitude.values * np.cos(2 * np.pi * t - model.annual_phase.values)
    theirs = found["annualAmplitude"] * np.sin(2 * np.pi * t + found["annualPhase"])
    scale = np.nanmax(model.annual_amplitude)
    np.testing.assert_allclose(theirs, ours, atol=1e-5 * scale)
    assert np.nanmax(abs(found["annualPhase"])) <= np.pi + 1e-6


def test_other_terms(tmp_path, series):
    changes = ("20200125", "20200218")
    model = ia.fit(series, velocity_changes=changes)
    found = read(to_mintpy(model, tmp_path)[0])
    first = model.velocity + model.velocity_change_20200125
    np.testing.assert_allclose(found["velocityPost20200125"], first, rtol=1e-5)
    np.testing.assert_allclose(found["velocityPost20200218"], first + model.velocity_change_20200218, rtol=1e-5)
    model = ia.fit(series, degree=0, periods=(0.5, 0.3), exponentials=(("20200125", 60.0),))
    names = set(read(to_mintpy(model, tmp_path, overwrite=True)[0]))
    assert names >= {"semiAnnualAmplitude", "period0.3YPhase", "exp20200125Tau60D", "exp20200125Tau60DStd"}
    assert not names & {"velocity", "annualAmplitude"}
    assert "poly3" in read(to_mintpy(ia.fit(series, degree=3), tmp_path, overwrite=True)[0])


def test_height_error_and_geometry(tmp_path, series):
    shape = (("y", "x"), np.full((20, 30), 7.5, np.float32))
    land = (("y", "x"), np.arange(600).reshape(20, 30) % 2 == 0)
    dataset = series[["spatial_ref"]].assign_coords({k: series.coords[k] for k in ("y", "x")})
    dataset = dataset.assign(
        height_error=shape, height=shape, incidence_angle=shape, slant_range=shape, water_mask=land
    )
    dem, geometry = to_mintpy(dataset, tmp_path)
    assert (dem.name, geometry.name) == ("demErr.h5", "geometryGeo.h5")
    assert (read(dem)["dem"] == 7.5).all()
    assert attributes(dem)["FILE_TYPE"] == "dem"
    found = read(geometry)
    assert set(found) == {"height", "incidenceAngle", "slantRangeDistance", "waterMask"}
    assert found["waterMask"].dtype == bool
    np.testing.assert_array_equal(found["waterMask"], land[1])
    assert to_mintpy(without_place(dataset), tmp_path / "radar")[1].name == "geometryRadar.h5"


# -- writing -------------------------------------------------------------------------------------------------------


def test_every_block_is_computed_once_for_all_files(tmp_path, series):
    seen = []

    def counted(block, block_info=None):
        if block_info:
            seen.append(block_info[0]["array-location"][1:])
        return block

    data = da.map_blocks(counted, series.displacement.data, dtype=np.float32)
    lazy = series.assign(displacement=(series.displacement.dims, data))
    lazy = lazy.assign(fit_residual=lazy.displacement * 2)
    paths = to_mintpy(lazy, tmp_path, nodata="zero")
    assert len(seen) == 12  # 3 x 4 blocks of 8 pixels
    assert len({str(place) for place in seen}) == 12
    assert paths[1].name == "timeseriesResidual.h5"


def test_a_large_array_in_memory_is_written_in_parts(tmp_path, series, monkeypatch):
    whole = series.compute()
    monkeypatch.setattr(mintpy_files, "_BLOCK_BYTES", 10_000)
    lengths = []
    windows = mintpy_files._windows
    monkeypatch.setattr(mintpy_files, "_windows", lambda layers: [lengths.append(w) or w for w in windows(layers)])
    path = to_mintpy(whole, tmp_path)[0]
    assert len(lengths) > 1
    np.testing.assert_array_equal(read(path)["timeseries"], whole.displacement)


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path, series):
    (tmp_path / "numInvIfgram.h5").write_text("mine")
    with pytest.raises(StoreError, match=r"numInvIfgram\.h5: exists"):
        to_mintpy(series, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["numInvIfgram.h5"]
    assert (tmp_path / "numInvIfgram.h5").read_text() == "mine"
    to_mintpy(series, tmp_path, overwrite=True)
    assert "mask" in read(tmp_path / "numInvIfgram.h5")


def test_a_failure_leaves_nothing_and_replaces_nothing(tmp_path, series):
    def broken(block):
        raise RuntimeError("no such block")

    data = da.map_blocks(broken, series.temporal_coherence.data, meta=np.empty((0, 0), np.float32))
    lazy = series.assign(temporal_coherence=(("y", "x"), data))
    with pytest.raises(RuntimeError, match="no such block"):
        to_mintpy(lazy, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "timeseries.h5").write_text("mine")
    with pytest.raises(RuntimeError, match="no such block"):
        to_mintpy(lazy, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["timeseries.h5"]
    assert (tmp_path / "timeseries.h5").read_text() == "mine"


def test_a_full_disk_is_one_line(tmp_path, series, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mintpy_files, "_fill", full)
    with pytest.raises(StoreError, match="No space left"):
        to_mintpy(series, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path, series, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        to_mintpy(series, tmp_path / "file" / "out")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("insarray.export.files.tempfile.mkdtemp", refused)
    with pytest.raises(StoreError, match="Permission denied"):
        to_mintpy(series, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_arguments(tmp_path, series, stack):
    with pytest.raises(ArgumentError, match="nodata: 'none' is not one of nan, zero"):
        to_mintpy(series, tmp_path, nodata="none")
    with pytest.raises(ArgumentError, match="nothing that MintPy has files for"):
        to_mintpy(stack, tmp_path)
    times = np.array(["2020-01-01T05:00", "2020-01-01T17:00"], "datetime64[ns]")
    same_day = series.isel(time=[0, 1]).assign_coords(time=times).assign_attrs(reference_date="2020-01-01T05:00:00")
    with pytest.raises(ArgumentError, match="two acquisitions on 20200101"):
        to_mintpy(same_day.drop_vars("perpendicular_baseline", errors="ignore"), tmp_path)
    assert not list(Path(tmp_path).iterdir())


def test_a_stored_result_is_written(tmp_path, series):
    ia.run(series.merge(ia.fit(series)), str(tmp_path / "o.zarr"))
    paths = to_mintpy(xr.open_zarr(tmp_path / "o.zarr"), tmp_path / "out")
    assert {path.name for path in paths} >= {"timeseries.h5", "velocity.h5"}
    np.testing.assert_array_equal(read(paths[0])["timeseries"], series.displacement)
