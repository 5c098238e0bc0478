"""The page of a dataset in a notebook."""

import http.server
import json
import re
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.viewer import explore
from insarray.viewer.policy import headers
from tests.browsers import chromium
from tests.viewer.shown import series_on


def got(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def about(page):
    (store,) = json.loads(got(f"{page.url}view.json"))["stores"]
    return store["url"], json.loads(got(f"{page.url}{store['url']}/zarr.json"))["attributes"]["insarray"]


@pytest.fixture
def page():
    found = series_on(Grid(20, 24, 0.0, 0.0, 1.0, 1.0, None)).chunk({"y": 8}).insar.explore(height=321)
    yield found
    found.close()


def test_a_dataset_that_was_computed_with_is_served(page):
    series = series_on(Grid(20, 24, 0.0, 0.0, 1.0, 1.0, None))
    url, known = about(page)
    assert (known["name"], known["shape"]) == ("dataset", [20, 24])
    values = np.frombuffer(got(f"{page.url}{url}/maps/0/displacement/c/3/0/0"), "<f4").reshape(256, 256)
    np.testing.assert_array_equal(values[:20, :24], series.displacement.values[3])
    shown = page._repr_html_()
    assert f'src="{page.url}"' in shown
    assert "height:321px" in shown
    page.close()
    page.close()
    assert "closed" in repr(page)
    assert "iframe" not in page._repr_html_()
    with pytest.raises(urllib.error.URLError):
        got(page.url)
    assert page not in explore._OPEN


def test_a_stored_result_keeps_its_name_and_is_read_straight(store):
    data = ia.open(store)
    for given, straight in ((data, True), (data.isel(y=slice(100)), False)):
        page = given.insar.explore()
        try:
            one = page._server.site._opened[0]
            assert one.name == "series.zarr"
            assert bool(one.chunks.result.stored) == straight
            url, known = about(page)
            values = np.frombuffer(got(f"{page.url}{url}/maps/0/velocity/c/0/0"), "<f4").reshape(256, 256)
            rows = min(known["shape"][0], 256)
            np.testing.assert_array_equal(values[:rows], given.velocity.values[:rows, :256])
        finally:
            page.close()


def test_what_has_nothing_to_show_and_ports_that_are_taken_are_refused(page):
    with pytest.raises(ArgumentError, match="neither y and x nor point"):
        xr.Dataset({"a": ("k", [1.0])}).insar.explore()
    with pytest.raises(ArgumentError, match=r"port: .* in use"):
        series_on(Grid(4, 5, 0.0, 0.0, 1.0, 1.0, None)).insar.explore(port=int(re.search(r":(\d+)/", page.url)[1]))


@pytest.mark.slow
def test_only_pages_of_notebooks_may_have_it_in_a_frame(page):
    framed, alone = (headers(in_notebooks=kind)["Content-Security-Policy"] for kind in (True, False))
    assert framed.endswith("frame-ancestors http://localhost:* http://127.0.0.1:* https://localhost:* vscode-webview:")
    assert alone.endswith("frame-ancestors 'none'")
    body = f"<!DOCTYPE html><title>notebook</title>{page._repr_html_()}".encode()

    class Notebook(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Notebook) as server, chromium() as browser:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            browser.get(f"http://127.0.0.1:{server.server_address[1]}/")
            browser.switch_to.frame(0)
            from selenium.webdriver.support.wait import WebDriverWait

            drawn = "return document.body.dataset.shown === 'yes' && insarray.panes[0].layer.shown && insarray.panes[0].layer.missing === 0"
            WebDriverWait(browser, 20).until(lambda one: one.execute_script(drawn))
            assert [one for one in browser.get_log("browser") if "favicon" not in one["message"]] == []
        finally:
            server.shutdown()
