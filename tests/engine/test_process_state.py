"""Nothing of the process changes behind the user: settings of dask, threads of BLAS, warnings, what is printed."""

import threading

import dask
from threadpoolctl import threadpool_info

from insarray.engine.run.cluster import open_workers


def blas_threads() -> list[int]:
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


def test_blas_threads_come_back_after_runs_that_overlap():
    """The first to come is the first to go: the other still has one thread, and all are back after it."""
    before = blas_threads()
    first, second = open_workers("threads", 1, None, {}), open_workers("threads", 1, None, {})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_settings_of_dask_come_back_after_local_clusters_that_overlap():
    """Each is made while the other is there, or being made; no setting outlives its making."""
    import distributed  # noqa: F401  brings its settings

    names = (
        "distributed.scheduler.allowed-failures",
        "distributed.scheduler.worker-ttl",
        "distributed.deploy.lost-worker-timeout",
    )
    before = [dask.config.get(name) for name in names]
    seen = []

    def use():
        with open_workers("local", 1, None, {}) as hired:
            seen.append(hired.count)
            entered.wait(60)

    entered = threading.Barrier(2)
    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert seen == [1, 1]
    assert [dask.config.get(name) for name in names] == before
