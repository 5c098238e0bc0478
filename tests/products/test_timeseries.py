"""Series of a stack: against LAPACK, every option by what changes without it, laziness by counting."""

import tracemalloc

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.robust.inversion import ADMM, L1, Huber, solve_robust
from insarray.kernels.variance import pair_weights
from insarray.model.conventions import SOLVER_FLAGS, VARIABLES, metres_per_radian
from insarray.model.errors import ArgumentError, NetworkError, ReferencePointError, StackError
from insarray.model.network import Network
from insarray.products.series.inversion import OUTPUTS, ROBUST_OUTPUTS, Inversion, solve_block
from tests.networks import lapack, nearest
from tests.stacks import GRID, WAVELENGTH, stack_of

SCALE = metres_per_radian(WAVELENGTH)


def pixels_of(stack, series, name="displacement"):
    return series[name].values.reshape(series.sizes.get("time", 1), -1)


def test_displacement_equals_lapack_with_the_reference_subtracted():
    stack = stack_of()
    network = stack.insar.network
    series = ia.invert(stack, reference=(5, 5)).compute()
    phase = (stack.unwrapped_phase - stack.unwrapped_phase[:, 5, 5]).values.reshape(network.n_pairs, -1)
    displacement, subset = pixels_of(stack, series), pixels_of(stack, series, "network_subset")
    for p in range(0, phase.shape[1], 7):
        values, _, residual, label = lapack(network, phase[:, p])
        np.testing.assert_array_equal(subset[:, p], label)
        expected = np.where(label == 1, SCALE * values, np.nan)
        np.testing.assert_allclose(displacement[:, p], expected, atol=1e-6)
        np.testing.assert_allclose(series.residual_rms.values.ravel()[p], np.sqrt(np.nanmean(residual**2)), atol=1e-5)
    assert (series.displacement[:, 5, 5] == 0).all()
    assert series.attrs["reference_row"] == 5


def test_positive_phase_is_motion_away_and_negative_displacement():
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    phase = np.broadcast_to((network.secondary - network.reference)[:, None, None], stack.unwrapped_phase.shape)
    moving_away = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase.astype(np.float32)))
    series = ia.invert(moving_away)
    np.testing.assert_allclose(series.displacement[-1], -WAVELENGTH / (4 * np.pi) * 7, rtol=1e-6)


def test_outputs_are_those_of_the_data_model():
    series = ia.invert(stack_of(), reference=(5, 5), weights="variance")
    assert tuple(series.data_vars) == OUTPUTS
    computed = series.compute()
    for name in OUTPUTS:
        assert series[name].dims == VARIABLES[name].dims
        assert series[name].dtype == computed[name].dtype == VARIABLES[name].dtype
        assert series[name].attrs["units"] == VARIABLES[name].units
        assert series[name].attrs["grid_mapping"] == "spatial_ref"
    assert "_FillValue" not in series.network_subset.attrs
    assert series.attrs["weights"] == "variance"
    assert (computed.displacement.isel(time=0).values[computed.network_subset[0] == 1] == 0).all()
    assert series.insar.network == stack_of().insar.network


@pytest.mark.parametrize("block", [5, 8, 13, None])
def test_any_chunking_gives_the_same_bits(block):
    expected = ia.invert(stack_of(block=None), reference=(5, 5), weights="variance")
    series = ia.invert(stack_of(block=block), reference=(5, 5), weights="variance").compute()
    xr.testing.assert_identical(series, expected)


@pytest.mark.parametrize("weights", ["none", "variance", "given"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_block_makes_no_array_of_the_size_of_its_samples(weights, apart):
    """Weights are made of the coherence group by group; rows that are apart in memory are copied in strips."""
    network = nearest(30, 4)
    rng = np.random.default_rng(0)
    image = rng.random((network.n_pairs, 150, 200), np.float32)
    block = image[:, :, :160] if apart else image
    task = Inversion(network, weights, 20, None, SCALE, "nan", None)
    names = {"variance": "coherence", "given": "weights"}
    arrays = {"unwrapped_phase": block} | ({names[weights]: block} if weights in names else {})
    solve_block(task, {name: values[:, :2] for name, values in arrays.items()})  # compiles
    tracemalloc.start()
    try:
        results = solve_block(task, arrays)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outputs, pixels = sum(values.nbytes for values in results.values()), block[0].size
    strips = (2 if weights in names else 1) * 4096 * 4 * network.n_pairs if apart else 0
    scratch = 512 * 8 * 8 * network.n_pairs
    assert peak < outputs + strips + scratch + (2 * network.n_dates + 40) * pixels
    assert peak < outputs + block.nbytes


def test_nothing_is_computed_until_asked():
    stack = stack_of()
    computes = []

    def counting(dsk, keys, **kwargs):
        computes.append(1)
        return dask.get(dsk, keys, **kwargs)

    with dask.config.set(scheduler=counting):
        series = ia.invert(stack, reference=None)
        model = ia.fit(series)
        assert computes == []
        ia.invert(stack, reference=(5, 5))
        assert len(computes) == 1  # the reference's own block
        series.merge(model, combine_attrs="override").compute()
        assert len(computes) == 2


def test_one_solve_per_block_and_a_graph_of_that_size(monkeypatch):
    from insarray.products.series import inversion as timeseries

    calls = []
    solve = timeseries.solve
    monkeypatch.setattr(timeseries, "solve", lambda *a, **k: calls.append(1) or solve(*a, **k))
    stack = stack_of()
    series = ia.invert(stack, weights="variance")
    blocks = 3 * 4
    graph = dict(series.__dask_graph__())
    assert len(graph) <= blocks * (1 + len(OUTPUTS) + 2) + 10
    series.compute(scheduler="sync")
    assert len(calls) == blocks


def test_constants_travel_once():
    import cloudpickle

    series = ia.invert(stack_of(nearest(60, 3)), reference=(5, 5))
    graph = dict(series.__dask_graph__())
    tasks = [v for k, v in graph.items() if isinstance(k, tuple) and str(k[0]).startswith("solve_block")]
    assert len(tasks) == 12
    assert max(len(cloudpickle.dumps(task)) for task in tasks) < 2500


# -- options: each changes the answer as it should -----------------------------------------------------------------


def test_weights_change_the_answer_to_the_weighted_one():
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    from insarray.kernels.variance import phase_variance_cramer_rao, phase_variance_ds

    coherence = stack.coherence.values[:, 3, 4].astype(float)
    expected = {
        "none": np.ones_like(coherence),
        "coherence": coherence,
        "variance": 1 / phase_variance_ds(coherence, 20),
        "fisher": 1 / phase_variance_cramer_rao(coherence, 20),
    }
    answers = []
    for name, weight in expected.items():
        series = ia.invert(stack, weights=name).isel(y=3, x=4).compute()
        values, std, _, _ = lapack(network, stack.unwrapped_phase.values[:, 3, 4], weight)
        np.testing.assert_allclose(series.displacement, SCALE * values, atol=2e-7)
        if name in ("variance", "fisher"):
            np.testing.assert_allclose(series.displacement_std, abs(SCALE) * std, rtol=1e-4)
        answers.append(float(series.displacement[-1]))
    assert len(set(answers)) == 4


def test_std_of_unweighted_pairs_comes_from_their_residuals():
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    series = ia.invert(stack).isel(y=3, x=4).compute()
    _, std, residual, _ = lapack(network, stack.unwrapped_phase.values[:, 3, 4])
    sigma = np.sqrt((residual**2).sum() / (network.n_pairs - network.n_dates + 1))
    np.testing.assert_allclose(series.displacement_std, abs(SCALE) * sigma * std, rtol=1e-4)


def test_no_redundancy_has_no_std():
    series = ia.invert(stack_of(nearest(6, 1), missing=0.0)).compute()
    assert np.isnan(series.displacement_std).all()
    assert np.isfinite(series.displacement).all()


def test_looks_default_to_the_stack_and_can_be_given():
    stack = stack_of(missing=0.0)
    twenty = ia.invert(stack, weights="fisher").displacement_std
    five = ia.invert(stack, weights="fisher", looks=5).displacement_std
    np.testing.assert_allclose(five.values[1:], 2 * twenty.values[1:], rtol=1e-5)


def test_weights_can_be_an_array():
    stack = stack_of(missing=0.0)
    weights = (1 / (stack.coherence + 0.1)).astype(np.float32)
    series = ia.invert(stack, weights=weights).isel(y=2, x=2).compute()
    values, std, _, _ = lapack(stack.insar.network, stack.unwrapped_phase.values[:, 2, 2], weights.values[:, 2, 2])
    np.testing.assert_allclose(series.displacement, SCALE * values, atol=2e-7)
    np.testing.assert_allclose(series.displacement_std, abs(SCALE) * std, rtol=1e-5)


def gappy():
    """Second half of the image has lost every pair across the middle of the network."""
    stack = stack_of(missing=0.0)
    network = stack.insar.network
    across = xr.DataArray((network.reference <= 3) & (network.secondary > 3), dims="pair")
    right = xr.DataArray(np.arange(stack.sizes["x"]) >= 15, dims="x")
    return stack.assign(unwrapped_phase=stack.unwrapped_phase.where(~(across & right)))


def test_gap_options():
    stack = gappy()
    left, right = {"x": slice(0, 15)}, {"x": slice(15, None)}
    found = {gap: ia.invert(stack, gap=gap).compute() for gap in ("nan", "subset", "nsbas", "min_norm")}
    for series in found.values():
        np.testing.assert_array_equal(series.displacement.isel(left), found["nan"].displacement.isel(left))
        np.testing.assert_array_equal(series.network_subset.isel(right)[:, 0, 0], [1, 1, 1, 1, 2, 2, 2, 2])
        assert (series.solver_flag.isel(right) == SOLVER_FLAGS.index("dates_untied")).all()
        assert (series.solver_flag.isel(left) == SOLVER_FLAGS.index("complete")).all()
    late = {**right, "time": slice(4, None)}
    assert np.isnan(found["nan"].displacement.isel(late)).all()
    assert (found["subset"].displacement.isel(right)[4] == 0).all()
    levels = [float(found[gap].displacement.isel(right)[4, 0, 0]) for gap in ("subset", "nsbas", "min_norm")]
    assert len(set(levels)) == 3


def test_disconnected_network_is_refused_unless_told_how_to_treat_it():
    network = Network.from_pairs(["20200101_20200113", "20200125_20200206"])
    stack = stack_of(network, missing=0.0)
    with pytest.raises(NetworkError, match=r"2 unconnected pieces.*gap=subset"):
        ia.invert(stack)
    series = ia.invert(stack, gap="subset").compute()
    np.testing.assert_array_equal(series.network_subset[:, 0, 0], [1, 1, 2, 2])


def test_solver_flags():
    stack = stack_of(missing=0.0).compute()
    phase = stack.unwrapped_phase.values
    i = stack.insar.network.reference
    phase[:, 0, 0] = np.nan
    phase[0, 0, 1] = np.nan
    phase[i == 0, 0, 2] = np.nan
    series = ia.invert(stack)
    names = [SOLVER_FLAGS[k] for k in series.solver_flag.values[0, :4]]
    assert names == ["no_data", "missing_pairs", "reference_date_missing", "complete"]
    assert np.isnan(series.displacement[:, 0, 0]).all()
    assert series.solver_flag.attrs["flag_meanings"].split() == list(SOLVER_FLAGS)
    assert (series.number_of_observations.values[:, 0, 0] == 0).all()


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"norm": "l0"}, ArgumentError, "norm"),
        ({"gap": "zero"}, ArgumentError, "gap"),
        ({"weights": "best"}, ArgumentError, "weights"),
        ({"weights": "variance", "looks": 0.1}, ArgumentError, "looks"),
        ({"reference": (5, 99)}, ArgumentError, "outside 20 x 30"),
        ({"reference": "best"}, ArgumentError, "reference"),
    ],
)
def test_impossible_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        ia.invert(stack_of(), **options)


def test_what_is_missing_is_named():
    stack = stack_of()
    with pytest.raises(StackError, match="needs coherence"):
        ia.invert(stack.drop_vars("coherence"), weights="coherence")
    with pytest.raises(StackError, match="wavelength"):
        ia.invert(stack.drop_attrs(deep=False))
    with pytest.raises(ArgumentError, match="not a radar wavelength"):
        ia.invert(stack.assign_attrs(wavelength=55.5))
    with pytest.raises(StackError, match="unwrapped_phase"):
        ia.invert(stack.drop_vars("unwrapped_phase"))
    with pytest.raises(StackError, match="unwrapped_phase: holds complex numbers"):
        ia.invert(stack.assign(unwrapped_phase=stack.unwrapped_phase.astype("c8")))
    with pytest.raises(ArgumentError, match="looks"):
        ia.invert(stack.assign_attrs(looks=None), weights="variance")


def test_chunked_pairs_are_merged():
    xr.testing.assert_identical(ia.invert(stack_of().chunk(pair=5)).compute(), ia.invert(stack_of()).compute())


def test_reference_without_data_lists_the_pairs_and_offers_the_nearest():
    stack = stack_of(missing=0.0).compute()
    stack.unwrapped_phase.values[[2, 4], 5, 5] = np.nan
    with pytest.raises(
        ReferencePointError, match=r"no data in 2 of 18 pairs \(20200101_20200206, .*nearest .* row 4, column 5"
    ):
        ia.invert(stack, reference=(5, 5))
    stack.unwrapped_phase.values[0] = np.nan
    with pytest.raises(ReferencePointError, match="no pixel within"):
        ia.invert(stack, reference=(5, 5))
    with pytest.raises(ReferencePointError, match="no pixel has data in every pair"):
        ia.invert(stack, reference="auto")
    with pytest.raises(ReferencePointError, match="no pixel of rows"):
        ia.invert(stack, reference=ia.area(0, 3, 0, 3))


def test_grid_of_the_series_is_that_of_the_stack():
    assert GRID.mismatch(ia.invert(stack_of()).insar.grid) is None


# -- robust norms


def with_wrong_cycles(stack, share=0.03, seed=3):
    """The stack with whole cycles added to some samples, in memory."""
    rng = np.random.default_rng(seed)
    phase = stack.unwrapped_phase.values.copy()
    phase += (2 * np.pi * rng.choice([-1, 1], phase.shape) * (rng.random(phase.shape) < share)).astype(np.float32)
    return stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase, stack.unwrapped_phase.attrs))


@pytest.mark.parametrize(
    ("norm", "options", "method"),
    [
        ("l1", {}, L1()),
        ("l1", {"tolerance": 1e-6}, L1(tolerance=1e-6)),
        ("l1", {"max_iterations": 2}, L1(max_iterations=2)),
        ("l1", {"rho": 1.5}, ADMM(rho=1.5)),
        ("l1", {"alpha": 1.5, "iterations": 9}, ADMM(alpha=1.5, iterations=9)),
        ("huber", {}, Huber()),
        ("huber", {"threshold": 2.0, "tolerance": 1e-6, "max_iterations": 900}, Huber(2.0, 1e-6, 900)),
    ],
)
@pytest.mark.parametrize("weights", ["none", "variance", "given"])
def test_robust_norms_are_the_kernels_with_the_options_given(norm, options, method, weights):
    stack = with_wrong_cycles(stack_of(block=None))
    network = stack.insar.network
    given = stack.coherence * 3 if weights == "given" else weights
    series = ia.invert(stack, norm=norm, reference=(5, 5), weights=given, **options)
    inverse_variances = {
        "none": None,
        "variance": pair_weights(stack.coherence.values.reshape(network.n_pairs, -1), "variance", 20),
        "given": (stack.coherence.values * np.float32(3)).reshape(network.n_pairs, -1),
    }[weights]
    if weights == "given" and norm == "l1":
        inverse_variances = inverse_variances.astype(np.float64) ** 2
    solution, certificate = solve_robust(
        stack.unwrapped_phase.values.reshape(network.n_pairs, -1),
        plan_elimination(network.pairs, network.n_dates),
        method,
        inverse_variances,
        reference=stack.unwrapped_phase.values[:, 5, 5],
        scale=SCALE,
        std=True,
    )
    tied = pixels_of(stack, series, "network_subset") == 1
    np.testing.assert_array_equal(pixels_of(stack, series)[tied], solution.phase[tied])
    std = solution.std * (certificate.scale if weights == "none" else 1.0)
    np.testing.assert_allclose(pixels_of(stack, series, "displacement_std")[tied], std[tied], rtol=1e-6)
    np.testing.assert_array_equal(series.duality_gap.values.ravel(), certificate.gap)
    np.testing.assert_array_equal(series.number_of_iterations.values.ravel(), certificate.iterations)
    given_up = series.solver_flag.values.ravel() == SOLVER_FLAGS.index("not_converged")
    np.testing.assert_array_equal(given_up, ~certificate.reached & (solution.used > 0))
    assert given_up.any() == (options.get("max_iterations") == 2)
    assert series.attrs["norm"] == norm
    assert all(series.attrs[f"norm_{name}"] == value for name, value in options.items())


def test_robust_norms_are_lazy_and_independent_of_chunks():
    expected = ia.invert(with_wrong_cycles(stack_of(block=None)), norm="l1", reference=(5, 5), weights="variance")
    stack = with_wrong_cycles(stack_of(block=7)).chunk({"pair": -1, "y": 7, "x": 7})
    series = ia.invert(stack, norm="l1", reference=(5, 5), weights="variance")
    assert dask.is_dask_collection(series.displacement.data)
    xr.testing.assert_identical(series.compute(), expected)
    assert tuple(series.data_vars) == OUTPUTS + ROBUST_OUTPUTS


def test_wrong_cycles_hurt_l1_and_huber_less():
    clean = stack_of(nearest(12, 4), missing=0.0, block=None)
    dirty = with_wrong_cycles(clean, share=0.02)
    truth = ia.invert(clean, reference=(5, 5)).displacement
    error = {
        norm: float(np.sqrt(((ia.invert(dirty, norm=norm, reference=(5, 5)).displacement - truth) ** 2).mean()))
        for norm in ("l2", "l1", "huber")
    }
    assert error["l1"] < 0.6 * error["l2"]
    assert error["huber"] < 0.6 * error["l2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "l3"}, "norm: 'l3' is not one of l2, l1, huber"),
        ({"tolerance": 0.1}, "tolerance: not an option of norm=l2, which has none"),
        ({"norm": "l1", "threshold": 2.0}, "threshold: not an option of norm=l1, which has tolerance"),
        ({"norm": "l1", "rho": 1.0, "tolerance": 0.1}, "tolerance, rho: not an option of norm=l1"),
        ({"norm": "huber", "rho": 1.0}, "rho: not an option of norm=huber"),
        ({"norm": "l1", "tolerance": -1.0}, "tolerance: -1.0 is not between"),
    ],
)
def test_options_of_another_norm_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        ia.invert(stack_of(), **options)
