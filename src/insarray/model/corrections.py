"""Corrections by name: which are there, which contain each other, and which a dataset has already."""

from collections.abc import Iterable, Mapping
from typing import Any

from insarray.model.errors import ArgumentError

ATTRIBUTES = ("corrections", "correction_sources")
"""Attributes of a dataset: names of what was subtracted, joined by blanks, and where each is from."""

UNCORRECTED = {"displacement": "uncorrected_displacement", "unwrapped_phase": "uncorrected_phase"}
"""What the layers were before the first correction."""

_PARTS = {"troposphere": ("troposphere_wet", "troposphere_hydrostatic")}
"""Corrections that are sums of others."""


def applied(attrs: Mapping[Any, Any]) -> tuple[str, ...]:
    """Names of the corrections that a dataset has, by its attributes."""
    return tuple(str(attrs.get("corrections", "")).split())


def record(attrs: Mapping[Any, Any], sources: Mapping[str, str]) -> dict[str, str]:
    """Attributes of a dataset that has lost further corrections.

    Parameters
    ----------
    attrs
        Of the dataset before.
    sources
        Where each correction is from, by name.
    """
    before = [attrs["correction_sources"]] if attrs.get("correction_sources") else []
    said = [f"{name}: {source}" for name, source in sources.items()]
    return {
        "corrections": " ".join([*applied(attrs), *sources]),
        "correction_sources": "; ".join([*map(str, before), *said]),
    }


def require_new(names: Iterable[str], attrs: Mapping[Any, Any]) -> None:
    """Raise ArgumentError if a correction, a part or the whole of it was applied already, or is given twice."""
    moved = str(attrs.get("plate_motion", "")).startswith("removed")  # by change_frame
    have = [*applied(attrs), *["plate_motion"] * moved]
    given: list[str] = []
    for name in names:
        before = next((other for other in [*have, *given] if _overlap(name, other)), None)
        if before is not None:
            what = "given together with" if before in given else "applied already, as"
            raise ArgumentError(f"corrections: {name} is {what} {before}; apply each once, and a sum without its parts")
        given.append(name)


def _overlap(name: str, other: str) -> bool:
    return name == other or other in _PARTS.get(name, ()) or name in _PARTS.get(other, ())
