"""Weighted mean of the adjusted tracks, block by block, with a record of the adjustment."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels import ramps as kernel
from insarray.model.choices import Quantity
from insarray.model.dates import date_label
from insarray.products.components.tracks import LINE_OF_SIGHT, Tracks
from insarray.products.series.surfaces import Terms, row_and_col
from insarray.products.tracks.overlaps import Adjustment


@dataclass(frozen=True)
class _Mosaic:
    """Options and surfaces of the mosaic; coefficients (track, layer, term) about the origin."""

    layer: str
    tracks: int
    terms: Terms
    origin: tuple[float, float]
    coefficients: np.ndarray
    weighted: bool


def mosaic(tracks: Tracks, of: Quantity, found: Adjustment, *, weighted: bool) -> xr.Dataset:
    """Weighted mean of the adjusted tracks, with coordinates that record the adjustment."""
    task = _Mosaic(of, len(tracks.names), found.terms, found.origin, found.coefficients, weighted)
    inputs = tracks.inputs()
    first = tracks.layers[0]
    outputs = (*first, "observed_tracks")
    lead = first[of].sizes.get("time", 1)
    inputs |= row_and_col(first[of])
    sizes = {"time": lead} if of == "displacement" else {}
    made = xr.Dataset(map_blocks(mosaic_block, task, inputs, outputs, sizes, bytes_per_pixel=48 * lead))
    bits = [1 << bit for bit in range(len(tracks.names))]
    made["observed_tracks"].attrs |= {"flag_masks": bits, "flag_meanings": " ".join(tracks.names)}
    if of == "displacement":
        made = made.assign_coords(time=first[of]["time"].variable)
        made.attrs["reference_date"] = tracks.attrs[0].get("reference_date", date_label(first[of]["time"].values[0]))
    return tracks.view.on_grid(made.assign_coords(_records(tracks, of, found)))


def _records(tracks: Tracks, of: Quantity, found: Adjustment) -> dict[str, Any]:
    grid, unit = tracks.view.grid, "m/year" if of == "velocity" else "m"
    about = {
        "long_name": "coefficients of the surfaces that were subtracted from the tracks",
        "units": unit,
        "terms": " ".join("*".join(["row"] * a + ["col"] * b) or "1" for a, b in found.terms),
        "origin_y": grid.top + (found.origin[0] + 0.5) * grid.dy,
        "origin_x": grid.left + (found.origin[1] + 0.5) * grid.dx,
        "row_spacing": grid.dy,
        "col_spacing": grid.dx,
    }
    lead = ("time",) if of == "displacement" else ()
    at = slice(None) if lead else 0
    names = tracks.names
    return {
        "track": ("track", list(names)),
        "track_coefficient": (("track", *lead, "track_term"), found.coefficients[:, at], about),
        "track_covariance": (
            (*lead, "track", "track_term", "other_track", "other_track_term"),
            found.covariance[at],
        ),
        "overlap": ("overlap", [f"{names[one]} {names[other]}" for one, other in found.overlaps]),
        "overlap_rms_before": ("overlap", found.before, {"units": unit}),
        "overlap_rms_after": ("overlap", found.after, {"units": unit}),
        "overlap_pixels": ("overlap", found.pixels, {"units": "1"}),
    }


def mosaic_block(task: _Mosaic, arrays: Arrays) -> Arrays:
    """Weighted mean of one block; `arrays` holds the layers of each track k, named `velocity_k`, and row and col."""
    rows, cols = arrays["row"][:, 0] - task.origin[0], arrays["col"][0] - task.origin[1]
    shape = arrays[f"{task.layer}_0"].shape
    total, weight = np.zeros(shape), np.zeros(shape)
    variance = np.zeros(shape)
    observed = np.zeros(shape[-2:], np.uint32)
    std_name = f"{task.layer}_std"
    has_std = f"{std_name}_0" in arrays
    for k in range(task.tracks):
        surface = kernel.surfaces(task.coefficients[k], task.terms, rows, cols).reshape(shape)
        value = arrays[f"{task.layer}_{k}"] - surface
        std = arrays[f"{std_name}_{k}"].astype(np.float64) if has_std else np.ones(shape)
        own = 1.0 / np.square(_positive(std)) if task.weighted else np.ones(shape)
        known = np.isfinite(value) & np.isfinite(own)
        own = np.where(known, own, 0.0)
        total += own * np.where(known, value, 0.0)
        variance += np.where(known, np.square(own * std), 0.0)
        weight += own
        observed |= np.where(known.reshape(-1, *shape[-2:]).any(axis=0), np.uint32(1 << k), np.uint32(0))
    none = np.where(weight > 0, weight, np.nan)
    results: dict[str, np.ndarray] = {task.layer: (total / none).astype(np.float32), "observed_tracks": observed}
    if has_std:
        results[std_name] = (np.sqrt(variance) / none).astype(np.float32)
    if f"{LINE_OF_SIGHT[0]}_0" in arrays:
        results |= _mean_sight(task.tracks, arrays, observed)
    return results


def _positive(std: np.ndarray) -> np.ndarray:
    return np.where(std > 0, std, np.nan)


def _mean_sight(tracks: int, arrays: Arrays, observed: np.ndarray) -> Arrays:
    """Mean line of sight of the tracks that observe a pixel, as unit vectors; where none does, of all that have one."""
    total = np.zeros((3, *observed.shape))
    anywhere = np.zeros((3, *observed.shape))
    for k in range(tracks):
        vector = np.stack([arrays[f"{name}_{k}"].astype(np.float64) for name in LINE_OF_SIGHT])
        vector = np.where(np.isfinite(vector).all(axis=0), vector, 0.0)
        anywhere += vector
        total += np.where(observed >> np.uint32(k) & np.uint32(1), vector, 0.0)
    total = np.where((total == 0).all(axis=0), anywhere, total)
    length = np.sqrt((total**2).sum(axis=0))
    unit = (total / np.where(length > 0, length, np.nan)).astype(np.float32)
    return dict(zip(LINE_OF_SIGHT, unit, strict=True))
