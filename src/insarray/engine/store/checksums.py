"""Checksums of windows of a store, to verify that stored values are those written."""

import re
import zlib
from typing import Any

import numpy as np

from insarray.engine.plan import Window
from insarray.model.errors import StoreError, VerificationError

_DAMAGED = re.compile("computed checksum do not match|error during blosc decompression", re.IGNORECASE)
"""What the codecs of a store say of damaged chunks."""


def of_damaged_chunk(error: BaseException) -> bool:
    """Return whether an error is, or quotes, that of a codec for a damaged chunk, or one that is being replaced."""
    return isinstance(error, ValueError | RuntimeError | StoreError) and _DAMAGED.search(str(error)) is not None


def differs(array: Any, window: Window, checksum: int) -> str | None:
    """Return what is wrong with a window of an array, or None."""
    try:
        same = checksum_of(np.asarray(array[(..., *window)])) == checksum
    except (
        OSError,
        ValueError,
        RuntimeError,
        VerificationError,
    ) as error:  # codecs raise various exceptions for damaged data
        return str(error)
    return None if same else "content differs from its checksum"


def unreadable_reason(array: Any) -> str | None:
    """Return the error of reading a whole array, whose codec verifies a checksum, or None."""
    try:
        array[...]
    except (OSError, ValueError, RuntimeError, VerificationError) as error:
        return str(error)
    return None


def checksum_of(values: np.ndarray) -> int:
    """Return the checksum of values, independent of their memory layout."""
    return zlib.crc32(np.ascontiguousarray(values).tobytes())
