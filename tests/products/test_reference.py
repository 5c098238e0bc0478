"""References: given, by position, by area, and found."""

import numpy as np
import pytest

import insarray as ia
from insarray.model.errors import ArgumentError
from insarray.products.stacks.reference import choose_pixel, reference_phase
from insarray.products.views.stacks import as_stack
from tests.stacks import GRID, stack_of


def test_area_takes_the_mean_of_complete_pixels():
    stack = stack_of(missing=0.0).compute()
    stack.unwrapped_phase.values[3, 5, 6] = np.nan
    view = as_stack(stack)
    found = reference_phase(view, ia.area(5, 7, 5, 8))
    part = stack.unwrapped_phase.values[:, 5:7, 5:8].astype(float).reshape(len(stack.pair), -1)
    np.testing.assert_allclose(found.phase, np.delete(part, 1, axis=1).mean(axis=1))
    assert view.record(found.place)["reference_area"] == [5, 7, 5, 8]
    assert view.record(found.place)["reference_pixels"] == 5


@pytest.mark.parametrize("area", [ia.area(5, 5, 0, 3), ia.area(0, 30, 0, 3), ia.area(-1, 3, 0, 3)])
def test_impossible_areas_are_refused(area):
    with pytest.raises(ArgumentError, match="not an area within 20 x 30"):
        reference_phase(as_stack(stack_of()), area)


def test_position_in_degrees():
    lon, lat = GRID.lonlat(5, 5)
    view = as_stack(stack_of())
    attrs = view.record(reference_phase(view, ia.lonlat(lon, lat)).place)
    assert (attrs["reference_row"], attrs["reference_col"]) == (5, 5)
    np.testing.assert_allclose([attrs["reference_lon"], attrs["reference_lat"]], [lon, lat], atol=1e-9)


def test_none_means_already_referenced():
    assert reference_phase(as_stack(stack_of()), None) is None


def test_auto_needs_data_and_component_in_every_pair():
    """In this stack every pixel misses a pair or has a component 0 somewhere, but (5, 5) does not."""
    stack = stack_of(missing=0.4)
    assert ia.find_reference(stack) == (5, 5)
    series = ia.invert(stack, reference="auto")
    assert (series.attrs["reference_row"], series.attrs["reference_col"]) == (5, 5)


def test_auto_heeds_components_and_coherence():
    stack = stack_of(missing=0.0).compute()
    stack.connected_component_labels.values[:] = 1
    stack.coherence.values[:] = 0.5
    stack.coherence.values[:, 8:11, 20:23] = 0.9
    assert ia.find_reference(stack) == (9, 21)
    stack.connected_component_labels.values[4, 9, 21] = 0
    assert ia.find_reference(stack) != (9, 21)
    assert ia.find_reference(stack.drop_vars("connected_component_labels")) == (9, 21)
    stack.coherence.values[:] = 0.5
    stack.coherence.values[:, 2, 3] = 0.6
    assert ia.find_reference(stack) == (2, 3)  # none reaches the threshold: the best


def test_choice_is_nearest_to_the_centroid_of_the_largest_region():
    candidates = np.zeros((10, 10), bool)
    candidates[1, 1:4] = True
    candidates[5:8, 5:8] = True
    assert choose_pixel(candidates, None) == (6, 6)
    quality = np.ones((10, 10))
    quality[6, 6] = 0.1
    assert choose_pixel(candidates, quality) != (6, 6)
