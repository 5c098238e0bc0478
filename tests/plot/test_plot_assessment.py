"""Picture of an assessment: what is drawn is what was found."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

import insarray as ia
from insarray.model.errors import ArgumentError, StackError


@pytest.fixture(scope="module")
def assessed():
    stack, truth = ia.simulate_stack(shape=(40, 48), n_dates=8, missing=0, water=False)
    series = ia.invert(stack, reference=(9, 12))
    wrong = (-truth.atmosphere).assign_attrs(units="m")
    return ia.assess_corrections(series, {"troposphere": truth.atmosphere, "ionosphere": wrong})


def drawn(ax):
    return {line.get_label(): line.get_ydata() for line in ax.lines}


def test_dates_have_the_colour_of_their_verdict(assessed):
    figure = ia.plot.assessment(assessed, "troposphere")
    FigureCanvasAgg(figure).draw()
    lines = drawn(figure.axes[0])
    np.testing.assert_allclose(lines["without"], 1e3 * assessed.std_before[0])
    keep = assessed.verdict[0].values == 0
    assert keep.sum() > 5
    np.testing.assert_allclose(lines["with: keep"], 1e3 * assessed.std_after[0][keep])
    assert len(lines["with: drop"]) == 0
    bad = drawn(ia.plot.assessment(assessed, "ionosphere").axes[0])
    assert len(bad["with: drop"]) == 8
    structure = drawn(figure.axes[1])
    assert figure.axes[1].get_xlabel() == "distance (km)"
    np.testing.assert_allclose(figure.axes[1].lines[0].get_xdata(), assessed.distance / 1e3)
    np.testing.assert_allclose(structure["with"], 1e3 * np.sqrt(assessed.structure_after[0].mean("time")))


def test_the_last_is_drawn_by_default_and_pairs_by_number(assessed):
    figure = ia.plot.assessment(assessed)
    assert figure.axes[0].get_title() == "all"
    pairs = assessed.drop_vars("time").rename(time="pair")
    assert ia.plot.assessment(pairs).axes[0].get_xlabel() == "number of the pair"


def test_refusals(assessed):
    with pytest.raises(ArgumentError, match="correction: 'tide' is not one of troposphere, ionosphere, all"):
        ia.plot.assessment(assessed, "tide")
    with pytest.raises(StackError, match=r"has no 'std_after'; make it with insarray\.assess_corrections"):
        ia.plot.assessment(xr.Dataset())
