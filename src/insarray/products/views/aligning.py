"""Align arguments to the data by coordinate labels, never by index or position."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import crs_of
from insarray.model.dates import date_label, times_of
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import same_crs
from insarray.products.views.stacks import SeriesView, StackView, View

_OFF = 0.25  # pixels: tolerance of coordinates, for float32 or warped ones

_LEADS = ("pair", "time", "other_time")


def aligned(
    name: str, argument: Any, view: View, *choices: tuple[str, ...], error: type[InsarrayError] = ArgumentError
) -> xr.DataArray:
    """Return the argument aligned to the pixels, pairs and dates of the data; lazily if it is lazy.

    Dimensions may be in any order. If the argument has coordinates, each pixel, pair and date of the data is looked up
    in them, and additional ones are dropped. Otherwise it is taken in the order of the dataset.

    Parameters
    ----------
    name
        Name of the argument, for errors.
    argument
        DataArray, or an array with the shape of one of the choices.
    view
        The data.
    choices
        Permitted dimensions, each in the order in which they are returned.
    error
        Class of the error.

    Raises
    ------
    ArgumentError
        If it has other dimensions, lacks pixels, pairs or dates, or has another length and no coordinates.
    """
    array = _as_array(name, argument, view, choices, error)
    dims = next((dims for dims in choices if set(dims) == set(array.dims)), None)
    if dims is None or len(dims) != array.ndim:
        expected = " or ".join(f"({', '.join(dims)})" for dims in choices)
        raise error(f"{name}: has the dimensions ({', '.join(map(str, array.dims))}), expected {expected}")
    if {"y", "x"} <= set(dims):
        _require_same_crs(name, array, view, error)
    for dim in dims:
        index = _index(name, array, view, dim, error)
        if index is not None:
            array = array.isel({dim: index})
    array = array.transpose(*dims)
    plain: xr.DataArray = array.drop_vars([c for c in array.coords if c not in ("time", "pair")])
    return plain


def in_blocks_of(array: xr.DataArray, layer: xr.DataArray) -> xr.DataArray:
    """Rechunk to the spatial blocks of a layer, if it is lazy, and other dimensions to one chunk; nothing if neither is."""
    if not layer.chunks and not array.chunks:
        return array
    spatial = (layer if layer.chunks else array).chunksizes
    chunks: dict[Any, Any] = {dim: spatial[dim] if dim in ("y", "x") else -1 for dim in array.dims}
    blocks: xr.DataArray = array.chunk(chunks)
    return blocks


def positions(view: View, layer: xr.DataArray, rows: np.ndarray, cols: np.ndarray) -> dict[str, xr.DataArray]:
    """`row` and `col` of every pixel, in the blocks of a layer: numbers or coordinates of its rows and columns.

    They are views that take no memory.
    """
    chunks = {dim: layer.chunksizes[dim] for dim in ("y", "x")} if layer.chunks else {}
    found = {}
    for name, dim, other, values in (("row", "y", "x", rows), ("col", "x", "y", cols)):
        line = xr.DataArray(values, dims=dim)
        if chunks:  # first, so that the view is of one block
            line = line.chunk({dim: chunks[dim]})
        line = line.expand_dims({other: view.data.sizes[other]}).transpose("y", "x")
        found[name] = line.chunk(chunks) if chunks else line
    return found


def align_series(series: SeriesView, view: View, name: str = "series") -> SeriesView:
    """Return the series on the pixels of other data.

    Raises
    ------
    StackError
        If the series lacks some of the pixels.
    """
    _require_same_crs(name, series.data, view, StackError)
    indices = {dim: _spatial(name, series.data, view, dim, StackError) for dim in ("y", "x")}
    wanted = {dim: index for dim, index in indices.items() if index is not None}
    if not wanted:
        return series
    data = series.data.isel(wanted)
    return SeriesView(
        data,
        series.order,
        times=series.times,
        network=series.network,
        reference_time=series.reference_time,
        in_pieces=series.in_pieces,
    )


def require_same_grid(name: str, other: xr.Dataset, view: View) -> dict[str, np.ndarray]:
    """Return the indices of the data's pixels in another dataset, for each dimension in which they differ.

    Raises
    ------
    StackError
        If the other dataset lacks some of them.
    """
    _require_same_crs(name, other, view, StackError)
    found = {dim: _spatial(name, other, view, dim, StackError) for dim in ("y", "x")}
    return {dim: index for dim, index in found.items() if index is not None}


# -- one dimension --------------------------------------------------------------------------------------------------


def _as_array(
    name: str, argument: Any, view: View, choices: Sequence[tuple[str, ...]], error: type[InsarrayError]
) -> xr.DataArray:
    if isinstance(argument, xr.DataArray):
        return argument
    if isinstance(argument, xr.Dataset):
        raise error(f"{name}: is a dataset; give one variable of it, such as dataset[{next(iter(argument), 'name')!r}]")
    try:
        values = argument if hasattr(argument, "shape") else np.asarray(argument)
        sizes = {**view.data.sizes, "other_time": view.data.sizes.get("time", -1)}
        fitting = [dims for dims in choices if tuple(sizes.get(dim, -1) for dim in dims) == tuple(values.shape)]
        if len(fitting) == 1 and values.dtype.kind in "fiub":
            return xr.DataArray(values, dims=fitting[0])
    except (TypeError, ValueError):  # NumPy's errors for objects that are not arrays
        values = argument
    shape = getattr(values, "shape", None)
    what = type(argument).__name__ if not shape else f"{type(argument).__name__} of shape {tuple(shape)}"
    expected = " or ".join(f"({', '.join(dims)})" for dims in choices)
    raise error(f"{name}: is a {what}; give an xarray.DataArray with the dimensions {expected}")


def _index(name: str, array: xr.DataArray, view: View, dim: str, error: type[InsarrayError]) -> np.ndarray | None:
    """Return the index along a dimension that aligns the array; None if it is in order."""
    if dim in ("y", "x"):
        return _spatial(name, array, view, dim, error)
    labels = _labels(array, dim)
    wanted = _wanted(view, dim)
    numbered = labels is None and _numbers(array, view, dim)
    if labels is None and numbered is not False:
        return np.asarray(numbered)
    if labels is None:
        _require_no_coordinate(name, array, view, dim, error)
        _require_length(name, array, view, dim, error)
        return view.order.get(dim)
    at = {label: k for k, label in enumerate(labels)}
    if len(at) < len(labels):
        raise error(f"{name}: has the {dim} {_twice(labels)} more than once; keep one of them")
    missing = [label for label in wanted if label not in at]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise error(
            f"{name}: lacks {len(missing)} of {len(wanted)} {'pairs' if dim == 'pair' else 'dates'} of the data: "
            f"{', '.join(missing[:3])}{more}"
        )
    index = np.array([at[label] for label in wanted])
    return None if len(index) == len(labels) and (index == np.arange(len(index))).all() else index


def _labels(array: xr.DataArray, dim: str) -> list[str] | None:
    """Return the labels of pairs or dates of an array; None if it has none."""
    if dim == "pair":
        if {"reference_time", "secondary_time"} <= set(array.coords) and array["reference_time"].dims == ("pair",):
            ends = (times_of(array[name].values, name) for name in ("reference_time", "secondary_time"))
            return [f"{date_label(first)}_{date_label(second)}" for first, second in zip(*ends, strict=True)]
        if "pair" in array.coords and array["pair"].dtype.kind in "OUT":
            return [str(label) for label in array["pair"].values]
        return None
    if dim in array.coords and array[dim].dtype.kind == "M":
        return [date_label(time) for time in times_of(array[dim].values, dim)]
    if dim in array.coords and array[dim].dtype.kind in "OUT":
        return [date_label(time) for time in times_of(array[dim].values, dim)]
    return None


def _wanted(view: View, dim: str) -> list[str]:
    if isinstance(view, StackView):
        return view.network.labels if dim == "pair" else [date_label(time) for time in view.network.times]
    if dim == "pair":
        return view.network.labels if isinstance(view, SeriesView) and view.network is not None else []
    return list(getattr(view, "labels", []))


def _numbers(array: xr.DataArray, view: View, dim: str) -> np.ndarray | bool:
    """Return the index by integer coordinates of array and data; False if they have none or differ."""
    if any(dim not in data.coords or data[dim].dtype.kind not in "iu" for data in (array, view.data)):
        return False
    at = {int(number): k for k, number in enumerate(array[dim].values)}
    wanted = [int(number) for number in view.data[dim].values]
    if len(at) < array.sizes[dim] or not set(wanted) <= set(at):
        return False
    return np.array([at[number] for number in wanted])


def _twice(labels: list[str]) -> str:
    return next(label for label in labels if labels.count(label) > 1)


def _require_no_coordinate(name: str, array: xr.DataArray, view: View, dim: str, error: type[InsarrayError]) -> None:
    """Raise the error if the array has a coordinate that cannot be compared with that of the data."""
    if dim in array.coords and (dim in view.data.coords or dim in _LEADS):
        kind = "pairs" if dim == "pair" else "dates"
        raise error(
            f"{name}: its coordinate {dim!r} holds {array[dim].dtype}, which is not among the {kind} of the data; give it the "
            f"coordinate {dim!r} of the data, or use .drop_vars({dim!r}) to apply it in the order of the data"
        )


def _require_same_crs(name: str, other: xr.DataArray | xr.Dataset, view: View, error: type[InsarrayError]) -> None:
    """Raise the error if both state a CRS, and these differ."""
    mine, theirs = crs_of(view.data), crs_of(other)
    if mine is not None and theirs is not None and not same_crs(mine, theirs):
        raise error(
            f"{name}: its CRS differs from that of the data; bring it to the same pixels, for example with "
            "rio.reproject_match"
        )


def _require_length(name: str, array: xr.DataArray, view: View, dim: str, error: type[InsarrayError]) -> None:
    expected = len(_wanted(view, dim)) if dim in _LEADS else view.data.sizes[dim]
    if array.sizes[dim] != expected:
        raise error(
            f"{name}: {array.sizes[dim]} along {dim!r}, but the data have {expected}; shape {array.shape} does not fit"
        )


def _spatial(
    name: str, array: xr.DataArray | xr.Dataset, view: View, dim: str, error: type[InsarrayError]
) -> np.ndarray | None:
    """Return the indices of the data's rows or columns in an array; None if they are the same."""
    size = view.data.sizes[dim]
    if dim not in array.coords or dim not in view.data.coords:
        if array.sizes[dim] != size:
            shape = tuple(array.sizes[d] for d in ("y", "x"))
            expected = tuple(view.data.sizes[d] for d in ("y", "x"))
            raise error(f"{name}: {shape} pixels, expected {expected} (y, x)")
        return None
    mine, theirs = (np.asarray(data[dim].values, np.float64) for data in (view.data, array))
    limit = _OFF * _spacing(mine, theirs)
    if len(mine) == len(theirs) and (np.abs(mine - theirs) <= limit).all():
        return None
    nearest = nearest_index(theirs, mine)
    missing = np.flatnonzero(np.abs(theirs[nearest] - mine) > limit)
    if len(missing):
        lines = {"y": "rows", "x": "columns"}[dim]
        raise error(
            f"{name}: its grid differs from that of the data: {len(missing)} of {size} {lines} of the data are not among "
            f"its {dim} ({theirs.min():.9g} to {theirs.max():.9g}), such as {mine[missing[0]]:.9g}; bring it to the same "
            "pixels, for example with rio.reproject_match"
        )
    return nearest


def nearest_index(theirs: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """Index of the one of their coordinates, in any order, that is nearest to each of mine."""
    order = np.argsort(theirs)
    after = np.searchsorted(theirs[order], mine).clip(1, max(len(theirs) - 1, 1)).clip(max=len(theirs) - 1)
    before = order[after - 1] if len(theirs) > 1 else order[after]
    nearer = np.abs(theirs[before] - mine) <= np.abs(theirs[order[after]] - mine)
    return np.asarray(np.where(nearer, before, order[after]))


def _spacing(mine: np.ndarray, theirs: np.ndarray) -> float:
    spacings = [float(np.abs(np.diff(values)).min()) for values in (mine, theirs) if len(values) > 1]
    return min(spacings) if spacings else 1e-6 * max(1.0, float(np.abs(mine).max(initial=0)))
