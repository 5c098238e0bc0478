"""Samples of a simulated stack without phase, and the connected components of the others."""

import math

import numpy as np
from scipy.ndimage import label


def missing_samples(rng: np.random.Generator, coherence: np.ndarray, land: np.ndarray, share: float) -> np.ndarray:
    """Samples without phase, boolean, shape (pair, y, x): water, and `share` of the land where coherence is low."""
    rows, cols = (math.ceil(n / 5) for n in land.shape)
    score = np.empty((len(coherence), int(land.sum())), np.float32)
    for k, values in enumerate(coherence):
        blocks = np.kron(rng.normal(size=(rows, cols)), np.ones((5, 5)))[: land.shape[0], : land.shape[1]]
        specks = rng.normal(size=land.shape)
        score[k] = (values + 0.15 * blocks + 0.1 * specks)[land]
    count = round(share * score.size)
    lost = np.zeros(score.size, bool)
    if count:
        lost[np.argpartition(score.ravel(), count - 1)[:count]] = True
    gone = np.repeat(~land[None], len(coherence), axis=0)
    gone[:, land] = lost.reshape(score.shape)
    return gone


def components(valid: np.ndarray) -> np.ndarray:
    """Connected components of each pair, the largest first, uint16, shape (pair, y, x); 0 where not valid."""
    labels = np.zeros(valid.shape, np.uint16)
    for out, mask in zip(labels, valid, strict=True):
        numbered, count = label(mask)
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
        rank = np.zeros(count + 1, np.int64)
        rank[1 + np.argsort(-sizes, kind="stable")] = np.minimum(np.arange(1, count + 1), np.iinfo(np.uint16).max)
        out[:] = rank[numbered]
    return labels
