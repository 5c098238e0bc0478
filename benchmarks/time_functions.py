"""insarray's time functions and height error against MintPy's on the same arrays in one run; see README.md.

One core each: MintPy's BLAS has one thread, insarray's kernel one. Contenders run in turn, and a ratio of processor
times is taken between neighbours, so that a busy machine disturbs both alike. MintPy's batch refuses series with a
missing date, so the rows with missing dates compare with its time on complete series.
"""

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from contenders import missing_peer
from kernels import print_heading
from threadpoolctl import threadpool_limits

from insarray.model.time_model import TimeModel
from insarray.products.timefit.block_fit import FitTask, fit_block

DATES = 100
NOISE = 0.005
SLANT_RANGE, INCIDENCE = (800e3, 950e3), (30.0, 46.0)
EVENT = "20210701"
TERMS: dict[str, Any] = {"periods": (1.0,), "steps": (EVENT,)}
DAYS = np.datetime64("2020-01-01") + 12 * np.arange(DATES)
NAMES = [str(day).replace("-", "") for day in DAYS]

Array = np.ndarray[Any, np.dtype[Any]]


class Case(NamedTuple):
    """Series of a velocity, a season, a step, a height error and noise; float32 (date, 1, pixel), and the truth."""

    displacement: Array
    baseline: Array
    factor: Array
    velocity: Array
    height: Array


def simulate(pixels: int, missing: float, seed: int = 0) -> Case:
    """Case with a share of missing dates."""
    rng = np.random.default_rng(seed)
    baseline = rng.normal(0, 80, DATES)
    distance, angle = rng.uniform(*SLANT_RANGE, pixels), np.deg2rad(rng.uniform(*INCIDENCE, pixels))
    factor, height = 1 / (distance * np.sin(angle)), rng.normal(0, 20, pixels)
    design = TimeModel(**TERMS).design(DAYS.astype("datetime64[ns]"), DAYS[0])
    terms = rng.normal(0, 0.02, (design.shape[1], pixels))
    series = design @ terms + baseline[:, None] * factor * height + NOISE * rng.normal(size=(DATES, pixels))
    series[rng.random(series.shape) < missing] = np.nan
    return Case(series.astype(np.float32)[:, None], baseline, factor, terms[0], height)


def task(case: Case, *, height: bool) -> FitTask:
    """What insarray is asked for."""
    model = TimeModel(**TERMS)
    return FitTask(
        model=model,
        design=model.design(DAYS.astype("datetime64[ns]"), DAYS[0]),
        pairs=False,
        scale=1.0,
        level=None,
        weights="none",
        looks=None,
        row_weight=None,
        covariance=None,
        full_covariance=False,
        height=height,
        height_factor=None,
        baseline=case.baseline if height else None,
        closing=None,
        uncertainty="residuals",
        samples=0,
        seed=0,
        residuals=height,
    )


def insarray_functions(case: Case) -> Array:
    """Velocity; season, step, standard errors and the rest besides."""
    return fit_block(task(case, height=False), {"displacement": case.displacement})["velocity"][0]


def insarray_height(case: Case) -> Array:
    """Height error; corrected series, residuals, velocity, standard errors besides."""
    layers = {"displacement": case.displacement, "height_factor": case.factor[None]}
    found = fit_block(task(case, height=True), layers)
    part = (case.factor * found["height_error"][0]).astype(np.float32)
    case.displacement[:, 0] - case.baseline.astype(np.float32)[:, None] * part  # as its corrected series
    return found["height_error"][0]


def mintpy_functions(case: Case) -> Array:
    """Velocity, by its batch and its standard errors from the residuals."""
    from mintpy.utils.time_func import estimate_time_func

    model = {"polynomial": 1, "periodic": [1.0], "stepDate": [EVENT], "polyline": [], "exp": {}, "log": {}}
    design, terms, square = estimate_time_func(model, NAMES, case.displacement[:, 0])
    spread = np.diag(np.linalg.inv(design.T @ design))[:, None] * (square / (DATES - design.shape[1]))[None]
    np.sqrt(spread)
    return np.asarray(terms[1])


def mintpy_height(case: Case) -> Array:
    """Height error, corrected series and residuals by its pixelwise loop; a season and a step in the motion, as ours."""
    from mintpy.dem_error import estimate_dem_error

    years = ((DAYS - DAYS[0]).astype(float) / 365.25)[:, None].astype(np.float32)
    motion = np.hstack([np.ones((DATES, 1)), TimeModel(**TERMS).design(DAYS.astype("datetime64[ns]"), DAYS[0])])
    height = np.empty(case.displacement.shape[2], np.float32)
    corrected, left = np.empty((2, DATES, len(height)), np.float32)
    for p in range(len(height)):
        design = np.hstack([case.baseline[:, None] * case.factor[p], motion])
        found = estimate_dem_error(ts0=case.displacement[:, 0, p], G0=design, tbase=years)
        height[p], corrected[:, p], left[:, p] = found[0].item(), found[1][:, 0], found[2][:, 0]
    return height


class Row(NamedTuple):
    """A comparison: ours, theirs, pixels of each, missing dates of ours, the least ratio."""

    what: str
    ours: Callable[[Case], Array]
    theirs: Callable[[Case], Array]
    pixels: tuple[int, int]
    missing: float
    target: float
    truth: str


def rows(pixels: int) -> list[Row]:
    """Rows of the table."""
    functions = ("linear + annual + step, standard errors", insarray_functions, mintpy_functions, (pixels, pixels))
    height = ("the same + height error, geometry per pixel", insarray_height, mintpy_height, (pixels, pixels // 32))
    return [
        Row(*functions, 0.0, 1.0, "velocity"),
        Row(*functions, 0.05, 0.5, "velocity"),
        Row(*height, 0.0, 50.0, "height"),
        Row(*height, 0.05, 50.0, "height"),
    ]


def seconds_per_pixel(function: Callable[[Case], Array], case: Case, least: float) -> float:
    """Processor time."""
    start, runs = time.process_time(), 0
    while True:
        function(case)
        runs += 1
        elapsed = time.process_time() - start
        if elapsed >= least:
            return elapsed / (runs * case.displacement.shape[2])


def run_row(row: Row, options: argparse.Namespace) -> str:
    """Line of the table."""
    ours, theirs = simulate(row.pixels[0], row.missing), simulate(row.pixels[1], 0.0)
    truth = {"velocity": ours.velocity, "height": ours.height}[row.truth]
    error = float(np.sqrt(np.mean((row.ours(ours) - truth) ** 2)))
    row.theirs(theirs)
    ratios, speeds = [], []
    for _ in range(options.repeats):
        slow = seconds_per_pixel(row.theirs, theirs, options.seconds)
        fast = seconds_per_pixel(row.ours, ours, options.seconds)
        ratios.append(slow / fast)
        speeds.append(1 / fast)
    ratio = statistics.median(ratios)
    verdict = "met" if ratio >= row.target else "NOT MET"
    text = f"**{ratio:.3g}** ({min(ratios):.3g} - {max(ratios):.3g})"
    unit = "m/year" if row.truth == "velocity" else "m"
    return (
        f"| {row.what} | {100 * row.missing:.0f} % | {max(speeds):.2g} | {text} | {error:.2g} {unit} "
        f"| >= {row.target:g}: {verdict} |"
    )


def main() -> None:
    """Run all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=65_536, help="of a case (65536)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="least processor time of a measurement (1)")
    parser.add_argument("--quick", action="store_true", help="short, few pixels: does it work?")
    options = parser.parse_args()
    if options.quick:
        options.pixels, options.repeats, options.seconds = 2048, 1, 0.05
    missing = missing_peer("mintpy.utils.time_func")
    print_heading({"mintpy": missing})
    if missing:
        return
    print("| fit of 100 dates | missing | px/s and core | faster than MintPy by | rms error | target |")
    print("|---|--:|--:|--:|--:|---|", flush=True)
    with threadpool_limits(1):
        for row in rows(options.pixels):
            with contextlib.redirect_stdout(io.StringIO()):
                line = run_row(row, options)
            print(line, flush=True)


if __name__ == "__main__":
    main()
