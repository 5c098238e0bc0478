"""Displacement by the motion of a plate: the velocity times the years, subtracted once."""

import numpy as np
import pytest

import insarray as ia
from insarray.model.errors import ArgumentError
from tests.networks import nearest
from tests.products.corrections.test_radar_coordinates import mixed, radar
from tests.stacks import stack_of

SIGHT = {"incidence_angle": 36.0, "heading": -13.0}


def test_it_is_the_velocity_of_the_plate_times_the_years():
    stack = stack_of(nearest(5, 2), missing=0.0)
    found = ia.plate_displacement(stack, plate="NorthAmerica", **SIGHT)
    assert found.chunks is not None
    seen = stack.assign(ia.line_of_sight(stack, **SIGHT))
    velocity = ia.plate_motion(seen, plate="NorthAmerica").plate_velocity
    years = (found.time.values - found.time.values[0]) / np.timedelta64(1, "D") / 365.25
    np.testing.assert_allclose(found, years[:, None, None] * velocity.values, atol=1e-8)
    assert found.attrs["source"] == "motion of NorthAmerica (ITRF2020)"
    other = ia.plate_displacement(stack, plate="NorthAmerica", model="ITRF2014", **SIGHT)
    assert float(abs(found - other).max()) > 1e-6
    flipped = ia.plate_displacement(stack, plate="NorthAmerica", **SIGHT | {"look": "left"})
    assert float(abs(found - flipped).max()) > 1e-4


def test_what_is_left_is_the_frame_of_the_plate():
    """Corrected and fitted, the velocity is less that of the plate, relative to the reference."""
    stack = stack_of(nearest(8, 2), missing=0.0)
    series = ia.invert(stack, reference=(5, 5)).compute()
    moved = ia.plate_displacement(series, plate="Eurasia", **SIGHT)
    corrected = ia.correct(series, moved)
    assert corrected.attrs["correction_sources"] == "plate_motion: motion of Eurasia (ITRF2020)"
    velocity = ia.plate_motion(series.assign(ia.line_of_sight(series, **SIGHT)), plate="Eurasia").plate_velocity
    expected = ia.fit(series).velocity - (velocity - velocity[5, 5])
    np.testing.assert_allclose(ia.fit(corrected).velocity, expected, atol=2e-6)


def test_once():
    stack = stack_of(nearest(5, 2), missing=0.0)
    series = ia.invert(stack, reference=(5, 5)).compute()
    series = series.assign(ia.line_of_sight(series, **SIGHT))
    moved = ia.plate_displacement(series, plate="Eurasia")
    fixed = ia.change_frame(series, plate="Eurasia")
    with pytest.raises(ArgumentError, match="plate_motion is applied already"):
        ia.correct(fixed, moved)
    corrected = ia.correct(series, moved).assign({name: series[name] for name in ("los_east", "los_north", "los_up")})
    with pytest.raises(ArgumentError, match="corrected for plate_motion already"):
        ia.change_frame(corrected, plate="Eurasia")


def test_in_radar_coordinates():
    geocoded = stack_of(nearest(3, 2), missing=0.0)
    expected, found = (ia.plate_displacement(data, plate="NorthAmerica", **SIGHT) for data in (geocoded, radar()))
    np.testing.assert_allclose(found, mixed(expected), atol=1e-7)
    assert float(abs(expected).max()) > 1e-4
