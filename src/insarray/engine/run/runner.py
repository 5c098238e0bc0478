"""`run`: compute a lazy dataset into a store, one task per block, which reads, solves, writes and returns a record."""

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, get_args

import xarray as xr

from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.graph.persisted import require_reachable
from insarray.engine.graph.prepare import in_memory, prepare, store_url, template
from insarray.engine.jobs import Jobs, fingerprint
from insarray.engine.plan import Plan, plan_prepared
from insarray.engine.program import libraries
from insarray.engine.run.cluster import client_of, open_workers
from insarray.engine.run.driver import Failure, drive
from insarray.engine.run.workers import BlockJob, Workers, this_process
from insarray.engine.store.account import Account
from insarray.engine.store.account import Progress as Progress
from insarray.engine.store.complete import require_chunks
from insarray.engine.store.ledger import Block
from insarray.engine.store.provenance import provenance
from insarray.engine.store.swap import finish_swap, new_beside, only_successor, swap
from insarray.engine.store.template import Compressor
from insarray.engine.store.zarr_store import Store
from insarray.model.arguments import number, whole
from insarray.model.dataset import geozarr_attributes, grid_of
from insarray.model.errors import ArgumentError, InsarrayError, PartialRunError, StoreError
from insarray.model.secrets import shown

logger = logging.getLogger(__name__)

BLOCK_TIMEOUT = 3600.0
"""Default time limit of a block, in seconds."""


class Report(NamedTuple):
    """Result of a run.

    Parameters
    ----------
    url
        The store.
    blocks
        Number of blocks of the job.
    computed
        Number of blocks that this run computed; the others were stored before.
    statistics
        Totals over all blocks: pixels, valid_pixels, bytes (before compression), seconds (of work, summed over the
        blocks), means of the maps over their finite pixels, counts of their flags. Also in the store.
    """

    url: str
    blocks: int
    computed: int
    statistics: dict[str, Any]


def run(
    dataset: xr.Dataset,
    url: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    client: Any = None,
    resume: bool = True,
    block_timeout: float = BLOCK_TIMEOUT,
    progress: Progress | None = None,
    command: str | None = None,
    compressor: Compressor = "zstd",
) -> Report:
    """Compute `dataset` block by block into a Zarr store; repeat the call to compute missing blocks.

    Parameters
    ----------
    dataset
        Result of `invert`, `fit`, ..., several merged, or any xarray.Dataset derived from them with variables of y and
        x, lazy or in memory. Variables of the data model are stored in its data types, with 0 for NaN in integer
        layers; others keep theirs. Irregular or differing blocks are rechunked so that as little as possible is
        computed twice; coordinates and variables without pixels are computed at the start.
    url
        Output folder or fsspec URL.
    scheduler
        "threads" of this process, "local" processes, or the address of a Dask scheduler. Default: the
        `dask.distributed` client that `dask.compute` would use, or else threads.
    workers
        Blocks computed at the same time with threads and "local"; default: number of processors. On a cluster, one per
        thread.
    client
        Dask client to use instead of `scheduler`.
    resume
        Keep the finished blocks of the same job. False: start over. The new store is built beside an insarray store at
        `url` and replaces it when complete; repeated after a failure or kill, it resumes. On a server, where folders
        cannot be renamed, its objects are copied to `url` then.
    block_timeout
        Time limit of a block in seconds. It is long, as it only prevents a hanging block (dead disk, server that never
        answers) from keeping the run from ending. A worker process that exceeds it is ended and the block retried
        alone; a thread cannot be ended, so its block fails and the thread is abandoned.
    progress
        Called at the start and after every block.
    command
        Command line, for the provenance.
    compressor
        Compressor of the chunks. "lz4" is faster but larger: for a temporary store.

    Raises
    ------
    ArgumentError
        If the output is an input of `dataset` under any name, lies in a store that is one, or contains one; or if an
        argument has a value that it cannot have.
    StoreError, StoreMismatchError
        If the output is not an insarray store, is locked, holds another job or that of another program, or cannot be
        written (disk full).
    PartialRunError
        If blocks failed, killed their worker twice, or timed out; the others are stored.
    ClusterError
        If the scheduler was lost, the client closed, a worker runs another program, there were no workers for longer
        than Dask's ``distributed.scheduler.no-workers-timeout`` (300 s if not set), or no block finishes any more.

    See Also
    --------
    insarray.plan_run : blocks and memory of a run.
    insarray.append : append new pairs to a store.
    insarray.open : open a stored result.
    insarray.progress_bar : show the progress of a run.

    References
    ----------
    * Zarr core specification, version 3, https://zarr-specs.readthedocs.io/en/latest/v3/core/v3.0.html

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack.chunk(y=10, x=12), reference=(9, 12))
    >>> report = ia.run(series.merge(ia.fit(series)), "series.zarr", workers=2)
    >>> report.blocks, report.computed
    (4, 4)
    >>> ia.run(series.merge(ia.fit(series)), "series.zarr").computed  # all is there
    0
    """
    how: dict[str, Any] = {"scheduler": scheduler, "workers": workers, "client": client, "resume": resume}
    how |= {"block_timeout": block_timeout, "progress": progress, "command": command, "compressor": compressor}
    return run_replacing(dataset, url, {}, **how)


def run_replacing(
    dataset: xr.Dataset,
    url: str | os.PathLike[str],
    replaced: Mapping[Any, Any],
    *,
    scheduler: str | None,
    workers: int | None,
    client: Any,
    block_timeout: float,
    progress: Progress | None,
    command: str | None,
    resume: bool = True,
    compressor: Compressor = "zstd",
    generation: int = 0,
) -> Report:
    """Run as `run` does, with a generation of the store, and tasks `replaced` by key (see `append`)."""
    if workers is not None:
        whole("workers", workers, 1)
    if not number("block_timeout", block_timeout) > 0:
        raise ArgumentError(f"block_timeout: {block_timeout} is not a positive number of seconds")
    if progress is not None and not callable(progress):
        raise ArgumentError(f"progress: {progress!r} is not a function; use insarray.progress_bar, or leave it out")
    if compressor not in get_args(Compressor):
        raise ArgumentError(f"compressor: {compressor!r} is not one of {', '.join(get_args(Compressor))}")
    client = client_of(scheduler, client)
    url, dataset = store_url(url), prepare(dataset)
    store = Store(url)
    require_chunks(refuse_inputs(store.url, dataset))
    finish_swap(store.url)
    how: dict[str, Any] = {"scheduler": scheduler, "workers": workers, "client": client, "command": command}
    how |= {"block_timeout": block_timeout, "progress": progress, "compressor": compressor}
    if not resume and store.files.exists():
        return _start_over(dataset, store, replaced, how)
    threads = client is None and scheduler in (None, "threads")
    plan = plan_prepared(dataset, (workers or os.cpu_count() or 1) if threads else 1)
    if threads:
        plan.require_memory()
    else:
        require_reachable(dataset, client)
    dataset = in_memory(dataset)
    identity = fingerprint(dataset)
    description = {"options": _job_options(dataset, plan), "command": command}
    exists = store.check(identity, description)
    if exists:
        store.discard_lacking()
    known = store.records() if exists else {}
    if len(known) == plan.n_blocks:
        with store.lock():
            return _finished(store, plan, Account(store.ledger, identity, plan, known, None), 0)
    jobs = Jobs(dataset, plan, replaced)
    with _store_errors(store.url), open_workers(scheduler, workers, client, jobs.shared) as pool:
        if not exists:  # created only when workers are available
            attrs = {**dataset.attrs, **geozarr_attributes(grid_of(dataset)), **provenance(identity, command)}
            with _refusals(store.url):
                store.create(template(dataset).assign_attrs(attrs), plan, identity, description, compressor, generation)
        with store.lock():
            store.check(identity, description)  # another run may have replaced it
            account = Account(store.ledger, identity, plan, store.records(known), progress)
            return _fill(store, plan, identity, jobs, pool, account, block_timeout)


def _start_over(dataset: xr.Dataset, store: Store, replaced: Mapping[Any, Any], how: dict[str, Any]) -> Report:
    """Compute a new store beside an existing one, which is replaced when the new one is complete."""
    with only_successor(store.url):
        if store.job() is None:
            store.remove()  # raises: not an insarray store
        new = Store(new_beside(store.url, "restart"))
        # a lock that a killed command leaves on a server must be removed manually: there only that of the new store
        with store.lock() if store.files.local else nullcontext():
            if new.files.exists() and not _is_begun(new, fingerprint(in_memory(dataset))):
                _discard(new)
            report = run_replacing(dataset, new.url, replaced, **how, generation=store.next_generation())
        swap(store.url, "restart")
    return report._replace(url=store.url)


def _is_begun(store: Store, identity: str) -> bool:
    """Return whether an unfinished restart can be resumed."""
    try:
        return store.check(identity, {})
    except StoreError:
        return False


def _discard(new: Store) -> None:
    """Remove what is left of another restart, unless that is under way; nothing that another program has put there."""
    if new.job() is not None:
        new.remove()
    elif new.files.local:
        raise StoreError(f"{new.url}: the new store is built here, and this is not one; move or remove it")
    else:  # on a server, a command that was killed may leave a store without its job
        new.files.remove_all()


def _job_options(dataset: xr.Dataset, plan: Plan) -> dict[str, str]:
    """Return the options that a store records of its job."""
    options = {str(key): str(value) for key, value in dataset.attrs.items()}
    return options | {"block": f"{max(plan.rows)} x {max(plan.cols)}"}


def check_store(dataset: xr.Dataset, url: str) -> None:
    """Raise StoreMismatchError if a store holds a job other than that of `dataset`, as `run` would, without writing."""
    store = Store(store_url(url))
    if store.files.exists():
        dataset = in_memory(prepare(dataset))
        options = _job_options(dataset, plan_prepared(dataset, 1))
        store.check(fingerprint(dataset), {"options": options})


def _fill(
    store: Store, plan: Plan, identity: str, jobs: Jobs, pool: Workers, account: Account, block_timeout: float
) -> Report:
    """Compute the missing blocks of a locked store."""
    todo = account.missing()
    name, driver = uuid.uuid4().hex, this_process()

    def job_of(block: Block) -> BlockJob:
        parts = (jobs.names, jobs.block(*block), block, plan.window(*block))
        return BlockJob(store.url, identity, *parts, name, block_timeout, driver, libraries=libraries())

    if todo:
        store.begin()  # it may be marked complete but lack the record of a block
    logger.info("run: %s, %d of %d blocks to compute", shown(store.url), len(todo), plan.n_blocks)
    logger.debug(
        "run: fingerprint %s; blocks of up to %d x %d pixels by %s",
        identity,
        max(plan.rows),
        max(plan.cols),
        type(pool).__name__,
    )
    started = time.monotonic()
    with account:
        failures = drive(pool, job_of, todo, name, account.take)
    for block, error in failures:
        logger.debug("run: block %s failed: %s: %s", block, type(error).__name__, shown(error))
    logger.info(
        "run: %s, %d blocks in %.1f s, %d failed",
        shown(store.url),
        len(todo),
        time.monotonic() - started,
        len(failures),
    )
    _require_all(store.url, failures, plan.n_blocks)
    return _finished(store, plan, account, len(todo))


@contextmanager
def _store_errors(url: str) -> Iterator[None]:
    """Convert OSError of the run itself into the StoreError that blocks raise."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{url}: {error.strerror or error}; finished blocks are kept: fix the problem and run again"
        ) from error


@contextmanager
def _refusals(url: str) -> Iterator[None]:
    """Convert exceptions of xarray and Zarr about a dataset that they cannot write into one line."""
    try:
        yield
    except InsarrayError:
        raise
    except (TypeError, ValueError, KeyError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"{url}: this dataset cannot be stored ({reason}); drop or convert what is named") from error


def _finished(store: Store, plan: Plan, account: Account, computed: int) -> Report:
    """Return the report of a store that has all its blocks; mark it complete if it is not."""
    report = account.report()
    if not store.is_complete():
        store.finalize(report)
    return Report(store.url, plan.n_blocks, computed, report)


def _require_all(url: str, failures: list[Failure], blocks: int) -> None:
    """Raise PartialRunError listing the failed blocks."""
    if failures:
        first = "; ".join(f"{block}: {type(error).__name__}: {error}" for block, error in failures[:3])
        more = f"; and {', '.join(str(block) for block, _ in failures[3:])}" if len(failures) > 3 else ""
        raise PartialRunError(
            f"{url}: {len(failures)} of {blocks} blocks failed, the others are stored; run again to retry ({first}{more})"
        )
