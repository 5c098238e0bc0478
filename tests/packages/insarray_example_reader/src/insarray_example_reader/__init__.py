"""A reader for insarray: a folder with ``example.json`` and one ``YYYYMMDD_YYYYMMDD.npy`` per pair.

The arrays hold centimetres toward the satellite, of the second minus the first date, with -999 where there is no data.
The JSON file says the wavelength in metres, the upper-left corner, the pixel size and the EPSG code.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.files import fingerprint
from insarray.io.layers.decode import PhaseDecode
from insarray.io.pairs import by_pair, network_of_pairs, pair_file_from_name
from insarray.io.source import Options, StackSource
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import FileError
from insarray.model.grid import Grid


class ExampleReader:
    """Centimetres toward the satellite, turned into radians away from it."""

    name = "example"
    looks_for = "example.json with *.npy beside it"
    options = frozenset({"wavelength"})

    def recognises(self, path: Path) -> bool:
        """A folder with the JSON file in it."""
        return path.is_dir() and (path / "example.json").is_file()

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read the JSON file and the headers of the arrays; no pixel."""
        folder = paths[0]
        about = json.loads((folder / "example.json").read_text(encoding="utf-8"))
        pairs = by_pair(pair_file_from_name(path) for path in sorted(folder.glob("*.npy")))
        if not pairs:
            raise FileError(f"{folder}: has no *.npy beside example.json; fetch them")
        files = tuple(str(file.path) for file in pairs.values())
        height, width = np.load(files[0], mmap_mode="r").shape
        wavelength = options.wavelength or about["wavelength"]
        factor = 0.01 / metres_per_radian(wavelength)
        decode = PhaseDecode(tuple(-factor if file.swapped else factor for file in pairs.values()), -999.0)
        layer = NpyLayer(files, (len(files), height, width), decode, fingerprint(files, decode))
        return StackSource(
            network_of_pairs(pairs, None),
            Grid(height, width, about["left"], about["top"], about["dx"], about["dy"], f"EPSG:{about['epsg']}"),
            {"unwrapped_phase": layer},
            tuple(Path(file) for file in files),
            wavelength=wavelength,
            attrs={"source_sign": "toward", "source_units": "centimetre"},
        )


@dataclass(frozen=True)
class NpyLayer:
    """The arrays of all pairs; opened for each read, so that it can be sent to other processes."""

    files: tuple[str, ...]
    shape: tuple[int, int, int]
    decode: PhaseDecode
    fingerprint: str
    dtype = np.dtype(np.float32)
    tile = (1, 1)

    def read(self, rows: slice, cols: slice, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Decoded window (pair, row, col) of all pairs, or of those listed."""
        chosen = range(len(self.files)) if pairs is None else pairs
        out = np.empty((len(chosen), rows.stop - rows.start, cols.stop - cols.start), self.dtype)
        for plane, pair in zip(out, chosen, strict=True):
            self.decode(np.asarray(np.load(self.files[pair], mmap_mode="r")[rows, cols]), plane, pair, self.files[pair])
        return out
