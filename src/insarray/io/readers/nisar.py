"""Reader of NISAR L2 GUNW: one HDF5 file per pair and frame, unwrapped phase positive away from the satellite."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.files import names
from insarray.io.layers.corrections import CubesLayer, dem_for, lacks, wanted
from insarray.io.layers.cubes import dem_path, geometry_maps
from insarray.io.layers.decode import PhaseDecode
from insarray.io.layers.extents import Common, reconcile
from insarray.io.layers.granules import (
    Stored,
    covering,
    left_out,
    matched,
    pair_baselines,
    products_in,
    refuse_frames,
    require_one_track,
    same_fill,
    same_wavelength,
)
from insarray.io.layers.hdf5 import dataset, opened
from insarray.io.layers.hdf5_files import hdf5_files_layer
from insarray.io.layers.masked import MaskedLayer
from insarray.io.pairs import (
    Key,
    PairFile,
    by_pair,
    network_of_pairs,
    newest,
    one_time_per_pass,
    pair_file,
)
from insarray.io.readers.nisar_files import (
    GEOMETRY,
    LAYERS,
    Product,
    cube_of,
    geometry_cubes,
    read_product,
    start_times,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid

_NAME = re.compile(
    r"NISAR_L2_\w\w_GUNW_\d{3}_(?P<orbit>\d{3})_(?P<direction>[AD])_(?P<frame>\d{3})_.*"
    r"(_\d{8}T\d{6}){4}_[A-Z](?P<release>\d+)_.*_(?P<counter>\d{3})\.h5$"
)
_BASELINE_SIGN = {"left": 1.0, "right": -1.0}


class NisarReader:
    """Reader of products of one frame.

    ISCE3 multiplies the reference by the conjugate of the secondary image, and the reference is the earlier date, so
    positive is away from the satellite. Products with the newer date first are swapped and negated.

    Samples outside the valid subswaths of either image, according to the mask, are no-data. Its water flag becomes the
    map `water_mask` and masks nothing, as it also covers ice shelves and lakes that freeze.

    The perpendicular baseline is read at the centre of the stack at height 0. The product gives it the sign of ((target
    - reference) x (secondary - reference)) . velocity, which is ours for a left-looking radar, and opposite for a
    right-looking one; the look direction is in the identification group.

    The line of sight of the product is the unit vector from target to sensor in east and north, as in the data model.
    """

    name = "nisar"
    looks_for = "NISAR_L2_*_GUNW_*.h5"
    options = frozenset({"baselines", "dem", "extent", "layers", "variable"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a product, or a folder with products in it or below."""
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
        products = [read_product(path, options.variable) for path in read]
        _require_one_layer(products)
        wavelength = same_wavelength([product.wavelength for product in products], read)
        common = reconcile(
            [product.grid for product in products], read, options.extent or "intersection", resample=None
        )
        signs = tuple(-1.0 if file.swapped else 1.0 for file in pairs.values())
        found_baselines = [_baseline(product, sign, common.grid) for product, sign in zip(products, signs, strict=True)]
        baselines, why = pair_baselines(options, list(pairs), found_baselines, read)
        dem = dem_path(options.dem)
        cubes = geometry_cubes(products[covering(common) or 0])
        maps, missing = geometry_maps(cubes, common.grid, dem)
        lacking = [name for name in GEOMETRY if name not in cubes]
        if cubes and lacking:
            missing = (*missing, f"the products have no cube of {', '.join(lacking)}")
        layers, unmasked = _layers(products, common, signs)
        further = _further(options, products, common, signs, dem)
        return StackSource(
            network_of_pairs(pairs, baselines),
            common.grid,
            layers | further,
            tuple(file.path for file in pairs.values()),
            wavelength=wavelength,
            attrs={"source_sign": "away", "source_units": "radian", "source_layer": products[0].layer},
            maps=maps | _water(products, common),
            members=() if dem is None else (str(dem),),
            notes=(*notes, *unmasked, *why, *missing, *common.notes),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _products(path: Path) -> list[Path]:
    return products_in(path, _NAME, "NISAR_L2_*.h5")


def _match(path: Path) -> re.Match[str]:
    return matched(path, _NAME, "NISAR GUNW")


def _pair(path: Path) -> PairFile:
    return pair_file(path, *start_times(str(path)))


def _newest(files: Sequence[PairFile]) -> tuple[list[PairFile], tuple[str, ...]]:
    """Return the newest version of each pair; raise StackError if a pair has several frames."""
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


def _require_one_layer(products: Sequence[Product]) -> None:
    first = products[0]
    for product in products:
        if product.layer != first.layer:
            raise StackError(
                f"files: {names([first.path])} has {first.layer} but {names([product.path])} {product.layer}; "
                "give products of one frequency and polarisation"
            )


def _baseline(product: Product, sign: float, grid: Grid) -> float | None:
    """Return the baseline at the centre of the stack in our sign; None if there is none, or its sign is unknown."""
    cube = cube_of(product.path, ["perpendicularBaseline"])
    value = None if cube is None else cube.at_middle(grid)
    if value is None or product.look not in _BASELINE_SIGN:
        return None
    return sign * _BASELINE_SIGN[product.look] * value


# -- layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SubswathDecode:
    """True where both images have a valid sample.

    The last two digits of the low byte are the subswaths of the reference and of the secondary image, 0 for none. The
    higher bytes, of products since 2026, flag anomalies and are ignored.
    """

    nodata: float | None
    dtype = np.dtype(np.bool_)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair."""
        low = raw & 0xFF
        out[...] = (low // 10 % 10 > 0) & (low % 10 > 0) & (low != 255) & (raw != self.nodata)


@dataclass(frozen=True)
class _LandDecode:
    """True where the third digit of the low byte does not indicate water, and the pixel is in the mask."""

    nodata: float | None
    dtype = np.dtype(np.bool_)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode the mask."""
        low = raw & 0xFF
        out[...] = (low // 100 == 0) & (raw != self.nodata)


def _layers(
    products: Sequence[Product], common: Common, signs: tuple[float, ...]
) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return the layers that all products have, masked if all have a mask, and notes on what is missing."""
    paths = [product.path for product in products]
    first = products[0]
    stored = Stored(first.group, LAYERS, first.tile, [product.fills for product in products])
    layers, _ = stored.layers(paths, common, signs)
    notes = left_out(LAYERS, stored.fills, paths)
    without = [product.path for product in products if not product.has_mask]
    if without:
        return dict(layers), (*notes, f"samples outside the subswaths are kept: {names(without)} has no mask")
    fill = same_fill([product.mask_fill for product in products], paths, "mask")
    valid = hdf5_files_layer(paths, first.mask, common, first.tile, _SubswathDecode(fill))
    return {name: MaskedLayer(layer, valid) for name, layer in layers.items()}, notes


# ionospherePhaseScreen is the contribution of the ionosphere to unwrappedPhase; the cubes: isce-framework/isce3,
# python/packages/nisar/workflows/troposphere.py, -(reference - secondary delay) 4 pi / wavelength, our sign; and
# solid_earth_tides.py, -(reference - secondary tide toward the satellite) 4 pi / wavelength, the opposite sign: a tide
# toward the satellite decreases the phase. Both with the wavelength of frequencyA.
_IONOSPHERE = "ionospherePhaseScreen"
_SCREENS = {
    "troposphere_wet": ("wetTroposphericPhaseScreen", 1.0),
    "troposphere_hydrostatic": ("hydrostaticTroposphericPhaseScreen", 1.0),
    "solid_earth_tide": ("slantRangeSolidEarthTidesPhase", -1.0),
}


def _further(
    options: Options, products: Sequence[Product], common: Common, signs: tuple[float, ...], dem: Path | None
) -> dict[str, Layer]:
    """Return the requested layers."""
    found: dict[str, Layer] = {}
    for name in wanted(options.layers, ["ionosphere", *_SCREENS], "NISAR"):
        if name == "ionosphere":
            stored = products[0].group + _IONOSPHERE
            for product in products:
                with opened(product.path) as file:
                    screen = dataset(file, stored)
                    if screen is None or screen.shape != product.grid.shape:
                        raise lacks(product.path, name, stored)
            paths = [product.path for product in products]
            found[name] = hdf5_files_layer(paths, stored, common, products[0].tile, PhaseDecode(signs))
            continue
        stored, factor = _SCREENS[name]
        heights = dem_for(name, dem, common.grid)
        if not products[0].layer.startswith("frequencyA"):
            raise ArgumentError(
                f"layers: {name} of the products is that of frequencyA; choose variable frequencyA/..., or leave it out"
            )
        cubes = [cube_of(product.path, [stored]) for product in products]
        terms = []
        for product, cube, sign in zip(products, cubes, signs, strict=True):
            if cube is None:
                raise lacks(product.path, name, stored)
            terms.append(((factor * sign, cube),))
        found[name] = CubesLayer(tuple(terms), heights)
    return found


def _water(products: Sequence[Product], common: Common) -> dict[str, Layer]:
    """Return the water mask of the first product that covers the stack."""
    first = covering(common)
    if first is None or not products[first].has_mask:
        return {}
    product = products[first]
    decode = _LandDecode(product.mask_fill)
    layer = hdf5_files_layer([product.path], product.mask, common.part(first, 1), product.tile, decode)
    return {"water_mask": layer}
