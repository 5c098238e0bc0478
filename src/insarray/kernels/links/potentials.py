"""Values of points from the differences over arcs between them, by one weighted system for the whole network.

The normal matrix is the Laplacian of the network. Values are found by conjugate gradients; the variances of the points, if
asked for, are entries of its inverse on the pattern of its sparse factor (Takahashi, Fagan and Chen, 8th PICA Conference,
1973), which needs most of time and memory.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU

from insarray.kernels.compiled import jit
from insarray.kernels.links.two_level import Laplacian
from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]

HUBER = 1.345
"""Standard errors beyond which an arc counts linearly: 95 % efficiency for Gaussian errors (Huber, 1981, chapter 1)."""

_OUTSIDE = 0.5  # share of its reweighted curvature that an arc beyond `HUBER` is given: between IRLS (1) and Newton (0)
_EXACT, _INNER = 1e-13, 1e-2  # relative residuals of the linear systems: of least squares, of a robust step


class Potentials(NamedTuple):
    """What `integrate` returns, float64 unless said otherwise.

    Parameters
    ----------
    value
        In the unit of the differences, (quantity, point), relative to the datum; NaN where no used arc ends.
    std
        Standard error relative to the datum, (quantity, point), if the arcs' errors are independent; NaN without `errors`.
    component
        Label of the connected component of each point, int64, (point,): 1 is the largest, 0 where no used arc ends.
    residual
        Difference less that of the values, (quantity, arc); NaN where the arc is not used.
    iterations
        Reweighted steps, int64, (quantity,); 0 for least squares.
    converged
        Whether the steps came to their end before `max_iterations`, (quantity,).
    """

    value: Array
    std: Array
    component: Array
    residual: Array
    iterations: Array
    converged: Array


class _Network(NamedTuple):
    """Used arcs and the points that are solved for: those of a component, but for one of each that is held at 0."""

    free: Array
    incidence: csr_array
    transposed: csr_array
    laplacian: Laplacian


def integrate(
    point_a: Array,
    point_b: Array,
    difference: Array,
    std: Array,
    points: int,
    *,
    robust: bool = True,
    reference: int | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 100,
    errors: bool = True,
) -> Potentials:
    """Values of the points whose differences fit those of the arcs best, weighted by 1 / variance.

    Parameters
    ----------
    point_a, point_b
        Index of the two ends, integers, (arc,).
    difference
        Value at b minus value at a, (quantity, arc). An arc with NaN in any quantity is not used.
    std
        Standard error of the differences in their unit, (quantity, arc), above 0; an arc with NaN or infinity in any
        quantity is not used.
    points
        Number of points.
    robust
        Huber's estimate instead of least squares: arcs count linearly beyond `HUBER` standard errors, so `std` must be
        right as a whole and not only relatively.
    reference
        Point whose value is 0 in its component. In the other components, and without it in all, the mean of the points
        is 0, each weighted by the sum of the final weights of its arcs: bad points hardly move it.
    tolerance
        Steps end when their mean square over the points, in squared standard errors, is below. Points with hardly a
        good arc come to rest last and may then still be some standard errors off.
    max_iterations
        Steps after which a quantity is left unconverged.
    errors
        Compute the standard errors: they take several times the time and ten times the memory of the values.

    Notes
    -----
    A robust step solves the normal equations with the residuals' bounded influence on the right by conjugate gradients,
    and goes to the minimum of Huber's function along its direction.

    The standard errors follow from the final weights, by which the arcs are down-weighted too. They suppose that errors
    of different arcs are independent. The noise of a point is common to all its arcs and does not average out over
    them, so that where it prevails they are too small, by a factor of 2 on links of simulated points and more on
    networks with more arcs.

    Raises
    ------
    ArgumentError
        If shapes, indices or standard errors are not as above.
    """
    _check(point_a, point_b, difference, std, points, reference)
    used = np.isfinite(difference).all(axis=0) & np.isfinite(std).all(axis=0)
    a, b = point_a[used], point_b[used]
    component = _components(a, b, points)
    network = _network(a, b, component, reference, std[0, used].astype(np.float64) ** -2)
    quantities = len(difference)
    result = Potentials(
        np.full((quantities, points), np.nan),
        np.full((quantities, points), np.nan),
        component,
        np.full(difference.shape, np.nan),
        np.zeros(quantities, np.int64),
        np.ones(quantities, bool),
    )
    if not used.any():
        return result
    for q in range(quantities):
        data, sigma = difference[q, used].astype(np.float64), std[q, used].astype(np.float64)
        weight = sigma**-2
        solution = network.laplacian.solve(weight, network.transposed @ (data * weight), _EXACT)
        if robust:
            solution, result.iterations[q], result.converged[q] = _huber(
                network, data, sigma, solution, tolerance, max_iterations
            )
            weight = _reweighted((data - network.incidence @ solution) / sigma, 1.0) / sigma**2
        factor = network.laplacian.factor(weight) if errors else None
        value, error = _with_datum(network, factor, solution, weight, component, a, b, reference)
        result.value[q], result.std[q] = value, error
        result.residual[q, used] = data - (value[b] - value[a])
    return result


def _check(point_a: Array, point_b: Array, difference: Array, std: Array, points: int, reference: int | None) -> None:
    if difference.ndim != 2 or std.shape != difference.shape:
        raise ArgumentError(f"difference, std: shapes {difference.shape} and {std.shape} are not (quantity, arc)")
    if point_a.shape != difference.shape[1:] or point_b.shape != point_a.shape:
        raise ArgumentError(
            f"point_a, point_b: shapes {point_a.shape} and {point_b.shape} for {difference.shape[1]} arcs"
        )
    ends = np.stack([point_a, point_b])
    if ends.size and not (ends.min() >= 0 and ends.max() < points):
        raise ArgumentError(f"point_a, point_b: {ends.min()} to {ends.max()} for {points} points")
    if (point_a == point_b).any():
        raise ArgumentError(f"point_a, point_b: arc {int(np.argmax(point_a == point_b))} has one point at both ends")
    if (std <= 0).any():
        raise ArgumentError(f"std: {np.nanmin(std)} is not above 0; infinity or NaN leaves an arc out")
    if reference is not None and not 0 <= reference < points:
        raise ArgumentError(f"reference: {reference!r} is not the index of one of {points} points")


def _components(a: Array, b: Array, points: int) -> Array:
    """Label of each point: 1 for the largest component, of equals the one with the first point; 0 for a lone point."""
    _, label = connected_components(coo_array((np.ones(a.size), (a, b)), shape=(points, points)), directed=False)
    _, first, index, size = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(size.size, np.int64)
    rank[np.lexsort((first, -size))] = np.arange(1, size.size + 1)
    return np.where(size > 1, rank, 0)[index]


def _network(a: Array, b: Array, component: Array, reference: int | None, weight: Array) -> _Network:
    held = np.zeros(component.size, bool)
    held[np.unique(component, return_index=True)[1]] = True
    if reference is not None:
        held[component == component[reference]] = False
        held[reference] = True
    free = np.flatnonzero((component > 0) & ~held)
    arc = np.arange(a.size)
    rows, columns = np.concatenate([arc, arc]), np.concatenate([a, b])
    signs = np.repeat([-1.0, 1.0], a.size)
    incidence = csr_array((signs, (rows, columns)), shape=(a.size, component.size))[:, free]
    number = np.full(component.size, -1, np.int64)
    number[free] = np.arange(free.size)
    laplacian = Laplacian.of(number[a], number[b], free.size, weight)
    return _Network(free, incidence, incidence.T.tocsr(), laplacian)


def _reweighted(scaled: Array, outside: float) -> Array:
    """Weights of residuals in standard errors: 1 up to `HUBER`, beyond it `outside` times HUBER / |residual|."""
    size = np.abs(scaled)
    return np.where(size > HUBER, outside * HUBER / np.maximum(size, HUBER), 1.0)


def _huber(
    network: _Network,
    data: Array,
    sigma: Array,
    solution: Array,
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, int, bool]:
    """Huber's estimate from the least squares `solution` on: values, steps, whether they came to their end."""
    for iteration in range(1, max_iterations + 1):
        scaled = (data - network.incidence @ solution) / sigma
        gradient = network.transposed @ (np.clip(scaled, -HUBER, HUBER) / sigma)
        step = network.laplacian.solve(_reweighted(scaled, _OUTSIDE) / sigma**2, gradient, _INNER)
        solution = solution + step * _length(scaled, network.incidence @ step / sigma, HUBER)
        if gradient @ step <= tolerance * network.free.size:
            return solution, iteration, True
    return solution, max_iterations, False


@jit
def _length(scaled, change, bound):
    """Length of the step, at most 64, at which Huber's function is least: bisection of its slope, which is monotone."""
    low, high = 0.0, 1.0
    while high < 64.0 and _falls(scaled, change, bound, high):
        low, high = high, 2.0 * high
    for _ in range(12):
        middle = (low + high) / 2.0
        if _falls(scaled, change, bound, middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


@jit
def _falls(scaled, change, bound, length):
    slope = 0.0
    for k in range(len(scaled)):
        slope += change[k] * min(max(scaled[k] - length * change[k], -bound), bound)
    return slope > 0.0


def _with_datum(
    network: _Network,
    factor: SuperLU | None,
    solution: Array,
    weight: Array,
    component: Array,
    a: Array,
    b: Array,
    reference: int | None,
) -> tuple[Array, Array]:
    """Values and, with a factor, standard errors of all points relative to the datum, NaN where there is none.

    The datum of a component is a mean c'x, so var(x_i - c'x) = Z_ii - 2 (Z c)_i + c'Z c with Z the inverse Laplacian.
    """
    points = component.size
    share: Array = np.bincount(a, weight, points) + np.bincount(b, weight, points)
    if reference is not None:
        own = component == component[reference]
        share[own] = np.arange(points)[own] == reference
    total = np.bincount(component, share)
    share = share / np.where(total > 0, total, 1.0)[component]
    value, variance, cross = np.zeros((3, points))
    value[network.free] = solution
    inside = component > 0
    value = np.where(inside, value - np.bincount(component, share * value)[component], np.nan)
    if factor is None:
        return value, np.full(points, np.nan)
    variance[network.free] = _inverse_diagonal(factor)
    cross[network.free] = factor.solve(share[network.free])
    square = np.bincount(component, share * cross)[component]
    error = np.sqrt(np.maximum(variance - 2 * cross + square, 0.0))
    return value, np.where(inside, error, np.nan)


def _inverse_diagonal(factor: SuperLU) -> Array:
    """Diagonal of the inverse of a symmetric matrix from its factors L D L'."""
    lower = factor.L
    lower.sort_indices()
    return np.asarray(_selected(lower.indptr, lower.indices, lower.data, factor.U.diagonal())[factor.perm_c])


@jit
def _selected(start, row, lower, pivot):
    """Diagonal of Z = (L D L')^-1 by Z = D^-1 L^-1 + (1 - L') Z, column by column from the last; Z on the pattern of L."""
    size = len(pivot)
    inverse = np.zeros(len(lower))
    place = np.zeros(size, np.int64)  # 1 + position of a row in the column being computed
    total = np.zeros(size)
    for j in range(size - 1, -1, -1):
        first, last = start[j] + 1, start[j + 1]
        for p in range(first, last):
            place[row[p]] = p - first + 1
            total[p - first] = 0.0
        for p in range(first, last):
            k, factor = row[p], lower[p]
            own = factor * inverse[start[k]]
            for q in range(start[k] + 1, start[k + 1]):
                other = place[row[q]]
                if other > 0:  # Z of two rows of this column
                    total[other - 1] += factor * inverse[q]
                    own += lower[first + other - 1] * inverse[q]
            total[p - first] += own
        diagonal = 1.0 / pivot[j]
        for p in range(first, last):
            inverse[p] = -total[p - first]
            diagonal += lower[p] * total[p - first]
            place[row[p]] = 0
        inverse[start[j]] = diagonal
    return inverse[start[:-1]]
