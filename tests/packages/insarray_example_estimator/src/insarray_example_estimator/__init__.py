"""Decorrelation of a stack: how fast the coherence of a pixel falls with the time between the acquisitions.

Per pixel and per season of the reference date: coherence = start * exp(-days / decay), by least squares of its
logarithm.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

import insarray as ia
from insarray.model.conventions import Variable

SEASONS = ("DJF", "MAM", "JJA", "SON")

OUTPUTS = {
    "decorrelation_time": Variable(("season", "y", "x"), "float64", "day", "time in which the coherence falls to 1/e"),
    "start_coherence": Variable(("season", "y", "x"), "float32", "1", "coherence at a time of 0"),
    "samples": Variable(("y", "x"), "int64", "1", "number of pairs with coherence", {"valid_min": 0}),
}


@dataclass(frozen=True)
class Pairs:
    """What is the same for every pixel: days and season of each pair."""

    days: np.ndarray
    season: np.ndarray
    version: str = "1.0"


def decorrelation(stack: xr.Dataset) -> xr.Dataset:
    """Decorrelation time of every pixel and season, lazily if the stack is lazy."""
    days = (stack.secondary_time - stack.reference_time).values / np.timedelta64(1, "D")
    season = np.searchsorted(SEASONS, stack.reference_time.dt.season.values, sorter=np.argsort(SEASONS))
    pairs = Pairs(days, np.argsort(SEASONS)[season])
    needed = 3 * 8 * len(days) + 100  # logarithms, their products with the days, and masks
    return ia.map_blocks(
        fit_block,
        {"coherence": stack.coherence},
        OUTPUTS,
        constants=pairs,
        coords={"season": list(SEASONS)},
        bytes_per_pixel=needed,
    )


def fit_block(pairs: Pairs, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lines through the logarithm of the coherence of one block."""
    coherence = arrays["coherence"]
    good = coherence > 0
    logs = np.log(np.where(good, coherence, 1.0).astype(np.float64))
    shape = (len(SEASONS), *coherence.shape[1:])
    decay, start = np.full(shape, np.nan), np.full(shape, np.nan, np.float32)
    for k in range(len(SEASONS)):
        chosen = pairs.season == k
        weight, days = good[chosen], pairs.days[chosen][:, None, None]
        n = weight.sum(axis=0)
        sums = [(weight * part).sum(axis=0) for part in (days, days**2, logs[chosen], days * logs[chosen])]
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (n * sums[3] - sums[0] * sums[2]) / (n * sums[1] - sums[0] ** 2)
            decay[k] = np.where(slope < 0, -1 / slope, np.nan)
            start[k] = np.exp((sums[2] - slope * sums[0]) / n)
    return {"decorrelation_time": decay, "start_coherence": start, "samples": good.sum(axis=0)}
