"""Patience with servers: what a store or an input behind a URL refuses is tried again, a full disk is not."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from insarray.io.locations import is_url
from insarray.model.errors import FileError

Result = TypeVar("Result")

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before each new attempt; the clients of the servers have tried several times by then."""

_FINAL = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def with_retries(call: Callable[[], Result], url: str) -> Result:
    """Result of `call`, which writes to `url`; tried again while a server is to blame, then its error."""
    for pause in PAUSES:
        try:
            return call()
        except (OSError, FileError) as error:
            if not _by_a_server(error, url):
                raise
        time.sleep(pause)
    return call()


def _by_a_server(error: OSError | FileError, url: str) -> bool:
    """Whether the next attempt may go better: readers name the file in their message, systems give a number."""
    if isinstance(error, FileError):
        return is_url(str(error).split(": ")[0])
    return is_url(url) and error.errno not in _FINAL
