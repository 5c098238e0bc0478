"""MintPy as a contender: its batch call, and one call per pixel for missing samples and for weights."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from cases import Array, Network, Samples
from contenders import CORES, Contender, Share
from threadpoolctl import threadpool_limits

QUALITIES = ("temporalCoherence", "no")
"""Values of its `inv_quality_name`: the default, and the fastest."""


class MintpyShare(NamedTuple):
    """How MintPy is called; what its patch driver does with a patch, progress bar left out.

    Parameters
    ----------
    quality
        Its `inv_quality_name`.
    chunk
        Pixels per call; 1 as the patch driver does for missing samples and for weights.
    """

    quality: str
    chunk: int

    def __call__(self, samples: Samples) -> Callable[[], Array]:
        """Function that solves all pixels; the square roots of the weights are taken before."""
        roots = None if samples.weights is None else np.sqrt(samples.weights)
        return partial(_solve, samples, roots, _design(samples.network), self)


def _design(network: Network) -> dict[str, Array]:
    """Arguments A, B and tbase_diff, by MintPy's own functions."""
    from mintpy.objects import ifgramStack

    days = np.datetime64("2020-01-01") + 12 * np.arange(network.n_dates)
    names = [str(day).replace("-", "") for day in days]
    a, b = ifgramStack.get_design_matrix4timeseries([f"{names[i]}_{names[j]}" for i, j in network.pairs])[:2]
    years = (12 * np.arange(network.n_dates, dtype=np.float32)) / np.float32(365.25)
    return {"A": a, "B": b, "tbase_diff": np.diff(years).reshape(-1, 1)}


def _solve(samples: Samples, roots: Array | None, design: dict[str, Array], share: MintpyShare) -> Array:
    from mintpy.ifgram_inversion import estimate_timeseries

    fixed: dict[str, Any] = {**design, "inv_quality_name": share.quality, "print_msg": False}
    series = np.zeros((samples.network.n_dates, samples.pixels), np.float32)
    quality, used = np.zeros(samples.pixels, np.float32), np.zeros(samples.pixels, np.int16)
    for start in range(0, samples.pixels, share.chunk):
        at = slice(start, start + share.chunk)
        root = None if roots is None else roots[:, at]
        series[:, at], quality[at], used[at] = estimate_timeseries(y=samples.phase[:, at], weight_sqrt=root, **fixed)
    return series


def mintpy_contenders(samples: Samples, in_processes: Callable[[Share], None], quality: str) -> list[Contender]:
    """Every setting of MintPy that might be its best: processes, BLAS threads, pixels per call."""
    slow = samples.missing or samples.weights is not None
    found = []

    def series(count: int) -> Array:
        head = samples.part(0, min(count, samples.pixels))
        with threadpool_limits(1):
            return MintpyShare(quality, 1 if slow else count)(head)()

    def threaded(solve: Callable[[], Array], threads: int) -> None:
        with threadpool_limits(threads):
            solve()

    for chunk in [1] if slow else [4_096, samples.pixels]:
        share = MintpyShare(quality, chunk)
        calls = "one call per pixel" if slow else f"at most {chunk:,} px a call"
        ways: dict[str, Callable[[], object]] = {
            f"{CORES} processes of 1 BLAS thread, {calls}": partial(in_processes, share)
        }
        for threads in () if slow else (1, 2):
            ways[f"1 process of {threads} BLAS thread(s), {calls}"] = partial(threaded, share(samples), threads)
        found += [
            Contender(f"MintPy, quality {quality}", way, samples.pixels, run, series) for way, run in ways.items()
        ]
    return found
