"""What a series leaves of its pairs: residuals per pair and per date, and the pairs that are most often wrong."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks, sum_blocks
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import network_of, on_grid_of, pair_coords, time_coords
from insarray.model.errors import StackError
from insarray.model.network import Network
from insarray.products.reference import reference_of, reference_phase, require_wavelength
from insarray.products.stack import Phase, validate, with_phase

OUTPUTS = ("residual", "residual_of_date")

_SUMS = ("count", "square", "wrong")


@dataclass(frozen=True)
class _Task:
    network: Network
    reference: np.ndarray | None
    scale: float


class PairMisfit(NamedTuple):
    """How well a pair agrees with the series, over all pixels."""

    pair: str
    pixels: int
    rms: float  # rad
    wrong: float  # part of the pixels with a residual of more than half a cycle


def residuals(
    stack: xr.Dataset,
    series: xr.Dataset,
    *,
    phase: Phase = "unwrapped_phase",
) -> xr.Dataset:
    """Residuals of the pairs of a stack from a series, lazily if one of them is lazy.

    Parameters
    ----------
    stack, series
        Of the same pairs and grid; the reference is that of the series.
    phase
        Variable of the stack.

    Returns
    -------
    xarray.Dataset
        `residual` (pair, y, x) in rad, phase minus what the series says, and `residual_of_date` (time, y, x), the mean
        of the sizes of those of the date's pairs. NaN where the pair is missing or its dates are not tied.

    Raises
    ------
    StackError
        If pairs, grid or wavelength differ.
    """
    stack = with_phase(stack, phase)
    task = _task(stack, series)
    sizes = {"pair": task.network.n_pairs, "time": task.network.n_dates}
    needed = 25 * task.network.n_dates
    data = map_blocks(residual_block, task, _inputs(stack, series), OUTPUTS, sizes, bytes_per_pixel=needed)
    return on_grid_of(stack, xr.Dataset(data, pair_coords(task.network) | time_coords(task.network)))


def pair_misfit(
    stack: xr.Dataset,
    series: xr.Dataset,
    *,
    phase: Phase = "unwrapped_phase",
) -> list[PairMisfit]:
    """Pairs by how often they are wrong, the worst first; reads everything once, block by block.

    The arguments are those of `residuals`.
    """
    stack = with_phase(stack, phase)
    task = _task(stack, series)
    zero = {name: xr.Variable("pair", np.zeros(task.network.n_pairs)) for name in _SUMS}
    sums = xr.Dataset(sum_blocks(_sums, task, _inputs(stack, series), zero)).compute()
    count, square, wrong = (sums[name].values for name in _SUMS)
    with np.errstate(invalid="ignore"):
        rows = [
            PairMisfit(label, int(n), float(np.sqrt(s / n)), float(w / n))
            for label, n, s, w in zip(task.network.labels, count, square, wrong, strict=True)
        ]
    return sorted(
        rows, key=lambda row: (-np.nan_to_num(row.wrong, nan=-1.0), -np.nan_to_num(row.rms, nan=-1.0), row.pair)
    )


def _task(stack: xr.Dataset, series: xr.Dataset) -> _Task:
    network = validate(stack)
    if "displacement" not in series:
        raise StackError("series: has no variable 'displacement'; make it with invert")
    if network_of(series) != network:
        raise StackError(
            f"series: its {series.attrs.get('number_of_pairs', '')} pairs differ from the {network.n_pairs} of the "
            "stack; select the same ones"
        )
    if stack.sizes["y"] != series.sizes["y"] or stack.sizes["x"] != series.sizes["x"]:
        raise StackError("series: its grid differs from that of the stack")
    if series.attrs.get("ramp") != stack.attrs.get("ramp"):
        raise StackError("series: was deramped, the stack was not; residuals are those of the series before")
    level = reference_phase(stack, reference_of(series))
    return _Task(network, None if level is None else level.phase, metres_per_radian(require_wavelength(series)))


def _inputs(stack: xr.Dataset, series: xr.Dataset) -> dict[str, xr.DataArray]:
    displacement = series.displacement
    chunks = stack.unwrapped_phase.chunksizes
    if chunks:
        displacement = displacement.chunk({"time": -1, "y": chunks["y"], "x": chunks["x"]})
    return {"unwrapped_phase": stack.unwrapped_phase, "displacement": displacement}


def residual_block(task: _Task, arrays: Arrays) -> Arrays:
    """Residuals of one block."""
    residual = _residual(task, arrays)
    count, total = np.zeros((2, *arrays["displacement"].shape))
    for k, (i, j) in enumerate(task.network.pairs):
        here = np.isfinite(residual[k])
        size = np.where(here, np.abs(residual[k]), 0.0)
        for date in (i, j):
            count[date] += here
            total[date] += size
    with np.errstate(invalid="ignore"):
        return {"residual": residual, "residual_of_date": (total / count).astype(np.float32)}


def _residual(task: _Task, arrays: Arrays) -> np.ndarray:
    phase, displacement = arrays["unwrapped_phase"], arrays["displacement"]
    residual = np.empty(phase.shape, np.float32)
    for k, (i, j) in enumerate(task.network.pairs):
        level = 0.0 if task.reference is None else task.reference[k]
        moved = displacement[j].astype(np.float64) - displacement[i]
        residual[k] = phase[k] - level - moved / task.scale
    return residual


def _sums(task: _Task, arrays: Arrays) -> Arrays:
    """Number, sum of squares and number beyond half a cycle of each pair's residuals."""
    sums = np.zeros((len(_SUMS), task.network.n_pairs))
    for k, residual in enumerate(_residual(task, arrays)):
        r = residual[np.isfinite(residual)].astype(np.float64)
        sums[:, k] = len(r), (r * r).sum(), (np.abs(r) > np.pi).sum()
    return dict(zip(_SUMS, sums, strict=True))
