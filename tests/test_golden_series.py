"""What others make of a series or stack: ramps, reference dates, averages, counts of components."""

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from insarray.model.network import Network


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
        {"displacement": (("time", "y", "x"), values)}, coords, {"reference_y": row + 0.5, "reference_x": col + 0.5}
    )
    found = ia.deramp(series, kind=kind, mask=xr.DataArray(data["ramp/mask"], dims=("y", "x")))
    np.testing.assert_allclose(found.displacement[0].values[observed], data[f"ramp/{kind}/out"][observed], atol=3e-6)
    surface = ia.ramp_surface(found)[0].values
    np.testing.assert_allclose(surface[observed], data[f"ramp/{kind}/ramp"][observed], atol=3e-6)


def metres(dolphin, name):
    """Displacement of dolphin's files since the first date, that date included."""
    values = dolphin[0][name]
    return np.concatenate([np.zeros_like(values[:1]), values])


def test_dolphin_series_rereferenced_in_the_middle(dolphin):
    """From date 4 on dolphin gives x_k - x_4; up to it, it leaves the dates since the first. Its masked pixels are off."""
    data, stack = dolphin
    series = ia.invert(stack, reference=tuple(int(v) for v in data["reference_row_col"]))
    found = ia.rereference(series, date="2021-04-22")
    theirs = metres(dolphin, "rereferenced_L2_f32")
    complete = np.isfinite(data["unw"]).all(axis=0)
    np.testing.assert_allclose(found.displacement.values[5:, complete], theirs[5:, complete], atol=1e-6)
    np.testing.assert_allclose(series.displacement.values[:5, complete], theirs[:5, complete], atol=1e-6)
    assert (found.displacement.values[4, complete] == 0).all()
    assert np.isnan(found.displacement.values[:, 15:, 18:]).all()


def test_dolphin_pieces_of_moving_reference_are_joined(dolphin):
    """Its files of two reference dates are a tree of pairs: inverted or joined, they are the series with one reference."""
    data, _ = dolphin
    whole, moving = metres(dolphin, "L2_displacement_m_f32"), metres(dolphin, "rereferenced_L2_f32")
    complete = np.isfinite(data["unw"]).all(axis=0)
    scale = -float(data["wavelength"]) / (4 * np.pi)
    network = Network.from_pairs([tuple(name.removesuffix(".tif").split("_")) for name in data["rereferenced_names"]])
    coords = {**pair_coords(network), **grid_coords(Grid(20, 24, 0.0, 0.0, 1.0, 1.0, None))}
    phase = (("pair", "y", "x"), (moving[1:] / scale).astype(np.float32))
    tree = xr.Dataset({"unwrapped_phase": phase}, coords, {"wavelength": float(data["wavelength"])})
    inverted = ia.invert(tree).displacement.values
    np.testing.assert_allclose(inverted[:, complete], whole[:, complete], atol=1e-7)

    def part(values, dates):
        times = data["dates"][dates].astype("datetime64[ns]")
        coords = {"time": times, **grid_coords(Grid(20, 24, 0.0, 0.0, 1.0, 1.0, None))}
        return xr.Dataset({"displacement": (("time", "y", "x"), values.astype(np.float32))}, coords)

    later = np.concatenate([np.zeros_like(moving[:1]), moving[5:]])
    joined = ia.join(part(moving[:5], slice(0, 5)), part(later, slice(4, None)))
    np.testing.assert_allclose(joined.displacement.values[:, complete], whole[:, complete], atol=1e-7)


def test_mintpy_reference_date_of_its_own_series(shared, golden):
    """Subtracting a date, as `reference_date.py` does, by its series of the simulated stack; its velocity is kept."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(golden / "mintpy_stack/out/no/timeseries.h5") as file:
        values, dates = file["timeseries"][:], [d.decode() for d in file["date"][:]]
    times = np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in dates], "datetime64[ns]")
    coords = {"time": times, **grid_coords(Grid(*values.shape[1:], 0.0, 0.0, 1.0, 1.0, None))}
    series = xr.Dataset({"displacement": (("time", "y", "x"), values)}, coords)
    found = ia.rereference(series, date=dates[7])
    np.testing.assert_array_equal(found.displacement, values - values[7])
    np.testing.assert_allclose(ia.fit(found).velocity, ia.fit(series).velocity, atol=1e-6)
