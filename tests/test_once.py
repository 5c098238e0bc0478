"""Who a dataset is, is worked out once per call: its network and grid are not made a second time."""

import pytest

import insarray as ia
from insarray.model import dataset as module
from insarray.model.network import Network
from insarray.products.views import stacks as views
from tests.test_law import PRODUCTS, make

TWO = ("join", "residuals", "residuals of a series", "pair_misfit", "remove_terms", "remove_terms by a model")
"""Products of two datasets."""


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_network_is_made_once(product, monkeypatch):
    kind, function, _ = PRODUCTS[product]
    given = make(kind)
    function(given)  # what else it is given in this test is made now
    networks, original = [], Network.from_pairs.__func__

    def from_pairs(cls, *args, **kwargs):
        networks.append(args)
        return original(cls, *args, **kwargs)

    monkeypatch.setattr(Network, "from_pairs", classmethod(from_pairs))
    function(given)
    assert len(networks) <= (2 if product in TWO else 1)


def test_the_grid_of_a_stack_is_worked_out_once(monkeypatch):
    stack, calls, original = make("stack"), [], module.grid_of

    def grid_of(data):
        calls.append(data)
        return original(data)

    for user in (module, views):
        monkeypatch.setattr(user, "grid_of", grid_of)
    ia.invert(stack, reference=(5, 5))
    assert len(calls) == 2  # for the view, and for the transform of what comes out
