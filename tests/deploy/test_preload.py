"""What a worker does before its first block takes effect in the worker, whoever starts it."""

import os
import subprocess
import sys

import pytest

distributed = pytest.importorskip("distributed")

UNSET = ("NUMBA_NUM_THREADS", "GDAL_CACHEMAX", "MALLOC_TRIM_THRESHOLD_", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What Dask's nanny or the user would set; the preload must do without."""


def settings_of_the_process() -> dict[str, object]:
    """Asked in a worker that has not had a task."""
    import numba
    import rasterio
    import threadpoolctl
    from rasterio.env import get_gdal_config

    from insarray.kernels.network import lanes
    from insarray.kernels.timefit import least_squares as temporal

    with rasterio.Env():
        cache = get_gdal_config("GDAL_CACHEMAX")
    return {
        "gdal": cache,
        "numba": numba.get_num_threads(),
        "blas": {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"},
        "compiled": [len(kernel.signatures) for kernel in (lanes.solve_groups, temporal._fit)],
    }


def start(monkeypatch, **options):
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", host="127.0.0.1", **options
    )
    return cluster, distributed.Client(cluster)


def test_a_worker_is_ready_before_its_first_task(monkeypatch):
    cluster, client = start(monkeypatch, preload=["insarray.preload"])
    with cluster, client:
        (found,) = client.run(settings_of_the_process).values()
        client.run(_blas)
        (after,) = client.run(settings_of_the_process).values()
    assert found["gdal"] == 64 * 2**20  # bytes
    assert found["numba"] == 1
    assert found["blas"] == {1}
    assert all(count >= 1 for count in found["compiled"])
    assert after["blas"] == {1}


def _blas() -> float:
    import numpy as np

    return float((np.ones((200, 200)) @ np.ones((200, 200)))[0, 0])


def test_without_it_nothing_is_compiled(monkeypatch):
    cluster, client = start(monkeypatch)
    with cluster, client:
        (found,) = client.run(settings_of_the_process).values()
    assert found["compiled"] == [0, 0]
    assert found["gdal"] != 64 * 2**20


def run_alone(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=False
    )


def test_a_process_that_no_nanny_started():
    code = """if True:
        from insarray.preload import prepare
        prepare()
        import numba, threadpoolctl
        print(numba.get_num_threads(), {p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"})
    """
    done = run_alone(code, OPENBLAS_NUM_THREADS="2")
    assert done.stdout.split("\n")[0] == "1 {1}", done.stderr


def test_what_is_set_is_kept():
    code = "from insarray.preload import prepare; prepare(); import numba; print(numba.config.NUMBA_NUM_THREADS)"
    assert run_alone(code, NUMBA_NUM_THREADS="2").stdout.strip() == "2"


def test_a_place_for_compiled_kernels_is_asked_for(caplog, monkeypatch):
    """Without one the worker says what to set, and works."""
    from insarray import preload
    from insarray.kernels import compiled

    monkeypatch.setattr(compiled, "_CACHE", None)
    with caplog.at_level("WARNING", logger="distributed.insarray"):
        preload._warm_up()
    assert "NUMBA_CACHE_DIR" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="malloc of glibc")
def test_freed_memory_is_given_back():
    """With a threshold that glibc never reaches the same blocks stay with the process."""
    code = """if True:
        import ctypes, sys
        from insarray import preload
        import os, psutil
        os.environ["MALLOC_TRIM_THRESHOLD_"] = sys.argv[1]
        preload._trim_memory()
        libc = ctypes.CDLL(None)
        libc.malloc.restype, libc.free.argtypes, libc.memset.argtypes = ctypes.c_void_p, [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        blocks = [libc.malloc(100_000) for _ in range(1000)]
        for block in blocks:
            libc.memset(block, 1, 100_000)
        for block in blocks:
            libc.free(block)
        print(psutil.Process().memory_info().rss)
    """
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    rss = [
        int(subprocess.run([sys.executable, "-c", code, str(n)], env=kept, capture_output=True, check=True).stdout)
        for n in (65536, 2**30)
    ]
    assert rss[1] - rss[0] > 50_000_000
