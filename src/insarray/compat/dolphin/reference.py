"""Choice of a reference point by quality and connected components, as in dolphin.timeseries."""

from pathlib import Path

import numpy as np
import xarray as xr

from insarray.compat.dolphin.layers import open_labels, open_map
from insarray.compat.dolphin.pairs import Paths, ReferencePoint, existing, require_blocks
from insarray.compat.dolphin.rasters import Raster, make_folder, missing, write_rasters
from insarray.engine.blocks import Arrays, map_blocks
from insarray.export.files import complete_file
from insarray.model.dataset import grid_of, on_grid_of
from insarray.model.errors import ReferencePointError, StoreError
from insarray.products.stacks.reference import choose_pixel
from insarray.products.stacks.selection import Raster as MaskRaster
from insarray.products.stacks.selection import good_pixels
from insarray.products.views.stacks import View

POINT_FILE = "reference_point.txt"
INTERSECTION_FILE = "conncomp_intersection.tif"


def select_reference_point(
    *,
    quality_file: Path | str,
    output_dir: Path | str,
    candidate_threshold: float = 0.95,
    ccl_file_list: Paths | None = None,
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    mask: MaskRaster | None = None,
    overwrite: bool = False,
) -> ReferencePoint:
    """Choose a pixel of good quality that is unwrapped in all interferograms.

    Parameters
    ----------
    quality_file
        Map of quality, larger is better, such as temporal coherence.
    output_dir
        Output folder of ``reference_point.txt`` ("row,column") and, with components, ``conncomp_intersection.tif`` (1
        where no label is 0).
    candidate_threshold
        Pixels of higher quality are candidates.
    ccl_file_list
        Connected component files, 0 = not unwrapped.
    block_shape, num_threads
        As in `invert_unw_network`, for the components.
    mask
        Raster or array (y, x): pixels where it is 0 or no-data are never chosen.
    overwrite
        Replace files with other content.

    Returns
    -------
    ReferencePoint
        In the largest connected region of pixels where no label is 0, the largest region of pixels above the threshold
        is taken, and of that the pixel nearest to the centroid. If no pixel is above the threshold, the best pixel of
        the first region.

    Raises
    ------
    ReferencePointError
        If no pixel has quality, is not masked and has labels in all files.
    StoreError
        If the folder already contains another point.

    Notes
    -----
    Differences from dolphin 0.42.9: a pixel without quality is never chosen, nor one outside the components if none is
    above the threshold; a point chosen with other files or another threshold is not silently reused.
    """
    block, folder = require_blocks(block_shape, num_threads), Path(output_dir)
    quality = open_map(existing([quality_file], "quality_file")[0], block)["values"].compute()
    candidates = np.isfinite(quality.values)
    if mask is not None:
        candidates &= good_pixels(View(quality.to_dataset(name="quality")), quality, mask).values
    if ccl_file_list is not None:
        found = _intersection(existing(ccl_file_list, "ccl_file_list"), block, num_threads)
        grid_of(found).require_same(grid_of(quality), Path(quality_file).name, "ccl_file_list")
        make_folder(folder)
        wanted = missing([_intersection_file(folder, found)], found, quality_file, overwrite=overwrite)
        write_rasters(found, wanted, workers=1)
        candidates &= found.component_intersection.values
    if not candidates.any():
        raise ReferencePointError(
            f"{quality_file}: no pixel has quality, is not masked and has a component other than 0 in all files; "
            "leave out bad interferograms, or give the reference"
        )
    # strictly above the threshold: use the next larger number
    least = float(np.nextafter(candidate_threshold, np.inf))
    point = ReferencePoint(*choose_pixel(candidates, quality.values.astype(np.float64), least))
    _write_point(folder, point, overwrite=overwrite)
    return point


def _intersection(files: list[Path], block: int, workers: int) -> xr.Dataset:
    """Return `component_intersection` (y, x) in memory, computed block by block."""
    labels = open_labels(files, block)
    inputs = {"connected_component_labels": labels["values"]}
    maps = xr.Dataset(map_blocks(intersection_block, None, inputs, ("component_intersection",), {}))
    return on_grid_of(labels, maps).compute(num_workers=workers).assign_attrs(labels.attrs)


def intersection_block(_: None, arrays: Arrays) -> Arrays:
    """Return where no label of a block is 0."""
    return {"component_intersection": np.asarray((arrays["connected_component_labels"] != 0).all(axis=0))}


def _intersection_file(folder: Path, found: xr.Dataset) -> Raster:
    options = {"inputs": found.attrs["input_fingerprint"]}
    path = folder / INTERSECTION_FILE
    return Raster(path, "component_intersection", None, "1", options, {}, dtype="uint16", nodata=65535)


def _read_reference_point(output_file: Path | str) -> ReferencePoint:
    """Read the pixel of a ``reference_point.txt``; imported under this name by dolphin's workflows.

    Raises
    ------
    ReferencePointError
        If it is not "row,column".
    """
    try:
        row, col = (int(word) for word in Path(output_file).read_text(encoding="utf-8").split(","))
    except (OSError, ValueError) as error:
        raise ReferencePointError(f"{output_file}: is not 'row,column' of a reference ({error})") from error
    return ReferencePoint(row, col)


def _write_point(folder: Path, point: ReferencePoint, *, overwrite: bool) -> None:
    path, text = folder / POINT_FILE, f"{point.row},{point.col}"
    before = path.read_text().strip() if path.exists() else None
    if before == text:
        return
    if before is not None and not overwrite:
        raise StoreError(
            f"{path}: says {before}, and these files and options give {text}; remove it, give the reference, "
            "or replace it with overwrite=True"
        )
    make_folder(folder)
    with complete_file(path, overwrite=overwrite) as final:
        final.write_text(text)
