"""Scan wrapped phase in rasters: single-reference interferograms (complex or radian), or co-registered SLCs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from insarray.io.files import below, names
from insarray.io.layers.decode import CoherenceDecode, Decode, MapDecode, WrappedPhaseDecode, per_file
from insarray.io.layers.epochs import DifferenceLayer, EpochLayer, WrappedOptions, WrappedSource, single_reference
from insarray.io.layers.headers import Header, common_grid, members_of, raster_layer, read_headers
from insarray.io.layers.maps import whole_map_layer
from insarray.io.layers.said import with_given
from insarray.io.locations import location
from insarray.io.pairs import pair_file_from_name, require_pattern
from insarray.io.readers.generic import wavelength_of
from insarray.io.source import Layer, Sign
from insarray.model.dates import date_from_name, date_label
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid

MAPS = ("temporal_coherence", "amplitude_dispersion", "average_coherence")
"""Static layers, each in `<name>.tif` of the folder if it exists."""

_INTERFEROGRAM = re.compile(r"\.int\.(tif|vrt)$")
_SLC = re.compile(r"\.slc\.(tif|vrt)$")
_RADIAN = {"", "rad", "rads", "radian", "radians"}


@dataclass(frozen=True)
class Found:
    """Rasters of a wrapped stack, and the static maps in their folder."""

    paths: Sequence[Path]
    slc: bool
    map_files: dict[str, Path] = field(default_factory=dict)


def scan_rasters(paths: Sequence[Path], options: WrappedOptions) -> tuple[str, WrappedSource]:
    """Scan rasters; return their kind (``"interferograms"`` or ``"slc"``) and the source. No pixels are read.

    Raises
    ------
    ArgumentError
        If an option does not apply, or a name has no valid dates.
    FileError
        If a file is unreadable or holds no phase.
    StackError
        If the files do not belong together.
    """
    options.refuse({"variable"}, "rasters")
    found = _find(paths, options.dates)
    return ("slc", _slcs(found, options)) if found.slc else ("interferograms", _interferograms(found, options))


def _find(paths: Sequence[Path], dates: str | None) -> Found:
    folder = next((path for path in paths if path.is_dir()), None)
    if folder is None:
        one_date = dates is not None and re.compile(dates).groups == 1
        return Found(paths, one_date or all(_SLC.search(path.name) for path in paths))
    if len(paths) > 1:
        raise FileError(f"files: {names(paths)} are several, one of them a folder; give one folder, or files")
    inside = sorted(below(folder, deep=False))
    interferograms = [path for path in inside if _INTERFEROGRAM.search(path.name)]
    slcs = [path for path in inside if _SLC.search(path.name)]
    if interferograms and slcs:
        raise FileError(f"{folder}: holds both *.int.tif and *.slc.tif; give a pattern of those to read")
    if not interferograms and not slcs:
        raise FileError(f"{folder}: holds no *.int.tif, no *.slc.tif, and is no Zarr store; give another or a pattern")
    maps = {name: path for name in MAPS if (path := folder / f"{name}.tif").is_file()}
    return Found(interferograms or slcs, not interferograms, maps)


def _interferograms(found: Found, options: WrappedOptions) -> WrappedSource:
    require_pattern(options.dates)
    files = [pair_file_from_name(path, options.dates) for path in found.paths]
    epochs = single_reference(files)
    headers = _headers([files[k].path for k in epochs.order])
    phase = EpochLayer(_layer(headers, options, "away", epochs.signs), epochs.reference)
    return _source(epochs.times, epochs.reference, headers, phase, found, options, "away")


def _slcs(found: Found, options: WrappedOptions) -> WrappedSource:
    dated = sorted(((date_from_name(path.name, options.dates), path) for path in found.paths), key=lambda item: item[0])
    for (time, path), (following, other) in pairwise(dated):
        if time == following:
            raise StackError(f"{date_label(time)}: both {path} and {other}; keep one of them")
    if len(dated) < 2:
        raise StackError(f"{found.paths[0]}: is the only date; a wrapped stack needs at least two")
    headers = _headers([path for _, path in dated])
    real = next((header for header in headers if not header.dtype.startswith("complex")), None)
    if real is not None:
        raise FileError(f"{real.file.path}: holds {real.dtype}; an SLC is complex")
    # the phase of an SLC is -4 pi / wavelength times the range: it increases toward the satellite
    phase = EpochLayer(DifferenceLayer(_layer(headers, options, "toward", [1.0] * len(headers))), 0)
    times = np.array([time for time, _ in dated], "datetime64[s]")
    return _source(times, 0, headers, phase, found, options, "toward")


def _headers(paths: Sequence[Path]) -> list[Header]:
    """Read the headers of rasters of phase."""
    headers = read_headers(paths, allow_complex=True)
    for header in headers:
        path = header.file.path
        if not header.dtype.startswith(("complex", "float")):
            raise FileError(f"{path}: holds {header.dtype}; wrapped phase is complex, or radians as floats")
        if header.units not in _RADIAN:
            raise FileError(f"{path}: its unit tag says {header.units!r}; turn the phase into radians")
        if header.scale != 1:
            raise FileError(f"{path}: has a scale of {header.scale}; write the values without it")
    return headers


def _layer(headers: Sequence[Header], options: WrappedOptions, usual: Sign, signs: Sequence[float]) -> Layer:
    away = 1.0 if (options.sign or usual) == "away" else -1.0
    decoders = [
        WrappedPhaseDecode((away * sign,), with_given(header.nodata, options.nodata))
        for header, sign in zip(headers, signs, strict=True)
    ]
    return raster_layer(headers, per_file(decoders))


def _source(
    times: np.ndarray,
    reference: int,
    headers: Sequence[Header],
    phase: Layer,
    found: Found,
    options: WrappedOptions,
    usual: Sign,
) -> WrappedSource:
    return WrappedSource(
        times,
        reference,
        common_grid(headers).grid,
        phase,
        {},
        tuple(location(header.file.path) for header in headers),
        found.map_files,
        tuple(member for header in headers for member in members_of(header)),
        wavelength_of(headers, options.wavelength),
        attrs={"source_sign": options.sign or usual},
    )


def map_layer(name: str, path: Path, grid: Grid) -> tuple[Layer, list[str]]:
    """Return the layer of a static map in a raster, and the files that it consists of.

    Raises
    ------
    FileError
        If it cannot be read, or is scaled.
    StackError
        If it is not on `grid`.
    """
    (header,) = read_headers([path])
    decode: Decode = CoherenceDecode(header.nodata, header.scale)
    if name == "amplitude_dispersion":
        if header.scale != 1:
            raise FileError(f"{path}: has a scale of {header.scale}; write the values without it")
        decode = MapDecode(header.nodata)
    return whole_map_layer(header, grid, decode, f"{name}: {path}"), members_of(header)
