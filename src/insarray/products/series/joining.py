"""Join two time series with different reference dates without a jump."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.model.corrections import ATTRIBUTES as CORRECTIONS
from insarray.model.corrections import applied
from insarray.model.dates import date_label
from insarray.model.errors import StackError
from insarray.products.views.aligning import align_series, in_blocks_of
from insarray.products.views.stacks import SeriesView, as_series

logger = logging.getLogger(__name__)

_KEPT = ("wavelength", "sign", "gap", *CORRECTIONS)


@dataclass(frozen=True)
class _Task:
    """Indices of the dates of two series: common dates in both, added dates, and the order of all."""

    common: tuple[tuple[int, int], ...]
    added: tuple[int, ...]
    order: tuple[int, ...]


def join(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Join two series, relative to the reference date of the first; lazily if one of them is lazy.

    The second is shifted per pixel by the mean difference at the common dates, so that a product with a moving
    reference date, or a restarted series, has one velocity and no jump. The values of the first are unchanged.

    Parameters
    ----------
    first, second
        Series on the same grid with the same reference place and at least one common date, such as the date to which
        the second is relative.

    Returns
    -------
    xarray.Dataset
        `displacement` and `network_subset` (time, y, x). Dates of the second are NaN, and in a subset of their own,
        where the pixel has no common date or the date is not connected to it. Standard deviations are dropped, as they
        would need the covariance of the two series.

    Raises
    ------
    StackError
        If grids or reference places differ, or there is no common date.

    See Also
    --------
    insarray.append : append new pairs to a store.
    insarray.rereference : change the reference date or place.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> first, second = series.isel(time=slice(0, 4)), series.isel(time=slice(2, None))
    >>> ia.join(first, second).sizes["time"]
    6
    """
    mine = as_series(first, "first")
    other = align_series(as_series(second, "second"), mine, "second")
    _require_same_place(mine, other)
    _require_same_corrections(mine, other)
    task, times = _task(mine, other)
    inputs = {"first": mine.displacement, "second": other.displacement}
    for name, view in (("first", mine), ("second", other)):
        if "network_subset" in view.data:
            inputs[f"{name}_subset"] = view.data["network_subset"]
    lazy = mine.displacement if mine.displacement.chunks else other.displacement
    inputs = {name: in_blocks_of(layer, lazy) for name, layer in inputs.items()}
    sizes, outputs = {"time": len(times)}, ("displacement", "network_subset")
    joined = map_blocks(join_block, task, inputs, outputs, sizes, bytes_per_pixel=24 * len(times))
    attrs = {name: mine.data.attrs[name] for name in _KEPT if name in mine.data.attrs}
    attrs |= mine.reference_attributes() | {"joined_dates": len(task.added)}
    time = xr.DataArray(times.astype("datetime64[ns]"), dims="time", attrs=mine.data["time"].attrs)
    logger.info("join: %d dates, of which the second series brings %d", len(times), len(task.added))
    result = mine.on_grid(xr.Dataset(joined, {"time": time}, attrs))
    if "gap" in attrs:
        result["network_subset"].attrs["gap"] = attrs["gap"]
    return result


def _require_same_place(first: SeriesView, second: SeriesView) -> None:
    places = first.place, second.place
    known = [place for place in places if place is not None]
    if len(known) == 1 or (len(known) == 2 and not known[0].same(known[1], *first.centres)):
        names = ["unknown" if p is None else f"at y {p.y:.9g}, x {p.x:.9g}" for p in places]
        raise StackError(
            f"second: its reference is {names[1]}, that of the first {names[0]}; rereference one of them to that place"
        )


def _require_same_corrections(first: SeriesView, second: SeriesView) -> None:
    names = [set(applied(view.data.attrs)) for view in (first, second)]
    if names[0] != names[1]:
        said = [" ".join(sorted(of)) or "none" for of in names]
        raise StackError(f"second: has the corrections {said[1]}, the first {said[0]}; correct both alike")


def _task(first: SeriesView, second: SeriesView) -> tuple[_Task, np.ndarray]:
    mine, other = first.times, second.times
    common = [(int(i), int(np.flatnonzero(other == mine[i])[0])) for i in np.flatnonzero(np.isin(mine, other))]
    if not common:
        ends = [f"{date_label(times[0])}..{date_label(times[-1])}" for times in (mine, other)]
        raise StackError(f"second: its dates {ends[1]} have none in common with {ends[0]} of the first to tie them")
    added = np.flatnonzero(~np.isin(other, mine))
    times = np.concatenate([mine, other[added]])
    order = np.argsort(times)
    return _Task(tuple(common), tuple(added.tolist()), tuple(order.tolist())), times[order]


def join_block(task: _Task, arrays: Arrays) -> Arrays:
    """Join one block; `arrays` holds `first`, `second` and optionally their `..._subset`."""
    labels = {name: arrays.get(f"{name}_subset", _seen(arrays[name])) for name in ("first", "second")}
    tied = {name: np.where(labels[name] == 1, arrays[name].astype(np.float64), np.nan) for name in labels}
    difference = np.stack([tied["first"][i] - tied["second"][j] for i, j in task.common])
    here = np.isfinite(difference)
    with np.errstate(invalid="ignore"):
        offset = np.where(here, difference, 0.0).sum(axis=0) / here.sum(axis=0)
    added = list(task.added)
    values = tied["second"][added] + offset
    own = labels["second"][added]
    another = np.maximum(labels["first"].max(axis=0), 1) + 1
    label = np.where(own == 0, 0, np.where(np.isfinite(values), 1, another)).astype(np.uint8)
    order = list(task.order)
    return {
        "displacement": np.concatenate([arrays["first"], values.astype(np.float32)])[order],
        "network_subset": np.concatenate([labels["first"], label])[order],
    }


def _seen(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(values).astype(np.uint8))
