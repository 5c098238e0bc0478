"""``insarray compile`` leaves nothing to compile."""

import subprocess
import sys
import time

import pytest

from insarray import warm_up
from insarray.kernels import compiled
from insarray.model.errors import InsarrayError
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.cli.test_cli import insarray


def test_nothing_is_compiled_twice(capsys):
    """After the command, a new process finds every kernel of a weighted inversion and a fit where it is kept."""
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
        "    warm_up._fit()\n"
        "print(len([at for at, what in found.buffer if what.is_start]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "0", done.stdout


def test_no_place_to_keep_them(monkeypatch):
    monkeypatch.setattr(compiled, "_CACHE", None)
    with pytest.raises(InsarrayError, match="set NUMBA_CACHE_DIR"):
        next(warm_up.warm_up(1))


@pytest.fixture
def jobs(monkeypatch, tmp_path):
    """Compiling in processes is replaced by a file that each of them writes after a moment."""
    code = "import pathlib, sys, time; time.sleep(1.5); pathlib.Path(sys.argv[1]).touch()"
    monkeypatch.setattr(compiled, "_CACHE", str(tmp_path))
    monkeypatch.setattr(warm_up, "_command", lambda name: [sys.executable, "-c", code, str(tmp_path / name)])
    return tmp_path


def demo_files(folder):
    stack, _ = simulate_stack(shape=(8, 9), n_dates=4, missing=0, water=False)
    return [str(file) for file in write_geotiffs(stack, folder) if str(file).endswith(".unw.tif")]


def test_a_command_compiles_beside_and_says_so(capsys, jobs):
    files = demo_files(jobs / "ifgs")
    arguments = ["invert", *files, "--wavelength", "0.05", "--reference", "3,3"]
    code, _, errors = insarray(capsys, *arguments, jobs / "a.zarr")
    assert code == 0
    assert errors[0] == "compiling kernels, once per installation ..."
    assert errors[1].startswith("kernels compiled (")
    assert {path.name for path in jobs.iterdir()} >= {"invert", "fit"}
    for name in ("invert", "fit"):
        compiled.note_compiled(name)
        (jobs / name).unlink()
    code, _, errors = insarray(capsys, *arguments, jobs / "b.zarr")
    assert (code, errors) == (0, [])
    assert not {"invert", "fit"} & {path.name for path in jobs.iterdir()}


@pytest.mark.parametrize("more", [["--dry-run"], ["--scheduler", "tcp://127.0.0.1:9"]])
def test_nothing_is_compiled_where_nothing_is_computed(capsys, jobs, more):
    insarray(
        capsys,
        "invert",
        *demo_files(jobs / "ifgs"),
        "--wavelength",
        "0.05",
        "--reference",
        "3,3",
        jobs / "a.zarr",
        *more,
    )
    time.sleep(2)
    assert {path.name for path in jobs.iterdir()} == {"ifgs"}


def test_a_command_that_fails_ends_the_compiling(capsys, jobs):
    started = time.monotonic()
    code, _, errors = insarray(capsys, "fit", jobs / "absent.zarr", jobs / "a.zarr")
    assert code == 2
    assert "absent.zarr" in errors[0]
    time.sleep(2.5 - min(2.5, time.monotonic() - started))
    assert not (jobs / "fit").exists()
