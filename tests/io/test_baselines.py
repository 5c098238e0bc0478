"""Tables of perpendicular baselines, per date and per pair."""

from pathlib import Path

import numpy as np
import pytest

from insarray.io.baselines import read_baselines
from insarray.io.open import open_stack
from insarray.model.errors import FileError, InsarrayError, StackError
from insarray.model.network import Network
from tests.io.stack_files import PAIRS, Truth

NETWORK = Network.from_pairs(PAIRS)
OF_DATE = np.array([12.5, -40.0, 103.25, 7.0])  # 20200101, 0113, 0125, 0206; not zero at the first
OF_PAIR = OF_DATE[NETWORK.secondary] - OF_DATE[NETWORK.reference]
DAYS = ("20200101", "20200113", "20200125", "20200206")


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def per_date(path: Path, dates: tuple[str, ...] = DAYS, order: tuple[int, ...] = (2, 0, 3, 1)) -> Path:
    """Lines in another order than the dates."""
    return table(path, "date,bperp_m", *(f"{dates[k]},{OF_DATE[k]}" for k in order))


def per_pair(path: Path, order: tuple[int, ...] = (2, 0, 3, 1), swapped: tuple[int, ...] = (0, 3)) -> Path:
    """Lines in another order than the pairs, some with the newer date first."""
    lines = []
    for k in order:
        first, second = PAIRS[k].split("_")
        lines.append(f"{second},{first},{-OF_PAIR[k]}" if k in swapped else f"{first},{second},{OF_PAIR[k]}")
    return table(path, "reference,secondary,bperp_m", *lines)


@pytest.mark.parametrize("write", [per_date, per_pair])
def test_of_pairs_and_of_dates(tmp_path: Path, write) -> None:
    found = read_baselines(write(tmp_path / "b.csv"))
    pairs = found.of_pairs(NETWORK)
    assert pairs.dims == ("pair",)
    np.testing.assert_allclose(pairs, OF_PAIR, rtol=1e-12)
    baseline, misclosure = found.of_dates(NETWORK.times)
    assert baseline.dims == ("time",)
    np.testing.assert_allclose(baseline, OF_DATE - OF_DATE[0], atol=1e-9)
    later_first, _ = found.of_dates(NETWORK.times[[2, 0]])
    np.testing.assert_allclose(later_first, [0, OF_DATE[0] - OF_DATE[2]], atol=1e-9)
    if write is per_date:
        assert misclosure is None
    else:
        assert misclosure is not None
        np.testing.assert_allclose(misclosure, 0, atol=1e-9)


@pytest.mark.parametrize("write", [per_date, per_pair])
def test_open_stack(folder: Path, write) -> None:
    stack = open_stack(f"{folder}/*.unw.tif", baselines=write(folder / "b.csv"))
    np.testing.assert_allclose(stack.perpendicular_baseline, OF_PAIR, rtol=1e-6)


def test_a_part_of_the_stack(tmp_path: Path) -> None:
    """Lines that nobody asks for do not matter."""
    part = Network.from_pairs([PAIRS[2]])
    for write in (per_date, per_pair):
        np.testing.assert_allclose(read_baselines(write(tmp_path / "b.csv")).of_pairs(part), OF_PAIR[2])


def test_pairs_that_do_not_close(tmp_path: Path) -> None:
    """Least squares by hand: the error of 3 m of a triangle is shared by its sides, the pair outside it keeps its own."""
    off = OF_PAIR + np.array([0, 3, 0, 0])
    lines = [f"{pair.replace('_', ',')},{b}" for pair, b in zip(PAIRS, off, strict=True)]
    found = read_baselines(table(tmp_path / "b.csv", "reference,secondary,bperp_m", *lines))
    baseline, misclosure = found.of_dates(NETWORK.times)
    np.testing.assert_allclose(baseline, OF_DATE - OF_DATE[0] + [0, 1, 2, 2], atol=1e-9)
    np.testing.assert_allclose(misclosure, [-1, 1, -1, 0], atol=1e-9)
    np.testing.assert_allclose(found.of_pairs(NETWORK), off)  # as given, not closed


@pytest.mark.parametrize(
    "spelling",
    [
        "{0}",
        "{1}",
        "{1}T12:01:02",
        "{1} 12:01:02",
        "{1}T12:01:02Z",
        "{1}T12:01:02.123456Z",
        "{1} 12:01:02.5",
        "{0}T120102",
        "CAPELLA_C02_SM_SLC_HH_{0}120102_{0}120108.tif",
        "OPERA_L2_CSLC-S1_T087-185678-IW2_{0}T164601Z_20230101T100506Z_S1A_VV_v1.0.h5",
        "COMPRESSED_OPERA_L2_CSLC-S1_T087-185678-IW2_{0}_20230101_20230601.h5",
        "slc/S1A_IW_SLC__1SDV_{0}T120102_{0}T120130_020043_02225A_9E0B.SAFE",
        "slc/S1A_IW_SLC__1SDV_{0}T120102_{0}T120130_020043_02225A_9E0B.SAFE/measurement/s1a-iw1-slc-vv.tiff",
        "20231231/t087_185678_iw2_{0}_VV.h5",
        "{0}.slc.tif",
    ],
)
def test_spellings_of_dates(tmp_path: Path, spelling: str) -> None:
    dates = tuple(spelling.format(day, f"{day[:4]}-{day[4:6]}-{day[6:]}") for day in DAYS)
    found = read_baselines(per_date(tmp_path / "b.csv", dates))
    np.testing.assert_allclose(found.of_pairs(NETWORK), OF_PAIR)
    lines = [f"{dates[i]},{dates[j]},{b}" for (i, j), b in zip(NETWORK.pairs, OF_PAIR, strict=True)]
    found = read_baselines(table(tmp_path / "p.csv", "reference,secondary,bperp_m", *lines))
    np.testing.assert_allclose(found.of_pairs(NETWORK), OF_PAIR)


def test_columns(tmp_path: Path) -> None:
    """Any case and order, blanks, further columns; times by _utc columns only if both are there."""
    text = "Note, BPERP_M ,Secondary_Time_UTC,reference,secondary,Reference_Time_UTC,"
    line = "x,{b},{second}T01:02:03Z,a.tif,b.tif,{first}T01:02:03Z,"
    lines = [
        line.format(b=b, first=p[:8], second=f"{p[9:13]}-{p[13:15]}-{p[15:]}")
        for p, b in zip(PAIRS, OF_PAIR, strict=True)
    ]
    found = read_baselines(table(tmp_path / "b.csv", text, "", *lines, " , "))
    np.testing.assert_allclose(found.of_pairs(NETWORK), OF_PAIR)
    one = [f"{pair.replace('_', ',')},{b},never" for pair, b in zip(PAIRS, OF_PAIR, strict=True)]
    found = read_baselines(table(tmp_path / "b.csv", "reference,secondary,bperp_m,reference_time_utc", *one))
    np.testing.assert_allclose(found.of_pairs(NETWORK), OF_PAIR)
    dates = [f"20200101,{day},{b}" for day, b in zip(DAYS, OF_DATE, strict=True)]
    found = read_baselines(table(tmp_path / "b.csv", "reference,date,bperp_m", *dates))
    np.testing.assert_allclose(found.of_pairs(NETWORK), OF_PAIR)


def test_start_times_of_one_acquisition_differ_by_seconds(tmp_path: Path) -> None:
    lines = ["2020-01-01T12:00:00,2020-01-13T12:00:01,5", "2020-01-25T12:00:00,2020-01-13T12:00:03,-6"]
    found = read_baselines(table(tmp_path / "b.csv", "reference,secondary,bperp_m", *lines))
    assert len(found.times) == 3
    np.testing.assert_allclose(found.of_dates(NETWORK.times[:3]).baseline, [0, 5, 11])
    times = NETWORK.times[:3] + np.timedelta64(12 * 3600 + 7, "s")
    np.testing.assert_allclose(found.of_dates(times).baseline, [0, 5, 11])


def test_two_passes_of_a_day(tmp_path: Path) -> None:
    lines = ["20200101T060000,1", "20200101T180000,20", "20200113,300"]
    found = read_baselines(table(tmp_path / "b.csv", "date,bperp_m", *lines))
    times = np.array(["2020-01-01T06:00:05", "2020-01-01T18:00:05", "2020-01-13T06:00:05"], "datetime64[s]")
    np.testing.assert_allclose(found.of_dates(times).baseline, [0, 19, 299])
    with pytest.raises(StackError, match="has 20200101T060000, 20200101T180000 for 20200101; keep one"):
        found.of_dates(NETWORK.times[:2])
    times[1:] = times[2], times[2] + np.timedelta64(6, "h")
    with pytest.raises(
        StackError, match="only 20200113 for 20200113T060005 and 20200113T120005; give the times of day"
    ):
        found.of_dates(times)


ASK = "reference,secondary,bperp_m"


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([], FileError, r"b.csv: is empty; a table begins"),
        (["", " ,"], FileError, r"b.csv: is empty"),
        (["date,bperp_m"], StackError, r"b.csv: lists no baseline"),
        ([ASK], StackError, r"b.csv: lists no baseline"),
        (["date,bperp"], FileError, r"has no column bperp_m; its first line holds date, bperp"),
        (["reference,bperp_m"], FileError, r"no column date, nor reference and secondary; .* holds reference, bperp_m"),
        (["date;bperp_m", "20200101;1"], FileError, r"no column bperp_m; its first line holds date;bperp_m"),
        (["date,bperp_m,Date", "20200101,1,20200101"], FileError, r"has the column date more than once"),
        (["date,bperp_m", "20200101,1", "2020-01-01,1"], StackError, r"b.csv: date 20200101 is listed more than once"),
        (["date,bperp_m", "20200101T120000,1", "20200101T120003,1"], StackError, r"date 20200101T120000 is listed"),
        ([ASK, "20200101,20200113,1", "20200101,20200113,1"], StackError, rf"pair {PAIRS[0]} is listed more than once"),
        ([ASK, "20200101,20200113,1", "20200113,20200101,-1"], StackError, rf"pair {PAIRS[0]} is listed more than"),
        ([ASK, "20200101,20200101,0"], StackError, r"b.csv, line 2: both dates are 2020-01-01"),
        ([ASK, "20200101T120000,20200101T120007,0"], StackError, r"b.csv: a pair has 20200101T120000 as both"),
        (["date,bperp_m", "20200101,1", "20200113,nan"], FileError, r"b.csv, line 3: bperp_m is 'nan'"),
        (["date,bperp_m", "20200101,-inf"], FileError, r"b.csv, line 2: bperp_m is '-inf'"),
        (["date,bperp_m", "20200101,1 m"], FileError, r"b.csv, line 2: bperp_m is '1 m'; it must be a number of met"),
        (["date,bperp_m", "20200101"], FileError, r"b.csv, line 2: has no bperp_m; give one in metres"),
        (["date,bperp_m", "20200101,12,5"], FileError, r"b.csv, line 2: has 3 cells for 2 columns; write decimals"),
        (["date,bperp_m", ",5"], FileError, r"b.csv, line 2: date: '' is not a date"),
        (["date,bperp_m", "20201332,5"], FileError, r"b.csv, line 2: date: '20201332' is not a date"),
        (["date,bperp_m", "2020-01-13T25:00:00Z,5"], FileError, r"b.csv, line 2: date: '2020-01-13T25:00:00Z' is not"),
        (["date,bperp_m", "20200101_20200113,5"], FileError, r"b.csv, line 2: date: '20200101_20200113' is not a date"),
        (["date,bperp_m", "slc_2020.tif,5"], FileError, r"b.csv, line 2: date: 'slc_2020.tif' has no date"),
        (["a\0b,c", "d"], FileError, r"b.csv: is not a text"),
    ],
)
def test_bad_tables(tmp_path: Path, lines: list[str], error: type[InsarrayError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read_baselines(table(tmp_path / "b.csv", *lines))
    assert "\n" not in str(caught.value)


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\x89HDF\r\n\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "b.csv"):
        with pytest.raises(FileError, match=f"{path}: cannot be read as a CSV table"):
            read_baselines(path)


def test_missing_dates_and_pairs(tmp_path: Path) -> None:
    """Nothing is interpolated, and a pair is not made up of two others."""
    found = read_baselines(per_date(tmp_path / "b.csv", order=(0, 2, 3)))
    for ask in (lambda: found.of_pairs(NETWORK), lambda: found.of_dates(NETWORK.times)):
        with pytest.raises(StackError, match=r"1 of 4 dates are not in .*b.csv: 20200113; add them, .* interpolated"):
            ask()
    found = read_baselines(per_pair(tmp_path / "b.csv", order=(0, 2, 3)))
    with pytest.raises(StackError, match=rf"1 of 4 pairs are not in the table: {PAIRS[1]}; add them to .*b.csv"):
        found.of_pairs(NETWORK)
    np.testing.assert_allclose(found.of_dates(NETWORK.times).baseline, OF_DATE - OF_DATE[0], atol=1e-9)
    with pytest.raises(StackError, match=r"1 of 5 dates are not in .*: 20210101"):
        found.of_dates(np.append(NETWORK.times, np.datetime64("2021-01-01")))


def test_pairs_that_do_not_connect(tmp_path: Path) -> None:
    found = read_baselines(per_pair(tmp_path / "b.csv", order=(3, 0)))
    with pytest.raises(StackError, match=r"the pairs of .*b.csv do not connect 20200125 with 20200101; add a pair"):
        found.of_dates(NETWORK.times)
    np.testing.assert_allclose(found.of_dates(NETWORK.times[:2]).baseline, [0, OF_PAIR[0]], atol=1e-9)
    np.testing.assert_allclose(found.of_dates(NETWORK.times[2:]).baseline, [0, OF_PAIR[3]], atol=1e-9)


def test_table_of_a_stack(folder: Path, truth: Truth) -> None:
    """A cell that is a number too much is noticed there, too."""
    lines = [f"{pair.replace('_', ',')},{pair}.unw.tif,1,5" for pair in PAIRS]
    with pytest.raises(FileError, match="line 2: has 5 cells for 4 columns"):
        open_stack(table(folder / "s.csv", "reference,secondary,unwrapped,bperp_m", *lines))


def test_real_tables(shared: Path) -> None:
    data = shared / "data"
    found = read_baselines(data / "alos_landslide_pygdalsar" / "dates_baselines.csv")
    assert found.of_dates(found.times).baseline.values[:4].tolist() == [0, -853, 250 - 853, 842 - 853]
    found = read_baselines(data / "s1_mexico_cropA" / "baselines.csv")
    baseline, misclosure = found.of_dates(found.times)
    assert len(baseline) == 13
    assert misclosure is not None
    assert float(abs(misclosure).max()) < 1 < 10 < float(baseline.std())
