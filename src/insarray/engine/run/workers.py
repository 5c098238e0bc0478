"""Workers that compute blocks: the protocol, and threads of this process."""

import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from insarray.engine.jobs import compute_block
from insarray.engine.plan import Window
from insarray.engine.program import other_program, program_identity
from insarray.engine.store.gate import gate_of
from insarray.engine.store.ledger import Block, Record
from insarray.engine.store.retry import with_retries
from insarray.engine.store.zarr_store import write_block
from insarray.model.errors import ClusterError
from insarray.model.streams import filter_output

logger = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""Seconds that the end of a run waits for blocks that are being written."""

THREADS = "insarray-block"
"""Prefix of the names of the threads that compute blocks."""

_LEAVE_SECONDS = 5.0  # wait for running threads when the run ends early


class WorkerDiedError(Exception):
    """The worker of a block died; the block may or may not be the cause."""


class BlockTimeoutError(Exception):
    """A block exceeded its time limit."""


class BlockJob(NamedTuple):
    """Everything a worker needs to compute one block, except the shared part of the graph."""

    url: str
    fingerprint: str
    names: tuple[str, ...]
    graph: bytes
    block: Block
    window: Window
    run: str
    """The run, whose gate permits writing."""
    timeout: float
    """Time limit in seconds."""
    driver: tuple[str, int]
    """Host and process id of the run, which is never ended for a timeout."""
    program: str = program_identity()
    """Program that made the job; a worker of another program refuses it."""
    libraries: tuple[tuple[str, str], ...] = ()
    """Versions of the numerical libraries; a worker with others refuses the job."""


def this_process() -> tuple[str, int]:
    """Return host name and process id."""
    return socket.gethostname(), os.getpid()


def work(job: BlockJob, shared: dict[Any, Any]) -> Record:
    """Read, solve and write one block; return its ledger record.

    Raises
    ------
    ClusterError
        If this process has another program or other libraries than the run, as the results would be mixed.
    """
    apart = job.driver != this_process()
    if apart:
        filter_output()
    try:
        return _work(job, shared)
    except Exception as error:  # of any reader or block function; raised again
        if apart:  # Dask sends errors as text if a cause, such as an error of GDAL, cannot be pickled
            error.__cause__ = error.__context__ = None
        raise


def _work(job: BlockJob, shared: dict[Any, Any]) -> Record:
    other = other_program(job.program, job.libraries)
    if other is not None:
        raise ClusterError(
            f"the worker {socket.gethostname()} {other}: start all workers from the same installation, then run again"
        )
    started = time.time()
    results = with_retries(lambda: compute_block(job.names, shared, job.graph), job.url)
    with gate_of(job.run).passing():
        return with_retries(
            lambda: write_block(job.url, job.fingerprint, job.block, job.window, results, started), job.url
        )


@contextmanager
def deadline(job: BlockJob) -> Iterator[None]:
    """End this worker process if the block takes too long, as a hanging thread cannot be stopped otherwise.

    The nanny starts a new worker, and the block counts as one whose worker died. The process of the run itself is never
    ended; the run handles its timeouts.
    """
    if job.driver == this_process():
        yield
        return
    timer = threading.Timer(job.timeout, _end_worker, [job])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_worker(job: BlockJob) -> None:
    logger.error("insarray: block %s took longer than %g s; its worker ends", job.block, job.timeout)
    os._exit(1)


class Workers(Protocol):
    """Protocol of workers that compute blocks."""

    @property
    def count(self) -> int:
        """Number of blocks that can be computed at the same time."""

    def submit(self, job: BlockJob) -> Any:
        """Submit a block and return the future of its record."""

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first futures to finish and return the finished ones.

        Raises
        ------
        ClusterError
            If no worker is left.
        """

    def error(self, future: Any) -> BaseException | None:
        """Return the exception of a finished block, or None."""

    def record(self, future: Any, job: BlockJob) -> Record | None:
        """Return the record of a finished block, or None if it must be read from the store."""

    def stop(self, run: str, futures: Collection[Any]) -> None:
        """Cancel unfinished blocks, and return when no block of the run can write any more."""


class ThreadWorkers:
    """Daemon threads of this process."""

    def __init__(self, shared: dict[Any, Any], count: int) -> None:
        self.count = count
        self._shared = shared
        self._queue: queue.SimpleQueue[tuple[Future[Any], BlockJob] | None] = queue.SimpleQueue()
        self._begun: dict[Future[Any], tuple[float, BlockJob]] = {}
        self._hung: list[Block] = []
        names = (f"{THREADS}-{k}" for k in range(count))
        self._threads = [threading.Thread(target=self._serve, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            self._begun[future] = time.monotonic(), job
            try:
                record, error = work(job, self._shared), None
            except BaseException as raised:
                record, error = None, raised
            try:
                future.set_exception(error) if error is not None else future.set_result(record)
            except InvalidStateError:  # timed out meanwhile
                return
            del self._begun[future]

    def submit(self, job: BlockJob) -> Any:
        """Submit a block and return the future of its record."""
        future: Future[Any] = Future()
        self._queue.put((future, job))
        return future

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first futures to finish and return the finished ones."""
        while not (done := wait(futures, timeout=1.0, return_when=FIRST_COMPLETED).done):
            self._give_up_what_hangs()
        return done

    def _give_up_what_hangs(self) -> None:
        for future, (begun, job) in list(self._begun.items()):
            if time.monotonic() - begun < job.timeout:
                continue
            try:
                future.set_exception(BlockTimeoutError(f"took longer than {job.timeout:g} s"))
            except InvalidStateError:  # it has just finished
                continue
            del self._begun[future]
            self._hung.append(job.block)
        if len(self._hung) == self.count:
            raise ClusterError(
                f"every thread hangs in a block ({', '.join(map(str, self._hung))}); finished blocks are stored: run "
                "again to resume, in a new process"
            )

    def error(self, future: Any) -> BaseException | None:
        """Return the exception of a finished block, or None."""
        error: BaseException | None = future.exception()
        return error

    def record(self, future: Any, job: BlockJob) -> Record | None:
        """Return the record of a finished block."""
        record: Record = future.result()
        return record

    def stop(self, run: str, futures: Collection[Any]) -> None:
        """Cancel unfinished blocks, and return when no block of the run can write any more."""
        for future in futures:
            future.cancel()
        gate_of(run).close(WRITE_SECONDS)
        for _ in self._threads:
            self._queue.put(None)
        until = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads:  # running threads are harmless, but without them the process exits more cleanly
            thread.join(max(0.0, until - time.monotonic()))
