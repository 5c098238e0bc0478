"""Windows of a store are those of the arrays, at little more than their own cost, and damage is found."""

import numpy as np
import pytest
import zarr

from insarray.engine.store import windows
from insarray.engine.store.template import codecs_of
from insarray.engine.store.windows import StoredArray
from insarray.model.errors import StoreError


def stored(folder, values, chunks, *, compressor="zstd", generation=0):
    zarr.create_array(
        folder, data=values, chunks=chunks, compressors=codecs_of(compressor, generation), fill_value=0, config={"write_empty_chunks": True}
    )  # fmt: skip
    return StoredArray(folder)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(21, 150, 170)).astype(np.float32)


@pytest.mark.parametrize("compressor", ["zstd", "lz4"])
@pytest.mark.parametrize("generation", [0, 1])
@pytest.mark.parametrize("kind", ["noise", "smooth", "classes"])
def test_windows_are_those_of_the_array(tmp_path, noise, compressor, generation, kind):
    values = {"noise": noise, "smooth": np.round(noise / 10), "classes": (noise > 0).astype(np.uint8)}[kind]
    array = stored(tmp_path / "x", values, (16, 128, 96), compressor=compressor, generation=generation)
    for rows, cols, lead in (
        (slice(0, 150), slice(0, 170), slice(None)), (slice(120, 135), slice(90, 100), slice(None)), (slice(0, 1), slice(0, 1), slice(20, 21)),
        (slice(127, 128), slice(3, 9), slice(14, 18)), (slice(140, 999), slice(168, 999), slice(15, 99)),
    ):  # fmt: skip
        np.testing.assert_array_equal(array.window(rows, cols, lead), values[lead, rows, cols])
    assert array.window(slice(5, 5), slice(0, 3)).shape == (21, 0, 3)
    flat = stored(tmp_path / "flat", values[0], (128, 96), compressor=compressor, generation=generation)
    np.testing.assert_array_equal(flat.window(slice(120, 135), slice(90, 100)), values[0, 120:135, 90:100])


def test_a_small_window_decodes_little(tmp_path, monkeypatch):
    values = np.random.default_rng(1).normal(size=(16, 512, 512)).astype(np.float32)
    array = stored(tmp_path / "x", values, (16, 512, 512))
    array.window(slice(0, 1), slice(0, 1))  # compares the checksum, of the whole file
    sizes, read = [], []

    class Counting:
        def decode(self, frame):
            read.append(len(frame))
            found = windows.Blosc().decode(frame)
            sizes.append(len(found))
            return found

    monkeypatch.setattr(windows, "_BLOSC", Counting())
    np.testing.assert_array_equal(array.window(slice(256, 288), slice(64, 96)), values[:, 256:288, 64:96])
    assert sum(sizes) < values.nbytes / 8
    assert sum(read) < values.nbytes / 8


@pytest.mark.parametrize("generation", [0, 1])
def test_damage_is_found_also_after_a_file_was_read(tmp_path, noise, generation):
    array = stored(tmp_path / "x", noise, (16, 128, 96), generation=generation)
    array.window(slice(0, 1), slice(0, 1))
    chunk = tmp_path / "x/c/0/0/0"
    raw = bytearray(chunk.read_bytes())
    raw[len(raw) // 2] ^= 1
    chunk.write_bytes(raw)
    with pytest.raises(StoreError, match=r"c/0/0/0: is damaged"):
        array.window(slice(0, 1), slice(0, 1))
    chunk.write_bytes(raw[:2])
    with pytest.raises(StoreError, match="is damaged"):
        array.window(slice(0, 1), slice(0, 1))
    chunk.unlink()
    with pytest.raises(OSError, match="No such file"):
        array.window(slice(0, 1), slice(0, 1))


def test_other_arrays_are_refused(tmp_path, noise):
    zarr.create_array(tmp_path / "gzip", data=noise, chunks=(16, 64, 64), compressors=zarr.codecs.GzipCodec())
    with pytest.raises(StoreError, match="not stored as blocks"):
        StoredArray(tmp_path / "gzip")
    zarr.create_array(tmp_path / "line", data=noise[0, 0], chunks=(64,), compressors=codecs_of("zstd", 0))
    with pytest.raises(StoreError, match="not stored as blocks"):
        StoredArray(tmp_path / "line")
