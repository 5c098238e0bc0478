"""Reference point stated by a product."""

import json
from collections.abc import Sequence

from insarray.io.layers.headers import Header
from insarray.model.grid import Grid

_TAG = "reference_point"
"""Tag of dolphin's time series and derived files: row and column in the file, as JSON."""


def kept_reference(grid: Grid, row: int, col: int, said_by: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return attributes and note of a reference at a row and column of the grid; empty if it lies outside."""
    if not (0 <= row < grid.height and 0 <= col < grid.width):
        return {}, ()
    note = f"the product is referenced to row {row}, column {col} of its files ({said_by}): reference='auto' keeps that"
    return {"product_reference": [float(grid.y[row]), float(grid.x[col])]}, (note,)


def product_reference(headers: Sequence[Header]) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the place where the phase of every file is 0 by its tag, and a note; empty unless all files agree.

    Returns
    -------
    attributes
        `product_reference`, coordinates (y, x) of the pixel.
    notes
        That it is kept unless another reference is given.
    """
    said = {(header.tags.get(_TAG), header.grid) for header in headers}
    if len(said) != 1:
        return {}, ()
    text, grid = said.pop()
    try:
        row, col = (int(value) for value in json.loads(text or ""))
    except (TypeError, ValueError):
        return {}, ()
    return kept_reference(grid, row, col, _TAG)
