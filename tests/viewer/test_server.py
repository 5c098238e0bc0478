"""The server by requests, without a browser: values of chunks are those of the store, and nothing else is answered."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import MemoryStore

import insarray as ia
from insarray.cli.process import run_command
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid
from insarray.viewer.policy import headers
from insarray.viewer.pyramid import halved
from insarray.viewer.server import Server, Site
from insarray.viewer.static import write_static
from tests.viewer.shown import GRID, ask, below, series_on, serving


@pytest.fixture(scope="module")
def shown(store):
    with serving(store) as server:
        yield server


@pytest.fixture(scope="module")
def data(store):
    return ia.open(store).load()


def group_of(server, number=0):
    """Address of a result, and what the page knows of it."""
    one = json.loads(below(server, "view.json")[1])["stores"][number]
    return one["url"], json.loads(below(server, f"{one['url']}/zarr.json")[1])["attributes"]["insarray"]


def array_of(server, path):
    """An array of the group as zarr reads it, all its chunks through the server."""
    url, _ = group_of(server)
    files = {f"{path}/zarr.json": below(server, f"{url}/{path}/zarr.json")[1]}
    about = json.loads(files[f"{path}/zarr.json"])
    sizes = about["chunk_grid"]["configuration"]["chunk_shape"]
    for at in np.ndindex(*(-(-n // size) for n, size in zip(about["shape"], sizes, strict=True))):
        key = f"{path}/c/{'/'.join(map(str, at))}"
        status, files[key] = below(server, f"{url}/{key}")
        assert status == 200, files[key]
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    return zarr.open_array(
        MemoryStore({key: buffer.from_bytes(body) for key, body in files.items()}), path=path, mode="r"
    )[:]


# -- values


@pytest.mark.parametrize("name", ["velocity", "displacement", "fit_flag", "degrees_of_freedom"])
def test_maps_of_every_level_are_means_of_the_store(shown, data, name):
    whole = data[name].values.astype(np.float32)
    for level in range(3):
        np.testing.assert_allclose(array_of(shown, f"maps/{level}/{name}"), whole, rtol=2e-5, atol=1e-8)
        whole = halved(whole, averaged=data[name].dtype.kind == "f")


def test_series_and_maps_for_clicks_are_those_of_the_store(shown, data):
    _, about = group_of(shown)
    np.testing.assert_array_equal(array_of(shown, "series/displacement"), data.displacement.values)
    np.testing.assert_array_equal(array_of(shown, "series/displacement_std"), data.displacement_std.values)
    maps = array_of(shown, "series/maps")
    assert about["maps"][0] == "velocity"
    for name, values in zip(about["maps"], maps, strict=True):
        np.testing.assert_array_equal(values, data[name].values.astype(np.float32))


def test_the_fitted_model_of_the_page_is_that_of_predict(shown, data):
    """As the page does it: values of maps times the columns."""
    _, about = group_of(shown)
    times = np.array(about["model"]["times"], "datetime64[ns]")
    row, col = (int(k) for k in np.argwhere(np.isfinite(data.velocity.values))[1000])
    total = 0.0
    for term in about["model"]["terms"]:
        factor = float(data[term["map"]][row, col])
        if "phase" in term:
            turn = {"cosine": np.cos, "sine": np.sin}[term["function"]]
            factor *= turn(float(data[term["phase"]][row, col]))
        total = total + factor * np.array(term["values"])
    np.testing.assert_allclose(total, ia.predict(data.isel(y=[row], x=[col]), times).values[:, 0, 0], atol=1e-7)
    assert set(data.time.values) <= set(times)


def test_pieces_not_tied_to_the_reference_date_are_left_out_of_maps_only(pieces):
    data = ia.open(pieces).load()
    tied = data.displacement.where(data.network_subset == 1).values
    assert (np.isfinite(data.displacement.values) & ~np.isfinite(tied)).any()
    with serving(pieces) as server:
        np.testing.assert_array_equal(array_of(server, "maps/0/displacement"), tied)
        np.testing.assert_array_equal(array_of(server, "series/displacement"), data.displacement.values)
        about = group_of(server)[1]
    assert about["reference"] == [5, 6, 5, 6]
    assert about["crs"].startswith("EPSG:")  # however the store says it
    (flag,) = [layer for layer in about["layers"] if layer["name"] == "solver_flag"]
    assert [name for name, _, _ in flag["classes"]][:2] == ["no data", "complete"]
    assert {layer["name"] for layer in about["layers"] if layer["relative"]} == {
        "velocity",
        "displacement",
        "intercept",
    }


def test_points_are_a_row(tmp_path):
    grid = GRID.window(0, 0, 8, 9)
    series = series_on(grid).stack(point=("y", "x"), create_index=False).transpose("time", "point")
    x, y = np.meshgrid(grid.x, grid.y)
    from insarray.model.dataset import point_coords

    points = series.drop_vars(["x", "y", "spatial_ref"]).assign_coords(point_coords(x.ravel(), y.ravel(), grid.crs))
    ia.save_points(points, tmp_path / "points.zarr")
    with serving(tmp_path / "points.zarr") as server:
        url, about = group_of(server)
        assert (about["kind"], about["shape"]) == ("points", [1, 72])
        np.testing.assert_array_equal(array_of(server, "maps/0/displacement")[:, 0], points.displacement.values)
        np.testing.assert_array_equal(array_of(server, "series/displacement")[:, 0], points.displacement.values)
        places = np.frombuffer(below(server, f"{url}/places/c/0/0")[1], "<f8").reshape(2, -1)
    lon, lat = grid.lonlat(0, 1)
    np.testing.assert_allclose(places[:, 1], (lon, lat))


# -- what is refused


def test_only_this_machine_is_answered(shown):
    path = f"/{shown.site.token}/view.json"
    assert shown.server_address[0] == "127.0.0.1"
    for host in ("127.0.0.1", "127.0.0.1:1", "localhost:8000"):
        assert ask(shown, path, host=host)[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[", "10.0.0.1", None):
        status, _, body = ask(shown, path, host=host)
        assert status in (400, 403), host
        assert b"stores" not in body


def test_the_token_is_asked_for(shown):
    token = shown.site.token
    for path in ("/", "/view.json", f"/{token[:-1]}/", f"/{token}x/", "//view.json", f"/x/{token}/", "/%C3%A9/"):
        assert ask(shown, path)[0] == 403, path
    assert ask(shown, f"/{token}/")[0] == 200


def test_other_methods_are_refused(shown):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(shown, f"/{shown.site.token}/view.json", method=method)[0] == 501
    status, headers, body = ask(shown, f"/{shown.site.token}/view.json", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


def test_nothing_outside_the_stores_is_read(shown, store):
    url, _ = group_of(shown)
    assert Path(store, "_insarray/job.json").is_file()
    for path in (
        "../../../../etc/passwd", "..%2f..%2fetc/passwd", "/etc/passwd", "assets/../../server.py", "assets/..%2findex.html",
        f"{url}/../../../etc/passwd", f"{url}/_insarray/job.json", f"{url}/velocity/zarr.json", f"{url}/maps/0/nothing/c/0/0",
        f"{url}/maps/0/velocity/c/0/99", f"{url}/maps/9/velocity/c/0/0", f"{url}/maps/0/displacement/c/99/0/0",
        f"{url}/maps/0/velocity/c/0/0/0", f"{url}/series/maps/c/1/0/0", f"{url}/series/velocity/c/0/0/0",
        f"{url}/maps/0/velocity/c/-1/0", f"{url}/maps/0/velocity/c/0/%D9%A0", "data/7/x/zarr.json", "data/x/y/zarr.json", "data/",
    ):  # fmt: skip
        status, body = below(shown, path)
        assert status in (404, 410), path
        assert b"root:" not in body


def test_answers_say_what_a_browser_may_do(shown):
    _, headers, body = ask(shown, f"/{shown.site.token}/")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert b"http://" not in body
    assert b"https://" not in body


def test_only_the_host_of_a_base_map_may_be_asked_for_pictures(store, tmp_path):
    address = "https://tiles.example:8443/a/{z}/{x}/{y}.png?key=1"
    server = Server(Site([store], basemap=address))
    answer = server.site.answer("index.html")
    server.server_close()
    policy = server.site.headers["Content-Security-Policy"]
    allowed = "img-src 'self' data: blob: https://tiles.example:8443; "
    assert allowed in policy
    assert allowed.rstrip().encode() in answer.body
    assert policy.replace(" https://tiles.example:8443", "") == headers()["Content-Security-Policy"]
    folder = write_static([store], tmp_path / "site", basemap=address)
    assert allowed.rstrip() in (folder / "index.html").read_text()
    assert json.loads((folder / "view.json").read_text())["basemap"] == address


@pytest.mark.parametrize(
    "address",
    [
        "tiles/{z}/{x}/{y}.png", "file:///{z}/{x}/{y}.png", "https://a.example; script-src *//{z}/{x}/{y}", "https://user@a.example/{z}/{x}/{y}",
        "https://{x}.example/{z}/{y}", "https://a.example/{z}/{x}", "https://a.example/1.png", "https:///{z}/{x}/{y}", "https://a' b/{z}/{x}/{y}",
    ],
)  # fmt: skip
def test_what_is_no_address_of_tiles_is_refused(address, store):
    with pytest.raises(ArgumentError, match=r"basemap: .* lacks .*give the address of tiles"):
        Site([store], basemap=address)


# -- stations


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Stations compared with the series, one of them with a name that is no name."""
    lon, lat = np.array([GRID.lonlat(*at) for at in ((60, 80), (200, 350))]).T
    rng = np.random.default_rng(0)
    values = {name: (("station", "time"), rng.normal(0, 0.01, (2, 6))) for name in ("displacement", "gnss_displacement", "gnss_displacement_std", "difference")}  # fmt: skip
    values["gnss_displacement"][1][1, 2] = np.nan
    values |= {"rms_of_station": ("station", [0.004, 0.005]), "trend_of_station": ("station", [0.001, np.nan])}
    places = {"station": ["AAAA", "<b>B"], "longitude": ("station", lon), "latitude": ("station", lat)}
    path = tmp_path_factory.mktemp("gnss") / "comparison.nc"
    ia.to_netcdf(xr.Dataset(values, {**places, "time": series_on(GRID).time}), path)
    return str(path)


def test_stations_are_where_they_are_on_the_level_of_the_series(store, comparison, data):
    with closing(Site([store], [comparison])) as site:
        found = json.loads(site._opened[0].metadata["zarr.json"])["attributes"]["insarray"]["gnss"]
    given = ia.open(comparison)
    assert found["dates"] == [str(time)[:19] for time in data.time.values]
    for one, (row, col) in zip(found["stations"], ((60, 80), (200, 350)), strict=True):
        np.testing.assert_allclose([one["x"], one["y"]], [GRID.x[col], GRID.y[row]], atol=1e-3)
    first, second = found["stations"]
    assert (first["name"], first["rms"], second["trend"]) == ("AAAA", pytest.approx(0.004), None)
    np.testing.assert_allclose(first["gnss"], (given.displacement - given.difference)[0])
    assert second["gnss"][2] is None


def test_stations_far_east_are_beside_the_image(comparison, tmp_path):
    given = ia.open(comparison).load()
    far = Grid(40, 50, 350.0, 10.0, 0.5, -0.5, "EPSG:4326")
    ia.to_netcdf(series_on(far), tmp_path / "x.nc")
    ia.to_netcdf(
        given.assign_coords(longitude=("station", [3.0, -3.0]), latitude=("station", [1.0, 2.0])), tmp_path / "gnss.nc"
    )
    with closing(Site([str(tmp_path / "x.nc")], [str(tmp_path / "gnss.nc")])) as site:
        found = json.loads(site._opened[0].metadata["zarr.json"])["attributes"]["insarray"]["gnss"]
    assert [one["x"] for one in found["stations"]] == [363.0, 357.0]


def test_what_is_no_comparison_is_refused(store, comparison, tmp_path, capsys):
    assert run_command(["view", store, "--gnss", store, "--no-browser"]) == 2
    assert "is no comparison with stations" in capsys.readouterr().err
    assert run_command(["view", store, "--gnss", comparison, "--gnss", comparison, "--no-browser"]) == 2
    assert "2 comparisons for 1 results" in capsys.readouterr().err
    ia.to_netcdf(series_on(Grid(4, 5, 0.0, 0.0, 1.0, 1.0, None)), tmp_path / "radar.nc")
    assert run_command(["view", str(tmp_path / "radar.nc"), "--gnss", comparison, "--no-browser"]) == 2
    assert "radar coordinates" in capsys.readouterr().err


# -- stores that are not as they should be


def test_an_unfinished_store_says_so_until_it_is_finished(tmp_path, store):
    path = tmp_path / "series.zarr"
    shutil.copytree(store, path)
    job = json.loads((path / "_insarray/job.json").read_text())
    (path / "_insarray/job.json").write_text(json.dumps(job | {"state": "unfinished"}))
    with serving(path) as server:
        (one,) = json.loads(below(server, "view.json")[1])["stores"]
        assert "url" not in one
        assert "not finished" in one["error"] or "unfinished" in one["error"]
        (path / "_insarray/job.json").write_text(json.dumps(job))
        url, _ = group_of(server)
        assert json.loads(below(server, "status.json")[1])["stores"] == [
            {"changed": False, "progress": 1.0, "damage": []}
        ]
        os.utime(path / "_insarray/job.json", (1, 1))
        assert json.loads(below(server, "status.json")[1])["stores"][0]["changed"]
        newer, _ = group_of(server)
        assert newer != url
        assert below(server, f"{url}/maps/0/velocity/c/0/0")[0] == 410


def test_a_damaged_chunk_is_a_hole_with_a_note(tmp_path, store, data):
    path = tmp_path / "series.zarr"
    shutil.copytree(store, path)
    chunk = path / "velocity/c/0/0"
    raw = bytearray(chunk.read_bytes())
    raw[len(raw) // 2] ^= 255
    chunk.write_bytes(raw)
    with serving(path) as server:
        url, _ = group_of(server)
        status, body = below(server, f"{url}/maps/2/velocity/c/0/0")
        assert status == 200
        values = np.frombuffer(body, "<f4").reshape(256, 256)[:75, :130]
        assert np.isnan(values[:24, :40]).all()
        assert np.isfinite(values[30:, 50:]).any()
        (note,) = json.loads(below(server, "status.json")[1])["stores"][0]["damage"]
        assert note.startswith("velocity: rows 0 to ")
        status, body = below(server, f"{url}/series/maps/c/0/0/0")
        assert status == 500
        assert b"cannot be read" in body
        assert below(server, f"{url}/series/displacement/c/0/0/0")[0] == 200


def test_hostile_names_and_attributes_are_plain_text(tmp_path):
    evil = '<img src=x onerror="document.title=1">'
    series = series_on(GRID.window(0, 0, 12, 14), operator=evil, notes=[f"{evil}\x1b[31m\u202e"])
    series["velocity"] = series.displacement[-1].drop_vars("time").assign_attrs(units="m/year", long_name=evil)
    series["<i>odd"] = series.velocity
    path = tmp_path / "<b>x.nc"
    ia.to_netcdf(series, path)
    with serving(path) as server:
        url, about = group_of(server)
        assert about["name"] == "<b>x.nc"
        assert ["operator", evil] in about["options"]
        assert "\x1b" not in json.dumps(about, ensure_ascii=False)
        keys = [layer["key"] for layer in about["layers"]]
        assert "<i>odd" in [layer["name"] for layer in about["layers"]]
        assert all(key.isidentifier() for key in keys)
        assert below(server, f"{url}/maps/0/{keys[-1]}/c/0/0")[0] == 200


def test_what_is_no_result_is_refused(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(FileError, match=r"text\.txt"):
        Site([str(tmp_path / "text.txt")])
    assert run_command(["view", str(tmp_path / "nothing.zarr"), "--no-browser"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_options_that_do_not_belong_together_are_refused(tmp_path, store, capsys):
    assert run_command(["view", store, "--static", str(tmp_path / "x"), "--port", "80"]) == 2
    assert run_command(["view", store, "--overwrite"]) == 2
    assert "--static" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(store, tmp_path):
    command = [sys.executable, "-m", "insarray", "view", store, "--no-browser"]
    code = "import signal, os, sys; signal.signal(signal.SIGINT, signal.default_int_handler); os.execv(sys.argv[1], sys.argv[1:])"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        url = process.stdout.readline().strip()
        port, token = url.removeprefix("http://127.0.0.1:").strip("/").split("/")

        class There:
            server_address = ("127.0.0.1", int(port))

        assert ask(There, f"/{token}/")[0] == 200
        assert len(token) > 20
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not list(tmp_path.iterdir())  # nothing is left
