"""The folder for a web server: whole arrays in GeoZarr, the same page, and no folder of somebody else is touched."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr

import insarray as ia
from insarray.cli.process import run_command
from insarray.model.errors import StoreError
from insarray.viewer.pyramid import halved
from insarray.viewer.server import page
from insarray.viewer.static import write_static
from tests.test_docs import ROOT, blocks, commands
from tests.viewer.shown import GRID


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    return write_static([store], tmp_path_factory.mktemp("static") / "site")


def test_levels_are_datasets_on_their_grids(folder, store):
    data = ia.open(store).load()
    for name in ("velocity", "displacement", "fit_flag"):
        whole = data[name].values.astype(np.float32)
        for level in range(3):
            found = xr.open_zarr(folder / f"data/0/maps/{level}", consolidated=False)
            np.testing.assert_allclose(found[name].values, whole, rtol=2e-5, atol=1e-8)
            whole = halved(whole, averaged=data[name].dtype.kind == "f")
            step = 2**level
            np.testing.assert_allclose(found.x[:2], GRID.left + GRID.dx * step * np.array([0.5, 1.5]))
            np.testing.assert_allclose(found.y[:2], GRID.top + GRID.dy * step * np.array([0.5, 1.5]))
    np.testing.assert_array_equal(found.time.values, data.time.values)


def test_series_are_laid_out_for_clicks(folder, store):
    data = ia.open(store)
    group = zarr.open_group(folder / "data/0", mode="r")
    series = group["series/displacement"]
    assert series.chunks == (6, 32, 32)
    assert series.shards == (6, 320, 512)
    np.testing.assert_array_equal(series[:], data.displacement.values)
    about = dict(group.attrs)["insarray"]
    np.testing.assert_array_equal(group["series/maps"][about["maps"].index("velocity")], data.velocity.values)


def test_other_programs_find_the_levels(folder):
    attrs = dict(zarr.open_group(folder / "data/0/maps", mode="r").attrs)
    assert {one["name"] for one in attrs["zarr_conventions"]} == {"multiscales", "proj:", "spatial:"}
    layout = attrs["multiscales"]["layout"]
    assert [one["asset"] for one in layout] == ["0", "1", "2"]
    assert layout[2]["derived_from"] == "1"
    assert layout[2]["transform"] == {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}
    assert layout[2]["spatial:transform"] == [120.0, 0.0, GRID.left, 0.0, -120.0, GRID.top]
    assert attrs["proj:code"] == "EPSG:32613"


def test_the_page_and_its_licences_are_there(folder):
    for name, content in page().items():
        assert (folder / name).read_bytes() == content
    assert {"index.html", "licences.txt", "assets/viewer.js", "assets/viewer.css"} <= set(page())
    text = page()["licences.txt"].decode()
    for part in ("ol 10", "uplot 1", "zarrita 0", "BSD 2-Clause", "MIT"):
        assert part in text
    assert json.loads((folder / "view.json").read_text()) == {
        "basemap": None,
        "stores": [{"name": "series.zarr", "url": "data/0"}],
    }


def test_only_its_own_folder_is_replaced(pieces, tmp_path, capsys):
    store, folder = pieces, tmp_path / "site"
    write_static([store], folder)
    with pytest.raises(StoreError, match="--overwrite"):
        write_static([store], folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(StoreError, match="no folder of insarray view"):
        write_static([store], tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"
    assert run_command(["view", store, "--static", store]) == 2
    assert (ia.open(store).velocity.notnull()).any()
    assert run_command(["view", store, "--static", str(folder), "--overwrite"]) == 0
    assert "python -m http.server" in capsys.readouterr().out


@pytest.mark.slow
def test_pieces_are_left_out_of_maps(pieces, tmp_path):
    data = ia.open(pieces).load()
    folder = write_static([pieces], tmp_path / "site")
    group = zarr.open_group(folder / "data/0", mode="r")
    np.testing.assert_array_equal(
        group["maps/0/displacement"][:], data.displacement.where(data.network_subset == 1).values
    )
    np.testing.assert_array_equal(group["series/displacement"][:], data.displacement.values)


def test_the_page_of_the_documentation_runs(pieces, tmp_path, monkeypatch):
    (tmp_path / "series.zarr").symlink_to(pieces)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/how_to/view_results.md").read_text()
    (written,) = [words for words in commands(text) if "--static" in words]
    assert run_command(written[1:]) == 0
    names = {}
    for example in blocks(text, "python"):
        exec(compile(example, "view_results.md", "exec"), names)
    assert names["page"].url in names["page"]._repr_html_()
    names["page"].close()
    np.testing.assert_array_equal(names["coarse"].velocity.values, ia.open(pieces).velocity.values)
