"""SNAP's products: dates and baselines of the .dim, a row less in some pairs, intermediate products, broken ones."""

import re
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

import insarray as ia
from insarray.model.errors import StackError, StackWarning
from tests.io.products.scene import DEGREES, Scene, assert_note, assert_one_line, commands
from tests.io.products.snap import WAVELENGTH, image, write_pair, write_products
from tests.io.stack_files import write_raster

SCENE = Scene(wavelength=WAVELENGTH)
PARTS = ((0, 0, 30, 40), (0, 0, 29, 40), (0, 0, 30, 40), (1, 0, 29, 40))
WINDOW = (slice(1, 29), slice(None))


@pytest.fixture
def dims(tmp_path):
    """The .dim files of pairs of one extent."""
    return write_products(tmp_path / "snap", SCENE)


@pytest.mark.parametrize("inside", [True, False])
def test_everything_but_the_folder_is_in_the_files(tmp_path, inside):
    write_products(tmp_path, SCENE, inside=inside)
    stack = ia.open_stack(tmp_path)
    assert stack.attrs["product"] == "snap"
    assert stack.attrs["wavelength"] == pytest.approx(WAVELENGTH, rel=1e-12)
    assert stack.attrs["looks"] == pytest.approx(8 * 2 / 1.94)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)
    np.testing.assert_array_equal(stack.height, SCENE.height)
    incidence = np.degrees(np.arccos(SCENE.line_of_sight[2]))
    np.testing.assert_allclose(stack.incidence_angle, incidence, rtol=1e-6)


def test_names_without_the_polarisation(dims):
    for dim in dims:  # as SnaphuImportOp makes them of two images: Unw_Phase_ifg_10Jun2019_22Jun2019
        for path in dim.with_suffix(".data").glob("Unw_Phase*"):
            path.rename(path.with_name(path.name.replace("_VV", "")))
    stack = ia.open_stack(dims[0].parent)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_a_row_less_in_some_pairs(capsys, tmp_path):
    scene = replace(SCENE, parts=PARTS)
    write_products(tmp_path / "snap", scene)
    code, output, errors, _ = commands(capsys, "info", tmp_path / "snap")
    assert (code, errors) == (0, [])
    assert "snap" in output
    assert "3 extents; their intersection is used, 28 x 40 pixels" in " ".join(output.split())
    code, *_ = commands(capsys, "invert", tmp_path / "snap", tmp_path / "o.zarr")
    assert code == 0
    scene.require_series(tmp_path / "o.zarr", WINDOW)
    with pytest.warns(StackWarning, match="their union is used, 30 x 40"):
        stack = ia.open_stack(tmp_path / "snap", extent="union")
    expected = SCENE.expected_phase()
    expected[1, 29:], expected[3, :1] = np.nan, np.nan
    np.testing.assert_array_equal(stack.unwrapped_phase, expected)


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(("20190622", "20190610"), *SCENE.pairs[1:]))
    write_products(tmp_path, scene)
    stack = ia.open_stack(tmp_path)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_files_given_by_a_pattern(dims):
    """The .dim files, or the images; the coherence is looked for in the products of the phase alone."""
    folder = dims[0].parent
    for pattern in (f"{folder}/*_unw_tc.dim", f"{folder}/*/Unw_Phase*.img"):
        stack = ia.open_stack(pattern)
        assert stack.attrs["product"] == "snap"
        np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_products_before_the_terrain_correction_are_left_out(dims):
    folder = dims[0].parent
    write_products(folder, SCENE, step="unw")
    with pytest.warns(StackWarning, match="before the terrain correction are left out: 20190610_20190622_unw.dim"):
        stack = ia.open_stack(folder)
    assert stack.sizes["pair"] == 4
    for k in range(4):
        (dims[k]).rename(dims[k].with_suffix(".old"))
        dims[k].with_suffix(".data").rename(dims[k].with_suffix(".olddata"))
    assert ia.open_stack(folder).sizes["pair"] == 4


@pytest.mark.parametrize(
    ("found", "instead"), [('name="Perp Baseline"', 'name="Other"'), (r'(?<=float64">)-?[1-9][\d.]*', "0.0")]
)
def test_baselines_that_are_none(dims, tmp_path, found, instead):
    """SNAP writes 0 where it could not compute the baseline."""
    folder = dims[0].parent
    dims[2].write_text(re.sub(found, instead, dims[2].read_text("latin-1")), "latin-1")
    with pytest.warns(StackWarning, match="no perpendicular baselines: .*has none of 20190622_20190704"):
        stack = ia.open_stack(folder)
    assert "perpendicular_baseline" not in stack.coords
    given = ia.open_stack(folder, baselines=SCENE.write_table(tmp_path / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_a_wavelength_that_is_given(dims):
    assert ia.open_stack(dims[0].parent, wavelength=0.05).attrs["wavelength"] == 0.05


def test_the_same_pair_twice(dims):
    write_pair(dims[0].parent / "again", SCENE, 1)
    with pytest.raises(StackError, match=r"pair 20190610_20190704: both .*/again/.* and .*/snap/|both .*/snap/.*again"):
        ia.open_stack(dims[0].parent)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda dim: dim.unlink(), ("20190704_unw_tc.dim", "No such file")),
        (lambda dim: dim.write_bytes(dim.read_bytes()[:-30]), ("20190704_unw_tc.dim", "is not whole XML")),
        (lambda dim: dim.write_bytes(b""), ("20190704_unw_tc.dim", "is not whole XML")),
        (lambda dim: dim.write_text("<a/>"), ("20190704_unw_tc.dim", "no Abstracted_Metadata")),
        (lambda dim: dim.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a/>'), ("unw_tc.dim", "XML entities")),
        (
            lambda dim: write_pair(dim.parent, SCENE, 1, frequency=1270.0),
            ("radar_frequency (MHz): 5405.0", "1270.0 in"),
        ),
        (lambda dim: write_pair(dim.parent, SCENE, 1, frequency="x"), ("radar_frequency is 'x', not a number",)),
        (lambda dim: image(dim).write_bytes(b""), ("Unw_Phase", "empty (0 bytes)")),
        (lambda dim: image(dim).write_bytes(image(dim).read_bytes()[:-900]), ("Unw_Phase", "truncated")),
        (lambda dim: image(dim).rename(image(dim).with_stem("Unw_Phase_ifg_31Feb2019_04Jul2019")), ("'31Feb2019'",)),
        (lambda dim: other_crs(dim), ("EPSG:4267 instead of EPSG:4326",)),
        (lambda dim: other_coherence(dim), ("coh_IW2", "outside 0 to 1")),
    ],
)
def test_broken_products_are_named(capsys, dims, tmp_path, broken, words):
    broken(dims[1])
    assert_one_line(capsys, dims[0].parent, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda dim: no_coherence(dim), ("coherence is left out: no file for 1 of 4 pairs", "20190610_20190704")),
    ],
)
def test_damage_that_a_stack_can_do_without(dims, broken, words):
    broken(dims[1])
    assert_note(dims[0].parent, *words)


def coherence_of(dim):
    (found,) = dim.parent.glob(dim.stem.replace("unw", "coh") + ".data/*.img")
    return found


def no_coherence(dim):
    coherence_of(dim).unlink()


def other_crs(dim):
    write_raster(image(dim), SCENE.phase(1), crs="EPSG:4267", transform=DEGREES, driver="ENVI")


def other_coherence(dim):
    options = {"crs": "EPSG:4326", "transform": DEGREES, "driver": "ENVI"}
    write_raster(coherence_of(dim), 1 + SCENE.coherence[1], **options)


def test_a_product_on_other_pixels_is_warped_when_it_is_asked_for(dims):
    shifted = {"crs": "EPSG:4326", "transform": DEGREES * Affine.translation(0, 0.5), "driver": "ENVI"}
    write_raster(coherence_of(dims[1]), SCENE.coherence[1], **shifted)
    with pytest.raises(StackError, match=r"is shifted by 0.5 rows and 0.0 columns.*--resample"):
        ia.open_stack(dims[0].parent)
    with pytest.warns(StackWarning, match="1 of 8 files are warped"):
        stack = ia.open_stack(dims[0].parent, resample=True)
    middle = (SCENE.coherence[1][:-1] + SCENE.coherence[1][1:]) / 2
    np.testing.assert_allclose(stack.coherence.values[1][2:-1, 1:-1], middle[1:-1, 1:-1], atol=1e-5)
