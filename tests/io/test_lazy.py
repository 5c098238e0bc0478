"""Laziness: nothing is read at opening, one read per block and layer, few tasks, stable names, cheap pickles."""

import pickle
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import dask
import dask.array
import numpy as np
import pytest
import xarray as xr

from insarray.io.layers.decode import ComponentDecode, PhaseDecode
from insarray.io.layers.hdf5 import Hdf5Layer
from insarray.io.layers.lazy import keep_measured, layer_variable
from insarray.io.layers.raster import RasterLayer
from insarray.io.open import open_stack
from insarray.io.readers.generic import GenericReader
from insarray.io.source import Options
from tests.io.stack_files import PAIRS, Truth, write_raster


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts `read` calls and opened planes of raster layers."""
    count: Counter[str] = Counter()
    lock = threading.Lock()

    def counted(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def method(self: object, *args: object) -> object:
            with lock:
                count[name] += 1
            return original(self, *args)

        monkeypatch.setattr(owner, name, method)

    counted(RasterLayer, "read")
    counted(RasterLayer, "_raw")
    counted(Hdf5Layer, "read")
    return count


@pytest.fixture
def truth() -> Truth:
    return Truth(shape=(60, 90))


@pytest.fixture
def files(tmp_path: Path, truth: Truth) -> dict[str, str]:
    """A stack whose no-data value 0 needs coherence and components."""
    truth.phase[0, :3] = 0
    truth.write(tmp_path, nodata=0)
    truth.write_components(tmp_path)
    return {
        "files": f"{tmp_path}/*.unw.tif",
        "coherence": f"{tmp_path}/*.cor.tif",
        "components": f"{tmp_path}/*.conncomp.tif",
    }


def graph_size(*arrays: dask.array.Array, optimise: bool = True) -> int:
    """Number of tasks that the scheduler gets."""
    ready = dask.optimize(*arrays) if optimise else arrays
    return len({key for array in ready for key in array.__dask_graph__().to_dict()})


def test_opening_reads_no_pixel(files: dict[str, str], reads: Counter[str], tmp_path: Path, truth: Truth) -> None:
    stack = open_stack(**files)
    repr(stack)
    open_stack(truth.write_mintpy(tmp_path / "mintpy"))
    assert not reads
    stack.isel(y=0).isel(pair=1)
    assert not reads


def test_one_read_per_block_and_layer(files: dict[str, str], reads: Counter[str], truth: Truth) -> None:
    stack = open_stack(**files, block=30)
    assert stack.chunks == {"pair": (4,), "y": (30, 30), "x": (30, 30, 30)}
    computed = stack.compute()
    assert reads["read"] == 6 * 3  # the phase needs the other two; they are read once for all
    assert reads["_raw"] == 6 * 3 * 4
    np.testing.assert_array_equal(computed.unwrapped_phase, truth.phase)


def test_graph_grows_with_blocks_not_pairs(tmp_path: Path, files: dict[str, str]) -> None:
    stack = open_stack(**files, block=15)
    blocks = 4 * 6
    arrays = [stack[name].data for name in stack]
    assert graph_size(*arrays, optimise=False) <= 12 * blocks
    assert graph_size(*arrays) <= 4 * blocks + 3  # three reads, one decision about zeros
    many = Truth(pairs=[f"202001{d:02d}_202002{d:02d}" for d in range(1, 29)], shape=(60, 90))
    many.write(tmp_path / "many", nodata=0)
    other = open_stack(f"{tmp_path}/many/*.unw.tif", coherence=f"{tmp_path}/many/*.cor.tif", block=15)
    few = open_stack(files["files"], coherence=files["coherence"], block=15)
    assert graph_size(other.unwrapped_phase.data) == graph_size(few.unwrapped_phase.data)


@pytest.mark.parametrize(
    "key",
    [
        {"pair": 2},
        {"pair": [3, 0, 0], "y": slice(5, 40), "x": slice(10, 70, 7)},
        {"y": slice(None, None, -1), "x": -1},
        {"pair": slice(1, 3), "y": [5, 2, 58], "x": [80, 3]},
        {"y": slice(3, 3)},
    ],
)
def test_any_indexing(files: dict[str, str], truth: Truth, tmp_path: Path, key: dict[str, object]) -> None:
    expected = xr.DataArray(truth.coherence, dims=("pair", "y", "x")).isel(key)
    stack = open_stack(**files, block=32)
    np.testing.assert_array_equal(stack.coherence.isel(key).values, expected)
    paths = sorted(tmp_path.glob("*.unw.tif"))
    source = GenericReader().scan(paths, Options(coherence=files["coherence"]))
    unchunked = xr.DataArray(layer_variable("coherence", source.layers["coherence"])).isel(key)
    np.testing.assert_array_equal(unchunked.values, expected)


def test_one_pair_opens_one_file(files: dict[str, str], reads: Counter[str]) -> None:
    open_stack(files["files"], nodata=-1).unwrapped_phase.isel(pair=1).compute()
    assert reads["_raw"] == 1


def test_names_are_deterministic(files: dict[str, str], tmp_path: Path) -> None:
    def names(**changes: object) -> list[str]:
        stack = open_stack(**files, **changes)
        return [stack[name].data.name for name in stack]

    first = names()
    assert names() == first
    assert len(set(first)) == 3
    code = f"from insarray.io.open import open_stack; s = open_stack(**{files!r}); print(*[s[n].data.name for n in s])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == first
    for change in ({"sign": "toward"}, {"nodata": 5.0}, {"block": 16}):
        assert names(**change)[0] != first[0], change
    fingerprint = open_stack(**files).attrs["input_fingerprint"]
    path = tmp_path / f"{PAIRS[0]}.unw.tif"
    path.touch()
    assert names()[0] != first[0]
    assert open_stack(**files).attrs["input_fingerprint"] != fingerprint


def test_pickle(files: dict[str, str], tmp_path: Path, truth: Truth) -> None:
    for stack in (open_stack(**files, block=32), open_stack(truth.write_mintpy(tmp_path / "mintpy"))):
        content = pickle.dumps(stack)
        assert len(content) < 60_000
        xr.testing.assert_identical(pickle.loads(content).compute(), stack.compute())


def test_threads_give_the_same(files: dict[str, str], tmp_path: Path, truth: Truth) -> None:
    for stack in (open_stack(**files, block=16), open_stack(truth.write_mintpy(tmp_path / "m"), block=16)):
        with dask.config.set(scheduler="threads", num_workers=6):
            threaded = stack.compute()
        with dask.config.set(scheduler="synchronous"):
            xr.testing.assert_identical(threaded, stack.compute())


def test_radar_files_in_threads_without_warnings(tmp_path: Path, truth: Truth) -> None:
    for k, pair in enumerate(PAIRS):
        write_raster(tmp_path / f"{pair}.tif", truth.phase[k], crs=None)
    stack = open_stack(f"{tmp_path}/*.tif", block=16)
    with dask.config.set(scheduler="threads", num_workers=6):
        np.testing.assert_array_equal(stack.unwrapped_phase.values, truth.phase)
    assert "spatial_ref" not in stack.coords
    np.testing.assert_array_equal(stack.x, np.arange(90))
    np.testing.assert_array_equal(stack.y, np.arange(60))


def test_to_zarr_keeps_all(files: dict[str, str], tmp_path: Path) -> None:
    stack = open_stack(**files)
    stack.to_zarr(tmp_path / "a.zarr", consolidated=False)
    again = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    xr.testing.assert_equal(again.compute(), stack.compute())
    assert again.connected_component_labels.dtype == np.uint16
    assert again.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"


def test_memory_of_decoding(files: dict[str, str], truth: Truth) -> None:
    """The zeros of a block are looked for pair by pair: no copy beyond the result, no float64."""
    phase = np.zeros((50, 128, 128), np.float32)
    coherence = np.ones_like(phase)
    tracemalloc.start()
    out = keep_measured(phase, coherence)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.dtype == np.float32
    assert peak < 1.1 * phase.nbytes
    assert (phase == 0).all()


def test_half_precision_is_read_as_it_is_and_not_reckoned_in():
    """Newer versions of GDAL give 16-bit floats as such."""
    raw = np.array([[0.1, 3.25, np.nan, 1.0]], np.float16)
    phase, labels = np.empty((1, 4), np.float32), np.empty((1, 4), np.uint16)
    PhaseDecode((1.2345678,))(raw, phase, 0, "phase")
    np.testing.assert_array_equal(phase, raw.astype(np.float32) * np.float32(1.2345678))
    ComponentDecode()(np.array([[0, 1, np.nan, 2]], np.float16), labels, 0, "labels")
    np.testing.assert_array_equal(labels, [[0, 1, 0, 2]])
