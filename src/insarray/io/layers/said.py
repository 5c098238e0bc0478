"""Metadata of rasters in any common form: no-data value, unit, and kind of layer from the file name."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from insarray.io.files import name_of

_NODATA_TAGS = (
    "_fillvalue",
    "missing_value",
    "fill_value",
    "nodata",
    "no_data",
    "nodata_value",
    "no_data_value",
    "data_ignore_value",
)
_UNIT_TAGS = ("units", "unit", "unittype", "unit_type", "data_units", "data_unit", "band_units", "bunit")
"""Tags for the unit of the band or file, by program: rioxarray `units`, PyRate `DATA_UNITS`, ..."""

_NOT_SAID = {"", "1", "-", "none", "unknown", "unitless", "dimensionless", "n/a", "na", "undefined"}
_WORDS = {
    "displacement": r"displacement|disp",
    "phase": r"unw|unwrapped|unw_?phase|unwrapped_?phase",
    "coherence": r"cc|coh|coherence|cor|corr|correlation",
    "components": r"conn?_?comps?|connected_component(s|_labels)|ccl|components",
}
# a word starts the name or follows a separator, and precedes one; the last such word decides
_WORD = {kind: re.compile(rf"(?:^|[-_.])(?:{words})(?=[-_.])", re.IGNORECASE) for kind, words in _WORDS.items()}
_NAMED_UNIT = {
    "mm": re.compile(r"(?:^|[-_.])mm(?=[-_.])", re.IGNORECASE),
    "cm": re.compile(r"(?:^|[-_.])cm(?=[-_.])", re.IGNORECASE),
}
KINDS = tuple(_WORDS)


def kind_by_name(name: str) -> str | None:
    """Return the kind in `KINDS` of the last known word in a file name, or None."""
    ended = f"{name}."  # include the extension, such as .unw
    last = {kind: found[-1].start() for kind, word in _WORD.items() if (found := list(word.finditer(ended)))}
    return max(last, key=lambda kind: last[kind]) if last else None


def no_data_of(*said: float | None, tags: Iterable[Mapping[str, str]] = ()) -> tuple[float, ...]:
    """Return the no-data values besides NaN, of the band and of tags."""
    values = [value for value in said if value is not None]
    for mapping in tags:
        known = {name.lower().replace(" ", "_"): text for name, text in mapping.items()}
        values += [value for tag in _NODATA_TAGS for value in _numbers(known.get(tag, ""))]
    return tuple(dict.fromkeys(value for value in values if math.isfinite(value)))


def with_given(own: tuple[float, ...], given: float | None) -> tuple[float, ...]:
    """Combine no-data values of a file with the given option; NaN means that no other value is no-data."""
    if given is None:
        return own
    return () if math.isnan(given) else tuple(dict.fromkeys((*own, given)))


def _numbers(text: str) -> list[float]:
    """Return the numbers in a tag, which may list several with commas, semicolons or spaces; none if it is other text."""
    try:
        return [float(part) for part in re.split(r"[\s,;]+", text.strip(" \t{}[]()")) if part]
    except ValueError:
        return []


def unit_of(unit: str | None, *tags: Mapping[str, Any]) -> str:
    """Return the unit in lower case: of the band, else of the first tag that states one; empty if none does."""
    listed = [{name.lower().replace(" ", "_"): text for name, text in mapping.items()} for mapping in tags]
    found = (unit, *(known.get(tag) for known in listed for tag in _UNIT_TAGS))
    texts = (str(text).strip().lower() for text in found if text is not None)
    return next((text for text in texts if text not in _NOT_SAID), "")


def unit_by_name(path: str, gdal_name: str) -> str:
    """Return the unit from the name of a displacement file or its variable; empty for other names.

    `displacement` in a name means metres unless the name contains mm or cm.
    """
    variable = gdal_name.rpartition(":")[2] if gdal_name.startswith("NETCDF:") else ""
    names = [f"{variable.rpartition('/')[2]}.", name_of(path)] if variable else [name_of(path)]
    for name in names:
        if kind_by_name(name) == "displacement":
            return next((unit for unit, word in _NAMED_UNIT.items() if word.search(name_of(path))), "m")
        if kind_by_name(name) is not None:
            return ""
    return ""
