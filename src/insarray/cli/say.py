"""What commands print: nothing that controls a terminal, no password, key or signature."""

import logging
from typing import Any

import click

from insarray.model.secrets import shown
from insarray.model.text import one_line, printable


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a text to stdout, or to stderr, as it may be shown."""
    click.echo(printable(shown(text)), err=err, nl=nl)


class ShownFormatter(logging.Formatter):
    """Lines of a log as they may be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a message of several is put into one."""
        whole = logging.makeLogRecord({**record.__dict__, "msg": one_line(record.getMessage()), "args": None})
        return printable(shown(super().format(whole)))


class ShownStream:
    """A stream without secrets in what other packages write to it, and else the same.

    Parameters
    ----------
    stream
        Of text, such as sys.stderr.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: Any) -> Any:
        """Write a text; bytes are left to the stream, which refuses them."""
        return self._stream.write(shown(text) if isinstance(text, str) else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
