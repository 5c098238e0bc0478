"""Wrapped stacks with known truth for `beside_spurt.py` and `solvers.py`."""

from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

import insarray as ia
from insarray.model.conventions import metres_per_radian
from insarray.simulate.points import principal
from insarray.simulate.screens import stratified_screens


def scene(name: str, shape: tuple[int, int], dates: int, golden: Path | None = None) -> tuple[xr.Dataset, xr.Dataset]:
    """Return stack and truth, as of `insarray.simulate_wrapped`, of one of `SCENES` or a file of golden data."""
    if golden is not None:
        return from_golden(golden)
    return SCENES[name](shape, dates)


def towers(shape: tuple[int, int], dates: int) -> tuple[xr.Dataset, xr.Dataset]:
    """City in X band with blocks and, on one pixel in 150, towers that are 60 to 110 m higher than the DEM."""
    wrapped, truth = ia.simulate_wrapped(shape=shape, n_dates=dates, noise=0.35, seed=3)
    rng = np.random.default_rng(4)
    seeds = np.where(rng.random(shape) < 1 / 150, rng.uniform(60, 110, shape), 0)
    tall = np.maximum.reduce([np.roll(seeds, (i, j), (0, 1)) for i in (0, 1) for j in (0, 1)])
    extra = np.where(tall > 0, tall - truth.height_error.values, 0)
    factor = truth.perpendicular_baseline / (wrapped.slant_range * np.sin(np.radians(wrapped.incidence_angle)))
    return changed(wrapped, truth, (factor * extra).values, extra)


def mountains(shape: tuple[int, int], dates: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Slopes in X band: air that depends on height, turbulence, moving slopes, forest of high noise, a lake."""
    wrapped, truth = ia.simulate_wrapped(shape=shape, n_dates=dates, noise=0.45, atmosphere=0.004, seed=5)
    rng = np.random.default_rng(6)
    air, height = stratified_screens(rng, shape, dates, 0.012)
    fine = gaussian_filter(rng.normal(size=shape), 3)
    slides = gaussian_filter((gaussian_filter(rng.normal(size=shape), 8) > 0.06).astype(float), 2)
    errors = fine / fine.std() * 6 * (0.3 + height / height.max())
    rate = -0.04 * slides
    years = (truth.time.values - truth.time.values[0]) / np.timedelta64(1, "s") / (365.25 * 86400)
    factor = truth.perpendicular_baseline / (wrapped.slant_range * np.sin(np.radians(wrapped.incidence_angle)))
    ground = years[:, None, None] * (rate - truth.velocity.values) + (factor * (errors - truth.height_error)).values
    wrapped, truth = changed(wrapped, truth, ground + (air - air[0]), errors - truth.height_error.values)
    return wrapped, truth.assign(velocity=(("y", "x"), rate.astype(np.float32)))


def changed(
    wrapped: xr.Dataset, truth: xr.Dataset, displacement: np.ndarray, height: np.ndarray
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the scene with more displacement (time, y, x) in m, due to more height error (y, x) among others."""
    dims = ("time", "y", "x")
    phase = (truth.unwrapped_phase.values + displacement / metres_per_radian(wrapped.wavelength)).astype(np.float32)
    phase -= phase[0]
    truth = truth.assign(
        unwrapped_phase=(dims, phase),
        height_error=(("y", "x"), (truth.height_error.values + height).astype(np.float32)),
    )
    return wrapped.assign(wrapped_phase=(dims, principal(phase), wrapped.wrapped_phase.attrs)), truth


def from_golden(path: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the scene of ``stack_X_100x100x20.npz``."""
    data = np.load(path)
    shape = data["temporal_coherence"].shape
    simulated, _ = ia.simulate_wrapped(shape=shape, n_dates=len(data["dates"]))
    times = data["dates"].astype("datetime64[ns]")
    baseline = ("time", data["bperp_m"].astype(np.float64), simulated.perpendicular_baseline.attrs)
    stack = simulated.drop_vars("perpendicular_baseline").assign_coords(time=times, perpendicular_baseline=baseline)
    dims = ("time", "y", "x")
    phase = data["unwrapped_truth"] - data["unwrapped_truth"][0]
    stack = stack.assign(
        wrapped_phase=(dims, np.angle(data["slc"]).astype(np.float32), stack.wrapped_phase.attrs),
        temporal_coherence=(dims[1:], data["temporal_coherence"].astype(np.float32)),
        slant_range=(dims[1:], np.full(shape, float(data["slant_range_m"]))),
        incidence_angle=(dims[1:], np.full(shape, float(data["look_angle_deg"]))),
    )
    stack.attrs |= {"wavelength": float(data["wavelength_m"]), "reference_date": str(times[0])}
    truth = xr.Dataset({"unwrapped_phase": (dims, phase)}, stack.coords)
    return stack, truth


SCENES = {
    "city": lambda shape, dates: ia.simulate_wrapped(shape=shape, n_dates=dates, noise=0.4, seed=0),
    "towers": towers,
    "mountains": mountains,
}
