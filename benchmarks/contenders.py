"""What a contender is, insarray as one, and the processes that let a peer use every core."""

import importlib
import itertools
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cases import Array, Samples
from threadpoolctl import threadpool_limits

from insarray.kernels.network.elimination import Solution, solve
from insarray.kernels.network.elimination_plan import plan_elimination

CORES = 2

Share = Callable[[Samples], Callable[[], object]]
"""Prepares the pixels of one process and returns what solves them; can be pickled and hashed."""


class Contender(NamedTuple):
    """One way to solve a case.

    Parameters
    ----------
    name
        Row of the table.
    setting
        What was chosen for it: threads, processes, pixels per call.
    pixels
        Solved by one `run`.
    run
        Solves them all; timed.
    series
        Phase of each date of the first pixels, (date, pixel), at most as many as asked for.
    """

    name: str
    setting: str
    pixels: int
    run: Callable[[], object]
    series: Callable[[int], Array]


def missing_peer(module: str) -> str | None:
    """Why a peer cannot take part, or None if it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent = error.name or module
        return "not installed" if module.startswith(absent) else f"not usable: its import needs {absent}"
    except ImportError as error:
        return f"not usable: {error}"
    return None


def installed_version(package: str) -> str:
    """Version of a package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def halves(pixels: int) -> list[tuple[int, int]]:
    """Pixel range of each core."""
    edges = np.linspace(0, pixels, CORES + 1).astype(int)
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def insarray_contender(samples: Samples, pool: ThreadPoolExecutor, *, std: bool) -> Contender:
    """`solve` in two threads on two halves: series, counts, labels, temporal coherence, residuals; with std or not."""
    plan = plan_elimination(samples.network.pairs, samples.network.n_dates)
    parts = [samples.part(*half) for half in halves(samples.pixels)]

    def run() -> list[Solution]:
        return list(pool.map(lambda part: solve(part.phase, plan, part.weights, std=std), parts))

    def series(count: int) -> Array:
        return np.concatenate([solution.phase for solution in run()], axis=1)[:, :count]

    return Contender("insarray + std" if std else "insarray", f"{CORES} threads", samples.pixels, run, series)


class Processes:
    """One process per core for the peers, each with one BLAS or XLA thread; they live until `close`.

    A process prepares its share of the pixels before the timing and keeps its results: no transfer is timed.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes = [ProcessPoolExecutor(1, mp_context=context, initializer=_one_thread) for _ in range(CORES)]

    @contextmanager
    def on(self, samples: Samples) -> Iterator[Callable[[Share], None]]:
        """A function that runs a `Share` in all processes at once, each on its part of `samples`."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "samples").write_bytes(pickle.dumps(samples))

            def run(share: Share) -> None:
                ranges = zip(self._processes, halves(samples.pixels), strict=True)
                for job in [process.submit(_run_share, share, folder, *part) for process, part in ranges]:
                    job.result()

            yield run

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.shutdown()


def _one_thread() -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    threadpool_limits(1)


def _run_share(share: Share, folder: str, start: int, stop: int) -> None:
    _prepared(share, folder, start, stop)()


@lru_cache(maxsize=3)
def _prepared(share: Share, folder: str, start: int, stop: int) -> Callable[[], object]:
    samples: Samples = pickle.loads((Path(folder) / "samples").read_bytes())
    return share(samples.part(start, stop))
