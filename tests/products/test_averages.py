"""Averages over pairs and dates and counts of components: NumPy on the whole, any blocks, no-data, options."""

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError, StackError
from tests.stacks import stack_of

NUMPY = {"mean": np.nanmean, "median": np.nanmedian, "std": np.nanstd}


def coherent(**options):
    """Stack whose coherence has gaps, and none at all at (3, 4)."""
    stack = stack_of(**options)
    stack = stack.assign(coherence=stack.coherence.where(np.isfinite(stack.unwrapped_phase)))
    here = xr.DataArray(np.ones((20, 30), bool), dims=("y", "x"))
    here[3, 4] = False
    return stack.assign(coherence=stack.coherence.where(here))


@pytest.mark.parametrize("name", NUMPY)
def test_is_the_statistic_of_numpy_to_the_bit(name):
    stack = coherent()
    found = ia.temporal_average(stack, layer="coherence", statistic=name)
    assert dask.is_dask_collection(found)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning):
        expected = NUMPY[name](stack.coherence.values, axis=0)
    np.testing.assert_array_equal(found[f"{name}_coherence"], expected)
    assert found[f"{name}_coherence"].dtype == np.float32
    assert int(np.isnan(expected).sum()) == 1


@pytest.mark.parametrize("statistic", [*NUMPY, np.nanmax])
@pytest.mark.parametrize("block", [1, 7, None])
def test_any_chunking_gives_the_same_bits(statistic, block):
    expected = ia.temporal_average(coherent(), layer="coherence", statistic=statistic).compute()
    stack = coherent(block=None).isel(y=slice(0, 9), x=slice(0, 8))
    stack = stack if block is None else stack.chunk(pair=-1, y=block, x=block)
    found = ia.temporal_average(stack, layer="coherence", statistic=statistic)
    (name,) = found.data_vars
    np.testing.assert_array_equal(found[name], expected[name][:9, :8])


def test_a_function_of_ones_own():
    stack = coherent()
    found = ia.temporal_average(stack, layer="coherence", statistic=np.nanmin)
    with pytest.warns(RuntimeWarning):
        expected = np.nanmin(stack.coherence.values, axis=0)
    np.testing.assert_array_equal(found.statistic_coherence, expected)
    assert found.attrs["statistic"] == "nanmin"
    assert found.attrs["wavelength"] == stack.attrs["wavelength"]
    with pytest.raises(ArgumentError, match=r"statistic: turned samples .* must reduce the first axis"):
        ia.temporal_average(stack, layer="coherence", statistic=np.nancumsum).compute()


def test_dates_of_a_series_in_metres():
    series = ia.invert(stack_of(missing=0.0), reference=(5, 5))
    found = ia.temporal_average(series, layer="displacement")
    np.testing.assert_array_equal(found.mean_displacement, np.nanmean(series.displacement.values, axis=0))
    assert found.mean_displacement.attrs["units"] == "m"
    assert found.mean_displacement.attrs["long_name"].startswith("mean of the line-of-sight displacement")
    assert found.mean_displacement.attrs["grid_mapping"] == "spatial_ref"


def test_a_zero_is_a_sample():
    stack = stack_of(block=None)
    stack.coherence[:] = 1.0
    stack.coherence[: stack.sizes["pair"] // 3] = 0.0
    found = ia.temporal_average(stack, layer="coherence")
    np.testing.assert_allclose(found.mean_coherence, 1 - (stack.sizes["pair"] // 3) / stack.sizes["pair"], rtol=1e-6)


def test_what_has_no_average_is_refused():
    with pytest.raises(ArgumentError, match=r"statistic: 'mode' is not one of mean, median, std or a function"):
        ia.temporal_average(stack_of(), layer="coherence", statistic="mode")
    with pytest.raises(ArgumentError, match=r"layer: 'coh' is not among .*: unwrapped_phase, coherence"):
        ia.temporal_average(stack_of(), layer="coh")
    with pytest.raises(ArgumentError, match="layer: 'connected_component_labels'"):
        ia.temporal_average(stack_of(), layer="connected_component_labels")


def test_counts_of_components():
    stack = stack_of()
    found = ia.component_counts(stack)
    assert dask.is_dask_collection(found)
    labels, pairs = stack.connected_component_labels.values, stack.insar.network.pairs
    for date in range(8):
        expected = sum((labels[k] != 0).astype(int) for k, pair in enumerate(pairs) if date in pair)
        np.testing.assert_array_equal(found.nonzero_component_count[date], expected)
    np.testing.assert_array_equal(found.component_intersection, (labels != 0).all(axis=0))
    assert 0 < int(found.component_intersection.sum()) < 600
    assert found.nonzero_component_count.dtype == np.uint16
    for block in (5, None):
        xr.testing.assert_equal(ia.component_counts(stack_of(block=block)), found.compute())
    with pytest.raises(StackError, match="component_counts: the stack has no connected_component_labels"):
        ia.component_counts(stack.drop_vars("connected_component_labels"))
