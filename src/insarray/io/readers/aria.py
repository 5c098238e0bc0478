"""Reader of ARIA S1-GUNW: one NetCDF file per pair and frame; the newer date is the reference, positive toward."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from insarray.io.files import names
from insarray.io.layers.cubes import Cube, dem_path, geometry_maps, open_cube
from insarray.io.layers.extents import reconcile
from insarray.io.layers.granules import (
    Stored,
    covering,
    fill_value,
    grid_of_centres,
    left_out,
    matched,
    number,
    pair_baselines,
    products_in,
    radar_wavelength,
    refuse_frames,
    require_one_track,
    require_radians,
    same_wavelength,
)
from insarray.io.layers.hdf5 import dataset, opened
from insarray.io.pairs import Key, PairFile, by_pair, network_of_pairs, one_time_per_pass, pair_file
from insarray.io.readers.aria_layers import DATA, crs_of_product, further_layers
from insarray.io.source import Options, StackSource
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

_NAME = re.compile(
    r"S1-GUNW(_CUSTOM)?-(?P<track>[AD]-R-\d+)-tops-(?P<reference>\d{8})_(?P<secondary>\d{8})-(?P<time>\d{6})-"
    r".*-v(?P<version>\d+(_\d+)*).*\.nc$"
)
_GEOMETRY = "science/grids/imagingGeometry/"
_WAVELENGTH = "science/radarMetaData/wavelength"
_LAYERS = {
    "unwrapped_phase": "unwrappedPhase",
    "coherence": "coherence",
    "connected_component_labels": "connectedComponents",
}
_NOT_COMPUTED = (-9999.0,)  # values of cubes without geometry; the fill value is 0
_SAME_PLACE = 0.5  # fraction of the smaller of two granules
_REMEDY = "or the GeoTIFFs that ARIA-tools stitches (ariaTSsetup.py)"


class AriaReader:
    """Reader of Sentinel-1 products, versions 2 and 3.

    ISCE2 multiplies the reference by the conjugate of the secondary image, and the reference is the newer date, so
    positive is toward the satellite. Dates are swapped and the phase is negated, so that it is that of the later date,
    positive away from the satellite.

    The perpendicular baseline is read at the centre of the stack at height 0 from the cube, whose formula has the sign
    of ((target - reference) x (secondary - reference)) . velocity. For Sentinel-1, which looks right, that is opposite
    to ours; with swapped dates it equals ours.

    The line of sight follows from the angle from the vertical and the azimuth from target to satellite,
    counterclockwise from east. The cubes have no slant range: it is computed from the triangle of incidence angle, look
    angle and radius of curvature across the meridian, accurate to 3e-4.
    """

    name = "aria"
    looks_for = "S1-GUNW-*.nc"
    options = frozenset({"baselines", "dem", "extent", "layers"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a product, or a folder with products in it or below."""
        return bool(_products(path))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read the metadata of all products."""
        found = [product for path in paths for product in _products(path)]
        if not found:
            raise FileError(f"files: no S1-GUNW-*.nc in {names(paths)}")
        require_one_track([_match(path)["track"] for path in found], found)
        (files,) = one_time_per_pass([[_pair(path) for path in found]])
        kept, notes = _one_per_pair([_read(file) for file in files])
        by_path = {granule.path: granule for granule in kept}
        pairs = by_pair(granule.file for granule in kept)
        granules = [by_path[str(file.path)] for file in pairs.values()]
        read = [granule.path for granule in granules]
        wavelength = same_wavelength([granule.wavelength for granule in granules], read)
        common = reconcile(
            [granule.grid for granule in granules], read, options.extent or "intersection", resample=None
        )
        stored = Stored(DATA, _LAYERS, granules[0].tile, [granule.fills for granule in granules])
        signs = [-1.0 if granule.file.swapped else 1.0 for granule in granules]
        layers, zero_is_nodata = stored.layers(read, common, signs)
        baselines, why = pair_baselines(options, list(pairs), [_baseline(g, common.grid) for g in granules], read)
        dem = dem_path(options.dem)
        maps, missing = geometry_maps(_cubes(granules[covering(common) or 0]), common.grid, dem)
        further, told = further_layers(options, read, common.grid, signs, dem)
        return StackSource(
            network_of_pairs(pairs, baselines),
            common.grid,
            dict(layers) | further,
            tuple(file.path for file in pairs.values()),
            zero_is_nodata,
            wavelength,
            {"source_sign": "away", "source_units": "radian"},
            maps,
            () if dem is None else (str(dem),),
            (*notes, *left_out(_LAYERS, stored.fills, read), *why, *missing, *told, *common.notes),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _products(path: Path) -> list[Path]:
    return products_in(path, _NAME, "S1-GUNW*.nc")


def _match(path: Path) -> re.Match[str]:
    return matched(path, _NAME, "ARIA")


def _pair(path: Path) -> PairFile:
    match = _match(path)
    try:
        return pair_file(path, *(as_time(f"{match[date]}T{match['time']}") for date in ("reference", "secondary")))
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error


@dataclass(frozen=True)
class _Granule:
    file: PairFile
    version: tuple[int, ...]
    grid: Grid
    tile: tuple[int, int]
    fills: dict[str, float | None]
    wavelength: float

    @property
    def path(self) -> str:
        return str(self.file.path)


def _one_per_pair(granules: Sequence[_Granule]) -> tuple[list[_Granule], tuple[str, ...]]:
    """Return the newest version of each granule; raise StackError if a pair has several frames along the track."""
    groups: dict[Key, list[_Granule]] = {}
    for granule in granules:
        groups.setdefault(granule.file.key, []).append(granule)
    kept: list[_Granule] = []
    for group in groups.values():
        newest = [one for one in group if not any(_replaces(other, one) for other in group)]
        if not all(_same_place(newest[0].grid, one.grid) for one in newest):
            refuse_frames(newest[0].file.label, [one.path for one in newest], _REMEDY)
        kept += newest
    chosen = {granule.path for granule in kept}
    older = [granule.path for granule in granules if granule.path not in chosen]
    return kept, ((f"older versions of the same pairs are left out: {names(older)}",) if older else ())


def _replaces(new: _Granule, old: _Granule) -> bool:
    return new.version > old.version and _same_place(new.grid, old.grid)


def _same_place(one: Grid, other: Grid) -> bool:
    """Return whether granules are of one frame; versions 2 and 3 differ in names and extents."""
    a, b = one.bounds, other.bounds
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return min(sides) > 0 and sides[0] * sides[1] > _SAME_PLACE * smaller


# -- metadata -------------------------------------------------------------------------------------------------------


def _read(file: PairFile) -> _Granule:
    path = str(file.path)
    with opened(path) as source:
        phase = dataset(source, DATA + "unwrappedPhase")
        if phase is None or phase.ndim != 2:
            raise FileError(f"{path}: has no map {DATA}unwrappedPhase; download it again")
        require_radians(phase)
        grid = grid_of_centres(
            source, dataset(source, DATA + "longitude"), dataset(source, DATA + "latitude"), crs_of_product(source)
        )
        layers = {name: dataset(source, DATA + name) for name in _LAYERS.values()}
        if grid.shape != phase.shape:
            raise FileError(f"{path}: has longitude and latitude that do not fit its map; download it again")
        return _Granule(
            file,
            tuple(int(part) for part in _match(file.path)["version"].split("_")),
            grid,
            phase.chunks or (1, phase.shape[1]),
            {
                name: fill_value(found)
                for name, found in layers.items()
                if found is not None and found.shape == grid.shape
            },
            radar_wavelength(source, _WAVELENGTH, number(source, _WAVELENGTH)),
        )


# -- geometry -------------------------------------------------------------------------------------------------------


def _baseline(granule: _Granule, grid: Grid) -> float | None:
    """Return the baseline at the centre of the stack in our sign, later minus earlier date."""
    cube = _cube(granule.path, ["perpendicularBaseline"])
    value = None if cube is None else cube.at_middle(grid)
    if value is None:
        return None
    return value if granule.file.swapped else -value


def _cube(path: str, datasets: Sequence[str]) -> Cube | None:
    return open_cube(
        path, _GEOMETRY, datasets, ("heightsMeta", "latitudeMeta", "longitudeMeta"), crs_of_product, _NOT_COMPUTED
    )


def _cubes(granule: _Granule) -> dict[str, Cube]:
    """Return the geometry cubes of one pair; those of others differ only by the width of the orbital tube."""
    angles = _cube(granule.path, ["incidenceAngle", "azimuthAngle", "lookAngle"])
    if angles is None:
        return {}
    quantities = {"los_east": _east, "los_north": _north, "los_up": _up, "slant_range": _slant_range}
    return {
        "incidence_angle": angles,
        **{name: replace(angles, quantity=quantity) for name, quantity in quantities.items()},
    }


def _east(angles: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(np.radians(angles[0])) * np.cos(np.radians(angles[1])))


def _north(angles: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(np.radians(angles[0])) * np.sin(np.radians(angles[1])))


def _up(angles: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.cos(np.radians(angles[0])))


def _slant_range(angles: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Apply the law of sines: the angle at the centre of curvature is incidence minus look angle."""
    incidence, look = np.radians(angles[0]), np.radians(angles[2])
    eccentricity_squared = 0.00669437999014
    curvature = 6378137.0 / np.sqrt(1 - eccentricity_squared * np.sin(np.radians(y)) ** 2)
    return np.asarray((curvature[:, None] + levels[:, None, None]) * np.sin(incidence - look) / np.sin(look))
