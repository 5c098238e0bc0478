"""Elimination plan of a pair network: which date goes when, and what each step has to add where.

The plan is symbolic: it depends on the pairs alone and is the same for every pixel, so it is made once per network
and the kernels only run through its lists.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

Order = Literal["time", "minimum_degree"]


class EliminationPlan(NamedTuple):
    """Star-mesh elimination of every date but the first.

    An edge joins two dates, either by a pair or by fill. Step s eliminates date ``order[s]`` whose remaining
    neighbours are rows ``neighbour_start[s]:neighbour_start[s + 1]`` of `neighbours` (date, edge to it). For its i-th
    and each later j-th neighbour (i < j), `targets` holds the edge between the two, row by row, from
    ``target_start[s]`` on.

    Parameters
    ----------
    reference, secondary
        Date index of the ends of each pair, int32, shape (pair,).
    pair_edge
        Edge of each pair, int32, shape (pair,).
    order
        Dates in order of elimination, int32, shape (date - 1,); the first date is the ground and stays.
    neighbour_start, neighbours, target_start, targets
        The lists described above, int32.
    n_edges
        Number of edges, pairs and fill together.
    """

    reference: np.ndarray
    secondary: np.ndarray
    pair_edge: np.ndarray
    order: np.ndarray
    neighbour_start: np.ndarray
    neighbours: np.ndarray
    target_start: np.ndarray
    targets: np.ndarray
    n_edges: int

    @property
    def n_dates(self) -> int:
        """Number of dates, the ground included."""
        return len(self.order) + 1

    @property
    def fill(self) -> int:
        """Number of edges that no pair has."""
        return self.n_edges - len(self.pair_edge)


def plan_elimination(pairs: np.ndarray, n_dates: int, order: Order | None = None) -> EliminationPlan:
    """Plan for a network, in latest-date-first order or by minimum degree, whichever needs fewer operations.

    Parameters
    ----------
    pairs
        Date indices (reference, secondary), int, shape (pair, 2), in either order; a pair may come twice.
    n_dates
        Number of dates.
    order
        Insist on one of the orders; for tests and comparisons.
    """
    return _cached_plan(np.ascontiguousarray(pairs, np.int32).tobytes(), n_dates, order)


@lru_cache(maxsize=16)
def _cached_plan(pairs: bytes, n_dates: int, order: Order | None) -> EliminationPlan:
    ends = np.frombuffer(pairs, np.int32).reshape(-1, 2)
    if order is not None:
        return _build(ends, n_dates, order)
    by_time, by_degree = _build(ends, n_dates, "time"), _build(ends, n_dates, "minimum_degree")
    return by_degree if len(by_degree.targets) < len(by_time.targets) else by_time


def _build(pairs: np.ndarray, n_dates: int, order: Order) -> EliminationPlan:
    edges: dict[tuple[int, int], int] = {}
    adjacent: list[set[int]] = [set() for _ in range(n_dates)]

    def edge(a: int, b: int) -> int:
        return edges.setdefault((a, b) if a < b else (b, a), len(edges))

    pair_edge = [edge(int(a), int(b)) for a, b in pairs]
    for a, b in pairs:
        adjacent[a].add(int(b))
        adjacent[b].add(int(a))
    remaining = set(range(1, n_dates))
    sequence: list[int] = []
    neighbours: list[tuple[int, int]] = []
    targets: list[int] = []
    neighbour_start, target_start = [0], [0]
    while remaining:
        # the latest date wins ties, so that nearest-neighbour networks keep their time order
        date = max(remaining) if order == "time" else min(remaining, key=lambda v: (len(adjacent[v]), -v))
        remaining.remove(date)
        near = sorted(adjacent[date], reverse=True)
        for i, u in enumerate(near):
            neighbours.append((u, edge(u, date)))
            adjacent[u].discard(date)
            for t in near[i + 1 :]:
                targets.append(edge(u, t))
                adjacent[u].add(t)
                adjacent[t].add(u)
        sequence.append(date)
        neighbour_start.append(len(neighbours))
        target_start.append(len(targets))

    def lists(values: object, *shape: int) -> np.ndarray:
        return np.array(values, np.int32).reshape(-1, *shape)

    return EliminationPlan(
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        lists(pair_edge),
        lists(sequence),
        lists(neighbour_start),
        lists(neighbours, 2),
        lists(target_start),
        lists(targets),
        len(edges),
    )
