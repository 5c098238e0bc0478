"""Closure of a stack: against pixel-by-pixel sums, known errors, laziness by counting, every option by its effect."""

import threading
import weakref

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import VARIABLES
from insarray.model.dataset import loops_of
from insarray.model.errors import ArgumentError, NetworkError, ReferencePointError, StackError
from insarray.model.loops import find_loops
from insarray.model.network import Network
from insarray.products.stacks.closure import OUTPUTS
from tests.kernels.test_closure import by_hand
from tests.networks import nearest
from tests.stacks import stack_of

TURN = 2 * np.pi
SQUARE = Network.from_pairs(["20200101_20200113", "20200113_20200125", "20200125_20200206", "20200101_20200206"])


def with_errors(stack, errors):
    """Stack with whole cycles added: {pair: (window, cycles)}."""
    phase = stack.unwrapped_phase.values.copy()
    for pair, (window, cycles) in errors.items():
        phase[(pair, *window)] += np.float32(TURN * cycles)
    chunks = stack.unwrapped_phase.chunks
    changed = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase, stack.unwrapped_phase.attrs))
    return changed if chunks is None else changed.chunk(dict(zip(stack.unwrapped_phase.dims, chunks, strict=True)))


def referenced_by_hand(stack, row, col, kind="triplets"):
    phase = stack.unwrapped_phase.values
    network = stack.insar.network
    shape = phase.shape[1:]
    parts = by_hand(phase.reshape(len(phase), -1), find_loops(network, kind), phase[:, row, col])
    return [part.reshape(*part.shape[:-1], *shape) for part in parts]


@pytest.mark.parametrize("kind", ["triplets", "fundamental", 4])
def test_closure_is_that_by_hand(kind):
    stack = with_errors(stack_of(missing=0.15), {4: ((slice(0, 9), slice(3, 20)), 1), 9: ((slice(5, 20),), -2)})
    loops = ia.closure(stack, loops=kind, reference=(5, 5)).compute()
    for name, expected in zip(OUTPUTS, referenced_by_hand(stack, 5, 5, kind), strict=True):
        np.testing.assert_array_equal(loops[name], expected.astype(loops[name].dtype), err_msg=name)
    assert (loops.closure_phase[:, 5, 5] == 0).all()
    assert (loops.attrs["loops"], loops.attrs["reference_row"]) == (kind, 5)
    assert 0 < int(loops.nonzero_closure_count.max()) < loops.sizes["loop"]


def test_outputs_are_those_of_the_data_model():
    loops = ia.closure(stack_of(), reference=(5, 5))
    computed = loops.compute()
    assert tuple(loops.data_vars) == OUTPUTS
    for name in OUTPUTS:
        assert loops[name].dims == VARIABLES[name].dims
        assert loops[name].dtype == computed[name].dtype == VARIABLES[name].dtype
        assert loops[name].attrs["units"] == VARIABLES[name].units
        assert loops[name].attrs["grid_mapping"] == "spatial_ref"
    assert loops.insar.network == stack_of().insar.network
    network = loops.insar.network
    again = loops_of(loops, network)
    for a, b in zip(vars(again).values(), vars(find_loops(network)).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    missing = np.isnan(computed.closure_phase)
    np.testing.assert_array_equal(missing, np.isnan(computed.integer_closure))
    np.testing.assert_array_equal((~missing).sum("loop"), computed.number_of_loops)
    assert missing.any()


def test_reference_removes_the_constants_of_the_pairs():
    stack = stack_of(missing=0.0)
    constants = np.random.default_rng(0).uniform(-30, 30, (18, 1, 1)).astype(np.float32)
    shifted = stack.assign(unwrapped_phase=stack.unwrapped_phase + constants)
    plain = ia.closure(shifted, reference=None)
    with pytest.raises(ReferencePointError, match="pairs have constants of their own"):
        ia.closure(shifted)
    assert float((plain.integer_closure != 0).mean()) > 0.5
    assert "reference_row" not in plain.attrs
    for reference in ((5, 5), ia.area(3, 9, 3, 9), "auto"):
        one, other = (ia.closure(s, reference=reference).compute() for s in (stack, shifted))
        np.testing.assert_allclose(one.closure_phase, other.closure_phase, atol=2e-5)
    assert ia.closure(shifted, reference=ia.area(3, 9, 3, 9)).attrs["reference_area"] == [3, 9, 3, 9]


@pytest.mark.parametrize("block", [5, 8, 13, None])
def test_any_chunking_gives_the_same_bits(block):
    expected = ia.closure(stack_of(block=None), reference=(5, 5))
    loops = ia.closure(stack_of(block=block), reference=(5, 5))
    xr.testing.assert_identical(loops.compute(), expected)
    table, other = ia.closure_summary(loops, maps=True), ia.closure_summary(expected, maps=True)
    for name in table:
        if table[name].dtype.kind == "f":
            np.testing.assert_allclose(table[name], other[name], rtol=1e-12)
        else:
            np.testing.assert_array_equal(table[name], other[name])


def counting(computes):
    def get(dsk, keys, **kwargs):
        computes.append(1)
        return dask.get(dsk, keys, **kwargs)

    return dask.config.set(scheduler=get)


def test_nothing_is_computed_until_asked():
    stack, computes = stack_of(), []
    with counting(computes):
        loops = ia.closure(stack, reference=None)
        assert computes == []
        ia.closure(stack, reference=(5, 5))
        assert len(computes) == 1  # the reference's own block
        ia.closure_summary(loops, maps=True)
        assert len(computes) == 2


def test_one_pass_over_the_blocks_for_table_and_maps(monkeypatch):
    from insarray.products.stacks import closure as module

    calls = []
    kernel = module.close_loops
    monkeypatch.setattr(module, "close_loops", lambda *a: calls.append(1) or kernel(*a))
    loops = ia.closure(stack_of())
    assert len(dict(loops.__dask_graph__())) <= 12 * (1 + len(OUTPUTS) + 1) + 10
    ia.closure_summary(loops, maps=True, workers=1)
    assert len(calls) == 12


@pytest.mark.parametrize("workers", [1, 2])
def test_no_block_outlives_its_sums(monkeypatch, workers):
    """At most one block of (loop, pixel) for each worker, and one that is being handed on."""
    from insarray.products.stacks import closure as module

    lock, alive, most = threading.Lock(), [0], [0]
    kernel = module.close_loops

    def gone():
        with lock:
            alive[0] -= 1

    def watched(*arguments):
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        found = kernel(*arguments)
        weakref.finalize(found.phase, gone)
        return found

    monkeypatch.setattr(module, "close_loops", watched)
    ia.closure_summary(ia.closure(stack_of(block=4)), maps=True, workers=workers)
    assert most[0] <= workers + 1
    assert alive[0] == 0


# -- summary -------------------------------------------------------------------------------------------------------


def test_summary_is_that_of_the_arrays():
    stack = with_errors(stack_of(missing=0.2), {4: ((slice(0, 9), slice(3, 20)), 1)})
    loops = ia.closure(stack, reference=(5, 5))
    table = ia.closure_summary(loops)
    phase, cycles, observed, nonzero = referenced_by_hand(stack, 5, 5)
    rest = phase - TURN * cycles
    np.testing.assert_array_equal(table.loop_pixels, np.isfinite(phase).sum(axis=(1, 2)))
    np.testing.assert_allclose(
        table.loop_nonzero_fraction, np.nanmean(np.where(np.isnan(cycles), np.nan, cycles != 0), axis=(1, 2))
    )
    np.testing.assert_allclose(table.loop_closure_rms, np.sqrt(np.nanmean(rest**2, axis=(1, 2))), rtol=1e-5)
    assert table.attrs["pixels_observed"] == (observed > 0).sum()
    assert table.attrs["pixels_nonzero"] == (nonzero > 0).sum()
    for k in range(table.sizes["pair"]):
        mine = (loops_of(loops, loops.insar.network).pairs == k).any(axis=1)
        seen = np.isfinite(phase[mine])
        assert table.pair_loops[k] == mine.sum()
        assert table.pair_pixels[k] == seen.any(axis=0).sum()
        np.testing.assert_allclose(
            table.pair_nonzero_fraction[k], (np.nan_to_num(cycles[mine]) != 0).sum() / seen.sum()
        )
        np.testing.assert_allclose(table.pair_closure_rms[k], np.sqrt(np.nanmean(rest[mine] ** 2)), rtol=1e-5)
    for name in table.data_vars:
        assert (table[name].dims, table[name].dtype) == (VARIABLES[name].dims, VARIABLES[name].dtype)
    assert "number_of_loops" not in table
    maps = ia.closure_summary(loops, maps=True)
    np.testing.assert_array_equal(maps.number_of_loops, observed)
    np.testing.assert_array_equal(maps.nonzero_closure_count, nonzero)
    assert maps.insar.grid.mismatch(stack.insar.grid) is None


def test_known_bad_pairs_of_a_simulated_stack_are_named():
    stack, _ = ia.simulate_stack(shape=(60, 80), n_dates=14, looks=80, missing=0.02, seed=1)
    bad = {12: ((slice(0, 60), slice(0, 50)), 1), 20: ((slice(20, 60), slice(30, 80)), -1), 30: ((slice(0, 30),), 2)}
    labels = stack.insar.network.labels
    good = stack.coherence.mean("pair") > 0.5
    land = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(good))
    table = ia.closure_summary(ia.closure(with_errors(land, bad), reference="auto"))
    assert [labels[k] for k in np.flatnonzero(table.pair_drop_order)] == [labels[k] for k in sorted(bad)]
    touched = np.isin(table.loop_pair, sorted(bad)).any(axis=1)
    np.testing.assert_array_equal(table.loop_unclosed, touched)
    clean = ia.closure_summary(ia.closure(land, reference="auto"))
    assert not clean.loop_unclosed.any()
    assert not clean.pair_drop_order.any()
    # what is left when they are left out closes
    kept = ia.select_pairs(with_errors(land, bad), exclude_pairs=[labels[k] for k in sorted(bad)])
    assert not ia.closure_summary(ia.closure(kept, reference="auto")).loop_unclosed.any()


def test_threshold_and_what_is_not_observed():
    stack = with_errors(stack_of(missing=0.0), {4: ((slice(0, 2), slice(0, 30)), 1)})  # a tenth of the pixels
    loops = ia.closure(stack, reference=(5, 5))
    assert list(np.flatnonzero(ia.closure_summary(loops).pair_drop_order)) == [4]
    assert not ia.closure_summary(loops, threshold=0.2).pair_drop_order.any()
    assert ia.closure_summary(loops, threshold=0.2).attrs["threshold"] == 0.2
    lost = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(stack.pair != stack.pair[4]))
    table = ia.closure_summary(ia.closure(lost))
    assert np.isnan(table.pair_nonzero_fraction[4])
    assert table.pair_pixels[4] == 0
    assert np.isnan(table.loop_closure_rms[(table.loop_pair == 4).any("side")]).all()
    assert ia.closure(lost).closure_phase.isnull().any()


def test_stored_loops_give_the_same_table(tmp_path):
    from insarray.engine.store.zarr_store import open_store

    loops = ia.closure(stack_of(nearest(12, 3)), loops=4, reference=(5, 5))
    ia.run(loops, str(tmp_path / "loops.zarr"))
    stored = open_store(str(tmp_path / "loops.zarr"))
    for name in OUTPUTS:
        np.testing.assert_array_equal(stored[name], loops[name])
    one, other = ia.closure_summary(loops), ia.closure_summary(stored)
    xr.testing.assert_allclose(one, other, rtol=1e-12)
    assert ia.run(loops, str(tmp_path / "loops.zarr")).computed == 0


# -- bad input -----------------------------------------------------------------------------------------------------


def test_bad_input_is_refused():
    stack = stack_of()
    with pytest.raises(NetworkError, match="close no loop, so nothing can be compared"):
        ia.closure(stack_of(nearest(8, 1)))
    with pytest.raises(NetworkError, match="1 longer"):
        ia.closure(stack_of(SQUARE))
    assert ia.closure(stack_of(SQUARE), loops=4).sizes["loop"] == 1
    with pytest.raises(ArgumentError, match="loops: 'all'"):
        ia.closure(stack, loops="all")
    with pytest.raises(ArgumentError, match="outside 20 x 30"):
        ia.closure(stack, reference=(5, 99))
    with pytest.raises(ReferencePointError, match="no data in"):
        ia.closure(stack_of(missing=0.9), reference=(0, 0))
    with pytest.raises(StackError, match="unwrapped_phase"):
        ia.closure(stack.drop_vars("unwrapped_phase"))
    loops = ia.closure(stack)
    for threshold in (-0.1, 1.0, float("nan")):
        with pytest.raises(ArgumentError, match="threshold"):
            ia.closure_summary(loops, threshold=threshold)
    with pytest.raises(ArgumentError, match="workers: 0"):
        ia.closure_summary(loops, workers=0)
    with pytest.raises(StackError, match=r"no variable 'closure_phase'.*insarray\.closure"):
        ia.closure_summary(stack)
    with pytest.raises(StackError, match="no coordinate 'loop_sign'"):
        ia.closure_summary(loops.drop_vars("loop_sign"))
    xr.testing.assert_allclose(ia.closure_summary(loops.chunk(loop=3)), ia.closure_summary(loops))


def test_blocks_that_do_not_fit_are_refused_before_anything_runs(monkeypatch):
    import psutil

    loops = ia.closure(stack_of())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 2**20})())
    with pytest.raises(ArgumentError, match="--block"):
        ia.closure_summary(loops)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_are_the_blocks_at_a_time(monkeypatch, workers):
    from insarray.products.stacks import closure as module

    lock, running, most = threading.Lock(), [0], [0]
    together = threading.Event()  # set once as many blocks are worked on as there are workers
    kernel = module.close_loops

    def watched(*arguments):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] >= workers:
                together.set()
        together.wait(20)
        found = kernel(*arguments)
        with lock:
            running[0] -= 1
        return found

    monkeypatch.setattr(module, "close_loops", watched)
    ia.closure_summary(ia.closure(stack_of()), workers=workers)
    assert most[0] == workers


def test_a_store_opened_by_plain_xarray_can_be_summed_up(tmp_path):
    """Its variables have several chunks along the loops, its coordinates one."""
    loops = ia.closure(stack_of(nearest(12, 3)), reference=(5, 5))
    ia.run(loops, str(tmp_path / "loops.zarr"))
    stored = xr.open_zarr(tmp_path / "loops.zarr")
    assert len(stored.integer_closure.variable.chunks[0]) > 1
    xr.testing.assert_allclose(ia.closure_summary(stored), ia.closure_summary(loops))


def test_corrected_phase_is_closed_when_asked_for():
    stack = stack_of(nearest(8, 3), missing=0.0, block=None)
    network = stack.insar.network
    shifted = stack.assign(
        corrected_phase=stack.unwrapped_phase + np.float32(2 * np.pi) * (np.arange(network.n_pairs) == 4)[:, None, None]
    )
    shifted["corrected_phase"] = shifted.corrected_phase.astype(np.float32)
    plain, corrected = (ia.closure(shifted, phase=p) for p in ("unwrapped_phase", "corrected_phase"))
    difference = corrected.closure_phase - plain.closure_phase
    through = (plain.loop_pair == 4).any("side").values
    np.testing.assert_allclose(np.abs(difference[through]), 2 * np.pi, atol=1e-5)
    np.testing.assert_allclose(difference[~through], 0.0, atol=1e-6)
