"""The page about a result: its numbers are those of the store, sections follow the data, nothing is loaded or run."""

import base64
import io
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, FileError, StackError, StoreError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.reports import time_series as series_module
from insarray.reports.checks import problems
from insarray.reports.pictures import chosen_dates
from insarray.reports.summary import FLAG_MEANINGS, Source
from insarray.reports.thinning import Sampling, reference_pixel, thinned
from insarray.reports.time_series import series_sampling
from insarray.reports.totals import FLAGS, maps_of, totals
from tests.networks import nearest
from tests.stacks import GRID, stack_of


def unpacked(text, dtype):
    """Numbers of a packed array."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.ascontiguousarray(planes.reshape(np.dtype(dtype).itemsize, -1).T).view(dtype).ravel()


class Page(HTMLParser):
    """Sections, tables, attributes and scripts of a page."""

    def __init__(self, text):
        super().__init__()
        self.text, self.sections, self.rows, self.tags, self.attributes = text, [], {}, [], []
        self._section, self._row, self._cell, self._script = "", None, None, None
        self.scripts, self.heading, self._in_heading = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "section":
            self._section = dict(attrs)["id"]
            self.sections.append(self._section)
        elif tag == "tr":
            self._row = []
            self.rows.setdefault(self._section, []).append(self._row)
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "script":
            self._script = []
        self._in_heading = tag == "h1" or self._in_heading

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)
        if self._script is not None:
            self._script.append(data)
        if self._in_heading:
            self.heading += data

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._row is not None:
            self._row.append("".join(self._cell).strip())
            self._cell = None
        elif tag == "script":
            self.scripts.append("".join(self._script))
            self._script = None
        elif tag == "h1":
            self._in_heading = False

    def table(self, section):
        """Rows of a section by their first cell."""
        return {row[0]: row[1:] for row in self.rows.get(section, []) if row}

    def time_series(self):
        """Data of the script, decoded."""
        data = json.loads(next(script for script in self.scripts if script.startswith("{")))
        kinds = {"displacement": "<i2", "model": "<i2", "std": "<i2", "subset": "<u1"}
        for name in ("displacement", "std", "subset", "model", "velocity", "velocity_std", "lon", "lat"):
            if name in data:
                values = unpacked(data[name], kinds.get(name, "<f4"))
                data[name] = values.reshape(*data["sizes"], -1).squeeze()
        return data


def page_of(dataset, path, **options):
    ia.report(dataset, path, **options)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def result():
    """Series and velocity with gaps that cut the network, lazily, in 3 x 4 blocks."""
    stack = stack_of(nearest(8, 3), missing=0.25)
    series = ia.invert(stack, weights="variance", reference=(5, 5), gap="subset")
    return series.merge(ia.fit(series), combine_attrs="override")


@pytest.fixture(scope="module")
def store(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "out.zarr"
    ia.run(result, str(path), command="insarray invert 'ifgs/*.tif' out.zarr --reference 5,5")
    return path


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    return page_of(store, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def stored(store):
    return xr.open_zarr(store).load()


# -- numbers -------------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_run(page, stored):
    rows = page.table("run")
    assert rows["command"] == ["insarray invert 'ifgs/*.tif' out.zarr --reference 5,5"]
    assert rows["versions"] == [stored.attrs["source"]]
    assert rows["fingerprint of the job"] == [stored.attrs["job_fingerprint"]]
    assert rows["state"] == ["complete"]
    assert rows["blocks"] == ["12 of up to 8 x 8 pixels, all done"]
    assert rows["weights"] == ["variance"]
    assert rows["gap"] == ["subset"]
    assert rows["reference"][0].startswith("row 5, column 5; ")
    assert rows["grid"] == ["20 rows x 30 columns, pixel 30 x 30"]
    network = stored.insar.network
    assert rows["pairs"][0].startswith(f"{network.n_pairs}, of which {network.n_pairs - network.n_dates + 1} redundant")
    assert rows["dates"][0].startswith(
        f"{network.n_dates}, {str(network.times[0])[:10]} to {str(network.times[-1])[:10]}"
    )
    assert stored.attrs["sign"] in page.text
    assert page.heading == "out.zarr"


def test_flags_are_counted_over_all_pixels(page, stored):
    rows = [row for row in page.rows["quality"] if len(row) == 5]
    solver = rows[1 : 1 + len(FLAGS["solver_flag"])]
    fit = rows[2 + len(solver) : 2 + len(solver) + len(FLAGS["fit_flag"])]
    for table, name in ((solver, "solver_flag"), (fit, "fit_flag")):
        counts = np.bincount(stored[name].values.ravel(), minlength=len(FLAGS[name]))
        assert counts[1:].any()
        for row, flag, count in zip(table, FLAGS[name], counts, strict=True):
            assert row[1:] == [flag, FLAG_MEANINGS[name][flag], str(count), f"{100 * count / 600:.2f}"]


def test_every_flag_has_a_meaning():
    for flag, names in FLAGS.items():
        assert tuple(FLAG_MEANINGS[flag]) == names
        assert all(len(words) > 8 for words in FLAG_MEANINGS[flag].values())


def test_statistics_are_those_of_the_store(page, stored):
    rows = page.table("quality")
    for name, scale in (("velocity", 1e3), ("temporal_coherence", 1.0), ("residual_rms", 1.0)):
        values = stored[name].values[np.isfinite(stored[name].values)].astype(float) * scale
        found = [float(cell) for cell in rows[name][1:6]]
        expected = [values.size, values.mean(), *np.percentile(values, (5, 50, 95))]
        np.testing.assert_allclose(found, expected, rtol=6e-3)
    assert rows["velocity"][0] == "mm/yr"
    last = 1e3 * stored.displacement_std.values[-1]
    found = float(rows["displacement_std, last date"][4])
    np.testing.assert_allclose(found, np.nanmedian(last.astype(float)), rtol=6e-3)


def test_dates_say_what_ties_them(page, stored):
    rows, subset = page.table("quality"), stored.network_subset.values
    some = (subset > 0).any(axis=0).sum()
    for k, time in enumerate(stored.time.values):
        shares = [f"{100 * n / some:.2f}" for n in ((subset[k] == 1).sum(), (subset[k] > 1).sum())]
        pairs = str(stored.insar.network.redundancy()[k])
        assert rows[str(time)[:10]][:3] == [pairs, *shares]
    assert any(float(rows[str(time)[:10]][2]) > 0 for time in stored.time.values)


def test_the_share_of_tied_values_is_said(page, stored):
    subset = stored.network_subset.values
    subset = subset[:, (subset > 0).any(axis=0)]
    shares = [f"{100 * (part).mean():.2f} %" for part in (subset == 1, subset > 1, subset == 0)]
    words = re.search(r'<p id="pieces">(.*?)</p>', page.text, re.DOTALL)[1]
    assert [f"{share} %" for share in re.findall(r"([\d.]+) %", words)] == shares
    assert f"Of {subset.size} values" in words


def test_time_series_are_those_of_the_store(page, stored):
    data = page.time_series()
    assert (data["sizes"], data["first"], data["step"]) == ([20, 30], [0, 0], 1)
    values = np.where(data["displacement"] == -32768, np.nan, data["displacement"] * data["scale"])
    true = stored.displacement.values.transpose(1, 2, 0)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(true))
    np.testing.assert_allclose(values, true, atol=0.5001 * data["scale"])
    assert data["scale"] == 2e-5
    std = np.where(data["std"] == -32768, np.nan, data["std"] * data["std_scale"])
    np.testing.assert_allclose(std, stored.displacement_std.values.transpose(1, 2, 0), atol=0.5001 * data["std_scale"])
    np.testing.assert_array_equal(data["subset"], stored.network_subset.values.transpose(1, 2, 0))
    np.testing.assert_array_equal(data["velocity"], stored.velocity.values)
    np.testing.assert_array_equal(data["velocity_std"], stored.velocity_std.values)
    line = np.where(data["model"] == -32768, np.nan, data["model"] * data["scale"])
    true_line = ia.predict(stored, stored.time.values[[0, -1]]).values.transpose(1, 2, 0)
    tied = np.isfinite(true_line)
    assert tied.mean() > 0.5
    np.testing.assert_allclose(line[tied], true_line[tied], atol=0.5001 * data["scale"])
    assert data["model_dates"] == [str(stored.time.values[k])[:19] for k in (0, -1)]
    lon, lat = GRID.lonlat(7, 21)
    np.testing.assert_allclose((data["lon"][7, 21], data["lat"][7, 21]), (lon, lat), rtol=1e-6)
    row, col = data["start"]
    assert np.isfinite(true[row, col]).all()


def test_a_curved_model_comes_at_more_dates(result, tmp_path):
    series = result.drop_vars([name for name in result.data_vars if name in ia.fit(result)])
    curved = series.merge(ia.fit(series, degree=2), combine_attrs="override").compute()
    data = page_of(curved, tmp_path / "a.html").time_series()
    assert len(data["model_dates"]) == 2 * series.sizes["time"] - 1
    times = np.array(data["model_dates"], "datetime64[ns]")
    true = ia.predict(curved, times).values[:, 5, 9]
    np.testing.assert_allclose(data["model"][5, 9] * data["scale"], true, atol=0.51 * data["scale"])


def test_a_line_without_intercept_passes_through_the_first_piece(stored):
    """As where the first date is missing; here at the pixels that have several pieces."""
    free = stored.assign(intercept=stored.intercept * np.nan)
    data = series_module.time_series(free, Sampling((20, 30), 1))
    lines = unpacked(data["model"], "<i2").reshape(20, 30, 2) * data["scale"]
    years = ((stored.time - stored.time[0]) / np.timedelta64(1, "D")).values / 365.25
    pixels = np.argwhere((stored.network_subset > 1).any("time").values & np.isfinite(stored.velocity.values))
    assert len(pixels) > 5
    for row, col in pixels:
        pixel = stored.isel(y=row, x=col)
        seen = np.isfinite(pixel.displacement.values)
        piece = pixel.network_subset.values == pixel.network_subset.values[seen].min()
        level = (pixel.displacement.values - float(pixel.velocity) * years)[seen & piece].mean()
        expected = level + float(pixel.velocity) * years[[0, -1]]
        np.testing.assert_allclose(lines[row, col], expected, atol=0.6 * data["scale"])


def test_a_line_beyond_the_points_is_as_it_is(stored):
    raised = stored.assign(intercept=stored.intercept + 1)
    data = series_module.time_series(raised, Sampling((20, 30), 1))
    line = unpacked(data["model"], "<i2").reshape(20, 30, 2)[5, 9] * data["scale"]
    true = ia.predict(raised, raised.time.values[[0, -1]]).values[:, 5, 9]
    assert true[0] > 0.9
    np.testing.assert_allclose(line, true, atol=0.51 * data["scale"])


def test_flags_that_where_made_floats_are_flags_again(stored, page, tmp_path):
    kept = stored.where(stored.solver_flag > 0)
    assert kept.solver_flag.dtype.kind == "f"
    assert page_of(kept, tmp_path / "a.html").rows["quality"] == page.rows["quality"]


def test_the_map_is_where_the_script_looks_for_it(page, stored):
    """The box is that of the picture's image, and its pixels are those of the image."""
    data = page.time_series()
    picture = page.text.split('id="map"')[1].split("</svg>")[0]
    width, height = (float(v) for v in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture).groups())
    clip = re.search(r'<clipPath[^>]*>\s*<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture)
    x, y, w, h = (float(v) for v in clip.groups())
    expected = [x / width, (x + w) / width, y / height, (y + h) / height]
    np.testing.assert_allclose(data["box"], expected, atol=2e-3)
    assert data["edges"] == [0, 20, 0, 30]


def test_mexico_city_from_its_geotiffs(shared, tmp_path, capsys):
    """Flags as they were counted by LAPACK pixel by pixel (test_cli), the one date with a single pair, and the short span."""
    out = tmp_path / "o.zarr"
    command = ["invert", str(shared / "data/s1_mexico_cropA"), str(out), "--reference", "33,8", "--block", "32"]
    assert run_command(command) == 0
    assert run_command(["report", str(out), str(tmp_path / "a.html")]) == 0
    assert capsys.readouterr().out.endswith("a.html: written\n")
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    counts = {row[1]: row[3] for row in page.rows["quality"][1:7]}
    assert (counts["dates_untied"], counts["no_data"], counts["complete"]) == ("22", "96", "5882")
    listed = [row[0] for row in page.rows["problems"][1:]]
    assert listed == ["Dates of a single pair: 2018-07-05.", "The dates span 0.53 years."]
    assert page.table("run")["reference"] == ["row 33, column 8; 19.40476° N, 99.17926° W"]


# -- sections ------------------------------------------------------------------------------------------------------

ALL = ["problems", "time-series", "run", "network", "quality", "histogram", "maps", "displacement", "pairs"]


def test_all_sections_of_series_and_velocity(page):
    assert page.sections == ALL
    assert {"map-velocity_std", "map-temporal_coherence", "map-solver_flag"} <= {
        value for tag, name, value in page.attributes if (tag, name) == ("figure", "id")
    }
    assert "insarray residuals FILES STORE" in page.text


def test_a_fit_alone_has_no_time_series(result, tmp_path):
    model = ia.fit(result[["displacement"]].compute()).drop_vars("time", errors="ignore")
    page = page_of(model, tmp_path / "a.html")
    assert page.sections == ["problems", "run", "quality", "histogram", "maps"]
    assert "map-velocity" in page.text
    assert not [script for script in page.scripts if script.startswith("{")]


def test_a_series_alone_answers_clicks_on_its_last_date(result, tmp_path):
    series = result[["displacement"]].compute()
    page = page_of(series, tmp_path / "a.html")
    assert page.sections == [s for s in ALL if s not in ("network", "histogram", "maps")]
    data = page.time_series()
    assert not {"velocity", "model", "std", "subset"} & set(data)
    assert data["displacement"].shape == (20, 30, 8)
    assert "Displacement, and the time series of a point" in page.text


def test_height_error_and_residuals_appear_where_they_are(result, tmp_path):
    data = result.compute()
    stack = stack_of(nearest(8, 3), missing=0.25).load()
    stack.unwrapped_phase[4, :10] += np.float32(2 * np.pi)
    more = data.assign(height_error=data.velocity * 100, residual=ia.residuals(stack, data).residual)
    page = page_of(more, tmp_path / "a.html")
    assert 'id="map-height_error"' in page.text
    misfit = ia.pair_misfit(stack, data)
    rows = [row for row in page.rows["pairs"] if row[0] != "pair"]
    assert [row[0] for row in rows] == [row.pair for row in misfit[:15]]
    assert rows[0] == [misfit[0].pair, str(misfit[0].pixels), f"{misfit[0].rms:.3f}", f"{100 * misfit[0].wrong:.2f}"]
    assert rows[0][0] == stack.insar.network.labels[4]
    assert "insarray residuals" not in page.text


def test_maps_beyond_the_most_are_named(result, tmp_path):
    data = result.compute()
    many = data.assign({f"step_201{k}0101": data.velocity.rename("s") for k in range(9)})
    page = page_of(many, tmp_path / "a.html")
    assert re.search(r"Not drawn: step_201\d0101", page.text)


def test_a_series_of_mintpy(result, tmp_path):
    ia.to_mintpy(result[["displacement"]], tmp_path)
    page = page_of(tmp_path / "timeseries.h5", tmp_path / "a.html")
    assert page.heading == "timeseries.h5"
    assert page.time_series()["displacement"].shape == (20, 30, 8)
    assert "state" not in page.table("run")


@pytest.mark.parametrize(
    ("dates", "drawn"), [(1, [0]), (2, [1]), (7, [1, 2, 3, 4, 5, 6]), (30, [5, 10, 15, 20, 25, 29])]
)
def test_dates_are_drawn_up_to_the_last(dates, drawn):
    assert chosen_dates(np.arange(dates)).tolist() == drawn


def test_a_single_date(result, tmp_path):
    assert page_of(result.compute().isel(time=[3]), tmp_path / "a.html").sections == ALL


def test_radar_coordinates(result, tmp_path):
    data = result.compute().drop_vars(["spatial_ref", "y", "x"]).assign_coords(grid_coords(Grid(20, 30)))
    page = page_of(data, tmp_path / "a.html")
    assert page.table("run")["coordinates"] == ["radar coordinates"]
    assert "lon" not in page.time_series()
    box = page.time_series()["box"]
    assert box[0] < box[1]
    assert box[2] < box[3]


def test_rows_that_run_northwards_are_drawn_upwards(result, tmp_path):
    north = result.compute().isel(y=slice(None, None, -1))
    box = page_of(north, tmp_path / "a.html").time_series()["box"]
    assert box[2] > box[3]


# -- what may not happen -------------------------------------------------------------------------------------------


def test_what_users_wrote_is_shown_and_not_run(result, tmp_path):
    evil = '<script>alert("x")</script></script><img src=x onerror=alert(1)>'
    data = result.compute().assign_attrs({"operator": evil, evil: "name", "notes": [evil], "history": f"now {evil}"})
    data["velocity"] = data.velocity.assign_attrs(long_name=evil)
    data["<script>$a$"] = data.velocity.assign_attrs(units="</text><script>")
    folder = tmp_path / "<script>alert(2)<"
    folder.mkdir()
    page = page_of(data, folder / "<b>.html", title=evil)
    assert page.heading == evil
    assert page.table("run")["operator"] == [evil]
    assert page.table("run")[evil] == ["name"]
    assert page.table("run")["command"] == [evil]
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert not [value for _, name, value in page.attributes if name.startswith("on")]


def test_a_store_with_an_evil_name(result, tmp_path):
    path = tmp_path / "<script>alert(1)<&.zarr"
    ia.run(result, str(path))
    page = page_of(path, tmp_path / "a.html")
    assert page.heading == path.name
    assert page.table("run")["store"] == [str(path)]
    assert page.tags.count("script") == 2


def test_the_page_loads_nothing(page):
    loading = [
        (tag, name, value)
        for tag, name, value in page.attributes
        if name in ("src", "href", "xlink:href", "srcset", "data", "action")
        and not value.startswith(("#", "data:image/png;"))
    ]
    assert not loading
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    styles = "".join(re.findall(r"url\(([^)]*)\)", page.text))
    assert set(re.findall(r"url\((.)", page.text)) <= {"#"}, styles
    assert "@import" not in page.text
    rules = next(value for tag, name, value in page.attributes if tag == "meta" and value.startswith("default-src"))
    assert rules.startswith("default-src 'none';")
    assert "http" not in rules


def test_the_page_follows_light_and_dark(page):
    assert "prefers-color-scheme: dark" in page.text
    assert "var(--ink)" in page.text.split('id="map"')[1]
    assert "#010203" not in page.text


def test_the_same_store_gives_the_same_page(store, page, tmp_path):
    assert page_of(store, tmp_path / "again.html").text == page.text


def test_a_file_that_exists_is_refused_unless_told(store, tmp_path, capsys):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        ia.report(store, path)
    assert path.read_text() == "mine"
    assert run_command(["report", str(store), str(path)]) == 2
    assert "exists" in capsys.readouterr().err
    assert run_command(["report", str(store), str(path), "--overwrite", "--title", "Subsidence"]) == 0
    assert capsys.readouterr().out == f"{path}: written\n"
    assert Page(path.read_text()).heading == "Subsidence"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_nothing_is_left_where_it_fails(store, tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"end in \.html"):
        ia.report(store, tmp_path / "report.zarr")
    with pytest.raises(FileError, match="is not an insarray store"):
        ia.report(tmp_path, tmp_path / "report.html")
    with pytest.raises(ArgumentError, match="neither 'displacement'"):
        ia.report(xr.Dataset(coords=grid_coords(GRID)), tmp_path / "report.html")
    points = xr.Dataset({"displacement": (("time", "point"), np.zeros((2, 3)))})
    with pytest.raises(ArgumentError, match="points have no report"):
        ia.report(points, tmp_path / "report.html")
    with pytest.raises(StoreError, match="cannot write into its folder"):
        ia.report(store, tmp_path / "no" / "report.html")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_store_is_refused(store, tmp_path):
    job = store / "_insarray/job.json"
    text = job.read_text()
    job.write_text(text.replace('"complete"', '"running"'))
    try:
        with pytest.raises(StoreError, match="repeat its command"):
            ia.report(store, tmp_path / "report.html")
    finally:
        job.write_text(text)


# -- size and memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(400, 500), (37, 4000), (1, 900)])
def test_time_series_fit_their_budget(shape):
    dates = np.arange(np.datetime64("2020-01-01", "ns"), np.datetime64("2023-01-01", "ns"), np.timedelta64(12, "D"))
    data = xr.Dataset(
        {"displacement": (("time", "y", "x"), np.broadcast_to(np.float32(0), (len(dates), *shape)))}, {"time": dates}
    )
    sampling = series_sampling(data, 300_000)
    rows, cols = sampling.sizes
    assert rows * cols * 2 * len(dates) * 4 / 3 <= 300_000
    finer = Sampling(shape, max(sampling.step - 1, 1))
    assert sampling.step == 1 or np.prod(finer.sizes) * (2 * len(dates) + 20) * 4 / 3 > 300_000 / 2


def test_sampling_says_which_pixels():
    sampling = Sampling((20, 31), 4)
    assert sampling.first == (2, 2)
    assert sampling.sizes == (5, 8)
    assert sampling.edges == (0.5, 20.5, 0.5, 32.5)
    assert sampling.place(9, 31) == (2, 7)
    assert sampling.place(0, 0) == (0, 0)
    words = [Sampling((99, 99), n).text() for n in (1, 2, 3, 4, 11, 21)]
    assert words == ["every pixel", *(f"every {n} row and column" for n in ("2nd", "3rd", "4th", "11th", "21st"))]


def test_the_reference_moves_to_the_nearest_pixel_taken(result):
    bare = result.drop_attrs(deep=False)
    there = bare.assign_attrs(reference_y=float(result.y[13]), reference_x=float(result.x[29]))
    taken = thinned(there, ["velocity"], Sampling((20, 30), 4))
    assert (taken.attrs["reference_y"], taken.attrs["reference_x"]) == (result.y[14], result.x[26])
    assert reference_pixel(taken) == (3, 6)
    np.testing.assert_array_equal(taken.velocity, result.velocity[2::4, 2::4])
    (top, bottom), (left, right) = result.y.values[[4, 2]], result.x.values[[10, 20]]
    assert reference_pixel(bare.assign_attrs(reference_bounds=[top, bottom, left, right])) == (3, 15)
    assert reference_pixel(bare) is None


def test_a_coarse_page_is_small_and_says_so(store, stored, tmp_path, monkeypatch):
    monkeypatch.setattr("insarray.reports.page._PAGE_BYTES", 0)
    monkeypatch.setattr("insarray.reports.page._LEAST_SERIES", 4000)
    monkeypatch.setattr("insarray.reports.page._MAP_SIDE", 12)
    page = page_of(store, tmp_path / "a.html")
    data = page.time_series()
    step, (row, col) = data["step"], data["first"]
    assert step > 2
    assert f"Time series of every {step}" in page.text
    assert "percentiles those of every 3rd row and column" in page.text
    np.testing.assert_array_equal(data["velocity"], stored.velocity.values[row::step, col::step])
    assert data["edges"] == [0.0, 21.0, 0.0, 30.0]
    # numbers stay those of all pixels
    assert page.table("quality")["velocity"][1] == str(np.isfinite(stored.velocity.values).sum())


def test_the_page_has_at_most_3_megabytes(tmp_path):
    """A million pixels and seven maps that compress badly, and 40 dates: 190 MB of numbers."""
    rng = np.random.default_rng(0)
    shape, times = (1000, 1000), np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(12, "D")
    names = ("velocity", "velocity_std", "residual_rms", *(f"step_2020{month:02d}01" for month in range(1, 5)))
    maps = {name: (("y", "x"), rng.standard_normal(shape, np.float32)) for name in names}
    block = rng.standard_normal((1, *shape), np.float32)
    data = xr.Dataset(maps | {"displacement": (("time", "y", "x"), np.broadcast_to(block, (40, *shape)))})
    data = data.assign_coords(time=times, **grid_coords(Grid(*shape)))
    page = page_of(data, tmp_path / "a.html")
    size = (tmp_path / "a.html").stat().st_size
    assert 2e6 < size <= 3e6
    assert np.prod(page.time_series()["sizes"]) > 1000


def test_pictures_keep_their_classes_and_lose_few_colours():
    from PIL import Image

    from insarray.reports.pictures import _lighter

    def encoded(pixels):
        content = io.BytesIO()
        Image.fromarray(pixels, "RGBA").save(content, "PNG")
        return base64.b64encode(content.getvalue()).decode()

    def decoded(text):
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1].rstrip('"')))).convert("RGBA"))

    rng = np.random.default_rng(1)
    colours = np.array([[0x44, 0x77, 0xAA, 255], [0xEE, 0x66, 0x77, 255], [204, 204, 204, 255]], np.uint8)
    classes = colours[rng.integers(0, 3, (300, 400))]
    small = decoded(_lighter(encoded(classes), 12_000))
    assert small.shape[0] < 300
    assert {tuple(pixel) for pixel in small.reshape(-1, 4)} == {tuple(colour) for colour in colours}
    shades = np.full((256, 256, 4), 255, np.uint8)
    shades[..., :3] = np.arange(256)[:, None]
    exact = decoded(_lighter(encoded(shades), 100_000))
    assert np.abs(exact.astype(int) - shades).max() <= 1
    noise = np.full((300, 400, 4), 255, np.uint8)
    noise[..., :3] = rng.integers(0, 256, (300, 400, 1))
    text = _lighter(encoded(noise), 60_000)
    assert len(text) < 61_000
    assert np.abs(decoded(text).mean() - noise.mean()) < 3


def test_blocks_are_read_few_times_and_not_kept(tmp_path):
    """Each block of the series is read for the maps, the time_series and the sums; no task holds more than one."""
    reads, largest = [], []

    def read(block, block_info=None):
        place = block_info[None]["array-location"]
        reads.append(tuple(place))
        largest.append(block.nbytes)
        return block + np.float32(place[1][0])

    import dask.array as da

    times = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(12, "D")
    lazy = da.zeros((6, 64, 96), chunks=(6, 16, 16), dtype="float32").map_blocks(
        read, dtype="float32", meta=np.array((), "float32")
    )
    data = xr.Dataset({"displacement": (("time", "y", "x"), lazy)}, {"time": times, **grid_coords(Grid(64, 96))})
    data = data.assign_attrs(reference_row=30, reference_col=30)
    ia.report(data, tmp_path / "a.html")
    blocks = set(reads)
    assert len(blocks) == 24
    assert max(reads.count(place) for place in blocks) <= 3
    assert max(largest) == 6 * 16 * 16 * 4


def test_a_series_chunked_along_time_is_refused(result, tmp_path):
    with pytest.raises(StackError, match="chunked along 'time'"):
        ia.report(result.chunk(time=2), tmp_path / "a.html")


# -- problems ------------------------------------------------------------------------------------------------------


def found(data):
    """Text of the problems of a dataset, all pixels taken."""
    maps = data[maps_of(data)]
    return " ".join(problem.what for problem in problems(Source(data), totals(data), maps))


@pytest.fixture
def good():
    """A result of years on a full network without problems."""
    network = nearest(40, 3)
    shape = (len(network.times), *GRID.shape)
    rng = np.random.default_rng(2)
    velocity = rng.normal(0, 0.003, GRID.shape).astype(np.float32)
    from insarray.model.dataset import pair_coords, time_coords

    return xr.Dataset(
        {
            "displacement": (("time", "y", "x"), np.ones(shape, np.float32)),
            "network_subset": (("time", "y", "x"), np.ones(shape, np.uint8)),
            "velocity": (("y", "x"), velocity),
            "temporal_coherence": (("y", "x"), np.full(GRID.shape, 0.95, np.float32)),
            "residual_rms": (("y", "x"), np.full(GRID.shape, 0.2, np.float32)),
            "solver_flag": (("y", "x"), np.ones(GRID.shape, np.uint8)),
            "fit_flag": (("y", "x"), np.ones(GRID.shape, np.uint8)),
        },
        {**pair_coords(network), **time_coords(network), **grid_coords(GRID)},
        {"reference_y": float(GRID.y[9]), "reference_x": float(GRID.x[14]), "gap": "nan"},
    )


def test_a_good_result_gives_no_problem(good):
    assert found(good) == ""


def flagged(data, flag, value, share=0.02):
    values = data[flag].values.copy()
    values.ravel()[: int(share * values.size)] = value
    return data.assign({flag: (("y", "x"), values)})


def with_network(data, pairs):
    from insarray.model.dataset import pair_coords, time_coords

    network = Network.from_pairs(pairs)
    rest = data.drop_dims("time").drop_vars(
        ["pair", "reference_time", "secondary_time", "perpendicular_baseline"], errors="ignore"
    )
    return rest.assign_coords(pair_coords(network) | time_coords(network))


def test_each_problem_has_its_cause(good):
    """The text appears with the cause, and none without it (see the test above)."""
    untied = good.network_subset.copy()
    untied[3, :15] = 2
    cases = {
        "have dates that no chain": flagged(good, "solver_flag", 3),
        "lack the first date": flagged(good, "solver_flag", 4),
        "have not converged": flagged(good, "solver_flag", 5),
        "of the pixels have no data": flagged(good, "solver_flag", 0, 0.6),
        "have no redundant date for the fit": flagged(good, "fit_flag", 2),
        "do not determine every term": flagged(good, "fit_flag", 3),
        "Dates tied to the reference date at less than 50 %": good.assign(network_subset=untied),
        "No reference point": good.drop_attrs(deep=False),
        "is at the edge": good.assign_attrs(reference_y=float(GRID.y[1])),
        "ground around the reference is poor": good.assign(
            temporal_coherence=good.temporal_coherence.where((good.y < good.y[0] - 500) | (good.x > good.x[25]), 0.3)
        ),
        "have a temporal coherence below 0.50": good.assign(temporal_coherence=good.temporal_coherence * 0 + 0.5),
        "pair residuals of more than 1.5 rad": good.assign(residual_rms=good.residual_rms + 1.3),
        "The median velocity is 19.7 mm/yr": good.assign(velocity=good.velocity + 0.02),
        "by an assumption (--gap nsbas)": good.assign_attrs(gap="nsbas"),
        "span 0.": good.isel(time=slice(0, 5)),
        "falls into 2 pieces": with_network(
            good, ["20200101_20200113", "20200101_20200125", "20200113_20200125", "20210101_20210113"]
        ),
        "No pair is redundant": with_network(good, ["20200101_20200113", "20200113_20210125"]),
        "Dates of a single pair: 2021-01-25.": with_network(
            good, ["20200101_20200113", "20200113_20210125", "20200101_20200113T120000", "20200113_20200113T120000"]
        ),
    }
    for words, data in cases.items():
        assert words in found(data), words


def test_encoded_lengths_survive_no_data_and_zeros():
    assert series_module._scale(np.zeros(3), None) == 1.0
    assert series_module._scale(np.array([np.nan])) == 1.0
    text = series_module._integers(np.array([np.nan, -1.0, 0.5]), 1 / 32767)
    assert unpacked(text, "<i2").tolist() == [-32768, -32767, 16384]
