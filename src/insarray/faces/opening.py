"""How a command opens what it works on: interferograms by the options (select, mask, correct), or a stored result."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from insarray.engine.open import is_result
from insarray.io.open import open_stack
from insarray.products.reference import Reference
from insarray.products.stack import mask, select_pairs
from insarray.products.unwrapping import correct_unwrapping
from insarray.products.views import Phase

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
)
SELECTING = ("max_temporal_baseline", "max_perpendicular_baseline", "max_neighbours", "exclude_dates", "exclude_pairs")


def open_masked(files: Sequence[str], options: dict[str, Any]) -> xr.Dataset:
    """Open, select, mask."""
    stack = open_stack(one_or_many(files), block=options["block"], **{name: options[name] for name in READING})
    return mask(
        selected(stack, options),
        coherence=options["min_coherence"],
        connected_components=options["mask_components"],
        raster=options["mask_raster"],
    )


def is_one_result(files: Sequence[str]) -> bool:
    """Whether the only argument is a stored result, and not a stack."""
    return len(files) == 1 and is_result(files[0])


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
