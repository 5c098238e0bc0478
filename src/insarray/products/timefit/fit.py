"""Fit time functions (velocity, seasonal, steps, relaxation, height error) to a displacement series or to pairs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import map_blocks
from insarray.model.arguments import whole
from insarray.model.choices import Uncertainty, Weights
from insarray.model.conventions import UNITS, metres_per_radian
from insarray.model.corrections import ATTRIBUTES as CORRECTIONS
from insarray.model.dataset import pair_coords
from insarray.model.dates import Time, as_time
from insarray.model.errors import ArgumentError, StackError
from insarray.model.time_model import TimeModel
from insarray.products.stacks.minimum import Minimum, minimum_of
from insarray.products.stacks.quality import mask_name
from insarray.products.stacks.reference import Asked, reference_phase
from insarray.products.stacks.selection import Raster, good_pixels
from insarray.products.stacks.weighting import INVERSE_VARIANCES, require_known, weighting
from insarray.products.timefit.block_fit import FitTask, fit_block, outputs, require_covariance, workspace
from insarray.products.timefit.geometry import HeightGeometry, height_geometry
from insarray.products.timefit.terms import model_of, require_events_between
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.points import as_row
from insarray.products.views.stacks import Phase, SeriesView, StackView, as_data

logger = logging.getLogger(__name__)

_KEPT = ("wavelength", "sign", "ramp", "ramp_robust", "ramp_mask", "removed_terms", *CORRECTIONS)
"""Attributes of a series that its time functions keep."""

SeriesWeights = Literal["none", "covariance"]


@dataclass(frozen=True)
class _Rows:
    """Observations to fit: dates of a series, or pairs of a stack."""

    inputs: dict[str, xr.DataArray]
    origin: np.datetime64
    first: np.ndarray | None  # start times of the rows if they are pairs
    last: np.ndarray
    level: np.ndarray | None
    scale: float
    weights: Weights | SeriesWeights | Literal["given"]
    looks: float | None
    row_weight: np.ndarray | None
    covariance: np.ndarray | None
    sizes: dict[str, int]
    attrs: dict[str, Any]
    dates: int
    ends: np.ndarray | None  # date indices of each row, (pair, 2), if they are pairs

    @property
    def span(self) -> tuple[np.datetime64, np.datetime64]:
        """First and last time that a row depends on."""
        first = as_time(self.origin) if self.first is None else self.first.min()
        return first, self.last.astype("datetime64[s]").max()


def fit(
    data: xr.Dataset,
    *,
    degree: int = 1,
    periods: Sequence[float] = (),
    steps: Sequence[Time] = (),
    velocity_changes: Sequence[Time] = (),
    exponentials: Sequence[tuple[Time, float]] = (),
    logarithms: Sequence[tuple[Time, float]] = (),
    height_error: bool = False,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
    weights: Weights | SeriesWeights | xr.DataArray = "none",
    covariance: xr.DataArray | None = None,
    looks: float | None = None,
    phase: Phase = "unwrapped_phase",
    reference: Asked = "check",
    min_dates: int | None = None,
    min_redundancy: int | None = None,
    mask: Raster | None = None,
    uncertainty: Uncertainty = "residuals",
    samples: int = 400,
    seed: int = 0,
    residuals: bool = False,
) -> xr.Dataset:
    """Fit time functions to every pixel in one least-squares fit, lazily if the data are lazy.

    Parameters
    ----------
    data
        Series with `displacement` (time, y, x) or (time, point) in m; dates of the same `network_subset`, if present,
        share an offset, so that a gap in the network does not affect the functions. Or a stack of pairs, which needs no
        inversion and may have missing pairs or gaps; pairs are weighted as in `insarray.invert`. For a part of the time
        pass ``series.sel(time=slice(...))``.
    degree, periods, steps, velocity_changes, exponentials, logarithms
        Terms, see `insarray.model.time_model.TimeModel`; the default is the velocity alone. Events must lie between the
        first and the last date, as others have no effect on the observations.
    height_error
        Also fit the height error (DEM error) of the topography that was removed: it contributes perpendicular_baseline
        / (slant_range sin(incidence_angle)) times itself to the displacement.
    baselines
        Perpendicular baselines in m, (time) or (pair), optionally with (y, x); baselines of pairs are converted to
        dates. Default: the coordinate `perpendicular_baseline`.
    slant_range, incidence_angle
        m and degrees, number or map (y, x); default: the variables of these names, or else the attributes.
    weights
        For a series: "none", "covariance" (generalised least squares with the covariance of the dates), or a DataArray
        of inverse variances in 1/m^2, (time) or (time, y, x). For a stack: as in `insarray.invert`.
    covariance
        Covariance of the dates of a series in m^2: (time), (time, other) or either with (y, x), relative to any date.
        Default: the variable `displacement_covariance` (see `insarray.covariance`). A part common to all dates has no
        effect.
    looks, phase, reference
        For a stack, as in `insarray.invert`.
    min_dates, min_redundancy
        Minimum number of observed dates, and of degrees of freedom (dates minus offsets, or pairs, minus terms), for a
        pixel to be fitted. Defaults: a third of the dates of the data, but at least five (half of the dates if there
        are fewer than ten); three degrees of freedom, the minimum for a finite variance of Student's t, the ratio of a
        velocity to its standard error (but at most a third of those of a complete pixel). With 0 and 0 a pixel is
        fitted wherever the terms are determined.
    mask
        Fit only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data, such as
        `insarray.quality_mask`.
    uncertainty
        "residuals": standard errors from the residuals of dates (series) or pairs (stack), assumed independent; pairs
        are not independent where the atmosphere of their common dates exceeds their own noise: then fit the series,
        which also gives the better fit. "covariance": propagated from the covariance of the dates or from weights that
        are inverse variances. "bootstrap": by resampling dates or pairs with replacement.
    samples, seed
        Of the bootstrap; the same seed gives the same samples in every pixel.
    residuals
        Also return `fit_residual` (time, y, x), or `pair_fit_residual` (pair, y, x).

    Returns
    -------
    xarray.Dataset
        (y, x), each with its standard error as `..._std`: `velocity` in m per year of 365.25 days (with further
        polynomial terms that of the first date), `acceleration`, `jerk`; `annual_amplitude` in m and `annual_phase` in
        rad (A cos(2 pi t / T - phase), t since the first date), `semiannual_...`, or `period_<T>y_...`; `step_<date>`,
        `velocity_change_<date>`, `exponential_<date>_<days>d`, `logarithmic_<date>_<days>d`; `height_error` in m; for a
        series `intercept` in m. All refer to displacement toward the satellite. NaN where the pixel does not determine
        the term, lacks `min_dates` or `min_redundancy`, or is masked; standard errors also without redundancy.
        `fit_flag`, `degrees_of_freedom`, and `reduced_chi_square` (weights that are inverse variances) or
        `fit_residual_std` (equal weights).

    Raises
    ------
    ArgumentError
        If the model or an option is invalid.
    StackError
        If the data lack a required layer.

    See Also
    --------
    insarray.invert : invert pairs to displacement series.
    insarray.predict : displacement of the fitted functions at other dates.
    insarray.remove_terms : subtract fitted terms from a series.
    insarray.quality_mask : mask of pixels that pass criteria.
    insarray.covariance : covariance of the dates.

    References
    ----------
    * Fattahi, H. and Amelung, F. (2013), DEM error correction in InSAR time series, IEEE TGRS 51,
      4249-4259.
    * Efron, B. and Tibshirani, R. (1986), Bootstrap methods for standard errors, confidence intervals,
      and other measures of statistical accuracy, Statistical Science 1, 54-75.
    * Agram, P. S. and Simons, M. (2015), A noise model for InSAR time series, J. Geophys. Res. Solid
      Earth 120, 2752-2771.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> model = ia.fit(series, periods=(1.0,))
    >>> [name for name in model.data_vars if name.endswith("_std")]
    ['velocity_std', 'annual_amplitude_std', 'annual_phase_std', 'intercept_std', 'fit_residual_std']
    """
    model = model_of(degree, periods, steps, velocity_changes, exponentials, logarithms)
    if uncertainty not in get_args(Uncertainty):
        raise ArgumentError(f"uncertainty: {uncertainty!r} is not one of {', '.join(get_args(Uncertainty))}")
    if uncertainty == "bootstrap":
        samples, seed = whole("samples", samples, 2), whole("seed", seed)
    view = as_data(as_row(data), phase)
    if isinstance(view, SeriesView):
        if looks is not None or phase != "unwrapped_phase" or reference not in (None, "check"):
            raise ArgumentError("looks, reference, phase: belong to a stack of pairs, but the data is a series")
        rows = _series_rows(view, weights, covariance)
    elif covariance is not None:
        raise ArgumentError("covariance: belongs to a series, but the data is a stack; give weights")
    else:
        rows = _pair_rows(view, weights, looks, reference)
    _require_variances(rows, uncertainty)
    require_events_between(model, *rows.span)
    geometry = None
    if height_error:
        geometry = height_geometry(view, baselines=baselines, slant_range=slant_range, incidence_angle=incidence_angle)
    least = _minimum(model, rows, min_dates, min_redundancy, height=height_error)
    task = _task(model, rows, geometry, least, uncertainty, samples, seed, residuals=residuals)
    inputs, names = rows.inputs | _maps(geometry) | _mask(view, rows, mask), outputs(task)
    fitted = xr.Dataset(map_blocks(fit_block, task, inputs, names, rows.sizes, bytes_per_pixel=workspace(task)))
    if residuals:
        series = isinstance(view, SeriesView)
        fitted = fitted.assign_coords({"time": view.data["time"]} if series else pair_coords(view.network))  # type: ignore[arg-type]
    logger.info("fit: %s; uncertainty by %s", " ".join(model.names), uncertainty)
    logger.debug("fit: at least %d dates and redundancy %d; weights %s", least.dates, least.redundancy, rows.weights)
    asked: dict[str, Any] = {"fit_min_dates": least.dates, "fit_min_redundancy": least.redundancy}
    asked |= {} if mask is None else {"fit_mask": mask_name(mask)}
    # on the variable, as dataset attributes are lost when merged with the series
    fitted.fit_flag.attrs |= {"time_model": model.as_json(), "time_origin": str(rows.origin)[:19], **asked}
    attrs = rows.attrs | {
        "model": " ".join(model.names) + (" height_error" if height_error else ""),
        "fit_weights": rows.weights,  # not "weights", an attribute of series
        "uncertainty": uncertainty,
        **asked,
        **({"samples": samples, "seed": seed} if uncertainty == "bootstrap" else {}),
    }
    return view.on_grid(fitted).assign_attrs(attrs)


def _series_rows(
    view: SeriesView, weights: Weights | SeriesWeights | xr.DataArray, covariance: xr.DataArray | None
) -> _Rows:
    """Return the dates of a series as rows."""
    series = view.data
    if len(view.times) < 2:
        raise StackError(f"series: {len(view.times)} date(s); a velocity needs at least two")
    inputs = {name: series[name] for name in ("displacement", "network_subset") if name in series}
    row_weight = None
    if not isinstance(weights, str):
        given_weights = aligned("weights", weights, view, ("time",), ("time", "y", "x"))
        require_known(given_weights)
        if given_weights.ndim == 1:
            row_weight = given_weights.values.astype(np.float64)
        else:
            inputs["weights"] = in_blocks_of(given_weights, view.displacement)
    elif weights not in get_args(SeriesWeights):
        names = ", ".join(get_args(SeriesWeights))
        raise ArgumentError(f"weights: {weights!r} is not one of {names} or a DataArray: the data is a series")
    given = covariance if covariance is not None else series.get("displacement_covariance")
    shared = None
    if given is not None:
        found = _aligned_covariance(view, given)
        if found.ndim <= 2:
            shared = found.values.astype(np.float64)
            require_covariance(shared[..., None], missing=False)
        else:
            inputs["covariance"] = in_blocks_of(found, view.displacement)
    elif isinstance(weights, str) and weights == "covariance":
        raise ArgumentError("weights: 'covariance' needs the covariance of the dates; see insarray.covariance")
    attrs = {name: series.attrs[name] for name in _KEPT if name in series.attrs} | view.reference_attributes()
    if "job_fingerprint" in series.attrs:
        attrs["series_fingerprint"] = series.attrs["job_fingerprint"]
    times = view.times.astype("datetime64[ns]")
    return _Rows(
        inputs=inputs,
        origin=times[0],
        first=None,
        last=times,
        level=None,
        scale=1.0,
        weights=weights if isinstance(weights, str) else "given",
        looks=None,
        row_weight=row_weight,
        covariance=shared,
        sizes={"time": len(times)},
        dates=len(times),
        ends=None,
        attrs=attrs | {"first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]},
    )


def _aligned_covariance(view: SeriesView, given: xr.DataArray) -> xr.DataArray:
    """Return the covariance aligned to the dates of the series in both dimensions."""
    if isinstance(given, xr.DataArray):
        unit = given.attrs.get("units", "m^2")
        if str(unit).strip().lower() not in UNITS["m^2"]:
            raise ArgumentError(
                f"covariance: its attribute units says {unit!r}, but it must be in m^2; square standard deviations, and "
                "set units to 'm^2' (xarray keeps those of what is squared)"
            )
        others = [dim for dim in given.dims if dim not in ("time", "y", "x")]
        if len(others) == 1 and others[0] != "other_time":
            given = given.rename({others[0]: "other_time"})
    dims: tuple[tuple[str, ...], ...] = (("time",), ("time", "y", "x"))
    return aligned("covariance", given, view, *dims, ("time", "other_time"), ("time", "other_time", "y", "x"))


def _pair_rows(
    view: StackView, weights: Weights | SeriesWeights | xr.DataArray, looks: float | None, reference: Asked
) -> _Rows:
    """Return the pairs of a stack as rows."""
    network = view.network
    scale = metres_per_radian(view.require_wavelength())
    inputs, named, looks = weighting(view, weights, looks)  # type: ignore[arg-type]
    level = reference_phase(view, reference)
    times = network.times
    place = {} if level is None else view.record(level.place)
    attrs = view.inherited | place | ({} if looks is None else {"looks": looks})
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
        dates=network.n_dates,
        ends=network.pairs,
        attrs=attrs | {"first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]},
    )


def _require_variances(rows: _Rows, uncertainty: Uncertainty) -> None:
    known = rows.covariance is not None or "covariance" in rows.inputs or rows.weights in INVERSE_VARIANCES
    if uncertainty == "covariance" and not known:
        remedy = "weights that are inverse variances" + ("" if rows.first is not None else ", or insarray.covariance")
        raise ArgumentError(f"uncertainty: 'covariance' needs {remedy}")


def _minimum(
    model: TimeModel, rows: _Rows, min_dates: int | None, min_redundancy: int | None, *, height: bool
) -> Minimum:
    """Return the minimum requirements for a pixel to be fitted."""
    fitted = len(model.names) + height + (rows.ends is None)  # series have an offset
    return minimum_of(rows.dates, sum(rows.sizes.values()) - fitted, min_dates, min_redundancy)


def _mask(view: SeriesView | StackView, rows: _Rows, mask: Raster | None) -> dict[str, xr.DataArray]:
    """Return the map of the pixels to be fitted, if given."""
    if mask is None:
        return {}
    return {"good": good_pixels(view, next(iter(rows.inputs.values())), mask)}


def _task(
    model: TimeModel,
    rows: _Rows,
    geometry: HeightGeometry | None,
    least: Minimum,
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
        least=least,
        ends=rows.ends,
    )


def _maps(geometry: HeightGeometry | None) -> dict[str, xr.DataArray]:
    """Return the maps of the geometry."""
    if geometry is None:
        return {}
    found = {} if geometry.maps is None else {"baseline": geometry.maps}
    return found | ({"height_factor": geometry.factor} if isinstance(geometry.factor, xr.DataArray) else {})
