"""What the elimination is given and works in; apart from the compiled code, which is typed by it."""

from typing import Any, NamedTuple

import numpy as np

from insarray.kernels.plan import EliminationPlan

VECTOR = 64
"""Vector loops, unrolled, divide this, so that no lane is ever left to a remainder loop."""

_MOST_LANES = 512

Array = np.ndarray[Any, np.dtype[Any]]


class Samples(NamedTuple):
    """What is given: phase (pair, pixel), weights of the same shape if `weighted`, and the reference phase (pair,)."""

    phase: Array
    weight: Array
    weighted: bool
    reference: Array


class Scratch(NamedTuple):
    """Working memory of one group; rows are dates, edges or pairs."""

    phase: Array  # (pair), as given
    weight: Array  # (pair), as given; empty if not weighted
    conductance: Array  # (edge), after elimination the factor c / D of the edge
    current: Array  # (date)
    inverse: Array  # (date), 1 / D
    solution: Array  # (date)
    variance: Array  # (date)
    edge_variance: Array  # (edge), empty if no variances are asked
    valid: Array  # (pair) uint8: sample used
    used: Array  # () uint16: number of samples used
    date_count: Array  # (date) uint16: number of them at each date
    label: Array  # (date) uint8
    broken: Array  # () bool: some date is not tied to the ground
    sums: Array  # (4): cos r, sin r, r^2, w r^2
    buffer: Array  # (2)


def count_lanes(pixels: int) -> int:
    """Pixels side by side, a multiple of `VECTOR`: many, because the long rows of samples are what is slow to read."""
    return min(_MOST_LANES, -(-pixels // VECTOR) * VECTOR)


def make_scratch(plan: EliminationPlan, lanes: int, phase: Array, weights: Array | None, *, std: bool) -> Scratch:
    """Scratch for a network and groups of `lanes` pixels, a multiple of `VECTOR`."""
    dates, pairs = plan.n_dates, len(plan.pair_edge)
    return Scratch(
        np.empty((pairs, lanes), phase.dtype),
        np.empty((0, lanes), np.float32) if weights is None else np.empty((pairs, lanes), weights.dtype),
        np.empty((plan.n_edges, lanes)),
        np.zeros((dates, lanes)),
        np.zeros((dates, lanes)),
        np.zeros((dates, lanes)),
        np.zeros((dates, lanes)),
        np.empty((plan.n_edges if std else 0, lanes)),
        np.empty((pairs, lanes), np.uint8),
        np.empty(lanes, np.uint16),
        np.empty((dates, lanes), np.uint16),
        np.empty((dates, lanes), np.uint8),
        np.zeros(lanes, np.bool_),
        np.empty((4, lanes)),
        np.empty((2, lanes)),
    )
