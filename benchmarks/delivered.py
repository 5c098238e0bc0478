"""What `invert` delivers, all results in memory, beside the kernel alone on the same arrays with the weights ready made.

Simulated stack, 30 dates and 84 pairs, with gaps. Two threads on two halves of the pixels for the kernel; `invert` as a user
calls it: of arrays in memory, and of the same arrays in chunks with ``.compute()``. The three run in turn; the ratio is that
of the kernel's seconds to those of the whole call, median and range over the rounds.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr

import insarray as ia
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.variance import pair_weights
from insarray.model.choices import Weights

LOOKS, EDGE = 20.0, 256
WEIGHTS: tuple[Weights, ...] = ("none", "variance", "fisher", "coherence")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    stack, _ = ia.simulate_stack(shape=(given.size, given.size), n_dates=30, water=False)
    stack = stack[["unwrapped_phase", "coherence"]].load()
    lazy = stack.chunk({"pair": -1, "y": EDGE, "x": EDGE})
    with ThreadPoolExecutor(2) as pool:
        for weights in WEIGHTS:
            calls = calls_of(stack, lazy, weights, pool)
            seconds = {name: np.array(times) for name, times in in_turn(calls, given.rounds).items()}
            for name in ("in memory", "in chunks"):
                ratio = seconds["kernel"] / seconds[name]
                print(f"{weights} {name}: {np.median(ratio):.2f} ({ratio.min():.2f} - {ratio.max():.2f})", flush=True)


def invert(stack: xr.Dataset, weights: Weights) -> xr.Dataset:
    """The call that is measured; the simulated pairs are referenced."""
    return ia.invert(stack, weights=weights, looks=LOOKS, reference=None)


def calls_of(stack: xr.Dataset, lazy: xr.Dataset, weights: Weights, pool: ThreadPoolExecutor) -> dict:
    """What is compared, by name."""
    halves = halves_of(stack, weights)
    return {
        "kernel": lambda: list(pool.map(lambda half: half(), halves)),
        "in memory": lambda: invert(stack, weights),
        "in chunks": lambda: invert(lazy, weights).compute(scheduler="threads", num_workers=2),
    }


def halves_of(stack: xr.Dataset, weights: Weights) -> list:
    """The kernel on each half of the pixels, whose phase and weights are contiguous."""
    network = stack.insar.network
    plan = plan_elimination(network.pairs, network.n_dates)
    phase, coherence = (stack[name].values.reshape(network.n_pairs, -1) for name in ("unwrapped_phase", "coherence"))
    weight = pair_weights(coherence, weights, LOOKS)

    def half(part: slice):
        samples = phase[:, part].copy()
        weighted = None if weight is None else weight[:, part].copy()
        return lambda: solve(samples, plan, weighted, scale=0.004, std=True)

    middle = phase.shape[1] // 2
    return [half(slice(0, middle)), half(slice(middle, None))]


def in_turn(calls: dict, rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, one after the other, `rounds` times after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            clock = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - clock)
    return seconds


if __name__ == "__main__":
    main()
