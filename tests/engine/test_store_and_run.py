"""Store and run: resume, refusal, verification, drivers; killed at any moment, nothing half-done counts."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr
from distributed import WorkerPlugin

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.jobs import Jobs, fingerprint
from insarray.engine.plan import plan_run
from insarray.engine.run import workers as workers_module
from insarray.engine.run.cluster import open_workers
from insarray.engine.store import zarr_store as store_module
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import (
    ArgumentError,
    FileError,
    PartialRunError,
    StackError,
    StoreError,
    StoreMismatchError,
    VerificationError,
)
from insarray.model.grid import Grid
from tests.networks import nearest
from tests.stacks import stack_of
from tests.stores import contents


def job(**options):
    series = ia.invert(stack_of(), **{"reference": (5, 5), **options})
    return series.merge(ia.fit(series), combine_attrs="override")


def test_store_equals_the_lazy_result(tmp_path):
    seen = []
    report = ia.run(job(), str(tmp_path / "o.zarr"), progress=lambda done, total: seen.append((done, total)))
    assert report[:3] == (str(tmp_path / "o.zarr"), 12, 12)
    assert seen == [(k, 12) for k in range(13)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = xr.open_zarr(tmp_path / "o.zarr")
    expected = job().compute()
    for name in expected.data_vars:
        np.testing.assert_array_equal(stored[name].values, expected[name].values, err_msg=name)
        assert stored[name].dtype == expected[name].dtype
    np.testing.assert_array_equal(stored.time, expected.time)
    assert stored.insar.network == expected.insar.network


def test_plain_open_zarr_has_crs_units_and_provenance(tmp_path):
    ia.run(job(), str(tmp_path / "o.zarr"), command="insarray invert ...")
    stored = xr.open_zarr(tmp_path / "o.zarr")
    assert stored.rio.crs.to_epsg() == 32613
    assert stored.velocity.rio.crs.to_epsg() == 32613
    assert stored.attrs["proj:code"] == "EPSG:32613"
    assert stored.attrs["Conventions"].startswith("CF-")
    assert "insarray invert ..." in stored.attrs["history"]
    assert "toward the satellite" in stored.attrs["sign"]
    assert stored.displacement.attrs["units"] == "m"
    meta = json.loads((tmp_path / "o.zarr/displacement/zarr.json").read_text())
    assert [codec["name"] for codec in meta["codecs"]][-2:] == ["blosc", "crc32c"]
    assert meta["codecs"][-2]["configuration"]["cname"] == "zstd"
    assert meta["fill_value"] == "NaN"
    assert json.loads((tmp_path / "o.zarr/network_subset/zarr.json").read_text())["fill_value"] == 0


def test_another_compressor_stores_the_same(tmp_path):
    ia.run(job(), str(tmp_path / "o.zarr"), compressor="lz4")
    meta = json.loads((tmp_path / "o.zarr/displacement/zarr.json").read_text())
    assert meta["codecs"][-2]["configuration"]["cname"] == "lz4"
    xr.testing.assert_equal(open_store(str(tmp_path / "o.zarr")).velocity.compute(), job().velocity.compute())
    assert Store(str(tmp_path / "o.zarr")).verify() == 12


def test_nothing_is_recomputed_when_all_is_there(tmp_path):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "o.zarr" / "displacement").rglob("*")}
    assert ia.run(job(), url).computed == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "o.zarr" / "displacement").rglob("*")}


@pytest.mark.parametrize("damage", ["missing", "torn", "of another job"])
def test_only_blocks_with_a_valid_record_count(tmp_path, damage):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    expected = contents(url)
    record = tmp_path / "o.zarr/_insarray/blocks/1.2.json"
    if damage == "missing":
        record.unlink()
    elif damage == "torn":
        record.write_bytes(record.read_bytes()[:20])
    else:
        record.write_text(record.read_text().replace('"fingerprint":"', '"fingerprint":"x'))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "o.zarr/velocity/c").rglob("*") if path.is_file()}
    assert ia.run(job(), url).computed == 1
    assert contents(url) == expected
    written = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert written == [tmp_path / "o.zarr/velocity/c/1/2"]


@pytest.mark.parametrize(
    "options", [{"weights": "coherence"}, {"gap": "subset"}, {"reference": None}, {"weights": "fisher", "looks": 7}]
)
def test_another_job_is_refused(tmp_path, options):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    expected = contents(url)
    with pytest.raises(StoreMismatchError, match=f"holds another job .*{next(iter(options))}.*--restart"):
        ia.run(job(**options), url)
    assert contents(url) == expected
    assert ia.run(job(**options), url, resume=False).computed == 12


def test_changed_data_or_blocks_are_another_job(tmp_path):
    url = str(tmp_path / "o.zarr")
    ia.run(ia.invert(stack_of(seed=1)), url)
    with pytest.raises(StoreMismatchError, match="other inputs or other variables"):
        ia.run(ia.invert(stack_of(seed=2)), url)
    with pytest.raises(StoreMismatchError, match="block was '8 x 8' and is now '10 x 10'"):
        ia.run(ia.invert(stack_of(seed=1, block=10)), url)


def test_foreign_targets_are_never_touched(tmp_path):
    (tmp_path / "o.zarr").mkdir()
    (tmp_path / "o.zarr/precious.txt").write_text("mine")
    for resume in (True, False):
        with pytest.raises(StoreError, match="not an insarray store"):
            ia.run(job(), str(tmp_path / "o.zarr"), resume=resume)
    assert (tmp_path / "o.zarr/precious.txt").read_text() == "mine"
    assert os.listdir(tmp_path) == ["o.zarr"]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be created"):
        ia.run(job(), str(tmp_path / "file" / "o.zarr"))


def test_one_writer_at_a_time(tmp_path):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    code = f"from insarray.engine.store.zarr_store import Store; import time; l = Store({url!r}).lock(); l.__enter__(); print('ok', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"ok\n"
        with pytest.raises(StoreMismatchError, match="another run"):
            ia.run(job(), url)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert ia.run(job(), url).computed == 0  # the lock went with its holder


@pytest.mark.parametrize("damage", ["flip", "truncate", "zeros"])
def test_verify_names_damaged_chunks(tmp_path, damage):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    assert Store(url).verify() == 12
    chunk = tmp_path / "o.zarr/displacement/c/0/1/2"
    data = bytearray(chunk.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 4
    elif damage == "truncate":
        del data[len(data) // 2 :]
    else:
        data[10:60] = bytes(50)
    chunk.write_bytes(data)
    with pytest.raises(VerificationError, match=r"displacement block \(1, 2\)"):
        Store(url).verify()


def test_verify_notices_a_vanished_chunk(tmp_path):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    (tmp_path / "o.zarr/velocity/c/0/0").unlink()
    with pytest.raises(VerificationError, match=r"velocity block \(0, 0\)"):
        Store(url).verify()


def test_unfinished_stores_are_not_opened(tmp_path, monkeypatch):
    url = str(tmp_path / "o.zarr")
    fail_at(monkeypatch, (1, 1), ValueError("boom"))
    with pytest.raises(PartialRunError, match=r"1 of 12 blocks failed.*\(1, 1\): ValueError: boom"):
        ia.run(job(), url, workers=1)
    with pytest.raises(StoreError, match="only 11 of 12 blocks"):
        open_store(url)
    part = xr.open_zarr(url, consolidated=False)
    assert np.isnan(part.displacement.values[:, 8:16, 8:16]).all()  # unwritten reads as no-data, never as zeros
    monkeypatch.undo()
    assert ia.run(job(), url).computed == 1
    assert open_store(url).displacement.shape == (8, 20, 30)
    with pytest.raises(StoreError, match="not an insarray store"):
        open_store(str(tmp_path))


def fail_at(monkeypatch, block, error):
    write = store_module.write_block

    def failing(url, identity, at, *rest):
        if at == block:
            raise error
        return write(url, identity, at, *rest)

    monkeypatch.setattr(workers_module, "write_block", failing)


def test_bad_input_ends_the_run_with_its_own_message(tmp_path, monkeypatch):
    fail_at(monkeypatch, (0, 2), FileError("a.tif: truncated"))
    with pytest.raises(FileError, match=r"a\.tif: truncated"):
        ia.run(job(), str(tmp_path / "o.zarr"), workers=1)
    monkeypatch.undo()
    assert ia.run(job(), str(tmp_path / "o.zarr")).computed <= 11


def test_full_disk_is_one_clear_error_and_resumes(tmp_path, monkeypatch):
    fail_at(monkeypatch, (2, 1), OSError(28, "No space left on device"))
    with pytest.raises(StoreError, match=r"No space left on device at block \(2, 1\)"):
        ia.run(job(), str(tmp_path / "o.zarr"), workers=1)
    monkeypatch.undo()
    ia.run(job(), str(tmp_path / "o.zarr"))
    ia.run(job(), str(tmp_path / "calm.zarr"))
    assert contents(tmp_path / "o.zarr") == contents(tmp_path / "calm.zarr")


def test_local_processes_give_the_same_bits(tmp_path):
    ia.run(job(), str(tmp_path / "threads.zarr"))
    ia.run(job(), str(tmp_path / "processes.zarr"), scheduler="local", workers=2)
    assert contents(tmp_path / "threads.zarr") == contents(tmp_path / "processes.zarr")


def test_closing_local_workers_say_nothing(capfd):
    with open_workers("local", 1, None, {}) as hired:
        hired._client.register_plugin(LastWords())
        hired._client.run(complain, "at work")
    said = capfd.readouterr().err
    assert "at work" in said
    assert "while closing" not in said


class LastWords(WorkerPlugin):
    """What a worker logs when a closing scheduler does not answer it any more."""

    def teardown(self, worker):
        """Called by Dask when the worker closes."""
        complain("while closing")


def complain(what):
    """Log as a worker does."""
    logging.getLogger("distributed.worker").error(what)


def test_address_of_a_scheduler(tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        assert ia.run(job(), str(tmp_path / "a.zarr"), scheduler=cluster.scheduler_address).computed == 12
        with cluster.get_client() as client:
            assert ia.run(job(), str(tmp_path / "b.zarr"), client=client).computed == 12
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")
    with pytest.raises(ArgumentError, match="neither 'threads'"):
        ia.run(job(), str(tmp_path / "c.zarr"), scheduler="cluster")
    with pytest.raises(ArgumentError, match="workers"):
        ia.run(job(), str(tmp_path / "c.zarr"), workers=0)


def test_any_fsspec_url(tmp_path):
    import fsspec

    url = "memory://bucket/o.zarr"
    try:
        assert ia.run(job(), url).computed == 12
        assert ia.run(job(), url).computed == 0
        np.testing.assert_array_equal(open_store(url).velocity.values, job().velocity.values)
        Store(url).remove()
        assert not Store(url).files.exists()
    finally:
        fsspec.filesystem("memory").store.clear()


def test_the_job_of_a_block_is_small_and_shares_the_rest():
    dataset = ia.invert(stack_of(nearest(60, 3)), reference=(5, 5))
    jobs = Jobs(dataset, plan_run(dataset, 1))
    shared = [str(key) for key in jobs.shared]
    assert any(key.startswith("constants-") for key in shared)
    tasks = len(jobs._needed(0, 0)) - len(jobs.shared)
    assert tasks <= 10


def test_fingerprint_is_of_the_content():
    assert fingerprint(job()) == fingerprint(job())
    assert (
        len({fingerprint(d) for d in (job(), job(weights="coherence"), job(gap="subset"), job().assign_attrs(a=1))})
        == 4
    )


def test_plan_counts_blocks_and_bounds_memory():
    plan = plan_run(job(), 3)
    assert (plan.n_blocks, plan.rows, plan.cols) == (12, (8, 8, 4), (8, 8, 8, 6))
    assert plan.window(2, 3) == (slice(16, 20), slice(24, 30))
    assert plan.block_bytes == 64 * plan.bytes_per_pixel
    grid = Grid(40, 60, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")
    small, wide = (plan_run(ia.invert(stack_of(block=8, **of)), 3) for of in ({}, {"grid": grid}))
    assert (wide.n_blocks, wide.block_bytes) == (40, small.block_bytes)
    with pytest.raises(ArgumentError, match="use --block"):
        plan_run(job(), 10**9).require_memory()


@pytest.mark.parametrize(
    "given",
    [{"progress": True}, {"block_timeout": "5"}, {"block_timeout": None}, {"compressor": "gzip"}, {"workers": "2"}],
)
def test_arguments_are_checked_before_anything_is_written(tmp_path, given):
    series = ia.invert(ia.simulate_stack(shape=(8, 9), n_dates=4)[0], reference=(3, 3))
    with pytest.raises(ArgumentError, match=f"^{next(iter(given))}: "):
        ia.run(series, tmp_path / "out.zarr", **given)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(StackError, match="no variable has the dimensions y and x"):
        plan_run(job().rename(x="lon"), 1)
    assert plan_run(job().chunk(time=4), 1).rows == plan_run(job(), 1).rows
    assert plan_run(stack_of(block=None), 1).n_blocks == 1


SLOW_RUN = """
import sys, time
import insarray as ia
from insarray.engine.run import workers
from tests.engine.test_store_and_run import job
write = workers.write_block
def slow(*args):
    time.sleep(0.02)
    return write(*args)
workers.write_block = slow
ia.run(job(), sys.argv[1], workers=2)
"""


def test_killed_three_times_and_resumed_is_bit_identical(tmp_path):
    calm, stormy = str(tmp_path / "calm.zarr"), tmp_path / "stormy.zarr"
    ia.run(job(), calm)
    blocks = stormy / "_insarray/blocks"
    for target in (1, 5, 8):
        with subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(stormy)]) as process:
            while process.poll() is None and not (blocks.is_dir() and len(os.listdir(blocks)) >= target):
                time.sleep(0.005)
            process.kill()
        assert len(Store(str(stormy)).done()) < 12
    remaining = 12 - len(Store(str(stormy)).done())
    assert ia.run(job(), str(stormy)).computed == remaining
    assert contents(stormy) == contents(calm)
    assert Store(str(stormy)).verify() == 12


def test_killed_while_the_store_is_made_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "_write_meta", staticmethod(interrupted))
    with pytest.raises(KeyboardInterrupt):
        ia.run(job(), str(tmp_path / "o.zarr"))
    assert os.listdir(tmp_path) == []


def test_a_finished_run_repeated_leaves_the_store_as_it_is(tmp_path):
    """Or what was made of the store would seem to be of other inputs."""
    out = tmp_path / "series.zarr"
    ia.run(job(), str(out))
    before = {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*.json"))}
    identity = fingerprint(ia.fit(open_store(str(out)), periods=(1.0,)))
    assert ia.run(job(), str(out)).computed == 0
    assert {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*.json"))} == before
    assert fingerprint(ia.fit(open_store(str(out)), periods=(1.0,))) == identity


def test_a_store_that_does_not_exist(tmp_path):
    with pytest.raises(StoreError, match=r"nothing\.zarr: does not exist"):
        open_store(str(tmp_path / "nothing.zarr"))
    with pytest.raises(StoreError, match=r"nothing\.zarr: does not exist"):
        Store(str(tmp_path / "nothing.zarr")).verify()


def said_by_status(url, capsys):
    assert run_command(["status", url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["report"] or {"blocks": 0})["blocks"] == told["blocks_done"]
    return told["state"], told["blocks_done"], (told["report"] or {}).get("pixels")


def test_status_after_blocks_have_failed(tmp_path, monkeypatch, capsys):
    url = str(tmp_path / "o.zarr")
    fail_at(monkeypatch, (1, 1), ValueError("boom"))
    for _ in range(2):
        with pytest.raises(PartialRunError, match="1 of 12 blocks failed"):
            ia.run(job(), url)
        assert said_by_status(url, capsys) == ("unfinished", 11, 600 - 64)
        assert not Store(url).is_complete()
    assert Store(url).verify() == 11
    monkeypatch.undo()
    report = ia.run(job(), url)
    assert report.computed == 1
    assert said_by_status(url, capsys) == ("complete", 12, 600)
    assert report.statistics == Store(url).report()


def test_a_complete_store_that_has_lost_a_record_does_not_pass_for_one(tmp_path, monkeypatch, capsys):
    url, record = str(tmp_path / "o.zarr"), tmp_path / "o.zarr/_insarray/blocks/1.2.json"
    ia.run(job(), url)
    expected, whole = Store(url).report(), record.read_text()
    record.unlink()
    assert said_by_status(url, capsys) == ("unfinished", 11, 600 - 64)
    with pytest.raises(VerificationError, match=r"record of block \(1, 2\): missing; to recompute block \(1, 2\)"):
        Store(url).verify()
    record.write_text(whole[:30])
    with pytest.raises(VerificationError, match=r"record of block \(1, 2\): missing"):
        Store(url).verify()
    states = []
    report = ia.run(job(), url, progress=lambda *_: states.append(Store(url).is_complete()))
    assert (report.computed, states) == (1, [False, False])  # nobody opens it while it changes
    assert said_by_status(url, capsys) == ("complete", 12, 600)
    assert {**Store(url).report(), "seconds": 0} == {**expected, "seconds": 0} == {**report.statistics, "seconds": 0}
    record.unlink()
    assert run_command(["status", url, "--discard-damaged"]) == 0
    assert "unfinished, 11 of 12 blocks done" in capsys.readouterr().out


def test_killed_before_it_was_marked_complete(tmp_path, monkeypatch, capsys):
    url = str(tmp_path / "o.zarr")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "finalize", killed)
    with pytest.raises(KeyboardInterrupt):
        ia.run(job(), url)
    monkeypatch.undo()
    assert said_by_status(url, capsys) == ("unfinished", 12, 600)
    with pytest.raises(StoreError, match="is not finished; repeat its command"):
        open_store(url)
    report = ia.run(job(), url)
    assert report.computed == 0
    assert said_by_status(url, capsys) == ("complete", 12, 600)
    assert report.statistics == Store(url).report()


def test_a_job_that_is_written_while_it_is_looked_for_is_not_damaged(tmp_path, monkeypatch):
    url = str(tmp_path / "o.zarr")
    ia.run(job(), url)
    read, looks = StoreFiles.read, []

    def late(self, name):
        looks.append(name)
        return None if len(looks) == 1 else read(self, name)

    monkeypatch.setattr(StoreFiles, "read", late)
    assert Store(url).is_complete()


def test_paths_and_file_urls_are_outputs_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for k, out in enumerate((tmp_path / "o.zarr", Path("o.zarr"), "~/o.zarr", f"file://{tmp_path}/o.zarr")):
        report = ia.run(job(), out)
        assert report[:3] == (str(tmp_path / "o.zarr"), 12, 0 if k else 12)
        assert open_store(out).displacement.shape == (8, 20, 30)
    assert os.listdir(tmp_path) == ["o.zarr"]
