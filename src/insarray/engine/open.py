"""`open`: open any result of insarray, or a time series of another program."""

import glob
import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import xarray as xr

from insarray.engine.graph.coordinates import with_coordinates_in_memory
from insarray.engine.store.checksums import of_damaged_chunk
from insarray.engine.store.files import StoreFiles
from insarray.engine.store.foreign import what_is
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.locations import exists, is_url, location
from insarray.model.errors import ArgumentError, FileError, StoreError, VerificationError
from insarray.model.secrets import shown

logger = logging.getLogger(__name__)


def open(path: str | os.PathLike[str]) -> xr.Dataset:  # noqa: A001 - used as insarray.open, like gzip.open
    """Open a result: a store of `run` or `save_points`, a file of `to_netcdf`, or a time series of another program.

    Parameters
    ----------
    path
        Zarr store of a series, model, loops, averages, points or links; NetCDF file of any of these, or of anything else
        that `to_netcdf` has written but stacks; MintPy's ``timeseries.h5``, LiCSBAS' ``cum.h5`` or ``cum_filt.h5``,
        dolphin's folder ``timeseries``; EGMS table, ``.csv`` or ``.zip``. A path, or a URL such as
        ``s3://bucket/series.zarr``.

    Returns
    -------
    xarray.Dataset
        Lazy, ready for every product: all dates, pairs and loops of a block in one chunk, spatial chunks as stored,
        coordinates in memory. Tables of points are read completely.

    Raises
    ------
    ArgumentError
        If `path` is not a path.
    FileError
        If nothing is there, or it is not a result; the message says what it is and what opens it.
    StoreError
        If the store is not finished.
    VerificationError
        If its coordinates are damaged.

    See Also
    --------
    insarray.open_stack : open unwrapped interferograms.
    insarray.open_points : open tables of points without units.
    insarray.run : compute into a store.
    insarray.save_points : store points or links.
    insarray.to_netcdf : write NetCDF.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> report = ia.run(series, "series.zarr")
    >>> result = ia.open("series.zarr")
    >>> dict(result.displacement.sizes)
    {'time': 6, 'y': 20, 'x': 24}
    """
    where = _location(path)
    if job_of(where) is not None:
        logger.info("open: %s, a store", shown(where))
        return _open_store(where)
    from insarray.engine.open_others import kind_of, open_other  # imports the readers, which a store does not need

    kind = kind_of(where)
    if kind is None:
        raise FileError(_refusal(where))
    logger.info("open: %s, a %s", shown(where), kind)
    return open_other(where, kind)


def _open_store(where: Path) -> xr.Dataset:
    """Open a store; once more if it is replaced meanwhile, so that chunks and metadata are of two states."""
    try:
        return with_coordinates_in_memory(open_store(str(where)))
    except (ValueError, RuntimeError, StoreError) as error:
        if not of_damaged_chunk(error):
            raise
    try:
        return with_coordinates_in_memory(open_store(str(where)))
    except (ValueError, RuntimeError) as error:
        if not of_damaged_chunk(error):
            raise
        message = "a chunk of its coordinates is damaged; repeat the command that made it, with --restart"
        raise VerificationError(f"{where}: {message} ({error})") from error


def is_result(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is something that `open` opens, including unfinished stores; other files raise no error."""
    try:
        where = _location(path)
        if job_of(where) is not None:
            return True
        from insarray.engine.open_others import kind_of

        return kind_of(where) is not None
    except FileError:
        return False


def job_of(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the job metadata of an insarray store; None for anything else.

    Raises
    ------
    StoreError
        If it is an insarray store whose metadata cannot be read.
    """
    where = _location(path)
    return Store(str(where)).job() if exists(where) and (is_url(where) or where.is_dir()) else None


def _location(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) and not is_url(path):
        raise ArgumentError(f"path: is a {type(path).__name__}, not a path; give a store or a file")
    text = str(path)
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    return location(text.rstrip("/") or text)


def _refusal(where: Path) -> str:
    if not exists(where):
        if glob.has_magic(str(where)):
            return f"{where}: is a pattern; give one result, or open a stack of files with open_stack"
        return f"{where}: does not exist; give the output of 'insarray invert', 'fit' or 'closure'"
    found = what_is(StoreFiles(str(where)))
    return f"{where}: is not an insarray store but {found.kind}; {found.remedy}"
