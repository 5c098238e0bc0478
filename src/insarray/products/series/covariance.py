"""Covariance between the dates of a time series from the variances of its pairs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.timefit.covariance import series_covariance
from insarray.model.choices import Weights
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import time_coords
from insarray.model.errors import ArgumentError
from insarray.model.network import Network
from insarray.products.stacks.weighting import block_weights, weighting
from insarray.products.views.stacks import as_stack


@dataclass(frozen=True)
class _Task:
    network: Network
    weights: Weights | Literal["given"]
    looks: float | None
    noise: Weights
    scale: float


def covariance(
    stack: xr.Dataset,
    *,
    weights: Weights | xr.DataArray = "variance",
    noise: Literal["variance", "fisher"] = "variance",
    looks: float | None = None,
) -> xr.Dataset:
    """Compute the covariance of the dates of the series that `insarray.invert` gives with the same weights, lazily.

    Parameters
    ----------
    stack
        Stack with `coherence`; pairs are assumed independent.
    weights
        As in `insarray.invert` with norm "l2".
    noise
        Variance of a pair: "variance" of a distributed scatterer, or "fisher", its Cramer-Rao bound.
    looks
        Independent looks of the coherence; default: attribute `looks` of the stack.

    Returns
    -------
    xarray.Dataset
        `displacement_covariance` (time, other_time, y, x) in m^2, relative to the first date of each network subset,
        whose rows are 0; NaN at dates that no pair observes. It contains only the noise of the pairs; the user adds
        atmosphere and the noise of the reference point. It takes 4 bytes x dates^2 per pixel: for `insarray.fit` of
        many pixels, fitting the pairs directly gives the same without it.

    Raises
    ------
    ArgumentError, StackError
        If the weights or the noise are unknown, or the stack lacks the layers that they need.

    See Also
    --------
    insarray.fit : fit time functions with standard errors.
    insarray.invert : invert pairs to displacement series.

    References
    ----------
    * Agram, P. S. and Simons, M. (2015), A noise model for InSAR time series, J. Geophys. Res. Solid
      Earth 120, 2752-2771.
    * Tough, R. J. A., Blacknell, D. and Quegan, S. (1995), A statistical description of polarimetric and
      interferometric synthetic aperture radar data, Proc. R. Soc. A 449, 567-589.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> found = ia.covariance(stack, looks=20)
    >>> found.displacement_covariance.dims
    ('time', 'other_time', 'y', 'x')
    """
    view = as_stack(stack)
    network = view.network
    if noise not in ("variance", "fisher"):
        raise ArgumentError(f"noise: {noise!r} is not variance or fisher")
    inputs, named, _ = weighting(view, weights, looks)
    noise_inputs, _, looks = weighting(view, noise, looks)
    scale = metres_per_radian(view.require_wavelength())
    task = _Task(network, named, looks, noise, scale)
    data = map_blocks(
        covariance_block,
        task,
        inputs | noise_inputs,
        ("displacement_covariance",),
        {"time": network.n_dates, "other_time": network.n_dates},
        bytes_per_pixel=8 * network.n_dates**2 + 17 * network.n_pairs,  # both in float64, with weights
    )
    times = time_coords(network)
    other = {"other_time": times["time"].rename(time="other_time")}
    attrs = view.inherited | {"weights": named, "noise": noise, "looks": looks}
    return view.on_grid(xr.Dataset(data, times | other, attrs))


def covariance_block(task: _Task, arrays: Arrays) -> Arrays:
    """Return the covariance of one block; `arrays` holds `unwrapped_phase`, `coherence` and optionally `weights`."""
    phase = arrays["unwrapped_phase"]
    pairs, *pixels = phase.shape
    dates = task.network.n_dates
    weights = block_weights(task.weights, task.looks, arrays)
    samples = phase.reshape(pairs, -1)
    label = solve(samples, plan_elimination(task.network.pairs, dates), weights, scale=1.0, std=False).label
    inverse = block_weights(task.noise, task.looks, arrays)
    assert inverse is not None  # noqa: S101  for the type checker: the noise is never "none"
    variance = np.where(np.isfinite(samples) & (inverse > 0), task.scale**2 / inverse.astype(np.float64), np.nan)
    found = series_covariance(task.network.pairs, label, variance, weights)
    return {"displacement_covariance": found.astype(np.float32).reshape(dates, dates, *pixels)}
