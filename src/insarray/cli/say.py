"""Print text without terminal control characters, passwords, keys and signatures."""

import logging
from typing import Any

import click

from insarray.model.secrets import shown
from insarray.model.text import one_line, printable


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print text to stdout or stderr, without control characters and secrets."""
    click.echo(printable(shown(text)), err=err, nl=nl)


class ShownFormatter(logging.Formatter):
    """Formatter of log lines without control characters and secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        whole = logging.makeLogRecord({**record.__dict__, "msg": one_line(record.getMessage()), "args": None})
        return printable(shown(super().format(whole)))


class ShownStream:
    """Wrapper of a stream that removes secrets from the output of other packages.

    Parameters
    ----------
    stream
        Text stream, such as sys.stderr.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: Any) -> Any:
        """Write text; bytes are passed on to the stream, which refuses them."""
        return self._stream.write(shown(text) if isinstance(text, str) else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
