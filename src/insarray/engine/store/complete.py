"""Zarr store that raises an error for missing chunks and for a store replaced after it was opened.

Zarr reads a missing chunk as fill values. Our stores record in their job that all chunks were written, including those
that contain only fill values, so a lost chunk is detected and not read as pixels without data. An append or restart may
replace a store that is being read: whoever opened the old one gets its chunks or an error, never a mixture.
"""

import os
import re
from collections.abc import Iterable, Mapping
from itertools import product
from math import prod
from typing import Any

import zarr
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from insarray.engine.store.files import StoreFiles
from insarray.engine.store.ledger import JOB, Block
from insarray.model.errors import StoreMismatchError, VerificationError

EVERY_CHUNK = "every_chunk"
"""Key in the job of a store: all chunks were written."""

_CHUNK = re.compile(r"(?P<name>.+)/c(?P<place>(/\d+)*)")


class CompleteStore(WrapperStore[Any]):
    """Zarr store in which all chunks must exist.

    Parameters
    ----------
    store
        The wrapped store.
    url
        Name of the store in messages.
    fingerprint
        Fingerprint of its job.
    mark
        Identity of its files, see `_mark`; None on a server.
    """

    def __init__(self, store: Any, url: str = "", fingerprint: str = "", mark: "_Mark | None" = None) -> None:
        super().__init__(store)
        self.url, self.fingerprint, self.mark = url, fingerprint, mark
        self._seen = mark

    def _with_store(self, store: Any) -> "CompleteStore":
        return type(self)(store, self.url, self.fingerprint, self.mark)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return type(self).__name__, self.url, self.fingerprint, self.mark

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return the bytes of a key.

        Raises
        ------
        VerificationError
            If the key is a chunk and missing.
        StoreMismatchError
            If the store has been replaced since it was opened.
        """
        found = await super().get(key, prototype, byte_range)
        chunk = _CHUNK.fullmatch(key)
        if chunk:
            self._require_same()  # after reading, as the store may be replaced before it
            if found is None:
                raise _missing(self.url, chunk["name"], chunk["place"])
        return found

    def _require_same(self) -> None:
        if self.mark is None or (now := _mark(self.url)) == self._seen:
            return
        job = StoreFiles(self.url).read(JOB) or {}  # other files, but perhaps of the same job
        if job.get("fingerprint") != self.fingerprint:
            raise StoreMismatchError(f"{self.url}: was replaced since it was opened; open it again")
        self._seen = now


def readable(files: StoreFiles, job: Mapping[str, Any]) -> Any:
    """Return the object by which Zarr and xarray open an insarray store: its path for stores of earlier programs."""
    if not job.get(EVERY_CHUNK):
        return files.url
    if files.local:
        return CompleteStore(LocalStore(files.root, read_only=True), files.url, job["fingerprint"], _mark(files.root))
    return CompleteStore(FsspecStore.from_url(files.url, read_only=True), files.url, job["fingerprint"])


_Mark = tuple[int, int]


def _mark(root: str) -> _Mark | None:
    """Return inode and modification time of the group's metadata, which identify a store; None if missing."""
    try:
        found = os.stat(os.path.join(root, "zarr.json"))
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def require_chunks(paths: Iterable[str]) -> None:
    """Raise VerificationError if one of these folders is a complete local insarray store that lacks a chunk."""
    for path in paths:
        if not os.path.isfile(os.path.join(path, JOB)):
            continue
        job = StoreFiles(path).read(JOB) or {}
        if job.get(EVERY_CHUNK) and job.get("state") == "complete":
            _require_chunks_of(path)


def _require_chunks_of(path: str) -> None:
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    for name in StoreFiles(path).arrays():
        array: Any = group[name]
        shape: tuple[int, ...] = array.cdata_shape
        folder = os.path.join(path, name)
        if _count(os.path.join(folder, "c"), len(shape)) < prod(shape):
            places = ("/".join(map(str, index)) for index in product(*map(range, shape)))
            gone = next(place for place in places if not os.path.exists(os.path.join(folder, "c", place)))
            raise _missing(path, name, f"/{gone}")


def lacking(files: StoreFiles, job: Mapping[str, Any], blocks: Iterable[Block]) -> set[Block]:
    """Return the blocks of a local store that lack a chunk; each folder of chunks is listed once."""
    wanted = set(blocks)
    if not wanted or not files.local or not job.get(EVERY_CHUNK):
        return set()
    gone: set[Block] = set()
    group = zarr.open_group(files.url, mode="r", use_consolidated=False)
    for name in files.arrays():
        array: Any = group[name]
        shape: tuple[int, ...] = array.cdata_shape
        if shape[-2:] != (len(job["rows"]), len(job["cols"])) or array.metadata.dimension_names[-2:] != ("y", "x"):
            continue
        for place in product(*map(range, shape[:-1])):
            found = _listed(files.path("/".join((name, "c", *map(str, place)))))
            gone |= {(place[-1], j) for j in range(shape[-1]) if str(j) not in found} & wanted
    return gone


def _listed(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _count(folder: str, depth: int) -> int:
    """Return the number of chunks in a folder with `depth` levels; a scalar has 0 levels and is a file."""
    if depth == 0:
        return int(os.path.isfile(folder))
    names = [name for name in _listed(folder) if name.isdecimal()]
    return len(names) if depth == 1 else sum(_count(os.path.join(folder, name), depth - 1) for name in names)


def _missing(url: str, name: str, place: str) -> VerificationError:
    index = [int(part) for part in place.split("/") if part]
    block = f" of block {tuple(index[-2:])}" if len(index) > 1 else ""
    return VerificationError(
        f"{url}: a chunk of {name}{block} is missing (c{place}); insarray status {url} --discard-damaged says what is, then "
        "repeat the command that made it"
    )
