"""Local stores are read without whole blocks, and clicks come before what is read ahead."""

import threading
import time

import numpy as np
import pytest

import insarray as ia
from insarray.engine.store.windows import StoredArray
from insarray.viewer.chunks import Chunks
from insarray.viewer.layout import chunk_of
from insarray.viewer.results import Result
from insarray.viewer.straight import Straight, Turns


def test_arrays_that_are_shown_as_stored_are_read_straight(store, pieces, tmp_path):
    shown = Result(store)
    assert {"displacement", "displacement_std", "velocity", "fit_flag"} <= set(shown.stored)
    assert all(isinstance(one, StoredArray) for one in shown.stored.values())
    ia.to_netcdf(ia.open(store).isel(y=slice(8), x=slice(8)), tmp_path / "x.nc")
    assert Result(str(tmp_path / "x.nc")).stored == {}
    chunks = Chunks(Result(pieces))
    try:
        assert isinstance(chunks._series["displacement"], Straight)
        assert chunks._pyramids["displacement"]._array is None  # without pieces that are not tied: not what is stored
        assert chunks._pyramids["velocity"]._array is not None
    finally:
        chunks.close()


def test_a_click_and_a_zoomed_map_read_no_whole_block(store, monkeypatch):
    data = ia.open(store).load()
    chunks = Chunks(Result(store))
    monkeypatch.setattr("insarray.viewer.pyramid.Blocks.read", lambda *given: pytest.fail("reads whole blocks"))
    try:
        for key, found in (
            ("series/displacement/c/0/2/3", data.displacement.values[:, 64:96, 96:128]),
            ("maps/0/displacement/c/3/0/1", data.displacement.values[3:4, :256, 256:512]),
            ("maps/0/velocity/c/1/1", data.velocity.values[256:300, 256:512]),
        ):
            np.testing.assert_array_equal(chunks.values(chunk_of(key)), found)
        assert chunks.values(chunk_of("maps/2/displacement/c/5/0/0")).shape == (1, 75, 130)
        errors = chunks.result.stored["displacement_std"]
        assert len(errors._verified) == np.prod(
            [-(-n // step) for n, step in zip(errors.shape, errors.chunks, strict=True)]
        )
    finally:
        chunks.close()


def test_others_wait_while_somebody_waits():
    turns, passed = Turns(), threading.Event()

    def other():
        turns.wait()
        passed.set()

    with turns.first():
        threading.Thread(target=other).start()
        assert not passed.wait(0.1)
    assert passed.wait(5)
    started = time.monotonic()
    turns.wait()
    assert time.monotonic() - started < 1
