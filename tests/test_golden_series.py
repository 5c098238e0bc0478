"""What others make of a series or stack: ramps, reference dates, averages, counts of components."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from insarray.model.network import Network


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden"


@pytest.mark.parametrize("statistic", ["mean", "median", "std"])
@pytest.mark.parametrize("block", [None, 16])
def test_pyrate_coherence_statistics(shared, statistic, block):
    """30 real coherence maps: equal to the bit, and no value where none of the 30 has data."""
    folder = shared / "data/s1_mexico_cropA"
    stack = ia.open_stack(str(folder / "unw/*.tif"), coherence=str(folder / "coh/*.tif"), block=block)
    found = ia.temporal_average(stack, layer="coherence", statistic=statistic)[f"{statistic}_coherence"].values
    with rasterio.open(folder / f"reference_coherence_stats/coh_{statistic}.tif") as file:
        expected = file.read(1)
    assert np.isnan(expected).sum() == 102
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def dolphin(golden):
    """Arrays of dolphin's run on files, and its input as a stack."""
    data = np.load(golden / "dolphin_file_level.npz")
    network = Network.from_pairs([tuple(data["dates"][list(pair)]) for pair in data["pairs"]])
    grid = Grid(20, 24, 0.0, 0.0, 1.0, 1.0, None)
    dims = ("pair", "y", "x")
    layers = {"unwrapped_phase": (dims, data["unw"]), "connected_component_labels": (dims, data["conncomp"])}
    stack = xr.Dataset(layers, {**pair_coords(network), **grid_coords(grid)}, {"wavelength": float(data["wavelength"])})
    return data, stack


def test_dolphin_counts_of_components(dolphin):
    data, stack = dolphin
    found = ia.component_counts(stack)
    assert found.nonzero_component_count.shape == (8, 20, 24)
    np.testing.assert_array_equal(found.nonzero_component_count, data["nonzero_conncomp_counts"])
    np.testing.assert_array_equal(found.component_intersection, data["conncomp_intersection"] > 0)


@pytest.mark.parametrize(
    "kind", ["linear", "quadratic", "linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth"]
)
def test_mintpy_ramps(golden, kind):
    """The six types, relative to the reference point; MintPy's zeros are no-data. It computes in float32: 3e-6 of 5 rad."""
    data = np.load(golden / "mintpy_conncomp_ramp.npz")
    observed = data["ramp/data"] != 0
    values = np.where(observed, data["ramp/data"], np.nan)[None]
    coords = {
        "time": np.array(["2020-01-01"], "datetime64[ns]"),
        **grid_coords(Grid(120, 160, 0.0, 0.0, 1.0, 1.0, None)),
    }
    row, col = (int(v) for v in data["ref_yx"])
    series = xr.Dataset(
        {"displacement": (("time", "y", "x"), values)}, coords, {"reference_row": row, "reference_col": col}
    )
    found = ia.deramp(series, kind=kind, mask=xr.DataArray(data["ramp/mask"], dims=("y", "x")))
    np.testing.assert_allclose(found.displacement[0].values[observed], data[f"ramp/{kind}/out"][observed], atol=3e-6)
    surface = ia.ramp_surface(found)[0].values
    np.testing.assert_allclose(surface[observed], data[f"ramp/{kind}/ramp"][observed], atol=3e-6)
