"""MintPy's HDF5 stack."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import rioxarray  # noqa: F401 - registers .rio

from insarray.io.open import open_stack
from insarray.model.dataset import grid_of, network_of
from insarray.model.errors import ArgumentError, FileError, ReferencePointError
from insarray.products.series.inversion import invert
from tests.io.stack_files import PAIRS, WAVELENGTH, Truth


@pytest.mark.parametrize("layout", [{}, {"chunks": (3, 8, 8)}, {"chunks": True, "compression": "lzf"}])
def test_values_and_sign(tmp_path: Path, truth: Truth, layout: dict[str, object]) -> None:
    path = truth.write_mintpy(tmp_path, **layout)
    stack = open_stack(path, block=13)
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    np.testing.assert_array_equal(stack.coherence, truth.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels, truth.components)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)
    assert network_of(stack).labels == list(PAIRS)
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["product"] == "mintpy"


def test_newer_date_first_is_turned_round(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path)
    with h5py.File(path, "a") as file:
        file["date"][2] = file["date"][2][::-1]
        file["bperp"][2] = -file["bperp"][2]
        file["unwrapPhase"][2] = -file["unwrapPhase"][2]
    stack = open_stack(path)
    assert network_of(stack).labels == list(PAIRS)
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)


def test_dropped_pairs_are_left_out(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path)
    with h5py.File(path, "a") as file:
        file["dropIfgram"][1] = False
    stack = open_stack(path)
    assert network_of(stack).labels == [PAIRS[k] for k in (0, 2, 3)]
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase[[0, 2, 3]])
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines[[0, 2, 3]], rtol=1e-6)
    np.testing.assert_array_equal(stack.coherence.isel(pair=[2, 1]), truth.coherence[[3, 2]])


def test_rows_in_any_order(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path)
    order = [2, 0, 3, 1]
    with h5py.File(path, "a") as file:
        for name in ("date", "bperp", "unwrapPhase", "coherence", "connectComponent"):
            file[name][...] = file[name][:][order]
    stack = open_stack(path)
    assert network_of(stack).labels == list(PAIRS)
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)


def test_zero_and_nan_are_nodata_unless_measured(tmp_path: Path, truth: Truth) -> None:
    truth.phase[0, 0, :4] = 0, 0, 0, np.nan
    truth.coherence[0, 0, :4] = 0.5, 0, 0.5, 0.5
    truth.components[0, 0, :4] = 1, 1, 0, 1
    phase = open_stack(truth.write_mintpy(tmp_path)).unwrapped_phase.values
    assert np.isfinite(phase[0, 0, :5]).tolist() == [True, False, False, False, True]
    with h5py.File(tmp_path / "ifgramStack.h5", "a") as file:
        del file["coherence"], file["connectComponent"]
    phase = open_stack(tmp_path).unwrapped_phase.values
    assert np.isnan(phase[0, 0, :5]).tolist() == [True, True, True, True, False]


def test_geometry(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path / "inputs")
    for files in (path, tmp_path, tmp_path / "inputs", [path, tmp_path / "inputs" / "geometryRadar.h5"]):
        stack = open_stack(files)
        assert float(stack.incidence_angle[3, 4]) == 35
        assert float(stack.slant_range[3, 4]) == 8e5
        np.testing.assert_array_equal(stack.height, np.arange(600).reshape(20, 30))
        np.testing.assert_array_equal(stack.water_mask, np.indices((20, 30)).sum(0) % 2 == 0)
        assert stack.water_mask.dtype == bool
    (tmp_path / "inputs" / "geometryRadar.h5").rename(tmp_path / "geometryRadar_x.h5")
    assert "height" not in open_stack(path)
    assert "height" in open_stack([path, tmp_path / "geometryRadar_x.h5"])


@pytest.mark.parametrize(
    ("attrs", "epsg"),
    [
        ({"EPSG": "32715", "X_UNIT": "meters"}, 32715),
        ({"UTM_ZONE": "15S", "X_UNIT": "meters"}, 32715),
        ({"UTM_ZONE": "9N"}, 32609),
        ({"X_UNIT": "degrees"}, 4326),
    ],
)
def test_first_is_the_corner(tmp_path: Path, truth: Truth, attrs: dict[str, str], epsg: int) -> None:
    steps = {"X_FIRST": "20.0", "Y_FIRST": "30.0", "X_STEP": "0.5", "Y_STEP": "-0.25"}
    stack = open_stack(truth.write_mintpy(tmp_path, {**steps, **attrs}))
    assert stack.x.values[:2].tolist() == [20.25, 20.75]
    assert stack.y.values[:2].tolist() == [29.875, 29.625]
    assert stack.rio.crs.to_epsg() == epsg
    assert stack.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"
    assert grid_of(stack).left == 20.0


def test_the_reference_of_the_project_is_taken_unless_another_is_asked_for(tmp_path: Path, truth: Truth) -> None:
    grid = {"X_FIRST": "10", "Y_FIRST": "45", "X_STEP": "0.001", "Y_STEP": "-0.001", "X_UNIT": "degrees"}
    stack = open_stack(truth.write_mintpy(tmp_path, {**grid, "REF_Y": "4", "REF_X": "6"}))
    stack["unwrapped_phase"] = stack.unwrapped_phase.fillna(0.5)
    series = invert(stack, reference="auto")
    assert (series.attrs["reference_row"], series.attrs["reference_col"]) == (4, 6)
    np.testing.assert_array_equal(series.displacement, invert(stack, reference=(4, 6)).displacement)
    assert invert(stack, reference=(3, 3)).attrs["reference_row"] == 3
    cropped = invert(stack.isel(y=slice(2, None)), reference="auto")
    np.testing.assert_array_equal(cropped.displacement, series.displacement.isel(y=slice(2, None)))
    with pytest.raises(ReferencePointError, match=r"is not, or only partly, in this part of the image"):
        invert(stack.isel(y=slice(6, None)), reference="auto")
    missing = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(stack.y != stack.y[4]))
    with pytest.raises(ReferencePointError, match=r"row 4, column 6"):  # never taken for 0
        invert(missing, reference="auto")


@pytest.mark.parametrize("attrs", [{"REF_Y": "4"}, {"REF_Y": "20", "REF_X": "6"}])
def test_a_reference_that_is_none_is_not_taken(tmp_path: Path, truth: Truth, attrs: dict[str, str]) -> None:
    assert "chosen_reference" not in open_stack(truth.write_mintpy(tmp_path, attrs)).attrs


def test_grid_in_metres_without_a_crs(tmp_path: Path, truth: Truth) -> None:
    attrs = {"X_FIRST": "2e5", "Y_FIRST": "3e5", "X_STEP": "30", "Y_STEP": "-30", "X_UNIT": "meters"}
    with pytest.raises(FileError, match="neither EPSG nor UTM_ZONE"):
        open_stack(truth.write_mintpy(tmp_path, attrs))
    with pytest.raises(FileError, match="EPSG '99' is not"):
        open_stack(truth.write_mintpy(tmp_path, {**attrs, "EPSG": "99"}))


def test_attributes(tmp_path: Path, truth: Truth) -> None:
    attrs = {"ALOOKS": "5", "RLOOKS": "15", "REF_Y": "4", "REF_X": "6"}
    stack = open_stack(truth.write_mintpy(tmp_path, attrs))
    assert stack.attrs["looks"] == pytest.approx(75 / 1.94)
    assert (stack.attrs["mintpy_reference_row"], stack.attrs["mintpy_reference_col"]) == (4, 6)
    assert stack.attrs["chosen_reference"] == [4.0, 6.0]
    stack = open_stack(truth.write_mintpy(tmp_path, {**attrs, "NCORRLOOKS": "38.7"}))
    assert stack.attrs["looks"] == 38.7
    assert "spatial_ref" not in stack.coords


def test_options(tmp_path: Path, truth: Truth) -> None:
    path = truth.write_mintpy(tmp_path)
    with h5py.File(path, "a") as file:
        file["unwrapPhase_bridging"] = truth.phase + 1
    np.testing.assert_array_equal(open_stack(path, variable="unwrapPhase_bridging").unwrapped_phase, truth.phase + 1)
    assert open_stack(path, wavelength=0.24).attrs["wavelength"] == 0.24
    with pytest.raises(ArgumentError, match="sign: does not apply to the product mintpy"):
        open_stack(path, sign="toward")
    with pytest.raises(FileError, match="has no dataset 'unwrapPhase_x'"):
        open_stack(path, variable="unwrapPhase_x")
    with pytest.raises(FileError, match="the product mintpy is one ifgramStack"):
        open_stack(path.with_name("geometryRadar.h5"))
    with pytest.raises(FileError, match="the product mintpy is one ifgramStack"):
        open_stack([path, truth.write_mintpy(tmp_path / "other")])


@pytest.mark.parametrize("name", ["X_FIRST", "WAVELENGTH", "REF_Y", "NCORRLOOKS"])
def test_an_attribute_that_is_no_number_is_not_taken_for_missing(tmp_path, truth, name):
    path = truth.write_mintpy(tmp_path, attrs={name: "np.float64(1.0)"})
    with pytest.raises(
        FileError, match=rf"ifgramStack.h5: the attribute {name} is 'np.float64\(1.0\)', a number is needed"
    ):
        open_stack(path)
