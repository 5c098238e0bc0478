"""A folder of rasters without a product's names: which file is what, and the two real stacks just as they are."""

import numpy as np
import pytest
import rasterio

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.io.layers.said import kind_by_name
from insarray.io.sidecars import SENTINEL1_WAVELENGTH
from insarray.model.errors import ArgumentError, StackError, StackWarning
from tests.io.stack_files import PAIRS, WAVELENGTH, write_raster


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cropA_20180106-20180130_VV_8rlks_eqa_unw.tif", "phase"),
        ("cropA_20180106-20180130_VV_8rlks_flat_eqa_cc.tif", "coherence"),
        ("20200101_20200113.unw.conncomp.tif", "components"),
        ("20200101_20200113.unw.cor.tif", "coherence"),
        ("displacement_20160708_20160801.tif", "displacement"),
        ("connected_component_labels_20160708_20160801.tif", "components"),
        ("20200101_20200113_unw_phase.tif", "phase"),
        ("conncomp_20200101_20200113.tif", "components"),
        ("recommended_mask_20160708_20160801.tif", None),
        ("accident_20200101_20200113.tif", None),
    ],
)
def test_words_of_names(name, kind):
    assert kind_by_name(name) == kind


def write(folder, truth, **options):
    for k, pair in enumerate(PAIRS):
        write_raster(folder / "unw" / f"ifg_{pair}_unw.tif", truth.phase[k], **options)
        write_raster(folder / "cc" / f"ifg_{pair}_cc.tif", truth.coherence[k])


def test_what_is_in_the_folder_is_what_is_read(tmp_path, truth):
    write(tmp_path / "a", truth)
    truth.write_components(tmp_path / "b")
    truth.write_baselines(tmp_path / "baselines.csv")
    write_raster(tmp_path / "mean_coherence.tif", truth.coherence[0])
    stack = ia.open_stack(tmp_path, wavelength=WAVELENGTH)
    assert stack.attrs["product"] == "folder"
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    np.testing.assert_allclose(stack.coherence, truth.coherence, atol=1e-6)
    np.testing.assert_array_equal(stack.connected_component_labels, truth.components)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, atol=1e-5)


def test_options_reach_the_files(tmp_path, truth):
    write(tmp_path, truth, units="m")
    truth.write_baselines(tmp_path / "baselines.csv")
    truth.baselines[:] = [1, 2, 3, 4]
    other = truth.write_baselines(tmp_path / "other.csv")
    stack = ia.open_stack(tmp_path, wavelength=WAVELENGTH, sign="toward", baselines=other)
    np.testing.assert_allclose(stack.unwrapped_phase, truth.phase * -4 * np.pi / WAVELENGTH, rtol=1e-5)
    np.testing.assert_array_equal(stack.perpendicular_baseline, [1, 2, 3, 4])


def test_displacement_is_opera_s(tmp_path, truth):
    for pair, phase in zip(PAIRS, truth.phase, strict=True):
        write_raster(tmp_path / f"displacement_{pair}.tif", phase, units="meters")
    with pytest.warns(StackWarning, match=r"the wavelength is taken to be 0\.0554658 m"):
        assumed = ia.open_stack(tmp_path)
    np.testing.assert_allclose(assumed.unwrapped_phase, truth.phase * -4 * np.pi / SENTINEL1_WAVELENGTH, rtol=1e-5)
    other = ia.open_stack(tmp_path, wavelength=0.24, sign="away")
    np.testing.assert_allclose(other.unwrapped_phase, truth.phase * 4 * np.pi / 0.24, rtol=1e-5)


def test_a_folder_with_both_is_refused(tmp_path, truth):
    write(tmp_path, truth)
    write_raster(tmp_path / f"displacement_{PAIRS[0]}.tif", truth.phase[0], units="meters")
    with pytest.raises(StackError, match="holds both unwrapped phase and displacement"):
        ia.open_stack(tmp_path)


def test_a_name_with_three_dates_is_not_left_out_in_silence(tmp_path, truth):
    write(tmp_path, truth)
    write_raster(tmp_path / "20200101_20200113_20200125_unw.tif", truth.phase[0])
    with pytest.raises(ArgumentError, match=r"20200101_20200113_20200125_unw\.tif: expected two dates"):
        ia.open_stack(tmp_path)
    assert ia.open_stack(tmp_path, dates=r"ifg_(\d{8})_(\d{8})_").sizes["pair"] == 4


def test_permian_as_it_is(tmp_path, shared):
    """Displacement in metres comes out as it went in, less that of the reference pixel, whatever the wavelength."""
    out = str(tmp_path / "permian.zarr")
    with pytest.warns(StackWarning) as said:
        assert run_command(["invert", str(shared / "data" / "s1_permian_disp"), out]) == 0
    assert {str(one.message).split()[1] for one in said} == {
        "product",
        "are",
        "wavelength",
    }  # reference, masks, wavelength
    series = open_store(out)
    row, col = series.attrs["reference_row"], series.attrs["reference_col"]
    assert (row, col) == (258, 142)  # of the tag; another one moved the median velocity by 17 mm/yr
    for k, path in enumerate(sorted((shared / "data" / "s1_permian_disp").glob("displacement_*.tif"))):
        with rasterio.open(path) as raster:
            given = raster.read(1).astype(np.float64)
        expected = given - given[row, col]
        known = np.isfinite(expected)
        assert known.mean() > 0.99
        np.testing.assert_allclose(series.displacement.values[k + 1][known], expected[known], atol=2e-7)


def test_mexico_as_it_is(tmp_path, shared):
    out = str(tmp_path / "mexico.zarr")
    assert run_command(["invert", str(shared / "data" / "s1_mexico_cropA"), out, "--reference", "33,8"]) == 0
    series = open_store(out)
    assert np.isfinite(series.displacement.values[-1]).sum() > 5800
    assert series.sizes == {**series.sizes, "time": 13, "y": 60, "x": 100}
    assert np.abs(series.perpendicular_baseline.values).max() > 60
