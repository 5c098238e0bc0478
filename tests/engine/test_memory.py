"""Measured: no job takes more memory than its plan says, and the plan says at most twice what it takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOBS = {
    "plain": (),
    "weighted": (),
    "robust": (),
    "merged": (),
    "stored": ("store",),
    "selected": (),
    "appended": ("begin",),
    "linked": ("wrapped",),
    "tiled": ("wrapped",),
}
"""What runs before each, in the same folder."""

SLOW = {"appended", "linked", "robust", "merged", "stored", "tiled"}
"""Left to the night."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the largest resident memory is read from /proc")


def measured(job: str, folder: Path) -> dict[str, int]:
    """Bytes of a job that had a process for itself."""
    command = [sys.executable, "-m", "tests.engine.memory_jobs", job, str(folder)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("job", [pytest.param(job, marks=[pytest.mark.slow] if job in SLOW else []) for job in JOBS])
def test_the_plan_is_at_least_what_is_measured_and_at_most_twice(job: str, tmp_path: Path) -> None:
    for before in JOBS[job]:
        measured(before, tmp_path)
    found = measured(job, tmp_path)
    assert found["work"] > 100e6  # or the base would decide
    assert found["measured"] <= found["plan"] <= 2 * found["measured"], found
