"""`insarray spurt`: names, defaults and signs of the published program, on a scene made by the published formula."""

import json

import click
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import insarray as ia
from insarray.__main__ import cli
from insarray.cli.process import run_command
from insarray.compat.spurt_cli import spurt
from insarray.model.errors import StackWarning
from tests.test_docs_commands import shell_lines

WAVELENGTH, SLANT_RANGE, ANGLE = 0.031, 7e5, 35.0
SHAPE, EPOCHS = (44, 40), 14
GEOMETRY = ["--wavelength", str(WAVELENGTH), "--slant-range", str(SLANT_RANGE), "--look-angle-deg", str(ANGLE)]
DEFAULTS = {
    "-i": None, "--inputdir": None, "-o": "./emcf", "--outputdir": "./emcf", "--tempdir": "./emcf_tmp", "-w": 0,
    "--t-workers": 0, "--s-workers": 1, "-b": 150000, "--batchsize": 150000, "-c": 0.6, "--coh": 0.6,
    "--t-cost-type": "constant", "--t-cost-scale": 100, "--merge-parallel-ifgs": 1, "--unwrap-parallel-tiles": 1,
    "--singletile": False, "--log-file": None, "--baseline-csv": None, "--slant-range": 900e3, "--look-angle-deg": 39,
    "--velocity-range": (-100, 100, 5), "--dem-error-range": (-50, 50, 2.5), "--no-velocity-estimation": False,
    "--pts-per-tile": None, "--max-tiles": None, "--wavelength": None,
}  # fmt: skip
"""Options as published, with their defaults; of the last three those of the help text."""


def write(path, values):
    with rasterio.open(
        path, "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1], count=1, dtype=values.dtype, crs="EPSG:32611",
        transform=from_origin(5e5, 4e6, 30, 30),
    ) as file:  # fmt: skip
        file.write(values, 1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Folder of phases = 4 pi / wavelength * (v t / 1000 + baseline / (range sin(angle)) h), with v and h."""
    pytest.importorskip("ortools", reason="unwrapping needs OR-tools, which is not installed")
    folder, rng = tmp_path_factory.mktemp("linked"), np.random.default_rng(1)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    velocity = 40 * np.exp(-((y - 20) ** 2 + (x - 16) ** 2) / 150)  # mm/yr; of one sign
    height = np.where((y // 8 + x // 8) % 4 == 0, 25.0, 0.0)
    days, baseline = 22 * np.arange(EPOCHS), np.r_[0, rng.normal(0, 120, EPOCHS - 1)]
    dates = [str(np.datetime64("2021-03-01") + int(day)).replace("-", "") for day in days]
    steps = baseline / (SLANT_RANGE * np.sin(np.deg2rad(ANGLE)))
    for k in range(1, EPOCHS):
        metres = velocity / 1000 * days[k] / 365.25 + steps[k] * height
        phase = 4 * np.pi / WAVELENGTH * metres + 0.2 * rng.normal(size=SHAPE)
        write(folder / f"{dates[0]}_{dates[k]}.int.tif", np.exp(1j * phase).astype(np.complex64))
    coherence = np.full(SHAPE, 0.9, np.float32)
    coherence[:, :2], coherence[:, 2] = 0.3, np.float32(0.6)
    write(folder / "temporal_coherence.tif", coherence)
    lines = [f"{date},{value:.3f}" for date, value in zip(dates, baseline, strict=True)]
    (folder / "baselines.csv").write_text("\n".join(["date,bperp_m", *lines]))
    return folder, velocity, height, dates


@pytest.fixture
def command(scene, tmp_path, monkeypatch):
    """Run the command in an empty folder with further words; return the exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: run_command(["spurt", "-i", str(scene[0]), *GEOMETRY, *words])


def read(path):
    with rasterio.open(path) as file:
        return file.read(1), file.tags()


def test_every_published_option_has_its_default():
    options = {name: option for option in spurt.params for name in option.opts}
    assert set(DEFAULTS) <= set(options)
    for name, default in DEFAULTS.items():
        found = options[name].default
        assert (None if name in ("-i", "--inputdir") else found) == default, name
    text = click.Context(cli.commands["spurt"], info_name="spurt").get_help()
    for words in ("positive away from the satellite", "opposite sign", "spurt: 800000", "spurt: 49", "else 0.055465"):
        assert words in " ".join(text.split())


def test_names_points_and_signs_are_as_published(scene, command, tmp_path, capsys):
    folder, velocity, height, dates = scene
    assert command("--baseline-csv", str(folder / "baselines.csv"), "--velocity-range", "-20", "70", "5") == 0
    said = capsys.readouterr().out
    assert "velocity positive away from the satellite" in said
    assert "--look-angle-deg was taken as the incidence angle, steps of ranges are not needed" in said
    hops = [(i, j) for i in range(EPOCHS) for j in range(i + 1, min(EPOCHS, i + 4))]
    found = {path.name for path in (tmp_path / "emcf").iterdir()}
    assert {name for name in found if name.endswith(".unw.tif")} == {f"{dates[i]}_{dates[j]}.unw.tif" for i, j in hops}
    for name, truth, scatter in (("velocity_mm_yr", velocity, 2.0), ("dem_error_m", height, 2.0)):
        values, tags = read(tmp_path / f"emcf/{name}.tif")
        point = np.isfinite(values)
        assert point[:, 3:].all()
        assert not point[:, :3].any()  # a coherence of exactly 0.6 is not more than 0.6
        assert np.nanmedian(values) == pytest.approx(0, abs=1e-4)
        error = (values - truth)[point]
        assert np.std(error) < scatter, name
        assert truth[point].std() > 4 * scatter  # with the other sign the error would be twice this
        assert "the opposite of insarray's" in tags["sign"]
    assert "positive away" in read(tmp_path / "emcf/velocity_mm_yr.tif")[1]["long_name"]
    # congruent with the phases of the files, whose sign it has
    first, last = (np.angle(rasterio.open(folder / f"{dates[0]}_{dates[k]}.int.tif").read(1)) for k in (4, 6))
    unwrapped, tags = read(tmp_path / f"emcf/{dates[4]}_{dates[6]}.unw.tif")
    turns = ((unwrapped - (last - first)) / (2 * np.pi))[:, 3:]
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-4)
    assert tags["link_velocity_range"] == "[-0.07, 0.02]"  # in insarray's sign


def test_the_command_again_does_nothing_and_restart_everything(scene, command, tmp_path, capsys):
    words = ["--no-velocity-estimation", "--pts-per-tile", "1024", "--json"]
    assert command(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tile_size"], told["overlaps"], told["maps"]) == (32, 4, [])
    assert not {path.name for path in (tmp_path / "emcf").iterdir()} & {"velocity_mm_yr.tif", "dem_error_m.tif"}
    one = next((tmp_path / "emcf").glob("*.unw.tif"))
    before = one.stat().st_mtime_ns
    assert command(*words) == 0
    assert one.stat().st_mtime_ns == before
    assert command(*words, "-c", "0.7") == 6  # other tiles are there
    assert "min_temporal_coherence" in (error := capsys.readouterr().err) or "point_temporal_coherence" in error
    assert command(*words, "-c", "0.7", "--restart") == 0
    assert one.stat().st_mtime_ns > before


def test_without_baselines_the_velocity_alone(command, scene, tmp_path):
    with pytest.warns(StackWarning, match="--batchsize: no effect here"):
        assert command("-o", "v", "--tempdir", "t", "--log-file", "log.txt", "-b", "10", "--singletile") == 0
    names = {path.name for path in (tmp_path / "v").iterdir() if "unw" not in path.name}
    assert names == {"velocity_mm_yr.tif", "link_model_coherence.tif"}
    values, _ = read(tmp_path / "v/velocity_mm_yr.tif")
    assert np.corrcoef(values[:, 3:].ravel(), scene[1][:, 3:].ravel())[0, 1] > 0.6
    assert "unwrap_points: 14 dates" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ([], 256),
        (["--pts-per-tile", "2500"], 50),
        (["--pts-per-tile", "1"], 32),
        (["--pts-per-tile", "1024", "--max-tiles", "4"], 96),
        (["--singletile"], 1000),
    ],
)
def test_tiles(words, size):
    from insarray.compat.spurt import _tile

    with spurt.make_context("spurt", ["-i", "x", *words]) as context:
        assert _tile(spurt.cls(**context.params), 100 if size != 1000 else 1000, 90)[0] == size


@pytest.mark.parametrize(
    ("words", "count"),
    [(["-w", "3"], 3), (["-w", "2", "--s-workers", "5"], 5), (["-w", "1", "--unwrap-parallel-tiles", "4"], 4)],
)
def test_workers(words, count):
    from insarray.compat.spurt import _workers

    with spurt.make_context("spurt", ["-i", "x", *words]) as context:
        assert _workers(spurt.cls(**context.params)) == count


def test_refusals_are_one_line(scene, command, tmp_path, capsys):
    for words, message in (
        (["--velocity-range", "50", "-50", "5"], "--velocity-range: 50 -50 is not MIN MAX"),
        (["-i", str(tmp_path)], "has no interferograms {first}_{date}.int.tif"),
        (["-c", "1.5"], "-c"),
        (["--baseline-csv", "none.csv"], "none.csv"),
    ):
        assert command(*words) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error
    assert not (tmp_path / "emcf").exists()


def test_the_output_is_a_stack(scene, command, tmp_path):
    assert command("--no-velocity-estimation") == 0
    stack = ia.open_stack(str(tmp_path / "emcf"), wavelength=WAVELENGTH)
    assert stack.sizes["pair"] == 3 * EPOCHS - 6
    assert int(stack.connected_component_labels.max()) == 1


def test_the_commands_of_the_page_run_as_written(scene, tmp_path, monkeypatch):
    """With the place and the geometry of this scene."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(scene[0])
    (tmp_path / "baselines.csv").symlink_to(scene[0] / "baselines.csv")
    lines = shell_lines("docs/how_to/coming_from_spurt.md")
    assert [words[1] for words, _ in lines] == ["spurt", "invert", "fit"]
    for words, _ in lines:
        own = ["20,20" if word.startswith("lonlat:") else word for word in words[1:]]
        assert run_command([*own, *(["--min-dates", "5"] if own[0] == "fit" else [])]) == 0
    assert (tmp_path / "model.zarr").is_dir()
