"""Loops: closed paths of pairs in a network, along which the phases of a consistent stack sum to zero."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, NetworkError
from insarray.model.network import Network

LoopKind = Literal["triplets", "fundamental"] | int
"""Kind of loops: all triangles; one for each pair outside a spanning tree; or all chordless loops up to a length."""

LONGEST = 6
"""Maximum length of chordless loops, whose number grows rapidly with the length."""

MOST_LOOPS = np.iinfo(np.uint16).max
"""Counts of loops are stored in 16 bits."""


@dataclass(frozen=True, eq=False)
class Loops:
    """Loops of a network as sequences of sides, one pair each; immutable, and cheap to send to workers.

    Parameters
    ----------
    dates
        Index of the date at which each side begins, int32, shape (loop, side). The earliest date of a loop is first.
        Shorter loops are padded with their first date.
    pairs
        Pair of each side, int32, shape (loop, side); padded with -1.
    signs
        int8, shape (loop, side): +1 if the side runs from reference to secondary, -1 if it runs backwards, padded with
        0. The closure of a loop is the sum of ``signs * phase[pairs]``.
    """

    dates: np.ndarray
    pairs: np.ndarray
    signs: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.dates, self.pairs, self.signs):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.pairs)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return "Loops", self.pairs.shape, self.pairs.tobytes(), self.signs.tobytes()

    def labels(self, network: Network) -> list[str]:
        """Return ``YYYYMMDD_YYYYMMDD_...`` of each loop: its dates in the order of the path."""
        names = [date_label(time) for time in network.times]
        return [
            "_".join(names[date] for date, sign in zip(dates, signs, strict=True) if sign)
            for dates, signs in zip(self.dates, self.signs, strict=True)
        ]


def find_loops(network: Network, kind: LoopKind = "triplets") -> Loops:
    """Find the loops of `network`.

    Parameters
    ----------
    network
        Network of pairs.
    kind
        "triplets": every triangle i < j < k, traversed i, j, k, in the order of `Network.triplets`. A number from 3 to
        6: every loop of up to that many pairs which no other pair shortcuts (3 is "triplets"). "fundamental": those of
        `Network.loops`, a minimal generating set, of any length.

    Raises
    ------
    ArgumentError
        If `kind` is none of these.
    NetworkError
        If there is no such loop, or there are more than 65535.
    """
    if kind == "fundamental":
        cycles = _fundamental(network)
    elif kind == "triplets" or (isinstance(kind, int) and not isinstance(kind, bool) and 3 <= kind <= LONGEST):
        cycles = list(_without_shortcut(network, 3 if kind == "triplets" else int(kind)))
    else:
        raise ArgumentError(f"loops: {kind!r} is not 'triplets', 'fundamental' or a length from 3 to {LONGEST}")
    if not cycles:
        raise NetworkError(_none(network, kind))
    if len(cycles) > MOST_LOOPS:
        raise NetworkError(
            f"loops: {len(cycles)} loops are more than {MOST_LOOPS}; take loops='fundamental', or fewer pairs with "
            "select_pairs (--max-neighbours)"
        )
    return _sides(network, cycles)


def _none(network: Network, kind: LoopKind) -> str:
    beyond = network.n_pairs - network.n_dates + network.n_components
    if beyond == 0:
        return f"loops: the {network.n_pairs} pairs close no loop, so nothing can be compared; add pairs"
    return (
        f"loops: the {network.n_pairs} pairs close no loop of the kind {kind!r}, but {beyond} longer ones; "
        "use loops 'fundamental', or a length"
    )


def _neighbours(network: Network) -> list[set[int]]:
    neighbours: list[set[int]] = [set() for _ in range(network.n_dates)]
    for i, j in network.pairs.tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    return neighbours


def _without_shortcut(network: Network, longest: int) -> Iterator[list[int]]:
    """Yield the dates of every chordless cycle of at most `longest` pairs once, from the smallest date and smaller end.

    A path is extended by dates adjacent only to its last one, and closed by a date also adjacent to the first one.
    """
    neighbours = _neighbours(network)

    def grow(path: list[int]) -> Iterator[list[int]]:
        first, inner, last = path[0], path[1:-1], path[-1]
        for date in sorted(neighbours[last]):
            if date <= first or date in path or any(date in neighbours[other] for other in inner):
                continue
            if date in neighbours[first]:
                if date > path[1]:
                    yield [*path, date]
            elif len(path) + 1 < longest:
                yield from grow([*path, date])

    for first in range(network.n_dates):
        for second in sorted(date for date in neighbours[first] if date > first):
            yield from grow([first, second])


def _fundamental(network: Network) -> list[list[int]]:
    """Return the dates of the fundamental loops, smallest first, then its smaller neighbour."""
    cycles = []
    for row in network.loops():
        links: dict[int, list[int]] = {}
        for i, j in network.pairs[row != 0].tolist():
            links.setdefault(i, []).append(j)
            links.setdefault(j, []).append(i)
        cycle = [min(links), min(links[min(links)])]
        while len(cycle) < len(links):
            one, other = links[cycle[-1]]
            cycle.append(other if one == cycle[-2] else one)
        cycles.append(cycle)
    return cycles


def _sides(network: Network, cycles: list[list[int]]) -> Loops:
    number = {(int(i), int(j)): k for k, (i, j) in enumerate(network.pairs)}
    shape = len(cycles), max(len(cycle) for cycle in cycles)
    dates, pairs, signs = np.zeros(shape, np.int32), np.full(shape, -1, np.int32), np.zeros(shape, np.int8)
    for n, cycle in enumerate(cycles):
        dates[n] = cycle[0]
        dates[n, : len(cycle)] = cycle
        for side, (a, b) in enumerate(zip(cycle, [*cycle[1:], cycle[0]], strict=True)):
            pairs[n, side], signs[n, side] = number[min(a, b), max(a, b)], 1 if a < b else -1
    return Loops(dates, pairs, signs)
