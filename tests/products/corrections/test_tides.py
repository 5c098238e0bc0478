"""Tides in line of sight: projected by the pixel, at the hour of the acquisition, interpolated between nodes."""

import numpy as np
import pytest

import insarray as ia
from insarray.kernels.corrections.tides import solid_earth_tide
from insarray.model.errors import InsarrayError
from insarray.model.grid import Grid
from tests.networks import nearest
from tests.stacks import stack_of

WIDE = Grid(12, 16, 178.6, -38.1, 0.15, -0.15, "EPSG:4326")  # across longitude 180


def test_between_nodes_it_is_right_to_a_hundredth_of_a_millimetre():
    stack = stack_of(nearest(4, 2), grid=WIDE, missing=0.0)
    found = ia.solid_earth_tide(stack, time_of_day="23:59:30", incidence_angle=34.0, heading=-12.0)
    lon, lat = np.meshgrid(WIDE.x, WIDE.y)
    inc, azimuth = np.radians(34.0), np.radians(-12.0 - 90.0)  # from ground to satellite: left of the flight
    look = np.sin(inc) * np.sin(azimuth), np.sin(inc) * np.cos(azimuth), np.cos(inc)
    for time, plane in zip(stack.insar.network.times, found.values, strict=True):
        east, north, up = solid_earth_tide(time + np.timedelta64(86370, "s"), lat, lon)
        np.testing.assert_allclose(plane, look[0] * east + look[1] * north + look[2] * up, atol=1e-5, rtol=0)
    assert float(abs(found).max()) > 0.02


def test_ground_that_rises_moves_toward_the_satellite():
    stack = stack_of(nearest(3, 2))
    down = ia.solid_earth_tide(stack, time_of_day="14:07:44", incidence_angle=2.01, heading=0.0)
    grid = stack.insar.grid
    lon, lat = grid.lonlat(10, 15)
    time = stack.insar.network.times[1] + np.timedelta64(14 * 3600 + 7 * 60 + 44, "s")
    up = solid_earth_tide(time, np.array(lat), np.array(lon))[2]
    assert float(down[1, 10, 15]) == pytest.approx(float(up), abs=0.005)
    assert abs(float(up)) > 0.02


def test_the_vector_of_the_data_is_used():
    stack = stack_of(nearest(3, 2))
    zero = stack.unwrapped_phase[0].drop_vars("pair") * 0
    seen = stack.assign(los_east=zero, los_north=zero, los_up=zero.fillna(0) + 1)
    vertical = ia.solid_earth_tide(seen.fillna({"los_east": 0, "los_north": 0}), time_of_day="14:07")
    slanted = ia.solid_earth_tide(seen, time_of_day="14:07", incidence_angle=40.0, heading=-12)
    assert float(abs(vertical - slanted).max()) > 0.005
    other = ia.solid_earth_tide(seen, time_of_day="14:07", incidence_angle=40.0, heading=-12, look="left")
    mirrored = ia.solid_earth_tide(seen, time_of_day="14:07", incidence_angle=40.0, heading=168)
    np.testing.assert_allclose(other, mirrored, atol=1e-7)
    assert float(abs(other - slanted).max()) > 0.001


def test_hours_of_the_data_count():
    network = nearest(3, 2)
    stack = stack_of(network)
    hours = {name: stack[name] + np.timedelta64(6 * 3600, "s") for name in ("reference_time", "secondary_time")}
    timed = stack.assign_coords(hours)
    kwargs = {"incidence_angle": 35.0, "heading": -13.0}
    np.testing.assert_array_equal(
        ia.solid_earth_tide(timed, **kwargs), ia.solid_earth_tide(stack, time_of_day="06:00", **kwargs)
    )


def test_a_series_has_its_reference_date_too():
    series = ia.invert(stack_of(nearest(4, 2)), reference=(5, 5))
    part = series.isel(time=slice(2, None))
    tide = ia.solid_earth_tide(part, time_of_day="06:00", incidence_angle=35.0, heading=-13.0)
    assert tide.sizes["time"] == 3
    assert ia.correct(part, tide).sizes["time"] == 2


REFUSED = {
    "no hour": ({}, "time_of_day: 2020-01-01 has none in the data; give that of the acquisitions in UTC"),
    "no such hour": ({"time_of_day": "25:00"}, "time_of_day: '25:00' is not a time such as"),
    "no line of sight": ({"time_of_day": "06:00"}, "the data have no line of sight"),
    "no incidence": ({"time_of_day": "06:00", "heading": -13}, "there is no incidence_angle"),
    "radians": ({"time_of_day": "06:00", "heading": -13, "incidence_angle": 0.6}, "give degrees from the vertical"),
    "no heading": (
        {"time_of_day": "06:00", "heading": 900.0, "incidence_angle": 35.0},
        "heading: 900.0 is no direction",
    ),
    "no side": ({"time_of_day": "06:00", "heading": 9.0, "incidence_angle": 35.0, "look": "up"}, "look: 'up' is not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    given, message = REFUSED[name]
    with pytest.raises(InsarrayError) as refusal:
        ia.solid_earth_tide(stack_of(nearest(3, 2)), **given)
    assert message in str(refusal.value)


def test_radar_coordinates_without_maps_are_refused():
    stack = stack_of(nearest(3, 2), grid=Grid(20, 30))
    with pytest.raises(InsarrayError, match=r"data: have no CRS \(radar coordinates\) and no map latitude"):
        ia.solid_earth_tide(stack, time_of_day="06:00", incidence_angle=35.0, heading=-13)
