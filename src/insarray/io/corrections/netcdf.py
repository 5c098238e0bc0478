"""NetCDF files of weather models as datasets, whichever of its two formats they have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import h5py
import xarray as xr

from insarray.io.layers.hdf5 import require_own_values
from insarray.model.errors import FileError


@contextmanager
def opened_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Dataset of a file, closed again.

    Raises
    ------
    FileError
        If it cannot be read, or keeps values in other files.
    """
    require_own_values(path)
    engine: Literal["h5netcdf", "scipy"] = "h5netcdf" if h5py.is_hdf5(path) else "scipy"
    try:
        dataset = xr.open_dataset(path, engine=engine, decode_timedelta=False)
    except Exception as error:  # h5netcdf and SciPy raise what they like
        raise FileError(f"{path}: cannot be read as NetCDF ({error}); download it again") from error
    with dataset:
        yield dataset
