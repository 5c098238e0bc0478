"""Where a result comes from: versions, command, time, conventions; attributes of every store."""

import datetime as dt
import importlib.metadata
import platform
from typing import Any

from insarray.engine.program import program_identity
from insarray.model.conventions import SIGN

_LIBRARIES = ("numpy", "numba", "xarray", "dask", "zarr", "rasterio")


def provenance(fingerprint: str, command: str | None) -> dict[str, Any]:
    """Attributes that say how a store was made.

    Parameters
    ----------
    fingerprint
        Identity of the job.
    command
        The command line, if there was one.
    """
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    versions = " ".join(f"{name}={importlib.metadata.version(name)}" for name in _LIBRARIES)
    return {
        "Conventions": "CF-1.11",
        "sign": SIGN,
        "history": f"{now} {command or 'insarray.run'}",
        "source": f"insarray {program_identity()}, Python {platform.python_version()}, {versions}",
        "job_fingerprint": fingerprint,
    }
