"""GeoTIFFs with dolphin's names, which appear when complete and are tagged with the job that made them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from insarray.engine.graph.inputs import inputs_of, refuse_inputs
from insarray.engine.jobs import fingerprint
from insarray.engine.program import program_identity, program_name
from insarray.engine.run.runner import Progress, run
from insarray.engine.store.zarr_store import Store, open_store
from insarray.export.files import complete_file
from insarray.io.layers.headers import read_headers
from insarray.io.layers.raster import environment, open_band
from insarray.io.layers.raster_files import raster_file
from insarray.model.conventions import SIGN
from insarray.model.dataset import grid_of
from insarray.model.errors import FileError, StoreError
from insarray.model.grid import Grid
from insarray.model.secrets import shown_values

_JOB, _OPTIONS = "insarray_job", "insarray_options"
_SLAB = 16  # number of files written together, the dates of a chunk of the store
_TILE = 256
_WINDOW_BYTES = 32e6  # of all files of a slab, read and written at a time
_OVERVIEWS = (4, 8, 16, 32)
_CREATION = {"driver": "GTiff", "count": 1, "tiled": True, "compress": "deflate", "zlevel": 1, "bigtiff": "if_safer"}


@dataclass(frozen=True)
class Raster:
    """Raster file to write.

    Parameters
    ----------
    path
        Path of the file.
    variable, index
        Variable (y, x) of the results, or one (time, y, x) and the index of the date.
    units
        Unit tag.
    options
        Inputs and options that determine the content, by name. An existing file with the same ones is not written
        again.
    tags
        Other tags.
    dtype, nodata
        Stored dtype and no-data value.
    overviews
        Whether to build overviews.
    """

    path: Path
    variable: str
    index: int | None
    units: str
    options: Mapping[str, Any]
    tags: Mapping[str, str]
    dtype: str = "float32"
    nodata: float = np.nan
    overviews: bool = False

    @property
    def job(self) -> str:
        """Hash of the options."""
        return hashlib.sha256(json.dumps(self._said, sort_keys=True).encode()).hexdigest()

    @property
    def _said(self) -> dict[str, str]:
        options = {**self.options, "layer": f"{self.variable} {self.index}", "overviews": self.overviews}
        return {name: str(value) for name, value in options.items()} | {"program": program_identity()}

    def all_tags(self) -> dict[str, str]:
        """Return all tags of the file."""
        own = {"sign": SIGN} if self.variable in ("displacement", "velocity") else {}
        job = {_JOB: self.job, _OPTIONS: json.dumps(self._said, sort_keys=True)}
        return own | {"source": f"insarray {program_name()}"} | dict(self.tags) | job

    def is_there(self, *, overwrite: bool) -> bool:
        """Return whether the file exists with this content.

        Raises
        ------
        StoreError
            If it exists with other content, and is not to be overwritten.
        """
        if not self.path.exists():
            return False
        try:
            tags = read_headers([self.path])[0].tags
        except FileError as error:
            if overwrite:
                return False
            raise StoreError(
                f"{error}; it is in the way: choose another output, or replace it with overwrite=True"
            ) from error
        if tags.get(_JOB) == self.job:
            return True
        if overwrite:
            return False
        raise StoreError(
            f"{self.path}: exists and {_difference(tags, self._said)}; "
            "choose another output, or replace it with overwrite=True"
        )


def _difference(tags: Mapping[str, str], said: Mapping[str, str]) -> str:
    if _OPTIONS not in tags:
        return "was not made by this function"
    before = json.loads(tags[_OPTIONS])
    changed = [name for name in sorted(before.keys() | said.keys()) if before.get(name) != said.get(name)]
    texts = [f"{name} was {before.get(name)!r} and is now {said.get(name)!r}" for name in changed if name != "inputs"]
    return "is of another job: " + (", ".join(texts) or "other or changed input files")


def missing(rasters: Iterable[Raster], *inputs: Any, overwrite: bool) -> list[Raster]:
    """Return the rasters that do not exist yet, or are to be replaced.

    Raises
    ------
    StoreError
        If another file is in place of one, and is not to be overwritten.
    ArgumentError
        If it is one of the inputs: datasets, files or None.
    """
    wanted = [raster for raster in rasters if not raster.is_there(overwrite=overwrite)]
    replaced = [raster.path for raster in wanted if raster.path.exists()]
    known = inputs_of(*inputs) if replaced else ()
    for path in replaced:
        refuse_inputs(path, *known)
    return wanted


def compute_and_write(
    dataset: xr.Dataset, rasters: Sequence[Raster], folder: Path, *, workers: int, progress: Progress | None = None
) -> None:
    """Compute lazy results block by block into a hidden store in `folder`, then write the files from it.

    After an interruption, the same call resumes with the unfinished blocks. The store is removed when all files exist.

    Raises
    ------
    StoreError
        If the store or a file cannot be written.
    """
    make_folder(folder)
    store = folder / f".insarray-{fingerprint(dataset)[:12]}.zarr"
    run(dataset, str(store), scheduler="threads", workers=workers, progress=progress, compressor="lz4")
    write_rasters(open_store(str(store)), rasters, workers=workers)
    Store(str(store)).remove()


def make_folder(folder: Path) -> None:
    """Create the output folder; raise StoreError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror})") from error


def write_rasters(dataset: xr.Dataset, rasters: Sequence[Raster], *, workers: int) -> None:
    """Write layers of a dataset in memory or a store to files, reading each part once.

    Raises
    ------
    StoreError
        If a file cannot be written; it then does not exist.
    """

    def slab(raster: Raster) -> tuple[int, str]:
        # alternate variables: rasterio holds the GIL while it builds overviews, which not all files have
        return (raster.index or 0) // _SLAB, raster.variable

    slabs = [list(group) for _, group in groupby(sorted(rasters, key=slab), slab)]
    with ThreadPoolExecutor(workers, thread_name_prefix="insarray") as pool:
        for _ in pool.map(lambda group: _write_slab(dataset, group), slabs):
            pass


def _write_slab(dataset: xr.Dataset, rasters: Sequence[Raster]) -> None:
    """Write some layers of one variable, window by window."""
    layers, grid = dataset[rasters[0].variable], grid_of(dataset)
    indices = [raster.index for raster in rasters if raster.index is not None]
    if indices:
        layers = layers.isel(time=slice(min(indices), max(indices) + 1))
    with ExitStack() as complete:
        finals = [complete.enter_context(complete_file(raster.path, overwrite=True)) for raster in rasters]
        try:
            _write_files(layers, rasters, finals, grid)
        except RasterioError as error:
            raise StoreError(f"{rasters[0].path.parent}: cannot be written, is the disk full? ({error})") from error


def _write_files(layers: xr.DataArray, rasters: Sequence[Raster], finals: Sequence[Path], grid: Grid) -> None:
    first = rasters[0].index or 0
    crs = None if grid.crs is None else CRS.from_wkt(grid.crs)
    with ExitStack() as opened:
        files = [
            opened.enter_context(_create(raster, final, grid, crs))
            for raster, final in zip(rasters, finals, strict=True)
        ]
        for rows, cols in _windows(layers):
            part = layers.isel(y=slice(*rows), x=slice(*cols))
            block = part.compute(scheduler="synchronous").values  # already called from threads
            for raster, file in zip(rasters, files, strict=True):
                layer = block if raster.index is None else block[raster.index - first]
                file.write(layer.astype(raster.dtype, copy=False), 1, window=(rows, cols))
    for raster, final in zip(rasters, finals, strict=True):
        _finish(final, min(grid.shape) if raster.overviews else None)


def _create(raster: Raster, path: Path, grid: Grid, crs: CRS | None) -> Any:
    place = {"crs": crs, "transform": rasterio.Affine(*grid.affine)}  # without a CRS that of columns and rows
    size = {"height": grid.height, "width": grid.width, "blockxsize": _TILE, "blockysize": _TILE}
    file = rasterio.open(path, "w", dtype=raster.dtype, nodata=raster.nodata, **place, **size, **_CREATION)
    file.update_tags(**shown_values(raster.all_tags()))
    file.units = (raster.units,)
    return file


def _windows(layers: xr.DataArray) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
    """Return windows of whole chunks, as wide as a byte budget permits, and then as high.

    Larger than single chunks, as rasterio holds the GIL while it builds overviews, and only a long write then
    continues.
    """
    pixels = _WINDOW_BYTES / (layers.dtype.itemsize * layers.sizes.get("time", 1))
    heights, widths = (layers.chunksizes.get(dim, (layers.sizes[dim],)) for dim in ("y", "x"))
    cols = _merged(widths, pixels / max(heights))
    rows = _merged(heights, pixels / max(last - first for first, last in cols))
    return [(window, other) for window in rows for other in cols]


def _merged(sizes: Sequence[int], most: float) -> list[tuple[int, int]]:
    """Merge neighbours up to a sum of `most`, at least one; return (start, stop) of each."""
    edges = [0]
    for stop, after in pairwise([*accumulate(sizes), np.inf]):
        if after - edges[-1] > most:
            edges.append(int(stop))
    return list(pairwise(edges))


def _finish(path: Path, edge: int | None) -> None:
    """Build overviews down to `edge` pixels, if requested; raise RasterioError if the file is incomplete."""
    written = raster_file(path)
    with environment([written]):
        if edge is not None:
            levels = [level for level in _OVERVIEWS if level <= max(edge // 2, _OVERVIEWS[0])]
            with open_band(written, located=False, mode="r+") as file:
                file.build_overviews(levels, Resampling.average)
        # GDAL reports no error when it closes a file that does not fit on the disk
        with open_band(written, located=False) as file:
            file.read(1, window=((file.height - 1, file.height), (file.width - 1, file.width)))
