"""Levels: means of what has data, and windows of any blocks."""

import numpy as np
import pytest
import xarray as xr

from insarray.viewer.pyramid import Blocks, Kept, Pyramid, halved, workers


def reference(values):
    """Mean of the finite values of each 2 x 2, slowly."""
    rows, cols = (-(-size // 2) for size in values.shape)
    found = np.full((rows, cols), np.nan)
    for i in range(rows):
        for j in range(cols):
            part = values[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            if np.isfinite(part).any():
                found[i, j] = part[np.isfinite(part)].mean()
    return found


@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (1, 1), (1, 6)])
def test_a_coarser_level_is_the_mean_of_what_has_data(shape):
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape).astype(np.float32)
    values[rng.random(shape) < 0.4] = np.nan
    np.testing.assert_allclose(halved(values), reference(values), rtol=1e-5, atol=1e-7)


def test_flags_are_not_averaged():
    np.testing.assert_array_equal(halved(np.array([[1, 3, 2], [5, 7, 4]]), averaged=False), [[1, 2]])


@pytest.fixture
def pool():
    with workers("test") as found:
        yield found


@pytest.mark.parametrize("chunks", [(64, 96), (33, 50), (300, 300)])
@pytest.mark.parametrize("averaged", [True, False])
def test_every_level_is_that_of_the_whole_image(chunks, averaged, tmp_path, pool):
    values = np.random.default_rng(1).normal(size=(3, 210, 190)).astype(np.float32)
    values[:, ::7, ::5] = np.nan
    array = xr.DataArray(values, dims=("time", "y", "x")).chunk({"y": chunks[0], "x": chunks[1]})
    kept = Kept()
    pyramid = Pyramid(Blocks([array], kept), averaged=averaged, folder=tmp_path, pool=pool)
    whole = values[2]
    for level in range(4):
        size = whole.shape
        np.testing.assert_allclose(
            pyramid.tile(level, 2, slice(0, size[0]), slice(0, size[1])), whole, rtol=2e-5, atol=1e-7
        )
        part = pyramid.tile(level, 2, slice(3, 20), slice(5, 23))
        np.testing.assert_allclose(part, whole[3:20, 5:23], rtol=2e-5, atol=1e-7)
        whole = halved(whole, averaged=averaged)
    assert not pyramid.damage
    assert pyramid.progress == 1
    kept.close()


def test_a_block_is_read_once_while_it_is_kept():
    reads = []
    kept = Kept(limit=100)

    def read(name, size):
        reads.append(name)
        return np.zeros(size, np.uint8)

    kept.get("a", lambda: read("a", 60))
    kept.get("a", lambda: read("a", 60))
    assert reads == ["a"]
    kept.get("b", lambda: read("b", 60))  # too much together: the oldest goes
    kept.get("a", lambda: read("a", 60))
    assert reads == ["a", "b", "a"]
    with pytest.raises(OSError, match="gone"):
        kept.get("c", lambda: exec("raise OSError('gone')"))
    kept.get("c", lambda: read("c", 1))  # and is tried again
    assert reads[-1] == "c"
    kept.close()
