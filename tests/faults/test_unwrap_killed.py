"""`insarray unwrap`, killed among its tiles and while its pairs are written, then run again: same bits."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from insarray.engine.store.zarr_store import Store
from insarray.simulate.points import simulate_wrapped, write_wrapped
from tests.faults.test_commands import ROOT, wait_for
from tests.stores import contents

TILES = 9


class Unwrapping:
    """`insarray unwrap` of files in nine tiles, with slow blocks."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("ortools", reason="unwrapping needs OR-tools, which is not installed")
        write_wrapped(simulate_wrapped(shape=(80, 84), n_dates=9, noise=0.3, seed=2)[0], folder / "linked")
        self.linked = folder / "linked"

    def start(self, out: Path, seconds: float, workers: int = 2) -> subprocess.Popen:
        words = ["unwrap", str(self.linked), str(out), "--baselines", str(self.linked / "baselines.csv")]
        words += ["--wavelength", "0.031", "--slant-range", "700000", "--incidence-angle", "35", "--neighbours", "6"]
        words += ["--tile", "36", "--overlap", "12", "--workers", str(workers)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.command", *words],
            cwd=ROOT,
            env={**os.environ, "INSARRAY_TEST_SECONDS": str(seconds)},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def finish(self, out: Path, workers: int = 2) -> tuple[dict[str, int], dict[str, int]]:
        """Run to the end; what is in the stores of tiles and pairs then."""
        with self.start(out, 0.0, workers) as process:
            _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return contents(tiles_of(out)), contents(out)


def tiles_of(out: Path) -> Path:
    return out.with_suffix(".tiles.zarr")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_three_times_and_with_one_worker(tmp_path, account):
    command = Unwrapping(tmp_path)
    expected = command.finish(tmp_path / "expected.zarr")
    out = tmp_path / "o.zarr"
    for store, blocks in ((tiles_of(out), 2), (tiles_of(out), 5), (out, 1)):
        with command.start(out, 0.3) as process:
            wait_for(store, blocks, process)
            time.sleep(0.1)
            process.kill()
        if store != out:
            assert 0 < len(Store(str(store)).done()) < TILES
    assert Store(str(out)).done()
    assert command.finish(out) == expected
    assert Store(str(tiles_of(out))).verify() == TILES
    assert command.finish(tmp_path / "one.zarr", workers=1) == expected
    account("unwrap killed", "SIGKILL among the tiles and the pairs, then resumed", 3, "those at work", "same bits")
