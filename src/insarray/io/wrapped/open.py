"""`open_wrapped`: open wrapped phase relative to one reference date as a lazy stack."""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import xarray as xr

from insarray.io.baselines import read_baselines
from insarray.io.files import expand, expand_one, names
from insarray.io.given import collects_folders
from insarray.io.layers.epochs import WrappedOptions, WrappedSource
from insarray.io.layers.lazy import to_wrapped_dataset
from insarray.io.layers.windows import within
from insarray.io.readers.stored import is_zarr
from insarray.io.source import AreaLike, Files, PathLike, Sign
from insarray.io.wrapped.files import map_layer, scan_rasters
from insarray.io.wrapped.stores import scan_hdf5, scan_stored
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, FileError

logger = logging.getLogger(__name__)

_HDF5 = {".h5", ".hdf5", ".he5"}
_NETCDF = {".nc", ".nc4"}


@collects_folders
def open_wrapped(
    files: Files,
    *,
    temporal_coherence: PathLike | None = None,
    amplitude_dispersion: PathLike | None = None,
    baselines: PathLike | None = None,
    wavelength: float | None = None,
    sign: Sign | None = None,
    nodata: float | None = None,
    dates: str | None = None,
    variable: str | None = None,
    area: AreaLike | None = None,
    block: int | None = None,
) -> xr.Dataset:
    r"""Open wrapped phase relative to one reference date lazily; only headers are read and checked.

    Parameters
    ----------
    files
        Folder, pattern or files of

        * interferograms ``{reference}_{date}.int.tif``, complex or in radians, with one date in common, first or not;
        * co-registered SLCs ``{date}.slc.tif``: the reference date is the first.

        Or one HDF5 file with a dataset (interferogram, row, col) and the dates in `reference` and `secondary`. Or a
        wrapped stack stored in NetCDF or Zarr. In a folder ``temporal_coherence.tif``, ``amplitude_dispersion.tif`` and
        ``average_coherence.tif`` are found automatically.
    temporal_coherence, amplitude_dispersion
        Rasters on the grid of the phase.
    baselines
        CSV table with the columns ``date,bperp_m`` (m, relative to any one date) or ``reference,secondary,bperp_m`` (m,
        secondary minus reference), see `insarray.io.baselines.read_baselines`. Baselines of pairs are converted to
        dates by least squares; the attribute `misclosure_rms` (m) of the coordinate is their misfit.
    wavelength
        Radar wavelength in metres. None: from the files, if they state it.
    sign
        ``"away"`` if a positive phase means motion away from the satellite from the first to the second date of an
        interferogram's name, or if the phase of SLCs increases with range; ``"toward"`` for the opposite. None is
        ``"away"`` for interferograms (reference times the conjugate of the secondary), and ``"toward"`` for SLCs, whose
        phase is usually -4 pi / wavelength times the range.
    nodata
        No-data value in addition to NaN and 0+0j; None: that of the files.
    dates
        Regular expression for other naming schemes: with two groups, the reference and the secondary date of
        interferograms, or with one, the date of SLCs, with any extension.
    variable
        Dataset of the HDF5 file, if several have three dimensions.
    area
        Read only this part of the image; see `open_stack`.
    block
        Edge of the blocks in pixels; None: chosen from the tiles of the files, the number of dates and memory.

    Returns
    -------
    xarray.Dataset
        Lazy, dimensions (time, y, x), dates ascending: `wrapped_phase` (float32, radian in (-pi, pi], date minus
        reference date, positive away from the satellite, exactly 0 at the reference date where another has data, NaN =
        no-data) and, if available, (y, x) `temporal_coherence`, `amplitude_dispersion`, `average_coherence`; coordinate
        `perpendicular_baseline` (time) in metres, 0 at the reference date, if a table is given. The attribute
        `reference_date` is the reference date. `time` is one chunk: a block reads the window of all its dates.

    Raises
    ------
    ArgumentError
        If an option is invalid or does not apply to the files, or nothing matches.
    FileError
        If a file is missing, unreadable or not what it claims to be.
    StackError
        If the files do not belong together, such as interferograms without a common date; when pixels are read, if
        radians are outside -pi to pi.

    See Also
    --------
    insarray.select_points : select points of a wrapped stack.
    insarray.open_stack : open unwrapped interferograms.
    insarray.simulate_wrapped : simulate a wrapped stack with known truth.

    Examples
    --------
    >>> import insarray as ia
    >>> from insarray.simulate.points import write_wrapped
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> paths = write_wrapped(wrapped, "linked")
    >>> stack = ia.open_wrapped("linked", wavelength=0.031)
    >>> dict(stack.sizes)
    {'time': 12, 'y': 20, 'x': 20}
    """
    options = WrappedOptions(wavelength, sign, nodata, dates, variable)
    _check(options)
    paths = expand(files, "files")
    product, source = _scan(paths, options)
    if baselines is not None:
        source = replace(source, baseline=_baselines(expand_one(baselines, "baselines", "give one CSV table"), source))
    rasters = {"temporal_coherence": temporal_coherence, "amplitude_dispersion": amplitude_dispersion}
    given = {name: expand_one(path, name) for name, path in rasters.items() if path is not None}
    source = _with_maps(source, source.map_files | given)
    wrapped = to_wrapped_dataset(within(source, area), product, block)
    logger.info(
        "open_wrapped: %s, %d dates, %d x %d pixels", product, *(wrapped.sizes[dim] for dim in ("time", "y", "x"))
    )
    return wrapped


def _check(options: WrappedOptions) -> None:
    if options.sign is not None and options.sign not in get_args(Sign):
        raise ArgumentError(f"sign: {options.sign!r} is not one of {', '.join(get_args(Sign))}")
    if options.wavelength is not None:
        metres_per_radian(options.wavelength)
    if options.nodata is not None and math.isinf(options.nodata):
        raise ArgumentError("nodata: infinite values are no-data anyway; give a number")


def _scan(paths: list[Path], options: WrappedOptions) -> tuple[str, WrappedSource]:
    single = {path.suffix.lower() for path in paths} & _HDF5 or any(is_zarr(path) for path in paths)
    if single and len(paths) > 1:
        raise FileError(f"files: HDF5 and Zarr are read one at a time, not {names(paths)}")
    path = paths[0]
    if path.suffix.lower() in _HDF5:
        return "hdf5", scan_hdf5(path, options)
    if is_zarr(path) or (len(paths) == 1 and path.suffix.lower() in _NETCDF):
        return "netcdf", scan_stored(path, options)
    return scan_rasters(paths, options)


def _baselines(table: Path, source: WrappedSource) -> xr.DataArray:
    """Return the baseline of each date minus that of the reference date in metres, (time)."""
    baseline, misclosure = read_baselines(table).of_dates(source.times)
    baseline = baseline - baseline[source.reference]
    if misclosure is not None:
        baseline.attrs["misclosure_rms"] = float(np.sqrt(np.square(misclosure.values).mean()))
    return baseline


def _with_maps(source: WrappedSource, files: Mapping[str, Path]) -> WrappedSource:
    """Add the static maps in rasters to the source, with their file names as attributes."""
    maps, members, attrs = dict(source.maps), list(source.members), dict(source.attrs)
    for name, path in files.items():
        maps[name], parts = map_layer(name, path, source.grid)
        members += parts
        attrs[f"{name}_file"] = path.name
    return replace(source, maps=maps, members=tuple(members), attrs=attrs)
