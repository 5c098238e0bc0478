"""Stratified troposphere from the data themselves: displacement against height, per date or pair."""

import logging
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.io.source import PathLike
from insarray.kernels.corrections import height_fit as kernel
from insarray.kernels.corrections.turbulence import NOTHING, layout, slope_std
from insarray.model.choices import HeightModel
from insarray.model.conventions import Variable, metres_per_radian
from insarray.model.dataset import crs_of
from insarray.model.dates import years_since
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import is_geographic
from insarray.products.corrections.geometry import heights_of
from insarray.products.corrections.sampling import Sample, sample
from insarray.products.stacks.selection import Raster
from insarray.products.views.ground import rows_and_columns
from insarray.products.views.stacks import SeriesView, StackView, as_data

logger = logging.getLogger(__name__)

_NAME = "troposphere_stratified"
_LEAST_RELIEF = 20.0  # m: standard deviation of the heights, below which no slope is fitted
_WORKING = 40  # bytes of a pixel besides what comes out


@dataclass(frozen=True)
class _Task:
    """Factors (date or pair, window, window), middles of the windows, and the function of the height."""

    factors: np.ndarray
    y: np.ndarray
    x: np.ndarray
    exponent: float | None
    top: float
    middle: float


def stratified_troposphere(
    data: xr.Dataset,
    *,
    dem: PathLike | xr.DataArray | None = None,
    model: HeightModel = "linear",
    exponent: float = 1.6,
    top: float = 8000.0,
    windows: int = 1,
    mask: Raster | None = None,
    robust: bool = True,
    keep_velocity: bool = False,
) -> xr.Dataset:
    """Part of every date, or pair, that is proportional to a function of the height; for `correct`.

    The factors are fitted now, on a thin sample of the image of at most 40,000 pixels; the correction is lazy if the data are
    lazy.

    Parameters
    ----------
    data
        Series, or stack.
    dem
        Heights of the pixels in m: a raster of any grid, or a map (y, x). Default: `height` of the data.
    model
        "linear" in the height, or "power": (top - height) ^ exponent.
    exponent, top
        Of the power law: 1.3 to 2, and the height in m above which the air no longer differs from date to date.
    windows
        Along each side of the image: each of windows x windows parts has a factor of its own, between whose middles
        it is interpolated. Windows without relief have that of the image.
    mask
        Where to fit, a DataArray (y, x) or raster file: not where it is 0, NaN or its no-data value. Leave out what moves.
    robust
        Leave aside what is off the line, as long as it is less than a quarter of the pixels.
    keep_velocity
        Leave the part of the factors that grows linearly in time to the motion: what a joint fit with the velocity of every
        pixel gives. Mountains that rise, or a volcano that sinks, look like it.

    Returns
    -------
    xarray.Dataset
        `troposphere_stratified` (time or pair, y, x) in m with the sign of `displacement`, zero at the mean
        height, or with the power law at `top`.
        Coordinates `height_factor` and `height_factor_std` (time or pair, window_y, window_x), in m per m at height 0, are
        the factors and their standard errors, by leaving out a tile of the image after the other. These grow with
        the turbulence over the relief: a factor that is not twice its error is none.

    Raises
    ------
    ArgumentError
        If an argument is outside what it may be.
    StackError
        If height is not known, or a date has too few pixels, or too little relief.

    See Also
    --------
    insarray.troposphere : delays of weather models.
    insarray.correct : subtract corrections.
    insarray.assess_corrections : whether it helps.

    References
    ----------
    * Bekaert, D. P. S., Hooper, A. and Wright, T. J. (2015), A spatially variable power law tropospheric correction
      technique for InSAR data, J. Geophys. Res. Solid Earth 120, 1345-1356.
    * Lin, Y. N., Simons, M., Hetland, E. A., Muse, P. and DiCaprio, C. (2010), A multiscale approach to estimating
      topographically correlated propagation delays in radar interferograms, Geochem. Geophys. Geosyst. 11, Q09002.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(40, 48), n_dates=6, stratified=0.03, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> layered = ia.stratified_troposphere(series, dem=stack.height)
    >>> layered.height_factor.sizes["time"]
    6
    >>> flat = ia.correct(series, layered)
    >>> bool(flat.displacement.std() < series.displacement.std())
    True
    """
    _check(model, exponent, top, windows)
    view = as_data(data)
    height, _ = heights_of(view, dem, _NAME)
    power = exponent if model == "power" else None
    layers = {"values": _values(view), "height": height}
    thin = sample(view, layers, mask)
    abscissa = kernel.basis(thin.layers["height"], power, top)
    factors, errors, middle = _fitted(view, thin, abscissa, windows, robust=robust)
    middle = middle if power is None else float(kernel.basis(np.array(top), power, top))
    if keep_velocity:
        factors = kernel.without_trend(factors, _years(view), pairs=isinstance(view, StackView))
    y, x = (_middles(centres, windows) for centres in view.centres)
    task = _Task(factors, y, x, power, top, middle)
    lead = "time" if isinstance(view, SeriesView) else "pair"
    entry = _about(lead, model, windows, robust=robust, keep_velocity=keep_velocity)
    inputs = rows_and_columns(view) | {"height": height}
    made = map_blocks(height_block, task, inputs, {_NAME: entry}, {lead: len(factors)}, bytes_per_pixel=_WORKING)
    logger.info("stratified_troposphere: %s, %d x %d windows, %d pixels", model, windows, windows, abscissa.size)
    return _described(view, lead, made, factors, errors)


def _check(model: str, exponent: float, top: float, windows: int) -> None:
    if model not in get_args(HeightModel):
        raise ArgumentError(f"model: {model!r} is not one of {', '.join(get_args(HeightModel))}")
    if not (isinstance(exponent, int | float) and 1 < exponent < 5):
        raise ArgumentError(f"exponent: {exponent!r} is not between 1 and 5")
    if not (isinstance(top, int | float) and 1000 <= top <= 50_000):
        raise ArgumentError(f"top: {top!r} is no height in metres from 1000 to 50000")
    if not isinstance(windows, int) or isinstance(windows, bool) or not 1 <= windows <= 20:
        raise ArgumentError(f"windows: {windows!r} is not a whole number from 1 to 20")


def _values(view: SeriesView | StackView) -> xr.DataArray:
    """Displacement in m, of dates tied to the reference date, or of pairs."""
    if isinstance(view, StackView):
        return view.phase * np.float32(metres_per_radian(view.require_wavelength()))
    if "network_subset" in view.data:
        return view.displacement.where(view.data["network_subset"] == 1)
    return view.displacement


def _years(view: SeriesView | StackView) -> np.ndarray:
    if isinstance(view, StackView):
        return view.network.temporal_baseline / 365.25
    return years_since(view.times, view.times[0])


def _fitted(
    view: SeriesView | StackView, thin: Sample, abscissa: np.ndarray, windows: int, *, robust: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Factors and errors (date or pair, window, window), and the mean of the function of the height."""
    values = thin.layers["values"]
    middle = float(np.nanmean(abscissa)) if np.isfinite(abscissa).any() else np.nan
    y, x = _distances(view, thin)
    whole, inside = layout(y, x), thin.tiles(windows)
    parts = [np.flatnonzero(inside == window) for window in range(windows * windows if windows > 1 else 0)]
    layouts = [layout(y[here], x[here]) for here in parts]
    lines: list[list[kernel.Line]] = []
    labels = view.labels if isinstance(view, SeriesView) else view.network.labels
    reference = view.reference_time if isinstance(view, SeriesView) else None
    for k, of in enumerate(values):
        if isinstance(view, SeriesView) and view.times[k] == reference:
            lines.append([kernel.Line(0.0, NOTHING)] * (1 + len(parts)))
            continue
        line = kernel.fit_line(of, _with_relief(abscissa, np.isfinite(of)), whole, robust=robust)
        if not np.isfinite(line.slope):
            raise StackError(
                f"{_NAME}: {labels[k]} has {int(np.isfinite(of).sum())} pixels with too few data or too little relief for a "
                "line; widen the mask, or leave it out"
            )
        lines.append([line])
        for here, place in zip(parts, layouts, strict=True):
            relief = _with_relief(abscissa[here], np.isfinite(of[here]))
            lines[-1].append(kernel.fit_line(of[here], relief, place, robust=robust))
    slope = np.array([[line.slope for line in of] for of in lines])
    error = np.stack([slope_std([of[window].noise for of in lines]) for window in range(1 + len(parts))], axis=1)
    if isinstance(view, SeriesView):
        error[view.times == reference] = 0.0
    found = slice(1, None) if parts else slice(0, 1)
    missing = ~np.isfinite(slope[:, found])
    factors, errors = (np.where(missing, of[:, :1], of[:, found]) for of in (slope, error))
    shape = (len(values), windows, windows)
    return factors.reshape(shape), errors.reshape(shape), middle


def _distances(view: SeriesView | StackView, thin: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Places of a sample in one unit of length, to a factor."""
    crs = crs_of(view.data)
    narrow = np.cos(np.radians(float(thin.y.mean()))) if crs is not None and is_geographic(crs) and len(thin.y) else 1.0
    return thin.y, thin.x * narrow


def _with_relief(abscissa: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The abscissae, or none where they differ too little."""
    used = abscissa[seen & np.isfinite(abscissa)]
    return abscissa if len(used) > 1 and used.std() >= _LEAST_RELIEF else np.full(abscissa.shape, np.nan)


def _middles(centres: np.ndarray, windows: int) -> np.ndarray:
    """Coordinates of the middles of windows, in the order of rows or columns."""
    at = (np.arange(windows) + 0.5) / windows * len(centres) - 0.5
    return np.asarray(np.interp(at, np.arange(len(centres)), centres))


def _about(lead: str, model: str, windows: int, *, robust: bool, keep_velocity: bool) -> Variable:
    how = ["robust"] * robust + ["without a linear trend in time"] * keep_velocity
    source = ", ".join([f"{model} in the height, {windows} x {windows} windows", *how])
    attrs: dict[str, object] = {"source": source}
    text = "apparent line-of-sight displacement by the stratified troposphere, toward the satellite"
    return Variable((lead, "y", "x"), "float32", "m", text, attrs)


def _described(
    view: SeriesView | StackView,
    lead: str,
    made: dict[str, xr.Variable],
    factors: np.ndarray,
    errors: np.ndarray,
) -> xr.Dataset:
    dims = (lead, "window_y", "window_x")
    about = {
        "height_factor": (factors, "displacement by a metre of height, at height 0"),
        "height_factor_std": (errors, "standard error of the height factor"),
    }
    coords = {name: (dims, values, {"units": "1", "long_name": text}) for name, (values, text) in about.items()}
    kept = {name: coord for name, coord in view.data.coords.items() if coord.dims == (lead,)}
    return view.on_grid(xr.Dataset(made, kept).assign_coords(coords))


def height_block(task: _Task, arrays: Arrays) -> Arrays:
    """Correction of one block."""
    y, x = arrays["row"][:, 0], arrays["col"][0]
    up = kernel.basis(arrays["height"].astype(np.float64), task.exponent, task.top) - task.middle
    down, right = kernel.hats(y, task.y), kernel.hats(x, task.x)
    out = np.empty((len(task.factors), *up.shape), np.float32)
    for plane, factors in zip(out, task.factors, strict=True):
        plane[...] = (down @ factors @ right.T) * up
    return {_NAME: out}
