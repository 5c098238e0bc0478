"""Nothing of the process changes behind the user: settings of dask, threads of BLAS, warnings, what is printed."""

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
