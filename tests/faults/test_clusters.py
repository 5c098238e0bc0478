"""Schedulers that die, workers behind a cut cable: real processes over TCP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from insarray.engine.run.runner import run
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import ClusterError
from tests.faults.scene import BLOCKS, job, trouble
from tests.stores import contents

ROOT = Path(__file__).resolve().parents[2]
# of this process alone, as the tests may run twice on a machine
HOST, GUEST = f"10.213.{os.getpid() % 250}.1", f"10.213.{os.getpid() % 250}.2"
SPACE, NEAR, FAR = (f"insarray{kind}{os.getpid() % 100_000}" for kind in ("", "n", "f"))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(*words: str, inside: tuple[str, ...] = (), **settings: str):
    """A process of Dask's, ended at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **settings}
    started = subprocess.Popen(
        [*inside, sys.executable, "-m", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def scheduler(host: str, port: int):
    settings = {
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "8s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    }
    return process("distributed.cli.dask_scheduler", "--host", host, "--port", str(port), "--no-dashboard", **settings)


def worker(address: str, *more: str, inside: tuple[str, ...] = ()):
    words = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "30")
    return process(*words, *more, inside=inside)


def wait_for_workers(address: str, number: int) -> None:
    from distributed import Client

    until = time.monotonic() + 120
    while True:
        try:
            with Client(address, timeout="30s") as client:
                client.wait_for_workers(number, timeout=90)
            return
        except OSError:
            assert time.monotonic() < until


def test_the_scheduler_dies_and_a_new_one_resumes(tmp_path, calm, account):
    port, out = unused_port(), tmp_path / "o.zarr"
    address, dataset = f"tcp://127.0.0.1:{port}", job(tmp_path / "t")
    slow = trouble(tmp_path / "t", None, "sleep 0.5")
    with scheduler("127.0.0.1", port) as victim, worker(address):
        wait_for_workers(address, 1)
        killed = []

        def kill(finished, _):
            if finished == 3:
                victim.kill()
                killed.append(time.monotonic())

        with pytest.raises(ClusterError, match="scheduler was lost") as caught:
            run(dataset, str(out), scheduler=address, progress=kill)
        assert time.monotonic() - killed[0] < 90
        assert caught.value.exit_code == 5
    slow.unlink()
    done = len(Store(str(out)).done())
    assert 3 <= done < BLOCKS
    with scheduler("127.0.0.1", port), worker(address):
        wait_for_workers(address, 1)
        assert run(dataset, str(out), scheduler=address).computed == BLOCKS - done
    assert contents(out) == calm
    account(
        "scheduler killed and restarted",
        "SIGKILL after 3 of 12 blocks",
        1,
        "the running ones",
        "exit 5; same command: same bits",
    )


@pytest.fixture
def cable():
    """A network of this machine and one worker; called to cut it."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip")

    def ip(*words: str, check: bool = True):
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)

    made = ip("netns", "add", SPACE, check=False)
    if made.returncode:
        pytest.skip(f"needs leave to make a network: {made.stderr.strip()}")
    try:
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
        ip("link", "set", FAR, "netns", SPACE)
        ip("addr", "add", f"{HOST}/24", "dev", NEAR)
        ip("link", "set", NEAR, "up")
        for words in (("addr", "add", f"{GUEST}/24", "dev", FAR), ("link", "set", FAR, "up")):
            ip("netns", "exec", SPACE, "ip", *words)
        yield lambda: ip("netns", "exec", SPACE, "ip", "link", "set", FAR, "down")
    finally:
        ip("link", "del", "insarray0", check=False)  # what still runs in the network keeps it, and its end of the link
        ip("netns", "del", SPACE)


def test_a_cable_is_cut(cable, tmp_path, calm, account):
    """A worker is silent from one moment to the next, with no connection closed; another one does its blocks."""
    port, out = unused_port(), tmp_path / "o.zarr"
    address, dataset = f"tcp://{HOST}:{port}", job(tmp_path / "t")
    slow = trouble(tmp_path / "t", None, "sleep 0.5")
    inside = ("ip", "netns", "exec", SPACE)
    with (
        scheduler(HOST, port),
        worker(address, "--host", HOST),
        worker(address, "--host", GUEST, "--no-nanny", inside=inside),
    ):
        wait_for_workers(address, 2)
        cut = []

        def cut_it(finished, _):
            if finished == 3:
                cable()
                cut.append(time.monotonic())
                slow.unlink()

        result = []
        thread = threading.Thread(
            target=lambda: result.append(run(dataset, str(out), scheduler=address, progress=cut_it)), daemon=True
        )
        thread.start()
        thread.join(150)
        assert result, "does not end"
        seconds = time.monotonic() - cut[0]
    assert contents(out) == calm
    assert Store(str(out)).verify() == BLOCKS
    account(
        "silent network partition",
        "link of one of two workers down",
        1,
        "the worker's",
        f"same bits, {seconds:.0f} s after the cut (worker-ttl 8 s)",
    )
