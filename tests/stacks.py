"""Small canonical stacks in memory, lazily chunked, with known truth."""

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from insarray.model.network import Network
from tests.networks import nearest, samples

WAVELENGTH = 0.0555
GRID = Grid(20, 30, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")


def stack_of(
    network: Network | None = None, *, grid: Grid = GRID, seed: int = 0, missing: float = 0.1, block: int | None = 8
) -> xr.Dataset:
    """Stack of noisy pairs with coherence and components; pixel (5, 5) is complete."""
    network = network or nearest(8, 3)
    rng = np.random.default_rng(seed)
    phase, _ = samples(rng, network, grid.height * grid.width, missing=missing)
    phase = phase.reshape(network.n_pairs, *grid.shape)
    phase[:, 5, 5] = samples(rng, network, 1)[0][:, 0]
    coherence = rng.uniform(0.2, 0.95, phase.shape).astype(np.float32)
    components = np.where(rng.random(phase.shape) < 0.2, 0, 1).astype(np.uint16)
    components[:, 5, 5] = 1
    coherence[:, 5, 5] = 0.9
    dims = ("pair", "y", "x")
    stack = xr.Dataset(
        {
            "unwrapped_phase": (dims, phase, {"units": "radian"}),
            "coherence": (dims, coherence),
            "connected_component_labels": (dims, components),
        },
        {**pair_coords(network), **grid_coords(grid)},
        {"wavelength": WAVELENGTH, "looks": 20.0},
    )
    if block is None:
        return stack
    return stack.chunk({"pair": -1, "y": block, "x": block}).assign_coords(stack.coords)
