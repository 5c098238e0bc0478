"""Unwrapping of a whole wrapped stack in tiles that are stored, tied and mosaicked."""

import os
from collections.abc import Iterable
from typing import Any, get_args

import xarray as xr

from insarray.engine.run.runner import run
from insarray.engine.store.zarr_store import open_store
from insarray.model.choices import EpochNetwork
from insarray.model.errors import ArgumentError
from insarray.model.network import Network
from insarray.products.points.mosaic import tie_tiles
from insarray.products.points.tiles import Range, TileOptions, unwrap_tiles
from insarray.products.stacks.selection import Raster
from insarray.products.views.points import WrappedView, as_wrapped

_HOPS = 3


def unwrap_stack(
    wrapped: xr.Dataset,
    tiles: str | os.PathLike[str],
    *,
    network: EpochNetwork | Iterable[str] = "single",
    min_temporal_coherence: float | None = 0.6,
    max_amplitude_dispersion: float | None = None,
    mask: Raster | None = None,
    velocity: Range | None = (-0.06, 0.06),
    height_error: Range | None = None,
    neighbours: int = 16,
    fill: bool = False,
    tile: int = 256,
    overlap: int = 32,
    slant_range: float | None = None,
    incidence_angle: float | None = None,
    **how: Any,
) -> xr.Dataset:
    """Unwrap a whole wrapped stack in overlapping tiles, guided by velocity and DEM error of its points.

    Each tile is one block of a run into the store `tiles`, which can be interrupted, resumed and run on a cluster.
    Neighbouring tiles are then tied by one number of whole cycles per date that fits all overlaps best.

    Parameters
    ----------
    wrapped
        Stack as of `insarray.open_wrapped`: `wrapped_phase` (time, y, x) in rad, and the layers of the criteria.
    tiles
        Path of the store of the unwrapped tiles, from which the result is read: keep it until the result is stored.
    network
        Pairs of the result: "single", each date with the first; "hop3", each date with the next three; or labels
        such as "20190105_20190117".
    min_temporal_coherence, max_amplitude_dispersion, mask
        Criteria of the points, as in `insarray.select_points`.
    velocity, height_error, neighbours
        Links, as in `insarray.estimate_links`: ranges of differences in m/year and m (None: no DEM error is estimated),
        and number of neighbours. Without a range of the velocity (None) there is no model: differences of neighbouring
        points are taken as less than half a cycle.
    fill
        Also unwrap the pixels between the points: add the whole cycles that bring their phase closest to that of the
        nearest point.
    tile, overlap
        Size of a tile and overlap of neighbouring tiles, in pixels. Memory grows with the size of a tile.
    slant_range, incidence_angle
        In m and degrees, if the stack has no such layers.
    **how
        Options of `insarray.run`: scheduler, workers, client, resume, block_timeout, progress, command.

    Returns
    -------
    xarray.Dataset
        Canonical stack, lazy: `unwrapped_phase` (pair, y, x), congruent with the wrapped phases, NaN where there is no
        point; `connected_component_labels`: 1 for the largest group of tiles that are tied, 0 without phase;
        `unwrapping_label`: 1 point, 2 filled; if estimated, `temporal_coherence` of the points with their model,
        `velocity` in m/year and `height_error` in m, relative to the scene. The attribute `tile_overlaps_unmet` is the number
        of overlaps that disagree, per date.

    Raises
    ------
    ArgumentError, StackError
        If an option is invalid, or the stack lacks a layer.
    InsarrayError
        If OR-tools is not installed.

    See Also
    --------
    insarray.open_wrapped : open wrapped phases.
    insarray.unwrap_points : the same for points in memory.
    insarray.invert : displacement series of the pairs.

    References
    ----------
    * Costantini, M. (1998), A novel phase unwrapping method based on network programming, IEEE TGRS 36,
      813-821.

    Examples
    --------
    >>> import tempfile
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(40, 40), n_dates=12, water=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stack = ia.unwrap_stack(wrapped, f"{folder}/tiles.zarr", height_error=(-60, 60)).compute()
    >>> dict(stack.unwrapped_phase.sizes)
    {'pair': 11, 'y': 40, 'x': 40}
    """
    pairs = epoch_network(as_wrapped(wrapped), network)
    limits = {"min_temporal_coherence": min_temporal_coherence, "max_amplitude_dispersion": max_amplitude_dispersion}
    criteria = tuple((name, value) for name, value in limits.items() if value is not None)
    options = TileOptions(
        criteria, velocity, height_error, neighbours, fill, tile, overlap, slant_range, incidence_angle
    )
    lazy = unwrap_tiles(wrapped, options, mask)
    run(lazy, tiles, **how)
    return tie_tiles(open_store(str(tiles)), wrapped, pairs)


def epoch_network(view: WrappedView, network: EpochNetwork | Iterable[str]) -> Network:
    """Return pairs of the dates of a stack, with their perpendicular baselines if the stack has them.

    Raises
    ------
    ArgumentError
        If `network` is unknown, or one of its dates is not in the stack.
    """
    if isinstance(network, str) and network not in get_args(EpochNetwork):
        raise ArgumentError(
            f"network: {network!r} is not one of {', '.join(get_args(EpochNetwork))}, or labels of pairs"
        )
    number = len(view.times)
    if number < 2:
        raise ArgumentError("wrapped: has one date, and no pair")
    if network == "single":
        ends = [(0, j) for j in range(1, number)]
    elif network == "hop3":
        ends = [(i, j) for i in range(number) for j in range(i + 1, min(number, i + 1 + _HOPS))]
    else:
        place = {label: i for i, label in enumerate(view.labels)}
        labels = [label.split("_") for label in Network.from_pairs(network).labels]
        missing = sorted({date for pair in labels for date in pair} - set(place))
        if missing:
            raise ArgumentError(
                f"network: {missing[0]} is not a date of the stack, which has {', '.join(view.labels[:3])}, ..."
            )
        ends = [(place[a], place[b]) for a, b in labels]
    baselines = view.data.get("perpendicular_baseline")
    steps = None
    if baselines is not None and baselines.ndim == 1:
        steps = [float(baselines[j] - baselines[i]) for i, j in ends]
    return Network.from_pairs([(view.times[i], view.times[j]) for i, j in ends], steps)
