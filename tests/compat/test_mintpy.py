"""MintPy's golden arrays through the functions that bear its names; what differs is listed and asserted.

Deviations from its answers, each with its test:

* a lost first date, a cut network, a lost later date, no data at all: test_default_says_what_is_not_observed
* a first date below min_redundancy: test_min_redundancy_counts_the_first_date
* a first pixel without data empties the batch: test_a_batch_is_not_spoiled_by_its_first_pixel
* dates out of order: test_reference_date_in_the_middle
* no residual of a split network: test_residual
* covariance of what is not tied, and of weighted estimates: test_covariance, test_covariance_of_a_weighted_estimate
* variance weights by a table: test_variance_weights_are_exact
* clock and steps: test_time_functions_have_one_clock, test_step_at_an_acquisition
"""

import json

import numpy as np
import pytest

from insarray.compat import mintpy
from insarray.kernels.variance import phase_variance_ds
from insarray.model.errors import ArgumentError
from tests.compat.peers import arguments, own_options
from tests.networks import lapack, nearest, random_network, samples

THEIRS = {"gap": "min_norm", "nodata": "zero"}
WEIGHTS = ["no", "var", "fim", "coh"]
NORMS = {"minNormVelocity": True, "minNormPhase": False}


def matrices(network, reference=0):
    """A without the column of the reference date (None: with all), B, and the intervals in years."""
    interval = np.diff(network.years)
    k = np.arange(network.n_dates - 1)
    spans = (k >= network.reference[:, None]) & (k < network.secondary[:, None])
    incidence = network.incidence().astype(np.float32)
    A = incidence if reference is None else np.delete(incidence, reference, axis=1)
    return A, (spans * interval).astype(np.float32), interval[:, None].astype(np.float32)


@pytest.fixture
def case():
    """Network, matrices and 9 pixels of some missing pairs, of which all have all dates."""
    network = nearest(10, 4)
    phase, _ = samples(np.random.default_rng(1), network, 9, missing=0.05)
    return network, matrices(network), phase


# -- the golden series ---------------------------------------------------------------------------------------------


def inversion(golden, weight, case):
    data = np.load(golden / "mintpy_inversion.npz")
    y = data[f"y/{case}"]
    root = None if weight == "no" else data[f"weight_sqrt/{weight}"]
    return data, (data["A"], data["B"], np.where(y == 0, np.nan, y), data["tbase_diff_years"], root)


def assert_series(found, data, key, pixels=slice(None)):
    ts, quality, used = found
    np.testing.assert_allclose(ts[:, pixels], data[f"{key}/ts"][:, pixels], atol=2e-5)
    np.testing.assert_allclose(quality[pixels], data[f"{key}/temporalCoherence"][pixels], atol=2e-6)
    if f"{key}/numObs" in data:
        np.testing.assert_array_equal(used[pixels], data[f"{key}/numObs"][pixels])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("case", ["clean", "nan", "zero"])
def test_golden_series(golden, case, weight, norm):
    """All 24 pixels in one call, those that MintPy discards or invents included."""
    data, given = inversion(golden, weight, case)
    found = mintpy.estimate_timeseries(*given, NORMS[norm], **THEIRS, strict=True)
    assert_series(found, data, f"{case}/{weight}/{norm}")


@pytest.mark.parametrize("weight", ["no", "var"])
def test_golden_series_of_float64(golden, weight):
    data, (A, B, y, interval, root) = inversion(golden, weight, "clean")
    found = mintpy.estimate_timeseries(A, B, y.astype(np.float64), interval, root, strict=True)
    assert_series(found, data, f"clean/{weight}/float64")


@pytest.mark.parametrize("weight", ["no", "var"])
@pytest.mark.parametrize("fewest", [1, 2, 3, 4])
def test_golden_min_redundancy(golden, fewest, weight):
    data, given = inversion(golden, weight, "nan")
    key = f"nan/{weight}/minRedundancy{fewest}"
    found = mintpy.estimate_timeseries(*given, min_redundancy=fewest, **THEIRS, strict=True)
    assert_series(found, data, key)
    # by default: the same pixels where they are all there, more dates elsewhere
    ts, _, used = mintpy.estimate_timeseries(*given, min_redundancy=fewest)
    whole = np.isfinite(ts).all(axis=0)
    np.testing.assert_allclose(ts[:, whole], data[f"{key}/ts"][:, whole], atol=2e-5)
    pairs = np.abs(np.column_stack([-given[0].sum(axis=1), given[0]]))  # a row without -1 has it at the first date
    counts = pairs.T @ np.isfinite(given[2])
    seen = (counts >= fewest) & (counts[0] >= fewest)
    seen[7:, 5] = False  # the cut network
    np.testing.assert_array_equal(np.isfinite(ts), seen)
    np.testing.assert_array_equal(used, np.isfinite(given[2]).sum(axis=0))


def test_min_redundancy_counts_the_first_date(golden):
    """Pixels whose first date has one pair: kept there at 2, NaN here, and refused if strict."""
    _, (A, B, y, interval, _) = inversion(golden, "no", "clean")
    y = y.copy()
    first = np.flatnonzero(A.sum(axis=1) == 1)
    y[first[1:], 3] = np.nan
    ts, quality, used = mintpy.estimate_timeseries(A, B, y, interval, min_redundancy=2)
    assert np.isnan(ts[:, 3]).all()
    assert np.isfinite(ts[:, 4]).all()
    assert used[3] == len(y) - len(first) + 1
    assert np.isfinite(quality[3])  # the pairs were fitted
    with pytest.raises(ArgumentError, match=r"1 of 24.*min_norm"):
        mintpy.estimate_timeseries(A, B, y, interval, min_redundancy=2, strict=True)
    theirs, _, _ = mintpy.estimate_timeseries(A, B, y, interval, min_redundancy=2, **THEIRS, strict=True)
    assert np.isfinite(theirs[:, 3]).all()


def test_default_says_what_is_not_observed(golden):
    """The special pixels: NaN and counts instead of zeros and invented constants."""
    data, given = inversion(golden, "no", "nan")
    theirs = data["nan/no/minNormVelocity/ts"]
    ts, quality, used = mintpy.estimate_timeseries(*given)
    assert np.isnan(ts[:, 0]).all()  # no data at all
    assert np.isnan(quality[0])
    assert used[0] == 0
    assert (theirs[:, 0] == 0).all()
    assert np.isnan(ts[:, 2]).all()  # first date lost: a constant that no pair has seen there
    assert theirs[1, 2] == 0
    assert theirs[2, 2] != 0
    assert np.isnan(ts[:, 3]).tolist() == [False] * 14 + [True]  # last date lost: all zero there
    assert np.isnan(ts[:, 4]).sum() == 1  # a middle one
    assert (theirs[:, 3:5] == 0).all()
    assert np.isnan(ts[:, 5]).tolist() == [False] * 7 + [True] * 8  # cut after date 6: a level invented there
    assert np.isfinite(theirs[:, 5]).all()
    others = np.setdiff1d(np.arange(24), [0, 2, 3, 4, 5])
    np.testing.assert_allclose(ts[:, others], theirs[:, others], atol=2e-5)
    np.testing.assert_allclose(ts[:7, 5], theirs[:7, 5], atol=2e-5)
    with pytest.raises(ArgumentError, match="5 of 24"):
        mintpy.estimate_timeseries(*given, strict=True)


def test_a_batch_is_not_spoiled_by_its_first_pixel(golden):
    data, given = inversion(golden, "no", "nan")
    assert "infs or NaNs" in str(data["batch_nan_error"])
    assert (data["batch_first_pixel_all_nan/ts"] == 0).all()
    ts, _, _ = mintpy.estimate_timeseries(*given, nodata="zero")
    assert (ts[:, 0] == 0).all()
    assert (ts[1:, 6:] != 0).all()


@pytest.mark.parametrize("weight", ["no", "var"])
@pytest.mark.parametrize("case", ["clean", "nan"])
def test_residual(golden, case, weight):
    data, given = inversion(golden, weight, case)
    theirs = data[f"{case}/{weight}/residual"]
    _, residual, _ = mintpy.estimate_timeseries(*given, inv_quality_name="residual", **THEIRS)
    both = np.isfinite(theirs)
    np.testing.assert_allclose(residual[both], theirs[both], atol=2e-5)
    missing = [] if case == "clean" else [0, 2, 3, 4, 5] if weight == "no" else [0, 3, 4]
    assert np.flatnonzero(~both).tolist() == missing
    if (case, weight) == ("nan", "no"):  # lost first date, cut network: the pairs that are there have residuals
        assert np.flatnonzero(np.isfinite(residual) & ~both).tolist() == [2, 5]
        with pytest.raises(ArgumentError, match="residual of a split network"):
            mintpy.estimate_timeseries(*given, inv_quality_name="residual", **THEIRS, strict=True)
    else:
        mintpy.estimate_timeseries(*given, inv_quality_name="residual", **THEIRS, strict=True)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weight", ["no", "var"])
@pytest.mark.parametrize("name", ["two_subsets", "interleaved", "three_subsets", "single_ref_middle", "reversed_pairs"])
def test_golden_rank_deficient(golden, name, weight, norm):
    data = np.load(golden / "mintpy_rankdef.npz")
    root = None if weight == "no" else data[f"{name}/weight_sqrt"]
    given = (data[f"{name}/A"], data[f"{name}/B"], data[f"{name}/y"], data["tbase_diff_years"], root, NORMS[norm])
    if (name, norm) == ("single_ref_middle", "minNormPhase"):
        return  # test_reference_date_in_the_middle
    assert_series(mintpy.estimate_timeseries(*given, **THEIRS, strict=True), data, f"{name}/{weight}/{norm}")
    ts, _, _ = mintpy.estimate_timeseries(*given)
    split = data[f"{name}/rank_A"] < len(ts) - 1
    assert np.isnan(ts).any() == split
    if split:
        with pytest.raises(ArgumentError, match="untied"):
            mintpy.estimate_timeseries(*given, strict=True)


@pytest.mark.parametrize("weight", ["no", "var"])
def test_reference_date_in_the_middle(golden, weight):
    """Dates in order, the first is zero; MintPy's minimum-norm phase has the reference date first, out of order."""
    data = np.load(golden / "mintpy_rankdef.npz")
    name = "single_ref_middle"
    root = None if weight == "no" else data[f"{name}/weight_sqrt"]
    given = (data[f"{name}/A"], data[f"{name}/B"], data[f"{name}/y"], data["tbase_diff_years"], root, False)
    with pytest.raises(ArgumentError, match="out of order"):
        mintpy.estimate_timeseries(*given, **THEIRS, strict=True)
    ts, _, _ = mintpy.estimate_timeseries(*given)
    np.testing.assert_allclose(ts, data[f"{name}/{weight}/minNormVelocity/ts"], atol=2e-5)
    first = data[f"{name}/date12"][0]
    reference = list(data["dates"]).index(first.split("_")[0])
    theirs = data[f"{name}/{weight}/minNormPhase/ts"]
    ordered = np.insert(theirs[1:], reference, 0, axis=0)
    np.testing.assert_allclose(ts, ordered - ordered[0], atol=2e-5)
    assert np.abs(ts - theirs).max() > 1


# -- networks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "A", "B"),
    [
        *((name, "A", "B") for name in ("sequential3", "sequential1", "single_ref_first", "single_ref_middle")),
        *((name, "A", "B") for name in ("two_subsets", "reversed_pairs")),
        ("sequential3", "A_ref_date5", "B"),
        ("sequential3", "A_noref", "B_noref"),
    ],
)
def test_golden_design_matrices_are_understood(golden, name, A, B):
    """Whatever column is left out, a series comes back as it was put in."""
    data = np.load(golden / "mintpy_design.npz")
    index = {date: k for k, date in enumerate(data["dates"])}
    pairs = np.array([[index[date] for date in pair.split("_")] for pair in data[f"{name}/date12"]])
    truth = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
    truth -= truth[0]
    y = truth[pairs[:, 1]] - truth[pairs[:, 0]]
    given = (data[f"{name}/{A}"], data[f"{name}/{B}"], y, data["tbase_diff_years"])
    ts, quality, _ = mintpy.estimate_timeseries(*given)
    tied = np.isfinite(ts).all(axis=1)
    assert tied.all() == (name != "two_subsets")
    np.testing.assert_allclose(ts[tied], truth[tied], atol=1e-5)
    np.testing.assert_allclose(quality, 1, atol=1e-6)
    backwards, _, _ = mintpy.estimate_timeseries(given[0], given[1], -y, given[3])
    np.testing.assert_allclose(backwards[tied], -truth[tied], atol=1e-5)


@pytest.mark.parametrize("reference", [0, 3, 11, None])
def test_any_network_and_reference_date(reference):
    rng = np.random.default_rng(5)
    network = random_network(rng, 12, 30)
    phase, _ = samples(rng, network, 7, missing=0.3)
    A, B, interval = matrices(network, reference)
    ts, quality, used = mintpy.estimate_timeseries(A, B, phase, interval)
    for p in range(7):
        values, _, residual, label = lapack(network, phase[:, p])
        np.testing.assert_allclose(ts[:, p], np.where(label == 1, values, np.nan), atol=2e-5)
        assert used[p] == np.isfinite(phase[:, p]).sum()
        np.testing.assert_allclose(quality[p], abs(np.nanmean(np.exp(1j * residual))), atol=2e-6)


def test_matrices_that_do_not_fit_are_refused(case):
    _, (A, B, interval), phase = case
    for given, message in [
        ((A[:, 1:], B, phase, interval), "A: shape"),
        ((-A, B, phase, interval), "A: shape"),
        ((A, B[:, 1:], phase, interval), "B: shape"),
        ((A, B * 0, phase, interval), "B: row 0 spans no"),
        ((A, np.roll(B, 1, axis=0) * 2, phase, interval), "B: row 0 is not made"),
        ((A, B, phase, -interval), "tbase_diff: intervals"),
        ((A, B, phase[1:], interval), "y: shape"),
        ((A, B, phase, interval, phase[:, :2]), "weight_sqrt: 2 pixels for 9"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            mintpy.estimate_timeseries(*given)


# -- shapes and options --------------------------------------------------------------------------------------------


def test_one_pixel_is_a_row_of_many(case):
    _, given, phase = case
    root = np.random.default_rng(2).uniform(0.5, 2, phase.shape).astype(np.float32)
    many = np.tile(phase, 4000)  # 36,000 pixels, in groups and a rest
    ts, quality, used = mintpy.estimate_timeseries(*given[:2], many, given[2], np.tile(root, 4000))
    assert ts.dtype == quality.dtype == np.float32
    for p in range(9):
        for one, weights in ((phase[:, p], root[:, p]), (phase[:, p : p + 1], root[:, p : p + 1])):
            series, value, number = mintpy.estimate_timeseries(*given[:2], one, given[2], weights)
            assert series.shape == (10, 1)
            np.testing.assert_array_equal(series[:, 0], ts[:, p])
            np.testing.assert_array_equal(series[:, 0], ts[:, -9 + p])
            assert isinstance(value, np.float32)
            assert value == quality[p]
            assert isinstance(number, int)
            assert number == used[p]


def test_quality_names(case):
    _, given, phase = case
    found = {
        name: mintpy.estimate_timeseries(*given[:2], phase, given[2], inv_quality_name=name)[1]
        for name in ("temporalCoherence", "residual", "no")
    }
    assert found["no"] == 0.0
    assert (found["temporalCoherence"] < 1).all()
    assert found["residual"].shape == (9,)
    assert (found["residual"] > 0).all()
    with pytest.raises(ArgumentError, match="inv_quality_name: 'tempCoh'"):
        mintpy.estimate_timeseries(*given[:2], phase, given[2], inv_quality_name="tempCoh")


def test_other_options(case, capsys):
    _, given, phase = case
    phase[:, 4] = np.nan
    call = (*given[:2], phase, given[2])
    ts, quality, _ = mintpy.estimate_timeseries(*call, nodata="zero")
    assert (ts[:, 4] == 0).all()
    assert quality[4] == 0
    default = mintpy.estimate_timeseries(*call)
    np.testing.assert_array_equal(default[0][:, :4], ts[:, :4])
    assert np.isnan(default[0][:, 4]).all()
    same = mintpy.estimate_timeseries(*call, rcond=0.5, print_msg=True)
    for a, b in zip(same, default, strict=True):
        np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().out == ""
    for option in ("gap", "nodata"):
        with pytest.raises(ArgumentError, match=f"{option}: 'no'"):
            mintpy.estimate_timeseries(*call, **{option: "no"})
    with pytest.raises(ArgumentError, match="no-data value is 0"):
        mintpy.estimate_timeseries(*call, gap="min_norm", strict=True)


def test_samples_and_weights_that_are_no_numbers_are_missing(case):
    _, given, phase = case
    phase[:, :] = np.nan_to_num(phase)
    root = np.ones_like(phase)
    spoiled, bad = phase.copy(), root.copy()
    spoiled[3, 0], bad[3, 1], bad[3, 2] = np.inf, 0, np.nan
    ts, _, used = mintpy.estimate_timeseries(*given[:2], spoiled, given[2], bad)
    expected = phase.copy()
    expected[3, :3] = np.nan
    np.testing.assert_array_equal(ts, mintpy.estimate_timeseries(*given[:2], expected, given[2], root)[0])
    assert used.tolist() == [len(phase) - 1] * 3 + [len(phase)] * 6
    for y, w in ((spoiled, root), (phase, bad)):
        with pytest.raises(ArgumentError, match="infinite samples"):
            mintpy.estimate_timeseries(*given[:2], y, given[2], w, strict=True)


# -- covariance ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("A", "key"), [("A", "ts_cov"), ("A_ref4", "ts_cov_ref4")])
def test_covariance(golden, A, key):
    """Golden to 2e-6; where the first date is lost it is NaN here, that of a minimum norm or 0 there."""
    data = np.load(golden / "mintpy_cov.npz")
    given = (data[A], data["y"], data["y_std"])
    covariance = mintpy.estimate_timeseries_cov(*given)
    right = [0, 1, 2, 3, 5]
    np.testing.assert_allclose(covariance[right], data[key][right], atol=2e-6)
    known = np.isfinite(covariance[4])
    assert known.sum() == (0 if key == "ts_cov" else 8**2)  # with date 4 as reference only the first date is lost
    assert (data[key][4] == 0).all() == (key == "ts_cov_ref4")  # a minimum norm's, or the pixel discarded
    if known.any():
        rows = np.isfinite(data["y"][:, 4])
        inverse = np.linalg.pinv(data[A][rows][:, 1:].astype(float))
        exact = inverse @ np.diag(data["y_std"][rows, 4] ** 2) @ inverse.T
        np.testing.assert_allclose(covariance[4][1:, 1:], exact, rtol=1e-9)
    one = mintpy.estimate_timeseries_cov(data[A], data["y"][:, 1], data["y_std"][:, 1], strict=True)
    np.testing.assert_array_equal(one, covariance[1])
    zero = mintpy.estimate_timeseries_cov(*given, nodata="zero")
    np.testing.assert_array_equal(zero, np.nan_to_num(covariance))
    with pytest.raises(ArgumentError, match="1 of 6"):
        mintpy.estimate_timeseries_cov(*given, strict=True)


def test_covariance_of_a_weighted_estimate():
    """Weights that are inverse variances: the covariance is the inverse of the normal matrix."""
    rng = np.random.default_rng(3)
    network = nearest(8, 3)
    A, _, _ = matrices(network)
    std = rng.uniform(0.2, 2, network.n_pairs)
    y = rng.normal(size=network.n_pairs)
    weighted = mintpy.estimate_timeseries_cov(A, y, std, weight_sqrt=1 / std)
    np.testing.assert_allclose(weighted, np.linalg.inv(A.T @ (A / std[:, None] ** 2)), rtol=1e-6)
    plain = mintpy.estimate_timeseries_cov(A, y, std, strict=True)
    inverse = np.linalg.pinv(A)
    np.testing.assert_allclose(plain, inverse @ np.diag(std**2) @ inverse.T, rtol=1e-5)
    assert (np.diag(plain) > np.diag(weighted)).all()
    with pytest.raises(ArgumentError, match="unweighted"):
        mintpy.estimate_timeseries_cov(A, y, std, weight_sqrt=1 / std, strict=True)


def test_covariance_options():
    network = nearest(8, 3)
    A, _, _ = matrices(network)
    y, std = np.ones((network.n_pairs, 2)), np.ones((network.n_pairs, 2))
    covariance = mintpy.estimate_timeseries_cov(A, y, std, min_redundancy=4, rcond=0.9)
    assert np.isnan(covariance).all()  # the first date has three pairs
    y[network.secondary == 7, 1] = np.nan
    covariance = mintpy.estimate_timeseries_cov(A, y, std, rcond=0.9)
    assert np.isfinite(covariance[0]).all()
    assert np.isfinite(covariance[1][:6, :6]).all()
    assert np.isnan(covariance[1][6]).all()
    std[0, 0] = -1
    fewer = mintpy.estimate_timeseries_cov(A, y[:, 0], std[:, 0])
    assert (np.diag(fewer) > np.diag(covariance[0])).any()
    for message, options in (("nodata: 'no'", {"nodata": "no"}), ("not positive", {"strict": True})):
        with pytest.raises(ArgumentError, match=message):
            mintpy.estimate_timeseries_cov(A, y[:, 0], std[:, 0], **options)
    with pytest.raises(ArgumentError, match="G: row 0 is not that of a pair"):
        mintpy.estimate_timeseries_cov(A * 2, y, std)


# -- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [1, 2, 5, 20, 38, 75, 80, 200])
def test_golden_weights(golden, looks):
    data = np.load(golden / "mintpy_weights.npz")
    coherence = data["coherence"]
    known = np.isfinite(coherence)
    fisher = mintpy.coherence2weight(coherence, "fim", looks)
    np.testing.assert_allclose(fisher[known], data[f"fim/L{looks}/weight"][known], rtol=2e-6)
    plain = mintpy.coherence2weight(coherence, "coh", looks)
    np.testing.assert_allclose(plain[known], np.minimum(data[f"coh/L{looks}/weight"][known], 0.999), rtol=2e-6)
    assert np.isnan(fisher[~known]).all()
    assert np.isfinite(data[f"fim/L{looks}/weight"][~known]).all()  # as if it were 0.05
    strict = mintpy.coherence2weight(coherence[known], "fim", looks, strict=True)
    np.testing.assert_array_equal(strict, fisher[known])
    for name, values in (("fim", coherence), ("coh", coherence[known]), ("var", coherence[known])):
        with pytest.raises(ArgumentError, match="strict"):
            mintpy.coherence2weight(values, name, looks, strict=True)


@pytest.mark.parametrize("looks", [1, 2, 5, 20, 38, 75, 80, 200])
def test_variance_weights_are_exact(golden, looks):
    """The integral to 5e-5; the table is within 5 % of it in the middle, far off at both ends and beyond 80 looks."""
    data = np.load(golden / "mintpy_weights.npz")
    coherence = data["coherence"]
    inside = np.nan_to_num(coherence) <= 0.999
    inside &= np.isfinite(coherence)
    ours, theirs = mintpy.coherence2weight(coherence, "var", looks), data[f"var/L{looks}/weight"]
    exact = 1 / phase_variance_ds(np.maximum(coherence[inside], 0.05).astype(np.float64), looks)
    np.testing.assert_allclose(ours[inside], exact, rtol=5e-5)
    middle = (coherence > 0.1) & (coherence < 0.9)
    variance = 1 / data[f"phase_variance_ds/L{looks}"][middle]
    if looks <= 80:
        np.testing.assert_allclose(theirs[middle], ours[middle], rtol=0.05)
        np.testing.assert_allclose(variance, ours[middle], rtol=0.05)
        high = np.abs(coherence - 0.97) < 1e-6
        assert (ours[high] > 1.01 * theirs[high]).all()
    else:
        np.testing.assert_array_equal(theirs, data["var/L80/weight"])  # 2.5 times the looks, the same weight
        assert (ours[middle] > 1.5 * theirs[middle]).any()


def test_weight_options(capsys):
    coherence = np.array([0.01, 0.2, 0.6], np.float32)
    for name in ("no", "sbas", "uniform"):
        assert mintpy.coherence2weight(coherence, name) is None
    default = mintpy.coherence2weight(coherence, print_msg=True)
    assert capsys.readouterr().out == ""
    np.testing.assert_allclose(default, 1 / phase_variance_ds(np.array([0.05, 0.2, 0.6]), 20), rtol=1e-4)
    raised = mintpy.coherence2weight(coherence, epsilon=0.3)
    assert raised[0] == raised[1] > default[1]
    assert raised[2] == default[2]
    for message, options in (
        ("weight_func: 'foo'", {"weight_func": "foo"}),
        ("epsilon: 0.01", {"epsilon": 0.01}),
        ("looks", {"L": 0}),
    ):
        with pytest.raises(ArgumentError, match=message):
            mintpy.coherence2weight(coherence, **options)


# -- time functions ------------------------------------------------------------------------------------------------

MODELS = [
    *("linear", "constant_annual", "quadratic", "cubic", "linear_annual", "linear_annual_semi", "linear_p0.7"),
    *("linear_step", "linear_step_between", "polyline", "linear_exp", "linear_exp2", "linear_log", "all"),
]


@pytest.mark.parametrize("seconds", [0, 52000])
@pytest.mark.parametrize("name", MODELS)
def test_golden_time_functions(golden, name, seconds):
    """Columns, factors and sums of squares, by MintPy's clock."""
    data = np.load(golden / "mintpy_timefunc.npz")
    model, key = json.loads(str(data["models_json"]))[name], f"{name}/sec{seconds}"
    if seconds == 0 and set(model["stepDate"]) & set(data["dates"]):
        return  # test_step_at_an_acquisition
    G, m, e2 = mintpy.estimate_time_func(model, list(data["dates"]), data["ts"], seconds=seconds, strict=True)
    np.testing.assert_allclose(G, data[f"{key}/G"], atol=2e-6)
    np.testing.assert_allclose(m, data[f"{key}/m"], atol=2e-6)
    np.testing.assert_allclose(e2, data[f"{key}/e2"], rtol=1e-4, atol=1e-9)
    if seconds == 0:
        moved = mintpy.get_design_matrix4time_func(
            list(data["dates"]), model, ref_date=str(data["dates"][10]), strict=True
        )
        np.testing.assert_allclose(moved, data[f"{name}/G_ref_date10"], atol=2e-6)


def test_step_at_an_acquisition(golden):
    """The acquisition at midnight of the step's day: after the step here, before it there."""
    data = np.load(golden / "mintpy_timefunc.npz")
    models, dates = json.loads(str(data["models_json"])), list(data["dates"])
    meant = [name for name in MODELS if set(models[name]["stepDate"]) & set(dates)]
    assert meant == ["linear_step", "all"]
    for name in meant:
        with pytest.raises(ArgumentError, match="a step at the time"):
            mintpy.get_design_matrix4time_func(dates, models[name], strict=True)
        G = mintpy.get_design_matrix4time_func(dates, models[name])
        row = dates.index(models[name]["stepDate"][0])
        column = 2 if name == "linear_step" else 5
        assert G[row - 1 : row + 1, column].tolist() == [0, 1]
        assert data[f"{name}/sec0/G"][row, column] == 0


def test_time_functions_have_one_clock(golden):
    """Days / 365.25, also over the turn of the year, where MintPy's jumps."""
    data = np.load(golden / "mintpy_timefunc.npz")
    dates = list(data["dates"])
    days = (
        np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in dates], "datetime64[D]") - np.datetime64("2018-01-01")
    ).astype(int)
    ours = mintpy.get_design_matrix4time_func(dates)[:, 1]
    np.testing.assert_allclose(ours, (days - days[0]) / 365.25, atol=1e-12)
    assert 0.1 / 365.25 < np.abs(ours - data["linear/sec0/G"][:, 1]).max() < 0.76 / 365.25
    turn = mintpy.get_design_matrix4time_func(["20191231", "20200101"], strict=True)
    np.testing.assert_allclose(turn[1, 1], 1.25 / 365.25, atol=1e-7)


def test_missing_samples_and_undetermined_factors(golden):
    data = np.load(golden / "mintpy_timefunc.npz")
    dates, series = list(data["dates"]), data["ts"].astype(np.float64)
    G, m, e2 = mintpy.estimate_time_func({}, dates, series)
    holes = series.copy()
    holes[5, 0], holes[2:, 1] = np.nan, np.nan
    _, found, square = mintpy.estimate_time_func({}, dates, holes)
    np.testing.assert_array_equal(found[:, 2:], m[:, 2:])
    kept = np.arange(40) != 5
    expected, residual = np.linalg.lstsq(G[kept], series[kept, 0], rcond=None)[:2]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(square[0], residual[0], rtol=1e-9)
    early = {"polynomial": 1, "stepDate": ["20170101"]}  # before all dates: not told from the constant
    assert np.isnan(mintpy.estimate_time_func(early, dates, series)[1]).any()
    one = mintpy.estimate_time_func({}, dates, series[:, 3])
    assert one[1].shape == (2,)
    np.testing.assert_array_equal(one[1], m[:, 3])
    assert one[2] == e2[3]
    with pytest.raises(ArgumentError, match="not finite"):
        mintpy.estimate_time_func({}, dates, holes, strict=True)


def test_design_options():
    dates = ["20200101", "20200301", "20200801", "20210101"]
    mixed = mintpy.get_design_matrix4time_func(dates, {"stepDate": ["20200301T0600", "20200801"]})
    assert mixed[:, 2:].T.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    late = mintpy.get_design_matrix4time_func(dates, {"stepDate": ["20200301T0600"]}, seconds=7 * 3600)
    assert late[:, 2].tolist() == [0, 1, 1, 1]
    moved = mintpy.get_design_matrix4time_func(dates, {"polynomial": 2}, ref_date="20200801")
    assert moved[2].tolist() == [1, 0, 0]
    with pytest.raises(ArgumentError, match="steps: not one of polynomial"):
        mintpy.get_design_matrix4time_func(dates, {"steps": []})


# -- height error --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dates", ["all", "flag"])
@pytest.mark.parametrize("mode", ["phase", "velocity"])
@pytest.mark.parametrize("geometry", ["mean", "pixelwise"])
@pytest.mark.parametrize("name", ["poly1", "poly2", "poly3", "poly2_step", "poly1_annual"])
def test_golden_height_error(golden, name, geometry, mode, dates):
    """Displacements to 1e-9; velocities to 1e-6 m of height, since MintPy's intervals are float32."""
    data = np.load(golden / "mintpy_demerr.npz")
    key = f"{name}/{geometry}/{mode}/{dates}"
    flag = data["date_flag"] if dates == "flag" else None
    distance, angle = data["slantRangeDistance"], np.deg2rad(data["incidenceAngle_deg"])
    own = data["bperp"].astype(float)[:, None] / (distance * np.sin(angle)) if geometry == "pixelwise" else None
    G = data[f"{name}/mean/G"]
    call = (data["ts"], G, data["tbase_years"], flag, mode == "velocity")
    dz, cor, res = mintpy.estimate_dem_error(*call, G_geom=own, strict=True)
    tolerance = 1e-9 if mode == "phase" else 1e-6
    np.testing.assert_allclose(dz, data[f"{key}/dz"], atol=tolerance)
    np.testing.assert_allclose(cor, data[f"{key}/ts_cor"], atol=tolerance)
    np.testing.assert_allclose(res, data[f"{key}/ts_res"], atol=tolerance)


def test_height_error_of_holes_and_single_pixels(golden):
    data = np.load(golden / "mintpy_demerr.npz")
    G, series, tbase = data["poly2/mean/G"], data["ts"].astype(np.float64), data["tbase_years"]
    dz, _, _ = mintpy.estimate_dem_error(series, G, tbase)
    one = mintpy.estimate_dem_error(series[:, 2], G, tbase[:, None])
    assert [a.shape for a in one] == [(1,), (30, 1), (30, 1)]
    assert one[0][0] == dz[2]
    holes = series.copy()
    holes[7, 0] = np.nan
    for velocity in (False, True):
        found, corrected, _ = mintpy.estimate_dem_error(holes, G, tbase, phase_velocity=velocity)
        whole, _, _ = mintpy.estimate_dem_error(series, G, tbase, phase_velocity=velocity)
        np.testing.assert_array_equal(found[1:], whole[1:])
        assert 0 < abs(found[0] - whole[0]) < 1
        assert np.isnan(corrected[7, 0])
        assert np.isfinite(corrected[:, 0]).sum() == 29
    kept = np.arange(30) != 7
    np.testing.assert_allclose(
        mintpy.estimate_dem_error(holes, G, tbase)[0][0],
        np.linalg.lstsq(G[kept].astype(float), series[kept, 0], rcond=1e-8)[0][0],
        rtol=1e-7,
    )
    assert np.isnan(mintpy.estimate_dem_error(series, np.c_[G, G[:, 2]], tbase)[2]).all()  # a column twice
    for message, G0, options in (
        ("display", G, {"display": True}),
        ("not finite", G, {"strict": True}),
        ("ones in its second", G[:, 1:], {}),
    ):
        with pytest.raises(ArgumentError, match=message):
            mintpy.estimate_dem_error(holes, G0, tbase, **options)
    with pytest.raises(ArgumentError, match="not determined"):
        mintpy.estimate_dem_error(series, np.c_[G, G[:, 2]], tbase, cond=1e-12, sharey=False, strict=True)


# -- the package itself --------------------------------------------------------------------------------------------


def test_own_options_are_keywords():
    for name in mintpy.__all__:
        assert "strict" in own_options(getattr(mintpy, name)), name


def test_arguments_are_those_of_mintpy():
    pytest.importorskip("mintpy", reason="MintPy is not installed; its arguments cannot be compared")
    from mintpy import dem_error, ifgram_inversion
    from mintpy.simulation import decorrelation
    from mintpy.utils import time_func

    for module, names in (
        (ifgram_inversion, ["estimate_timeseries", "estimate_timeseries_cov"]),
        (decorrelation, ["coherence2weight"]),
        (dem_error, ["estimate_dem_error"]),
        (time_func, ["estimate_time_func", "get_design_matrix4time_func"]),
    ):
        for name in names:
            assert arguments(getattr(mintpy, name)) == arguments(getattr(module, name)), name
