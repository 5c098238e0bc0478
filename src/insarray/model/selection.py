"""Select pairs of a network: pure functions from a network to a boolean per pair."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from insarray.model.arguments import Duration, as_list, days, number, whole
from insarray.model.dates import Time, as_time, date_label
from insarray.model.errors import ArgumentError, NetworkError
from insarray.model.network import Network


def select(
    network: Network,
    *,
    max_temporal_baseline: Duration | None = None,
    max_perpendicular_baseline: float | None = None,
    max_neighbours: int | None = None,
    exclude_dates: Iterable[Time] = (),
    exclude_pairs: Iterable[str | Sequence[Time]] = (),
    min_coherence: float | None = None,
    coherence: np.ndarray | None = None,
) -> np.ndarray:
    """Return the pairs that pass all limits, boolean, shape (pair,).

    Parameters
    ----------
    network
        Network to select from.
    max_temporal_baseline
        Maximum in days, or as a timedelta.
    max_perpendicular_baseline
        Maximum absolute value in metres.
    max_neighbours
        Keep pairs whose secondary is among this number of next dates after the reference.
    exclude_dates, exclude_pairs
        Dates and pairs to exclude; they must exist in the network, to detect typing errors.
    min_coherence
        Exclude pairs whose mean `coherence`, shape (pair,), is lower, except those of the spanning tree with the
        highest coherence, so that the network stays connected.

    Raises
    ------
    ArgumentError
        If a date or pair to exclude does not exist, or `coherence` is needed and missing.
    NetworkError
        If baselines are needed and unknown.
    """
    keep = np.ones(network.n_pairs, bool)
    if max_temporal_baseline is not None:
        keep &= network.temporal_baseline <= days("max_temporal_baseline", max_temporal_baseline)
    if max_perpendicular_baseline is not None:
        if network.perpendicular_baseline is None:
            raise NetworkError("max_perpendicular_baseline: the stack has no perpendicular baselines; give them first")
        limit = number("max_perpendicular_baseline", max_perpendicular_baseline)
        keep &= np.abs(network.perpendicular_baseline) <= limit
    if max_neighbours is not None:
        keep &= network.secondary - network.reference <= whole("max_neighbours", max_neighbours)
    keep &= ~np.isin(network.pairs, _date_indices(network, exclude_dates)).any(axis=1)
    keep[_pair_indices(network, exclude_pairs)] = False
    if min_coherence is not None:
        if coherence is None or coherence.shape != keep.shape:
            raise ArgumentError("min_coherence: needs the mean coherence of every pair")
        keep &= (coherence >= min_coherence) | _spanning_tree(network, coherence, keep)
    return keep


def _date_indices(network: Network, dates: Iterable[Time]) -> list[int]:
    known = {date_label(time): k for k, time in enumerate(network.times)}
    known |= {str(time.astype("datetime64[D]")).replace("-", ""): k for k, time in enumerate(network.times)}
    labels = [date_label(as_time(date)) for date in as_list("exclude_dates", dates)]
    missing = [label for label in labels if label not in known]
    if missing:
        raise ArgumentError(f"exclude_dates: {', '.join(missing)} not among the {network.n_dates} dates of the network")
    return [known[label] for label in labels]


def _pair_indices(network: Network, pairs: Iterable[str | Sequence[Time]]) -> list[int]:
    known = {label: k for k, label in enumerate(network.labels)}
    wanted = as_list("exclude_pairs", pairs)
    labels = Network.from_pairs(wanted).labels if wanted else []
    missing = [label for label in labels if label not in known]
    if missing:
        raise ArgumentError(f"exclude_pairs: {', '.join(missing)} not among the {network.n_pairs} pairs of the network")
    return [known[label] for label in labels]


def _spanning_tree(network: Network, coherence: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the pairs of the spanning forest with the highest coherence among `candidates`, boolean, shape (pair,)."""
    cost = 2.0 - np.clip(np.nan_to_num(coherence[candidates]), 0.0, 1.0)  # > 0: scipy treats zero as "no edge"
    pairs = network.pairs[candidates]
    shape = (network.n_dates, network.n_dates)
    tree = minimum_spanning_tree(coo_matrix((cost, (pairs[:, 0], pairs[:, 1])), shape)).tocoo()
    chosen = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    in_tree = np.array([(int(i), int(j)) in chosen for i, j in network.pairs])
    return np.asarray(in_tree & candidates)
