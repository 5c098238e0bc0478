"""Open the input of a command: interferograms (selected, masked, corrected), or a stored result."""

from collections.abc import Sequence

import xarray as xr

from insarray.cli.options import Correcting, Masking, Pairs, Quality, Reading, Selecting
from insarray.cli.typed import Options
from insarray.engine.graph.selection import crop
from insarray.engine.open import is_result
from insarray.engine.open import open as open_stored_result
from insarray.engine.store.foreign import refuse_result
from insarray.io.areas import window_of
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.products.stacks.quality import quality_mask
from insarray.products.stacks.reference import Reference
from insarray.products.stacks.selection import Raster, mask, select_pairs
from insarray.products.views.stacks import Phase


def open_files(files: Sequence[str], options: Reading) -> xr.Dataset:
    """Open interferograms; a single argument may be a pattern."""
    from insarray.io.open import open_stack  # the readers are loaded only by commands that open files

    return open_stack(files[0] if len(files) == 1 else list(files), **options.keywords(Reading))


def open_masked(options: Pairs) -> xr.Dataset:
    """Open interferograms, select pairs and mask."""
    stack, wanted = open_files(options.files, options), options.given(Selecting)
    return mask(select_pairs(stack, **wanted) if wanted else stack, **options.keywords(Masking))


def open_result(path: str, area: str | None = None) -> xr.Dataset:
    """Open a stored result, optionally cropped to an area."""
    return cropped(open_stored_result(path), area, path)


def cropped(result: xr.Dataset, area: str | None, path: str) -> xr.Dataset:
    """Crop a result to an area, if given; `path` names it in messages."""
    if area is None:
        return result
    if not {"y", "x"} <= set(result.dims):
        raise ArgumentError(f"area: {path} holds no image; leave --area out")
    rows, cols = window_of(area, grid_of(result))
    return crop(result, rows, cols)


def mask_of(result: xr.Dataset, options: Options, group: type[Options] = Quality) -> Raster | None:
    """Return the mask of the pixels that meet the criteria of an option group; None if none are given.

    If only a raster is given, it is the mask.
    """
    given = options.given(group)
    raster: Raster | None = getattr(options, "mask", None)
    return quality_mask(result, **{**given, "mask": raster}) if set(given) - {"mask"} else raster


def is_one_result(files: Sequence[str]) -> bool:
    """Return whether the only argument is a stored result and not a stack.

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


def corrected(stack: xr.Dataset, options: Correcting, reference: Reference | None) -> tuple[xr.Dataset, Phase]:
    """Apply the requested corrections in order; return the stack and the name of the phase to use."""
    phase: Phase = "unwrapped_phase"
    if options.correct_unwrapping:
        from insarray.products.stacks.unwrapping import correct_unwrapping
    for method in options.correct_unwrapping:
        stack = correct_unwrapping(stack, method=method, phase=phase, reference=reference)
        phase = "corrected_phase"
    return stack, phase
