"""Two tracks over the North Anatolian Fault and a field of GNSS velocities, of the folder of test data."""

import numpy as np
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid

TRACKS = {"ascending": "087A_04904_121313", "descending": "167D_04884_131212"}


def raster(path):
    """First band, and its grid."""
    with rasterio.open(path) as file:
        a = file.transform
        grid = Grid(file.height, file.width, a.c, a.f, a.a, a.e, file.crs.to_wkt())
        return file.read(1).astype("f4"), grid


def track(folder, name):
    """Velocity in m/year, masked, with its line of sight; no-data where a file has none."""
    where = folder / TRACKS[name]
    velocity, grid = raster(where / "vel.geo.tif")
    std, _ = raster(where / "vstd.geo.tif")
    mask, _ = raster(where / "mask.geo.tif")
    velocity = np.where((mask == 1) & np.isfinite(velocity), velocity / 1000, np.nan)
    layers = {"velocity": velocity, "velocity_std": std / 1000}
    found = xr.Dataset({k: (("y", "x"), v.astype("f4")) for k, v in layers.items()}, grid_coords(grid))
    return found.assign(ia.line_of_sight(found, [where / f"{n}.geo.tif" for n in "ENU"]))


def gnss(folder):
    """East and north velocity in m/year, Eurasia fixed."""
    maps = {}
    for name, file in (("velocity_east", "interp_E.grd"), ("velocity_north", "interp_N.grd")):
        with xr.open_dataset(folder / file, engine="netcdf4") as grid:
            array = grid[next(iter(grid.data_vars))].load()
        lat, lon = sorted(array.dims, key=lambda dim: str(dim) not in ("lat", "y"))
        maps[name] = array.rename({lat: "y", lon: "x"}).astype("f4") / 1000
    found = xr.Dataset(maps)
    dx, dy = (float(found[dim][-1] - found[dim][0]) / (found.sizes[dim] - 1) for dim in ("x", "y"))
    place = Grid(
        found.sizes["y"], found.sizes["x"], float(found.x[0]) - dx / 2, float(found.y[0]) - dy / 2, dx, dy, "EPSG:4326"
    )
    return xr.Dataset({k: (("y", "x"), v.transpose("y", "x").values) for k, v in found.items()}, grid_coords(place))


def spread(values):
    """Robust standard deviation."""
    values = values[np.isfinite(values)]
    return 1.4826 * np.median(np.abs(values - np.median(values)))
