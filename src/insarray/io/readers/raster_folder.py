"""Reader of any folder of rasters, whose layers are recognised by common words in the file names."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from insarray.io.baselines import given_baselines, read_baselines
from insarray.io.files import below, names
from insarray.io.layers.raw import SUFFIXES, described, has_envi_header
from insarray.io.layers.said import KINDS, kind_by_name
from insarray.io.pairs import PairFile, pair_file_from_name, require_pattern
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import SENTINEL1_WAVELENGTH
from insarray.io.source import Options, StackSource
from insarray.model.errors import ArgumentError, FileError, StackError

_RASTERS = {".tif", ".tiff", ".vrt", ".grd", ".img"}
_MASK = re.compile(r"(?:^|[-_.])(?:\w*_)?mask(?=[-_.])", re.IGNORECASE)
_BASELINES = "baselines.csv"


class FolderReader:
    """Reader of phase in radians (or the tagged unit), positive away, or displacement, positive toward as in OPERA."""

    name = "folder"
    looks_for = "rasters whose names have two dates and unw or displacement, perhaps with cor or coh, and conncomp"
    options = frozenset(Options.__dataclass_fields__) - {"coherence", "components", "variable", "dem", "layers"}

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a folder with such rasters in it or below."""
        return path.is_dir() and any(kind_by_name(found.name) in ("phase", "displacement") for found in _rasters(path))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Sort the files by layer and check all headers."""
        if len(paths) != 1 or not paths[0].is_dir():
            raise FileError(f"files: the product folder is one folder, not {names(paths)}")
        root = paths[0]
        require_pattern(options.dates)
        found: dict[str, list[PairFile]] = {kind: [] for kind in KINDS}
        rasters = _rasters(root)
        for path in rasters:
            kind = kind_by_name(path.name)
            if kind is not None and (file := _pair(path, options.dates)) is not None:
                found[kind].append(file)
        if bool(found["phase"]) == bool(found["displacement"]):
            what = "both unwrapped phase and displacement" if found["phase"] else "no unwrapped phase of two dates"
            raise StackError(f"{root}: holds {what}; give a pattern of the files to read")
        if found["displacement"]:
            options, notes = _of_displacement(options)
        else:
            notes = ()
        table = given_baselines(options)
        if table is None and (root / _BASELINES).is_file():
            table = read_baselines(root / _BASELINES)
        files = found["phase"] or found["displacement"]
        inputs = Inputs(files, found["coherence"] or None, found["components"] or None, table)
        source = assemble(inputs, options, in_radians=False)
        return replace(source, notes=(*source.notes, *notes, *_masks(rasters)))


def _rasters(folder: Path) -> list[Path]:
    """Return the rasters of a folder; raw pixels only with a header text, and without a VRT or GeoTIFF of them."""
    found = sorted(path for path in below(folder) if path.suffix.lower() in _RASTERS | SUFFIXES)
    there = set(found)
    return [path for path in found if path.suffix.lower() in _RASTERS or _is_described(path, there)]


def _is_described(path: Path, there: set[Path]) -> bool:
    twins = (path.with_name(f"{path.name}{suffix}") for suffix in (".vrt", ".tif"))
    try:
        return there.isdisjoint(twins) and (has_envi_header(path) or described(path) is not None)
    except FileError:  # reported by the scan
        return True


def _masks(rasters: Sequence[Path]) -> tuple[str, ...]:
    """Return a note on masks, which are not applied as there may be several kinds and one per pair."""
    found = [path for path in rasters if _MASK.search(path.name)]
    return (f"masks are not applied, give one with --mask (mask(mask=)): {names(found, 2)}",) if found else ()


def _pair(path: Path, dates: str | None) -> PairFile | None:
    """Return the file of a pair; None for a static map, whose name does not have two dates."""
    try:
        return pair_file_from_name(path, dates)
    except ArgumentError:
        if dates is None and len(re.findall(r"\d{6,8}", path.name)) >= 2:
            raise
        return None


def _of_displacement(options: Options) -> tuple[Options, tuple[str, ...]]:
    """Return options for OPERA's displacement, where the wavelength only converts metres to radians and back."""
    note = (
        f"the wavelength is taken to be {SENTINEL1_WAVELENGTH:.7f} m (Sentinel-1); displacement does not depend on it, "
        "residuals in radians do: give wavelength= (--wavelength) if it is another"
    )
    known = replace(options, sign=options.sign or "toward", wavelength=options.wavelength or SENTINEL1_WAVELENGTH)
    return known, () if options.wavelength else (note,)
