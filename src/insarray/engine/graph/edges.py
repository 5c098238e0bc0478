"""Edges of blocks: one for all variables, such that as little as possible is computed twice."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_BLOCK_BYTES = 64_000_000
_STEP = 32


class Cut(NamedTuple):
    """How a variable is cut along one dimension.

    Parameters
    ----------
    chunks
        Lengths of its parts.
    nbytes
        Size of the variable.
    """

    chunks: tuple[int, ...]
    nbytes: int


def is_regular(chunks: Sequence[int]) -> bool:
    """Whether all parts are as long as the first, but for the last, which may be shorter."""
    return all(size == chunks[0] for size in chunks[:-1]) and chunks[-1] <= chunks[0]


def common_edge(cuts: Sequence[Cut]) -> int:
    """Length of the parts for which the least is computed twice, up to twice the longest part of the largest variable.

    A part of a variable that lies in several of the new ones is computed for each of them: whenever a new one begins
    where no old one does. Of several equally good lengths it is the shortest.

    Parameters
    ----------
    cuts
        One of each variable, all of the same length in total.
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
    """Length of the parts of what is in memory: whole if it is small."""
    edge = max(_STEP, math.isqrt(_BLOCK_BYTES // max(1, bytes_per_pixel)) // _STEP * _STEP)
    return min(total, edge)
