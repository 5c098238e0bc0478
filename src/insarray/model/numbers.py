"""Parse numbers in tables, options and sidecar files, more strictly than Python."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

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


def plain_numbers(texts: Sequence[str]) -> "np.ndarray":
    """Parse many numbers as `plain_number` does; also ``nan``, and empty text, which is NaN, too.

    Raises
    ------
    ValueError
        If a text is something else.
    """
    import numpy as np

    joined = "".join(texts)
    if joined.isascii() and "_" not in joined:  # nearly always; Python's float is much faster
        try:
            values = np.array([float(text) for text in texts])
        except ValueError:
            pass
        else:
            if not np.isinf(values).any():
                return values
    return np.array([np.nan if text.strip().lower() in ("", "nan") else plain_number(text) for text in texts])
