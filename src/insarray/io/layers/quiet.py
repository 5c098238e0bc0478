"""Warnings of rasterio that say nothing new, left out in any number of threads."""

import threading
import warnings

from rasterio.errors import NotGeoreferencedWarning


class quiet_warnings:  # noqa: N801 (a context manager)
    """Drop NotGeoreferencedWarning; the filters belong to the process: the first thread in sets, the last restores."""

    _lock = threading.Lock()
    _inside = 0
    _filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        cls = type(self)
        with cls._lock:
            if cls._inside == 0:
                cls._filters = warnings.catch_warnings()
                cls._filters.__enter__()
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
            cls._inside += 1

    def __exit__(self, *error: object) -> None:
        cls = type(self)
        with cls._lock:
            cls._inside -= 1
            if cls._inside == 0:
                cls._filters.__exit__(None, None, None)
