"""Change the reference date or place of an existing time series."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.network.datum import relative_to_pieces
from insarray.model.conventions import SOLVER_FLAGS, metres_per_radian
from insarray.model.dataset import reference_coords
from insarray.model.dates import Time, date_index
from insarray.model.errors import ArgumentError, ReferencePointError
from insarray.model.place import ATTRIBUTES as PLACE_ATTRIBUTES
from insarray.model.place import Area
from insarray.products.series.common import only_series
from insarray.products.stacks.reference import LonLat, level_at
from insarray.products.views.stacks import SeriesView, as_series

logger = logging.getLogger(__name__)

_KEPT_FLAGS = [SOLVER_FLAGS.index(name) for name in ("no_data", "not_converged")]
_MISSING, _UNTIED = (SOLVER_FLAGS.index(name) for name in ("reference_date_missing", "dates_untied"))


@dataclass(frozen=True)
class _Task:
    level: np.ndarray | None
    date: int | None
    pieces: bool


def rereference(
    series: xr.Dataset, *, date: Time | None = None, reference: tuple[int, int] | LonLat | Area | None = None
) -> xr.Dataset:
    """Change the reference date, place, or both of a series; lazily if the series is lazy.

    Parameters
    ----------
    series
        With `displacement` (time, y, x).
    date
        Date of the series at which the displacement becomes zero.
    reference
        (row, col), `lonlat` or `area` at which it becomes zero (on average over the pixels of the area that have all
        dates). `find_reference` of the stack finds one.

    Returns
    -------
    xarray.Dataset
        `series` with changed `displacement`, `network_subset`, `solver_flag`, `reference_phase` and reference
        attributes, and without `ramp_coefficient` and the terms of motion (`velocity`, ...), which must be fitted
        again. Pixels that are not connected to the new date become NaN; with ``gap="subset"`` their subsets stay
        relative to their own first dates.

        A new date also drops `displacement_std`: it was relative to the old date, and converting it requires the
        covariance of both dates, which a series does not hold. A new place keeps it, as it never contained the noise of
        the reference.

    Raises
    ------
    ArgumentError
        If neither is given, the date is not in the series, or the place lies outside the image.
    ReferencePointError
        If no pixel has data at the date, or the place lacks dates or is not connected to the reference date on all of
        them; the message lists them and offers the nearest pixel that has all.

    See Also
    --------
    insarray.invert : invert pairs to displacement series.
    insarray.deramp : subtract fitted surfaces.
    insarray.join : join two series.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> moved = ia.rereference(series, date="2019-01-29", reference=ia.area(2, 5, 2, 5))
    >>> moved.insar.reference
    Area(row_start=2, row_stop=5, col_start=2, col_stop=5)
    >>> moved.insar.reference_date
    np.datetime64('2019-01-29T00:00:00')
    """
    view = as_series(series)
    if date is None and reference is None:
        raise ArgumentError("rereference: give a date, a reference, or both")
    labels, data = view.labels, view.data
    level = None
    attrs = dict(data.attrs) | view.reference_attributes()
    if reference is not None:
        if isinstance(reference, str):
            raise ArgumentError(
                f"reference: {reference!r} cannot be found in a series; ask find_reference of its stack, and give (row, col)"
            )
        found = level_at(view, _tied(view), reference, labels, "dates")
        level = found.phase
        attrs = {name: value for name, value in attrs.items() if name not in PLACE_ATTRIBUTES} | view.record(
            found.place
        )
    index = None if date is None else date_index(view.times, date)
    names = ("displacement", "network_subset", "solver_flag")
    inputs = {name: data[name] for name in names if name in data}
    outputs: tuple[str, ...] = ("displacement",)
    if index is not None:
        _require_data(view, index)
        attrs["reference_date"] = str(view.times[index])
        outputs = tuple(inputs) if "network_subset" in inputs else outputs
    task = _Task(level, index, view.in_pieces)
    needed = (30 if view.in_pieces else 12) * len(labels)
    changed = map_blocks(rereference_block, task, inputs, outputs, {"time": len(labels)}, bytes_per_pixel=needed)
    result = only_series(data).drop_vars("ramp_coefficient", errors="ignore")  # relative to the old reference
    if index is not None and view.times[index] != view.reference_time:
        result = result.drop_vars("displacement_std", errors="ignore")
    for name in outputs:
        result[name] = changed[name].to_base_variable()
        result[name].attrs = dict(data[name].attrs)
    ancillary = [name for name in ("displacement_std", "number_of_observations", "network_subset") if name in result]
    result.displacement.attrs["ancillary_variables"] = " ".join(ancillary)
    result.attrs = attrs
    logger.info(
        "rereference: %d dates, date %s, place %s",
        len(labels),
        "kept" if index is None else labels[index],
        "kept" if level is None else "changed",
    )
    return view.on_grid(_with_reference_phase(result, view, level))


def _with_reference_phase(result: xr.Dataset, view: SeriesView, level: np.ndarray | None) -> xr.Dataset:
    """Update `reference_phase`, the phase subtracted from the pairs, for the displacement of the new place."""
    if level is None:
        return result
    result = result.drop_vars("reference_phase", errors="ignore")
    network = view.network
    if network is None or view.wavelength is None or not np.isin(network.times, view.times).all():
        return result
    at = np.searchsorted(view.times, network.times)
    moved = level[at[network.secondary]] - level[at[network.reference]]
    before = view.data["reference_phase"].values if "reference_phase" in view.data.coords else 0.0
    return result.assign_coords(reference_coords(before + moved / metres_per_radian(view.wavelength)))


def _tied(view: SeriesView) -> xr.DataArray:
    """Return the displacement of the subset of the reference date, without filled dates or dates with another datum."""
    data = view.data
    return view.displacement.where(data["network_subset"] == 1) if "network_subset" in data else view.displacement


def _require_data(view: SeriesView, index: int) -> None:
    """Raise ReferencePointError if no pixel has data at a date; stops at the first block that has some."""
    plane = view.displacement.isel(time=index)
    rows, cols = (np.cumsum([0, *plane.chunksizes.get(dim, (plane.sizes[dim],))]) for dim in ("y", "x"))
    for i in range(len(rows) - 1):
        for j in range(len(cols) - 1):
            block = plane.isel(y=slice(rows[i], rows[i + 1]), x=slice(cols[j], cols[j + 1]))
            if np.isfinite(block.values).any():
                return
    raise ReferencePointError(f"date: no pixel has data on {view.labels[index]}; choose another date")


def rereference_block(task: _Task, arrays: Arrays) -> Arrays:
    """Rereference one block."""
    moved = arrays["displacement"].astype(np.float64)
    label = arrays.get("network_subset")
    if task.level is not None:
        level = np.broadcast_to(task.level[:, None, None], moved.shape)
        moved -= level if label is None or not task.pieces else relative_to_pieces(level, label)
    if task.date is None:
        return {"displacement": moved.astype(np.float32)}
    start = moved[task.date].copy()
    if label is None:
        return {"displacement": (moved - start).astype(np.float32)}
    renumbered = _renumbered(label, task.date)
    if task.pieces:  # only the subset of the date is relative to it, the others to their own first dates
        moved = relative_to_pieces(np.where(renumbered == 1, moved - start, moved), renumbered)
    else:
        moved -= start
    result = {"displacement": moved.astype(np.float32), "network_subset": renumbered}
    if "solver_flag" in arrays:
        result["solver_flag"] = _flags(arrays["solver_flag"], result["network_subset"], task.date)
    return result


def _renumbered(label: np.ndarray, date: int) -> np.ndarray:
    """Renumber subsets: that of the date becomes 1, the others follow from 2 in the order of their first dates."""
    own = label[date]
    pieces = np.unique(label[label > 0])
    begin = np.full((len(pieces), *own.shape), len(label))
    for n, piece in enumerate(pieces):
        here = label == piece
        begin[n] = np.where(own == piece, -1, np.where(here.any(axis=0), here.argmax(axis=0), len(label)))
    result = np.zeros_like(label)
    for piece, first in zip(pieces, begin, strict=True):
        others_before = ((begin >= 0) & (begin < first)).sum(axis=0)
        number = np.where(first < 0, 1, 2 + others_before).astype(np.uint8)
        result = np.where(label == piece, number, result)
    return result


def _flags(flag: np.ndarray, label: np.ndarray, date: int) -> np.ndarray:
    untied = np.where(label[date] == 0, _MISSING, np.where((label != 1).any(axis=0), _UNTIED, flag))
    return np.where(np.isin(flag, _KEPT_FLAGS), flag, untied).astype(np.uint8)
