"""Read a raster on any grid onto the grid of a stack."""

from typing import Any

import numpy as np
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling
from rasterio.windows import Window

from insarray.io.layers.extents import Place, place_on
from insarray.io.layers.raster import grid_of_dataset, open_raster, source_place
from insarray.io.source import PathLike
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid
from insarray.model.secrets import cause_of


def read_on_grid(
    path: PathLike,
    grid: Grid,
    resampling: Resampling = Resampling.nearest,
    window: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """Read the first band of a raster, warped to `grid`.

    Parameters
    ----------
    path
        Path of the raster.
    grid
        Grid to warp to.
    resampling
        Resampling method.
    window
        Rows and columns of the grid to read, with the same values as in the whole; None for all.

    Returns
    -------
    numpy.ndarray
        float32, shape of the grid or the window; NaN outside the raster and where it is no-data.

    Raises
    ------
    FileError
        If the file cannot be read.
    StackError
        If raster or stack has no CRS and neither their coordinates nor their shapes locate it.
    """
    rows, cols = window or (slice(0, grid.height), slice(0, grid.width))
    try:
        with open_raster(path) as (source, file):
            if (file.grid or source).crs is None or grid.crs is None:
                own = file.grid or grid_of_dataset(path, source)
                return _placed(source, _place(path, own, grid), rows, cols)
            with WarpedVRT(
                source,
                **source_place(file, file.grid or grid_of_dataset(path, source, as_stored=True), grid),
                crs=grid.crs,
                transform=Affine(*grid.affine),
                height=grid.height,
                width=grid.width,
                resampling=resampling,
                dtype="float32",
                nodata=np.nan,
            ) as warped:
                values = warped.read(1, window=Window.from_slices(rows, cols), masked=True)
    except RasterioError as error:
        raise FileError(f"{path}: cannot be read as a raster ({error})") from cause_of(error)
    return np.ma.filled(values.astype(np.float32), np.nan)


def _place(path: PathLike, own: Grid, grid: Grid) -> Place:
    """Return the place of a raster without a CRS shared with the stack: by coordinates if given, else by shape."""
    by_coordinates = place_on(grid, own, one_image=True)
    if own.is_counted or grid.is_counted:
        if own.shape == grid.shape:
            return Place(0, 0, *grid.shape)
        if own.crs is not None or grid.crs is not None:
            by_coordinates = None
    if by_coordinates is None:
        raise StackError(
            f"{path}: {own.height} x {own.width} pixels without a common CRS do not fit the stack's "
            f"{grid.height} x {grid.width}"
            + (
                f": {grid.shift_misfit(own)}"
                if own.shape == grid.shape
                else "; give a raster with a CRS, or on its pixels"
            )
        )
    return by_coordinates


def _placed(source: Any, place: Place, rows: slice, cols: slice) -> np.ndarray:
    out = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan, np.float32)
    overlap = place.overlap(rows, cols)
    if overlap is not None:
        values = source.read(1, window=Window.from_slices(*overlap[0]), masked=True)
        out[overlap[1]] = place.upright(np.ma.filled(values.astype(np.float32), np.nan))
    return out
