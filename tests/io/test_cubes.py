"""Cubes at heights: against SciPy's interpolator, at the edges, and what the DEM must be."""

import h5py
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from scipy.interpolate import RegularGridInterpolator

from insarray.io.layers.cubes import Cube, as_stored, dem_path, geometry_maps, trilinear
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from tests.io.stack_files import write_raster

LEVELS = np.array([-500.0, 0.0, 400.0, 3000.0])
CUBE = np.random.default_rng(1).normal(size=(4, 5, 6))
GRID = Grid(20, 30, 600_000.0, 2_150_000.0, 30.0, -30.0, CRS.from_epsg(32614).to_wkt())


def test_it_is_scipys():
    rng = np.random.default_rng(2)
    row, col = np.sort(rng.uniform(0, 4, 7)), np.sort(rng.uniform(0, 5, 9))
    height = rng.uniform(-500, 3000, (7, 9))
    points = np.stack([height, *np.broadcast_arrays(row[:, None], col)], -1)
    expected = RegularGridInterpolator((LEVELS, np.arange(5), np.arange(6)), CUBE)(points)
    np.testing.assert_allclose(trilinear(CUBE, LEVELS, row, col, height), expected, rtol=0, atol=1e-13)


def test_nodes_themselves_and_the_last_ones_too():
    for level, height in enumerate(LEVELS):
        found = trilinear(CUBE, LEVELS, np.arange(5.0), np.arange(6.0), np.full((5, 6), height))
        np.testing.assert_allclose(found, CUBE[level], atol=1e-13)


@pytest.mark.parametrize(
    ("row", "col", "height"),
    [(-0.1, 1, 0), (4.1, 1, 0), (1, -0.1, 0), (1, 5.1, 0), (1, 1, -501), (1, 1, 3001), (1, 1, np.nan)],
)
def test_outside_is_no_data(row, col, height):
    assert np.isnan(trilinear(CUBE, LEVELS, np.array([row]), np.array([col]), np.array([[height]])))


def cube(tmp_path, cols=3):
    """Of two levels, nodes 600 m apart, from 30 m outside of the grid."""
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["c"] = np.ones((2, 4, cols))
    nodes = Grid(4, cols, GRID.left - 330.0, GRID.top + 330.0, 600.0, -600.0, GRID.crs)
    return Cube(str(tmp_path / "c.h5"), ("c",), (-500.0, 3000.0), nodes, (), as_stored)


def dem(path, values, **options):
    return write_raster(path, np.asarray(values, np.float32), **options)


def test_a_dem_has_to_have_heights_on_the_stack(tmp_path):
    where = {"transform": Affine(30.0, 0, 700_000.0, 0, -30.0, 2_150_000.0)}
    elsewhere = dem(tmp_path / "dem.tif", np.ones((20, 30)), **where)
    with pytest.raises(StackError, match=r"dem.tif: has no height between -500 and 3000 m within the stack"):
        geometry_maps({"slant_range": cube(tmp_path)}, GRID, elsewhere)


def test_a_dem_of_half_the_stack_says_so(tmp_path):
    half = dem(tmp_path / "dem.tif", np.ones((10, 30)))
    _, notes = geometry_maps({"slant_range": cube(tmp_path)}, GRID, half)
    assert notes == ("geometry is known in 50 % of the stack, where dem.tif and the cubes have values",)


def test_a_cube_of_part_of_the_stack_says_so(tmp_path):
    whole = dem(tmp_path / "dem.tif", np.ones((20, 30)))
    _, notes = geometry_maps({"slant_range": cube(tmp_path)}, GRID, whole)
    assert notes == ()
    _, notes = geometry_maps({"slant_range": cube(tmp_path, cols=2)}, GRID, whole)
    assert notes == ("geometry is known in 63 % of the stack, where dem.tif and the cubes have values",)


def test_a_dem_without_crs_is_refused(tmp_path):
    nowhere = dem(tmp_path / "dem.tif", np.ones((20, 30)), crs=None)
    with pytest.raises(FileError, match=r"dem.tif: has no CRS"):
        geometry_maps({"slant_range": cube(tmp_path)}, GRID, nowhere)


def test_several_dems_are_refused(tmp_path):
    for name in ("a.tif", "b.tif"):
        dem(tmp_path / name, np.ones((20, 30)))
    with pytest.raises(ArgumentError, match=r"dem: .* matches 2 files"):
        dem_path(str(tmp_path / "*.tif"))
