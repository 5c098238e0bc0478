"""Retry operations on servers that fail for transient reasons."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from insarray.io.locations import is_url
from insarray.model.errors import FileError

Result = TypeVar("Result")

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before each new attempt; the clients of the servers retry several times on their own."""

_FINAL = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def with_retries(call: Callable[[], Result], url: str) -> Result:
    """Return the result of `call`, which writes to `url`; retry errors of a server, then raise the last one."""
    for pause in PAUSES:
        try:
            return call()
        except (OSError, FileError) as error:
            if not _by_a_server(error, url):
                raise
        time.sleep(pause)
    return call()


def _by_a_server(error: OSError | FileError, url: str) -> bool:
    """Return whether a retry may succeed: a reader's message begins with the URL, an OSError has an error number."""
    if isinstance(error, FileError):
        return is_url(str(error).split(": ")[0])
    return is_url(url) and error.errno not in _FINAL
