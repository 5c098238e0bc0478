"""Disks that are full or read-only, inputs that change or vanish, stores that are damaged."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine import open as open_module
from insarray.engine.run.runner import run
from insarray.engine.store.zarr_store import Store, open_store, write_block
from insarray.model.errors import FileError, StoreError, StoreMismatchError, VerificationError
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.faults.scene import BLOCKS, job
from tests.stores import contents


@pytest.fixture
def disk(tmp_path):
    """Small disk, and what changes its size or lets nobody write."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", folder], capture_output=True, check=False, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs leave to mount: {mounted.stderr.strip()}")
    yield folder, lambda how: subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(disk, tmp_path, calm, account):
    folder, remount = disk
    out = folder / "o.zarr"
    with pytest.raises(StoreError, match="No space left on device") as caught:
        run(job(tmp_path / "t"), str(out))
    assert caught.value.exit_code == 2
    done = len(Store(str(out)).done())
    assert 0 < done < BLOCKS
    remount("size=20m")
    assert run(job(tmp_path / "t"), str(out)).computed == BLOCKS - done
    assert contents(out) == calm
    account(
        "disk full",
        "small tmpfs, then enlarged",
        1,
        f"the running ones ({done} of 12 were done)",
        "exit 2, one line; same bits",
    )


def test_a_read_only_disk(disk, tmp_path, account):
    folder, remount = disk
    remount("size=20m,ro")
    with pytest.raises(StoreError, match=r"cannot be created .Read-only file system"):
        run(job(tmp_path / "t"), str(folder / "o.zarr"))
    remount("size=20m,rw")
    run(job(tmp_path / "t"), str(folder / "o.zarr"))
    (record := folder / "o.zarr/_insarray/blocks/1.1.json").unlink()
    remount("size=20m,ro")
    with pytest.raises(StoreError, match="Read-only file system"):
        run(job(tmp_path / "t"), str(folder / "o.zarr"))
    assert not record.exists()
    account("target read-only", "tmpfs remounted, new and resumed", 2, 0, "exit 2, one line")


# -- inputs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    stack, _ = simulate_stack(shape=(64, 80), n_dates=6, missing=0.0, water=False, seed=3)
    write_geotiffs(stack, tmp_path / "ifgs")
    return sorted((tmp_path / "ifgs").glob("*.unw.tif"))


def inverted(files):
    return ia.invert(ia.open_stack(files, wavelength=0.0555, block=16), reference=None)


@pytest.mark.parametrize("how", ["truncated", "gone"])
def test_an_input_breaks_in_mid_run(files, tmp_path, account, how):
    victim, out = files[3], str(tmp_path / "o.zarr")
    whole, times = victim.read_bytes(), (victim.stat().st_atime_ns, victim.stat().st_mtime_ns)

    def destroy(finished, _):
        if finished == 5:
            victim.write_bytes(whole[: len(whole) // 3]) if how == "truncated" else victim.unlink()

    with pytest.raises(FileError, match=victim.name):
        run(inverted(files), out, workers=1, progress=destroy)
    done = len(Store(out).done())
    assert 5 <= done < 20
    victim.write_bytes(whole)
    os.utime(victim, ns=times)  # the same file, brought back
    assert run(inverted(files), out).computed == 20 - done
    run(inverted(files), str(tmp_path / "calm.zarr"))
    assert contents(out) == contents(tmp_path / "calm.zarr")
    account(
        f"input file {how} in mid-run",
        "cut to a third" if how == "truncated" else "removed",
        1,
        0,
        "exit 2, names the file; brought back: same bits",
    )


def test_an_input_changed_before_the_resume(files, tmp_path, account):
    out = str(tmp_path / "o.zarr")
    run(inverted(files), out)
    (tmp_path / "o.zarr/_insarray/blocks/1.1.json").unlink()
    os.utime(files[0])
    with pytest.raises(StoreMismatchError, match="input") as caught:
        run(inverted(files), out)
    assert caught.value.exit_code == 6
    account("input changed before the resume", "another modification time", 1, 0, "exit 6")


def test_a_truncated_input_names_the_file(files, tmp_path, account):
    for k, share in enumerate((0.2, 0.5, 0.95)):
        files[k].write_bytes(files[k].read_bytes()[: int(files[k].stat().st_size * share)])
        with pytest.raises(FileError, match=files[k].name):
            run(inverted([files[k]]), str(tmp_path / f"{k}.zarr"))
    account("truncated GeoTIFF", "cut to 20, 50 and 95 %", 3, 0, "exit 2, names the file")


def test_flipped_bits_of_an_input(files, account):
    """GeoTIFF has no checksum but that of its compression: most are noticed, not all. What is noticed is named."""
    whole, trials = files[0].read_bytes(), 20
    noticed: list[str] = []
    for trial in range(trials):
        data = bytearray(whole)
        for k in range(3):  # in the second half: tiles, not headers
            data[len(data) // 2 + (trial * 977 + k * 331) % (len(data) // 2)] ^= 1 << (trial + k) % 8
        files[0].write_bytes(data)
        try:
            ia.open_stack([files[0]], wavelength=0.0555, block=16).unwrapped_phase.load()
        except FileError as error:
            noticed.append(str(error))
    assert noticed
    assert all(files[0].name in text for text in noticed)
    account(
        "flipped bits in a GeoTIFF",
        "3 bytes of the tiles",
        trials,
        0,
        f"{len(noticed)} noticed, named; **{trials - len(noticed)} not**",
    )


# -- stores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    ["flipped bit", *(pytest.param(name, marks=pytest.mark.slow) for name in ("truncated", "zeroed", "missing"))],
)
def test_damaged_chunks_are_found_discarded_and_done_again(tmp_path, capsys, calm, account, damage):
    out = tmp_path / "o.zarr"
    run(job(tmp_path / "t"), str(out))
    for block in ((0, 1), (2, 3)):
        chunk = out / "displacement/c/0" / "/".join(map(str, block))
        data = bytearray(chunk.read_bytes())
        if damage == "flipped bit":
            data[len(data) // 2] ^= 4
        elif damage == "truncated":
            del data[len(data) // 2 :]
        elif damage == "zeroed":
            data[10:60] = bytes(50)
        chunk.write_bytes(data) if damage != "missing" else chunk.unlink()
    assert run_command(["status", str(out), "--verify"]) == 7
    said = capsys.readouterr().err
    assert "displacement block (0, 1)" in said
    assert "displacement block (2, 3)" in said
    assert f"insarray status {out} --discard-damaged" in said
    with Store(str(out)).lock():
        assert run_command(["status", str(out), "--discard-damaged"]) == 6
    assert "another run" in capsys.readouterr().err
    assert run_command(["status", str(out), "--discard-damaged"]) == 0
    assert "(0, 1), (2, 3)" in capsys.readouterr().out
    with pytest.raises(StoreError, match="only 10 of 12"):
        open_store(str(out))
    assert run(job(tmp_path / "t"), str(out)).computed == 2
    assert contents(out) == calm
    assert run_command(["status", str(out), "--discard-damaged"]) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    account(
        f"output chunk {damage}",
        "2 chunks; `status --discard-damaged`, same command",
        2,
        2,
        "exit 7, blocks named; same bits",
    )


@pytest.mark.parametrize("name", ["zarr.json", "velocity/zarr.json", "_insarray/job.json"])
def test_truncated_metadata(tmp_path, account, name):
    """One line before anything is computed."""
    out = tmp_path / "o.zarr"
    run(job(tmp_path / "t"), str(out))
    (out / "_insarray/blocks/1.1.json").unlink()
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="damaged"):
        run(job(tmp_path / "t"), str(out))
    with pytest.raises(StoreError, match="damaged"):
        Store(str(out)).verify()
    (out / name).write_bytes(content)
    assert run(job(tmp_path / "t"), str(out)).computed == 1
    account(f"store's `{name}` truncated", "cut in half", 1, 0, "exit 2 or 7, one line")


def test_damaged_coordinates_are_found(tmp_path, account):
    out = tmp_path / "o.zarr"
    run(job(tmp_path / "t"), str(out))
    chunk = next(path for path in (out / "time/c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(VerificationError, match=r"time: .*--restart"):
        Store(str(out)).verify()
    with pytest.raises(StoreError, match=r"damaged .*--restart"):
        ia.open(out)
    account("flipped bit in a coordinate", "`time`", 1, 0, "exit 7, named")


@pytest.mark.parametrize("tried", [1, 2])
def test_a_store_that_is_replaced_while_it_is_opened_is_opened_again(tmp_path, monkeypatch, tried):
    out, tries = tmp_path / "o.zarr", []
    run(job(tmp_path / "t"), str(out))
    load = open_module.with_coordinates_in_memory

    def once_halfway(dataset):
        tries.append(dataset)
        if len(tries) <= tried:
            raise ValueError("stored and computed checksum do not match")
        return load(dataset)

    monkeypatch.setattr(open_module, "with_coordinates_in_memory", once_halfway)
    if tried == 1:
        assert ia.open(out).displacement.notnull().any()
    else:
        with pytest.raises(VerificationError, match="a chunk of its coordinates is damaged; repeat"):
            ia.open(out)
    assert len(tries) == 2


@pytest.mark.parametrize("damage", ["truncated", "of another job", "missing"])
def test_damaged_records(tmp_path, calm, account, damage):
    out = tmp_path / "o.zarr"
    run(job(tmp_path / "t"), str(out))
    record = out / "_insarray/blocks/1.2.json"
    text = record.read_text()
    if damage == "missing":
        record.unlink()
    else:
        record.write_text(text[:40] if damage == "truncated" else text.replace('"fingerprint":"', '"fingerprint":"x'))
    assert run(job(tmp_path / "t"), str(out)).computed == 1
    assert contents(out) == calm
    account(f"ledger record {damage}", "one record", 1, 1, "same bits")


def test_a_store_that_is_replaced_takes_no_late_blocks(tmp_path, monkeypatch, account):
    """The last run's blocks come when the store has become another's."""
    out, first, replaced = tmp_path / "o.zarr", job(tmp_path / "t"), threading.Event()
    written = []

    def write_late(url, identity, *rest):
        if len(written) == 2 and identity == written[0]:
            assert replaced.wait(100), "the store was not replaced in time"
        written.append(identity)
        return write_block(url, identity, *rest)

    def replace(finished, _):
        if finished == 2:
            shutil.rmtree(out)
            run(job(tmp_path / "t", weights="coherence"), str(out))
            replaced.set()

    monkeypatch.setattr("insarray.engine.run.workers.write_block", write_late)
    with pytest.raises(StoreMismatchError, match="was removed or replaced while block"):
        run(first, str(out), workers=1, progress=replace)
    assert Store(str(out)).verify() == BLOCKS
    assert Path(out, "zarr.json").exists()
    account(
        "late blocks of a replaced store",
        "removed and made anew in mid-run",
        1,
        0,
        "refused; new store as it should be",
    )
