"""Print text without terminal control characters, passwords, keys and signatures."""

import logging

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
