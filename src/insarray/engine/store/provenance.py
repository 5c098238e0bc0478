"""Provenance attributes of stores (versions, command, time, conventions), and differences between jobs."""

import datetime as dt
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

from insarray.engine.program import PROGRAM, program_identity, program_name
from insarray.model.conventions import SIGN
from insarray.model.secrets import shown, shown_values

_LIBRARIES = ("numpy", "numba", "xarray", "dask", "zarr", "rasterio")


def provenance(fingerprint: str, command: str | None) -> dict[str, Any]:
    """Return attributes that record how a store was made.

    Parameters
    ----------
    fingerprint
        Identity of the job.
    command
        Command line, or None.
    """
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    versions = " ".join(f"{name}={importlib.metadata.version(name)}" for name in _LIBRARIES)
    return {
        "Conventions": "CF-1.11",
        "sign": SIGN,
        "history": shown(f"{now} {command or 'insarray.run'}"),
        "source": f"{PROGRAM}{program_name()}, Python {platform.python_version()}, {versions}",
        "job_fingerprint": fingerprint,
    }


def difference(job: Mapping[str, Any], new_job: Mapping[str, Any]) -> str:
    """Describe the existing job of a store that conflicts with the new one."""
    old, new = shown_values((job.get("options", {}), new_job.get("options", {})))
    follows = {"reference_lon", "reference_lat"}  # they follow from row and column, which are listed
    changed = sorted(k for k in (old.keys() | new.keys()) - follows if old.get(k) != new.get(k))
    text = ", ".join(f"{k} was {old.get(k)!r} and is now {new.get(k)!r}" for k in changed)
    if job.get("program") == program_identity():
        return f"holds another job ({text or 'other inputs or other variables'})"
    named = job.keys() >= {"program", "version"}
    made = f"insarray {job['version']} ({job['program']})" if named else "an earlier insarray"
    return (
        f"the program has changed{f' and the job, too ({text})' if text else ''}: it was begun by {made}, this is insarray "
        f"{program_name()}, and a store holds the results of one program; finish it with that one"
    )
