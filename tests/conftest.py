"""Fixtures for all tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real and golden data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("INSARRAY_TEST_DATA", default))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no test data in {folder}; set INSARRAY_TEST_DATA to the folder that holds golden/ and data/")
    return folder


class Golden:
    """Numeric answers of other programs: the small ones beside the tests, the rest in the folder with test data."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __truediv__(self, name: str) -> Path:
        beside = Path(__file__).parent / "golden" / name
        if beside.exists():
            return beside
        shared: Path = self._request.getfixturevalue("shared")
        return shared / "golden" / name


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Golden:
    """The peers' numeric answers: `golden / "name"` is a path, or skips the test."""
    return Golden(request)


@pytest.fixture(scope="module", autouse=True)
def _scheduler_as_found() -> Iterator[None]:
    """A client that is not closed in its turn leaves its setting to the modules after it: the one that did so fails."""
    before = dask.config.get("scheduler", None)
    yield
    after = dask.config.get("scheduler", None)
    dask.config.set(scheduler=before)
    assert after == before, f"the tests of this module have changed Dask's scheduler from {before} to {after}"


# -- the table of faults: what was injected and what came of it, written if INSARRAY_FAULT_TABLE names a file -----------

ROWS: list[tuple[str, ...]] = []


@pytest.fixture
def account() -> Callable[..., None]:
    """Called by a test that has gone through a fault: fault, how, times, blocks computed again, result."""
    return lambda *cells: ROWS.append(tuple(map(str, cells)))


def pytest_sessionfinish() -> None:
    """Write the rows, each once: a test of several parameters may say the same."""
    if ROWS and (path := os.environ.get("INSARRAY_FAULT_TABLE")):
        lines = ["| fault | how | times | blocks computed again | result |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in dict.fromkeys(ROWS)]
        Path(path).write_text("\n".join(lines) + "\n")
