"""Exported files read back as what was exported, by other programs' readers; nothing half-written stays."""

import json
import threading
import time

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  registers .rio
import xarray as xr

from insarray.export import files
from insarray.export import rasters as export
from insarray.export.rasters import to_cog, to_netcdf
from insarray.model.conventions import SIGN
from insarray.model.dataset import grid_coords, grid_of
from insarray.model.errors import ArgumentError, StackError, StoreError
from insarray.model.grid import Grid
from insarray.products.stacks.averages import temporal_average
from insarray.simulate.stacks import simulate_stack


@pytest.fixture(scope="module")
def simulated():
    stack, truth = simulate_stack(shape=(30, 40), n_dates=4)
    truth["velocity"] = truth.velocity.where(truth.water_mask)
    return stack, truth


@pytest.fixture
def truth(simulated):
    return simulated[1].copy()


@pytest.fixture
def stack(simulated):
    return simulated[0].copy()


# -- GeoTIFF --------------------------------------------------------------------------------------------------------


def test_a_map_reads_back(tmp_path, truth):
    path = to_cog(truth.velocity, tmp_path / "velocity.tif")
    assert path == tmp_path / "velocity.tif"
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), truth.velocity)
        assert np.isnan(file.read(1)).any()
        assert np.isnan(file.nodata)
        assert file.dtypes == ("float32",)
        assert file.crs.to_epsg() == 32614
        assert (file.transform.c, file.transform.f) == (485_000, 2_155_000)  # the outer corner of the upper-left pixel
        assert tuple(file.transform)[:6] == grid_of(truth).affine
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
        assert file.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        assert file.descriptions == ("velocity",)
        assert file.units == ("m/year",)
        assert file.tags()["AREA_OR_POINT"] == "Area"


def test_tags_say_what_it_is(tmp_path, truth):
    velocity = truth.velocity.assign_attrs(note="mine")
    attrs = {
        "looks": 20.0,
        "ok": True,
        "area": [1, 2],
        "reference_time": np.datetime64("2020-01-01"),
        "how": {"a": None},
        "proj:code": "EPSG:32614",
    }
    with rasterio.open(to_cog(velocity, tmp_path / "v.tif", attrs=attrs)) as file:
        tags = file.tags()
    assert tags["units"] == "m/year"
    assert "positive toward the satellite" in tags["long_name"]
    assert tags["sign"] == SIGN
    assert (tags["variable"], tags["note"], tags["looks"], tags["ok"]) == ("velocity", "mine", "20.0", "1")
    assert json.loads(tags["area"]) == [1, 2]
    assert json.loads(tags["how"]) == {"a": None}
    assert tags["proj_code"] == "EPSG:32614"
    assert "proj" not in tags
    assert tags["reference_time"] == "2020-01-01"
    assert "grid_mapping" not in tags
    with rasterio.open(to_cog(truth.coherence[0], tmp_path / "c.tif")) as file:
        assert "sign" not in file.tags()  # coherence has none


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray with affine 3
def test_rioxarray_reads_it_on_the_same_grid(tmp_path, truth):
    path = to_cog(truth.velocity, tmp_path / "velocity.tif")
    with xr.open_dataarray(path, engine="rasterio") as back:
        np.testing.assert_array_equal(back.x, truth.x)
        np.testing.assert_array_equal(back.y, truth.y)
        np.testing.assert_array_equal(back[0], truth.velocity)


def test_a_series_has_a_band_per_date(tmp_path, truth):
    with rasterio.open(to_cog(truth.displacement, tmp_path / "d.tif")) as file:
        assert file.descriptions == ("20190105", "20190117", "20190129", "20190210")
        np.testing.assert_array_equal(file.read(), truth.displacement)
        assert file.units == ("m",) * 4
    with rasterio.open(to_cog(truth.displacement.isel(time=2), tmp_path / "one.tif")) as file:
        assert file.descriptions == ("20190129",)
        np.testing.assert_array_equal(file.read(1), truth.displacement[2])


def test_a_stack_has_a_band_per_pair(tmp_path, stack):
    with rasterio.open(to_cog(stack.unwrapped_phase, tmp_path / "u.tif")) as file:
        assert file.descriptions[:2] == ("20190105_20190117", "20190105_20190129")
        np.testing.assert_array_equal(file.read(), stack.unwrapped_phase)


def test_other_bands_are_numbered(tmp_path, truth):
    with rasterio.open(to_cog(truth.coherence[:2], tmp_path / "c.tif")) as file:
        assert file.descriptions == ("pair 0", "pair 1")


def test_dimensions_in_another_order(tmp_path, truth):
    with rasterio.open(to_cog(truth.displacement.transpose("x", "time", "y"), tmp_path / "d.tif")) as file:
        np.testing.assert_array_equal(file.read(), truth.displacement)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "bool", "float64"])
def test_integers_have_no_nodata(tmp_path, truth, dtype):
    values = truth.velocity.copy(data=np.arange(1200).reshape(30, 40).astype(dtype))
    with rasterio.open(to_cog(values, tmp_path / "v.tif")) as file:
        assert file.dtypes == ("uint8" if dtype == "bool" else dtype,)
        assert np.isnan(file.nodata) if dtype == "float64" else file.nodata is None
        np.testing.assert_array_equal(file.read(1).astype(dtype), values)


def large(dtype):
    grid = Grid(700, 900, 500_000.0, 2_000_000.0, 30.0, -30.0, "EPSG:32614")
    values = np.full((700, 900), 7, dtype)
    values[::2] = 9
    return xr.DataArray(values, grid_coords(grid), ("y", "x"), "layer")


def test_large_images_have_overviews(tmp_path, truth):
    with rasterio.open(to_cog(large("float32"), tmp_path / "f.tif")) as file:
        assert file.overviews(1) == [2]
        assert file.profile["blockxsize"] == 512
        assert file.read(1, out_shape=(350, 450))[100, 100] == 8  # the mean
    with rasterio.open(to_cog(large("uint16"), tmp_path / "i.tif")) as file:
        assert set(np.unique(file.read(1, out_shape=(350, 450)))) <= {7, 9}  # a label must not be averaged
    with rasterio.open(to_cog(truth.velocity, tmp_path / "v.tif")) as file:
        assert file.overviews(1) == []


def test_tiles_of_many_bands_stay_small(tmp_path):
    layers = large("float32").expand_dims(
        time=np.datetime64("2020-01-01", "ns") + np.arange(9) * np.timedelta64(1, "D")
    )
    with rasterio.open(to_cog(layers, tmp_path / "d.tif")) as file:
        assert file.profile["blockxsize"] == 256
        np.testing.assert_array_equal(file.read(9), layers[8])


def test_chunks_are_read_once_and_one_at_a_time(tmp_path, truth):
    reads = []

    def read(block, block_info=None):
        reads.append(block.shape)
        return block

    lazy = da.from_array(truth.displacement.values, chunks=(4, 16, 25)).map_blocks(
        read, dtype="float32", meta=np.empty(0)
    )
    with rasterio.open(to_cog(truth.displacement.copy(data=lazy), tmp_path / "d.tif")) as file:
        np.testing.assert_array_equal(file.read(), truth.displacement)
    assert sorted(reads) == sorted([(4, 16, 25), (4, 14, 25), (4, 16, 15), (4, 14, 15)])


@pytest.mark.parametrize("chunks", [(1, 30, 40), (3, 7, 40), (4, 30, 1)])
def test_windows_cover_everything_once(truth, chunks):
    for layers in (
        truth.displacement.chunk(dict(zip(("time", "y", "x"), chunks, strict=True))),
        truth.displacement.copy(),
    ):
        if layers.chunks is None:
            layers.encoding["preferred_chunks"] = dict(zip(("time", "y", "x"), chunks, strict=True))
        seen = np.zeros(layers.shape, int)
        for window in export._windows(layers):
            assert seen[window].shape <= chunks
            seen[window] += 1
        assert (seen == 1).all()


def test_without_chunks_a_band_at_a_time(truth, monkeypatch):
    assert len(list(export._windows(truth.displacement))) == 4
    monkeypatch.setattr(export, "_WINDOW_BYTES", 10 * 40 * 4)
    assert len(list(export._windows(truth.displacement))) == 12


def test_radar_coordinates_have_no_crs(tmp_path, truth):
    radar = xr.DataArray(truth.velocity.values, grid_coords(Grid(30, 40)), ("y", "x"), "velocity")
    with rasterio.open(to_cog(radar, tmp_path / "v.tif")) as file:
        assert file.crs is None
        assert tuple(file.transform)[:6] == (1, 0, -0.5, 0, 1, -0.5)
        np.testing.assert_array_equal(file.read(1), radar)


@pytest.mark.parametrize("write", [lambda d, p: to_cog(d.velocity, p), to_netcdf], ids=["cog", "netcdf"])
class TestOutput:
    def test_an_existing_file_is_refused(self, write, tmp_path, truth):
        path = tmp_path / "out"
        path.write_text("precious")
        with pytest.raises(StoreError, match=r"out: exists.*overwrite"):
            write(truth, path)
        assert path.read_text() == "precious"

    def test_a_missing_folder_is_named(self, write, tmp_path, truth):
        with pytest.raises(StoreError, match="No such file"):
            write(truth, tmp_path / "nowhere" / "out")

    def test_nothing_is_left_after_a_failure(self, write, tmp_path, truth):
        def fail(block):
            raise KeyError("the disk of the input is gone")

        lazy = da.zeros((30, 40), chunks=(10, 40), dtype="float32")
        lazy = da.concatenate(
            [lazy[:20], lazy[20:].map_blocks(fail, dtype="float32", meta=np.empty((0, 0), "float32"))]
        )
        with pytest.raises(KeyError, match="disk"):
            write(truth.assign(velocity=truth.velocity.copy(data=lazy)), tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_nothing_writes_after_a_failure(self, write, tmp_path, truth):
        """Tasks that run when another one fails have ended before the file they write to is removed."""
        running, ended = threading.Event(), threading.Event()

        def straggle(block):
            running.set()
            time.sleep(0.2)
            ended.set()
            return block

        def fail(block):
            running.wait(30)
            raise KeyError("the disk of the input is gone")

        parts = [
            da.zeros((10, 40), dtype="float32").map_blocks(task, dtype="float32", meta=np.empty((0, 0), "float32"))
            for task in (straggle, fail)
        ]
        lazy = da.concatenate([parts[0], da.zeros((10, 40), dtype="float32"), parts[1]])
        with dask.config.set(num_workers=2), pytest.raises(KeyError, match="disk"):
            write(truth.assign(velocity=truth.velocity.copy(data=lazy)), tmp_path / "out")
        assert ended.is_set()
        assert list(tmp_path.iterdir()) == []

    def test_a_failed_write_is_a_store_error(self, write, tmp_path, truth, monkeypatch):
        monkeypatch.setattr(
            files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(StoreError, match=r"out: not written \(.*No space left"):
            write(truth, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_the_file_is_alone_and_readable_by_others(self, write, tmp_path, truth):
        (tmp_path / "probe").touch()
        mode = (tmp_path / "probe").stat().st_mode
        (tmp_path / "probe").unlink()
        write(truth, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert (tmp_path / "out").stat().st_mode == mode


@pytest.mark.parametrize("write", [lambda d, p, **k: to_cog(d.velocity, p, **k), to_netcdf], ids=["cog", "netcdf"])
def test_overwrite_replaces_files_but_not_folders(write, tmp_path, truth):
    (tmp_path / "out").write_text("old")
    write(truth, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").stat().st_size > 100
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        write(truth, tmp_path / "folder", overwrite=True)


def test_what_is_no_image_is_refused(tmp_path, truth):
    with pytest.raises(ArgumentError, match="dimensions"):
        to_cog(truth.perpendicular_baseline, tmp_path / "a.tif")
    with pytest.raises(ArgumentError, match="dimensions"):
        to_cog(truth.displacement.expand_dims("other"), tmp_path / "a.tif")
    with pytest.raises(ArgumentError, match="complex64"):
        to_cog(truth.velocity.astype("complex64"), tmp_path / "a.tif")
    with pytest.raises(StackError, match="coordinate"):
        to_cog(xr.DataArray(np.zeros((4, 4)), dims=("y", "x")), tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


# -- NetCDF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_a_dataset_reads_back(tmp_path, truth, engine):
    truth["flags"] = truth.water_mask.astype("uint8").assign_attrs(flag_values=[0, 1], flag_meanings="water land")
    path = to_netcdf(truth, tmp_path / "truth.nc")
    with xr.open_dataset(path, decode_coords="all", engine=engine) as back:
        xr.testing.assert_equal(back.load(), truth)
        assert {name: str(v.dtype) for name, v in back.variables.items() if name not in truth.coords} == {
            name: str(v.dtype) for name, v in truth.data_vars.items()
        }
        assert grid_of(back).mismatch(grid_of(truth)) is None
        assert back.rio.crs.to_epsg() == 32614


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_it_is_cf(tmp_path, stack, engine):
    stack["water_mask"] = (("y", "x"), np.ones((30, 40), bool), {"units": "1", "odd": None})
    stack["solver_flag"] = (("y", "x"), np.ones((30, 40), "uint8"), {"flag_values": [0, 1], "checked": True})
    stack.attrs |= {"paired": True, "nothing": None, "flags": [True, False], "options": {"norm": "l2"}}
    path = to_netcdf(stack, tmp_path / "stack.nc")
    with xr.open_dataset(path, decode_cf=False, engine=engine) as raw:
        assert raw.attrs["Conventions"] == "CF-1.9"
        assert raw.attrs["paired"] == 1
        np.testing.assert_array_equal(raw.attrs["flags"], [1, 0])
        assert json.loads(raw.attrs["options"]) == {"norm": "l2"}
        assert "nothing" not in raw.attrs
        assert raw.attrs["wavelength"] == stack.attrs["wavelength"]
        for name in ("unwrapped_phase", "coherence", "connected_component_labels", "incidence_angle", "water_mask"):
            assert raw[name].attrs["grid_mapping"] == "spatial_ref"
            assert "coordinates" not in raw[name].attrs or "spatial_ref" not in raw[name].attrs["coordinates"]
            assert raw[name].encoding["zlib"]
        assert raw.spatial_ref.attrs["grid_mapping_name"] == "transverse_mercator"
        assert raw.unwrapped_phase.dtype == np.float32
        assert np.isnan(raw.unwrapped_phase.attrs["_FillValue"])
        assert raw.unwrapped_phase.attrs["_FillValue"].dtype == np.float32
        assert raw.unwrapped_phase.attrs["units"] == "radian"
        assert raw.connected_component_labels.dtype == np.uint16
        for name in ("connected_component_labels", "solver_flag", "water_mask", "x", "y", "reference_time"):
            assert "_FillValue" not in raw[name].attrs
        assert raw.reference_time.attrs["units"].startswith("seconds since 1970-01-01")
        assert raw.x.attrs["standard_name"] == "projection_x_coordinate"
        assert raw.solver_flag.attrs["flag_values"].dtype == np.uint8
        assert raw.solver_flag.attrs["checked"] == 1
        assert raw.water_mask.attrs["flag_meanings"] == "false true"
    with h5py.File(path) as raw:
        assert raw["water_mask"].dtype == np.int8


def test_gdal_finds_the_place_of_coordinates_that_had_no_names(tmp_path, stack):
    bare = stack.assign_coords({dim: (dim, stack[dim].values) for dim in ("y", "x")}).isel(y=slice(7, None))
    result = temporal_average(bare, layer="coherence")
    name = next(iter(result.data_vars))
    assert "standard_name" not in bare.x.attrs
    with rasterio.open(f"netcdf:{to_netcdf(result, tmp_path / 'a.nc')}:{name}") as file:
        y, x = file.xy(4, 6)[::-1]
        value = file.read(1)[4, 6]
    assert (y, x) == (bare.y.values[4], bare.x.values[6])
    assert value == result[name].values[4, 6]


def test_the_dataset_is_left_as_it_was(tmp_path, truth):
    truth.velocity.encoding = {"compressors": "from zarr", "_FillValue": -1.0, "preferred_chunks": {"y": 10, "x": 40}}
    before = truth.copy(deep=True)
    encoding = dict(truth.velocity.encoding)
    path = to_netcdf(truth, tmp_path / "truth.nc")
    xr.testing.assert_identical(truth, before)
    assert truth.velocity.encoding == encoding
    with xr.open_dataset(path) as back:
        assert back.velocity.encoding["chunksizes"] == (10, 40)
        assert np.isnan(back.velocity.encoding["_FillValue"])


def test_chunks_follow_dask_and_stay_small(tmp_path, truth, monkeypatch):
    chunked = truth[["displacement"]].chunk(y=20, x=40)
    with xr.open_dataset(to_netcdf(chunked, tmp_path / "a.nc")) as back:
        assert back.displacement.encoding["chunksizes"] == (4, 20, 40)
        xr.testing.assert_equal(
            back.displacement.drop_vars("spatial_ref", errors="ignore"), truth.displacement.drop_vars("spatial_ref")
        )
    monkeypatch.setattr(export, "_TILE_BYTES", 2000)
    with xr.open_dataset(to_netcdf(chunked, tmp_path / "b.nc")) as back:
        assert np.prod(back.displacement.encoding["chunksizes"]) <= 500


def test_radar_coordinates_have_no_grid_mapping(tmp_path, truth):
    radar = truth[["velocity"]].drop_vars(["x", "y", "spatial_ref"]).assign_coords(grid_coords(Grid(30, 40)))
    with xr.open_dataset(to_netcdf(radar, tmp_path / "r.nc"), decode_coords="all") as back:
        assert "grid_mapping" not in back.velocity.attrs | back.velocity.encoding
        assert grid_of(back) == Grid(30, 40)
