"""Files of GNSS stations: every field of every format, units, signs, places, gaps, damage."""

import zipfile

import numpy as np
import pytest

import insarray as ia
from insarray.io.gnss.station import geodetic, to_east_north_up
from insarray.model.errors import ArgumentError, FileError, InsarrayError

TENV3 = "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) ____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu _latitude(deg) _longitude(deg) __height(m)\n"
"""First line of the Nevada Geodetic Laboratory; what stands in the others: README_tenv3.txt."""


def tenv3(name="HILL", longitude=-204.7, *, placed=True, rows=None):
    rows = rows or [("99DEC31", 2810, 0.999), ("00JAN01", 2811, 0.001), ("00JAN03", 2810, 0.996)]
    text = TENV3
    for k, (day, whole, rest) in enumerate(rows):
        text += (
            f"{name} {day} 2000.0000 51544 1042 6 -155.3   {whole}  {rest:.6f}   2139199  {0.5 + 0.01 * k:.6f}   996  "
            f"{0.7 - 0.02 * k:.6f}  0.0000 0.001 0.002 0.006  0.1 -0.2 -0.3"
        )
        text += f"  19.3390 {longitude}   996.5\n" if placed else "\n"
    return text


def test_tenv3_field_by_field(tmp_path):
    (tmp_path / "HILL.tenv3").write_text(tenv3())
    gnss = ia.open_gnss(tmp_path / "HILL.tenv3")
    assert [str(t)[:10] for t in gnss.time.values] == ["1999-12-31", "2000-01-01", "2000-01-03"]
    np.testing.assert_allclose(gnss.east[0], [0, 0.002, -0.003], atol=1e-9)  # whole and rest together
    np.testing.assert_allclose(gnss.north[0], [0, 0.01, 0.02], atol=1e-9)
    np.testing.assert_allclose(gnss.up[0], [0, -0.02, -0.04], atol=1e-9)
    assert [float(gnss[f"{n}_std"][0, 0]) for n in ("east", "north", "up")] == [0.001, 0.002, 0.006]
    assert [float(gnss[f"correlation_{n}"][0, 0]) for n in ("east_north", "east_up", "north_up")] == [0.1, -0.2, -0.3]
    assert float(gnss.longitude[0]) == pytest.approx(155.3)
    assert (float(gnss.latitude[0]), float(gnss.height[0])) == (19.339, 996.5)
    assert gnss.east.attrs["units"] == "m"
    assert gnss.longitude.attrs["standard_name"] == "longitude"


def test_an_old_tenv3_needs_a_place(tmp_path):
    (tmp_path / "HILL.tenv3").write_text(tenv3(placed=False).replace(TENV3, ""))
    with pytest.raises(FileError, match=r"HILL: its file does not say where it is; give places="):
        ia.open_gnss(tmp_path)
    gnss = ia.open_gnss(tmp_path, places={"HILL": (204.7, 19.3)})
    assert float(gnss.longitude[0]) == pytest.approx(-155.3)
    np.testing.assert_allclose(gnss.east[0], [0, 0.002, -0.003], atol=1e-9)


XYZ = np.array([-5464075.0, -2495249.0, 2148292.0])
"""On Hawaii."""


def geocentric(east_north_up):
    longitude, latitude, _ = geodetic(XYZ)
    return XYZ + to_east_north_up(longitude, latitude).T @ east_north_up


def test_places_are_those_of_proj():
    from pyproj import Transformer

    expected = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True).transform(*XYZ)
    np.testing.assert_allclose(geodetic(XYZ), expected, rtol=0, atol=1e-6)
    longitude, latitude, height = geodetic(XYZ)
    back = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    for axis, step in enumerate(((1e-6, 0, 0), (0, 1e-6, 0), (0, 0, 1.0))):
        moved = np.array(back.transform(longitude + step[0], latitude + step[1], height + step[2])) - XYZ
        turned = to_east_north_up(longitude, latitude) @ moved
        assert turned[axis] > 0
        assert turned[axis] == pytest.approx(np.linalg.norm(moved), rel=1e-5)


def test_txyz2_is_turned_with_its_covariance(tmp_path):
    """Columns: site, date, year, x y z, their standard deviations, correlations xy xz yz, antenna height."""
    motions = np.array([[0, 0, 0], [0.003, -0.002, 0.005]])
    lines = []
    for day, motion in zip(("16JUL11", "16JUL23"), motions, strict=True):
        x, y, z = geocentric(motion)
        lines.append(f"HILL {day} 2016.5 {x:.6f} {y:.6f} {z:.6f} 0.002 0.003 0.001 0.5 -0.4 -0.3 0.0083")
    (tmp_path / "HILL.txyz2").write_text("\n".join(lines))
    gnss = ia.open_gnss(tmp_path / "HILL.txyz2")
    for name, expected in zip(("east", "north", "up"), motions.T, strict=True):
        np.testing.assert_allclose(gnss[name][0], expected, atol=1e-6)
    deviations, pairs = np.diag([0.002, 0.003, 0.001]), np.array([[1, 0.5, -0.4], [0.5, 1, -0.3], [-0.4, -0.3, 1]])
    turn = to_east_north_up(*geodetic(XYZ)[:2])
    covariance = turn @ deviations @ pairs @ deviations @ turn.T
    np.testing.assert_allclose(gnss.east_std[0, 0] ** 2, covariance[0, 0])
    np.testing.assert_allclose(gnss.up_std[0, 0] ** 2, covariance[2, 2])
    found = gnss.correlation_north_up[0, 0] * gnss.north_std[0, 0] * gnss.up_std[0, 0]
    np.testing.assert_allclose(found, covariance[1, 2])


def test_tenv8_is_of_the_grid(tmp_path):
    """Columns: decimal year, east, north, up, standard deviations, rapid or not; no place, no correlations."""
    (tmp_path / "000007_NA.tenv8").write_text(
        "2016.5257 0.0010 0.0020 -0.0030 0.001 0.0011 0.004 0\n2016.5585 0.0015 0.0010 0.0030 0.001 0.0011 0.004 1\n"
    )
    gnss = ia.open_gnss(tmp_path, places={"000007": (-120.0, 38.0)})
    assert [str(t)[:10] for t in gnss.time.values] == ["2016-07-11", "2016-07-23"]
    np.testing.assert_allclose([gnss[n][0, 1] for n in ("east", "north", "up")], [0.0005, -0.001, 0.006], atol=1e-9)
    np.testing.assert_allclose([gnss[f"{n}_std"][0, 1] for n in ("east", "north", "up")], [0.001, 0.0011, 0.004])
    assert np.isnan(gnss.correlation_east_up).all()


POS = """PBO Station Position Time Series. Reference Frame : NAM14
Format Version: 1.1.0
4-character ID: P403
Station name  : FloeQuaryGWA2005
XYZ Reference position :  -2396874.51122 -3534734.44146  4721722.14918 (NAM14)
NEU Reference position :    48.0623223017  235.8591253307  284.67725 (NAM14/WGS84)
Start Field Description
End Field Description
*YYYYMMDD HHMMSS JJJJJ.JJJJ         X             Y             Z            Sx        Sy       Sz     Rxy   Rxz    Ryz
 20160711 120000 57580.5000 -2396874.5 -3534734.4  4721722.1  0.002  0.003  0.004  0.8 -0.7 -0.6  48.0623  235.8591 284.6  0.0010  0.0020  0.0030  0.0011  0.0012  0.0040  0.01  0.02  0.03 final
 20160723 120000 57592.5000 -2396874.5 -3534734.4  4721722.1  0.002  0.003  0.004  0.8 -0.7 -0.6  48.0623  235.8591 284.6  0.0020  0.0060 -0.0010  0.0011  0.0012  0.0040  0.01  0.02  0.03 rapid
"""


def test_pos_of_the_plate_boundary_observatory(tmp_path):
    """north, east, up; correlations north-east, north-up, east-up, as the header of the files says."""
    (tmp_path / "P403.pbo.nam14.pos").write_text(POS)
    gnss = ia.open_gnss(tmp_path / "P403.pbo.nam14.pos")
    assert list(gnss.station.values) == ["P403"]
    np.testing.assert_allclose([gnss[n][0, 1] for n in ("east", "north", "up")], [0.004, 0.001, -0.004], atol=1e-12)
    np.testing.assert_allclose([gnss[f"{n}_std"][0, 0] for n in ("east", "north", "up")], [0.0012, 0.0011, 0.004])
    pairs = [float(gnss[f"correlation_{n}"][0, 0]) for n in ("east_north", "east_up", "north_up")]
    assert pairs == [0.01, 0.03, 0.02]
    assert float(gnss.longitude[0]) == pytest.approx(-124.1409)
    assert float(gnss.latitude[0]) == pytest.approx(48.0623)
    assert gnss.attrs["reference_frame"] == "NAM14"


PBO_CSV = """PBO Station Position Time Series.
Format Version, 1.2.0
Reference Frame, NAM08
4-character ID, P403
Station name, FloeQuaryGWA2005
Reference position, 48.0623223017 North Latitude, -124.1408746693 East Longitude, 284.67725 meters elevation
Date, North (mm), East (mm), Vertical (mm), North Std. Deviation (mm), East Std. Deviation (mm), Vertical Std. Deviation (mm), Quality,
2016-07-11,0.00, 0.00, 0.00, 4.71, 3.14, 13.2, repro,
2016-07-23,7.43, 8.65, -2.37, 1.85, 1.34, 5.6, repro,
"""


def test_csv_of_the_plate_boundary_observatory(tmp_path):
    (tmp_path / "P403.csv").write_text(PBO_CSV)
    gnss = ia.open_gnss(tmp_path)
    np.testing.assert_allclose([gnss[n][0, 1] for n in ("east", "north", "up")], [8.65e-3, 7.43e-3, -2.37e-3])
    np.testing.assert_allclose([gnss[f"{n}_std"][0, 0] for n in ("east", "north", "up")], [3.14e-3, 4.71e-3, 13.2e-3])
    assert float(gnss.longitude[0]) == pytest.approx(-124.1408746693)
    assert gnss.attrs["reference_frame"] == "NAM08"


def midas(name, longitude, velocity=(0.001, -0.002, 0.003), std=(0.0001, 0.0002, 0.0005)):
    """27 columns of midas.readme.txt: the velocity is in 9 to 11, its uncertainty in 12 to 14, the place in 25 to 27."""
    rest = "0.0 0.0 0.0  0.01 0.02 0.03  0.002 0.003 0.008  2"
    return (
        f"{name} MIDAS5  2005.1732 2026.6776 21.5044 7432 7400 12344 {' '.join(map(str, velocity))} "
        f"{' '.join(map(str, std))} {rest}  38.5 {longitude}  100.25\n"
    )


def test_velocities_of_midas(tmp_path):
    (tmp_path / "midas.IGS.txt").write_text(midas("P224", -122.2191) + midas("00NA", -229.1560, (0.03, 0.05, -0.001)))
    gnss = ia.open_gnss(tmp_path / "midas.IGS.txt")
    assert list(gnss.station.values) == ["00NA", "P224"]
    assert [float(gnss[f"velocity_{n}"][1]) for n in ("east", "north", "up")] == [0.001, -0.002, 0.003]
    assert [float(gnss[f"velocity_{n}_std"][1]) for n in ("east", "north", "up")] == [0.0001, 0.0002, 0.0005]
    np.testing.assert_allclose(gnss.longitude, [130.844, -122.2191])
    np.testing.assert_allclose(gnss.latitude, 38.5)
    assert gnss.velocity_up.attrs["units"] == "m/year"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("east_mm,north_mm,up_mm", 1e-3), ("east,north,up", 1.0), ("East (mm),North [mm],up (mm)", 1e-3)],
)
def test_a_plain_table_says_its_unit(tmp_path, unit, factor):
    (tmp_path / "a.csv").write_text(
        f"site,date,{unit},east_std,lat,lon\nB,20200102,4,5,6,0.1,10,190\nA,2020-01-01,0,0,0,,11,-10\nB,2020-01-01,1,2,3,0.2,10,190\n"
    )
    gnss = ia.open_gnss(tmp_path)
    assert list(gnss.station.values) == ["A", "B"]
    np.testing.assert_allclose(gnss.east, [[0, np.nan], [0, 3 * factor]])
    np.testing.assert_allclose(gnss.up, [[0, np.nan], [0, 3 * factor]])
    np.testing.assert_allclose(gnss.east_std, [[np.nan, np.nan], [0.2, 0.1]])
    np.testing.assert_allclose(gnss.longitude, [-10, -170])


def test_a_plain_table_of_velocities(tmp_path):
    (tmp_path / "v.csv").write_text(
        "station,lon,lat,velocity_east_mm_yr,velocity_north (mm/yr),velocity_up,velocity_east_std\nA,1,2,3,4,0.005,0.1\n"
    )
    gnss = ia.open_gnss(tmp_path / "v.csv")
    np.testing.assert_allclose([gnss[f"velocity_{n}"][0] for n in ("east", "north", "up")], [0.003, 0.004, 0.005])
    assert float(gnss.velocity_east_std[0]) == 0.1


def test_folders_archives_selections_and_gaps(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f/A.tenv3").write_text(tenv3("A"))
    (tmp_path / "f/B.tenv3").write_text(
        tenv3("B", rows=[("00JAN02", 5, 0.5), ("00JAN03", 5, 0.6), ("00JAN03", 9, 0.9)])
    )
    (tmp_path / "f/readme.txt").write_text("nothing")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("A", "B"):
            archive.write(tmp_path / f"f/{name}.tenv3", f"deep/{name}.tenv3")
    for path in (tmp_path / "f", tmp_path / "a.zip", str(tmp_path / "f/*.tenv3")):
        gnss = ia.open_gnss(path)
        assert dict(gnss.sizes) == {"station": 2, "time": 4}
        np.testing.assert_allclose(gnss.east, [[0, 0.002, np.nan, -0.003], [np.nan, np.nan, 0, 0.1]], atol=1e-9)
    only = ia.open_gnss(tmp_path / "f", stations=["B"], start="2000-01-03", end="2000-01-03")
    assert dict(only.sizes) == {"station": 1, "time": 1}
    np.testing.assert_allclose(only.east, [[0.1]], atol=1e-9)


PANGA = "# ================= DQRFIT RESULTS =================\n# model: trend\n"
"""Header, then decimal year (day of the year by its days), position and standard deviation in mm."""


def panga(folder, name="ALBH", axes=("lon", "lat", "rad")):
    for scale, axis in enumerate(axes, 1):
        rows = [
            (2020 + 1 / 366, 0.0, 9.0),
            (2020 + 1 / 366, 1.0 * scale, 2.0 * scale),
            (2020 + 60 / 366, 4.0 * scale, 3.0),
        ]
        rows += [(2021.0, -5.0 * scale, 3.0)] + ([(2021 + 2 / 365, 7.0, 3.0)] if axis == "lat" else [])
        text = "".join(f"{year:.6f} {value:.2f} {std:.2f}\n" for year, value, std in rows)
        (folder / f"{name}.{axis}").write_text(PANGA + text)


def test_panga_has_three_files_for_a_station_in_mm(tmp_path):
    """lon is east, lat north, rad up; the fraction 1 of a year is its last day; days that one lacks are left out."""
    panga(tmp_path)
    gnss = ia.open_gnss(tmp_path, places={"ALBH": (-123.5, 48.4)})
    assert [str(t)[:10] for t in gnss.time.values] == ["2020-01-01", "2020-02-29", "2020-12-31"]
    for scale, name in enumerate(("east", "north", "up"), 1):
        np.testing.assert_allclose(gnss[name][0], [0, 0.003 * scale, -0.006 * scale], atol=1e-9)
        np.testing.assert_allclose(gnss[f"{name}_std"][0], [0.002 * scale, 0.003, 0.003])
    with pytest.raises(FileError, match="ALBH: its file does not say where it is"):
        ia.open_gnss(tmp_path)
    (tmp_path / "ALBH.rad").unlink()
    with pytest.raises(FileError, match=r"station ALBH has no file \.rad; give all three"):
        ia.open_gnss(tmp_path, places={"ALBH": (-123.5, 48.4)})


SSC = """               CLASS_A EPN STATION POSITIONS AND VELOCITIES
               REFERENCE FRAME:    IGb14    AT EPOCH OF 2010.0
DOMES NB. SITE NAME        TECH. ID.       X/Vx         Y/Vy         Z/Vz.          Sigmas      SOLN  DATA_START     DATA_END   REF. EPOCH
----------------------------------------------------------------------------------------------------------------------------------------
10001M007 SMNE              GPS SMNE  4201791.972   177945.561  4779286.951  0.001  0.001  0.001  1 00:322:00000 08:118:86370 10:001:00000
10001M007                                  -.0930       0.0175       0.0106 0.0001 0.0001 0.0001
10001M007 SMNE              GPS SMNE  4201791.982   177945.564  4779286.960  0.001  0.001  0.001  2 08:120:00000 09:069:86370 10:001:00000
10001M007                                  -.0130       0.0175       0.0106 0.0002 0.0001 0.0003
"""
"""Lines of the source in the module, with another velocity in the first solution and other deviations in the second."""


def test_velocities_of_the_european_network_are_turned(tmp_path):
    from pyproj import Transformer

    (tmp_path / "EPN_A_IGb14.SSC").write_text(SSC)
    gnss = ia.open_gnss(tmp_path)
    place = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True).transform(
        4201791.982, 177945.564, 4779286.960
    )
    np.testing.assert_allclose([gnss.longitude[0], gnss.latitude[0], gnss.height[0]], place, rtol=1e-9)
    turn = to_east_north_up(*place[:2])
    parts = ("east", "north", "up")
    np.testing.assert_allclose([gnss[f"velocity_{n}"][0] for n in parts], turn @ [-0.013, 0.0175, 0.0106])
    covariance = turn @ np.diag(np.square([0.0002, 0.0001, 0.0003])) @ turn.T
    np.testing.assert_allclose([gnss[f"velocity_{n}_std"][0] for n in parts], np.sqrt(np.diag(covariance)))
    pair = gnss.correlation_north_up[0] * gnss.velocity_north_std[0] * gnss.velocity_up_std[0]
    np.testing.assert_allclose(pair, covariance[1, 2])
    assert 0.015 < float(gnss.velocity_east[0]) < 0.02  # Paris moves to the north-east
    assert 0.01 < float(gnss.velocity_north[0]) < 0.02
    assert gnss.attrs["reference_frame"] == "IGb14"


STEPS = """P090  18MAR02  1  Elevation_Cutoff_Changed
P090  20MAY15  2   288.403   229.929  6.5 nn00725272
GOL2  94JAN17  2   363.078   201.965  6.7 ci3144585
"""
"""steps_readme.txt of the Nevada Geodetic Laboratory: station, date, code, ..., threshold and distance in km, magnitude."""


def test_steps_field_by_field(tmp_path):
    (tmp_path / "steps.txt").write_text(STEPS)
    steps = ia.open_gnss(tmp_path / "steps.txt")
    assert [str(t)[:10] for t in steps.time.values] == ["1994-01-17", "2018-03-02", "2020-05-15"]
    assert list(steps.station.values) == ["GOL2", "P090", "P090"]
    assert list(steps.kind.values) == ["earthquake", "equipment", "earthquake"]
    assert list(steps.event.values) == ["ci3144585", "Elevation_Cutoff_Changed", "nn00725272"]
    np.testing.assert_array_equal(steps.distance, [201.965, np.nan, 229.929])
    np.testing.assert_array_equal(steps.magnitude, [6.7, np.nan, 6.5])
    only = ia.open_gnss(tmp_path / "steps.txt", stations=["P090"], start="2019-01-01")
    assert [str(t)[:10] for t in only.time.values] == ["2020-05-15"]
    assert ia.open_gnss(tmp_path / "steps.txt", end="2000-01-01").sizes == {"step": 1}


LINE = tenv3().splitlines()[1]
DAMAGED = {
    "a short line": ("X.tenv3", tenv3() + "HILL 00JAN04 2000\n", r"X.tenv3, line 5: has 3 columns instead of 20 or 23"),
    "no number": ("X.tenv3", tenv3().replace("0.999000", "0.99x000"), "'0.99x000', which is not a number"),
    "no date": ("X.tenv3", tenv3().replace("00JAN01", "00JAM01"), "'00JAM01' is not a date"),
    "no such day": ("X.tenv3", tenv3().replace("00JAN01", "00JAN41"), "'00JAN41' is not a date"),
    "no days": ("X.tenv3", TENV3, "X.tenv3: contains no days"),
    "empty": ("X.tenv3", "", "X.tenv3: is empty"),
    "latitude": ("X.tenv3", tenv3().replace("19.3390", "119.3390"), "HILL: its latitude is 119.339"),
    "pos without its table": ("X.pos", POS.split("*YYYY")[0], "has no line"),
    "pbo csv without place": ("X.csv", PBO_CSV.replace("Reference position", "Position"), "no reference position"),
    "other text": ("X.dat", "hello\n", "is not in a known format for stations"),
    "csv of other things": ("X.csv", "a,b\n1,2\n", "has neither the columns date, east, north, up"),
    "csv without dates": ("X.csv", "station,east,north,up,lon,lat\nA,1,2,3,4,5\n", "has positions, but no column date"),
    "csv with a bad date": ("X.csv", "date,east,north,up,lon,lat\nmay,1,2,3,4,5\n", "X.csv, line 2: "),
    "csv with a bad number": ("X.csv", "date,east,north,up,lon,lat\n20200101,x,2,3,4,5\n", "X.csv, line 2: 'x' is not a number"),
    "csv with a short line": ("X.csv", "date,east,north,up,lon,lat\n20200101,1,2,3\n", "X.csv, line 2: has 4 cells instead of 6"),
    "csv with a column twice": ("X.csv", "date,east,East (mm),north,up\n20200101,1,1,2,3\n", "has the column east twice"),
    "panga": ("X.lon", PANGA + "2020.5 1.0\n", r"X.lon, line 3: has 2 columns instead of 3"),
    "epn without velocities": ("X.SSC", "\n".join(SSC.splitlines()[:5]) + "\n", "X.SSC: has no velocities"),
    "epn with a short line": ("X.SSC", SSC.replace(" 0.0002 0.0001", " 0.0002"), "X.SSC, line 8: has 5 numbers instead of 6"),
    "steps": ("X.txt", STEPS + "GOL2 94JAN17 2 363.0\n", "X.txt, line 4: 'GOL2 94JAN17 2 363.0' is no step"),
    "steps with a bad date": ("X.txt", STEPS.replace("20MAY15", "20MAI15"), "line 2: '20MAI15' is not a date"),
    "midas": ("X.txt", midas("A", 1.0) + "B MIDAS5 1 2\n", "X.txt, line 2: has 4 columns instead of 27"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_one_line(name, tmp_path):
    file, text, message = DAMAGED[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(FileError, match=message) as error:
        ia.open_gnss(tmp_path / file)
    assert "\n" not in str(error.value)
    assert LINE.startswith("HILL")


def test_what_is_asked_for_must_be_there(tmp_path):
    (tmp_path / "A.tenv3").write_text(tenv3("A"))
    for options, message in (
        ({"stations": ["Z"]}, "stations: 'Z' is not there; there are A"),
        ({"start": "2010-01-01"}, "start, end: no day"),
    ):
        with pytest.raises(ArgumentError, match=message):
            ia.open_gnss(tmp_path, **options)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/A.tenv3").write_text(tenv3("A"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.zip").write_bytes(b"no archive")
    (tmp_path / "b/bytes.csv").write_bytes(b"\xff\xfe\x00")
    for path, message in (
        (tmp_path / "empty", "holds no file of stations"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / "a.zip", "cannot be unpacked"),
        ([tmp_path / "A.tenv3", tmp_path / "b/A.tenv3"], "station A is there more than once"),
        (tmp_path / "b/bytes.csv", "is not text"),
    ):
        with pytest.raises(InsarrayError, match=message):
            ia.open_gnss(path)
