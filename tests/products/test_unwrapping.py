"""Correction of unwrapping errors: known errors, never worse in any component, lazily, never in place."""

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import UNWRAPPING_FLAGS, VARIABLES
from insarray.model.errors import ArgumentError, NetworkError, StackError
from insarray.model.grid import Grid
from tests.networks import nearest
from tests.stacks import stack_of

GRID = Grid(48, 64, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")
REFERENCE = (20, 10)


def islands(*, share=0.1, block=24, seed=0, noise=0.1):
    """A smooth stack of two components with a river between; the right one has whole cycles too many in some pairs.

    Returns the stack and the cycles in it, (pair, y, x).
    """
    network = nearest(12, 3)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :64] / 64
    truth = np.cumsum(rng.normal(size=(12, 1, 1)) * x + rng.normal(size=(12, 1, 1)) * y, axis=0)
    phase = truth[network.secondary] - truth[network.reference] + noise * rng.normal(size=(network.n_pairs, 48, 64))
    labels = np.ones(phase.shape, np.uint16)
    labels[:, :, 38:] = 2
    labels[:, :, 34:38] = 0
    wrong = rng.choice([-1, 1], network.n_pairs) * (rng.random(network.n_pairs) < share)
    cycles = np.where(labels == 2, wrong[:, None, None], 0)
    phase[labels == 0] = np.nan
    stack = stack_of(network, grid=GRID, block=None)
    stack = stack.assign(
        unwrapped_phase=(stack.unwrapped_phase.dims, (phase + 2 * np.pi * cycles).astype(np.float32)),
        connected_component_labels=(stack.unwrapped_phase.dims, labels),
    )
    if block is not None:
        stack = stack.chunk({"pair": -1, "y": block, "x": block}).assign_coords(stack.coords)
    return stack, cycles


def wrong_samples(stack, cycles, corrected=None):
    """Part of the samples with wrong cycles in each component."""
    left = cycles if corrected is None else cycles + corrected.unwrapping_cycles.values
    labels = stack.connected_component_labels.values
    return {label: float((left[labels == label] != 0).mean()) for label in (1, 2)}


@pytest.mark.parametrize("method", ["pixel", "component", "bridging"])
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_a_component_are_corrected_and_nothing_gets_worse(method, seed):
    stack, cycles = islands(seed=seed)
    corrected = ia.correct_unwrapping(stack, method=method, reference=REFERENCE).compute()
    before, after = wrong_samples(stack, cycles), wrong_samples(stack, cycles, corrected)
    assert before[2] > 0
    assert after[1] == before[1] == 0.0
    assert after[2] <= 0.25 * before[2]
    added = 2 * np.pi * corrected.unwrapping_cycles
    change = corrected.corrected_phase - stack.unwrapped_phase
    xr.testing.assert_allclose(change.where(change.notnull(), 0), added.where(change.notnull(), 0), atol=1e-5)
    np.testing.assert_array_equal(np.isnan(corrected.corrected_phase), np.isnan(stack.unwrapped_phase))
    flag = corrected.unwrapping_flag.values
    assert (flag[:, 34:38] == UNWRAPPING_FLAGS.index("no_data")).all()
    touched = (corrected.unwrapping_cycles != 0).any("pair").values
    np.testing.assert_array_equal(touched, flag == UNWRAPPING_FLAGS.index("corrected"))


def test_series_of_the_corrected_phase_is_that_without_errors():
    stack, cycles = islands(block=None)
    clean = stack.assign(
        unwrapped_phase=(stack.unwrapped_phase - 2 * np.pi * xr.DataArray(cycles, dims=("pair", "y", "x"))).astype("f4")
    )
    corrected = ia.correct_unwrapping(stack, method="component", reference=REFERENCE)
    ours = ia.invert(corrected, phase="corrected_phase", reference=REFERENCE)
    expected = ia.invert(clean, reference=REFERENCE)
    np.testing.assert_allclose(ours.displacement, expected.displacement, atol=1e-7)
    assert float(abs(ia.invert(corrected, reference=REFERENCE).displacement - expected.displacement).max()) > 1e-3
    assert ours.attrs["unwrapping_correction"] == "component"
    xr.testing.assert_equal(corrected.unwrapped_phase, stack.unwrapped_phase)


def test_one_correction_goes_on_where_another_has_stopped():
    stack, cycles = islands()
    first = ia.correct_unwrapping(stack, method="bridging")
    broken = first.assign(
        corrected_phase=first.corrected_phase.compute()
        + 2 * np.pi * (np.arange(stack.sizes["pair"]) == 4)[:, None, None].astype("f4")
    )
    both = ia.correct_unwrapping(broken, method="pixel", phase="corrected_phase", reference=None).compute()
    added = (both.unwrapping_cycles - first.unwrapping_cycles.compute()).values
    observed = np.isfinite(stack.unwrapped_phase.values[4])
    assert (added[4][observed] == -1).all()
    assert not added[np.arange(len(added)) != 4].any()
    assert both.attrs["unwrapping_correction"] == "bridging, pixel"
    assert wrong_samples(stack, cycles, first)[2] == 0.0


class Counting:
    """Scheduler that counts how often it is asked."""

    def __init__(self):
        self.count = 0

    def __call__(self, dsk, keys, **options):
        self.count += 1
        return dask.get(dsk, keys, **options)


def test_pixel_is_lazy_and_the_others_read_once_and_chunks_do_not_matter():
    for method in ("pixel", "component", "bridging"):
        whole, _ = islands(block=None)
        expected = ia.correct_unwrapping(whole, method=method, reference=REFERENCE)
        for block in (13, 24):
            stack, _ = islands(block=block)
            counting = Counting()
            with dask.config.set(scheduler=counting):
                lazy = ia.correct_unwrapping(stack, method=method, reference=REFERENCE)
            assert counting.count == {"pixel": 1, "component": 2, "bridging": 1}[method]  # the reference is one of them
            assert dask.is_dask_collection(lazy.corrected_phase.data)
            xr.testing.assert_identical(lazy.compute(), expected)
    for name in ("corrected_phase", "unwrapping_cycles", "unwrapping_flag"):
        assert expected[name].dtype == VARIABLES[name].dtype
        assert expected[name].attrs["units"] == VARIABLES[name].units


def test_ambiguous_pixels_are_left_alone_and_flagged():
    stack, _ = islands(share=0.0, block=None)
    phase = stack.unwrapped_phase.values.copy()
    network = stack.insar.network
    phase[:, 5, 5] += np.random.default_rng(0).normal(0, 2.0, len(phase))  # noise, not cycles
    phase[network.secondary - network.reference > 1, 6, 6] = np.nan  # no loop
    stack = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase))
    corrected = ia.correct_unwrapping(stack, reference=REFERENCE)
    flags = [UNWRAPPING_FLAGS[k] for k in corrected.unwrapping_flag.values[[5, 6, 7], [5, 6, 7]]]
    assert flags == ["ambiguous", "no_loops", "closed"]
    network, series = stack.insar.network, ia.invert(stack, norm="l1", reference=REFERENCE)
    residual = ia.residuals(stack, series).residual.values[:, 5, 5] / (2 * np.pi)
    between = np.abs(residual - np.rint(residual)) > 0.26
    assert between.any()
    assert not corrected.unwrapping_cycles.values[between, 5, 5].any()
    np.testing.assert_array_equal(corrected.corrected_phase.values[between, 5, 5], phase[between, 5, 5])


@pytest.mark.parametrize("block", [None, 13])
def test_account_counts_what_was_changed(block):
    stack, _ = islands(block=block)
    corrected = ia.correct_unwrapping(stack, method="component", reference=REFERENCE)
    account = ia.correction_account(corrected)
    cycles, flag = corrected.unwrapping_cycles.values, corrected.unwrapping_flag.values
    observed = np.count_nonzero(flag)
    labels = stack.insar.network.labels
    expected = {labels[k]: np.count_nonzero(part) / observed for k, part in enumerate(cycles) if part.any()}
    assert account.pairs == pytest.approx(expected)
    assert list(account.pairs.values()) == sorted(account.pairs.values(), reverse=True)
    assert account.samples == pytest.approx(np.count_nonzero(cycles) / (observed * len(cycles)))
    assert list(account.pixels.values()) == np.bincount(flag.ravel(), minlength=5).tolist()
    stored = corrected[["unwrapping_cycles", "unwrapping_flag"]].chunk({"pair": 4, "y": 20})
    assert ia.correction_account(stored) == account
    with pytest.raises(StackError, match="no variable 'unwrapping_cycles'"):
        ia.correction_account(stack)


def test_tolerance_of_every_method_counts():
    for method in ("pixel", "bridging"):
        stack, _ = islands(noise=0.3, block=None)
        strict, loose = (
            ia.correct_unwrapping(stack, method=method, reference=REFERENCE, tolerance=t) for t in (1e-4, 0.45)
        )
        ambiguous = UNWRAPPING_FLAGS.index("ambiguous")
        assert (strict.unwrapping_flag == ambiguous).sum() > (loose.unwrapping_flag == ambiguous).sum()
    stack, _ = islands(noise=2.5, block=None)
    strict, loose = (
        ia.correct_unwrapping(stack, method="component", reference=REFERENCE, tolerance=t) for t in (0.02, 0.45)
    )
    assert (strict.unwrapping_cycles != loose.unwrapping_cycles).any()


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (None, {"method": "magic"}, ArgumentError, "method: 'magic' is not one of"),
        (None, {"tolerance": 0.5}, ArgumentError, "tolerance: 0.5 cycles"),
        (None, {"phase": "other"}, ArgumentError, "phase: 'other' is not one of"),
        (None, {"phase": "corrected_phase"}, StackError, "no 'corrected_phase'"),
        ("connected_component_labels", {"method": "component"}, StackError, "needs connected components"),
        ("connected_component_labels", {"method": "bridging"}, StackError, "needs connected components"),
        ("loops", {}, NetworkError, "the network has no loop"),
    ],
)
def test_what_cannot_be_is_refused(change, options, error, message):
    stack, _ = islands(block=None)
    if change == "loops":
        stack = ia.select_pairs(stack, max_neighbours=1)
    elif change is not None:
        stack = stack.drop_vars(change)
    with pytest.raises(error, match=message):
        ia.correct_unwrapping(stack, reference=REFERENCE, **options)


def test_known_errors_in_real_pairs_are_taken_out_and_nothing_else_changes(shared):
    """cropA closes but for one triplet of noise; two pairs get a cycle at a third of the pixels each."""
    stack = ia.open_stack(
        str(shared / "data/s1_mexico_cropA/unw/*.tif"), wavelength=0.05546576, sign="away", nodata=0
    ).load()
    network = stack.insar.network
    phase = stack.unwrapped_phase.values.copy()
    wrong = np.zeros(phase.shape, int)
    for pair, columns, cycles in (("20180319_20180506", slice(0, 30), 1), ("20180319_20180530", slice(50, 80), -1)):
        wrong[network.labels.index(pair), :, columns] = cycles
    wrong[:, 33, 8] = 0
    wrong[~np.isfinite(phase)] = 0
    dirty = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, (phase + 2 * np.pi * wrong).astype(np.float32)))
    corrected = ia.correct_unwrapping(dirty, reference=(33, 8))
    left = wrong + corrected.unwrapping_cycles.values
    assert np.count_nonzero(left) <= 0.1 * np.count_nonzero(wrong)
    assert not corrected.unwrapping_cycles.values[wrong == 0].any()
    unclosed = {
        name: int((ia.closure(corrected, phase=name, reference=(33, 8)).nonzero_closure_count > 0).sum())
        for name in ("unwrapped_phase", "corrected_phase")
    }
    clean = int((ia.closure(stack, reference=(33, 8)).nonzero_closure_count > 0).sum())
    assert clean <= unclosed["corrected_phase"] <= 1.3 * clean < 0.5 * unclosed["unwrapped_phase"]
    series = ia.invert(dirty, norm="l1", reference=(33, 8))
    worst = {row.pair for row in ia.pair_misfit(dirty, series)[:2]}
    assert worst == {"20180319_20180506", "20180319_20180530"}
