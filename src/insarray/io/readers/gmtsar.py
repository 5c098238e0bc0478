"""Reader of GMTSAR's pair folders YYYYDDD_YYYYDDD with unwrapped grids, baseline table and PRM files."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.layers.headers import Header
from insarray.io.layers.netcdf import wgs84
from insarray.io.pairs import PairFile, by_pair, network_of_pairs, pair_file
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import (
    SPEED_OF_LIGHT,
    baselines_if_usable,
    covers,
    number,
    read_keys,
    read_text,
    same_in_all,
    usable_baselines,
)
from insarray.io.source import Options, StackSource
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.numbers import plain_number

_PAIR = re.compile(r"(\d{7})_(\d{7})")
_GEOCODED = "_ll"
_PHASE = ("unwrap_ll", "unwrap_mask_ll", "unwrap", "unwrap_mask")
"""Names of the phase grids, in order of preference."""
_TABLE = "baseline_table.dat"
_DIGITS = 6  # digits of a wavelength in metres that are the same in all images of a radar


class GmtsarReader:
    """Reader of phase in radians, positive away from the satellite, NaN = no-data.

    GMTSAR multiplies the reference by the conjugate of the repeat image; its own scripts convert phase to displacement
    toward the satellite by -79.58 mm * wavelength. Its table has the perpendicular baseline of each image relative to
    one of them, positive toward the scene and up (range change = -baseline sin(look - elevation of the baseline)): the
    sign of the data model. Both follow from its formulas and were not checked against a product with known motion.
    """

    name = "gmtsar"
    looks_for = "GMTSAR's unwrap_ll.grd or unwrap.grd in folders YYYYDDD_YYYYDDD, usually in intf_all/ or merge/"
    options = frozenset({"baselines", "extent", "resample", "variable", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an unwrapped grid in a pair folder, or a folder with one below."""
        return any(_found([path]))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the grids, read the baseline table and the PRM files, and check all headers."""
        phase, notes = _phase(paths, options.variable)
        grid_name = phase[0].path.stem
        prms = sorted(prm for file in phase for prm in below(file.path.parent, "*.PRM", deep=False))
        keys = [read_keys(prm, "=") for prm in prms]
        baselines = given_baselines(options)
        if baselines is None:
            table = _table(phase[0].path.parent.parent)
            network = network_of_pairs(by_pair(phase), None)
            baselines, missing = baselines_if_usable(lambda: _baselines(table, network))
            notes += missing
        geocoded = _GEOCODED in grid_name
        inputs = Inputs(
            phase,
            _beside(phase, ("corr_ll",) if geocoded else ("corr_cut", "corr")),
            _beside(phase, ("conncomp_ll",) if geocoded else ("conncomp",)),
            baselines,
            located=_geographic if geocoded else None,
            downward=True,
        )
        known = Options(
            wavelength=options.wavelength or _wavelength(prms, keys),
            sign="away",
            units="radian",
            # the extent of geocoded grids depends on the pair
            extent=options.extent or ("intersection" if geocoded else None),
            resample=options.resample,
        )
        source = assemble(inputs, known)
        return replace(source, attrs=source.attrs | _attrs(prms, keys), notes=(*source.notes, *notes))


def geographic(grid: Grid) -> Grid:
    """Return a grid of longitudes and latitudes with CRS and normalised longitudes, which GMT files lack."""
    return replace(grid, crs=wgs84()).turn_towards(0.0)


def _geographic(header: Header) -> Grid:
    if header.grid.is_counted:
        raise FileError(
            f"{header.file.path}: has no longitudes and latitudes, or was not written by GMT; make it again"
        )
    return geographic(header.grid)


# -- files ----------------------------------------------------------------------------------------------------------


def _found(paths: Iterable[Path]) -> Iterable[Path]:
    """Yield the unwrapped grids in pair folders."""
    for path in paths:
        candidates = below(path, "unwrap*.grd") if path.is_dir() else [path]
        for file in candidates:
            if file.suffix == ".grd" and file.stem.startswith("unwrap") and _PAIR.fullmatch(file.parent.name):
                yield file


def _phase(paths: Sequence[Path], variable: str | None) -> tuple[list[PairFile], tuple[str, ...]]:
    """Return the grids with the chosen name, one per pair, and a note on the others."""
    found = sorted(_found(paths))
    there = {path.stem for path in found}
    chosen = variable or next((name for name in _PHASE if name in there), None)
    if not found:
        raise FileError(
            f"{names(paths)}: holds no unwrap_ll.grd or unwrap.grd in folders YYYYDDD_YYYYDDD; give the folder of the pairs"
        )
    if chosen not in there:
        raise FileError(
            f"{names(paths)}: holds no {chosen or _PHASE[0]}.grd, but {', '.join(sorted(there))}; choose with variable="
        )
    folders = [path for path in paths if path.is_dir()]
    pairs = sorted({pair for top in folders for pair in _pair_folders(top)} | {path.parent for path in found})
    for pair in pairs:
        if not (pair / f"{chosen}.grd").is_file():
            raise FileError(f"{pair}: holds no {chosen}.grd as the other pairs do; make it, or move the folder away")
    geocoded = _GEOCODED in chosen
    left = sorted(name for name in there if (_GEOCODED in name) != geocoded and name in _PHASE)
    notes = (f"grids in radar coordinates are left out: {', '.join(left)}",) if geocoded and left else ()
    return [pair_file(pair / f"{chosen}.grd", *_times(pair)) for pair in pairs], notes


def _pair_folders(top: Path) -> Iterable[Path]:
    return (path for path in (top, *below(top)) if path.is_dir() and _PAIR.fullmatch(path.name))


def _times(folder: Path) -> tuple[np.datetime64, np.datetime64]:
    found = _PAIR.fullmatch(folder.name)
    if found is None:
        raise FileError(f"{folder}: is not named YYYYDDD_YYYYDDD as GMTSAR's pairs are")
    return _time(folder, found[1]), _time(folder, found[2])


def _time(source: Path, text: str) -> np.datetime64:
    """Return the time of YYYYDDD, where DDD is the day of the year minus one: 2019000 is the first of January."""
    year, day = int(text[:4]), int(text[4:])
    time = np.datetime64(f"{year:04d}-01-01", "D") + np.timedelta64(day, "D")
    if not 1970 <= year < 2100 or time.astype("datetime64[Y]").astype(int) + 1970 != year:
        raise FileError(f"{source}: {text} is not a date YYYYDDD, where DDD is the day of the year less one")
    return as_time(time)


def _beside(phase: Sequence[PairFile], stems: Sequence[str]) -> list[PairFile] | None:
    """Return the first kind of grid that any pair has; `assemble` refuses incomplete ones."""
    for stem in stems:
        there = [replace(file, path=path) for file in phase if (path := file.path.with_name(f"{stem}.grd")).is_file()]
        if there:
            return there
    return None


# -- metadata -------------------------------------------------------------------------------------------------------


def _wavelength(prms: Sequence[Path], keys: Sequence[dict[str, str]]) -> float | None:
    known = [number(prm, found, "radar_wavelength") for prm, found in zip(prms, keys, strict=True)]
    rounded = [None if value is None else round(value, _DIGITS) for value in known]
    if prms:
        same_in_all([prm.relative_to(prm.parents[1]) for prm in prms], rounded, "wavelength", "give pairs of one radar")
    return known[0] if known else None


def _attrs(prms: Sequence[Path], keys: Sequence[dict[str, str]]) -> dict[str, object]:
    """Return the slant range (m) at the centre of the swath."""
    if not prms:
        return {}
    near, rate, bins = (number(prms[0], keys[0], name) for name in ("near_range", "rng_samp_rate", "num_rng_bins"))
    if near is None or rate is None or bins is None:
        return {}
    return {"slant_range": near + bins / 2 * SPEED_OF_LIGHT / (2 * rate)}


def _table(top: Path) -> Path | None:
    """Return the baseline table of a folder of pairs, above it, or of the images; the middle of several subswaths."""
    for folder in (top, top.parent):
        for pattern in (_TABLE, f"raw/{_TABLE}", f"F[123]/{_TABLE}", f"F[123]/raw/{_TABLE}"):
            found = sorted(folder.glob(pattern))
            if found:
                return found[len(found) // 2]
    return None


def _baselines(path: Path | None, network: Network) -> tuple[BaselineTable | None, tuple[str, ...]]:
    """Read baselines from the columns ``name yyyyddd.fraction day parallel perpendicular``."""
    if path is None:
        return None, (f"no perpendicular baselines: there is no {_TABLE}",)
    dates: list[tuple[np.datetime64]] = []
    values: list[float] = []
    for k, line in enumerate(read_text(path).splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            stamp, value = cells[1].partition(".")[0], plain_number(cells[4])
            dates.append((_time(path, stamp if len(stamp) == 7 else "0000000"),))
        except (IndexError, ValueError, FileError) as error:
            raise FileError(
                f"{path}, line {k}: {line.strip()!r} is not 'name yyyyddd.fraction day parallel perpendicular'; "
                "make the table again"
            ) from error
        if not np.isfinite(value):
            raise FileError(f"{path}, line {k}: {cells[4]} is not a baseline in metres; make the table again")
        values.append(value)
    try:
        table, notes = usable_baselines(path, dates, values)
    except StackError as error:
        raise FileError(f"{path}: {error}; make the table again") from error
    return (table, notes) if table is None else covers(table, network)
