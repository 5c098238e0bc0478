"""Networks and samples with known truth, and the independent solutions the kernels are compared with."""

import numpy as np

from insarray.model.network import Network

START = np.datetime64("2020-01-01")


def nearest(dates: int, neighbours: int, *, step: int = 12) -> Network:
    """Every date with its next `neighbours` dates."""
    times = START + np.arange(dates) * np.timedelta64(step, "D")
    return Network.from_pairs(
        [(times[i], times[j]) for i in range(dates) for j in range(i + 1, min(dates, i + neighbours + 1))]
    )


def random_network(rng: np.random.Generator, dates: int, pairs: int) -> Network:
    """Irregular dates, a random spanning tree and random further pairs, long ones included."""
    times = START + np.cumsum(rng.integers(1, 60, dates)).astype("timedelta64[D]")
    chosen = {tuple(sorted((int(rng.integers(0, k)), k))) for k in range(1, dates)}
    every = [(i, j) for i in range(dates) for j in range(i + 1, dates)]
    for k in rng.permutation(len(every))[: max(0, pairs - len(chosen))]:
        chosen.add(every[k])
    return Network.from_pairs([(times[i], times[j]) for i, j in sorted(chosen)])


def samples(rng: np.random.Generator, network: Network, pixels: int, *, noise: float = 0.3, missing: float = 0.0):
    """Phase of the pairs (pair, pixel) float32 and the true series (date, pixel)."""
    truth = np.cumsum(rng.normal(size=(network.n_dates, pixels)), axis=0)
    truth -= truth[0]
    phase = truth[network.secondary] - truth[network.reference] + noise * rng.normal(size=(network.n_pairs, pixels))
    phase[rng.random(phase.shape) < missing] = np.nan
    return phase.astype(np.float32), truth


def pieces(network: Network, valid: np.ndarray) -> np.ndarray:
    """`network_subset` of one pixel, by repeated search: slow and obvious."""
    label = np.zeros(network.n_dates, int)
    seen = {int(d) for d in network.pairs[valid].ravel()}
    name = 1
    for first in range(network.n_dates):
        if first not in seen or label[first]:
            continue
        if first > 0:
            name += 1
        group = {first}
        while True:
            more = {int(d) for i, j in network.pairs[valid] if {int(i), int(j)} & group for d in (i, j)}
            if more <= group:
                break
            group |= more
        label[sorted(group)] = 1 if first == 0 else name
    return label


def lapack(network: Network, phase: np.ndarray, weights: np.ndarray | None = None):
    """Least squares of one pixel by LAPACK's SVD, piece by piece: values, standard deviations, residuals, labels."""
    valid = np.isfinite(phase)
    w = np.ones(len(phase)) if weights is None else weights.astype(float)
    valid &= np.isfinite(w) & (w > 0)
    label = pieces(network, valid)
    design = network.incidence().astype(float)
    values, std = np.full(network.n_dates, np.nan), np.full(network.n_dates, np.nan)
    for piece in range(1, label.max() + 1):
        dates = np.flatnonzero(label == piece)
        if len(dates) == 0:
            continue
        rows = valid & (label[network.reference] == piece)
        root = np.sqrt(w[rows])
        matrix = design[np.ix_(rows, dates[1:])] * root[:, None]
        values[dates[0]] = std[dates[0]] = 0.0
        values[dates[1:]] = np.linalg.lstsq(matrix, phase[rows].astype(float) * root, rcond=None)[0]
        std[dates[1:]] = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))
    residual = np.where(valid, phase - (values[network.secondary] - values[network.reference]), np.nan)
    return values, std, residual, label
