"""Opening products that say something while they are opened, and spoiling their files."""

import re
from pathlib import Path

import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import StackWarning


def opened(folder: Path, match: str = "--dem", **options: object) -> xr.Dataset:
    """Stack of a folder; one of the warnings has to match."""
    with pytest.warns(StackWarning) as told:
        stack = ia.open_stack(folder, **options)
    assert any(re.search(match, str(warning.message)) for warning in told)
    return stack


def truncated(folder, products):
    """The second file ends after its first 2000 bytes."""
    path = folder / products[1].name
    path.write_bytes(path.read_bytes()[:2000])


def empty(folder, products):
    """The second file has no bytes."""
    (folder / products[1].name).write_bytes(b"")
