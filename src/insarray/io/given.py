"""Folders given by the user; files may refer only to files in these, with links resolved."""

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

from insarray.model.errors import FileError

VARIABLE = "INSARRAY_SOURCES"
"""Environment variable with additional folders that files may refer to, separated as in PATH."""

_folders: ContextVar[tuple[str, ...] | None] = ContextVar("insarray_given", default=None)
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def _collected() -> Iterator[None]:
    token = _folders.set(_folders.get() or ())
    try:
        yield
    finally:
        _folders.reset(token)


def collects_folders(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate functions that open files: folders given to them are permitted until they return."""

    @functools.wraps(function)
    def collecting(*args: P.args, **keywords: P.kwargs) -> R:
        with _collected():
            return function(*args, **keywords)

    return collecting


def give(*folders: str | Path) -> None:
    """Permit folders; no effect outside functions decorated with `collects_folders`."""
    known = _folders.get()
    if known is not None:
        new = dict.fromkeys(os.path.realpath(folder) for folder in folders)
        _folders.set((*known, *(folder for folder in new if folder not in known)))


def given_folders() -> tuple[str, ...]:
    """Return the real paths of the folders given to the running function, and those of the environment variable."""
    further = [os.path.realpath(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return (*(_folders.get() or ()), *further)


def is_below(path: str | Path, folders: Sequence[str | Path]) -> bool:
    """Return whether a file or folder lies in one of the folders, with links resolved."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def require_given(path: str | Path, folders: Sequence[str | Path], said_by: str) -> str:
    """Return the real path of a file that lies in one of the folders.

    Parameters
    ----------
    path
        Path as it is referred to.
    folders
        Permitted folders.
    said_by
        What refers to it, for the message.

    Raises
    ------
    FileError
        If it lies elsewhere.
    """
    if not is_below(path, folders):
        raise FileError(
            f"{said_by} {os.path.realpath(path)}, which is in none of the folders that were given; if it is meant, "
            f"name its folder in the environment variable {VARIABLE}"
        )
    return os.path.realpath(path)


def require_own_members(store: str | Path, folders: Sequence[str | Path] | None = None) -> None:
    """Check that no link in a Zarr folder, and no name in its metadata, leads outside.

    Parameters
    ----------
    store
        Local folder.
    folders
        Other folders to which links may lead; None: those given by the user.

    Raises
    ------
    FileError
        If one leads to any other place.
    """
    allowed = (store, *(given_folders() if folders is None else folders))
    for link in _links(str(store)):
        require_given(link, allowed, f"{link}: is a link to")
    try:
        content = json.loads(Path(store, "zarr.json").read_bytes())
        names = list(content["consolidated_metadata"]["metadata"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # reported when the store is opened
        return
    for name in names:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name:
            raise FileError(
                f"{store}: has an array by the name {name!r}, which leads out of it; download or create it again"
            )


def _links(folder: str) -> Iterator[str]:
    """Yield the links in a folder and, recursively, in its subfolders; links are not followed, pipes are refused."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.is_symlink():
                    yield entry.path
                elif entry.is_dir():
                    yield from _links(entry.path)
                elif not entry.is_file():  # reading it would wait for ever
                    raise FileError(f"{entry.path}: is a pipe, socket or device; remove it")
    except OSError as error:
        raise FileError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error
