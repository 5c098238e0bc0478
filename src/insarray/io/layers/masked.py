"""Layer that is masked by another layer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.source import Layer
from insarray.model.conventions import FILL


@dataclass(frozen=True)
class MaskedLayer:
    """Samples of `values` where `valid` is True at the same pair and pixel; no-data elsewhere."""

    values: Layer
    valid: Layer

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the values."""
        return self.values.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Tile shape of the values."""
        return self.values.tile

    @property
    def fingerprint(self) -> str:
        """Hash of both layers."""
        return hashlib.sha256(f"{self.values.fingerprint}\0{self.valid.fingerprint}".encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        out = self.values.read(rows, cols, pairs)
        out[~self.valid.read(rows, cols, pairs)] = FILL[self.dtype.name]
        return out
