"""Motion of plates: answers of MintPy, PROJ's table, a point by hand; frames removed and put back; refusals."""

import csv
import re
from pathlib import Path

import numpy as np
import pyproj
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.components.plates import velocity_of_plate
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from insarray.model.plates import _TABLES, rotation
from tests.components import GRIDS, PARTS, lazily, series, track

HERE = GRIDS["ascending"]
AXES = ("east", "north", "up")
RENAMED = {"Antartica": "Antarctica"}


def test_the_answers_of_mintpy(golden):
    """East, north and up of random points of every plate of ITRF2014."""
    rows = list(csv.DictReader((golden / "corrections/plate_motion_itrf2014.csv").read_text().splitlines()))
    assert len(rows) == 44
    for row in rows:
        plate = RENAMED.get(row["plate"], row["plate"])
        one = Grid(1, 1, float(row["lon"]) - 0.005, float(row["lat"]) + 0.005, 0.01, -0.01, "EPSG:4326")
        data = xr.Dataset({"velocity": (("y", "x"), np.zeros((1, 1), "f4"))}, grid_coords(one))
        found = ia.plate_motion(data, plate=plate, model="ITRF2014")
        for axis in AXES:
            assert 1000 * float(found[f"plate_{axis}"][0, 0]) == pytest.approx(float(row[f"{axis}_mm_yr"]), abs=0.01), (
                row
            )


def test_published_velocities():
    """UNAVCO's calculator, ITRF2014, no net rotation: north and east in mm/yr."""
    for plate, place, north, east in (
        ("Australia", (132.0, -24.0), 59.12, 32.69),
        ("Eurasia", (62.0, 27.0), 5.40, 28.34),
        ("Arabia", (48.0, 18.0), 29.32, 36.11),
    ):
        turn = rotation(plate, None, "ITRF2014")
        found = 1000 * velocity_of_plate((turn.x, turn.y, turn.z), *map(np.array, place))
        np.testing.assert_allclose(found[:2], [east, north], atol=0.1)


def test_itrf2020_is_the_table_of_proj():
    """The same vectors, in seconds of arc a year, that PROJ carries of the files of the ITRF."""
    text = (Path(pyproj.datadir.get_data_dir()) / "ITRF2020").read_text()
    table = {
        name: [1000 * float(value) for value in values]
        for name, *values in re.findall(r"<(\w{4})> \+proj=helmert \+drx=(\S+) \+dry=(\S+) \+drz=(\S+) ", text)
    }
    codes = {
        "Amur": "AMUR", "Antarctica": "ANTA", "Arabia": "ARAB", "Australia": "AUST", "Caribbean": "CARB", "Eurasia": "EURA",
        "India": "INDI", "Nazca": "NAZC", "NorthAmerica": "NOAM", "Nubia": "NUBI", "Pacific": "PCFC", "SouthAmerica": "SOAM",
        "Somalia": "SOMA",
    }  # fmt: skip
    assert codes.keys() == _TABLES["ITRF2020"].keys()
    for name, parts in _TABLES["ITRF2020"].items():
        np.testing.assert_allclose(parts, table[codes[name]], atol=1e-9)


def test_a_pole_by_hand():
    """A turn about the axis of the earth moves the equator to the east, and nothing else."""
    equator = Grid(3, 3, 10.0, 0.015, 0.01, -0.01, "EPSG:4326")
    data = xr.Dataset({"velocity": (("y", "x"), np.zeros((3, 3), "f4"))}, grid_coords(equator))
    found = ia.plate_motion(data, pole=(90.0, 0.0, 1.0))
    np.testing.assert_allclose(found.plate_east, 6378137 * np.pi / 180 / 1e6, rtol=1e-6)
    np.testing.assert_allclose(found.plate_north, 0, atol=1e-9)
    north = ia.plate_motion(data, pole=(0.0, -80.0, 1.0))  # 90 degrees to the west: all moves to the north
    assert float(north.plate_north[1, 1]) == pytest.approx(6378137 * np.pi / 180 / 1e6, rel=1e-4)
    assert found.attrs["plate_motion"] == "pole 90 0 1 deg/Myr"


@pytest.mark.parametrize("lazy", [False, True])
def test_along_the_line_of_sight_of_every_pixel(lazy):
    data = track("ascending", noise=0, missing=0)
    given = lazily(data, 37) if lazy else data
    found = ia.plate_motion(given, plate="north america", model="ITRF2014")
    assert bool(found.plate_velocity.chunks) == lazy
    expected = sum(data[f"los_{axis}"] * found[f"plate_{axis}"] for axis in AXES)
    np.testing.assert_allclose(found.plate_velocity, expected, atol=1e-9)
    turn = rotation("NorthAmerica", None, "ITRF2014")
    for row, col in ((0, 0), (75, 33), (149, 159)):
        place = HERE.lonlat(row, col)
        exact = velocity_of_plate((turn.x, turn.y, turn.z), *map(np.array, place))
        there = [float(found[f"plate_{axis}"][row, col]) for axis in AXES]
        np.testing.assert_allclose(there, exact, atol=1e-8)
    assert np.ptp(found.plate_velocity.values) > 1e-3  # a ramp, as the line of sight changes across
    assert "plate_velocity" not in ia.plate_motion(data.drop_vars("los_up"), plate="Pacific")


def test_a_velocity_relative_to_the_plate_and_back():
    data = track("ascending").assign_attrs(reference_row=3, reference_col=4, wavelength=0.05)
    motion = ia.plate_motion(data, plate="Eurasia")
    found = ia.change_frame(data, plate="Eurasia")
    np.testing.assert_allclose(found.velocity, data.velocity - motion.plate_velocity, atol=1e-9)
    assert found.attrs["reference_frame"] == "Eurasia (ITRF2020) fixed"
    assert found.attrs["wavelength"] == 0.05
    assert "reference_row" not in found.attrs
    back = ia.change_frame(found, plate="Eurasia", change="add")
    np.testing.assert_allclose(back.velocity, data.velocity, atol=1e-8)
    assert back.attrs["reference_frame"] == "that of the orbits"
    with pytest.raises(ArgumentError, match="have the motion of removed: Eurasia"):
        ia.change_frame(found, plate="Pacific")
    with pytest.raises(ArgumentError, match="have the motion of added: Eurasia"):
        ia.change_frame(back, plate="Eurasia", change="add")


def test_a_series_by_the_motion_since_its_reference_date():
    data = series("ascending", rows=20).assign_attrs(reference_date="2020-02-08")
    data = data.assign(intercept=data.los_up)
    motion = ia.plate_motion(data, plate="Pacific").plate_velocity
    found = ia.change_frame(data, plate="Pacific")
    years = (data.time - np.datetime64("2020-02-08")) / np.timedelta64(1, "D") / 365.25
    expected = data.displacement - years * motion
    np.testing.assert_allclose(found.displacement, expected.transpose(*found.displacement.dims), atol=1e-7)
    assert "intercept" not in found
    lazy = ia.change_frame(lazily(data), plate="Pacific")
    assert lazy.displacement.chunks
    np.testing.assert_allclose(lazy.displacement, found.displacement, atol=1e-8)


def test_components_lose_their_own():
    tracks = [track("ascending"), track("descending")]
    data = ia.decompose(tracks, north="zero")
    motion = ia.plate_motion(data, plate="Australia")
    found = ia.change_frame(data, plate="Australia")
    np.testing.assert_allclose(found.velocity_east, data.velocity_east - motion.plate_east, atol=1e-8)
    np.testing.assert_allclose(found.velocity_up, data.velocity_up - motion.plate_up, atol=1e-8)
    assert "velocity_north" not in found


REFUSED = {
    "no plate": ({}, "plate: give the name of a plate"),
    "both": ({"plate": "Eurasia", "pole": (1, 2, 3)}, "plate: give the name of a plate"),
    "another plate": ({"plate": "Atlantis"}, "plate: 'Atlantis' is not in ITRF2020, which has Amur"),
    "not in that model": ({"plate": "Amur", "model": "ITRF2014"}, "plate: 'Amur' is not in ITRF2014"),
    "model": ({"plate": "Eurasia", "model": "NUVEL"}, "model: 'NUVEL' is not one of ITRF2014, ITRF2020"),
    "model of a pole": ({"pole": (1, 2, 3), "model": "ITRF2014"}, "model: is of plates"),
    "two numbers": ({"pole": (1, 2)}, "pole: .* is not latitude, longitude"),
    "longitude first": ({"pole": (120, 20, 0.3)}, "pole: .* is not latitude, longitude"),
    "change": ({"plate": "Eurasia", "change": "turn"}, "change: 'turn' is not one of remove, add"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    options, message = REFUSED[name]
    with pytest.raises(ArgumentError, match=message) as error:
        ia.change_frame(track("ascending"), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("los_up"), "data: has no los_up; add the line of sight"),
        (lambda d: d.drop_vars("velocity"), "has neither 'velocity' nor 'displacement'"),
        (lambda d: d.drop_vars("spatial_ref"), "data: have no CRS"),
        (lambda d: d.velocity, "data: is one variable"),
    ],
)
def test_data_that_cannot_be_changed(change, message):
    with pytest.raises(InsarrayError, match=message) as error:
        ia.change_frame(change(track("ascending")), plate="Eurasia")
    assert isinstance(error.value, StackError)
    assert PARTS
