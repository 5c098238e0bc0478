"""Selections reach the files: only the windows that are wanted are read, and the values are those of xarray's own."""

import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.blocks import map_blocks
from insarray.engine.graph import selection
from insarray.engine.graph.selection import crop, select, select_lead, select_window, take
from insarray.engine.plan import plan_run
from insarray.engine.store.zarr_store import open_store
from insarray.io.layers.raster import RasterLayer
from insarray.model.errors import ArgumentError
from tests.engine.memory_jobs import network, stack_of
from tests.io.stack_files import Truth

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(12 * k) for k in range(12)]
PAIRS = [f"{a:%Y%m%d}_{b:%Y%m%d}" for i, a in enumerate(DAYS) for b in DAYS[i + 1 : i + 4]]
SOME = np.array([0, 3, 5, 7, 8, 9, 10, 20, 21, 22, 29])
SELECTIONS = {
    "some": SOME,
    "in a row": np.arange(9, 20),
    "a mask": np.arange(30) % 3 == 0,
    "the other way": np.arange(29, 3, -2),
    "one": np.array([7]),
    "from the end": np.array([-1, -4]),
    "twice": np.array([4, 4, 2]),
    "none": np.array([], int),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """30 pairs in GeoTIFFs, 4 blocks; zeros of the phase are decided by coherence and components."""
    folder = tmp_path_factory.mktemp("files")
    truth = Truth(pairs=PAIRS, shape=(60, 90))
    truth.phase[3, :5] = 0
    truth.coherence[3, 2] = np.nan
    truth.write(folder, nodata=0)
    truth.write_components(folder)
    found = ia.open_stack(
        f"{folder}/*.unw.tif",
        coherence=f"{folder}/*.cor.tif",
        components=f"{folder}/*.conncomp.tif",
        wavelength=0.0555,
        block=48,
    )
    assert (found.sizes["pair"], found.unwrapped_phase.data.npartitions) == (30, 4)
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[xr.Dataset], int]:
    """Number of windows of files that computing something reads."""
    count, lock, original = [0], threading.Lock(), RasterLayer._raw

    def counted(self: RasterLayer, *args: object) -> np.ndarray:
        with lock:
            count[0] += 1
        return original(self, *args)

    monkeypatch.setattr(RasterLayer, "_raw", counted)

    def number(dataset: xr.Dataset | Callable[[], object]) -> int:
        count[0] = 0
        dataset() if callable(dataset) else dataset.compute()
        return count[0]

    return number


def forms(stack: xr.Dataset) -> dict[str, xr.Dataset]:
    """What products and users make of a stack, sample by sample."""
    pairs, rows = stack.sizes["pair"], stack.sizes["y"]
    by_pair = xr.DataArray(np.arange(pairs, dtype=np.float32), dims="pair")
    weights = xr.DataArray(np.linspace(0, 1, rows, dtype=np.float32), dims="y").chunk(y=48)
    good = xr.DataArray(np.indices(stack.unwrapped_phase.shape[1:]).sum(axis=0) % 7 != 0, dims=("y", "x"))
    return {
        "as it is": stack,
        "masked": ia.mask(stack, min_coherence=0.3, mask_components=True, mask=good),
        "arithmetic": stack.assign(
            own=(np.exp(-stack.coherence) + by_pair * weights).clip(0, 9).astype("f8").fillna(0).round(2),
            flags=(stack.connected_component_labels.where(stack.coherence > 0.2).isnull() | (stack.coherence > 0.8)),
        ),
        "transposed": stack.assign(
            coherence=(stack.coherence.transpose("y", "x", "pair") * 2).transpose("pair", "y", "x")
        ),
        "average beside": stack.assign(own=stack.coherence - stack.coherence.mean("pair")),
    }


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("form", ["as it is", "masked", "arithmetic", "transposed", "average beside"])
def test_the_values_are_those_of_xarray(stack: xr.Dataset, form: str, name: str) -> None:
    dataset, index = forms(stack)[form], SELECTIONS[name]
    xr.testing.assert_identical(take(dataset, "pair", index).compute(), dataset.isel(pair=index).compute())


def test_only_the_windows_of_the_selection_are_read(stack: xr.Dataset, read: Callable[..., int]) -> None:
    assert read(stack[["coherence"]]) == 120
    assert read(take(stack[["coherence"]], "pair", SOME)) == 44
    assert read(take(stack[["coherence"]], "pair", np.arange(9, 20))) == 44
    assert read(take(forms(stack)["masked"][["unwrapped_phase"]], "pair", SOME)) == 3 * 44
    assert read(take(forms(stack)["arithmetic"], "pair", SOME)) == 3 * 44
    assert read(take(take(stack[["coherence"]], "pair", SOME), "pair", np.array([1, 4]))) == 8


def test_a_run_reads_only_them(stack: xr.Dataset, read: Callable[..., int], tmp_path: Path) -> None:
    masked = ia.mask(stack, min_coherence=0.3)
    for number, kept in enumerate((take(masked, "pair", SOME), masked.isel(pair=SOME))):
        series = ia.invert(kept, gap="subset")
        assert read(lambda s=series, n=number: ia.run(s, tmp_path / f"{n}.zarr")) == (3 * 44 if number == 0 else 360)
    first, second = (xr.open_zarr(tmp_path / f"{n}.zarr").compute() for n in (0, 1))
    for name in first.data_vars:
        np.testing.assert_array_equal(first[name], second[name])


def test_memory_is_that_of_the_selection() -> None:
    """63 of 585 pairs."""
    stack = ia.mask(stack_of(network(120, 5), 512, 256), min_coherence=0.35)
    kept = np.arange(585) % 9 == 0
    kept[:-63][np.cumsum(kept[::-1])[::-1][:-63] > 63] = False
    kept[np.flatnonzero(kept)[: kept.sum() - 63]] = False
    few, many = (ia.invert(of, gap="subset", weights="variance") for of in (take(stack, "pair", kept), stack))
    chosen = ia.invert(stack.isel(pair=np.flatnonzero(kept)), gap="subset", weights="variance")
    plans = [plan_run(of, 1).block_bytes for of in (few, chosen, many)]
    assert kept.sum() == 63
    assert plans[0] < 0.4 * plans[1]
    assert plans[0] < 0.25 * plans[2]


def test_dates_of_a_stored_series(stack: xr.Dataset, tmp_path: Path) -> None:
    ia.run(ia.invert(stack), tmp_path / "o.zarr")
    for stored in (open_store(str(tmp_path / "o.zarr")), xr.open_zarr(tmp_path / "o.zarr")):
        for index in (np.array([0, 3, 5]), np.arange(4, 9)):
            found = take(stored, "time", index)
            xr.testing.assert_identical(found.compute(), stored.isel(time=index).compute())
            assert {v.chunksizes["time"] for v in found.values() if "time" in v.dims} == {(len(index),)}


def test_the_rest_of_a_dataset_is_selected_too(stack: xr.Dataset) -> None:
    dataset = stack.assign(number=("pair", np.arange(30)), cube=(("pair", "y", "x"), np.zeros((30, 60, 90))))
    dataset = dataset.assign(height=(("y", "x"), da.zeros((60, 90), chunks=48)))
    found = take(dataset, "pair", SOME)
    assert list(found) == list(dataset)
    xr.testing.assert_identical(found.compute(), dataset.isel(pair=SOME).compute())
    assert found.height.data is dataset.height.data


def test_the_graph_is_no_larger_and_its_names_are_stable(stack: xr.Dataset) -> None:
    masked = ia.mask(stack, min_coherence=0.3)
    one, other = (take(masked, "pair", SOME) for _ in range(2))
    assert [v.data.name for v in one.values()] == [v.data.name for v in other.values()]
    assert one.coherence.data.name != masked.coherence.data.name
    assert len(dict(one.__dask_graph__())) <= len(dict(masked.__dask_graph__()))
    everything = take(masked, "pair", np.arange(30))
    assert [v.data.name for v in everything.values()] == [v.data.name for v in masked.values()]


def test_what_is_in_the_way_is_computed_whole(stack: xr.Dataset, read: Callable[..., int]) -> None:
    """Correct, though not faster: functions of all pairs, or unknown ones."""
    median = (stack.coherence.cumsum("pair") * 2).to_dataset(name="own")
    xr.testing.assert_identical(take(median, "pair", SOME).compute(), median.isel(pair=SOME).compute())
    assert read(take(median, "pair", SOME)) == 120
    unknown = stack.coherence.data.map_blocks(lambda block: block[::-1], dtype="f4")
    np.testing.assert_array_equal(select_lead(unknown, SOME), unknown.compute()[SOME])

    def twice(_: None, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"corrected_phase": 2 * arrays["a"]}

    made = map_blocks(twice, None, {"a": stack.coherence}, ("corrected_phase",), {"pair": 30})["corrected_phase"].data
    np.testing.assert_array_equal(select_lead(made + 1, SOME), (made + 1).compute()[SOME])
    chunked = stack.coherence.data.rechunk({0: 7})
    np.testing.assert_array_equal(select_lead(chunked, SOME), chunked.compute()[SOME])
    memory = da.from_array(np.random.default_rng(0).normal(size=(30, 9, 9)), chunks=(30, 4, 4))
    np.testing.assert_array_equal(select_lead(memory, SOME), memory.compute()[SOME])


def test_a_window_reads_no_block_twice_and_has_regular_blocks(stack: xr.Dataset, read: Callable[..., int]) -> None:
    masked = ia.mask(stack, min_coherence=0.3)
    found, expected = crop(masked, slice(10, 59), slice(5, 80)), masked.isel(y=slice(10, 59), x=slice(5, 80))
    assert found.chunksizes["y"] == (48, 1)
    assert found.chunksizes["x"] == (48, 27)
    xr.testing.assert_identical(found.compute(), expected.compute())
    both = select(masked.unwrapped_phase.data, {0: SOME, 1: slice(3, 30), 2: slice(70, None)})
    assert both.chunks == ((11,), (27,), (20,))
    np.testing.assert_array_equal(both, masked.unwrapped_phase.values[SOME, 3:30, 70:])
    assert read(crop(stack[["coherence"]], slice(3, 30), slice(70, 90))) == 30
    series = ia.invert(stack)  # its blocks are computed once each, whatever the window
    window = select_window(series.displacement.data, slice(10, 59), slice(5, 80))
    np.testing.assert_array_equal(window, series.displacement.values[:, 10:59, 5:80])


@pytest.mark.parametrize("index", [np.array([0, 30]), np.array([-31]), np.ones(29, bool)])
def test_positions_outside_are_refused(stack: xr.Dataset, index: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="index: "):
        select_lead(stack.coherence.data, index)


def test_distributed_workers_get_what_they_need(stack: xr.Dataset) -> None:
    """The graph of a selection travels like any other."""
    import pickle

    found = take(ia.mask(stack, min_coherence=0.3), "pair", SOME)
    again = pickle.loads(pickle.dumps(found))
    xr.testing.assert_identical(again.compute(), found.compute())
    assert len(pickle.dumps(found)) < 200_000


def test_what_dask_has_optimised_is_selected_all_the_same(stack: xr.Dataset) -> None:
    (optimised,) = dask.optimize(ia.mask(stack, min_coherence=0.3))
    xr.testing.assert_identical(take(optimised, "pair", SOME).compute(), optimised.isel(pair=SOME).compute())
    assert selection.__doc__


def test_select_pairs_reads_only_what_it_keeps(stack: xr.Dataset, read: Callable[..., int]) -> None:
    kept = ia.select_pairs(stack, max_neighbours=1)
    assert 0 < kept.sizes["pair"] < 30
    assert read(kept[["coherence"]]) == 4 * kept.sizes["pair"]
