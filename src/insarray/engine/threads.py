"""Compute in threads without importing distributed, which takes longer than many commands compute."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads_without_distributed() -> Iterator[None]:
    """Let Dask compute in threads: by default, or by that name, it imports distributed first to look for a client."""
    if "dask" not in sys.modules or "distributed" in sys.modules:
        yield
        return
    import dask.threaded

    with dask.config.set(scheduler=dask.threaded.get):
        yield
