"""Simulate wrapped stacks with known truth: a city seen by an X-band radar, and its files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from insarray.model.arguments import whole
from insarray.model.conventions import SIGN, VARIABLES, attributes, metres_per_radian
from insarray.model.dataset import epoch_coords, grid_coords, grid_of
from insarray.model.dates import date_index, date_label, years_since
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from insarray.simulate.files import empty_folder, write_geotiff
from insarray.simulate.screens import turbulent_screens

WAVELENGTH = 0.031
"""X band, metres."""

_PIXEL = 10.0  # metres
_BLOCK, _STREET = 9, 3  # pixels
_HEIGHT_ERRORS = 15.0, 55.0  # metres, of the blocks missing in the DEM
_BASELINE_STD = 150.0  # metres
_REVISIT = np.timedelta64(11 * 86400, "s")
_TRUTH: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "unwrapped_phase": (
        ("time", "y", "x"),
        {"units": "radian", "long_name": "phase since the first date with noise, positive away from the satellite"},
    ),
    "displacement": (
        ("time", "y", "x"),
        {"units": "m", "long_name": "what makes the phase besides noise, positive toward the satellite"},
    ),
    "atmosphere": (
        ("time", "y", "x"),
        {"units": "m", "long_name": "atmospheric delay since the first date as displacement"},
    ),
    "velocity": (("y", "x"), attributes("velocity")),
    "height_error": (("y", "x"), attributes("height_error")),
    "noise_std": (("y", "x"), {"units": "radian", "long_name": "standard deviation of the noise of each date"}),
    "water_mask": (("y", "x"), attributes("water_mask")),
}


@dataclass(frozen=True)
class _City:
    """Properties of the ground, each of shape (y, x)."""

    land: np.ndarray  # bool
    velocity: np.ndarray  # m/year
    height_error: np.ndarray  # m
    noise_std: np.ndarray  # rad
    incidence_angle: np.ndarray  # degree
    slant_range: np.ndarray  # m


def simulate_wrapped(
    *,
    shape: tuple[int, int] = (100, 120),
    n_dates: int = 24,
    noise: float = 0.4,
    atmosphere: float = 0.003,
    water: bool = True,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate a wrapped, phase-linked stack of a city in X band (3.1 cm); return it and the truth.

    Blocks between streets, on 10 m pixels of UTM zone 14 north, with height errors of 15 to 55 m on most of the blocks
    and almost none on the streets; a smooth bowl of subsidence, and a smaller one of uplift; a lake. The displacement
    of a date is ``velocity * t + perpendicular_baseline / (slant_range sin(incidence_angle)) * height_error +
    atmosphere``, t in years since the first date; its phase is -4 pi / wavelength times the displacement of the date
    minus that of the first, plus the noise of the date minus that of the first.

    Parameters
    ----------
    shape
        Rows and columns, at least 12 each.
    n_dates
        Number of dates, every 11 days with a few gaps; at least 2. Baselines have a standard deviation of 150 m.
    noise
        Standard deviation of the phase of a date in radians, averaged over the land; it varies between pixels from
        about a third to twice this value. 0 for none.
    atmosphere
        Typical standard deviation of the delay of a date, metres.
    water
        Include a lake, where the phase is pure noise (also if `noise` is 0).
    seed
        The same seed and options give the same numbers.

    Returns
    -------
    stack
        As from `open_wrapped`, in memory: (time, y, x) `wrapped_phase`; (y, x) `temporal_coherence`, the length of the
        mean phasor of the noise; also (y, x) `incidence_angle`, `slant_range`; (time) `perpendicular_baseline`.
    truth
        (time, y, x): `unwrapped_phase`, whose principal value is exactly `wrapped_phase` in float32, `displacement`,
        `atmosphere`; (y, x): `velocity`, `height_error`, `noise_std` (infinite in the lake), `water_mask`.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    See Also
    --------
    insarray.simulate_stack : simulate an unwrapped stack with known truth.
    insarray.select_points : select points of a wrapped stack.

    References
    ----------
    * Hanssen, R. F. (2001), Radar Interferometry: Data Interpretation and Error Analysis, Kluwer.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12)
    >>> dict(wrapped.wrapped_phase.sizes)
    {'time': 12, 'y': 20, 'x': 20}
    """
    _check(shape, n_dates, noise, atmosphere)
    seed = whole("seed", seed)
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
    times, baseline = _dates(rngs[0], n_dates)
    city = _city(rngs[1], shape, noise, water=water)
    screens = turbulent_screens(rngs[2], shape, n_dates, atmosphere)
    screens -= screens[0]
    years = years_since(times, times[0])[:, None, None]
    per_metre = 1 / (city.slant_range * np.sin(np.radians(city.incidence_angle)))
    displacement = city.velocity * years + baseline[:, None, None] * per_metre * city.height_error + screens
    errors = _noise(rngs[3], city, n_dates)
    unwrapped = (displacement / metres_per_radian(WAVELENGTH) + errors - errors[0]).astype(np.float32)

    grid = Grid(*shape, left=485_000.0, top=2_155_000.0, dx=_PIXEL, dy=-_PIXEL, crs="EPSG:32614")
    coords = {**epoch_coords(times, xr.DataArray(baseline, dims="time")), **grid_coords(grid)}
    attrs: dict[str, object] = {"product": "simulated", "wavelength": WAVELENGTH, "sign": SIGN, "seed": seed}
    attrs["reference_date"] = str(times[0])
    layers = {
        "wrapped_phase": principal(unwrapped),
        "temporal_coherence": np.abs(np.exp(1j * errors).mean(axis=0)),
        "incidence_angle": city.incidence_angle,
        "slant_range": city.slant_range,
    }
    canonical = {name: (VARIABLES[name].dims, attributes(name)) for name in layers}
    ground = {name: getattr(city, name) for name in ("velocity", "height_error", "noise_std")}
    parts = {"unwrapped_phase": unwrapped, "displacement": displacement, "atmosphere": screens}
    truth = _dataset(parts | ground | {"water_mask": city.land}, _TRUTH, coords)
    return _dataset(layers, canonical, coords).assign_attrs(attrs), truth.assign_attrs(attrs)


def principal(phase: np.ndarray) -> np.ndarray:
    """Return the principal value in (-pi, pi] of phases in radians, float32."""
    wrapped = np.angle(np.exp(1j * phase.astype(np.float64))).astype(np.float32)
    return np.where(wrapped <= -np.float32(np.pi), np.float32(np.pi), wrapped)


def write_wrapped(stack: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write a wrapped stack to files as a phase-linking processor would.

    ``{reference}_{date}.int.tif`` for every date except the reference date (complex64, reference times the conjugate of
    the date, so that the phase is positive away from the satellite; 0+0j = no data), ``temporal_coherence.tif``
    (float32), and ``baselines.csv`` (date, bperp_m), the last two if the stack has them.

    Parameters
    ----------
    stack
        Canonical wrapped stack; read date by date.
    folder
        Must not exist, or must be empty.

    Returns
    -------
    list of Path
        Paths of the files.

    Raises
    ------
    StackError
        If the stack has no `wrapped_phase`.
    StoreError
        If `folder` is a file or contains files.
    """
    if "wrapped_phase" not in stack:
        raise StackError(f"stack: has no wrapped_phase, only {', '.join(map(str, stack.data_vars)) or 'nothing'}")
    target = empty_folder(folder)
    times = stack.time.values.astype("datetime64[s]")
    labels, reference = [date_label(time) for time in times], date_index(times, stack.attrs["reference_date"])
    grid, written = grid_of(stack), []
    for k, label in enumerate(labels):
        if k != reference:
            phase = stack.wrapped_phase.isel(time=k).values
            values = np.where(np.isnan(phase), 0, np.exp(1j * np.nan_to_num(phase))).astype(np.complex64)
            written.append(write_geotiff(target / f"{labels[reference]}_{label}.int.tif", values, grid))
    if "temporal_coherence" in stack:
        values = stack.temporal_coherence.values.astype(np.float32)
        written.append(write_geotiff(target / "temporal_coherence.tif", values, grid))
    if "perpendicular_baseline" in stack.coords:
        lines = [f"{label},{value:.4f}\n" for label, value in zip(labels, stack.perpendicular_baseline, strict=True)]
        written.append(target / "baselines.csv")
        written[-1].write_text("date,bperp_m\n" + "".join(lines))
    return written


def _check(shape: tuple[int, int], n_dates: int, noise: float, atmosphere: float) -> None:
    if len(shape) != 2 or min(shape) < _BLOCK + _STREET:
        raise ArgumentError(f"shape: {shape!r}; give (rows, columns) of at least {_BLOCK + _STREET} each")
    for name, value, allowed, wanted in (
        ("n_dates", n_dates, n_dates >= 2, "at least 2, to make a phase difference"),
        ("noise", noise, 0 <= noise < np.inf, "a standard deviation in radians, 0 for none"),
        ("atmosphere", atmosphere, 0 <= atmosphere < 1, "a standard deviation in metres, 0 for none"),
    ):
        if not allowed:
            raise ArgumentError(f"{name}: {value!r}; must be {wanted}")


def _dataset(
    values: dict[str, np.ndarray],
    described: dict[str, tuple[tuple[str, ...], dict[str, object]]],
    coords: dict[str, xr.DataArray],
) -> xr.Dataset:
    variables = {}
    for name, array in values.items():
        dims, attrs = described[name]
        kept = array if array.dtype == bool else array.astype(np.float32)
        variables[name] = (dims, kept, {**attrs, "grid_mapping": "spatial_ref"})
    return xr.Dataset(variables, coords)


def _dates(rng: np.random.Generator, n_dates: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the times, and the baseline of each date in metres relative to the first, shape (time,)."""
    gaps = n_dates // 6
    slots = np.arange(n_dates + gaps)
    if gaps:
        slots = np.delete(slots, rng.choice(np.arange(1, len(slots) - 1), gaps, replace=False))
    baseline = rng.normal(0, _BASELINE_STD, n_dates)
    return np.datetime64("2023-01-05", "s") + slots * _REVISIT, baseline - baseline[0]


def _city(rng: np.random.Generator, shape: tuple[int, int], noise: float, *, water: bool) -> _City:
    # u, v run from 0 to 1 over columns and rows: the same bowls at any size
    v, u = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")

    def hill(row: float, col: float, radius: float) -> np.ndarray:
        return np.exp(-((u - col) ** 2 + (v - row) ** 2) / (2 * radius**2))

    pitch = _BLOCK + _STREET
    row, col = (np.arange(size) for size in shape)
    count = tuple(-(-size // pitch) for size in shape)
    heights = rng.uniform(*_HEIGHT_ERRORS, count) * (rng.uniform(size=count) < 0.75)
    built = ((row % pitch < _BLOCK)[:, None]) & (col % pitch < _BLOCK)
    roofs = heights[np.ix_(row // pitch, col // pitch)] * built
    land = hill(0.78, 0.2, 0.12) + 0.05 * gaussian_filter(rng.normal(size=shape), 2) < 0.5
    uneven = rng.gamma(9, 1 / 9, shape)
    return _City(
        land=land if water else np.ones(shape, bool),
        velocity=-0.07 * hill(0.45, 0.55, 0.16) + 0.025 * hill(0.2, 0.15, 0.1),
        height_error=roofs + rng.normal(0, 0.5, shape),
        noise_std=np.where(land, noise * uneven, np.inf) if water else noise * uneven,
        incidence_angle=34 + 2 * u,
        slant_range=620e3 + 5e3 * u,
    )


def _noise(rng: np.random.Generator, city: _City, n_dates: int) -> np.ndarray:
    """Return the noise of each date in radians, shape (time, y, x): Gaussian on land, uniform on water."""
    shape = (n_dates, *city.land.shape)
    normal, uniform = rng.normal(size=shape), rng.uniform(-np.pi, np.pi, shape)
    return np.where(city.land, normal * np.where(city.land, city.noise_std, 0), uniform)
