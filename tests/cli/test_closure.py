"""`insarray closure` as a user runs it: known errors in files, every option, one clear line for bad input."""

import json
import os
import re

import numpy as np
import pytest
import rasterio
import xarray as xr

from insarray.cli.closure_text import closure_text
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.cli.test_cli import insarray

BAD = (4, 9)


@pytest.fixture(scope="module")
def stack():
    stack = simulate_stack(shape=(24, 30), n_dates=8, looks=200, missing=0.0, water=False, seed=3)[0]
    stack.unwrapped_phase[4, :16] += 2 * np.pi
    stack.unwrapped_phase[9, :, 18:] -= 2 * np.pi
    return stack


@pytest.fixture(scope="module")
def files(tmp_path_factory, stack):
    folder = tmp_path_factory.mktemp("closure") / "ifgs"
    write_geotiffs(stack, folder)
    return folder


def closed(capsys, files, *arguments):
    return insarray(capsys, "closure", files / "*.unw.tif", *arguments)


def report(capsys, files, *arguments):
    code, output, errors = closed(capsys, files, "--json", *arguments)
    assert (code, errors) == (0, [])
    return json.loads(output)


def test_the_table_names_the_bad_pairs(capsys, files, stack):
    bad = [stack.insar.network.labels[k] for k in BAD]
    code, output, errors = closed(capsys, files, "--reference", "20,5")
    assert (code, errors) == (0, [])
    lines = output.splitlines()
    assert lines[0].startswith("16 loops of 18 pairs, 720 pixels with loops: ")
    assert lines[1] == "reference: row 20, column 5"
    assert {line.split()[0] for line in lines[3:5]} == set(bad)
    assert "reference: rows 18:22, columns 3:8\n" in closed(capsys, files, "--reference", "18:22,3:8")[1]
    assert "reference: none; " in closed(capsys, files, "--reference", "none")[1]
    assert sum(bool(re.match(r"\d{8}_\d{8} ", line)) for line in lines) == 10
    assert set(lines[-1].removeprefix("  --exclude-pairs ").split(",")) == set(bad)
    found = report(capsys, files, "--reference", "20,5")
    assert set(found["pairs_to_drop"]) == set(bad)
    shares = [row["nonzero_fraction"] for row in found["pairs"]]
    assert shares == sorted(shares, reverse=True)
    assert len(found["pairs"]) == 18
    assert f"{found['percent_nonzero']:.2f} %" in lines[0]
    touched = 1 - (8 * 18) / 720  # all but the lower left, where neither is wrong
    assert found["percent_nonzero"] == pytest.approx(100 * touched, abs=1)
    assert all(len({*loop["loop"].split("_")}) == 3 for loop in found["loops_to_drop"])
    assert (found["reference_row"], found["reference_col"]) == (20, 5)
    # without them it closes
    left = report(capsys, files, "--reference", "20,5", *(f"--exclude-pairs={pair}" for pair in bad))
    assert (left["loops_to_drop"], left["pairs_to_drop"]) == ([], [])
    assert "nothing to drop" in closed(capsys, files, *(f"--exclude-pairs={pair}" for pair in bad))[1]


def test_options_reach_the_library(capsys, files, stack, tmp_path):
    network = stack.insar.network
    middle = ("--max-neighbours", "2", "--exclude-pairs", network.labels[network.pairs.tolist().index([2, 3])])
    raster = np.ones((24, 30), np.uint8)
    raster[:5] = 0
    with rasterio.open(files / "20190105_20190117.unw.tif") as like:
        profile = {**like.profile, "dtype": "uint8", "nodata": None}
        profile.pop("predictor", None)
    with rasterio.open(tmp_path / "mask.tif", "w", **profile) as file:
        file.write(raster, 1)
    coherence = ("--coherence", files / "*.cor.tif")
    here = ("--reference", "20,5")
    cases = {
        "plain": here,
        "reference": ("--reference", "3,25"),
        "area": ("--reference", "18:22,3:8"),
        "none": ("--reference", "none"),
        "coherence": ("--reference", "12,15", *coherence, "--min-coherence", "0.45"),
        "mask": (*here, "--mask", tmp_path / "mask.tif"),
        "fundamental": (*here, "--loops", "fundamental"),
        "longer": (*here, "--loops", "4", *middle),
        "not longer": (*here, *middle),
        "threshold": (*here, "--threshold", "0.6"),
        "neighbours": (*here, "--max-neighbours", "2"),
        "date": (*here, "--exclude-dates", "20190117"),
    }
    seen = {}
    for name, options in cases.items():
        found = report(capsys, files, *options)
        key = json.dumps({k: v for k, v in found.items() if not k.startswith(("reference", "kind", "threshold"))})
        assert key not in seen, f"{name} gives the same as {seen.get(key)}"
        seen[key] = name
    kinds = [report(capsys, files, *here, "--loops", kind) for kind in ("triplets", "3")]
    assert [found.pop("kind") for found in kinds] == ["triplets", 3]
    assert kinds[0] == kinds[1]
    assert report(capsys, files, *here, "--mask", tmp_path / "mask.tif")["pixels_observed"] == 19 * 30
    components = ("--components", files / "*.conncomp.tif", "--mask-components")
    assert report(capsys, files, *here, *components)["pixels_observed"] <= 720
    assert "not_checked" in json.dumps(report(capsys, files, *here))


def test_a_store_is_written_and_resumed_and_gives_the_same_table(capsys, files, tmp_path):
    out = tmp_path / "loops.zarr"
    options = ("--reference", "20,5", "--block", "16")
    code, output, errors = closed(capsys, files, out, *options)
    assert (code, errors) == (0, [])
    assert "4 of 4 blocks computed" in output
    assert "; leave out with" in output
    again = report(capsys, files, out, *options)
    assert again.pop("store")["computed"] == 0
    direct = report(capsys, files, *options)
    for one, other in zip(again.pop("pairs"), direct.pop("pairs"), strict=True):
        assert one.pop("closure_rms") == pytest.approx(other.pop("closure_rms"), rel=1e-9)
        assert one == other
    assert again == direct
    assert report(capsys, files, out, *options, "--restart")["store"]["computed"] == 4
    stored = xr.open_zarr(out)
    assert stored.closure_phase.dims == ("loop", "y", "x")
    assert int((stored.nonzero_closure_count > 0).sum()) == direct["pixels_nonzero"]
    # what other verbs make of it
    for what, more in (("network", ()), ("closure", ()), ("map", ("--variable", "nonzero_closure_count"))):
        assert insarray(capsys, "plot", what, out, tmp_path / f"{what}.png", *more)[0] == 0
        assert (tmp_path / f"{what}.png").stat().st_size > 5000
    assert insarray(capsys, "status", out, "--verify")[0] == 0
    for name in ("nonzero_closure_count.tif", "integer_closure.tif", "all.nc"):
        assert insarray(capsys, "export", out, tmp_path / name)[0] == 0, name
    # another job is refused
    code, _, errors = closed(capsys, files, out, "--reference", "20,6", "--block", "16")
    assert (code, len(errors)) == (6, 1)


def test_dry_run_stores_nothing(capsys, files, tmp_path):
    code, output, _ = closed(capsys, files, tmp_path / "o.zarr", "--dry-run", "--json", "--block", "16")
    assert (code, json.loads(output)["n_blocks"]) == (0, 4)
    assert os.listdir(tmp_path) == []


def test_picture(capsys, files, tmp_path):
    code, output, _ = closed(capsys, files, "--plot", tmp_path / "closure.png")
    assert code == 0
    assert output.endswith("closure.png: written\n")
    assert (tmp_path / "closure.png").stat().st_size > 20_000


def test_workers_limit_the_blocks_at_a_time(capsys, monkeypatch, files):
    given = []
    from insarray.cli import stack_commands as commands

    summarise = commands.closure_summary
    monkeypatch.setattr(commands, "closure_summary", lambda *a, **k: given.append(k["workers"]) or summarise(*a, **k))
    report(capsys, files, "--workers", "1")
    assert given == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-neighbours", "1"), "close no loop, so nothing can be compared"),
        (("--reference", "99,1"), "outside 24 x 30"),
        (("--reference", "middle"), "reference: 'middle'"),
        (("--loops", "all"), "loops: 'all' is not"),
        (("--loops", "9"), "loops: 9 is not"),
        (("--threshold", "1.5"), "threshold"),
        (("--best",), "--best"),
        (("--plot", "{dir}/closure.doc"), "cannot have this suffix"),
        (("--plot", "{dir}/none/closure.png"), "cannot write into its folder"),
        (("--dry-run",), "--dry-run: nothing is stored; give an output"),
        (("--restart",), "--restart: nothing is stored"),
        (("--scheduler", "local"), "--scheduler: nothing is stored"),
        (("--min-coherence", "0.3"), "no coherence"),
        (("--exclude-dates", "20300101"), "20300101 not among"),
        (("{dir}/nothing",), "nothing"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, files, tmp_path, options, message):
    code, output, errors = closed(capsys, files, *(option.format(dir=tmp_path) for option in options))
    assert (code, output, len(errors)) == (2, "", 1)
    assert errors[0].startswith("insarray: ")
    assert message in errors[0]
    assert os.listdir(tmp_path) == []


def test_a_store_is_not_overwritten_by_its_own_closure(capsys, tmp_path):
    code, _, errors = insarray(capsys, "closure", tmp_path / "s.zarr", tmp_path / "s.zarr")
    assert (code, len(errors)) == (2, 1)
    assert "is an input" in errors[0]
    code, _, errors = insarray(capsys, "plot", "closure", tmp_path / "s.zarr", tmp_path / "c.png")
    assert (code, len(errors)) == (2, 1)


def test_nothing_observed_is_said():
    text = closure_text({"percent_nonzero": None, "loops": 3, "pairs": [1, 2, 3]})
    assert text == "3 loops of 3 pairs, none of them observed at any pixel"


def test_corrections_come_before_the_loops(capsys, tmp_path):
    """The command closes the corrected phase."""
    from insarray.cli.process import run_command
    from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs

    stack, _ = simulate_stack(shape=(24, 30), n_dates=7, missing=0.0, water=False, seed=3)
    phase = stack.unwrapped_phase.values.copy()
    phase[6, :, 20:] += 2 * np.pi
    write_geotiffs(stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase)), tmp_path / "ifgs")
    shares = []
    for options in ([], ["--correct-unwrapping", "pixel"]):
        command = ["closure", str(tmp_path / "ifgs/*.unw.tif"), "--reference", "3,3", "--wavelength", str(WAVELENGTH)]
        assert run_command([*command, *options, "--json"]) == 0
        shares.append(json.loads(capsys.readouterr().out))
    assert max(pair["nonzero_fraction"] for pair in shares[0]["pairs"]) > 0.2
    assert max(pair["nonzero_fraction"] for pair in shares[1]["pairs"]) < 0.1
