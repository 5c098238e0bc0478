"""`insarray links` end to end: stores and maps, units of the command line, what is there already, every refusal."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.cli import link_commands
from insarray.cli.process import run_command
from insarray.simulate.points import simulate_wrapped, write_wrapped
from tests.points import SLANT_RANGE, scene

GEOMETRY = ["--slant-range", str(SLANT_RANGE), "--incidence-angle", "35"]
FAST = ["--network", "delaunay", "--min-temporal-coherence", "0.5", *GEOMETRY]


@pytest.fixture
def stack(tmp_path):
    """A stored wrapped stack."""
    path = tmp_path / "wrapped.zarr"
    scene().wrapped.to_zarr(path, zarr_format=3, consolidated=False)
    return str(path)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "result"


def points_of(out):
    return xr.open_zarr(out / "points.zarr").load()


def raster(path):
    with rasterio.open(path) as file:
        return file.read(1), file


def test_missing_ortools_is_said_before_anything_is_computed(stack, out, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ortools.graph.python.min_cost_flow", None)
    monkeypatch.setattr(link_commands, "estimate_links", lambda *_, **__: pytest.fail("computed"))
    assert run_command(["links", stack, str(out), *FAST, "--unwrap"]) == 2
    assert 'pip install "insarray[unwrap]"' in capsys.readouterr().err
    assert not out.exists()


def test_points_links_and_maps(stack, out, capsys):
    assert run_command(["links", stack, str(out), *FAST, "--unwrap"]) == 0
    assert "points," in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        *("points.zarr", "links.zarr", "velocity_mm_yr.tif", "dem_error_m.tif", "link_model_coherence.tif", "unwrapped")
    }
    points, simulated = points_of(out), scene()
    dates = np.datetime_as_string(points.time, "D").astype(object)
    labels = [date.replace("-", "") for date in dates]
    assert {path.name for path in (out / "unwrapped").iterdir()} == {f"{labels[0]}_{k}.unw.tif" for k in labels[1:]}
    values, file = raster(out / f"unwrapped/{labels[0]}_{labels[7]}.unw.tif")
    phase = points.unwrapped_phase
    np.testing.assert_allclose(values[points.row, points.col], phase[7] - phase[0], atol=1e-5)
    assert np.isfinite(values).sum() == points.sizes["point"]
    assert run_command(["export", str(out / "points.zarr"), str(out / "u.tif"), "--variable", "unwrapped_phase"]) == 0
    with rasterio.open(out / "u.tif") as written:
        assert written.descriptions == tuple(labels)
        np.testing.assert_array_equal(written.read(8)[points.row, points.col], phase[7])
    for words, message in (
        (["--variable", "unwrapped_phase", "--mask", "none.tif"], "mask: "),
        (["--variable", "component"], "no layer of real numbers; export a table"),
    ):
        assert run_command(["export", str(out / "points.zarr"), str(out / "x.tif"), *words]) == 2
        assert message in capsys.readouterr().err
    velocity, height = simulated.of(points)
    for name, truth, most in (("velocity", velocity, 2e-3), ("height_error", height, 3.0)):
        error = points[name].values - truth
        assert np.std(error) < most, name
    # the same as in Python, and congruent
    expected = ia.select_points(simulated.wrapped, min_temporal_coherence=0.5)
    np.testing.assert_array_equal(points.row, expected.row)
    turns = (points.unwrapped_phase - (expected.wrapped_phase - expected.wrapped_phase[:, points.reference_point])) / (
        2 * np.pi
    )
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-4)
    links = xr.open_zarr(out / "links.zarr").load()
    assert int(links.point_b.max()) < points.sizes["point"]
    values, file = raster(out / "velocity_mm_yr.tif")
    np.testing.assert_allclose(values[points.row, points.col], 1e3 * points.velocity, rtol=1e-5)
    assert np.isfinite(values).sum() == points.sizes["point"]
    assert file.crs.to_epsg() == 32613
    assert np.isnan(file.nodata)
    np.testing.assert_array_equal(raster(out / "dem_error_m.tif")[0][points.row, points.col], points.height_error)
    np.testing.assert_array_equal(
        raster(out / "link_model_coherence.tif")[0][points.row, points.col], points.link_model_coherence
    )


def test_points_are_drawn(stack, out, tmp_path, capsys):
    assert run_command(["links", stack, str(out), *FAST, "--unwrap"]) == 0
    store = str(out / "points.zarr")
    sizes = []
    for words in ([], ["--variable", "height_error"], ["--variable", "unwrapped_phase", "--date", "last"]):
        picture = tmp_path / f"{len(sizes)}.png"
        date = str(points_of(out).time.values[3])[:10]
        assert run_command(["plot", "points", store, str(picture), *[date if w == "last" else w for w in words]]) == 0
        sizes.append(picture.stat().st_size)
    assert len(set(sizes)) == 3
    capsys.readouterr()
    assert run_command(["plot", "points", store, str(tmp_path / "x.png"), "--variable", "speed"]) == 2
    assert "'speed' is not in" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_ranges_are_in_millimetres_and_metres(stack, out):
    command = ["links", stack, str(out), *FAST, "--velocity-range", "-3", "5", "--height-error-range", "-7", "9"]
    assert run_command(command) == 0
    links = xr.open_zarr(out / "links.zarr")
    assert (links.velocity_difference.min(), links.velocity_difference.max()) == (np.float32(-0.003), np.float32(0.005))
    assert (links.height_error_difference.min(), links.height_error_difference.max()) == (-7, 9)


def test_the_published_method_takes_steps(stack, out, tmp_path):
    ranges = ["--velocity-range", "-40", "40", "5", "--height-error-range", "-50", "50", "2.5"]
    assert run_command(["links", stack, str(out), *FAST, "--method", "published", "--no-refine", *ranges]) == 0
    assert list(points_of(out).attrs["link_step"]) == [0.005, 2.5]
    assert points_of(out).attrs["link_weighting"] == "coherence"
    assert "refined_iterations" not in points_of(out).attrs
    coarse = ["--velocity-range", "-40", "40", "20", "--height-error-range", "-50", "50", "2.5"]
    other = tmp_path / "coarse"
    assert run_command(["links", stack, str(other), *FAST, "--method", "published", "--no-refine", *coarse]) == 0
    assert not np.allclose(points_of(other).velocity, points_of(out).velocity, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "attribute", "value"),
    [
        (["--network", "nearest", "--neighbours", "5"], "link_neighbours", 5),
        (["--max-length", "200"], "link_max_length", 200.0),
        (["--no-refine"], "refined_iterations", None),
        ([], "refined_iterations", 2),
        (["--max-amplitude-dispersion", "0.3"], "point_amplitude_dispersion", 0.3),
    ],
)
def test_options_reach_the_library(stack, out, options, attribute, value):
    assert run_command(["links", stack, str(out), *FAST, *options]) == 0
    assert points_of(out).attrs.get(attribute) == value


def test_a_reference_is_zero(stack, out):
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    row, col = int(points.row[30]), int(points.col[30])
    assert run_command(["links", stack, str(out), *FAST, "--reference", f"{row},{col}"]) == 0
    assert float(points_of(out).velocity[30]) == 0


def test_baselines_from_a_table_and_velocity_alone_without(tmp_path, out):
    wrapped = scene().wrapped
    table = tmp_path / "baselines.csv"
    days = wrapped.time.values.astype("datetime64[D]")
    rows = [f"{d},{b}" for d, b in zip(days, wrapped.perpendicular_baseline.values, strict=True)]
    table.write_text("date,bperp_m\n" + "\n".join(rows) + "\n")
    bare = tmp_path / "bare.zarr"
    wrapped.drop_vars("perpendicular_baseline").to_zarr(bare, zarr_format=3, consolidated=False)
    assert run_command(["links", str(bare), str(out), *FAST]) == 0
    assert not (out / "dem_error_m.tif").exists()
    full = tmp_path / "full"
    assert run_command(["links", str(bare), str(full), *FAST, "--baselines", str(table)]) == 0
    assert np.std(points_of(full).height_error.values - scene().of(points_of(full))[1]) < 3


def test_the_same_again_is_left_and_other_settings_are_refused(stack, out, capsys):
    assert run_command(["links", stack, str(out), *FAST]) == 0
    stamp = (out / "velocity_mm_yr.tif").stat().st_mtime_ns
    capsys.readouterr()
    assert run_command(["links", stack, str(out), *FAST, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"url": str(out), "computed": False}
    assert run_command(["links", stack, str(out), *FAST, "--velocity-range", "-50", "50"]) == 6
    assert "velocity was" in capsys.readouterr().err
    assert (out / "velocity_mm_yr.tif").stat().st_mtime_ns == stamp
    assert run_command(["links", stack, str(out), *FAST, "--velocity-range", "-50", "50", "--restart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["computed"]
    assert (out / "velocity_mm_yr.tif").stat().st_mtime_ns != stamp
    # another stack in the same place is another input
    shutil.rmtree(stack)
    scene(seed=3).wrapped.to_zarr(stack, zarr_format=3, consolidated=False)
    assert run_command(["links", stack, str(out), *FAST, "--velocity-range", "-50", "50"]) == 6


def test_a_folder_of_others_is_never_touched(stack, out, capsys):
    out.mkdir()
    (out / "thesis.txt").write_text("x")
    for more in ([], ["--restart"]):
        assert run_command(["links", stack, str(out), *FAST, *more]) == 2
        assert "not the output of" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_no_output(stack, out, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("insarray.cli.link_commands.to_cog", full)
    assert run_command(["links", stack, str(out), *FAST]) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["wrapped.zarr"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--velocity-range", "-60", "60", "5"], "a step belongs to --method published"),
        (["--velocity-range", "60", "-60"], "not a range"),
        (["--velocity-range", "60"], "is not MIN MAX"),
        (["--velocity-range", "-60", "60", "5", "--method", "published"], "one has a step without the other"),
        (["--reference", "auto"], "not one point"),
        (["--reference", "0,900"], "is not a point"),
        (["--neighbours", "0"], "neighbours"),
        (["--incidence-angle", "120"], "incidence_angle"),
        (["--slant-range", "850"], "slant_range"),
        (["--min-temporal-coherence", "0.95"], "use weaker ones"),
        (["--max-length", "1"], "max_length"),
        (["--network", "tree"], "tree"),
        (["--baselines", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_refusals_are_one_line(stack, out, options, words, capsys):
    assert run_command(["links", stack, str(out), *FAST, *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_criterion_and_the_geometry_must_be_given(stack, out, capsys):
    assert run_command(["links", stack, str(out), *GEOMETRY]) == 2
    assert "give min_temporal_coherence" in capsys.readouterr().err
    assert run_command(["links", stack, str(out), "--min-temporal-coherence", "0.5"]) == 2
    assert "no slant_range" in capsys.readouterr().err
    assert run_command(["links", stack, stack, *FAST]) == 2


def test_a_city_from_its_files_to_unwrapped_points(tmp_path, out):
    """Simulated independently of the tests' scenes, and read from interferograms and a table of baselines."""
    pytest.importorskip("ortools")
    city, truth = simulate_wrapped(shape=(60, 70))
    write_wrapped(city, tmp_path / "linked")
    ranges = [
        "--slant-range",
        str(float(city.slant_range.mean())),
        "--incidence-angle",
        str(float(city.incidence_angle.mean())),
    ]
    table = ["--baselines", str(tmp_path / "linked/baselines.csv"), "--wavelength", str(city.attrs["wavelength"])]
    box = ["--height-error-range", "-90", "90", "--min-temporal-coherence", "0.6", "--unwrap"]
    assert run_command(["links", str(tmp_path / "linked"), str(out), *table, *ranges, *box]) == 0
    points = points_of(out)
    row, col = points.row.values, points.col.values
    for name in ("velocity", "height_error"):
        assert np.corrcoef(points[name], truth[name].values[row, col])[0, 1] > 0.9, name
    cycles = np.rint((points.unwrapped_phase.values - truth.unwrapped_phase.values[:, row, col]) / (2 * np.pi))[1:]
    assert np.mean(cycles != np.median(cycles, axis=1, keepdims=True)) < 0.005


def test_a_dry_run_says_how_many_points_and_links_and_writes_nothing(stack, out, capsys):
    def printed(*options):
        assert run_command(["links", stack, str(out), *FAST, *options]) == 0
        return capsys.readouterr().out

    plan = json.loads(printed("--dry-run", "--json"))
    assert not out.exists()
    assert f"{plan['points']} points, {plan['links']} links, peak memory" in printed("--dry-run")
    fewer = json.loads(printed("--dry-run", "--json", "--max-length", "60"))
    assert fewer["links"] < plan["links"]
    assert fewer["peak_bytes"] < plan["peak_bytes"]
    found = json.loads(printed("--json"))
    assert (found["points"], found["links"]) == (plan["points"], plan["links"])


def test_more_memory_than_there_is(stack, out, capsys, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**8))
    assert run_command(["links", stack, str(out), *FAST]) == 2
    assert "0.1 GB are free; use stronger criteria or fewer neighbours" in capsys.readouterr().err
    assert not out.exists()
