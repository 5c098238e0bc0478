"""JSON files beside the arrays of a store (ledger, job, lock), on a local disk or any fsspec URL."""

import json
import os
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from insarray.io.locations import refuse_chain
from insarray.model.errors import ArgumentError, StoreError, StoreMismatchError
from insarray.model.secrets import shown_values

_AT_ONCE = 32
"""Number of files read concurrently."""


class StoreFiles:
    """Read, write and list JSON files under the root of a store; local writes are atomic.

    Other processes write to the same store, so the listing cache of fsspec is never used.

    Parameters
    ----------
    url
        Folder, or URL such as ``s3://bucket/prefix``.

    Raises
    ------
    ArgumentError
        If the protocol needs a package that is not installed, or it is a chained URL that is not read.
    """

    def __init__(self, url: str) -> None:
        refuse_chain(url)
        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ArgumentError(f"{url}: {error}; s3:// needs pip install 'insarray[s3]'") from error
        protocols = (self.fs.protocol,) if isinstance(self.fs.protocol, str) else self.fs.protocol
        self.local = "file" in protocols or "local" in protocols
        self.url = self.root if self.local else url

    def path(self, name: str) -> str:
        """Return the full path of a file of the store."""
        return f"{self.root.rstrip('/')}/{name}"

    def exists(self, name: str = "") -> bool:
        """Return whether the file, or the root of the store, exists."""
        path = self.path(name) if name else self.root
        self.fs.invalidate_cache(path)
        return bool(self.fs.exists(path))

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file atomically: readers see either the old or the new content."""
        content = shown_values(content) if name.endswith("/job.json") else content
        path, data = self.path(name), json.dumps(content, separators=(",", ":")).encode()
        if not self.local:
            self.fs.pipe_file(path, data)  # a single PUT is atomic on object stores
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}.partial"  # unique per writer: another may write the same block
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            if os.path.exists(temporary):
                os.remove(temporary)
            raise

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the content of a JSON file; None if it is missing or incomplete."""
        if self.local and not os.path.isfile(self.path(name)):  # reading a pipe would wait for ever
            return None
        try:
            content = json.loads(self.fs.cat_file(self.path(name)))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) else None

    def read_many(self, names: Iterable[str]) -> list[dict[str, Any] | None]:
        """Return the contents of JSON files as `read` does, reading several at a time."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="insarray-files") as pool:
            return list(pool.map(self.read, names))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.fs.rm_file(self.path(name))

    def remove_all(self) -> None:
        """Remove the store, including files written by others since it was last listed."""
        self.fs.invalidate_cache()
        self.fs.rm(self.root, recursive=True)

    def listed(self, folder: str = "") -> list[str]:
        """Return the current names in a folder of the store."""
        path = self.path(folder) if folder else self.root
        self.fs.invalidate_cache(path)
        try:
            found = self.fs.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in found]

    def arrays(self) -> list[str]:
        """Return the names of the arrays of the store, without other entries such as ``@eaDir`` or ``Thumbs.db``."""
        names = sorted(name for name in self.listed() if not name.startswith(("_", ".")) and not name.endswith(".json"))
        if not self.local:
            return names
        return [name for name in names if any(os.path.exists(self.path(f"{name}/{own}")) for own in ("zarr.json", "c"))]

    def names(self, folder: str) -> list[str]:
        """Return the names of the JSON files in a folder of the store, without unfinished ones."""
        return [name for name in self.listed(folder) if name.endswith(".json")]


def consolidate(files: StoreFiles) -> None:
    """Copy the metadata of the arrays into those of their group, so that one request opens the store.

    Writes the same JSON as Zarr's own function, which warns that the format is not specified.
    """
    group = files.read("zarr.json")
    if group is None:
        raise StoreError(f"{files.url}: its zarr.json has gone")
    names = files.arrays()
    found = zip(names, files.read_many(f"{name}/zarr.json" for name in names), strict=True)
    metadata = {name: content for name, content in found if content is not None}
    files.write(
        "zarr.json",
        {**group, "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata}},
    )


class StoreLock:
    """Lock for one writer per store: a lock of the operating system on a local disk, otherwise a conditional create.

    The local lock ends with its process. A lock file left in an object store must be removed manually, as the message
    says.
    """

    def __init__(self, files: StoreFiles, name: str) -> None:
        self._files, self._name = files, name
        self._lock = FileLock(files.path(name)) if files.local else None

    def __enter__(self) -> "StoreLock":
        refusal = f"{self._files.url}: another run is writing to it; wait for it, or choose another output"
        if self._lock is not None:
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise StoreMismatchError(refusal) from None
            except OSError as error:
                raise StoreError(f"{self._files.url}: cannot be locked for writing ({error.strerror})") from error
            return self
        try:
            self._files.fs.pipe_file(self._files.path(self._name), f"{os.getpid()}".encode(), mode="create")
        except FileExistsError:
            raise StoreMismatchError(f"{refusal}; if it died, remove {self._files.path(self._name)}") from None
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
            return
        try:
            if self._files.exists(self._name):  # missing if the store itself was removed
                self._files.remove(self._name)
        except OSError as error:
            if kind is None:  # otherwise the earlier exception matters more
                raise StoreError(
                    f"{self._files.url}: its lock cannot be removed ({error.strerror or error}); "
                    f"remove {self._files.path(self._name)}"
                ) from error
