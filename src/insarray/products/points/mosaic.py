"""Mosaic of overlapping unwrapped tiles, tied by whole cycles, as a stack of pairs."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.kernels.unwrapping.residues import TURN
from insarray.kernels.unwrapping.ties import components, count_cycles, tie_cycles, tie_levels
from insarray.model.conventions import attributes
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.errors import StackError
from insarray.model.network import Network
from insarray.products.points.tiles import Axis, layout
from insarray.products.views.points import WrappedView, as_wrapped

logger = logging.getLogger(__name__)

_MAPS = ("tile_velocity", "tile_height_error")


class Ties(NamedTuple):
    """Cycles and levels that tie the tiles; tiles are numbered row by row.

    Parameters
    ----------
    cycles
        Whole cycles to subtract from the phase of each tile, (time, tile).
    levels
        Levels to subtract from each map of the model, (tile,), by name.
    group
        Number of the group of connected tiles, (tile,): 0 for the largest, then 1, 2, ...
    unmet
        Number of overlaps that disagree with the cycles, (time,).
    overlaps
        Number of overlaps with common points.
    """

    cycles: np.ndarray
    levels: dict[str, np.ndarray]
    group: np.ndarray
    unmet: np.ndarray
    overlaps: int


def tie_tiles(tiles: xr.Dataset, wrapped: xr.Dataset, network: Network) -> xr.Dataset:
    """Tie stored tiles and return the pairs of a network as a stack; the overlaps are read now, the rest lazily.

    Parameters
    ----------
    tiles
        Opened store of `insarray.products.points.tiles.unwrap_tiles`.
    wrapped
        Wrapped stack that the tiles were made from.
    network
        Pairs of dates of the stack.

    Raises
    ------
    StackError
        If the tiles were not made from this stack.
    """
    view = as_wrapped(wrapped)
    rows, columns = layout(view, int(tiles.attrs["tile_size"]), int(tiles.attrs["tile_overlap"]))
    extended = sum(rows.lengths), sum(columns.lengths)
    if tuple(tiles["tile_phase"].shape[1:]) != extended or (tiles["time"].values != view.data["time"].values).any():
        raise StackError("tiles: are not those of this stack; unwrap it anew")
    ties = _ties(tiles, rows, columns)
    logger.info(
        "tie_tiles: %d overlaps, of which up to %d disagree at a date", ties.overlaps, ties.unmet.max(initial=0)
    )
    return _stack(tiles, view, rows, columns, ties, network)


def _ties(tiles: xr.Dataset, rows: Axis, columns: Axis) -> Ties:
    """Read the overlaps, count the votes of their points, and return the cycles and levels of the tiles."""
    names = [name for name in _MAPS if name in tiles]
    edges, cycles, votes = [], [], []
    steps: dict[str, list[float]] = {name: [] for name in names}
    for first, second, here, there in _overlaps(rows, columns):
        a, b = (tiles.isel(y=y, x=x) for y, x in (here, there))
        both = (a.unwrapping_label.values == 1) & (b.unwrapping_label.values == 1)
        if not both.any():
            continue
        whole, number = count_cycles(a.tile_phase.values[:, both], b.tile_phase.values[:, both])
        edges.append((first, second))
        cycles.append(whole)
        votes.append(number)
        for name in names:
            steps[name].append(float(np.nanmedian(a[name].values[both] - b[name].values[both])))
    total, dates = len(rows) * len(columns), tiles.sizes["time"]
    ends = np.array(edges, np.int64).reshape(-1, 2)
    whole, agreeing = (np.array(v, np.int64).reshape(-1, dates).T for v in (cycles, votes))
    level, unmet = tie_cycles(ends, whole, agreeing, total)
    weight = agreeing.mean(axis=0)
    levels = {name: tie_levels(ends, np.nan_to_num(np.array(steps[name])), weight, total) for name in names}
    return Ties(level, levels, components(ends, total), unmet, len(ends))


Window = tuple[slice, slice]


def _overlaps(rows: Axis, columns: Axis) -> Sequence[tuple[int, int, Window, Window]]:
    """Return pairs of neighbouring tiles, each with the windows of their overlap in the two tiles (side by side)."""
    found = []
    across = len(columns)
    for i in range(len(rows)):
        for j in range(across):
            if j + 1 < across:
                here, there = columns.overlap(j)
                found.append((i * across + j, i * across + j + 1, (rows.own(i), here), (rows.own(i), there)))
            if i + 1 < len(rows):
                here, there = rows.overlap(i)
                found.append((i * across + j, (i + 1) * across + j, (here, columns.own(j)), (there, columns.own(j))))
    return found


def _stack(tiles: xr.Dataset, view: WrappedView, rows: Axis, columns: Axis, ties: Ties, network: Network) -> xr.Dataset:
    """Return the canonical stack of the pairs, lazily."""
    dates = _mosaic(tiles["tile_phase"], rows, columns, TURN * ties.cycles)
    place = np.searchsorted(view.times, network.times)  # a network may leave dates out
    ends = (xr.DataArray(place[numbers], dims="pair") for numbers in (network.reference, network.secondary))
    first, second = (dates.isel(time=number) for number in ends)
    label = _mosaic(tiles["unwrapping_label"], rows, columns)
    group = _mosaic(xr.zeros_like(tiles["unwrapping_label"], dtype=np.float64), rows, columns, -1.0 - ties.group)
    component = group.where(label > 0, 0).astype(np.uint16).expand_dims(pair=network.n_pairs)
    stack = {
        "unwrapped_phase": (second - first).astype(np.float32),
        "connected_component_labels": component,
        "unwrapping_label": label,
    }
    if "tile_coherence" in tiles:
        stack["temporal_coherence"] = _mosaic(tiles["tile_coherence"], rows, columns)
    for name, level in ties.levels.items():
        stack[name.removeprefix("tile_")] = _mosaic(tiles[name], rows, columns, level)
    about = {
        name: tiles["unwrapping_label"].attrs if name == "unwrapping_label" else attributes(name) for name in stack
    }
    for name in ("incidence_angle", "slant_range", "height"):
        if name in view.data:
            stack[name], about[name] = view.data[name].drop_vars(view.data[name].coords).chunk(), attributes(name)
    attrs = {name: value for name, value in tiles.attrs.items() if name.startswith(("tile_", "point_", "link_"))}
    attrs |= {"product": "insarray unwrap", "wavelength": tiles.attrs["wavelength"], "filled": tiles.attrs["filled"]}
    attrs |= {"tile_overlaps": ties.overlaps, "tile_overlaps_unmet": [int(n) for n in ties.unmet]}
    layers = {name: (layer.dims, layer.data, about[name]) for name, layer in stack.items()}
    return xr.Dataset(layers, {**pair_coords(network), **grid_coords(view.grid)}, attrs)


def _mosaic(layer: xr.DataArray, rows: Axis, columns: Axis, level: np.ndarray | None = None) -> xr.DataArray:
    """Return a layer of the image from the cores of the tiles, minus `level` (..., tile)."""
    bare = layer.drop_vars(layer.coords)
    lines = []
    for i in range(len(rows)):
        line = []
        for j in range(len(columns)):
            part = bare.isel(y=rows.core(i), x=columns.core(j))
            if level is not None:
                part = (part - level[..., i * len(columns) + j, None, None]).astype(layer.dtype)
            line.append(part)
        lines.append(xr.concat(line, "x"))
    return xr.concat(lines, "y")
