"""What levels of dates mean for pieces of the network that have a datum of their own."""

import numpy as np


def relative_to_pieces(level: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Levels as a series kept in pieces sees them: each later piece is relative to its own first date.

    Parameters
    ----------
    level
        Since the reference date, (time, y, x).
    label
        Piece of each date, `network_subset` (time, y, x).
    """
    found = level.copy()
    for piece in np.unique(label[label > 1]):
        here = label == piece
        start = np.take_along_axis(level, here.argmax(axis=0)[None], axis=0)
        found = np.where(here, level - start, found)
    return found
