"""Time functions of a displacement series, each with its standard error: velocity, seasons, steps, relaxation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.engine.plan import BYTES_ATTRIBUTE
from insarray.kernels.temporal import Fit, fit_terms
from insarray.model.dataset import on_grid_of
from insarray.model.errors import StackError
from insarray.model.time_model import TimeModel

_PERIODS = {1.0: "annual", 0.5: "semiannual"}


@dataclass(frozen=True)
class _Task:
    model: TimeModel
    times: np.ndarray


def fit(
    series: xr.Dataset,
    *,
    degree: int = 1,
    periods: tuple[float, ...] = (),
    steps: tuple[str, ...] = (),
    velocity_changes: tuple[str, ...] = (),
    exponentials: tuple[tuple[str, float], ...] = (),
    logarithms: tuple[tuple[str, float], ...] = (),
) -> xr.Dataset:
    """Time functions of every pixel by least squares over its dates, all in one fit, lazily if the series is lazy.

    Parameters
    ----------
    series
        With `displacement` (time, y, x) in m; dates of each `network_subset`, if there, share an offset, so that a
        gap in the network does not bend the functions.
    degree, periods, steps, velocity_changes, exponentials, logarithms
        Terms, see `insarray.model.time_model.TimeModel`; the default is the velocity alone.

    Returns
    -------
    xarray.Dataset
        (y, x), each with its standard error from the residuals as `..._std`: `velocity` in m per year of 365.25 days
        (with further polynomial terms that of the first date), `acceleration`, `jerk`; `annual_amplitude` in m and
        `annual_phase` in rad (A cos(2 pi t / T - phase), t since the first date), `semiannual_...`, or
        `period_<T>y_...`; `step_<date>`, `velocity_change_<date>`, `exponential_<date>_<days>d`,
        `logarithmic_<date>_<days>d`. All of displacement toward the satellite. NaN where the dates of the pixel do not
        determine the term, standard errors also where there is no redundancy.

    Raises
    ------
    ArgumentError
        If the model cannot be.
    StackError
        If the series has no displacement or fewer than two dates.
    """
    model = TimeModel(degree, periods, steps, velocity_changes, exponentials, logarithms)
    if "displacement" not in series or series.displacement.dims != ("time", "y", "x"):
        raise StackError("series: has no variable 'displacement' (time, y, x); make it with insarray.invert")
    if series.sizes["time"] < 2:
        raise StackError(f"series: {series.sizes['time']} date(s); a velocity needs at least two")
    times = series.time.values
    inputs = {name: series[name] for name in ("displacement", "network_subset") if name in series}
    fitted = xr.Dataset(map_blocks(fit_block, _Task(model, times), inputs, outputs(model), {}))
    kept = ("wavelength", "sign", "reference_row", "reference_col", "reference_lon", "reference_lat", "reference_area")
    attrs = {name: series.attrs[name] for name in (*kept, BYTES_ATTRIBUTE) if name in series.attrs}
    if BYTES_ATTRIBUTE in attrs:
        attrs[BYTES_ATTRIBUTE] = int(attrs[BYTES_ATTRIBUTE]) + _bytes_per_pixel(model)
    if "job_fingerprint" in series.attrs:
        attrs["series_fingerprint"] = series.attrs["job_fingerprint"]
    attrs |= {"model": " ".join(model.names), "first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]}
    return on_grid_of(series, fitted).assign_attrs(attrs)


def outputs(model: TimeModel) -> tuple[str, ...]:
    """Names of the variables of a model, each followed by that of its standard error."""
    return tuple(name for term in _terms(model) for name in (term, f"{term}_std"))


def _terms(model: TimeModel) -> Iterator[str]:
    for name in model.names:
        kind, _, period = name.partition("_")
        if kind not in ("cosine", "sine"):
            yield name
        elif kind == "cosine":
            yield from (f"{_period(period)}_{what}" for what in ("amplitude", "phase"))


def _period(text: str) -> str:
    return _PERIODS.get(float(text), f"period_{text}y")


def fit_block(task: _Task, arrays: Arrays) -> Arrays:
    """Terms of one block; `arrays` holds `displacement` and perhaps `network_subset`, each (time, y, x)."""
    displacement = arrays["displacement"]
    dates, *pixels = displacement.shape
    subset = arrays.get("network_subset")
    label = np.ones(displacement.shape, np.uint8) if subset is None else subset
    design = task.model.design(task.times, task.times[0])
    fitted = fit_terms(displacement.reshape(dates, -1), label.reshape(dates, -1), design)
    return {name: values.astype(np.float32).reshape(pixels) for name, values in _results(task.model, fitted)}


def _results(model: TimeModel, fitted: Fit) -> Iterator[tuple[str, np.ndarray]]:
    """Variables of a fit; amplitude and phase of a period by the covariance of its cosine and sine."""
    std, variance = fitted.std, fitted.variance
    for i, name in enumerate(model.names):
        kind, _, period = name.partition("_")
        if kind not in ("cosine", "sine"):
            yield name, fitted.terms[i]
            yield f"{name}_std", std[i]
        elif kind == "cosine":
            c, s = fitted.terms[i : i + 2]
            cc, ss, cs = fitted.covariance[[i, i + 1, i], [i, i + 1, i + 1]] * variance
            square = c * c + s * s
            with np.errstate(invalid="ignore", divide="ignore"):
                yield f"{_period(period)}_amplitude", np.sqrt(square)
                yield f"{_period(period)}_amplitude_std", np.sqrt((c * c * cc + s * s * ss + 2 * c * s * cs) / square)
                yield f"{_period(period)}_phase", np.arctan2(s, c)
                yield f"{_period(period)}_phase_std", np.sqrt(s * s * cc + c * c * ss - 2 * c * s * cs) / square


def _bytes_per_pixel(model: TimeModel) -> int:
    """Memory of a pixel in `fit_block`: factors and covariance in float64, results."""
    terms = len(model.names)
    return 8 * terms * (terms + 4)
