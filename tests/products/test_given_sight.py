"""A line of sight that is turned, of another length, or given by angles that cannot be is refused by every product that uses it."""

import functools

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import InsarrayError
from tests.components import GRIDS, PARTS, lazily, track, vectors
from tests.products.test_compare_gnss import series, stations
from tests.products.test_tie_to_gnss import at_stations


@functools.cache
def velocity():
    return track("ascending", noise=0.001, missing=0).isel(y=slice(0, 60), x=slice(0, 80))


@functools.cache
def dated():
    return series(stations()[1], noise=0.002).isel(time=slice(0, 3))


def frames(data):
    return {"one": velocity().isel(x=slice(0, 50)), "other": data.isel(x=slice(30, None))}


USERS = {
    "plate_motion": lambda v, s: ia.plate_motion(v, plate="Eurasia"),
    "change_frame": lambda v, s: ia.change_frame(v, plate="Eurasia"),
    "change_frame of a series": lambda v, s: ia.change_frame(s, plate="Eurasia"),
    "decompose": lambda v, s: ia.decompose([v, v], north="zero", max_dilution=1e9),
    "merge_tracks": lambda v, s: ia.merge_tracks(frames(v)),
    "validate": lambda v, s: ia.validate(v, at_stations(40), distances=(0.1, 10)),
    "tie_to_gnss": lambda v, s: ia.tie_to_gnss(v, at_stations(40), surface="offset"),
    "compare_gnss": lambda v, s: ia.compare_gnss(s, stations()[0]),
    "solid_earth_tide": lambda v, s: ia.solid_earth_tide(s, time_of_day="14:07"),
}
WRONG = {
    "turned": (lambda los: -los, "points down: turn it|los_up holds -"),
    "zero": (lambda los: 0 * los, "is no unit vector"),
    "of another length": (lambda los: 1000 * los, "is no unit vector|los_up holds"),
    "in degrees": (lambda los: 0 * los + 38.0, "is no unit vector|los_up holds"),
}


@pytest.mark.parametrize("wrong", ["turned", "zero"])
@pytest.mark.parametrize("product", USERS)
def test_products_refuse_a_wrong_line_of_sight(product, wrong):
    change, message = WRONG[wrong]
    v, s = (data.assign({name: change(data[name]) for name in PARTS}) for data in (velocity(), dated()))
    with pytest.raises(InsarrayError, match=message) as error:
        USERS[product](v, s)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("lazy", [False, True])
def test_of_one_block_alone_too(wrong, lazy):
    change, message = WRONG[wrong]
    here = velocity().y > velocity().y[50]
    v = velocity().assign({name: velocity()[name].where(here, change(velocity()[name])) for name in PARTS})
    with pytest.raises(InsarrayError, match=message):
        ia.plate_motion(lazily(v, 30) if lazy else v, plate="Eurasia").compute()


def test_no_data_is_no_wrong_vector():
    here = velocity().y > velocity().y[50]
    motion = ia.plate_motion(velocity().assign({n: velocity()[n].where(here) for n in PARTS}), plate="Eurasia")
    assert (motion.plate_velocity.notnull() == here).all()


# -- made by line_of_sight ------------------------------------------------------------------------------------------


def plain():
    return velocity().drop_vars(PARTS)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_of_a_dataset_it_points_up(sign, lazy):
    source = xr.Dataset({name: sign * velocity()[name] for name in PARTS})
    found = ia.line_of_sight(plain(), lazily(source, 40) if lazy else source)
    for name in PARTS:
        np.testing.assert_array_equal(found[name], velocity()[name])
        assert found[name].attrs["units"] == "1"
    assert not found.chunks


@pytest.mark.parametrize("wrong", ["zero", "of another length", "in degrees"])
def test_a_dataset_of_something_else_is_refused(wrong):
    source = xr.Dataset({name: WRONG[wrong][0](velocity()[name]) for name in PARTS})
    with pytest.raises(InsarrayError, match=r"source: its line of sight .* is no unit vector"):
        ia.line_of_sight(plain(), source)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_map_of_the_incidence_angle(lazy):
    grid = GRIDS["ascending"]
    los = vectors("ascending", grid)[:, :60, :80]
    angle = xr.full_like(plain().velocity, 0.0).copy(data=np.degrees(np.arccos(los[2]))).drop_attrs()
    data = lazily(plain(), 30) if lazy else plain()
    found = ia.line_of_sight(data, incidence_angle=angle.isel(y=slice(None, None, -1)), heading=-12.0)
    assert bool(found.chunks) == lazy
    np.testing.assert_allclose(np.stack([found[name] for name in PARTS]), los, atol=2e-6)
    assert found.los_up.dtype == np.float32


@pytest.mark.parametrize("kind", [np.float32, np.array, int, np.int64, xr.DataArray])
def test_numbers_of_any_kind(kind):
    found = ia.line_of_sight(plain(), incidence_angle=kind(38), heading=kind(-12))
    right = ia.line_of_sight(plain(), incidence_angle=38.0, heading=-12.0)
    xr.testing.assert_identical(found, right)


BAD_ANGLES = {
    "radians": ({"incidence_angle": 0.61}, "incidence_angle: 0.61 is not between 2 and 90; give degrees"),
    "a map in radians": (
        {"incidence_angle": 0.61 + 0 * track("ascending").velocity.isel(y=slice(0, 60), x=slice(0, 80)).fillna(0)},
        "incidence_angle: holds 0.61, which is not between 2 and 90",
    ),
    "a map of other pixels": ({"incidence_angle": np.full((3, 3), 35.0)}, "incidence_angle"),
    "text": ({"incidence_angle": "steep"}, "incidence_angle: 'steep' is not a number or a map"),
    "NaN": ({"incidence_angle": np.nan}, "incidence_angle: nan is not between"),
    "a list of headings": ({"heading": [1.0, 2.0]}, "heading: has more than one value"),
    "text of a heading": ({"heading": "north"}, "heading: 'north' is no direction of flight"),
    "NaN of a heading": ({"heading": np.nan}, "heading: nan is no direction of flight"),
}


@pytest.mark.parametrize("name", BAD_ANGLES)
def test_angles_that_cannot_be(name):
    options, message = BAD_ANGLES[name]
    for make in (
        lambda **how: ia.line_of_sight(plain(), **how),
        lambda **how: ia.solid_earth_tide(dated(), time_of_day="14:07", **how).compute(),
    ):
        with pytest.raises(InsarrayError, match=message) as error:
            make(**({"incidence_angle": 38.0, "heading": -12.0} | options))
        assert "\n" not in str(error.value)
        if "map" in name:  # of the pixels of the velocity
            break
