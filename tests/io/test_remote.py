"""Files behind URLs: GeoTIFF, HDF5, NetCDF and Zarr from a real S3-compatible server on the loopback, and over HTTP."""

import gc
import socket
import warnings
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.store import open_store
from insarray.faces.entry import run_command
from insarray.model.errors import ArgumentError, FileError, StackWarning
from tests.io.products.hyp3 import write_jobs
from tests.io.products.opera_disp import DispProduct
from tests.io.products.scene import Scene
from tests.io.stack_files import PAIRS, WAVELENGTH

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
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
    name = f"s3://stack-{unused_port()}"
    filesystem.mkdir(name)
    fsspec.filesystem("s3").clear_instance_cache()
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
    fsspec.filesystem("s3").invalidate_cache()
    assert ia.open_stack(f"{url}/*.unw.tif").attrs["input_fingerprint"] != before


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
