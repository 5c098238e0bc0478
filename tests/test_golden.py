"""The peers' numeric answers: matched where the peer is right; where it is wrong, the right answer is stated."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.network.gaps import close_gaps
from insarray.kernels.robust.inversion import ADMM, L1, solve_robust
from insarray.kernels.timefit.least_squares import fit_terms
from insarray.kernels.variance import pair_weights, phase_variance_cramer_rao, phase_variance_ds
from insarray.model.network import Network
from insarray.model.time_model import TimeModel
from insarray.products.stacks.reference import choose_pixel
from tests.networks import lapack


def network_of(date12):
    """Network of MintPy's names; reversed pairs are turned round, with the sign that their phase then needs."""
    ends = [name.split("_") for name in date12]
    sign = np.array([1 if a < b else -1 for a, b in ends])
    return Network.from_pairs([tuple(sorted(pair)) for pair in ends]), sign


def mintpy_like(phase, network, weights=None, *, gap="min_norm"):
    solution = solve(phase, plan_elimination(network.pairs, network.n_dates), weights, std=True, dtype=np.float64)
    close_gaps(solution.phase, solution.std, solution.label, network.years, gap)
    return solution


# -- MintPy's numeric core -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", ["no", "var", "fim", "coh"])
@pytest.mark.parametrize("case", ["clean", "nan", "zero"])
def test_mintpy_inversion(golden, case, weight):
    """All pixels that MintPy inverts, and in which it asks for all dates: to 2e-5 rad, coherence to 2e-6."""
    data = np.load(golden / "mintpy_inversion.npz")
    network, sign = network_of(data["date12"])
    phase = data[f"y/{case}"] * sign[:, None].astype(np.float32)
    if case == "zero":
        phase = np.where(phase == 0, np.nan, phase)
    weights = None if weight == "no" else data[f"weight_sqrt/{weight}"].astype(float) ** 2
    solution = mintpy_like(phase, network, weights)
    for norm in ("minNormVelocity", "minNormPhase"):
        key = f"{case}/{weight}/{norm}"
        inverted = data[f"{key}/numObs"] > 0
        tied = (solution.label == 1).all(axis=0)
        both = inverted & (tied | (norm == "minNormVelocity"))
        assert both.sum() >= (24 if case == "clean" else 10)
        np.testing.assert_allclose(solution.phase[:, both], data[f"{key}/ts"][:, both], atol=2e-5)
        np.testing.assert_allclose(solution.temporal_coherence[both], data[f"{key}/temporalCoherence"][both], atol=2e-6)
        np.testing.assert_array_equal(solution.used[both], data[f"{key}/numObs"][both])


def test_where_mintpy_says_zero_or_does_not_notice(golden):
    """The special pixels of the NaN case, by our default: what was not observed or not tied is NaN and labelled."""
    data = np.load(golden / "mintpy_inversion.npz")
    network, _ = network_of(data["date12"])
    phase = data["y/nan"]
    solution = mintpy_like(phase, network, gap="nan")
    theirs = data["nan/no/minNormVelocity/ts"]
    assert np.isnan(solution.phase[:, 0]).all()  # no data at all: zeros there
    assert (theirs[:, 0] == 0).all()
    assert np.isnan(solution.phase[:, 2]).all()  # first date lost: a wrong constant on all dates there
    assert solution.label[:3, 2].tolist() == [0, 2, 2]
    assert theirs[1, 2] == 0
    for pixel, lost in ((3, network.n_dates - 1), (4, None)):  # one date lost: the whole pixel is zero there
        values, _, _, label = lapack(network, phase[:, pixel])
        lost = int(np.flatnonzero(label == 0)[0]) if lost is None else lost
        assert (theirs[:, pixel] == 0).all()
        assert np.flatnonzero(np.isnan(solution.phase[:, pixel])).tolist() == [lost]
        np.testing.assert_allclose(solution.phase[:, pixel], values, atol=1e-9)
    assert solution.label[:, 5].tolist() == [1] * 7 + [2] * 8  # network cut between dates 6 and 7
    np.testing.assert_array_equal(np.isnan(solution.phase[:, 5]), np.arange(15) > 6)


@pytest.mark.parametrize("case", ["two_subsets", "interleaved", "three_subsets", "single_ref_middle", "reversed_pairs"])
@pytest.mark.parametrize("weight", ["no", "var"])
def test_mintpy_rank_deficient(golden, case, weight):
    data = np.load(golden / "mintpy_rankdef.npz")
    network, sign = network_of(data[f"{case}/date12"])
    phase = data[f"{case}/y"] * sign[:, None].astype(np.float32)
    weights = None if weight == "no" else data[f"{case}/weight_sqrt"].astype(float) ** 2
    least_velocity = mintpy_like(phase, network, weights)
    key = f"{case}/{weight}/minNormVelocity"
    np.testing.assert_allclose(least_velocity.phase, data[f"{key}/ts"], atol=2e-5)
    # |mean exp(j r)| depends on the direction in which a pair is taken; ours is always from earlier to later
    series = least_velocity.phase
    residual = sign[:, None] * (phase - (series[network.secondary] - series[network.reference]))
    quality = np.abs(np.exp(1j * residual).mean(axis=0))
    np.testing.assert_allclose(quality, data[f"{key}/temporalCoherence"], atol=2e-6)
    if (sign > 0).all():
        np.testing.assert_allclose(least_velocity.temporal_coherence, quality, atol=1e-9)
    if case == "single_ref_middle":
        return  # full rank; MintPy's minimum-norm phase writes the dates in the wrong order here
    np.testing.assert_allclose(
        least_phase(mintpy_like(phase, network, weights, gap="subset")),
        data[f"{case}/{weight}/minNormPhase/ts"],
        atol=2e-5,
    )


def least_phase(solution):
    """Pieces moved to where the sum of their squared phases is least: what a pseudo-inverse of the phases gives."""
    phase = np.nan_to_num(solution.phase)
    for piece in range(2, solution.label.max() + 1):
        dates = solution.label == piece
        mean = np.where(dates, phase, 0).sum(axis=0) / np.maximum(dates.sum(axis=0), 1)
        phase = np.where(dates, phase - mean, phase)
    return phase


def test_mintpy_weights(golden):
    data = np.load(golden / "mintpy_weights.npz")
    coherence = data["coherence"].astype(np.float32)
    inside = (coherence >= 0.05) & (coherence <= 0.999)
    for looks in (1, 2, 5, 20, 38, 75, 80, 200):
        fisher = pair_weights(coherence, "fisher", looks)
        np.testing.assert_allclose(fisher[inside], data[f"fim/L{looks}/weight"][inside], rtol=2e-6)
        plain = pair_weights(coherence, "coherence", None)
        np.testing.assert_allclose(plain[inside], data[f"coh/L{looks}/weight"][inside], rtol=2e-6)
        assert np.isnan(fisher[np.isnan(coherence)]).all()  # no coherence, no weight; a 0.05 there
    # the table of 200 bins is 1 % off at 0.7, 8-9 % at 0.97, and caps the looks at 80: here the integral is right
    for looks in (5, 20, 38, 80):
        middle = (coherence > 0.3) & (coherence < 0.9)
        exact = 1 / phase_variance_ds(coherence[middle].astype(float), looks)
        np.testing.assert_allclose(pair_weights(coherence[middle], "variance", looks), exact, rtol=1e-5)
        np.testing.assert_allclose(data[f"var/L{looks}/weight"][middle], exact, rtol=0.05)
    high = np.array([0.97], np.float32)
    np.testing.assert_allclose(
        pair_weights(high, "variance", 200), 1 / phase_variance_cramer_rao(high.astype(float), 200), rtol=0.01
    )


# -- dolphin's numeric core ----------------------------------------------------------------------------------------


def dolphin_case(golden, name):
    data = np.load(golden / f"{name}.npz")
    days = np.datetime64("2020-01-01") + np.arange(int(data["pairs"].max()) + 1)
    network = Network.from_pairs([(days[i], days[j]) for i, j in data["pairs"]])
    np.testing.assert_array_equal(network.pairs, data["pairs"])
    return data, network, plan_elimination(network.pairs, network.n_dates)


def flat(array):
    return array.reshape(len(array), -1)


def test_dolphin_l2_unweighted(golden):
    data, network, plan = dolphin_case(golden, "dolphin_l2_unweighted")
    solution = solve(flat(data["dphi"]), plan, dtype=np.float64)
    np.testing.assert_allclose(solution.phase[1:], flat(data["phase_f64"]), atol=1e-9)
    np.testing.assert_allclose(solution.weighted_square, data["residual_ssr_f64"].ravel(), rtol=1e-9)
    np.testing.assert_allclose(
        solution.residual_rms, np.sqrt(data["residual_ssr_f64"].ravel() / network.n_pairs), rtol=1e-9
    )


def test_dolphin_l2_weighted(golden):
    data, _, plan = dolphin_case(golden, "dolphin_l2_weighted")
    solution = solve(flat(data["dphi"]), plan, flat(data["weights"]), dtype=np.float64)
    np.testing.assert_allclose(solution.phase[1:], flat(data["phase_f64"]), atol=1e-9)
    np.testing.assert_allclose(solution.weighted_square, data["weighted_ssr_f64"].ravel(), rtol=1e-9)


def test_dolphin_l2_censored(golden):
    """Full-rank pixels match; the three others are garbage there and labelled here."""
    data, network, plan = dolphin_case(golden, "dolphin_l2_censored")
    phase = np.where(data["valid_flags"], data["dphi"], np.nan).astype(np.float32)
    solution = solve(flat(phase), plan, dtype=np.float64)
    full = data["rank"].ravel() == 11
    assert full.sum() == 317
    np.testing.assert_allclose(solution.phase[1:, full], flat(data["phase_f64"])[:, full], atol=1e-9)
    label = solution.label.reshape(network.n_dates, 16, 20)
    assert (label[:, full.reshape(16, 20)] == 1).all()
    assert label[5, 0, 19] == 0  # a date without a pair
    assert set(label[:, 1, 19]) == {1, 2}  # a split network
    assert (label[:, 2, 19] == 0).all()  # nothing at all


def test_dolphin_rank_deficient(golden):
    data, network, plan = dolphin_case(golden, "dolphin_rank_deficient")
    solution = solve(flat(data["dphi"]), plan, dtype=np.float64)
    np.testing.assert_allclose(least_phase(solution)[1:], flat(data["l2_phase_f64"]), atol=1e-9)
    assert network.n_components == 2


def absolute_misfit(network, phase, series):
    return np.abs(phase - (series[network.secondary] - series[network.reference])).sum(axis=0)


def test_dolphin_l1_one_wrong_cycle_a_pixel(golden):
    """Truth to 1e-5 rad (dolphin itself: 8.4e-3), and dolphin's own steps reproduced."""
    data, _, plan = dolphin_case(golden, "dolphin_l1_congruence")
    solution, _ = solve_robust(flat(data["dphi"]), plan, L1(tolerance=1e-7), dtype=np.float64)
    np.testing.assert_allclose(solution.phase[1:], flat(data["truth"]), atol=1e-5)
    steps, _ = solve_robust(flat(data["dphi"]), plan, ADMM(), dtype=np.float64)
    np.testing.assert_allclose(steps.phase[1:], flat(data["phase_f64"]), atol=1e-9)


def test_dolphin_l1_noisy(golden):
    """At most 1.001 of the linear program's objective (dolphin: up to 1.216); its own steps reproduced."""
    data, network, plan = dolphin_case(golden, "dolphin_l1_noisy")
    phase, best = flat(data["dphi"]), data["exact_lp_objective"].ravel()
    solution, certificate = solve_robust(phase, plan, L1(), dtype=np.float64)
    reached = absolute_misfit(network, phase.astype(np.float64), solution.phase)
    assert (reached <= 1.001 * best).all()
    assert (best >= reached * (1 - certificate.gap.astype(np.float64)) - 1e-5).all()
    steps, honest = solve_robust(phase, plan, ADMM(), dtype=np.float64)
    np.testing.assert_allclose(steps.phase[1:], flat(data["phase_f64"]), atol=1e-9)
    theirs = absolute_misfit(network, phase.astype(np.float64), steps.phase)
    assert (theirs / best).max() > 1.2
    assert (best >= theirs * (1 - honest.gap.astype(np.float64)) - 1e-5).all()


def test_dolphin_l1_of_many_pixels(golden):
    data, network, plan = dolphin_case(golden, "dolphin_block30")
    phase = flat(data["dphi"])
    steps, _ = solve_robust(phase, plan, ADMM(), dtype=np.float64)
    np.testing.assert_allclose(steps.phase[1:], flat(data["l1_phase_f64"]), atol=1e-9)
    solution, _ = solve_robust(phase, plan, L1(), dtype=np.float64)
    ours = absolute_misfit(network, phase.astype(np.float64), solution.phase)
    assert (ours <= 1.001 * data["l1_residual_f64"].ravel()).all()


def test_dolphin_files_to_displacement_and_velocity(golden, tmp_path):
    data = np.load(golden / "dolphin_file_level.npz")
    dates = [str(d).replace("-", "") for d in data["dates"]]
    folder = tmp_path / "unwrapped"
    folder.mkdir()
    for k, (i, j) in enumerate(data["pairs"]):
        for suffix, values, nodata in (("unw", data["unw"][k], np.nan), ("unw.conncomp", data["conncomp"][k], None)):
            profile = {
                "driver": "GTiff",
                "height": 20,
                "width": 24,
                "count": 1,
                "dtype": values.dtype,
                "nodata": nodata,
            }
            profile |= {"crs": "EPSG:32611", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)}
            with rasterio.open(folder / f"{dates[i]}_{dates[j]}.{suffix}.tif", "w", **profile) as file:
                file.write(values, 1)
    stack = ia.open_stack(
        str(folder / "*.unw.tif"), components=str(folder / "*.conncomp.tif"), wavelength=float(data["wavelength"])
    )
    row, col = (int(v) for v in data["reference_row_col"])
    assert choose_pixel(data["conncomp_intersection"] > 0, data["quality"], 0.95) == (row, col)
    series = ia.invert(stack, reference=(row, col)).compute()
    theirs = data["L2_displacement_m_f32"]
    complete = np.isfinite(data["unw"]).all(axis=0)
    np.testing.assert_allclose(series.displacement.values[1:, complete], theirs[:, complete], atol=1e-6)
    sums = series.residual_rms.values[complete] ** 2 * len(data["pairs"])
    np.testing.assert_allclose(sums, data["L2_residual_sum_f32"][complete], atol=1e-4)
    published = ia.invert(stack, norm="l1", iterations=20, reference=(row, col))
    theirs_l1 = data["L1_displacement_m_f32"][:, complete]
    np.testing.assert_allclose(published.displacement.values[1:, complete], theirs_l1, atol=2e-6)
    later_dates = ia.fit(series.isel(time=slice(1, None)))  # dolphin leaves the zero at the first date out
    np.testing.assert_allclose(later_dates.velocity.values[complete], data["L2_velocity_f32"][complete], atol=2e-6)
    # one missing pair blanks the pixel there; here its other 17 pairs determine it
    assert not np.isfinite(theirs[:, 3, 3]).any()
    phase = stack.unwrapped_phase.values
    values, *_ = lapack(stack.insar.network, phase[:, 3, 3] - phase[:, row, col])
    scale = -float(data["wavelength"]) / (4 * np.pi)
    np.testing.assert_allclose(series.displacement.values[:, 3, 3], scale * values, atol=1e-7)
    # connected components that are given are used: counts are those of non-zero labels
    masked = ia.invert(ia.mask(stack, mask_components=True), reference=(row, col))
    counts = masked.number_of_observations.values
    np.testing.assert_array_equal(counts[:, complete], data["nonzero_conncomp_counts"][:, complete])


# -- MintPy's files ------------------------------------------------------------------------------------------------


def hdf5(path, name=None):
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort", decode_cf=False) as file:
        return file[name or next(iter(file.data_vars))].values


def test_mintpy_stack_unweighted(golden):
    """Where MintPy is right: to 1e-6 m. The pixels it loses or shifts are determined or flagged here."""
    folder = golden / "mintpy_stack"
    stack = ia.open_stack(str(folder / "inputs/ifgramStack.h5"))
    series = ia.invert(stack, reference=(40, 60)).compute()
    ours, theirs = series.displacement.values, hdf5(folder / "out/no/timeseries.h5", "timeseries")
    number, quality = (hdf5(folder / f"out/no/{name}.h5") for name in ("numInvIfgram", "temporalCoherence"))
    shifted = np.zeros(number.shape, bool)
    shifted[96:108, 0:12] = True  # no pair with the first date
    right = (number > 0) & ~shifted
    right[40, 60] = False
    assert right.sum() == 16_186
    np.testing.assert_allclose(ours[:, right], theirs[:, right], atol=1e-6)
    np.testing.assert_allclose(series.temporal_coherence.values[right], quality[right], atol=2e-6)
    # 144 pixels without a pair with the first date: a wrong constant there, flagged and NaN here
    assert (series.solver_flag.values[shifted] == 4).all()
    assert np.isnan(ours[:, shifted]).all()
    assert (theirs[1][shifted] == 0).all()
    apart = ia.invert(stack, reference=(40, 60), gap="subset").displacement.values[:, shifted]
    np.testing.assert_allclose(apart[2:] - apart[1], (theirs[2:] - theirs[1])[:, shifted], atol=1e-6)
    # 1,040 pixels that lost two dates: all zero there, 18 dates of them here
    lost = series.solver_flag.values == 3
    assert lost.sum() == 1_040
    assert (theirs[:, lost] == 0).all()
    assert (np.isfinite(ours[:, lost]).sum(axis=0) == 18).all()
    truth = np.load(folder / "truth.npz")
    assert np.isnan(ours[:, truth["water"].astype(bool)]).all()
    assert (ours[:, 40, 60] == 0).all()


def mintpy_table_weights(golden, stack):
    """Variance weights by MintPy's table of 200 bins, here as nearest bin."""
    table = np.load(golden / "mintpy_weights.npz")["var/L38/weight"]  # looks 38.7; a common factor does not matter
    grid = np.nan_to_num(np.clip(stack.coherence.values, 0.05, 1.0), nan=0.05)
    weights = table[np.floor(grid * 200 + 0.5).astype(int)]
    return xr.DataArray(np.where(np.isnan(stack.unwrapped_phase.values), np.nan, weights), dims=("pair", "y", "x"))


@pytest.mark.parametrize(("case", "weights"), [("fim", "fisher"), ("coh", "coherence")])
def test_mintpy_stack_weighted(golden, case, weights):
    folder = golden / "mintpy_stack"
    stack = ia.open_stack(str(folder / "inputs/ifgramStack.h5"))
    series = ia.invert(stack, reference=(40, 60), weights=weights).compute()
    quality, number = (hdf5(folder / f"out/{case}/{name}.h5") for name in ("temporalCoherence", "numInvIfgram"))
    right = mintpy_right(number)
    np.testing.assert_allclose(series.temporal_coherence.values[right], quality[right], atol=2e-5)


def mintpy_right(number, reference=(40, 60)):
    """Pixels that MintPy inverts rightly: not those without a pair with the first date, nor the reference."""
    right = number > 0
    right[reference] = False
    if number.shape == (120, 160):
        right[96:108, 0:12] = False
    return right


@pytest.mark.parametrize(
    ("folder", "case", "reference", "neighbours"),
    [(".", "out/var", (40, 60), 3), (".", "out/var_dropped_conn2", (40, 60), 2), ("geo", "out", (10, 20), 3)],
)
def test_mintpy_stack_with_variance_weights(golden, folder, case, reference, neighbours):
    """With the weights of its table MintPy's series; with the exact ones 0.05 mm rms apart."""
    root = golden / "mintpy_stack" / folder
    stack = ia.select_pairs(ia.open_stack(str(root / "inputs/ifgramStack.h5")), max_neighbours=neighbours)
    theirs, number = hdf5(root / case / "timeseries.h5", "timeseries"), hdf5(root / case / "numInvIfgram.h5")
    right = mintpy_right(number, reference)
    same = ia.invert(stack, reference=reference, weights=mintpy_table_weights(golden, stack))
    difference = np.abs(same.displacement.values - theirs)[:, right]
    assert np.mean(difference < 4e-6) > 0.9995  # the rest is at the edges of bins, where rounding decides
    assert difference.max() < 1e-4
    exact = ia.invert(stack, reference=reference, weights="variance")
    assert 0 < np.sqrt(np.mean((exact.displacement.values - theirs)[:, right] ** 2)) < 5e-5


def test_mintpy_stack_masked_by_components(golden):
    folder = golden / "mintpy_stack"
    stack = ia.mask(ia.open_stack(str(folder / "inputs/ifgramStack.h5")), mask_components=True)
    series = ia.invert(stack, reference=(40, 60)).compute()
    theirs = hdf5(folder / "out/no_minNormPhase_ccmask/timeseries.h5", "timeseries")
    number = hdf5(folder / "out/no_minNormPhase_ccmask/numInvIfgram.h5")
    tied = (series.network_subset == 1).all("time").values & (number > 0)
    tied[40, 60] = False
    assert tied.sum() > 15_000
    np.testing.assert_allclose(series.displacement.values[:, tied], theirs[:, tied], atol=1e-6)
    used = series.number_of_observations.values.sum(axis=0) // 2
    np.testing.assert_array_equal(used[tied], number[tied])


def test_mintpy_stack_masked_by_coherence(golden):
    folder = golden / "mintpy_stack"
    stack = ia.mask(ia.open_stack(str(folder / "inputs/ifgramStack.h5")), min_coherence=0.4)
    series = ia.invert(stack, reference=(40, 60), weights="fisher")
    number = hdf5(folder / "out/var_cohmask04/numInvIfgram.h5")
    used = series.number_of_observations.values.sum(axis=0) // 2
    inverted = number > 0
    inverted[40, 60] = False
    np.testing.assert_array_equal(used[inverted], number[inverted])


def test_mintpy_stack_island_jumps_are_corrected(golden):
    """Bridging decides all but two of the ten wrong pairs, closure the rest; nothing else is touched."""
    folder = golden / "mintpy_stack"
    stack, truth = ia.open_stack(str(folder / "inputs/ifgramStack.h5")).load(), np.load(folder / "truth.npz")
    wrong = truth["island_jump"][:, None, None] * truth["island"][None].astype(int)
    observed = np.isfinite(stack.unwrapped_phase.values)
    first = ia.correct_unwrapping(stack, method="bridging")
    both = ia.correct_unwrapping(first, method="pixel", phase="corrected_phase", reference=(40, 60))
    before, middle, after = (
        np.mean((wrong + added)[observed & truth["island"]] != 0)
        for added in (0, first.unwrapping_cycles.values, both.unwrapping_cycles.values)
    )
    assert before > 0.18
    assert middle < 0.04
    assert after < 1e-3
    assert not both.unwrapping_cycles.values[observed & ~truth["island"]].any()
    closure_alone = ia.correct_unwrapping(stack, method="component", reference=(40, 60)).unwrapping_cycles.values
    assert np.mean((wrong + closure_alone)[observed & truth["island"]] != 0) < 0.06
    assert not closure_alone[observed & ~truth["island"]].any()


@pytest.mark.parametrize(
    "name",
    [
        "linear",
        "constant_annual",
        "quadratic",
        "cubic",
        "linear_annual",
        "linear_annual_semi",
        "linear_p0.7",
        "linear_step",
        "linear_step_between",
        "polyline",
        "linear_exp",
        "linear_exp2",
        "linear_log",
        "all",
    ],
)
def test_mintpy_time_functions(golden, name):
    """Least squares of MintPy's own columns; ours differ by its clock (year + day of year / 365.25) and a step on a date.

    MintPy counts an acquisition at the very time of a step as before it, we as after.
    """
    data = np.load(golden / "mintpy_timefunc.npz")
    spec = json.loads(str(data["models_json"]))[name]
    theirs = fit_terms(data["ts"], data[f"{name}/sec0/G"][:, 1:].astype(np.float64))
    scale = np.abs(data[f"{name}/sec0/m"][1:]).max()
    np.testing.assert_allclose(theirs.terms, data[f"{name}/sec0/m"][1:], atol=1e-5 * max(scale, 0.1))
    np.testing.assert_allclose(theirs.std, data[f"{name}/sec0/std_residue"][1:], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(theirs.square, data[f"{name}/sec0/e2"], rtol=1e-4)
    times = np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in data["dates"]], "datetime64[ns]")
    model = TimeModel(
        spec["polynomial"],
        tuple(spec["periodic"]),
        tuple(step if "T" in step else f"{step}T0001" for step in spec["stepDate"]),
        tuple(spec["polyline"]),
        tuple((event, float(days)) for event, several in spec["exp"].items() for days in several),
        tuple((event, float(days)) for event, several in spec["log"].items() for days in several),
    )
    np.testing.assert_allclose(model.design(times, times[0]), data[f"{name}/sec0/G"][:, 1:], atol=1e-2)
    ours = fit_terms(data["ts"], model.design(times, times[0]))
    assert (np.abs(ours.terms - theirs.terms) < 0.1 * theirs.std).all()


def test_mintpy_geocoded_velocity(golden):
    """MintPy counts years by calendar year (up to 0.75 day off), so velocities agree to a few parts in a thousand."""
    folder = golden / "mintpy_stack/geo"
    stack = ia.open_stack(str(folder / "inputs/ifgramStack.h5"))
    assert stack.insar.grid.crs is not None
    series = ia.invert(stack, reference=(10, 20)).compute()
    theirs, velocity = hdf5(folder / "out/timeseries.h5", "timeseries"), hdf5(folder / "out/velocity.h5", "velocity")
    right = mintpy_right(hdf5(folder / "out/numInvIfgram.h5"), (10, 20))
    own = ia.fit(series.assign(displacement=(series.displacement.dims, theirs)))
    np.testing.assert_allclose(own.velocity.values[right], velocity[right], rtol=5e-3, atol=5e-5)
