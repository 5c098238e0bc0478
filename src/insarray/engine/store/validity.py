"""Validate the records and the job of a store, which may be valid JSON with other content."""

from collections.abc import Mapping
from typing import Any

from insarray.engine.store.statistics import Totals


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


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
