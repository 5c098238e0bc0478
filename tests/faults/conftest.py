"""The table of what was injected and what came of it: written if INSARRAY_FAULT_TABLE names a file."""

import os
from pathlib import Path

import pytest

from insarray.engine.run.runner import run
from tests.faults.scene import job
from tests.stores import contents

ROWS: list[tuple[str, ...]] = []


@pytest.fixture
def account():
    """Called by a test that has gone through a fault: fault, how, times, blocks computed again, result."""
    return lambda *cells: ROWS.append(tuple(map(str, cells)))


@pytest.fixture(scope="session")
def calm(tmp_path_factory) -> dict[str, int]:
    """Checksums of the job without any fault."""
    folder = tmp_path_factory.mktemp("calm")
    run(job(folder / "trouble"), str(folder / "calm.zarr"), scheduler="threads")
    return contents(folder / "calm.zarr")


def pytest_sessionfinish():
    if ROWS and (path := os.environ.get("INSARRAY_FAULT_TABLE")):
        lines = ["| fault | how | times | blocks computed again | result |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in ROWS]
        Path(path).write_text("\n".join(lines) + "\n")
