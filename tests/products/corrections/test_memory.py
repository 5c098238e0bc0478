"""Blocks of corrections take no more working memory than they declare, and graphs grow with blocks, not with dates."""

import tracemalloc

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.graph.tasks import BlockTask
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from tests.io.corrections.delay_files import era5
from tests.networks import nearest
from tests.products.corrections.test_ionosphere import ionex
from tests.products.corrections.test_troposphere import LAT, LON

EDGE, DATES = 160, 30
NETWORK = nearest(DATES, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weather and electrons of all dates."""
    folder = tmp_path_factory.mktemp("files")
    days = [str(time)[:10] for time in NETWORK.times]
    era5(folder / "e.nc", LAT, LON, [f"{day}T14:00:00" for day in days])
    for day in days:
        ionex(folder / f"{day}.20i", day, lambda hour, lat, lon: 20 + 0 * lon, hours=(14, 16))
    return folder


def stack(edge=EDGE, block=EDGE, *, split=False):
    grid = Grid(edge, edge, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")
    phase = np.zeros((NETWORK.n_pairs, edge, edge), np.float32)
    if split:  # pieces of the network in a part of the image
        phase[(NETWORK.reference < 10) & (NETWORK.secondary >= 10), : edge // 2] = np.nan
    height = np.random.default_rng(0).uniform(0, 2500, (edge, edge)).astype(np.float32)
    data = {"unwrapped_phase": (("pair", "y", "x"), phase, {"units": "radian"}), "height": (("y", "x"), height)}
    made = xr.Dataset(data, {**pair_coords(NETWORK), **grid_coords(grid)}, {"wavelength": 0.0555})
    return made.chunk({"pair": -1, "y": block, "x": block}).assign_coords(made.coords)


def series(*, split):
    found = ia.invert(stack(split=split), reference=(EDGE - 2, 3), gap="subset" if split else "nan").compute()
    return found.chunk(time=-1, y=EDGE, x=EDGE)


def two(like):
    """Two corrections in memory."""
    layer = xr.zeros_like(like.displacement if "displacement" in like else None).compute().assign_attrs(units="m")
    return {"troposphere": layer, "solid_earth_tide": layer}


def radar():
    """The stack in radar coordinates, with maps of where its pixels are."""
    made = stack()
    plain = made.drop_vars("spatial_ref").assign_coords(grid_coords(Grid(EDGE, EDGE)))
    row, col = np.indices((EDGE, EDGE), np.float32)
    places = {"latitude": 37.2 - 0.001 * row, "longitude": -105.2 + 0.001 * col}
    return plain.assign({name: (("y", "x"), values.astype(np.float32)) for name, values in places.items()})


SIGHT = {"time_of_day": "14:30", "incidence_angle": 36.0, "heading": -13.0}
JOBS = {
    "troposphere": lambda files: ia.troposphere(stack(), files / "e.nc", time_of_day="14:07", incidence_angle=36.0),
    "tide": lambda files: ia.solid_earth_tide(stack(), **SIGHT),
    "tide, radar": lambda files: ia.solid_earth_tide(radar(), **SIGHT),
    "troposphere, radar": lambda files: ia.troposphere(
        radar(), files / "e.nc", time_of_day="14:07", incidence_angle=36.0
    ),
    "plate, radar": lambda files: ia.plate_motion(
        radar().assign({f"los_{axis}": radar().height * 0 + (axis == "up") for axis in ("east", "north", "up")}),
        plate="NorthAmerica",
    ),
    "ionosphere": lambda files: ia.ionosphere(stack(), files / "*.20i", **SIGHT),
    "stratified": lambda files: ia.stratified_troposphere(stack()),
    "series": lambda files: ia.correct(series(split=False), two(series(split=False))),
    "pieces": lambda files: ia.correct(series(split=True), two(series(split=True))),
    "pairs": lambda files: ia.correct(stack(), two(series(split=False))),
}


@pytest.mark.parametrize("name", JOBS)
def test_working_memory_is_what_is_declared(name, files, monkeypatch):
    made, original, found = JOBS[name](files), BlockTask.__call__, []

    def measured(self, constants, *arrays):
        original(self, constants, *arrays)  # whatever is kept from file to file, or compiled
        tracemalloc.start()
        results = original(self, constants, *arrays)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found.append((peak - sum(results[of].nbytes for of in self.outputs), self.bytes_per_pixel * EDGE**2))
        return results

    monkeypatch.setattr(BlockTask, "__call__", measured)
    with dask.config.set(scheduler="sync"):
        made.compute()
    used, declared = found[-1]
    assert used <= 1.02 * declared + 400_000  # nodes of a weather model do not grow with the block
    assert declared < 2.6 * used + 2_000_000


def test_the_graph_grows_with_the_blocks(files):
    """The same number of tasks a block, whatever the number of dates; and of blocks of any number."""
    counts = []
    for block in (80, 40):
        made = ia.correct(
            stack(block=block),
            ia.troposphere(stack(block=block), files / "e.nc", time_of_day="14:07", incidence_angle=36.0),
        )
        counts.append(len(dict(made.unwrapped_phase.data.dask)) / (EDGE / block) ** 2)
    assert counts[1] <= counts[0]
    assert counts[1] < 40
