"""Tiles of `insarray.unwrap_stack`: pixels with other cycles than with tiles of another size, seams, workers, memory.

    python benchmarks/tiles.py FOLDER --scene mountains --shape 512 512 --dates 20 --tiles 128 256 512
    python benchmarks/tiles.py FOLDER --shape 500 500 --repeat 4 --share 0.02 --dates 40 --tiles 128 --workers 1 2

Every size of the tiles and number of workers is a process of its own, run in turn. The memory is the largest resident
one of that process, beside that of the plan.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr
from wrapped_scenes import SCENES, scene

import insarray as ia
from insarray.engine.plan import plan_run
from insarray.products.points.tiles import TileOptions, unwrap_tiles

TURN = 2 * np.pi


def main() -> None:
    """Simulate, run all in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scene", choices=sorted(SCENES), default="city")
    parser.add_argument("--shape", type=int, nargs=2, default=(512, 512))
    parser.add_argument("--dates", type=int, default=20)
    parser.add_argument("--tiles", type=int, nargs="+", default=[256])
    parser.add_argument("--overlap", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--repeat", type=int, default=1, help="scene beside its mirror images, so often along y and x")
    parser.add_argument("--share", type=float, default=1.0, help="of the pixels that may be points")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(unwrap(chosen.folder, chosen.tiles[0], chosen.overlap, chosen.workers[0])))
        return
    simulate(chosen)
    print(
        "| tile | workers | time | processor time | peak memory | plan | wrong cycles | other cycles than in the first |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    first: Path | None = None
    for tile in chosen.tiles:
        for workers in chosen.workers:
            words = [__file__, str(chosen.folder), "--tiles", str(tile), "--workers", str(workers), "--one"]
            ended = subprocess.run(
                [sys.executable, *words, "--overlap", str(chosen.overlap)], check=True, capture_output=True
            )
            told = json.loads(ended.stdout.splitlines()[-1])
            made = chosen.folder / f"{tile}.{workers}.zarr"
            first = first or made
            shares = f"{100 * wrong(made, chosen.folder / 'truth.zarr'):.4f} % | {100 * wrong(made, first):.4f} %"
            memory = " | ".join(f"{told[name] / 1e9:.2f} GB" for name in ("peak", "plan"))
            print(f"| {tile} | {workers} | {told['seconds']:.0f} s | {told['processor']:.0f} s | {memory} | {shares} |")


def simulate(chosen: argparse.Namespace) -> None:
    """Store the scene, and its truth as pairs with the first date."""
    shutil.rmtree(chosen.folder, ignore_errors=True)
    wrapped, truth = (repeated(part, chosen.repeat) for part in scene(chosen.scene, tuple(chosen.shape), chosen.dates))
    kept = np.random.default_rng(0).random(wrapped.temporal_coherence.shape) < chosen.share
    wrapped["temporal_coherence"] = wrapped.temporal_coherence.where(kept, 0)
    wrapped.chunk(time=-1, y=256, x=256).to_zarr(chosen.folder / "wrapped.zarr", consolidated=False)
    phase = truth.unwrapped_phase.rename(time="pair")[1:].drop_vars("pair").chunk(y=256, x=256)
    xr.Dataset({"unwrapped_phase": phase.variable}).to_zarr(chosen.folder / "truth.zarr", consolidated=False)


def repeated(part: xr.Dataset, times: int) -> xr.Dataset:
    """Return an image of several mirror images, lazily."""
    places = {}
    for dim in ("y", "x"):
        there = np.arange(part.sizes[dim])
        places[dim] = np.concatenate([there[:: (-1) ** k] for k in range(times)])
    image = part.chunk().isel(places)
    steps = {dim: float(part[dim][1] - part[dim][0]) for dim in places}
    coords = {
        dim: (dim, float(part[dim][0]) + steps[dim] * np.arange(image.sizes[dim]), part[dim].attrs) for dim in places
    }
    return image.assign_coords(coords)


def unwrap(folder: Path, tile: int, overlap: int, workers: int) -> dict[str, float]:
    """Unwrap with tiles of one size; time, processor time and memory of the tiles and of storing the pairs."""
    wrapped = xr.open_zarr(folder / "wrapped.zarr", consolidated=False)
    path = folder / f"{tile}.{workers}"
    options = TileOptions(
        (("min_temporal_coherence", 0.6),),
        (-0.1, 0.1),
        (-120, 120),
        16,
        fill=False,
        tile=tile,
        overlap=overlap,
        slant_range=None,
        incidence_angle=None,
    )
    plan = plan_run(unwrap_tiles(wrapped, options), workers)
    started, used = time.perf_counter(), time.process_time()
    stack = ia.unwrap_stack(
        wrapped,
        f"{path}.tiles.zarr",
        velocity=options.velocity,
        height_error=options.height_error,
        tile=tile,
        overlap=overlap,
        workers=workers,
    )
    seconds, used = time.perf_counter() - started, time.process_time() - used
    ia.run(stack, f"{path}.zarr", workers=workers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "processor": used, "peak": peak, "plan": plan.peak_bytes}


def wrong(found: Path, reference: Path) -> float:
    """Share of pixels and pairs whose cycles are not those of most pixels of the pair, relative to another result."""
    one, other = (xr.open_zarr(path, consolidated=False).unwrapped_phase for path in (found, reference))
    shares = []
    for pair in range(one.sizes["pair"]):
        cycles = (one[pair].values - other[pair].values) / TURN
        cycles = np.rint(cycles[np.isfinite(cycles)])
        shares.append(float((cycles != np.median(cycles)).mean()))
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
