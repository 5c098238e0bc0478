"""Append new pairs to a stored series; blocks that they cannot have changed are kept.

The longer series is computed into a hidden store beside the old one, with the same blocks, ledger and resume as any
run, and replaces it by renames when it is complete. Blocks in which no new pair has a sample are not solved: their
results are taken from the old store. This is exact; to verify it, one such block is computed and compared.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import dask
import numpy as np
import xarray as xr
import zarr

from insarray.engine.blocks import Arrays, BlockCall, block_call_of
from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.graph.prepare import in_memory, prepare, store_url
from insarray.engine.jobs import fingerprint
from insarray.engine.plan import Plan, Window, plan_run
from insarray.engine.program import program_identity
from insarray.engine.run.runner import BLOCK_TIMEOUT, Progress, run, run_replacing
from insarray.engine.store.complete import readable
from insarray.engine.store.ledger import Block
from insarray.engine.store.swap import new_beside, only_successor, swap
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.layers.lazy import only_pairs
from insarray.model.arguments import whole
from insarray.model.dataset import grid_of, network_of
from insarray.model.errors import ArgumentError, StoreError, StoreMismatchError
from insarray.model.network import Network
from insarray.model.secrets import shown

logger = logging.getLogger(__name__)

_GROWS = {
    "input_fingerprint",
    "input_files",
    "number_of_pairs",
    "last_time",
    "reference_date",
    "notes",
    "reference_pixels",
    "reference_lon",
    "reference_lat",
}
"""Attributes that may differ between a series and a longer one with the same options."""

_OF_ALL = {
    "unwrapping_correction": "unwrapping errors are corrected by all pairs together",
    "ramp": "the ramps of the pairs are those of the whole image",
}
"""Attributes of a stack whose blocks depend on all pairs or on the whole image, and why."""


@runtime_checkable
class Appendable(Protocol):
    """Constants of a block function whose results can be carried over to a longer network."""

    network: Network

    def changes_all(self, before: Network) -> str | None:
        """Return why blocks without new samples may change as well, or None if they do not."""

    def carry(self, before: Network, values: Arrays) -> Arrays:
        """Convert the results of the previous network for a block without new samples."""


class Change(NamedTuple):
    """Effect of new pairs on a store.

    Parameters
    ----------
    pairs
        Labels of the new pairs.
    dates
        Number of new dates.
    blocks
        Number of blocks.
    kept
        Blocks whose results are kept from the store.
    reason
        Why no block is kept regardless of the samples; None if the samples decide.
    """

    pairs: tuple[str, ...]
    dates: int
    blocks: int
    kept: frozenset[Block]
    reason: str | None


class Appended(NamedTuple):
    """Result of an append.

    Parameters
    ----------
    url
        The store.
    blocks
        Number of blocks.
    computed
        Number of blocks solved in this run.
    kept
        Number of blocks taken unchanged from the store.
    new_pairs, new_dates
        Number of pairs and dates added.
    reason
        Why no block was kept regardless of the samples; None if the samples decided.
    """

    url: str
    blocks: int
    computed: int
    kept: int
    new_pairs: int
    new_dates: int
    reason: str | None


def append(
    series: xr.Dataset,
    url: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    client: Any = None,
    block_timeout: float = BLOCK_TIMEOUT,
    progress: Progress | None = None,
    command: str | None = None,
) -> Appended:
    """Append new pairs to a stored series; the result is identical, bit for bit, to that of a fresh run.

    If the norm is "l2" and the network allows it (see `insarray.products.series.inversion.Inversion.changes_all`), only
    blocks in which a new pair has a sample are computed; of the others only the new pairs are read. All blocks are
    computed if the files of a stored pair have changed, or are not known pair by pair. A stored pair that is missing
    from the series is an error: a fresh run would drop it from the result, which append must not do, and the usual
    cause is a pattern or folder that has lost files.

    The old store is not changed until the new one is complete; an interrupted append resumes when repeated.

    Parameters
    ----------
    series
        Lazy result of `invert` for all pairs, old and new, optionally merged with fits, made with the options of the
        stored one.
    url
        Local folder of the store. If it does not exist, this is `insarray.run`.
    scheduler, workers, client, block_timeout, progress, command
        As in `insarray.run`. The blocks to keep are determined in this process.

    Returns
    -------
    Appended
        How many blocks were computed and kept, and why. If there is nothing to add, the store is not changed.

    Raises
    ------
    StoreMismatchError
        If the stored series was made with other options, by another program, on another grid, or from pairs that the
        new one lacks, or if another run is writing.
    ArgumentError, StoreError
        If `series` is not the result of an inversion; if the store is not an insarray store, not complete, or not
        local.
    PartialRunError, ClusterError
        As in `insarray.run`.

    See Also
    --------
    insarray.run : compute into a store.
    insarray.join : join two series.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> stack = stack.chunk(y=10, x=12)
    >>> early = stack.sel(pair=stack.secondary_time < stack.secondary_time.max())
    >>> report = ia.run(ia.invert(early, reference=(9, 12)), "series.zarr")
    >>> added = ia.append(ia.invert(stack, reference=(9, 12)), "series.zarr")
    >>> added.new_pairs, ia.open("series.zarr").sizes["time"]
    (3, 6)
    """
    how: dict[str, Any] = {"scheduler": scheduler, "workers": workers, "client": client}
    how |= {"block_timeout": block_timeout, "progress": progress, "command": command}
    url, series = store_url(url), in_memory(prepare(series))
    store = _local(url)
    _inversion(series)  # raises unless it is one
    refuse_inputs(store.url, series)
    with only_successor(store.url):
        store.refuse_foreign()
        if not store.files.exists() or _is_of(store, series):
            report = run(series, store.url, **how)
            return Appended(store.url, report.blocks, report.computed, report.blocks - report.computed, 0, 0, None)
        with store.lock():
            plan = plan_run(series, 1)
            change = find_change(series, store.url, workers)
            new = Store(new_beside(store.url))
            if new.files.exists() and not _is_of(new, series):
                new.remove()  # of an unfinished append of other pairs
            todo = set(_blocks(plan)) - change.kept - new.done()
            carried = _carried(series, store.url, plan, change.kept)
            run_replacing(series, new.url, carried, **how, generation=store.next_generation())
        swap(store.url)
    added = len(change.pairs), change.dates, change.reason
    logger.info(
        "append: %s, %d new pairs, %d of %d blocks computed", shown(store.url), added[0], len(todo), plan.n_blocks
    )
    logger.debug(
        "append: all blocks computed, since %s" if change.reason else "append: the other blocks are kept%s",
        change.reason or "",
    )
    return Appended(store.url, plan.n_blocks, len(todo), len(change.kept), *added)


def find_change(series: xr.Dataset, url: str | os.PathLike[str], workers: int | None = None) -> Change:
    """Find what an append would compute; this reads the new pairs and compares one block.

    Parameters
    ----------
    series, url, workers
        As in `append`; the store must exist.

    Raises
    ------
    StoreMismatchError, StoreError, ArgumentError
        As in `append`.
    """
    url, series = store_url(url), in_memory(prepare(series))
    store, plan = _local(url), plan_run(series, 1)
    made = _inversion(series)
    if _is_of(store, series):
        return Change((), 0, plan.n_blocks, frozenset(store.done()), None)
    before = _require_same(series, store, plan)
    earlier, later = network_of(before), made.constants.network
    lost = sorted(set(earlier.labels) - set(later.labels))
    if lost:
        raise StoreMismatchError(
            f"{url}: holds {_some(lost)} that the interferograms lack; give all pairs, or start over with --restart"
        )
    pairs = tuple(label for label in later.labels if label not in set(earlier.labels))
    change = Change(pairs, later.n_dates - earlier.n_dates, plan.n_blocks, frozenset(), None)
    reason = _reason(series, before, made, earlier)
    if reason is not None:
        return change._replace(reason=reason)
    graph = dict(series[made.outputs[0]].data.dask)
    kept = _without_samples(graph, made, series, pairs, plan, workers)
    if not _proven(graph, made, store.url, earlier, plan, kept):
        return change._replace(reason="a block that should have kept its values did not")
    return change._replace(kept=frozenset(kept))


# -- can any block be kept? -----------------------------------------------------------------------------------------


def _local(url: str | os.PathLike[str]) -> Store:
    store = Store(url)
    if not store.files.local:
        raise StoreError(
            f"{url}: append needs a local disk, as folders cannot be renamed there; append to a copy and put it back, or "
            "run without append into another output"
        )
    return store


def _is_of(store: Store, series: xr.Dataset) -> bool:
    """Return whether a store is the one that a run of this series makes."""
    return (store.job() or {}).get("fingerprint") == fingerprint(series)


def _inversion(series: xr.Dataset) -> BlockCall:
    made = block_call_of(series["displacement"].variable, "displacement") if "displacement" in series else None
    if made is not None and isinstance(made.constants, Appendable):
        others = (block_call_of(series[name].variable, name) for name in made.outputs if name in series)
        if [other and other.label for other in others] == [made.label] * len(made.outputs):
            return made
    raise ArgumentError(
        "append: takes the lazy series that insarray.invert returns, with or without fits; run what is made of it anew"
    )


def _require_same(series: xr.Dataset, store: Store, plan: Plan) -> xr.Dataset:
    """Return the stored series; raise if it was not made as the new one is, apart from its pairs."""
    job = store.job()
    if job is not None and not store.is_complete():
        raise StoreError(f"{store.url}: is not finished; repeat its command, or start over with --restart")
    before = open_store(store.url)
    made_by = (job or {}).get("program", before.attrs.get("source"))
    old = dict((job or {}).get("options", {})) | {"made by": f"insarray {made_by}", "variables": _names(before)}
    new = {str(key): str(value) for key, value in series.attrs.items()}
    new |= {"block": f"{max(plan.rows)} x {max(plan.cols)}", "made by": f"insarray {program_identity()}"}
    new |= {"variables": _names(series)}
    changed = sorted(k for k in (old.keys() | new.keys()) - _GROWS if old.get(k) != new.get(k))
    text = [f"{key} was {old.get(key)!r} and is now {new.get(key)!r}" for key in changed]
    grids = grid_of(before), grid_of(series)
    if grids[0] != grids[1]:
        text.append(
            "the pixels were {} x {} and are now {} x {}, or elsewhere".format(*grids[0].shape, *grids[1].shape)
        )
    if text:
        raise StoreMismatchError(
            f"{store.url}: cannot be appended to ({', '.join(text)}); choose another output, or start over with --restart"
        )
    return before


def _names(dataset: xr.Dataset) -> str:
    return " ".join(sorted(map(str, dataset.data_vars)))


def _reason(series: xr.Dataset, before: xr.Dataset, made: BlockCall, earlier: Network) -> str | None:
    """Return why no block can be kept regardless of the samples, or None."""
    if "pair_fingerprint" not in series.coords:
        return "the files of this stack are not known pair by pair"
    if "pair_fingerprint" not in before.coords:
        return "the store does not say of which files it was made"
    now = dict(zip(_labels(series), series.pair_fingerprint.values.tolist(), strict=True))
    then = dict(zip(earlier.labels, before.pair_fingerprint.values.tolist(), strict=True))
    other = [label for label, value in then.items() if now[label] != value]
    if other:
        return f"the files of {_some(other)} have changed"
    if len(now) == len(then):
        return "something else than the pairs has changed"
    for name, why in _OF_ALL.items():
        if name in series.attrs:
            return why
    if series.attrs.get("reference_pixels") != before.attrs.get("reference_pixels"):
        return "the reference area has fewer pixels with data in all pairs"
    reason: str | None = made.constants.changes_all(earlier)
    return reason


def _some(labels: list[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _labels(series: xr.Dataset) -> list[str]:
    return network_of(series).labels


# -- which blocks? --------------------------------------------------------------------------------------------------


def _blocks(plan: Plan) -> list[Block]:
    return [(i, j) for i in range(len(plan.rows)) for j in range(len(plan.cols))]


def _without_samples(
    graph: dict[Any, Any], made: BlockCall, series: xr.Dataset, pairs: tuple[str, ...], plan: Plan, workers: int | None
) -> list[Block]:
    """Return the blocks in which no new pair has a sample after masking; only the new pairs are read."""
    new = np.isin(_labels(series), pairs)
    fingerprints = series.pair_fingerprint.values[new].tolist()
    phase = made.inputs["unwrapped_phase"]

    def has_samples(block: Block) -> bool:
        with only_pairs(fingerprints):
            values: np.ndarray = dask.get(graph, (phase, 0, *block))
        return bool(np.isfinite(values[new]).any())

    blocks = _blocks(plan)
    with ThreadPoolExecutor((workers and whole("workers", workers)) or os.cpu_count() or 1) as pool:
        return [block for block, some in zip(blocks, pool.map(has_samples, blocks), strict=True) if not some]


def _proven(graph: dict[Any, Any], made: BlockCall, url: str, earlier: Network, plan: Plan, kept: list[Block]) -> bool:
    """Return whether the first kept block with data, computed again, is bitwise equal to its carried-over results."""
    for block in kept:
        carried = _carry(url, earlier, made.outputs, plan.window(*block), made.constants)
        if carried["solver_flag"].any():
            computed = dask.get(graph, (made.label, *block))
            return all(np.array_equal(computed[name], carried[name], equal_nan=True) for name in made.outputs)
    return True


def _carried(series: xr.Dataset, url: str, plan: Plan, kept: frozenset[Block]) -> dict[Any, Any]:
    """Return tasks that read the results of the kept blocks from the store, by the keys of those they replace."""
    made, earlier = _inversion(series), network_of(open_store(url))
    return {
        (made.label, *block): (
            partial(_carry, url, earlier, made.outputs, plan.window(*block)),
            made.constants_key,
        )
        for block in kept
    }


def _carry(url: str, before: Network, names: tuple[str, ...], window: Window, constants: Appendable) -> Arrays:
    store = Store(url)
    group = zarr.open_group(readable(store.files, store.required_job()), mode="r", use_consolidated=False)
    stored = {name: np.asarray(group[name][(..., *window)]) for name in names}  # type: ignore[index]
    return constants.carry(before, stored)
