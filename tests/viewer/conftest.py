"""Stores to look at."""

import pytest

import insarray as ia
from tests.networks import nearest
from tests.stacks import stack_of
from tests.viewer.shown import GRID, series_on


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Series and fit of three levels, in blocks that do not fit tiles."""
    series = series_on(GRID).chunk({"y": 96, "x": 160})
    path = tmp_path_factory.mktemp("viewer") / "series.zarr"
    ia.run(series.merge(ia.fit(series, periods=[1.0], min_dates=5, min_redundancy=1), combine_attrs="override"), path)
    return str(path)


@pytest.fixture(scope="session")
def pieces(tmp_path_factory):
    """An inverted series of which some pixels are in pieces of the network."""
    series = ia.invert(
        stack_of(nearest(8, 3), missing=0.25, block=None), weights="variance", reference=(5, 5), gap="subset"
    )
    path = tmp_path_factory.mktemp("viewer") / "pieces.zarr"
    ia.run(series.merge(ia.fit(series), combine_attrs="override"), path)
    return str(path)
