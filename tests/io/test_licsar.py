"""A LiCSAR frame: bytes of coherence, two forms of baselines, the vectors of the frame, and broken files."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

import insarray as ia
from insarray.model.errors import ArgumentError, StackError, StackWarning
from tests.io.products.licsar import CENTRE_RANGE, FRAME, write_baselines, write_frame
from tests.io.products.scene import (
    DEGREES,
    SENTINEL1_WAVELENGTH,
    Scene,
    assert_note,
    assert_one_line,
    commands,
    truncate,
)
from tests.io.stack_files import write_raster

SCENE = Scene()
PAIR = "20190610_20190704"


@pytest.fixture
def geoc(tmp_path):
    """The folder GEOC of a frame."""
    return write_frame(tmp_path, SCENE)


@pytest.mark.parametrize("portal", [False, True])
def test_everything_but_the_folder_is_in_the_files(tmp_path, portal):
    stack = ia.open_stack(write_frame(tmp_path / FRAME, SCENE, portal=portal))
    assert stack.attrs["product"] == "licsar"
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert stack.attrs["slant_range"] == CENTRE_RANGE
    assert "looks" not in stack.attrs
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.coherence, SCENE.coherence, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), atol=1e-6)
    np.testing.assert_array_equal(stack.height, np.where(SCENE.seen, SCENE.height, np.nan))


@pytest.mark.parametrize("down", [False, True])
def test_the_vector_points_from_the_ground_to_the_satellite(tmp_path, down):
    """Also where the files have the opposite definition, as those of other services for ALOS."""
    stack = ia.open_stack(write_frame(tmp_path, SCENE, down=down))
    found = np.stack([stack.los_east, stack.los_north, stack.los_up])
    np.testing.assert_allclose(found[:, SCENE.seen], SCENE.line_of_sight[:, SCENE.seen], atol=1e-6)
    assert np.isnan(found[:, ~SCENE.seen]).all()
    incidence = np.degrees(np.arccos(SCENE.line_of_sight[2]))
    np.testing.assert_allclose(stack.incidence_angle.values[SCENE.seen], incidence[SCENE.seen], atol=1e-3)


def test_from_the_folder_to_the_displacement(capsys, geoc, tmp_path):
    code, output, errors, notes = commands(capsys, "info", geoc)
    assert (code, errors, notes) == (0, [], [])
    assert "licsar" in output
    code, _, errors, _ = commands(capsys, "invert", geoc, tmp_path / "o.zarr")
    assert (code, errors) == (0, [])
    SCENE.require_series(tmp_path / "o.zarr")


def test_older_coherence_is_of_floats(tmp_path):
    stack = ia.open_stack(write_frame(tmp_path, SCENE, bytes_=False))
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)


def test_the_older_list_of_baselines(geoc):
    write_baselines(geoc / "baselines", SCENE, old=True)
    np.testing.assert_allclose(ia.open_stack(geoc).perpendicular_baseline, SCENE.expected_baselines(), atol=1e-6)


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(("20190622", "20190610"), *SCENE.pairs[1:]))
    stack = ia.open_stack(write_frame(tmp_path, scene))
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), atol=1e-6)


def test_files_given_by_a_pattern(geoc):
    stack = ia.open_stack(f"{geoc}/*/*.geo.unw.tif")
    assert stack.attrs["product"] == "licsar"
    assert {"coherence", "los_up", "height"} <= set(stack)
    assert "perpendicular_baseline" in stack.coords
    with pytest.raises(ArgumentError, match=r"coherence: does not apply to the product licsar.*product='generic'"):
        ia.open_stack(f"{geoc}/*/*.geo.unw.tif", coherence=f"{geoc}/*/*.geo.cc.tif")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no file baselines"),
        (
            "  1 20190610 20190622  0.71   12 0   12 0  0.71\n  2 20190610 20190704 -0.93   24 0   24 0 -0.93\n",
            "1 m or",
        ),
        ("20190622 20190610 0.00 12\n20190622 20190704 0.00 12\n20190622 20190716 0.0 24\n", "1 m or less"),
        ("20190622 20190610 -61.5 12\n20190622 20190704 -94.75 12\n", "1 of 4 dates .*20190716"),
    ],
)
def test_baselines_that_are_none_are_left_out(geoc, tmp_path, text, why):
    (geoc / "baselines").unlink()
    if text is not None:
        (geoc / "baselines").write_text(text)
    with pytest.warns(StackWarning, match=f"no perpendicular baselines: .*{why}"):
        stack = ia.open_stack(geoc)
    assert "perpendicular_baseline" not in stack.coords
    given = ia.open_stack(geoc, baselines=SCENE.write_table(tmp_path / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_the_wavelength_of_the_text_or_as_it_is_given(geoc):
    text = geoc / "metadata.txt"
    text.write_text(text.read_text() + "radar_frequency=1.27e9\n")
    assert ia.open_stack(geoc).attrs["wavelength"] == pytest.approx(299_792_458 / 1.27e9)
    assert ia.open_stack(geoc, wavelength=0.2).attrs["wavelength"] == 0.2
    text.unlink()
    stack = ia.open_stack(geoc)
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert "slant_range" not in stack.attrs


def test_extents_are_the_frame_unless_told_otherwise(tmp_path):
    parts = ((0, 0, 30, 40), (1, 0, 29, 40), (0, 0, 30, 40), (0, 0, 30, 40))
    geoc = write_frame(tmp_path, SCENE)
    for what, values in (("unw", SCENE.phase(1)), ("cc", SCENE.coherence[1])):
        cut = values[1:] if what == "unw" else (values[1:] * 255).astype(np.uint8)
        where = DEGREES * Affine.translation(0, parts[1][0])
        write_raster(geoc / PAIR / f"{PAIR}.geo.{what}.tif", cut, crs="EPSG:4326", transform=where)
    for path in geoc.rglob("*.geo.[ENU].tif"):
        path.unlink()
    write_raster(geoc / PAIR / f"{PAIR}.geo.unw.tif", SCENE.phase(1)[1:], crs="EPSG:4326", transform=where, nodata=0)
    with pytest.raises(StackError, match="2 of 8 files are not on the grid"):
        ia.open_stack(geoc)
    with pytest.warns(StackWarning, match="intersection is used, 29 x 40"):
        stack = ia.open_stack(geoc, extent="intersection")
    np.testing.assert_array_equal(stack.height, np.where(SCENE.seen, SCENE.height, np.nan)[1:])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda geoc: (geoc / PAIR / f"{PAIR}.geo.unw.tif").write_bytes(b""), ("geo.unw.tif", "empty (0 bytes)")),
        (lambda geoc: truncate(geoc / PAIR / f"{PAIR}.geo.cc.tif"), ("geo.cc.tif", "is not a readable")),
        (lambda geoc: (geoc / "metadata.txt").write_bytes(b""), ("metadata.txt", "is empty")),
        (
            lambda geoc: (geoc / "metadata.txt").write_text("centre_range_m=\n"),
            ("metadata.txt", "centre_range_m is ''"),
        ),
        (lambda geoc: other_crs(geoc), ("EPSG:4267 instead of EPSG:4326", "geo.unw.tif")),
        (lambda geoc: other_coherence(geoc), ("geo.cc.tif", "outside 0 to 1")),
        (lambda geoc: other_frame(geoc), ("131313.geo.E.tif: there is", "999999.geo.E.tif", "one frame")),
    ],
)
def test_broken_frames_are_named(capsys, geoc, tmp_path, broken, words):
    broken(geoc)
    assert_one_line(capsys, geoc, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            lambda geoc: (geoc / PAIR / f"{PAIR}.geo.cc.tif").unlink(),
            ("coherence is left out: no file for 1 of 4 pairs", PAIR),
        ),
        (lambda geoc: (geoc / "baselines").write_text("404 not found"), ("baselines",)),
        (lambda geoc: (geoc / "baselines").write_text("20190610 2019 5 5\n"), ("baselines", "'2019' is not a date")),
        (
            lambda geoc: (geoc / "baselines").write_text("20190622 20190610 x 5\n"),
            ("baselines, line 1: 'x' is not a baseline",),
        ),
        (
            lambda geoc: (geoc / "baselines").write_text("20190622 20190610 50 5\n20190610 20190704 9 5\n"),
            ("baselines, line 2: 20190610 is at 0 m, but at 50 m before",),
        ),
        (lambda geoc: other_height(geoc), ("geo.hgt.tif", "unlike the phase")),
        (lambda geoc: other_vector(geoc), ("geo.N.tif", "29 x 40 pixels")),
    ],
)
def test_damage_that_a_stack_can_do_without(geoc, broken, words):
    broken(geoc)
    assert_note(geoc, *words)


def other_crs(geoc):
    path = geoc / PAIR / f"{PAIR}.geo.unw.tif"
    write_raster(path, SCENE.phase(1), crs="EPSG:4267", transform=DEGREES, nodata=0)


def other_coherence(geoc):
    for path in geoc.rglob("*.geo.cc.tif"):
        write_raster(path, 100 * SCENE.coherence[1], crs="EPSG:4326", transform=DEGREES)


def other_frame(geoc):
    write_raster(geoc / "078D_07049_999999.geo.E.tif", SCENE.height, crs="EPSG:4326", transform=DEGREES)


def other_height(geoc):
    shifted = DEGREES * Affine.translation(0.5, 0)
    write_raster(geoc / f"{FRAME}.geo.hgt.tif", SCENE.height, crs="EPSG:4326", transform=shifted)


def other_vector(geoc):
    write_raster(geoc / f"{FRAME}.geo.N.tif", SCENE.height[1:], crs="EPSG:4326", transform=DEGREES)
