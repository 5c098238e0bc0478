"""Complete workflow from unwrapped interferograms to series and velocity, as in dolphin.timeseries."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np

from insarray.compat.dolphin.network import SeriesJob, compute, open_job, paths_of, residual_rasters, series_rasters
from insarray.compat.dolphin.pairs import Paths, ReferencePoint, open_pairs, require_blocks
from insarray.compat.dolphin.rasters import Raster, missing
from insarray.compat.dolphin.reference import select_reference_point
from insarray.engine.run.runner import Progress
from insarray.model.dataset import network_of
from insarray.model.dates import date_index, date_label
from insarray.model.errors import ArgumentError
from insarray.model.network import Network


def run(
    unwrapped_paths: Paths,
    conncomp_paths: Paths | None,
    output_dir: Path | str,
    quality_file: Path | str | None = None,
    method: str = "L1",
    reference_candidate_threshold: float = 0.95,
    run_velocity: bool = False,  # noqa: FBT001, FBT002
    mask_path: Path | str | None = None,
    corr_paths: Paths | None = None,
    weight_velocity_by_corr: bool = False,  # noqa: FBT001, FBT002
    velocity_file: Path | str | None = None,
    correlation_threshold: float = 0.0,
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    reference_point: tuple[int, int] | None = None,
    wavelength: float | None = None,
    add_overviews: bool = True,  # noqa: FBT001, FBT002
    extra_reference_date: dt.datetime | None = None,
    file_date_fmt: str = "%Y%m%d",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Path], list[Path] | None, ReferencePoint]:
    """Compute series, residuals and velocity of unwrapped interferograms.

    Parameters
    ----------
    unwrapped_paths
        Unwrapped phase (rad), one file per interferogram.
    conncomp_paths
        Connected components, one file per interferogram: samples with label 0 are missing. None: no samples are
        missing.
    output_dir
        Output folder; created if missing.
    quality_file
        Map of quality to choose the reference if `reference_point` is not given.
    method
        "L1" (least absolute deviations) or "L2" (least squares), in any case.
    reference_candidate_threshold
        Minimum quality of the reference.
    run_velocity
        Also write the velocity.
    mask_path
        Raster, on any grid: pixels where it is 0 or no-data are NaN in all results and never the reference.
    corr_paths
        Correlation, one file per interferogram.
    weight_velocity_by_corr
        Weight each date of the velocity by the correlation of its interferogram with the first date, which all must
        have.
    velocity_file
        Default: ``velocity.tif`` in the folder.
    correlation_threshold
        Samples of lower correlation are missing.
    block_shape, num_threads, file_date_fmt, overwrite, progress
        As in `invert_unw_network`.
    reference_point
        (row, column); None: see `select_reference_point`, which needs `quality_file`.
    wavelength
        Radar wavelength (m). With it the series is in metres, else in radians; positive toward the satellite in both.
    add_overviews
        Write overviews of series and velocity.
    extra_reference_date
        Later dates are written relative to this one, and their files are named accordingly.

    Returns
    -------
    series_paths
        ``FIRST_DATE.tif``.
    residual_paths
        ``residuals_FIRST_DATE.tif``; None if nothing was inverted because all interferograms have the first date.
    reference_point
        Pixel used as reference.

    Raises
    ------
    ArgumentError, FileError, StackError, NetworkError, ReferencePointError, StoreError
        As in `invert_unw_network` and `select_reference_point`.

    Notes
    -----
    Differences from dolphin 0.42.9, in addition to those of the functions that it calls:

    * the velocity is that of all dates, including the zero of the first one, which dolphin leaves out, and of the
      series before `extra_reference_date` is applied;
    * `correlation_threshold` is effective, and needs `corr_paths`; `weight_velocity_by_corr` is effective or refused;
    * `extra_reference_date` also applies without an inversion.
    """
    block = require_blocks(block_shape, num_threads)
    stack = open_pairs(
        unwrapped_paths,
        conncomp_paths,
        corr_paths,
        file_date_fmt=file_date_fmt,
        block=block,
        mask_path=mask_path,
        correlation_threshold=correlation_threshold,
    )
    network, folder = network_of(stack.data), Path(output_dir)
    if reference_point is None:
        if quality_file is None:
            raise ArgumentError("quality_file: is needed to choose the reference; give it, or reference_point")
        reference_point = select_reference_point(
            quality_file=quality_file,
            output_dir=folder,
            candidate_threshold=reference_candidate_threshold,
            ccl_file_list=conncomp_paths,
            block_shape=block_shape,
            num_threads=num_threads,
            mask=stack.good,
            overwrite=overwrite,
        )
    restart = None if extra_reference_date is None else date_index(network.times, extra_reference_date)
    job = open_job(stack, reference_point, wavelength=wavelength, method=method, restart=restart)
    inverted = not _single_reference(network)
    series = series_rasters(job, folder, overviews=add_overviews)
    residuals = residual_rasters(job, folder) if inverted else []
    outputs = series + residuals
    if run_velocity:
        job = _with_velocity(job, weighted=weight_velocity_by_corr)
        target = Path(velocity_file) if velocity_file is not None else folder / "velocity.tif"
        outputs = [*outputs, _velocity_raster(job, target, overviews=add_overviews, weighted=weight_velocity_by_corr)]
    todo = missing(outputs, job.stack.data, quality_file, mask_path, overwrite=overwrite)
    if todo:
        compute(job, todo, folder, workers=num_threads, progress=progress)
    residual_paths = paths_of(residuals, "residual_sum_of_date") if inverted else None
    return paths_of(series, "displacement"), residual_paths, ReferencePoint(*job.reference)


def _single_reference(network: Network) -> bool:
    """Return whether all interferograms have the first date, so that there is nothing to invert."""
    return bool((network.reference == 0).all())


def _with_velocity(job: SeriesJob, *, weighted: bool) -> SeriesJob:
    if not weighted:
        return job
    if "coherence" not in job.stack.data:
        raise ArgumentError("weight_velocity_by_corr: needs corr_paths")
    network = job.task.network
    first = {int(j): k for k, (i, j) in enumerate(network.pairs) if i == 0}
    lacking = [label for k, label in enumerate(job.labels) if k > 0 and k not in first]
    if lacking:
        raise ArgumentError(
            f"weight_velocity_by_corr: {len(lacking)} dates have no interferogram with the first one "
            f"({', '.join(lacking[:5])}), whose correlation could weight them"
        )
    order = np.array([first[k] for k in range(1, network.n_dates)])
    return replace(job, task=replace(job.task, correlation_of=order))


def _velocity_raster(job: SeriesJob, path: Path, *, overviews: bool, weighted: bool) -> Raster:
    first, last = (date_label(job.task.network.times[k]) for k in (0, -1))
    tags = job.tags | {"start_datetime": first, "end_datetime": last}
    options = job.options | {"weight_velocity_by_corr": weighted}
    return Raster(path, "velocity", None, f"{job.units} / year", options, tags, overviews=overviews)
