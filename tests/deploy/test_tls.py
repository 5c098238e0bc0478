"""A scheduler that speaks TLS only: the command line works through Dask's settings, a plain client is refused."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.simulate.stacks import simulate_stack, write_geotiffs

pytest.importorskip("cryptography", reason="needs cryptography, for certificates")
from distributed import LocalCluster
from distributed.security import Security

JOB = ["--wavelength", "0.05546576", "--reference", "5,5", "--block", "16"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    stack, _ = simulate_stack(shape=(40, 40), n_dates=6, water=False, missing=0.0)
    write_geotiffs(stack, folder)
    return folder


def certificates(folder: Path) -> dict[str, str]:
    """Settings of Dask in the environment, for certificates made for this run."""
    security = Security.temporary()
    for name, text in (
        ("ca", security.tls_ca_file), ("key", security.tls_client_key), ("cert", security.tls_client_cert)
    ):  # fmt: skip
        (folder / f"{name}.pem").write_text(text)
    found = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(folder / "ca.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        for part in ("key", "cert"):
            found[f"DASK_DISTRIBUTED__COMM__TLS__{role}__{part.upper()}"] = str(folder / f"{part}.pem")
    return found | {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """(address, settings) of a scheduler and a worker in processes of their own."""
    folder = tmp_path_factory.mktemp("tls")
    settings = certificates(folder)
    environment = os.environ | settings
    dask = [sys.executable, "-m", "dask"]
    scheduler_file = folder / "scheduler.json"
    log = (folder / "log").open("w")
    started = [
        subprocess.Popen([*dask, *words], env=environment, stdout=log, stderr=log)
        for words in (
            ["scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", "tls", "--no-dashboard",
             "--scheduler-file", str(scheduler_file)],
            ["worker", "--scheduler-file", str(scheduler_file), "--host", "127.0.0.1", "--protocol", "tls",
             "--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)],
        )
    ]  # fmt: skip
    try:
        yield _address(scheduler_file), settings
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)
        log.close()


def _address(scheduler_file: Path) -> str:
    import json

    for _ in range(300):
        if scheduler_file.exists() and scheduler_file.read_text():
            return json.loads(scheduler_file.read_text())["address"]
        time.sleep(0.2)
    raise AssertionError("the scheduler has not started")


def invert(files: Path, out: Path, address: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "insarray", "invert", f"{files}/*.unw.tif", str(out), *JOB]
    return subprocess.run(
        [*command, "--scheduler", address], env=os.environ | settings, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_same_bits_over_tls(files, cluster, tmp_path):
    address, settings = cluster
    assert address.startswith("tls://127.0.0.1:")
    done = invert(files, tmp_path / "tls.zarr", address, settings)
    assert done.returncode == 0, done.stderr
    assert run_command(["invert", f"{files}/*.unw.tif", str(tmp_path / "threads.zarr"), *JOB]) == 0
    one, two = xr.open_zarr(tmp_path / "threads.zarr"), xr.open_zarr(tmp_path / "tls.zarr")
    assert set(one.variables) == set(two.variables)
    for name in one.variables:
        assert np.asarray(one[name]).tobytes() == np.asarray(two[name]).tobytes(), name


@pytest.mark.parametrize(
    "other", ["plain", "no certificate", "certificates of somebody else"]
)  # fmt: skip
def test_who_has_no_certificate_is_refused(other, files, cluster, tmp_path):
    address, _ = cluster
    settings = {} if other != "certificates of somebody else" else certificates(tmp_path)
    address = address.replace("tls://", "tcp://") if other == "plain" else address
    done = invert(files, tmp_path / "o.zarr", address, settings)
    assert done.returncode == 2
    assert re.fullmatch(r"insarray: .*(nothing answers at|TLS).*\n", done.stderr)
    assert not (tmp_path / "o.zarr").exists()


def test_a_client_that_asks_for_encryption_takes_no_plain_scheduler(files, tmp_path):
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as plain:
        done = invert(files, tmp_path / "o.zarr", plain.scheduler_address, certificates(tmp_path))
    assert done.returncode == 2
    assert re.fullmatch(r"insarray: .*encryption required.*\n", done.stderr)
    assert not (tmp_path / "o.zarr").exists()


def test_local_processes_are_reached_from_this_machine_only(files, tmp_path, monkeypatch):
    """What takes orders in scheduler="local", and the scheduler's dashboard, listen on the loopback."""
    import distributed

    addresses = set()

    made = []

    class Recorded(LocalCluster):
        def __init__(self, **options):
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(distributed, "LocalCluster", Recorded)

    def watch(finished, blocks):
        (cluster,) = made
        addresses.add(cluster.scheduler.address)
        addresses.add(cluster.dashboard_link)
        for worker in cluster.scheduler.workers.values():
            addresses.update({worker.address, worker.nanny})

    stack = ia.open_stack(f"{files}/*.unw.tif", wavelength=0.05546576, block=16)
    ia.run(ia.invert(stack, reference=(5, 5)), str(tmp_path / "o.zarr"), scheduler="local", workers=1, progress=watch)
    assert len(addresses) == 4
    assert {urlsplit(address).hostname for address in addresses} == {"127.0.0.1"}
