"""What notebooks show of a dataset: facts as they are, a picture of the network, nothing computed, nothing of a file run."""

import re
from html.parser import HTMLParser

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.network import Network
from tests.networks import nearest
from tests.points import scene
from tests.stacks import stack_of


class Shown(HTMLParser):
    """Facts by their names, tags, and whether all are closed."""

    def __init__(self, text):
        super().__init__()
        self.facts, self.tags, self._cell, self._row, self.open = {}, [], None, [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag in ("th", "td"):
            self._cell = ""

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "th":
            self._row, self._cell = [self._cell], None
        elif tag == "td":
            self.facts[self._row[0]], self._cell = self._cell, None

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def shown(dataset):
    return Shown(dataset.insar._repr_html_())


@pytest.fixture(scope="module")
def series():
    return ia.invert(stack_of(nearest(8, 3)), reference=(5, 5))


def raise_if_computed(*_, **__):
    raise AssertionError("something was computed")


def test_a_stack_says_what_it_is():
    page = shown(stack_of(nearest(8, 3)))
    assert page.facts["insarray"] == "stack of unwrapped interferograms"
    assert page.facts["grid"] == "20 × 30, pixel 30 × 30, EPSG:32613"
    assert page.facts["dates"] == "8, 2020-01-01 to 2020-03-25"
    assert page.facts["pairs"] == "18"
    assert page.facts["wavelength"] == "55.5 mm, C band"
    assert "lazy: unwrapped_phase, coherence, connected_component_labels" in page.facts["data"]
    assert "valid" not in page.facts, "it would have to be read"
    assert "reference" not in page.facts
    assert page.count("svg") == 1
    assert page.count("circle") == 8


def test_a_series_says_its_reference_and_what_share_is_valid(series):
    assert "valid" not in shown(series).facts
    page = shown(series.compute())
    assert page.facts["insarray"] == "displacement series"
    assert page.facts["reference"].startswith("row 5, column 5; 37.04")
    assert page.facts["reference"].endswith("W; 2020-01-01")
    share = float(np.isfinite(series.displacement.values).mean())
    assert page.facts["valid"] == f"{100 * share:.1f} % of displacement"
    assert "in memory" in page.facts["data"]
    part = shown(series.isel(y=slice(10, None)))
    assert part.facts["reference"].startswith("outside of this part; 37.04")
    assert shown(series.merge(ia.fit(series))).facts["insarray"] == "displacement series with a model"


def test_nothing_is_computed(series):
    with dask.config.set(scheduler=raise_if_computed):
        assert "displacement series" in series.insar._repr_html_()


def test_points_links_and_maps(tmp_path, series):
    points = ia.select_points(scene(epochs=8).wrapped, min_temporal_coherence=0.7)
    page = shown(points)
    assert page.facts["insarray"] == "wrapped phases of points"
    assert page.facts["points"] == f"{points.sizes['point']:,}"
    assert "X band" not in page.facts["wavelength"] or page.facts["wavelength"] == "31 mm, X band"
    assert page.count("svg") == 0
    assert shown(ia.fit(series)[["velocity"]]).facts["insarray"] == "maps"
    radar = stack_of(nearest(4, 2)).drop_vars("spatial_ref")
    assert shown(radar).facts["grid"].endswith("radar coordinates")
    assert "insarray" in shown(xr.Dataset()).facts


def test_pieces_have_colours_of_their_own_and_are_counted():
    network = Network.from_pairs(["20200101_20200113", "20200113_20200125", "20210101_20210113"])
    text = network._repr_html_()
    assert len(set(re.findall(r'fill="(#\w+)"', text))) == 2
    page = Shown(text)
    assert page.count("circle") == 5
    (path,) = (attrs["d"] for tag, attrs in page.tags if tag == "path")
    assert path.count("Q") == 3, "arcs, as there are no baselines"
    stack = stack_of(Network(network.times, network.pairs, np.array([10.0, -20.0, 30.0])))
    page = shown(stack)
    assert page.facts["pairs"] == "3, in 2 pieces that no pair joins"


def test_baselines_are_heights():
    stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=6)
    page = shown(stack)
    (path,) = (attrs["d"] for tag, attrs in page.tags if tag == "path")
    assert path.count("L") == stack.sizes["pair"]
    heights = [float(attrs["cy"]) for tag, attrs in page.tags if tag == "circle"]
    baselines, _ = stack.insar.network.date_baselines()
    np.testing.assert_array_equal(np.argsort(heights), np.argsort(-baselines))


def test_text_of_a_file_stays_text(series):
    hostile = series.assign_attrs(product="<script>alert(1)</script>\x1b[31m").rename(temporal_coherence="<b>v</b>")
    text = hostile.insar._repr_html_()
    assert "<script" not in text
    assert "\x1b" not in text
    page = Shown(text)
    assert page.facts["product"] == "<script>alert(1)</script>\\x1b[31m"
    assert "<b>v</b>" in page.facts["data"]
    assert page.count("script") == page.count("b") == 0


def test_the_dashboard_of_an_active_client_is_linked(series):
    from distributed import Client

    assert "Dask" not in shown(series).facts
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as client:
        page = shown(series)
        assert page.facts["Dask"] == "dashboard"
        assert ("a", client.dashboard_link) in [(tag, attrs.get("href")) for tag, attrs in page.tags]
    assert "Dask" not in shown(series).facts
