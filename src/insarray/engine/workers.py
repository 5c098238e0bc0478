"""Who takes the blocks: threads of this process or a Dask cluster, behind the same three calls."""

import os
import pickle
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import cloudpickle
import dask
from threadpoolctl import threadpool_limits

from insarray.engine.jobs import compute_block
from insarray.engine.plan import Window
from insarray.engine.store import Block, write_block
from insarray.model.errors import ArgumentError, ClusterError

_CLUSTER_SETTINGS = {
    "distributed.deploy.lost-worker-timeout": "120s",  # 15 s closes workers for good that are slow to come back
    "distributed.scheduler.no-workers-timeout": "300s",  # never by default: a job without workers would hang
    "distributed.scheduler.worker-ttl": "60s",
}


class BlockJob(NamedTuple):
    """All that a worker needs to know of one block, but for what the blocks share."""

    url: str
    fingerprint: str
    names: tuple[str, ...]
    graph: bytes
    block: Block
    window: Window


def work(job: BlockJob, shared: dict[Any, Any]) -> dict[str, Any]:
    """The whole life of a block: read, solve, write; returns its ledger record."""
    results = compute_block(job.names, shared, job.graph)
    return write_block(job.url, job.fingerprint, job.block, job.window, results)


class Workers(Protocol):
    """Somebody who works on blocks."""

    count: int

    def submit(self, job: BlockJob) -> Any:
        """Future of the block's record."""

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first future; those that are done."""

    def error(self, future: Any) -> BaseException | None:
        """What a finished block raised, if anything."""


class ThreadWorkers:
    """Threads of this process."""

    def __init__(self, shared: dict[Any, Any], pool: ThreadPoolExecutor, count: int) -> None:
        self._shared, self._pool, self.count = shared, pool, count

    def submit(self, job: BlockJob) -> Any:
        """Future of the block's record."""
        return self._pool.submit(work, job, self._shared)

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first future; those that are done."""
        return wait(futures, return_when=FIRST_COMPLETED).done

    def error(self, future: Any) -> BaseException | None:
        """What a finished block raised, if anything."""
        error: BaseException | None = future.exception()
        return error


class ClusterWorkers:
    """Workers of a Dask cluster; what the blocks share is sent once."""

    def __init__(self, shared: dict[Any, Any], client: Any) -> None:
        self._client = client
        self._shared = client.submit(SharedGraph, cloudpickle.dumps(shared), pure=False)
        self.count = max(1, sum(client.nthreads().values()))

    def submit(self, job: BlockJob) -> Any:
        """Future of the block's record."""
        return self._client.submit(_work_remotely, job, self._shared, pure=False)

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first future; those that are done."""
        from distributed import wait as wait_for

        done: Collection[Any] = wait_for(list(futures), return_when="FIRST_COMPLETED").done
        return done

    def error(self, future: Any) -> BaseException | None:
        """What a finished block raised, if anything; losing the scheduler ends the run."""
        if future.cancelled():
            raise ClusterError("the Dask scheduler was lost; finished blocks are stored: run again to resume")
        error: BaseException | None = future.exception()
        return error


class SharedGraph:
    """The shared part of the graph in a wrapper, so that Dask does not take it for one of its own and run it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._graph: dict[Any, Any] | None = None

    def graph(self) -> dict[Any, Any]:
        """The graph, unpacked once per worker."""
        if self._graph is None:
            self._graph = pickle.loads(self._data)  # noqa: S301 - made by `ClusterWorkers` in this run
        return self._graph

    def __getstate__(self) -> dict[str, Any]:
        return {"_data": self._data, "_graph": None}


def _work_remotely(job: BlockJob, shared: SharedGraph) -> dict[str, Any]:
    return work(job, shared.graph())


@contextmanager
def hire(scheduler: str, count: int | None, client: Any, shared: dict[Any, Any]) -> Iterator[Workers]:
    """Workers of a given client, "threads" of this process, "local" processes, or those of a scheduler's address.

    Raises
    ------
    ArgumentError
        If the scheduler is no known word and no address, or nothing answers there.
    """
    if client is not None:
        yield ClusterWorkers(shared, client)
    elif scheduler == "threads":
        number = count or os.cpu_count() or 1
        pool = ThreadPoolExecutor(number, thread_name_prefix="insarray")
        # one BLAS thread per worker thread, set once because the limit holds for the whole process
        with threadpool_limits(1, "blas"):
            try:
                yield ThreadWorkers(shared, pool, number)
            finally:
                pool.shutdown(cancel_futures=True)
    else:
        with _connect(scheduler, count) as connected:
            yield ClusterWorkers(shared, connected)


@contextmanager
def _connect(scheduler: str, count: int | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler != "local" and "://" not in scheduler:
        raise ArgumentError(
            f"scheduler: {scheduler!r} is neither 'threads', 'local' nor an address such as tcp://host:8786"
        )
    with dask.config.set(_CLUSTER_SETTINGS):
        if scheduler == "local":
            number = count or os.cpu_count() or 1
            with (
                LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            raise ArgumentError(f"scheduler: nothing answers at {scheduler} ({error})") from error
        with client:
            yield client
