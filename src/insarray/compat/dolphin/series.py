"""Series, residuals and velocity of one block of interferograms, as in dolphin's files."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.compat.dolphin.velocity import estimate_velocity
from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.network.elimination import Solution, solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.robust.inversion import L1, solve_robust
from insarray.kernels.variance import pair_weights
from insarray.model.conventions import DAYS_PER_YEAR
from insarray.model.dataset import on_grid_of, time_coords
from insarray.model.network import Network

_METHODS = {"L1": L1(), "L2": None}
_SUM = {"L1": "residual_sum", "L2": "residual_square_sum"}


@dataclass(frozen=True)
class SeriesTask:
    """Constants of a block.

    Parameters
    ----------
    network
        Network of dates and pairs.
    level
        Phase of the reference in each pair.
    scale
        Output unit per radian of phase.
    method
        "L1" or "L2".
    looks
        Looks of the correlation, whose inverse variances are the weights; None: equal weights.
    restart
        Index of the date from which on the series is relative to that date; None: to the first.
    residuals, velocity
        Whether to compute them.
    correlation_of
        Pair, for each date except the first, whose correlation weights the velocity; None: equal weights.
    """

    network: Network
    level: np.ndarray
    scale: float
    method: str
    looks: float | None = None
    restart: int | None = None
    residuals: bool = True
    velocity: bool = False
    correlation_of: np.ndarray | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the results."""
        wanted = {"residual_sum_of_date": self.residuals, _SUM[self.method]: self.residuals, "velocity": self.velocity}
        return ("displacement", *(name for name, here in wanted.items() if here))


def series_of(stack: xr.Dataset, task: SeriesTask) -> xr.Dataset:
    """Return the lazy results of `task` for a masked stack; dimensions (time, y, x) and (y, x).

    `displacement` is in the unit of `scale`, the velocity in that unit per year.
    """
    inputs = {"unwrapped_phase": stack.unwrapped_phase}
    if task.looks is not None or task.correlation_of is not None:
        inputs["coherence"] = stack.coherence
    network = task.network
    # weights, and their samples; phase, residuals
    needed = (8 if "coherence" in inputs else 0) * network.n_pairs + 32 * network.n_dates + 64
    sizes = {"time": network.n_dates}
    data = map_blocks(series_block, task, inputs, task.outputs, sizes, bytes_per_pixel=needed)
    return on_grid_of(stack, xr.Dataset(data, time_coords(network)))


def series_block(task: SeriesTask, arrays: Arrays) -> Arrays:
    """Return the results of a block; `arrays` has `unwrapped_phase` and optionally `coherence`, each (pair, y, x)."""
    pairs, *pixels = arrays["unwrapped_phase"].shape
    samples = arrays["unwrapped_phase"].reshape(pairs, -1)
    weights = None
    if task.looks is not None:
        correlation = arrays["coherence"].reshape(samples.shape)
        weights = pair_weights(correlation, "fisher", task.looks)
        samples = np.where(np.isnan(correlation), np.float32(np.nan), samples)
    solution = _solve(task, samples, weights)
    phase = solution.phase
    phase[solution.label != 1] = np.nan  # unknown, as not tied to the first date
    results = {}
    if task.residuals:
        of_date = _residuals(task, samples, phase)
        total = of_date.sum(axis=0) / 2 if task.method == "L1" else solution.weighted_square
        results[_SUM[task.method]] = np.where(np.isnan(phase[0]), np.nan, total).astype(np.float32)
        results["residual_sum_of_date"] = np.where(np.isnan(phase), np.nan, of_date).astype(np.float32)
    series = (phase * task.scale).astype(np.float32)
    if task.velocity:
        results["velocity"] = _velocity(task, series, arrays)
    if task.restart is not None:
        series[task.restart + 1 :] -= series[task.restart]
    results["displacement"] = series
    return {name: values.reshape(*values.shape[:-1], *pixels) for name, values in results.items()}


def _solve(task: SeriesTask, samples: np.ndarray, weights: np.ndarray | None) -> Solution:
    plan, method = plan_elimination(task.network.pairs, task.network.n_dates), _METHODS[task.method]
    if method is None:
        return solve(samples, plan, weights, reference=task.level)
    return solve_robust(samples, plan, method, weights, reference=task.level)[0]


def _residuals(task: SeriesTask, samples: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Return the sum of absolute residuals of the pairs of each date, (date, pixel)."""
    of_date = np.zeros(phase.shape)
    for sample, level, (i, j) in zip(samples, task.level, task.network.pairs, strict=True):
        size = np.abs(sample - level - (phase[j] - phase[i]))
        size[np.isnan(size)] = 0.0
        of_date[i] += size
        of_date[j] += size
    return of_date


def _velocity(task: SeriesTask, series: np.ndarray, arrays: Arrays) -> np.ndarray:
    weights = None
    if task.correlation_of is not None:
        correlation = arrays["coherence"].reshape(len(arrays["coherence"]), -1)[task.correlation_of]
        weights = np.concatenate([np.ones_like(correlation[:1]), correlation])  # a date is coherent with itself
    return estimate_velocity(task.network.years * DAYS_PER_YEAR, series, weights)
