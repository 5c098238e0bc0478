"""Solid Earth tide: Milbert's program within 1 mm, Sun and Moon by published places, the line of sight and its hour."""

import numpy as np
import pytest

from insarray.kernels.corrections.ephemerides import ASTRONOMICAL_UNIT, sidereal_angle, sun_and_moon
from insarray.kernels.corrections.tides import solid_earth_tide


@pytest.mark.parametrize("case", range(4))
def test_it_is_that_of_milbert_within_a_millimetre(golden, case):
    """pysolid 0.3.4, of which positions of the Moon are coarser; seen: 0.36 mm at most here, 0.72 mm in 60 others."""
    data = np.load(golden / "corrections/solid_earth_tides.npz")
    lon, lat = np.meshgrid(data[f"case{case}_lon"], data[f"case{case}_lat"])
    expected = data[f"case{case}_enu"]
    found = solid_earth_tide(np.datetime64(str(data[f"case{case}_time"]), "s"), lat, lon)
    assert np.abs(expected).max() > 0.03
    np.testing.assert_allclose(found, expected, atol=4e-4, rtol=0)


def test_the_moon_is_where_meeus_puts_it():
    """Astronomical Algorithms, example 47.a: 1992 April 12, 0h TD; longitude of the mean equinox, latitude, distance."""
    time = np.datetime64("1992-04-11T23:58:53", "s")  # 67 s before
    x, y, z = sun_and_moon(time).moon
    distance = np.sqrt(x * x + y * y + z * z)
    assert distance == pytest.approx(368_409_700, abs=60_000)
    turned = np.arctan2(y, x) + sidereal_angle(time)
    ascension = np.degrees(turned) % 360
    assert ascension == pytest.approx(134.688470 - 0.0046, abs=0.01)  # apparent, less the nutation
    assert np.degrees(np.arcsin(z / distance)) == pytest.approx(13.768368, abs=0.005)


def test_the_sun_is_where_meeus_puts_it():
    """Example 25.a: 1992 October 13, 0h TD."""
    time = np.datetime64("1992-10-12T23:58:53", "s")
    x, y, z = sun_and_moon(time).sun
    distance = np.sqrt(x * x + y * y + z * z)
    assert distance / ASTRONOMICAL_UNIT == pytest.approx(0.99766, abs=1e-5)
    ascension = np.degrees(np.arctan2(y, x) + sidereal_angle(time)) % 360
    assert ascension == pytest.approx(198.38083, abs=0.01)
    assert np.degrees(np.arcsin(z / distance)) == pytest.approx(-7.78507, abs=0.005)
