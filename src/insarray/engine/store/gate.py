"""Gate that blocks pass to write; after it is closed, no block of the run writes any more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from insarray.model.errors import InsarrayError


class GateClosedError(InsarrayError):
    """A block was ready to write after its run had ended; the next run computes it again."""


class Gate:
    """Counts the blocks that are writing; closing refuses further ones and waits for those inside."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._open = True

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Context in which a block may write.

        Raises
        ------
        GateClosedError
            If the run has ended.
        """
        with self._change:
            if not self._open:
                raise GateClosedError("the run of this block has ended")
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    def close(self, timeout: float) -> bool:
        """Close the gate and wait up to `timeout` seconds; return True if no block is writing any more."""
        with self._change:
            self._open = False
            return self._change.wait_for(lambda: self._inside == 0, timeout)


_GATES: dict[str, Gate] = {}


def gate_of(run: str) -> Gate:
    """Return the gate of a run in this process."""
    return _GATES.setdefault(run, Gate())


def close_gate(run: str) -> bool:
    """Close the gate of a run in this process for good; return True if no block is writing."""
    return gate_of(run).close(0)
