"""`insarray correct`: corrections of a stored series or of interferograms, and whether each helps."""

import json
from typing import Any

import numpy as np
import xarray as xr

from insarray.cli.compute import refuse_input_as_output, run_into, save_plot
from insarray.cli.inputs import is_one_result, open_files, open_result
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Correct
from insarray.io.geometry.open import open_geometry
from insarray.kernels.corrections.assessment import VERDICTS
from insarray.model.dataset import crs_of
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError
from insarray.products.corrections.assess import assess_corrections
from insarray.products.corrections.correct import correct as correct_data
from insarray.products.corrections.ionosphere import ionosphere
from insarray.products.corrections.plate import plate_displacement
from insarray.products.corrections.stratified import stratified_troposphere
from insarray.products.corrections.tides import solid_earth_tide
from insarray.products.corrections.troposphere import troposphere
from insarray.products.views.ground import MAPS

_MASKS = ("recommended_mask",)
"""Layers of products that are no correction."""


def correct(options: Correct) -> None:
    """Subtract the corrections that are asked for."""
    refuse_input_as_output([*options.files, *options.troposphere, *options.ionosphere], options.out)
    stored = is_one_result(options.files)
    data = open_result(options.files[0], options.area) if stored else open_files(options.files, options)
    data = _with_geometry(data, options)
    found = _corrections(data, options)
    if options.assess:
        height = options.dem or data.get("height")
        assessed = assess_corrections(data, found, dem=height, mask=options.mask)
        echo(json.dumps(_plain(assessed)) if options.json else "\n".join(_lines(assessed)))
        if options.plot is not None:
            from insarray import plot as draw

            inputs = (data, *found.values(), options.dem, options.mask, options.geometry)
            save_plot(draw.assessment(assessed), options.plot, *inputs)
        if options.dry_run:
            return
    run_into(correct_data(data, found, missing=options.missing, keep=options.keep), options)


def corrected_of(options: Correct, data: xr.Dataset, *, partly: bool) -> xr.Dataset:
    """Corrected data, lazily; as they are if nothing is asked for and that may be (`partly`)."""
    data = _with_geometry(data, options)
    found = _corrections(data, options, partly=partly)
    return correct_data(data, found, missing=options.missing, keep=options.keep) if found else data


def _with_geometry(data: xr.Dataset, options: Correct) -> xr.Dataset:
    """Data with the maps of the file of geometry."""
    if options.geometry is None:
        return data
    maps = open_geometry(options.geometry, data)
    wanted = ("incidence_angle", "height", *(() if crs_of(data) is not None else MAPS))
    return data.assign({name: maps[name].variable for name in wanted if name in maps})


def _corrections(data: xr.Dataset, options: Correct, *, partly: bool = False) -> dict[str, xr.DataArray]:
    """Corrections by name.

    Raises
    ------
    ArgumentError
        If none was asked for.
    """
    found: dict[str, xr.DataArray] = {name: data[name] for name in options.layers if name not in _MASKS}
    when, angle = options.time_of_day, options.incidence_angle
    if options.troposphere:
        delays = troposphere(
            data,
            _files(options.troposphere),
            dem=options.dem,
            time_of_day=when,
            incidence_angle=angle,
            dem_heights=options.dem_heights,
            max_hours=options.max_hours,
            missing=options.missing,
        )
        found |= _layers(delays)
    sight: dict[str, Any] = {"incidence_angle": angle, "heading": options.heading, "look": options.look}
    if options.ionosphere:
        found["ionosphere"] = ionosphere(data, _files(options.ionosphere), time_of_day=when, **sight)
    if options.tides:
        found["solid_earth_tide"] = solid_earth_tide(data, time_of_day=when, **sight)
    if options.plate is not None:
        found["plate_motion"] = plate_displacement(data, plate=options.plate, **sight)
    if options.stratified is not None:
        layered = stratified_troposphere(
            data,
            dem=options.dem,
            model=options.stratified,
            windows=options.windows,
            mask=options.mask,
            keep_velocity=options.keep_velocity,
        )
        found |= _layers(layered)
    if not found and not partly:
        raise ArgumentError(
            "correct: name a correction: --troposphere, --tides, --plate, --ionosphere, --stratified or --layers"
        )
    return found


def _files(given: tuple[str, ...]) -> str | list[str]:
    return given[0] if len(given) == 1 else list(given)


def _layers(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    return {str(name): layer for name, layer in dataset.data_vars.items()}


# -- assessment -----------------------------------------------------------------------------------------------------


def _plain(assessed: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each correction and date or pair."""
    lead = "time" if "time" in assessed.dims else "pair"
    names = ("std_before", "std_after", "std_scaled", "scale", "scale_std")
    rows = []
    for i, correction in enumerate(assessed["correction"].values):
        for k, label in enumerate(_labels(assessed, lead)):
            values = {name: _number(assessed[name].values[i, k]) for name in names}
            verdict = VERDICTS[int(assessed["verdict"].values[i, k])]
            rows.append({"correction": str(correction), lead: label, **values, "verdict": verdict})
    return rows


def _labels(assessed: xr.Dataset, lead: str) -> list[str]:
    if lead == "pair":
        return [str(label) for label in assessed["pair"].values]
    return [date_label(time) for time in assessed["time"].values.astype("datetime64[s]")]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _lines(assessed: xr.Dataset) -> list[str]:
    """Table for the screen, in mm, and what to do about each correction."""
    lead = "time" if "time" in assessed.dims else "pair"
    width = max(len(label) for label in _labels(assessed, lead))
    lines = [
        f"{'correction':<24}{'date' if lead == 'time' else 'pair':<{width + 2}}{'before':>8}{'after':>8}{'scale':>8}{'+-':>7}  verdict"
    ]
    for row in _plain(assessed):
        spread = [_shown(row[name], 1e3, 2) for name in ("std_before", "std_after")]
        scale = [_shown(row[name], 1.0, 2) for name in ("scale", "scale_std")]
        numbers = f"{spread[0]:>8}{spread[1]:>8}{scale[0]:>8}{scale[1]:>7}"
        lines.append(f"{row['correction']:<24}{row[lead]:<{width + 2}}{numbers}  {row['verdict']}")
    for i, name in enumerate(assessed["correction"].values):
        counts = np.bincount(assessed["verdict"].values[i], minlength=len(VERDICTS))
        listed = ", ".join(f"{verdict} {count}" for verdict, count in zip(VERDICTS, counts, strict=True))
        before, after = (
            np.sqrt(np.nanmean(assessed[part].values[i] ** 2)) * 1e3 for part in ("std_before", "std_after")
        )
        lines.append(f"{name}: {listed}; standard deviation {before:.2f} mm before, {after:.2f} mm after")
    return lines


def _shown(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"
