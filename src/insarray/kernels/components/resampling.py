"""Maps sampled at the pixels of another grid."""

import math

import numpy as np

from insarray.kernels.compiled import jit


def sample(values: np.ndarray, rows: np.ndarray, cols: np.ndarray, *, smooth: bool) -> np.ndarray:
    """Values at positions between pixels; NaN outside, and where the nearest pixel has none.

    Parameters
    ----------
    values
        float32 (layer, row, col), NaN = none.
    rows, cols
        float64 positions, both (y, x), or (y,) and (x,) where rows depend on y alone and columns on x; whole numbers are
        the centres of the pixels.
    smooth
        Interpolate between the four pixels around, of which those without a value are left out; else the nearest pixel.
    """
    straight = rows.ndim == 1
    shape = (len(rows), len(cols)) if straight else rows.shape
    found = np.full((len(values), *shape), np.nan, np.float32)
    if straight and not smooth:
        inside = [
            np.flatnonzero((at >= -0.5) & (at < size - 0.5))
            for at, size in zip((rows, cols), values.shape[1:], strict=True)
        ]
        row, col = (np.floor(at[of] + 0.5).astype(np.intp) for at, of in zip((rows, cols), inside, strict=True))
        if row.size and col.size:
            part = slice(inside[0][0], inside[0][-1] + 1), slice(inside[1][0], inside[1][-1] + 1)
            found[:, part[0], part[1]] = _picked(_picked(values, row, 1), col, 2)
        return found
    if straight:
        rows, cols = np.meshgrid(rows, cols, indexing="ij")
    _sample(values, rows, cols, smooth, found)
    return found


def _picked(values: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """Rows or columns; no copy where they follow each other."""
    if index[-1] - index[0] == len(index) - 1 and (np.diff(index) == 1).all():
        return values[(slice(None),) * axis + (slice(index[0], index[-1] + 1),)]
    return values.take(index, axis=axis)


@jit
def _sample(values, rows, cols, smooth, found):
    layers, height, width = values.shape
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row, col = rows[i, j], cols[i, j]
            if not (-0.5 <= row < height - 0.5 and -0.5 <= col < width - 0.5):  # positions that are NaN, too
                continue
            near_row, near_col = math.floor(row + 0.5), math.floor(col + 0.5)
            for n in range(layers):
                value = values[n, near_row, near_col]
                if smooth and math.isfinite(value):
                    value = _between(values[n], row, col)
                found[n, i, j] = value


@jit
def _between(values, row, col):
    height, width = values.shape
    top, left = math.floor(row), math.floor(col)
    down, right = row - top, col - left
    total, weights = 0.0, 0.0
    for di in range(2):
        for dj in range(2):
            i, j = top + di, left + dj
            if not (0 <= i < height and 0 <= j < width):
                continue
            value = values[i, j]
            weight = (down if di else 1.0 - down) * (right if dj else 1.0 - right)
            if weight > 0.0 and math.isfinite(value):
                total += weight * value
                weights += weight
    return np.float32(total / weights)


def between_nodes(at_nodes: np.ndarray, places: tuple[np.ndarray, np.ndarray], step: int) -> np.ndarray:
    """Bilinear interpolation (..., y, x) between nodes at multiples of a step.

    Parameters
    ----------
    at_nodes
        (..., node, node); the first ones are the last before the first places, or there.
    places
        Rows and columns, ascending.
    step
        Rows and columns from node to node.
    """
    for axis, numbers in zip((-2, -1), places, strict=True):
        steps = numbers / step
        below = np.floor(steps).astype(np.intp)
        rest = (steps - below).reshape((-1, 1) if axis == -2 else (1, -1))
        below -= below[0]
        at_nodes = np.take(at_nodes, below, axis) * (1.0 - rest) + np.take(at_nodes, below + 1, axis) * rest
    return at_nodes


def nodes_of(places: np.ndarray, step: int) -> np.ndarray:
    """Nodes at multiples of a step that `between_nodes` needs for ascending places."""
    return step * np.arange(int(places[0]) // step, int(places[-1]) // step + 2)
