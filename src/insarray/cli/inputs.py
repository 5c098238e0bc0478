"""How a command opens what it works on: interferograms by the options (select, mask, correct), or a stored result."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from insarray.engine.graph.selection import crop
from insarray.engine.open import is_result
from insarray.engine.open import open as open_stored_result
from insarray.engine.store.foreign import refuse_result
from insarray.io.areas import window_of
from insarray.io.open import open_stack
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.products.stacks.quality import quality_mask
from insarray.products.stacks.reference import Reference
from insarray.products.stacks.selection import Raster, mask, select_pairs
from insarray.products.stacks.unwrapping import correct_unwrapping
from insarray.products.views.stacks import Phase

READING = (
    "coherence",
    "components",
    "baselines",
    "wavelength",
    "product",
    "sign",
    "units",
    "nodata",
    "dates",
    "variable",
    "extent",
    "resample",
    "dem",
    "area",
)
SELECTING = ("max_temporal_baseline", "max_perpendicular_baseline", "max_neighbours", "exclude_dates", "exclude_pairs")


QUALITY = ("min_dates", "min_temporal_coherence", "max_residual_rms", "exclude_flags", "mask_raster")
"""Options of `insarray.quality_mask`."""


def open_masked(files: Sequence[str], options: dict[str, Any]) -> xr.Dataset:
    """Open, select, mask."""
    stack = open_stack(one_or_many(files), block=options["block"], **{name: options[name] for name in READING})
    return mask(
        selected(stack, options),
        coherence=options["min_coherence"],
        connected_components=options["mask_components"],
        raster=options["mask_raster"],
    )


def open_result(path: str, area: str | None = None) -> xr.Dataset:
    """Stored result, or the part of it in an area."""
    stored = open_stored_result(path)
    if area is None:
        return stored
    if not {"y", "x"} <= set(stored.dims):
        raise ArgumentError(f"area: {path} holds no image; leave --area out")
    rows, cols = window_of(area, grid_of(stored))
    return crop(stored, rows, cols)


def mask_of(result: xr.Dataset, options: Mapping[str, Any], criteria: Sequence[str] = QUALITY) -> Raster | None:
    """Mask of the pixels of a result that pass what was asked for on the command line; None if nothing was.

    Parameters
    ----------
    result
        Of which the criteria are.
    options
        Of the command.
    criteria
        Those of `QUALITY` that the command does not use for anything else.
    """
    given = {name: options[name] for name in criteria if options[name] not in (None, ())}
    raster = given.pop("mask_raster", None)
    return quality_mask(result, raster=raster, **given) if given else raster


def is_one_result(files: Sequence[str]) -> bool:
    """Whether the only argument is a stored result, and not a stack.

    Raises
    ------
    StoreError
        If it is a result that cannot be opened.
    """
    if len(files) != 1:
        return False
    if is_result(files[0]):
        return True
    refuse_result(files[0])
    return False


def selected(stack: xr.Dataset, options: dict[str, Any]) -> xr.Dataset:
    """Stack of the pairs that pass the limits given."""
    wanted = {name: options[name] for name in SELECTING if options[name] not in (None, ())}
    if options["min_mean_coherence"] is not None:
        wanted["min_coherence"] = options["min_mean_coherence"]
    return select_pairs(stack, **wanted) if wanted else stack


def corrected(stack: xr.Dataset, options: dict[str, Any], reference: Reference | None) -> tuple[xr.Dataset, Phase]:
    """Stack with the corrections asked for, one after the other, and the name of its phase to use."""
    phase: Phase = "unwrapped_phase"
    for method in options["correct_unwrapping"]:
        stack = correct_unwrapping(stack, method=method, phase=phase, reference=reference)
        phase = "corrected_phase"
    return stack, phase


def one_or_many(files: Sequence[str]) -> str | list[str]:
    """A single argument, which may be a pattern, or a list of files."""
    return files[0] if len(files) == 1 else list(files)
