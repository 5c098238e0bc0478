"""What data on a grid and stations have in common: values at the stations, and motion of the stations along lines of sight."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from insarray.model.arguments import number
from insarray.model.choices import AtStation
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid, is_geographic
from insarray.products.components.tracks import LINE_OF_SIGHT, require_unit_vectors
from insarray.products.views.stacks import View

AXES = ("east", "north", "up")
PAIRS = (("east", "north"), ("east", "up"), ("north", "up"))
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, eq=False)
class Sampled:
    """Values of the pixels at stations.

    Parameters
    ----------
    values
        float64 (station,) or (station, date) by layer.
    pixels
        int (station,): pixels that have a value.
    distance
        float64 (station,): from the station to the nearest of them, m; NaN where there is none.
    """

    values: dict[str, np.ndarray]
    pixels: np.ndarray
    distance: np.ndarray


def positions(grid: Grid, gnss: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of stations, fractions, from the centre of the first pixel.

    Raises
    ------
    ArgumentError
        If the grid has no CRS.
    """
    found = [grid.position(float(lon), float(lat)) for lon, lat in zip(gnss.longitude, gnss.latitude, strict=True)]
    x, y = np.array(found).T
    return (y - grid.top) / grid.dy - 0.5, (x - grid.left) / grid.dx - 0.5


def inside(view: View, gnss: xr.Dataset) -> xr.Dataset:
    """Stations on the grid of data.

    Raises
    ------
    StackError
        If there are none.
    """
    grid = view.grid
    rows, cols = positions(grid, gnss)
    on = (rows >= -0.5) & (rows < grid.height - 0.5) & (cols >= -0.5) & (cols < grid.width - 0.5)
    if not on.any():
        raise StackError(f"gnss: none of {len(on)} stations is on the grid of the data; take stations of its area")
    return gnss.isel(station=np.flatnonzero(on))


def pixel_metres(grid: Grid) -> tuple[float, float]:
    """Height and width of a pixel in the middle of a grid."""
    height, width = abs(grid.dy), abs(grid.dx)
    if grid.crs is None or not is_geographic(grid.crs):
        return height, width
    middle = np.radians(grid.top + grid.dy * grid.height / 2)
    return height * _METRES_PER_DEGREE, width * _METRES_PER_DEGREE * float(np.cos(middle))


def sample(view: View, names: tuple[str, ...], gnss: xr.Dataset, radius: float, at: AtStation) -> Sampled:
    """Layers of a dataset at stations.

    Parameters
    ----------
    view
        Of the dataset.
    names
        Layers; the first one says which pixels have data.
    gnss
        Stations.
    radius
        Metres around a station; the pixel that it is in always counts.
    at
        Of the pixels within the radius: the nearest that has data on most dates, or the mean or median of all of them.
    """
    if at not in get_args(AtStation):
        raise ArgumentError(f"at: {at!r} is not one of {', '.join(get_args(AtStation))}")
    if not (np.isfinite(number("radius", radius)) and radius >= 0):
        raise ArgumentError(f"radius: {radius!r} is not a distance in metres")
    grid = view.grid
    size = pixel_metres(grid)
    around = [_around(grid, row, col, radius, size) for row, col in zip(*positions(grid, gnss), strict=True)]
    parts = _windows(view, names, [window for window, _ in around])
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    pixels, distances = [], []
    for part, (_, distance) in zip(parts, around, strict=True):
        near = distance <= radius
        inside = {name: values[..., near] for name, values in part.items()}
        used = _used(inside[names[0]], distance[near], at)
        for name in names:
            found[name].append(_together(inside[name][..., used], at))
        pixels.append(len(used))
        distances.append(float(distance[near][used].min()) if len(used) else np.nan)
    return Sampled({name: np.array(of) for name, of in found.items()}, np.array(pixels), np.array(distances))


def _windows(
    view: View, names: tuple[str, ...], windows: list[tuple[slice, slice] | None]
) -> list[dict[str, np.ndarray]]:
    """Layers (..., pixel) of each window, computed together, float64."""
    wanted = {}
    for k, window in enumerate(windows):
        for name in names if window is not None else ():
            part = view.data[name].variable.isel(y=window[0], x=window[1])  # type: ignore[index]
            wanted[name, k] = xr.Variable((*part.dims[:-2], f"y{k}", f"x{k}"), part.data)
    together = xr.Dataset({f"{name} {k}": part for (name, k), part in wanted.items()}).compute()
    found = []
    for k in range(len(windows)):
        parts = {}
        for name in names:
            lead = view.data[name].shape[:-2]
            values = together[f"{name} {k}"].values if (name, k) in wanted else np.zeros((*lead, 0))
            parts[name] = values.reshape(*lead, -1).astype(np.float64)
        found.append(parts)
    return found


def _around(
    grid: Grid, row: float, col: float, radius: float, size: tuple[float, float]
) -> tuple[tuple[slice, slice] | None, np.ndarray]:
    """Window with all pixels that count, and how far each of them is away, m; 0 for the one that the station is in."""
    reach = radius / size[0], radius / size[1]
    rows = slice(max(0, int(np.floor(row - reach[0] + 0.5))), min(grid.height, int(np.floor(row + reach[0] + 0.5)) + 1))
    cols = slice(max(0, int(np.floor(col - reach[1] + 0.5))), min(grid.width, int(np.floor(col + reach[1] + 0.5)) + 1))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return None, np.zeros(0)
    down, across = np.arange(rows.start, rows.stop) - row, np.arange(cols.start, cols.stop) - col
    distance = np.hypot(down[:, None] * size[0], across[None, :] * size[1])
    own = (np.abs(down[:, None]) <= 0.5) & (np.abs(across[None, :]) <= 0.5)
    return (rows, cols), np.where(own, 0.0, distance).ravel()


def _used(values: np.ndarray, distance: np.ndarray, at: AtStation) -> np.ndarray:
    """Which pixels of (..., pixel) count."""
    dates = np.isfinite(values).reshape(-1, values.shape[-1]).sum(axis=0)
    there = np.flatnonzero(dates)
    if at != "nearest" or not len(there):
        return there
    return there[np.lexsort((distance[there], -dates[there]))[:1]]


def _together(values: np.ndarray, at: AtStation) -> np.ndarray:
    """One value of the pixels (..., pixel) that have one."""
    known = np.isfinite(values).any(axis=-1)
    result = np.full(values.shape[:-1], np.nan)
    if known.any():
        result[known] = (np.nanmedian if at == "median" else np.nanmean)(values[known], axis=-1)
    return result


def along(vectors: np.ndarray, gnss: xr.Dataset, prefix: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Motion of stations along lines of sight, and its standard deviation, with the correlations of the components.

    Parameters
    ----------
    vectors
        (3, station): east, north, up from the ground to the satellite.
    gnss
        Stations, (station,) or (station, time); a component that they do not have, or whose standard deviation they do not
        have, is left out of it.
    prefix
        Of the names of the components: "velocity_" of velocities.
    """
    layers = [gnss[f"{prefix}{axis}"].values if f"{prefix}{axis}" in gnss else None for axis in AXES]
    shape = next(layer.shape for layer in layers if layer is not None)
    weights = vectors.reshape(3, -1, *(1,) * (len(shape) - 1))
    motion = sum(
        (weight * layer for weight, layer in zip(weights, layers, strict=True) if layer is not None), np.zeros(shape)
    )
    std = {
        axis: np.nan_to_num(gnss[f"{prefix}{axis}_std"].values) if f"{prefix}{axis}_std" in gnss else 0.0
        for axis in AXES
    }
    variance = sum((np.square(weight * std[axis]) for axis, weight in zip(AXES, weights, strict=True)), np.zeros(shape))
    for one, other in PAIRS:
        name = f"correlation_{one}_{other}"
        if name in gnss:
            a, b = weights[AXES.index(one)] * std[one], weights[AXES.index(other)] * std[other]
            variance = variance + 2 * np.nan_to_num(gnss[name].values) * a * b
    return motion, np.sqrt(np.maximum(variance, 0.0))


def lines_of_sight(view: View, gnss: xr.Dataset, radius: float) -> np.ndarray:
    """Unit vectors (3, station) of the pixels at stations, the nearest that have them.

    Raises
    ------
    StackError
        If one does not point up, or has another length.
    """
    found = sample(view, LINE_OF_SIGHT, gnss, radius, "nearest").values
    vectors = np.stack([found[name] for name in LINE_OF_SIGHT])
    require_unit_vectors("data", vectors.astype(np.float32))
    return vectors
