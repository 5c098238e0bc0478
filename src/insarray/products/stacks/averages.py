"""Averages over pairs or dates, and counts of unwrapped pairs per pixel."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.model.choices import Average
from insarray.model.conventions import VARIABLES
from insarray.model.dataset import time_coords
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network
from insarray.products.views.layers import canonical
from insarray.products.views.stacks import View, as_data, as_series, as_stack

logger = logging.getLogger(__name__)

Statistic = Average | Callable[..., Any]
"""Name of a statistic, or function ``f(samples, axis=0)`` as in NumPy, of samples (pair or time, y, x)."""

COUNTS = ("nonzero_component_count", "component_intersection")


@dataclass(frozen=True)
class _Task:
    statistic: Statistic
    layer: str
    output: str


def temporal_average(data: xr.Dataset, *, layer: str, statistic: Statistic = "mean") -> xr.Dataset:
    """Compute the mean, median, standard deviation or another statistic over pairs or dates, lazily if lazy.

    Parameters
    ----------
    data
        Stack or series.
    layer
        Floating-point variable with the dimensions (pair, y, x), such as "coherence", or (time, y, x).
    statistic
        "mean", "median", "std" (divided by the number of samples), or a function that is called for every block as
        ``statistic(samples, axis=0)`` and must ignore NaN itself, such as ``numpy.nanmax``.

    Returns
    -------
    xarray.Dataset
        One variable (y, x) in the units of the layer: ``mean_<layer>``, ``median_<layer>``, ``std_<layer>``, or for a
        function ``statistic_<layer>``. NaN samples are ignored; NaN where all are NaN.

    Raises
    ------
    ArgumentError
        If statistic or layer is unknown, or its values are labels or flags.

    See Also
    --------
    insarray.component_counts : number of unwrapped pairs per pixel.
    insarray.quality_mask : mask of pixels that pass criteria.

    Notes
    -----
    Samples are summed in order in float32, as ``numpy.nanmean(samples, axis=0)`` does for float32, so that results
    agree bitwise with others; the relative error is below 6e-8 times the number of samples.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> mean = ia.temporal_average(stack, layer="coherence")
    >>> mean.mean_coherence.dims
    ('y', 'x')
    """
    if not callable(statistic) and statistic not in get_args(Average):
        raise ArgumentError(
            f"statistic: {statistic!r} is not one of {', '.join(get_args(Average))} or a function such as numpy.nanmax"
        )
    view = _view(data)
    samples = _samples(view, layer)
    task = _Task(statistic, layer, f"{'statistic' if callable(statistic) else statistic}_{layer}")
    # sorted samples, or differences from the mean; a function may make several copies
    needed = {"mean": 0, "median": 5, "std": 8}.get(str(statistic), 24) * len(samples) + 16
    maps = map_blocks(average_block, task, {layer: samples}, (task.output,), {}, bytes_per_pixel=needed)
    own = {"statistic": getattr(statistic, "__name__", str(statistic))}
    logger.info("temporal_average: %s of %d samples of %s", own["statistic"], len(samples), layer)
    return view.on_grid(xr.Dataset(maps, attrs=view.inherited | own))


def _view(data: xr.Dataset) -> View:
    """Return a view of pairs or dates; a stack needs no phase here, and rasters to be averaged need no dates."""
    if isinstance(data, xr.Dataset) and "pair" in data.dims and "displacement" not in data:
        dated = "reference_time" in data.coords
        return as_stack(data, phaseless=True) if dated else View(canonical(data, "pair"))
    return as_series(data) if isinstance(data, xr.Dataset) and "displacement" in data else as_data(data)


def _samples(view: View, layer: str) -> xr.DataArray:
    data = view.data
    choices = [str(n) for n, v in data.data_vars.items() if v.dims in (("pair", "y", "x"), ("time", "y", "x"))]
    choices = [name for name in choices if name in VARIABLES and data[name].dtype == np.float32]
    if layer not in choices:
        raise ArgumentError(
            f"layer: {layer!r} is not among those that have an average: {', '.join(choices) or 'none is there'}"
        )
    samples: xr.DataArray = data[layer]
    return samples


def average_block(task: _Task, arrays: Arrays) -> Arrays:
    """Return the statistic of one block; `arrays` holds the layer."""
    samples = arrays[task.layer]
    if callable(task.statistic):
        empty = np.isnan(samples).all(axis=0)
        # NumPy's functions warn for pixels without samples: fill these, then set them to NaN
        found = np.asarray(task.statistic(np.where(empty, np.float32(0), samples), axis=0))
        if found.shape != samples.shape[1:]:
            raise ArgumentError(
                f"statistic: turned samples {samples.shape} into {found.shape}; it must reduce the first axis alone"
            )
        return {task.output: np.where(empty, np.nan, found).astype(np.float32)}
    return {task.output: {"mean": _mean, "median": _median, "std": _std}[task.statistic](samples)}


def _mean(samples: np.ndarray) -> np.ndarray:
    total, number = np.zeros((2, *samples.shape[1:]), np.float32)
    for sample in samples:  # in order: `sum` adds in an order that depends on the block shape
        here = np.isfinite(sample)
        total += np.where(here, sample, np.float32(0))
        number += here
    with np.errstate(invalid="ignore"):
        return np.asarray(total / number)


def _std(samples: np.ndarray) -> np.ndarray:
    mean = _mean(samples)
    return np.asarray(np.sqrt(_mean(np.square(samples - mean))))


def _median(samples: np.ndarray) -> np.ndarray:
    """Return the median as ``numpy.nanmedian``, whose warnings for empty pixels cannot be silenced in a thread."""
    ordered = np.sort(samples, axis=0)  # NaN last
    last = np.isfinite(samples).sum(axis=0)[None] - 1
    low, high = (np.take_along_axis(ordered, at, axis=0)[0] for at in (last // 2, (last + 1) // 2))
    return np.asarray((low + high) / 2)


def component_counts(stack: xr.Dataset) -> xr.Dataset:
    """Count the unwrapped pairs of each pixel, lazily if the stack is lazy.

    Parameters
    ----------
    stack
        Stack with `connected_component_labels` (pair, y, x), 0 = not unwrapped.

    Returns
    -------
    xarray.Dataset
        `nonzero_component_count` (time, y, x): number of pairs of the date with a non-zero label;
        `component_intersection` (y, x): True where the label is non-zero in every pair.

    Raises
    ------
    StackError
        If the stack has no labels.

    See Also
    --------
    insarray.temporal_average : statistics of a layer over pairs or dates.
    insarray.mask : mask samples.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> counts = ia.component_counts(stack)
    >>> bool(counts.component_intersection.all())
    True
    """
    view = as_stack(stack, phaseless=True)
    network = view.network
    if "connected_component_labels" not in view.data:
        raise StackError("component_counts: the stack has no connected_component_labels; open it with components")
    inputs = {"connected_component_labels": view.data["connected_component_labels"]}
    sizes = {"time": network.n_dates}
    maps = map_blocks(count_block, network, inputs, COUNTS, sizes, bytes_per_pixel=network.n_pairs + 8)
    return view.on_grid(xr.Dataset(maps, time_coords(network), view.inherited))


def count_block(network: Network, arrays: Arrays) -> Arrays:
    """Return the counts of one block; `arrays` holds `connected_component_labels`."""
    reached = arrays["connected_component_labels"] != 0
    counts = np.zeros((network.n_dates, *reached.shape[1:]), np.uint16)
    for (i, j), here in zip(network.pairs, reached, strict=True):
        counts[i] += here
        counts[j] += here
    return {"nonzero_component_count": counts, "component_intersection": np.asarray(reached.all(axis=0))}
