"""Time functions of a displacement series or of the pairs themselves: velocity, seasons, steps, relaxation, height error."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import map_blocks
from insarray.kernels.variance import Weights
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import on_grid_of, pair_coords
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, StackError
from insarray.model.time_model import TimeModel
from insarray.products.fitting import FitTask, Uncertainty, fit_block, outputs, workspace
from insarray.products.geometry import HeightGeometry, height_geometry
from insarray.products.reference import Reference, reference_phase, require_wavelength
from insarray.products.stack import Phase, inherited, validate, with_phase
from insarray.products.weighting import INVERSE_VARIANCES, weighting

_KEPT = (
    "wavelength",
    "sign",
    "reference_row",
    "reference_col",
    "reference_lon",
    "reference_lat",
    "reference_area",
    "reference_date",
    "ramp",
    "ramp_robust",
    "ramp_mask",
    "removed_terms",
)
"""Attributes of a series that its time functions keep."""

SeriesWeights = Literal["none", "covariance"]


@dataclass(frozen=True)
class _Rows:
    """What is fitted to: dates of a series, or pairs of a stack."""

    inputs: dict[str, xr.DataArray]
    origin: np.datetime64
    first: np.ndarray | None  # times at which the rows begin, if they are pairs
    last: np.ndarray
    level: np.ndarray | None
    scale: float
    weights: Weights | SeriesWeights | Literal["given"]
    looks: float | None
    row_weight: np.ndarray | None
    covariance: np.ndarray | None
    sizes: dict[str, int]
    attrs: dict[str, Any]


def fit(
    data: xr.Dataset,
    *,
    degree: int = 1,
    periods: tuple[float, ...] = (),
    steps: tuple[str, ...] = (),
    velocity_changes: tuple[str, ...] = (),
    exponentials: tuple[tuple[str, float], ...] = (),
    logarithms: tuple[tuple[str, float], ...] = (),
    height_error: bool = False,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
    weights: Weights | SeriesWeights | xr.DataArray = "none",
    covariance: xr.DataArray | None = None,
    looks: float | None = None,
    phase: Phase = "unwrapped_phase",
    reference: Reference | None = None,
    uncertainty: Uncertainty = "residuals",
    samples: int = 400,
    seed: int = 0,
    residuals: bool = False,
) -> xr.Dataset:
    """Time functions of every pixel by least squares, all in one fit, lazily if the data is lazy.

    Parameters
    ----------
    data
        A series with `displacement` (time, y, x) in m; dates of each `network_subset`, if there, share an offset, so
        that a gap in the network does not bend the functions. Or a stack of pairs: no inversion is needed then, and
        missing pairs or gaps do not matter; what the pairs say of the functions is weighed as `insarray.invert` would.
        For a part of the time give ``series.sel(time=slice(...))``.
    degree, periods, steps, velocity_changes, exponentials, logarithms
        Terms, see `insarray.model.time_model.TimeModel`; the default is the velocity alone.
    height_error
        Fit the error of the height with which the topography was removed, too: it moves the displacement by
        perpendicular_baseline / (slant_range sin(incidence_angle)) times itself.
    baselines
        Perpendicular baselines in m, (time) or (pair), perhaps with (y, x); those of pairs are closed to dates.
        Default: the coordinate `perpendicular_baseline`.
    slant_range, incidence_angle
        m and degrees, number or map (y, x); default: the variables of these names, or else the attributes.
    weights
        Of a series: "none", "covariance" (generalised least squares with the covariance of the dates), or a DataArray
        of inverse variances in 1/m^2, (time) or (time, y, x). Of a stack: those of `insarray.invert`.
    covariance
        Of the dates of a series in m^2: (time), (time, other) or either with (y, x), relative to any date. Default: the
        variable `displacement_covariance` (see `insarray.covariance`). A common part of all dates does not count.
    looks, phase, reference
        Of a stack, as in `insarray.invert`.
    uncertainty
        "residuals": standard errors by the scatter about the fit, of dates (series) or pairs (stack) that are taken as
        independent; pairs are not where the atmosphere of their common dates is more than their own noise: then take the
        series, whose fit is also the better one. "covariance":
        propagated from the covariance of the dates or from weights that are inverse variances. "bootstrap": by drawing
        dates or pairs again, with replacement.
    samples, seed
        Of the bootstrap; the same seed gives the same draws in every pixel.
    residuals
        Give `fit_residual` (time, y, x), or `pair_fit_residual` (pair, y, x), too.

    Returns
    -------
    xarray.Dataset
        (y, x), each with its standard error as `..._std`: `velocity` in m per year of 365.25 days (with further
        polynomial terms that of the first date), `acceleration`, `jerk`; `annual_amplitude` in m and `annual_phase` in
        rad (A cos(2 pi t / T - phase), t since the first date), `semiannual_...`, or `period_<T>y_...`;
        `step_<date>`, `velocity_change_<date>`, `exponential_<date>_<days>d`, `logarithmic_<date>_<days>d`;
        `height_error` in m; for a series `intercept` in m. All of displacement toward the satellite. NaN where the
        pixel does not determine the term, standard errors also where there is no redundancy. `fit_flag`,
        `degrees_of_freedom`, and `reduced_chi_square` (weights that are inverse variances) or `fit_residual_std` (equal
        weights).

    Raises
    ------
    ArgumentError
        If the model or an option cannot be.
    StackError
        If the data lacks what is asked for.
    """
    model = TimeModel(degree, periods, steps, velocity_changes, exponentials, logarithms)
    if uncertainty not in get_args(Uncertainty):
        raise ArgumentError(f"uncertainty: {uncertainty!r} is not one of {', '.join(get_args(Uncertainty))}")
    if uncertainty == "bootstrap" and samples < 2:
        raise ArgumentError(f"samples: {samples!r} is too few for a bootstrap")
    if "displacement" in data:
        if (looks, reference, phase) != (None, None, "unwrapped_phase"):
            raise ArgumentError("looks, reference, phase: belong to a stack of pairs, but the data is a series")
        rows = _series_rows(data, weights, covariance)
    else:
        if covariance is not None:
            raise ArgumentError("covariance: belongs to a series, but the data is a stack; give weights")
        rows = _pair_rows(data, weights, looks, phase, reference)
    _require_variances(rows, uncertainty)
    geometry = None
    if height_error:
        row = "time" if rows.first is None else "pair"
        geometry = height_geometry(
            data, row, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle
        )
    task = _task(model, rows, geometry, uncertainty, samples, seed, residuals=residuals)
    names = outputs(task)
    inputs = rows.inputs | _maps(data, geometry)
    fitted = xr.Dataset(map_blocks(fit_block, task, inputs, names, rows.sizes, bytes_per_pixel=workspace(task)))
    if residuals:
        fitted = fitted.assign_coords({"time": data.time} if rows.first is None else pair_coords(validate(data)))
    # with the variable, as attributes of a dataset are lost when it is merged with the series
    fitted.fit_flag.attrs |= {"time_model": model.as_json(), "time_origin": str(rows.origin)[:19]}
    attrs = rows.attrs | {
        "model": " ".join(model.names) + (" height_error" if height_error else ""),
        "weights": rows.weights,
        "uncertainty": uncertainty,
    }
    if uncertainty == "bootstrap":
        attrs |= {"samples": samples, "seed": seed}
    return on_grid_of(data, fitted).assign_attrs(attrs)


def _series_rows(
    series: xr.Dataset, weights: Weights | SeriesWeights | xr.DataArray, covariance: xr.DataArray | None
) -> _Rows:
    """Dates of a series."""
    if series.displacement.dims != ("time", "y", "x"):
        raise StackError(f"displacement: dimensions {series.displacement.dims}, expected ('time', 'y', 'x')")
    if series.sizes["time"] < 2:
        raise StackError(f"series: {series.sizes['time']} date(s); a velocity needs at least two")
    inputs = {name: series[name] for name in ("displacement", "network_subset") if name in series}
    row_weight = None
    if isinstance(weights, xr.DataArray):
        _check_shape("weights", weights, series, ("time",), ("time", "y", "x"))
        if weights.ndim == 1:
            row_weight = weights.values.astype(np.float64)
        else:
            inputs["weights"] = weights
    elif weights not in get_args(SeriesWeights):
        names = ", ".join(get_args(SeriesWeights))
        raise ArgumentError(f"weights: {weights!r} is not one of {names} or a DataArray: the data is a series")
    given = covariance if covariance is not None else series.get("displacement_covariance")
    shared = None
    if given is not None:
        other = str(given.dims[1]) if given.ndim in (2, 4) else "other_time"
        _check_shape(
            "covariance", given, series, ("time",), ("time", "y", "x"), ("time", other), ("time", other, "y", "x")
        )
        if given.ndim <= 2:
            shared = given.values.astype(np.float64)
        else:
            inputs["covariance"] = given
    elif isinstance(weights, str) and weights == "covariance":
        raise ArgumentError("weights: 'covariance' needs the covariance of the dates; see insarray.covariance")
    attrs = {name: series.attrs[name] for name in _KEPT if name in series.attrs}
    if "job_fingerprint" in series.attrs:
        attrs["series_fingerprint"] = series.attrs["job_fingerprint"]
    times = series.time.values
    return _Rows(
        inputs=inputs,
        origin=times[0],
        first=None,
        last=times,
        level=None,
        scale=1.0,
        weights="given" if isinstance(weights, xr.DataArray) else weights,
        looks=None,
        row_weight=row_weight,
        covariance=shared,
        sizes={"time": len(times)},
        attrs=attrs | {"first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]},
    )


def _check_shape(name: str, array: xr.DataArray, series: xr.Dataset, *allowed: tuple[str, ...]) -> None:
    sizes = {dim: series.sizes[dim] for dim in ("time", "y", "x")}
    expected = tuple(sizes.get(str(dim), sizes["time"]) for dim in array.dims)
    if array.dims not in allowed or array.shape != expected:
        choices = " or ".join(str(dims) for dims in allowed)
        raise ArgumentError(f"{name}: {array.dims} {array.shape}, expected {choices} of {sizes}")


def _pair_rows(
    stack: xr.Dataset,
    weights: Weights | SeriesWeights | xr.DataArray,
    looks: float | None,
    phase: Phase,
    reference: Reference | None,
) -> _Rows:
    """Pairs of a stack."""
    if "unwrapped_phase" not in stack:
        raise StackError(
            "data: has neither 'displacement' nor 'unwrapped_phase'; give a series of insarray.invert or a stack"
        )
    stack = with_phase(stack, phase)
    network = validate(stack)
    scale = metres_per_radian(require_wavelength(stack))
    inputs, named, looks = weighting(stack, weights, looks)  # type: ignore[arg-type]
    level = reference_phase(stack, reference)
    times = network.times
    attrs = inherited(stack) | ({} if level is None else level.attrs) | ({} if looks is None else {"looks": looks})
    return _Rows(
        inputs=inputs,
        origin=times[0],
        first=times[network.reference],
        last=times[network.secondary],
        level=None if level is None else level.phase,
        scale=scale,
        weights=named,
        looks=looks,
        row_weight=None,
        covariance=None,
        sizes={"pair": network.n_pairs},
        attrs=attrs | {"first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]},
    )


def _require_variances(rows: _Rows, uncertainty: Uncertainty) -> None:
    known = rows.covariance is not None or "covariance" in rows.inputs or rows.weights in INVERSE_VARIANCES
    if uncertainty == "covariance" and not known:
        remedy = "weights that are inverse variances" + ("" if rows.first is not None else ", or insarray.covariance")
        raise ArgumentError(f"uncertainty: 'covariance' needs {remedy}")


def _task(
    model: TimeModel,
    rows: _Rows,
    geometry: HeightGeometry | None,
    uncertainty: Uncertainty,
    samples: int,
    seed: int,
    *,
    residuals: bool,
) -> FitTask:
    design = model.design(rows.last.astype("datetime64[ns]"), as_time(rows.origin))
    if rows.first is not None:
        design = design - model.design(rows.first.astype("datetime64[ns]"), as_time(rows.origin))
    factor = None if geometry is None or isinstance(geometry.factor, xr.DataArray) else geometry.factor
    return FitTask(
        model=model,
        design=design,
        pairs=rows.first is not None,
        scale=rows.scale,
        level=rows.level,
        weights=rows.weights,
        looks=rows.looks,
        row_weight=rows.row_weight,
        covariance=rows.covariance,
        full_covariance="covariance" in rows.inputs or rows.covariance is not None,
        height=geometry is not None,
        height_factor=factor,
        baseline=None if geometry is None else geometry.baseline,
        closing=None if geometry is None else geometry.closing,
        uncertainty=uncertainty,
        samples=samples,
        seed=seed,
        residuals=residuals,
    )


def _maps(data: xr.Dataset, geometry: HeightGeometry | None) -> dict[str, xr.DataArray]:
    """Maps of the geometry, with the blocks of the data."""
    if geometry is None:
        return {}
    found = {} if geometry.maps is None else {"baseline": geometry.maps}
    if isinstance(geometry.factor, xr.DataArray):
        found["height_factor"] = geometry.factor
    values = data["displacement"] if "displacement" in data else data["unwrapped_phase"]
    chunks = values.chunksizes
    if not chunks:
        return found
    spatial = {"y": chunks["y"], "x": chunks["x"]}
    return {
        name: array.chunk(spatial | {d: -1 for d in array.dims if d not in spatial}) for name, array in found.items()
    }
