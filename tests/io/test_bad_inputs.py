"""Every bad input is refused with one line that names it; nothing damaged is read as zeros."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine import Affine

from insarray.io.open import open_stack
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError, StackWarning
from tests.io.stack_files import PAIRS, UTM, Truth, write_raster

TIF = f"{PAIRS[1]}.unw.tif"
ONE = np.ones((20, 30), np.float32)


def _zero_byte(folder: Path) -> None:
    (folder / TIF).write_bytes(b"")


def _text(folder: Path) -> None:
    (folder / TIF).write_text("not a tiff")


def _vrt_in_tifs_clothes(folder: Path) -> None:
    from rasterio.shutil import copy

    copy(folder / f"{PAIRS[0]}.unw.tif", folder / "a.vrt", driver="VRT")
    shutil.move(folder / "a.vrt", folder / TIF)


def _header_cut(folder: Path) -> None:
    (folder / TIF).write_bytes((folder / TIF).read_bytes()[:30])


def _two_bands(folder: Path) -> None:
    import rasterio

    with rasterio.open(folder / TIF, "w", driver="GTiff", height=20, width=30, count=2, dtype="float32", transform=UTM):
        pass


def _folder(folder: Path) -> None:
    (folder / TIF).unlink()
    (folder / TIF).mkdir()


def _rewrite(*, data: np.ndarray = ONE, **options: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write_raster(folder / TIF, data, **options)

    return change


def _add(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write_raster(folder / name, ONE)

    return change


def _tag_one(**options: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for pair in PAIRS:
            write_raster(folder / f"{pair}.unw.tif", ONE, **(options if pair == PAIRS[1] else {}))

    return change


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_zero_byte, FileError, rf"{TIF}: is empty"),
        (_text, FileError, rf"{TIF}: is not a readable GTiff raster"),
        (_vrt_in_tifs_clothes, FileError, rf"{TIF}: is not a readable GTiff raster"),
        (_header_cut, FileError, rf"{TIF}: is not a readable GTiff raster"),
        (_two_bands, FileError, rf"{TIF}: has 2 bands"),
        (_folder, ArgumentError, rf"{TIF} is no known product"),
        (_rewrite(data=ONE.astype(np.complex64)), FileError, rf"{TIF}: holds complex"),
        (_rewrite(transform=Affine(30, 5, 0, 5, -30, 0)), FileError, rf"{TIF}: is rotated"),
        (_rewrite(data=ONE[:-1]), StackError, rf"{TIF}: 19 x 30 pixels instead of 20 x 30"),
        (
            _rewrite(transform=Affine(30.0, 0.0, 600_015.0, 0.0, -30.0, 2_150_000.0)),
            StackError,
            rf"{TIF}: is shifted by 0.0 rows and 0.5 col",
        ),
        (_rewrite(crs="EPSG:32615"), StackError, rf"{TIF}: CRS EPSG:32615 instead of EPSG:32614"),
        (_rewrite(crs=None), StackError, rf"{TIF}: CRS none"),
        (_add(f"again_{PAIRS[0]}.unw.tif"), StackError, rf"pair {PAIRS[0]}: both .*{PAIRS[0]}.unw.tif and .*again_"),
        (_add("20200113_20200101.unw.tif"), StackError, rf"pair {PAIRS[0]}: both"),
        (_add("20200101_20200101.unw.tif"), StackError, "20200101_20200101.unw.tif: both dates are 20200101"),
        (_add("velocity.unw.tif"), ArgumentError, "velocity.unw.tif: found no two dates"),
        (_add("20200101_20200113_20200125.unw.tif"), ArgumentError, "20200125.unw.tif: expected two dates"),
        (_tag_one(units="furlong"), StackError, rf"{TIF}: its unit tag says 'furlong'"),
        (_tag_one(units="m"), StackError, rf"units: .*{TIF}; give units="),
    ],
)
def test_bad_file(folder: Path, change: Callable[[Path], None], error: type[InsarrayError], message: str) -> None:
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_stack(f"{folder}/*.unw.tif")
    assert "\n" not in str(caught.value)


def test_mixed_wavelengths(folder: Path) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(folder / f"{pair}.unw.tif", ONE, tags={"WAVELENGTH": f"0.055{k // 2}"})
    with pytest.raises(StackError, match=rf"wavelength: 0.055 in {PAIRS[0]}.* but 0.0551 in {PAIRS[2]}"):
        open_stack(f"{folder}/*.unw.tif")
    assert open_stack(f"{folder}/*.unw.tif", wavelength=0.055).attrs["wavelength"] == 0.055


def test_wavelength_tag_in_centimetres(folder: Path) -> None:
    write_raster(folder / TIF, ONE, tags={"WAVELENGTH": "55.5"})
    with pytest.raises(StackError, match=rf"{TIF}: its tag wavelength is '55.5'"):
        open_stack(f"{folder}/*.unw.tif")


def test_unknown_units_of_all(tmp_path: Path, truth: Truth) -> None:
    truth.write(tmp_path, units="dm")
    with pytest.raises(StackError, match="its unit tag says 'dm'; say what it is with units="):
        open_stack(f"{tmp_path}/*.unw.tif")


def test_several_bad_files_are_listed(folder: Path) -> None:
    for pair in PAIRS[:2]:
        (folder / f"{pair}.unw.tif").write_bytes(b"")
    with pytest.raises(FileError, match=rf"2 of 4 files cannot be used: .*{PAIRS[0]}.*; .*{PAIRS[1]}"):
        open_stack(f"{folder}/*.unw.tif")


# -- damage that only reading shows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("creation", [{}, {"compress": "deflate"}, {"compress": "lzw", "predictor": 3, "tiled": True}])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
def test_truncated_tiff_names_the_file(tmp_path: Path, creation: dict[str, object], part: float) -> None:
    data = np.random.default_rng(0).normal(0, 9, (200, 300)).astype(np.float32)
    for pair in PAIRS:
        write_raster(tmp_path / f"{pair}.tif", data, blockxsize=64, blockysize=64, **creation)
    broken = tmp_path / f"{PAIRS[2]}.tif"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(FileError, match=rf"{PAIRS[2]}\.tif: (could not read rows|is not a readable)"):
        open_stack(f"{tmp_path}/*.tif").unwrapped_phase.compute()


def test_file_removed_after_opening(folder: Path) -> None:
    stack = open_stack(f"{folder}/*.unw.tif")
    (folder / TIF).unlink()
    with pytest.raises(FileError, match=rf"{TIF}: could not read"):
        stack.unwrapped_phase.compute()


def test_file_of_another_size_after_opening(folder: Path) -> None:
    stack = open_stack(f"{folder}/*.unw.tif")
    write_raster(folder / TIF, np.ones((40, 60), np.float32))
    with pytest.raises(FileError, match=rf"{TIF}: is 40 x 60 pixels, but was 20 x 30"):
        stack.unwrapped_phase.compute()


def test_labels_that_are_none(folder: Path) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(folder / f"{pair}.cc.tif", ONE * (1.5 if k else 1))
    stack = open_stack(f"{folder}/*.unw.tif", components=f"{folder}/*.cc.tif")
    with pytest.raises(StackError, match=rf"{PAIRS[1]}.cc.tif: holds labels that are not whole"):
        stack.connected_component_labels.compute()


# -- files that don't belong together ---------------------------------------------------------------------------------


def test_pair_without_coherence(folder: Path) -> None:
    (folder / f"{PAIRS[3]}.cor.tif").unlink()
    with pytest.raises(StackError, match=rf"coherence: no file for 1 of 4 pairs: {PAIRS[3]}"):
        open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif")


def test_coherence_without_phase(folder: Path) -> None:
    write_raster(folder / "20200113_20200206.cor.tif", ONE)
    with pytest.warns(StackWarning, match=r"coherence without unwrapped phase .* left out: 20200113_20200206.cor.tif"):
        stack = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif")
    assert list(stack.pair.values) == list(PAIRS)
    assert stack.coherence.shape == stack.unwrapped_phase.shape


def test_coherence_on_another_grid(folder: Path) -> None:
    for pair in PAIRS:
        write_raster(folder / f"{pair}.cor.tif", ONE[1:])
    with pytest.raises(StackError, match=rf"4 of 8 files .*{PAIRS[0]}.cor.tif: 19 x 30"):
        open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif")


def test_components_of_a_pair_twice(folder: Path) -> None:
    for name in (*PAIRS, f"b_{PAIRS[0]}"):
        write_raster(folder / f"{name}.cc.tif", ONE)
    with pytest.raises(StackError, match=rf"pair {PAIRS[0]}: both .* and .*b_{PAIRS[0]}.cc.tif"):
        open_stack(f"{folder}/*.unw.tif", components=f"{folder}/*.cc.tif")


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (["20200101,20200113,1"], StackError, rf"baselines: 3 of 4 pairs are not in the table: {PAIRS[1]}"),
        (["20200101,20200113,1", "20200113,20200101,-1"], StackError, rf"pair {PAIRS[0]} is listed more than once"),
        (["20200101,20200113,far"], FileError, "b.csv, line 2: .*far"),
        (["20200101,20200113,nan"], FileError, "b.csv, line 2: bperp_m is 'nan'"),
        (["20200101,20200113,"], FileError, "has no bperp_m"),
        (["2020,20200113,1"], FileError, "b.csv, line 2: date"),
    ],
)
def test_bad_baselines(folder: Path, lines: list[str], error: type[InsarrayError], message: str) -> None:
    (folder / "b.csv").write_text("\n".join(["reference,secondary,bperp_m", *lines]))
    with pytest.raises(error, match=message):
        open_stack(f"{folder}/*.unw.tif", baselines=folder / "b.csv")


def test_table_without_a_column(folder: Path) -> None:
    (folder / "b.csv").write_text("reference,secondary,baseline\n")
    with pytest.raises(FileError, match="has no column bperp_m; its first line holds reference, secondary, baseline"):
        open_stack(f"{folder}/*.unw.tif", baselines=folder / "b.csv")
    with pytest.raises(FileError, match="has no column unwrapped"):
        open_stack(folder / "b.csv")


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        (f"20200101,20200113,,{PAIRS[0]}.cor.tif", StackError, "has no file in the column unwrapped"),
        ("20200101,20200113,gone.tif,", FileError, "line 3: unwrapped file .*gone.tif does not exist"),
        ("20200101,20200101,,", StackError, "no file in the column unwrapped"),
    ],
)
def test_bad_table(folder: Path, cells: str, error: type[InsarrayError], message: str) -> None:
    good = f"20200101,20200125,{PAIRS[1]}.unw.tif,{PAIRS[1]}.cor.tif"
    (folder / "stack.csv").write_text("\n".join(["reference,secondary,unwrapped,coherence", good, cells]))
    with pytest.raises(error, match=message):
        open_stack(folder / "stack.csv")


def test_table_with_coherence_for_some_pairs(folder: Path) -> None:
    rows = [f"20200101,20200125,{PAIRS[1]}.unw.tif,{PAIRS[1]}.cor.tif", f"20200101,20200113,{PAIRS[0]}.unw.tif,"]
    (folder / "stack.csv").write_text("\n".join(["reference,secondary,unwrapped,coherence", *rows]))
    with pytest.warns(StackWarning, match=rf"coherence is left out: no file for 1 of 2 pairs: {PAIRS[0]}"):
        assert "coherence" not in open_stack(folder / "stack.csv")


def test_table_that_is_no_text(folder: Path) -> None:
    (folder / "stack.csv").write_bytes(os.urandom(200) + b"\xff\xfe\xff")
    with pytest.raises(FileError, match=r"stack\.csv: "):
        open_stack(folder / "stack.csv")


# -- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sign": "up"}, "sign: 'up' is not one of away, toward"),
        ({"units": "cm"}, "units: 'cm' is not one of radian, metre, millimetre"),
        ({"product": "doris"}, "product: 'doris' is not one of"),
        ({"wavelength": 55.5}, "wavelength: 55.5 is not a radar wavelength"),
        ({"nodata": np.inf}, "nodata: "),
        ({"dates": "(20"}, "dates: .* is not a regular expression"),
        ({"dates": r"\d{8}"}, "dates: .* has 0 groups"),
        ({"block": 0}, "block: 0"),
        ({"block": 1.5}, "block: 1.5"),
        ({"block": True}, "block: True"),
        ({"coherence": "*.nothing"}, r"coherence: nothing matches '\*.nothing'"),
        ({"coherence": []}, "coherence: the list is empty"),
        ({"baselines": "*.nothing"}, "baselines: nothing matches"),
    ],
)
def test_bad_argument(folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        open_stack(f"{folder}/*.unw.tif", **options)


def test_variable_of_no_netcdf(folder: Path) -> None:
    with pytest.raises(InsarrayError, match="variable: applies to NetCDF"):
        open_stack(f"{folder}/*.unw.tif", variable="unw")


def test_nothing_matches(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=re.escape(f"files: nothing matches '{tmp_path}/*.tif'")):
        open_stack(f"{tmp_path}/*.tif")
    with pytest.raises(FileError, match=re.escape(f"files: {tmp_path}/no.tif does not exist")):
        open_stack(tmp_path / "no.tif")
    with pytest.raises(ArgumentError, match="files: the list is empty"):
        open_stack([])
    with pytest.raises(ArgumentError, match="files: 3 is not a path"):
        open_stack([3])


def test_unknown_folder_and_extension(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(
        ArgumentError, match=r"is no known product, it holds a, b, c and 1 more; .*hyp3.*unw\.tif"
    ) as no:
        open_stack(tmp_path)
    assert len(str(no.value)) < 500
    (tmp_path / f"{PAIRS[0]}.xyz").write_text("x")
    with pytest.raises(FileError, match=r"the extension '\.xyz' is not a known raster's"):
        open_stack(f"{tmp_path}/*.xyz")


# -- HDF5 -----------------------------------------------------------------------------------------------------------


def _not_hdf5(path: Path) -> None:
    path.write_text("not HDF5")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def _without(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]

    return change


def _external(path: Path) -> None:
    shutil.copy(path, path.with_name("other.hdf"))
    with h5py.File(path, "a") as file:
        del file["unwrapPhase"]
        file["unwrapPhase"] = h5py.ExternalLink("other.hdf", "/unwrapPhase")


def _soft(path: Path) -> None:
    _external(path)
    with h5py.File(path, "a") as file:
        file["indirect"] = h5py.ExternalLink("other.hdf", "/")
        del file["unwrapPhase"]
        file["unwrapPhase"] = h5py.SoftLink("/indirect/unwrapPhase")


def _virtual(path: Path) -> None:
    shutil.copy(path, path.with_name("other.hdf"))
    with h5py.File(path, "a") as file:
        layout = h5py.VirtualLayout(file["unwrapPhase"].shape, "f4")
        layout[:] = h5py.VirtualSource("other.hdf", "unwrapPhase", file["unwrapPhase"].shape)
        del file["unwrapPhase"]
        file.create_virtual_dataset("unwrapPhase", layout)


def _set(name: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_not_hdf5, FileError, "could not read it as HDF5"),
        (_cut, FileError, "could not read it as HDF5"),
        (_without("unwrapPhase"), FileError, "has no dataset 'unwrapPhase', only .*coherence"),
        (_without("date"), FileError, "has no dataset 'date'"),
        (_external, FileError, "unwrapPhase is a link or keeps its values elsewhere"),
        (_soft, FileError, "unwrapPhase is a link or keeps its values elsewhere"),
        (_virtual, FileError, "unwrapPhase is a link or keeps its values elsewhere"),
        (_set("dropIfgram", np.zeros(4, bool)), StackError, "dropIfgram leaves out every pair"),
        (_set("dropIfgram", np.ones(3, bool)), FileError, "dropIfgram has"),
        (_set("coherence", np.ones((4, 5, 6), "f4")), StackError, "coherence is .*; make them alike"),
        (_set("date", np.array([["20200101", "20200113"]] * 4, "S8")), StackError, f"pair {PAIRS[0]}: both"),
        (_set("date", np.array([["20200101", "what"]] * 4, "S8")), FileError, "'what' is not a date"),
        (_set("date", np.array(["20200101"] * 4, "S8")), FileError, r"\(pair, 2\) and \(pair, y, x\) needed"),
    ],
)
def test_bad_hdf5(
    tmp_path: Path, truth: Truth, change: Callable[[Path], None], error: type[InsarrayError], message: str
) -> None:
    path = truth.write_mintpy(tmp_path)
    change(path)
    with pytest.raises(error, match=message) as caught:
        open_stack(path)
    assert "ifgramStack.h5" in str(caught.value)


def test_geometry_of_another_size(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path)
    _set("height", np.ones((3, 3), "f4"))(tmp_path / "geometryRadar.h5")
    with pytest.raises(StackError, match=r"geometryRadar\.h5: height is"):
        open_stack(path)
