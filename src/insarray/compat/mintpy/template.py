"""Parse MintPy's template files: ``key = value  # comment``, where `auto` keeps the default."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number

Parser = Callable[[str], Any]
"""Function that parses an option; raises ValueError with the possible values."""

_OFF = {"no", "none", "false", "off", "n", "f"}
_ON = {"yes", "true", "on", "y", "t"}


@dataclass(frozen=True)
class Entry:
    """Text of a key, and the name of its file."""

    text: str
    file: str


def read_templates(paths: Iterable[str | Path]) -> dict[str, Entry]:
    """Read the entries of template files by key; for repeated keys the last file is used.

    Raises
    ------
    FileError
        If a file cannot be read as text.
    """
    entries: dict[str, Entry] = {}
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{path}: cannot be read as a template ({error})") from error
        for line in lines:
            key, equals, rest = line.partition("=")
            text = rest.split("#")[0].strip()
            if equals and text and not line.lstrip().startswith(("#", "%", "!")):
                entries[key.strip()] = Entry(text, str(path))
    return entries


def options_of(
    entries: Mapping[str, Entry], step: str, known: Mapping[str, tuple[str, Parser]], others: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the options that the templates set for one step of MintPy.

    Parameters
    ----------
    entries
        Result of `read_templates`.
    step
        Prefix of the keys, such as ``mintpy.networkInversion``.
    known
        Name and parser of each option, by the last part of the key.
    others
        Last parts of keys that belong to another program.

    Raises
    ------
    ArgumentError
        If a value is not supported; the message names file and key.
    """
    found: dict[str, Any] = {}
    for key, entry in entries.items():
        prefix, _, rest = key.rpartition(".")
        if prefix != step or rest in others or entry.text.lower() == "auto":
            continue
        if rest not in known:
            raise ArgumentError(f"{entry.file}: {key} is not known here; known are {', '.join(sorted(known))}")
        name, parse = known[rest]
        try:
            found[name] = parse(entry.text)
        except ValueError as error:
            raise ArgumentError(f"{entry.file}: {key} = {entry.text!r} cannot be honoured; {error}") from error
    return found


# -- parsers --------------------------------------------------------------------------------------------------------


def is_off(text: str) -> bool:
    """Return whether a value means "no"."""
    return text.lower() in _OFF


def yes(text: str) -> bool:
    """Parse yes or no."""
    if text.lower() not in _ON | _OFF:
        raise ValueError("it is yes or no")
    return text.lower() in _ON


def only(*possible: str) -> Parser:
    """Return a parser for a fixed set of words; "no" in any spelling is "no"."""

    def parse(text: str) -> str:
        word = "no" if is_off(text) else text
        if word not in possible:
            raise ValueError(f"it is one of {', '.join(possible)}")
        return word

    return parse


def path(text: str) -> str | None:
    """Return a path with home folder and variables expanded; None for "no"."""
    return None if is_off(text) else os.path.expandvars(os.path.expanduser(text))


def number(least: float) -> Parser:
    """Return a parser for numbers of at least `least`."""

    def parse(text: str) -> float:
        try:
            value = plain_number(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise ValueError(f"it is a number, at least {least:g}")
        return value

    return parse


def degree(text: str) -> int:
    """Parse the degree of a polynomial, as in `insarray.fit`."""
    if text not in ("0", "1", "2", "3"):
        raise ValueError("it is 0, 1, 2 or 3")
    return int(text)


def words(text: str) -> tuple[str, ...]:
    """Split at commas, semicolons or blanks, without brackets; empty for "no"."""
    listed = text.strip("[]").replace(";", ",").replace(",", " ").split()
    return () if is_off(text) else tuple(word.strip("'\"") for word in listed)


def numbers(text: str) -> tuple[float, ...]:
    """Split as `words` and convert to numbers."""
    try:
        return tuple(plain_number(word) for word in words(text))
    except ValueError:
        raise ValueError("it is a list of numbers, such as 1,0.5") from None


def relaxations(text: str) -> tuple[tuple[str, ...], ...]:
    """Parse date and days of each relaxation: ``20110311,60,120;20170908,120``."""
    if is_off(text):
        return ()
    return tuple(words(part) for part in text.strip("[]").replace("/", ";").replace("|", ";").split(";"))
