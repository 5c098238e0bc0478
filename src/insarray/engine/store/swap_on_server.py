"""Replace a store on a server by its finished successor: its objects are copied there, as folders cannot be renamed.

A note beside the store says that it is being replaced. Until all objects are copied, the job of the old store is marked
unfinished, so it is not read as a result; an interrupted replacement is finished by the next run.
"""

from insarray.engine.store.files import StoreFiles
from insarray.engine.store.ledger import JOB, LOCK, META
from insarray.engine.store.retry import with_retries
from insarray.model.errors import StoreError
from insarray.model.secrets import cause_of

_AT_ONCE = 1000
"""Number of objects copied by one call."""


def beside_on_server(url: str, what: str) -> str:
    """Return the URL of a hidden prefix or object beside a store on a server.

    Raises
    ------
    StoreError
        If the store is a whole bucket.
    """
    head, _, name = url.rstrip("/").rpartition("/")
    if _is_bucket(url):
        raise StoreError(
            f"{url}: a whole bucket cannot be replaced by --restart; empty it, or choose an output below a folder"
        )
    return f"{head}/.{name}.{what}"


def swap_on_server(url: str, new: str) -> None:
    """Replace the store `url` by the finished store `new`, and remove `new`; call within the lock of `url`.

    Raises
    ------
    StoreError
        If an object cannot be copied or removed; `finish_on_server` finishes the replacement.
    """
    beside, name = _note(url)
    beside.write(name, {"copied": False})
    finish_on_server(url, new)


def is_swapping(url: str) -> bool:
    """Return whether the replacement of a store was interrupted, or is under way.

    Raises
    ------
    StoreError
        If the server does not answer.
    """
    if _is_bucket(url):
        return False
    beside, name = _note(url)
    try:
        return beside.read(name) is not None
    except PermissionError:  # whoever may write only the store itself has never replaced it
        return False
    except Exception as error:  # clients of servers raise various exceptions
        raise StoreError(f"{url}: cannot be read ({_reason(error)})") from cause_of(error)


def finish_on_server(url: str, new: str) -> None:
    """Finish a replacement that `is_swapping`; call within the lock of `url`.

    Raises
    ------
    StoreError
        As `swap_on_server`.
    """
    beside, name = _note(url)
    store, successor = StoreFiles(url), StoreFiles(new)
    try:
        if not (beside.read(name) or {}).get("copied"):
            with_retries(lambda: _copy(successor, store), url)
            beside.write(name, {"copied": True})
        if successor.exists():
            with_retries(successor.remove_all, url)
        beside.remove(name)
    except StoreError:
        raise
    except Exception as error:  # clients of servers raise various exceptions
        raise StoreError(f"{url}: cannot be replaced ({_reason(error)}); repeat the command") from cause_of(error)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())


def _copy(new: StoreFiles, old: StoreFiles) -> None:
    """Copy the objects of `new` to `old`, records after chunks and the job last; remove the others of `old`."""
    job = new.read(JOB)
    if job is None or job.get("state") != "complete":
        raise StoreError(f"{new.url}: is not complete; remove it, and repeat the command")
    old.write(JOB, {**job, "state": "unfinished"})
    wanted, there = _names(new), _names(old)
    for names in _parts(sorted(wanted - {JOB}, key=lambda name: (name.startswith(META), name))):
        old.fs.copy([new.path(name) for name in names], [old.path(name) for name in names])
    for names in _parts(sorted(there - wanted - {JOB})):
        old.fs.rm([old.path(name) for name in names])
    old.write(JOB, job)


def _names(files: StoreFiles) -> set[str]:
    """Return the names of all objects of a store but its lock."""
    files.fs.invalidate_cache()
    start = len(files.path(""))
    return {str(path)[start:] for path in files.fs.find(files.root)} - {LOCK}


def _parts(names: list[str]) -> list[list[str]]:
    return [names[first : first + _AT_ONCE] for first in range(0, len(names), _AT_ONCE)]


def _note(url: str) -> tuple[StoreFiles, str]:
    """Return the folder of a store, and the name of the note in it."""
    folder, _, name = beside_on_server(url, "replacing").rpartition("/")
    return StoreFiles(folder), name


def _is_bucket(url: str) -> bool:
    return url.rstrip("/").rpartition("/")[0].endswith("/")
