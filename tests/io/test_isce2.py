"""ISCE2's topsStack: bands, baselines and their sign, line of sight, VRT files that point elsewhere, broken products."""

from dataclasses import replace

import numpy as np
import pytest

import insarray as ia
from insarray.io.readers.isce2 import Isce2Reader
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products import isce2
from tests.io.products.isce2 import WAVELENGTH, write_baselines, write_image, write_pair, write_project, write_swath
from tests.io.products.scene import Scene, assert_note, assert_one_line, commands
from tests.io.stack_files import write_raster

SCENE = Scene(wavelength=WAVELENGTH)


@pytest.fixture
def project(tmp_path):
    """The folder with merged/ in it."""
    return write_project(tmp_path / "stack", SCENE)


@pytest.mark.parametrize("inside", ["", "merged", "merged/interferograms"])
def test_everything_but_the_folder_is_in_the_files(project, inside):
    stack = ia.open_stack(project / inside)
    assert stack.attrs["product"] == "isce2"
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["looks"] == pytest.approx(9 * 3 / 1.94)
    assert stack.attrs["slant_range"] == pytest.approx(isce2.middle(SCENE))
    assert "spatial_ref" not in stack.coords
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels, [SCENE.seen] * 4)
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_end_to_end(capsys, project, tmp_path):
    code, output, errors, notes = commands(capsys, "info", project)
    assert (code, errors, notes) == (0, [], [])
    assert "isce2" in output
    code, _, errors, _ = commands(capsys, "invert", project, tmp_path / "o.zarr")
    assert (code, errors) == (0, [])
    SCENE.require_series(tmp_path / "o.zarr")


def test_height_and_line_of_sight(project):
    stack = ia.open_stack(project)
    seen = SCENE.seen
    np.testing.assert_array_equal(stack.height, np.where(seen, SCENE.height, np.nan))
    for name, truth in zip(("los_east", "los_north", "los_up"), SCENE.line_of_sight, strict=True):
        np.testing.assert_allclose(stack[name], np.where(seen, truth, np.nan), atol=1e-6, err_msg=name)
    incidence = np.degrees(np.arccos(SCENE.line_of_sight[2]))
    np.testing.assert_allclose(stack.incidence_angle, np.where(seen, incidence, np.nan), rtol=1e-6)


def test_a_phase_of_0_is_data_where_the_component_says_so(project):
    phase = SCENE.phase(1)
    phase[20, 20] = 0
    folder = project / "merged" / "interferograms" / "20190610_20190704"
    write_image(folder / "filt_fine.unw", np.ones_like(phase), phase)
    opened = ia.open_stack(project).unwrapped_phase.values
    assert opened[1, 20, 20] == 0
    for path in project.rglob("*conncomp*"):
        path.unlink()
    opened = ia.open_stack(project).unwrapped_phase.values
    assert np.isnan(opened[1, 20, 20])
    assert np.isnan(opened[:, 0, 0]).all()


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(("20190622", "20190610"), *SCENE.pairs[1:]))
    stack = ia.open_stack(write_project(tmp_path, scene))
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_files_given_by_a_pattern(project):
    for suffix in ("", ".vrt"):
        stack = ia.open_stack(f"{project}/merged/interferograms/*/filt_fine.unw{suffix}")
        assert stack.attrs["product"] == "isce2"
        np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_its_formula_has_the_sign_that_the_reader_takes_it_to_have():
    """ISCE2: the sign of ((target - reference) x (secondary - reference)) . velocity, Sentinel-1 looks right."""
    look, slant = np.radians(35.0), 850e3
    velocity = np.array([0.0, 7500.0, 0.0])  # north; east is to the right
    target = slant * np.array([np.sin(look), 0.0, -np.cos(look)])
    across = np.array([np.cos(look), 0.0, np.sin(look)])  # of the line of sight, up
    secondary = 120.0 * across
    of_isce2 = 120.0 * np.sign(np.cross(target, secondary) @ velocity)
    higher = target + 10.0 / np.sin(look) * across  # 10 m above the DEM, at the same range of the reference
    change = [np.linalg.norm(place - secondary) - np.linalg.norm(place) for place in (target, higher)]
    toward_satellite = -(change[1] - change[0])
    assert toward_satellite == pytest.approx(-of_isce2 / (slant * np.sin(look)) * 10.0, rel=1e-2)


def test_baselines_of_two_references(project):
    """Those of an earlier run, of fewer dates, are left out."""
    write_baselines(project / "baselines", replace(SCENE, pairs=SCENE.pairs[:1]), 0)
    with pytest.warns(StackWarning, match="baselines relative to 20190610 are left out"):
        stack = ia.open_stack(project)
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_baselines_that_are_none(project, tmp_path):
    (project / "baselines" / "20190622_20190716" / "20190622_20190716.txt").unlink()
    with pytest.warns(StackWarning, match="no perpendicular baselines: .*20190716"):
        assert "perpendicular_baseline" not in ia.open_stack(project).coords
    (project / "baselines").rename(project / "other")
    with pytest.warns(StackWarning, match="no perpendicular baselines: there is no baselines/"):
        ia.open_stack(project)
    given = ia.open_stack(project, baselines=SCENE.write_table(tmp_path / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_the_pairs_alone(project, tmp_path):
    """Without the rest of the project nothing is known of radar and geometry."""
    (project / "merged" / "interferograms").rename(tmp_path / "pairs")
    with pytest.warns(StackWarning, match="no perpendicular baselines"):
        stack = ia.open_stack(tmp_path / "pairs", wavelength=0.05)
    assert stack.attrs["wavelength"] == 0.05
    assert not {"looks", "slant_range"} & set(stack.attrs)
    assert "height" not in stack


def test_geometry_without_looks_is_a_mosaic_of_swaths(project):
    """Its VRT has VRT files of the project as its sources."""
    geometry = project / "merged" / "geom_reference"
    inner = write_image(project / "geom_reference" / "IW1" / "hgt_01.rdr", SCENE.height.astype(np.float64))
    (geometry / "hgt.rdr.vrt").write_text(mosaic("../../geom_reference/IW1/hgt_01.rdr.vrt"))
    np.testing.assert_array_equal(ia.open_stack(project).height, SCENE.height)
    inner.write_text(inner.read_text().replace(">hgt_01.rdr<", ">../../../elsewhere<"))
    with pytest.warns(StackWarning, match=r"hgt_01.rdr.vrt: its source '../../../elsewhere' is not a file of stack"):
        assert "height" not in ia.open_stack(project)


def test_geometry_that_gdal_has_averaged(project):
    """Pixels with an ENVI header, in a VRT of gdal_translate."""
    geometry = project / "merged" / "geom_reference"
    write_raster(geometry / "hgt.rdr", SCENE.height, crs=None, driver="ENVI")
    (geometry / "hgt.rdr.vrt").write_text(mosaic("hgt.rdr", "Float32"))
    np.testing.assert_array_equal(ia.open_stack(project).height, SCENE.height)
    (geometry / "hgt.rdr").write_bytes((geometry / "hgt.rdr").read_bytes()[:-4])
    with pytest.warns(StackWarning, match=r"hgt.rdr: has 4796 of 4800 bytes, it is truncated"):
        assert "height" not in ia.open_stack(project)


def mosaic(source, kind="Float64"):
    return (
        f'<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="{kind}" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source}</SourceFilename><SourceBand>1</SourceBand>'
        f'<SourceProperties RasterXSize="40" RasterYSize="30" DataType="{kind}" BlockXSize="40" BlockYSize="1"/>'
        '<SrcRect xOff="0" yOff="0" xSize="40" ySize="30"/><DstRect xOff="0" yOff="0" xSize="40" ySize="30"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


def test_geometry_of_other_looks(project):
    write_image(project / "merged" / "geom_reference" / "los.rdr", *np.ones((2, 15, 20), np.float32))
    with pytest.warns(StackWarning, match=r"los.rdr.vrt: 15 x 20 pixels instead of 30 x 40"):
        assert "los_up" not in ia.open_stack(project)


def test_it_takes_nothing_else(tmp_path):
    write_image(tmp_path / "20190610" / "filt_fine.unw", np.ones((3, 4), np.float32))
    write_image(tmp_path / "20190610_20190622" / "fine.unw", np.ones((3, 4), np.float32))
    assert not Isce2Reader().recognises(tmp_path)
    with pytest.raises(FileError, match=r"holds no YYYYMMDD_YYYYMMDD/filt_fine.unw"):
        ia.open_stack(tmp_path, product="isce2")


def test_the_same_pair_twice(project):
    write_pair(project / "again", SCENE, 1)
    with pytest.raises(StackError, match=r"pair 20190610_20190704: both .*filt_fine.unw and .*filt_fine.unw"):
        ia.open_stack(project)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda unw: unw.unlink(), ("filt_fine.unw.vrt: its source filt_fine.unw is missing",)),
        (lambda unw: vrt(unw).unlink(), ("20190610_20190704/filt_fine.unw.vrt: cannot be read",)),
        (lambda unw: unw.write_bytes(b""), ("20190704/filt_fine.unw: has 0 of 9600 bytes, it is truncated",)),
        (lambda unw: unw.write_bytes(unw.read_bytes()[:-4]), ("filt_fine.unw: has 9596 of 9600 bytes",)),
        (lambda unw: vrt(unw).write_bytes(b""), ("filt_fine.unw.vrt: is not whole XML",)),
        (lambda unw: vrt(unw).write_text("<a/>"), ("filt_fine.unw.vrt: is no VRT, but a",)),
        (lambda unw: edit(vrt(unw), 'XSize="40"', 'XSize="x"'), ("its rasterXSize is 'x'",)),
        (lambda unw: edit(vrt(unw), "Float32", "Odd"), ("filt_fine.unw.vrt: has a band of the type Odd",)),
        (
            lambda unw: edit(vrt(unw), ">filt_fine.unw<", ">../../../../secret<"),
            ("'../../../../secret' is not a file",),
        ),
        (lambda unw: edit(vrt(unw), ">filt_fine.unw<", f">{unw}<"), ("given relative to the VRT",)),
        (lambda unw: edit(vrt(unw), ">filt_fine.unw<", ">/vsicurl/http://a/b<"), ("'/vsicurl/http://a/b' is not",)),
        (lambda unw: edit(vrt(unw), 'relativeToVRT="1"', 'relativeToVRT="0"'), ("points elsewhere is not opened",)),
        (lambda unw: edit(vrt(unw), "VRTRawRasterBand", "VRTDerivedRasterBand"), ("of the kind VRTDerivedRasterBand",)),
        (lambda unw: edit(vrt(unw), "<VRTDataset", '<VRTDataset subClass="VRTWarpedDataset"'), ("a warped",)),
        (lambda unw: link(unw), ("filt_fine.unw.vrt: its source 'filt_fine.unw' is not a file of stack",)),
        (lambda unw: unw.write_text("<GDAL_WMS/>" * 999), ("its source filt_fine.unw is XML, not a raster",)),
        (lambda unw: unw.write_text(vrt(unw).read_text()), ("is the source of a VRT of a VRT",)),
        (lambda unw: conncomp(unw).unlink(), ("filt_fine.unw.conncomp.vrt: its source", "missing")),
        (lambda unw: unw.with_name("filt_fine.cor.vrt").unlink(), ("filt_fine.cor.vrt: cannot be read",)),
        (lambda unw: loud(unw), ("filt_fine.cor.vrt", "outside 0 to 1")),
        (lambda unw: one_band(unw), ("filt_fine.unw.vrt: has 1 bands, number 2 is needed",)),
        (lambda unw: unw.parent.rename(unw.parent.with_name("20190610_20191304")), ("not named after two dates",)),
        (
            lambda unw: write_swath(swath(unw), 2, (0.2424, 0.2424)),
            ("radarwavelength: 0.05546576", "0.2424 in IW2.xml"),
        ),
        (lambda unw: write_swath(swath(unw), 2, (WAVELENGTH, 0.2)), ("radarwavelength: 0.05546576", "0.2 in IW2.xml")),
        (lambda unw: write_swath(swath(unw), 2, ("x",)), ("IW2.xml", "radarwavelength is 'x', not a number")),
        (lambda unw: swath(unw).write_text("<a/>"), ("IW2.xml: has no radarwavelength",)),
    ],
)
def test_broken_products_are_named(capsys, project, tmp_path, broken, words):
    broken(project / "merged" / "interferograms" / "20190610_20190704" / "filt_fine.unw")
    assert_one_line(capsys, project, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda unw: no_coherence(unw), ("coherence is left out: no file for 1 of 4 pairs", "20190610_20190704")),
        (lambda unw: baseline(unw).write_text("swath: IW1\n"), ("20190622_20190704.txt: has no line Bperp",)),
        (lambda unw: baseline(unw).write_text("Bperp (average): nan\n"), ("its Bperp (average) is 'nan'",)),
    ],
)
def test_damage_that_a_stack_can_do_without(project, broken, words):
    broken(project / "merged" / "interferograms" / "20190610_20190704" / "filt_fine.unw")
    assert_note(project, *words)


def vrt(unw):
    return unw.with_name(f"{unw.name}.vrt")


def conncomp(unw):
    return unw.with_name("filt_fine.unw.conncomp")


def link(unw):
    secret = unw.parents[4] / "secret"
    unw.rename(secret)
    unw.symlink_to(secret)


def no_coherence(unw):
    for path in unw.parent.glob("filt_fine.cor*"):
        path.unlink()


def loud(unw):
    write_image(unw.with_name("filt_fine.cor"), 1 + SCENE.coherence[1])


def one_band(unw):
    write_image(unw, SCENE.phase(1))


def swath(unw):
    return unw.parents[3] / "reference" / "IW2.xml"


def baseline(unw):
    return unw.parents[3] / "baselines" / "20190622_20190704" / "20190622_20190704.txt"
