"""A quantity on nodes of latitude and longitude, perhaps on levels of height, at points that lie anywhere."""

from typing import NamedTuple

import numpy as np

_EDGE = 1e-6  # of a cell, for coordinates that were rounded


class Points(NamedTuple):
    """Where points lie between the nodes: first node of the cell and place in it, NaN outside, for each axis."""

    level: np.ndarray | None
    up: np.ndarray | None
    row: np.ndarray
    down: np.ndarray
    col: np.ndarray
    right: np.ndarray


def located(
    heights: np.ndarray | None,
    axes: tuple[np.ndarray, np.ndarray],
    lat: np.ndarray,
    lon: np.ndarray,
    height: np.ndarray,
) -> Points:
    """Where points lie.

    Parameters
    ----------
    heights
        Of the levels, ascending; None if there are none.
    axes
        Latitudes and longitudes of the nodes, ascending.
    lat, lon, height
        Of the points, of one shape; the height counts only where there are levels.
    """
    row, down = _cells(axes[0], lat)
    col, right = _cells(axes[1], lon)
    if heights is None:
        return Points(None, None, row, down, col, right)
    level, up = _cells(heights, height)
    return Points(level, up, row, down, col, right)


def _cells(axis: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = np.clip(np.searchsorted(axis, values, side="right") - 1, 0, len(axis) - 2)
    place = (values - axis[first]) / (axis[first + 1] - axis[first])
    inside = (place >= -_EDGE) & (place <= 1 + _EDGE)
    return first, np.where(inside, np.clip(place, 0, 1), np.nan)


def at_points(values: np.ndarray, points: Points) -> np.ndarray:
    """Linear interpolation along each axis.

    Parameters
    ----------
    values
        (level, lat, lon), or (lat, lon) without levels.
    points
        Where, as `located` says.

    Returns
    -------
    numpy.ndarray
        float64, of the shape of the points; NaN outside, and beside nodes that are.
    """
    flat, width = values.reshape(-1), values.shape[-1]
    out = np.zeros(points.row.shape)
    ups = (0,) if points.level is None else (0, 1)
    for up in ups:
        upward = 1.0 if points.up is None else (points.up if up else 1 - points.up)
        base = points.row * width + points.col
        if points.level is not None:
            base = base + (points.level + up) * (values.shape[-2] * width)
        for down in (0, 1):
            weight = upward * (points.down if down else 1 - points.down)
            for right in (0, 1):
                part = weight * (points.right if right else 1 - points.right)
                out += part * flat.take(base + down * width + right)
    return out
