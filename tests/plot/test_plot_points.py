"""Pictures of points and links: what is drawn where, in which unit, and what cannot be drawn."""

import numpy as np
import pytest

from insarray import plot
from insarray.model.errors import ArgumentError
from insarray.products.points.integration import integrate_links
from insarray.products.points.links import estimate_links
from insarray.products.points.selection import select_points
from insarray.simulate.points import simulate_wrapped


@pytest.fixture(scope="module")
def city():
    """Points, links and model of a small city."""
    stack, _ = simulate_wrapped(shape=(14, 16), n_dates=12, water=False, seed=2)
    points = select_points(stack, min_temporal_coherence=0.5)
    links = estimate_links(points, velocity=(-0.05, 0.05), height_error=(-80, 80), network="delaunay")
    return points, links, integrate_links(links, points, reference=3)


def drawn(ax):
    """What was drawn last: of the collections, the one with colours."""
    return [found for found in ax.collections if found.get_array() is not None][-1]


def test_points_are_where_they_are_in_millimetres_a_year(city):
    _, _, model = city
    ax = plot.points(model)
    values, places = drawn(ax).get_array(), drawn(ax).get_offsets()
    order = np.argsort(np.abs(model.velocity.values), kind="stable")
    np.testing.assert_allclose(values, 1000 * model.velocity.values[order], rtol=1e-5)
    np.testing.assert_allclose(places, np.column_stack([model.x, model.y])[order])
    assert "mm/yr" in ax.figure.axes[-1].get_ylabel()
    assert "reference" in [text.get_text() for text in ax.texts]
    assert drawn(plot.points(model, "height_error")).cmap.name == "RdBu"
    assert drawn(plot.points(model, "point_coherence")).get_clim() == (0.0, 1.0)


def test_points_without_a_value_are_grey(city):
    _, _, model = city
    gone = model.assign(velocity=model.velocity.where(model.point != 5))
    ax = plot.points(gone)
    assert drawn(ax).get_array().size == model.sizes["point"] - 1
    grey = next(found for found in ax.collections if found.get_array() is None)
    np.testing.assert_allclose(grey.get_offsets(), [[model.x[5], model.y[5]]])


def test_an_epoch_of_phases_is_cyclic_and_named(city):
    points, _, _ = city
    ax = plot.points(points.isel(time=4), "wrapped_phase")
    assert drawn(ax).cmap.name == "twilight"
    assert drawn(ax).get_clim() == pytest.approx((-np.pi, np.pi))
    assert ax.get_title() == str(points.time.values[4])[:10]


def test_links_are_lines_between_their_points(city):
    points, links, _ = city
    ax = plot.links(links, points, "velocity_difference")
    lines = drawn(ax)
    order = np.argsort(links.link_coherence.values, kind="stable")
    np.testing.assert_allclose(lines.get_array(), 1000 * links.velocity_difference.values[order], rtol=1e-5)
    a, b = links.point_a.values[order], links.point_b.values[order]
    segment = np.array(lines.get_segments())
    np.testing.assert_allclose(segment[:, 0, 0], points.x.values[a])
    np.testing.assert_allclose(segment[:, 1, 1], points.y.values[b])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda p, _, m: plot.points(m, "speed"), "'speed' is not in the dataset"),
        (lambda p, _, m: plot.points(p, "wrapped_phase"), "choose one epoch"),
        (lambda p, links, _: plot.links(links, p, "velocity"), "'velocity' is not a variable"),
        (lambda p, links, _: plot.links(links.isel(link=np.zeros(300_001, int)), p), "300001 are too many"),
    ],
)
def test_what_cannot_be_drawn_is_said(city, draw, message):
    with pytest.raises(ArgumentError, match=message):
        draw(*city)
