"""Streams whose text has no secrets: the output of other packages, and that of worker processes."""

import logging
import sys
from typing import Any

from insarray.model.secrets import shown
from insarray.model.text import printable


class ShownStream:
    """Wrapper of a stream that removes secrets from the output of other packages.

    Parameters
    ----------
    stream
        Text stream, such as sys.stderr.
    escape
        Escape control characters, too: not on a terminal, on which progress bars need them.
    """

    def __init__(self, stream: Any, *, escape: bool = False) -> None:
        self._stream, self._escape = stream, escape

    def write(self, text: Any) -> Any:
        """Write text; bytes are passed on to the stream, which refuses them."""
        if not isinstance(text, str):
            return self._stream.write(text)
        return self._stream.write(printable(shown(text)) if self._escape else shown(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def filter_output() -> None:
    """Filter what this process prints and logs from now on; for worker processes, before their first block."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, ShownStream):
            continue
        filtered: Any = ShownStream(stream, escape=True)
        setattr(sys, name, filtered)
        for handler in handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                handler.stream = filtered
