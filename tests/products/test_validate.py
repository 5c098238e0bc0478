"""`validate`: shares of pairs that noise of a known size gives; bins, requirements, stations, refusals."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import insarray as ia
from insarray.kernels.components.pairs import random_pairs
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from insarray.products.gnss.validate import RULES, table
from tests.components import lazily, track
from tests.products.test_tie_to_gnss import at_stations, tilted

WIDE = Grid(300, 400, 500_000.0, 4_100_000.0, 150.0, -150.0, "EPSG:32613")
KM = (0.1, 10.0, 20.0, 30.0, 40.0)


def noisy(sigma, layer="velocity", seed=0):
    values = np.random.default_rng(seed).normal(0, sigma, WIDE.shape).astype("f4")
    return xr.Dataset({layer: (("y", "x"), values)}, grid_coords(WIDE))


@pytest.mark.parametrize("sigma", [0.001, 0.002])
def test_the_share_is_that_of_the_noise(sigma):
    found = ia.validate(noisy(sigma), distances=KM)
    expected = 2 * norm.cdf(0.002 / (np.sqrt(2) * sigma)) - 1
    np.testing.assert_allclose(found.fraction, expected, atol=0.02)
    np.testing.assert_allclose(found.rms, np.sqrt(2) * sigma, rtol=0.03)
    np.testing.assert_allclose(found.median_size, norm.ppf(0.75) * np.sqrt(2) * sigma, rtol=0.05)
    assert (found.number_of_pairs == 10_000).all()
    assert (found.passed == (expected > 0.683)).all()
    assert found.attrs["passed"] == str(expected > 0.683)
    assert found.attrs["fraction"] == pytest.approx(expected, abs=0.02)


def test_a_ramp_fails_far_away_alone():
    data = noisy(0.0005)
    data["velocity"] = data.velocity + 1e-7 * (data.x - data.x[0]).drop_attrs()
    found = ia.validate(data, distances=KM)
    assert found.passed.values.tolist() == [True, True, False, False]
    assert found.attrs["passed"] == "False"


@pytest.mark.parametrize("name", ["nisar_coseismic", "nisar_transient", "nisar_permafrost"])
def test_what_is_allowed_grows_with_the_root_of_the_distance(name):
    rule = RULES[name]
    found = ia.validate(noisy(0.01, "displacement"), requirement=name, distances=KM)
    middle = np.sqrt((np.array(KM[:-1]) + KM[1:]) / 2)
    expected = 2 * norm.cdf((rule.threshold + rule.slope * middle) / (np.sqrt(2) * 0.01)) - 1
    np.testing.assert_allclose(found.fraction, expected, atol=0.05)
    assert found.attrs["share"] == (0.8 if name == "nisar_permafrost" else 0.683)


def test_the_numbers_that_missions_ask_for():
    numbers = {name: (rule.threshold, rule.slope, rule.share) for name, rule in RULES.items()}
    assert numbers == {
        "nisar_secular": (0.002, 0.0, 0.683),
        "nisar_coseismic": (0.004, 0.004, 0.683),
        "nisar_transient": (0.003, 0.003, 0.683),
        "nisar_permafrost": (0.004, 0.004, 0.8),
        "opera_disp": (0.005, 0.0, 0.683),
    }


def test_options():
    data = noisy(0.002)
    plain = ia.validate(data, distances=KM, pairs=2000)
    assert (ia.validate(data, distances=KM, pairs=2000, threshold=0.004).fraction > plain.fraction + 0.1).all()
    assert (ia.validate(data, distances=KM, pairs=2000, slope=0.001).fraction > plain.fraction).all()
    assert ia.validate(data, distances=KM, pairs=2000, share=0.1).attrs["passed"] == "True"
    assert not plain.identical(ia.validate(data, distances=KM, pairs=2000, seed=1))
    assert plain.identical(ia.validate(lazily(data, 70), distances=KM, pairs=2000))
    data["velocity"][:, :200] += 0.05
    mask = xr.ones_like(data.velocity, dtype=bool)
    mask[:, :200] = False
    assert float(ia.validate(data, distances=KM[:2], pairs=2000).rms[0]) > 0.01
    assert float(ia.validate(data, distances=KM[:2], pairs=2000, mask=mask).rms[0]) == pytest.approx(0.00283, rel=0.1)


def test_pairs_are_where_and_as_far_apart_as_they_say():
    known = np.zeros((40, 60), bool)
    known[5:30, 10:50] = True
    edges = np.array([0.0, 500.0, 900.0, 1e5, 2e5])
    first, second, distance = random_pairs(np.random.default_rng(0), known, (30.0, 50.0), edges, 300)
    assert known.ravel()[first].all()
    assert known.ravel()[second].all()
    rows, cols = (np.unravel_index(of, known.shape) for of in (first, second))
    np.testing.assert_allclose(distance, np.hypot((cols[0] - rows[0]) * 30.0, (cols[1] - rows[1]) * 50.0))
    assert np.histogram(distance, edges)[0][:2].tolist() == [300, 300]
    assert not (distance > 1e5).any()
    nothing = random_pairs(np.random.default_rng(0), np.zeros((4, 4), bool), (30.0, 50.0), edges, 10)
    assert [len(of) for of in nothing] == [0, 0, 0]


def test_stations_are_compared_with_each_other():
    gnss = at_stations(12)
    clean = track("ascending", noise=0, missing=0)
    found = ia.validate(clean, gnss, distances=(0.1, 5, 10, 20))
    assert found.attrs["method"] == "GNSS"
    assert int(found.number_of_pairs.sum()) <= 66
    assert float(found.rms.max()) < 3e-4
    shifted = clean.assign(velocity=clean.velocity + 0.05)
    assert ia.validate(shifted, gnss, distances=(0.1, 5, 10, 20)).attrs["passed"] == "True"  # a reference is no error
    tilted_rms = float(ia.validate(tilted(noise=0, missing=0), gnss, distances=(5, 10)).rms[0])
    assert tilted_rms > 1e-3
    wide = ia.validate(track("ascending", noise=0.004, missing=0), gnss, distances=(0.1, 20), radius=500.0)
    assert float(wide.rms[0]) < 0.5 * float(
        ia.validate(track("ascending", noise=0.004, missing=0), gnss, distances=(0.1, 20)).rms[0]
    )


def test_the_table_says_what_failed():
    data = noisy(0.002)
    text = table(ia.validate(data, distances=(0.1, 5, 100, 200), pairs=500))
    assert text.count("failed") >= 2
    assert "nisar_secular by pairs of pixels: failed" in text
    assert "68.3 % required" in text


REFUSED = {
    "requirement": ({"requirement": "mine"}, ArgumentError, "requirement: 'mine' is not one of"),
    "threshold": ({"threshold": 0.0}, ArgumentError, "threshold: 0.0 is not valid"),
    "slope": ({"slope": -1.0}, ArgumentError, "slope: -1.0 is not valid"),
    "share": ({"share": 68.3}, ArgumentError, "share: 68.3 is not valid; give a positive number up to 1"),
    "edges": ({"distances": (5, 1)}, ArgumentError, "distances: .* are not edges in km"),
    "pairs": ({"pairs": 0}, ArgumentError, "pairs: 0 is not a whole number"),
    "no displacement": ({"requirement": "nisar_transient"}, StackError, "data: has no displacement"),
    "too far": ({"distances": (500, 600)}, StackError, "no pair of pixels at these distances"),
    "mask and stations": ({"gnss": at_stations(3), "mask": "a.tif"}, ArgumentError, "mask: applies to pairs of pixels"),
    "no line of sight": ({"gnss": at_stations(3)}, StackError, "data: has no los_east"),
    "stations elsewhere": ({"gnss": at_stations(3).assign_coords(latitude=("station", [0.0, 1.0, 2.0]))}, StackError, "none of 3 stations"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_input_is_one_line(name):
    options, error, message = REFUSED[name]
    data = track("ascending") if name == "stations elsewhere" else noisy(0.002)
    with pytest.raises(error, match=message) as found:
        ia.validate(data, **options)
    assert isinstance(found.value, InsarrayError)
    assert "\n" not in str(found.value)
