"""Links and their integration: signs from first principles, every option, lazy and chunked the same, honest errors."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.links.arcs import nearest
from insarray.model.conventions import LINK_FLAGS, VARIABLES
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.products.points.selection import positions
from tests.points import BOX, GEOMETRY, INCIDENCE, SLANT_RANGE, WAVELENGTH, scene, wrap


@pytest.fixture(scope="module")
def points():
    return ia.select_points(scene().wrapped, min_temporal_coherence=0.5)


@pytest.fixture(scope="module")
def links(points):
    return ia.estimate_links(points, **BOX, **GEOMETRY)


def differences(truth, links):
    return truth[links.point_b.values] - truth[links.point_a.values]


# -- signs and units -----------------------------------------------------------------------------------------------


def scatterers(velocity, height):
    """Points whose phases are 4 pi / wavelength times ranges from satellites in space, less those to the DEM.

    The plane of range: ground range to the right, away from the satellite, and up. The perpendicular baseline is counted
    across the line of sight, up and away, which is where a scatterer goes that rises at constant range.
    """
    rng = np.random.default_rng(3)
    angle = np.deg2rad(INCIDENCE)
    to_satellite, across = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    days = 11 * np.arange(25)
    baseline = np.concatenate([[0.0], rng.normal(0, 120, 24)])
    satellite = SLANT_RANGE * to_satellite + baseline[:, None] * across
    phase = np.empty((25, velocity.size))
    for k, (v, h) in enumerate(zip(velocity, height, strict=True)):
        # where a scatterer of this height is that the DEM has at the origin: at the same range in the first epoch
        ground = h / np.tan(angle)
        for _ in range(50):
            ground -= (np.hypot(*(satellite[0] - [ground, h])) - SLANT_RANGE) / np.sin(angle)
        place = np.array([ground, h]) + (v * days / 365.25)[:, None] * to_satellite
        ranges, of_dem = np.hypot(*(satellite - place).T), np.hypot(*satellite.T)
        phase[:, k] = 4 * np.pi / WAVELENGTH * (ranges - of_dem)
    x = np.arange(velocity.size) * 40.0
    return xr.Dataset(
        {"wrapped_phase": (("time", "point"), wrap(phase - phase[0]).astype(np.float32))},
        {
            "time": np.datetime64("2021-01-01", "ns") + days.astype("timedelta64[D]"),
            "perpendicular_baseline": ("time", baseline),
            "x": ("point", x),
            "y": ("point", x**2 / 1e3),
        },
        {"wavelength": WAVELENGTH},
    )


def test_velocity_is_positive_toward_the_satellite_and_height_upwards():
    velocity, height = np.array([0.0, 0.02, -0.015, 0.0, 0.01]), np.array([0.0, 0.0, 0.0, 15.0, -8.0])
    links = ia.estimate_links(scatterers(velocity, height), network="delaunay", **BOX, **GEOMETRY)
    np.testing.assert_allclose(links.velocity_difference, differences(velocity, links), atol=2e-5)
    np.testing.assert_allclose(links.height_error_difference, differences(height, links), atol=0.05)
    points = ia.integrate_links(links, scatterers(velocity, height), reference=0, **GEOMETRY)
    np.testing.assert_allclose(points.velocity, velocity, atol=2e-5)
    np.testing.assert_allclose(points.height_error, height, atol=0.05)


def test_names_units_and_types_are_those_of_the_data_model(links):
    assert set(links.data_vars) == {name for name, variable in VARIABLES.items() if variable.dims == ("link",)}
    for name, variable in links.data_vars.items():
        assert variable.dtype == VARIABLES[name].dtype, name
        assert variable.attrs["units"] == VARIABLES[name].units, name
    assert (links.point_a < links.point_b).all()


def test_links_scatter_about_the_truth_as_their_standard_errors_say(links, points):
    for name, truth in zip(("velocity", "height_error"), scene().of(points), strict=True):
        error = links[f"{name}_difference"].values - differences(truth, links)
        ratio = error / links[f"{name}_difference_std"].values
        assert 0.9 < 1.4826 * np.median(np.abs(ratio)) < 1.15
    assert float(links.false_alarm.median()) < 1e-6
    assert (links.link_coherence > links.second_coherence).all()


# -- options of estimate_links -------------------------------------------------------------------------------------


def test_velocity_alone_needs_no_baselines(points):
    flat = ia.select_points(scene(tall=0.0).wrapped, min_temporal_coherence=0.5).drop_vars("perpendicular_baseline")
    found = ia.estimate_links(flat)
    assert np.isnan(found.height_error_difference).all()
    truth = scene(tall=0.0).of(flat)[0]
    assert np.abs(found.velocity_difference - differences(truth, found)).median() < 1e-3
    with pytest.raises(StackError, match="no perpendicular baselines"):
        ia.estimate_links(flat, height_error=(-10, 10), **GEOMETRY)


def test_baselines_that_are_all_alike_are_flagged(points):
    same = xr.zeros_like(points.perpendicular_baseline) + 12.0
    found = ia.estimate_links(points, **BOX, baselines=same, **GEOMETRY)
    bit = 1 << LINK_FLAGS.index("height_error_undetermined")
    assert ((found.link_flag & bit) > 0).all()
    assert np.isnan(found.height_error_difference).all()
    assert np.isfinite(found.velocity_difference).all()
    model = ia.integrate_links(found, points)
    assert "height_error" not in model
    assert np.isfinite(model.velocity).all()


def test_ranges_bound_the_differences_and_say_so(points, links):
    narrow = ia.estimate_links(points, velocity=(-0.004, 0.002), height_error=(-3, 5), **GEOMETRY)
    v, h = narrow.velocity_difference, narrow.height_error_difference
    assert (v.min(), v.max()) == (np.float32(-0.004), np.float32(0.002))
    assert (h.min(), h.max()) == (-3, 5)
    assert ((narrow.link_flag.values & 1) > 0).sum() == ((v == v.min()) | (v == v.max())).sum()


def test_networks(points):
    counts = {}
    for name in ("delaunay", "nearest", "both"):
        counts[name] = ia.estimate_links(points, network=name, neighbours=6).sizes["link"]
    assert counts["both"] > max(counts["delaunay"], counts["nearest"])
    assert ia.estimate_links(points, network="nearest", neighbours=9).sizes["link"] > counts["nearest"]
    assert ia.estimate_links(points, network="delaunay", neighbours=9).sizes["link"] == counts["delaunay"]
    short = ia.estimate_links(points, max_length=45.0)
    x, y = positions(points)
    assert np.hypot(differences(x, short), differences(y, short)).max() <= 45.0


def test_weights_leave_a_bad_epoch_out(points, links):
    bad = points.wrapped_phase.copy()
    bad[7] = wrap(bad[7] + np.random.default_rng(0).uniform(-3, 3, bad.shape[1]))
    weights = xr.DataArray(np.ones(30), dims="time")
    weights[7] = 0.0
    found = ia.estimate_links(points.assign(wrapped_phase=bad), **BOX, **GEOMETRY, weights=weights)
    gone = points.isel(time=np.arange(30) != 7)
    expected = ia.estimate_links(gone, **BOX, **GEOMETRY)
    np.testing.assert_allclose(found.velocity_difference, expected.velocity_difference, atol=1e-6)
    assert not np.allclose(found.velocity_difference, links.velocity_difference, atol=1e-5)


def test_a_missing_epoch_does_not_count(points):
    phase = points.wrapped_phase.copy()
    phase[7] = np.nan
    found = ia.estimate_links(points.assign(wrapped_phase=phase), **BOX, **GEOMETRY)
    expected = ia.estimate_links(points.isel(time=np.arange(30) != 7), **BOX, **GEOMETRY)
    np.testing.assert_allclose(found.velocity_difference, expected.velocity_difference, atol=1e-6)


def test_a_prior_draws_to_zero(points, links):
    found = ia.estimate_links(points, **BOX, **GEOMETRY, prior=(1e-4, np.inf))
    assert np.abs(found.velocity_difference).mean() < 0.5 * np.abs(links.velocity_difference).mean()
    assert (found.velocity_difference_std <= 1e-4).all()


@pytest.mark.parametrize("name", ["slant_range", "incidence_angle", "baselines"])
def test_a_link_has_the_mean_geometry_of_its_ends(points, links, name):
    rng = np.random.default_rng(0)
    size = points.sizes["point"]
    base, spread = {"slant_range": (850e3, 4e4), "incidence_angle": (35.0, 3.0), "baselines": (1.0, 0.1)}[name]
    own = xr.DataArray(base + spread * rng.uniform(-1, 1, size), dims="point")
    given = points.perpendicular_baseline * own if name == "baselines" else own
    given = given.transpose("time", "point") if name == "baselines" else given
    found = ia.estimate_links(points, **BOX, **{**GEOMETRY, name: given})
    mean = (own.values[links.point_a.values] + own.values[links.point_b.values]) / 2
    ratio = {
        "slant_range": mean / 850e3,
        "incidence_angle": np.sin(np.deg2rad(mean)) / np.sin(np.deg2rad(35.0)),
        "baselines": 1 / mean,
    }[name]
    inside = np.abs(links.height_error_difference.values) < 40
    expected = links.height_error_difference.values * ratio
    np.testing.assert_allclose(found.height_error_difference.values[inside], expected[inside], rtol=1e-3, atol=1e-3)
    # what the dataset has is what is used when nothing is given
    if name == "baselines":
        stored = points.drop_vars("perpendicular_baseline").assign(perpendicular_baseline=given)
    else:
        stored = points.assign_coords({name: given})
    rest = {key: value for key, value in GEOMETRY.items() if key != name}
    xr.testing.assert_equal(ia.estimate_links(stored, **BOX, **rest), found)


@pytest.mark.parametrize("chunk", [100, 1237, 10**6])
def test_any_chunks_give_the_same_bits(points, links, chunk):
    xr.testing.assert_identical(ia.estimate_links(points, **BOX, **GEOMETRY, chunk=chunk), links)


@pytest.mark.parametrize("chunks", [{"point": 100}, {"time": 7}])
def test_lazy_points_give_lazy_links_of_the_same_bits(points, links, chunks):
    lazy = ia.estimate_links(points.chunk(chunks), **BOX, **GEOMETRY, chunk=1000)
    assert lazy.velocity_difference.chunks is not None
    assert len(lazy.velocity_difference.chunks[0]) == -(-links.sizes["link"] // 1000)
    xr.testing.assert_identical(lazy.compute(), links)


def test_the_graph_holds_no_link_and_grows_with_the_chunks(points):
    lazy = ia.estimate_links(points.chunk(point=400), **BOX, **GEOMETRY, chunk=500)
    graph = lazy.velocity_difference.data.dask
    chunks = lazy.velocity_difference.data.npartitions
    assert len(graph) < (1 + len(lazy.data_vars)) * chunks + 20
    tasks = [task for layer in graph.layers.values() for task in layer.values()]
    held = [t for t in tasks if isinstance(t, tuple) and any(isinstance(v, np.ndarray) and v.size > 9 for v in t)]
    assert not held


def test_the_published_method(points, links):
    """Its own grid, in steps that are asked for; for the velocity several times less precise."""
    found = ia.estimate_links(points, **BOX, **GEOMETRY, method="published")
    assert set(found.data_vars) == {"velocity_difference", "height_error_difference", "link_coherence"}
    velocity, height = scene().of(points)
    error = np.abs(found.velocity_difference - differences(velocity, found)).median()
    ours = np.abs(links.velocity_difference - differences(velocity, links)).median()
    assert error > 3 * ours
    assert np.abs(found.height_error_difference - differences(height, found)).median() < 1.5
    coarse = ia.estimate_links(points, **BOX, **GEOMETRY, method="published", step=(0.02, 10.0))
    assert not np.allclose(coarse.velocity_difference, found.velocity_difference, atol=1e-4)
    model = ia.integrate_links(found, points, weighting="coherence", robust=False, **GEOMETRY)
    plain = ia.integrate_links(found, points, weighting="none", robust=False, **GEOMETRY)
    assert not np.allclose(model.velocity, plain.velocity, atol=1e-6)
    for options, message in (({}, "published method"), ({"weighting": "coherence"}, "robust: needs")):
        with pytest.raises((StackError, ArgumentError), match=message):
            ia.integrate_links(found, points, **options, **GEOMETRY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "tree"}, "network: 'tree' is not one of delaunay, nearest, both"),
        ({"method": "other"}, "method: 'other'"),
        ({"neighbours": 0}, "neighbours"),
        ({"velocity": (0.1, -0.1)}, "velocity_range"),
        ({"height_error": (5, 5)}, "height_range"),
        ({"prior": (0.0, 1.0)}, "prior"),
        ({"max_length": 1.0}, "max_length"),
        ({"chunk": 0}, "chunk"),
        ({"step": (0.1, 1.0)}, "step: belongs to"),
        ({"method": "published", "step": (0.0, 1.0)}, "step"),
        ({"method": "published", "height_error": None}, "published"),
        ({"slant_range": 850.0}, "slant_range"),
        ({"incidence_angle": 95.0}, "incidence_angle"),
        ({"weights": xr.DataArray(np.ones(3), dims="time")}, "weights"),
        ({"weights": xr.DataArray(-np.ones(30), dims="time")}, "weights"),
        ({"baselines": xr.DataArray(np.ones(3), dims="time")}, "baselines"),
    ],
)
def test_bad_options(points, options, message):
    with pytest.raises(ArgumentError, match=message):
        ia.estimate_links(points, **{**BOX, **GEOMETRY, **options})


def test_points_that_lack_something(points):
    for lacking, message in (
        (points.drop_vars("wrapped_phase"), "wrapped_phase"),
        (points.drop_vars("x"), "coordinate 'x'"),
        (points.drop_attrs(), "wavelength"),
        (points.assign_coords(perpendicular_baseline=points.perpendicular_baseline * np.nan), "NaN"),
    ):
        with pytest.raises(StackError, match=message):
            ia.estimate_links(lacking, **BOX, **GEOMETRY)
    with pytest.raises(StackError, match="no slant_range"):
        ia.estimate_links(points, **BOX)
    phase = points.wrapped_phase.copy()
    phase[3, 5] = np.nan
    with pytest.raises(StackError, match="phases of all epochs"):
        ia.estimate_links(points.assign(wrapped_phase=phase), **BOX, **GEOMETRY, method="published")


# -- integration ---------------------------------------------------------------------------------------------------


def errors_in_standard_errors(found, truth, points, *, local):
    """Robust spread of the errors in standard errors, of all or less those of the neighbours."""
    around = nearest(*positions(points), 16)
    here, there = np.concatenate(around), np.concatenate(around[::-1])
    spread = []
    for name, value in zip(("velocity", "height_error"), truth, strict=True):
        error = found[name].values - value
        error -= np.median(error)
        if local:
            error = error - np.bincount(here, error[there]) / np.bincount(here)
        spread.append(1.4826 * np.median(np.abs(error / found[f"{name}_std"].values)))
    return np.array(spread)


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("refined", [False, True])
def test_standard_errors_of_points_are_those_of_the_scatter(noise, refined):
    simulated = scene(noise=noise)
    points = ia.select_points(simulated.wrapped, min_temporal_coherence=0.5)
    found = ia.integrate_links(ia.estimate_links(points, **BOX, **GEOMETRY), points, **GEOMETRY)
    if refined:
        found = ia.refine_points(points, found, height_error=(-60, 60), **GEOMETRY)
    spread = errors_in_standard_errors(found, simulated.of(points), points, local=False)
    assert ((spread > 0.85) & (spread < 1.15)).all()


def test_standard_errors_are_relative_to_the_surroundings():
    """Atmosphere moves the velocities of a region alike, which is not in the standard errors; they still hold locally."""
    simulated = scene(atmosphere=1.0)
    points = ia.select_points(simulated.wrapped, min_temporal_coherence=0.5)
    found = ia.integrate_links(ia.estimate_links(points, **BOX, **GEOMETRY), points, **GEOMETRY)
    spread = errors_in_standard_errors(found, simulated.of(points), points, local=True)
    assert ((spread > 0.85) & (spread < 1.15)).all()
    assert errors_in_standard_errors(found, simulated.of(points), points, local=False)[0] > 2


def test_names_of_points_are_those_of_the_data_model(links, points):
    found = ia.integrate_links(links, points, **GEOMETRY)
    assert set(found.data_vars) == {
        *("velocity", "velocity_std", "height_error", "height_error_std"),
        *("component", "point_coherence", "link_model_coherence"),
    }
    for name, variable in found.data_vars.items():
        assert variable.dtype == VARIABLES[name].dtype
        assert variable.attrs["units"] == VARIABLES[name].units
    first = (links.point_a == 0) | (links.point_b == 0)
    assert float(found.link_model_coherence[0]) == pytest.approx(float(links.link_coherence[first].mean()), rel=1e-5)


def test_robust_integration_leaves_wrong_links_aside(links, points):
    rng = np.random.default_rng(0)
    wrong = links.velocity_difference + xr.DataArray(0.03 * (rng.random(links.sizes["link"]) < 0.1), dims="link")
    spoilt = links.assign(velocity_difference=wrong.astype(np.float32))
    truth = scene().of(points)[0]

    def rms(found):
        error = found.velocity.values - truth
        return np.std(error - np.median(error))

    robust, plain = (ia.integrate_links(spoilt, points, robust=way, **GEOMETRY) for way in (True, False))
    assert rms(robust) < 0.5 * rms(plain)


def test_a_reference_is_zero_however_it_is_given(links, points):
    row, col = int(points.row[100]), int(points.col[100])
    grid = scene().wrapped.insar.grid
    free = ia.integrate_links(links, points, **GEOMETRY)
    for reference in (100, (row, col), ia.lonlat(*grid.lonlat(row, col))):
        found = ia.integrate_links(links, points, reference=reference, **GEOMETRY)
        assert float(found.velocity[100]) == 0
        assert found.attrs["reference_row"] == row
        np.testing.assert_allclose(found.velocity, free.velocity - free.velocity[100], atol=1e-5)
        refined = ia.refine_points(points, found, height_error=(-60, 60), **GEOMETRY)
        assert float(refined.velocity[100]) == 0
    weak = np.argwhere(scene().wrapped.temporal_coherence.values < 0.5)[0]
    with pytest.raises(ReferencePointError, match="is not a point; the nearest is row"):
        ia.integrate_links(links, points, reference=tuple(weak), **GEOMETRY)
    with pytest.raises(StackError, match="'row'"):
        ia.integrate_links(links, points.drop_vars("row"), reference=(row, col), **GEOMETRY)
    with pytest.raises(ArgumentError, match="not the number"):
        ia.integrate_links(links, points, reference=10**6, **GEOMETRY)


def test_pieces_that_no_link_joins_have_labels_of_their_own(points):
    far = points.assign_coords(x=points.x + xr.where(points.point >= 600, 1e5, 0.0))
    found = ia.integrate_links(ia.estimate_links(far, max_length=500.0, **BOX, **GEOMETRY), far, **GEOMETRY)
    assert (found.component[:600] == 1).all()
    assert (found.component[600:] == 2).all()


def test_a_point_without_links_is_nan(points):
    far = points.assign_coords(x=points.x + xr.where(points.point == 5, 1e5, 0.0))
    found = ia.integrate_links(ia.estimate_links(far, max_length=500.0, **BOX, **GEOMETRY), far, **GEOMETRY)
    assert int(found.component[5]) == 0
    for name in ("velocity", "velocity_std", "height_error", "link_model_coherence"):
        assert np.isnan(found[name][5]), name
        assert np.isfinite(found[name]).sum() == points.sizes["point"] - 1


def test_weights_and_neighbours_count_in_the_errors(links, points):
    found = ia.integrate_links(links, points, **GEOMETRY)
    half = xr.DataArray(np.arange(30) < 15, dims="time").astype(float)
    weighted = ia.integrate_links(links, points, weights=half, **GEOMETRY)
    assert float((weighted.velocity_std / found.velocity_std).median()) > 1.5
    few = ia.integrate_links(links, points, neighbours=3, **GEOMETRY)
    assert float(few.point_coherence.median()) < float(found.point_coherence.median()) - 1e-3


def test_refusals_of_integration(links, points):
    for change, message in (
        ({"links": links.drop_vars("velocity_difference")}, "velocity_difference"),
        ({"points": points.isel(point=slice(100))}, "are not among the 100 points"),
        ({"weighting": "gamma"}, "weighting"),
        ({"neighbours": 0}, "neighbours"),
    ):
        with pytest.raises((StackError, ArgumentError), match=message):
            ia.integrate_links(**{"links": links, "points": points, **GEOMETRY, **change})
