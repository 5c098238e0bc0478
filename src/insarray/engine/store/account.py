"""Bookkeeping of a run: the finished blocks and the totals of their statistics."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from insarray.engine.plan import Plan
from insarray.engine.store.ledger import COPIED, Block, Ledger, Record
from insarray.engine.store.statistics import Totals
from insarray.model.errors import StoreError

Progress = Callable[[int, int], None]
"""Called with the number of finished blocks and the number of all blocks."""


class Account:
    """Finished blocks of a run; as a context manager, it copies received records to the ledger from time to time.

    Parameters
    ----------
    ledger, fingerprint
        Ledger of the store, and fingerprint of its job.
    plan
        Blocks of the run.
    known
        Records of the blocks that are done already.
    progress
        Called on entering the context and after every block.
    """

    def __init__(
        self, ledger: Ledger, fingerprint: str, plan: Plan, known: Mapping[Block, Record], progress: Progress | None
    ) -> None:
        self._ledger, self._fingerprint, self._progress = ledger, fingerprint, progress
        self._blocks = [(i, j) for i in range(len(plan.rows)) for j in range(len(plan.cols))]
        self._totals = Totals(known.values())
        self._done = set(known)
        self._unheard: set[Block] = set()
        self._new: dict[Block, Record] = {}

    def missing(self) -> list[Block]:
        """Return the blocks that are not done, in order."""
        return [block for block in self._blocks if block not in self._done]

    def take(self, block: Block, record: Record | None) -> None:
        """Mark a block as done, with its record if it was received."""
        self._done.add(block)
        if record is None:
            self._unheard.add(block)
        else:
            self._totals.add(record)
            self._new[block] = record
        if len(self._new) == COPIED:
            self._copy()
        self._tell()

    def report(self) -> dict[str, Any]:
        """Return the totals of all records, as `Totals.report`; records that were not received are read.

        Raises
        ------
        StoreError
            If a record has disappeared.
        """
        read = self._ledger.records(self._fingerprint, self._unheard) if self._unheard else {}
        for block, record in read.items():
            self._unheard.remove(block)
            self._totals.add(record)
        if self._unheard:
            lost = ", ".join(map(str, sorted(self._unheard)[:3]))
            raise StoreError(f"{self._ledger.url}: the records of blocks have gone ({lost}); run again")
        return self._totals.report()

    def __enter__(self) -> None:
        self._tell()

    def __exit__(self, *_: object) -> None:
        self._copy()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(len(self._done), len(self._blocks))

    def _copy(self) -> None:
        copied, self._new = self._new, {}
        with suppress(Exception):  # the records themselves are stored; failing servers are detected by the blocks
            self._ledger.copy(copied)
