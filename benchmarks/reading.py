"""Opening a stack of GeoTIFFs, and reading one window of all pairs, beside plain rasterio in threads.

Files of random smooth phase, float32, tiled 256 x 256, deflate with the floating-point predictor. Everything is in the
page cache. The contenders read the same windows in turn; rasterio opens each file, reads and closes it, as we do.
Ours is measured twice: as a block of a run gets its window, and by `.values`, for which dask copies the result once
more so that nobody can write into what it may keep.
"""

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from rasterio.windows import Window
from scipy.ndimage import gaussian_filter

import insarray as ia
from insarray.engine.jobs import Jobs, compute_block
from insarray.engine.plan import plan_run
from insarray.model.grid import Grid
from insarray.simulate.files import write_geotiff

EDGE = 256
THREADS = (1, 2, 4, 8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make(Path(folder), given.pairs, given.size)
        seconds = []
        for _ in range(3):
            clock = time.perf_counter()
            stack = ia.open_stack(f"{folder}/*.unw.tif", wavelength=0.0555, block=EDGE)
            seconds.append(time.perf_counter() - clock)
        phase = stack.unwrapped_phase
        blocks = int(np.prod(phase.data.numblocks))
        tasks = len(dict(phase.__dask_graph__()))
        print(f"opening: {min(seconds):.2f} s; {tasks} tasks for {blocks} blocks")
        ours, plain = compare(stack[["unwrapped_phase"]], files, given.rounds)
        best = min(plain, key=lambda threads: float(np.median(plain[threads])))
        speeds = ", ".join(f"{n} threads {np.median(times):.3f} s" for n, times in plain.items())
        print(f"window {EDGE} x {EDGE} x {given.pairs}: rasterio {speeds}")
        for name, times in ours.items():
            ratios = np.array(plain[best]) / np.array(times)
            print(
                f"{name}: {np.median(times):.3f} s; speed relative to rasterio in {best} threads: "
                f"{np.median(ratios):.2f} ({ratios.min():.2f} - {ratios.max():.2f})"
            )


def make(folder: Path, pairs: int, size: int) -> list[Path]:
    """Files of nearest-3 pairs."""
    rng = np.random.default_rng(0)
    base = 20 * gaussian_filter(rng.normal(size=(size, size)), 5) + rng.normal(0, 0.3, (size, size))
    start, grid = dt.date(2018, 1, 1), Grid(size, size, 600_000.0, 2_100_000.0, 40.0, -40.0, "EPSG:32614")
    dates = [start + dt.timedelta(12 * k) for k in range(pairs // 3 + 3)]
    chosen = [(dates[k], dates[k + step]) for k in range(len(dates) - 3) for step in (1, 2, 3)][:pairs]
    return [
        write_geotiff(folder / f"{a:%Y%m%d}_{b:%Y%m%d}.unw.tif", (base + k).astype(np.float32), grid, nodata=np.nan)
        for k, (a, b) in enumerate(chosen)
    ]


def compare(stack: xr.Dataset, files: list[Path], rounds: int) -> tuple[dict[str, list[float]], dict[int, list[float]]]:
    """Seconds of each round, ours by the way of reading and rasterio's by number of threads."""
    ours: dict[str, list[float]] = {"a block of a run": [], ".values": []}
    plain: dict[int, list[float]] = {threads: [] for threads in THREADS}
    plan = plan_run(stack, 1)
    jobs = Jobs(stack, plan)
    for k in range(rounds):
        block = (k // len(plan.cols), k % len(plan.cols))
        rows, cols = plan.window(*block)
        window, job = stack.unwrapped_phase.isel(y=rows, x=cols), jobs.block(*block)
        found: list[np.ndarray] = []
        in_run = timed(lambda job=job, found=found: found.extend(compute_block(jobs.names, jobs.shared, job).values()))
        ours["a block of a run"].append(in_run)
        ours[".values"].append(timed(lambda window=window, found=found: found.append(window.values)))
        for threads, times in plain.items():
            out = np.empty(window.shape, np.float32)
            times.append(timed(lambda out=out, at=(rows.start, cols.start), n=threads: read(files, at, n, out)))
            if not all(np.array_equal(out, mine) for mine in found):
                raise SystemExit("the windows differ")
    return ours, plain


def read(files: list[Path], corner: tuple[int, int], threads: int, out: np.ndarray) -> None:
    """What a user of rasterio would write."""

    def one(job: tuple[Path, np.ndarray]) -> None:
        path, plane = job
        with rasterio.open(path) as dataset:
            dataset.read(1, window=Window(*corner[::-1], *plane.shape[::-1]), out=plane)

    with rasterio.Env(GDAL_CACHEMAX=64, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, zip(files, out, strict=True)))


def timed(work: Callable[[], object]) -> float:
    """Seconds of a call."""
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock


if __name__ == "__main__":
    main()
