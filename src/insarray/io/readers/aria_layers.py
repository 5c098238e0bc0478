"""Additional layers of ARIA products (ionosphere, troposphere, tides), and their CRS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyproj import CRS

from insarray.io.layers.corrections import CoarseLayer, CubesLayer, dem_for, lacks, wanted
from insarray.io.layers.cubes import Cube, open_cube
from insarray.io.layers.granules import grid_of_centres, text
from insarray.io.layers.hdf5 import dataset, members, opened
from insarray.io.source import Layer, Options
from insarray.model.errors import FileError
from insarray.model.grid import Grid

DATA = "science/grids/data/"

# Ionosphere: ACCESS-Cloud-Based-InSAR/DockerizedTopsApp, packaging_utils/additional_layers.json and ionosphere.py:
# radian, on a grid of about 1 km, for the interferogram as stored.
_IONOSPHERE = "science/grids/corrections/derived/ionosphere/"
# Tides: the same, isce2_topsapp/solid_earth_tides.py: displacement toward the satellite at each date times 4 pi /
# wavelength.
_TIDES = "science/grids/corrections/external/tides/solidEarth/"
# Troposphere: dbekaert/RAiDER, tools/RAiDER/aria/calcGUNW.py: delay at each date times -4 pi / wavelength, in a group
# of the weather model. Both are the contribution of each date to the phase of its image: that of a pair is the
# reference minus the secondary image.
_TROPOSPHERE = "science/grids/corrections/external/troposphere/"
_CUBES = {
    "troposphere_wet": "troposphereWet",
    "troposphere_hydrostatic": "troposphereHydrostatic",
    "solid_earth_tide": "solidEarthTide",
}
_AXES = {
    "troposphere_wet": ("heightsMeta", "latitudeMeta", "longitudeMeta"),
    "troposphere_hydrostatic": ("heightsMeta", "latitudeMeta", "longitudeMeta"),
    "solid_earth_tide": ("height", "latitude", "longitude"),
}


def crs_of_product(file: Any) -> str:
    """Return the CRS of all layers: that of the grid mapping, else WGS 84."""
    found = dataset(file, DATA + "crs")
    wkt = None if found is None else found.attrs.get("crs_wkt", found.attrs.get("spatial_ref"))
    return CRS.from_epsg(4326).to_wkt() if wkt is None else text(wkt)


def further_layers(
    options: Options, paths: Sequence[str], grid: Grid, signs: Sequence[float], dem: Path | None
) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return the requested layers, and notes on how they were read.

    Parameters
    ----------
    options
        Options of `open_stack`.
    paths
        Paths of the products.
    grid
        Grid of the stack.
    signs
        Sign of the phase of each product.
    dem
        Heights for layers on height levels.
    """
    found: dict[str, Layer] = {}
    notes: tuple[str, ...] = ()
    for name in wanted(options.layers, ["ionosphere", *_CUBES], "ARIA"):
        if name == "ionosphere":
            grids = tuple(_coarse_grid(path) for path in paths)
            found[name] = CoarseLayer(tuple(paths), _IONOSPHERE + "ionosphere", grids, tuple(signs), grid)
            continue
        heights = dem_for(name, dem, grid)
        above = _TIDES
        if name != "solid_earth_tide":
            model, notes = _weather_model(paths, name)
            above = f"{_TROPOSPHERE}{model}/"
        terms = []
        for path, sign in zip(paths, signs, strict=True):
            reference, secondary = (_cube(path, f"{above}{image}/", name) for image in ("reference", "secondary"))
            terms.append(((sign, reference), (-sign, secondary)))
        found[name] = CubesLayer(tuple(terms), heights)
    return found, notes


def _coarse_grid(path: str) -> Grid:
    with opened(path) as file:
        values = dataset(file, _IONOSPHERE + "ionosphere")
        if values is None or values.ndim != 2:
            raise lacks(path, "ionosphere", _IONOSPHERE + "ionosphere")
        x, y = (dataset(file, _IONOSPHERE + axis) for axis in ("longitude", "latitude"))
        grid = grid_of_centres(file, x, y, crs_of_product(file))
        if grid.shape != values.shape:
            raise FileError(f"{path}: has coordinates of {_IONOSPHERE} that do not fit its map; download it again")
        return grid


def _cube(path: str, group: str, name: str) -> Cube:
    cube = open_cube(path, group, [_CUBES[name]], _AXES[name], crs_of_product)
    if cube is None:
        raise lacks(path, name, group + _CUBES[name])
    return cube


def _weather_model(paths: Sequence[str], name: str) -> tuple[str, tuple[str, ...]]:
    """Return the first weather model, by name, that all products have, and a note if there are others."""
    shared: set[str] | None = None
    for path in paths:
        with opened(path) as file:
            places = ((model, f"{_TROPOSPHERE}{model}/reference") for model in members(file, _TROPOSPHERE))
            models = {model for model, place in places if _CUBES[name] in members(file, place)}
        shared = models if shared is None else shared & models
        if not shared:
            raise lacks(path, name, f"{_TROPOSPHERE}MODEL/reference/{_CUBES[name]} that the others have, too")
    chosen, *others = sorted(shared or ())
    return chosen, (
        (f"the troposphere is that of {chosen}; the products have {', '.join(others)}, too",) if others else ()
    )
