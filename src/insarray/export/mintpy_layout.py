"""Map variables to the files, names, units and attributes of MintPy 1.6."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of, network_of, reference_in
from insarray.model.dates import as_time, date_label
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.products.timefit.geometry import dates_in

_PLACE = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP", "X_UNIT", "Y_UNIT", "EPSG", "UTM_ZONE")
_REFERENCE = ("REF_Y", "REF_X", "REF_LAT", "REF_LON", "REF_DATE")
_GEOMETRY = {
    "height": "height",
    "incidence_angle": "incidenceAngle",
    "slant_range": "slantRangeDistance",
    "water_mask": "waterMask",
}
_TERMS = {"velocity": "velocity", "acceleration": "acceleration", "jerk": "poly3", "intercept": "intercept"}
_UNITS = {"velocity": "m/year", "acceleration": "m/year^2", "jerk": "m/year^3"}
_PERIODS = {"annual": "annual", "semiannual": "semiAnnual"}
_EVENTS = {"step": "step", "exponential": "exp", "logarithmic": "log"}


@dataclass(frozen=True)
class Layer:
    """Dataset of a file.

    Parameters
    ----------
    name
        Name in the file.
    data
        (y, x) or (time, y, x).
    unit
        Attribute UNIT of the dataset; None if MintPy sets none.
    """

    name: str
    data: xr.DataArray
    unit: str | None = None


@dataclass(frozen=True)
class MintpyFile:
    """MintPy file before it is computed.

    Parameters
    ----------
    name
        Name in MintPy.
    layers
        Large datasets.
    attrs
        Attributes of its root, besides those common to all files.
    tables
        Small datasets: dates, baselines.
    """

    name: str
    layers: tuple[Layer, ...]
    attrs: dict[str, str]
    tables: dict[str, np.ndarray] = field(default_factory=dict)


def files_of(dataset: xr.Dataset) -> Iterator[MintpyFile]:
    """Yield the files for a series, a fitted model, or both.

    Raises
    ------
    ArgumentError
        If two acquisitions are on one day, as MintPy's dates have no time of day.
    """
    if _has(dataset, "displacement", "time"):
        yield _series(dataset, "timeseries.h5", "displacement")
    if _has(dataset, "fit_residual", "time"):
        yield _series(dataset, "timeseriesResidual.h5", "fit_residual")
    if _has(dataset, "displacement_covariance", "time", "other_time"):
        yield _series(dataset, "timeseriesDecorCov.h5", "displacement_covariance")
    if _has(dataset, "temporal_coherence"):
        yield _map("temporalCoherence.h5", "temporalCoherence", "1", dataset.temporal_coherence)
    if _has(dataset, "quality_mask"):
        yield _map("maskTempCoh.h5", "mask", "1", dataset.quality_mask)
    if _has(dataset, "number_of_observations", "time"):
        # every pair observes two dates
        used = dataset.number_of_observations.sum("time", dtype=np.float32) / np.float32(2)
        yield _map("numInvIfgram.h5", "mask", "1", used)
    if "fit_flag" in dataset:
        yield MintpyFile("velocity.h5", tuple(_terms(dataset)), _velocity_attributes(dataset))
    if _has(dataset, "height_error"):
        yield _map("demErr.h5", "dem", "m", dataset.height_error)
    maps = tuple(Layer(theirs, dataset[ours]) for ours, theirs in _GEOMETRY.items() if _has(dataset, ours))
    if maps:
        name = "geometryRadar.h5" if grid_of(dataset).crs is None else "geometryGeo.h5"
        yield MintpyFile(name, maps, {"FILE_TYPE": "geometry"})


def _has(dataset: xr.Dataset, name: str, *lead: str) -> bool:
    return name in dataset and dataset[name].dims == (*lead, "y", "x")


def _map(file: str, name: str, unit: str, data: xr.DataArray) -> MintpyFile:
    return MintpyFile(file, (Layer(name, data),), {"FILE_TYPE": name, "UNIT": unit})


# -- series ---------------------------------------------------------------------------------------------------------


def _series(dataset: xr.Dataset, file: str, name: str) -> MintpyFile:
    tables = {"date": np.array(_days(dataset.time.values), "S8")}
    baseline = _baselines(dataset)
    if baseline is not None:
        tables["bperp"] = baseline.astype(np.float32)
    attrs = {"FILE_TYPE": "timeseries", "UNIT": "m"}
    return MintpyFile(file, (Layer("timeseries", dataset[name]),), attrs, tables)


def _days(times: np.ndarray) -> list[str]:
    days = [date_label(time)[:8] for time in times]
    twice = next((day for day in days if days.count(day) > 1), None)
    if twice is not None:
        raise ArgumentError(f"time: two acquisitions on {twice}; MintPy's files know days only: select one of them")
    return days


def _baselines(dataset: xr.Dataset) -> np.ndarray | None:
    """Return the perpendicular baseline of each date in metres, converted from pairs if necessary."""
    given = dataset.coords.get("perpendicular_baseline")
    if given is None or given.ndim != 1:
        return None
    if given.dims == ("time",):
        return np.asarray(given.values)
    network = network_of(dataset)
    closed: np.ndarray = network.date_baselines()[0][dates_in(network, dataset.time.values.astype("datetime64[s]"))]
    return closed


# -- terms ----------------------------------------------------------------------------------------------------------


def _terms(dataset: xr.Dataset) -> Iterator[Layer]:
    """Yield the terms of a fit with MintPy's names, each followed by its standard error if MintPy has one."""
    for name in sorted(map(str, dataset.data_vars)):
        term = name.removesuffix("_std")
        if dataset[name].dims != ("y", "x") or term.startswith("velocity_change_"):
            continue
        theirs = _name_of(term)
        if theirs is None or (name != term and term.endswith(("_amplitude", "_phase"))):
            continue
        data, unit = dataset[name], _UNITS.get(term, "m")
        if term.endswith("_phase"):
            data, unit = _sine_phase(data), "radian"
        yield Layer(theirs if name == term else f"{theirs}Std", data, unit)
    yield from _cumulative_velocities(dataset)
    if "fit_residual_std" in dataset and "degrees_of_freedom" in dataset:
        # MintPy's is the root of the sum of squares
        freedom = dataset.degrees_of_freedom.astype(np.float32)
        yield Layer("residue", dataset.fit_residual_std.fillna(0.0) * np.sqrt(freedom), "m")


def _name_of(term: str) -> str | None:
    """Return MintPy's name of a term, or None."""
    if term in _TERMS:
        return _TERMS[term]
    periodic = re.fullmatch(r"(?:(annual|semiannual)|period_([\d.e+-]+)y)_(amplitude|phase)", term)
    if periodic:
        named, years, what = periodic.groups()
        return (_PERIODS[named] if named else f"period{float(years)}Y") + what.capitalize()
    event = re.fullmatch(r"(step|exponential|logarithmic)_(\d{8}(?:T\d{6})?)(?:_([\d.e+-]+)d)?", term)
    if event is None:
        return None
    kind, date, days = event.groups()
    return f"{_EVENTS[kind]}{date}" + ("" if days is None else f"Tau{float(days):g}D")


def _sine_phase(phase: xr.DataArray) -> xr.DataArray:
    """Convert the phase of A cos(2 pi t / T - phase) to p of A sin(2 pi t / T + p) in (-pi, pi]."""
    return xr.DataArray(np.pi - (np.pi / 2 + phase) % (2 * np.pi)).astype(np.float32)


def _cumulative_velocities(dataset: xr.Dataset) -> Iterator[Layer]:
    """Yield the velocity after each change, MintPy's cumulative sum; standard errors of sums are unknown here."""
    if "velocity" not in dataset:
        return
    total = dataset.velocity
    for name in sorted(name for name in map(str, dataset.data_vars) if re.fullmatch(r"velocity_change_[\dT]+", name)):
        total = total + dataset[name]
        yield Layer(f"velocityPost{name.removeprefix('velocity_change_')}", total, "m/year")


def _velocity_attributes(dataset: xr.Dataset) -> dict[str, str]:
    found = _dates(dataset)
    span = {"DATE12": f"{found['START_DATE']}_{found['END_DATE']}"} if found else {}
    return {"FILE_TYPE": "velocity", "UNIT": "m/year", **span}


# -- attributes of all files ----------------------------------------------------------------------------------------


def shared_attributes(dataset: xr.Dataset, given: Mapping[str, object], nodata: str) -> dict[str, str]:
    """Return the attributes common to all files: the given ones, overridden by those of the dataset."""
    attrs = {name: str(value) for name, value in given.items() if name not in (*_PLACE, *_REFERENCE, "FILE_PATH")}
    grid = grid_of(dataset)
    attrs |= {"WIDTH": str(grid.width), "LENGTH": str(grid.height), "DATA_TYPE": "float32"}
    attrs |= {"NO_DATA_VALUE": "nan" if nodata == "nan" else "none"}  # "none" for 0, as in MintPy
    attrs.setdefault("PROCESSOR", "insarray")
    if "wavelength" in dataset.attrs:
        attrs["WAVELENGTH"] = repr(float(dataset.attrs["wavelength"]))
    if "gap" in dataset.attrs:
        attrs["insarray.gap"] = str(dataset.attrs["gap"])
    return attrs | _dates(dataset) | _place(grid) | _reference(dataset, grid)


def _dates(dataset: xr.Dataset) -> dict[str, str]:
    """Return first, last and reference date of a series, or of the fitted series."""
    if "time" in dataset.dims:
        first, last = dataset.time.values[[0, -1]]
    elif {"first_time", "last_time"} <= set(dataset.attrs):
        first, last = (as_time(str(dataset.attrs[name])) for name in ("first_time", "last_time"))
    else:
        return {}
    reference = as_time(dataset.attrs.get("reference_date", first))
    names = ("START_DATE", "END_DATE", "REF_DATE")
    return {name: date_label(time)[:8] for name, time in zip(names, (first, last, reference), strict=True)}


def _place(grid: Grid) -> dict[str, str]:
    """Return upper-left corner, steps and CRS; empty in radar coordinates."""
    if grid.crs is None:
        return {}
    from pyproj import CRS

    crs = CRS.from_user_input(grid.crs)
    code = crs.to_epsg()
    if code is None:
        raise ArgumentError(f"dataset: its CRS {crs.name!r} has no EPSG code, by which MintPy's files name theirs")
    unit = "degrees" if crs.is_geographic else "meters"
    values = {"X_FIRST": grid.left, "Y_FIRST": grid.top, "X_STEP": grid.dx, "Y_STEP": grid.dy}
    attrs = {name: repr(float(value)) for name, value in values.items()}
    attrs |= {"X_UNIT": unit, "Y_UNIT": unit, "EPSG": str(code)}
    if code // 100 in (326, 327) and 1 <= code % 100 <= 60:
        attrs["UTM_ZONE"] = f"{code % 100}{'N' if code // 100 == 326 else 'S'}"
    return attrs


def _reference(dataset: xr.Dataset, grid: Grid) -> dict[str, str]:
    """Return the reference pixel; empty for an area, for which MintPy's reference_point.py must be run."""
    place = reference_in(dataset)
    if not isinstance(place, tuple):
        return {}
    row, col = place
    attrs = {"REF_Y": str(row), "REF_X": str(col)}
    if grid.crs is not None:
        attrs |= {"REF_LAT": repr(float(grid.y[row])), "REF_LON": repr(float(grid.x[col]))}
    return attrs
