"""rioxarray works on stacks, lazy results and opened stores: where pixels are, no-data, clip, reprojection, files."""

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from tests.networks import nearest
from tests.stacks import GRID, stack_of


def stack():
    return stack_of(nearest(6, 2))


def series():
    return ia.invert(stack(), reference=(5, 5))


def stored(folder):
    ia.run(series(), str(folder / "o.zarr"))
    return ia.open(folder / "o.zarr")


@pytest.mark.parametrize("kind", ["stack", "series", "store", "file"])
def test_crs_nodata_and_transform_outlive_what_xarray_does(kind, tmp_path):
    if kind == "file":
        data = ia.open(ia.to_netcdf(series(), tmp_path / "o.nc"))
    else:
        data = {"stack": stack, "series": series, "store": lambda: stored(tmp_path)}[kind]()
    name = "unwrapped_phase" if kind == "stack" else "displacement"
    assert data.rio.crs.to_epsg() == data[name].rio.crs.to_epsg() == 32613
    if kind != "stack":  # made by hand here, without its no-data
        assert np.isnan(data[name].rio.nodata)
    assert tuple(data.rio.transform())[:6] == GRID.affine
    for changed, expected in (
        (data.isel(y=slice(3, 9), x=slice(4, None)), (30.0, 0, 500_120.0, 0, -30.0, 4_099_910.0)),
        (data.isel(y=slice(None, None, 2), x=slice(None, None, 3)), (90.0, 0, 499_970.0, 0, -60.0, 4_100_015.0)),
        (data.sortby("y"), (30.0, 0, 500_000.0, 0, 30.0, 4_099_400.0)),
        (data[[name]].coarsen(y=2, x=2).mean(), (60.0, 0, 500_000.0, 0, -60.0, 4_100_000.0)),
    ):
        assert tuple(changed.rio.transform())[:6] == expected
        assert tuple(changed[name].rio.transform())[:6] == expected


def test_a_single_row_still_knows_its_pixels():
    row = ia.fit(series()).isel(y=[7])
    assert GRID.window(7, 0, 1, 30).mismatch(row.insar.grid) is None
    assert tuple(ia.fit(series().isel(y=[7])).rio.transform())[:6] == (30.0, 0, 500_000.0, 0, -30.0, 4_099_790.0)


def test_to_raster_says_where_and_what_is_no_data(tmp_path):
    part = series().isel(y=slice(4, 12), x=slice(None, None, 2))
    part.temporal_coherence.rio.to_raster(tmp_path / "a.tif")
    part.solver_flag.rio.to_raster(tmp_path / "b.tif")
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.isnan(file.nodata)
        assert file.crs.to_epsg() == 32613
        assert tuple(file.transform)[:6] == (60.0, 0.0, 499_985.0, 0.0, -30.0, 4_099_880.0)
        np.testing.assert_array_equal(file.read(1), part.temporal_coherence)
    with rasterio.open(tmp_path / "b.tif") as file:
        assert file.nodata is None
        assert file.dtypes == ("uint8",)


def test_netcdf_without_geotransform_lies_at_the_right_place_in_gdal(tmp_path):
    ia.to_netcdf(ia.fit(series()), tmp_path / "o.nc")
    with rasterio.open(f"netcdf:{tmp_path / 'o.nc'}:velocity") as file:
        assert tuple(file.transform)[:6] == GRID.affine
        assert file.crs.to_epsg() == 32613


def test_clip_stays_lazy_and_commutes():
    left, low, right, top = 500_100, 4_099_500, 500_500, 4_099_900
    ring = [(left, low), (right, low), (right, top), (left, low)]  # a triangle: pixels of its box lie outside of it
    area = [{"type": "Polygon", "coordinates": [ring]}]
    floats = stack()[["unwrapped_phase", "coherence"]]  # rioxarray casts NaN where it clips whole numbers
    clipped = floats.rio.clip(area)
    assert clipped.unwrapped_phase.chunks is not None
    one, other = ia.invert(clipped, reference=None), ia.invert(floats, reference=None).displacement.rio.clip(area)
    np.testing.assert_array_equal(one.displacement, other)
    assert np.isnan(other).any(axis=0).sum() > 20


def test_reprojection_commutes_and_labels_outside_are_none():
    before = stack().compute().rio.reproject("EPSG:32614")
    assert before.connected_component_labels.max() == 65535  # what rioxarray fills whole numbers with
    one = ia.invert(ia.mask(before, mask_components=True), reference=None).compute()
    other = ia.invert(ia.mask(stack(), mask_components=True), reference=None).compute().rio.reproject("EPSG:32614")
    np.testing.assert_array_equal(one.displacement, other.displacement)
    assert ia.component_counts(before).nonzero_component_count.max() <= 4
    assert ia.mask(before).connected_component_labels.max() == 1
    assert "_FillValue" not in ia.mask(before).connected_component_labels.attrs


@pytest.mark.parametrize("place", [(5, 5), ia.area(4, 8, 3, 9)])
def test_the_reference_is_where_it_was_after_a_reprojection(place):
    made = ia.invert(stack(), reference=place)
    x, y = made.insar.reference_position
    lon, lat = made.insar.grid.lonlat_at(x, y)
    there = made.compute().rio.reproject("EPSG:4326")
    np.testing.assert_allclose(there.insar.reference_position, (lon, lat), atol=1e-9)
    again = ia.fit(there)
    assert (again.attrs["reference_lon"], again.attrs["reference_lat"]) == pytest.approx((lon, lat))
    assert "reference_bounds" not in again.attrs or again.attrs["reference_bounds"] != made.attrs.get(
        "reference_bounds"
    )


def test_reproject_match_and_clip_box_of_an_opened_store(tmp_path):
    found = stored(tmp_path)
    part = found.rio.clip_box(500_100, 4_099_500, 500_500, 4_099_900)
    assert part.displacement.chunks is not None
    np.testing.assert_array_equal(found.compute().rio.reproject_match(part).displacement, part.displacement)


def test_xarray_opens_stores_and_stacks_by_the_engine(tmp_path):
    from insarray.backend import InsarrayBackend

    ia.run(series(), str(tmp_path / "o.zarr"))
    found = xr.open_dataset(tmp_path / "o.zarr", engine=InsarrayBackend, chunks={})
    assert found.displacement.chunksizes["time"] == (6,)
    np.testing.assert_array_equal(ia.fit(found).velocity, ia.fit(series()).velocity)
    ia.to_netcdf(stack(), tmp_path / "s.nc")
    opened = xr.open_dataset(
        tmp_path / "s.nc", engine=InsarrayBackend, chunks={}, wavelength=0.031, drop_variables="coherence"
    )
    assert opened.attrs["wavelength"] == 0.031
    assert "coherence" not in opened
    np.testing.assert_array_equal(opened.unwrapped_phase, stack().unwrapped_phase)
    assert opened.unwrapped_phase.chunksizes["pair"] == (opened.sizes["pair"],)
    guess = InsarrayBackend().guess_can_open
    assert guess(tmp_path / "o.zarr")
    assert not guess(tmp_path / "s.nc")
    assert not guess("s3://bucket/o.zarr")
    assert not guess(b"abc")
