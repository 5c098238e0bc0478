"""dolphin's folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from insarray.io.open import open_stack
from insarray.model.dataset import network_of
from insarray.model.errors import ArgumentError, FileError, StackError, StackWarning
from tests.io.stack_files import PAIRS, WAVELENGTH, Truth, write_raster


@pytest.fixture
def work(tmp_path: Path, truth: Truth) -> Path:
    """Zeros at columns 0 and 1 of the first pair; the first of them is measured."""
    truth.phase[0, 0, :2] = 0
    truth.components[0, 0, 1] = 65535
    return truth.write_dolphin(tmp_path / "work")


def test_values_and_sign(work: Path, truth: Truth) -> None:
    stack = open_stack(work, wavelength=WAVELENGTH)
    expected = truth.phase.copy()
    expected[0, 0, 1] = np.nan
    truth.components[0, 0, 1] = 0
    np.testing.assert_array_equal(stack.unwrapped_phase, expected)
    np.testing.assert_array_equal(stack.coherence, truth.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels, truth.components)
    assert network_of(stack).labels == list(PAIRS)
    assert stack.attrs["product"] == "dolphin"
    assert stack.attrs["wavelength"] == WAVELENGTH


def test_untagged_zero_is_nodata(work: Path, truth: Truth) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(work / "unwrapped" / f"{pair}.unw.tif", truth.phase[k])
    assert np.isnan(open_stack(work).unwrapped_phase.values[0, 0, :3]).tolist() == [False, True, False]


def test_folder_of_the_unwrapped(work: Path, truth: Truth) -> None:
    stack = open_stack(work / "unwrapped")
    np.testing.assert_array_equal(stack.coherence, truth.coherence)


def test_other_places(work: Path, truth: Truth) -> None:
    for pair in PAIRS:
        shutil.move(work / "interferograms" / f"{pair}.int.cor.tif", work / "unwrapped" / f"{pair}.cor.tif")
        write_raster(work / "unwrapped" / "scratch" / f"{pair}.unw.tif", truth.phase[0])
    shutil.move(work / "unwrapped", work / "a" / "unwrapped")
    np.testing.assert_array_equal(open_stack(work).coherence, truth.coherence)


def test_phase_alone(work: Path) -> None:
    shutil.rmtree(work / "interferograms")
    for path in work.rglob("*.conncomp.tif"):
        path.unlink()
    stack = open_stack(work)
    assert list(stack) == ["unwrapped_phase"]
    assert np.isnan(stack.unwrapped_phase.values[0, 0, :2]).all()


def test_baselines(work: Path, truth: Truth) -> None:
    stack = open_stack(work, baselines=truth.write_baselines(work / "b.csv"))
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, rtol=1e-6)


def test_unfinished_run(work: Path) -> None:
    (work / "unwrapped" / f"{PAIRS[0]}.unw.tif").unlink()
    with pytest.warns(
        StackWarning, match=rf"without unwrapped phase of the same dates is left out: {PAIRS[0]}"
    ) as said:
        assert list(open_stack(work).pair.values) == list(PAIRS[1:])
    assert sorted(str(one.message).split()[0] for one in said) == ["coherence", "components"]


def test_two_stacks_in_one_folder(work: Path) -> None:
    shutil.copytree(work / "unwrapped", work / "old" / "unw")
    shutil.move(work / "unwrapped", work / "new")
    with pytest.raises(StackError, match="in several folders"):
        open_stack(work)


@pytest.mark.parametrize("option", [{"sign": "toward"}, {"coherence": "*.tif"}, {"units": "radian"}, {"nodata": 0}])
def test_options_that_do_not_apply(work: Path, option: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(option))}: does not apply to the product dolphin"):
        open_stack(work, **option)


def test_product_given(work: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty: holds no YYYYMMDD_YYYYMMDD\.unw\.tif"):
        open_stack(tmp_path / "empty", product="dolphin")
    with pytest.raises(FileError, match="the product dolphin is one folder"):
        open_stack(work / "unwrapped" / f"{PAIRS[0]}.unw.tif", product="dolphin")
    generic = open_stack(f"{work}/unwrapped/*.unw.tif", product="generic")
    assert generic.attrs["product"] == "generic"
    (tmp_path / PAIRS[0]).mkdir()
    with pytest.raises(FileError, match="is a folder"):
        open_stack(tmp_path / PAIRS[0], product="generic")
