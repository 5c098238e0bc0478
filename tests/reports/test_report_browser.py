"""The page in a browser, from the disk: no errors, and a click on the map shows the values of the store."""

import re

import numpy as np
import pytest

import insarray as ia
from tests.browsers import chromium, colour_scheme, luminance
from tests.networks import nearest
from tests.stacks import stack_of


@pytest.fixture(scope="module")
def browser():
    with chromium() as session:
        yield session


@pytest.fixture(scope="module")
def result():
    stack = stack_of(nearest(8, 3), missing=0.25, block=None)
    series = ia.invert(stack, weights="variance", reference=(5, 5), gap="subset")
    return series.merge(ia.fit(series), combine_attrs="override")


def opened(browser, dataset, folder, scheme="light"):
    """The page in the browser, which has nothing to complain about."""
    from selenium.webdriver.support.ui import WebDriverWait

    path = ia.report(dataset, folder / "report.html")
    colour_scheme(browser, scheme)
    browser.get(path.as_uri())
    ready = "const map = document.getElementById('map'); return !map || map.dataset.ready === 'yes'"
    WebDriverWait(browser, 10).until(lambda here: here.execute_script(ready))
    assert browser.get_log("browser") == []


def click(browser, row, col, shape, box):
    """Click in the middle of a pixel of the map."""
    from selenium.webdriver import ActionChains

    browser.execute_script("document.getElementById('map').scrollIntoView()")
    area = browser.execute_script(
        "const r = document.querySelector('#map svg').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]"
    )
    left, right, top, bottom = box
    x = area[0] + area[2] * (left + (right - left) * (col + 0.5) / shape[1])
    y = area[1] + area[3] * (top + (bottom - top) * (row + 0.5) / shape[0])
    actions = ActionChains(browser)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.w3c_actions.pointer_action.click()
    actions.perform()


def box_of(browser):
    return browser.execute_script("return JSON.parse(document.getElementById('series-data').textContent).box")


def text(browser, element):
    return browser.execute_script(f"return document.getElementById('{element}').textContent").replace("\u2212", "-")


def shown(browser):
    """(date, value, error, piece) of every point of the time series."""
    titles = browser.execute_script(
        "return [...document.querySelectorAll('#series-plot title')].map(t => t.textContent)"
    )
    found = []
    for title in titles:
        date, value, error, piece = re.fullmatch(
            r"(\S+): (-?[\d.]+)(?: ± ([\d.]+))? mm(?:, piece (\d))?", title.replace("\u2212", "-")
        ).groups()
        found.append((date, float(value), float(error or 0), int(piece or 1)))
    return found


def test_a_click_shows_the_values_of_the_store(browser, result, tmp_path):
    opened(browser, result, tmp_path)
    box = box_of(browser)
    loose = np.argwhere((result.network_subset.values > 1).any(axis=0) & np.isfinite(result.velocity.values))[0]
    for row, col in [(5, 5), (0, 0), (19, 29), (13, 21), tuple(int(v) for v in loose)]:
        click(browser, row, col, (20, 30), box)
        pixel = result.isel(y=row, x=col)
        lon, lat = result.insar.grid.lonlat(row, col)
        found = re.fullmatch(
            r"row (\d+), column (\d+); longitude (-?[\d.]+)°, latitude (-?[\d.]+)°", text(browser, "series-place")
        )
        assert found is not None
        assert (int(found[1]), int(found[2])) == (row, col)
        np.testing.assert_allclose((float(found[3]), float(found[4])), (lon, lat), atol=6e-5)
        velocity, std = 1e3 * float(pixel.velocity), 1e3 * float(pixel.velocity_std)
        assert f"velocity {velocity:.2f} ± {std:.2f} mm/yr" in text(browser, "series-numbers").replace("-0.00", "0.00")
        seen = np.isfinite(pixel.displacement.values)
        points = shown(browser)
        assert [point[0] for point in points] == [str(time)[:10] for time in pixel.time.values[seen]]
        np.testing.assert_allclose([p[1] for p in points], 1e3 * pixel.displacement.values[seen], atol=0.011)
        std = np.nan_to_num(pixel.displacement_std.values[seen])
        np.testing.assert_allclose([p[2] for p in points], 1e3 * std, atol=0.011)
        assert [p[3] for p in points] == pixel.network_subset.values[seen].tolist()
    assert {p[3] for p in points} != {1}
    assert browser.execute_script("return document.querySelectorAll('#series-plot .fit').length") == 1
    assert browser.get_log("browser") == []


def test_the_line_is_the_fitted_model(browser, result, tmp_path):
    """Heights of the ends of the line, by the scale that the points give."""
    opened(browser, result, tmp_path)
    click(browser, 13, 21, (20, 30), box_of(browser))
    ends = browser.execute_script("return document.querySelector('#series-plot .fit').getAttribute('points')")
    ends = [[float(v) for v in end.split(",")] for end in ends.split()]
    dots = browser.execute_script(
        "return [...document.querySelectorAll('#series-plot circle')].map(c => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
    )
    values = [point[1] for point in shown(browser) if point[3] == 1]
    slope, offset = np.polyfit([dot[1] for dot in dots], values, 1)
    line = 1e3 * ia.predict(result, result.time.values[[0, -1]]).values[:, 13, 21]
    np.testing.assert_allclose([slope * y + offset for _, y in ends], line, atol=0.05)


def test_arrow_keys_move_by_a_pixel(browser, result, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    opened(browser, result, tmp_path)
    click(browser, 13, 21, (20, 30), box_of(browser))
    area = browser.find_element(By.ID, "map")
    area.send_keys(Keys.ARROW_UP)
    assert text(browser, "series-place").startswith("row 12, column 21;")
    area.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert text(browser, "series-place").startswith("row 13, column 22;")


def test_a_click_on_a_coarse_page_finds_the_nearest_pixel(browser, result, tmp_path, monkeypatch):
    monkeypatch.setattr("insarray.reports.page._PAGE_BYTES", 0)
    monkeypatch.setattr("insarray.reports.page._LEAST_SERIES", 4000)
    opened(browser, result, tmp_path)
    step, first = browser.execute_script(
        "const d = JSON.parse(document.getElementById('series-data').textContent); return [d.step, d.first]"
    )
    assert step > 2
    click(browser, 13, 21, (20, 30), box_of(browser))
    row, col = (int(v) for v in re.findall(r"(?:row|column) (\d+)", text(browser, "series-place")))
    assert abs(row - 13) <= step / 2
    assert abs(col - 21) <= step / 2
    assert ((row - first[0]) % step, (col - first[1]) % step) == (0, 0)
    points = shown(browser)
    values = 1e3 * result.displacement.values[:, row, col]
    np.testing.assert_allclose([p[1] for p in points], values[np.isfinite(values)], atol=0.011)


def test_a_pixel_without_data_says_so(browser, result, tmp_path):
    opened(browser, result.where(~((result.y == result.y[3]) & (result.x == result.x[4]))), tmp_path)
    click(browser, 3, 4, (20, 30), box_of(browser))
    assert text(browser, "series-place").startswith("row 3, column 4;")
    assert text(browser, "series-numbers") == "no data at any date"
    assert browser.execute_script("return document.querySelector('#series-plot svg')") is None


def test_what_is_northwards_is_clicked_northwards(browser, result, tmp_path):
    north = result.isel(y=slice(None, None, -1))
    north.spatial_ref.attrs.pop("GeoTransform", None)
    opened(browser, north, tmp_path)
    click(browser, 4, 21, (20, 30), box_of(browser))
    assert text(browser, "series-place").startswith("row 4, column 21;")
    points = shown(browser)
    values = 1e3 * north.displacement.values[:, 4, 21]
    np.testing.assert_allclose([p[1] for p in points], values[np.isfinite(values)], atol=0.011)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(browser, result, tmp_path, scheme):
    opened(browser, result, tmp_path, scheme)
    script = "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector(arguments[0])).%s]"
    for kind, selector in (
        ("color", "td"),
        ("color", ".small"),
        ("fill", "#network text"),
        ("fill", "#series-plot text"),
    ):
        colours = browser.execute_script(script % kind, selector)
        paper, ink = (luminance([int(v) for v in re.findall(r"\d+", colour)[:3]]) for colour in colours)
        assert (paper > 0.5) == (scheme == "light")
        contrast = (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05)
        assert contrast > 4.5, selector


def test_scripts_that_get_into_attributes_do_not_run(browser, result, tmp_path):
    evil = '<script>document.title = "run"</script><img src=x onerror="document.title = \'run\'">'
    opened(browser, result.assign_attrs(operator=evil, notes=[evil], history=f"now {evil}"), tmp_path)
    assert browser.title == "InSAR time series"
    assert evil in browser.find_element("tag name", "body").text
