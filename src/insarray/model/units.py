"""Units as people write them, and the factor to the unit of the data model."""

import re

from insarray.model.conventions import UNITS

_PREFIXES = {"": 1.0, "m": 1e-3, "milli": 1e-3, "c": 1e-2, "centi": 1e-2}
_PER_YEAR = re.compile(r"(\s*/\s*(years?|yr|a|y)|[\s*.]+(years?|yr|a|y)(\^|\*\*)?-1)$")


def factor_to(unit: str, stated: object) -> float | None:
    """Factor from a stated unit to `unit`, "m" or "m/year"; None if it is not known.

    Examples
    --------
    >>> factor_to("m", "mm"), factor_to("m/year", "centimetres / year"), factor_to("m", "feet")
    (0.001, 0.01, None)
    """
    text = str(stated).strip().lower()
    length = _PER_YEAR.sub("", text)
    if (length != text) != (unit == "m/year"):
        return None
    for prefix, factor in _PREFIXES.items():
        if length.startswith(prefix) and length.removeprefix(prefix) in UNITS["m"]:
            return factor
    return None
