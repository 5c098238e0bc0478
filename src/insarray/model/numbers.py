"""Parse numbers in tables, options and sidecar files, more strictly than Python."""

import math
import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")


def plain_number(text: str) -> float:
    """Parse a finite number in ASCII digits without underscores; the exponent may be Fortran's.

    Raises
    ------
    ValueError
        If the text is something else, such as ``1_000``, ``nan``, ``inf`` or digits of other scripts.
    """
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    value = float(text.replace("d", "e").replace("D", "e"))
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def plain_whole(text: str) -> int:
    """Parse an integer in ASCII digits; raise ValueError for other text."""
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)
