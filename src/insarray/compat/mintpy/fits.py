"""Time functions and height error (DEM error) of series, as in MintPy's time_func and dem_error."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from insarray.compat.arrays import Array, as_rows, as_rows_like, refuse
from insarray.kernels.timefit.least_squares import fit_terms
from insarray.model.conventions import DAYS_PER_YEAR
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError
from insarray.model.time_model import TimeModel

_PEER = "MintPy"
_KEYS = ("polynomial", "periodic", "stepDate", "polyline", "exp", "log")
Model = Mapping[str, Any]


def estimate_time_func(
    model: Model,
    date_list: Sequence[str],
    dis_ts: ArrayLike,
    ref_date: str | None = None,
    seconds: float = 0,
    *,
    strict: bool = False,
) -> tuple[Array, Array, Array]:
    """Estimate the factors of time functions by least squares, for all pixels.

    Parameters
    ----------
    model, date_list, ref_date, seconds, strict
        As in `get_design_matrix4time_func`. `strict` also refuses samples that are not finite.
    dis_ts
        Displacement, shape (date,) or (date, pixel); NaN where missing.

    Returns
    -------
    G
        Design matrix, float64, shape (date, factor).
    m
        Factors, float64, shape (factor,) or (factor, pixel); NaN where the dates of the pixel do not determine them.
    e2
        Sum of squared residuals, float64, shape () or (pixel,).

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4, in addition to those of the design matrix:

    * samples that are not finite are missing; MintPy fails for all pixels;
    * undetermined factors are NaN; MintPy fails for all pixels;
    * float64; MintPy's design matrix is float32.
    """
    G = get_design_matrix4time_func(date_list, model, ref_date, seconds, strict=strict)
    series = as_rows(dis_ts, len(G), "dis_ts")
    refuse(~np.isfinite(series), _PEER, "samples are not finite", strict=strict)
    fit = fit_terms(series, G[:, 1:])
    m = np.concatenate([fit.offset[:1], fit.terms])
    return (G, m[:, 0], fit.square[0]) if np.ndim(dis_ts) == 1 else (G, m, fit.square)


def get_design_matrix4time_func(
    date_list: Sequence[str],
    model: Model | None = None,
    ref_date: str | None = None,
    seconds: float = 0,
    *,
    strict: bool = False,
) -> Array:
    """Return the columns of time functions: the constant, then those of the model in the order listed below.

    Parameters
    ----------
    date_list
        Dates as YYYYMMDD, or with THHMM.
    model
        "polynomial": degree, 0 to 3; default 1. "periodic": list of periods in years. "stepDate", "polyline": lists of
        dates of steps and of changes of velocity. "exp", "log": date of each event with a list of relaxation times in
        days. Default: a line.
    ref_date
        Date at which the time is 0; default: the first of `date_list`.
    seconds
        Time of day of the acquisitions in seconds.
    strict
        Use MintPy's definition of time, and raise where its columns still differ.

    Returns
    -------
    numpy.ndarray
        Float64, shape (date, 1 + term); time in years.

    Raises
    ------
    ArgumentError
        If a term is invalid, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4:

    * one year is 365.25 days everywhere; MintPy's time jumps by up to 0.75 days at each turn of the year;
    * an acquisition at exactly the time of a step is after it; in MintPy before it, unless `seconds` is positive;
    * dates of steps with and without time of day may be mixed; MintPy fails;
    * repeated terms and other keys raise an error.
    """
    terms = _time_model(model or {}, calendar=strict)
    start = date_list[0] if ref_date is None else ref_date
    shift = np.timedelta64(round(seconds), "s")
    times, origin = (_clock(dates, calendar=strict) + shift for dates in (date_list, [start]))
    steps = _clock(terms.steps, calendar=False)
    refuse(np.isin(steps, times), _PEER, "a step at the time of an acquisition comes after it there", strict=strict)
    return np.concatenate([np.ones((len(times), 1)), terms.design(times, origin[0])], axis=1)


def _time_model(model: Model, *, calendar: bool) -> TimeModel:
    unknown = set(model) - set(_KEYS)
    if unknown:
        raise ArgumentError(f"model: {', '.join(sorted(unknown))}: not one of {', '.join(_KEYS)}")

    def events(key: str) -> tuple[str, ...]:
        return tuple(str(time) for time in _clock(model.get(key, ()), calendar=calendar))

    def relaxations(key: str) -> tuple[tuple[str, float], ...]:
        given = model.get(key, {})
        return tuple((event, float(tau)) for event, date in zip(events(key), given, strict=True) for tau in given[date])

    periods = tuple(float(period) for period in model.get("periodic", ()))
    degree = int(model.get("polynomial", 1))
    return TimeModel(degree, periods, events("stepDate"), events("polyline"), relaxations("exp"), relaxations("log"))


def _clock(dates: Sequence[str] | Mapping[str, Any], *, calendar: bool) -> Array:
    """Return the times of dates; with `calendar` shifted as in MintPy, which counts calendar years as 365.25 days."""
    times = np.array([as_time(date) for date in dates], "datetime64[s]")
    if not calendar:
        return times
    january = times.astype("datetime64[Y]")
    day = (times - january.astype("datetime64[s]")).astype(np.float64) / 86400
    days = (january.astype(np.int64) + day / DAYS_PER_YEAR) * DAYS_PER_YEAR
    return np.asarray(np.datetime64("1970-01-01", "s") + np.round(days * 86400).astype("timedelta64[s]"))


def estimate_dem_error(
    ts0: ArrayLike,
    G0: ArrayLike,
    tbase: ArrayLike,
    date_flag: ArrayLike | None = None,
    phase_velocity: bool = False,  # noqa: FBT001, FBT002
    cond: float = 1e-8,
    display: bool = False,  # noqa: FBT001, FBT002
    sharey: bool = True,  # noqa: FBT001, FBT002
    *,
    G_geom: ArrayLike | None = None,
    strict: bool = False,
) -> tuple[Array, Array, Array]:
    """Estimate the height error (DEM error) of series together with time functions; the geometry may vary by pixel.

    Parameters
    ----------
    ts0
        Displacement (m), shape (date,) or (date, pixel); NaN where missing.
    G0
        Shape (date, factor): perpendicular baseline / (slant range * sin(incidence angle)), then ones, then the time
        functions.
    tbase
        Years since the reference date, shape (date,) or (date, 1).
    date_flag
        True for the dates to fit, shape (date,); default: all.
    phase_velocity
        Fit the velocities between consecutive dates instead of the displacements.
    cond
        Not used: a factor is left out, and NaN with those that depend on it, if others reproduce its column within
        1e-5.
    display
        Must be False: plots are not supported.
    sharey
        Not used.
    G_geom
        First column of `G0` for each pixel, shape (date, pixel).
    strict
        Raise where the result of MintPy, called pixel by pixel, differs.

    Returns
    -------
    delta_z
        Height error in m, float64, shape (pixel,).
    ts_cor
        Series without the effect of the height error, float64, shape (date, pixel).
    ts_res
        Series also without the time functions, float64, shape (date, pixel); with `phase_velocity` the constant
        remains.

    Raises
    ------
    ArgumentError
        If arguments do not fit together, or the result differs and `strict` is set.

    Notes
    -----
    Differences from MintPy 1.6.4:

    * samples that are not finite are missing, with `phase_velocity` also the velocities before and after; MintPy sets
      the series of the pixel to zero;
    * pixels with their own geometry in one call (`G_geom`);
    * undetermined factors are NaN; MintPy takes those of minimum norm.
    """
    if display:
        raise ArgumentError("display: there are no pictures here; plot ts_cor and ts_res")
    G = np.asarray(G0, np.float64)
    if G.ndim != 2 or G.shape[1] < 2 or not (G[:, 1] == 1).all():
        raise ArgumentError("G0: must have the geometry in its first and ones in its second column")
    series = as_rows(ts0, len(G), "ts0").astype(np.float64)
    refuse(~np.isfinite(series), _PEER, "samples are not finite", strict=strict)
    geometry = G[:, :1] if G_geom is None else as_rows_like(G_geom, series, "G_geom").astype(np.float64)
    years = as_rows(tbase, len(G), "tbase").astype(np.float64)
    keep = np.ones(len(G), bool) if date_flag is None else np.asarray(date_flag, bool)
    given = [array[keep] for array in (series, G[:, 2:], np.broadcast_to(geometry, series.shape))]
    if phase_velocity:
        given = [np.diff(array, axis=0) / np.diff(years[keep], axis=0) for array in given]
    fit = fit_terms(given[0], given[1], columns=given[2][None], offsets=not phase_velocity)
    refuse(np.isnan(fit.terms), _PEER, "factors are not determined", strict=strict)
    ts_cor = series - geometry * fit.terms[-1]
    constant = 0.0 if phase_velocity else fit.offset[0]
    return fit.terms[-1], ts_cor, ts_cor - constant - G[:, 2:] @ fit.terms[:-1]
