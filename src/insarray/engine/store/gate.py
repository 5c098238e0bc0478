"""Gate that blocks pass to write: once it is closed nothing more is written, and whoever closed it knows when."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from insarray.model.errors import InsarrayError


class GateClosedError(InsarrayError):
    """A block came to write after its run had ended; it is dropped, the next run computes it again."""


class Gate:
    """Open until closed; closing waits for those who are inside, not for those who are still on their way."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._open = True

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Context in which one may write.

        Raises
        ------
        GateClosedError
            If the run is over.
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
        """Let nobody in any more; whether all are out after at most `timeout` seconds."""
        with self._change:
            self._open = False
            return self._change.wait_for(lambda: self._inside == 0, timeout)


_GATES: dict[str, Gate] = {}


def gate_of(run: str) -> Gate:
    """The gate of a run in this process."""
    return _GATES.setdefault(run, Gate())


def close_gate(run: str) -> bool:
    """Close the gate of a run in this process; whether nobody is inside. A closed gate stays, for late comers."""
    return gate_of(run).close(0)
