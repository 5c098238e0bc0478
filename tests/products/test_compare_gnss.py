"""`compare_gnss`: what it finds of simulated stations, against sums written out; Kilauea against an answer of others."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from insarray.products.gnss.compare import table, without_offsets
from insarray.products.gnss.stations import along
from tests.components import line_of_sight

GRID = Grid(60, 80, 500_000.0, 4_100_000.0, 90.0, -90.0, "EPSG:32613")
TIMES = np.datetime64("2020-01-03T12:00", "s") + np.arange(12) * np.timedelta64(12, "D")
PLACES = {"AAAA": (10, 12), "BBBB": (30, 40), "CCCC": (50, 70), "DDDD": (5, 60)}
LOS = np.array(line_of_sight(39.0, -12.0, "right"))


def stations(*, noise=0.0, seed=0, std=0.002):
    """East, north, up (3, station, day) of 200 days, with a trend that differs, and offsets of their own."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2019-12-20", "D") + np.arange(200)
    years = (days - TIMES[0].astype("datetime64[D]")).astype(float) / 365.25
    rate = rng.normal(0, 0.03, (3, len(PLACES), 1))
    motion = rate * years + rng.normal(0, 1, (3, len(PLACES), 1)) + rng.normal(0, noise, (3, len(PLACES), len(days)))
    lonlat = np.array([GRID.lonlat(*place) for place in PLACES.values()])
    layers = {name: (("station", "time"), values) for name, values in zip(("east", "north", "up"), motion, strict=True)}
    layers |= {f"{name}_std": (("station", "time"), np.full(motion.shape[1:], std)) for name in ("east", "north", "up")}
    coords = {"station": list(PLACES), "time": days.astype("datetime64[ns]")}
    coords |= {"longitude": ("station", lonlat[:, 0]), "latitude": ("station", lonlat[:, 1])}
    return xr.Dataset(layers, coords), rate


def series(rate, *, noise=0.0, seed=1):
    """What the satellite sees of the stations, each with the pixels about it, and an offset of every date."""
    rng = np.random.default_rng(seed)
    values = np.full((len(TIMES), *GRID.shape), np.nan, "f4")
    years = (TIMES - TIMES[0]) / np.timedelta64(1, "D") / 365.25
    for k, (row, col) in enumerate(PLACES.values()):
        moved = np.einsum("a,a->", LOS, rate[:, k, 0]) * years
        values[:, row - 2 : row + 3, col - 2 : col + 3] = moved[:, None, None]
    values += rng.normal(0, 0.05, (len(TIMES), 1, 1)) + rng.normal(0, noise, values.shape)
    los = {
        name: (("y", "x"), np.full(GRID.shape, v, "f4"))
        for name, v in zip(("los_east", "los_north", "los_up"), LOS, strict=True)
    }
    return xr.Dataset(
        {"displacement": (("time", "y", "x"), values), **los},
        {**grid_coords(GRID), "time": TIMES.astype("datetime64[ns]")},
    )


def test_nothing_is_left_where_both_say_the_same_whatever_their_references():
    gnss, rate = stations()
    found = ia.compare_gnss(series(rate), gnss)
    assert found.attrs["rms"] < 1e-6
    assert float(found.correlation_of_station.min()) > 0.999
    assert (found.number_of_dates == len(TIMES)).all()
    opposite = series(rate)
    for name in ("los_east", "los_north"):
        opposite[name] = -opposite[name]
    assert ia.compare_gnss(opposite, gnss).attrs["rms"] > 1e-3  # a satellite in the east sees something else


def test_noise_is_found_as_large_as_it_is():
    gnss, rate = stations()
    found = ia.compare_gnss(series(rate, noise=0.004), gnss)
    assert found.attrs["standard_deviation"] == pytest.approx(0.004, rel=0.25)
    difference = found.difference.values
    np.testing.assert_allclose(found.rms_of_station, np.sqrt((difference**2).mean(axis=1)))
    np.testing.assert_allclose(found.rms_of_date, np.sqrt((difference**2).mean(axis=0)))
    np.testing.assert_allclose(found.attrs["rms"], np.sqrt((difference**2).mean()))
    np.testing.assert_allclose(difference.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(difference.mean(axis=1), 0, atol=1e-9)
    freedom = difference.size - len(PLACES) - len(TIMES) + 1
    np.testing.assert_allclose(found.attrs["standard_deviation"], np.sqrt((difference**2).sum() / freedom))
    years = (TIMES - TIMES[0]) / np.timedelta64(1, "D") / 365.25
    np.testing.assert_allclose(found.trend_of_station, np.polyfit(years, difference.T, 1)[0], atol=1e-9)
    inside = found.displacement - found.gnss_displacement - found.offset_of_station - found.offset_of_date
    np.testing.assert_allclose(inside.transpose(*found.difference.dims), difference, atol=1e-9)


def test_offsets_with_gaps_are_those_of_least_squares():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(5, 9))
    values[rng.random(values.shape) < 0.3] = np.nan
    left, _, _ = without_offsets(values)
    rows, cols = np.nonzero(np.isfinite(values))
    design = np.zeros((len(rows), 14))
    design[np.arange(len(rows)), rows] = design[np.arange(len(rows)), 5 + cols] = 1
    solution = np.linalg.lstsq(design, values[rows, cols], rcond=None)[0]
    np.testing.assert_allclose(left[rows, cols], values[rows, cols] - design @ solution, atol=1e-8)
    assert np.isnan(left[np.isnan(values)]).all()


def test_against_one_station():
    gnss, rate = stations()
    found = ia.compare_gnss(series(rate, noise=0.004), gnss, reference="BBBB")
    np.testing.assert_allclose(found.difference.sel(station="BBBB"), 0, atol=1e-9)
    plain = (found.displacement - found.gnss_displacement).transpose("station", "time")
    expected = plain - plain.sel(station="BBBB", drop=True)
    np.testing.assert_allclose(found.difference, expected - expected.mean("time"), atol=1e-9)
    assert found.attrs["reference_station"] == "BBBB"
    assert int(found.number_of_stations[0]) == 3


def test_pixels_about_a_station():
    gnss, rate = stations()
    data = series(rate, noise=0.004)
    row, col = PLACES["AAAA"]
    data["displacement"][:, row, col] = np.nan
    assert "AAAA" not in ia.compare_gnss(data, gnss).station
    near = ia.compare_gnss(data, gnss, radius=100.0)
    assert int(near.number_of_pixels[0]) == 1
    assert float(near.distance[0]) == pytest.approx(90, abs=1)
    assert float(near.distance[1]) == 0
    data["displacement"][2:, row - 1 : row + 2, col - 1] = np.nan
    data["displacement"][2:, row - 1 : row + 2, col] = np.nan
    longest = ia.compare_gnss(data, gnss, radius=140.0)
    assert int(longest.number_of_dates[0]) == len(TIMES)  # the pixel with most dates, not the nearest
    for at in ("mean", "median"):
        wide = ia.compare_gnss(data, gnss, radius=140.0, at=at)
        assert int(wide.number_of_pixels[1]) == 9
        row, col = PLACES["BBBB"]
        block = data.displacement.values[:, row - 1 : row + 2, col - 1 : col + 2].reshape(len(TIMES), -1)
        np.testing.assert_allclose(wide.displacement[1], getattr(np, at)(block.astype(float), axis=1), rtol=1e-6)


def test_days_about_a_date_are_averaged():
    gnss, rate = stations(noise=0.003)
    data = series(rate)
    one, many = (ia.compare_gnss(data, gnss, days=n) for n in (0, 4))
    assert many.attrs["rms"] < 0.6 * one.attrs["rms"]
    np.testing.assert_allclose(many.gnss_displacement_std / one.gnss_displacement_std, 1 / 3)
    day = np.datetime64("2020-01-15")
    gap = gnss.where(gnss.time != day)
    assert np.isnan(ia.compare_gnss(data, gap).difference[:, 1]).all()
    assert np.isfinite(ia.compare_gnss(data, gap, days=1).difference[:, 1]).all()
    near = gnss.sel(time=slice("2020-01-11", "2020-01-19"))
    moved = sum(v * near[n] for n, v in zip(("east", "north", "up"), LOS, strict=True)).mean("time")
    np.testing.assert_allclose(many.gnss_displacement[:, 1], moved, rtol=1e-6)


def test_the_covariance_along_the_line_of_sight():
    gnss, _ = stations()
    pairs = {"correlation_east_north": 0.5, "correlation_east_up": -0.3, "correlation_north_up": 0.2}
    gnss = gnss.assign({name: xr.full_like(gnss.east, value) for name, value in pairs.items()})
    gnss["up_std"] = 3 * gnss["up_std"]
    std = np.array([0.002, 0.002, 0.006])
    matrix = np.array([[1, 0.5, -0.3], [0.5, 1, 0.2], [-0.3, 0.2, 1]]) * np.outer(std, std)
    _, found = along(np.repeat(LOS[:, None], 4, axis=1), gnss)
    np.testing.assert_allclose(found, np.sqrt(LOS @ matrix @ LOS))


def test_stored_lazily_and_turned_round():
    gnss, rate = stations()
    data = series(rate, noise=0.004)
    expected = ia.compare_gnss(data, gnss)
    lazy = data.chunk(time=3, y=17, x=23).isel(time=slice(None, None, -1), y=slice(None, None, -1))
    xr.testing.assert_allclose(
        ia.compare_gnss(lazy, gnss.isel(station=slice(None, None, -1))).sortby("station"), expected
    )


def test_the_table_has_every_station_and_date():
    gnss, rate = stations()
    found = ia.compare_gnss(series(rate, noise=0.004), gnss)
    text = table(found)
    for name in PLACES:
        assert f"\n{name} " in text
    assert "\n20200115T120000 " in text
    assert f"{1e3 * found.attrs['rms']:.2f} mm" in text


def bad(change):
    gnss, rate = stations()
    return change(series(rate), gnss)


REFUSED = {
    "no line of sight": (lambda s, g: (s.drop_vars("los_up"), g), {}, "series: has no los_up"),
    "no stations": (lambda s, g: (s, s), {}, "gnss: has no stations with longitude"),
    "no dataset": (lambda s, g: (s, "a.tenv3"), {}, "gnss: is a str"),
    "velocities": (
        lambda s, g: (s, g.mean("time").rename(east="velocity_east")), {}, "gnss: has no east, which a comparison",
    ),
    "stations elsewhere": (
        lambda s, g: (s, g.assign_coords(longitude=g.longitude + 5)), {}, "none of 4 stations is on the grid of the data",
    ),
    "other dates": (
        lambda s, g: (s, g.assign_coords(time=g.time + np.timedelta64(5000, "D"))), {}, "0 of 4 stations have two dates",
    ),
    "one date": (lambda s, g: (s.isel(time=[0]), g), {}, "0 of 4 stations have two dates"),
    "no such station": (lambda s, g: (s, g), {"reference": "ZZZZ"}, "reference: station 'ZZZZ' is not among"),
    "radius": (lambda s, g: (s, g), {"radius": -1}, "radius: -1 is not a distance"),
    "at": (lambda s, g: (s, g), {"at": "all"}, "at: 'all' is not one of nearest, mean, median"),
    "days": (lambda s, g: (s, g), {"days": 0.5}, "days: 0.5 is not a whole number"),
    "downward": (lambda s, g: (s.assign(los_up=-s.los_up), g), {}, "its line of sight .* points down: turn it"),
    "no CRS": (lambda s, g: (s.drop_vars("spatial_ref"), g), {}, "no CRS"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    change, options, message = REFUSED[name]
    with pytest.raises(InsarrayError, match=message) as error:
        ia.compare_gnss(*bad(change), **options)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ArgumentError | StackError)


# -- Kilauea --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kilauea(shared):
    folder = shared / "data/kilauea_gnss"
    stack = ia.open_stack(str(folder / "displacement_*.tif"), wavelength=0.0554658, sign="toward")
    series = ia.invert(stack, reference=None)
    series = series.assign(ia.line_of_sight(series, folder / "hawaii_los_enu.tif"))
    return series, ia.open_gnss(folder / "stations_tenv3.zip", start="2016-07-11", end="2016-10-01")


def test_the_projection_is_that_of_geepers(kilauea, shared):
    """HLNA on 2016-07-23 less the mean of solutions from then on.

    Of ten: 0.0127341801257807 m (test_core.py, commit 650e437); up to 2016-09-21, the last date of the series:
    0.0092162717033488 m (test_workflows.py, commit 0ca13db). The 0.0010796103 m of its later versions is of smoothed
    positions. Its table of stations puts HLNA into the pixel west of the one that its coordinates in tenv3 are in.
    """
    import rasterio

    _, gnss = kilauea
    one = gnss.sel(station=["HLNA"], time=slice("2016-07-23", None))
    with rasterio.open(shared / "data/kilauea_gnss/hawaii_los_enu.tif") as file:
        east, north = 257_240.0, 2_134_901.5  # its centre
        vector = next(iter(file.sample([(east - 600.0, north)])))
    motion = along(vector[:, None].astype(float), one)[0][0]
    known = motion[np.isfinite(motion)]
    assert known[0] - known[:10].mean() == pytest.approx(0.0127341801257807, abs=1e-7)
    until = motion[one.time.values <= np.datetime64("2016-09-21")]
    until = until[np.isfinite(until)]
    assert until[0] - until.mean() == pytest.approx(0.0092162717033488, abs=1e-10)


def test_kilauea(kilauea):
    found = ia.compare_gnss(*kilauea, radius=100.0, at="mean")
    assert list(found.station.values) == ["AHUP", "CNPK", "CRIM", "HLNA", "KOSM", "MANE", "OUTL"]
    assert (found.number_of_dates == 6).all()
    assert 0.004 < found.attrs["standard_deviation"] < 0.015  # the atmosphere of an island
    step = found.gnss_displacement.sel(station="HLNA")
    assert float(step[1] - step[0]) == pytest.approx(0.0093053, abs=1e-5)
