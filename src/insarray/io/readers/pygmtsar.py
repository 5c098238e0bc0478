"""Reader of PyGMTSAR's cubes of unwrapped phase: NetCDF of its sync_cube, or NetCDF and Zarr written by xarray."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from insarray.io.baselines import given_baselines
from insarray.io.files import below, expand_one, fingerprint, names
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, PhaseDecode
from insarray.io.layers.netcdf import edge_and_step
from insarray.io.pairs import Key, PairFile, by_pair, network_of_pairs, pair_file
from insarray.io.readers.gmtsar import geographic
from insarray.io.readers.stored import StoredLayer, is_zarr, open_stored
from insarray.io.sidecars import SENTINEL1_WAVELENGTH
from insarray.io.source import Layer, Options, StackSource
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError
from insarray.model.grid import Grid

_SUFFIXES = {".grd", ".nc", ".nc4"}
_PAIR = {"pair", "ref", "rep"}
_PHASE = ("unwrap", "phase", "unwrapped_phase", "detrend")
_COHERENCE = ("correlation", "corr", "coherence")
_COMPONENTS = ("conncomp",)
_RADIAN = {"rad", "radian", "radians"}


class PygmtsarReader:
    """Reader of phase in radians, positive away from the satellite, NaN = no-data.

    PyGMTSAR multiplies the image `ref` by the conjugate of `rep`, and converts phase to displacement toward the
    satellite by -79.58 mm * wavelength. The sign follows from that and was not checked against a cube with known
    motion. Its cubes have neither wavelength nor baselines; it processes Sentinel-1 only.
    """

    name = "pygmtsar"
    looks_for = "PyGMTSAR's cube (pair, y, x) with ref and rep, or unwrap*.grd or unwrap*.nc of this kind in the folder"
    options = frozenset({"baselines", "coherence", "variable", "wavelength"})

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a cube of pairs, or a folder with one whose name starts with unwrap."""
        if path.is_dir() and not is_zarr(path):
            return any(_is_cube(file) for file in _called(path, "unwrap"))
        return _is_cube(path)

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read coordinates and attributes."""
        if len(paths) != 1:
            raise FileError(f"files: the product pygmtsar is one cube, or the folder of one, not {names(paths)}")
        phase = _Cube.of(_phase_file(paths[0]))
        notes: tuple[str, ...] = ()
        variable = options.variable or phase.only(_PHASE, "unwrapped phase", others=(*_COHERENCE, *_COMPONENTS))
        factors = tuple(-1.0 if file.swapped else 1.0 for file in phase.pairs.values())
        layers: dict[str, Layer] = {"unwrapped_phase": phase.layer(variable, PhaseDecode(factors))}
        coherence: _Cube | None = phase
        if options.coherence is not None:
            coherence = _Cube.of(expand_one(options.coherence, "coherence", "give one cube"))
        elif not phase.has(_COHERENCE):
            coherence, notes = _coherence_beside(paths[0], phase)
        if coherence is not None and (coherence is not phase or phase.has(_COHERENCE)):
            coherence.require_like(phase)
            name = coherence.only(_COHERENCE, "coherence")
            layers["coherence"] = coherence.layer(name, CoherenceDecode())
        if phase.has(_COMPONENTS):
            layers["connected_component_labels"] = phase.layer(_COMPONENTS[0], ComponentDecode())
        network, table = network_of_pairs(phase.pairs, None), given_baselines(options)
        if table is None:
            notes += ("no perpendicular baselines: PyGMTSAR's cubes have none; give a table",)
        else:
            network = network_of_pairs(phase.pairs, table.of_pairs(network).values)
        files = [phase.path] if coherence is None or coherence is phase else [phase.path, coherence.path]
        return StackSource(
            network,
            phase.grid,
            layers,
            tuple(files),
            wavelength=options.wavelength or SENTINEL1_WAVELENGTH,
            attrs={"source_sign": "away", "source_units": "radian"},
            notes=notes,
        )


# -- files ----------------------------------------------------------------------------------------------------------


def _called(folder: Path, word: str) -> list[Path]:
    """Return the files and stores in a folder whose names begin with a word."""
    return sorted(
        path
        for path in below(folder, deep=False)
        if path.name.lower().startswith(word) and (path.suffix.lower() in _SUFFIXES or is_zarr(path))
    )


def _is_cube(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES and not is_zarr(path):
        return False
    try:
        with open_stored(path) as found:
            return set(found.variables) >= _PAIR and any(_is_stack(found[name]) for name in found.data_vars)
    except InsarrayError:
        return False


def _is_stack(data: xr.DataArray) -> bool:
    return data.ndim == 3 and data.dims[0] == "pair"


def _phase_file(path: Path) -> Path:
    if not path.is_dir() or is_zarr(path):
        return path
    found = _called(path, "unwrap")
    if len(found) != 1:
        raise FileError(f"{path}: holds {names(found) or 'no unwrap*.grd or unwrap*.nc'}; give the one cube to read")
    return found[0]


def _coherence_beside(path: Path, phase: "_Cube") -> tuple["_Cube | None", tuple[str, ...]]:
    """Return the coherence cube in the folder of the phase, if exactly one has the same pairs and pixels."""
    if path != phase.path:
        found = [_Cube.of(file) for word in ("corr", "coh") for file in _called(path, word) if _is_cube(file)]
        fitting = [cube for cube in found if cube.has(_COHERENCE) and cube.misfit(phase) is None]
        if len(fitting) == 1:
            return fitting[0], ()
        if fitting:
            listed = names([cube.path for cube in fitting])
            return None, (f"coherence is left out: {listed} all fit the phase; say which with coherence=",)
    return None, ()


# -- cubes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cube:
    """Unread variables (pair, y, x) of a file; `pairs` in the order of their dates, at positions `rows` of the file."""

    path: Path
    data: xr.Dataset
    pairs: dict[Key, PairFile]
    rows: list[int]
    grid: Grid
    flipped: bool

    @classmethod
    def of(cls, path: Path) -> "_Cube":
        """Open the cube of a file.

        Raises
        ------
        FileError, StackError
            If it cannot be read, or is not a cube of pairs.
        """
        data = open_stored(path)
        stacks = [name for name in data.data_vars if _is_stack(data[name])]
        missing = sorted(_PAIR - set(data.variables))
        if missing or not stacks:
            what = ", ".join(missing) if missing else "variable (pair, y, x)"
            raise FileError(f"{path}: has no {what}; it holds {', '.join(map(str, data.variables)) or 'nothing'}")
        files = _pair_files(path, data)
        pairs = by_pair(files)
        order = {file.key: row for row, file in enumerate(files)}
        y, x = (str(dim) for dim in data[stacks[0]].dims[1:])
        located = data[[name for name in stacks if data[name].dims[1:] == (y, x)]]
        grid, flipped = _grid(path, located, y, x)
        return cls(path, located.rename({y: "y", x: "x"}), pairs, [order[key] for key in pairs], grid, flipped)

    def has(self, wanted: Sequence[str]) -> bool:
        """Return whether the cube has a variable with one of the names."""
        return any(name in self.data for name in wanted)

    def only(self, wanted: Sequence[str], what: str, others: Sequence[str] = ()) -> str:
        """Return the only variable with one of the names or, if there is none, the only one besides `others`."""
        held = [str(name) for name in self.data.data_vars]
        found = [name for name in wanted if name in held] or [name for name in held if name not in others]
        if len(found) != 1:
            raise FileError(f"{self.path}: holds {', '.join(held)}; choose the {what} with variable=")
        return found[0]

    def layer(self, name: str, decode: Decode) -> Layer:
        """Return the layer of a variable, pairs in the order of their dates."""
        if name not in self.data:
            raise FileError(f"{self.path}: has no {name!r} (pair, y, x); it holds {', '.join(map(str, self.data))}")
        data = self.data[name]
        units = str(data.attrs.get("units", "radian"))
        if isinstance(decode, PhaseDecode) and units not in _RADIAN:
            raise StackError(f"{self.path}: {name} is in {units!r}; unwrapped phase in radian is needed")
        chunks = data.encoding.get("preferred_chunks") or {}
        tile = int(chunks.get("y", 1)), int(chunks.get("x", data.sizes["x"]))
        variable = data.variable
        if self.rows != list(range(len(self.rows))):
            variable = variable[self.rows]
        if self.flipped:
            variable = variable[:, ::-1]
        return StoredLayer(str(self.path), variable, tile, decode, fingerprint([self.path], name, self.rows, decode))

    def misfit(self, other: "_Cube") -> str | None:
        """Describe how its pairs or pixels differ from those of another cube; None if they do not."""
        if list(self.pairs) != list(other.pairs):
            return f"has {len(self.pairs)} pairs that are not the {len(other.pairs)} of {other.path.name}"
        return other.grid.mismatch(self.grid)

    def require_like(self, other: "_Cube") -> None:
        """Raise StackError unless its pairs and pixels are those of another cube."""
        why = self.misfit(other)
        if why is not None:
            raise StackError(
                f"{self.path}: {why}; give the coherence of the same pairs and pixels as {other.path.name}"
            )


def _pair_files(path: Path, data: xr.Dataset) -> list[PairFile]:
    try:
        dates = [
            [as_time(value if isinstance(value, np.datetime64) else str(value)) for value in np.atleast_1d(data[name])]
            for name in ("ref", "rep")
        ]
    except ArgumentError as error:
        raise FileError(f"{path}: {error}") from error
    if {len(part) for part in dates} != {data.sizes["pair"]}:
        raise FileError(
            f"{path}: ref and rep have {len(dates[0])} and {len(dates[1])} dates for {data.sizes['pair']} pairs"
        )
    return [pair_file(path, reference, repeat) for reference, repeat in zip(*dates, strict=True)]


def _grid(path: Path, data: xr.Dataset, y: str, x: str) -> tuple[Grid, bool]:
    """Return the grid, with rows from north to south if geocoded, and whether the rows are flipped for that."""
    (top, dy), (left, dx) = (edge_and_step(path, dim, _along(path, data, dim)) for dim in (y, x))
    grid = Grid(data.sizes[y], data.sizes[x], left, top, dx, dy)
    if (y, x) != ("lat", "lon"):
        return grid, False
    flipped = dy > 0
    return geographic(grid.turned() if flipped else grid), flipped


def _along(path: Path, data: xr.Dataset, dim: str) -> np.ndarray:
    """Return the coordinates of a dimension, or compute them from sync_cube's attributes start_y, step_y and size_y."""
    if dim in data.coords:
        return np.asarray(data.coords[dim].values)
    keys = [f"{what}_{dim}" for what in ("start", "step")]
    for attrs in (data.attrs, *(variable.attrs for variable in data.data_vars.values())):
        if all(key in attrs for key in keys):
            start, step = (float(attrs[key]) for key in keys)
            return np.asarray(start + step * np.arange(data.sizes[dim]))
    raise FileError(f"{path}: has no coordinates along {dim}; write the cube with PyGMTSAR's sync_cube or xarray")
