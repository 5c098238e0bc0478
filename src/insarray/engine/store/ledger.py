"""Ledger of a store: one record per finished block, written after its data.

On a server each file costs a request. There the run copies the records that it receives into files of many records; a
copy counts only while the record itself is listed.
"""

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from insarray.engine.store.files import StoreFiles
from insarray.engine.store.validity import is_record

Block = tuple[int, int]
Record = dict[str, Any]

META = "_insarray"
JOB = f"{META}/job.json"
LOCK = f"{META}/lock"
_BLOCKS = f"{META}/blocks"
_COPIES = f"{META}/copies"

COPIED = 256
"""Number of records per file of copies."""


class Ledger:
    """Records of the finished blocks of a store.

    Parameters
    ----------
    files
        Files of the store.
    """

    def __init__(self, files: StoreFiles) -> None:
        self._files = files
        self.url = files.url

    def blocks(self) -> set[Block]:
        """Return the blocks that have a record file, without reading it."""
        return {block for name in self._files.names(_BLOCKS) if (block := _block(name)) is not None}

    def records(self, fingerprint: str, blocks: Iterable[Block] | None = None) -> dict[Block, Record]:
        """Return the valid records of a job, by block, for some blocks or all listed ones."""
        wanted = self.blocks() if blocks is None else set(blocks)
        found = {block: record for block, record in self._copied().items() if block in wanted}
        rest = sorted(wanted - found.keys())
        read = zip(rest, self._files.read_many(map(_name, rest)), strict=True)
        found |= {block: record for block, record in read if record is not None}
        return {block: found[block] for block in sorted(found) if is_record(found[block], block, fingerprint)}

    def write(self, record: Record) -> None:
        """Write the record of a block, which marks it as done."""
        self._files.write(_name((record["block"][0], record["block"][1])), record)

    def copy(self, records: Mapping[Block, Record]) -> None:
        """Copy records into one file on a server, which saves requests."""
        if records and not self._files.local:
            self._files.write(f"{_COPIES}/{uuid.uuid4().hex}.json", {"records": list(records.values())})

    def discard(self, blocks: Iterable[Block]) -> None:
        """Remove the records of blocks, and all copies, which would be outdated when a block is computed again."""
        for name in self._files.names(_COPIES):
            self._files.remove(f"{_COPIES}/{name}")
        for block in blocks:
            with suppress(FileNotFoundError):  # the record may be missing
                self._files.remove(_name(block))

    def _copied(self) -> dict[Block, Record]:
        files = self._files.read_many(f"{_COPIES}/{name}" for name in self._files.names(_COPIES))
        lists = (file.get("records") for file in files if file is not None)
        records = (record for listed in lists if isinstance(listed, list) for record in listed)
        return {block: record for record in records if (block := _block_of(record)) is not None}


def _name(block: Block) -> str:
    return f"{_BLOCKS}/{block[0]}.{block[1]}.json"


def _block(name: str) -> Block | None:
    row, _, col = name.removesuffix(".json").partition(".")
    block = (int(row), int(col)) if row.isdecimal() and col.isdecimal() else None
    return block if block is not None and _name(block) == f"{_BLOCKS}/{name}" else None  # not 00.0.json


def _block_of(record: object) -> Block | None:
    """Return the block that a record states, or None."""
    block = record.get("block") if isinstance(record, dict) else None
    if isinstance(block, list) and len(block) == 2 and all(isinstance(part, int) for part in block):
        return block[0], block[1]
    return None
