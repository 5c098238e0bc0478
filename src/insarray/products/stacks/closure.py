"""Closure phase of loops: maps, statistics of loops and pairs, and suspect pairs."""

import logging
import math
import os
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks, sum_blocks
from insarray.engine.plan import plan_run
from insarray.kernels.unwrapping.closure import LoopSums, close_loops, find_suspects, sum_loops, sum_over_pairs
from insarray.model.conventions import VARIABLES, attributes
from insarray.model.dataset import loop_coords, pair_coords
from insarray.model.errors import ArgumentError
from insarray.model.loops import LoopKind, Loops, find_loops
from insarray.model.network import Network
from insarray.products.stacks.reference import Asked, reference_phase
from insarray.products.views.loops import as_loops
from insarray.products.views.stacks import Phase, as_stack

logger = logging.getLogger(__name__)

OUTPUTS = ("closure_phase", "integer_closure", "number_of_loops", "nonzero_closure_count")

THRESHOLD = 0.05
"""Fraction of non-zero closures above which a loop is unclosed; one-cycle errors there alone give 1.4 rad rms."""

_MAPS = ("number_of_loops", "nonzero_closure_count")


@dataclass(frozen=True)
class LoopTask:
    """Constants of a block, the same for every block."""

    loops: Loops
    n_pairs: int
    reference: np.ndarray | None = None


def closure(
    stack: xr.Dataset,
    *,
    loops: LoopKind = "triplets",
    phase: Phase = "unwrapped_phase",
    reference: Asked = "check",
) -> xr.Dataset:
    """Compute the closure phase of the loops of a stack, lazily if the stack is lazy.

    Parameters
    ----------
    stack
        Canonical stack with `unwrapped_phase` (pair, y, x) in radians, optionally masked: masked samples are missing.
    loops
        "triplets": all triangles i < j < k, with closure phase(ij) + phase(jk) - phase(ik). A number from 3 to 6: all
        loops of up to that many pairs which no other pair shortcuts. "fundamental": a minimal generating set, of any
        length. Pairs in no loop are not checked.
    phase
        Phase to close: as unwrapped, or with the cycles added by `correct_unwrapping`.
    reference
        As in `invert`. Unwrapping leaves an arbitrary constant in each pair: without a reference, every closure of an
        unreferenced stack is offset by the constants of its pairs and meaningless.

    Returns
    -------
    xarray.Dataset
        (loop, y, x): `closure_phase` in radians, and `integer_closure`, the nearest whole number of cycles; both NaN
        where a pair of the loop is missing. (y, x): `number_of_loops` observed, and `nonzero_closure_count`, the number
        of these with a non-zero `integer_closure`. Coordinates (loop, side) describe the path around each loop:
        `loop_pair`, `loop_sign`, `loop_time`. An unwrapping error of n cycles in one pair adds n times its sign to its
        loops.

    Raises
    ------
    ArgumentError, StackError, NetworkError, ReferencePointError
        See the messages; only what the reference needs has been computed by then.

    See Also
    --------
    insarray.closure_summary : statistics of loops and pairs.
    insarray.correct_unwrapping : correct whole-cycle unwrapping errors.
    insarray.invert : invert pairs to displacement series.

    References
    ----------
    * Biggs, J., Wright, T., Lu, Z. and Parsons, B. (2007), Multi-interferogram method for measuring
      interseismic deformation: Denali Fault, Alaska, Geophys. J. Int. 170, 1165-1179.
    * Yunjun, Z., Fattahi, H. and Amelung, F. (2019), Small baseline InSAR time series analysis:
      Unwrapping error correction and noise reduction, Computers & Geosciences 133, 104331.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> loops = ia.closure(stack, reference=(9, 12))
    >>> loops.sizes["loop"]
    10
    >>> bool((loops.integer_closure == 0).mean() > 0.95)
    True
    """
    view = as_stack(stack, phase)
    network = view.network
    found = find_loops(network, loops)
    level = reference_phase(view, reference)
    task = LoopTask(found, network.n_pairs, None if level is None else level.phase)
    data = map_blocks(close_block, task, {"unwrapped_phase": view.phase}, OUTPUTS, {"loop": len(found)})
    attrs = view.inherited | {
        "loops": loops,
        "number_of_pairs": network.n_pairs,
    }
    attrs |= {} if level is None else view.record(level.place)
    logger.info("closure: %d %s of %d pairs", len(found), loops, network.n_pairs)
    return view.on_grid(xr.Dataset(data, loop_coords(network, found) | pair_coords(network), attrs))


def close_block(task: LoopTask, arrays: Arrays) -> Arrays:
    """Return the closure of one block; `arrays` holds `unwrapped_phase` (pair, y, x)."""
    phase = arrays["unwrapped_phase"]
    pairs, *pixels = phase.shape
    found = close_loops(phase.reshape(pairs, -1), task.loops.pairs, task.loops.signs, task.reference)
    return {name: values.reshape(*values.shape[:-1], *pixels) for name, values in zip(OUTPUTS, found, strict=True)}


def closure_summary(
    loops: xr.Dataset, *, threshold: float = THRESHOLD, maps: bool = False, workers: int | None = None
) -> xr.Dataset:
    """Compute statistics of loops and pairs, and find suspect pairs, in one pass that keeps only sums.

    A loop is unclosed if its integer closure is not 0 in more than `threshold` of its pixels. Iteratively, the pair
    whose removal eliminates the most non-zero closures of unclosed loops is selected and its loops are removed, until
    no loop is unclosed. The selected pairs can be excluded (`select_pairs`) without disconnecting the network.

    Parameters
    ----------
    loops
        Result of `closure`, lazy or stored. It should be referenced.
    threshold
        At least 0 and below 1.
    maps
        Also return `number_of_loops` and `nonzero_closure_count` (y, x), in memory, from the same pass.
    workers
        Number of blocks at a time, in threads; default: dask's configuration, or one thread per processor.

    Returns
    -------
    xarray.Dataset
        In memory. (loop): `loop_pixels`, `loop_nonzero_fraction`, `loop_closure_rms` (rad, of the closure without its
        whole cycles), `loop_unclosed`. (pair): `pair_loops`, `pair_pixels`, `pair_nonzero_fraction`,
        `pair_closure_rms`, `pair_drop_order` (0: keep; 1, 2, ...: suspect, the worst first). Fractions and rms are NaN
        where nothing was observed. Attributes `pixels_observed` (with an observed loop), `pixels_nonzero` (of these,
        with a non-zero closure), `threshold`.

    Raises
    ------
    ArgumentError
        If `threshold` or `workers` is out of range, or the blocks do not fit into memory.
    StackError
        If `loops` is not the result of `closure`.

    See Also
    --------
    insarray.closure : closure phase of loops.
    insarray.select_pairs : select pairs.
    insarray.plot.closure : plot closure in the network and as map.

    References
    ----------
    * Biggs, J., Wright, T., Lu, Z. and Parsons, B. (2007), Multi-interferogram method for measuring
      interseismic deformation: Denali Fault, Alaska, Geophys. J. Int. 170, 1165-1179.
    * Morishita, Y. et al. (2020), LiCSBAS: An open-source InSAR time series analysis package integrated
      with the LiCSAR automated Sentinel-1 InSAR processor, Remote Sensing 12, 424.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> summary = ia.closure_summary(ia.closure(stack, reference=(9, 12)))
    >>> int(summary.loop_unclosed.sum())
    0
    """
    if not 0 <= threshold < 1:
        raise ArgumentError(f"threshold: {threshold!r} is not a share from 0 to less than 1")
    if workers is not None and workers < 1:
        raise ArgumentError(f"workers: {workers} is not a positive number")
    view = as_loops(loops)
    loops, network, found = view.data, view.network, view.loops
    if loops.chunks:
        plan_run(loops, workers or os.cpu_count() or 1).require_memory()
    inputs = {name: loops[name] for name in OUTPUTS[:2]}
    sums = sum_blocks(sum_block, LoopTask(found, network.n_pairs), inputs, _zeros(found, network))
    lazy = xr.Dataset(sums)
    if maps:
        lazy = lazy.assign({name: loops[name].variable for name in _MAPS})
    computed = lazy.compute() if workers is None else lazy.compute(scheduler="threads", num_workers=workers)
    total = LoopSums(*(computed[name].values for name in LoopSums._fields))
    table = {
        name: xr.Variable(VARIABLES[name].dims, values, attributes(name))
        for name, values in _table(total, found, network, threshold).items()
    }
    if maps:
        table |= {name: computed[name].variable for name in _MAPS}
    attrs = loops.attrs | {
        "threshold": threshold,
        "pixels_observed": int(total.pixels[0]),
        "pixels_nonzero": int(total.pixels[1]),
    }
    summary = xr.Dataset(table, loop_coords(network, found) | pair_coords(network), attrs)
    return view.on_grid(summary) if maps else summary


def _zeros(loops: Loops, network: Network) -> dict[str, xr.Variable]:
    lengths = {"loop": len(loops), "pair": network.n_pairs, "kind": 2}
    dims = {"observed": "loop", "nonzero": "loop", "square": "loop", "pair_observed": "pair", "pixels": "kind"}
    return {
        name: xr.Variable((dim,), np.zeros(lengths[dim], np.float64 if name == "square" else np.int64))
        for name, dim in dims.items()
    }


def sum_block(task: LoopTask, arrays: Arrays) -> Arrays:
    """Return the sums of one block; `arrays` holds `closure_phase` and `integer_closure`, each (loop, y, x)."""
    closure, cycles = (arrays[name].reshape(len(task.loops), -1) for name in OUTPUTS[:2])
    return sum_loops(closure, cycles, task.loops.pairs, task.n_pairs)._asdict()


def _table(total: LoopSums, loops: Loops, network: Network, threshold: float) -> dict[str, np.ndarray]:
    """Return the statistics of loops and pairs by name."""
    pairs, n = loops.pairs, network.n_pairs
    unclosed, order = find_suspects(total.observed, total.nonzero, pairs, network.temporal_baseline, threshold)
    samples = sum_over_pairs(total.observed, pairs, n)
    return {
        "loop_pixels": total.observed,
        "loop_nonzero_fraction": _share(total.nonzero, total.observed),
        "loop_closure_rms": np.sqrt(_share(total.square, total.observed)),
        "loop_unclosed": unclosed,
        "pair_loops": sum_over_pairs(np.ones(len(loops), np.int64), pairs, n),
        "pair_pixels": total.pair_observed,
        "pair_nonzero_fraction": _share(sum_over_pairs(total.nonzero, pairs, n), samples),
        "pair_closure_rms": np.sqrt(_share(sum_over_pairs(total.square, pairs, n), samples)),
        "pair_drop_order": order,
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), math.nan)
