"""`insarray unwrap`: the same as in Python, what is there already, dry run, and the way on to a velocity."""

import json

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.simulate.points import simulate_wrapped, write_wrapped

OPTIONS = ["--wavelength", "0.031", "--slant-range", "700000", "--incidence-angle", "35", "--neighbours", "6"]
TILES = ["--tile", "36", "--overlap", "12"]


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    pytest.importorskip("ortools", reason="unwrapping needs OR-tools, which is not installed")
    folder = tmp_path_factory.mktemp("linked")
    write_wrapped(simulate_wrapped(shape=(50, 44), n_dates=10, noise=0.3, water=False, seed=2)[0], folder)
    return folder


def test_from_wrapped_files_to_a_velocity(linked, tmp_path, capsys):
    out = tmp_path / "un.zarr"
    baselines = ["--baselines", str(linked / "baselines.csv")]
    words = ["unwrap", str(linked), str(out), *OPTIONS, *TILES, *baselines, "--fill", "--network", "hop3"]
    assert run_command([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_blocks"] == 4
    assert not list(tmp_path.iterdir())
    assert run_command([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tiles"]["computed"], told["overlaps"], told["most_overlaps_unmet"]) == (4, 4, 0)
    wrapped = ia.open_wrapped(str(linked), wavelength=0.031, baselines=str(linked / "baselines.csv"))
    expected = ia.unwrap_stack(
        wrapped, tmp_path / "t.zarr", network="hop3", height_error=(-60, 60), neighbours=6, fill=True, tile=36,
        overlap=12, slant_range=7e5, incidence_angle=35,
    )  # fmt: skip
    stored = xr.open_zarr(out)
    for name in expected.data_vars:
        np.testing.assert_array_equal(stored[name], expected[name], err_msg=name)
    assert run_command(words) == 0
    said = capsys.readouterr().out
    assert "un.tiles.zarr: 0 of 4 blocks computed" in said
    assert "4 overlaps of tiles, of which at most 0 disagree at a date" in said
    assert run_command(["invert", str(out), str(tmp_path / "s.zarr"), "--reference", "20,20"]) == 0
    assert run_command(["fit", str(tmp_path / "s.zarr"), str(tmp_path / "m.zarr"), "--min-dates", "5"]) == 0
    assert np.isfinite(xr.open_zarr(tmp_path / "m.zarr").velocity).mean() > 0.9


def test_single_pairs_and_the_velocity_alone(linked, tmp_path, capsys):
    """The baselines beside the files are not taken unless they are asked for, or they are all the same to the command."""
    first = sorted(path.name for path in linked.glob("*.int.tif"))[:2]
    labels = ",".join(name.removesuffix(".int.tif") for name in first)
    words = ["unwrap", str(linked), str(tmp_path / "un.zarr"), *OPTIONS, *TILES, "--network", labels]
    assert run_command([*words, "--velocity-range", "-40", "40", "--geotiffs", str(tmp_path / "tif")]) == 0
    assert f"{tmp_path / 'tif'}: a GeoTIFF of each pair" in capsys.readouterr().out
    names = {f"{label}.unw{kind}.tif" for label in labels.split(",") for kind in ("", ".conncomp")}
    names |= {"velocity_mm_yr.tif", "link_model_coherence.tif"}
    assert {path.name for path in (tmp_path / "tif").iterdir()} == names
    stored = xr.open_zarr(tmp_path / "un.zarr")
    assert list(stored.pair.values) == labels.split(",")
    assert list(stored.attrs["link_velocity_range"]) == [-0.04, 0.04]


def test_without_a_model_there_is_no_velocity(linked, tmp_path):
    words = ["unwrap", str(linked), str(tmp_path / "un.zarr"), *OPTIONS, *TILES, "--no-model"]
    assert run_command([*words, "--baselines", str(linked / "baselines.csv")]) == 0
    stored = xr.open_zarr(tmp_path / "un.zarr")
    assert not {"velocity", "height_error", "temporal_coherence"} & set(stored)
    assert np.isfinite(stored.unwrapped_phase).any()
    assert "link_velocity_range" not in stored.attrs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network", "all"], "network"),
        (
            ["--velocity-range", "-60", "60", "5"],
            "--velocity-range: -60.0 60.0 5.0 is not MIN MAX; the search needs no step",
        ),
        (["--tile", "20"], "tile"),
        (["--overlap", "30"], "overlap: 30 is not between 8 and half of the tile (18)"),
    ],
)
def test_refusals_write_nothing(linked, tmp_path, words, message, capsys):
    out = tmp_path / "un.zarr"
    assert run_command(["unwrap", str(linked), str(out), *OPTIONS, *TILES, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
