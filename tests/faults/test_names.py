"""Outputs that are inputs by another name are refused before anything is touched; what a restart replaces is not lost."""

import os
import shutil
from pathlib import Path

import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.graph.inputs import inputs_of
from insarray.engine.run import runner
from insarray.engine.store import swap as swap_module
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import ArgumentError, FileError, StoreError
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.faults.scene import state
from tests.stores import contents

_NAMES = {
    "itself": lambda folder: folder / "data/s.zarr",
    "slash": lambda folder: f"{folder}/data/s.zarr/",
    "dots": lambda folder: folder / "data/../data/./s.zarr",
    "file URL": lambda folder: f"file://{folder}/data/s.zarr",
    "file URL, one slash": lambda folder: f"file:{folder}/data/s.zarr",
    "local URL": lambda folder: f"local://{folder}/data/s.zarr",
    "escaped URL": lambda folder: f"file://{folder}/data/s%2Ezarr",
    "link in the path": lambda folder: _link(folder / "other", folder / "data") / "s.zarr",
    "link": lambda folder: _link(folder / "link.zarr", folder / "data/s.zarr"),
    "link of a link": lambda folder: _link(folder / "two.zarr", _link(folder / "one.zarr", folder / "data/s.zarr")),
    "inside": lambda folder: folder / "data/s.zarr/velocity.zarr",
    "copy by hard links": lambda folder: shutil.copytree(
        folder / "data/s.zarr", folder / "copy.zarr", copy_function=os.link
    ),
}


def _link(name: Path, target: Path) -> Path:
    name.symlink_to(target)
    return name


@pytest.fixture
def stored(tmp_path):
    """Store of a series, data/s.zarr."""
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False)
    ia.run(ia.invert(stack.chunk(y=16, x=16), reference=None), tmp_path / "data/s.zarr", workers=1)
    return tmp_path / "data/s.zarr"


@pytest.mark.parametrize("name", _NAMES)
def test_an_output_that_is_an_input_by_another_name(stored, tmp_path, account, name):
    before = state(stored)
    out = _NAMES[name](tmp_path)
    for opened in (ia.open(stored), xr.open_zarr(stored).chunk(time=-1)):
        for resume in (True, False):
            with pytest.raises(ArgumentError, match=r"s\.zarr.* input of this job") as caught:
                ia.run(ia.fit(opened), str(out), resume=resume)
            assert "\n" not in str(caught.value)
    assert state(stored) == before
    assert not list(stored.parent.glob(".*"))
    if name == "copy by hard links":
        account(
            "output that is an input",
            "links, `..`, URL forms, hard links, a store in it",
            len(_NAMES),
            0,
            "exit 2, one line",
        )


def test_the_command_refuses_it_too(stored, tmp_path, capsys):
    before, other = state(stored), _link(tmp_path / "other", tmp_path / "data")
    assert run_command(["fit", str(stored), f"{other}/s.zarr", "--restart"]) == 2
    assert "is an input" in capsys.readouterr().err
    assert state(stored) == before


def test_a_store_around_the_inputs(tmp_path, account, monkeypatch):
    monkeypatch.setenv("INSARRAY_SOURCES", str(tmp_path))  # the VRT files name another folder than theirs
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False)
    out = tmp_path / "s.zarr"
    ia.run(ia.invert(stack.chunk(y=16, x=16), reference=None), out, workers=1)
    write_geotiffs(stack, out / "ifgs")
    (tmp_path / "ifgs").mkdir()
    for path in (out / "ifgs").glob("*.unw.tif"):
        vrt = f'<SourceFilename relativeToVRT="1">../s.zarr/ifgs/{path.name}</SourceFilename>'
        (tmp_path / "ifgs" / f"{path.stem}.vrt").write_text(_vrt(vrt))
    before = state(out)
    for pattern in (str(out / "ifgs/*.unw.tif"), str(tmp_path / "ifgs/*.vrt")):
        series = ia.invert(ia.open_stack(pattern, wavelength=0.0555), reference=None)
        for start in (lambda series: ia.run(series, out, resume=False), lambda series: ia.append(series, out)):
            with pytest.raises(ArgumentError, match=r"s\.zarr: holds .*unw\.(tif|vrt), an input"):
                start(series)
    assert state(out) == before
    account("inputs, or the sources of a VRT, in the output", "restart and append", 2, 0, "exit 2, one line")


def _vrt(source: str) -> str:
    band = f'<VRTRasterBand dataType="Float32" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand>'
    return f'<VRTDataset rasterXSize="16" rasterYSize="16">{band}</VRTDataset>'


def test_an_export_over_an_input(stored, tmp_path, account):
    file = ia.to_netcdf(ia.open(stored), tmp_path / "s.nc")
    bits = file.read_bytes()
    link = _link(tmp_path / "t.nc", file)
    with pytest.raises(ArgumentError, match=r"t\.nc: is an input"):
        ia.to_netcdf(ia.open(file), link, overwrite=True)
    with pytest.raises(ArgumentError, match=r"t\.nc: is an input"):
        ia.to_cog(ia.open(file).temporal_coherence, link, overwrite=True)
    with pytest.raises(ArgumentError, match="lies in the store"):
        ia.to_cog(ia.open(stored).temporal_coherence, stored / "coherence.tif")
    mask = ia.to_cog(ia.open(file).temporal_coherence, tmp_path / "mask.tif")
    with pytest.raises(ArgumentError, match=r"mask\.tif: is an input"):
        ia.to_cog(ia.open(file).temporal_coherence, mask, mask=str(mask), overwrite=True)
    assert file.read_bytes() == bits
    account("export over an input", "--overwrite, NetCDF and GeoTIFF, by a link", 3, 0, "exit 2, one line")


def test_outputs_beside_inputs_are_none(tmp_path):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False)
    write_geotiffs(stack, tmp_path / "ifgs")
    series = ia.invert(ia.open_stack(tmp_path / "ifgs", wavelength=0.0555), reference=None)
    assert {Path(path).suffix for path in inputs_of(series)} == {".tif"}
    assert ia.run(series, tmp_path / "ifgs/s.zarr", workers=1).computed
    assert ia.run(ia.fit(ia.open(tmp_path / "ifgs/s.zarr")), tmp_path / "ifgs/v.zarr", workers=1).computed


# -- restarts -------------------------------------------------------------------------------------------------------


def other_job():
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False, seed=3)
    return ia.invert(stack.chunk(y=8, x=8), reference=None)


def test_a_restart_that_fails_leaves_the_old_store(stored, monkeypatch, account):
    before, told = contents(stored), []

    def broken(finished, _):
        told.append(finished)
        assert contents(stored) == before  # also while it is under way
        if finished == 2:
            raise FileError("x.tif: gone")

    with pytest.raises(FileError):
        ia.run(other_job(), stored, resume=False, workers=1, progress=broken)
    assert told == [0, 1, 2]
    assert contents(stored) == before
    assert Store(str(stored)).is_complete()
    done = len(Store(swap_module.new_beside(str(stored), "restart")).done())
    assert 2 <= done < 4
    report = ia.run(other_job(), stored, resume=False, workers=1)
    assert (report.url, report.blocks, report.computed) == (str(stored), 4, 4 - done)
    ia.run(other_job(), stored.parent / "calm.zarr", workers=1)
    assert contents(stored) == contents(stored.parent / "calm.zarr")
    assert sorted(path.name for path in stored.parent.iterdir()) == ["calm.zarr", "s.zarr"]
    account(
        "restart that fails", "after 2 of 4 blocks, then repeated", 1, f"{4 - done}, the rest", "old store as it was"
    )


@pytest.mark.parametrize("step", ["rename", "rmtree"])
def test_a_restart_that_is_killed_while_stores_are_swapped(stored, monkeypatch, step):
    before = contents(stored)

    def killed():
        raise KeyboardInterrupt

    rename, rmtree = os.rename, shutil.rmtree
    with monkeypatch.context() as patch:
        if step == "rename":  # the second: the old store has been moved, the new one not yet
            patch.setattr(swap_module, "exchanged", lambda *_: False)
            patch.setattr(os, "rename", lambda old, new: killed() if str(new) == str(stored) else rename(old, new))
        else:
            patch.setattr(
                shutil, "rmtree", lambda path, **how: killed() if "replaced" in str(path) else rmtree(path, **how)
            )
        with pytest.raises(KeyboardInterrupt):
            ia.run(other_job(), stored, resume=False, workers=1)
    assert contents(stored.parent / ".s.zarr.replaced") == before
    assert ia.run(other_job(), stored, workers=1).computed == 0  # the same job, also without a restart
    assert [path.name for path in stored.parent.iterdir()] == ["s.zarr"]


def test_a_restart_does_not_go_on_with_another_job(stored, monkeypatch, account):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "swap", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ia.run(other_job(), stored, resume=False, workers=1)
    stack, _ = simulate_stack(shape=(16, 16), n_dates=5, missing=0, water=False, seed=5)
    third = ia.invert(stack.chunk(y=16, x=16), reference=None)
    assert ia.run(third, stored, resume=False, workers=1).computed == 1
    assert ia.run(third, stored, workers=1).computed == 0
    assert [path.name for path in stored.parent.iterdir()] == ["s.zarr"]
    account("restart of a third job", "after one that was killed while stores were swapped", 1, "all", "the third job")


def test_a_restart_goes_through_a_link(stored, tmp_path, account):
    link = _link(tmp_path / "link.zarr", stored)
    ia.run(other_job(), link, resume=False, workers=1)
    assert link.is_symlink()
    assert Store(str(stored)).check(Store(str(link)).job()["fingerprint"], {})
    assert len(Store(str(stored)).done()) == 4
    account("restart of a link to a store", "--restart", 1, "all", "link kept, target replaced")


def test_a_restart_refuses_what_is_not_ours(tmp_path, account):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr/mine.txt").touch()
    with pytest.raises(StoreError, match="will not be deleted"):
        ia.run(other_job(), tmp_path / "s.zarr", resume=False)
    assert (tmp_path / "s.zarr/mine.txt").exists()
    account("restart over a folder of others", "resume=False", 1, 0, "exit 2, nothing removed")


@pytest.mark.parametrize("kind", ["restart", "replaced"])
def test_folders_of_others_beside_a_store_are_not_removed(stored, tmp_path, kind, account):
    """Under the names of the new and the old store: a folder of the user, a link to one, a link to a store."""
    before, beside = contents(stored), stored.parent / f".{stored.name}.{kind}"
    mine, other = tmp_path / "mine", tmp_path / "other.zarr"
    mine.mkdir()
    (mine / "mine.txt").touch()
    shutil.copytree(stored, other)
    for place in (mine, _link(tmp_path / "mine-link", mine), _link(tmp_path / "other-link", other)):
        place.rename(beside) if place != mine else shutil.copytree(mine, beside)
        with pytest.raises(StoreError, match=rf"\.{kind}: .*remove it"):
            ia.run(other_job(), stored, resume=False, workers=1)
        assert (mine / "mine.txt").exists()
        assert place != mine or (beside / "mine.txt").exists()
        assert contents(other) == contents(stored) == before
        shutil.rmtree(beside) if place == mine else beside.unlink()
    account("folders and links of others beside a store", "named as the new or the old store of a restart", 6, 0, "exit 2, nothing removed")  # fmt: skip
