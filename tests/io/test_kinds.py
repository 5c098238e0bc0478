"""Kinds of what files in the world have: each over the readers that it concerns."""

import os
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

import insarray as ia
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError, StackWarning
from tests.io.products import flatsim, hyp3, isce2, licsar, snap
from tests.io.products.scene import Scene
from tests.io.stack_files import PAIRS, Truth, write_raster

SCENE = Scene()
DEGREES = Affine(0.001, 0.0, 10.0, 0.0, -0.001, 45.0)
ONE = np.ones((20, 30), np.float32)


def _generic(folder: Path) -> str:
    _write_words(folder)
    return f"{folder}/*_unw.tif"


def _write_words(folder: Path) -> Path:
    for k, (first, second) in enumerate(SCENE.pairs):
        write_raster(folder / f"{first}_{second}_unw.tif", SCENE.phase(k), nodata=0)
        write_raster(folder / f"{first}_{second}_coh.tif", SCENE.coherence[k])
    return folder


def _dolphin(folder: Path) -> Path:
    for k, (first, second) in enumerate(SCENE.pairs):
        write_raster(folder / f"unwrapped/{first}_{second}.unw.tif", SCENE.phase(k), nodata=0)
        write_raster(folder / f"interferograms/{first}_{second}.int.cor.tif", SCENE.coherence[k])
    return folder


PRODUCTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "generic": (_generic, "*_unw.tif", ""),
    "folder": (_write_words, "*_unw.tif", "*_coh.tif"),
    "dolphin": (_dolphin, "unwrapped/*.unw.tif", "interferograms/*.cor.tif"),
    "licsar": (lambda folder: licsar.write_frame(folder, SCENE), "**/*.geo.unw.tif", "**/*.geo.cc.tif"),
    "hyp3": (lambda folder: hyp3.write_jobs(folder, SCENE) and folder, "*/*_unw_phase.tif", "*/*_corr.tif"),
    "flatsim": (lambda folder: flatsim.write_flatsim(folder, SCENE), "**/CNES_InU_*.tiff", "**/CNES_Coh_*.tiff"),
    "snap": (lambda folder: snap.write_products(folder, SCENE) and folder, "**/Unw_Phase*.img", "**/coh_*.img"),
}
"""What writes a small product and gives what opens it; patterns of its phase and coherence."""
GEOTIFF = [name for name in PRODUCTS if name != "snap"]
WITH_COHERENCE = [name for name, (_, _, coherence) in PRODUCTS.items() if coherence]


def made(tmp_path: Path, name: str) -> tuple[object, list[Path]]:
    """What opens a product, and the files of its phase."""
    write, phase, _ = PRODUCTS[name]
    files = write(tmp_path / "p")
    return files, sorted((tmp_path / "p").glob(phase))


def opened(files: object, **options: object) -> tuple[object, list[str]]:
    """The stack, and what was said of it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", StackWarning)
        stack = ia.open_stack(files, **options)
    return stack, [str(one.message) for one in said]


def rewritten(path: Path, change: Callable[[np.ndarray], None], **profile: object) -> None:
    """Write a raster once more with other values, and other properties."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            values, old = file.read(1), file.profile
        change(values)
        wanted = {
            name: old[name] for name in ("driver", "height", "width", "count", "dtype", "crs", "transform", "nodata")
        }
        with rasterio.open(path, "w", **(wanted | profile)) as file:
            file.write(values, 1)


def no_change(values: np.ndarray) -> None:
    """Leave the values as they are."""


# -- no-data --------------------------------------------------------------------------------------------------------


def _by_mask(path: Path, **where: object) -> None:
    rewritten(path, no_change, nodata=None)
    with rasterio.open(path, "r+") as file:
        values = file.read(1)
        values[5:8] = -9999
        file.write(values, 1)
    mask = np.full(values.shape, 255, np.uint8)
    mask[5:8] = 0
    with rasterio.Env(**where), rasterio.open(path, "r+") as file:
        file.write_mask(mask)


def _by_alpha(path: Path) -> None:
    with rasterio.open(path) as file:
        values, profile = file.read(1), file.profile
    values[5:8] = -9999
    alpha = np.full(values.shape, 255, values.dtype)
    alpha[5:8] = 0
    with rasterio.open(path, "w", **(profile | {"count": 2, "nodata": None, "alpha": "yes"})) as file:
        file.write(values, 1)
        file.write(alpha, 2)


def _by_own_value(path: Path) -> None:
    def change(values: np.ndarray) -> None:
        values[5:8] = -9999

    rewritten(path, change, nodata=-9999)


def _by_tag(path: Path) -> None:
    def change(values: np.ndarray) -> None:
        values[5:8] = 1e20

    rewritten(path, change, nodata=None)
    with rasterio.open(path, "r+") as file:
        file.update_tags(1, _FillValue="1e20")


def _by_aux(path: Path) -> None:
    def change(values: np.ndarray) -> None:
        values[5:8] = -32768

    rewritten(path, change, nodata=None)
    Path(f"{path}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>-32768</NoDataValue></PAMRasterBand></PAMDataset>'
    )


@pytest.mark.parametrize(
    "say",
    [
        lambda path: _by_mask(path, GDAL_TIFF_INTERNAL_MASK=True),
        lambda path: _by_mask(path, GDAL_TIFF_INTERNAL_MASK=False),
        _by_alpha,
        _by_own_value,
        _by_tag,
        _by_aux,
    ],
    ids=["mask", "msk", "alpha", "own value", "tag", "aux.xml"],
)
@pytest.mark.parametrize("name", GEOTIFF)
def test_no_data_is_what_each_file_says(tmp_path, name, say):
    """One file says it in another way than the others; some products call 0 no-data besides."""
    files, phase = made(tmp_path, name)
    say(phase[1])
    stack, _ = opened(files)
    values = stack.unwrapped_phase.values
    empty = np.isnan(values)
    assert empty[1, 5:8].all()
    np.testing.assert_array_equal(values[1, 9:], SCENE.phase(1)[9:])
    np.testing.assert_array_equal(empty[0, 5:], np.zeros_like(empty[0, 5:]))
    assert np.nanmin(values) > -500
    assert np.nanmax(values) < 500


def test_a_mask_counts_where_files_are_warped(tmp_path):
    files, phase = made(tmp_path, "folder")
    rewritten(phase[1], no_change, transform=Affine(30.0, 0, 600_015.0, 0, -30.0, 2_150_000.0))
    _by_mask(phase[1], GDAL_TIFF_INTERNAL_MASK=True)
    coherence = phase[1].with_name(phase[1].name.replace("unw", "coh"))
    rewritten(coherence, no_change, transform=Affine(30.0, 0, 600_015.0, 0, -30.0, 2_150_000.0))
    stack, _ = opened(files, resample=True)
    assert np.isnan(stack.unwrapped_phase.values[1, 6]).all()
    assert np.nanmin(stack.unwrapped_phase.values) > -500


@pytest.mark.parametrize("name", ["licsar", "hyp3"])
def test_maps_have_the_no_data_of_their_files(tmp_path, name):
    files, _ = made(tmp_path, name)
    pattern = "**/*.geo.hgt.tif" if name == "licsar" else "*/*_dem.tif"

    def change(values: np.ndarray) -> None:
        values[5:8] = -32768

    for path in (tmp_path / "p").glob(pattern):
        rewritten(path, change, nodata=-32768)
    heights = opened(files)[0].height.values
    assert np.isnan(heights[5:8]).all()
    np.testing.assert_array_equal(heights[9:], SCENE.height[9:])


# -- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "band", "tags", "metres"),
    [
        ("displacement_{}.tif", None, {}, 1.0),
        ("displacement_{}.tif", None, {"units": "meters"}, 1.0),
        ("displacement_{}.tif", "mm", {}, 1e-3),
        ("displacement_{}.tif", None, {"DATA_UNITS": "MILLIMETRES"}, 1e-3),
        ("displacement_mm_{}.tif", None, {}, 1e-3),
        ("disp_cm_{}.tif", None, {}, 1e-2),
        ("{}_unw.tif", "m", {}, 1.0),
        ("{}_unw.tif", None, {"UNITTYPE": "cm"}, 1e-2),
        ("{}_unw.tif", "1", {"units": "mm"}, 1e-3),
    ],
)
@pytest.mark.parametrize("as_folder", [True, False])
def test_the_unit_is_what_tag_or_name_says(tmp_path, as_folder, name, band, tags, metres):
    for pair in PAIRS:
        write_raster(tmp_path / name.format(pair), 0.25 * ONE, units=band, tags=tags)
    files = tmp_path if as_folder else f"{tmp_path}/*.tif"
    stack, _ = opened(files, wavelength=0.0555, sign="toward")
    assert stack.unwrapped_phase.values == pytest.approx(-4 * np.pi / 0.0555 * 0.25 * metres)
    if not as_folder:
        with pytest.raises(ArgumentError, match=r"sign: the files are in .*say sign='toward'"):
            ia.open_stack(files, wavelength=0.0555)


@pytest.mark.parametrize("units", ["rad", "radians", "unknown", None])
def test_phase_is_in_radians_unless_something_says_otherwise(tmp_path, units):
    for pair in PAIRS:
        write_raster(tmp_path / f"{pair}_unw.tif", ONE, units=units)
    assert (ia.open_stack(tmp_path).unwrapped_phase.values == 1).all()


def test_a_mixture_of_angles_and_lengths_is_refused(tmp_path):
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}_unw.tif", ONE, units="rad" if k else "m")
    with pytest.raises(StackError, match=r"units: m in .* but rad in .*; write them alike"):
        ia.open_stack(tmp_path, wavelength=0.05, sign="toward")


# -- truncation -----------------------------------------------------------------------------------------------------

RAW_VRT = """<VRTDataset rasterXSize="30" rasterYSize="20"><SRS>EPSG:4326</SRS>
<GeoTransform>10,0.001,0,45,0,-0.001</GeoTransform><VRTRasterBand dataType="Float32" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>4</PixelOffset>
<LineOffset>120</LineOffset><ByteOrder>LSB</ByteOrder></VRTRasterBand></VRTDataset>"""
ENVI = "ENVI\nsamples = 30\nlines = 20\nbands = 1\nheader offset = {offset}\ndata type = 4\ninterleave = bsq\nbyte order = 0\n"
SIMPLE_VRT = """<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
RSC = "WIDTH 30\nFILE_LENGTH 20\nX_FIRST 150.91\nX_STEP 0.001\nY_FIRST -34.17\nY_STEP -0.001\n"
DEM_PAR = (
    "data_format: REAL*4\nDEM_projection: EQA\nwidth: 30\nnlines: 20\ncorner_lat: -34.1705 decimal degrees\n"
    "corner_lon: 150.9105 decimal degrees\npost_lat: -0.001 decimal degrees\npost_lon: 0.001 decimal degrees\n"
)


def _raw_vrt(raw: Path) -> str:
    ONE.tofile(raw)
    Path(f"{raw}.vrt").write_text(RAW_VRT.format(relative=1, name=raw.name))
    return "*.vrt"


def _absolute_vrt(raw: Path) -> str:
    ONE.tofile(raw)
    Path(f"{raw}.vrt").write_text(RAW_VRT.format(relative=0, name=raw))
    return "*.vrt"


def _envi(raw: Path, offset: int = 0) -> str:
    raw.write_bytes(bytes(offset) + ONE.tobytes())
    Path(f"{raw}.hdr").write_text(ENVI.format(offset=offset))
    return "*.unw"


def _envi_behind_vrt(raw: Path) -> str:
    _envi(raw)
    Path(f"{raw}.vrt").write_text(SIMPLE_VRT.format(name=raw.name))
    return "*.vrt"


def _vrt_of_vrt(raw: Path) -> str:
    _raw_vrt(raw)
    Path(f"{raw}.vrt").rename(f"{raw}.inner.vrt")
    Path(f"{raw}.vrt").write_text(SIMPLE_VRT.format(name=f"{raw.name}.inner.vrt"))
    return "*.unw.vrt"


def _roipac(raw: Path) -> str:
    np.stack([0 * ONE, ONE], axis=1).tofile(raw)
    Path(f"{raw}.rsc").write_text(RSC)
    return "*.unw"


def _gamma(raw: Path) -> str:
    ONE.astype(">f4").tofile(raw)
    (raw.parent / "area.dem_par").write_text(DEM_PAR)
    return "*.unw"


def _licsbas(raw: Path) -> str:
    ONE.astype("<f4").tofile(raw)
    (raw.parent / "EQA.dem_par").write_text(DEM_PAR)
    return "*.unw"


def _gamma_in_radar(raw: Path) -> str:
    ONE.astype(">f4").tofile(raw)
    raw.with_suffix(".off").write_text("interferogram_width: 30\ninterferogram_azimuth_lines: 20\n")
    return "*.unw"


RAW = [_raw_vrt, _absolute_vrt, _envi, _envi_behind_vrt, _vrt_of_vrt, _roipac, _gamma, _licsbas, _gamma_in_radar]


@pytest.mark.parametrize("write", RAW)
@pytest.mark.parametrize("as_folder", [True, False])
def test_raw_pixels_are_read_whole_or_not_at_all(tmp_path, write, as_folder):
    for pair in PAIRS:
        pattern = write(tmp_path / f"{pair}.unw")
    if as_folder and write is _vrt_of_vrt:
        pytest.skip("the inner and the outer VRT are of the same pair")
    files = tmp_path if as_folder else f"{tmp_path}/{pattern}"
    stack, _ = opened(files)
    assert (stack.unwrapped_phase.values == 1).all()
    assert stack.unwrapped_phase.shape == (4, 20, 30)
    raw = tmp_path / f"{PAIRS[1]}.unw"
    raw.write_bytes(raw.read_bytes()[:-4])
    with pytest.raises(FileError, match=rf"{PAIRS[1]}\.unw: has \d+ (of .*bytes|bytes).*truncated"):
        ia.open_stack(files)


def test_bytes_before_the_pixels_count(tmp_path):
    for pair in PAIRS:
        _envi(tmp_path / f"{pair}.unw", 64)
    assert (ia.open_stack(f"{tmp_path}/*.unw").unwrapped_phase.values == 1).all()
    raw = tmp_path / f"{PAIRS[0]}.unw"
    raw.write_bytes(raw.read_bytes()[:-4])
    with pytest.raises(FileError, match="has 2460 of 2464 bytes, it is truncated"):
        ia.open_stack(f"{tmp_path}/*.unw")


@pytest.mark.parametrize("write", [_roipac, _gamma, _licsbas])
def test_raw_pixels_lie_where_their_text_says(tmp_path, write):
    for pair in PAIRS:
        write(tmp_path / f"{pair}.unw")
    stack, _ = opened(tmp_path)
    assert stack.x.values[0] == pytest.approx(150.9105, abs=1e-9)
    assert stack.y.values[0] == pytest.approx(-34.1705, abs=1e-9)
    assert stack.rio.crs.to_epsg() == 4326


def test_raw_pixels_without_a_text_say_what_is_missing(tmp_path):
    for pair in PAIRS:
        ONE.tofile(tmp_path / f"{pair}.unw")
    with pytest.raises(FileError, match=r"raw pixels need a header .*\.hdr \(ENVI\), \.rsc .* gdal_translate"):
        ia.open_stack(f"{tmp_path}/*.unw")


# -- companions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in WITH_COHERENCE if name != "licsar"])
def test_coherence_beyond_its_range_by_resampling_is_clipped(tmp_path, name):
    files, _ = made(tmp_path, name)
    path = sorted((tmp_path / "p").glob(PRODUCTS[name][2]))[1]

    def overshoot(values: np.ndarray) -> None:
        values[6, 6:8] = -0.0106, 1.152

    rewritten(path, overshoot)
    stack, _ = opened(files)
    with pytest.warns(StackWarning, match=rf"{re.escape(path.name)}: coherence from -0.0106 to 1.152.*clipped"):
        values = stack.coherence.values
    assert values[1, 6, 6:8].tolist() == [0, 1]


@pytest.mark.parametrize("factor", [100, 255, -1])
@pytest.mark.parametrize("name", [name for name in WITH_COHERENCE if name != "licsar"])
def test_a_wrong_scale_is_told_apart(tmp_path, name, factor):
    files, _ = made(tmp_path, name)
    path = sorted((tmp_path / "p").glob(PRODUCTS[name][2]))[1]

    def scale(values: np.ndarray) -> None:
        values *= factor

    rewritten(path, scale)
    stack, _ = opened(files)
    with pytest.raises(StackError, match=r"holds coherence from .*, outside 0 to 1"):
        stack.coherence.compute()


@pytest.mark.parametrize("name", WITH_COHERENCE)
def test_coherence_of_some_pairs_is_left_out(tmp_path, name):
    files, _ = made(tmp_path, name)
    sorted((tmp_path / "p").glob(PRODUCTS[name][2]))[1].unlink()
    stack, said = opened(files)
    assert "coherence" not in stack
    assert any(re.match("coherence is left out: no file for 1 of 4 pairs: 20190610_20190704;", text) for text in said)
    np.testing.assert_array_equal(np.isnan(stack.unwrapped_phase.values[0]), SCENE.phase(0) == 0)
    with pytest.raises(InsarrayError, match="coherence"):  # only what needs it is refused
        ia.invert(stack.assign_attrs(wavelength=0.0555), weights="coherence", reference=None)


# -- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("west", "asked"), [(260.0, -99.9845), (179.99, -179.9955), (-181.0, 179.0155), (-249.0, 111.0155)]
)
def test_a_longitude_is_a_place_however_it_is_counted(tmp_path, west, asked):
    truth = Truth()
    for k, pair in enumerate(PAIRS):
        write_raster(
            tmp_path / f"{pair}_unw.tif", truth.phase[k], crs="EPSG:4326",
            transform=Affine(0.001, 0, west, 0, -0.001, 20.0),
        )  # fmt: skip
    stack = ia.open_stack(tmp_path)
    assert -180.01 < stack.x.values.mean() < 180.01
    series = ia.invert(stack.assign_attrs(wavelength=0.0555), reference=ia.lonlat(asked, 19.99))
    assert series.attrs["reference_col"] == int((asked - west) % 360 / 0.001)
    part = ia.open_stack(tmp_path, area=(asked - 0.0024, 19.985, asked + 0.0024, 19.99))
    assert part.sizes["x"] in (5, 6)
    np.testing.assert_array_equal(part.unwrapped_phase, stack.unwrapped_phase.sel(y=part.y, x=part.x))


def test_frames_on_both_sides_of_the_date_line_fit(tmp_path):
    for k, pair in enumerate(PAIRS):
        west = 179.98 if k % 2 else -180.01  # ten pixels further east
        write_raster(
            tmp_path / f"{pair}_unw.tif", ONE, crs="EPSG:4326", transform=Affine(0.001, 0, west, 0, -0.001, 20.0)
        )
    stack, said = opened(tmp_path, extent="intersection")
    assert stack.sizes["x"] == 20
    assert any("2 extents" in text for text in said)


def test_a_dem_across_the_date_line_is_found(tmp_path):
    from insarray.io.layers.warp import read_on_grid
    from insarray.model.grid import Grid

    heights = np.arange(600, dtype=np.float32).reshape(20, 30)
    dem = write_raster(
        tmp_path / "dem.tif", heights, crs="EPSG:4326", transform=Affine(0.001, 0, 179.99, 0, -0.001, 20.0)
    )
    crs = rasterio.open(dem).crs.to_wkt()
    for left in (179.99, -180.01):
        np.testing.assert_array_equal(read_on_grid(dem, Grid(20, 30, left, 20.0, 0.001, -0.001, crs)), heights)


def test_a_rotation_of_rounding_is_none(tmp_path):
    for pair in PAIRS:
        write_raster(tmp_path / f"{pair}_unw.tif", ONE, transform=Affine(30, 1e-12, 6e5, -1e-12, -30, 2.15e6))
    assert ia.open_stack(tmp_path).sizes["x"] == 30
    write_raster(tmp_path / f"{PAIRS[0]}_unw.tif", ONE, transform=Affine(30, 0.1, 6e5, -0.1, -30, 2.15e6))
    with pytest.raises(FileError, match=r"is rotated .*gdalwarp"):
        ia.open_stack(tmp_path)


# -- finding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "generic"])
def test_hidden_copies_are_left_alone(tmp_path, name):
    files, phase = made(tmp_path, name)
    for path in phase:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(500))
        hidden = path.parent / ".ipynb_checkpoints"
        hidden.mkdir(exist_ok=True)
        (hidden / path.name).write_bytes(path.read_bytes())
    stack, _ = opened(files)
    assert stack.sizes["pair"] == len(SCENE.pairs)


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "generic"])
def test_links_are_followed_once(tmp_path, name):
    made(tmp_path, name)
    where = tmp_path / "linked"
    where.mkdir()
    for entry in (tmp_path / "p").iterdir():
        os.symlink(entry, where / entry.name)
    os.symlink(where, where / "again")  # a loop
    stack, _ = opened(where)
    assert stack.attrs["product"] == name
    assert stack.sizes["pair"] == len(SCENE.pairs)


def test_topsstack_behind_a_link_is_found(tmp_path):
    project = isce2.write_project(tmp_path / "real" / "stack", SCENE)
    os.symlink(project, tmp_path / "stack")
    stack, _ = opened(tmp_path / "stack")
    assert (stack.attrs["product"], stack.sizes["pair"]) == ("isce2", 4)


@pytest.mark.parametrize("name", ["hyp3", "licsar", "flatsim"])
def test_the_command_that_unpacks_archives_works(tmp_path, name):
    files, _ = made(tmp_path, name)
    expected = opened(files)[0].unwrapped_phase.values
    folder = tmp_path / "it's packed"  # a shell must be told
    folder.mkdir()
    for k, part in enumerate(sorted(files.iterdir())):
        with zipfile.ZipFile(folder / f"part{k}.zip", "w") as archive:
            for inside in [part, *part.rglob("*")]:
                archive.write(inside, inside.relative_to(files))
    with pytest.raises(ArgumentError, match=r"archives are not read, unpack them: .*; with: for zip in") as refused:
        ia.open_stack(folder)
    command = str(refused.value).partition("; with: ")[2].partition("; give the folder")[0]
    subprocess.run(["sh", "-c", command.replace("python", sys.executable)], check=True)
    np.testing.assert_array_equal(opened(folder)[0].unwrapped_phase.values, expected)


@pytest.mark.parametrize("packed", ["it's.zip", "A.ZIP"])
def test_the_command_for_one_archive_works(tmp_path, packed):
    files, _ = made(tmp_path, "hyp3")
    (tmp_path / "zips").mkdir()
    archive = tmp_path / "zips" / packed
    with zipfile.ZipFile(archive, "w") as file:
        for inside in files.rglob("*"):
            file.write(inside, inside.relative_to(files))
    with pytest.raises(FileError, match=r"is an archive; unpack it, and give the folder .* after: python") as refused:
        ia.open_stack(archive)
    told, _, command = str(refused.value).partition(" after: ")
    subprocess.run(["sh", "-c", command.replace("python", sys.executable)], check=True)
    folder = told.partition("give the folder ")[2]
    np.testing.assert_array_equal(opened(folder)[0].unwrapped_phase, opened(files)[0].unwrapped_phase)


def test_other_archives_are_named_alone(tmp_path):
    (tmp_path / "jobs.tar.gz").write_bytes(b"")
    with pytest.raises(ArgumentError, match=r"archives are not read, unpack them: jobs.tar.gz; give the folder"):
        ia.open_stack(tmp_path)


def test_archives_are_named(tmp_path):
    files, _ = made(tmp_path, "hyp3")
    (tmp_path / "p" / "S1_job.zip").write_bytes(b"PK")
    _, said = opened(files)
    assert any(text.startswith("archives are not read, unpack them: S1_job.zip; with: for zip in ") for text in said)
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "S1_job.zip").write_bytes(b"PK")
    with pytest.raises(
        ArgumentError, match=r"no known product, it holds S1_job.zip; archives are not read, unpack them: S1_job.zip"
    ):
        ia.open_stack(tmp_path / "q")
    with pytest.raises(FileError, match=r"S1_job.zip: is an archive; unpack it"):
        ia.open_stack(tmp_path / "q" / "S1_job.zip")


@pytest.mark.parametrize(
    ("names", "dates"),
    [
        (["06Jan2018_18Jan2018", "18Jan2018_30Jan2018"], None),
        (["06JAN2018-18JAN2018", "18JAN2018-30JAN2018"], None),
        (["2018Jan06_2018Jan18", "2018Jan18_2018Jan30"], None),
        (["06-Jan-2018_18-Jan-2018", "18-Jan-2018_30-Jan-2018"], None),
        (["2018006_2018018", "2018018_2018030"], r"(\d{7})_(\d{7})"),
        (["20180106_20180118", "20180118_20180130"], None),
        (["180106_180118", "180118_180130"], None),
    ],
)
def test_dates_as_people_write_them(tmp_path, names, dates):
    for name in names:
        write_raster(tmp_path / f"{name}_unw.tif", ONE)
    for files in (tmp_path, f"{tmp_path}/*.tif"):
        stack = ia.open_stack(files, dates=dates)
        assert list(stack.pair.values) == ["20180106_20180118", "20180118_20180130"]


@pytest.mark.parametrize("name", ["2018000_2018018", "2018006_2018366"])
def test_days_that_no_year_has(tmp_path, name):
    write_raster(tmp_path / f"{name}_unw.tif", ONE)
    with pytest.raises(ArgumentError, match="is not a day of a year, YYYYDDD from 001"):
        ia.open_stack(f"{tmp_path}/*.tif", dates=r"(\d{7})_(\d{7})")


# -- remedies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name not in ("snap", "hyp3")])
def test_the_remedies_of_other_grids_work(tmp_path, name):
    """A file of another extent, and one on other pixels: what the message names is done."""
    files, phase = made(tmp_path, name)
    with rasterio.open(phase[1]) as file:
        values, profile = file.read(1), file.profile
    with rasterio.open(phase[1], "w", **(profile | {"height": profile["height"] - 1})) as file:
        file.write(values[:-1], 1)
    with pytest.raises(StackError, match=r"extent='intersection' or 'union' \(--extent\)"):
        opened(files)
    for extent, rows in (("intersection", 29), ("union", 30)):
        assert opened(files, extent=extent)[0].sizes["y"] == rows
    with rasterio.open(
        phase[1], "w", **(profile | {"transform": profile["transform"] @ Affine.translation(0.5, 0)})
    ) as file:
        file.write(values, 1)
    with pytest.raises(StackError, match=r"with resample \(--resample\)"):
        opened(files)
    stack, said = opened(files, resample=True)
    assert stack.sizes == {"pair": 4, "y": 30, "x": 40}
    assert any("are warped" in text for text in said)


@pytest.mark.parametrize("name", ["dolphin", "licsar", "hyp3", "flatsim"])
def test_an_option_that_does_not_apply_names_what_takes_it(tmp_path, name):
    files, phase = made(tmp_path, name)
    with pytest.raises(ArgumentError, match=rf"sign: does not apply to the product {name}; leave it out$"):
        opened(files, sign="toward")
    if name == "flatsim":  # whose files have two bands
        with pytest.raises(ArgumentError, match=r"sign: does not apply to the product flatsim; leave it out$"):
            opened(phase, sign="toward")
        return
    if name != "dolphin":  # whose product is a folder
        with pytest.raises(ArgumentError, match=r"leave it out, or take product='generic'"):
            opened(phase, sign="toward")
    given = [str(path) for path in phase]
    assert opened(given, sign="toward", product="generic")[0].attrs["source_sign"] == "toward"
    with pytest.raises(FileError, match=r"is a folder, the product generic is files; give a pattern .*\*\.tif"):
        opened(files, sign="toward", product="generic")


def test_the_empty_pair_is_named_and_leaving_it_out_helps(tmp_path):
    for pair in PAIRS[:3]:
        write_raster(tmp_path / f"{pair}_unw.tif", ONE * (pair != PAIRS[1]), nodata=0)
    stack = ia.open_stack(tmp_path).assign_attrs(wavelength=0.05)
    with pytest.raises(InsarrayError, match=rf"{PAIRS[1]} has none at all; leave it out .*--exclude-pairs {PAIRS[1]}"):
        ia.invert(stack, reference="auto")
    rest = ia.select_pairs(stack, exclude_pairs=[PAIRS[1]])
    assert np.isfinite(ia.invert(rest, reference="auto").displacement.values).all()


# -- what a product says of itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("extent", [None, "part"])
def test_the_reference_of_a_product_is_kept_unless_another_is_asked_for(tmp_path, extent):
    """The tag of dolphin and of OPERA's GeoTIFFs; velocities of a product must not move in silence."""
    moved = np.random.default_rng(3).normal(0, 0.01, (3, 20, 30)).astype(np.float32)
    moved -= moved[:, 12:13, 7:8]
    for k, later in enumerate(("20160723", "20160804", "20160816")):
        tags = {"reference_point": '["12", "7"]'}
        write_raster(tmp_path / f"displacement_20160711_{later}.tif", moved[k], units="meters", tags=tags)
    area = None if extent is None else "rows:5:20,0:30"
    stack, said = opened(tmp_path, area=area)
    assert any("referenced to row 12, column 7" in text and "reference='auto' keeps that" in text for text in said)
    series = ia.invert(stack, reference="auto")
    np.testing.assert_allclose(series.displacement.values[1:], moved[:, 5 if extent else 0 :], atol=1e-7)
    assert (series.attrs["reference_row"], series.attrs["reference_col"]) == (7 if extent else 12, 7)
    other = ia.invert(stack, reference=(3, 4))
    assert other.attrs["reference_row"] == 3
    assert not other.displacement.values[:, 3, 4].any()


@pytest.mark.parametrize("tag", ['["12", "70"]', "here", '["12"]'])
def test_a_reference_that_is_none_is_not_taken(tmp_path, tag):
    for later in ("20160723", "20160804"):
        write_raster(tmp_path / f"displacement_20160711_{later}.tif", ONE, tags={"reference_point": tag})
    assert "product_reference" not in opened(tmp_path)[0].attrs


def test_masks_of_the_folder_are_named_and_the_option_takes_one(tmp_path):
    for later in ("20160723", "20160804"):
        write_raster(tmp_path / f"displacement_20160711_{later}.tif", ONE)
    mask = np.ones((20, 30), np.uint8)
    mask[:4] = 0
    write_raster(tmp_path / "recommended_mask_20160711_20160723.tif", mask)
    write_raster(tmp_path / "water_mask.tif", mask)
    stack, said = opened(tmp_path)
    named = r"masks are not applied, give one with --mask .*: recommended_mask_20160711_20160723.tif, water_mask.tif"
    assert any(re.match(named, text) for text in said)
    masked = ia.mask(stack, mask=tmp_path / "water_mask.tif")
    assert np.isnan(masked.unwrapped_phase.values[:, :4]).all()
    assert np.isfinite(masked.unwrapped_phase.values[:, 4:]).all()


@pytest.mark.parametrize(("row", "col"), [("y", "x"), ("lat", "lon"), ("latitude", "longitude")])
@pytest.mark.parametrize("said", ["units", "standard_name", "nothing"])
def test_latitudes_without_a_crs_are_in_wgs_84_if_they_say_what_they_are(tmp_path, row, col, said):
    """A stack, and a series, that xarray has written in somebody's own terms."""
    times = np.array(["2018-01-06", "2018-01-18", "2018-01-30"], "datetime64[ns]")
    words = {"units": ("degrees_north", "degrees_east"), "standard_name": ("latitude", "longitude")}.get(said)
    axes = {
        name: (name, values, {} if words is None else {said: words[k]})
        for k, (name, values) in enumerate(((row, 45 - 0.001 * np.arange(20)), (col, 10 + 0.001 * np.arange(30))))
    }
    phase = ("pair", row, col), np.ones((2, 20, 30), np.float32), {"units": "radian"}
    dates = {"reference_time": ("pair", times[:2]), "secondary_time": ("pair", times[1:])}
    xr.Dataset({"unwrapped_phase": phase, **dates}, axes).to_netcdf(tmp_path / "stack.nc", engine="h5netcdf")
    moved = ("time", row, col), np.ones((3, 20, 30), np.float32), {"units": "m"}
    xr.Dataset({"displacement": moved}, {"time": times, **axes}).to_netcdf(tmp_path / "series.nc", engine="h5netcdf")
    for found in (ia.open_stack(tmp_path / "stack.nc"), ia.open(tmp_path / "series.nc")):
        assert found.sizes["y"] == 20
        assert float(found.x[0]) == 10
        assert ("spatial_ref" in found.coords) == (said != "nothing")
        if said != "nothing":
            assert found.rio.crs.to_epsg() == 4326
