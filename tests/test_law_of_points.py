"""The law of the entrance for points and links: by their numbers and dates, never by their order."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import StackError
from tests.points import scene

GEOMETRY = {"slant_range": 850e3, "incidence_angle": 35.0}
HEIGHT = {"height_error": (-60.0, 60.0)}


@pytest.fixture(scope="module")
def points():
    return ia.select_points(scene().wrapped, min_temporal_coherence=0.9)


@pytest.fixture(scope="module")
def links(points):
    return ia.estimate_links(points, network="delaunay", **HEIGHT, **GEOMETRY)


@pytest.fixture(scope="module")
def model(points, links):
    return ia.integrate_links(links, points, **GEOMETRY)


def shuffled(dataset, seed=0):
    """Points and links in another order, dates backwards, dimensions the other way round."""
    rng = np.random.default_rng(seed)
    order = {dim: rng.permutation(dataset.sizes[dim]) for dim in ("point", "link") if dim in dataset.sizes}
    return dataset.isel(order).isel(time=slice(None, None, -1), missing_dims="ignore").transpose()


def stored(dataset, tmp_path):
    ia.save_points(dataset, str(tmp_path / "p.zarr"))
    return xr.open_zarr(tmp_path / "p.zarr")


OPERATIONS = {
    "shuffle": lambda d, _: shuffled(d),
    "float64": lambda d, _: d.assign({n: v.astype(float) for n, v in d.data_vars.items() if v.dtype.kind == "f"}),
    "chunk": lambda d, _: d.chunk(),
    "chunk along the dates": lambda d, _: d.chunk(time=7) if "time" in d.dims else d,
    "save_points": stored,
    "merge": lambda d, _: d.assign(mine=1.0),
}


def require_equal(found, expected, dim):
    if dim == "point":
        found, expected = found.sortby("point"), expected.sortby("point")
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].transpose(*expected[name].dims), expected[name], err_msg=str(name))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_links_are_those_of_the_points_in_any_order(points, links, operation, tmp_path):
    found = ia.estimate_links(
        OPERATIONS[operation](points, tmp_path), network="delaunay", **HEIGHT, **GEOMETRY
    ).compute()
    np.testing.assert_array_equal(found.point_a, links.point_a)
    require_equal(found, links, "link")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_models_are_those_of_the_links_in_any_order(points, links, model, operation, tmp_path):
    (tmp_path / "links").mkdir()
    found = ia.integrate_links(
        OPERATIONS[operation](links, tmp_path / "links"), OPERATIONS[operation](points, tmp_path), **GEOMETRY
    )
    for name in ("velocity", "height_error", "component"):
        np.testing.assert_allclose(found[name].sortby("point"), model[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("operation", ["shuffle", "save_points", "float64"])
def test_refined_and_unwrapped_points_are_the_same_in_any_order(points, links, model, operation, tmp_path):
    (tmp_path / "model").mkdir()
    change = OPERATIONS[operation]
    given, own = change(points, tmp_path), change(model, tmp_path / "model")
    few = {"height_error": (-5.0, 5.0)}
    require_equal(
        ia.refine_points(given, own, **few, **GEOMETRY), ia.refine_points(points, model, **few, **GEOMETRY), "point"
    )
    pytest.importorskip("ortools", reason="unwrapping needs OR-tools, which is not installed")
    for guide in ({}, {"links": shuffled(links, 3)}):
        require_equal(
            ia.unwrap_points(given, own, reference=7, **guide, **GEOMETRY),
            ia.unwrap_points(points, model, reference=7, **dict.fromkeys(guide, links), **GEOMETRY),
            "point",
        )


def test_a_model_of_more_points_is_taken_by_its_numbers(points, model):
    some = points.isel(point=slice(3, None, 2))
    found = ia.refine_points(some, model, height_error=(-5.0, 5.0), **GEOMETRY)
    expected = ia.refine_points(some, model.isel(point=slice(3, None, 2)), height_error=(-5.0, 5.0), **GEOMETRY)
    xr.testing.assert_identical(found, expected)


def test_links_to_points_that_are_not_there_are_refused(points, links):
    with pytest.raises(StackError, match=r"links: \d+ of their points, such as \d+, are not among the"):
        ia.integrate_links(links, points.isel(point=slice(2, None)), **GEOMETRY)


def test_weights_and_baselines_of_dates_are_found_by_their_dates(points):
    weights = xr.DataArray(np.linspace(1, 2, points.sizes["time"]), coords={"time": points.time})
    baselines = points.perpendicular_baseline.reset_coords(drop=True)
    options = {"network": "delaunay", **HEIGHT, **GEOMETRY}
    expected = ia.estimate_links(points, weights=weights, baselines=baselines, **options)
    found = ia.estimate_links(points, weights=weights[::-1], baselines=baselines[::-1], **options)
    xr.testing.assert_identical(found, expected)


def test_maps_of_points_are_the_same_in_any_order(model):
    xr.testing.assert_equal(ia.points_to_grid(shuffled(model)), ia.points_to_grid(model))
