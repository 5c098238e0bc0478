"""Reader of OPERA DISP-S1 and DISP-NISAR: one NetCDF file per pair, displacement in m, positive toward."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from insarray.io.files import fingerprint, names
from insarray.io.layers.corrections import lacks, wanted
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, MaskDecode, PhaseDecode, per_file
from insarray.io.layers.extents import reconcile
from insarray.io.layers.granules import (
    fill_value,
    grid_of_centres,
    left_out,
    matched,
    number,
    pair_baselines,
    products_in,
    radar_wavelength,
    same_wavelength,
    text,
)
from insarray.io.layers.hdf5 import Hdf5Layer, dataset, opened
from insarray.io.layers.hdf5_files import hdf5_files_layer
from insarray.io.layers.reference import kept_reference
from insarray.io.pairs import PairFile, by_pair, network_of_pairs, newest, one_time_per_pass, pair_file
from insarray.io.source import Layer, Options, StackSource
from insarray.model.conventions import metres_per_radian
from insarray.model.corrections import record
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

_NAME = re.compile(
    r"OPERA_L3_DISP-(?P<mission>S1|NI)_.*_(?P<reference>\d{8}T\d{6})Z_(?P<secondary>\d{8}T\d{6})Z"
    r"_(?P<version>v[\d.]+)_(?P<made>\d{8}T\d{6})Z.*\.nc$"
)
_DISPLACEMENT = "displacement"
_COMPANIONS: dict[str, tuple[str, Callable[[float | None], Decode]]] = {
    "coherence": ("temporal_coherence", CoherenceDecode),
    "connected_component_labels": ("connected_component_labels", ComponentDecode),
}
# Apparent displacement toward the satellite, "subtract from /displacement to apply as a correction": opera-adt/disp-s1,
# src/disp_s1/product.py (_create_corrections_group); the mask, 1 = good: src/disp_s1/product_info.py
_CORRECTIONS = {"ionosphere": "corrections/ionospheric_delay", "solid_earth_tide": "corrections/solid_earth_tide"}
# "None" in opera-adt/disp-s1, src/disp_s1/product.py (_create_metadata_group)
_APPLIED = {
    "troposphere": "metadata/ceos_atmospheric_phase_correction",
    "ionosphere": "metadata/ceos_ionospheric_phase_correction",
}
_MASK = "recommended_mask"
_METRES = ("m", "meters", "metres")
_BASELINE = "corrections/perpendicular_baseline"
_REFERENCE = "corrections/reference_point"
_WAVELENGTH = "identification/radar_wavelength"
_WATER = "water_mask"


class OperaDispReader:
    """Reader that treats every product as a pair, so that moving reference dates need no special treatment.

    The coherence is the temporal coherence of the phase linking. Perpendicular baselines are those at the centre of the
    frame. The product gives them the sign of ((target - reference) x (secondary - reference)) . velocity, which is
    opposite to ours for the right-looking Sentinel-1, and ours for the left-looking NISAR.
    """

    name = "opera-disp"
    looks_for = "OPERA_L3_DISP-S1_*.nc or OPERA_L3_DISP-NI_*.nc"
    options = frozenset({"baselines", "extent", "layers", "variable"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a product, or a folder with products in it or below."""
        return bool(_products(path))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read the metadata of all products."""
        variable = options.variable or _DISPLACEMENT
        found = [product for path in paths for product in _products(path)]
        if not found:
            raise FileError(f"files: no OPERA_L3_DISP-*.nc in {names(paths)}")
        kept, notes = newest([_pair(path) for path in found], _version)
        (timed,) = one_time_per_pass([kept])
        pairs = by_pair(timed)
        files = [str(file.path) for file in pairs.values()]
        metas = [_read(path, variable) for path in files]
        wavelength = same_wavelength([meta.wavelength for meta in metas], files)
        common = reconcile([meta.grid for meta in metas], files, options.extent, resample=None)
        factor = 1.0 / metres_per_radian(wavelength)
        signs = [-1.0 if file.swapped else 1.0 for file in pairs.values()]
        factors = [factor * sign for sign in signs]
        decoders: dict[str, tuple[str, Decode]] = {
            "unwrapped_phase": (variable, _phase(factors, [meta.fills[variable] for meta in metas])),
            **{
                name: (stored, per_file([decode(meta.fills[stored]) for meta in metas]))
                for name, (stored, decode) in _COMPANIONS.items()
                if all(stored in meta.fills for meta in metas)
            },
        }
        decoders |= _further(options, files, factors)
        found_baselines = [
            None if meta.baseline is None else sign * meta.baseline for meta, sign in zip(metas, signs, strict=True)
        ]
        reference, referenced = _kept(metas)
        baselines, why = pair_baselines(options, list(pairs), found_baselines, files)
        return StackSource(
            network_of_pairs(pairs, baselines),
            common.grid,
            {
                name: hdf5_files_layer(files, stored, common, metas[0].tile, decode)
                for name, (stored, decode) in decoders.items()
            },
            tuple(file.path for file in pairs.values()),
            wavelength=wavelength,
            attrs={"source_sign": "toward", "source_units": "metre", **reference, **_applied(files)},
            maps=_water(metas, files, common.grid),
            notes=(*notes, *_lacking(metas, files), *why, *common.notes, *referenced),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _products(path: Path) -> list[Path]:
    return products_in(path, _NAME, "OPERA_L3_DISP-*.nc")


def _match(path: Path) -> re.Match[str]:
    return matched(path, _NAME, "OPERA DISP")


def _pair(path: Path) -> PairFile:
    match = _match(path)
    try:
        return pair_file(path, as_time(match["reference"]), as_time(match["secondary"]))
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


def _version(path: Path) -> str:
    """Return version and production time, of which the latest product of a pair is used."""
    match = _match(path)
    numbers = ".".join(f"{int(part):04d}" for part in match["version"][1:].split(".") if part)
    return f"{numbers} {match['made']}"


# -- metadata -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meta:
    path: str
    grid: Grid
    tile: tuple[int, int]
    fills: dict[str, float | None]
    wavelength: float
    baseline: float | None
    reference: tuple[int, int] | None


def _read(path: str, variable: str) -> _Meta:
    with opened(path) as file:
        displacement = dataset(file, variable)
        if displacement is None or displacement.ndim != 2:
            raise FileError(f"{path}: has no map {variable!r}, only {', '.join(file) or 'nothing'}; download it again")
        units = text(displacement.attrs.get("units", "meters"))
        if units not in _METRES:
            raise FileError(f"{path}: {variable} is in {units!r}, metres are needed; is it an OPERA product?")
        known = {
            name: dataset(file, name) for name in (variable, _WATER, *(stored for stored, _ in _COMPANIONS.values()))
        }
        return _Meta(
            path,
            _grid(file, displacement.shape),
            displacement.chunks or (1, displacement.shape[1]),
            {name: fill_value(found) for name, found in known.items() if found and found.shape == displacement.shape},
            radar_wavelength(file, _WAVELENGTH, number(file, _WAVELENGTH)),
            _baseline(file, path),
            _reference(file),
        )


def _grid(file: Any, shape: tuple[int, int]) -> Grid:
    """Return the grid of the pixel centres, with the CRS of `spatial_ref`."""
    reference = dataset(file, "spatial_ref")
    crs = None if reference is None else reference.attrs.get("crs_wkt", reference.attrs.get("spatial_ref"))
    if crs is None:
        raise FileError(f"{file.filename}: has no spatial_ref with its CRS; download it again")
    grid = grid_of_centres(file, dataset(file, "x"), dataset(file, "y"), text(crs))
    if grid.shape != shape:
        raise FileError(f"{file.filename}: has x and y that do not fit its map; download it again")
    return grid


def _baseline(file: Any, path: str) -> float | None:
    """Return the baseline at the centre of the frame in our sign; None if there is none (the product has zeros)."""
    found = dataset(file, _BASELINE)
    if found is None or found.ndim != 2:
        return None
    value = float(found[found.shape[0] // 2, found.shape[1] // 2])
    looks_left = _match(Path(path))["mission"] == "NI"
    return None if not np.isfinite(value) or value == 0 else value if looks_left else -value


def _reference(file: Any) -> tuple[int, int] | None:
    """Return row and column of the pixel where the phase was set to 0; None unless there is exactly one."""
    found = dataset(file, _REFERENCE)
    rows, cols = (np.asarray([] if found is None else found.attrs.get(name, [])).ravel() for name in ("rows", "cols"))
    return (int(rows[0]), int(cols[0])) if rows.size == cols.size == 1 else None


def _kept(metas: list[_Meta]) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the reference that all products share, if their pixels are the same."""
    where, first = metas[0].reference, metas[0].grid
    if where is None or any(meta.reference != where or meta.grid != first for meta in metas):
        return {}, ()
    return kept_reference(first, *where, _REFERENCE)


def _lacking(metas: list[_Meta], files: list[str]) -> tuple[str, ...]:
    stored = {name: known[0] for name, known in _COMPANIONS.items()}
    return left_out(stored, [meta.fills for meta in metas], files)


def _phase(factors: list[float], fills: list[float | None]) -> Decode:
    return per_file([PhaseDecode((factor,), fill) for factor, fill in zip(factors, fills, strict=True)])


def _further(options: Options, files: list[str], factors: list[float]) -> dict[str, tuple[str, Decode]]:
    """Return the requested layers: dataset and decoder of each.

    Raises
    ------
    FileError
        If a product lacks one, has another unit, or only zeros because it was not computed; the message names it.
    """
    chosen: dict[str, tuple[str, Decode]] = {}
    for name in wanted(options.layers, [*_CORRECTIONS, _MASK], "OPERA DISP"):
        stored = _CORRECTIONS.get(name, _MASK)
        fills = []
        for path in files:
            with opened(path) as file:
                found, displacement = dataset(file, stored), dataset(file, _DISPLACEMENT)
                if found is None or displacement is None or found.shape != displacement.shape:
                    raise lacks(path, name, stored)
                fills.append(fill_value(found))
                if name == _MASK:
                    continue
                if text(found.attrs.get("units", "")) not in _METRES:
                    raise FileError(f"{path}: {stored} is not in metres; leave {name} out of layers")
                if not np.any(found[found.shape[0] // 2]):  # zeros, not NaN
                    raise FileError(f"{path}: {stored} holds zeros, it was not computed; leave {name} out of layers")
        chosen[name] = (stored, MaskDecode(255.0) if name == _MASK else _phase(factors, fills))
    return chosen


def _applied(files: list[str]) -> dict[str, str]:
    """Corrections that the displacement has already, as the metadata of any product says; none so far."""
    found: dict[str, str] = {}
    for path in files:
        with opened(path) as file:
            for name, stored in _APPLIED.items():
                said = dataset(file, stored)
                how = "none" if said is None or said.size != 1 else text(np.asarray(said[()]).ravel()[0])
                if how.strip().lower() != "none":
                    found[name] = f"the product ({how})"
    return record({}, found) if found else {}


def _water(metas: list[_Meta], files: list[str], grid: Grid) -> dict[str, Layer]:
    """Return the water mask of the first product that covers the grid."""
    for meta, path in zip(metas, files, strict=True):
        if _WATER in meta.fills and meta.grid == grid:
            decode = MaskDecode(255.0)
            layer = Hdf5Layer(path, _WATER, (0,), grid.shape, meta.tile, decode, fingerprint([path], _WATER, decode))
            return {"water_mask": layer}
    return {}
