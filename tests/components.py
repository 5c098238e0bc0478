"""Tracks of a scene whose motion is known: velocities and series along lines of sight, on grids of their own."""

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid

GEOMETRY = {
    # incidence angle, direction of flight clockwise from north, side to which the radar looks
    "ascending": (39.0, -12.0, "right"),
    "descending": (34.0, -168.0, "right"),
    "left": (42.0, -60.0, "left"),
}
GRIDS = {
    "ascending": Grid(150, 160, 500_000.0, 4_100_000.0, 90.0, -90.0, "EPSG:32613"),
    "descending": Grid(140, 165, 499_955.0, 4_099_915.0, 90.0, -90.0, "EPSG:32613"),
    "left": Grid(200, 210, 499_000.0, 4_101_000.0, 80.0, -80.0, "EPSG:32613"),
}
PARTS = ("los_east", "los_north", "los_up")


def line_of_sight(incidence, heading, side):
    """East, north, up of the unit vector from the ground to the satellite."""
    sine, away = np.sin(np.radians(incidence)), np.radians(heading + (-90 if side == "right" else 90))
    return sine * np.sin(away), sine * np.cos(away), np.cos(np.radians(incidence))


def vectors(name, grid):
    """Lines of sight (3, y, x) of a track, which change across it."""
    incidence, heading, side = GEOMETRY[name]
    across = np.linspace(-3, 3, grid.width)[None, :] + np.zeros((grid.height, 1))
    return np.stack(line_of_sight(incidence + across, heading + 0 * across, side)).astype("f4")


def motion(grid):
    """East, north, up velocity (3, y, x) in m/year: smooth, so that half a pixel changes nothing."""
    x, y = (grid.x - 500_000) / 1e5, (grid.y - 4_100_000) / 1e5
    y, x = np.meshgrid(y, x, indexing="ij")
    return np.stack([0.02 * x + 0.004, 0.01 * y - 0.006, -0.03 * x * y + 0.002 * y - 0.003])


def track(name, *, grid=None, noise=0.003, north=True, seed=0, missing=0.05):
    """Velocity of a track with noise of known standard deviation in every pixel."""
    grid = grid or GRIDS[name]
    rng = np.random.default_rng([seed, sorted(GEOMETRY).index(name)])
    truth, los = motion(grid), vectors(name, grid)
    truth[1] *= north
    sigma = (noise * rng.uniform(0.5, 2, grid.shape)).astype("f4")
    velocity = np.einsum("ayx,ayx->yx", los, truth) + sigma * rng.normal(size=grid.shape)
    velocity[rng.random(grid.shape) < missing] = np.nan
    maps = {"velocity": velocity.astype("f4"), "velocity_std": sigma, **dict(zip(PARTS, los, strict=True))}
    return xr.Dataset({key: (("y", "x"), values) for key, values in maps.items()}, grid_coords(grid))


def lazily(dataset, edge=64):
    return dataset.chunk(y=edge, x=edge).assign_coords(dataset.coords)
