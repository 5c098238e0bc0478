"""Velocity of a series of rasters, from files to a file, as in dolphin.timeseries."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.compat.dolphin.layers import open_values
from insarray.compat.dolphin.pairs import Paths, ReferencePoint, dates_in, existing, not_bad, require_blocks
from insarray.compat.dolphin.rasters import Raster, compute_and_write, missing
from insarray.compat.dolphin.velocity import estimate_velocity
from insarray.engine.blocks import Arrays, map_blocks
from insarray.engine.run.runner import Progress
from insarray.model.dataset import grid_of, on_grid_of
from insarray.model.dates import Time, as_time, date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.products.stacks.reference import level_at
from insarray.products.views.stacks import View

_DAY = np.timedelta64(1, "D")


def create_velocity(
    unw_file_list: Paths,
    output_file: Path | str,
    reference: tuple[int, int] | None = None,
    date_list: Sequence[Time] | None = None,
    bad_pixel_mask: np.ndarray | None = None,
    cor_file_list: Paths | None = None,
    cor_threshold: float = 0.2,
    block_shape: tuple[int, int] = (256, 256),
    num_threads: int = 4,
    add_overviews: bool = True,  # noqa: FBT001, FBT002
    file_date_fmt: str = "%Y%m%d",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Fit a straight line with an intercept to every pixel of a series of rasters.

    Parameters
    ----------
    unw_file_list
        Series, one file per date, in any unit.
    output_file
        Raster to write, in that unit per year of 365.25 days; NaN where fewer than two dates have data.
    reference
        (row, column) whose series is subtracted; None: nothing is subtracted. Nothing is subtracted either if every
        file is 0 there, as in dolphin's own series, which are relative to it and declare 0 as no-data.
    date_list
        Date of each file, in order; default: the last one in each file name. Files named by two dates with different
        first dates are connected by the file that ends at the later first date.
    bad_pixel_mask
        True where a pixel is to be no-data, shape (row, column).
    cor_file_list
        Correlation of each file, matched by the dates in the names (by order with `date_list`). It multiplies the
        residuals, as in `numpy.polyfit`.
    cor_threshold
        Dates of lower correlation are ignored.
    block_shape, num_threads, file_date_fmt, overwrite, progress
        As in `invert_unw_network`.
    add_overviews
        Write overviews.

    Raises
    ------
    ArgumentError, FileError, StackError
        If arguments or files do not belong together.
    ReferencePointError
        If the reference has no data at some dates; the message names the files.
    StoreError
        If the output cannot be written, or is a file of another job.

    Notes
    -----
    Only the files are used: if there is none for the first date of a series, its zero is not a sample. Differences from
    dolphin 0.42.9: dates without data are ignored individually; NaN, not 0, where there is no velocity; series whose
    files change their first date are correct.
    """
    files, block = existing(unw_file_list, "unw_file_list"), require_blocks(block_shape, num_threads)
    dates = _Dates.of(files, date_list, file_date_fmt)
    data = open_values(files, block)
    inputs, identity = {"unwrapped_phase": data["values"]}, [data.attrs["input_fingerprint"]]
    if cor_file_list is not None:
        correlation = _correlation(existing(cor_file_list, "cor_file_list"), files, dates, file_date_fmt, block)
        if grid_of(correlation).mismatch(grid_of(data)) is not None:
            raise StackError("cor_file_list: is not on the grid of unw_file_list; bring all to one grid")
        inputs["coherence"] = correlation["values"]
        identity.append(correlation.attrs["input_fingerprint"])
    if bad_pixel_mask is not None:
        good = not_bad(bad_pixel_mask, data, data["values"])
        inputs["unwrapped_phase"] = inputs["unwrapped_phase"].where(good)
        identity.append(hashlib.sha256(good.values.tobytes()).hexdigest())
    level = np.zeros(len(files))
    if reference is not None:
        row, col = (int(at) for at in reference)
        level = _level(files, block, data, (row, col))
    task = RateTask(dates.days, dates.ties, level, float(cor_threshold))
    options = {
        "inputs": hashlib.sha256("".join(identity).encode()).hexdigest(),
        "reference": None if reference is None else ReferencePoint(row, col)[:],
        "dates": " ".join(date_label(time) for time in dates.times),
        "cor_threshold": cor_threshold if cor_file_list is not None else None,
    }
    units, ends = f"{data.attrs['units'] or 'unknown'} / year", (min(dates.times), max(dates.times))
    tags = dict(zip(("start_datetime", "end_datetime"), map(date_label, ends), strict=True))
    output = Raster(Path(output_file), "velocity", None, units, options, tags, overviews=add_overviews)
    if missing([output], *inputs.values(), overwrite=overwrite):
        needed = 24 * len(files) + 64
        rate = xr.Dataset(map_blocks(rate_block, task, inputs, ("velocity",), {}, bytes_per_pixel=needed))
        rate.attrs = {name: str(value) for name, value in options.items()}
        folder = output.path.absolute().parent
        compute_and_write(on_grid_of(data, rate), [output], folder, workers=num_threads, progress=progress)


def _level(files: list[Path], block: int, data: xr.Dataset, where: tuple[int, int]) -> np.ndarray:
    """Return the value of each file at the reference."""
    row, col = where
    if 0 <= row < data.sizes["y"] and 0 <= col < data.sizes["x"]:
        stored = open_values(files, block, nodata=False)["values"].isel(y=row, x=col).values
        if (stored == 0).all():
            return np.zeros(len(files))
    return level_at(View(data), data["values"], where, [file.name for file in files], "dates").phase


@dataclass(frozen=True)
class RateTask:
    """Constants of a block: days, connections between files, reference of each file, minimum correlation."""

    days: np.ndarray
    ties: tuple[tuple[int, int], ...]
    level: np.ndarray
    cor_threshold: float


def rate_block(task: RateTask, arrays: Arrays) -> Arrays:
    """Return the velocity of a block; `arrays` has `unwrapped_phase` and optionally `coherence`, each (file, y, x)."""
    series = arrays["unwrapped_phase"] - task.level[:, None, None]
    for file, start in task.ties:  # in the order of the dates, so that the start is complete
        series[file] += series[start]
    weights = arrays.get("coherence")
    if weights is not None:
        with np.errstate(invalid="ignore"):
            weights = np.where(weights >= task.cor_threshold, weights, np.float32(0))
    return {"velocity": estimate_velocity(task.days, series, weights).astype(np.float32)}


@dataclass(frozen=True)
class _Dates:
    """Dates of the files, and the file from which each of them starts."""

    times: list[np.datetime64]
    days: np.ndarray
    ties: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, files: Sequence[Path], date_list: Sequence[Time] | None, file_date_fmt: str) -> "_Dates":
        if date_list is not None:
            if len(date_list) != len(files):
                raise ArgumentError(f"date_list: {len(date_list)} dates for {len(files)} files")
            times, starts = [as_time(date) for date in date_list], {}
        else:
            found = [_dated(file, file_date_fmt) for file in files]
            times = [dates[-1] for dates in found]
            starts = {k: dates[0] for k, dates in enumerate(found) if len(dates) == 2}
        if len(set(times)) < len(times):
            twice = next(time for time in times if times.count(time) > 1)
            raise ArgumentError(f"unw_file_list: {times.count(twice)} files of {date_label(twice)}; keep one of them")
        days = np.array([(time - min(times)) / _DAY for time in times], np.float64)
        return cls(times, days, _ties(files, times, starts))


def _ties(
    files: Sequence[Path], times: list[np.datetime64], starts: dict[int, np.datetime64]
) -> tuple[tuple[int, int], ...]:
    """Return the files with another start date than the first, each with the file of that date."""
    first = min(starts.values(), default=None)
    moved = sorted((times[k], k) for k, start in starts.items() if start != first)
    for _, k in moved:
        if starts[k] not in times:
            raise ArgumentError(
                f"{files[k]}: starts at {date_label(starts[k])}, of which there is no file to tie it to"
            )
    return tuple((k, times.index(starts[k])) for _, k in moved)


def _dated(file: Path, file_date_fmt: str) -> list[np.datetime64]:
    dates = dates_in(file, file_date_fmt)
    if not dates:
        raise ArgumentError(f"{file}: has no date like {file_date_fmt} in its name; give date_list")
    return dates


def _correlation(
    correlations: list[Path], files: list[Path], dates: _Dates, file_date_fmt: str, block: int
) -> xr.Dataset:
    """Return the correlation in the order of the files."""
    if len(correlations) != len(files):
        raise ArgumentError(f"cor_file_list: {len(correlations)} files for {len(files)} of the series")
    by_date = {dates_in(path, file_date_fmt)[-1]: path for path in correlations if dates_in(path, file_date_fmt)}
    if set(by_date) == set(dates.times):
        correlations = [by_date[time] for time in dates.times]
    elif by_date:
        lacking = [date_label(time) for time in dates.times if time not in by_date]
        raise ArgumentError(f"cor_file_list: no file for {', '.join(lacking[:5])}; their dates are matched by name")
    return open_values(correlations, block)
