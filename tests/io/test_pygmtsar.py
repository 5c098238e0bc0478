"""PyGMTSAR's cubes: axes in attributes, order of rows and pairs, coherence beside, what must be chosen, broken ones."""

from dataclasses import replace

import numpy as np
import pytest
from pyproj import CRS

import insarray as ia
from insarray.io.readers.pygmtsar import PygmtsarReader
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products.pygmtsar import cube, sync_cube, write_products
from tests.io.products.scene import DEGREES, SENTINEL1_WAVELENGTH, Scene, assert_one_line, commands, truncate

SCENE = Scene()
NO_BASELINES = "no perpendicular baselines: PyGMTSAR"
pytestmark = pytest.mark.filterwarnings(f"ignore:{NO_BASELINES[:26]}")


def test_everything_but_the_folder_is_in_the_files(capsys, tmp_path):
    write_products(tmp_path / "raw", SCENE)
    code, output, errors, notes = commands(capsys, "info", tmp_path / "raw")
    assert (code, errors) == (0, [])
    assert "pygmtsar" in output
    code, _, _, notes = commands(capsys, "invert", tmp_path / "raw", tmp_path / "o.zarr")
    assert code == 0
    assert any(NO_BASELINES in note for note in notes)
    SCENE.require_series(tmp_path / "o.zarr")


@pytest.mark.parametrize("west", [0.0, 360.0])
def test_a_geocoded_cube(tmp_path, west):
    """Rows from the north, longitudes from -180 to 180."""
    stack = ia.open_stack(sync_cube(tmp_path / "unwrap.grd", cube(SCENE, west=west)))
    assert (stack.attrs["product"], stack.attrs["wavelength"]) == ("pygmtsar", SENTINEL1_WAVELENGTH)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)
    np.testing.assert_array_equal(stack.connected_component_labels, [SCENE.seen] * 4)
    np.testing.assert_allclose(stack.x, DEGREES.c + DEGREES.a * (np.arange(40) + 0.5), atol=1e-9)
    np.testing.assert_allclose(stack.y, DEGREES.f + DEGREES.e * (np.arange(30) + 0.5), atol=1e-9)
    assert CRS(stack.insar.grid.crs).to_epsg() == 4326


def test_radar_coordinates(tmp_path):
    stack = ia.open_stack(sync_cube(tmp_path / "unwrap.grd", cube(SCENE, geocoded=False)))
    assert "spatial_ref" not in stack.coords
    assert (float(stack.y[0]), float(stack.y[1]), float(stack.x[1])) == (1.5, 5.5, 23.5)
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())


def test_coordinates_in_few_digits(tmp_path):
    """Steps of float32 differ by more than 1 % of a pixel; the even ones that fit are taken."""
    data = cube(SCENE, west=360.0)
    data = data.assign_coords({name: data[name].astype("f4") for name in ("lat", "lon")})
    data.to_netcdf(tmp_path / "unwrap.nc")
    stack = ia.open_stack(tmp_path / "unwrap.nc")
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_allclose(stack.x, DEGREES.c + DEGREES.a * (np.arange(40) + 0.5), atol=1e-5)
    assert np.ptp(np.diff(stack.x)) < 1e-9


@pytest.mark.parametrize("store", ["netcdf", "zarr"])
def test_a_cube_that_xarray_wrote(tmp_path, store):
    path = tmp_path / f"mine.{'nc' if store == 'netcdf' else 'zarr'}"
    data = cube(SCENE).chunk(pair=1, lat=16, lon=16)
    if store == "netcdf":
        data.to_netcdf(path, engine="h5netcdf")
    else:
        data.assign_coords(pair=data.pair.astype(object)).to_zarr(path, consolidated=False)
    stack = ia.open_stack(path)
    assert stack.attrs["product"] == "pygmtsar"
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, SCENE.coherence)


def test_pairs_in_another_order_and_turned_round(tmp_path):
    scene = replace(SCENE, pairs=(SCENE.pairs[3], ("20190622", "20190610"), SCENE.pairs[2], SCENE.pairs[1]))
    stack = ia.open_stack(sync_cube(tmp_path / "unwrap.grd", cube(scene)))
    np.testing.assert_array_equal(stack.unwrapped_phase, SCENE.expected_phase())
    np.testing.assert_array_equal(stack.coherence, scene.coherence[[1, 3, 2, 0]])
    some = stack.isel(pair=[2, 0], y=slice(3, 9)).unwrapped_phase
    np.testing.assert_array_equal(some, SCENE.expected_phase()[[2, 0], 3:9])


def test_coherence_is_found_or_given(tmp_path):
    phase = write_products(tmp_path / "raw", SCENE)
    assert "coherence" not in ia.open_stack(phase)
    given = ia.open_stack(phase, coherence=phase.with_name("corr90m.grd"))
    np.testing.assert_array_equal(given.coherence, SCENE.coherence)
    np.testing.assert_array_equal(ia.open_stack(tmp_path / "raw").coherence, SCENE.coherence)
    sync_cube(phase.with_name("corr_other.grd"), cube(SCENE).correlation / 2)
    with pytest.warns(StackWarning, match=r"coherence is left out: corr90m.grd, corr_other.grd all fit"):
        assert "coherence" not in ia.open_stack(tmp_path / "raw")
    given = ia.open_stack(tmp_path / "raw", coherence=phase.with_name("corr_other.grd"))
    np.testing.assert_array_equal(given.coherence, SCENE.coherence / 2)


def test_coherence_of_other_pairs_or_pixels(tmp_path):
    phase = write_products(tmp_path / "raw", SCENE)
    for name, part in (("pairs", {"pair": slice(3)}), ("pixels", {"lat": slice(20)})):
        sync_cube(tmp_path / f"{name}.grd", cube(SCENE).correlation.isel(part))
    with pytest.raises(StackError, match=r"pairs.grd: has 3 pairs that are not the 4 of unwrap90m.grd"):
        ia.open_stack(phase, coherence=tmp_path / "pairs.grd")
    with pytest.raises(StackError, match=r"pixels.grd: 20 x 40 pixels instead of 30 x 40"):
        ia.open_stack(phase, coherence=tmp_path / "pixels.grd")


def test_a_variable_must_be_chosen(tmp_path):
    data = cube(SCENE).drop_vars("correlation")
    path = sync_cube(tmp_path / "unwrap.grd", data.rename(phase="a").assign(b=data.phase / 2))
    with pytest.raises(FileError, match=r"holds a, conncomp, b; choose the unwrapped phase with variable="):
        ia.open_stack(path)
    np.testing.assert_array_equal(ia.open_stack(path, variable="b").unwrapped_phase, SCENE.expected_phase() / 2)
    with pytest.raises(FileError, match=r"has no 'c' \(pair, y, x\)"):
        ia.open_stack(path, variable="c")


def test_baselines_and_wavelength_are_given(tmp_path):
    path = sync_cube(tmp_path / "unwrap.grd", cube(SCENE))
    with pytest.warns(StackWarning, match=NO_BASELINES):
        assert "perpendicular_baseline" not in ia.open_stack(path).coords
    stack = ia.open_stack(path, wavelength=0.05, baselines=SCENE.write_table(tmp_path / "b.csv"))
    assert stack.attrs["wavelength"] == 0.05
    np.testing.assert_allclose(stack.perpendicular_baseline, SCENE.expected_baselines(), rtol=1e-6)


def test_it_takes_nothing_else(tmp_path):
    series = cube(SCENE).rename(pair="date").drop_vars(["ref", "rep"])
    for name, data in (("unwrap.nc", series), ("unwrap2.nc", cube(SCENE).isel(pair=0))):
        data.to_netcdf(tmp_path / name, engine="h5netcdf")
    (tmp_path / "unwrap3.grd").write_bytes(b"no netcdf")
    assert not PygmtsarReader().recognises(tmp_path)
    with pytest.raises(FileError, match=r"unwrap.nc: has no pair, ref, rep; it holds"):
        ia.open_stack(tmp_path / "unwrap.nc", product="pygmtsar")
    with pytest.raises(FileError, match=r"holds unwrap.nc, unwrap2.nc, unwrap3.grd; give the one cube"):
        ia.open_stack(tmp_path, product="pygmtsar")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda path: truncate(path), ("unwrap90m.grd",)),
        (lambda path: path.write_bytes(b""), ("unwrap90m.grd",)),
        (lambda path: sync_cube(path, cube(SCENE).assign_coords(rep=cube(SCENE).ref)), ("unwrap90m.grd: both dates",)),
        (lambda path: sync_cube(path, twice()), ("pair 20190610_20190622: both", "unwrap90m.grd")),
        (lambda path: sync_cube(path, bad_dates()), ("unwrap90m.grd: date: '2019-13-01' is not a date",)),
        (lambda path: cube(SCENE).drop_vars("lat").to_netcdf(path), ("unwrap90m.grd: has no coordinates along lat",)),
        (lambda path: uneven().to_netcdf(path), ("unwrap90m.grd: its coordinate lon is not evenly spaced",)),
        (lambda path: sync_cube(path, millimetres()), ("unwrap90m.grd: phase is in 'mm'", "radian is needed")),
        (lambda path: sync_cube(path, loud()), ("unwrap90m.grd", "outside 0 to 1")),
    ],
)
def test_broken_cubes_are_named(capsys, tmp_path, broken, words):
    path = sync_cube(tmp_path / "raw" / "unwrap90m.grd", cube(SCENE))
    broken(path)
    assert_one_line(capsys, path, tmp_path / "o.zarr", *words)


def twice():
    data = cube(SCENE)
    return data.isel(pair=[0, 1, 0])


def bad_dates():
    data = cube(SCENE)
    return data.assign_coords(ref=("pair", np.array(["2019-13-01"] * 4, object)))


def uneven():
    data = cube(SCENE)
    return data.assign_coords(lon=data.lon.values + 1e-5 * np.arange(40) ** 2)


def millimetres():
    data = cube(SCENE)
    data.phase.attrs["units"] = "mm"
    return data


def loud():
    data = cube(SCENE)
    return data.assign(correlation=data.correlation + 1)
