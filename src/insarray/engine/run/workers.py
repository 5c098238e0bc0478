"""Who takes the blocks: threads of this process or a Dask cluster, behind the same four calls."""

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

logger = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""How long the end of a run waits for blocks that are being written."""

THREADS = "insarray-block"
"""How the names of the threads begin that work on blocks."""

_LEAVE_SECONDS = 5.0  # for what the threads are still computing when the run ends early


class WorkerDiedError(Exception):
    """A block whose worker died with it, through its fault or not."""


class BlockTimeoutError(Exception):
    """A block that has taken longer than it may."""


class BlockJob(NamedTuple):
    """All that a worker needs to know of one block, but for what the blocks share."""

    url: str
    fingerprint: str
    names: tuple[str, ...]
    graph: bytes
    block: Block
    window: Window
    run: str
    """The run, whose gate lets the block write."""
    timeout: float
    """Seconds that it may take."""
    driver: tuple[str, int]
    """Host and process that must not be ended for a block that takes longer."""
    program: str = program_identity()
    """The program that has cut the job; a worker of another one does not take it."""
    libraries: tuple[tuple[str, str], ...] = ()
    """Versions of what that program computes with; a worker with others does not take it."""


def this_process() -> tuple[str, int]:
    """Host and number of this process."""
    return socket.gethostname(), os.getpid()


def work(job: BlockJob, shared: dict[Any, Any]) -> Record:
    """The whole life of a block: read, solve, write; returns its ledger record.

    Raises
    ------
    ClusterError
        If this process runs another program than the run, or with other libraries: its blocks would be of two.
    """
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
    """End this worker process if the block takes too long: nothing less stops a thread that hangs.

    The nanny of the worker starts a new one, and the block counts as one whose worker died. The process of the run
    itself is never ended; there the run notices.
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
    """Somebody who works on blocks."""

    @property
    def count(self) -> int:
        """Blocks that can be worked on at the same time."""

    def submit(self, job: BlockJob) -> Any:
        """Future of the block's record."""

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first future; those that are done.

        Raises
        ------
        ClusterError
            If nobody is left to work.
        """

    def error(self, future: Any) -> BaseException | None:
        """What a finished block raised, if anything."""

    def record(self, future: Any, job: BlockJob) -> Record | None:
        """The record of a block that is done; None if only its store has it."""

    def stop(self, run: str, futures: Collection[Any]) -> None:
        """Drop what is not done, and return once no block of the run can write any more."""


class ThreadWorkers:
    """Threads of this process, which do not keep it from ending."""

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
            except InvalidStateError:  # given up meanwhile
                return
            del self._begun[future]

    def submit(self, job: BlockJob) -> Any:
        """Future of the block's record."""
        future: Future[Any] = Future()
        self._queue.put((future, job))
        return future

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first future; those that are done."""
        while not (done := wait(futures, timeout=1.0, return_when=FIRST_COMPLETED).done):
            self._give_up_what_hangs()
        return done

    def _give_up_what_hangs(self) -> None:
        for future, (begun, job) in list(self._begun.items()):
            if time.monotonic() - begun < job.timeout:
                continue
            try:
                future.set_exception(BlockTimeoutError(f"took longer than {job.timeout:g} s"))
            except InvalidStateError:  # it has just come to its end
                continue
            del self._begun[future]
            self._hung.append(job.block)
        if len(self._hung) == self.count:
            raise ClusterError(
                f"every thread hangs in a block ({', '.join(map(str, self._hung))}); finished blocks are stored: run "
                "again to resume, in a new process"
            )

    def error(self, future: Any) -> BaseException | None:
        """What a finished block raised, if anything."""
        error: BaseException | None = future.exception()
        return error

    def record(self, future: Any, job: BlockJob) -> Record | None:
        """The record of a block that is done."""
        record: Record = future.result()
        return record

    def stop(self, run: str, futures: Collection[Any]) -> None:
        """Drop what is not done, and return once no block of the run can write any more."""
        for future in futures:
            future.cancel()
        gate_of(run).close(WRITE_SECONDS)
        for _ in self._threads:
            self._queue.put(None)
        until = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads:  # not that they could do harm, but the process ends more cleanly without them
            thread.join(max(0.0, until - time.monotonic()))
