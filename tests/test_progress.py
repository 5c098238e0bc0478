"""What is shown of long work, and where."""

import io
import sys
from types import SimpleNamespace

import pytest

import insarray as ia
from insarray import progress as module
from insarray.progress import Line, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_has_a_rate_on_a_terminal_and_nothing_is_written_elsewhere(terminal, monkeypatch):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(quiet=False, unit="blocks") as progress:
        if progress is not None:
            for finished in range(4):
                progress(finished, 3)
    assert ("blocks/s" in stream.getvalue()) == terminal
    assert ("3/3" in stream.getvalue()) == terminal


def test_a_line_says_how_far_how_fast_and_how_long(monkeypatch):
    """Ten blocks were there; the rate is that of this run, and the line does not flicker."""
    clock, texts = [100.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    line = Line(texts.append, "blocks")
    for finished in range(10, 21):
        line(finished, 30)
        clock[0] += 0.1
    assert [text.split()[1] for text in texts] == ["10/30", "13/30", "16/30", "19/30"]
    assert texts[0].startswith("█" * 10 + "░" * 20 + " 10/30 blocks")
    assert texts[1].endswith("13/30 blocks, 10 blocks/s, 2 s left")
    line(30, 30)
    line.end()
    assert texts[-1].startswith("█" * 30 + " 30/30 blocks, ")
    assert "left" not in texts[-1]


def test_a_notebook_gets_one_line_that_changes(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda content, raw: shown.append(("update", content["text/plain"])))

    def display(content, *, raw, display_id):
        shown.append(("new", content["text/plain"]))
        return handle

    fake = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    with ia.progress_bar(unit="links") as progress:
        progress(0, 4)
        progress(4, 4)
    assert [kind for kind, _ in shown] == ["new", "update"]
    assert "4/4 links" in shown[-1][1]
    with ia.progress_bar(quiet=True) as progress:
        assert progress is None
