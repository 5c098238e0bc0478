"""Helpers of readers for products with one HDF5 or NetCDF-4 file per pair: names, grids, layers, baselines."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, name_of, names
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, PhaseDecode
from insarray.io.layers.extents import Common
from insarray.io.layers.hdf5 import dataset
from insarray.io.layers.hdf5_files import Hdf5FilesLayer, hdf5_files_layer
from insarray.io.pairs import Key, network_of_pairs
from insarray.io.source import Options
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

_REGULAR = 1e-3  # pixels
_RADIANS = {"", "1", "rad", "radian", "radians"}


def products_in(path: Path, pattern: re.Pattern[str], glob: str) -> list[Path]:
    """Return a file whose name matches the pattern, or all such files in a folder and its subfolders, sorted."""
    if pattern.match(path.name):
        return [path]
    return sorted(found for found in below(path, glob) if pattern.match(found.name)) if path.is_dir() else []


def matched(path: Path, pattern: re.Pattern[str], product: str) -> re.Match[str]:
    """Return the match of a file name; raise FileError if it is not named like the product."""
    match = pattern.match(path.name)
    if match is None:
        raise FileError(f"{path}: is not named like a product of {product}; give it its name again")
    return match


def text(value: Any) -> str:
    """Return text that HDF5 stores as bytes or str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def number(file: Any, name: str) -> float | None:
    """Return the number in a dataset of one element; None if there is no such dataset."""
    found = dataset(file, name)
    if found is None or found.size != 1 or found.dtype.kind not in "iuf":
        return None
    return float(np.asarray(found[()]).ravel()[0])


def fill_value(found: Any) -> float | None:
    """Return `_FillValue` or `missing_value` of a dataset; None if there is none but NaN.

    Raises
    ------
    FileError
        If its values are packed: no product has that, and they would be read as they are stored.
    """
    for name, neutral in (("scale_factor", 1.0), ("add_offset", 0.0)):
        stored = _attribute(found, name)
        if stored is not None and stored != neutral:
            raise FileError(f"{found.file.filename}: {found.name} has {name} {stored:g}; write its values without it")
    values = (_attribute(found, name) for name in ("_FillValue", "missing_value"))
    return next((value for value in values if value is not None and np.isfinite(value)), None)


def _attribute(found: Any, name: str) -> float | None:
    stored = found.attrs.get(name)
    return None if stored is None else float(np.asarray(stored).ravel()[0])


def require_radians(found: Any) -> None:
    """Raise FileError if a dataset of phases says that it has another unit."""
    said = text(found.attrs.get("units", "")).strip().lower()
    if said not in _RADIANS:
        raise FileError(
            f"{found.file.filename}: {found.name} is in {said!r}, not in radians; give the product as distributed"
        )


def grid_of_centres(file: Any, x: Any, y: Any, crs: str) -> Grid:
    """Return the grid of two coordinate datasets of pixel centres.

    Raises
    ------
    FileError
        If they are missing, have fewer than two elements, or are not evenly spaced.
    """
    if x is None or y is None or x.ndim != 1 or y.ndim != 1 or min(x.size, y.size) < 2:
        raise FileError(f"{file.filename}: has no coordinates of its pixels; download it again")
    origin, step = [], []
    for axis in (np.asarray(x[:], np.float64), np.asarray(y[:], np.float64)):
        size = (axis[-1] - axis[0]) / (len(axis) - 1)
        if not np.isfinite(size) or size == 0 or np.abs(np.diff(axis) / size - 1).max() > _REGULAR * len(axis):
            raise FileError(f"{file.filename}: its coordinates are not in equal steps; download it again")
        origin.append(float(axis[0] - size / 2))
        step.append(float(size))
    return Grid(y.size, x.size, origin[0], origin[1], step[0], step[1], crs).turn_towards(0.0)


def radar_wavelength(file: Any, name: str, value: float | None) -> float:
    """Check the wavelength (m) read from the dataset `name` and return it.

    Raises
    ------
    FileError
        If it is missing or not that of a radar.
    """
    if value is None:
        raise FileError(f"{file.filename}: has no {name}; download it again")
    try:
        metres_per_radian(value)
    except ArgumentError as error:
        raise FileError(f"{file.filename}: {name} gives a wavelength of {value} m, which is not plausible") from error
    return value


def same_wavelength(wavelengths: Sequence[float], paths: Sequence[str]) -> float:
    """Return the common wavelength of all files; raise StackError naming two that differ."""
    for value, path in zip(wavelengths, paths, strict=True):
        if abs(value - wavelengths[0]) > 1e-6:
            raise StackError(
                f"wavelength: {wavelengths[0]:.7g} m in {name_of(paths[0])} but {value:.7g} m in {name_of(path)}; "
                "give products of one sensor"
            )
    return wavelengths[0]


def same_fill(fills: Sequence[float | None], paths: Sequence[str], layer: str) -> float | None:
    """Return the common fill value of a layer; raise StackError naming two files that differ."""
    known = [(fill, path) for fill, path in zip(fills, paths, strict=True) if fill is not None]
    for fill, path in known:
        if fill != known[0][0]:
            raise StackError(
                f"{layer}: the fill value is {known[0][0]:g} in {name_of(known[0][1])} but {fill:g} in {name_of(path)}; "
                "give products of one version"
            )
    return known[0][0] if known else None


@dataclass(frozen=True)
class Stored:
    """Location of the layers of a stack in its products; phase in radians, coherence as fraction.

    Parameters
    ----------
    group
        Group of all layers, with a trailing slash.
    names
        Datasets by canonical name.
    tile
        (rows, columns) of a chunk.
    fills
        For each product, the fill value of each dataset that it has.
    """

    group: str
    names: dict[str, str]
    tile: tuple[int, int]
    fills: Sequence[dict[str, float | None]]

    def layers(
        self, paths: Sequence[str], common: Common, signs: Sequence[float]
    ) -> tuple[dict[str, Hdf5FilesLayer], bool]:
        """Return the layers that all products have.

        Parameters
        ----------
        paths
            Paths of the products.
        common
            Their places on the grid.
        signs
            Sign of the phase of each.

        Returns
        -------
        layers
            Layers by canonical name.
        zero_is_nodata
            Whether a phase of 0 is no-data unless coherence and components indicate data.
        """
        there = {name: one for name, one in self.names.items() if all(one in fills for fills in self.fills)}
        fill = {name: same_fill([fills[one] for fills in self.fills], paths, one) for name, one in there.items()}
        zero_is_nodata = fill["unwrapped_phase"] == 0 and len(there) > 1
        decoders: dict[str, Decode] = {
            "unwrapped_phase": PhaseDecode(tuple(signs), None if zero_is_nodata else fill["unwrapped_phase"]),
            "coherence": CoherenceDecode(fill.get("coherence")),
            "connected_component_labels": ComponentDecode(fill.get("connected_component_labels")),
        }
        return {
            name: hdf5_files_layer(paths, self.group + one, common, self.tile, decoders[name])
            for name, one in there.items()
        }, zero_is_nodata


def left_out(
    layers: Mapping[str, str], fills: Sequence[dict[str, float | None]], paths: Sequence[str]
) -> tuple[str, ...]:
    """Return a note on each layer that only some of the products have, which is therefore left out.

    Parameters
    ----------
    layers
        Datasets by canonical name.
    fills
        For each product, the fill value of each dataset that it has.
    paths
        Paths of the products.
    """
    lacking = {name: [p for p, has in zip(paths, fills, strict=True) if one not in has] for name, one in layers.items()}
    return tuple(
        f"{name} is left out: {len(some)} of {len(paths)} products have none ({names(some)})"
        for name, some in lacking.items()
        if 0 < len(some) < len(paths)
    )


def covering(common: Common) -> int | None:
    """Return the index of the first file that covers the grid, or None."""
    height, width = common.grid.shape
    whole = slice(0, height), slice(0, width)
    for index, place in enumerate(common.places):
        overlap = None if place is None else place.overlap(*whole)
        if overlap is not None and overlap[1] == whole:
            return index
    return None


def pair_baselines(
    options: Options, pairs: Sequence[Key], found: Sequence[float | None], paths: Sequence[str]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the baselines (m) of the pairs: from the given table, else from the products if all have one.

    Returns
    -------
    baselines
        In the order of `pairs`; None if unknown.
    notes
        Which products lack one.
    """
    table = given_baselines(options)
    if table is not None:
        return table.of_pairs(network_of_pairs(pairs, None)).values, ()
    missing = [path for path, value in zip(paths, found, strict=True) if value is None]
    if missing:
        return None, (
            f"perpendicular baselines are left out: {len(missing)} of {len(paths)} products have none ({names(missing)})",
        )
    return np.array(found, np.float64), ()


def require_one_track(tracks: Sequence[str], paths: Sequence[str | Path]) -> None:
    """Raise StackError naming two files that are not of the same track."""
    for track, path in zip(tracks, paths, strict=True):
        if track != tracks[0]:
            raise StackError(
                f"files: {name_of(paths[0])} is of track {tracks[0]}, {name_of(path)} of track {track}; "
                "give the files of one track"
            )


def refuse_frames(pair: str, paths: Sequence[str | Path], remedy: str) -> NoReturn:
    """Raise StackError for a pair with several granules along the track."""
    raise StackError(
        f"pair {pair}: has {len(paths)} granules along the track ({names(paths)}), which are not stitched; "
        f"give the files of one frame, {remedy}"
    )
