"""A date is added to a series: blocks computed, bytes read and time of an append, beside a fresh run.

A simulated stack, written as tiled GeoTIFFs (phase and coherence), of 20 dates and then one more, each date with its next
three. The pairs of the new date cover (a) everything, (b) the western quarter, as at the edge of a neighbouring frame.
Appends and fresh runs take turns; bytes are those of the windows that are decoded. Everything is in the page cache.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

import insarray as ia
from insarray.io.layers.raster import RasterLayer
from insarray.simulate.stacks import write_geotiffs

EDGE = 128
ONE = RasterLayer._read_one


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", type=int, default=20)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print("| new pairs cover | weights | blocks computed | read, of a fresh run | time, of a fresh run |")
    print("|---|---|--:|--:|--:|")
    for name, part in (("everything", 1.0), ("a quarter", 0.25)):
        with tempfile.TemporaryDirectory() as folder:
            late = make(Path(folder), given.dates, given.size, part)
            for weights in ("none", "variance"):
                measure(Path(folder), late, name, weights, given.rounds)


def make(folder: Path, dates: int, size: int, part: float) -> set[str]:
    """Files of all dates; labels of the pairs of the last one."""
    stack, _ = ia.simulate_stack(shape=(size, size), n_dates=dates + 1, looks=20, seed=1, water=False)
    network = stack.insar.network
    late = np.flatnonzero(network.secondary == dates)
    stack.unwrapped_phase[late, :, int(part * size) :] = np.nan
    stack.unwrapped_phase[:, 20, 20] = np.nan_to_num(stack.unwrapped_phase[:, 20, 20])
    write_geotiffs(stack, folder / "ifgs")
    return {network.labels[k] for k in late}


def series(folder: Path, weights: str, without: set[str]) -> xr.Dataset:
    """Series and velocity, lazily."""
    files = {kind: [str(p) for p in sorted((folder / "ifgs").glob(f"*{kind}.tif"))] for kind in ("unw", "cor")}
    kept = {kind: [p for p in paths if not any(label in p for label in without)] for kind, paths in files.items()}
    stack = ia.open_stack(kept["unw"], coherence=kept["cor"], wavelength=0.0555, block=EDGE)
    found = ia.invert(stack, weights=weights, looks=20, reference=(20, 20))
    return found.merge(ia.fit(found), combine_attrs="override")


def measure(folder: Path, late: set[str], name: str, weights: str, rounds: int) -> None:
    """One row: append and fresh run in turns."""
    ia.run(series(folder, weights, late), str(folder / "before.zarr"))
    longer, ratios, shares = series(folder, weights, set()), [], []
    for _ in range(rounds):
        for out in ("fresh.zarr", "series.zarr"):
            shutil.rmtree(folder / out, ignore_errors=True)
        shutil.copytree(folder / "before.zarr", folder / "series.zarr")
        read, seconds = [], []
        for act, out in ((ia.run, "fresh.zarr"), (ia.append, "series.zarr")):
            with counted() as windows:
                clock = time.perf_counter()
                report = act(longer, str(folder / out))
                seconds.append(time.perf_counter() - clock)
            read.append(sum(windows))
        ratios.append(seconds[1] / seconds[0])
        shares.append(read[1] / read[0])
    with xr.open_zarr(folder / "fresh.zarr") as fresh, xr.open_zarr(folder / "series.zarr") as appended:
        for variable in fresh.variables:
            np.testing.assert_array_equal(fresh[variable].values, appended[variable].values)
    shutil.rmtree(folder / "before.zarr")
    spread = f"{np.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
    print(
        f"| {name} | {weights} | {report.computed} of {report.blocks} | {np.median(shares):.2f} | {spread} |",
        flush=True,
    )


class counted:  # noqa: N801 (a context manager)
    """Bytes of the windows that are read while it lasts."""

    def __enter__(self) -> list[int]:
        sizes: list[int] = []

        def read(layer: RasterLayer, pair: int, rows: slice, cols: slice, out: np.ndarray) -> None:
            sizes.append(out.nbytes)
            ONE(layer, pair, rows, cols, out)

        RasterLayer._read_one = read  # type: ignore[method-assign]
        return sizes

    def __exit__(self, *_: object) -> None:
        RasterLayer._read_one = ONE  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
