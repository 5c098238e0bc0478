"""Stations in other units, orders and kinds of dates give the same numbers in every product, or are refused in one line."""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import StackError
from insarray.model.units import factor_to
from insarray.products.gnss.given import require_stations
from tests.components import track
from tests.products.test_compare_gnss import series, stations
from tests.products.test_tie_to_gnss import HERE, at_stations

NAMES = ("east", "north", "up")


@functools.cache
def daily():
    return stations(noise=0.001)[0].isel(time=slice(0, None, 2))


@functools.cache
def seen():
    return series(stations()[1], noise=0.002)


@functools.cache
def velocity():
    return track("ascending", noise=0.001, missing=0)


@functools.cache
def halves():
    return {"left": velocity().isel(x=slice(0, 90)), "right": velocity().isel(x=slice(60, None))}


def arrows(gnss):
    components = xr.Dataset({f"velocity_{name}": velocity().velocity for name in NAMES}, attrs=velocity().attrs)
    drawn = ia.plot.components(components, gnss=gnss).collections[-1]
    plt.close("all")
    return xr.Dataset(
        {"east": ("arrow", np.sort(np.asarray(drawn.U))), "north": ("arrow", np.sort(np.asarray(drawn.V)))}
    )


def profile(gnss):
    components = xr.Dataset({"velocity_east": velocity().velocity}, attrs=velocity().attrs)
    ax = ia.plot.gnss_profile(components, HERE.lonlat(70, 10), HERE.lonlat(70, 150), width=20_000.0, gnss=gnss)
    bars = ax.containers[0]
    found = xr.Dataset({"value": ("station", np.sort(bars[0].get_ydata()))})
    found["length"] = "station", np.sort([np.ptp(one[:, 1]) for one in bars[2][0].get_segments()])
    plt.close("all")
    return found


OF_POSITIONS = {
    "compare_gnss": lambda gnss: ia.compare_gnss(seen(), gnss, days=1),
    "tie_to_gnss": lambda gnss: ia.tie_to_gnss(seen(), gnss, surface="offset", days=1),
}
OF_VELOCITIES = {
    "tie_to_gnss": lambda gnss: ia.tie_to_gnss(velocity(), gnss, surface="plane"),
    "validate": lambda gnss: ia.validate(velocity(), gnss, distances=(0.1, 5, 10, 20)),
    "merge_tracks": lambda gnss: ia.merge_tracks(halves(), gnss=gnss, surface="offset"),
    "plot.components": arrows,
    "plot.gnss_profile": profile,
}


def of_motion(name):
    return not name.startswith("correlation")


def scaled(gnss, factor, units):
    """Layers of motion in another unit."""
    return gnss.assign({n: (v / factor).assign_attrs(units=units) for n, v in gnss.data_vars.items() if of_motion(n)})


SAME = {
    "mm": lambda g, end: scaled(g, 1e-3, f"mm{end}"),
    "centimetres": lambda g, end: scaled(g, 1e-2, f"Centimetres{end}"),
    "metres": lambda g, end: scaled(g, 1.0, f"metres{end}"),
    "one layer in mm": lambda g, end: g.assign({n: scaled(g, 1e-3, f"mm{end}")[n] for n in list(g.data_vars)[1:2]}),
    "stations turned": lambda g, end: g.isel(station=slice(None, None, -1)),
    "places as layers": lambda g, end: g.reset_coords(["longitude", "latitude"]),
    "lazy": lambda g, end: g.chunk(station=1),
    "float32 in mm, lazy": lambda g, end: scaled(g, 1e-3, f"mm{end}").astype("f4").chunk(),
    "std of one number": lambda g, end: g.assign(
        {n: v.max() for n, v in g.data_vars.items() if str(n).endswith("_std")}
    ),
}
SAME_DATES = {
    "transposed": lambda g: g.transpose("time", "station"),
    "one layer transposed": lambda g: g.assign(up=g.up.transpose("time", "station")),
    "dates turned": lambda g: g.isel(time=slice(None, None, -1)),
    "dates shuffled": lambda g: g.isel(time=np.random.default_rng(0).permutation(g.sizes["time"])),
    "dates as text": lambda g: g.assign_coords(time=g.time.dt.strftime("%Y%m%d").values),
    "std of stations": lambda g: g.assign(up_std=g.up_std.isel(time=0, drop=True)),
    "as many as dates": lambda g: g.transpose("time", "station"),
}


def require_same(found, right):
    if "station" in right.indexes and "station" in found.indexes:
        found = found.reindex(station=right.station)
    for name, layer in right.data_vars.items():
        np.testing.assert_allclose(found[name].transpose(*layer.dims), layer, rtol=2e-5, atol=2e-7, err_msg=str(name))


def entered(gnss, prefix=""):
    return require_stations(gnss, tuple(f"{prefix}{name}" for name in NAMES), "a test")


@pytest.mark.parametrize("change", [*SAME, *SAME_DATES])
def test_positions_in_another_form_are_the_same(change):
    gnss = daily().isel(time=slice(0, 4)) if change == "as many as dates" else daily()
    found = entered(SAME[change](gnss, "") if change in SAME else SAME_DATES[change](gnss))
    assert {layer.dims for layer in found.data_vars.values()} == {("station", "time")}
    require_same(found, gnss)
    assert (found.time == gnss.time).all()
    assert {layer.attrs.get("units", "m") for layer in found.data_vars.values()} <= {"m", "metres"}


@pytest.mark.parametrize("change", SAME)
def test_velocities_in_another_form_are_the_same(change):
    found = entered(SAME[change](at_stations(), " / yr"), "velocity_")
    assert {layer.dims for layer in found.data_vars.values()} == {("station",)}
    require_same(found, at_stations())


@pytest.mark.parametrize("product", OF_POSITIONS)
def test_products_take_positions_in_another_form(product):
    make = OF_POSITIONS[product]
    other = scaled(daily(), 1e-3, "mm").transpose("time", "station").isel(time=slice(None, None, -1))
    require_same(make(other), make(daily()))


@pytest.mark.parametrize("product", OF_VELOCITIES)
def test_products_take_velocities_in_another_form(product):
    make, gnss = OF_VELOCITIES[product], at_stations(noise=0.0005)
    require_same(make(scaled(gnss, 1e-3, "mm/yr").isel(station=slice(None, None, -1))), make(gnss))


@pytest.mark.parametrize(
    ("unit", "stated", "factor"),
    [
        ("m", "m", 1.0),
        ("m", " Millimeters ", 1e-3),
        ("m", "cm", 1e-2),
        ("m", "m/yr", None),
        ("m", "km", None),
        ("m", "", None),
        ("m/year", "mm/yr", 1e-3),
        ("m/year", "mm yr^-1", 1e-3),
        ("m/year", "m a-1", 1.0),
        ("m/year", "cm/a", 1e-2),
        ("m/year", "mm", None),
        ("m/year", "mm/day", None),
        ("m/year", "/yr", None),
    ],
)
def test_units_that_are_written_otherwise(unit, stated, factor):
    assert factor_to(unit, stated) == factor


REFUSED = {
    "unknown unit": (lambda g: scaled(g, 1.0, "feet"), "is in 'feet', which is not known as m"),
    "no unit of length": (lambda g: scaled(g, 1.0, "1"), "is in '1', which is not known as m"),
    "empty": (lambda g: g.isel(station=slice(0, 0)), "gnss: has no station"),
    "a station twice": (lambda g: g.isel(station=[0, 1, 0]), "more than once; keep one of them"),
    "no place": (lambda g: g.assign_coords(longitude=g.longitude * np.nan), "has the longitude nan"),
    "places exchanged": (
        lambda g: g.assign_coords(longitude=g.latitude, latitude=g.longitude),
        "has the latitude -10.*expected -90 to 90 degrees",
    ),
    "places in radians": (
        lambda g: g.assign_coords(latitude=np.radians(g.latitude).assign_attrs(units="radians")),
        "its latitude is in 'radians'; convert it to degrees",
    ),
    "places as text": (lambda g: g.assign_coords(latitude=g.latitude.astype(str)), "its latitude is <U"),
    "values as text": (lambda g: g.map(lambda layer: layer.astype(str)), "not numbers"),
    "complex": (lambda g: g.map(lambda layer: layer + 0j), "not numbers"),
    "another dimension": (lambda g: g.expand_dims(solution=2), "has the dimensions"),
}
REFUSED_DATES = {
    "a date twice": (
        lambda g: g.isel(time=[0, *range(g.sizes["time"])]),
        r"the date 20191220 more than once.*drop_dup",
    ),
    "numbers": (lambda g: g.assign_coords(time=np.arange(g.sizes["time"])), "dimension time has no dates"),
    "no coordinate": (lambda g: g.drop_vars("time"), "dimension time has no dates"),
    "not a time": (lambda g: g.assign_coords(time=g.time.where(g.time > g.time[0])), "dimension time has no dates"),
    "no text of a date": (
        lambda g: g.assign_coords(time=[f"d{k}" for k in range(g.sizes["time"])]),
        "'d0' is not a date",
    ),
    "no date": (lambda g: g.isel(time=slice(0, 0)), "gnss: has no date"),
}


def refused(make, gnss, message):
    with pytest.raises(StackError, match=message) as error:
        make(gnss)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [*REFUSED, *REFUSED_DATES])
def test_positions_that_cannot_be_are_refused(change):
    form, message = (REFUSED | REFUSED_DATES)[change]
    refused(entered, form(daily()), message)


@pytest.mark.parametrize("product", OF_POSITIONS)
@pytest.mark.parametrize("change", ["unknown unit", "a date twice"])
def test_products_refuse_positions_that_cannot_be(product, change):
    form, message = (REFUSED | REFUSED_DATES)[change]
    refused(OF_POSITIONS[product], form(daily()), message)


@pytest.mark.parametrize("product", OF_VELOCITIES)
@pytest.mark.parametrize("change", ["unknown unit", "a station twice"])
def test_products_refuse_velocities_that_cannot_be(product, change):
    form, message = REFUSED[change]
    refused(OF_VELOCITIES[product], form(at_stations()), message)


def test_the_stations_of_open_gnss_are_as_they_are():
    gnss = daily()
    found = entered(gnss)
    xr.testing.assert_identical(found, gnss)
