"""Selecting and masking: each option changes what it says, and nothing is masked without its layer."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine

import insarray as ia
from insarray.model.errors import ArgumentError, FileError, NetworkError, StackError
from tests.stacks import GRID, stack_of


def test_select_pairs_keeps_data_and_coordinates_together():
    stack = stack_of(missing=0.0)
    kept = ia.select_pairs(stack, max_temporal_baseline=24, exclude_dates=["20200113"])
    network = stack.insar.network
    keep = (network.temporal_baseline <= 24) & ~(network.pairs == 1).any(axis=1)
    np.testing.assert_array_equal(kept.unwrapped_phase, stack.unwrapped_phase.values[keep])
    assert kept.insar.network == network.subset(keep)
    assert kept.unwrapped_phase.chunksizes["pair"] == (keep.sum(),)
    ia.invert(kept)
    with pytest.raises(NetworkError, match="no pair is left"):
        ia.select_pairs(stack, max_temporal_baseline=1)


def test_select_by_coherence_uses_the_mean_of_the_image():
    stack = stack_of(missing=0.0).compute()
    stack.coherence.values[:] = 0.5
    stack.coherence.values[2] = 0.1
    kept = ia.select_pairs(stack, min_mean_coherence=0.3)
    assert kept.sizes["pair"] == stack.sizes["pair"] - 1
    with pytest.raises(StackError, match="no coherence"):
        ia.select_pairs(stack.drop_vars("coherence"), min_mean_coherence=0.3)


def test_each_mask_changes_what_it_says():
    stack = stack_of(missing=0.0)
    by_coherence = ia.mask(stack, min_coherence=0.4).unwrapped_phase
    np.testing.assert_array_equal(np.isnan(by_coherence), ~(stack.coherence >= 0.4))
    by_component = ia.mask(stack, mask_components=True).unwrapped_phase
    np.testing.assert_array_equal(np.isnan(by_component), stack.connected_component_labels == 0)
    both = ia.mask(stack, min_coherence=0.4, mask_components=True)
    np.testing.assert_array_equal(np.isnan(both.unwrapped_phase), np.isnan(by_coherence) | np.isnan(by_component))
    assert by_coherence.dtype == np.float32
    assert both.attrs["mask_coherence"] == "0.4"
    assert not np.isnan(ia.mask(stack).unwrapped_phase).any()


def test_masks_change_the_inversion():
    """The option that a peer logged and ignored."""
    stack = stack_of(missing=0.0)
    plain, masked = (ia.invert(s, reference=(5, 5)) for s in (stack, ia.mask(stack, mask_components=True)))
    assert not np.array_equal(plain.displacement, masked.displacement, equal_nan=True)
    assert int(masked.number_of_observations.sum()) < int(plain.number_of_observations.sum())


def test_a_mask_without_its_layer_is_an_error():
    stack = stack_of().drop_vars(["coherence", "connected_component_labels"])
    with pytest.raises(StackError, match="no coherence"):
        ia.mask(stack, min_coherence=0.3)
    with pytest.raises(StackError, match="no connected_component_labels"):
        ia.mask(stack, mask_components=True)


def write_mask(path, values, transform, crs, nodata=None):
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=nodata) as file:
        file.write(values, 1)


def test_raster_on_the_same_grid(tmp_path):
    stack = stack_of(missing=0.0)
    values = np.ones(GRID.shape, np.uint8)
    values[:4], values[10, 3] = 0, 255
    write_mask(tmp_path / "m.tif", values, Affine(*GRID.affine), GRID.crs, nodata=255)
    masked = ia.mask(stack, mask=tmp_path / "m.tif").unwrapped_phase
    np.testing.assert_array_equal(np.isnan(masked[0]), values != 1)
    again = ia.mask(stack, mask=xr.DataArray((values == 1).astype(float), dims=("y", "x"))).unwrapped_phase
    np.testing.assert_array_equal(np.isnan(again), np.isnan(masked))
    assert ia.invert(stack.assign(unwrapped_phase=masked)).displacement.chunks[1:] == stack.unwrapped_phase.chunks[1:]


def test_raster_of_another_grid_is_warped(tmp_path):
    """A mask in degrees, coarser and larger: its left part is bad."""
    stack = stack_of(missing=0.0)
    lon, lat = GRID.lonlat(10, 15)
    values = np.ones((40, 40), np.uint8)
    values[:, :20] = 0
    write_mask(tmp_path / "m.tif", values, Affine(0.001, 0, lon - 0.02, 0, -0.001, lat + 0.02), "EPSG:4326")
    masked = np.isnan(ia.mask(stack, mask=tmp_path / "m.tif").unwrapped_phase[0].values)
    assert masked[:, :14].all()
    assert not masked[:, 17:].any()


def test_outside_the_raster_is_masked(tmp_path):
    write_mask(tmp_path / "m.tif", np.ones((5, 30), np.uint8), Affine(*GRID.affine), GRID.crs)
    masked = np.isnan(ia.mask(stack_of(missing=0.0), mask=tmp_path / "m.tif").unwrapped_phase[0].values)
    assert masked[5:].all()
    assert not masked[:5].any()


def test_bad_rasters_are_refused(tmp_path):
    (tmp_path / "vrt.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    with pytest.raises(FileError, match=r"vrt\.tif"):
        ia.mask(stack_of(), mask=tmp_path / "vrt.tif")
    with pytest.raises(FileError, match=r"none\.tif"):
        ia.mask(stack_of(), mask=tmp_path / "none.tif")
    with pytest.raises(ArgumentError, match=r"\(3, 3\)"):
        ia.mask(stack_of(), mask=xr.DataArray(np.ones((3, 3)), dims=("y", "x")))
