"""Readers of other packages, found by the entry point group `insarray.readers` and checked."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from insarray.io.source import Options, Reader, StackSource
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackWarning

GROUP = "insarray.readers"
_TEXTS = ("name", "looks_for")
_METHODS = ("recognises", "scan")


def third_party() -> Iterator[Reader]:
    """Yield the readers of installed packages by name; warn (StackWarning) about broken ones and skip them."""
    for found in _installed():
        try:
            yield _load(found)
        except ArgumentError as error:
            warnings.warn(f"{error}; it is left out", StackWarning, stacklevel=4)


def third_party_named(name: str) -> Reader | None:
    """Return the reader of this name, or None.

    Raises
    ------
    ArgumentError
        If it exists but is broken.
    """
    installed = _installed()
    for found in installed:
        if found.name == name:
            return _load(found)
    return next((reader for reader in third_party() if reader.name == name), None)


def third_party_names() -> list[str]:
    """Return the names of the entry points, without importing packages."""
    return [found.name for found in _installed()]


def _installed() -> list[EntryPoint]:
    changed = []
    for folder in sys.path:
        with suppress(OSError):
            changed.append((folder, os.stat(folder or ".").st_mtime_ns))
    return _entry_points(tuple(changed))


@lru_cache(maxsize=1)
def _entry_points(folders: tuple[tuple[str, int], ...]) -> list[EntryPoint]:
    """Return the entry points; `folders` of packages and times of change: looking through all packages takes long."""
    return sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value))


def _load(found: EntryPoint) -> Reader:
    package = found.dist.name if found.dist is not None else found.value.partition(":")[0]
    try:
        loaded = found.load()
        reader = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:  # importing a package may raise anything
        raise ArgumentError(
            f"product: the reader {found.name!r} of the package {package} cannot be loaded ({_line(error)}); "
            "mend or uninstall the package"
        ) from error
    problem = problem_of(reader)
    if problem is not None:
        raise ArgumentError(f"product: the reader {found.name!r} of the package {package} {problem}")
    return cast("Reader", reader)


def problem_of(reader: object) -> str | None:
    """Return why an object is not a valid `Reader`, or None."""
    if isinstance(reader, type):
        return f"is a class; give an object, {reader.__name__}()"
    for name in _TEXTS:
        if not isinstance(getattr(reader, name, None), str) or not getattr(reader, name):
            return f"has no {name}, a text; a reader has name, looks_for, options, recognises and scan"
    for name in _METHODS:
        if not callable(getattr(reader, name, None)):
            return f"has no method {name}; a reader has name, looks_for, options, recognises and scan"
    options = getattr(reader, "options", None)
    if not isinstance(options, frozenset | set):
        return "has no options, a set of the names of those of open_stack that apply to it"
    unknown = sorted(map(str, options - set(Options.__dataclass_fields__)))
    if unknown:
        return f"has the options {', '.join(unknown)}, which open_stack does not; known: {', '.join(Options.__dataclass_fields__)}"
    return None


def asked(reader: Reader, path: Path) -> bool:
    """Return whether the reader recognises a path; False with a StackWarning if it raises."""
    try:
        return bool(reader.recognises(path))
    except Exception as error:  # the protocol forbids it, but this is external code
        warnings.warn(
            f"the reader {reader.name!r} failed at recognising {path} ({_line(error)}); it is left out",
            StackWarning,
            stacklevel=4,
        )
        return False


def scanned(reader: Reader, paths: list[Path], options: Options) -> StackSource:
    """Return the source scanned by an external reader.

    Raises
    ------
    InsarrayError
        The reader's own, or FileError for any other exception.
    """
    try:
        source = reader.scan(paths, options)
    except InsarrayError:
        raise
    except Exception as error:
        raise FileError(
            f"files: the reader {reader.name!r} failed ({_line(error)}); report it to its authors"
        ) from error
    if not isinstance(source, StackSource) or "unwrapped_phase" not in source.layers:
        found = "no unwrapped_phase" if isinstance(source, StackSource) else type(source).__name__
        raise FileError(f"files: the reader {reader.name!r} returned {found}; it must be a StackSource with that layer")
    return source


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
