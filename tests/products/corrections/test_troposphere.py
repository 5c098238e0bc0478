"""Tropospheric delays of every kind of file: known delays, signs, hours, heights, places; ERA5 against PyAPS."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from scipy.integrate import cumulative_trapezoid

import insarray as ia
from insarray.io.corrections.pressure_levels import scan_grib
from insarray.io.corrections.source import HYDROSTATIC, WET, Bounds
from insarray.kernels.corrections.columns import at_points, located
from insarray.kernels.corrections.refractivity import zenith_delays
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError, StackWarning
from insarray.model.grid import Grid
from insarray.simulate.files import write_geotiff
from tests.io.corrections.delay_files import (
    LEVELS,
    SCALE,
    VAPOUR,
    columns,
    era5,
    gacos,
    geotiff,
    hydrostatic,
    opera,
    raider,
    wet,
)
from tests.networks import nearest
from tests.stacks import GRID, stack_of

LAT, LON = np.arange(37.75, 36.4, -0.25), np.arange(-105.75, -104.2, 0.25)
FINE_LAT, FINE_LON = np.arange(37.2, 36.9, -0.02), np.arange(-105.1, -104.9, 0.02)
INCIDENCE = 36.0
COSINE = np.cos(np.radians(INCIDENCE))
TIMES = [f"{day}T14:00:00" for day in ("2020-01-01", "2020-01-13", "2020-01-25")]
HOW = {"time_of_day": "14:07:44", "incidence_angle": INCIDENCE}


def heights(top=2500.0):
    """Heights of the pixels of the stack, from -20 m to the top."""
    values = np.linspace(-20.0, top, 600).reshape(20, 30)
    stack = stack_of()
    return xr.DataArray(values, {"y": stack.y, "x": stack.x}, ("y", "x"), attrs={"units": "m"})


def stack():
    return stack_of(nearest(3, 2), missing=0.0)


def require_delays(found, up=None, limit=2e-4):
    """The delays of the fake atmosphere in line of sight, negative."""
    up = heights() if up is None else up
    for name, delay in ((WET, wet), (HYDROSTATIC, hydrostatic)):
        expected = np.broadcast_to(-delay(up.values) / COSINE, found[name].shape)
        assert found[name].attrs["units"] == "m"
        np.testing.assert_allclose(found[name].values, expected, atol=limit, rtol=0, err_msg=name)


# -- ERA5 -----------------------------------------------------------------------------------------------------------


def test_the_integrals_are_those_of_an_atmosphere_that_is_known():
    """Closed form: to 0.05 mm, also below the lowest level, at levels, and above the highest."""
    temperature, humidity, geopotential = (f[:, 0] for f in columns(np.array([[VAPOUR, VAPOUR / 10]])))
    at = np.array([-400.0, 0.0, 130.0, 1234.0, 3000.0, 8848.0])
    found = zenith_delays(LEVELS * 100, temperature, humidity, geopotential, at)
    np.testing.assert_allclose(found.hydrostatic[:, 0], hydrostatic(at), atol=5e-5, rtol=0)
    np.testing.assert_allclose(found.wet[:, 0], wet(at), atol=5e-5, rtol=0)
    np.testing.assert_allclose(found.wet[:, 1], wet(at, VAPOUR / 10), atol=5e-5, rtol=0)


def trapezoids(height, refractivity, *, shifted):
    """Delay from each of evenly spaced heights to the highest, by trapezoids.

    `shifted`: as PyAPS 0.3.7 has it (processor.py, lines 219 to 233): the sums from below, one fewer than heights, begin at the
    second height, but are put at the first, and the last is extrapolated.
    """
    sums = cumulative_trapezoid(refractivity, height)
    sums = np.append(sums, 2 * sums[-1] - sums[-2]) if shifted else np.append(0.0, sums)
    return 1e-6 * (sums[-1] - sums)


def test_on_air_that_is_known_ours_is_right_and_that_of_pyaps_one_step_off():
    """Its delay is that of one of its own height steps (160 m) higher, to 0.1 mm: 10 mm too little at sea level. Ours is right."""
    at = np.linspace(-200.0, 48_000.0, 300)
    step = at[1] - at[0]
    refractivity = wet(at) * 1e6 / SCALE  # its integral is `wet`
    pyaps, plain = (np.interp([0.0, 1000.0], at, trapezoids(at, refractivity, shifted=s)) for s in (True, False))
    ground = np.array([0.0, 1000.0])
    np.testing.assert_allclose(pyaps, wet(ground + step), atol=2e-4)
    assert 8e-3 < wet(0.0) - pyaps[0] < 12e-3
    np.testing.assert_allclose(plain, wet(ground), atol=2e-4)
    temperature, humidity, geopotential = (f[:, 0] for f in columns(np.array([[VAPOUR]])))
    ours = zenith_delays(LEVELS * 100, temperature, humidity, geopotential, ground)
    np.testing.assert_allclose(ours.wet[:, 0], wet(ground), atol=5e-5, rtol=0)


@pytest.mark.parametrize("date", ["20101017", "20110117"])
def test_era5_is_that_of_pyaps_within_5_mm(shared, golden, date):
    """Hydrostatic delay 3 to 4 mm more: PyAPS leaves out what is above its highest level, and has 9.81 m/s^2 for gravity.

    Its wet delay is that of one of its own height steps higher (`scipy.integrate.cumtrapz` has one value less than the
    profile, and these are put at its beginning): with that shift 0.8 mm less, without it up to 12 mm more.
    """
    data, delays, step = pyaps(shared, golden, date)
    assert np.abs(delays(HYDROSTATIC) - data[f"{date}_dry"]).max() < 5e-3
    assert np.abs(delays(WET, step) - data[f"{date}_wet"]).max() < 2e-3
    total = delays(HYDROSTATIC) + delays(WET, step)
    assert np.abs(total - data[f"{date}_comb"]).max() < 5e-3
    slant = total / np.cos(np.radians(data["inc"].astype(float)))
    assert np.abs(slant - data[f"{date}_los"]).max() < 7e-3
    if date == "20101017":  # a humid day: without the shift it is not met, by what that step of its air delays
        assert 5e-3 < np.abs(delays(WET) - data[f"{date}_wet"]).max() < 13e-3


def test_the_difference_of_two_dates_is_that_of_pyaps_within_a_millimetre(shared, golden):
    first, of_first, step_first = pyaps(shared, golden, "20101017")
    _, of_second, step_second = pyaps(shared, golden, "20110117")
    ours = of_second(HYDROSTATIC) + of_second(WET, step_second) - of_first(HYDROSTATIC) - of_first(WET, step_first)
    error = ours - (first["20110117_comb"].astype(float) - first["20101017_comb"])
    assert np.sqrt((error**2).mean()) < 0.5e-3  # 1 mm is what is asked for
    assert np.abs(error).max() < 1e-3
    assert first["20110117_comb"].std() > 0.01


def pyaps(shared, golden, date):
    """Its answers, a function of our delays at its pixels, and its step of height."""
    data = np.load(golden / "corrections/era5_zenith_delay_kyushu.npz")
    lat, lon, dem = (data[name].astype(float) for name in ("lat", "lon", "dem"))
    (file,) = scan_grib(shared / f"data/kyushu_era5/ERA5_N30_N40_E120_E140_{date}_14.grb")
    assert str(file.time) == f"{date[:4]}-{date[4:6]}-{date[6:]}T14:00:00"
    found = file.read(Bounds(lat.min(), lat.max(), lon.min(), lon.max()), 2000.0)

    def delays(name, shift=0.0):
        points = located(found.heights, (found.lat, found.lon), lat, lon, dem + shift)
        return at_points(found.values[name], points)

    return data, delays, (48_000 + 200) / 299


@pytest.mark.parametrize("old", [False, True])
def test_era5_as_netcdf(tmp_path, old):
    path = era5(tmp_path / "era5.nc", LAT, LON, TIMES, old=old)
    found = ia.troposphere(stack(), path, dem=heights(), **HOW)
    require_delays(found)
    assert found[WET].attrs["source"] == "ERA5 pressure levels (1 files), zenith x 1 / cos(incidence)"
    assert found[WET].attrs["heights_above"] == "geoid"


def test_longitudes_from_0_to_360(tmp_path):
    require_delays(ia.troposphere(stack(), era5(tmp_path / "e.nc", LAT, LON + 360, TIMES), dem=heights(), **HOW))


def test_a_delay_moves_the_ground_away_and_correcting_takes_it_out(tmp_path):
    """More vapour at one date is a longer path: positive phase of pairs that end there; corrected, it is gone."""
    pairs = stack()
    for time, vapour in zip(TIMES, (600.0, 1800.0, 900.0), strict=True):
        era5(tmp_path / f"{time[:10]}.nc", LAT, LON, [time], vapour)
    found = ia.troposphere(pairs, tmp_path / "*.nc", dem=heights(), **HOW)
    phase = (
        4 * np.pi / pairs.attrs["wavelength"] * (wet(heights().values, 1800.0) - wet(heights().values, 600.0)) / COSINE
    )
    assert phase.min() > 0
    before = pairs.unwrapped_phase.values.copy()
    pairs.unwrapped_phase.load()[0] += phase
    after = ia.correct(pairs, found[[WET]]).unwrapped_phase[0]
    np.testing.assert_allclose(after, before[0], atol=0.05)
    assert float(found[HYDROSTATIC].std("time").max()) < 1e-6


def test_humidity_that_differs_from_place_to_place(tmp_path):
    path = tmp_path / "era5.nc"
    era5(path, LAT, LON, TIMES)
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        changed = stored.load()
    changed["q"] = changed["q"] * (1 + (changed.longitude + 105) * 0.2)
    changed.to_netcdf(tmp_path / "east.nc", engine="h5netcdf")
    found = ia.troposphere(stack(), tmp_path / "east.nc", dem=heights() * 0 + 100, **HOW)[WET][0]
    lon = np.array([GRID.lonlat(10, col)[0] for col in range(30)])
    np.testing.assert_allclose(found[10], -wet(100.0) / COSINE * (1 + (lon + 105) * 0.2), rtol=3e-4)


# -- cubes of delays ------------------------------------------------------------------------------------------------

CUBE = np.concatenate([np.arange(-500, 3000, 50.0), np.arange(3000, 80001, 3500.0)])


def test_opera_between_its_hours(tmp_path):
    """Six-hourly files: linear in time, 14:07:44 is 0.355 of the way from 12 to 18 hours."""
    for day in ("2020-01-01", "2020-01-13", "2020-01-25"):
        opera(tmp_path, LAT, LON, f"{day}T12:00:00", CUBE, 0.9)
        opera(tmp_path, LAT, LON, f"{day}T18:00:00", CUBE, 1.3)
    found = ia.troposphere(stack(), tmp_path, dem=heights(), **HOW)
    share = 0.9 + 0.4 * (2 + 7 / 60 + 44 / 3600) / 6
    require_delays(found / share, limit=2e-3)
    np.testing.assert_allclose(found[WET].values[0] / share, -wet(heights().values) / COSINE, atol=2e-4)
    assert found[WET].attrs["heights_above"] == "ellipsoid"


def test_raider(tmp_path):
    for time in TIMES:
        raider(tmp_path / f"ERA5_{time[:10]}.nc", LAT, LON, time, CUBE)
    require_delays(ia.troposphere(stack(), tmp_path / "*.nc", dem=heights(), **HOW))


def test_a_cube_that_ends_below_the_summit(tmp_path):
    """A warning with both heights, NaN above, the rest as it is."""
    for time in TIMES:
        raider(tmp_path / f"{time[:10]}.nc", LAT, LON, time, np.arange(-100, 1501, 100.0))
    with pytest.warns(StackWarning, match="dem: reaches 2500 m, the levels of the files end at 1500 m"):
        found = ia.troposphere(stack(), tmp_path / "*.nc", dem=heights(), **HOW)[WET]
    above = heights().values > 1500
    assert np.isnan(found.values[:, above]).all()
    np.testing.assert_allclose(found.values[0, ~above], -wet(heights().values[~above]) / COSINE, atol=5e-4)
    write_geotiff(tmp_path / "dem.tif", heights().values.astype(np.float32), GRID, nodata=None, units="m")
    with pytest.warns(StackWarning, match=r"dem: reaches 2\d\d\d m, the levels"):
        ia.troposphere(stack(), tmp_path / "*.nc", dem=tmp_path / "dem.tif", **HOW)


# -- GACOS ----------------------------------------------------------------------------------------------------------


def ground(date):
    """Delay that rises to the north east, and from date to date."""
    lat, lon = FINE_LAT[:, None], FINE_LON[None, :]
    return 2.4 + 0.1 * (lat - 37) + 0.2 * (lon + 105) + 0.01 * (int(date[6:]) % 7)


def expected_ground(date, scale=1.0):
    lon, lat = (np.array([[GRID.lonlat(r, c)[k] for c in range(30)] for r in range(20)]) for k in (0, 1))
    return -scale * (2.4 + 0.1 * (lat - 37) + 0.2 * (lon + 105) + 0.01 * (int(date[6:]) % 7))


DAYS = ("20200101", "20200113", "20200125")
RADIAN = 4 * np.pi * 5.405e9 / 299_792_458.0
FORMS = {
    "flat": (lambda folder, day: gacos(folder, day, FINE_LAT, FINE_LON, ground(day)), 1 / COSINE, "GACOS (3 files)"),
    "GeoTIFF": (
        lambda folder, day: geotiff(folder / f"{day}.ztd.tif", FINE_LAT, FINE_LON, ground(day)),
        1 / COSINE,
        "GACOS (3 files), zenith x",
    ),
    "zenith in radians": (
        lambda folder, day: geotiff(folder / f"{day}.ztd.geo.tif", FINE_LAT, FINE_LON, ground(day) * RADIAN),
        1 / COSINE,
        "GACOS of LiCSAR (3 files), zenith x",
    ),
    "slant in radians": (
        lambda folder, day: geotiff(folder / f"{day}.sltd.geo.tif", FINE_LAT, FINE_LON, ground(day) * RADIAN),
        1.0,
        "slant GACOS of LiCSAR (3 files), slant",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_gacos(tmp_path, form):
    write, scale, source = FORMS[form]
    for day in DAYS:
        write(tmp_path, day)
    found = ia.troposphere(stack(), tmp_path, incidence_angle=INCIDENCE).troposphere
    for plane, day in zip(found.values, DAYS, strict=True):
        np.testing.assert_allclose(plane, expected_ground(day, scale), atol=2e-5, rtol=0)
    assert found.attrs["source"].startswith(source)


def test_zeros_of_gacos_are_no_data(tmp_path):
    for day in DAYS:
        values = ground(day)
        values[:, :5] = 0
        gacos(tmp_path, day, FINE_LAT, FINE_LON, values)
    found = ia.troposphere(stack(), tmp_path, incidence_angle=INCIDENCE).troposphere
    west = np.array([GRID.lonlat(0, col)[0] for col in range(30)]) < FINE_LON[5]
    assert np.isfinite(found.values[:, :, ~west]).all()
    assert np.isnan(found.values[:, :, west]).all()


# -- hours, dates, places -------------------------------------------------------------------------------------------


def test_the_wrong_hour_is_refused(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    with pytest.raises(ArgumentError) as refusal:
        ia.troposphere(stack(), path, dem=heights(), time_of_day="02:00", incidence_angle=INCIDENCE)
    assert "none for 3 of 3 times (20200101T020000, 20200113T020000, 20200125T020000)" in str(refusal.value)
    assert "the nearest to 20200101T020000 is of 20200101T140000: add files of the right hours" in str(refusal.value)
    for day in DAYS:
        gacos(tmp_path, day, FINE_LAT, FINE_LON, ground(day), time_of_day="02:15")
    with pytest.raises(ArgumentError, match="nearest to 20200101T140744 is of 20200101T021500"):
        ia.troposphere(stack(), tmp_path / "*.ztd", **HOW)
    with pytest.raises(ArgumentError, match="time_of_day: the files are of a time"):
        ia.troposphere(stack(), path, dem=heights(), incidence_angle=INCIDENCE)
    with pytest.raises(ArgumentError, match="there is none for 3 of 3 times"):
        ia.troposphere(stack(), path, dem=heights(), max_hours=0.1, **HOW)


def test_a_missing_date_is_refused_or_nan(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES[:2])
    with pytest.raises(ArgumentError, match=r"none for 1 of 3 times \(20200125T140744\)"):
        ia.troposphere(stack(), path, dem=heights(), **HOW)
    found = ia.troposphere(stack(), path, dem=heights(), missing="nan", **HOW)[WET]
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[:2]).all()


def test_heights_of_a_raster_of_another_grid(tmp_path):
    """Bilinear; a plane stays one."""
    lat, lon = np.arange(37.1, 36.95, -0.001), np.arange(-105.05, -104.95, 0.001)
    geotiff(tmp_path / "dem.tif", lat, lon, 1000 + 5000 * (lat[:, None] - 37) + 0 * lon)
    raised = ia.troposphere(stack(), era5(tmp_path / "e.nc", LAT, LON, TIMES), dem=tmp_path / "dem.tif", **HOW)
    north = np.array([GRID.lonlat(row, 15)[1] for row in range(20)])
    np.testing.assert_allclose(
        raised[HYDROSTATIC][0, :, 15], -hydrostatic(1000 + 5000 * (north - 37)) / COSINE, atol=3e-4
    )


def test_height_and_angle_of_the_data_are_used(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    angle = (heights() * 0 + INCIDENCE).assign_attrs(units="degree")
    known = stack().assign(height=heights().astype(np.float32), incidence_angle=angle.astype(np.float32))
    require_delays(ia.troposphere(known, path, time_of_day="14:07:44"))


def test_a_crop_gives_what_the_crop_of_all_gives(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    part = {"y": slice(3, 17), "x": slice(8, None)}
    whole = ia.troposphere(stack(), path, dem=heights(), **HOW).isel(part)
    np.testing.assert_array_equal(ia.troposphere(stack().isel(part), path, dem=heights(), **HOW)[WET], whole[WET])


def test_it_is_lazy_and_of_few_tasks(tmp_path, monkeypatch):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    found = ia.troposphere(stack(), path, dem=heights(), **HOW)
    assert found[WET].chunksizes["y"] == (8, 8, 4)
    blocks = 3 * 4
    assert len(dict(found[WET].data.dask)) < 12 * blocks
    assert ia.plan_run(found, 1).bytes_per_pixel < 1000


def test_files_that_changed_are_another_input(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    first = ia.troposphere(stack(), path, dem=heights(), **HOW)[WET].data.name
    assert ia.troposphere(stack(), path, dem=heights(), **HOW)[WET].data.name == first
    era5(path, LAT, LON, TIMES, 500.0)
    assert ia.troposphere(stack(), path, dem=heights(), **HOW)[WET].data.name != first


def test_no_output_is_an_input(tmp_path):
    path = era5(tmp_path / "e.zarr.nc", LAT, LON, TIMES)
    with pytest.raises(ArgumentError, match="is an input of this job"):
        ia.run(ia.troposphere(stack(), path, dem=heights(), **HOW), path)


def bad(tmp_path, name):
    """Files and further arguments that are refused, and what the line says."""
    good = era5(tmp_path / "good.nc", LAT, LON, TIMES)
    if name == "a DEM in feet":
        write_geotiff(tmp_path / "dem.tif", heights().values.astype(np.float32), GRID, nodata=None, units="ft")
        return good, {"dem": tmp_path / "dem.tif"}, "its heights are in 'ft', and are needed in metres"
    if name == "feet that do not say so":
        return good, {"dem": heights(14_505)}, "dem: holds 1"
    if name == "feet of a map":
        return good, {"dem": heights().assign_attrs(units="feet")}, "dem: its heights are in 'feet'"
    if name == "no DEM":
        return good, {"dem": None}, "the data have no height; give dem"
    if name == "no angle":
        return good, {"incidence_angle": None}, "troposphere: there is no incidence_angle"
    if name == "another place":
        return era5(tmp_path / "x.nc", LAT, LON + 20, TIMES), {}, "has the longitudes -85.75 to -84.25, the data"
    if name == "slant delays":
        return raider(tmp_path / "x.nc", LAT, LON, TIMES[0], CUBE, kind="slant range"), {}, "holds slant delays"
    if name == "metres of a projection":
        return raider(tmp_path / "x.nc", LAT, LON, TIMES[0], CUBE, units="m"), {}, "make the cube in EPSG:4326"
    if name == "millimetres":
        return opera(tmp_path, LAT, LON, TIMES[0], CUBE, units="mm"), {}, "wet_delay is in 'mm', not in metres"
    if name == "another file":
        xr.Dataset({"sst": ("x", np.zeros(3))}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
        return tmp_path / "x.nc", {}, "is none of GACOS"
    if name == "one level":
        return raider(tmp_path / "x.nc", LAT, LON, TIMES[0], CUBE[:1]), {}, "has a single level of height"
    if name == "one latitude":
        return (
            raider(tmp_path / "x.nc", LAT[3:4], LON, TIMES[0], CUBE),
            {"missing": "nan"},
            "a single one of its latitudes",
        )
    if name == "two kinds of LiCSAR":
        geotiff(tmp_path / "20200101.ztd.geo.tif", FINE_LAT, FINE_LON, ground("20200101"))
        geotiff(tmp_path / "20200113.sltd.geo.tif", FINE_LAT, FINE_LON, ground("20200113"))
        return tmp_path / "*.tif", {}, "the files are of GACOS of LiCSAR and slant GACOS of LiCSAR"
    if name == "text":
        (tmp_path / "x.txt").write_text("x")
        return tmp_path / "x.txt", {}, "by its name"
    if name == "no header":
        path = gacos(tmp_path, "20200101", FINE_LAT, FINE_LON, ground("20200101"))
        (tmp_path / "20200101.ztd.rsc").unlink()
        return path, {}, "has no 20200101.ztd.rsc beside it"
    if name == "a cut file":
        path = gacos(tmp_path, "20200101", FINE_LAT, FINE_LON, ground("20200101"))
        path.write_bytes(path.read_bytes()[:-4])
        return path, {}, "pixels of float32 have 640"
    if name == "a damaged GRIB":
        (tmp_path / "x.grb").write_bytes(b"GRIB" + bytes(100))
        return tmp_path / "x.grb", {}, "cannot be read as GRIB"
    if name == "two products":
        opera(tmp_path, LAT, LON, TIMES[0], CUBE)
        return tmp_path, {}, "the files are of ERA5 pressure levels and OPERA L4 TROPO-ZENITH; give those of one"
    if name == "a time twice":
        era5(tmp_path / "again.nc", LAT, LON, TIMES[:1])
        return tmp_path / "*.nc", {}, "are both of 20200101T140000; keep one"
    if name == "an empty folder":
        (tmp_path / "empty").mkdir()
        return tmp_path / "empty", {}, "no file of GACOS"
    raise KeyError(name)


@pytest.mark.parametrize(
    "name",
    [
        "a DEM in feet", "feet that do not say so", "feet of a map", "no DEM", "no angle", "another place", "slant delays",
        "metres of a projection", "millimetres", "another file", "text", "no header", "a cut file", "a damaged GRIB",
        "two products", "a time twice", "an empty folder", "one level", "one latitude", "two kinds of LiCSAR",
    ],
)  # fmt: skip
def test_refusals(tmp_path, name):
    files, more, message = bad(tmp_path, name)
    with pytest.raises(InsarrayError) as refusal:
        ia.troposphere(stack(), files, **{"dem": heights(), **HOW, **more}).compute()
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_units_of_era5_are_held_against_what_is_needed(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        changed = stored.load()
    changed["t"].attrs["units"] = "degC"
    changed.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with pytest.raises(FileError, match="t is in 'degc', not k"):
        ia.troposphere(stack(), tmp_path / "c.nc", dem=heights(), **HOW)


def test_radar_coordinates_and_hours(tmp_path):
    path = era5(tmp_path / "e.nc", LAT, LON, TIMES)
    with pytest.raises(StackError, match="no CRS"):
        ia.troposphere(stack_of(nearest(3, 2), grid=Grid(20, 30)), path, dem=heights().values, **HOW)
    with pytest.raises(ArgumentError, match="max_hours: 40 is not"):
        ia.troposphere(stack(), path, dem=heights(), max_hours=40, **HOW)


def test_the_fakes_are_rasters_where_they_say(tmp_path):
    """Pixel centres, so that tests of place mean something."""
    with rasterio.open(geotiff(tmp_path / "x.tif", FINE_LAT, FINE_LON, ground("20200101"))) as file:
        assert file.xy(2, 3) == pytest.approx((FINE_LON[3], FINE_LAT[2]))
