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


# -- series ---------------------------------------------------------------------------------------------------------

DATES = {
    "ascending": np.datetime64("2020-01-03", "s") + np.arange(0, 24) * np.timedelta64(12, "D"),
    "descending": np.datetime64("2020-01-08", "s") + np.arange(0, 24) * np.timedelta64(12, "D"),
    "left": np.datetime64("2019-12-20", "s") + np.arange(0, 22) * np.timedelta64(14, "D"),
}
KNOTS = np.datetime64("2020-01-10", "s") + np.arange(0, 9) * np.timedelta64(30, "D")
COURSE = np.array([0.0, 0.2, 0.5, 0.1, 0.4, 0.9, 0.8, 0.7, 1.0])
"""How the motion goes from knot to knot, by what it is at the last."""


def course(times):
    """The same at other times, linear from knot to knot."""
    days = [(of - KNOTS[0]) / np.timedelta64(1, "D") for of in (times, KNOTS)]
    return np.interp(days[0], days[1], COURSE, left=np.nan, right=np.nan)


def series(name, *, noise=0.004, std=None, north=True, seed=0, missing=0.1, rows=None):
    """Displacement series of a track with an offset, noise of known standard deviation, and dates that are missing.

    North goes as the other components do, not at all, or evenly ("even").
    """
    grid = GRIDS[name] if rows is None else GRIDS[name].window(0, 0, rows, GRIDS[name].width)
    rng = np.random.default_rng([seed, 7, sorted(GEOMETRY).index(name)])
    los, times = vectors(name, grid), DATES[name]
    along = los * motion(grid)
    shape = (len(times), *grid.shape)
    own = np.zeros(shape, "f4") if std is None else (std * rng.uniform(0.5, 2, shape)).astype("f4")
    time = np.nan_to_num(course(times), nan=3.0)[:, None, None]  # a part outside of the knots that must not count
    evenly = ((times - KNOTS[0]) / (KNOTS[-1] - KNOTS[0]))[:, None, None]
    values = 0.05 + rng.normal(0, 0.01, grid.shape) + time * (along[0] + along[2])
    values += (evenly if north == "even" else time * north) * along[1] + np.hypot(own, noise) * rng.normal(size=shape)
    values[rng.random(shape) < missing] = np.nan
    found = xr.Dataset(
        {
            "displacement": (("time", "y", "x"), values.astype("f4")),
            **{k: (("y", "x"), v) for k, v in zip(PARTS, los, strict=True)},
        },
        {**grid_coords(grid), "time": times.astype("datetime64[ns]")},
    )
    return found if std is None else found.assign(displacement_std=(("time", "y", "x"), own))
