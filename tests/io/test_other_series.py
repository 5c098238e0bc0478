"""Series of other programs, opened with `ia.open`: their values, place and reference, and what comes after."""

import h5py
import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

import insarray as ia
from insarray.model.errors import FileError, StackWarning
from tests.io.stack_files import write_raster

DATES = ("20180106", "20180118", "20180130", "20180211")
YEARS = np.array([0, 12, 24, 36]) / 365.25
RATE = np.linspace(-0.05, 0.05, 600).reshape(20, 30)
SERIES = (YEARS[:, None, None] * RATE).astype(np.float32)  # metres, toward the satellite


def write_licsbas(path, **changes):
    """As LiCSBAS13_sb_inv.py writes it: mm, positive toward; the corner is the centre of the first pixel."""
    content = {
        "imdates": np.array([int(date) for date in DATES], np.int32),
        "bperp": np.array([0.0, 50.0, -20.0, 10.0]),
        "cum": SERIES * 1000,
        "vel": RATE * 1000,
        "gap": np.zeros((3, 20, 30), np.int8),
        "corner_lat": 45.0,
        "corner_lon": 10.0,
        "post_lat": -0.001,
        "post_lon": 0.001,
        "refarea": "7:8/12:13",
    } | changes
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if value is not None:
                file[name] = value
    return path


@pytest.mark.parametrize("name", ["cum.h5", "cum_filt.h5"])
def test_licsbas_is_opened_with_its_sign_unit_place_and_reference(tmp_path, name):
    series = ia.open(write_licsbas(tmp_path / name))
    np.testing.assert_allclose(series.displacement, SERIES, atol=1e-8)
    assert series.displacement.chunks is not None
    assert [str(time)[:10].replace("-", "") for time in series.time.values] == list(DATES)
    assert (float(series.x[0]), float(series.y[0])) == pytest.approx((10.0, 45.0))
    assert series.rio.crs.to_epsg() == 4326
    np.testing.assert_array_equal(series.perpendicular_baseline, [0, 50, -20, 10])
    assert {k: series.attrs[k] for k in ("reference_row", "reference_col", "product")} == {
        "reference_row": 12, "reference_col": 7, "product": "licsbas",
    }  # fmt: skip
    assert series.attrs["reference_date"].startswith("2018-01-06")


def test_what_comes_after_the_inversion_takes_it(tmp_path):
    series = ia.open(write_licsbas(tmp_path / "cum.h5"))
    model = ia.fit(series)
    np.testing.assert_allclose(model.velocity, RATE, atol=1e-5)
    moved = ia.rereference(series, reference=(3, 4))
    np.testing.assert_allclose(moved.displacement, SERIES - SERIES[:, 3:4, 4:5], atol=1e-7)
    assert np.isfinite(ia.deramp(series).displacement.values).all()


def test_a_larger_reference_and_radar_coordinates(tmp_path):
    path = write_licsbas(tmp_path / "cum.h5", refarea="5:9/10:12", corner_lat=None, bperp=None)
    series = ia.open(path)
    assert series.attrs["reference_area"] == [10, 12, 5, 9]
    assert "perpendicular_baseline" not in series.coords
    assert float(series.x[0]) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imdates": np.array([20180106, 20180118], np.int32)}, "cum and imdates are not"),
        ({"imdates": np.array([20180106, 20180118, 20180118, 20180211], np.int32)}, "its dates do not rise"),
        ({"imdates": np.array([20180106, 20181318, 20180130, 20180211], np.int32)}, "'20181318' is not a date"),
        ({"refarea": "7:8/12:90"}, "its refarea '7:8/12:90' is not"),
    ],
)
def test_damaged_files_of_licsbas_are_named(tmp_path, changes, words):
    with pytest.raises(FileError, match=rf"cum.h5: .*{words}"):
        ia.open(write_licsbas(tmp_path / "cum.h5", **changes))


def write_dolphin(folder, units="meters", **options):
    """As dolphin's timeseries/: one file for each date but the first, a velocity beside them."""
    for date, plane in zip(DATES[1:], SERIES[1:], strict=True):
        relative = plane - plane[12, 7]
        tags = {"reference_point": '["12", "7"]'}
        write_raster(folder / f"{DATES[0]}_{date}.tif", relative, units=units, tags=tags, nodata=np.nan, **options)
    write_raster(folder / "velocity.tif", RATE.astype(np.float32), units="meters / year")
    return folder


def test_the_folder_of_dolphin_is_a_series(tmp_path):
    series = ia.open(write_dolphin(tmp_path / "timeseries"))
    np.testing.assert_allclose(series.displacement, SERIES - SERIES[:, 12:13, 7:8], atol=1e-8)
    assert not series.displacement.values[0].any()
    assert (series.attrs["reference_row"], series.attrs["reference_col"]) == (12, 7)
    np.testing.assert_allclose(ia.fit(series).velocity, RATE - RATE[12, 7], atol=1e-5)


def test_dates_without_data_stay_without(tmp_path):
    folder = write_dolphin(tmp_path / "timeseries")
    plane = SERIES[2] - SERIES[2, 12, 7]
    plane[3:5] = np.nan
    write_raster(folder / f"{DATES[0]}_{DATES[2]}.tif", plane, units="meters")
    values = ia.open(folder).displacement.values
    assert np.isnan(values[2, 3:5]).all()
    assert np.isfinite(values[[0, 1, 3]]).all()


def test_radians_of_dolphin_are_refused_and_the_remedy_works(tmp_path):
    folder = write_dolphin(tmp_path / "timeseries", units="radians")
    with pytest.raises(
        FileError, match=r"is in radians, a series is in metres; open the folder with open_stack\('.*/\*.tif'"
    ):
        ia.open(folder)
    (folder / "velocity.tif").unlink()
    with pytest.warns(StackWarning, match="the product is referenced to row 12, column 7"):
        stack = ia.open_stack(f"{folder}/*.tif", sign="toward", units="radian", wavelength=0.0555)
    series = ia.invert(stack)
    np.testing.assert_allclose(series.displacement, (SERIES - SERIES[:, 12:13, 7:8]) * 0.0555 / (4 * np.pi), atol=1e-8)


def test_pairs_of_several_references_are_no_series(tmp_path):
    folder = write_dolphin(tmp_path / "timeseries")
    (folder / f"{DATES[0]}_{DATES[3]}.tif").rename(folder / f"{DATES[1]}_{DATES[3]}.tif")
    with pytest.raises(FileError, match="is not an insarray store"):
        ia.open(folder)


def write_opera_utils(path):
    """As opera_utils.disp reformats DISP-S1 (src/opera_utils/disp/_reformat.py): since the first reference time, which is not a date."""
    shape, dates = SERIES.shape[1:], np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in DATES], "datetime64[ns]")
    planes = ("time", "y", "x"), np.ones((3, *shape), np.uint8)
    mapping = CRS.from_epsg(32614).to_cf() | {"GeoTransform": "600000.0 30.0 0.0 2150000.0 0.0 -30.0"}
    cube = xr.Dataset(
        {
            "displacement": (("time", "y", "x"), SERIES[1:], {"units": "meters", "grid_mapping": "spatial_ref"}),
            "recommended_mask": planes,
            "connected_component_labels": planes,
            "temporal_coherence": (planes[0], np.full((3, *shape), 0.8, np.float32)),
            "average_temporal_coherence": (("y", "x"), np.full(shape, 0.8, np.float32)),
            "water_mask": (("y", "x"), np.ones(shape, np.uint8)),
            "reference_time": ("time", dates[[0, 0, 2]]),
            "spatial_ref": ((), 0, mapping),
        },
        {"time": dates[1:], "y": 2_149_985 - 30.0 * np.arange(20), "x": 600_015 + 30.0 * np.arange(30)},
    )
    if path.suffix == ".zarr":
        cube.chunk({"time": 2, "y": 8, "x": 8}).to_zarr(path, consolidated=False)
    else:
        cube.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("name", ["disp.nc", "disp.zarr"])
def test_cubes_of_opera_utils_are_series(tmp_path, name):
    series = ia.open(write_opera_utils(tmp_path / name))
    np.testing.assert_allclose(series.displacement, SERIES[1:])
    assert series.displacement.chunks is not None
    assert series.attrs["reference_date"].startswith("2018-01-06")
    assert series.rio.crs.to_epsg() == 32614
    np.testing.assert_allclose(ia.fit(series).velocity, RATE, atol=1e-5)
    moved = ia.rereference(series, reference=(3, 4))
    np.testing.assert_allclose(moved.displacement, SERIES[1:] - SERIES[1:, 3:4, 4:5], atol=1e-7)
    assert moved.attrs["reference_date"].startswith("2018-01-06")


def with_virtual(path, name):
    """Replace a dataset by regions of other files, as opera-utils does in NetCDF (src/opera_utils/disp/_netcdf.py)."""
    with h5py.File(path, "a") as file:
        shape = file[name].shape
        del file[name]
        layout = h5py.VirtualLayout(shape, np.float32)
        for k in range(shape[0]):
            layout[k] = h5py.VirtualSource(f"{path.parent}/other{k}.nc", name, shape[1:])
        file.create_virtual_dataset(name, layout, fillvalue=np.nan)
        for k, dim in enumerate(("time", "y", "x")):
            file[name].dims[k].attach_scale(file[dim])
    return path


def test_what_a_cube_takes_from_other_files_is_left_out_and_named(tmp_path):
    path = with_virtual(write_opera_utils(tmp_path / "disp.nc"), "recommended_mask")
    (tmp_path / "other0.nc").write_bytes(b"would fail if it was opened")
    with pytest.warns(StackWarning, match="left out, as their values are in other files: recommended_mask; copy"):
        series = ia.open(path)
    np.testing.assert_allclose(series.displacement, SERIES[1:])
    assert "recommended_mask" not in series
    assert "temporal_coherence" in series
    assert series.attrs["notes"][0].startswith("left out")


def test_copied_into_the_cube_they_are_opened(tmp_path):
    path = with_virtual(write_opera_utils(tmp_path / "disp.nc"), "recommended_mask")
    with h5py.File(path, "a") as file:  # what the message says
        scales = [file[dim] for dim in ("time", "y", "x")]
        del file["recommended_mask"]
        copy = file.create_dataset("recommended_mask", data=np.ones((3, 20, 30), np.uint8))
        for k, scale in enumerate(scales):
            copy.dims[k].attach_scale(scale)
    assert ia.open(path).recommended_mask.sum() == 1800


def test_a_series_that_is_in_other_files_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"disp.nc: displacement is a link or keeps its values elsewhere; copy"):
        ia.open(with_virtual(write_opera_utils(tmp_path / "disp.nc"), "displacement"))


def test_cubes_that_refer_to_other_files_in_other_ways_are_refused(tmp_path):
    path = write_opera_utils(tmp_path / "disp.nc")
    with h5py.File(path, "a") as file:
        del file["recommended_mask"]
        file["recommended_mask"] = h5py.ExternalLink("other.nc", "recommended_mask")
    with pytest.raises(
        FileError, match=r"recommended_mask is a link or keeps its values elsewhere; copy them into the file"
    ):
        ia.open(path)
    with h5py.File(path, "a") as file:
        del file["recommended_mask"]
        layout = h5py.VirtualLayout((3, 20, 30), np.uint8, maxshape=(None, 20, 30))
        source = h5py.VirtualSource("other.nc", "recommended_mask", (3, 20, 30), maxshape=(None, 20, 30))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]  # its size depends on the other file
        file.create_virtual_dataset("recommended_mask", layout)
    with pytest.raises(FileError, match=r"recommended_mask is a link or keeps its values elsewhere"):
        ia.open(path)
