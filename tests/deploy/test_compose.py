"""The commands of compose.yaml, started as processes of this machine: scheduler, worker, notebook, S3 server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from insarray.simulate.stacks import simulate_stack, write_geotiffs

SERVICES = yaml.safe_load((Path(__file__).resolve().parents[2] / "deploy/compose.yaml").read_text())["services"]
JOB = ["--wavelength", "0.05546576", "--reference", "5,5", "--block", "16"]


def unused_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Machine:
    """Services as processes, with ports, names and folders of their own instead of those of containers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler, self.dashboard, self.worker, self.notebook, self.s3 = unused_ports(5)
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.s3}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "JUPYTER_TOKEN": "secret",
            "DASK_SCHEDULER_ADDRESS": f"tcp://127.0.0.1:{self.scheduler}",
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, service: str, *program: str, more: tuple[str, ...] = ()) -> None:
        dashboard = self.dashboard if service == "scheduler" else self.worker
        places = {
            "0.0.0.0": "127.0.0.1",
            "tcp://scheduler:8786": f"tcp://127.0.0.1:{self.scheduler}",
            "8786": str(self.scheduler),
            ":8787": f"127.0.0.1:{dashboard}",
            "8888": str(self.notebook),
            "5000": str(self.s3),
            "/work": str(self.folder),
            "/cache/dask": str(self.folder / "dask"),
            "4GiB": "2GiB",
        }
        words = [places.get(word, word) for word in SERVICES[service]["command"]]
        command = [*program, *(words if service == "s3" else words[1:]), *more]
        log = (self.folder / f"{service}.log").open("w")
        self.started.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.folder))
        log.close()

    def stop(self) -> None:
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def insarray(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "insarray", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)


def answer(url: str, seconds: float = 90, **headers: str) -> str:
    """Text behind a URL, as soon as somebody answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as found:
                return found.read().decode()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs s3fs")
    found = Machine(tmp_path_factory.mktemp("work"))
    stack, _ = simulate_stack(shape=(40, 40), n_dates=6, water=False, missing=0.0)
    write_geotiffs(stack, found.folder / "ifgs")
    try:
        found.start("scheduler", sys.executable, "-m", "dask")
        found.start("worker", sys.executable, "-m", "dask")
        found.start("s3", sys.executable, "-m", "moto.server")
        yield found
    finally:
        found.stop()


def test_the_health_checks_are_answered(machine):
    assert answer(f"http://127.0.0.1:{machine.dashboard}/health") == "ok"
    assert answer(f"http://127.0.0.1:{machine.worker}/health") == "ok"
    for service in ("scheduler", "worker"):
        assert "http://127.0.0.1:8787/health" in SERVICES[service]["healthcheck"]["test"][-1]


@pytest.mark.slow
def test_an_inversion_into_the_bucket_has_the_bits_of_threads(machine):
    import fsspec

    answer(f"http://127.0.0.1:{machine.s3}/")
    files = f"{machine.folder}/ifgs/*.unw.tif"
    endpoint = {"key": "testing", "secret": "testing", "endpoint_url": machine.environment["AWS_ENDPOINT_URL"]}
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True, **endpoint)
    filesystem.mkdir("s3://results")
    address = f"tcp://127.0.0.1:{machine.scheduler}"
    done = machine.insarray("invert", files, "s3://results/series.zarr", *JOB, "--scheduler", address, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["computed"] == 9
    assert machine.insarray("invert", files, str(machine.folder / "threads.zarr"), *JOB).returncode == 0
    filesystem.get("s3://results/series.zarr", str(machine.folder / "fetched.zarr"), recursive=True)
    one, two = xr.open_zarr(machine.folder / "threads.zarr"), xr.open_zarr(machine.folder / "fetched.zarr")
    assert set(one.variables) == set(two.variables)
    for name in one.variables:
        assert np.asarray(one[name]).tobytes() == np.asarray(two[name]).tobytes(), name


def test_the_notebook_answers_who_has_the_token(machine):
    pytest.importorskip("jupyterlab", reason="needs jupyterlab")
    as_root = ("--allow-root",) if os.geteuid() == 0 else ()  # in the image it is not
    machine.start("notebook", sys.executable, "-m", "jupyter", more=as_root)
    url = f"http://127.0.0.1:{machine.notebook}"
    assert json.loads(answer(f"{url}/api/status", Authorization="token secret"))["kernels"] == 0
    with pytest.raises(urllib.error.HTTPError, match="403"):
        answer(f"{url}/api/status")


def test_the_programs_that_are_started_are_those_of_the_image():
    """They are started here as modules of the Python that runs the tests."""
    assert {service["command"][0] for name, service in SERVICES.items() if name != "s3"} == {"dask", "jupyter"}
