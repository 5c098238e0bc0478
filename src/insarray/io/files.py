"""Input files: patterns to paths, and the fingerprint by which a changed input is noticed."""

import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from insarray.io.locations import exists, is_url, location, matches, stamp
from insarray.io.source import Files
from insarray.model.errors import ArgumentError, FileError


def expand(files: Files, argument: str) -> list[Path]:
    """Existing paths for a path, a glob pattern (``**`` too) or a list of them; sorted, each once.

    Raises
    ------
    ArgumentError
        If a pattern matches nothing, or nothing was given.
    FileError
        If a path does not exist.
    """
    given: list[object] = [files] if isinstance(files, str | Path) or is_url(files) else list(files)
    if not given:
        raise ArgumentError(f"{argument}: the list is empty; give a folder, a pattern or files")
    found: set[Path] = set()
    for item in given:
        if not isinstance(item, str | Path) and not is_url(item):
            raise ArgumentError(f"{argument}: {item!r} is not a path; give a folder, a pattern or files")
        text = str(item)
        path = location(text)
        if exists(path):
            found.add(path)
        elif glob.has_magic(text):
            found |= _matches(text, argument)
        else:
            raise FileError(f"{argument}: {text} does not exist" + _here(text))
    return sorted(found, key=str)


def _matches(pattern: str, argument: str) -> set[Path]:
    found = set(matches(pattern))
    if not found:
        raise ArgumentError(f"{argument}: nothing matches {pattern!r}" + _here(pattern))
    return found


def _here(text: str) -> str:
    return "" if is_url(text) else f" (working directory {os.getcwd()})"


def fingerprint(paths: Iterable[str | Path], *decoding: object) -> str:
    """SHA-256 (hex) of absolute paths, sizes and modification times, and of how the files are decoded."""
    digest = hashlib.sha256()
    for path in paths:
        for name, version in stamp(str(path)) if is_url(path) else _members(path):
            digest.update(f"{name}\0{version}\n".encode())
    digest.update(repr(decoding).encode())
    return digest.hexdigest()


def _members(path: str | Path) -> Iterable[tuple[str, str]]:
    """A file, or every file of a folder (a Zarr store), with its size and age."""
    text = os.path.abspath(path)
    try:
        if not os.path.isdir(text):
            return [(text, _version(text))]
        inside = sorted(os.path.join(folder, name) for folder, _, files in os.walk(text) for name in files)
        return [(name, _version(name)) for name in inside]
    except OSError as error:
        raise FileError(f"{error.filename or text}: cannot be read ({error.strerror})") from error


def _version(path: str) -> str:
    stat = os.stat(path)
    return f"{stat.st_size}\0{stat.st_mtime_ns}"


def name_of(path: str | Path) -> str:
    """Last part of a path or URL."""
    return str(path).rstrip("/").rpartition("/")[2]


def names(paths: Iterable[str | Path], limit: int = 5) -> str:
    """The first few file names, for a message."""
    listed = [name_of(path) for path in paths]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
