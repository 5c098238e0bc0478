"""Commands that compute a new store from a series or stack: fit, remove, deramp, rereference, join, average."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from insarray.cli import options as group
from insarray.cli.compute import compiled_kernels, refuse_input_as_output, run_into
from insarray.cli.inputs import corrected, is_one_result, mask_of, open_files, open_masked, open_result
from insarray.cli.stacks_and_series import Average, Deramp, Fit, Join, Midas, Remove, Rereference
from insarray.cli.typed import Options, dashed
from insarray.cli.values import parse_reference
from insarray.engine.graph.selection import take
from insarray.model.dates import as_time, date_index, date_label
from insarray.model.errors import ArgumentError
from insarray.products.series.joining import join as join_series
from insarray.products.series.ramps import deramp as deramp_series
from insarray.products.series.rereference import rereference as rereference_series
from insarray.products.stacks.averages import component_counts, temporal_average
from insarray.products.stacks.selection import select_pairs
from insarray.products.timefit.fit import fit as fit_functions
from insarray.products.timefit.midas import midas as midas_velocity
from insarray.products.timefit.prediction import remove_terms
from insarray.products.views.stacks import as_series

_LABELS = "connected_component_labels"
_OF_BOTH = {"area", "exclude_dates", "mask"}
"""Options of reading, selecting and masking that also apply to a stored series."""


def fit(options: Fit) -> None:
    """Fit time functions to a stored series, or directly to interferograms."""
    refuse_input_as_output(options.files, options.out)
    with compiled_kernels(options, "fit") as wait:
        if is_one_result(options.files):  # has its own reference
            model = model_of(options, open_result(options.files[0], options.area))
            options = replace(options, reference="none")
        else:
            model = model_of(options)
        wait()
        run_into(model, options)


def model_of(options: Fit, series: xr.Dataset | None = None) -> xr.Dataset:
    """Return the model of a command lazily: of a series, or of the interferograms in its options."""
    data, how = _of_pairs(options) if series is None else _of_series(options, series)
    how |= options.keywords(group.Terms, group.Fitting, group.Minimum)
    return fit_functions(data, **how, **_geometry(data, options))


def _of_series(options: Fit, series: xr.Dataset) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the dates of a series to fit, and the keywords of the fit."""
    store = options.files[0]
    _refuse_given(
        options, f"{store} is a stored series: the option is for interferograms", group.Reading, group.Selecting, group.Correcting,
        group.Masking, group.Referencing, group.Weighting,
    )  # fmt: skip
    view = as_series(series, store)
    dates = np.flatnonzero(chosen_dates(view.times, options.start, options.end, options.exclude_dates))
    return take(view.data, "time", dates), {"mask": mask_of(series, options, group.Criteria)}


def _of_pairs(options: Fit) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the interferograms to fit, and the keywords of the fit."""
    _refuse_given(options, "is for a stored series: fit to the output of insarray invert", group.Criteria)
    data = open_masked(options)
    times = data.insar.network.times
    left_out = times[~chosen_dates(times, options.start, options.end)]
    if len(left_out):
        data = select_pairs(data, exclude_dates=[str(time) for time in left_out])
    reference = parse_reference(options.reference)
    data, phase = corrected(data, options, reference)
    return data, {**options.keywords(group.Weighting), "reference": reference, "phase": phase}


def midas(options: Midas) -> None:
    """Estimate the velocity of a stored series as MIDAS does."""
    refuse_input_as_output([options.series], options.out)
    run_into(midas_velocity(open_result(options.series), **options.keywords(group.Midas)), options)


def remove(options: Remove) -> None:
    """Subtract fitted terms from a stored series."""
    refuse_input_as_output([options.series, options.model], options.out)
    data = open_result(options.series)
    geometry = _geometry(data, options)
    run_into(remove_terms(data, open_result(options.model), options.terms or None, **geometry), options)


def _refuse_given(options: Fit, reason: str, *groups: type[Options]) -> None:
    """Raise ArgumentError if an option of the groups was given."""
    for name in options.given(*groups):
        if name not in _OF_BOTH:
            raise ArgumentError(f"--{dashed(name)}: {reason}")


def chosen_dates(
    times: np.ndarray, start: str | None = None, end: str | None = None, exclude_dates: Iterable[str] = ()
) -> np.ndarray:
    """Return which dates are between `start` and `end` and not excluded."""
    keep = np.ones(len(times), bool)
    days = times.astype("datetime64[D]")
    if start is not None:
        keep &= days >= as_time(start).astype("datetime64[D]")
    if end is not None:
        keep &= days <= as_time(end).astype("datetime64[D]")
    for date in exclude_dates:
        keep[date_index(times, date)] = False
    if keep.sum() < 2:
        first, last = date_label(times[0]), date_label(times[-1])
        raise ArgumentError(
            f"--start, --end, --exclude-dates: leave {keep.sum()} of {len(times)} dates {first}..{last}; a fit needs two"
        )
    return keep


def _geometry(data: xr.Dataset, options: group.GeometryFile) -> dict[str, Any]:
    """Return the arguments of the height error, from a file or as numbers."""
    given = options.keywords(group.Geometry)
    if options.geometry is None:
        return given
    from insarray.io.geometry.open import open_geometry  # imports the readers

    found = open_geometry(options.geometry, data)
    for name in given:
        given[name] = found.get(name) if given[name] is None else given[name]
    return given | {"baselines": found.get("perpendicular_baseline")}


def deramp(options: Deramp) -> None:
    """Deramp a stored series."""
    refuse_input_as_output([options.series], options.out)
    data = open_result(options.series)
    run_into(deramp_series(data, kind=options.kind, mask=options.mask, robust=options.robust), options)


def rereference(options: Rereference) -> None:
    """Change the reference of a stored series."""
    refuse_input_as_output([options.series], options.out)
    place = None if options.reference is None else parse_reference(options.reference)
    run_into(rereference_series(open_result(options.series), date=options.date, reference=place), options)  # type: ignore[arg-type]


def join(options: Join) -> None:
    """Join two stored series."""
    refuse_input_as_output([options.first, options.second], options.out)
    run_into(join_series(open_result(options.first), open_result(options.second)), options)


def average(options: Average) -> None:
    """Average a layer of a stack or a stored series."""
    refuse_input_as_output(options.files, options.out)
    stored = is_one_result(options.files)
    data = open_result(options.files[0], options.area) if stored else open_files(options.files, options)
    layer = options.layer or ("displacement" if "displacement" in data else "coherence")
    if layer == _LABELS:
        if options.statistic:
            raise ArgumentError(
                f"--statistic: {_LABELS} are counted, they have no {options.statistic[0]}; leave it out"
            )
        result = component_counts(data)
    else:
        wanted = options.statistic or ("mean",)
        parts = [temporal_average(data, layer=layer, statistic=name) for name in wanted]
        result = xr.merge(parts, combine_attrs="override").assign_attrs(statistic=" ".join(wanted))
    run_into(result, options)
