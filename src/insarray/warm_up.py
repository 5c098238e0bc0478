"""Compile the kernels of typical jobs ahead of the first one, or beside it, in several processes."""

import concurrent.futures
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from insarray.model.errors import InsarrayError

if TYPE_CHECKING:
    import xarray as xr


def _stack() -> "xr.Dataset":
    import insarray as ia

    stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=6, water=False)
    return stack.chunk(y=8, x=8)


def _invert(**options: object) -> None:
    import insarray as ia

    ia.invert(ia.mask(_stack()), reference=(4, 4), **options).compute(scheduler="synchronous")  # type: ignore[arg-type]


def _fit() -> None:
    import xarray as xr

    import insarray as ia

    series = xr.zeros_like(ia.invert(_stack(), weights="variance", looks=20, reference=(4, 4)))  # not inverted
    ia.fit(series, min_dates=2, min_redundancy=0).compute(scheduler="synchronous")


def _weighted() -> None:
    _invert(weights="variance", looks=20)


def _unweighted() -> None:
    _invert()


def _l1() -> None:
    _invert(norm="l1")


def _huber() -> None:
    _invert(norm="huber")


def _covariance() -> None:
    import insarray as ia

    stack = _stack()
    found = ia.covariance(stack, looks=20)
    series = ia.invert(stack, weights="variance", looks=20, reference=(4, 4))
    ia.fit(series, covariance=found.displacement_covariance, min_dates=2, min_redundancy=0).compute(
        scheduler="synchronous"
    )


def _quality() -> None:
    import insarray as ia

    stack = _stack()
    ia.closure(stack).compute(scheduler="synchronous")
    ia.correct_unwrapping(stack, reference=None).compute(scheduler="synchronous")


def _points() -> None:
    import insarray as ia

    wrapped, _ = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    model = ia.integrate_links(links, points)
    ia.refine_points(points, model, height_error=(-5, 5))
    ia.unwrap_points(points, model)


def _components() -> None:
    import insarray as ia

    series = ia.invert(_stack(), reference=(4, 4)).compute(scheduler="synchronous")
    model = ia.fit(series, min_dates=2, min_redundancy=0)
    for result in (series, model):
        seen = {name: result.assign(los_east=x, los_north=0.0 * x, los_up=0.8 + 0.0 * x) for name, x in _sights(result)}
        ia.decompose(seen, north="zero", noise=0.004)


def _sights(result: "xr.Dataset") -> "list[tuple[str, xr.DataArray]]":
    """East components of the line of sight of two tracks."""
    import xarray as xr

    size = {dim: result.sizes[dim] for dim in ("y", "x")}
    zero = xr.DataArray(np.zeros(tuple(size.values()), np.float32), {dim: result[dim] for dim in size}, tuple(size))
    return [("ascending", zero - np.float32(0.6)), ("descending", zero + np.float32(0.6))]


_JOBS: dict[str, Callable[[], None]] = {
    "link model": _points,
    "invert, L1": _l1,
    "invert, weighted": _weighted,
    "invert, Huber": _huber,
    "covariance": _covariance,
    "closure and corrections": _quality,
    "components": _components,
    "invert": _unweighted,
    "fit": _fit,
}
"""Jobs on a few pixels; the slowest to compile first."""


JOBS = len(_JOBS)


def run(name: str) -> tuple[str, float]:
    """Compile or load the kernels of one job; return its name and the seconds taken."""
    from insarray.kernels.compiled import note_compiled

    started = time.monotonic()
    _JOBS[name]()
    note_compiled(name)
    return name, time.monotonic() - started


def warm_up(workers: int) -> Iterator[tuple[str, float]]:
    """Compile all kernels in `workers` processes; yield name and seconds of each job when it is done.

    Raises
    ------
    InsarrayError
        If compiled kernels cannot be cached on this machine, which makes compiling ahead useless.
    """
    from insarray.kernels import compiled

    if not compiled.can_keep():
        raise InsarrayError(
            "there is no writable place for compiled kernels: set NUMBA_CACHE_DIR to a folder of your own"
        )
    processes = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=processes) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, name) for name in _JOBS]):
            yield done.result()


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", __name__, name]


@contextmanager
def compiling(names: Sequence[str]) -> Iterator[Callable[[Callable[[], None]], float]]:
    """Compile the kernels of some jobs in processes of their own, unless they are, while this one opens and plans.

    Yields a function that waits until they are compiled; it calls its argument before, if there is anything to wait for,
    and returns the seconds. Without a place to keep them nothing is started: this process compiles what it calls.
    """
    from insarray.kernels import compiled

    missing = [name for name in names if compiled.can_keep() and not compiled.is_compiled(name)]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(_command(name), **silent) for name in missing]  # type: ignore[call-overload]

    def wait(before: Callable[[], None]) -> float:
        if all(process.poll() is not None for process in started):
            return 0.0
        begun = time.monotonic()
        before()
        for process in started:
            process.wait()  # a failure shows when this process calls the kernels
        return time.monotonic() - begun

    try:
        yield wait
    finally:
        for process in started:
            process.kill()
            process.wait()


if __name__ == "__main__":
    run(sys.argv[1])
