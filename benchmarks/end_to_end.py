"""From files to series and velocity, as one types it, beside dolphin and MintPy: seconds and peak memory.

2000 x 2000 pixels, 30 dates, 90 pairs: GeoTIFFs for insarray and dolphin (no weights, L2 and L1; `insarray invert` and,
for the same files as dolphin's, `insarray dolphin timeseries`), ifgramStack.h5 for insarray and MintPy (weighted, 5 % of
the samples missing). Each is a process of its own, whose start counts, on two cores; the memory is that of it and its
children at the same time. The input files are read once before each, and all that was written before is on the disk, so
that no contender waits for what another did. insarray's kernels were compiled in an earlier run; dolphin compiles its
own in every process, and how long a second run in the same process takes is in dolphin_command.py.
MintPy gets two workers and one BLAS thread each, its fastest setting here.
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

import psutil
from cases import networks
from contenders import CORES
from dolphin_command import REFERENCE, WAVELENGTH, write_files
from kernels import print_heading
from mintpy_command import write_stack

PROGRAMS = Path(sys.executable).parent
DOLPHIN = """
from pathlib import Path
from dolphin.timeseries import InversionMethod, run
if __name__ == "__main__":
    files = sorted(Path({files!r}).glob("*.unw.tif"))
    run(files, None, Path("out"), method=InversionMethod({method!r}), run_velocity=True, num_threads={threads},
        reference_point={reference}, wavelength={wavelength})
"""


def measure(command: list[str], inputs: Path, folder: Path, blas: int) -> tuple[float, float]:
    """Seconds and peak GB of a command and its children, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in inputs.iterdir():
        with path.open("rb") as file:
            while file.read(2**24):
                pass
    os.sync()  # what others wrote does not keep the disk busy
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    peak, start = 0, time.perf_counter()
    with (folder / "log").open("w") as log:
        environment = os.environ | dict.fromkeys(names, str(blas))
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process:
            while process.poll() is None:
                peak = max(peak, memory(process.pid))
                time.sleep(0.05)
    taken = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {(folder / 'log').read_text()[-2000:]}")
    return taken, peak / 1e9


def memory(pid: int) -> int:
    """Resident bytes of a process and its children."""
    found = 0
    try:
        whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in whole:
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


def main() -> None:
    """Write the files, run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=2000)
    parser.add_argument("--work", default="", help="only rows with this in their name")
    parser.add_argument("--rounds", type=int, default=1, help="times that both are measured, in turn (1)")
    given = parser.parse_args()
    print_heading({})
    network = networks()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "ifgs"
        files.mkdir()
        write_files(files, network, given.edge)
        stack = write_stack(folder, network, given.edge, 0.05)
        insarray = str(PROGRAMS / "insarray")
        place = f"{REFERENCE[0]},{REFERENCE[1]}"
        ours = [insarray, "invert", f"{files}/*.unw.tif", "out.zarr", "--wavelength", str(WAVELENGTH)]
        ours += ["--reference", place, "--workers", str(CORES)]
        weighted = [insarray, "mintpy", "invert", str(stack), "-w", "fim", "--gap", "min_norm", "--nodata", "zero"]
        weighted += ["--workers", str(CORES)]
        theirs = {
            method: [
                sys.executable,
                "-c",
                DOLPHIN.format(
                    files=str(files), method=method, threads=CORES, reference=REFERENCE, wavelength=WAVELENGTH
                ),
            ]
            for method in ("L2", "L1")
        }
        mintpy = [str(PROGRAMS / "ifgram_inversion.py"), str(stack), "-w", "fim"]
        mintpy += ["--cluster", "local", "--num-worker", str(CORES)]
        drop_in = [insarray, "dolphin", "timeseries", "--output-dir", "out", "--run-velocity"]
        drop_in += ["--unwrapped-paths", *map(str, sorted(files.iterdir()))]
        drop_in += ["--reference-point", *map(str, REFERENCE), "--wavelength", str(WAVELENGTH)]
        drop_in += ["--num-threads", str(CORES)]
        contests = (
            ("GeoTIFFs, L2", "dolphin", files, ours, theirs["L2"], CORES),
            ("GeoTIFFs, L1", "dolphin", files, [*ours, "--norm", "l1"], theirs["L1"], CORES),
            ("GeoTIFFs to GeoTIFFs, L1", "dolphin", files, drop_in, theirs["L1"], CORES),
            ("ifgramStack.h5, weighted, 5 % missing", "MintPy", stack.parent, weighted, mintpy, 1),
        )
        print("| work | peer | times as fast | peak memory, GB | of the peer |")
        print("|---|---|--:|--:|--:|", flush=True)
        for work, peer, inputs, mine, other, blas in contests:
            if given.work not in work:
                continue
            rounds = [
                (measure(mine, inputs, folder / "ours", CORES), measure(other, inputs, folder / "theirs", blas))
                for _ in range(given.rounds)
            ]
            ratios = sorted(longer / seconds for (seconds, _), (longer, _) in rounds)
            peak, more = (max(both[k][1] for both in rounds) for k in (0, 1))
            between = "" if len(ratios) == 1 else f" ({ratios[0]:.1f} - {ratios[-1]:.1f})"
            print(
                f"| {work} | {peer} | **{statistics.median(ratios):.1f}**{between} | {peak:.2f} | {more:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
