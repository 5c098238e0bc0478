"""Parse text and XML files of products (keys, numbers), and use their metadata in stacks."""

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
"""Metres; for products of Sentinel-1 only that do not state the frequency."""

_SENTINEL1_LOOKS = 1.94
_NO_BASELINE = 1e-3  # metres
T = TypeVar("T")


def sentinel1_looks(across: float, azimuth: float) -> float:
    """Return the independent looks of a multilooked Sentinel-1 IW pixel.

    Pixels overlap: the resolution is 1.34 pixels in range and 1.45 in azimuth, by MintPy's numbers, 1.94 in both.
    """
    return across * azimuth / _SENTINEL1_LOOKS


def read_text(path: Path) -> str:
    """Read the text of a file.

    Raises
    ------
    FileError
        If it is missing, empty or not text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise FileError(f"{path}: cannot be read ({reason}); the product needs it, download it again") from error
    if not text.strip():
        raise FileError(f"{path}: is empty; download it again")
    return text


def read_keys(path: Path, separator: str) -> dict[str, str]:
    """Read a file of lines ``key``, `separator` (a regular expression), ``value`` into a dict.

    Raises
    ------
    FileError
        As in `read_text`, or if no line has this form.
    """
    split = (re.split(separator, line, maxsplit=1) for line in read_text(path).splitlines())
    found = {parts[0].strip(): parts[1].strip() for parts in split if len(parts) == 2}
    if not found:
        raise FileError(f"{path}: holds no line of a key and a value; download it again")
    return found


def read_xml(path: Path, remedy: str) -> ElementTree.Element:
    """Return the root of an XML file, which states its own encoding.

    Raises
    ------
    FileError
        If it cannot be read, is incomplete, or defines entities, which may expand excessively and no product needs; the
        message ends with `remedy`.
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
    """Return the number of the first key that exists, or None.

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
                raise FileError(f"{path}: its {name} is {keys[name]!r}, not a number; download it again")
            return float(value)
    return None


def same_in_all(paths: Sequence[Path], values: Sequence[T], what: str, remedy: str) -> T:
    """Return the value common to all files; raise StackError naming two that differ."""
    for path, value in zip(paths, values, strict=True):
        if value != values[0]:
            raise StackError(f"{what}: {values[0]} in {paths[0].name} but {value} in {path.name}; {remedy}")
    return values[0]


Found = TypeVar("Found")


def if_usable(read: Callable[[], Found], otherwise: Found, lacking: str) -> tuple[Found, tuple[str, ...]]:
    """Read optional metadata; if they are damaged, return `otherwise` and a note.

    Parameters
    ----------
    read
        Function that reads them; its FileError or StackError becomes the note.
    otherwise
        Value to use instead.
    lacking
        What is missing then, such as ``"no perpendicular baselines"``.
    """
    try:
        return read(), ()
    except (FileError, StackError) as error:
        return otherwise, (f"{lacking}: {error}",)


def baselines_if_usable(
    read: Callable[[], tuple[BaselineTable | None, tuple[str, ...]]],
) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Read baselines and notes from metadata that may be damaged."""
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
    """Return the baselines in metadata, and a note if they are not used.

    Parameters
    ----------
    source
        File or folder of the metadata.
    dates
        Date, or pair in the order of the product, of each value.
    values
        Metres; None if the metadata have none.
    least
        Baselines are not used if none exceeds this.
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
    """Return the table if it covers the network, else None and a note on what is missing."""
    try:
        table.of_pairs(network)
    except StackError as error:
        return None, (f"no perpendicular baselines: {str(error).removeprefix('baselines: ')}",)
    return table, ()
