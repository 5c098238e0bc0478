"""Checksums of the windows of a store, by which what is read back is compared with what was written."""

import zlib
from typing import Any

import numpy as np

from insarray.engine.plan import Window
from insarray.model.errors import VerificationError


def differs(array: Any, window: Window, checksum: int) -> str | None:
    """What is wrong with a window of an array, if anything."""
    try:
        same = checksum_of(np.asarray(array[(..., *window)])) == checksum
    except (
        OSError,
        ValueError,
        RuntimeError,
        VerificationError,
    ) as error:  # the codecs raise what they like on bad bytes
        return str(error)
    return None if same else "content differs from its checksum"


def unreadable_reason(array: Any) -> str | None:
    """What is wrong with an array that is read whole, if anything; its codec has a checksum."""
    try:
        array[...]
    except (OSError, ValueError, RuntimeError, VerificationError) as error:
        return str(error)
    return None


def checksum_of(values: np.ndarray) -> int:
    """Checksum of values, whatever their layout in memory."""
    return zlib.crc32(np.ascontiguousarray(values).tobytes())
