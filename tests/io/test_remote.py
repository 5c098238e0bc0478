"""Files behind URLs: GeoTIFF, HDF5, NetCDF and Zarr from a real S3-compatible server on the loopback, and over HTTP."""

import gc
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import fsspec
import numpy as np
import psutil
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, FileError, StackWarning, StoreError, StoreMismatchError
from tests.engine.test_store_and_run import job
from tests.io.products.hyp3 import write_jobs
from tests.io.products.opera_disp import DispProduct
from tests.io.products.scene import Scene
from tests.io.stack_files import PAIRS, WAVELENGTH

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("s3fs", reason="needs s3fs")
server_module = pytest.importorskip("moto.server", reason="needs moto[server]")

# sessions of the server's clients, which their library leaves open
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    """Address of the server."""
    thread = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=unused_port(), verbose=False)
    thread.start()
    fsspec.filesystem("s3").clear_instance_cache()  # clients of other servers
    host, port = thread.get_host_and_port()
    yield f"http://{host}:{port}"
    thread.stop()
    with warnings.catch_warnings():  # of sessions that are still open, in a test that has nothing to do with them
        warnings.simplefilter("ignore")
        fsspec.filesystem("s3").clear_instance_cache()
        fsspec.filesystem("http").clear_instance_cache()
        gc.collect()


@pytest.fixture
def bucket(server, monkeypatch):
    """URL of an empty bucket; the environment says how to reach it, as for a user."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"s3://stack-{unused_port()}"
    fsspec.filesystem("s3").mkdir(name)
    return name


def upload(folder: Path, url: str, **how: str) -> str:
    fsspec.filesystem("s3").put(str(folder) + "/", url + "/", recursive=True, **how)
    return url


def test_geotiffs(bucket, folder, truth):
    url = upload(folder, f"{bucket}/ifgs")
    stack = ia.open_stack(f"{url}/*.unw.tif", coherence=f"{url}/*.cor.tif", wavelength=WAVELENGTH, block=16)
    np.testing.assert_array_equal(stack.unwrapped_phase.values, truth.phase)
    np.testing.assert_allclose(stack.coherence.values, truth.coherence, atol=1e-7)
    local = ia.open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif", wavelength=WAVELENGTH, block=16)
    drop = "pair_fingerprint"  # of the place, too
    xr.testing.assert_identical(
        local.unwrapped_phase.drop_vars(drop).drop_attrs(), stack.unwrapped_phase.drop_vars(drop).drop_attrs()
    )


def test_tables(bucket, folder, tmp_path, truth):
    """Of baselines, and of the files of a stack."""
    pairs = [pair.replace("_", ",") for pair in PAIRS]
    rows = [f"{pair},{value}" for pair, value in zip(pairs, truth.baselines, strict=True)]
    (folder / "baselines.csv").write_text("\n".join(["reference,secondary,bperp_m", *rows]))
    rows = [f"{pair},{name}.unw.tif" for pair, name in zip(pairs, PAIRS, strict=True)]
    (folder / "stack.csv").write_text("\n".join(["reference,secondary,unwrapped", *rows]))
    url = upload(folder, f"{bucket}/ifgs")
    stack = ia.open_stack(f"{url}/stack.csv", baselines=f"{url}/baselines.csv")
    np.testing.assert_array_equal(stack.unwrapped_phase.values, truth.phase)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, atol=1e-4)


def test_a_changed_object_is_another_input(bucket, folder, truth):
    url = upload(folder, f"{bucket}/ifgs")
    before = ia.open_stack(f"{url}/*.unw.tif").attrs["input_fingerprint"]
    assert ia.open_stack(f"{url}/*.unw.tif").attrs["input_fingerprint"] == before
    truth.phase[0] += 1
    truth.write(folder)
    upload(folder, f"{bucket}/ifgs")
    assert ia.open_stack(f"{url}/*.unw.tif").attrs["input_fingerprint"] != before


def test_what_another_program_writes_is_seen(bucket, folder, truth):
    """Clients remember listings; the same object has one fingerprint, whichever request has told of it."""
    url, other = upload(folder, f"{bucket}/ifgs"), fsspec.filesystem("s3", skip_instance_cache=True)
    path = f"{url}/{PAIRS[0]}.unw.tif"
    alone = ia.open_stack(path).attrs["input_fingerprint"]
    before = ia.open_stack(f"{url}/*.unw.tif")
    assert ia.open_stack(path).attrs["input_fingerprint"] == alone
    truth.phase[0] += 1
    truth.write(folder)
    other.put(str(folder / f"{PAIRS[0]}.unw.tif"), path)
    assert ia.open_stack(path).attrs["input_fingerprint"] != alone
    assert ia.open_stack(f"{url}/*.unw.tif").attrs["input_fingerprint"] != before.attrs["input_fingerprint"]
    other.rm_file(f"{url}/{PAIRS[1]}.unw.tif")
    assert ia.open_stack(f"{url}/*.unw.tif").sizes["pair"] == before.sizes["pair"] - 1


def test_hdf5(bucket, tmp_path, truth):
    truth.write_mintpy(tmp_path / "inputs", chunks=(2, 8, 8))
    stack = ia.open_stack(upload(tmp_path / "inputs", f"{bucket}/inputs"))
    assert stack.attrs["product"] == "mintpy"
    np.testing.assert_array_equal(stack.unwrapped_phase.values, truth.phase)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, atol=1e-4)


@pytest.mark.parametrize("kind", ["zarr", "nc"])
def test_a_stored_stack(kind, bucket, folder, tmp_path, truth):
    stack = ia.open_stack(f"{folder}/*.unw.tif", wavelength=WAVELENGTH).compute()
    name = f"stack.{kind}"
    if kind == "zarr":
        stack.drop_attrs().to_zarr(tmp_path / name, consolidated=False)
        upload(tmp_path / name, f"{bucket}/{name}")
    else:
        stack.drop_attrs().to_netcdf(tmp_path / name)
        fsspec.filesystem("s3").put(str(tmp_path / name), f"{bucket}/{name}")
    again = ia.open_stack(f"{bucket}/{name}", wavelength=WAVELENGTH)
    np.testing.assert_array_equal(again.unwrapped_phase.values, truth.phase)


def test_invert_from_s3_to_s3(bucket, folder, truth):
    url = upload(folder, f"{bucket}/ifgs")
    out = f"{bucket}/series.zarr"
    local = str(folder.parent / "series.zarr")
    options = ["--wavelength", str(WAVELENGTH), "--reference", "none", "--workers", "1"]
    assert run_command(["invert", f"{url}/*.unw.tif", out, *options]) == 0
    assert run_command(["invert", f"{folder}/*.unw.tif", local, *options]) == 0
    assert run_command(["status", out, "--verify"]) == 0
    np.testing.assert_array_equal(open_store(out).displacement.values, open_store(local).displacement.values)


def test_http(server, bucket, folder, truth):
    upload(folder, f"{bucket}/ifgs", ACL="public-read")
    urls = [f"{server}/{bucket.removeprefix('s3://')}/ifgs/{pair}.unw.tif" for pair in PAIRS]
    np.testing.assert_array_equal(ia.open_stack(urls).unwrapped_phase.values, truth.phase)


def test_what_is_not_there_is_named(bucket, server):
    with pytest.raises(FileError, match=f"{bucket}/none.tif does not exist"):
        ia.open_stack(f"{bucket}/none.tif")
    with pytest.raises(ArgumentError, match=r"nothing matches .*\*\.tif"):
        ia.open_stack(f"{bucket}/*.tif")
    with pytest.raises(FileError, match=r"s3://no-such-bucket-at-all/.* cannot be|does not exist|nothing matches"):
        ia.open_stack("s3://no-such-bucket-at-all/x.tif")


def test_a_protocol_that_nobody_knows():
    with pytest.raises(ArgumentError, match=r"ftpx://host/a\.tif: "):
        ia.open_stack("ftpx://host/a.tif")


def test_a_truncated_object(bucket, folder):
    path = folder / f"{PAIRS[1]}.unw.tif"
    path.write_bytes(path.read_bytes()[:-600])
    url = upload(folder, f"{bucket}/ifgs")
    with pytest.raises(FileError, match=f"{PAIRS[1]}.unw.tif: "):
        ia.open_stack(f"{url}/*.unw.tif")


def test_a_server_that_is_gone(bucket, folder, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(FileError, match=r"s3://gone/a.tif: cannot be reached"):
        ia.open_stack("s3://gone/a.tif")
    fsspec.filesystem("s3").clear_instance_cache()


def test_products_are_found_in_folders_of_a_bucket(bucket, tmp_path):
    """A folder of rasters with text beside them, and one of HDF5 files."""
    scene = Scene()
    write_jobs(tmp_path / "jobs", scene)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StackWarning)
        local = ia.open_stack(tmp_path / "jobs")
        stack = ia.open_stack(upload(tmp_path / "jobs", f"{bucket}/jobs"))
    assert stack.attrs["product"] == "hyp3"
    np.testing.assert_array_equal(stack.unwrapped_phase.values, local.unwrapped_phase.values)
    np.testing.assert_array_equal(stack.perpendicular_baseline, local.perpendicular_baseline)
    np.testing.assert_array_equal(stack.los_up.values, local.los_up.values)
    for k, day in enumerate(("0729", "0822")):
        values = np.full((24, 30), 0.01 * (k + 1))
        DispProduct("20160705T140755", f"2016{day}T140756", values, baseline=5.0).write(tmp_path / "disp")
    stack = ia.open_stack(upload(tmp_path / "disp", f"{bucket}/disp"))
    assert stack.attrs["product"] == "opera-disp"
    np.testing.assert_allclose(stack.unwrapped_phase[1] / stack.unwrapped_phase[0], 2, rtol=1e-5)


# -- a store on a server -------------------------------------------------------------------------------------------------

SLOW_RUN = """
import sys, time
import insarray as ia
from insarray.engine.run import workers
from tests.engine.test_store_and_run import job
write = workers.write_block
def slow(*args):
    time.sleep(0.3)
    return write(*args)
workers.write_block = slow
if __name__ == "__main__":
    ia.run(job(), sys.argv[1], scheduler=sys.argv[2], workers=2)
"""


def state_of(url, capsys) -> tuple[str, int, bool]:
    """What `insarray status` says: state, blocks done, whether there is a lock."""
    assert run_command(["status", url]) == 0
    text = capsys.readouterr().out
    state, done = re.match(rf"{url}: (\w+), (\d+) of 12 blocks done", text).groups()
    return state, int(done), "if it was, remove stack-" in text


@pytest.mark.parametrize("scheduler", [pytest.param("threads", marks=pytest.mark.slow), "local"])
def test_killed_and_resumed_by_process_workers(bucket, tmp_path, capsys, scheduler):
    """Blocks are written by other processes than the one that lists them; at every point status tells the truth."""
    url, script = f"{bucket}/o.zarr", tmp_path / "slow.py"
    script.write_text(SLOW_RUN)
    assert run_command(["status", url]) == 2
    assert "does not exist" in capsys.readouterr().err
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with subprocess.Popen([sys.executable, str(script), url, scheduler], env=environment, cwd=ROOT) as process:
        while len(Store(url).done()) < 4:
            assert process.poll() is None
            time.sleep(0.5)
        children = psutil.Process(process.pid).children(recursive=True)
        assert state_of(url, capsys)[::2] == ("unfinished", True)
        process.kill()
    psutil.wait_procs(children, timeout=60)
    done = len(Store(url).done())
    assert 4 <= done < 12
    assert state_of(url, capsys) == ("unfinished", done, True)
    with pytest.raises(StoreError, match=f"only {done} of 12 blocks"):
        open_store(url)
    with pytest.raises(StoreMismatchError, match=r"if it died, remove (\S+)") as locked:
        ia.run(job(), url, scheduler="local", workers=2)
    fsspec.filesystem("s3").rm_file(re.search(r"remove (\S+)", str(locked.value))[1])
    assert state_of(url, capsys) == ("unfinished", done, False)
    seen = []

    def look(finished, _):
        seen.append((finished, len(Store(url).done()) if finished in (done, done + 2) else finished))

    report = ia.run(job(), url, scheduler="local", workers=2, progress=look)
    assert report.computed == 12 - done
    assert [finished for finished, _ in seen] == list(range(done, 13))
    assert all(listed >= finished for finished, listed in seen)
    assert state_of(url, capsys) == ("complete", 12, False)
    assert report.statistics == Store(url).report()
    assert (report.statistics["blocks"], report.statistics["pixels"]) == (12, 600)
    assert run_command(["status", url, "--verify"]) == 0
    ia.run(job(), str(tmp_path / "calm.zarr"))
    stored, expected = open_store(url), open_store(str(tmp_path / "calm.zarr"))
    for name in expected.variables:
        np.testing.assert_array_equal(stored[name].values, expected[name].values, err_msg=name, strict=True)
    calm = Store(str(tmp_path / "calm.zarr")).report()
    assert {**report.statistics, "seconds": 0} == {**calm, "seconds": 0}
    assert ia.run(job(), url, scheduler="local", workers=2).computed == 0


def test_started_over_after_others_have_written(bucket):
    """Nothing of theirs is left behind, though this process listed the folders before they wrote."""
    url, fs = f"{bucket}/o.zarr", fsspec.filesystem("s3")
    ia.run(job(), url, workers=2)
    fs.find(url)
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    other.pipe_file(f"{url}/_insarray/blocks/7.7.json", b"{}")
    Store(url).remove()
    assert other.find(url) == []
    assert not Store(url).files.exists()
