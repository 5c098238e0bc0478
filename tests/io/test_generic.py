"""The generic reader: signs, units, dates, matching, and every option of it."""

import random
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from insarray.io.open import open_stack
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import network_of
from insarray.model.errors import ArgumentError, FileError, StackError
from tests.io.stack_files import PAIRS, WAVELENGTH, Truth, write_raster


def assert_phase(stack: xr.Dataset, expected: np.ndarray, rtol: float = 1e-6) -> None:
    np.testing.assert_allclose(stack.unwrapped_phase.values, expected, rtol=rtol)


def test_phase_dates_and_names(folder: Path, truth: Truth) -> None:
    stack = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif")
    assert_phase(stack, truth.phase, rtol=0)
    np.testing.assert_array_equal(stack.coherence.values, truth.coherence)
    assert network_of(stack).labels == list(PAIRS)
    assert stack.unwrapped_phase.dims == ("pair", "y", "x")
    assert stack.unwrapped_phase.dtype == np.float32
    assert stack.unwrapped_phase.attrs["units"] == "radian"
    assert stack.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"
    assert stack.attrs["product"] == "generic"
    assert stack.attrs["input_files"] == 8
    assert "wavelength" not in stack.attrs


def test_components(folder: Path, truth: Truth) -> None:
    truth.components[0, 0, 0] = 65535
    truth.write_components(folder)
    stack = open_stack(f"{folder}/*.unw.tif", components=f"{folder}/*.conncomp.tif")
    labels = stack.connected_component_labels
    truth.components[0, 0, 0] = 0
    assert labels.dtype == np.uint16
    assert "_FillValue" not in {**labels.attrs, **labels.encoding}
    np.testing.assert_array_equal(labels.values, truth.components)


def test_untagged_65535_is_no_component(folder: Path) -> None:
    for pair in PAIRS:
        write_raster(folder / f"{pair}.cc.tif", np.full((20, 30), 65535, np.uint16))
    stack = open_stack(f"{folder}/*.unw.tif", components=f"{folder}/*.cc.tif")
    assert not stack.connected_component_labels.values.any()


def test_signed_components_below_zero_are_none(folder: Path, truth: Truth) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(folder / f"{pair}.cc.tif", np.where(truth.components[k] == 3, -1, 2).astype(np.int16))
    stack = open_stack(f"{folder}/*.unw.tif", components=f"{folder}/*.cc.tif")
    np.testing.assert_array_equal(stack.connected_component_labels.values, np.where(truth.components == 3, 0, 2))


# -- signs and units ------------------------------------------------------------------------------------------------


def test_newer_date_first_is_turned_round(folder: Path, truth: Truth) -> None:
    """The file says "earlier minus later": dates swapped, phase and baseline negated, coherence found by dates."""
    first, second = PAIRS[2].split("_")
    (folder / f"{PAIRS[2]}.unw.tif").unlink()
    write_raster(folder / f"{second}_{first}.unw.tif", -truth.phase[2])
    table = truth.write_baselines(folder / "b.csv")
    table.write_text(
        table.read_text().replace(f"{first},{second},{truth.baselines[2]}", f"{second},{first},{-truth.baselines[2]}")
    )
    stack = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif", baselines=table)
    assert network_of(stack).labels == list(PAIRS)
    assert_phase(stack, truth.phase, rtol=0)
    np.testing.assert_array_equal(stack.coherence.values, truth.coherence)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)


def test_sign(folder: Path, truth: Truth) -> None:
    assert_phase(open_stack(f"{folder}/*.unw.tif", sign="toward"), -truth.phase, rtol=0)
    assert_phase(open_stack(f"{folder}/*.unw.tif", sign="away"), truth.phase, rtol=0)


@pytest.mark.parametrize(("units", "per_metre"), [("metre", 1.0), ("millimetre", 1000.0)])
@pytest.mark.parametrize("by_tag", [True, False])
def test_displacement_becomes_phase(tmp_path: Path, truth: Truth, units: str, per_metre: float, by_tag: bool) -> None:
    toward = metres_per_radian(WAVELENGTH) * truth.phase.astype(np.float64)
    tag = {"metre": "meters", "millimetre": "mm"}[units] if by_tag else None
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", (toward[k] * per_metre).astype(np.float32), units=tag)
    given = {} if by_tag else {"units": units}
    stack = open_stack(f"{tmp_path}/*.tif", wavelength=WAVELENGTH, sign="toward", **given)
    assert_phase(stack, truth.phase, rtol=1e-5)
    assert stack.attrs["source_units"] == units
    assert stack.attrs["source_sign"] == "toward"
    away = open_stack(f"{tmp_path}/*.tif", wavelength=WAVELENGTH, sign="away", **given)
    assert_phase(away, -truth.phase, rtol=1e-5)
    with pytest.raises(ArgumentError, match="sign: the files are in"):
        open_stack(f"{tmp_path}/*.tif", wavelength=WAVELENGTH, **given)


def test_units_option_wins_over_the_tag(tmp_path: Path, truth: Truth) -> None:
    truth.write(tmp_path, units="meters")
    assert_phase(open_stack(f"{tmp_path}/*.unw.tif", units="radian"), truth.phase)


def test_metres_need_a_wavelength(tmp_path: Path, truth: Truth) -> None:
    truth.write(tmp_path, units="m")
    with pytest.raises(ArgumentError, match="wavelength: is needed"):
        open_stack(f"{tmp_path}/*.unw.tif", sign="toward")


def test_band_scale_is_applied(tmp_path: Path, truth: Truth) -> None:
    stored = np.round(truth.phase * 100).astype(np.int16)
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", stored[k], scale=0.01, nodata=-32768)
    assert_phase(open_stack(f"{tmp_path}/*.tif"), stored / 100.0, rtol=1e-5)


def test_wavelength_from_the_tag_and_option(tmp_path: Path, truth: Truth) -> None:
    truth.write(tmp_path, tags={"WAVELENGTH_METRES": "0.0556"})
    assert open_stack(f"{tmp_path}/*.unw.tif").attrs["wavelength"] == 0.0556
    assert open_stack(f"{tmp_path}/*.unw.tif", wavelength=0.0554).attrs["wavelength"] == 0.0554


# -- no-data --------------------------------------------------------------------------------------------------------


def test_nodata_of_the_tag(tmp_path: Path, truth: Truth) -> None:
    truth.phase[1, 2, 3] = -9999.9
    truth.write(tmp_path, nodata=-9999.9)
    phase = open_stack(f"{tmp_path}/*.unw.tif").unwrapped_phase.values
    assert np.isnan(phase[1, 2, 3])
    assert np.isnan(phase).sum() == 1


def test_nodata_option_adds_to_what_the_files_say(tmp_path: Path, truth: Truth) -> None:
    """One value for all must not make data of what a file calls no-data; NaN says that nothing else is."""
    truth.phase[1, 2, 3], truth.phase[0, 0, 0] = -9999.0, 77.0
    truth.write(tmp_path, nodata=77.0)
    phase = open_stack(f"{tmp_path}/*.unw.tif", nodata=-9999).unwrapped_phase.values
    assert np.argwhere(np.isnan(phase)).tolist() == [[0, 0, 0], [1, 2, 3]]
    phase = open_stack(f"{tmp_path}/*.unw.tif", nodata=np.nan).unwrapped_phase.values
    assert (phase[1, 2, 3], phase[0, 0, 0]) == (-9999, 77)


def test_nodata_as_any_number(tmp_path: Path, truth: Truth) -> None:
    """A float64 that float32 cannot hold; NaN, which overrules a tag of 0."""
    truth.phase[1, 2, 3], truth.phase[0, 0, 0] = -9999.9, 0
    truth.write(tmp_path, nodata=0)
    phase = open_stack(f"{tmp_path}/*.unw.tif", nodata=np.float64(-9999.9)).unwrapped_phase.values
    assert np.argwhere(np.isnan(phase)).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert not np.isnan(open_stack(f"{tmp_path}/*.unw.tif", nodata=np.nan).unwrapped_phase.values).any()


def test_infinite_phase_is_nodata(tmp_path: Path, truth: Truth) -> None:
    truth.phase[0, 0, :3] = np.inf, -np.inf, np.nan
    truth.write(tmp_path)
    assert np.isnan(open_stack(f"{tmp_path}/*.unw.tif").unwrapped_phase.values[0, 0, :4]).tolist() == [1, 1, 1, 0]


@pytest.fixture
def zeros(tmp_path: Path, truth: Truth) -> Path:
    """Zeros at columns 0..4 of the first pair; coherence 0.5 0.5 NaN 0 0.5, components 1 0 1 1 1."""
    truth.phase[0, 0, :5] = 0
    truth.coherence[0, 0, :5] = 0.5, 0.5, np.nan, 0, 0.5
    truth.components[0, 0, :5] = 1, 0, 1, 1, 1
    truth.write(tmp_path, nodata=0)
    truth.write_components(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("coherence", "components", "valid"),
    [
        (True, False, [0] * 5),  # masked pixels may well be coherent
        (False, True, [1, 0, 1, 1, 1]),
        (True, True, [1, 0, 0, 0, 1]),
        (False, False, [0] * 5),
    ],
)
def test_exact_zero_is_valid_by_evidence(zeros: Path, coherence: bool, components: bool, valid: list[int]) -> None:
    stack = open_stack(
        f"{zeros}/*.unw.tif",
        coherence=f"{zeros}/*.cor.tif" if coherence else None,
        components=f"{zeros}/*.conncomp.tif" if components else None,
    )
    phase = stack.unwrapped_phase.values
    assert np.isfinite(phase[0, 0, :5]).tolist() == valid
    assert np.isfinite(phase).sum() == phase.size - 5 + sum(valid)


def test_zero_is_data_where_nodata_is_something_else(tmp_path: Path, truth: Truth) -> None:
    truth.phase[0, 0, 0] = 0
    truth.write(tmp_path, nodata=np.nan)
    assert open_stack(f"{tmp_path}/*.unw.tif").unwrapped_phase.values[0, 0, 0] == 0


def test_byte_coherence(folder: Path, truth: Truth) -> None:
    stored = np.round(truth.coherence * 255).astype(np.uint8)
    stored[0, 0, 0] = 0
    for k, pair in enumerate(PAIRS):
        write_raster(folder / f"{pair}.cc.tif", stored[k])
    coherence = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cc.tif").coherence.values
    assert np.isnan(coherence[0, 0, 0])
    np.testing.assert_allclose(coherence.ravel()[1:], stored.ravel()[1:] / 255, rtol=1e-6)


def test_coherence_zero_follows_the_tag(folder: Path, truth: Truth) -> None:
    truth.coherence[0, 0, 0] = 0
    for nodata, expected in ((0, np.nan), (None, 0.0)):
        for k, pair in enumerate(PAIRS):
            write_raster(folder / f"{pair}.cc.tif", truth.coherence[k], nodata=nodata)
        stack = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cc.tif")
        np.testing.assert_equal(stack.coherence.values[0, 0, 0], np.float32(expected))


@pytest.mark.parametrize("value", [-0.7, 1.7, 55.0])
def test_impossible_coherence_names_the_file(folder: Path, truth: Truth, value: float) -> None:
    truth.coherence[1, 3, 3] = value
    write_raster(folder / f"{PAIRS[1]}.cor.tif", truth.coherence[1])
    stack = open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif")
    with pytest.raises(StackError, match=rf"{PAIRS[1]}\.cor\.tif: holds coherence"):
        stack.coherence.compute()


def test_rounding_beyond_one_is_clipped(folder: Path, truth: Truth) -> None:
    truth.coherence[1, 3, 3] = 1.0005
    write_raster(folder / f"{PAIRS[1]}.cor.tif", truth.coherence[1])
    assert open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif").coherence.values.max() == 1


# -- dates and matching ---------------------------------------------------------------------------------------------


def test_order_of_files_does_not_matter(folder: Path) -> None:
    phase, coherence = sorted(folder.glob("*.unw.tif")), sorted(folder.glob("*.cor.tif"))
    expected = open_stack(phase, coherence=coherence)
    random.Random(3).shuffle(phase)
    random.Random(5).shuffle(coherence)
    shuffled = open_stack(phase, coherence=coherence)
    xr.testing.assert_identical(shuffled.compute(), expected.compute())
    assert shuffled.unwrapped_phase.data.name == expected.unwrapped_phase.data.name


def test_dates_pattern(tmp_path: Path, truth: Truth) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"20100101_{pair}_20301231.tif", truth.phase[k])
    with pytest.raises(ArgumentError, match="20100101"):
        open_stack(f"{tmp_path}/*.tif")
    stack = open_stack(f"{tmp_path}/*.tif", dates=r"20100101_(\d{8})_(\d{8})_20301231")
    assert network_of(stack).labels == list(PAIRS)


def test_dates_of_the_folder(tmp_path: Path, truth: Truth) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / pair / "filt_fine.tif", truth.phase[k])
    assert_phase(open_stack(f"{tmp_path}/*/filt_fine.tif"), truth.phase)
    assert_phase(open_stack(f"{tmp_path}/*/*.tif", dates=r"(\d{8})_(\d{8})"), truth.phase)


def test_damaged_date_does_not_get_the_folders_dates(tmp_path: Path, truth: Truth) -> None:
    write_raster(tmp_path / "20200101_20201231" / "20200101_2020011.unw.tif", truth.phase[0])
    with pytest.raises(ArgumentError, match="expected two dates"):
        open_stack(f"{tmp_path}/*/*.tif")


def test_seconds_between_names_of_one_acquisition(tmp_path: Path, truth: Truth) -> None:
    """HyP3 names pairs by start times; one acquisition is one date of the network."""
    for k, (first, second) in enumerate(
        [("20200101T120000", "20200113T120001"), ("20200113T120003", "20200125T120000")]
    ):
        write_raster(tmp_path / f"S1AA_{first}_{second}_unw_phase.tif", truth.phase[k])
        write_raster(tmp_path / f"S1AA_{first}_{second}_corr.tif", truth.coherence[k])
    (tmp_path / "b.csv").write_text("reference,secondary,bperp_m\n20200101,20200113,5\n2020-01-25,2020-01-13,-6\n")
    stack = open_stack(f"{tmp_path}/*unw_phase.tif", coherence=f"{tmp_path}/*corr.tif", baselines=tmp_path / "b.csv")
    assert network_of(stack).n_dates == 3
    assert stack.secondary_time.values[0] == np.datetime64("2020-01-13T12:00:01")
    assert stack.perpendicular_baseline.values.tolist() == [5, 6]


# -- tables ---------------------------------------------------------------------------------------------------------


def test_baselines(folder: Path, truth: Truth) -> None:
    text = truth.write_baselines(folder / "b.csv").read_text().splitlines()
    swapped = [",".join(line.split(",")[i] for i in (2, 1, 0)) + ",x" for line in reversed(text[1:])]
    (folder / "b.csv").write_text("\n".join(["BPERP_M, Secondary,reference,note", *swapped, ""]))
    stack = open_stack(f"{folder}/*.unw.tif", baselines=f"{folder}/b.csv")
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)
    assert "perpendicular_baseline" not in open_stack(f"{folder}/*.unw.tif").coords


def test_table(folder: Path, truth: Truth) -> None:
    truth.write_components(folder)
    rows = [
        f"{pair.replace('_', ',')},{pair}.unw.tif,{pair}.cor.tif,{pair}.conncomp.tif,{truth.baselines[k]}"
        for k, pair in enumerate(PAIRS)
    ]
    first, second = PAIRS[1].split("_")
    write_raster(folder / "odd name.tif", -truth.phase[1])
    rows[1] = f"{second},{first},odd name.tif,{PAIRS[1]}.cor.tif,{PAIRS[1]}.conncomp.tif,{-truth.baselines[1]}"
    table = folder / "stack.csv"
    table.write_text("\n".join(["Reference,secondary,UNWRAPPED,coherence,components,bperp_m", *reversed(rows)]))
    stack = open_stack(table)
    assert_phase(stack, truth.phase, rtol=0)
    np.testing.assert_array_equal(stack.coherence.values, truth.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels.values, truth.components)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)
    with pytest.raises(ArgumentError, match="coherence: does not apply to a table"):
        open_stack(table, coherence=f"{folder}/*.cor.tif")


# -- other formats --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "driver"), [("img", "ENVI"), ("img", "HFA"), ("unw", "ENVI")])
def test_other_drivers(tmp_path: Path, truth: Truth, suffix: str, driver: str) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.{suffix}", truth.phase[k], driver=driver)
    assert_phase(open_stack(f"{tmp_path}/*.{suffix}"), truth.phase, rtol=0)


def test_vrt(folder: Path, truth: Truth) -> None:
    from rasterio.shutil import copy

    for pair in PAIRS:
        copy(folder / f"{pair}.unw.tif", folder / f"{pair}.unw.vrt", driver="VRT")
    stack = open_stack(f"{folder}/*.vrt")
    assert_phase(stack, truth.phase, rtol=0)
    (folder / f"{PAIRS[0]}.unw.tif").touch()  # the source of a VRT counts too
    assert open_stack(f"{folder}/*.vrt").unwrapped_phase.data.name != stack.unwrapped_phase.data.name


@pytest.fixture
def netcdf(tmp_path: Path, truth: Truth) -> Path:
    y, x = np.arange(20) * -0.1 + 20, np.arange(30) * 0.1 + 10
    for k, pair in enumerate(PAIRS):
        data = {"unw": (("lat", "lon"), truth.phase[k]), "coherence": (("lat", "lon"), truth.coherence[k])}
        coords = {"lat": ("lat", y, {"units": "degrees_north"}), "lon": ("lon", x, {"units": "degrees_east"})}
        xr.Dataset(data, coords).to_netcdf(tmp_path / f"{pair}.nc")
        xr.Dataset({"z": data["unw"]}, coords).to_netcdf(tmp_path / f"{pair}.grd", engine="h5netcdf")
    return tmp_path


def test_netcdf_variable(netcdf: Path, truth: Truth) -> None:
    stack = open_stack(f"{netcdf}/*.nc", variable="unw", coherence=f"{netcdf}/*.nc")
    assert_phase(stack, truth.phase, rtol=0)
    np.testing.assert_array_equal(stack.coherence.values, truth.coherence)
    assert_phase(open_stack(f"{netcdf}/*.nc", variable="coherence"), truth.coherence, rtol=0)
    with pytest.raises(FileError, match=r"holds coherence, unw; choose one with variable="):
        open_stack(f"{netcdf}/*.nc")
    with pytest.raises(FileError, match="has no variable 'phase'; it holds coherence, unw"):
        open_stack(f"{netcdf}/*.nc", variable="phase")


def test_grd_with_one_variable(netcdf: Path, truth: Truth) -> None:
    stack = open_stack(f"{netcdf}/*.grd")
    assert_phase(stack, truth.phase, rtol=0)
    np.testing.assert_allclose(stack.y, np.arange(20) * -0.1 + 20)
    assert_phase(open_stack(f"{netcdf}/*.grd", variable="z"), truth.phase, rtol=0)
