"""Input files of dolphin's functions: dates from their names, stacks of pairs, masks."""

import datetime as dt
import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from insarray.io.layers.lazy import to_dataset
from insarray.io.pairs import PairFile, pair_file
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.source import Options
from insarray.model.dataset import grid_of, network_of
from insarray.model.dates import Time, as_time, date_label
from insarray.model.errors import ArgumentError, FileError, ReferencePointError
from insarray.products.stacks.reference import level_at
from insarray.products.stacks.selection import good_pixels, mask
from insarray.products.views.stacks import View

Paths = Sequence[Path | str]
DatePairs = Sequence[Sequence[Time]]

_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "j": r"\d{3}",
    "H": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{6}",
    "b": "[A-Za-z]{3}",
    "%": "%",
}


DateOrDatetime = dt.datetime | dt.date


class InversionMethod(StrEnum):
    """Norm that an inversion minimises."""

    L1 = "L1"
    L2 = "L2"


class ReferencePoint(NamedTuple):
    """Pixel to which a series is relative."""

    row: int
    col: int


def existing(paths: Paths, argument: str) -> list[Path]:
    """Return the paths in order; raise if one does not exist.

    Raises
    ------
    ArgumentError, FileError
        If the list is empty, or a file does not exist.
    """
    if isinstance(paths, str | Path) or len(paths) == 0:
        raise ArgumentError(f"{argument}: {paths!r} is not a list of files")
    found = [Path(path).absolute() for path in paths]
    for path in found:
        if not path.is_file():
            raise FileError(f"{argument}: {path} does not exist")
    return found


def require_blocks(block_shape: tuple[int, int], num_threads: int) -> int:
    """Return the edge of the blocks, the smaller of the two, so that memory does not exceed the request.

    Raises
    ------
    ArgumentError
        If one of the numbers is not positive.
    """
    edge = min(block_shape)
    if edge < 1 or num_threads < 1:
        raise ArgumentError(f"block_shape, num_threads: {block_shape} and {num_threads} are not positive numbers")
    return int(edge)


# -- dates ----------------------------------------------------------------------------------------------------------


def dates_in(path: Path, file_date_fmt: str) -> list[np.datetime64]:
    """Return the dates in a file name, in order, by a format of `datetime.strptime`.

    If there are more than two, those two that are the only ones joined by ``_`` or ``-``.

    Raises
    ------
    ArgumentError
        If there are more than two dates without a unique joined pair, or the format is not supported.
    """
    found = []
    for match in re.finditer(_pattern(file_date_fmt), path.name):
        try:
            moment = dt.datetime.strptime(match[0], file_date_fmt)
        except ValueError:  # digits that resemble a date, such as month 19
            continue
        found.append((match.start(), match.end(), as_time(moment)))
    dates = [time for _, _, time in found]
    if len(dates) <= 2:
        return dates
    joined = [
        [first, second] for (_, end, first), (start, _, second) in pairwise(found) if path.name[end:start] in ("_", "-")
    ]
    if len(joined) != 1:
        labels = ", ".join(date_label(time) for time in dates)
        raise ArgumentError(
            f"{path}: has {len(dates)} dates in its name ({labels}); rename it, or say which in ifg_date_pairs"
        )
    return joined[0]


def _pattern(file_date_fmt: str) -> str:
    parts = re.split(r"%(.)", file_date_fmt)
    unknown = [f"%{name}" for name in parts[1::2] if name not in _DIRECTIVES]
    if unknown or len(parts) == 1:
        raise ArgumentError(
            f"file_date_fmt: {file_date_fmt!r} has {', '.join(unknown) or 'no directive'}; known are "
            + " ".join(f"%{name}" for name in _DIRECTIVES)
        )
    text = "".join(_DIRECTIVES[part] if k % 2 else re.escape(part) for k, part in enumerate(parts))
    return rf"(?<!\d){text}(?!\d)"


def pair_files(paths: Paths, argument: str, file_date_fmt: str, date_pairs: DatePairs | None) -> list[PairFile]:
    """Return the files with their two dates: the given ones, in the order of the files, or those in the names.

    Raises
    ------
    ArgumentError, FileError, StackError
        If a file does not exist, or its name does not contain two different dates.
    """
    files = existing(paths, argument)
    if date_pairs is not None:
        if len(date_pairs) != len(files):
            raise ArgumentError(f"ifg_date_pairs: {len(date_pairs)} pairs for {len(files)} files of {argument}")
        return [pair_file(path, *map(as_time, pair)) for path, pair in zip(files, date_pairs, strict=True)]
    return [pair_file(path, *_two_dates(path, file_date_fmt)) for path in files]


def _two_dates(path: Path, file_date_fmt: str) -> list[np.datetime64]:
    dates = dates_in(path, file_date_fmt)
    if len(dates) != 2:
        raise ArgumentError(
            f"{path}: has {len(dates)} dates like {file_date_fmt} in its name, expected two; "
            "rename it, or give the right file_date_fmt"
        )
    return dates


def labels_of(times: np.ndarray) -> list[str]:
    """Return ``YYYYMMDD`` of each date, with time of day if two are on one day."""
    days = [date_label(time)[:8] for time in times]
    return days if len(set(days)) == len(days) else [date_label(time) for time in times]


# -- stacks ---------------------------------------------------------------------------------------------------------


class PairStack(NamedTuple):
    """Interferograms of a call, and their masks.

    Parameters
    ----------
    data
        Lazy canonical stack without masking.
    names
        File of each pair.
    good
        Mask of good pixels (y, x), None for all.
    correlation_threshold
        Samples of lower correlation are missing; 0 for none.
    """

    data: xr.Dataset
    names: list[str]
    good: xr.DataArray | None
    correlation_threshold: float

    def masked(self, rows: slice | None = None, cols: slice | None = None) -> xr.Dataset:
        """Return the stack, or a window of it, with NaN for masked samples, including component 0."""
        window = {"y": slice(None) if rows is None else rows, "x": slice(None) if cols is None else cols}
        return mask(
            self.data.isel(window),
            min_coherence=self.correlation_threshold if self.correlation_threshold > 0 else None,
            mask_components="connected_component_labels" in self.data,
            mask=None if self.good is None else self.good.isel(window),
        )

    def level(self, reference: tuple[int, int]) -> np.ndarray:
        """Return the phase of every pair at the reference, float64; reads only that pixel.

        Raises
        ------
        ReferencePointError
            If files have no data there; the message names them.
        ArgumentError
            If it is outside the image.
        """
        row, col = (int(at) for at in reference)
        height, width = grid_of(self.data).shape
        if not (0 <= row < height and 0 <= col < width):
            raise ArgumentError(f"reference: row {row}, column {col} lies outside {height} x {width} pixels")
        at = self.masked(slice(row, row + 1), slice(col, col + 1))
        values = np.asarray(at.unwrapped_phase.values, np.float64).ravel()
        if not np.isfinite(values).all():
            level_at(
                View(self.data), self.masked().unwrapped_phase, (row, col), self.names, "pairs"
            )  # names them, and offers another
            raise ReferencePointError(f"reference: row {row}, column {col} has no data in all pairs")
        return values


def open_pairs(
    unwrapped: Paths,
    conncomps: Paths | None,
    correlations: Paths | None,
    *,
    file_date_fmt: str,
    block: int,
    date_pairs: DatePairs | None = None,
    bad: np.ndarray | None = None,
    mask_path: Path | str | None = None,
    correlation_threshold: float = 0.0,
    names: tuple[str, str, str] = ("unwrapped_paths", "conncomp_paths", "corr_paths"),
) -> PairStack:
    """Open interferograms with components and correlation, matched by dates, never by order.

    Raises
    ------
    ArgumentError, FileError, StackError, NetworkError
        If files do not belong together, or the network is disconnected.
    """
    phase, labels, correlation = (
        None if paths is None else pair_files(paths, name, file_date_fmt, date_pairs)
        for paths, name in zip((unwrapped, conncomps, correlations), names, strict=True)
    )
    if correlation_threshold > 0 and correlation is None:
        raise ArgumentError(f"correlation_threshold: needs the files of the correlation, {names[2]}")
    inputs = Inputs(phase or [], correlation, labels, needed=frozenset({"coherence", "components"}))
    source = assemble(inputs, Options())
    data = to_dataset(source, "dolphin", block)
    network_of(data).require_connected("add interferograms, or invert one piece")
    good = None
    if bad is not None:
        good = not_bad(bad, data, data.unwrapped_phase)
    elif mask_path is not None:
        good = good_pixels(View(data), data.unwrapped_phase, mask_path)
    files = [path.name for path in source.paths[: source.network.n_pairs]]
    return PairStack(data, files, good, float(correlation_threshold))


def not_bad(bad_pixel_mask: np.ndarray, data: xr.Dataset, samples: xr.DataArray) -> xr.DataArray:
    """Return the good pixels (y, x) of samples by a mask that is True where they are bad.

    Raises
    ------
    ArgumentError
        If its shape is not that of the data.
    """
    good = np.asarray(bad_pixel_mask) == 0
    if good.shape != grid_of(data).shape:
        raise ArgumentError(f"bad_pixel_mask: shape {good.shape}, expected {grid_of(data).shape}")
    return good_pixels(View(data), samples, xr.DataArray(good, dims=("y", "x")))


def as_given(value: Any) -> str:
    """Return "L1" or "L2" from text in any case, or from a member of dolphin's enumeration.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    name = str(getattr(value, "value", value)).upper()
    if name not in ("L1", "L2"):
        raise ArgumentError(f"method: {value!r} is not one of L1, L2")
    return name
