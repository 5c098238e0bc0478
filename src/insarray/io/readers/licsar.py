"""Reader of LiCSAR's geocoded interferograms of a frame, in the layout of its portal or of LiCSBAS."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.layers.decode import MapDecode
from insarray.io.layers.headers import read_headers
from insarray.io.layers.maps import maps_if_usable, maps_of_components, static_maps
from insarray.io.pairs import PairFile, by_pair, network_of_pairs, pair_file_from_name
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import (
    SENTINEL1_WAVELENGTH,
    SPEED_OF_LIGHT,
    baselines_if_usable,
    covers,
    number,
    read_keys,
    read_text,
    usable_baselines,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.numbers import plain_number

_PHASE = re.compile(r"\d{8}_\d{8}\.geo\.unw\.tif")
_COMPONENTS = ("E", "N", "U")
_DUMMY = 1.0  # metres; LiCSBAS replaces a missing table by random numbers up to 1
_SAME = 0.1  # metres


class LicsarReader:
    """Reader of phase in radians, positive away from the satellite, 0 = no-data; coherence in bytes or as fraction.

    Baselines are used with the sign of the file, which lists them relative to one date: they are GAMMA's, like those of
    other products. This was not checked against a product with known height error.
    """

    name = "licsar"
    looks_for = "LiCSAR's YYYYMMDD_YYYYMMDD.geo.unw.tif in the folder or below it, usually in GEOC/ or interferograms/"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an unwrapped phase named as by LiCSAR, or a folder with one in it."""
        return _PHASE.fullmatch(path.name) is not None if path.is_file() else any(_found([path]))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the files, read the metadata of the frame and check all headers."""
        phase = [pair_file_from_name(path) for path in sorted(_found(paths))]
        if not phase:
            raise FileError(f"{names(paths)}: holds no YYYYMMDD_YYYYMMDD.geo.unw.tif; give the folder GEOC of a frame")
        folders = _folders(paths)
        text = _one(folders, "metadata.txt")
        keys = {} if text is None else read_keys(text, "=")
        baselines = given_baselines(options)
        notes: tuple[str, ...] = ()
        if baselines is None:
            table, network = _one(folders, "baselines"), network_of_pairs(by_pair(phase), None)
            baselines, notes = baselines_if_usable(lambda: _baselines(table, network))
        known = Options(
            wavelength=options.wavelength or _wavelength(text, keys),
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent,
            resample=options.resample,
        )
        source = assemble(Inputs(phase, _coherence(phase), None, baselines), known)
        maps, lacking = _maps(folders, source.grid)
        return replace(
            source,
            attrs=source.attrs | _attrs(text, keys),
            maps=maps,
            notes=(*source.notes, *notes, *lacking),
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _found(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        candidates = below(path, "*.geo.unw.tif") if path.is_dir() else [path]
        yield from (file for file in candidates if _PHASE.fullmatch(file.name))


def _folders(paths: Sequence[Path]) -> list[Path]:
    """Return the folders that may hold the files of the frame: that of the pairs, and metadata/ next to it."""
    tops = dict.fromkeys(path if path.is_dir() else path.parent.parent for path in paths)
    return [folder for top in tops for folder in (top, top.parent / "metadata") if folder.is_dir()]


def _one(folders: Sequence[Path], pattern: str) -> Path | None:
    """Return the topmost file of a name, or None.

    Raises
    ------
    StackError
        If there are several, which would be of several frames.
    """
    found = sorted({path for folder in folders for path in below(folder, pattern) if path.is_file()})
    highest = [path for path in found if len(path.parts) == min(len(path.parts) for path in found)]
    if len(highest) > 1:
        raise StackError(f"{highest[0]}: there is {highest[1]}, too; give the folder of one frame")
    return highest[0] if highest else None


def _coherence(phase: Sequence[PairFile]) -> list[PairFile] | None:
    beside = [replace(file, path=file.path.with_name(file.path.name.replace(".unw.", ".cc."))) for file in phase]
    return [file for file in beside if file.path.is_file()] or None


def _maps(folders: Sequence[Path], grid: Grid) -> tuple[dict[str, Layer], tuple[str, ...]]:
    components = {name: path for name in _COMPONENTS if (path := _one(folders, f"*.geo.{name}.tif")) is not None}
    height = _one(folders, "*.geo.hgt.tif")
    reads: list[tuple[str, Callable[[], dict[str, Layer]]]] = []
    if height is not None:
        reads.append(("heights", lambda: static_maps([height], "height", grid, MapDecode(0.0))))
    if len(components) == len(_COMPONENTS):
        reads.append(("the line of sight", lambda: maps_of_components(read_headers([*components.values()]), grid)))
    maps, notes = maps_if_usable(reads)
    lacking = [f"*.geo.{name}.tif" for name in _COMPONENTS if name not in components]
    return maps, (*notes, f"the line of sight is left out: there is no {', '.join(lacking)}") if 0 < len(
        lacking
    ) < 3 else notes


# -- metadata -------------------------------------------------------------------------------------------------------


def _wavelength(text: Path | None, keys: dict[str, str]) -> float:
    """Return the wavelength from the frequency (Hz) in the metadata, which LiCSAR (Sentinel-1 only) rarely writes."""
    frequency = None if text is None else number(text, keys, "radar_frequency", "radar_freq")
    return SENTINEL1_WAVELENGTH if frequency is None else SPEED_OF_LIGHT / frequency


def _attrs(text: Path | None, keys: dict[str, str]) -> dict[str, object]:
    distance = None if text is None else number(text, keys, "centre_range_ok_m", "centre_range_m")
    return {} if distance is None else {"slant_range": distance}


def _baselines(path: Path | None, network: Network) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Read the baselines of the dates from a file ``reference date bperp days``, all relative to one date.

    The older form has nine columns, of which the second and third are dates and the last two their baselines.
    """
    if path is None:
        return None, ("no perpendicular baselines: there is no file baselines",)
    values: dict[str, float] = {}
    left: list[str] = []
    for k, line in enumerate(read_text(path).splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) == 3:  # also on the server, for an image without baseline
            left.append(cells[1])
            continue
        if len(cells) not in (4, 9):
            raise FileError(f"{path}, line {k}: has {len(cells)} columns instead of 4 or 9; download it again")
        pairs = ((0, None), (1, 2)) if len(cells) == 4 else ((1, 7), (2, 8))
        for date, column in pairs:
            value = 0.0 if column is None else _metres(path, k, cells[column])
            if abs(values.setdefault(cells[date], value) - value) > _SAME:
                raise FileError(
                    f"{path}, line {k}: {cells[date]} is at {value:g} m, but at {values[cells[date]]:g} m before; "
                    "all must be relative to one date"
                )
    try:
        dates = [(as_time(date),) for date in values]
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    table, notes = usable_baselines(path, dates, list(values.values()), _DUMMY)
    if table is not None:
        table, notes = covers(table, network)
    return table, (*notes, *([f"{path.name} has no baseline of {', '.join(left[:3])}"] if left else []))


def _metres(path: Path, line: int, cell: str) -> float:
    try:
        value = plain_number(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FileError(f"{path}, line {line}: {cell!r} is not a baseline in metres; fetch the file again")
    return value
