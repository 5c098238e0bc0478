"""The whole of `insarray dolphin timeseries` against dolphin's `run`, from GeoTIFFs to GeoTIFFs; see README.md.

Both get the same files and two cores, run in one process, warm, in turn (insarray, dolphin, insarray, ...); a ratio is
taken between neighbours in time. dolphin gets the number of threads that is fastest for it.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from cases import Array, Network, networks
from contenders import CORES, missing_peer
from kernels import print_heading
from scipy import ndimage

TARGETS = {"L1": 5.0, "L2": 3.0}
"""Least ratio by method."""

WAVELENGTH = 0.0555
REFERENCE = (10, 10)
THREADS = (1, 2, 4)

Run = Callable[[], None]


def write_files(folder: Path, network: Network, edge: int) -> list[Path]:
    """Interferograms of a random walk with noise, 2 % of the samples wrong by a cycle, as dolphin writes them."""
    rng = np.random.default_rng(0)
    steps = [30 * ndimage.gaussian_filter(rng.normal(size=(edge, edge)), 15) for _ in range(network.n_dates)]
    phase = np.cumsum(steps, axis=0)
    days = np.datetime64("2020-01-01") + np.timedelta64(12, "D") * np.arange(network.n_dates)
    labels = [str(day).replace("-", "") for day in days]
    paths = []
    for i, j in network.pairs:
        samples = phase[j] - phase[i] + rng.normal(0, 0.1, (edge, edge))
        samples += 2 * np.pi * (rng.random((edge, edge)) < 0.02)
        paths.append(folder / f"{labels[i]}_{labels[j]}.unw.tif")
        _write(paths[-1], samples.astype(np.float32))
    return paths


def _write(path: Path, samples: Array) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan, "crs": "EPSG:32611"}
    profile |= {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "lzw"}
    profile |= {"height": samples.shape[0], "width": samples.shape[1]}
    with rasterio.open(path, "w", transform=rasterio.Affine(30, 0, 5e5, 0, -30, 4e6), **profile) as file:
        file.write(samples, 1)


def contender(run: Callable[..., Any], paths: list[Path], out: Path, method: Any, threads: int) -> Run:
    """Function that makes all files anew."""

    def once() -> None:
        shutil.rmtree(out, ignore_errors=True)
        run(
            paths,
            None,
            out,
            method=method,
            run_velocity=True,
            num_threads=threads,
            reference_point=REFERENCE,
            wavelength=WAVELENGTH,
        )

    return once


def seconds(run: Run) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def difference(ours: Path, theirs: Path) -> float:
    """Largest difference of the series in mm."""
    found = 0.0
    for path in ours.glob("2*_2*.tif"):
        with rasterio.open(path) as one, rasterio.open(theirs / path.name) as other:
            found = max(found, float(np.nanmax(np.abs(one.read(1) - other.read(1)))))
    return 1e3 * found


def compare(method: str, paths: list[Path], folder: Path, rounds: int) -> str:
    """Line of the table."""
    from dolphin.timeseries import InversionMethod
    from dolphin.timeseries import run as their_run

    from insarray.compat.dolphin import run as our_run

    ours = contender(our_run, paths, folder / "ours", method, CORES)
    peers = {n: contender(their_run, paths, folder / "theirs", InversionMethod(method), n) for n in THREADS}
    for run in (ours, *peers.values()):
        run()  # compiles
    threads = min(peers, key=lambda n: seconds(peers[n]))
    ratios = []
    for _ in range(rounds):
        taken = seconds(ours)
        ratios.append(seconds(peers[threads]) / taken)
    middle = statistics.median(ratios)
    verdict = f">= {TARGETS[method]:g}: " + ("met" if middle >= TARGETS[method] else "NOT MET")
    off = difference(folder / "ours", folder / "theirs")
    return f"| {method} | {threads} | **{middle:.2f}** ({min(ratios):.2f} - {max(ratios):.2f}) | {off:.2g} mm | {verdict} |"


def main() -> None:
    """Write the files, run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=512, help="rows and columns (512)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--method", choices=sorted(TARGETS), action="append", help="default: both")
    parser.add_argument("--quick", action="store_true", help="small, one round: does it work?")
    options = parser.parse_args()
    edge, rounds = (64, 1) if options.quick else (options.edge, options.rounds)
    missing = missing_peer("dolphin.timeseries")
    print_heading({"dolphin": missing})
    if missing:
        return
    print("| method | dolphin's threads | faster than dolphin by | largest difference of the series | target |")
    print("|---|--:|--:|--:|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line = partial(compare, paths=write_files(folder, networks()[0], edge), folder=folder, rounds=rounds)
        for method in options.method or TARGETS:
            print(line(method), flush=True)


if __name__ == "__main__":
    main()
