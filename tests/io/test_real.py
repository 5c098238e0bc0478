"""Real Sentinel-1 interferograms and MintPy's own project."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - the accessor .rio

from insarray.io.open import open_stack
from insarray.model.dataset import grid_of, network_of


@pytest.fixture
def crop(shared: Path) -> Path:
    return shared / "data" / "s1_mexico_cropA"


def test_mexico(crop: Path) -> None:
    stack = open_stack(
        f"{crop}/unw/*.tif", coherence=f"{crop}/coh/*.tif", baselines=crop / "baselines.csv", wavelength=0.0554657595
    )
    network = network_of(stack)
    assert (network.n_pairs, network.n_dates, network.n_components) == (30, 13, 1)
    assert stack.attrs["wavelength"] == 0.0554657595
    assert float(stack.perpendicular_baseline[0]) == pytest.approx(33.42)
    stack = stack.compute()
    for k, path in enumerate(sorted((crop / "unw").glob("*.tif"))):
        with rasterio.open(path) as file:
            raw = file.read(1)
        phase = stack.unwrapped_phase.values[k]
        valid = np.isfinite(phase)
        np.testing.assert_array_equal(phase[valid], raw[valid])
        assert (raw[~valid] == 0).all()
    # README: 1.7 % of the samples are missing; the signs of the pairs close
    assert float(np.isnan(stack.unwrapped_phase).mean()) == pytest.approx(0.017, abs=5e-4)
    referenced = stack.unwrapped_phase - stack.unwrapped_phase.isel(y=33, x=8)
    ij, jk, ik = network.triplets().T
    closure = np.abs(referenced.values[ij] + referenced.values[jk] - referenced.values[ik])
    assert np.nanmedian(closure) == pytest.approx(0.27, abs=0.01)


def test_mexico_coherence_statistics(crop: Path) -> None:
    coherence = open_stack(f"{crop}/unw/*.tif", coherence=f"{crop}/coh/*.tif").coherence.values
    with rasterio.open(crop / "reference_coherence_stats" / "coh_mean.tif") as file:
        expected = file.read(1)
    seen = np.isfinite(coherence).any(axis=0)
    np.testing.assert_allclose(np.nanmean(coherence[:, seen], axis=0), expected[seen], rtol=1e-6)


@pytest.mark.parametrize("place", ["", "geo"])
def test_mintpy_project(shared: Path, place: str) -> None:
    folder = shared / "golden" / "mintpy_stack" / place
    stack = open_stack(folder)
    with h5py.File(folder / "inputs" / "ifgramStack.h5") as file:
        stored, labels = file["unwrapPhase"][:], file["connectComponent"][:]
        coherence, dates = file["coherence"][:], file["date"][:].astype(str)
    phase = stack.unwrapped_phase.values
    assert network_of(stack).labels == ["_".join(pair) for pair in dates]
    valid = np.isfinite(stored) & ((stored != 0) | ((coherence > 0) & (labels > 0)))
    np.testing.assert_array_equal(phase, np.where(valid, stored, np.nan).astype(np.float32))
    np.testing.assert_array_equal(stack.connected_component_labels, np.maximum(labels, 0))
    assert stack.attrs["looks"] == 38.7
    assert stack.attrs["wavelength"] == 0.05546576
    assert 20 < float(stack.incidence_angle.mean()) < 50
    assert (stack.water_mask.values[np.isfinite(phase).any(axis=0)]).mean() > 0.9  # True = land


def test_mintpy_corner(shared: Path) -> None:
    folder = shared / "golden" / "mintpy_stack" / "geo"
    stack = open_stack(folder)
    with h5py.File(folder / "inputs" / "ifgramStack.h5") as file:
        left, top = float(file.attrs["X_FIRST"]), float(file.attrs["Y_FIRST"])
        dx, dy = float(file.attrs["X_STEP"]), float(file.attrs["Y_STEP"])
    assert stack.rio.crs.to_epsg() == 32715
    assert grid_of(stack).bounds == (left, top + 40 * dy, left + 50 * dx, top)
    assert float(stack.x[0]) == left + dx / 2
