"""The page in a browser, as a person uses it: what it shows and saves is what the store has, and nothing complains."""

import csv
import functools
import http.server
import io
import json
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread, imsave
from pyproj import Transformer

import insarray as ia
from insarray.model.dataset import point_coords
from insarray.model.grid import Grid
from insarray.viewer.pyramid import halved
from insarray.viewer.static import write_static
from tests.browsers import chromium, colour_scheme, luminance
from tests.viewer.shown import GRID, series_on, serving


@pytest.fixture(scope="module")
def browser():
    with chromium() as session:
        yield session


@pytest.fixture(scope="module")
def data(store):
    return ia.open(store).load()


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    """Another series, of a part of the image."""
    path = tmp_path_factory.mktemp("later") / "later.zarr"
    series = series_on(GRID.window(50, 60, 120, 160), seed=7)
    ia.run(series.merge(ia.fit(series, min_dates=5, min_redundancy=1), combine_attrs="override"), path)
    return str(path)


@pytest.fixture(scope="module")
def server(store, later):
    with serving(store, later) as found:
        yield found


class Person:
    """What a person does with the page."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get_log("browser")
        browser.get(url)
        self.until(
            "document.body.dataset.shown === 'yes' || (document.body.dataset.ready === 'yes' && document.querySelector('main').hidden)"
        )

    def ask(self, script, *given):
        return self.browser.execute_script(f"return {script}", *given)

    def until(self, condition, *given):
        end = time.monotonic() + 20
        while not self.ask(condition, *given):
            assert time.monotonic() < end, f"{condition}: {self.text('message')}; {self.browser.get_log('browser')}"
            time.sleep(0.02)

    def drawn(self):
        """Wait for all tiles."""
        self.until(
            "insarray.panes[0].layer.shown && insarray.panes[0].layer.missing === 0 && "
            "(insarray.panes[0].map.renderSync(), insarray.panes[0].layer.missing === 0)"
        )

    def text(self, name):
        return self.ask("document.getElementById(arguments[0]).textContent", name).replace("\u2212", "-")

    def press(self, name):
        self.ask("document.getElementById(arguments[0]).click()", name)

    def choose(self, name, value, event="change"):
        self.browser.execute_script(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event(arguments[2]))",
            name, str(value), event,
        )  # fmt: skip

    def place(self, row, col):
        """Where a pixel is in the window."""
        about = self.ask("insarray.slots[0].result.about")
        if about["kind"] == "points":
            x, y = self.ask("[insarray.slots[0].result.x[arguments[0]], insarray.slots[0].result.y[arguments[0]]]", col)
            at = [x, y * about["aspect"]]
        else:
            dx, _, left, _, dy, top = about["transform"]
            if about["crs"] is None:
                top, dy = -top * np.sign(dy), -abs(dy)
            at = [left + (col + 0.5) * dx, (top + (row + 0.5) * dy) * about["aspect"]]
        found = self.ask(
            "(() => { const b = insarray.slots[0].map.getBoundingClientRect(); insarray.panes[0].map.renderSync();"
            "const p = insarray.panes[0].map.getPixelFromCoordinate(arguments[0]); return [b.x + p[0], b.y + p[1]]; })()",
            [float(v) for v in at],
        )
        return [round(v) for v in found]

    def click(self, row, col):
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.browser)
        actions.w3c_actions.pointer_action.move_to_location(*self.place(row, col))
        actions.w3c_actions.pointer_action.click()
        actions.perform()

    def pick(self, row, col, count=1):
        """Click for a series; OpenLayers waits for a second click of the same place."""
        self.click(row, col)
        self.until(
            "insarray.picks.length === arguments[0] && insarray.picks.at(-1).pixel[1] === arguments[1]", count, col
        )

    def draw(self, tool, *corners):
        """Click corners with a tool, the last one twice; their rows and columns as the page has them."""
        self.press(f"tool-{tool}")
        for corner in (*corners, corners[-1]):
            self.click(*corner)

    def saved(self, button, name, folder):
        """File that a button saves."""
        self.browser.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": False}
        )
        self.press(button)
        end = time.monotonic() + 15
        while not (folder / name).exists():
            assert time.monotonic() < end, self.text("message")
            time.sleep(0.05)
        return folder / name

    def content(self):
        """Nothing complains, but of the tests that read the picture."""
        assert [one for one in self.browser.get_log("browser") if "readback" not in one["message"]] == []


@pytest.fixture
def person(browser, server):
    found = Person(browser, server.url)
    yield found
    found.content()


def good(data, near):
    """Row and column of a pixel with all dates close to a place."""
    at = np.argwhere(np.isfinite(data.displacement.values).all(axis=0) & np.isfinite(data.velocity.values))
    return tuple(int(v) for v in at[np.abs(at - near).sum(axis=1).argmin()])


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows, name):
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


# -- the image


def test_the_map_is_drawn_in_the_colours_of_its_values(person, data):
    person.drawn()
    assert person.text("title") == "series.zarr"
    assert person.ask("document.querySelector('#layer-0').value") == "velocity"
    canvas = "insarray.panes[0].layer.canvas"
    for near in ((60, 60), (150, 400), (280, 20)):
        row, col = (near[0] // 4) * 4 + 1, (near[1] // 4) * 4 + 1
        x, y = person.place(row, col)
        box = person.ask("(({x, y}) => [x, y])(insarray.slots[0].map.getBoundingClientRect())")
        pixel = person.ask(
            f"[...{canvas}.getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data]",
            x - box[0],
            y - box[1],
        )
        scale = person.ask("[insarray.slots[0].style.low, insarray.slots[0].style.high]")
        colours = person.ask("[...new Uint8Array(insarray.slots[0].style.colours.buffer)]")
        found = np.argwhere((np.array(colours).reshape(-1, 4) == pixel).all(axis=1)).ravel()
        value = scale[0] + (scale[1] - scale[0]) * (found.mean() + 0.5) / 256
        around = 1000 * data.velocity.values[row - 4 : row + 5, col - 4 : col + 5]
        assert np.nanmin(around) - 0.5 <= value <= np.nanmax(around) + 0.5


def test_zoom_shows_pixels_and_their_values(person, data):
    person.drawn()
    person.ask(
        "(() => { const v = insarray.panes[0].map.getView(); v.setCenter(insarray.panes[0].map.getCoordinateFromPixel([300, 200])); v.setZoom(v.getZoom() + 3); })()"
    )
    person.until("[...insarray.slots[0].result.tiles.keys()].some((key) => key.startsWith('velocity/0/0/'))")
    person.drawn()
    middle = person.ask("insarray.panes[0].map.getView().getCenter()")
    row, col = int((middle[1] - GRID.top) / GRID.dy), int((middle[0] - GRID.left) / GRID.dx)
    row, col = good(data, (row, col))
    person.pick(row, col)
    assert f"row {row}, column {col};" in person.text("points")
    value = 1000 * float(data.velocity[row, col])
    assert float(re.search(r": (-?[\d.]+) mm/yr", person.text("status"))[1]) == pytest.approx(value, abs=0.51)


def test_limits_by_percentile_and_by_hand(person, data):
    person.drawn()
    person.choose("percent-0", "0")
    person.until("insarray.slots[0].style.high > 0")
    person.choose("low-0", "-7")
    person.choose("high-0", "9")
    assert person.ask(
        "[insarray.slots[0].style.low, insarray.slots[0].style.high, document.getElementById('percent-0').value]"
    ) == [-7, 9, "hand"]
    person.choose("high-0", "-9")
    assert "lowest value must be less" in person.text("message")


# -- series


def test_a_click_shows_the_series_of_the_store(person, data, tmp_path):
    first, second = good(data, (100, 150)), good(data, (200, 350))
    person.pick(*first)
    person.press("keep")
    person.pick(*second, count=2)
    assert (
        f"velocity {1000 * float(data.velocity[first]):.2f} ± {1000 * float(data.velocity_std[first]):.2f} mm/yr"
        in person.text("points")
    )
    rows = table(person.saved("save-csv", "series.csv", tmp_path))
    for number, (row, col) in enumerate((first, second), 1):
        mine = [one for one in rows if one["point"] == str(number)]
        assert [one["date"] for one in mine] == [str(time)[:10] for time in data.time.values]
        assert {(one["row"], one["column"]) for one in mine} == {(str(row), str(col))}
        np.testing.assert_allclose(
            column(mine, "displacement_mm"), 1000 * data.displacement.values[:, row, col], rtol=1e-6
        )
        np.testing.assert_allclose(column(mine, "displacement_std_mm"), 2, rtol=1e-6)
        lon, lat = GRID.lonlat(row, col)
        np.testing.assert_allclose([float(mine[0]["longitude"]), float(mine[0]["latitude"])], [lon, lat], atol=1e-6)
    curve = person.ask("Array.from(insarray.picks[0].data.curve)")
    times = person.ask("insarray.slots[0].result.about.model.times")
    wanted = ia.predict(data.isel(y=[first[0]], x=[first[1]]), np.array(times, "datetime64[ns]")).values.ravel()
    np.testing.assert_allclose(curve, wanted, atol=1e-7)
    found = json.loads(person.saved("save-geojson", "points.geojson", tmp_path).read_text())
    np.testing.assert_allclose(found["features"][0]["geometry"]["coordinates"], GRID.lonlat(*first), atol=1e-6)
    last = found["features"][1]["properties"][str(data.time.values[-1])[:10].replace("-", "")]
    assert last == pytest.approx(1000 * float(data.displacement[-1, second[0], second[1]]), rel=1e-6)


@pytest.mark.slow
def test_a_difference_of_two_points(person, data):
    first, second = good(data, (100, 150)), good(data, (200, 350))
    person.press("keep")
    person.pick(*first)
    person.pick(*second, count=2)
    person.press("difference")
    values = person.ask("Array.from(insarray.charts.series.lines[0].values)")
    moved = 1000 * data.displacement.values.astype(float)
    np.testing.assert_allclose(values, moved[:, second[0], second[1]] - moved[:, first[0], first[1]], atol=1e-5)
    np.testing.assert_allclose(person.ask("Array.from(insarray.charts.series.lines[0].errors)"), 8**0.5, rtol=1e-6)


def test_pieces_are_shown_relative_to_themselves_and_to_another_reference(browser, pieces, tmp_path):
    data = ia.open(pieces).load()
    loose = (data.network_subset.values > 1).any(axis=0) & np.isfinite(data.displacement.values).any(axis=0)
    row, col = (int(v) for v in np.argwhere(loose)[3])
    tied = (data.network_subset.values == 1).all(axis=0) & (np.abs(data.displacement.values).max(axis=0) > 0)
    reference = tuple(int(v) for v in np.argwhere(tied)[4])
    moved = ia.rereference(data, reference=reference)
    with serving(pieces) as server:
        person = Person(browser, server.url)
        person.press("tool-point")
        person.click(*reference)
        person.until("insarray.reference !== null")
        person.press("tool-series")
        person.pick(row, col)
        assert "squares: pieces of the network not tied" in person.text("points")
        rows = table(person.saved("save-csv", "series.csv", tmp_path))
        np.testing.assert_allclose(
            column(rows, "displacement_mm"), 1000 * moved.displacement.values[:, row, col], atol=2e-4
        )
        np.testing.assert_array_equal(column(rows, "network_subset"), data.network_subset.values[:, row, col])
        person.content()


# -- reference


def test_a_click_makes_another_reference(person, data, tmp_path):
    place, row_col = good(data, (80, 200)), good(data, (200, 350))
    person.pick(*row_col)
    person.press("tool-point")
    person.click(*place)
    person.until("insarray.reference !== null")
    moved = ia.rereference(data, reference=place)
    rows = table(person.saved("save-csv", "series.csv", tmp_path))
    np.testing.assert_allclose(
        column(rows, "displacement_mm"), 1000 * moved.displacement.values[:, row_col[0], row_col[1]], atol=2e-4
    )
    assert person.ask("insarray.slots[0].offset") == pytest.approx(float(data.velocity[place]), rel=1e-6)
    velocity = 1000 * float(data.velocity[row_col] - data.velocity[place])
    assert f"velocity {velocity:.2f} ±" in person.text("points").replace("-0.00", "0.00")
    assert f"here: row {place[0]}, column {place[1]}" in person.text("reference-words")
    person.choose("layer-0", "displacement")
    person.choose("date-0", 3, "input")
    assert person.ask("insarray.slots[0].offset") == pytest.approx(
        float(data.displacement[3, place[0], place[1]]), rel=1e-6
    )
    person.choose("layer-0", "velocity_std")
    assert person.ask("insarray.slots[0].offset") == 0
    person.press("reset-reference")
    assert person.text("reference-words").startswith("as stored")


def test_an_area_as_reference_is_the_mean_of_its_complete_pixels(person, data, tmp_path):
    picked = good(data, (200, 350))
    person.pick(*picked)
    person.press("tool-area")
    person.click(100, 100)
    person.until("insarray.panes[0].begun")
    person.click(119, 131)
    person.until("insarray.reference !== null")
    rows, cols = (int(v) for v in re.findall(r"rows (\d+) to", person.text("reference-words"))), None
    numbers = [int(v) for v in re.findall(r"\d+", person.text("reference-words").split("in rows")[1])[:4]]
    assert cols is None
    assert list(rows) == numbers[:1]
    area = ia.area(numbers[0], numbers[1] + 1, numbers[2], numbers[3] + 1)
    assert np.abs(np.array(numbers) - (100, 119, 100, 131)).max() <= 1
    moved = ia.rereference(data, reference=area)
    found = table(person.saved("save-csv", "series.csv", tmp_path))
    np.testing.assert_allclose(
        column(found, "displacement_mm"), 1000 * moved.displacement.values[:, picked[0], picked[1]], atol=2e-4
    )


def test_a_place_without_all_dates_is_no_reference(person, data):
    hole = tuple(int(v) for v in np.argwhere(np.isnan(data.velocity.values))[500])
    person.press("tool-point")
    person.click(*hole)
    person.until("!document.getElementById('message').hidden")
    assert "no pixel there has all 6 dates" in person.text("message")
    assert person.ask("insarray.reference") is None


# -- areas and lengths


def ring_of(person, found):
    """Rows and columns of the corners that were drawn."""
    x, y = np.array(person.ask(found)).T
    return np.stack([(y - GRID.top) / GRID.dy - 0.5, (x - GRID.left) / GRID.dx - 0.5], axis=1)


def test_a_drawn_area_has_statistics_and_a_mean_series_and_can_be_the_reference(person, data, tmp_path):
    from matplotlib.path import Path as Outline

    person.pick(*good(data, (40, 40)))
    person.draw("polygon", (100, 100), (200, 150), (150, 300))
    person.until("insarray.picks.length === 2")
    ring = ring_of(person, "insarray.area.ring")
    assert np.abs(ring - [(100, 100), (200, 150), (150, 300)]).max() <= 1
    inside = Outline(ring).contains_points(np.argwhere(np.ones(GRID.shape))).reshape(GRID.shape)
    velocity = 1000 * data.velocity.values[inside].astype(float)
    known = velocity[np.isfinite(velocity)]
    words = person.text("area-words")
    assert f"{known.size} of {velocity.size} pixels with data" in words
    numbers = [float(v) for v in re.findall(r"-?\d[\d.]*", words.split("with data")[1])]
    assert numbers[3:5] == [5, 95]
    expected = [known.mean(), np.median(known), known.std(), np.percentile(known, 5), np.percentile(known, 95)]
    np.testing.assert_allclose(numbers[:3] + numbers[5:], expected, atol=0.06)
    size = 0.5 * abs(np.linalg.det(np.diff(ring, axis=0))) * 900 / 1e6
    assert float(words.split(" km²")[0]) == pytest.approx(size, rel=2e-3)  # a map's square kilometres

    whole = inside & np.isfinite(data.displacement.values).all(axis=0)
    mean = data.displacement.values[:, whole].astype(float).mean(axis=1)
    times = np.array(person.ask("insarray.slots[0].result.about.model.times"), "datetime64[ns]")
    fitted = ia.predict(data.isel(y=slice(90, 210), x=slice(90, 310)), times).values[:, whole[90:210, 90:310]]
    curve = person.ask("Array.from(insarray.picks[1].data.curve)")
    np.testing.assert_allclose(curve, np.nanmean(fitted, axis=1), atol=1e-6)
    rows = table(person.saved("save-csv", "series.csv", tmp_path))
    np.testing.assert_allclose(column(rows, "displacement_mm")[6:], 1000 * mean, atol=1e-4)
    one, area = json.loads(person.saved("save-geojson", "points.geojson", tmp_path).read_text())["features"]
    assert (one["geometry"]["type"], area["geometry"]["type"]) == ("Point", "Polygon")
    np.testing.assert_allclose(area["geometry"]["coordinates"][0][0], GRID.lonlat(*ring[0]), atol=1e-5)
    assert area["properties"]["pixels"] == whole.sum()

    before = column(rows, "displacement_mm")[:6]
    person.press("area-reference")
    person.until("insarray.reference !== null")
    assert f"mean of {whole.sum()} pixels with all dates in the drawn area of" in person.text("reference-words")
    person.until("document.getElementById('area-words').textContent.includes('mean 0.0,')")
    (tmp_path / "series.csv").unlink()
    rows = table(person.saved("save-csv", "series.csv", tmp_path))
    np.testing.assert_allclose(column(rows, "displacement_mm")[:6], before - 1000 * mean, atol=1e-4)
    np.testing.assert_allclose(column(rows, "displacement_mm")[6:], 0, atol=1e-4)
    person.press("clear-area")
    assert person.ask("insarray.picks.length") == 1
    assert person.ask("document.getElementById('area-panel').hidden")


def test_a_large_area_is_one_of_coarse_pixels_and_too_large_for_a_series(person, data):
    person.drawn()
    found = person.ask(
        "insarray.slots[0].result.inside(insarray.slots[0].layer, 0, {rows: [0, 300], cols: [0, 520], inside: (row, col) => col < 100}, 40000)"
        ".then(({values, step}) => [step, values.length, values.reduce((sum, v) => sum + v, 0)])"
    )
    coarse = halved(data.velocity.values)[:, :50].astype(float)
    assert np.isfinite(coarse).all()
    assert found == [2, coarse.size, pytest.approx(coarse.sum(), rel=1e-5)]
    refused = person.ask(
        "insarray.slots[0].result.level({rows: [0, 9000], cols: [0, 9000], inside: () => true}).catch((error) => error.message)"
    )
    assert "draw a smaller one" in refused


def test_lengths_are_measured(person):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    person.draw("measure", (100, 100), (200, 150), (150, 300))
    person.until("insarray.measure !== null")
    ring = ring_of(person, "insarray.measure")
    parts = np.hypot(*np.diff(ring, axis=0).T) * 0.03
    found = [float(v) for v in re.findall(r"([\d.]+) km", person.text("measure-words"))]
    np.testing.assert_allclose(found, [parts.sum(), *parts], rtol=2e-3, atol=2e-3)
    person.click(50, 50)
    person.until("insarray.panes[0].begun")
    person.browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert person.ask("[insarray.tool, insarray.panes[0].begun]") == ["series", False]
    person.press("clear-measure")
    assert person.ask("insarray.measure") is None


# -- profile, comparison, files


def test_a_profile_is_that_of_the_pixels_on_the_line(person, data, tmp_path):
    person.press("tool-profile")
    person.click(50, 60)
    person.until("insarray.panes[0].begun")
    person.click(250, 400)
    person.until("insarray.profile && insarray.profile.lines")
    ends = np.array(person.ask("insarray.profile.ends"))
    ends = np.stack([(ends[:, 1] - GRID.top) / GRID.dy - 0.5, (ends[:, 0] - GRID.left) / GRID.dx - 0.5], axis=1)
    rows = table(person.saved("save-csv", "profile.csv", tmp_path))
    axes = ia.plot.profile(data, pixels=ends.tolist())
    line = max(axes.lines, key=lambda one: len(one.get_xdata()))
    names = list(rows[0])
    np.testing.assert_allclose(column(rows, "distance_km"), line.get_xdata(), rtol=2e-3)
    np.testing.assert_allclose(column(rows, names[3]), line.get_ydata(), rtol=1e-5)
    middle = len(rows) // 2
    at = [round(float(v)) for v in (ends[0] + ends[1]) / 2]
    lon, lat = GRID.lonlat(*at)
    np.testing.assert_allclose(
        [float(rows[middle]["longitude"]), float(rows[middle]["latitude"])], [lon, lat], atol=6e-4
    )


def test_two_results_swiped_and_side_by_side(person, later, tmp_path):
    person.choose("mode", "swipe")
    person.until("insarray.panes[0].other.shown && insarray.panes[0].other.missing === 0")
    assert person.ask("insarray.slots[1].result.about.name") == "later.zarr"
    paint = (
        "[...insarray.panes[0].other.canvas.getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data][3]"
    )
    box = person.ask("(({x, y, width}) => [x, y, width])(insarray.slots[0].map.getBoundingClientRect())")
    x, y = person.place(60, 75)
    share = round(1000 * (x - box[0]) / box[2])
    person.choose("swipe", share - 60, "input")
    person.ask("insarray.panes[0].map.renderSync()")
    assert person.ask(paint, x - box[0], y - box[1]) == 255
    person.choose("swipe", share + 60, "input")
    person.ask("insarray.panes[0].map.renderSync()")
    assert person.ask(paint, x - box[0], y - box[1]) == 0
    other = ia.open(later).load()
    row, col = good(other, (60, 80))
    person.click(row + 50, col + 60)
    person.until("insarray.picks.length === 2")
    found = person.ask("Array.from(insarray.picks[1].data.displacement)")
    np.testing.assert_allclose(found, other.displacement.values[:, row, col], rtol=1e-6)
    person.choose("mode", "side")
    person.until("insarray.panes[1].layer.shown && insarray.panes[1].layer.missing === 0")
    assert person.ask("insarray.panes[0].map.getView() === insarray.panes[1].map.getView()")
    image = imread(person.saved("save-png", "map.png", tmp_path))
    assert image.shape[1] > 600
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50


def test_the_keyboard_moves_and_chooses(person):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    body = person.browser.find_element(By.TAG_NAME, "body")
    body.send_keys("r")
    assert person.ask("document.getElementById('tool-point').getAttribute('aria-pressed')") == "true"
    body.send_keys(Keys.ESCAPE)
    assert person.ask("insarray.tool") == "series"
    person.choose("layer-0", "displacement")
    slider = person.browser.find_element(By.ID, "date-0")
    slider.send_keys(Keys.ARROW_LEFT)
    assert person.text("date-words-0") == "2020-04-06"
    body.send_keys(",")
    assert person.text("date-words-0") == "2020-03-13"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_a_screen_of_any_width(person, scheme):
    colour_scheme(person.browser, scheme)
    try:
        for width in (1300, 390):
            person.browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
            )
            time.sleep(0.2)
            assert person.ask("document.documentElement.scrollWidth") <= width
        script = "[getComputedStyle(arguments[0] === 'aside' ? document.querySelector('aside') : document.body).backgroundColor, getComputedStyle(document.querySelector(arguments[1])).color]"
        for paper, ink in (("body", "h1"), ("aside", "#reference-words"), ("aside", ".small"), ("body", ".unit")):
            back, front = (
                luminance([int(v) for v in re.findall(r"\d+", c)[:3]]) for c in person.ask(script, paper, ink)
            )
            assert (back > 0.5) == (scheme == "light")
            assert (max(back, front) + 0.05) / (min(back, front) + 0.05) > 4.5, ink
    finally:
        person.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        colour_scheme(person.browser, "light")


# -- results of every kind


def radar(folder):
    series = series_on(Grid(40, 50, 0.0, 0.0, 1.0, 1.0, None))
    ia.to_netcdf(series, folder / "x.nc")
    return (30, 10), series


def one_pixel(folder):
    series = series_on(GRID.window(0, 0, 4, 4)).isel(y=[1], x=[2])
    ia.to_netcdf(series, folder / "x.nc")
    return (0, 0), series


def far_east(folder):
    series = series_on(Grid(40, 50, 350.0, 10.0, 0.5, -0.5, "EPSG:4326"))
    ia.to_netcdf(series, folder / "x.nc")
    return (30, 25), series


def northwards(folder):
    series = series_on(Grid(40, 50, 500_000.0, 4_000_000.0, 30.0, 30.0, "EPSG:32613"))
    ia.to_netcdf(series, folder / "x.nc")
    return (30, 10), series


def points(folder):
    grid = GRID.window(0, 0, 8, 9)
    series = series_on(grid).stack(point=("y", "x"), create_index=False).transpose("time", "point")
    x, y = np.meshgrid(grid.x, grid.y)
    series = series.drop_vars(["x", "y", "spatial_ref"]).assign_coords(point_coords(x.ravel(), y.ravel(), grid.crs))
    ia.save_points(series, folder / "x.nc")
    return (0, 30), series.drop_vars(["x", "y"]).expand_dims("y", axis=1)


RARE = [pytest.param(kind, marks=pytest.mark.slow) for kind in (one_pixel, far_east, northwards)]


@pytest.mark.parametrize("kind", [radar, points, *RARE], ids=lambda kind: kind.__name__)
def test_results_of_every_kind_are_seen(browser, kind, tmp_path):
    (row, col), series = kind(tmp_path)
    with serving(tmp_path / "x.nc") as server:
        person = Person(browser, server.url)
        person.until("insarray.slots[0].style")
        person.drawn()
        person.pick(row, col)
        found = person.ask("Array.from(insarray.picks[0].data.displacement, v => Number.isFinite(v) ? v : null)")
        np.testing.assert_allclose(np.array(found, float), series.displacement.values[:, row, col], rtol=1e-6)
        colours = "new Set(new Uint32Array(insarray.panes[0].layer.canvas.getContext('2d').getImageData(0, 0, insarray.panes[0].layer.canvas.width, insarray.panes[0].layer.canvas.height).data.buffer)).size"
        assert person.ask(colours) >= 2
        assert not person.text("message")
        person.content()


def test_a_store_that_cannot_be_shown_says_why(browser, store, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.zarr"
    shutil.copytree(store, path)
    job = path / "_insarray/job.json"
    job.write_text(json.dumps(json.loads(job.read_text()) | {"state": "unfinished"}))
    with serving(path) as server:
        person = Person(browser, server.url)
        assert "<img src=x onerror=alert(1)>.zarr" in person.text("message")
        assert "Reload the page to try again" in person.text("message")
        person.content()
    with serving(path, store) as server:
        person = Person(browser, server.url)
        person.drawn()
        assert person.text("title") == "series.zarr"
        assert "<img" in person.text("message")
        person.content()


@pytest.mark.slow
def test_a_store_that_grows_is_shown_again(browser, tmp_path):
    grid, path = GRID.window(0, 0, 40, 50), str(tmp_path / "series.zarr")
    ia.run(series_on(grid).chunk({"y": 20}), path)
    with serving(path) as server:
        person = Person(browser, server.url)
        person.drawn()
        ia.run(series_on(grid, dates=9, seed=3).chunk({"y": 20}), path, resume=False)
        person.until("document.getElementById('message').textContent.includes('has changed on the disk: reload')")
        person.click(10, 10)  # says that it cannot, or shows what it had
        assert not person.ask("document.querySelector('main').hidden")
        person.browser.get_log("browser")
        person = Person(browser, server.url)
        person.drawn()
        row, col = good(
            ia.open(path).load().assign(velocity=series_on(grid, dates=9, seed=3).displacement[-1]), (20, 20)
        )
        person.pick(row, col)
        found = person.ask("Array.from(insarray.picks[0].data.displacement)")
        np.testing.assert_allclose(found, ia.open(path).displacement.values[:, row, col], rtol=1e-6)
        assert len(found) == 9
        person.content()


@pytest.mark.slow
def test_a_damaged_store_is_shown_with_a_note(browser, store, tmp_path):
    path = tmp_path / "series.zarr"
    shutil.copytree(store, path)
    for name in ("velocity", "displacement"):
        chunk = next(one for one in sorted(Path(path, name, "c").rglob("*")) if one.is_file())
        raw = bytearray(chunk.read_bytes())
        raw[len(raw) // 2] ^= 255
        chunk.write_bytes(raw)
    with serving(path) as server:
        person = Person(browser, server.url)
        person.drawn()
        person.until("document.getElementById('message').textContent.startsWith('Damaged, shown as no data: velocity')")
        person.click(10, 10)
        person.until("document.getElementById('message').textContent.includes('cannot be read')")
        logs = person.browser.get_log("browser")
        assert all(
            "500" in entry["message"] for entry in logs
        )  # the request that failed, which the browser notes itself


def test_scripts_in_a_result_do_not_run(browser, tmp_path):
    evil = '<script>document.title = "run"</script><img src=x onerror="document.title = \'run\'">'
    series = series_on(GRID.window(0, 0, 12, 14), operator=evil)
    series["displacement"].attrs["long_name"] = evil
    series["<img src=x>"] = series.displacement[0].drop_vars("time").assign_attrs(long_name=evil, units=evil)
    ia.to_netcdf(series, tmp_path / "x.nc")
    with serving(tmp_path / "x.nc") as server:
        person = Person(browser, server.url)
        person.choose("layer-0", "<img src=x>")
        person.drawn()
        assert person.browser.title == "x.nc – insarray view"
        assert person.ask("document.querySelectorAll('img, body script:not([src])').length") == 0
        assert evil in person.text("about")
        person.content()


# -- stations and a base map


class Tiles(http.server.BaseHTTPRequestHandler):
    """Tiles of Web Mercator in the colour of their place."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        z, x, y = (int(v) for v in re.fullmatch(r"/(\d+)/(\d+)/(\d+)\.png", self.path).groups())
        body = io.BytesIO()
        imsave(body, np.full((256, 256, 3), (0.2 + 0.6 * (x % 2), 0.2 + 0.6 * (y % 2), 0.5)), format="png")
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body.getvalue())
        self.server.zooms.add(z)


@pytest.mark.slow
def test_stations_are_compared_over_a_base_map(browser, store, tmp_path):
    data = ia.open(store)
    row, col = good(data, (60, 80))
    (lon, lat), moved = GRID.lonlat(row, col), data.displacement[:, row, col].values
    difference = np.linspace(0, 0.01, 6)
    lines = {
        "displacement": moved,
        "gnss_displacement": moved,
        "gnss_displacement_std": moved * 0 + 0.003,
        "difference": difference,
    }
    layers = {name: (("station", "time"), values[None]) for name, values in lines.items()} | {
        "rms_of_station": ("station", [0.004])
    }
    places = {"station": ["<b>A"], "longitude": ("station", [lon]), "latitude": ("station", [lat]), "time": data.time}
    ia.to_netcdf(xr.Dataset(layers, places), tmp_path / "gnss.nc")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tiles) as tiles:
        tiles.zooms = set()
        threading.Thread(target=tiles.serve_forever, kwargs={"poll_interval": 0.02}).start()
        address = f"http://127.0.0.1:{tiles.server_address[1]}/{{z}}/{{x}}/{{y}}.png"
        with serving(store, gnss=[str(tmp_path / "gnss.nc")], basemap=address) as server:
            person = Person(browser, server.url)
            person.drawn()
            person.click(row, col)
            person.until("insarray.picks.length === 2")
            assert "GNSS <b>A, along the line of sight; 6 of 6 dates; InSAR less GNSS: rms 4.0 mm" in person.text(
                "points"
            )
            rows = table(person.saved("save-csv", "series.csv", tmp_path))[6:]
            np.testing.assert_allclose(column(rows, "displacement_mm"), 1000 * (moved - difference), atol=1e-4)
            np.testing.assert_allclose(column(rows, "displacement_std_mm"), 3, atol=1e-6)
            assert {one["result"] for one in rows} == {"GNSS <b>A"}
            person.press("tool-point")
            person.click(*good(data, (200, 350)))
            person.until("insarray.reference !== null")
            level = data.displacement[:, *good(data, (200, 350))].values
            (tmp_path / "series.csv").unlink()
            rows = table(person.saved("save-csv", "series.csv", tmp_path))[6:]
            np.testing.assert_allclose(column(rows, "displacement_mm"), 1000 * (moved - difference - level), atol=2e-4)
            # a place outside the image, where only the base map is
            outside = GRID.lonlat(-20, 260)
            zoom = max(tiles.zooms)
            (x,), (y,) = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(
                *([v] for v in outside)
            )
            half = np.pi * 6378137
            expected = [int((half + sign * v) / (2 * half) * 2**zoom) % 2 for sign, v in ((1, x), (-1, y))]
            left, top = person.ask("(({x, y}) => [x, y])(insarray.slots[0].map.getBoundingClientRect())")
            at = person.place(-20, 260)
            pixel = "[...insarray.panes[0].canvases[0].getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data]"
            person.until(f"{pixel}[3] === 255", at[0] - left, at[1] - top)
            red, green, blue, _ = person.ask(pixel, at[0] - left, at[1] - top)
            assert [red > 128, green > 128, blue] == [bool(expected[0]), bool(expected[1]), pytest.approx(127, abs=2)]
            assert person.ask("insarray.panes[0].layer.box.style.opacity") == "0.7"
            person.saved("save-png", "map.png", tmp_path)  # pictures of others do not taint it
            person.content()
            browser.get("about:blank")  # asks for no more tiles
        tiles.shutdown()


# -- the folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's own web server, which knows no ranges; with `ranges` one that does."""

    ranges = False

    def log_message(self, *args):
        pass

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if self.ranges else None
        if wanted is None:
            return super().do_GET()
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        body = path.read_bytes()
        body = body[-int(wanted[2]) :] if not wanted[1] else body[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.wfile.write(body)


@pytest.mark.parametrize("ranges", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_folder_on_any_web_server_shows_the_same(browser, later, tmp_path, ranges):
    data = ia.open(later).load()
    folder = write_static([later], tmp_path / "site")
    handler = functools.partial(type("Handler", (Quiet,), {"ranges": ranges}), directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            person = Person(browser, f"http://127.0.0.1:{server.server_address[1]}/")
            person.drawn()
            row, col = good(data, (60, 80))
            person.pick(row, col)
            found = person.ask("Array.from(insarray.picks[0].data.displacement)")
            np.testing.assert_allclose(found, data.displacement.values[:, row, col], rtol=1e-6)
            assert f"velocity {1000 * float(data.velocity[row, col]):.2f} ±" in person.text("points").replace(
                "-0.00", "0.00"
            )
            logs = person.browser.get_log("browser")
            assert all("status.json" in entry["message"] for entry in logs), logs
        finally:
            server.shutdown()
            thread.join()
