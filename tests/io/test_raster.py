"""Rasters: reading leaves the warnings of the process as they were, whatever threads do at once."""

import multiprocessing
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from rasterio.errors import NotGeoreferencedWarning

from insarray.io import open_stack
from insarray.io.layers.quiet import quiet_warnings
from tests.io.stack_files import PAIRS, Truth, write_raster


def test_quiet_while_any_thread_is_inside() -> None:
    """The thread that came first leaves first: it is still quiet for the other, and not afterwards."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    before = list(warnings.filters)

    def first() -> None:
        with quiet_warnings():
            first_is_in.set()
            second_is_in.wait(10)
        first_is_out.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert first_is_in.wait(10)
    with quiet_warnings():
        second_is_in.set()
        assert first_is_out.wait(10)
        warnings.warn("radar coordinates", NotGeoreferencedWarning, stacklevel=1)  # else an error in tests
    thread.join()
    assert warnings.filters == before
    with pytest.raises(NotGeoreferencedWarning):
        warnings.warn("radar coordinates", NotGeoreferencedWarning, stacklevel=1)


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
