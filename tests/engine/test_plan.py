"""The plan is worked out from the graph: what is live at each step of a block, what works, what is written."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback
from dask.highlevelgraph import HighLevelGraph

import insarray as ia
from insarray.engine.blocks import map_blocks
from insarray.engine.graph import memory as memory_module
from insarray.engine.graph.memory import block_peak
from insarray.engine.graph.needed import needed
from insarray.engine.graph.prepare import prepare
from insarray.engine.jobs import Jobs
from insarray.engine.plan import BASE_BYTES, plan_run
from insarray.engine.store.zarr_store import open_store
from tests.engine.memory_jobs import network, stack_of

EDGE = 16
KEPT = 1.15
"""Part of the plan for what the allocator keeps."""


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    return stack_of(network(12, 3), 3 * EDGE, EDGE)


def per_pixel(dataset: xr.Dataset) -> float:
    """Bytes of a pixel of a block of EDGE x EDGE, without the allocator's part."""
    plan = plan_run(dataset, 1)
    return plan.block_bytes / KEPT / EDGE**2


class Live(Callback):
    """Largest sum of the arrays that dask held at the same time, as it was."""

    def __init__(self) -> None:
        super().__init__(pretask=self._before, posttask=self._after)
        self.before = self.peak = 0

    @staticmethod
    def _roots(value: Any) -> dict[int, int]:
        if isinstance(value, Mapping):
            return {k: n for part in value.values() for k, n in Live._roots(part).items()}
        while isinstance(value, np.ndarray) and value.base is not None and isinstance(value.base, np.ndarray):
            value = value.base
        return {id(value): value.nbytes} if isinstance(value, np.ndarray) else {}

    def _before(self, key: Any, _: object, state: dict[str, Any]) -> None:
        self.cache = dict(state["cache"])

    def _after(self, key: Any, result: Any, *_: object) -> None:
        live: dict[int, int] = {}
        for value in (*self.cache.values(), result):
            live |= self._roots(value)
        self.peak = max(self.peak, sum(live.values()))


DATASETS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "stack": lambda s: s,
    "masked": lambda s: ia.mask(s, min_coherence=0.4),
    "series": lambda s: ia.invert(ia.mask(s, min_coherence=0.35), gap="subset"),
    "series of selected pairs": lambda s: ia.invert(s.isel(pair=slice(0, 30, 2)), gap="subset", weights="variance"),
    "merged": lambda s: (lambda t: t.merge(ia.fit(t), compat="override", combine_attrs="override"))(ia.invert(s)),
    "covariance": lambda s: ia.covariance(s),
    "arithmetic": lambda s: xr.Dataset(
        {"mm": ia.invert(s).displacement * 1000.0, "n": np.exp(1j * s.unwrapped_phase).mean("pair")}
    ),
    "cropped": lambda s: ia.invert(s).isel(y=slice(5, 40), x=slice(9, 41)),
    "time in parts": lambda s: ia.invert(s).chunk(time=5),
    "closure": lambda s: ia.closure(s),
}


@pytest.mark.parametrize("name", DATASETS)
def test_the_walk_holds_what_dask_holds(stack: xr.Dataset, name: str) -> None:
    """Of each block: at least what is there at any moment, and not much more, as the tasks of readers count twice."""
    dataset = prepare(DATASETS[name](stack))
    lazy = [variable.data for variable in dataset.data_vars.values() if variable.chunks]
    graph = HighLevelGraph.merge(*(array.dask for array in lazy))
    keys = [(array.name, *(0,) * (array.ndim - 2), 0, 0) for array in lazy]
    tasks = needed(graph, keys)
    with Live() as live:
        results = dask.get(tasks, keys)
    found = block_peak(graph, tasks, keys, (EDGE, EDGE), ())
    assert found.results == tuple(np.asarray(result).nbytes for result in results) or name == "cropped"
    working = sum(
        of * EDGE**2 for of in {getattr(t[0], "bytes_per_pixel", 0) for t in tasks.values() if type(t) is tuple}
    )
    assert live.peak <= found.computing
    assert found.computing - working <= 2.2 * live.peak


def test_only_what_a_block_needs_is_taken_from_the_graph(stack: xr.Dataset) -> None:
    dataset = DATASETS["merged"](stack).chunk(time=5)
    arrays = [variable.data for variable in dataset.data_vars.values()]
    graph = HighLevelGraph.merge(*(array.dask for array in arrays))
    keys = [(array.name, *(0,) * (array.ndim - 2), 1, 2) for array in arrays]
    found, expected = needed(graph, keys), dask.optimization.cull(dict(graph), keys)[0]
    assert found.keys() == expected.keys()
    for one, other in zip(dask.get(found, keys), dask.get(expected, keys), strict=True):
        np.testing.assert_array_equal(one, other)


def doubled(_: None, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"displacement": np.zeros((5, *arrays["a"].shape[1:]), np.float32)}


def made(read: da.Array, **options: int) -> xr.Dataset:
    variables = map_blocks(
        doubled, None, {"a": xr.DataArray(read, dims=("pair", "y", "x"))}, ("displacement",), {"time": 5}, **options
    )
    return xr.Dataset(variables, {"y": np.arange(48.0), "x": np.arange(48.0)})


def test_inputs_outputs_and_working_memory_add_up() -> None:
    read = da.zeros((7, 48, 48), chunks=(7, EDGE, EDGE), dtype="f8")
    assert per_pixel(made(read, bytes_per_pixel=1000)) == pytest.approx(7 * 8 + 5 * 4 + 1000, abs=1)
    assert per_pixel(made(read, bytes_per_pixel=2000)) == pytest.approx(7 * 8 + 5 * 4 + 2000, abs=1)
    # nothing works: the results are written, compressed and checked
    assert per_pixel(made(da.zeros((1, 48, 48), chunks=(1, EDGE, EDGE), dtype="f4"))) == pytest.approx(3 * 5 * 4, abs=1)


def test_working_memory_is_no_part_of_the_identity() -> None:
    read = da.zeros((7, 48, 48), chunks=(7, EDGE, EDGE))
    assert made(read, bytes_per_pixel=1).displacement.data.name == made(read).displacement.data.name


def test_what_does_not_hang_on_attributes_survives_xarray(stack: xr.Dataset) -> None:
    """Merging, adding, dropping attributes: the plan is that of what is computed."""
    series = ia.invert(stack, weights="variance")
    model = ia.fit(series, degree=3, periods=(1.0, 0.5), uncertainty="bootstrap")
    both = series.merge(model, compat="override", combine_attrs="override")
    assert not any("byte" in name for name in both.attrs)
    assert plan_run(both, 1).bytes_per_pixel == plan_run(both.drop_attrs(), 1).bytes_per_pixel
    assert per_pixel(both) >= max(per_pixel(series), per_pixel(model))
    assert per_pixel(series + 1.0) >= per_pixel(series)
    assert per_pixel(both.merge(ia.covariance(stack), combine_attrs="override")) >= 2 * 4 * 144 + per_pixel(series)


def test_each_worker_has_a_block(stack: xr.Dataset) -> None:
    one, three = (plan_run(ia.invert(stack), workers) for workers in (1, 3))
    assert three.peak_bytes - BASE_BYTES == 3 * (one.peak_bytes - BASE_BYTES)


def test_a_stored_series_is_planned_by_what_is_read(stack: xr.Dataset, tmp_path) -> None:
    ia.run(ia.invert(stack), tmp_path / "o.zarr")
    stored = open_store(str(tmp_path / "o.zarr"))
    # displacement and network_subset, read in chunks and decoded
    assert per_pixel(ia.fit(stored)) >= 12 * (4 + 1) + 12 * 4
    assert per_pixel(ia.fit(stored, residuals=True)) >= per_pixel(ia.fit(stored)) + 12 * 4 - 1


def test_a_crop_costs_the_blocks_that_it_is_of(stack: xr.Dataset) -> None:
    series = ia.invert(stack)
    whole, part = plan_run(series, 1), plan_run(series.isel(y=slice(0, 8), x=slice(0, 8)), 1)
    assert part.block_bytes == pytest.approx(whole.block_bytes, rel=0.02)
    across = plan_run(series.isel(y=slice(8, 40), x=slice(8, 40)), 1)  # blocks of four
    assert across.block_bytes > whole.block_bytes


def test_what_is_in_memory_counts(stack: xr.Dataset) -> None:
    computed = stack.compute()
    plan = plan_run(computed.assign(own=(("y", "x"), np.zeros((48, 48)))), 1)
    assert plan.held_bytes == computed.nbytes - computed.coords.to_dataset().nbytes + 48 * 48 * 8
    assert plan.peak_bytes >= BASE_BYTES + plan.held_bytes
    plan.require_memory()


def test_fused_graphs_are_not_taken_for_less(stack: xr.Dataset) -> None:
    """Of what dask has optimised the layers do not tell: the walk says more then, never less."""
    series = ia.invert(ia.mask(stack, min_coherence=0.4))
    (optimised,) = dask.optimize(series)
    assert per_pixel(optimised) >= 0.9 * per_pixel(series)
    assert per_pixel(optimised) <= 3 * per_pixel(series)


def test_what_others_compute_meanwhile_is_no_part_of_the_plan(stack: xr.Dataset, monkeypatch) -> None:
    """In another thread, say; dask's callbacks, which the plan once used, are those of the whole process."""
    series = ia.invert(stack)
    expected, run = plan_run(series, 1), memory_module._Sizes.run

    def meanwhile(sizes: Any, *task: Any) -> Any:
        assert da.ones(4, chunks=2).sum().compute(scheduler="synchronous") == 4
        return run(sizes, *task)

    monkeypatch.setattr(memory_module._Sizes, "run", meanwhile)
    assert plan_run(series, 1) == expected


def test_ten_thousand_blocks_are_planned_at_once() -> None:
    """No longer than a graph of one block, and within what the job of one block is made in."""
    large = ia.invert(stack_of(network(100, 3), 1600, 16), weights="variance")
    clock = time.process_time()
    plan = plan_run(large, 2)
    seconds = time.process_time() - clock
    assert plan.n_blocks == 10_000
    clock = time.process_time()
    Jobs(large, plan)
    assert seconds < time.process_time() - clock
