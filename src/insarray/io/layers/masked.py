"""Layer that is masked by another layer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.source import Layer, LayerOver
from insarray.model.conventions import FILL


@dataclass(frozen=True)
class MaskedLayer(LayerOver):
    """Samples of `inner` where `valid` is True at the same pair and pixel; no-data elsewhere."""

    valid: Layer

    @property
    def fingerprint(self) -> str:
        """Hash of both layers."""
        return hashlib.sha256(f"{self.inner.fingerprint}\0{self.valid.fingerprint}".encode()).hexdigest()

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        out = self.inner.read(rows, cols, pairs)
        out[~self.valid.read(rows, cols, pairs)] = FILL[self.dtype.name]
        return out
