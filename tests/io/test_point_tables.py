"""Tables of points: EGMS by its specification, and those of other programs, whose units have to be said."""

import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

import insarray as ia
from insarray.__main__ import cli
from insarray.cli.process import run_command
from insarray.io.sidecars import SENTINEL1_WAVELENGTH
from insarray.model.errors import ArgumentError, FileError, StackError

# Columns from left to right, units and digits: EEA, "EGMS Product Description and Format Specification" 2.0, table 5
L2 = (
    "pid,mp_type,latitude,longitude,easting,northing,height,height_wgs84,line,pixel,rmse,temporal_coherence,"
    "amplitude_dispersion,incidence_angle,track_angle,los_east,los_north,los_up,mean_velocity,mean_velocity_std,"
    "acceleration,acceleration_std,seasonality,seasonality_std,20190105,20190117,20190129"
)
L2_ROWS = (
    "3ODTn5TNYv,0,45.567812,12.123412,4494111.45,2495345.12,67.4,112.3,456,124,4.5,0.54,0.25,40.56,347.64,-0.611,-0.112,0.784,"
    "-4.5,0.1,0.51,0.42,2.3,0.4,0.0,-1.5,3.25",
    "3ODTn5TNYw,400,45.567912,12.123512,4494121.45,2495355.12,65.0,110.0,457,125,3.5,0.84,0.21,40.57,347.64,-0.611,-0.112,0.784,"
    "1.5,0.2,0.01,0.12,1.3,0.2,0.5,,-2.0",
)
# table 6
L3 = (
    "pid,easting,northing,height,rmse,mean_velocity,mean_velocity_std,acceleration,acceleration_std,seasonality,"
    "seasonality_std,20190105,20190111"
)
L3_ROWS = ("a,4662050,2115350,67.4,4.5,4.5,2.1,0.51,0.42,2.3,3.4,0.0,7.5",)
OTHER = "CODE,LAT,LON,VEL,D20190117,D20190105"
OTHER_ROWS = ("A1,45.1,369.2,-3.0,1.5,0", "A2,45.2,9.3,1.0,-2.5,0.25")
SAID = {"units": "millimetre", "sign": "toward"}


@pytest.fixture(params=["line by line", "at once", "few characters at once"])
def way(request, monkeypatch):
    """The ways to read numbers."""
    if request.param == "line by line":
        monkeypatch.setattr("insarray.io.layers.dated_table._is_plain", lambda *_: False)
    if request.param.startswith("few"):
        monkeypatch.setattr("insarray.io.layers.dated_table._PART", 7)


def write(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def calibrated(tmp_path):
    return write(tmp_path / "EGMS_L2b_088_0282_IW2_VV_2019_2023_1.csv", L2, L2_ROWS)


@pytest.mark.usefixtures("way")
def test_egms_is_opened_in_metres_with_its_place_and_geometry(calibrated):
    points = ia.open(calibrated)
    np.testing.assert_allclose(points.displacement, [[0, 0.0005], [-0.0015, np.nan], [0.00325, -0.002]], atol=1e-9)
    assert [str(t)[:10] for t in points.time.values] == ["2019-01-05", "2019-01-17", "2019-01-29"]
    np.testing.assert_allclose(points.velocity, [-0.0045, 0.0015], rtol=1e-6)
    np.testing.assert_allclose(points.velocity_std, [0.0001, 0.0002], rtol=1e-6)
    np.testing.assert_allclose(points.rmse, [0.0045, 0.0035], rtol=1e-6)
    assert points.displacement.attrs["units"] == "m"
    assert points.velocity.attrs["units"] == "m/year"
    assert (points.x.values[0], points.y.values[0]) == (4494111.45, 2495345.12)
    assert points.rio.crs.to_epsg() == 3035
    assert points.longitude.values[1] == 12.123512
    np.testing.assert_allclose(points.los_up, [0.784, 0.784])
    np.testing.assert_allclose(points.los_east, [-0.611, -0.611])
    np.testing.assert_allclose(points.incidence_angle, [40.56, 40.57])
    np.testing.assert_allclose(points.temporal_coherence, [0.54, 0.84])
    np.testing.assert_allclose(points.height, [67.4, 65.0])
    assert "EGM2008" in points.height.attrs["long_name"]
    assert list(points.pid.values) == ["3ODTn5TNYv", "3ODTn5TNYw"]
    assert points.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert "toward the satellite" in points.attrs["sign"]
    (note,) = points.attrs["notes"]
    assert note.startswith("columns that were left out: mp_type, line, pixel, track_angle, acceleration")


def test_place_in_two_systems_agrees(calibrated):
    from pyproj import Transformer

    points = ia.open(calibrated)
    lon, lat = Transformer.from_crs(3035, 4326, always_xy=True).transform(points.x.values, points.y.values)
    assert np.isfinite(lon).all()
    assert (np.abs(lat - 45.5) < 1).all()


@pytest.mark.usefixtures("way")
def test_the_archive_gives_what_the_table_gives(calibrated):
    archive = calibrated.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(calibrated, calibrated.name)
        file.writestr(calibrated.with_suffix(".xml").name, "<metadata/>")
    here, there = ia.open(archive), ia.open(calibrated)
    here.attrs["input_fingerprint"] = there.attrs["input_fingerprint"]
    assert here.identical(there)


def test_archives_that_cannot_be_read_say_why(calibrated, tmp_path):
    several = tmp_path / "several.zip"
    with zipfile.ZipFile(several, "w") as file:
        file.write(calibrated, "a.csv")
        file.write(calibrated, "b.csv")
    with pytest.raises(FileError, match=r"several.zip: holds 2 tables .*unpack it"):
        ia.open_points(several)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(several.read_bytes()[:200])
    with pytest.raises(FileError, match=r"broken.zip: cannot be read"):
        ia.open_points(broken)


@pytest.mark.parametrize(("component", "words", "vector"), [("U", "vertical", (0, 0, 1)), ("E", "eastward", (1, 0, 0))])
def test_ortho_has_a_direction_and_no_satellite(tmp_path, component, words, vector):
    points = ia.open(write(tmp_path / f"EGMS_L3_E46N21_100km_{component}_2019_2023_1.csv", L3, L3_ROWS))
    np.testing.assert_allclose(points.displacement[:, 0], [0, 0.0075])
    assert words in points.displacement.attrs["long_name"]
    assert words in points.attrs["sign"]
    assert [float(points[f"los_{name}"][0]) for name in ("east", "north", "up")] == list(vector)
    assert "wavelength" not in points.attrs


def test_ortho_without_its_name_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"renamed.csv: EGMS Ortho says in the name"):
        ia.open(write(tmp_path / "renamed.csv", L3, L3_ROWS))


def test_tables_that_do_not_say_their_unit_are_refused_and_the_remedy_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ps.csv", OTHER, OTHER_ROWS)
    with pytest.raises(FileError, match="does not say what its numbers are") as refused:
        ia.open("ps.csv")
    call = str(refused.value).partition("insarray.")[2].partition(", as the program")[0]
    points = eval(f"ia.{call}")
    np.testing.assert_allclose(points.displacement, [[0, 0.00025], [0.0015, -0.0025]], atol=1e-9)  # dates in order
    np.testing.assert_allclose(points.x, [9.2, 9.3])
    assert points.rio.crs.to_epsg() == 4326
    assert list(points.pid.values) == ["A1", "A2"]
    assert points.attrs["notes"] == ["columns that were left out: vel"]
    away = ia.open_points("ps.csv", units="metre", sign="away")
    np.testing.assert_allclose(away.displacement, -1000 * points.displacement, rtol=1e-6)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("header", "rows", "options"),
    [
        ("id;lon;lat;2019-01-05;2019-01-17", ("1;9.2;45.1;0;1.5",), SAID),
        ("id\tlon\tlat\tD_20190105\tD_20190117", ("1\t9.2\t45.1\t0\t1.5",), SAID),
        ('"lat","lon","20190105_mm","20190117 [mm]"', ('"45.1","9.2","0","1.5"',), {"sign": "toward"}),
        ("easting,northing,20190105,20190117", ("9.2,45.1,0,1.5",), SAID | {"crs": "EPSG:32633"}),
        ("x,y,20190105(m),20190117(m)", ("9.2,45.1,0,0.0015",), {"sign": "toward", "crs": "EPSG:32633"}),
    ],
)
def test_dialects(tmp_path, header, rows, options):
    points = ia.open_points(write(tmp_path / "ps.csv", header, rows), **options)
    np.testing.assert_allclose(points.displacement[:, 0], [0, 0.0015], rtol=1e-6)
    assert (float(points.x[0]), float(points.y[0])) == (9.2, 45.1)
    assert points.rio.crs.to_epsg() == (32633 if "crs" in options else 4326)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("A1,45.1,9.2,0,1.5", r"line 2: has 5 cells for 6 columns; download it again"),
        ("A1,45.1,9.2,0,1,5,2,0", r"line 2: has 8 cells for 6 columns"),
        ("A1,45.1,9.2,0,x,0", r"line 2: d20190117 is 'x', not a number"),
        ("A1,45.1,9.2,0,inf,0", r"line 2: .* is 'inf', not a number; leave the cell empty"),
        ("A1,,9.2,0,1,0", r"point 1 has no coordinates"),
        ("A1,5000000,9.2,0,1,0", r"are not degrees"),
    ],
)
def test_damaged_lines_are_named(tmp_path, row, words):
    with pytest.raises(FileError, match=rf"ps.csv.*{words}"):
        ia.open_points(write(tmp_path / "ps.csv", OTHER, [row]), **SAID)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_ends_of_lines_blank_lines_and_names_of_other_alphabets(tmp_path, ending):
    rows = ["Ä1,45.1,9.2,0,1.5,0", "", "P,45.2,9.3,1.0,,nan", ",,,,,", ' "Q,1",45.3,9.4,0,2,3'.replace(" ", "")]
    path = tmp_path / "ps.csv"
    path.write_bytes(ending.join([OTHER, *rows]).encode())
    points = ia.open_points(path, **SAID)
    assert list(points.pid.values) == ["Ä1", "P", "Q,1"]
    np.testing.assert_allclose(points.y, [45.1, 45.2, 45.3])
    np.testing.assert_allclose(points.displacement, [[0, np.nan, 0.003], [0.0015, np.nan, 0.002]], rtol=1e-6)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("row", "words"), [("A3,45.1,9.2,0,1_0,0", "line 5: d20190117 is '1_0'"), ("A3,1", "line 5: has 2")]
)
def test_the_line_is_counted_in_the_file(tmp_path, row, words):
    with pytest.raises(FileError, match=words):
        ia.open_points(write(tmp_path / "ps.csv", OTHER, [OTHER_ROWS[0], "", OTHER_ROWS[1], row]), **SAID)


@pytest.mark.parametrize(
    ("header", "options", "error", "words"),
    [
        (OTHER, {"units": "radian"}, ArgumentError, "units: 'radian' is not one of metre, millimetre"),
        (OTHER, {"sign": "up"}, ArgumentError, "sign: 'up' is not one of away, toward"),
        (OTHER, SAID | {"crs": "EPSG:32633"}, ArgumentError, "crs: .* has longitudes and latitudes"),
        (OTHER + ",D20190117", SAID, FileError, "a date more than once"),
        (OTHER + ",D20190201_m", SAID, FileError, "units must agree"),
        (OTHER.replace("LAT", "north"), SAID, FileError, "is no table of points"),
        (OTHER.replace("LAT,LON", "x,y"), SAID, FileError, r"does not say.*crs='EPSG:...'"),
        (OTHER.replace("LAT,LON", "x,y"), SAID | {"crs": "none"}, ArgumentError, "crs: 'none' is not known"),
        (OTHER, SAID, FileError, "has no line of numbers"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, header, options, error, words):
    rows = () if "no line" in words else ["A1,45.1,9.2,0,1,0" + ",0" * (header.count(",") - 5)]
    with pytest.raises(error, match=words):
        ia.open_points(write(tmp_path / "ps.csv", header, rows), **options)


@pytest.mark.parametrize("option", [{"units": "metre"}, {"sign": "away"}, {"crs": "EPSG:3035"}])
def test_egms_takes_no_option(calibrated, option):
    with pytest.raises(ArgumentError, match="is of EGMS, which says so itself"):
        ia.open_points(calibrated, **option)


def test_points_are_stored_and_opened_again(calibrated, tmp_path):
    points = ia.open(calibrated)
    assert ia.save_points(points, tmp_path / "points.zarr")
    again = ia.open(tmp_path / "points.zarr")
    np.testing.assert_array_equal(again.displacement, points.displacement)
    np.testing.assert_array_equal(again.los_up, points.los_up)


def test_info_describes_it(calibrated):
    result = CliRunner().invoke(cli, ["info", str(calibrated), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["reader"], found["points"], found["dates"], found["crs"]) == ("egms", 2, 3, "EPSG:3035")
    assert found["percent_valid"] == pytest.approx(83.33)
    assert "note: columns that were left out" in CliRunner().invoke(cli, ["info", str(calibrated)]).output
    refused = CliRunner().invoke(cli, ["info", str(calibrated), "--wavelength", "0.05"])
    assert isinstance(refused.exception, ArgumentError)
    assert str(refused.exception).startswith("wavelength: applies to interferograms")


def test_commands_for_images_say_what_takes_points(calibrated, tmp_path, capsys):
    assert run_command(["fit", str(calibrated), str(tmp_path / "o.zarr")]) == 2
    assert (
        "dataset: holds points, not an image; fit their series in Python, with insarray.fit" in capsys.readouterr().err
    )
    with pytest.raises(StackError, match="holds points, not an image"):
        ia.deramp(ia.open(calibrated))


def test_as_a_stack_it_is_refused_with_the_remedy(calibrated):
    with pytest.raises(FileError, match=r"is a table of points .*open it with insarray.open"):
        ia.open_stack(calibrated)


@pytest.mark.parametrize("stored", [False, True])
def test_fit_takes_points(tmp_path, stored):
    rng = np.random.default_rng(1)
    dates = np.datetime64("2019-01-05") + 12 * np.arange(20)
    rate, step = rng.normal(0, 10, 7), rng.normal(0, 5, 7)  # mm/year, mm
    years = (dates - dates[0]).astype(float) / 365.25
    series = 3.0 + rate[:, None] * years + step[:, None] * (years >= years[10])
    rows = [
        ",".join([f"P{k}", f"{45 + 0.1 * k}", "9.2", *map(repr, map(float, values))]) for k, values in enumerate(series)
    ]
    header = ",".join(["id", "lat", "lon", *(str(date) for date in dates)])
    points = ia.open_points(write(tmp_path / "ps.csv", header, rows), **SAID)
    if stored:
        ia.save_points(points, tmp_path / "points.zarr")
        points = ia.open(tmp_path / "points.zarr")
    model = ia.fit(points, steps=[str(dates[10])])
    np.testing.assert_allclose(model.velocity, rate / 1000, atol=1e-6)
    np.testing.assert_allclose(model[f"step_{str(dates[10]).replace('-', '')}"], step / 1000, atol=1e-6)
    assert model.velocity.dims == ("point",)
    assert list(model.pid.values) == [f"P{k}" for k in range(7)]
    np.testing.assert_array_equal(model.y, points.y)
    assert model.rio.crs.to_epsg() == 4326
    assert "grid_mapping" not in model.velocity.attrs
    residual = ia.fit(points, residuals=True).fit_residual
    assert residual.dims == ("time", "point")
    shuffled = points.isel(time=rng.permutation(20), point=slice(None, None, -1))
    np.testing.assert_allclose(ia.fit(shuffled).velocity, ia.fit(points).velocity[::-1], rtol=1e-6)
    with pytest.raises(StackError, match="has no coordinate 'time'"):
        ia.fit(points.drop_vars("time"))
