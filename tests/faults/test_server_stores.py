"""Stores on servers: restarts that fail or are killed, readers, buckets; chained URLs. Servers here are dictionaries."""

import shutil

import fsspec
import numpy as np
import pytest

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store import swap as swap_module
from insarray.engine.store import swap_on_server
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StoreError, StoreMismatchError
from insarray.simulate.stacks import simulate_stack

URL = "memory://bucket/o.zarr"


@pytest.fixture
def server():
    """Objects of the server by name, without locks."""
    filesystem = fsspec.filesystem("memory")
    yield lambda: {
        path: bytes(filesystem.cat(path)) for path in filesystem.find("/bucket") if not path.endswith("lock")
    }
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def job_of(seed: int, dates: int = 5):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=dates, missing=0, water=False, seed=seed)
    return ia.invert(stack.chunk(y=8, x=8), reference=None)


def same(url: str, seed: int, dates: int = 5) -> bool:
    stored, expected = open_store(url), job_of(seed, dates)
    return all(np.array_equal(stored[name], expected[name], equal_nan=True) for name in expected.data_vars)


def test_a_restart_that_fails_leaves_the_old_store(server, account):
    ia.run(job_of(1, 6), URL, workers=1)
    before = server()

    def broken(finished, _):
        if finished == 2:
            raise FileError("x.tif: gone")

    with pytest.raises(FileError):
        ia.run(job_of(3), URL, resume=False, workers=1, progress=broken)
    assert {path: data for path, data in server().items() if path in before} == before
    assert Store(URL).is_complete()
    done = len(Store(swap_module.new_beside(URL, "restart")).done())
    assert 2 <= done < 4
    report = ia.run(job_of(3), URL, resume=False, workers=1)
    assert (report.url, report.computed) == (URL, 4 - done)
    assert same(URL, 3)
    assert Store(URL).verify() == 4
    assert {path.split("/")[2] for path in server()} == {"o.zarr"}
    account("restart on a server that fails", "after 2 of 4 blocks, then repeated", 1, f"{4 - done}, the rest", "old store as it was")  # fmt: skip


@pytest.mark.parametrize("step", ["first object", "records", "removal of the new store"])
def test_a_restart_that_is_killed_while_objects_are_copied(server, monkeypatch, step, account):
    ia.run(job_of(1, 6), URL, workers=1)
    calls = []

    def killed(*arguments):
        calls.append(arguments)
        if step == "first object" or any("_insarray" in name for name in arguments[1]):
            raise KeyboardInterrupt
        return copy(*arguments)

    copy, filesystem = type(fsspec.filesystem("memory")).copy, type(fsspec.filesystem("memory"))
    with monkeypatch.context() as patch:
        if step == "removal of the new store":
            patch.setattr(StoreFiles, "remove_all", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            patch.setattr(swap_on_server, "_AT_ONCE", 1)
            patch.setattr(filesystem, "copy", killed)
        with pytest.raises(KeyboardInterrupt):
            ia.run(job_of(3), URL, resume=False, workers=1)
    if step != "removal of the new store":
        assert (len(calls) == 1) == (step == "first object")
        with pytest.raises(StoreError, match=r"is not finished|blocks are there"):
            open_store(URL)  # no mixture
    assert ia.run(job_of(3), URL, workers=1).computed == 0  # the same job, also without a restart
    assert same(URL, 3)
    assert Store(URL).verify() == 4
    assert {path.split("/")[2] for path in server()} == {"o.zarr"}
    account("restart on a server that is killed", "while objects are copied or removed", 3, 0, "not read before; the new store")  # fmt: skip


def test_two_restarts_of_a_store_on_a_server(server, account):
    ia.run(job_of(1, 6), URL, workers=1)
    refused = []

    def another(finished, _):
        if finished == 1:
            for seed in (3, 4):  # the same job, and another one
                with pytest.raises(StoreMismatchError, match="another run is writing") as caught:
                    ia.run(job_of(seed), URL, resume=False, workers=1)
                refused.append(caught.value.exit_code)

    ia.run(job_of(3), URL, resume=False, workers=1, progress=another)
    assert refused == [6, 6]
    assert same(URL, 3)
    account("two restarts of a store on a server", "at the same time", 2, 0, "one finishes, the other ends with exit 6")


def test_a_reader_of_a_store_on_a_server_that_is_replaced(server, account):
    ia.run(job_of(1), URL, workers=1)
    opened = ia.open(URL)
    ia.run(job_of(3), URL, resume=False, workers=1)
    with pytest.raises((InsarrayError, ValueError)):
        opened.displacement.compute()
    assert same(URL, 3)
    account("reader of a store on a server", "opened before a restart, read after it", 1, 0, "an error, no mixture")


def test_the_place_beside_a_store_may_be_closed(server, monkeypatch, account):
    """Whoever may write only below the store itself can still run, but not replace it."""
    read, pipe = StoreFiles.read, type(fsspec.filesystem("memory")).pipe_file

    def reading(files, name):
        if name.endswith("replacing"):
            raise PermissionError(13, "Forbidden")
        return read(files, name)

    def writing(filesystem, path, *arguments, **options):
        if ".restart" in path:
            raise PermissionError(13, "Forbidden")
        return pipe(filesystem, path, *arguments, **options)

    monkeypatch.setattr(StoreFiles, "read", reading)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", writing)
    assert ia.run(job_of(1), URL, workers=1).computed == 4
    before = server()
    with pytest.raises(StoreError, match=r"\.o\.zarr\.restart: cannot be created .*Forbidden"):
        ia.run(job_of(3), URL, resume=False, workers=1)
    assert server().items() >= before.items()
    account(
        "no leave to write beside a store on a server", "run, then restart", 2, 0, "runs; exit 2, old store as it was"
    )


def test_a_whole_bucket_is_not_replaced(server, account):
    url = "memory://bucket"
    ia.run(job_of(1), url, workers=1)
    before = server()
    with pytest.raises(StoreError, match="whole bucket cannot be replaced"):
        ia.run(job_of(3), url, resume=False, workers=1)
    assert server() == before
    account("restart of a store that is a whole bucket", "resume=False", 1, 0, "exit 2, nothing removed")


def test_points_on_a_server_are_replaced_when_the_new_ones_are_there(server, monkeypatch, account):
    wrapped, _ = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    points, url = ia.select_points(wrapped, min_temporal_coherence=0.7).compute(), "memory://bucket/p.zarr"
    assert ia.save_points(points, url)
    before = server()
    with monkeypatch.context() as patch:
        patch.setattr(StoreFiles, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StoreError, match="Input/output error"):
            ia.save_points(points.isel(point=slice(5)), url, restart=True)
    assert server().items() >= before.items()
    assert ia.save_points(points.isel(point=slice(5)), url, restart=True)
    assert ia.open(url).sizes["point"] == 5
    assert {path.split("/")[2] for path in server()} == {"p.zarr"}
    account("points on a server, restart that fails", "the last file refused, then repeated", 1, "all", "old store as it was")  # fmt: skip


# -- chained URLs ---------------------------------------------------------------------------------------------------


CHAINED = (
    "simplecache::s3://bucket/ifgs/*.unw.tif",
    "zip://ifgs/*.unw.tif::s3://bucket/ifgs.zip",
    "filecache::s3://bucket/s.zarr",
    "nonsense::s3://bucket/s.zarr",
    "dir::s3://bucket/s.zarr",
    "::s3://bucket/s.zarr",
    "s3://bucket/s.zarr::",
    "simplecache::::s3://bucket/s.zarr",
)


def test_chained_urls_that_are_not_read(server, tmp_path, capsys, account):
    """Nothing is asked: there is no server of this name, and the tests have no keys."""
    for url in CHAINED:
        for words in (
            ["invert", url, str(tmp_path / "o.zarr"), "--wavelength", "0.05"],
            ["status", url],
            ["fit", url, "o"],
        ):
            assert run_command(words) == 2, words
            said = capsys.readouterr().err
            assert said.count("\n") == 1, said
            assert "chained URL" in said, said
    for url in ("simplecache::memory://bucket/o.zarr", f"zip://o.zarr::file://{tmp_path}/o.zip"):
        with pytest.raises(ArgumentError, match="cannot be written to"):
            ia.run(job_of(1), url, workers=1)
    assert server() == {}
    assert not list(tmp_path.iterdir())
    account("chained URLs", "patterns, caches, empty parts, outputs: 3 commands", 3 * len(CHAINED) + 2, 0, "exit 2, one line")  # fmt: skip


def test_chained_urls_of_a_store_are_read(server, tmp_path):
    ia.run(job_of(1), tmp_path / "s.zarr", workers=1)
    shutil.make_archive(str(tmp_path / "s"), "zip", tmp_path, "s.zarr")
    for url in (f"zip://s.zarr::file://{tmp_path}/s.zip", f"simplecache::file://{tmp_path}/s.zarr"):
        assert same(url, 1)
