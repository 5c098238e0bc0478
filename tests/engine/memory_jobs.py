"""Jobs whose memory is measured, each in a process of its own: ``python -m tests.engine.memory_jobs NAME FOLDER``.

Samples are made when they are read, as cheaply as they would be read from a file, so that what counts is the job.
"""

import datetime as dt
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

import insarray as ia
from insarray.cli.components_points_export import Links
from insarray.cli.link_commands import links, wrapped_of
from insarray.cli.point_options import Points
from insarray.engine.plan import BASE_BYTES, Plan, plan_run
from insarray.engine.run.append import append
from insarray.io.layers.lazy import to_dataset
from insarray.io.source import StackSource
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.products.points.link_plan import LinkPlan, plan_links
from insarray.products.points.tiles import TileOptions, unwrap_tiles

WORKERS = 2
WAVELENGTH = 0.05546576
GEOMETRY = {"slant_range": 620_000.0, "incidence_angle": 35.0}


@dataclass(frozen=True)
class Made:
    """Layer whose samples are made when they are read."""

    name: str
    network: Network
    grid: Grid
    tile: tuple[int, int] = (256, 256)
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.network.n_pairs, *self.grid.shape

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.shape}"

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        chosen = range(self.network.n_pairs) if pairs is None else pairs
        row, col = np.arange(rows.start, rows.stop)[:, None], np.arange(cols.start, cols.stop)[None, :]
        out = np.empty((len(chosen), row.size, col.size), np.float32)
        years = self.network.years
        for plane, pair in zip(out, chosen, strict=True):
            if self.name == "coherence":
                plane[:] = 0.3 + 0.06 * ((row + col + pair) % 11)
                continue
            span = years[self.network.secondary[pair]] - years[self.network.reference[pair]]
            plane[:] = span * 5 * np.sin(row / 900) * np.cos(col / 700) + 0.1 * ((row * 3 + col * 5 + pair) % 7)
            plane[(row * 7 + col * 13 + 29 * pair) % 20 == 0] = np.nan
        return out


def network(dates: int, neighbours: int) -> Network:
    """Each date with the next ones, every 12 days."""
    days = [dt.date(2018, 1, 1) + dt.timedelta(12 * k) for k in range(dates)]
    ends = [(days[i], days[j]) for i in range(dates) for j in range(i + 1, min(i + neighbours, dates - 1) + 1)]
    return Network.from_pairs([f"{a:%Y%m%d}_{b:%Y%m%d}" for a, b in ends])


def stack_of(pairs: Network, size: int, block: int, *, coherence: bool = True) -> xr.Dataset:
    """Lazy stack that knows its pairs by what they are made of."""
    grid = Grid(size, size, 600_000.0, 2_100_000.0, 40.0, -40.0, "EPSG:32614")
    names = ("unwrapped_phase", "coherence") if coherence else ("unwrapped_phase",)
    layers = {name: Made(name, pairs, grid) for name in names}
    known = tuple(f"{int(label.replace('_', '')):060x}"[-15:] for label in pairs.labels)
    source = StackSource(pairs, grid, layers, (), wavelength=WAVELENGTH, fingerprints=known)
    return to_dataset(source, "made", block).assign_attrs(looks=20.0)


def plain(folder: str) -> Plan:
    return ran(ia.invert(stack_of(network(30, 3), 1024, 512, coherence=False)), folder)


def weighted(folder: str) -> Plan:
    return ran(ia.invert(ia.mask(stack_of(network(30, 3), 1024, 512), min_coherence=0.35), weights="variance"), folder)


def robust(folder: str) -> Plan:
    return ran(ia.invert(stack_of(network(60, 4), 512, 256), norm="l1", weights="variance", max_iterations=8), folder)


def merged(folder: str) -> Plan:
    stack = stack_of(network(24, 3), 320, 160)
    series = ia.invert(stack, weights="variance")
    series = series.merge(ia.covariance(stack, weights="variance"), combine_attrs="override")
    model = ia.fit(series, periods=(1.0,), uncertainty="covariance")
    return ran(series.merge(model, compat="override", combine_attrs="override"), folder)


def store(folder: str) -> Plan:
    """The series that `stored` fits; not measured."""
    return ran(ia.invert(stack_of(network(60, 2), 768, 384, coherence=False)), f"{folder}/series")


def stored(folder: str) -> Plan:
    series = xr.open_zarr(f"{folder}/series/out.zarr").chunk(time=-1)
    return ran(ia.fit(series, degree=2, periods=(1.0, 0.5), residuals=True), folder)


def selected(folder: str) -> Plan:
    stack = stack_of(network(120, 5), 512, 256)
    kept = ia.select_pairs(stack, max_temporal_baseline=12, exclude_dates=stack.insar.network.times[64:])
    assert (stack.sizes["pair"], kept.sizes["pair"]) == (585, 63)
    return ran(ia.invert(kept, weights="variance"), folder)


def begin(folder: str) -> Plan:
    """The store that `appended` continues; not measured."""
    return ran(ia.invert(stack_of(network(39, 3), 768, 384, coherence=False)), folder)


def appended(folder: str) -> Plan:
    series = ia.invert(stack_of(network(40, 3), 768, 384, coherence=False))
    plan = plan_run(series, WORKERS)
    done = append(series, f"{folder}/out.zarr", workers=WORKERS)
    assert (done.new_dates, done.blocks) == (1, 4)
    return plan


def wrapped(folder: str) -> LinkPlan:
    """The stack that `linked` takes; not measured."""
    stack, _ = ia.simulate_wrapped(shape=(170, 170), n_dates=30, water=False)
    stack.chunk(time=-1, y=85, x=85).to_zarr(f"{folder}/wrapped.zarr", zarr_format=3, consolidated=False)
    return plan_links(stack, {"min_temporal_coherence": 0.3}, network="both", neighbours=16, max_length=None)


def linked(folder: str) -> LinkPlan:
    options = Links(stack=f"{folder}/wrapped.zarr", out=f"{folder}/points", min_temporal_coherence=0.3, **GEOMETRY)
    criteria = options.keywords(Points)
    plan = plan_links(wrapped_of(options), criteria, network="both", neighbours=16, max_length=None)
    links(options)
    return plan


def tiled(folder: str) -> Plan:
    stack = xr.open_zarr(f"{folder}/wrapped.zarr")
    criteria = (("min_temporal_coherence", 0.3),)
    return ran(
        unwrap_tiles(stack, TileOptions(criteria, (-0.06, 0.06), (-60.0, 60.0), 16, False, 100, 20, None, None)), folder
    )


def ran(dataset: xr.Dataset, folder: str) -> Plan:
    """Plan of a dataset that was run."""
    plan = plan_run(dataset, WORKERS)
    ia.run(dataset, f"{folder}/out.zarr", workers=WORKERS)
    return plan


def peak() -> int:
    """Largest resident memory of this process, bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


if __name__ == "__main__":
    base = peak()
    plan = globals()[sys.argv[1]](sys.argv[2])
    work = plan.peak_bytes - BASE_BYTES
    print(json.dumps({"base": base, "measured": peak(), "plan": plan.peak_bytes, "work": work}))
