"""Determine a common grid for files of different extents, with whole-pixel offsets; files are not rewritten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from insarray.io.files import name_of
from insarray.io.source import Extent, Window
from insarray.model.errors import StackError
from insarray.model.grid import Grid


@dataclass(frozen=True)
class Place:
    """Position of a file on a grid: row and column of its first pixel, which may be outside, and its shape.

    If `turned`, its rows run in the opposite direction, and `row` is that of its last row.
    """

    row: int
    col: int
    height: int
    width: int
    turned: bool = False

    def overlap(self, rows: slice, cols: slice) -> tuple[Window, Window] | None:
        """Return the part of a window of the grid that the file covers.

        Returns
        -------
        tuple or None
            Rows and columns to read from the file, and their position in the window after `upright`; None if there is
            no overlap.
        """
        along_rows = _overlap(rows, self.row, self.height)
        along_cols = _overlap(cols, self.col, self.width)
        if along_rows is None or along_cols is None:
            return None
        inside = along_rows[0]
        if self.turned:
            inside = slice(self.height - inside.stop, self.height - inside.start)
        return (inside, along_cols[0]), (along_rows[1], along_cols[1])

    def upright(self, raw: np.ndarray) -> np.ndarray:
        """Return rows that were read, (row, col), in the direction of the grid."""
        return raw[::-1] if self.turned else raw

    def moved(self, rows: int, cols: int) -> "Place":
        """Return the place on a grid that starts `rows` and `cols` later."""
        return replace(self, row=self.row - rows, col=self.col - cols)


def place_on(grid: Grid, other: Grid, *, one_image: bool = False) -> Place | None:
    """Return the place of `other` on the pixels of `grid`, flipped if necessary; None if the pixels do not match.

    Coordinates without a CRS count only if both are known to be of `one_image`, or if the grids are the same.
    """
    other = other.beside(grid)
    turned = grid.dy * other.dy < 0
    upright = other.turned() if turned else other
    misfit = grid.shift_misfit(upright) if one_image else grid.misfit(upright)
    return Place(*grid.offset(upright), *other.shape, turned) if misfit is None else None


def _overlap(wanted: slice, start: int, size: int) -> tuple[slice, slice] | None:
    first, last = max(wanted.start, start), min(wanted.stop, start + size)
    if first >= last:
        return None
    return slice(first - start, last - start), slice(first - wanted.start, last - wanted.start)


@dataclass(frozen=True)
class Common:
    """Common grid of a stack, and the places of its files on it.

    Parameters
    ----------
    grid
        Grid of the stack.
    places
        One per file; None for a file that must be warped to the grid.
    notes
        Notes on what was done; empty if all files are on one grid.
    """

    grid: Grid
    places: tuple[Place | None, ...]
    notes: tuple[str, ...] = ()

    def part(self, first: int, count: int) -> "Common":
        """Return the places of `count` files from `first` on, on the same grid."""
        return Common(self.grid, self.places[first : first + count], self.notes)


def reconcile(
    grids: Sequence[Grid],
    paths: Sequence[str | Path],
    extent: Extent | None,
    *,
    resample: bool | None = False,
    downward: bool = False,
) -> Common:
    """Determine the common grid of files; its rows have the direction of the first file.

    Parameters
    ----------
    grids, paths
        Grid and path of each file.
    extent
        "intersection" or "union" of the pixels of the files; None requires equal extents.
    resample
        Warp files that do not match the pixels of the majority; None if these files cannot be warped.
    downward
        Order rows from the largest y to the smallest, regardless of the files.

    Raises
    ------
    StackError
        If the files do not match, or have no common pixel; the message lists every kind of mismatch.
    """
    stored = grids = [grid.beside(grids[0]) for grid in grids]
    located = [not grid.is_counted for grid in stored]  # row numbers without coordinates are in the intended order
    down = downward or any(grid.dy < 0 for grid in [grid for grid, yes in zip(stored, located, strict=True) if yes][:1])
    grids = [
        grid.turned() if yes and (grid.dy < 0) != down else grid for grid, yes in zip(stored, located, strict=True)
    ]
    usual, _ = Counter(grids).most_common(1)[0]
    like = name_of(paths[grids.index(usual)])
    fits = [usual.misfit(grid) is None for grid in grids]
    if not all(fits) and not resample:
        texts = [usual.misfit(grid) for grid in grids]
        warp = "warp them while reading with resample (--resample)"
        remedy = "give the files of one grid" if resample is None else f"{warp}, or bring all to one grid with gdalwarp"
        raise StackError(_misfits(texts, paths, f"do not fit the pixels of {like}", remedy))
    texts = [usual.mismatch(grid) if fit else None for grid, fit in zip(grids, fits, strict=True)]
    if extent is None and any(texts):
        remedy = "say which pixels to take with extent='intersection' or 'union' (--extent)"
        raise StackError(_misfits(texts, paths, f"are not on the grid of {like}", remedy))
    places = [place_on(usual, grid) if fit else None for grid, fit in zip(stored, fits, strict=True)]
    window = _extent([place for place in places if place is not None], extent or "intersection")
    if window.height < 1 or window.width < 1:
        raise StackError(f"extent: the {len(grids)} files have no pixel in common; {_apart(places, paths)}")
    grid = usual if window == Place(0, 0, *usual.shape) else usual.window(*_astuple(window))
    moved = tuple(None if place is None else place.moved(window.row, window.col) for place in places)
    return Common(grid, moved, _notes(moved, grid, extent))


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
    """Describe two files without a common pixel, or the remedy if each two overlap."""
    known = [(place, name_of(path)) for place, path in zip(places, paths, strict=True) if place is not None]
    for place, name in known:
        for other, other_name in known:
            rows = slice(other.row, other.row + other.height)
            if place.overlap(rows, slice(other.col, other.col + other.width)) is None:
                return f"{name} and {other_name} lie apart: leave one of them out, or take extent='union'"
    return "take extent='union', or leave some out"


def _notes(places: Sequence[Place | None], grid: Grid, extent: Extent | None) -> tuple[str, ...]:
    known = [place for place in places if place is not None]
    extents = len({_astuple(place) for place in known})
    parts = []
    if extents > 1:
        share = 100 * grid.height * grid.width / max(place.height * place.width for place in known)
        parts.append(
            f"the files have {extents} extents; their {extent} is used, {grid.height} x {grid.width} pixels, "
            f"{share:.0f} % of the largest file"
        )
    warped = len(places) - len(known)
    if warped:
        parts.append(f"{warped} of {len(places)} files are warped onto the grid of the others while they are read")
    return tuple(parts)
