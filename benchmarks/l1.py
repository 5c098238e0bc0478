"""insarray's L1 against dolphin's on the same arrays in one run; see README.md.

dolphin takes 20 ADMM steps and stops. insarray takes the same 20 steps, or goes on to a certified gap of 1e-3 by its
own method. Both are compared with the optimum of a linear program on a few pixels.
"""

import argparse
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from cases import Array, Network, Samples, networks
from contenders import CORES, Contender, Processes, halves, missing_peer
from dolphin_side import DolphinL1Share, dolphin_contenders
from kernels import best, print_heading, speed
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity

from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.robust.inversion import ADMM, L1, Huber, Robust, solve_robust

NOISE = 0.1
TARGETS = {"insarray, the same 20 steps": 8.0, "insarray, gap 1e-3": 5.0}
METHODS: dict[str, Robust] = {
    "insarray, the same 20 steps": ADMM(),
    "insarray, gap 1e-3": L1(),
    "insarray, gap 1e-6": L1(tolerance=1e-6),
    "insarray, Huber": Huber(),
}


def simulate(network: Network, outliers: float, pixels: int, seed: int = 0) -> Samples:
    """Random walks with noise of 0.1 rad and a part of samples with one wrong cycle, float32."""
    rng = np.random.default_rng(seed)
    series = np.cumsum(0.5 * rng.standard_normal((network.n_dates, pixels)), axis=0)
    phase = (
        series[network.pairs[:, 1]]
        - series[network.pairs[:, 0]]
        + NOISE * rng.standard_normal((len(network.pairs), pixels))
    )
    phase += 2 * np.pi * rng.choice([-1, 1], phase.shape) * (rng.random(phase.shape) < outliers)
    return Samples(network, phase.astype(np.float32), None)


def own(samples: Samples, pool: ThreadPoolExecutor, name: str) -> Contender:
    """A method of insarray in two threads on two halves."""
    plan = plan_elimination(samples.network.pairs, samples.network.n_dates)
    parts = [samples.part(*half) for half in halves(samples.pixels)]

    def run() -> list[Array]:
        return list(pool.map(lambda part: solve_robust(part.phase, plan, METHODS[name])[0].phase, parts))

    return Contender(name, f"{CORES} threads", samples.pixels, run, lambda n: np.concatenate(run(), axis=1)[:, :n])


def excess(samples: Samples, series: Array) -> tuple[float, float]:
    """Mean and largest relative excess of the objective over that of a linear program (HiGHS)."""
    network, found = samples.network, []
    rows = np.arange(len(network.pairs))
    design = csr_array((-np.ones(len(rows)), (rows, network.pairs[:, 0])), (len(rows), network.n_dates))
    design = design + csr_array((np.ones(len(rows)), (rows, network.pairs[:, 1])), design.shape)
    eye = identity(len(rows), format="csr")
    cost = np.concatenate([np.zeros(network.n_dates), np.ones(2 * len(rows))])
    bounds = [(None, None)] * network.n_dates + [(0, None)] * (2 * len(rows))
    for p in range(series.shape[1]):
        d = samples.phase[:, p].astype(np.float64)
        optimum = linprog(cost, A_eq=hstack([design, eye, -eye], format="csr"), b_eq=d, bounds=bounds).fun
        found.append(np.abs(d - design @ series[:, p].astype(np.float64)).sum() / optimum - 1)
    return float(np.mean(found)), float(np.max(found))


def run_case(network: Network, outliers: float, options: argparse.Namespace) -> Iterator[str]:
    """Lines of the table."""
    samples = simulate(network, outliers, options.pixels or network.pixels // 8)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(CORES))
        in_processes = stack.enter_context(options.processes.on(samples))
        blocks = [samples.pixels >> k for k in (0, 1, 2)]
        peer = best(dolphin_contenders(samples, in_processes, blocks, DolphinL1Share), options.seconds / 2)
        ours = [own(samples, pool, name) for name in METHODS]
        for contender in (peer, *ours):
            contender.run()
        ratios: dict[str, list[float]] = {name: [] for name in METHODS}
        for _ in range(options.repeats):
            for contender in ours:  # the peer between any two of them
                theirs = speed(peer, options.seconds)
                ratios[contender.name].append(speed(contender, options.seconds) / theirs)
        for contender in (peer, *ours):
            mean, worst = excess(samples, contender.series(options.checked))
            line = f"| {network.name} | {100 * outliers:.0f} % | {contender.name} "
            found = ratios.get(contender.name)
            target = TARGETS.get(contender.name)
            text = "" if found is None else f"**{statistics.median(found):.1f}** ({min(found):.1f} - {max(found):.1f})"
            verdict = ""
            if found is not None and target is not None:
                verdict = f">= {target:g}: " + ("met" if statistics.median(found) >= target else "NOT MET")
            yield f"{line}| {text} | {100 * mean:.3f} % / {100 * worst:.3f} % | {verdict} |"
    yield f"<!-- dolphin: {peer.setting} -->"


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, help="of a case, a multiple of 256")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="least time of a measurement (0.5)")
    parser.add_argument("--quick", action="store_true", help="short, few pixels: does it work?")
    options = parser.parse_args()
    options.checked = 32
    if options.quick:
        options.pixels, options.repeats, options.seconds, options.checked = 512, 1, 0.05, 4
    missing = missing_peer("dolphin.timeseries")
    print_heading({"dolphin": missing})
    if missing:
        return
    options.processes = Processes()
    print(
        "| network | wrong cycles | contender | faster than dolphin by | objective above optimum, mean / worst | target |"
    )
    print("|---|--:|---|--:|--:|---|", flush=True)
    try:
        for network in networks()[:2]:
            for outliers in (0.0, 0.05):
                print(*run_case(network, outliers, options), sep="\n", flush=True)
    finally:
        options.processes.close()


if __name__ == "__main__":
    main()
