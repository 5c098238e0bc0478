"""The published estimator of links, a dense grid as one matrix product: the reference of `periodogram`.

As described for spurt's link model, after Ferretti, Prati & Rocca (2001): the objective on a grid of velocities and
height errors, its argument maximum, and a quadratic through the 3 x 3 points around it. It finds the right peak only if
the grid is fine enough for the columns, and holds a (grid, link) array for as many links as `max_bytes` allows.
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from insarray.model.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]

_FLAT = 1e-12  # determinant of the quadratic below which it has no maximum to go to
_I, _J = (index.ravel() for index in np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"))
_QUADRATIC = np.linalg.pinv(np.stack([np.ones(9), _I, _J, _I * _I, _I * _J, _J * _J], axis=1))


class DenseEstimate(NamedTuple):
    """Result of `estimate_links_dense`, float64, (link,).

    Parameters
    ----------
    velocity, height_error
        In the units of the grids.
    coherence
        The objective there.
    """

    velocity: Array
    height_error: Array
    coherence: Array


def estimate_links_dense(
    phase: Array,
    design: Array,
    velocity_grid: Array,
    height_grid: Array,
    *,
    objective: Literal["epochs", "pairs"] = "epochs",
    dtype: type[np.complexfloating[Any, Any]] = np.complex128,
    max_bytes: int = 512_000_000,
) -> DenseEstimate:
    """Velocity and height error of every link by a dense grid and a quadratic through its highest point.

    Parameters
    ----------
    phase
        As in `periodogram.estimate_links`, without missing rows, (row, link).
    design
        Columns of time and height, (row, 2), shared by all links.
    velocity_grid, height_grid
        Equally spaced values, ascending, at least 3 each. Both ends belong to the range; the published grid lacks its upper end.
    objective
        "epochs": modulus of the sum, "pairs": its real part.
    dtype
        Of the matrix product.
    max_bytes
        Of the sums and their moduli on the grid.

    Notes
    -----
    The quadratic ``f = a + b x + c y + d x**2 + e x y + f y**2`` is fitted to the 3 x 3 points by least squares; at an edge
    of the grid the points beyond are those of the edge once more. Where ``d < 0`` and ``4 d f - e**2 > 1e-12`` its maximum
    is taken, at most a step away and inside the grid; elsewhere the grid point.
    """
    axes = [np.asarray(grid, np.float64) for grid in (velocity_grid, height_grid)]
    for name, axis in zip(("velocity_grid", "height_grid"), axes, strict=True):
        if axis.ndim != 1 or len(axis) < 3 or not (np.diff(axis) > 0).all():
            raise ArgumentError(f"{name}: at least three ascending values are needed")
    rows, links = phase.shape
    if design.shape != (rows, 2):
        raise ArgumentError(f"design: shape {design.shape}; ({rows}, 2) is needed")
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    model = np.exp(-1j * (grid @ design.T)).astype(dtype)
    size = max(1, int(max_bytes / (len(grid) * 1.5 * np.dtype(dtype).itemsize)))
    x, coherence = np.empty((2, links)), np.empty(links)
    for first in range(0, links, size):
        part = slice(first, first + size)
        total = model @ (np.exp(1j * phase[:, part]) / rows).astype(dtype)
        level = np.abs(total) if objective == "epochs" else total.real
        x[:, part] = _refine(level, axes)
        at = np.exp(1j * (phase[:, part] - design @ x[:, part])).mean(axis=0)
        coherence[part] = np.abs(at) if objective == "epochs" else at.real
    return DenseEstimate(x[0], x[1], coherence)


def _refine(level: Array, axes: list[Array]) -> Array:
    """Positions (2, link) of the maxima of the quadratics around the highest points of the grid."""
    links, shape = level.shape[1], (len(axes[0]), len(axes[1]))
    i, j = np.divmod(level.argmax(axis=0), shape[1])
    around = np.clip(i + _I[:, None], 0, shape[0] - 1) * shape[1] + np.clip(j + _J[:, None], 0, shape[1] - 1)
    _, b, c, d, e, f = _QUADRATIC @ level[around, np.arange(links)].astype(np.float64)
    determinant = 4 * d * f - e * e
    peaked = (d < 0) & (determinant > _FLAT)
    safe = np.where(peaked, determinant, 1.0)
    moves = (-(2 * f * b - e * c) / safe, -(2 * d * c - e * b) / safe)
    x = np.empty((2, links))
    for axis, index, move, out in zip(axes, (i, j), moves, x, strict=True):
        away = np.where(peaked, np.clip(move, -1, 1), 0.0) * (axis[1] - axis[0])
        out[:] = np.clip(axis[index] + away, axis[0], axis[-1])
    return x
