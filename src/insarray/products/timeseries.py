"""Displacement series of a stack: check, plan, solve block by block, describe."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.engine.plan import BYTES_ATTRIBUTE
from insarray.kernels.elimination import Solution, solve
from insarray.kernels.gaps import Gap, close_gaps
from insarray.kernels.plan import plan_elimination
from insarray.kernels.variance import Weights, pair_weights
from insarray.model.conventions import SIGN, SOLVER_FLAGS, metres_per_radian
from insarray.model.dataset import on_grid_of, pair_coords, time_coords
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network
from insarray.products.reference import Reference, reference_phase, require_wavelength
from insarray.products.stack import inherited, validate

OUTPUTS = (
    "displacement",
    "displacement_std",
    "number_of_observations",
    "network_subset",
    "temporal_coherence",
    "residual_rms",
    "solver_flag",
)

_VARIANCES: tuple[Weights, ...] = ("variance", "fisher")  # weights that are inverse variances in 1 / rad^2


@dataclass(frozen=True)
class Inversion:
    """All that `solve_block` needs besides the samples; the same for every block."""

    network: Network
    weights: Weights | Literal["given"]
    looks: float | None
    reference: np.ndarray | None
    scale: float
    gap: Gap


def invert(
    stack: xr.Dataset,
    *,
    norm: Literal["l2"] = "l2",
    weights: Weights | xr.DataArray = "none",
    looks: float | None = None,
    reference: Reference | None = None,
    gap: Gap = "nan",
) -> xr.Dataset:
    """Displacement series by weighted least squares, lazily if the stack is lazy.

    Parameters
    ----------
    stack
        Canonical stack with `unwrapped_phase` (pair, y, x) in radians and attribute `wavelength`.
    norm
        "l2": least squares.
    weights
        How pairs are weighted per pixel: "none", "coherence", "variance" (inverse phase variance of a distributed
        scatterer), "fisher" (its Cramer-Rao form), or a DataArray (pair, y, x) of inverse variances in 1/rad^2.
    looks
        Independent looks of the coherence, for "variance" and "fisher"; default: attribute `looks` of the stack.
    reference
        (row, col), `lonlat`, `area`, "auto", or None if the stack is already referenced.
    gap
        What to do at dates that no pair ties to the first: "nan" leaves them out, "subset" keeps every piece relative
        to its own first date, "nsbas" ties pieces by a common velocity, "min_norm" by the least velocity
        (see `insarray.kernels.gaps.close_gaps`). All but "nan" accept a network that is disconnected as a whole.

    Returns
    -------
    xarray.Dataset
        `displacement` (time, y, x) in m toward the satellite, `displacement_std`, `number_of_observations`,
        `network_subset`, and (y, x) `temporal_coherence`, `residual_rms` (rad), `solver_flag`.

        `displacement_std` follows from the weights where these are inverse variances; with "none" and "coherence"
        it is scaled by the residuals of the pixel, and NaN where no pair is redundant. It does not contain the noise
        of the reference point.

    Raises
    ------
    ArgumentError, StackError, NetworkError, ReferencePointError
        See the messages; nothing has been computed then except what the reference needs.
    """
    if norm != "l2":
        raise ArgumentError(f"norm: {norm!r} is not available; use 'l2'")
    if gap not in get_args(Gap):
        raise ArgumentError(f"gap: {gap!r} is not one of {', '.join(get_args(Gap))}")
    network = validate(stack)
    if gap == "nan":
        network.require_connected(
            "add pairs, select one piece, or say how to treat it with gap=subset, nsbas, min_norm"
        )
    scale = metres_per_radian(require_wavelength(stack))
    inputs, weighting, looks = _weighting(stack, weights, looks)
    level = reference_phase(stack, reference)
    constants = Inversion(network, weighting, looks, None if level is None else level.phase, scale, gap)
    sizes = {"time": network.n_dates}
    data = map_blocks(solve_block, constants, inputs, OUTPUTS, sizes)
    attrs = _attributes(stack, constants, norm)
    attrs |= {} if level is None else level.attrs
    series = on_grid_of(stack, xr.Dataset(data, time_coords(network) | pair_coords(network), attrs))
    series.displacement.attrs["ancillary_variables"] = "displacement_std number_of_observations network_subset"
    return series


def _weighting(
    stack: xr.Dataset, weights: Weights | xr.DataArray, looks: float | None
) -> tuple[dict[str, xr.DataArray], Weights | Literal["given"], float | None]:
    inputs = {"unwrapped_phase": stack.unwrapped_phase}
    if isinstance(weights, xr.DataArray):
        if weights.dims != stack.unwrapped_phase.dims or weights.shape != stack.unwrapped_phase.shape:
            raise ArgumentError(
                f"weights: {weights.dims} {weights.shape}, expected {stack.unwrapped_phase.dims} "
                f"{stack.unwrapped_phase.shape}"
            )
        return inputs | {"weights": weights}, "given", None
    if weights not in get_args(Weights):
        raise ArgumentError(f"weights: {weights!r} is not one of {', '.join(get_args(Weights))} or a DataArray")
    if weights == "none":
        return inputs, weights, None
    if "coherence" not in stack:
        raise StackError(f"weights: {weights!r} needs coherence, which the stack does not have; open it with coherence")
    looks = looks if looks is not None else stack.attrs.get("looks")
    pair_weights(np.empty(0, np.float32), weights, looks)  # refuses missing or impossible looks before anything runs
    return inputs | {"coherence": stack.coherence}, weights, None if weights == "coherence" else looks


def solve_block(task: Inversion, arrays: Arrays) -> Arrays:
    """Series of one block: the one function behind notebooks, threads and clusters.

    Parameters
    ----------
    task
        Network and options.
    arrays
        `unwrapped_phase` and, if weighted, `coherence` or `weights`; each (pair, y, x).
    """
    phase = arrays["unwrapped_phase"]
    pairs, *pixels = phase.shape
    weights = None
    if task.weights == "given":
        weights = arrays["weights"].reshape(pairs, -1)
    elif task.weights != "none":
        weights = pair_weights(arrays["coherence"].reshape(pairs, -1), task.weights, task.looks)
    plan = plan_elimination(task.network.pairs, task.network.n_dates)
    solution = solve(phase.reshape(pairs, -1), plan, weights, reference=task.reference, scale=task.scale, std=True)
    if task.weights not in (*_VARIANCES, "given"):
        _scale_by_residuals(solution)
    flag = _solver_flag(solution, pairs)
    close_gaps(solution.phase, solution.std, solution.label, task.network.years, task.gap)
    results = {
        "displacement": solution.phase,
        "displacement_std": solution.std,
        "number_of_observations": solution.date_count,
        "network_subset": solution.label,
        "temporal_coherence": solution.temporal_coherence,
        "residual_rms": solution.residual_rms,
        "solver_flag": flag,
    }
    return {name: values.reshape(*values.shape[:-1], *pixels) for name, values in results.items()}


def _scale_by_residuals(solution: Solution) -> None:
    """Turn standard deviations of relative weights into real ones, in place; NaN without redundancy."""
    pieces = solution.label.max(axis=0).astype(np.int64) - (
        solution.label[0] == 0
    )  # labels count from 1 even if date 0 is unobserved
    unknowns = (solution.label > 0).sum(axis=0) - pieces
    freedom = solution.used.astype(np.int64) - unknowns
    variance = np.where(freedom > 0, solution.weighted_square / np.maximum(freedom, 1), np.nan)
    solution.std[:] = solution.std * np.sqrt(variance)


def _solver_flag(solution: Solution, pairs: int) -> np.ndarray:
    """Index into `SOLVER_FLAGS` of each pixel."""
    conditions = {
        "no_data": solution.used == 0,
        "reference_date_missing": solution.label[0] == 0,
        "dates_untied": (solution.label != 1).any(axis=0),
        "missing_pairs": solution.used < pairs,
    }
    values = [np.uint8(SOLVER_FLAGS.index(name)) for name in conditions]
    return np.select(list(conditions.values()), values, np.uint8(SOLVER_FLAGS.index("complete"))).astype(np.uint8)


def _attributes(stack: xr.Dataset, task: Inversion, norm: str) -> dict[str, Any]:
    attrs: dict[str, Any] = inherited(stack) | {
        "sign": SIGN,
        "norm": norm,
        "weights": task.weights,
        "gap": task.gap,
        "number_of_pairs": task.network.n_pairs,
        BYTES_ATTRIBUTE: _bytes_per_pixel(task),
    }
    return attrs | ({} if task.looks is None else {"looks": task.looks})


def _bytes_per_pixel(task: Inversion) -> int:
    """Most memory that a pixel takes in `solve_block` and around it, outputs included."""
    pairs, dates = task.network.n_pairs, task.network.n_dates
    samples = 12 if task.weights == "none" else 20  # phase as read and decoded, masks; coherence and weights
    series = 2 * (4 + 4 + 2 + 2 + 1)  # results, once more while they are reordered, checked and compressed
    return pairs * samples + dates * series + 64
