"""Whole cycles between the connected components of one unwrapped interferogram, measured over the shortest bridges."""

from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.spatial import Delaunay

from insarray.kernels.biweight import TO_DEVIATION
from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]

STATES = ("main", "joined", "undecided", "small")
"""Meanings of `Bridges.state` 0, 1, 2, 3."""


class Bridges(NamedTuple):
    """What `bridge_cycles` returns.

    Parameters
    ----------
    label
        Labels that occur, ascending, uint16, (component,).
    cycles
        Whole cycles to add to the component so that it continues the main one, int64, (component,); 0 where it is not
        joined, so look at `state` too.
    state
        Index into `STATES`, uint8, (component,): the main component; joined to it; undecided, as a bridge on the way
        to it is; small, with too few pixels to be joined.
    pair
        Labels that a bridge joins, the one nearer to main in the tree first, uint16, (bridge, 2); from main outwards.
    ends
        Row and column of its two ends, int64, (bridge, 2, 2).
    distance
        Its length in pixels, float64, (bridge,).
    step
        Phase of the second component minus phase of the first, in cycles, before rounding, float64, (bridge,).
    deviation
        Distance of `step` from a whole number: 0 exact, 0.5 undecidable, float64, (bridge,).
    """

    label: Array
    cycles: Array
    state: Array
    pair: Array
    ends: Array
    distance: Array
    step: Array
    deviation: Array


def bridge_cycles(
    phase: Array,
    labels: Array,
    *,
    main: int | None = None,
    radius: int = 50,
    min_pixels: int = 100,
    tolerance: float = 0.25,
    slope: bool = True,
) -> Bridges:
    """Whole cycles that join the components, along the minimum spanning tree of the distances between them.

    Parameters
    ----------
    phase
        Unwrapped phase (rad), (row, column); what is not finite is missing and belongs to no component.
    labels
        Connected components, integers, (row, column); 0 = not unwrapped.
    main
        Label that the others are to continue; by default the one with most pixels, of equals the one that comes first
        in the image.
    radius
        Phases are compared in squares of this many pixels to each side of the bridge's ends.
    min_pixels
        Components of fewer pixels are left alone and do not serve as stepping stones. The main one may be smaller.
    tolerance
        Largest deviation (cycles) of a step from a whole number. A bridge beyond it is left alone, with all that hangs
        on it. With the default an accepted step is wrong only if its error is over 0.75, three times what is accepted.
    slope
        Whether to take out the slope that the two squares have in common. The medians belong to places that are apart,
        so a ramp makes a step of its own.

    Notes
    -----
    The idea of bridges is from Yunjun, Fattahi and Amelung (Computers & Geosciences 133, 2019).
    If several pixel pairs of two components are nearest, the bridge is the middle one in row-major order. Of equally
    long bridges the one with the first end goes first. Label numbers decide nothing but the order of the bridges.

    Raises
    ------
    ArgumentError
        If the shapes, the labels' type or range, or an option are not as above, or no phase has the label `main`.
    """
    _check(phase, labels, radius, min_pixels, tolerance)
    labels = labels.astype(np.uint16)
    own = np.where(np.isfinite(phase), labels, np.uint16(0))
    size = np.bincount(own.ravel(), minlength=2**16)
    size[0] = 0
    if main is not None and not (isinstance(main, int | np.integer) and 0 < main < size.size and size[main]):
        some = " ".join(str(k) for k in np.flatnonzero(size)[:10])
        raise ArgumentError(f"main: no pixel with a phase has the label {main!r}; first labels found: {some or 'none'}")
    if main is None and size.any():
        main = int(own.flat[np.argmax((size == size.max())[own])])

    joinable = size >= min_pixels
    state = np.full(size.size, STATES.index("small"), np.uint8)
    if main is not None:
        joinable[main] = True
        state[main] = STATES.index("main")
    own[~joinable[own]] = 0
    cycles = np.zeros(size.size, np.int64)
    pairs, ends, steps = [], [], []
    for a, b, end in _tree(own, main):
        near, far = (_window(phase, own, place, radius) for place in end)
        step = _step(*near, *far, slope=slope)
        decided = state[a] != STATES.index("undecided") and abs(step - np.rint(step)) <= tolerance
        state[b] = STATES.index("joined" if decided else "undecided")
        cycles[b] = cycles[a] - int(np.rint(step)) if decided else 0
        pairs.append((a, b))
        ends.append(end)
        steps.append(step)

    label = np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
    label = label[label > 0].astype(np.uint16)
    place = np.array(ends, np.int64).reshape(-1, 2, 2)
    found = np.array(steps, np.float64)
    return Bridges(
        label=label,
        cycles=cycles[label],
        state=state[label],
        pair=np.array(pairs, np.uint16).reshape(-1, 2),
        ends=place,
        distance=np.hypot(*(place[:, 1] - place[:, 0]).T),
        step=found,
        deviation=np.abs(found - np.rint(found)),
    )


def _check(phase: Array, labels: Array, radius: int, min_pixels: int, tolerance: float) -> None:
    if phase.ndim != 2 or phase.dtype.kind != "f":
        raise ArgumentError(f"phase: {phase.dtype} of shape {phase.shape} is not an image of real numbers")
    if labels.shape != phase.shape:
        raise ArgumentError(f"labels: shape {labels.shape} differs from the phase's {phase.shape}")
    if labels.dtype.kind not in "iu":
        raise ArgumentError(f"labels: {labels.dtype} is not an integer type")
    if labels.size and not (labels.min() >= 0 and labels.max() < 2**16):
        raise ArgumentError(f"labels: {labels.min()} to {labels.max()} is outside 0 to 65535")
    for name, value in (("radius", radius), ("min_pixels", min_pixels)):
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ArgumentError(f"{name}: {value!r} is not a whole number of at least 1")
    if not 0 < tolerance <= 0.5:
        raise ArgumentError(f"tolerance: {tolerance!r} is not a number of cycles above 0 and up to 0.5")


def _tree(own: Array, main: int | None) -> list[tuple[int, int, Array]]:
    """Bridges of the minimum spanning tree from `main` outwards: label, next label, ends of shape (2, 2).

    The closed disk whose diameter is such a bridge holds no other pixel of a component, which would be nearer to both.
    So all bridges of all minimum spanning trees are edges of every Delaunay triangulation of the components' pixels.
    """
    flat = np.flatnonzero(_rims(own))
    names, index = np.unique(own.flat[flat], return_inverse=True)
    if names.size < 2:
        return []
    points = np.stack(np.divmod(flat, own.shape[1]), axis=1)
    far = 2 * max(own.shape)  # corners so far out that they are in no such disk; with them nothing is collinear
    corners = np.array([(-far, -far), (-far, 2 * far), (2 * far, -far), (2 * far, 2 * far)])
    triangles = np.sort(Delaunay(np.concatenate([points, corners])).simplices.astype(np.int64), axis=1)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])
    edges = edges[edges[:, 1] < flat.size]
    edges = edges[index[edges[:, 0]] != index[edges[:, 1]]]
    edges = np.stack(np.divmod(np.unique(edges @ [flat.size, 1]), flat.size), axis=1)  # in row-major order of the ends
    squared = ((points[edges[:, 0]] - points[edges[:, 1]]) ** 2).sum(axis=1)

    sides = np.sort(index[edges], axis=1)
    key = sides @ [names.size, 1]
    order = np.argsort(key, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
    shortest = [group[squared[group] == squared[group].min()] for group in groups]
    best = np.array([group[(group.size - 1) // 2] for group in shortest])
    best = best[np.lexsort((best, squared[best]))]
    rank = csr_array((np.arange(1.0, best.size + 1), sides[best].T), shape=(names.size, names.size))
    tree = minimum_spanning_tree(rank)
    walk, before = breadth_first_order(tree, np.flatnonzero(names == main)[0], directed=False)
    bridges = []
    for k in walk[1:]:
        edge = edges[best[int(tree[min(k, before[k]), max(k, before[k])]) - 1]]
        ends = points[edge if index[edge[1]] == k else edge[::-1]]
        bridges.append((int(names[before[k]]), int(names[k]), ends))
    return bridges


def _rims(own: Array) -> Array:
    """Pixels of components at ground between components; holes within one component do not count."""
    ground, count = ndimage.label(own == 0, np.ones((3, 3)))
    low, high = np.full(count + 1, 2**16 - 1, np.uint16), np.zeros(count + 1, np.uint16)
    around = np.pad(own, 1)
    for i, j in np.ndindex(3, 3):
        there = around[i : i + own.shape[0], j : j + own.shape[1]]
        touch = (own == 0) & (there > 0)
        np.minimum.at(low, ground[touch], there[touch])
        np.maximum.at(high, ground[touch], there[touch])
    filled = np.where(own > 0, own, np.where(low == high, low, 0)[ground])
    rim = np.zeros(own.shape, bool)
    for axis in range(2):
        line, differ = rim.swapaxes(0, axis), np.diff(filled.swapaxes(0, axis), axis=0) != 0
        line[1:] |= differ
        line[:-1] |= differ
    return rim & (own > 0)


def _window(phase: Array, own: Array, end: Array, radius: int) -> tuple[Array, Array]:
    """Phase and position of the pixels around a bridge's end that are of its component."""
    top, left = (max(int(v) - radius, 0) for v in end)
    box = np.s_[top : end[0] + radius + 1, left : end[1] + radius + 1]
    inside = own[box] == own[end[0], end[1]]
    return phase[box][inside].astype(np.float64), np.argwhere(inside) + np.array([top, left], np.float64)


def _step(near: Array, near_at: Array, far: Array, far_at: Array, *, slope: bool) -> float:
    """Cycles from the median of one window to that of the other, both brought to one place by the common slope."""
    gradient = _gradient((near, far), (near_at, far_at)) if slope else np.zeros(2)
    return float(np.median(far - far_at @ gradient) - np.median(near - near_at @ gradient)) / (2 * np.pi)


def _gradient(values: tuple[Array, Array], positions: tuple[Array, Array]) -> Array:
    """Slope (rad per row, per column) that two windows have in common, each with a level of its own.

    Least squares, repeated without what is more than 3 standard deviations off (by the median absolute deviation). In
    a direction in which the windows' pixels spread less than a tenth as far as in the other it is left 0.
    """
    kept = [np.ones(v.size, bool) for v in values]
    gradient = np.zeros(2)
    for _ in range(5):
        x = np.concatenate([at[k] - at[k].mean(axis=0) for at, k in zip(positions, kept, strict=True)])
        y = np.concatenate([v[k] - v[k].mean() for v, k in zip(values, kept, strict=True)])
        gradient = np.linalg.lstsq(x, y, rcond=0.1)[0]
        rest = [v - at @ gradient for v, at in zip(values, positions, strict=True)]
        off = [np.abs(r - np.median(r)) for r in rest]
        limit = 3 * TO_DEVIATION * np.median(np.concatenate(off)) + 1e-9
        if not all((o <= limit).any() for o in off):
            break
        kept = [o <= limit for o in off]
    return gradient
