"""GMTSAR's grids: days counted from 0, registration, longitudes to 360, baselines, what is left out, broken products."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

import insarray as ia
from insarray.io.readers.gmtsar import GmtsarReader
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products import gmtsar
from tests.io.products.gmtsar import WAVELENGTH, pair_folder, write_grd, write_pair, write_prm, write_products
from tests.io.products.scene import DEGREES, Scene, assert_note, assert_one_line, commands, truncate

SCENE = Scene(wavelength=WAVELENGTH)
PARTS = ((0, 0, 30, 40), (0, 0, 29, 40), (0, 0, 30, 38), (1, 0, 29, 40))
WINDOW = (slice(1, 29), slice(0, 38))


@pytest.fixture
def pairs(tmp_path):
    """The folder of the pairs."""
    return write_products(tmp_path / "F2", SCENE)


@pytest.mark.parametrize("above", [True, False])
def test_everything_but_the_folder_is_in_the_files(pairs, above):
    stack = ia.open_stack(pairs.parent if above else pairs)
    assert stack.attrs["product"] == "gmtsar"
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["slant_range"] == pytest.approx(gmtsar.MIDDLE)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_the_first_of_january_is_day_0(tmp_path):
    scene = Scene(
        pairs=(("20190101", "20191231"), ("20191231", "20200301"), ("20200301", "20201231")),
        baselines={"20190101": 0.0, "20191231": 9.5, "20200301": -20.0, "20201231": 31.0},
        wavelength=WAVELENGTH,
    )
    write_products(tmp_path, scene)
    names = {path.name for path in (tmp_path / "intf_all").iterdir()}
    assert names == {"2019000_2019364", "2019364_2020060", "2020060_2020365"}
    stack = ia.open_stack(tmp_path)
    assert [str(time)[:10] for time in stack.reference_time.values] == ["2019-01-01", "2019-12-31", "2020-03-01"]
    np.testing.assert_allclose(stack.perpendicular_baseline, [9.5, -29.5, 51.0], rtol=1e-6)


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("pixel", [True, False])
@pytest.mark.parametrize("west", [0.0, 360.0])
def test_pixel_centres(tmp_path, classic, pixel, west):
    """Nodes are pixel centres, whatever the grid is registered to; rows from north; longitudes from -180 to 180."""
    write_products(tmp_path, SCENE, classic=classic, pixel=pixel, west=west)
    stack = ia.open_stack(tmp_path)
    np.testing.assert_allclose(stack.x, DEGREES.c + DEGREES.a * (np.arange(40) + 0.5), atol=1e-9)
    np.testing.assert_allclose(stack.y, DEGREES.f + DEGREES.e * (np.arange(30) + 0.5), atol=1e-9)
    assert CRS(stack.insar.grid.crs).to_epsg() == 4326
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_extents_that_differ(capsys, tmp_path):
    scene = replace(SCENE, parts=PARTS)
    pairs = write_products(tmp_path / "F2", scene)
    code, output, errors, _ = commands(capsys, "info", pairs)
    assert (code, errors) == (0, [])
    assert "their intersection is used, 28 x 38 pixels" in " ".join(output.split())
    code, *_ = commands(capsys, "invert", pairs, tmp_path / "o.zarr")
    assert code == 0
    scene.require_series(tmp_path / "o.zarr", WINDOW)
    with pytest.warns(StackWarning, match="their union is used, 30 x 40"):
        stack = ia.open_stack(pairs, extent="union")
    expected = SCENE.expected_phase()
    expected[1, 29:], expected[2, :, 38:], expected[3, :1] = np.nan, np.nan, np.nan
    np.testing.assert_array_equal(stack.unwrapped_phase, expected)


def test_a_pair_with_the_newer_date_first_is_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(("20190622", "20190610"), *SCENE.pairs[1:]))
    stack = ia.open_stack(write_products(tmp_path, scene))
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_radar_coordinates(tmp_path):
    for k in range(4):
        gmtsar.write_radar_pair(tmp_path / "intf_all", SCENE, k)
    with pytest.warns(StackWarning, match=r"no perpendicular baselines: there is no baseline_table.dat"):
        stack = ia.open_stack(tmp_path, wavelength=0.05)
    assert "spatial_ref" not in stack.coords
    assert (stack.attrs["wavelength"], float(stack.x[0]), float(stack.x[1] - stack.x[0])) == (0.05, 4.0, 8.0)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels, [SCENE.seen] * 4)


def test_coherence_of_the_cut_is_preferred(tmp_path):
    for k in range(4):
        folder = gmtsar.write_radar_pair(tmp_path, SCENE, k)
        (folder / "corr.grd").rename(folder / "corr_cut.grd")
        write_grd(folder / "corr.grd", np.zeros((5, 5)), (np.arange(5.0), np.arange(5.0)), names=("y", "x"))
    with pytest.warns(StackWarning, match="no perpendicular"):
        np.testing.assert_array_equal(ia.open_stack(tmp_path).coherence, SCENE.coherence)


def test_geocoded_grids_are_preferred(pairs):
    for k in range(4):
        gmtsar.write_radar_pair(pairs, SCENE, k)
    with pytest.warns(StackWarning, match="grids in radar coordinates are left out: unwrap"):
        stack = ia.open_stack(pairs)
    assert CRS(stack.insar.grid.crs).to_epsg() == 4326
    radar = ia.open_stack(pairs, variable="unwrap")
    assert "connected_component_labels" in radar
    assert "spatial_ref" not in radar.coords


def test_another_grid_of_the_phase(pairs):
    for k in range(4):
        half = np.where(SCENE.seen, SCENE.phase(k), np.nan) / 2
        folder = pair_folder(pairs, SCENE, k)
        write_grd(folder / "unwrap_pin_ll.grd", half[::-1], gmtsar.nodes(SCENE, k, west=360.0))
    np.testing.assert_array_equal(ia.open_stack(pairs).unwrapped_phase, SCENE.expected_phase())
    stack = ia.open_stack(pairs, variable="unwrap_pin_ll")
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase() / 2)
    with pytest.raises(FileError, match=r"holds no other.grd, but unwrap_ll, unwrap_pin_ll"):
        ia.open_stack(pairs, variable="other")


def test_files_given_by_a_pattern(pairs):
    stack = ia.open_stack(f"{pairs}/*/unwrap_ll.grd")
    assert stack.attrs["product"] == "gmtsar"
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_tables_of_several_subswaths(tmp_path):
    write_products(tmp_path, SCENE)
    (tmp_path / "intf_all").rename(tmp_path / "merge")
    (tmp_path / "baseline_table.dat").unlink()
    for swath, factor in ((1, 2.0), (2, 1.0), (3, 3.0)):
        scaled = {date: factor * value for date, value in SCENE.baselines.items()}
        gmtsar.write_table(tmp_path / f"F{swath}" / "raw" / "baseline_table.dat", replace(SCENE, baselines=scaled))
    stack = ia.open_stack(tmp_path / "merge")
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_baselines_that_are_none(pairs, tmp_path):
    table = pairs.parent / "baseline_table.dat"
    text = table.read_text()
    table.write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.warns(StackWarning, match="no perpendicular baselines: .*20190716"):
        assert "perpendicular_baseline" not in ia.open_stack(pairs).coords
    given = ia.open_stack(pairs, baselines=SCENE.write_table(tmp_path / "b.csv"))
    np.testing.assert_allclose(given.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


@pytest.mark.parametrize("toward", [1.0, -1.0])
def test_its_formula_has_the_sign_that_the_reader_takes_it_to_have(toward):
    """GMTSAR: B cos(look - alpha), alpha the elevation of the baseline, horizontal toward the scene."""
    look, slant, radius = np.radians(35.0), 850e3, np.array([np.cos(np.radians(35.0)), np.sin(np.radians(35.0))])
    across, up = toward * 90.0, 20.0
    bperp = np.hypot(across, up) * np.cos(look - np.arctan2(up, across))
    target = slant * np.array([np.sin(look), -np.cos(look)])
    higher = target + 10.0 / np.sin(look) * radius  # 10 m above the DEM, at the same range of the reference
    secondary = np.array([across, up])
    change = [np.linalg.norm(place - secondary) - np.linalg.norm(place) for place in (target, higher)]
    toward_satellite = -(change[1] - change[0])
    assert toward_satellite == pytest.approx(bperp / (slant * np.sin(look)) * 10.0, rel=1e-2)


def test_it_takes_nothing_else(tmp_path):
    write_grd(tmp_path / "a" / "unwrap_ll.grd", np.ones((3, 3)), (np.arange(3.0), np.arange(3.0)))
    write_grd(tmp_path / "20190610_20190622.unw.grd", np.ones((3, 3)), (np.arange(3.0), np.arange(3.0)))
    assert not GmtsarReader().recognises(tmp_path)
    with pytest.raises(FileError, match=r"holds no unwrap_ll.grd or unwrap.grd in folders"):
        ia.open_stack(tmp_path, product="gmtsar")


def test_the_same_pair_twice(pairs):
    write_pair(pairs / "again", SCENE, 1)
    with pytest.raises(StackError, match=r"pair 20190610_20190704: both .*unwrap_ll.grd and .*unwrap_ll.grd"):
        ia.open_stack(pairs)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda pair: (pair / "unwrap_ll.grd").unlink(), ("2019160_2019184", "holds no unwrap_ll.grd")),
        (lambda pair: (pair / "unwrap_ll.grd").write_bytes(b""), ("2019160_2019184/unwrap_ll.grd", "empty (0 bytes)")),
        (lambda pair: truncate(pair / "unwrap_ll.grd"), ("2019160_2019184/unwrap_ll.grd", "could not read it as HDF5")),
        (lambda pair: pair.rename(pair.with_name("2019160_2019365")), ("2019160_2019365: 2019365 is not a date",)),
        (lambda pair: pair.rename(pair.with_name("2019160_2019160")), ("both dates are 20190610",)),
        (lambda pair: write_prm(pair / "S1_20190704_ALL_F1.PRM", 0.2424), ("wavelength: 0.055466", "0.2424 in")),
        (lambda pair: write_prm(pair / "S1_20190704_ALL_F1.PRM", "x"), ("ALL_F1.PRM", "radar_wavelength is 'x'")),
        (lambda pair: nowhere(pair), ("2019160_2019184/unwrap_ll.grd: has no longitudes and latitudes",)),
        (lambda pair: other_coherence(pair), ("2019160_2019184/corr_ll.grd", "outside 0 to 1")),
    ],
)
def test_broken_products_are_named(capsys, pairs, tmp_path, broken, words):
    broken(pair_folder(pairs, SCENE, 1))
    assert_one_line(capsys, pairs, tmp_path / "o.zarr", *words)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            lambda pair: (pair / "corr_ll.grd").unlink(),
            ("coherence is left out: no file for 1 of 4 pairs", "20190610_20190704"),
        ),
        (lambda pair: table(pair, "S1_x 2019171.5 110 3.0\n"), ("baseline_table.dat, line 1", "S1_x 2019171.5")),
        (lambda pair: table(pair, "S1_x 2019371.5 110 3.0 5\n"), ("baseline_table.dat, line 1", "2019371.5")),
        (lambda pair: table(pair, "S1_x 2019171.5 110 3.0 nan\n"), ("line 1:",)),
        (lambda pair: table(pair, "a 2019171.5 1 3 5\nb 2019171.6 2 3 6\n"), ("baseline_table.dat", "20190621")),
        (lambda pair: table(pair, ""), ("baseline_table.dat: is empty",)),
    ],
)
def test_damage_that_a_stack_can_do_without(pairs, broken, words):
    broken(pair_folder(pairs, SCENE, 1))
    assert_note(pairs, *words)


def nowhere(pair):
    xr.Dataset({"z": (("y", "x"), SCENE.phase(1))}).to_netcdf(pair / "unwrap_ll.grd")


def other_coherence(pair):
    write_grd(pair / "corr_ll.grd", 1 + SCENE.coherence[1][::-1], gmtsar.nodes(SCENE, 1, west=360.0))


def table(pair, text):
    (pair.parent.parent / "baseline_table.dat").write_text(text)


def test_grids_that_gdal_warns_of_are_opened_side_by_side(tmp_path):
    """GDAL warns of axes without a unit, and threads that open and close files once waited for each other forever."""
    for k in range(16):
        axes = {"lat": np.arange(30.0), "lon": np.arange(40.0)}
        grid = xr.Dataset({"z": (("lat", "lon"), SCENE.phase(0))}, axes, {"Conventions": "CF-1.7"})
        grid.to_netcdf(tmp_path / f"20190101_201902{k + 1:02d}.nc", engine="scipy", format="NETCDF3_CLASSIC")
    code = f"import insarray as ia\nfor _ in range(20): ia.open_stack({str(tmp_path / '*.nc')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
