"""Unwrapping in tiles: against the truth, against one tile, whatever the chunks; pairs, labels, refusals."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import insarray as ia
from insarray.engine.plan import plan_run
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.products.points.tiles import Axis, TileOptions, unwrap_tiles

SHAPE = (52, 60)
HOW = {"height_error": (-60, 60), "neighbours": 8, "workers": 2, "min_temporal_coherence": 0.7}
TURN = 2 * np.pi


@pytest.fixture(scope="module")
def scene():
    return ia.simulate_wrapped(shape=SHAPE, n_dates=12, noise=0.3, atmosphere=0.001, water=False, seed=4)


@pytest.fixture(scope="module")
def tiled(scene, tmp_path_factory):
    """The scene in four tiles."""
    path = tmp_path_factory.mktemp("tiled") / "tiles.zarr"
    return ia.unwrap_stack(scene[0].chunk(y=20, x=25), path, tile=36, overlap=12, **HOW).compute()


def wrong_cycles(stack, truth):
    """Cycles that are not those of most pixels of the pair, (pair, pixel)."""
    true = (truth.unwrapped_phase[1:] - truth.unwrapped_phase[0]).values
    known = np.isfinite(stack.unwrapped_phase.values).all(axis=0)
    turns = (stack.unwrapped_phase.values - true)[:, known] / TURN
    whole = np.rint(turns)
    np.testing.assert_allclose(turns, whole, atol=1e-5)  # congruent
    return whole - np.median(whole, axis=1, keepdims=True), known


def test_tiles_give_the_truth_without_seams(scene, tiled):
    wrong, known = wrong_cycles(tiled, scene[1])
    assert known.mean() > 0.8
    assert (wrong != 0).mean() < 0.002
    assert tiled.attrs["tile_overlaps"] == 4
    assert max(tiled.attrs["tile_overlaps_unmet"]) == 0
    error = (tiled.velocity - scene[1].velocity).values
    assert np.nanstd(error) < 4e-3  # of the atmosphere; it would be several cm if tiles had levels of their own
    assert np.nanstd((tiled.height_error - scene[1].height_error).values) < 2
    assert set(np.unique(tiled.unwrapping_label)) <= {0, 1}
    np.testing.assert_array_equal(tiled.connected_component_labels > 0, np.isfinite(tiled.unwrapped_phase))
    np.testing.assert_array_equal(np.isfinite(tiled.temporal_coherence), known)


def test_one_tile_gives_the_same_cycles(scene, tiled, tmp_path):
    whole = ia.unwrap_stack(scene[0], tmp_path / "one.zarr", **HOW).compute()
    assert whole.attrs["tile_overlaps"] == 0
    difference = (whole.unwrapped_phase - tiled.unwrapped_phase).values / TURN
    same = difference - np.nanmedian(difference, axis=(1, 2), keepdims=True)
    known = np.isfinite(same)
    assert (np.abs(same[known]) > 0.5).mean() < 0.002
    step = (whole.velocity - tiled.velocity).values
    assert np.nanstd(step) < 2e-3


OPERATIONS = {
    "chunks": lambda wrapped: wrapped.chunk(time=3, y=52, x=11),
    "order of dates and dimensions": lambda wrapped: wrapped.isel(time=slice(None, None, -1)).transpose(
        "x", "time", "y"
    ),
    "float64": lambda wrapped: wrapped.astype(np.float64),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_xarray_does_before_changes_no_bit(scene, tiled, operation, tmp_path):
    given = OPERATIONS[operation](scene[0])
    again = ia.unwrap_stack(given, tmp_path / "o.zarr", tile=36, overlap=12, **{**HOW, "workers": 1})
    xr.testing.assert_identical(again.compute(), tiled)


def test_pairs_of_a_network_are_differences_of_dates(scene, tiled, tmp_path):
    dates = scene[0].time.dt.strftime("%Y%m%d").values
    label = f"{dates[2]}_{dates[5]}"
    first = xr.zeros_like(tiled.unwrapped_phase[0]).where(tiled.unwrapping_label == 1)
    phase = np.concatenate([first.values[None], tiled.unwrapped_phase.values])
    for network, number in (("hop3", 3 * 12 - 6), ([label], 1)):
        stack = ia.unwrap_stack(scene[0], tmp_path / "t.zarr", tile=36, overlap=12, network=network, **HOW)
        assert stack.sizes["pair"] == number
        np.testing.assert_allclose(stack.unwrapped_phase.sel(pair=label), phase[5] - phase[2], atol=1e-4)
        baseline = scene[0].perpendicular_baseline.values
        step = float(stack.perpendicular_baseline.sel(pair=label))
        assert step == pytest.approx(baseline[5] - baseline[2], abs=1e-3)


def test_the_result_goes_on_to_a_series_and_a_velocity(scene, tiled):
    """Relative to the same pixel, the velocity of the series is the true one but for the atmosphere."""
    geometry = {name: tiled[name] for name in ("slant_range", "incidence_angle")}
    model = ia.fit(ia.invert(tiled, reference=(30, 30)), height_error=True, min_dates=5, **geometry)
    truth = scene[1].velocity - scene[1].velocity[30, 30]
    assert np.nanstd((model.velocity - truth).values) < 6e-3
    assert float(truth.std()) > 8e-3


def test_pixels_between_points_get_the_cycles_of_the_nearest(scene, tmp_path):
    how = {**HOW, "min_temporal_coherence": 0.93, "tile": 36, "overlap": 12}
    bare = ia.unwrap_stack(scene[0], tmp_path / "bare.zarr", **how).compute()
    full = ia.unwrap_stack(scene[0], tmp_path / "full.zarr", fill=True, **how).compute()
    point = bare.unwrapping_label == 1
    np.testing.assert_array_equal(full.unwrapped_phase.where(point), bare.unwrapped_phase)
    np.testing.assert_array_equal(full.unwrapping_label == 2, ~point)
    assert np.isfinite(full.unwrapped_phase).all()
    assert 0.05 < float((~point).mean()) < 0.9
    wrong, _ = wrong_cycles(full, scene[1])
    assert (wrong != 0).mean() < 0.05
    assert full.attrs["filled"] == 1


def test_without_baselines_the_model_is_the_velocity_alone(scene, tmp_path):
    wrapped = scene[0].drop_vars("perpendicular_baseline")
    stack = ia.unwrap_stack(wrapped, tmp_path / "t.zarr", tile=36, overlap=12, **{**HOW, "height_error": None})
    assert "height_error" not in stack
    assert np.isfinite(stack.unwrapped_phase).any()


def test_without_a_model_points_are_unwrapped_as_by_unwrap_points(scene, tmp_path):
    how = {**HOW, "height_error": None, "velocity": None}
    stack = ia.unwrap_stack(scene[0], tmp_path / "t.zarr", **how).compute()
    points = ia.select_points(scene[0], min_temporal_coherence=0.7)
    phase = ia.unwrap_points(points).unwrapped_phase.values
    found = stack.unwrapped_phase.values[:, points.row, points.col]
    step = (found - (phase[1:] - phase[0])) / TURN
    step -= np.median(step, axis=1, keepdims=True)
    assert (np.abs(step) > 1e-4).mean() < 0.01  # the same, but where several solutions are equally cheap
    assert not {"velocity", "temporal_coherence"} & set(stack)


def test_land_that_nothing_ties_is_a_component_of_its_own(tmp_path):
    """A strait as wide as a tile: the larger side is 1, the other 2, and what lies between is 0."""
    wrapped, _ = ia.simulate_wrapped(shape=(40, 130), n_dates=10, noise=0.3, water=False, seed=1)
    land = xr.ones_like(wrapped.temporal_coherence).where((wrapped.x < wrapped.x[30]) | (wrapped.x > wrapped.x[72]), 0)
    how = {**HOW, "min_temporal_coherence": None, "height_error": None}
    stack = ia.unwrap_stack(wrapped, tmp_path / "t.zarr", tile=36, overlap=12, mask=land, **how)
    label = stack.connected_component_labels[0].values
    np.testing.assert_array_equal(np.unique(label[:, :30]), 2)
    np.testing.assert_array_equal(np.unique(label[:, 31:72]), 0)
    np.testing.assert_array_equal(np.unique(label[:, 74:]), 1)


@given(st.integers(1, 500), st.integers(32, 90), st.integers(8, 16))
def test_tiles_cover_the_image_once(length, size, overlap):
    axis = Axis.of(length, size, overlap)
    image = np.arange(length)
    extended = np.concatenate([image[start:stop] for start, stop in zip(axis.starts, axis.stops, strict=True)])
    np.testing.assert_array_equal(np.concatenate([extended[axis.core(i)] for i in range(len(axis))]), image)
    for i in range(len(axis) - 1):
        here, there = axis.overlap(i)
        np.testing.assert_array_equal(extended[here], extended[there])
        assert extended[here].size == overlap
    assert all(length <= size for length in axis.lengths)


def test_memory_grows_with_the_tile(scene):
    def peak(tile):
        options = TileOptions((("min_temporal_coherence", 0.7),), (-0.06, 0.06), None, 8, False, tile, 8, None, None)
        return plan_run(unwrap_tiles(scene[0].chunk(), options), 1).peak_bytes

    assert peak(52) - peak(32) == pytest.approx((peak(42) - peak(32)) * (52**2 - 32**2) / (42**2 - 32**2), rel=0.3)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"tile": 16}, ArgumentError, "tile: 16 is not"),
        ({"overlap": 4}, ArgumentError, "overlap: 4 is not between 8 and half of the tile"),
        ({"overlap": 140}, ArgumentError, "overlap: 140"),
        ({"network": "all"}, ArgumentError, "network: 'all' is not one of single, hop3"),
        ({"network": ["20200101_20200113"]}, ArgumentError, "network: 20200101 is not a date of the stack"),
        ({"min_temporal_coherence": None}, ArgumentError, "points: give min_temporal_coherence"),
        ({"min_temporal_coherence": 60}, ArgumentError, "temporal_coherence"),
        ({"max_amplitude_dispersion": 0.2}, StackError, "amplitude_dispersion: the stack has no such layer"),
        ({"velocity": (0.06, -0.06)}, InsarrayError, "velocity"),
        ({"neighbours": 0}, ArgumentError, "neighbours"),
        ({"velocity": None}, ArgumentError, "height_error: is estimated together with the velocity"),
    ],
)
def test_refusals(scene, tmp_path, how, error, words):
    with pytest.raises(error, match=words):
        ia.unwrap_stack(scene[0], tmp_path / "t.zarr", **{**HOW, **how})
    assert not (tmp_path / "t.zarr").exists()


def test_a_height_error_needs_baselines_and_geometry(scene, tmp_path):
    with pytest.raises(StackError, match="there are no perpendicular baselines"):
        ia.unwrap_stack(scene[0].drop_vars("perpendicular_baseline"), tmp_path / "t.zarr", **HOW)
    bare = scene[0].drop_vars("slant_range")
    with pytest.raises(StackError, match="there is no slant_range"):
        ia.unwrap_stack(bare, tmp_path / "t.zarr", **HOW)
    far = ia.unwrap_stack(bare, tmp_path / "t.zarr", slant_range=8e5, **HOW)
    assert "height_error" in far
