"""Replace a store by its finished successor, on a local disk by renames; an interrupted swap is finished by the next run."""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from filelock import FileLock, Timeout

from insarray.engine.store.files import StoreFiles, StoreLock
from insarray.engine.store.ledger import LOCK, META
from insarray.engine.store.swap_on_server import beside_on_server, finish_on_server, is_swapping, swap_on_server
from insarray.io.locations import is_url
from insarray.model.errors import StoreError, StoreMismatchError

Kind = Literal["append", "restart"]

_OLD: dict[Kind, str] = {"append": "before", "restart": "replaced"}
"""Name of the old store during its replacement, by kind; after a kill, the names show how far the swap had got."""


def new_beside(url: str, kind: Kind = "append") -> str:
    """Return the hidden folder beside a store in which its successor is built.

    Raises
    ------
    StoreError
        If the store is a whole bucket of a server, or a link has the name of this folder.
    """
    return beside_on_server(url, kind) if is_url(url) else _beside(url, kind)


def _old_beside(url: str, kind: Kind) -> str:
    return _beside(url, _OLD[kind])


def _beside(url: str, what: str) -> str:
    folder, name = os.path.split(os.path.abspath(url))
    path = os.path.join(folder, f".{name}.{what}")
    if os.path.islink(path):  # what it leads to would be removed
        raise StoreError(f"{path}: is a link, and stores are built and kept under this name; remove it")
    return path


@contextmanager
def only_successor(url: str) -> Iterator[None]:
    """Context that excludes other appends to, and restarts of, a local store; an interrupted swap is finished first.

    On a server the lock of the successor excludes them.

    Raises
    ------
    StoreMismatchError, StoreError
        If another one is running, or the location cannot be written.
    """
    if is_url(url):
        yield
        return
    lock = FileLock(f"{new_beside(url)}.lock")  # beside it: the store's own lock moves with the swapped folder
    try:
        os.makedirs(os.path.dirname(os.path.abspath(url)), exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreMismatchError(
            f"{url}: another run is writing its successor, an append or a restart; wait for it"
        ) from None
    except OSError as error:
        raise StoreError(f"{url}: cannot be locked for writing ({error.strerror})") from error
    try:
        _finish(url)
        yield
    finally:
        with suppress(OSError):  # some systems cannot remove an open file; harmless
            os.remove(lock.lock_file)  # before the release, so as not to remove a new lock of another process
        lock.release()


def swap(url: str, kind: Kind = "append") -> None:
    """Replace the store `url` by the finished store of `new_beside`, and delete it; call within `only_successor`.

    On Linux and macOS the two folders are exchanged in one step, so readers always find one or the other. Where the
    file system does not support that, the old one is renamed first: one of the two is complete at any time, and the
    names show how far the swap has got. On a server the objects are copied.

    Raises
    ------
    StoreError, StoreMismatchError
        If a folder cannot be renamed or deleted, or, on a server, another run is writing to the store.
    """
    if is_url(url):
        with StoreLock(StoreFiles(url), LOCK):
            swap_on_server(url, new_beside(url, kind))
        return
    new = new_beside(url, kind)
    try:
        os.rename(new if exchanged(new, url) else url, _old_beside(url, kind))
    except OSError as error:
        raise StoreError(f"{url}: cannot be replaced ({error.strerror}); repeat the command") from error
    _finish(url)


def exchanged(first: str, second: str) -> bool:
    """Exchange two folders in one step; return False if the system or file system does not support it."""
    if sys.platform not in ("linux", "darwin"):
        return False
    library, here, exchange = ctypes.CDLL(None), -100, 2
    names = os.fsencode(first), os.fsencode(second)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, exchange) == 0)
    return hasattr(library, "renameat2") and bool(library.renameat2(here, names[0], here, names[1], exchange) == 0)


def finish_swap(url: str) -> None:
    """Finish an interrupted `swap`, if there is one.

    Raises
    ------
    StoreMismatchError, StoreError
        If an append or restart is running, or a folder cannot be renamed or deleted.
    """
    files = StoreFiles(url)
    if not files.local:
        if is_swapping(url):
            with StoreLock(files, LOCK):
                finish_on_server(url, new_beside(url, "restart"))
    elif any(os.path.isdir(_old_beside(files.url, kind)) for kind in _OLD):
        with only_successor(files.url):
            pass


def _finish(url: str) -> None:
    for kind in _OLD:
        new, old = new_beside(url, kind), _old_beside(url, kind)
        if not os.path.isdir(old):
            continue
        _require_store(old)
        try:
            if not os.path.exists(url):  # the old store is only moved when the new one is complete
                os.rename(new if os.path.isdir(new) else old, url)
            if os.path.isdir(old):
                shutil.rmtree(old)
        except OSError as error:
            raise StoreError(f"{url}: the {kind} cannot be finished ({error}); repeat the command") from error


def _require_store(folder: str) -> None:
    """Raise StoreError if a folder holds something other than a store, or what is left of one."""
    names = os.listdir(folder)
    parts = [*names, *(os.path.join(name, part) for name in names for part in ("zarr.json", "c"))]
    own = [part for part in parts if part == META or os.path.basename(part) in ("zarr.json", "c")]
    if names and not any(os.path.exists(os.path.join(folder, part)) for part in own):
        raise StoreError(f"{folder}: old stores are kept under this name, and this is none; move or remove it")
