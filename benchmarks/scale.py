"""How far it goes: graphs of 100,000 blocks, work handed out, one worker against two, 30 GB in workers of 1.5 GB.

The stack is made when a block reads it, as a file would be: smooth motion, a coherence for each pair, 5 % of the samples
missing. What depends on files is measured on GeoTIFFs written for it.
"""

import argparse
import datetime as dt
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil
import xarray as xr
from distributed import Client, LocalCluster
from kernels import print_heading

import insarray as ia
from insarray.engine.jobs import Jobs
from insarray.engine.plan import plan_run
from insarray.io.layers.lazy import to_dataset
from insarray.io.source import StackSource
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.simulate.files import write_geotiff

WAVELENGTH = 0.05546576


def network(dates: int, neighbours: int) -> Network:
    """Each date with the next ones, every 12 days."""
    days = [dt.date(2018, 1, 1) + dt.timedelta(12 * k) for k in range(dates)]
    ends = [(days[i], days[j]) for i in range(dates) for j in range(i + 1, min(i + neighbours, dates - 1) + 1)]
    return Network.from_pairs([f"{a:%Y%m%d}_{b:%Y%m%d}" for a, b in ends])


@dataclass(frozen=True)
class Made:
    """Layer whose samples are computed when they are read."""

    name: str
    network: Network
    grid: Grid
    tile: tuple[int, int] = (256, 256)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.network.n_pairs, *self.grid.shape

    @property
    def fingerprint(self) -> str:
        """Of the name and the shape."""
        return f"{self.name} {self.shape}"

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """A window, which costs less than reading it from a file would."""
        chosen = np.arange(self.network.n_pairs) if pairs is None else np.asarray(pairs)
        row, col = np.arange(rows.start, rows.stop)[:, None], np.arange(cols.start, cols.stop)[None, :]
        if self.name == "coherence":
            levels = (0.4 + 0.05 * (chosen % 11)).astype(np.float32)
            return np.broadcast_to(levels[:, None, None], (len(chosen), row.size, col.size)).copy()
        years = self.network.years
        span = years[self.network.secondary[chosen]] - years[self.network.reference[chosen]]
        rate = (5 * np.sin(row / 900) * np.cos(col / 700)).astype(np.float32)
        phase = span.astype(np.float32)[:, None, None] * rate
        for plane, pair in zip(phase, chosen.tolist(), strict=True):
            plane[(row * 7 + col * 13 + 29 * pair) % 20 == 0] = np.nan
        return phase


def made_stack(pairs: Network, height: int, width: int, block: int) -> xr.Dataset:
    """Lazy stack."""
    grid = Grid(height, width, 600_000.0, 2_100_000.0, 40.0, -40.0, "EPSG:32614")
    layers = {name: Made(name, pairs, grid) for name in ("unwrapped_phase", "coherence")}
    return to_dataset(StackSource(pairs, grid, layers, (), wavelength=WAVELENGTH), "made", block)


def graph(blocks_down: int, blocks_across: int) -> None:
    """Tasks, bytes and seconds of a graph, and what a block of it costs to send."""
    edge = 64
    memory = psutil.Process().memory_info().rss
    clock = time.perf_counter()
    stack = made_stack(network(100, 3), blocks_down * edge, blocks_across * edge, edge)
    series = ia.invert(stack, weights="variance", looks=20)
    built = time.perf_counter() - clock
    tasks = len(dict(series.__dask_graph__()))
    clock = time.perf_counter()
    plan = plan_run(series, 1)
    jobs = Jobs(series, plan)
    planned = time.perf_counter() - clock
    clock = time.perf_counter()
    sample = [(i, j) for i in range(0, blocks_down, max(1, blocks_down // 20)) for j in range(0, blocks_across, 20)]
    sizes = [len(jobs.block(*block)) for block in sample]
    each = (time.perf_counter() - clock) / len(sample)
    memory = psutil.Process().memory_info().rss - memory
    print(
        f"{plan.n_blocks} blocks of {edge} x {edge}, {stack.sizes['pair']} pairs: {tasks} tasks "
        f"({tasks / plan.n_blocks:.1f} a block), built in {built:.1f} s, made into jobs in {planned:.1f} s, "
        f"{memory / 1e9:.2f} GB in the client; shared by all blocks {len(cloudpickle.dumps(jobs.shared)) / 1e3:.0f} kB, "
        f"a block {np.mean(sizes) / 1e3:.1f} kB and {1e3 * each:.2f} ms; no pixel was read"
    )


@contextmanager
def cluster(workers: int, memory: str) -> Iterator[Client]:
    """Processes of one thread each."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=memory, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield client


def handed_out(count: int) -> None:
    """Jobs that a client and a scheduler hand out in a second, and what the scheduler remembers of them."""
    stack = made_stack(network(100, 3), 64 * 100, 64 * 100, 64)
    series = ia.invert(stack, weights="variance", looks=20)
    jobs = Jobs(series, plan_run(series, 1))
    with cluster(2, "2GB") as client:
        client.submit(len, b"warm").result()
        before = psutil.Process().memory_info().rss
        clock = time.perf_counter()
        waiting: set[Any] = set()
        for k in range(count):
            waiting.add(client.submit(len, jobs.block(k // 100 % 100, k % 100), pure=False))
            if len(waiting) >= 8:
                waiting -= {future for future in waiting if future.done()}
        client.gather(list(waiting))
        seconds = time.perf_counter() - clock
        grown = psutil.Process().memory_info().rss - before
    print(
        f"{count} jobs that do nothing: {count / seconds:.0f} a second; client and scheduler, one process here, "
        f"grew by {grown / 1e6:.0f} MB"
    )


def efficiency(folder: Path) -> None:
    """One worker against two: much arithmetic for each byte, and much reading."""
    heavy = ia.invert(made_stack(network(60, 6), 1024, 1024, 128), weights="variance", looks=20, norm="l1")
    light_files = geotiffs(folder / "ifgs", network(30, 3), 2048)
    light = ia.invert(ia.open_stack([str(path) for path in light_files], wavelength=WAVELENGTH, block=256))
    for name, series in (("arithmetic (L1, 60 dates)", heavy), ("reading (90 GeoTIFFs, L2)", light)):
        seconds = {}
        for workers in (1, 2):
            with cluster(workers, "3GB") as client:
                ia.run(
                    series.isel(y=slice(0, 256), x=slice(0, 256)), str(folder / f"warm{workers}.zarr"), client=client
                )
                out = folder / f"{name[:4]}{workers}.zarr"
                clock = time.perf_counter()
                report = ia.run(series, str(out), client=client)
                seconds[workers] = time.perf_counter() - clock
            for store in folder.glob("*.zarr"):
                shutil.rmtree(store)
        print(
            f"{name}: {report.blocks} blocks, {seconds[1] / report.blocks * 1e3:.0f} ms each with one worker; two are "
            f"{seconds[1] / seconds[2]:.2f} times as fast, an efficiency of {50 * seconds[1] / seconds[2]:.0f} %"
        )


def geotiffs(folder: Path, pairs: Network, edge: int) -> list[Path]:
    """Files of the made stack, with its noise so that they do not compress to nothing."""
    folder.mkdir()
    stack = made_stack(pairs, edge, edge, edge)
    noise = np.random.default_rng(0).normal(0, 0.3, (edge, edge)).astype(np.float32)
    grid = Grid(edge, edge, 600_000.0, 2_100_000.0, 40.0, -40.0, "EPSG:32614")
    phase = stack.unwrapped_phase
    return [
        write_geotiff(folder / f"{label}.unw.tif", phase[k].values + np.roll(noise, 31 * k), grid, nodata=np.nan)
        for k, label in enumerate(pairs.labels)
    ]


class Watch(threading.Thread):
    """Largest resident memory of some processes, looked at ten times a second."""

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.peaks = dict.fromkeys(pids, 0)
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self.stopped.wait(0.1):
            for pid in self.peaks:
                if psutil.pid_exists(pid):
                    self.peaks[pid] = max(self.peaks[pid], psutil.Process(pid).memory_info().rss)


def memory(folder: Path, edge: int) -> None:
    """A stack of many times the memory of its workers."""
    pairs = network(76, 4)
    stack = made_stack(pairs, edge, edge, 256)[["unwrapped_phase"]]
    series = ia.invert(stack, norm="l2")
    size = stack.unwrapped_phase.nbytes
    with cluster(2, "1.5GB") as client:
        before = set(client.run(os.getpid).values())
        watch = Watch([os.getpid(), *before])
        watch.start()
        clock = time.perf_counter()
        report = ia.run(series, str(folder / "large.zarr"), client=client)
        seconds = time.perf_counter() - clock
        after = set(client.run(os.getpid).values())
        spilled = client.run(lambda dask_worker: getattr(dask_worker.data, "spilled_total", (0, 0))).values()
        watch.stopped.set()
    peaks = [f"{watch.peaks[pid] / 1e9:.2f} GB" for pid in before]
    print(
        f"{size / 1e9:.1f} GB of phase ({pairs.n_pairs} pairs of {edge} x {edge}), {report.blocks} blocks, two workers "
        f"of 1.5 GB: workers at most {' and '.join(peaks)}, client with scheduler {watch.peaks[os.getpid()] / 1e9:.2f} GB; "
        f"{'no worker was' if before == after else 'WORKERS WERE'} started anew; spilled: {sorted(map(tuple, spilled))}; "
        f"{size / seconds / 1e6:.0f} MB of phase a second"
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["graph", "jobs", "efficiency", "memory"])
    parser.add_argument("--edge", type=int, default=5000, help="of the large image (5000, which makes 30 GB)")
    given = parser.parse_args()
    print_heading({})
    with tempfile.TemporaryDirectory() as name:
        if "graph" in given.parts:
            for down, across in ((25, 40), (100, 100), (250, 400)):
                graph(down, across)
        if "jobs" in given.parts:
            for count in (2_000, 20_000):
                handed_out(count)
        if "efficiency" in given.parts:
            efficiency(Path(name))
        if "memory" in given.parts:
            memory(Path(name), given.edge)


if __name__ == "__main__":
    main()
