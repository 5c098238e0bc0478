"""Reader of FLATSIM (ForM@Ter, Sentinel-1): unwrapped NSBAS interferograms, geocoded or in radar coordinates."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.layers.headers import Header, read_headers
from insarray.io.layers.maps import maps_if_usable, maps_of_components
from insarray.io.pairs import PairFile, pair_file_from_name
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import SENTINEL1_WAVELENGTH, number, read_keys, same_in_all
from insarray.io.source import Layer, Options, StackSource
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid

_NAME = r"CNES_{what}_(?P<where>geo|radar)_\d{{8}}_\d{{8}}(?:_\w+)?_(?P<looks>\d+rlks)\.tiff?"
_PHASE = re.compile(_NAME.format(what="InU"))
_COHERENCE = re.compile(_NAME.format(what="Coh"))


class FlatsimReader:
    """Reader of phase in radians in the first band, positive away from the satellite, 0 = no-data.

    The sign follows the documentation of the interferograms; the displacements of the service, which are not read, are
    positive away from the satellite as well. Perpendicular baselines are not read from its baseline.rsc, whose sign and
    columns are undocumented: pass a table.
    """

    name = "flatsim"
    looks_for = "FLATSIM's CNES_InU_geo_YYYYMMDD_YYYYMMDD_*rlks.tiff in the folder or below it"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an unwrapped phase named as by FLATSIM, or a folder with one in it."""
        return _PHASE.fullmatch(path.name) is not None if path.is_file() else any(_found(path, _PHASE))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the files and check all headers."""
        phase = sorted(file for path in paths for file in _found(path, _PHASE))
        if not phase:
            raise FileError(f"{names(paths)}: holds no CNES_InU_*rlks.tiff of FLATSIM; give the folder with the pairs")
        phase, notes = _one_geometry(phase)
        baselines = given_baselines(options)
        if baselines is None:
            notes += ("no perpendicular baselines: FLATSIM does not document the sign of its own; give a table",)
        known = Options(
            wavelength=options.wavelength or _wavelength(phase),
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent,
            resample=options.resample,
        )
        coherence = _like(phase[0], _found_in(paths, _COHERENCE))
        # the phase may be 0 where it was masked and the coherence is positive
        inputs = Inputs(_pairs(phase), _pairs(coherence) or None, None, baselines, 1)
        source = assemble(inputs, known)
        maps, lacking = maps_if_usable([("the line of sight", lambda: _maps(paths, phase[0], source.grid))])
        return replace(source, maps=maps, notes=(*source.notes, *notes, *lacking))


# -- files ----------------------------------------------------------------------------------------------------------


def _found(path: Path, name: re.Pattern[str]) -> Iterable[Path]:
    candidates = below(path, "CNES_*.tif*") if path.is_dir() else [path]
    return (file for file in candidates if name.fullmatch(file.name))


def _tops(paths: Sequence[Path]) -> list[Path]:
    """Return the folders with the pairs; for single files the parent of their int_YYYYMMDD_YYYYMMDD/."""
    return list(dict.fromkeys(path if path.is_dir() else path.parent.parent for path in paths))


def _found_in(paths: Sequence[Path], name: re.Pattern[str]) -> list[Path]:
    return sorted({file for top in _tops(paths) for file in _found(top, name)})


def _one_geometry(phase: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the geocoded files, if any, else those in radar coordinates; StackError for several resolutions."""
    geocoded = [path for path in phase if "_geo_" in path.name]
    chosen = geocoded or list(phase)
    other = [path for path in chosen if _key(path) != _key(chosen[0])]
    if other:
        raise StackError(f"{other[0]}: is of another resolution than {chosen[0].name}; give one of them")
    left = [path for path in phase if path not in chosen]
    return chosen, ((f"interferograms in radar coordinates are left out: {names(left)}",) if left else ())


def _key(path: Path) -> tuple[str, ...]:
    """Return geometry and looks of a file."""
    found = re.search(r"_(geo|radar)_.*?(\d+rlks)", path.name)
    return found.groups() if found else ()


def _like(phase: Path, files: Sequence[Path]) -> list[Path]:
    return [file for file in files if _key(file) == _key(phase)]


def _pairs(files: Sequence[Path]) -> list[PairFile]:
    return [pair_file_from_name(file) for file in files]


def _maps(paths: Sequence[Path], phase: Path, grid: Grid) -> dict[str, Layer]:
    """Return the line of sight of CNES_CosENU (bands east, north, up), documented as pointing down; checked by up."""
    found = _like(phase, [file for top in _tops(paths) for file in sorted(below(top, "CNES_CosENU_*.tif*"))])
    if not found:
        return {}
    headers: list[Header] = [header for band in (1, 2, 3) for header in read_headers(found[:1], band=band)]
    return maps_of_components(headers, grid)


def _wavelength(phase: Sequence[Path]) -> float:
    """Return the wavelength in the .meta files, if any, else that of Sentinel-1, the only sensor of the service."""
    texts = [text for path in phase if (text := path.with_suffix(".meta")).is_file()]
    known = [
        number(text, read_keys(text, r"\s*[:=]\s*|\s+"), "Wavelength", "wavelength", "WAVELENGTH") for text in texts
    ]
    value = same_in_all(texts, known, "wavelength", "give the true one with wavelength=") if texts else None
    return SENTINEL1_WAVELENGTH if value is None else value
