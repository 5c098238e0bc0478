"""Fit time functions in one block: rows and weights, the fit, and output variables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from insarray.engine.blocks import Arrays
from insarray.kernels.limits import value_range
from insarray.kernels.timefit.bootstrap import bootstrap, draw
from insarray.kernels.timefit.covariance import fit_terms_generalised, propagate
from insarray.kernels.timefit.least_squares import Fit, fit_terms
from insarray.model.choices import Uncertainty, Weights
from insarray.model.conventions import FIT_FLAGS
from insarray.model.errors import ArgumentError
from insarray.model.time_model import TimeModel
from insarray.products.stacks.minimum import Minimum
from insarray.products.stacks.weighting import INVERSE_VARIANCES, block_weights

_PERIODS = {1.0: "annual", 0.5: "semiannual"}

MOST_ROWS = np.iinfo(np.uint16).max
"""Degrees of freedom are stored in 16 bits."""


@dataclass(frozen=True)
class FitTask:
    """Constants of `fit_block`, the same for every block. Rows are dates, or pairs if `pairs` is set."""

    model: TimeModel
    design: np.ndarray
    pairs: bool
    scale: float
    level: np.ndarray | None
    weights: Weights | Literal["covariance", "given"]
    looks: float | None
    row_weight: np.ndarray | None
    covariance: np.ndarray | None
    full_covariance: bool
    height: bool
    height_factor: float | None
    baseline: np.ndarray | None
    closing: np.ndarray | None
    uncertainty: Uncertainty
    samples: int
    seed: int
    residuals: bool
    least: Minimum
    ends: np.ndarray | None

    def __post_init__(self) -> None:
        if len(self.design) > MOST_ROWS:
            raise ArgumentError(
                f"fit: of {len(self.design)} pairs; at most {MOST_ROWS} can be counted, fit the series of invert instead"
            )

    @property
    def inverse_variances(self) -> bool:
        """Whether squared residuals are in units of their variance."""
        return self.weights in (*INVERSE_VARIANCES, "covariance")


class _Rows(NamedTuple):
    """Arguments of the kernels for one block."""

    values: np.ndarray
    design: np.ndarray
    how: dict[str, Any]


def fit_block(task: FitTask, arrays: Arrays) -> Arrays:
    """Fit the terms of one block.

    Parameters
    ----------
    task
        Model and options.
    arrays
        `displacement` (time, y, x) and optionally `network_subset`, or `unwrapped_phase` (pair, y, x), and the arrays
        that weights, covariance and height error need.
    """
    values = arrays["unwrapped_phase"] if task.pairs else arrays["displacement"]
    pixels = values.shape[1:]
    rows = _rows(task, values, arrays)
    factor = None
    if task.height:
        factor = np.full(rows.values.shape[1], task.height_factor) if task.height_factor else None
        factor = arrays["height_factor"].reshape(-1) if factor is None else factor
        rows = _with_height(task, rows, arrays)
    fitted = _fit(task, rows, arrays)
    if factor is not None:
        fitted = _in_metres_of_height(fitted, factor)
    masked = ~arrays["good"].reshape(-1) if "good" in arrays else np.zeros(fitted.used.shape, bool)
    few = (_dates_observed(task, rows, fitted) < task.least.dates) | (fitted.freedom < task.least.redundancy)
    flag = _flag(fitted, masked, few)
    fitted = _blank(fitted, masked | few)
    return {name: found.reshape(*found.shape[:-1], *pixels) for name, found in _results(task, fitted, flag)}


def _rows(task: FitTask, values: np.ndarray, arrays: Arrays) -> _Rows:
    """Return the displacement of the rows in m, and their weights."""
    flat = values.reshape(len(values), -1)
    how: dict[str, Any] = {"offsets": not task.pairs}
    if task.pairs:
        level = 0.0 if task.level is None else task.level[:, None]
        flat = (flat.astype(np.float64) - level) * task.scale
        weights = block_weights(task.weights, task.looks, arrays)  # type: ignore[arg-type]
        if weights is not None and task.inverse_variances:
            weights = weights / task.scale**2
        how["weight"] = weights
    else:
        if "network_subset" in arrays:
            how["label"] = arrays["network_subset"].reshape(len(values), -1)
        if "weights" in arrays:
            how["weight"] = block_weights("given", None, arrays)
        if task.row_weight is not None:
            how["multiplicity"] = task.row_weight
    return _Rows(flat, task.design, how)


def _with_height(task: FitTask, rows: _Rows, arrays: Arrays) -> _Rows:
    """Return the rows with the baseline as the last column."""
    if task.baseline is not None:
        return rows._replace(design=np.column_stack([rows.design, task.baseline]))
    maps = arrays["baseline"].reshape(len(arrays["baseline"]), -1).astype(np.float64)
    column = maps if task.closing is None else task.closing @ maps
    return rows._replace(how=rows.how | {"columns": column[None]})


def _fit(task: FitTask, rows: _Rows, arrays: Arrays) -> Fit:
    """Fit the terms with the chosen method; the covariance is in the units of the terms (m^2, ...)."""
    covariance = _covariance(task, arrays)
    if task.weights == "covariance":
        assert covariance is not None  # noqa: S101  for the type checker: `fit` has checked it
        how = {name: array for name, array in rows.how.items() if name in ("label", "columns")}
        fitted = fit_terms_generalised(rows.values, rows.design, covariance, **how, residuals=task.residuals)
    else:
        fitted = fit_terms(rows.values, rows.design, **rows.how, residuals=task.residuals)
    if task.uncertainty == "residuals":
        return _scaled(fitted, fitted.variance)
    if task.uncertainty == "bootstrap":
        return bootstrap(fitted, rows.values, rows.design, draw(len(rows.values), task.samples, task.seed), **rows.how)
    if covariance is not None and task.weights != "covariance":
        how = {name: array for name, array in rows.how.items() if name in ("label", "weight", "columns")}
        if task.row_weight is not None:
            weight = how.get("weight", np.ones(rows.values.shape))
            how["weight"] = weight * task.row_weight[:, None]
        return propagate(fitted, rows.design, covariance, rows.values, **how)
    return fitted


def _covariance(task: FitTask, arrays: Arrays) -> np.ndarray | None:
    """Return the covariance of the dates, (date, date, pixel) or (date, date, 1)."""
    found = task.covariance
    if "covariance" in arrays:
        found = arrays["covariance"].reshape(*arrays["covariance"].shape[:-2], -1).astype(np.float64)
        require_covariance(found, missing=True)
    elif found is not None:
        found = found[..., None]
    if found is not None and found.ndim == 2:  # variances only
        found = found[:, None] * np.eye(len(found))[:, :, None]
    return found


def require_covariance(values: np.ndarray, *, missing: bool) -> None:
    """Raise ArgumentError unless values are variances, or symmetric matrices with variances on their diagonals.

    Parameters
    ----------
    values
        (date, pixel) or (date, date, pixel).
    missing
        Whether NaN is valid, as at dates that a pixel lacks.
    """
    variances = np.einsum("iip->ip", values) if values.ndim == 3 else values
    low, high = value_range(variances)
    least, most = value_range(values)
    wrong = low if low < 0 else most if most == np.inf else least if least == -np.inf else np.nan
    if not np.isnan(wrong) or (not missing and np.isnan(variances).any()):
        raise ArgumentError(f"covariance: holds {wrong:g}; it is finite, and its variances in m^2 are not negative")
    if values.ndim == 3 and not all(_equal(values[k, k:], values[k:, k], 1e-4 * high) for k in range(len(values))):
        raise ArgumentError("covariance: is not symmetric; its second dimension must be the same dates as the first")


def _equal(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Return whether arrays agree where neither is NaN."""
    low, high = value_range(one - other)
    return not (low < -tolerance or high > tolerance)


def _scaled(fitted: Fit, factor: np.ndarray) -> Fit:
    offset = np.stack([fitted.offset[0], fitted.offset[1] * factor])
    return fitted._replace(covariance=fitted.covariance * factor, offset=offset)


def _in_metres_of_height(fitted: Fit, factor: np.ndarray) -> Fit:
    """Convert the last term from displacement per metre of baseline to height error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        per_metre = np.where(factor > 0, 1 / factor, np.nan)
    terms, covariance = fitted.terms.copy(), fitted.covariance.copy()
    terms[-1] *= per_metre
    covariance[-1] *= per_metre
    covariance[:, -1] *= per_metre
    return fitted._replace(terms=terms, covariance=covariance)


def _dates_observed(task: FitTask, rows: _Rows, fitted: Fit) -> np.ndarray:
    """Return the number of dates covered by the used rows, (pixel,)."""
    if task.ends is None:
        return fitted.used
    used = np.isfinite(rows.values)
    if rows.how.get("weight") is not None:
        used &= (rows.how["weight"] > 0) & (rows.how["weight"] < np.inf)
    if "columns" in rows.how:
        used &= np.isfinite(rows.how["columns"]).all(axis=0)
    seen = np.zeros((int(task.ends.max()) + 1, used.shape[1]), bool)
    for pair, (first, last) in zip(used, task.ends, strict=True):
        seen[first] |= pair
        seen[last] |= pair
    count: np.ndarray = seen.sum(axis=0)
    return count


def _flag(fitted: Fit, masked: np.ndarray, few: np.ndarray) -> np.ndarray:
    """Return `fit_flag`; the first applicable meaning is used."""
    undetermined = np.isnan(fitted.terms).any(axis=0)
    names = ("masked", "no_data", "too_few_observations", "undetermined_terms", "no_redundancy")
    conditions = [masked, fitted.used == 0, few, undetermined, fitted.freedom <= 0]
    flags = [np.uint8(FIT_FLAGS.index(name)) for name in names]
    return np.select(conditions, flags, np.uint8(FIT_FLAGS.index("determined"))).astype(np.uint8)


def _blank(fitted: Fit, pixels: np.ndarray) -> Fit:
    """Set the results of some pixels to NaN; keep the degrees of freedom, which may be the reason."""
    if not pixels.any():
        return fitted
    names = ("terms", "covariance", "offset", "square", "residual")
    return fitted._replace(**{name: np.where(pixels, np.nan, getattr(fitted, name)) for name in names})


def outputs(task: FitTask) -> tuple[str, ...]:
    """Return the names of the variables of a fit, each term followed by its standard error."""
    terms = [*_terms(task.model), *(["height_error"] if task.height else []), *([] if task.pairs else ["intercept"])]
    names = [name for term in terms for name in (term, f"{term}_std")]
    names += ["degrees_of_freedom", "fit_flag"]
    if task.inverse_variances:
        names.append("reduced_chi_square")
    elif task.weights == "none":
        names.append("fit_residual_std")
    if task.residuals:
        names.append("pair_fit_residual" if task.pairs else "fit_residual")
    return tuple(names)


def _terms(model: TimeModel) -> Iterator[str]:
    for name in model.names:
        kind, _, period = name.partition("_")
        if kind not in ("cosine", "sine"):
            yield name
        elif kind == "cosine":
            yield from (f"{period_name(period)}_{what}" for what in ("amplitude", "phase"))


def period_name(years: str) -> str:
    """Return the name of a period given in years as in `TimeModel.names`."""
    return _PERIODS.get(float(years), f"period_{years}y")


def _results(task: FitTask, fitted: Fit, flag: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the variables of a fit in their stored data types."""
    for name, values in _values_and_errors(task, fitted):
        yield name, values.astype(np.float32)
    yield "degrees_of_freedom", fitted.freedom.clip(0).astype(np.uint16)
    yield "fit_flag", flag
    if task.inverse_variances:
        yield "reduced_chi_square", fitted.variance.astype(np.float32)
    elif task.weights == "none":
        yield "fit_residual_std", np.sqrt(fitted.variance).astype(np.float32)
    if task.residuals:
        yield "pair_fit_residual" if task.pairs else "fit_residual", fitted.residual


def _values_and_errors(task: FitTask, fitted: Fit) -> Iterator[tuple[str, np.ndarray]]:
    """Yield terms and standard errors; amplitude and phase of a period from the covariance of cosine and sine."""
    with np.errstate(invalid="ignore", divide="ignore"):
        std = np.sqrt(np.einsum("iip->ip", fitted.covariance))
        names = [*task.model.names, *(["height_error"] if task.height else [])]
        for i, name in enumerate(names):
            kind, _, period = name.partition("_")
            if kind not in ("cosine", "sine"):
                yield name, fitted.terms[i]
                yield f"{name}_std", std[i]
            elif kind == "cosine":
                c, s = fitted.terms[i : i + 2]
                cc, ss, cs = fitted.covariance[[i, i + 1, i], [i, i + 1, i + 1]]
                square, what = c * c + s * s, period_name(period)
                yield f"{what}_amplitude", np.sqrt(square)
                yield f"{what}_amplitude_std", np.sqrt((c * c * cc + s * s * ss + 2 * c * s * cs) / square)
                yield f"{what}_phase", np.arctan2(s, c)
                yield f"{what}_phase_std", np.sqrt(s * s * cc + c * c * ss - 2 * c * s * cs) / square
        if not task.pairs:
            yield "intercept", fitted.offset[0]
            yield "intercept_std", np.sqrt(fitted.offset[1])


def workspace(task: FitTask) -> int:
    """Return the working memory of `fit_block` per pixel: rows, baselines, covariances and factors in float64."""
    rows, terms = len(task.design), task.design.shape[1] + task.height
    needed = 16 * terms**2 + (145 if task.uncertainty == "bootstrap" else 16) * terms + 80
    if task.pairs:  # plus two bytes for each counted date
        needed += (10 + {"none": 0, "given": 4}.get(task.weights, 8)) * rows
    if task.height and task.baseline is None:
        needed += 8 * (rows + (0 if task.closing is None else task.closing.shape[1]))
    if task.full_covariance:
        needed += 8 * rows + (8 * rows**2 if task.covariance is None else 0)
    return int(needed)
