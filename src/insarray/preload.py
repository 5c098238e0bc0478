"""Set up a Dask worker before its first block: ``dask worker --preload insarray.preload``.

Applies the settings of Dask's nanny and ``deploy/dask.yaml`` where they are missing, and loads the compiled kernels, so
that the first block does not wait for them.
"""

import ctypes
import logging
import os
import sys
from typing import Any

_TRIM_THRESHOLD = 65536
_M_TRIM_THRESHOLD = -1  # malloc.h of glibc
_ENVIRONMENT = {"NUMBA_NUM_THREADS": "1", "GDAL_CACHEMAX": "64", "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD)}
"""GDAL's cache in megabytes, as windows are read once. The last one is for child processes."""

logger = logging.getLogger("distributed.insarray")


def dask_setup(worker: Any) -> None:
    """Prepare the worker; called by Dask before it takes tasks."""
    prepare()
    logger.info("insarray is ready on %s", worker.name)


def prepare() -> None:
    """Limit library threads to one, enable memory trimming, and load kernels; existing settings are kept."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before the libraries that read it are loaded
    _trim_memory()
    from threadpoolctl import threadpool_limits

    _warm_up()
    threadpool_limits(1, "blas")  # for the libraries loaded so far, in the whole process


def _trim_memory() -> None:
    """Make glibc return freed memory, as it reads the environment variable only at process start."""
    if sys.platform != "linux":
        return
    malloc_options = getattr(ctypes.CDLL(None), "mallopt", None)  # not in other C libraries
    if malloc_options is not None:
        malloc_options(_M_TRIM_THRESHOLD, int(os.environ["MALLOC_TRIM_THRESHOLD_"]))


def _warm_up() -> None:
    """Invert a few pixels, to compile or load the kernels of a typical job."""
    from insarray import warm_up
    from insarray.kernels import compiled

    if not compiled.can_keep():
        logger.warning("no writable place for compiled kernels: every worker compiles its own; set NUMBA_CACHE_DIR")
    warm_up.run("invert, weighted")
    warm_up.run("fit")
