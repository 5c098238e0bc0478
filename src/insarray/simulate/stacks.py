"""Simulate stacks with known truth: a Sentinel-1-like scene with all contributions to the phase, and its files."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from insarray.model.arguments import whole
from insarray.model.conventions import SIGN, VARIABLES, attributes, metres_per_radian
from insarray.model.dataset import grid_coords, grid_of, network_of, pair_coords, time_coords
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.simulate.files import empty_folder, write_geotiff
from insarray.simulate.gaps import components, missing_samples
from insarray.simulate.screens import stratified_screens, turbulent_screens

WAVELENGTH = 0.05546576
"""Sentinel-1 C band, metres."""

_PIXEL = 80.0
_CRITICAL_BASELINE = 1200.0  # metres; beyond it the spectra of the two images do not overlap, order of Sentinel-1 IW
_TRUTH_ATTRS: dict[str, dict[str, object]] = {
    "deformation": {"units": "m", "long_name": "ground motion since the first date, positive toward the satellite"},
    "atmosphere": {"units": "m", "long_name": "atmospheric delay since the first date as displacement"},
    "stratified_atmosphere": {"units": "m", "long_name": "part of the atmosphere that depends on the height"},
    "annual_amplitude": {"units": "m", "long_name": "amplitude of the sine of one year that starts at the first date"},
    "height_error": {"units": "m", "long_name": "height error of the DEM"},
    "perpendicular_baseline": {"units": "m", "long_name": "perpendicular baseline relative to the first date"},
}

_DELAYS = ("atmosphere", "stratified")

_FILES: dict[str, tuple[str, float | None]] = {
    "unwrapped_phase": ("unw", 0.0),
    "coherence": ("cor", 0.0),
    "connected_component_labels": ("unw.conncomp", None),
}
"""Suffix and no-data value."""


@dataclass(frozen=True)
class _Scene:
    """Properties of the ground, each of shape (y, x)."""

    land: np.ndarray  # bool
    urban: np.ndarray  # 0 vegetation .. 1 city
    velocity: np.ndarray  # m/year
    annual_amplitude: np.ndarray  # m
    height_error: np.ndarray  # m
    incidence_angle: np.ndarray  # degree
    slant_range: np.ndarray  # m


def simulate_stack(
    *,
    shape: tuple[int, int] = (200, 240),
    n_dates: int = 24,
    neighbours: int = 3,
    annual_pairs: bool = False,
    looks: float = 20,
    noise: bool = True,
    missing: float = 0.03,
    water: bool = True,
    atmosphere: float = 0.004,
    stratified: float = 0.0,
    pair_offsets: bool = True,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate a stack of unwrapped interferograms; return it and the truth.

    A city in vegetation with a lake and a shore, on 80 m pixels of UTM zone 14 north. The displacement of a date is
    ``velocity * t + annual_amplitude * sin(2 pi t) + perpendicular_baseline / (slant_range sin(incidence_angle)) *
    height_error + atmosphere``, t in years since the first date; the phase of a pair is -4 pi / wavelength times the
    displacement of the secondary minus that of the reference, plus noise.

    The noise of a pair is drawn from the exact distribution of a multilooked distributed scatterer, phase and estimated
    coherence jointly (so the estimated coherence is biased upwards where it is low, as in real products).
    Simplifications: the noise is independent between pairs and between pixels, so triplets misclose by noise although
    real pairs share the noise of their dates; there are no unwrapping errors; the signal does not reduce the coherence;
    everything is in memory (about 20 bytes per sample).

    Each contribution has its own random generator: switching one off does not change the others.

    Parameters
    ----------
    shape
        Rows and columns, at least 4 each.
    n_dates
        Number of dates, every 12 days with a few gaps.
    neighbours
        Number of next dates with which each date is paired.
    annual_pairs
        Add pairs of about one year.
    looks
        Effective number of independent looks, at least 1.
    noise
        False for no decorrelation noise; `coherence` is then the true one.
    missing
        Fraction of all land samples without phase (blocks and speckles of low coherence), 0 <= missing < 1. Their
        coherence is kept, as in products.
    water
        Include water, where every pair is missing.
    atmosphere
        Typical standard deviation of the delay of a date, metres.
    stratified
        Standard deviation over dates of the delay between the lowest and the highest ground, metres; then there are
        mountains of 2 km, of exponential air.
    pair_offsets
        Add an arbitrary constant to every pair, as unwrapping does.
    seed
        The same seed and options give the same numbers.

    Returns
    -------
    stack
        (pair, y, x): `unwrapped_phase`, `coherence`, `connected_component_labels`; (y, x): `incidence_angle`,
        `slant_range`, and `height` with `stratified`.
    truth
        (time, y, x), zero at the first date: `displacement`, and of it `deformation` and `atmosphere`, of which
        `stratified_atmosphere` is a part if there is some; (y, x):
        `velocity`, `annual_amplitude`, `height_error`, `water_mask`; (time): `perpendicular_baseline`; (pair, y, x):
        `coherence` without estimation noise.

    Raises
    ------
    ArgumentError
        If an option is out of range, or the dates span too little for annual pairs.

    See Also
    --------
    insarray.simulate_wrapped : simulate a wrapped stack with known truth.
    insarray.invert : invert pairs to displacement series.

    Notes
    -----
    Noise: Bartlett decomposition of the complex Wishart distribution (Goodman 1963). Atmosphere: power spectrum of
    exponent -8/3 in two dimensions, -5/3 along a profile, as beyond 2 km (Hanssen 2001, section 4.7). Height error:
    geometry of Berardino et al. (2002), sign of Fattahi and Amelung (2013).

    References
    ----------
    * Goodman, N. R. (1963), Statistical analysis based on a certain multivariate complex Gaussian
      distribution, Ann. Math. Statist. 34, 152-177.
    * Hanssen, R. F. (2001), Radar Interferometry: Data Interpretation and Error Analysis, Kluwer.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6)
    >>> dict(stack.unwrapped_phase.sizes)
    {'pair': 12, 'y': 20, 'x': 24}
    """
    _check(shape, n_dates, neighbours, looks, missing, atmosphere, stratified)
    seed = whole("seed", seed)
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(8)]
    network, baseline = _network(rngs[0], n_dates, neighbours, annual=annual_pairs)
    scene = _scene(rngs[1], shape, water=water)
    screens = turbulent_screens(rngs[2], shape, n_dates, atmosphere)
    layered, height = stratified_screens(rngs[7], shape, n_dates, stratified)
    parts = _displacements(scene, network, baseline, screens + layered)
    coherence = _coherence(rngs[3], scene, network)
    phase, observed = _pair_phases(rngs[4], parts["displacement"], coherence, network, looks if noise else None)
    if pair_offsets:
        phase += rngs[5].uniform(-20, 20, (network.n_pairs, 1, 1)).astype(np.float32)
    gone = missing_samples(rngs[6], coherence, scene.land, missing)
    phase[gone] = np.nan

    grid = Grid(*shape, left=485_000.0, top=2_155_000.0, dx=_PIXEL, dy=-_PIXEL, crs="EPSG:32614")
    layers = {"unwrapped_phase": phase, "coherence": observed, "connected_component_labels": components(~gone)}
    geometry = {"incidence_angle": scene.incidence_angle, "slant_range": scene.slant_range}
    if stratified:
        geometry["height"] = height
        parts["stratified_atmosphere"] = layered - layered[0]
    stack = _dataset(layers | geometry, {**pair_coords(network), **grid_coords(grid)})
    common = {"product": "simulated", "wavelength": WAVELENGTH, "sign": SIGN, "seed": seed}
    stack.attrs = {**common, "looks": float(looks)}
    ground = {name: getattr(scene, name) for name in ("velocity", "annual_amplitude", "height_error")}
    others = {"water_mask": scene.land, "coherence": coherence, "perpendicular_baseline": baseline}
    truth = _dataset(
        parts | ground | others, {**time_coords(network), "pair": pair_coords(network)["pair"], **grid_coords(grid)}
    )
    truth.attrs = common
    return stack, truth


def write_geotiffs(stack: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write a stack to files as a processor would: three GeoTIFFs per pair and a table of baselines.

    ``YYYYMMDD_YYYYMMDD.unw.tif`` (float32, radian, 0 = no data), ``.cor.tif`` (float32, 0 = no data),
    ``.unw.conncomp.tif`` (uint16, 0 = none), and ``baselines.csv`` (reference, secondary, bperp_m) if the stack has
    baselines. Missing layers are skipped.

    Parameters
    ----------
    stack
        Canonical stack with `unwrapped_phase`; read pair by pair.
    folder
        Must not exist, or must be empty.

    Returns
    -------
    list of Path
        Paths of the files.

    Raises
    ------
    StackError
        If the stack has no `unwrapped_phase` or no pair coordinates.
    StoreError
        If `folder` is a file or contains files.
    """
    if "unwrapped_phase" not in stack:
        raise StackError(f"stack: has no unwrapped_phase, only {', '.join(map(str, stack.data_vars)) or 'nothing'}")
    network, grid = network_of(stack), grid_of(stack)
    target = empty_folder(folder)
    written = []
    for k, name in enumerate(network.labels):
        for variable, (suffix, nodata) in _FILES.items():
            if variable not in stack:
                continue
            values = stack[variable].isel(pair=k).values
            if nodata is not None:
                # 0 is no-data in these files: a true zero must be changed
                values = np.where(np.isnan(values), 0, np.where(values == 0, 1e-30, values)).astype(np.float32)
            path = target / f"{name}.{suffix}.tif"
            written.append(write_geotiff(path, values, grid, nodata=nodata, units=VARIABLES[variable].units))
    if network.perpendicular_baseline is not None:
        pairs = zip(network.labels, network.perpendicular_baseline, strict=True)
        lines = [f"{name.replace('_', ',')},{baseline:.4f}\n" for name, baseline in pairs]
        written.append(target / "baselines.csv")
        written[-1].write_text("reference,secondary,bperp_m\n" + "".join(lines))
    return written


def _check(shape: tuple[int, int], n_dates: int, neighbours: int, looks: float, missing: float, *delays: float) -> None:
    if len(shape) != 2 or min(shape) < 4:
        raise ArgumentError(f"shape: {shape!r}; give (rows, columns) of at least 4 each")
    for name, value, allowed, wanted in (
        ("n_dates", n_dates, n_dates >= 2, "at least 2, to make a pair"),
        ("neighbours", neighbours, neighbours >= 1, "at least 1, to tie the dates together"),
        ("looks", looks, 1 <= looks < math.inf, "at least 1"),
        ("missing", missing, 0 <= missing < 1, "a share from 0 to less than 1"),
        *(
            (name, std, 0 <= std < 1, "a standard deviation in metres, 0 for none")
            for name, std in zip(_DELAYS, delays, strict=True)
        ),
    ):
        if not allowed:
            raise ArgumentError(f"{name}: {value!r}; must be {wanted}")


def _dataset(values: dict[str, np.ndarray], coords: dict[str, xr.DataArray]) -> xr.Dataset:
    """Return a dataset of arrays whose dimensions and attributes follow from their names."""
    variables = {}
    for name, array in values.items():
        known = VARIABLES.get(name)
        attrs = _TRUTH_ATTRS[name] if known is None else attributes(name)
        dims = known.dims if known else {1: ("time",), 2: ("y", "x"), 3: ("time", "y", "x")}[array.ndim]
        if dims[-1] == "x":
            attrs = {**attrs, "grid_mapping": "spatial_ref"}
        variables[name] = (dims, array.astype(known.dtype if known else "float32", copy=False), attrs)
    return xr.Dataset(variables, coords)


def _network(rng: np.random.Generator, n_dates: int, neighbours: int, *, annual: bool) -> tuple[Network, np.ndarray]:
    """Return the network, and the baseline of each date in metres relative to the first, shape (date,)."""
    gaps = n_dates // 8
    slots = np.arange(n_dates + gaps)
    if gaps:
        slots = np.delete(slots, rng.choice(np.arange(1, len(slots) - 1), gaps, replace=False))
    times = np.datetime64("2019-01-05", "s") + slots * np.timedelta64(12 * 86400, "s")
    baseline = rng.normal(0, 50, n_dates)
    baseline -= baseline[0]
    pairs = {(i, j) for i in range(n_dates) for j in range(i + 1, min(i + neighbours + 1, n_dates))}
    if annual:
        apart = slots[None, :] - slots[:, None]
        yearly = {(int(i), int(j)) for i, j in np.argwhere(np.abs(apart * 12 - 365) <= 6)} - pairs
        if not yearly:
            raise ArgumentError(f"annual_pairs: {n_dates} dates span less than a year; ask for at least 32")
        pairs |= yearly
    index = sorted(pairs)
    network = Network.from_pairs(
        [(times[i], times[j]) for i, j in index], [float(baseline[j] - baseline[i]) for i, j in index]
    )
    return network, baseline


def _scene(rng: np.random.Generator, shape: tuple[int, int], *, water: bool) -> _Scene:
    # u, v run from 0 to 1 over columns and rows: the same scene at any size
    v, u = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")

    def hill(row: float, col: float, radius: float) -> np.ndarray:
        return np.exp(-((u - col) ** 2 + (v - row) ** 2) / (2 * radius**2))

    texture = _smooth(rng, shape, 0.03)
    urban = np.clip(1.1 * hill(0.45, 0.52, 0.24) + 0.15 * texture + 0.08 * rng.normal(size=shape), 0, 1)
    bowls = hill(0.48, 0.58, 0.13) + 0.35 * hill(0.72, 0.25, 0.09)
    blocks = rng.uniform(-1, 1, (math.ceil(shape[0] / 6), math.ceil(shape[1] / 6)))
    houses = np.kron(blocks, np.ones((6, 6)))[: shape[0], : shape[1]]
    wet = (hill(0.2, 0.82, 0.1) + 0.05 * texture > 0.5) | (v - 0.45 * u + 0.02 * texture > 0.82)
    return _Scene(
        land=~wet if water else np.ones(shape, bool),
        urban=urban,
        velocity=-0.080 * bowls / bowls.max(),
        annual_amplitude=0.006 * hill(0.5, 0.5, 0.2),
        height_error=4 * _smooth(rng, shape, 0.08) + 12 * houses * (urban > 0.5),
        incidence_angle=36 + 6 * u,
        slant_range=850e3 + 40e3 * u,
    )


def _smooth(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Return a Gaussian field of unit variance, correlated over the fraction `scale` of the image, shape (y, x)."""
    field = gaussian_filter(rng.normal(size=shape), scale * min(shape), mode="wrap")
    return np.asarray(field / field.std())


def _displacements(scene: _Scene, network: Network, baseline: np.ndarray, screens: np.ndarray) -> dict[str, np.ndarray]:
    """Return `displacement`, `deformation`, `atmosphere` in metres, float64, (time, y, x), zero at the first date."""
    years = network.years[:, None, None]
    deformation = scene.velocity * years + scene.annual_amplitude * np.sin(2 * np.pi * years)
    atmosphere = screens - screens[0]
    per_metre = scene.height_error / (scene.slant_range * np.sin(np.radians(scene.incidence_angle)))
    height = baseline[:, None, None] * per_metre
    return {"displacement": deformation + atmosphere + height, "deformation": deformation, "atmosphere": atmosphere}


def _coherence(rng: np.random.Generator, scene: _Scene, network: Network) -> np.ndarray:
    """Return the true coherence, float32, (pair, y, x): it decays to a floor in time, linearly with the baseline.

    The floor of vegetation is low and reached in weeks, that of the city high and reached in a year; water has none.
    """
    assert network.perpendicular_baseline is not None  # noqa: S101  for the type checker; set by `_network`
    start = 0.6 + 0.37 * scene.urban
    floor = 0.12 + 0.63 * scene.urban
    days = 40 + 300 * scene.urban
    seasons = rng.uniform(0.9, 1.0, network.n_pairs)  # snow, rain: some pairs are worse than others everywhere
    coherence = np.empty((network.n_pairs, *scene.urban.shape), np.float32)
    for k, (elapsed, baseline) in enumerate(
        zip(network.temporal_baseline, network.perpendicular_baseline, strict=True)
    ):
        decay = floor + (start - floor) * np.exp(-elapsed / days)
        spatial = max(1 - abs(baseline) / _CRITICAL_BASELINE, 0.0)
        coherence[k] = seasons[k] * spatial * decay * scene.land
    return coherence


def _pair_phases(
    rng: np.random.Generator, displacement: np.ndarray, coherence: np.ndarray, network: Network, looks: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return phase (rad) and estimated coherence of each pair, float32, (pair, y, x); no noise if `looks` is None."""
    radians = displacement / metres_per_radian(WAVELENGTH)
    phase = np.empty(coherence.shape, np.float32)
    observed = coherence.copy()
    for k, (i, j) in enumerate(network.pairs):
        error: np.ndarray | float = 0.0
        if looks is not None:
            error, observed[k] = _decorrelation(rng, coherence[k], looks)
        phase[k] = radians[j] - radians[i] + error
    return phase, observed


def _decorrelation(rng: np.random.Generator, coherence: np.ndarray, looks: float) -> tuple[np.ndarray, np.ndarray]:
    """Return phase error (rad) and estimated coherence of one multilooked sample for each true coherence.

    The sum over looks of the outer products of two circular Gaussian signals is complex Wishart; by its Bartlett
    decomposition three random numbers represent all looks, whose number need not be an integer.
    """
    first = np.sqrt(rng.gamma(looks, size=coherence.shape))
    rest = rng.gamma(looks - 1, size=coherence.shape)
    normal = (rng.normal(size=coherence.shape) + 1j * rng.normal(size=coherence.shape)) / np.sqrt(2)
    lost = 1 - coherence.astype(np.float64) ** 2
    cross = coherence * first + np.sqrt(lost) * normal
    power = np.abs(cross) ** 2
    return np.angle(cross), np.sqrt(power / (power + lost * rest))
