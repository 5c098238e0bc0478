"""Compact time series of many pixels, embedded in the page for interactive plots."""

import base64
import math
import zlib
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of
from insarray.model.time_model import TimeModel
from insarray.products.timefit.prediction import predict
from insarray.reports.thinning import Sampling, lonlats, thinned

_FINEST = 2e-5  # m: half of it is far less than what is measured, and fewer digits take less room
_PACKED = 0.6  # of the bytes that are left after packing, as a rule
_LARGEST = 32767  # of int16; one below its smallest is no data
_NONE = -32768
_SERIES = ("displacement", "displacement_std", "network_subset")
_MAPS = ("velocity", "velocity_std", "temporal_coherence")


def series_within(dataset: xr.Dataset, budget: int) -> tuple[Sampling, dict[str, Any]]:
    """The time series of a finest sampling that take at most `budget` bytes of the page, and the sampling."""
    spots = series_sampling(dataset, round(budget / _PACKED))
    while True:
        data = time_series(dataset, spots)
        size = sum(len(text) for text in data.values() if isinstance(text, str))
        if size <= budget or spots.step >= max(spots.shape):
            return spots, data
        coarser = math.ceil(spots.step * math.sqrt(size / budget))
        spots = Sampling(spots.shape, max(spots.step + 1, coarser))


def series_sampling(dataset: xr.Dataset, budget: int) -> Sampling:
    """The finest sampling whose time series take at most `budget` bytes, were they not packed."""
    dates, shape = dataset.sizes["time"], (dataset.sizes["y"], dataset.sizes["x"])
    fitted = _model_times(dataset)
    each = 2 * dates + 2 * len(fitted) + 4 * (len(_MAPS) + 2)
    each += 2 * dates * ("displacement_std" in dataset) + dates * ("network_subset" in dataset)
    step = max(1, math.floor(math.sqrt(shape[0] * shape[1] * each * 4 / 3 / budget)))
    while math.prod(Sampling(shape, step).sizes) * each * 4 / 3 > budget and step < max(shape):
        step += 1
    return Sampling(shape, step)


def time_series(dataset: xr.Dataset, sampling: Sampling) -> dict[str, Any]:
    """Plain values for the page's script; arrays are packed, dates last.

    Displacements are integers times `scale` or `std_scale`, in m, and therefore accurate to half of that.
    """
    grid, times = grid_of(dataset), _model_times(dataset)
    names = [name for name in (*_SERIES, *_MAPS) if name in dataset]
    model = ["fit_flag", *_terms(dataset)] if len(times) else []
    taken = thinned(dataset, [*names, *(name for name in model if name not in names)], sampling)
    displacement = _dates_last(taken.displacement)
    fitted = _dates_last(_fitted(taken, times)) if len(times) else None
    found: dict[str, Any] = {
        "sizes": sampling.sizes,
        "first": sampling.first,
        "step": sampling.step,
        "dates": _days(taken.time.values),
        "model_dates": _days(times),
    }
    found["scale"] = _scale(displacement, fitted)
    found["displacement"] = _integers(displacement, found["scale"])
    if fitted is not None:
        found["model"] = _integers(fitted, found["scale"])
    if "displacement_std" in taken:
        std = _dates_last(taken.displacement_std)
        found["std_scale"] = _scale(std)
        found["std"] = _integers(std, found["std_scale"])
    if "network_subset" in taken and bool((taken.network_subset > 1).any()):
        found["subset"] = _packed(_dates_last(taken.network_subset), "<u1")
    for name in _MAPS:
        if name in taken:
            found[name] = _packed(taken[name].values, "<f4")
    position = lonlats(grid, sampling)
    if position is not None:
        found["lon"], found["lat"] = (_packed(part, "<f4") for part in position)
    found["start"] = _start(taken)
    return found


def _model_times(dataset: xr.Dataset) -> np.ndarray:
    """Return the dates of the fitted functions in the page: the ends of a line, else all dates and their midpoints."""
    if "fit_flag" not in dataset or "time_model" not in dataset.fit_flag.attrs:
        return np.array([], "datetime64[ns]")
    times = np.asarray(dataset.time.values)
    if TimeModel.from_json(dataset.fit_flag.attrs["time_model"]).names == ("velocity",):
        return times[[0, -1]]
    return np.unique(np.concatenate([times, times[:-1] + (times[1:] - times[:-1]) // 2]))


def _fitted(taken: xr.Dataset, times: np.ndarray) -> xr.DataArray:
    """Return the fitted functions at the times, levelled to the first subset if none is tied to the reference."""
    fitted = predict(taken, times)
    if "intercept" not in taken:
        return fitted
    motion = taken.drop_vars("intercept")
    left = taken.displacement - predict(motion, taken.time.values)
    if "network_subset" in taken:
        first = taken.network_subset.where(left.notnull()).min("time")
        left = left.where(taken.network_subset == first)
    level = predict(motion, times) + left.mean("time")
    return fitted.where(taken.intercept.notnull(), level)


def _terms(dataset: xr.Dataset) -> list[str]:
    """Return the names of the maps of the fitted functions."""
    return [
        str(name) for name, array in dataset.data_vars.items() if array.dims == ("y", "x") and array.dtype.kind == "f"
    ]


def _days(times: np.ndarray) -> list[str]:
    return [str(time) for time in times.astype("datetime64[s]")]  # UTC; the script appends Z


def _dates_last(array: xr.DataArray) -> np.ndarray:
    return np.asarray(array.transpose("y", "x", "time").values)


def _scale(*arrays: np.ndarray | None) -> float:
    """Metres of one unit: fine enough, and so large that the largest size is no more than the largest integer."""
    largest = max((float(np.nanmax(np.abs(a), initial=0.0)) for a in arrays if a is not None), default=0.0)
    return max(largest / _LARGEST, _FINEST) if largest > 0 else 1.0


def _integers(values: np.ndarray, scale: float) -> str:
    with np.errstate(invalid="ignore"):
        return _packed(np.where(np.isfinite(values), np.rint(values / scale), _NONE), "<i2")


def _packed(values: np.ndarray, dtype: str) -> str:
    """Array as text: little-endian, the first bytes of all numbers, then the second, ..., deflated, in base64."""
    numbers = np.ascontiguousarray(values.astype(dtype))
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, numbers.itemsize).T)
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()


def _start(taken: xr.Dataset) -> list[int] | None:
    """Return row and column of the sampled pixel shown first: the one with the most significant velocity."""
    size = np.isfinite(taken.displacement.values).sum(axis=0).astype(np.float64)
    size = np.where(size == size.max(), size, 0.0) if size.max() > 0 else size
    if "velocity" in taken and "velocity_std" in taken:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.abs(taken.velocity.values) / taken.velocity_std.values
        ratio = np.where((size > 0) & np.isfinite(ratio), ratio, 0.0)
        size = ratio if ratio.any() else size
    if not size.any():
        return None
    row, col = np.unravel_index(int(size.argmax()), size.shape)
    return [int(row), int(col)]
