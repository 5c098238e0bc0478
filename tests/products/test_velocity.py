"""Velocity of a series: units, sign, gaps, laziness."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import StackError
from tests.stacks import WAVELENGTH, stack_of


def test_equals_polyfit_in_metres_per_year():
    series = ia.invert(stack_of(missing=0.0), reference=(5, 5))
    model = ia.fit(series).compute()
    days = (series.time.values - series.time.values[0]) / np.timedelta64(1, "D")
    for y, x in ((0, 0), (7, 20)):
        fit, covariance = np.polyfit(days / 365.25, series.displacement.values[:, y, x].astype(float), 1, cov=True)
        np.testing.assert_allclose(model.velocity[y, x], fit[0], rtol=1e-4)
        np.testing.assert_allclose(model.velocity_std[y, x], np.sqrt(covariance[0, 0]), rtol=1e-4)
    assert model.velocity.attrs["units"] == "m/year"
    assert model.velocity.dtype == np.float32
    assert model.attrs["reference_row"] == 5


def test_motion_away_is_negative_velocity():
    stack = stack_of(missing=0.0)
    days = stack.insar.network.temporal_baseline
    phase = np.broadcast_to((days / 365.25)[:, None, None], stack.unwrapped_phase.shape).astype(np.float32)
    model = ia.fit(ia.invert(stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase))))
    np.testing.assert_allclose(model.velocity, -WAVELENGTH / (4 * np.pi), rtol=1e-5)


@pytest.mark.parametrize("block", [5, None])
def test_any_chunking_gives_the_same_bits(block):
    expected = ia.fit(ia.invert(stack_of(block=8)))
    xr.testing.assert_equal(ia.fit(ia.invert(stack_of(block=block))), expected)


def test_a_network_gap_does_not_bend_the_velocity():
    """50 mm/yr without noise, network cut in the middle: subsets keep their own offsets."""
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    days = network.temporal_baseline
    phase = -4 * np.pi / WAVELENGTH * 0.05 * days / 365.25
    across = (network.reference <= 3) & (network.secondary > 3)
    phase = np.where(across, np.nan, phase)[:, None, None] * np.ones(stack.unwrapped_phase.shape[1:])
    cut = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase.astype(np.float32)))
    for gap in ("nan", "subset", "nsbas"):
        np.testing.assert_allclose(ia.fit(ia.invert(cut, gap=gap)).velocity, 0.05, rtol=1e-4)


def test_what_is_no_series_is_refused():
    with pytest.raises(StackError, match="displacement"):
        ia.fit(stack_of())
    with pytest.raises(StackError, match="at least two"):
        ia.fit(ia.invert(stack_of()).isel(time=slice(0, 1)))
