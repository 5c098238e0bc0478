"""Real data: a landslide before and after GACOS, of another program, and ERA5's own GRIB files through the whole way."""

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from insarray.model.network import Network

DATES = ("20070218", "20070706", "20071006", "20080106", "20080221", "20080407", "20080708", "20090108")


@pytest.fixture(scope="module")
def landslide(shared):
    """Series before GACOS, and what GACOS took from it, in m, and heights."""
    folder = shared / "data/alos_landslide_pygdalsar"
    before, after = (
        np.fromfile(folder / name, "<f4").reshape(300, 200, 8).transpose(2, 0, 1) / 1e3
        for name in ("depl_cumule", "depl_cumule_gacos")
    )
    grid = Grid(300, 200, 714_887.0, 3_056_645.0, 25.0, -25.0, "EPSG:32645")
    times = np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in DATES], "datetime64[ns]")
    coords = {"time": times, **grid_coords(grid)}
    dims = ("time", "y", "x")
    series = xr.Dataset({"displacement": (dims, before.astype(np.float32), {"units": "m"})}, coords)
    gacos = xr.DataArray(
        (before - after).astype(np.float32), coords, dims, "troposphere", {"units": "m", "source": "GACOS"}
    )
    with rasterio.open(folder / "DEM_UTM.tif") as file:
        height = xr.DataArray(
            file.read(1), {name: coords[name] for name in ("y", "x")}, ("y", "x"), attrs={"units": "m"}
        )
    return series, gacos, after, height


def test_gacos_of_another_program_is_taken_out(landslide):
    series, gacos, after, _ = landslide
    found = ia.correct(series, gacos)
    here = np.isfinite(after)
    np.testing.assert_allclose(found.displacement.values[here], after[here], atol=2e-6)
    assert found.attrs["correction_sources"] == "troposphere: GACOS"


def test_whether_it_helped_there(landslide):
    """It takes half a millimetre from a noise of several: a little less at most dates; turned round, a little more."""
    series, gacos, _, height = landslide
    how = {"dem": height}
    found = ia.assess_corrections(series, gacos, **how)
    opposite = (-gacos).assign_attrs(units="m").rename("troposphere")
    flipped = ia.assess_corrections(series, opposite, **how)
    np.testing.assert_allclose(found.scale, -flipped.scale, rtol=1e-6)
    gain = (found.std_before - found.std_after).values[0] * 1e3
    loss = (flipped.std_after - flipped.std_before).values[0] * 1e3
    assert np.abs(gain).max() < 1.0
    assert gain.sum() + loss.sum() > 0
    assert np.isfinite(found.height_correlation_after).all()


def test_grib_files_on_pixels(shared):
    """Both dates of Kyushu in one call, as ECMWF has them; delays as large as they must be, and lower up the mountains."""
    network = Network.from_pairs(["20101017_20110117"])
    grid = Grid(24, 30, 130.4, 32.4, 0.02, -0.03, "EPSG:4326")
    phase = np.zeros((1, *grid.shape), np.float32)
    dims = ("pair", "y", "x")
    stack = xr.Dataset(
        {"unwrapped_phase": (dims, phase, {"units": "radian"})},
        {**pair_coords(network), **grid_coords(grid)},
        {"wavelength": 0.236},
    )
    height = xr.DataArray(np.linspace(0, 1600, 720).reshape(24, 30), dims=("y", "x"), attrs={"units": "m"})
    how = {"dem": height, "time_of_day": "14:04", "incidence_angle": 38.7}
    found = ia.troposphere(stack, shared / "data/kyushu_era5/*.grb", **how)
    dry, wet = (
        found[name].values * np.cos(np.radians(38.7)) for name in ("troposphere_hydrostatic", "troposphere_wet")
    )
    assert -2.36 < dry[:, 0, 0].mean() < -2.30
    assert -1.95 < dry[:, -1, -1].mean() < -1.88
    assert -0.12 < wet[0, 0, 0] < -0.06  # October
    assert -0.05 < wet[1, 0, 0] < -0.03  # January
    assert (np.diff(dry[0].ravel()[::60]) > 0).all()
