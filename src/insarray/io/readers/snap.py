"""Reader of SNAP's unwrapped interferograms: BEAM-DIMAP, a .dim of XML and a .data folder of ENVI images per pair."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.layers.decode import BoundedDecode, MapDecode
from insarray.io.layers.maps import maps_if_usable, static_maps
from insarray.io.pairs import PairFile, by_pair, pair_file
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import (
    SPEED_OF_LIGHT,
    baselines_if_usable,
    number,
    read_xml,
    same_in_all,
    sentinel1_looks,
    usable_baselines,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.grid import Grid

_DATE = r"(\d{2}[A-Za-z]{3}\d{4})"
_PHASE = re.compile(rf"Unw_Phase_ifg_.*?{_DATE}_{_DATE}.*\.img", re.IGNORECASE)
_COHERENCE = re.compile(rf"coh_.*?{_DATE}_{_DATE}.*\.img", re.IGNORECASE)
_INCIDENCE = BoundedDecode("incidence_angle", "degree", 1.0, 2.0, 90.0, (0.0,))


class SnapReader:
    """Reader of phase in radians, positive away from the satellite if the reference is the older date, 0 = no-data.

    SNAP forms reference times conjugated secondary. Its baselines are jLinda's, positive if the secondary image looks
    less obliquely at the scene than the reference: the sign of the data model. Both follow from its sources and were not
    checked against a product with known motion.
    """

    name = "snap"
    looks_for = "SNAP's Unw_Phase_ifg_*_DDMonYYYY_DDMonYYYY*.img in a .data folder in the folder or below it"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is SNAP's unwrapped phase in a .data folder, its .dim, or a folder with one in it."""
        return any(_found(path, _PHASE))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the images, read the .dim files and check all headers."""
        phase = sorted({image for path in paths for image in _found(path, _PHASE)})
        if not phase:
            raise FileError(f"{names(paths)}: holds no Unw_Phase_ifg_*.img in a .data folder; give SNAP's products")
        phase, notes = _terrain_corrected(phase)
        products = [_Product.of(path) for path in phase]
        by_pair(product.phase for product in products)  # raises for repeated pairs
        baselines = given_baselines(options)
        if baselines is None:
            baselines, missing = baselines_if_usable(lambda: _baselines(products))
            notes += missing
        known = Options(
            wavelength=options.wavelength or _wavelength(products),
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent or "intersection",
            resample=options.resample,
        )
        pairs = [product.phase for product in products]
        source = assemble(Inputs(pairs, _coherence(paths, products), None, baselines), known)
        maps, lacking = _maps(products, source.grid)
        return replace(
            source,
            attrs=source.attrs | _attrs(products),
            maps=maps,
            notes=(*source.notes, *notes, *lacking),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _found(path: Path, name: re.Pattern[str]) -> Iterable[Path]:
    """Yield the images with matching names in .data folders."""
    if path.suffix == ".dim":
        path = path.with_suffix(".data")
    candidates = below(path, "*.img") if path.is_dir() else [path]
    return (image for image in candidates if image.parent.suffix == ".data" and name.fullmatch(image.name))


def _terrain_corrected(phase: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the terrain-corrected products (*_tc) if there are any, as SNAP keeps its intermediate ones."""
    corrected = [path for path in phase if path.parent.stem.lower().endswith("_tc")]
    left = [path.parent.with_suffix(".dim") for path in phase if path not in corrected] if corrected else []
    notes = (f"products before the terrain correction are left out: {names(left)}",) if left else ()
    return corrected or list(phase), notes


def _pair(image: Path, name: re.Pattern[str]) -> PairFile:
    found = name.fullmatch(image.name)
    if found is None:
        raise FileError(f"{image}: has no two dates DDMonYYYY in its name")
    return pair_file(image, *(_time(image, text) for text in found.groups()))


def _time(source: Path, text: str) -> np.datetime64:
    """Return the time of a date such as 02Sep2019."""
    try:
        return as_time(text)
    except ArgumentError as error:
        raise FileError(f"{source}: {text!r} is not a date DDMonYYYY") from error


def _coherence(paths: Sequence[Path], products: Sequence["_Product"]) -> list[PairFile] | None:
    """Return the coherence in the products of the phase, else in other products of the given folders."""
    beside = [image for product in products for image in _found(product.folder, _COHERENCE)]
    if not beside:
        beside, _ = _terrain_corrected(sorted({image for path in paths for image in _found(path, _COHERENCE)}))
    wanted = {product.phase.key for product in products}
    return [file for image in sorted(beside) if (file := _pair(image, _COHERENCE)).key in wanted] or None


# -- metadata -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Product:
    """Unwrapped phase of a pair, and the metadata in its .dim."""

    phase: PairFile
    dim: Path
    metadata: ElementTree.Element
    baselines: list[ElementTree.Element]

    @classmethod
    def of(cls, image: Path) -> "_Product":
        """Return the product of an image."""
        dim = image.parent.with_suffix(".dim")
        root = read_xml(dim, f"write the product of {dim.stem}.data again")
        metadata = root.find(".//MDElem[@name='Abstracted_Metadata']")
        if metadata is None:
            raise FileError(f"{dim}: has no Abstracted_Metadata; write the product with SNAP again")
        # inside or beside the abstracted metadata
        return cls(_pair(image, _PHASE), dim, metadata, root.findall(".//MDElem[@name='Baselines']/MDElem"))

    @property
    def folder(self) -> Path:
        """Folder of its images."""
        return self.phase.path.parent

    def text(self, name: str) -> str | None:
        """Return an attribute of the abstracted metadata as text."""
        found = self.metadata.find(f"MDATTR[@name='{name}']")
        return None if found is None else found.text

    def number(self, name: str) -> float | None:
        """Return a numeric attribute; None if missing, or 99999, which SNAP writes for unknown values."""
        text = self.text(name)
        value = None if text is None else number(self.dim, {name: text}, name)
        return None if value == 99999.0 else value

    def baseline(self) -> float | None:
        """Return the perpendicular baseline (m), secondary minus reference in the order of the product; None if unknown.

        Elements and sign: senbox-org/microwave-toolbox, CreateStackOp.java (getBaselines), InSARStackOverview.java, which
        leaves 0 where the baseline could not be computed, and jlinda-core, Baseline.java (compute_B_Bpar_Bperp_Theta).
        """
        reference, secondary = self.phase.dates
        for row in self.baselines:
            for column in row.findall("MDElem"):
                if (_date_of(self.dim, row), _date_of(self.dim, column)) == (reference, secondary):
                    found = column.find("MDATTR[@name='Perp Baseline']")
                    if found is not None:
                        return number(self.dim, {"Perp Baseline": found.text or ""}, "Perp Baseline") or None
        return None


def _date_of(dim: Path, element: ElementTree.Element) -> np.datetime64 | None:
    """Return the date of an element Ref_02Sep2019, Secondary_14Sep2019 or, in older versions, Master: 02Sep2019."""
    found = re.search(_DATE, element.get("name", ""))
    return None if found is None else _time(dim, found[1])


def _baselines(products: Sequence[_Product]) -> tuple[BaselineTable | None, tuple[str, ...]]:
    values = [product.baseline() for product in products]
    return usable_baselines(products[0].dim, [product.phase.dates for product in products], values)


def _wavelength(products: Sequence[_Product]) -> float | None:
    """Return the wavelength from radar_frequency, in MHz."""
    frequencies = [product.number("radar_frequency") for product in products]
    remedy = "give pairs of one radar"
    frequency = same_in_all([product.dim for product in products], frequencies, "radar_frequency (MHz)", remedy)
    return None if frequency is None else SPEED_OF_LIGHT / (frequency * 1e6)


def _attrs(products: Sequence[_Product]) -> dict[str, object]:
    """Return the looks, whose independent number is known for Sentinel-1 only."""
    first = products[0]
    across, azimuth = first.number("range_looks"), first.number("azimuth_looks")
    if across is None or azimuth is None or not (first.text("MISSION") or "").upper().startswith("SENTINEL-1"):
        return {}
    return {"looks": sentinel1_looks(across, azimuth)}


def _maps(products: Sequence[_Product], grid: Grid) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return the maps that the terrain correction optionally writes."""

    def bands(name: str) -> list[Path]:
        images = (product.folder / f"{name}.img" for product in products)
        return [image for image in images if image.is_file()]

    incidence = bands("incidenceAngleFromEllipsoid")
    return maps_if_usable(
        [
            ("heights", lambda: static_maps(bands("elevation"), "height", grid, MapDecode(0.0))),
            ("the incidence angle", lambda: static_maps(incidence, "incidence_angle", grid, _INCIDENCE)),
        ]
    )
