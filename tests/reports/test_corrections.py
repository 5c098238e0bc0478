"""The section of corrections: before, each, after; numbers of every date; only where the result keeps them."""

import numpy as np

import insarray as ia
from insarray.reports.corrections import corrections_of
from insarray.reports.thinning import Sampling
from tests.reports.test_report import Page


def corrected(**kwargs):
    stack, truth = ia.simulate_stack(shape=(30, 36), n_dates=5, missing=0, water=False, stratified=0.03, seed=2)
    series = ia.invert(stack, reference=(9, 12))
    tide = (truth.atmosphere * 0.1).rename("solid_earth_tide").assign_attrs(units="m")
    return ia.correct(ia.correct(series, {"troposphere": truth.atmosphere}, **kwargs), tide, **kwargs).compute()


def test_before_each_and_after(tmp_path):
    data = corrected()
    page = Page(ia.report(data, tmp_path / "r.html").read_text())
    assert "corrections" in page.sections
    table = page.rows["corrections"]
    head, mean, *rows = table[[row[0] for row in table].index("date") :]  # below the verdicts
    assert head == ["date", "before", "troposphere", "solid_earth_tide", "after"]
    assert [row[0] for row in rows] == [str(time)[:10] for time in data.time.values]
    for k, row in enumerate(rows):
        names = ("uncorrected_displacement", "troposphere", "solid_earth_tide", "displacement")
        expected = [1e3 * float(data[name][k].std()) for name in names]
        np.testing.assert_allclose([float(cell) for cell in row[1:]], expected, atol=0.006)
    assert float(mean[1]) > float(mean[4])
    at = page.text.index('<section id="corrections">')
    section = page.text[at : page.text.index("</section>", at)]
    assert section.count("<image") >= 4
    for word in ("before", "troposphere", "solid earth tide", "after"):
        assert f">{word}</text>" in section
    assert f"on {most(data)}, from" in section


def most(data):
    """Date from which the corrections took most."""
    taken = data.troposphere.std(["y", "x"]) ** 2 + data.solid_earth_tide.std(["y", "x"]) ** 2
    return str(data.time.values[np.argmax(taken.values)])[:10]


def test_without_what_was_kept_there_is_no_section(tmp_path):
    page = Page(ia.report(corrected(keep=False), tmp_path / "r.html").read_text())
    assert "corrections" not in page.sections


def test_dates_without_data_are_hyphens():
    data = corrected()
    data.displacement.values[2] = np.nan
    found = corrections_of(data, Sampling((30, 36), 1))
    assert found["rows"][2][-1] == "-"
    assert found["rows"][2][1] != "-"
    assert found["mean"][-1] != "-"


def test_verdicts_are_those_of_assess_corrections(tmp_path):
    data = corrected()
    names = ["troposphere", "solid_earth_tide"]
    raw = data[["displacement"]].assign(displacement=data.uncorrected_displacement).drop_attrs(deep=False)
    expected = ia.assess_corrections(raw, data[names])
    found = corrections_of(data, Sampling((30, 36), 1))["assessed"]
    assert found["columns"] == ["correction", "before", "after", "keep", "scale", "drop"]
    assert [row[0] for row in found["rows"]] == [*names, "all"]
    for row, verdicts in zip(found["rows"], expected.verdict.values, strict=True):
        assert row[3:] == [int((verdicts == number).sum()) for number in range(3)]
    assert float(found["rows"][0][2]) < float(found["rows"][0][1])
    text = ia.report(data, tmp_path / "r.html").read_text()
    assert 'id="correction-verdicts"' in text
    assert "standard deviation (mm)" in text[text.index('id="correction-verdicts"') :]


def test_too_few_pixels_are_not_assessed():
    data = corrected().isel(y=slice(5, 12), x=slice(5, 12))
    assert corrections_of(data, Sampling((7, 7), 1))["assessed"] is None
