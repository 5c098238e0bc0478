"""insarray's link estimator against dense grids and spurt's search, on the same links in one run; see README.md.

Every contender has one core: one thread, one BLAS thread, and its own processor time is what counts, so that other work
on the machine does not. Contenders run in turn, and a ratio is taken between neighbours in time.
"""

import argparse
import importlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from cases import Array
from contenders import installed_version, missing_peer
from threadpoolctl import threadpool_limits

from insarray.kernels.links.periodogram import estimate_links, make_problem
from insarray.kernels.links.periodogram_dense import estimate_links_dense
from insarray.kernels.links.periodogram_search import search

BOX = {"velocity_range": (-0.03, 0.03), "height_range": (-40.0, 40.0)}
GRID = (np.linspace(*BOX["velocity_range"], 121), np.linspace(*BOX["height_range"], 161))
BYTES = (2**25, 2**27, 2**29)
TARGET = 80.0
BASE = "published, complex128"


class Links(NamedTuple):
    """Phase (epoch, link) float32, columns (epoch, 2)."""

    phase: Array
    design: Array


class Contender(NamedTuple):
    """`run` returns velocity and height error, (2, link); `links` is how many it gets."""

    name: str
    links: int
    run: Callable[[], Array]


def simulate(links: int, seed: int = 0) -> Links:
    """X band, 40 epochs in 3 years, perpendicular baselines of 150 m rms, noise of 0.6 rad."""
    rng = np.random.default_rng(seed)
    time_column = 4 * np.pi / 0.031 * np.sort(rng.uniform(0, 3, 40))
    height_column = 4 * np.pi / 0.031 / (850e3 * np.sin(np.radians(35))) * rng.normal(0, 150, 40)
    design = np.stack([time_column, height_column], axis=1)
    truth = np.stack([rng.uniform(*limits, links) for limits in BOX.values()])
    phase = design @ truth + 0.6 * rng.normal(size=(40, links))
    return Links(np.angle(np.exp(1j * phase)).astype(np.float32), design)


def own(links: Links, count: int) -> Callable[[], Array]:
    phase, (time_column, height_column) = links.phase[:, :count], links.design.T

    def run() -> Array:
        found = estimate_links(phase, time_column, height_column, **BOX)
        return np.stack([found.velocity, found.height_error])

    return run


def bare(links: Links, count: int) -> Callable[[], Array]:
    """The compiled search alone: position and coherence are what the published estimator gives."""
    problem = make_problem(links.phase[:, :count], *links.design.T, *BOX.values(), None, "epochs", None)
    return lambda: search(problem).position


def dense(links: Links, count: int, dtype: type, sizes: Sequence[int] = BYTES) -> Callable[[], Array]:
    """The published estimator with the chunks that are fastest here."""

    def of(max_bytes: int) -> Callable[[], Array]:
        return lambda: np.stack(
            estimate_links_dense(links.phase[:, :count], links.design, *GRID, dtype=dtype, max_bytes=max_bytes)[:2]
        )

    return min((of(size) for size in sizes), key=lambda run: min(seconds(run) for _ in range(2)))


def spurt(links: Links, count: int) -> Callable[[], Array]:
    """Spurt 0.1.1 from PyPI (``pip install spurt==0.1.1``): scipy's brute and fmin for each link, on the same grid."""
    module = importlib.import_module("spurt.links")
    ranges = tuple(slice(axis[0], axis[-1] + (axis[1] - axis[0]) / 2, axis[1] - axis[0]) for axis in GRID)
    model = module.GridSearchLinearModel(links.design, ranges)
    return lambda: model.estimate_model_many(links.phase[:, :count].astype(np.float64), worker_count=1)[0]


def seconds(run: Callable[[], Array]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def coherence(links: Links, position: Array) -> Array:
    phase = links.phase[:, : position.shape[1]]
    return np.abs(np.exp(1j * (phase - links.design @ position)).mean(axis=0))


def main() -> None:
    """Time all contenders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, default=65536, help="of insarray's compiled search (65536)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (5)")
    options = parser.parse_args()
    count = options.links
    few, least = max(count // 64, 64), max(count // 16384, 1)
    missing = missing_peer("spurt.links")
    packages = ("insarray", "numpy", "scipy", "numba", "spurt")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {installed_version(p)}" for p in packages))
    print(f"1 core for every contender{f'; spurt: {missing}' if missing else ''}\n")
    links = simulate(count)
    with threadpool_limits(1):
        contenders = [
            Contender(BASE, few, dense(links, few, np.complex128)),
            Contender("published, complex64", few, dense(links, few, np.complex64)),
            Contender(
                "published, complex128, chunks of 512 MB", 8 * few, dense(links, 8 * few, np.complex128, BYTES[-1:])
            ),
            Contender("insarray, all results", count, own(links, count)),
            Contender("insarray, position and coherence", count, bare(links, count)),
        ]
        if missing is None:
            contenders.append(Contender("spurt 0.1.1", least, spurt(links, least)))
        found = {contender.name: coherence(links, contender.run()) for contender in contenders}
        speeds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for _ in range(options.repeats):
            for contender in contenders:
                speeds[contender.name].append(contender.links / seconds(contender.run))
    reference = found["insarray, all results"]
    print("| estimator | links/s | times complex128 | below insarray's coherence by > 1e-3 | above it | target |")
    print("|---|--:|--:|--:|--:|---|")
    for contender in contenders:
        name, level = contender.name, found[contender.name]
        ratios = [own / base for own, base in zip(speeds[name], speeds[BASE], strict=True)]
        below = np.mean(reference[: len(level)] - level > 1e-3)
        above = np.mean(level - reference[: len(level)] > 1e-6)
        verdict = ""
        if name == "insarray, all results":
            verdict = f">= {TARGET:g}: " + ("met" if statistics.median(ratios) >= TARGET else "NOT MET")
        print(
            f"| {name} | {statistics.median(speeds[name]):.3g} | **{statistics.median(ratios):.3g}** "
            f"({min(ratios):.3g} - {max(ratios):.3g}) | {100 * below:.2f} % | {100 * above:.2f} % | {verdict} |"
        )


if __name__ == "__main__":
    main()
