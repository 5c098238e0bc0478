"""HyP3's jobs: scenes and bursts, of different extents, with their text, their look vectors and their mistakes."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import insarray as ia
from insarray.model.errors import StackError, StackWarning
from tests.io.products.hyp3 import KINDS, SLANT_RANGE, beside, edit, write_job, write_jobs
from tests.io.products.scene import SENTINEL1_WAVELENGTH, UTM, Scene, assert_note, assert_one_line, commands, truncate
from tests.io.stack_files import write_raster

SCENE = Scene()
PARTS = ((0, 0, 26, 36), (2, 1, 28, 36), (1, 3, 28, 37), (0, 0, 30, 39))
WINDOW = (slice(2, 26), slice(3, 36))
"""What all `PARTS` have."""


@pytest.fixture
def jobs(tmp_path):
    """Bases of the jobs, all of one extent."""
    return write_jobs(tmp_path / "jobs", SCENE)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_but_the_folder_is_in_the_files(tmp_path, kind):
    write_jobs(tmp_path, SCENE, kind)
    stack = ia.open_stack(tmp_path)
    assert stack.attrs["product"] == "hyp3"
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert stack.attrs["looks"] == pytest.approx(20 * 4 / 1.94)
    assert stack.attrs["slant_range"] == pytest.approx(SLANT_RANGE)
    times = np.stack([stack.reference_time, stack.secondary_time], 1).astype("datetime64[D]").astype(str)
    assert [tuple(day.replace("-", "") for day in pair) for pair in times] == list(SCENE.pairs)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    assert ("connected_component_labels" in stack) == (kind != "gamma")
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_the_look_vector_points_from_the_ground_to_the_satellite(jobs):
    stack = ia.open_stack(jobs[0].parent.parent)
    found = np.stack([stack.los_east, stack.los_north, stack.los_up])
    np.testing.assert_allclose(found[:, SCENE.seen], SCENE.line_of_sight[:, SCENE.seen], atol=1e-6)
    assert np.isnan(found[:, ~SCENE.seen]).all()
    incidence = np.degrees(np.arccos(SCENE.line_of_sight[2]))
    np.testing.assert_allclose(stack.incidence_angle.values[SCENE.seen], incidence[SCENE.seen], atol=1e-4)
    np.testing.assert_array_equal(stack.height, SCENE.height)
    np.testing.assert_array_equal(stack.water_mask, SCENE.land)
    assert stack.los_east.attrs["long_name"].endswith("from ground to satellite")


def test_a_reference_point_of_zero_phase_is_kept_where_a_component_says_that_it_was_measured(tmp_path):
    scene = Scene()
    for date in scene.dates:
        scene.displacement[date][9, 9] = 0
    write_jobs(tmp_path, scene)
    assert (ia.open_stack(tmp_path).unwrapped_phase.values[:, 9, 9] == 0).all()


def test_pairs_of_different_extents_come_to_their_intersection_or_union(tmp_path):
    scene = replace(SCENE, parts=PARTS)
    write_jobs(tmp_path, scene)
    with pytest.warns(StackWarning, match="4 extents; their intersection is used, 24 x 33 pixels"):
        stack = ia.open_stack(tmp_path)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase()[:, *WINDOW])
    np.testing.assert_allclose(stack.los_up, np.where(SCENE.seen, SCENE.line_of_sight[2], np.nan)[WINDOW], atol=1e-6)
    assert (stack.x.values[0], stack.y.values[0]) == UTM * (3.5, 2.5)
    with pytest.warns(StackWarning, match="their union is used, 30 x 40"):
        stack = ia.open_stack(tmp_path, extent="union")
    expected, union = SCENE.expected_phase(), np.zeros(SCENE.shape, bool)
    for k, (row, col, height, width) in enumerate(PARTS):
        inside = np.zeros(SCENE.shape, bool)
        inside[row : row + height, col : col + width] = True
        expected[k, ~inside] = np.nan
        union |= inside
    np.testing.assert_array_equal(stack.unwrapped_phase, expected)
    # no job has all pixels: each takes what it lacks from another one
    known = union & SCENE.seen
    np.testing.assert_allclose(stack.los_north.values[known], SCENE.line_of_sight[1][known], atol=1e-6)
    np.testing.assert_array_equal(stack.height.values[union], SCENE.height[union])
    np.testing.assert_array_equal(stack.water_mask, SCENE.land & union)


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_folder_to_the_displacement(capsys, tmp_path, kind):
    scene = replace(SCENE, parts=PARTS)
    write_jobs(tmp_path / "jobs", scene, kind)
    code, output, errors, notes = commands(capsys, "info", tmp_path / "jobs")
    assert (code, errors, notes) == (0, [], [])
    assert "4 extents" in " ".join(output.split())
    assert "hyp3" in output
    code, *_ = commands(capsys, "invert", tmp_path / "jobs", tmp_path / "o.zarr")
    assert code == 0
    scene.require_series(tmp_path / "o.zarr", WINDOW)


def test_the_height_error_needs_nothing_but_the_folder(capsys, tmp_path):
    """A height error of 12 m, with the sign that displacement += baseline / (range sin(incidence)) * height asks for."""
    scene = Scene()
    per_metre = 12.0 / (SLANT_RANGE * np.sin(np.arccos(scene.line_of_sight[2])))
    slope = np.linspace(-1, 1, scene.shape[0])[:, None]
    for date in scene.dates:
        scene.displacement[date][:] = scene.baselines[date] * per_metre * slope
    write_jobs(tmp_path / "jobs", scene)
    command = ("fit", tmp_path / "jobs", tmp_path / "o.zarr", "--height-error", "--reference", "15,20")
    code, _, errors, notes = commands(capsys, *command)
    assert (code, errors, notes) == (0, [], [])
    found = xr.open_zarr(tmp_path / "o.zarr").height_error.values
    expected = np.broadcast_to(12 * slope - 12 * slope[15], scene.shape)
    np.testing.assert_allclose(found[scene.seen], expected[scene.seen], atol=0.2)


def test_files_given_by_a_pattern(jobs):
    stack = ia.open_stack(f"{jobs[0].parent.parent}/*/*_unw_phase.tif", wavelength=0.05)
    assert (stack.attrs["product"], stack.attrs["wavelength"]) == ("hyp3", 0.05)
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)


def test_clipped_copies(jobs):
    """Those of ASF's notebook alone, or beside the files that they were made of."""
    folder = jobs[0].parent.parent
    for base in jobs:
        for what in ("unw_phase", "corr", "conncomp"):
            shutil.copy(beside(base, f"_{what}.tif"), beside(base, f"_{what}_clipped.tif"))
    assert ia.open_stack(folder).attrs["input_names"].startswith(f"{jobs[0].name}_unw_phase.tif")
    for base in jobs:
        for what in ("unw_phase", "corr", "conncomp"):
            beside(base, f"_{what}.tif").unlink()
    stack = ia.open_stack(folder)
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)


@pytest.mark.parametrize(("kind", "readme"), [("burst", ".README.md.txt"), ("multi", "_README.md.txt")])
def test_a_job_run_twice(tmp_path, kind, readme):
    """The one processed last is taken; without their dates of processing neither is."""
    write_jobs(tmp_path, SCENE, kind)
    again = write_job(tmp_path, SCENE, 1, kind, job="0D9E", processed="2024-05-01T10:00:00+00:00")
    write_raster(beside(again, "_corr.tif"), np.full(SCENE.shape, 0.5, np.float32), transform=UTM, nodata=0)
    with pytest.warns(StackWarning, match=r"older versions .*20190704_VV_INT80_F8BF_unw_phase.tif"):
        stack = ia.open_stack(tmp_path)
    assert (stack.coherence.values[1] == 0.5).all()
    beside(again, readme).unlink()
    with pytest.raises(StackError, match=r"both .*_F8BF_unw_phase.tif and .*_0D9E_unw_phase.tif|both .*0D9E.*F8BF"):
        ia.open_stack(tmp_path)


def test_neighbouring_bursts_are_no_versions_of_each_other(jobs):
    folder = jobs[0].parent.parent
    for path in list(jobs[0].parent.iterdir()):
        target = folder / "next" / path.name.replace("136231_IW2", "136232_IW2")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    with pytest.raises(StackError, match=r"both .*136231_IW2.* and .*136232_IW2.*; keep one of them"):
        ia.open_stack(folder)


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    pairs = (("20190622", "20190610"), *SCENE.pairs[1:])
    scene = replace(SCENE, pairs=pairs)
    write_jobs(tmp_path, scene)
    stack = ia.open_stack(tmp_path)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_baselines_that_are_none(jobs, tmp_path):
    folder = jobs[0].parent.parent
    text = beside(jobs[2], ".txt")
    edit(text, f"Baseline: {-SCENE.baseline(2)}\n", "")
    with pytest.warns(StackWarning, match=r"no perpendicular baselines: .*has none of 20190622_20190704"):
        stack = ia.open_stack(folder)
    assert "perpendicular_baseline" not in stack.coords
    text.write_text(text.read_text() + "Baseline: 0.0\n")
    for k in (0, 1, 3):
        edit(beside(jobs[k], ".txt"), f"Baseline: {-SCENE.baseline(k)}", "Baseline: 0.0")
    with pytest.warns(StackWarning, match="placeholders"):
        stack = ia.open_stack(folder)
    given = ia.open_stack(folder, baselines=SCENE.write_table(tmp_path / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda base: beside(base, "_unw_phase.tif").write_bytes(b""), ("_unw_phase.tif", "empty (0 bytes)")),
        (lambda base: truncate(beside(base, "_unw_phase.tif")), ("_unw_phase.tif", "is not a readable GTiff raster")),
        (lambda base: beside(base, ".txt").unlink(), (".txt", "No such file")),
        (lambda base: beside(base, ".txt").write_bytes(b""), (".txt", "is empty")),
        (lambda base: beside(base, ".txt").write_bytes(b"\xff\xfe\x00"), (".txt", "not text")),
        (lambda base: beside(base, ".txt").write_text("<html>404</html>"), (".txt", "no line of a key and a value")),
        (lambda base: edit(beside(base, ".txt"), "looks: 20", "looks: 10"), ("range looks: 20.0 in", "10.0 in")),
        (lambda base: other_zone(base), ("EPSG:32615 instead of EPSG:32614", "--resample")),
        (lambda base: other_coherence(base), ("_corr.tif", "outside 0 to 1")),
    ],
)
def test_broken_jobs_are_named(capsys, jobs, tmp_path, broken, words):
    broken(jobs[1])
    if "_lv_phi" in words[0]:  # that of a job whose look vectors are not used need not be whole
        broken(jobs[0])
    assert_one_line(capsys, jobs[0].parent.parent, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            lambda base: beside(base, "_corr.tif").unlink(),
            ("coherence is left out: no file for 1 of 4 pairs", "20190610_20190704"),
        ),
        (lambda base: beside(base, "_conncomp.tif").unlink(), ("components is left out: no file for 1 of 4 pairs",)),
        (lambda base: edit(beside(base, ".txt"), "Baseline: 33.25", "Baseline: n/a"), (".txt", "Baseline is 'n/a'")),
        (lambda base: truncate(beside(base, "_lv_phi.tif")), ("_lv_phi.tif", "is not a readable GTiff raster")),
    ],
)
def test_damage_that_a_stack_can_do_without(jobs, broken, words):
    broken(jobs[1])
    if "_lv_phi" in words[0]:  # that of a job whose look vectors are not used need not be whole
        broken(jobs[0])
    assert_note(jobs[0].parent.parent, *words)


def other_zone(base):
    write_raster(beside(base, "_unw_phase.tif"), SCENE.phase(1), crs="EPSG:32615", transform=UTM)


def other_coherence(base):
    write_raster(beside(base, "_corr.tif"), 100 * SCENE.coherence[1], transform=UTM, nodata=0)


def test_look_vectors_on_other_pixels_are_left_out(jobs):
    for base in jobs:
        for what in ("lv_theta", "lv_phi"):
            shifted = UTM * Affine.translation(0.4, 0)
            write_raster(beside(base, f"_{what}.tif"), np.ones(SCENE.shape, np.float32), transform=shifted)
    with pytest.warns(StackWarning, match=r"lv_theta.tif: is shifted by 0.0 rows and 0.4 columns.*unlike the phase"):
        assert "los_up" not in ia.open_stack(jobs[0].parent.parent)


def test_foreign_folders_are_not_taken(tmp_path, jobs):
    assert ia.open_stack(f"{tmp_path}/jobs/*/*_unw_phase.tif", product="generic").attrs["product"] == "generic"
    for base in jobs:
        beside(base, "_unw_phase.tif").rename(beside(base, "_wrapped_phase.tif"))
    with pytest.raises(ia.InsarrayError, match="is no known product"):
        ia.open_stack(tmp_path / "jobs")


def test_a_job_on_other_pixels_is_warped_when_it_is_asked_for(jobs):
    for what in ("unw_phase", "corr", "conncomp"):
        path = beside(jobs[1], f"_{what}.tif")
        with rasterio.open(path) as file:
            values = file.read(1)
        write_raster(path, values, transform=UTM * Affine.translation(0.5, 0), nodata=0)
    with pytest.raises(StackError, match=r"is shifted by 0.0 rows and 0.5 columns.*--resample"):
        ia.open_stack(jobs[0].parent.parent)
    with pytest.warns(StackWarning, match="3 of 12 files are warped"):
        stack = ia.open_stack(jobs[0].parent.parent, resample=True)
    first, second = SCENE.coherence[1][:, :-1], SCENE.coherence[1][:, 1:]
    np.testing.assert_allclose(stack.coherence.values[1][6:-1, 6:-1], ((first + second) / 2)[6:-1, 5:-1], atol=1e-5)
