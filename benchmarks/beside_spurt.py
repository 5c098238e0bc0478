"""spurt and `insarray spurt` on the same wrapped stack, pixels and cores: wrong cycles and time; see README.md.

    python benchmarks/beside_spurt.py FOLDER --spurt PYTHON --scene towers --shape 300 300 --dates 20

PYTHON is that of an environment with spurt 0.1.1. The programs run in turn, as often as asked. Times include the start
of the program; kernels are compiled before. Processor time counts all processes of a program, so that it depends little
on what else the machine does.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import xarray as xr
from wrapped_scenes import SCENES, scene

import insarray as ia
from insarray.simulate.points import write_wrapped

TURN = 2 * np.pi


class Run(NamedTuple):
    """One run of a program."""

    seconds: float
    processor: float
    wrong: float
    points: int


def main() -> None:
    """Simulate, run all in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spurt", required=True, metavar="PYTHON")
    parser.add_argument("--scene", choices=sorted(SCENES), default="city")
    parser.add_argument("--golden", type=Path, metavar="NPZ", help="take this file instead of a scene")
    parser.add_argument("--shape", type=int, nargs=2, default=(240, 260), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--dates", type=int, default=16)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    wrapped, truth = scene(chosen.scene, tuple(chosen.shape), chosen.dates, chosen.golden)
    linked = chosen.folder / "linked"
    shutil.rmtree(linked, ignore_errors=True)
    write_wrapped(wrapped, linked)
    contenders = programs(wrapped, linked, chosen.spurt, chosen.cores)
    compile_kernels(chosen.folder / "small")
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(chosen.rounds):
        for name, command in contenders.items():
            runs[name].append(one(command, chosen.folder, truth))
            print(f"{name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    print(f"{'golden' if chosen.golden else chosen.scene}: {' x '.join(map(str, wrapped.wrapped_phase.shape[::-1]))}")
    print("| | times as fast | by processor time | wrong cycles | points |\n|---|--:|--:|--:|--:|")
    first = runs["spurt"]
    for name, found in runs.items():
        ratios = [np.median([t[k] / o[k] for t, o in zip(first, found, strict=True)]) for k in (0, 1)]
        print(f"| {name} | {ratios[0]:.1f} | {ratios[1]:.1f} | {100 * found[0].wrong:.3f} % | {found[0].points} |")


def programs(wrapped: xr.Dataset, linked: Path, spurt: str, cores: int) -> dict[str, list[str]]:
    """Return the command of each contender, without the folders."""
    geometry = [f"--slant-range={float(wrapped.slant_range.mean())}", f"--wavelength={wrapped.wavelength}"]
    geometry += [f"--look-angle-deg={float(wrapped.incidence_angle.mean())}"]
    ranges = ["--velocity-range", "-100", "100", "5", "--dem-error-range", "-120", "120", "2.5"]
    ours = [sys.executable, "-m", "insarray", "spurt", "-w", str(cores)]
    baselines = ["--baseline-csv", str(linked / "baselines.csv")]
    return {
        "spurt": [spurt, "-m", "spurt.workflows.emcf", "-w", str(cores), "--s-workers", str(cores)],
        "insarray spurt --baseline-csv": [*ours, *geometry, *ranges, *baselines],
        "insarray spurt --no-velocity-estimation": [*ours, "--no-velocity-estimation"],
    }


def compile_kernels(folder: Path) -> None:
    """Run insarray on a small scene, so that its kernels are compiled and cached."""
    shutil.rmtree(folder, ignore_errors=True)
    wrapped, truth = ia.simulate_wrapped(shape=(60, 60), n_dates=12)
    write_wrapped(wrapped, folder / "linked")
    for name, command in programs(wrapped, folder / "linked", "", 1).items():
        if name != "spurt":
            one(command, folder, truth)


def one(command: list[str], folder: Path, truth: xr.Dataset) -> Run:
    """Run a program with fresh folders."""
    out, temporary = folder / "out", folder / "tmp"
    for old in (out, temporary):
        shutil.rmtree(old, ignore_errors=True)
    started, before = time.perf_counter(), processor_time()
    words = [*command, "-i", str(folder / "linked"), "-o", str(out), "--tempdir", str(temporary)]
    subprocess.run(words, check=True, capture_output=True)
    seconds, processor = time.perf_counter() - started, processor_time() - before
    return Run(seconds, processor, *wrong_cycles(out, truth))


def processor_time() -> float:
    """Return the processor time of all processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wrong_cycles(folder: Path, truth: xr.Dataset) -> tuple[float, int]:
    """Share of points and interferograms whose cycles are not those of most points, and the number of points."""
    place = {str(day).replace("-", ""): k for k, day in enumerate(truth.time.values.astype("datetime64[D]"))}
    shares, points = [], 0
    for path in sorted(folder.glob("*.unw.tif")):
        first, second = (place[date] for date in path.name.removesuffix(".unw.tif").split("_"))
        with rasterio.open(path) as file:
            phase = file.read(1)
        known = np.isfinite(phase)
        true = (truth.unwrapped_phase[second] - truth.unwrapped_phase[first]).values
        cycles = np.rint((phase - true)[known] / TURN)
        shares.append(float((cycles != np.median(cycles)).mean()))
        points = int(known.sum())
    return float(np.mean(shares)), points


if __name__ == "__main__":
    main()
