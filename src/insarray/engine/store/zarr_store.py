"""Zarr store of a run: template, blocks and ledger. A block counts as finished once its record, written last, exists.

Layout beside the Zarr arrays::

    _insarray/job.json          fingerprint, blocks, provenance; its presence makes the store ours
    _insarray/blocks/I.J.json   one record per finished block: fingerprint of the job, checksum of every variable,
                                statistics
    _insarray/copies/*.json     on servers: copies of records, many to a file
    _insarray/lock              one writer at a time
"""

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

import xarray as xr
import zarr

from insarray._version import __version__
from insarray.engine.plan import Plan, Window
from insarray.engine.program import program_identity
from insarray.engine.store.checksums import checksum_of, differs, unreadable_reason
from insarray.engine.store.complete import EVERY_CHUNK, lacking, readable
from insarray.engine.store.files import StoreFiles, StoreLock, consolidate
from insarray.engine.store.foreign import what_is
from insarray.engine.store.ledger import JOB, LOCK, META, Block, Ledger, Record
from insarray.engine.store.provenance import difference
from insarray.engine.store.statistics import Totals, block_statistics
from insarray.engine.store.template import Compressor, write_template
from insarray.engine.store.validity import is_job, open_valid
from insarray.io.given import require_own_members
from insarray.io.locations import is_url, local
from insarray.model.errors import InsarrayError, StoreError, StoreMismatchError, VerificationError
from insarray.model.secrets import cause_of

_TOLD = Totals().report().keys()


class Store:
    """Store of a run: creates it, locks it, and tracks and verifies its blocks.

    Parameters
    ----------
    url
        Folder or fsspec URL of the Zarr group.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        text = local(
            os.fspath(url) if isinstance(url, os.PathLike) else str(url)
        )  # some path objects of servers are no PathLike
        self.files = StoreFiles(text if is_url(text) else _followed(os.path.abspath(os.path.expanduser(text))))
        self.url = self.files.url
        self.ledger = Ledger(self.files)

    # -- create and open ----------------------------------------------------------------------------------------

    def job(self) -> dict[str, Any] | None:
        """Return the job of the store, or None if it is not an insarray store.

        Raises
        ------
        StoreError
            If it is an insarray store whose job cannot be read, or the location cannot be accessed.
        """
        try:
            job = self.files.read(JOB)
            there = job is None and self.files.exists(JOB)
            job = self.files.read(JOB) if there else job  # it may have been written just now
        except Exception as error:  # clients of servers raise various exceptions
            if self.files.local and not isinstance(error, OSError):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
            raise StoreError(f"{self.url}: cannot be read ({reason})") from error
        if job is not None and not is_job(job):
            there, job = True, None
        if there and job is None:
            raise StoreError(f"{self.url}: its job file {JOB} is damaged; remove the store, or choose another output")
        return job

    def required_job(self) -> dict[str, Any]:
        """Return the job of the store.

        Raises
        ------
        StoreError
            If nothing is there, or not an insarray store; the message says what it is.
        """
        job = self.job()
        if job is None and not self.files.exists():
            raise StoreError(f"{self.url}: does not exist; give the output of 'insarray invert', 'fit' or 'closure'")
        if job is None:
            found = what_is(self.files)
            raise StoreError(f"{self.url}: is not an insarray store but {found.kind}; {found.remedy}")
        return job

    def check(self, fingerprint: str, provenance: dict[str, Any]) -> bool:
        """Return whether the store exists; raise if it is not of this job.

        Raises
        ------
        StoreError
            If something other than an insarray store is there.
        StoreMismatchError
            If it holds another job; the message names the differences.
        """
        job = self.job()
        if job is None:
            self.refuse_foreign()
            return False
        if job["fingerprint"] != fingerprint:
            raise StoreMismatchError(
                f"{self.url}: {difference(job, provenance)}; choose another output, or start over with --restart"
            )
        self._open("r+")
        return True

    def _open(self, mode: Literal["r", "r+"], job: Mapping[str, Any] | None = None) -> zarr.Group:
        """Open the group and read the metadata of all its arrays; with the job of a store, missing chunks raise."""
        if not is_url(self.url):
            require_own_members(self.url)
        try:
            group = zarr.open_group(readable(self.files, job or {}), mode=mode, use_consolidated=False)
            for name in self.files.arrays():
                group[name]
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:  # JSON and Zarr raise various exceptions
            raise VerificationError(
                f"{self.url}: its metadata are damaged ({error}); start over with --restart, or choose another output"
            ) from error
        return group

    def create(
        self,
        dataset: xr.Dataset,
        plan: Plan,
        fingerprint: str,
        provenance: dict[str, Any],
        compressor: Compressor,
        generation: int = 0,
    ) -> None:
        """Create the store, without pixels; `generation` is one more than that of a store that it replaces.

        Raises
        ------
        StoreError
            If the location cannot be written.
        """
        job = {
            "fingerprint": fingerprint,
            "program": program_identity(),
            "version": __version__,
            "rows": plan.rows,
            "cols": plan.cols,
            "state": "unfinished",
            EVERY_CHUNK: True,
            "generation": generation,
            **provenance,
        }
        try:
            if self.files.local:
                self._create_local(dataset, plan, job, compressor)
            else:
                write_template(dataset, plan, self.url, compressor, generation)
                self._write_meta(self.files, job)
        except Exception as error:  # clients of servers raise various exceptions
            if isinstance(error, InsarrayError) or (self.files.local and not isinstance(error, OSError)):
                raise
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"{self.url}: cannot be created ({reason})") from cause_of(error)

    def _create_local(self, dataset: xr.Dataset, plan: Plan, job: dict[str, Any], compressor: Compressor) -> None:
        """Build the template beside the target and rename it, so that a killed run leaves no incomplete store."""
        folder, name = os.path.split(self.url)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f".{name}.{os.getpid()}.partial")
        try:
            write_template(dataset, plan, temporary, compressor, job["generation"])
            self._write_meta(StoreFiles(temporary), job)
            try:
                os.rename(temporary, self.url)
            except OSError as error:
                if self.files.exists():
                    raise StoreMismatchError(f"{self.url}: another run has made it just now; wait for it") from error
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @staticmethod
    def _write_meta(files: StoreFiles, job: dict[str, Any]) -> None:
        # a Zarr group, so that listing the store finds no unknown entries
        files.write(f"{META}/zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}})
        files.write(JOB, job)

    def refuse_foreign(self) -> None:
        """Raise StoreError if something other than an insarray store is there."""
        if self.job() is None and self.files.exists():
            raise StoreError(
                f"{self.url}: exists and is not an insarray store but {what_is(self.files).kind}; choose another output or "
                "remove it"
            )

    def next_generation(self) -> int:
        """Return the generation of a store that replaces this one."""
        found = (self.job() or {}).get("generation", 0)
        return found + 1 if isinstance(found, int) else 1

    def remove(self) -> None:
        """Delete the store for a restart; raise StoreError if it is not an insarray store."""
        if not self.files.exists():
            return
        if self.job() is None:
            raise StoreError(
                f"{self.url}: is not an insarray store but {what_is(self.files).kind}, and will not be deleted; choose "
                "another output"
            )
        with self.lock():
            self.files.remove_all()

    def lock(self) -> StoreLock:
        """Context in which this process is the only writer."""
        return StoreLock(self.files, LOCK)

    # -- blocks -------------------------------------------------------------------------------------------------

    def records(self, known: Mapping[Block, Record] | None = None) -> dict[Block, Record]:
        """Return the valid ledger records of this job by block; records in `known` are not read again."""
        job = self.job()
        if job is None:
            return {}
        listed = {(i, j) for i, j in self.ledger.blocks() if i < len(job["rows"]) and j < len(job["cols"])}
        kept = {block: record for block, record in (known or {}).items() if block in listed}
        return kept | self.ledger.records(job["fingerprint"], listed - kept.keys())

    def done(self) -> set[Block]:
        """Return the blocks with a valid record of this job."""
        return set(self.records())

    def is_complete(self) -> bool:
        """Return whether the store has been finalized; its files do not change while it is in this state."""
        job = self.job()
        return job is not None and job["state"] == "complete"

    def begin(self) -> None:
        """Mark the store unfinished, before anything in it changes."""
        job = self.job() or {}
        if job.get("state") == "complete":
            kept = {name: value for name, value in job.items() if name != "report"}
            self.files.write(JOB, {**kept, "state": "unfinished"})

    def finalize(self, report: dict[str, Any]) -> None:
        """Consolidate the metadata and mark the store complete; save the statistics of its blocks in the job."""
        job = self.job()
        if job is None:
            raise StoreError(f"{self.url}: its job file has gone")
        consolidate(self.files)
        self.files.write(JOB, {**job, "state": "complete", "report": report})

    def report(self) -> dict[str, Any] | None:
        """Return the statistics of the finished blocks, as `Totals.report`, or None if there are none."""
        told = (self.job() or {}).get("report")
        if isinstance(told, dict) and told.keys() >= _TOLD and told["blocks"] == len(self.ledger.blocks()):
            return dict(told)
        records = self.records()
        return Totals(records.values()).report() if records else None

    def left_lock(self) -> str | None:
        """Return the lock file of a store on a server, if it exists: a run is writing, or was killed."""
        return self.files.path(LOCK) if not self.files.local and self.files.exists(LOCK) else None

    # -- verification -------------------------------------------------------------------------------------------

    def verify(self) -> int:
        """Compare every finished block with the checksums in its record; return the number of blocks.

        Raises
        ------
        VerificationError
            If blocks or variables differ; the message names them.
        """
        damaged = self.damage()
        if damaged:
            found = [text for texts in damaged.values() for text in texts]
            raise VerificationError(
                f"{self.url}: {len(found)} damaged: {'; '.join(found[:5])}; to recompute "
                f"{'block' if len(damaged) == 1 else 'blocks'} {', '.join(map(str, damaged))}: "
                f"insarray status {self.url} --discard-damaged, then repeat the command that made the store"
            )
        return len(self.done())

    def damage(self) -> dict[Block, list[str]]:
        """Return the differences from the records, by block; in a complete store also the blocks without a record.

        Raises
        ------
        VerificationError
            If metadata or coordinates are damaged, which recomputing blocks does not repair.
        """
        job = self.required_job()
        records = self.records()
        group = self._open("r", job if records else {})
        blockwise = {name for record in records.values() for name in record["checksums"]}
        for name in self.files.arrays():
            array = group[name]
            unreadable = None if name in blockwise or job["rows"] == [] else unreadable_reason(array)
            if unreadable:
                raise VerificationError(f"{self.url}: {name}: {unreadable}; start over with --restart")
        damaged: dict[Block, list[str]] = {}
        if job["state"] == "complete":
            blocks = {(i, j) for i in range(len(job["rows"])) for j in range(len(job["cols"]))}
            damaged = {block: [f"record of block {block}: missing"] for block in sorted(blocks - records.keys())}
        for block, record in sorted(records.items()):
            window = _window(job, block)
            for name, checksum in record["checksums"].items():
                text = differs(group[name], window, checksum) if name in group else "the array is missing"
                if text:
                    damaged.setdefault(block, []).append(f"{name} block {block}: {text}")
        return damaged

    def discard_lacking(self) -> None:
        """Remove the records of blocks with missing chunks, so that they are computed again."""
        gone = lacking(self.files, self.required_job(), self.ledger.blocks())
        if gone:
            self.discard(gone)

    def discard(self, blocks: Iterable[Block]) -> None:
        """Remove the records of blocks, so that the same run computes them again; marks the store unfinished."""
        with self.lock():
            self.begin()  # first, so that it never counts as complete meanwhile
            self.ledger.discard(blocks)


def _followed(path: str) -> str:
    """Resolve a symbolic link: a successor must be built beside the folder itself."""
    return os.path.realpath(path) if os.path.islink(path) else path


def write_block(
    url: str, fingerprint: str, block: Block, window: Window, results: dict[str, Any], started: float
) -> Record:
    """Write all variables of one block as whole Zarr chunks, then its ledger record, and return the record.

    Raises
    ------
    StoreMismatchError
        If the store has been removed, or replaced by that of another job, since the block was begun at `started`.
    """
    files = StoreFiles(url)
    if (files.read(JOB) or {}).get("fingerprint") != fingerprint:
        raise StoreMismatchError(f"{url}: was removed or replaced while block {block} was computed")
    writing = time.time()
    group = _open_group(url)
    for name, values in results.items():
        array: Any = group[name]
        array.with_config({"write_empty_chunks": True})[(slice(None),) * (values.ndim - 2) + window] = values
    record = {
        "block": list(block),
        "fingerprint": fingerprint,
        "checksums": {name: checksum_of(values) for name, values in results.items()},
        "seconds": round(time.time() - started, 3),
        "write_seconds": round(time.time() - writing, 3),
        "statistics": block_statistics(results),
    }
    Ledger(files).write(record)
    return record


def open_store(url: str | os.PathLike[str]) -> xr.Dataset:
    """Open a finished store lazily, with all dates, pairs or loops of a block in one chunk.

    Raises
    ------
    StoreError
        If it is not an insarray store, or not finished.
    """
    store = Store(url)
    job = store.required_job()
    if not store.is_complete():
        done, blocks = len(store.done()), len(job["rows"]) * len(job["cols"])
        raise StoreError(
            f"{url}: {'is not finished' if done == blocks else f'only {done} of {blocks} blocks are there'}; repeat its "
            "command to finish it"
        )
    if not is_url(store.url):
        require_own_members(store.url)
    dataset = open_valid(readable(store.files, job), store.url, job)
    dataset.encoding["source"] = store.url  # as xarray does for paths
    return dataset


@lru_cache(maxsize=4)
def _open_group(url: str) -> zarr.Group:
    return zarr.open_group(url, mode="r+", use_consolidated=False)


def _window(job: dict[str, Any], block: Block) -> Window:
    return Plan(tuple(job["rows"]), tuple(job["cols"]), 0, 1, 0).window(*block)
