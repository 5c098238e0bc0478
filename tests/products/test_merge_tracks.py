"""`merge_tracks`: the adjustment against dense least squares, the mosaic against NumPy, stations, series, refusals."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from tests.components import PARTS, lazily, vectors
from tests.products.test_tie_to_gnss import at_stations

WHOLE = Grid(90, 120, 500_000.0, 4_100_000.0, 90.0, -90.0, "EPSG:32613")
WINDOWS = {"a": (0, 0, 60, 70), "b": (0, 50, 90, 70), "c": (40, 0, 50, 80)}
"""Row, column, height, width of frames that overlap pairwise."""

PLANES = {"a": (0.0, 0.0, 0.0), "b": (0.013, 2e-5, -1e-5), "c": (-0.021, -3e-5, 4e-5)}
"""What is wrong with each frame: offset and slopes per row and column about the middle of the whole."""


def truth():
    rows, cols = np.mgrid[: WHOLE.height, : WHOLE.width]
    return 0.01 * np.sin(rows / 20) * np.cos(cols / 30)


def frames(*, noise=0.002, planes=PLANES, seed=0, missing=0.1, sight=False):
    """Velocities of three frames with noise of known standard deviation and a wrong plane each."""
    found = {}
    for k, (name, (row, col, height, width)) in enumerate(WINDOWS.items()):
        rng = np.random.default_rng([seed, k])
        grid = WHOLE.window(row, col, height, width)
        rows, cols = np.mgrid[row : row + height, col : col + width]
        offset, down, across = planes[name]
        wrong = offset + down * (rows - (WHOLE.height - 1) / 2) + across * (cols - (WHOLE.width - 1) / 2)
        std = (noise * rng.uniform(0.5, 1.5, grid.shape)).astype("f4")
        values = truth()[row : row + height, col : col + width] + wrong + std * rng.normal(size=grid.shape)
        values[rng.random(grid.shape) < missing] = np.nan
        layers = {"velocity": values.astype("f4"), "velocity_std": std}
        if sight:
            layers |= dict(zip(PARTS, vectors("ascending", grid), strict=True))
        found[name] = xr.Dataset({key: (("y", "x"), layer) for key, layer in layers.items()}, grid_coords(grid))
    return found


def padded(frame, name):
    row, col, height, width = WINDOWS[name]
    found = np.full((2, *WHOLE.shape), np.nan)
    found[:, row : row + height, col : col + width] = frame.velocity.values, frame.velocity_std.values
    return found


def dense(tracks, terms):
    """Coefficients (track, term) of the frames after the first, by one least squares problem of all pixels."""
    rows, cols = np.mgrid[: WHOLE.height, : WHOLE.width]
    rows, cols = rows - (WHOLE.height - 1) / 2, cols - (WHOLE.width - 1) / 2
    design = np.stack([rows**a * cols**b for a, b in terms], axis=-1)
    maps = [padded(tracks[name], name)[0] for name in WINDOWS]
    blocks, values = [], []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        difference = maps[one] - maps[other]
        use = np.isfinite(difference)
        part = np.zeros((use.sum(), 3, len(terms)))
        part[:, one], part[:, other] = design[use], -design[use]
        own = np.linalg.lstsq(design[use], difference[use], rcond=None)[0]
        spread = np.sqrt(np.mean((difference[use] - design[use] @ own) ** 2))
        blocks.append(part[:, 1:].reshape(len(part), -1) / spread)
        values.append(difference[use] / spread)
    found = np.linalg.lstsq(np.concatenate(blocks), np.concatenate(values), rcond=None)[0]
    return found.reshape(2, len(terms))


TERMS = {"offset": [(0, 0)], "plane": [(0, 0), (1, 0), (0, 1)], "quadratic": [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]}  # fmt: skip


@pytest.mark.parametrize("surface", TERMS)
def test_the_adjustment_is_that_of_one_dense_problem(surface):
    tracks = frames()
    merged = ia.merge_tracks(tracks, surface=surface, robust=False)
    expected = dense(tracks, TERMS[surface])
    size = np.array([45.0**a * 60.0**b for a, b in TERMS[surface]])
    np.testing.assert_allclose(merged.track_coefficient[1:] * size, expected * size, atol=2e-7)
    assert not merged.track_coefficient[0].any()


def test_wrong_planes_are_found_within_their_errors():
    normalised = []
    for seed in range(12):
        merged = ia.merge_tracks(frames(seed=seed, noise=0.004), surface="plane")
        expected = np.array([PLANES[name] for name in WINDOWS])
        error = (merged.track_coefficient.values - expected)[1:].ravel()
        covariance = merged.track_covariance.values.reshape(9, 9)[3:, 3:]
        normalised.append(np.linalg.solve(np.linalg.cholesky(covariance), error))
    assert np.sqrt(np.mean(np.square(normalised))) == pytest.approx(1, abs=0.25)


def test_the_mosaic_is_the_weighted_mean_of_the_adjusted_frames():
    tracks = frames()
    merged = ia.merge_tracks(tracks, surface="plane")
    rows, cols = np.mgrid[: WHOLE.height, : WHOLE.width]
    total, weight = np.zeros(WHOLE.shape), np.zeros(WHOLE.shape)
    for k, name in enumerate(WINDOWS):
        values, std = padded(tracks[name], name)
        offset, down, across = merged.track_coefficient.values[k]
        values = values - offset - down * (rows - 44.5) - across * (cols - 59.5)
        known = np.isfinite(values)
        total[known] += (values / std**2)[known]
        weight[known] += (1 / std**2)[known]
        assert (((merged.observed_tracks.values >> k) & 1).astype(bool) == known).all()
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(merged.velocity, total / weight, atol=1e-8)
        np.testing.assert_allclose(merged.velocity_std, np.where(weight > 0, weight, np.nan) ** -0.5, rtol=1e-6)
    error = (merged.velocity - truth()) / merged.velocity_std
    assert float(np.sqrt((error**2).mean())) == pytest.approx(1, abs=0.05)


def test_what_the_overlaps_differ_by_is_recorded():
    merged = ia.merge_tracks(frames(noise=0.001), surface="plane")
    assert merged.overlap.values.tolist() == ["a b", "a c", "b c"]
    assert (merged.overlap_rms_before > 0.01).all()
    assert (merged.overlap_rms_after < 0.002).all()
    assert merged.overlap_pixels.values.tolist() == [
        int((np.isfinite(padded(tracks[i], i)[0]) & np.isfinite(padded(tracks[j], j)[0])).sum())
        for tracks in [frames(noise=0.001)]
        for i, j in (("a", "b"), ("a", "c"), ("b", "c"))
    ]


def test_options_change_the_result():
    tracks = frames()
    tracks["b"]["velocity"][20:32, 5:15] += 0.1  # moves in one track alone
    robust, plain = (ia.merge_tracks(tracks, surface="plane", robust=on) for on in (True, False))
    expected = np.array(PLANES["b"])
    assert abs(robust.track_coefficient[1, 0] - expected[0]) < 0.0003
    assert abs(plain.track_coefficient[1, 0] - expected[0]) > 0.0005
    equal = ia.merge_tracks(tracks, surface="plane", weights="none")
    assert float(abs(equal.velocity - robust.velocity).max()) > 1e-4
    assert ia.merge_tracks(tracks, like=tracks["b"]).velocity.shape == tracks["b"].velocity.shape
    moved = {**tracks, "b": tracks["b"].assign_coords(x=tracks["b"].x + 40)}
    smooth, nearest = (ia.merge_tracks(moved, resampling=how) for how in ("bilinear", "nearest"))
    assert float(abs(smooth.velocity - nearest.velocity).max()) > 1e-4


def test_any_blocks_and_any_order_of_rows_give_the_same_bits():
    tracks = frames()
    expected = ia.merge_tracks(tracks, surface="plane")
    for edge in (32, 50):
        lazy = ia.merge_tracks({name: lazily(of, edge) for name, of in tracks.items()}, surface="plane")
        assert lazy.velocity.chunks
        xr.testing.assert_identical(lazy.compute(), expected)
    turned = ia.merge_tracks({name: of.isel(y=slice(None, None, -1)) for name, of in tracks.items()}, surface="plane")
    np.testing.assert_allclose(turned.sortby("y", ascending=False).velocity, expected.velocity, atol=1e-7)


def test_a_scale_and_a_sign_carry_through():
    tracks = frames()
    scaled = {
        name: of.assign(velocity=-2 * of.velocity, velocity_std=2 * of.velocity_std) for name, of in tracks.items()
    }
    one, other = (ia.merge_tracks(of, surface="plane") for of in (tracks, scaled))
    np.testing.assert_allclose(other.track_coefficient, -2 * one.track_coefficient, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(other.velocity, -2 * one.velocity, atol=1e-5)


# -- stations -------------------------------------------------------------------------------------------------------


def with_stations(planes, *, outlier=False, **options):
    """Frames of still ground with wrong planes, merged with stations that stand still."""
    tracks = frames(noise=1e-5, planes=planes, missing=0, sight=True)
    for of in tracks.values():
        at = [round(float(v)) for v in ((4_100_000 - of.y[0] - 45) / 90, (of.x[0] - 500_045) / 90)]
        of["velocity"] = of.velocity - truth()[at[0] : at[0] + of.sizes["y"], at[1] : at[1] + of.sizes["x"]].astype(
            "f4"
        )
    stations = at_stations(14)
    names = [f"velocity_{axis}" for axis in ("east", "north", "up")]
    still = stations.assign({name: 0.0 * stations[name] for name in names})
    if outlier:
        still["velocity_up"][3] = 0.5
    return ia.merge_tracks(tracks, gnss=still, **options)


def test_stations_give_the_level_of_all_frames():
    planes = {name: (offset + 0.05, *slopes) for name, (offset, *slopes) in PLANES.items()}
    merged = with_stations(planes, surface="plane")
    np.testing.assert_allclose(merged.track_coefficient[:, 0], [of[0] for of in planes.values()], atol=5e-5)
    assert float(abs(merged.velocity).max()) < 2e-4
    assert merged.attrs["merge_gnss_up"] == "gnss"


def test_a_bad_station_is_left_aside_and_up_can_be_zero():
    bad = with_stations(PLANES, outlier=True, surface="offset", robust=False)
    good = with_stations(PLANES, outlier=True, surface="offset")
    assert float(abs(bad.track_coefficient[:, 0] - [of[0] for of in PLANES.values()]).max()) > 0.01
    assert float(abs(good.track_coefficient[:, 0] - [of[0] for of in PLANES.values()]).max()) < 0.005
    flat = with_stations(PLANES, outlier=True, surface="offset", robust=False, up="zero")
    assert float(abs(flat.velocity).max()) < 0.01


# -- series ---------------------------------------------------------------------------------------------------------

DAYS = np.datetime64("2020-01-03T01:00:00", "s") + np.arange(5) * np.timedelta64(12, "D")


def series(name, dates=DAYS, seconds=0, *, offsets=None):
    row, col, height, width = WINDOWS[name]
    years = ((dates - DAYS[0]) / np.timedelta64(1, "D") / 365.25)[:, None, None]
    part = truth()[row : row + height, col : col + width]
    offsets = np.zeros(len(dates)) if offsets is None else offsets
    values = (years * part + offsets[:, None, None]).astype("f4")
    coords = {**grid_coords(WHOLE.window(row, col, height, width)), "time": (dates + np.timedelta64(seconds, "s")).astype("datetime64[ns]")}  # fmt: skip
    layers = {"displacement": values, "displacement_std": np.full_like(values, 0.003)}
    found = xr.Dataset({key: (("time", "y", "x"), layer) for key, layer in layers.items()}, coords)
    return found.assign_attrs(reference_date=str(found.time.values[0])[:19])


def test_series_are_adjusted_date_by_date():
    offsets = np.array([0, 0.01, -0.02, 0.03, 0.005])
    merged = ia.merge_tracks({"a": series("a"), "b": series("b", seconds=25, offsets=offsets)})
    np.testing.assert_allclose(merged.track_coefficient.sel(track="b").squeeze(), offsets, atol=1e-6)
    years = ((DAYS - DAYS[0]) / np.timedelta64(1, "D") / 365.25)[:, None, None]
    error = merged.displacement - years * truth()[:90, :120]
    assert float(abs(error).max()) < 1e-6
    assert merged.displacement_std.isel(time=1, y=0, x=60).item() == pytest.approx(0.003 / np.sqrt(2))
    assert ia.fit(merged, min_dates=3, min_redundancy=1).velocity.shape == WHOLE.shape


def test_days_that_not_all_have_are_left_out_and_a_date_without_overlap_has_one_frame():
    first, second = series("a"), series("b", DAYS[[0, 1, 3, 4]])
    second["displacement"][2] = np.nan
    merged = ia.merge_tracks([first, second])
    assert merged.time.dt.strftime("%Y%m%d").values.tolist() == ["20200103", "20200115", "20200208", "20200220"]
    alone = merged.isel(time=2)
    assert np.isnan(alone.track_coefficient[1]).all()
    assert np.isfinite(alone.displacement[:60, :70]).all()
    assert np.isnan(alone.displacement[:, 70:]).all()


def test_stored_and_by_dask_it_is_the_same(tmp_path):
    tracks = {name: lazily(of, 40) for name, of in frames().items()}
    expected = ia.merge_tracks(frames())
    ia.run(ia.merge_tracks(tracks), tmp_path / "merged.zarr")
    stored = ia.open(tmp_path / "merged.zarr")
    np.testing.assert_array_equal(stored.velocity, expected.velocity)
    assert stored.track.values.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(stored.track_coefficient, expected.track_coefficient)


def far():
    found = frames()["b"]
    return found.assign_coords(x=found.x + 1e6)


REFUSED = {
    "one": (lambda: [frames()["a"]], {}, ArgumentError, "datasets: is one track"),
    "surface": (lambda: frames(), {"surface": "cubic"}, ArgumentError, "surface: 'cubic' is not one of"),
    "up": (lambda: frames(), {"up": "mine"}, ArgumentError, "up: 'mine' is not one of"),
    "weights": (lambda: frames(), {"weights": "mine"}, ArgumentError, "weights: 'mine' is not one of"),
    "resampling": (lambda: frames(), {"resampling": "mine"}, ArgumentError, "resampling: 'mine' is not one of"),
    "quantity": (lambda: frames(), {"quantity": "mine"}, ArgumentError, "quantity: 'mine' is not one of"),
    "no displacement": (lambda: frames(), {"quantity": "displacement"}, StackError, "a: has no variable 'displacement'"),
    "apart": (lambda: {"a": frames()["a"], "b": far()}, {}, StackError, "b: has no pixel in common"),
    "no std": (lambda: {n: d.drop_vars("velocity_std") for n, d in frames().items()}, {}, StackError, "a: has no velocity_std"),
    "dates": (lambda: [series("a"), series("b", DAYS + np.timedelta64(6, "D"))], {}, StackError, "its reference date is 20200109"),
    "no sight": (lambda: frames(), {"gnss": at_stations(5)}, StackError, "a: has no los_east"),
    "radar": (lambda: {n: d.drop_vars("spatial_ref") for n, d in frames().items()}, {}, StackError, "radar coordinates"),
    "like": (lambda: frames(), {"like": "grid"}, ArgumentError, "like: is a str, not a dataset"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_input_is_one_line(name):
    tracks, options, error, message = REFUSED[name]
    with pytest.raises(error, match=message) as found:
        ia.merge_tracks(tracks(), **options)
    assert isinstance(found.value, InsarrayError)
    assert "\n" not in str(found.value)


def test_another_geometry_is_refused():
    tracks = frames(sight=True)
    grid = WHOLE.window(*WINDOWS["b"])
    tracks["b"] = tracks["b"].assign(
        {name: (("y", "x"), of) for name, of in zip(PARTS, vectors("descending", grid), strict=True)}
    )
    with pytest.raises(StackError, match=r"use insarray\.decompose"):
        ia.merge_tracks(tracks)
