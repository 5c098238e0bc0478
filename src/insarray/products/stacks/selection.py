"""Select pairs and mask samples of a stack, lazily."""

import logging
import os
import zlib
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import xarray as xr

from insarray.engine.graph.elementwise import elementwise
from insarray.engine.graph.selection import take
from insarray.engine.graph.stored_types import converted
from insarray.kernels.limits import require_coherence, value_range
from insarray.model import selection
from insarray.model.arguments import Duration, number
from insarray.model.dates import Time
from insarray.model.deprecation import renamed
from insarray.model.errors import ArgumentError, StackError
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.stacks import StackView, View, as_stack

logger = logging.getLogger(__name__)


@renamed(min_coherence="min_mean_coherence")
def select_pairs(
    stack: xr.Dataset,
    *,
    max_temporal_baseline: Duration | None = None,
    max_perpendicular_baseline: float | None = None,
    max_neighbours: int | None = None,
    exclude_dates: Iterable[Time] = (),
    exclude_pairs: Iterable[str | Sequence[Time]] = (),
    min_mean_coherence: float | None = None,
) -> xr.Dataset:
    """Select the pairs that pass all limits; see `insarray.model.selection.select`.

    `min_mean_coherence` reads the coherence of all pairs once for its mean over the image, and keeps the spanning tree
    with the highest coherence.

    Raises
    ------
    StackError
        If the stack has no coherence and `min_mean_coherence` is given.
    NetworkError
        If no pair is left, or baselines are needed and unknown.

    See Also
    --------
    insarray.open_stack : open unwrapped interferograms.
    insarray.mask : mask samples.
    insarray.closure_summary : statistics of loops and pairs.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> short = ia.select_pairs(stack, max_temporal_baseline=24)
    >>> stack.sizes["pair"], short.sizes["pair"]
    (12, 9)
    """
    view = as_stack(stack)
    mean = None
    if min_mean_coherence is not None:
        require_share("min_mean_coherence", min_mean_coherence)
        mean = _mean_coherence(_layer(view, "coherence", "min_mean_coherence"))
    keep = selection.select(
        view.network,
        max_temporal_baseline=max_temporal_baseline,
        max_perpendicular_baseline=max_perpendicular_baseline,
        max_neighbours=max_neighbours,
        exclude_dates=exclude_dates,
        exclude_pairs=exclude_pairs,
        min_coherence=min_mean_coherence,
        coherence=mean,
    )
    view.network.subset(keep)  # raises for an empty selection
    logger.info("select_pairs: %d of %d pairs", int(np.count_nonzero(keep)), len(keep))
    return take(view.data, "pair", np.flatnonzero(keep))


Raster = str | os.PathLike[str] | xr.DataArray
"""Map of good pixels: a file, or an array (y, x) on the grid."""


@renamed(coherence="min_coherence", connected_components="mask_components", raster="mask")
def mask(
    stack: xr.Dataset,
    *,
    min_coherence: float | None = None,
    mask_components: bool = False,
    mask: Raster | None = None,
) -> xr.Dataset:
    """Set the phase to NaN where samples must not be used.

    Parameters
    ----------
    stack
        Stack; its other variables are unchanged.
    min_coherence
        Samples with lower or missing coherence are masked.
    mask_components
        Mask samples of connected component 0.
    mask
        Raster: pixels where it is 0, NaN or its no-data value are masked in all pairs. A file is warped to the grid
        with nearest neighbour; a DataArray (y, x) must be on the grid.

    Raises
    ------
    StackError
        If the stack lacks the layer that a mask needs.

    See Also
    --------
    insarray.select_pairs : select pairs.
    insarray.quality_mask : mask of pixels that pass criteria.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> kept = ia.mask(stack, min_coherence=0.4)
    >>> bool(kept.unwrapped_phase.count() < stack.unwrapped_phase.count())
    True
    """
    view = as_stack(stack)
    phase = view.phase
    keep = []
    if min_coherence is not None:
        require_share("min_coherence", min_coherence)
        coherence = _layer(view, "coherence", "mask")
        reached = converted(coherence.variable, partial(_at_least, min_coherence), np.dtype(bool))
        keep.append(xr.DataArray(reached))
    if mask_components:
        keep.append(_layer(view, "connected_component_labels", "mask") != 0)
    checksum = None
    if mask is not None:
        good = good_pixels(view, phase, mask).compute()  # its checksum is needed now
        checksum = f"{zlib.crc32(np.ascontiguousarray(good.values).tobytes()):08x}"
        keep.append(in_blocks_of(good, phase))
    for condition in keep:
        phase = phase.where(condition)
    options = {
        "mask_coherence": min_coherence,
        "mask_components": mask_components,
        "mask_raster": raster_name(mask),
        "mask_raster_checksum": checksum,
    }
    used = {key: str(value) for key, value in options.items() if value not in (None, False)}
    logger.info(
        "mask: %s", ", ".join(f"{key.removeprefix('mask_')} {value}" for key, value in used.items()) or "nothing"
    )
    return view.data.assign(unwrapped_phase=phase.assign_attrs(view.phase.attrs)).assign_attrs(used)


def _layer(view: StackView, name: str, asked_by: str) -> xr.DataArray:
    if name not in view.data:
        raise StackError(f"{asked_by}: the stack has no {name}; open it with that layer or leave the option out")
    layer: xr.DataArray = view.data[name]
    return layer


def _mean_coherence(coherence: xr.DataArray) -> np.ndarray:
    """Return the mean coherence of every pair over the image; raise StackError for one that is not within 0 to 1."""
    pixels = ("y", "x")
    found = {"mean": coherence.mean(pixels, dtype=np.float64), "low": coherence.min(), "high": coherence.max()}
    read = xr.Dataset(found).compute()  # together, so that files are read once
    require_coherence("coherence", float(read.low), float(read.high))
    mean: np.ndarray = read["mean"].values
    return mean


@elementwise
def _at_least(limit: float, coherence: np.ndarray) -> np.ndarray:
    """Return where the coherence reaches a limit; raise StackError for one that is not within 0 to 1."""
    require_coherence("coherence", *value_range(coherence))
    return np.asarray(coherence >= limit)


def require_share(name: str, value: float) -> None:
    """Raise ArgumentError unless `value` is between 0 and 1."""
    if not 0 <= number(name, value) <= 1:
        raise ArgumentError(f"{name}: {value!r} is not between 0 and 1")


def raster_name(raster: Raster | None) -> str | None:
    """Return the name of a raster in attributes."""
    return None if raster is None else str(raster) if isinstance(raster, str | os.PathLike) else "array"


def good_pixels(view: View, layer: xr.DataArray, raster: Raster) -> xr.DataArray:
    """Return True where a raster is neither 0 nor no-data, as an array (y, x) with the blocks of a layer of the data.

    Lazy if both the raster and the layer are lazy.

    Raises
    ------
    ArgumentError, FileError
        If the raster does not cover all pixels of the data, or cannot be read.
    """
    if isinstance(raster, str | os.PathLike):
        from insarray.io.layers.warp import read_on_grid

        values = xr.DataArray(read_on_grid(os.fspath(raster), view.grid), dims=("y", "x"))
    else:
        values = aligned("mask raster", raster, view, ("y", "x")).reset_coords(drop=True)
    good = is_good(values)
    if good.chunks and not layer.chunks:
        good = good.compute()
    return in_blocks_of(good, layer)


def is_good(values: xr.DataArray) -> xr.DataArray:
    """Return True where the values of a mask are neither 0, NaN, infinite nor what its attributes call no-data.

    Raises
    ------
    ArgumentError
        If it holds no numbers, or its no-data value is none.
    """
    numbers = _as_numbers(values)
    good: xr.DataArray = (numbers != 0) & np.isfinite(numbers)
    for fill in _no_data(values):
        good &= numbers != fill
    return good.drop_attrs(deep=False)


def _as_numbers(values: xr.DataArray) -> xr.DataArray:
    """Return a mask as numbers: that of objects, into which xarray turns booleans with gaps, is converted."""
    try:
        if values.dtype.kind == "O":
            return values.compute().astype(np.float64)
    except (TypeError, ValueError):  # the objects are no numbers
        pass
    if values.dtype.kind not in "biuf":
        raise ArgumentError(
            f"mask: holds {values.dtype}, not numbers; give booleans, or numbers that are 0 where masked"
        )
    return values


def _no_data(values: xr.DataArray) -> list[float]:
    """Return the no-data values that the attributes of a raster name, where rioxarray and xarray write them."""
    packed = {"scale_factor", "add_offset"} & set(
        values.encoding
    )  # its no-data value is of the file, not of these values
    stated = [
        about[key] for about in (values.attrs, {} if packed else values.encoding) for key in _NO_DATA if key in about
    ]
    try:
        return [float(value) for found in stated if found is not None for value in np.ravel(found)]
    except (TypeError, ValueError):
        raise ArgumentError(f"mask: its no-data value {stated[0]!r} is not a number; correct its attributes") from None


_NO_DATA = ("_FillValue", "missing_value", "fill_value", "nodata")
