"""Reader of ISCE2 Sentinel-1 stacks (topsStack, stackSentinel.py): merged interferograms in radar coordinates."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.given import give
from insarray.io.layers.decode import MapDecode
from insarray.io.layers.headers import read_headers
from insarray.io.layers.maps import maps_if_usable, maps_of_incidence, static_maps
from insarray.io.layers.vrt import require_own_sources, vrt_shape
from insarray.io.pairs import PairFile, by_pair, network_of_pairs, pair_file
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import (
    baselines_if_usable,
    covers,
    number,
    read_xml,
    same_in_all,
    sentinel1_looks,
    usable_baselines,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network

_PAIR = re.compile(r"(\d{8})_(\d{8})")
_PHASE = "filt_fine.unw"
_PHASE_BAND = 2  # band 1 is the amplitude
_BPERP = "Bperp (average)"
_RIGHT_LOOKING = -1.0
"""ISCE2's sign, opposite to the data model.

((target - reference) x (secondary - reference)) . velocity, is positive down and away from the scene for a
right-looking radar such as Sentinel-1.
"""


class Isce2Reader:
    """Reader of phase in radians in band 2, positive away from the satellite, 0 = no-data.

    ISCE2 forms reference times conjugated secondary, as MintPy assumes. Baselines are negated, since their formula is
    positive away from the scene. Neither was checked against a product with known motion and heights.
    """

    name = "isce2"
    looks_for = "ISCE2's filt_fine.unw in folders YYYYMMDD_YYYYMMDD, usually in merged/interferograms/"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an unwrapped phase named as by topsStack, or a folder with one below."""
        return any(_found([path]))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the interferograms, read the metadata of the stack, and check the headers."""
        found = sorted(set(_found(paths)))
        if not found:
            raise FileError(
                f"{names(paths)}: holds no YYYYMMDD_YYYYMMDD/{_PHASE}; give the folder that has merged/ in it"
            )
        project = _project(found[0])
        give(project)
        phase = [_pair(path) for path in found]
        baselines = given_baselines(options)
        notes: tuple[str, ...] = ()
        if baselines is None:
            network = network_of_pairs(by_pair(phase), None)
            baselines, notes = baselines_if_usable(lambda: _baselines(project / "baselines", network))
        inputs = Inputs(
            _through_vrt(phase, ".unw", project),
            _through_vrt(phase, ".cor", project) or None,
            _through_vrt(phase, ".unw.conncomp", project) or None,
            baselines,
            _PHASE_BAND,
        )
        swaths = sorted(below(project / "reference", "IW*.xml", deep=False))
        known = Options(
            wavelength=options.wavelength or _of_swaths(swaths, "radarwavelength"),
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent,
            resample=options.resample,
        )
        source = assemble(inputs, known)
        geometry = project / "merged" / "geom_reference"
        maps, lacking = _maps(geometry, project, source.grid)
        return replace(
            source,
            attrs=source.attrs | _attrs(swaths, geometry, source.grid),
            maps=maps,
            notes=(*source.notes, *notes, *lacking),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _found(paths: Iterable[Path]) -> Iterable[Path]:
    """Yield the unwrapped phases in pair folders, found directly or by their VRT."""
    for path in paths:
        candidates = below(path, f"{_PHASE}*") if path.is_dir() else [path]
        for file in candidates:
            if file.name in (_PHASE, f"{_PHASE}.vrt") and _PAIR.fullmatch(file.parent.name):
                yield file.with_name(_PHASE)


def _project(phase: Path) -> Path:
    """Return the folder that contains merged/, baselines/ and reference/; the folder of the pairs if there is none."""
    pairs = phase.parent.parent
    return pairs.parent.parent if (pairs.parent.name, pairs.name) == ("merged", "interferograms") else pairs


def _pair(path: Path) -> PairFile:
    dates = path.parent.name.split("_")
    try:
        return pair_file(path, *(as_time(date) for date in dates))
    except ArgumentError as error:
        raise FileError(f"{path}: its folder is not named after two dates ({error})") from error


def _through_vrt(phase: Sequence[PairFile], suffix: str, project: Path) -> list[PairFile]:
    """Return the files of a kind by their VRT, for the pairs that have one; `assemble` refuses incomplete ones."""
    found = []
    for file in phase:
        pixels = file.path.with_name(file.path.name.removesuffix(".unw") + suffix)
        vrt = pixels.with_name(f"{pixels.name}.vrt")
        if suffix == ".unw" or pixels.is_file() or vrt.is_file():
            require_own_sources(vrt, project)
            found.append(replace(file, path=vrt))
    return found


# -- metadata -------------------------------------------------------------------------------------------------------


def _of_swaths(swaths: Sequence[Path], name: str) -> float | None:
    """Return a property common to all bursts of the reference; None if there is no reference."""
    values = [_properties(path, name) for path in swaths]
    if not swaths:
        return None
    for path, found in zip(swaths, values, strict=True):
        same_in_all([path] * len(found), found, name, "give the stack of one radar")
    return same_in_all(swaths, [found[0] for found in values], name, "give the stack of one radar")


def _properties(path: Path, name: str) -> list[float]:
    """Return the values of a property of the bursts of a swath; raise FileError if there are none."""
    root = read_xml(path, "download it again")
    texts = [
        found.findtext("value", "").strip() for found in root.iter("property") if found.get("name", "").lower() == name
    ]
    values = [number(path, {name: text}, name) for text in texts]
    if not values:
        raise FileError(f"{path}: has no {name}; download it again")
    return [value for value in values if value is not None]


def _attrs(swaths: Sequence[Path], geometry: Path, grid: Grid) -> dict[str, object]:
    """Return the looks, from the size before multilooking, and the slant range (m) at the centre of the swath."""
    full = geometry / "hgt.rdr.full.vrt"
    if not full.is_file() or not swaths:
        return {}
    rows, cols = vrt_shape(full)
    looks = _looks(cols, grid.width), _looks(rows, grid.height)
    known: dict[str, object] = {}
    if None not in looks:
        known["looks"] = sentinel1_looks(*(float(value or 0) for value in looks))
    near = min(value for path in swaths for value in _properties(path, "startingrange"))
    size = _properties(swaths[0], "rangepixelsize")[0]
    return known | {"slant_range": near + size * cols / 2}


def _looks(full: int, averaged: int) -> int | None:
    """Return the number of looks that reduces `full` to `averaged` pixels; None if it is ambiguous."""
    fitting = [looks for looks in range(1, full + 1) if full // looks == averaged]
    return fitting[0] if len(fitting) == 1 else None


def _baselines(folder: Path, network: Network) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Return the baselines of the dates relative to the reference date, averaged over the swaths.

    If a folder has several references, from earlier runs, the one with the most dates is used.
    """
    by_reference: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*/*.txt")):
        found = _PAIR.fullmatch(path.stem)
        if found is not None:
            by_reference.setdefault(found[1], {})[found[2]] = path
    if not by_reference:
        return None, (f"no perpendicular baselines: there is no {folder.name}/YYYYMMDD_YYYYMMDD/*.txt",)
    reference = max(by_reference, key=lambda date: len(by_reference[date]))
    texts = by_reference[reference]
    try:
        dates = [(as_time(date),) for date in (reference, *texts)]
        values = [0.0, *(_RIGHT_LOOKING * _mean_of_swaths(path) for path in texts.values())]
        table, notes = usable_baselines(folder, dates, values)
    except (ArgumentError, StackError) as error:
        raise FileError(f"{folder}: {error}") from error
    left = sorted(date for date in by_reference if date != reference)
    if left:
        notes = (
            *notes,
            f"baselines relative to {', '.join(left)} are left out, those relative to {reference} are more",
        )
    if table is None:
        return None, notes
    table, missing = covers(table, network)
    return table, (*notes, *missing)


def _mean_of_swaths(path: Path) -> float:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if _BPERP in line]
    values = [number(path, dict([_split(line)]), _BPERP) for line in lines]
    if not values:
        raise FileError(f"{path}: has no line {_BPERP}; compute the baseline again")
    return float(np.mean([value for value in values if value is not None]))


def _split(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def _maps(geometry: Path, project: Path, grid: Grid) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return height, and line of sight from its angles from the vertical and counterclockwise from north, in degrees.

    Latitude and longitude of the pixels, and shadowMask, are not part of the data model.
    """
    height, sight = geometry / "hgt.rdr.vrt", geometry / "los.rdr.vrt"

    def heights() -> dict[str, Layer]:
        require_own_sources(height, project)
        return static_maps([height], "height", grid, MapDecode(0.0))

    def line_of_sight() -> dict[str, Layer]:
        require_own_sources(sight, project)
        incidence, azimuth = (header for band in (1, 2) for header in read_headers([sight], band=band))
        return maps_of_incidence(incidence, azimuth, grid)

    reads = (("heights", height, heights), ("the line of sight", sight, line_of_sight))
    return maps_if_usable((what, read) for what, vrt, read in reads if vrt.is_file())
