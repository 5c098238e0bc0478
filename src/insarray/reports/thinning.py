"""Sample every n-th row and column of a result, so that the page does not grow with the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.model.dataset import reference_in
from insarray.model.grid import Grid
from insarray.model.place import Area


@dataclass(frozen=True)
class Sampling:
    """Sampling of every `step`-th row and column, from the middle of the first step."""

    shape: tuple[int, int]
    step: int

    @property
    def first(self) -> tuple[int, int]:
        """Row and column of the first sampled pixel."""
        row, col = (min(self.step // 2, length - 1) for length in self.shape)
        return row, col

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of sampled rows and columns."""
        rows, cols = (len(range(start, n, self.step)) for start, n in zip(self.first, self.shape, strict=True))
        return rows, cols

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Top, bottom, left and right edges of the cells of the sampled pixels, in rows and columns of the image."""
        (row, col), (rows, cols), half = self.first, self.sizes, self.step / 2
        return (
            row + 0.5 - half,
            row + 0.5 - half + rows * self.step,
            col + 0.5 - half,
            col + 0.5 - half + cols * self.step,
        )

    def place(self, row: int, col: int) -> tuple[int, int]:
        """Return the position of the sampled pixel nearest to (row, col) of the image."""
        near = [round((at - start) / self.step) for at, start in zip((row, col), self.first, strict=True)]
        return min(max(near[0], 0), self.sizes[0] - 1), min(max(near[1], 0), self.sizes[1] - 1)

    def text(self) -> str:
        """Describe the sampling for the reader."""
        if self.step == 1:
            return "every pixel"
        return f"every {self.step}{_ordinal(self.step)} row and column"


def _ordinal(number: int) -> str:
    return "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def thinned(dataset: xr.Dataset, names: Sequence[str], sampling: Sampling) -> xr.Dataset:
    """Return the variables at the sampled pixels, in memory; the reference point moves to the nearest of them."""
    row, col = sampling.first
    step = sampling.step
    cells = {"y": slice(row, None, step), "x": slice(col, None, step)}
    taken: xr.Dataset = dataset[list(names)].isel(cells, missing_dims="ignore").load()
    taken.attrs = {key: value for key, value in dataset.attrs.items() if not str(key).startswith("reference_")}
    reference = reference_pixel(dataset)
    if reference is not None:
        at = sampling.place(*reference)
        y, x = (dataset[dim].isel({dim: cells[dim]}).values for dim in ("y", "x"))
        taken.attrs |= {"reference_y": float(y[at[0]]), "reference_x": float(x[at[1]])}
    return taken


def reference_pixel(dataset: xr.Dataset) -> tuple[int, int] | None:
    """Return row and column of the reference point, or of the centre of the reference area; None if not recorded."""
    found = reference_in(dataset)
    if isinstance(found, Area):
        return (found.row_start + found.row_stop) // 2, (found.col_start + found.col_stop) // 2
    return found


def lonlats(grid: Grid, sampling: Sampling) -> tuple[np.ndarray, np.ndarray] | None:
    """Return WGS 84 longitude and latitude of the sampled pixels, float32 (y, x); None in radar coordinates."""
    if grid.crs is None:
        return None
    from pyproj import Transformer

    row, col = sampling.first
    x, y = np.meshgrid(grid.x[col :: sampling.step], grid.y[row :: sampling.step])
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon, np.float32), np.asarray(lat, np.float32)
