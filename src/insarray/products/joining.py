"""Two series with reference dates of their own made one, without a break in the velocity."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.model.dataset import on_grid_of
from insarray.model.dates import date_label
from insarray.model.errors import StackError
from insarray.products.reference import reference_of
from insarray.products.series import require_series

_PLACE = ("reference_row", "reference_col", "reference_lon", "reference_lat", "reference_area", "reference_pixels")
_KEPT = ("wavelength", "sign", "gap", "reference_date", *_PLACE)


@dataclass(frozen=True)
class _Task:
    """Where the dates of the two series are: those in common, in both, and the order of all of them."""

    common: tuple[tuple[int, int], ...]
    added: tuple[int, ...]
    order: tuple[int, ...]


def join(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Series of the dates of both, relative to the reference date of the first; lazily if one of them is lazy.

    The levels of the two are tied per pixel by the dates that they have in common: by the mean difference there. So
    a product whose reference date moves on, or a series that was begun anew, has one velocity and no jump. The values
    of the first stay as they are.

    Parameters
    ----------
    first, second
        Series on the same grid with the same reference place, and at least one date in common, such as the date
        to which the second is relative.

    Returns
    -------
    xarray.Dataset
        `displacement` and `network_subset` (time, y, x). Dates of the second are NaN, and of a piece of their own, where
        the pixel has no common date or the date is not tied to it. Standard deviations are not there, as they would
        need the covariance of the two.

    Raises
    ------
    StackError
        If grids or places of the reference differ, or there is no common date.
    """
    for series in (first, second):
        require_series(series)
    task, times = _task(first, second)
    inputs = {"first": first.displacement, "second": second.displacement}
    for name, series in (("first", first), ("second", second)):
        if "network_subset" in series:
            inputs[f"{name}_subset"] = series.network_subset
    chunks = {dim: first.displacement.chunksizes[dim] for dim in ("y", "x")} if first.displacement.chunks else {}
    if chunks:
        inputs = {name: layer.chunk({"time": -1, **chunks}) for name, layer in inputs.items()}
    sizes, outputs = {"time": len(times)}, ("displacement", "network_subset")
    joined = map_blocks(join_block, task, inputs, outputs, sizes, bytes_per_pixel=24 * len(times))
    attrs = {name: first.attrs[name] for name in _KEPT if name in first.attrs}
    attrs["joined_dates"] = len(task.added)
    attrs["reference_date"] = str(first.attrs.get("reference_date", str(first.time.values[0])[:19]))
    time = xr.DataArray(times, dims="time", attrs=first.time.attrs)
    return on_grid_of(first, xr.Dataset(joined, {"time": time}, attrs))


def _task(first: xr.Dataset, second: xr.Dataset) -> tuple[_Task, np.ndarray]:
    if any(not np.array_equal(first[dim], second[dim]) for dim in ("y", "x")):
        raise StackError("second: its grid differs from that of the first; warp one to the other before the inversion")
    places = [reference_of(series) for series in (first, second)]
    if places[0] != places[1]:
        raise StackError(
            f"second: its reference is {places[1]}, that of the first {places[0]}; rereference one of them to that place"
        )
    mine, other = first.time.values, second.time.values
    common = [(int(i), int(np.flatnonzero(other == mine[i])[0])) for i in np.flatnonzero(np.isin(mine, other))]
    if not common:
        ends = [f"{date_label(times[0])}..{date_label(times[-1])}" for times in (mine, other)]
        raise StackError(f"second: its dates {ends[1]} have none in common with {ends[0]} of the first to tie them")
    added = np.flatnonzero(~np.isin(other, mine))
    times = np.concatenate([mine, other[added]])
    order = np.argsort(times)
    return _Task(tuple(common), tuple(added.tolist()), tuple(order.tolist())), times[order]


def join_block(task: _Task, arrays: Arrays) -> Arrays:
    """Joined series of one block; `arrays` holds `first`, `second` and perhaps their `..._subset`."""
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
