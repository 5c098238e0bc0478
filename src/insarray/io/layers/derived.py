"""Layers computed from other layers: a function of several, or the first of several files with data."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.source import Layer, LayerOver


@dataclass(frozen=True)
class DerivedLayer:
    """Pixelwise function of layers.

    Parameters
    ----------
    inner
        Input layers, of equal shape.
    function
        Function of their windows that returns float32 of the same shape; module-level, so that it can be sent to
        workers.
    """

    inner: tuple[Layer, ...]
    function: Callable[..., np.ndarray]
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(pair, row, col)."""
        return self.inner[0].shape

    @property
    def tile(self) -> tuple[int, int]:
        """Tile shape of the first layer."""
        return self.inner[0].tile

    @property
    def fingerprint(self) -> str:
        """Hash of the layers and the name of the function."""
        return _digest(self.function.__name__, *(layer.fingerprint for layer in self.inner))

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`."""
        windows = [layer.read(rows, cols, pairs) for layer in self.inner]
        return np.asarray(self.function(*windows), np.float32)


@dataclass(frozen=True)
class FirstValidLayer(LayerOver):
    """Static map from several files: each pixel is that of the first file with data there.

    No-data is NaN, or False for a mask.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """(1, row, col)."""
        return 1, *self.inner.shape[1:]

    @property
    def fingerprint(self) -> str:
        """Hash of the files."""
        return _digest("first valid", self.inner.fingerprint)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a window, see `Layer.read`; files are read until every pixel has data."""
        out = self.inner.read(rows, cols, [0])
        for file in range(1, self.inner.shape[0]):
            missing = ~out if out.dtype == bool else np.isnan(out)
            if not missing.any():
                break
            out[missing] = self.inner.read(rows, cols, [file])[missing]
        return out if pairs is None else out[list(pairs)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
