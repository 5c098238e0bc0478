"""Ionosphere from IONEX: formula, sign, pierce point, hours, and files that are damaged."""

import gzip

import numpy as np
import pytest

import insarray as ia
from insarray.kernels.corrections.thin_shell import pierced
from insarray.model.errors import InsarrayError
from insarray.model.grid import Grid
from tests.networks import nearest
from tests.stacks import WAVELENGTH, stack_of

FREQUENCY = 299_792_458.0 / WAVELENGTH
PER_TECU = 40.308e16 / FREQUENCY**2
LAT, LON = np.arange(87.5, -88, -2.5), np.arange(-180, 181, 5.0)
STEEP = {"incidence_angle": 2.001, "heading": -13.0, "share": 1.0}


def line(text, label):
    return f"{text:<60}{label}\n"


def ionex(path, day, content, hours=range(0, 25, 2), *, height=450.0, missing=()):
    """A file after Schaer, Gurtner and Feltens (1998): `content(hour, lat, lon)` in TECU, in tenths, 16 numbers a line."""
    text = line(f"{1.0:8.1f}{'':12}{'IONOSPHERE MAPS':20}{'GPS':20}", "IONEX VERSION / TYPE")
    text += line(f"{6371.0:8.1f}", "BASE RADIUS") + line(f"{height:8.1f}{height:6.1f}{0.0:6.1f}", "HGT1 / HGT2 / DHGT")
    text += line(f"  {LAT[0]:6.1f}{LAT[-1]:6.1f}{-2.5:6.1f}", "LAT1 / LAT2 / DLAT")
    text += line(f"  {LON[0]:6.1f}{LON[-1]:6.1f}{5.0:6.1f}", "LON1 / LON2 / DLON")
    text += line(f"{-1:6d}", "EXPONENT") + line("", "END OF HEADER")
    for kind, factor in (("TEC", 1.0), ("RMS", 0.1)):
        for number, hour in enumerate(hours):
            date = np.datetime64(day, "D") + hour // 24
            stamp = "".join(f"{int(part):6d}" for part in str(date).split("-")) + f"{hour % 24:6d}{0:6d}{0:6d}"
            text += line(f"{number + 1:6d}", f"START OF {kind} MAP") + line(stamp, "EPOCH OF CURRENT MAP")
            for lat in LAT:
                text += line(f"  {lat:6.1f}{LON[0]:6.1f}{LON[-1]:6.1f}{5.0:6.1f}{height:6.1f}", "LAT/LON1/LON2/DLON/H")
                values = np.round(content(hour, lat, LON) * 10 * factor).astype(int) + 0 * LON.astype(int)
                values = np.where(np.isin(lat, missing), 9999, values)
                for k in range(0, len(values), 16):
                    text += "".join(f"{value:5d}" for value in values[k : k + 16]) + "\n"
            text += line(f"{number + 1:6d}", f"END OF {kind} MAP")
    path.write_text(text + line("", "END OF FILE"))
    return path


DAYS = ("2020-01-01", "2020-01-13", "2020-01-25")


def stack():
    return stack_of(nearest(3, 2), missing=0.0)


def days(folder, content, **kwargs):
    for day in DAYS:
        ionex(folder / f"igsg{day[5:7]}{day[8:]}.20i", day, content, **kwargs)
    return folder / "*.20i"


def test_electrons_look_like_motion_toward_the_satellite(tmp_path):
    """20 TECU straight up: 40.308 TEC / f^2, about 1.4 cm a TECU in C-band; only the first date has more."""

    def content(hour, lat, lon):
        return 20.0 + 0 * lon

    found = ia.ionosphere(stack(), days(tmp_path, content), time_of_day="14:00", **STEEP)
    np.testing.assert_allclose(found, 20 * PER_TECU, rtol=2e-3)
    assert 0.0136 < PER_TECU < 0.014
    assert found.attrs["source"] == "IONEX (3 files), thin shell at 450 km, 1 of the electrons"
    ionex(tmp_path / "igsg0113.20i", DAYS[1], lambda hour, lat, lon: 50.0 + 0 * lon)
    more = ia.ionosphere(stack(), tmp_path / "*.20i", time_of_day="14:00", **STEEP)
    pairs = stack()
    corrected = ia.correct(pairs, more)
    assert float((more[1] - more[0]).min()) > 0  # which the phase shows as less, so correcting raises it
    assert float((corrected.unwrapped_phase - pairs.unwrapped_phase)[0].min()) > 0


def test_share_and_wavelength_count(tmp_path):
    files = days(tmp_path, lambda hour, lat, lon: 20.0 + 0 * lon)
    whole = ia.ionosphere(stack(), files, time_of_day="14:00", **STEEP)
    part = ia.ionosphere(stack(), files, time_of_day="14:00", **{**STEEP, "share": 0.5})
    np.testing.assert_allclose(part, whole / 2, rtol=1e-6)
    long_wave = ia.ionosphere(stack().assign_attrs(wavelength=0.238), files, time_of_day="14:00", **STEEP)
    np.testing.assert_allclose(long_wave, whole * (0.238 / WAVELENGTH) ** 2, rtol=1e-5)


def test_the_way_through_the_shell_is_longer_where_it_is_oblique(tmp_path):
    files = days(tmp_path, lambda hour, lat, lon: 20.0 + 0 * lon)
    how = {"heading": -13.0, "share": 1.0}
    found = ia.ionosphere(stack(), files, time_of_day="14:00", incidence_angle=40.0, **how)
    sine = 6371 / (6371 + 450) * np.sin(np.radians(40.0))
    np.testing.assert_allclose(found, 20 * PER_TECU / np.sqrt(1 - sine**2), rtol=1e-6)


def test_it_is_pierced_on_the_side_of_the_satellite(tmp_path):
    """Ascending, looking right: the satellite is in the west. Content that grows to the east is less there."""
    files = days(tmp_path, lambda hour, lat, lon: 80 + 0.4 * lon, hours=range(0, 25, 1))
    how = {"heading": -13.0, "share": 1.0, "time_of_day": "14:00"}
    west = ia.ionosphere(stack(), files, incidence_angle=40.0, **how)
    east = ia.ionosphere(stack(), files, incidence_angle=40.0, **{**how, "heading": 167.0})
    assert float(west.max()) < float(east.min())
    sine = 6371 / (6371 + 450) * np.sin(np.radians(40.0))
    angle = np.radians(40.0) - np.arcsin(sine)
    lon, lat = stack().insar.grid.lonlat(10, 15)
    azimuth = np.radians(-13.0 - 90.0)
    there = np.arcsin(
        np.sin(np.radians(lat)) * np.cos(angle) + np.cos(np.radians(lat)) * np.sin(angle) * np.cos(azimuth)
    )
    moved = np.degrees(np.arcsin(np.sin(angle) * np.sin(azimuth) / np.cos(there)))
    expected = (80 + 0.4 * (lon + moved)) * PER_TECU / np.sqrt(1 - sine**2)
    assert float(west[0, 10, 15]) == pytest.approx(expected, rel=2e-4)
    point = pierced(np.array(lat), np.array(lon), tuple(map(np.array, (-0.6, 0.0, 0.8))), 6371.0, 450.0)
    assert point.lon < lon - 2


def test_between_maps_they_turn_with_the_sun(tmp_path):
    """A pattern that stays under the Sun is met at any hour, where plain interpolation in time would blur it."""

    def content(hour, lat, lon):
        return 50 + 40 * np.cos(np.radians(lon + 15 * (hour - 14)))

    found = ia.ionosphere(stack(), days(tmp_path, content), time_of_day="15:00", **STEEP)
    lon, _ = stack().insar.grid.lonlat(10, 15)
    assert float(found[0, 10, 15]) == pytest.approx(content(15, 0, lon) * PER_TECU, rel=4e-3)


def test_across_longitude_180(tmp_path):
    wide = stack_of(nearest(3, 2), grid=Grid(12, 16, 178.6, -38.1, 0.15, -0.15, "EPSG:4326"), missing=0.0)
    found = ia.ionosphere(wide, days(tmp_path, lambda hour, lat, lon: 20 + 0 * lon), time_of_day="14:00", **STEEP)
    np.testing.assert_allclose(found, 20 * PER_TECU, rtol=2e-3)


def test_nodes_without_data_are_nan(tmp_path):
    files = days(tmp_path, lambda hour, lat, lon: 20 + 0 * lon, missing=(37.5,))
    assert np.isnan(ia.ionosphere(stack(), files, time_of_day="14:00", **STEEP)).all()


def test_packed_files_and_those_of_the_next_day(tmp_path):
    """Maps until 22 hours need the file of the next day for 23 hours."""
    plain = days(tmp_path, lambda hour, lat, lon: 20 + 0 * lon, hours=range(0, 23, 2))
    with pytest.raises(InsarrayError, match="no maps before and after 20200101T230000"):
        ia.ionosphere(stack(), plain, time_of_day="23:00", **STEEP)
    for day in DAYS:
        later = str(np.datetime64(day) + 1)
        ionex(tmp_path / f"x{later}.20i", later, lambda hour, lat, lon: 20 + 0 * lon, hours=range(0, 23, 2))
    expected = ia.ionosphere(stack(), plain, time_of_day="23:00", **STEEP)
    for path in tmp_path.glob("*.20i"):
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(ia.ionosphere(stack(), tmp_path / "*.gz", time_of_day="23:00", **STEEP), expected)


DAMAGE = {
    "another file": (lambda text: "hello\n", "does not start like an IONEX file"),
    "no end": (lambda text: text.replace("END OF HEADER", "END"), "has no END OF HEADER"),
    "no radius": (lambda text: text.replace("BASE RADIUS", "RADIUS"), "its header has no 'BASE RADIUS'"),
    "no numbers": (lambda text: text.replace("6371.0", "sixty "), "its header has no numbers where they should be"),
    "an endless axis": (
        lambda text: text.replace("-2.5 ", " 1e-9", 1).replace("  -2.5", " -1e-9", 1),
        "its header has no",
    ),
    "two heights": (
        lambda text: text.replace(" 450.0 450.0   0.0", " 450.0 900.0  50.0", 1),
        "maps on several heights",
    ),
    "a map that is cut": (lambda text: text.replace("  200" * 16 + "\n", "", 1), "values, 71 x 73 are"),
    "letters": (lambda text: text.replace("  200", "  2x0", 1), "are not values of a map"),
    "no maps": (lambda text: text.replace("TEC MAP", "RMS MAP"), "has no TEC map"),
    "no time": (lambda text: text.replace("2020     1     1", "2020    13     1", 1), "is not a time of a map"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files(tmp_path, name):
    change, message = DAMAGE[name]
    path = ionex(tmp_path / "a.20i", DAYS[0], lambda hour, lat, lon: 20 + 0 * lon)
    path.write_text(change(path.read_text()))
    with pytest.raises(InsarrayError) as refusal:
        ia.ionosphere(stack(), path, time_of_day="14:00", **STEEP)
    assert message in str(refusal.value)
    assert "a.20i" in str(refusal.value)


def test_other_refusals(tmp_path):
    files = days(tmp_path, lambda hour, lat, lon: 20 + 0 * lon)
    with pytest.raises(InsarrayError, match="no maps before and after 20200113T140000"):
        ia.ionosphere(stack(), tmp_path / "igsg0101.20i", time_of_day="14:00", **STEEP)
    with pytest.raises(InsarrayError, match="share: 0 is not a share"):
        ia.ionosphere(stack(), files, time_of_day="14:00", **{**STEEP, "share": 0})
    unknown = stack()
    del unknown.attrs["wavelength"]
    with pytest.raises(InsarrayError, match="wavelength: the files do not say"):
        ia.ionosphere(unknown, files, time_of_day="14:00", **STEEP)
    ionex(tmp_path / "other.20i", "2020-02-01", lambda hour, lat, lon: 20 + 0 * lon, height=400.0)
    with pytest.raises(InsarrayError, match="has another grid than"):
        ia.ionosphere(stack(), files, time_of_day="14:00", **STEEP)
    (tmp_path / "c.Z").write_bytes(b"x")
    with pytest.raises(InsarrayError, match=r"is compressed by compress; unpack it: gzip -d c\.Z"):
        ia.ionosphere(stack(), tmp_path / "c.Z", time_of_day="14:00", **STEEP)
