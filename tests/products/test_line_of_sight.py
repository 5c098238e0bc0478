"""`line_of_sight`: every convention by a satellite at a place, on the pixels of data; a flipped sign or azimuth is seen."""

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine

import insarray as ia
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError
from tests.components import GRIDS, lazily, track

GRID = GRIDS["ascending"]
NAMES = ("los_east", "los_north", "los_up")


def satellite(heading, looks="right", distance=850_000.0, incidence=38.0):
    """Vector to a satellite that flies in a direction: the ground is `looks` of its flight, the satellite is high."""
    flight = np.array([np.sin(np.radians(heading)), np.cos(np.radians(heading)), 0.0])
    right = np.array([flight[1], -flight[0], 0.0])
    to_ground = right if looks == "right" else -right
    place = -to_ground * distance * np.sin(np.radians(incidence))
    place[2] = distance * np.cos(np.radians(incidence))
    return place / np.linalg.norm(place)


ASCENDING = satellite(-12.0)


def like(lazy=False):
    data = track("ascending").drop_vars(NAMES)
    return lazily(data) if lazy else data


def write(path, bands, grid=GRID, nodata=0.0):
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), dtype="float32", height=grid.height, width=grid.width, crs=grid.crs,
        transform=Affine(*grid.affine), nodata=nodata,
    ) as file:  # fmt: skip
        for k, band in enumerate(bands, 1):
            file.write(np.full(grid.shape, band, "f4"), k)
    return path


def found_in(result):
    return np.array([float(result[name][70, 80]) for name in NAMES])


def test_the_satellite_is_where_it_is():
    assert ASCENDING[0] < -0.5  # flying north and looking right, the satellite is in the west
    assert ASCENDING[1] < 0  # and, as it flies a little to the west, in the south
    assert satellite(-168.0)[0] > 0.5


@pytest.mark.parametrize(("heading", "looks"), [(-12.0, "right"), (-168.0, "right"), (-12.0, "left"), (348.0, "right")])
def test_a_heading(heading, looks):
    result = ia.line_of_sight(like(), incidence_angle=38.0, heading=heading, looks=looks)
    np.testing.assert_allclose(found_in(result), satellite(heading, looks), atol=1e-6)


@pytest.mark.parametrize("down", [False, True])
def test_bands_of_a_raster_and_three_rasters(tmp_path, down):
    vector = -ASCENDING if down else ASCENDING
    one = write(tmp_path / "enu.tif", vector)
    three = [write(tmp_path / f"{n}.tif", [v]) for n, v in zip("ENU", vector, strict=True)]
    for source in (one, three, dict(zip(NAMES, three, strict=True))):
        np.testing.assert_allclose(found_in(ia.line_of_sight(like(), source)), ASCENDING, atol=1e-6)
    swapped = ia.line_of_sight(like(), [three[1], three[0], three[2]])
    np.testing.assert_allclose(found_in(swapped)[:2], ASCENDING[[1, 0]], atol=1e-6)


def angles():
    """Incidence, and azimuth of the vector to the satellite, from north to west."""
    return np.degrees(np.arccos(ASCENDING[2])), np.degrees(np.arctan2(-ASCENDING[0], ASCENDING[1]))


def test_two_angles(tmp_path):
    incidence, azimuth = angles()
    assert 90 < azimuth < 180  # in the south-west
    files = {
        "incidence_angle": write(tmp_path / "inc.tif", [incidence]),
        "azimuth_angle": write(tmp_path / "az.tif", [azimuth], nodata=-9999.0),
    }
    np.testing.assert_allclose(found_in(ia.line_of_sight(like(), files)), ASCENDING, atol=1e-6)
    write(files["azimuth_angle"], [-azimuth], nodata=-9999.0)
    np.testing.assert_allclose(found_in(ia.line_of_sight(like(), files))[0], -ASCENDING[0], atol=1e-6)


def test_geometry_of_mintpy(tmp_path):
    """azimuthAngle: of the vector from the ground to the satellite, from north, counterclockwise."""
    incidence, azimuth = angles()
    grid = GRID
    with h5py.File(tmp_path / "geometryGeo.h5", "w") as file:
        file["incidenceAngle"], file["azimuthAngle"] = (np.full(grid.shape, v, "f4") for v in (incidence, azimuth))
        file.attrs.update(
            FILE_TYPE="geometry", LENGTH=str(grid.height), WIDTH=str(grid.width), X_FIRST=str(grid.left), Y_FIRST=str(grid.top),
            X_STEP=str(grid.dx), Y_STEP=str(grid.dy), EPSG="32613", X_UNIT="meters", Y_UNIT="meters",
        )  # fmt: skip
    np.testing.assert_allclose(found_in(ia.line_of_sight(like(), tmp_path / "geometryGeo.h5")), ASCENDING, atol=1e-6)
    with h5py.File(tmp_path / "geometryGeo.h5", "a") as file:
        del file["azimuthAngle"]
    with pytest.raises(FileError, match="has no azimuthAngle"):
        ia.line_of_sight(like(), tmp_path / "geometryGeo.h5")


def test_another_grid_lazily_and_no_data(tmp_path):
    grid = GRIDS["left"]
    path = write(tmp_path / "enu.tif", ASCENDING, grid)
    with rasterio.open(path, "r+") as file:
        for band in (1, 2, 3):
            values = file.read(band)
            values[:40] = 0
            file.write(values, band)
    eager, lazy = (ia.line_of_sight(like(lazy=of), path, resampling="bilinear") for of in (False, True))
    assert all(layer.chunks for layer in lazy.data_vars.values())
    assert not any(layer.chunks for layer in eager.data_vars.values())
    xr.testing.assert_identical(lazy.compute(), eager)
    np.testing.assert_allclose(found_in(eager), ASCENDING, atol=1e-6)
    known = np.isfinite(eager.los_up.values)
    assert not known[:15].any()
    assert known[40:].all()
    assert {"los_east", "velocity"} <= set(like().assign(eager))
    own = ia.line_of_sight(like(), track("left"))  # of another dataset
    assert np.isfinite(own.los_up.values).all()


def test_a_stack_of_a_product_has_its_own(tmp_path):
    from tests.io.products import licsar
    from tests.io.products.scene import Scene

    folder = licsar.write_frame(tmp_path / "frame", Scene())
    stack = ia.open_stack(folder)
    result = ia.line_of_sight(stack[["unwrapped_phase"]].isel(pair=[0]), folder)
    for name in NAMES:
        np.testing.assert_array_equal(result[name].values, stack[name].values)


REFUSED = {
    "nothing": ({}, ArgumentError, "source: give files or a dataset, or else"),
    "both": ({"source": "a.tif", "heading": 1.0}, ArgumentError, "not both"),
    "half": ({"heading": 1.0}, ArgumentError, "are needed together"),
    "radians": ({"heading": -12.0, "incidence_angle": 138.0}, ArgumentError, "incidence_angle: 138 is not between"),
    "heading": ({"heading": 1e4, "incidence_angle": 38.0}, ArgumentError, "heading: 10000.0 is no direction"),
    "side": ({"heading": 1.0, "incidence_angle": 38.0, "looks": "up"}, ArgumentError, "looks: 'up' is not one of"),
    "no such file": ({"source": "none.tif"}, FileError, "none.tif does not exist"),
    "other keys": ({"source": {"incidence_angle": "a"}}, ArgumentError, "source: has incidence_angle; give files of"),
    "elsewhere": (
        {"source": track("left").assign_coords(x=track("left").x + 1e6)}, StackError, "source: does not overlap the grid",
    ),
    "dataset without": ({"source": like()}, StackError, "source: has no los_east"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    options, error, message = REFUSED[name]
    with pytest.raises(error, match=message) as found:
        ia.line_of_sight(like(), **options)
    assert isinstance(found.value, InsarrayError)
    assert "\n" not in str(found.value)


def test_one_band_is_no_line_of_sight(tmp_path):
    with pytest.raises(FileError, match="is not a raster with the bands east, north, up"):
        ia.line_of_sight(like(), write(tmp_path / "one.tif", [1.0]))
