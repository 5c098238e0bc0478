"""Interferograms with one common reference date: dates, signs, and the layer of all dates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.io.layers.decode import wrap_once
from insarray.io.pairs import PairFile, by_pair, one_time_per_pass
from insarray.io.source import Layer, LayerOver, Sign, Window
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid


@dataclass(frozen=True)
class Epochs:
    """Dates of a wrapped stack, and their interferograms.

    Parameters
    ----------
    times
        Dates in ascending order, ``datetime64[s]``, shape (time,).
    reference
        Index of the reference date in `times`.
    order
        Index, among the given files, of the interferogram of each date other than the reference date.
    signs
        1.0 if the interferogram is the phase of the date minus that of the reference date, -1.0 if it is the reverse.
    """

    times: np.ndarray
    reference: int
    order: tuple[int, ...]
    signs: tuple[float, ...]


def single_reference(files: Sequence[PairFile]) -> Epochs:
    """Return the dates of interferograms with one common date; for a single file, the first date in its name.

    Raises
    ------
    StackError
        If two files have the same pair of dates, or the files have no common date.
    """
    (files,) = one_time_per_pass([files])
    by_pair(files)  # raises for repeated pairs
    count = Counter(time for file in files for time in _ends(file))
    reference = max(count, key=lambda time: count[time])  # the first if several are equal
    stranger = next((file for file in files if reference not in file.key), None)
    if stranger is not None:
        usual = next(file for file in files if reference in file.key)
        raise StackError(
            f"{usual.path.name} is against {date_label(reference)}, {stranger.path.name} is not; "
            "a wrapped stack has one reference date: give only the files that share it"
        )
    dates = [file.later if file.earlier == reference else file.earlier for file in files]
    order = sorted(range(len(files)), key=lambda k: dates[k])
    times = np.sort(np.array([reference, *dates], "datetime64[s]"))
    signs = tuple(1.0 if _ends(files[k])[0] == reference else -1.0 for k in order)
    return Epochs(times, int(np.searchsorted(times, reference)), tuple(order), signs)


def _ends(file: PairFile) -> tuple[np.datetime64, np.datetime64]:
    """Return the dates in the order of the file: its phase is the second minus the first."""
    return (file.later, file.earlier) if file.swapped else (file.earlier, file.later)


# -- layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EpochLayer(LayerOver):
    """Phase of every date including the reference date, where it is 0 if any other date has data.

    Parameters
    ----------
    inner
        Phases of all other dates minus the reference date, in order.
    reference
        Index of the reference date.
    """

    reference: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, row, col)."""
        count, height, width = self.inner.shape
        return count + 1, height, width

    @property
    def fingerprint(self) -> str:
        """Hash of the files, their decoding, and the reference date."""
        return f"{self.inner.fingerprint} {type(self.inner).__name__} {self.reference}"

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window of all or selected dates, see `Layer.read`."""
        chosen = range(self.shape[0]) if pairs is None else pairs
        if self.reference not in chosen:
            return self.inner.read(rows, cols, [self._position(k) for k in chosen])
        phases = self.inner.read(rows, cols)  # the reference date has data where any other date has
        out = np.empty((len(chosen), *phases.shape[1:]), self.dtype)
        for plane, k in zip(out, chosen, strict=True):
            if k == self.reference:
                plane[...] = np.where(np.isnan(phases).all(axis=0), np.nan, 0)
            else:
                plane[...] = phases[self._position(k)]
        return out

    def _position(self, k: int) -> int:
        return k - (k > self.reference)


@dataclass(frozen=True)
class DifferenceLayer(LayerOver):
    """Phase differences of images to the first image, shape (image - 1, row, col)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(image - 1, row, col)."""
        count, height, width = self.inner.shape
        return count - 1, height, width

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return a decoded window, see `Layer.read`."""
        images = self.inner.read(rows, cols, None if pairs is None else [0, *(k + 1 for k in pairs)])
        for plane in images[1:]:
            plane -= images[0]
            wrap_once(plane)
        return images[1:]


# -- options and source ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrappedOptions:
    """Options of `open_wrapped` for reading the files; None if not given."""

    wavelength: float | None = None
    sign: Sign | None = None
    nodata: float | None = None
    dates: str | None = None
    variable: str | None = None

    def given(self) -> set[str]:
        """Return the names of the given options."""
        return {name for name in self.__dataclass_fields__ if getattr(self, name) is not None}

    def refuse(self, names: set[str], files: str) -> None:
        """Raise ArgumentError if an option in `names` was given, which does not apply to `files`."""
        refused = ", ".join(sorted(self.given() & names))
        if refused:
            raise ArgumentError(f"{refused}: does not apply to {files}; leave out")


@dataclass(frozen=True)
class WrappedSource:
    """Content of the files of a wrapped stack, before any pixel is read.

    Parameters
    ----------
    times, reference
        Dates, ``datetime64[s]``, and the index of the reference date.
    grid
        Pixels.
    phase
        Phase of all dates, shape (time, row, col).
    maps
        Static layers by canonical name, shape (1, row, col).
    map_files
        Unread rasters of static layers by canonical name.
    paths
        Input files.
    members
        Files that the input files consist of.
    wavelength
        Metres; None if unknown.
    baseline
        Perpendicular baseline of each date minus that of the reference date in metres, (time); None if unknown.
    attrs
        Further attributes of the stack.
    window
        Rows and columns of the grid covered by phase and maps; None for all.
    """

    times: np.ndarray
    reference: int
    grid: Grid
    phase: Layer
    maps: dict[str, Layer]
    paths: tuple[Path, ...]
    map_files: dict[str, Path] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    wavelength: float | None = None
    baseline: xr.DataArray | None = None
    attrs: dict[str, object] = field(default_factory=dict)
    window: Window | None = None
