"""The process round a command: signals that the compiler swallows, and the progress bar."""

import contextlib
import os
import signal
import subprocess
import sys
import warnings

import pytest

from insarray.cli import process as entry


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_a_callback_of_the_compiler_loses_still_ends_the_command(number, code, monkeypatch, capsys):
    """Numba compiles with a callback of C in which an exception is lost; then it fails because there is no code."""

    def compiles(*_, **__):
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            os.kill(os.getpid(), number)
        raise RuntimeError("no compiled object yet")

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(entry, "_stopped_by", None)
    monkeypatch.setattr(entry.cli, "main", compiles)
    monkeypatch.setattr(os, "_exit", sys.exit)  # a thread that another test has left in a block is not the matter here
    monkeypatch.setattr(sys, "argv", ["insarray", "info"])
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
        with pytest.raises(SystemExit) as end:
            entry.main()
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert end.value.code == code
    assert "run the same command again to go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("insarray inv", "plain,invert"),
        ("insarray invert ifgs series.zarr --weights var", "plain,variance"),
        ("insarray invert ifgs series.zarr --min-tem", ""),
        ("insarray invert ifgs series.zarr --dry", "plain,--dry-run"),
    ],
)
def test_completion_of_the_shell_says_nothing_else(line, expected):
    """Bash asks this way at Tab; click then leaves by SystemExit, which is no signal."""
    words = {"_INSARRAY_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    code = "import sys; sys.argv = ['insarray']; from insarray.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", expected)
