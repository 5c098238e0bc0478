"""What wrong cycles do to a series, and what the robust norms and the corrections make of it; see README.md.

Two simulated stacks with known truth, 5 % of whose samples are wrong by a cycle: each sample by itself, or whole connected
components of a pair. With ``--mintpy FOLDER`` also a project in MintPy's format with `truth.npz: island_jump`.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

import insarray as ia
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import grid_coords, pair_coords
from insarray.model.grid import Grid
from insarray.model.network import Network

WAVELENGTH = 0.0555
TURN = 2 * np.pi
CORRECTIONS = (("pixel",), ("component",), ("bridging",), ("bridging", "pixel"))


def simulate(
    *, together: bool, dates: int = 30, neighbours: int = 4, noise: float = 0.3, share: float = 0.05
) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Stack of six components between rivers, wrong cycles (pair, y, x), and true displacement (time, y, x)."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2020-01-01") + np.arange(dates) * np.timedelta64(12, "D")
    pairs = [(times[i], times[j]) for i in range(dates) for j in range(i + 1, min(dates, i + neighbours + 1))]
    network, grid = Network.from_pairs(pairs), Grid(90, 120, 5e5, 4e6, 30.0, -30.0, "EPSG:32613")
    y, x = np.mgrid[:90, :120] / 120
    slopes = rng.normal(size=(3, dates, 1, 1))
    phase = np.cumsum(0.5 * slopes[0] * x + 0.5 * slopes[1] * y + slopes[2] * x * y, axis=0)
    phase -= phase[0]
    shape = (network.n_pairs, *grid.shape)
    samples = phase[network.secondary] - phase[network.reference] + noise * rng.normal(size=shape)
    samples -= (
        samples[:, 12, 12][:, None, None]
        - (phase[network.secondary] - phase[network.reference])[:, 12, 12][:, None, None]
    )
    rows, cols = np.arange(90) // 45, np.arange(120) // 40
    labels = np.broadcast_to((1 + 3 * rows[:, None] + cols).astype(np.uint16), shape).copy()
    labels[:, 43:47] = 0
    labels[:, :, 38:42] = labels[:, :, 78:82] = 0
    if together:
        wrong = rng.choice([-1, 1], (network.n_pairs, 7)) * (rng.random((network.n_pairs, 7)) < share)
        wrong[:, :2] = 0  # the component of the reference
        cycles = np.take_along_axis(wrong, labels.reshape(network.n_pairs, -1).astype(np.int64), axis=1).reshape(shape)
    else:
        cycles = rng.choice([-1, 1], shape) * (rng.random(shape) < share)
        cycles[:, 12, 12] = 0
    samples += TURN * cycles
    samples[labels == 0] = np.nan
    dims = ("pair", "y", "x")
    stack = xr.Dataset(
        {"unwrapped_phase": (dims, samples.astype(np.float32)), "connected_component_labels": (dims, labels)},
        {**pair_coords(network), **grid_coords(grid)},
        {"wavelength": WAVELENGTH},
    )
    phase = phase - phase[:, 12, 12][:, None, None]
    return stack, np.where(labels == 0, 0, cycles), metres_per_radian(WAVELENGTH) * phase


def report(name: str, stack: xr.Dataset, cycles: np.ndarray, truth: np.ndarray, reference: tuple[int, int]) -> None:
    """Rows of the table for one stack."""
    labels, observed = stack.connected_component_labels.values, np.isfinite(stack.unwrapped_phase.values)
    present = [int(k) for k in np.unique(labels[observed]) if k > 0]

    def wrong(left: np.ndarray) -> tuple[float, dict[int, float]]:
        return float((left[observed] != 0).mean()), {
            k: float((left[observed & (labels == k)] != 0).mean()) for k in present
        }

    def error(series: xr.Dataset) -> str:
        difference = series.displacement.values - truth
        return f"{1e3 * np.sqrt(np.nanmean(difference**2)):.2f}"

    before, parts = wrong(cycles)
    for norm in ("l2", "l1", "huber"):
        print(
            f"| {name} | {norm} | {100 * before:.2f} % |  | {error(ia.invert(stack, norm=norm, reference=reference))} |"
        )
    for methods in CORRECTIONS:
        corrected, phase = stack, "unwrapped_phase"
        for method in methods:
            corrected = ia.correct_unwrapping(corrected, method=method, phase=phase, reference=reference)
            phase = "corrected_phase"
        left, after = wrong(cycles + corrected.unwrapping_cycles.values)
        worse = [k for k in present if after[k] > parts[k]]
        series = ia.invert(corrected, phase="corrected_phase", reference=reference)
        text = f"{100 * left:.2f} %" + (f", worse in {worse}" if worse else "")
        print(
            f"| {name} | l2 after {' + '.join(methods)} | {100 * before:.2f} % | {text} | {error(series)} |", flush=True
        )


def mintpy(folder: Path) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Stack of a MintPy project, its wrong cycles, and the series without them."""
    stack, known = ia.open_stack(str(folder / "inputs/ifgramStack.h5")).load(), np.load(folder / "truth.npz")
    cycles = known["island_jump"][:, None, None] * known["island"][None].astype(int)
    clean = stack.assign(unwrapped_phase=(stack.unwrapped_phase - (TURN * cycles).astype(np.float32)))
    return stack, cycles, ia.invert(clean, reference=(40, 60)).displacement.values


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--mintpy", type=Path, metavar="FOLDER", help="project with inputs/ifgramStack.h5 and truth.npz"
    )
    options = parser.parse_args()
    print("| stack | method | wrong before | wrong after | displacement error, mm rms |")
    print("|---|---|--:|--:|--:|", flush=True)
    for name, together in (("single samples", False), ("whole components", True)):
        report(name, *simulate(together=together), (12, 12))
    if options.mintpy is not None:
        report("MintPy project, island", *mintpy(options.mintpy), (40, 60))


if __name__ == "__main__":
    main()
