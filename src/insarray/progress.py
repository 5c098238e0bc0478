"""Progress bar on a terminal or in a notebook; no output otherwise."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from insarray.engine.run.runner import Progress

_SECONDS = 0.25  # between two updates of a line
_WIDTH = 30


@contextmanager
def progress_bar(*, quiet: bool = False, unit: str = "blocks") -> Iterator[Progress | None]:
    """Show progress, rate and remaining time: ``with ia.progress_bar() as progress: ia.run(..., progress=progress)``.

    The bar is on stderr of a terminal, or in the output of a notebook cell. Yields None if stderr is not a terminal and
    there is no notebook, so that logs stay clean.

    Parameters
    ----------
    quiet
        Show no progress.
    unit
        Name of the counted items.

    See Also
    --------
    insarray.run : compute into a store.
    insarray.append : append new pairs to a store.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> with ia.progress_bar() as progress:
    ...     report = ia.run(series, "series.zarr", progress=progress)
    >>> report.blocks
    1
    """
    if not quiet and (show := _notebook()) is not None:
        line = Line(show, unit)
        try:
            yield line
        finally:
            line.end()
    elif not quiet and sys.stderr.isatty():
        with _terminal(unit) as progress:
            yield progress
    else:
        yield None


class Line:
    """Line of text with a bar, count, rate and remaining time.

    Parameters
    ----------
    show
        Function that shows a text in place of the previous one.
    unit
        Name of the counted items.
    """

    def __init__(self, show: Callable[[str], None], unit: str) -> None:
        self._show, self._unit = show, unit
        self._started = self._shown = time.monotonic()
        self._first: int | None = None  # number done by an earlier run
        self._text = ""

    def __call__(self, finished: int, total: int) -> None:
        """Update the line, at most a few times per second."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._started, self._shown = finished, now, now - _SECONDS
        rate = (finished - self._first) / max(now - self._started, 1e-9)
        full = _WIDTH * finished // max(total, 1)
        left = f", {(total - finished) / rate:.0f} s left" if rate and finished < total else ""
        speed = f", {rate:.3g} {self._unit}/s" if rate else ""
        self._text = f"{'█' * full}{'░' * (_WIDTH - full)} {finished}/{total} {self._unit}{speed}{left}"
        if now - self._shown >= _SECONDS:
            self._shown = now
            self._show(self._text)

    def end(self) -> None:
        """Show the final state."""
        if self._text:
            self._show(self._text)


def _notebook() -> Callable[[str], None] | None:
    """Return a function that shows text in the output of a notebook cell; None outside notebooks."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    handle: Any = None

    def show(text: str) -> None:
        nonlocal handle
        content = {"text/plain": text}
        if handle is None:
            handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(content, raw=True)

    return show


@contextmanager
def _terminal(unit: str) -> Iterator[Progress]:
    """Show a rich progress bar on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.3g} {unit}/s")

    columns = (
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda finished, blocks: bar.update(task, completed=finished, total=blocks)
