"""Metadata of NISAR GUNW files: frequency and polarisation, grid, wavelength, mask, geometry cubes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from insarray.io.layers.cubes import Cube, Quantity, open_cube
from insarray.io.layers.granules import fill_value, grid_of_centres, number, radar_wavelength, require_radians, text
from insarray.io.layers.hdf5 import dataset, opened
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

GRIDS = "science/LSAR/GUNW/grids/"
LAYERS = {
    "unwrapped_phase": "unwrappedPhase",
    "coherence": "coherenceMagnitude",
    "connected_component_labels": "connectedComponents",
}
GEOMETRY = ("los_east", "los_north", "los_up", "incidence_angle", "slant_range")
"""Maps from the cubes of the radar grid."""

_RADAR_GRID = "science/LSAR/GUNW/metadata/radarGrid/"
_IDENTIFICATION = "science/LSAR/identification/"
_SLANT_RANGE = ("referenceSlantRange", "slantRange")
"""Slant range of the reference image: ISCE3's InSAR_base_writer.py renamed slantRange, as in the first products."""

_POLARISATIONS = ("HH", "VV", "HV", "VH", "RH", "RV", "LH", "LV")
_SPEED_OF_LIGHT = 299_792_458.0


def start_times(path: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the zero-Doppler start times of reference and secondary image, from the identification group.

    Raises
    ------
    FileError
        If they are missing or not times.
    """
    times = []
    with opened(path) as file:
        for image in ("reference", "secondary"):
            name = f"{_IDENTIFICATION}{image}ZeroDopplerStartTime"
            stored = _text(file, name)
            if stored is None:
                raise FileError(f"{path}: has no {name}; download it again")
            try:
                times.append(as_time(stored))
            except ArgumentError as error:
                raise FileError(f"{path}: {name}: {error}") from error
    return times[0], times[1]


def _text(file: Any, name: str) -> str | None:
    found = dataset(file, name)
    return None if found is None or found.size != 1 else text(np.asarray(found[()]).ravel()[0]).strip("\0 ")


@dataclass(frozen=True)
class Product:
    """Metadata of a file; `layer` is for example ``"frequencyA/HH"``, `look` the look direction in lower case."""

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
    def group(self) -> str:
        """Group of its layers."""
        return GRIDS + _group(self.layer)

    @property
    def mask(self) -> str:
        """Dataset of the mask, common to all polarisations."""
        return self.group.removesuffix("/").rpartition("/")[0] + "/mask"


def _group(layer: str) -> str:
    frequency, polarisation = layer.split("/")
    return f"{frequency}/unwrappedInterferogram/{polarisation}/"


def read_product(path: str, variable: str | None) -> Product:
    """Read the metadata of a file and of the layer `variable`, or of its only layer.

    Raises
    ------
    FileError
        If the layer does not exist, is ambiguous, or other metadata are missing.
    """
    with opened(path) as file:
        layer = _layer(file, variable)
        group = GRIDS + _group(layer)
        phase = dataset(file, group + "unwrappedPhase")
        grid = _grid(file, group)
        if phase is None or grid.shape != phase.shape:
            raise FileError(f"{path}: has xCoordinates and yCoordinates that do not fit its map; download it again")
        require_radians(phase)
        layers = {name: dataset(file, group + name) for name in LAYERS.values()}
        mask = dataset(file, group.rstrip("/").rpartition("/")[0] + "/mask")
        has_mask = mask is not None and mask.shape == grid.shape
        frequency = f"{GRIDS}{layer.split('/')[0]}/centerFrequency"
        hertz = number(file, frequency)
        look = _text(file, f"{_IDENTIFICATION}lookDirection")
        return Product(
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
    """Return the only frequency and polarisation, or the chosen one."""
    there = [
        f"frequency{frequency}/{polarisation}"
        for frequency in "AB"
        for polarisation in _POLARISATIONS
        if dataset(file, f"{GRIDS}frequency{frequency}/unwrappedInterferogram/{polarisation}/unwrappedPhase")
    ]
    if not there:
        raise FileError(f"{file.filename}: has no unwrappedPhase in {GRIDS}frequency*; download it again")
    if variable is None and len(there) == 1:
        return there[0]
    if variable is None:
        raise FileError(f"{file.filename}: has {' and '.join(there)}; choose with variable (--variable {there[0]})")
    if variable not in there:
        raise FileError(f"{file.filename}: has no {variable!r}, only {', '.join(there)}; choose another variable")
    return variable


def _grid(file: Any, group: str) -> Grid:
    """Return the grid of the pixel centres, in the group or its parent, with its EPSG code."""
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
        raise FileError(f"{file.filename}: has no projection with an EPSG code; download it again") from error


# -- geometry -------------------------------------------------------------------------------------------------------


def cube_of(path: str, datasets: Sequence[str], quantity: Quantity | None = None) -> Cube | None:
    """Return the cube of datasets of the radar grid, or of a quantity computed from them; None if there is none."""
    axes = ("heightAboveEllipsoid", "yCoordinates", "xCoordinates")
    return open_cube(path, _RADAR_GRID, datasets, axes, _crs_of_radar_grid, (), quantity)


def _crs_of_radar_grid(file: Any) -> str:
    return _crs(file, dataset(file, _RADAR_GRID + "projection") or dataset(file, _RADAR_GRID + "epsg"))


def geometry_cubes(product: Product) -> dict[str, Cube]:
    """Return the geometry cubes of one pair; those of others differ only by the width of the orbital tube."""
    vector = ["losUnitVectorX", "losUnitVectorY"]
    cubes = {
        "los_east": cube_of(product.path, vector[:1]),
        "los_north": cube_of(product.path, vector[1:]),
        "los_up": cube_of(product.path, vector, _up),
        "incidence_angle": cube_of(product.path, ["incidenceAngle"]),
        "slant_range": next(filter(None, (cube_of(product.path, [name]) for name in _SLANT_RANGE)), None),
    }
    there = {name: cube for name, cube in cubes.items() if cube is not None}
    for name, cube in there.items():
        if cube.grid.crs != product.grid.crs:
            raise FileError(
                f"{product.path}: the radar grid of {name} and the phase have different CRS; download it again"
            )
    return there


def _up(vector: Sequence[np.ndarray], levels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the vertical component of a unit vector that points up."""
    return np.asarray(np.sqrt(np.clip(1 - vector[0] ** 2 - vector[1] ** 2, 0, None)))
