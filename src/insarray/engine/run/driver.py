"""Drive a run: keep the workers busy until every block is done or has failed; retry blocks whose worker died."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from insarray.engine.run.workers import BlockJob, WorkerDiedError, Workers
from insarray.engine.store.ledger import Block, Record
from insarray.model.errors import InsarrayError, StoreError

_QUEUE = 2  # jobs submitted per worker: keeps workers busy without holding every graph in memory


class Failure(NamedTuple):
    """Block that could not be computed, and its exception."""

    block: Block
    error: BaseException


def drive(
    workers: Workers,
    job_of: Callable[[Block], BlockJob],
    todo: Iterable[Block],
    run: str,
    done: Callable[[Block, Record | None], None],
) -> list[Failure]:
    """Compute all blocks of `todo` and return those that failed.

    When a worker dies, all blocks on it are lost, and it is unknown which of them, if any, killed it. Each is retried
    once when all others are done, with no other block running. If its worker dies again, the block has failed.

    Parameters
    ----------
    workers
        Workers to use; on return or exception, none of them can write any more.
    job_of
        Returns the job of a block.
    todo
        Blocks to compute.
    run
        Name of the run, whose write gate is closed at the end.
    done
        Called after every finished block, with its record if the worker has sent it.

    Raises
    ------
    InsarrayError
        If a reader refuses its input; this ends the run.
    StoreError
        If the store cannot be written.
    ClusterError
        If the scheduler or all workers were lost.
    """
    queue, suspects = deque(todo), deque[Block]()
    waiting: dict[Any, BlockJob] = {}
    failures: list[Failure] = []
    alone = False
    try:
        while queue or waiting or suspects:
            if not queue and not waiting:
                alone = True
                queue.append(suspects.popleft())
            while queue and len(waiting) < _QUEUE * workers.count:
                job = job_of(queue.popleft())
                waiting[workers.submit(job)] = job
            for future in workers.completed(waiting):
                error, job = workers.error(future), waiting.pop(future)
                if error is None:
                    done(job.block, workers.record(future, job))
                elif isinstance(error, WorkerDiedError) and not alone:
                    suspects.append(job.block)
                else:
                    failures.append(_failure(job, error))
    finally:
        workers.stop(run, waiting)
    return failures


def _failure(job: BlockJob, error: BaseException) -> Failure:
    """Return the failure of one block; raise errors that concern every block or need user action."""
    if isinstance(error, InsarrayError):
        raise error
    if isinstance(error, OSError) and error.errno is not None:
        raise StoreError(
            f"{job.url}: {error.strerror} at block {job.block}; finished blocks are kept: fix the problem and run again"
        ) from error
    return Failure(job.block, error)
