"""Pixels are where the files say: centres, corners, point or area, any direction of the axes."""

from pathlib import Path

import numpy as np
import pytest
import rioxarray
from affine import Affine

from insarray.io.open import open_stack
from insarray.model.dataset import grid_of
from tests.io.stack_files import PAIRS, Truth, write_raster

NORTH_UP = Affine(30.0, 0.0, 600_015.0, 0.0, -40.0, 2_150_000.0)
SOUTH_UP = Affine(0.001, 0.0, -99.0, 0.0, 0.002, 19.0)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray's use of affine 3
@pytest.mark.parametrize(("crs", "transform"), [("EPSG:32614", NORTH_UP), ("EPSG:4326", SOUTH_UP)])
@pytest.mark.parametrize("area_or_point", ["Area", "Point"])
def test_same_place_as_rioxarray(tmp_path: Path, truth: Truth, crs: str, transform: Affine, area_or_point: str) -> None:
    tags = {"AREA_OR_POINT": area_or_point}
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k], crs=crs, transform=transform, tags=tags)
    stack = open_stack(f"{tmp_path}/*.tif", block=7)
    with rioxarray.open_rasterio(tmp_path / f"{PAIRS[0]}.tif") as expected:
        assert expected.attrs["AREA_OR_POINT"] == area_or_point
        np.testing.assert_allclose(stack.x, expected.x, rtol=1e-13)
        np.testing.assert_allclose(stack.y, expected.y, rtol=1e-13)
        np.testing.assert_array_equal(stack.unwrapped_phase[0], expected[0])
        assert stack.rio.crs == expected.rio.crs
        np.testing.assert_allclose(stack.rio.transform()[:6], expected.rio.transform()[:6], rtol=1e-9, atol=1e-12)
    grid = grid_of(stack)
    assert grid.left == pytest.approx(transform.c)
    assert grid.top == pytest.approx(transform.f)


def test_without_crs_the_place_is_kept(tmp_path: Path, truth: Truth) -> None:
    """A crop of radar coordinates has an origin and no CRS."""
    transform = Affine(2.0, 0.0, 100.0, 0.0, 1.0, 50.0)
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k], crs="", transform=transform)
    stack = open_stack(f"{tmp_path}/*.tif")
    assert stack.x.values[:2].tolist() == [101, 103]
    assert stack.y.values[:2].tolist() == [50.5, 51.5]
    assert "spatial_ref" not in stack.coords
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
