"""Machine code that was compiled from other sources is never used again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import insarray

CODE = "from insarray.kernels.network.gather import load; print(load.stats.cache_path)"


def cache_of(root, **environment):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_change_in_any_kernel_moves_the_cache_of_all(tmp_path):
    root = tmp_path / "src"
    shutil.copytree(Path(insarray.__file__).parent, root / "insarray", ignore=shutil.ignore_patterns("__pycache__"))
    first = cache_of(root, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert Path(first).is_relative_to(tmp_path / "cache")
    assert cache_of(root, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == first
    other = root / "insarray" / "kernels" / "network" / "starmesh.py"
    other.write_text(other.read_text() + "\n# changed\n")
    assert cache_of(root, NUMBA_CACHE_DIR=str(tmp_path / "cache")) != first


def test_what_earlier_sources_left_is_removed(tmp_path):
    root = tmp_path / "src"
    shutil.copytree(Path(insarray.__file__).parent, root / "insarray", ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "insarray" / "kernels" / "__pycache__"
    (folder / "numba-0123").mkdir(parents=True)
    found = cache_of(root, NUMBA_CACHE_DIR="")
    assert Path(found).is_relative_to(folder)
    assert [entry.name for entry in folder.glob("numba-*")] == [Path(found).relative_to(folder).parts[0]]
