"""Stacks: validate, select pairs, mask samples; everything stays lazy."""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.model import selection
from insarray.model.conventions import VARIABLES
from insarray.model.dataset import grid_of, network_of
from insarray.model.dates import Time
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network

_INHERITED = (
    "wavelength",
    "product",
    "input_fingerprint",
    "input_files",
    "notes",
    "mask_coherence",
    "mask_components",
    "mask_raster",
    "mask_raster_checksum",
    "unwrapping_correction",
    "ramp",
    "ramp_robust",
    "ramp_mask",
    "ramp_passes",
)


def inherited(stack: xr.Dataset) -> dict[str, Any]:
    """Attributes of a stack that its products keep."""
    return {name: stack.attrs[name] for name in _INHERITED if name in stack.attrs}


def validate(stack: xr.Dataset) -> Network:
    """Network of a stack, after checking that it is one: names, dimensions and dtypes of the data model.

    Raises
    ------
    StackError
        Naming what is missing or different.
    """
    if "unwrapped_phase" not in stack:
        raise StackError("stack: has no variable 'unwrapped_phase'; open it with insarray.open_stack")
    for name in ("unwrapped_phase", "coherence", "connected_component_labels"):
        if name not in stack:
            continue
        variable, expected = stack[name], VARIABLES[name]
        if variable.dims != expected.dims:
            raise StackError(f"{name}: dimensions {variable.dims}, expected {expected.dims}")
        if variable.dtype != expected.dtype:
            raise StackError(f"{name}: dtype {variable.dtype}, expected {expected.dtype}; convert it with .astype")
    return network_of(stack)


Phase = Literal["unwrapped_phase", "corrected_phase"]
"""Phase to work on: as it was unwrapped, or with the cycles that `correct_unwrapping` has added."""


def with_phase(stack: xr.Dataset, phase: Phase) -> xr.Dataset:
    """Stack whose `unwrapped_phase` is the one asked for.

    Raises
    ------
    ArgumentError, StackError
        If the name is unknown, or the stack does not have it.
    """
    if phase not in get_args(Phase):
        raise ArgumentError(f"phase: {phase!r} is not one of {', '.join(get_args(Phase))}")
    if phase == "unwrapped_phase":
        return stack
    if phase not in stack:
        raise StackError(f"phase: the stack has no {phase!r}; make it with correct_unwrapping")
    return stack.assign(unwrapped_phase=stack[phase])


def select_pairs(
    stack: xr.Dataset,
    *,
    max_temporal_baseline: float | None = None,
    max_perpendicular_baseline: float | None = None,
    max_neighbours: int | None = None,
    exclude_dates: Iterable[Time] = (),
    exclude_pairs: Iterable[str | Sequence[Time]] = (),
    min_coherence: float | None = None,
) -> xr.Dataset:
    """Stack of the pairs that pass every limit; see `insarray.model.selection.select`.

    `min_coherence` reads the coherence of all pairs once for its mean over the image, and keeps the spanning tree of
    highest coherence.

    Raises
    ------
    StackError
        If the stack has no coherence and `min_coherence` is given.
    NetworkError
        If no pair is left, or baselines are needed and unknown.
    """
    network = validate(stack)
    mean = None
    if min_coherence is not None:
        if "coherence" not in stack:
            raise StackError("min_coherence: the stack has no coherence")
        mean = stack.coherence.mean(("y", "x"), dtype=np.float64).values
    keep = selection.select(
        network,
        max_temporal_baseline=max_temporal_baseline,
        max_perpendicular_baseline=max_perpendicular_baseline,
        max_neighbours=max_neighbours,
        exclude_dates=exclude_dates,
        exclude_pairs=exclude_pairs,
        min_coherence=min_coherence,
        coherence=mean,
    )
    network.subset(keep)  # refuses an empty selection
    kept = stack.isel(pair=np.flatnonzero(keep))
    return kept.assign_coords(pair=np.arange(int(keep.sum())))


Raster = str | Path | xr.DataArray
"""Map of good pixels: a file, or an array (y, x) on the grid."""


def mask(
    stack: xr.Dataset,
    *,
    coherence: float | None = None,
    connected_components: bool = False,
    raster: Raster | None = None,
) -> xr.Dataset:
    """Stack whose phase is NaN where a sample is not to be used.

    Parameters
    ----------
    stack
        It keeps its other variables as they are.
    coherence
        Samples below this coherence, or without one, are masked.
    connected_components
        Samples with label 0 are masked.
    raster
        Pixels where it is 0, NaN or its no-data value are masked in all pairs. A file is warped to the grid with the
        nearest neighbour; a DataArray (y, x) must be on it.

    Raises
    ------
    StackError
        If the stack lacks the layer that a mask needs: nothing is ever "masked" without it.
    """
    validate(stack)
    phase = stack.unwrapped_phase
    keep = []
    if coherence is not None:
        keep.append(_layer(stack, "coherence") >= coherence)
    if connected_components:
        keep.append(_layer(stack, "connected_component_labels") != 0)
    checksum = None
    if raster is not None:
        good = good_pixels(phase, raster)
        checksum = f"{zlib.crc32(np.ascontiguousarray(good.values).tobytes()):08x}"
        keep.append(good)
    for condition in keep:
        phase = phase.where(condition)
    options = {
        "mask_coherence": coherence,
        "mask_components": connected_components,
        "mask_raster": _name(raster),
        "mask_raster_checksum": checksum,
    }
    used = {key: str(value) for key, value in options.items() if value not in (None, False)}
    return stack.assign(unwrapped_phase=phase.assign_attrs(stack.unwrapped_phase.attrs)).assign_attrs(used)


def _layer(stack: xr.Dataset, name: str) -> xr.DataArray:
    if name not in stack:
        raise StackError(f"mask: the stack has no {name}; open it with that layer or leave the mask out")
    return stack[name]


def _name(raster: Raster | None) -> str | None:
    return "array" if isinstance(raster, xr.DataArray) else None if raster is None else str(raster)


def good_pixels(layer: xr.DataArray, raster: Raster) -> xr.DataArray:
    """True where a raster is neither 0 nor without data, as an array (y, x) with the blocks of `layer`.

    Raises
    ------
    ArgumentError, FileError
        If it has another shape, or cannot be read.
    """
    grid = grid_of(layer)
    if isinstance(raster, xr.DataArray):
        if raster.shape != grid.shape:
            raise ArgumentError(f"mask raster: shape {raster.shape}, expected {grid.shape} (y, x)")
        values = raster.values
    else:
        from insarray.io.warp import read_on_grid

        values = read_on_grid(raster, grid)
    good = xr.DataArray(np.isfinite(values) & (values != 0), dims=("y", "x"))
    chunks = layer.chunksizes
    return good.chunk({"y": chunks["y"], "x": chunks["x"]}) if chunks else good
