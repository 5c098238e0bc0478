"""Exact statistics over all pixels of a result, block by block: flags, means, connections of dates."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, sum_blocks
from insarray.model.conventions import FLAGS

_PIECES = ("unobserved", "tied", "untied")


@dataclass(frozen=True)
class _Task:
    flags: tuple[str, ...]
    maps: tuple[str, ...]


def maps_of(dataset: xr.Dataset) -> list[str]:
    """Return the names of the floating-point maps (y, x)."""
    return [
        str(name) for name, array in dataset.data_vars.items() if array.dims == ("y", "x") and array.dtype.kind == "f"
    ]


def totals(dataset: xr.Dataset) -> xr.Dataset:
    """Compute sums over all pixels immediately, with the memory of a few blocks.

    Returns
    -------
    xarray.Dataset
        Depending on the variables of `dataset`: for each flag `pixels_<flag>` (its values); for the maps of `maps_of`
        the number `count` and the `sum` of their values (map); for a series the pixels at which a date is `unobserved`,
        `tied` to the reference date or `untied` (time), and `pixels`, those with any date; for `residual` the numbers
        `pair_pixels`, `pair_wrong` (above half a cycle) and the sum `pair_square` (pair).
    """
    task = _Task(tuple(name for name in FLAGS if name in dataset), tuple(maps_of(dataset)))
    zero = {f"pixels_{name}": xr.Variable(name, np.zeros(len(FLAGS[name]), np.int64)) for name in task.flags}
    names = [*task.flags, *task.maps]
    if task.maps:
        zero |= {"count": xr.Variable("map", np.zeros(len(task.maps), np.int64))}
        zero |= {"sum": xr.Variable("map", np.zeros(len(task.maps)))}
    if "displacement" in dataset:
        names.append("displacement")
        zero |= {name: xr.Variable("time", np.zeros(dataset.sizes["time"], np.int64)) for name in _PIECES}
        zero["pixels"] = xr.Variable((), np.zeros((), np.int64))
        names += ["network_subset"] if "network_subset" in dataset else []
    if "residual" in dataset:
        names.append("residual")
        zero |= {f"pair_{name}": xr.Variable("pair", np.zeros(dataset.sizes["pair"])) for name in _PAIR_SUMS}
    if not zero:
        return xr.Dataset()
    sums = sum_blocks(_sums, task, {name: dataset[name] for name in names}, zero)
    found: xr.Dataset = xr.Dataset(sums, {"map": list(task.maps)} if task.maps else {}).compute()
    return found


_PAIR_SUMS = ("pixels", "square", "wrong")


def _sums(task: _Task, arrays: Arrays) -> Arrays:
    """Return the sums of one block."""
    found: Arrays = {
        f"pixels_{name}": np.bincount(arrays[name].ravel(), minlength=len(FLAGS[name])) for name in task.flags
    }
    if task.maps:
        finite = [arrays[name][np.isfinite(arrays[name])] for name in task.maps]
        found["count"] = np.array([values.size for values in finite])
        found["sum"] = np.array([values.sum(dtype=np.float64) for values in finite])
    if "displacement" in arrays:
        found |= _pieces(np.isfinite(arrays["displacement"]), arrays.get("network_subset"))
    if "residual" in arrays:
        found |= _misfits(arrays["residual"])
    return found


def _pieces(seen: np.ndarray, subset: np.ndarray | None) -> Arrays:
    """Count the pixels where each date is tied, untied or unobserved, among pixels with any date."""
    pieces = seen.astype(np.uint8) if subset is None else subset
    some = (pieces > 0).any(axis=0)
    counts = [((pieces == 0) & some).sum((1, 2)), (pieces == 1).sum((1, 2)), (pieces > 1).sum((1, 2))]
    return dict(zip(_PIECES, counts, strict=True)) | {"pixels": np.asarray(some.sum())}


def _misfits(residual: np.ndarray) -> Arrays:
    sums = np.zeros((len(_PAIR_SUMS), len(residual)))
    for k, values in enumerate(residual):
        r = values[np.isfinite(values)].astype(np.float64)
        sums[:, k] = len(r), (r * r).sum(), (np.abs(r) > np.pi).sum()
    return {f"pair_{name}": row for name, row in zip(_PAIR_SUMS, sums, strict=True)}
