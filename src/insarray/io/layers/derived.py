"""Layers made of others while they are read: a function of several, or the first of several files that has data."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from insarray.io.source import Layer


@dataclass(frozen=True)
class DerivedLayer:
    """A function of layers, pixel by pixel.

    Parameters
    ----------
    inner
        Of one shape.
    function
        Of their windows, float32 of their shape; a function of a module, so that it can be sent to workers.
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
        """Of the first layer."""
        return self.inner[0].tile

    @property
    def fingerprint(self) -> str:
        """Of the layers and the name of the function."""
        return _digest(self.function.__name__, *(layer.fingerprint for layer in self.inner))

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Window, as `Layer.read` says."""
        windows = [layer.read(rows, cols, pairs) for layer in self.inner]
        return np.asarray(self.function(*windows), np.float32)


@dataclass(frozen=True)
class FirstValidLayer:
    """A static map of which several files have parts: each pixel is that of the first file that has data there.

    No-data is NaN, and False of a mask.
    """

    inner: Layer

    @property
    def shape(self) -> tuple[int, int, int]:
        """(1, row, col)."""
        return 1, *self.inner.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the files."""
        return self.inner.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Of the files."""
        return self.inner.tile

    @property
    def fingerprint(self) -> str:
        """Of the files."""
        return _digest("first valid", self.inner.fingerprint)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Window, as `Layer.read` says; files are read until every pixel has data."""
        out = self.inner.read(rows, cols, [0])
        for file in range(1, self.inner.shape[0]):
            missing = ~out if out.dtype == bool else np.isnan(out)
            if not missing.any():
                break
            out[missing] = self.inner.read(rows, cols, [file])[missing]
        return out if pairs is None else out[list(pairs)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
