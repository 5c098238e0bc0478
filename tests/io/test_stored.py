"""A canonical stack in NetCDF or Zarr."""

from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr

from insarray.io.open import open_stack
from insarray.model.errors import ArgumentError, FileError, StackError
from tests.io.stack_files import WAVELENGTH, Truth


@pytest.fixture
def original(tmp_path: Path, truth: Truth) -> xr.Dataset:
    """A stack with everything a stack can have."""
    truth.phase[0, 0, 0] = np.nan
    truth.phase[1, 0, 0] = 0
    attrs = {"X_FIRST": "20", "Y_FIRST": "30", "X_STEP": "0.5", "Y_STEP": "-0.5", "NCORRLOOKS": "20"}
    return open_stack(truth.write_mintpy(tmp_path / "mintpy", attrs)).compute()


@pytest.fixture(params=["stack.nc", "stack.zarr"])
def stored(request: pytest.FixtureRequest, original: xr.Dataset, tmp_path: Path) -> Path:
    return save(original, tmp_path / request.param)


def save(stack: xr.Dataset, path: Path) -> Path:
    if path.suffix == ".nc":
        encoding = {"unwrapped_phase": {"chunksizes": (2, 10, 10)}} if stack.sizes["pair"] > 1 else {}
        stack.to_netcdf(path, encoding=encoding)
    else:
        stack.chunk({"pair": 2, "y": 10, "x": 10}).to_zarr(path, consolidated=False)
    return path


def test_round_trip(stored: Path, original: xr.Dataset) -> None:
    stack = open_stack(stored)
    assert stack.chunks["pair"] == (4,)
    assert stack.attrs["product"] == "netcdf"
    assert stack.attrs["wavelength"] == WAVELENGTH
    assert stack.attrs["looks"] == 20
    xr.testing.assert_equal(stack.drop_vars("spatial_ref").compute(), original.drop_vars("spatial_ref"))
    assert stack.rio.crs.to_epsg() == 4326
    assert stack.unwrapped_phase.values[1, 0, 0] == 0
    for name in original:
        assert stack[name].dtype == original[name].dtype
    np.testing.assert_array_equal(stack.coherence.isel(pair=2), original.coherence[2])


def test_blocks_names_and_options(stored: Path) -> None:
    stack = open_stack(stored, block=7, wavelength=0.24)
    assert stack.attrs["wavelength"] == 0.24
    assert stack.chunks["y"] == (7, 7, 6)
    assert stack.unwrapped_phase.data.name == open_stack(stored, block=7).unwrapped_phase.data.name
    assert open_stack(stored, product="netcdf").attrs["product"] == "netcdf"
    with pytest.raises(ArgumentError, match="nodata: does not apply to the product netcdf"):
        open_stack(stored, nodata=0)
    content = next(path for path in [stored, *stored.rglob("c/*")] if path.is_file())
    content.touch()
    assert stack.unwrapped_phase.data.name != open_stack(stored, block=7).unwrapped_phase.data.name


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.drop_vars("unwrapped_phase"), FileError, "has no unwrapped_phase; it holds"),
        (lambda s: s.drop_vars("secondary_time"), FileError, "has no secondary_time"),
        (lambda s: s.transpose("y", "x", "pair"), StackError, r"unwrapped_phase has dimensions \('y', 'x', 'pair'\)"),
        (lambda s: s.assign_coords(x=np.arange(30.0) ** 2), StackError, "x: the coordinate is not evenly spaced"),
        (lambda s: s.isel(pair=[0, 0]), StackError, "given more than once"),
    ],
)
def test_not_canonical(original: xr.Dataset, tmp_path: Path, change: object, error: type, message: str) -> None:
    path = tmp_path / "bad.nc"
    change(original).to_netcdf(path)
    with pytest.raises(error, match=message):
        open_stack(path, product="netcdf")


def test_phase_in_degrees(original: xr.Dataset, tmp_path: Path) -> None:
    original.unwrapped_phase.attrs["units"] = "degree"
    with pytest.raises(StackError, match="unwrapped_phase is in 'degree'; it needs radian"):
        open_stack(save(original, tmp_path / "stack.nc"))


def test_no_netcdf(tmp_path: Path) -> None:
    (tmp_path / "stack.nc").write_text("no")
    with pytest.raises(FileError, match=r"stack\.nc: cannot be opened as NetCDF or Zarr"):
        open_stack(tmp_path / "stack.nc", product="netcdf")
    with pytest.raises(FileError, match="the product netcdf is one file"):
        open_stack([tmp_path, tmp_path / "stack.nc"], product="netcdf")
