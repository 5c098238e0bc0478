"""Workers of a Dask cluster; lost workers and schedulers are detected within a bounded time."""

import logging
import math
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cloudpickle
import dask
from dask.base import get_scheduler
from dask.utils import parse_timedelta
from threadpoolctl import threadpool_limits

from insarray.engine.run.workers import WRITE_SECONDS, BlockJob, ThreadWorkers, WorkerDiedError, Workers, deadline, work
from insarray.engine.store.gate import close_gate
from insarray.engine.store.ledger import Block, Record
from insarray.model.errors import ArgumentError, ClusterError

_NO_WORKERS = "distributed.scheduler.no-workers-timeout"  # no limit by default: a job without workers would hang
_LOST_WORKER = {"distributed.deploy.lost-worker-timeout": "120s"}  # 15 s closes workers that reconnect slowly
_CONFIGURING, _TELLING = threading.Lock(), threading.Lock()
"""Serialize changes of dask settings.

Two threads that set and restore them in turn would leave them changed. The second lock is for the threads of clusters,
for which the thread that makes a cluster waits while it holds the first.
"""
_SETTINGS = {
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.allowed-failures": 0,  # `drive` retries blocks whose worker died
}
_LOOK_SECONDS = 2.0  # between two queries of the workers
_ANSWER_SECONDS = 30.0  # timeout of a request to the scheduler
_STALL = 6  # times the block timeout: two rounds, each tried by at most four workers, must finish something
_LOST = "the Dask scheduler was lost, or the client closed; finished blocks are stored: run again to resume"

_TOPIC = "insarray-records"  # shared by all runs: the scheduler keeps the last events of every topic forever
_RECORDS: dict[str, dict[Block, Record]] = {}
"""Records that were received but not yet requested, by run."""


class ClusterWorkers:
    """Workers of a Dask cluster; the part of the graph that all blocks share is sent once."""

    def __init__(self, shared: dict[Any, Any], client: Any) -> None:
        self._client = client
        self._data = cloudpickle.dumps(shared)
        with self._talking():
            self._client.subscribe_topic(_TOPIC, _receive)
            self._shared = self._share()
        self._threads = 0
        self._limit = math.inf
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._looked = self._met = time.monotonic()
        self._worker_timeout = parse_timedelta(dask.config.get(_NO_WORKERS, None) or "300s")
        self._look()

    def _share(self) -> Any:
        return self._client.submit(SharedGraph, self._data, pure=False)

    @property
    def count(self) -> int:
        """Number of threads of the current workers, at least 1; a cluster may grow and shrink."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look()
        return max(1, self._threads)

    def _look(self) -> None:
        """Query the workers; raise ClusterError if there have been none for too long."""
        with self._talking():
            self._threads = sum(self._client.nthreads(callback_timeout=_ANSWER_SECONDS).values())
        self._looked = time.monotonic()
        if self._threads:
            self._met = self._looked
        elif self._looked - self._met > self._worker_timeout:
            raise ClusterError(
                f"no worker has been there for {self._worker_timeout:g} s; finished blocks are stored: run again to resume"
            )

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Context of all requests to the scheduler; raise ClusterError if it is lost."""
        if self._client.status != "running":
            raise ClusterError(_LOST)
        try:
            yield
        except (OSError, TimeoutError) as error:
            raise ClusterError(_LOST) from error
        except Exception as error:  # a client that is closed meanwhile fails in many ways
            if self._client.status == "running":
                raise
            raise ClusterError(_LOST) from error

    def submit(self, job: BlockJob) -> Any:
        """Submit a block and return the future of its record."""
        self._limit = job.timeout
        _RECORDS.setdefault(job.run, {})
        with self._talking():
            if self._shared.status == "error":  # its worker died
                self._shared = self._share()
            future = self._client.submit(_work_remotely, job, self._shared, pure=False)
            future.add_done_callback(self._done.put)
        return future

    def completed(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait for the first futures to finish and return the finished ones."""
        until = time.monotonic() + _STALL * self._limit
        while True:
            try:
                done = [self._done.get(timeout=_LOOK_SECONDS)]
            except queue.Empty:
                self._look()
                if time.monotonic() > until:
                    raise ClusterError(
                        f"nothing has been finished for {_STALL * self._limit:g} s; finished blocks are stored: run again"
                    ) from None
            else:
                with suppress(queue.Empty):
                    while True:
                        done.append(self._done.get_nowait())
                return done

    def error(self, future: Any) -> BaseException | None:
        """Return the exception of a finished block, or None; raise ClusterError if the scheduler is lost."""
        from distributed import KilledWorker

        if future.cancelled():
            raise ClusterError(_LOST)
        if future.status != "error":  # a record lost with its worker is still in the store
            return None
        with self._talking():
            error: BaseException | None = future.exception(timeout=_ANSWER_SECONDS)
        if isinstance(error, KilledWorker):
            return WorkerDiedError(
                "its worker died twice while computing it: killed, out of memory, or hung; see the worker's log"
            )
        if type(error).__name__ in ("NoWorkerError", "NoValidWorkerError"):
            raise ClusterError(f"no worker is left ({error}); finished blocks are stored: run again") from error
        return error

    def record(self, future: Any, job: BlockJob) -> Record | None:
        """Return the record of a finished block, which its worker sends before it finishes."""
        return _RECORDS.get(job.run, {}).pop(job.block, None)

    def stop(self, run: str, futures: Collection[Any]) -> None:
        """Cancel unfinished blocks, and return when no block of the run can write any more.

        Unreachable workers are not waited for: if they still write, the blocks are of this job, and are refused if the
        store has been replaced by that of another job.
        """
        _RECORDS.pop(run, None)
        if self._client.status != "running":
            return
        # in a separate thread: a client that is closed meanwhile may never answer
        dropping = threading.Thread(target=self._drop, args=(run, list(futures)), daemon=True)
        dropping.start()
        dropping.join(WRITE_SECONDS + _ANSWER_SECONDS)

    def _drop(self, run: str, futures: list[Any]) -> None:
        with suppress(ClusterError), self._talking():
            self._client.cancel(futures)
            until = time.monotonic() + WRITE_SECONDS
            while False in self._client.run(close_gate, run, on_error="ignore").values() and time.monotonic() < until:
                time.sleep(0.05)


def _receive(event: tuple[float, dict[str, Any]]) -> None:
    """Keep the record that a worker has sent, if it belongs to a run of this process."""
    told = event[1]
    record = told["record"]
    _RECORDS.get(told["run"], {})[record["block"][0], record["block"][1]] = record


class SharedGraph:
    """Wrapper of the shared part of the graph, so that Dask does not run it as a graph of its own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._graph: dict[Any, Any] | None = None

    def graph(self) -> dict[Any, Any]:
        """Return the graph, unpickled once per worker."""
        if self._graph is None:
            self._graph = pickle.loads(self._data)  # noqa: S301 - made by `ClusterWorkers` in this run
        return self._graph

    def __getstate__(self) -> dict[str, Any]:
        return {"_data": self._data, "_graph": None}


def _work_remotely(job: BlockJob, shared: SharedGraph) -> None:
    from distributed import get_worker

    with deadline(job):
        record = work(job, shared.graph())
    with suppress(Exception):  # the block is done even if its record is lost on the way: it is in the store
        get_worker().log_event(_TOPIC, {"run": job.run, "record": record})


def client_of(scheduler: str | None, client: Any) -> Any:
    """Return the client that a run uses: the given one or, by default, the one that `dask.compute` would use.

    Returns
    -------
    distributed.Client or None
        None if the run uses threads or makes its own client.

    Raises
    ------
    ArgumentError
        If `client` is not a client, or an asynchronous one.
    ClusterError
        If the client is closed.
    """
    given = client is not None
    if not given:
        if scheduler is not None or "distributed" not in sys.modules or _in_a_task():  # no client without an import
            return None
        client = _active_client()
    from distributed import Client

    if not isinstance(client, Client):
        if given:
            raise ArgumentError(f"client: {client!r} is not a client of Dask; give distributed.Client(...)")
        return None
    if client.asynchronous:
        raise ArgumentError("client: is asynchronous; make one without asynchronous=True, or give scheduler='threads'")
    if client.status != "running":
        raise ClusterError("the Dask client is closed, or has lost its scheduler; connect again and run again")
    return client


def _in_a_task() -> bool:
    """Return whether this runs in a worker task, which must not wait for other tasks as it may block their thread."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def _active_client() -> Any:
    from distributed import Client

    try:
        return getattr(get_scheduler(), "__self__", None)
    except (RuntimeError, ValueError, TypeError) as error:  # the configured scheduler is invalid
        reason = f"scheduler: {str(error).rstrip('.')}; give scheduler='threads' or a client"
        try:
            Client.current()
        except ValueError:  # the client was closed
            raise ClusterError(reason) from error
        raise ArgumentError(reason) from error


@contextmanager
def open_workers(scheduler: str | None, count: int | None, client: Any, shared: dict[Any, Any]) -> Iterator[Workers]:
    """Yield workers of a client, "threads" of this process (also for None), "local" processes, or those at an address.

    Raises
    ------
    ArgumentError
        If the scheduler is neither a known name nor an address, or the address does not answer.
    """
    if client is not None:
        yield ClusterWorkers(shared, client)
    elif scheduler in (None, "threads"):
        with _OneBlasThread():
            yield ThreadWorkers(shared, count or os.cpu_count() or 1)
    else:
        with _connect(str(scheduler), count) as connected:
            yield ClusterWorkers(shared, connected)


@contextmanager
def _connect(scheduler: str, count: int | None) -> Iterator[Any]:
    if scheduler != "local" and "://" not in scheduler:
        raise ArgumentError(
            f"scheduler: {scheduler!r} is neither 'threads', 'local' nor an address such as tcp://host:8786"
        )
    if scheduler == "local":
        number = count or os.cpu_count() or 1
        with _local_cluster(number) as cluster, _own_client(cluster) as client:
            try:
                yield client
            finally:
                _silence(client)
        return
    try:
        client = _own_client(scheduler, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise ArgumentError(f"scheduler: nothing answers at {scheduler} ({error})") from error
    except (TypeError, RuntimeError) as error:  # address tls:// without certificates, or an invalid address
        raise ArgumentError(
            f"scheduler: {scheduler} and the settings of distributed.comm do not fit ({error})"
        ) from error
    with client:
        yield client


def _own_client(address: Any, **options: Any) -> Any:
    """Return a client that only this run uses.

    A default client would also serve other threads, and two overlapping ones would leave Dask's setting `scheduler`
    changed: each restores the value that it found when it was opened.
    """
    from distributed import Client

    class Own(Client):
        def start(self, **kwargs: Any) -> None:
            try:
                super().start(**kwargs)  # type: ignore[no-untyped-call]
            except Exception:  # whatever ended the start, which is raised again
                with suppress(TimeoutError, RuntimeError):
                    self.close(timeout=1)  # type: ignore[no-untyped-call]
                self.status = "closed"  # otherwise it is closed again, and fails again, when the process exits
                raise

    return Own(address, set_as_default=False, **options)  # type: ignore[no-untyped-call]


def _local_cluster(number: int) -> Any:
    """Start worker processes on this machine; the settings that its scheduler reads are restored afterwards."""
    from distributed import LocalCluster

    class Patient(LocalCluster):
        def _update_worker_status(self, op: Any, msg: Any) -> None:
            with _TELLING, dask.config.set(_LOST_WORKER):
                super()._update_worker_status(op, msg)  # type: ignore[no-untyped-call]

    with _CONFIGURING, dask.config.set({**_SETTINGS, _NO_WORKERS: dask.config.get(_NO_WORKERS, None) or "300s"}):
        return Patient(  # type: ignore[no-untyped-call]
            n_workers=number, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )


class _OneBlasThread:
    """Limit BLAS to one thread in the process; set by the first of overlapping runs and restored by the last."""

    _lock = threading.Lock()
    _inside = 0
    _limits: Any = None

    def __enter__(self) -> None:
        cls = type(self)
        with cls._lock:
            if cls._inside == 0:
                cls._limits = threadpool_limits(1, "blas")
            cls._inside += 1

    def __exit__(self, *error: object) -> None:
        cls = type(self)
        with cls._lock:
            cls._inside -= 1
            if cls._inside == 0:
                cls._limits.restore_original_limits()


def _silence(client: Any) -> None:
    """Disable logging on local workers: some report a lost scheduler while the cluster closes."""
    if client.status != "running":
        return
    with suppress(OSError, TimeoutError):
        client.run(logging.disable, logging.CRITICAL, on_error="ignore")
