"""FLATSIM: interferograms and line of sight, geocoded or in radar coordinates."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from rasterio.errors import NotGeoreferencedWarning

import insarray as ia
from insarray.model.errors import StackError, StackWarning
from tests.io.products.flatsim import place, write_flatsim
from tests.io.products.scene import DEGREES, SENTINEL1_WAVELENGTH, Scene, assert_one_line, commands, truncate
from tests.io.stack_files import write_raster

SCENE = Scene()
PAIR = "20190610_20190704"
PHASE = f"int_{PAIR}/CNES_InU_geo_{PAIR}_sd_era_8rlks.tiff"
COHERENCE = f"int_{PAIR}/CNES_Coh_geo_{PAIR}_8rlks.tiff"


@pytest.fixture
def folder(tmp_path):
    """A folder of geocoded interferograms."""
    return write_flatsim(tmp_path / "A078", SCENE)


def opened(files, **options):
    """The stack of files, which say nothing of baselines."""
    with pytest.warns(StackWarning, match="no perpendicular baselines: FLATSIM does not document the sign"):
        return ia.open_stack(files, **options)


def test_values_sign_and_line_of_sight(folder):
    stack = opened(folder)
    assert stack.attrs["product"] == "flatsim"
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    assert "perpendicular_baseline" not in stack.coords
    given = ia.open_stack(folder, baselines=SCENE.write_table(folder / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


@pytest.mark.parametrize("up", [False, True])
def test_the_vector_points_from_the_ground_to_the_satellite_whatever_the_file_has(tmp_path, up):
    stack = opened(write_flatsim(tmp_path, SCENE, up=up))
    found = np.stack([stack.los_east, stack.los_north, stack.los_up])
    np.testing.assert_allclose(found[:, SCENE.seen], SCENE.line_of_sight[:, SCENE.seen], atol=1e-6)
    assert np.isnan(found[:, ~SCENE.seen]).all()


def test_from_the_folder_to_the_displacement(capsys, folder, tmp_path):
    code, output, errors, _ = commands(capsys, "info", folder)
    assert (code, errors) == (0, [])
    assert "flatsim" in output
    code, _, errors, notes = commands(capsys, "invert", folder, tmp_path / "o.zarr")
    assert (code, errors, len(notes)) == (0, [], 1)
    SCENE.require_series(tmp_path / "o.zarr")


def test_radar_coordinates_alone_or_beside_geocoded_files(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        folder = write_flatsim(tmp_path, SCENE, "radar")
    stack = opened(folder)
    assert "spatial_ref" not in stack.coords
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.los_up.values[SCENE.seen], SCENE.line_of_sight[2][SCENE.seen], atol=1e-6)
    write_flatsim(tmp_path, SCENE)
    with pytest.warns(StackWarning, match="in radar coordinates are left out: CNES_InU_radar_20190610_20190622"):
        stack = opened(folder)
    assert "spatial_ref" in stack.coords
    assert stack.sizes["pair"] == 4


def test_files_given_by_a_pattern(folder):
    stack = opened(f"{folder}/int_*/CNES_InU_geo_*.tiff")
    assert stack.attrs["product"] == "flatsim"
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    assert "los_east" in stack


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(("20190622", "20190610"), *SCENE.pairs[1:]))
    stack = opened(write_flatsim(tmp_path, scene))
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_the_wavelength_of_the_sidecars(folder):
    metas = sorted(folder.rglob("*.meta"))
    for meta in metas:
        meta.write_text(meta.read_text() + "Wavelength: 0.0554658\n")
    assert opened(folder).attrs["wavelength"] == 0.0554658
    metas[0].write_text("Wavelength 0.24\n")
    with pytest.raises(StackError, match=r"wavelength: 0.24 in CNES_InU_geo_20190610_20190622.*meta but 0.0554658 in"):
        ia.open_stack(folder)
    assert opened(folder, wavelength=0.05).attrs["wavelength"] == 0.05


def test_without_coherence_and_line_of_sight(folder):
    for path in [*folder.rglob("CNES_Coh*"), *folder.rglob("CNES_Cos*")]:
        path.unlink()
    stack = opened(folder)
    assert set(stack) == {"unwrapped_phase"}
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda folder: (folder / PHASE).write_bytes(b""), ("CNES_InU", "empty (0 bytes)")),
        (lambda folder: truncate(folder / PHASE), ("CNES_InU", "it is truncated")),
        (lambda folder: (folder / PHASE).with_suffix(".meta").write_text("??"), (".meta", "no line of a key")),
        (lambda folder: other_coherence(folder), ("CNES_Coh", "outside 0 to 1")),
        (lambda folder: other_crs(folder), ("EPSG:4267 instead of EPSG:4326",)),
        (lambda folder: again(folder), ("both", "_sd_era_8rlks.tiff", "_sd_8rlks.tiff", "keep one")),
        (lambda folder: finer(folder), ("CNES_InU_geo_20190610_20190622_2rlks.tiff", "another resolution")),
    ],
)
def test_broken_products_are_named(capsys, folder, tmp_path, broken, words):
    broken(folder)
    assert_one_line(capsys, folder, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("damage", "words", "lost"),
    [
        (
            lambda folder: (folder / COHERENCE).unlink(),
            f"coherence is left out: no file for 1 of 4 pairs: {PAIR}",
            "coherence",
        ),
        (
            lambda folder: truncate(folder / "DAUX/CNES_CosENU_geo_8rlks.tiff"),
            "without the line of sight: .*CNES_CosENU.*truncated",
            "los_up",
        ),
    ],
)
def test_what_a_stack_can_do_without_does_not_stop_it(folder, damage, words, lost):
    assert lost in opened(folder)
    damage(folder)
    with pytest.warns(StackWarning, match=words):
        stack = opened(folder)
    assert lost not in stack
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def other_coherence(folder):
    write_raster(folder / COHERENCE, 2 * SCENE.coherence[1], **place("geo"))


def other_crs(folder):
    write_raster(folder / PHASE, SCENE.phase(1), crs="EPSG:4267", transform=DEGREES, nodata=0)


def again(folder):
    write_raster(folder / f"CNES_InU_geo_{PAIR}_sd_8rlks.tiff", SCENE.phase(1), nodata=0, **place("geo"))


def finer(folder):
    write_raster(folder / "CNES_InU_geo_20190610_20190622_2rlks.tiff", SCENE.phase(0), nodata=0, **place("geo"))


def test_extents_are_one_unless_told_otherwise(folder):
    for path, values in ((PHASE, SCENE.phase(1)), (COHERENCE, SCENE.coherence[1])):
        nodata = {"nodata": 0} if path == PHASE else {}
        write_raster(folder / path, values[:-1], **place("geo"), **nodata)
    with pytest.raises(StackError, match="2 of 8 files are not on the grid"):
        ia.open_stack(folder)
    (folder / "DAUX/CNES_CosENU_geo_8rlks.tiff").unlink()
    with pytest.warns(StackWarning, match="intersection is used, 29 x 40"):
        stack = opened(folder, extent="intersection")
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase()[:, :-1])
