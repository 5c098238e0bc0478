"""``insarray compile`` leaves nothing to compile."""

import subprocess
import sys

import pytest

from insarray import warm_up
from insarray.kernels import compiled
from insarray.model.errors import InsarrayError
from tests.cli.test_cli import insarray


def test_nothing_is_compiled_twice(capsys):
    """After the command, a new process finds every kernel of a weighted inversion where it is kept."""
    code, output, _ = insarray(capsys, "compile", "--workers", 2)
    assert code == 0
    lines = output.splitlines()
    assert len(lines) == warm_up.JOBS + 1
    assert all(line.startswith(f"{number} of {warm_up.JOBS}: ") for number, line in enumerate(lines[:-1], 1))
    assert lines[-1].startswith("all kernels are compiled")
    script = (
        "from numba.core import event, caching\n"
        "from insarray import warm_up\n"
        "with event.install_recorder('numba:compile') as found:\n"
        "    warm_up._weighted()\n"
        "print(len([at for at, what in found.buffer if what.is_start]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "0", done.stdout


def test_no_place_to_keep_them(monkeypatch):
    monkeypatch.setattr(compiled, "_CACHE", None)
    with pytest.raises(InsarrayError, match="set NUMBA_CACHE_DIR"):
        next(warm_up.warm_up(1))
