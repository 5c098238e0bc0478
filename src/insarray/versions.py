"""Versions of libraries and description of the machine for bug reports, with minimal imports."""

import importlib.metadata
import os
import platform
import sys
from typing import TextIO

from insarray._version import __version__

_LIBRARIES = (
    "numpy", "scipy", "numba", "xarray", "dask", "distributed", "zarr", "numcodecs", "h5py", "h5netcdf", "netCDF4",
    "rasterio", "rioxarray", "pyproj", "fsspec", "s3fs", "pyogrio", "pyarrow", "shapely", "exactextract",
    "ortools", "matplotlib",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return names and versions of installed packages in the order of `show_versions`."""
    found = {"insarray": f"{__version__} ({_identity()})", "Python": sys.version.split()[0]}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["GDAL"], found["PROJ"] = _gdal(), _proj()
    found["system"] = platform.platform()
    found["processor"] = f"{_processor()}, {os.cpu_count()} logical"
    found["threads"] = ", ".join(f"{name} {count}" for name, count in _threads().items())
    return found


def show_versions(file: TextIO | None = None) -> None:
    """Print the versions of insarray and its dependencies, and a description of the machine, for bug reports.

    Parameters
    ----------
    file
        Output stream; default: standard output.

    See Also
    --------
    insarray --version --verbose : the same from the command line.

    Examples
    --------
    >>> import insarray as ia
    >>> ia.show_versions()  # doctest: +ELLIPSIS
    insarray      ...
    Python        3...
    numpy         ...
    """
    print("\n".join(f"{name:<13s} {value}" for name, value in versions().items()), file=file or sys.stdout)


def _identity() -> str:
    from insarray.engine.program import program_identity

    return program_identity()


def _gdal() -> str:
    import rasterio

    return str(rasterio.__gdal_version__)


def _proj() -> str:
    """Return the PROJ versions of rasterio and pyproj, whose wheels each include one."""
    import pyproj
    import rasterio

    return f"{rasterio.__proj_version__} (rasterio), {pyproj.proj_version_str} (pyproj)"


def _processor() -> str:
    """Return the processor model, if the system provides it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _threads() -> dict[str, object]:
    """Return the threads that libraries would use, and the environment variables that set them."""
    import numpy as np  # noqa: F401  its BLAS is queried
    from numba import get_num_threads
    from threadpoolctl import threadpool_info

    found: dict[str, object] = {info["internal_api"]: info["num_threads"] for info in threadpool_info()}
    found["numba"] = get_num_threads()
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "DASK_NUM_WORKERS")
    return found | {name: os.environ[name] for name in names if name in os.environ}
