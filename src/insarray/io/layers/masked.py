"""A layer whose samples are no-data where another says that they are not valid."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.source import Layer
from insarray.model.conventions import FILL


@dataclass(frozen=True)
class MaskedLayer:
    """Samples of `values` where `valid` is True, of the same pair and pixel; no-data elsewhere."""

    values: Layer
    valid: Layer

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the values."""
        return self.values.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Of the values."""
        return self.values.tile

    @property
    def fingerprint(self) -> str:
        """Of both layers."""
        return hashlib.sha256(f"{self.values.fingerprint}\0{self.valid.fingerprint}".encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
        out = self.values.read(rows, cols, pairs)
        out[~self.valid.read(rows, cols, pairs)] = FILL[self.dtype.name]
        return out
