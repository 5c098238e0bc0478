"""`decompose`: the truth of simulated scenes, its errors as large as it says; grids, options, laziness, refusals."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import COMPONENT_FLAGS
from insarray.model.dataset import grid_coords, grid_of
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from tests.components import GRIDS, lazily, line_of_sight, motion, track

FLAG = {name: k for k, name in enumerate(COMPONENT_FLAGS)}
COMPONENTS = ("east", "north", "up")


def normalised(found, name, truth):
    """Errors over their standard errors, where there are any."""
    error = (found[f"velocity_{name}"].values - truth) / found[f"velocity_{name}_std"].values
    return error[np.isfinite(error)]


def test_three_tracks_on_three_grids_have_the_errors_that_they_say():
    found = ia.decompose({name: track(name) for name in GRIDS}, north="free")
    truth = motion(GRIDS["ascending"])
    for name, values in zip(COMPONENTS, truth, strict=True):
        errors = normalised(found, name, values)
        assert errors.size > 15_000
        assert np.sqrt(np.square(errors).mean()) == pytest.approx(1, abs=0.03), name
        assert abs(errors.mean()) < 0.03, name
    assert found.attrs["tracks"] == "ascending descending left"
    assert found.observed_tracks.attrs["flag_meanings"] == "ascending descending left"


@pytest.mark.parametrize("north", ["zero", "gnss"])
def test_two_tracks_and_an_assumption(north):
    tracks = [track(name, north=north == "gnss") for name in ("ascending", "descending")]
    rng = np.random.default_rng(3)
    coarse = Grid(60, 60, 499_000.0, 4_101_000.0, 500.0, -500.0, "EPSG:32613")
    gnss = xr.Dataset({"velocity_north": (("y", "x"), motion(coarse)[1])}, grid_coords(coarse))
    given = gnss if north == "gnss" else None
    found = ia.decompose(tracks, north=north, gnss=given, resampling="nearest")
    truth = motion(GRIDS["ascending"])
    for name in ("east", "up"):
        errors = normalised(found, name, truth[COMPONENTS.index(name)])
        assert errors.size > 15_000
        assert np.sqrt(np.square(errors).mean()) == pytest.approx(1, abs=0.03), name
        assert abs(errors.mean()) < 0.05, name
    assert ("velocity_north" in found) == (north == "gnss")
    assert found.attrs["north"] == north
    if north == "gnss":
        uncertain = gnss.assign(velocity_north_std=(("y", "x"), np.full(coarse.shape, 0.02)))
        wider = ia.decompose(tracks, north="gnss", gnss=uncertain)
        assert (wider.velocity_up_std > found.velocity_up_std).sum() > 15_000
        biased = ia.decompose(tracks, north="gnss", gnss=gnss + rng.normal(0.05))
        assert abs(normalised(biased, "up", truth[2]).mean()) > 0.5


def test_a_north_that_is_not_zero_goes_where_the_geometry_says():
    """Two tracks that mirror each other: north moves up alone, by its share of the line of sight."""
    east, north, up = line_of_sight(38.0, -12.0, "right")
    maps = {"velocity_std": 0.001, "los_north": north, "los_up": up}
    tracks = [
        xr.Dataset(
            {k: (("y", "x"), np.full((1, 1), v)) for k, v in {**maps, "velocity": 0.01 * north, "los_east": e}.items()}
        )
        for e in (east, -east)
    ]
    found = ia.decompose(tracks, north="zero")
    np.testing.assert_allclose(found.velocity_up, 0.01 * north / up, rtol=1e-5)
    np.testing.assert_allclose(found.velocity_east, 0, atol=1e-9)


def test_one_direction_alone_says_so_and_gives_nothing():
    other = track("ascending", seed=5)
    other["los_east"], other["los_north"], other["los_up"] = (
        (("y", "x"), np.full(other.velocity.shape, value)) for value in line_of_sight(44.0, -12.0, "right")
    )
    found = ia.decompose([track("ascending"), other], north="zero")
    both = found.observed_tracks.values == 3
    assert both.sum() > 15_000
    assert (found.component_flag.values[both] == FLAG["weak_geometry"]).all()
    assert np.isnan(found.velocity_up).all()
    wide = ia.decompose([track("ascending"), other], north="zero", max_dilution=1e4)
    assert np.isfinite(wide.velocity_up.values[both]).all()
    alone = ia.decompose([track("ascending")], north="zero")
    assert (alone.component_flag.values[alone.observed_tracks.values == 1] == FLAG["too_few_tracks"]).all()
    three = ia.decompose([track("ascending"), track("descending"), other], north="free")
    assert np.isnan(three.velocity_north).all()


@pytest.mark.parametrize(("north", "weights"), [("zero", "variance"), ("free", "none")])
def test_one_direction_alone_gives_the_projection_that_is_observed(north, weights):
    """Along the mean line of sight, whatever is assumed of the north: the truth in this direction, with its error."""
    other = track("ascending", seed=5)
    other["los_east"], other["los_north"], other["los_up"] = (
        (("y", "x"), np.full(other.velocity.shape, value)) for value in line_of_sight(44.0, -12.0, "right")
    )
    grid = GRIDS["ascending"]
    along = np.einsum("ayx,ayx->yx", np.stack([other[f"los_{name}"] for name in COMPONENTS]), motion(grid))
    noise = np.random.default_rng(8).normal(size=grid.shape) * other.velocity_std
    other["velocity"] = (along + noise).where(np.isfinite(other.velocity)).astype("f4")
    found = ia.decompose([track("ascending"), other], north=north, weights=weights)
    direction = np.stack([found[f"observed_{name}"] for name in COMPONENTS])
    truth = np.einsum("ayx,ayx->yx", direction, motion(grid))
    errors = ((found.velocity_observed - truth) / found.velocity_observed_std).values
    assert np.isfinite(errors).sum() == (found.observed_tracks > 0).sum() > 20_000
    for seen in (1, 2, 3):
        assert rms_of(errors[found.observed_tracks.values == seen]) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(np.square(direction).sum(axis=0)[np.isfinite(errors)], 1, atol=1e-6)
    alone = found.observed_tracks.values == 1
    np.testing.assert_array_equal(direction[0][alone], track("ascending").los_east.values[alone])
    both = ia.decompose([track("ascending"), track("descending")], north="zero", like=track("ascending"))
    assert (np.isfinite(both.velocity_observed) == (np.isnan(both.velocity_up) & (both.observed_tracks > 0))).all()


def rms_of(values):
    return np.sqrt(np.square(values).mean())


def test_lazy_is_eager_whatever_the_blocks():
    tracks = {name: track(name) for name in GRIDS}
    eager = ia.decompose(tracks, north="free", resampling="bilinear")
    for edges in ((64, 64, 64), (50, 37, 81)):
        lazy = ia.decompose(
            {n: lazily(d, edge) for (n, d), edge in zip(tracks.items(), edges, strict=True)},
            north="free",
            resampling="bilinear",
        )
        assert all(v.chunks for v in lazy.data_vars.values())
        xr.testing.assert_identical(lazy.compute(), eager)
    mixed = ia.decompose({n: d if n == "ascending" else lazily(d) for n, d in tracks.items()}, north="free")
    xr.testing.assert_identical(mixed.compute(), ia.decompose(tracks, north="free"))


def test_the_grid_is_that_of_like():
    tracks = {name: track(name) for name in GRIDS}
    like = tracks["left"]
    found = ia.decompose(tracks, north="free", like=like.velocity)
    assert grid_of(found).mismatch(GRIDS["left"]) is None
    errors = normalised(found, "up", motion(GRIDS["left"])[2])
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(1, abs=0.03)
    assert 15_000 < errors.size < 0.7 * found.velocity_up.size  # the others do not reach so far


def test_another_projection_is_warped():
    """The same ground in degrees: a tenth of a pixel of the smooth motion is nothing beside a pixel."""
    from pyproj import Transformer

    to_degrees = Transformer.from_crs("EPSG:32613", "EPSG:4326", always_xy=True)
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:32613", always_xy=True)
    left, top = to_degrees.transform(498_000, 4_102_000)
    grid = Grid(200, 220, left, top, 0.001, -0.0008, "EPSG:4326")
    x, y = to_metres.transform(*np.meshgrid(grid.x, grid.y))
    descending = track("descending", noise=0, missing=0)
    shape = grid.shape
    los = [np.full(shape, v, "f4") for v in line_of_sight(34.0, -168.0, "right")]
    place = (x - 500_000) / 1000 + 3 * (y - 4_100_000) / 1000  # position as a velocity
    maps = {
        "velocity": place * 1e-3,
        "velocity_std": np.full(shape, 1e-3),
        **dict(zip(("los_east", "los_north", "los_up"), los, strict=True)),
    }
    degrees = xr.Dataset({k: (("y", "x"), v.astype("f4")) for k, v in maps.items()}, grid_coords(grid))
    eager, lazy = (
        ia.decompose([d, descending, descending], north="zero", like=descending, resampling="bilinear", weights="none")
        for d in (degrees, lazily(degrees, 70))
    )
    xr.testing.assert_identical(lazy.compute(), eager)
    ours = GRIDS["descending"]
    y, x = np.meshgrid(ours.y, ours.x, indexing="ij")
    from insarray.products.components.tracks import map_view, on_pixels

    there = on_pixels(map_view(degrees, "d"), ["velocity"], map_view(descending, "like"), None, "bilinear", "d")[
        "velocity"
    ]
    expected = ((x - 500_000) / 1000 + 3 * (y - 4_100_000) / 1000) * 1e-3
    inner = there.values[30:-30, 30:-30]
    np.testing.assert_allclose(inner, expected[30:-30, 30:-30], atol=3e-6)  # 1 m: a hundredth of a pixel
    near = on_pixels(map_view(degrees, "d"), ["velocity"], map_view(descending, "like"), None, "nearest", "d")[
        "velocity"
    ]
    off = np.abs(near.values[30:-30, 30:-30] - expected[30:-30, 30:-30])
    assert 1e-5 < off.max() < 2.2e-4  # half a pixel of 90 m, the steeper way and across


def test_a_crop_of_one_grid_is_matched_by_label():
    whole = {name: track(name, grid=GRIDS["ascending"]) for name in GRIDS}
    expected = ia.decompose(whole, north="free")
    parts = dict(whole)
    parts["left"] = whole["left"].isel(y=slice(None, None, -1), x=slice(3, None))
    parts["descending"] = whole["descending"].assign_coords(x=whole["descending"].x + 0.2)
    found = ia.decompose(parts, north="free", like=whole["ascending"].isel(x=slice(10, 60)))
    xr.testing.assert_equal(found, expected.isel(x=slice(10, 60)))
    shifted = ia.decompose(parts, north="free")
    assert np.isnan(shifted.velocity_up[:, :3]).all()
    xr.testing.assert_equal(shifted.isel(x=slice(3, None)), expected.isel(x=slice(3, None)))


def test_weights_and_noise():
    tracks = [track("ascending"), track("descending"), track("left")]
    weighted, plain = (ia.decompose(tracks, north="zero", weights=w) for w in ("variance", "none"))
    both = np.isfinite(weighted.velocity_up.values) & (weighted.degrees_of_freedom.values > 0)
    assert (plain.velocity_up_std.values[both] >= weighted.velocity_up_std.values[both] * 0.9999).all()
    assert (plain.velocity_up_std.values[both] > weighted.velocity_up_std.values[both] * 1.01).mean() > 0.5
    noisy = ia.decompose(tracks, north="zero", noise=[0.02, 0.0, 0.0])
    assert (noisy.velocity_up_std.values[both] > weighted.velocity_up_std.values[both]).all()
    assert noisy.attrs["component_noise"] == "0.02 0 0"
    without = [d.drop_vars("velocity_std") for d in tracks]
    nothing = ia.decompose(without, north="zero", weights="none")
    np.testing.assert_array_equal(nothing.velocity_up, plain.velocity_up)
    assert np.isnan(nothing.velocity_up_std).all()
    with pytest.raises(StackError, match="track_1: has no velocity_std"):
        ia.decompose(without, north="zero")


def test_it_runs_into_a_store_in_bounded_memory(tmp_path):
    found = ia.decompose({name: lazily(track(name)) for name in GRIDS}, north="free")
    assert ia.plan_run(found, workers=1).n_blocks == 9
    ia.run(found, tmp_path / "o.zarr", workers=1)
    stored = ia.open(tmp_path / "o.zarr")
    xr.testing.assert_equal(stored.compute()[list(found.data_vars)], found.compute())


def bad(**changes):
    return track("ascending").assign(changes)


REFUSED = {
    "no line of sight": (lambda: [track("ascending").drop_vars("los_up")], {}, "track_1: has no los_up"),
    "no velocity": (
        lambda: [track("ascending").drop_vars("velocity")],
        {},
        "track_1: has neither 'velocity' nor 'displacement'",
    ),
    "disjoint": (
        lambda: [track("ascending"), track("descending").assign_coords(x=track("descending").x + 1e5)],
        {},
        "track_2: does not overlap the grid",
    ),
    "radar coordinates": (
        lambda: [track("ascending").drop_vars("spatial_ref"), track("descending")],
        {},
        "without a CRS",
    ),
    "downward": (
        lambda: [bad(los_up=-track("ascending").los_up), track("descending")],
        {},
        "track_1: its line of sight .* points down",
    ),
    "angles": (
        lambda: [track("descending"), bad(los_east=track("ascending").los_east * 40)],
        {"like": track("ascending")},
        "track_2: its line of sight .* is no unit vector",
    ),
    "mm": (
        lambda: [bad(velocity=track("ascending").velocity.assign_attrs(units="mm/yr"))],
        {},
        "attribute units says 'mm/yr', but it must be in m/year",
    ),
    "one dataset": (lambda: track("ascending"), {}, "datasets: is one dataset"),
    "none": (list, {}, "datasets: 0 tracks"),
    "one name": (lambda: {"a b": track("ascending"), "a_b": track("ascending")}, {}, "two tracks have one name"),
    "no dataset": (lambda: ["a.zarr"], {}, "is a str, not an xarray.Dataset"),
    "north": (lambda: [track("ascending")], {"north": "south"}, "north: 'south' is not one of zero, gnss, free"),
    "no gnss": (lambda: [track("ascending")], {"north": "gnss"}, "north: needs gnss, maps of velocity_north"),
    "gnss for nothing": (lambda: [track("ascending")], {"gnss": track("ascending")}, "is 'zero', but gnss is given"),
    "gnss without north": (
        lambda: [track("ascending")],
        {"north": "gnss", "gnss": track("ascending")},
        "gnss: has no velocity_north",
    ),
    "noise": (lambda: [track("ascending")], {"noise": [1, 2]}, "noise: .* one for each of 1 tracks"),
    "negative noise": (lambda: [track("ascending")], {"noise": -1}, "noise: -1 is not one number"),
    "dilution": (lambda: [track("ascending")], {"max_dilution": 0}, "max_dilution: 0 is not a positive"),
    "weights": (lambda: [track("ascending")], {"weights": "all"}, "weights: 'all' is not one of variance, none"),
    "resampling": (lambda: [track("ascending")], {"resampling": "cubic"}, "resampling: 'cubic' is not one of"),
    "like": (lambda: [track("ascending")], {"like": "a.tif"}, "like: is a str"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    make, options, message = REFUSED[name]
    with pytest.raises(InsarrayError, match=message) as error:
        ia.decompose(make(), **{"north": "zero", **options})
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ArgumentError | StackError)


def test_the_answer_of_mintpy():
    """Its function for each pixel by itself (step=1); by default it takes one geometry for windows of 20 x 20."""
    theirs = pytest.importorskip("mintpy.asc_desc2horz_vert", exc_type=ImportError)
    tracks = [
        track(name, missing=0, grid=Grid(30, 40, 5e5, 4.1e6, 90.0, -90.0, "EPSG:32613"))
        for name in ("ascending", "descending")
    ]
    incidence = [np.degrees(np.arccos(d.los_up)) for d in tracks]
    azimuth = [np.degrees(np.arctan2(-d.los_east, d.los_north)) for d in tracks]  # from north, counterclockwise
    velocity, incidence, azimuth = (
        np.array([layer.values for layer in of]) for of in ([d.velocity for d in tracks], incidence, azimuth)
    )
    east, up = theirs.asc_desc2horz_vert(velocity, incidence, azimuth, horz_az_angle=-90.0, step=1)
    found = ia.decompose(tracks, north="zero")
    np.testing.assert_allclose(found.velocity_east, east, atol=1e-7)
    np.testing.assert_allclose(found.velocity_up, up, atol=1e-7)
