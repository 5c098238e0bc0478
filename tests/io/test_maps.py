"""Layers made of others: functions of pixels, and the first of several files that has data."""

import pickle

import numpy as np
import pytest
from affine import Affine

from insarray.io.layers.derived import DerivedLayer, FirstValidLayer
from insarray.io.layers.headers import read_headers
from insarray.io.layers.maps import map_headers, map_layer, maps_of_angles, static_maps
from insarray.model.errors import FileError, StackError
from tests.io.stack_files import UTM, write_raster

PARTS = ((0, 0, 6, 5), (0, 3, 6, 5), (1, 1, 3, 3))
WHOLE = np.arange(48, dtype=np.float32).reshape(6, 8) + 1
ALL = (slice(0, 6), slice(0, 8))


@pytest.fixture
def files(tmp_path):
    """Parts of `WHOLE`, 100 times the number of the file added; the first has a hole."""
    paths = []
    for k, (row, col, height, width) in enumerate(PARTS):
        values = WHOLE[row : row + height, col : col + width] + 100 * k
        if k == 0:
            values[5, 4] = -1
        where = UTM * Affine.translation(col, row)
        paths.append(write_raster(tmp_path / f"{k}.tif", values, transform=where, nodata=-1))
    return paths


@pytest.fixture
def grid(files):
    """Of all files together."""
    (header,) = read_headers(files[:1])
    return header.grid.window(0, 0, 6, 8)


def test_each_pixel_is_of_the_first_file_that_has_it(files, grid):
    layer = static_maps(files, "height", grid)["height"]
    expected = WHOLE.copy()
    expected[:, 5:] += 100
    expected[5, 4] += 100
    assert layer.shape == (1, 6, 8)
    np.testing.assert_array_equal(layer.read(*ALL)[0], expected)
    np.testing.assert_array_equal(layer.read(slice(4, 6), slice(3, 7))[0], expected[4:6, 3:7])
    again = pickle.loads(pickle.dumps(layer))  # workers get it so
    assert again.fingerprint == layer.fingerprint
    np.testing.assert_array_equal(again.read(*ALL), layer.read(*ALL))
    assert static_maps(files[:1], "height", grid)["height"].fingerprint != layer.fingerprint


def test_one_file_that_has_all_pixels_is_enough(files, grid):
    inner = grid.window(1, 1, 3, 3)
    assert [header.file.path for header in map_headers(files, inner)] == [str(files[0])]
    assert [header.file.path for header in map_headers(files[1:], inner)] == [str(files[2])]
    assert len(map_headers(files, grid)) == 3


def test_files_are_read_as_far_as_they_are_needed(files, grid):
    headers = map_headers(files, grid)
    layer = FirstValidLayer(map_layer(headers, grid, _Copy()))
    files[1].unlink()
    np.testing.assert_array_equal(layer.read(slice(0, 5), slice(0, 5))[0], WHOLE[:5, :5])
    with pytest.raises(FileError, match=r"1\.tif"):
        layer.read(*ALL)


class _Copy:
    dtype = np.dtype(np.float32)

    def __call__(self, raw, out, pair, name):
        out[...] = raw


def test_nothing_to_take_a_map_from(files, grid, tmp_path):
    assert static_maps([], "height", grid) == {}
    assert maps_of_angles([], [], grid) == {}
    other = write_raster(tmp_path / "other.tif", WHOLE, crs="EPSG:32615")
    with pytest.raises(StackError, match=r"other.tif: CRS EPSG:32615 instead of EPSG:32614, unlike the phase"):
        static_maps([other], "height", grid)
    assert static_maps([other, files[0]], "height", grid)["height"].shape == (1, 6, 8)


def test_a_function_of_layers(files, grid):
    layer = map_layer(map_headers(files[:2], grid), grid, _Copy())
    total = DerivedLayer((layer, layer), np.add)
    np.testing.assert_array_equal(total.read(*ALL, [1])[0, :, 5:], 2 * (WHOLE[:, 5:] + 100))
    assert (total.shape, total.dtype, total.tile) == ((2, 6, 8), np.float32, layer.tile)
    assert total.fingerprint != DerivedLayer((layer, layer), np.subtract).fingerprint
