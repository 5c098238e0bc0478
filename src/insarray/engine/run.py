"""Run a lazy dataset into a store: one task per block reads, solves, writes and returns a small record."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import xarray as xr

from insarray.engine.jobs import Jobs, fingerprint
from insarray.engine.plan import Plan, plan_run
from insarray.engine.provenance import provenance
from insarray.engine.store import Block, Store
from insarray.engine.swap import finish_swap
from insarray.engine.workers import BlockJob, Workers, hire
from insarray.model.dataset import geozarr_attributes, grid_of
from insarray.model.errors import ArgumentError, InsarrayError, PartialRunError, StoreError

Progress = Callable[[int, int], None]
"""Called with the number of finished blocks and of all blocks."""

_QUEUE = 2  # jobs submitted ahead per worker: keeps them busy without holding every graph in memory


class Report(NamedTuple):
    """What a run did.

    Parameters
    ----------
    url
        The store.
    blocks
        Number of blocks of the job.
    computed
        How many of them this run computed; the others were there.
    """

    url: str
    blocks: int
    computed: int


def run(
    dataset: xr.Dataset,
    url: str,
    *,
    scheduler: str = "threads",
    workers: int | None = None,
    client: Any = None,
    resume: bool = True,
    progress: Progress | None = None,
    command: str | None = None,
    instead: Mapping[Any, Any] | None = None,
) -> Report:
    """Compute `dataset` block by block into a Zarr store; run it again to finish what is missing.

    Parameters
    ----------
    dataset
        Lazy result of `invert`, `fit`, ..., or several merged, all with the same blocks.
    url
        Output folder or fsspec URL.
    scheduler
        "threads" of this process, "local" processes, or the address of a Dask scheduler.
    workers
        Blocks at the same time for "threads" and "local"; default: number of processors.
    client
        A Dask client to use instead of `scheduler`.
    resume
        Keep the finished blocks of the same job. False: a store of ours at `url` is deleted first.
    progress
        Called once at the start and after every block.
    command
        The command line, for the provenance.
    instead
        Tasks that take the place of others of the graph, by key, and give the same values: what `append` knows already.

    Raises
    ------
    StoreError, StoreMismatchError
        If the output is not ours, locked, holds another job or cannot be written (disk full).
    PartialRunError
        If blocks failed; the others are stored.
    ClusterError
        If the scheduler was lost.
    """
    if workers is not None and workers < 1:
        raise ArgumentError(f"workers: {workers} is not a positive number")
    dataset = dataset.assign_coords({name: coord.load() for name, coord in dataset.coords.items()})
    threads = scheduler == "threads" and client is None
    plan = plan_run(dataset, (workers or os.cpu_count() or 1) if threads else 1)
    if threads:
        plan.require_memory()
    identity = fingerprint(dataset)
    finish_swap(url)
    store = Store(url)
    if not resume:
        store.remove()
    options = {str(key): str(value) for key, value in dataset.attrs.items()}
    options["block"] = f"{max(plan.rows)} x {max(plan.cols)}"
    description = {"options": options, "command": command}
    exists = store.check(identity, description)
    if exists and len(store.done()) == plan.n_blocks:
        with store.lock():
            if not store.is_complete():
                store.finalize()
        return Report(store.url, plan.n_blocks, 0)
    jobs = Jobs(dataset, plan, instead)
    with hire(scheduler, workers, client, jobs.shared) as hired:
        if not exists:  # only now that there is somebody to fill it
            attrs = {**dataset.attrs, **geozarr_attributes(grid_of(dataset)), **provenance(identity, command)}
            store.create(dataset.assign_attrs(attrs), plan, identity, description)
        with store.lock():
            done = store.done()
            todo = [(i, j) for i in range(len(plan.rows)) for j in range(len(plan.cols)) if (i, j) not in done]
            _drive(hired, jobs, plan, store, identity, todo, progress)
            store.finalize()
    return Report(store.url, plan.n_blocks, len(todo))


def _drive(
    workers: Workers,
    jobs: Jobs,
    plan: Plan,
    store: Store,
    identity: str,
    todo: list[Block],
    progress: Progress | None,
) -> None:
    """Keep the workers busy until every block is done; bad input ends the run, other failures are listed."""
    report = progress or (lambda finished, blocks: None)
    finished = plan.n_blocks - len(todo)
    report(finished, plan.n_blocks)
    waiting: dict[Any, Block] = {}
    failed: list[str] = []
    queue = iter(todo)
    while True:
        while len(waiting) < _QUEUE * workers.count and (block := next(queue, None)) is not None:
            job = BlockJob(store.url, identity, jobs.names, jobs.block(*block), block, plan.window(*block))
            waiting[workers.submit(job)] = block
        if not waiting:
            break
        for future in workers.completed(waiting):
            block = waiting.pop(future)
            error = workers.error(future)
            if error is None:
                finished += 1
                report(finished, plan.n_blocks)
            elif isinstance(error, InsarrayError):
                raise error
            elif isinstance(error, OSError) and error.errno is not None:
                raise StoreError(
                    f"{store.url}: {error.strerror} at block {block}; finished blocks are kept: mend it and run again"
                ) from error
            else:
                failed.append(f"{block}: {type(error).__name__}: {error}")
    if failed:
        raise PartialRunError(
            f"{store.url}: {len(failed)} of {plan.n_blocks} blocks failed, the others are stored; "
            f"run again to retry ({'; '.join(failed[:3])})"
        )
