"""`insarray invert ... --append`: the same command when there are new interferograms."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.model.errors import StoreError
from insarray.simulate.stacks import write_geotiffs


@pytest.fixture
def folder(tmp_path):
    """Interferograms of 7 dates; those of the last one, which cover the west alone, are in `aside`."""
    stack, _ = ia.simulate_stack(shape=(48, 50), n_dates=7, seed=3)
    stack.unwrapped_phase[:, 20, 20] = 0.5
    stack.coherence[:, 20, 20] = 0.99
    network = stack.insar.network
    late = np.flatnonzero(network.secondary == 6)
    stack.unwrapped_phase[late, :, 25:] = np.nan
    write_geotiffs(stack, tmp_path / "ifgs")
    (tmp_path / "aside").mkdir()
    for k in late:
        for path in (tmp_path / "ifgs").glob(f"*{network.labels[k]}*"):
            path.rename(tmp_path / "aside" / path.name)
    return tmp_path


def arrive(folder: Path) -> None:
    for path in (folder / "aside").iterdir():
        path.rename(folder / "ifgs" / path.name)


def invert(capsys, folder, *options, out="o.zarr"):
    files = [f"{folder}/ifgs/*unw.tif", f"{folder}/{out}", "--wavelength", "0.0555", "--block", "16"]
    code = run_command(["invert", *files, *map(str, options)])
    said = capsys.readouterr()
    return code, said.out, said.err


def same(first, second):
    with xr.open_zarr(first) as a, xr.open_zarr(second) as b:
        for name in a.variables:
            np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=name)


def test_a_new_date_is_added_by_the_same_command(capsys, folder):
    """`--append` may always be there: it makes the store, keeps its reference, and has nothing to do the next time."""
    code, said, _ = invert(capsys, folder, "--append", "--reference", "20,20")
    assert code == 0
    assert "12 of 12 blocks computed" in said
    arrive(folder)
    code, said, _ = invert(capsys, folder, "--append", "--dry-run")
    assert code == 0
    assert "1 new dates, 6 of 12 blocks to compute (dry run: nothing was written)" in said
    assert sorted(os.listdir(folder)) == ["aside", "ifgs", "o.zarr"]
    code, said, _ = invert(capsys, folder, "--append")
    assert code == 0
    assert "1 new dates, 6 of 12 blocks computed" in said
    assert "; reference row 20, col 20" in said
    code, said, _ = invert(capsys, folder, "--append")
    assert (code, "nothing to add, 0 of 12 blocks computed" in said) == (0, True)
    invert(capsys, folder, "--reference", "20,20", out="fresh.zarr")
    same(folder / "o.zarr", folder / "fresh.zarr")


def test_for_machines(capsys, folder):
    invert(capsys, folder, "--reference", "20,20")
    arrive(folder)
    foretold = json.loads(invert(capsys, folder, "--append", "--json", "--dry-run")[1])
    done = json.loads(invert(capsys, folder, "--append", "--json")[1])
    expected = {"blocks": 12, "computed": 6, "kept": 6, "reason": None, "new_dates": 1}
    for told in (foretold, done):
        assert {name: told[name] for name in expected} == expected
    assert done["new_pairs"] == foretold["new_pairs"] > 0
    assert (done["reference_row"], done["reference_col"]) == (20, 20)


@pytest.mark.slow
def test_why_all_is_computed_is_said(capsys, folder):
    invert(capsys, folder, "--reference", "20,20", "--norm", "l1")
    arrive(folder)
    code, said, _ = invert(capsys, folder, "--append", "--norm", "l1")
    assert code == 0
    assert "12 of 12 blocks computed (norm=l1" in said


def test_a_kept_reference_without_data_is_one_clear_error(capsys, folder):
    early = sorted((folder / "ifgs").glob("*unw.tif"))
    stack = ia.open_stack([str(path) for path in early], wavelength=0.0555)
    complete = np.isfinite(stack.unwrapped_phase.values).all(axis=0)
    row, col = np.argwhere(complete[:, 30:])[0] + (0, 30)
    invert(capsys, folder, "--reference", f"{row},{col}")
    before = (folder / "o.zarr/zarr.json").read_bytes()
    arrive(folder)
    code, _, errors = invert(capsys, folder, "--append")
    assert code == 2
    assert f"row {row}, column {col} has no data" in errors
    assert "which --append keeps" in errors
    assert len(errors.strip().splitlines()) == 1
    assert (folder / "o.zarr/zarr.json").read_bytes() == before


def test_other_options_and_lost_pairs_are_exit_code_6(capsys, folder):
    invert(capsys, folder, "--reference", "20,20")
    arrive(folder)
    code, _, errors = invert(capsys, folder, "--append", "--gap", "subset")
    assert (code, "gap was 'nan' and is now 'subset'" in errors) == (6, True)
    invert(capsys, folder, "--append")
    gone = sorted((folder / "ifgs").glob("*unw.tif"))[0]
    gone.unlink()
    code, _, errors = invert(capsys, folder, "--append")
    assert (code, gone.name[:17] in errors) == (6, True)


def test_restart_and_append_contradict_each_other(capsys, folder):
    code, _, errors = invert(capsys, folder, "--append", "--restart")
    assert (code, "give only one of them" in errors) == (2, True)


def test_a_changed_file_computes_everything(capsys, folder):
    invert(capsys, folder, "--reference", "20,20")
    arrive(folder)
    changed = sorted((folder / "ifgs").glob("*unw.tif"))[0]
    os.utime(changed, ns=(1, 1))
    code, said, _ = invert(capsys, folder, "--append")
    assert code == 0
    assert f"12 of 12 blocks computed (the files of {changed.name[:17]} have changed)" in said
    invert(capsys, folder, "--reference", "20,20", out="fresh.zarr")
    same(folder / "o.zarr", folder / "fresh.zarr")


def test_another_meaning_of_the_values_computes_everything(capsys, folder):
    """No-data and the like are not among the attributes of a series, but part of what a pair is known by."""
    invert(capsys, folder, "--reference", "20,20")
    arrive(folder)
    code, said, _ = invert(capsys, folder, "--append", "--nodata", "-99")
    assert (code, "have changed" in said) == (0, True)


def test_the_limit_of_a_block_reaches_the_run(capsys, folder, monkeypatch):
    seen = {}

    def run(*_, **options):
        seen.update(options)
        raise StoreError("enough seen")

    monkeypatch.setattr("insarray.engine.run.append.run", run)
    assert invert(capsys, folder, "--append", "--reference", "20,20", "--block-timeout", "77")[0] == 2
    assert seen["block_timeout"] == 77
