"""Normal equations of a network of arcs, solved by conjugate gradients with a two-level preconditioner.

The diagonal of the Laplacian takes care of what differs between neighbouring points; a factor of the Laplacian of groups
of neighbouring points, of what is common to a region (Toselli and Widlund, Domain Decomposition Methods, 2005, chapter 2).
The steps hardly depend on the number of points, and the memory is that of the arcs: the factor of the whole Laplacian
needs ten times as much.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array, diags_array
from scipy.sparse.linalg import SuperLU, splu

from insarray.kernels.compiled import jit

Array = np.ndarray[Any, np.dtype[Any]]

_STEPS = 300  # usual are 8 for a relative residual of 1e-2, 26 for 1e-6, 55 for 1e-13


class Laplacian(NamedTuple):
    """Pattern of the normal matrix of the arcs between points, some of which are held at 0.

    Parameters
    ----------
    point_a, point_b
        Ends of the arcs among the free points, (arc,); -1 where a point is held.
    start, neighbour, arc
        Neighbours of each free point, and the arcs to them, in rows as of a `csr_array`.
    group
        Number of the group of each free point, (point,).
    group_pair, pair
        Pair of groups of each arc between free points, and the two groups of each pair, (2, pair).
    """

    point_a: Array
    point_b: Array
    start: Array
    neighbour: Array
    arc: Array
    group: Array
    group_pair: Array
    pair: Array

    @classmethod
    def of(cls, point_a: Array, point_b: Array, points: int, weight: Array) -> "Laplacian":
        """Return the pattern of arcs; points whose arcs have the greatest weights come into one group."""
        free = np.flatnonzero((point_a >= 0) & (point_b >= 0))
        start, neighbour, arc = _rows(point_a[free], point_b[free], points)
        group = _grouped(start, neighbour, weight[free[arc]])
        count = int(group.max(initial=-1)) + 1
        key, group_pair = np.unique(group[point_a[free]] * count + group[point_b[free]], return_inverse=True)
        pair = np.stack(np.divmod(key, max(count, 1)))
        return cls(point_a, point_b, start, neighbour, free[arc], group, group_pair, pair)

    def diagonal(self, weight: Array) -> Array:
        """Return the sums of the weights of the arcs of each free point."""
        size = self.group.size + 1  # the first counts what is held
        total = np.bincount(self.point_a + 1, weight, size) + np.bincount(self.point_b + 1, weight, size)
        return np.asarray(total[1:])

    def links(self, weight: Array) -> csr_array:
        """Return the matrix off its diagonal, with the opposite sign."""
        shape = (self.group.size, self.group.size)
        return csr_array((weight[self.arc], self.neighbour, self.start), shape=shape)

    def factor(self, weight: Array) -> SuperLU:
        """Return the sparse factor of the whole matrix."""
        return _factor((diags_array(self.diagonal(weight)) - self.links(weight)).tocsc())

    def coarse_factor(self, weight: Array, diagonal: Array) -> SuperLU:
        """Return the sparse factor of the matrix of the groups."""
        free = (self.point_a >= 0) & (self.point_b >= 0)
        total = np.bincount(self.group, diagonal)
        shape = (total.size, total.size)
        half = coo_array(
            (np.bincount(self.group_pair, weight[free], self.pair.shape[1]), tuple(self.pair)), shape=shape
        )
        return _factor((diags_array(total) - half - half.T).tocsc())

    def solve(self, weight: Array, right: Array, tolerance: float) -> Array:
        """Return the solution for a right-hand side (point,), by conjugate gradients.

        The residual becomes less than `tolerance`, relative to that of zeros, in the norm of the preconditioner.
        """
        if not right.size:
            return right.copy()
        diagonal, links = self.diagonal(weight), self.links(weight)
        coarse = self.coarse_factor(weight, diagonal)
        solution, rest = np.zeros(right.size), right.astype(np.float64)
        direction = preconditioned = rest / diagonal + coarse.solve(np.bincount(self.group, rest))[self.group]
        norm = first = _dot(rest, preconditioned)
        for _ in range(_STEPS):
            if norm <= tolerance**2 * first:
                return solution
            image = diagonal * direction - links @ direction
            length = norm / _dot(direction, image)
            solution += length * direction
            rest -= length * image
            preconditioned = rest / diagonal + coarse.solve(np.bincount(self.group, rest))[self.group]
            before, norm = norm, _dot(rest, preconditioned)
            direction = preconditioned + norm / before * direction
        return np.asarray(self.factor(weight).solve(right))  # of weights of very different sizes


def _dot(left: Array, right: Array) -> float:
    """Inner product without BLAS, whose threads would wait for one another, and whose sums depend on their number."""
    return float((left * right).sum())


def _factor(matrix: csc_array) -> SuperLU:
    """Sparse factor; its pivots are the diagonal, as the matrix is symmetric and positive definite."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


@jit
def _rows(point_a, point_b, points):
    """First entry of each point's row and one past its last; neighbours and arcs of the rows."""
    start = np.zeros(points + 1, np.int64)
    for k in range(len(point_a)):
        start[point_a[k] + 1] += 1
        start[point_b[k] + 1] += 1
    for i in range(points):
        start[i + 1] += start[i]
    at = start[:-1].copy()
    neighbour, arc = np.empty(2 * len(point_a), np.int64), np.empty(2 * len(point_a), np.int64)
    for k in range(len(point_a)):
        a, b = point_a[k], point_b[k]
        neighbour[at[a]], arc[at[a]] = b, k
        neighbour[at[b]], arc[at[b]] = a, k
        at[a] += 1
        at[b] += 1
    return start, neighbour, arc


@jit
def _grouped(start, neighbour, weight):
    """Groups of a point and all of its neighbours; points that are left join the group to which they are linked best."""
    size = len(start) - 1
    label = np.full(size, -1, np.int64)
    count = 0
    for i in range(size):
        free = label[i] < 0
        for p in range(start[i], start[i + 1]):
            free = free and label[neighbour[p]] < 0
        if free:
            label[i] = count
            for p in range(start[i], start[i + 1]):
                label[neighbour[p]] = count
            count += 1
    left = np.flatnonzero(label < 0)
    joined = np.full(len(left), -1, np.int64)
    for k in range(len(left)):
        best = -1.0
        for p in range(start[left[k]], start[left[k] + 1]):
            if label[neighbour[p]] >= 0 and weight[p] > best:
                best, joined[k] = weight[p], label[neighbour[p]]
    for k in range(len(left)):  # each has a neighbour in a group, or it would have become one
        label[left[k]] = joined[k]
    return label
