"""Reader of dolphin's output: unwrapped phase and components in one folder, correlation with the interferograms."""

import re
from collections.abc import Iterable
from pathlib import Path

from insarray.io.baselines import given_baselines
from insarray.io.files import below, names
from insarray.io.pairs import PairFile, pair_file_from_name
from insarray.io.readers.generic import Inputs, assemble
from insarray.io.source import Options, StackSource
from insarray.model.errors import FileError, StackError

_DATES = r"^\d{8}(?:T?\d{6})?_\d{8}(?:T?\d{6})?"
_PHASE = re.compile(_DATES + r"\.unw\.tif$")
_COMPONENTS = re.compile(_DATES + r"\.unw\.conncomp\.tif$")
_COHERENCE = re.compile(_DATES + r"(?:\.int)?\.cor\.tif$")


class DolphinReader:
    """Reader of phase in radians, positive away from the satellite, 0 = no-data, without wavelength in the files."""

    name = "dolphin"
    looks_for = "YYYYMMDD_YYYYMMDD.unw.tif in the folder or below it, usually in unwrapped/"
    options = frozenset({"baselines", "extent", "resample", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the folder holds unwrapped interferograms named as by dolphin."""
        return path.is_dir() and any(_find(path, _PHASE))

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Find the files and check all headers."""
        if len(paths) != 1 or not paths[0].is_dir():
            raise FileError(f"files: the product dolphin is one folder, not {names(paths)}")
        root = paths[0]
        phase = _one_folder(_find(root, _PHASE), root, "unwrapped")
        if not phase:
            raise FileError(f"{root}: holds no YYYYMMDD_YYYYMMDD.unw.tif; give the folder that has unwrapped/ in it")
        # the coherence of .../unwrapped is in a sibling folder
        beside = root if root.name != "unwrapped" else root.parent
        inputs = Inputs(
            phase,
            _one_folder(_find(beside, _COHERENCE), root, "interferograms") or None,
            _one_folder(_find(root, _COMPONENTS), root, phase[0].path.parent.name) or None,
            given_baselines(options),
        )
        known = Options(
            wavelength=options.wavelength,
            sign="away",
            units="radian",
            nodata=0.0,
            extent=options.extent,
            resample=options.resample,
        )
        return assemble(inputs, known)


def _find(root: Path, name: re.Pattern[str]) -> Iterable[Path]:
    return (path for path in below(root, "*.tif") if name.match(path.name))


def _one_folder(paths: Iterable[Path], root: Path, usual: str) -> list[PairFile]:
    """Return the files of the only folder that holds any or, of several, of the topmost one named `usual`."""
    folders: dict[Path, list[Path]] = {}
    for path in sorted(paths):
        folders.setdefault(path.parent, []).append(path)
    if len(folders) > 1:
        candidates = sorted((len(folder.parts), folder) for folder in folders if folder.name == usual)
        if not candidates or (len(candidates) > 1 and candidates[0][0] == candidates[1][0]):
            listed = ", ".join(str(folder) for folder in folders)
            raise StackError(f"{root}: holds the same kind of file in several folders ({listed}); give one stack")
        folders = {candidates[0][1]: folders[candidates[0][1]]}
    return [pair_file_from_name(path) for files in folders.values() for path in files]
