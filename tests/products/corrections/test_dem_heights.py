"""Heights above geoid or ellipsoid: converted where the files count otherwise, by a grid that PROJ has, never silently."""

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

import insarray as ia
from insarray.io.corrections.source import HYDROSTATIC
from insarray.model.errors import ArgumentError
from insarray.products.corrections import geoid
from tests.io.corrections.delay_files import era5, gacos, hydrostatic, opera
from tests.products.corrections.test_radar_coordinates import mixed, radar
from tests.products.corrections.test_troposphere import (
    COSINE,
    CUBE,
    DAYS,
    FINE_LAT,
    FINE_LON,
    HOW,
    LAT,
    LON,
    TIMES,
    ground,
    heights,
    stack,
)  # fmt: skip

GEOID = -30.0  # m above the ellipsoid


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """A geoid of one height in a data folder of PROJ."""
    folder = tmp_path / "proj"
    folder.mkdir()
    values = np.full((181, 361), GEOID, np.float32)
    options = {"driver": "GTiff", "height": 181, "width": 361, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(
        folder / "us_nga_egm96_15.tif", "w", transform=from_origin(-180.5, 90.5, 1, 1), **options
    ) as file:
        file.write(values, 1)
        file.update_tags(TYPE="VERTICAL_OFFSET_GEOGRAPHIC_TO_VERTICAL")
    monkeypatch.setattr(pyproj.datadir, "get_user_data_dir", lambda: str(folder))
    return folder


@pytest.fixture
def era(tmp_path):
    return era5(tmp_path / "e.nc", LAT, LON, TIMES)


@pytest.fixture
def cubes(tmp_path):
    (tmp_path / "opera").mkdir()
    for time in TIMES:
        opera(tmp_path / "opera", LAT, LON, time, CUBE)
    return tmp_path / "opera"


def delay(files, **how):
    return ia.troposphere(stack(), files, dem=heights(), max_hours=1, **HOW, **how)[HYDROSTATIC]


def test_heights_of_the_kind_of_the_files_are_taken_as_they_are(era, cubes):
    """No geoid is needed then; the result says what they count from."""
    for files, kind in ((era, "geoid"), (cubes, "ellipsoid")):
        found = delay(files, dem_heights=kind)
        np.testing.assert_array_equal(found, delay(files))
        assert found.attrs["heights_above"] == kind


def test_heights_of_the_other_kind_are_converted(era, cubes, grid):
    """Where the geoid lies 30 m below the ellipsoid, heights above it are 30 m more: less air."""
    raised = delay(era, dem_heights="ellipsoid")
    expected = -hydrostatic(heights().values - GEOID) / COSINE
    np.testing.assert_allclose(raised[0], expected, atol=3e-4)
    lowered = delay(cubes, dem_heights="geoid")
    np.testing.assert_allclose(lowered[0], -hydrostatic(heights().values + GEOID) / COSINE, atol=3e-4)
    assert 0.006 < float(raised[0, 0, 0] - delay(era)[0, 0, 0]) < 0.012
    assert raised.attrs["heights_above"] == "geoid (heights of the DEM converted by us_nga_egm96_15.tif)"


def test_in_radar_coordinates(era, grid):
    up = heights().values.astype(np.float32)
    how = {"dem_heights": "ellipsoid", **HOW}
    found = ia.troposphere(radar(up=up), era, **how)[HYDROSTATIC]
    np.testing.assert_allclose(found, mixed(delay(era, dem_heights="ellipsoid")), atol=3e-6)


def test_a_geoid_that_differs_from_place_to_place(grid):
    """Sign and place of a grid, read back."""
    with rasterio.open(grid / "us_nga_egm96_15.tif", "r+") as file:
        lon = np.arange(-180, 181)
        file.write((np.zeros((181, 1)) + 0.1 * lon).astype(np.float32), 1)
    name, found = geoid.geoid_heights(np.array([10.0, -20.0]), np.array([30.25, 200.0]))
    assert name == "us_nga_egm96_15.tif"
    np.testing.assert_allclose(found, [3.025, -16.0], atol=1e-4)


def test_refusals(era, tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="dem_heights: 'sea' is not one of geoid, ellipsoid"):
        delay(era, dem_heights="sea")
    monkeypatch.setattr(geoid, "GRIDS", ("no_such_geoid.tif",))
    with pytest.raises(ArgumentError, match=r"PROJ has no geoid \(no_such_geoid.tif\); fetch one with 'pyproj sync"):
        delay(era, dem_heights="ellipsoid")
    for day in DAYS:
        gacos(tmp_path, day, FINE_LAT, FINE_LON, ground(day))
    with pytest.raises(ArgumentError, match="dem_heights: the files are of the ground"):
        ia.troposphere(stack(), tmp_path / "*.ztd", dem_heights="geoid", **HOW)
