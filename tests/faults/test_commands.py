"""The command itself: killed, asked to end, interrupted, run twice at once; then run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import xarray as xr

from insarray.cli.process import run_command
from insarray.engine.run import workers
from insarray.engine.store.zarr_store import Store
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.faults.scene import state
from tests.stores import contents

ROOT = Path(__file__).resolve().parents[2]


class Command:
    """`insarray invert` of files, with slow blocks."""

    def __init__(self, folder: Path) -> None:
        stack, _ = simulate_stack(shape=(64, 80), n_dates=6, missing=0.0, water=False, seed=3)
        write_geotiffs(stack, folder / "ifgs")
        self.files = str(folder / "ifgs/*.unw.tif")

    def start(
        self, out: Path, seconds: float, scheduler: str = "threads", shell: tuple[str, ...] = (), **more: str
    ) -> subprocess.Popen:
        """Process in a group of its own, as a shell would start it; or started by a shell, and with more settings."""
        words = ["invert", self.files, str(out), "--wavelength", "0.0555", "--reference", "none"]
        words += ["--block", "16", "--workers", "2", "--scheduler", scheduler]
        return subprocess.Popen(
            [*shell, sys.executable, "-m", "tests.faults.command", *words],
            cwd=ROOT,
            env={**os.environ, "INSARRAY_TEST_SECONDS": str(seconds), **more},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def finish(self, out: Path) -> dict[str, int]:
        """Run to the end; what is in the store then."""
        with self.start(out, 0.0) as process:
            _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return contents(out)


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    return Command(tmp_path_factory.mktemp("command"))


@pytest.fixture(scope="module")
def expected(command, tmp_path_factory):
    return command.finish(tmp_path_factory.mktemp("expected") / "o.zarr")


def wait_for(out: Path, blocks: int, process: subprocess.Popen) -> None:
    """Until so many blocks are done."""
    folder = out / "_insarray/blocks"
    while not folder.is_dir() or len(list(folder.glob("*.json"))) < blocks:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.mark.parametrize(("scheduler", "kills"), [("threads", 3), pytest.param("local", 2, marks=pytest.mark.slow)])
def test_killed_at_random_moments(command, expected, tmp_path, account, scheduler, kills):
    out, rng = tmp_path / "o.zarr", random.Random(4)
    lost = 0
    for kill in range(kills):
        with command.start(out, 0.2, scheduler) as process:
            wait_for(out, 1 + 3 * kill, process)
            time.sleep(rng.uniform(0, 0.3))
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive  # no orphan
        left = state(out)
        time.sleep(0.5)
        assert state(out) == left
        lost += 2
    assert 0 < len(Store(str(out)).done()) < 20
    assert command.finish(out) == expected
    assert Store(str(out)).verify() == 20
    account(
        f"command killed, {scheduler}",
        "SIGKILL at random moments, then resumed",
        kills,
        f"at most {lost}, those at work",
        "same bits",
    )


@pytest.mark.parametrize(
    ("scheduler", "number", "code"),
    [
        pytest.param("threads", signal.SIGTERM, 143, marks=pytest.mark.slow),
        ("threads", signal.SIGINT, 130),
        ("local", signal.SIGTERM, 143),
    ],
    ids=["threads-TERM", "threads-INT", "local-TERM"],
)
def test_asked_to_end(command, expected, tmp_path, account, scheduler, number, code):
    out = tmp_path / "o.zarr"
    with command.start(out, 0.4, scheduler) as process:
        wait_for(out, 4, process)
        begun = time.monotonic()
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert time.monotonic() - begun < 60
    assert "run the same command again to go on" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    done = len(Store(str(out)).done())
    assert 4 <= done < 20
    with Store(str(out)).lock():  # free
        left = state(out)
        time.sleep(0.5)
        assert state(out) == left
    assert command.finish(out) == expected
    account(
        f"{number.name}, {scheduler}",
        "at the walltime, in mid-run",
        1,
        "the running ones",
        f"exit {code}; lock free; same bits",
    )


def test_interrupts_that_the_shell_ignores_stay_ignored(command, expected, tmp_path, account):
    """Behind nohup, or with & in a script, Ctrl-C is meant for somebody else."""
    out, deaf = tmp_path / "o.zarr", ("sh", "-c", 'trap \'\' INT; exec "$0" "$@"')
    with command.start(out, 0.2, shell=deaf, INSARRAY_TEST_IGNORES="1") as process:
        wait_for(out, 4, process)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(out) == expected
    account("SIGINT behind nohup", "in mid-run", 1, 0, "goes on; same bits")


def test_two_at_once(command, expected, tmp_path, account):
    """Started together: neither sees a store; one makes it, the other is told."""
    out = tmp_path / "o.zarr"
    both = [command.start(out, 0.5) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 6], errors
    assert any("another run" in text for text in errors)
    assert contents(out) == expected
    account("two runs on one store", "started together", 1, 0, "one finishes, the other ends with exit 6")


def test_the_limit_of_a_block(command, tmp_path, monkeypatch, capsys, account):
    """A block that takes longer than --block-timeout is listed; without the option it is waited for."""
    out = tmp_path / "o.zarr"
    words = ["invert", command.files, str(out), "--wavelength", "0.0555", "--reference", "none"]
    words += ["--block", "16", "--workers", "2"]
    assert run_command(words) == 0  # the kernels are loaded by now
    compute = workers.compute_block
    monkeypatch.setattr(workers, "compute_block", lambda *job: (time.sleep(3), compute(*job))[1])
    for limit, code in (("1", 4), ("60", 0)):
        (out / "_insarray/blocks/2.2.json").unlink()
        assert run_command([*words, "--block-timeout", limit]) == code
        said = capsys.readouterr()
        if code == 4:
            assert "1 of 20 blocks failed" in said.err
            monkeypatch.undo()
            assert run_command(words) == 0
            monkeypatch.setattr(workers, "compute_block", lambda *job: (time.sleep(3), compute(*job))[1])
    assert "1 of 20 blocks computed" in said.out
    account("block beyond --block-timeout, command", "3 s instead of 1 s, then 60 s", 1, 1, "exit 4, then done")


def test_status_says_the_numbers(capsys, command, tmp_path):
    command.finish(tmp_path / "o.zarr")
    assert run_command(["status", str(tmp_path / "o.zarr")]) == 0
    said = capsys.readouterr().out
    assert "5120 pixels, 100.0 % valid" in said
    assert "solver_flag: complete 5120" in said
    assert run_command(["status", str(tmp_path / "o.zarr"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["report"]
    with xr.open_zarr(tmp_path / "o.zarr") as stored:
        mean = float(stored.temporal_coherence.astype(float).mean())
    assert report["means"]["temporal_coherence"] == pytest.approx(mean, rel=1e-12)
    assert (report["blocks"], report["pixels"]) == (20, 5120)
