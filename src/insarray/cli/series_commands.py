"""What the commands do that turn a stored series, or a stack, into another: options to calls of the library."""

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import xarray as xr
from click.core import ParameterSource

from insarray.cli.compute import refuse_input_as_output, run_into
from insarray.cli.inputs import READING, corrected, is_one_result, mask_of, one_or_many, open_masked, open_result
from insarray.cli.values import parse_reference, parse_relaxation
from insarray.engine.graph.selection import take
from insarray.io.geometry.open import open_geometry
from insarray.io.open import open_stack
from insarray.model.dates import as_time, date_index, date_label
from insarray.model.errors import ArgumentError
from insarray.products.series.joining import join as join_series
from insarray.products.series.ramps import deramp as deramp_series
from insarray.products.series.rereference import rereference as rereference_series
from insarray.products.stacks.averages import Named, component_counts, temporal_average
from insarray.products.stacks.selection import select_pairs
from insarray.products.timefit.fit import fit as fit_functions
from insarray.products.timefit.prediction import remove_terms
from insarray.products.views.stacks import as_series

_LABELS = "connected_component_labels"


_TERMS = ("degree", "periods", "steps", "velocity_changes")
_OF_PAIRS = (
    *(name for name in READING if name != "area"),
    *("max_temporal_baseline", "max_perpendicular_baseline", "max_neighbours", "exclude_pairs", "min_mean_coherence"),
    *(
        "min_coherence",
        "mask_components",
        "correct_unwrapping",
        "reference",
        "weights",
        "looks",
        "block",
    ),
)
"""Options of `fit` that make sense for interferograms alone."""

_OF_SERIES = ("min_temporal_coherence", "max_residual_rms", "exclude_flags")
"""Options of `fit` that make sense for a stored series alone."""


def fit(arguments: Sequence[str], **options: Any) -> None:
    """Fit time functions to a stored series, or straight to interferograms."""
    if len(arguments) < 2:
        raise ArgumentError("fit: give a stored series, or interferograms, and, last, the output store")
    *files, out = arguments
    refuse_input_as_output(files, out)
    terms: dict[str, Any] = {name: options[name] for name in _TERMS}
    for name in ("exponentials", "logarithms"):
        terms[name] = tuple(parse_relaxation(name, text) for text in options[name])
    if is_one_result(files):
        _refuse_given(_OF_PAIRS, f"{files[0]} is a stored series: the option belongs to interferograms")
        found = open_result(files[0], options["area"])
        series = as_series(found, files[0])
        how: dict[str, Any] = {"mask": mask_of(found, options, (*_OF_SERIES, "mask_raster"))}
        data = take(series.data, "time", np.flatnonzero(chosen_dates(series.times, options)))
        options["reference"] = None  # the series has its own
    else:
        _refuse_given(_OF_SERIES, "belongs to a stored series: fit to the output of insarray invert")
        data = open_masked(files, options)
        times = data.insar.network.times
        left_out = times[~chosen_dates(times, options | {"exclude_dates": ()})]
        if len(left_out):
            data = select_pairs(data, exclude_dates=[str(time) for time in left_out])
        reference = parse_reference(options["reference"])
        data, phase = corrected(data, options, reference)
        how = {"weights": options["weights"], "looks": options["looks"], "reference": reference, "phase": phase}
    for name in ("min_dates", "min_redundancy", "height_error", "uncertainty", "samples", "seed", "residuals"):
        how[name] = options[name]
    run_into(fit_functions(data, **terms, **how, **_geometry(data, options)), out, options)


def remove(series: str, model: str, out: str, **options: Any) -> None:
    """Take fitted terms out of a stored series."""
    refuse_input_as_output([series, model], out)
    data, names = open_result(series), options["terms"] or None
    result = remove_terms(data, open_result(model), names, **_geometry(data, options))
    run_into(result, out, options)


def _refuse_given(names: Sequence[str], reason: str) -> None:
    """Raise ArgumentError if one of the options was given on the command line."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise ArgumentError(f"{parameter.opts[0]}: {reason}")


def chosen_dates(times: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Which of the dates are in the part of the time asked for."""
    keep = np.ones(len(times), bool)
    days = times.astype("datetime64[D]")
    if options["start"] is not None:
        keep &= days >= as_time(options["start"]).astype("datetime64[D]")
    if options["end"] is not None:
        keep &= days <= as_time(options["end"]).astype("datetime64[D]")
    for date in options["exclude_dates"]:
        keep[date_index(times, date)] = False
    if keep.sum() < 2:
        first, last = date_label(times[0]), date_label(times[-1])
        raise ArgumentError(
            f"--start, --end, --exclude-date: leave {keep.sum()} of {len(times)} dates {first}..{last}; a fit needs two"
        )
    return keep


def _geometry(data: xr.Dataset, options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the height error: from a file, or numbers."""
    given = {"slant_range": options["slant_range"], "incidence_angle": options["incidence_angle"]}
    if options["geometry"] is None:
        return given
    found = open_geometry(options["geometry"], data)
    for name in given:
        given[name] = found.get(name) if given[name] is None else given[name]
    return given | {"baselines": found.get("perpendicular_baseline")}


def deramp(series: str, out: str, **options: Any) -> None:
    """Deramp a stored series."""
    refuse_input_as_output([series], out)
    result = deramp_series(
        open_result(series), kind=options["kind"], mask=options["mask_raster"], robust=options["robust"]
    )
    run_into(result, out, options)


def rereference(series: str, out: str, **options: Any) -> None:
    """Give a stored series another reference."""
    refuse_input_as_output([series], out)
    place = None if options["reference"] is None else parse_reference(options["reference"])
    run_into(rereference_series(open_result(series), date=options["date"], reference=place), out, options)  # type: ignore[arg-type]


def join(first: str, second: str, out: str, **options: Any) -> None:
    """Join two stored series."""
    refuse_input_as_output([first, second], out)
    run_into(join_series(open_result(first), open_result(second)), out, options)


def average(arguments: Sequence[str], **options: Any) -> None:
    """Average a layer of a stack or a stored series."""
    if len(arguments) < 2:
        raise ArgumentError("average: give the interferograms or a stored series and, last, the output store")
    *files, out = arguments
    refuse_input_as_output(files, out)
    data, layer = _opened(files, options), options["layer"]
    if layer is None:
        layer = "displacement" if "displacement" in data else "coherence"
    statistics = options["statistics"]
    if layer == _LABELS:
        if statistics:
            raise ArgumentError(f"--statistic: {_LABELS} are counted, they have no {statistics[0]}; leave it out")
        result = component_counts(data)
    else:
        wanted: tuple[Named, ...] = statistics or ("mean",)
        parts = [temporal_average(data, layer=layer, statistic=name) for name in wanted]
        result = xr.merge(parts, combine_attrs="override").assign_attrs(statistic=" ".join(wanted))
    run_into(result, out, options)


def _opened(files: list[str], options: dict[str, Any]) -> xr.Dataset:
    if is_one_result(files):
        return open_result(files[0], options["area"])
    return open_stack(one_or_many(files), block=options["block"], **{name: options[name] for name in READING})
