"""Rasters: reading leaves the warnings of the process as they were, whatever threads do at once."""

import multiprocessing
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from insarray.io.open import open_stack
from tests.io.stack_files import PAIRS, Truth, write_raster


def test_files_in_radar_coordinates_open_without_a_warning(tmp_path: Path, truth: Truth) -> None:
    """Also in threads, after others have changed the filters, which are left as they are but for one of ours."""
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k], transform=None, crs=None)
    open_stack(
        str(tmp_path / "*.tif"), wavelength=0.05, block=4
    ).compute()  # loads libraries that have filters of theirs
    for action in ("error", "always"):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter(action)
            others = [rule for rule in warnings.filters if "insarray" not in str(rule[3])]
            open_stack(str(tmp_path / "*.tif"), wavelength=0.05, block=4).compute()
            kept = [rule for rule in warnings.filters if "insarray" not in str(rule[3])]
            assert (seen, kept) == ([], others)
            with pytest.raises(NotGeoreferencedWarning) if action == "error" else nullcontext():
                rasterio.open(tmp_path / f"{PAIRS[0]}.tif").close()
        assert len(seen) == (action == "always")  # who opens a file himself is warned as ever


def test_reading_does_not_warn(tmp_path: Path, truth: Truth) -> None:
    """Pixels are read without working out where they lie, of which rasterio would warn; nothing is hidden later."""
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k])
    stack = open_stack(f"{tmp_path}/*.tif", block=7)
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        values = stack.unwrapped_phase.values
    assert raised == []
    assert warnings.filters == before
    np.testing.assert_array_equal(values, truth.phase)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_reads(tmp_path: Path, truth: Truth) -> None:
    """The threads of the parent are not there any more."""
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k])
    phase = open_stack(f"{tmp_path}/*.tif").unwrapped_phase
    phase.values  # noqa: B018 (the threads are there)
    fork = multiprocessing.get_context("fork")
    found = fork.Queue()
    child = fork.Process(target=lambda: found.put(phase.compute(scheduler="synchronous").values), daemon=True)
    child.start()
    np.testing.assert_array_equal(found.get(timeout=60), truth.phase)
    child.join(10)
    assert child.exitcode == 0
