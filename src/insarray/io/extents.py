"""One grid for files of different extents: where each lies on it, in whole pixels; nothing is rewritten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from insarray.io.files import name_of
from insarray.io.source import Extent
from insarray.model.errors import StackError
from insarray.model.grid import Grid

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Place:
    """Where a file lies on the grid of a stack: row and column of its first pixel, perhaps outside, and its shape."""

    row: int
    col: int
    height: int
    width: int

    def overlap(self, rows: slice, cols: slice) -> tuple[Window, Window] | None:
        """What a window of the grid has of the file.

        Returns
        -------
        tuple or None
            Rows and columns to read from the file, and where they belong in the window; None if there are none.
        """
        along_rows = _overlap(rows, self.row, self.height)
        along_cols = _overlap(cols, self.col, self.width)
        if along_rows is None or along_cols is None:
            return None
        return (along_rows[0], along_cols[0]), (along_rows[1], along_cols[1])


def _overlap(wanted: slice, start: int, size: int) -> tuple[slice, slice] | None:
    first, last = max(wanted.start, start), min(wanted.stop, start + size)
    if first >= last:
        return None
    return slice(first - start, last - start), slice(first - wanted.start, last - wanted.start)


@dataclass(frozen=True)
class Common:
    """The grid of a stack, and where its files lie on it.

    Parameters
    ----------
    grid
        Of the stack.
    places
        One per file; None for a file that must be warped onto the grid.
    notes
        What was done, in words; none if all files are on one grid as they are.
    """

    grid: Grid
    places: tuple[Place | None, ...]
    notes: tuple[str, ...] = ()

    def part(self, first: int, count: int) -> "Common":
        """The same grid for `count` of the files from the `first` on."""
        return Common(self.grid, self.places[first : first + count], self.notes)


def reconcile(
    grids: Sequence[Grid], paths: Sequence[str | Path], extent: Extent | None, *, resample: bool = False
) -> Common:
    """The grid that files share.

    Parameters
    ----------
    grids, paths
        Of each file.
    extent
        Pixels that all files have, or that any has; None insists on files that all have the same.
    resample
        Warp those that do not fit the pixels of most onto them.

    Raises
    ------
    StackError
        If the files do not fit, or have no pixel in common; with every kind of misfit listed.
    """
    usual, _ = Counter(grids).most_common(1)[0]
    like = name_of(paths[grids.index(usual)])
    fits = [usual.misfit(grid) is None for grid in grids]
    if not all(fits) and not resample:
        texts = [usual.misfit(grid) for grid in grids]
        remedy = "warp them while reading with resample (--resample), or bring all to one grid with gdalwarp"
        raise StackError(_misfits(texts, paths, f"do not fit the pixels of {like}", remedy))
    texts = [usual.mismatch(grid) if fit else None for grid, fit in zip(grids, fits, strict=True)]
    if extent is None and any(texts):
        remedy = "say which pixels to take with extent='intersection' or 'union' (--extent)"
        raise StackError(_misfits(texts, paths, f"are not on the grid of {like}", remedy))
    places = [Place(*usual.offset(grid), *grid.shape) if fit else None for grid, fit in zip(grids, fits, strict=True)]
    window = _extent([place for place in places if place is not None], extent or "intersection")
    if window.height < 1 or window.width < 1:
        raise StackError(f"extent: the {len(grids)} files have no pixel in common; {_apart(places, paths)}")
    grid = usual if window == Place(0, 0, *usual.shape) else usual.window(*_astuple(window))
    moved = tuple(
        None if place is None else Place(place.row - window.row, place.col - window.col, place.height, place.width)
        for place in places
    )
    return Common(grid, moved, _notes(grids, grid, extent, fits))


def _extent(places: Sequence[Place], extent: Extent) -> Place:
    inner, outer = (max, min) if extent == "intersection" else (min, max)
    row, col = inner(place.row for place in places), inner(place.col for place in places)
    bottom = outer(place.row + place.height for place in places)
    right = outer(place.col + place.width for place in places)
    return Place(row, col, bottom - row, right - col)


def _astuple(place: Place) -> tuple[int, int, int, int]:
    return place.row, place.col, place.height, place.width


def _misfits(texts: Sequence[str | None], paths: Sequence[str | Path], what: str, remedy: str) -> str:
    wrong = [(name_of(path), text) for path, text in zip(paths, texts, strict=True) if text is not None]
    listed = "; ".join(f"{name}: {text}" for name, text in wrong[:3]) + ("; ..." if len(wrong) > 3 else "")
    return f"{len(wrong)} of {len(paths)} files {what}: {listed}; {remedy}"


def _apart(places: Sequence[Place | None], paths: Sequence[str | Path]) -> str:
    """Two files without a common pixel, or what to do if each two have one."""
    known = [(place, name_of(path)) for place, path in zip(places, paths, strict=True) if place is not None]
    for place, name in known:
        for other, other_name in known:
            rows = slice(other.row, other.row + other.height)
            if place.overlap(rows, slice(other.col, other.col + other.width)) is None:
                return f"{name} and {other_name} lie apart: leave one of them out, or take extent='union'"
    return "take extent='union', or leave some out"


def _notes(grids: Sequence[Grid], grid: Grid, extent: Extent | None, fits: Sequence[bool]) -> tuple[str, ...]:
    extents = len({grid for grid, fit in zip(grids, fits, strict=True) if fit})
    parts = []
    if extents > 1:
        sizes = [g.height * g.width for g, fit in zip(grids, fits, strict=True) if fit]
        share = 100 * grid.height * grid.width / max(sizes)
        parts.append(
            f"the files have {extents} extents; their {extent} is used, {grid.height} x {grid.width} pixels, "
            f"{share:.0f} % of the largest file"
        )
    warped = len(fits) - sum(fits)
    if warped:
        parts.append(f"{warped} of {len(fits)} files are warped onto the grid of the others while they are read")
    return tuple(parts)
