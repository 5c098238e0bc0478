"""Inversion of a network of unwrapped interferograms, from files to files, as in dolphin.timeseries."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from insarray.compat.dolphin.pairs import DatePairs, PairStack, Paths, as_given, labels_of, open_pairs, require_blocks
from insarray.compat.dolphin.rasters import Raster, compute_and_write, missing
from insarray.compat.dolphin.series import SeriesTask, series_of
from insarray.engine.run.runner import Progress
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import network_of
from insarray.model.dates import date_label


def invert_unw_network(
    unw_file_list: Paths,
    reference: tuple[int, int],
    output_dir: Path | str,
    bad_pixel_mask: np.ndarray | None = None,
    conncomp_file_list: Paths | None = None,
    cor_file_list: Paths | None = None,
    cor_threshold: float = 0.0,
    n_cor_looks: int = 1,
    ifg_date_pairs: DatePairs | None = None,
    wavelength: float | None = None,
    method: str = "L2",
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    file_date_fmt: str = "%Y%m%d",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Path], list[Path]]:
    """Invert a network of unwrapped interferograms into one raster per date.

    Parameters
    ----------
    unw_file_list
        Unwrapped phase (rad), one file per interferogram.
    reference
        (row, column) whose phase is subtracted from every interferogram.
    output_dir
        Output folder; created if missing.
    bad_pixel_mask
        True where a pixel is to be no-data, shape (row, column).
    conncomp_file_list
        Connected components, one file per interferogram: samples with label 0 are missing.
    cor_file_list
        Correlation, one file per interferogram: samples are weighted by their inverse phase variances.
    cor_threshold
        Samples of lower correlation are missing.
    n_cor_looks
        Number of looks of the correlation.
    ifg_date_pairs
        Two dates per file, in the order of every list; default: those in the file names, which may be in any order.
    wavelength
        Radar wavelength (m). With it the series is in metres, else in radians; positive toward the satellite in both.
    method
        "L1" (least absolute deviations) or "L2" (least squares).
    block_shape
        Shape of the blocks; the smaller of the two is the edge of square blocks.
    num_threads
        Number of blocks computed at the same time.
    file_date_fmt
        Format of the dates in the file names, for `datetime.strptime`.
    overwrite
        Replace existing files of another job.
    progress
        Called with the number of finished blocks and the number of all blocks.

    Returns
    -------
    out_paths
        ``FIRST_DATE.tif`` for each date except the first, NaN where no pairs connect it to the first.
    residual_paths
        ``residuals_FIRST_DATE.tif`` (rad), sum of absolute residuals of the interferograms of the date.
        ``unw_inversion_residuals.tif`` is the sum over all interferograms for L1, of squared residuals (weighted if
        samples are) for L2.

    Raises
    ------
    ArgumentError, FileError, StackError, NetworkError
        If arguments or files do not belong together.
    ReferencePointError
        If the reference has no data in some interferograms; the message names them.
    StoreError
        If the output cannot be written, or has files of another job.

    Notes
    -----
    The same call recognises existing files by the fingerprint of inputs and options in their tags, and writes the
    missing ones. Differences from dolphin 0.42.9:

    * components and correlation work, also together, and for both methods;
    * weights are inverse variances, not variances;
    * a missing interferogram does not lose the pixel;
    * files are matched by their dates, and acquisitions on one day are distinguished by ``file_date_fmt``.
    """
    job = open_job(
        open_pairs(
            unw_file_list,
            conncomp_file_list,
            cor_file_list,
            file_date_fmt=file_date_fmt,
            block=require_blocks(block_shape, num_threads),
            date_pairs=ifg_date_pairs,
            bad=bad_pixel_mask,
            correlation_threshold=cor_threshold,
            names=("unw_file_list", "conncomp_file_list", "cor_file_list"),
        ),
        reference,
        wavelength=wavelength,
        method=method,
        looks=None if cor_file_list is None else float(n_cor_looks),
    )
    outputs = series_rasters(job, Path(output_dir)) + residual_rasters(job, Path(output_dir))
    todo = missing(outputs, job.stack.data, overwrite=overwrite)
    if todo:
        compute(job, todo, Path(output_dir), workers=num_threads, progress=progress)
    return paths_of(outputs, "displacement"), paths_of(outputs, "residual_sum_of_date")


@dataclass(frozen=True)
class SeriesJob:
    """Stack and inversion task, with the options that identify the results."""

    stack: PairStack
    task: SeriesTask
    wavelength: float | None
    reference: tuple[int, int]
    options: dict[str, Any]

    @property
    def units(self) -> str:
        """Unit of the series."""
        return "radians" if self.wavelength is None else "meters"

    @property
    def labels(self) -> list[str]:
        """Labels of the dates."""
        return labels_of(self.task.network.times)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every file."""
        row, col = self.reference
        known = {} if self.wavelength is None else {"wavelength": str(self.wavelength)}
        first = date_label(self.task.network.times[0])
        return {"reference": f"{row},{col}", "method": self.task.method, "first_date": first, **known}


def open_job(
    stack: PairStack,
    reference: tuple[int, int],
    *,
    wavelength: float | None,
    method: str,
    looks: float | None = None,
    restart: int | None = None,
) -> SeriesJob:
    """Create the job that inverts `stack`; reads the phase at the reference."""
    network, name = network_of(stack.data), as_given(method)
    scale = -1.0 if wavelength is None else metres_per_radian(wavelength)
    row, col = (int(at) for at in reference)
    options = {
        "inputs": stack.data.attrs["input_fingerprint"],
        "pairs": hashlib.sha256(" ".join(network.labels).encode()).hexdigest()[:12],
        "mask": None if stack.good is None else hashlib.sha256(stack.good.values.tobytes()).hexdigest()[:12],
        "correlation_threshold": stack.correlation_threshold,
        "looks": looks,
        "reference": (row, col),
        "wavelength": wavelength,
        "method": name,
        "extra_reference_date": None if restart is None else date_label(network.times[restart]),
    }
    task = SeriesTask(network, stack.level((row, col)), scale, name, looks, restart)
    return SeriesJob(stack, task, wavelength, (row, col), options)


def compute(
    job: SeriesJob, rasters: list[Raster], folder: Path, *, workers: int, progress: Progress | None = None
) -> None:
    """Compute what the given files need, and write them."""
    wanted = {raster.variable for raster in rasters}
    task = replace(
        job.task,
        residuals=bool(wanted - {"displacement", "velocity"}),
        velocity="velocity" in wanted,
    )
    dataset = series_of(job.stack.masked(), task)
    dataset.attrs |= {name: str(value) for name, value in job.options.items()}
    compute_and_write(dataset, rasters, folder, workers=workers, progress=progress)


def series_rasters(job: SeriesJob, folder: Path, *, overviews: bool = False) -> list[Raster]:
    """Return the rasters of the series, one per date except the first."""
    return [
        Raster(folder / f"{name}.tif", "displacement", k, job.units, job.options, job.tags, overviews=overviews)
        for k, name in _names(job)
    ]


def residual_rasters(job: SeriesJob, folder: Path) -> list[Raster]:
    """Return the rasters of the residuals, one per date except the first, and one for all."""
    of_dates = [
        Raster(folder / f"residuals_{name}.tif", "residual_sum_of_date", k, "radians", job.options, job.tags)
        for k, name in _names(job)
    ]
    variable, units = ("residual_sum", "radians") if job.task.method == "L1" else ("residual_square_sum", "radians^2")
    total = folder / "unw_inversion_residuals.tif"
    return [*of_dates, Raster(total, variable, None, units, job.options, job.tags)]


def _names(job: SeriesJob) -> list[tuple[int, str]]:
    labels, restart = job.labels, job.task.restart
    later = len(labels) if restart is None else restart + 1
    return [(k, f"{labels[restart or 0] if k >= later else labels[0]}_{labels[k]}") for k in range(1, len(labels))]


def paths_of(rasters: list[Raster], variable: str) -> list[Path]:
    """Return the paths of the rasters of a variable."""
    return [raster.path for raster in rasters if raster.variable == variable]
