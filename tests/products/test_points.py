"""Selection of points: criteria, blocks, missing samples, geometry, grid; and the store they are saved in."""

import dask.array as da
import numpy as np
import psutil
import pytest
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, StackError, StoreError, StoreMismatchError
from insarray.model.grid import Grid
from insarray.products.points.selection import positions
from tests.points import scene


@pytest.mark.parametrize("criterion", [{"min_temporal_coherence": 0.5}, {"max_amplitude_dispersion": 0.3}])
def test_points_are_those_that_pass_in_the_order_of_the_image(criterion):
    wrapped = scene().wrapped
    points = ia.select_points(wrapped, **criterion)
    row, col = np.nonzero(wrapped.temporal_coherence.values > 0.5)
    np.testing.assert_array_equal(points.row, row)
    np.testing.assert_array_equal(points.col, col)
    np.testing.assert_array_equal(points.wrapped_phase, wrapped.wrapped_phase.values[:, row, col])
    np.testing.assert_array_equal(points.x, wrapped.x.values[col])
    np.testing.assert_array_equal(points.y, wrapped.y.values[row])
    assert points.wrapped_phase.dtype == np.float32
    assert points.attrs["wavelength"] == wrapped.attrs["wavelength"]
    np.testing.assert_array_equal(points.perpendicular_baseline, wrapped.perpendicular_baseline)


def test_criteria_are_joined_and_a_mask_counts():
    wrapped = scene().wrapped
    dispersion = wrapped.amplitude_dispersion.copy()
    dispersion[:20] = 0.9
    chosen = xr.DataArray(np.arange(50) < 10, dims="x").broadcast_like(wrapped.temporal_coherence)
    points = ia.select_points(
        wrapped.assign(amplitude_dispersion=dispersion),
        min_temporal_coherence=0.5,
        max_amplitude_dispersion=0.3,
        mask=chosen.transpose("y", "x"),
    )
    assert points.row.min() == 20
    assert points.col.max() == 9
    assert (points.temporal_coherence >= 0.5).all()
    # the limits themselves pass
    assert ia.select_points(wrapped, min_temporal_coherence=float(np.float32(0.9))).sizes["point"] > 500


@pytest.mark.parametrize("block", [7, 64])
def test_any_blocks_give_the_same(block):
    whole = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    xr.testing.assert_identical(ia.select_points(scene(block=block).wrapped, min_temporal_coherence=0.5), whole)


def test_geometry_and_baselines_of_every_point():
    wrapped = scene(block=9).wrapped
    maps = wrapped.temporal_coherence * 0 + xr.DataArray(np.linspace(30, 40, 50), dims="x")
    baselines = wrapped.perpendicular_baseline * (1 + maps / 100)
    wrapped = wrapped.drop_vars("perpendicular_baseline").assign(
        incidence_angle=maps.astype(np.float32),
        slant_range=(maps * 2e4).astype(np.float32),
        perpendicular_baseline=baselines.transpose("time", "y", "x").chunk(time=-1, y=9, x=9),
    )
    points = ia.select_points(wrapped, min_temporal_coherence=0.5)
    row, col = points.row.values, points.col.values
    for name in ("incidence_angle", "slant_range"):
        np.testing.assert_array_equal(points[name], wrapped[name].values[row, col])
    np.testing.assert_allclose(points.perpendicular_baseline, baselines.values[:, row, col], rtol=1e-6)
    assert points.perpendicular_baseline.dims == ("time", "point")


def test_points_that_lack_an_epoch_are_kept_and_those_without_any_are_not():
    wrapped = scene().wrapped
    row, col = np.argwhere(wrapped.temporal_coherence.values > 0.5)[:2].T
    phase = wrapped.wrapped_phase.copy()
    phase[4, row[0], col[0]] = np.nan
    phase[:, row[1], col[1]] = np.nan
    points = ia.select_points(wrapped.assign(wrapped_phase=phase), min_temporal_coherence=0.5)
    whole = ia.select_points(wrapped, min_temporal_coherence=0.5)
    assert points.sizes["point"] == whole.sizes["point"] - 1
    assert np.isnan(points.wrapped_phase[4, 0])
    assert np.isnan(points.wrapped_phase).sum() == 1


def test_the_stack_is_never_in_memory_as_a_whole():
    """A gigabyte of phases, of which one pixel in a thousand is a point."""
    epochs, size = 60, 2048
    process = psutil.Process()
    seen = []

    def block():
        seen.append(process.memory_info().rss)
        return np.full((epochs, 256, 256), 0.5, np.float32)

    chunks = ((epochs,), (256,) * 8, (256,) * 8)
    data = da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    phase = xr.DataArray(data, dims=("time", "y", "x"))
    quality = np.zeros((size, size), np.float32)
    quality[::32, ::32] = 1
    times = np.datetime64("2020-01-01", "ns") + np.arange(epochs).astype("timedelta64[D]")
    wrapped = xr.Dataset(
        {"wrapped_phase": phase, "temporal_coherence": (("y", "x"), quality)},
        {"time": times, **grid_coords(Grid(size, size))},
    )
    before = process.memory_info().rss
    points = ia.select_points(wrapped, min_temporal_coherence=0.5)
    assert points.sizes["point"] == 64 * 64
    assert max(seen) - before < 400 * 2**20  # of 960 MiB


@pytest.mark.parametrize(
    ("change", "criterion", "error", "message"),
    [
        ({}, {}, ArgumentError, "give min_temporal_coherence"),
        ({}, {"min_temporal_coherence": 0.95}, ArgumentError, "none of 2000 pixels passes temporal_coherence >= 0.95"),
        ({}, {"min_temporal_coherence": 60.0}, ArgumentError, "not between 0 and 1"),
        ({"drop": "temporal_coherence"}, {"min_temporal_coherence": 0.5}, StackError, "no such layer"),
        ({"drop": "wrapped_phase"}, {"min_temporal_coherence": 0.5}, StackError, "wrapped_phase"),
        ({"empty": True}, {"min_temporal_coherence": 0.5}, ArgumentError, "a phase in any epoch"),
    ],
)
def test_refusals(change, criterion, error, message):
    wrapped = scene().wrapped
    if "drop" in change:
        wrapped = wrapped.drop_vars(change["drop"])
    if "empty" in change:
        wrapped["wrapped_phase"] = wrapped.wrapped_phase * np.float32("nan")
    with pytest.raises(error, match=message):
        ia.select_points(wrapped, **criterion)


def test_maps_on_the_grid_again():
    wrapped = scene().wrapped
    points = ia.select_points(wrapped, min_temporal_coherence=0.5)
    values = np.arange(points.sizes["point"], dtype=np.float32)
    points = points.assign(
        velocity=("point", values, {"units": "m/year"}), component=("point", values.astype(np.int32))
    )
    maps = ia.points_to_grid(points)
    assert set(maps.data_vars) == {"velocity", "wrapped_phase"}
    phase = maps.wrapped_phase
    assert phase.dims == ("time", "y", "x")
    np.testing.assert_array_equal(phase.time, points.time)
    np.testing.assert_array_equal(phase.values[:, points.row, points.col], points.wrapped_phase)
    assert np.isfinite(phase).sum() == points.wrapped_phase.size
    assert maps.velocity.dims == ("y", "x")
    assert maps.insar.grid.mismatch(wrapped.insar.grid) is None
    np.testing.assert_array_equal(maps.velocity.values[points.row, points.col], values)
    assert int(np.isfinite(maps.velocity).sum()) == values.size
    assert maps.velocity.attrs["units"] == "m/year"
    with pytest.raises(StackError, match="spatial:shape"):
        ia.points_to_grid(points.assign_attrs({}).drop_attrs())


def test_positions_are_metres():
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    np.testing.assert_array_equal(positions(points)[0], points.x)
    degrees = scene(grid=Grid(40, 50, -99.0, 60.1, 0.001, -0.001, "EPSG:4326")).wrapped
    x, y = positions(ia.select_points(degrees, min_temporal_coherence=0.5))
    assert np.ptp(y) == pytest.approx(39 * 111.2, rel=0.01)
    assert np.ptp(x) == pytest.approx(49 * 55.6, rel=0.01)


# -- saved -----------------------------------------------------------------------------------------------------------


def test_saved_points_come_back(tmp_path):
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    assert ia.save_points(points, str(tmp_path / "points.zarr"))
    found = xr.open_zarr(tmp_path / "points.zarr", consolidated=True)
    xr.testing.assert_equal(found.load(), points)
    assert found.wrapped_phase.dtype == np.float32
    assert found.attrs["featureType"] == "timeSeries"
    assert found.attrs["Conventions"].startswith("CF")
    assert found.point.attrs["cf_role"] == "timeseries_id"
    assert "job_fingerprint" in found.attrs
    assert [path.name for path in tmp_path.iterdir()] == ["points.zarr"]


def test_the_same_is_left_and_other_settings_are_refused(tmp_path):
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    url = str(tmp_path / "points.zarr")
    ia.save_points(points, url)
    stamp = (tmp_path / "points.zarr/zarr.json").stat().st_mtime_ns
    assert not ia.save_points(points, url)
    other = ia.select_points(scene().wrapped, min_temporal_coherence=0.6)
    with pytest.raises(StoreMismatchError, match=r"point_temporal_coherence was '0.5' and is now '0.6'"):
        ia.save_points(other, url)
    assert (tmp_path / "points.zarr/zarr.json").stat().st_mtime_ns == stamp
    assert ia.save_points(other, url, restart=True)
    assert xr.open_zarr(url).attrs["point_temporal_coherence"] == 0.6
    # settings of one's own are the identity, whatever the values
    assert ia.save_points(points, str(tmp_path / "b.zarr"), settings={"a": 1})
    assert not ia.save_points(other, str(tmp_path / "b.zarr"), settings={"a": 1})


def test_what_is_not_ours_is_never_replaced(tmp_path):
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    (tmp_path / "thesis.txt").write_text("x")
    for restart in (False, True):
        with pytest.raises(StoreError, match="not an insarray store"):
            ia.save_points(points, str(tmp_path), restart=restart)
    assert (tmp_path / "thesis.txt").read_text() == "x"


def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(StoreError, match="No space left"):
        ia.save_points(points, str(tmp_path / "a" / "points.zarr"))
    assert not list((tmp_path / "a").iterdir())


def test_saved_at_a_url():
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.5)
    assert ia.save_points(points, "memory://points.zarr")
    assert not ia.save_points(points, "memory://points.zarr")
