"""Random pairs of pixels at given distances."""

from itertools import pairwise

import numpy as np

_ROUNDS = 50


def random_pairs(
    rng: np.random.Generator,
    known: np.ndarray,
    size: tuple[float, float],
    edges: np.ndarray,
    count: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pairs of pixels with values: up to `count` in each range of distances.

    Parameters
    ----------
    rng
        Random generator.
    known
        bool (row, col).
    size
        Pixel size along the rows and columns, m.
    edges
        Edges of the ranges, m, ascending.
    count
        Pairs in each range.

    Returns
    -------
    tuple of numpy.ndarray
        Flat indices of the first and second pixels, and their distance in m.
    """
    height, width = known.shape
    places = np.flatnonzero(known)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for near, far in pairwise(edges):
        left = count
        for _ in range(_ROUNDS if len(places) > 1 else 0):
            first = rng.choice(places, 2 * left + 16)
            distance, angle = rng.uniform(near, far, len(first)), rng.uniform(0, 2 * np.pi, len(first))
            row = first // width + np.rint(distance * np.cos(angle) / size[0]).astype(np.intp)
            col = first % width + np.rint(distance * np.sin(angle) / size[1]).astype(np.intp)
            inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            first, row, col = first[inside], row[inside], col[inside]
            exact = np.hypot((row - first // width) * size[0], (col - first % width) * size[1])
            good = known[row, col] & (exact >= near) & (exact < far)
            first, second, exact = first[good][:left], (row * width + col)[good][:left], exact[good][:left]
            found.append((first, second, exact))
            left -= len(first)
            if left <= 0:
                break
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]
