"""Open MintPy's timeseries.h5 as a lazy time series."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.io.areas import window_of
from insarray.io.files import expand_one, fingerprint
from insarray.io.layers.decode import MapDecode
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, opened
from insarray.io.layers.series import lazy_displacement, series_of
from insarray.io.layers.windows import window_layer
from insarray.io.locations import location
from insarray.io.readers.mintpy import attributes_of, grid_of_attributes
from insarray.io.source import AreaLike, Layer, PathLike, Window
from insarray.model.conventions import SIGN, attributes
from insarray.model.corrections import record
from insarray.model.dataset import grid_of
from insarray.model.dates import as_time, date_label
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

_SERIES = "timeseries"
_HDF_EOS = "HDFEOS/GRIDS/timeseries/observation/"
"""Group of displacement, date and bperp in files of MintPy's save_hdfeos5.py; attributes are those of timeseries.h5."""

# smallbaselineApp.py of MintPy adds what it corrects to the name of the series
_SUFFIXES = {
    "SET": "solid_earth_tide",
    "ion": "ionosphere",
    "ITRF": "plate_motion",
    "tropHgt": "troposphere_stratified",
    **dict.fromkeys(("ERA5", "ERAI", "ECMWF", "MERRA", "NARR", "GACOS"), "troposphere"),
}
_INSTEAD = {
    "velocity": "insarray.fit makes a velocity of a series",
    "ifgramStack": "insarray.open_stack opens it",
    "geometry": "insarray.open_geometry opens it",
}
"""What to use for other files of MintPy, by their FILE_TYPE."""


def open_series(path: PathLike, *, area: AreaLike | None = None, block: int | None = None) -> xr.Dataset:
    """Open a displacement time series of MintPy lazily; only the header is read and checked.

    Parameters
    ----------
    path
        ``timeseries.h5``, a corrected one such as ``timeseries_ERA5_demErr.h5``, or HDF-EOS5 (``.he5``).
    area
        Read only this part of the image; see `open_stack`.
    block
        Edge of the blocks in pixels; None: chosen from the tiles of the file, the number of dates and memory.

    Returns
    -------
    xarray.Dataset
        Lazy, dimensions (time, y, x): `displacement` (float32, m, positive toward the satellite), and the coordinate
        `perpendicular_baseline` (time) if the file has it. MintPy writes 0 for no-data: pixels that are 0 at all dates
        become NaN, except the reference. Attributes `wavelength` (m), `reference_date` (ISO: REF_DATE, else the first
        date) and the reference pixel: `reference_y`, `reference_x` (coordinates of its centre), `reference_row`,
        `reference_col`, and `reference_lon`, `reference_lat` with a CRS.

    Raises
    ------
    FileError
        If the file is missing, unreadable, or not such a time series.

    See Also
    --------
    insarray.open : open a stored result.
    insarray.to_mintpy : write MintPy's files.
    insarray.fit : fit time functions with standard errors.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> paths = ia.to_mintpy(series, "mintpy")
    >>> again = ia.open_series("mintpy/timeseries.h5")
    >>> dict(again.displacement.sizes)
    {'time': 6, 'y': 20, 'x': 24}
    """
    file = expand_one(path, "path", "give MintPy's timeseries.h5")
    if file.is_dir():
        raise ArgumentError(f"path: {str(path)!r} is a folder; give MintPy's timeseries.h5")
    name, attrs, times, baseline, shape, tile = _scan(file)
    order = np.argsort(times, kind="stable")
    grid = grid_of_attributes(file, shape, attrs)
    decode = MapDecode()
    index = tuple(int(k) for k in order)
    window = None if area is None else window_of(area, grid)
    layer: Layer = Hdf5Layer(str(file), name, index, shape, tile, decode, fingerprint([file], name, index, decode))
    layer = layer if window is None else window_layer(layer, window)
    displacement = lazy_displacement(layer, block)
    known = _attributes(file, attrs, grid, times[order])
    if window is not None:
        known = _within(known, window)
    reference = known.get("reference_row"), known.get("reference_col")
    baseline = None if baseline is None else baseline[order]
    return series_of(_without_empty_pixels(displacement, reference), times[order], baseline, grid, window, known)


def open_covariance(path: PathLike, series: xr.Dataset) -> xr.DataArray:
    """Open the covariance of the dates that MintPy's ``ifgram_inversion.py --calc-cov`` writes, lazily.

    Parameters
    ----------
    path
        ``timeseriesDecorCov.h5``: `timeseries` (date, date, y, x), or variances (date, y, x), in m^2, and `date`.
    series
        Series on the same grid, of some or all of its dates.

    Returns
    -------
    xarray.DataArray
        (time, other_time, y, x) or (time, y, x) in m^2, in blocks of its own; NaN where the file is 0 throughout, its
        no-data value.

    Raises
    ------
    FileError
        If the file is missing, unreadable, not such a covariance, or lacks dates of the series.
    StackError
        If it is on another grid.
    """
    file = expand_one(path, "covariance", "give MintPy's timeseriesDecorCov.h5")
    times, lead, tile, grid = _scan_covariance(file)
    missing = sorted(set(series.time.values.astype(times.dtype)) - set(times))
    if missing:
        raise FileError(
            f"{file}: has no covariance of {date_label(missing[0])}, a date of the series; give that of the series"
        )
    grid_of(series).require_same(grid, str(file), "the series")
    index, decode = tuple(range(len(times) ** len(lead))), MapDecode()
    stamp = fingerprint([file], _SERIES, index, decode)
    layer = lazy_displacement(Hdf5Layer(str(file), _SERIES, index, grid.shape, tile, decode, stamp), None)
    known = xr.apply_ufunc(_emptied, layer, False, False, dask="parallelized", output_dtypes=[np.float32])  # noqa: FBT003
    return xr.DataArray(
        known.data.reshape(*(len(times) for _ in lead), *grid.shape),
        {name: (name, times.astype("datetime64[ns]")) for name in lead},
        (*lead, "y", "x"),
        attrs=attributes("displacement_covariance"),
    )


def _scan_covariance(path: Path) -> tuple[np.ndarray, tuple[str, ...], tuple[int, int], Grid]:
    """Scan the file: dates, names of its dimensions of dates, (rows, columns) of a chunk, and grid."""
    with opened(path) as file:
        attrs, values, dates = attributes_of(file), dataset(file, _SERIES), dataset(file, "date")
        if values is None or dates is None:
            raise FileError(f"{path}: has no {_SERIES} and date; give MintPy's timeseriesDecorCov.h5")
        lead = ("time", "other_time")[: values.ndim - 2]
        if values.ndim not in (3, 4) or values.shape[:-2] != dates.shape * len(lead):
            raise FileError(
                f"{path}: date is {dates.shape} and {_SERIES} {values.shape}; (date, date, y, x) or (date, y, x) needed"
            )
        unit = attrs.get("UNIT", "m")  # MintPy writes m, the unit of the series
        if unit not in ("m", "m^2"):
            raise FileError(f"{path}: is in {unit!r}; a covariance in m^2 is needed")
        height, width = (int(size) for size in values.shape[-2:])
        tile = values.chunks[-2:] if values.chunks else (1, width)
        return _times(path, dates[:]), lead, tile, grid_of_attributes(path, (height, width), attrs)


def is_series(file: PathLike) -> bool:
    """Return whether a file is HDF5 with a time series of MintPy."""
    path = location(file)
    if path.suffix.lower() not in {".h5", ".he5", ".hdf5"} or not path.is_file():
        return False
    with opened(path) as file:
        return dataset(file, _SERIES) is not None or dataset(file, _HDF_EOS + "displacement") is not None


def _scan(
    path: Path,
) -> tuple[str, dict[str, str], np.ndarray, np.ndarray | None, tuple[int, int], tuple[int, int]]:
    """Scan the file: displacement dataset, attributes, dates, baselines or None, (rows, columns) of image and chunk."""
    with opened(path) as file:
        attrs = attributes_of(file)
        group, name = ("", _SERIES) if dataset(file, _HDF_EOS + "displacement") is None else (_HDF_EOS, "displacement")
        values, dates, bperp = (dataset(file, group + one) for one in (name, "date", "bperp"))
        if values is None or dates is None:
            kind = attrs.get("FILE_TYPE", "velocity" if "velocity" in file else "")
            what = f"is MintPy's {kind}, not a series: {_INSTEAD[kind]}" if kind in _INSTEAD else ""
            held = f"has no {_SERIES} and date, only {', '.join(file) or 'nothing'}"
            raise FileError(f"{path}: {what or held}; give MintPy's timeseries.h5")
        if values.ndim != 3 or dates.shape != values.shape[:1]:
            raise FileError(
                f"{path}: date is {dates.shape} and {_SERIES} {values.shape}; (time) and (time, y, x) needed"
            )
        if attrs.get("UNIT", "m") != "m":
            raise FileError(f"{path}: is in {attrs['UNIT']!r}; displacement in m is needed, write it so, with UNIT m")
        times = _times(path, dates[:])
        baseline = None if bperp is None or bperp.shape != dates.shape else bperp[:].astype(np.float64)
        shape = (int(values.shape[1]), int(values.shape[2]))
        return group + name, attrs, times, baseline, shape, values.chunks[1:] if values.chunks else (1, shape[1])


def _times(path: Path, dates: np.ndarray) -> np.ndarray:
    try:
        times = np.array([as_time(_text(date)) for date in dates], "datetime64[s]")
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    if len(np.unique(times)) < len(times):
        raise FileError(f"{path}: has a date twice; leave one of them out")
    return times


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _attributes(path: Path, attrs: dict[str, str], grid: Grid, times: np.ndarray) -> dict[str, object]:
    known: dict[str, object] = {"product": "mintpy", "sign": SIGN, "input_fingerprint": fingerprint([path])}
    known |= {"input_files": 1, **_corrections(path)}
    try:
        if "WAVELENGTH" in attrs:
            known["wavelength"] = float(attrs["WAVELENGTH"])
        reference = [int(float(attrs[name])) for name in ("REF_Y", "REF_X") if name in attrs]
        date = as_time(attrs["REF_DATE"]) if "REF_DATE" in attrs else times[0]
    except ValueError as error:
        raise FileError(f"{path}: WAVELENGTH, REF_Y, REF_X or REF_DATE cannot be read ({error}); repair it") from error
    known["reference_date"] = str(date)
    if len(reference) == 2 and all(0 <= at < size for at, size in zip(reference, grid.shape, strict=True)):
        row, col = reference
        known |= {"reference_row": row, "reference_col": col}
        known |= {"reference_y": float(grid.y[row]), "reference_x": float(grid.x[col])}
        position = grid.lonlat(row, col)
        known |= {} if position is None else {"reference_lon": position[0], "reference_lat": position[1]}
    return known


def _corrections(path: Path) -> dict[str, str]:
    """Corrections that MintPy has applied, by the name of the file: ``timeseries_SET_ERA5_ramp_demErr.h5``."""
    words = path.stem.split("_")
    found = {name: f"MintPy ({word})" for word in words for start, name in _SUFFIXES.items() if word.startswith(start)}
    return record({}, found) if found else {}


def _within(known: dict[str, object], window: Window) -> dict[str, object]:
    """Convert row and column of the reference to a window; drop them if it is outside, but keep its coordinates."""
    for name, part in zip(("reference_row", "reference_col"), window, strict=True):
        if name in known:
            known[name] = int(str(known[name])) - part.start
    inside = all(
        0 <= int(str(known.get(name, -1))) < part.stop - part.start
        for name, part in zip(("reference_row", "reference_col"), window, strict=True)
    )
    return known if inside else {k: v for k, v in known.items() if k not in ("reference_row", "reference_col")}


def _without_empty_pixels(displacement: xr.DataArray, reference: tuple[Any, Any]) -> xr.DataArray:
    """Set displacement to NaN at pixels that are 0 or NaN at every date, except the reference."""
    of_reference = [
        xr.DataArray(np.arange(displacement.sizes[dim]) == at, dims=dim)
        for dim, at in zip(("y", "x"), reference, strict=True)
    ]
    result: xr.DataArray = xr.apply_ufunc(
        _emptied, displacement, *of_reference, dask="parallelized", output_dtypes=[np.float32]
    )
    return result


def _emptied(displacement: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    # dates that were never written may already be NaN
    some = (np.nan_to_num(displacement, nan=0.0) != 0).any(axis=0)
    return np.where(some | (row & col), displacement, np.float32(np.nan))
