"""Machine code that was compiled from other sources is never used again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture
def root(tmp_path):
    shutil.copytree(
        Path(insarray.__file__).parent, tmp_path / "src" / "insarray", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "src"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")
def test_the_cache_belongs_to_this_user_alone(root, tmp_path):
    """What it holds is unpickled: a folder that others can write to or exchange is not used, and one line says so."""
    own, bare, shared, open_above, sticky = (tmp_path / name for name in ("own", "bare", "shared", "above", "sticky"))
    for folder, mode in ((shared, 0o777), (open_above, 0o777), (sticky, 0o1777)):
        folder.mkdir()
        folder.chmod(mode)
    found = Path(cache_of(root, NUMBA_CACHE_DIR=str(own)))
    made = own / found.relative_to(own).parts[0]
    assert (own.stat().st_mode & 0o777, made.stat().st_mode & 0o777) == (0o700, 0o700)
    assert Path(cache_of(root, NUMBA_CACHE_DIR=str(sticky))).is_relative_to(sticky)
    planted = made / "planted.nbi"
    planted.touch()
    planted.chmod(0o666)
    made.rename(bare)
    bare.chmod(0o770)
    for folder, name in ((shared, shared), (open_above / "mine", open_above), (own, own)):
        if folder == own:
            bare.rename(made)
        done = said(root, NUMBA_CACHE_DIR=str(folder))
        assert done.stdout.strip() == "None"
        assert done.stderr.count("\n") == 1
        assert f"others can write to {made if folder == own else name}" in done.stderr
    made.chmod(0o700)
    assert f"others can write to {planted}" in said(root, NUMBA_CACHE_DIR=str(own)).stderr


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files to others")
def test_a_cache_of_somebody_else_is_not_used(root, tmp_path):
    found = Path(cache_of(root, NUMBA_CACHE_DIR=str(tmp_path / "cache")))
    made = tmp_path / "cache" / found.relative_to(tmp_path / "cache").parts[0]
    os.chown(made, 12345, -1)
    done = said(root, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.strip() == "None"
    assert f"others can write to {made}" in done.stderr


def said(root, **environment):
    """Where the cache is, and what is said of it; nothing is compiled."""
    code = "from insarray.kernels import compiled; print(compiled._CACHE)"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
