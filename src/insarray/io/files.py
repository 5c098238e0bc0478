"""Input files: patterns to paths, and the fingerprint by which a changed input is noticed."""

import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

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
    given = [files] if isinstance(files, str | Path) else list(files)
    if not given:
        raise ArgumentError(f"{argument}: the list is empty; give a folder, a pattern or files")
    found: set[Path] = set()
    for item in given:
        if not isinstance(item, str | Path):
            raise ArgumentError(f"{argument}: {item!r} is not a path; give a folder, a pattern or files")
        text = os.path.expanduser(item)
        if os.path.lexists(text):
            found.add(Path(os.path.abspath(text)))
        elif glob.has_magic(text):
            found |= _matches(text, argument)
        else:
            raise FileError(f"{argument}: {text} does not exist (working directory {os.getcwd()})")
    return sorted(found)


def _matches(pattern: str, argument: str) -> set[Path]:
    matches = {Path(os.path.abspath(match)) for match in glob.glob(pattern, recursive=True)}
    if not matches:
        raise ArgumentError(f"{argument}: nothing matches {pattern!r} (working directory {os.getcwd()})")
    return matches


def fingerprint(paths: Iterable[str | Path], *decoding: object) -> str:
    """SHA-256 (hex) of absolute paths, sizes and modification times, and of how the files are decoded."""
    digest = hashlib.sha256()
    for path in paths:
        for name, stat in _members(path):
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    digest.update(repr(decoding).encode())
    return digest.hexdigest()


def _members(path: str | Path) -> Iterable[tuple[str, os.stat_result]]:
    """A file, or every file of a folder (a Zarr store), with its status."""
    text = os.path.abspath(path)
    try:
        if not os.path.isdir(text):
            return [(text, os.stat(text))]
        names = sorted(os.path.join(folder, name) for folder, _, inside in os.walk(text) for name in inside)
        return [(name, os.stat(name)) for name in names]
    except OSError as error:
        raise FileError(f"{error.filename or text}: cannot be read ({error.strerror})") from error


def names(paths: Iterable[str | Path], limit: int = 5) -> str:
    """The first few file names, for a message."""
    listed = [Path(path).name for path in paths]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
