"""Block functions on arrays in memory: some rows at a time, in threads, with the result of the whole."""

import threading

import dask
import numpy as np
import pytest
import xarray as xr

from insarray.engine import blocks
from insarray.engine.blocks import map_blocks

LAYER = xr.DataArray(
    np.random.default_rng(0).normal(size=(3, 90, 40)).astype(np.float32), dims=("loop", "y", "x"), name="closure_phase"
)


@pytest.fixture
def calls(monkeypatch):
    """Rows and thread of each call of `double`; parts of 10 rows."""
    monkeypatch.setattr(blocks, "_PIXELS_AT_ONCE", 400)
    monkeypatch.setattr(blocks, "CPU_COUNT", 2)
    return []


def double(calls, arrays):
    values = arrays["closure_phase"]
    calls.append((values.shape[1], threading.current_thread() is threading.main_thread()))
    if (values == 99).any():
        raise ValueError("99")
    return {"closure_phase": 2 * values}


def call(calls, layer=LAYER, **options):
    return map_blocks(double, calls, {"closure_phase": layer}, ("closure_phase",), {"loop": 3}, **options)[
        "closure_phase"
    ]


def test_arrays_in_memory_are_computed_in_threads(calls):
    np.testing.assert_array_equal(call(calls), 2 * LAYER.values)
    assert calls == [(10, False)] * 9


@pytest.mark.parametrize("why", ["whole", "synchronous", "one worker", "in a thread"])
def test_where_they_are_computed_at_once(calls, why):
    options = {"whole": True} if why == "whole" else {}
    settings = {"synchronous": {"scheduler": "synchronous"}, "one worker": {"num_workers": 1}}.get(why, {})
    found = []
    with dask.config.set(settings):
        if why == "in a thread":
            thread = threading.Thread(target=lambda: found.append(call(calls)))
            thread.start()
            thread.join()
        else:
            found.append(call(calls, **options))
    np.testing.assert_array_equal(found[0], 2 * LAYER.values)
    assert calls == [(90, why != "in a thread")]


def test_an_error_ends_the_others(calls):
    layer = LAYER.copy()
    layer[0, 0, 0] = 99
    with pytest.raises(ValueError, match="99"):
        call(calls, layer)
