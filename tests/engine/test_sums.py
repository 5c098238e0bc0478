"""Sums over blocks: those of the whole, whatever the blocks, lazily, and held to what was declared."""

import dask
import numpy as np
import pytest
import xarray as xr

from insarray.engine.blocks import sum_blocks

ZERO = {"count": xr.Variable(("loop",), np.zeros(3, np.int64)), "square": xr.Variable((), np.zeros(()))}


def count_block(factor, arrays):
    values = arrays["closure_phase"]
    return {"count": factor * (values > 0).sum(axis=(1, 2)), "square": np.asarray((values.astype(float) ** 2).sum())}


def layer(block=None):
    values = np.random.default_rng(0).normal(size=(3, 20, 30)).astype(np.float32)
    array = xr.DataArray(values, dims=("loop", "y", "x"))
    return array if block is None else array.chunk(loop=-1, y=block[0], x=block[1])


@pytest.mark.parametrize("block", [None, (20, 30), (7, 30), (8, 9), (1, 1)])
def test_sums_are_those_of_the_whole(block):
    array = layer(block)
    sums = sum_blocks(count_block, 2, {"closure_phase": array}, ZERO)
    assert {name: (sums[name].dims, sums[name].dtype) for name in sums} == {
        name: (start.dims, start.dtype) for name, start in ZERO.items()
    }
    assert dask.is_dask_collection(sums["count"].data) == (block is not None)
    found = xr.Dataset(sums).compute()
    np.testing.assert_array_equal(found["count"], 2 * (layer().values > 0).sum(axis=(1, 2)))
    np.testing.assert_allclose(found.square, (layer().values.astype(float) ** 2).sum(), rtol=1e-13)


def test_the_start_of_a_sum_is_not_written_to():
    sum_blocks(count_block, 1, {"closure_phase": layer()}, ZERO)
    assert not ZERO["count"].values.any()


def test_other_shapes_and_types_than_declared_are_refused():
    for zero in (np.zeros(2, np.int64), np.zeros(3)):
        with pytest.raises(TypeError, match="count: sum of int64"):
            sum_blocks(count_block, 1, {"closure_phase": layer()}, {"count": xr.Variable(("loop",), zero)})
