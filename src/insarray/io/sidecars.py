"""Text beside the rasters of a product: lines of keys and values, numbers in them, and what they say of a stack."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

import numpy as np

from insarray.io.baselines import baseline_table
from insarray.model.baselines import BaselineTable
from insarray.model.dates import date_label
from insarray.model.errors import FileError, StackError
from insarray.model.network import Network
from insarray.model.numbers import plain_number

SPEED_OF_LIGHT = 299_792_458.0
SENTINEL1_WAVELENGTH = SPEED_OF_LIGHT / 5.405e9
"""Metres; for products that are made of Sentinel-1 alone and say no frequency."""

_SENTINEL1_LOOKS = 1.94
_NO_BASELINE = 1e-3  # metres
T = TypeVar("T")


def sentinel1_looks(across: float, azimuth: float) -> float:
    """Independent looks of a Sentinel-1 IW pixel averaged from so many.

    Pixels overlap: the resolution is 1.34 pixels in range and 1.45 in azimuth, as MintPy counts, 1.94 in both.
    """
    return across * azimuth / _SENTINEL1_LOOKS


def read_text(path: Path) -> str:
    """Text of a file.

    Raises
    ------
    FileError
        If it is missing, empty or not text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise FileError(f"{path}: cannot be read ({reason}); the product needs it, fetch it again") from error
    if not text.strip():
        raise FileError(f"{path}: is empty; fetch it again")
    return text


def read_keys(path: Path, separator: str) -> dict[str, str]:
    """Values of a file of lines ``key``, `separator` (a regular expression), ``value``, by key.

    Raises
    ------
    FileError
        As for `read_text`, or if no line is of this form.
    """
    split = (re.split(separator, line, maxsplit=1) for line in read_text(path).splitlines())
    found = {parts[0].strip(): parts[1].strip() for parts in split if len(parts) == 2}
    if not found:
        raise FileError(f"{path}: holds no line of a key and a value; fetch it again")
    return found


def read_xml(path: Path, remedy: str) -> ElementTree.Element:
    """Root of an XML file, which says its own encoding.

    Raises
    ------
    FileError
        If it cannot be read, is not whole, or defines entities, which can blow up and no product needs; `remedy` ends
        the line.
    """
    try:
        content = path.read_bytes()
        if b"<!ENTITY" in content:
            raise FileError(f"{path}: defines XML entities, which no product needs; {remedy}")
        return ElementTree.fromstring(content)  # noqa: S314
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except ElementTree.ParseError as error:
        raise FileError(f"{path}: is not whole XML ({error}); {remedy}") from error


def number(path: Path, keys: Mapping[str, str], *names: str) -> float | None:
    """Number of the first of the keys that is there, None if there is none.

    Raises
    ------
    FileError
        If its value is not a finite number.
    """
    for name in names:
        if name in keys:
            try:
                value = plain_number(keys[name].split()[0])
            except (ValueError, IndexError):
                value = np.nan
            if not np.isfinite(value):
                raise FileError(f"{path}: its {name} is {keys[name]!r}, not a number; fetch it again")
            return float(value)
    return None


def same_in_all(paths: Sequence[Path], values: Sequence[T], what: str, remedy: str) -> T:
    """The value that all files have; StackError naming two that differ."""
    for path, value in zip(paths, values, strict=True):
        if value != values[0]:
            raise StackError(f"{what}: {values[0]} in {paths[0].name} but {value} in {path.name}; {remedy}")
    return values[0]


Found = TypeVar("Found")


def if_usable(read: Callable[[], Found], otherwise: Found, lacking: str) -> tuple[Found, tuple[str, ...]]:
    """What metadata give that a stack can do without; a note, and `otherwise`, where they are damaged.

    Parameters
    ----------
    read
        Reads them; its FileError or StackError becomes the note.
    otherwise
        Taken instead.
    lacking
        What is left out then, such as ``"no perpendicular baselines"``.
    """
    try:
        return read(), ()
    except (FileError, StackError) as error:
        return otherwise, (f"{lacking}: {error}",)


def baselines_if_usable(
    read: Callable[[], tuple[BaselineTable | None, tuple[str, ...]]],
) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Baselines and notes of metadata that may be damaged."""
    none: tuple[BaselineTable | None, tuple[str, ...]] = None, ()
    (table, notes), damaged = if_usable(read, none, "no perpendicular baselines")
    return table, (*notes, *damaged)


# -- baselines ------------------------------------------------------------------------------------------------------


def usable_baselines(
    source: Path,
    dates: Sequence[tuple[np.datetime64, ...]],
    values: Sequence[float | None],
    least: float = _NO_BASELINE,
) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Baselines that metadata give, and a note where they are left out.

    Parameters
    ----------
    source
        File or folder of the metadata.
    dates
        Date, or pair in the order of the product, of each value.
    values
        Metres; None where the metadata say nothing.
    least
        If none is larger, they are no measurement.
    """
    missing = ["_".join(map(date_label, pair)) for pair, value in zip(dates, values, strict=True) if value is None]
    known = [value for value in values if value is not None]
    if missing or not known:
        of = f" of {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}" if missing else ""
        return None, (f"no perpendicular baselines: {source.name} has none{of}",)
    if max(map(abs, known)) <= least:
        return None, (f"no perpendicular baselines: those of {source.name} are all {least:g} m or less, placeholders",)
    return baseline_table(source, dates, known), ()


def covers(table: BaselineTable, network: Network) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """The table if it has all that the network needs, else a note that says what it lacks."""
    try:
        table.of_pairs(network)
    except StackError as error:
        return None, (f"no perpendicular baselines: {str(error).removeprefix('baselines: ')}",)
    return table, ()
