"""`correct`: subtract corrections from a series or a stack, each once, and keep what it was made of."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.network.datum import relative_to_pieces
from insarray.model.choices import MissingDates
from insarray.model.conventions import VARIABLES, Variable, metres_per_radian
from insarray.model.corrections import UNCORRECTED, applied, record, require_new
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, ReferencePointError
from insarray.model.place import Area, Place
from insarray.products.corrections.given import (
    Corrections,
    Given,
    dates_of_pairs,
    given_corrections,
    index_of,
    on_pixels,
)
from insarray.products.series.common import complete_pixels, only_series
from insarray.products.views.stacks import SeriesView, StackView, View, as_data

logger = logging.getLogger(__name__)

_BYTES = (18, 36)  # of working memory for a sample: sum, correction and difference in float64; and relative to pieces


@dataclass(frozen=True)
class _Part:
    """One correction, as a block needs it.

    Parameters
    ----------
    name
        What it is called.
    scale
        Metres of one of its units.
    first, second
        Index of what is subtracted from what: of a series the reference date and each date, of a stack the dates of each
        pair, or nothing and the pair; -1 where there is none.
    level
        Of the reference place in metres, for each date or pair.
    by_pair
        Whether it is one of pairs.
    """

    name: str
    scale: float
    first: np.ndarray
    second: np.ndarray
    level: np.ndarray
    by_pair: bool


@dataclass(frozen=True)
class _Task:
    parts: tuple[_Part, ...]
    layers: tuple[str, ...]
    metres: float
    pieces: bool
    keep: bool


def correct(
    data: xr.Dataset, corrections: Corrections, *, missing: MissingDates = "error", keep: bool = True
) -> xr.Dataset:
    """Subtract corrections from a series or a stack, lazily if one of them is lazy.

    Parameters
    ----------
    data
        Series with `displacement`, or stack. Correcting the pairs and inverting gives what inverting and correcting the
        dates gives.
    corrections
        By name, such as `troposphere`, `troposphere_wet`, `troposphere_hydrostatic`, `ionosphere`, `solid_earth_tide`,
        `plate_motion`: a dataset, a named array, or arrays by name, each (time, y, x) or (pair, y, x). Its attribute
        `units` says what it is: "m" is line of sight with the sign of `displacement`, "radian" is what it adds to the
        phase, as the layers of products have it. `source` says where it is from. Dates, pairs and pixels are found by
        their labels; those that it has besides are left out. One of pairs becomes one of dates for a series by least
        squares with equal weights.
    missing
        What becomes of dates that a correction lacks: "error" refuses them, with "nan" they are without data.
    keep
        Keep the data before the first correction (`uncorrected_displacement`, `uncorrected_phase`) and each correction, as
        it was subtracted, beside the result.

    Returns
    -------
    xarray.Dataset
        `data` with `displacement`, or every phase, corrected, without the terms of motion (`velocity`, ...), which are
        to be fitted anew. Attributes `corrections` and `correction_sources` say what was applied.

        A correction is taken relative to the reference date and place of a series, where it stays zero; of a stack
        relative to the place that it records, if it does. Pixels where it is NaN have no data. Of a stack `ionosphere`
        and so on are kept as phase of the pairs, in radians; of a series as metres of the dates.

    Raises
    ------
    ArgumentError
        If a correction was applied already, by you or by the product, is given twice, says no unit, or lacks dates or
        pixels.
    ReferencePointError
        If it has no data at the reference.

    See Also
    --------
    insarray.deramp : subtract surfaces.
    insarray.remove_terms : subtract fitted motion.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> better = ia.correct(series, {"troposphere": truth.atmosphere})
    >>> better.attrs["corrections"]
    'troposphere'
    >>> bool(better.displacement.std() < series.displacement.std())
    True
    """
    if missing not in get_args(MissingDates):
        raise ArgumentError(f"missing: {missing!r} is not one of {', '.join(get_args(MissingDates))}")
    view = as_data(data)
    given = given_corrections(corrections, view.wavelength)
    require_new([one.name for one in given], view.data.attrs)
    found = _of_series(view, given, missing) if isinstance(view, SeriesView) else _of_stack(view, given, missing)
    parts, inputs = found
    layers = ("displacement",) if isinstance(view, SeriesView) else _phases(view)
    metres = 1.0 if isinstance(view, SeriesView) else metres_per_radian(view.require_wavelength())
    pieces = isinstance(view, SeriesView) and view.in_pieces
    task = _Task(tuple(parts), layers, metres, pieces, keep)
    inputs |= {name: view.data[name] for name in layers}
    if pieces:
        inputs["network_subset"] = view.data["network_subset"]
    about = _about(view, layers, given, keep=keep)
    lead = {str(view.data[layers[0]].dims[0]): view.data[layers[0]].shape[0]}
    needed = _BYTES[pieces] * max(lead.values())
    corrected = map_blocks(correct_block, task, inputs, about, lead, bytes_per_pixel=needed)
    logger.info("correct: %s from %d layers", ", ".join(one.name for one in given), max(lead.values()))
    return _described(view, layers, corrected, {one.name: one.source for one in given}, keep=keep)


def _phases(view: View) -> tuple[str, ...]:
    return tuple(name for name in ("unwrapped_phase", "corrected_phase") if name in view.data)


# -- which dates and which level ------------------------------------------------------------------------------------


def _of_series(
    view: SeriesView, given: list[Given], missing: MissingDates
) -> tuple[list[_Part], dict[str, xr.DataArray]]:
    parts, inputs = [], {}
    start = date_label(view.reference_time)
    for one in given:
        dated = dates_of_pairs(one) if one.lead == "pair" else one
        (first,) = index_of(dated, [start], missing_is_nan=True)
        if first < 0:
            raise ArgumentError(
                f"corrections: {one.name} lacks the reference date {start}, to which the displacement is relative; add it, "
                "or use rereference(date=...) first"
            )
        second = index_of(dated, view.labels, missing_is_nan=missing == "nan")
        inputs[_input(one.name)] = on_pixels(dated, view, view.displacement)
        level = _level(view, dated, view.zero_place(), np.full(len(second), first), second, missing)
        parts.append(_Part(one.name, dated.scale, np.full(len(second), first), second, level, by_pair=False))
    return parts, inputs


def _of_stack(
    view: StackView, given: list[Given], missing: MissingDates
) -> tuple[list[_Part], dict[str, xr.DataArray]]:
    parts, inputs, network = [], {}, view.network
    for one in given:
        if one.lead == "pair":
            second = index_of(one, network.labels, missing_is_nan=missing == "nan")
            first = second
        else:
            dates = [date_label(time) for time in network.times]
            at = index_of(one, dates, missing_is_nan=missing == "nan")
            first, second = at[network.reference], at[network.secondary]
        inputs[_input(one.name)] = on_pixels(one, view, view.phase)
        level = _level(view, one, _place_of_stack(view), None if one.lead == "pair" else first, second, missing)
        parts.append(_Part(one.name, one.scale, first, second, level, by_pair=one.lead == "pair"))
    return parts, inputs


def _input(name: str) -> str:
    return f"correction {name}"


def _place_of_stack(view: StackView) -> Place | None:
    """Where the phase of a stack is zero, if it says so."""
    stated = view.data.attrs.get("product_reference")
    if stated is not None:
        return Place(float(stated[0]), float(stated[1]))
    return Place.of_attributes(view.data.attrs, view.grid) if "reference_y" in view.data.attrs else None


def _level(
    view: View,
    given: Given,
    place: Place | None,
    first: np.ndarray | None,
    second: np.ndarray,
    missing: MissingDates,
) -> np.ndarray:
    """Correction of the reference place at each date or pair, metres; reads it only there."""
    if place is None:
        return np.zeros(len(second))
    level = _differences(_at_place(view, given, place) * given.scale, first, second)
    bad = np.flatnonzero(~np.isfinite(level))
    if len(bad) and (missing == "error" or len(bad) == len(level)):
        label = given.labels[second[bad[0]]]
        raise ReferencePointError(
            f"corrections: {given.name} has no data at the reference, y {place.y:.9g}, x {place.x:.9g}, on {label}"
            f"{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}; rereference, or give one that covers it"
        )
    return level


def _differences(values: np.ndarray, first: np.ndarray | None, second: np.ndarray) -> np.ndarray:
    """Values of `second` less those of `first`; NaN where one is -1."""
    padded = np.concatenate([values, np.full((1, *values.shape[1:]), np.nan)])
    found: np.ndarray = padded[second] if first is None else padded[second] - padded[first]
    return found


def _at_place(view: View, given: Given, place: Place) -> np.ndarray:
    """Values at a place for each date or pair, float64: of an area the mean over the pixels that count there."""
    layer = given.layer.transpose(given.lead, "y", "x")
    centres = [layer[dim].values if dim in layer.coords else own for dim, own in zip("yx", view.centres, strict=True)]
    where = place.on(*centres)
    if where is None:
        raise ReferencePointError(
            f"corrections: {given.name} does not have the reference, y {place.y:.9g}, x {place.x:.9g}, among its pixels; "
            "give it for the whole image"
        )
    if not isinstance(where, Area):
        return np.asarray(layer.isel(y=where[0], x=where[1]).values, np.float64)
    values = np.asarray(layer.isel(y=where.rows, x=where.cols).values, np.float64)
    count = np.isfinite(values).all(axis=0)
    own = place.on(*view.centres)
    if isinstance(view, SeriesView) and isinstance(own, Area):
        same = complete_pixels(view, own)
        count &= same if same.shape == count.shape else True
    if not count.any():
        return np.full(len(values), np.nan)
    mean: np.ndarray = values[:, count].mean(axis=1)
    return mean


# -- blocks ---------------------------------------------------------------------------------------------------------


def correct_block(task: _Task, arrays: Arrays) -> Arrays:
    """Corrected layers of one block, and the corrections as they were subtracted."""
    results: Arrays = {}
    total = np.zeros((len(task.parts[0].second), *arrays[task.layers[0]].shape[1:]))
    for part in task.parts:
        values = _subtracted(task, part, arrays)
        values /= task.metres
        total += values
        if task.keep:
            results[part.name] = values.astype(np.float32)
        del values
    for name in task.layers:
        results[name] = (arrays[name] - total).astype(np.float32)
    return results


def _subtracted(task: _Task, part: _Part, arrays: Arrays) -> np.ndarray:
    """Metres that a correction takes from each date or pair."""
    given = arrays[_input(part.name)]
    found = np.empty((len(part.second), *given.shape[1:]))
    for k, (i, j) in enumerate(zip(part.first, part.second, strict=True)):
        if j < 0 or i < 0:
            found[k] = np.nan
        elif part.by_pair:
            found[k] = given[j]
        else:
            with np.errstate(invalid="ignore"):  # infinite minus infinite
                found[k] = given[j].astype(np.float64) - given[i]
    found *= part.scale
    found -= part.level[:, None, None]
    found[~np.isfinite(found)] = np.nan
    return relative_to_pieces(found, arrays["network_subset"]) if task.pieces else found


# -- description ----------------------------------------------------------------------------------------------------


def _about(view: View, layers: tuple[str, ...], given: list[Given], *, keep: bool) -> dict[str, Variable]:
    about = {name: VARIABLES[name] for name in layers}
    if not keep:
        return about
    dims = VARIABLES[layers[0]].dims
    for one in given:
        words = one.name.replace("_", " ")
        attrs: dict[str, object] = {"source": one.source}
        if isinstance(view, SeriesView):
            text = f"apparent line-of-sight displacement by {words}, that was subtracted, positive toward the satellite"
            about[one.name] = Variable(dims, "float32", "m", text, attrs)
        else:
            text = f"contribution of {words} to the phase, that was subtracted, positive away from the satellite"
            about[one.name] = Variable(dims, "float32", "radian", text, attrs)
    return about


def _described(
    view: View, layers: tuple[str, ...], corrected: Mapping[str, xr.Variable], sources: Mapping[str, str], *, keep: bool
) -> xr.Dataset:
    data = view.data
    result, raw = (only_series(data) if isinstance(view, SeriesView) else data), layers[0]
    kept = {UNCORRECTED[raw]: data[raw].variable} | {
        name: data[name].variable for name in applied(data.attrs) if name in data
    }
    if UNCORRECTED[raw] in data:
        kept[UNCORRECTED[raw]] = data[UNCORRECTED[raw]].variable
    if keep:
        result = result.assign({name: variable.copy(deep=False) for name, variable in kept.items()})
        entry = VARIABLES[UNCORRECTED[raw]]
        result[UNCORRECTED[raw]].attrs = {"units": entry.units, "long_name": entry.long_name}
    result = result.assign(corrected)
    for name in layers:
        result[name].attrs = dict(data[name].attrs)
    attrs: dict[str, Any] = record(data.attrs, sources)
    if isinstance(view, SeriesView):
        attrs |= view.reference_attributes()
    return view.on_grid(result.assign_attrs(attrs))
