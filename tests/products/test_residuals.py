"""Residuals against their definition, pairs in the order of their faults."""

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import VARIABLES, metres_per_radian
from insarray.model.errors import StackError
from tests.stacks import WAVELENGTH, stack_of


def test_residuals_are_phase_minus_reference_minus_series():
    stack = stack_of(block=None)
    series = ia.invert(stack, reference=(5, 5))
    result = ia.residuals(stack, series)
    network, phase = stack.insar.network, stack.unwrapped_phase.values.astype(np.float64)
    model = series.displacement.values.astype(np.float64) / metres_per_radian(WAVELENGTH)
    expected = phase - phase[:, 5, 5][:, None, None] - (model[network.secondary] - model[network.reference])
    np.testing.assert_allclose(result.residual, expected, atol=2e-5)
    for date in range(network.n_dates):
        here = (network.pairs == date).any(axis=1)
        size = np.abs(expected[here])
        count = np.isfinite(size).sum(axis=0)
        mean = np.where(count > 0, np.nansum(size, axis=0) / count.clip(1), np.nan)
        np.testing.assert_allclose(result.residual_of_date[date], mean, atol=2e-5)
    tied = (series.network_subset == 1).all("time").values
    rms = np.sqrt(np.nanmean(expected[:, tied] ** 2, axis=0))
    np.testing.assert_allclose(rms, series.residual_rms.values[tied], atol=1e-4)
    for name in ("residual", "residual_of_date"):
        assert result[name].dtype == VARIABLES[name].dtype


def test_residuals_are_lazy_and_know_the_reference_of_the_series():
    whole = stack_of(block=None)
    for reference in ((5, 5), ia.area(4, 7, 4, 7), None):
        expected = ia.residuals(whole, ia.invert(whole, reference=reference))
        stack = stack_of()
        lazy = ia.residuals(stack, ia.invert(stack, reference=reference))
        assert dask.is_dask_collection(lazy.residual.data)
        xr.testing.assert_identical(lazy.compute(), expected)


def test_a_stored_series_in_other_blocks_fits_as_well():
    stack = stack_of()
    series = ia.invert(stack_of(block=None), reference=(5, 5))
    xr.testing.assert_identical(
        ia.residuals(stack, series.chunk({"y": 11})).compute(), ia.residuals(stack_of(block=None), series)
    )


@pytest.mark.parametrize("block", [None, 7])
def test_the_worst_pair_comes_first(block):
    stack = stack_of(missing=0.05, block=None)
    phase = stack.unwrapped_phase.values.copy()
    phase[7, :10] += 4 * np.pi
    stack = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase))
    if block:
        stack = stack.chunk({"pair": -1, "y": block, "x": block})
    series = ia.invert(stack, norm="l1", reference=None)
    rows = ia.pair_misfit(stack, series)
    assert rows[0].pair == stack.insar.network.labels[7]
    assert rows[0].wrong == pytest.approx(0.5, abs=0.05)
    residual = ia.residuals(stack, series).residual.values[7].astype(np.float64)
    assert rows[0].rms == pytest.approx(np.sqrt(np.nanmean(residual**2)))
    assert rows[0].pixels == np.isfinite(residual).sum()
    assert [row.wrong for row in rows] == sorted((row.wrong for row in rows), reverse=True)


def test_corrected_phase_is_used_when_asked_for():
    stack = stack_of(block=None, missing=0.0)
    shifted = stack.assign(
        corrected_phase=stack.unwrapped_phase + np.float32(1.0) * (np.arange(stack.sizes["pair"]) == 2)[:, None, None]
    )
    shifted["corrected_phase"] = shifted.corrected_phase.astype(np.float32)
    series = ia.invert(stack)
    difference = (
        ia.residuals(shifted, series, phase="corrected_phase").residual - ia.residuals(shifted, series).residual
    )
    np.testing.assert_allclose(difference[2], 1.0, atol=1e-5)
    assert not difference[3:].any()
    assert ia.pair_misfit(shifted, series, phase="corrected_phase") != ia.pair_misfit(shifted, series)


def test_other_pairs_or_grid_are_refused():
    stack = stack_of()
    series = ia.invert(stack)
    some = ia.select_pairs(stack, max_neighbours=2)
    xr.testing.assert_equal(
        ia.residuals(some, series).residual, ia.residuals(stack, series).residual.sel(pair=some.pair)
    )
    with pytest.raises(StackError, match="series: lacks 2 of the 8 dates of the pairs, such as 20200101"):
        ia.residuals(stack, series.isel(time=slice(2, None)))
    with pytest.raises(StackError, match="lost the terms velocity"):
        ia.residuals(stack, ia.remove_terms(series, ia.fit(series), ["velocity"]))
    with pytest.raises(StackError, match="grid differs"):
        ia.residuals(stack, series.isel(y=slice(5)))
    with pytest.raises(StackError, match="no variable 'displacement'"):
        ia.residuals(stack, ia.fit(series))
