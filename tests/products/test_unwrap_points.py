"""Refinement and unwrapping of points: congruent, right where the truth is known, each option on."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import VARIABLES
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.model.grid import Grid
from insarray.products.points.unwrapping import _explains
from tests.points import GEOMETRY, scene, wrap

pytest.importorskip("ortools")

SCENE = {"moving": 0.04, "tall": 40.0, "atmosphere": 0.6, "share": 0.25, "noise": 0.4}
HEIGHT = {"height_error": (-90.0, 90.0)}


@pytest.fixture(scope="module")
def points():
    return ia.select_points(scene(**SCENE).wrapped, min_temporal_coherence=0.5)


@pytest.fixture(scope="module")
def links(points):
    return ia.estimate_links(points, velocity=(-0.06, 0.06), **HEIGHT, network="delaunay", **GEOMETRY)


@pytest.fixture(scope="module")
def model(points, links):
    return ia.integrate_links(links, points, **GEOMETRY)


@pytest.fixture(scope="module")
def refined(points, model):
    return ia.refine_points(points, model, **HEIGHT, **GEOMETRY)


def rough(unwrapped, points):
    """Share of samples that are off the truth of velocity and height by more than noise and atmosphere explain."""
    simulated = scene(**SCENE)
    velocity, height = simulated.of(points)
    years = (points.time.values - points.time.values[0]) / np.timedelta64(1, "D") / 365.25
    factor = points.perpendicular_baseline.values / (850e3 * np.sin(np.deg2rad(35.0)))
    truth = -4 * np.pi / 0.031 * (years[:, None] * velocity + factor[:, None] * height)
    rest = unwrapped.unwrapped_phase.values - truth
    rest -= np.nanmedian(rest, axis=1, keepdims=True)
    return float(np.nanmean(np.abs(rest) > 5.0))


def test_the_model_makes_the_difference(points, model, refined):
    plain = rough(ia.unwrap_points(points), points)
    guided = rough(ia.unwrap_points(points, refined, **GEOMETRY), points)
    assert plain > 0.1
    assert guided < 0.02
    assert rough(ia.unwrap_points(points, model, **GEOMETRY), points) < plain / 4


def test_congruent_with_the_wrapped_phase_and_relative_to_the_reference(points, refined):
    found = ia.unwrap_points(points, refined, reference=50, **GEOMETRY)
    phase = found.unwrapped_phase
    assert phase.dims == ("time", "point")
    assert phase.dtype == np.float32
    assert phase.attrs["units"] == VARIABLES["unwrapped_phase"].units
    assert not phase[:, 50].any()
    given = points.wrapped_phase.values
    np.testing.assert_allclose(wrap(phase.values - (given - given[:, [50]])), 0, atol=2e-5)
    assert not phase[0].any()
    assert found.attrs["reference_point"] == 50
    assert found.attrs["unwrapping_guide"] == "model"
    row, col = int(points.row[50]), int(points.col[50])
    xr.testing.assert_identical(ia.unwrap_points(points, refined, reference=(row, col), **GEOMETRY), found)


def test_the_reference_is_that_of_the_model_or_the_most_coherent(points, links, refined):
    best = int(np.argmax(refined.point_coherence.values))
    assert ia.unwrap_points(points, refined, **GEOMETRY).attrs["reference_point"] == best
    tied = ia.integrate_links(links, points, reference=7, **GEOMETRY)
    assert ia.unwrap_points(points, tied, **GEOMETRY).attrs["reference_point"] == 7
    assert ia.unwrap_points(points).attrs["reference_point"] == 0


def test_a_point_that_lacks_an_epoch_is_nan_and_the_others_are_not(points, refined):
    phase = points.wrapped_phase.copy()
    phase[3, 10] = np.nan
    found = ia.unwrap_points(points.assign(wrapped_phase=phase), refined, reference=50, **GEOMETRY)
    whole = ia.unwrap_points(points, refined, reference=50, **GEOMETRY)
    assert np.isnan(found.unwrapped_phase[:, 10]).all()
    others = np.arange(points.sizes["point"]) != 10
    assert np.isfinite(found.unwrapped_phase[:, others]).all()
    same = np.abs(found.unwrapped_phase - whole.unwrapped_phase)[:, others] < 1e-4
    assert same.mean() > 0.999
    with pytest.raises(StackError, match="point 10 lacks an epoch"):
        ia.unwrap_points(points.assign(wrapped_phase=phase), refined, reference=10, **GEOMETRY)


def test_points_without_a_model_are_unwrapped_without_a_guide(points, refined):
    holes = refined.where(refined.point % 50 != 3).assign_attrs(refined.attrs)
    found = ia.unwrap_points(points, holes, reference=50, **GEOMETRY)
    assert np.isfinite(found.unwrapped_phase).all()
    assert rough(found, points) < 0.05
    nothing = refined.where(refined.point < 0).drop_vars("point_coherence")
    blind = ia.unwrap_points(points, nothing, reference=0, **GEOMETRY)
    np.testing.assert_array_equal(blind.unwrapped_phase, ia.unwrap_points(points, reference=0).unwrapped_phase)


def test_links_guide_where_they_pass_the_gate(points, links, refined):
    guided = ia.unwrap_points(points, links=links, reference=50, **GEOMETRY)
    assert guided.attrs["unwrapping_guide"] == "links"
    assert guided.attrs["unwrapping_max_false_alarm"] == 1e-3
    assert rough(guided, points) < 0.03
    closed = ia.unwrap_points(points, links=links, max_false_alarm=0.0, reference=50, **GEOMETRY)
    np.testing.assert_array_equal(closed.unwrapped_phase, ia.unwrap_points(points, reference=50).unwrapped_phase)
    far = ia.unwrap_points(points, links=links, min_margin=1.0, reference=50, **GEOMETRY)
    np.testing.assert_array_equal(far.unwrapped_phase, closed.unwrapped_phase)
    # links that do not pass leave their side to the model
    both = ia.unwrap_points(points, refined, links=links, min_margin=1.0, reference=50, **GEOMETRY)
    alone = ia.unwrap_points(points, refined, reference=50, **GEOMETRY)
    np.testing.assert_array_equal(both.unwrapped_phase, alone.unwrapped_phase)
    # and those that pass take it: here with a wrong model
    wrong = refined.assign(velocity=refined.velocity * 0, height_error=refined.height_error * 0)
    assert rough(ia.unwrap_points(points, wrong, links=links, **GEOMETRY), points) < 0.03


def test_lazy_points_give_the_same(points, refined):
    found = ia.unwrap_points(points.chunk(point=100), refined, **GEOMETRY)
    xr.testing.assert_identical(found, ia.unwrap_points(points, refined, **GEOMETRY))


def test_epochs_and_arcs_at_a_time_do_not_matter(points, refined, monkeypatch):
    whole = ia.unwrap_points(points, refined, **GEOMETRY)
    monkeypatch.setattr("insarray.products.points.unwrapping._SAMPLES", 4000)
    monkeypatch.setattr("insarray.products.points.unwrapping._ARCS", 100)
    xr.testing.assert_identical(ia.unwrap_points(points, refined, **GEOMETRY), whole)


def test_a_model_of_the_velocity_alone():
    flat = scene(moving=0.04, tall=0.0, share=0.25)
    points = ia.select_points(flat.wrapped, min_temporal_coherence=0.5).drop_vars("perpendicular_baseline")
    model = ia.integrate_links(ia.estimate_links(points), points)
    refined = ia.refine_points(points, model)
    assert "height_error" not in refined
    error = refined.velocity.values - flat.of(points)[0]
    assert np.std(error) < 0.002
    assert np.isfinite(ia.unwrap_points(points, refined).unwrapped_phase).all()


# -- refinement ----------------------------------------------------------------------------------------------------


def worst(found, points):
    """Share of points whose velocity is off by more than 5 mm/year."""
    error = found.velocity.values - scene(**SCENE).of(points)[0]
    return np.mean(np.abs(error - np.median(error)) > 0.005)


def test_wrong_points_find_back(points, refined):
    velocity = refined.velocity.copy()
    velocity[::40] += 0.04
    spoilt = refined.assign(velocity=velocity)
    assert worst(spoilt, points) > 0.024
    wide = ia.refine_points(points, spoilt, velocity=(-0.01, 0.01), **HEIGHT, **GEOMETRY)
    assert worst(wide, points) < worst(refined, points) + 0.005
    once = ia.refine_points(points, spoilt, velocity=(-0.01, 0.01), iterations=1, **HEIGHT, **GEOMETRY)
    assert not np.allclose(once.velocity, wide.velocity, atol=1e-6)


def test_ranges_and_neighbours_of_the_refinement_count(points, model, refined):
    low = ia.refine_points(points, model, height_error=(-5.0, 5.0), **GEOMETRY)
    assert np.abs(low.height_error).max() <= 5
    still = ia.refine_points(points, model, velocity=(-1e-3, 1e-3), **HEIGHT, **GEOMETRY)
    assert float(still.velocity.std()) < float(refined.velocity.std())
    few = ia.refine_points(points, model, neighbours=4, **HEIGHT, **GEOMETRY)
    assert not np.allclose(few.velocity, refined.velocity, atol=1e-5)
    assert refined.attrs["refined_neighbours"] == 30
    xr.testing.assert_identical(refined.component, model.component)


def test_weights_of_the_refinement_leave_a_bad_epoch_out(points, model, refined):
    bad = points.wrapped_phase.copy()
    bad[20] = wrap(bad[20] + np.random.default_rng(0).uniform(-3, 3, bad.shape[1]))
    weights = xr.DataArray(np.where(np.arange(30) == 20, 1e-6, 1.0), dims="time")
    spoilt = points.assign(wrapped_phase=bad)
    without, with_weights = (ia.refine_points(spoilt, model, weights=w, **HEIGHT, **GEOMETRY) for w in (None, weights))
    away = [float(np.abs(found.velocity - refined.velocity).median()) for found in (without, with_weights)]
    assert away[1] < 0.5 * away[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height_error": None}, "height_error: the model has one"),
        ({"neighbours": 0}, "neighbours"),
        ({"iterations": 0}, "iterations"),
        ({"velocity": (1, -1)}, "velocity_range"),
    ],
)
def test_bad_options_of_the_refinement(points, model, change, message):
    with pytest.raises(ArgumentError, match=message):
        ia.refine_points(points, model, **{**HEIGHT, **GEOMETRY, **change})


def test_what_does_not_belong_together_is_refused(points, model, links):
    few = points.isel(point=slice(50))
    with pytest.raises(StackError, match="model: is of 50 points, which are not, or not all of, the"):
        ia.refine_points(points, model.isel(point=slice(50)), **HEIGHT, **GEOMETRY)
    with pytest.raises(StackError, match="velocity"):
        ia.refine_points(points, links, **HEIGHT, **GEOMETRY)
    with pytest.raises(ArgumentError, match="the model has none"):
        ia.refine_points(points, model.drop_vars("height_error"), **HEIGHT, **GEOMETRY)
    for wrong in ({"links": links}, {"links": links.drop_vars("velocity_difference")}):
        with pytest.raises(StackError):
            ia.unwrap_points(few, **wrong, **GEOMETRY)
    for gate in ({"max_false_alarm": 2.0}, {"min_margin": -1.0}):
        with pytest.raises(ArgumentError, match=next(iter(gate))):
            ia.unwrap_points(points, links=links, **gate, **GEOMETRY)
    with pytest.raises(ReferencePointError):
        ia.unwrap_points(points, model, reference=(-3, 0), **GEOMETRY)
    empty = points.assign(wrapped_phase=points.wrapped_phase.where(points.time > points.time[0]))
    with pytest.raises(StackError, match="none has a phase in every epoch"):
        ia.unwrap_points(empty, model, **GEOMETRY)


def test_a_wrong_model_is_left_aside_arc_by_arc(points, refined):
    """Each arc takes what agrees better with its phases: the model, or no motion at all."""
    wrong = refined.assign(velocity=refined.velocity * -3.0, height_error=refined.height_error * -3.0)
    bare, misled = (rough(ia.unwrap_points(points, m, reference=50, **GEOMETRY), points) for m in (None, wrong))
    assert misled < 1.3 * bare
    left = refined.velocity.x < refined.velocity.x.median()
    half = refined.assign(velocity=refined.velocity.where(left, refined.velocity * -3.0))
    assert rough(ia.unwrap_points(points, half, reference=50, **GEOMETRY), points) < 0.7 * bare


@pytest.mark.parametrize(("epochs", "guides"), [(4, False), (8, False), (12, False), (20, True), (60, True)])
def test_a_model_of_few_epochs_must_explain_more_than_its_parameters(epochs, guides):
    """Coherence 0.87 against 0.8 is what two parameters gain from the noise of 12 epochs, but not from that of 20."""
    assert _explains(np.array([0.87]), np.array([0.8]), epochs).item() == guides
    assert not _explains(np.array([0.8]), np.array([0.81]), epochs)


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_a_step_is_unwrapped_whatever_the_size_of_a_pixel(size):
    """Subsidence and the slip of a fault, which no velocity explains, without noise."""
    y, x = np.ogrid[-3:3:64j, -3:3:64j]
    bowl, disc = -np.exp(-(x**2 + y**2) / 5), x**2 + y**2
    truth = (np.pi * np.arange(20))[:, None, None] * (bowl - bowl.max())
    truth[10:] += 20 * (1 - np.arctan2((x + y) / np.sqrt(2), 0.5)) * (1 - disc / disc.max())
    truth = (truth - truth[0]).reshape(20, -1)
    row, col = (places.ravel() for places in np.mgrid[:64, :64])
    coords = {
        "time": np.datetime64("2020-01-01", "ns") + 12 * np.arange(20).astype("timedelta64[D]"),
        "x": ("point", 5e5 + size * col),
        "y": ("point", 4e6 - size * row),
    }
    phase = {"wrapped_phase": (("time", "point"), wrap(truth).astype(np.float32))}
    points = xr.Dataset(phase, coords, {"wavelength": 0.0555})
    links = ia.estimate_links(points, velocity=(-0.5, 0.5))
    model = ia.refine_points(points, ia.integrate_links(links, points))
    turns = (ia.unwrap_points(points, model, reference=0).unwrapped_phase.values - truth + truth[:, :1]) / (2 * np.pi)
    assert not np.rint(turns).any()


def test_links_of_the_velocity_alone_need_no_baselines(points):
    bare = points.drop_vars("perpendicular_baseline")
    links = ia.estimate_links(bare, velocity=(-0.06, 0.06), network="delaunay")
    found = ia.unwrap_points(bare, links=links)
    assert found.attrs["unwrapping_guide"] == "links"
    assert np.isfinite(found.unwrapped_phase).all()


def test_height_errors_that_no_neighbour_has_need_clear_phases():
    """Points of much noise get those of their neighbours; a tall point of little noise keeps its own."""
    rng = np.random.default_rng(1)
    flat = scene(
        epochs=20, noise=0.3, tall=0.0, moving=0.0, share=1.0, grid=Grid(20, 20, 5e5, 4.1e6, 30, -30, "EPSG:32613")
    )
    wrapped = flat.wrapped
    factor = wrapped.perpendicular_baseline / (850e3 * np.sin(np.deg2rad(35.0)))
    phase = wrapped.wrapped_phase.values.astype(np.float64)
    bad = rng.choice(400, 60, replace=False)
    phase.reshape(20, 400)[1:, bad] += rng.normal(0, 1.0, (19, 60))
    tall = int(np.setdiff1d(np.arange(400), bad)[170])
    phase.reshape(20, 400)[:, tall] += -4 * np.pi / 0.031 * factor.values * 60.0
    changed = wrapped.assign(wrapped_phase=(("time", "y", "x"), wrap(phase).astype(np.float32)))
    points = ia.select_points(changed, min_temporal_coherence=0.5)
    links = ia.estimate_links(points, **HEIGHT, neighbours=4, **GEOMETRY)
    model = ia.integrate_links(links, points, **GEOMETRY)
    height = ia.refine_points(points, model, **HEIGHT, **GEOMETRY).height_error.values
    height -= np.median(height)
    assert height[tall] == pytest.approx(60, abs=4)
    assert np.abs(height[bad]).max() < 20
