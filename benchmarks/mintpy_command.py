"""`insarray mintpy invert` against MintPy's `ifgram_inversion.py`, from ifgramStack.h5 to its three files; see README.md.

Both are typed as a user would, so that starting Python and its imports count, in turn (insarray, MintPy, insarray, ...),
on the same file and the same cores; ours has its kernels compiled in an earlier run. MintPy runs with two workers of
its own (`--cluster local`), which is faster than by itself for these images, and one BLAS thread per process, which is
ten times faster for it than two.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from cases import Network, networks
from contenders import CORES, missing_peer
from kernels import print_heading
from scipy import ndimage

TARGET = 20.0
LOOKS = 16
PROGRAMS = Path(sys.executable).parent


def write_stack(folder: Path, network: Network, edge: int, missing: float) -> Path:
    """ifgramStack.h5 of a random walk with noise that fits its coherence, a share of the samples without data."""
    rng = np.random.default_rng(0)
    phase = np.cumsum(
        [20 * ndimage.gaussian_filter(rng.normal(size=(edge, edge)), 8) for _ in range(network.n_dates)], axis=0
    )
    days = np.datetime64("2020-01-01") + np.timedelta64(12, "D") * np.arange(network.n_dates)
    labels = [str(day).replace("-", "") for day in days]
    path = folder / "inputs" / "ifgramStack.h5"
    path.parent.mkdir(parents=True)
    attrs = {
        "FILE_TYPE": "ifgramStack",
        "WIDTH": edge,
        "LENGTH": edge,
        "WAVELENGTH": 0.05546576,
        "REF_Y": 5,
        "REF_X": 5,
    }
    attrs |= {"ALOOKS": 4, "RLOOKS": 8, "NCORRLOOKS": LOOKS, "PROCESSOR": "isce", "UNIT": "radian", "PROJECT_NAME": "b"}
    attrs |= {"START_DATE": labels[0], "END_DATE": labels[-1], "DATA_TYPE": "float32", "HEADING": -12.0}
    shape = (len(network.pairs), edge, edge)
    with h5py.File(path, "w") as file:
        file.attrs.update({name: str(value) for name, value in attrs.items()})
        file["date"] = np.array([[labels[i], labels[j]] for i, j in network.pairs], "S8")
        file["bperp"] = np.zeros(shape[0], np.float32)
        file["dropIfgram"] = np.ones(shape[0], bool)
        unwrapped = file.create_dataset("unwrapPhase", shape, np.float32, chunks=True)
        coherence = file.create_dataset("coherence", shape, np.float32, chunks=True)
        for name, layer in (("unwrapPhase", unwrapped), ("coherence", coherence)):
            layer.attrs["MODIFICATION_TIME"] = str(time.time())
            layer.attrs["UNIT"] = "radian" if name == "unwrapPhase" else "1"
        for k, (i, j) in enumerate(network.pairs):
            gamma = rng.uniform(0.3, 0.95, (edge, edge))
            samples = (
                phase[j] - phase[i] + rng.normal(size=(edge, edge)) * np.sqrt((1 - gamma**2) / (2 * LOOKS)) / gamma
            )
            samples[rng.random((edge, edge)) < missing] = 0
            samples[5, 5] = phase[j, 5, 5] - phase[i, 5, 5] + 1e-3
            unwrapped[k], coherence[k] = samples, gamma
    return path


def seconds(command: list[str], folder: Path, threads: int) -> float:
    """Wall time of a command in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return taken


def compare(network: Network, edge: int, missing: float, rounds: int) -> str:
    """Line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack = write_stack(folder, network, edge, missing)
        ours = [str(PROGRAMS / "insarray"), "mintpy", "invert", str(stack), "-w", "fim", "--gap", "min_norm"]
        ours += ["--nodata", "zero", "--workers", str(CORES)]
        theirs = [str(PROGRAMS / "ifgram_inversion.py"), str(stack), "-w", "fim"]
        theirs += ["--cluster", "local", "--num-worker", str(CORES)]
        seconds(ours, folder / "ours", CORES)  # compiles
        pairs = [(seconds(ours, folder / "ours", CORES), seconds(theirs, folder / "theirs", 1)) for _ in range(rounds)]
        off = difference(folder / "ours", folder / "theirs")
    ratios = [b / a for a, b in pairs]
    middle = statistics.median(ratios)
    verdict = f">= {TARGET:g}: " + ("met" if middle >= TARGET else "NOT MET")
    return (
        f"| {network.n_dates}/{len(network.pairs)} | {edge} x {edge} | {100 * missing:g} % | "
        f"**{middle:.1f}** ({min(ratios):.1f} - {max(ratios):.1f}) | {off:.2g} mm | {verdict} |"
    )


def difference(ours: Path, theirs: Path) -> float:
    """Largest difference of the series in mm."""
    with h5py.File(ours / "timeseries.h5") as one, h5py.File(theirs / "timeseries.h5") as other:
        return 1e3 * float(np.abs(one["timeseries"][:] - other["timeseries"][:]).max())


def main() -> None:
    """Write the stacks, run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--quick", action="store_true", help="small, one round: does it work?")
    options = parser.parse_args()
    missing = missing_peer("mintpy.ifgram_inversion")
    print_heading({"MintPy": missing})
    if missing:
        return
    print("| network | image | no data | faster than MintPy by | largest difference of the series | target |")
    print("|---|---|--:|--:|--:|---|", flush=True)
    small, large = networks()[:2]
    cases = (
        [(small, 64, 0.05)]
        if options.quick
        else [(small, 400, 0.05), (small, 800, 0.05), (small, 1200, 0.05), (large, 300, 0.05), (large, 600, 0.05)]
    )
    for network, edge, share in cases:
        print(compare(network, edge, share, 1 if options.quick else options.rounds), flush=True)


if __name__ == "__main__":
    main()
