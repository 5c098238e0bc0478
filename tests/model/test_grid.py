"""Grid: pixel centres, positions, comparison; and its way through xarray."""

import numpy as np
import pytest
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr

from insarray.model.dataset import geozarr_attributes, grid_coords, grid_of
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid

UTM = Grid(4, 6, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")


def test_pixel_is_area_and_the_origin_its_upper_left_corner():
    assert UTM.x[0] == 500_015.0
    assert UTM.y[0] == 4_099_985.0
    assert UTM.y[-1] == 4_099_895.0
    assert UTM.bounds == (500_000.0, 4_099_880.0, 500_180.0, 4_100_000.0)
    assert UTM.affine == (30.0, 0.0, 500_000.0, 0.0, -30.0, 4_100_000.0)


def test_radar_coordinates_are_row_and_column_numbers():
    grid = Grid(3, 5)
    np.testing.assert_array_equal(grid.x, np.arange(5))
    np.testing.assert_array_equal(grid.y, np.arange(3))
    assert grid.lonlat(1, 1) is None
    with pytest.raises(ArgumentError, match="radar coordinates"):
        grid.index(0.0, 0.0)


@pytest.mark.parametrize(("row", "col"), [(0, 0), (3, 5), (2, 1)])
def test_index_inverts_lonlat(row, col):
    assert UTM.index(*UTM.lonlat(row, col)) == (row, col)


def test_positions_outside_are_refused():
    with pytest.raises(ArgumentError, match="outside 4 x 6"):
        UTM.index(-105.2, 37.0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Grid(4, 7, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613"), "4 x 7 pixels"),
        (Grid(4, 6, 500_030.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613"), "origin"),
        (Grid(4, 6, 500_000.0, 4_100_000.0, 31.0, -30.0, "EPSG:32613"), "pixel"),
        (Grid(4, 6, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32614"), "CRS EPSG:32614 instead of EPSG:32613"),
        (Grid(4, 6), "radar"),
    ],
)
def test_mismatch_says_what_differs(other, message):
    assert message in (UTM.mismatch(other) or "")
    with pytest.raises(StackError, match=r"b\.tif.*a\.tif"):
        UTM.require_same(other, "b.tif", "a.tif")


def test_rounding_is_no_mismatch():
    from pyproj import CRS

    shifted = Grid(4, 6, 500_000.01, 4_100_000.0, 30.0, -30.0, CRS.from_epsg(32613).to_wkt())
    assert UTM.mismatch(shifted) is None


@pytest.mark.parametrize("bad", [{"height": 0}, {"dx": 0.0}, {"left": np.nan}])
def test_impossible_grids_are_refused(bad):
    with pytest.raises(ArgumentError, match="grid"):
        Grid(**{"height": 2, "width": 2, **bad})


@pytest.mark.parametrize("grid", [UTM, Grid(4, 6), Grid(1, 1, 10.0, 20.0, 0.5, -0.5, "EPSG:4326")])
def test_survives_the_way_through_xarray(grid):
    dataset = xr.Dataset({"v": (("y", "x"), np.zeros(grid.shape))}, grid_coords(grid))
    assert grid.mismatch(grid_of(dataset)) is None
    assert dataset.insar.grid == grid_of(dataset)


def test_rioxarray_and_viewers_understand():
    dataset = xr.Dataset({"v": (("y", "x"), np.zeros(UTM.shape), {"grid_mapping": "spatial_ref"})}, grid_coords(UTM))
    assert dataset.rio.crs.to_epsg() == 32613
    assert tuple(dataset.v.rio.transform())[:6] == UTM.affine
    attrs = geozarr_attributes(UTM)
    assert attrs["proj:code"] == "EPSG:32613"
    assert attrs["spatial:transform"] == [30.0, 0.0, 500_000.0, 0.0, -30.0, 4_100_000.0]
    assert attrs["spatial:bbox"] == [500_000.0, 4_099_880.0, 500_180.0, 4_100_000.0]


def test_uneven_coordinates_are_refused():
    dataset = xr.Dataset({"v": (("y", "x"), np.zeros((3, 3)))}, {"y": [0, 1, 3], "x": [0, 1, 2]})
    with pytest.raises(StackError, match="evenly"):
        grid_of(dataset)
    with pytest.raises(StackError, match="'y'"):
        grid_of(xr.Dataset())
