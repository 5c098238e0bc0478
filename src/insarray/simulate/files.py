"""Write simulated stacks to files: an empty folder, and GeoTIFFs."""

from pathlib import Path

import numpy as np

from insarray.model.errors import StoreError
from insarray.model.grid import Grid


def empty_folder(folder: str | Path) -> Path:
    """Create a folder, or accept an empty one.

    Raises
    ------
    StoreError
        If it is a file or contains files.
    """
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise StoreError(f"{target}: exists and is not an empty folder; choose a new one, or delete it first")
    target.mkdir(parents=True, exist_ok=True)
    return target


def write_geotiff(
    path: Path, values: np.ndarray, grid: Grid, *, nodata: float | None = None, units: str | None = None
) -> Path:
    """Write one band, tiled and compressed, in the dtype of the values."""
    import rasterio

    profile = {"driver": "GTiff", "height": grid.height, "width": grid.width, "count": 1, "crs": grid.crs}
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    profile |= {"predictor": 3} if values.dtype.kind == "f" else {}
    profile |= {"dtype": values.dtype, "nodata": nodata, "transform": rasterio.Affine(*grid.affine)}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
        if units is not None:
            file.update_tags(units=units)
    return path
