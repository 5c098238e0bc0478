"""The command line as a user runs it: real data, every verb, and one clear line for every kind of bad input."""

import importlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import xarray as xr
from click.testing import CliRunner

import insarray as ia
from insarray.cli.main import cli
from insarray.cli.process import run_command
from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs
from tests.networks import lapack


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small simulated stack as files."""
    folder = tmp_path_factory.mktemp("cli") / "ifgs"
    stack, _ = simulate_stack(shape=(24, 30), n_dates=7, missing=0.0, water=False, seed=3)
    write_geotiffs(stack, folder)
    return folder


def insarray(capsys, *arguments):
    """(exit code, output, error lines) of a command in this process."""
    code = run_command([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def inverted(capsys, files, out, *options):
    return insarray(capsys, "invert", files / "*.unw.tif", out, "--wavelength", WAVELENGTH, *options)


# -- real data -----------------------------------------------------------------------------------------------------


def test_mexico_city_from_its_geotiffs_by_one_command(capsys, shared, tmp_path):
    data = shared / "data/s1_mexico_cropA"
    out = tmp_path / "o.zarr"
    wavelength = 0.0554657595
    command = ["invert", data / "unw/*.tif", out, "--reference", "33,8", "--wavelength", wavelength, "--block", 32]
    code, output, errors = insarray(capsys, *command)
    assert (code, errors) == (0, [])
    assert "reference row 33, col 8" in output
    series = xr.open_zarr(out)
    network = series.insar.network
    phase = np.stack([rasterio.open(path).read(1) for path in sorted((data / "unw").glob("*.tif"))])
    phase[phase == 0] = np.nan
    phase = (phase.astype(float) - phase[:, 33, 8].astype(float)[:, None, None]).reshape(30, -1)
    ours = series.displacement.values.reshape(13, -1) * -4 * np.pi / wavelength
    subset = series.network_subset.values.reshape(13, -1)
    worst, determined = 0.0, 0
    for p in range(phase.shape[1]):
        values, _, _, label = lapack(network, phase[:, p])
        np.testing.assert_array_equal(subset[:, p], label)
        tied = label == 1
        np.testing.assert_array_equal(np.isfinite(ours[:, p]), tied)
        if tied.any():
            worst, determined = max(worst, np.abs(ours[tied, p] - values[tied]).max()), determined + 1
    assert worst < 1e-4
    flags = series.solver_flag.values
    assert ((flags == 3).sum(), (flags == 0).sum(), (flags == 1).sum()) == (22, 96, 5882)
    assert determined == 5904
    assert np.isnan(series.displacement.values[:, flags == 0]).all()


# -- verbs ---------------------------------------------------------------------------------------------------------


def test_help_is_instant_and_imports_nothing_heavy():
    code = (
        "import sys, time; t = time.perf_counter(); sys.argv = ['insarray', '--help']\n"
        "from insarray.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as e: assert e.code == 0\n"
        "heavy = {'xarray', 'dask', 'numba', 'rasterio', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("demo", "info", "closure", "invert", "fit", "export", "status", "plot", "report", "mintpy", "dolphin"):
        assert verb in done.stdout


def test_without_arguments_the_help_is_shown(capsys):
    code, output, errors = insarray(capsys)
    assert (code, errors) == (0, [])
    assert "\nInvert:\n" in output


@pytest.mark.parametrize("verb", ["demo", "info", "closure", "invert", "fit", "export", "status", "plot", "report"])
def test_every_verb_explains_itself(verb):
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_info(capsys, files):
    options = ("--coherence", files / "*.cor.tif", "--baselines", files / "baselines.csv")
    code, output, errors = insarray(capsys, "info", files / "*.unw.tif", *options)
    assert (code, errors) == (0, [])
    assert "warning: the wavelength is unknown" in output
    code, output, _ = insarray(capsys, "info", files / "*.unw.tif", *options, "--json", "--wavelength", WAVELENGTH)
    found = json.loads(output)
    assert (found["dates"], found["pairs"], found["rows"], found["columns"]) == (7, 15, 24, 30)
    assert found["wavelength_m"] == WAVELENGTH
    assert found["percent_valid"] == 100.0
    assert found["crs"] == "EPSG:32614"
    assert found["reader"] == "generic"
    assert found["redundant_pairs"] == 15 - 6
    assert found["baseline_misclosure_rms_m"] < 0.01
    assert not any("wavelength" in warning for warning in found["warnings"])
    assert found["recognised_by"].startswith("raster files")
    assert found["files"] == 30
    assert found["percent_of_pixels_complete"] == 100.0
    assert 0 < found["mean_coherence"] < 1
    assert found["peak_gigabytes"] > 0.5


def test_info_of_a_network_in_pieces(capsys, files, tmp_path):
    """It is there to say so."""
    shutil.copytree(files, tmp_path / "ifgs")
    cut_network(tmp_path / "ifgs")
    code, output, errors = insarray(capsys, "info", tmp_path / "ifgs/*.unw.tif", "--json")
    assert (code, errors) == (0, [])
    found = json.loads(output)
    assert found["components"] == 2
    assert any("falls into 2 pieces: choose --gap" in warning for warning in found["warnings"])
    assert found["peak_gigabytes"] > 0.5
    code, output, errors = insarray(capsys, "info", tmp_path / "ifgs/*.unw.tif")
    assert (code, errors) == (0, [])
    assert "warning: the network falls into 2 pieces" in output


def test_info_says_how_extents_were_reconciled_and_draws_the_network(capsys, files, tmp_path):
    shutil.copytree(files, tmp_path / "ifgs")
    path = sorted((tmp_path / "ifgs").glob("*.unw.tif"))[3]
    with rasterio.open(path) as file:
        values, profile = file.read(1), file.profile
    with rasterio.open(path, "w", **{**profile, "width": 25}) as file:
        file.write(values[:, :25], 1)
    picture = tmp_path / "network.png"
    code, output, errors = insarray(
        capsys, "info", tmp_path / "ifgs/*.unw.tif", "--extent", "intersection", "--plot", picture
    )
    assert (code, errors) == (0, [])
    assert "note: the files have 2 extents; their intersection is used, 24 x 25 pixels" in output
    assert picture.stat().st_size > 5000


def test_info_doubts_baselines_whose_signs_differ(capsys, files, tmp_path):
    table = (files / "baselines.csv").read_text().splitlines()
    first, second, metres = table[4].split(",")
    table[4] = f"{first},{second},{-float(metres) + 100}"
    (tmp_path / "b.csv").write_text("\n".join(table))
    output = insarray(capsys, "info", files / "*.unw.tif", "--baselines", tmp_path / "b.csv")[1]
    assert "do their signs agree?" in output


def with_a_wrong_pair(files, folder, columns=20):
    """Copy of the files in which one pair is a cycle off in the last columns."""
    shutil.copytree(files, folder)
    path = sorted(folder.glob("*.unw.tif"))[6]
    with rasterio.open(path, "r+") as file:
        values = file.read(1)
        values[:, columns:] += 2 * np.pi
        file.write(values, 1)
    return path.name[:17]


def test_robust_norms_list_the_wrong_pair(capsys, files, tmp_path):
    wrong = with_a_wrong_pair(files, tmp_path / "ifgs")
    for norm in ("l1", "huber"):
        out = tmp_path / f"{norm}.zarr"
        assert (
            inverted(capsys, tmp_path / "ifgs", out, "--norm", norm, "--reference", "3,3", "--max-iterations", "99")[0]
            == 0
        )
        series = xr.open_zarr(out)
        assert (series.attrs["norm"], series.attrs["norm_max_iterations"]) == (norm, 99)
        assert float(series.duality_gap.max()) <= 1e-3
        code, output, _ = insarray(capsys, "residuals", tmp_path / "ifgs/*.unw.tif", out, "--wavelength", WAVELENGTH)
        assert code == 0
        assert output.splitlines()[1].startswith(wrong)
    code, output, _ = insarray(
        capsys, "residuals", tmp_path / "ifgs/*.unw.tif", out, "--wavelength", WAVELENGTH, "--json"
    )
    rows = json.loads(output)
    assert rows[0]["pair"] == wrong
    assert rows[0]["wrong"] > 0.2 > rows[1]["wrong"]
    published = tmp_path / "admm.zarr"
    assert inverted(capsys, tmp_path / "ifgs", published, "--norm", "l1", "--iterations", "7", "--rho", "0.5")[0] == 0
    assert (xr.open_zarr(published).number_of_iterations == 7).all()
    assert xr.open_zarr(published).attrs["norm_rho"] == 0.5


def test_corrections_are_made_stored_and_used(capsys, tmp_path):
    files = tmp_path / "clean"
    stack, _ = simulate_stack(shape=(24, 30), n_dates=14, missing=0.0, water=False, seed=3)
    write_geotiffs(stack, files)  # more pairs than a chunk of the store holds
    wrong = with_a_wrong_pair(files, tmp_path / "ifgs")
    out, clean = tmp_path / "o.zarr", tmp_path / "clean.zarr"
    options = ("--reference", "3,3", "--block", "16")
    assert inverted(capsys, files, clean, *options)[0] == 0
    command = (*options, "--components", tmp_path / "ifgs/*.conncomp.tif", "--correct-unwrapping", "bridging")
    code, output, _ = inverted(capsys, tmp_path / "ifgs", out, *command, "--correct-unwrapping", "pixel")
    assert code == 0
    account = ia.correction_account(xr.open_zarr(out))
    assert f"cycles added to {100 * account.samples:.2f} % of the samples" in output
    assert f"{account.pixels['corrected']} corrected" in output
    series, expected = xr.open_zarr(out), xr.open_zarr(clean)
    assert series.attrs["unwrapping_correction"] == "bridging, pixel"
    pair = series.insar.network.labels.index(wrong)
    share = (series.unwrapping_cycles[:, :, 20:] == -1).mean(("y", "x")).values
    assert share[pair] > 0.8
    assert np.delete(share, pair).max() < 0.05
    right = (series.unwrapping_cycles[pair, :, 20:] == -1).values
    np.testing.assert_allclose(
        series.displacement[:, :, 20:].values[:, right], expected.displacement[:, :, 20:].values[:, right], atol=1e-6
    )
    code, output, _ = insarray(
        capsys, "residuals", tmp_path / "ifgs/*.unw.tif", out, "--wavelength", WAVELENGTH, "--json"
    )
    assert code == 0
    assert max(row["wrong"] for row in json.loads(output)) < 0.2
    code, output, _ = insarray(capsys, "status", out, "--verify")
    assert code == 0


def test_fit_takes_terms(capsys, files, tmp_path):
    out, model = tmp_path / "o.zarr", tmp_path / "m.zarr"
    assert inverted(capsys, files, out)[0] == 0
    times = xr.open_zarr(out).time.values
    event = str(times[3])[:10]
    terms = ("--degree", "2", "--steps", event, "--velocity-changes", event, "--exponentials", f"{event},20")
    assert insarray(capsys, "fit", out, model, *terms)[0] == 0
    stamp = event.replace("-", "")
    expected = ia.fit(
        xr.open_zarr(out), degree=2, steps=(event,), velocity_changes=(event,), exponentials=((event, 20.0),)
    )
    found = xr.open_zarr(model)
    assert f"step_{stamp}_std" in found
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    again = tmp_path / "again.zarr"
    assert insarray(capsys, "fit", out, again, "--periods", "0.5", "--logarithms", f"{event},20")[0] == 0
    assert {"semiannual_amplitude", f"logarithmic_{stamp}_20d"} <= set(xr.open_zarr(again))
    code, _, errors = insarray(capsys, "fit", out, tmp_path / "x.zarr", "--exponentials", "20200101")
    assert (code, errors) == (2, ["insarray: Invalid value for '--exponentials': '20200101' is not DATE,DAYS"])
    code, _, errors = insarray(capsys, "fit", out, tmp_path / "x.zarr", "--steps", "yesterday")
    assert code == 2
    assert "yesterday" in errors[0]
    assert not (tmp_path / "x.zarr").exists()


def test_invert_fit_status_export_plot(capsys, files, tmp_path):
    out, model = tmp_path / "o.zarr", tmp_path / "m.zarr"
    code, output, _ = inverted(capsys, files, out, "--block", 16)
    assert (code, "4 of 4 blocks computed" in output) == (0, True)
    code, output, _ = inverted(capsys, files, out, "--block", 16, "--json")
    assert json.loads(output)["computed"] == 0
    assert insarray(capsys, "fit", out, model)[0] == 0
    np.testing.assert_array_equal(xr.open_zarr(model).velocity, xr.open_zarr(out).velocity)
    code, output, _ = insarray(capsys, "status", out, "--verify")
    assert code == 0
    assert "complete, 4 of 4 blocks" in output
    assert "4 blocks read back" in output
    assert "solver_flag: complete 720\n" in output
    assert json.loads(insarray(capsys, "status", out, "--json")[1])["options"]["weights"] == "none"
    assert insarray(capsys, "export", out, tmp_path / "velocity.tif")[0] == 0
    assert insarray(capsys, "export", out, tmp_path / "v.tif", "--variable", "velocity_std")[0] == 0
    assert insarray(capsys, "export", out, tmp_path / "all.nc")[0] == 0
    with rasterio.open(tmp_path / "velocity.tif") as file:
        np.testing.assert_array_equal(file.read(1), xr.open_zarr(out).velocity)
        assert file.tags()["wavelength"] == str(WAVELENGTH)
    for what, options in (
        ("network", ()),
        ("velocity", ()),
        ("map", ("--variable", "temporal_coherence")),
        ("map", ("--variable", "displacement", "--date", "20190129")),
        ("point", ("--row", 3, "--col", 4)),
    ):
        code, _, errors = insarray(capsys, "plot", what, out, tmp_path / f"{what}.png", *options)
        assert (code, errors) == (0, [])
        assert (tmp_path / f"{what}.png").stat().st_size > 5000


def test_dry_run_writes_nothing_and_says_what_would_be(capsys, files, tmp_path):
    code, output, _ = inverted(capsys, files, tmp_path / "o.zarr", "--block", 16, "--dry-run", "--json")
    plan = json.loads(output)
    assert (code, plan["n_blocks"], plan["rows"]) == (0, 4, [16, 8])
    assert plan["peak_bytes"] > plan["block_bytes"] == 256 * plan["bytes_per_pixel"]
    assert "peak memory at most" in inverted(capsys, files, tmp_path / "o.zarr", "--dry-run")[1]
    assert os.listdir(tmp_path) == []


def test_options_reach_the_library(capsys, files, tmp_path):
    """Each option of invert, alone, changes the stored result as the library says."""
    coherence = ("--coherence", files / "*.cor.tif")
    components = ("--components", files / "*.conncomp.tif")
    raster = np.ones((24, 30), np.uint8)
    raster[:5] = 0
    with rasterio.open(files / "20190105_20190117.unw.tif") as like:
        profile = {**like.profile, "dtype": "uint8", "nodata": None}
        profile.pop("predictor", None)
    with rasterio.open(tmp_path / "mask.tif", "w", **profile) as file:
        file.write(raster, 1)
    cases = {
        "plain": ("--reference", "5,6"),
        "weights": ("--reference", "5,6", *coherence, "--weights", "coherence"),
        "looks": ("--reference", "5,6", *coherence, "--weights", "fisher", "--looks", "20"),
        "looks 5": ("--reference", "5,6", *coherence, "--weights", "fisher", "--looks", "5"),
        "area": ("--reference", "4:8,5:9"),
        "none": ("--reference", "none"),
        "auto": (*coherence, "--reference", "auto"),
        "coherence": ("--reference", "12,15", *coherence, "--min-coherence", "0.45"),
        "mask": ("--reference", "6,6", "--mask", tmp_path / "mask.tif"),
        "neighbours": ("--reference", "5,6", "--max-neighbours", "2"),
        "days": ("--reference", "5,6", "--max-temporal-baseline", "12"),
        "metres": ("--reference", "5,6", "--baselines", files / "baselines.csv", "--max-perpendicular-baseline", "90"),
        "pair": ("--reference", "5,6", "--exclude-pairs", "20190105_20190117"),
        "mean coherence": ("--reference", "5,6", *coherence, "--min-mean-coherence", "0.99"),
        "sign": ("--reference", "5,6", "--sign", "toward"),
        "date": ("--reference", "5,6", "--exclude-dates", "20190117"),
    }
    seen = {}
    for name, options in cases.items():
        code, _, errors = inverted(capsys, files, tmp_path / f"{name}.zarr", *options)
        assert (code, errors) == (0, []), name
        stored = xr.open_zarr(tmp_path / f"{name}.zarr")
        key = (
            np.nan_to_num(stored.displacement_std.values).tobytes()
            + np.nan_to_num(stored.displacement.values).tobytes()
        )
        assert key not in seen, f"{name} gives the same as {seen.get(key)}"
        seen[key] = name
    assert np.isnan(xr.open_zarr(tmp_path / "mask.zarr").displacement[:, :5]).all()
    code, _, _ = inverted(capsys, files, tmp_path / "c.zarr", *components, "--mask-components", "--reference", "5,6")
    assert (code, xr.open_zarr(tmp_path / "c.zarr").attrs["mask_components"]) == (0, "True")
    lon, lat = xr.open_zarr(tmp_path / "plain.zarr").insar.grid.lonlat(5, 6)
    inverted(capsys, files, tmp_path / "lonlat.zarr", "--reference", f"lonlat:{lon},{lat}")
    assert xr.open_zarr(tmp_path / "lonlat.zarr").attrs["reference_col"] == 6


def test_restart_replaces_another_job(capsys, files, tmp_path):
    out = tmp_path / "o.zarr"
    inverted(capsys, files, out, "--reference", "5,6")
    assert inverted(capsys, files, out, "--reference", "7,7", "--restart")[0] == 0
    assert xr.open_zarr(out).attrs["reference_row"] == 7


def test_demo_prints_its_error_and_leaves_a_picture(capsys, tmp_path, monkeypatch):
    from insarray.cli import demo

    monkeypatch.setattr(demo, "_SHAPE", (80, 100))
    code, output, errors = insarray(capsys, "demo", tmp_path / "d")
    assert (code, errors) == (0, [])
    assert (tmp_path / "d/demo.png").stat().st_size > 50_000
    assert float(output.split("displacement: ")[1].split(" mm")[0]) < 4.0
    assert xr.open_zarr(tmp_path / "d/series.zarr").sizes == {"time": 30, "y": 80, "x": 100, "pair": 84}
    printed = [line.strip() for line in output.splitlines() if line.strip().startswith("insarray ")]
    assert len(printed) == 2
    for line in printed:  # the commands it offers work
        arguments = line.replace("mine.zarr", str(tmp_path / "mine.zarr")).split()[1:]
        assert insarray(capsys, *arguments)[0] == 0
    assert insarray(capsys, "demo", tmp_path / "d")[0] == 2


# -- bad input: one line, exit code 2, nothing written ---------------------------------------------------------------


def copy_one(folder, source, target):
    shutil.copy(folder / source, folder / target)


def rewrite(path, change=None, **profile):
    with rasterio.open(path) as file:
        kept, values = file.profile, file.read(1)
    values = values if change is None else change(values)
    kept |= {"height": values.shape[0], "width": values.shape[1], **profile}
    with rasterio.open(path, "w", **kept) as file:
        file.write(values, 1)


A, B = "20190105_20190117", "20190117_20190129"
PAIR = f"{A}.unw.tif"


def truncated(folder):
    data = (folder / PAIR).read_bytes()
    (folder / PAIR).write_bytes(data[: len(data) // 2])


def truncated_behind_its_header(folder):
    rewrite(folder / PAIR)  # without tags: the directory comes first, the pixels last
    data = (folder / PAIR).read_bytes()
    (folder / PAIR).write_bytes(data[:-200])


def cut_network(folder):
    dates = sorted({d for f in folder.glob("*.unw.tif") for d in f.name.split(".")[0].split("_")})
    for file in folder.glob("*"):
        first, _, last = file.name.split(".")[0].partition("_")
        if first in dates[:3] and last in dates[3:]:
            file.unlink()


def lose_everything(folder):
    for file in folder.glob("*.unw.tif"):
        rewrite(file, np.zeros_like)


def lose_reference(folder):
    def lose(values):
        values[5, 6] = 0
        return values

    rewrite(folder / PAIR, lose)


BAD = {
    "option of another norm": (None, ("--threshold", "2"), "threshold.*norm=l2"),
    "impossible tolerance": (None, ("--norm", "l1", "--tolerance", "0"), "tolerance: 0"),
    "correction without components": (None, ("--correct-unwrapping", "component"), "connected components"),
    "correction without loops": (None, ("--correct-unwrapping", "pixel", "--max-neighbours", "1"), "no loop"),
    "no file": (None, ("{dir}/nothing/*.tif",), r"nothing"),
    "no such folder": (None, ("{dir}/nothing",), r"nothing"),
    "zero bytes": (lambda d: (d / PAIR).write_bytes(b""), (), PAIR),
    "truncated": (truncated, (), PAIR),
    "truncated behind its header": (truncated_behind_its_header, (), f"{PAIR}.*truncated"),
    "not a raster": (lambda d: (d / PAIR).write_text("hello " * 100), (), PAIR),
    "vrt in a tif's clothes": (
        lambda d: (d / PAIR).write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>'),
        (),
        PAIR,
    ),
    "no dates in the name": (lambda d: copy_one(d, PAIR, "mean.unw.tif"), (), r"mean\.unw\.tif.*--dates"),
    "same date twice": (lambda d: (d / PAIR).rename(d / "20190105_20190105.unw.tif"), (), "20190105"),
    "pair twice": (lambda d: copy_one(d, PAIR, f"again_{PAIR}"), (), f"(?i){A}"),
    "other shape": (lambda d: rewrite(d / PAIR, lambda v: v[:-1]), (), "23 x 30 pixels"),
    "other crs": (lambda d: rewrite(d / PAIR, crs="EPSG:32613"), (), "CRS EPSG:32613"),
    "shifted grid": (
        lambda d: rewrite(d / PAIR, transform=rasterio.Affine(80, 0, 485080, 0, -80, 2155000)),
        (),
        "origin",
    ),
    "coherence of a pair missing": (
        lambda d: (d / f"{B}.cor.tif").unlink(),
        ("--coherence", "{dir}/*.cor.tif"),
        "20190129",
    ),
    "disconnected network": (cut_network, (), "unconnected pieces"),
    "everything no-data": (lose_everything, ("--reference", "auto"), "no pixel has data in every pair"),
    "reference without data": (
        lose_reference,
        ("--reference", "5,6"),
        rf"no data in 1 of 15 pairs \({A}\); the nearest",
    ),
    "reference outside": (None, ("--reference", "5,300"), "outside 24 x 30"),
    "reference no point": (None, ("--reference", "middle"), "reference: 'middle'"),
    "wavelength of a ruler": (None, ("--wavelength", "55.5"), "not a radar wavelength"),
    "weights without coherence": (None, ("--weights", "variance", "--looks", "20"), "needs coherence"),
    "weights without looks": (None, ("--weights", "variance", "--coherence", "{dir}/*.cor.tif"), "looks"),
    "mask without its layer": (None, ("--mask-components",), "no connected_component_labels"),
    "mask raster missing": (None, ("--mask", "{dir}/none.tif"), r"none\.tif"),
    "unknown option value": (None, ("--gap", "zero"), "zero"),
    "unknown option": (None, ("--best",), "--best"),
    "excluded date not there": (None, ("--exclude-dates", "20300101"), "20300101 not among"),
    "baselines of a pair missing": (
        lambda d: (d / "baselines.csv").write_text("reference,secondary,bperp_m\n20190105,20190117,5\n"),
        ("--baselines", "{dir}/baselines.csv"),
        "baselines",
    ),
    "metres without a sign": (None, ("--units", "metre"), "sign"),
    "no scheduler there": (None, ("--scheduler", "somewhere"), "scheduler"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_nothing_written(capsys, files, tmp_path, case):
    damage, options, message = BAD[case]
    folder = tmp_path / "ifgs"
    shutil.copytree(files, folder)
    if damage is not None:
        damage(folder)
    before = sorted(os.listdir(folder))
    options = [option.format(dir=folder) for option in options]
    inputs = [options.pop(0)] if options and not options[0].startswith("--") else [folder / "*.unw.tif"]
    defaults = [] if "--wavelength" in options else ["--wavelength", WAVELENGTH]
    defaults += [] if "--reference" in options else ["--reference", "12,15"]
    code, output, errors = insarray(capsys, "invert", *inputs, tmp_path / "o.zarr", *defaults, *options)
    assert (code, output) == (2, "")
    assert len(errors) == 1
    assert errors[0].startswith("insarray: ")
    assert len(errors[0]) < 700
    import re

    assert re.search(message, errors[0]), errors[0]
    assert not (tmp_path / "o.zarr").exists()
    assert sorted(os.listdir(folder)) == before
    assert sorted(os.listdir(tmp_path)) == ["ifgs"]


def test_bad_output_is_one_clear_line(capsys, files, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/data").write_text("x")
    for out, expected, message in (
        (tmp_path / "mine", 2, "not an insarray store"),
        (files / "*.unw.tif", 2, "is an input"),
        ("/proc/o.zarr", 2, "cannot be created"),
    ):
        code, _, errors = inverted(capsys, files, out, "--reference", "5,6")
        assert (code, len(errors)) == (expected, 1)
        assert message in errors[0]
    inverted(capsys, files, tmp_path / "o.zarr", "--reference", "5,6")
    code, _, errors = inverted(capsys, files, tmp_path / "o.zarr", "--reference", "5,7")
    assert (code, len(errors)) == (6, 1)
    assert "reference_col was '6' and is now '7'" in errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "{o}x"), "does not exist"),
        (("fit", "{o}x", "{o}y"), "does not exist"),
        (("fit", "{o}", "{o}"), "is an input"),
        (("export", "{o}", "{o}.png"), "use .tif"),
        (("export", "{o}", "{o}.tif", "--variable", "speed"), "choose --variable"),
        (("plot", "map", "{o}", "{o}.png"), "--variable"),
        (
            ("plot", "map", "{o}", "{o}.png", "--variable", "displacement", "--date", "20300101"),
            "20300101 is not among",
        ),
        (("plot", "map", "{o}", "{o}.png", "--variable", "velocity", "--date", "20190129"), "leave --date out"),
        (("plot", "point", "{o}", "{o}.png", "--row", "99", "--col", "1"), "99"),
        (("plot", "velocity", "{o}", "{o}.doc"), "doc"),
        (("invert", "{o}"), "Usage: insarray invert [OPTIONS] FILES... OUT"),
    ],
)
def test_bad_arguments_of_other_verbs(capsys, files, tmp_path, arguments, message):
    out = tmp_path / "o.zarr"
    inverted(capsys, files, out, "--reference", "5,6")
    code, _, errors = insarray(capsys, *(argument.format(o=out) for argument in arguments))
    assert (code, len(errors)) == (2, 1)
    assert message in errors[0]
    assert os.listdir(tmp_path) == ["o.zarr"]


def test_damage_is_found_by_status(capsys, files, tmp_path):
    inverted(capsys, files, tmp_path / "o.zarr", "--reference", "5,6")
    chunk = next(path for path in (tmp_path / "o.zarr/velocity/c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-3])
    code, _, errors = insarray(capsys, "status", tmp_path / "o.zarr", "--verify")
    assert (code, len(errors)) == (7, 1)
    assert "velocity block (0, 0)" in errors[0]


def test_no_traceback_ever(capsys, monkeypatch, files, tmp_path):
    monkeypatch.setattr("insarray.engine.run.runner.fingerprint", lambda _: 1 / 0)
    code, _, errors = inverted(capsys, files, tmp_path / "o.zarr", "--reference", "5,6")
    assert (code, len(errors)) == (1, 1)
    assert "internal error, please report it (ZeroDivisionError" in errors[0]
    monkeypatch.setenv("INSARRAY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run_command(["invert", f"{files}/*.unw.tif", str(tmp_path / "o.zarr"), "--wavelength", str(WAVELENGTH)])


def test_interrupt_says_how_to_go_on(capsys, monkeypatch, files, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("insarray.engine.run.runner"), "drive", interrupted)
    code, _, errors = inverted(capsys, files, tmp_path / "o.zarr", "--reference", "5,6")
    assert code == 130
    assert "run the same command again" in errors[-1]
