"""What overlapping tiles say of each other: whole cycles by vote, and the levels that agree with them best."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack
from scipy.sparse.csgraph import breadth_first_order, connected_components

from insarray.model.errors import InsarrayError

Array = np.ndarray
TURN = 2 * np.pi


def count_cycles(first: Array, second: Array) -> tuple[Array, Array]:
    """Whole cycles by which two unwrapped phases of the same pixels differ, by the vote of the pixels.

    Parameters
    ----------
    first, second
        Radians, (epoch, pixel), finite, of at least one pixel; they differ by whole cycles.

    Returns
    -------
    cycles
        The most frequent number of cycles of `first` minus `second`, int64, (epoch,); of equally frequent ones the least.
    votes
        How many pixels have it, int64, (epoch,).
    """
    whole = np.rint((first.astype(np.float64) - second) / TURN).astype(np.int64)
    cycles, votes = np.zeros((2, len(whole)), np.int64)
    for e, row in enumerate(whole):
        values, number = np.unique(row, return_counts=True)
        cycles[e], votes[e] = values[np.argmax(number)], number.max()
    return cycles, votes


def components(edges: Array, tiles: int) -> Array:
    """Which tiles hang together, int64 (tile,): 0 is the group of the most tiles."""
    graph = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(tiles, tiles))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(-np.bincount(label), kind="stable")
    return np.argsort(order)[label].astype(np.int64)


def tie_cycles(edges: Array, cycles: Array, votes: Array, tiles: int) -> tuple[Array, Array]:
    """Whole cycles of each tile that agree with the overlaps best, and consistently round every loop of tiles.

    Per epoch the sum of ``votes |level_a - level_b - cycles|`` over the overlaps is least. The matrix of a network is
    totally unimodular, so the linear program has a solution in whole numbers (Ahuja, Magnanti and Orlin, Network Flows,
    1993, section 11.12).

    Parameters
    ----------
    edges
        Tiles a and b of each overlap, (edge, 2).
    cycles, votes
        Of `count_cycles`, (epoch, edge).
    tiles
        Their number.

    Returns
    -------
    level
        Cycles to be subtracted from each tile, int64, (epoch, tile); 0 for the first tile of each group.
    unmet
        Number of overlaps that disagree with the levels, int64, (epoch,).
    """
    level = _along_trees(edges, cycles, tiles)
    unmet = _disagree(edges, cycles, level)
    for e in np.flatnonzero(unmet.any(axis=1)):
        level[e] = _least_cost(edges, cycles[e], votes[e], tiles)
    return level, _disagree(edges, cycles, level).sum(axis=1)


def tie_levels(edges: Array, difference: Array, weight: Array, tiles: int) -> Array:
    """Level of each tile, to be subtracted, by weighted least squares of the differences a minus b; (tile,).

    The first tile of each group of tiles has the level 0.
    """
    group = components(edges, tiles)
    _, first = np.unique(group, return_index=True)
    free = np.setdiff1d(np.arange(tiles), first)
    level = np.zeros(tiles)
    if free.size:
        root = np.sqrt(weight)
        design = _incidence(edges, tiles).toarray()[:, free] * root[:, None]
        level[free] = np.linalg.lstsq(design, difference * root, rcond=None)[0]
    return level


def _incidence(edges: Array, tiles: int) -> csr_array:
    number = np.arange(len(edges))
    rows, columns = np.concatenate([number, number]), np.concatenate([edges[:, 0], edges[:, 1]])
    values = np.concatenate([np.ones(len(edges)), -np.ones(len(edges))])
    return csr_array(coo_array((values, (rows, columns)), shape=(len(edges), tiles)))


def _disagree(edges: Array, cycles: Array, level: Array) -> Array:
    return np.asarray(level[:, edges[:, 0]] - level[:, edges[:, 1]] != cycles)


def _along_trees(edges: Array, cycles: Array, tiles: int) -> Array:
    """Sums of cycles along a tree of each group of tiles, from its first tile."""
    level = np.zeros((len(cycles), tiles), np.int64)
    number = {(a, b): (k, 1) for k, (a, b) in enumerate(edges.tolist())}
    number |= {(b, a): (k, -1) for k, (a, b) in enumerate(edges.tolist())}
    graph = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(tiles, tiles))
    _, roots = np.unique(components(edges, tiles), return_index=True)
    for root in roots:
        order, before = breadth_first_order(graph, root, directed=False)
        for tile in order[1:]:
            k, sign = number[int(tile), int(before[tile])]
            level[:, tile] = level[:, before[tile]] + sign * cycles[:, k]
    return level


def _least_cost(edges: Array, cycles: Array, votes: Array, tiles: int) -> Array:
    """Whole levels of one epoch by a linear program: level_a - level_b - more + less = cycles, more and less >= 0."""
    number = len(edges)
    unit = csr_array((np.ones(number), (np.arange(number),) * 2), shape=(number, number))
    matrix = hstack([_incidence(edges, tiles), -unit, unit], format="csr")
    _, first = np.unique(components(edges, tiles), return_index=True)
    bounds = [(0, 0) if tile in set(first.tolist()) else (None, None) for tile in range(tiles)]
    cost = np.concatenate([np.zeros(tiles), votes, votes]).astype(np.float64)
    found = linprog(cost, A_eq=matrix, b_eq=cycles, bounds=bounds + [(0, None)] * (2 * number), method="highs-ds")
    if found.x is None:
        raise InsarrayError(f"tiles: their overlaps cannot be made to agree ({found.message})")
    return np.rint(found.x[:tiles]).astype(np.int64)
