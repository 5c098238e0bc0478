"""Coarse lattices of nodes at multiples of a step, so that a crop of an image has the same nodes, and what lies between."""

import numpy as np


def nodes(values: np.ndarray, step: float) -> np.ndarray:
    """Multiples of `step` about all values, ascending, at least two."""
    first = int(np.floor(values.min() / step))
    last = max(int(np.ceil(values.max() / step)), first + 1)
    return np.arange(first, last + 1) * step


def between(values: np.ndarray, axes: tuple[np.ndarray, np.ndarray], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bilinear interpolation.

    Parameters
    ----------
    values
        At the nodes, (..., node of y, node of x).
    axes
        Coordinates of the nodes, evenly spaced and ascending.
    y, x
        Coordinates of rows and columns, within the nodes.

    Returns
    -------
    numpy.ndarray
        (..., row, col), float64.
    """
    (i, down), (j, right) = (_cells(at, axis) for at, axis in zip((y, x), axes, strict=True))
    rows = values[..., i, :] * (1 - down)[:, None] + values[..., i + 1, :] * down[:, None]
    found: np.ndarray = rows[..., j] * (1 - right) + rows[..., j + 1] * right
    return found


def _cells(at: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First node of the cell of each coordinate, and its place in the cell from 0 to 1."""
    step = axis[1] - axis[0]
    position = np.asarray(at, np.float64) / step - np.round(axis[0] / step)
    first = np.clip(np.floor(position).astype(np.intp), 0, len(axis) - 2)
    return first, position - first
