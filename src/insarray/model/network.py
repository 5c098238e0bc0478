"""Network: the pairs of a stack as a graph whose nodes are acquisition times."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from insarray.model.arguments import as_list
from insarray.model.dates import Time, as_time, date_label, years_since
from insarray.model.errors import ArgumentError, NetworkError

MOST_DATES = np.iinfo(np.uint16).max + 1
"""The pairs of a date are counted in 16 bits."""


@dataclass(frozen=True, eq=False)
class Network:
    """Network of pairs of acquisitions; immutable, and cheap to send to workers.

    Create it with `Network.from_pairs`, which sorts and checks.

    Parameters
    ----------
    times
        Acquisition times in ascending order, ``datetime64[s]``, shape (date,).
    pairs
        Indices of the reference and of the later secondary date of each pair, int32, shape (pair, 2).
    perpendicular_baseline
        Metres, secondary minus reference, shape (pair,); None if unknown.

    See Also
    --------
    insarray.plot.network : plot dates and pairs.
    insarray.select_pairs : select pairs.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> network = stack.insar.network
    >>> network.n_dates, network.n_pairs, network.n_components
    (6, 12, 1)
    >>> network.labels[0]
    '20190105_20190117'
    """

    times: np.ndarray
    pairs: np.ndarray
    perpendicular_baseline: np.ndarray | None = None

    def __post_init__(self) -> None:
        for array in (self.times, self.pairs, self.perpendicular_baseline):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def from_pairs(
        cls, pairs: Iterable[str | Sequence[Time]], perpendicular_baseline: Iterable[float] | None = None
    ) -> "Network":
        """Create a network from ``"20200101_20200113"`` strings or (reference, secondary) times.

        Parameters
        ----------
        pairs
            Pairs with the reference first, which must be earlier than the secondary: for products with the newer date
            first, dates and phase must be reversed together (the readers do).
        perpendicular_baseline
            Metres, one per pair.

        Raises
        ------
        NetworkError
            If a pair is reversed, has the same date twice, or is repeated, or there are no pairs.
        ArgumentError
            If a date is invalid, or the number of baselines differs from the number of pairs.
        """
        dates = np.array([_ends(pair) for pair in pairs], dtype="datetime64[s]").reshape(-1, 2)
        if len(dates) == 0:
            raise NetworkError("pairs: found none; a network needs at least one pair")
        for reference, secondary in dates[dates[:, 0] >= dates[:, 1]]:
            raise NetworkError(
                f"pair {date_label(reference)}_{date_label(secondary)}: the reference must be earlier than the secondary"
            )
        labels = [f"{date_label(reference)}_{date_label(secondary)}" for reference, secondary in dates]
        double = [label for label, count in Counter(labels).items() if count > 1]
        if double:
            raise NetworkError(f"pairs: {', '.join(double[:5])} given more than once; keep one of each")
        times, index = np.unique(dates, return_inverse=True)
        if len(times) > MOST_DATES:
            raise NetworkError(f"pairs: of {len(times)} dates; at most {MOST_DATES} can be counted, give fewer")
        baseline = None
        if perpendicular_baseline is not None:
            baseline = np.array(list(perpendicular_baseline), dtype=np.float64)
            if baseline.shape != (len(dates),):
                raise ArgumentError(f"perpendicular_baseline: {baseline.size} values for {len(dates)} pairs")
        return cls(times, index.reshape(-1, 2).astype(np.int32), baseline)

    # -- identity -----------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        a, b = self.perpendicular_baseline, other.perpendicular_baseline
        same_baseline = a is b or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True))
        return same_baseline and np.array_equal(self.times, other.times) and np.array_equal(self.pairs, other.pairs)

    def __hash__(self) -> int:
        return hash((self.times.tobytes(), self.pairs.tobytes()))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        baseline = self.perpendicular_baseline
        return "Network", self.times.tobytes(), self.pairs.tobytes(), None if baseline is None else baseline.tobytes()

    def __repr__(self) -> str:
        first, last = date_label(self.times[0]), date_label(self.times[-1])
        return f"<Network {self.n_dates} dates {first}..{last}, {self.n_pairs} pairs, {self.n_components} component(s)>"

    def _repr_html_(self) -> str:
        from insarray.model.notebook import network_page

        return network_page(self)

    # -- sizes and times ----------------------------------------------------------------------------------------

    @property
    def n_dates(self) -> int:
        """Number of acquisition times."""
        return len(self.times)

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    @property
    def reference(self) -> np.ndarray:
        """Index of each pair's reference date, int32."""
        return self.pairs[:, 0]

    @property
    def secondary(self) -> np.ndarray:
        """Index of each pair's secondary date, int32."""
        return self.pairs[:, 1]

    @property
    def labels(self) -> list[str]:
        """``YYYYMMDD_YYYYMMDD`` of each pair."""
        return [f"{date_label(self.times[i])}_{date_label(self.times[j])}" for i, j in self.pairs]

    @property
    def years(self) -> np.ndarray:
        """Years (365.25 days) of each date since the first, float64."""
        return years_since(self.times, self.times[0])

    @property
    def temporal_baseline(self) -> np.ndarray:
        """Days from reference to secondary, float64, shape (pair,)."""
        seconds = (self.times[self.secondary] - self.times[self.reference]).astype(np.float64)
        return np.asarray(seconds / 86400.0)

    # -- graph ----------------------------------------------------------------------------------------------------

    def incidence(self) -> np.ndarray:
        """Return the incidence matrix, int8, shape (pair, date): -1 at the reference, +1 at the secondary."""
        matrix = np.zeros((self.n_pairs, self.n_dates), np.int8)
        rows = np.arange(self.n_pairs)
        matrix[rows, self.reference] = -1
        matrix[rows, self.secondary] = 1
        return matrix

    def components(self) -> np.ndarray:
        """Return the connected component of each date, numbered 0, 1, ... by first date; shape (date,)."""
        links = coo_matrix((np.ones(self.n_pairs), (self.reference, self.secondary)), (self.n_dates, self.n_dates))
        labels = connected_components(links, directed=False)[1]
        _, first = np.unique(labels, return_index=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return np.asarray(rank[labels])

    @property
    def n_components(self) -> int:
        """Number of connected components; 1 if every date is connected to the first."""
        return int(self.components().max()) + 1

    def require_connected(self, remedy: str) -> None:
        """Raise NetworkError that lists the components and ends with `remedy`, if there are several."""
        labels = self.components()
        if labels.max() == 0:
            return
        pieces = [self.times[labels == k] for k in range(labels.max() + 1)]
        text = "; ".join(f"{len(p)} dates {date_label(p[0])}..{date_label(p[-1])}" for p in pieces)
        raise NetworkError(f"network: the pairs fall into {len(pieces)} unconnected pieces ({text}); {remedy}")

    def redundancy(self) -> np.ndarray:
        """Return the number of pairs at each date, shape (date,)."""
        return np.bincount(self.pairs.ravel(), minlength=self.n_dates)

    def triplets(self) -> np.ndarray:
        """Return the pairs (ij, jk, ik) of every closed triangle i < j < k, int32, shape (triplet, 3).

        Its closure phase is ``phase[ij] + phase[jk] - phase[ik]``.
        """
        index = {(int(i), int(j)): k for k, (i, j) in enumerate(self.pairs)}
        later: dict[int, list[int]] = {}
        for i, j in sorted(index):
            later.setdefault(i, []).append(j)
        found = [
            (ij, index[j, k], index[i, k])
            for (i, j), ij in sorted(index.items())
            for k in later.get(j, ())
            if (i, k) in index
        ]
        return np.array(found, np.int32).reshape(-1, 3)

    def loops(self) -> np.ndarray:
        """Return the fundamental loops, int8, shape (loop, pair): ``loops @ phase`` is zero for a consistent stack.

        There is one loop for each pair outside a breadth-first spanning forest; every other loop is a sum of these.
        """
        parent, depth, up = self._spanning_forest()
        outside = np.setdiff1d(np.arange(self.n_pairs), up[up >= 0])
        matrix = np.zeros((len(outside), self.n_pairs), np.int8)
        for row, pair in zip(matrix, outside, strict=True):
            row[pair] = 1
            a, b = (int(v) for v in self.pairs[pair])  # path from b back to a in the forest
            while a != b:
                if depth[b] >= depth[a]:
                    row[up[b]] += -1 if self.secondary[up[b]] == b else 1
                    b = parent[b]
                else:
                    row[up[a]] += 1 if self.secondary[up[a]] == a else -1
                    a = parent[a]
        return matrix

    def _spanning_forest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return parent date, depth, and pair to the parent of each date (-1 at roots), breadth first."""
        neighbours: list[list[tuple[int, int]]] = [[] for _ in range(self.n_dates)]
        for pair, (i, j) in enumerate(self.pairs):
            neighbours[i].append((int(j), pair))
            neighbours[j].append((int(i), pair))
        parent, depth, up = (np.full(self.n_dates, -1, np.int64) for _ in range(3))
        for root in range(self.n_dates):
            if depth[root] >= 0:
                continue
            depth[root] = 0
            queue = deque([root])
            while queue:
                date = queue.popleft()
                for other, pair in neighbours[date]:
                    if depth[other] < 0:
                        parent[other], depth[other], up[other] = date, depth[date] + 1, pair
                        queue.append(other)
        return parent, depth, up

    # -- baselines ----------------------------------------------------------------------------------------------

    def date_baselines(self) -> tuple[np.ndarray, np.ndarray]:
        """Invert the perpendicular baselines of pairs to dates by least squares, and return their misfit.

        Returns
        -------
        baseline
            Metres of each date relative to the first date of its component, shape (date,).
        misclosure
            Given minus modelled baseline of each pair in metres, shape (pair,).

        Raises
        ------
        NetworkError
            If baselines are unknown or not finite.
        """
        given = self.perpendicular_baseline
        if given is None:
            raise NetworkError("perpendicular_baseline: the network has none; give one per pair")
        if not np.isfinite(given).all():
            label = self.labels[int(np.flatnonzero(~np.isfinite(given))[0])]
            raise NetworkError(f"perpendicular_baseline: pair {label} has no finite value")
        baseline = self.closing() @ given
        return baseline, given - self.incidence() @ baseline

    def closing(self) -> np.ndarray:
        """Return the least-squares matrix from pairs to dates, (date, pair), zero at each component's first date."""
        free = np.ones(self.n_dates, bool)
        free[np.unique(self.components(), return_index=True)[1]] = False
        matrix = np.zeros((self.n_dates, self.n_pairs))
        matrix[free] = np.linalg.pinv(self.incidence()[:, free].astype(np.float64))
        return matrix

    # -- subsets --------------------------------------------------------------------------------------------------

    def subset(self, keep: np.ndarray) -> "Network":
        """Return the network of the pairs where `keep`, boolean (pair,), is True; dates without pairs are dropped.

        Raises
        ------
        NetworkError
            If no pair is kept.
        """
        if not keep.any():
            raise NetworkError("selection: no pair is left; relax the limits")
        pairs = self.pairs[keep]
        used, index = np.unique(pairs, return_inverse=True)
        baseline = self.perpendicular_baseline
        return Network(
            self.times[used],
            index.reshape(-1, 2).astype(np.int32),
            None if baseline is None else baseline[keep],
        )


def _ends(pair: str | Sequence[Time]) -> tuple[np.datetime64, np.datetime64]:
    ends = pair.split("_") if isinstance(pair, str) else as_list("pair", pair)
    if len(ends) != 2:
        raise ArgumentError(f"pair: {pair!r} is not two dates; write it as 20200101_20200113 or give two times")
    return as_time(ends[0]), as_time(ends[1])
