"""Deramping: numpy's least squares, any blocks, moving ground, the reference, what cannot be, every option."""

from typing import get_args

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.ramps import TERMS
from insarray.model.choices import Ramp
from insarray.model.dataset import grid_coords, time_coords
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from tests.networks import nearest
from tests.stacks import stack_of

ROWS, COLS = 40, 52
Y, X = np.mgrid[:ROWS, :COLS].astype(float)


def series_of(values, *, block=16, **attrs):
    """Series in memory or lazily with displacement `values` (time, y, x)."""
    coords = {
        **time_coords(nearest(len(values), 1)),
        **grid_coords(Grid(ROWS, COLS, 0.0, 0.0, 30.0, -30.0, "EPSG:32613")),
    }
    layer = (("time", "y", "x"), np.asarray(values, np.float32), {"units": "m"})
    series = xr.Dataset({"displacement": layer}, coords, {"wavelength": 0.0555, **attrs})
    return series if block is None else series.chunk(time=-1, y=block, x=block)


def noisy(seed=0, missing=0.1, dates=4):
    """Quadratic surfaces that grow with time, 3 mm of noise, samples missing."""
    rng = np.random.default_rng(seed)
    surface = 0.02 + 0.05 * Y / ROWS - 0.04 * X / COLS + 0.03 * X * Y / 2000 - 0.02 * (X / COLS) ** 2
    values = np.arange(dates)[:, None, None] * surface + rng.normal(0, 0.003, (dates, ROWS, COLS))
    return np.where(rng.random(values.shape) < missing, np.nan, values).astype(np.float32)


def by_numpy(values, kind, use=None):
    """Surface of one date by LAPACK."""
    use = np.isfinite(values) & (True if use is None else use)
    design = np.stack([(Y / ROWS) ** a * (X / COLS) ** b for a, b in TERMS[kind]], axis=-1)
    return design @ np.linalg.lstsq(design[use], values[use].astype(float), rcond=None)[0]


# -- least squares --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(Ramp))
def test_is_least_squares_over_what_is_observed(kind):
    values = noisy()
    found = ia.deramp(series_of(values), kind=kind)
    expected = np.stack([date - by_numpy(date, kind) for date in values])
    np.testing.assert_allclose(found.displacement, expected, atol=2e-8)
    np.testing.assert_array_equal(np.isnan(found.displacement), np.isnan(values))
    assert found.attrs["ramp"] == kind


def test_the_pairs_of_a_stack():
    stack = stack_of()
    y, x = np.mgrid[:20, :30]
    ramp = np.arange(stack.sizes["pair"])[:, None, None] * (3 + 0.2 * y - 0.1 * x)
    tilted = stack.assign(unwrapped_phase=(stack.unwrapped_phase + ramp).astype(np.float32))
    found, flat = ia.deramp(tilted), ia.deramp(stack)
    np.testing.assert_allclose(found.unwrapped_phase, flat.unwrapped_phase, atol=1e-4)
    assert "coherence" in found
    assert found.ramp_coefficient.dims == ("pair", "ramp_term")
    assert ia.invert(found, reference=(5, 5)).attrs["ramp"] == "linear"
    assert not np.allclose(ia.deramp(tilted, kind="linear_range").unwrapped_phase, flat.unwrapped_phase, atol=1)


def test_the_corrected_phase_if_asked():
    stack = stack_of().assign(corrected_phase=lambda s: s.unwrapped_phase + 1)
    found = ia.deramp(stack, phase="corrected_phase")
    xr.testing.assert_equal(found.unwrapped_phase, stack.unwrapped_phase)
    np.testing.assert_allclose(found.corrected_phase, ia.deramp(stack).unwrapped_phase, atol=1e-5)
    np.testing.assert_allclose(found.corrected_phase + ia.ramp_surface(found), stack.corrected_phase, atol=1e-5)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("block", [(1, 52), (7, 9), None])
def test_any_chunking_gives_the_same_bits(robust, block):
    values = noisy() + 1e-3 * np.float32(np.pi)
    expected = ia.deramp(series_of(values), kind="quadratic", robust=robust).compute()
    series = series_of(values, block=None)
    series = series if block is None else series.chunk(time=-1, y=block[0], x=block[1])
    found = ia.deramp(series, kind="quadratic", robust=robust)
    np.testing.assert_array_equal(found.ramp_coefficient, expected.ramp_coefficient)
    np.testing.assert_array_equal(found.displacement, expected.displacement)


def test_the_fit_reads_once_and_the_rest_is_lazy():
    reads = []

    def read(values, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return values

    series = series_of(noisy())
    series["displacement"].data = series.displacement.data.map_blocks(read, dtype=np.float32)
    blocks = series.displacement.data.npartitions
    found = ia.deramp(series)
    assert dask.is_dask_collection(found.displacement.data)
    assert len(reads) == blocks
    found.compute(scheduler="single-threaded")
    assert len(reads) == 2 * blocks
    reads.clear()
    passes = ia.deramp(series, robust=True).attrs["ramp_passes"]
    assert 2 <= passes <= 15
    assert len(reads) == passes * blocks


# -- mask and robustness --------------------------------------------------------------------------------------------


def bowl(depth=-0.3):
    return depth * np.exp(-((Y - 12) ** 2 + (X - 36) ** 2) / (2 * 4.0**2))


def tilt(found, expected):
    """Largest difference of the surface of the last date from the true one, apart from the constant."""
    difference = ia.ramp_surface(found).values[-1] - expected
    return float(np.ptp(difference))


def test_ground_that_moves_tilts_the_plane_unless_masked_or_robust():
    truth = 0.05 * Y / ROWS - 0.04 * X / COLS
    noise = np.random.default_rng(2).normal(0, 0.003, truth.shape)
    series = series_of(np.stack([np.zeros_like(truth), truth + bowl() + noise]))
    away = xr.DataArray(np.hypot(Y - 12, X - 36) > 14, dims=("y", "x"))
    assert tilt(ia.deramp(series), truth) > 0.03
    assert tilt(ia.deramp(series, mask=away), truth) < 0.0015
    assert tilt(ia.deramp(series, robust=True), truth) < 0.005
    masked = ia.deramp(series, mask=away)
    np.testing.assert_allclose(
        ia.ramp_surface(masked)[1], by_numpy(series.displacement.values[1], "linear", away), atol=1e-8
    )
    assert np.isfinite(masked.displacement).all()
    assert (masked.attrs["ramp_mask"], masked.attrs["ramp_robust"]) == ("array", "False")


def test_robust_is_efficient_without_outliers_and_exact_without_noise():
    values = noisy(missing=0.0)
    plain, robust = (ia.ramp_surface(ia.deramp(series_of(values), kind="quadratic", robust=r)) for r in (False, True))
    assert float(abs(plain - robust).max()) < 3e-4
    exact = np.stack([np.zeros((ROWS, COLS)), 0.3 + 0.05 * Y - 0.04 * X])
    exact[1, 5:15, 5:20] += 5.0
    found = ia.deramp(series_of(exact), robust=True).displacement
    np.testing.assert_allclose(found[0], 0, atol=0)
    np.testing.assert_allclose(found[1, 5:15, 5:20], 5.0, atol=1e-5)
    np.testing.assert_allclose(found[1, 20:], 0.0, atol=1e-5)


def test_a_mask_from_a_file(tmp_path):
    import rasterio

    use = (np.hypot(Y - 12, X - 36) > 14).astype(np.uint8)
    series = series_of(np.stack([np.zeros((ROWS, COLS)), bowl()]))
    grid = series.insar.grid
    options = {"driver": "GTiff", "height": ROWS, "width": COLS, "count": 1, "dtype": "uint8", "crs": grid.crs}
    with rasterio.open(tmp_path / "use.tif", "w", transform=rasterio.Affine(*grid.affine), **options) as file:
        file.write(use, 1)
    expected = ia.deramp(series, mask=xr.DataArray(use, dims=("y", "x")))
    found = ia.deramp(series, mask=tmp_path / "use.tif")
    np.testing.assert_array_equal(found.displacement, expected.displacement)
    assert found.attrs["ramp_mask"].endswith("use.tif")


# -- reference, undoing, pieces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(Ramp))
def test_the_reference_point_does_not_move(kind):
    values = noisy(missing=0.0)
    values -= values[:, 7:8, 9:10]
    found = ia.deramp(series_of(values, reference_row=7, reference_col=9), kind=kind)
    assert (found.displacement[:, 7, 9] == 0).all()
    free = ia.deramp(series_of(values), kind=kind)
    expected = free.displacement - free.displacement[:, 7, 9]
    np.testing.assert_allclose(found.displacement, expected, atol=3e-8)
    origin = found.ramp_coefficient.attrs["origin_y"], found.ramp_coefficient.attrs["origin_x"]
    assert origin == (float(found.y[7]), float(found.x[9]))
    assert found.attrs["reference_row"] == 7


def test_the_mean_of_a_reference_area_does_not_move():
    values = noisy(missing=0.0)
    values[2, 6, 11] = np.nan
    complete = np.isfinite(values[:, 5:9, 10:14]).all(axis=0)
    assert complete.sum() == 15
    values -= values[:, 5:9, 10:14][:, complete].mean(axis=1)[:, None, None]
    found = ia.deramp(series_of(values, reference_area=[5, 9, 10, 14]), kind="quadratic")
    np.testing.assert_allclose(found.displacement.values[:, 5:9, 10:14][:, complete].mean(axis=1), 0, atol=1e-8)
    assert float(abs(found.displacement).max()) > 0.005


@pytest.mark.parametrize("reference", [None, (3, 50), ia.area(2, 6, 3, 9)])
def test_what_was_subtracted_can_be_added_again(reference):
    series = series_of(np.nan_to_num(noisy()))
    series = series if reference is None else ia.rereference(series, reference=reference)
    found = ia.deramp(series, kind="quadratic")
    surface = ia.ramp_surface(found)
    assert dask.is_dask_collection(surface.data)
    np.testing.assert_allclose(found.displacement + surface, series.displacement, atol=2e-8)
    coefficient = found.ramp_coefficient
    about = coefficient.attrs
    row, col = np.meshgrid(
        (series.y - about["origin_y"]) / about["row_spacing"],
        (series.x - about["origin_x"]) / about["col_spacing"],
        indexing="ij",
    )
    columns = [
        np.ones_like(Y) if t == "1" else eval(t, {"row": row, "col": col}) for t in coefficient.attrs["terms"].split()
    ]
    np.testing.assert_allclose(surface, np.einsum("tk,kyx->tyx", coefficient, np.stack(columns)), atol=2e-8)
    assert surface.attrs["units"] == "m"
    part = {"y": slice(10, 21), "x": slice(5, 40, 2), "time": slice(1, 3)}
    np.testing.assert_allclose(ia.ramp_surface(found.isel(part)), surface.isel(part), atol=1e-8)
    moved = ia.rereference(found.compute().fillna(0.0), date=series.time.values[1])
    with pytest.raises(StackError, match="ramp_coefficient"):  # it was relative to the reference before
        ia.ramp_surface(moved)
    with pytest.raises(StackError, match="ramp_coefficient"):
        ia.ramp_surface(series)


def test_pieces_of_the_network_keep_their_own_datum():
    """A corner is not tied across a gap: it stays relative to its own first date, and loses the ramp since then."""
    surface = np.array([0, 1, 3, 4])[:, None, None] * (0.01 * Y - 0.02 * X)
    label = np.ones(surface.shape, np.uint8)
    label[2:, :10, :10] = 2
    kept = np.where(label == 2, surface - surface[2], surface)
    series = series_of(kept, gap="subset").assign(network_subset=(("time", "y", "x"), label))
    series = series.chunk(time=-1, y=16, x=16)
    found = ia.deramp(series)
    np.testing.assert_allclose(found.displacement, 0, atol=2e-7)
    np.testing.assert_allclose(ia.ramp_surface(found), kept, atol=2e-7)
    label[2:] = 2
    with pytest.raises(StackError, match=r"date \d{8} \(and 1 more\) has only 0 pixels tied to the reference date"):
        ia.deramp(series.assign(network_subset=(("time", "y", "x"), label)).chunk(time=-1, y=16, x=16))


def test_terms_of_motion_are_dropped_and_observations_stay():
    series = ia.invert(stack_of(), reference=(5, 5))
    found = ia.deramp(series.merge(ia.fit(series, steps=("2020-02-01",)), combine_attrs="override"))
    assert set(found.data_vars) == set(series.data_vars)
    xr.testing.assert_identical(found.network_subset, series.network_subset)
    assert found.insar.network == series.insar.network
    assert found.displacement.attrs == series.displacement.attrs
    with pytest.raises(StackError, match="series: was deramped, the stack was not"):
        ia.residuals(stack_of(), found)


# -- what cannot be -------------------------------------------------------------------------------------------------


def test_a_date_without_enough_pixels_is_named():
    values = noisy(dates=3)
    few = values.copy()
    few[1] = np.nan
    few[1, 3, 4:6] = 0.1
    with pytest.raises(StackError, match=r"deramp: date 20\d{6} has only 2 pixels to fit; a linear ramp needs 3"):
        ia.deramp(series_of(few))
    line = values.copy()
    line[1] = np.where(np.isfinite(values[1]) & (Y == X), values[1], np.nan)
    with pytest.raises(StackError, match=r"date 20\d{6} has only \d\d pixels, which lie on too small a part"):
        ia.deramp(series_of(line))
    ia.deramp(series_of(line), kind="linear_range")
    stack = stack_of(block=None)
    stack.unwrapped_phase[4] = np.nan
    with pytest.raises(StackError, match=f"pair {stack.insar.network.labels[4]} has only 0 pixels"):
        ia.deramp(stack)


def test_bad_arguments_are_named():
    series = series_of(noisy())
    with pytest.raises(ArgumentError, match=r"kind: 'cubic' is not one of linear, quadratic"):
        ia.deramp(series, kind="cubic")
    with pytest.raises(ArgumentError, match="has lost its linear ramp already"):
        ia.deramp(ia.deramp(series))
    with pytest.raises(ArgumentError, match=r"mask raster: \(3, 3\) pixels, expected \(40, 52\)"):
        ia.deramp(series, mask=xr.DataArray(np.ones((3, 3)), dims=("y", "x")))
    with pytest.raises(ArgumentError, match="phase: 'wrapped'"):
        ia.deramp(stack_of(), phase="wrapped")
    with pytest.raises(StackError, match="neither 'displacement'"):
        ia.deramp(series.drop_vars("displacement"))
