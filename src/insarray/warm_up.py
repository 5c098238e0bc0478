"""Compile the kernels of typical jobs ahead of the first one, in several processes."""

import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from insarray.model.errors import InsarrayError

if TYPE_CHECKING:
    import xarray as xr


def _stack() -> "xr.Dataset":
    import insarray as ia

    stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=6, water=False)
    return stack.chunk(y=8, x=8)


def _invert(**options: object) -> None:
    import insarray as ia

    series = ia.invert(ia.mask(_stack()), reference=(4, 4), **options)  # type: ignore[arg-type]
    ia.fit(series, min_dates=2, min_redundancy=0).merge(series).compute(scheduler="synchronous")


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


_JOBS: dict[str, Callable[[], None]] = {
    "link model": _points,
    "invert, L1": _l1,
    "invert, weighted": _weighted,
    "invert, Huber": _huber,
    "covariance": _covariance,
    "closure and corrections": _quality,
    "invert": _unweighted,
}
"""Jobs on a few pixels; the slowest to compile first."""


JOBS = len(_JOBS)


def run(name: str) -> tuple[str, float]:
    """Compile or load the kernels of one job; return its name and the seconds taken."""
    started = time.monotonic()
    _JOBS[name]()
    return name, time.monotonic() - started


def warm_up(workers: int) -> Iterator[tuple[str, float]]:
    """Compile all kernels in `workers` processes; yield name and seconds of each job when it is done.

    Raises
    ------
    InsarrayError
        If compiled kernels cannot be cached on this machine, which makes compiling ahead useless.
    """
    from insarray.kernels import compiled

    if compiled._CACHE is None:
        raise InsarrayError(
            "there is no writable place for compiled kernels: set NUMBA_CACHE_DIR to a folder of your own"
        )
    processes = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=processes) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, name) for name in _JOBS]):
            yield done.result()
