"""A finished store takes the place of another by renames; a swap that was killed is finished by the next run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from insarray.engine.store.files import StoreFiles
from insarray.model.errors import StoreError, StoreMismatchError


def new_beside(url: str) -> str:
    """Hidden folder beside a local store in which its successor is built."""
    return _beside(url, "append")


def _old_beside(url: str) -> str:
    return _beside(url, "before")


def _beside(url: str, what: str) -> str:
    folder, name = os.path.split(os.path.abspath(url))
    return os.path.join(folder, f".{name}.{what}")


@contextmanager
def only_append(url: str) -> Iterator[None]:
    """No other append to a local store while it lasts; what a killed swap has left is finished first.

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
        raise StoreMismatchError(f"{url}: another append is under way; wait for it") from None
    except OSError as error:
        raise StoreError(f"{url}: cannot be locked for writing ({error.strerror})") from error
    try:
        _finish(url)
        yield
    finally:
        with suppress(OSError):  # some systems do not remove a file that is open; it does no harm
            os.remove(lock.lock_file)  # before the release, so that nobody's new lock is removed
        lock.release()


def swap(url: str) -> None:
    """Put the finished store of `new_beside` where the store `url` is, and delete the latter; within `only_append`.

    At every moment one of the two is whole, and the names say how far it went.

    Raises
    ------
    StoreError
        If a folder cannot be renamed or deleted.
    """
    try:
        os.rename(url, _old_beside(url))
    except OSError as error:
        raise StoreError(f"{url}: cannot be replaced ({error.strerror}); repeat the command") from error
    _finish(url)


def finish_swap(url: str) -> None:
    """Finish what a killed `swap` has left; nothing is done where nothing is left.

    Raises
    ------
    StoreMismatchError, StoreError
        If an append is under way, or a folder cannot be renamed or deleted.
    """
    if StoreFiles(url).local and os.path.isdir(_old_beside(url)):
        with only_append(url):
            pass


def _finish(url: str) -> None:
    new, old = new_beside(url), _old_beside(url)
    if not os.path.isdir(old):
        return
    try:
        if not os.path.exists(url):  # the new store was complete before the old one was moved
            os.rename(new if os.path.isdir(new) else old, url)
        if os.path.isdir(old):
            shutil.rmtree(old)
    except OSError as error:
        raise StoreError(f"{url}: the append cannot be finished ({error}); repeat the command") from error
