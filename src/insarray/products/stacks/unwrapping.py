"""Correct unwrapping errors: whole cycles found by closure, per pixel or component, or by bridging components."""

import logging
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, collect_blocks, map_blocks, sum_blocks
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.unwrapping.bridging import STATES, bridge_cycles
from insarray.kernels.unwrapping.cycles import TURN, UNDECIDED, count_votes, cycles_by_closure, majority
from insarray.model.choices import CorrectionMethod
from insarray.model.conventions import UNWRAPPING_FLAGS
from insarray.model.dataset import network_of
from insarray.model.errors import ArgumentError, NetworkError, StackError
from insarray.model.network import Network
from insarray.products.stacks.reference import Asked, reference_phase
from insarray.products.views.aligning import aligned, in_blocks_of
from insarray.products.views.layers import canonical
from insarray.products.views.stacks import Phase, StackView, as_stack

logger = logging.getLogger(__name__)

OUTPUTS = ("corrected_phase", "unwrapping_cycles", "unwrapping_flag")

_BATCH_BYTES = 2**30  # bytes of interferograms that bridging holds at a time


@dataclass(frozen=True)
class Correction:
    """Constants of a block; `components` are rows (pair, label, cycles to add), or None for correction by closure."""

    network: Network
    reference: np.ndarray | None
    tolerance: float
    components: np.ndarray | None


def correct_unwrapping(
    stack: xr.Dataset,
    *,
    method: CorrectionMethod = "pixel",
    phase: Phase = "unwrapped_phase",
    reference: Asked = "check",
    tolerance: float = 0.25,
) -> xr.Dataset:
    """Correct whole-cycle unwrapping errors; the result is a new variable.

    Parameters
    ----------
    stack
        Canonical stack with the masks that the inversion will use.
    method
        "pixel": cycles in the residuals of an L1 fit of the pixel, lazily. "component": cycles found in this way by
        more than half of the decided pixels of a connected component, applied to the whole component; reads the stack
        once during the call. "bridging": cycles in the phase step across the shortest gap between neighbouring
        components of each interferogram (see `insarray.kernels.unwrapping.bridging`); reads the stack during the call,
        once for every GiB of its size.
    phase
        Phase to correct: "corrected_phase" continues from an earlier call, for example after "bridging".
    reference
        As in `invert`; without one ("pixel", "component") the stack must be referenced, as closure also contains any
        constant of a pair.
    tolerance
        Maximum distance from a whole number of cycles at which residuals ("pixel", "component") or steps ("bridging")
        are corrected.

    Returns
    -------
    xarray.Dataset
        The stack with `corrected_phase` (rad, not referenced), `unwrapping_cycles` (the added cycles, (pair, y, x)) and
        `unwrapping_flag` (y, x): closed (no correction needed), corrected, ambiguous, no_loops. At ambiguous pixels
        some pairs are not corrected: because several sets of wrong pairs are equally likely or residuals are far from
        whole cycles ("pixel"), or because a component is undecided or the sample is in none ("component", "bridging").
        Pass ``phase="corrected_phase"`` to `invert`.

    Raises
    ------
    ArgumentError, StackError, NetworkError, ReferencePointError
        If an option is invalid, components are missing, or the network has no loop.

    See Also
    --------
    insarray.closure : closure phase of loops.
    insarray.correction_account : statistics of a correction.
    insarray.invert : invert pairs to displacement series.

    Notes
    -----
    The solution with the fewest wrong cycles is not always the true one: a date with the same error in all pairs but
    one is moved in the wrong direction. Check `nonzero_closure_count` of `closure` and the flag before trusting a
    region.

    References
    ----------
    * Yunjun, Z., Fattahi, H. and Amelung, F. (2019), Small baseline InSAR time series analysis:
      Unwrapping error correction and noise reduction, Computers & Geosciences 133, 104331.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> stack.unwrapped_phase[5, :4, :4] += 2 * 3.1415927  # a cycle too many
    >>> corrected = ia.correct_unwrapping(stack, reference=(9, 12))
    >>> corrected.unwrapping_cycles[5, 0, 0].item()
    -1
    >>> series = ia.invert(corrected, phase="corrected_phase", reference=(9, 12))
    """
    if method not in get_args(CorrectionMethod):
        raise ArgumentError(f"method: {method!r} is not one of {', '.join(get_args(CorrectionMethod))}")
    if not 0 < tolerance < 0.5:
        raise ArgumentError(f"tolerance: {tolerance} cycles is not between 0 and 0.5; 0.25 is usual")
    view = as_stack(stack, phase)
    network = view.network
    if method != "pixel" and "connected_component_labels" not in view.data:
        raise StackError(
            f"method: {method!r} needs connected components, which the stack does not have; open it with them"
        )
    if method != "bridging" and len(network.loops()) == 0:
        raise NetworkError("correct_unwrapping: the network has no loop, so nothing can be checked; add pairs")
    inputs = {"unwrapped_phase": view.phase}
    if phase == "corrected_phase":
        inputs["unwrapping_cycles"] = view.data["unwrapping_cycles"]
    if method == "bridging":
        task = Correction(network, None, tolerance, _bridges(view, tolerance))
    else:
        level = reference_phase(view, reference)
        task = Correction(network, None if level is None else level.phase, tolerance, None)
        if method == "component":
            task = Correction(network, None, tolerance, _agreed(view, task))
    if task.components is not None:
        inputs["connected_component_labels"] = view.data["connected_component_labels"]
    sizes = {"pair": network.n_pairs}
    data = map_blocks(correct_block, task, inputs, OUTPUTS, sizes, bytes_per_pixel=4 * network.n_pairs + 16)
    earlier = f"{view.data.attrs.get('unwrapping_correction', 'unknown')}, " if phase == "corrected_phase" else ""
    attrs = {"unwrapping_correction": earlier + method}
    logger.info("correct_unwrapping: by %s, %d pairs, from %s", method, network.n_pairs, phase)
    return view.on_grid(view.data.assign(data).assign_attrs(attrs))


@dataclass(frozen=True)
class Account:
    """Statistics of a correction.

    Parameters
    ----------
    pairs
        Label of each pair with corrected samples, and their fraction of its samples, the largest first.
    samples
        Fraction of all samples that was corrected.
    pixels
        Number of pixels for each meaning of `unwrapping_flag`.
    """

    pairs: dict[str, float]
    samples: float
    pixels: dict[str, int]


def correction_account(corrected: xr.Dataset) -> Account:
    """Return statistics of a correction, lazy or stored: one pass over `unwrapping_cycles` and `unwrapping_flag`.

    For stored results, all samples of pixels with data are counted.

    Raises
    ------
    StackError
        If the dataset has no correction.

    See Also
    --------
    insarray.correct_unwrapping : correct whole-cycle unwrapping errors.
    insarray.closure_summary : statistics of loops and pairs.

    References
    ----------
    * Yunjun, Z., Fattahi, H. and Amelung, F. (2019), Small baseline InSAR time series analysis:
      Unwrapping error correction and noise reduction, Computers & Geosciences 133, 104331.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> account = ia.correction_account(ia.correct_unwrapping(stack, reference=(9, 12)))
    >>> account.pixels["corrected"]
    0
    """
    for name in ("unwrapping_cycles", "unwrapping_flag"):
        if name not in corrected:
            raise StackError(f"correction: there is no variable {name!r}; make it with correct_unwrapping")
    corrected, network = canonical(corrected, "pair"), network_of(corrected)
    zero = {
        "changed": xr.Variable("pair", np.zeros(network.n_pairs, np.int64)),
        "flags": xr.Variable("flag", np.zeros(len(UNWRAPPING_FLAGS), np.int64)),
    }
    names = ("unwrapping_cycles", "unwrapping_flag")
    inputs = {name: corrected[name].reset_coords(drop=True) for name in names}
    sums = xr.Dataset(sum_blocks(_block_account, len(UNWRAPPING_FLAGS), inputs, zero)).compute()
    changed, flags = sums.changed.values, sums.flags.values
    observed = max(int(flags.sum() - flags[UNWRAPPING_FLAGS.index("no_data")]), 1)
    order = [k for k in np.argsort(-changed, kind="stable") if changed[k]]
    return Account(
        {network.labels[k]: float(changed[k] / observed) for k in order},
        float(changed.sum() / (observed * network.n_pairs)),
        dict(zip(UNWRAPPING_FLAGS, flags.tolist(), strict=True)),
    )


def _block_account(flags: int, arrays: Arrays) -> Arrays:
    cycles, flag = arrays["unwrapping_cycles"], arrays["unwrapping_flag"]
    changed = np.array([np.count_nonzero(part) for part in cycles], np.int64)
    return {"changed": changed, "flags": np.bincount(flag.ravel(), minlength=flags).astype(np.int64)}


def add_cycles(stack: xr.Dataset, cycles: xr.DataArray) -> xr.Dataset:
    """Return the stack with `corrected_phase` from stored `unwrapping_cycles` (pair, y, x)."""
    view = as_stack(stack)
    found = in_blocks_of(aligned("unwrapping_cycles", cycles, view, ("pair", "y", "x")), view.phase)
    corrected = view.phase.variable + TURN * found.variable
    return view.data.assign(corrected_phase=corrected.astype(np.float32))


def correct_block(task: Correction, arrays: Arrays) -> Arrays:
    """Correct one block; see `correct_unwrapping`."""
    phase = arrays["unwrapped_phase"]
    pairs, *pixels = phase.shape
    samples = phase.reshape(pairs, -1)
    observed = np.isfinite(samples).any(axis=0)
    if task.components is None:
        found, redundant = _cycles(task, samples)
        undecided = ((found == UNDECIDED) & np.isfinite(samples)).any(axis=0)
        cycles = np.where(found == UNDECIDED, 0, -found).astype(np.int16)
        conditions = {"no_data": ~observed, "no_loops": redundant == 0, "ambiguous": undecided}
    else:
        labels = arrays["connected_component_labels"].reshape(pairs, -1)
        cycles, undecided = _by_component(task.components, samples, labels)
        conditions = {"no_data": ~observed, "ambiguous": undecided}
    corrected = samples.copy()
    for k in range(pairs):
        corrected[k] += TURN * cycles[k].astype(np.float64)
    if "unwrapping_cycles" in arrays:
        cycles += arrays["unwrapping_cycles"].reshape(pairs, -1)
    conditions["corrected"] = (cycles != 0).any(axis=0)
    values = [np.uint8(UNWRAPPING_FLAGS.index(name)) for name in conditions]
    flag = np.select(list(conditions.values()), values, np.uint8(UNWRAPPING_FLAGS.index("closed"))).astype(np.uint8)
    results = {"corrected_phase": corrected, "unwrapping_cycles": cycles, "unwrapping_flag": flag}
    return {name: values.reshape(*values.shape[:-1], *pixels) for name, values in results.items()}


def _cycles(task: Correction, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    plan = plan_elimination(task.network.pairs, task.network.n_dates)
    return cycles_by_closure(samples, plan, task.network.loops(), reference=task.reference, tolerance=task.tolerance)


def _by_component(components: np.ndarray, samples: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cycles of each sample from its component, and a mask of the pixels with an undecided component."""
    keys = components[:, 0] * 2**16 + components[:, 1]
    order = np.argsort(keys)
    keys, values = keys[order], components[order, 2].astype(np.int16)
    cycles = np.zeros(samples.shape, np.int16)
    undecided = np.zeros(samples.shape[1], bool)
    for k in range(len(samples)):
        wanted = k * 2**16 + labels[k].astype(np.int64)
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        known = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
        here = np.isfinite(samples[k])  # samples in component 0 are never checked
        known &= labels[k] > 0
        cycles[k] = np.where(known & here, values[at] if len(keys) else 0, 0)
        undecided |= here & ~known
    return cycles, undecided


def _agreed(view: StackView, task: Correction) -> np.ndarray:
    """Return rows (pair, label, cycles to add) of components whose decided pixels agree; one pass over the stack."""
    inputs = {"unwrapped_phase": view.phase, "connected_component_labels": view.data["connected_component_labels"]}
    found = collect_blocks(_block_votes, task, inputs)
    agreed = majority(np.concatenate([votes for votes, _ in found]), np.concatenate([count for _, count in found]))
    agreed[:, 2] *= -1
    return agreed


def _block_votes(task: Correction, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    pairs = task.network.n_pairs
    cycles, _ = _cycles(task, arrays["unwrapped_phase"].reshape(pairs, -1))
    return count_votes(cycles, arrays["connected_component_labels"].reshape(pairs, -1))


def _bridges(view: StackView, tolerance: float) -> np.ndarray:
    """Return rows (pair, label, cycles to add) of components, bridged to the largest one of their pair."""
    rows: list[tuple[int, int, int]] = []
    stack = xr.Dataset({"phase": view.phase, "labels": view.data["connected_component_labels"]})
    pair_bytes = 6 * stack.sizes["y"] * stack.sizes["x"]
    step = max(1, _BATCH_BYTES // pair_bytes)
    for start in range(0, stack.sizes["pair"], step):
        batch = stack.isel(pair=slice(start, start + step)).compute()
        for k in range(batch.sizes["pair"]):
            phase, labels = batch["phase"].values[k], batch["labels"].values[k]
            bridges = bridge_cycles(phase, labels, tolerance=tolerance)
            decided = np.isin(bridges.state, [STATES.index("main"), STATES.index("joined")])
            joined = zip(bridges.label[decided], bridges.cycles[decided], strict=True)
            rows += [(start + k, int(label), int(cycles)) for label, cycles in joined]
    return np.array(rows, np.int64).reshape(-1, 3)
