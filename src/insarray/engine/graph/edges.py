"""Choose block edges common to all variables that minimise repeated computation."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_BLOCK_BYTES = 64_000_000
_STEP = 32


class Cut(NamedTuple):
    """Chunks of one variable along one dimension.

    Parameters
    ----------
    chunks
        Chunk lengths.
    nbytes
        Size of the variable in bytes.
    """

    chunks: tuple[int, ...]
    nbytes: int


def is_regular(chunks: Sequence[int]) -> bool:
    """Return whether all chunks have the same length, except the last, which may be shorter."""
    return all(size == chunks[0] for size in chunks[:-1]) and chunks[-1] <= chunks[0]


def common_edge(cuts: Sequence[Cut]) -> int:
    """Return the chunk length that minimises repeated computation, up to twice the longest of the largest variable.

    An old chunk that overlaps several new ones is computed once for each of them: whenever a new chunk begins where no
    old one does. Among equally good lengths, the shortest is returned.

    Parameters
    ----------
    cuts
        One per variable, all with the same total length.
    """
    if len({cut.chunks for cut in cuts}) == 1 and is_regular(cuts[0].chunks):
        return cuts[0].chunks[0]
    total = sum(cuts[0].chunks)
    largest = max(cuts, key=lambda cut: cut.nbytes)
    edges = np.arange(1, min(total, 2 * max(largest.chunks)) + 1)
    cost = np.zeros(len(edges))
    for cut in cuts:
        begins = np.cumsum(cut.chunks)[:-1]
        kept = (begins % edges[:, None] == 0).sum(axis=1)
        cost += cut.nbytes / len(cut.chunks) * (-(-total // edges) - 1 - kept)
    return int(edges[np.argmin(cost)])


def default_edge(total: int, bytes_per_pixel: int) -> int:
    """Return the chunk length for arrays in memory: the total if it is small."""
    edge = max(_STEP, math.isqrt(_BLOCK_BYTES // max(1, bytes_per_pixel)) // _STEP * _STEP)
    return min(total, edge)
