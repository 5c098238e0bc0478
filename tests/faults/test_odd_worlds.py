"""An odd world around a run: no HOME, a full TMPDIR, workers that come, go and see other files, three runs at once."""

import subprocess
import threading
import time

import dask.array as da
import numpy as np
import psutil
import pytest

import insarray as ia
from insarray.engine.plan import plan_run
from insarray.engine.run.runner import run
from insarray.model.errors import FileError
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.faults.scene import job, trouble
from tests.faults.test_clusters import scheduler, unused_port, wait_for_workers, worker
from tests.faults.test_commands import command, expected  # noqa: F401 (fixtures)
from tests.faults.test_disks import disk  # noqa: F401 (a fixture)
from tests.stores import contents

pytestmark = pytest.mark.slow


def test_three_runs_to_three_stores(command, expected, tmp_path, account):  # noqa: F811
    started = [command.start(tmp_path / f"{k}.zarr", 0.1) for k in range(3)]
    errors = [process.communicate(timeout=400)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    assert all(contents(tmp_path / f"{k}.zarr") == expected for k in range(3))
    account("three runs at once to three stores", "of the same files", 3, 0, "same bits")


@pytest.mark.parametrize("kind", ["threads", "local"])
def test_no_home_and_a_full_tmpdir(kind, disk, command, expected, tmp_path, account):  # noqa: F811
    folder, _ = disk
    with (folder / "all").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    settings = {"HOME": "/nowhere", "TMPDIR": str(folder), "XDG_CACHE_HOME": "/nowhere/cache"}
    with command.start(tmp_path / "o.zarr", 0.0, kind, **settings) as process:
        _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert contents(tmp_path / "o.zarr") == expected
    account(f"no HOME and a full TMPDIR, {kind}", "HOME=/nowhere, tmpfs of 700 kB", 1, 0, "same bits")


def test_workers_join_late_and_leave_one_by_one(tmp_path, calm, account):
    port, out = unused_port(), tmp_path / "o.zarr"
    address = f"tcp://127.0.0.1:{port}"
    dataset = job(tmp_path / "t")
    trouble(tmp_path / "t", None, "sleep 1")
    finished = []
    with scheduler("127.0.0.1", port), worker(address) as first:
        wait_for_workers(address, 1)
        thread = threading.Thread(
            target=lambda: finished.append(
                run(dataset, str(out), scheduler=address, progress=lambda n, _: seen.append(n))
            )
        )
        seen: list[int] = []
        thread.start()
        while not seen or seen[-1] < 2:
            time.sleep(0.05)
        with worker(address) as second, worker(address):
            wait_for_workers(address, 3)
            while seen[-1] < 5:
                time.sleep(0.05)
            first.terminate()  # leaves in an orderly way
            while seen[-1] < 7:
                time.sleep(0.05)
            second.kill()
            thread.join(200)
    assert finished, "the run did not end"
    assert contents(out) == calm
    account("workers that join late and leave one by one", "2 join after 2 blocks; SIGTERM, then SIGKILL", 2, "the running ones", "same bits")  # fmt: skip


def test_workers_that_cannot_see_the_inputs(tmp_path, account):
    hidden = tmp_path / "ifgs"
    stack, _ = simulate_stack(shape=(32, 32), n_dates=4, missing=0, water=False)
    write_geotiffs(stack, hidden)
    blind = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none "{hidden}" && exec "$0" "$@"')
    if subprocess.run([*blind, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs leave to unshare and mount")
    port = unused_port()
    address = f"tcp://127.0.0.1:{port}"
    series = ia.invert(ia.open_stack(hidden, wavelength=0.0555, block=16), reference=None)
    with scheduler("127.0.0.1", port), worker(address, inside=blind):
        wait_for_workers(address, 1)
        with pytest.raises(FileError, match=r"ifgs/.*unw\.tif: ") as caught:
            run(series, str(tmp_path / "o.zarr"), scheduler=address)
    assert "\n" not in str(caught.value)
    with scheduler("127.0.0.1", port), worker(address):
        wait_for_workers(address, 1)
        assert run(series, str(tmp_path / "o.zarr"), scheduler=address).computed == 4
    account(
        "workers that cannot see the inputs", "their folder hidden by a mount", 1, 0, "exit 2, names the file; resumed"
    )


def test_a_run_of_its_own_processes_listens_on_the_loopback_alone(tmp_path, account):
    seen = set()

    def look(*_):
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        seen.update(
            link.laddr.ip
            for one in processes
            for link in one.net_connections("inet")
            if link.status == psutil.CONN_LISTEN
        )

    run(job(tmp_path / "t"), str(tmp_path / "o.zarr"), scheduler="local", workers=2, progress=look)
    assert seen == {"127.0.0.1"}
    account("what listens where", "--scheduler local: sockets of all its processes", 1, 0, "on 127.0.0.1 alone")


def test_five_thousand_dates(account):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=5000, missing=0, water=False, neighbours=1)
    series = ia.invert(stack, reference=(2, 2), gap="nan").compute()
    assert series.sizes["time"] == 5000
    assert np.isfinite(series.displacement.values).all()
    assert (series.number_of_observations.values[1:-1] == 2).all()
    account("5,000 dates", "a chain of 4,999 pairs", 1, 0, "all dates, counts right")


def test_blocks_of_more_than_four_gibibytes_are_planned_in_64_bits(account):
    stack, _ = simulate_stack(shape=(8, 8), n_dates=6, missing=0, water=False)
    pairs, side = stack.sizes["pair"], 12_000  # 144 million pixels of 6 dates: 3.5 GB of displacement alone
    phase = da.zeros((pairs, side, side), np.float32, chunks=(pairs, side, side))
    huge = stack[["unwrapped_phase"]].drop_vars(["unwrapped_phase", "y", "x"])
    huge = huge.assign(unwrapped_phase=(("pair", "y", "x"), phase))
    huge = huge.assign_coords(y=-80.0 * np.arange(side), x=80.0 * np.arange(side))
    plan = plan_run(ia.invert(huge.assign_attrs(stack.attrs), reference=None), workers=1)
    assert plan.n_blocks == 1
    assert plan.peak_bytes > 2**33
    assert plan.output_bytes > 6 * side * side * 8
    account(
        "blocks of more than 4 GiB",
        "one of 144 million pixels; planned",
        1,
        0,
        "sizes in 64 bits, refused without memory",
    )


def test_local_workers_print_no_secret(tmp_path, capfd, account):
    dataset = job(tmp_path / "t")
    trouble(tmp_path / "t", (0, 1), "say https://user:TOPSECRET@h/a \x1b[31m")
    run(dataset, str(tmp_path / "o.zarr"), scheduler="local", workers=1)
    said = capfd.readouterr().err
    assert r"https://***@h/a \x1b[31m" in said
    assert "TOPSECRET" not in said
    account("secret that a worker process prints", "--scheduler local, a block", 1, 0, "not printed")
