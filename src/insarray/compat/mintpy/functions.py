"""Options of MintPy's time functions: references of the series, relaxations, and the functions left out of residuals."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.errors import ArgumentError
from insarray.model.numbers import plain_number
from insarray.products.series.rereference import rereference
from insarray.products.stacks.reference import lonlat
from insarray.products.timefit.prediction import predict

_KINDS = {
    "polynomial": "intercept|velocity|acceleration|jerk",
    "periodic": r"\w+_(amplitude|phase)",
    "step": r"step_\w+",
    "polyline": r"velocity_change_\w+",
    "exp": r"exponential_.+",
    "log": r"logarithmic_.+",
}
"""Names of the terms of each kind."""


def moved_series(series: xr.Dataset, options: Mapping[str, Any]) -> xr.Dataset:
    """Return the series relative to the date and place of the options."""
    if options["ref_lalo"] and options["ref_yx"]:
        raise ArgumentError("--ref-lalo, --ref-yx: both are given; the reference is one point")
    if options["ref_date"] is not None:
        series = rereference(series, date=options["ref_date"])
    if options["ref_lalo"]:
        lat, lon = options["ref_lalo"]
        series = rereference(series, reference=lonlat(lon, lat))
    elif options["ref_yx"]:
        row, col = options["ref_yx"]
        if not row.is_integer() or not col.is_integer():
            raise ArgumentError(f"--ref-yx: {row:g} {col:g} are not row and column")
        series = rereference(series, reference=(int(row), int(col)))
    return series


def without_functions(series: xr.Dataset, model: xr.Dataset, kinds: tuple[str, ...]) -> xr.DataArray:
    """Return the displacement without the fitted functions of some kinds, or of all, at the dates of the series."""
    unknown = [kind for kind in kinds if kind not in (*_KINDS, "all")]
    if unknown or not kinds:
        given = unknown[0] if unknown else "nothing"
        raise ArgumentError(f"--rm-timefun: {given} is not one of all, {', '.join(_KINDS)}")
    removed = "|".join(_KINDS if "all" in kinds else kinds)
    removed = "|".join(_KINDS[kind] for kind in removed.split("|"))
    kept = [name for name in _terms(model) if not re.fullmatch(removed, name)]
    part = model.assign({name: model[name] * 0 for name in kept})
    left: xr.DataArray = series.displacement - predict(part, series.time.values)
    left = left.astype(np.float32)
    return left.assign_attrs(units="m", long_name="displacement without time functions")


def _terms(model: xr.Dataset) -> list[str]:
    every = "|".join(_KINDS.values())
    return [str(name) for name in model.data_vars if re.fullmatch(every, str(name)) and not str(name).endswith("_std")]


def relaxations(option: str, groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, float], ...]:
    """Return date and days of each relaxation, from groups of a date and one or more numbers of days."""
    found = []
    for date, *days in groups:
        try:
            found += [(date, plain_number(value)) for value in days]
        except ValueError:
            days = []
        if not days:
            raise ArgumentError(f"{option}: {' '.join((date, *days))!r} is not a date and days behind it")
    return tuple(found)
