"""Unwrapping of the phases of points, epoch by epoch: the cheapest whole cycles on arcs that let all triangles close.

Minimum cost flow on the dual of a triangulation (Costantini, IEEE TGRS 36, 1998), of gradients that may be guided by a
model. All is done in whole cycles, so that nothing is left to rounding.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from insarray.kernels.links.arcs import Arcs, Triangulation
from insarray.model.errors import ArgumentError, InsarrayError

Array = np.ndarray[Any, np.dtype[Any]]

TURN = 2 * np.pi

_LARGEST_COST = 1000  # whole number that the highest cost becomes
_ARCS = 16_384  # at a time, as phasors of all epochs are 16 bytes
_COHERENT = 0.999  # coherence above which more of it is not more weight


class UnwrappedPoints(NamedTuple):
    """What `unwrap_points` returns.

    Parameters
    ----------
    phase
        Radians, (epoch, point), relative to the reference point; differs from the wrapped differences to it by whole
        cycles. Of the dtype of the input.
    cycles
        Whole cycles that were added to the arcs' gradients, int64, (epoch, arc).
    residues
        Triangles whose gradients did not close before, int64, (epoch,).
    """

    phase: Array
    cycles: Array
    residues: Array


def unwrap_points(
    phase: Array,
    triangulation: Triangulation,
    guide: Array | None = None,
    *,
    cost: Array | None = None,
    reference: int = 0,
) -> UnwrappedPoints:
    """Unwrapped phase of points relative to a reference point, with the least cost of cycles added to arcs.

    Parameters
    ----------
    phase
        Wrapped or not, radians, (epoch, point), finite: only its value modulo 2 pi counts.
    triangulation
        Of these points, from `delaunay`.
    guide
        Phase of b minus phase of a that a model predicts, radians, (epoch, arc), finite. The gradient of an arc is the
        one nearest to it; 0 without a guide, so that gradients are at most half a cycle.
    cost
        Of a cycle on each arc, (arc,), at least 0; by default all cost the same. Costs are rounded to thousandths of
        the highest and are at least that, so that no loop of cycles is free.
    reference
        Index of the point whose phase becomes 0.

    Notes
    -----
    The solution is a global minimum, in general one of several.

    Raises
    ------
    ArgumentError
        If shapes differ, values are not finite, a cost is negative or there is no such reference point.
    InsarrayError
        If OR-tools is not installed, or does not find the optimum.
    """
    arcs = triangulation.arcs
    points = phase.shape[1]
    _check(phase, triangulation, guide, cost, reference)
    wrapped = phase.astype(np.float64)
    whole = _whole_cycles(wrapped, arcs, guide)
    left = _circulation(whole, triangulation)
    prices = np.ones(arcs.point_a.size) if cost is None else cost
    cycles = _cheapest_cycles(left, triangulation, prices)
    level = _along_tree(whole + cycles, arcs, points, reference)
    unwrapped = wrapped - wrapped[:, [reference]] + TURN * level
    return UnwrappedPoints(unwrapped.astype(phase.dtype), cycles, np.count_nonzero(left, axis=1))


def _whole_cycles(wrapped: Array, arcs: Arcs, guide: Array | None) -> Array:
    """Cycles (epoch, arc) that make the differences of the phases the gradients nearest to the guide."""
    predicted = 0.0 if guide is None else guide
    cycles: Array = np.rint((predicted - (wrapped[:, arcs.point_b] - wrapped[:, arcs.point_a])) / TURN)
    return cycles.astype(np.int64)


def _check(phase: Array, triangulation: Triangulation, guide: Array | None, cost: Array | None, reference: int) -> None:
    points, arcs = phase.shape[1], triangulation.arcs
    if arcs.point_a.size and int(arcs.point_b.max()) + 1 != points:
        raise ArgumentError(f"phase: {points} points, but the triangulation has {int(arcs.point_b.max()) + 1}")
    for name, values, shape in (
        ("phase", phase, phase.shape),
        ("guide", guide, (len(phase), arcs.point_a.size)),
        ("cost", cost, arcs.point_a.shape),
    ):
        if values is not None and values.shape != shape:
            raise ArgumentError(f"{name}: shape {values.shape} is not {shape}")
        if values is not None and not np.isfinite(values).all():
            raise ArgumentError(f"{name}: not finite; leave such points or epochs out")
    if cost is not None and (cost < 0).any():
        raise ArgumentError(f"cost: {cost.min()} is below 0")
    if not 0 <= reference < points:
        raise ArgumentError(f"reference: {reference!r} is not the index of one of {points} points")


def _circulation(whole: Array, triangulation: Triangulation) -> Array:
    """Whole cycles round each triangle, counter-clockwise, (epoch, triangle); of wrapped gradients the residues.

    The phases themselves cancel in the sum.
    """
    total: Array = (whole[:, triangulation.side] * triangulation.direction).sum(axis=2)
    return total


def _cheapest_cycles(left: Array, triangulation: Triangulation, cost: Array) -> Array:
    """Cycles (epoch, arc) that take the `left` cycles out of all triangles at the least cost.

    A cycle on an arc adds 1 to the triangle that passes it from a to b and takes 1 from that on its other side: it
    carries a unit from there to here. What is outside all triangles, the last node, takes or gives what is over.
    """
    triangles, arcs = triangulation.side.shape[0], cost.size
    cycles = np.zeros((len(left), arcs), np.int64)
    if not left.any():
        return cycles
    solver = flow_module()
    ahead, behind = (np.full(arcs, triangles, np.int64) for _ in range(2))
    for node, direction in ((ahead, 1), (behind, -1)):
        triangle, corner = np.nonzero(triangulation.direction == direction)
        node[triangulation.side[triangle, corner]] = triangle
    top = cost.max(initial=0.0)
    price = np.maximum(np.rint(cost * (_LARGEST_COST / top if top > 0 else 0.0)), 1).astype(np.int64)
    nodes = np.arange(triangles + 1)
    for e in np.flatnonzero(left.any(axis=1)):
        flow = solver.SimpleMinCostFlow()
        capacity = np.full(arcs, np.abs(left[e]).sum())
        forward = flow.add_arcs_with_capacity_and_unit_cost(behind, ahead, capacity, price)
        backward = flow.add_arcs_with_capacity_and_unit_cost(ahead, behind, capacity, price)
        flow.set_nodes_supplies(nodes, np.append(left[e], -left[e].sum()))
        status = flow.solve()
        cycles[e] = flow.flows(forward) - flow.flows(backward)
        if status != flow.OPTIMAL or (left[e] + _circulation(cycles[[e]], triangulation)[0]).any():
            raise InsarrayError(f"unwrapping: epoch {e}: OR-tools found no flow that closes all triangles ({status})")
    return cycles


def flow_module() -> Any:
    """OR-tools, which is optional and slow to import."""
    try:
        return import_module("ortools.graph.python.min_cost_flow")
    except ImportError:
        raise InsarrayError('unwrapping needs OR-tools: pip install "insarray[unwrap]"') from None


def _along_tree(whole: Array, arcs: Arcs, points: int, root: int) -> Array:
    """Sums of whole cycles along the paths of a breadth-first tree from the root to every point, (epoch, point)."""
    graph = csr_array((np.ones(arcs.point_a.size), arcs), shape=(points, points))
    order, before = (v.astype(np.int64) for v in breadth_first_order(graph, root, directed=False))
    child, parent = order[1:], before[order[1:]]
    key = arcs.point_a * points + arcs.point_b
    arc = np.searchsorted(key, np.minimum(child, parent) * points + np.maximum(child, parent))
    sign = np.where(parent < child, 1, -1)
    place = np.empty(points, np.int64)
    place[order] = np.arange(points)
    level = np.zeros((points, len(whole)), np.int64)  # in the order of the walk, in which parents' places never fall
    step = whole.T[arc] * sign[:, None]
    start, parents = 1, place[parent]
    while start < points:
        end = 1 + int(np.searchsorted(parents, start))  # children of all that is known
        level[start:end] = level[parents[start - 1 : end - 1]] + step[start - 1 : end - 1]
        start = end
    return level[place].T


def common_phase(rest: Array) -> tuple[Array, Array]:
    """Constant that fits the epochs of each arc best, and how well.

    In phases that are relative to one epoch it is what that epoch's noise and atmosphere leave in all the others. With
    the difference that a model predicts it is the guide of `unwrap_points`, and its quality the cost.

    Parameters
    ----------
    rest
        Phase of b minus phase of a less what a model predicts, wrapped or not, radians, (epoch, arc), finite.

    Returns
    -------
    constant
        Radians within (-pi, pi], (arc,).
    coherence
        Length of the mean phasor of the rest, (arc,), 0 to 1.
    """
    mean = np.exp(1j * rest).mean(axis=0)
    return np.angle(mean), np.abs(mean)


def surroundings(phase: Array, model: Array, arcs: Arcs) -> Array:
    """Phase of what surrounds each point, to be subtracted from its own before its model is estimated once more.

    The mean over its arcs of the neighbours' phases less their models, each brought to the level of the point by the
    mean over the epochs, and weighted by 1 / variance, ``2 g^2 / (1 - g^4)`` with the coherence g of the arc. It holds
    atmosphere and the noise of the reference epoch, but of the neighbours' own noise only little: what is left of a
    point's phase has about half the variance of the difference over an arc.

    Parameters
    ----------
    phase
        Wrapped, radians, (epoch, point); NaN: missing.
    model
        Predicted phase of the points, radians, (epoch, point), up to a constant of each point. A point where it is NaN
        does not count as a neighbour.
    arcs
        From each point to several near it, as from `nearest`.

    Returns
    -------
    Array
        Radians within (-pi, pi], (epoch, point); 0 where nothing is known of the neighbours.
    """
    points = phase.shape[1]
    rest = np.exp(1j * (phase - model))
    known = np.isfinite(rest)
    rest[~known] = 0.0
    mean = np.empty(arcs.point_a.size, np.complex128)
    for start in range(0, mean.size, _ARCS):
        a, b = (end[start : start + _ARCS] for end in arcs)
        number = np.count_nonzero(known[:, a] & known[:, b], axis=0)
        mean[start : start + _ARCS] = (rest[:, b] * rest[:, a].conj()).sum(axis=0) / np.maximum(number, 1)
    size = np.abs(mean)
    square = np.minimum(size, _COHERENT) ** 2
    weight = csr_array(
        (mean * 2 * square / (1 - square**2) / np.where(size > 0, size, 1), arcs), shape=(points, points)
    )
    return np.asarray(np.angle(rest @ weight + rest @ weight.conj().T))
