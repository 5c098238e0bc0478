"""A finished store takes the place of another by renames; a swap that was killed is finished by the next run."""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from filelock import FileLock, Timeout

from insarray.engine.store.files import StoreFiles
from insarray.model.errors import StoreError, StoreMismatchError

Kind = Literal["append", "restart"]

_OLD: dict[Kind, str] = {"append": "before", "restart": "replaced"}
"""What the old store is called while it is replaced, by what replaces it: after a kill the names say how far it went."""


def new_beside(url: str, kind: Kind = "append") -> str:
    """Hidden folder beside a local store in which its successor is built."""
    return _beside(url, kind)


def _old_beside(url: str, kind: Kind) -> str:
    return _beside(url, _OLD[kind])


def _beside(url: str, what: str) -> str:
    folder, name = os.path.split(os.path.abspath(url))
    return os.path.join(folder, f".{name}.{what}")


@contextmanager
def only_successor(url: str) -> Iterator[None]:
    """No other append to a local store, nor restart, while it lasts; what a killed swap has left is finished first.

    Raises
    ------
    StoreMismatchError, StoreError
        If another one is under way, or the place cannot be written.
    """
    lock = FileLock(f"{new_beside(url)}.lock")  # beside the store, whose own lock goes with the folder that is swapped
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
        with suppress(OSError):  # some systems do not remove a file that is open; it does no harm
            os.remove(lock.lock_file)  # before the release, so that nobody's new lock is removed
        lock.release()


def swap(url: str, kind: Kind = "append") -> None:
    """Put the finished store of `new_beside` where the store `url` is, and delete the latter; within `only_successor`.

    On Linux and macOS the two change places in one step, so that whoever reads at that moment finds one or the other. Where
    the file system cannot do that, the old one is moved away first: at every moment one of the two is whole, and the names
    say how far it went.

    Raises
    ------
    StoreError
        If a folder cannot be renamed or deleted.
    """
    new = new_beside(url, kind)
    try:
        os.rename(new if exchanged(new, url) else url, _old_beside(url, kind))
    except OSError as error:
        raise StoreError(f"{url}: cannot be replaced ({error.strerror}); repeat the command") from error
    _finish(url)


def exchanged(first: str, second: str) -> bool:
    """Whether two folders have changed places in one step; not every system, nor every file system, can."""
    if sys.platform not in ("linux", "darwin"):
        return False
    library, here, exchange = ctypes.CDLL(None), -100, 2
    names = os.fsencode(first), os.fsencode(second)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, exchange) == 0)
    return hasattr(library, "renameat2") and bool(library.renameat2(here, names[0], here, names[1], exchange) == 0)


def finish_swap(url: str) -> None:
    """Finish what a killed `swap` has left; nothing is done where nothing is left.

    Raises
    ------
    StoreMismatchError, StoreError
        If an append or restart is under way, or a folder cannot be renamed or deleted.
    """
    files = StoreFiles(url)
    if files.local and any(os.path.isdir(_old_beside(files.url, kind)) for kind in _OLD):
        with only_successor(files.url):
            pass


def _finish(url: str) -> None:
    for kind in _OLD:
        new, old = new_beside(url, kind), _old_beside(url, kind)
        if not os.path.isdir(old):
            continue
        try:
            if not os.path.exists(url):  # the new store was complete before the old one was moved
                os.rename(new if os.path.isdir(new) else old, url)
            if os.path.isdir(old):
                shutil.rmtree(old)
        except OSError as error:
            raise StoreError(f"{url}: the {kind} cannot be finished ({error}); repeat the command") from error
