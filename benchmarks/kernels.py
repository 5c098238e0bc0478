"""insarray's least squares against MintPy's and dolphin's, on the same arrays in one run; see README.md.

Every contender is warm, gets two cores and its best setting. Contenders run in turn (insarray, peer, insarray, peer,
...), and a ratio is taken between neighbours in time, so that a busy machine disturbs both sides alike.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np
from cases import KINDS, Array, Kind, Network, Samples, lapack_series, networks, simulate
from contenders import CORES, Contender, Processes, insarray_contender, installed_version, missing_peer
from dolphin_side import dolphin_contenders
from mintpy_side import QUALITIES, mintpy_contenders

TARGETS: dict[tuple[str, str, str], float] = {
    ("100/300", "weighted-missing", "MintPy"): 500,
    ("100/300", "weighted-missing", "dolphin"): 500,
    ("30/90", "weighted-missing", "MintPy"): 300,
    ("30/90", "weighted-missing", "dolphin"): 150,
    **{(n, "unweighted", "MintPy"): 3 for n in ("30/90", "100/300", "100/945")},
    **{(n, "unweighted", "dolphin"): 1.5 for n in ("30/90", "100/300", "100/945")},
}
"""Least ratio of insarray to a peer."""

ERROR_TARGET = 1e-5
"""Largest error of insarray in radians."""

HEADER = (
    "| network | case | contender | px per run | px/s | insarray is faster by | with std by | max error (rad) | target |",
    "|---|---|---|--:|--:|--:|--:|--:|---|",
)


class Row(NamedTuple):
    """One line of the table; a ratio list holds one value per round, and is empty where it makes no sense."""

    network: str
    kind: Kind
    contender: str
    setting: str
    pixels: int
    speed: float
    ratios: list[float]
    std_ratios: list[float]
    error: float

    @property
    def title(self) -> str:
        """Network, case and contender."""
        return f"{self.network} {self.kind}, {self.contender}"

    def verdict(self) -> str:
        """Target of the row and whether it is met."""
        if self.contender.startswith("insarray"):
            return f"error <= {ERROR_TARGET:g}: " + ("met" if self.error <= ERROR_TARGET else "NOT MET")
        target = TARGETS.get((self.network, self.kind, self.contender.split(",")[0]))
        if target is None or not self.ratios:
            return ""
        return f">= {target:g}: " + ("met" if statistics.median(self.ratios) >= target else "NOT MET")

    def markdown(self) -> str:
        """The line."""
        start = f"| {self.network} | {self.kind} | {self.contender} "
        if not self.pixels:
            return start + f"| {self.setting} |  |  |  |  |  |"
        parts = [f"{self.pixels:,}", f"{_three(self.speed):,}", _spread(self.ratios), _spread(self.std_ratios)]
        return start + "| " + " | ".join([*parts, f"{self.error:.1e}", self.verdict()]) + " |"


def _three(value: float) -> float:
    """Value to three digits, without a fraction from 100 on."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded >= 100 else rounded


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return ""
    return f"**{_three(statistics.median(ratios)):,}** ({_three(min(ratios)):,} - {_three(max(ratios)):,})"


def speed(contender: Contender, seconds: float) -> float:
    """Pixels per second, of as many runs as take the time given."""
    runs, start = 0, time.perf_counter()
    while True:
        contender.run()
        runs += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return runs * contender.pixels / elapsed


def best(settings: list[Contender], seconds: float) -> Contender:
    """The fastest setting of a contender: each is warmed up, then they are tried in turn, three times."""
    if len(settings) == 1:
        return settings[0]
    fastest = [0.0] * len(settings)
    for contender in settings:
        contender.run()
    for _ in range(3):
        fastest = [max(old, speed(contender, seconds)) for old, contender in zip(fastest, settings, strict=True)]
    return settings[int(np.argmax(fastest))]


def peer_samples(samples: Samples, peer: str, *, pixels: int | None) -> Samples:
    """The first pixels of the case: as many as the peer can do in reasonable time."""
    network, count = samples.network, samples.pixels
    if peer == "mintpy" and (samples.missing or samples.weights is not None):
        count = network.per_pixel
    elif peer == "dolphin" and samples.weights is not None:
        count = network.weighted
    elif peer == "dolphin" and samples.missing:
        count = network.censored
    return samples.part(0, min(count, samples.pixels, pixels or count))


def peers(samples: Samples, options: argparse.Namespace, stack: ExitStack) -> Iterator[Contender | tuple[str, str]]:
    """The peers at their best settings, or (peer, why it is missing)."""
    seconds = options.seconds / 2
    if reason := options.missing["mintpy"]:
        yield "MintPy", reason
    else:
        part = peer_samples(samples, "mintpy", pixels=options.pixels)
        in_processes = stack.enter_context(options.processes.on(part))
        for quality in QUALITIES:
            yield best(mintpy_contenders(part, in_processes, quality), seconds)
    if reason := options.missing["dolphin"]:
        yield "dolphin", reason
    else:
        part = peer_samples(samples, "dolphin", pixels=options.pixels)
        in_processes = stack.enter_context(options.processes.on(part))
        yield best(dolphin_contenders(part, in_processes, [part.pixels >> k for k in (0, 1, 2)]), seconds)


def run_case(network: Network, kind: Kind, options: argparse.Namespace) -> list[Row]:
    """All rows of one case."""
    samples = simulate(network, kind, options.pixels or network.pixels)
    expected = lapack_series(samples, min(options.checked, samples.pixels))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(CORES))
        found = list(peers(samples, options, stack))
        ready = [peer for peer in found if isinstance(peer, Contender)]
        plain, full = (insarray_contender(samples, pool, std=std) for std in (False, True))
        for contender in (plain, full, *ready):
            contender.run()  # warm again: settings tried later may have taken its place in a cache
        rounds = [one_round(plain, full, ready, options.seconds) for _ in range(options.repeats)]
        rows = [
            _row(samples, contender, expected, [r[i] for r in rounds])
            for i, contender in enumerate([plain, full, *ready])
        ]
    absent = [peer for peer in found if not isinstance(peer, Contender)]
    return rows + [Row(network.name, kind, name, reason, 0, 0.0, [], [], np.nan) for name, reason in absent]


def one_round(
    plain: Contender, full: Contender, others: list[Contender], seconds: float
) -> list[tuple[float, float, float]]:
    """(speed, ratio of insarray, ratio of insarray with std) of insarray, insarray with std, and each peer.

    insarray runs before and after a peer; their mean is what the peer is compared with.
    """
    before = speed(plain, seconds), speed(full, seconds)
    results = [(before[0], 1.0, before[1] / before[0]), (before[1], before[0] / before[1], 1.0)]
    for other in others:
        own = speed(other, seconds)
        after = speed(plain, seconds), speed(full, seconds)
        ratios = [(a + b) / 2 / own for a, b in zip(before, after, strict=True)]
        results.append((own, ratios[0], ratios[1]))
        before = after
    return results


def _row(samples: Samples, contender: Contender, expected: Array, results: list[tuple[float, float, float]]) -> Row:
    series = contender.series(expected.shape[1])
    error = float(np.nanmax(np.abs(series - expected[:, : series.shape[1]])))
    if not np.isfinite(series[np.isfinite(expected[:, : series.shape[1]])]).all():
        error = np.inf
    speeds, ratios, std_ratios = (list(column) for column in zip(*results, strict=True))
    kind: Kind = "weighted" if samples.weights is not None else "unweighted"
    if samples.missing:
        kind = "weighted-missing" if kind == "weighted" else "unweighted-missing"
    own = contender.name.startswith("insarray")
    return Row(
        samples.network.name,
        kind,
        contender.name,
        contender.setting,
        contender.pixels,
        statistics.median(speeds),
        [] if own else ratios,
        [] if own else std_ratios,
        error,
    )


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [f"{network.name}-{kind}" for network in networks() for kind in KINDS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"name or pattern such as '30/90-*', of: {', '.join(names)}")
    parser.add_argument("--pixels", type=int, help="most pixels of a case, a multiple of 256; default: by network")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (5)")
    parser.add_argument("--seconds", type=float, default=0.6, help="least time of a measurement (0.6)")
    parser.add_argument("--quick", action="store_true", help="2 rounds, short, few pixels: does it work?")
    options = parser.parse_args(given)
    options.checked = 256  # pixels solved by float64 LAPACK
    if options.quick:
        options.pixels, options.repeats, options.seconds, options.checked = options.pixels or 1_024, 2, 0.1, 32
    if options.repeats < 1 or (options.pixels is not None and (options.pixels < 256 or options.pixels % 256)):
        parser.error("--repeats must be at least 1, --pixels a multiple of 256")
    options.selected = [
        (network, kind)
        for network in networks()
        for kind in KINDS
        if any(fnmatch(f"{network.name}-{kind}", pattern) for pattern in options.case or ["*"])
    ]
    if not options.selected:
        parser.error(f"--case: nothing fits; choose from {', '.join(names)}")
    return options


def print_heading(missing: dict[str, str | None]) -> None:
    """What runs where: versions, cores, and which peer is missing."""
    packages = ("insarray", "numpy", "scipy", "numba", "mintpy", "dolphin", "jax")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {installed_version(p)}" for p in packages))
    print(f"{CORES} cores used by every contender, {os.cpu_count()} in the machine\n")
    for peer, reason in missing.items():
        if reason:
            print(f"{peer}: {reason}; its rows hold no numbers\n")


def main() -> None:
    """Run the chosen cases and print the table."""
    options = arguments()
    options.missing = {
        "mintpy": missing_peer("mintpy.ifgram_inversion"),
        "dolphin": missing_peer("dolphin.timeseries"),
    }
    print_heading(options.missing)
    options.processes = Processes()
    rows: list[Row] = []
    try:
        print(*HEADER, sep="\n", flush=True)
        for network, kind in options.selected:
            found = run_case(network, kind, options)
            print(*(row.markdown() for row in found), sep="\n", flush=True)
            rows += found
    finally:
        options.processes.close()
    print("\nSettings of the peers:\n")
    print(*(f"* {row.title}: {row.setting}" for row in rows if not row.contender.startswith("insarray")), sep="\n")
    below = [row for row in rows if "NOT MET" in row.verdict()]
    print("\nBelow the target:\n" if below else "\nNothing is below its target.")
    print(*(f"* {row.title}: {_spread(row.ratios) or row.error}, {row.verdict()}" for row in below), sep="\n")


if __name__ == "__main__":
    main()
