"""Standard errors of sums over an image whose noise is turbulent: neighbours are alike, and the more the nearer they are.

The variance of a sum with weights w whose total is zero is -1/2 of the sum of w_i w_j D(d_ij) over all pairs of samples, with
the structure function D, the mean squared difference of the noise at a distance. It exists also where variance and covariance
do not, as of turbulence that grows with the distance without end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_EDGE = 16  # cells along each side, within which weights are added up
_BINS = 9  # of distances, besides that within a cell
_PAIRS = 12_000  # of samples at all distances, and as many within cells
_NEAR = 6  # bins, to a quarter of the image, that say how strong the noise is
_FEWEST = 20  # pairs in a bin


class Layout(NamedTuple):
    """Where samples lie to each other.

    Parameters
    ----------
    cell
        Number of the cell of each sample.
    hats
        Weights (bin, cell, cell) of the bins of the structure function at the distances of cells; 0 within a cell.
    pairs
        Both samples of pairs, (2, pair).
    bin
        Bin of the distance of each pair; 0 within a cell.
    """

    cell: np.ndarray
    hats: np.ndarray
    pairs: np.ndarray
    bin: np.ndarray


def layout(y: np.ndarray, x: np.ndarray) -> Layout:
    """Cells and pairs of samples at places y and x, of one unit."""
    if len(y) == 0:  # a window that is masked
        return Layout(
            np.zeros(0, np.intp), np.zeros((_BINS + 1, 0, 0)), np.zeros((2, 0), np.intp), np.zeros(0, np.intp)
        )
    rng = np.random.default_rng(0)
    extent = max(float(np.ptp(y)), float(np.ptp(x)), 1e-12) * (1 + 1e-9)
    row, col = (((at - at.min()) / extent * _EDGE).astype(np.intp) for at in (y, x))
    used, cell = np.unique(row * _EDGE + col, return_inverse=True)
    middle = np.stack(np.divmod(used, _EDGE)).astype(np.float64)
    apart = np.hypot(*(part[:, None] - part for part in middle))
    edges = np.geomspace(0.7, np.hypot(_EDGE, _EDGE), _BINS + 1)
    centres = np.sqrt(edges[:-1] * edges[1:])
    pairs = np.concatenate([_within_cells(cell, rng), rng.integers(0, len(cell), (2, _PAIRS))], axis=1)
    distance = np.hypot(*((at[pairs[0]] - at[pairs[1]]) / extent * _EDGE for at in (y, x)))
    number = np.clip(np.digitize(distance, edges), 1, _BINS)
    number[cell[pairs[0]] == cell[pairs[1]]] = 0
    hats = np.stack([np.zeros(apart.shape), *(np.interp(apart, centres, one) for one in np.eye(_BINS))])
    hats[:, apart == 0] = 0
    return Layout(cell, hats, pairs[:, pairs[0] != pairs[1]], number[pairs[0] != pairs[1]])


def _within_cells(cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs of samples of one cell."""
    order = np.lexsort((rng.random(len(cell)), cell))
    pairs = np.stack([order[:-1], order[1:]])
    pairs = pairs[:, cell[pairs[0]] == cell[pairs[1]]]
    return pairs[:, rng.permutation(pairs.shape[1])[:_PAIRS]]


class Noise(NamedTuple):
    """What is known of the noise of one line.

    Parameters
    ----------
    structure
        Structure function (bin,); NaN where there are too few pairs.
    share
        Variance (bin,) of the slope for a structure function that is 1 in a bin and 0 elsewhere.
    """

    structure: np.ndarray
    share: np.ndarray


NOTHING = Noise(np.full(_BINS + 1, np.nan), np.full(_BINS + 1, np.nan))
"""Of a line that is not determined."""


def noise_of(residual: np.ndarray, abscissa: np.ndarray, share: np.ndarray, place: Layout) -> Noise:
    """Structure function of the noise about a line, and how the variance of the slope depends on it.

    The line has taken a part of the noise along, so that residuals are too small: by how much follows from the structure
    function, too, which is solved for.

    Parameters
    ----------
    residual
        Values less the line, (sample,); of samples that count.
    abscissa
        Of the line.
    share
        What a value adds to the slope; 0 of samples that do not count. Their total is 0.
    place
        Where the samples lie.
    """
    counts = share != 0
    at = place.pairs[:, counts[place.pairs].all(axis=0)]
    number = place.bin[counts[place.pairs].all(axis=0)]
    many = np.bincount(number, minlength=_BINS + 1)
    good = many >= _FEWEST
    if good.sum() < 3 or not good[0]:
        return NOTHING
    cells = place.hats.shape[1]
    total = np.bincount(place.cell, share, minlength=cells)
    left = total**2 - np.bincount(place.cell, share**2, minlength=cells)  # pairs of different samples within a cell
    pulled = -0.5 * place.hats @ total  # covariance of each cell with the slope, by the bin of the structure function
    pulled[0] = -0.5 * total
    variance = pulled @ total
    variance[0] = -0.5 * left.sum()
    run, rise = abscissa[at[0]] - abscissa[at[1]], residual[at[0]] - residual[at[1]]
    taken = run**2 * variance[:, None] - 2 * run * (
        pulled[:, place.cell[at[0]]] - pulled[:, place.cell[at[1]]]
    )  # (bin, pair): by which squared differences are changed by the line
    mean = np.stack([np.bincount(number, of, minlength=_BINS + 1) for of in (rise**2, *taken)]) / np.maximum(many, 1)
    seen, changed = mean[0], mean[1:].T
    to_good = _nearest_good(good)[:, None] == np.flatnonzero(good)
    equations = np.eye(good.sum()) + (changed @ to_good)[good]
    solved = np.linalg.lstsq(equations, seen[good], rcond=None)[0]
    return Noise(to_good @ np.maximum(solved, seen[good]), variance)


def slope_std(noises: Sequence[Noise]) -> np.ndarray:
    """Standard errors of the slopes of several dates or pairs, NaN where they are not known.

    One image determines its structure function badly at distances of its own size, which count most. So all have the mean
    shape, each with a scale of its own by its short distances.
    """
    structure, share = (np.stack([noise[k] for noise in noises]) for k in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.exp(np.log(structure[:, :_NEAR]).mean(axis=1))
        known = np.isfinite(scale) & (scale > 0)
        if not known.any():
            return np.where(np.isfinite(scale), 0.0, np.nan)
        shape = (structure[known] / scale[known, None]).mean(axis=0)
        return np.asarray(np.sqrt(np.maximum(scale * (share @ shape), 0.0)))


def _nearest_good(good: np.ndarray) -> np.ndarray:
    """Bin with pairs that is nearest to each."""
    which = np.flatnonzero(good)
    return np.asarray(which[np.abs(np.arange(len(good))[:, None] - which).argmin(axis=1)])
