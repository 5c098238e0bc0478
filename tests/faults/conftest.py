"""What an undisturbed job results in."""

import pytest

from insarray.engine.run.runner import run
from tests.faults.scene import job
from tests.stores import contents


@pytest.fixture(scope="session")
def calm(tmp_path_factory) -> dict[str, int]:
    """Checksums of the job without any fault."""
    folder = tmp_path_factory.mktemp("calm")
    run(job(folder / "trouble"), str(folder / "calm.zarr"), scheduler="threads")
    return contents(folder / "calm.zarr")
