"""Data in radar coordinates with maps of latitude and longitude: every correction is that of the geocoded pixels."""

import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.errors import StackError
from insarray.model.grid import Grid
from tests.io.corrections.delay_files import era5, gacos
from tests.networks import nearest
from tests.products.corrections.test_ionosphere import ionex
from tests.products.corrections.test_troposphere import FINE_LAT, FINE_LON, LAT, LON, TIMES, ground
from tests.stacks import GRID, stack_of

NETWORK = nearest(3, 2)
SIGHT = {"time_of_day": "14:07:44", "incidence_angle": 36.0, "heading": -13.0}
DAYS = ("20200101", "20200113", "20200125")


def geocoded():
    up = np.linspace(-20.0, 2500.0, 600).reshape(20, 30).astype(np.float32)
    return stack_of(NETWORK, missing=0.0).assign(height=(("y", "x"), up, {"units": "m"}))


def mixed(values):
    """Pixels as a radar has them, in no order of the map."""
    return np.asarray(values)[..., ::-1, :].swapaxes(-1, -2)[..., ::-1, :]


def maps(lat, lon):
    about = {"latitude": (lat, "degrees_north"), "longitude": (lon, "degrees_east")}
    return {name: (("y", "x"), mixed(values).astype(np.float32), {"units": u}) for name, (values, u) in about.items()}


def places(grid=GRID):
    row, col = np.indices(grid.shape)
    lon, lat = np.array([grid.lonlat(r, c) for r, c in zip(row.ravel(), col.ravel(), strict=True)]).T
    return lat.reshape(grid.shape), lon.reshape(grid.shape)


def radar(*, block=8, shift=0.0, grid=GRID, up=None):
    """The same pixels in radar coordinates."""
    lat, lon = places(grid)
    lon = (lon + shift + 180) % 360 - 180
    data = {
        "unwrapped_phase": (
            ("pair", "y", "x"),
            np.zeros((NETWORK.n_pairs, *grid.shape[::-1]), "f4"),
            {"units": "radian"},
        )
    }
    data |= maps(lat, lon)
    if up is None:
        up = geocoded().height.values
    data["height"] = (("y", "x"), mixed(up), {"units": "m"})
    counted = grid_coords(Grid(*grid.shape[::-1]))
    found = xr.Dataset(data, {**pair_coords(NETWORK), **counted}, {"wavelength": 0.0555})
    return found if block is None else found.chunk(pair=-1, y=block, x=block).assign_coords(found.coords)


def files(folder, kind):
    if kind == "era5":
        path = era5(folder / "e.nc", LAT, LON, TIMES)
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            changed = stored.load()
        changed["q"] = changed["q"] * (1 + (changed.longitude + 105) * 0.2 + (changed.latitude - 37) * 0.3)
        changed.to_netcdf(folder / "slanted.nc", engine="h5netcdf")
        return folder / "slanted.nc"
    if kind == "gacos":
        for day in DAYS:
            gacos(folder, day, FINE_LAT, FINE_LON, ground(day))
        return folder
    for day in DAYS:
        iso = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        ionex(folder / f"{day}.20i", iso, lambda hour, lat, lon: 20 + 0.1 * lon + 0.3 * lat, hours=(14, 16))
    return folder / "*.20i"


CASES = {
    "era5": lambda data, given: ia.troposphere(data, given, time_of_day="14:07:44", incidence_angle=36.0),
    "gacos": lambda data, given: ia.troposphere(data, given, incidence_angle=36.0),
    "ionex": lambda data, given: ia.ionosphere(data, given, **SIGHT | {"time_of_day": "14:30"}).to_dataset(),
    "tide": lambda data, given: ia.solid_earth_tide(data, **SIGHT).to_dataset(),
}


@pytest.mark.parametrize("name", CASES)
def test_each_pixel_has_the_correction_of_its_place(tmp_path, name):
    """As the geocoded stack has it, to the rounding of maps in float32; blocks and whole are the same."""
    given = files(tmp_path, name) if name != "tide" else None
    expected, lazy, whole = (CASES[name](data, given) for data in (geocoded(), radar(), radar(block=None)))
    for layer in expected:
        assert lazy[layer].chunks is not None
        np.testing.assert_allclose(lazy[layer], mixed(expected[layer]), atol=3e-6, rtol=0)
        np.testing.assert_array_equal(lazy[layer], whole[layer])
        assert float(expected[layer].isel(time=0).std()) > 1e-6
    assert ia.correct(radar(), lazy).unwrapped_phase.notnull().all()


def test_across_longitude_180():
    grid = Grid(12, 16, -1.4, -38.1, 0.15, -0.15, "EPSG:4326")
    up = np.zeros(grid.shape, np.float32)
    found = ia.solid_earth_tide(radar(grid=grid, shift=180.0, up=up), **SIGHT)
    there = Grid(12, 16, 178.6, -38.1, 0.15, -0.15, "EPSG:4326")
    expected = ia.solid_earth_tide(stack_of(NETWORK, grid=there, missing=0.0), **SIGHT)
    np.testing.assert_allclose(found, mixed(expected), atol=3e-6)


def test_plate_motion_of_each_pixel():
    data = geocoded().assign(ia.line_of_sight(geocoded(), incidence_angle=36.0, heading=-13.0))
    seen = radar().assign({name: (("y", "x"), mixed(data[name])) for name in ("los_east", "los_north", "los_up")})
    expected, found = (ia.plate_motion(of, plate="NorthAmerica") for of in (data, seen))
    for name in ("plate_east", "plate_north", "plate_velocity"):
        np.testing.assert_allclose(found[name], mixed(expected[name]), atol=2e-8)
        assert float(expected[name].std()) > 1e-7


def test_pixels_without_a_place_have_no_correction(tmp_path):
    """Zeros, as processors write them beside the image, also whole blocks of them."""
    data = radar().copy(deep=True)
    inside = xr.DataArray(np.arange(30) >= 10, dims="y")
    data = data.assign({name: data[name].where(inside, 0.0) for name in ("latitude", "longitude")})
    found = ia.troposphere(data, files(tmp_path, "era5"), time_of_day="14:07:44", incidence_angle=36.0)
    assert np.isnan(found.troposphere_wet.values[:, :10]).all()
    np.testing.assert_array_equal(
        found.troposphere_wet[:, 10:],
        ia.troposphere(radar(), tmp_path / "slanted.nc", time_of_day="14:07:44", incidence_angle=36.0).troposphere_wet[
            :, 10:
        ],
    )
    tide = ia.solid_earth_tide(data, **SIGHT)
    assert np.isnan(tide.values[:, :10]).all()
    assert np.isfinite(tide.values[:, 10:]).all()


def test_maps_that_are_none_are_refused():
    data = radar()
    with pytest.raises(StackError, match=r"no CRS .* and no map latitude"):
        ia.solid_earth_tide(data.drop_vars("latitude"), **SIGHT)
    with pytest.raises(StackError, match=r"no CRS .* and no map longitude"):
        ia.plate_motion(data.drop_vars("longitude"), plate="NorthAmerica")
    with pytest.raises(StackError, match="latitude holds 3"):
        ia.solid_earth_tide(data.assign(latitude=data.latitude * 1e5), **SIGHT)
    with pytest.raises(StackError, match="latitude and longitude have no data"):
        ia.solid_earth_tide(data.assign(latitude=data.latitude * 0, longitude=data.longitude * 0), **SIGHT)


def test_maps_of_a_geometry_file(tmp_path):
    """MintPy's geometryRadar.h5, and NetCDF; axes that are called latitude and longitude are no maps."""
    data = radar()
    with h5py.File(tmp_path / "geometryRadar.h5", "w") as file:
        for name in ("latitude", "longitude", "height"):
            file[name] = data[name].values
        file.attrs["FILE_TYPE"] = "geometry"
    plain = data.drop_vars(["latitude", "longitude", "height"])
    for path in (
        tmp_path / "geometryRadar.h5",
        ia.to_netcdf(data[["latitude", "longitude", "height"]], tmp_path / "g.nc"),
    ):
        found = ia.open_geometry(path, plain)
        assert found.latitude.attrs["units"] == "degrees_north"
        tide = ia.solid_earth_tide(plain.assign(found), **SIGHT)
        np.testing.assert_array_equal(tide, ia.solid_earth_tide(data, **SIGHT))
    axes = xr.Dataset(
        {"height": (("lat", "lon"), np.zeros((6, 7), "f4"))}, {"lat": np.arange(6.0, 0, -1), "lon": np.arange(1.0, 8)}
    )
    axes.to_netcdf(tmp_path / "axes.nc", engine="h5netcdf")
    like = stack_of(NETWORK, grid=Grid(6, 7, 0.5, 6.5, 1.0, -1.0, "EPSG:4326"), missing=0.0)
    assert list(ia.open_geometry(tmp_path / "axes.nc", like).data_vars) == ["height"]
