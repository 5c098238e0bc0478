"""Keep the workers busy until every block is done or has failed; blocks that die with their worker are tried alone."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from insarray.engine.run.workers import BlockJob, WorkerDiedError, Workers
from insarray.engine.store.ledger import Block, Record
from insarray.model.errors import InsarrayError, StoreError

_QUEUE = 2  # jobs submitted ahead per worker: keeps them busy without holding every graph in memory


class Failure(NamedTuple):
    """A block that could not be computed."""

    block: Block
    error: BaseException


def drive(
    workers: Workers,
    job_of: Callable[[Block], BlockJob],
    todo: Iterable[Block],
    run: str,
    done: Callable[[Block, Record | None], None],
) -> list[Failure]:
    """Have all blocks of `todo` worked on; those that failed.

    A worker that dies takes all blocks with it that it was at. Which of them killed it, if any, nobody knows: each is
    tried once more when all others are done, with nothing beside it. If its worker dies again the block has failed.

    Parameters
    ----------
    workers
        Who works. However this ends, none of them can write any more when it has.
    job_of
        What a worker is told of a block.
    todo
        Blocks to compute.
    run
        Name of the run, whose gate is closed at the end.
    done
        Called after every block that is done, with its record if the worker's word of it has come.

    Raises
    ------
    InsarrayError
        What a reader says of bad input: it ends the run.
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
    """The failure of one block; what would fail every block, or must be mended first, is raised."""
    if isinstance(error, InsarrayError):
        raise error
    if isinstance(error, OSError) and error.errno is not None:
        raise StoreError(
            f"{job.url}: {error.strerror} at block {job.block}; finished blocks are kept: mend it and run again"
        ) from error
    return Failure(job.block, error)
