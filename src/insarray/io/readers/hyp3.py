"""Reader of HyP3's on-demand InSAR of Sentinel-1 (GAMMA scenes, ISCE2 bursts): a folder per job with a text file."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.layers.decode import MaskDecode
from insarray.io.layers.maps import maps_if_usable, maps_of_angles, static_maps
from insarray.io.pairs import PairFile, by_pair, newest, one_time_per_pass, pair_file
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.sidecars import (
    SENTINEL1_WAVELENGTH,
    baselines_if_usable,
    number,
    read_keys,
    same_in_all,
    sentinel1_looks,
    usable_baselines,
)
from insarray.io.source import Layer, Options, StackSource
from insarray.model.baselines import BaselineTable
from insarray.model.dates import as_time
from insarray.model.errors import FileError
from insarray.model.grid import Grid

# INSAR_GAMMA, INSAR_ISCE_BURST, INSAR_ISCE_MULTI_BURST; the last four digits identify the job, not a version
_JOB = (
    r"(?P<job>S1[A-D]{2}_(?P<t1>\d{8}T\d{6})_(?P<t2>\d{8}T\d{6})_[VH]{2}[PRO]\d{3,4}_INT\d{2}_G_\w{3}"
    r"|S1_\d{6}_IW[123]_(?P<b1>\d{8})_(?P<b2>\d{8})_[VH]{2}_INT\d{2}"
    r"|S1_\d{3}_\d{6}s1n\d{2}-\d{6}s2n\d{2}-\d{6}s3n\d{2}_IW_(?P<m1>\d{8})_(?P<m2>\d{8})_[VH]{2}_INT\d{2})"
    r"_[0-9A-F]{4}"
)
_PHASE = re.compile(_JOB + r"_unw_phase(?P<cut>_clip\w*)?\.tif")
_README = (".README.md.txt", "_README.md.txt")
"""Suffixes of hyp3-gamma (ifm_sentinel.py) and hyp3-isce2 (packaging.py)."""

_PROCESSED = re.compile(r"Processing Date/Time:\s*(\S+)")


class Hyp3Reader:
    """Reader of phase in radians, positive away from the satellite, 0 = no-data; the reference is the older date.

    Baselines are negated. ISCE2 gives them the sign of ((target - reference) x (secondary - reference)) . velocity,
    which for the right-looking Sentinel-1 is opposite to that of the data model (see `insarray.io.layers.granules`),
    and GAMMA jobs have the same sign as ISCE2 ones: for one pair -14.8 and -14.3 m (ASFHyP3/hyp3-isce2, issue 62).
    """

    name = "hyp3"
    looks_for = "HyP3's *_unw_phase.tif in the folder or below it, each with its .txt"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is an unwrapped phase named as by HyP3, or a folder with one in it."""
        return _PHASE.fullmatch(path.name) is not None if path.is_file() else any(_found([path]))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the jobs, read their text files and check all headers."""
        phase = sorted(_found(paths))
        if not phase:
            raise FileError(f"{names(paths)}: holds no *_unw_phase.tif of HyP3; give the folder with the unzipped jobs")
        jobs, notes = _newest([_read_job(path) for path in _without_cuts(phase)])
        by_pair(*one_time_per_pass([[job.phase for job in jobs]]))  # raises for repeated pairs
        baselines = given_baselines(options)
        if baselines is None:
            baselines, missing = baselines_if_usable(lambda: _baselines(jobs))
            notes += missing
        inputs = Inputs(
            [job.phase for job in jobs],
            _companions(jobs, "corr"),
            _companions(jobs, "conncomp"),
            baselines,
        )
        known = Options(
            # HyP3 processes no other satellite, and states no frequency
            wavelength=options.wavelength or SENTINEL1_WAVELENGTH,
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent or "intersection",
            resample=options.resample,
        )
        source = assemble(inputs, known)
        maps, lacking = _maps(jobs, source.grid)
        return replace(
            source,
            attrs=source.attrs | _attrs(jobs),
            maps=maps,
            notes=(*source.notes, *notes, *lacking),
        )


# -- jobs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """Pair: its phase, its text file, and the values in that file."""

    phase: PairFile
    text: Path
    keys: dict[str, str]

    def beside(self, what: str) -> Path:
        """Return the path of another raster of the job."""
        path = self.phase.path
        return path.with_name(path.name.replace("_unw_phase", f"_{what}"))

    def number(self, name: str) -> float | None:
        """Return a number from the text file, None if missing."""
        return number(self.text, self.keys, name)


def _found(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        candidates = below(path, "*_unw_phase*.tif") if path.is_dir() else [path]
        yield from (file for file in candidates if _PHASE.fullmatch(file.name))


def _match(path: Path) -> re.Match[str]:
    found = _PHASE.fullmatch(path.name)
    if found is None:
        raise FileError(f"{path}: is not named as a job of HyP3; open it with product='generic'")
    return found


def _read_job(path: Path) -> _Job:
    found = _match(path)
    first, second = (text for name, text in found.groupdict().items() if name not in ("job", "cut") and text)
    text = path.with_name(_base(path) + ".txt")
    return _Job(pair_file(path, as_time(first), as_time(second)), text, read_keys(text, ":"))


def _base(path: Path) -> str:
    return path.name[: path.name.index("_unw_phase")]


def _without_cuts(phase: Sequence[Path]) -> list[Path]:
    """Remove clipped copies of files that exist in full."""
    whole = {path.with_name(_base(path)) for path in phase if not _match(path)["cut"]}
    return [path for path in phase if not _match(path)["cut"] or path.with_name(_base(path)) not in whole]


def _newest(jobs: Sequence[_Job]) -> tuple[list[_Job], list[str]]:
    """Return the last processed of jobs that differ only in their identifier, by the date in their README."""
    same: dict[str, list[PairFile]] = {}
    for job in jobs:
        same.setdefault(_match(job.phase.path)["job"], []).append(job.phase)
    kept: set[Path] = set()
    notes: list[str] = []
    for files in same.values():
        latest, left = newest(files, _processed) if len(files) > 1 else (files, ())
        kept |= {file.path for file in latest}
        notes += left
    return [job for job in jobs if job.phase.path in kept], notes


def _processed(path: Path) -> str:
    for name in _README:
        readme = path.with_name(_base(path) + name)
        found = _PROCESSED.search(readme.read_text(encoding="utf-8", errors="replace")) if readme.is_file() else None
        if found is not None:
            return found[1]
    return ""


def _companions(jobs: Sequence[_Job], what: str) -> list[PairFile] | None:
    """Return another raster of all jobs, None if no job has it; `assemble` refuses incomplete ones."""
    there = [replace(job.phase, path=job.beside(what)) for job in jobs if job.beside(what).is_file()]
    return there or None


# -- metadata -------------------------------------------------------------------------------------------------------


def _baselines(jobs: Sequence[_Job]) -> tuple[BaselineTable | None, tuple[str, ...]]:
    values = [None if (value := job.number("Baseline")) is None else -value for job in jobs]
    return usable_baselines(jobs[0].text, [job.phase.dates for job in jobs], values)


def _attrs(jobs: Sequence[_Job]) -> dict[str, object]:
    texts = [job.text for job in jobs]
    remedy = "give pairs of the same looks"
    across = same_in_all(texts, [job.number("Range looks") for job in jobs], "range looks", remedy)
    azimuth = same_in_all(texts, [job.number("Azimuth looks") for job in jobs], "azimuth looks", remedy)
    known: dict[str, object] = {}
    if across is not None and azimuth is not None:
        known["looks"] = sentinel1_looks(across, azimuth)
    ranges = [distance for job in jobs if (distance := job.number("Slant range center")) is not None]
    if ranges:
        known["slant_range"] = float(np.mean(ranges))  # at the centre of the swath; pairs differ by metres
    return known


def _maps(jobs: Sequence[_Job], grid: Grid) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return the maps of the jobs that have them, which is an option of each job."""

    def having(*what: str) -> list[list[Path]]:
        rows = [[job.beside(name) for name in what] for job in jobs]
        there = [row for row in rows if all(path.is_file() for path in row)]
        return [list(column) for column in zip(*there, strict=True)] or [[] for _ in what]

    (heights,), (masks,), (elevations, orientations) = having("dem"), having("water_mask"), having("lv_theta", "lv_phi")
    return maps_if_usable(
        [
            ("heights", lambda: static_maps(heights, "height", grid)),
            ("the water mask", lambda: static_maps(masks, "water_mask", grid, MaskDecode())),
            ("the line of sight", lambda: maps_of_angles(elevations, orientations, grid)),
        ]
    )
