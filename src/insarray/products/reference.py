"""Reference point: given, an area, or found; its phase in every pair, or an error that says what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy import ndimage

from insarray.engine.blocks import Arrays, map_blocks
from insarray.model.dataset import grid_of, network_of
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.model.grid import Grid

QUALITY_THRESHOLD = 0.85
"""Mean coherence from which a pixel is a candidate for the automatic reference."""

_SEARCH = 200  # rows and columns around a missing reference in which a good pixel is looked for
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class LonLat:
    """WGS 84 position of a reference point."""

    lon: float
    lat: float


@dataclass(frozen=True)
class Area:
    """Rows ``row_start:row_stop`` and columns ``col_start:col_stop`` whose mean phase is the reference."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int


Reference = Literal["auto"] | tuple[int, int] | LonLat | Area
"""How a reference is asked for; None elsewhere means that the stack is already referenced."""


def lonlat(lon: float, lat: float) -> LonLat:
    """Reference point at a WGS 84 position, in degrees."""
    return LonLat(lon, lat)


def area(row_start: int, row_stop: int, col_start: int, col_stop: int) -> Area:
    """Reference area of rows and columns, the stops excluded."""
    return Area(row_start, row_stop, col_start, col_stop)


@dataclass(frozen=True)
class ReferencePhase:
    """Phase (or displacement) to subtract from every pair (or date), and the attributes that record where it is from."""

    phase: np.ndarray
    attrs: dict[str, Any]


def reference_phase(stack: xr.Dataset, reference: Reference | None) -> ReferencePhase | None:
    """Phase of the reference in every pair; reads the stack only there ("auto": all of it, once).

    Parameters
    ----------
    stack
        With the masks that the inversion will use: a masked sample cannot be a reference.
    reference
        See `Reference`; None: no reference.

    Returns
    -------
    ReferencePhase or None
        Radians, float64, shape (pair,).

    Raises
    ------
    ReferencePointError
        If the point has no data in some pair (they are listed, and the nearest pixel that has all is offered), if an
        area has no pixel with all pairs, or if no pixel at all has data in every pair.
    ArgumentError
        If the point lies outside the image.
    """
    if reference is None:
        return None
    where = find_reference(stack) if reference == "auto" else reference
    return level_at(stack.unwrapped_phase, where, network_of(stack).labels, "pairs")


def level_at(
    samples: xr.DataArray,
    where: tuple[int, int] | LonLat | Area,
    labels: Sequence[str],
    layers: Literal["pairs", "dates"],
) -> ReferencePhase:
    """Value of `samples` (layer, y, x) at a reference in every layer; reads them only there.

    Parameters
    ----------
    samples
        Phase of pairs or displacement of dates.
    where
        See `Reference`.
    labels
        What the layers are called in errors.
    layers
        What they are.

    Raises
    ------
    ReferencePointError, ArgumentError
        As `reference_phase`.
    """
    grid = grid_of(samples)
    if isinstance(where, Area):
        return _of_area(samples, where, grid, layers)
    row, col = grid.index(where.lon, where.lat) if isinstance(where, LonLat) else _row_col(where, grid)
    values = samples.isel(y=row, x=col).values.astype(np.float64)
    if not np.isfinite(values).all():
        missing = [labels[k] for k in np.flatnonzero(~np.isfinite(values)).tolist()]
        raise ReferencePointError(_complaint(samples, row, col, missing, layers))
    return ReferencePhase(values, {"reference_row": row, "reference_col": col, **_position(grid, row, col)})


def _row_col(reference: object, grid: Grid) -> tuple[int, int]:
    try:
        row, col = (int(value) for value in reference)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ArgumentError(f"reference: {reference!r} is not 'auto', (row, col), lonlat(...) or area(...)") from None
    if not (0 <= row < grid.height and 0 <= col < grid.width):
        raise ArgumentError(f"reference: row {row}, column {col} lies outside {grid.height} x {grid.width} pixels")
    return row, col


def _position(grid: Grid, row: float, col: float) -> dict[str, float]:
    position = grid.lonlat(row, col)
    return {} if position is None else {"reference_lon": position[0], "reference_lat": position[1]}


def _of_area(samples: xr.DataArray, wanted: Area, grid: Grid, layers: str) -> ReferencePhase:
    rows, cols = slice(wanted.row_start, wanted.row_stop), slice(wanted.col_start, wanted.col_stop)
    inside = 0 <= rows.start < rows.stop <= grid.height and 0 <= cols.start < cols.stop <= grid.width
    if not inside:
        raise ArgumentError(
            f"reference: rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop} is not an area within "
            f"{grid.height} x {grid.width} pixels"
        )
    phase = samples.isel(y=rows, x=cols).values.astype(np.float64)
    complete = np.isfinite(phase).all(axis=0)  # the same pixels in every layer, so that loops close
    if not complete.any():
        raise ReferencePointError(
            f"reference: no pixel of rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop} has data in all "
            f"{len(phase)} {layers}; choose another area" + (" or reference='auto'" if layers == "pairs" else "")
        )
    attrs = {
        "reference_area": [rows.start, rows.stop, cols.start, cols.stop],
        "reference_pixels": int(complete.sum()),
        **_position(grid, (rows.start + rows.stop - 1) / 2, (cols.start + cols.stop - 1) / 2),
    }
    return ReferencePhase(phase[:, complete].mean(axis=1), attrs)


def _complaint(samples: xr.DataArray, row: int, col: int, missing: list[str], layers: str) -> str:
    names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    text = f"reference: row {row}, column {col} has no data in {len(missing)} of {len(samples)} {layers} ({names})"
    rows, cols = (slice(max(0, at - _SEARCH), at + _SEARCH + 1) for at in (row, col))
    complete = np.isfinite(samples.isel(y=rows, x=cols).values).all(axis=0)
    if not complete.any():
        return f"{text}; no pixel within {_SEARCH} has data in all {layers}: leave out bad {layers} or masks"
    good = np.argwhere(complete) + np.array([rows.start, cols.start])
    near = good[np.argmin(((good - (row, col)) ** 2).sum(axis=1))]
    return f"{text}; the nearest pixel with data in all {layers} is row {near[0]}, column {near[1]}"


def find_reference(stack: xr.Dataset) -> tuple[int, int]:
    """Row and column of a good reference pixel, found in one pass over the stack.

    Candidates have data in every pair and, if the stack has connected components, a non-zero label in every pair. Of
    these the largest 8-connected region; in it, of the pixels whose mean coherence is at least
    `QUALITY_THRESHOLD`, the one nearest to their largest region's centroid; if no pixel is that good, the best.

    Raises
    ------
    ReferencePointError
        If no pixel has data in every pair.
    """
    inputs = {"unwrapped_phase": stack.unwrapped_phase}
    inputs |= {name: stack[name] for name in ("coherence", "connected_component_labels") if name in stack}
    maps = xr.Dataset(map_blocks(_candidates, None, inputs, ("average_coherence", "complete"), {})).compute()
    quality, candidates = maps.average_coherence.values, maps.complete.values
    if not candidates.any():
        raise ReferencePointError(
            "reference: no pixel has data in every pair; leave out bad pairs or masks, or give an area and gap='subset'"
        )
    return choose_pixel(candidates, quality if "coherence" in stack else None)


def _candidates(_: None, arrays: Arrays) -> Arrays:
    phase = arrays["unwrapped_phase"]
    candidates = np.asarray(np.isfinite(phase).all(axis=0))
    if "connected_component_labels" in arrays:
        candidates &= (arrays["connected_component_labels"] != 0).all(axis=0)
    quality = np.ones(candidates.shape, np.float32)
    if "coherence" in arrays:
        quality = np.nan_to_num(arrays["coherence"]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return {"average_coherence": quality, "complete": candidates}


def choose_pixel(
    candidates: np.ndarray, quality: np.ndarray | None, threshold: float = QUALITY_THRESHOLD
) -> tuple[int, int]:
    """Candidate of good quality nearest to the middle of the largest region; the rule of `find_reference`.

    Parameters
    ----------
    candidates
        Boolean map with at least one True.
    quality
        Map of the same shape, or None if all are equally good.
    threshold
        Quality from which a candidate is good.
    """
    region = _largest_region(candidates)
    if quality is not None:
        good = region & (quality >= threshold)
        if not good.any():
            row, col = np.unravel_index(np.argmax(np.where(region, quality, -np.inf)), region.shape)
            return int(row), int(col)
        region = _largest_region(good)
    pixels = np.argwhere(region)
    row, col = pixels[np.argmin(((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1))]
    return int(row), int(col)


def _largest_region(where: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(where, structure=_EIGHT)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))


def reference_of(dataset: xr.Dataset) -> tuple[int, int] | Area | None:
    """Reference of a product, from its attributes."""
    if "reference_area" in dataset.attrs:
        return Area(*(int(v) for v in dataset.attrs["reference_area"]))
    if "reference_row" in dataset.attrs:
        return int(dataset.attrs["reference_row"]), int(dataset.attrs["reference_col"])
    return None


def require_wavelength(stack: xr.Dataset) -> float:
    """Wavelength of a stack in metres.

    Raises
    ------
    StackError
        If it is unknown: metres need it, and no sensor is assumed.
    """
    wavelength = stack.attrs.get("wavelength")
    if wavelength is None:
        raise StackError(
            "wavelength: the files do not say; give it in metres (--wavelength), Sentinel-1 has 0.05546576"
        )
    return float(wavelength)
