"""NISAR L2 GUNW: one HDF5 file per pair and frame, unwrapped phase positive away from the satellite."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from insarray.io.cubes import Cube, Quantity, geometry_maps, open_cube
from insarray.io.decode import CoherenceDecode, ComponentDecode, Decode, PhaseDecode
from insarray.io.extents import Common, reconcile
from insarray.io.files import names
from insarray.io.granules import (
    covering,
    fill_value,
    grid_of_centres,
    number,
    pair_baselines,
    radar_wavelength,
    refuse_frames,
    require_one_track,
    same_fill,
    same_wavelength,
    text,
)
from insarray.io.hdf5 import dataset, opened
from insarray.io.hdf5_files import hdf5_files_layer
from insarray.io.masked import MaskedLayer
from insarray.io.pairs import (
    Key,
    PairFile,
    by_pair,
    network_of_pairs,
    newest,
    one_time_per_pass,
    pair_file,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

_NAME = re.compile(
    r"NISAR_L2_\w\w_GUNW_\d{3}_(?P<orbit>\d{3})_(?P<direction>[AD])_(?P<frame>\d{3})_.*"
    r"(_\d{8}T\d{6}){4}_[A-Z](?P<release>\d+)_.*_(?P<counter>\d{3})\.h5$"
)
_GRIDS = "science/LSAR/GUNW/grids/"
_RADAR_GRID = "science/LSAR/GUNW/metadata/radarGrid/"
_IDENTIFICATION = "science/LSAR/identification/"
_POLARISATIONS = ("HH", "VV", "HV", "VH", "RH", "RV", "LH", "LV")
_LAYERS = {
    "unwrapped_phase": "unwrappedPhase",
    "coherence": "coherenceMagnitude",
    "connected_component_labels": "connectedComponents",
}
_SPEED_OF_LIGHT = 299_792_458.0
_BASELINE_SIGN = {"left": 1.0, "right": -1.0}


class NisarReader:
    """Products of one frame.

    ISCE3 multiplies the reference by the conjugate of the secondary image, and the reference is the earlier date:
    positive means away from the satellite. A product with the newer date first is swapped and negated.

    Samples that the mask puts outside the valid subswaths of either image are no-data. Water, which it has too, is the
    map `water_mask` and takes nothing away: it also covers ice shelves and lakes that freeze.

    The perpendicular baseline is that at the middle of the stack at height 0. The product gives it the sign of
    ((target - reference) x (secondary - reference)) . velocity, which is ours where the radar looks left, and the
    opposite where it looks right; the look direction is that of the identification group.

    The line of sight of the product is the unit vector from target to sensor in east and north: ours.
    """

    name = "nisar"
    looks_for = "NISAR_L2_*_GUNW_*.h5"
    options = frozenset({"baselines", "dem", "extent", "variable"})

    def recognises(self, path: Path) -> bool:
        """A product, or a folder with products in it or below."""
        return bool(_products(path))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read the metadata of all products."""
        found = [product for path in paths for product in _products(path)]
        if not found:
            raise FileError(f"files: no NISAR_L2_*_GUNW_*.h5 in {names(paths)}")
        require_one_track([_match(path)["orbit"] + _match(path)["direction"] for path in found], found)
        kept, notes = _newest([_pair(path) for path in found])
        pairs = by_pair(kept)
        read = [str(file.path) for file in pairs.values()]
        products = [_read(path, options.variable) for path in read]
        _require_one_layer(products)
        wavelength = same_wavelength([product.wavelength for product in products], read)
        common = reconcile([product.grid for product in products], read, options.extent or "intersection")
        signs = tuple(-1.0 if file.swapped else 1.0 for file in pairs.values())
        found_baselines = [_baseline(product, sign, common.grid) for product, sign in zip(products, signs, strict=True)]
        baselines, why = pair_baselines(options, list(pairs), found_baselines, read)
        maps, missing = geometry_maps(_cubes(products[covering(common) or 0]), common.grid, options.dem)
        layers, unmasked = _layers(products, common, signs)
        return StackSource(
            network_of_pairs(pairs, baselines),
            common.grid,
            layers,
            tuple(file.path for file in pairs.values()),
            wavelength=wavelength,
            attrs={"source_sign": "away", "source_units": "radian", "source_layer": products[0].layer},
            maps=maps | _water(products, common),
            members=() if options.dem is None else (str(options.dem),),
            notes=(*notes, *unmasked, *why, *missing, *(() if common.note is None else (common.note,))),
        )


# -- which files ----------------------------------------------------------------------------------------------------


def _products(path: Path) -> list[Path]:
    if _NAME.match(path.name):
        return [path]
    return sorted(found for found in path.rglob("NISAR_L2_*.h5") if _NAME.match(found.name)) if path.is_dir() else []


def _match(path: Path) -> re.Match[str]:
    match = _NAME.match(path.name)
    if match is None:
        raise FileError(f"{path}: is not named like a NISAR GUNW product; give it its name again")
    return match


def _pair(path: Path) -> PairFile:
    """The dates are those of the identification group."""
    times = []
    with opened(path) as file:
        for image in ("reference", "secondary"):
            name = f"{_IDENTIFICATION}{image}ZeroDopplerStartTime"
            stored = _text(file, name)
            if stored is None:
                raise FileError(f"{path}: has no {name}; fetch it again")
            try:
                times.append(as_time(stored))
            except ArgumentError as error:
                raise FileError(f"{path}: {name}: {error}") from error
    return pair_file(path, *times)


def _text(file: Any, name: str) -> str | None:
    found = dataset(file, name)
    return None if found is None or found.size != 1 else text(np.asarray(found[()]).ravel()[0]).strip("\0 ")


def _newest(files: Sequence[PairFile]) -> tuple[list[PairFile], tuple[str, ...]]:
    """The newest version of each pair; StackError if a pair has several frames."""
    (timed,) = one_time_per_pass([files])
    groups: dict[Key, dict[str, PairFile]] = {}
    for file in timed:
        groups.setdefault(file.key, {})[_match(file.path)["frame"]] = file
    for frames in groups.values():
        if len(frames) > 1:
            granules = list(frames.values())
            refuse_frames(granules[0].label, [one.path for one in granules], "one after the other")
    return newest(timed, _version)


def _version(path: Path) -> str:
    match = _match(path)
    return f"{int(match['release']):06d} {match['counter']}"


# -- metadata -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Product:
    path: str
    layer: str
    grid: Grid
    tile: tuple[int, int]
    fills: dict[str, float | None]
    wavelength: float
    mask_fill: float | None
    has_mask: bool
    look: str | None

    @property
    def mask(self) -> str:
        return f"{_GRIDS}{_group(self.layer).rpartition('/')[0]}/mask"


def _group(layer: str) -> str:
    """Group of a layer such as ``"frequencyA/HH"``."""
    frequency, polarisation = layer.split("/")
    return f"{frequency}/unwrappedInterferogram/{polarisation}"


def _read(path: str, variable: str | None) -> _Product:
    with opened(path) as file:
        layer = _layer(file, variable)
        group = _GRIDS + _group(layer) + "/"
        phase = dataset(file, group + "unwrappedPhase")
        grid = _grid(file, group)
        if phase is None or grid.shape != phase.shape:
            raise FileError(f"{path}: has xCoordinates and yCoordinates that do not fit its map; fetch it again")
        layers = {name: dataset(file, group + name) for name in _LAYERS.values()}
        mask = dataset(file, group.rstrip("/").rpartition("/")[0] + "/mask")
        has_mask = mask is not None and mask.shape == grid.shape
        frequency = f"{_GRIDS}{layer.split('/')[0]}/centerFrequency"
        hertz = number(file, frequency)
        look = _text(file, f"{_IDENTIFICATION}lookDirection")
        return _Product(
            path,
            layer,
            grid,
            phase.chunks or (1, phase.shape[1]),
            {name: fill_value(one) for name, one in layers.items() if one is not None and one.shape == grid.shape},
            radar_wavelength(file, frequency, _SPEED_OF_LIGHT / hertz if hertz else None),
            fill_value(mask) if has_mask else None,
            has_mask,
            None if look is None else look.lower(),
        )


def _layer(file: Any, variable: str | None) -> str:
    """The only frequency and polarisation, or that which was chosen."""
    there = [
        f"frequency{frequency}/{polarisation}"
        for frequency in "AB"
        for polarisation in _POLARISATIONS
        if dataset(file, f"{_GRIDS}frequency{frequency}/unwrappedInterferogram/{polarisation}/unwrappedPhase")
    ]
    if not there:
        raise FileError(f"{file.filename}: has no unwrappedPhase in {_GRIDS}frequency*; fetch it again")
    if variable is None and len(there) == 1:
        return there[0]
    if variable is None:
        raise FileError(f"{file.filename}: has {' and '.join(there)}; choose with variable (--variable {there[0]})")
    if variable not in there:
        raise FileError(f"{file.filename}: has no {variable!r}, only {', '.join(there)}; choose another variable")
    return variable


def _require_one_layer(products: Sequence[_Product]) -> None:
    first = products[0]
    for product in products:
        if product.layer != first.layer:
            raise StackError(
                f"files: {names([first.path])} has {first.layer} but {names([product.path])} {product.layer}; "
                "give products of one frequency and polarisation"
            )


def _grid(file: Any, group: str) -> Grid:
    """From the coordinates, which are those of pixel centres, in the group or the one above, and its EPSG code."""
    above = group.rstrip("/").rpartition("/")[0] + "/"
    x, y, projection = (
        dataset(file, group + name) or dataset(file, above + name)
        for name in ("xCoordinates", "yCoordinates", "projection")
    )
    return grid_of_centres(file, x, y, _crs(file, projection))


def _crs(file: Any, projection: Any) -> str:
    code = None if projection is None else projection.attrs.get("epsg_code", projection[()])
    try:
        return str(CRS.from_epsg(int(np.asarray(code).ravel()[0])).to_wkt())
    except (CRSError, TypeError, ValueError) as error:
        raise FileError(f"{file.filename}: has no projection with an EPSG code; fetch it again") from error


# -- layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SubswathDecode:
    """True where both images have a valid sample.

    The last two digits of the low byte are the subswaths of the reference and of the secondary image, 0 where there is
    none. The bytes above it, of products since 2026, flag anomalies and are not used.
    """

    nodata: float | None
    dtype = np.dtype(np.bool_)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair."""
        low = raw & 0xFF
        out[...] = (low // 10 % 10 > 0) & (low % 10 > 0) & (low != 255) & (raw != self.nodata)


@dataclass(frozen=True)
class _LandDecode:
    """True where the third digit of the low byte is not that of water, and the pixel is in the mask."""

    nodata: float | None
    dtype = np.dtype(np.bool_)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode the mask."""
        low = raw & 0xFF
        out[...] = (low // 100 == 0) & (raw != self.nodata)


def _layers(
    products: Sequence[_Product], common: Common, signs: tuple[float, ...]
) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Layers that all products have, masked if all have a mask; and a note if they have none."""
    paths = [product.path for product in products]
    group = _GRIDS + _group(products[0].layer) + "/"
    there = {name: stored for name, stored in _LAYERS.items() if all(stored in one.fills for one in products)}
    fills = {name: same_fill([one.fills[stored] for one in products], paths, stored) for name, stored in there.items()}
    decoders: dict[str, Decode] = {
        "unwrapped_phase": PhaseDecode(signs, fills["unwrapped_phase"]),
        "coherence": CoherenceDecode(fills.get("coherence")),
        "connected_component_labels": ComponentDecode(fills.get("connected_component_labels")),
    }
    layers: dict[str, Layer] = {
        name: hdf5_files_layer(paths, group + stored, common, products[0].tile, decoders[name])
        for name, stored in there.items()
    }
    without = [product.path for product in products if not product.has_mask]
    if without:
        return layers, (f"samples outside the subswaths are kept: {names(without)} has no mask",)
    fill = same_fill([product.mask_fill for product in products], paths, "mask")
    valid = hdf5_files_layer(paths, products[0].mask, common, products[0].tile, _SubswathDecode(fill))
    return {name: MaskedLayer(layer, valid) for name, layer in layers.items()}, ()


def _water(products: Sequence[_Product], common: Common) -> dict[str, Layer]:
    """Water of the first product that has all pixels of the stack."""
    first = covering(common)
    if first is None or not products[first].has_mask:
        return {}
    product = products[first]
    decode = _LandDecode(product.mask_fill)
    layer = hdf5_files_layer([product.path], product.mask, common.part(first, 1), product.tile, decode)
    return {"water_mask": layer}


# -- geometry -------------------------------------------------------------------------------------------------------


def _baseline(product: _Product, sign: float, grid: Grid) -> float | None:
    """Baseline at the middle of the stack in our sign; None if there is none, or nothing tells its sign."""
    cube = _cube(product.path, ["perpendicularBaseline"])
    value = None if cube is None else cube.at_middle(grid)
    if value is None or product.look not in _BASELINE_SIGN:
        return None
    return sign * _BASELINE_SIGN[product.look] * value


def _cube(path: str, datasets: Sequence[str], quantity: Quantity | None = None) -> Cube | None:
    axes = ("heightAboveEllipsoid", "yCoordinates", "xCoordinates")
    return open_cube(path, _RADAR_GRID, datasets, axes, _crs_of_radar_grid, (), quantity)


def _crs_of_radar_grid(file: Any) -> str:
    return _crs(file, dataset(file, _RADAR_GRID + "projection") or dataset(file, _RADAR_GRID + "epsg"))


def _cubes(product: _Product) -> dict[str, Cube]:
    """Geometry of one pair: that of the others differs by the width of the orbits' tube."""
    vector = ["losUnitVectorX", "losUnitVectorY"]
    cubes = {
        "los_east": _cube(product.path, vector[:1]),
        "los_north": _cube(product.path, vector[1:]),
        "los_up": _cube(product.path, vector, _up),
        "incidence_angle": _cube(product.path, ["incidenceAngle"]),
        "slant_range": _cube(product.path, ["slantRange"]),
    }
    there = {name: cube for name, cube in cubes.items() if cube is not None}
    for name, cube in there.items():
        if cube.grid.crs != product.grid.crs:
            raise FileError(
                f"{product.path}: the radar grid of {name} and the phase have different CRS; fetch it again"
            )
    return there


def _up(vector: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The rest of a unit vector that points up."""
    return np.asarray(np.sqrt(np.clip(1 - vector[0] ** 2 - vector[1] ** 2, 0, None)))
