"""Stores that somebody has tampered with, that lost a chunk, or in which other programs leave their things."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store import swap as swap_module
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.ledger import Ledger
from insarray.engine.store.zarr_store import Store
from insarray.io.files import fingerprint
from insarray.model.errors import StoreError, StoreMismatchError, VerificationError
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.stores import contents

FOREIGN = ("@eaDir", "lost+found", "#recycle")
FILES = (".DS_Store", "Thumbs.db", "._zarr.json", "desktop.ini")


def job(**options):
    """Series of 4 blocks, one of them without any data."""
    stack, _ = simulate_stack(shape=(32, 32), n_dates=5, missing=0, water=False)
    stack = stack.where((stack.y != stack.y[:16]).all("y") | (stack.x > stack.x[15]) | (stack.y < stack.y[15]))
    return ia.invert(stack.chunk(y=16, x=16), **{"reference": (2, 20), **options})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    url = tmp_path_factory.mktemp("made") / "s.zarr"
    ia.run(job(), url, workers=1)
    return url


@pytest.fixture
def store(made, tmp_path):
    """A copy of a complete store."""
    return shutil.copytree(made, tmp_path / "s.zarr")


def change(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


# -- chunks ---------------------------------------------------------------------------------------------------------


def test_every_chunk_is_stored_also_those_without_data(store):
    for name, array in xr.open_zarr(store).data_vars.items():
        chunks = [path for path in (store / name / "c").rglob("*") if path.is_file()]
        assert len(chunks) == np.prod([len(sizes) for sizes in array.chunks]), name
    assert any(
        np.isnan(ia.open(store).displacement.data.blocks[0, i, j].compute()).all() for i in (0, 1) for j in (0, 1)
    )


def test_a_chunk_of_an_input_has_gone(store, tmp_path, account):
    opened = {"open": ia.open(store), "open_zarr": xr.open_zarr(store).chunk(time=-1)}
    (store / "displacement/c/0/1/1").unlink()
    for how, series in opened.items():
        out = tmp_path / f"{how}.zarr"
        with pytest.raises(
            VerificationError, match=r"s\.zarr: a chunk of displacement of block \(1, 1\) is missing"
        ) as caught:
            ia.run(ia.fit(series), out, workers=1)
        assert "\n" not in str(caught.value)
        assert not out.exists()
    with pytest.raises(VerificationError, match=r"block \(1, 1\) is missing"):
        opened["open"].displacement.values  # noqa: B018 - it is read
    assert run_command(["fit", str(store), str(tmp_path / "v.zarr")]) == 7
    account(
        "chunk of an input store gone", "opened before, opened after, command", 3, 0, "exit 7, store and block named"
    )


def test_a_chunk_goes_while_the_store_is_read(store, tmp_path, account):
    fit = ia.fit(ia.open(store))

    def remove(finished, _):
        if finished == 1:
            (store / "displacement/c/0/1/1").unlink()

    with pytest.raises(VerificationError, match=r"block \(1, 1\) is missing"):
        ia.run(fit, tmp_path / "v.zarr", workers=1, progress=remove)
    account("chunk of an input gone in mid-run", "lazy reader", 1, 0, "exit 7, store and block named")


def test_a_coordinate_has_gone(store, account):
    shutil.rmtree(store / "time/c")
    with pytest.raises(VerificationError, match=r"a chunk of time is missing"):
        ia.open(store)
    with pytest.raises(VerificationError, match=r"time"):
        Store(store).verify()
    account("chunk of a coordinate gone", "of an input", 1, 0, "exit 7")


def test_a_block_whose_chunks_have_gone_is_computed_again(store, made, account):
    shutil.rmtree(store / "displacement/c/0/1")
    (store / "solver_flag/c/0/0").unlink()
    assert ia.run(job(), store, workers=1).computed == 3
    assert contents(store) == contents(made)
    assert Store(store).verify() == 4
    account("output chunks gone before the resume", "of 3 of 4 blocks", 1, 3, "same bits")


def test_a_store_of_an_earlier_program_is_read_as_it_was(store):
    path = store / "_insarray/job.json"
    told = json.loads(path.read_text())
    del told["every_chunk"]
    path.write_text(json.dumps(told))
    (store / "displacement/c/0/1/1").unlink()  # it may have been of fill values only
    assert np.isnan(ia.open(store).displacement.values[:, 16:, 16:]).all()


# -- records and jobs -----------------------------------------------------------------------------------------------

RECORDS = {
    "empty": lambda record: {},
    "fingerprint only": lambda record: {"fingerprint": record["fingerprint"]},
    "fingerprint and block": lambda record: {"fingerprint": record["fingerprint"], "block": [0, 0]},
    "another block": lambda record: {**record, "block": [1, 1]},
    "block of text": lambda record: {**record, "block": ["a", 0]},
    "block of three": lambda record: {**record, "block": [0, 0, 0]},
    "checksums of text": lambda record: {**record, "checksums": {"displacement": "x"}},
    "no statistics": lambda record: {**record, "statistics": None},
    "statistics of a list": lambda record: {**record, "statistics": [1]},
    "pixels of text": lambda record: {**record, "statistics": {**record["statistics"], "pixels": "many"}},
    "negative pixels": lambda record: {**record, "statistics": {**record["statistics"], "pixels": -1}},
    "sums without end": lambda record: {
        **record,
        "statistics": {**record["statistics"], "sums": {"a": [1, float("inf")]}},
    },
    "seconds of text": lambda record: {**record, "seconds": "now"},
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_none_does_not_count(store, made, account, capsys, kind):
    path = store / "_insarray/blocks/0.0.json"
    path.write_text(json.dumps(RECORDS[kind](json.loads(path.read_text()))))
    change(store / "_insarray/job.json", state="unfinished", report=None)
    assert Store(store).done() == {(0, 1), (1, 0), (1, 1)}
    for options in ([], ["--json"], ["--verify"]):
        assert run_command(["status", str(store), *options]) in (0, 7)
    assert "internal" not in capsys.readouterr().err
    if kind == "another block":
        assert ia.run(job(), store, workers=1).computed == 1
        assert contents(store) == contents(made)
        account(
            "ledger record that is none", "valid JSON of another shape, block or type", len(RECORDS), 1, "same bits"
        )


def test_records_of_blocks_that_are_none_do_not_count(store, made, account):
    blocks = store / "_insarray/blocks"
    record = json.loads((blocks / "0.0.json").read_text())
    (blocks / "0.0.json").unlink()
    for name, block in {"99.99": [99, 99], "2.0": [2, 0], "00.0": [0, 0], "٠.0": [0, 0]}.items():
        (blocks / f"{name}.json").write_text(json.dumps({**record, "block": block}))
    change(store / "_insarray/job.json", state="unfinished")
    shutil.rmtree(store / "displacement/c/0/0")
    assert Store(store).done() == {(0, 1), (1, 0), (1, 1)}
    assert ia.run(job(), store, workers=1).computed == 2
    assert contents(store) == contents(made)
    assert Store(store).verify() == 4
    account("ledger records of blocks that are none", "[99, 99] for [0, 0]; names of other forms", 4, 2, "same bits")


def test_copies_that_are_none(tmp_path, account):
    files = StoreFiles(str(tmp_path))
    for name, content in {"a": {"records": 5}, "b": {"records": [5, {"block": "x"}, {}]}, "c": {}}.items():
        files.write(f"_insarray/copies/{name}.json", content)
    (tmp_path / "_insarray/copies/d.json").mkdir()
    assert Ledger(files).records("f", {(0, 0)}) == {}
    account("copies of records that are none", "numbers, empty, a folder", 4, 0, "ignored")


JOBS = {
    "empty": {},
    "fingerprint only": {"fingerprint": "x"},
    "rows of text": {"fingerprint": "x", "state": "complete", "rows": ["a"], "cols": [1]},
    "no rows": {"fingerprint": "x", "state": "complete", "rows": None, "cols": [1]},
    "blocks of nothing": {"fingerprint": "x", "state": "complete", "rows": [0], "cols": [-4]},
    "number for a state": {"fingerprint": "x", "state": 5, "rows": [1], "cols": [1]},
    "list of options": {"fingerprint": "x", "state": "complete", "rows": [1], "cols": [1], "options": ["a"]},
}


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_is_none(store, account, capsys, kind):
    (store / "_insarray/job.json").write_text(json.dumps(JOBS[kind]))
    for command in (["status"], ["status", "--verify"]):
        assert run_command([*command, str(store)]) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        assert "its job file _insarray/job.json is damaged" in errors[0]
    with pytest.raises(StoreError, match="damaged"):
        ia.run(job(), store)
    if kind == "empty":
        account("job file that is none", "valid JSON of another shape or type", len(JOBS), 0, "exit 2, one line")


def test_a_report_in_the_job_that_is_none(store, capsys, account):
    for report in (5, {"blocks": 4}, []):
        change(store / "_insarray/job.json", report=report)
        assert run_command(["status", str(store)]) == 0
        assert Store(store).report()["pixels"] == 32 * 32
    capsys.readouterr()
    account("report in the job file that is none", "a number, other keys, a list", 3, 0, "counted anew")


# -- what others leave behind ---------------------------------------------------------------------------------------


def litter(folder):
    for name in FOREIGN:
        os.makedirs(folder / name, exist_ok=True)
        (folder / name / "SYNOINDEX").touch()
    for name in FILES:
        (folder / name).write_bytes(b"\x00\x05\x16\x07")


def test_what_other_programs_leave_in_a_store_is_left_alone(store, made, tmp_path, account):
    places = [path for path in (store, *store.rglob("*")) if path.is_dir()]
    for place in places:
        litter(place)
    (store / "_insarray/blocks/._0.0.json").write_bytes(b"\x00\x05\x16\x07")
    (store / "_insarray/blocks/1.0.json").unlink()
    assert ia.run(job(), store, workers=1).computed == 1
    assert contents(store) == contents(made)
    assert Store(store).verify() == 4
    assert ia.run(ia.fit(ia.open(store)), tmp_path / "v.zarr", workers=1).computed == 4
    assert all((place / name).exists() for place in places for name in (*FOREIGN, *FILES))
    account(
        "what other programs leave",
        "`@eaDir`, `lost+found`, `Thumbs.db`, ... in every folder",
        len(places),
        1,
        "same bits",
    )


def test_an_array_that_lost_its_metadata_is_still_noticed(store, account):
    (store / "velocity").mkdir()  # an empty folder is none of ours
    assert Store(store).verify() == 4
    (store / "displacement/zarr.json").unlink()
    with pytest.raises(VerificationError, match=r"displacement"):
        Store(store).verify()
    account("array without its metadata", "`displacement/zarr.json` removed", 1, 0, "exit 7")


# -- readers while the store is replaced ----------------------------------------------------------------------------


def test_a_reader_sees_one_state_while_a_restart_replaces_the_store(store, account):
    opened, again = ia.open(store), pickle.loads(pickle.dumps(ia.open(store)))
    before = opened.displacement.values
    seen = []

    def read(finished, _):  # while the new store is being made
        seen.append(np.array_equal(opened.displacement.values, before, equal_nan=True))

    ia.run(job(reference=(20, 20)), store, resume=False, workers=1, progress=read)
    assert seen == [True] * 5
    for reader in (opened, again):
        for name in ("displacement", "temporal_coherence"):
            with pytest.raises(StoreMismatchError, match=r"s\.zarr: was replaced since it was opened; open it again"):
                reader[name].values  # noqa: B018 - it is read
    assert not np.array_equal(ia.open(store).displacement.values, before, equal_nan=True)
    account(
        "reader while a restart replaces the store",
        "opened before, read all the while",
        len(seen),
        0,
        "old, then exit 6",
    )


def test_a_reader_of_a_store_that_was_only_mended_goes_on(store):
    opened = ia.open(store)
    before = opened.displacement.values
    (store / "_insarray/blocks/1.0.json").unlink()
    assert ia.run(job(), store, workers=1).computed == 1
    assert np.array_equal(opened.displacement.values, before, equal_nan=True)


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_plain_reader_never_gets_chunks_of_two_stores(store, monkeypatch, account, in_one_step):
    if not in_one_step:
        monkeypatch.setattr(swap_module, "exchanged", lambda *_: False)
    for reference in ((20, 20), (2, 20)):  # there and back
        opened = xr.open_zarr(store)
        ia.run(job(reference=reference), store, resume=False, workers=1)
        for name in opened.data_vars:
            with pytest.raises((ValueError, RuntimeError)):
                opened[name].values  # noqa: B018 - it is read
        assert Store(store).verify() == 4
        assert xr.open_zarr(store).displacement.notnull().any()
    assert [path.name for path in store.parent.iterdir()] == ["s.zarr"]
    if in_one_step:
        account("plain xarray reader after a restart", "opened before, read after, twice", 2, 0, "an error, no mixture")


def test_stores_change_places_in_one_step(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"was {name}").touch()
    if not swap_module.exchanged(str(tmp_path / "a"), str(tmp_path / "b")):
        pytest.skip("this file system cannot")
    assert (tmp_path / "a/was b").exists()
    assert (tmp_path / "b/was a").exists()
    assert not swap_module.exchanged(str(tmp_path / "a"), str(tmp_path / "c"))


def test_points_that_are_replaced(tmp_path, account):
    points = xr.Dataset({"velocity": ("point", np.linspace(1, 2, 9))})
    ia.save_points(points, tmp_path / "p.zarr")
    opened = xr.open_zarr(tmp_path / "p.zarr")
    assert ia.save_points(points + 1, tmp_path / "p.zarr", restart=True)
    with pytest.raises((ValueError, RuntimeError)):
        opened.velocity.values  # noqa: B018 - it is read
    assert ia.open(tmp_path / "p.zarr").velocity.values.tolist() == (points + 1).velocity.values.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["p.zarr"]
    account("reader of points that are replaced", "plain xarray", 1, 0, "an error, no mixture")


def test_what_other_programs_leave_among_inputs_is_left_alone(tmp_path, account):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False)
    write_geotiffs(stack, tmp_path / "ifgs")
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/.zarray").write_text("{}")
    before = (
        ia.open_stack(tmp_path / "ifgs", wavelength=0.0555).attrs["input_fingerprint"],
        fingerprint([tmp_path / "stack"]),
    )
    litter(tmp_path / "ifgs")
    litter(tmp_path / "stack")
    for path in list((tmp_path / "ifgs").glob("*.tif")):
        (tmp_path / "ifgs/@eaDir" / path.name).mkdir()
        shutil.copy(path, tmp_path / "ifgs/lost+found" / path.name)
        (tmp_path / "ifgs" / f"._{path.name}").write_bytes(b"x")
    after = (
        ia.open_stack(tmp_path / "ifgs", wavelength=0.0555).attrs["input_fingerprint"],
        fingerprint([tmp_path / "stack"]),
    )
    assert after == before
    account("what other programs leave among inputs", "`@eaDir`, `lost+found`, `._*`", 1, 0, "ignored")


@pytest.mark.parametrize(
    "name", ["_insarray/job.json", "_insarray/blocks/0.0.json", "zarr.json", "displacement/c/0/0/0"]
)
def test_pipes_in_a_store_are_not_waited_for(store, name, capsys, account):
    (store / name).unlink()
    os.mkfifo(store / name)
    for words in (["status", str(store), "--verify"], ["fit", str(store), str(store.parent / "o.zarr")]):
        code = run_command(words)
        said = capsys.readouterr().err
        assert code in (2, 7) or (code == 0 and name.endswith("0.0.json") and words[0] == "fit")
        assert "internal error" not in said
    account(
        "pipe in a store", "as job file, record, metadata, chunk; status and fit", 8, 0, "not waited for; exit 2 or 7"
    )
