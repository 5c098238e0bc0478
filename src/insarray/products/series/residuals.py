"""Residuals of pairs from a time series, per pair and per date, and ranking of the worst pairs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks, sum_blocks
from insarray.model.conventions import SIGN, metres_per_radian
from insarray.model.corrections import applied
from insarray.model.dataset import pair_coords, time_coords
from insarray.model.dates import date_label
from insarray.model.errors import ReferencePointError, StackError
from insarray.products.stacks.reference import level_at
from insarray.products.views.aligning import align_series, in_blocks_of
from insarray.products.views.stacks import Phase, SeriesView, StackView, as_series, as_stack

OUTPUTS = ("residual", "residual_of_date")

_SUMS = ("count", "square", "wrong")

_ZERO = 1e-3  # rad, level of a stack that is referenced already


@dataclass(frozen=True)
class _Task:
    """Constants that are the same for every block.

    Parameters
    ----------
    pairs
        Indices of both dates of each pair among those of the series, (pair, 2).
    level
        Phase of the reference in each pair, rad, (pair,).
    scale
        Metres per radian.
    """

    pairs: np.ndarray
    level: np.ndarray
    scale: float


class PairMisfit(NamedTuple):
    """Misfit of a pair to the series over all pixels."""

    pair: str
    pixels: int
    rms: float  # rad
    wrong: float  # fraction of the pixels with a residual above half a cycle


def residuals(
    stack: xr.Dataset,
    series: xr.Dataset,
    *,
    phase: Phase = "unwrapped_phase",
) -> xr.Dataset:
    """Compute the residuals of the pairs of a stack from a series, lazily if one of them is lazy.

    Parameters
    ----------
    stack
        Pairs of the series, all or some, or other pairs between its dates, masked or not.
    series
        Series with all pixels of the stack, in any order, and with its reference, or the phase subtracted from each
        pair (`reference_phase`).
    phase
        Phase variable of the stack.

    Returns
    -------
    xarray.Dataset
        `residual` (pair, y, x) in rad, observed phase minus that of the series, and `residual_of_date` (time, y, x),
        the mean absolute residual of the pairs of a date. NaN where the pair is missing or its dates are not connected.

    Raises
    ------
    StackError
        If dates, pixels or wavelength differ, or the series was deramped or had terms removed.
    ReferencePointError
        If the reference of a pair is unknown.

    See Also
    --------
    insarray.pair_misfit : rank pairs by their misfit.
    insarray.invert : invert pairs to displacement series.
    insarray.closure : closure phase of loops.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> left = ia.residuals(stack, series)
    >>> left.residual.dims
    ('pair', 'y', 'x')
    """
    view, of = _views(stack, series, phase)
    task = _task(view, of)
    sizes = {"pair": view.network.n_pairs, "time": len(of.times)}
    needed = 25 * len(of.times)
    data = map_blocks(residual_block, task, _inputs(view, of), OUTPUTS, sizes, bytes_per_pixel=needed)
    attrs = view.inherited | {"sign": SIGN} | of.reference_attributes()
    time = {"time": of.data["time"]} if view.network.n_dates != len(of.times) else time_coords(view.network)
    return view.on_grid(xr.Dataset(data, pair_coords(view.network) | time, attrs))


def pair_misfit(
    stack: xr.Dataset,
    series: xr.Dataset,
    *,
    phase: Phase = "unwrapped_phase",
) -> list[PairMisfit]:
    """Rank the pairs by their fraction of wrong pixels, the worst first; reads all data once, block by block.

    The arguments are those of `residuals`.

    See Also
    --------
    insarray.residuals : residuals of pairs from a series.
    insarray.select_pairs : select pairs.
    insarray.closure_summary : statistics of loops and pairs.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> worst = ia.pair_misfit(stack, series)[0]
    >>> worst.wrong  # share of its pixels that are off by a cycle
    0.0
    """
    view, of = _views(stack, series, phase)
    task = _task(view, of)
    zero = {name: xr.Variable("pair", np.zeros(view.network.n_pairs)) for name in _SUMS}
    sums = xr.Dataset(sum_blocks(_sums, task, _inputs(view, of), zero)).compute()
    count, square, wrong = (sums[name].values for name in _SUMS)
    with np.errstate(invalid="ignore"):
        rows = [
            PairMisfit(label, int(n), float(np.sqrt(s / n)), float(w / n))
            for label, n, s, w in zip(view.network.labels, count, square, wrong, strict=True)
        ]
    return sorted(
        rows, key=lambda row: (-np.nan_to_num(row.wrong, nan=-1.0), -np.nan_to_num(row.rms, nan=-1.0), row.pair)
    )


def _views(stack: xr.Dataset, series: xr.Dataset, phase: Phase) -> tuple[StackView, SeriesView]:
    view = as_stack(stack, phase)
    of = align_series(as_series(series), view)
    if of.data.attrs.get("ramp") != view.data.attrs.get("ramp"):
        raise StackError("series: was deramped, the stack was not; residuals are those of the series before")
    if applied(of.data.attrs) != applied(view.data.attrs):
        raise StackError("series: was corrected, the stack was not, or otherwise; correct the stack, too, or neither")
    if "removed_terms" in of.data.attrs:
        raise StackError(
            f"series: has lost the terms {of.data.attrs['removed_terms']}; residuals are those of the series before"
        )
    if view.wavelength is not None and of.wavelength is not None and not np.isclose(view.wavelength, of.wavelength):
        raise StackError(f"series: its wavelength is {of.wavelength} m, that of the stack {view.wavelength} m")
    return view, of


def _task(view: StackView, of: SeriesView) -> _Task:
    at = np.searchsorted(of.times, view.network.times).clip(max=len(of.times) - 1)
    missing = view.network.times[of.times[at] != view.network.times]
    if len(missing):
        raise StackError(
            f"series: lacks {len(missing)} of the {view.network.n_dates} dates of the pairs, such as "
            f"{date_label(missing[0])}; select the same ones"
        )
    wavelength = of.wavelength if of.wavelength is not None else view.require_wavelength()
    return _Task(at[view.network.pairs], _level(view, of), metres_per_radian(wavelength))


def _level(view: StackView, of: SeriesView) -> np.ndarray:
    """Return the phase of the reference in each pair: that at its place, or that recorded where the stack lacks the place.

    Of an area the recorded phase is used unless the stack is zero there: other samples may be masked in it.
    """
    labels, place = view.network.labels, of.zero_place()
    stored = _stored_level(of, labels)
    if place is not None:
        try:
            level = level_at(view, view.phase, place, labels, "pairs").phase
        except ReferencePointError:
            if stored is None:
                raise
        else:
            if stored is None or place.bounds is None or np.abs(level).max() <= _ZERO:
                return level
    return np.zeros(len(labels)) if stored is None else stored


def _stored_level(of: SeriesView, labels: list[str]) -> np.ndarray | None:
    """Return the phase that was subtracted from each pair, as recorded; None if it is not for all of them."""
    if of.network is None or "reference_phase" not in of.data.coords:
        return None
    stored = dict(zip(of.network.labels, of.data["reference_phase"].values.tolist(), strict=True))
    return np.array([stored[label] for label in labels]) if set(labels) <= set(stored) else None


def _inputs(view: StackView, of: SeriesView) -> dict[str, xr.DataArray]:
    layers = {name: of.data[name] for name in ("displacement", "network_subset") if name in of.data}
    return {"unwrapped_phase": view.phase} | {name: in_blocks_of(layer, view.phase) for name, layer in layers.items()}


def residual_block(task: _Task, arrays: Arrays) -> Arrays:
    """Return the residuals of one block."""
    residual = _residual(task, arrays)
    count, total = np.zeros((2, *arrays["displacement"].shape))
    for k, (i, j) in enumerate(task.pairs):
        here = np.isfinite(residual[k])
        size = np.where(here, np.abs(residual[k]), 0.0)
        for date in (i, j):
            count[date] += here
            total[date] += size
    with np.errstate(invalid="ignore"):
        return {"residual": residual, "residual_of_date": (total / count).astype(np.float32)}


def _residual(task: _Task, arrays: Arrays) -> np.ndarray:
    phase, displacement, label = arrays["unwrapped_phase"], arrays["displacement"], arrays.get("network_subset")
    residual = np.empty(phase.shape, np.float32)
    for k, (i, j) in enumerate(task.pairs):
        moved = displacement[j].astype(np.float64) - displacement[i]
        residual[k] = phase[k] - task.level[k] - moved / task.scale
        if label is not None:  # the displacement between two subsets is an assumption
            residual[k][(label[i] != label[j]) | (label[i] == 0)] = np.nan
    return residual


def _sums(task: _Task, arrays: Arrays) -> Arrays:
    """Return number, sum of squares, and number above half a cycle, of the residuals of each pair."""
    sums = np.zeros((len(_SUMS), len(task.pairs)))
    for k, residual in enumerate(_residual(task, arrays)):
        r = residual[np.isfinite(residual)].astype(np.float64)
        sums[:, k] = len(r), (r * r).sum(), (np.abs(r) > np.pi).sum()
    return dict(zip(_SUMS, sums, strict=True))
