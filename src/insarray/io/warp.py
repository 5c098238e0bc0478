"""A raster of any grid read onto the grid of a stack."""

from pathlib import Path

import numpy as np
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling
from rasterio.windows import Window

from insarray.io.raster import open_raster
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid


def read_on_grid(
    path: str | Path,
    grid: Grid,
    resampling: Resampling = Resampling.nearest,
    window: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """First band of a raster, warped to `grid`.

    Parameters
    ----------
    path
        The raster.
    grid
        Pixels to warp it to.
    resampling
        How.
    window
        Rows and columns of the grid to read, the same as those of the whole; None for all.

    Returns
    -------
    numpy.ndarray
        float32, shape of the grid or the window; NaN outside the raster and where it has no data.

    Raises
    ------
    FileError
        If the file cannot be read.
    StackError
        If one of raster and stack has no CRS and their shapes differ, so that nothing tells where it lies.
    """
    part = None if window is None else Window.from_slices(*window)
    try:
        with open_raster(path) as source:
            if source.crs is None or grid.crs is None:
                if source.shape != grid.shape:
                    raise StackError(
                        f"{path}: {source.height} x {source.width} pixels without a common CRS do not fit the stack's "
                        f"{grid.height} x {grid.width}"
                    )
                values = source.read(1, window=part, masked=True)
            else:
                with WarpedVRT(
                    source,
                    crs=grid.crs,
                    transform=Affine(*grid.affine),
                    height=grid.height,
                    width=grid.width,
                    resampling=resampling,
                    dtype="float32",
                    nodata=np.nan,
                ) as warped:
                    values = warped.read(1, window=part, masked=True)
    except RasterioError as error:
        raise FileError(f"{path}: cannot be read as a raster ({error})") from error
    return np.ma.filled(values.astype(np.float32), np.nan)
