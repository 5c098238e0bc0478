"""Identity of the running program: a hash of its sources at import time."""

import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable

from insarray._version import __version__

_COMPUTES = ("model", "kernels", "io", "engine", "products", "compat")
"""Folders whose code determines stored values; the others only plot or write them."""

PROGRAM = "insarray "
"""Beginning of the attribute `source` of what this program has written."""

_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")


def program_identity() -> str:
    """Return the hash of the sources, such as ``3f2a9c81d04b``; results of other sources may differ.

    It is the same for a wheel, a checkout and an editable install of the same sources. The version is not part of it:
    that of a checkout dates from its last build, and changes with commits that compute the same.
    """
    return _IDENTITY


def program_name() -> str:
    """Return version and identity for display: ``0.1.0 (3f2a9c81d04b)``."""
    return f"{__version__} ({_IDENTITY})"


@cache
def libraries() -> tuple[tuple[str, str], ...]:
    """Return names and versions of Python and the numerical libraries; results may differ between versions."""
    versions = [(name, str(import_module(name).__version__)) for name in _LIBRARIES]
    return (("Python", ".".join(platform.python_version_tuple()[:2])), *versions)


def other_program(program: str, versions: tuple[tuple[str, str], ...]) -> str | None:
    """Describe how this process differs from a run of the given program and libraries; None if it does not."""
    if program != _IDENTITY:
        return f"runs insarray {program_name()}, the run is of ({program})"
    own = dict(libraries())
    differ = [(name, version) for name, version in versions if own.get(name) != version]
    if not differ:
        return None
    has, other = (", ".join(f"{name} {of[name]}" for name, _ in differ) for of in (own, dict(versions)))
    return f"has {has}, the run {other}"


def _identity() -> str:
    digest = hashlib.sha256()
    for folder in _COMPUTES:
        for name, content in _sources(files("insarray") / folder, folder):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the sources in a folder, recursively; it may be inside an archive."""
    for item in sorted(folder.iterdir(), key=lambda found: found.name):
        path = f"{name}/{item.name}"
        if item.is_dir():
            yield from _sources(item, path)
        elif item.name.endswith(".py"):
            yield path, item.read_bytes()


_IDENTITY = _identity()  # at import: a checkout may change while the program runs
