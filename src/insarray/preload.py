"""What a Dask worker does before its first block: ``dask worker --preload insarray.preload``.

It makes sure of what Dask's nanny and ``deploy/dask.yaml`` set when they start the process, also where neither is there,
and loads the compiled kernels, so that the first block does not wait for them.
"""

import ctypes
import logging
import os
import sys
from typing import Any

_TRIM_THRESHOLD = 65536
_M_TRIM_THRESHOLD = -1  # malloc.h of glibc
_ENVIRONMENT = {"NUMBA_NUM_THREADS": "1", "GDAL_CACHEMAX": "64", "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD)}
"""GDAL's cache in megabytes; a window is read once. The last is for processes that this one starts."""

logger = logging.getLogger("distributed.insarray")


def dask_setup(worker: Any) -> None:
    """Called by Dask in every worker, before it takes tasks."""
    prepare()
    logger.info("insarray is ready on %s", worker.name)


def prepare() -> None:
    """One thread for each library, memory given back, kernels loaded; what the environment sets already is kept."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before the libraries are loaded that read it
    _trim_memory()
    from threadpoolctl import threadpool_limits

    _warm_up()
    threadpool_limits(1, "blas")  # of the libraries that are loaded by now, for the whole process


def _trim_memory() -> None:
    """Let glibc give freed memory back, which it reads from the environment only when the process starts."""
    if sys.platform != "linux":
        return
    malloc_options = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if malloc_options is not None:
        malloc_options(_M_TRIM_THRESHOLD, int(os.environ["MALLOC_TRIM_THRESHOLD_"]))


def _warm_up() -> None:
    """Invert a few pixels: what compiles or loads the kernels of a usual job."""
    from insarray import warm_up
    from insarray.kernels import compiled

    if compiled._CACHE is None:
        logger.warning("no writable place for compiled kernels: every worker compiles its own; set NUMBA_CACHE_DIR")
    warm_up.run("invert, weighted")
