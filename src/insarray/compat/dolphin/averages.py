"""Averages of rasters and counts of components, from files to files, as in dolphin.timeseries."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize

from insarray.compat.dolphin.layers import open_labels, open_values
from insarray.compat.dolphin.pairs import DatePairs, Paths, existing, labels_of, pair_files, require_blocks
from insarray.compat.dolphin.rasters import Raster, compute_and_write, missing
from insarray.engine.blocks import map_blocks
from insarray.engine.run.runner import Progress
from insarray.io.pairs import by_pair, one_time_per_pass
from insarray.model.dataset import on_grid_of, time_coords
from insarray.model.network import Network
from insarray.products.stacks.averages import count_block, temporal_average

AverageFunc = Callable[..., Any]


def create_temporal_average(
    file_list: Paths,
    output_file: Path | str,
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    average_func: AverageFunc = np.nanmean,
    read_masked: bool = False,  # noqa: FBT001, FBT002
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Average rasters into one.

    Parameters
    ----------
    file_list
        Rasters on one grid.
    output_file
        Raster to write, float32, in the same unit; NaN where there is no sample.
    block_shape, num_threads, overwrite, progress
        As in `invert_unw_network`.
    average_func
        Called as ``average_func(samples, 0)`` with the samples (file, y, x) of every block.
    read_masked
        Ignore the no-data value of the files; otherwise only NaN and infinities are ignored. Pixels without any other
        value are NaN.

    Raises
    ------
    ArgumentError, FileError, StackError
        If files do not belong together, or the function does not return one value per pixel.
    StoreError
        If the output cannot be written, or is a file of another job.
    """
    block = require_blocks(block_shape, num_threads)
    files = existing(file_list, "file_list")
    data = open_values(files, block, nodata=read_masked)
    stack = data.rename(values="coherence")  # any layer with an average
    mean = temporal_average(stack, layer="coherence", statistic=partial(_by_position, average_func))
    if not read_masked:
        mean = mean.where(open_values(files, block)["values"].notnull().any("pair"))
    options = {"inputs": data.attrs["input_fingerprint"], "average_func": tokenize(average_func)}
    tags = {"average": getattr(average_func, "__name__", "function")}
    output = Raster(Path(output_file), "statistic_coherence", None, data.attrs["units"], options, tags)
    if missing([output], data, overwrite=overwrite):
        folder = output.path.absolute().parent
        mean.attrs |= options
        compute_and_write(mean, [output], folder, workers=num_threads, progress=progress)


def _by_position(function: AverageFunc, samples: np.ndarray, axis: int) -> Any:
    return function(samples, axis)


def create_nonzero_conncomp_counts(
    conncomp_file_list: Paths,
    output_dir: Path | str,
    ifg_date_pairs: DatePairs | None = None,
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    file_date_fmt: str = "%Y%m%d",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Count, for every date, the interferograms that are unwrapped at a pixel.

    Parameters
    ----------
    conncomp_file_list
        Connected component files, 0 = not unwrapped.
    output_dir
        Output folder.
    ifg_date_pairs, block_shape, num_threads, file_date_fmt, overwrite, progress
        As in `invert_unw_network`.

    Returns
    -------
    list of Path
        ``DATE_valid_count.tif`` (uint16) for every date including the first.

    Raises
    ------
    ArgumentError, FileError, StackError
        If files do not belong together.
    StoreError
        If the output cannot be written, or has files of another job.
    """
    block, folder = require_blocks(block_shape, num_threads), Path(output_dir)
    given = pair_files(conncomp_file_list, "conncomp_file_list", file_date_fmt, ifg_date_pairs)
    pairs = by_pair(one_time_per_pass([given])[0])
    network = Network.from_pairs(list(pairs), None)
    labels = open_labels([file.path for file in pairs.values()], block)
    identity = labels.attrs["input_fingerprint"] + " ".join(network.labels)
    options = {"inputs": hashlib.sha256(identity.encode()).hexdigest()}
    outputs = [
        Raster(path, "nonzero_component_count", k, "count", options, {}, dtype="uint16", nodata=65535)
        for k, path in enumerate(folder / f"{label}_valid_count.tif" for label in labels_of(network.times))
    ]
    todo = missing(outputs, labels, overwrite=overwrite)
    if todo:
        inputs = {"connected_component_labels": labels["values"]}
        names = ("nonzero_component_count", "component_intersection")
        sizes, needed = {"time": network.n_dates}, network.n_pairs + 8
        counts = xr.Dataset(map_blocks(count_block, network, inputs, names, sizes, bytes_per_pixel=needed))
        counts = on_grid_of(labels, counts[["nonzero_component_count"]].assign_coords(time_coords(network)))
        counts.attrs = dict(options)
        compute_and_write(counts, todo, folder, workers=num_threads, progress=progress)
    return [output.path for output in outputs]
