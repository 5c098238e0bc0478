"""What a search for the peak of a link's periodogram is given and returns, the same for both back ends."""

import enum
import math
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

STEP = 0.8
"""Step of the lattice times the spread of the column, rad: at a cell's corner ``exp(-STEP**2 / 4)`` of a peak is left."""

CANDIDATES = 3
"""Highest peaks of the lattice that are refined."""

SINGLE_STEPS, DOUBLE_STEPS = 40, 20
"""Steps of a climb after which it is given up, in float32 and in float64."""

MOST_LOST = STEP**2 / 4
"""By how much the node nearest to a peak can be lower: this, times 1 and the modulus of the columns' correlation.

The objective bends down by no more than the second moments of the columns, and a node is half a step away at most.
"""

APART = 0.5
"""Maxima nearer than this, as a change of the phase (rad rms), are one: they are the same peak, reached twice."""

INVISIBLE = 1e-2
"""A parameter that changes the phases by less than this (rad rms) across its whole range is not determined."""


class LinkFlag(enum.IntFlag):
    """What is to be known about an estimate."""

    VELOCITY_AT_BOUND = 1
    """The maximum lies on the bound of the velocity: the true one may be beyond."""
    HEIGHT_AT_BOUND = 2
    """The maximum lies on the bound of the height error."""
    HEIGHT_UNDETERMINED = 4
    """The height column is (nearly) zero: height error NaN, velocity of the model without it."""
    VELOCITY_UNDETERMINED = 8
    """The time column is (nearly) zero, or the height column is proportional to it: everything NaN."""
    TOO_FEW_EPOCHS = 16
    """No degrees of freedom: everything NaN."""


class Problem(NamedTuple):
    """The search of all links; what the compiled code is typed by.

    Parameters
    ----------
    phase
        (epoch, link) rad; NaN where missing.
    weight
        (epoch, link) or (epoch, 1), not negative.
    time
        (epoch,) rad per (m/year), float64; less its mean if there is a common phase.
    height
        (epoch, link) or (epoch, 1) rad per m, float64; all 0 for the model without height error.
    middle, half
        Middle and half width of the ranges of velocity and height error.
    precision
        Inverse variances of the prior; 0 without.
    common
        Whether an unknown phase is common to the rows (objective "epochs") or not ("pairs").
    """

    phase: Array
    weight: Array
    time: Array
    height: Array
    middle: tuple[float, float]
    half: tuple[float, float]
    precision: tuple[float, float]
    common: bool

    @property
    def has_prior(self) -> bool:
        """Whether there is a prior of any parameter."""
        return self.precision != (0.0, 0.0)


class Peaks(NamedTuple):
    """Result of a search, float64, (link,) unless said otherwise; undefined where `state` says there is none.

    Parameters
    ----------
    position
        Velocity and height error at the highest peak, (2, link).
    coherence
        Objective there, without the prior.
    second
        Objective at the highest other maximum found; 0 if there is none.
    number
        Number of rows with a weight.
    effective
        ``sum(w)**2 / sum(w**2)``, rows of equal weight that would scatter as much.
    moment
        Second moments of the columns, weights adding up to 1, about the weighted mean if there is a common phase:
        velocity, height, mixed, (3, link).
    state
        `LinkFlag` bits, uint8.
    """

    position: Array
    coherence: Array
    second: Array
    number: Array
    effective: Array
    moment: Array
    state: Array


def allocate(links: int) -> Peaks:
    """Results to be filled in."""
    return Peaks(
        np.empty((2, links)),
        np.empty(links),
        np.empty(links),
        np.empty(links),
        np.empty(links),
        np.empty((3, links)),
        np.empty(links, np.uint8),
    )


def lattice_caps(problem: Problem) -> tuple[int, int]:
    """Most velocity nodes, and pairs of height nodes, that any weights can ask for.

    No weights make the spread of a column larger than half its range, or than its largest value if there is no common
    phase to take up the mean.
    """
    spread = []
    for column in (problem.time[:, None], problem.height):
        high, low = np.fmax.reduce(column, initial=-np.inf), np.fmin.reduce(column, initial=np.inf)
        widest = (high - low) / 2 if problem.common else np.maximum(high, -low)
        spread.append(float(np.fmax.reduce(widest[np.isfinite(widest)], initial=0.0)))
    velocities = math.ceil(2 * problem.half[0] * spread[0] / STEP + 1e-9) + 1
    heights = math.ceil(problem.half[1] * spread[1] / STEP + 0.5 + 1e-9)
    return max(velocities, 2), heights
