"""Scan wrapped phase in a single file: HDF5 with dates, or the data model of insarray in NetCDF or Zarr."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.io.files import fingerprint
from insarray.io.layers.decode import CoherenceDecode, Decode, MapDecode, WrappedPhaseDecode
from insarray.io.layers.epochs import EpochLayer, WrappedOptions, WrappedSource, single_reference
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, dataset_names, opened
from insarray.io.pairs import PairFile, pair_file
from insarray.io.readers.stored import open_stored, stored_layer
from insarray.io.wrapped.files import MAPS
from insarray.model.dataset import grid_of
from insarray.model.dates import as_time, date_index
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError
from insarray.model.grid import Grid

_HDF5_NAMES = {"average_coherence": ("average_coherence", "avg_correlation")}
_NEEDED = ("wrapped_phase", "time")


def scan_hdf5(path: Path, options: WrappedOptions) -> WrappedSource:
    """Scan an HDF5 file: (interferogram, row, col), its dates in `reference` and `secondary`, and maps.

    Raises
    ------
    ArgumentError
        If an option does not apply.
    FileError
        If the file cannot be read, or lacks one of these.
    StackError
        If the interferograms have no common date.
    """
    options.refuse({"dates"}, "HDF5, which has its dates in reference and secondary")
    with opened(path) as file:
        ends = [_dates(path, file, name) for name in ("reference", "secondary")]
        if len(ends[0]) != len(ends[1]):
            raise FileError(f"{path}: has {len(ends[0])} reference and {len(ends[1])} secondary dates; repair the file")
        phase = _phase(path, file, options.variable, len(ends[0]))
        epochs = single_reference(_pairs(f"{path}/{phase.name.strip('/')}", ends))
        away = 1.0 if options.sign in (None, "away") else -1.0
        decode = WrappedPhaseDecode(tuple(away * sign for sign in epochs.signs), options.nodata)
        maps = {name: found for name in MAPS if (found := _map(path, file, name, phase.shape[1:])) is not None}
        layer = _layer(path, phase, epochs.order, decode)
        static = {
            name: _layer(path, found, (0,), MapDecode() if name == "amplitude_dispersion" else CoherenceDecode())
            for name, found in maps.items()
        }
    return WrappedSource(
        epochs.times,
        epochs.reference,
        Grid(*layer.grid_shape),
        EpochLayer(layer, epochs.reference),
        dict(static),
        (path,),
        wavelength=options.wavelength,
        attrs={"source_sign": options.sign or "away"},
    )


def _dates(path: Path, file: Any, name: str) -> list[np.datetime64]:
    found = dataset(file, name)
    if found is None or found.ndim != 1:
        raise FileError(f"{path}: has no list {name}; a wrapped stack needs the dates in reference and secondary")
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in found[:]]
    try:
        return [as_time(text) for text in texts]
    except ArgumentError as error:
        raise FileError(f"{path}/{name}: {error}") from error


def _pairs(name: str, ends: list[list[np.datetime64]]) -> list[PairFile]:
    return [pair_file(Path(f"{name}[{k}]"), *pair) for k, pair in enumerate(zip(*ends, strict=True))]


def _phase(path: Path, file: Any, variable: str | None, count: int) -> Any:
    """Return the dataset named `variable`, or the only one with a plane for each pair of dates."""
    if variable is not None and variable not in file:
        raise FileError(f"{path}: has no dataset {variable!r}; it holds {', '.join(file)}")
    candidates = [variable] if variable is not None else dataset_names(file, 3)
    if len(candidates) != 1:
        listed = ", ".join(candidates) or "none"
        raise FileError(f"{path}: needs one dataset (interferogram, row, col), found {listed}; name it with variable=")
    phase: Any = dataset(file, candidates[0])
    if phase.ndim != 3 or phase.shape[0] != count or phase.dtype.kind not in "cf":
        raise FileError(
            f"{path}/{phase.name.strip('/')}: is {phase.dtype} of shape {phase.shape}; wrapped phase is complex, or "
            f"radians as floats, of shape ({count}, row, col) as there are {count} pairs of dates"
        )
    return phase


def _map(path: Path, file: Any, name: str, shape: tuple[int, int]) -> Any | None:
    """Return the dataset of a static map, or None."""
    datasets = (dataset(file, known) for known in _HDF5_NAMES.get(name, (name,)))
    found = next((data for data in datasets if data is not None), None)
    if found is not None and found.shape != shape:
        raise StackError(f"{path}: {name} has the shape {found.shape}, the phase {shape}; bring them to one grid")
    return found


def _layer(path: Path, data: Any, index: tuple[int, ...], decode: Decode) -> Hdf5Layer:
    shape = data.shape[-2:]
    tile = data.chunks[-2:] if data.chunks else (1, shape[1])
    name = data.name.strip("/")
    return Hdf5Layer(str(path), name, index, shape, tile, decode, fingerprint([path], name, index, decode))


# -- data model of insarray -----------------------------------------------------------------------------------------


def scan_stored(path: Path, options: WrappedOptions) -> WrappedSource:
    """Scan a wrapped stack in NetCDF or Zarr.

    Raises
    ------
    ArgumentError
        If an option does not apply.
    FileError
        If it cannot be read, or has no `wrapped_phase` and `time`.
    StackError
        If its dates or coordinates are not those of a wrapped stack.
    """
    options.refuse({"sign", "nodata", "dates", "variable"}, "a stack in insarray's own terms")
    stored = open_stored(path)
    missing = [name for name in _NEEDED if name not in stored.variables]
    if missing:
        held = ", ".join(map(str, stored.variables))
        raise FileError(f"{path}: has no {', '.join(missing)}; it holds {held}")
    times = stored["time"].values
    if times.dtype.kind != "M" or np.isnat(times).any() or not (np.diff(times) > np.timedelta64(0, "ns")).all():
        raise StackError(f"{path}: its times do not ascend; write each date once, in order")
    times = times.astype("datetime64[s]")
    try:
        grid, reference = grid_of(stored), date_index(times, stored.attrs.get("reference_date", times[0]))
    except InsarrayError as error:
        raise StackError(f"{path}: {error}") from error
    decoders: dict[str, Decode] = {name: CoherenceDecode() for name in MAPS} | {"amplitude_dispersion": MapDecode()}
    baseline = stored.variables.get("perpendicular_baseline")
    wavelength = options.wavelength or stored.attrs.get("wavelength")
    return WrappedSource(
        times,
        reference,
        grid,
        stored_layer(path, stored["wrapped_phase"], WrappedPhaseDecode((1.0,) * len(times))),
        {name: stored_layer(path, stored[name], decode) for name, decode in decoders.items() if name in stored},
        (path,),
        wavelength=None if wavelength is None else float(wavelength),
        baseline=None if baseline is None or baseline.dims != ("time",) else xr.DataArray(baseline.compute()),
        attrs={name: stored.attrs[name] for name in ("source_sign",) if name in stored.attrs},
    )
