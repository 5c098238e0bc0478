"""Nothing of the process changes behind the user: settings of dask, threads of BLAS, warnings, what is printed."""

import threading

import dask
import pytest
from dask.base import get_scheduler
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


@pytest.mark.slow
def test_settings_of_dask_come_back_after_local_clusters_that_overlap():
    """Each is made while the other is there, or being made, and the first goes first; other threads keep their own."""
    import distributed  # noqa: F401  brings its settings

    names = (
        "scheduler",
        "distributed.scheduler.allowed-failures",
        "distributed.scheduler.worker-ttl",
        "distributed.deploy.lost-worker-timeout",
    )
    before = [dask.config.get(name, None) for name in names]
    elsewhere = get_scheduler()
    seen, second_has_come, first_has_gone = [], threading.Event(), threading.Event()

    def first():
        with open_workers("local", 1, None, {}) as hired:
            seen.append((hired.count, get_scheduler()))
            assert second_has_come.wait(100)
        first_has_gone.set()

    def second():
        with open_workers("local", 1, None, {}) as hired:
            second_has_come.set()
            assert first_has_gone.wait(100)
            seen.append((hired.count, get_scheduler()))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert seen == [(1, elsewhere), (1, elsewhere)]
    assert [dask.config.get(name, None) for name in names] == before
