"""Numbers of tables, options and sidecar files: as people write them, and no other text that Python takes for one."""

import math
import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")


def plain_number(text: str) -> float:
    """A finite number in Arabic numerals of ASCII, without underscores; the exponent may be that of Fortran.

    Raises
    ------
    ValueError
        If the text is something else, such as ``1_000``, ``nan``, ``inf`` or digits of another script.
    """
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    value = float(text.replace("d", "e").replace("D", "e"))
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def plain_whole(text: str) -> int:
    """A whole number in the same numerals; ValueError for other text."""
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)
