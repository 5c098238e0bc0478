"""Wrapped stacks of known velocity and height error, small and in memory."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid

WAVELENGTH = 0.031
SLANT_RANGE, INCIDENCE = 850e3, 35.0
GEOMETRY = {"slant_range": SLANT_RANGE, "incidence_angle": INCIDENCE}
BOX = {"velocity": (-0.04, 0.04), "height_error": (-60.0, 60.0)}
GRID = Grid(40, 50, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")


class Scene(NamedTuple):
    """Wrapped stack, and the truth of its pixels, (y, x)."""

    wrapped: xr.Dataset
    velocity: np.ndarray
    height_error: np.ndarray

    def of(self, points):
        """Velocity and height error of points."""
        at = points.row.values, points.col.values
        return self.velocity[at], self.height_error[at]


def wrap(phase):
    return np.angle(np.exp(1j * phase))


def scene(*, epochs=30, noise=0.3, atmosphere=0.0, share=0.4, seed=0, grid=GRID, moving=0.02, tall=20.0, block=None):
    """Smooth velocity, some tall buildings; noise (rad) of every epoch, also the first, to which phases are relative."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[: grid.height, : grid.width]
    velocity = moving * np.sin(row / 11) * np.cos(col / 14)
    height = np.where((row // 6 + col // 7) % 5 == 0, tall, 0.0) + rng.normal(0, tall / 10, grid.shape)
    days = np.cumsum(rng.integers(1, 4, epochs)) * 11
    baseline = rng.normal(0, 150, epochs)
    baseline -= baseline[0]
    per_metre = 1 / metres_per_radian(WAVELENGTH)
    years = (days - days[0]) / 365.25
    factor = baseline / (SLANT_RANGE * np.sin(np.deg2rad(INCIDENCE)))
    phase = per_metre * (years[:, None, None] * velocity + factor[:, None, None] * height)
    waves = rng.normal(0, atmosphere, (2, epochs, 1, 1))
    phase = phase + waves[0] * np.sin(row / 17 + col / 23) + waves[1] * np.cos(row / 19 - col / 13)
    phase = phase + rng.normal(0, noise, phase.shape)
    good = rng.random(grid.shape) < share
    data = {
        "wrapped_phase": (("time", "y", "x"), wrap(phase - phase[0]).astype(np.float32)),
        "temporal_coherence": (("y", "x"), np.where(good, 0.9, 0.3).astype(np.float32)),
        "amplitude_dispersion": (("y", "x"), np.where(good, 0.2, 0.5).astype(np.float32)),
    }
    coords = {
        "time": np.datetime64("2020-01-01", "ns") + days.astype("timedelta64[D]"),
        "perpendicular_baseline": ("time", baseline),
        **grid_coords(grid),
    }
    wrapped = xr.Dataset(data, coords, {"wavelength": WAVELENGTH})
    if block is not None:
        wrapped = wrapped.chunk({"time": -1, "y": block, "x": block})
    return Scene(wrapped, velocity, height)
