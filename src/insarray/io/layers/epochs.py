"""Phases against one reference date: which file is which date, which sign it has, and the layer of all dates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.io.layers.decode import wrap_once
from insarray.io.pairs import PairFile, by_pair, one_time_per_pass
from insarray.io.source import Layer, Sign, Window
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid


@dataclass(frozen=True)
class Epochs:
    """Dates of a wrapped stack, and how its interferograms belong to them.

    Parameters
    ----------
    times
        Ascending, ``datetime64[s]``, shape (time,).
    reference
        Index of the reference date in `times`.
    order
        Position of the interferogram of each other date among those given.
    signs
        1.0 where it is the phase of the date minus that of the reference date, -1.0 where it is the other way round.
    """

    times: np.ndarray
    reference: int
    order: tuple[int, ...]
    signs: tuple[float, ...]


def single_reference(files: Sequence[PairFile]) -> Epochs:
    """Dates of interferograms that all have one date in common; that of a single one is the first in its name.

    Raises
    ------
    StackError
        If two are of the same pair of dates, or they have no date in common.
    """
    (files,) = one_time_per_pass([files])
    by_pair(files)  # each pair once
    count = Counter(time for file in files for time in _ends(file))
    reference = max(count, key=lambda time: count[time])  # the first of equals
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
    """The dates in the order of the file: its phase is that of the second minus that of the first."""
    return (file.later, file.earlier) if file.swapped else (file.earlier, file.later)


# -- layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EpochLayer:
    """Phase of every date, that of the reference date included: 0 where any other date has data.

    Parameters
    ----------
    phases
        Of all other dates minus the reference date, in their order.
    reference
        Index of the reference date.
    """

    phases: Layer
    reference: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, row, col)."""
        count, height, width = self.phases.shape
        return count + 1, height, width

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of what `read` returns."""
        return self.phases.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Of the files."""
        return self.phases.tile

    @property
    def fingerprint(self) -> str:
        """Of the files, how they are decoded, and the reference date."""
        return f"{self.phases.fingerprint} {type(self.phases).__name__} {self.reference}"

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window of all dates or of those listed, as `Layer.read` says."""
        chosen = range(self.shape[0]) if pairs is None else pairs
        if self.reference not in chosen:
            return self.phases.read(rows, cols, [self._position(k) for k in chosen])
        phases = self.phases.read(rows, cols)  # the reference date has data where any other has
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
class DifferenceLayer:
    """Phase differences of images against the first one, shape (image - 1, row, col)."""

    images: Layer

    @property
    def shape(self) -> tuple[int, int, int]:
        """(image - 1, row, col)."""
        count, height, width = self.images.shape
        return count - 1, height, width

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of what `read` returns."""
        return self.images.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """Of the files."""
        return self.images.tile

    @property
    def fingerprint(self) -> str:
        """Of the files and how they are decoded."""
        return self.images.fingerprint

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window, as `Layer.read` says."""
        images = self.images.read(rows, cols, None if pairs is None else [0, *(k + 1 for k in pairs)])
        for plane in images[1:]:
            plane -= images[0]
            wrap_once(plane)
        return images[1:]


# -- options and source -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrappedOptions:
    """Options of `open_wrapped` that concern how the files are read; None where not given."""

    wavelength: float | None = None
    sign: Sign | None = None
    nodata: float | None = None
    dates: str | None = None
    variable: str | None = None

    def given(self) -> set[str]:
        """Names of the options that were given."""
        return {name for name in self.__dataclass_fields__ if getattr(self, name) is not None}

    def refuse(self, names: set[str], files: str) -> None:
        """Raise ArgumentError if an option in `names` was given, as `files` need none."""
        refused = ", ".join(sorted(self.given() & names))
        if refused:
            raise ArgumentError(f"{refused}: does not apply to {files}; leave out")


@dataclass(frozen=True)
class WrappedSource:
    """What the files of a wrapped stack hold, before any pixel is read.

    Parameters
    ----------
    times, reference
        Dates, ``datetime64[s]``, and the index of the reference date.
    grid
        Pixels.
    phase
        Of all dates, shape (time, row, col).
    maps
        Static layers by canonical name, shape (1, row, col).
    map_files
        Rasters of static layers by canonical name, not read yet.
    paths
        Input files.
    members
        Files that the input files consist of.
    wavelength
        Metres, None if unknown.
    baseline
        Perpendicular baseline of each date minus that of the reference date in metres, (time); None if unknown.
    attrs
        What else is known of the stack.
    window
        Rows and columns of the grid that phase and maps have; None for all.
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
