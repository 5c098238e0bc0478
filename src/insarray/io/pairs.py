"""Match files to pairs of dates, by their dates and never by their order."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from insarray.io.files import names
from insarray.model.dates import LIKE_DATES, date_label, first_of_pass, pair_from_name
from insarray.model.errors import ArgumentError, StackError
from insarray.model.network import Network

Key = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class PairFile:
    """File and its dates; `swapped` if its reference is the later date."""

    path: Path
    earlier: np.datetime64
    later: np.datetime64
    swapped: bool

    @property
    def key(self) -> Key:
        """Dates that identify the pair."""
        return self.earlier, self.later

    @property
    def dates(self) -> Key:
        """Reference and secondary date in the order of the product."""
        return (self.later, self.earlier) if self.swapped else self.key

    @property
    def label(self) -> str:
        """``YYYYMMDD_YYYYMMDD``."""
        return f"{date_label(self.earlier)}_{date_label(self.later)}"


def pair_file(path: Path, reference: np.datetime64, secondary: np.datetime64) -> PairFile:
    """Return the file of a pair whose dates are in the order of the product.

    Raises
    ------
    StackError
        If both dates are the same.
    """
    if reference == secondary:
        raise StackError(f"{path}: both dates are {date_label(reference)}; a pair has two different dates")
    swapped = bool(reference > secondary)
    return PairFile(path, *((secondary, reference) if swapped else (reference, secondary)), swapped)


def pair_file_from_name(path: Path, pattern: str | None = None) -> PairFile:
    """Return the file of a pair with dates from its name or, if that has none at all, from the folder's name.

    Raises
    ------
    ArgumentError
        If no pair, or more than one, is found in the names.
    StackError
        If both dates are the same.
    """
    # a damaged date must not fall back to the folder's name, which may have the dates of the whole stack
    bare = not re.search(pattern if pattern is not None else LIKE_DATES, path.name, re.IGNORECASE)
    try:
        reference, secondary = pair_from_name(path.parent.name if bare else path.name, pattern)
    except (ArgumentError, re.error) as error:
        if not bare:
            raise ArgumentError(f"{path}: {error}" if path.name not in str(error) else str(error)) from error
        raise ArgumentError(
            f"{path}: found no two dates in its name or its folder's; give a pattern with two groups, "
            r"for example --dates '(\d{8})_(\d{8})'"
        ) from error
    return pair_file(path, reference, secondary)


def require_pattern(pattern: str | None) -> None:
    """Raise ArgumentError unless `pattern` is None or a regular expression with two groups."""
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ArgumentError(f"dates: {pattern!r} is not a regular expression ({error})") from error
    if groups != 2:
        raise ArgumentError(f"dates: {pattern!r} has {groups} groups; it needs two, one per date")


def one_time_per_pass(groups: Sequence[Sequence[PairFile]]) -> list[list[PairFile]]:
    """Return the files with start times that differ by less than 15 minutes set to the earliest of them."""
    first = first_of_pass(time for group in groups for file in group for time in file.key)
    return [[replace(f, earlier=first[f.earlier], later=first[f.later]) for f in group] for group in groups]


def by_pair(files: Iterable[PairFile]) -> dict[Key, PairFile]:
    """Return the files by pair, in the order of their dates.

    Raises
    ------
    StackError
        If two files belong to one pair.
    """
    found: dict[Key, PairFile] = {}
    for file in files:
        if file.key in found:
            raise StackError(f"pair {file.label}: both {found[file.key].path} and {file.path}; keep one of them")
        found[file.key] = file
    return dict(sorted(found.items()))


def newest(files: Sequence[PairFile], version: Callable[[Path], str]) -> tuple[list[PairFile], tuple[str, ...]]:
    """Remove files of which there is a newer version.

    Parameters
    ----------
    files
        Files of any pairs.
    version
        Function that returns the version of a file as text that sorts by age.

    Returns
    -------
    files
        One per pair unless two have the same version, which `by_pair` refuses.
    notes
        Notes on the removed files.
    """
    latest: dict[Key, str] = {}
    for file in files:
        latest[file.key] = max(latest.get(file.key, ""), version(file.path))
    kept = [file for file in files if version(file.path) == latest[file.key]]
    left = [file.path for file in files if version(file.path) != latest[file.key]]
    return kept, ((f"older versions of the same pairs are left out: {names(left)}",) if left else ())


def companions_of(
    files: Iterable[PairFile], phase: dict[Key, PairFile], argument: str, *, needed: bool
) -> tuple[list[PairFile], tuple[str, ...]]:
    """Return the files of another layer in the order of `phase`; none if some are missing and it is not `needed`.

    Returns
    -------
    files
        One per pair, or none.
    notes
        Notes on unused files.

    Raises
    ------
    StackError
        If a pair with phase has no file of a needed layer.
    """
    found = by_pair(files)
    notes: tuple[str, ...] = ()
    extra = [file.path for key, file in found.items() if key not in phase]
    if extra:
        notes = (f"{argument} without unwrapped phase of the same dates is left out: {names(extra, 3)}",)
    missing = [file.label for key, file in phase.items() if key not in found]
    if not missing:
        return [found[key] for key in phase], notes
    lack = f"no file for {len(missing)} of {len(phase)} pairs: {_few(missing)}"
    if needed:
        raise StackError(f"{argument}: {lack}")
    return [], (f"{argument} is left out: {lack}; give it, or leave the pairs out, for what needs it", *notes)


def network_of_pairs(pairs: Iterable[Key], baselines: Iterable[float] | None) -> Network:
    """Return the network of pairs, which are in order and unique."""
    return Network.from_pairs(list(pairs), baselines)


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (" ..." if len(labels) > 5 else "")
