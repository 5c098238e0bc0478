"""deramp, rereference, join and average on the command line: same as the library, resumable, one line for bad input."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs


def insarray(capsys, *arguments):
    """(exit code, output, error lines) of a command in this process."""
    code = run_command([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of a small simulated stack and the store of its series in four blocks."""
    folder = tmp_path_factory.mktemp("series")
    stack, _ = simulate_stack(shape=(24, 30), n_dates=7, missing=0.0, water=False, seed=3)
    write_geotiffs(stack, folder / "ifgs")
    options = ["--wavelength", WAVELENGTH, "--block", 16, "--reference", "5,6"]
    words = ["invert", folder / "ifgs/*.unw.tif", folder / "series.zarr", *options]
    assert run_command([str(word) for word in words]) == 0
    return folder


def same(store, expected):
    found = xr.open_zarr(store)
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=str(name))
    return found


def opened(folder):
    return xr.open_zarr(folder / "series.zarr", chunks={"time": -1})


def test_deramp(capsys, folder, tmp_path):
    use = np.ones((24, 30), np.uint8)
    use[:, :9] = 0
    grid = opened(folder).insar.grid
    options = {"driver": "GTiff", "height": 24, "width": 30, "count": 1, "dtype": "uint8", "crs": grid.crs}
    with rasterio.open(tmp_path / "use.tif", "w", transform=rasterio.Affine(*grid.affine), **options) as file:
        file.write(use, 1)
    words = [tmp_path / "o.zarr", "--kind", "quadratic", "--robust", "--mask", tmp_path / "use.tif"]
    code, output, errors = insarray(capsys, "deramp", folder / "series.zarr", *words)
    assert (code, errors) == (0, [])
    assert "4 of 4 blocks computed" in output
    assert "reference row 5, col 6" in output
    mask = xr.DataArray(use, dims=("y", "x"))
    expected = ia.deramp(opened(folder), kind="quadratic", robust=True, mask=mask)
    found = same(tmp_path / "o.zarr", expected)
    assert "velocity" not in found
    np.testing.assert_array_equal(found.ramp_coefficient, expected.ramp_coefficient)
    np.testing.assert_allclose(found.displacement + ia.ramp_surface(found), opened(folder).displacement, atol=2e-8)
    for other in ({"kind": "linear"}, {"robust": False}, {"mask": None}):
        options = {"kind": "quadratic", "robust": True, "mask": mask, **other}
        assert not np.array_equal(ia.deramp(opened(folder), **options).displacement, found.displacement), other


def test_a_run_that_lost_a_block_does_only_that_again(capsys, folder, tmp_path):
    words = ["deramp", folder / "series.zarr", tmp_path / "o.zarr", "--robust"]
    assert insarray(capsys, *words)[0] == 0
    before = xr.open_zarr(tmp_path / "o.zarr").displacement.values
    (tmp_path / "o.zarr/_insarray/blocks/1.0.json").unlink()
    code, output, _ = insarray(capsys, *words, "--json")
    assert (code, json.loads(output)["computed"]) == (0, 1)
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "o.zarr").displacement, before)
    code, _, errors = insarray(capsys, "deramp", folder / "series.zarr", tmp_path / "o.zarr")
    assert code == 6
    assert "ramp_robust was 'True' and is now 'False'" in errors[0]


def test_rereference(capsys, folder, tmp_path):
    date = str(opened(folder).time.values[3])[:10]
    words = ["rereference", folder / "series.zarr", tmp_path / "o.zarr", "--date", date, "--reference", "4:8,10:15"]
    code, output, errors = insarray(capsys, *words)
    assert (code, errors) == (0, [])
    assert "reference area [4, 8, 10, 15]" in output
    found = same(tmp_path / "o.zarr", ia.rereference(opened(folder), date=date, reference=ia.area(4, 8, 10, 15)))
    assert (found.displacement[3] == 0).all()
    assert insarray(capsys, *words[:2], tmp_path / "date.zarr", *words[3:5])[0] == 0
    assert xr.open_zarr(tmp_path / "date.zarr").attrs["reference_row"] == 5
    code, _, _ = insarray(capsys, "fit", tmp_path / "o.zarr", tmp_path / "model.zarr")
    assert code == 0


def test_join(capsys, folder, tmp_path):
    dates = [f"{str(time)[:10]}" for time in opened(folder).time.values]
    for name, excluded in (("first", dates[5:]), ("second", dates[:3])):
        words = ["invert", folder / "ifgs/*.unw.tif", tmp_path / f"{name}.zarr", "--wavelength", WAVELENGTH]
        options = [word for date in excluded for word in ("--exclude-dates", date)]
        assert insarray(capsys, *words, "--reference", "5,6", "--block", 16, *options)[0] == 0
    words = ["join", tmp_path / "first.zarr", tmp_path / "second.zarr", tmp_path / "o.zarr"]
    code, output, errors = insarray(capsys, *words)
    assert (code, errors) == (0, [])
    assert "4 of 4 blocks" in output
    found = xr.open_zarr(tmp_path / "o.zarr")
    assert [str(time)[:10] for time in found.time.values] == dates
    assert float(abs(found.displacement - opened(folder).displacement).max()) < 0.02


def test_average(capsys, folder, tmp_path):
    files = [folder / "ifgs/*.unw.tif", "--coherence", folder / "ifgs/*.cor.tif", "--block", 16]
    stack = ia.open_stack(str(files[0]), coherence=str(files[2]), block=16)
    code, output, errors = insarray(capsys, "average", *files, tmp_path / "mean.zarr")
    assert (code, errors) == (0, [])
    assert "4 of 4 blocks" in output
    same(tmp_path / "mean.zarr", ia.temporal_average(stack, layer="coherence"))
    statistics = ["--statistic", "median", "--statistic", "std"]
    assert insarray(capsys, "average", *files, tmp_path / "more.zarr", *statistics)[0] == 0
    found = xr.open_zarr(tmp_path / "more.zarr")
    assert set(found.data_vars) == {"median_coherence", "std_coherence"}
    np.testing.assert_array_equal(found.std_coherence, np.nanstd(stack.coherence.values, axis=0))
    assert insarray(capsys, "average", folder / "series.zarr", tmp_path / "series.zarr")[0] == 0
    same(tmp_path / "series.zarr", ia.temporal_average(opened(folder), layer="displacement"))
    words = [folder / "series.zarr", tmp_path / "std.zarr", "--layer", "displacement_std"]
    assert insarray(capsys, "average", *words)[0] == 0
    assert "mean_displacement_std" in xr.open_zarr(tmp_path / "std.zarr")


def test_counts_of_components(capsys, folder, tmp_path):
    files = [folder / "ifgs/*.unw.tif", "--components", folder / "ifgs/*.conncomp.tif"]
    words = ["--layer", "connected_component_labels"]
    code, _, errors = insarray(capsys, "average", *files, tmp_path / "o.zarr", *words)
    assert (code, errors) == (0, [])
    stack = ia.open_stack(str(files[0]), components=str(files[2]))
    same(tmp_path / "o.zarr", ia.component_counts(stack))
    code, _, errors = insarray(capsys, "average", *files, tmp_path / "p.zarr", *words, "--statistic", "std")
    assert code == 2
    assert "are counted, they have no std" in errors[0]


BAD = {
    "no store": (["deramp", "{folder}/ifgs", "{out}"], "is not an insarray store"),
    "same store": (["deramp", "{series}", "{series}"], "is an input"),
    "bad kind": (["deramp", "{series}", "{out}", "--kind", "cubic"], "'cubic' is not one of 'linear'"),
    "no mask": (["deramp", "{series}", "{out}", "--mask", "nowhere.tif"], "nowhere.tif"),
    "nothing to do": (["rereference", "{series}", "{out}"], "give a date, a reference, or both"),
    "no such date": (["rereference", "{series}", "{out}", "--date", "2031-01-01"], "date: 20310101 is not among the 7"),
    "no date": (["rereference", "{series}", "{out}", "--date", "today"], "date: 'today' is not a date"),
    "auto": (["rereference", "{series}", "{out}", "--reference", "auto"], "'auto' cannot be found in a series"),
    "far away": (
        ["rereference", "{series}", "{out}", "--reference", "lonlat:0,0"],
        "cannot be expressed in EPSG:32614",
    ),
    "no words": (["rereference", "{series}", "{out}", "--reference", "here"], "'here' is not"),
    "input of join": (["join", "{series}", "{series}", "{series}"], "is an input"),
    "one argument": (["average", "{series}"], "Usage: insarray average [OPTIONS] FILES... OUT"),
    "no layer": (["average", "{series}", "{out}", "--layer", "coherence"], "layer: 'coherence' is not among"),
    "no coherence": (["average", "{folder}/ifgs/*.unw.tif", "{out}"], "layer: 'coherence' is not among"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(capsys, folder, tmp_path, case):
    words, expected = BAD[case]
    names = {"folder": folder, "series": folder / "series.zarr", "out": tmp_path / "o.zarr"}
    code, _, errors = insarray(capsys, *(word.format(**names) for word in words))
    assert (code, len(errors)) == (2, 1)
    assert expected in errors[0]
    assert not (tmp_path / "o.zarr").exists()


@pytest.mark.parametrize("verb", ["deramp", "rereference", "average"])
def test_a_dry_run_writes_nothing(capsys, folder, tmp_path, verb):
    date = ["--date", str(opened(folder).time.values[1])[:10]] if verb == "rereference" else []
    code, output, _ = insarray(capsys, verb, folder / "series.zarr", tmp_path / "o.zarr", "--dry-run", *date)
    assert code == 0
    assert "4 blocks" in output
    assert not (tmp_path / "o.zarr").exists()
