"""spurt and `insarray spurt` on the same wrapped stack, pixels and cores: wrong cycles and time; see README.md.

    python benchmarks/beside_spurt.py FOLDER --spurt PYTHON

PYTHON is that of an environment with spurt 0.1.1. Times include the start of the program; kernels are compiled before.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

import insarray as ia
from insarray.simulate.points import write_wrapped

TURN = 2 * np.pi


def main() -> None:
    """Simulate, run both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spurt", required=True, metavar="PYTHON")
    parser.add_argument("--shape", type=int, nargs=2, default=(240, 260), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--dates", type=int, default=16)
    parser.add_argument("--noise", type=float, default=0.4, help="rad")
    parser.add_argument("--cores", type=int, default=2)
    chosen = parser.parse_args()
    wrapped, truth = ia.simulate_wrapped(shape=tuple(chosen.shape), n_dates=chosen.dates, noise=chosen.noise, seed=0)
    linked = chosen.folder / "linked"
    write_wrapped(wrapped, linked)
    geometry = [f"--slant-range={float(wrapped.slant_range.mean())}"]
    geometry += [f"--look-angle-deg={float(wrapped.incidence_angle.mean())}", f"--wavelength={wrapped.wavelength}"]
    ours = [sys.executable, "-m", "insarray", "spurt", "-w", str(chosen.cores)]
    theirs = [chosen.spurt, "-m", "spurt.workflows.emcf", "-w", str(chosen.cores), "--s-workers", str(chosen.cores)]
    subprocess.run([sys.executable, "-m", "insarray", "compile"], check=True, capture_output=True)
    contenders = {
        "spurt": theirs,
        "insarray spurt --baseline-csv": [*ours, *geometry, "--baseline-csv", str(linked / "baselines.csv")],
        "insarray spurt": [*ours, *geometry],
        "insarray spurt --no-velocity-estimation": [*ours, "--no-velocity-estimation"],
    }
    print("| | time | wrong cycles | points |\n|---|--:|--:|--:|")
    for name, command in contenders.items():
        out, temporary = chosen.folder / "out", chosen.folder / "tmp"
        for folder in (out, temporary):
            shutil.rmtree(folder, ignore_errors=True)
        started = time.perf_counter()
        words = [*command, "-i", str(linked), "-o", str(out), "--tempdir", str(temporary)]
        subprocess.run(words, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        wrong, points = wrong_cycles(out, truth)
        print(f"| {name} | {seconds:.1f} s | {100 * wrong:.2f} % | {points} |", flush=True)


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
