"""Fixtures of the reader tests."""

from pathlib import Path

import pytest

from tests.io.stack_files import Truth


@pytest.fixture
def truth() -> Truth:
    """What the files of `folder` hold."""
    return Truth()


@pytest.fixture
def folder(tmp_path: Path, truth: Truth) -> Path:
    """A generic stack: phase and coherence of four pairs."""
    return truth.write(tmp_path / "ifgs")
