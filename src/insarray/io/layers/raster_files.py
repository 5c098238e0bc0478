"""Raster files: path, the driver that the extension permits, and checks of the files that a raster refers to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from insarray.io.given import given_folders, require_given
from insarray.io.layers.netcdf import netcdf_image
from insarray.io.layers.raw import SUFFIXES, has_envi_header, require_described
from insarray.io.layers.vrt_sources import checked_vrt, require_known_companions
from insarray.io.locations import gdal_name, is_url
from insarray.model.errors import FileError
from insarray.model.grid import Grid
from insarray.model.secrets import shown

# Only the driver of the extension: GDAL detects a VRT by content under any name, and a VRT can read any file
_DRIVERS = {
    ".tif": "GTiff",
    ".tiff": "GTiff",
    ".vrt": "VRT",
    ".nc": "netCDF",
    ".nc4": "netCDF",
    ".grd": "netCDF",
    ".img": "ENVI",  # or HFA, see raster_file
    **dict.fromkeys((".bil", ".bin", ".dat", ".unw", ".cor", ".cc", ".phs", ".conncomp"), "ENVI"),
}


@dataclass(frozen=True, repr=False)
class RasterFile:
    """Raster file: path, GDAL's name for it, the only permitted driver, and the band to read.

    `grid` is set for files whose own coordinates replace GDAL's georeferencing. `masked` if a mask, or the band
    `alpha`, marks valid pixels; `beside` if files next to it add metadata (.msk, .aux.xml, .tfw). `header` is the text
    that describes raw pixels. `name` is a file name, or the text of a VRT, which reads `sources`.
    """

    path: str
    name: str
    driver: str
    band: int = 1
    grid: Grid | None = None
    masked: bool = False
    alpha: int | None = None
    beside: bool = False
    header: str | None = None
    sources: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RasterFile({shown(self.path)!r}, {self.driver}, band {self.band})"


def is_raster(path: Path) -> bool:
    """Return whether an existing file may be a raster, by its extension."""
    return path.suffix.lower() in _DRIVERS and path.is_file()


def raster_file(
    path: Path,
    variable: str | None = None,
    prefer: Sequence[str] = (),
    band: int = 1,
    folders: Sequence[str] | None = None,
) -> RasterFile:
    """Return the raster file of a band, for the driver that the extension permits.

    Parameters
    ----------
    path
        Existing file.
    variable
        Variable of a NetCDF file with several variables.
    prefer
        Preferred names among several variables if none was given.
    band
        Band of a raster other than NetCDF.
    folders
        Folders, besides that of the file, that may contain the sources of a VRT, or targets of links to raw pixels;
        None: those given by the user.

    Raises
    ------
    FileError
        If the extension is not that of a raster, the file is empty, or has no such variable.
    """
    driver = _DRIVERS.get(path.suffix.lower())
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give files, or a folder of a product that insarray knows")
    if driver is None:
        known = " ".join(sorted(_DRIVERS))
        raise FileError(f"{path}: the extension {path.suffix!r} is not a known raster's ({known})")
    if not is_url(path) and not path.exists():
        raise FileError(f"{path}: is a link to what is not there; fetch that, or remove the link")
    if path.stat().st_size == 0:
        raise FileError(f"{path}: is empty (0 bytes); download or create it again")
    if driver == "netCDF":
        return _netcdf_file(path, variable, prefer)
    if variable is not None:
        raise FileError(f"variable: applies to NetCDF, but {path} is not; leave it out")
    with path.open("rb") as content:  # Erdas Imagine and ENVI share an extension
        erdas = path.suffix.lower() == ".img" and content.read(4) == b"EHFA"
    folders = given_folders() if folders is None else folders
    if driver == "VRT":
        return _vrt_file(path, band, folders)
    if driver == "ENVI" and not erdas and not is_url(path):  # any bytes are valid pixels
        require_given(path, (path.parent, *folders), f"{path}: is a link to")
    if not is_url(path):
        require_known_companions(path)
    if path.suffix.lower() in SUFFIXES and not has_envi_header(path):
        known_as = require_described(path)
        return RasterFile(str(path), known_as.vrt, "VRT", band, header=str(known_as.header))
    beside = driver == "GTiff" and not is_url(path) and any(map(os.path.exists, _companions(str(path))))
    return RasterFile(str(path), gdal_name(path), "HFA" if erdas else driver, band, beside=beside)


def _companions(path: str) -> tuple[str, ...]:
    return f"{path}.msk", f"{path}.aux.xml", f"{os.path.splitext(path)[0]}.tfw"


def _vrt_file(path: Path, band: int, folders: Sequence[str]) -> RasterFile:
    if is_url(path):
        raise FileError(f"{path}: a VRT is read from a file of this machine; copy it, or give the files it is made of")
    mask = f"{path}.msk"
    if os.path.lexists(mask):
        raise FileError(f"{mask}: the mask of a VRT has to be in the VRT; make it again")
    vrt = checked_vrt(path, folders)
    return RasterFile(str(path), vrt.text, "VRT", band, sources=tuple(dict.fromkeys(vrt.files)))


def _netcdf_file(path: Path, variable: str | None, prefer: Sequence[str]) -> RasterFile:
    if is_url(path):
        raise FileError(f"{path}: NetCDF rasters are read from files of this machine; copy it")
    if '"' in str(path):
        raise FileError(f"{path}: has a quotation mark in its name, which GDAL takes for its end; rename it")
    name, grid = netcdf_image(path, variable, prefer)
    return RasterFile(str(path), f'NETCDF:"{path}":{name}', "netCDF", grid=grid)
