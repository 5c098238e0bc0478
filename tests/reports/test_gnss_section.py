"""The GNSS section of a report: tables with the numbers of the results, pictures, ties, refusals."""

import re

import pytest

import insarray as ia
from insarray.model.errors import ArgumentError
from insarray.reports.gnss import gnss_of
from tests.products.test_compare_gnss import series, stations


@pytest.fixture(scope="module")
def compared():
    gnss, rate = stations()
    data = series(rate, noise=0.003)
    return data, ia.compare_gnss(data, gnss)


def test_the_page_has_the_table_and_the_picture_of_the_stations(compared, tmp_path):
    data, found = compared
    text = ia.report(data, tmp_path / "r.html", gnss=found).read_text()
    section = text[text.index('<section id="gnss">') :].split("</section>")[0]
    for k, name in enumerate(found.station.values):
        row = re.search(rf"<td>{name}</td>(.*?)</tr>", section, re.DOTALL)[1]
        cells = re.findall(r">([^<]+)</td>", row)
        assert cells[:2] == [str(int(found.number_of_dates[k])), f"{1e3 * float(found.rms_of_station[k]):.2f}"]
        assert cells[2] == f"{1e3 * float(found.trend_of_station[k]):.2f}"
    assert f"root mean square {1e3 * found.attrs['rms']:.2f} mm" in section
    assert section.count("<svg") == 1
    assert "<svg" in section[section.index("gnss-stations") :]
    assert '<section id="gnss">' not in ia.report(data, tmp_path / "without.html").read_text()


def test_a_tie_and_a_requirement_are_in_it(compared):
    data, _ = compared
    tied = data.assign_attrs(
        gnss_tie="plane", gnss_tie_up="gnss", gnss_tie_deviation=0.0012, gnss_tie_stations=4, reference_frame="IGS14"
    )
    checked = ia.validate(data.isel(time=-1), requirement="nisar_transient", pairs=200, seed=1)
    found = gnss_of(tied, None, checked)
    assert ("surface subtracted", "plane") in found["tie"]
    assert ("robust deviation after it", "1.20 mm") in found["tie"]
    assert ("reference frame", "IGS14") in found["tie"]
    assert found["validated"]["requirement"] == "nisar transient"
    assert [row[1] for row in found["validated"]["rows"]] == [str(n) for n in checked.number_of_pairs.values]
    assert found["validated"]["svg"].startswith("<svg")
    assert gnss_of(data) is None


def test_what_is_no_comparison_is_one_line(compared, tmp_path):
    data, found = compared
    for name in ("gnss", "validation"):
        with pytest.raises(ArgumentError, match=f"{name}: is no output of insarray") as error:
            ia.report(data, tmp_path / "r.html", **{name: data})
        assert "\n" not in str(error.value)
    assert not (tmp_path / "r.html").exists()
    assert found.sizes["station"] == 4
