"""Networks, simulated samples and the float64 LAPACK solution that every contender is checked against."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from insarray.kernels.variance import pair_weights, phase_variance_cramer_rao

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["unweighted", "unweighted-missing", "weighted", "weighted-missing"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LOOKS = 20
MISSING = 0.05


class Network(NamedTuple):
    """Pairs of dates every 12 days, and how many pixels each contender gets by default.

    Parameters
    ----------
    name
        "dates/pairs".
    pairs
        Date indices (reference, secondary), shape (pair, 2).
    n_dates
        Number of dates.
    pixels
        For insarray and for the peers' one-matrix paths.
    per_pixel
        For MintPy's pixel-by-pixel path.
    censored
        For dolphin's path of missing samples.
    weighted
        For dolphin's weighted path.
    """

    name: str
    pairs: Array
    n_dates: int
    pixels: int
    per_pixel: int
    censored: int
    weighted: int


class Samples(NamedTuple):
    """What all contenders of a case are given.

    Parameters
    ----------
    network
        The pairs.
    phase
        Radians, float32, NaN where missing, shape (pair, pixel).
    weights
        1 / rad^2, float32, finite everywhere, shape (pair, pixel); or None.
    """

    network: Network
    phase: Array
    weights: Array | None

    def part(self, start: int, stop: int) -> "Samples":
        """Pixels start to stop, as contiguous arrays of their own."""
        weights = None if self.weights is None else self.weights[:, start:stop].copy()
        return Samples(self.network, self.phase[:, start:stop].copy(), weights)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.phase.shape[1])

    @property
    def missing(self) -> bool:
        """Whether any sample is missing."""
        return bool(np.isnan(self.phase).any())


def nearest(n_dates: int, neighbours: int, skip: int = 0) -> Array:
    """Pairs of each date with its next `neighbours` dates, and the first `skip` pairs one step longer."""
    pairs = [(i, i + k) for k in range(1, neighbours + 1) for i in range(n_dates - k)]
    pairs += [(i, i + neighbours + 1) for i in range(skip)]
    return np.array(sorted(pairs), np.int32)


def networks() -> list[Network]:
    """The three networks of the table."""
    return [
        Network("30/90", nearest(30, 3, 6), 30, 131_072, 2_048, 16_384, 2_048),
        Network("100/300", nearest(100, 3, 6), 100, 65_536, 512, 4_096, 256),
        Network("100/945", nearest(100, 10), 100, 32_768, 256, 2_048, 128),
    ]


def simulate(network: Network, kind: Kind, pixels: int, seed: int = 0) -> Samples:
    """Random-walk series with noise by coherence, in float32.

    Parameters
    ----------
    network
        Pairs to simulate.
    kind
        Whether there are weights (1 / variance of the phase of a distributed scatterer) and missing samples.
    pixels
        Number of pixels.
    seed
        Of the random generator.
    """
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((network.n_dates, pixels), np.float32)
    series = np.cumsum(0.5 * steps, axis=0, dtype=np.float32)
    phase = series[network.pairs[:, 1]] - series[network.pairs[:, 0]]
    coherence = rng.random(phase.shape, np.float32) * np.float32(0.7) + np.float32(0.25)
    for row, g in zip(phase, coherence, strict=True):
        row += np.sqrt(phase_variance_cramer_rao(g, LOOKS)) * rng.standard_normal(pixels, np.float32)
    if kind.endswith("missing"):
        phase[rng.random(phase.shape, np.float32) < MISSING] = np.nan
    weights = pair_weights(coherence, "variance", LOOKS) if kind.startswith("weighted") else None
    return Samples(network, phase, weights)


def lapack_series(samples: Samples, pixels: int) -> Array:
    """Phase of each date by float64 LAPACK least squares, pixel by pixel; NaN for pixels with a broken network.

    Parameters
    ----------
    samples
        The case.
    pixels
        How many of its first pixels to solve.
    """
    pairs, n = samples.network.pairs, samples.network.n_dates
    design = np.zeros((len(pairs), n))
    design[np.arange(len(pairs)), pairs[:, 1]] = 1.0
    design[np.arange(len(pairs)), pairs[:, 0]] = -1.0
    series = np.full((n, pixels), np.nan)
    for k in range(pixels):
        use = ~np.isnan(samples.phase[:, k])
        root = np.ones(use.sum()) if samples.weights is None else np.sqrt(samples.weights[use, k].astype(np.float64))
        observed = samples.phase[use, k].astype(np.float64) * root
        solution, _, rank, _ = np.linalg.lstsq(design[use, 1:] * root[:, None], observed, rcond=None)
        if rank == n - 1:
            series[0, k], series[1:, k] = 0.0, solution
    return series
