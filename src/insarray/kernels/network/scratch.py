"""What the elimination is given and works in; apart from the compiled code, which is typed by it."""

import math
from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.network.elimination_plan import EliminationPlan

VECTOR = 64
"""Vector loops, unrolled, divide this, so that no lane is ever left to a remainder loop."""

_MOST_LANES = 512
_LINE = 64  # bytes

Array = np.ndarray[Any, np.dtype[Any]]


class Samples(NamedTuple):
    """What is given: phase (pair, pixel), weights of the same shape if `weighted`, and the reference phase (pair,).

    With a table of `insarray.kernels.variance.weight_table`, `weight` is the coherence; without one it is empty.
    """

    phase: Array
    weight: Array
    table: Array
    weighted: bool
    reference: Array


class Scratch(NamedTuple):
    """Working memory of one group; rows are dates, edges or pairs."""

    phase: Array  # (pair), as given
    weight: Array  # (pair), as given or from the coherence; empty if not weighted
    conductance: Array  # (edge), after elimination the factor c / D of the edge
    current: Array  # (date)
    inverse: Array  # (date), 1 / D
    solution: Array  # (date)
    variance: Array  # (date)
    edge_variance: Array  # (edge), empty if no variances are asked
    valid: Array  # (pair) uint8: sample used
    used: Array  # () uint32: number of samples used
    date_count: Array  # (date) uint16: number of them at each date
    label: Array  # (date) uint8
    broken: Array  # () bool: some date is not tied to the ground
    sums: Array  # (4): cos r, sin r, r^2, w r^2
    buffer: Array  # (2)


class RobustScratch(NamedTuple):
    """Working memory of the robust estimators for some lanes of a group; everything but `sample` is float64 and weighted.

    What the rows of three of them mean depends on the estimator: `positive`, `negative` and `flow` are P, Q and s of
    `lad`; z, u and s of `admm`; `flow` is the factor of the weight in `huber`.
    """

    sample: Array  # (pair), phase minus the reference's; 0 where missing
    weight: Array  # (pair), square root of the inverse variance; 0 where missing
    residual: Array  # (pair), weighted
    positive: Array  # (pair)
    negative: Array  # (pair)
    flow: Array  # (pair)
    step: Array  # (pair)
    conductance: Array  # (edge)
    inverse: Array  # (date)
    current: Array  # (date)
    change: Array  # (date), of the solution
    solution: Array  # (date)
    unknowns: Array  # () int64: dates that are tied to another one
    iterations: Array  # () uint16
    active: Array  # () bool: still to be improved
    broken: Array  # () bool, as in `Scratch`
    objective: Array  # ()
    gap: Array  # (), of the objective, absolute
    rounding: Array  # (): an objective up to here is 0 but for rounding
    target: Array  # (): mu of `lad`, bound of `huber`
    scale: Array  # (), of the residuals
    buffer: Array  # (3)
    sorted: Array  # (pair,), of one lane


def aligned(shape: int | tuple[int, ...], dtype: Any = np.float64) -> Array:
    """Zeros that start at a cache line, so that no vector of a row of lanes lies across two of them."""
    lengths = (shape,) if isinstance(shape, int) else shape
    size = math.prod(lengths) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    values: Array = raw[start : start + size].view(dtype).reshape(lengths)
    return values


def count_lanes(pixels: int) -> int:
    """Pixels side by side, a multiple of `VECTOR`: many, because the long rows of samples are what is slow to read."""
    return min(_MOST_LANES, -(-pixels // VECTOR) * VECTOR)


def make_scratch(plan: EliminationPlan, lanes: int, phase: Array, weights: Array | None, *, std: bool) -> Scratch:
    """Scratch for a network and groups of `lanes` pixels, a multiple of `VECTOR`."""
    dates, pairs = plan.n_dates, len(plan.pair_edge)
    return Scratch(
        aligned((pairs, lanes), phase.dtype),
        aligned((0, lanes), np.float32) if weights is None else aligned((pairs, lanes), weights.dtype),
        aligned((plan.n_edges, lanes)),
        aligned((dates, lanes)),
        aligned((dates, lanes)),
        aligned((dates, lanes)),
        aligned((dates, lanes)),
        aligned((plan.n_edges if std else 0, lanes)),
        aligned((pairs, lanes), np.uint8),
        aligned(lanes, np.uint32),
        aligned((dates, lanes), np.uint16),
        aligned((dates, lanes), np.uint8),
        aligned(lanes, np.bool_),
        aligned((4, lanes)),
        aligned((2, lanes)),
    )


def make_robust_scratch(plan: EliminationPlan) -> RobustScratch:
    """Scratch for a network and `VECTOR` pixels: no more, as each takes tens of kB, to stay in cache."""
    dates, pairs = plan.n_dates, len(plan.pair_edge)

    def rows(count: int) -> Array:
        return aligned((count, VECTOR))

    def row(dtype: type[np.generic] = np.float64) -> Array:
        return aligned(VECTOR, dtype)

    return RobustScratch(
        sample=rows(pairs),
        weight=rows(pairs),
        residual=rows(pairs),
        positive=rows(pairs),
        negative=rows(pairs),
        flow=rows(pairs),
        step=rows(pairs),
        conductance=rows(plan.n_edges),
        inverse=rows(dates),
        current=rows(dates),
        change=rows(dates),
        solution=rows(dates),
        unknowns=row(np.int64),
        iterations=row(np.uint16),
        active=row(np.bool_),
        broken=row(np.bool_),
        objective=row(),
        gap=row(),
        rounding=row(),
        target=row(),
        scale=row(),
        buffer=rows(3),
        sorted=aligned(pairs),
    )
