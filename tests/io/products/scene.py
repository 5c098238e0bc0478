"""What small products have seen, which truth they hold, and how commands are run on them."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine

import insarray as ia
from insarray.cli.process import run_command
from insarray.model.errors import StackWarning

SENTINEL1_WAVELENGTH = 299_792_458.0 / 5.405e9
UTM = Affine(80.0, 0.0, 600_000.0, 0.0, -80.0, 2_150_000.0)
DEGREES = Affine(0.001, 0.0, -99.3, 0.0, -0.001, 19.6)
Part = tuple[int, int, int, int]
"""First row and column, and shape, of what a file has of the scene."""


@dataclass(frozen=True)
class Scene:
    """What a stack has seen.

    Parameters
    ----------
    pairs
        Dates in the order of the product, whichever is the newer one.
    parts
        What each pair has of the scene; empty for all of it.
    """

    pairs: tuple[tuple[str, str], ...] = (
        ("20190610", "20190622"),
        ("20190610", "20190704"),
        ("20190622", "20190704"),
        ("20190704", "20190716"),
    )
    shape: tuple[int, int] = (30, 40)
    parts: tuple[Part, ...] = ()
    wavelength: float = SENTINEL1_WAVELENGTH
    baselines: dict[str, float] = field(
        default_factory=lambda: {"20190610": 0.0, "20190622": 61.5, "20190704": -33.25, "20190716": 108.0}
    )

    @property
    def dates(self) -> list[str]:
        """All dates, ascending."""
        return sorted({date for pair in self.pairs for date in pair})

    def part(self, k: int) -> Part:
        """What pair `k` has of the scene."""
        return self.parts[k] if self.parts else (0, 0, *self.shape)

    def cut(self, k: int, values: np.ndarray) -> np.ndarray:
        """The part of pair `k` of a map."""
        row, col, height, width = self.part(k)
        return values[row : row + height, col : col + width]

    def transform(self, k: int, whole: Affine) -> Affine:
        """Of the files of pair `k`."""
        return whole * Affine.translation(self.part(k)[1], self.part(k)[0])

    @cached_property
    def displacement(self) -> dict[str, np.ndarray]:
        """Metres toward the satellite, up to a constant of each date."""
        rng = np.random.default_rng(11)
        return {date: rng.normal(0, 0.02, self.shape) for date in self.dates}

    @cached_property
    def seen(self) -> np.ndarray:
        """False in a corner that no pair sees."""
        seen = np.ones(self.shape, bool)
        seen[:4, :5] = False
        return seen

    @cached_property
    def coherence(self) -> np.ndarray:
        """Of every pair, (pair, y, x); positive also where the phase is masked."""
        return np.random.default_rng(5).uniform(0.2, 0.9, (len(self.pairs), *self.shape)).astype(np.float32)

    @cached_property
    def height(self) -> np.ndarray:
        """Metres."""
        return np.add.outer(np.arange(self.shape[0]), 2 * np.arange(self.shape[1])).astype(np.float32) + 2200

    @cached_property
    def land(self) -> np.ndarray:
        """True on land."""
        land = np.ones(self.shape, bool)
        land[-2:] = False
        return land

    @cached_property
    def line_of_sight(self) -> np.ndarray:
        """Unit vector from ground to satellite, east, north, up, (3, y, x): an ascending Sentinel-1."""
        incidence = np.radians(np.linspace(33, 43, self.shape[1]))[None].repeat(self.shape[0], 0)
        heading = np.radians(-13.0)
        east, north = -np.sin(incidence) * np.cos(heading), np.sin(incidence) * np.sin(heading)
        return np.stack([east, north, np.cos(incidence)])

    def phase(self, k: int, *, sign: float = 1.0) -> np.ndarray:
        """Radians, second minus first date of pair `k` of the product, away from the satellite; 0 = no-data."""
        first, second = self.pairs[k]
        moved = self.displacement[second] - self.displacement[first]
        phase = (-4 * np.pi / self.wavelength * moved * sign).astype(np.float32)
        return self.cut(k, np.where(self.seen, phase, 0))

    def baseline(self, k: int) -> float:
        """Metres, second minus first date of pair `k` of the product."""
        first, second = self.pairs[k]
        return self.baselines[second] - self.baselines[first]

    def write_table(self, path: Path) -> Path:
        """Write the baselines of the dates as a table that can be given as an option."""
        path.write_text("\n".join(["date,bperp_m", *(f"{date},{value}" for date, value in self.baselines.items())]))
        return path

    # -- what insarray should make of it --------------------------------------------------------------------------

    def ordered(self) -> list[int]:
        """Pairs in the order of the stack."""
        return sorted(range(len(self.pairs)), key=lambda k: sorted(self.pairs[k]))

    def expected_phase(self) -> np.ndarray:
        """Later minus earlier date, NaN where nothing was seen, (pair, y, x), for files with all of the scene."""
        planes = [self.phase(k) * (1 if self.pairs[k][0] < self.pairs[k][1] else -1) for k in self.ordered()]
        return np.where(self.seen, np.stack(planes), np.nan)

    def expected_baselines(self) -> list[float]:
        """Later minus earlier date."""
        return [self.baselines[max(self.pairs[k])] - self.baselines[min(self.pairs[k])] for k in self.ordered()]

    def require_series(self, store: Path, window: tuple[slice, slice] = (slice(None), slice(None))) -> None:
        """Assert that a store holds the displacement, to 1e-4 rad, where it was seen, and nothing elsewhere."""
        series = xr.open_zarr(store)
        found = series.displacement.values
        truth = np.stack([self.displacement[date] - self.displacement[self.dates[0]] for date in self.dates])
        truth, seen = truth[:, *window], self.seen[window]
        row, col = series.attrs["reference_row"], series.attrs["reference_col"]
        truth -= truth[:, row, col][:, None, None]
        assert [str(time)[:10].replace("-", "") for time in series.time.values] == self.dates
        assert found.shape == truth.shape
        assert np.isnan(found[:, ~seen]).all()
        error = np.abs(found - truth)[:, seen] * 4 * np.pi / self.wavelength
        assert error.max() < 1e-4


def commands(capsys, *arguments):
    """(exit code, output, error lines, how files were taken) of a command in this process."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StackWarning)
        code = run_command([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines(), [str(warning.message) for warning in caught]


def truncate(path: Path) -> None:
    """Cut the end off a file."""
    path.write_bytes(path.read_bytes()[:-200])


def assert_note(folder: Path, *words: str) -> None:
    """Assert that a folder is opened with its phase, and that one warning has the words."""
    with pytest.warns(StackWarning) as told:
        stack = ia.open_stack(folder)
    assert np.isfinite(stack.unwrapped_phase.values).any()
    assert any(all(word in str(one.message) for word in words) for one in told), [str(one.message) for one in told]


def assert_one_line(capsys, folder: Path, out: Path, *words: str) -> None:
    """Assert that `invert` refuses a folder with one line that has the words, and writes nothing."""
    code, _, errors, _ = commands(capsys, "invert", folder, out)
    assert (code, len(errors)) == (2, 1), errors
    for word in words:
        assert word in errors[0], errors[0]
    assert not out.exists()
