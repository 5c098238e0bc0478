"""Predict displacement from fitted time functions, and remove terms from a series."""

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from insarray.model.arguments import as_list
from insarray.model.conventions import attributes
from insarray.model.dataset import on_grid_of
from insarray.model.dates import Time, as_time, date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.model.time_model import TimeModel
from insarray.products.series.common import only_series
from insarray.products.timefit.block_fit import period_name
from insarray.products.timefit.geometry import height_geometry
from insarray.products.views.aligning import require_same_grid
from insarray.products.views.stacks import SeriesView, as_series

logger = logging.getLogger(__name__)


def predict(model: xr.Dataset, times: Time | Sequence[Time] | np.ndarray | xr.DataArray) -> xr.DataArray:
    """Predict the displacement of fitted time functions, lazily if the model is lazy.

    Parameters
    ----------
    model
        Result of `insarray.fit`.
    times
        Dates or times, including those outside the fitted interval.

    Returns
    -------
    xarray.DataArray
        `displacement` (time, y, x) in m toward the satellite: on the datum of the fitted series, or, for pairs, since
        the first date. The height error, which is not motion, is excluded. NaN where a term is undetermined.

    Raises
    ------
    StackError
        If `model` is not a result of `insarray.fit`.
    ArgumentError
        If a time cannot be parsed, or none is given.

    See Also
    --------
    insarray.fit : fit time functions with standard errors.
    insarray.remove_terms : subtract fitted terms from a series.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> later = ia.predict(ia.fit(series), ["2019-06-01", "2019-12-01"])
    >>> later.dims, later.sizes["time"]
    (('time', 'y', 'x'), 2)
    """
    at = np.array([as_time(time) for time in as_list("times", times)], dtype="datetime64[ns]")
    if not at.size:
        raise ArgumentError("times: give at least one")
    functions, design = design_of(model, at)
    motion = _sum(model, functions, design, at, _names(functions))
    if "intercept" in model:
        motion = motion + model.intercept
    xr.align(model.fit_flag, motion, join="exact")
    return _as_displacement(model, motion)


def design_of(model: xr.Dataset, times: np.ndarray) -> tuple[TimeModel, np.ndarray]:
    """Return the time functions of a model, and their columns at some times, (time, term), relative as `predict` is."""
    functions, origin = _functions(model)
    design = functions.design(times, origin)
    if "intercept" not in model:
        design = design - functions.design(np.array([origin], "datetime64[ns]"), origin)
    return functions, design


def remove_terms(
    series: xr.Dataset,
    model: xr.Dataset,
    terms: Iterable[str] | None = None,
    *,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
) -> xr.Dataset:
    """Remove fitted terms from a series, lazily if they are lazy.

    Parameters
    ----------
    series
        Series with `displacement` (time, y, x).
    model
        Result of `insarray.fit` for the same pixels.
    terms
        Names of terms as variables of `model`, periods without ``_amplitude``: "annual", "step_20190706", "velocity",
        "height_error". Default: all terms of motion.
    baselines, slant_range, incidence_angle
        For "height_error", as in `insarray.fit`.

    Returns
    -------
    xarray.Dataset
        `series` with the terms subtracted from `displacement`, each relative to its value at the reference date, so
        that the displacement stays zero there; attribute `removed_terms`. Variables that describe the old displacement
        (`velocity`, ...) are dropped; standard deviations remain those of the observation.

    Raises
    ------
    ArgumentError
        If a term is not in the model.
    StackError
        If required data are missing, or the grids differ.

    See Also
    --------
    insarray.fit : fit time functions with standard errors.
    insarray.predict : displacement of the fitted functions at other dates.
    insarray.deramp : subtract fitted surfaces.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> level = ia.remove_terms(series, ia.fit(series), ["velocity"])
    >>> level.attrs["removed_terms"]
    'velocity'
    """
    functions, origin = _functions(model)
    view = as_series(series)
    series = view.data
    model = _on_pixels(model, view)
    known = _names(functions)
    names = known if terms is None else list(dict.fromkeys(terms))
    unknown = [name for name in names if name not in (*known, *(["height_error"] if "height_error" in model else []))]
    if unknown:
        raise ArgumentError(f"terms: {unknown[0]!r} is not in the model, which has {', '.join(known)}")
    times, start = series.time.values, view.reference_time
    design = functions.design(times, origin) - functions.design(np.array([start], "datetime64[ns]"), origin)
    removed = _sum(model, functions, design, times, [name for name in names if name != "height_error"])
    if "height_error" in names:
        removed = removed + _height_part(
            view, model, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle
        )
    if removed.ndim == 3:  # otherwise no term was removed
        xr.align(series.displacement, removed, join="exact")
    left = series.displacement - removed
    result = only_series(series).assign(displacement=_as_displacement(series, left))
    logger.info("remove_terms: %s", " ".join(names) or "none")
    earlier = f"{series.attrs['removed_terms']} " if "removed_terms" in series.attrs else ""
    attrs = {"removed_terms": earlier + " ".join(names), **view.reference_attributes()}
    return view.on_grid(result.assign_attrs(attrs))


def _on_pixels(model: xr.Dataset, view: SeriesView) -> xr.Dataset:
    """Return the model on the pixels of the series, matched by coordinates, with bitwise equal coordinates."""
    found = model.isel(require_same_grid("model", model, view))
    return found.assign_coords({dim: view.data[dim].variable for dim in ("y", "x") if dim in view.data.coords})


def _functions(model: xr.Dataset) -> tuple[TimeModel, np.datetime64]:
    attrs = model.fit_flag.attrs if "fit_flag" in model else {}
    if "time_model" not in attrs:
        raise StackError("model: has no 'fit_flag' with the attribute 'time_model'; make it with insarray.fit")
    return TimeModel.from_json(attrs["time_model"]), as_time(attrs["time_origin"])


def _names(functions: TimeModel) -> list[str]:
    """Return the terms by their public names."""
    return list(dict.fromkeys(term_name(column) for column in functions.names))


def term_name(column: str) -> str:
    """Return the public name of the term to which a column of the time functions belongs."""
    kind, _, period = column.partition("_")
    return period_name(period) if kind in ("cosine", "sine") else column


def _sum(
    model: xr.Dataset, functions: TimeModel, design: np.ndarray, times: np.ndarray, names: Sequence[str]
) -> xr.DataArray:
    """Return the sum of the named terms at the times, (time, y, x)."""
    total = xr.DataArray(np.zeros(len(times)), dims="time", coords={"time": times})
    for i, column in enumerate(functions.names):
        name = term_name(column)
        if name not in names:
            continue
        if column.startswith("cosine_"):
            factor = model[f"{name}_amplitude"].astype(np.float64) * np.cos(model[f"{name}_phase"].astype(np.float64))
        elif column.startswith("sine_"):
            factor = model[f"{name}_amplitude"].astype(np.float64) * np.sin(model[f"{name}_phase"].astype(np.float64))
        else:
            factor = model[name]
        total = total + factor.astype(np.float64) * xr.DataArray(design[:, i], dims="time", coords={"time": times})
    return total


def _height_part(
    view: SeriesView,
    model: xr.Dataset,
    *,
    baselines: xr.DataArray | None,
    slant_range: xr.DataArray | float | None,
    incidence_angle: xr.DataArray | float | None,
) -> xr.DataArray:
    """Return the displacement by the height error since the reference date, (time, y, x)."""
    geometry = height_geometry(view, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle)
    series = view.data
    if geometry.baseline is not None:
        baseline = xr.DataArray(geometry.baseline, dims="time", coords={"time": series.time})
    else:
        assert geometry.maps is not None  # noqa: S101  for the type checker: one of both is given
        maps = geometry.maps.drop_vars(["pair", "time"], errors="ignore")
        if geometry.closing is not None:
            maps = xr.dot(xr.DataArray(geometry.closing, dims=("time", "pair")), maps, dim="pair")
        baseline = maps.assign_coords(time=series.time)
    at = np.flatnonzero(view.times == view.reference_time)
    if not len(at):
        raise StackError(
            f"series: its reference date {date_label(view.reference_time)} is not among its dates, so that the part of the "
            "height error there is not known; rereference it to one of its dates first"
        )
    at_start = baseline.isel(time=int(at[0]), drop=True)
    part: xr.DataArray = (baseline - at_start) * (model.height_error * geometry.factor)
    return part


def _as_displacement(like: xr.Dataset, motion: xr.DataArray) -> xr.DataArray:
    values = motion.transpose("time", "y", "x").astype(np.float32)
    result = xr.Dataset({"displacement": (values.dims, values.data, attributes("displacement"))}, {"time": values.time})
    displacement: xr.DataArray = on_grid_of(like, result).displacement
    return displacement
