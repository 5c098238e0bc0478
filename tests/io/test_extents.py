"""Files of different extents come together on one grid without a pixel moving, or are refused by name."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine import Affine

import insarray as ia
from insarray.io.layers.decode import ComponentDecode, PhaseDecode
from insarray.io.layers.extents import reconcile
from insarray.io.layers.hdf5_files import hdf5_files_layer
from insarray.io.pairs import newest, pair_file_from_name
from insarray.model.errors import StackError, StackWarning
from insarray.model.grid import Grid
from tests.io.stack_files import PAIRS, UTM, write_raster

WHOLE = np.arange(40 * 50, dtype=np.float32).reshape(40, 50) + 1
PARTS = ((0, 0, 30, 40), (5, 3, 30, 40), (2, 10, 38, 35), (5, 3, 30, 40))
"""(row, col, height, width) of each file in `WHOLE`."""
INTERSECTION = (slice(5, 30), slice(10, 40))
UNION = (slice(0, 40), slice(0, 45))


def cut(values, part):
    row, col, height, width = part
    return values[row : row + height, col : col + width]


def shifted_files(folder: Path) -> Path:
    """Pair k is k + 1 times `WHOLE`, in a file that has a part of it."""
    for k, (pair, part) in enumerate(zip(PAIRS, PARTS, strict=True)):
        where = UTM * Affine.translation(part[1], part[0])
        write_raster(folder / f"{pair}.unw.tif", (k + 1) * cut(WHOLE, part), transform=where)
        write_raster(folder / f"{pair}.conncomp.tif", np.full(part[2:], k + 1, np.uint8), transform=where)
    return folder


def opened(folder, extent, **options):
    with pytest.warns(StackWarning, match=f"3 extents; their {extent} is used"):
        return ia.open_stack(
            f"{folder}/*.unw.tif", components=f"{folder}/*.conncomp.tif", extent=extent, block=8, **options
        )


def test_the_intersection_has_every_pair(tmp_path):
    stack = opened(shifted_files(tmp_path), "intersection")
    expected = np.stack([(k + 1) * WHOLE[INTERSECTION] for k in range(4)])
    np.testing.assert_array_equal(stack.unwrapped_phase.values, expected)
    np.testing.assert_array_equal(stack.connected_component_labels.values[:, 0, 0], [1, 2, 3, 4])
    assert (stack.x.values[0], stack.y.values[0]) == (600_000 + 10.5 * 30, 2_150_000 - 5.5 * 30)
    assert "3 extents" in stack.attrs["notes"][0]


def test_the_union_has_no_data_where_a_pair_has_none(tmp_path):
    stack = opened(shifted_files(tmp_path), "union")
    expected, labels = np.full((4, 40, 50), np.nan), np.zeros((4, 40, 50))
    for k, (row, col, height, width) in enumerate(PARTS):
        window = k, slice(row, row + height), slice(col, col + width)
        expected[window] = (k + 1) * cut(WHOLE, PARTS[k])
        labels[window] = k + 1
    np.testing.assert_array_equal(stack.unwrapped_phase.values, expected[:, *UNION])
    np.testing.assert_array_equal(stack.connected_component_labels.values, labels[:, *UNION])
    one = stack.unwrapped_phase.isel(pair=2, y=slice(1, 4), x=slice(8, 12)).values
    np.testing.assert_array_equal(one, expected[2, 1:4, 8:12])


def test_without_being_asked_a_generic_stack_is_not_cut(tmp_path):
    shifted_files(tmp_path)
    with pytest.raises(
        StackError, match=r"2 of 4 files are not on the grid .*30 x 40.*extent='intersection' or 'union'"
    ):
        ia.open_stack(f"{tmp_path}/*.unw.tif")


def test_files_that_lie_apart_are_named():
    grids = [Grid(10, 10, 0, 0, 1, -1, "EPSG:32614"), Grid(10, 10, 50, 0, 1, -1, "EPSG:32614")]
    with pytest.raises(StackError, match=r"no pixel in common; a.tif and b.tif lie apart"):
        reconcile(grids, ["a.tif", "b.tif"], "intersection")
    assert reconcile(grids, ["a.tif", "b.tif"], "union").grid.shape == (10, 60)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Grid(10, 10, 0.3, 0, 1, -1, "EPSG:32614"), "shifted by 0.0 rows and 0.3 columns"),
        (Grid(10, 10, 0, 0, 1.1, -1.1, "EPSG:32614"), "pixel"),
        (Grid(10, 10, 0, 0, 1, -1, "EPSG:32615"), "CRS EPSG:32615 instead of EPSG:32614"),
        (Grid(9, 10), "9 x 10 pixels"),
    ],
)
def test_what_cannot_be_shifted_is_refused(other, message):
    grid = Grid(10, 10, 0, 0, 1, -1, "EPSG:32614")
    with pytest.raises(
        StackError, match=rf"1 of 3 files do not fit the pixels of a.tif: c.tif: .*{message}.*--resample"
    ):
        reconcile([grid, grid, other], ["a.tif", "b.tif", "c.tif"], "union")


def test_radar_images_of_different_size_are_refused():
    """Nothing says that their first pixels are the same."""
    with pytest.raises(StackError, match="9 x 10 pixels instead of 10 x 10"):
        reconcile([Grid(10, 10), Grid(10, 10), Grid(9, 10)], ["a", "b", "c"], "intersection")


def test_resampling_brings_a_shifted_ramp_where_it_belongs(tmp_path):
    """Half a pixel to the east: bilinear interpolation of a ramp is exact, labels stay whole."""
    ramp = np.tile(np.arange(30, dtype=np.float32) + 100, (20, 1))
    for k, pair in enumerate(PAIRS):
        half = 0.5 * (k == 1)
        where = UTM * Affine.translation(half, 0)
        write_raster(tmp_path / f"{pair}.unw.tif", ramp + np.float32(half), transform=where)
        write_raster(tmp_path / f"{pair}.conncomp.tif", (1 + (ramp > 110)).astype(np.uint8), transform=where)
    options = {"components": f"{tmp_path}/*.conncomp.tif"}
    with pytest.raises(StackError, match="shifted"):
        ia.open_stack(f"{tmp_path}/*.unw.tif", **options)
    with pytest.warns(StackWarning, match="2 of 8 files are warped"):
        stack = ia.open_stack(f"{tmp_path}/*.unw.tif", resample=True, **options)
    phase = stack.unwrapped_phase.values
    np.testing.assert_allclose(phase[1, :, 1:], ramp[:, 1:], atol=1e-4)
    np.testing.assert_array_equal(phase[0], ramp)
    assert set(np.unique(stack.connected_component_labels.values[1])) <= {0, 1, 2}


def test_resampling_to_another_zone_keeps_the_place(tmp_path):
    """A smooth field of longitude and latitude, in two UTM zones, agrees where it was warped."""
    from pyproj import Transformer

    shape = (60, 50)
    for k, pair in enumerate(PAIRS):
        crs, left = ("EPSG:32615", 174_000.0) if k == 2 else ("EPSG:32614", 806_000.0)
        where = Affine(80.0, 0, left, 0, -80.0, 2_200_000.0)
        cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*(where * (cols, rows)))
        field = (40 * (lon + 96) + 60 * (lat - 19.8)).astype(np.float32)
        write_raster(tmp_path / f"{pair}.unw.tif", field, crs=crs, transform=where)
    with pytest.warns(StackWarning, match="1 of 4 files are warped"):
        phase = ia.open_stack(f"{tmp_path}/*.unw.tif", resample=True).unwrapped_phase.values
    both = np.isfinite(phase[2])
    assert both.sum() > 100
    difference = np.abs(phase[2] - phase[0])[both]
    assert np.quantile(difference, 0.9) < 1e-4
    assert difference.max() < 0.04  # at the edge, where neighbours are missing, up to the slope of one pixel


def test_one_extent_says_nothing(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", StackWarning)
        stack = ia.open_stack(f"{folder}/*.unw.tif", extent="union")
    assert "notes" not in stack.attrs


def test_hdf5_files_of_different_extents(tmp_path):
    grid = Grid(40, 50, 0.0, 0.0, 1.0, -1.0, "EPSG:32614")
    paths = []
    for k, (row, col, height, width) in enumerate(PARTS[:3]):
        paths.append(str(tmp_path / f"{k}.h5"))
        with h5py.File(paths[-1], "w") as file:
            file["a/b/phase"] = cut(WHOLE, (row, col, height, width))
            file["a/b/labels"] = np.full((height, width), k + 1, np.uint16)
    grids = [grid.window(*part) for part in PARTS[:3]]
    common = reconcile(grids, paths, "union")
    phase = hdf5_files_layer(paths, "a/b/phase", common, (8, 8), PhaseDecode((1.0, -1.0, 2.0)))
    window = phase.read(slice(3, 9), slice(1, 12))
    expected = np.full((3, 6, 11), np.nan)
    expected[0] = WHOLE[3:9, 1:12]
    expected[1, 2:, 2:] = -WHOLE[5:9, 3:12]
    expected[2, :, 9:] = 2 * WHOLE[3:9, 10:12]
    np.testing.assert_array_equal(window, expected)
    np.testing.assert_array_equal(phase.read(slice(3, 9), slice(1, 12), [2, 0]), expected[[2, 0]])
    labels = hdf5_files_layer(paths, "a/b/labels", common, (8, 8), ComponentDecode())
    np.testing.assert_array_equal(labels.read(slice(3, 9), slice(1, 12))[:, 0, 0], [1, 0, 0])


def test_the_newest_version_of_a_pair_is_taken_and_the_others_are_named():
    files = [pair_file_from_name(Path(f"20200101_20200113_{version}.tif")) for version in ("v1", "v3", "v2")]
    files += [pair_file_from_name(Path("20200113_20200125_v1.tif"))]
    kept, notes = newest(files, lambda path: path.stem[-2:])
    assert [file.path.stem for file in kept] == ["20200101_20200113_v3", "20200113_20200125_v1"]
    assert notes == (
        "older versions of the same pairs are left out: 20200101_20200113_v1.tif, 20200101_20200113_v2.tif",
    )
    assert newest(kept, lambda path: path.stem[-2:]) == (kept, ())
