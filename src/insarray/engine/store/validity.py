"""Validate the records, the job and the metadata of a store, which may be valid JSON with other content."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from insarray.engine.store.statistics import Totals
from insarray.model.errors import InsarrayError, VerificationError
from insarray.model.secrets import cause_of


def is_record(record: Mapping[str, Any], block: tuple[int, int], fingerprint: str) -> bool:
    """Return whether `record` is a complete record of a block of a job."""
    checksums = record.get("checksums")
    if record.get("fingerprint") != fingerprint or record.get("block") != list(block):
        return False
    if not isinstance(checksums, dict) or not all(map(_is_number, checksums.values())):
        return False
    try:
        told = Totals([record]).report()
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return False
    return all(_is_number(told[name]) for name in ("pixels", "valid_pixels", "bytes"))


def is_job(job: Mapping[str, Any]) -> bool:
    """Return whether `job` states fingerprint, block sizes and state of a store."""
    texts = (job.get(name) for name in ("fingerprint", "state"))
    sizes = (job.get(name) for name in ("rows", "cols"))
    options = job.get("options", {})
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(parts, list) and all(_is_number(part) and part > 0 for part in parts) for parts in sizes)
        and isinstance(options, dict)
    )


def open_valid(source: Any, url: str, job: Mapping[str, Any]) -> xr.Dataset:
    """Open a Zarr store lazily, with all dates, pairs or loops of a block in one chunk.

    Parameters
    ----------
    source
        What Zarr reads from.
    url
        Of the store, for messages.
    job
        Its job, with the sizes of its blocks.

    Raises
    ------
    VerificationError
        If its metadata are damaged, or state sizes other than those of the job.
    """
    try:
        dataset: xr.Dataset = xr.open_zarr(source, chunks={"time": -1, "loop": -1, "pair": -1}, consolidated=True)
    except (OSError, MemoryError, InsarrayError):
        raise
    except Exception as error:  # of damaged metadata Zarr and xarray raise various exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise VerificationError(
            f"{url}: its metadata are damaged ({reason[:300]}); start over with --restart, or download it again"
        ) from cause_of(error)
    whole = {name: sum(job[key]) for name, key in (("y", "rows"), ("x", "cols")) if name in dataset.dims}
    if any(dataset.sizes[name] != size for name, size in whole.items()):
        raise VerificationError(
            f"{url}: its metadata are damaged (sizes {dict(dataset.sizes)}, but {whole} in its job); start over with "
            "--restart, or download it again"
        )
    for name, variable in dataset.variables.items():
        stored = variable.encoding.get("chunks") or ()
        if any(chunk < 1 or chunk > 2 * max(size, 1) for chunk, size in zip(stored, variable.shape, strict=False)):
            raise VerificationError(
                f"{url}: its metadata are damaged (chunks {tuple(stored)} of {name}, whose shape is {variable.shape}); "
                "start over with --restart, or download it again"
            )
    return dataset


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
