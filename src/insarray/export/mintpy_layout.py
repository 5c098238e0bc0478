"""Which of MintPy's files holds which variable: names, units and attributes, as its 1.6 writes them."""

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
    """A dataset of a file.

    Parameters
    ----------
    name
        In the file.
    data
        (y, x) or (time, y, x).
    unit
        Attribute UNIT of the dataset, None where MintPy has none.
    """

    name: str
    data: xr.DataArray
    unit: str | None = None


@dataclass(frozen=True)
class MintpyFile:
    """A file of MintPy, before anything is computed.

    Parameters
    ----------
    name
        As MintPy calls it.
    layers
        What fills it.
    attrs
        Of its root, apart from those that all files share.
    tables
        Small datasets: dates, baselines.
    """

    name: str
    layers: tuple[Layer, ...]
    attrs: dict[str, str]
    tables: dict[str, np.ndarray] = field(default_factory=dict)


def files_of(dataset: xr.Dataset) -> Iterator[MintpyFile]:
    """Files that a series, a model of its motion, or both together fill.

    Raises
    ------
    ArgumentError
        If two acquisitions fall on one day: MintPy's dates are days.
    """
    if _has(dataset, "displacement", "time"):
        yield _series(dataset, "timeseries.h5", "displacement")
    if _has(dataset, "fit_residual", "time"):
        yield _series(dataset, "timeseriesResidual.h5", "fit_residual")
    if _has(dataset, "temporal_coherence"):
        yield _map("temporalCoherence.h5", "temporalCoherence", "1", dataset.temporal_coherence)
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
    """Perpendicular baseline of each date in metres, closed from pairs if it is known for these."""
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
    """Terms of a fit under MintPy's names, each followed by its standard error where MintPy has one."""
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
        # theirs is the root of the sum of the squares
        freedom = dataset.degrees_of_freedom.astype(np.float32)
        yield Layer("residue", dataset.fit_residual_std.fillna(0.0) * np.sqrt(freedom), "m")


def _name_of(term: str) -> str | None:
    """MintPy's name of a term; None if it is none."""
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
    """Phase p of A sin(2 pi t / T + p) in (-pi, pi] from that of A cos(2 pi t / T - phase)."""
    return xr.DataArray(np.pi - (np.pi / 2 + phase) % (2 * np.pi)).astype(np.float32)


def _cumulative_velocities(dataset: xr.Dataset) -> Iterator[Layer]:
    """Velocity after each change: MintPy's is the sum of all before; standard errors of sums are not known here."""
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
    """Attributes that all files of a dataset have: those given, and what the dataset says itself, which counts."""
    attrs = {name: str(value) for name, value in given.items() if name not in (*_PLACE, *_REFERENCE, "FILE_PATH")}
    grid = grid_of(dataset)
    attrs |= {"WIDTH": str(grid.width), "LENGTH": str(grid.height), "DATA_TYPE": "float32"}
    attrs |= {"NO_DATA_VALUE": "nan" if nodata == "nan" else "none"}  # for 0 as MintPy writes it
    attrs.setdefault("PROCESSOR", "insarray")
    if "wavelength" in dataset.attrs:
        attrs["WAVELENGTH"] = repr(float(dataset.attrs["wavelength"]))
    if "gap" in dataset.attrs:
        attrs["insarray.gap"] = str(dataset.attrs["gap"])
    return attrs | _dates(dataset) | _place(grid) | _reference(dataset, grid)


def _dates(dataset: xr.Dataset) -> dict[str, str]:
    """First, last and reference date of a series, or of the one that was fitted."""
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
    """Upper-left corner, steps and CRS; nothing in radar coordinates."""
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
    """Reference pixel; an area is none, MintPy's reference_point.py has to choose then."""
    place = reference_in(dataset)
    if not isinstance(place, tuple):
        return {}
    row, col = place
    attrs = {"REF_Y": str(row), "REF_X": str(col)}
    if grid.crs is not None:
        attrs |= {"REF_LAT": repr(float(grid.y[row])), "REF_LON": repr(float(grid.x[col]))}
    return attrs
