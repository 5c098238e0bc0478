"""Reader of MintPy's ifgramStack.h5, with its geometry file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from insarray.io.files import fingerprint, names
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, MapDecode, MaskDecode, PhaseDecode
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, opened
from insarray.io.pairs import by_pair, network_of_pairs, pair_file
from insarray.io.sidecars import sentinel1_looks
from insarray.io.source import Layer, Options, StackSource
from insarray.model.conventions import metres_per_radian
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

_STACK = "ifgramStack.h5"
_GEOMETRY = ("geometryGeo.h5", "geometryRadar.h5")
_PHASE = "unwrapPhase"
_HDF5 = {".h5", ".he5", ".hdf5"}
_COMPANIONS: dict[str, tuple[str, Decode]] = {
    "coherence": ("coherence", CoherenceDecode()),
    "connected_component_labels": ("connectComponent", ComponentDecode()),
}
_MAPS: dict[str, tuple[str, Decode]] = {
    "incidence_angle": ("incidenceAngle", MapDecode(0.0)),
    "slant_range": ("slantRangeDistance", MapDecode(0.0)),
    "height": ("height", MapDecode()),
    "water_mask": ("waterMask", MaskDecode()),
}


class MintpyReader:
    """Reader of phase in radians, positive away from the satellite; pairs with dropIfgram False are left out."""

    name = "mintpy"
    looks_for = f"{_STACK}, in the folder or in inputs/"
    options = frozenset({"variable", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a MintPy HDF5 file, by name or attributes, or a folder with its stack."""
        if not path.is_file():
            return _stack_in(path) is not None
        if path.suffix.lower() not in _HDF5:
            return False
        return path.name == _STACK or path.name in _GEOMETRY or _is_mintpy(path)

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read attributes, dates and baselines."""
        stack, geometry = _stack_and_geometry(paths)
        meta = _read_meta(stack, options.variable or _PHASE)
        kept = [k for k, keep in enumerate(meta.keep) if keep]
        if not kept:
            raise StackError(f"{stack}: dropIfgram leaves out every pair; set it to True for those to keep")
        files = [pair_file(stack / f"date[{k}]", *meta.dates[k]) for k in kept]
        pairs = by_pair(files)
        position = dict(zip((file.key for file in files), kept, strict=True))
        index = tuple(position[key] for key in pairs)
        grid = grid_of_attributes(stack, meta.shape, meta.attrs)
        layers: dict[str, Layer] = {}
        signs = tuple(-1.0 if file.swapped else 1.0 for file in pairs.values())
        companions = {name: known for name, known in _COMPANIONS.items() if known[0] in meta.tiles}
        labelled = "connected_component_labels" in companions
        decode = PhaseDecode(signs, None if labelled else 0.0)
        for name, (stored, how) in {"unwrapped_phase": (meta.phase, decode), **companions}.items():
            layers[name] = Hdf5Layer(
                str(stack), stored, index, grid.shape, meta.tiles[stored], how, fingerprint([stack], stored, index, how)
            )
        baselines, notes = _baselines(stack, meta, index, signs)
        return StackSource(
            network_of_pairs(pairs, baselines),
            grid,
            layers,
            (stack,) if geometry is None else (stack, geometry),
            labelled,
            options.wavelength or _wavelength(stack, meta.attrs),
            _attrs(stack, meta.attrs, grid),
            {} if geometry is None else _maps(geometry, grid),
            notes=notes,
        )


class AnyHdf5Reader(MintpyReader):
    """Reader of any other HDF5 file; its errors say what is missing compared with MintPy's stack."""

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an HDF5 file by its extension."""
        return path.suffix.lower() in _HDF5 and path.is_file()


# -- files ----------------------------------------------------------------------------------------------------------


def _is_mintpy(path: Path) -> bool:
    try:
        with opened(path) as file:
            return "FILE_TYPE" in file.attrs or {"date", _PHASE} <= set(file)
    except FileError:
        return False


def _stack_in(folder: Path) -> Path | None:
    candidates = (folder / _STACK, folder / "inputs" / _STACK)
    return next((path for path in candidates if path.is_file()), None)


def _stack_and_geometry(paths: list[Path]) -> tuple[Path, Path | None]:
    files = [found for path in paths if (found := _stack_in(path) if path.is_dir() else path) is not None]
    geometry = [path for path in files if path.name.lower().startswith("geometry")]
    stacks = [path for path in files if path not in geometry]
    if len(stacks) != 1 or len(geometry) > 1:
        raise FileError(f"files: the product mintpy is one {_STACK} (and one geometry file), not {names(paths)}")
    beside = [path for name in _GEOMETRY if (path := stacks[0].parent / name).is_file()]
    return stacks[0], next(iter(geometry or beside), None)


# -- metadata -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meta:
    attrs: dict[str, str]
    dates: list[tuple[np.datetime64, np.datetime64]]
    keep: np.ndarray
    bperp: np.ndarray | None
    phase: str
    shape: tuple[int, int]
    tiles: dict[str, tuple[int, int]]


def _read_meta(path: Path, phase: str) -> _Meta:
    with opened(path) as file:
        attrs = attributes_of(file)
        listed, unwrapped = _required(file, "date"), _required(file, phase)
        if listed.ndim != 2 or listed.shape[1] != 2 or unwrapped.ndim != 3 or len(unwrapped) != len(listed):
            raise FileError(
                f"{path}: date is {listed.shape} and {phase} {unwrapped.shape}; (pair, 2) and (pair, y, x) needed"
            )
        tiles = {}
        for name in (phase, *(stored for stored, _ in _COMPANIONS.values())):
            source = dataset(file, name)
            if source is not None:
                if source.shape != unwrapped.shape:
                    raise StackError(f"{path}: {name} is {source.shape}, {phase} {unwrapped.shape}; make them alike")
                tiles[name] = source.chunks[1:] if source.chunks else (1, source.shape[2])
        keep, bperp = dataset(file, "dropIfgram"), dataset(file, "bperp")
        if keep is not None and keep.shape != listed.shape[:1]:
            raise FileError(f"{path}: dropIfgram has {keep.shape} values for {len(listed)} pairs; repair it")
        return _Meta(
            attrs,
            [_dates(path, row) for row in listed[:]],
            np.ones(len(listed), bool) if keep is None else keep[:].astype(bool),  # True means keep, despite the name
            None if bperp is None else bperp[:].astype(np.float64),
            phase,
            unwrapped.shape[1:],
            tiles,
        )


def _required(file: Any, name: str) -> Any:
    found = dataset(file, name)
    if found is None:
        raise FileError(
            f"{file.filename}: has no dataset {name!r}, only {', '.join(file) or 'nothing'}; "
            f"give MintPy's {_STACK}, or the phase to use with variable="
        )
    return found


def attributes_of(file: Any) -> dict[str, str]:
    """Return the attributes of the file as text."""
    return {str(name): _text(value) for name, value in file.attrs.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _dates(path: Path, row: np.ndarray) -> tuple[np.datetime64, np.datetime64]:
    try:
        first, second = (as_time(_text(value)) for value in row)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    return first, second


def _baselines(
    path: Path, meta: _Meta, index: tuple[int, ...], signs: tuple[float, ...]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the baselines of the pairs, or None with a note if some are no numbers."""
    if meta.bperp is None or meta.bperp.shape != meta.keep.shape:
        return None, ()
    values = np.asarray(meta.bperp[list(index)] * np.asarray(signs))
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        return None, (
            f"no perpendicular baselines: bperp of {path.name} is no number for {unknown} of {values.size} pairs",
        )
    return values, ()


def _number(path: Path, attrs: dict[str, str], name: str) -> float | None:
    """Return an attribute as a number, None if missing."""
    if name not in attrs:
        return None
    try:
        return float(attrs[name])
    except ValueError:
        raise FileError(f"{path}: the attribute {name} is {attrs[name]!r}, a number is needed; repair it") from None


def _wavelength(path: Path, attrs: dict[str, str]) -> float | None:
    value = _number(path, attrs, "WAVELENGTH")
    if value is None:
        return None
    try:
        metres_per_radian(value)
    except ArgumentError as error:
        raise StackError(f"{path}: WAVELENGTH {value} is not a radar's in metres; give wavelength=") from error
    return value


def _attrs(path: Path, attrs: dict[str, str], grid: Grid) -> dict[str, object]:
    known: dict[str, object] = {"source_sign": "away", "source_units": "radian"}
    looks = _number(path, attrs, "NCORRLOOKS")
    azimuth, across = _number(path, attrs, "ALOOKS"), _number(path, attrs, "RLOOKS")
    if looks is None and azimuth is not None and across is not None:
        looks = sentinel1_looks(across, azimuth)
    if looks is not None:
        known["looks"] = looks
    row, col = (_number(path, attrs, name) for name in ("REF_Y", "REF_X"))
    if row is not None and col is not None:
        known |= {"mintpy_reference_row": int(row), "mintpy_reference_col": int(col)}
        if 0 <= row < grid.height and 0 <= col < grid.width:
            # MintPy subtracts this pixel when it inverts; the phase of the stack is not 0 there
            known["chosen_reference"] = [float(grid.y[int(row)]), float(grid.x[int(col)])]
    return known


def grid_of_attributes(path: Path, shape: tuple[int, int], attrs: dict[str, str]) -> Grid:
    """Return the grid from the upper-left corner (X_FIRST, Y_FIRST) and steps; radar coordinates without them."""
    left, top, dx, dy = (_number(path, attrs, name) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    if left is None or top is None or dx is None or dy is None:
        return Grid(*shape)
    try:
        return Grid(*shape, left, top, dx, dy, _crs(path, attrs)).turn_towards(0.0)
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


def _crs(path: Path, attrs: dict[str, str]) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    zone = re.fullmatch(r"(\d{1,2})\s*([NS])", attrs.get("UTM_ZONE", "").strip().upper())
    if attrs.get("EPSG"):
        name = attrs["EPSG"].upper().removeprefix("EPSG:")
    elif zone:
        name = str((32600 if zone[2] == "N" else 32700) + int(zone[1]))
    elif attrs.get("X_UNIT", "degrees").lower().startswith("deg"):
        name = "4326"
    else:
        raise FileError(f"{path}: has X_FIRST in {attrs['X_UNIT']} but neither EPSG nor UTM_ZONE; add one of them")
    try:
        return str(CRS.from_epsg(name).to_wkt())
    except CRSError as error:
        raise FileError(f"{path}: EPSG {name!r} is not a coordinate reference system") from error


def _maps(path: Path, grid: Grid) -> dict[str, Layer]:
    maps: dict[str, Layer] = {}
    with opened(path) as file:
        for name, (stored, decode) in _MAPS.items():
            source = dataset(file, stored)
            if source is None:
                continue
            if source.shape != grid.shape:
                raise StackError(
                    f"{path}: {stored} is {source.shape} pixels, the stack {grid.shape}; give its own geometry"
                )
            tile = source.chunks or (1, grid.width)
            maps[name] = Hdf5Layer(
                str(path), stored, (0,), grid.shape, tile, decode, fingerprint([path], stored, decode)
            )
    return maps
